"""The numbers that regimes get after a fit."""

from __future__ import annotations

import numpy as np

from rnnstats import MarkovRNN


def test_regimes_of_a_t_without_mean_are_ordered_by_location() -> None:
    rng = np.random.default_rng(3)
    states = np.arange(240) // 40 % 2
    y = 8.0 * (1 - states) + rng.standard_t(0.6, 240)
    start = [0.97, 0.03, 8.0, 0.0, 1.0, 1.0, 0.6, 0.6]
    found = MarkovRNN(y, emission="student-t").fit(start_params=start, order_regimes="mean").params
    assert (found[["df[y,h1]", "df[y,h2]"]] < 1.0).all()
    assert found["V[y,h1]"] < 1.0 < 7.0 < found["V[y,h2]"]


def test_regimes_of_a_t_without_variance_are_ordered_by_scale() -> None:
    rng = np.random.default_rng(4)
    states = np.arange(240) // 40 % 2
    y = np.where(states == 0, 6.0, 1.0) * rng.standard_t(1.4, 240)
    model = MarkovRNN(y, emission="student-t", switching="variance")
    start = [0.97, 0.03, 0.0, 36.0, 1.0, 1.4, 1.4]
    found = model.fit(start_params=start, order_regimes="variance").params
    assert (found[["df[y,h1]", "df[y,h2]"]] < 2.0).all()
    assert found["scale2[y,h1]"] < found["scale2[y,h2]"]


def test_regimes_that_a_restriction_leaves_exchangeable_are_ordered() -> None:
    rng = np.random.default_rng(5)
    means = np.array([0.0, 3.0, 6.0])
    y = means[np.arange(180) // 12 % 3] + rng.standard_normal(180)
    fixed = {"p[h1->h1]": "p[h2->h2]"}
    model = MarkovRNN(y, k_regimes=3, fixed=fixed, switching="trend")
    ends = [model.fit(rng=seed).params[["V[y,h1]", "V[y,h2]", "V[y,h3]"]] for seed in range(3)]
    for means in ends:  # the third is told apart by the restriction, whichever mean it has
        assert means["V[y,h1]"] < means["V[y,h2]"]
        np.testing.assert_allclose(means, ends[0], atol=1e-4)
