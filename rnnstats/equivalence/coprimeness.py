"""Common factors of AR and MA polynomials: poles that zeros cancel, wholly or nearly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import shown
from rnnstats.equivalence.moments import sorted_roots, zero_size
from rnnstats.equivalence.order import (
    RANK_TOL,
    discounted,
    minimal_realisation,
    project,
    projection,
)
from rnnstats.equivalence.polynomials import checked_lags, from_polynomials
from rnnstats.equivalence.systems import InnovationsSystem
from rnnstats.errors import SpecificationError

__all__ = ["Cancellation", "Coprimeness", "coprimeness", "coprimeness_of"]

FloatArray = NDArray[np.float64]
ComplexArray = NDArray[np.complex128]

# A mode of which less than this is left, on the scale of a scalar ARMA(1, 1) (the distance of its
# two roots), nearly cancels, if a moving-average root is no further away than twice this.
NEAR = 0.05
# Components of a mode below this share of its largest are not worth a name.
SMALL = 0.1


@dataclass(frozen=True, slots=True)
class Cancellation:
    """An autoregressive root that a moving-average root cancels, or nearly.

    Attributes
    ----------
    root : complex
        Autoregressive root (an eigenvalue of W_h; inside the circle for a stationary model); of a
        pair the one with positive imaginary part.
    ma_root : complex
        The nearest moving-average root.
    distance : float
        Between the two.
    strength : float
        What is left of the mode: how far the noise is from not reaching it times how far the
        outputs are from not showing it. For one root alone (ARMA(1, 1)) this is the distance; with
        several outputs, roots may be near each other and yet not cancel, which it tells apart.
    outputs : tuple of int
        Outputs that show the mode.
    exact : bool
        Whether nothing is left of it but rounding.
    """

    root: complex
    ma_root: complex
    distance: float
    strength: float
    outputs: tuple[int, ...]
    exact: bool

    def words(self, names: Sequence[str] | None = None) -> str:
        """Say what cancels.

        Parameters
        ----------
        names : sequence of str, optional
            Names of the outputs; numbers from 1 otherwise.

        Returns
        -------
        str
        """
        which = [str(i + 1) if names is None else str(names[i]) for i in self.outputs]
        where = f"output{'' if len(which) == 1 else 's'} {', '.join(which)}"
        where = where if which else "shown by no output"
        pair, verb = ("roots", "cancel") if self.root.imag else ("root", "cancels")
        if self.exact:
            return f"the autoregressive {pair} {shown_root(self.root)} {verb} ({where})"
        return (
            f"the autoregressive {pair} {shown_root(self.root)} nearly {verb}: the moving-average "
            f"root {shown_root(self.ma_root)} is {self.distance:.2g} away, and {self.strength:.2g} "
            f"of the mode is left ({where})"
        )


@dataclass(frozen=True, slots=True)
class Coprimeness:
    """Whether AR and MA polynomials have a factor in common.

    Attributes
    ----------
    coprime : bool
        No common root: [A(z) M(z)] has full rank for every z.
    common : tuple of Cancellation
        Roots that cancel exactly.
    near : tuple of Cancellation
        Roots that nearly cancel.
    k_states : int
        States of the system as given, without those that are there for lags with zero roots only.
    mcmillan_degree : int
        States that are needed.
    """

    coprime: bool
    common: tuple[Cancellation, ...]
    near: tuple[Cancellation, ...]
    k_states: int
    mcmillan_degree: int

    def words(self, names: Sequence[str] | None = None) -> str:
        """Say what cancels, in one sentence; empty if nothing does.

        Parameters
        ----------
        names : sequence of str, optional
            Names of the outputs.

        Returns
        -------
        str
        """
        found = [case.words(names) for case in (*self.common, *self.near)]
        return "; ".join(found)


def shown_root(root: complex) -> str:
    """Show a root with four digits; a pair by one of its members.

    Parameters
    ----------
    root : complex

    Returns
    -------
    str
    """
    if abs(root.imag) <= 1e-9 * max(abs(root), 1e-300):
        return f"{root.real:.4g}"
    return f"{root.real:.4g} +/- {abs(root.imag):.4g}i"


def coprimeness(
    ar: ArrayLike,
    ma: ArrayLike,
    exog: ArrayLike | None = None,
    *,
    scale: ArrayLike | None = None,
    tol: float = RANK_TOL,
    near: float = NEAR,
) -> Coprimeness:
    """Look for common left factors of AR and MA polynomials.

    Parameters
    ----------
    ar, ma : array_like, shape (q, p, p) and (r, p, p)
    exog : array_like, shape (s + 1, p, k), optional
        With inputs, a root cancels only if they do not move it either.
    scale : array_like, shape (p,), optional
        Standard deviations of the errors, so that units do not matter.
    tol : float
        Hankel singular values below this share of the largest count as zero.
    near : float
        Modes with less strength than this nearly cancel, if a moving-average root is no further
        away than twice this.

    Returns
    -------
    Coprimeness

    Raises
    ------
    SpecificationError
        Shapes that do not fit.

    References
    ----------
    Hannan and Deistler (1988), sec. 2.2 (left coprimeness); Kailath (1980), Linear Systems,
    theorem 6.2-6 (rank test of Popov, Belevitch and Hautus).
    """
    system = from_polynomials(ar, ma, exog)
    if scale is None:
        return coprimeness_of(system, tol=tol, near=near)
    p = len(system.design)
    size = np.asarray(scale, dtype=np.float64)
    if size.shape != (p,) or not (np.isfinite(size) & (size > 0.0)).all():
        raise SpecificationError(
            f"coprimeness: scale must be {p} positive numbers, one an output; got "
            f"{shown(scale)}. Give the standard deviations of the errors."
        )
    a, m = checked_lags(ar, ma, caller="coprimeness", k_endog=p)
    inputs = None if exog is None else np.asarray(exog, dtype=np.float64) / size[:, None]
    system = from_polynomials(a / size[:, None] * size, m / size[:, None] * size, inputs)
    return coprimeness_of(system, tol=tol, near=near)


def coprimeness_of(
    system: InnovationsSystem,
    *,
    scale: ArrayLike | None = None,
    tol: float = RANK_TOL,
    near: float = NEAR,
) -> Coprimeness:
    """Look for modes of a system that cancel, wholly or nearly.

    Parameters
    ----------
    system : InnovationsSystem
    scale : array_like, shape (p,), optional
        Standard deviations of the errors.
    tol, near : float
        As for `coprimeness`.

    Returns
    -------
    Coprimeness
    """
    small = minimal_realisation(system, tol=tol, scale=scale, absorb=False)
    roots, vectors = np.linalg.eig(system.transition)
    zero = zero_size(system.transition) if len(roots) else 0.0
    kept = np.linalg.eigvals(small.transition) if len(small.transition) else np.zeros(0)
    size = np.ones(len(system.design)) if scale is None else np.asarray(scale, dtype=np.float64)
    shows = np.abs(system.design @ vectors) / size[:, None]
    gone = [i for i in _unmatched(roots, kept) if abs(roots[i]) > zero and roots[i].imag >= 0.0]
    common = []
    for i in sorted(gone, key=lambda i: -abs(roots[i])):
        root = complex(roots[i])
        common.append(Cancellation(root, root, 0.0, 0.0, _loud(shows[:, i]), True))
    lost = sum(2 if case.root.imag else 1 for case in common)
    return Coprimeness(
        not common,
        tuple(common),
        tuple(_near_cancellations(small, size, near)),
        len(small.transition) + lost,
        len(small.transition),
    )


def _unmatched(roots: NDArray[Any], kept: NDArray[Any]) -> list[int]:
    """Places of the roots without a partner among those kept, each of which takes its nearest."""
    free = list(range(len(roots)))
    for value in sorted_roots(kept):
        free.remove(min(free, key=lambda i: abs(roots[i] - value)))
    return free


def _loud(sizes: FloatArray) -> tuple[int, ...]:
    top = float(sizes.max(initial=0.0))
    if top == 0.0:
        return ()
    return tuple(int(i) for i in np.flatnonzero(sizes >= SMALL * top))


def _near_cancellations(
    system: InnovationsSystem, size: FloatArray, near: float
) -> list[Cancellation]:
    """Modes of a minimal system of which little is left."""
    n = len(system.transition)
    if n == 0:
        return []
    part, _ = projection(system, tol=0.0, scale=size)
    # balanced coordinates, outputs in units of their errors, roots as they are
    plain = project(system, part)
    a = plain.transition
    seen, drive = plain.design / size[:, None], plain.gain * size
    if plain.inputs.shape[1]:
        drive = np.hstack([drive, discounted(plain, size).inputs])
    zeros = np.linalg.eigvals(a - plain.gain @ plain.design)
    roots, vectors = np.linalg.eig(a)
    shows = np.abs(seen @ vectors)
    found = []
    for i in np.argsort(-np.abs(roots)):
        if roots[i].imag < 0.0:
            continue
        shifted = a - roots[i] * np.eye(n)
        reach = float(np.linalg.svd(np.hstack([shifted, drive]), compute_uv=False)[-1])
        show = float(np.linalg.svd(np.vstack([shifted, seen]), compute_uv=False)[-1])
        partner = complex(zeros[np.argmin(np.abs(zeros - roots[i]))])
        distance = abs(partner - complex(roots[i]))
        if reach * show >= near or distance >= 2.0 * near:
            continue
        found.append(
            Cancellation(
                complex(roots[i]), partner, distance, reach * show, _loud(shows[:, i]), False
            )
        )
    return found
