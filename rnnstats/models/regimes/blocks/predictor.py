"""Names and places of the coefficients of linear predictors, which switch or not, one by one.

``place`` (m, K) says which number of a block's part is the coefficient of column a of the design
in regime k; a common coefficient has the same place in every regime. With that, ``eta = Z
part[place]`` is one product, and its adjoint ``Z' R`` summed by place another.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.regimes.blocks.base import BlockRequest

__all__ = ["Terms", "coefficient_labels", "own", "reordered", "scattered", "summed", "terms"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True)
class Terms:
    """Names, groups and places of parameters.

    Attributes
    ----------
    names, groups : tuple of str
    place : ndarray of int, shape (m, K)
        Where the number of row a in regime k is.
    """

    names: tuple[str, ...]
    groups: tuple[str, ...]
    place: IntArray


def terms(request: BlockRequest, labels: list[tuple[str, str, str, bool]]) -> Terms:
    """
    Lay out parameters, one regime after the other where they switch.

    Parameters
    ----------
    request : BlockRequest
    labels : list of tuple
        For each row: group where it switches, group where it is common, what stands in brackets,
        whether it switches.

    Returns
    -------
    Terms
    """
    names: list[str] = []
    groups: list[str] = []
    place = np.zeros((len(labels), request.k_regimes), dtype=np.intp)
    for row, (group, common_group, inside, switches) in enumerate(labels):
        if switches:
            place[row] = len(names) + np.arange(request.k_regimes)
            names += [f"{group}[{inside},{regime}]" for regime in request.regime_names]
            groups += [group] * request.k_regimes
        else:
            place[row] = len(names)
            names.append(f"{common_group}[{inside}]")
            groups.append(common_group)
    return Terms(tuple(names), tuple(groups), place)


def coefficient_labels(
    request: BlockRequest, response: int = 0, suffix: str = ""
) -> list[tuple[str, str, str, bool]]:
    """
    Describe the coefficients of one response's linear predictor, as `terms` takes them.

    Parameters
    ----------
    request : BlockRequest
    response : int
        Which of the block's columns.
    suffix : str
        Added to its name (``"=a"`` for the logit of level a).

    Returns
    -------
    list of tuple
        In the order of the design's columns.
    """
    name = request.names[response] + suffix
    trend, ar = "trend" in request.switching, "ar" in request.switching
    out: list[tuple[str, str, str, bool]] = []
    if request.trend != "n":
        out.append(("V", "b_y", name, trend))
    if request.trend == "ct":
        out.append(("b_y_trend", "b_y_trend", name, trend))
    pairs = zip(request.exog_names, request.exog_switching, strict=True)
    out += [("D", "D", f"{name},{x}", switches) for x, switches in pairs]
    for lag in range(1, request.order + 1):
        out += [(f"ar{lag}", f"ar{lag}", f"{name},{other}", ar) for other in request.names]
    return out


def own(*places: IntArray) -> int:
    """
    Count the parameters that each regime has to itself.

    Parameters
    ----------
    *places : ndarray of int, shape (..., K)

    Returns
    -------
    int
        0 for a single regime, which shares with nobody and differs from nobody.
    """
    rows = (row for place in places for row in place.reshape(-1, place.shape[-1]).tolist())
    return len({row[0] for row in rows if any(one != row[0] for one in row)})


def reordered(part: FloatArray, order: IntArray, *places: IntArray) -> FloatArray:
    """
    Renumber the regimes.

    Parameters
    ----------
    part : ndarray, shape (q,)
    order : ndarray of int, shape (K,)
        The new regime a is the old regime ``order[a]``.
    *places : ndarray of int, shape (..., K)
        Places of all parameters; -1 where there is none.

    Returns
    -------
    ndarray, shape (q,)
    """
    before = np.append(part, 0.0)  # the last one stands for none
    after = before.copy()
    for place in places:
        after[place] = before[place[..., order]]
    return after[:-1]


def summed(places: IntArray, values: FloatArray, size: int) -> FloatArray:
    """
    Sum numbers by place.

    Parameters
    ----------
    places : ndarray of int
    values : ndarray
        Of the same shape.
    size : int

    Returns
    -------
    ndarray, shape (size,)
    """
    return np.bincount(places.ravel(), values.ravel(), size).astype(np.float64, copy=False)


def scattered(place: IntArray, matrices: FloatArray, size: int) -> FloatArray:
    """
    Sum matrices, one a regime, by the places of their rows and columns.

    Parameters
    ----------
    place : ndarray of int, shape (m, K)
    matrices : ndarray, shape (K, m, m)
    size : int

    Returns
    -------
    ndarray, shape (size, size)
    """
    rows = place.T[:, :, None] * size + place.T[:, None, :]
    return summed(rows, matrices, size * size).reshape(size, size)
