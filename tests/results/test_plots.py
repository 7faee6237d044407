"""Pictures: what is drawn is what the numbers say."""

from __future__ import annotations

import builtins

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import DataError, MissingDependencyError, SpecificationError
from rnnstats.results.linear import LinearResults

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")


@pytest.fixture(autouse=True)
def _close():
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


@pytest.fixture(scope="module")
def res():
    endog, _ = series(60, 2, gaps=((3, 1), (30, 0)))
    theta = [0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0]
    return LinearResults.from_fit(NoisyAR(endog, initial="diffuse"), theta, cov_type="approx")


def lines(ax):
    return {line.get_label(): line.get_ydata() for line in ax.get_lines()}


def draws(fig, tmp_path):
    fig.savefig(tmp_path / "picture.png")
    return (tmp_path / "picture.png").stat().st_size > 5000


def test_forecast(res, tmp_path):
    fig = res.plot_forecast(6, alpha=0.1, uncertainty="delta")
    assert len(fig.axes) == 2
    np.testing.assert_allclose(lines(fig.axes[1])["forecast"], res.forecast(6)["gdp"])
    band = fig.axes[0].collections[0].get_paths()[0].vertices[:, 1]
    ends = res.get_forecast(6, uncertainty="delta").conf_int(0.1)
    assert band.min() == pytest.approx(ends["lower cpi"].min())
    assert band.max() == pytest.approx(ends["upper cpi"].max())
    inner = fig.axes[0].collections[1].get_paths()[0].vertices[:, 1]
    ends = res.get_forecast(6, uncertainty="delta").conf_int(0.5)
    assert inner.min() == pytest.approx(ends["lower cpi"].min())
    assert inner.max() == pytest.approx(ends["upper cpi"].max())
    assert len(res.plot_forecast(6, alpha=0.5).axes[0].collections) == 1
    texts = [text.get_text() for text in fig.legends[0].get_texts()]
    assert {"90 % interval", "50 % interval"} <= set(texts)
    assert len(lines(fig.axes[0])["observed"]) == 40
    assert len(lines(res.plot_forecast(2, history=10).axes[0])["observed"]) == 10
    assert draws(fig, tmp_path)


def test_states(res, tmp_path):
    for kind in ("predicted", "filtered", "smoothed"):
        fig = res.plot_states(kind=kind)
        drawn = lines(fig.axes[0])[f"{kind} mean"]
        np.testing.assert_allclose(drawn, getattr(res, f"{kind}_state")["h1"])
        assert draws(fig, tmp_path)
    assert len(res.plot_states(["h1"]).axes) == 1
    with pytest.raises(SpecificationError, match="h2"):
        res.plot_states(["h2"])
    with pytest.raises(SpecificationError, match="kind"):
        res.plot_states(kind="smooth")


def test_filter_vs_smoother(res, tmp_path):
    fig = res.filter_vs_smoother().plot()
    assert len(fig.axes) == 2
    np.testing.assert_allclose(lines(fig.axes[0])["smoothed mean"], res.smoothed_state["h1"])
    assert draws(fig, tmp_path)


def test_diagnostics(res, tmp_path):
    fig = res.plot_diagnostics("gdp", lags=5)
    assert len(fig.axes) == 4
    first = fig.axes[0].get_lines()[0].get_ydata()
    np.testing.assert_allclose(first, res.standardized_resid["gdp"].iloc[1:])
    stems = fig.axes[3].get_lines()[0].get_ydata()
    assert len(stems) == 5
    assert draws(fig, tmp_path)
    with pytest.raises(DataError, match="more residuals than lags"):
        res.plot_diagnostics(lags=70)
    with pytest.raises(SpecificationError, match="inv"):
        res.plot_diagnostics("inv")


def test_correlogram_is_the_textbook_formula():
    endog, _ = series(60)
    res = LinearResults.from_fit(NoisyAR(endog), [0.8, 1.1, 0.4, 1.7])
    drawn = res.plot_diagnostics(lags=4).axes[3].get_lines()[0].get_ydata()
    values = res.standardized_resid.to_numpy() - res.standardized_resid.mean()
    expected = [values[k:] @ values[:-k] / (values @ values) for k in range(1, 5)]
    np.testing.assert_allclose(drawn, expected, rtol=1e-10)


def test_a_figure_of_ones_own(res):
    import matplotlib.pyplot as plt

    own = plt.figure()
    assert res.plot_states(fig=own) is own
    assert res.plot_forecast(2, fig=plt.figure()) is not own
    assert res.plot_diagnostics(fig=plt.figure()) is not own


@pytest.mark.parametrize("kind", ["range", "timestamps", "zone", "text"])
def test_any_index(kind):
    endog, _ = series(40)
    index = {
        "range": pd.RangeIndex(5, 45),
        "timestamps": pd.date_range("2000-01-31", periods=40, freq="ME"),
        "zone": pd.date_range("2000-01-01", periods=40, freq="D", tz="Europe/Berlin"),
        "text": pd.Index([f"row {i:02d}" for i in range(40)]),
    }[kind]
    res = LinearResults.from_fit(NoisyAR(endog.set_axis(index)), [0.8, 1.1, 0.4, 1.7])
    res.plot_states().canvas.draw()
    res.plot_diagnostics().canvas.draw()
    if kind != "text":
        res.plot_forecast(3).canvas.draw()


def test_without_matplotlib(res, monkeypatch):
    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    with pytest.raises(MissingDependencyError, match=r"pip install 'rnnstats\[plot\]'"):
        res.plot_states()
