"""A linear bidirectional recurrent network as a value that runs on arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int
from rnnstats.equivalence._text import named, reads, table, terms, units
from rnnstats.equivalence.forward import LinearNetwork, checked_data

__all__ = ["BidirectionalNetwork", "BidirectionalRun"]

FloatArray = NDArray[np.float64]

_B = ("b_h", "b_h_trend")


class BidirectionalRun(NamedTuple):
    """What a bidirectional network computes.

    Attributes
    ----------
    smoothed : ndarray, shape (nobs, k_states)
        The state given all rows, from the readout.
    forward : ndarray, shape (nobs, k_hidden)
        Hidden state of the forward half: reads outputs before t, inputs up to t.
    backward : ndarray, shape (nobs, k_backward)
        Hidden state of the backward half: reads outputs and inputs from t on.
    """

    smoothed: FloatArray
    forward: FloatArray
    backward: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class BidirectionalNetwork:
    """A linear bidirectional RNN whose readout is the smoothed state in the steady state.

    ``f_t`` is the hidden state of `forward`, which reads outputs up to t - 1 and inputs up to t;
    ``g_t = W_h g_{t+1} + W_y y_t + W_x x_t + b_h + b_h_trend t`` reads outputs and inputs from t
    on; the state given all rows is ``V_forward f_t + V_backward g_t + D x_t + b_y + b_y_trend t``.

    Attributes
    ----------
    forward : LinearNetwork
        The network of the filter.
    W_h : ndarray, shape (k_backward, k_backward)
        Recurrence of the backward half; k_backward is the number of combinations of states about
        which the future says more than the past, 0 in the innovations form.
    W_y : ndarray, shape (k_backward, k_endog)
    W_x : ndarray, shape (k_backward, k_exog)
    b_h, b_h_trend : ndarray, shape (k_backward,)
    W_end : ndarray, shape (k_backward, k_hidden)
    b_end, b_end_trend : ndarray, shape (k_backward,)
        Start of the backward half: ``g_{n+1} = W_end f_{n+1} + b_end + b_end_trend (n + 1)``, where
        f_{n+1} is the forward half's next state without inputs. It says that nothing follows.
    V_forward : ndarray, shape (k_states, k_hidden)
    V_backward : ndarray, shape (k_states, k_backward)
    D : ndarray, shape (k_states, k_exog)
    b_y, b_y_trend : ndarray, shape (k_states,)
    """

    forward: LinearNetwork
    W_h: FloatArray
    W_y: FloatArray
    W_x: FloatArray
    b_h: FloatArray
    b_h_trend: FloatArray
    W_end: FloatArray
    b_end: FloatArray
    b_end_trend: FloatArray
    V_forward: FloatArray
    V_backward: FloatArray
    D: FloatArray
    b_y: FloatArray
    b_y_trend: FloatArray

    def __repr__(self) -> str:
        """Say how many units each half has and what they read."""
        return (
            f"<BidirectionalNetwork: {units(self.forward.k_hidden)} forward, "
            f"{len(self.W_h)} backward, {reads(self.forward)}>"
        )

    @property
    def V(self) -> FloatArray:
        """The readout of both hidden states side by side, (k_states, k_hidden + k_backward)."""
        return np.hstack([self.V_forward, self.V_backward])

    @property
    def k_backward(self) -> int:
        """Number of hidden units of the backward half."""
        return len(self.W_h)

    @property
    def k_states(self) -> int:
        """Number of smoothed states."""
        return self.forward.k_states

    @property
    def has_trend(self) -> bool:
        """Whether the row number t enters."""
        own = (self.b_h_trend, self.b_y_trend, self.b_end_trend)
        return self.forward.has_trend or any(bool(part.any()) for part in own)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the smoothed states."""
        return self.forward.state_names[: self.k_states]

    @property
    def memory(self) -> int | None:
        """Rows from the beginning over which the filter's start matters; see `LinearNetwork`."""
        return self.forward.memory

    def weights(self) -> dict[str, float]:
        """Every weight that is not zero, by name.

        Returns
        -------
        dict of str to float
            Those of the forward half as in `LinearNetwork.weights` without its readout; those of
            the backward half, whose units are r1, r2, ..., with ``_backward``; the readout.
        """
        forward, states, units = self.forward, self.state_names, self._unit_names
        outputs, inputs = forward.endog_names, forward.exog_names
        own = {k: v for k, v in forward.weights().items() if k.startswith(("W_", "b_h"))}
        return own | named(
            [
                ("W_h_backward", self.W_h, units, units),
                ("W_y_backward", self.W_y, units, outputs),
                ("W_x_backward", self.W_x, units, inputs), ("b_h_backward", self.b_h, units, None),
                ("b_h_trend_backward", self.b_h_trend, units, None),
                ("V_forward", self.V_forward, states, forward.state_names),
                ("V_backward", self.V_backward, states, units), ("D", self.D, states, inputs),
                ("b_y", self.b_y, states, None), ("b_y_trend", self.b_y_trend, states, None),
            ]
        )  # fmt: skip

    @property
    def _unit_names(self) -> tuple[str, ...]:
        return tuple(f"r{i + 1}" for i in range(self.k_backward))

    def summary(self) -> str:
        """Tables of the weights as text.

        Returns
        -------
        str
        """
        forward, states, units = self.forward, self.state_names, self._unit_names
        outputs, inputs = forward.endog_names, forward.exog_names
        head = [
            repr(self)[1:-1],
            f"forward:  f_t = W_h f_(t-1) + W_y y_(t-1){terms('W_x', 'b_h', forward)}",
            f"backward: g_t = W_h g_(t+1) + W_y y_t{terms('W_x', 'b_h', self, forward)}",
            f"smoothed: V_forward f_t + V_backward g_t{terms('D', 'b_y', self, forward)}",
        ]
        if not self.k_backward:
            head.append("The past tells the state: the smoothed state is the predicted one.")
        names = forward.state_names
        rows = [
            table("forward W_h", forward.W_h, names, names),
            table("forward W_y", forward.W_y, names, outputs),
            table("forward W_x", forward.W_x, names, inputs),
            table("forward b", np.column_stack([forward.b_h, forward.b_h_trend]), names, _B),
            table("backward W_h", self.W_h, units, units),
            table("backward W_y", self.W_y, units, outputs),
            table("backward W_x", self.W_x, units, inputs),
            table("backward b", np.column_stack([self.b_h, self.b_h_trend]), units, _B),
            table("V_forward", self.V_forward, states, names),
            table("V_backward", self.V_backward, states, units),
            table("D", self.D, states, inputs),
            table("b", np.column_stack([self.b_y, self.b_y_trend]), states, ("b_y", "b_y_trend")),
        ]
        return "\n\n".join(["\n".join(head), *filter(None, rows)])

    def run(
        self,
        y: ArrayLike,
        x: ArrayLike | None = None,
        *,
        state: ArrayLike | None = None,
        first_row: int = 1,
    ) -> BidirectionalRun:
        """Compute the smoothed states.

        Parameters
        ----------
        y : array_like, shape (nobs, k_endog) or (nobs,)
            Outputs. A missing one (NaN) is replaced by its forecast from the rows before, so that
            its error counts as zero; the exact smoother differs near such rows.
        x : array_like, shape (nobs, k_exog), optional
            Inputs of the same rows.
        state : array_like, shape (k_states,), optional
            State of the first row given the rows before it; by default the model's own start.
        first_row : int
            Number t of the first row, for the trend.

        Returns
        -------
        BidirectionalRun
            ``smoothed``, and the hidden states of both halves. The smoother's numbers as soon as
            the filter has settled, up to and including the last row.

        Raises
        ------
        DataError
            Rows or columns of `y` and `x` that do not fit, or missing inputs.
        SpecificationError
            `state` has a wrong shape.
        """
        inputs, rows = checked_data(y, x, self.forward, "BidirectionalNetwork.run")[1:]
        begin = check_int(first_row, name="first_row", caller="BidirectionalNetwork.run")
        states = self.forward.run(y, x, state=state, first_row=begin).state
        outputs = self.forward.filled(y, x, state=state, first_row=begin)
        time = np.arange(begin, begin + rows, dtype=np.float64)[:, None]
        drive = outputs @ self.W_y.T + inputs @ self.W_x.T + self.b_h + time * self.b_h_trend
        hidden = self.end(states[-1], outputs[-1], begin + rows)
        backward = np.empty((rows, self.k_backward))
        for t in reversed(range(rows)):
            hidden = self.W_h @ hidden + drive[t]
            backward[t] = hidden
        smoothed = states @ self.V_forward.T + backward @ self.V_backward.T + inputs @ self.D.T
        return BidirectionalRun(smoothed + self.b_y + time * self.b_y_trend, states, backward)

    def end(self, hidden: FloatArray, y: FloatArray, row: int) -> FloatArray:
        """Start of the backward half, one row past the data.

        Parameters
        ----------
        hidden : ndarray, shape (k_hidden,)
            Forward state of the last row.
        y : ndarray, shape (k_endog,)
            Outputs of the last row, complete.
        row : int
            Number of the row past the last one.

        Returns
        -------
        ndarray, shape (k_backward,)
        """
        ahead = self.forward.after(hidden, y, row)
        out: FloatArray = self.W_end @ ahead + self.b_end + self.b_end_trend * row
        return out

    def to_torch(self) -> Any:
        """The same network as PyTorch modules.

        Returns
        -------
        rnnstats.equivalence.torch.TorchNetwork
            A stock bidirectional ``nn.RNN`` and a stock ``nn.Linear``, in double precision.

        Raises
        ------
        MissingDependencyError
            PyTorch is not installed.
        """
        from rnnstats.equivalence.torch import bidirectional_to_torch

        return bidirectional_to_torch(self)
