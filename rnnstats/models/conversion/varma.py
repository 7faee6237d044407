"""Linear models from vector ARMA coefficients."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import by_name, check_literal, is_symmetric, warn
from rnnstats.data import Endog
from rnnstats.equivalence.varma import (
    InnovationsSystem,
    coprimeness,
    echelon,
    from_polynomials,
    input_responses,
    kronecker_indices,
    minimal_realisation,
    system_responses,
)
from rnnstats.errors import ConversionWarning, DataError, SpecificationError
from rnnstats.models._arguments import numbers
from rnnstats.models.linear import LinearRNN
from rnnstats.results.varma.value import VARMA

__all__ = ["Converted", "from_varma", "mean_terms"]

FloatArray = NDArray[np.float64]
CALLER = "LinearRNN.from_varma"
INITIALS = ("stationary", "diffuse", "known")


class Converted(NamedTuple):
    """A model taken over from elsewhere.

    Attributes
    ----------
    model : LinearRNN
    params : Series
        All its natural parameters, by name.
    """

    model: LinearRNN
    params: pd.Series


class _Given(NamedTuple):
    """A vector ARMA model, every shape checked."""

    ar: FloatArray
    ma: FloatArray
    sigma_u: FloatArray
    intercept: FloatArray | None
    slope: FloatArray | None
    exog: FloatArray | None
    names: tuple[str, ...] | None
    inputs: tuple[str, ...] | None


def from_varma(
    ar: Any,
    ma: ArrayLike | None = None,
    sigma_u: ArrayLike | None = None,
    endog: object = None,
    *,
    means: tuple[ArrayLike | None, ArrayLike | None] = (None, None),
    inputs: tuple[object, ArrayLike | None] = (None, None),
    initial: str = "stationary",
) -> Converted:
    """Linear model in innovations form, echelon coordinates, of a vector ARMA model.

    See `LinearRNN.from_varma`; ``means`` are intercept and slope, ``inputs`` exog and its
    coefficients.
    """
    check_literal(initial, INITIALS, name="initial", caller=CALLER)
    given = _read(ar, ma, sigma_u, *means, inputs[1])
    p = len(given.sigma_u)
    data = _data(_in_order(endog, given.names, "endog"), p, given.names)
    columns = _in_order(inputs[0], given.inputs, "exog")
    exog = _exog(columns, given.exog, data.nobs, simulated=endog is None)
    scale = np.sqrt(np.diag(given.sigma_u))
    if not (isinstance(ar, VARMA) and ar.form == "final"):  # which repeats its roots by intention
        _tell_cancellation(given, scale, data.names)
    lead = np.eye(p)  # says how many outputs there are where there are no lags
    whole = from_polynomials(given.ar, given.ma, given.exog, lead)
    system = minimal_realisation(whole, scale=scale)
    _check_roots(system, initial)
    terms = mean_terms(given.ar, given.intercept, given.slope, scale, CALLER)
    system, nu = _in_echelon_form(system, scale)
    _tell_rounding(whole, system, scale)
    enters = _enters(system)
    model = LinearRNN(
        data,
        exog,
        kronecker=nu,
        trend={0: "n", 1: "c", 2: "ct"}[len(terms)],  # type: ignore[arg-type]
        exog_enters=enters,  # type: ignore[arg-type]
        initial=initial,  # type: ignore[arg-type]
    )
    theta = model._table.read(
        {
            "transition": system.transition,
            "design": system.design,
            "selection": system.gain,
            "obs_cov": given.sigma_u,
            "state_cov": given.sigma_u,
            "cross_cov": given.sigma_u,
            "C_state": system.inputs.T[: None if enters != "output" else 0],
            "C_obs": np.array([*terms, *([] if enters == "state" else system.direct.T)]).reshape(
                -1, p
            ),
        }
    )
    return Converted(model, pd.Series(theta, index=list(model.param_names), name="params"))


# --- reading ------------------------------------------------------------------------------------


def _read(
    ar: Any,
    ma: ArrayLike | None,
    sigma_u: ArrayLike | None,
    intercept: ArrayLike | None,
    slope: ArrayLike | None,
    exog: ArrayLike | None,
) -> _Given:
    """Read coefficients, or a value that holds them all."""
    names = inputs = None
    if isinstance(ar, VARMA):
        extra = {"ma": ma, "sigma_u": sigma_u, "intercept": intercept, "trend_slope": slope}
        twice = [name for name, value in {**extra, "exog_coefs": exog}.items() if value is not None]
        if twice:
            raise SpecificationError(
                f"{CALLER}: a VARMA value holds all coefficients; got {twice[0]} beside it. "
                "Leave it out, or give the arrays ar, ma and sigma_u."
            )
        value = ar
        ar, ma, sigma_u = value.ar, value.ma, value.sigma_u
        slope, exog, names = value.trend, value.exog, value.endog_names
        inputs = value.exog_names
        intercept = value.intercept if value.intercept.any() or slope is not None else None
    if sigma_u is None:
        raise SpecificationError(
            f"{CALLER}: sigma_u, the covariance of the errors, is needed; got None. "
            "Give an array of shape (k, k)."
        )
    sigma = np.atleast_2d(numbers(sigma_u, name="sigma_u", caller=CALLER))
    p = len(sigma)
    if sigma.shape != (p, p) or not is_symmetric(sigma):
        raise SpecificationError(
            f"{CALLER}: sigma_u must be a symmetric matrix of finite numbers; got shape "
            f"{sigma.shape}. Give an array of shape (k, k)."
        )
    sigma = 0.5 * (sigma + sigma.T)
    if np.linalg.eigvalsh(sigma)[0] <= 0.0:
        raise SpecificationError(
            f"{CALLER}: sigma_u must be positive definite; got the smallest eigenvalue "
            f"{np.linalg.eigvalsh(sigma)[0]:.3g}. Leave out outputs without an error of their own."
        )
    lags = [_lags(part, name, p) for name, part in (("ar", ar), ("ma", ma))]
    coefs = None if exog is None else _exog_lags(exog, p)
    return _Given(
        lags[0],
        lags[1],
        sigma,
        _vector(intercept, "intercept", p),
        _vector(slope, "trend_slope", p),
        None if coefs is None or coefs.shape[2] == 0 else coefs,
        names,
        inputs,
    )


def _lags(value: Any, name: str, p: int) -> FloatArray:
    """Coefficients with the lag first; numbers for one output, one matrix for one lag."""
    if value is None:
        return np.zeros((0, p, p))
    array = numbers(value, name=name, caller=CALLER)
    if array.size == 0:
        return np.zeros((0, p, p))
    if array.ndim <= 1 and p == 1:
        array = array.reshape(-1, 1, 1)
    elif array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1:] != (p, p) or not np.isfinite(array).all():
        raise SpecificationError(
            f"{CALLER}: {name} must be finite numbers of shape (lags, {p}, {p}), as sigma_u says; "
            f"got shape {np.shape(value)}. Put the lag first."
        )
    return array


def _exog_lags(value: ArrayLike, p: int) -> FloatArray:
    array = numbers(value, name="exog_coefs", caller=CALLER)
    if array.ndim <= 1 and p == 1:
        array = array.reshape(1, 1, -1)
    elif array.ndim == 2:
        array = array[None]
    if array.ndim != 3 or array.shape[1] != p or not np.isfinite(array).all():
        raise SpecificationError(
            f"{CALLER}: exog_coefs must be finite numbers of shape (lags + 1, {p}, k_exog), the "
            f"coefficient of x_t first; got shape {np.shape(value)}. For inputs without lags give "
            f"({p}, k_exog)."
        )
    return array


def _vector(value: ArrayLike | None, name: str, p: int) -> FloatArray | None:
    if value is None:
        return None
    array = np.atleast_1d(numbers(value, name=name, caller=CALLER))
    if array.shape != (p,) or not np.isfinite(array).all():
        raise SpecificationError(
            f"{CALLER}: {name} must be {p} finite numbers, one an output; got shape "
            f"{np.shape(value)}."
        )
    return array


def _in_order(data: Any, names: tuple[str, ...] | None, what: str) -> Any:
    """Columns of a table in the order of a value's names, where they have these."""
    if names is None or not hasattr(data, "columns") or data.shape[1] != len(names):
        return data
    return data.iloc[:, by_name(data, names, what=what, caller=CALLER)]


def _data(endog: object, p: int, names: tuple[str, ...] | None) -> Endog:
    """Check the data; without data, one missing row."""
    if endog is None:
        labels = names or (("y",) if p == 1 else tuple(f"y{i + 1}" for i in range(p)))
        values = np.full((1, p), np.nan)
        values.setflags(write=False)
        return Endog(values, labels, pd.RangeIndex(1), is_series=p == 1, has_index=False)
    data = Endog.from_input(endog, caller=CALLER)
    if data.k_endog != p:
        raise DataError(
            f"{CALLER}: endog must have a column for each of the {p} outputs of sigma_u; got "
            f"{data.k_endog}."
        )
    return data


def _exog(exog: object, coefs: FloatArray | None, nobs: int, *, simulated: bool) -> object:
    """Check that inputs and coefficients go together; without data, one row of zeros."""
    if coefs is None:
        if exog is not None:
            raise SpecificationError(
                f"{CALLER}: exog needs exog_coefs; got none. Give an array of shape "
                "(lags + 1, k, k_exog), or leave exog out."
            )
        return None
    if exog is None and simulated:
        return np.zeros((nobs, coefs.shape[2]))
    shape = np.asarray(exog, dtype=object).shape
    width = shape[1] if len(shape) == 2 else 1
    if exog is None or width != coefs.shape[2]:
        raise DataError(
            f"{CALLER}: exog must have a column for each of the {coefs.shape[2]} inputs of "
            f"exog_coefs; got {'none' if exog is None else width}."
        )
    return exog


# --- arithmetic ---------------------------------------------------------------------------------


def _in_echelon_form(
    system: InnovationsSystem, scale: FloatArray
) -> tuple[InnovationsSystem, tuple[int, ...]]:
    """Echelon coordinates and Kronecker indices; white noise gets a state that does nothing."""
    if len(system.transition):
        nu = kronecker_indices(system, scale=scale)
        return echelon(system, nu), nu
    p, k = system.direct.shape
    idle = np.zeros((1, 1)), np.eye(p, 1), np.zeros((1, p)), np.zeros((1, k))
    return InnovationsSystem(*idle, system.direct), (1,) + (0,) * (p - 1)


def mean_terms(
    ar: FloatArray,
    intercept: FloatArray | None,
    slope: FloatArray | None,
    scale: FloatArray,
    caller: str,
) -> list[FloatArray]:
    """Constant and slope of the outputs' mean from those of the equation.

    ``A(L) (b_0 + b_1 t) = intercept + slope t`` gives ``A(1) b_1 = slope`` and
    ``A(1) b_0 + (sum_i i A_i) b_1 = intercept``.

    Parameters
    ----------
    ar : ndarray, shape (q, p, p)
    intercept, slope : ndarray, shape (p,), or None
    scale : ndarray, shape (p,)
        Sizes of the outputs: whether there is a unit root does not depend on their units.
    caller : str

    Returns
    -------
    list of ndarray, shape (p,)
        None, a constant, or a constant and a slope (also where a unit root makes a slope of an
        intercept).

    Raises
    ------
    SpecificationError
        Where a unit root makes more than a linear trend of them.
    """
    if intercept is None and slope is None:
        return []
    p = ar.shape[1]
    ar = ar / scale[:, None] * scale
    at_one = np.eye(p) - ar.sum(axis=0)
    drift = np.tensordot(np.arange(1.0, len(ar) + 1), ar, axes=1)
    nu = np.zeros(p) if intercept is None else intercept / scale
    tau = np.zeros(p) if slope is None else slope / scale
    if np.linalg.cond(at_one) < 1e12:
        b1 = np.linalg.solve(at_one, tau)
        b0 = np.linalg.solve(at_one, nu - drift @ b1)
        return [scale * b0] if slope is None else [scale * b0, scale * b1]
    stacked = np.block([[at_one, drift], [np.zeros((p, p)), at_one]])
    right = np.concatenate([nu, tau])
    found = np.linalg.lstsq(stacked, right, rcond=1e-12)[0]
    if np.abs(stacked @ found - right).max() > 1e-8 * max(float(np.abs(right).max()), 1e-300):
        raise SpecificationError(
            f"{caller}: with a unit root intercept and slope must add up to at most a linear "
            "trend of the outputs; got a steeper one. Difference the series."
        )
    b0, b1 = found[:p], found[p:]
    rounding = 1e-10 * (np.abs(at_one) @ np.abs(b0) + np.abs(nu))
    level = slope is None and (np.abs(at_one @ b0 - nu) <= rounding).all()
    return [scale * b0] if level else [scale * b0, scale * b1]


def _check_roots(system: InnovationsSystem, initial: str) -> None:
    roots = np.linalg.eigvals(system.transition) if len(system.transition) else np.zeros(1)
    largest = roots[int(np.argmax(np.abs(roots)))]
    if initial == "stationary" and not abs(largest) < 1.0:
        raise SpecificationError(
            f"{CALLER}: initial='stationary' needs autoregressive roots inside the unit circle; "
            f"got one of modulus {abs(largest):.6g}. Use initial='diffuse', or 'known' for a "
            "process that starts at zero."
        )


def _tell_cancellation(given: _Given, scale: FloatArray, names: tuple[str, ...]) -> None:
    """Warn where the model has more roots than it needs."""
    report = coprimeness(given.ar, given.ma, given.exog, scale=scale) if _dynamic(given) else None
    if report is not None and not report.coprime:
        words = "; ".join(case.words(names) for case in report.common)
        warn(
            f"{CALLER}: ar and ma have a common factor: {words}. The model is reduced from "
            f"{report.k_states} to {report.mcmillan_degree} states, with the same likelihood.",
            ConversionWarning,
        )


def _tell_rounding(whole: InnovationsSystem, system: InnovationsSystem, scale: FloatArray) -> None:
    """Warn where the coordinates are so badly conditioned that the responses are others."""
    steps = len(whole.transition) + 10
    gap = 0.0
    for responses, units in ((system_responses, scale), (input_responses, np.ones(1))):
        due, found = (responses(part, steps) / scale[:, None] * units for part in (whole, system))
        largest = np.abs(due).max(axis=(0, 1), initial=1e-300)
        gap = max(gap, float((np.abs(found - due) / largest).max(initial=0.0)))
    if not gap <= 1e-8:
        warn(
            f"{CALLER}: the echelon coordinates are badly conditioned here, and rounding moves "
            f"responses by {gap:.1g} of the largest. Put outputs that inputs move most first, or "
            "give the model in fewer lags.",
            ConversionWarning,
        )


def _dynamic(given: _Given) -> bool:
    return bool(len(given.ar) or len(given.ma))


def _enters(system: InnovationsSystem) -> str:
    """Where inputs enter."""
    if not system.inputs.shape[1] or not system.direct.any():
        return "state"
    return "both" if system.inputs.any() else "output"
