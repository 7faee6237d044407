"""Pictures of responses, parts, weights and fans: what is drawn is what the numbers say."""

from __future__ import annotations

import builtins

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series
from results.responses.test_history import natural

from rnnstats.errors import MissingDependencyError, SpecificationError
from rnnstats.models.linear import LinearRNN
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
    endog, _ = series(60, 2, gaps=((3, 1), (30, 0), (59, 1)))
    theta = [0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0]
    return LinearResults.from_fit(NoisyAR(endog), theta, cov_type="approx")


def drawn(fig, tmp_path):
    fig.savefig(tmp_path / "picture.png")
    return (tmp_path / "picture.png").stat().st_size > 5000


def lines(ax):
    return {line.get_label(): line.get_ydata() for line in ax.get_lines()}


def band(collection):
    return collection.get_paths()[0].vertices[:, 1]


def test_responses(res, tmp_path):
    bands = res.impulse_responses(8, None, shocks="innovations", bands="delta", alpha=0.1)
    fig = bands.plot()
    assert len(fig.axes) == 4
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles == ["cpi to cpi", "gdp to cpi", "cpi to gdp", "gdp to gdp"]
    for ax, (impulse, output) in zip(
        fig.axes, [("cpi", "cpi"), ("gdp", "cpi"), ("cpi", "gdp"), ("gdp", "gdp")], strict=True
    ):
        np.testing.assert_allclose(lines(ax)["response"], bands.point[(impulse, output)])
        edges = band(ax.collections[0])
        assert edges.max() == pytest.approx(bands.upper[(impulse, output)].max())
        assert edges.min() == pytest.approx(bands.lower[(impulse, output)].min())
    assert any("90 % band, delta method" in t.get_text() for t in fig.legends[0].get_texts())
    assert drawn(fig, tmp_path)


def test_shares_are_stacked_to_one(res, tmp_path):
    fevd = res.fevd(5, shocks="noises")
    fig = fevd.plot()
    for i, ax in enumerate(fig.axes):
        heights = np.array([patch.get_height() for patch in ax.patches]).reshape(-1, 5)
        np.testing.assert_allclose(heights.sum(axis=0), 1.0)
        shares = fevd.shares.loc[fevd.outputs[i]]
        np.testing.assert_allclose(heights.T, shares)
    assert drawn(fig, tmp_path)


def test_shares_with_bands_are_drawn_with_them(res, tmp_path):
    fevd = res.fevd(5, bands="delta")
    fig = fevd.plot()
    titles = [ax.get_title(loc="left") for ax in fig.axes]
    assert titles[:2] == ["cpi in the error of cpi", "gdp in the error of cpi"]
    pairs = [(output, source) for output in fevd.outputs for source in fevd.sources]
    for ax, (output, source) in zip(fig.axes, pairs, strict=True):
        table = fevd.frame.xs(output).xs(source, level="source")
        np.testing.assert_array_equal(lines(ax)["share"], table["share"])
        edges = band(ax.collections[0])
        assert edges.max() == pytest.approx(table["upper"].max())
        assert edges.min() == pytest.approx(table["lower"].min())
    assert any("95 % band, delta method" in t.get_text() for t in fig.legends[0].get_texts())
    assert drawn(fig, tmp_path)


def test_parts_are_stacked_to_their_sum(res, tmp_path):
    found = res.historical_decomposition()
    for base in (False, True):
        fig = found.plot(base=base)
        frame = found.frame if base else found.frame.drop(columns="trend", level=1)
        for ax, name in zip(fig.axes, ("cpi", "gdp"), strict=True):
            total = frame[name].sum(axis=1)
            np.testing.assert_allclose(lines(ax)["sum"], total)
            heights = np.array([p.get_height() for p in ax.patches]).reshape(-1, res.nobs)
            np.testing.assert_allclose(heights.sum(axis=0), total, atol=1e-12)
    assert drawn(fig, tmp_path)
    contributions = res.contributions("h1")
    ax = contributions.plot().axes[0]
    np.testing.assert_allclose(
        lines(ax)["sum"], contributions.total - contributions.frame["trend"], atol=1e-12
    )


def test_weights_are_drawn_where_they_are(res):
    found = res.observation_weights("h1", 40)
    fig = found.plot()
    table = found.frame["weight"].unstack()
    for ax, name in zip(fig.axes, ("cpi", "gdp"), strict=True):
        ends = np.array([path.vertices[1, 1] for path in ax.collections[0].get_paths()])
        assert len(ends) < len(table)  # far ones are left out
        assert np.abs(ends).max() == pytest.approx(table[name].abs().max())


def test_weights_are_drawn_in_the_order_of_the_outputs():
    values = np.random.default_rng(0).standard_normal((40, 2))
    endog = pd.DataFrame(values, columns=["z", "a"])
    found = LinearResults.from_fit(
        NoisyAR(endog), [0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0], cov_type="none"
    ).observation_weights("h1", 20)
    titles = [ax.get_title(loc="left") for ax in found.plot().axes]
    assert [title.split(":")[0] for title in titles] == ["z", "a"]


def test_news_are_stacked_to_the_revision(res, tmp_path):
    new = series(62, 2)[0]
    fig = res.news(new, end=63).plot()
    impacts = res.news(new, end=63).impacts["total"].unstack()
    for ax, name in zip(fig.axes, ("cpi", "gdp"), strict=True):
        np.testing.assert_allclose(lines(ax)["sum"], impacts[name], atol=1e-12)
        assert next(t.get_text() for t in ax.get_xticklabels()) == "2005Q1"
    assert drawn(fig, tmp_path)
    nothing = res.news(res.model.endog.values).plot()
    assert drawn(nothing, tmp_path)


def test_fan(res, tmp_path):
    levels = (0.5, 0.9, 0.3)
    fig = res.plot_fan(6, levels=levels, uncertainty="delta", history=20)
    forecast = res.get_forecast(6, uncertainty="delta")
    for j, name in enumerate(("cpi", "gdp")):
        ax = fig.axes[j]
        for number, level in enumerate(sorted(levels, reverse=True)):
            ends, edges = forecast.conf_int(1 - level), band(ax.collections[number])
            high, low = ends[f"upper {name}"].max(), ends[f"lower {name}"].min()
            last = res.model.endog.values[-1, j]
            anchored = [last] if np.isfinite(last) else []
            assert edges.max() == pytest.approx(max([high, *anchored]))
            assert edges.min() == pytest.approx(min([low, *anchored]))
        mean = lines(ax)["forecast"]
        np.testing.assert_allclose(mean[-6:], forecast.predicted_mean[name])
        assert len(mean) == 6 + np.isfinite(res.model.endog.values[-1, j])
        assert len(lines(ax)["observed"]) == 20
    texts = [text.get_text() for text in fig.legends[0].get_texts()]
    assert texts == ["observed", "90 %", "50 %", "30 %", "forecast"]
    assert drawn(fig, tmp_path)
    for wrong in ((0.5, 1.2), (), "all", (0.0,)):
        with pytest.raises(SpecificationError, match="levels"):
            res.plot_fan(4, levels=wrong)


def test_fan_of_a_scenario(res, tmp_path):
    conditions = {"cpi": [3.0, np.nan, 2.0]}
    fig = res.plot_fan(6, conditions=conditions, tolerance=0.3)
    found = res.conditional_forecast(6, conditions, tolerance=0.3)
    ax = fig.axes[0]
    np.testing.assert_allclose(lines(ax)["forecast"][-6:], found.predicted_mean["cpi"])
    np.testing.assert_allclose(lines(ax)["condition"], [3.0, *[np.nan], 2.0, *[np.nan] * 3])
    without = res.forecast(6)["cpi"]
    np.testing.assert_allclose(lines(ax)["without conditions"][-6:], without)
    assert drawn(fig, tmp_path)
    with pytest.raises(SpecificationError, match="tolerance belongs to conditions"):
        res.plot_fan(4, tolerance=0.3)
    with pytest.raises(SpecificationError, match="no further options; got nboot"):
        res.plot_fan(4, conditions=conditions, nboot=20)


def test_one_series_without_dates(tmp_path):
    model = LinearRNN(series(40)[0].to_numpy(), k_states=1)
    res = LinearResults.from_fit(model, natural(model.param_names), cov_type="approx")
    for fig in (
        res.plot_fan(4, levels=0.9),
        res.historical_decomposition().plot(),
        res.fevd(3).plot(),
        res.impulse_responses(3, bands="delta", cumulative=True).plot(),
        res.observation_weights("h1").plot(),
    ):
        assert len(fig.axes) == 1
        assert drawn(fig, tmp_path)


def test_no_matplotlib(res, monkeypatch):
    """The message says how to install it."""
    fevd, plain = res.fevd(2), builtins.__import__

    def refuse(name, *args, **kwargs):
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return plain(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", refuse)
    for draw in (fevd.plot, res.plot_fan):
        with pytest.raises(MissingDependencyError, match=r"pip install 'rnnstats\[plot\]'"):
            draw()
