"""The same model with its outputs in other units, for numbers that are easy to compute with.

A maximum does not depend on units, but sums of squares of outputs of size 1e9 and 1e-9 in one
matrix lose the small ones. Units are powers of two: nothing is rounded on the way there and back.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from rnnstats.data import Endog
from rnnstats.estimation.convergence import Outcome
from rnnstats.models.forms import Form
from rnnstats.parameters.layout import Layout

__all__ = ["better_units", "factors", "in_units_of", "restated"]

FloatArray = NDArray[np.float64]
# Standard deviations beyond these, or further than this from each other, are put into units.
SMALLEST, LARGEST, APART = 1e-4, 1e6, 1e3
# Forms whose parameters scale with the outputs; noise of state and output in units of the output,
# or the state and its noise without a unit.
WITH_OUTPUTS = frozenset({"innovations", "observed"})
WITHOUT_UNITS = frozenset({"leaky", "factor", "free"})


def better_units(form: Form, layout: Layout, endog: Endog) -> FloatArray | None:
    """Units (k_endog,) in which all outputs have about unit variance; None where none are needed.

    With restrictions, which may tie parameters of different outputs, all outputs share one unit.
    """
    if form.name not in WITH_OUTPUTS | WITHOUT_UNITS:
        return None
    with np.errstate(over="ignore"):
        spread = np.nanmax(endog.values, axis=0) - np.nanmin(endog.values, axis=0)
    if not (np.isfinite(spread).all() and (spread > 0.0).all()):
        return None
    size = np.log2(spread) - 2.0
    usual = np.all((size > math.log2(SMALLEST)) & (size < math.log2(LARGEST)))
    if usual and np.ptp(size) < math.log2(APART):
        return None
    if layout.restricted:
        size = np.full_like(size, size.mean())
    units = np.exp2(np.round(size))
    return None if np.all(units == 1.0) else units


def factors(form: Form, units: FloatArray) -> FloatArray:
    """What a parameter grows by when outputs are given in the units of 1, shape (K,)."""
    table = form.table
    p, m, r = table.k_endog, table.k_states, table.k_posdef
    if form.name in WITHOUT_UNITS:
        state, noise = np.ones(m), np.ones(r)
    elif form.kronecker and form.coordinates != "varma":
        state, noise = np.repeat(units, form.kronecker), units
    else:
        state, noise = np.tile(units, m // p), units
    scales = {
        "transition": np.divide.outer(state, state),
        "design": np.divide.outer(units, state),
        "selection": np.divide.outer(state, noise),
        "state_cov": np.multiply.outer(noise, noise),
        "obs_cov": np.multiply.outer(units, units),
        "cross_cov": np.multiply.outer(noise, units),
        "C_obs": np.tile(units, (table.k_obs_terms, 1)),
        "C_state": np.tile(state, (table.k_state_terms, 1)),
    }
    cells = np.ones(table.template.size)
    for name, scale in scales.items():
        cells[table.place(name)] = scale.ravel()
    growth = np.ones(len(table.names))
    growth[table.which] = cells[table.cells]
    return growth


class _Model(Protocol):
    """What `in_units_of` asks of a model."""

    @property
    def endog(self) -> Endog: ...

    @property
    def exog(self) -> object: ...

    @property
    def layout(self) -> Layout: ...


ModelT = TypeVar("ModelT", bound=_Model)


def in_units_of(
    model: ModelT,
    units: FloatArray,
    growth: FloatArray,
    rebuild: Callable[[object, object, dict[str, float | str]], ModelT],
) -> ModelT | None:
    """Return the model of the outputs divided by their units, with the same restrictions.

    Parameters
    ----------
    model : model
    units : ndarray, shape (k_endog,)
    growth : ndarray, shape (K,)
        From `factors`.
    rebuild : callable
        ``(endog, exog, fixed) -> model``.

    Returns
    -------
    model or None
        None where a restriction ties parameters that have different units.
    """
    place = {name: i for i, name in enumerate(model.layout.names)}
    fixed: dict[str, float | str] = {}
    for name, value in model.layout.fixed.items():
        if isinstance(value, str):
            if growth[place[name]] != growth[place[value]]:
                return None
            fixed[name] = value
        else:
            fixed[name] = float(value / growth[place[name]])
    values = np.ascontiguousarray(model.endog.values / units)
    values.flags.writeable = False
    return rebuild(replace(model.endog, values=values), model.exog, fixed)


def restated(
    outcome: Outcome,
    psi_of: Callable[[FloatArray], FloatArray],
    value: Callable[[FloatArray], float],
) -> Outcome:
    """Give an outcome its points and its log-likelihoods in the user's units.

    Parameters
    ----------
    outcome : Outcome
        Of the model in other units.
    psi_of : callable
        From unconstrained coordinates in those units to those in the user's: logarithms are
        shifted, other coordinates multiplied, so that two interior points say how.
    value : callable
        Log-likelihood in the user's unconstrained coordinates.

    Returns
    -------
    Outcome
        The score and the Hessian stay in the other units.
    """
    shift = psi_of(np.zeros_like(outcome.psi))
    slope = psi_of(np.ones_like(outcome.psi)) - shift
    psi = shift + slope * outcome.psi
    llf = value(psi)
    up = llf - outcome.llf
    optima = tuple(
        replace(row, llf=row.llf + up, start_llf=row.start_llf + up)
        for row in outcome.convergence.optima
    )
    record = replace(outcome.convergence, optima=optima)
    points = tuple(shift + slope * point for point in outcome.points)
    return replace(outcome, psi=psi, llf=llf, convergence=record, points=points)
