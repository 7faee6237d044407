"""`LinearRNN.from_statsmodels`: the same likelihood, filter and forecasts as theirs."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rnnstats import LinearRNN
from rnnstats.errors import ConversionWarning, SpecificationError

pytestmark = pytest.mark.crosspkg
ROWS = 60
INDEX = pd.period_range("2000Q1", periods=ROWS, freq="Q", name="quarter")
RNG = np.random.default_rng(42)
WALK = pd.Series(
    0.3 * RNG.standard_normal(ROWS).cumsum() + RNG.standard_normal(ROWS), INDEX, name="gdp"
)
GAPS = WALK.copy()
GAPS.iloc[[5, 20, 21]] = np.nan
X = pd.DataFrame(RNG.standard_normal((ROWS, 2)), INDEX, ["oil", "rate"])
THREE = pd.DataFrame(RNG.standard_normal((ROWS, 3)), INDEX, ["u", "v", "w"])
HOLES = THREE.copy()
HOLES.iloc[4, 1] = HOLES.iloc[9] = np.nan
TWO = THREE.iloc[:, :2]


def smoothed(name, *data, params=None, **options):
    """Results of a statsmodels model at start values or given parameters."""
    import statsmodels.api as sm

    model = getattr(sm.tsa, name)(*data, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of their start values
        return model.smooth(model.start_params if params is None else params)


def same(converted, results, *, rows=0):
    """Likelihood, its rows and one-step forecasts agree.

    Rows: those left out of the comparison of forecasts, which have none under a diffuse start. The
    tolerance is 1e-8: their filter stops updating covariances when they change by 1e-19.
    """
    model, params = converted
    assert model.loglike(params) == pytest.approx(results.llf, rel=1e-8)
    assert model.loglikeobs(params) == pytest.approx(results.llf_obs, rel=1e-7, abs=1e-7)
    ours = model.filter(params)
    theirs = results.filter_results.forecasts.T
    assert ours.forecast[rows:] == pytest.approx(theirs[rows:], rel=1e-7, abs=1e-7)
    assert model.endog.index.equals(results.model._index)


SARIMAX = {
    "AR(1)": {"order": (1, 0, 0)},
    "ARMA(1, 2)": {"order": (1, 0, 2), "trend": "c"},
    "ARMA with a line": {"order": (2, 0, 1), "trend": "ct"},
    "ARMA with a slope": {"order": (1, 0, 0), "trend": "t"},
    "ARMA with a parabola": {"order": (1, 0, 0), "trend": [1, 1, 1]},
    "gaps in the lags": {"order": ([1, 3], 0, [2]), "trend": "c", "exog": X},
    "gaps, inputs, line": {"order": ([1, 3], 0, [2]), "trend": "ct", "exog": X},
    "Hamilton's form": {"order": (2, 0, 1), "trend": "ct", "hamilton_representation": True},
    "concentrated scale": {"order": (2, 0, 1), "trend": "c", "concentrate_scale": True},
    "no memory": {"order": (0, 0, 0), "trend": "c"},
}


@pytest.mark.parametrize("case", SARIMAX)
def test_arma(case):
    results = smoothed("SARIMAX", GAPS, **SARIMAX[case])
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    model, params = converted
    assert model.form == "innovations"
    # as many parameters to estimate as theirs
    concentrated = case == "concentrated scale"
    assert model.layout.k_free == len(results.params) + concentrated
    free = params[list(model.layout.free_names)]
    assert model.loglike(params) == pytest.approx(
        model.loglike(model.layout.expand(free.to_numpy())), rel=1e-12
    )


def test_seasonal_polynomials_are_multiplied_out():
    results = smoothed("SARIMAX", WALK, order=(1, 0, 1), seasonal_order=(1, 0, 1, 4), trend="c")
    with pytest.warns(ConversionWarning, match="6 coefficients, .* stand for 4"):
        converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    params = converted.params
    assert params["ar5[gdp,gdp]"] == pytest.approx(-params["ar1[gdp,gdp]"] * params["ar4[gdp,gdp]"])
    assert converted.model.layout.k_free == 8


@pytest.mark.parametrize("exact", [True, False])
def test_differencing_is_a_diffuse_start(exact):
    import statsmodels.api as sm

    options = {"order": (1, 1, 1), "trend": "c", "exog": X}
    results = smoothed("SARIMAX", WALK, use_exact_diffuse=exact, **options)
    if exact:
        converted = LinearRNN.from_statsmodels(results)
        same(converted, results, rows=1)
    else:
        with pytest.warns(ConversionWarning, match="use_exact_diffuse=True"):
            converted = LinearRNN.from_statsmodels(results)
        model = sm.tsa.SARIMAX(WALK, use_exact_diffuse=True, **options)
        llf = model.loglike(results.params)
        assert converted.model.loglike(converted.params) == pytest.approx(llf, rel=1e-8)
    assert converted.model.form == "structured"
    assert set(converted.params.index) == set(results.model.param_names)


def test_differenced_data():
    results = smoothed("SARIMAX", WALK, order=(1, 1, 1), simple_differencing=True)
    converted = LinearRNN.from_statsmodels(results)
    assert converted.model.nobs == ROWS - 1
    assert converted.model.loglike(converted.params) == pytest.approx(results.llf, rel=1e-10)


def test_seasonal_differencing_holds_products():
    results = smoothed(
        "SARIMAX", WALK, order=(0, 1, 1), seasonal_order=(0, 1, 1, 4), use_exact_diffuse=True
    )
    with pytest.warns(ConversionWarning, match="held"):
        converted = LinearRNN.from_statsmodels(results)
    same(converted, results, rows=5)


def test_measurement_error_keeps_its_parameters():
    results = smoothed("SARIMAX", GAPS, order=(2, 0, 1), trend="c", measurement_error=True)
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    assert converted.params[list(results.model.param_names)].to_numpy() == pytest.approx(
        np.asarray(results.params)
    )


def test_arima_trend_columns_become_a_trend():
    results = smoothed("ARIMA", WALK, X, order=(1, 0, 1), trend="ct")
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    assert converted.model.trend == "ct"
    assert converted.model.exog.names == ("oil", "rate")
    assert {"D[gdp,oil]", "D[gdp,rate]"} < set(converted.params.index)


def test_no_stationarity_is_a_diffuse_start():
    results = smoothed(
        "SARIMAX", WALK, order=(1, 0, 0), enforce_stationarity=False, use_exact_diffuse=True,
        params=[1.02, 1.1],
    )  # fmt: skip
    same(LinearRNN.from_statsmodels(results), results, rows=1)


VARMAX = {
    "VAR(1)": (THREE, {"order": (1, 0)}),
    "VARMA(1, 1)": (HOLES.iloc[:, :2], {"order": (1, 1), "trend": "c"}),
    "VARMA(2, 1), diagonal": (TWO, {"order": (2, 1), "trend": "n", "error_cov_type": "diagonal"}),
    "VMA(2), line": (TWO, {"order": (0, 2), "trend": "ct"}),
    "VARX(1), line": (TWO, {"order": (1, 0), "trend": "ct", "exog": X}),
    "VARMAX(1, 1)": (TWO, {"order": (1, 1), "trend": "c", "exog": X}),
}


@pytest.mark.filterwarnings("ignore:Estimation of VARMA")  # theirs, for every VARMA
@pytest.mark.parametrize("case", VARMAX)
def test_varmax(case):
    data, options = VARMAX[case]
    results = smoothed("VARMAX", data, **options)
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    assert converted.model.layout.k_free == len(results.params)
    assert converted.model.endog.names == tuple(data.columns)
    if options["order"][0] == 1:
        expected = np.asarray(results.coefficient_matrices_var[0])
        assert converted.params["ar1[u,v]"] == pytest.approx(expected[0, 1])


@pytest.mark.filterwarnings("ignore:Estimation of VARMA")
@pytest.mark.parametrize("error_cov_type", ["unstructured", "diagonal"])
def test_varmax_with_measurement_error(error_cov_type):
    results = smoothed(
        "VARMAX", TWO, X, order=(1, 1), measurement_error=True, error_cov_type=error_cov_type
    )
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    assert converted.model.layout.k_free == len(results.params)
    free = {"state_cov[eta1,eta1]", "state_cov[eta2,eta1]", "state_cov[eta2,eta2]"}
    assert (free <= set(converted.params.index)) == (error_cov_type == "unstructured")


@pytest.mark.filterwarnings("ignore:Estimation of VARMA")
@pytest.mark.parametrize("seed", range(16))
def test_random_specifications(seed):
    import statsmodels.api as sm

    rng = np.random.default_rng(seed)
    trend = str(rng.choice(["n", "c", "t", "ct"]))
    exog = X if rng.random() < 0.5 else None
    order = tuple(int(x) for x in rng.integers(0, 3, 2))
    order = order if any(order) else (1, 0)
    measured = bool(rng.random() < 0.3)
    options = {"trend": trend, "exog": exog, "measurement_error": measured}
    if seed % 2:
        model = sm.tsa.VARMAX(HOLES.iloc[:, :2], order=order, **options)
    else:
        model = sm.tsa.SARIMAX(GAPS, order=(order[0], 0, order[1]), **options)
    # theirs keeps the point inside the stationary region
    params = model.transform_params(0.7 * rng.standard_normal(len(model.param_names)))
    results = model.smooth(params)
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    assert converted.model.layout.k_free == len(params)


FACTORS = {
    "one factor": {"k_factors": 1, "factor_order": 1},
    "two factors, inputs": {"k_factors": 2, "factor_order": 2, "exog": X},
    "errors AR(1)": {"k_factors": 1, "factor_order": 1, "error_order": 1},
    "errors VAR(1)": {
        "k_factors": 1, "factor_order": 1, "error_order": 1, "error_var": True,
        "error_cov_type": "unstructured",
    },
    "one variance": {"k_factors": 1, "factor_order": 1, "error_cov_type": "scalar"},
    "free covariance": {"k_factors": 1, "factor_order": 1, "error_cov_type": "unstructured"},
}  # fmt: skip


@pytest.mark.parametrize("case", FACTORS)
def test_dynamic_factor(case):
    results = smoothed("DynamicFactor", HOLES if "factor" in case else THREE, **FACTORS[case])
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results)
    assert converted.model.layout.k_free == len(results.params)


COMPONENTS = {
    "level": ({"level": "llevel"}, 1),
    "trend": ({"level": "lltrend"}, 2),
    "fixed line": ({"level": "dtrend"}, 2),
    "drift": ({"level": "rwdrift"}, 2),
    "seasonal": ({"level": "lltrend", "seasonal": 4}, 5),
    "trigonometric": ({"level": "llevel", "freq_seasonal": [{"period": 6, "harmonics": 2}]}, 5),
    "autoregressive, inputs": ({"autoregressive": 2, "level": "llevel", "exog": X}, 1),
    "noise and inputs": ({"irregular": True, "exog": X}, 0),
}


@pytest.mark.parametrize("case", COMPONENTS)
def test_unobserved_components(case):
    options, rows = COMPONENTS[case]
    data = WALK if "exog" in options else GAPS  # their start values do not allow both
    results = smoothed("UnobservedComponents", data, use_exact_diffuse=True, **options)
    converted = LinearRNN.from_statsmodels(results)
    same(converted, results, rows=rows + 2 * (rows > 2))
    names = set(results.model.param_names)
    assert set(converted.params.index) == names
    assert converted.params[list(results.model.param_names)].to_numpy() == pytest.approx(
        np.asarray(results.params)
    )


def test_an_approximate_diffuse_start_becomes_exact():
    import statsmodels.api as sm

    results = smoothed("UnobservedComponents", WALK, level="llevel")
    with pytest.warns(ConversionWarning, match="use_exact_diffuse=True"):
        model, params = LinearRNN.from_statsmodels(results)
    exact = sm.tsa.UnobservedComponents(WALK, "llevel", use_exact_diffuse=True)
    assert model.loglike(params) == pytest.approx(exact.loglike(results.params), rel=1e-8)
    assert abs(model.loglike(params) - results.llf) > 0.1


def test_a_damped_cycle_is_held():
    results = smoothed(
        "UnobservedComponents", WALK, level="llevel", cycle=True, stochastic_cycle=True,
        damped_cycle=True, use_exact_diffuse=True, params=[1.0, 0.5, 0.3, 0.8, 0.7],
    )  # fmt: skip
    with pytest.warns(ConversionWarning, match=r"damping\.cycle, frequency\.cycle"):
        converted = LinearRNN.from_statsmodels(results)
    same(converted, results, rows=3)
    assert list(converted.params.index) == ["sigma2.level", "sigma2.cycle", "sigma2.irregular"]


def test_other_state_space_models():
    from statsmodels.tsa.statespace.dynamic_factor_mq import DynamicFactorMQ
    from statsmodels.tsa.statespace.exponential_smoothing import ExponentialSmoothing

    model = ExponentialSmoothing(WALK, trend=True)
    results = model.smooth(model.start_params)
    with pytest.warns(ConversionWarning, match="initial_level, initial_trend, scale"):
        same(LinearRNN.from_statsmodels(results), results)
    model = DynamicFactorMQ(THREE, factors=1, factor_orders=1, idiosyncratic_ar1=False)
    results = model.smooth(model.start_params)
    same(LinearRNN.from_statsmodels(results), results)


def test_rows_that_they_leave_out_are_named():
    results = smoothed("SARIMAX", WALK, order=(1, 0, 0), loglikelihood_burn=3)
    with pytest.warns(ConversionWarning, match="leaves out the first 3 rows"):
        model, params = LinearRNN.from_statsmodels(results)
    assert model.loglikeobs(params)[3:].sum() == pytest.approx(results.llf, rel=1e-10)


def test_known_starts_are_numbers():
    import statsmodels.api as sm

    model = sm.tsa.SARIMAX(WALK, order=(1, 0, 1))
    model.ssm.initialize_known(np.array([0.5, 0.2]), np.array([[2.0, 0.3], [0.3, 1.0]]))
    results = model.smooth([0.6, 0.3, 1.2])
    same(LinearRNN.from_statsmodels(results), results)


def test_a_start_with_variances_below_zero_by_rounding():
    """As where more rows are appended to results whose first rows tell a state."""
    import statsmodels.api as sm

    model = sm.tsa.SARIMAX(WALK, order=(1, 0, 1))
    model.ssm.initialize_known(np.array([0.5, 0.2]), np.array([[2.0, 1e-40], [1e-40, -9e-43]]))
    results = model.smooth([0.6, 0.3, 1.2])
    same(LinearRNN.from_statsmodels(results), results)


def test_a_parameter_without_a_number_is_named():
    results = smoothed("SARIMAX", WALK, order=(1, 0, 0))
    results._results.params = np.array([np.nan, 1.0])
    with pytest.raises(SpecificationError, match=r"got nan for ar\.L1"):
        LinearRNN.from_statsmodels(results)


def test_forecasts_and_states():
    results = smoothed("UnobservedComponents", WALK, level="lltrend", use_exact_diffuse=True)
    converted = LinearRNN.from_statsmodels(results)
    fitted = converted.model._make_results(converted.params.to_numpy(), "none", None, None)
    theirs = results.get_forecast(4)
    ours = fitted.get_forecast(4)
    assert np.ravel(ours.predicted_mean) == pytest.approx(theirs.predicted_mean, rel=1e-7)
    assert ours.predicted_mean.index.equals(theirs.predicted_mean.index)
    smooth = converted.model.smooth(converted.params)
    assert smooth.smoothed_state == pytest.approx(results.smoothed_state.T, rel=1e-6, abs=1e-6)
    assert smooth.filter.filtered_state[2:] == pytest.approx(
        results.filtered_state.T[2:], rel=1e-6, abs=1e-6
    )


def test_forecasts_with_inputs_of_the_state():
    results = smoothed("VARMAX", TWO, X, order=(1, 0), trend="c")
    converted = LinearRNN.from_statsmodels(results)
    fitted = converted.model._make_results(converted.params.to_numpy(), "none", None, None)
    future = np.array([[0.5, -1.0], [0.2, 0.3]])
    theirs = results.forecast(2, exog=future)
    assert fitted.forecast(2, exog=future).to_numpy() == pytest.approx(theirs.to_numpy(), rel=1e-8)


def test_held_parameters_stay_held():
    import statsmodels.api as sm

    model = sm.tsa.SARIMAX(WALK, order=(1, 0, 1), trend="c")
    with model.fix_params({"ar.L1": 0.3}):
        results = model.smooth([0.1, 0.4, 1.0])
        inside = LinearRNN.from_statsmodels(results)
    converted = LinearRNN.from_statsmodels(results)
    assert inside.params.equals(converted.params)
    assert converted.model.layout.fixed == {"ar1[gdp,gdp]": 0.3}
    assert converted.model.loglike(converted.params) == pytest.approx(results.llf, rel=1e-10)
    level = sm.tsa.UnobservedComponents(WALK, "llevel", use_exact_diffuse=True)
    with level.fix_params({"sigma2.level": 0.5}):
        results = level.smooth([1.0])
        converted = LinearRNN.from_statsmodels(results)
    assert converted.model.layout.fixed == {"sigma2.level": 0.5}
    with model.fix_params({"intercept": 0.2}):
        results = model.smooth([0.1, 0.4, 1.0])
        with pytest.warns(ConversionWarning, match="intercept was held"):
            LinearRNN.from_statsmodels(results)


def test_a_fit_goes_on_from_there():
    import statsmodels.api as sm

    results = sm.tsa.SARIMAX(WALK, order=(1, 0, 1), trend="c").fit(disp=False)
    model, params = LinearRNN.from_statsmodels(results)
    fitted = model.fit(start_params=params)
    assert fitted.llf >= results.llf - 1e-8
    # theirs stops within 1e-5 of a standard error or so
    assert fitted.llf == pytest.approx(results.llf, abs=1e-4)


def test_nothing_of_theirs_is_changed():
    results = smoothed("SARIMAX", WALK, order=(1, 0, 1), trend="c")
    before = {name: results.model.ssm[name].copy() for name in ("transition", "state_cov")}
    params = np.array(results.params)
    LinearRNN.from_statsmodels(results)
    assert np.array_equal(params, results.params)
    for name, array in before.items():
        assert np.array_equal(results.model.ssm[name], array)


def test_arrays_without_labels():
    results = smoothed("SARIMAX", WALK.to_numpy(), order=(1, 0, 0))
    model, _ = LinearRNN.from_statsmodels(results)
    assert model.endog.names == ("y",) and isinstance(model.endog.index, pd.RangeIndex)


@pytest.mark.parametrize("other", [None, 3.0, SimpleNamespace(params=[1.0], model=None)])
def test_other_objects_are_refused(other):
    with pytest.raises(SpecificationError, match="results must be those of a statsmodels"):
        LinearRNN.from_statsmodels(other)


def test_matrices_that_vary_are_refused():
    results = smoothed("SARIMAX", WALK, X, order=(1, 0, 0), mle_regression=False)
    with pytest.raises(SpecificationError, match="mle_regression=True"):
        LinearRNN.from_statsmodels(results)


def test_a_start_that_is_not_given_is_refused():
    results = smoothed("SARIMAX", WALK, order=(1, 0, 0))
    results.model.ssm.initialization = None
    with pytest.raises(SpecificationError, match="how its state starts"):
        LinearRNN.from_statsmodels(results)


@pytest.mark.parametrize("unit", [1e-3, 1e6, 1e9])
def test_parameters_in_any_units(unit):
    """Variances of 1e18 and coefficients of inputs in 1e9 are found beside rates."""
    values = [unit**2, 0.5 * unit**2, 0.3 * unit**2, 0.4, 0.1, 0.2]
    inputs = X * unit
    results = smoothed(
        "UnobservedComponents", WALK * unit, "llevel", params=values, exog=inputs,
        autoregressive=1, use_exact_diffuse=True,
    )  # fmt: skip
    model, params = LinearRNN.from_statsmodels(results)
    assert set(params.index) == set(results.model.param_names)
    assert params[results.model.param_names].tolist() == pytest.approx(values, rel=1e-12)
    assert model.loglike(params) == pytest.approx(results.llf, rel=1e-8)


def test_far_inputs_keep_their_coefficients():
    """Columns of 1e-11 are not one and the same, nor none."""
    inputs = X * 1e-11
    results = smoothed(
        "UnobservedComponents", WALK, "llevel", params=[1.0, 0.5, 1e10, 2e10], exog=inputs,
        use_exact_diffuse=True,
    )  # fmt: skip
    model, params = LinearRNN.from_statsmodels(results)
    assert params[["beta.oil", "beta.rate"]].tolist() == pytest.approx([1e10, 2e10])
    assert model.loglike(params) == pytest.approx(results.llf, rel=1e-8)
