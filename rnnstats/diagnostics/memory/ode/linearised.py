"""Derivatives of the right-hand side of a differential equation, and how they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.diagnostics.memory.derivatives import Step, is_analytic, jacobian_of
from rnnstats.errors import SpecificationError

__all__ = ["Slope", "slope_of"]

FloatArray = NDArray[np.float64]

# Relative length of central differences: the third root of eps.
DIFFERENCE = 6e-6


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """Derivative of a function f(h, x) by the state.

    Attributes
    ----------
    way : callable
        ``way(h, x)``, shape (m, m).
    given : bool
        Whether the user gave it.
    analytic : bool
        Whether f takes complex numbers, so that a complex step through it is exact.
    bent : callable, optional
        ``bent(h, x)``: derivative of the flattened derivative, shape (m * m, m), where there is
        better than differences.
    """

    way: Callable[[NDArray[Any], Any], FloatArray]
    given: bool
    analytic: bool
    bent: Callable[[FloatArray, Any], FloatArray] | None = None

    def __call__(self, state: NDArray[Any], x: Any) -> FloatArray:
        """Give the derivative, shape (m, m), or (m, m, n) of a function of states (m, n)."""
        return self.way(state, x)

    def curvature(self, state: FloatArray, x: Any) -> FloatArray:
        """How the derivative moves with each state.

        Parameters
        ----------
        state : ndarray, shape (m,)
        x : object
            Inputs.

        Returns
        -------
        ndarray, shape (m, m, m)
            Entry j is the derivative of the Jacobian by state j.
        """
        m = len(state)
        if self.bent is not None:
            return np.moveaxis(self.bent(state, x).reshape(m, m, m), 2, 0)
        found = np.empty((m, m, m))
        for j in range(m):
            length = DIFFERENCE * max(1.0, abs(float(state[j])))
            above, below = state.copy(), state.copy()
            above[j] += length
            below[j] -= length
            found[j] = (self.way(above, x) - self.way(below, x)) / (above[j] - below[j])
        return found


def slope_of(
    f: Step, state: FloatArray, x: Any, jacobian: Callable[..., ArrayLike] | None, *, caller: str
) -> Slope:
    """
    Find the best way to a function's derivative.

    Parameters
    ----------
    f : callable
        ``f(h, x)``, as `derivatives.as_step` gives it; as many values as states.
    state : ndarray, shape (m,)
        Where the ways are compared.
    x : object
        Inputs there.
    jacobian : callable, optional
        ``jacobian(h, x)`` of it, where the user gave one.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    Slope

    Raises
    ------
    SpecificationError
        The given derivative has another shape than (m, m).
    """
    m = len(state)
    if jacobian is None:
        return Slope(jacobian_of(f, state, x), False, is_analytic(f, state, x))
    size = np.asarray(jacobian(state.copy(), x)).size
    if size != m * m:
        raise SpecificationError(
            f"{caller}: jacobian must give an array of shape {(m, m)}; got {size} numbers."
        )

    def way(h: NDArray[Any], inputs: Any) -> NDArray[Any]:
        return np.asarray(jacobian(h, inputs)).reshape(m, m, *h.shape[1:])

    # compared a little beside the state, where no curvature is zero by symmetry
    turns = np.sqrt(np.arange(2.0, m + 2.0)) % 1.0
    beside = state + 0.01 * (0.5 + turns) * np.maximum(1.0, np.abs(state))
    bent = jacobian_of(lambda h, inputs: way(h, inputs).ravel(), beside, x)
    return Slope(way, True, False, bent)
