"""Sequences, categories and labels: how data get in."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN
from rnnstats.data import Endog
from rnnstats.errors import DataError

YEARS = pd.period_range("2000", periods=4, freq="Y", name="year")
BOTH = pd.MultiIndex.from_tuples(
    [("us", year) for year in YEARS] + [("at", year) for year in YEARS[1:]], names=["land", "year"]
)
NUMBERS = np.array([1.0, 2.0, 4.0, 1.0, 0.0, 3.0, 2.0])
PARAMS = {"p[h1->h1]": 0.8, "p[h2->h1]": 0.3, "mean[n,h1]": 1.0, "mean[n,h2]": 3.0}


def test_five_ways_to_say_the_same() -> None:
    frame = pd.DataFrame({"n": NUMBERS, "land": ["us"] * 4 + ["at"] * 3})
    ways = [
        MarkovRNN(pd.Series(NUMBERS, index=BOTH, name="n"), emission="poisson"),
        MarkovRNN(pd.Series(NUMBERS, index=BOTH, name="n"), emission="poisson", groups="land"),
        MarkovRNN(frame, emission="poisson", groups="land"),
        MarkovRNN(frame["n"], emission="poisson", groups=frame["land"]),
        MarkovRNN(frame[["n"]], emission="poisson", groups=frame["land"].to_numpy()),
    ]
    for model in ways:
        assert model.groups_labels == ("us", "at")
        assert model.endog.first_rows == (0, 4)
        np.testing.assert_array_equal(model.offsets, [0, 4, 7])
    values = {model.loglike(PARAMS) for model in ways}
    assert len(values) == 1
    one = MarkovRNN(frame["n"], emission="poisson").loglike(PARAMS)
    assert abs(one - values.pop()) > 1e-3
    assert ways[0].smooth(PARAMS).smoothed.index.equals(BOTH)


def test_every_sequence_has_a_time_of_its_own() -> None:
    dates = YEARS.append(YEARS[1:])
    series = pd.Series(NUMBERS, index=dates, name="n")
    with pytest.raises(DataError, match="each label once"):
        MarkovRNN(series, emission="poisson")
    model = MarkovRNN(series, emission="poisson", groups=[0] * 4 + [1] * 3)
    endog = model.endog
    assert endog.future_index(2).tolist() == [pd.Period("2004"), pd.Period("2005")]
    assert endog.location("2002", caller="predict") == 5
    assert endog.location(2, caller="predict") == 2
    assert endog.location(-1, caller="predict") == 6
    two = MarkovRNN(pd.Series(NUMBERS, index=BOTH, name="n"), emission="poisson").endog
    assert two.future_index(1).tolist() == [("at", pd.Period("2004"))]
    assert two.location(("us", pd.Period("2001", "Y-DEC")), caller="predict") == 1
    wrong = pd.Series(NUMBERS, index=dates[::-1], name="n")
    with pytest.raises(DataError, match="must increase"):
        MarkovRNN(wrong, emission="poisson", groups=[0] * 3 + [1] * 4)
    exog = pd.Series(NUMBERS, index=dates, name="x")
    assert MarkovRNN(series, exog, groups=[0] * 4 + [1] * 3).exog is not None


def test_groups_refused() -> None:
    y = np.arange(6.0)
    with pytest.raises(DataError, match=r"must be together.* got 'a' again in row 4"):
        MarkovRNN(y, groups=list("aabbab"))
    with pytest.raises(DataError, match=r"got 1 again in row 2"):  # no np.int64(1)
        MarkovRNN(y, groups=[1, 2, 1, 2, 1, 2])
    with pytest.raises(DataError, match="one label for each of the 6 rows of endog; got 2"):
        MarkovRNN(y, groups=["a", "b"])
    with pytest.raises(DataError, match=r"each of the 6 rows of endog; got shape \(6, 2\)"):
        MarkovRNN(y, groups=np.array([list("aaabbb")] * 2).T)
    with pytest.raises(DataError, match="got none in row 1"):
        MarkovRNN(y, groups=["a", None, "a", "b", "b", "b"])
    with pytest.raises(DataError, match="must name a column of endog or a level"):
        MarkovRNN(pd.DataFrame({"y": y}), groups="land")
    with pytest.raises(DataError, match="one label a row; got 3"):
        MarkovRNN(y, groups=3)
    with pytest.raises(DataError, match="must have the index of endog"):
        MarkovRNN(pd.Series(y, index=list("abcdef")), groups=pd.Series(y, index=list("ghijkl")))
    with pytest.raises(DataError, match="sequence 'b' must have more rows than order=2; got 2"):
        MarkovRNN(y, groups=list("aaaabb"), order=2)
    with pytest.raises(DataError, match="must have a column besides that of groups; got 'g' only"):
        MarkovRNN(pd.DataFrame({"g": y}), groups="g")


@pytest.mark.parametrize(
    ("values", "levels", "codes"),
    [
        (["b", "a", None, "b"], ("a", "b"), [1, 0, np.nan, 1]),
        ([2.0, 1.0, np.nan, 2.0], (1.0, 2.0), [1, 0, np.nan, 1]),
        ([True, False, True, True], (False, True), [1, 0, 1, 1]),
        (pd.Categorical(list("baab"), categories=["b", "c", "a"]), ("b", "a"), [0, 1, 1, 0]),
        (np.array([["b"], ["a"], ["b"], ["b"]]), ("a", "b"), [1, 0, 1, 1]),
    ],
)
def test_categories_and_their_order(values: object, levels: tuple, codes: list[float]) -> None:
    model = MarkovRNN(values, emission="categorical")
    assert model.levels == {"y": levels}
    np.testing.assert_array_equal(model.endog.values[:, 0], codes)
    first = {"a": "a", "b": "b", 1.0: "1", False: "False"}[levels[0]]
    assert f"prob[y={first},h1]" in model.param_names
    series = MarkovRNN(
        pd.Series(values) if np.ndim(values) == 1 else values, emission="categorical"
    )
    np.testing.assert_array_equal(series.endog.values[:, 0], codes)
    theta = np.full(len(model.param_names), 0.4)
    twin = model.clone(model.endog)
    assert twin.loglike(theta) == model.loglike(theta)


def test_categories_given() -> None:
    emission = {"family": "categorical", "levels": ["low", "mid", "high"]}
    model = MarkovRNN(["low", "high", "low"], emission=emission)
    assert model.levels == {"y": ("low", "mid", "high")}
    np.testing.assert_array_equal(model.endog.values[:, 0], [0, 2, 0])
    other = model.clone(["mid", "low"])
    np.testing.assert_array_equal(other.endog.values[:, 0], [1, 0])
    with pytest.raises(DataError, match="must hold the categories 'low', 'mid', 'high'; got 'top'"):
        model.clone(["low", "top"])
    with pytest.raises(DataError, match="categories with different names"):
        MarkovRNN([1, "1", 1], emission="categorical")
    with pytest.raises(ValueError, match="categories of 'y' must be given"):
        MarkovRNN(Endog.from_input([0.0, 1.0]), emission="categorical")
