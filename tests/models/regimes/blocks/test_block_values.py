"""Emission blocks against values known otherwise: names, densities, borders, refusals."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from models.regimes.blocks.block_kinds import (
    KINDS,
    MEANS,
    NONE,
    REGIMES,
    SPREAD,
    K,
    Kind,
    N,
    both,
    bound_of,
    every,
    responses,
    rows_of,
)
from scipy import stats

from rnnstats.errors import DataError
from rnnstats.models.regimes.blocks import Rows, make_block
from rnnstats.models.regimes.construction.specification import Family


def test_names_of_a_regression():
    block = make_block(KINDS["gaussian common constant"].request())
    assert block.names == (
        "b_y[y]", "D[y,a,h1]", "D[y,a,h2]", "D[y,a,h3]", "D[y,b]",
        "obs_cov[y,y,h1]", "obs_cov[y,y,h2]", "obs_cov[y,y,h3]",
    )  # fmt: skip
    assert block.groups == ("b_y", "D", "D", "D", "D", "obs_cov", "obs_cov", "obs_cov")
    assert [(t.kind, t.indices) for t in block.transforms] == [("positive", (5, 6, 7))]


def test_names_of_a_vector_autoregression():
    kind = Kind("gaussian", d=2, order=2, trend="ct", switching=MEANS)
    block = make_block(kind.request(k_regimes=2, regime_names=("h1", "h2")))
    assert block.names == (
        "V[y,h1]", "V[y,h2]", "V[z,h1]", "V[z,h2]",
        "b_y_trend[y,h1]", "b_y_trend[y,h2]", "b_y_trend[z,h1]", "b_y_trend[z,h2]",
        "ar1[y,y]", "ar1[y,z]", "ar1[z,y]", "ar1[z,z]",
        "ar2[y,y]", "ar2[y,z]", "ar2[z,y]", "ar2[z,z]",
        "obs_cov[y,y]", "obs_cov[z,y]", "obs_cov[z,z]",
    )  # fmt: skip
    assert [(t.kind, t.indices) for t in block.transforms] == [("covariance", (16, 17, 18))]


@pytest.mark.parametrize(("kind", "names"), [
    (Kind("gaussian-spherical", d=3, trend="n"),
     ("obs_cov[y:u,h1]", "obs_cov[y:u,h2]", "obs_cov[y:u,h3]")),
    (Kind("gaussian-diagonal", d=2, trend="n", switching=NONE), ("obs_cov[y,y]", "obs_cov[z,z]")),
    (Kind("student-t", switching=NONE), ("b_y[y]", "scale2[y]", "df[y]")),
    (Kind("poisson"), ("mean[y,h1]", "mean[y,h2]", "mean[y,h3]")),
    (Kind("negative-binomial", switching=SPREAD),
     ("mean[y]", "dispersion[y,h1]", "dispersion[y,h2]", "dispersion[y,h3]")),
    (Kind("bernoulli"), ("prob[y,h1]", "prob[y,h2]", "prob[y,h3]")),
    (Kind("gamma", switching=NONE), ("mean[y]", "shape[y]")),
    (Kind("poisson", exog=(False,), switching=NONE), ("b_y[y]", "D[y,a]")),
    (Kind("poisson", trend="ct", switching=NONE), ("b_y[y]", "b_y_trend[y]")),
    (Kind("categorical", switching=NONE), ("prob[y=p]", "prob[y=q]", "prob[y=r]")),
    (Kind("categorical", exog=(False,), switching=NONE),
     ("b_y[y=p]", "D[y=p,a]", "b_y[y=q]", "D[y=q,a]", "b_y[y=r]", "D[y=r,a]")),
])  # fmt: skip
def test_names_of_the_others(kind, names):
    assert make_block(kind.request()).names == names


def test_the_implied_category_is_the_last_one_not_named():
    request = Kind("categorical").request(named=frozenset({"prob[y=s,h2]", "prob[y=r,h2]"}))
    block = make_block(request)
    assert [name for name in block.names if name.endswith("h2]")] == [
        "prob[y=p,h2]", "prob[y=r,h2]", "prob[y=s,h2]",
    ]  # fmt: skip
    part = np.full(9, 0.1)
    np.testing.assert_allclose(block.table(part)[:, 1], [0.1, 0.7, 0.1, 0.1])
    np.testing.assert_allclose(block.table(part)[:, 0], [0.1, 0.1, 0.1, 0.7])


@both
def test_density_of_normal_columns_is_scipys(missing):
    kind = KINDS["full"]
    block, bound, part, _ = bound_of(kind, missing)
    y, _ = responses(kind, missing)
    density = bound.log_density(part)
    value = dict(zip(block.names, part, strict=True))
    for k, regime in enumerate(REGIMES):
        mean = np.array([value[f"V[{c},{regime}]"] for c in "yzu"])
        cov = np.zeros((3, 3))
        for i, j in zip(*np.tril_indices(3), strict=True):
            cov[i, j] = cov[j, i] = value[f"obs_cov[{'yzu'[i]},{'yzu'[j]},{regime}]"]
        for t, row in enumerate(y):
            seen = ~np.isnan(row)
            if not seen.any():
                assert density[t, k] == 0.0
                continue
            rival = stats.multivariate_normal(mean[seen], cov[np.ix_(seen, seen)])
            assert density[t, k] == pytest.approx(rival.logpdf(row[seen]), rel=1e-12, abs=1e-12)


def test_density_of_a_vector_autoregression_by_hand():
    block, bound, part, _ = bound_of(KINDS["var"], False)
    y, _ = responses(KINDS["var"], False)
    value = dict(zip(block.names, part, strict=True))
    density, t = bound.log_density(part), 57
    assert (density[:2] == 0.0).all()
    for k, regime in enumerate(REGIMES):
        mean = np.array([value[f"V[{a},{regime}]"] for a in "yz"])
        for lag in (1, 2):
            ar = [[value[f"ar{lag}[{a},{b},{regime}]"] for b in "yz"] for a in "yz"]
            mean = mean + np.array(ar) @ y[t - lag]
        off = value[f"obs_cov[z,y,{regime}]"]
        variances = [value[f"obs_cov[{a},{a},{regime}]"] for a in "yz"]
        rival = stats.multivariate_normal(mean, [[variances[0], off], [off, variances[1]]])
        assert density[t, k] == pytest.approx(rival.logpdf(y[t]), rel=1e-11)


@pytest.mark.parametrize("name", ["hamilton", "hamilton all"])
def test_density_of_the_mean_form_by_hand(name):
    kind = KINDS[name]
    block, bound, part, _ = bound_of(kind, False)
    y, _ = responses(kind, False)
    rows = rows_of(kind, y)
    value = dict(zip(block.names, part, strict=True))

    def get(label: str, regime: str) -> float:
        return value.get(f"{label},{regime}]", value.get(f"{label}]", 0.0))

    def mean(t: int, k: int) -> float:
        regime = REGIMES[k]
        out = get("V[y", regime) + get("b_y_trend[y", regime) * rows.time[t]
        for j, x in enumerate(("a", "b")[: len(kind.exog)]):
            out += get(f"D[y,{x}", regime) * rows.x[t, j]
        return out

    density = bound.log_density(part)
    digits = np.indices((K,) * (kind.order + 1)).reshape(kind.order + 1, -1).T
    assert (density[: kind.order] == 0.0).all()
    for t in (kind.order, 90):
        for s, h in enumerate(digits):
            now = REGIMES[h[0]]
            resid = y[t, 0] - mean(t, h[0])
            for lag in range(1, kind.order + 1):
                resid -= get(f"ar{lag}[y,y", now) * (y[t - lag, 0] - mean(t - lag, h[lag]))
            rival = stats.norm(0.0, np.sqrt(get("obs_cov[y,y", now))).logpdf(resid)
            assert density[t, s] == pytest.approx(rival, rel=1e-10, abs=1e-10)


def test_m_step_of_a_switching_regression_is_weighted_least_squares():
    kind = Kind("gaussian", exog=(True, True))
    block, bound, part, weights = bound_of(kind, False)
    y, _ = responses(kind, False)
    design = np.column_stack([np.ones(N), rows_of(kind, y).x])
    moved = dict(zip(block.names, bound.m_step(part, weights), strict=True))
    for k, regime in enumerate(REGIMES):
        root = np.sqrt(weights[:, k, None])
        beta, rss, *_ = np.linalg.lstsq(root * design, root[:, 0] * y[:, 0])
        labels = [f"V[y,{regime}]", f"D[y,a,{regime}]", f"D[y,b,{regime}]"]
        np.testing.assert_allclose([moved[label] for label in labels], beta, rtol=1e-10)
        variance = rss[0] / weights[:, k].sum()
        assert moved[f"obs_cov[y,y,{regime}]"] == pytest.approx(variance, rel=1e-10)


@pytest.mark.parametrize("name", ["gaussian", "student-t", "full", "diagonal", "spherical",
                                  "hamilton", "gamma"])  # fmt: skip
def test_scales_stay_above_the_floor(name):
    kind = KINDS[name]
    y, _ = responses(kind, False)
    y = np.full_like(y, 2.0) if name == "gamma" else 1.5 + 0.0 * y
    floor = np.array([0.01, 0.04, 0.09])[: kind.d]
    floor = np.full(kind.d, 0.04) if name == "spherical" else floor
    bound = make_block(kind.request()).bind(rows_of(kind, y), floor)
    part = np.abs(bound.starts(np.full((N, K), 1.0 / K)))
    states = bound.log_density(part).shape[1]
    for _ in range(5):
        part = bound.m_step(part, np.full((N, states), 1.0 / states))
    np.testing.assert_allclose(bound.scales(part) ** 2, np.tile(floor, (K, 1)), rtol=1e-9)


def test_the_bounded_covariance_is_the_most_likely_one():
    rng = np.random.default_rng(9)
    kind = Kind("gaussian", d=2, trend="n", switching=NONE)
    y = rng.normal(size=(N, 1)) * [1.0, 0.5] + 0.01 * rng.normal(size=(N, 2))
    floor = np.array([0.02, 0.03])
    bound = make_block(kind.request()).bind(rows_of(kind, y), floor)
    weights = np.full((N, K), 1.0 / K)
    best = bound.m_step(np.array([1.0, 0.0, 1.0]), weights)
    height = float((weights * bound.log_density(best)).sum())
    for _ in range(200):  # other matrices that exceed the floor
        factor = rng.normal(size=(2, 2)) * rng.choice([0.1, 0.5, 1.0])
        other = np.diag(floor) + factor @ factor.T
        trial = np.array([other[0, 0], other[1, 0], other[1, 1]])
        assert float((weights * bound.log_density(trial)).sum()) <= height + 1e-9
    matrix = np.array([[best[0], best[1]], [best[1], best[2]]])
    assert np.linalg.eigvalsh(matrix - np.diag(floor))[0] > -1e-12


@pytest.mark.parametrize(
    ("family", "zero", "one"), [("bernoulli", 0.0, 1.0), ("poisson", 0.0, 3.0)]
)
def test_borders_of_means_are_exact(family, zero, one):
    kind = Kind(family)
    y = np.array([0.0, 1.0, np.nan])[:, None]
    bound = make_block(kind.request()).bind(rows_of(kind, y))
    part = np.array([zero, one, 0.5])
    density = bound.log_density(part)
    assert density[0, 0] == 0.0 and density[1, 0] == -np.inf and (density[2] == 0.0).all()
    if family == "bernoulli":
        assert density[0, 1] == -np.inf and density[1, 1] == 0.0
    weights = np.array([[0.5, 0.0, 0.5], [0.0, 0.5, 0.5], [0.3, 0.3, 0.4]])
    pulled = bound.pull(part, weights)
    assert np.isfinite(pulled).all() and np.isfinite(bound.slopes(part)).all()
    # d/dp log(1 - p) = -1 at p = 0; for a count of 0, -1 too
    assert pulled[0] == pytest.approx(-0.5)
    if family == "bernoulli":
        np.testing.assert_array_equal(bound.m_step(part, weights)[:2], [0.0, 1.0])


def test_impossible_categories_are_exact():
    kind = Kind("categorical")
    y = np.array([0.0, 1.0, 2.0, np.nan])[:, None]
    bound = make_block(kind.request()).bind(rows_of(kind, y))
    weights = np.array([[1.0, 0.0, 0.0], [0.1, 0.9, 0.0], [0.2, 0.0, 0.8], [0.0, 0.5, 0.5]])
    part = bound.m_step(np.full(9, 0.25), weights)
    table = bound.block.table(part)
    expected = [[1 / 1.3, 0, 0], [0.1 / 1.3, 1, 0], [0.2 / 1.3, 0, 1], [0, 0, 0]]
    np.testing.assert_allclose(table, expected, atol=1e-15)
    assert (table[3] == 0.0).all()
    density = bound.log_density(part)
    assert density[1, 1] == 0.0 and density[0, 1] == -np.inf and (density[3] == 0.0).all()
    assert np.isfinite(bound.pull(part, weights)).all()
    assert np.isfinite(bound.slopes(part)).all()


@settings(max_examples=25)
@given(st.floats(-1e3, 1e3), st.floats(1e-3, 1e3), st.sampled_from(
    ["gaussian ar", "full", "var common", "hamilton", "student-t"]))  # fmt: skip
def test_m_steps_do_not_depend_on_origin_and_units(origin, unit, name):
    kind = KINDS[name]
    y, _ = responses(kind, True)
    block = make_block(kind.request())
    plain, moved = (block.bind(rows_of(kind, v)) for v in (y, origin + unit * y))
    _, _, _, weights = bound_of(kind, True)
    soft = np.random.default_rng(3).dirichlet(np.ones(K), N)
    part, other = plain.starts(soft), moved.starts(soft)
    part, other = plain.m_step(part, weights), moved.m_step(other, weights)
    jacobian = np.log(unit) * (~np.isnan(y)).sum(axis=1)
    first, second = plain.log_density(part), moved.log_density(other)
    used = ~(first == 0.0).all(axis=1)
    # an origin of 1e3 spreads costs 1e-13 * (1e6)^2 relative in second moments: 1e-6 at the worst
    np.testing.assert_allclose(
        second[used], first[used] - jacobian[used, None], rtol=1e-5, atol=1e-5
    )


@every
def test_starts_of_the_true_classes_find_the_law(kind):
    y, classes = responses(kind, False)
    block = make_block(kind.request())
    bound = block.bind(rows_of(kind, y))
    part = bound.starts(np.eye(K)[classes])
    assert np.isfinite(part).all()
    mixed = bound.starts(np.full((N, K), 1.0 / K))
    digits = (
        (classes,)
        if not block.composite
        else tuple(np.roll(classes, lag) for lag in range(kind.order + 1))
    )
    state = np.ravel_multi_index(digits, (K,) * len(digits))
    at = np.arange(N)
    assert (
        bound.log_density(part)[at, state].sum() >= bound.log_density(mixed)[at, state].sum() - 1e-6
    )


def test_observations_outside_the_support_are_refused():
    for family, bad in [("gaussian", np.inf), ("poisson", -1.0), ("categorical", 4.0)]:
        block = make_block(Kind(family).request())
        with pytest.raises(DataError, match="column 'y' of endog"):
            block.check(np.array([[0.0], [bad]]))
    with pytest.raises(DataError, match="column 'z' of endog"):
        make_block(KINDS["full"].request()).check(np.array([[0.0, np.inf, 0.0]]))


def test_every_family_has_a_kind():
    assert {kind.family for kind in KINDS.values()} == set(get_args(Family))


def test_short_and_collinear_designs_leave_the_later_coefficients():
    request = Kind("gaussian", exog=(True, True), trend="c").request()
    rng = np.random.default_rng(1)
    y, x = rng.normal(size=(40, 1)), rng.normal(size=(40, 2))
    twice = np.column_stack([x[:, 0], x[:, 0]])
    weights = rng.dirichlet(np.ones(K), 40)
    first = make_block(request).bind(Rows(y, twice, np.arange(1.0, 41.0)))
    alone = make_block(Kind("gaussian", exog=(True,)).request()).bind(Rows(y, x[:, :1]))
    found, plain = first.m_step(first.starts(weights), weights), alone.starts(weights)
    plain = alone.m_step(plain, weights)
    np.testing.assert_allclose(found[:6], plain[:6], rtol=1e-9)
    np.testing.assert_array_equal(found[6:9], 0.0)
    np.testing.assert_allclose(first.log_density(found), alone.log_density(plain), rtol=1e-9)
    constant = np.column_stack([np.ones(40), x[:, 0]])  # a column of ones, then a proper one
    other = make_block(request).bind(Rows(y, constant, None))
    moved = other.m_step(other.starts(weights), weights)
    np.testing.assert_allclose(moved[6:9], plain[3:6], rtol=1e-9)
    short = make_block(request).bind(Rows(y[:2], x[:2], None))  # fewer rows than columns
    part = short.starts(np.full((2, K), 1.0 / K))
    assert np.isfinite(part).all() and np.isfinite(short.m_step(part, weights[:2])).all()


def test_starts_of_counts_that_are_not_overdispersed_are_inside():
    y = np.tile([3.0, 4.0], 20)[:, None]
    for exog in ((), (True,)):
        kind = Kind("negative-binomial", exog=exog)
        bound = make_block(kind.request()).bind(rows_of(kind, y))
        part = bound.starts(np.full((40, K), 1.0 / K))
        assert (part[-K:] > 0.0).all()
        moved = bound.m_step(part, np.full((40, K), 1.0 / K))
        assert (moved[-K:] == 0.0).all() and np.isfinite(bound.log_density(moved)).all()
        assert np.isfinite(bound.pull(moved, np.full((40, K), 1.0 / K))).all()
