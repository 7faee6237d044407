"""Derivatives of the right-hand side of a differential equation, and how they move."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.diagnostics.memory.derivatives import (
    Step,
    differences,
    is_analytic,
    jacobian_of,
)
from rnnstats.errors import SpecificationError

__all__ = ["Slope", "slope_of"]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Slope:
    """Derivative of a function f(h, x) by the state.

    Attributes
    ----------
    way : callable
        ``way(h, x)``, shape (m, m).
    analytic : bool
        Whether f takes complex numbers, so that a complex step through it is exact.
    bent : callable
        ``bent(h, x)``: derivative of the flattened derivative, shape (m * m, m).
    """

    way: Callable[[NDArray[Any], Any], FloatArray]
    analytic: bool
    bent: Callable[[FloatArray, Any], FloatArray]

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
        return np.moveaxis(self.bent(state, x).reshape(m, m, m), 2, 0)


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
        found = jacobian_of(f, state, x)

        def flat(h: NDArray[Any], inputs: Any) -> NDArray[Any]:
            return found(h, inputs).ravel()

        # a complex step through a complex step would find no curvature at all
        return Slope(found, is_analytic(f, state, x), lambda h, x: differences(flat, h, x))
    size = np.asarray(jacobian(state.copy(), x)).size
    if size != m * m:
        raise SpecificationError(
            f"{caller}: jacobian must give an array of shape {(m, m)}; got {size} numbers."
        )

    def way(h: NDArray[Any], inputs: Any) -> NDArray[Any]:
        return np.asarray(jacobian(h, inputs)).reshape(m, m, *h.shape[1:])

    bent = jacobian_of(lambda h, inputs: way(h, inputs).ravel(), state, x)
    return Slope(way, False, bent)
