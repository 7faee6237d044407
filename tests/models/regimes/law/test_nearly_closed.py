"""Gradients of the stationary start exist where regimes hardly leave each other."""

from __future__ import annotations

import numpy as np

from rnnstats import MarkovRNN


def test_two_regimes_that_leave_each_other_with_next_to_nothing():
    y = np.r_[np.zeros(10), np.ones(10), np.full(10, 5.0)] + np.tile([0.1, -0.1], 15)
    model = MarkovRNN(y, k_regimes=3, switching="trend")
    theta = dict(model.start_params)
    # h2 and h3 go back and forth, and away with probabilities that 1 - p cannot hold; h1 less still
    theta |= {"p[h1->h1]": 1.0, "p[h1->h2]": 1e-22, "p[h2->h1]": 1e-19, "p[h2->h2]": 0.5}
    theta |= {"p[h3->h1]": 1e-19, "p[h3->h2]": 0.5}
    score = model.score(theta)
    assert np.isfinite(score).all()
    assert np.isfinite(model.score_obs(theta)).all()
