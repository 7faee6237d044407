"""The results surface is closed: every public name of every results class, on every model."""

from __future__ import annotations

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from contracts.labels import (
    STEPS,
    ahead,
    by_output,
    by_output_rows,
    by_param,
    by_state,
    contrast,
    count,
    figure,
    future,
    in_sample,
    listed,
    number,
    prediction,
    square_by_param,
    square_by_state,
    table,
)
from contracts.models import FITS, fitted

from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.results.linear import LinearResults

DRAWN = ("innovations, two outputs, inputs", "leaky, known start, gaps")


def later_results(res, value):
    assert isinstance(value, LinearResults)
    pd.testing.assert_series_equal(value.params, res.params)
    in_sample(value, value.fittedvalues)


def compared(res, value):
    states = list(res.model.state_names)
    assert list(value.table.index) == states
    assert len(value.frame) == res.nobs * len(states)
    table(res, value.summary())
    reduction = value.frame["variance_reduction"]
    assert ((reduction >= 0) & (reduction <= 1)).all()
    assert (value.frame["entropy_reduction"] >= 0).all()


def remembered(res, value):
    blocks = ["W_h", "W_h - K V"] if res.model.form == "innovations" else ["W_h"]
    frame, products = value.frame, value.products
    assert list(value.verdict["of"]) == list(dict.fromkeys(frame["of"])) == blocks
    for name in blocks:
        part = frame[frame["of"] == name]
        assert len(part) + (part["imag"] > 0).sum() == res.model.k_states
        assert list(part.index) == list(range(1, len(part) + 1))
        assert list(products[products["of"] == name].index) == list(range(6))
    assert len(products.columns) == 1 + res.model.k_states
    assert (frame.loc[frame["of"] == "W_h", "modulus"] < 1 + 1e-6).all()
    outside = (frame["of"] != "W_h") & (frame["modulus"] > 1 + 1e-5)
    assert (frame.loc[outside, "note"] == "not invertible").all()
    assert value.step == (
        "rows" if isinstance(res.fittedvalues.index, pd.RangeIndex) else "quarters"
    )
    table(res, value.summary())
    figure(res, value.plot())


# Every public name: how it is called, what its labels are ----------------------------------------

NEXT = {"endog": lambda res: np.full((2, res.model.k_endog), 1.0)}


def whole(res):
    model = res.model
    exog = None if model.exog is None else model.exog.values
    return model.endog.values[:, 0] if model.endog.is_series else model.endog.values, exog


def scenario(res):
    """A value of the first output in the first and the third row ahead."""
    return {res.model.endog.names[0]: [1.0, np.nan, 2.0]}


def longer(res):
    values = np.vstack([res.model.endog.values, np.ones((2, res.model.k_endog))])
    return values[:, 0] if res.model.endog.is_series else values


def object_of(res, value):
    """A table to print, and a figure to draw (drawn for a few models, since drawing takes long)."""
    table(res, value)
    if any(res is fitted(name) for name in DRAWN):
        figure(res, value.plot())


def network(res, value):
    model = res.model
    exog = None if model.exog is None else model.exog.values
    run = value.run(model.endog.values, exog)
    assert run is not None


SURFACE = {
    "aic": (None, number),
    "aicc": (None, number),
    "append": (lambda r: r.append(NEXT["endog"](r), future(r, 2)), later_results),
    "apply": (lambda r: r.apply(*whole(r)), later_results),
    "bic": (None, number),
    "bootstrap": (lambda r: bootstrap(r), lambda r, v: None),
    "bse": (None, by_param),
    "compare_covariances": (lambda r: at_maximum(r, "compare_covariances", nboot=0), listed),
    "conditional_forecast": (
        lambda r: r.conditional_forecast(STEPS, scenario(r), exog=future(r)),
        lambda r, v: [ahead(r, v.predicted_mean), object_of(r, v)],
    ),
    "conf_int": (
        lambda r: r.conf_int(),
        lambda r, v: [by_param(r, v[0]), by_param(r, v[1])],
    ),
    "contributions": (lambda r: r.contributions(), object_of),
    "cov_params": (lambda r: r.cov_params(), square_by_param),
    "covariance": (None, lambda r, v: square_by_param(r, r.cov_params())),
    "delta_method": (lambda r: r.delta_method(f"2 * {r.bse.dropna().index[0]}"), contrast),
    "df_model": (None, count),
    "df_resid": (None, count),
    "extend": (lambda r: r.extend(NEXT["endog"](r), future(r, 2)), later_results),
    "fevd": (lambda r: r.fevd(4, bands="delta"), object_of),
    "filter_vs_smoother": (lambda r: r.filter_vs_smoother(), compared),
    "filtered_state": (None, by_state),
    "filtered_state_cov": (None, square_by_state),
    "fittedvalues": (None, in_sample),
    "forecast": (lambda r: r.forecast(STEPS, future(r)), ahead),
    "from_fit": (
        lambda r: LinearResults.from_fit(r.model, r.params),
        lambda r, v: pd.testing.assert_series_equal(v.llf_obs, r.llf_obs),
    ),
    "get_forecast": (lambda r: r.get_forecast(STEPS, future(r)), prediction),
    "get_prediction": (lambda r: r.get_prediction(), prediction),
    "historical_decomposition": (lambda r: r.historical_decomposition(), object_of),
    "hqic": (None, number),
    "identification": (lambda r: r.identification(), lambda r, v: table(r, v.summary())),
    "impulse_responses": (
        lambda r: r.impulse_responses(4),
        lambda r, v: by_output(r, v, pd.RangeIndex(5, name="lag")),
    ),
    "information_rank": (None, lambda r, v: count(r, v.rank)),
    "k_diffuse_states": (None, count),
    "llf": (None, number),
    "llf_obs": (
        None,
        lambda r, v: pd.testing.assert_index_equal(v.index, r.model.endog.index),
    ),
    "lr_test": (lambda r: lr_refusal(r), lambda r, v: None),
    "memory": (lambda r: r.memory(steps=5), remembered),
    "news": (lambda r: r.news(longer(r), exog=future(r)), object_of),
    "nobs": (None, count),
    "nobs_diffuse": (None, count),
    "observation_weights": (lambda r: r.observation_weights(), object_of),
    "params": (None, by_param),
    "plot_diagnostics": (lambda r: r.plot_diagnostics(lags=4), figure),
    "plot_fan": (lambda r: r.plot_fan(STEPS, future(r)), figure),
    "plot_forecast": (lambda r: r.plot_forecast(STEPS, future(r)), figure),
    "plot_states": (lambda r: r.plot_states(), figure),
    "predict": (lambda r: r.predict(), in_sample),
    "predicted_state": (None, by_state),
    "predicted_state_cov": (None, square_by_state),
    "profile_conf_int": (
        lambda r: at_maximum(r, "profile_conf_int", profiled(r)),
        listed,
    ),
    "pvalues": (None, by_param),
    "resid": (None, in_sample),
    "simulate": (
        lambda r: r.simulate(STEPS, anchor="end", exog=future(r), rng=0),
        ahead,
    ),
    "smoothed_state": (None, by_state),
    "smoothed_state_cov": (None, square_by_state),
    "standardized_resid": (None, in_sample),
    "starts": (None, lambda r, v: isinstance(v, pd.DataFrame)),
    "summary": (lambda r: r.summary(), table),
    "t_test": (lambda r: r.t_test(testable(r)), table_of_contrasts := (lambda r, v: str(v))),
    "test_heteroskedasticity": (lambda r: r.test_heteroskedasticity(), by_output_rows),
    "test_normality": (lambda r: r.test_normality(), by_output_rows),
    "test_serial_correlation": (
        lambda r: r.test_serial_correlation(lags=2),
        lambda r, v: list(v.loc[r.model.endog.names[0]].index) == [1, 2],
    ),
    "to_birnn": (lambda r: r.to_birnn(), network),
    "to_rnn": (lambda r: r.to_rnn(), network),
    "to_statsmodels": (lambda r: translated(r), lambda r, v: None),
    "to_varma": (lambda r: r.to_varma(), lambda r, v: table(r, v.summary())),
    "tvalues": (None, by_param),
    "wald_test": (lambda r: r.wald_test(testable(r)), lambda r, v: count(r, int(v.df_denom))),
    "with_cov": (lambda r: r.with_cov("opg"), lambda r, v: v.cov_type == "opg"),
}


def testable(res):
    """A hypothesis on a parameter with a standard error."""
    return f"{res.bse.dropna().index[0]} = 0"


testable.__test__ = False


def profiled(res):
    """The constant of the first output, else the first parameter with a standard error."""
    known = list(res.bse.dropna().index)
    return next((name for name in known if name.startswith("b_y[")), known[0])


def at_maximum(res, name, *args, **kwargs):
    """A method that refuses where the parameters were not estimated on these data."""
    if res.convergence is not None:
        return getattr(res, name)(*args, **kwargs)
    with pytest.raises(SpecificationError, match="were given, not estimated on these data"):
        getattr(res, name)(*args, **kwargs)
    return None


def translated(res):
    """The same likelihood there, or (a diffuse start on the model's own states) a refusal."""
    try:
        model, params = res.to_statsmodels()
    except SpecificationError as error:
        assert res.k_diffuse_states
        assert "a diffuse start lies on" in str(error)
        return
    assert model.loglike(params) == pytest.approx(res.llf, rel=1e-7)


def bootstrap(res):
    from rnnstats.results.continuation import ContinuedModel

    if isinstance(res.model, ContinuedModel):
        with pytest.raises(SpecificationError, match="later rows"):
            res.bootstrap(nboot=2, rng=0)
        return
    draws = res.bootstrap(nboot=3, rng=0)
    assert list(draws.params.columns) == list(res.model.param_names)
    assert len(draws.params) == 3 - len(draws.failed)


def lr_refusal(res):
    with pytest.raises(SpecificationError, match=r"fewer free parameters|not estimated"):
        res.lr_test(res)


@pytest.mark.parametrize("name", list(FITS))
def test_every_public_name(name):
    res = fitted(name)
    public = {attribute for attribute in dir(res) if not attribute.startswith("_")}
    plain = {"model", "cov_type", "cov_kwds", "convergence", "cov_note"}
    assert public - plain == set(SURFACE)
    # no covariance for a flat direction is said by a warning, tested elsewhere
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for attribute, (call, check) in SURFACE.items():
            value = getattr(res, attribute) if call is None else call(res)
            assert check(res, value) is not False, attribute


@pytest.mark.parametrize("name", list(FITS))
def test_names_of_other_models_explain_themselves(name):
    res = fitted(name)
    for attribute in LinearResults._no_sense:
        assert not hasattr(res, attribute)
        with pytest.raises(AttributeError, match=f"LinearResults.{attribute}: .*"):
            getattr(res, attribute)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = res.nonsense


@pytest.mark.parametrize("name", list(FITS))
def test_identities(name):
    res = fitted(name)
    assert res.llf == pytest.approx(float(res.model.loglike(res.params.to_numpy())), rel=1e-10)
    outputs = pd.DataFrame(res.model.endog.values, index=res.resid.index)
    total = pd.DataFrame(res.fittedvalues).to_numpy() + pd.DataFrame(res.resid).to_numpy()
    seen = ~np.isnan(total)
    np.testing.assert_allclose(total[seen], outputs.to_numpy()[seen], rtol=1e-12)
    missing = int(np.isnan(res.model.endog.values).sum())
    diffuse = int(pd.DataFrame(res.fittedvalues).isna().to_numpy().sum())
    assert seen.size - seen.sum() <= missing + diffuse
    one = pd.DataFrame(res.predict()).to_numpy()
    np.testing.assert_array_equal(one, pd.DataFrame(res.fittedvalues).to_numpy())
    # the last filtered state is the last smoothed state
    np.testing.assert_allclose(
        res.filtered_state.iloc[-1], res.smoothed_state.iloc[-1], rtol=1e-7, atol=1e-9
    )
    np.testing.assert_allclose(
        pd.DataFrame(res.forecast(2, future(res, 2))).to_numpy(),
        pd.DataFrame(res.predict(res.nobs, res.nobs + 1, exog=future(res, 2))).to_numpy(),
        rtol=1e-12,
    )


@pytest.mark.parametrize("name", list(FITS))
def test_results_survive_pickling(name):
    res = fitted(name)
    again = pickle.loads(pickle.dumps(res))
    pd.testing.assert_series_equal(again.params, res.params)
    pd.testing.assert_series_equal(again.llf_obs, res.llf_obs)
    np.testing.assert_array_equal(again.bse, res.bse)


def test_refit():
    res = fitted("innovations")
    later = np.array([2.0, 2.5, 1.0])
    longer = res.append(later, refit=True)
    assert longer.nobs == res.nobs + 3
    assert longer.convergence.converged
    assert longer.llf >= res.append(later).llf
    assert not np.allclose(longer.params, res.params)
    other = res.apply(res.model.endog.values[:60, 0], refit=True, cov_type="opg")
    assert other.cov_type == "opg"
    assert other.convergence.converged
    for move in (res.append, res.apply):
        rule = f"^{move.__name__}: options of fit are used with refit=True only; got cov_type"
        with pytest.raises(SpecificationError, match=rule):
            move(later, cov_type="opg")
    with pytest.raises(SpecificationError, match="keep their parameters"):
        res.extend(later).model.fit()


OPTIONS = {
    "uncertainty": lambda r, v: r.get_forecast(
        3, uncertainty=v, **({"nboot": 20} if v == "bootstrap" else {})
    ).se_mean.to_numpy(),
    "anchor": lambda r, v: r.simulate(4, anchor=v, rng=0).to_numpy(),
    "serial": lambda r, v: r.test_serial_correlation(v, lags=2).to_numpy(),
    "alternative": lambda r, v: r.test_heteroskedasticity(alternative=v)["pvalue"].to_numpy(),
    "cov_type": lambda r, v: LinearResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
    "kind": lambda r, v: r.plot_states(kind=v).axes[0].get_lines()[0].get_ydata(),
}
VALUES = {
    "uncertainty": ("plugin", "delta", "bootstrap"),
    "anchor": ("start", "end"),
    "serial": ("ljungbox", "boxpierce"),
    "alternative": ("two-sided", "increasing", "decreasing"),
    "cov_type": ("oim", "approx", "opg", "robust", "robust_approx", "none"),
    "kind": ("predicted", "filtered", "smoothed"),
}


@pytest.mark.parametrize("option", list(OPTIONS))
def test_each_option_changes_a_result(option):
    res = fitted("noisy autoregression")
    found = [OPTIONS[option](res, value) for value in VALUES[option]]
    for i, first in enumerate(found):
        for second in found[i + 1 :]:
            assert not np.allclose(first, second, rtol=1e-6, equal_nan=True)
    with pytest.raises(SpecificationError, match="must be one of"):
        OPTIONS[option](res, "other")


def test_everything_public_has_a_docstring():
    for attribute in SURFACE:
        member = inspect.getattr_static(LinearResults, attribute)
        doc = inspect.getdoc(member)
        assert doc, attribute
        assert len(doc) > 20, attribute
