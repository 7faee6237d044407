"""Real time series that come with the package, each with its source, licence and units.

Every function reads its file anew and returns a table of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

__all__ = [
    "catalogue",
    "lake_huron",
    "lh",
    "lutkepohl",
    "lynx",
    "nile",
    "presidents",
    "sunspots",
    "us_macro",
]

_FOLDER = Path(__file__).parent / "data"
_FACTS = "recorded facts; also distributed with R (package datasets, GPL-2 | GPL-3)"
_BSD = "public domain, as distributed with statsmodels (BSD-3-Clause)"


def us_macro() -> pd.DataFrame:
    """United States macroeconomic data, quarterly, 1959Q1 to 2009Q3.

    Returns
    -------
    DataFrame, shape (203, 12)
        Index: PeriodIndex, quarters. Columns:

        - realgdp, realcons, realinv, realgovt, realdpi: gross domestic product, consumption,
          private domestic investment, federal consumption and investment, private disposable
          income; billions of chained 2005 dollars, seasonally adjusted annual rates
        - cpi: consumer price index of all urban consumers at the end of the quarter, 1982-84 = 100
        - m1: money stock M1 at the end of the quarter, billions of dollars
        - tbilrate: three-month treasury bill rate, percent
        - unemp: unemployment rate, percent, seasonally adjusted
        - pop: population at the end of the quarter, millions
        - infl: inflation, 400 times the log difference of cpi, percent a year
        - realint: tbilrate minus infl, percent

        There are no missing values; the first row of infl and realint is 0 in the source, where
        it cannot be computed.

    Notes
    -----
    Source: Federal Reserve Bank of St. Louis, FRED, downloaded by the statsmodels project
    (``statsmodels.datasets.macrodata``). Licence: public domain; the file is distributed with
    statsmodels under BSD-3-Clause.
    """
    table = _read("macrodata.csv")
    quarter = table["year"].astype(int).astype(str) + "Q" + table["quarter"].astype(int).astype(str)
    table.index = pd.PeriodIndex(quarter, freq="Q", name="quarter")
    return table.drop(columns=["year", "quarter"])


def nile() -> pd.Series:
    """Flow of the river Nile at Aswan, yearly, 1871 to 1970.

    Returns
    -------
    Series, shape (100,)
        Volume in 10^8 cubic metres a year. Index: PeriodIndex, years.

    Notes
    -----
    Source: Cobb (1978), Biometrika 65, 243-251; Durbin and Koopman (2012), Time Series Analysis
    by State Space Methods, 2nd ed., chapter 2. Licence: recorded facts, also
    distributed with R as ``datasets::Nile``.
    """
    return _yearly("nile.csv", "year", "volume")


def sunspots() -> pd.Series:
    """Yearly mean number of sunspots, 1700 to 2008.

    Returns
    -------
    Series, shape (309,)
        Mean relative (Wolf) number. Index: PeriodIndex, years.

    Notes
    -----
    Source: National Geophysical Data Center, as downloaded by the statsmodels project
    (``statsmodels.datasets.sunspots``). Licence: public domain; the file is distributed with
    statsmodels under BSD-3-Clause.
    """
    return _yearly("sunspots_statsmodels.csv", "YEAR", "SUNACTIVITY").rename("sunspots")


def lynx() -> pd.Series:
    """Canadian lynx trapped in the Mackenzie River district, yearly, 1821 to 1934.

    Returns
    -------
    Series, shape (114,)
        Number of animals. Index: PeriodIndex, years. Usually modelled as log10.

    Notes
    -----
    Source: Elton and Nicholson (1942), Journal of Animal Ecology 11, 215-244; Campbell and Walker
    (1977), Journal of the Royal Statistical Society A 140, 411-431. Licence: recorded facts,
    also distributed with R as ``datasets::lynx``.
    """
    return _yearly("lynx.csv", "year", "lynx")


def lutkepohl() -> pd.DataFrame:
    """West German investment, income and consumption, quarterly, 1960Q1 to 1982Q4.

    Returns
    -------
    DataFrame, shape (92, 3)
        Fixed investment (inv), disposable income (inc), consumption expenditures (consump);
        billions of Deutsche Mark, seasonally adjusted. Index: PeriodIndex, quarters. The book
        models first differences of logarithms up to 1978Q4.

    Notes
    -----
    Source: Luetkepohl (2005), New Introduction to Multiple Time Series Analysis, file E1, there
    from Deutsche Bundesbank. Licence: public domain; the file is distributed with statsmodels
    (its test data) under BSD-3-Clause.
    """
    table = _read("lutkepohl_e1.csv")
    table.index = pd.PeriodIndex(table["quarter"], freq="Q", name="quarter")
    return table[["inv", "inc", "consump"]]


def lake_huron() -> pd.Series:
    """Level of Lake Huron, yearly, 1875 to 1972.

    Returns
    -------
    Series, shape (98,)
        Level in feet. Index: PeriodIndex, years.

    Notes
    -----
    Source: Brockwell and Davis (1991), Time Series: Theory and Methods, 2nd ed., series A and
    page 555. Licence: recorded facts, also distributed with R as
    ``datasets::LakeHuron``.
    """
    return _yearly("lakehuron.csv", "year", "level")


def lh() -> pd.Series:
    """Luteinizing hormone in the blood of one woman, every ten minutes.

    Returns
    -------
    Series, shape (48,)
        Concentration, in the unit of the source (which does not name it). Index: RangeIndex 1 to
        48, the number of the sample.

    Notes
    -----
    Source: Diggle (1990), Time Series: A Biostatistical Introduction, table A.1, series 3.
    Licence: recorded facts, also distributed with R as ``datasets::lh``.
    """
    values = _read("lh.csv")["lh"]
    values.index = pd.RangeIndex(1, len(values) + 1, name="sample")
    return values


def presidents() -> pd.Series:
    """Approval ratings of the presidents of the United States, quarterly, 1945Q1 to 1974Q4.

    Returns
    -------
    Series, shape (120,)
        Percent who approve; 6 quarters are missing. Index: PeriodIndex, quarters.

    Notes
    -----
    Source: the Gallup Organisation, in McNeil (1977), Interactive Data Analysis. Licence:
    recorded facts, also distributed with R as ``datasets::presidents``.
    """
    values = _read("presidents.csv")["approval"]
    values.index = pd.period_range("1945Q1", periods=len(values), freq="Q", name="quarter")
    return values


_ENTRIES: tuple[tuple[Callable[[], pd.Series | pd.DataFrame], str, str, str], ...] = (
    (us_macro, "billions of 2005 dollars, percent, indexes", "FRED, St. Louis", _BSD),
    (nile, "10^8 cubic metres a year", "Cobb (1978)", _FACTS),
    (sunspots, "relative number", "National Geophysical Data Center", _BSD),
    (lynx, "animals", "Elton and Nicholson (1942)", _FACTS),
    (lutkepohl, "billions of Deutsche Mark", "Luetkepohl (2005), file E1", _BSD),
    (lake_huron, "feet", "Brockwell and Davis (1991)", _FACTS),
    (lh, "not named by the source", "Diggle (1990)", _FACTS),
    (presidents, "percent", "McNeil (1977), from Gallup", _FACTS),
)


def catalogue() -> pd.DataFrame:
    """List the series that come with the package.

    Returns
    -------
    DataFrame
        One row a data set, indexed by the name of its function: title, rows, columns, first and
        last label, number of missing values, units, source, licence.
    """
    rows = []
    for function, units, source, licence in _ENTRIES:
        data = pd.DataFrame(function())
        rows.append(
            {
                "name": function.__name__,
                "title": str(function.__doc__).splitlines()[0].rstrip("."),
                "rows": data.shape[0],
                "columns": data.shape[1],
                "first": str(data.index[0]),
                "last": str(data.index[-1]),
                "missing": int(data.isna().sum().sum()),
                "units": units,
                "source": source,
                "licence": licence,
            }
        )
    return pd.DataFrame(rows).set_index("name")


def _read(file: str) -> pd.DataFrame:
    """Read a file of this package."""
    return pd.read_csv(_FOLDER / file)


def _yearly(file: str, year: str, column: str) -> pd.Series:
    """Read one yearly series."""
    table = _read(file)
    values = table[column].astype(float)
    values.index = pd.PeriodIndex(table[year].astype(int).astype(str), freq="Y", name="year")
    return values
