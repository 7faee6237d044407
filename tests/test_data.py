"""The data door: what goes in, what is refused in which words, where a date lies."""

from __future__ import annotations

import datetime
import decimal
import fractions
import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rnnstats import LinearRNN
from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, IndexWarning, SpecificationError

QUARTERS = pd.period_range("1960Q1", periods=4, freq="Q")
NAN = np.nan


def refused(data) -> str:
    """Give the words in which data are refused, after checking their form."""
    with pytest.raises(DataError) as caught:
        Endog.from_input(data, caller="LinearRNN")
    words = str(caught.value)
    assert words.startswith("LinearRNN: ")
    assert "; got " in words or " holds " in words or " is missing " in words
    return words


# ---------------------------------------------------------------------------- what goes in


@pytest.mark.parametrize(
    "data",
    [
        [1, 2, NAN, 4],
        (1, 2, None, 4),
        [1, 2, pd.NA, 4],
        [True, fractions.Fraction(2), decimal.Decimal("NaN"), decimal.Decimal(4)],
        np.array([1, 2, NAN, 4], dtype=np.float32),
        np.array([1, 2, None, 4], dtype=object),
        np.ma.array([1, 2, 3, 4], mask=[0, 0, 1, 0]),
        pd.array([1, 2, None, 4], dtype="Int64"),
        pd.Series([1, 2, None, 4], dtype="Int8"),
        pd.Series([1, 2, None, 4], dtype="Float64"),
        pd.Series([1, 2, None, 4], dtype=object),
        pd.Series([1, 2, pd.NA, np.int64(4)], dtype=object),
        pd.Series([1.0, 2.0, NAN, 4.0], index=QUARTERS),
        pd.Series(pd.arrays.SparseArray([1.0, 2.0, NAN, 4.0])),
        pd.Series([1, 2, None, 4]).astype("category"),
    ],
    ids=lambda data: f"{type(data).__name__}-{getattr(data, 'dtype', '')}",
)
def test_one_dimension_of_any_type(data):
    endog = Endog.from_input(data)
    np.testing.assert_array_equal(endog.values, np.array([[1.0], [2.0], [NAN], [4.0]]))
    assert endog.is_series
    assert endog.names == ("y",)
    assert (endog.nobs, endog.k_endog, endog.nobs_observed) == (4, 1, 3)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (np.array([True, False]), [1.0, 0.0]),
        (pd.Series([True, None], dtype="boolean"), [1.0, NAN]),
        (np.array([3, 250], dtype=np.uint8), [3.0, 250.0]),
        (range(2), [0.0, 1.0]),
        (pd.Index([5, 6]), [5.0, 6.0]),
        (np.array([np.float64(1), np.bool_(True)], dtype=object), [1.0, 1.0]),
    ],
)
def test_truth_values_and_integers(data, expected):
    np.testing.assert_array_equal(Endog.from_input(data).values[:, 0], expected)


def test_table_keeps_names_index_and_missing_rows():
    table = pd.DataFrame({"a": [1, 2, 3, 4], "b": [NAN, 1.5, NAN, 2]}, index=QUARTERS)
    table["c"] = pd.array([1, None, None, 2], dtype="Int64")
    table.iloc[2] = None
    endog = Endog.from_input(table)
    expected = [[1, NAN, 1], [2, 1.5, NAN], [NAN] * 3, [4, 2, 2]]
    np.testing.assert_array_equal(endog.values, expected)
    assert endog.names == ("a", "b", "c")
    assert endog.index.equals(QUARTERS)
    assert not endog.is_series
    assert endog.nobs_observed == 7


def test_unnamed_columns_are_numbered_and_tuples_joined():
    assert Endog.from_input(np.ones((2, 3))).names == ("y1", "y2", "y3")
    assert Endog.from_input(pd.DataFrame(np.ones((2, 2)))).names == ("y1", "y2")
    assert Endog.from_input(np.ones((2, 1))).names == ("y",)
    assert not Endog.from_input(np.ones((2, 1))).is_series
    assert Endog.from_input(pd.DataFrame({("a", 1): [1], ("b", 2): [1]})).names == ("a_1", "b_2")
    assert Endog.from_input(pd.Series([1.0], name="cpi")).names == ("cpi",)


def test_result_is_a_read_only_copy_in_c_order():
    data = np.asfortranarray(np.arange(6.0).reshape(3, 2))
    data.setflags(write=False)
    endog = Endog.from_input(data)
    assert endog.values.flags.c_contiguous
    assert endog.values.dtype == np.float64
    assert not np.shares_memory(endog.values, data)
    with pytest.raises(ValueError, match="read-only"):
        endog.values[0, 0] = 1
    with pytest.raises(AttributeError):
        endog.values = data


def test_input_is_not_changed_and_later_changes_do_not_arrive():
    frame = pd.DataFrame({"a": [1.0, 2.0, NAN]}, index=pd.date_range("2000", periods=3, freq="MS"))
    before = frame.copy(deep=True)
    endog = Endog.from_input(frame)
    exog = Exog.from_input(frame.fillna(0), endog, caller="f")
    endog.extended_with(np.ones((2, 1)))
    pd.testing.assert_frame_equal(frame, before, check_freq=True)
    frame.index.name = "month"
    frame.loc[:, "a"] = 7.0
    assert endog.index.name is None
    assert endog.values[0, 0] == 1
    assert exog.values[0, 0] == 1


def test_checked_data_pass_through():
    endog = Endog.from_input([1, 2])
    assert Endog.from_input(endog) is endog
    exog = Exog.from_input([1, 2], endog, caller="f")
    assert Exog.from_input(exog, endog, caller="f") is exog
    assert Exog.from_input(None, endog, caller="f") is None


@given(st.lists(st.one_of(st.none(), st.integers(-(10**6), 10**6), st.floats(-1e9, 1e9))))
def test_lists_arrive_number_for_number(data):
    if any(value is not None for value in data):
        expected = [NAN if value is None else float(value) for value in data]
        np.testing.assert_array_equal(Endog.from_input(data).values[:, 0], expected)
    else:
        assert (
            "got shape (0, 1)" in refused(data) if not data else "missing in all" in refused(data)
        )


# ---------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ([], "at least one row and one column; got shape (0, 1)"),
        ([[]], "got shape (1, 0)"),
        (pd.DataFrame({"a": []}), "got shape (0, 1)"),
        (pd.DataFrame(index=[0, 1]), "got shape (2, 0)"),
        (np.zeros((2, 2, 2)), "got 3 dimensions"),
        (np.zeros(()), "one or two dimensions"),
        (3.0, "got float"),
        ("nile", "got str"),
        ({"a": [1]}, "got dict"),
        (None, "got NoneType"),
        ((i for i in range(3)), "got generator"),
        ([1, "a"], "column 'y' holds 'a' (str) at row 1"),
        ([[1, 2], [3]], "column 'y' holds [1, 2] (list) at row 0"),
        (np.array(["1", "2"]), "column 'y' holds '1' (str) at row 0"),
        (np.array([1, 2j]), "column 'y' holds (1+0j) (complex) at row 0"),
        ([1, np.complex128(2)], "(complex128) at row 1"),
        ([1, 10**400], "(int) at row 1"),
        (np.array(["2000-01-01"], dtype="M8[ns]"), "datetime64) at row 0"),
        (np.array([1], dtype="m8[s]"), "timedelta64) at row 0"),
        (np.array([(1, 2)], dtype=[("a", int), ("b", int)]), "(tuple) at row 0"),
        (pd.Series(pd.date_range("2000", periods=2)), "(Timestamp) at 0"),
        (pd.Series(["a", "b"], dtype="category"), "holds 'a' (str) at 0"),
        (pd.Series([1, "3,2", "x", 4], index=QUARTERS), "holds '3,2' (str) at 1960Q2"),
        (pd.Series([None, "x", 1, 2], index=QUARTERS, dtype="string"), "holds 'x' (str) at 1960Q2"),
        ([1, np.inf, -np.inf], "column 'y' holds inf at row 1. Use NaN"),
        (pd.Series([1, 2, -np.inf, 4], index=QUARTERS, name="cpi"), "'cpi' holds -inf at 1960Q3"),
        ([NAN, NAN], "column 'y' is missing in all 2 rows"),
        ([None, None], "column 'y' is missing in all 2 rows"),
        ([[1, NAN], [2, NAN]], "column 'y2' is missing in all 2 rows"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "different names; got 'a' twice"),
        (pd.DataFrame([[1, 2]], columns=[1, "1"]), "different names; got '1' twice"),
    ],
)  # fmt: skip
def test_values_that_are_refused(data, words):
    assert words in refused(data)


def test_first_offence_is_the_earliest_row():
    table = pd.DataFrame({"a": [1, 1, np.inf, 1], "b": [1, np.inf, 1, 1]}, index=QUARTERS)
    assert "column 'b' holds inf at 1960Q2" in refused(table)


DAYS = pd.date_range("2000-01-01", periods=3)


@pytest.mark.parametrize(
    ("index", "words"),
    [
        ([1, 2, 2], "each label once; got 2 in rows 1 and 2"),
        (["a", "b", "a"], "each label once; got a in rows 0 and 2"),
        (DAYS[[0, 0, 1]], "each label once; got 2000-01-01 in rows 0 and 1"),
        ([3, 2, 1], "must increase; got 2 after 3. Use endog.sort_index()"),
        ([1.0, 3.0, 2.5], "must increase; got 2.5 after 3.0"),
        (DAYS[[0, 2, 1]], "must increase; got 2000-01-02 after 2000-01-03"),
        (QUARTERS[[1, 2, 0]], "must increase; got 1960Q1 after 1960Q3"),
        (["2000-01-01", "2000-03-01", "2000-02-01"], "got 2000-02-01 after 2000-03-01"),
        ([1, NAN, 2], "no missing labels; got nan in row 1"),
        (DAYS.insert(1, pd.NaT)[:3], "no missing labels; got NaT in row 1"),
        (pd.MultiIndex.from_product([[1], [1, 2, 3]]), "have one level; got 2 levels"),
    ],
)
def test_indexes_that_are_refused(index, words):
    assert words in refused(pd.Series([1.0, 2.0, 3.0], index=index))


def test_labels_without_an_order_in_time_may_come_in_any_order():
    endog = Endog.from_input(pd.Series([1.0, 2.0], index=["Feb", "Jan"]))
    assert list(endog.index) == ["Feb", "Jan"]


def test_skipped_periods_are_told():
    data = pd.Series([1.0, 2.0, 3.0], index=QUARTERS[[0, 1, 3]])
    with pytest.warns(IndexWarning, match="skips 1 of the periods between 1960Q1 and 1960Q4"):
        endog = Endog.from_input(data)
    assert endog.location("1960Q4", caller="f") == 2
    assert endog.location("1961Q1", caller="f") == 3
    with pytest.raises(SpecificationError, match="got '1960Q3'"):
        endog.location("1960Q3", caller="f")


# ---------------------------------------------------------------------------- exog


def endog_of_quarters() -> Endog:
    return Endog.from_input(pd.Series([1.0, 2.0, NAN, 4.0], index=QUARTERS))


@pytest.mark.parametrize(
    ("exog", "names"),
    [
        (pd.Series([1, 2, 3, 4], index=QUARTERS, name="gdp"), ("gdp",)),
        (pd.Series([1, 2, 3, 4], index=QUARTERS, dtype="Int64"), ("x",)),
        (np.arange(1, 5), ("x",)),
        ([[1], [2], [3], [4]], ("x",)),
    ],
)
def test_exog_of_any_type(exog, names):
    checked = Exog.from_input(exog, endog_of_quarters(), caller="f")
    np.testing.assert_array_equal(checked.values, [[1.0], [2.0], [3.0], [4.0]])
    assert checked.names == names
    assert checked.k_exog == 1
    assert not checked.values.flags.writeable


def test_exog_columns_without_names():
    assert Exog.from_input(np.ones((4, 2)), endog_of_quarters(), caller="f").names == ("x1", "x2")


@pytest.mark.parametrize(
    ("exog", "words"),
    [
        ([1, 2, 3], "one row for each of the 4 rows of endog; got 3 rows"),
        (pd.Series([1, 2, 3], index=QUARTERS[:3]), "got 3 rows"),
        ([1, 2, NAN, 4], "must not have missing values; column 'x' is missing at row 2"),
        (pd.DataFrame({"a": 1.0, "b": [1, 2, 3, NAN]}, index=QUARTERS), "'b' is missing at 1960Q4"),
        (pd.Series([1, 2, 3, 4]), "row 0 is 0 where endog has 1960Q1 (Period)"),
        (pd.Series([1, 2, 3, 4], index=QUARTERS + 1), "row 0 is 1960Q2 (Period) where endog has"),
        (pd.Series([1, 2, 3, 4], index=QUARTERS.to_timestamp()),
         "row 0 is 1960-01-01 (Timestamp) where endog has 1960Q1 (Period)"),
        ([1, 2, np.inf, 4], "exog must be finite; column 'x' holds inf at row 2"),
        (["a", 2, 3, 4], "exog must hold real numbers; column 'x' holds 'a' (str) at row 0"),
        (pd.Series([1, 2, 3, 4], index=QUARTERS[[0, 1, 1, 2]]), "index of exog must have each"),
    ],
)  # fmt: skip
def test_exog_that_is_refused(exog, words):
    with pytest.raises(DataError) as caught:
        Exog.from_input(exog, endog_of_quarters(), caller="LinearRNN")
    assert str(caught.value).startswith("LinearRNN: ")
    assert words in str(caught.value)


def test_index_of_exog_is_free_where_endog_has_none():
    exog = pd.Series([1, 2], index=QUARTERS[:2])
    assert Exog.from_input(exog, Endog.from_input([1, 2]), caller="f").values[1, 0] == 2


def inputs() -> tuple[Exog, pd.PeriodIndex]:
    table = pd.DataFrame({"a": [1, 2, 3, 4], "b": [5, 6, 7, 8]}, index=QUARTERS)
    return Exog.from_input(table, endog_of_quarters(), caller="f"), QUARTERS[:2] + 4


def test_future_inputs_are_matched_by_column_and_row():
    exog, index = inputs()
    expected = [[10.0, 30.0], [20.0, 40.0]]
    table = pd.DataFrame({"b": [30, 40], "other": ["?", "!"], "a": [10, 20]}, index=index)
    longer = pd.concat([table.set_axis(QUARTERS[2:]) * 2, table])
    for given_ in (table, longer, table.reset_index(drop=True), np.array(expected), expected):
        result = exog.future(given_, 2, index, caller="forecast")
        np.testing.assert_array_equal(result, expected)
        assert not result.flags.writeable
    np.testing.assert_array_equal(exog.future([1, 2], 1, index[:1], caller="f"), [[1.0, 2.0]])
    assert exog.future(None, 0, index[:0], caller="f").shape == (0, 2)
    grown = exog.extended_with(exog.future(table, 2, index, caller="f"))
    assert grown.values.shape == (6, 2)
    assert grown.names == ("a", "b")
    assert not grown.values.flags.writeable


@pytest.mark.parametrize(
    ("given_", "words"),
    [
        (None, "exog must give 'a', 'b' for the 2 periods 1961Q1 to 1961Q2; got None"),
        (pd.DataFrame({"a": [1, 2]}), "must have the columns 'a', 'b'; got 'a', without 'b'"),
        ([[1, 2]], "must have shape (2, 2): 2 later periods of 'a', 'b'; got (1, 2)"),
        ([1, 2], "got (2, 1)"),
        ([[1, 2], [3, NAN]], "values; column 'b' is missing at row 1. Fill it."),
        (pd.DataFrame({"a": [1, 2], "b": [1, None]}), "column 'b' is missing at 1"),
        (pd.DataFrame({"a": [1, 2], "b": [1, 2]}, index=QUARTERS[:2]),
         "must have a row for 1961Q1 (Period); got rows 1960Q1 (Period) to 1960Q2 (Period)"),
    ],
)  # fmt: skip
def test_future_inputs_that_are_refused(given_, words):
    exog, index = inputs()
    with pytest.raises(DataError) as caught:
        exog.future(given_, 2, index, caller="forecast")
    assert str(caught.value).startswith("forecast: ")
    assert words in str(caught.value)


def test_missing_inputs_are_called_by_the_name_of_their_argument():
    endog = Endog.from_input(pd.Series([1.0, 2.0, 4.0], index=QUARTERS[:3]))
    words = "f: exog_transition must not have missing values; column 'x' is missing at row 1. "
    with pytest.raises(DataError, match=words + "Fill it, or drop that row from endog and exog_tr"):
        Exog.from_input([1, NAN, 2], endog, caller="f", what="exog_transition")
    known = Exog.from_input([1, 3, 2], endog, caller="f", what="exog_transition")
    later = {"caller": "f", "what": "exog_transition"}
    with pytest.raises(DataError, match=words + "Fill it.$"):
        known.future([1, NAN], 2, endog.future_index(2), **later)


def test_future_inputs_of_one_column_may_be_flat():
    endog = endog_of_quarters()
    exog = Exog.from_input([1, 2, 3, 4], endog, caller="f")
    index = endog.future_index(3)
    for given_ in ([5, 6, 7], pd.Series([5, 6, 7]), pd.Series([5, 6, 7], index=index)):
        np.testing.assert_array_equal(exog.future(given_, 3, index, caller="f")[:, 0], [5, 6, 7])


# ---------------------------------------------------------------------------- labels


def test_labelled_follows_the_shape_of_the_input():
    series = Endog.from_input(pd.Series([1.0, 2.0], index=QUARTERS[:2], name="cpi"))
    out = series.labelled(np.array([[3.0], [4.0]]))
    pd.testing.assert_series_equal(out, pd.Series([3.0, 4.0], index=QUARTERS[:2], name="cpi"))
    assert series.labelled(np.zeros(2), name="resid").name == "resid"
    named = series.labelled(np.zeros((2, 2)), columns=["h1", "h2"])
    assert list(named.columns) == ["h1", "h2"]
    one = series.labelled(np.zeros((2, 1)), columns=["h1"])
    assert isinstance(one, pd.DataFrame)

    frame = Endog.from_input(np.ones((2, 2)))
    out = frame.labelled(np.zeros((3, 2)), index=pd.RangeIndex(2, 5))
    assert list(out.columns) == ["y1", "y2"]
    assert list(out.index) == [2, 3, 4]
    column = Endog.from_input(np.ones((2, 1)))
    assert isinstance(column.labelled(np.zeros((2, 1))), pd.DataFrame)


def test_labelled_does_not_share_memory():
    values = np.zeros((2, 1))
    for endog in (Endog.from_input([1, 2]), Endog.from_input([[1], [2]])):
        out = endog.labelled(values)
        values[0] = 5
        assert float(np.asarray(out).ravel()[0]) == 0
        values[0] = 0


# ---------------------------------------------------------------------------- what comes after


def at(index) -> Endog:
    return Endog.from_input(pd.Series(np.arange(len(index)) + 1.0, index=index))


CONTINUED = [
    (pd.period_range("1960Q1", periods=4, freq="Q"), ["1961Q1", "1961Q2"]),
    (pd.period_range("1960", periods=4, freq="Y"), ["1964", "1965"]),
    (pd.period_range("1960-01", periods=3, freq="2M"), ["1960-07", "1960-09"]),
    (pd.period_range("1960Q1", periods=4, freq="Q-NOV"), ["1961Q1", "1961Q2"]),
    (pd.date_range("2000-01-31", periods=3, freq=pd.offsets.MonthEnd()),
     ["2000-04-30", "2000-05-31"]),
    (pd.DatetimeIndex(["2000-01-01", "2000-02-01", "2000-03-01"]), ["2000-04-01", "2000-05-01"]),
    (pd.bdate_range("2024-01-01", periods=5), ["2024-01-08", "2024-01-09"]),
    (pd.DatetimeIndex(list(pd.bdate_range("2024-01-01", periods=10))),
     ["2024-01-15", "2024-01-16"]),
    (pd.date_range("2024-03-30", periods=3, tz="Europe/Berlin"),
     ["2024-04-02 00:00:00+02:00", "2024-04-03 00:00:00+02:00"]),
    (pd.date_range("2000-01-01", periods=3, freq="D").as_unit("s"), ["2000-01-04", "2000-01-05"]),
    (pd.RangeIndex(4), ["4", "5"]),
    (pd.RangeIndex(10, 40, 10), ["40", "50"]),
    (pd.Index([1871, 1872, 1873]), ["1874", "1875"]),
    (pd.Index([7]), ["8", "9"]),
    (pd.Index([1, 3, 5], dtype="Int64"), ["7", "9"]),
    (pd.Index([1945.0, 1945.25, 1945.5]), ["1945.75", "1946.0"]),
    (pd.timedelta_range("0s", periods=3, freq="10s"), ["0 days 00:00:30", "0 days 00:00:40"]),
]  # fmt: skip


@pytest.mark.parametrize(("index", "further"), CONTINUED)
def test_future_index_continues(index, further):
    index = index.rename("when")
    result = at(index).future_index(2)
    assert [str(value).removesuffix(" 00:00:00") for value in result] == further
    assert type(result) is type(index)
    assert result.dtype == index.dtype
    assert result.name == "when"
    assert len(at(index).future_index(0)) == 0


@pytest.mark.parametrize(
    "index",
    [
        pd.DatetimeIndex(["2000-01-01", "2000-01-03", "2000-01-04"]),
        pd.DatetimeIndex(["2000-01-01", "2000-02-01"]),
        pd.Index([1, 2, 4]),
        pd.Index(["a", "b", "c"]),
        pd.Index(["2000-01-01", "2000-01-02", "2000-01-03"]),
    ],
)
def test_future_index_is_numbered_where_nothing_says_what_follows(index):
    with pytest.warns(IndexWarning, match=f"future rows are numbered from {len(index)}"):
        result = at(index).future_index(2)
    assert result.equals(pd.RangeIndex(len(index), len(index) + 2))


@pytest.mark.parametrize(
    ("index", "way"),
    [
        (pd.Index(["2000-01-01", "2000-01-02"]), "labels are text: .* = pd.to_datetime(index)."),
        (pd.Index(["1990Q1", "1990Q2"]), "labels are text: .* = pd.PeriodIndex(index, freq='Q')."),
        (pd.Index([datetime.date(2000, 1, 1)]), "are date objects: .* = pd.to_datetime(index)."),
        (pd.Index(["a", 1], dtype=object), "labels are of no type of time: "),
        (pd.DatetimeIndex(["2000-01-01", "2000-02-01", "2000-04-01"]), r"missing.*asfreq('MS')"),
        (pd.DatetimeIndex(["2000-01-01", "2000-02-01"]), "Set index.freq"),
        (pd.Index([1, 2, 4]), "reindex"),
    ],
)
def test_an_index_that_says_nothing_about_what_follows_gets_a_way_out(index, way):
    pattern = re.escape(way).replace(r"\.\*", ".*")
    with pytest.warns(IndexWarning, match=pattern) as told:
        at(index).future_index(2)
    assert told[0].filename == __file__
    with pytest.raises(SpecificationError, match=pattern):
        at(index).location("2100-01-01", caller="predict")


def test_the_way_out_is_one():
    for made in (
        pd.to_datetime(pd.Index([datetime.date(2000, month, 1) for month in (1, 2, 3)])),
        pd.to_datetime(pd.Index(["2000-01-01", "2000-02-01", "2000-03-01"])),
        pd.PeriodIndex(pd.Index(["1990Q1", "1990Q2"]), freq="Q"),
    ):
        assert isinstance(at(made).future_index(1), (pd.DatetimeIndex, pd.PeriodIndex))


@pytest.mark.parametrize("steps", [-1, 1.0, "2", True])
def test_future_index_refuses(steps):
    with pytest.raises(SpecificationError, match="steps must be"):
        at(pd.RangeIndex(3)).future_index(steps)


# ---------------------------------------------------------------------------- where a key lies

MONTHS = pd.period_range("1999-11", periods=6, freq="M")  # to 2000-04
STARTS = pd.date_range("1999-11-01", periods=6, freq="MS")
ENDS = pd.DatetimeIndex(["1999-11-30", "1999-12-31", "2000-01-31", "2000-02-29"])
WORK = pd.bdate_range("2024-01-01", periods=10)  # Monday; to Friday 12th
YEARS = pd.Index(range(1871, 1881))

LOCATIONS = [
    # index, key, row as a start, row as an end (None: refused)
    (QUARTERS, 0, 0, 0),
    (QUARTERS, -1, 3, 3),
    (QUARTERS, np.int64(7), 7, 7),
    (QUARTERS, "1960Q3", 2, 2),
    (QUARTERS, "1960", 0, 3),
    (QUARTERS, "1960-05-17", 1, 1),
    (QUARTERS, "1961", 4, 7),
    (QUARTERS, "1962Q2", 9, 9),
    (QUARTERS, pd.Timestamp("1961-01-01"), 4, 4),
    (QUARTERS, datetime.date(1960, 12, 31), 3, 3),
    (QUARTERS, datetime.datetime(1960, 4, 1), 1, 1),
    (QUARTERS, np.datetime64("1960-04"), 1, 1),
    (QUARTERS, pd.Period("1960Q2"), 1, 1),
    (QUARTERS, pd.Period("1961", "Y"), 4, 7),
    (QUARTERS, pd.Period("1960-08", "M"), 2, 2),
    (QUARTERS, "1959Q4", None, None),
    (QUARTERS, "yesterweek", None, None),
    (QUARTERS, -5, None, None),
    (QUARTERS, True, None, None),
    (QUARTERS, 1.0, None, None),
    (QUARTERS, None, None, None),
    (pd.period_range("1960Q1", periods=4, freq="Q-NOV"), "1960Q2", 1, 1),
    (pd.period_range("1960Q1", periods=4, freq="Q-NOV"), "1961Q2", 5, 5),
    (pd.period_range("2000-01", periods=3, freq="2M"), "2000-07", 3, 3),
    (pd.period_range("2000-01", periods=3, freq="2M"), "2000-08", None, None),
    (pd.period_range("2000-01", periods=3, freq="2M"), "2000-02", None, None),
    (MONTHS, "1999", 0, 1),
    (MONTHS, "2000", 2, 13),
    (MONTHS, "2000Q2", 5, 7),
    (STARTS, "1999", 0, 1),
    (STARTS, "2000", 2, 13),
    (STARTS, "2000-03", 4, 4),
    (STARTS, "2000-03-01", 4, 4),
    (STARTS, "2000-03-02", None, None),
    (STARTS, "2000-04", 5, 5),
    (STARTS, "2000-06", 7, 7),
    (STARTS, "2000-06-01", 7, 7),
    (STARTS, "2000-06-02", None, None),
    (STARTS, pd.Timestamp("2000-07-01"), 8, 8),
    (STARTS, pd.Timestamp("2000-07-01 12:00"), None, None),
    (STARTS, pd.Period("2000-07", "M"), 8, 8),
    (STARTS, pd.Timestamp("2000-01-01", tz="UTC"), None, None),
    (STARTS, 6, 6, 6),
    (ENDS, "2000-02", 3, 3),
    (ENDS, "2000-03", 4, 4),
    (ENDS, "2000-03-31", 4, 4),
    (ENDS, "2000-03-30", None, None),
    (ENDS, datetime.date(1999, 12, 31), 1, 1),
    (WORK, "2024-01-12", 9, 9),
    (WORK, "2024-01-15", 10, 10),
    (WORK, "2024-01-13", None, None),
    (WORK, "2024-01-06", None, None),
    (WORK, "2024-01-22", 15, 15),
    (DAYS[[0, 2]], "2000-01-03", 1, 1),
    (DAYS[[0, 2]], "2000-01-04", None, None),
    (DAYS[[0, 2]], 2, 2, 2),
    (DAYS.tz_localize("UTC"), "2000-01-02", 1, 1),
    (DAYS.tz_localize("UTC"), "2000-01-02T01:00+01:00", 1, 1),
    (DAYS.tz_localize("UTC"), pd.Timestamp("2000-01-02"), 1, 1),
    (DAYS.tz_localize("UTC"), pd.Timestamp("2000-01-05 09:00", tz="Asia/Tokyo"), 4, 4),
    (pd.RangeIndex(5), 3, 3, 3),
    (pd.RangeIndex(5), 9, 9, 9),
    (pd.RangeIndex(5), -2, 3, 3),
    (pd.RangeIndex(5), -6, None, None),
    (pd.RangeIndex(5), "3", None, None),
    (pd.RangeIndex(5), 2.5, None, None),
    (pd.RangeIndex(1, 6), 1, 0, 0),
    (pd.RangeIndex(1, 6), 0, None, None),
    (pd.RangeIndex(1, 6), -1, 4, 4),
    (pd.RangeIndex(1, 6), 6, 5, 5),
    (pd.RangeIndex(0, 50, 10), 20, 2, 2),
    (pd.RangeIndex(0, 50, 10), 60, 6, 6),
    (pd.RangeIndex(0, 50, 10), 5, None, None),
    (YEARS, 1875, 4, 4),
    (YEARS, 1882, 11, 11),
    (YEARS, 0, 0, 0),
    (YEARS, 12, None, None),
    (YEARS, -1, 9, 9),
    (YEARS, "1875", None, None),
    (pd.Index([-2, -1, 0]), -1, 1, 1),
    (pd.Index([-2, -1, 0]), -3, None, None),
    (pd.Index([1, 2, 4]), 4, 2, 2),
    (pd.Index([1, 2, 4]), 3, None, None),
    (pd.Index([1, 2, 4]), 5, None, None),
    (pd.Index([1945.0, 1945.25, 1945.5]), 1945.25, 1, 1),
    (pd.Index([1945.0, 1945.25, 1945.5]), 1946, 4, 4),
    (pd.Index([1945.0, 1945.25, 1945.5]), 1945.3, None, None),
    (pd.Index(["a", "b", "c"]), "b", 1, 1),
    (pd.Index(["a", "b", "c"]), "d", None, None),
    (pd.Index(["a", "b", "c"]), 4, 4, 4),
]


@pytest.mark.parametrize(("index", "key", "start", "end"), LOCATIONS)
def test_location(index, key, start, end):
    endog = at(index)
    for side, row in (("start", start), ("end", end)):
        if row is None:
            with pytest.raises(SpecificationError, match=rf"^predict: {side} must lie in"):
                endog.location(key, caller="predict", side=side)
        else:
            found = endog.location(key, caller="predict", side=side)
            assert found == row
            assert type(found) is int
        if row is not None and row >= len(index):
            with pytest.raises(SpecificationError, match="must lie in the index"):
                endog.location(key, caller="predict", side=side, allow_future=False)


@pytest.mark.parametrize("index", [QUARTERS, STARTS, ENDS, WORK, YEARS, pd.RangeIndex(3, 9, 2)])
def test_location_is_the_inverse_of_the_labels(index):
    endog = at(index)
    labels = [*index, *endog.future_index(5)]
    rows = [endog.location(label, caller="f", side="end") for label in labels]
    assert rows == list(range(len(index) + 5))


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_location_in_dates_of_any_resolution(unit):
    endog = at(STARTS.as_unit(unit))
    sides = ("start", "end")
    assert [endog.location("2000", caller="f", side=side) for side in sides] == [2, 13]
    assert [endog.location("2000-01", caller="f", side=side) for side in sides] == [2, 2]
    assert endog.location(pd.Timestamp("2000-01-01"), caller="f") == 2
    with pytest.raises(SpecificationError, match="must lie in the index"):
        endog.location(pd.Timestamp("2000-01-01 00:00:00.000000001"), caller="f")


def test_location_says_why():
    with pytest.raises(SpecificationError) as caught:
        at(QUARTERS).location("1955", caller="predict", side="end")
    assert str(caught.value) == (
        "predict: end must lie in the index (1960Q1 to 1960Q4) or after it; got '1955'. "
        "Rows are numbered 0 to 3, or -4 to -1 from the end."
    )
    with pytest.raises(SpecificationError, match="dates follow no frequency, so later ones have"):
        at(DAYS[[0, 2]]).location("2001", caller="predict")
    with pytest.raises(SpecificationError, match="Its frequency is MS"):
        at(STARTS).location("2001-01-15", caller="predict")
    with pytest.raises(SpecificationError, match="Whole numbers are labels here"):
        at(pd.RangeIndex(1, 6)).location(0, caller="predict")


def test_a_number_that_may_be_a_year_is_never_a_row_far_away():
    years = pd.period_range("1871", periods=10, freq="Y")
    for index in (YEARS, years, years.to_timestamp()):
        endog = at(index)
        assert endog.location(9, caller="predict") == 9
        with pytest.raises(SpecificationError, match=r"\(1871.* or after it; got 1860"):
            endog.location(1860, caller="predict", side="end")
    with pytest.raises(SpecificationError, match="rows are 0 to 9, or negative"):
        at(YEARS).location(10, caller="predict")
    assert at(YEARS).location(1885, caller="predict", side="end") == 14
    for index in (years, years.to_timestamp()):
        assert at(index).location(10, caller="predict", side="end") == 10
        assert at(index).location("1885", caller="predict", side="end") == 14
        with pytest.raises(SpecificationError, match="For the year write '1885'"):
            at(index).location(1885, caller="predict", side="end")
    assert at(QUARTERS).location(2000, caller="predict", side="end") == 2000


# ---------------------------------------------------------------------------- more rows


@pytest.mark.parametrize("index", [case[0] for case in CONTINUED])
def test_appended_rows_continue_the_index(index):
    whole = at(index.rename("when"))
    part = Endog.from_input(whole.labelled(whole.values).iloc[:-1]) if len(index) > 3 else whole
    more = part.future_index(2)
    new = pd.Series([NAN, 7.0], index=more)
    for given_ in (new, new.to_numpy(), list(new), Endog.from_input(new)):
        grown = part.extended_with(given_)
        assert list(grown.index) == [*part.index, *more]
        assert grown.index.name == "when"
        assert getattr(grown.index, "freq", None) == getattr(part.index, "freq", None)
        np.testing.assert_array_equal(grown.values[:, 0], [*part.values[:, 0], NAN, 7.0])
        assert not grown.values.flags.writeable


def test_appended_columns_are_matched_by_name():
    table = pd.DataFrame({"a": [1.0, 2], "b": [3.0, 4]}, index=QUARTERS[:2])
    endog = Endog.from_input(table)
    new = pd.DataFrame({"b": [NAN, NAN], "a": [NAN, 5]}, index=QUARTERS[2:])
    np.testing.assert_array_equal(endog.extended_with(new).values[2:], [[NAN, NAN], [5, NAN]])
    with pytest.raises(DataError, match=r"^append: endog must have .* got 'b', without 'a'"):
        endog.extended_with(new[["b"]])
    with pytest.raises(
        DataError, match=r"must have the 2 columns of the sample .* got 1\. Give all of them, mis"
    ):
        endog.extended_with([1, 2])
    one = Endog.from_input([1.0, 2.0])
    with pytest.raises(DataError, match=r"the 1 column of the sample \('y'\); got 3\. Give it"):
        one.extended_with(np.ones((2, 3)))


def test_appended_index_must_continue():
    endog = at(QUARTERS[:2])
    with pytest.raises(DataError, match=r"ends at 1960Q2; got 1960Q4 where 1960Q3 is due"):
        endog.extended_with(pd.Series([1.0], index=QUARTERS[3:]))
    with pytest.raises(DataError, match=r"ends at 1960Q2; got 1960Q2 where 1960Q3 is due"):
        endog.extended_with(pd.Series([1.0, 2.0], index=QUARTERS[1:3]))
    irregular = at(DAYS[[0, 2]])
    grown = irregular.extended_with(pd.Series([1.0], index=[pd.Timestamp("2000-02-01")]))
    assert grown.nobs == 3
    with pytest.raises(DataError, match="must increase; got 2000-01-02 after 2000-01-03"):
        irregular.extended_with(pd.Series([1.0], index=[DAYS[1]]))
    with pytest.warns(IndexWarning, match="future rows are numbered from 2"):
        irregular.extended_with([1.0])
    assert list(Endog.from_input([1, 2]).extended_with([3]).index) == [0, 1, 2]


def test_a_warning_names_the_line_that_called_the_package():
    """The outermost call counts, whatever lies between it and the warning."""
    skipping = pd.Series([1.0, 2.0, 4.0], index=QUARTERS[[0, 1, 3]])
    for call in (
        lambda: Endog.from_input(skipping),
        lambda: LinearRNN(skipping, k_states=1),
        lambda: [LinearRNN(one, k_states=1) for one in (skipping,)],
    ):
        with pytest.warns(IndexWarning) as told:
            call()
        assert {warning.filename for warning in told} == {__file__}
