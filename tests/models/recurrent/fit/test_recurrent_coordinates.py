"""Coordinates of the climb, with and without restrictions and penalty."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import datasets
from rnnstats.models.nonlinear import GRU, ElmanRNN
from rnnstats.models.recurrent.fit.coordinates import Target
from rnnstats.models.recurrent.fit.starts import draws

FIXED = {"W_h[h1,h2]": 0.0, "b_h[h2]": 0.1, "V[temperature,h2]": "V[temperature,h1]"}


def series():
    rng = np.random.default_rng(0)
    y = 20.0 + 3.0 * np.cumsum(rng.standard_normal((90, 2)), axis=0) * [1.0, 0.01]
    import pandas as pd

    return pd.DataFrame(y, columns=["temperature", "pressure"])


MODELS = {
    "free": lambda: ElmanRNN(series(), k_hidden=2, y_lags=2, skip=True),
    "restricted": lambda: ElmanRNN(series(), k_hidden=2, fixed=FIXED, initial="estimated"),
    "no covariance": lambda: GRU(series(), fixed={"obs_cov[pressure,temperature]": 0.0}),
    "counts": lambda: ElmanRNN(
        datasets.earthquakes(), head="negative-binomial", fixed={"W_h[h1,h1]": 0.2}
    ),
}


@pytest.mark.parametrize("name", list(MODELS))
@pytest.mark.parametrize("penalty", [0.0, 0.7])
def test_gradient_and_information_belong_to_the_value(name, penalty):
    model = MODELS[name]()
    target = Target(model, penalty)
    psi = target.at.psi(draws(model, np.random.default_rng(1), 1)[0].phi)
    value, gradient = target(psi)
    assert value == pytest.approx(target.value(psi), abs=1e-9)
    theta = target.at.theta(psi)
    assert model.layout.expand(model.layout.reduce(theta)) == pytest.approx(theta, abs=1e-12)
    assert target.at.phi(psi) == pytest.approx(model.chart.to_standard(theta), abs=1e-10)
    phi = target.at.phi(psi)
    cost = 0.5 * penalty * (phi[model.chart.penalised] ** 2).sum()
    assert value == pytest.approx(model.loglike(theta) - cost, abs=1e-8)
    step = 1e-6
    slopes = [(target.value(psi + e) - target.value(psi - e)) / (2 * step)
              for e in step * np.eye(len(psi))]  # fmt: skip
    # central differences of a value of about 300: rounding 1e-13 * 300 / 1e-6
    np.testing.assert_allclose(gradient, slopes, rtol=1e-6, atol=2e-4)


@pytest.mark.parametrize("name", list(MODELS))
def test_information_is_that_of_the_natural_parameters(name):
    model = MODELS[name]()
    target = Target(model, 0.0)
    psi = target.at.psi(draws(model, np.random.default_rng(1), 1)[0].phi)
    step = 1e-6
    chain = np.column_stack([
        (target.at.theta(psi + e) - target.at.theta(psi - e)) / (2 * step)
        for e in step * np.eye(len(psi))
    ])  # fmt: skip
    expected = chain.T @ model.information(target.at.theta(psi)) @ chain
    # differences of theta are good to 1e-9 of their size
    np.testing.assert_allclose(
        target.information(psi), expected, rtol=0.0, atol=1e-6 * np.abs(expected).max()
    )


def test_restricted_coordinates_measure_the_standardised_weights():
    model = MODELS["restricted"]()
    target = Target(model, 0.0)
    psi = target.at.psi(draws(model, np.random.default_rng(1), 1)[0].phi)
    own = [i for i, name in enumerate(model.layout.free_names) if name.startswith("obs_cov")]
    step = 0.1 * np.random.default_rng(2).standard_normal(len(psi))
    step[own] = 0.0
    moved = target.at.phi(psi + step) - target.at.phi(psi)
    assert np.linalg.norm(moved) == pytest.approx(np.linalg.norm(step), rel=1e-12)


def test_restrictions_hold_the_numbers_that_they_name():
    model = MODELS["restricted"]()
    target = Target(model, 0.0)
    psi = target.at.psi(draws(model, np.random.default_rng(1), 1)[0].phi)
    theta = dict(zip(model.param_names, target.at.theta(psi + 0.3), strict=True))
    assert theta["W_h[h1,h2]"] == 0.0
    assert theta["b_h[h2]"] == 0.1
    assert theta["V[temperature,h1]"] == theta["V[temperature,h2]"]
