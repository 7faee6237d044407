"""Names of the regimes and of the parameters of the chain."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = [
    "logit_name",
    "probability_name",
    "regime_names",
    "slope_name",
    "start_name",
    "start_slope_name",
]


def regime_names(k_regimes: int) -> tuple[str, ...]:
    """``h1``, ``h2``, ...

    Parameters
    ----------
    k_regimes : int

    Returns
    -------
    tuple of str
    """
    return tuple(f"h{i}" for i in range(1, k_regimes + 1))


def probability_name(regimes: Sequence[str], i: int, j: int) -> str:
    """Name of the probability of a step from regime i to regime j: ``p[h1->h2]``."""
    return f"p[{regimes[i]}->{regimes[j]}]"


def logit_name(regimes: Sequence[str], i: int, j: int) -> str:
    """Name of the constant of the log odds of a step: ``W_h[h1->h2]``."""
    return f"W_h[{regimes[i]}->{regimes[j]}]"


def slope_name(regimes: Sequence[str], i: int, j: int, column: str) -> str:
    """Name of an input's coefficient in the log odds of a step: ``W_x[h1->h2,x]``."""
    return f"W_x[{regimes[i]}->{regimes[j]},{column}]"


def start_name(regimes: Sequence[str], j: int) -> str:
    """Name of the probability, or constant of the log odds, of a start: ``start[h1]``."""
    return f"start[{regimes[j]}]"


def start_slope_name(regimes: Sequence[str], j: int, column: str) -> str:
    """Name of an input's coefficient in the log odds of a start: ``start[h1,x]``."""
    return f"start[{regimes[j]},{column}]"
