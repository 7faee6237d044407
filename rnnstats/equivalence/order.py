"""Order of a system: Hankel rank, minimal realisation, Kronecker indices.

References
----------
Ho, B. L. and Kalman, R. E. (1966), Effective construction of linear state-variable models from
input/output functions, Regelungstechnik 14, 545-548.
Hannan, E. J. and Deistler, M. (1988), The Statistical Theory of Linear Systems, Wiley, sec. 2.4.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.systems import InnovationsSystem, powers
from rnnstats.errors import SpecificationError

__all__ = [
    "HankelRank",
    "Projection",
    "discounted",
    "hankel_matrix",
    "hankel_rank",
    "kronecker_indices",
    "minimal_realisation",
    "project",
    "projection",
]

FloatArray = NDArray[np.float64]

# A Hankel singular value below this share of the largest is rounding: exact cancellation leaves
# about 1e-15, and leaving such a state out moves no response by more than this share.
RANK_TOL = 1e-10
# A row of forecasts depends on earlier ones if what they leave of it is below this share of it.
ROW_TOL = 1e-8


class HankelRank(NamedTuple):
    """Numerical rank of a Hankel matrix.

    Attributes
    ----------
    rank : int
        The McMillan degree: the number of states of a minimal realisation.
    singular_values : ndarray
        Largest first.
    """

    rank: int
    singular_values: FloatArray


def hankel_matrix(responses: ArrayLike, rows: int, columns: int) -> FloatArray:
    """Hankel matrix of impulse responses.

    Parameters
    ----------
    responses : array_like, shape (steps + 1, p, m)
        Responses at lags 0 .. steps; lag 0 is not used.
    rows, columns : int
        Number of blocks; ``rows + columns - 1 <= steps``.

    Returns
    -------
    ndarray, shape (rows * p, columns * m)
        Block (i, j) is the response at lag i + j + 1.

    Raises
    ------
    SpecificationError
        Too few responses.
    """
    psi = np.asarray(responses, dtype=np.float64)
    if psi.ndim != 3 or min(rows, columns) < 1 or rows + columns > len(psi):
        raise SpecificationError(
            f"hankel_matrix: rows + columns - 1 lags after lag 0 are needed, of shape (p, m); got "
            f"rows = {rows}, columns = {columns} and shape {psi.shape}. Give more responses."
        )
    out: FloatArray = np.block([[psi[i + j + 1] for j in range(columns)] for i in range(rows)])
    return out


def hankel_rank(
    responses: ArrayLike, *, tol: float = RANK_TOL, scale: ArrayLike | None = None
) -> HankelRank:
    """Numerical rank of the largest square Hankel matrix of impulse responses.

    Parameters
    ----------
    responses : array_like, shape (steps + 1, p, p)
        Responses at lags 0 .. steps, at least twice as many as states.
    tol : float
        Singular values below this share of the largest count as zero.
    scale : array_like, shape (p,), optional
        Sizes of the outputs' errors (standard deviations), so that units do not matter.

    Returns
    -------
    HankelRank
        Rank and singular values.

    Raises
    ------
    SpecificationError
        Fewer than two responses after lag 0.
    """
    psi = np.asarray(responses, dtype=np.float64)
    if psi.ndim == 3 and scale is not None:
        size = np.asarray(scale, dtype=np.float64)
        psi = psi * size / size[:, None]
    half = len(psi) // 2
    hankel = hankel_matrix(psi, half, len(psi) - half)
    values = np.asarray(np.linalg.svd(hankel, compute_uv=False), dtype=np.float64)
    return HankelRank(_rank(values, tol), values)


def _rank(values: FloatArray, tol: float) -> int:
    return int(np.count_nonzero(values > tol * max(float(values.max(initial=0.0)), 1e-300)))


def discounted(system: InnovationsSystem, scale: ArrayLike | None) -> InnovationsSystem:
    """Return the system with unit-free outputs and inputs, and roots well inside the circle.

    Multiplying W_h by a number changes neither rank nor which forecasts depend on others.
    """
    a, c, k, b, d = system
    size = np.ones(len(c)) if scale is None else np.asarray(scale, dtype=np.float64)
    c, k, d = c / size[:, None], k * size, d / size[:, None]
    radius = spectral_radius(a) if len(a) else 0.0
    a = a * min(1.0, 0.95 / radius) if radius > 0.0 else a
    if b.shape[1]:
        reach = np.abs(powers(c, a, max(len(a), 1)) @ b).max(axis=(0, 1))
        noise = np.abs(powers(c, a, max(len(a), 1)) @ k).max(initial=0.0)
        b = b * np.where(
            reach > 0.0, (noise if noise > 0.0 else 1.0) / np.maximum(reach, 1e-300), 1
        )
    return InnovationsSystem(a, c, k, b, d)


class Projection(NamedTuple):
    """Fixed combinations of observability rows and reachability columns that keep the rank.

    Attributes
    ----------
    left : ndarray, shape (r, f * p)
        On C, C A, ..., C A^(f-1).
    right : ndarray, shape (f * (p + k), r)
        On G, A G, ..., A^(f-1) G with G = [gain, inputs].
    """

    left: FloatArray
    right: FloatArray


def projection(
    system: InnovationsSystem, *, tol: float = RANK_TOL, scale: ArrayLike | None = None
) -> tuple[Projection, FloatArray]:
    """Find the reachable and observable part of a system.

    Parameters
    ----------
    system : InnovationsSystem
    tol : float
    scale : array_like, shape (p,), optional

    Returns
    -------
    Projection
        For `project`; its combinations are those of the system itself, not a scaled one.
    singular_values : ndarray
    """
    scaled = discounted(system, scale)
    n, p = len(system.transition), len(system.design)
    f = max(n, 1)
    observe = powers(scaled.design, scaled.transition, f).reshape(-1, n)
    drive = np.hstack([scaled.gain, scaled.inputs])
    m = drive.shape[1]
    reach = powers(drive.T, scaled.transition.T, f).reshape(-1, n).T
    left, values, right = np.linalg.svd(observe @ reach)
    rank = min(_rank(values, tol), n)
    root = np.sqrt(values[:rank])
    combine = left[:, :rank].T / root[:, None]
    mix = right[:rank].T / root
    # undo the scaling, so that the same combinations serve the system itself
    radius = spectral_radius(system.transition) if n else 0.0
    factor = (min(1.0, 0.95 / radius) if radius > 0.0 else 1.0) ** np.arange(f)
    size = np.ones(p) if scale is None else np.asarray(scale, dtype=np.float64)
    raw = np.hstack([system.gain, system.inputs])
    stretch = np.array(
        [
            np.linalg.norm(drive[:, j]) / np.linalg.norm(raw[:, j]) if raw[:, j].any() else 1.0
            for j in range(m)
        ]
    )
    combine = combine * (factor[:, None] / size).ravel()
    mix = mix * (factor[:, None] * stretch).ravel()[:, None]
    return Projection(combine, mix), values[:n]


def project(system: InnovationsSystem, part: Projection) -> InnovationsSystem:
    """Take the part of a system that a projection keeps; works for complex matrices, too."""
    a, c, k, b, d = system
    n = len(a)
    f = part.left.shape[1] // max(len(c), 1)
    observe = part.left @ powers(c, a, f).reshape(-1, n)
    drive = np.hstack([k, b])
    reach = powers(drive.T, a.T, f).reshape(-1, n).T @ part.right
    inverse = np.linalg.inv(observe @ reach)
    back = inverse @ observe
    return InnovationsSystem(back @ a @ reach, c @ reach, back @ k, back @ b, d)


def minimal_realisation(
    system: InnovationsSystem,
    *,
    tol: float = RANK_TOL,
    scale: ArrayLike | None = None,
    absorb: bool = True,
) -> InnovationsSystem:
    """Remove states that neither errors nor inputs reach, or that no output shows.

    Parameters
    ----------
    system : InnovationsSystem
    tol : float
        Hankel singular values below this share of the largest count as zero.
    scale : array_like, shape (p,), optional
        Sizes of the outputs' errors, so that units do not matter.
    absorb : bool
        Whether a state that serves only to show an input at once may be moved into ``direct``.

    Returns
    -------
    InnovationsSystem
        With the same responses; nearly balanced coordinates if anything was removed, otherwise the
        system itself.
    """
    part, _ = projection(system, tol=tol, scale=scale)
    out = system if len(part.left) == len(system.transition) else project(system, part)
    if absorb and out.inputs.shape[1] and len(out.transition):
        out = _absorbed(out, tol, scale)
    return out


def _absorbed(system: InnovationsSystem, tol: float, scale: ArrayLike | None) -> InnovationsSystem:
    """Move into ``direct`` what the inputs do to the state without leaving a memory."""
    # balanced coordinates: the rank of what is reached must not depend on units of the state
    balanced = project(system, projection(system, tol=0.0, scale=scale)[0])
    a, c, k, b, d = balanced
    n = len(a)
    scaled = discounted(balanced, scale)
    drive = np.hstack([scaled.gain, scaled.transition @ scaled.inputs])
    reach = powers(drive.T, scaled.transition.T, n).reshape(-1, n).T
    basis, values, _ = np.linalg.svd(reach, full_matrices=False)
    rank = min(_rank(values, tol), n)
    if rank == n:
        return system
    kept = basis[:, :rank]
    inside = np.linalg.lstsq(a @ kept, a @ b, rcond=None)[0]
    small = tol * np.linalg.norm(a) * np.linalg.norm(b, axis=0)
    inside = np.where(np.linalg.norm(a @ b, axis=0) > small, inside, 0.0)
    if (np.linalg.norm(a @ b - a @ kept @ inside, axis=0) > small).any():
        return system
    return InnovationsSystem(
        kept.T @ a @ kept, c @ kept, kept.T @ k, inside, d + c @ (b - kept @ inside)
    )


def kronecker_indices(
    system: InnovationsSystem | ArrayLike,
    *,
    tol: float = ROW_TOL,
    scale: ArrayLike | None = None,
) -> tuple[int, ...]:
    """Kronecker indices of a system, or of its impulse responses.

    Forecasts of output i at leads 0, 1, ... are taken up, lead first, then output, as long as they
    do not depend linearly on those before; index i is the number taken from output i.

    Parameters
    ----------
    system : InnovationsSystem or array_like, shape (steps + 1, p, m)
        A system, or responses at lags 0 .. steps, at least twice as many as states.
    tol : float
        A forecast depends on others if what they leave of it is below this share of it.
    scale : array_like, shape (p,), optional
        Sizes of the outputs' errors, so that units do not matter.

    Returns
    -------
    tuple of int, length p
        Their sum is the McMillan degree.

    Raises
    ------
    SpecificationError
        The indices cannot be told from each other at this tolerance.
    """
    if isinstance(system, InnovationsSystem):
        part, values = projection(system, scale=scale)
        n = len(part.left)
        # coordinates in which past and future are equally well seen
        balanced = discounted(project(system, part), scale)
        rows = powers(balanced.design, balanced.transition, n + 1)
    else:
        psi = np.asarray(system, dtype=np.float64)
        found = hankel_rank(psi, scale=scale)
        n, values = found.rank, found.singular_values
        half = len(psi) // 2
        if scale is not None:
            size = np.asarray(scale, dtype=np.float64)
            psi = psi * size / size[:, None]
        rows = hankel_matrix(psi, half, len(psi) - half).reshape(half, psi.shape[1], -1)
    for shrink in (1.0, 1e-2, 1e-4):
        indices = _select(rows, n, tol * shrink)
        if sum(indices) == n:
            return indices
    raise SpecificationError(
        f"kronecker_indices: the forecasts must span the {n} states; got indices {indices} at "
        f"tol = {tol:g}, with Hankel singular values from {values[0]:.2g} to {values[n - 1]:.2g}. "
        "Use another tol, or reduce the system with a larger one."
    )


def _select(rows: FloatArray, n: int, tol: float) -> tuple[int, ...]:
    """Numbers of forecasts taken up by output."""
    p = rows.shape[1]
    indices, open_ = [0] * p, [True] * p
    basis = np.empty((0, rows.shape[2]))
    floor = 1e-14 * max(float(np.linalg.norm(rows, axis=2).max(initial=0.0)), 1e-300)
    for lead in range(len(rows)):
        for i in range(p):
            if not open_[i] or len(basis) == n:
                continue
            row = rows[lead, i]
            rest = row - basis.T @ (basis @ row)
            rest = rest - basis.T @ (basis @ rest)
            size = float(np.linalg.norm(rest))
            if size <= max(tol * float(np.linalg.norm(row)), floor):
                open_[i] = False
                continue
            basis = np.vstack([basis, rest / size])
            indices[i] += 1
    return tuple(indices)
