"""Data on which a linear model's likelihood has no bound: said before a fit, with a way out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.data import Endog
from rnnstats.errors import DataError
from rnnstats.models.forms import Form
from rnnstats.parameters.layout import Layout

__all__ = ["refuse_explained", "refuse_gaps_before_state", "refuse_sizes"]

FloatArray = NDArray[np.float64]
SMALLEST, LARGEST = 1e-30, 1e30
EXPLAINED = 1e-20


def refuse_sizes(endog: Endog, caller: str) -> None:
    """Refuse series whose squares come near the end of double precision's range."""
    for name, column in zip(endog.names, endog.values.T, strict=True):
        size = float(np.nanmax(np.abs(column)))
        if not SMALLEST < size < LARGEST:
            raise DataError(
                f"{caller}: a series must have values between {SMALLEST:g} and {LARGEST:g} in "
                f"size; got {size:g} in column {name!r}. Give it in other units."
            )


def refuse_explained(endog: Endog, residuals: FloatArray, caller: str) -> None:
    """Refuse series that trend and inputs explain without an error.

    Parameters
    ----------
    endog : Endog
    residuals : ndarray, shape (nobs, k_endog)
        The series with trend and inputs of the output taken out.
    caller : str
    """
    for i, name in enumerate(endog.names):
        seen = np.isfinite(endog.values[:, i])
        before = float(np.var(endog.values[seen, i]))
        if float(np.mean(residuals[seen, i] ** 2)) <= EXPLAINED * before:
            raise DataError(
                f"{caller}: a series must not be a function of trend and inputs alone, else the "
                f"likelihood has no bound; got no residual in column {name!r}. Leave it out, or "
                "the terms that explain it."
            )


def refuse_gaps_before_state(
    form: Form, layout: Layout, y: FloatArray, lead: int, caller: str
) -> None:
    """Refuse gaps in the rows that fix a diffuse state of the innovations form.

    The state holds forecasts of output i at leads 0 .. nu_i - 1: where the first nu_i values of
    each output are there, a flat density of the state is one of them, whatever W_h. Through a gap
    the state shows only by way of W_h, with density ``1 / |coefficient|``, which has no bound.

    Parameters
    ----------
    form : Form
    layout : Layout
        Where restrictions fix W_h and V, nothing is refused.
    y : ndarray, shape (nobs, p)
    lead : int
        Rows before the first observation.
    caller : str
    """
    free = {group for name, group in zip(layout.names, layout.groups, strict=True)
            if layout.free_column(layout.names.index(name)) is not None}  # fmt: skip
    if form.name != "innovations" or not free & {"W_h", "V", "ar"}:
        return
    for i, chain in enumerate(form.kronecker):
        gaps = np.flatnonzero(np.isnan(y[lead : lead + chain, i]))
        if gaps.size:
            raise DataError(
                f"{caller}: with initial='diffuse' the first {chain} values of output {i + 1} "
                f"must be observed, else the likelihood has no bound; got a gap at t = "
                f"{lead + int(gaps[0]) + 1}. Leave out the rows up to there, or use "
                "initial='stationary'."
            )
