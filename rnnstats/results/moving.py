"""Results of the same parameters for other data."""

from __future__ import annotations

from typing import Any

import numpy as np

from rnnstats.errors import SpecificationError
from rnnstats.results.inference.covariances import Kept
from rnnstats.results.protocol import FloatArray

__all__ = ["OTHER_DATA", "estimated_on", "moved_results", "row_scores"]

OTHER_DATA = "Parameters and standard errors were estimated on other data and applied to these."


def moved_results(
    results: Any, model: Any, refit: bool, options: dict[str, Any], *, caller: str
) -> Any:
    """Make results of a model on other data.

    Parameters
    ----------
    results : Results
        Those whose parameters are kept, or from which a fit starts.
    model : FittedModel
        On the other data.
    refit : bool
        Estimate again.
    options : dict
        Options of the fit.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    Results
        Of the same class; with kept parameters also the covariance is kept.

    Raises
    ------
    SpecificationError
        Options of a fit without one.
    """
    if not refit:
        if options:
            raise SpecificationError(
                f"{caller}: options of fit are used with refit=True only; got "
                f"{', '.join(options)}. Add refit=True or leave them out."
            )
        kept, kwds = Kept(results), results.cov_kwds
        return type(results)(model, results._theta, results.cov_type, None, kept, OTHER_DATA, kwds)
    settings = {
        "start_params": results._theta, **results._same_covariance(options), **options,
    }  # fmt: skip
    return model.fit(**settings)


def estimated_on(results: Any) -> Any:
    """Find the results that gave the estimates, where these count the same rows.

    Parameters
    ----------
    results : Results

    Returns
    -------
    Results or None
        The results themselves where they were fitted; those to which rows were appended; None where
        the estimates come from rows that are not the first of these, and count as independent of
        them.
    """
    found = results
    while isinstance(found._given_covariance, Kept):
        found = found._given_covariance.origin
    if found._given_covariance is not None:
        return None
    if found is results:
        return results
    first, rows = found.model.endog, results.model.endog
    n = first.nobs
    same = rows.nobs >= n and rows.index[:n].equals(first.index)
    same = same and np.array_equal(rows.values[:n], first.values, equal_nan=True)
    if not same or not np.array_equal(first.offsets[:-1], rows.offsets[rows.offsets < n]):
        return None
    return found


def row_scores(origin: Any, nobs: int) -> FloatArray:
    """Scores that gave the estimates, among the rows of results that begin with theirs.

    Parameters
    ----------
    origin : Results
        As `estimated_on` finds them.
    nobs : int
        Rows of the other results.

    Returns
    -------
    ndarray of shape (nobs, K)
        Less their mean, since scores of penalised estimates do not add up to zero. Zero in rows
        that the estimates know nothing of: those that came later, or are conditioned on.
    """
    gave = np.asarray(origin.model.rows)
    own = np.nan_to_num(origin._derivatives.score_obs)[gave]
    scores = np.zeros((nobs, own.shape[1]))
    scores[gave] = own - own.mean(axis=0)
    return scores
