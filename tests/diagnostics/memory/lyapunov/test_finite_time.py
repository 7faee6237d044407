"""Exponents of windows of rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import ElmanRNN, LinearRNN
from rnnstats.diagnostics.memory import lyapunov_spectrum
from rnnstats.errors import SpecificationError


def henon(h):
    return np.array([1.0 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(3)
    values = np.zeros(200)
    for t in range(1, 200):
        values[t] = 0.6 * values[t - 1] + rng.standard_normal()
    return pd.Series(values, name="y")


def test_windows_are_the_singular_values_of_their_products():
    jacobians = np.random.default_rng(1).standard_normal((50, 3, 3))
    found = lyapunov_spectrum(jacobians, burn=3, dt=0.5).finite_time([1, 4])
    np.testing.assert_array_equal(found.starts[4], np.arange(3, 47, 4))
    for steps in (1, 4):
        for start, exponents in zip(found.starts[steps], found.windows[steps], strict=True):
            product = np.eye(3)
            for one in jacobians[start : start + steps]:
                product = one @ product
            logs = np.log(np.linalg.svd(product, compute_uv=False))
            # a product of four matrices keeps its smallest singular value to seven digits or so
            np.testing.assert_allclose(exponents, logs / (0.5 * steps), atol=1e-7)


def test_frame_describes_the_windows():
    found = lyapunov_spectrum(henon, [0.1, 0.1], 1000).finite_time([2, 30])
    row, values = found.frame.loc[(1, 30)], found.windows[30][:, 0]
    assert row["windows"] == len(values) == 30
    assert row["mean"] == pytest.approx(values.mean(), rel=1e-14)
    assert row["sd"] == pytest.approx(values.std(ddof=1), rel=1e-14)
    assert row["positive"] == (values > 0).mean()
    assert row["q05"] <= row["q25"] <= row["q50"] <= row["q95"]


def test_growth_over_windows_falls_to_the_exponent():
    """The mean log norm is subadditive: twice the window, no more growth a row."""
    found = lyapunov_spectrum(henon, [0.1, 0.1], 4000)
    means = found.finite_time([1, 2, 4, 8, 16, 32]).frame.loc[1]["mean"].to_numpy()
    assert (np.diff(means) < 0.0).all()
    assert means[-1] > found.exponents[0]


def test_default_lengths_leave_enough_windows():
    frame = lyapunov_spectrum(henon, [0.1, 0.1], 1000, burn=0).finite_time().frame
    assert list(frame.loc[1].index) == [1, 2, 5, 10, 20, 50]
    assert (frame["windows"] >= 16).all()
    assert np.isfinite(frame["mean_se"]).all()


def test_one_matrix_has_one_window(series):
    results = LinearRNN(series, form="observed").fit()
    spectrum = lyapunov_spectrum(results)
    frame = spectrum.finite_time([1, 50]).frame
    # a power of one number grows at the same rate over all lengths
    np.testing.assert_allclose(frame["mean"], spectrum.exponents[0], rtol=1e-12)
    np.testing.assert_allclose(frame["mean_se"], spectrum.bse[0], rtol=1e-6)
    assert (frame["windows"] == 1).all()


def test_errors_of_a_network_hold_what_estimation_adds(series):
    results = ElmanRNN(series, k_hidden=1, y_lags=1).fit(n_starts=1, rng=np.random.default_rng(0))
    spectrum = lyapunov_spectrum(results)
    alone = lyapunov_spectrum(spectrum._found.recurrence.trajectory("shocks").state)
    fitted, known = (one.finite_time([5]).frame.loc[(1, 5)] for one in (spectrum, alone))
    assert fitted["mean"] == pytest.approx(known["mean"], rel=1e-12)
    assert fitted["mean_se"] > 1.5 * known["mean_se"]


def test_windows_stay_in_their_sequence():
    from rnnstats.diagnostics.memory.lyapunov.finite_time import _starts

    found = _starts(np.array([0, 7, 9, 20]), 1, 3, 2000)
    np.testing.assert_array_equal(found, [1, 4, 10, 13, 16])


def test_picture_and_summary():
    pytest.importorskip("matplotlib").use("Agg")
    found = lyapunov_spectrum(henon, [0.1, 0.1], 500).finite_time([1, 5, 20])
    fig = found.plot()
    assert len(fig.axes) == 2
    mean = next(line for line in fig.axes[0].lines if line.get_label() == "mean")
    np.testing.assert_allclose(mean.get_ydata(), found.frame.loc[1]["mean"])
    assert "1: 20 rows" in str(found)


@pytest.mark.parametrize("horizons", [[], [0], [451]])
def test_lengths_are_checked(horizons):
    with pytest.raises(SpecificationError, match="horizons must be"):
        lyapunov_spectrum(henon, [0.1, 0.1], 500).finite_time(horizons)
