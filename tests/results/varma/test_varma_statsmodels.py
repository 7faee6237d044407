"""The vector ARMA model in statsmodels has the likelihood of the results."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.varma.test_varma import STRUCTURED, _at, _data

from rnnstats import LinearRNN
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.linear import LinearResults
from rnnstats.results.varma.value import VARMA

statespace = pytest.importorskip("statsmodels.tsa.api")
pytestmark = [
    pytest.mark.crosspkg,
    pytest.mark.filterwarnings("ignore:Covariance:rnnstats.errors.ConvergenceWarning"),
]
# statsmodels stops updating its covariances at a tolerance of its own, worth 1e-8 or so
TOL = 2e-8


def _gappy(p, nobs=60):
    y, x = _data(p, nobs)
    y.iloc[5, 0] = np.nan
    y.iloc[9] = np.nan
    return y, x


@pytest.mark.parametrize(
    ("trend", "initial"),
    [
        ("n", "stationary"),
        ("c", "stationary"),
        ("ct", "stationary"),
        ("n", "known"),
        ("ct", "known"),
    ],
)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("enters", [None, "state", "output", "both"])
def test_innovations_form(p, trend, initial, enters):
    y, x = _gappy(p)
    inputs = {} if enters is None else {"exog": x, "exog_enters": enters}
    model = LinearRNN(y, k_states=p + 1, trend=trend, initial=initial, **inputs)
    res = _at(model, size=0.05)
    other, params = res.to_statsmodels()
    assert type(other).__name__ == ("SARIMAX" if p == 1 else "VARMAX")
    assert list(params.index) == list(other.param_names)
    assert other.loglike(params) == pytest.approx(res.llf, rel=TOL)


@pytest.mark.parametrize("form", ["echelon", "final"])
@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("observed", {"k_states": 4}),
        ("leaky", {"k_states": 3, "structure": {"pairs": 1}}),
        ("factor", {"k_states": 1}),
        ("free", {"k_states": 2}),
    ],
)
def test_other_forms(kind, options, form):
    y, x = _gappy(2)
    data = (y,) if kind in ("factor", "free") else (y, x)
    res = _at(LinearRNN(*data, form=kind, **options))
    other, params = res.to_varma(form).to_statsmodels()
    assert other.loglike(params) == pytest.approx(res.llf, rel=TOL)


@pytest.mark.parametrize("name", list(STRUCTURED))
def test_unit_roots_with_a_known_start(name):
    y, _ = _gappy(1)
    model = LinearRNN(y, form="structured", structure=STRUCTURED[name], initial="known")
    res = _at(model)
    other, params = res.to_statsmodels()
    assert other.loglike(params) == pytest.approx(res.llf, rel=TOL)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("with_inputs", [False, True])
def test_diffuse_start_of_one_lag(p, with_inputs):
    y, x = _gappy(p)
    y.iloc[:2] = np.nan
    model = LinearRNN(y, x if with_inputs else None, k_states=p, initial="diffuse")
    res = _at(model, size=0.05)
    other, params = res.to_statsmodels()
    assert other.loglike(params) == pytest.approx(res.llf, rel=TOL)


@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("lags", [(0, 0), (1, 0), (0, 1), (2, 1)])
@pytest.mark.parametrize("initial", ["stationary", "known"])
def test_more_lags_of_inputs_than_of_outputs(p, lags, initial):
    """Inputs before the sample are what the model's start takes them for."""
    rng = np.random.default_rng(p)
    ar = rng.uniform(-0.3, 0.3, (lags[0], p, p))
    ma = rng.uniform(-0.3, 0.3, (lags[1], p, p))
    coefs, (y, x) = rng.standard_normal((4, p, 2)), _data(p, 40)
    model, params = LinearRNN.from_varma(
        ar, ma, np.eye(p), y, exog=x, exog_coefs=coefs, initial=initial
    )
    res = LinearResults.from_fit(model, params.to_numpy(), cov_type="none")
    other, theirs = res.to_statsmodels()
    assert other.loglike(theirs) == pytest.approx(res.llf, rel=TOL)
    longer = res.extend(y.to_numpy(), x.to_numpy()[::-1])
    other, theirs = longer.to_statsmodels()
    assert other.loglike(theirs) == pytest.approx(longer.llf, rel=TOL)
    if initial == "stationary":
        value = VARMA(ar, ma, np.eye(p), exog=coefs)
        other, theirs = value.to_statsmodels(y, x)
        assert other.loglike(theirs) == pytest.approx(res.llf, rel=TOL)


def test_local_level_is_an_integrated_moving_average():
    y, _ = _gappy(1)
    level = {"W_h": [[1.0]], "V": [[1.0]], "state_cov": [["q"]], "obs_cov": [["r"]]}
    model = LinearRNN(y, form="structured", structure=level, initial="diffuse")
    res = LinearResults.from_fit(model, [0.7, 1.3], cov_type="approx")
    other, params = res.to_statsmodels()
    assert other.loglike(params) == pytest.approx(res.llf, rel=TOL)
    assert params["ar.L1"] == 1.0


def test_other_data():
    y, x = _data(2, 80)
    res = _at(LinearRNN(y[:50], x[:50], k_states=3))
    applied = res.apply(y[30:].to_numpy(), x[30:].to_numpy())
    other, params = res.to_varma().to_statsmodels(y[30:].to_numpy(), x[30:].to_numpy())
    assert other.loglike(params) == pytest.approx(applied.llf, rel=TOL)
    later = res.extend(y[50:], x[50:])
    other, params = later.to_statsmodels()
    assert other.loglike(params) == pytest.approx(later.llf, rel=TOL)


@pytest.mark.filterwarnings("ignore:Estimation of VARMA:UserWarning")
def test_forecasts_agree():
    y, _ = _data(2, 60)
    res = _at(LinearRNN(y, k_states=2, trend="ct"))
    other, params = res.to_statsmodels()
    theirs = other.smooth(params).forecast(4)
    np.testing.assert_allclose(theirs, res.forecast(4), rtol=1e-7)


def test_made_from_coefficients():
    """Stationary, with inputs held at their first row before the sample."""
    y, x = _data(2, 40)
    res = _at(LinearRNN(y, x, k_states=2, trend="ct", exog_enters="both"))
    mine = res.to_varma()
    again = VARMA(
        mine.ar, mine.ma, mine.sigma_u, intercept=mine.intercept, trend=mine.trend, exog=mine.exog
    )
    other, params = again.to_statsmodels(y, x)
    assert other.loglike(params) == pytest.approx(res.llf, rel=TOL)
    one = VARMA([0.5], [0.3], 2.0, intercept=[1.0])
    other, params = one.to_statsmodels(y["cpi"])
    theirs = statespace.SARIMAX(y["cpi"], order=(1, 0, 1), trend="c")
    assert other.loglike(params) == pytest.approx(theirs.loglike([1.0, 0.5, 0.3, 2.0]), rel=1e-10)
    white = VARMA([], [], np.eye(2), intercept=[2.0, 2.0])
    other, params = white.to_statsmodels(y)
    residual = y.to_numpy() - 2.0
    value = -0.5 * (residual.size * np.log(2.0 * np.pi) + (residual**2).sum())
    assert other.loglike(params) == pytest.approx(value, rel=1e-10)


def test_standard_errors_equal_those_of_sarimax():
    """At our estimates, from statsmodels' likelihood with ARMA coefficients as parameters."""
    from rnnstats.estimation.covariance import hessian_from_score, jacobian

    y, _ = _data(1, 150)
    res = LinearRNN(y["cpi"], k_states=2).fit(n_starts=2, rng=0)
    varma = res.to_varma()
    other = statespace.SARIMAX(y["cpi"], order=(2, 0, 2), trend="c", tolerance=0.0)
    point = varma.params.to_numpy()
    scale = 3.0 * varma.bse.to_numpy()

    def score(params):
        return jacobian(lambda at: np.array([other.loglike(at)]), params, scale=scale)[0]

    hessian = hessian_from_score(score, point, scale=scale)
    errors = np.sqrt(np.diag(np.linalg.inv(-hessian)))
    np.testing.assert_allclose(varma.bse, errors, rtol=1e-4)


def test_refusals():
    y, x = _data(1, 40)
    model = LinearRNN(y, k_states=2, initial="diffuse")
    res = LinearResults.from_fit(model, [0.2, 0.3, 0.5, 0.2, 1.0, 1.0], cov_type="none")
    with pytest.raises(SpecificationError, match="diffuse start"):
        res.to_statsmodels()
    with pytest.raises(DataError, match="has no data"):
        VARMA([0.5], [], 1.0).to_statsmodels()
    with pytest.raises(DataError, match="1 outputs and 0 inputs"):
        VARMA([0.5], [], 1.0).to_statsmodels(y, x)
    with pytest.raises(SpecificationError, match="modulus 1"):
        VARMA([1.0], [], 1.0).to_statsmodels(y)
    with pytest.raises(DataError, match="without endog"):
        res.to_varma().to_statsmodels(exog=x)
    with pytest.raises(DataError, match="as many rows as lags"):
        VARMA([0.5, 0.1, 0.1], [], 1.0).to_statsmodels(pd.Series([1.0, 2.0]))
