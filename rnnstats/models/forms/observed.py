"""Fully observed form: a vector autoregression."""

from __future__ import annotations

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

__all__ = ["observed"]


def observed(request: Request) -> Form:
    """Vector autoregression in companion form: the state is the output and its lags."""
    refuse(request, "observed", allow=())
    if request.obs_noise is not None:
        raise SpecificationError(
            f"{request.caller}: obs_noise must be None in the observed form, which has no "
            f"measurement noise; got {request.obs_noise!r}. Use form='innovations' or 'leaky'."
        )
    p = len(request.endog_names)
    m = p if request.k_states is None else request.k_states
    if m % p:
        raise SpecificationError(
            f"{request.caller}: k_states must be a multiple of the number of outputs ({p}) in the "
            f"observed form (lags times outputs); got {m}. "
            f"Use {m - m % p or p} or {m - m % p + p}."
        )
    builder = builder_for(request, p, m, p)
    states = state_labels(m)
    for i in range(p):
        builder.constant(1.0, "design", i, i)
        builder.constant(1.0, "selection", i, i)
        for column in range(m):
            place = builder.parameter(f"W_h[{states[i]},{states[column]}]")
            builder.put(place, "transition", i, column)
    for row in range(p, m):
        builder.constant(1.0, "transition", row, row - p)
    inputs_to_state(builder, request, range(p))
    output_terms(builder, request)
    covariance_cells(builder, "state_cov", states[:p], ("state_cov",), diagonal=False)
    start, step = start_cells(builder, request, m, known="noisy")
    table = builder.finish(states, start, step)
    return Form("observed", f"Linear RNN, observed form: VAR({m // p})", table, lags=m // p)
