"""Fits with a known start whose likelihood rises towards roots outside the circle."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import LinearRNN, datasets
from rnnstats.models.wall import log_room


def overdifferenced(seed: int = 1) -> np.ndarray:
    return np.diff(np.random.default_rng(seed).standard_normal(60))


def test_room_and_its_slope() -> None:
    """The sum over pairs of roots, and its differences."""
    y = np.random.default_rng(0).standard_normal((40, 2))
    model = LinearRNN(y, k_states=3)
    table = model._table
    theta = 0.3 * np.random.default_rng(1).standard_normal(len(model.param_names))
    full = table.fill(theta)
    value, slopes = log_room(table, full)
    a, c, k = (table.array(full, n) for n in ("transition", "design", "selection"))
    roots = np.linalg.eigvals(a - k @ c)
    assert value == pytest.approx(np.log(1.0 - np.outer(roots, roots)).sum().real, abs=1e-12)
    gradient = table.directions() @ slopes
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-5
        ends = [log_room(table, table.fill(theta + s * step))[0] for s in (1.0, -1.0)]
        # central differences: 1e-10 from the step, 1e-11 from rounding
        assert gradient[i] == pytest.approx((ends[0] - ends[1]) / 2e-5, abs=1e-7)
    outside = full.copy()
    table.array(outside, "transition")[...] *= 50.0
    assert log_room(table, outside)[0] == -np.inf


@pytest.mark.parametrize("fixed", [{}, {"ar1[y,y]": 0.0}], ids=["charts", "restricted"])
def test_the_highest_point_has_its_root_on_the_circle(fixed: dict[str, float | str]) -> None:
    """It is the maximum with a moving average coefficient of -1, which has no wall."""
    y = overdifferenced()
    results = LinearRNN(y, initial="known", fixed=fixed).fit(cov_type="none")
    on_circle = LinearRNN(y, initial="known", fixed={**fixed, "ma1[y,y]": -1.0})
    highest = on_circle.fit(cov_type="none")
    assert highest.convergence.converged
    record = results.convergence
    assert record.converged
    # the barrier's last weight times its height there
    assert results.llf == pytest.approx(highest.llf, abs=1e-4)
    assert results.llf == pytest.approx(results.starts["llf"].max(), abs=1e-9)
    assert "a moving average root" in record.boundary[0]
    assert "border of invertibility" in record.message
    text = " ".join(results.summary().as_text().split())
    assert "initial='stationary' has no such border" in text


def test_inputs_in_the_output() -> None:
    """Climbs stopped at different heights before the wall, the best at -625.2502 of 60."""
    levels = datasets.us_macro()[["realinv", "realgdp", "realcons"]]
    growth = 100.0 * np.log(levels).diff().dropna()
    model = LinearRNN(
        growth[["realinv", "realgdp"]],
        growth[["realcons"]],
        initial="known",
        exog_enters="output",
    )
    results = model.fit(cov_type="none")
    assert results.convergence.converged
    assert results.llf > -625.105
    system = model.system(results.params)
    closed = system.transition - system.selection @ system.design
    assert np.abs(np.linalg.eigvals(closed)).max() == pytest.approx(1.0, abs=1e-4)


def test_few_iterations_are_no_more_than_asked_for() -> None:
    with pytest.warns(UserWarning, match="limit of iterations"):
        results = LinearRNN(overdifferenced(), initial="known").fit(cov_type="none", maxiter=2)
    assert not results.convergence.converged
