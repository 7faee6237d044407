"""Mixtures: moments, distribution functions, quantiles and highest-density regions."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from results.regimes import regime_models as cases
from scipy import stats

from rnnstats.models.markov import MarkovRNN
from rnnstats.results.regimes.forecasting.combined import Joined, Pooled
from rnnstats.results.regimes.forecasting.laws import NormalMixture
from rnnstats.results.regimes.forecasting.search import highest_density, quantile

SEEDS = st.integers(0, 10**6)


def mixture(rng, rows=3, entries=5, k=2):
    owner = np.repeat(np.arange(rows), entries)
    weight = rng.dirichlet(np.ones(entries), size=rows).ravel()
    roots = rng.standard_normal((rows * entries, k, k)) * rng.choice([0.1, 1.0, 5.0])
    spread = roots @ roots.transpose(0, 2, 1) + 1e-3 * np.eye(k)
    return NormalMixture(
        rows, owner, weight, 3.0 * rng.standard_normal((rows * entries, k)), spread
    )


@settings(max_examples=40)
@given(SEEDS)
def test_quantiles_invert_the_distribution_function(seed):
    rng = np.random.default_rng(seed)
    law = mixture(rng)
    for share in (1e-4, 0.025, 0.5, 0.9):
        found = quantile(law, share, 1)
        # a step of a few units in the last place of the value moves the share by their product
        slack = 1e-14 + 1e-14 * law.pdf(found, 1) * np.abs(found)
        assert np.all(np.abs(law.cdf(found, 1) - share) <= slack)


def test_moments_and_distribution_function_are_sums_over_components():
    law = mixture(np.random.default_rng(3))
    mean, cov = law.mean(), law.cov()
    values = np.array([0.3, -1.0, 2.0])
    for row in range(3):
        mine = law.owner == row
        w, m, c = law.weight[mine], law.centre[mine], law.spread[mine]
        second = sum(a * (b + np.outer(d, d)) for a, b, d in zip(w, c, m, strict=True))
        np.testing.assert_allclose(mean[row], w @ m, rtol=1e-13)
        np.testing.assert_allclose(cov[row], second - np.outer(w @ m, w @ m), rtol=1e-10)
        normal = stats.norm(m[:, 0], np.sqrt(c[:, 0, 0]))
        assert law.cdf(values, 0)[row] == pytest.approx(w @ normal.cdf(values[row]), abs=1e-14)
        assert law.pdf(values, 0)[row] == pytest.approx(w @ normal.pdf(values[row]), abs=1e-14)
        along = law.along(row, 0, values, "cdf")
        assert along[row] == pytest.approx(law.cdf(values, 0)[row], abs=1e-14)


@settings(max_examples=25)
@given(SEEDS)
def test_highest_density_region_has_its_probability_at_one_level_and_is_shortest(seed):
    rng = np.random.default_rng(seed)
    law = mixture(rng, rows=1, entries=3, k=1)
    share = rng.uniform(0.3, 0.98)
    pieces = highest_density(law, 0, 0, share)
    ends = np.array([end for piece in pieces for end in piece[:2]])
    assert np.all(np.diff(ends) >= 0.0)
    # the level is found to 1e-12, its ends lie where the density crosses it
    assert sum(piece.probability for piece in pieces) == pytest.approx(share, abs=1e-8)
    density = law.along(0, 0, ends, "pdf")
    np.testing.assert_allclose(density, density[0], rtol=1e-7)
    inside = np.concatenate([np.linspace(a, b, 7)[1:-1] for a, b, _ in pieces])
    assert np.all(law.along(0, 0, inside, "pdf") >= density[0] * (1 - 1e-7))
    low, high = (quantile(law, tail, 0)[0] for tail in ((1 - share) / 2, (1 + share) / 2))
    assert sum(b - a for a, b, _ in pieces) <= (high - low) * (1 + 1e-9)


def test_two_separate_components_make_two_pieces():
    law = NormalMixture(
        1, np.zeros(2, int), np.array([0.4, 0.6]), np.array([[-5.0], [5.0]]), np.ones((2, 1, 1))
    )
    pieces = highest_density(law, 0, 0, 0.9)
    assert len(pieces) == 2
    assert pieces[0].upper < 0.0 < pieces[1].lower


def test_a_known_value_is_a_step():
    law = NormalMixture(1, np.zeros(1, int), np.ones(1), np.array([[2.0]]), np.zeros((1, 1, 1)))
    assert quantile(law, 0.3, 0)[0] == 2.0
    at = np.array([2.0])
    assert (law.cdf(at, 0)[0], law.below(at, 0)[0], law.pdf(at, 0)[0]) == (1.0, 0.0, np.inf)
    assert highest_density(law, 0, 0, 0.5) == [(2.0, 2.0, 1.0)]


def test_quantiles_of_counts_are_the_smallest_whole_numbers():
    law = cases.poisson().get_forecast(3)._law
    weight = cases.poisson().get_forecast(3).regime_probabilities.to_numpy()
    numbers = np.arange(60)
    below = weight @ stats.poisson([[2.0], [9.0]]).cdf(numbers)
    for share in (0.001, 0.025, 0.5, 0.99, 0.99999):
        due = [numbers[np.flatnonzero(row >= share)[0]] for row in below]
        np.testing.assert_array_equal(quantile(law, share, 0), due)
    exact = below[1, 4]  # a share that a step reaches exactly
    assert quantile(law, exact, 0)[1] == 4.0


def test_region_of_counts_holds_the_most_probable_ones():
    prediction = cases.poisson().get_forecast(2)
    weight = prediction.regime_probabilities.to_numpy()[1]
    mass = weight @ stats.poisson([[2.0], [9.0]]).pmf(np.arange(80))
    order = np.argsort(-mass)
    count = np.searchsorted(np.cumsum(mass[order]), 0.6) + 1
    table = prediction.hdr(0.4).loc[61]
    held = [
        n
        for low, high in table[["lower", "upper"]].to_numpy()
        for n in range(int(low), int(high) + 1)
    ]
    assert sorted(order[:count]) == held
    assert table["probability"].sum() == pytest.approx(mass[held].sum(), abs=1e-12)


def test_pooled_and_joined_laws_put_their_parts_together():
    one, two = mixture(np.random.default_rng(1)), mixture(np.random.default_rng(2))
    pooled, joined = Pooled((one, two)), Joined((one, two))
    values = np.array([0.1, 1.0, -2.0])
    both = 0.5 * (one.cdf(values, 0) + two.cdf(values, 0))
    np.testing.assert_allclose(pooled.cdf(values, 0), both)
    second = [law.cov() + law.mean()[:, :, None] * law.mean()[:, None, :] for law in (one, two)]
    mean = 0.5 * (one.mean() + two.mean())
    due = 0.5 * (second[0] + second[1]) - mean[:, :, None] * mean[:, None, :]
    np.testing.assert_allclose(pooled.cov(), due, atol=1e-12)
    np.testing.assert_allclose(quantile(joined, 0.2, 1)[3:], quantile(two, 0.2, 1))
    np.testing.assert_allclose(joined.part(slice(2, 5)).mean(), joined.mean()[2:5])


def test_densities_without_bound_have_regions_that_begin_at_their_border():
    model = MarkovRNN(np.random.default_rng(1).gamma(0.5, size=40), emission="gamma")
    values = {"mean[y,h1]": 1.0, "mean[y,h2]": 5.0, "shape[y,h1]": 0.5, "shape[y,h2]": 3.0}
    table = cases.results_at(model, cases.STEPS | values).get_forecast(2).hdr(0.1)
    first = table.groupby(level=0)["lower"].min()
    assert ((first > -1e-12) & (first < 1e-12)).all()
    np.testing.assert_allclose(table.groupby(level=0)["probability"].sum(), 0.9, atol=1e-8)
