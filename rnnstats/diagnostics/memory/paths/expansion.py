"""The gradient of a residual or gated recurrence as a sum over paths.

A step ``h_t = alpha h_{t-1} + beta tanh(h_{t-1})`` passes a change on in two ways: kept as it is
(times alpha, or a forget gate), or through the branch. The gradient over T steps is the product of
their sums, written out a sum over 2^T paths. How it is distributed over path lengths, and what the
path that never meets the nonlinearity carries alone, tells why such recurrences hold gradients.

References
----------
Veit, Wilber and Belongie (2016), Residual networks behave like ensembles of relatively shallow
networks, NeurIPS, section 3; Hochreiter and Schmidhuber (1997), Long short-term memory, Neural
Computation 9, 1735-1780, section 3 (the constant error carrousel); He, Zhang, Ren and Sun (2016),
Identity mappings in deep residual networks, ECCV, equation 5.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy import special

from rnnstats._checks import check_int, shown
from rnnstats.diagnostics.memory.paths.factors import (
    as_factors,
    of_recurrence,
    of_tanh,
    row_range,
)
from rnnstats.diagnostics.memory.paths.sums import (
    LengthSums,
    matrix_length_sums,
    path_lengths,
    path_weights,
    product_logs,
    scalar_length_sums,
)
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence, recurrence_of, refuse
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.uncertainty import delta
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["GradientPaths", "gradient_paths", "path_expansion"]

FloatArray = NDArray[np.float64]
Carry = Literal["gates", "unit"]

# Steps of which all paths may be listed, and numbers that may be held for it.
LISTED, NUMBERS = 20, 2**25
# Rows of results that are expanded by default.
ROWS = 100
QUANTILES = (0.05, 0.5, 0.95)


@dataclass(frozen=True, eq=False, repr=False)
class GradientPaths(Report):
    """The gradient dh_T/dh_0 as a sum over 2^T paths.

    Attributes
    ----------
    kept, branch : ndarray, shape (T,) or (T, m, m)
        The two factors of each step: what is kept, and what goes through the branch.
    step : str
        Unit of the horizon.
    errors : dict of str to float
        Standard errors, where the factors come from estimates, of ``log_gradient``,
        ``identity_share`` and ``mean_length``; empty elsewhere.
    """

    kept: FloatArray
    branch: FloatArray
    step: str = "steps"
    errors: dict[str, float] = field(default_factory=dict)

    @property
    def nsteps(self) -> int:
        """Number of steps, T."""
        return len(self.kept)

    @property
    def count(self) -> int:
        """Number of paths, 2^T, exactly."""
        return 1 << self.nsteps

    @cached_property
    def _sums(self) -> LengthSums:
        if self.kept.ndim == 1:
            return scalar_length_sums(self.kept, self.branch)
        return matrix_length_sums(self.kept, self.branch)

    @cached_property
    def _carried(self) -> tuple[FloatArray, FloatArray]:
        """Log norms of the products up to each step, 0 to T: of the whole, of what is kept."""
        whole, kept = product_logs(self.kept + self.branch), product_logs(self.kept)
        return whole[0], kept[0]

    @property
    def gradient(self) -> Any:
        """Gradient dh_T/dh_0, a float or an array (m, m); 0 or infinite beyond all numbers."""
        with np.errstate(over="ignore", invalid="ignore"):
            found = self._sums.direction * np.exp(self._sums.log_total)
        return np.where(self._sums.direction == 0.0, 0.0, found)[()]

    @property
    def log_gradient(self) -> float:
        """Log of the gradient's modulus, or Frobenius norm."""
        return self._sums.log_total

    @property
    def identity_share(self) -> float:
        """Share of the gradient that the path without any branch step carries, with sign.

        For matrices its component along the gradient. May exceed 1, where the other paths take away
        from it; NaN for a gradient of zero.
        """
        if self._sums.log_total == -np.inf:
            return float("nan")
        log_size, direction = product_logs(self.kept)
        with np.errstate(over="ignore"):
            size = np.exp(log_size[-1] - self._sums.log_total)
        along = float((direction * self._sums.direction).sum())
        return float(size * along) + 0.0 if along != 0.0 else 0.0  # no minus zero

    @cached_property
    def distribution(self) -> FloatArray:
        """Distribution over path lengths 0 to T, by the sizes that they carry; sums to 1."""
        top = self._sums.log_size.max()
        if not np.isfinite(top):
            return np.full(self.nsteps + 1, np.nan)
        sizes = np.exp(self._sums.log_size - top)
        return np.asarray(sizes / sizes.sum())

    @property
    def mean_length(self) -> float:
        """Mean number of branch steps on a path, by the sizes that paths carry."""
        return float(np.arange(self.nsteps + 1) @ self.distribution)

    @property
    def frame(self) -> pd.DataFrame:
        """One row a path length, 0 to T branch steps (a copy).

        ``log_paths``, log number of paths of the length; ``log_size``, log of what they carry
        (numbers: sum of moduli; matrices: norm of the sum); ``distribution``, that over its sum;
        ``share`` of the gradient, with sign, and ``cumulative``, of this length and shorter ones.
        Shares are NaN where the parts cancel so much that rounding would fill them.
        """
        lengths = np.arange(self.nsteps + 1)
        return pd.DataFrame(
            {
                "log_paths": _log_binomial(self.nsteps, lengths),
                "log_size": self._sums.log_size,
                "distribution": self.distribution,
                "share": self._sums.share,
                "cumulative": np.cumsum(self._sums.share),
            },
            index=pd.Index(lengths, name="length"),
        )

    @property
    def by_horizon(self) -> pd.DataFrame:
        """The gradient after 0 to T steps (a copy).

        ``log_gradient`` and ``log_identity``, log moduli (Frobenius norms) of the whole and of the
        path that is kept throughout.
        """
        whole, kept = self._carried
        return pd.DataFrame(
            {"log_gradient": whole, "log_identity": kept},
            index=pd.RangeIndex(self.nsteps + 1, name="horizon"),
        )

    def paths(self) -> pd.DataFrame:
        """List every path, for T up to 20.

        Returns
        -------
        DataFrame
            2^T rows. Path p goes through the branch in step t where bit t - 1 of p is one.
            ``length``; ``weight``, the product of its factors (for matrices its component along the
            gradient, in units of the gradient's norm); ``share`` of the gradient. Weights sum to
            the gradient (its norm).

        Raises
        ------
        SpecificationError
            T is larger than 20, or the matrices would not fit.
        """
        numbers = 2**self.nsteps * int(np.prod(self.kept.shape[1:]))
        if self.nsteps > LISTED or numbers > NUMBERS:
            raise SpecificationError(
                f"paths: at most {LISTED} steps, and {NUMBERS} numbers, can be listed; got "
                f"{self.nsteps} steps, {numbers} numbers. Use frame, the sums by length."
            )
        weights = path_weights(self.kept, self.branch)
        if weights.ndim == 3:
            weights = np.einsum("pij,ij->p", weights, self._sums.direction)
            total = np.exp(self._sums.log_total)
        else:
            total = float(self.gradient)
        with np.errstate(divide="ignore", invalid="ignore"):
            share = weights / total
        return pd.DataFrame(
            {"length": path_lengths(self.nsteps), "weight": weights, "share": share},
            index=pd.RangeIndex(len(weights), name="path"),
        )

    def summary(self) -> Any:
        """Summary table, see `Report.summary`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        whole = {
            "log_gradient": self.log_gradient,
            "identity_share": self.identity_share,
            "mean_length": self.mean_length,
        }
        table = pd.DataFrame({"": whole})
        if self.errors:
            table["std err"] = pd.Series(self.errors)
        digits = f"{self.nsteps * np.log10(2.0):.1f}"
        title = f"Gradient over {self.nsteps} {self.step}: 2^{self.nsteps} = 10^{digits} paths"
        return lay_out(
            {title: table, "Path lengths": self._quantiles()},
            [
                "identity_share: share of the gradient that the path without a branch step "
                "carries; length: branch steps on a path, paths weighted by what they carry.",
                *self._cancellation(),
            ],
        )

    def _quantiles(self) -> pd.DataFrame:
        """Mean, deviation and quantiles of the lengths."""
        weights, lengths = self.distribution, np.arange(self.nsteps + 1)
        if np.isnan(weights).any():
            return pd.DataFrame({"mean": [np.nan]}, index=["length"])
        mean = self.mean_length
        spread = float(np.sqrt(np.maximum(weights @ (lengths - mean) ** 2, 0.0)))
        below = np.cumsum(weights)
        found = {"mean": mean, "std": spread}
        for level in QUANTILES:
            place = int(np.searchsorted(below, level * (1.0 - 1e-12)))
            found[f"{100 * level:g} %"] = float(min(place, self.nsteps))
        return pd.DataFrame(found, index=["length"])

    def _cancellation(self) -> list[str]:
        if self._sums.log_total == -np.inf:
            return ["The gradient is zero: there are no shares of it."]
        excess = float(np.logaddexp.reduce(self._sums.log_size)) - self._sums.log_total
        if excess < np.log(2.0):
            return []
        return [
            f"Paths of opposite sign cancel: what lengths carry adds up to e^{excess:.1f} times "
            "the gradient."
        ]

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw the distribution over path lengths, and the gradient by horizon.

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
        from rnnstats.diagnostics.memory.paths.plots import draw_paths

        return draw_paths(self.frame, self.by_horizon, self.step, fig=fig)


def _log_binomial(total: int, part: NDArray[Any]) -> FloatArray:
    found = special.gammaln(total + 1.0) - special.gammaln(part + 1.0)
    return np.asarray(found - special.gammaln(total - part + 1.0))


def path_expansion(kept: ArrayLike, branch: ArrayLike) -> GradientPaths:
    """
    Expand a product of sums of two factors into its paths.

    Parameters
    ----------
    kept, branch : array_like of shape (T,) or (T, m, m)
        What step t keeps (1 in a residual network, the forget gate in a gated one), and the
        derivative of its branch. The gradient is (kept_T + branch_T) ... (kept_1 + branch_1).

    Returns
    -------
    GradientPaths

    Raises
    ------
    SpecificationError
        The arrays have other or unequal shapes, or are not finite.

    Notes
    -----
    Veit, Wilber and Belongie (2016), section 3. Over lengths by dynamic programming in T^2 / 2
    steps, see ``frame``; all 2^T paths of up to 20 steps one by one in ``paths()``.
    """
    return GradientPaths(*as_factors(kept, branch, "path_expansion"))


def gradient_paths(
    alpha: Any,
    beta: ArrayLike | None = None,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    weights: ArrayLike | None = None,
    inputs: ArrayLike | None = None,
    jacobian: Callable[..., ArrayLike] | None = None,
    carry: Carry | ArrayLike | None = None,
    given: Given | None = None,
) -> GradientPaths:
    """
    Expand the gradient of a residual or gated recurrence into its paths.

    Parameters
    ----------
    alpha : float, array_like of shape (m, m), results or callable
        With `beta`: ``h_t = alpha h_{t-1} + beta tanh(W h_{t-1} + x_t)``. Without: results of a
        model, ``step(h, x)``, or Jacobians (n, m, m); what is kept says `carry`. A function may be
        followed by its start and its number of steps, ``gradient_paths(step, h0, nsteps)``.
    beta : float or array_like of shape (m, m), optional
        Numbers stand for that multiple of the unit matrix.
    h0 : float or array_like of shape (m,), optional
        Start; not with results or Jacobians.
    nsteps : int, optional
        T; by default the rows of `inputs`. Of results the last T rows of the last sequence, 100 or
        all there are by default.
    weights : float or array_like of shape (m, m), optional
        W, with `beta` alone; by default 1.
    inputs : array_like of shape (T,) or (T, m), optional
        x_t, by default 0; of a callable its inputs.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a callable.
    carry : {"gates", "unit"} or array_like, optional
        What is kept, without `beta`: "gates", the forget or update gates of results (the default
        where there are some); "unit", the state itself (the default elsewhere; residual reading:
        the branch is the Jacobian less 1); or factors, a number, shape (m,), (T, m), (m, m) or (T,
        m, m). With as many steps as states, (m, m) is one matrix.
    given : {"inputs", "shocks"}, optional
        What is held in results, see `jacobian_products`; by default as the state equation is
        written.

    Returns
    -------
    GradientPaths
        Factors are numbers for one state, matrices for more.

    Raises
    ------
    SpecificationError
        Arguments are missing or make no sense together, or the state does not stay finite.

    Notes
    -----
    With gates the LSTM's kept part is what goes through the cell's content, the GRU's the diagonal
    of its update gates; all else is branch. Standard errors for results by the delta method.

    Examples
    --------
    >>> from rnnstats.diagnostics.memory import gradient_paths
    >>> found = gradient_paths(1.0, -0.5, 0.3, 12)
    >>> found.count
    4096
    """
    caller = "gradient_paths"
    if callable(alpha) and beta is not None and nsteps is None:
        beta, h0, nsteps = None, beta, _count(h0)
    if beta is not None:
        refuse(caller, "alpha and beta", jacobian=jacobian, carry=carry, given=given)
        return GradientPaths(*of_tanh(alpha, beta, h0, nsteps, weights, inputs))
    refuse(caller, "a recurrence that is given without beta", weights=weights)
    if isinstance(alpha, (int, float)):
        raise SpecificationError(
            f"{caller}: beta must be given with a number alpha; got None. gradient_paths(alpha, "
            "beta, h0, nsteps)."
        )
    return _of_source(alpha, h0, nsteps, inputs, jacobian, carry, given)


def _count(nsteps: Any) -> int | None:
    """Steps of a function that were given in the second place behind it."""
    return None if nsteps is None else check_int(nsteps, name="nsteps", caller="gradient_paths")


def _of_source(
    source: Any,
    h0: ArrayLike | None,
    nsteps: int | None,
    inputs: ArrayLike | None,
    jacobian: Callable[..., ArrayLike] | None,
    carry: Carry | ArrayLike | None,
    given: Given | None,
) -> GradientPaths:
    caller = "gradient_paths"
    if isinstance(carry, str) and carry not in ("gates", "unit"):
        raise SpecificationError(
            f"{caller}: carry must be 'gates', 'unit' or an array; got {shown(carry)}."
        )
    if nsteps is not None:
        check_int(nsteps, name="nsteps", caller=caller, minimum=1)
    # results and Jacobians of each row know their length: the last rows of them are taken
    fixed = np.ndim(source) == 3 or not (callable(source) or np.ndim(source) == 2)
    recurrence = recurrence_of(
        source, h0, None if fixed else nsteps, jacobian=jacobian, inputs=inputs, caller=caller
    )
    rows = row_range(recurrence.trajectory(given).offsets, nsteps, ROWS if fixed else None, caller)
    usual: Carry = "unit" if recurrence.kept() is None else "gates"
    way: Any = usual if carry is None else carry

    def expanded(there: Recurrence) -> GradientPaths:
        return GradientPaths(*of_recurrence(there, rows, way, given), recurrence.labels.step)

    def measured(there: Recurrence) -> FloatArray:
        found = expanded(there)
        return np.array([found.log_gradient, found.identity_share, found.mean_length])

    found = expanded(recurrence)
    spread = delta(recurrence, measured)
    if not spread.cov.any():
        return found
    names = ("log_gradient", "identity_share", "mean_length")
    errors = dict(zip(names, (float(one) for one in spread.error), strict=True))
    return GradientPaths(found.kept, found.branch, found.step, errors)
