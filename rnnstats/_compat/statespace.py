"""Reading of fitted statsmodels state space models, by their public attributes alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

__all__ = ["StateSpaceReading", "read_state_space"]

FloatArray = NDArray[np.float64]
ARRAYS = (
    "design",
    "obs_intercept",
    "obs_cov",
    "transition",
    "state_intercept",
    "selection",
    "state_cov",
)


@dataclass(frozen=True)
class StateSpaceReading:
    """A fitted statsmodels state space model.

    ``y_t = Z a_t + d_t + eps_t``, ``a_{t+1} = T a_t + c_t + R eta_t`` for t = 1 .. nobs; the start
    is that of a_1.

    Attributes
    ----------
    kinds : tuple of str
        Names of the model's class and of those it inherits from.
    names : tuple of str
    params : ndarray, shape (K,)
    fixed : mapping of str to float
        Parameters that the fit held.
    endog : DataFrame or Series
    exog : DataFrame or None
        Inputs with coefficients among the parameters.
    start_kinds : tuple of str, length k_states
        ``"stationary"``, ``"diffuse"``, ``"approximate_diffuse"`` or ``"known"``.
    start_mean, start_cov : ndarray, shape (k_states,) and (k_states, k_states)
        Of the first state where some states start with known moments; zero in diffuse directions.
    llf : float
    burn : int
        Rows at the start that `llf` leaves out.
    scale : float or None
        Estimate of the scale where it was concentrated out of the likelihood.
    """

    kinds: tuple[str, ...]
    names: tuple[str, ...]
    params: FloatArray
    fixed: Mapping[str, float]
    endog: pd.DataFrame | pd.Series
    exog: pd.DataFrame | None
    start_kinds: tuple[str, ...]
    start_mean: FloatArray
    start_cov: FloatArray
    llf: float
    burn: int
    scale: float | None
    _model: Any = field(repr=False)
    _results: Any = field(repr=False)

    def arrays(self, params: FloatArray | None = None) -> dict[str, FloatArray]:
        """System matrices at given parameters (default: the estimates), time as the last axis.

        Parameters
        ----------
        params : ndarray, shape (K,), optional

        Returns
        -------
        dict of str to ndarray
            By statsmodels' names.
        """
        model = self._model
        options = _update_options(model)
        try:
            model.update(self.params if params is None else params, **options)
            return {name: np.real(np.array(getattr(model.ssm, name))) for name in ARRAYS}
        finally:
            model.update(self.params, **options)

    def attribute(self, name: str) -> Any:
        """Return an attribute of the model, or of the results; None where there is none."""
        return getattr(self._model, name, getattr(self._results, name, None))


def read_state_space(results: Any) -> StateSpaceReading | None:
    """Read the results of a state space model.

    Parameters
    ----------
    results : object
        Anything.

    Returns
    -------
    StateSpaceReading or None
        None where it is no result of such a model.
    """
    results = getattr(results, "_results", results)
    model: Any = getattr(results, "model", None)
    parts = ("ssm", "update", "param_names", "endog_names")
    if not all(hasattr(model, name) for name in parts) or not hasattr(results, "params"):
        return None
    params = np.array(np.asarray(results.params), dtype=np.float64)
    endog = _endog(model)
    start = model.ssm.initialization
    model.update(params, **_update_options(model))
    kinds = _start_kinds(start, int(model.ssm.k_states))
    mean, cov = _moments(start, model, kinds)
    scale = float(results.scale) if bool(model.ssm.filter_concentrated) else None
    names = tuple(str(name) for name in model.param_names)
    held = [str(name) for name in getattr(results, "fixed_params", None) or ()]
    return StateSpaceReading(
        kinds=tuple(kind.__name__ for kind in type(model).__mro__),
        names=names,
        params=params,
        fixed={name: float(params[names.index(name)]) for name in held},
        endog=endog,
        exog=_exog(model, endog.index),
        start_kinds=kinds,
        start_mean=mean,
        start_cov=_without_rounding(cov) * (1.0 if scale is None else scale),
        llf=float(results.llf),
        burn=int(getattr(results, "loglikelihood_burn", 0) or 0),
        scale=scale,
        _model=model,
        _results=results,
    )


def _update_options(model: Any) -> dict[str, bool]:
    """Options with which ``update`` takes all parameters, where some are being held."""
    return {"includes_fixed": True} if getattr(model, "_fixed_params", None) else {}


def _endog(model: Any) -> pd.DataFrame | pd.Series:
    """Data as the likelihood sees them, labelled."""
    values = np.array(model.endog, dtype=np.float64)
    values = values[:, None] if values.ndim == 1 else values
    index = _index(model, len(values))
    names = model.endog_names
    if values.shape[1] == 1:
        name = names if isinstance(names, str) else str(names[0])
        return pd.Series(values[:, 0], index=index, name=name)
    return pd.DataFrame(values, index=index, columns=[str(name) for name in names])


def _index(model: Any, nobs: int) -> pd.Index:
    for index in (getattr(model, "_index", None), getattr(model.data, "row_labels", None)):
        if isinstance(index, (pd.DatetimeIndex, pd.PeriodIndex)) and len(index) == nobs:
            return index
    labels: Any = getattr(model.data, "row_labels", None)
    return pd.Index(labels) if labels is not None and len(labels) == nobs else pd.RangeIndex(nobs)


def _exog(model: Any, index: pd.Index) -> pd.DataFrame | None:
    values = getattr(model, "exog", None)
    if values is None or np.size(values) == 0:
        return None
    array = np.array(values, dtype=np.float64).reshape(len(index), -1)
    names = model.exog_names
    names = [names] if isinstance(names, str) else list(names or [])
    if len(names) != array.shape[1]:
        names = [f"x{j + 1}" for j in range(array.shape[1])]
    return pd.DataFrame(array, index=index, columns=[str(name) for name in names])


def _start_kinds(start: Any, k_states: int) -> tuple[str, ...]:
    """How each state starts; "" where the model does not say."""
    kinds = [""] * k_states
    if start is None:
        return tuple(kinds)
    if start.initialization_type is not None:
        return (str(start.initialization_type),) * k_states
    for places, block in start.blocks.items():
        for place in np.arange(k_states)[np.atleast_1d(np.asarray(places, dtype=int))]:
            kinds[int(place)] = str(block.initialization_type)
    return tuple(kinds)


def _without_rounding(cov: FloatArray) -> FloatArray:
    """Set states with no variance, or a negative one by rounding, to none at all."""
    sizes = np.diagonal(cov)
    none = (sizes <= 0.0) & (np.abs(sizes) <= 1e-12 * np.abs(cov).max(initial=0.0))
    return np.where(none[:, None] | none, 0.0, cov)


def _moments(start: Any, model: Any, kinds: tuple[str, ...]) -> tuple[FloatArray, FloatArray]:
    """Mean and covariance of the first state, zero where it is diffuse."""
    m = len(kinds)
    if "known" not in kinds or "" in kinds:
        return np.zeros(m), np.zeros((m, m))
    constant, _, cov = start(model=model.ssm)
    proper = np.array([not kind.endswith("diffuse") for kind in kinds])
    mean = np.where(proper, np.real(np.asarray(constant)), 0.0)
    finite = np.where(np.outer(proper, proper), np.real(np.asarray(cov)), 0.0)
    return mean.astype(np.float64), finite.astype(np.float64)
