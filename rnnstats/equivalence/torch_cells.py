"""Recurrent networks with gates as PyTorch modules, both ways: weights as arrays, order of gates.

``nn.RNN`` (tanh, relu), ``nn.GRU`` and ``nn.LSTM`` with an ``nn.Linear`` readout hold the numbers
of Elman networks, GRUs (reset after) and LSTMs (without peepholes): PyTorch's rows are reset,
update, candidate and input, forget, cell, output, as here. Its two constants of a gate add up to
the one here, but for the candidate of a GRU, whose ``bias_hh`` stands inside the reset.

`read` needs no PyTorch but the module that it reads; `rnnstats.equivalence.torch_modules` makes
modules. In between, arrays.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.equivalence._torch_reading import Found, find
from rnnstats.errors import SpecificationError
from rnnstats.kernels.architecture import Architecture, Cell, Kind
from rnnstats.kernels.two_sided import TwoSided

__all__ = [
    "TorchCells",
    "architecture_of",
    "flat_weights",
    "read",
    "reorder",
    "state_of",
]

FloatArray = NDArray[np.float64]
Network: TypeAlias = Architecture | TwoSided
_GATES: Mapping[str, int] = {"elman": 1, "gru": 3, "lstm": 4}
ENDINGS = ("", "_reverse")


@dataclass(frozen=True, eq=False, repr=False)
class TorchCells:
    """Arrays of an ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` with a linear readout.

    Attributes
    ----------
    kind : {"elman", "gru", "lstm"}
    activation : {"tanh", "relu"}
        Of an ``nn.RNN``.
    rnn : dict of str to ndarray
        By PyTorch's names: ``weight_ih_l0`` (gates * hidden, inputs), ``weight_hh_l0``
        (gates * hidden, hidden), ``bias_ih_l0`` and ``bias_hh_l0`` (gates * hidden,), the same of
        further layers, and with ``_reverse`` of a second direction. Constants are always there.
    readout_weight : ndarray, shape (out, directions * hidden)
    readout_bias : ndarray, shape (out,)
    skip_weight : ndarray, shape (out, inputs), or None
        Of a linear map from the inputs to the outputs beside the network.
    start : dict of str to ndarray
        ``h_0`` (layers * directions, hidden) and, of a LSTM, ``c_0``; empty for zero.
    words : tuple of str
        What was left out on purpose.
    """

    kind: Kind
    activation: Literal["tanh", "relu"]
    rnn: dict[str, FloatArray]
    readout_weight: FloatArray
    readout_bias: FloatArray
    skip_weight: FloatArray | None
    start: dict[str, FloatArray]
    words: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Show kind and sizes."""
        return (
            f"<TorchCells: {self.kind}, {self.input_size} inputs, {self.n_layers} x "
            f"{self.hidden_size} hidden, {len(self.readout_bias)} outputs>"
        )

    @property
    def hidden_size(self) -> int:
        """Units of a layer."""
        return int(self.rnn["weight_hh_l0"].shape[1])

    @property
    def input_size(self) -> int:
        """Inputs of a row."""
        return int(self.rnn["weight_ih_l0"].shape[1])

    @property
    def directions(self) -> int:
        """1, or 2 for a bidirectional module."""
        return 1 + ("weight_ih_l0_reverse" in self.rnn)

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.rnn) // (4 * self.directions)

    @property
    def state_dict(self) -> dict[str, FloatArray]:
        """All arrays by the names of a module with ``rnn`` and ``linear``."""
        arrays = {f"rnn.{name}": array for name, array in self.rnn.items()}
        arrays |= {"linear.weight": self.readout_weight, "linear.bias": self.readout_bias}
        if self.skip_weight is not None:
            arrays["skip.weight"] = self.skip_weight
        return arrays | self.start


# --- from PyTorch -------------------------------------------------------------------------------


def read(
    source: Any,
    *,
    activation: Literal["tanh", "relu"] | None = None,
    caller: str = "read",
) -> TorchCells:
    """Read the arrays of a trained module.

    Parameters
    ----------
    source : torch.nn.Module, mapping of str to array, or tuple
        A module that has one ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` and one ``nn.Linear`` (as
        attributes, or an ``nn.Sequential``) and computes ``linear(rnn(inputs)[0])``; its
        ``state_dict()``, also as NumPy arrays; or ``(recurrent, linear)``, each a module or state
        dict. A second map from the inputs to the outputs may be called ``skip``, and a start
        ``h_0``, ``c_0``.
    activation : {"tanh", "relu"}, optional
        Of an ``nn.RNN``, which a state dict does not tell; tanh by default.
    caller : str
        For error messages.

    Returns
    -------
    TorchCells
        In double precision.

    Raises
    ------
    SpecificationError
        What is not such a network: several recurrent or linear parts, projections, other layers,
        arrays whose shapes disagree.
    """
    found = find(source, caller)
    kind = _kind(found, caller)
    told = found.activation
    if activation is not None and told is not None and activation != told:
        raise SpecificationError(
            f"{caller}: activation must be that of the module; got {activation!r} and {told!r}. "
            "Leave it out."
        )
    used = told or activation or "tanh"
    rnn = _complete(found.rnn, _GATES[kind], caller)
    cells = TorchCells(
        kind,
        used,
        rnn,
        found.weight,
        np.zeros(len(found.weight)) if found.bias is None else found.bias,
        found.skip,
        _starts(found.start, kind),
        found.words,
    )
    _check_shapes(cells, caller)
    return cells


def _starts(given: Mapping[str, FloatArray], kind: Kind) -> dict[str, FloatArray]:
    """Start of all blocks of the state, without PyTorch's axis of the batch."""
    flat = {n: a[:, 0] if a.ndim == 3 and a.shape[1] == 1 else a for n, a in given.items()}
    if not flat:
        return {}
    like = next(iter(flat.values()))
    names = ("h_0", "c_0") if kind == "lstm" else ("h_0",)
    return {name: flat.get(name, np.zeros_like(like)) for name in names}


def _kind(found: Found, caller: str) -> Kind:
    """Kind of cell, told by the module or by the number of rows."""
    if found.kind is not None:
        return found.kind
    rows, units = found.rnn["weight_hh_l0"].shape
    for kind, gates in _GATES.items():
        if rows == gates * units:
            return kind  # type: ignore[return-value]
    raise SpecificationError(
        f"{caller}: weight_hh_l0 must have 1, 3 or 4 times as many rows as columns (nn.RNN, GRU, "
        f"LSTM); got shape ({rows}, {units}). Projections (proj_size) have no counterpart here."
    )


def _complete(given: Mapping[str, FloatArray], gates: int, caller: str) -> dict[str, FloatArray]:
    """Arrays of all layers in PyTorch's order, constants of zero where there are none."""
    directions = 1 + any(name.endswith("_reverse") for name in given)
    layers = 1 + max(int(name.split("_l")[1].split("_")[0]) for name in given)
    units = given["weight_hh_l0"].shape[1]
    out: dict[str, FloatArray] = {}
    for layer in range(layers):
        for ending in ENDINGS[:directions]:
            for part in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
                name = f"{part}_l{layer}{ending}"
                if name not in given and part.startswith("weight"):
                    raise SpecificationError(
                        f"{caller}: the recurrent part must have all its arrays; got no {name}. "
                        "Give the whole state_dict()."
                    )
                out[name] = given.get(name, np.zeros(gates * units))
    return out


def _check_shapes(cells: TorchCells, caller: str) -> None:
    units, rows = cells.hidden_size, _GATES[cells.kind] * cells.hidden_size
    expected: dict[str, tuple[int, ...]] = {}
    for name in cells.rnn:
        first = "_l0" in name
        below = cells.input_size if first else cells.directions * units
        wide = below if name.startswith("weight_ih") else units
        expected[name] = (rows,) if name.startswith("bias") else (rows, wide)
    shapes = {name: array.shape for name, array in cells.rnn.items()}
    out = len(cells.readout_weight)
    expected |= {"readout weight": (out, cells.directions * units), "readout bias": (out,)}
    shapes |= {
        "readout weight": cells.readout_weight.shape,
        "readout bias": cells.readout_bias.shape,
    }
    if cells.skip_weight is not None:
        expected["skip weight"] = (out, cells.input_size)
        shapes["skip weight"] = cells.skip_weight.shape
    for name, array in cells.start.items():
        expected[name] = (cells.n_layers * cells.directions, units)
        shapes[name] = array.shape
    for name, shape in expected.items():
        if shapes[name] != shape:
            raise SpecificationError(
                f"{caller}: {name} must have shape {shape}, as the other arrays say; got "
                f"{shapes[name]}. Give (recurrent, linear) if the module has further parts."
            )
    arrays = (*cells.state_dict.items(),)
    bad = [name for name, array in arrays if not np.isfinite(array).all()]
    if bad:
        raise SpecificationError(
            f"{caller}: weights must be finite; got others in {', '.join(bad)}. Train again."
        )


def reorder(cells: TorchCells, order: Sequence[int] | ArrayLike) -> TorchCells:
    """Let a module read its inputs in another order.

    Parameters
    ----------
    cells : TorchCells
    order : sequence of int, length of the inputs
        ``order[j]`` is the column of the module's own inputs that becomes column j. The models
        here read ``[all outputs at lag 1, all at lag 2, ..., inputs]``.

    Returns
    -------
    TorchCells

    Raises
    ------
    SpecificationError
        `order` is no permutation.

    Examples
    --------
    A module that was trained on rows ``[x_t, y_{t-1}]``:

    >>> from rnnstats.equivalence import torch_cells
    >>> cells = torch_cells.read(module)                                # doctest: +SKIP
    >>> GRU.from_torch(torch_cells.reorder(cells, [1, 0]), y, x)        # doctest: +SKIP
    """
    places = np.asarray(order)
    k = cells.input_size
    if places.shape != (k,) or sorted(places.tolist()) != list(range(k)):
        raise SpecificationError(
            f"reorder: order must hold each of the columns 0 to {k - 1} once; got "
            f"{places.tolist()}. order[j] is the module's column that becomes column j."
        )
    rnn = {
        name: array[:, places] if name.startswith("weight_ih_l0") else array
        for name, array in cells.rnn.items()
    }
    skip = None if cells.skip_weight is None else cells.skip_weight[:, places]
    return replace(cells, rnn=rnn, skip_weight=skip)


# --- to the kernels' weights --------------------------------------------------------------------


def architecture_of(cells: TorchCells, *, k_forward: int | None = None) -> Network:
    """Cells and sizes of a module.

    Parameters
    ----------
    cells : TorchCells
    k_forward : int, optional
        Of a bidirectional module: how many inputs belong to the forward direction, the rest to the
        backward one. By default both read all of them.

    Returns
    -------
    Architecture or TwoSided

    Raises
    ------
    SpecificationError
        A bidirectional module of several layers: there the layers above read both directions.
    """
    cell = Cell(cells.kind, activation=cells.activation)
    units, k_eta = (cells.hidden_size,) * cells.n_layers, len(cells.readout_bias)
    skip = cells.skip_weight is not None
    if cells.directions == 1:
        return Architecture((cell,) * cells.n_layers, units, cells.input_size, k_eta, skip)
    if cells.n_layers > 1 or skip:
        raise SpecificationError(
            "TorchCells: a bidirectional module must have one layer and no skip connection, since "
            "here the two directions meet in the readout only; got "
            f"{cells.n_layers} layers. Train it with num_layers=1."
        )
    forward = cells.input_size if k_forward is None else k_forward
    back = cells.input_size if k_forward is None else cells.input_size - k_forward
    return TwoSided(
        Architecture((cell,), units, forward, k_eta), Architecture((cell,), units, back, k_eta)
    )


def flat_weights(cells: TorchCells, arch: Network | None = None) -> FloatArray:
    """Weights of a module in the order of `rnnstats.kernels.architecture`.

    Parameters
    ----------
    cells : TorchCells
    arch : Architecture or TwoSided, optional
        By default that of `architecture_of`.

    Returns
    -------
    ndarray, shape (size,)

    Raises
    ------
    SpecificationError
        Of a bidirectional module: a direction that reads inputs of the other one.
    """
    network = architecture_of(cells) if arch is None else arch
    flat = np.zeros(network.size)
    for index, layer in enumerate(network.layers):
        two = isinstance(network, TwoSided)
        ending = ENDINGS[index] if two else ""
        suffix = f"_l{0 if two else index}{ending}"
        u, gru = layer.units, cells.kind == "gru"
        reads, constant = cells.rnn[f"weight_ih{suffix}"], cells.rnn[f"bias_ih{suffix}"].copy()
        if two:
            reads = _own_columns(reads, network.reads(index), network.k_in)
        inner = cells.rnn[f"bias_hh{suffix}"]
        constant[: 2 * u if gru else None] += inner[: 2 * u if gru else None]
        own = cells.rnn[f"weight_hh{suffix}"]
        flat[layer.matrix] = np.hstack([own, reads, constant[:, None]]).ravel()
        if gru:
            flat[layer.extra] = inner[2 * u :]
    flat[network.readout] = cells.readout_weight.ravel()
    if cells.skip_weight is not None:
        flat[network.direct] = cells.skip_weight.ravel()
    flat[network.constant] = cells.readout_bias
    return flat


def _own_columns(reads: FloatArray, columns: slice | None, k_in: int) -> FloatArray:
    """Inputs of one direction; a module whose directions share their inputs has just these."""
    if reads.shape[1] != k_in or columns is None:
        return reads
    others = np.delete(reads, np.arange(k_in)[columns], axis=1)
    if others.any():
        raise SpecificationError(
            "TorchCells: each direction of a bidirectional module must read its own inputs only "
            "(forward: earlier outputs, backward: later ones); got weights on those of the other. "
            "Set them to zero and train again."
        )
    return reads[:, columns]


def state_of(cells: TorchCells) -> FloatArray:
    """Start of a module's state in the order of the kernels.

    Parameters
    ----------
    cells : TorchCells

    Returns
    -------
    ndarray, shape (k_state,)
        Zero where the module has no ``h_0``.
    """
    blocks = ("h_0", "c_0") if cells.kind == "lstm" else ("h_0",)
    rows = cells.n_layers * cells.directions
    none = np.zeros((rows, cells.hidden_size))
    parts = [cells.start.get(name, none) for name in blocks]
    return np.stack(parts, axis=1).ravel()
