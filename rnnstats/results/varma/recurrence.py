"""A vector ARMA model as a recurrence in observer form."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import linalg

from rnnstats._index import step_name
from rnnstats.diagnostics.memory.driven import LinearDrive
from rnnstats.diagnostics.memory.filters.linear_systems import (
    LinearSystem,
    linear_system_of,
    observed_of,
)
from rnnstats.diagnostics.memory.recurrences import Function, Given, Labels, Recurrence, Trajectory
from rnnstats.equivalence.polynomials import from_polynomials
from rnnstats.equivalence.systems import InnovationsSystem
from rnnstats.estimation.covariance import delta_method, jacobian
from rnnstats.results.linear_points import outputs_alone
from rnnstats.results.protocol import FloatArray

if TYPE_CHECKING:
    from rnnstats.results.varma.value import VARMA

__all__ = ["VarmaRecurrence"]


@dataclass(eq=False)
class VarmaRecurrence(Recurrence):
    """A vector ARMA model, in the observer form of its equations solved for y_t.

    Attributes
    ----------
    model : VARMA
    point : ndarray of shape (K,) or None
        Coefficients that are not structurally zero, where they are moved about.
    """

    model: VARMA
    point: FloatArray | None = None

    def __post_init__(self) -> None:
        """Name states, inputs and outputs."""
        model, found = self.model, self.model._estimated
        index = pd.RangeIndex(1, 2) if found is None else found.sample.model.endog.index
        self.labels = Labels(
            states=tuple(f"h{j + 1}" for j in range(len(self.system.transition))),
            inputs=(*(f"L1.e.{name}" for name in model.endog_names), *model.exog_names),
            outputs=model.endog_names,
            index=index,
            step=step_name(index),
            title="VARMA",
        )

    @cached_property
    def _parts(self) -> tuple[InnovationsSystem, FloatArray]:
        """The system and the covariance of its errors."""
        model, found = self.model, self.model._estimated
        if self.point is None or found is None:
            exog = model.exog if model.exog_names else None
            return from_polynomials(model.ar, model.ma, exog), np.array(model.sigma_u)
        mapped = found.mapped
        flat = np.where(mapped.reduced_live, 0.0, mapped.reduced.flat())
        flat[mapped.reduced_live] = self.point
        there = mapped.reduced.like(flat)
        # lags that are structurally zero are left out, as in the value
        polynomials = there.polynomials
        exog = polynomials.exog[: len(model.exog)] if model.exog_names else None
        lower = np.tril(there.sigma_u)
        return (
            from_polynomials(polynomials.ar[: model.k_ar], polynomials.ma[: model.k_ma], exog),
            lower + np.tril(lower, -1).T,
        )

    @property
    def system(self) -> InnovationsSystem:
        """Matrices of the observer form."""
        return self._parts[0]

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives along the series, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            By default "shocks". With "inputs" the outputs are held: W_h - K V.

        Returns
        -------
        Trajectory
        """
        system, n = self.system, len(self.labels.index)
        matrix, inputs = system.transition, system.inputs
        labels = None
        if given == "inputs":
            matrix = matrix - system.gain @ system.design
            names = (*(f"L1.{name}" for name in self.labels.outputs), *self.model.exog_names)
            labels = replace(self.labels, inputs=names)
        return Trajectory(
            state=_repeated(matrix, n),
            offsets=np.array([0, n], dtype=np.intp),
            inputs=_repeated(np.hstack([system.gain, inputs]), n),
            readout=_repeated(system.design, n),
            labels=labels,
        )

    def linear(self, given: Given) -> LinearSystem:
        """From innovations and inputs, or lagged outputs and inputs, to outputs.

        Parameters
        ----------
        given : {"shocks", "inputs"}

        Returns
        -------
        LinearSystem
        """
        system, sigma = self._parts
        a, g, c = system.transition, system.gain, system.design
        p, exog = len(c), self.model.exog_names
        direct = c @ system.inputs  # all inputs pass through the state of this form
        if given == "inputs":
            a = a - g @ c
            return LinearSystem(
                transition=a,
                loading=np.hstack([a @ g, a @ system.inputs]),
                design=c,
                direct=np.hstack([c @ g, direct]),
                cov=np.zeros((0, 0)),
                noise=np.zeros((p, p)),
                labels=self.names(self.trajectory("inputs")),
            )
        names = (*(f"e.{name}" for name in self.labels.outputs), *exog)
        return LinearSystem(
            transition=a,
            loading=np.hstack([g, a @ system.inputs]),
            design=c,
            direct=np.hstack([np.eye(p), direct]),
            cov=sigma,
            noise=np.zeros((p, p)),
            labels=replace(self.labels, inputs=names),
        )

    def drive(self) -> LinearDrive:
        """What drives the state, see `Recurrence.drive`.

        Returns
        -------
        LinearDrive
            Errors of the one-step predictions, and regressors: with their covariance in the data,
            with unit covariance for a model that was not estimated.
        """
        system, sigma = self._parts
        found, names = self.model._estimated, self.model.exog_names
        exog = None if found is None else found.sample.model.exog
        spread = [sigma]
        if names:
            unit = np.eye(len(names))
            spread.append(unit if exog is None else np.atleast_2d(np.cov(exog.values.T)))
        return LinearDrive(
            system.transition,
            np.hstack([system.gain, system.inputs]),
            np.asarray(linalg.block_diag(*spread)),
            self.labels.inputs,
            len(sigma),
        )

    # -- what is uncertain --------------------------------------------------------------------

    def slopes(self, function: Function) -> FloatArray | None:
        """Derivatives by the coefficients, see `Recurrence.slopes`.

        Parameters
        ----------
        function : callable

        Returns
        -------
        ndarray or None
            None for a model that was not estimated.
        """
        found = self.model._estimated
        if found is None or self.point is not None:
            return None
        start = found.mapped.reduced.flat()[found.mapped.reduced_live]

        def at(point: FloatArray) -> FloatArray:
            moved = function(VarmaRecurrence(self.model, np.array(point)))
            return np.asarray(moved, dtype=np.float64).ravel()

        return jacobian(at, start)

    def spread(self, slopes: FloatArray) -> FloatArray:
        """Covariance of quantities with these derivatives, see `Recurrence.spread`.

        Parameters
        ----------
        slopes : ndarray, shape (k, K)

        Returns
        -------
        ndarray, shape (k, k)
        """
        found = self.model._estimated
        if found is None:
            return super().spread(slopes)
        return np.atleast_2d(delta_method(slopes, found.reduced_cov))


@linear_system_of.register
def _(recurrence: VarmaRecurrence, *, given: Given = "shocks", **_: Any) -> LinearSystem:
    return recurrence.linear(given)


@observed_of.register
def _(recurrence: VarmaRecurrence, system: LinearSystem) -> tuple[FloatArray, ...]:
    found = recurrence.model._estimated
    return () if found is None else outputs_alone(found.sample.model, system)


def _repeated(matrix: FloatArray, rows: int) -> FloatArray:
    return np.broadcast_to(np.array(matrix), (rows, *matrix.shape))
