"""The bundled series: shapes, labels, and values that can be looked up in print."""

from __future__ import annotations

import hashlib

import numpy as np
import pandas as pd
import pytest

from rnnstats import datasets

FUNCTIONS = [name for name in datasets.__all__ if name != "catalogue"]

# name, shape, first and last label, (row, column, value) found in the sources
PRINTED = [
    ("us_macro", (203, 12), "1959Q1", "2009Q3", ("1959Q1", "realgdp", 2710.349)),
    ("nile", (100,), "1871", "1970", ("1913", None, 456.0)),
    ("sunspots", (309,), "1700", "2008", ("1957", None, 190.2)),
    ("lynx", (114,), "1821", "1934", ("1904", None, 6991.0)),
    ("lutkepohl", (92, 3), "1960Q1", "1982Q4", ("1960Q1", "inv", 180)),
    ("lake_huron", (98,), "1875", "1972", ("1964", None, 575.96)),
    ("presidents", (120,), "1945Q1", "1974Q4", ("1945Q2", None, 87.0)),
]


@pytest.mark.parametrize(("name", "shape", "first", "last", "cell"), PRINTED)
def test_shape_labels_and_a_printed_value(name, shape, first, last, cell):
    data = getattr(datasets, name)()
    assert data.shape == shape
    assert isinstance(data.index, pd.PeriodIndex)
    assert (str(data.index[0]), str(data.index[-1])) == (first, last)
    assert data.index.equals(pd.period_range(first, last, freq=data.index.freq))
    row, column, value = cell
    assert (data[row] if column is None else data.loc[row, column]) == value


def test_hormone_is_numbered_from_one():
    data = datasets.lh()
    assert list(data.index[[0, -1]]) == [1, 48]
    assert data.loc[1] == 2.4
    assert data.mean() == pytest.approx(2.4, abs=1e-12)  # printed: mean 2.400


def test_missing_quarters_of_the_presidents():
    missing = datasets.presidents().isna()
    assert list(missing[missing].index.astype(str)) == [
        "1945Q1", "1948Q3", "1948Q4", "1952Q3", "1972Q3", "1972Q4",
    ]  # fmt: skip


def test_inflation_is_that_of_the_price_index():
    data = datasets.us_macro()
    growth = 400 * np.log(data["cpi"]).diff()
    # the source rounds inflation to two decimals
    np.testing.assert_allclose(data["infl"].iloc[1:], growth.iloc[1:], atol=0.00501)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_call_gives_a_table_of_ones_own(name):
    read = getattr(datasets, name)
    before, mine = read(), read()
    mine.iloc[:] = 0
    assert not mine.equals(before)
    assert read().equals(before)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_docstring_names_source_licence_and_shape(name):
    text = getattr(datasets, name).__doc__
    assert "Source: " in text
    assert "Licence:" in text
    assert str(getattr(datasets, name)().shape) in text


def test_catalogue_lists_every_function():
    table = datasets.catalogue()
    assert sorted(table.index) == sorted(FUNCTIONS)
    assert table.loc["presidents", "missing"] == 6
    assert table.loc["us_macro", ["rows", "columns"]].tolist() == [203, 12]
    assert not table.isna().any().any()
    assert (table["licence"].str.len() > 10).all()


def test_files_are_those_of_the_reference_cases(cases):
    """The bundled copies have the checksums that the reference cases state."""
    checked = set()
    for identifier in ("L01", "L09", "A01", "A02", "A04", "A07", "A12", "N01"):
        for file, checksum in cases[identifier]["sha256_16"].items():
            if file.endswith(".csv"):
                content = cases.path(file).read_bytes()
                assert hashlib.sha256(content).hexdigest()[:16] == checksum, file
                checked.add(file)
    assert len(checked) == 9


def test_file_that_no_case_names_is_an_error(cases):
    with pytest.raises(FileNotFoundError, match="no reference case names data/nil"):
        cases.path("data/nil.csv")


def test_file_that_may_not_be_copied_is_skipped_with_its_licence(cases, monkeypatch):
    monkeypatch.setattr(type(cases), "FOLDERS", cases.FOLDERS[:2])
    with pytest.raises(pytest.skip.Exception, match=r"may not be redistributed .*KFAS"):
        cases.path("data/alcohol_kfas.csv")
