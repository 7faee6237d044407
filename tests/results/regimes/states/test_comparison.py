"""Filter against smoother: entropies, scores, disagreements; against truth and simulation."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.hamilton_case import hamilton
from results.regimes.markov_cases import at, case

from rnnstats import datasets
from rnnstats.errors import DataError
from rnnstats.models.markov import MarkovRNN


@pytest.fixture(scope="module")
def gnp():
    return hamilton()


def scores(p, h):
    """Of a distribution when regime h holds, by definition."""
    indicator = np.eye(len(p))[h]
    return np.array([float(p.argmax() != h), ((p - indicator) ** 2).sum(), -np.log(p[h])])


@pytest.mark.parametrize("name", ["normal", "short", "sequences", "words"])
def test_expected_scores_are_expectations(name):
    """Sums over regimes of score times probability, own and smoothed."""
    res = case(name)
    out = res.filter_vs_smoother()
    smoothed = res.smoothed_marginal_probabilities.to_numpy()
    for kind in ("predicted", "filtered"):
        own = getattr(res, f"{kind}_marginal_probabilities").to_numpy()
        expected, realised = np.zeros((2, len(own), 3))
        for t, p in enumerate(own):
            for h in range(len(p)):
                if p[h] > 0.0:
                    expected[t] += p[h] * scores(p, h)
                if smoothed[t, h] > 0.0:
                    realised[t] += smoothed[t, h] * scores(p, h)
        for place, score in enumerate(("error", "brier", "log_score")):
            row = out.calibration.loc[(kind, score)]
            assert row["expected"] == pytest.approx(expected[:, place].mean(), rel=1e-12)
            assert row["realised"] == pytest.approx(realised[:, place].mean(), rel=1e-12)
            assert row["difference"] == pytest.approx(row["realised"] - row["expected"], abs=1e-14)
        np.testing.assert_allclose(out.frame[f"error_{kind}"], expected[:, 0], atol=1e-14)
        np.testing.assert_allclose(out.frame[f"entropy_{kind}"], expected[:, 2], atol=1e-13)
        np.testing.assert_allclose(out.frame[f"realised_{kind}"], realised[:, 0], atol=1e-14)
    told = np.log(smoothed / res.filtered_marginal_probabilities.to_numpy())
    due = np.where(smoothed > 0.0, smoothed * told, 0.0).sum(axis=1)
    np.testing.assert_allclose(out.frame["information"], due, atol=1e-13)


def test_information_is_the_mean_fall_in_entropy():
    """E H(filtered) - E H(smoothed) = E of what later rows tell; errors agree on average.

    8000 rows of the model itself: the calibration is unbiased, so z-values are normal; six of them
    below 4.5 in absolute value but for one run in 20 000.
    """
    base = case("normal")
    y = base.model.simulate(base.params, 8000, rng=4)
    res = at(MarkovRNN(y), base.params.to_numpy(), cov_type="none")
    out = res.filter_vs_smoother()
    assert (out.calibration["z"].abs() < 4.5).all()
    frame = out.frame
    fall = frame["entropy_reduction"].mean()
    assert fall == pytest.approx(frame["information"].mean(), rel=0.1)
    assert (frame["information"] >= 0.0).all()
    assert frame["entropy_reduction"].min() < 0.0
    drawn = base.to_rnn().generate(8000, 8)
    res = at(MarkovRNN(pd.Series(drawn.y[:, 0], name="y")), base.params.to_numpy(), cov_type="none")
    against = res.filter_vs_smoother(truth=drawn.states).comparison
    for score in ("error", "brier", "log_score"):
        gap = against[score] - against[f"expected_{score}"]
        kept = against.index != "viterbi" if score == "error" else against.index[:3]
        assert (gap[kept].abs() < 4.5 * against[f"{score}_se"][kept]).all()
    assert (
        against["error"]["smoothed"] < against["error"]["filtered"] < against["error"]["predicted"]
    )


def test_truth_in_every_form(gnp):
    recession = datasets.hamilton()["recession"]
    named = recession.map({1: "h1", 0: "h2"})
    out = gnp.filter_vs_smoother(truth=named)
    numbers = gnp.filter_vs_smoother(truth=1 - recession)
    columns = pd.DataFrame({"h2": 1 - recession, "h1": recession})
    for other in (numbers, gnp.filter_vs_smoother(truth=columns)):
        pd.testing.assert_frame_equal(other.comparison, out.comparison)
    # 131 quarters; by hand: 26 of 27 of NBER's quarters of recession are found
    assert out.comparison["nobs"].tolist() == [131] * 4
    assert out.confusion.loc[("smoothed", "h1")].tolist() == [26, 1]
    smoothed = gnp.smoothed_marginal_probabilities["h1"]
    wrong = (smoothed > 0.5) != (recession == 1)
    share = wrong[smoothed.notna()].mean()
    assert out.comparison.loc["smoothed", "error"] == pytest.approx(share)
    half = named.copy()
    half.iloc[:60] = None
    assert gnp.filter_vs_smoother(truth=half).comparison["nobs"].tolist() == [75] * 4


def test_disagreements_and_delays(gnp):
    out = gnp.filter_vs_smoother()
    table = out.disagreements
    assert [str(date) for date in table.index] == [
        "1953Q3", "1957Q1", "1957Q3", "1958Q2", "1969Q3", "1970Q3", "1979Q2", "1979Q3", "1980Q1",
        "1981Q3",
    ]  # fmt: skip
    filtered = gnp.filtered_marginal_probabilities
    assert table.loc[table.index[0], "filtered"] == "h2"
    assert table["filtered_probability"].iloc[0] == filtered.loc[table.index[0], "h1"]
    delays = out.delays
    assert len(delays) == 14  # seven recessions begin and end
    late = delays[delays["start"] == pd.Period("1979Q2")].iloc[0]
    assert (late["regime"], late["delay"], late["seen"]) == ("h1", 2, pd.Period("1979Q4"))
    assert "saw 14 changes" in str(out)


def test_rows_conditioned_on_are_blank(gnp):
    frame = gnp.filter_vs_smoother().frame
    assert frame["disagree"].isna().sum() == 4
    assert frame.iloc[:4].isna().all().all()
    assert frame.iloc[4:].notna().all().all()
    assert list(frame.index) == list(gnp.model.endog.index)


def test_sequences_do_not_run_into_each_other():
    out = case("sequences").filter_vs_smoother()
    offsets = case("sequences").model.offsets
    assert not out.delays["start"].isin(offsets[:-1]).any()


def test_pictures(gnp):
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    fig = gnp.filter_vs_smoother().plot()
    assert len(fig.axes) == 2
    shaded = [piece for part in fig.axes[0].collections for piece in part.get_paths()]
    assert len(shaded) == 9  # ten dates, two of them neighbours
    plt.close(fig)
    fig = case("short").filter_vs_smoother().plot()
    assert len(fig.axes) == 4
    plt.close(fig)


@pytest.mark.parametrize(
    ("truth", "words"),
    [
        (lambda d: d["recession"].iloc[1:], "index of the outputs"),
        (lambda d: np.zeros(3), "a value for each of 135 rows; got 3"),
        (lambda d: d["recession"].map({1: "slump", 0: "boom"}), "names of regimes"),
        (lambda d: d["recession"] + 1, "numbers 0 to 1; got 2"),
        (lambda d: d[["recession", "rgnp_growth"]], "must have the columns h1, h2"),
        (lambda d: pd.DataFrame({"h1": 1, "h2": 1}, index=d.index), "a single one among zeros"),
    ],
)
def test_refusals(gnp, truth, words):
    with pytest.raises(DataError, match=words):
        gnp.filter_vs_smoother(truth=truth(datasets.hamilton()))
