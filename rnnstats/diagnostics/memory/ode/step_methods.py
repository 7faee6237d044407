"""Step methods of ordinary differential equations: by what they multiply a disturbance in a step.

On the test equation ``h' = lambda h`` a one-step method with step dt multiplies the state by its
stability function R(z), z = lambda dt: the amplification factor. A recurrence that such a method
makes has R(z) for its Jacobian, and R(z)^n for its gradient over n steps: it vanishes inside the
stability region |R(z)| < 1 and explodes outside. Everything about a method is derived here from its
Butcher tableau.

References
----------
Hairer and Wanner (1996), Solving Ordinary Differential Equations II, 2nd ed., sections IV.2 and
IV.3 (stability functions of Runge-Kutta methods, A- and L-stability); Hochbruck and Ostermann
(2010), Exponential integrators, Acta Numerica 19, 209-286.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import linalg, optimize

from rnnstats._checks import check_literal

__all__ = [
    "METHODS",
    "ROUNDING",
    "TITLES",
    "Method",
    "StepMethod",
    "describe",
    "method_of",
    "phi",
]

FloatArray = NDArray[np.float64]
StepMethod = Literal[
    "explicit_euler", "euler", "implicit_euler", "heun", "rk4", "exponential_euler"
]

TITLES = {
    "explicit_euler": "explicit Euler",
    "implicit_euler": "implicit Euler",
    "heun": "Heun",
    "rk4": "RK4",
    "exponential_euler": "exponential Euler",
}
OTHER_NAMES = {
    "euler": "explicit_euler",
    "forward_euler": "explicit_euler",
    "backward_euler": "implicit_euler",
}
# How far along an axis the end of a stability interval is looked for, and at how many points.
REACH, POINTS = 100.0, 20001
# Above 1 by no more than this is 1: rounding of a factor.
ROUNDING = 1e-12


@dataclass(frozen=True, eq=False)
class Method:
    """A step method, by its Butcher tableau.

    Attributes
    ----------
    name : str
    order : int
        Global error falls with this power of the step.
    stages : ndarray, shape (s, s)
        Row i: weights of the stages' slopes in the point where slope i is taken.
    weights : ndarray, shape (s,)
        Of the slopes in the step.
    """

    name: str
    order: int
    stages: FloatArray
    weights: FloatArray

    @property
    def title(self) -> str:
        """Name in headings."""
        return TITLES[self.name]

    @property
    def exponential(self) -> bool:
        """Whether the linear part is solved exactly instead of by stages."""
        return not len(self.weights)

    @property
    def explicit(self) -> bool:
        """Whether each slope needs earlier ones alone."""
        return not np.triu(self.stages).any()

    @cached_property
    def polynomials(self) -> tuple[FloatArray, FloatArray]:
        """Coefficients of numerator and denominator of R, constant first.

        R(z) = det(I - z A + z 1 b') / det(I - z A) (Hairer and Wanner 1996, proposition IV.3.2).
        """
        outer = self.stages - self.weights[None, :]
        return _determinant(outer), _determinant(self.stages)

    def factor(self, z: Any) -> Any:
        """Stability function.

        Parameters
        ----------
        z : float, complex or ndarray
            lambda dt.

        Returns
        -------
        float, complex or ndarray
            R(z); infinite at a pole.
        """
        if self.exponential:
            return np.exp(z)
        above, below = self.polynomials
        value = np.polynomial.polynomial.polyval(z, above)
        if len(below) == 1:
            return value
        with np.errstate(divide="ignore", invalid="ignore"):
            found = value / np.polynomial.polynomial.polyval(z, below)
        return np.where(np.isnan(found), np.inf, found)[()]

    def matrix(self, Z: FloatArray) -> FloatArray:
        """Stability function of a matrix: what a step does to ``h' = (Z / dt) h``.

        Parameters
        ----------
        Z : ndarray, shape (m, m)
            Matrix of the equation times dt.

        Returns
        -------
        ndarray, shape (m, m)
        """
        if self.exponential:
            return np.asarray(linalg.expm(Z))
        above, below = (_matrix_polynomial(one, Z) for one in self.polynomials)
        return np.asarray(np.linalg.solve(below, above))

    def inverse(self, r: Any) -> Any:
        """Which z a factor belongs to.

        Parameters
        ----------
        r : ndarray of complex
            Factors.

        Returns
        -------
        ndarray of complex
            z with R(z) = r: that root of the polynomial equation that goes to 0 as r goes to 1 (the
            principal logarithm for the exponential method).
        """
        factors = np.atleast_1d(np.asarray(r, dtype=np.complex128))
        if self.exponential:
            with np.errstate(divide="ignore"):
                return np.log(factors)
        above, below = self.polynomials
        found = np.empty(factors.shape, dtype=np.complex128)
        for place, one in np.ndenumerate(factors):
            equation = np.polynomial.polynomial.polysub(above, one * below)
            roots = np.roots(equation[::-1])
            with np.errstate(divide="ignore"):
                near = np.log(one) if one != 0.0 else -1.0
            found[place] = roots[np.argmin(np.abs(roots - near))] if len(roots) else np.inf
        return found

    def limit(self, direction: complex) -> float:
        """How far z may go from 0 along a ray before disturbances grow.

        Parameters
        ----------
        direction : complex
            Of modulus one: -1 for decay, 1j for oscillation.

        Returns
        -------
        float
            Infinite where they never do; 0 where they do at once.
        """

        def excess(length: float) -> float:
            return float(np.abs(self.factor(length * direction))) - 1.0

        # the far end stands for all beyond: |R| of a rational function has settled there
        lengths = np.linspace(0.0, REACH, POINTS)[1:]
        above = np.abs(self.factor(lengths * direction)) - 1.0 > ROUNDING
        if not above.any():
            return np.inf
        first = int(np.argmax(above))
        if first == 0:
            return 0.0
        low, high = float(lengths[first - 1]), float(lengths[first])
        # at a boundary the excess may touch zero from both sides of rounding: ask below it
        return float(optimize.brentq(lambda x: excess(x) - ROUNDING, low, high, xtol=1e-14))

    @property
    def a_stable(self) -> bool:
        """Whether every decaying mode decays at every step length (Dahlquist 1963)."""
        if self.exponential:
            return True
        above, below = self.polynomials
        if len(above) > len(below):
            return False
        poles = np.roots(below[::-1])
        axis = np.abs(self.factor(1j * np.linspace(-REACH, REACH, POINTS)))
        return bool((poles.real > 0.0).all() and (axis <= 1.0 + ROUNDING).all())

    @property
    def l_stable(self) -> bool:
        """Whether, besides, the fastest modes are gone after one step: R(-inf) = 0."""
        if self.exponential:
            return True
        above, below = self.polynomials
        return self.a_stable and len(above) < len(below)


def _determinant(matrix: FloatArray) -> FloatArray:
    """Coefficients of det(I - z M), constant first, zeros at the end cut.

    The characteristic polynomial read backwards, by Faddeev and LeVerrier's recursion: exact for
    the rational numbers of a tableau but for rounding of each product.
    """
    size = len(matrix)
    found, power = [1.0], np.eye(size)
    for k in range(1, size + 1):
        product = matrix @ power
        found.append(-float(np.trace(product)) / k)
        power = product + found[-1] * np.eye(size)
    values = np.array(found)
    values[np.abs(values) < 1e-15] = 0.0
    return np.trim_zeros(values, "b")


def _matrix_polynomial(coefficients: FloatArray, Z: FloatArray) -> FloatArray:
    found = np.zeros_like(Z)
    for one in coefficients[::-1]:
        found = found @ Z + one * np.eye(len(Z))
    return found


def phi(Z: FloatArray) -> FloatArray:
    """
    First phi function of a matrix, (exp(Z) - I) Z^{-1}, also of a singular one.

    Parameters
    ----------
    Z : ndarray, shape (m, m)

    Returns
    -------
    ndarray, shape (m, m)

    Notes
    -----
    The corner of the exponential of [[Z, I], [0, 0]] (Hochbruck and Ostermann 2010, section 2.1).
    """
    m = len(Z)
    block = np.zeros((2 * m, 2 * m))
    block[:m, :m], block[:m, m:] = Z, np.eye(m)
    return np.asarray(linalg.expm(block))[:m, m:]


def _method(name: str, order: int, stages: ArrayLike, weights: ArrayLike) -> Method:
    return Method(name, order, np.asarray(stages, dtype=float), np.asarray(weights, dtype=float))


METHODS: dict[str, Method] = {
    "explicit_euler": _method("explicit_euler", 1, [[0.0]], [1.0]),
    "implicit_euler": _method("implicit_euler", 1, [[1.0]], [1.0]),
    "heun": _method("heun", 2, [[0.0, 0.0], [1.0, 0.0]], [0.5, 0.5]),
    "rk4": _method(
        "rk4",
        4,
        [[0.0, 0.0, 0.0, 0.0], [0.5, 0.0, 0.0, 0.0], [0.0, 0.5, 0.0, 0.0], [0.0, 0.0, 1.0, 0.0]],
        [1 / 6, 1 / 3, 1 / 3, 1 / 6],
    ),
    "exponential_euler": _method("exponential_euler", 2, np.empty((0, 0)), np.empty(0)),
}


def method_of(name: str, caller: str) -> Method:
    """Find a method by its name.

    Parameters
    ----------
    name : {"explicit_euler", "euler", "implicit_euler", "heun", "rk4", "exponential_euler"}
        Written as one likes: "RK4", "Explicit Euler" and "implicit-euler" are known, too. "euler"
        and "forward_euler" are the explicit one, "backward_euler" is the implicit one.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    Method

    Raises
    ------
    SpecificationError
        It is none of these.
    """
    known: str = name
    if isinstance(name, str):
        plain = name.lower().replace(" ", "_").replace("-", "_")
        plain = OTHER_NAMES.get(plain, plain)
        known = plain if plain in METHODS else name
    return METHODS[check_literal(known, get_args(StepMethod), name="method", caller=caller)]


def describe(methods: list[Method]) -> pd.DataFrame:
    """
    Make the table of what methods can do.

    Parameters
    ----------
    methods : list of Method

    Returns
    -------
    DataFrame
        One row a method: ``order``; ``stages``, slopes taken in a step; ``decay_limit``, the
        largest -z on the real axis, and ``oscillation_limit``, the largest |z| on the imaginary
        one, up to which disturbances do not grow; ``a_stable`` and ``l_stable``.
    """
    rows = {
        one.name: {
            "order": one.order,
            "stages": max(1, len(one.weights)),
            "decay_limit": one.limit(-1.0),
            "oscillation_limit": one.limit(1j),
            "a_stable": one.a_stable,
            "l_stable": one.l_stable,
        }
        for one in methods
    }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("method")
