"""Dating of regimes: published dates, and the rules by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.hamilton_case import hamilton
from results.regimes.markov_cases import case

from rnnstats import datasets
from rnnstats.errors import SpecificationError
from rnnstats.results.regimes.states.turning_points import Spell, classified, lasting, spells_of

# Hamilton (1989), Econometrica 57, table II: quarters of the low regime by the full-sample smoother
# (probability above one half), first and last.
PUBLISHED = [
    ("1953Q3", "1954Q2"), ("1957Q1", "1958Q1"), ("1960Q2", "1960Q4"), ("1969Q3", "1970Q4"),
    ("1974Q1", "1975Q1"), ("1979Q2", "1980Q3"), ("1981Q2", "1982Q4"),
]  # fmt: skip


@pytest.fixture(scope="module")
def gnp():
    return hamilton()


def test_hamiltons_dates(gnp):
    found = gnp.turning_points()
    low = found.frame[found.frame["regime"] == "h1"]
    assert [(str(a), str(b)) for a, b in zip(low["start"], low["end"], strict=True)] == PUBLISHED
    assert low["duration"].tolist() == [4, 5, 3, 6, 5, 6, 7]
    cycles = found.cycles
    assert [str(date) for date in cycles["trough"]] == [end for _, end in PUBLISHED]
    before = [str(pd.Period(start) - 1) for start, _ in PUBLISHED]
    assert [str(date) for date in cycles["peak"]] == before
    assert cycles["expansion"].tolist()[:-1] == [10, 8, 34, 12, 16, 2]
    assert cycles["expansion"].isna().tolist() == [False] * 6 + [True]
    assert found.frame["complete"].tolist() == [False, *[True] * 13, False]
    smoothed = gnp.smoothed_marginal_probabilities["h1"]
    share = smoothed["1953Q3":"1954Q2"].mean()
    assert found.frame["mean_probability"].iloc[1] == pytest.approx(share)


def test_dates_against_nber(gnp):
    """Every dated contraction overlaps one of the Bureau's, and none of those is missed."""
    nber = datasets.hamilton()["recession"].iloc[4:] == 1
    ours = (gnp.turning_points().states == "h1").iloc[4:]
    for one, other in ((nber, ours), (ours, nber)):
        runs = (one != one.shift()).cumsum()[one]
        assert all(other[rows.index].any() for _, rows in runs.groupby(runs))


def test_classification_with_a_threshold():
    p = np.array([0.6, 0.9, 0.7, 0.3, 0.1, 0.5, 0.95])
    values = np.column_stack([p, 1.0 - p])
    assert classified(values, [0, 7]).tolist() == [0, 0, 0, 1, 1, 0, 0]
    assert classified(values, [0, 7], 0.8).tolist() == [0, 0, 0, 0, 1, 1, 0]
    assert classified(values, [0, 3, 7], 0.8).tolist() == [0, 0, 0, 1, 1, 1, 0]
    values[2] = np.nan
    assert classified(values, [0, 7], 0.8).tolist() == [0, 0, -1, 1, 1, 1, 0]


def test_spells_end_with_their_sequence():
    codes = np.array([-1, 0, 0, 1, 1, 1, 0])
    assert spells_of(codes, [0, 5, 7]) == [
        Spell(0, 1, 2, 0), Spell(1, 3, 4, 0), Spell(1, 5, 5, 1), Spell(0, 6, 6, 1)
    ]  # fmt: skip


def test_short_spells_go_to_the_likelier_neighbour():
    codes = np.array([0, 0, 0, 1, 2, 2, 2, 0])
    values = np.full((8, 3), 1 / 3)
    values[3] = [0.3, 0.5, 0.2]
    assert lasting(codes, values, [0, 8], 2).tolist() == [0, 0, 0, 0, 2, 2, 2, 0]
    values[3] = [0.2, 0.5, 0.3]
    assert lasting(codes, values, [0, 8], 2).tolist() == [0, 0, 0, 2, 2, 2, 2, 0]
    # the last spell has one row, but nobody knows how long it goes on
    assert lasting(codes, values, [0, 8], 3)[-1] == 0
    assert codes.tolist() == [0, 0, 0, 1, 2, 2, 2, 0]


def test_options(gnp):
    longer = gnp.turning_points(min_duration=3)
    assert "1981Q1" not in [str(end) for end in longer.frame["end"]]  # two quarters of expansion
    assert longer.frame["duration"].iloc[1:-1].min() >= 3
    real_time = gnp.turning_points("filtered", threshold=0.8)
    filtered = gnp.filtered_marginal_probabilities
    starts = real_time.frame["start"].iloc[1:]
    assert (filtered.loc[starts].max(axis=1) >= 0.8).all()
    path = gnp.turning_points("viterbi")
    assert (path.states.dropna() == gnp.viterbi().dropna()).all()
    upside_down = gnp.turning_points(low="h2").cycles
    assert str(upside_down["trough"].iloc[0]) == "1953Q2"
    assert upside_down["peak"].isna().tolist() == [True] + [False] * 7


def test_three_regimes_and_sequences():
    found = case("short").turning_points()
    with pytest.raises(SpecificationError, match="need two regimes; got 3"):
        _ = found.cycles
    with pytest.raises(SpecificationError, match="low goes with two regimes"):
        case("short").turning_points(low="h1")
    frame = case("sequences").turning_points().frame
    assert frame["sequence"].unique().tolist() == ["a", "b", "c"]
    assert frame.groupby("sequence")["duration"].sum().tolist() == [40, 20, 30]
    assert not frame.groupby("sequence")["complete"].first().any()


def test_table_and_picture(gnp):
    text = str(gnp.turning_points(threshold=0.7, min_duration=2))
    for words in ("Regimes by date", "Peaks and troughs", "1953Q3", "reaches 0.7", "fewer than 2"):
        assert words in text
    pytest.importorskip("matplotlib").use("Agg")
    import matplotlib.pyplot as plt

    fig = gnp.turning_points().plot()
    shades = [part.get_paths() for part in fig.axes[0].collections]
    assert sum(len(spans) for spans in shades) == 15  # one a spell
    plt.close(fig)
    fig = case("short").turning_points("viterbi").plot()
    assert len(fig.axes) == 3
    plt.close(fig)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"kind": "smothed"}, "Did you mean 'smoothed'"),
        ({"threshold": 1.5}, "threshold must lie strictly between 0 and 1"),
        ({"kind": "viterbi", "threshold": 0.6}, "no probabilities to compare"),
        ({"min_duration": 0}, "min_duration must be at least 1"),
        ({"low": "h3"}, "low must be one of h1, h2"),
    ],
)
def test_refusals(gnp, options, words):
    with pytest.raises(SpecificationError, match=words):
        gnp.turning_points(**options)
