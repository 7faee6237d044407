"""The same model on more rows, on later rows only, or on other data."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.kalman import kalman_filter, loglike, loglikeobs
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import (
    FittedModel,
    FloatArray,
    ParameterLayout,
    StateSpaceModel,
)

__all__ = [
    "ContinuedModel",
    "appended_model",
    "applied_model",
    "continued_model",
    "future_inputs",
    "is_named",
    "rows_index",
]


def future_inputs(
    model: FittedModel, exog: Any, steps: int, *, caller: str, what: str = "exog"
) -> FloatArray | None:
    """Check inputs of rows past the sample.

    Parameters
    ----------
    model : FittedModel
    exog : Series, DataFrame, array_like or None
    steps : int
        Rows past the sample.
    caller : str
    what : {"exog", "exog_transition"}
        Which inputs, the name of the argument and of the model's attribute.

    Returns
    -------
    ndarray of shape (steps, k_exog), or None for a model without inputs

    Raises
    ------
    SpecificationError
        Inputs were given and there is no use for them.
    DataError
        Inputs are needed; the message names the columns.
    """
    known: Exog | None = getattr(model, what)
    if exog is not None and (known is None or steps <= 0):
        reason = "the model has no inputs" if known is None else "no row lies past the sample"
        raise SpecificationError(
            f"{caller}: {what} holds inputs of rows past the sample; got some although {reason}. "
            f"Leave {what} out."
        )
    if known is None or steps <= 0:
        return None
    index = model.endog.future_index(steps)
    return known.future(exog, steps, index, caller=caller, what=what)


def rows_index(model: FittedModel, rows: int) -> pd.Index:
    """Return the labels of the sample and of rows past it.

    Parameters
    ----------
    model : FittedModel
    rows : int
        Rows in all, at least those of the sample.

    Returns
    -------
    Index
    """
    endog = model.endog
    steps = rows - model.nobs
    if steps <= 0:
        return endog.index
    return endog.extended_with(np.full((steps, endog.k_endog), np.nan)).index


def appended_model(
    model: StateSpaceModel, endog: Any, exog: Any, *, caller: str
) -> StateSpaceModel:
    """Return the model on its own rows and the new ones.

    Parameters
    ----------
    model : StateSpaceModel
    endog : Series, DataFrame or array_like
        Rows after the sample.
    exog : Series, DataFrame, array_like or None
        Their inputs.
    caller : str

    Returns
    -------
    StateSpaceModel

    Raises
    ------
    DataError
        The new rows do not continue the sample, or inputs are missing.
    """
    longer = model.endog.extended_with(endog, caller=caller)
    steps = longer.nobs - model.nobs
    if steps < 1:
        raise DataError(f"{caller}: endog must have at least one new row; got 0. Pass later rows.")
    rows = future_inputs(model, exog, steps, caller=caller)
    inputs = None
    if model.exog is not None and rows is not None:
        inputs = model.exog.extended_with(rows)
    if isinstance(model, ContinuedModel):
        whole = appended_model(model.whole, endog, exog, caller=caller)
        return ContinuedModel(whole, model.first, model.start_params)
    return model.clone(longer, inputs)


def continued_model(
    model: StateSpaceModel, params: FloatArray, endog: Any, exog: Any, *, caller: str
) -> ContinuedModel:
    """Return the model on the new rows only, starting where the sample ends.

    Parameters
    ----------
    model : StateSpaceModel
    params : ndarray of shape (K,)
        Parameters at which the sample is filtered to get the start.
    endog, exog : Series, DataFrame or array_like
        Rows after the sample, and their inputs.
    caller : str

    Returns
    -------
    ContinuedModel
    """
    longer = appended_model(model, endog, exog, caller=caller)
    if isinstance(longer, ContinuedModel):
        return ContinuedModel(longer.whole, longer.first + model.nobs, params)
    return ContinuedModel(longer, model.nobs, params)


def applied_model(model: StateSpaceModel, endog: Any, exog: Any) -> StateSpaceModel:
    """Return the model on other data; data without names get those of the model's own.

    Parameters
    ----------
    model : StateSpaceModel
        The structure.
    endog, exog : Series, DataFrame or array_like
        Other outputs and their inputs. Columns with the model's names may come in any order.

    Returns
    -------
    StateSpaceModel
        A clone.

    Raises
    ------
    DataError
        Another number of columns, the model's names in other places beside foreign ones, or no
        inputs for a model that has some.
    SpecificationError
        Inputs for a model without.
    """
    outputs = Endog.from_input(endog, caller="apply")
    _same_number("endog", outputs.names, model.endog.names)
    order, names = _matched("endog", outputs.names, model.endog.names, is_named(endog))
    if names != model.endog.names and _restricts(model):
        raise DataError(
            f"apply: the restrictions of this model are about {', '.join(model.endog.names)}; got "
            f"{', '.join(names)}. Rename the columns, or pass an array."
        )
    outputs = replace(outputs, values=_columns(outputs.values, order), names=names)
    inputs = Exog.from_input(exog, outputs, caller="apply")
    if model.exog is None:
        if inputs is not None:
            raise SpecificationError(
                "apply: the model has no inputs; got exog. Leave exog out, or fit a model with it."
            )
        return model.clone(outputs)
    if inputs is None:
        raise DataError(
            f"apply: exog must give {', '.join(map(repr, model.exog.names))} for the "
            f"{outputs.nobs} rows of endog; got None. Pass the inputs of these rows."
        )
    _same_number("exog", inputs.names, model.exog.names)
    order, names = _matched("exog", inputs.names, model.exog.names, is_named(exog))
    return model.clone(outputs, replace(inputs, values=_columns(inputs.values, order), names=names))


def _same_number(what: str, given: tuple[str, ...], due: tuple[str, ...]) -> None:
    if len(given) != len(due):
        raise DataError(
            f"apply: {what} must have as many columns as the model's ({', '.join(due)}); got "
            f"{len(given)}. Leave a column without values as NaN, or fit another model."
        )


def _matched(
    what: str, given: tuple[str, ...], due: tuple[str, ...], named: bool
) -> tuple[list[int], tuple[str, ...]]:
    """Return the order of columns and their names: by name if they are the model's own.

    Other names are kept and taken in their order, unless some are the model's in another place.
    """
    if not named:
        return list(range(len(due))), due
    if set(given) == set(due):
        return [given.index(name) for name in due], due
    moved = [name for i, name in enumerate(due) if name in given and given[i] != name]
    if moved:
        raise DataError(
            f"apply: {what} must have the model's columns ({', '.join(due)}) or others in their "
            f"order; got {', '.join(given)}, with {moved[0]!r} in another place. Rename the "
            "columns, or pass an array if their order is the model's."
        )
    return list(range(len(due))), given


def _restricts(model: StateSpaceModel) -> bool:
    """Say whether a restriction is about a parameter labelled with an output."""
    for pair in model.layout.fixed.items():
        for label in (text.split("[", 1)[-1][:-1] for text in pair if isinstance(text, str)):
            if any(f",{name}," in f",{label}," for name in model.endog.names):
                return True
    return False


def _columns(values: FloatArray, order: list[int]) -> FloatArray:
    taken = np.ascontiguousarray(values[:, order])
    taken.setflags(write=False)
    return taken


def is_named(data: Any) -> bool:
    """Say whether the user's data bring names of their own.

    Parameters
    ----------
    data : Series, DataFrame, array_like, Endog or Exog

    Returns
    -------
    bool
    """
    named_series = isinstance(data, pd.Series) and data.name is not None
    return named_series or isinstance(data, (pd.DataFrame, Endog, Exog))


class ContinuedModel:
    """Rows `first` and later of a model, given the rows before.

    The start is the predicted state at row `first`, by the filter over the earlier rows. Time
    trends go on counting. Log-likelihood and derivatives are those of the later rows given the
    earlier ones; the start moves with the parameters.

    Parameters
    ----------
    whole : StateSpaceModel
        Model on all rows.
    first : int
        First row that belongs to this one.
    start_params : ndarray of shape (K,)
        Parameters of the results that were extended.
    """

    def __init__(self, whole: StateSpaceModel, first: int, start_params: FloatArray) -> None:
        self.whole = whole
        self.first = first
        self.start_params = start_params
        self.name, self.title, self.form = whole.name, whole.title, whole.form
        self.trend = whole.trend
        self.layout: ParameterLayout = whole.layout
        self.param_names, self.state_names = whole.param_names, whole.state_names
        self.k_endog, self.k_states = whole.k_endog, whole.k_states
        self.nobs = whole.nobs - first
        data = whole.endog
        later = data.values[first:]
        # rows of an array keep the numbers they have in the whole, so they count as labelled
        self.endog = Endog(later, data.names, data.index[first:], data.is_series, True)
        self.exog: Exog | None = None
        if whole.exog is not None:
            self.exog = Exog(whole.exog.values[first:], whole.exog.names)

    def system(
        self, params: FloatArray, *, steps: int = 0, exog: FloatArray | None = None
    ) -> StateSpace:
        """Return the system of the later rows, its start given the earlier ones.

        Parameters
        ----------
        params : ndarray of shape (K,)
            All natural parameters.
        steps : int
            Rows past the sample.
        exog : ndarray of shape (steps, k_exog), optional
            Their inputs.

        Returns
        -------
        StateSpace
            Rows `first` to ``nobs + steps`` of the whole model's.

        Raises
        ------
        SpecificationError
            The earlier rows do not determine a diffuse start.
        """
        system = self.whole.system(params, steps=steps, exog=exog)
        values = self.whole.endog.values.copy()
        values[self.first :] = np.nan
        before = kalman_filter(self.whole.system(params), values)
        p, m, r = system.k_endog, system.k_states, system.k_posdef
        places = StateSpace.offsets(p, m, r)
        matrices = system.matrices.copy()
        diffuse = before.predicted_diffuse_cov[self.first]
        if np.any(diffuse):
            raise SpecificationError(
                f"extend: the earlier rows must determine a diffuse start; got {self.first} rows "
                f"for {int(system.initial_diffuse.sum())} diffuse states. Use append."
            )
        matrices[places["initial_mean"][0]] = before.predicted_state[self.first]
        matrices[places["initial_cov"][0]] = before.predicted_state_cov[self.first].ravel()
        matrices[places["initial_diffuse"][0]] = 0.0
        outputs, states = (
            values if values.ndim == 1 else np.ascontiguousarray(values[self.first :])
            for values in (system.obs_intercept, system.state_intercept)
        )
        return system.replaced(
            matrices=matrices,
            obs_intercept=outputs,
            state_intercept=states,
            start="given",
            first_step="none",
        )

    def _earlier(self) -> StateSpaceModel:
        """Return the model on all rows with the later ones missing."""
        data = self.whole.endog
        values = data.values.copy()
        values[self.first :] = np.nan
        values.setflags(write=False)
        blanked = Endog(values, data.names, data.index, data.is_series, data.has_index)
        return self.whole.clone(blanked, self.whole.exog)

    def loglike(self, params: FloatArray) -> float:
        """Return the log-likelihood of the later rows given the earlier ones.

        Parameters
        ----------
        params : ndarray of shape (K,)
            All natural parameters.

        Returns
        -------
        float
            Constants as in statsmodels.
        """
        return float(loglike(self.system(params), self.endog.values))

    def loglikeobs(self, params: FloatArray) -> FloatArray:
        """Return the log-likelihood by row.

        Parameters
        ----------
        params : ndarray of shape (K,)
            All natural parameters.

        Returns
        -------
        ndarray of shape (nobs,)
            Of each later row given all rows before it.
        """
        values: FloatArray = loglikeobs(self.system(params), self.endog.values)
        return values

    def score_obs(self, params: FloatArray) -> FloatArray:
        """Return the derivative of `loglikeobs`.

        Parameters
        ----------
        params : ndarray of shape (K,)
            All natural parameters.

        Returns
        -------
        ndarray of shape (nobs, K)
            The start moves with the parameters.
        """
        return self.whole.score_obs(params)[self.first :]

    def hessian(self, params: FloatArray) -> FloatArray:
        """Return the second derivative of the log-likelihood.

        Parameters
        ----------
        params : ndarray of shape (K,)
            All natural parameters.

        Returns
        -------
        ndarray of shape (K, K)
            That of all rows less that of the earlier ones.
        """
        return self.whole.hessian(params) - self._earlier().hessian(params)

    def information(self, params: FloatArray) -> FloatArray:
        """Return the expected information of the later rows.

        Parameters
        ----------
        params : ndarray of shape (K,)
            All natural parameters.

        Returns
        -------
        ndarray of shape (K, K)
            That of all rows less that of the earlier ones.
        """
        return self.whole.information(params) - self._earlier().information(params)

    def clone(self, endog: Any, exog: Any = None) -> StateSpaceModel:
        """Return the whole model's structure on other data, with the model's own start.

        Parameters
        ----------
        endog, exog : Endog and Exog, or what they accept
            Other outputs and inputs.

        Returns
        -------
        StateSpaceModel
            Not continued from anything.
        """
        return self.whole.clone(endog, exog)

    def fit(self, **kwargs: Any) -> Any:
        """Refuse: the later rows alone are no sample for the model.

        Parameters
        ----------
        **kwargs
            Options of a fit.

        Raises
        ------
        SpecificationError
            Always.
        """
        raise SpecificationError(
            "extend: results on later rows only keep their parameters; got a refit. "
            "Use append(..., refit=True) of the results on all rows."
        )
