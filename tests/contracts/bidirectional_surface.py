"""What results of bidirectional networks must give: regressions on inputs, pseudo-likelihoods."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from contracts.bidirectional_models import FITS, PSEUDO_FITS
from contracts.labels import STEPS, figure, in_sample, later_inputs, number, table
from contracts.recurrent_surface import degrees, no_module, prediction
from contracts.recurrent_surface import exported as of_one_direction
from contracts.surface import Surface, applied, common, new_rows

from rnnstats.errors import SpecificationError
from rnnstats.results.bidirectional import BidirectionalResults
from rnnstats.results.two_sided.refusals import NEVER
from rnnstats.results.two_sided.refusals import PSEUDO as REFUSED

__all__ = ["PSEUDO", "REGRESSION"]


def of_forward(res, value):
    count = value.shape[1]
    assert list(value.columns) == list(res.model.state_names[:count])
    assert all(name[0] in "hc" for name in value.columns)
    assert value.notna().all(axis=None)


def of_both(res, value):
    assert list(value.columns) == list(res.model.state_names)
    assert value.notna().all(axis=None)


def zero(res, value):
    assert value.index.names[-1] == "state"
    assert (value.to_numpy() == 0.0).all()


def gates(res):
    if hasattr(res, "gates"):
        return res.gates, res.plot_gates()
    with pytest.raises(AttributeError, match=r"no gates"):
        _ = res.gates
    with pytest.raises(AttributeError, match=r"no gates"):
        res.plot_gates()
    return None


def has_gates(res, value):
    gated_cell = res.model.architecture.cells[0].kind != "elman"
    assert (value is not None) == gated_cell
    if value is not None:
        frame, picture = value
        names = list(frame.columns)
        assert any("[h1]" in name for name in names)
        assert any("[g1]" in name for name in names)
        figure(res, picture)


def compared(res):
    if not res.model.levels:
        return res.filter_vs_smoother()
    with pytest.raises(SpecificationError, match="compare_with_forward"):
        res.filter_vs_smoother()
    return None


def comparison(res, value):
    if value is not None:
        assert list(value.table.index) == list(res.model.endog.names)
        assert (value.comparison["mse_smoothed"] > 0).all()
        table(res, value.summary())


def hindsight(res, value):
    table(res, value.summary())
    assert np.isfinite(value.gain)
    assert len(value.scores) >= 10
    figure(res, value.plot())


def penalised(name):
    call, check = COMMON[name]

    def ask(res):
        if not res.model.penalty:
            return call(res)
        with pytest.raises(SpecificationError, match=r"got penalised estimates|fewer free"):
            call(res)
        return None

    return ask, lambda res, value: value is None or check(res, value)


def smoothed(res, value):
    prediction(res, value)
    pd.testing.assert_frame_equal(
        pd.DataFrame(value.predicted_mean.to_numpy()), pd.DataFrame(res.smoothedvalues.to_numpy())
    )


def other_cov(res):
    if not res.model.pseudo:
        return res.with_cov("opg")
    with pytest.raises(SpecificationError, match="information equality"):
        res.with_cov("opg")
    return res.with_cov("robust")


def identities(res):
    total = (
        pd.DataFrame(res.smoothedvalues).to_numpy() + pd.DataFrame(res.smoothed_resid).to_numpy()
    )
    if not res.model.levels:
        seen = ~np.isnan(total)
        np.testing.assert_allclose(total[seen], res.model.endog.values[seen], rtol=1e-12)
    states = res.smoothed_state
    pd.testing.assert_frame_equal(res.filtered_state, states[list(res.filtered_state.columns)])
    if not res.model.pseudo:
        np.testing.assert_array_equal(res.fittedvalues, res.smoothedvalues)


def moved(res, value):
    """Later rows change what is said about earlier ones."""
    pd.testing.assert_series_equal(value.params, res.params)
    in_sample(value, value.smoothedvalues)
    assert value.cov_type == res.cov_type


def effective(res, value):
    number(res, value)
    assert 0 < value < 4 * res.model.layout.k_free


def both_ways(res, value):
    """A rate for each direction, and the pictures of both."""
    table(res, value.summary())
    assert list(value.frame.index) == ["forward", "backward"]
    assert list(value.exponents.columns) == ["forward", "backward"]
    if res.model.levels:
        figure(res, value.plot())


def refused(res):
    """Every name without sense for a pseudo-likelihood says why."""
    for name in REFUSED:
        assert name not in dir(res)
        with pytest.raises(AttributeError, match=rf"BidirectionalResults\.{name}: .*[Uu]se "):
            getattr(res, name)


def exported(res):
    """A module of one layer, or why there is none."""
    if res.model.n_layers == 1:
        return of_one_direction(res)
    with pytest.raises(SpecificationError, match=r"to_torch: .*one layer a direction"):
        res.to_torch()
    return None


COMMON = {
    name: entry
    for name, entry in common(
        BidirectionalResults, prediction, drawn=(FITS["categories, two layers, penalised"],)
    ).items()
    if name not in NEVER
}
OWN = {
    "compare_with_forward": (
        lambda r: r.compare_with_forward(0.3, n_starts=1, maxiter=30),
        hindsight,
    ),
    "df_model": (None, degrees),
    "df_resid": (None, lambda r, v: v + r.df_model == r.nobs),
    "filter_vs_smoother": (compared, comparison),
    "filtered_state": (None, of_forward),
    "filtered_state_cov": (None, zero),
    "forward_results": (None, lambda r, v: v.model.y_lags == r.model.y_lags),
    "from_torch": (no_module, lambda r, v: None),  # what it takes is in its own tests
    "gates": (gates, has_gates),
    "k_diffuse_states": (None, lambda r, v: v == 0),
    "memory": (lambda r: r.memory(steps=5), both_ways),
    "nobs_diffuse": (None, lambda r, v: v == 0),
    "plot_gates": (lambda r: None, lambda r, v: None),  # with gates
    "predicted_state": (None, of_forward),
    "predicted_state_cov": (None, zero),
    "simulate": (
        lambda r: r.simulate(STEPS, anchor="end", rng=0, **later_inputs(r)),
        lambda r, v: pd.testing.assert_index_equal(
            v.index, r.model.endog.future_index(STEPS), check_names=False
        ),
    ),
    "smoothed_prediction": (lambda r: r.smoothed_prediction(), smoothed),
    "smoothed_resid": (None, in_sample),
    "smoothed_state": (None, of_both),
    "smoothed_state_cov": (None, zero),
    "smoothedvalues": (None, in_sample),
    "to_torch": (exported, lambda r, v: v is None or v.rnn.bidirectional),
    "with_cov": (other_cov, lambda r, v: v.cov_type in ("opg", "robust")),
}
FULL = {
    "compare_covariances": penalised("compare_covariances"),
    "profile_conf_int": penalised("profile_conf_int"),
    "quantile_residuals": (lambda r: r.quantile_residuals(rng=0), lambda r, v: len(v) > 0),
}
OPTIONS = {
    "uncertainty": (
        lambda r, v: (
            r.get_forecast(
                3, np.ones((3, 1)), uncertainty=v, **({"nboot": 24} if v == "bootstrap" else {})
            )
            .conf_int()
            .to_numpy()
        ),
        ("plugin", "delta", "bootstrap"),
    ),
    "anchor": (
        lambda r, v: np.asarray(
            r.simulate(4, anchor=v, rng=0, **({"exog": np.ones((4, 1))} if v == "end" else {}))
        ),
        ("start", "end"),
    ),
    "kind": (
        lambda r, v: r.bootstrap(nboot=5, kind=v, rng=0).params.to_numpy()[:2],
        ("parametric", "innovations"),
    ),
    "cov_type": (
        lambda r, v: BidirectionalResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
        ("oim", "approx", "opg", "robust", "robust_approx", "hac", "none"),
    ),
}
PSEUDO_OPTIONS = {
    "cov_type": (
        lambda r, v: BidirectionalResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
        ("robust", "robust_approx", "hac", "none"),
    ),
}

REGRESSION = Surface(
    "bidirectional", BidirectionalResults, FITS, {**COMMON, **OWN, **FULL}, OPTIONS, "regression",
    identities,
)  # fmt: skip


def pseudo_identities(res):
    identities(res)
    refused(res)


MOVED = {
    "append": (lambda r: r.append(new_rows(r), **later_inputs(r, 2)), moved),
    "apply": (applied, moved),
    "df_model": (None, effective),
}
PSEUDO = Surface(
    "pseudo-likelihood",
    BidirectionalResults,
    PSEUDO_FITS,
    {name: entry for name, entry in {**COMMON, **OWN, **MOVED}.items() if name not in REFUSED},
    PSEUDO_OPTIONS,
    "the series itself",
    pseudo_identities,
)
