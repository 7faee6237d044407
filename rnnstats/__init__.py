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
    from rnnstats.models.linear import LinearRNN as LinearRNN

__version__ = "0.1.0"

__all__ = ["LinearRNN", "datasets", "diagnostics", "equivalence"]

# public name -> the module that holds it; a name that ends a module's path is that module itself
_HOMES = {
    "LinearRNN": "rnnstats.models.linear",
    "datasets": "rnnstats.datasets",
    "diagnostics": "rnnstats.diagnostics",
    "equivalence": "rnnstats.equivalence",
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
