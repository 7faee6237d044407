"""Data on which a likelihood has no bound: said before a fit, with a way out."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.data import Endog
from rnnstats.errors import DataError
from rnnstats.models.forms import Form
from rnnstats.parameters.layout import Layout

__all__ = [
    "combined",
    "refuse_combination",
    "refuse_combined",
    "refuse_explained",
    "refuse_gaps_before_state",
    "refuse_sizes",
]

FloatArray = NDArray[np.float64]
SMALLEST, LARGEST = 1e-30, 1e30
EXPLAINED = 1e-20
SAME_DIGITS = 1e-7


def refuse_sizes(endog: Endog, caller: str) -> None:
    """Refuse series whose squares come near the end of double precision's range."""
    for name, column in zip(endog.names, endog.values.T, strict=True):
        size = float(np.nanmax(np.abs(column)))
        if not SMALLEST < size < LARGEST:
            raise DataError(
                f"{caller}: a series must have values between {SMALLEST:g} and {LARGEST:g} in "
                f"size; got {size:g} in column {name!r}. Give it in other units."
            )


def refuse_combination(
    form: Form, complete: FloatArray, names: tuple[str, ...], caller: str
) -> None:
    """Refuse outputs that add up to a constant, to seven digits.

    The covariance of the errors then has an eigenvalue of 1e-14 of another, which its factor does
    not resolve. With noise of their own in each output (leaky, factor) the likelihood has no bound
    where the states can follow all outputs involved without it.

    Parameters
    ----------
    form : Form
    complete : ndarray, shape (rows, k_endog)
        Rows without a gap.
    names : tuple of str
    caller : str
    """
    if form.name == "structured":
        return
    involved = combined(complete, names)
    if form.name in ("leaky", "factor") and len(involved) > form.table.k_states + 1:
        return
    refuse_combined(involved, caller)


def combined(complete: FloatArray, names: tuple[str, ...]) -> tuple[str, ...]:
    """Outputs that add up to a constant, to seven digits.

    Parameters
    ----------
    complete : ndarray, shape (rows, k_endog)
        Rows without a gap.
    names : tuple of str

    Returns
    -------
    tuple of str
        Empty where there are none, or too few rows to tell.
    """
    if len(names) == 1 or len(complete) <= len(names):
        return ()
    spread = (complete - complete.mean(axis=0)) / complete.std(axis=0).clip(1e-300)
    _, size, right = np.linalg.svd(spread, full_matrices=False)
    if size[-1] > SAME_DIGITS * size[0]:
        return ()
    return tuple(n for n, weight in zip(names, right[-1], strict=True) if abs(weight) > 1e-6)


def refuse_combined(involved: tuple[str, ...], caller: str) -> None:
    """Refuse outputs that `combined` found, if any.

    Parameters
    ----------
    involved : tuple of str
    caller : str

    Raises
    ------
    DataError
    """
    if involved:
        raise DataError(
            f"{caller}: outputs must not be linear combinations of each other to 7 digits, else "
            f"the likelihood has no bound; got one of {', '.join(involved)}. Leave one out."
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
