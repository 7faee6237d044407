"""Memory capacity of linear recurrences, with delta-method errors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.capacity.figures import Figures, Found
from rnnstats.diagnostics.memory.capacity.linear_shares import linear_shares, total_shares
from rnnstats.diagnostics.memory.capacity.sources import CALLER, chosen_inputs
from rnnstats.diagnostics.memory.driven import LinearDrive
from rnnstats.diagnostics.memory.recurrences import Recurrence
from rnnstats.diagnostics.memory.uncertainty import delta
from rnnstats.errors import SpecificationError

__all__ = ["exact"]

FloatArray = NDArray[np.float64]

# Lags looked at first, and at most; lags are doubled while later ones hold something.
FEW, MANY = 32, 4096
# Capacity of all later lags that is let go.
LEFT = 1e-6


def exact(recurrence: Recurrence, drive: LinearDrive, by: Any, lags: int | None) -> Found:
    """Capacities of a linear recurrence, with delta-method errors.

    Parameters
    ----------
    recurrence : Recurrence
    drive : LinearDrive
        At its parameters.
    by : str or sequence of str or None
        Inputs that are looked for.
    lags : int or None
        Largest lag; None for as many as hold something.

    Returns
    -------
    Found

    Raises
    ------
    SpecificationError
        It is not stationary, or there is no such input.
    """
    radius = float(np.abs(np.linalg.eigvals(drive.transition)).max())
    if radius >= 1.0:
        raise SpecificationError(
            f"{CALLER}: a linear recurrence must be stationary, with roots inside the unit circle; "
            f"got a root of modulus {radius:.6g}. Its state has no variance to take shares of."
        )
    chosen = chosen_inputs(drive.names, drive.shocks, by)
    count = FEW if lags is None else lags
    value, beyond, rank = _linear_figures(drive, chosen, count)
    while lags is None and beyond > LEFT and count < MANY:
        count *= 2
        value, beyond, rank = _linear_figures(drive, chosen, count)
    if lags is None:
        left = value.whole[::-1].cumsum()[::-1] + value.total - value.whole.sum()
        count = max(1, int((left > LEFT).sum()) - 1)
        value, _, rank = _linear_figures(drive, chosen, count)
        beyond = beyond if beyond > LEFT else 0.0

    def figures(there: Recurrence) -> FloatArray:
        moved = there.drive()
        if moved is None:
            return np.full_like(value.flat, np.nan)
        return _linear_figures(moved, chosen, count)[0].flat

    error = value.like(delta(recurrence, figures).error)
    notes = ["Exact for white inputs."]
    if beyond > LEFT:
        notes.append(
            f"Up to {beyond:.4g} of capacity lies at later lags; the mean lag leaves it out."
        )
    if rank < len(drive.transition):
        notes.append(
            f"Inputs and noise move the state in {rank} of {len(drive.transition)} directions, as "
            "far as numbers of 16 digits tell."
        )
    return Found(
        value, error, np.full(count + 1, True), [drive.names[j] for j in chosen],
        len(drive.transition), rank, notes,
    )  # fmt: skip


def _linear_figures(
    drive: LinearDrive, chosen: NDArray[np.intp], lags: int
) -> tuple[Figures, float, int]:
    """Capacities of the chosen inputs, that of later lags, and directions of the state."""
    found = linear_shares(drive.transition, drive.loading, drive.cov, drive.noise_cov, lags)
    whole = total_shares(found.seen, drive.cov, chosen)
    own = np.diagonal(drive.cov)[chosen]
    parts = np.diagonal(found.seen, axis1=1, axis2=2)[:, chosen]
    each = np.divide(parts, own, out=np.zeros_like(parts), where=own > 0.0)
    complete = len(chosen) == len(drive.names)
    figures = Figures.of(each, whole, found.beyond if complete else 0.0)
    return figures, found.beyond, found.rank
