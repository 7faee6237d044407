"""How long a fitted recurrence remembers, with standard errors."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._checks import check_alpha
from rnnstats._compat import wrapped
from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.diagnostics.memory.products.powers import log_singular_values
from rnnstats.estimation.covariance import CovarianceEstimate, jacobian
from rnnstats.kernels.system import StateSpace
from rnnstats.results.memory_views import MemoryViews
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.recurrences import LinearRecurrence
from rnnstats.results.root_tables import FILTER, RECURRENCE, UncertainMatrix, rate_of, root_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Memory", "memory_of"]

# Columns of the two tables of roots; blanks make equal headings different.
_PLACES = {
    "real": "real", "imag": "imag", "modulus": "modulus", "modulus_se": "std err",
    "period": "period", "period_se": "std err ", "damping": "damping", "note": "",
}  # fmt: skip
_TIMES = {
    "tau": "tau", "tau_se": "std err", "tau_lower": "[lower", "tau_upper": "upper]",
    "half_life": "half-life", "half_life_se": "std err ",
}  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class Memory(MemoryViews):
    """How long a linear recurrence remembers: roots, long-run rate, products of Jacobians.

    Two matrices are looked at, named in the column ``of``:

    - ``W_h``: the recurrence itself. The gradient dh_{t+k}/dh_t is W_h^k; its roots are the
      autoregressive ones.
    - ``W_h - K V`` (innovations form only): how fast the filter forgets where it started, and how
      fast old outputs leave the predictions. Its roots are the moving-average ones. Where one lies
      outside the unit circle (restrictions can hold it there; ``note`` says "not invertible"), the
      filter settles on a gain of its own and forgets at the rate of the inverse root.

    Roots do not depend on the coordinates of the state; singular values do.

    Attributes
    ----------
    step : str
        Unit of ``tau``, ``half_life`` and ``period``: what one row is, such as "quarters".
    alpha : float
        One minus the coverage of the intervals, and the level of the verdict.

    References
    ----------
    Hamilton (1994), Time Series Analysis, chapter 1; Pascanu, Mikolov and Bengio (2013), On the
    difficulty of training recurrent neural networks, ICML, section 2.
    """

    step: str
    alpha: float
    _roots: pd.DataFrame
    _verdict: pd.DataFrame
    _products: pd.DataFrame
    _recurrence: LinearRecurrence

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a root, complex pairs once, largest first in each block (a copy).

        ``of``; ``real``, ``imag`` (not negative); ``modulus``, ``tau`` = -1 / ln modulus,
        ``half_life`` = tau ln 2, ``period`` = 2 pi / angle (2 for negative real roots, infinite for
        positive ones), ``damping`` ratio, each with its delta-method standard error ``_se``;
        ``tau_lower`` and ``tau_upper``, ends of the interval (that of the modulus, turned), those
        of ``half_life`` are ln 2 times them; ``note``. Times are in `step`; a root
        outside the unit circle has negative ``tau``: minus the time in which it grows e-fold.

        Standard errors are 0 where parameters are fixed, NaN (with a word in ``note``) for repeated
        roots, which have no derivative, and where the parameters have none.
        """
        return self._roots.copy()

    @property
    def verdict(self) -> pd.DataFrame:
        """Log of the spectral radius of each matrix, and whether it differs from 0 (a copy).

        ``log_radius``: the rate per row at which gradients vanish (negative) or explode;
        ``log_radius_se``; ``z`` and its two-sided ``pvalue``; ``verdict``: "vanishing",
        "exploding", "not distinguishable from 1", or another as `jacobian_products` has it. The
        normal distribution is an approximation away from the unit circle; at it, estimates lean to
        the inside (this is no unit root test).
        """
        return self._verdict.copy()

    @property
    def products(self) -> pd.DataFrame:
        """Log singular values of the powers of each matrix (a copy).

        Index ``lag`` from 0; columns ``of`` and ``log_singular_1`` (the largest: the log of the
        norm of the gradient) to ``log_singular_m``; ``-inf`` where nothing is left.
        """
        return self._products.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Roots, and below them the long-run rate of each matrix with its verdict.
        """
        roots = self._roots.set_axis(self._labels())
        places, times = (roots[list(part)].rename(columns=part) for part in (_PLACES, _TIMES))
        rates = self._verdict.set_index("of").rename_axis(index=None)
        rates.columns = pd.Index(["log radius", "std err", "z", "P>|z|", "gradients"])
        summary = _compat.build_table(
            places, title=f"Memory: roots (period in {self.step})", notes=self._notes()
        )
        for table, title in (
            (times, f"Time constants in {self.step}"),
            (rates, "Rate at which gradients over k rows vanish or explode"),
        ):
            summary.tables.extend(_compat.build_table(table, title=title).tables)
        return summary

    def _labels(self) -> list[str]:
        """Matrix and number of each root; a pair counts as two."""
        labels, last, count = [], "", 0
        for of, imag in zip(self._roots["of"], self._roots["imag"], strict=True):
            first = count + 1 if of == last else 1
            last, count = of, first + (imag > 0.0)
            labels.append(f"{of}: {first}" + (f", {count}" if count > first else ""))
        return labels

    def _notes(self) -> list[str]:
        level = f"{100 * (1 - self.alpha):g} %"
        notes = [
            f"tau: {self.step} in which a disturbance falls to 1/e, with its {level} interval"
            " (from that of the modulus).",
            "The test of the rate is an approximation inside the unit circle, no unit root test.",
        ]
        if (self._roots["note"] == "repeated").any():
            notes.append("Repeated roots have no derivative, so no standard error.")
        if (self._roots["note"] == "unit circle").any():
            notes.append(
                "A root on the unit circle (an estimate may lie at its boundary): the normal"
                " approximation of its standard errors fails there."
            )
        if len(self._verdict) > 1:
            notes.append(f"{FILTER}: how fast the filter forgets (moving-average side).")
        if (self._roots["note"] == "not invertible").any():
            notes.append(
                "A moving-average root outside the unit circle: the filter settles on a gain of its"
                " own and forgets at the rate of the inverse root."
            )
        return [line for note in notes for line in wrapped(note)]

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot the roots in the unit circle, and the singular values by lag.

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
        from rnnstats.results.plots import draw_memory

        return draw_memory(self._roots, self._verdict, self._products, step=self.step, fig=fig)


def memory_of(
    recurrence: LinearRecurrence, covariance: CovarianceEstimate, *, steps: int, alpha: float
) -> Memory:
    """Measure the memory of a fitted linear recurrence.

    Parameters
    ----------
    recurrence : LinearRecurrence
        The model at its estimates.
    covariance : CovarianceEstimate
        Of the estimates.
    steps : int
        Lags of the products.
    alpha : float
        One minus the coverage of intervals.

    Returns
    -------
    Memory

    Raises
    ------
    SpecificationError
        `alpha` is not between 0 and 1.
    """
    width = check_alpha(alpha, "memory")
    tables, rates, products = [], [], []
    for matrix in _matrices(recurrence.model, recurrence.theta, covariance):
        found = arrays.roots(matrix.value)
        tables.append(root_table(matrix, found, width))
        rates.append(rate_of(matrix, found, alpha))
        logs = log_singular_values(matrix.value, steps)
        columns = [f"log_singular_{j + 1}" for j in range(logs.shape[1])]
        index = pd.RangeIndex(steps + 1, name="lag")
        product = pd.DataFrame(logs, index=index, columns=columns)
        product.insert(0, "of", matrix.name)
        products.append(product)
    return Memory(
        recurrence.labels.step,
        float(alpha),
        pd.concat(tables),
        pd.DataFrame(rates),
        pd.concat(products),
        recurrence,
    )


def _matrices(
    model: StateSpaceModel, theta: FloatArray, covariance: CovarianceEstimate
) -> list[UncertainMatrix]:
    """W_h and, where the output noise is also the state noise, W_h - K V, with derivatives."""

    def parts(system: StateSpace) -> tuple[FloatArray, FloatArray, FloatArray]:
        return system.transition, system.selection, system.design

    def flat(params: FloatArray) -> FloatArray:
        return np.concatenate([part.ravel() for part in parts(model.system(params))])

    system = model.system(theta)
    transition, gain, design = parts(system)
    slopes = jacobian(flat, theta)
    cuts = np.cumsum([transition.size, gain.size])
    d_transition, d_gain, d_design = (
        piece.reshape(*part.shape, theta.size)
        for piece, part in zip(np.split(slopes, cuts), parts(system), strict=True)
    )
    found = [UncertainMatrix(RECURRENCE, transition.copy(), d_transition, covariance)]
    shared = (system.cross_cov, system.state_cov)
    if system.obs_cov.any() and all(np.array_equal(part, system.obs_cov) for part in shared):
        product = np.einsum("irk,rj->ijk", d_gain, design) + np.einsum("ir,rjk", gain, d_design)
        slopes = d_transition - product
        found.append(UncertainMatrix(FILTER, transition - gain @ design, slopes, covariance))
    return found
