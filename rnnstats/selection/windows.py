"""Windows of the data for Hankel singular values and rank tests."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_int
from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError
from rnnstats.selection.ranks import (
    ENOUGH,
    autoregressive_order,
    hankel_correlations,
    rank_test,
    window_rows,
)

__all__ = ["HankelAnalysis", "analyse"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class HankelAnalysis:
    """Hankel singular values and rank tests.

    Attributes
    ----------
    table : DataFrame
        Rank tests, one row a rank from 0.
    singular_values : Series
        Canonical correlations of future and past, numbered from 1.
    lags : int
        Rows of future and rows of past.
    rows : int
        Number of windows.
    filled : bool
        Whether gaps were filled by straight lines, for want of windows without a gap.
    threshold : float
        What a canonical correlation of independent rows exceeds with probability 5 %, about.
    note : str
        What is to be known about the windows.
    """

    table: pd.DataFrame
    singular_values: pd.Series
    lags: int
    rows: int
    filled: bool
    threshold: float
    note: str

    def chosen(self, alpha: float) -> dict[str, int | None]:
        """Rank by the tests (the first not rejected; None if all are) and by Bauer's criterion."""
        kept = np.flatnonzero(self.table["P>scaled"].to_numpy() >= alpha)
        none = self.table.empty
        return {
            "rank test": int(kept[0]) if kept.size else None,
            "svc": None if none else int(np.argmin(self.table["svc"].to_numpy())),
        }


def analyse(
    endog: Endog, exog: Exog | None, trend: str, largest: int, lags: object, caller: str
) -> HankelAnalysis:
    """Make windows, canonical correlations and rank tests.

    Parameters
    ----------
    endog : Endog
    exog : Exog or None
        Taken out by least squares with their values of the window's past.
    trend : str
    largest : int
        Ranks 0 .. largest are tested.
    lags : object
        The user's argument.
    caller : str

    Raises
    ------
    DataError
        When there are too few rows for windows of the length asked for.
    SpecificationError
        For `lags` that is no whole number of at least 1.
    """
    y, p = endog.values, endog.k_endog
    given = None if lags is None else check_int(lags, name="lags", caller=caller, minimum=1)
    least = math.ceil((largest + 1) / p)
    most = max(1, (endog.nobs // (ENOUGH * p + 1)) // 2)
    behind = given or min(max(least, 2), most)
    z = _without_regressors(y, exog, trend, behind)
    filled = False
    if len(window_rows(z, behind, behind)) < ENOUGH * 2 * behind * p and np.isnan(z).any():
        z, filled = _filled(z), True
    if given is None:
        order = autoregressive_order(z, max(1, min(most, int(5 * math.log10(max(len(z), 10))))))
        behind = min(max(least, order, 2), most)
    try:
        found = hankel_correlations(z, behind, behind)
    except np.linalg.LinAlgError as error:
        if given is not None:
            raise DataError(
                f"{caller}: lags must leave enough windows of 2 lags rows to estimate their "
                f"covariances, and no series may be a combination of others; got lags={given} and "
                f"{error}. Use fewer lags."
            ) from None
        return _nothing(behind, str(error))
    tests = [rank_test(found, n) for n in range(min(largest + 1, len(found.correlations)))]
    table = pd.DataFrame(
        {
            "correlation": [t.correlation for t in tests],
            "statistic": [t.statistic for t in tests],
            "df": [t.df for t in tests],
            "P>chi2": [t.pvalue_chi2 for t in tests],
            "P>scaled": [t.pvalue for t in tests],
            "svc": [t.svc for t in tests],
        },
        index=pd.RangeIndex(len(tests), name="rank"),
    )
    numbers = pd.RangeIndex(1, len(found.correlations) + 1, name="number")
    values = pd.Series(found.correlations, index=numbers, name="singular value", copy=True)
    # correlations of white noise lie around (sqrt(f p) + sqrt(h p)) / sqrt(T)
    threshold = min(1.0, 2.0 * math.sqrt(behind * p / found.rows))
    note = f"Singular values and rank tests: {behind} rows ahead and before, {found.rows} windows"
    note += ", gaps filled by straight lines: tests are rough." if filled else "."
    return HankelAnalysis(table, values, behind, found.rows, filled, threshold, note)


def _nothing(lags: int, reason: str) -> HankelAnalysis:
    columns = ["correlation", "statistic", "df", "P>chi2", "P>scaled", "svc"]
    return HankelAnalysis(
        table=pd.DataFrame(columns=columns, index=pd.RangeIndex(0, name="rank"), dtype=float),
        singular_values=pd.Series(dtype=float, name="singular value"),
        lags=lags,
        rows=0,
        filled=False,
        threshold=math.nan,
        note=f"No singular values and rank tests: {reason}.",
    )


def _without_regressors(y: FloatArray, exog: Exog | None, trend: str, lags: int) -> FloatArray:
    """Take mean, trend and inputs (with their past) out of each series; NaN stays."""
    nobs = len(y)
    columns = [np.ones((nobs, 1))]
    if trend == "ct":
        columns.append(np.linspace(-1.0, 1.0, nobs)[:, None])
    if exog is not None:
        for lag in range(lags + 1):
            columns.append(exog.values[[*([0] * lag), *range(nobs - lag)]])
    x = np.hstack(columns)
    z = np.array(y)
    for i in range(y.shape[1]):
        seen = np.isfinite(y[:, i])
        z[:, i] -= x @ np.linalg.lstsq(x[seen], y[seen, i], rcond=None)[0]
    return z


def _filled(z: FloatArray) -> FloatArray:
    out = z.copy()
    rows = np.arange(len(z))
    for i in range(z.shape[1]):
        seen = np.isfinite(z[:, i])
        out[~seen, i] = np.interp(rows[~seen], rows[seen], z[seen, i])
    return out
