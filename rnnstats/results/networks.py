"""The part of results that maps filter and smoother to recurrent networks."""

from __future__ import annotations

from abc import ABC, abstractmethod

import numpy as np

from rnnstats._checks import warn
from rnnstats.equivalence.rnn import (
    BidirectionalNetwork,
    Intercepts,
    LinearNetwork,
    filter_network,
    smoother_network,
)
from rnnstats.errors import ConvergenceWarning
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["NetworkMapping", "filter_of", "intercepts"]

# Differences of intercepts below this share of the largest are rounding.
ROUNDING = 4e-15


class NetworkMapping(ABC):
    """The part of results that maps filter and smoother to recurrent networks.

    Attributes
    ----------
    model : StateSpaceModel
        Data and structure.
    """

    model: StateSpaceModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> StateSpace:
        """State space at the estimates."""

    def to_rnn(self) -> LinearNetwork:
        """Write the steady-state filter as a deterministic recurrent network.

        ``h_t = W_h h_{t-1} + W_y y_{t-1} + W_x x_t + b_h``, ``yhat_t = V h_t + D x_t + b_y``: the
        hidden state is the predicted state, yhat the one-step-ahead forecast. In the innovations
        form ``W_h`` is W_h - K V of the model and ``W_y`` is K.

        Returns
        -------
        LinearNetwork
            The weights by name; ``run(y, x)`` on arrays or pandas data; ``summary()``;
            ``to_torch()``. It gives `fittedvalues` as soon as the filter's gain has settled and a
            difference at the start is forgotten (``memory`` rows): at once in the innovations form
            with a known start, later with a moving-average root near the unit circle. After a
            missing value the filter uses another gain for a few rows, the network does not.

        Raises
        ------
        SpecificationError
            The filter never settles, as with a variance of zero at a unit root.

        Notes
        -----
        Anderson and Moore (1979), Optimal Filtering, section 4.4.
        """
        network = filter_of(self.model, self._theta, self._system, caller="to_rnn")
        _warn_of_memory(network, "to_rnn")
        return network

    def to_birnn(self) -> BidirectionalNetwork:
        """Write the steady-state smoother as a bidirectional recurrent network.

        The forward half is `to_rnn`; the backward half reads the outputs and inputs from each row
        on; one linear readout of both hidden states is the smoothed state.

        Returns
        -------
        BidirectionalNetwork
            The weights by name; ``run(y, x)`` on arrays or pandas data; ``summary()``;
            ``to_torch()``. It gives `smoothed_state` as soon as the filter has settled, up to and
            including the last row, unit roots or not. In the innovations form, where the past tells
            the state, the backward half has no units.

        Raises
        ------
        SpecificationError
            The filter never settles, as with a variance of zero at a unit root.

        Notes
        -----
        De Jong (1989), Smoothing and interpolation with the state-space model, Journal of the
        American Statistical Association 84, 1085-1088; Durbin and Koopman (2012), section 4.4. See
        `rnnstats.equivalence.rnn` for how the backward half is freed of the forward state.
        """
        network = smoother_network(
            self._system,
            intercepts(self.model, self._theta),
            **_names(self.model),
            caller="to_birnn",
        )
        _warn_of_memory(network.forward, "to_birnn")
        return network


def filter_of(
    model: StateSpaceModel, theta: FloatArray, system: StateSpace, *, caller: str = "memory"
) -> LinearNetwork:
    """Write the steady-state filter of a model as a recurrent network.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
    system : StateSpace
        The model at these parameters.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    LinearNetwork

    Raises
    ------
    SpecificationError
        The filter never settles.
    """
    return filter_network(system, intercepts(model, theta), **_names(model), caller=caller)


def intercepts(model: StateSpaceModel, theta: FloatArray) -> Intercepts:
    """Read from a model what its intercepts consist of.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)

    Returns
    -------
    Intercepts
        The trend counts the model's own rows, from 1.

    Notes
    -----
    The model is asked for rows past its sample with inputs of zero, twice, and of the
    size that they have in the sample, each alone.
    """
    k = 0 if model.exog is None else model.exog.k_exog
    size = np.ones(k) if model.exog is None else np.abs(model.exog.values).max(axis=0)
    size = np.where(size > 0.0, size, 1.0)
    steps = 2 + k
    future = np.zeros((steps, k))
    future[2:] = np.diag(size)
    system = model.system(theta, steps=steps, exog=future if k else None)
    rows = model.nobs + np.arange(1.0, steps + 1.0)
    parts: list[FloatArray] = []
    for values in (system.state_intercept, system.obs_intercept):
        if values.ndim == 1:
            parts += [values, np.zeros(values.size), np.zeros((values.size, k))]
            continue
        last = values[-steps:]
        floor = ROUNDING * np.abs(last).max(axis=0)  # of each output and state in its own units
        slope = _above(last[1] - last[0], floor)
        level = last[0] - slope * rows[0]
        inputs = _above(last[2:] - level - slope * rows[2:, None], floor)
        parts += [level, slope, inputs.T / size]
    return Intercepts(*parts)


def _warn_of_memory(network: LinearNetwork, caller: str) -> None:
    if network.memory is None:
        warn(
            f"{caller}: the network never forgets its start (a root of its recurrence lies on the "
            "unit circle), so that it gives the filter's numbers in the limit only, or from a "
            "known start. Give run() a state, such as a row of predicted_state.",
            ConvergenceWarning,
        )


def _above(values: FloatArray, floor: float) -> FloatArray:
    """Set what is rounding to zero."""
    return np.where(np.abs(values) > floor, values, 0.0)


def _names(model: StateSpaceModel) -> dict[str, tuple[str, ...]]:
    return {
        "endog_names": tuple(model.endog.names),
        "exog_names": () if model.exog is None else tuple(model.exog.names),
        "state_names": tuple(model.state_names),
    }
