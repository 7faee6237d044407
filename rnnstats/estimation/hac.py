"""Covariance of a sum of scores that depend on each other: over time (HAC) or within clusters.

Pure functions of arrays. The scores of single observations are a martingale difference where the
model is right, and then none of this is needed; where its dynamics are wrong, they are correlated,
and the variance of their sum is n times their long-run variance.

References
----------
Newey and West (1987), Econometrica 55, 703-708; (1994), Review of Economic Studies 61, 631-653.
Andrews (1991), Econometrica 59, 817-858. Andrews and Monahan (1992), Econometrica 60, 953-966.
Liang and Zeger (1986), Biometrika 73, 13-22. Datta and Du (2012), Nonparametric HAC estimation for
time series data with missing observations, Board of Governors IFDP 1060 (rows without an
observation count with a score of zero).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import matmul_toeplitz

from rnnstats._checks import check_bool, check_int, check_literal, suggest
from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.convergence import FloatArray

__all__ = [
    "Kernel",
    "andrews_bandwidth",
    "check_cov_kwds",
    "cluster_meat",
    "default_maxlags",
    "describe",
    "hac_meat",
    "kernel_weights",
]

Kernel = Literal["bartlett", "parzen", "quadratic-spectral"]
KERNELS: tuple[str, ...] = get_args(Kernel)
# Options of each kind.
_OPTIONS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "hac": ("maxlags", "kernel", "bandwidth", "prewhiten", "correction"),
        "cluster": ("groups", "correction"),
    }
)
# Andrews (1991), eq. 6.2: the optimal bandwidth is constant * (alpha(q) n) ** (1 / (2 q + 1)).
_ANDREWS: Mapping[str, tuple[float, int]] = MappingProxyType(
    {"bartlett": (1.1447, 1), "parzen": (2.6614, 2), "quadratic-spectral": (1.3221, 2)}
)
# Newey and West (1994), Table I: lags grow as 4 (n / 100) ** exponent.
_NEWEY_WEST: Mapping[str, float] = MappingProxyType({"bartlett": 2 / 9, "parzen": 4 / 25})
# Andrews and Monahan (1992), p. 957: singular values of the prewhitening matrix are held below.
LARGEST = 0.97
# From here on sums over lags go through the Fourier transform.
MANY_LAGS = 64


def check_cov_kwds(
    cov_type: str, cov_kwds: Mapping[str, Any] | None, index: pd.Index, *, caller: str
) -> Mapping[str, Any]:
    """Check the options of a covariance type.

    Parameters
    ----------
    cov_type : str
        A known one.
    cov_kwds : mapping, optional
        ``"hac"``: ``kernel`` ("bartlett", "parzen" or "quadratic-spectral"), ``maxlags`` (int) or
        ``bandwidth`` (a positive number or "andrews"), ``prewhiten`` and ``correction`` (bool).
        ``"cluster"``: ``groups`` (a label for each row), ``correction`` (bool). Others: none.
    index : pandas.Index, length nobs
        Rows of the data.
    caller : str

    Returns
    -------
    mapping
        Read-only, with copies; without defaults filled in.

    Raises
    ------
    SpecificationError
        For options that are no mapping, one that the kind does not have, or a value that is not
        allowed.
    DataError
        For groups that do not fit the rows.
    """
    if cov_kwds is not None and not isinstance(cov_kwds, Mapping):
        raise SpecificationError(
            f"{caller}: cov_kwds must be a mapping of options to values; got {cov_kwds!r}. "
            "For example {'maxlags': 4}."
        )
    given = dict(cov_kwds or {})
    allowed = _OPTIONS.get(cov_type, ())
    for key in given:
        if key not in allowed:
            has = f"the options {', '.join(allowed)}" if allowed else "no options"
            near = suggest(str(key), list(allowed)) if allowed else ""
            raise SpecificationError(
                f"{caller}: cov_type={cov_type!r} has {has} in cov_kwds; got {key!r}.{near} "
                "Leave it out."
            )
    for key in {"prewhiten", "correction"} & set(given):
        check_bool(given[key], name=key, caller=caller)
    if cov_type == "hac":
        _check_hac(given, len(index), caller)
    if cov_type == "cluster":
        given["groups"] = _groups(given.get("groups"), index, caller)
    return MappingProxyType(given)


def _check_hac(given: dict[str, Any], nobs: int, caller: str) -> None:
    check_literal(given.get("kernel", "bartlett"), KERNELS, name="kernel", caller=caller)
    if "maxlags" in given and "bandwidth" in given:
        raise SpecificationError(
            f"{caller}: the width of the kernel is given once; got maxlags and bandwidth. "
            "maxlags=m means bandwidth=m + 1: leave one out."
        )
    if "maxlags" in given:
        given["maxlags"] = check_int(given["maxlags"], name="maxlags", caller=caller, minimum=0)
        if given["maxlags"] >= nobs:
            raise SpecificationError(
                f"{caller}: maxlags must be less than the number of rows, {nobs}; got "
                f"{given['maxlags']}. The default is {default_maxlags(nobs)}."
            )
    width = given.get("bandwidth", "andrews")
    number = isinstance(width, (int, float, np.integer, np.floating)) and not isinstance(
        width, (bool, np.bool_)
    )
    if not (width == "andrews" or (number and 0.0 < float(width) < math.inf)):
        raise SpecificationError(
            f"{caller}: bandwidth must be a positive number or 'andrews'; got {width!r}. "
            "Leave it out for a fixed rule."
        )


def _groups(groups: Any, index: pd.Index, caller: str) -> NDArray[Any]:
    """One label a row, as an array of integer codes; two groups at least."""
    if groups is None:
        raise SpecificationError(
            f"{caller}: cov_type='cluster' needs a group for each row; got none. "
            "Pass cov_kwds={'groups': ...}, such as the year of each row."
        )
    if isinstance(groups, pd.Series) and not isinstance(groups.index, pd.RangeIndex):
        if not groups.index.equals(index):
            raise DataError(
                f"{caller}: a Series of groups must have the index of the data; got "
                f"{groups.index[0] if len(groups) else 'no rows'} to "
                f"{groups.index[-1] if len(groups) else 'no rows'}. Reindex it, or pass an array."
            )
    labels = np.asarray(groups, dtype=object)
    if labels.shape != (len(index),):
        raise DataError(
            f"{caller}: groups must have one label for each of the {len(index)} rows; got shape "
            f"{labels.shape}. Pass an array of that length."
        )
    codes, kinds = pd.factorize(labels)
    if (codes < 0).any():
        raise DataError(
            f"{caller}: every row needs a group; got none in row {int(np.argmin(codes))}. "
            "Give rows that stand alone a label of their own."
        )
    if len(kinds) < 2:
        raise DataError(
            f"{caller}: clusters need at least two groups; got one for all rows. "
            "Use cov_type='hac' for one series without breaks."
        )
    codes.setflags(write=False)
    return codes


def default_maxlags(nobs: int, kernel: str = "bartlett") -> int:
    """Lags by the rule of Newey and West (1994): ``floor(4 (n / 100) ** q)``.

    Parameters
    ----------
    nobs : int
    kernel : {"bartlett", "parzen"}
        q is 2/9 and 4/25.

    Returns
    -------
    int
        At most ``nobs - 1``.
    """
    lags: int = math.floor(4.0 * (nobs / 100.0) ** _NEWEY_WEST[kernel])
    return max(0, min(lags, nobs - 1))


def kernel_weights(kernel: str, bandwidth: float, nobs: int) -> FloatArray:
    """Weights of the lags 0, 1, ... of a kernel.

    Parameters
    ----------
    kernel : {"bartlett", "parzen", "quadratic-spectral"}
    bandwidth : float
        The kernel is taken at ``lag / bandwidth``. Bartlett's with bandwidth m + 1 gives Newey and
        West's weights ``1 - lag / (m + 1)``.
    nobs : int

    Returns
    -------
    ndarray
        Up to the last non-zero weight, at most `nobs` of them. The quadratic-spectral kernel has
        weights at all lags. All three make the long-run covariance positive semi-definite.

    References
    ----------
    Andrews (1991), eq. 2.7.
    """
    last = nobs if kernel == "quadratic-spectral" else min(nobs, math.ceil(bandwidth))
    x = np.arange(max(last, 1)) / bandwidth
    if kernel == "bartlett":
        weights = 1.0 - x
    elif kernel == "parzen":
        weights = np.where(x <= 0.5, 1.0 - 6.0 * x**2 * (1.0 - x), 2.0 * (1.0 - x) ** 3)
    else:
        z = 1.2 * math.pi * x
        near = z < 0.05  # there the formula cancels, and the next term is below 1e-12
        safe = np.where(near, 1.0, z)
        curve = 3.0 / safe**2 * (np.sin(safe) / safe - np.cos(safe))
        weights = np.where(near, 1.0 - z**2 / 10.0 * (1.0 - z**2 / 28.0), curve)
    return np.asarray(weights, dtype=np.float64)


def andrews_bandwidth(scores: ArrayLike, kernel: str = "bartlett") -> float:
    """Automatic bandwidth from an autoregression of each score.

    Parameters
    ----------
    scores : array_like, shape (nobs, k)
    kernel : {"bartlett", "parzen", "quadratic-spectral"}

    Returns
    -------
    float
        Does not depend on the units of the columns: each is weighted by its inverse squared
        variance.

    References
    ----------
    Andrews (1991), eqs. 6.2 and 6.4 (AR(1) plug-in).
    """
    rows = np.asarray(scores, dtype=np.float64)
    past, now = rows[:-1], rows[1:]
    power = (past**2).sum(axis=0)
    live = power > 0.0
    rho = (past * now).sum(axis=0)[live] / power[live]
    rho = np.clip(rho, -LARGEST, LARGEST)
    constant, order = _ANDREWS[kernel]
    # innovation variance over variance is 1 - rho^2; the weights cancel the units
    scale = 1.0 - rho**2
    if order == 1:
        top = 4.0 * rho**2 * scale**2 / ((1.0 - rho) ** 6 * (1.0 + rho) ** 2)
    else:
        top = 4.0 * rho**2 * scale**2 / (1.0 - rho) ** 8
    bottom = scale**2 / (1.0 - rho) ** 4
    alpha = float(top.sum() / bottom.sum()) if live.any() else 0.0
    width = constant * (alpha * len(rows)) ** (1.0 / (2 * order + 1))
    return float(min(max(width, 1e-8), float(len(rows))))


def hac_meat(
    scores: ArrayLike,
    *,
    kernel: str = "bartlett",
    maxlags: int | None = None,
    bandwidth: float | str | None = None,
    prewhiten: bool = False,
    correction: bool = False,
) -> FloatArray:
    """Covariance of the sum of scores that are correlated over time.

    Parameters
    ----------
    scores : array_like, shape (nobs, k)
        One row an observation, in time order. Rows without an observation are zero.
    kernel : {"bartlett", "parzen", "quadratic-spectral"}
        Bartlett's is Newey and West's.
    maxlags : int, optional
        The same as ``bandwidth = maxlags + 1``. Default: `default_maxlags`; with the
        quadratic-spectral kernel, Andrews' bandwidth.
    bandwidth : float or "andrews", optional
        Where the kernel is taken, ``lag / bandwidth``; "andrews": `andrews_bandwidth`.
    prewhiten : bool
        Fit a vector autoregression of order one first, and recolour (Andrews and Monahan 1992).
    correction : bool
        Multiply by ``n / (n - k)``.

    Returns
    -------
    ndarray, shape (k, k)
        Symmetric, positive semi-definite.
    """
    rows = np.asarray(scores, dtype=np.float64)
    nobs, k = rows.shape
    colour = np.eye(k)
    if prewhiten and nobs > 1:
        rows, colour = _whitened(rows)
    if bandwidth is None and maxlags is None and kernel in _NEWEY_WEST:
        maxlags = default_maxlags(nobs, kernel)
    if maxlags is not None:
        width = maxlags + 1.0
    elif isinstance(bandwidth, (int, float)):
        width = float(bandwidth)
    else:
        width = andrews_bandwidth(rows, kernel)
    total = colour @ _weighted(rows, kernel_weights(kernel, width, len(rows))) @ colour.T
    if correction:
        total *= _ratio(nobs, nobs - k)
    return np.asarray(0.5 * (total + total.T), dtype=np.float64)


def _weighted(rows: FloatArray, weights: FloatArray) -> FloatArray:
    """Sum of weighted cross products at all lags; many lags by the fast Fourier transform."""
    if len(weights) > MANY_LAGS:
        column = np.zeros(len(rows))
        column[: len(weights)] = weights
        return np.asarray(rows.T @ matmul_toeplitz(column, rows), dtype=np.float64)
    total = rows.T @ rows
    for lag, weight in enumerate(weights[1:], start=1):
        gamma = rows[lag:].T @ rows[:-lag]
        total += weight * (gamma + gamma.T)
    return np.asarray(total, dtype=np.float64)


def _whitened(rows: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Residuals of a first-order vector autoregression, and what recolours them.

    The coefficients are found in columns of unit length, so units do not matter. The sum over the
    residuals, one row fewer, is scaled up to all rows.
    """
    size = np.sqrt((rows**2).sum(axis=0))
    size = np.where(size > 0.0, size, 1.0)
    unit = rows / size
    matrix = np.linalg.lstsq(unit[:-1], unit[1:], rcond=None)[0].T
    left, values, right = np.linalg.svd(matrix)
    matrix = (left * np.minimum(values, LARGEST)) @ right
    residuals = (unit[1:] - unit[:-1] @ matrix.T) * math.sqrt(len(rows) / (len(rows) - 1))
    colour = size[:, None] * np.linalg.inv(np.eye(len(size)) - matrix)
    return residuals, colour


def _ratio(top: int, bottom: int) -> float:
    if bottom <= 0:
        raise SpecificationError(
            f"covariance: the small-sample factor needs more rows than parameters; got a divisor "
            f"of {bottom}. Pass cov_kwds with correction=False."
        )
    return top / bottom


def cluster_meat(scores: ArrayLike, groups: ArrayLike, *, correction: bool = True) -> FloatArray:
    """Covariance of the sum of scores that are correlated within groups only.

    Parameters
    ----------
    scores : array_like, shape (nobs, k)
    groups : array_like of int, shape (nobs,)
        The group of each row.
    correction : bool
        Multiply by ``G / (G - 1) * (n - 1) / (n - k)`` with G groups.

    Returns
    -------
    ndarray, shape (k, k)
        Of rank G at most.
    """
    rows = np.asarray(scores, dtype=np.float64)
    kinds, codes = np.unique(np.asarray(groups), return_inverse=True)
    sums = np.zeros((len(kinds), rows.shape[1]))
    np.add.at(sums, codes, rows)
    total = sums.T @ sums
    if correction:
        number, (nobs, k) = len(kinds), rows.shape
        total = total * number / (number - 1) * _ratio(nobs - 1, nobs - k)
    return np.asarray(total, dtype=np.float64)


def describe(cov_type: str, cov_kwds: Mapping[str, Any], nobs: int, k_free: int) -> str:
    """Options of a covariance in words, for the foot of a summary.

    Parameters
    ----------
    cov_type : str
    cov_kwds : mapping
        As `check_cov_kwds` returns it.
    nobs, k_free : int

    Returns
    -------
    str
        Empty for kinds without options.
    """
    if cov_type == "cluster":
        number = len(np.unique(cov_kwds["groups"]))
        words = f"{number} clusters"
        if cov_kwds.get("correction", True):
            words += ", factor G/(G - 1) (n - 1)/(n - k)"
        if number <= k_free:
            words += (
                f"; fewer than the {k_free} parameters + 1, so joint tests of all are impossible"
            )
        return words + ("; few clusters make standard errors too small" if number < 30 else "")
    if cov_type != "hac":
        return ""
    kernel = cov_kwds.get("kernel", "bartlett")
    name = {"bartlett": "Bartlett", "parzen": "Parzen"}.get(kernel, "quadratic-spectral")
    words = f"{name} kernel"
    maxlags, width = cov_kwds.get("maxlags"), cov_kwds.get("bandwidth")
    if maxlags is None and width is None and kernel in _NEWEY_WEST:
        maxlags = default_maxlags(nobs, kernel)
    if maxlags is not None:
        words += f", {maxlags} lag{'' if maxlags == 1 else 's'}"
    elif width in (None, "andrews"):
        words += ", bandwidth by Andrews' AR(1) rule"
    else:
        words += f", bandwidth {float(width):g}"
    if cov_kwds.get("prewhiten", False):
        words += ", prewhitened by a VAR(1)"
    return words + (", factor n/(n - k)" if cov_kwds.get("correction", False) else "")
