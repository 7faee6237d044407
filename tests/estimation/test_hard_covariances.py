"""Standard errors where they are hard to get: right numbers, or none with a reason."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import LinearRNN
from rnnstats.estimation.covariance import covariance


def exact_hessian(theta, y):
    """Of a stationary AR(1) with mean: differentiated by hand, in extended precision."""
    phi, mean, s2 = np.longdouble(theta)
    z = np.longdouble(y) - mean
    first, past = z[0], z[:-1]
    e = z[1:] - phi * past
    q = (1 - phi**2) * first**2 + (e**2).sum()
    by_phi = -2 * phi * first**2 - 2 * (e * past).sum()
    by_mean = -2 * (1 - phi**2) * first - 2 * (1 - phi) * e.sum()
    out = np.zeros((3, 3), dtype=np.longdouble)
    out[0, 0] = -(1 + phi**2) / (1 - phi**2) ** 2 - ((past**2).sum() - first**2) / s2
    out[1, 1] = -(1 - phi**2 + (1 - phi) ** 2 * len(e)) / s2
    out[2, 2] = len(z) / (2 * s2**2) - q / s2**3
    out[0, 1] = -(2 * phi * first + e.sum() + (1 - phi) * past.sum()) / s2
    out[0, 2], out[1, 2] = by_phi / (2 * s2**2), by_mean / (2 * s2**2)
    return (out + out.T - np.diag(np.diag(out))).astype(float)


@pytest.mark.parametrize("phi", [0.9, 0.99, 0.999, 0.9999, 1 - 1e-6, 1 - 1e-8])
def test_observed_information_near_a_unit_root(phi):
    """Steps shrink with the room that is left: seven digits of the exact standard errors."""
    y = np.cumsum(np.random.default_rng(0).standard_normal(100))
    model = LinearRNN(y, form="observed")
    theta = np.array([phi, y.mean(), 1.0])
    exact = exact_hessian(theta, y)
    scale = np.sqrt(np.abs(np.diag(exact)))
    # the score cancels in 1 - phi^2, which leaves about eps / (1 - phi) of relative accuracy
    error = np.abs(model.hessian(theta) - exact) / np.outer(scale, scale)
    assert error.max() < 1e-6
    if np.linalg.eigvalsh(exact)[-1] < 0:
        found = covariance("oim", hessian=model.hessian(theta)).cov
        np.testing.assert_allclose(np.diag(found), np.diag(np.linalg.inv(-exact)), rtol=1e-5)


@pytest.mark.parametrize("gap", [1e-3, 1e-4, 3e-5, 1e-5, 1e-6, 1e-8])
def test_near_singular_error_covariance(gap):
    """Closed form of the standard errors of a covariance, however singular."""
    rng = np.random.default_rng(0)
    c = 1.0 - gap
    y = rng.standard_normal((200, 2)) @ np.linalg.cholesky([[1.0, c], [c, 1.0]]).T
    model = LinearRNN(y, form="observed", k_states=2, initial="diffuse", trend="n")
    res = model.fit()
    s11, s21, s22 = (float(value) for value in res.params.iloc[-3:])
    exact = np.sqrt(np.array([2 * s11**2, s11 * s22 + s21**2, 2 * s22**2]) / 199)
    assert res.covariance.message == ""
    np.testing.assert_allclose(res.bse.iloc[-3:], exact, rtol=1e-5)
