"""The bundled series: shapes, labels, and values that can be looked up in print."""

from __future__ import annotations

import hashlib
import re

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
    ("earthquakes", (107,), "1900", "2006", ("1943", None, 41.0)),
    ("seatbelts", (192, 8), "1969-01", "1984-12", ("1969-01", "DriversKilled", 107)),
    ("hamilton", (135, 2), "1951Q2", "1984Q4", ("1951Q2", "rgnp_growth", 2.59316421)),
    ("fedfunds", (226, 3), "1954Q3", "2010Q4", ("1981Q2", "fedfunds", 17.78)),
    ("filardo", (519, 2), "1948-02", "1991-04", ("1991-04", "dlip", 0.285306898)),
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


@pytest.mark.parametrize(
    ("name", "last", "first_row"), [("geyser", 299, [80, 4.0166667]), ("areturns", 521, 1.60864139)]
)
def test_series_without_dates_are_numbered_from_one(name, last, first_row):
    data = getattr(datasets, name)()
    assert data.index.equals(pd.RangeIndex(1, last + 1))
    assert np.array_equal(data.loc[1], first_row)


def test_eruptions_of_three_minutes_and_more_are_those_of_the_book():
    # Zucchini and MacDonald (2009), section 13.2: 194 long ones of 299
    assert (datasets.geyser()["duration"] >= 3).sum() == 194


def test_belts_are_compulsory_from_february_1983():
    law = datasets.seatbelts()["law"]
    assert law[:"1983-01"].eq(0).all()
    assert law["1983-02":].eq(1).all()


def test_genome_of_the_phage_has_its_length_composition_and_known_sites():
    bases = datasets.phage_lambda()
    assert list(bases.cat.categories) == ["A", "C", "G", "T"]
    assert bases.index.equals(pd.RangeIndex(1, 48503))
    # GenBank NC_001416.1
    assert bases.value_counts().loc[list("ACGT")].tolist() == [12334, 11362, 12820, 11986]
    sequence = "".join(bases)
    # the cohesive end of 12 bases (Wu and Taylor 1971)
    assert sequence.startswith("GGGCGGCGACCT")
    # EcoRI cuts after G of GAATTC into pieces of these lengths: the marker sold as lambda/EcoRI
    sites = [m.start() + 1 for m in re.finditer("GAATTC", sequence)]
    pieces = np.diff([0, *sites, len(sequence)])
    assert sorted(pieces, reverse=True) == [21226, 7421, 5804, 5643, 4878, 3530]


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
    mine.iloc[:] = "A" if name == "phage_lambda" else 0
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
    bundled = [
        "L01", "L09", "A01", "A02", "A04", "A07", "A12", "N01",
        "H01", "H04", "H10", "M01", "M03", "M05", "M07",
    ]  # fmt: skip
    for identifier in bundled:
        for file, checksum in cases[identifier]["sha256_16"].items():
            if file.endswith(".csv"):
                content = cases.path(file).read_bytes()
                assert hashlib.sha256(content).hexdigest()[:16] == checksum, file
                checked.add(file)
    assert len(checked) == 19


def test_file_that_no_case_names_is_an_error(cases):
    with pytest.raises(FileNotFoundError, match="no reference case names data/nil"):
        cases.path("data/nil.csv")


def test_file_that_may_not_be_copied_is_skipped_with_its_licence(cases, monkeypatch):
    monkeypatch.setattr(type(cases), "FOLDERS", cases.FOLDERS[:2])
    with pytest.raises(pytest.skip.Exception, match=r"may not be redistributed .*KFAS"):
        cases.path("data/alcohol_kfas.csv")
