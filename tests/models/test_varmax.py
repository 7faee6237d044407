"""Likelihoods equal statsmodels' VARMAX and SARIMAX at given parameters."""

from __future__ import annotations

import numpy as np
import pytest
from models.linear_cases import series

from rnnstats.models.linear import LinearRNN

statespace = pytest.importorskip("statsmodels.tsa.api")
pytestmark = [
    pytest.mark.crosspkg,
    pytest.mark.filterwarnings("ignore:Estimation of VARMA:UserWarning"),
]


def _stable(rng: np.random.Generator, p: int) -> np.ndarray:
    matrix = rng.standard_normal((p, p))
    return matrix * 0.8 * rng.random() / np.abs(np.linalg.eigvals(matrix)).max()


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("gaps", [False, True])
def test_varma_11(p: int, gaps: bool) -> None:
    y = series(p, 50, gaps=gaps)
    model = LinearRNN(y, trend="n")
    rng = np.random.default_rng(10 * p + gaps)
    for _ in range(10):
        phi, theta = _stable(rng, p), _stable(rng, p)
        root = np.tril(rng.standard_normal((p, p))) + 2.0 * np.eye(p)
        cov = root @ root.T
        lower = cov[np.tril_indices(p)]
        params = np.concatenate([phi.ravel(), (phi + theta).ravel(), lower])
        if p == 1:
            other = statespace.SARIMAX(y, order=(1, 0, 1))
            value = other.loglike([phi[0, 0], theta[0, 0], cov[0, 0]])
        else:
            other = statespace.VARMAX(y, order=(1, 1), trend="n")
            factor = np.linalg.cholesky(cov)[np.tril_indices(p)]
            value = other.loglike(np.concatenate([phi.ravel(), theta.ravel(), factor]))
        assert model.loglike(params) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_arma_kk_in_companion_form(k: int) -> None:
    """One output: the last row of W_h holds the AR coefficients, K the first k responses."""
    y = series(1, 50)[:, 0]
    model = LinearRNN(y, k_states=k, trend="n")
    rng = np.random.default_rng(k)
    for _ in range(5):
        phi = -np.poly(rng.uniform(-0.8, 0.8, k))[1:]
        theta = np.poly(rng.uniform(-0.9, 0.9, k))[1:]
        psi = [1.0]
        for j in range(1, k + 1):
            psi.append(theta[j - 1] + sum(phi[i - 1] * psi[j - i] for i in range(1, j + 1)))
        params = np.concatenate([phi[::-1], psi[1:], [1.7]])
        value = statespace.SARIMAX(y, order=(k, 0, k)).loglike(np.concatenate([phi, theta, [1.7]]))
        assert model.loglike(params) == pytest.approx(value, rel=1e-8)


@pytest.mark.parametrize("gaps", [False, True])
def test_var_2_with_inputs(gaps: bool) -> None:
    y = series(2, 50, gaps=gaps)
    model = LinearRNN(y, form="observed", k_states=4, trend="n")
    a = np.array([[0.4, 0.1, 0.1, 0.0], [-0.2, 0.3, 0.0, 0.2]])
    other = statespace.VARMAX(y, order=(2, 0), trend="n")
    value = other.loglike(np.concatenate([a.ravel(), [1.0, 0.3, 1.2]]))
    params = np.concatenate([a.ravel(), [1.0, 0.3, 0.3**2 + 1.2**2]])
    assert model.loglike(params) == pytest.approx(value, rel=1e-8)


def test_regression_with_arma_errors() -> None:
    rng = np.random.default_rng(0)
    x = rng.standard_normal(50)
    y = series(1, 50)[:, 0]
    model = LinearRNN(y, x, trend="n", exog_enters="output")
    other = statespace.SARIMAX(y, x[:, None], order=(1, 0, 1))
    value = other.loglike([2.0, 0.5, 0.3, 1.1])
    # W_h, K = phi + theta, D, obs_cov
    assert model.loglike([0.5, 0.8, 2.0, 1.1]) == pytest.approx(value, rel=1e-8)


def test_leaky_units_are_a_sum_of_autoregressions() -> None:
    y = series(1, 50)[:, 0] - 3.0
    model = LinearRNN(y, form="leaky", k_states=2, trend="n")
    params = [0.9, 0.3, 0.7, 1.2, 0.4]
    # the joint normal density
    lags = np.abs(np.subtract.outer(np.arange(50), np.arange(50)))
    cov = 0.4 * np.eye(50)
    for root, loading in ((0.9, 0.7), (0.3, 1.2)):
        cov += loading**2 * root**lags / (1.0 - root**2)
    value = -0.5 * (
        50 * np.log(2 * np.pi) + np.linalg.slogdet(cov)[1] + y @ np.linalg.solve(cov, y)
    )
    assert model.loglike(params) == pytest.approx(value, rel=1e-10)
