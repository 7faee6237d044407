"""Bank of leaky units."""

from __future__ import annotations

from rnnstats._checks import check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.models.forms.parts import (
    builder_for,
    covariance_cells,
    inputs_to_state,
    output_terms,
    refuse_diffuse,
    start_cells,
    state_labels,
)
from rnnstats.models.forms.request import Form, Request, refuse
from rnnstats.parameters.transforms import Block

__all__ = ["leaky"]


def leaky(request: Request) -> Form:
    """Bank of leaky units: independent exponential memories with unit noise, read out by V."""
    refuse(request, "leaky", allow=("structure",))
    noise = check_literal(
        request.obs_noise, (None, "diagonal", "none"), name="obs_noise", caller=request.caller
    )
    refuse_diffuse(request, "leaky")
    pairs = _pairs(request)
    p = len(request.endog_names)
    m = max(1, 2 * pairs) if request.k_states is None else request.k_states
    if 2 * pairs > m:
        raise SpecificationError(
            f"{request.caller}: an oscillator pair takes two states; got {pairs} pairs and "
            f"k_states = {m}. Use k_states of at least {2 * pairs}."
        )
    if noise == "none" and p > m:
        raise SpecificationError(
            f"{request.caller}: without measurement noise there must be at least as many states "
            f"as outputs; got k_states = {m} and {p} outputs. Use obs_noise='diagonal'."
        )
    builder = builder_for(request, p, m, m)
    states = state_labels(m)
    real = m - 2 * pairs
    second = {real + 2 * j + 1 for j in range(pairs)}
    for row in range(m):
        builder.constant(1.0, "selection", row, row)
        builder.constant(1.0, "state_cov", row, row)
    for row in range(real):
        place = builder.parameter(f"W_h[{states[row]},{states[row]}]")
        builder.put(place, "transition", row, row)
        builder.blocks.append(Block("interval", (place,), 0.0, 1.0))
    for row in range(real, m, 2):
        a = builder.parameter(f"W_h[{states[row]},{states[row]}]")
        b = builder.parameter(f"W_h[{states[row]},{states[row + 1]}]")
        builder.put(a, "transition", row, row)
        builder.put(a, "transition", row + 1, row + 1)
        builder.put(b, "transition", row, row + 1)
        builder.put(b, "transition", row + 1, row, sign=-1.0)
        builder.blocks.append(Block("oscillator", (a, b)))
    inputs_to_state(builder, request, range(m))
    for i, y in enumerate(request.endog_names):
        for column in range(m):
            if i == 0 and column in second:  # turning a pair leaves the likelihood alone
                continue
            builder.put(builder.parameter(f"V[{y},{states[column]}]"), "design", i, column)
    output_terms(builder, request)
    if noise != "none":
        covariance_cells(builder, "obs_cov", request.endog_names, ("obs_cov",), diagonal=True)
    start, step = start_cells(builder, request, m, known="noisy")
    table = builder.finish(states, start, step)
    return Form("leaky", "Linear RNN, bank of leaky units", table, pairs=pairs)


def _pairs(request: Request) -> int:
    unknown = [key for key in request.structure if key != "pairs"]
    if unknown:
        raise SpecificationError(
            f"{request.caller}: structure of the leaky form has the one key 'pairs'; "
            f"got {unknown[0]!r}. For example structure={{'pairs': 1}}."
        )
    return check_int(
        request.structure.get("pairs", 0),
        name="structure['pairs']",
        caller=request.caller,
        minimum=0,
    )
