"""Vector ARMA models of fitted linear models: coefficients, standard errors, words."""

from __future__ import annotations

import pickle
import warnings
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from models.linear_cases import series

from rnnstats import LinearRNN
from rnnstats.equivalence import varma as arrays
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.covariance import hessian_from_score, jacobian
from rnnstats.kernels.kalman import loglike, stationary_covariance
from rnnstats.kernels.system import StateSpace
from rnnstats.results.linear import LinearResults
from rnnstats.results.varma.mapping import Coefficients, map_to_varma
from rnnstats.results.varma.value import VARMA


def _data(p, nobs=150, seed=0):
    """Outputs of a stable system of three states with a level, and two inputs."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((nobs, 2))
    a = np.array([[0.7, 0.2], [-0.3, 0.6]])
    state, own, y = np.zeros(2), 0.0, np.zeros((nobs, p))
    v = np.array([[1.0, 0.4], [-0.5, 1.0], [0.3, 0.8]])[:p]
    for t in range(nobs):
        state = a @ state + 0.5 * x[t] + rng.standard_normal(2)
        own = -0.7 * own + rng.standard_normal()
        y[t] = 2.0 + v @ state + 0.8 * rng.standard_normal(p)
        y[t, 0] += own
    names = ["cpi", "gdp", "m2"][:p]
    return pd.DataFrame(y, columns=names), pd.DataFrame(x, columns=["rate", "oil"])


def _loglike(found: Coefficients, y, x):
    """Likelihood of ``ar0 y_t = ...`` with a stationary start, in observer coordinates."""
    polynomials, intercept, trend, sigma = found
    inputs = polynomials.exog if x.shape[1] else None
    system = arrays.from_polynomials(polynomials.ar, polynomials.ma, inputs, polynomials.ar0)
    at_one = polynomials.ar0 - polynomials.ar.sum(axis=0)
    slope = np.linalg.solve(at_one, trend)
    lags = np.arange(1, len(polynomials.ar) + 1)[:, None, None]
    level = np.linalg.solve(at_one, intercept - (lags * polynomials.ar).sum(axis=0) @ slope)
    t = np.arange(1, len(y) + 1)[:, None]
    drive = np.zeros((len(y), len(system.transition)))
    if x.shape[1]:
        drive = x @ system.inputs.T
    return loglike(
        StateSpace.from_arrays(
            design=system.design,
            transition=system.transition,
            selection=system.gain,
            state_cov=sigma,
            cross_cov=sigma,
            obs_cov=sigma,
            obs_intercept=level + slope * t,
            state_intercept=drive,
            start="stationary",
        ),
        y,
    )


def _direct_errors(res, varma):
    """Standard errors of the form's coefficients from the Hessian in these coordinates."""
    mapped = varma._estimated.mapped
    structural, live = mapped.structural, mapped.live
    base = structural.flat()
    x = np.zeros((res.nobs, 0)) if res.model.exog is None else res.model.exog.values
    corner = np.tri(varma.k_endog, dtype=bool)

    def value(point):
        full = base.copy()
        full[live] = point
        found = structural.like(full)
        lower = np.where(corner, found.sigma_u, 0.0)
        sigma = lower + lower.T - np.diag(np.diag(lower))
        return np.array([_loglike(found._replace(sigma_u=sigma), res.model.endog.values, x)])

    scale = varma.bse.to_numpy()
    assert value(base[live])[0] == pytest.approx(res.llf, abs=1e-7)

    def score(point):
        return jacobian(value, point, scale=3.0 * scale)[0]

    hessian = hessian_from_score(score, base[live], scale=3.0 * scale)
    return np.sqrt(np.diag(np.linalg.inv(-hessian)))


def _fit(*data, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LinearRNN(*data, **options).fit(n_starts=2, rng=0)


NOISY = {
    "W_h": [["phi"]],
    "V": [[1.0]],
    "state_cov": [["q"]],
    "obs_cov": [["r"]],
    "b_h": ["drift"],
}
CASES = {
    "ARMA(2, 2)": (1, False, {"k_states": 2}),
    "unequal indices": (2, False, {"k_states": 3, "trend": "n"}),
    "inputs in state and output": (1, True, {"k_states": 1, "exog_enters": "both"}),
    "noisy autoregression": (1, False, {"form": "structured", "structure": NOISY}),
    "VARMA(1, 1) and trend": (2, False, {"k_states": 2, "trend": "ct"}),
    "unequal indices, inputs": (2, True, {"k_states": 3}),
    "vector autoregression": (2, False, {"form": "observed", "k_states": 2}),
}
SLOW = list(CASES)[4:]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] if name in SLOW else []) for name in CASES],
)
def test_standard_errors_are_those_of_direct_estimation(name):
    p, with_inputs, options = CASES[name]
    y, x = _data(p)
    res = _fit(y, x, **options) if with_inputs else _fit(y, **options)
    varma = res.to_varma()
    # 1e-4: the gradient left at the fit's end is good for 1e-6
    np.testing.assert_allclose(varma.bse, _direct_errors(res, varma), rtol=1e-4)


def test_the_two_coordinates_of_a_model_agree():
    """Fitted in state coordinates and mapped, or with AR and MA matrices as parameters."""
    y, x = _data(2)
    res = _fit(y, x, k_states=2)
    varma = res.to_varma()
    own = LinearRNN(y, x, k_states=2, structure={"coordinates": "varma"})
    start = varma.params.reindex(own.param_names)
    names = [name.replace("sigma_u", "obs_cov") for name in varma.params.index]
    values = pd.Series(varma.params.to_numpy(), names)
    start = values.reindex(list(own.param_names))
    start["W_x[h1,rate]"] = 0.0  # inputs and level have other coordinates there: estimate them
    start = start.fillna(0.0)
    level = varma.mean
    for output in y.columns:
        start[f"b_y[{output}]"] = level[output]
    other = own.fit(start_params=start.to_numpy())
    assert other.llf == pytest.approx(res.llf, abs=1e-6)
    shared = [name for name in names if name in own.param_names]
    picked = [name.replace("obs_cov", "sigma_u") for name in shared]
    assert len(shared) == 11
    np.testing.assert_allclose(varma.params[picked], other.params[shared], atol=1e-4)
    np.testing.assert_allclose(varma.bse[picked], other.bse[shared], rtol=1e-3)
    again = other.to_varma()
    pd.testing.assert_series_equal(again.params[picked], varma.params[picked], atol=1e-4)
    exact = other.params[shared].to_numpy()
    np.testing.assert_allclose(again.params[picked], exact, rtol=1e-10)
    np.testing.assert_allclose(again.bse[picked], other.bse[shared], rtol=1e-8)


def _at(model, seed=1, size=0.1):
    """Results at an admissible point near the model's start, where nothing is special."""
    theta = np.array(model.start_params)
    rng = np.random.default_rng(seed)
    soft = np.array([not name.startswith(("obs_cov", "state_cov")) for name in model.param_names])
    while True:
        point = theta + size * soft * rng.standard_normal(theta.size)
        if np.isfinite(model.loglike(point)):
            return LinearResults.from_fit(model, point, cov_type="approx")


STRUCTURED = {
    "trend and cycle": {
        "W_h": [[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, "phi"]],
        "V": [[1.0, 0.0, 1.0]],
        "state_cov": [["q1", 0.0, 0.0], [0.0, "q2", 0.0], [0.0, 0.0, "q3"]],
        "obs_cov": [["r"]],
    },
    "walk with drift": {
        "W_h": [[1.0]],
        "b_h": ["drift"],
        "V": [[1.0]],
        "state_cov": [["q"]],
        "obs_cov": [["r"]],
    },
    "same root twice": {
        "W_h": [["phi", 0.0], [0.0, "phi"]],
        "V": [[1.0, "v"]],
        "state_cov": [["q", 0.0], [0.0, 1.0]],
        "obs_cov": [["r"]],
    },
    "one state unseen": {
        "W_h": [["phi", 0.0], [0.0, 1.0]],
        "V": [[1.0, 0.0]],
        "state_cov": [["q", 0.0], [0.0, 1.0]],
        "obs_cov": [["r"]],
    },
}


OWN = ("innovations", "varma coordinates")


def _models():
    y, x = _data(2, 40)
    one = y["cpi"]
    yield "innovations", LinearRNN(y, x, k_states=3, trend="ct", exog_enters="both")
    yield "varma coordinates", LinearRNN(y, x, k_states=4, structure={"coordinates": "varma"})
    yield "observed", LinearRNN(y, x, k_states=4, form="observed", trend="ct")
    yield "leaky", LinearRNN(y, x, k_states=3, form="leaky", structure={"pairs": 1})
    yield "factor", LinearRNN(y, k_states=1, form="factor")
    yield "free", LinearRNN(y, k_states=2, form="free")
    for name, structure in STRUCTURED.items():
        yield name, LinearRNN(one, form="structured", structure=structure, initial="known")


@pytest.mark.filterwarnings("ignore:Covariance:rnnstats.errors.ConvergenceWarning")
@pytest.mark.parametrize("form", ["echelon", "final"])
@pytest.mark.parametrize(("name", "model"), list(_models()), ids=lambda value: str(value)[:24])
def test_derivatives_are_exact(name, model, form):
    """Against differences of the whole mapping, Riccati equation included."""
    _check_derivatives(model, _at(model)._theta, form)


@pytest.mark.parametrize("phi", [0.7, 1.05])
@pytest.mark.parametrize("form", ["echelon", "final"])
def test_derivatives_where_a_state_is_left_out(phi, form):
    """Of two states with one root the outputs show a combination that moves with V."""
    y = series(1, 40)[:, 0]
    structure = STRUCTURED["same root twice"]
    model = LinearRNN(y, form="structured", structure=structure, initial="known")
    theta = pd.Series({"phi": phi, "v": 0.5, "q": 0.8, "r": 1.0})[list(model.param_names)]
    mapped = _check_derivatives(model, theta.to_numpy(), form)
    assert len(mapped.system.transition) == 1
    assert bool(mapped.notes) == (phi > 1.0)


def _check_derivatives(model, theta, form):
    mapped = map_to_varma(model, theta, form)
    rng = np.random.default_rng(0)
    way = 1e-3 * np.maximum(np.abs(theta), 0.05) * rng.uniform(0.5, 1.0, theta.size)

    def flat(share):
        found = map_to_varma(model, theta + share * way, form)
        return np.concatenate([found.structural.flat(), found.reduced.flat()])

    near, far = flat(1.0) - flat(-1.0), flat(2.0) - flat(-2.0)
    rough = (8.0 * near - far) / 12.0
    exact = np.concatenate([mapped.slopes, mapped.reduced_slopes]) @ way
    # the differences' own error: steps of 1e-3 of the parameters, to the fourth power
    np.testing.assert_allclose(exact, rough, atol=1e-7 * np.abs(exact).max())
    return mapped


@pytest.mark.filterwarnings("ignore:Covariance:rnnstats.errors.ConvergenceWarning")
@pytest.mark.parametrize("form", ["echelon", "final"])
@pytest.mark.parametrize(("name", "model"), list(_models()), ids=lambda value: str(value)[:24])
def test_likelihood_and_moments_stay(name, model, form):
    res = _at(model)
    varma = res.to_varma(form)
    assert isinstance(varma, VARMA)
    state = model.system(res._theta)
    if state.start == "stationary":
        found = varma._coefficients()
        x = np.zeros((model.nobs, 0)) if model.exog is None else model.exog.values
        value = _loglike(found, model.endog.values, x)
        assert value == pytest.approx(res.llf, rel=1e-9)
        a, z = state.transition, state.design
        noise = state.selection @ state.state_cov @ state.selection.T
        gamma = z @ stationary_covariance(a, noise) @ z.T + state.obs_cov
        np.testing.assert_allclose(varma.autocovariances(2)[0], gamma, rtol=1e-9)
    # the innovations form keeps its own innovations, the others get the invertible factor
    gap = state.transition - state.selection @ state.design if name in OWN else np.zeros((1, 1))
    assert varma.is_invertible == (np.abs(np.linalg.eigvals(gap)).max() < 1.0)
    names = [name for name in varma.params.index if name.startswith("sigma_u")]
    assert len(names) == model.k_endog * (model.k_endog + 1) // 2


def test_noisy_autoregression_in_closed_form():
    """phi, and theta from theta / (1 + theta^2) = -phi r / (q + (1 + phi^2) r)."""
    y = series(1, 60)[:, 0]
    model = LinearRNN(
        y, form="structured", structure={k: v for k, v in NOISY.items() if k != "b_h"}
    )
    phi, q, r = 0.8, 0.5, 1.5
    varma = LinearResults.from_fit(model, [phi, q, r], cov_type="approx").to_varma()
    ratio = (q + (1 + phi**2) * r) / (2.0 * phi * r)
    theta = -ratio + np.sqrt(ratio**2 - 1.0)
    assert varma.params["ar1[y,y]"] == pytest.approx(phi, rel=1e-12)
    assert varma.params["ma1[y,y]"] == pytest.approx(theta, rel=1e-12)
    assert varma.params["sigma_u[y,y]"] == pytest.approx(-phi * r / theta, rel=1e-12)
    assert list(varma.params.index) == ["ar1[y,y]", "ma1[y,y]", "sigma_u[y,y]"]
    assert varma.kronecker == (1,)
    assert varma.mcmillan_degree == 1


class _Rising:
    """A model whose state has a constant and a slope in t, which no form offers."""

    exog = None
    nobs = 30
    layout = SimpleNamespace(expansion=np.eye(3))

    def system(self, theta, *, steps=0, exog=None):
        root, level, slope = theta
        t = np.arange(1, self.nobs + steps + 1)[:, None]
        return StateSpace.from_arrays(
            design=[[1.0, 0.5]],
            transition=[[root, 0.2], [0.0, 0.4]],
            state_cov=np.eye(2),
            obs_cov=[[1.0]],
            obs_intercept=3.0 + 0.1 * t,
            state_intercept=np.hstack([level + slope * t, 0.0 * t]),
        )


@pytest.mark.parametrize("root", [0.7, 1.0])
def test_constant_and_slope_of_the_state(root):
    """The equation's constant and trend give the path of the state space's means."""
    theta = np.array([root, 0.4, 0.05])
    mapped = map_to_varma(_Rising(), theta, "echelon")
    polynomials, intercept, trend, _ = mapped.structural
    system = _Rising().system(theta)
    if root < 1.0:  # on the path that has been going on for ever
        slope = theta[2] / (1.0 - root)
        state = np.array([(theta[1] - root * slope) / (1.0 - root), 0.0])
    else:
        state = np.zeros(2)
    means = []
    for t in range(12):
        state = system.transition @ state + system.state_intercept[t]
        means.append((system.design @ state + system.obs_intercept[t])[0])
    lags = polynomials.ar[:, 0, 0]
    for t in range(len(lags), 12):
        value = intercept[0] + trend[0] * (t + 1)
        value += sum(lags[i] * means[t - 1 - i] for i in range(len(lags)))
        assert value == pytest.approx(means[t], rel=1e-12)


def test_restricted_model_shows_no_structural_zeros():
    """AR(3) as a restricted ARMA(3, 3): no MA part, and fixed numbers have no error."""
    y, _ = _data(1)
    fixed = {f"ma{i}[cpi,cpi]": 0.0 for i in (1, 2, 3)} | {"ar2[cpi,cpi]": 0.1}
    res = _fit(y["cpi"], k_states=3, fixed=fixed)
    varma = res.to_varma()
    assert (varma.k_ar, varma.k_ma) == (3, 0)
    assert not [name for name in varma.params.index if name.startswith("ma")]
    assert varma.params["ar2[cpi,cpi]"] == pytest.approx(0.1, abs=1e-14)
    missing = varma.bse.isna()
    # what is fixed has variance zero up to rounding, which is no standard error
    assert varma.bse[~missing].drop("ar2[cpi,cpi]", errors="ignore").gt(1e-6).all()
    assert varma.is_invertible
    assert varma.cancellation == ""


def test_free_form_has_errors_though_its_parameters_have_none():
    y, _ = _data(2)
    res = _fit(y, form="free", k_states=2)
    varma = res.to_varma()
    assert res.bse.filter(like="W_h").isna().all()
    assert varma.bse.notna().all()
    other = _fit(y, k_states=2)
    if other.llf == pytest.approx(res.llf, abs=1e-5):
        mine, theirs = varma, other.to_varma()
        np.testing.assert_allclose(mine.params, theirs.params, atol=1e-3)
        np.testing.assert_allclose(mine.bse, theirs.bse, rtol=1e-2)


def test_near_cancellation_is_named():
    y = series(1, 60)[:, 0]
    model = LinearRNN(y, k_states=1, trend="n")
    near = LinearResults.from_fit(model, [0.8, 0.02, 1.0], cov_type="approx").to_varma()
    assert "root 0.8 nearly cancels" in near.cancellation
    assert "nearly cancels" in str(near.summary())
    far = LinearResults.from_fit(model, [0.8, 0.4, 1.0], cov_type="approx").to_varma()
    assert far.cancellation == ""
    assert "Common factors: none." in str(far.summary())


def test_exact_cancellation_and_what_gets_no_noise():
    y = series(1, 40)[:, 0]
    model = LinearRNN(y, form="structured", structure=STRUCTURED["same root twice"])
    theta = pd.Series({"phi": 0.7, "v": 0.5, "q": 0.8, "r": 1.0})[list(model.param_names)]
    varma = LinearResults.from_fit(model, theta, cov_type="none").to_varma()
    assert (varma.k_ar, varma.k_ma, varma.mcmillan_degree) == (1, 1, 1)
    assert varma.bse.isna().all()
    assert "0.7 cancels" in varma.cancellation
    still = {
        "W_h": [[1.0, 0.0], [0.0, "phi"]],
        "V": [[1.0, 1.0]],
        "state_cov": [[0.0, 0.0], [0.0, "q"]],
        "obs_cov": [["r"]],
    }
    model = LinearRNN(y, form="structured", structure=still, initial="known")
    theta = pd.Series({"phi": 0.7, "q": 0.8, "r": 1.0})[list(model.param_names)]
    varma = LinearResults.from_fit(model, theta, cov_type="approx").to_varma()
    assert (varma.k_ar, varma.k_ma) == (1, 1)
    assert varma.is_stationary
    text = str(varma.summary())
    assert "gets no noise" in text
    assert "root 1 cancels" in text


def test_a_moving_average_root_of_one_is_refused():
    y = series(1, 40)[:, 0]
    still = {"W_h": [[0.5]], "V": [[1.0]], "state_cov": [["q"]], "selection": [[1.0]]}
    still |= {"obs_cov": [["q"]], "cross_cov": [["s"]]}
    model = LinearRNN(y, form="structured", structure=still)
    theta = pd.Series({"q": 1.0, "s": -0.5})[list(model.param_names)]
    fine = LinearResults.from_fit(model, theta, cov_type="none").to_varma()
    assert fine.is_invertible
    over = {"W_h": [[0.0]], "V": [[1.0]], "state_cov": [["q"]], "obs_cov": [["q"]]}
    over |= {"cross_cov": [["-q"]]}
    model = LinearRNN(y, form="structured", structure=over)
    with pytest.raises(SpecificationError, match="zero of the spectrum"):
        LinearResults.from_fit(model, [1.0], cov_type="none").to_varma()


def test_not_invertible_model_keeps_its_innovations():
    y = series(1, 40)[:, 0]
    model = LinearRNN(y, k_states=1, trend="n")
    varma = LinearResults.from_fit(model, [0.5, 2.5, 1.0], cov_type="approx").to_varma()
    assert not varma.is_invertible
    assert varma.params["ma1[y,y]"] == pytest.approx(2.0)


def test_made_from_coefficients():
    ar = np.array([[[0.5, 0.1], [0.4, 0.5]], [[0.0, 0.0], [0.25, 0.0]]])
    ma = np.array([[[0.6, 0.2], [0.0, 0.3]]])
    sigma = np.array([[0.09, 0.01], [0.01, 0.04]])
    varma = VARMA(ar, ma, sigma, intercept=[1.0, 2.0], endog_names=["a", "b"])
    assert varma.kronecker == (1, 2)
    assert varma.mcmillan_degree == 3
    assert varma.form == "given"
    assert varma.params["ar2[b,a]"] == 0.25
    assert "ar2[a,a]" not in varma.params.index
    assert varma.bse.isna().all()
    assert list(varma.roots["of"]) == ["ar"] * 3 + ["ma"] * 2
    np.testing.assert_allclose((np.eye(2) - ar.sum(axis=0)) @ varma.mean, [1.0, 2.0], atol=1e-12)
    np.testing.assert_allclose(varma.impulse_responses(1)[1], ar[0] + ma[0])
    assert varma.spectrum([0.1]).shape == (1, 2, 2)
    assert "VARMA(2, 1)" in str(varma.summary())
    again = pickle.loads(pickle.dumps(varma))
    pd.testing.assert_series_equal(again.params, varma.params)
    with pytest.raises(AttributeError, match="cannot be changed"):
        varma.ar = 0.0
    with pytest.raises(ValueError, match="read-only"):
        varma.ar[0, 0, 0] = 0.0
    plain = VARMA(None, [0.4], 2.0)
    assert (plain.k_ar, plain.is_stationary) == (0, True)
    np.testing.assert_allclose(plain.autocovariances(1).ravel(), [2.0 * 1.16, 0.8])
    assert VARMA([0.4], None, 2.0, exog=[1.0, 2.0]).exog.shape == (1, 1, 2)
    white = VARMA([], [], np.eye(2))
    assert white.kronecker == (0, 0)
    np.testing.assert_allclose(white.autocovariances(1)[1], 0.0)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"sigma_u": -1.0}, "sigma_u must be"),
        ({"intercept": [1.0, 2.0]}, "intercept must hold 1"),
        ({"trend": [np.nan]}, "trend must hold 1"),
        ({"exog": np.ones((1, 2, 1))}, "exog must be"),
        ({"endog_names": ["a", "b"]}, "endog_names must hold 1"),
        ({"ar": np.ones((1, 2, 3))}, "ar must be"),
        ({"ma": "much"}, "ma must be"),
        ({"sigma_u": "one"}, "sigma_u must be"),
        ({"sigma_u": np.eye(2)}, "sigma_u must have a row for each of the 1 outputs"),
        ({"ar": None, "ma": np.eye(3)[None] / 2}, "sigma_u must have a row for each of the 3"),
    ],
)
def test_refused_coefficients(given, words):
    arguments = {"ar": [0.5], "ma": [0.2], "sigma_u": 1.0, **given}
    with pytest.raises(SpecificationError, match=words):
        VARMA(**arguments)


def test_table_and_labels():
    y, x = _data(2)
    res = _at(LinearRNN(y, x, k_states=3, trend="ct", exog_enters="both"))
    varma = res.to_varma()
    assert varma.kronecker == (2, 1)
    assert "ar0[gdp,cpi]" in varma.params.index
    assert not [name for name in varma.params.index if name.startswith("ar2[gdp")]
    assert [name for name in varma.params.index if name.startswith("exog2")]
    interval = varma.conf_int(0.1)
    np.testing.assert_allclose(
        (interval[1] - interval[0]) / 2.0, 1.6448536269514722 * varma.bse, rtol=1e-10
    )
    pd.testing.assert_index_equal(varma.cov_params().index, varma.params.index)
    np.testing.assert_allclose(np.sqrt(np.diag(varma.cov_params())), varma.bse)
    np.testing.assert_allclose(varma.ar0 @ varma.ar[0], varma.polynomials.ar[0], atol=1e-12)
    reduced = varma.reduced_form()
    assert reduced.loc["ar1[gdp,cpi]", "coef"] == pytest.approx(varma.ar[0, 1, 0])
    assert reduced.loc["ar1[cpi,cpi]", "std err"] == pytest.approx(varma.bse["ar1[cpi,cpi]"])
    text = str(varma.summary(alpha=0.1))
    for words in ("VARMAX(2, 2), echelon form", "ar0 (y_t - u_t)", "Kronecker indices", "[0.05"):
        assert words in text
    final = res.to_varma("final")
    assert {"ar1", "ar2", "ar3"} <= set(final.params.index)
    assert not [name for name in final.params.index if name.startswith("ar0")]
    np.testing.assert_allclose(final.ar_roots, varma.ar_roots, atol=1e-8)
    np.testing.assert_allclose(final.impulse_responses(8), varma.impulse_responses(8), atol=1e-10)
    with pytest.raises(SpecificationError, match="form must be one of"):
        res.to_varma("reduced")


def test_inputs_as_large_as_the_outputs_keep_their_coefficients():
    """Dollars explained by dollars: a coefficient of order one is no structural zero."""
    y, x = _data(1)
    model = LinearRNN(y * 1e12, x[["rate"]] * 1e12, exog_enters="output")
    names = ["W_h[h1,h1]", "K[h1,cpi]", "D[cpi,rate]", "b_y[cpi]", "obs_cov[cpi,cpi]"]
    values = pd.Series([0.6, 0.3, 0.487, 2e12, 1e24], index=names)
    res = LinearResults.from_fit(model, values[list(model.param_names)].to_numpy(), cov_type="none")
    found = res.to_varma()
    np.testing.assert_allclose(found.exog[:, 0, 0], [0.487, -0.6 * 0.487], rtol=1e-12)
    assert "exog0[cpi,rate]" in found.params.index


@pytest.mark.parametrize("units", [(1e-3, 1e3), (1e9, 1e-8)])
def test_roots_and_common_factors_do_not_depend_on_units(units):
    # with outputs of sizes 1e-3 and 1e3 all roots were lost, and any model was stationary
    ar = np.array([[[0.5, 0.2], [-0.1, 0.6]], [[0.1, 0.0], [0.2, -0.3]]])
    ma = np.array([[[0.3, 0.0], [0.2, -1.4]]])
    factor = np.array([[0.5, 0.0], [0.1, 0.3]])  # of both polynomials
    wide_ar = np.stack([ar[0] + factor, ar[1] - factor @ ar[0], -factor @ ar[1]])
    wide_ma = np.stack([ma[0] - factor, -factor @ ma[0]])
    sigma = np.array([[1.0, 0.3], [0.3, 2.0]])
    here = VARMA(wide_ar, wide_ma, sigma)
    d = np.array(units)
    both = d[:, None] / d
    there = VARMA(wide_ar * both, wide_ma * both, sigma * np.outer(d, d))
    np.testing.assert_allclose(there.ar_roots, here.ar_roots, atol=1e-10)
    np.testing.assert_allclose(there.ma_roots, here.ma_roots, atol=1e-7)  # 0.3 is a double root
    assert (there.is_stationary, there.is_invertible) == (True, False)
    assert not there.coprimeness.coprime
    assert there.coprimeness.words() == here.coprimeness.words() != ""
