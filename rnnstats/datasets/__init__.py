"""Real time series that come with the package, each with its source, licence and units.

Every function reads its file anew and returns a table of your own.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd

__all__ = [
    "areturns",
    "catalogue",
    "earthquakes",
    "fedfunds",
    "filardo",
    "geyser",
    "hamilton",
    "lake_huron",
    "lh",
    "lutkepohl",
    "lynx",
    "nile",
    "phage_lambda",
    "presidents",
    "seatbelts",
    "sunspots",
    "us_macro",
]

_FOLDER = Path(__file__).parent / "data"
_FACTS = "recorded facts; also distributed with R (package datasets, GPL-2 | GPL-3)"
_FACTS_MASS = "recorded facts; also distributed with R (package MASS, GPL-2 | GPL-3)"
_FACTS_HMMLEARN = "recorded facts; also distributed with hmmlearn (BSD-3-Clause)"
_GENBANK = "recorded facts; GenBank, without restriction on use or distribution"
_BSD = "public domain, as distributed with statsmodels (BSD-3-Clause)"
_TESTS = "recorded facts; also distributed with statsmodels (its test data, BSD-3-Clause)"


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


def earthquakes() -> pd.Series:
    """Earthquakes of magnitude 7 and more in the world, yearly, 1900 to 2006.

    Returns
    -------
    Series, shape (107,)
        Number of earthquakes. Index: PeriodIndex, years.

    Notes
    -----
    Source: United States Geological Survey, in Zucchini and MacDonald (2009), Hidden Markov Models
    for Time Series, table 1.1. Licence: recorded facts, also distributed with hmmlearn
    (BSD-3-Clause).
    """
    return _yearly("earthquakes_zm.csv", "year", "count").rename("earthquakes")


def geyser() -> pd.DataFrame:
    """Eruptions of the geyser Old Faithful, one after the other, August 1985.

    Returns
    -------
    DataFrame, shape (299, 2)
        Index: RangeIndex 1 to 299, the number of the eruption. Columns:

        - waiting: time from the eruption before, minutes
        - duration: minutes. Durations of night, recorded as "long", "medium" and "short", are 4, 3
          and 2.

    Notes
    -----
    Source: Azzalini and Bowman (1990), Applied Statistics 39, 357-365. Licence: recorded facts,
    also distributed with R (package MASS, GPL-2 | GPL-3).
    """
    table = _read("geyser_mass.csv").astype(float)
    table.index = pd.RangeIndex(1, len(table) + 1, name="eruption")
    return table


def seatbelts() -> pd.DataFrame:
    """Road casualties in Great Britain, monthly, 1969-01 to 1984-12.

    Returns
    -------
    DataFrame, shape (192, 8)
        Index: PeriodIndex, months. Columns:

        - DriversKilled: car drivers killed
        - drivers, front, rear: car drivers, front and rear passengers killed or seriously injured
        - kms: distance driven
        - PetrolPrice: price of petrol, deflated
        - VanKilled: drivers of light goods vehicles killed
        - law: 1 from 1983-02 on, when wearing a seat belt in front was compulsory, else 0

    Notes
    -----
    Source: Harvey and Durbin (1986), Journal of the Royal Statistical Society A 149, 187-227;
    Durbin and Koopman (2012). Licence: recorded facts, also distributed with R as
    ``datasets::Seatbelts``.
    """
    table = _read("seatbelts.csv")
    table.index = pd.period_range("1969-01", periods=len(table), freq="M", name="month")
    return table.drop(columns="time")


def hamilton() -> pd.DataFrame:
    """Growth of the real gross national product of the United States, quarterly, 1951Q2 to 1984Q4.

    Returns
    -------
    DataFrame, shape (135, 2)
        Index: PeriodIndex, quarters. Columns:

        - rgnp_growth: 100 times the difference of logarithms, percent a quarter
        - recession: 1 in a recession by the dates of the National Bureau of Economic Research

    Notes
    -----
    Source: Hamilton (1989), Econometrica 57, 357-384, as stored by the statsmodels project with
    the results of EViews and Stata. Licence: public domain; distributed with statsmodels (its test
    data) under BSD-3-Clause.
    """
    table = _read("hamilton_rgnp.csv")
    table.index = pd.PeriodIndex(table["quarter"], freq="Q", name="quarter")
    return table[["rgnp_growth", "recession"]]


def fedfunds() -> pd.DataFrame:
    """Federal funds rate of the United States, quarterly, 1954Q3 to 2010Q4.

    Returns
    -------
    DataFrame, shape (226, 3)
        Federal funds rate (fedfunds), output gap (ogap) and inflation (inf), all in percent; the
        first four quarters of inf are missing. Index: PeriodIndex, quarters.

    Notes
    -----
    Source: Federal Reserve Bank of St. Louis, FRED, as used in the Stata Time-Series Reference
    Manual, mswitch, and stored by the statsmodels project. Licence: public domain; distributed
    with statsmodels (its test data) under BSD-3-Clause.
    """
    table = _read("fedfunds_stata.csv").astype(float)
    table.index = pd.period_range("1954Q3", periods=len(table), freq="Q", name="quarter")
    return table


def areturns() -> pd.Series:
    """Absolute weekly returns of the S&P 500, 521 weeks from 2004 to 2014.

    Returns
    -------
    Series, shape (521,)
        Percent. Index: RangeIndex 1 to 521, the number of the week; the file of the source does
        not date them.

    Notes
    -----
    Source: Stata Time-Series Reference Manual, mswitch, example 4, as stored by the statsmodels
    project. Licence: recorded facts; distributed with statsmodels (its test data) under
    BSD-3-Clause.
    """
    values = _read("areturns_stata.csv")["areturns"].astype(float)
    values.index = pd.RangeIndex(1, len(values) + 1, name="week")
    return values


def filardo() -> pd.DataFrame:
    """Industrial production and leading indicators, United States, monthly, 1948-02 to 1991-04.

    Returns
    -------
    DataFrame, shape (519, 2)
        Index: PeriodIndex, months. Columns:

        - dlip: growth of industrial production, 100 times the difference of logarithms
        - dmdlleading: growth of the composite index of leading indicators, less its mean

    Notes
    -----
    Source: Filardo (1994), Journal of Business and Economic Statistics 12, 299-308, as distributed
    with EViews and stored by the statsmodels project. Licence: recorded facts; distributed with
    statsmodels (its test data) under BSD-3-Clause.
    """
    table = _read("filardo_eviews.csv")[["dlip", "dmdlleading"]].astype(float)
    table.index = pd.period_range("1948-02", periods=len(table), freq="M", name="month")
    return table


def phage_lambda() -> pd.Series:
    """Genome of the bacteriophage lambda: 48502 bases of DNA.

    Returns
    -------
    Series, shape (48502,)
        Categorical with the levels A, C, G, T, from the left end of the linear molecule. Index:
        RangeIndex 1 to 48502, the position.

    Notes
    -----
    Source: Sanger, Coulson, Hong, Hill and Petersen (1982), Journal of Molecular Biology 162,
    729-773; GenBank NC_001416.1. Churchill (1989), Bulletin of Mathematical Biology 51, 79-94,
    takes it apart with hidden Markov models. Licence: recorded facts; GenBank puts no restriction
    on use or distribution.
    """
    lines = (_FOLDER / "phage_lambda.fasta").read_text(encoding="ascii").splitlines()
    bases = pd.Categorical(list("".join(lines[1:])), categories=list("ACGT"))
    index = pd.RangeIndex(1, len(bases) + 1, name="position")
    return pd.Series(bases, index=index, name="base")


_ENTRIES: tuple[tuple[Callable[[], pd.Series | pd.DataFrame], str, str, str], ...] = (
    (us_macro, "billions of 2005 dollars, percent, indexes", "FRED, St. Louis", _BSD),
    (nile, "10^8 cubic metres a year", "Cobb (1978)", _FACTS),
    (sunspots, "relative number", "National Geophysical Data Center", _BSD),
    (lynx, "animals", "Elton and Nicholson (1942)", _FACTS),
    (lutkepohl, "billions of Deutsche Mark", "Luetkepohl (2005), file E1", _BSD),
    (lake_huron, "feet", "Brockwell and Davis (1991)", _FACTS),
    (lh, "not named by the source", "Diggle (1990)", _FACTS),
    (presidents, "percent", "McNeil (1977), from Gallup", _FACTS),
    (earthquakes, "earthquakes", "Zucchini and MacDonald (2009)", _FACTS_HMMLEARN),
    (geyser, "minutes", "Azzalini and Bowman (1990)", _FACTS_MASS),
    (seatbelts, "casualties and others", "Harvey and Durbin (1986)", _FACTS),
    (hamilton, "percent a quarter", "Hamilton (1989)", _TESTS),
    (fedfunds, "percent", "FRED, St. Louis", _TESTS),
    (areturns, "percent a week", "Stata manual, mswitch", _TESTS),
    (filardo, "percent a month", "Filardo (1994)", _TESTS),
    (phage_lambda, "bases", "Sanger et al. (1982), GenBank NC_001416.1", _GENBANK),
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
