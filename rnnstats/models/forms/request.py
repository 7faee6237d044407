"""What a form is asked for and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from rnnstats.errors import SpecificationError
from rnnstats.parameters.cells import CellTable

__all__ = ["TRENDS", "Form", "Request", "refuse"]

TRENDS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"n": (), "c": ("const",), "ct": ("const", "trend")}
)


@dataclass(frozen=True)
class Request:
    """What the user asked for, as far as a form needs it.

    Attributes
    ----------
    caller : str
        Named at the front of error messages.
    endog_names, exog_names : tuple of str
    k_states : int or None
    kronecker : tuple of int or None
    trend : {"n", "c", "ct"}
    exog_enters : {"state", "output", "both"}
    obs_noise : str or None
    initial : {"stationary", "diffuse", "known"}
    structure : mapping
    """

    caller: str
    endog_names: tuple[str, ...]
    exog_names: tuple[str, ...]
    k_states: int | None
    kronecker: tuple[int, ...] | None
    trend: str
    exog_enters: str
    obs_noise: str | None
    initial: str
    structure: Mapping[str, object]


@dataclass(frozen=True)
class Form:
    """A built form.

    Attributes
    ----------
    name, title : str
    table : CellTable
    kronecker : tuple of int
        Kronecker indices (innovations form), otherwise empty.
    lags : int
        Order of the vector autoregression (observed form), otherwise 0.
    pairs : int
        Number of oscillator pairs (leaky form), otherwise 0.
    coordinates : str
        "echelon" or "varma" (innovations form), otherwise empty.
    trend, exog_enters : str
        What the tables of the structured form say; empty where the arguments hold.
    flat : int
        Number of directions of the parameters that leave the likelihood alone (free form).
    """

    name: str
    title: str
    table: CellTable
    kronecker: tuple[int, ...] = ()
    lags: int = 0
    pairs: int = 0
    coordinates: str = ""
    trend: str = ""
    exog_enters: str = ""
    flat: int = 0


def refuse(request: Request, form: str, allow: tuple[str, ...]) -> None:
    """Refuse arguments that this form does not read."""
    if request.kronecker is not None and "kronecker" not in allow:
        raise SpecificationError(
            f"{request.caller}: kronecker belongs to form='innovations'; got it with "
            f"form={form!r}. Leave it out."
        )
    if request.structure and "structure" not in allow:
        raise SpecificationError(
            f"{request.caller}: structure belongs to form='structured', 'leaky', 'factor' or "
            f"'innovations'; got it with form={form!r}. Leave it out."
        )
