"""Do the standard errors of Lyapunov exponents cover, and does the test of chaos keep its level?

Seeds are fixed, so that a run gives the same answer every time. Bounds are four Monte Carlo
standard errors around what the theory promises, and where an estimator is known to lean, what that
costs: the test says why.
"""

from __future__ import annotations

import warnings
from typing import get_args

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.signal import lfilter
from scipy.special import psi

from rnnstats import ElmanRNN, LinearRNN
from rnnstats.diagnostics.memory import lyapunov_spectrum, ode_as_rnn
from rnnstats.diagnostics.memory.lyapunov.growth import ErrorMethod
from rnnstats.diagnostics.memory.lyapunov.spectrum import LyapunovSpectrum
from rnnstats.errors import ConvergenceWarning
from rnnstats.kernels import cells
from rnnstats.results.recurrent.states.recurrence import NetworkRecurrence

pytestmark = [pytest.mark.slow, pytest.mark.statistical]

Z = 1.959964
GINIBRE = 0.5 * (np.log(2.0) + psi(np.array([3.0, 2.0, 1.0]) / 2))


def chance(count: int, share: float = 0.95) -> float:
    """Four Monte Carlo standard errors of a share."""
    return 4.0 * float(np.sqrt(share * (1.0 - share) / count))


def covered(found: list[LyapunovSpectrum], truth: np.ndarray, method: ErrorMethod) -> np.ndarray:
    """Share of 95 % intervals that hold the truth, by exponent: (normal law, Student's law)."""
    shares = []
    for one in found:
        errors = [error.over(one.dt) for error in one._found.growth.standard_errors(method)]
        reach = [[Z * error.value, error.reach(0.05)] for error in errors]
        shares.append(np.abs(one.exponents - truth)[:, None] <= np.array(reach))
    return np.mean(shares, axis=0).T


def both(found: list[LyapunovSpectrum], truth: np.ndarray, name: str) -> np.ndarray:
    """Coverage by batch means and by Shintani and Linton, (2, exponents), shown."""
    shares = np.array([covered(found, truth, one) for one in get_args(ErrorMethod)])
    for method, (normal, student) in zip(get_args(ErrorMethod), shares, strict=True):
        print(f"{name}, {method}: {student} (normal quantile: {normal})")
    return shares[:, 1]


def test_products_of_gaussian_matrices():
    """All three exponents known (Newman 1986); rows of the first are independent."""
    rng = np.random.default_rng(1)
    found = [lyapunov_spectrum(rng.standard_normal((400, 3, 3))) for _ in range(500)]
    shares = both(found, GINIBRE, "Gaussian matrices, n = 400")
    # directions start in the right singular vectors, which sets the last exponents apart by 1/n
    assert (np.abs(shares - 0.95) < chance(500) + 0.01).all()


@pytest.mark.parametrize(("rho", "lean"), [(0.5, 0.02), (-0.5, 0.0)])
def test_growth_that_depends_on_itself(rho, lean):
    """Scalar exp(z_t) with autoregressive z_t around 0.05: the exponent is its mean."""
    rng = np.random.default_rng(2)
    found = []
    for _ in range(600):
        z = 0.05 + lfilter([1.0], [1.0, -rho], rng.standard_normal(700))[200:]
        found.append(lyapunov_spectrum(np.exp(z)[:, None, None]))
    shares = both(found, np.array([0.05]), f"autoregressive growth, rho = {rho}, n = 500")
    assert (np.abs(shares - 0.95) < chance(600) + lean).all()


def test_logistic_map_at_3_9():
    """The exponent of a run of a million steps counts as the truth."""
    truth = lyapunov_spectrum(lambda h: 3.9 * h * (1.0 - h), [0.3], 1_000_000).exponents
    starts = np.random.default_rng(3).uniform(0.2, 0.8, 400)
    found = [
        lyapunov_spectrum(lambda h: 3.9 * h * (1.0 - h), [start], 1100, burn=100)
        for start in starts
    ]
    shares = both(found, truth, f"logistic map at 3.9 (exponent {truth[0]:.5f}), n = 1000")
    assert (np.abs(shares - 0.95) < chance(400)).all()


def test_logistic_map_at_4_errs_on_the_safe_side():
    """Growth is a coboundary there: the variance of its mean falls faster than 1/n."""
    starts = np.random.default_rng(4).uniform(0.2, 0.8, 200)
    found = [
        lyapunov_spectrum(lambda h: 4.0 * h * (1.0 - h), [start], 2100, burn=100)
        for start in starts
    ]
    shares = both(found, np.array([np.log(2.0)]), "logistic map at 4, n = 2000")
    assert (shares >= 0.95).all()


def test_henon_map():
    def henon(h):
        return np.array([1.0 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])

    truth = lyapunov_spectrum(henon, [0.1, 0.1], 1_000_000).exponents
    starts = np.random.default_rng(5).uniform(-0.1, 0.1, (300, 2))
    found = [lyapunov_spectrum(henon, start, 1600, burn=100) for start in starts]
    shares = both(found, truth, f"Henon map (exponents {truth}), n = 1500")
    assert (np.abs(shares - 0.95) < chance(300)).all()
    # the dimension, with the covariance of the exponents
    size = 1.0 + truth[0] / abs(truth[1])
    held = [abs(one.dimension - size) <= Z * one.dimension_se for one in found]
    print(f"Kaplan-Yorke dimension of the Henon map ({size:.5f}): {np.mean(held)}")
    assert abs(np.mean(held) - 0.945) < chance(300) + 0.01


def test_lorenz_equations_err_on_the_safe_side():
    """Sampled finely, growth is a coboundary but for a small part: errors are too large."""

    def lorenz(h):
        return np.array([10 * (h[1] - h[0]), h[0] * (28 - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]])

    step = ode_as_rnn(lorenz, 0.01, "rk4")
    starts = np.random.default_rng(6).normal([0.0, 0.0, 25.0], 5.0, (25, 3))
    found = [lyapunov_spectrum(step, start, 21_000, burn=1000, dt=0.01) for start in starts]
    shares = both(found, np.array([0.9056, 0.0, -14.5723]), "Lorenz, 200 units of time")
    spread = np.std([one.exponents for one in found], axis=0)
    print(
        f"standard deviations {spread}, mean errors {np.mean([one.bse for one in found], axis=0)}"
    )
    assert (shares >= 0.95).all()


def test_linear_models_by_the_delta_method():
    rng = np.random.default_rng(7)
    matrix = np.array([[0.6, 0.4], [-0.4, 0.6]])
    found = []
    for _ in range(300):
        values = np.zeros((250, 2))
        for t in range(1, 250):
            values[t] = matrix @ values[t - 1] + rng.standard_normal(2)
        frame = pd.DataFrame(values, columns=["a", "b"])
        found.append(lyapunov_spectrum(LinearRNN(frame, form="observed").fit()))
    rate = np.log(np.abs(np.linalg.eigvals(matrix)).max())
    pairs = [one for one in found if one.exponents[0] == pytest.approx(one.exponents[1])]
    held = covered(pairs, np.array([rate, rate]), "batch_means")[1]
    print(f"VAR(1) with a complex pair, n = 250, delta method: {held} of {len(pairs)}")
    assert len(pairs) > 280
    # least squares lean to smaller roots, which costs a per cent or two of the coverage
    assert (np.abs(held - 0.95) < chance(300) + 0.015).all()


@pytest.mark.skipif(not cells.HAVE_COMPILED, reason="hundreds of fits need the compiled core")
def test_networks_with_what_estimation_adds():
    """An Elman network with known weights, drawn and fitted: shocks held, n = 300."""
    found, unfinished = [], 0
    frame = pd.Series(np.random.default_rng(0).standard_normal(300), name="y")
    model = ElmanRNN(frame, k_hidden=1, y_lags=1)
    values = {
        "W_h[h1,h1]": 0.7, "W_y[h1,y]": 0.5, "b_h[h1]": 0.1, "V[y,h1]": 1.2, "b_y[y]": 0.0,
    }  # fmt: skip
    theta = np.array([values.get(name, 1.0) for name in model.param_names])
    long = pd.Series(model.simulate(theta, 60_000, rng=np.random.default_rng(1)).squeeze())
    whole = ElmanRNN(long.rename("y"), k_hidden=1, y_lags=1)
    truth = lyapunov_spectrum(NetworkRecurrence(whole, theta)).exponents[0]
    for seed in range(150):
        drawn = model.simulate(theta, 300, rng=np.random.default_rng(100 + seed))
        series = pd.Series(np.asarray(drawn).squeeze(), name="y")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", ConvergenceWarning)
            fitted = ElmanRNN(series, k_hidden=1, y_lags=1).fit(
                start_params=theta, n_starts=1, rng=np.random.default_rng(seed)
            )
        unfinished += bool(caught)
        found.append(lyapunov_spectrum(fitted))
    first = np.array([one.exponents[0] for one in found])
    error = np.array([one.bse[0] for one in found])
    ends = np.array([one.frame.loc[1, ["lower", "upper"]] for one in found], dtype=float)
    held = (ends[:, 0] <= truth) & (truth <= ends[:, 1])
    normal = np.abs(first - truth) <= Z * error
    told = np.isfinite(error)
    print(
        f"Elman network (exponent {truth:.4f}), n = 300: {held[told].mean()} of {told.sum()} "
        f"(normal quantile: {normal[told].mean()}), "
        f"{unfinished} warned; sd {first[told].std():.4f}, mean error {error[told].mean():.4f}"
    )
    assert told.mean() > 0.9
    assert abs(held[told].mean() - 0.95) < chance(150) + 0.02


@pytest.mark.parametrize("method", ["shintani_linton", "batch_means"])
def test_level_of_the_test_of_chaos(method):
    """At an exponent of zero each of the two tests rejects in 5 % of samples."""
    rng = np.random.default_rng(9)
    rejected = []
    for _ in range(1000):
        z = lfilter([1.0], [1.0, -0.3], rng.standard_normal(500))[100:]
        spectrum = lyapunov_spectrum(np.exp(z)[:, None, None])
        test = spectrum.test_chaos(method=method)
        normal = stats.norm.sf([-test.statistic, test.statistic]) <= 0.05
        rejected.append([test.frame["rejected"].to_numpy(), normal])
    level, normal = np.mean(rejected, axis=0)
    print(f"level of the tests of chaos by {method} at 5 %: {level} (normal law: {normal})")
    assert (np.abs(level - 0.05) < chance(1000, 0.05) + 0.01).all()
