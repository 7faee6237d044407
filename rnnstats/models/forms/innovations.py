"""Innovations form in echelon coordinates (Hannan and Deistler 1988; Luetkepohl 2005, 12.1).

Kronecker indices ``nu`` choose the state: it stacks, chain by chain, the forecasts of output i at
leads 0 .. nu_i - 1 made one step earlier. The forecast at lead nu_i is a linear combination of
those chosen forecasts that come before it (lead first, then output), which gives the free row of
chain i: ``min(nu_i + [k < i], nu_k)`` coefficients on chain k. With generic indices each such row
is full, and the model has ``2 n p + p (p + 1) / 2`` parameters besides trend and inputs.
"""

from __future__ import annotations

from rnnstats._checks import check_literal
from rnnstats.equivalence.systems import echelon_columns
from rnnstats.errors import SpecificationError
from rnnstats.models.forms.parts import (
    builder_for,
    covariance_cells,
    inputs_to_state,
    output_terms,
    start_cells,
    state_labels,
)
from rnnstats.models.forms.request import Form, Request, refuse
from rnnstats.models.forms.varma import check_coordinates, varma

__all__ = ["echelon_columns", "generic_indices", "innovations"]


def generic_indices(k_states: int, k_endog: int) -> tuple[int, ...]:
    """Kronecker indices that almost every system of this size has.

    Parameters
    ----------
    k_states, k_endog : int

    Returns
    -------
    tuple of int
        ``k_states = k_endog * q + rest``: q + 1 for the first ``rest`` outputs, then q.
    """
    q, rest = divmod(k_states, k_endog)
    return tuple(q + 1 if i < rest else q for i in range(k_endog))


def innovations(request: Request) -> Form:
    """Innovations form in echelon coordinates; see the module's docstring."""
    refuse(request, "innovations", allow=("kronecker", "structure"))
    noise = check_literal(
        request.obs_noise, (None, "full", "diagonal"), name="obs_noise", caller=request.caller
    )
    nu = _kronecker(request)
    if check_coordinates(request) == "varma":
        return varma(request, nu, diagonal=noise == "diagonal")
    p, m = len(request.endog_names), sum(nu)
    builder = builder_for(request, p, m, p)
    states = state_labels(m)
    dependent = echelon_columns(nu)
    free_v: list[tuple[int, int]] = []
    for i, chain in enumerate(nu):
        first = sum(nu[:i])
        if chain == 0:
            free_v.extend((i, column) for column in dependent[i])
            continue
        builder.constant(1.0, "design", i, first)
        for j in range(chain - 1):
            builder.constant(1.0, "transition", first + j, first + j + 1)
        last = first + chain - 1
        for column in dependent[i]:
            place = builder.parameter(f"W_h[{states[last]},{states[column]}]")
            builder.put(place, "transition", last, column)
    for row in range(m):
        for i, y in enumerate(request.endog_names):
            builder.put(builder.parameter(f"K[{states[row]},{y}]"), "selection", row, i)
    inputs_to_state(builder, request, range(m))
    for i, column in free_v:
        place = builder.parameter(f"V[{request.endog_names[i]},{states[column]}]")
        builder.put(place, "design", i, column)
    output_terms(builder, request)
    covariance_cells(
        builder,
        "obs_cov",
        request.endog_names,
        ("obs_cov", "state_cov", "cross_cov"),
        diagonal=noise == "diagonal",
    )
    start, step = start_cells(builder, request, m, known="noiseless")
    table = builder.finish(states, start, step)
    return Form("innovations", "Linear RNN, innovations form", table, nu, coordinates="echelon")


def _kronecker(request: Request) -> tuple[int, ...]:
    p = len(request.endog_names)
    if request.kronecker is None:
        return generic_indices(p if request.k_states is None else request.k_states, p)
    nu = request.kronecker
    if len(nu) != p:
        raise SpecificationError(
            f"{request.caller}: kronecker must hold one index an output ({p}); got {nu!r}. "
            f"For example {generic_indices(p, p)!r}."
        )
    if sum(nu) < 1:
        raise SpecificationError(
            f"{request.caller}: the Kronecker indices must add up to at least 1; got {nu!r}. "
            "For a model without a state use statsmodels' OLS."
        )
    if request.k_states is not None and request.k_states != sum(nu):
        raise SpecificationError(
            f"{request.caller}: k_states must be the sum of the Kronecker indices ({sum(nu)}); "
            f"got {request.k_states}. Leave k_states out."
        )
    return nu
