"""The part of results with regimes that moves to more rows, to later rows, or to other data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from rnnstats._checks import check_bool
from rnnstats.data import Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.continuation import future_inputs
from rnnstats.results.moving import moved_results
from rnnstats.results.other_rows import names_sequences, renamed, with_names, with_sequences
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.outputs import coded_rows
from rnnstats.results.regimes.protocol import RegimeModel
from rnnstats.results.regimes.revisions.continued import ContinuedRegimes

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RegimeContinuation", "appended_regimes"]


class RegimeContinuation:
    """The part of results that moves to other data.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    def append(
        self,
        endog: Any,
        exog: Any = None,
        refit: bool = False,
        *,
        exog_transition: Any = None,
        groups: Any = None,
        start: Any = None,
        **fit_kwargs: Any,
    ) -> Self:
        """Return results for the sample with later rows or further sequences added.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Rows that continue the sample, with several sequences its last one; with `groups` also
            further sequences.
        exog : Series, DataFrame or array_like, optional
            Their inputs.
        refit : bool
            Estimate again on all rows, from these parameters; by default they are kept, with
            their standard errors.
        exog_transition : Series, DataFrame or array_like, optional
            Their inputs of the transitions.
        groups : array_like, optional
            Sequence of each new row, for a model with sequences: those of the last one continue it,
            others begin anew. Not needed where an index of two levels says it.
        start : array_like or DataFrame, optional
            Start by sequence of all sequences, where the model has one and sequences are new.
        **fit_kwargs
            Options of ``fit``.

        Returns
        -------
        MarkovResults

        Raises
        ------
        DataError
            The rows do not continue the sample, or inputs are missing.
        """
        caller = "append"
        model = appended_regimes(
            self.model, endog, exog, exog_transition, groups=groups, start=start, caller=caller
        )
        again = check_bool(refit, name="refit", caller=caller)
        moved: Self = moved_results(self, model, again, fit_kwargs, caller=caller)
        return moved

    def extend(self, endog: Any, exog: Any = None, *, exog_transition: Any = None) -> Self:
        """Return results for later rows only, starting from the regimes at the end of the sample.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Rows that continue the sample, with several sequences its last one.
        exog, exog_transition : Series, DataFrame or array_like, optional
            Their inputs.

        Returns
        -------
        MarkovResults
            Parameters and standard errors are kept; log-likelihood and probabilities are those of
            the later rows given the sample, the last rows of which are their lags.

        Raises
        ------
        DataError
            The rows do not continue the sample, or inputs are missing.
        """
        longer = appended_regimes(self.model, endog, exog, exog_transition, caller="extend")
        if isinstance(longer, ContinuedRegimes):
            first = longer.first + self.model.nobs
            model = ContinuedRegimes(longer.whole, first, self._theta)
        else:
            model = ContinuedRegimes(longer, self.model.nobs, self._theta)
        moved: Self = moved_results(self, model, False, {}, caller="extend")
        return moved

    def apply(
        self,
        endog: Any,
        exog: Any = None,
        refit: bool = False,
        *,
        exog_transition: Any = None,
        groups: Any = None,
        start: Any = None,
        **fit_kwargs: Any,
    ) -> Self:
        """Return results of the same model for other data.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Other outputs, as many as before; any rows. Arrays get the names of the model's data;
            columns that have its names are put in its order.
        exog : Series, DataFrame or array_like, optional
            Their inputs.
        refit : bool
            Estimate again on them, from these parameters; by default they are kept, with their
            standard errors.
        exog_transition : Series, DataFrame or array_like, optional
            Their inputs of the transitions.
        groups : str, Series or array_like, optional
            Sequence of each row; by default one, or those of an index with two levels.
        start : array_like or DataFrame, optional
            Start by sequence, where the model has one.
        **fit_kwargs
            Options of ``fit``.

        Returns
        -------
        MarkovResults

        Raises
        ------
        DataError
            Columns that do not fit the model's, or inputs are missing.
        SpecificationError
            Inputs for a model without.
        """
        caller = "apply"
        named = with_names(self.model, endog, groups, caller)
        if start is None and not isinstance(self.model.start, str):
            start = self.model.start if np.ndim(self.model.start) == 1 else None
        index = getattr(named, "index", None)
        model = self.model.clone(
            named, renamed(exog, self.model.exog, index), groups=groups, start=start,
            exog_transition=renamed(exog_transition, self.model.exog_transition, index),
        )  # fmt: skip
        again = check_bool(refit, name="refit", caller=caller)
        moved: Self = moved_results(self, model, again, fit_kwargs, caller=caller)
        return moved


def appended_regimes(
    model: Any,
    endog: Any,
    exog: Any,
    exog_transition: Any,
    *,
    groups: Any = None,
    start: Any = None,
    caller: str,
) -> Any:
    """Return the model on its own rows and the new ones.

    Parameters
    ----------
    model : RegimeModel
    endog : Series, DataFrame or array_like
        Rows after the sample.
    exog, exog_transition : Series, DataFrame, array_like or None
        Their inputs.
    groups : array_like, optional
        Sequence of each new row.
    start : array_like or DataFrame, optional
        Start by sequence.
    caller : str

    Returns
    -------
    RegimeModel

    Raises
    ------
    DataError
        The new rows do not continue the sample, or inputs are missing.
    """
    if isinstance(model, ContinuedRegimes):
        if groups is not None:
            raise SpecificationError(
                f"{caller}: results of later rows go on with their own sequence; got groups. "
                "Append to the results that were extended."
            )
        whole = appended_regimes(model.whole, endog, exog, exog_transition, caller=caller)
        return ContinuedRegimes(whole, model.first, model.start_params)
    rows = coded_rows(model, endog, caller)
    if caller == "append" and groups is None and names_sequences(rows):
        groups = rows.index.get_level_values(0) if model.endog.sequences else None
    if groups is None:
        longer = model.endog.extended_with(rows, caller=caller)
    else:
        longer = with_sequences(model.endog, rows, groups, caller)
    steps = longer.nobs - model.nobs
    if steps < 1:
        raise DataError(f"{caller}: endog must have at least one new row; got 0. Pass later rows.")
    index = longer.index[model.nobs :]
    parts: list[Exog | None] = []
    for what, given in (("exog", exog), ("exog_transition", exog_transition)):
        known: Exog | None = getattr(model, what)
        if known is None or groups is None:
            more = future_inputs(model, given, steps, caller=caller, what=what)
        else:
            more = known.future(given, steps, index, caller=caller, what=what)
        parts.append(None if known is None or more is None else known.extended_with(more))
    if start is None and not isinstance(model.start, str):
        start = model.start
    return model.clone(longer, parts[0], exog_transition=parts[1], start=start)
