"""Finding the recurrent part and the readout among the arrays of a PyTorch module.

Modules are known by what they have (``state_dict``, ``modules``, ``mode``), so that nothing here
imports PyTorch.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import SpecificationError
from rnnstats.kernels.architecture import Kind

__all__ = ["Found", "find"]

FloatArray = NDArray[np.float64]
_RECURRENT = re.compile(r"^(.*?)((?:weight|bias)_(?:ih|hh|hr)_l\d+(?:_reverse)?)$")
_MODES: Mapping[str, tuple[Kind, Literal["tanh", "relu"] | None]] = {
    "RNN_TANH": ("elman", "tanh"),
    "RNN_RELU": ("elman", "relu"),
    "GRU": ("gru", None),
    "LSTM": ("lstm", None),
}
# Layers that do nothing when a trained module is used.
_IDLE = ("Dropout", "Identity")
WAY = "Give (recurrent, linear), the two parts by themselves."


@dataclass(frozen=True, eq=False)
class Found:
    """Arrays of a module, sorted.

    Attributes
    ----------
    kind : {"elman", "gru", "lstm"} or None
        None where only arrays were given.
    activation : {"tanh", "relu"} or None
    rnn : dict of str to ndarray
        By PyTorch's names without a prefix.
    weight : ndarray
        Of the readout.
    bias : ndarray or None
    skip : ndarray or None
    start : dict of str to ndarray
    words : tuple of str
        What does nothing in a trained module.
    """

    kind: Kind | None
    activation: Literal["tanh", "relu"] | None
    rnn: dict[str, FloatArray]
    weight: FloatArray
    bias: FloatArray | None
    skip: FloatArray | None
    start: dict[str, FloatArray]
    words: tuple[str, ...]


def find(source: Any, caller: str) -> Found:
    """Sort the arrays of a module.

    Parameters
    ----------
    source : torch.nn.Module, mapping, or tuple of two
    caller : str

    Returns
    -------
    Found

    Raises
    ------
    SpecificationError
        What is no recurrent module with a linear readout.
    """
    parts = _parts(source, caller)
    kind, activation, words = _told([module for _, module in parts], caller)
    arrays: dict[str, FloatArray] = {}
    for prefix, part in parts:
        for name, value in _state(part, caller).items():
            arrays[f"{prefix}{name}"] = _array(value, str(name), caller)
    rnn = _recurrent(arrays, caller)
    rest = {name: array for name, array in arrays.items() if not _RECURRENT.match(name)}
    skip = rest.pop("skip.weight", None)
    start: dict[str, FloatArray] = {n: rest.pop(n) for n in ("h_0", "c_0") if n in rest}
    weight, bias = _linear(rest, caller)
    return Found(kind, activation, rnn, weight, bias, skip, start, words)


def _parts(source: Any, caller: str) -> list[tuple[str, Any]]:
    """The source by its one or two parts, with what their names begin with."""
    if isinstance(source, (tuple, list)):
        if len(source) != 2:
            raise SpecificationError(
                f"{caller}: a tuple must be (recurrent, linear); got {len(source)} parts. Give one "
                "nn.RNN, nn.GRU or nn.LSTM (num_layers for several layers) and one nn.Linear."
            )
        return [("rnn.", source[0]), ("linear.", source[1])]
    return [("", source)]


def _state(part: Any, caller: str) -> Mapping[str, Any]:
    if isinstance(part, Mapping):
        return part
    if callable(getattr(part, "state_dict", None)):
        state: Mapping[str, Any] = part.state_dict()
        return state
    raise SpecificationError(
        f"{caller}: module must be a torch.nn.Module, a state dict or (recurrent, linear); got "
        f"{type(part).__name__}. Give the trained module."
    )


def _array(value: Any, name: str, caller: str) -> FloatArray:
    tensor = value.detach().cpu().double().numpy() if hasattr(value, "detach") else value
    array = np.array(tensor)
    if array.dtype.kind not in "fiu":
        raise SpecificationError(
            f"{caller}: {name} must be an array of numbers; got {array.dtype}. Give state_dict()."
        )
    return array.astype(np.float64)


def _told(
    modules: Iterable[Any], caller: str
) -> tuple[Kind | None, Literal["tanh", "relu"] | None, tuple[str, ...]]:
    """What modules tell beside their arrays."""
    kind: Kind | None = None
    activation: Literal["tanh", "relu"] | None = None
    words: list[str] = []
    for module in modules:
        if not callable(getattr(module, "modules", None)):
            continue
        for part in module.modules():
            mode, name = getattr(part, "mode", None), type(part).__name__
            if isinstance(mode, str) and mode in _MODES:
                kind, activation = _MODES[mode]
                if getattr(part, "proj_size", 0):
                    raise SpecificationError(
                        f"{caller}: the cells must be without projections; got proj_size="
                        f"{part.proj_size}. Train with proj_size=0."
                    )
                rate = float(getattr(part, "dropout", 0.0))
                if rate:
                    words.append(f"dropout={rate:g} between the layers")
            elif name.startswith(_IDLE):
                words.append(name if name == "Identity" else f"{name}(p={part.p:g})")
            elif not any(True for _ in part.children()) and name not in ("Linear", "RNNCell"):
                raise SpecificationError(
                    f"{caller}: a module must have a recurrent part and an nn.Linear alone; got a "
                    f"{name}. Links of the outputs belong to head=. {WAY}"
                )
    return kind, activation, tuple(words)


def _recurrent(arrays: Mapping[str, FloatArray], caller: str) -> dict[str, FloatArray]:
    """Arrays of the one recurrent part, prefix taken off."""
    matches = [(match, array) for n, array in arrays.items() if (match := _RECURRENT.match(n))]
    prefixes = sorted({match.group(1) for match, _ in matches})
    if len(prefixes) != 1:
        got = "none" if not prefixes else ", ".join(p.rstrip("./") or "one" for p in prefixes)
        raise SpecificationError(
            f"{caller}: there must be one nn.RNN, nn.GRU or nn.LSTM; got {got}. Use num_layers= "
            "for several layers; cells (nn.GRUCell and the like) can be copied into these."
        )
    rnn = {match.group(2): array for match, array in matches}
    projected = [name for name in rnn if name.startswith("weight_hr")]
    if projected:
        raise SpecificationError(
            f"{caller}: the cells must be without projections; got {projected[0]}. Train with "
            "proj_size=0."
        )
    bad = [n for n, array in rnn.items() if array.ndim != (2 if n.startswith("weight") else 1)]
    if bad or "weight_hh_l0" not in rnn:
        raise SpecificationError(
            f"{caller}: weights must be matrices, constants vectors, from layer 0 on; got "
            f"{', '.join(bad) or 'no weight_hh_l0'}. Give state_dict() as it is."
        )
    return rnn


def _linear(rest: Mapping[str, FloatArray], caller: str) -> tuple[FloatArray, FloatArray | None]:
    """The one linear part among what is left."""
    stems = [name[: -len("weight")] for name in rest if name.endswith("weight")]
    stems = [stem for stem in stems if rest[f"{stem}weight"].ndim == 2]
    used = {f"{stem}{part}" for stem in stems for part in ("weight", "bias")}
    others = [name for name in rest if name not in used]
    if len(stems) != 1 or others:
        parts = [stem.rstrip("./_") or "one" for stem in stems]
        got = f"{len(stems)} ({', '.join(parts)})" if len(stems) != 1 else ", ".join(others)
        raise SpecificationError(
            f"{caller}: there must be one nn.Linear beside the recurrent part, and no further "
            f"parameters; got {got}. {WAY}"
        )
    return rest[f"{stems[0]}weight"], rest.get(f"{stems[0]}bias")
