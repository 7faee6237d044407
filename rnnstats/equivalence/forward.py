"""A deterministic linear recurrent network as a value that runs on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import by_name, check_int
from rnnstats.equivalence._text import named, reads, table, terms, units
from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.errors import DataError, SpecificationError

__all__ = ["LinearNetwork", "NetworkRun", "checked_data"]

FloatArray = NDArray[np.float64]

# The share of the start that is left after `LinearNetwork.memory` rows.
FORGOTTEN: Final = 1e-8
LONGEST: Final = 1_000_000


class NetworkRun(NamedTuple):
    """What a forward network computes.

    Attributes
    ----------
    forecast : ndarray, shape (nobs, p)
        yhat_t, from the outputs before t and the inputs up to t.
    state : ndarray, shape (nobs, k_hidden)
        h_t; the first ``k_states`` columns are the predicted state.
    """

    forecast: FloatArray
    state: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class LinearNetwork:
    """A deterministic linear RNN that computes the steady-state one-step-ahead forecasts.

    ``h_t = W_h h_{t-1} + W_y y_{t-1} + W_x x_t + b_h + b_h_trend t``,
    ``yhat_t = V h_t + D x_t + b_y + b_y_trend t``, for rows t = 1, 2, ...

    The first ``k_states`` hidden units are the predicted state of the model. Where inputs enter the
    output directly (D is not zero), what they explain has to be taken out of y_{t-1}, so one
    further unit an input holds x_t for the next step.

    Attributes
    ----------
    W_h : ndarray, shape (k_hidden, k_hidden)
    W_y : ndarray, shape (k_hidden, k_endog)
        The filter's gain K.
    W_x : ndarray, shape (k_hidden, k_exog)
    b_h, b_h_trend : ndarray, shape (k_hidden,)
    V : ndarray, shape (k_endog, k_hidden)
    D : ndarray, shape (k_endog, k_exog)
    b_y, b_y_trend : ndarray, shape (k_endog,)
    h0 : ndarray, shape (k_hidden,)
        Start: the mean of the model's h_0, before row 1; y_0 counts as the network's own forecast.
    first_step : {"step", "none"}
        "step": h_1 comes from h0 by the recurrence. "none": h0 is the state of row 1 itself.
    k_states : int
        Number of states of the model.
    endog_names, exog_names, state_names : tuple of str
        Names of outputs, inputs and hidden units.
    """

    W_h: FloatArray
    W_y: FloatArray
    W_x: FloatArray
    b_h: FloatArray
    b_h_trend: FloatArray
    V: FloatArray
    D: FloatArray
    b_y: FloatArray
    b_y_trend: FloatArray
    h0: FloatArray
    first_step: Literal["step", "none"]
    k_states: int
    endog_names: tuple[str, ...]
    exog_names: tuple[str, ...]
    state_names: tuple[str, ...]

    def __repr__(self) -> str:
        """Say how many units there are and what they read."""
        return f"<LinearNetwork: {units(len(self.W_h))}, {reads(self)}>"

    @property
    def k_hidden(self) -> int:
        """Number of hidden units."""
        return len(self.W_h)

    @property
    def k_endog(self) -> int:
        """Number of outputs."""
        return len(self.b_y)

    @property
    def k_exog(self) -> int:
        """Number of inputs."""
        return int(self.W_x.shape[1])

    @property
    def has_trend(self) -> bool:
        """Whether the row number t enters."""
        return bool(self.b_h_trend.any() or self.b_y_trend.any())

    @property
    def memory(self) -> int | None:
        """Rows after which a wrong start has lost all but 1e-8 of its weight.

        From this row on, as far as its gain has settled by then (which takes half as long), the
        filter from any start gives this network's forecasts. None where the start is never
        forgotten.
        """
        return _memory(self.W_h)

    def weights(self) -> dict[str, float]:
        """Every weight that is not zero, by name.

        Returns
        -------
        dict of str to float
            Such as ``{"W_h[h1,h1]": 0.3, "W_y[h1,cpi]": 0.2, ...}``.
        """
        states, outputs, inputs = self.state_names, self.endog_names, self.exog_names
        return named(
            [
                ("W_h", self.W_h, states, states), ("W_y", self.W_y, states, outputs),
                ("W_x", self.W_x, states, inputs), ("b_h", self.b_h, states, None),
                ("b_h_trend", self.b_h_trend, states, None), ("V", self.V, outputs, states),
                ("D", self.D, outputs, inputs), ("b_y", self.b_y, outputs, None),
                ("b_y_trend", self.b_y_trend, outputs, None),
            ]
        )  # fmt: skip

    def summary(self) -> str:
        """Tables of the weights as text.

        Returns
        -------
        str
        """
        states, outputs, inputs = self.state_names, self.endog_names, self.exog_names
        head = [
            repr(self)[1:-1],
            f"h_t = W_h h_(t-1) + W_y y_(t-1){terms('W_x', 'b_h', self)}",
            f"yhat_t = V h_t{terms('D', 'b_y', self)}",
        ]
        rows = [
            table("W_h", self.W_h, states, states), table("W_y", self.W_y, states, outputs),
            table("W_x", self.W_x, states, inputs),
            table("b", np.column_stack([self.b_h, self.b_h_trend]), states, ("b_h", "b_h_trend")),
            table("V", self.V, outputs, states), table("D", self.D, outputs, inputs),
            table("b", np.column_stack([self.b_y, self.b_y_trend]), outputs, ("b_y", "b_y_trend")),
        ]  # fmt: skip
        return "\n\n".join(["\n".join(head), *filter(None, rows)])

    def run(
        self,
        y: ArrayLike,
        x: ArrayLike | None = None,
        *,
        state: ArrayLike | None = None,
        first_row: int = 1,
    ) -> NetworkRun:
        """Compute the forecasts of each row from the rows before it.

        Parameters
        ----------
        y : array_like, shape (nobs, k_endog) or (nobs,)
            Outputs. A missing one (NaN) is replaced by its own forecast, that is, its error counts
            as zero. The exact filter then uses another gain for a few rows. Columns with the
            network's names are taken by name.
        x : array_like, shape (nobs, k_exog), optional
            Inputs of the same rows.
        state : array_like, shape (k_states,), optional
            State of the first row given the rows before it, such as a row of
            ``results.predicted_state``; by default the model's own start. Started so at a row where
            the filter's gain has settled, the network gives the filter's numbers at once.
        first_row : int
            Number t of the first row, for the trend.

        Returns
        -------
        NetworkRun
            ``forecast`` and ``state``.

        Raises
        ------
        DataError
            Rows or columns of `y` and `x` that do not fit, or missing inputs.
        SpecificationError
            `state` has a wrong shape.
        """
        outputs, inputs, rows = checked_data(y, x, self, "LinearNetwork.run")
        begin = check_int(first_row, name="first_row", caller="LinearNetwork.run")
        hidden = self._first(state, inputs[0], begin)
        forecast, states = np.empty((rows, self.k_endog)), np.empty((rows, self.k_hidden))
        drive = inputs @ self.W_x.T
        direct = inputs @ self.D.T + self.b_y
        time = np.arange(begin, begin + rows, dtype=np.float64)[:, None]
        if self.has_trend:
            drive, direct = drive + time * self.b_h_trend, direct + time * self.b_y_trend
        drive = drive + self.b_h
        for t in range(rows):
            states[t] = hidden
            forecast[t] = self.V @ hidden + direct[t]
            if t + 1 < rows:
                seen = np.where(np.isnan(outputs[t]), forecast[t], outputs[t])
                hidden = self.W_h @ hidden + self.W_y @ seen + drive[t + 1]
        return NetworkRun(forecast, states)

    def filled(self, y: ArrayLike, x: ArrayLike | None = None, **options: Any) -> FloatArray:
        """Outputs with the missing ones replaced by the network's forecasts.

        Parameters
        ----------
        y, x
            As for `run`.
        **options
            ``state`` and ``first_row`` of `run`.

        Returns
        -------
        ndarray, shape (nobs, k_endog)
        """
        outputs = checked_data(y, x, self, "LinearNetwork.filled")[0]
        if not np.isnan(outputs).any():
            return outputs
        return np.where(np.isnan(outputs), self.run(y, x, **options).forecast, outputs)

    def _first(self, state: ArrayLike | None, x: FloatArray, row: int) -> FloatArray:
        """Hidden state of the first row."""
        if state is None and self.first_step == "step":
            own = self.V @ self.h0 + self.b_y + self.b_y_trend * (row - 1)
            return self.after(self.h0, own, row) + self.W_x @ x
        given = self.h0 if state is None else np.asarray(state, dtype=np.float64)
        if state is not None and given.shape != (self.k_states,):
            raise SpecificationError(
                f"LinearNetwork.run: state must hold the {self.k_states} states of the first row; "
                f"got shape {given.shape}. Give a row of predicted_state, or leave it out."
            )
        hidden = np.concatenate([given[: self.k_states], np.zeros(self.k_hidden - self.k_states)])
        hidden[self.k_states :] = x if self.k_hidden > self.k_states else 0.0
        return hidden

    def after(self, hidden: FloatArray, y: FloatArray, row: int) -> FloatArray:
        """Hidden state of a row from that of the row before, without the inputs of the row.

        Parameters
        ----------
        hidden : ndarray, shape (k_hidden,)
            h_{t-1}.
        y : ndarray, shape (k_endog,)
            y_{t-1}.
        row : int
            t.

        Returns
        -------
        ndarray, shape (k_hidden,)
        """
        out: FloatArray = self.W_h @ hidden + self.W_y @ y + self.b_h + self.b_h_trend * row
        return out

    def to_torch(self) -> Any:
        """The same network as PyTorch modules.

        Returns
        -------
        rnnstats.equivalence.torch.TorchNetwork
            A stock ``nn.RNN`` and a stock ``nn.Linear``, in double precision.

        Raises
        ------
        MissingDependencyError
            PyTorch is not installed.
        """
        from rnnstats.equivalence.torch import linear_to_torch

        return linear_to_torch(self)


def checked_data(
    y: ArrayLike, x: ArrayLike | None, network: LinearNetwork, caller: str
) -> tuple[FloatArray, FloatArray, int]:
    """Read data for a network.

    Parameters
    ----------
    y : array_like, shape (nobs, k_endog) or (nobs,)
        Columns with the network's names come in any order.
    x : array_like, shape (nobs, k_exog), or None
    network : LinearNetwork
    caller : str
        Named at the front of error messages.

    Returns
    -------
    outputs : ndarray, shape (nobs, k_endog)
    inputs : ndarray, shape (nobs, k_exog)
    rows : int

    Raises
    ------
    DataError
        Rows or columns that do not fit, the network's names in other places beside foreign ones, or
        missing inputs.
    """
    outputs = _table(y, network.endog_names, "y", caller)
    rows, k = len(outputs), network.k_exog
    if x is None and k:
        raise DataError(
            f"{caller}: x must hold the inputs {', '.join(network.exog_names)} of each row; got "
            "None. Give x."
        )
    inputs = np.zeros((rows, 0)) if x is None else _table(x, network.exog_names, "x", caller)
    if len(inputs) != rows:
        raise DataError(
            f"{caller}: x must have the rows of y; got {len(inputs)} for {rows}. Leave out rows "
            "that only one of them has."
        )
    if not np.isfinite(inputs).all() or np.isinf(outputs).any():
        raise DataError(
            f"{caller}: x must be complete and finite, y finite or NaN; got others. Fill them in."
        )
    return outputs, inputs, rows


def _table(values: ArrayLike, names: tuple[str, ...], what: str, caller: str) -> FloatArray:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise DataError(f"{caller}: {what} must be numbers; got others. Convert them.") from error
    if array.ndim == 1:
        array = array[:, None]
    if array.ndim != 2 or array.shape[1] != len(names) or not len(array):
        raise DataError(
            f"{caller}: {what} must have {len(names)} columns and at least one row; got shape "
            f"{np.shape(values)}. Give one column a series."
        )
    return array[:, by_name(values, names, what=what, caller=caller)]


def _memory(matrix: FloatArray) -> int | None:
    """Steps after which the norm of the powers of a matrix stays below FORGOTTEN."""
    if not spectral_radius(matrix) < 1.0:
        return None
    rows, power = 1, matrix
    squares = [(rows, power)]
    while np.linalg.norm(power, 2) > FORGOTTEN:
        rows, power = 2 * rows, power @ power
        if rows > LONGEST:
            return None
        squares.append((rows, power))
    low, base = 0, np.eye(len(matrix))
    for step, square in reversed(squares[:-1]):
        if np.linalg.norm(base @ square, 2) > FORGOTTEN:
            low, base = low + step, base @ square
    return low + 1
