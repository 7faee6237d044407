"""Systems in innovations form: their responses and their echelon coordinates.

Timing, as everywhere in the package: row t of the inputs acts on the step into t, so that the
response of the outputs to an input at lag 0 is ``design @ inputs + direct``.

References
----------
Hannan, E. J. and Deistler, M. (1988), The Statistical Theory of Linear Systems, Wiley, ch. 2.
Luetkepohl, H. (2005), New Introduction to Multiple Time Series Analysis, Springer, sec. 12.1.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import SpecificationError

__all__ = [
    "InnovationsSystem",
    "echelon",
    "echelon_columns",
    "innovations_system",
    "assembled",
    "chains",
    "input_responses",
    "powers",
    "system_responses",
]

FloatArray = NDArray[np.float64]
AnyArray = NDArray[Any]
# Rounds of bringing rows and columns to one size; each takes the root of what is left.
EQUILIBRATIONS = 12


class InnovationsSystem(NamedTuple):
    """A linear system driven by its own one-step-ahead errors and by inputs.

    ``h_t = transition h_{t-1} + gain e_{t-1} + inputs x_t``,
    ``y_t = design h_t + direct x_t + e_t``.

    Attributes
    ----------
    transition : ndarray, shape (n, n)
    design : ndarray, shape (p, n)
    gain : ndarray, shape (n, p)
    inputs : ndarray, shape (n, k)
        ``k = 0`` where there are none.
    direct : ndarray, shape (p, k)
    """

    transition: FloatArray
    design: FloatArray
    gain: FloatArray
    inputs: FloatArray
    direct: FloatArray


def innovations_system(
    transition: ArrayLike,
    design: ArrayLike,
    gain: ArrayLike,
    inputs: ArrayLike | None = None,
    direct: ArrayLike | None = None,
) -> InnovationsSystem:
    """Make a system from its matrices, with every shape checked.

    Parameters
    ----------
    transition : array_like, shape (n, n)
    design : array_like, shape (p, n)
    gain : array_like, shape (n, p)
    inputs : array_like, shape (n, k), optional
    direct : array_like, shape (p, k), optional
        Zero where left out.

    Returns
    -------
    InnovationsSystem

    Raises
    ------
    SpecificationError
        Shapes that do not fit, or numbers that are not finite.
    """
    a, c, g = (np.atleast_2d(np.asarray(m, dtype=np.float64)) for m in (transition, design, gain))
    n, p = a.shape[0], c.shape[0]
    b = None if inputs is None else np.asarray(inputs, dtype=np.float64)
    d = None if direct is None else np.asarray(direct, dtype=np.float64)
    k = b.shape[-1] if b is not None else d.shape[-1] if d is not None else 0
    b = np.zeros((n, k)) if b is None else b
    d = np.zeros((p, k)) if d is None else d
    shapes = {
        "transition": (a, (n, n)), "design": (c, (p, n)), "gain": (g, (n, p)),
        "inputs": (b, (n, k)), "direct": (d, (p, k)),
    }  # fmt: skip
    for name, (matrix, shape) in shapes.items():
        if matrix.shape != shape or not np.isfinite(matrix).all():
            raise SpecificationError(
                f"innovations_system: {name} must be finite numbers of shape {shape}; got shape "
                f"{matrix.shape}. transition is (n, n), design (p, n), gain (n, p), inputs (n, k), "
                "direct (p, k)."
            )
    return InnovationsSystem(a, c, g, b, d)


def system_responses(system: InnovationsSystem, steps: int) -> FloatArray:
    """Responses of the outputs to the errors: I, C K, C A K, ...

    Parameters
    ----------
    system : InnovationsSystem
    steps : int

    Returns
    -------
    ndarray, shape (steps + 1, p, p)
    """
    p = system.design.shape[0]
    later = powers(system.design, system.transition, steps) @ system.gain
    out: FloatArray = np.concatenate([np.eye(p)[None].astype(later.dtype), later])
    return out


def input_responses(system: InnovationsSystem, steps: int) -> FloatArray:
    """Responses of the outputs to the inputs: C B + D, C A B, C A^2 B, ...

    Parameters
    ----------
    system : InnovationsSystem
    steps : int

    Returns
    -------
    ndarray, shape (steps + 1, p, k)
    """
    out: FloatArray = powers(system.design, system.transition, steps + 1) @ system.inputs
    out[0] = out[0] + system.direct
    return out


def powers(design: AnyArray, transition: AnyArray, count: int) -> AnyArray:
    """Return C, C A, ..., C A^(count - 1), shape (count, p, n)."""
    out = np.empty((count, *design.shape), dtype=np.result_type(design, transition))
    rows = design
    for j in range(count):
        out[j] = rows
        rows = rows @ transition
    return out


def echelon_columns(kronecker: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    """States on which the first dependent forecast of each output loads.

    Parameters
    ----------
    kronecker : tuple of int

    Returns
    -------
    tuple of tuple of int
        For output i, the places in the state vector (chain by chain) of the chosen forecasts that
        precede its forecast at lead ``kronecker[i]``.
    """
    first = [sum(kronecker[:i]) for i in range(len(kronecker))]
    out: list[tuple[int, ...]] = []
    for i, nu in enumerate(kronecker):
        columns: list[int] = []
        for k, other in enumerate(kronecker):
            columns.extend(first[k] + j for j in range(min(nu + (k < i), other)))
        out.append(tuple(columns))
    return tuple(out)


def echelon(system: InnovationsSystem, kronecker: tuple[int, ...]) -> InnovationsSystem:
    """Put a minimal system into echelon coordinates.

    Parameters
    ----------
    system : InnovationsSystem
    kronecker : tuple of int, length p
        The system's Kronecker indices (`kronecker_indices`); their sum is the number of states.

    Returns
    -------
    InnovationsSystem
        The state is, chain by chain, the forecasts of output i at leads 0 .. kronecker[i] - 1.

    Raises
    ------
    SpecificationError
        The indices do not fit the system: forecasts that do not span the state, or a forecast that
        depends on later ones.
    """
    a, c, k, b, d = system
    n, p = len(a), len(c)
    nu = tuple(int(index) for index in kronecker)
    if len(nu) != p or min(nu, default=0) < 0 or sum(nu) != n:
        raise SpecificationError(
            f"echelon: kronecker must hold one index an output ({p}), with the sum {n}; got {nu}. "
            "Use kronecker_indices, after minimal_realisation."
        )
    basis, ends = chains(c, a, nu)
    units = _state_units(basis)
    basis, ends = basis / units, ends / units
    if not np.isfinite(basis).all() or (n and np.linalg.cond(_level(basis)) > 1e12):
        raise SpecificationError(
            f"echelon: the forecasts chosen by the Kronecker indices must span the state; got "
            f"{nu}, which do not. The system's own indices are kronecker_indices(system)."
        )
    alpha = np.linalg.solve(basis.T, ends.T).T
    allowed = np.zeros((p, n), dtype=bool)
    for i, columns in enumerate(echelon_columns(nu)):
        allowed[i, list(columns)] = True
    weight = np.abs(alpha) * np.linalg.norm(basis, axis=1)
    size = np.linalg.norm(ends, axis=1)[:, None] + np.where(allowed, weight, 0).sum(1)[:, None]
    if (weight[~allowed] > 1e-6 * np.broadcast_to(size, (p, n))[~allowed]).any():
        raise SpecificationError(
            f"echelon: each dependent forecast must be a combination of earlier ones; with the "
            f"Kronecker indices {nu} one depends on later ones. The system's own indices are "
            "kronecker_indices(system)."
        )
    transition, design = assembled(np.where(allowed, alpha, 0.0), nu)
    basis = basis * units
    return InnovationsSystem(transition, design, basis @ k, basis @ b, d)


def chains(
    design: AnyArray, transition: AnyArray, nu: tuple[int, ...]
) -> tuple[AnyArray, AnyArray]:
    """Rows of the chosen forecasts (n, n), and of the first dependent one of each output (p, n)."""
    rows = powers(design, transition, max(nu, default=0) + 1)
    basis = [rows[lead, i] for i, chain in enumerate(nu) for lead in range(chain)]
    ends = np.array([rows[chain, i] for i, chain in enumerate(nu)])
    n = transition.shape[0]
    return np.array(basis, dtype=rows.dtype).reshape(len(basis), n), ends


def _state_units(basis: AnyArray) -> FloatArray:
    """Powers of two by which columns differ once rows and columns are of one size (Ruiz 2001)."""
    left, units = np.abs(basis), np.ones(basis.shape[1])
    for _ in range(EQUILIBRATIONS if basis.size and np.isfinite(left).all() else 0):
        for axis in (1, 0):
            largest = left.max(axis=axis, keepdims=True)
            size = np.sqrt(np.where(largest > 0.0, largest, 1.0))
            left = left / size
            if axis == 0:
                units = units * size[0]
    out: FloatArray = np.exp2(np.round(np.log2(units)))
    return out


def _level(basis: FloatArray) -> FloatArray:
    out: FloatArray = basis / np.maximum(np.linalg.norm(basis, axis=1), 1e-300)[:, None]
    return out


def assembled(alpha: AnyArray, nu: tuple[int, ...]) -> tuple[AnyArray, AnyArray]:
    """Transition and design of the echelon form from the coefficients of its free rows (p, n)."""
    n, p = sum(nu), len(nu)
    transition = np.zeros((n, n), dtype=alpha.dtype)
    design = np.zeros((p, n), dtype=alpha.dtype)
    for i, chain in enumerate(nu):
        if chain == 0:
            design[i] = alpha[i]
            continue
        first = sum(nu[:i])
        design[i, first] = 1.0
        for j in range(chain - 1):
            transition[first + j, first + j + 1] = 1.0
        transition[first + chain - 1] = alpha[i]
    return transition, design
