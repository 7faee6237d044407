r"""Derivatives of one-step means by inputs, exact, at any parameters.

With :math:`m_t = E(y_t | h_{t-1}, u_t)` the derivative by the inputs u of the row itself holds the
state before it; the long-run one, of all rows so far, follows :math:`D_t = A_t D_{t-1} + B_t` with
the Jacobians A and B of the state's step, so that it counts what the state carries on.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np

from rnnstats.kernels import cells
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.histories import at_means, histories
from rnnstats.results.recurrent.forecasting.laws import expanded_mean
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel

__all__ = ["Change", "Effects", "Horizon", "binary_inputs", "input_names", "mean_slopes"]

Horizon = Literal["contemporaneous", "long-run"]
Change = Literal["derivative", "discrete"]


def input_names(model: Any) -> tuple[str, ...]:
    """Name the inputs of a network.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    tuple of str
        ``L1.y`` for lags of the outputs (``L1.y=a`` for categories), then the regressors.
    """
    lags = [f"L{lag}.{name}" for lag in range(1, model.y_lags + 1) for name in model.head.lag_names]
    return (*lags, *(() if model.exog is None else model.exog.names))


def binary_inputs(model: Any, filled: FloatArray) -> FloatArray:
    """Say which inputs are 0 or 1 in every row.

    Parameters
    ----------
    model : RecurrentModel
    filled : ndarray of shape (m, k_in)
        In the user's units; predictions in the place of missing lags do not count.

    Returns
    -------
    ndarray of bool, shape (k_in,)
    """
    found = np.asarray(((filled == 0.0) | (filled == 1.0) | np.isnan(filled)).all(axis=0))
    names = len(model.head.lag_names) * int(model.y_lags)
    if model.head.name in ("bernoulli", "categorical"):
        found[:names] = True
    return found


def mean_slopes(head: Any, eta: FloatArray) -> FloatArray:
    """Derivatives of means by linear predictors.

    Parameters
    ----------
    head : Head
    eta : ndarray of shape (m, k_eta)
        User's units.

    Returns
    -------
    ndarray of shape (m, k', k_eta)
        Of a categorical output those of the probabilities of all its categories.
    """
    m, k = eta.shape
    if head.feedback == "softmax":
        whole = np.concatenate([eta, np.zeros((m, 1))], axis=1)
        shares = np.exp(whole - whole.max(axis=1, keepdims=True))
        shares /= shares.sum(axis=1, keepdims=True)
        own = shares[:, :, None] * np.eye(k + 1)[:, :k]
        return np.asarray(own - shares[:, :, None] * shares[:, None, :k])
    slope = np.ones_like(eta)
    if head.feedback == "exp":
        slope = np.exp(eta)
    elif head.feedback == "logistic":
        share = 0.5 * (1.0 + np.tanh(0.5 * eta))
        slope = share * (1.0 - share)
    return np.asarray(head.lag_unit * slope[:, :, None] * np.eye(k))


@dataclass(frozen=True, eq=False)
class Effects:
    """Computes effects of the inputs at any parameters (a class, to be sent to processes).

    Attributes
    ----------
    model : RecurrentModel
    places : ndarray of int, shape (m,)
        Rows, as `chosen_rows` gives them.
    horizon : {"contemporaneous", "long-run"}
    means : bool
        At the mean of the histories, instead of at each.
    discrete : ndarray of bool, shape (k_in,)
        Inputs whose effect is the change from 0 to 1.
    """

    model: RecurrentModel
    places: IntArray
    horizon: Horizon
    means: bool
    discrete: Any

    def __call__(self, theta: FloatArray) -> FloatArray:
        """Effects at parameters (K,), shape (m, k', k_in); m is 1 at means."""
        system = self.model.system(theta)
        own = self._at_means(system) if self.means else self._at_rows(system)
        for column in np.flatnonzero(self.discrete):
            own[:, :, column] = self._changed(system, int(column))
        return own

    def average(self, theta: FloatArray) -> FloatArray:
        """Averages over the rows, shape (k', k_in)."""
        return np.asarray(self(theta).mean(axis=0))

    # -- derivatives --------------------------------------------------------------------------

    def _finished(self, system: Any, eta: FloatArray, moved: FloatArray) -> FloatArray:
        """From derivatives of standardised eta by standardised inputs to those of means."""
        scales = system.scales
        natural = moved * scales.eta_scale[:, None] / scales.input_scale
        return np.asarray(mean_slopes(self.model.head, eta) @ natural)

    def _read(self, system: Any, state: FloatArray) -> FloatArray:
        """From derivatives of the state by the inputs, (m, s, k_in), to those of eta."""
        arch = system.architecture
        packed = arch.unpack(system.weights)
        moved = packed.readout @ state[:, arch.top]
        return np.asarray(moved if packed.skip is None else moved + packed.skip)

    def _at_rows(self, system: Any) -> FloatArray:
        known, run = np.asarray(system.rows), system.run
        by_state, by_inputs = cells.jacobians(system.architecture, system.weights, run)
        through = by_inputs
        if self.horizon == "long-run":
            through = np.array(by_inputs)
            for begin, end in pairwise(np.asarray(system.row_offsets)):
                for t in range(begin + 1, end):
                    through[t] += by_state[t] @ through[t - 1]
        inside = self.places[self.places < self.model.nobs]
        at = np.searchsorted(known, inside)
        found = self._finished(system, system.eta[at], self._read(system, through[at]))
        if len(inside) == len(self.places):
            return found
        history = histories(self.model, system, np.array([self.model.nobs]))
        eta, by_state, by_inputs = self._one(system, history)
        if self.horizon == "long-run":
            by_inputs = by_inputs + by_state @ through[-1]
        last = self._finished(system, eta, self._read(system, by_inputs[None]))
        every = np.empty((len(self.places), *found.shape[1:]))
        every[self.places < self.model.nobs] = found
        every[self.places == self.model.nobs] = last[0]
        return every

    def _one(self, system: Any, history: Any) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Linear predictors of one history, and the derivatives of the step of its state."""
        inputs = self._standard(system, history)
        _, eta = system.step(history.state, history.lags, history.exog)
        found = cells.step_derivatives(
            system.architecture, system.weights, history.state[0], inputs[0]
        )
        return eta, np.asarray(found[1]), np.asarray(found[2])

    def _standard(self, system: Any, history: Any) -> FloatArray:
        pieces = [history.lags.reshape(len(history.lags), -1)]
        pieces += [] if history.exog is None else [history.exog]
        values = np.concatenate(pieces, axis=1)
        return np.asarray((values - system.scales.input_mean) / system.scales.input_scale)

    def _at_means(self, system: Any) -> FloatArray:
        history = at_means(histories(self.model, system, self.places))
        eta, by_state, by_inputs = self._one(system, history)
        if self.horizon == "long-run":
            by_inputs = _at_rest(by_state, by_inputs)
        return self._finished(system, eta, self._read(system, by_inputs[None]))

    # -- changes from 0 to 1 ------------------------------------------------------------------

    def _changed(self, system: Any, column: int) -> FloatArray:
        """Mean with an input at 1 less that with it at 0, (m, k')."""
        high, low = (self._with(system, column, value) for value in (1.0, 0.0))
        return high - low

    def _with(self, system: Any, column: int, value: float) -> FloatArray:
        """Means with an input at a value, (m, k')."""
        scales, run = system.scales, system.run
        columns = self._together(column)
        levels = np.where(np.array(columns) == column, value, 0.0)
        standard = (levels - scales.input_mean[columns]) / scales.input_scale[columns]
        if self.horizon == "long-run":
            inputs = np.array(run.inputs)
            inputs[:, columns] = standard
            moved = cells.forward(
                system.architecture, system.weights, inputs,
                initial=run.initial, offsets=run.offsets,
            )  # fmt: skip
            eta = moved.eta[np.searchsorted(np.asarray(system.rows), self.places)]
        else:
            history = histories(self.model, system, self.places)
            history = at_means(history) if self.means else history
            inputs = self._standard(system, history)
            inputs[:, columns] = standard
            _, eta = cells.step(system.architecture, system.weights, history.state, inputs)
        natural = eta * scales.eta_scale + scales.eta_mean
        law = self.model.head.law(natural, np.asarray(system.extra))
        return expanded_mean(law)

    def _together(self, column: int) -> list[int]:
        """Columns that are set at once: all indicators of one lag of a categorical output."""
        size = len(self.model.head.lag_names)
        if self.model.head.name != "categorical" or column >= size * int(self.model.y_lags):
            return [column]
        first = column - column % size
        return list(range(first, first + size))


def _at_rest(by_state: FloatArray, by_inputs: FloatArray) -> FloatArray:
    """What a change of the inputs for good does to the state in the end; NaN where it grows."""
    if not np.abs(np.linalg.eigvals(by_state)).max(initial=0.0) < 1.0:
        return np.full_like(by_inputs, np.nan)
    return np.asarray(np.linalg.solve(np.eye(len(by_state)) - by_state, by_inputs))
