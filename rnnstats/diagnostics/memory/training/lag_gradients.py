"""Norms of the gradient of the last row's loss by the states before it, on a logarithmic scale."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.training.tasks import Batch, Task
from rnnstats.errors import SpecificationError
from rnnstats.kernels import cells

__all__ = ["log_norms_by_lag"]

FloatArray = NDArray[np.float64]


def log_norms_by_lag(
    task: Task, arch: cells.Architecture, weights: FloatArray, batch: Batch
) -> FloatArray:
    """Reverse pass from the last row of each sequence, rescaled row by row.

    Parameters
    ----------
    task : Task
    arch : Architecture
    weights : ndarray, shape (P,)
    batch : Batch
        Sequences of equal length.

    Returns
    -------
    ndarray, shape (n, rows)
        ln of the norm of dL_T / d(state at T - k), k = 0 ... rows - 1, L_T the loss of the last row
        alone; the state of a LSTM is h and c. No number overflows or underflows, however long the
        sequences are; minus infinity is a gradient of exactly zero.

    Raises
    ------
    SpecificationError
        The sequences are not of equal length, or their last rows are not asked.
    """
    rows = np.diff(batch.offsets)
    ends = batch.offsets[1:] - 1
    last = np.isin(batch.asked, ends)
    if (rows != rows[0]).any() or last.sum() != batch.size:
        raise SpecificationError(
            "gradients: sequences must be equally long and end with a row that is asked; got "
            f"lengths {sorted(set(rows.tolist()))}. Draw them by `lag` alone."
        )
    run = cells.forward(arch, weights, batch.inputs, offsets=batch.offsets)
    ended = Batch(batch.inputs, batch.offsets, batch.asked[last], batch.target[last])
    with np.errstate(all="ignore"):
        slopes = task.judge(run.eta, ended).slopes[ends] * batch.size  # of each sequence's own loss
        state, _ = cells.jacobians(arch, weights, run)
        shape = (batch.size, int(rows[0]), arch.k_state, arch.k_state)
        state = state.reshape(shape)
        adjoint = np.zeros((batch.size, arch.k_state))
        adjoint[:, arch.top] = slopes @ arch.unpack(weights).readout
        out = np.empty(shape[:2])
        scale = np.zeros(batch.size)
        for k in range(shape[1]):
            if k:
                adjoint = np.matmul(adjoint[:, None, :], state[:, -k])[:, 0]
            size = np.linalg.norm(adjoint, axis=1)
            scale = scale + np.log(size)
            out[:, k] = scale
            adjoint = adjoint / np.where(size > 0.0, size, 1.0)[:, None]
    return out
