"""Linear systems by frequency, against closed forms, finite differences and other packages."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

from rnnstats.diagnostics.memory.filters import frequency

KEPT = 0.8
W = np.linspace(-np.pi, np.pi, 101)


def _random(rng: np.random.Generator, m: int = 3, q: int = 2, p: int = 2) -> tuple[np.ndarray, ...]:
    a = rng.standard_normal((m, m))
    a *= 0.9 / np.abs(np.linalg.eigvals(a)).max()
    root = rng.standard_normal((q, q))
    noise = np.diag(rng.uniform(0.1, 1.0, p))
    return (
        a, rng.standard_normal((m, q)), rng.standard_normal((p, m)),
        rng.standard_normal((p, q)), root @ root.T, noise,
    )  # fmt: skip


def test_response_is_that_of_scipy() -> None:
    parts = _random(np.random.default_rng(0), q=1)
    found = frequency.response(parts, W)
    for output in range(2):
        system = signal.StateSpace(
            parts[0], parts[1], parts[2][[output]], parts[3][[output]], dt=1.0
        )
        _, expected = signal.dfreqresp(system, W)
        # scipy goes through polynomials, which loses some digits
        np.testing.assert_allclose(found.value[:, output, 0], expected, rtol=1e-9)


def test_response_is_the_sum_of_the_impulse_responses() -> None:
    a, g, c, j, *_ = parts = _random(np.random.default_rng(1))
    total = np.broadcast_to(j.astype(complex), (len(W), *j.shape)).copy()
    state = g
    for lag in range(1, 500):  # 0.9^500 is 1e-23
        total += np.exp(-1j * W * lag)[:, None, None] * (c @ state)
        state = a @ state
    np.testing.assert_allclose(frequency.response(parts, W).value, total, rtol=0, atol=1e-12)


def test_group_delay_is_the_slope_of_the_phase() -> None:
    parts = _random(np.random.default_rng(2))
    w, step = np.linspace(0.1, 3.0, 40), 1e-6
    delay = frequency.curves(frequency.response(parts, w))[2]
    ends = [frequency.response(parts, w + s).value for s in (step, -step)]
    slope = np.angle(ends[0] / ends[1]) / (2 * step)
    # central differences of 1e-6 are good to 1e-9 or so
    np.testing.assert_allclose(delay, -slope, rtol=1e-6, atol=1e-7)
    steep = np.log(np.abs(ends[0] / ends[1])) / (2 * step)
    found = frequency.curves(frequency.response(parts, w))[3]
    np.testing.assert_allclose(found, steep, rtol=1e-6, atol=1e-7)


def test_group_delay_is_scipys_for_one_leaky_unit() -> None:
    w, expected = signal.group_delay(([1.0 - KEPT], [1.0, -KEPT]), W[W >= 0.0])
    parts = (np.array([[KEPT]]), np.array([[KEPT * 0.2]]), np.ones((1, 1)), np.array([[0.2]]))
    found = frequency.curves(frequency.response(parts, w))[2, :, 0, 0]
    np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)


def test_derivatives_by_parameters_are_those_of_differences() -> None:
    rng = np.random.default_rng(3)
    parts = _random(rng)
    moves = [rng.standard_normal((*part.shape, 2)) for part in parts]
    for k in (4, 5):  # covariances stay symmetric
        moves[k] = moves[k] + moves[k].swapaxes(0, 1)
    slopes = frequency.Slopes(*moves)
    w, step = np.linspace(0.2, 3.0, 7), 1e-6
    here = frequency.response(parts, w)
    exact = frequency.curve_slopes(here, slopes)
    power = frequency.spectrum_slopes(here, parts[4], slopes)
    for k in range(2):
        sides = []
        for sign in (1.0, -1.0):
            moved = tuple(
                part + sign * step * move[..., k] for part, move in zip(parts, moves, strict=True)
            )
            found = frequency.response(moved, w)
            sides.append((frequency.curves(found), frequency.spectrum(found, moved[4], moved[5])))
        # curves and densities are of the size of one to a hundred: rounding over the step is 1e-8
        turn = (sides[0][0] - sides[1][0]) / (2 * step)
        np.testing.assert_allclose(exact[..., k], turn, rtol=1e-5, atol=1e-6)
        size = (sides[0][1] - sides[1][1]) / (2 * step)
        np.testing.assert_allclose(power[..., k], size, rtol=1e-5, atol=1e-6)


def test_integral_of_the_spectrum_is_the_variance() -> None:
    parts = _random(np.random.default_rng(4))
    # equally spaced points of a periodic function: the error falls like 0.9^n
    w = np.linspace(-np.pi, np.pi, 2000, endpoint=False)
    density = frequency.spectrum(frequency.response(parts, w), parts[4], parts[5])
    whole = density.mean(axis=0) * 2 * np.pi
    np.testing.assert_allclose(whole, frequency.stationary_variance(parts), rtol=1e-12)


def test_variance_of_an_unstable_system_is_infinite() -> None:
    one = np.ones((1, 1))
    assert frequency.stationary_variance((one, one, one, one, one, 0 * one)) == np.inf


@pytest.mark.parametrize("kept", [0.3, 0.8, 0.99, 0.9999])
def test_cut_off_of_a_leaky_unit_is_the_closed_form(kept: float) -> None:
    parts = tuple(np.array([[v]]) for v in (kept, kept * (1 - kept), 1.0, 1 - kept))
    found = frequency.corners(parts, 0, 0)
    expected = np.arccos(1.0 - (1.0 - kept) ** 2 / (2.0 * kept))
    # the arc cosine near one loses half the digits of the small angle
    assert found.upper.place == pytest.approx(expected, rel=1e-9 / (1.0 - kept))
    assert found.peak.place == 0.0 and not found.peak.inside
    assert np.isnan(found.lower.place)


def test_a_unit_that_hardly_leaks_has_no_cut_off() -> None:
    # the gain at pi, (1 - f) / (1 + f), is above the root of one half for f < 3 - 2 sqrt(2)
    parts = tuple(np.array([[v]]) for v in (0.17, 0.17, 1.0, 1.0))
    assert np.isnan(frequency.corners(parts, 0, 0).upper.place)
    parts = tuple(np.array([[v]]) for v in (0.173, 0.173, 1.0, 1.0))
    assert np.isfinite(frequency.corners(parts, 0, 0).upper.place)


def test_band_of_a_resonance() -> None:
    # AR(2) with roots r e^{+-i angle}: the peak is at cos w = (1 + r^2) cos(angle) / (2 r)
    r, angle = 0.97, 1.1
    a = np.array([[2 * r * np.cos(angle), -(r**2)], [1.0, 0.0]])
    parts = (a, a[:, :1].copy(), np.array([[1.0, 0.0]]), np.ones((1, 1)))
    found = frequency.corners(parts, 0, 0)
    assert found.peak.inside
    expected = np.arccos((1 + r**2) * np.cos(angle) / (2 * r))
    assert found.peak.place == pytest.approx(expected, abs=1e-10)
    places = np.array([found.peak.place, found.lower.place, found.upper.place])
    gains = np.abs(frequency.response(parts, places).value[:, 0, 0])
    np.testing.assert_allclose(gains[1:] / gains[0], np.sqrt(0.5), rtol=1e-12)
    assert places[1] < places[0] < places[2]


def test_a_root_on_the_circle_is_found() -> None:
    walk = np.ones((1, 1))
    near = frequency.near_pole(walk, np.array([0.0, 1e-12, 1e-3]))
    assert near.tolist() == [True, True, False]
    assert np.isnan(frequency.corners((walk, walk, walk, walk), 0, 0).peak.place)


def test_periodogram_is_scipys() -> None:
    y = np.random.default_rng(5).standard_normal((200, 2))
    w, values = frequency.periodogram([y])
    cycles, expected = signal.periodogram(y, detrend="constant", axis=0)
    np.testing.assert_allclose(w, 2 * np.pi * cycles[1:], rtol=1e-14)
    # scipy's density is one-sided and per cycle; that at pi is not doubled
    double = np.where(np.isclose(w, np.pi), 1.0, 2.0)[:, None]
    np.testing.assert_allclose(values * 2 * np.pi * double, expected[1:], rtol=1e-12)


def test_periodogram_of_sequences_and_gaps() -> None:
    rng = np.random.default_rng(6)
    y = rng.standard_normal((120, 1))
    whole = frequency.periodogram([y])[1]
    twice = frequency.periodogram([y, y])[1]
    np.testing.assert_allclose(twice, whole, rtol=1e-12)
    gaps = y.copy()
    gaps[::7] = np.nan
    seen = np.isfinite(gaps)
    filled = np.where(seen, gaps, np.nanmean(gaps))
    expected = frequency.periodogram([filled])[1] * len(y) / seen.sum()
    np.testing.assert_allclose(frequency.periodogram([gaps])[1], expected, rtol=1e-10)
    short = frequency.periodogram([y, y[:50]])[1]
    assert np.isfinite(short).all() and short.shape == whole.shape
    assert len(frequency.periodogram([])[0]) == 0


def test_smoothing_keeps_constants_and_the_mean() -> None:
    flat = np.full((50, 1), 3.0)
    np.testing.assert_allclose(frequency.smoothed(flat), flat, rtol=1e-14)
    rough = np.random.default_rng(7).exponential(size=(400, 1))
    assert frequency.smoothed(rough).var() < 0.1 * rough.var()
    assert frequency.smoothed(rough).mean() == pytest.approx(rough.mean(), rel=0.02)


def test_grid_is_finer_for_sharper_peaks() -> None:
    assert len(frequency.grid(np.array([[0.5]]))) == 513
    assert len(frequency.grid(np.array([[0.99]]))) == 4097
    assert len(frequency.grid(np.array([[1.0]]))) == 513  # no peak of finite width
