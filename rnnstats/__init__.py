"""Recurrent models of time series, with statistical inference.

The public names are loaded when they are first used, so that ``import rnnstats`` costs next to
nothing.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rnnstats import datasets as datasets
    from rnnstats import diagnostics as diagnostics
    from rnnstats import equivalence as equivalence
    from rnnstats.models.bidirectional import BidirectionalRNN as BidirectionalRNN
    from rnnstats.models.linear import LinearRNN as LinearRNN
    from rnnstats.models.markov import MarkovRNN as MarkovRNN
    from rnnstats.models.nonlinear import GRU as GRU
    from rnnstats.models.nonlinear import LSTM as LSTM
    from rnnstats.models.nonlinear import ElmanRNN as ElmanRNN
    from rnnstats.results.varma.value import VARMA as VARMA
    from rnnstats.selection import select_order as select_order
    from rnnstats.selection import select_regimes as select_regimes

__version__ = "0.1.0"

__all__ = [
    "GRU",
    "LSTM",
    "VARMA",
    "BidirectionalRNN",
    "ElmanRNN",
    "LinearRNN",
    "MarkovRNN",
    "datasets",
    "diagnostics",
    "equivalence",
    "select_order",
    "select_regimes",
]

# public name -> the module that holds it; a name that ends a module's path is that module itself
_HOMES = {
    "BidirectionalRNN": "rnnstats.models.bidirectional",
    "ElmanRNN": "rnnstats.models.nonlinear",
    "GRU": "rnnstats.models.nonlinear",
    "LSTM": "rnnstats.models.nonlinear",
    "LinearRNN": "rnnstats.models.linear",
    "MarkovRNN": "rnnstats.models.markov",
    "VARMA": "rnnstats.results.varma.value",
    "datasets": "rnnstats.datasets",
    "diagnostics": "rnnstats.diagnostics",
    "equivalence": "rnnstats.equivalence",
    "select_order": "rnnstats.selection",
    "select_regimes": "rnnstats.selection",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'rnnstats' has no attribute {name!r}")
    home = importlib.import_module(_HOMES[name])
    value: object = home if _HOMES[name].endswith(f".{name}") else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
