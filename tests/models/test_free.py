"""Free form: coordinates that nothing identifies, and what does not depend on them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from models.linear_cases import slope

from rnnstats import LinearRNN, datasets
from rnnstats.errors import SpecificationError
from rnnstats.kernels import kalman
from rnnstats.models.normal_forms import balanced


def moments(system: Any, lags: int = 5) -> np.ndarray:
    """Autocovariances of the output and the characteristic polynomial of W_h."""
    a, c = np.array(system.transition), np.array(system.design)
    gain = np.array(system.selection)
    noise = gain @ system.state_cov @ gain.T
    cov = kalman.stationary_covariance(a, 0.5 * (noise + noise.T))
    across = a @ cov @ c.T + gain @ system.cross_cov
    out = [(c @ cov @ c.T + system.obs_cov).ravel()]
    for _ in range(lags):
        out.append((c @ across).ravel())
        across = a @ across
    return np.concatenate([*out, np.poly(a)[1:].real])


@pytest.fixture(scope="module")
def sunspots() -> tuple[Any, Any]:
    y = datasets.sunspots()
    return (
        LinearRNN(y, form="free", k_states=2).fit(),
        LinearRNN(y, k_states=2).fit(),
    )


def test_the_maximum_is_that_of_the_innovations_form(sunspots: tuple[Any, Any]) -> None:
    """Where state noise can give the same second moments: ARMA(2, 2), which this series allows."""
    free, own = sunspots
    assert free.convergence.converged
    assert free.llf == pytest.approx(own.llf, abs=1e-6)
    assert free.df_model == own.df_model == 6
    assert free.aic == pytest.approx(own.aic, abs=1e-5)
    ours, theirs = (moments(r.model.system(r.params)) for r in (free, own))
    np.testing.assert_allclose(ours, theirs, rtol=1e-4)


def test_coordinates_have_no_standard_errors_and_the_summary_says_so(
    sunspots: tuple[Any, Any],
) -> None:
    free, _ = sunspots
    with_one = free.bse[free.bse.notna()].index
    # the mean, and output noise: with two states and one output, nothing can take its place
    assert list(with_one) == ["b_y[sunspots]", "obs_cov[sunspots,sunspots]"]
    text = " ".join(str(free.summary()).split())
    assert "coordinates of the free form are not identified (5 directions" in text
    assert free.convergence.hessian_zero == 5


def test_invariants_have_the_standard_errors_of_identified_coordinates(
    sunspots: tuple[Any, Any],
) -> None:
    """The pseudo-inverse of a singular information serves functions that it knows about."""
    ours, theirs = (
        results.delta_method(lambda p, m=results.model: moments(m.system(p)), labelled=False)
        for results in sunspots
    )
    assert ours["std err"].notna().all()
    np.testing.assert_allclose(ours["std err"], theirs["std err"], rtol=1e-4)


def test_roots_and_coefficients_of_the_varma_have_them_too(sunspots: tuple[Any, Any]) -> None:
    ours, theirs = (results.to_varma() for results in sunspots)
    np.testing.assert_allclose(ours.params, theirs.params, rtol=1e-4)
    np.testing.assert_allclose(ours.bse, theirs.bse, rtol=1e-4)
    frames = (results.memory().frame for results in sunspots)
    ours, theirs = (frame[frame["of"] == "W_h"] for frame in frames)
    error = [column for column in theirs.columns if column.endswith("_se")]
    assert error
    np.testing.assert_allclose(ours[error].astype(float), theirs[error].astype(float), rtol=1e-4)


@pytest.mark.parametrize(("p", "m"), [(1, 1), (1, 3), (2, 2), (3, 2), (2, 4)])
def test_flat_directions_are_those_of_the_law(p: int, m: int) -> None:
    """n^2 + (n - p)(n - p + 1) / 2 with n > p, else n^2: rank of the expected information."""
    rng = np.random.default_rng(10 * p + m)
    y = rng.standard_normal((80, p))
    model = LinearRNN(y, form="free", k_states=m, trend="n")
    a = rng.standard_normal((m, m))
    table = model._table
    noise, own = rng.standard_normal((m, m)), rng.standard_normal((p, p))
    theta = table.read(
        {
            "transition": 0.7 * a / np.abs(np.linalg.eigvals(a)).max(),
            "design": rng.standard_normal((p, m)),
            "state_cov": noise @ noise.T + 0.1 * np.eye(m),
            "obs_cov": own @ own.T + 0.1 * np.eye(p),
        }
    )
    np.testing.assert_allclose(
        model.score(theta), slope(model.loglike, theta), rtol=1e-5, atol=1e-5
    )
    info = model.information(theta)
    size = np.sqrt(np.diag(info))
    values = np.linalg.eigvalsh(info / np.outer(size, size))
    # zeros are below 1e-13 here, the smallest other one above 1e-9
    assert int((values < 1e-11 * values[-1]).sum()) == model.k_flat
    assert model.k_flat == m * m + (max(m - p, 0) * (m - p + 1)) // 2


@pytest.mark.parametrize(("p", "m"), [(1, 3), (2, 2), (3, 2)])
def test_normal_form_keeps_the_likelihood(p: int, m: int) -> None:
    rng = np.random.default_rng(5)
    y, x = rng.standard_normal((60, p)), rng.standard_normal((60, 1))
    model = LinearRNN(y, x, form="free", k_states=m)
    table = model._table
    table_arrays = {
        "transition": 0.5 * np.eye(m) + 0.1 * rng.standard_normal((m, m)),
        "design": rng.standard_normal((p, m)),
        "state_cov": np.diag(np.arange(1.0, m + 1.0)) + 0.3,
        "obs_cov": np.eye(p),
        "C_state": rng.standard_normal((1, m)),
        "C_obs": rng.standard_normal((1, p)),
    }
    theta = table.read(table_arrays)
    new = balanced(table, theta, stationary=True)
    assert not np.allclose(new, theta)
    assert model.loglike(new) == pytest.approx(model.loglike(theta), abs=1e-8)
    system = model.system(new)
    a, q = np.array(system.transition), np.array(system.state_cov)
    np.testing.assert_allclose(kalman.stationary_covariance(a, q), np.eye(m), atol=1e-9)
    np.testing.assert_allclose(balanced(table, new, stationary=True), new, atol=1e-6)


def test_central_noise_has_the_largest_determinant() -> None:
    """Moving variance between noise and past in any direction that C does not see lowers it."""
    rng = np.random.default_rng(6)
    model = LinearRNN(rng.standard_normal((50, 1)), form="free", k_states=3, trend="n")
    theta = model._table.read(
        {
            "transition": np.diag([0.9, 0.5, -0.3]),
            "design": np.ones((1, 3)),
            "state_cov": np.diag([1.0, 0.05, 2.0]),
            "obs_cov": np.eye(1),
        }
    )
    system = model.system(balanced(model._table, theta, stationary=True))
    a, c, q = (np.array(x) for x in (system.transition, system.design, system.state_cov))
    null = np.linalg.svd(c)[2][1:].T
    best = np.linalg.slogdet(q)[1]
    for _ in range(20):
        s = rng.standard_normal((2, 2))
        move = 1e-3 * null @ (s + s.T) @ null.T
        assert np.linalg.slogdet(q + move - a @ move @ a.T)[1] < best


def test_restrictions_take_flat_directions_away() -> None:
    """With one state and V = 1 nothing is left unidentified: a level in noise."""
    y = datasets.lake_huron()
    model = LinearRNN(y, form="free", fixed={"V[level,h1]": 1.0})
    assert model.k_flat == 0
    leaky = LinearRNN(y, form="leaky", k_states=1).fit()
    results = model.fit()
    assert results.llf == pytest.approx(leaky.llf, abs=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"initial": "diffuse"}, "is not for form='free'"),
        ({"structure": {"pairs": 1}}, "got it with form='free'"),
        ({"obs_noise": "none"}, "obs_noise must be one of None, 'full', 'diagonal'"),
    ],
)
def test_wrong_arguments_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecificationError, match=message):
        LinearRNN(np.arange(20.0), form="free", **options)
