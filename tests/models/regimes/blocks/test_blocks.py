"""Every emission block: slopes, M-steps, curvature and distributions at rows."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from models.regimes.blocks.block_kinds import (
    KINDS,
    K,
    N,
    both,
    bound_of,
    every,
    responses,
    rows_of,
)
from scipy import stats


@every
@both
def test_slopes_are_central_differences_of_the_density(kind, missing):
    _, bound, part, weights = bound_of(kind, missing)
    slopes = bound.slopes(part)
    for i, value in enumerate(part):
        step = 1e-5 * max(1e-2, abs(value))
        moved = [part + sign * step * np.eye(len(part))[i] for sign in (1, -1)]
        central = (bound.log_density(moved[0]) - bound.log_density(moved[1])) / (2 * step)
        # rounding 1e-13 / step, curvature step^2: 1e-6 of the largest
        scale = np.abs(slopes[:, :, i]).max() + 1.0
        np.testing.assert_allclose(slopes[:, :, i], central, atol=1e-6 * scale, rtol=0)
    pulled = bound.pull(part, weights)
    np.testing.assert_allclose(
        pulled, np.einsum("ns,nsq->q", weights, slopes), rtol=1e-9, atol=1e-9 * N
    )


@every
@both
def test_m_step_never_goes_down_and_ends_where_the_slope_is_zero(kind, missing):
    _, bound, part, weights = bound_of(kind, missing)
    before = float((weights * bound.log_density(part)).sum())
    for _ in range(100):
        part = bound.m_step(part, weights)
        height = float((weights * bound.log_density(part)).sum())
        assert height >= before - 1e-11 * (1.0 + abs(before))
        gained, before = height - before, height
        if gained < 1e-10:
            break
    assert gained < 1e-9
    # in units of its own standard error, 1 / sqrt(curvature): the maximum is within 1e-4 of one
    slope = bound.pull(part, weights)
    spread = np.sqrt(np.diagonal(np.linalg.inv(bound.curvature(part, weights))))
    inside = np.array(["df" not in name for name in bound.block.names]) | (part < 1e5)
    np.testing.assert_allclose(slope * spread * inside, 0.0, atol=1e-4)


CLOSED = ["gaussian", "gaussian common variance", "gaussian ar", "full", "full tied", "diagonal",
          "spherical", "spherical tied", "var", "poisson", "poisson common", "bernoulli",
          "binomial", "categorical", "categorical common", "gamma"]  # fmt: skip


@pytest.mark.parametrize("name", CLOSED)
def test_m_step_with_a_closed_form_takes_one_step(name):
    kind = KINDS[name]
    if kind.exog == (False,):
        kind = replace(kind, exog=(True,))
    _, bound, part, weights = bound_of(kind, False)
    once = bound.m_step(part, weights)
    np.testing.assert_allclose(bound.m_step(once, weights), once, rtol=1e-9, atol=1e-10)
    np.testing.assert_allclose(bound.pull(once, weights), 0.0, atol=1e-7)


@every
@both
def test_the_response_is_the_law_of_the_density(kind, missing):
    block, bound, part, weights = bound_of(kind, missing)
    y, _ = responses(kind, missing)
    rows = rows_of(kind, y)
    density = bound.log_density(part)
    law = bound.response(part)
    there = block.response_at(part, replace(rows, y=np.full_like(y, np.nan)))
    logs = law.log_density(y)
    np.testing.assert_allclose(np.where(np.isnan(logs), 0.0, logs), density, rtol=1e-10, atol=1e-10)
    np.testing.assert_array_equal(there.log_density(y), logs)
    lower, upper, before = law.rosenblatt(y)
    known = ~np.isnan(upper)
    assert lower.shape == upper.shape == before.shape == (*density.shape, kind.d)
    assert (lower[known] <= upper[known]).all() and (
        (0 <= lower[known]) & (upper[known] <= 1)
    ).all()
    assert law.discrete == (not np.array_equal(lower[known], upper[known]))
    np.testing.assert_allclose(upper[:, :, 0], law.cdf(y[:, 0], 0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(lower[:, :, 0], law.cdf_below(y[:, 0], 0), rtol=1e-12, atol=1e-15)
    index = np.array([7, 3, 7, 100])
    # one product of matrices rounds in another order than the other
    np.testing.assert_allclose(law.rows(index).log_density(y[index]), logs[index], rtol=1e-12)
    np.testing.assert_array_equal(law.rows(index).mean(), law.mean()[index])
    gone = np.isnan(y).all(axis=1)
    if kind.order:
        gone |= np.isnan(rows.lags).any(axis=(1, 2))
    assert (density[gone] == 0.0).all() and not (density[~gone] == 0.0).all(axis=1).any()
    assert (bound.slopes(part)[gone] == 0.0).all()
    assert (bound.curvature(part, np.where(gone[:, None], weights, 0.0)) == 0.0).all()


@every
def test_draws_have_the_law_of_the_response(kind):
    block, _, part, _ = bound_of(kind, False)
    n = 4000
    y, _ = responses(kind, False, n)
    rows = rows_of(kind, y)
    law = block.response_at(part, rows)
    rng = np.random.default_rng(2)
    states = rng.integers(law.mean().shape[1], size=n)
    drawn = law.sample(states, rng)
    assert np.isnan(drawn[: kind.order]).all() and not np.isnan(drawn[kind.order :]).any()
    lower, upper, _ = law.rosenblatt(drawn)
    at = np.arange(n)
    low, high = lower[at, states][kind.order :], upper[at, states][kind.order :]
    uniform = low + (high - low) * rng.random(low.shape)
    for j in range(kind.d):
        assert stats.kstest(uniform[:, j], "uniform").pvalue > 1e-3
    for i in range(kind.d):
        for j in range(i):
            assert abs(np.corrcoef(uniform[:, i], uniform[:, j])[0, 1]) < 4.0 / np.sqrt(n)
    if kind.family in ("categorical", "student-t"):
        return
    rest = (drawn - law.mean()[at, states])[kind.order :]
    scale = law.cov()[at, states][kind.order :]
    standard = rest / np.sqrt(np.einsum("nii->ni", scale))
    assert (np.abs(standard.mean(axis=0)) < 4.0 / np.sqrt(n)).all()
    spread = 4.0 * np.std(standard**2, axis=0) / np.sqrt(n)
    assert (np.abs((standard**2).mean(axis=0) - 1.0) < spread).all()


@every
def test_curvature_is_the_variance_of_the_complete_score(kind):
    block, _, part, _ = bound_of(kind, False)
    if kind.trend == "ct":
        part[[i for i, name in enumerate(block.names) if name.startswith("b_y_trend")]] *= 0.01
    n = 3000
    rng = np.random.default_rng(6)
    y, _ = responses(kind, False, n)
    rows = rows_of(kind, y)
    rows = replace(rows, time=rows.time / n, lag_time=rows.lag_time / n if kind.order else None) \
        if rows.lag_time is not None else replace(rows, time=rows.time / n)  # fmt: skip
    law = block.response_at(part, rows)
    states = rng.integers(law.mean().shape[1], size=n)
    bound = block.bind(replace(rows, y=law.sample(states, rng)))
    score = bound.slopes(part)[np.arange(n), states]
    told = bound.curvature(part, np.eye(law.mean().shape[1])[states])
    unit = np.sqrt(np.diagonal(told))
    unit = np.where(unit > 0.0, unit, 1.0)
    found = (score / unit).T @ (score / unit)
    # squares of scores have heavy tails: 6 standard errors of each of the many sums
    error = 6.0 * np.sqrt(((score / unit) ** 2).T ** 2 @ ((score / unit) ** 2) ** 0 / 1.0)[:, :1]
    error = np.sqrt(error @ error.T)
    assert (np.abs(found - told / np.outer(unit, unit)) <= error).all()


@every
def test_a_regime_without_weight_keeps_its_numbers(kind):
    block, bound, part, weights = bound_of(kind, False)
    own = [i for i, name in enumerate(block.names) if name.endswith(",h3]")]
    if not own:
        return
    states = weights.shape[1]
    if block.composite:
        digits = np.indices((K,) * (kind.order + 1)).reshape(kind.order + 1, -1)
        weights[:, (digits == 2).any(axis=0)] = 0.0
    else:
        weights[:, 2] = 0.0
    assert states == weights.shape[1]
    moved = bound.m_step(part, weights)
    np.testing.assert_allclose(moved[own], part[own], rtol=1e-9)
    assert not np.allclose(moved, part, rtol=1e-3)
    assert np.isfinite(moved).all()
