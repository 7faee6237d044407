"""Search over moving average roots."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats.equivalence.realisation import Realisation, innovations_of, spectral_radius
from rnnstats.estimation.starts import root_search as search
from rnnstats.estimation.starts.root_search import root_search


def simulated(system: Realisation, nobs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    h, rows = np.zeros(len(system.a)), []
    for _ in range(nobs + 200):
        e = rng.standard_normal(len(system.c))
        rows.append(system.c @ h + e)
        h = system.a @ h + system.k @ e
    return np.array(rows[200:])


def arma(ar: list[float], ma: list[float]) -> Realisation:
    """``y_t = sum ar y + e_t + sum ma e`` in observer form."""
    n = len(ar)
    a = np.eye(n, k=1)
    a[:, 0] = ar
    return Realisation(a, np.eye(1, n), np.add(ar, ma)[:, None])


TWO = Realisation(
    np.array([[0.6, 0.3], [-0.4, 0.5]]), np.eye(2), np.array([[0.9, 0.1], [-0.5, 0.4]])
)


def first(z: np.ndarray, n: int, keep: int = 1, seed: int = 0) -> list[Realisation]:
    sigma = np.cov(z.T, bias=True).reshape(z.shape[1], z.shape[1])
    return list(root_search(z, sigma, n, keep, np.random.default_rng(seed)))


@pytest.mark.parametrize(
    "system", [arma([0.5, -0.6], [0.3, 0.5]), arma([0.9, 0.0, -0.3], [-0.4, 0.2, 0.1]), TWO]
)
def test_first_start_explains_what_the_truth_explains(system: Realisation) -> None:
    """One-step errors of the first start have nearly the covariance of the true ones.

    Between grid points and with 10 free numbers on 600 rows, 5 % of the generalised variance.
    """
    z = simulated(system, 600, 1)
    found = first(z, len(system.a))[0]
    errors, true = innovations_of(found, z), innovations_of(system, z)
    assert np.linalg.det(np.cov(errors.T).reshape(len(system.c), -1)) < 1.05 * np.linalg.det(
        np.cov(true.T).reshape(len(system.c), -1)
    )


def test_loadings_and_gains_are_least_squares() -> None:
    """No small change of V or K lowers the trace of the weighted errors at the same roots."""
    z = simulated(TWO, 400, 2)
    grid = search._grid(z, None)
    chosen = search._sets(grid, 2, np.random.default_rng(0))[0]
    gram, cross = search._without_first_state(grid, chosen)
    closed, c, k = search._system(grid, chosen)
    np.testing.assert_allclose(
        np.sort_complex(np.linalg.eigvals(closed)), np.sort_complex(grid.roots[chosen])
    )
    weights = np.zeros((2, 2, 2))
    if chosen[0] < grid.real:
        weights[0, 0, 0] = weights[1, 1, 1] = 1.0
    else:
        weights[0, 0, 0] = weights[0, 1, 1] = weights[1, 1, 0] = 1.0
        weights[1, 0, 1] = -1.0

    def loss(gain: np.ndarray) -> float:
        map_ = np.einsum("ps,srf,rk->pfk", c, weights, gain).reshape(2, -1)
        return float(np.trace(map_ @ gram @ map_.T) - 2.0 * np.trace(map_ @ cross))

    rng = np.random.default_rng(0)
    assert all(loss(k + 1e-3 * rng.standard_normal(k.shape)) > loss(k) for _ in range(20))


def test_roots_on_the_circle_are_found() -> None:
    """(1 - 2 cos(w) L + L^2) e with w = pi / 5: a zero of the spectrum, from 150 rows."""
    turn = np.pi / 5.0
    z = simulated(arma([0.5, 0.0], [-2.0 * np.cos(turn), 1.0]), 150, 3)
    found = first(z, 2)[0]
    roots = np.linalg.eigvals(found.a - found.k @ found.c)
    assert np.abs(roots).min() > 0.9
    assert np.abs(np.abs(np.angle(roots)) - turn).max() < 0.15


def test_starts_lie_apart_and_repeat() -> None:
    z = simulated(TWO, 200, 4)
    once, again = first(z, 2, keep=40, seed=5), first(z, 2, keep=40, seed=5)
    assert len(once) == 40  # more than one grid gives
    for one, two in zip(once, again, strict=True):
        for part, same in zip(one, two, strict=True):
            np.testing.assert_array_equal(part, same)
    roots = [np.sort_complex(np.linalg.eigvals(s.a - s.k @ s.c)) for s in once]
    gaps = [np.abs(a - b).max() for i, a in enumerate(roots) for b in roots[:i]]
    assert min(gaps) > search.APART - 1e-6
    assert max(spectral_radius(s.a - s.k @ s.c) for s in once) < 1.0 + 1e-6


def test_exchanges_improve_on_the_sample() -> None:
    """Six roots are too many to try all sets: the best is better than the best drawn."""
    z = simulated(arma([0.5, -0.6, 0.3, 0.1, 0.0, -0.2], [0.3, 0.5, 0.0, 0.0, 0.2, 0.4]), 300, 6)
    grid = search._grid(z, None)
    sets = search._sets(grid, 6, np.random.default_rng(0))
    heights = search._heights(grid, sets)
    assert np.all(np.diff(heights) <= 0.0)
    rng = np.random.default_rng(0)
    drawn = [np.sort(rng.choice(grid.real, 6, replace=False)) for _ in range(300)]
    assert heights[0] > search._heights(grid, np.array(drawn)).max() + 1.0


def test_many_outputs_use_the_coarse_grid() -> None:
    z = np.random.default_rng(7).standard_normal((120, 8))
    found = first(z, 8, keep=3)
    assert len(found) == 3
    assert all(np.isfinite(part).all() for system in found for part in system)


@pytest.mark.parametrize(("p", "n"), [(1, 11), (1, 19), (1, 200), (7, 7), (7, 9), (7, 60)])
def test_sets_that_use_up_the_grid(p: int, n: int) -> None:
    """All real roots in one set leave none to exchange for; with more states there is no set."""
    z = np.random.default_rng(p).standard_normal((300, p))
    found = first(z, n, keep=3)
    assert all(len(system.a) == n and np.isfinite(system.a).all() for system in found)
    assert bool(found) == (n <= 20)
