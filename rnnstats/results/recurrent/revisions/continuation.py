"""The part of a recurrent network's results that moves to more rows, later rows, or other data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rnnstats._checks import check_bool
from rnnstats.data import Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.continuation import future_inputs
from rnnstats.results.moving import moved_results
from rnnstats.results.other_rows import names_sequences, renamed, with_names, with_sequences
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentModel
from rnnstats.results.recurrent.revisions.continued import ContinuedNetwork
from rnnstats.results.regimes.outputs import coded_rows

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["RecurrentContinuation", "appended_network"]


class RecurrentContinuation:
    """The part of results that moves to other data.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel
    _theta: FloatArray

    def append(
        self,
        endog: Any,
        exog: Any = None,
        refit: bool = False,
        *,
        groups: Any = None,
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
        groups : array_like, optional
            Sequence of each new row, for a model with sequences: those of the last one continue it,
            others begin anew. Not needed where an index of two levels says it.
        **fit_kwargs
            Options of ``fit``.

        Returns
        -------
        RecurrentResults

        Raises
        ------
        DataError
            The rows do not continue the sample, or inputs are missing.
        """
        again = check_bool(refit, name="refit", caller="append")
        model = appended_network(
            self.model, endog, exog, groups=groups, refit=again, caller="append"
        )
        moved: Self = moved_results(self, model, again, fit_kwargs, caller="append")
        return moved

    def extend(self, endog: Any, exog: Any = None) -> Self:
        """Return results for later rows only, starting from the state at the end of the sample.

        Parameters
        ----------
        endog : Series, DataFrame or array_like
            Rows that continue the sample, with several sequences its last one.
        exog : Series, DataFrame or array_like, optional
            Their inputs.

        Returns
        -------
        RecurrentResults
            Parameters and standard errors are kept; log-likelihood and states are those of the
            later rows given the sample, the last rows of which are their lags.

        Raises
        ------
        DataError
            The rows do not continue the sample, or inputs are missing.
        """
        longer = appended_network(self.model, endog, exog, caller="extend")
        if isinstance(longer, ContinuedNetwork):
            first = longer.first + self.model.nobs
            model = ContinuedNetwork(longer.whole, first, self._theta)
        else:
            model = ContinuedNetwork(longer, self.model.nobs, self._theta)
        moved: Self = moved_results(self, model, False, {}, caller="extend")
        return moved

    def apply(
        self,
        endog: Any,
        exog: Any = None,
        refit: bool = False,
        *,
        groups: Any = None,
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
        groups : str, Series or array_like, optional
            Sequence of each row; by default one, or those of an index with two levels.
        **fit_kwargs
            Options of ``fit``.

        Returns
        -------
        RecurrentResults

        Raises
        ------
        DataError
            Columns that do not fit the model's, or inputs are missing.
        SpecificationError
            Inputs for a model without.
        """
        named = with_names(self.model, endog, groups, "apply")
        index = getattr(named, "index", None)
        model = self.model.clone(named, renamed(exog, self.model.exog, index), groups=groups)
        again = check_bool(refit, name="refit", caller="apply")
        model = model if again else model.standardised_as(self.model)
        moved: Self = moved_results(self, model, again, fit_kwargs, caller="apply")
        return moved


def appended_network(
    model: Any, endog: Any, exog: Any, *, groups: Any = None, refit: bool = False, caller: str
) -> Any:
    """Return the model on its own rows and the new ones.

    Parameters
    ----------
    model : RecurrentModel
    endog : Series, DataFrame or array_like
        Rows after the sample.
    exog : Series, DataFrame, array_like or None
        Their inputs.
    groups : array_like, optional
        Sequence of each new row.
    refit : bool
        Whether it will be fitted again; if not, it keeps the standard units of its sample.
    caller : str

    Returns
    -------
    RecurrentModel

    Raises
    ------
    DataError
        The new rows do not continue the sample, or inputs are missing.
    """
    if isinstance(model, ContinuedNetwork):
        if groups is not None:
            raise SpecificationError(
                f"{caller}: results of later rows go on with their own sequence; got groups. "
                "Append to the results that were extended."
            )
        whole = appended_network(model.whole, endog, exog, caller=caller)
        return ContinuedNetwork(whole, model.first, model.start_params)
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
    known: Exog | None = model.exog
    if known is None or groups is None:
        more = future_inputs(model, exog, steps, caller=caller)
    else:
        more = known.future(exog, steps, longer.index[model.nobs :], caller=caller, what="exog")
    inputs = None if known is None or more is None else known.extended_with(more)
    made = model.clone(longer, inputs)
    return made if refit else made.standardised_as(model)
