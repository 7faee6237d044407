"""Names of the natural parameters and the restrictions laid on them.

``theta`` is the vector of all natural parameters (K numbers); ``free`` are those that
restrictions leave to be estimated. A restriction fixes a parameter at a number or ties it to
another parameter, by name; ``theta = base + expansion @ free`` always holds.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import SpecificationError

__all__ = ["Layout"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class Layout:
    """All natural parameters by name, and what restrictions leave free.

    Parameters
    ----------
    names : iterable of str
        The K names, in the order of ``theta``; no name twice.
    groups : iterable of str, optional
        The block each parameter belongs to (``"W_h"``, ``"K"``, ...); default: the part of the
        name before ``[``.
    fixed : mapping of str to float or str, optional
        Restrictions: a number fixes the parameter there, a string ties it to the parameter of
        that name. Chains of ties are followed.
    caller : str
        Named at the front of error messages.

    Attributes
    ----------
    names, groups : tuple of str, length K
    fixed : dict of str to float or str
        The restrictions as given (a copy).
    free_names : tuple of str, length k_free
    k_params, k_free : int
    base : ndarray, shape (K,)
        The fixed values, zero elsewhere.

    Raises
    ------
    SpecificationError
        For an unknown name (with the closest known ones), a value that is neither a finite
        number nor a name, or ties that form a ring.
    """

    __slots__ = (
        "_expansion",
        "_free_positions",
        "_free_which",
        "_roots",
        "base",
        "caller",
        "fixed",
        "free_names",
        "groups",
        "k_free",
        "k_params",
        "names",
    )

    names: tuple[str, ...]
    groups: tuple[str, ...]
    fixed: dict[str, float | str]
    free_names: tuple[str, ...]
    k_params: int
    k_free: int
    base: FloatArray
    _expansion: FloatArray | None

    def __init__(
        self,
        names: Iterable[str],
        groups: Iterable[str] | None = None,
        fixed: Mapping[str, float | str] | None = None,
        caller: str = "LinearRNN",
    ) -> None:
        self.names = tuple(names)
        self.caller = caller
        self.k_params = len(self.names)
        position = {name: i for i, name in enumerate(self.names)}
        if len(position) != self.k_params:
            twice = next(n for n in self.names if self.names.count(n) > 1)
            raise SpecificationError(
                f"{caller}: parameter names must be unique; got {twice!r} twice. "
                "Give the series different names."
            )
        self.groups = (
            tuple(n.split("[", 1)[0] for n in self.names) if groups is None else tuple(groups)
        )
        self.fixed = _checked(fixed or {}, position, caller)
        targets = [
            _resolve(i, self.names, position, self.fixed, caller) for i in range(len(position))
        ]
        roots = sorted({t for t in targets if isinstance(t, int)})
        column = {root: j for j, root in enumerate(roots)}
        self.k_free = len(roots)
        self.free_names = tuple(self.names[root] for root in roots)
        self._roots: IntArray = np.array(roots, dtype=np.intp)
        tied = [(i, column[t]) for i, t in enumerate(targets) if isinstance(t, int)]
        self._free_positions: IntArray = np.array([i for i, _ in tied], dtype=np.intp)
        self._free_which: IntArray = np.array([j for _, j in tied], dtype=np.intp)
        self.base = np.array([0.0 if isinstance(t, int) else t for t in targets])
        self.base.flags.writeable = False
        self._expansion = None

    @property
    def expansion(self) -> FloatArray:
        """0/1 matrix (K, k_free) with ``theta = base + expansion @ free``; made when asked for."""
        if self._expansion is None:
            made = np.zeros((self.k_params, self.k_free))
            made[self._free_positions, self._free_which] = 1.0
            made.flags.writeable = False
            self._expansion = made
        return self._expansion

    @property
    def restricted(self) -> bool:
        """Whether any restriction holds."""
        return bool(self.fixed)

    def position(self, name: str) -> int:
        """Row of ``name`` in ``theta``."""
        try:
            return self.names.index(name)
        except ValueError:
            raise SpecificationError(_unknown(name, self.names, self.caller)) from None

    def free_column(self, position: int) -> int | None:
        """Column of ``free`` that is exactly this natural parameter; None if fixed or tied."""
        hit = np.flatnonzero(self._roots == position)
        return int(hit[0]) if hit.size else None

    def expand(self, free: FloatArray) -> FloatArray:
        """Natural vector from its free part: (k_free,) to (K,), a new array."""
        if not self.fixed:
            return free.copy()
        theta = self.base.copy()
        theta[self._free_positions] = free[self._free_which]
        return theta

    def reduce(self, theta: FloatArray) -> FloatArray:
        """Free part of a natural vector: (K,) to (k_free,), read at the parameters' own places."""
        return theta[self._roots]

    def pull(self, gradient: FloatArray) -> FloatArray:
        """Gradient in ``free`` from the gradient in ``theta``: ``expansion.T @ gradient``."""
        if not self.fixed:
            return gradient
        weights = gradient[self._free_positions]
        out: NDArray[Any] = np.bincount(self._free_which, weights=weights, minlength=self.k_free)
        return out

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Layout):
            return NotImplemented
        return self.names == other.names and self.fixed == other.fixed

    def __hash__(self) -> int:
        return hash((self.names, tuple(sorted(self.fixed))))

    def __repr__(self) -> str:
        return f"Layout({self.k_params} parameters, {self.k_free} free)"


def _checked(
    fixed: Mapping[str, float | str], position: Mapping[str, int], caller: str
) -> dict[str, float | str]:
    if not isinstance(fixed, Mapping):
        raise SpecificationError(
            f"{caller}: fixed must be a mapping of parameter name to number or name; "
            f"got {type(fixed).__name__}. For example fixed={{'W_h[h1,h1]': 0.5}}."
        )
    known = tuple(position)
    out: dict[str, float | str] = {}
    for name, value in fixed.items():
        if name not in position:
            raise SpecificationError(_unknown(name, known, caller))
        if isinstance(value, str):
            if value not in position:
                raise SpecificationError(_unknown(value, known, caller))
            out[name] = value
        elif _is_number(value):
            if not math.isfinite(float(value)):
                raise SpecificationError(
                    f"{caller}: a parameter can only be fixed at a finite number; "
                    f"got {name} = {value!r}. Leave it out to estimate it."
                )
            out[name] = float(value)
        else:
            raise SpecificationError(
                f"{caller}: fixed[{name!r}] must be a number or the name of another parameter; "
                f"got {value!r}. Leave it out to estimate it."
            )
    return out


def _is_number(value: object) -> bool:
    number = isinstance(value, (int, float, np.integer, np.floating))
    return number and not isinstance(value, (bool, np.bool_))


def _resolve(
    start: int,
    names: tuple[str, ...],
    position: Mapping[str, int],
    fixed: Mapping[str, float | str],
    caller: str,
) -> int | float:
    """Follow ties from parameter ``start`` to a free parameter (int) or a number (float)."""
    seen = [names[start]]
    while True:
        target = fixed.get(seen[-1])
        if target is None:
            return position[seen[-1]]
        if not isinstance(target, str):
            return target
        if target in seen:
            ring = " = ".join([*seen, target])
            raise SpecificationError(
                f"{caller}: equalities must lead to a free parameter or a number; "
                f"got the ring {ring}. Leave one of them free."
            )
        seen.append(target)


def _unknown(name: object, known: tuple[str, ...], caller: str) -> str:
    close = difflib.get_close_matches(str(name), known, n=3, cutoff=0.4)
    shown = ", ".join(close or known[:6])
    lead = "Did you mean" if close else "Parameters are"
    return (
        f"{caller}: a restriction names a parameter of the model; got {name!r}. "
        f"{lead}: {shown}{'?' if close else ' ...'}"
    )
