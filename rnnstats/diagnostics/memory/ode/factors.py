"""Amplification factors of step methods, as numbers and as a table and a picture.

References
----------
Hairer and Wanner (1996), Solving Ordinary Differential Equations II, 2nd ed., section IV.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import shown
from rnnstats.diagnostics.memory.ode.step_methods import (
    ROUNDING,
    Method,
    StepMethod,
    describe,
    method_of,
)
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Amplification", "amplification"]


@dataclass(frozen=True, eq=False, repr=False)
class Amplification(NDArrayOperatorsMixin, Report):
    """Amplification factors of a step method: R(z), in NumPy's eyes the numbers themselves.

    It can be used wherever its numbers can: in arithmetic, in NumPy's functions, in comparisons, by
    index, in ``float()`` and ``complex()``; what comes out are plain numbers and arrays.

    Attributes
    ----------
    method : Method
    z : ndarray
        lambda dt, as given; of no axis for one number.
    values : ndarray
        R(z), of the shape of z; real where z is.
    """

    method: Method
    z: NDArray[Any]
    values: NDArray[Any]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Give the factors as an array."""
        if copy is False:
            return np.asarray(self.values, dtype=dtype)
        return np.array(self.values, dtype=dtype)

    def __array_ufunc__(self, ufunc: Any, kind: str, *inputs: Any, **options: Any) -> Any:
        """Let NumPy's functions work on the factors."""
        plain = [one.values if isinstance(one, Amplification) else one for one in inputs]
        return getattr(ufunc, kind)(*plain, **options)

    def __getitem__(self, key: Any) -> Any:
        """Give some of the factors."""
        return self.values[key]

    def __iter__(self) -> Iterator[Any]:
        """Go through the factors."""
        return iter(self.values)

    def __len__(self) -> int:
        """Count the factors along the first axis."""
        return len(self.values)

    def __bool__(self) -> bool:
        """Tell whether the factor is not zero."""
        return bool(self.values)

    def __float__(self) -> float:
        """Give the one real factor."""
        return float(self.values)

    def __complex__(self) -> complex:
        """Give the one factor."""
        return complex(self.values)

    def __format__(self, spec: str) -> str:
        """Format the one factor."""
        return format(self.values[()], spec) if spec else str(self)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the factors."""
        return self.values.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the factors: float64 or complex128."""
        return self.values.dtype

    @property
    def real(self) -> Any:
        """Real parts."""
        return self.values.real[()]

    @property
    def imag(self) -> Any:
        """Imaginary parts."""
        return self.values.imag[()]

    @property
    def stable(self) -> Any:
        """Whether disturbances do not grow: |R(z)| at most 1, but for rounding."""
        return np.abs(self.values) <= 1.0 + ROUNDING

    @property
    def frame(self) -> pd.DataFrame:
        """One row a factor (a copy).

        ``z_real``, ``z_imag``; ``real``, ``imag``, ``modulus`` and ``angle`` of R(z); ``rate``,
        its log modulus: how fast gradients grow in a step, negative where they vanish;
        ``exact_modulus`` and ``exact_angle`` of exp(z), by which the equation itself multiplies;
        ``error`` = |R(z) - exp(z)|; ``stable``.
        """
        z, values = np.ravel(self.z), np.ravel(self.values)
        with np.errstate(divide="ignore", over="ignore"):
            exact, modulus = np.exp(z), np.abs(values)
            columns = {
                "z_real": z.real,
                "z_imag": z.imag,
                "real": values.real,
                "imag": values.imag,
                "modulus": modulus,
                "angle": np.angle(values),
                "rate": np.log(modulus),
                "exact_modulus": np.abs(exact),
                "exact_angle": z.imag,
                "error": np.abs(values - exact),
                "stable": np.ravel(self.stable),
            }
        return pd.DataFrame(columns)

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        return lay_out(
            {
                f"Amplification by one step of {self.method.title}": self.frame.drop(
                    columns="exact_angle"
                ),
                "Stability": describe([self.method]),
            },
            [
                "rate: log modulus, by which log gradients change in a step; stable: modulus at "
                "most 1. decay_limit: largest -z, oscillation_limit: largest |z| on the imaginary "
                "axis, without growth."
            ],
        )

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the stability region, with the points z in it.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.diagnostics.memory.ode.plots import draw_region

        return draw_region(self.method, np.ravel(self.z), caller="amplification", fig=fig)


def amplification(method: StepMethod, z: ArrayLike) -> Amplification:
    """
    Amplification factor of a step method: by what a step multiplies a disturbance.

    Parameters
    ----------
    method : {"explicit_euler", "euler", "implicit_euler", "heun", "rk4", "exponential_euler"}
        "euler" is the explicit one; capitals, spaces and hyphens do not matter.
    z : complex or array_like
        lambda dt: an eigenvalue of the equation (per unit of time) times the step. Any shape; each
        number for itself.

    Returns
    -------
    Amplification
        R(z), which counts as a number or array in arithmetic; with ``frame``, ``summary()`` and
        ``plot()``, the stability region.

    Raises
    ------
    SpecificationError
        The method is not known, or z is not made of finite numbers.

    Notes
    -----
    Explicit Euler 1 + z (a residual network), implicit Euler 1 / (1 - z), Heun 1 + z + z^2 / 2, RK4
    1 + z + z^2 / 2 + z^3 / 6 + z^4 / 24, exponential Euler exp(z) (a constant forget gate). Hairer
    and Wanner (1996), section IV.2.

    Examples
    --------
    >>> from rnnstats.diagnostics.memory import amplification
    >>> float(amplification("explicit_euler", -0.5))
    0.5
    >>> bool(amplification("heun", -2.1).stable)
    False
    """
    found = method_of(method, "amplification")
    points = _numbers(z)
    with np.errstate(over="ignore"):
        return Amplification(found, points, np.asarray(found.factor(points)))


def _numbers(z: ArrayLike) -> NDArray[Any]:
    rule = "amplification: z must be a finite number, or an array of them; got"
    try:
        points = np.array(z)
    except ValueError as error:  # rows of unequal length
        raise SpecificationError(f"{rule} {shown(z)}.") from error
    if points.dtype.kind not in "iufc" or not points.size or not np.isfinite(points).all():
        raise SpecificationError(f"{rule} {shown(z)}. Pass lambda * dt.")
    return points.astype(np.complex128 if points.dtype.kind == "c" else np.float64)
