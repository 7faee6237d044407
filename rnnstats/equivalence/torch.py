"""Linear networks as stock PyTorch modules.

``torch.nn.RNN`` knows tanh and relu, not the identity. But ``z = relu(z) - relu(-z)`` for every
number, so a linear unit is a pair of relu units, one holding its positive part, the other its
negative one: the recurrence W becomes ``[[W, -W], [-W, W]]``, a readout V becomes ``[V, -V]``, and
each number is exactly that of the linear network up to the order of summation.

A module reads row t as ``[y_t, x_t]`` (and the row number t, where there is a trend), both
directions the same. A forecast must not see y_t, so the forward half has units that hold y_t for
the next step; where the readout uses x_t or t directly, units hold these, too.

`stacked` makes the arrays and needs no PyTorch; `recur` is nn.RNN's documented arithmetic in NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int
from rnnstats.equivalence.bidirectional import BidirectionalNetwork
from rnnstats.equivalence.forward import LinearNetwork, checked_data
from rnnstats.errors import MissingDependencyError, SpecificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "StackedWeights",
    "TorchNetwork",
    "begin",
    "bidirectional_to_torch",
    "features",
    "linear_to_torch",
    "recur",
    "stacked",
]

FloatArray = NDArray[np.float64]


class StackedWeights(NamedTuple):
    """Arrays of an ``nn.RNN(nonlinearity="relu")`` with an ``nn.Linear`` readout.

    Attributes
    ----------
    rnn : dict of str to ndarray
        By PyTorch's names: ``weight_ih_l0`` (hidden, features), ``weight_hh_l0`` (hidden, hidden),
        ``bias_ih_l0`` and ``bias_hh_l0`` (hidden,), and the same with ``_reverse``.
    readout_weight : ndarray, shape (out, directions * hidden)
    readout_bias : ndarray, shape (out,)
    """

    rnn: dict[str, FloatArray]
    readout_weight: FloatArray
    readout_bias: FloatArray

    @property
    def hidden_size(self) -> int:
        """Number of relu units of a direction."""
        return len(self.rnn["bias_ih_l0"])

    @property
    def input_size(self) -> int:
        """Number of features of a row."""
        return int(self.rnn["weight_ih_l0"].shape[1])

    @property
    def directions(self) -> int:
        """1, or 2 for a bidirectional network."""
        return len(self.rnn) // 4


class _Half(NamedTuple):
    """One direction of a linear network on rows [y, x, t]."""

    recurrence: FloatArray
    reads: FloatArray
    bias: FloatArray
    readout: FloatArray


def stacked(network: LinearNetwork | BidirectionalNetwork) -> StackedWeights:
    """Arrays of the PyTorch modules that compute a network.

    Parameters
    ----------
    network : LinearNetwork or BidirectionalNetwork

    Returns
    -------
    StackedWeights
    """
    if isinstance(network, LinearNetwork):
        head = (network.V, network.D, network.b_y_trend)
        halves, constant = [_forward(network, network.has_trend, *head)], network.b_y
    else:
        head = (network.V_forward, network.D, network.b_y_trend)
        halves = [_forward(network.forward, network.has_trend, *head), _backward(network)]
        constant = network.b_y
    width = max(len(half.bias) for half in halves)
    arrays: dict[str, FloatArray] = {}
    readouts = []
    for half, suffix in zip(halves, ("_l0", "_l0_reverse"), strict=False):
        wide = _padded(half, width)
        arrays[f"weight_ih{suffix}"] = np.vstack([wide.reads, -wide.reads])
        arrays[f"weight_hh{suffix}"] = np.block(
            [[wide.recurrence, -wide.recurrence], [-wide.recurrence, wide.recurrence]]
        )
        arrays[f"bias_ih{suffix}"] = np.concatenate([wide.bias, -wide.bias])
        arrays[f"bias_hh{suffix}"] = np.zeros(2 * width)
        readouts.append(np.hstack([wide.readout, -wide.readout]))
    return StackedWeights(arrays, np.hstack(readouts), np.array(constant))


def _forward(
    network: LinearNetwork, trend: bool, V: FloatArray, D: FloatArray, slope: FloatArray
) -> _Half:
    """Forward half: hidden units, then units that hold y_t, then those that hold x_t and t."""
    size, p, k = network.k_hidden, network.k_endog, network.k_exog
    held_x, held_t = (k if D.any() else 0), (1 if slope.any() else 0)
    total = size + p + held_x + held_t
    recurrence, reads = np.zeros((total, total)), np.zeros((total, p + k + trend))
    recurrence[:size, :size], recurrence[:size, size : size + p] = network.W_h, network.W_y
    reads[:size, p : p + k] = network.W_x
    reads[size : size + p, :p] = np.eye(p)
    reads[size + p : size + p + held_x, p : p + k] = np.eye(held_x, k)
    if trend:
        reads[:size, -1] = network.b_h_trend
    if held_t:
        reads[-1, -1] = 1.0
    bias = np.concatenate([network.b_h, np.zeros(total - size)])
    parts = [V, np.zeros((len(V), p)), D[:, :held_x], slope[:, None][:, :held_t]]
    return _Half(recurrence, reads, bias, np.hstack(parts))


def _backward(network: BidirectionalNetwork) -> _Half:
    parts = [network.W_y, network.W_x]
    if network.has_trend:
        parts.append(network.b_h_trend[:, None])
    return _Half(network.W_h, np.hstack(parts), network.b_h, network.V_backward)


def _padded(half: _Half, width: int) -> _Half:
    """Add units that do nothing."""
    more = width - len(half.bias)
    return _Half(
        np.pad(half.recurrence, ((0, more), (0, more))),
        np.pad(half.reads, ((0, more), (0, 0))),
        np.pad(half.bias, (0, more)),
        np.pad(half.readout, ((0, 0), (0, more))),
    )


def recur(
    arrays: Mapping[str, FloatArray], inputs: FloatArray, start: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Compute what ``nn.RNN(nonlinearity="relu", batch_first=True)`` does, by its documentation.

    ``h_t = relu(x_t W_ih' + b_ih + h_{t-1} W_hh' + b_hh)``; the second direction runs from the last
    row to the first; their outputs stand side by side.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        By PyTorch's names.
    inputs : ndarray, shape (rows, features)
    start : ndarray, shape (directions, hidden)

    Returns
    -------
    output : ndarray, shape (rows, directions * hidden)
    last : ndarray, shape (directions, hidden)
    """
    outputs, ends = [], []
    for hidden, suffix in zip(start, ("_l0", "_l0_reverse"), strict=False):
        drive = inputs @ arrays[f"weight_ih{suffix}"].T + arrays[f"bias_ih{suffix}"]
        path = np.empty((len(inputs), len(hidden)))
        order = range(len(inputs)) if suffix == "_l0" else reversed(range(len(inputs)))
        state = hidden
        for t in order:
            recurrent = arrays[f"weight_hh{suffix}"] @ state + arrays[f"bias_hh{suffix}"]
            state = np.maximum(drive[t] + recurrent, 0.0)
            path[t] = state
        outputs.append(path)
        ends.append(state)
    return np.hstack(outputs), np.array(ends)


@dataclass(frozen=True, eq=False, repr=False)
class TorchNetwork:
    """A linear network as PyTorch modules, with what is needed to feed them.

    ``readout(rnn(inputs, h0)[0])`` are the forecasts, or the smoothed states.

    Attributes
    ----------
    rnn : torch.nn.RNN
        Stock, one layer, relu, ``batch_first=True``, double precision; bidirectional for a
        smoother.
    readout : torch.nn.Linear
        Stock.
    network : LinearNetwork or BidirectionalNetwork
        The network that the modules compute.

    Examples
    --------
    >>> net = results.to_rnn().to_torch()                      # doctest: +SKIP
    >>> inputs, h0 = net.inputs(y, x), net.start(y, x)         # doctest: +SKIP
    >>> forecasts = net.readout(net.rnn(inputs, h0)[0])        # doctest: +SKIP
    """

    rnn: Any
    readout: Any
    network: LinearNetwork | BidirectionalNetwork

    def __repr__(self) -> str:
        """Show the modules."""
        return f"<TorchNetwork: {self.rnn}, {self.readout}>"

    def inputs(
        self,
        y: ArrayLike,
        x: ArrayLike | None = None,
        *,
        state: ArrayLike | None = None,
        first_row: int = 1,
    ) -> Any:
        """Rows ``[y_t, x_t]``, and t where there is a trend.

        Parameters
        ----------
        y : array_like, shape (nobs, k_endog) or (nobs,)
            Missing outputs are replaced by their forecasts.
        x : array_like, shape (nobs, k_exog), optional
        state : array_like, shape (k_states,), optional
            As for `LinearNetwork.run`; matters for those forecasts only.
        first_row : int
            Number t of the first row.

        Returns
        -------
        torch.Tensor, shape (nobs, features), double

        Raises
        ------
        DataError
            As for `LinearNetwork.run`.
        """
        return _tensor(features(self.network, y, x, state=state, first_row=first_row))

    def start(
        self,
        y: ArrayLike,
        x: ArrayLike | None = None,
        *,
        state: ArrayLike | None = None,
        first_row: int = 1,
    ) -> Any:
        """Hidden state with which the modules give the network's own numbers.

        Parameters
        ----------
        y, x, state, first_row
            As for `LinearNetwork.run`.

        Returns
        -------
        torch.Tensor, shape (directions, hidden), double
            Start of the forward half before the first row; of the backward half after the last.
        """
        return _tensor(begin(self.network, y, x, state=state, first_row=first_row))

    def run(
        self,
        y: ArrayLike,
        x: ArrayLike | None = None,
        *,
        state: ArrayLike | None = None,
        first_row: int = 1,
    ) -> FloatArray:
        """Run the modules on arrays.

        Parameters
        ----------
        y, x, state, first_row
            As for `LinearNetwork.run`.

        Returns
        -------
        ndarray, shape (nobs, k_endog) or (nobs, k_states)
            One-step-ahead forecasts, or smoothed states.

        Raises
        ------
        DataError, SpecificationError
            As for `LinearNetwork.run`.
        """
        torch = _torch()
        with torch.no_grad():
            h0 = self.start(y, x, state=state, first_row=first_row)
            rows = self.inputs(y, x, state=state, first_row=first_row)
            hidden, _ = self.rnn(rows, h0)
            out: FloatArray = self.readout(hidden).numpy()
        return out


def features(
    network: LinearNetwork | BidirectionalNetwork,
    y: ArrayLike,
    x: ArrayLike | None = None,
    *,
    state: ArrayLike | None = None,
    first_row: int = 1,
) -> FloatArray:
    """Rows that the relu network reads: ``[y_t, x_t]``, and t where there is a trend.

    Parameters
    ----------
    network : LinearNetwork or BidirectionalNetwork
    y, x, state, first_row
        As for `LinearNetwork.run`.

    Returns
    -------
    ndarray, shape (nobs, features)
    """
    forward = network if isinstance(network, LinearNetwork) else network.forward
    inputs, rows = checked_data(y, x, forward, "TorchNetwork.inputs")[1:]
    row = check_int(first_row, name="first_row", caller="TorchNetwork.inputs")
    columns = [forward.filled(y, x, state=state, first_row=row), inputs]
    if network.has_trend:
        columns.append(np.arange(row, row + rows, dtype=np.float64)[:, None])
    return np.hstack(columns)


def begin(
    network: LinearNetwork | BidirectionalNetwork,
    y: ArrayLike,
    x: ArrayLike | None = None,
    *,
    state: ArrayLike | None = None,
    first_row: int = 1,
) -> FloatArray:
    """Hidden states from which the relu network starts.

    Parameters
    ----------
    network : LinearNetwork or BidirectionalNetwork
    y, x, state, first_row
        As for `LinearNetwork.run`.

    Returns
    -------
    ndarray, shape (directions, hidden)

    Raises
    ------
    SpecificationError
        No hidden state leads to the state of the first row.
    """
    forward = network if isinstance(network, LinearNetwork) else network.forward
    outputs, inputs, rows = checked_data(y, x, forward, "TorchNetwork.start")
    row = check_int(first_row, name="first_row", caller="TorchNetwork.start")
    size = forward.k_hidden
    if state is None and forward.first_step == "step":
        own = forward.V @ forward.h0 + forward.b_y + forward.b_y_trend * (row - 1)
        units = np.concatenate([forward.h0, own])
    else:
        first = forward.run(outputs[:1], inputs[:1], state=state, first_row=row).state[0]
        target = first - forward.W_x @ inputs[0] - forward.b_h - forward.b_h_trend * row
        both = np.hstack([forward.W_h, forward.W_y])
        units = np.linalg.lstsq(both, target, rcond=1e-12)[0]
        if np.abs(both @ units - target).max() > 1e-9 * max(1.0, np.abs(target).max()):
            raise SpecificationError(
                "TorchNetwork.start: some hidden state must lead to the state of the first row; "
                "got one that no step leads to. Run the network itself, or give an earlier row."
            )
    weights = stacked(network)
    half = weights.hidden_size // 2
    starts = [np.pad(units, (0, half - size - forward.k_endog))]
    if not isinstance(network, LinearNetwork):
        filled = forward.filled(y, x, state=state, first_row=row)
        last = forward.run(y, x, state=state, first_row=row).state[-1]
        end = network.end(last, filled[-1], row + rows)
        starts.append(np.pad(end, (0, half - len(end))))
    signed = np.array(starts)
    out: FloatArray = np.maximum(np.hstack([signed, -signed]), 0.0)
    return out


def linear_to_torch(network: LinearNetwork) -> TorchNetwork:
    """Make PyTorch modules that compute one-step-ahead forecasts.

    Parameters
    ----------
    network : LinearNetwork

    Returns
    -------
    TorchNetwork

    Raises
    ------
    MissingDependencyError
        PyTorch is not installed.
    """
    return _modules(network)


def bidirectional_to_torch(network: BidirectionalNetwork) -> TorchNetwork:
    """Make PyTorch modules that compute smoothed states.

    Parameters
    ----------
    network : BidirectionalNetwork

    Returns
    -------
    TorchNetwork

    Raises
    ------
    MissingDependencyError
        PyTorch is not installed.
    """
    return _modules(network)


def _modules(network: LinearNetwork | BidirectionalNetwork) -> TorchNetwork:
    torch = _torch()
    weights = stacked(network)
    rnn = torch.nn.RNN(
        weights.input_size,
        weights.hidden_size,
        nonlinearity="relu",
        batch_first=True,
        bidirectional=weights.directions == 2,
        dtype=torch.float64,
    )
    out, hidden = weights.readout_weight.shape
    readout = torch.nn.Linear(hidden, out, dtype=torch.float64)
    rnn.load_state_dict({name: _tensor(array) for name, array in weights.rnn.items()})
    readout.load_state_dict(
        {"weight": _tensor(weights.readout_weight), "bias": _tensor(weights.readout_bias)}
    )
    return TorchNetwork(rnn, readout, network)


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(
            "to_torch: PyTorch modules need torch; got an installation without it. "
            "Install it with: pip install 'rnnstats[torch]'."
        ) from error
    return torch


def _tensor(array: FloatArray) -> Any:
    return _torch().from_numpy(np.array(array, dtype=np.float64, order="C"))
