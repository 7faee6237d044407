"""Functions of the parameters: their values, derivatives and standard errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats._checks import check_alpha
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.differences import jacobian
from rnnstats.results.inference.formulas import read_equations
from rnnstats.results.protocol import FittedModel, FloatArray, free_directions

__all__ = ["Functions", "delta_errors", "delta_table", "read_functions"]


@dataclass(frozen=True, slots=True, eq=False)
class Functions:
    """Functions of the parameters at the estimates.

    Attributes
    ----------
    names : tuple of str, length q
    value : ndarray of shape (q,)
    slopes : ndarray of shape (q, K)
        Derivatives. By differences they are those along the free parameters, written in the
        columns of these; either way ``slopes @ cov @ slopes.T`` is the delta method.
    """

    names: tuple[str, ...]
    value: FloatArray
    slopes: FloatArray


def read_functions(
    model: FittedModel,
    theta: FloatArray,
    bse: FloatArray,
    function: Callable[[Any], Any] | str | Sequence[str],
    *,
    names: Sequence[str] | None,
    labelled: bool,
    caller: str,
    derive: Callable[[Callable[[FloatArray], FloatArray]], FloatArray] | None = None,
) -> Functions:
    """Evaluate functions of the parameters with their derivatives.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
        The estimates.
    bse : ndarray of shape (K,)
        Their standard errors: a length over which functions bend little. NaN where not known.
    function : callable, str or sequence of str
        Of the parameters to a number or q numbers; or formulas, whose derivatives are exact.
    names : sequence of str, optional
        One a function. Default: the index of a Series, the text of formulas, or numbers.
    labelled : bool
        Give the callable a Series by name; else an ndarray.
    caller : str
    derive : callable, optional
        Gives the derivatives (q, K) of a callable by the parameters, along the free ones in their
        columns, where differences over standard errors of single parameters would mislead.

    Returns
    -------
    Functions

    Raises
    ------
    SpecificationError
        For formulas that cannot be read, values that are no numbers, or a wrong number of names.
    """
    if isinstance(function, str) or not callable(function):
        found = _formulas(model, theta, function, caller)
    else:
        found = _differences(model, theta, bse, function, labelled, caller, derive)
    if not np.isfinite(found.value).all():
        raise SpecificationError(
            f"{caller}: a function must have a value at the estimates; got "
            f"{found.value.tolist()} for {', '.join(found.names)}. Check its arguments."
        )
    if names is None:
        return found
    labels = (names,) if isinstance(names, str) else tuple(str(name) for name in names)
    if len(labels) != len(found.names):
        raise SpecificationError(
            f"{caller}: names must be one for each of the {len(found.names)} values; got "
            f"{len(labels)}. Leave them out to have the values numbered."
        )
    return Functions(labels, found.value, found.slopes)


def _formulas(model: FittedModel, theta: FloatArray, function: Any, caller: str) -> Functions:
    if not isinstance(function, str):
        if not (isinstance(function, Sequence) and all(isinstance(f, str) for f in function)):
            raise SpecificationError(
                f"{caller}: function must be callable, or formulas as text; got "
                f"{type(function).__name__}. For example '{model.param_names[0]} ** 2'."
            )
        function = "\n".join(function)
    equations = read_equations(function, model.param_names, caller=caller)
    duals = [equation.gap.at(theta) for equation in equations]
    return Functions(
        tuple(equation.text for equation in equations),
        np.array([dual.value for dual in duals]),
        np.array([dual.slope for dual in duals]),
    )


def _differences(
    model: FittedModel,
    theta: FloatArray,
    bse: FloatArray,
    function: Callable[[Any], Any],
    labelled: bool,
    caller: str,
    derive: Callable[[Callable[[FloatArray], FloatArray]], FloatArray] | None,
) -> Functions:
    layout = model.layout
    index = pd.Index(model.param_names)

    def call(point: FloatArray) -> Any:
        value = function(pd.Series(point, index=index) if labelled else point)
        return pd.Series(value) if isinstance(value, Mapping) else value

    first = call(theta.copy())
    labels = tuple(map(str, first.index)) if isinstance(first, pd.Series) else None

    def numbers(point: FloatArray) -> FloatArray:
        try:
            values = np.asarray(call(point), dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise SpecificationError(
                f"{caller}: function must return numbers; got {error}. Return a float, a Series "
                "or an array."
            ) from error
        return values.ravel()

    value = numbers(theta.copy())
    ties = free_directions(model, theta)
    slopes = np.zeros((value.size, theta.size))
    if derive is not None:
        slopes[:] = derive(numbers)
    elif ties.shape[1] == layout.k_free:
        free = [list(layout.names).index(name) for name in layout.free_names]
        slopes[:, free] = jacobian(
            lambda point: numbers(layout.expand(point)), layout.reduce(theta), scale=bse[free]
        )
    else:  # some parameters are held at the boundary: derivatives along its face
        back = np.linalg.pinv(ties)
        here = back @ theta
        along = jacobian(
            lambda place: numbers(theta + ties @ (place - here)), here, scale=_lengths(ties, bse)
        )
        slopes[:] = along @ back
    if labels is None:
        labels = tuple(f"f{i + 1}" for i in range(value.size)) if value.size != 1 else ("f",)
    return Functions(labels, value, slopes)


def _lengths(ties: FloatArray, bse: FloatArray) -> FloatArray:
    """Length of a step along each direction (K, f): the smallest standard error it moves."""
    moved = np.where(ties != 0.0, bse[:, None], np.inf)
    found = np.nanmin(np.where(np.isnan(moved), np.inf, moved), axis=0, initial=np.inf)
    return np.where(np.isfinite(found), found, np.nan)


def delta_errors(slopes: FloatArray, estimate: CovarianceEstimate) -> FloatArray:
    """Delta-method standard errors of functions of the parameters.

    Parameters
    ----------
    slopes : ndarray of shape (q, K)
        Derivatives by all parameters.
    estimate : CovarianceEstimate

    Returns
    -------
    ndarray of shape (q,)
        NaN where derivatives are not finite, a function is not estimable, or does not depend on a
        free parameter.
    """
    usable = np.asarray(np.isfinite(slopes).all(axis=1))
    variances = np.diagonal(estimate.of(np.where(usable[:, None], slopes, 0.0)))
    return np.sqrt(np.where(usable & (variances > 0.0), variances, np.nan))


def delta_table(found: Functions, estimate: CovarianceEstimate, alpha: float) -> pd.DataFrame:
    """Table of functions with delta-method standard errors.

    Parameters
    ----------
    found : Functions
    estimate : CovarianceEstimate
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    DataFrame
        Columns "estimate", "std err", "z", "P>|z|" and both ends of the interval; NaN where a
        function is not estimable or does not depend on a free parameter.
    """
    width = check_alpha(alpha, "delta_method")
    errors = delta_errors(found.slopes, estimate)
    z = found.value / errors
    return pd.DataFrame(
        {
            "estimate": found.value,
            "std err": errors,
            "z": z,
            "P>|z|": 2.0 * stats.norm.sf(np.abs(z)),
            f"[{alpha / 2:.3g}": found.value - width * errors,
            f"{1 - alpha / 2:.3g}]": found.value + width * errors,
        },
        index=pd.Index(found.names),
    )
