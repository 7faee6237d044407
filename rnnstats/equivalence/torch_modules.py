"""PyTorch modules that compute recurrent networks: their arrays, and the modules themselves.

The module's class is made when it is first asked for: PyTorch is not needed before.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.equivalence.torch_cells import ENDINGS, Network, TorchCells
from rnnstats.errors import DataError, MissingDependencyError, SpecificationError
from rnnstats.kernels.architecture import Cell
from rnnstats.kernels.two_sided import TwoSided

__all__ = ["build", "input_rows", "written"]

FloatArray = NDArray[np.float64]


def written(
    arch: Network,
    weights: FloatArray,
    initial: FloatArray | None = None,
    *,
    shared: bool = False,
    caller: str = "written",
) -> TorchCells:
    """Arrays of the module that computes a network.

    Parameters
    ----------
    arch : Architecture or TwoSided
    weights : ndarray, shape (size,)
    initial : ndarray, shape (k_state,), optional
        State before the first row (of a backward stack: beyond the last).
    shared : bool
        Whether both directions of a two-sided network read the same inputs, which the module then
        has once; else those of the forward direction come before those of the backward one.
    caller : str
        For error messages.

    Returns
    -------
    TorchCells
        Layers with fewer units than the largest have units more, which stay at zero.

    Raises
    ------
    SpecificationError
        A network that PyTorch's modules cannot express.
    """
    cell = _expressible(arch, caller)
    two = isinstance(arch, TwoSided)
    parts = arch.unpack(weights)
    width = max(arch.units)
    rnn: dict[str, FloatArray] = {}
    for index, layer in enumerate(arch.layers):
        suffix = f"_l{0 if two else index}{ENDINGS[index] if two else ''}"
        matrix, extra = parts.layers[index]
        gates = len(layer.cell.gates)
        cube = matrix.reshape(gates, layer.units, -1)
        own, reads, constant = np.split(cube, [layer.units, layer.units + layer.k_in], axis=2)
        if not (two and shared):
            reads = _spread(reads, arch, index, width)
        inner = np.zeros((gates, layer.units))
        if cell.kind == "gru":
            inner[2] = extra
        rnn[f"weight_ih{suffix}"] = _tall(reads, width).reshape(gates * width, -1)
        rnn[f"weight_hh{suffix}"] = _wide(_tall(own, width), width).reshape(gates * width, width)
        rnn[f"bias_ih{suffix}"] = _tall(constant, width).ravel()
        rnn[f"bias_hh{suffix}"] = _tall(inner[:, :, None], width).ravel()
    readout = parts.readout
    if not two:
        readout = _wide(readout, width)
    elif len(set(arch.units)) > 1:
        halves = np.split(readout, [arch.units[0]], axis=1)
        readout = np.hstack([_wide(half, width) for half in halves])
    activation: Literal["tanh", "relu"] = "relu" if cell.activation == "relu" else "tanh"
    return TorchCells(
        cell.kind,
        activation,
        rnn,
        np.array(readout),
        np.array(parts.constant),
        None if parts.skip is None else np.array(parts.skip),
        {} if initial is None or not np.any(initial) else _start(arch, initial, width),
    )


def _expressible(arch: Network, caller: str) -> Cell:
    """The cell of all layers, if PyTorch has it."""
    cells = set(arch.cells)
    cell = arch.cells[0]
    got = ""
    way = "Fit one that PyTorch has, or use the results' own predictions."
    if len(cells) > 1:
        got = "different cells in the layers"
    elif not isinstance(cell, Cell):
        got, way = (
            f"the cell {cell.name!r}, a function of one's own",
            "Write its nn.Module by hand.",
        )
    elif cell.peephole:
        got, way = "a LSTM with peepholes", "Fit it with peephole=False."
    elif cell.reset == "before" and cell.kind == "gru":
        got, way = "a GRU that resets before the product", "Fit it with reset='after'."
    elif cell.kind == "elman" and cell.activation == "identity":
        got = "activation='identity'"
        way = "Fit LinearRNN, whose to_rnn().to_torch() makes pairs of relu units."
    elif cell.kind == "elman" and cell.activation not in ("tanh", "relu"):
        got, way = f"activation={cell.activation!r}", "Fit it with activation='tanh' or 'relu'."
    if got or not isinstance(cell, Cell):
        raise SpecificationError(
            f"{caller}: the cells must be those of nn.RNN (tanh, relu), nn.GRU or nn.LSTM; got "
            f"{got}. {way}"
        )
    if isinstance(arch, TwoSided) and len(arch.layers) > 2:
        raise SpecificationError(
            f"{caller}: a bidirectional network must have one layer a direction, since PyTorch's "
            f"upper layers read both directions; got {len(arch.layers) // 2}. Fit it with "
            "n_layers=1."
        )
    return cell


def _spread(reads: FloatArray, arch: Network, index: int, width: int) -> FloatArray:
    """Columns of all inputs (first layers), or of the padded layer below."""
    columns = arch.reads(index)
    if columns is None:
        return _wide(reads, width)
    out = np.zeros((*reads.shape[:2], arch.k_in))
    out[:, :, columns] = reads
    return out


def _tall(cube: FloatArray, width: int) -> FloatArray:
    """Units added, (gates, width, columns)."""
    return np.pad(cube, ((0, 0), (0, width - cube.shape[1]), (0, 0)))


def _wide(array: FloatArray, width: int) -> FloatArray:
    """Columns added."""
    return np.pad(array, ((0, 0),) * (array.ndim - 1) + ((0, width - array.shape[-1]),))


def _start(arch: Network, initial: FloatArray, width: int) -> dict[str, FloatArray]:
    blocks = len(arch.cells[0].blocks)
    rows = [initial[layer.state].reshape(blocks, -1) for layer in arch.layers]
    stacked = np.array([_wide(row, width) for row in rows])
    return {f"{'hc'[i]}_0": stacked[:, i] for i in range(blocks)}


def input_rows(
    y: ArrayLike | None,
    x: ArrayLike | None = None,
    *,
    lags: int = 1,
    before: FloatArray | None = None,
) -> FloatArray:
    """Rows that a network reads: ``[y_{t-1}, ..., y_{t-L}, x_t]``.

    Parameters
    ----------
    y : array_like, shape (n,) or (n, k), or None
        One sequence; of a categorical output the indicators of all categories but the last. None
        where `lags` is 0.
    x : array_like, shape (n,) or (n, k_exog), optional
    lags : int
        L.
    before : ndarray, shape (L, k), optional
        Outputs before the first row, latest first.

    Returns
    -------
    ndarray, shape (n - L, L * k + k_exog)
        Rows L + 1 to n; with `before` rows 1 to n, shape (n, ...).

    Raises
    ------
    DataError
        Missing values, no more than L rows, or `x` of another length.
    """
    series, inputs = (_columns(z) for z in (y, x))
    lengths = {len(z) for z in (series, inputs) if z is not None}
    first = 0 if before is not None else lags
    if len(lengths) != 1 or (lags and series is None) or max(lengths) <= first:
        raise DataError(
            f"input_rows: y and x must have the same number of rows, more than lags={lags}; got "
            f"{sorted(lengths) or 'none'}. Give the rows of one sequence."
        )
    n = lengths.pop()
    found = []
    if lags and series is not None:
        whole = series if before is None else np.vstack([before[::-1], series])
        end = len(whole)
        found = [whole[lags - lag : end - lag] for lag in range(1, lags + 1)]
    if inputs is not None:
        found.append(inputs[first:n])
    rows = np.hstack(found)
    gone = np.isnan(rows).any(axis=1)
    if gone.any():
        raise DataError(
            f"input_rows: a module reads no missing values; got one among the inputs of row "
            f"{int(gone.argmax()) + first}. Use the results' own predictions, which replace a "
            "missing lag by its prediction, or fill it first."
        )
    return rows


def _columns(values: ArrayLike | None) -> FloatArray | None:
    if values is None:
        return None
    array = np.asarray(values, dtype=np.float64)
    return array[:, None] if array.ndim == 1 else array


def build(cells: TorchCells, *, lags: int = 1, before: FloatArray | None = None) -> Any:
    """Make a module of arrays.

    Parameters
    ----------
    cells : TorchCells
    lags : int
        Lagged rows of the outputs among its inputs, for its method ``inputs``.
    before : ndarray, shape (lags, k), optional
        What its method ``inputs`` takes for the outputs before the first row, latest first. Then it
        makes all rows, else those from row L + 1 on.

    Returns
    -------
    torch.nn.Module
        Double precision, with ``rnn`` (``nn.RNN``, ``nn.GRU`` or ``nn.LSTM``, batch first),
        ``linear``, and where the network has them ``skip`` (an ``nn.Linear`` without constant) and
        the start ``h_0``, ``c_0``. ``module(inputs, state=None)`` takes rows (n, k) or batches
        (b, n, k) and gives the linear predictors; ``module.inputs(y, x=None)`` makes rows of
        series, see `input_rows`.

    Raises
    ------
    MissingDependencyError
        PyTorch is not installed.
    """
    module = _module_class()(cells, lags, before)
    module.load_state_dict({name: _tensor(a) for name, a in cells.state_dict.items()})
    return module.eval()


@cache
def _module_class() -> Any:
    """The module's class; PyTorch loads when it is first asked for."""
    torch = _torch()
    nn = torch.nn

    class Recurrent(nn.Module):  # type: ignore[misc,name-defined]
        """A recurrent network with a linear readout."""

        def __init__(self, cells: TorchCells, lags: int, before: FloatArray | None) -> None:
            super().__init__()
            sizes = {
                "num_layers": cells.n_layers,
                "bidirectional": cells.directions == 2,
                "batch_first": True,
                "dtype": torch.float64,
            }
            kinds = {"elman": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
            if cells.kind == "elman":
                sizes["nonlinearity"] = cells.activation
            self.rnn = kinds[cells.kind](cells.input_size, cells.hidden_size, **sizes)
            out, seen = cells.readout_weight.shape
            self.linear = nn.Linear(seen, out, dtype=torch.float64)
            self.skip = None
            if cells.skip_weight is not None:
                self.skip = nn.Linear(cells.input_size, out, bias=False, dtype=torch.float64)
            self.lags, self.before = lags, before
            self.starts = tuple(cells.start)
            for name, array in cells.start.items():
                setattr(self, name, nn.Parameter(_tensor(array)))

        def inputs(self, y: Any = None, x: Any = None) -> Any:
            """Rows ``[y_{t-1}, ..., y_{t-L}, x_t]`` of one sequence, see `build`."""
            return _tensor(input_rows(y, x, lags=self.lags, before=self.before))

        def forward(self, inputs: Any, state: Any = None) -> Any:
            if state is None and self.starts:
                state = tuple(self._start(name, inputs) for name in self.starts)
                state = state[0] if len(state) == 1 else state
            hidden = self.rnn(inputs, state)[0]
            eta = self.linear(hidden)
            return eta if self.skip is None else eta + self.skip(inputs)

        def _start(self, name: str, inputs: Any) -> Any:
            value = getattr(self, name)
            if inputs.dim() == 2:
                return value
            return value[:, None, :].expand(-1, len(inputs), -1).contiguous()

    return Recurrent


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
