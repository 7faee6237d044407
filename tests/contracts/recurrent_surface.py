"""What results of recurrent networks must give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from contracts.labels import STEPS, count, figure, later_inputs, number, table
from contracts.recurrent_models import FITS
from contracts.surface import Surface, common

from rnnstats.errors import MissingDependencyError, SpecificationError
from rnnstats.results.nonlinear import RecurrentResults
from rnnstats.results.recurrent.forecasting.prediction import RecurrentPrediction

__all__ = ["RECURRENT"]


def prediction(res, value):
    assert isinstance(value, RecurrentPrediction)
    assert len(value.predicted_mean) == len(value.row_labels)
    if res.model.levels:
        with pytest.raises(SpecificationError, match="categories have no order"):
            value.conf_int()
        return
    names = list(res.model.endog.names)
    ends = value.conf_int()
    assert list(ends.columns) == [f"{end} {name}" for end in ("lower", "upper") for name in names]
    lower, upper = ends.to_numpy()[:, : len(names)], ends.to_numpy()[:, len(names) :]
    seen = ~np.isnan(lower)
    assert seen.any()
    assert (lower[seen] <= upper[seen]).all()


def by_state(res, value):
    assert list(value.columns) == list(res.model.state_names)
    pd.testing.assert_index_equal(value.index, res.model.endog.index)
    assert value.notna().all(axis=1).sum() == res.nobs


def square_by_state(res, value):
    names = list(res.model.state_names)
    assert list(value.columns) == names
    assert value.index.names[-1] == "state"
    assert (value.dropna().to_numpy() == 0.0).all()
    assert len(value.dropna()) == res.nobs * len(names)


def compared(res, value):
    assert list(value.table.index) == list(res.model.state_names)
    assert (value.frame["entropy_reduction"] == 0).all()
    object_of(res, value)


def gated(res):
    """Gates where the cell has some; else an error that says what to use."""
    if hasattr(res, "gates"):
        return res.gates
    for ask in (lambda: res.gates, lambda: res.plot_gates()):
        with pytest.raises(AttributeError, match=r"RecurrentResults\.gates: .*no gates"):
            ask()
    return None


def has_gates(res, value):
    assert (value is None) == (res.model.name == "ElmanRNN")
    if value is not None:
        frame = value
        pd.testing.assert_index_equal(frame.index, res.model.endog.index)
        assert len(frame.dropna()) == res.nobs
        assert all(str(name).endswith("]") for name in frame.columns)


def gates_drawn(res):
    return res.plot_gates() if res is RECURRENT.fitted("lstm, penalised") else None


def degrees(res, value):
    """A whole number of parameters, or an effective one with a penalty."""
    if res.model.penalty:
        number(res, value)
        assert 0 < value < res.model.layout.k_free
    else:
        count(res, value)


def penalised(name):
    """A promise of maximum likelihood estimates, refused by penalised ones."""
    call, check = COMMON[name]

    def ask(res):
        if not res.model.penalty:
            return call(res)
        with pytest.raises(SpecificationError, match=r"got penalised estimates|fewer free"):
            call(res)
        return None

    return ask, lambda res, value: value is None or check(res, value)


def profiled_once(res):
    """Profiles of one fit, since they take long; refusals of all others that refuse."""
    if res is RECURRENT.fitted("elman") or res.model.penalty or res.convergence is None:
        call, check = penalised("profile_conf_int")
        assert check(res, call(res)) is not False


def identities(res):
    total = pd.DataFrame(res.fittedvalues).to_numpy() + pd.DataFrame(res.resid).to_numpy()
    if not res.model.levels:
        seen = ~np.isnan(total)
        np.testing.assert_allclose(total[seen], res.model.endog.values[seen], rtol=1e-12)
    pd.testing.assert_frame_equal(res.filtered_state, res.smoothed_state)
    inputs = later_inputs(res, 2)
    past = pd.DataFrame(res.predict(res.model.nobs, res.model.nobs + 1, **inputs))
    np.testing.assert_allclose(past, pd.DataFrame(res.forecast(2, **inputs)), rtol=1e-12)


def linearity(res):
    """A test by regression of outputs with a mean of their own; else what to use."""
    if res.model.head.name in ("gaussian", "student-t"):
        return res.test_linearity()
    with pytest.raises(SpecificationError, match="Use method='bootstrap'"):
        res.test_linearity()
    return None


DRAWN = ("two outputs, inputs, gaps", "categories", "lstm, penalised")
COMMON = {
    name: entry
    for name, entry in common(
        RecurrentResults, prediction, drawn=tuple(FITS[name] for name in DRAWN)
    ).items()
    if name not in RecurrentResults._no_sense
}


def object_of(res, value):
    table(res, value.summary())
    if any(res is RECURRENT.fitted(name) for name in DRAWN):
        figure(res, value.plot())


def seldom(name):
    """A picture, drawn for a few models, since drawing takes long."""
    call, check = COMMON[name]

    def draw(res):
        return call(res) if any(res is RECURRENT.fitted(one) for one in DRAWN) else None

    return draw, lambda res, value: None if value is None else check(res, value)


def exported(res):
    """A module, or (PyTorch is not a dependency) an error that says how to get it."""
    try:
        return res.to_torch()
    except MissingDependencyError as error:
        assert "torch" in str(error)
        return None


def no_module(res):
    with pytest.raises(SpecificationError, match="from_torch"):
        res.from_torch({})


PICTURES = ("plot_diagnostics", "plot_fan", "plot_forecast", "plot_states")
OWN = {
    **{name: seldom(name) for name in PICTURES},
    "average_partial_effects": (
        lambda r: r.average_partial_effects(),
        lambda r, v: {"estimate", "std err"} <= set(v.columns),
    ),
    "compare_covariances": penalised("compare_covariances"),
    "df_model": (None, degrees),
    "df_resid": (None, lambda r, v: v + r.df_model == r.nobs),
    "filter_vs_smoother": (lambda r: r.filter_vs_smoother(), compared),
    "filtered_state": (None, by_state),
    "filtered_state_cov": (None, square_by_state),
    "from_torch": (no_module, lambda r, v: None),  # what it takes is in its own tests
    "gates": (gated, has_gates),
    "generalized_responses": (
        lambda r: r.generalized_responses(4, bands=None),
        lambda r, v: table(r, v.summary()),
    ),
    "impulse_responses": (lambda r: r.impulse_responses(4), lambda r, v: len(v) > 0),
    "k_diffuse_states": (None, lambda r, v: v == 0),
    "memory": (lambda r: r.memory(steps=5), object_of),
    "nobs_diffuse": (None, lambda r, v: v == 0),
    "partial_effects": (lambda r: r.partial_effects(), lambda r, v: len(v) > 0),
    "plot_gates": (gates_drawn, lambda r, v: None if v is None else figure(r, v)),
    "predict_at": (
        lambda r: r.predict_at(**later_inputs(r, 1)),
        lambda r, v: {"mean", "mean_se"} <= set(v.columns),
    ),
    "predicted_state": (None, by_state),
    "predicted_state_cov": (None, square_by_state),
    "profile_conf_int": (profiled_once, lambda r, v: None),
    "quantile_residuals": (lambda r: r.quantile_residuals(rng=0), lambda r, v: len(v) > 0),
    "simulate": (
        lambda r: r.simulate(STEPS, anchor="end", rng=0, **later_inputs(r)),
        lambda r, v: pd.testing.assert_index_equal(
            v.index, r.model.endog.future_index(STEPS), check_names=False
        ),
    ),
    "smoothed_state": (None, by_state),
    "smoothed_state_cov": (None, square_by_state),
    "test_linearity": (linearity, lambda r, v: None if v is None else 0.0 < v.pvalue <= 1.0),
    "to_torch": (exported, lambda r, v: v is None or hasattr(v, "inputs")),
}

OPTIONS = {
    "uncertainty": (
        lambda r, v: (
            r.get_forecast(3, uncertainty=v, **({"nboot": 30} if v == "bootstrap" else {}))
            .conf_int()
            .to_numpy()
        ),
        ("plugin", "delta", "bootstrap"),
    ),
    "anchor": (lambda r, v: np.asarray(r.simulate(4, anchor=v, rng=0)), ("start", "end")),
    "kind": (
        lambda r, v: r.bootstrap(nboot=3, kind=v, rng=0).params.to_numpy(),
        ("parametric", "innovations"),
    ),
    "cov_type": (
        lambda r, v: RecurrentResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
        ("oim", "approx", "opg", "robust", "robust_approx", "none"),
    ),
}

RECURRENT = Surface(
    "recurrent", RecurrentResults, FITS, {**COMMON, **OWN}, OPTIONS, "elman", identities
)
