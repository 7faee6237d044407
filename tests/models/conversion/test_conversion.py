"""`LinearRNN.from_varma`: the same model in our coordinates."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import LinearRNN
from rnnstats.equivalence.varma import from_polynomials, system_responses
from rnnstats.errors import ConversionWarning, DataError, SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace
from rnnstats.models.conversion.varma import mean_terms
from rnnstats.results.varma.value import VARMA


def observer_loglike(ar, ma, sigma, y, mean=0.0):
    """Log-likelihood by the observer form, which is not minimal and knows no Kronecker indices."""
    p = len(sigma)
    a, c, k, _, _ = from_polynomials(ar, ma, None, np.eye(p))
    system = StateSpace.from_arrays(
        design=c,
        transition=a,
        selection=k,
        state_cov=sigma,
        obs_cov=sigma,
        cross_cov=sigma,
        start="stationary",
    )
    return kalman.loglike(system, y - mean)


def stable(rng, shape, *, radius=0.9):
    """Coefficients (lags, p, p) whose companion matrix has at most this radius."""
    lags, p, _ = shape
    coefficients = rng.standard_normal(shape) / p
    if not lags:
        return coefficients
    companion = np.eye(lags * p, k=-p)
    companion[:p] = np.hstack(list(coefficients))
    largest = np.abs(np.linalg.eigvals(companion)).max()
    factor = min(1.0, radius / largest)
    return coefficients * factor ** np.arange(1, lags + 1)[:, None, None]


def covariance(rng, p):
    root = rng.standard_normal((p, p)) + 2 * np.eye(p)
    return root @ root.T


@pytest.mark.parametrize("seed", range(30))
def test_random_models_keep_their_likelihood(seed):
    rng = np.random.default_rng(seed)
    p, q, r = rng.integers(1, 4), rng.integers(0, 3), rng.integers(0, 3)
    ar, sigma = stable(rng, (q, p, p)), covariance(rng, p)
    ma = rng.standard_normal((r, p, p))  # invertible or not
    y = rng.standard_normal((40, p))
    y[3, 0] = y[10] = np.nan
    nu = rng.standard_normal(p)
    model, params = LinearRNN.from_varma(ar, ma, sigma, y, intercept=nu)
    mean = np.linalg.solve(np.eye(p) - ar.sum(axis=0), nu)
    assert params[[f"b_y[{n}]" for n in model.endog.names]].to_numpy() == pytest.approx(mean)
    expected = observer_loglike(ar, ma, sigma, y, mean)
    # two different state spaces of up to 6 states: rounding only
    assert model.loglike(params) == pytest.approx(expected, rel=1e-9)
    assert model.k_states <= max(q, r, 1) * p


def test_unequal_kronecker_indices():
    ar = np.array([[[0.5, 0.1], [0.0, 0.3]], [[0.2, 0.0], [0.0, 0.0]]])
    y = np.random.default_rng(0).standard_normal((50, 2))
    model, params = LinearRNN.from_varma(ar, [], np.eye(2), y)
    assert model.kronecker == (2, 1)
    assert model.loglike(params) == pytest.approx(observer_loglike(ar, [], np.eye(2), y), rel=1e-12)


@pytest.mark.parametrize("form", ["echelon", "final"])
@pytest.mark.parametrize("nu", [(1,), (3,), (1, 1), (2, 1), (0, 2), (1, 0, 2)])
def test_to_varma_and_back(nu, form):
    rng = np.random.default_rng(sum(nu))
    p = len(nu)
    y = pd.DataFrame(rng.standard_normal((60, p)), columns=[f"s{i}" for i in range(p)])
    model = LinearRNN(y, kronecker=nu)
    theta = model.start_params.to_numpy()
    results = model._make_results(theta, "none", None, None)
    back, params = LinearRNN.from_varma(results.to_varma(form), endog=y)
    assert back.kronecker == nu
    assert list(params.index) == list(model.param_names)
    # the same coordinates, so the same numbers; "final" goes through polynomials of degree n
    assert params.to_numpy() == pytest.approx(theta, rel=1e-7, abs=1e-7)
    assert back.loglike(params) == pytest.approx(model.loglike(theta), rel=1e-10)


@pytest.mark.slow
def test_500_random_models_survive_the_round_trip():
    rng = np.random.default_rng(2024)
    for _ in range(500):
        p, n, k = rng.integers(1, 4), rng.integers(1, 7), rng.integers(0, 2)
        y, x = rng.standard_normal((40, p)), rng.standard_normal((40, k)) if k else None
        model = LinearRNN(y, x, k_states=int(n))
        theta = random_point(model, rng)
        value = model._make_results(theta, "none", None, None).to_varma()
        back, params = LinearRNN.from_varma(value, endog=y, exog=x)
        assert back.loglike(params) == pytest.approx(model.loglike(theta), rel=1e-8)
        again = back._make_results(params.to_numpy(), "none", None, None).to_varma()
        for name, argument in (("impulse_responses", 20), ("autocovariances", 10)):
            one, other = (np.asarray(getattr(v, name)(argument)) for v in (value, again))
            assert other == pytest.approx(one, rel=1e-8, abs=1e-8 * np.abs(one).max())


def random_point(model, rng):
    """Natural parameters of a stable system in general position."""
    n, p = model.k_states, model.k_endog
    while True:
        a = rng.standard_normal((n, n))
        a *= rng.uniform(0.3, 0.95) / np.abs(np.linalg.eigvals(a)).max()
        c, k = rng.standard_normal((p, n)), rng.standard_normal((n, p))
        from rnnstats.equivalence.realisation import Realisation, echelon_rows, to_echelon

        rows = echelon_rows(Realisation(a, c, k), model.kronecker)
        turned = to_echelon(Realisation(a, c, k), model.kronecker)
        if rows is None or turned is None or np.linalg.cond(rows) > 1e3:
            continue
        sigma = covariance(rng, p)
        arrays = {"transition": turned.a, "design": turned.c, "selection": turned.k}
        arrays |= {"obs_cov": sigma, "state_cov": sigma, "cross_cov": sigma}
        arrays["C_obs"] = rng.standard_normal((1, p))
        if model.exog is not None:
            arrays["C_state"] = rng.standard_normal((1, n))
        return model._table.read(arrays)


def test_inputs_with_lags():
    rng = np.random.default_rng(5)
    x, y = rng.standard_normal((60, 2)), rng.standard_normal((60, 1))
    coefs = rng.standard_normal((2, 1, 2))
    model, params = LinearRNN.from_varma([0.6], [], 1.0, y[:, 0], exog=x, exog_coefs=coefs)
    # by hand, inputs at their first values before the sample
    past = np.vstack([x[:1], x[:-1]])
    push = x @ coefs[0, 0] + past @ coefs[1, 0]
    mean = np.empty(60)
    mean[0] = push[0] / 0.4
    for t in range(1, 60):
        mean[t] = 0.6 * mean[t - 1] + push[t]
    expected = observer_loglike([0.6], [], np.eye(1), y, mean[:, None])
    assert model.loglike(params) == pytest.approx(expected, rel=1e-12)


def test_a_slope_in_the_equation():
    y = np.random.default_rng(6).standard_normal((50, 1))
    t = np.arange(1.0, 51.0)
    model, params = LinearRNN.from_varma([0.5, 0.2], [0.3], 2.0, y, intercept=1.0, trend_slope=0.1)
    assert model.trend == "ct"
    b1 = 0.1 / 0.3
    b0 = (1.0 - (0.5 + 2 * 0.2) * b1) / 0.3
    assert params["b_y_trend[y]"] == pytest.approx(b1)
    assert params["b_y[y]"] == pytest.approx(b0)
    expected = observer_loglike([0.5, 0.2], [0.3], 2 * np.eye(1), y, (b0 + b1 * t)[:, None])
    assert model.loglike(params) == pytest.approx(expected, rel=1e-12)


def test_common_factors_are_taken_out_and_named():
    y = np.random.default_rng(7).standard_normal(60)
    # (1 - 0.5 L)(1 - 0.8 L) y = (1 - 0.8 L)(1 + 0.3 L) u
    with pytest.warns(ConversionWarning, match=r"root 0\.8 .*from 2 to 1 states"):
        model, params = LinearRNN.from_varma([1.3, -0.4], [-0.5, -0.24], 1.0, y)
    assert model.k_states == 1
    expected = LinearRNN.from_varma([0.5], [0.3], 1.0, y).params
    assert params.to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-9)
    sigma = np.eye(2)
    factor = np.array([[0.7, 0.2], [0.0, 0.4]])
    ar = np.array([[0.3, 0.1], [0.2, 0.5]])
    ma = np.array([[0.2, 0.0], [0.1, -0.3]])
    with pytest.warns(ConversionWarning, match="from 4 to 2 states"):
        model, params = LinearRNN.from_varma(
            [factor + ar, -factor @ ar], [ma - factor, -factor @ ma], sigma
        )
    _, others = LinearRNN.from_varma(ar, ma, sigma)
    assert params.to_numpy() == pytest.approx(others.to_numpy(), abs=1e-8)


def test_white_noise_has_one_idle_state():
    sigma = np.array([[1.0, 0.3], [0.3, 2.0]])
    y = np.random.default_rng(8).standard_normal((30, 2))
    model, params = LinearRNN.from_varma([], [], sigma, y, exog=y, exog_coefs=np.eye(2) * 0.5)
    white = np.linalg.solve(np.linalg.cholesky(sigma), (0.5 * y).T)
    expected = -0.5 * (60 * np.log(2 * np.pi) + 30 * np.linalg.slogdet(sigma)[1] + (white**2).sum())
    assert model.loglike(params) == pytest.approx(expected, rel=1e-12)


def test_a_moving_average_that_is_not_invertible_stays():
    y = np.random.default_rng(9).standard_normal(40)
    model, params = LinearRNN.from_varma([], [2.0], 1.0, y)
    assert params["K[h1,y]"] == pytest.approx(2.0)
    twin, other = LinearRNN.from_varma([], [0.5], 4.0, y)
    assert model.loglike(params) == pytest.approx(twin.loglike(other), rel=1e-12)


@pytest.mark.parametrize("root", [1.0, 1.05])
def test_unstable_models_need_another_start(root):
    y = np.random.default_rng(10).standard_normal(40).cumsum()
    with pytest.raises(SpecificationError, match="initial='diffuse'"):
        LinearRNN.from_varma([root], [], 1.0, y)
    model, params = LinearRNN.from_varma([root], [], 1.5, y, intercept=0.2, initial="diffuse")
    errors = y[1:] - 0.2 - root * y[:-1]
    expected = -0.5 * (40 * np.log(2 * np.pi) + 39 * np.log(1.5) + errors @ errors / 1.5)
    assert model.loglike(params) == pytest.approx(expected, rel=1e-10)
    known, same = LinearRNN.from_varma([root], [], 1.5, y, initial="known")
    errors = y - root * np.concatenate([[0.0], y[:-1]])
    expected = -0.5 * (40 * np.log(2 * np.pi) + 40 * np.log(1.5) + errors @ errors / 1.5)
    assert known.loglike(same) == pytest.approx(expected, rel=1e-12)


def test_a_drift_needs_no_more_than_a_line():
    with pytest.raises(SpecificationError, match="steeper"):
        mean_terms(np.ones((1, 1, 1)), None, np.ones(1), np.ones(1), "test")
    _, b1 = mean_terms(np.ones((1, 1, 1)), np.array([0.3]), None, np.ones(1), "test")
    assert b1 == pytest.approx([0.3])


def test_without_data_it_simulates():
    value = VARMA([0.5], [0.2], 1.0, intercept=3.0, endog_names=["gdp"])
    model, params = LinearRNN.from_varma(value)
    assert model.loglike(params) == 0.0
    y = model.simulate(params, 4000, rng=1)
    assert y.name == "gdp"
    # mean 6, standard error of the mean (1.2 / 0.5) / sqrt(4000) = 0.04
    assert y.mean() == pytest.approx(6.0, abs=0.15)
    responses = system_responses(from_polynomials([0.5], [0.2]), 3)[:, 0, 0]
    assert np.ravel(value.impulse_responses(3)) == pytest.approx(responses)


@pytest.mark.parametrize(
    ("arguments", "options", "words"),
    [
        (([0.5],), {}, "sigma_u, the covariance"),
        (([0.5], [], -1.0), {}, "positive definite"),
        (([0.5], [], [[1.0, 0.2], [0.3, 1.0]]), {}, "symmetric"),
        (([[0.5, 0.1]], [], 1.0), {}, "shape \\(lags, 1, 1\\)"),
        (([0.5], [], 1.0), {"intercept": [1.0, 2.0]}, "intercept must be 1 finite"),
        (([0.5], [], 1.0), {"initial": "flat"}, "initial must be one of"),
        (([0.5], [], 1.0), {"exog": np.ones(20)}, "exog needs exog_coefs"),
        (([0.5], [], 1.0), {"exog_coefs": np.ones((2, 2, 2))}, "exog_coefs must be"),
        ((VARMA([0.5], [], 1.0),), {"intercept": 1.0}, "intercept beside it"),
        ((["a"], [], 1.0), {}, "ar must be numbers"),
    ],
)
def test_refusals(arguments, options, words):
    with pytest.raises(SpecificationError, match=words):
        LinearRNN.from_varma(*arguments, **options)


def test_data_must_fit():
    with pytest.raises(DataError, match="column for each of the 1 outputs"):
        LinearRNN.from_varma([0.5], [], 1.0, np.ones((20, 2)))
    with pytest.raises(DataError, match="got none"):
        LinearRNN.from_varma([0.5], [], 1.0, np.arange(20.0), exog_coefs=[1.0])
    with pytest.raises(DataError, match="got 2"):
        LinearRNN.from_varma(
            [0.5], [], 1.0, np.arange(20.0), exog=np.ones((20, 2)), exog_coefs=[1.0]
        )


def test_a_restricted_constant_makes_no_trend():
    """Cointegration with the constant in the error correction: no slope but rounding."""
    rng = np.random.default_rng(0)
    speed, relation = rng.standard_normal((2, 3, 1))
    ar = np.eye(3) - 0.5 * speed @ relation.T / (relation.T @ speed)
    (level,) = mean_terms(ar[None], 0.7 * speed[:, 0], None, np.ones(len(ar)), "test")
    np.testing.assert_allclose((np.eye(3) - ar) @ level, 0.7 * speed[:, 0], rtol=1e-12)


def test_symmetry_is_judged_in_units_of_the_errors():
    lopsided = 1e-12 * np.array([[1.0, 0.5], [0.0, 1.0]])
    with pytest.raises(SpecificationError, match="symmetric"):
        LinearRNN.from_varma(0.5 * np.eye(2), None, lopsided)
    with pytest.raises(SpecificationError, match="symmetric"):
        VARMA(0.5 * np.eye(2), (), lopsided)


def test_columns_with_the_names_of_a_value_are_taken_by_name():
    rng = np.random.default_rng(4)
    value = VARMA(
        [[[0.5, 0.1], [0.0, 0.2]]], None, [[1.0, 0.2], [0.2, 3.0]], intercept=[1.0, 5.0],
        exog=[[2.0, 0.0], [0.0, 1.0]], endog_names=["a", "b"], exog_names=["x", "z"],
    )  # fmt: skip
    y = pd.DataFrame(rng.standard_normal((30, 2)), columns=["a", "b"])
    x = pd.DataFrame(rng.standard_normal((30, 2)), columns=["x", "z"])
    model, params = LinearRNN.from_varma(value, endog=y, exog=x)
    turned = LinearRNN.from_varma(value, endog=y[["b", "a"]], exog=x[["z", "x"]])
    assert turned.model.endog.names == ("a", "b")
    assert turned.model.loglike(turned.params) == model.loglike(params)
    theirs, at = value.to_statsmodels(y[["b", "a"]], x[["z", "x"]])
    assert theirs.loglike(at) == pytest.approx(model.loglike(params), rel=1e-8)
    renamed = LinearRNN.from_varma(value, endog=y.set_axis(["c", "d"], axis=1), exog=x.to_numpy())
    assert renamed.model.endog.names == ("c", "d")
    with pytest.raises(DataError, match="'a' in another place"):
        LinearRNN.from_varma(value, endog=y.set_axis(["c", "a"], axis=1), exog=x)


def test_parameters_by_name_in_a_mapping():
    model, params = LinearRNN.from_varma([0.5], [0.2], 1.0, np.arange(9.0))
    assert model.loglike(dict(params)) == model.loglike(params)
    with pytest.raises(SpecificationError, match=r"K\[h1,y\] missing"):
        model.loglike({name: 0.1 for name in params.index if name != "K[h1,y]"})


def test_badly_conditioned_coordinates_are_said():
    """Inputs hardly move the first output and are all that moves the others."""
    rng = np.random.default_rng(4)
    ar, coefs = 0.4 * rng.standard_normal((1, 3, 3)), rng.standard_normal((3, 3, 2))
    units = np.array([1e3, 1e-3, 1.0])
    ar *= units[:, None] / units
    y, x = rng.standard_normal((30, 3)) * units, rng.standard_normal((30, 2))
    sigma = np.diag(units**2)
    with pytest.warns(ConversionWarning, match="badly conditioned"):
        LinearRNN.from_varma(ar, None, sigma, y, exog=x, exog_coefs=coefs)
    turn = np.eye(3)[[1, 2, 0]]
    LinearRNN.from_varma(
        turn @ ar @ turn.T, None, turn @ sigma @ turn.T, y @ turn.T, exog=x, exog_coefs=turn @ coefs
    )


@pytest.mark.parametrize("units", [(1e-6, 1e6), (1e9, 1e-8), (1e-12, 1e12)])
@pytest.mark.parametrize("unit_of_input", [1e-7, 1.0, 1e8])
def test_a_conversion_does_not_depend_on_units(units, unit_of_input):
    # A(1) of outputs of sizes 1e-6 and 1e6 was taken for that of a unit root, with other means and
    # a log-likelihood a thousand lower; from 1e-8 and 1e9 on the echelon form was refused
    ar = np.array([[[0.5, 0.2], [-0.1, 0.6]], [[0.1, 0.0], [0.2, -0.3]]])
    ma = np.array([[[0.3, 0.0], [0.2, -1.4]]])
    sigma = np.array([[1.0, 0.3], [0.3, 2.0]])
    given = np.array([[[0.5, 1.0], [0.0, 2.0]], [[0.1, 0.0], [0.3, 0.2]]])
    rng = np.random.default_rng(0)
    y, x = rng.standard_normal((2, 50, 2))
    level = np.array([1.0, 2.0])
    model, params = LinearRNN.from_varma(
        ar, ma, sigma, y, intercept=level, exog=x, exog_coefs=given
    )
    d = np.array(units)
    both = d[:, None] / d
    there, moved = LinearRNN.from_varma(
        ar * both, ma * both, sigma * np.outer(d, d), y * d,
        intercept=level * d, exog=x * unit_of_input, exog_coefs=given * d[:, None] / unit_of_input,
    )  # fmt: skip
    assert there.kronecker == model.kronecker
    assert there.param_names == model.param_names
    change = 50 * np.log(d).sum()  # of up to 1e3, rounded
    assert there.loglike(moved) + change == pytest.approx(model.loglike(params), abs=1e-9)
