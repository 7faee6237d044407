"""Singular values of products of changing Jacobians against products of 400 decimal digits."""

from __future__ import annotations

from decimal import Decimal, localcontext
from itertools import combinations

import numpy as np
import pytest

from rnnstats.diagnostics.memory.products.graded import graded_products
from rnnstats.diagnostics.memory.products.powers import row_singular_values

RNG = np.random.default_rng(5)


def exact(jacobians, digits=400):
    """Log singular values of J_k ... J_1 by Jacobi's rotations in decimals."""
    with localcontext() as context:
        context.prec = digits
        m = jacobians.shape[1]
        rows = [[Decimal(int(i == j)) for j in range(m)] for i in range(m)]
        for one in jacobians:
            cells = [[Decimal(float(value)) for value in row] for row in one]
            rows = [
                [sum(cells[i][k] * rows[k][j] for k in range(m)) for j in range(m)]
                for i in range(m)
            ]
        for _ in range(60):
            largest = Decimal(0)
            for i, j in combinations(range(m), 2):
                a, b = (sum(v * v for v in rows[k]) for k in (i, j))
                g = sum(u * v for u, v in zip(rows[i], rows[j], strict=True))
                if not g:
                    continue
                largest = max(largest, abs(g) / (a * b).sqrt())
                z = (b - a) / (2 * g)
                tangent = (1 if z >= 0 else -1) / (abs(z) + (1 + z * z).sqrt())
                c = 1 / (1 + tangent * tangent).sqrt()
                s = c * tangent
                rows[i], rows[j] = (
                    [c * u - s * v for u, v in zip(rows[i], rows[j], strict=True)],
                    [s * u + c * v for u, v in zip(rows[i], rows[j], strict=True)],
                )
            if largest < Decimal(10) ** -40:
                break
        sizes = [sum(v * v for v in row).sqrt() for row in rows]
        return np.array(sorted((float(size.ln()) for size in sizes), reverse=True))


def switching(t):
    return [[2.0, 0.0], [0.0, 0.1]] if (t // 15) % 2 else [[0.1, 0.3], [0.0, 2.0]]


CASES = {
    "random": RNG.standard_normal((45, 3, 3)),
    "falling fast": 0.3 * RNG.standard_normal((30, 4, 4)),
    "small root first": np.array([[[0.1 + 0.01 * u, 1.0], [0.0, 0.9]] for u in RNG.random(60)]),
    "diagonal, rising": np.array([np.diag([0.1, 0.5, 0.9 + 0.01 * u]) for u in RNG.random(60)]),
    "growth that turns": np.array([switching(t) for t in range(60)]),
    "companion": np.array([[[0.5 + 0.2 * u, 0.3], [1.0, 0.0]] for u in RNG.random(60)]),
    "scaled columns": RNG.standard_normal((20, 3, 3)) * np.array([1e-6, 1.0, 1e6]),
}


@pytest.mark.parametrize("name", list(CASES))
def test_every_singular_value_is_that_of_exact_products(name):
    jacobians = CASES[name]
    n = len(jacobians)
    found = graded_products(jacobians, np.array([0, n]), n)
    assert (found.starts == np.arange(n)).all()
    # relative errors of singular values: roundings of each step times the Jacobian's condition
    step = 4.0 * np.finfo(float).eps * np.linalg.cond(jacobians)
    for start, horizon in [(0, 1), (3, 2), (1, 7), (2, n // 2), (0, n)]:
        part = slice(start, start + horizon)
        known = exact(jacobians[part])
        away = np.abs(found.logs[horizon, start] - known).max()
        assert away <= step[part].sum()
    if name == "random":
        assert known[0] - known[-1] > 37.0  # a matrix of doubles would not hold the smallest


def test_long_columns_that_nearly_agree_are_pivoted():
    first = np.array([[1.0, 1.0, 0.0], [0.0, 1e-7, 0.3], [0.0, 0.0, 0.5]])
    others = np.random.default_rng(0).standard_normal((11, 3, 3))
    jacobians = np.concatenate([first[None], others])
    found = graded_products(jacobians, np.array([0, 12]), 12)
    for k in (1, 2, 6, 12):
        # the small singular value hangs on one small cell, which no sum hides if the columns are
        # taken in the right order; in the order of their lengths 1e-9 is lost
        assert np.abs(found.logs[k, 0] - exact(jacobians[:k])).max() < 1e-12


def test_thousands_of_steps_keep_all_exponents():
    sizes = np.array([1.2, 1.0, 0.5, 1e-3])
    turns = np.linalg.qr(np.random.default_rng(1).standard_normal((1501, 4, 4)))[0]
    jacobians = turns[1:] @ np.diag(sizes) @ turns[:-1].transpose(0, 2, 1)
    found = graded_products(jacobians, np.array([0, 1500]), 1500)
    first = int(np.flatnonzero(found.starts == 0)[0])
    # the product of k is an orthogonal matrix, sizes^k, and another; each Jacobian is rounded
    for k in (1, 10, 300, 1500):
        away = np.abs(found.logs[k, first] - k * np.log(sizes)).max()
        assert away <= k * np.finfo(float).eps * sizes[0] / sizes[-1]


def test_lost_directions_stay_lost():
    jacobians = np.array([[[0.5, 0.3, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]] * 6)
    jacobians = jacobians * (1.0 + 0.1 * np.arange(6))[:, None, None]
    found = graded_products(jacobians, np.array([0, 6]), 6)
    assert (found.logs[1:, 0, 2] == -np.inf).all()
    small = graded_products(jacobians[:, :2, :2], np.array([0, 6]), 6)
    # the third state only repeats the second: the two others grow as without it but for the copy
    assert np.isfinite(found.logs[1:, 0, :2]).all()
    assert (found.logs[:, 0, 0] >= small.logs[:, 0, 0] - 1e-12).all()
    nothing = graded_products(np.zeros((4, 2, 2)), np.array([0, 4]), 4)
    assert (nothing.logs[1:, 0] == -np.inf).all()


def test_products_stay_in_their_sequence():
    jacobians = CASES["random"][:10]
    found = graded_products(jacobians, np.array([0, 4, 10]), 6)
    lengths = (~np.isnan(found.logs[:, :, 0])).sum(axis=0) - 1
    assert lengths.tolist() == [4, 3, 2, 1, 6, 5, 4, 3, 2, 1]
    alone = graded_products(jacobians[4:], np.array([0, 6]), 6)
    np.testing.assert_allclose(found.logs[:, 4:], alone.logs, rtol=1e-12)


def test_many_rows_are_thinned_evenly():
    jacobians = np.random.default_rng(3).standard_normal((6000, 2, 2))
    found = graded_products(jacobians, np.array([0, 1000, 6000]), 3)
    assert 1990 <= len(found.starts) <= 2001
    assert np.diff(found.starts).max() <= 4
    assert 1000 in found.starts  # the longest sequence from its first row


@pytest.mark.slow
def test_a_hundred_thousand_steps():
    jacobians = np.random.default_rng(0).standard_normal((100_000, 2, 2))
    found = graded_products(jacobians, np.array([0, 100_000]), 100_000)
    logs = found.logs[-1, 0]
    # growth of Gaussian matrices (Newman 1986): psi(1)/2 + ln(2)/2 and psi(1/2)/2 + ln(2)/2, and
    # the determinant exactly
    euler = 0.5772156649015329
    means = np.array([0.5 * (np.log(2) - euler), 0.5 * (-np.log(2) - euler)])
    assert np.abs(logs / 100_000 - means).max() < 4 * 1.2 / np.sqrt(100_000)
    np.testing.assert_allclose(logs.sum(), np.linalg.slogdet(jacobians)[1].sum(), rtol=1e-10)


def test_lost_directions_stay_lost_beside_others():
    rows = np.array([[[3.0, 4.0, 0.0], [1.0, 1.0, 0.0], [1.0, 0.0, 1.0]]] * 2)
    scales = np.array([[700.0, -np.inf, -np.inf], [-np.inf, 0.0, -np.inf]])
    found = row_singular_values(rows, scales)
    np.testing.assert_allclose(found[:, 0], [700.0 + np.log(5.0), np.log(np.sqrt(2.0))])
    assert np.isneginf(found[:, 1:]).all()


def test_two_states_in_many_steps_against_determinants():
    """The larger one against a vector carried along, both together against determinants."""
    rng = np.random.default_rng(8)
    jacobians = rng.standard_normal((20_000, 2, 2)) * 0.6
    found = graded_products(jacobians, np.array([0, 20_000]), 20_000)
    first = int(np.flatnonzero(found.starts == 0)[0])
    volume = np.cumsum(np.log(np.abs(np.linalg.det(jacobians))))
    sums = found.logs[1:, first].sum(axis=1)
    # each of 20,000 terms is rounded, beside sums of some ten thousand
    np.testing.assert_allclose(sums, volume, rtol=0.0, atol=1e-9)
    vector, grown = np.eye(2)[0], 0.0
    for t, one in enumerate(jacobians):
        vector = one @ vector
        size = np.linalg.norm(vector)
        grown, vector = grown + np.log(size), vector / size
        if t in (200, 19_999):
            # a generic vector grows as the largest singular value but for its first direction
            assert found.logs[t + 1, first, 0] >= grown - 1e-9
            assert found.logs[t + 1, first, 0] <= grown + 6.0


def test_singular_and_zero_pairs():
    projector = np.array([[1.0, 0.0], [0.0, 0.0]])
    nilpotent = np.array([[0.0, 1.0], [0.0, 0.0]])
    found = graded_products(np.stack([projector, 2 * np.eye(2), projector]), np.array([0, 3]), 3)
    np.testing.assert_allclose(found.logs[:, 0, 0], [0.0, 0.0, np.log(2), np.log(2)], atol=1e-15)
    assert (found.logs[1:, 0, 1] == -np.inf).all()
    gone = graded_products(np.stack([nilpotent, nilpotent, np.eye(2)]), np.array([0, 3]), 3)
    assert (gone.logs[2:, 0] == -np.inf).all()
    assert gone.logs[1, 0].tolist() == [0.0, -np.inf]


def test_one_state_is_a_sum_of_logs():
    jacobians = RNG.standard_normal((9, 1, 1))
    jacobians[6] = 0.0
    found = graded_products(jacobians, np.array([0, 4, 9]), 5)
    logs = found.logs[:, :, 0]
    assert logs[3, 1] == pytest.approx(np.log(np.abs(jacobians[1:4])).sum(), rel=1e-14)
    assert np.isnan(logs[4, 1]) and np.isnan(logs[5, 0])
    assert logs[2, 4] == pytest.approx(np.log(np.abs(jacobians[4:6])).sum(), rel=1e-14)
    assert logs[3, 4] == logs[5, 4] == -np.inf
