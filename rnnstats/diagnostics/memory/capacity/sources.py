"""What the user gives to measure memory capacity of, as a recurrence with inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int, is_symmetric, shown, suggest
from rnnstats.diagnostics.memory.derivatives import as_step
from rnnstats.diagnostics.memory.driven import LinearDrive
from rnnstats.diagnostics.memory.recurrences import (
    GivenRecurrence,
    Recurrence,
    StepRecurrence,
    recurrence_of,
    refuse,
)
from rnnstats.errors import SpecificationError

__all__ = ["CALLER", "ROWS", "chosen_inputs", "driven_recurrence"]

CALLER = "memory_capacity"

# Rows of a run; with 10 states the standard error of a capacity of one half is then below 0.01.
ROWS = 20_000


@dataclass(eq=False)
class WeightsRecurrence(GivenRecurrence):
    """Bare weights of a linear recurrence with white inputs.

    Attributes
    ----------
    weights : LinearDrive
    """

    weights: LinearDrive

    def drive(self) -> LinearDrive:
        """What drives it, see `Recurrence.drive`.

        Returns
        -------
        LinearDrive
        """
        return self.weights


def driven_recurrence(
    source: Any,
    h0: ArrayLike | None,
    nsteps: int | None,
    jacobian: Callable[..., ArrayLike] | None,
    inputs: ArrayLike | None,
    noise_cov: ArrayLike | None,
    rng: np.random.Generator,
) -> Recurrence:
    """Bring what the user has to a recurrence with inputs.

    Parameters
    ----------
    source, h0, nsteps, jacobian, inputs, noise_cov, rng
        As in `memory_capacity`.

    Returns
    -------
    Recurrence

    Raises
    ------
    SpecificationError
        Arguments that are missing or make no sense with the source.
    """
    if isinstance(source, tuple):
        refuse(CALLER, "weights (W_h, W_x)", h0=h0, jacobian=jacobian, inputs=inputs)
        return _bare(source, noise_cov)
    refuse(CALLER, "anything but weights (W_h, W_x)", noise_cov=noise_cov)
    if not callable(source):
        refuse(CALLER, "anything but a function", h0=h0, jacobian=jacobian, inputs=inputs)
        return recurrence_of(source, caller=CALLER)
    if inputs is None:
        count = ROWS if nsteps is None else nsteps
        count = check_int(count, name="nsteps", caller=CALLER, minimum=100)
        drawn = rng.standard_normal((count, 1))
    else:
        drawn = np.asarray(inputs, dtype=np.float64)
    found = recurrence_of(source, h0, nsteps, jacobian=jacobian, inputs=drawn, caller=CALLER)
    _check_reads(found)
    return found


def _check_reads(found: Recurrence) -> None:
    """Refuse a function that does not read its inputs."""
    if not isinstance(found, StepRecurrence):
        return
    step = as_step(found.step, caller=CALLER)
    rows = range(min(10, found.nsteps))
    images = [step(found.start.copy(), found.inputs_of(row)) for row in rows]
    if all(np.array_equal(images[0], image) for image in images):
        raise SpecificationError(
            f"{CALLER}: step must read its inputs, step(h, x); got one that gives "
            f"{shown(images[0])} after h0 for each of {len(images)} inputs."
        )


def _bare(source: tuple[Any, ...], noise_cov: ArrayLike | None) -> Recurrence:
    """Weights (W_h, W_x) as a recurrence."""
    rule = "weights must be a pair (W_h, W_x) of shapes (m, m) and (m, q)"
    if len(source) != 2:
        raise SpecificationError(f"{CALLER}: {rule}; got {len(source)} parts.")
    matrix, loading = (np.array(part, dtype=np.float64) for part in source)
    loading = loading[:, None] if loading.ndim == 1 else loading
    m = len(matrix) if matrix.ndim else 0
    if m == 0 or matrix.shape != (m, m) or loading.shape[:1] != (m,) or loading.ndim != 2:
        raise SpecificationError(f"{CALLER}: {rule}; got {matrix.shape} and {loading.shape}.")
    cov = None if noise_cov is None else np.array(noise_cov, dtype=np.float64)
    if cov is not None and (cov.shape != (m, m) or not is_symmetric(cov)):
        raise SpecificationError(
            f"{CALLER}: noise_cov must be a symmetric matrix of shape {(m, m)}; got {shown(cov)}."
        )
    if not (np.isfinite(matrix).all() and np.isfinite(loading).all()):
        raise SpecificationError(f"{CALLER}: weights must be finite; got {shown(source)}.")
    names = tuple(f"x{j + 1}" for j in range(loading.shape[1]))
    drive = LinearDrive(matrix, loading, np.eye(len(names)), names, noise_cov=cov)
    return WeightsRecurrence(matrix[None], drive)


def chosen_inputs(
    names: tuple[str, ...], shocks: int, by: str | Sequence[str] | None
) -> NDArray[np.intp]:
    """Read which inputs are looked for.

    Parameters
    ----------
    names : tuple of str
    shocks : int
        How many of them, the first ones, are shocks.
    by : str or sequence of str or None

    Returns
    -------
    ndarray of int
        Their places.

    Raises
    ------
    SpecificationError
        There is none of a name.
    """
    if by is None or by == "shocks":
        if by is not None and not shocks:
            raise SpecificationError(
                f"{CALLER}: by='shocks' needs a state that reads its own errors; got inputs "
                f"{', '.join(names)}. Name some of them."
            )
        return np.arange(shocks or len(names))
    wanted = [by] if isinstance(by, str) else list(by)
    for name in wanted:
        if name not in names:
            raise SpecificationError(
                f"{CALLER}: by must be 'shocks' or names of inputs, of {', '.join(names)}; got "
                f"{shown(name)}.{suggest(name, names)}"
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise SpecificationError(
            f"{CALLER}: by must name one input at least, each once; got {shown(by)}."
        )
    return np.array([names.index(name) for name in wanted])
