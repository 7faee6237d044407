"""Free form: every coefficient and covariance free, in coordinates that nothing identifies."""

from __future__ import annotations

from rnnstats._checks import check_literal
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

__all__ = ["free"]


def free(request: Request) -> Form:
    """W_h, V, state_cov and obs_cov without restriction.

    Of ``n**2 + n p + n (n + 1) / 2 + p (p + 1) / 2`` parameters of the dynamics (n states, p
    outputs) data know ``n**2 + (n - p) (n - p + 1) / 2`` directions less (``n**2`` for n <= p).
    """
    refuse(request, "free", allow=())
    noise = check_literal(
        request.obs_noise, (None, "full", "diagonal"), name="obs_noise", caller=request.caller
    )
    refuse_diffuse(request, "free")
    p = len(request.endog_names)
    m = p if request.k_states is None else request.k_states
    builder = builder_for(request, p, m, m)
    states = state_labels(m)
    for row in range(m):
        builder.constant(1.0, "selection", row, row)
        for column in range(m):
            place = builder.parameter(f"W_h[{states[row]},{states[column]}]")
            builder.put(place, "transition", row, column)
    inputs_to_state(builder, request, range(m))
    for i, y in enumerate(request.endog_names):
        for column in range(m):
            builder.put(builder.parameter(f"V[{y},{states[column]}]"), "design", i, column)
    output_terms(builder, request)
    covariance_cells(builder, "state_cov", states, ("state_cov",), diagonal=False)
    covariance_cells(
        builder, "obs_cov", request.endog_names, ("obs_cov",), diagonal=noise == "diagonal"
    )
    start, step = start_cells(builder, request, m, known="noisy")
    table = builder.finish(states, start, step)
    flat = m * m
    if m > p and request.initial == "stationary":
        flat += (m - p) * (m - p + 1) // 2
    return Form("free", "Linear RNN, free form (coordinates not identified)", table, flat=flat)
