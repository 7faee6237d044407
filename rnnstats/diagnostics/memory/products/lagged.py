"""Gradients by lag along a trajectory: of states or outputs, by earlier states or inputs. Arrays.

With J_t the Jacobian of row t, V_t that of the output and B_t that of the inputs, the gradient of
the output of row t by the state of row t - k is ``V_t J_t ... J_{t-k+1}``, and by the inputs of row
t - k that times ``B_{t-k}``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.products.leading import leading_directions, leading_norms
from rnnstats.diagnostics.memory.recurrences import Trajectory

__all__ = [
    "By",
    "Lagged",
    "LaggedGradients",
    "Of",
    "OverRows",
    "lagged_gradients",
    "one_window",
    "over_rows",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
Of = Literal["state", "output"]
By = Literal["state", "input"]

# Quantiles over rows that are shown.
QUANTILES = (0.1, 0.9)
TWO = float(np.log(2.0))


class Lagged(NamedTuple):
    """Gradients of one lag.

    Attributes
    ----------
    lag : int
    rows : ndarray of int, shape (r,)
        Rows t whose states or outputs are moved.
    values : ndarray, shape (r, a, b)
        Gradients, divided by 2 to the `powers`.
    powers : ndarray of int, shape (r,)
    """

    lag: int
    rows: IntArray
    values: FloatArray
    powers: IntArray


def lagged_gradients(
    trajectory: Trajectory, of: Of, by: By, horizon: int, rows: IntArray
) -> Iterator[Lagged]:
    """
    Gradients of every row, lag by lag from 0 to the horizon.

    Parameters
    ----------
    trajectory : Trajectory
        With a readout, and inputs, where these are asked for.
    of : {"state", "output"}
        What is moved.
    by : {"state", "input"}
        What moves it: the state, or the inputs, of the row `lag` rows before.
    horizon : int
        Largest lag.
    rows : ndarray of int, shape (r,)
        Rows whose states or outputs are moved.

    Yields
    ------
    Lagged
        Without the rows whose sequence does not reach so far back; the state before the first row
        of a sequence counts.

    Notes
    -----
    Products are scaled by powers of two at each lag, which rounds nothing: they neither overflow
    nor vanish.
    """
    m = trajectory.k_state
    ends = rows
    back = np.concatenate([np.arange(b - a) for a, b in pairwise(trajectory.offsets.tolist())])
    left: FloatArray
    if of == "output" and trajectory.readout is not None:
        left = np.array(trajectory.readout[ends])
    else:
        left = np.tile(np.eye(m), (len(ends), 1, 1))
    powers = np.zeros(len(ends), dtype=np.intp)
    for lag in range(horizon + 1):
        keep = back[ends] + (by == "state") >= lag
        ends, left, powers = ends[keep], left[keep], powers[keep]
        values = left
        if by == "input" and trajectory.inputs is not None:
            values = left @ trajectory.inputs[ends - lag]
            if lag == 0 and of == "output" and trajectory.direct is not None:
                values = values + trajectory.direct[ends]
        yield Lagged(lag, ends, values, powers)
        going = back[ends] >= lag
        ends, left, powers = ends[going], left[going], powers[going]
        left = left @ trajectory.state[ends - lag]
        _, more = np.frexp(np.abs(left).max(axis=(1, 2), initial=0.0))
        left, powers = np.ldexp(left, -more[:, None, None]), powers + more


def one_window(trajectory: Trajectory, horizon: int) -> Trajectory | None:
    """
    Rows enough for all lags of a recurrence that is the same in every row.

    Parameters
    ----------
    trajectory : Trajectory
    horizon : int
        Largest lag.

    Returns
    -------
    Trajectory or None
        With horizon + 1 rows; None where rows differ.
    """
    parts = (trajectory.inputs, trajectory.readout, trajectory.direct)
    same = [part is None or part.strides[0] == 0 or len(part) == 1 for part in parts]
    if not (trajectory.constant and all(same)):
        return None
    state, inputs, readout, direct = (
        None if part is None else np.broadcast_to(part[0], (horizon + 1, *part.shape[1:]))
        for part in (trajectory.state, *parts)
    )
    if state is None:  # pragma: no cover (there is always a state)
        return None
    offsets = np.array([0, horizon + 1], dtype=np.intp)
    return Trajectory(state, offsets, inputs=inputs, readout=readout, direct=direct)


class OverRows(NamedTuple):
    """Statistics over rows, each of shape (lags, q); the number of rows of each lag, (lags,)."""

    rows: IntArray
    mean: FloatArray
    median: FloatArray
    lower: FloatArray
    upper: FloatArray


def over_rows(values: FloatArray) -> OverRows:
    """
    Mean, median, and 10 % and 90 % quantiles over rows, lag by lag.

    Parameters
    ----------
    values : ndarray, shape (lags, r, q)
        NaN where a row does not count.

    Returns
    -------
    OverRows
        Quantiles are values of rows, so that infinite ones do no harm; NaN without rows.
    """
    counts = np.asarray((~np.isnan(values[:, :, 0])).sum(axis=1), dtype=np.intp)
    ordered = np.sort(values, axis=1)  # NaN go last
    each = np.arange(len(values))

    def quantile(share: float) -> FloatArray:
        place = np.rint(share * np.maximum(counts - 1, 0)).astype(np.intp)
        return np.asarray(ordered[each, place])

    known = np.where(np.isnan(values), 0.0, values)
    with np.errstate(invalid="ignore", over="ignore"):
        mean = known.sum(axis=1) / np.where(counts > 0, counts, np.nan)[:, None]
    low, high = QUANTILES
    return OverRows(counts, mean, quantile(0.5), quantile(low), quantile(high))


@dataclass(eq=False)
class LaggedGradients:
    """Norms of gradients, or gradients that are numbers, of many rows and all lags.

    Attributes
    ----------
    trajectory : Trajectory
    of, by : str
        See `lagged_gradients`.
    horizon : int
    rows : ndarray of int, shape (r,)
        Rows whose states or outputs are moved, in order.
    """

    trajectory: Trajectory
    of: Of
    by: By
    horizon: int
    rows: IntArray

    @property
    def signed(self) -> bool:
        """Whether each gradient is a number, that of an output by an input."""
        return self.of == "output" and self.by == "input"

    @property
    def single(self) -> bool:
        """Whether the trajectory is one window that stands for all rows."""
        return one_window(self.trajectory, self.horizon) is not None

    @cached_property
    def logs(self) -> FloatArray:
        """Log norms, shape (horizon + 1, r, q); NaN where a sequence does not reach so far back."""
        return self._walked[0]

    @property
    def signs(self) -> FloatArray:
        """Signs of the gradients, of the shape of `logs`; one for norms."""
        return self._walked[1]

    @cached_property
    def values(self) -> FloatArray:
        """Norms, or signed gradients, of the shape of `logs`; infinite where doubles end."""
        with np.errstate(over="ignore"):
            return np.asarray(self.signs * np.exp(self.logs))

    @cached_property
    def _walked(self) -> tuple[FloatArray, FloatArray]:
        """Log norms and signs."""
        found = []
        for part in self._walk(self.trajectory):
            norm = _norms(part.values, self.of, self.by)
            pair = np.full((2, len(self.rows), norm.shape[1]), np.nan)
            place = np.searchsorted(self.rows, part.rows)
            with np.errstate(divide="ignore"):
                pair[0, place] = np.log(norm) + part.powers[:, None] * TWO
            pair[1, place] = _signs(part.values).reshape(norm.shape) if self.signed else 1.0
            found.append(pair)
        logs, signs = np.stack(found, axis=1)
        return logs, signs

    @cached_property
    def _directions(self) -> list[FloatArray]:
        """Unit gradients by lag."""
        walk = self._walk(self.trajectory)
        return [_direction(part.values, self.of, self.by) for part in walk]

    def _walk(self, trajectory: Trajectory) -> Iterator[Lagged]:
        return lagged_gradients(trajectory, self.of, self.by, self.horizon, self.rows)

    def along(
        self, trajectory: Trajectory, unit: FloatArray | float = 0.0
    ) -> tuple[FloatArray, FloatArray]:
        """
        Norms along another trajectory, to first order in how it differs.

        Parameters
        ----------
        trajectory : Trajectory
            Of the same recurrence at other parameters.
        unit : ndarray of shape (q,), or float
            Log of what the norms are measured in, where doubles would not hold them.

        Returns
        -------
        norms : ndarray, shape (horizon + 1, r, q)
            Divided by ``exp(unit)``.
        logs : ndarray, shape (horizon + 1, r, q)
            Of the norms. Of each gradient only the part in the direction of the gradient here
            counts: at the parameters here the values, and their derivatives by parameters, are
            those of norms, and no singular vectors are needed elsewhere.
        """
        norms, logs = np.full_like(self.logs, np.nan), self.logs.copy()
        for part, direction in zip(self._walk(trajectory), self._directions, strict=True):
            within = _within(part.values, direction, self.of, self.by)
            place = np.searchsorted(self.rows, part.rows)
            base, scale = self.logs[part.lag, place], part.powers[:, None] * TWO
            with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                norms[part.lag, place] = within * np.exp(scale - unit)
                moved = base + (within * np.exp(scale - base) - 1.0)
            logs[part.lag, place] = np.where(np.isneginf(base), base, moved)
        return norms, logs


def _signs(values: FloatArray) -> FloatArray:
    return np.where(values < 0.0, -1.0, 1.0)


def _norms(values: FloatArray, of: Of, by: By) -> FloatArray:
    """Norms (r, q) of gradients (r, a, b)."""
    if of == "output" and by == "input":
        return np.abs(values).reshape(len(values), -1)
    if of == by:
        return leading_norms(values)[:, None]
    return np.asarray(np.linalg.norm(values, axis=2 if of == "output" else 1))


def _direction(values: FloatArray, of: Of, by: By) -> FloatArray:
    """Gradients of unit norm, (r, a, b), whose inner product with a gradient is its norm."""
    if of == "output" and by == "input":
        return _signs(values)
    if of == by:
        return leading_directions(values)
    axis = 2 if of == "output" else 1
    norm = np.linalg.norm(values, axis=axis, keepdims=True)
    return np.asarray(values / np.where(norm > 0.0, norm, 1.0))


def _within(values: FloatArray, direction: FloatArray, of: Of, by: By) -> FloatArray:
    """Parts of gradients (r, a, b) in given directions, (r, q)."""
    product = values * direction
    if of == "output" and by == "input":
        return product.reshape(len(values), -1)
    if of == by:
        return np.asarray(product.sum(axis=(1, 2))[:, None])
    return np.asarray(product.sum(axis=2 if of == "output" else 1))
