"""What results of `MarkovRNN` must give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from contracts.labels import STEPS, later_inputs, table
from contracts.markov_models import FITS
from contracts.surface import Surface, common, ends_agree, of_later_rows

from rnnstats.errors import SpecificationError
from rnnstats.results.markov import MarkovResults

__all__ = ["MARKOV"]


def by_regime(res, value):
    assert list(value.columns) == list(res.model.regime_names)
    pd.testing.assert_index_equal(value.index, res.model.endog.index)
    seen = value.dropna().to_numpy()
    assert len(seen) >= res.nobs
    np.testing.assert_allclose(seen.sum(axis=1), 1.0, rtol=1e-12)
    assert (seen >= 0).all()


def square_by_regime(res, value):
    names = list(res.model.regime_names)
    assert list(value.columns) == names
    assert value.index.names[-1] == "state"
    blocks = value.to_numpy().reshape(-1, len(names), len(names))
    np.testing.assert_array_equal(blocks, blocks.transpose(0, 2, 1))


def stochastic(res, value):
    names = list(res.model.regime_names)
    assert list(value.columns) == names
    np.testing.assert_allclose(value.to_numpy().sum(axis=1), 1.0, rtol=1e-12)


def stochastic_or_moving(res, value):
    np.testing.assert_allclose(np.asarray(value.transition).sum(axis=-1), 1.0, rtol=1e-12)


def intervals(res, value):
    assert isinstance(value, pd.DataFrame)
    assert {"estimate", "std err"} <= set(value.columns)


def prediction(res, value):
    assert len(value.predicted_mean) == len(value.row_labels)
    if res.model.levels:
        with pytest.raises(SpecificationError, match="categories have no order"):
            value.conf_int()
        return
    ends = value.conf_int()
    half = ends.shape[1] // 2
    lower, upper = ends.to_numpy()[:, :half], ends.to_numpy()[:, half:]
    seen = ~np.isnan(lower)
    assert seen.any()
    assert (lower[seen] <= upper[seen]).all()
    assert list(value.regime_probabilities.columns) == list(res.model.regime_names)


def network(res, value):
    assert value.W_h.shape[1] >= res.model.k_regimes


def sensible(name, check, **arguments):
    """A method that a single regime, or later rows only, may refuse by an error that says so."""

    def call(res):
        given = {key: value(res) for key, value in arguments.items()}
        try:
            return getattr(res, name)(**given)
        except SpecificationError as error:
            assert res.model.k_regimes == 1 or of_later_rows(res), name
            assert str(error).startswith(name)
            return None

    return call, lambda res, value: None if value is None else check(res, value)


def identities(res):
    ends_agree(res)


DRAWN = ("two outputs, inputs, gaps", "categories")
COMMON = common(MarkovResults, prediction, drawn=tuple(FITS[name] for name in DRAWN))
call_news, object_of = COMMON["news"]


def news(res):
    try:
        return call_news(res)
    except SpecificationError as error:
        assert of_later_rows(res)
        assert str(error).startswith("news")
        return None


OWN = {
    "duration_table": sensible("duration_table", intervals),
    "expected_durations": (None, lambda r, v: None),
    "filter_vs_smoother": sensible("filter_vs_smoother", object_of),
    "filtered_marginal_probabilities": (None, by_regime),
    "filtered_state": (None, by_regime),
    "filtered_state_cov": (None, square_by_regime),
    "impulse_responses": (lambda r: r.impulse_responses(4), lambda r, v: len(v) > 0),
    "k_diffuse_states": (None, lambda r, v: v == 0),
    "memory": sensible("memory", object_of),
    "news": (news, lambda r, v: None if v is None else object_of(r, v)),
    "nobs_diffuse": (None, lambda r, v: v == 0),
    "predicted_marginal_probabilities": (None, by_regime),
    "predicted_state": (None, by_regime),
    "predicted_state_cov": (None, square_by_regime),
    "quantile_residuals": (lambda r: r.quantile_residuals(rng=0), lambda r, v: len(v) > 0),
    "simulate": (
        lambda r: r.simulate(STEPS, anchor="end", rng=0, **later_inputs(r)),
        lambda r, v: pd.testing.assert_index_equal(
            v.index, r.model.endog.future_index(STEPS), check_names=False
        ),
    ),
    "smoothed_marginal_probabilities": (None, by_regime),
    "smoothed_state": (None, by_regime),
    "smoothed_state_cov": (None, square_by_regime),
    "stationary_probabilities": (None, lambda r, v: None),
    "stationary_table": sensible("stationary_table", intervals),
    "switch_probability": sensible(
        "switch_probability", lambda r, v: len(v) > 0, steps=lambda r: 4
    ),
    "to_hmm": (lambda r: r.to_hmm(), stochastic_or_moving),
    "to_rnn": (lambda r: r.to_rnn(), network),
    "transition": (None, stochastic),
    "transition_table": sensible("transition_table", intervals),
    "turning_points": sensible("turning_points", lambda r, v: table(r, v.summary())),
    "viterbi": (
        lambda r: r.viterbi(),
        lambda r, v: set(v.dropna()) <= set(r.model.regime_names),
    ),
}

OPTIONS = {
    "uncertainty": (
        lambda r, v: (
            r.get_forecast(3, uncertainty=v, **({"nboot": 20} if v == "bootstrap" else {}))
            .conf_int()
            .to_numpy()
        ),
        ("plugin", "delta", "bootstrap"),
    ),
    "anchor": (lambda r, v: np.asarray(r.simulate(4, anchor=v, rng=0)), ("start", "end")),
    "cov_type": (
        lambda r, v: MarkovResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
        ("oim", "opg", "robust", "none"),
    ),
}

MARKOV = Surface("markov", MarkovResults, FITS, {**COMMON, **OWN}, OPTIONS, "gaussian", identities)
