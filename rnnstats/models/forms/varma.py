"""Innovations form in VARMA coordinates: the parameters are AR and MA coefficients.

``y_t = sum_i ar_i y_{t-i} + e_t + sum_i ma_i e_{t-i}`` (for y less trend and inputs), i = 1 .. q,
all Kronecker indices q. The state is that of the observer form, ``s_l(t) = ar_l s_1(t-1) +
s_{l+1}(t-1) + (ar_l + ma_l) e_{t-1}`` and ``y_t = s_1(t) + e_t`` (Hamilton 1994, sec. 13.1), which
is linear in the coefficients: a cell of K holds a sum. Restrictions by name then give AR(3),
ARMA(2, 1) or a VARMA model with zeros, which no restriction on echelon coordinates does.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_literal
from rnnstats.equivalence.realisation import Realisation, observer_rows
from rnnstats.errors import SpecificationError
from rnnstats.models.forms.parts import (
    builder_for,
    covariance_cells,
    inputs_to_state,
    output_terms,
    start_cells,
    state_labels,
)
from rnnstats.models.forms.request import Form, Request
from rnnstats.parameters.cells import CellTable

__all__ = ["check_coordinates", "coordinates_of", "damped", "in_observer_form", "varma"]

FloatArray = NDArray[np.float64]
COORDINATES = ("echelon", "varma")
_COEFFICIENT = re.compile(r"(ar|ma)\d+\[")
_ECHELON = re.compile(r"(W_h|V|K)\[")


def coordinates_of(
    form: str,
    structure: Mapping[str, object],
    fixed: Mapping[str, float | str],
    caller: str,
) -> Mapping[str, object]:
    """Structure of the innovations form, with the coordinates that its restrictions ask for.

    Restrictions on ``ar1[..]`` or ``ma1[..]`` ask for VARMA coordinates.

    Raises
    ------
    SpecificationError
        For restrictions on coefficients of both coordinates.
    """
    names = [str(name) for pair in fixed.items() for name in pair]
    implied = [name for name in names if _COEFFICIENT.match(name)]
    if form != "innovations" or not implied:
        return structure
    echelon = [name for name in names if _ECHELON.match(name)]
    if echelon or structure.get("coordinates", "varma") != "varma":
        got = echelon[0] if echelon else "structure={'coordinates': 'echelon'}"
        raise SpecificationError(
            f"{caller}: restrictions are on AR and MA coefficients or on W_h, V and K, not on both;"
            f" got {implied[0]} and {got}. Write all of them for ar1[..], ma1[..]."
        )
    return {**structure, "coordinates": "varma"}


def varma(request: Request, nu: tuple[int, ...], *, diagonal: bool) -> Form:
    """Innovations form in VARMA coordinates; see the module's docstring."""
    p, lags = len(request.endog_names), nu[0]
    if set(nu) != {lags}:
        raise SpecificationError(
            f"{request.caller}: AR and MA coefficients are coordinates of the innovations form "
            f"where all Kronecker indices are equal; got {nu}. Use a multiple of {p} states, "
            "or restrictions on W_h and K."
        )
    m = lags * p
    builder = builder_for(request, p, m, p)
    states = state_labels(m)
    for i in range(p):
        builder.constant(1.0, "design", i, i)
    for row in range(m - p):
        builder.constant(1.0, "transition", row, row + p)
    for kind, arrays in (("ar", ("transition", "selection")), ("ma", ("selection",))):
        for row in range(m):
            lag, i = divmod(row, p)
            for j, name in enumerate(request.endog_names):
                label = f"{kind}{lag + 1}[{request.endog_names[i]},{name}]"
                place = builder.parameter(label, kind)
                for array in arrays:
                    builder.put(place, array, row, j)
    inputs_to_state(builder, request, range(m))
    output_terms(builder, request)
    covariance_cells(
        builder,
        "obs_cov",
        request.endog_names,
        ("obs_cov", "state_cov", "cross_cov"),
        diagonal=diagonal,
    )
    start, step = start_cells(builder, request, m, known="noiseless")
    table = builder.finish(states, start, step)
    title = "Linear RNN, innovations form in VARMA coordinates"
    return Form("innovations", title, table, kronecker=nu, coordinates="varma")


def in_observer_form(arrays: Mapping[str, FloatArray], lags: int) -> dict[str, FloatArray] | None:
    """Arrays of a system in innovations form turned to the observer form's state.

    Parameters
    ----------
    arrays : mapping
        ``transition``, ``design``, ``selection`` and, if any, ``C_state``; others are kept.
    lags : int

    Returns
    -------
    dict or None
        None where the system has other Kronecker indices.
    """
    system = Realisation(*(arrays[name] for name in ("transition", "design", "selection")))
    rows = observer_rows(system, lags)
    if rows is None:
        return None
    inverse = np.linalg.inv(rows)
    turned = {
        "transition": rows @ system.a @ inverse,
        "design": system.c @ inverse,
        "selection": rows @ system.k,
    }
    if "C_state" in arrays:
        turned["C_state"] = arrays["C_state"] @ rows.T
    return {**arrays, **turned}


def damped(table: CellTable, theta: FloatArray, factor: float) -> FloatArray:
    """Multiply all AR and MA roots by a factor: coefficients at lag l by ``factor ** l``."""
    p = table.k_endog
    lag = np.zeros(len(table.names))
    for kind in ("ar", "ma"):
        places = np.flatnonzero(np.array(table.groups) == kind)
        lag[places] = 1 + np.arange(len(places)) // (p * p)
    out: FloatArray = theta * factor**lag
    return out


def check_coordinates(request: Request) -> str:
    """Read ``structure`` of the innovations form."""
    unknown = [key for key in request.structure if key != "coordinates"]
    if unknown:
        raise SpecificationError(
            f"{request.caller}: structure of the innovations form has the one key 'coordinates'; "
            f"got {unknown[0]!r}. For example structure={{'coordinates': 'varma'}}."
        )
    value = request.structure.get("coordinates", "echelon")
    return check_literal(value, COORDINATES, name="structure['coordinates']", caller=request.caller)
