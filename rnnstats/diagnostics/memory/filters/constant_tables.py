"""Tables of time constants: of roots, and of gates over rows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.diagnostics.memory.recurrences import Kept, Recurrence
from rnnstats.diagnostics.memory.standard_errors import two_sided_quantile
from rnnstats.diagnostics.memory.time_units import Scale
from rnnstats.diagnostics.memory.uncertainty import delta, row_means

__all__ = [
    "GATE_WORDS",
    "ROOT_WORDS",
    "TURN_WORDS",
    "gate_paths",
    "gate_table",
    "is_quantile",
    "no_roots",
    "quantile_words",
    "root_table",
]

FloatArray = NDArray[np.float64]

TIMES = ("tau", "half_life", "period")
# Within this distance of the unit circle, in logs, a root counts as lying on it.
UNIT = 1e-6
# A state takes part in a root where its share is a tenth of the largest.
PART = 0.1
# A gate that moves by less over the rows, in logs, is constant.
STILL = 1e-12
ROOT_WORDS = {
    "states": "states", "tau": "tau", "tau_se": "std err", "tau_lower": "[lower",
    "tau_upper": "upper]", "half_life": "half-life", "half_life_se": "std err ",
}  # fmt: skip
TURN_WORDS = {
    "modulus": "modulus", "modulus_se": "std err", "period": "period", "period_se": "std err ",
    "damping": "damping", "damping_se": "std err  ", "note": "",
}  # fmt: skip
GATE_WORDS = {
    "gate": "gate", "mean": "mean gate", "tau": "tau", "tau_se": "std err",
    "tau_lower": "[lower", "tau_upper": "upper]", "half_life": "half-life",
    "half_life_se": "std err ",
}  # fmt: skip


def no_roots() -> pd.DataFrame:
    """Table of the roots of a recurrence that has none.

    Returns
    -------
    DataFrame
        Without rows.
    """
    whole = root_table(np.eye(1), np.zeros((1, 1)), ("h1",), Scale(1.0, "rows"), 0.0)
    return whole.iloc[:0]


def root_table(
    matrix: FloatArray, cov: FloatArray, names: Sequence[str], scale: Scale, width: float
) -> pd.DataFrame:
    """Time constants of the roots of a matrix, with delta-method errors.

    Parameters
    ----------
    matrix : ndarray, shape (m, m)
    cov : ndarray, shape (m m, m m)
        Covariance of its cells, row by row; NaN where there is none.
    names : sequence of str
        The m states.
    scale : Scale
    width : float
        Normal quantile of the intervals.

    Returns
    -------
    DataFrame
        As `TimeConstants.roots`.
    """
    found = arrays.roots(matrix)
    cells = found.slopes.reshape(len(found.values), -1)
    polar = arrays.polar_slopes(found.values, cells)
    values, slopes = arrays.measures(found.values), arrays.measure_slopes(found.values)
    known = not cov.any()
    columns: dict[str, Any] = {
        "states": _parts(found.slopes, names), "real": found.values.real, "imag": found.values.imag
    }  # fmt: skip
    for name, value in values.items():
        size = scale.length if name in TIMES else 1.0
        with np.errstate(invalid="ignore"):
            moved = np.einsum("qa,qak->qk", slopes[name], polar)
            error = np.sqrt(np.maximum(np.einsum("qk,kl,ql->q", moved, cov, moved), 0.0))
        columns[name] = size * value
        columns[f"{name}_se"] = np.where(np.isfinite(value), 0.0 if known else size * error, np.nan)
    rows = columns["tau"] / scale.length, columns["tau_se"] / scale.length
    ends = arrays.tau_interval(*rows, width)
    columns |= {"tau_lower": scale.length * ends[0], "tau_upper": scale.length * ends[1]}
    lost = np.isnan(columns["modulus_se"])
    with np.errstate(divide="ignore"):
        near = np.abs(np.log(columns["modulus"])) <= UNIT
    words = np.where(near, "unit circle", np.where(lost, "no standard error", ""))
    words = np.where(lost & (found.values == 0.0), "zero", words)
    words = np.where(lost & ~found.simple, "repeated", words)
    columns["note"] = np.where(known & ~near, "fixed", words).astype(object)
    return pd.DataFrame(columns, index=pd.RangeIndex(1, len(found.values) + 1, name="root"))


def _parts(slopes: NDArray[np.complex128], names: Sequence[str]) -> list[str]:
    """States that take part in each root: the diagonal of its derivative by the matrix."""
    found = []
    for own in slopes:
        share = np.abs(np.diagonal(own))
        if not np.isfinite(share).all():
            found.append("")
            continue
        held = np.flatnonzero(share >= PART * share.max(initial=0.0))
        found.append(
            ", ".join(names[int(j)] for j in held) if len(held) <= 4 else f"{len(held)} states"
        )
    return found


def _interval(tau: FloatArray, error: FloatArray, width: FloatArray) -> dict[str, FloatArray]:
    """Ends of intervals that are symmetric in the log."""
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        reach = np.exp(np.where(tau > 0.0, width * error / tau, np.nan))
        return {"tau_lower": tau / reach, "tau_upper": tau * reach}


def gate_paths(kept: Kept, index: pd.Index, scale: Scale) -> pd.DataFrame:
    """Time constant of each unit in each row.

    Parameters
    ----------
    kept : Kept
    index : Index
        Labels of the rows.
    scale : Scale

    Returns
    -------
    DataFrame
    """
    return pd.DataFrame(scale.length * _taus(kept.values), index=index, columns=list(kept.units))


def _taus(values: FloatArray) -> FloatArray:
    """-1 / ln f, in rows; infinite for a gate of one, zero for a closed one."""
    with np.errstate(divide="ignore"):
        rate = -np.log(values)
        return np.asarray(np.where(rate == 0.0, np.inf, 1.0 / rate))


def gate_table(
    recurrence: Recurrence, quantiles: Sequence[float], scale: Scale, alpha: float
) -> pd.DataFrame:
    """Time constants of the gates that keep content, one row a unit.

    Parameters
    ----------
    recurrence : Recurrence
        One with gates.
    quantiles : sequence of float
    scale : Scale
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    DataFrame
        As `TimeConstants.gates`.
    """
    kept = _kept(recurrence)
    rate, error, width = _rates(recurrence, alpha)
    length = scale.length
    with np.errstate(divide="ignore", invalid="ignore"):
        tau = np.where(rate < 0.0, -length / rate, np.inf)
        tau_se = np.where(np.isfinite(tau), error * tau**2 / length, np.nan)
    columns: dict[str, Any] = {
        "gate": kept.gate, "mean": kept.values.mean(axis=0), "tau": tau, "tau_se": tau_se,
        **_interval(tau, tau_se, width),
        "half_life": np.log(2.0) * tau, "half_life_se": np.log(2.0) * tau_se,
    }  # fmt: skip

    order = np.argsort(kept.values, axis=0, kind="stable")
    places = np.array(quantiles, dtype=np.float64) * (len(order) - 1)
    low, share = places.astype(np.intp), (places % 1.0)[:, None]
    below, above = order[low], order[np.minimum(low + 1, len(order) - 1)]

    def over_rows(there: Recurrence) -> FloatArray:
        # the rows that the quantiles lie between stay the same, so that they have derivatives
        taus = length * _taus(_kept(there).values)
        ends = (np.take_along_axis(taus, rows, axis=0) for rows in (below, above))
        with np.errstate(invalid="ignore"):
            first, last = ends
            between = np.where(share == 0.0, first, first + share * (last - first))
            levels = [taus.mean(axis=0), *between]
        return np.asarray(np.nan_to_num(np.stack(levels), nan=np.inf, posinf=np.inf))

    levels = over_rows(recurrence)
    finite = np.isfinite(levels)
    spread = delta(recurrence, lambda there: np.where(finite, over_rows(there), 0.0)).error
    spread = np.where(finite, spread.reshape(levels.shape), np.nan)
    for name, level, se in zip(("mean", *map(_label, quantiles)), levels, spread, strict=True):
        columns |= {f"tau_{name}": level, f"tau_{name}_se": se}
    return pd.DataFrame(columns, index=pd.Index(list(kept.units)))


def _rates(recurrence: Recurrence, alpha: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean log gate of each unit, its standard error, and the quantile of its interval."""

    def logs(there: Recurrence) -> FloatArray:
        with np.errstate(divide="ignore"):
            return np.asarray(np.log(_kept(there).values))

    rows = logs(recurrence)
    means = row_means(recurrence, logs)
    df = means.df
    with np.errstate(invalid="ignore"):
        still = ~(np.ptp(rows, axis=0) > STILL)
    error = means.error
    if still.any():  # nothing moves over the rows: only the estimates are uncertain
        with np.errstate(invalid="ignore"):
            own = delta(recurrence, lambda there: np.nan_to_num(logs(there)).mean(axis=0)).error
        error = np.where(still, own, error)
        df = np.where(still, np.inf, df)
    return means.value, error, two_sided_quantile(alpha, df)


def _kept(recurrence: Recurrence) -> Kept:
    found = recurrence.kept()
    if found is None:
        raise TypeError("the recurrence has gates at some parameters and none at others")
    return found


def _label(share: float) -> str:
    """Name of a quantile: q10, q2.5."""
    return f"q{100.0 * share:g}"


def is_quantile(name: str) -> bool:
    """Tell columns of quantiles from others.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return name.startswith("tau_q") and not name.endswith("_se")


def quantile_words(names: Sequence[str]) -> dict[str, str]:
    """Headings of the columns of levels over rows.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    dict of str to str
    """
    return {name: name.removeprefix("tau_q") + " %" for name in names if is_quantile(name)} | {
        "tau_mean": "mean tau"
    }
