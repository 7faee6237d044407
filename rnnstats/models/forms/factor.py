"""Dynamic factors: few states that many series share, and noise of each series' own."""

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

__all__ = ["factor"]


def factor(request: Request) -> Form:
    """Vector autoregression of factors with unit noise, read out by a lower triangular V.

    The basis of the factors is fixed by unit noise up to a rotation, and by the zeros of V up to
    signs (Geweke and Zhou 1996; Bai and Wang 2015, J. Business and Economic Statistics 33, 221).
    """
    refuse(request, "factor", allow=("structure",))
    caller, p = request.caller, len(request.endog_names)
    check_literal(request.obs_noise, (None, "diagonal"), name="obs_noise", caller=caller)
    refuse_diffuse(request, "factor")
    lags = _lags(request)
    m = lags if request.k_states is None else request.k_states
    factors = m // lags
    if m % lags or factors < 1:
        raise SpecificationError(
            f"{caller}: k_states must be a multiple of structure['lags'] ({lags}) in the factor "
            f"form (factors times lags); got {m}. Use {lags * max(1, round(m / lags))}."
        )
    if factors > p:
        raise SpecificationError(
            f"{caller}: the factor form has at most as many factors as outputs; got {factors} "
            f"factors and {p} output{'s' * (p > 1)}. Use fewer states, or form='innovations'."
        )
    builder = builder_for(request, p, m, factors)
    states = state_labels(m)
    for row in range(factors):
        builder.constant(1.0, "selection", row, row)
        builder.constant(1.0, "state_cov", row, row)
        for column in range(m):
            place = builder.parameter(f"W_h[{states[row]},{states[column]}]")
            builder.put(place, "transition", row, column)
    for row in range(factors, m):
        builder.constant(1.0, "transition", row, row - factors)
    inputs_to_state(builder, request, range(factors))
    for i, y in enumerate(request.endog_names):
        for column in range(min(i + 1, factors)):
            builder.put(builder.parameter(f"V[{y},{states[column]}]"), "design", i, column)
    output_terms(builder, request)
    covariance_cells(builder, "obs_cov", request.endog_names, ("obs_cov",), diagonal=True)
    start, step = start_cells(builder, request, m, known="noisy")
    table = builder.finish(states, start, step)
    order = "" if lags == 1 else f", {lags} lags"
    title = f"Linear RNN, {factors} dynamic factor{'s' * (factors > 1)}{order}"
    return Form("factor", title, table, lags=lags)


def _lags(request: Request) -> int:
    unknown = [key for key in request.structure if key != "lags"]
    if unknown:
        raise SpecificationError(
            f"{request.caller}: structure of the factor form has the one key 'lags'; "
            f"got {unknown[0]!r}. For example structure={{'lags': 2}}."
        )
    return check_int(
        request.structure.get("lags", 1),
        name="structure['lags']",
        caller=request.caller,
        minimum=1,
    )
