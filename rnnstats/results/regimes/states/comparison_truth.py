"""True regimes as users give them, and scores of probabilities against them."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import xlogy

from rnnstats._checks import shown
from rnnstats.errors import DataError
from rnnstats.results.protocol import FloatArray
from rnnstats.results.states import long_run_variance

__all__ = [
    "SCORES",
    "Scores",
    "against",
    "confusion_of",
    "scored",
    "standard_error",
    "true_regimes",
]

IntArray = NDArray[np.intp]
SCORES = ("error", "brier", "log_score")


class Scores(NamedTuple):
    """Scores of each date, (n,) each, in the order of SCORES."""

    error: FloatArray
    brier: FloatArray
    log_score: FloatArray


def scored(p: FloatArray, chosen: IntArray, weight: FloatArray) -> Scores:
    """Scores of probabilities and of a classification, expected under other probabilities.

    Parameters
    ----------
    p : ndarray, shape (n, K)
    chosen : ndarray of int, shape (n,)
    weight : ndarray, shape (n, K)

    Returns
    -------
    Scores
    """
    rows = np.arange(len(p))
    error = 1.0 - weight[rows, chosen]
    brier = (p**2).sum(axis=1) - 2.0 * (p * weight).sum(axis=1) + 1.0
    with np.errstate(divide="ignore"):
        log_score = -xlogy(weight, p).sum(axis=1)
    return Scores(error, brier, log_score)


def true_regimes(truth: Any, names: tuple[str, ...], index: pd.Index) -> IntArray:
    """Codes of the true regimes, or an error.

    Parameters
    ----------
    truth : Series, array_like or DataFrame
    names : tuple of str
    index : Index

    Returns
    -------
    ndarray of int, shape (nobs,)
        -1 where not known.

    Raises
    ------
    DataError
        Other rows, or values that are no regimes.
    """
    caller = "filter_vs_smoother"
    if isinstance(truth, (pd.Series, pd.DataFrame)) and not truth.index.equals(index):
        raise DataError(
            f"{caller}: truth must have the index of the outputs; got {truth.index[0]!r} to "
            f"{truth.index[-1]!r}. Reindex it to the outputs' index."
        )
    values = np.asarray(truth, dtype=object)
    if values.ndim == 2 and values.shape[1] > 1:
        return _from_indicators(truth, names, len(index))
    values = values.ravel()
    if len(values) != len(index):
        raise DataError(
            f"{caller}: truth must have a value for each of {len(index)} rows; got {len(values)}. "
            "Put missing values where it is not known."
        )
    code: dict[Any, int] = {name: j for j, name in enumerate(names)}
    codes = np.full(len(values), -1, dtype=np.intp)
    for row in np.flatnonzero(~pd.isna(values)):
        value = values[row]
        number = code.get(value) if isinstance(value, str) else _number(value, len(names))
        if number is None:
            raise DataError(
                f"{caller}: truth must hold names of regimes ({', '.join(names)}) or numbers 0 to "
                f"{len(names) - 1}; got {shown(value)}. Rename the values."
            )
        codes[row] = number
    return codes


def _number(value: Any, size: int) -> int | None:
    whole = isinstance(value, (int, float, np.integer, np.floating, np.bool_))
    return int(value) if whole and value in range(size) else None


def _from_indicators(truth: Any, names: tuple[str, ...], rows: int) -> IntArray:
    columns = list(getattr(truth, "columns", names))
    table = np.asarray(truth, dtype=np.float64)
    if set(columns) != set(names) or table.shape != (rows, len(names)):
        raise DataError(
            f"filter_vs_smoother: a table of the truth must have the columns {', '.join(names)} and"
            f" {rows} rows; got {', '.join(map(str, columns))}, shape {table.shape}. Rename them."
        )
    table = table[:, [columns.index(name) for name in names]]
    known = ~np.isnan(table).any(axis=1)
    sound = np.isin(table[known], (0.0, 1.0)).all() and (table[known].sum(axis=1) == 1.0).all()
    if not sound:
        raise DataError(
            "filter_vs_smoother: every row of a table of the truth must have a single one among "
            "zeros; got another. Put missing values where it is not known."
        )
    return np.where(known, np.where(np.isnan(table), 0.0, table).argmax(axis=1), -1)


def against(
    codes: IntArray,
    known: NDArray[np.bool_],
    laws: dict[Any, FloatArray],
    chosen: dict[Any, IntArray],
    path: IntArray,
    own: dict[Any, Scores],
) -> pd.DataFrame:
    """Scores against the truth, with the model's expectation on the same dates.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
        True regimes.
    known : ndarray of bool, shape (n,)
    laws, chosen : dict
        Probabilities (n, K) and classifications (n,) by kind.
    path : ndarray of int, shape (n,)
        Viterbi path.
    own : dict
        Scores that the probabilities expect of themselves.

    Returns
    -------
    DataFrame
    """
    right = np.eye(laws["smoothed"].shape[1])[codes[known]]
    rows: dict[str, dict[str, float]] = {}
    for kind in laws:
        scores = scored(laws[kind][known], chosen[kind][known], right)
        row: dict[str, float] = {"nobs": int(known.sum())}
        for name in SCORES:
            values = getattr(scores, name)
            row[name] = _mean(values)
            row[f"{name}_se"] = standard_error(values)
            row[f"expected_{name}"] = _mean(getattr(own[kind], name)[known])
        rows[kind] = row
    wrong = (path[known] != codes[known]).astype(float)
    rows["viterbi"] = {
        "nobs": int(known.sum()), "error": _mean(wrong), "error_se": standard_error(wrong)
    }  # fmt: skip
    table = pd.DataFrame.from_dict(rows, orient="index")
    table["nobs"] = table["nobs"].astype(int)
    return table


def confusion_of(
    codes: IntArray,
    known: NDArray[np.bool_],
    labelled: dict[Any, IntArray],
    names: tuple[str, ...],
) -> pd.DataFrame:
    """Count dates by true regime and classification.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    known : ndarray of bool, shape (n,)
    labelled : dict of str to ndarray of int
    names : tuple of str

    Returns
    -------
    DataFrame
    """
    size = len(names)
    counts = [
        np.bincount(codes[known] * size + part[known], minlength=size**2).reshape(size, size)
        for part in labelled.values()
    ]
    index = pd.MultiIndex.from_product([list(labelled), names], names=["kind", "truth"])
    return pd.DataFrame(np.vstack(counts), index=index, columns=list(names))


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else np.nan


def standard_error(values: FloatArray) -> float:
    """Standard error of a mean of values that depend on each other; NaN where there is none.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    float
    """
    if values.size <= 2 or not np.isfinite(values).all():
        return np.nan
    return float(np.sqrt(long_run_variance(values) / values.size))
