"""Regimes that shrink onto a few rows: where the likelihood of a mixture has no bound.

With a scale of its own, a regime can sit on one row (or on equal values, or in p dimensions on p
rows) and let its variance go to zero; the likelihood then goes to infinity and says nothing. The
fit therefore maximises over squared scales (variances, ``scale2``, one over a gamma shape) of at
least ``SHARE`` times the pooled one, that of a single regime with the same regressors and lags
(and a linear trend; given the other columns where columns are jointly normal, however alike they
are), less where outliers or distances between regimes make it large. The constrained maximum is
consistent (Hathaway 1985, Annals of Statistics 13, 795-800; Tanaka and Takemura 2006, Bernoulli 12,
1003-1017). A maximum on that border, or one whose regime is narrow and has no more rows than
parameters, counts as degenerate: it ranks below every proper one, and if there is no other the fit
says so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import DataError
from rnnstats.models.refusals import combined, refuse_combined
from rnnstats.models.regimes.blocks.base import BoundBlock, Rows
from rnnstats.models.regimes.blocks.design import residuals
from rnnstats.models.regimes.blocks.gaussian import GaussianBlock

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = [
    "SHARE",
    "Degenerate",
    "Guard",
    "degenerate_regimes",
    "floor_places",
    "pooled_scales",
    "refuse_combination",
    "refuse_few_values",
    "words",
]

FloatArray = NDArray[np.float64]

# Smallest squared scale of a regime, as a share of the pooled one: a standard deviation of 1/1000.
SHARE = 1e-6
# At the border to within this factor: what is left by a climb that a wall stopped.
NEAR = 2.0
# A regime this narrow (squared scale, as a share of the pooled one) that has no more rows than it
# has numbers of its own owes its height to a coincidence.
NARROW = 1e-2
# Rows with at least this probability of a regime are said to belong to it.
SITS = 0.5
# The pooled scale is at most so many usual ones: an outlier, or regimes far from each other, must
# not make rows look as if they had no spread.
DISTANT = 10.0
# Rows named in a message.
SHOWN = 5


@dataclass(frozen=True)
class Degenerate:
    """A regime that sits on a few rows.

    Attributes
    ----------
    regime : int
    column : int
        Column of endog.
    rows : tuple of int
        Rows of the data it sits on.
    share : float
        Its squared scale as a share of the pooled one.
    """

    regime: int
    column: int
    rows: tuple[int, ...]
    share: float


def pooled_scales(rows: Rows, family: str) -> FloatArray:
    """Squared scale of each column, of jointly normal ones given the others, with one regime.

    Parameters
    ----------
    rows : Rows
        Responses, and what they are regressed on.
    family : str
        Public name; of a gamma response the squared coefficient of variation is taken.

    Returns
    -------
    ndarray, shape (d,)
        Mean square of the least-squares residuals, with the other columns among the regressors
        where they are jointly normal, less where a few of them, or distances between regimes, make
        all of it; where these are all zero, that of rounding.
    """
    nobs, columns = rows.y.shape
    out = np.empty(columns)
    given = [np.ones((nobs, 1))]
    if rows.x is not None:
        given.append(rows.x)
    if rows.time is not None and np.ptp(rows.time) > 0.0:
        given.append(rows.time[:, None])
    if rows.lags is not None:
        given.append(rows.lags.reshape(nobs, -1))
    design = np.hstack(given)
    every = bool(np.isfinite(design).all() and np.isfinite(rows.y).all())
    known = np.ones(nobs, dtype=bool) if every else np.isfinite(design).all(axis=1)
    joint = columns > 1 and family == "gaussian"
    for j in range(columns):
        y, x = rows.y[:, j], design
        if not every:
            keep = known & np.isfinite(y)
            y, x = y[keep], design[keep]
        if not len(y):
            out[j] = 1.0
            continue
        centre = float(y.sum()) / len(y)
        away = y - centre
        size = float(away @ away) / len(y)
        rest = residuals(y, x)
        out[j] = min(float(rest @ rest) / len(y), _typical(rest), _typical(y))
        if joint:
            out[j] = min(out[j], _given_others(rows.y, j, design))
        out[j] = max(out[j], 1e-12 * size, 1e-24 * centre**2, 1e-300)
        if family == "gamma":
            out[j] /= max(centre**2, 1e-300)
    return out


def _given_others(y: FloatArray, j: int, design: FloatArray) -> float:
    """Mean square of a column's residuals given the others, too; infinite with too few rows."""
    others = np.delete(y, j, axis=1)
    keep = np.isfinite(y).all(axis=1) & np.isfinite(design).all(axis=1)
    number = int(np.count_nonzero(keep))
    if number <= 2 * (design.shape[1] + others.shape[1]):
        return math.inf
    centred = others[keep] - others[keep].mean(axis=0)
    rest = residuals(y[keep, j], np.hstack([design[keep], centred]))
    return min(float(rest @ rest) / number, _typical(rest))


def _typical(y: FloatArray) -> float:
    """Largest square that passes for spread, not for distance: of outliers, or between regimes.

    A multiple of two estimates that these leave alone: from the median deviation, and from the
    median distance of neighbours in size; for normal numbers both are near the standard deviation.
    """
    line = np.sort(y)
    middle = len(line) // 2
    centre = 0.5 * float(line[middle] + line[middle if len(line) % 2 else middle - 1])
    deviation = 1.4826 * _median(np.abs(line - centre))
    gaps = line[1:] - line[:-1]
    neighbours = 0.45 * len(y) * _median(gaps) if len(gaps) else 0.0
    usual = min((one for one in (deviation, neighbours) if one > 0.0), default=math.inf)
    return (DISTANT * usual) ** 2


def _median(x: FloatArray) -> float:
    """Median of numbers without NaN (that of NumPy looks for them, at ten times the price)."""
    middle = len(x) // 2
    parted = np.partition(x, middle)
    below = parted[middle] if len(x) % 2 else parted[:middle].max()
    return 0.5 * (parted.item(middle) + float(below))


class Guard:
    """Whether the scales of all regimes are above their floors.

    Parameters
    ----------
    bound : sequence of BoundBlock
    parts : sequence of slice
        Their places in theta.
    pooled : sequence of ndarray, shape (d,)
        From `pooled_scales`, one a block.
    """

    def __init__(
        self, bound: Sequence[BoundBlock], parts: Sequence[slice], pooled: Sequence[FloatArray]
    ) -> None:
        self.watched = [
            (block, part, SHARE * (1.0 - 1e-9) * unit)
            for block, part, unit in zip(bound, parts, pooled, strict=True)
            if block.scales(np.ones(part.stop - part.start)) is not None
        ]

    def __call__(self, theta: FloatArray) -> bool:
        """Check one vector, shape (K,)."""
        for block, part, floor in self.watched:
            scales = block.scales(theta[part])
            if scales is not None and not (scales**2 >= floor).all():
                return False
        return True


def degenerate_regimes(
    scales: Sequence[FloatArray | None],
    pooled: Sequence[FloatArray],
    columns: Sequence[tuple[int, ...]],
    own: Sequence[int],
    smoothed: FloatArray,
    rows: NDArray[np.intp],
) -> tuple[Degenerate, ...]:
    """Find regimes that sit on a few rows.

    Parameters
    ----------
    scales : sequence of ndarray, shape (K, d), or None
        One a response block, None where nothing can collapse; relative smallest scale in a
        direction where columns are jointly normal.
    pooled : sequence of ndarray, shape (d,)
        From `pooled_scales`.
    columns : sequence of tuple of int
        Columns of endog of each block.
    own : sequence of int
        Numbers that a regime has to itself in each block; 0 where its scale is shared.
    smoothed : ndarray, shape (n, K)
        Probabilities of the regimes.
    rows : ndarray of int, shape (n,)
        Their rows in the data.

    Returns
    -------
    tuple of Degenerate
    """
    found: list[Degenerate] = []
    for scale, unit, places, count in zip(scales, pooled, columns, own, strict=True):
        if scale is None:
            continue
        shares = scale**2 / unit
        if float(shares.min(initial=math.inf)) > NARROW:
            continue
        number = smoothed.sum(axis=0)
        for k, j in zip(*np.nonzero(shares <= NARROW), strict=True):
            few = count > 0 and number[k] <= count + 0.5
            if shares[k, j] <= NEAR * SHARE or few:
                sits = rows[smoothed[:, k] >= SITS]
                found.append(
                    Degenerate(int(k), places[int(j)], tuple(sits.tolist()), float(shares[k, j]))
                )
    return tuple(found)


def words(found: Degenerate, name: str, regime: str, labels: Sequence[str]) -> str:
    """Say what happened.

    Parameters
    ----------
    found : Degenerate
    name, regime : str
        Names of its column and regime.
    labels : sequence of str
        Labels of the rows it sits on.

    Returns
    -------
    str
    """
    shown = ", ".join(labels[:SHOWN]) + (", ..." if len(labels) > SHOWN else "")
    where = f"{len(labels)} row{'s' * (len(labels) != 1)} ({shown})" if labels else "no row"
    return f"regime {regime} has almost no spread in {name!r} and sits on {where}"


def floor_places(model: MarkovRNN, sunk: Sequence[Degenerate]) -> dict[int, float]:
    """Scale parameters that stand at their floor, and the value there.

    Parameters
    ----------
    model : MarkovRNN
    sunk : sequence of Degenerate

    Returns
    -------
    dict
        Place in theta to value; only of scalar scales.
    """
    likelihood = model.likelihood
    out: dict[int, float] = {}
    for one in sunk:
        if one.share > NEAR * SHARE:
            continue
        blocks = zip(model.blocks, likelihood.parts, likelihood.pooled, strict=True)
        for block, part, pooled in blocks:
            if one.column not in block.columns:
                continue
            floor = SHARE * float(pooled[block.columns.index(one.column)])
            name = model.endog.names[one.column]
            regime = model.regime_names[one.regime]
            for i, label in enumerate(block.names):
                if label in (f"obs_cov[{name},{name},{regime}]", f"scale2[{name},{regime}]"):
                    out[part.start + i] = floor
                elif label == f"shape[{name},{regime}]":
                    out[part.start + i] = 1.0 / floor
    return out


def refuse_few_values(model: MarkovRNN) -> None:
    """Refuse a continuous response with as many regimes as distinct values.

    Parameters
    ----------
    model : MarkovRNN

    Raises
    ------
    DataError
        Every regime would sit on one value, without spread.
    """
    if model.exog is not None or model.order or model.trend == "ct":
        return
    for block in model.blocks:
        if block.discrete or len(block.columns) > 1:
            continue
        values = model.endog.values[:, block.columns[0]]
        number = len(np.unique(values[np.isfinite(values)]))
        if number <= model.k_regimes:
            raise DataError(
                f"{model.name}.fit: a series with a continuous distribution must have more "
                f"distinct values than regimes; got {number} values and {model.k_regimes} regimes "
                f"in {model.endog.names[block.columns[0]]!r}. Use fewer regimes, or "
                "emission='categorical'."
            )


def refuse_combination(model: MarkovRNN) -> None:
    """Refuse jointly normal outputs that add up to a constant: singular in every regime.

    Parameters
    ----------
    model : MarkovRNN

    Raises
    ------
    DataError
        The likelihood has no bound, whatever the regimes.
    """
    for block in model.blocks:
        if not (isinstance(block, GaussianBlock) and block.covariance == "full"):
            continue
        y = model.endog.values[:, block.columns]
        names = tuple(model.endog.names[column] for column in block.columns)
        refuse_combined(combined(y[np.isfinite(y).all(axis=1)], names), f"{model.name}.fit")
