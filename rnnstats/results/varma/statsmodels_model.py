"""A vector ARMA model handed to statsmodels: parameters, timing, start."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rnnstats._checks import by_name
from rnnstats._compat import varma as compat
from rnnstats.data import Endog, Exog
from rnnstats.equivalence.polynomials import from_polynomials
from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.riccati import solve_stein
from rnnstats.equivalence.systems import powers
from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import ContinuedModel, applied_model
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.varma.mapping import Coefficients

__all__ = ["Sample", "to_statsmodels"]

CALLER = "VARMA.to_statsmodels"


@dataclass(frozen=True, eq=False)
class Sample:
    """A fitted model with its data.

    Attributes
    ----------
    model : StateSpaceModel
    theta : ndarray, shape (K,)
    """

    model: StateSpaceModel
    theta: FloatArray

    @property
    def endog_names(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(self.model.endog.names)

    @property
    def exog_names(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return () if self.model.exog is None else tuple(self.model.exog.names)


class _Path(NamedTuple):
    """What the errors add to, and how uncertain the start is.

    Attributes
    ----------
    mean : ndarray, shape (rows, p)
        Expected outputs of the first rows, before any is seen.
    rows : ndarray, shape (rows * p, n)
        How the first predicted state shows in them.
    cov : ndarray, shape (n, n)
        Covariance of that state, less the steady-state error that the innovations stand for.
    diffuse : bool
        Whether the first row's forecast is flat instead, and nothing else is of the past.
    """

    mean: FloatArray
    rows: FloatArray
    cov: FloatArray
    diffuse: bool = False


class _Inputs(NamedTuple):
    """Inputs and what they were before the first row.

    Attributes
    ----------
    names : tuple of str
    before : ndarray, shape (lags, k_exog)
        Rows before the first that lags reach, the oldest first.
    rows : ndarray, shape (nobs, k_exog)
    """

    names: tuple[str, ...]
    before: FloatArray
    rows: FloatArray

    def lagged(self, lag: int) -> FloatArray:
        """Inputs so many rows back, shape (nobs, k_exog)."""
        end = len(self.before)
        return np.vstack([self.before, self.rows])[end - lag : end - lag + len(self.rows)]


def to_statsmodels(
    found: Coefficients,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    sample: Sample | None,
    steady_cov: FloatArray | None,
    endog: Any,
    exog: Any,
) -> tuple[Any, pd.Series]:
    """Make the statsmodels model and its parameters.

    Parameters
    ----------
    found : Coefficients
        With ``ar0 = I``.
    names : pair of tuples of str
        Outputs and inputs.
    sample : Sample, optional
        The fitted model; None for a model made from coefficients.
    steady_cov : ndarray, optional
        Error covariance of its state in the steady state.
    endog, exog : Series, DataFrame or array_like, optional
        Other data.

    Returns
    -------
    model : VARMAX or SARIMAX
    params : Series

    Raises
    ------
    DataError
        No data, or data that do not fit.
    SpecificationError
        A start that statsmodels' models cannot have.
    """
    model, outputs, inputs = _data(names, sample, endog, exog)
    p = found.polynomials
    lags = max(len(p.ar), len(p.ma), 1)
    x = np.zeros((outputs.nobs, 0)) if inputs is None else inputs.values
    first = 1 + (model.first if isinstance(model, ContinuedModel) else 0)
    if outputs.nobs < lags:
        raise DataError(
            f"{CALLER}: as many rows as lags ({lags}) are needed; got {outputs.nobs}. Give more."
        )
    if model is not None and sample is not None and steady_cov is not None:
        path = _fitted_path(model.system(sample.theta), steady_cov, lags)
    else:
        path = _stationary_path(found, x, lags)
    plain = not x.shape[1] and not found.trend.any()
    default = plain and (model is None or model.system(_theta(sample)).start == "stationary")
    rows = outputs.values
    frame = pd.DataFrame(rows, index=outputs.index, columns=list(outputs.names))
    if path.diffuse:  # flat at the first row with an observation
        lead = int(np.argmax(np.isfinite(rows).any(axis=1)))
        frame, first = frame.iloc[lead:], first + lead
        inputs = None if inputs is None else Exog(inputs.values[lead:], inputs.names)
    known = None
    if inputs is not None:
        before = _before(model, _theta(sample), inputs.values, len(p.exog) - 1)
        known = _Inputs(inputs.names, before, inputs.values)
    if len(names[0]) == 1:
        return _univariate(found, frame, known, path, first, default)
    return _multivariate(found, frame, known, path, first, default)


def _before(
    model: StateSpaceModel | None, theta: FloatArray, x: FloatArray, lags: int
) -> FloatArray:
    """Inputs before the first row: earlier ones of the sample, else what the start takes them for.

    A stationary start takes the first row's for those of ever, others take zero.
    """
    earlier = x[:0]
    if isinstance(model, ContinuedModel) and model.whole.exog is not None:
        x = model.whole.exog.values
        earlier, model = x[max(model.first - lags, 0) : model.first], model.whole
    held = model is None or model.system(theta).start == "stationary"
    first = x[:1] if held else np.zeros((1, x.shape[1]))
    return np.vstack([np.repeat(first, lags - len(earlier), axis=0), earlier])


def _in_order(data: Any, names: tuple[str, ...], what: str) -> Any:
    """Columns of a table in the order of the model's names, where they have these."""
    if not hasattr(data, "columns") or data.shape[1] != len(names):
        return data
    return data.iloc[:, by_name(data, names, what=what, caller=CALLER)]


def _theta(sample: Sample | None) -> FloatArray:
    return np.zeros(0) if sample is None else sample.theta


def _data(
    names: tuple[tuple[str, ...], tuple[str, ...]], sample: Sample | None, endog: Any, exog: Any
) -> tuple[StateSpaceModel | None, Endog, Exog | None]:
    """Return the model on the data asked for, and the data."""
    if endog is None and sample is None:
        raise DataError(
            f"{CALLER}: a model made from coefficients has no data; got endog=None. Give endog."
        )
    if endog is None and sample is not None:
        if exog is not None:
            raise DataError(
                f"{CALLER}: exog belongs to other outputs; got it without endog. Give both."
            )
        return sample.model, sample.model.endog, sample.model.exog
    if sample is not None:
        model = applied_model(sample.model, endog, exog)
        return model, model.endog, model.exog
    outputs = Endog.from_input(_in_order(endog, names[0], "endog"), caller=CALLER)
    inputs = Exog.from_input(_in_order(exog, names[1], "exog"), outputs, caller=CALLER)
    widths = (outputs.k_endog, 0 if inputs is None else inputs.values.shape[1])
    if widths != (len(names[0]), len(names[1])):
        raise DataError(
            f"{CALLER}: the model has {len(names[0])} outputs and {len(names[1])} inputs; got "
            f"{widths[0]} and {widths[1]} columns. Give endog and exog of these widths."
        )
    return None, outputs, inputs


# -- the start ------------------------------------------------------------------------------------


def _fitted_path(system: StateSpace, steady_cov: FloatArray, rows: int) -> _Path:
    """Path of a state space model from its own start."""
    a, z = system.transition, system.design
    if system.initial_diffuse.any() and system.start != "stationary":
        size = abs(np.linalg.det(z)) if z.shape[0] == z.shape[1] else 0.0
        if rows > 1 or not system.initial_diffuse.all() or abs(size - 1.0) > 1e-10:
            raise SpecificationError(
                f"{CALLER}: a diffuse start lies on the model's own states, and statsmodels' "
                "models have others, except where the states are the outputs' forecasts (one lag); "
                "got a diffuse start. Fit with initial='stationary' or 'known', or use the "
                "log-likelihood of the results."
            )
        blank = np.zeros((rows, len(z)))
        return _Path(blank, np.eye(len(z)), np.zeros(z.shape), diffuse=True)
    d, c = _rows(system.obs_intercept, rows), _rows(system.state_intercept, rows)
    noise = system.selection @ system.state_cov @ system.selection.T
    if system.start == "stationary":
        mean = np.linalg.solve(np.eye(len(a)) - a, c[0])
        cov = solve_stein(a, noise)
    else:
        mean, cov = np.array(system.initial_mean), np.array(system.initial_cov)
        if system.first_step != "none":
            mean, cov = a @ mean + c[0], a @ cov @ a.T
        if system.first_step == "noisy":
            cov = cov + noise
    path = np.empty((rows, system.k_endog))
    for t in range(rows):
        path[t] = z @ mean + d[t]
        if t + 1 < rows:
            mean = a @ mean + c[t + 1]
    shown = powers(z, a, rows).reshape(-1, len(a))
    return _Path(path, shown, cov - steady_cov)


def _rows(intercept: FloatArray, rows: int) -> FloatArray:
    if intercept.ndim == 2:
        return intercept[:rows]
    return np.broadcast_to(intercept, (rows, len(intercept)))


def _stationary_path(found: Coefficients, x: FloatArray, rows: int) -> _Path:
    """Path of a stationary model whose inputs were at their first row's values before."""
    p = found.polynomials
    system = from_polynomials(p.ar, p.ma) if len(p.ar) or len(p.ma) else None
    k = len(found.intercept)
    if system is None:
        held = _Inputs((), np.repeat(x[:1], max(len(p.exog) - 1, 0), axis=0), x)
        return _Path(_recursion(found, held, rows), np.zeros((rows * k, 0)), np.zeros((0, 0)))
    radius = spectral_radius(system.transition)
    if not radius < 1.0:
        raise SpecificationError(
            f"{CALLER}: a model made from coefficients starts from its stationary distribution; "
            f"got an autoregressive root of modulus {radius:.6g}. Use LinearRNN.from_varma with "
            "initial='known' or 'diffuse'."
        )
    noise = system.gain @ found.sigma_u
    cov = solve_stein(system.transition, noise @ system.gain.T)
    at_one = np.eye(k) - p.ar.sum(axis=0)
    rising = np.linalg.solve(at_one, found.trend)
    lags = np.arange(1, len(p.ar) + 1)[:, None, None]
    held = found.intercept - (lags * p.ar).sum(axis=0) @ rising
    if x.shape[1]:
        held = held + p.exog.sum(axis=0) @ x[0]
    before = np.linalg.solve(at_one, held)
    mean = np.empty((rows + len(p.ar), k))
    for i in range(len(p.ar)):
        mean[i] = before + rising * (i + 1 - len(p.ar))
    long = np.vstack([np.repeat(x[:1], len(p.exog), axis=0), x]) if x.shape[1] else x
    for t in range(rows):
        row = found.intercept + found.trend * (t + 1)
        for lag in range(1, len(p.ar) + 1):
            row = row + p.ar[lag - 1] @ mean[len(p.ar) + t - lag]
        for lag in range(len(p.exog) if x.shape[1] else 0):
            row = row + p.exog[lag] @ long[len(p.exog) + t - lag]
        mean[len(p.ar) + t] = row
    shown = powers(system.design, system.transition, rows).reshape(-1, len(system.transition))
    return _Path(mean[len(p.ar) :], shown, cov)


def _recursion(
    found: Coefficients, inputs: _Inputs | None, rows: int, first: int = 1
) -> FloatArray:
    """Outputs without errors when outputs and errors before the first row are zero."""
    p = found.polynomials
    out = np.zeros((rows, len(found.intercept)))
    for t in range(rows):
        out[t] = found.intercept + found.trend * (t + first)
        for lag in range(1, min(t, len(p.ar)) + 1):
            out[t] += p.ar[lag - 1] @ out[t - lag]
        if inputs is not None and inputs.rows.shape[1]:
            out[t] += sum(coefs @ inputs.lagged(lag)[t] for lag, coefs in enumerate(p.exog))
    return out


class _Start(NamedTuple):
    """Moments of the first observer state ``s_i = sum_{l >= i} ar_l y_{i-l} + ma_l u_{i-l}``."""

    mean: FloatArray
    cov: FloatArray


def _observer_start(found: Coefficients, path: _Path, base: FloatArray) -> _Start:
    """Moments of the observer state that give the path and its uncertainty."""
    p = found.polynomials
    k, lags = len(found.intercept), len(base)
    ar = np.zeros((lags, k, k))
    ar[: len(p.ar)] = p.ar
    transition = np.eye(lags * k, k=k)
    transition[:, :k] = ar.reshape(-1, k)
    shown = powers(np.eye(k, lags * k), transition, lags).reshape(-1, lags * k)
    turn = np.linalg.solve(shown, path.rows)
    mean = np.asarray(np.linalg.solve(shown, (path.mean - base).ravel()), dtype=np.float64)
    return _Start(mean, turn @ path.cov @ turn.T)


# -- the two kinds --------------------------------------------------------------------------------


def _multivariate(
    found: Coefficients,
    frame: pd.DataFrame,
    inputs: _Inputs | None,
    path: _Path,
    first: int,
    default: bool,
) -> tuple[Any, pd.Series]:
    """VARMAX: its state stacks outputs and errors at lags 0, 1, ..."""
    p = found.polynomials
    k = len(found.intercept)
    q, r = len(p.ar), len(p.ma)
    order = (q, r) if q or r else (0, 1)
    columns = _lagged(inputs, len(p.exog), frame.index)
    start = None if default else _varmax_start(found, path, inputs, order, first)
    trend = _trend(found)
    model = compat.varmax_model(
        frame, columns, order=order, trend=trend, first_row=first, start=start
    )
    ma = p.ma if q or r else np.zeros((1, k, k))
    terms = {"n": [], "c": [found.intercept], "ct": [found.intercept, found.trend]}[trend]
    parts = [np.column_stack(terms).ravel() if terms else np.zeros(0)]
    parts += [
        np.concatenate(lags, axis=1).ravel() if len(lags) else np.zeros(0) for lags in (p.ar, ma)
    ]
    if columns is not None:
        parts.append(np.concatenate(p.exog, axis=1).ravel())
    parts.append(np.linalg.cholesky(found.sigma_u)[np.tril_indices(k)])
    values = np.concatenate(parts)
    return model, pd.Series(values, index=list(model.param_names), name="params")


def _trend(found: Coefficients) -> str:
    if found.trend.any():
        return "ct"
    return "c" if found.intercept.any() else "n"


def _lagged(inputs: _Inputs | None, lags: int, index: pd.Index) -> pd.DataFrame | None:
    """Inputs and their lags as columns."""
    if inputs is None:
        return None
    blocks = {}
    for lag in range(lags):
        for name, column in zip(inputs.names, inputs.lagged(lag).T, strict=True):
            blocks[name if lag == 0 else f"L{lag}.{name}"] = column
    return pd.DataFrame(blocks, index=index)


def _varmax_start(
    found: Coefficients, path: _Path, inputs: _Inputs | None, order: tuple[int, int], first: int
) -> compat.ModelStart:
    p = found.polynomials
    k, lags = len(found.intercept), len(path.mean)
    start = _observer_start(found, path, _recursion(found, inputs, lags, first))
    q, r = max(order[0], 1), order[1]
    # later observer states from earlier outputs and errors
    later = np.zeros(((lags - 1) * k, (q - 1 + max(r - 1, 0)) * k))
    for i in range(2, lags + 1):
        row = slice((i - 2) * k, (i - 1) * k)
        for part, offset, width in ((p.ar, 0, q - 1), (p.ma, q - 1, max(r - 1, 0))):
            for lag in range(i, len(part) + 1):
                column = offset + lag - i  # outputs at t = i - lag = 0, -1, ...
                if lag - i < width:
                    later[row, column * k : (column + 1) * k] = part[lag - 1]
    inverse = np.linalg.pinv(later, rcond=1e-13)
    size = (q + r) * k
    place = np.r_[np.arange(k, q * k), np.arange((q + 1) * k, size)] if r else np.arange(k, q * k)
    load = np.zeros((size, lags * k))
    load[:k, :k] = np.eye(k)
    load[np.ix_(place, np.arange(k, lags * k))] = inverse
    shock = np.zeros((size, k))
    shock[:k] = np.eye(k)
    if r:
        shock[q * k : (q + 1) * k] = np.eye(k)
    mean = load @ start.mean
    mean[:k] = path.mean[0]
    cov = load @ start.cov @ load.T + shock @ found.sigma_u @ shock.T
    return compat.ModelStart(mean, 0.5 * (cov + cov.T), k if path.diffuse else 0)


def _univariate(
    found: Coefficients,
    frame: pd.DataFrame,
    inputs: _Inputs | None,
    path: _Path,
    first: int,
    default: bool,
) -> tuple[Any, pd.Series]:
    """SARIMAX: its state is the observer state with the row's own error added."""
    p = found.polynomials
    ar, ma = p.ar[:, 0, 0], p.ma[:, 0, 0]
    columns, weights = _regressors(found, inputs, frame.index)
    start = None
    if not default:
        lags = len(path.mean)
        mean = path.mean
        if columns is not None:
            mean = mean - (columns.to_numpy()[:lags] @ weights)[:, None]
        bare = found._replace(polynomials=p._replace(exog=np.zeros((0, 1, 0))))
        base = _recursion(bare, None, lags, first)
        observer = _observer_start(found, path._replace(mean=mean), base)
        size = max(len(ar), len(ma) + 1)
        shock = np.zeros(size)
        shock[0] = 1.0
        shock[1 : len(ma) + 1] = ma
        state, cov = np.zeros(size), np.zeros((size, size))
        used = min(size, lags)
        state[:used], cov[:used, :used] = observer.mean[:used], observer.cov[:used, :used]
        state[0] = mean[0, 0]
        cov += float(found.sigma_u[0, 0]) * np.outer(shock, shock)
        start = compat.ModelStart(state, cov, 1 if path.diffuse else 0)
    trend = _trend(found)
    series = frame.iloc[:, 0]
    model = compat.sarimax_model(
        series,
        columns,
        order=(len(ar), len(ma)),
        trend=trend,
        first_row=first,
        start=start,
    )
    terms = {"n": [], "c": [found.intercept], "ct": [found.intercept, found.trend]}[trend]
    values = np.concatenate([*terms, weights, ar, ma, found.sigma_u.ravel()])
    return model, pd.Series(values, index=list(model.param_names), name="params")


def _regressors(
    found: Coefficients, inputs: _Inputs | None, index: pd.Index
) -> tuple[pd.DataFrame | None, FloatArray]:
    """Columns and coefficients of a regression whose errors are ARMA."""
    if inputs is None:
        return None, np.zeros(0)
    p = found.polynomials
    ar, exog = p.ar[:, 0, 0], p.exog[:, 0]
    # inputs that add to the output at once: exog(L) = ar(L) D
    implied = np.zeros((max(len(exog), len(ar) + 1), exog.shape[1]))
    implied[0] = exog[0]
    implied[1 : len(ar) + 1] = -np.outer(ar, exog[0])
    gap = implied.copy()
    gap[: len(exog)] -= exog
    if np.abs(gap).max() <= 1e-12 * max(float(np.abs(exog).max()), 1e-300):
        return pd.DataFrame(inputs.rows, index=index, columns=list(inputs.names)), exog[0]
    lagged = _lagged(inputs, len(exog), index)
    assert lagged is not None
    rows = lagged.to_numpy().copy()
    for t in range(len(rows)):
        for lag in range(1, min(t, len(ar)) + 1):
            rows[t] += ar[lag - 1] * rows[t - lag]
    names = [f"filtered {name}" for name in lagged.columns]
    return pd.DataFrame(rows, index=index, columns=names), exog.ravel()
