"""Pieces that several forms have in common: trend, inputs, covariances, start."""

from __future__ import annotations

from rnnstats.errors import SpecificationError
from rnnstats.kernels.system import FirstStep, Start
from rnnstats.models.forms.request import TRENDS, Request
from rnnstats.parameters.cells import TableBuilder
from rnnstats.parameters.transforms import Block

__all__ = [
    "builder_for",
    "covariance_cells",
    "inputs_to_state",
    "output_terms",
    "refuse_diffuse",
    "start_cells",
    "state_labels",
]


def builder_for(request: Request, p: int, m: int, r: int) -> TableBuilder:
    """Return a builder with the terms of trend and inputs."""
    has_exog = bool(request.exog_names)
    obs_terms = TRENDS[request.trend]
    if has_exog and request.exog_enters in ("output", "both"):
        obs_terms = (*obs_terms, "exog")
    state_terms = ("exog",) if has_exog and request.exog_enters in ("state", "both") else ()
    return TableBuilder(p, m, r, obs_terms, state_terms, len(request.exog_names))


def state_labels(m: int) -> tuple[str, ...]:
    return tuple(f"h{i + 1}" for i in range(m))


def inputs_to_state(builder: TableBuilder, request: Request, rows: range) -> None:
    if not builder.terms[1]:
        return
    for row in rows:
        for j, x in enumerate(request.exog_names):
            builder.put(builder.parameter(f"W_x[h{row + 1},{x}]"), "C_state", j, row)


def output_terms(builder: TableBuilder, request: Request) -> None:
    terms = builder.terms[0]
    offset = len(terms) - ("exog" in terms)
    if "exog" in terms:
        for i, y in enumerate(request.endog_names):
            for j, x in enumerate(request.exog_names):
                builder.put(builder.parameter(f"D[{y},{x}]"), "C_obs", offset + j, i)
    for row, label in enumerate(("b_y", "b_y_trend")[:offset]):
        for i, y in enumerate(request.endog_names):
            builder.put(builder.parameter(f"{label}[{y}]"), "C_obs", row, i)


def covariance_cells(
    builder: TableBuilder,
    label: str,
    names: tuple[str, ...],
    arrays: tuple[str, ...],
    *,
    diagonal: bool,
) -> None:
    """Add a covariance matrix that fills one or several arrays of the system."""
    places: list[int] = []
    for i, row in enumerate(names):
        for j in range(i if diagonal else 0, i + 1):
            place = builder.parameter(f"{label}[{row},{names[j]}]")
            for array in arrays:
                builder.put_symmetric(place, array, i, j)
            places.append(place)
    builder.blocks.append(Block("positive" if diagonal else "covariance", tuple(places)))


def start_cells(
    builder: TableBuilder, request: Request, m: int, known: FirstStep
) -> tuple[Start, FirstStep]:
    if request.initial == "stationary":
        return "stationary", "noisy"
    if request.initial == "known":
        return "given", known
    for i in range(m):
        builder.constant(1.0, "initial_diffuse", i)
    return "given", "none"


def refuse_diffuse(request: Request, form: str) -> None:
    """Refuse a diffuse start where the scale of the states is free."""
    if request.initial == "diffuse":
        raise SpecificationError(
            f"{request.caller}: initial='diffuse' is not for form={form!r}: flat over states whose "
            "scale V is free, the likelihood has no bound; got both. Use initial='stationary' or "
            "'known', or the innovations form."
        )
