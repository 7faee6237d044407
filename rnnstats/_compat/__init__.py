"""The one package that touches statsmodels, which loads when a function here is first called.

Statsmodels' values and functions are used (summary tables, contrast tests, residual tests), not
its model classes. Differences between its versions 0.14 and 0.15 are absorbed here.
"""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
Rows = Sequence[tuple[str, str]]

__all__ = [
    "build_summary",
    "build_table",
    "coefficient_block",
    "contrast_t_test",
    "contrast_wald_test",
    "jarque_bera",
    "wrapped",
]


# Characters to a line of a note below tables.
WIDTH = 96


def build_summary(
    *,
    title: str,
    top_left: Rows,
    top_right: Rows,
    coefficients: pd.DataFrame,
    alpha: float,
    bottom_left: Rows = (),
    bottom_right: Rows = (),
    notes: Sequence[str] = (),
) -> Any:
    """
    Lay a fitted model out as statsmodels does.

    Parameters
    ----------
    title : str
        Heading of the table.
    top_left, top_right : sequence of (label, text)
        The two columns above the coefficients.
    coefficients : DataFrame of shape (k_params, 6)
        Estimate, standard error, z, p-value and both ends of the interval, one parameter a row.
    alpha : float
        One minus the coverage of the interval, for the heading.
    bottom_left, bottom_right : sequence of (label, text)
        The two columns of residual tests below the coefficients; empty for none.
    notes : sequence of str
        Lines below the tables.

    Returns
    -------
    statsmodels.iolib.summary.Summary
        Prints as text; has ``as_text``, ``as_html``, ``as_latex``, ``as_csv``.
    """
    from statsmodels.iolib.summary import Summary

    summary = Summary()
    owner = SimpleNamespace(model=SimpleNamespace())
    summary.add_table_2cols(
        owner, title=title, gleft=_cells(top_left), gright=_cells(top_right), yname="", xname=[]
    )
    summary.tables.append(coefficient_block(coefficients, title=None, alpha=alpha))
    if bottom_left:
        left, right = _cells(bottom_left), _cells(bottom_right)
        summary.add_table_2cols(owner, title="", gleft=left, gright=right, yname="", xname=[])
    if notes:
        summary.add_extra_txt(list(notes))
    return summary


def coefficient_block(coefficients: pd.DataFrame, *, title: str | None, alpha: float) -> Any:
    """
    Lay coefficients out as statsmodels does.

    Parameters
    ----------
    coefficients : DataFrame of shape (k_params, 6)
        As in `build_summary`.
    title : str or None
        Heading of the table.
    alpha : float
        One minus the coverage of the interval, for the heading.

    Returns
    -------
    statsmodels.iolib.table.SimpleTable
    """
    from statsmodels.iolib.summary import summary_params

    owner = SimpleNamespace(model=SimpleNamespace())
    columns = [coefficients.iloc[:, i].to_numpy(dtype=float) for i in range(4)]
    interval = coefficients.iloc[:, 4:6].to_numpy(dtype=float)
    names = [str(name) for name in coefficients.index]
    found = (owner, *columns, interval)
    table: Any = summary_params(found, yname="", xname=names, alpha=alpha, use_t=False)
    table.title = title
    return table


def _cells(rows: Rows) -> list[tuple[str, list[str]]]:
    return [(label, [text]) for label, text in rows]


def build_table(frame: pd.DataFrame, *, title: str, notes: Sequence[str] = ()) -> Any:
    """
    Lay a frame out as one statsmodels table.

    Parameters
    ----------
    frame : DataFrame
        One row a line; numbers are printed with four significant digits.
    title : str
        Heading of the table.
    notes : sequence of str
        Lines below the table.

    Returns
    -------
    statsmodels.iolib.summary.Summary
        Prints as text; has ``as_text``, ``as_html``, ``as_latex``, ``as_csv``.
    """
    from statsmodels.iolib.summary import Summary
    from statsmodels.iolib.table import SimpleTable
    from statsmodels.iolib.tableformatting import fmt_params

    body = [[_number(value) for value in row] for row in frame.itertuples(index=False)]
    summary = Summary()
    summary.tables.append(
        SimpleTable(
            body,
            [str(column) for column in frame.columns],
            [str(label) for label in frame.index],
            title=title,
            txt_fmt=fmt_params,
        )
    )
    if notes:
        summary.add_extra_txt(list(notes))
    return summary


def _number(value: Any) -> str:
    if isinstance(value, (bool, np.bool_, str)):
        return str(value)
    if isinstance(value, (int, np.integer)):
        return f"{int(value):d}"
    number = float(value)
    return "" if np.isnan(number) else f"{number:.4g}"


def _likelihood_results(params: FloatArray, names: Sequence[str]) -> Any:
    """Return statsmodels' carrier of ``t_test`` and ``wald_test``, normal distribution."""
    from statsmodels.base.model import LikelihoodModelResults

    data = SimpleNamespace(cov_names=list(names))
    carrier = LikelihoodModelResults(SimpleNamespace(data=data), np.asarray(params), scale=1.0)
    carrier.df_resid = np.inf
    carrier.use_t = False
    return carrier


def contrast_t_test(
    params: FloatArray,
    cov: FloatArray,
    contrast: FloatArray,
    value: FloatArray,
    names: Sequence[str],
) -> Any:
    """
    Test each row of ``contrast @ params = value`` alone against the normal distribution.

    Parameters
    ----------
    params : ndarray of shape (k,)
    cov : ndarray of shape (k, k)
    contrast : ndarray of shape (q, k)
    value : ndarray of shape (q,)
    names : sequence of str, length k

    Returns
    -------
    statsmodels.stats.contrast.ContrastResults
    """
    return _likelihood_results(params, names).t_test((contrast, value), cov_p=cov, use_t=False)


def contrast_wald_test(
    params: FloatArray,
    cov: FloatArray,
    contrast: FloatArray,
    value: FloatArray,
    names: Sequence[str],
) -> Any:
    """
    Test ``contrast @ params = value`` jointly against the chi-squared distribution.

    Parameters
    ----------
    params : ndarray of shape (k,)
    cov : ndarray of shape (k, k)
    contrast : ndarray of shape (q, k)
    value : ndarray of shape (q,)
    names : sequence of str, length k

    Returns
    -------
    statsmodels.stats.contrast.ContrastResults
    """
    carrier = _likelihood_results(params, names)
    return carrier.wald_test((contrast, value), cov_p=cov, use_f=False, scalar=True)


def jarque_bera(resid: FloatArray) -> tuple[float, float, float, float]:
    """
    Test one series for normality.

    Parameters
    ----------
    resid : ndarray of shape (n,)
        Without missing values.

    Returns
    -------
    tuple of float
        Statistic, p-value, skewness and kurtosis.
    """
    from statsmodels.stats.stattools import jarque_bera as test

    statistic, pvalue, skew, kurtosis = test(resid)
    return float(statistic), float(pvalue), float(skew), float(kurtosis)


def wrapped(note: str) -> list[str]:
    """Break a note into lines.

    Parameters
    ----------
    note : str
        One paragraph.

    Returns
    -------
    list of str
        Lines of at most the width of the tables; all but the first are indented.
    """
    lines, current = [], ""
    for word in note.split():
        if current and len(current) + 1 + len(word) > WIDTH:
            lines.append(current)
            current = "  " + word
        else:
            current = f"{current} {word}" if current else word
    return [*lines, current]
