"""The surface of MarkovResults is closed: every public name, on every kind of model."""

from __future__ import annotations

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from contracts.labels import (
    STEPS,
    by_param,
    contrast,
    count,
    figure,
    number,
    square_by_param,
    table,
)
from contracts.markov_models import FITS, fitted

from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.results.markov import MarkovResults

DRAWN = ("two outputs, inputs, gaps", "categories")


def later_inputs(res, steps=STEPS):
    """Inputs of later rows, where the model needs them."""
    model, given = res.model, {}
    if model.exog is not None:
        given["exog"] = np.ones((steps, model.exog.k_exog))
    if model.exog_transition is not None:
        given["exog_transition"] = np.ones((steps, model.exog_transition.k_exog))
    return given


def columns(res):
    """One column an output, and one a category of a categorical output."""
    levels = res.model.levels or {}
    names = []
    for name in res.model.endog.names:
        names += [f"{name}={level}" for level in levels[name]] if name in levels else [name]
    return names


def rows(res, value, index):
    """A Series for one output, a frame for several or for categories."""
    if isinstance(value, pd.DataFrame):
        assert list(value.columns) == columns(res)
    else:
        assert columns(res) == list(res.model.endog.names)
        assert res.model.endog.is_series
    pd.testing.assert_index_equal(value.index, index, check_names=False)
    return value


def in_sample(res, value):
    return rows(res, value, res.model.endog.index)


def ahead(res, value):
    return rows(res, value, res.model.endog.future_index(STEPS)).notna().to_numpy().all()


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


def regimes_only(res, value):
    assert list(value.index) == list(res.model.regime_names)


def stochastic(res, value):
    names = list(res.model.regime_names)
    assert list(value.columns) == names
    np.testing.assert_allclose(value.to_numpy().sum(axis=1), 1.0, rtol=1e-12)


def intervals(res, value):
    assert isinstance(value, pd.DataFrame)
    assert {"estimate", "std err"} <= set(value.columns)


def residual_rows(res, value):
    assert {"statistic", "pvalue"} <= set(value.columns)


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
    by_regime_rows = value.regime_probabilities
    assert list(by_regime_rows.columns) == list(res.model.regime_names)


def later_results(res, value):
    assert isinstance(value, MarkovResults)
    pd.testing.assert_series_equal(value.params, res.params)
    in_sample(value, value.fittedvalues)


def object_of(res, value):
    table(res, value.summary())
    if any(res is fitted(name) for name in DRAWN):
        figure(res, value.plot())


def network(res, value):
    assert value.W_h.shape[1] >= res.model.k_regimes


def new_rows(res, steps=2):
    """Rows to come: those of the end once more."""
    model = res.model
    values = pd.DataFrame(model.endog.values[-steps:], columns=list(model.endog.names))
    for name, levels in (model.levels or {}).items():
        values[name] = [levels[int(code)] for code in values[name]]
    values.index = model.endog.future_index(steps)
    return values.iloc[:, 0] if model.endog.is_series else values


def whole(res):
    model = res.model
    values = pd.DataFrame(
        model.endog.values, columns=list(model.endog.names), index=model.endog.index
    )
    for name, levels in (model.levels or {}).items():
        values[name] = [levels[int(code)] for code in values[name]]
    given = {}
    if model.exog is not None:
        given["exog"] = model.exog.values
    if model.exog_transition is not None:
        given["exog_transition"] = model.exog_transition.values
    if len(model.offsets) > 2:
        given["groups"] = np.repeat(np.arange(len(model.offsets) - 1), np.diff(model.offsets))
    return (values.iloc[:, 0] if model.endog.is_series else values), given


def applied(res):
    endog, given = whole(res)
    return res.apply(endog, **given)


def longer(res):
    endog, _ = whole(res)
    return pd.concat([endog, new_rows(res)])


def testable(res):
    """A hypothesis on a parameter with a standard error."""
    return f"{res.bse.dropna().index[0]} = 0"


testable.__test__ = False


def at_maximum(res, name, *args, **kwargs):
    """A method that refuses where the parameters were not estimated on these data."""
    if res.convergence is not None:
        return getattr(res, name)(*args, **kwargs)
    with pytest.raises(SpecificationError, match="not estimated on these data"):
        getattr(res, name)(*args, **kwargs)
    return None


def bootstrap(res):
    if getattr(res.model, "continues", False):
        with pytest.raises(SpecificationError, match="later rows"):
            res.bootstrap(nboot=2, rng=0)
        return
    draws = res.bootstrap(nboot=3, rng=0)
    assert list(draws.params.columns) == list(res.model.param_names)


def lr_refusal(res):
    with pytest.raises(SpecificationError, match=r"fewer free parameters|not estimated"):
        res.lr_test(res)


def refused(res, name, call):
    """A single regime has no transitions to speak of: an error that says so, or a value."""
    try:
        return call(res)
    except SpecificationError as error:
        assert res.model.k_regimes == 1 or getattr(res.model, "continues", False), name
        assert str(error).startswith(name)
        return None


def if_any(check):
    return lambda res, value: None if value is None else check(res, value)


SURFACE = {
    "aic": (None, number),
    "aicc": (None, number),
    "append": (
        lambda r: r.append(new_rows(r), **later_inputs(r, 2)),
        later_results,
    ),
    "apply": (applied, later_results),
    "bic": (None, number),
    "bootstrap": (bootstrap, lambda r, v: None),
    "bse": (None, by_param),
    "compare_covariances": (
        lambda r: at_maximum(r, "compare_covariances", nboot=0),
        if_any(table),
    ),
    "conditional_forecast": (
        lambda r: r.conditional_forecast(
            STEPS, {r.model.endog.names[0]: whole_value(r)}, **later_inputs(r)
        ),
        lambda r, v: ahead(r, v.predicted_mean),
    ),
    "conf_int": (lambda r: r.conf_int(), lambda r, v: [by_param(r, v[0]), by_param(r, v[1])]),
    "cov_params": (lambda r: r.cov_params(), square_by_param),
    "covariance": (None, lambda r, v: square_by_param(r, r.cov_params())),
    "delta_method": (lambda r: r.delta_method(f"2 * {r.bse.dropna().index[0]}"), contrast),
    "df_model": (None, count),
    "df_resid": (None, count),
    "duration_table": (
        lambda r: refused(r, "duration_table", lambda r: r.duration_table()),
        if_any(intervals),
    ),
    "expected_durations": (None, lambda r, v: None),
    "extend": (
        lambda r: r.extend(new_rows(r), **later_inputs(r, 2)),
        later_results,
    ),
    "filter_vs_smoother": (
        lambda r: refused(r, "filter_vs_smoother", lambda r: r.filter_vs_smoother()),
        if_any(object_of),
    ),
    "filtered_marginal_probabilities": (None, by_regime),
    "filtered_state": (None, by_regime),
    "filtered_state_cov": (None, square_by_regime),
    "fittedvalues": (None, in_sample),
    "forecast": (lambda r: r.forecast(STEPS, **later_inputs(r)), ahead),
    "from_fit": (
        lambda r: MarkovResults.from_fit(r.model, r.params),
        lambda r, v: pd.testing.assert_series_equal(v.llf_obs, r.llf_obs),
    ),
    "get_forecast": (lambda r: r.get_forecast(STEPS, **later_inputs(r)), prediction),
    "get_prediction": (lambda r: r.get_prediction(), prediction),
    "hqic": (None, number),
    "identification": (lambda r: r.identification(), lambda r, v: table(r, v.summary())),
    "impulse_responses": (lambda r: r.impulse_responses(4), lambda r, v: len(v) > 0),
    "information_rank": (None, lambda r, v: count(r, v.rank)),
    "k_diffuse_states": (None, lambda r, v: v == 0),
    "llf": (None, number),
    "llf_obs": (
        None,
        lambda r, v: pd.testing.assert_index_equal(v.index, r.model.endog.index),
    ),
    "lr_test": (lr_refusal, lambda r, v: None),
    "memory": (lambda r: refused(r, "memory", lambda r: r.memory()), if_any(object_of)),
    "news": (
        lambda r: refused(r, "news", lambda r: r.news(longer(r), **later_inputs(r, 3))),
        if_any(object_of),
    ),
    "nobs": (None, count),
    "nobs_diffuse": (None, lambda r, v: v == 0),
    "params": (None, by_param),
    "plot_diagnostics": (lambda r: r.plot_diagnostics(lags=4), figure),
    "plot_fan": (lambda r: r.plot_fan(STEPS, **later_inputs(r)), figure),
    "plot_forecast": (lambda r: r.plot_forecast(STEPS, **later_inputs(r)), figure),
    "plot_states": (lambda r: r.plot_states(), figure),
    "predict": (lambda r: r.predict(), in_sample),
    "predicted_marginal_probabilities": (None, by_regime),
    "predicted_state": (None, by_regime),
    "predicted_state_cov": (None, square_by_regime),
    "profile_conf_int": (
        lambda r: at_maximum(r, "profile_conf_int", r.bse.dropna().index[-1]),
        if_any(table),
    ),
    "pvalues": (None, by_param),
    "quantile_residuals": (lambda r: r.quantile_residuals(rng=0), lambda r, v: len(v) > 0),
    "resid": (None, in_sample),
    "simulate": (
        lambda r: r.simulate(STEPS, anchor="end", rng=0, **later_inputs(r)),
        lambda r, v: pd.testing.assert_index_equal(
            v.index, r.model.endog.future_index(STEPS), check_names=False
        ),
    ),
    "smoothed_marginal_probabilities": (None, by_regime),
    "smoothed_state": (None, by_regime),
    "smoothed_state_cov": (None, square_by_regime),
    "standardized_resid": (None, in_sample),
    "starts": (None, lambda r, v: isinstance(v, pd.DataFrame)),
    "stationary_probabilities": (None, lambda r, v: None),
    "stationary_table": (
        lambda r: refused(r, "stationary_table", lambda r: r.stationary_table()),
        if_any(intervals),
    ),
    "summary": (lambda r: r.summary(), table),
    "switch_probability": (
        lambda r: refused(r, "switch_probability", lambda r: r.switch_probability(4)),
        if_any(lambda r, v: len(v) > 0),
    ),
    "t_test": (lambda r: r.t_test(testable(r)), lambda r, v: str(v)),
    "test_heteroskedasticity": (lambda r: r.test_heteroskedasticity(), residual_rows),
    "test_normality": (lambda r: r.test_normality(), residual_rows),
    "test_serial_correlation": (lambda r: r.test_serial_correlation(lags=2), residual_rows),
    "to_hmm": (lambda r: r.to_hmm(), lambda r, v: stochastic_or_moving(r, v)),
    "to_rnn": (lambda r: r.to_rnn(), network),
    "transition": (None, stochastic),
    "transition_table": (
        lambda r: refused(r, "transition_table", lambda r: r.transition_table()),
        if_any(intervals),
    ),
    "turning_points": (
        lambda r: refused(r, "turning_points", lambda r: r.turning_points()),
        if_any(lambda r, v: table(r, v.summary())),
    ),
    "tvalues": (None, by_param),
    "viterbi": (
        lambda r: r.viterbi(),
        lambda r, v: set(v.dropna()) <= set(r.model.regime_names),
    ),
    "wald_test": (lambda r: r.wald_test(testable(r)), lambda r, v: count(r, int(v.df_denom))),
    "with_cov": (lambda r: r.with_cov("opg"), lambda r, v: v.cov_type == "opg"),
}


def whole_value(res):
    """A value of the first output in the first and the third row ahead."""
    name = res.model.endog.names[0]
    if name in (res.model.levels or {}):
        level = res.model.levels[name][0]
        return [level, None, level]
    return [1.0, np.nan, 2.0]


def stochastic_or_moving(res, value):
    np.testing.assert_allclose(np.asarray(value.transition).sum(axis=-1), 1.0, rtol=1e-12)


@pytest.mark.parametrize("name", list(FITS))
def test_every_public_name(name):
    res = fitted(name)
    public = {attribute for attribute in dir(res) if not attribute.startswith("_")}
    plain = {"model", "cov_type", "cov_kwds", "convergence", "cov_note"}
    assert public - plain == set(SURFACE)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for attribute, (call, check) in SURFACE.items():
            try:
                value = getattr(res, attribute) if call is None else call(res)
            except Exception as error:
                raise AssertionError(f"{attribute}: {error}") from error
            assert check(res, value) is not False, attribute


@pytest.mark.parametrize("name", list(FITS))
def test_names_of_other_models_explain_themselves(name):
    res = fitted(name)
    for attribute in MarkovResults._no_sense:
        assert not hasattr(res, attribute)
        with pytest.raises(AttributeError, match=f"MarkovResults.{attribute}: .*"):
            getattr(res, attribute)


@pytest.mark.parametrize("name", list(FITS))
def test_identities(name):
    res = fitted(name)
    assert res.llf == pytest.approx(float(res.model.loglike(res.params.to_numpy())), rel=1e-10)
    one, fitted_values = pd.DataFrame(res.predict()), pd.DataFrame(res.fittedvalues)
    np.testing.assert_allclose(one.to_numpy(), fitted_values.to_numpy(), rtol=1e-9, atol=1e-12)
    for last in np.asarray(res.model.offsets)[1:] - 1:
        np.testing.assert_allclose(
            res.filtered_state.iloc[last], res.smoothed_state.iloc[last], rtol=1e-7, atol=1e-9
        )
    first, second = (
        res.forecast(2, **later_inputs(res, 2)),
        res.get_forecast(2, **later_inputs(res, 2)),
    )
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second.predicted_mean))


@pytest.mark.parametrize("name", list(FITS))
def test_results_survive_pickling(name):
    res = fitted(name)
    again = pickle.loads(pickle.dumps(res))
    pd.testing.assert_series_equal(again.params, res.params)
    pd.testing.assert_series_equal(again.llf_obs, res.llf_obs)
    np.testing.assert_array_equal(again.bse, res.bse)


OPTIONS = {
    "uncertainty": lambda r, v: (
        r.get_forecast(3, uncertainty=v, **({"nboot": 20} if v == "bootstrap" else {}))
        .conf_int()
        .to_numpy()
    ),
    "anchor": lambda r, v: np.asarray(r.simulate(4, anchor=v, rng=0)),
    "cov_type": lambda r, v: MarkovResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
}
VALUES = {
    "uncertainty": ("plugin", "delta", "bootstrap"),
    "anchor": ("start", "end"),
    "cov_type": ("oim", "opg", "robust", "none"),
}


@pytest.mark.parametrize("option", list(OPTIONS))
def test_each_option_changes_a_result(option):
    res = fitted("gaussian")
    found = [OPTIONS[option](res, value) for value in VALUES[option]]
    for i, first in enumerate(found):
        for second in found[i + 1 :]:
            assert not np.allclose(first, second, rtol=1e-6, equal_nan=True)
    with pytest.raises(SpecificationError, match="must be one of"):
        OPTIONS[option](res, "other")


def test_everything_public_has_a_docstring():
    for attribute in SURFACE:
        doc = inspect.getdoc(inspect.getattr_static(MarkovResults, attribute))
        assert doc, attribute
        assert len(doc) > 20, attribute
