"""How long each direction of a bidirectional network remembers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._index import step_name
from rnnstats.diagnostics.memory.driven import Driven
from rnnstats.diagnostics.memory.recurrences import (
    Function,
    Given,
    Kept,
    Labels,
    Recurrence,
    Trajectory,
)
from rnnstats.estimation.covariance import CovarianceEstimate, CovType
from rnnstats.kernels import cells
from rnnstats.kernels.two_sided import turn
from rnnstats.results.inference.covariances import Derivatives
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.effect_slopes import input_names, mean_slopes
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.recurrent.states.memory import RecurrentMemoryTable, memory_of
from rnnstats.results.recurrent.states.recurrence import Estimates, estimates_of
from rnnstats.results.recurrent.states.states import retention
from rnnstats.results.regimes.outputs import expanded_names

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DirectionRecurrence", "TwoSidedMemory", "TwoSidedMemoryTable"]

BoolArray = NDArray[np.bool_]
Direction = Literal["forward", "backward"]

# Runs side by side, independent of one another.
RUNS = 40


@dataclass(eq=False)
class DirectionRecurrence(Recurrence):
    """One direction of a bidirectional network along the series, in the order in which it reads.

    Attributes
    ----------
    model : BidirectionalRNN
    theta : ndarray of shape (K,)
        All natural parameters.
    direction : {"forward", "backward"}
    estimates : Estimates or None
        Scores in the order in which the direction reads; None for a point that is moved about.
    """

    model: Any
    theta: FloatArray
    direction: Direction
    estimates: Estimates | None = None

    def __post_init__(self) -> None:
        """Name states, inputs and outputs."""
        model, arch = self.model, self.model.architecture
        self._backward = self.direction == "backward"
        self._arch = arch.back if self._backward else arch.forth
        offsets = np.asarray(model.offsets)
        self._order = turn(offsets) if self._backward else np.arange(model.nobs)
        cut = arch.forth.k_state
        states = model.state_names[cut:] if self._backward else model.state_names[:cut]
        names = input_names(model)
        lags = model.y_lags * len(model.head.lag_names)
        if self._backward:  # lags of the outputs are leads there; regressors keep their names
            names = (*(f"F{name[1:]}" for name in names[:lags]), *names[lags:])
        index = model.endog.index
        self.labels = Labels(
            states=tuple(states),
            inputs=names,
            outputs=tuple(expanded_names(model)),
            index=index[self._order],
            step=step_name(index),
            title=f"{model.name}, {self.direction}",
        )

    @cached_property
    def system(self) -> Any:
        """The network at the parameters, run over the rows."""
        return self.model.system(self.theta)

    def __getstate__(self) -> dict[str, Any]:
        """What pickling keeps: not the pass over the rows, which is quickly made again."""
        kept = (
            "model",
            "theta",
            "direction",
            "estimates",
            "labels",
            "_backward",
            "_arch",
            "_order",
        )
        return {name: self.__dict__[name] for name in kept}

    @property
    def _run(self) -> Any:
        run = self.system.run
        return run.back if self._backward else run.forth

    @cached_property
    def _weights(self) -> FloatArray:
        """Weights of the direction as a network of its own."""
        return np.asarray(self.system.weights[self.system.architecture.places[self._backward]])

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives along the series, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            No difference: what the network says is not read by it.

        Returns
        -------
        Trajectory
        """
        return self._along

    @cached_property
    def _along(self) -> Trajectory:
        arch, run, scales = self._arch, self._run, self.system.scales
        by_state, by_inputs = cells.jacobians(arch, self._weights, run)
        columns = slice(-arch.k_in, None) if self._backward else slice(0, arch.k_in)
        design = np.zeros((arch.k_eta, arch.k_state))
        design[:, arch.top] = arch.unpack(self._weights).readout
        slopes = mean_slopes(self.model.head, np.asarray(self.system.eta)[self._order])
        return Trajectory(
            state=by_state,
            offsets=np.asarray(run.offsets, dtype=np.intp),
            states=np.asarray(run.states),
            inputs=by_inputs / scales.input_scale[columns],
            readout=np.asarray((slopes * scales.eta_scale) @ design),
        )

    def kept(self) -> Kept | None:
        """Shares of their content that units keep, see `Recurrence.kept`.

        Returns
        -------
        Kept or None
        """
        gate = retention(cells.gates(self._arch, self._weights, self._run))
        if gate is None:
            return None
        word, values = gate
        whole = self.system.architecture
        cut = len(whole.forth.layers)
        labels = whole.labels[cut:] if self._backward else whole.labels[:cut]
        units = tuple(
            name
            for cell, layer in zip(self._arch.cells, labels, strict=True)
            if word in cell.gates
            for name in layer[0]
        )
        return Kept(word, units, values)

    def driven(self, nsteps: int, rng: np.random.Generator) -> Driven:
        """Run the direction anew, see `Recurrence.driven`.

        Parameters
        ----------
        nsteps : int
        rng : numpy.random.Generator

        Returns
        -------
        Driven
            Rows of inputs, lagged outputs among them, are drawn with replacement from those of the
            data; in the network's own units.
        """
        count = max(nsteps // RUNS, 2)
        rows = np.asarray(self._run.inputs)
        drawn = rows[rng.integers(0, len(rows), size=RUNS * count)]
        cuts = np.arange(0, RUNS * count + 1, count)
        found = cells.forward(self._arch, self._weights, drawn, offsets=cuts)
        shape = (RUNS, count, -1)
        return Driven(found.states.reshape(shape), drawn.reshape(shape), self.labels.inputs)

    def slopes(self, function: Function) -> FloatArray | None:
        """Derivatives by the estimated parameters, see `Recurrence.slopes`.

        Parameters
        ----------
        function : callable

        Returns
        -------
        ndarray or None
        """
        if self.estimates is None:
            return None

        def at(point: FloatArray) -> FloatArray:
            return function(DirectionRecurrence(self.model, np.array(point), self.direction))

        return axis_slopes(at, self.model, self.theta, self.estimates.bread)


@dataclass(frozen=True, eq=False, repr=False)
class TwoSidedMemoryTable:
    """How long each direction of a bidirectional network remembers its state.

    The forward cell reads from the first row on, the backward cell from the last one back; each
    forgets where it started at a rate of its own. That of the backward cell says how many later
    rows matter.

    Attributes
    ----------
    forward, backward : RecurrentMemoryTable
        Each with ``verdict``, ``products``, ``gates``, ``exponents``.
    """

    forward: RecurrentMemoryTable
    backward: RecurrentMemoryTable

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def step(self) -> str:
        """Unit of times: what one row is, such as "quarters"."""
        return self.forward.step

    @property
    def verdict(self) -> pd.DataFrame:
        """Rates per row at which the states are forgotten, one row a direction (a copy)."""
        found: pd.DataFrame = pd.concat([self.forward.verdict, self.backward.verdict])
        found.index = pd.Index(["forward", "backward"])
        return found

    @property
    def frame(self) -> pd.DataFrame:
        """The verdict: one row a direction (a copy)."""
        return self.verdict

    @property
    def products(self) -> pd.DataFrame:
        """Log norms of products of Jacobians, index (direction, lag) (a copy)."""
        found: pd.DataFrame = pd.concat(self._both("products"), names=["direction"])
        return found

    @property
    def gates(self) -> pd.DataFrame:
        """Time constants of the gates, units of the forward cell first (a copy)."""
        kept = [part.gates for part in (self.forward, self.backward) if len(part.gates)]
        return pd.concat(kept) if kept else self.forward.gates

    @property
    def exponents(self) -> pd.DataFrame:
        """All Lyapunov exponents along the series, one column a direction (a copy)."""
        return pd.DataFrame(self._both("exponents"))

    def _both(self, name: str) -> dict[str, Any]:
        return {"forward": getattr(self.forward, name), "backward": getattr(self.backward, name)}

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            The tables of the forward cell, then those of the backward cell.
        """
        found = self.forward.summary()
        for table in found.tables:
            table.title = f"Forward cell. {table.title}"
        for table in self.backward.summary().tables:
            table.title = f"Backward cell. {table.title}"
            found.tables.append(table)
        return found

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot norms by horizon and time constants of the gates of both directions.

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
        from rnnstats.results.two_sided.plots import draw_two_sided_memory

        return draw_two_sided_memory(self.forward, self.backward, step=self.step, fig=fig)


class TwoSidedMemory(ABC):
    """The part of a bidirectional network's results about memory.

    Attributes
    ----------
    model : BidirectionalRNN
        Data and structure.
    """

    model: Any
    _theta: FloatArray
    _given_covariance: Any
    _system: Any

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    @property
    @abstractmethod
    def _derivatives(self) -> Derivatives:
        """Second derivatives and scores at the estimates."""

    # Matrix by which the score of a row moves the estimates.
    @abstractmethod
    def _inverse_information(self, cov_type: CovType) -> CovarianceEstimate: ...

    def _asked_covariance(self) -> CovarianceEstimate:
        return self.covariance

    def _direction(self, direction: Direction) -> DirectionRecurrence:
        estimates = estimates_of(self)
        if estimates.score_obs is not None and direction == "backward":
            turned = estimates.score_obs[turn(np.asarray(self.model.offsets))]
            estimates = replace(estimates, score_obs=turned)
        return DirectionRecurrence(self.model, self._theta, direction, estimates)

    @property
    def _recurrence(self) -> DirectionRecurrence:
        """The forward cell along the series, with what is uncertain about it."""
        return self._direction("forward")

    def memory(self, steps: int = 40, alpha: float = 0.05) -> TwoSidedMemoryTable:
        """Measure how long each direction remembers its state, with standard errors.

        Parameters
        ----------
        steps : int
            Largest horizon of the products.
        alpha : float
            One minus the coverage of intervals, and the level of the verdict.

        Returns
        -------
        TwoSidedMemoryTable
            ``forward`` and ``backward``, each as `memory` of `ElmanRNN`, `GRU` and `LSTM` gives it;
            ``verdict``, ``products``, ``gates``, ``exponents``, ``summary()``, ``plot()`` of both.

        Raises
        ------
        SpecificationError
            `steps` is below one, or `alpha` is not between 0 and 1.
        """
        forward, backward = (
            memory_of(self._direction(one), steps, alpha) for one in ("forward", "backward")
        )
        return TwoSidedMemoryTable(forward, backward)
