"""Results of the same parameters for other data."""

from __future__ import annotations

from typing import Any

from rnnstats.errors import SpecificationError
from rnnstats.results.inference.covariances import Kept

__all__ = ["OTHER_DATA", "moved_results"]

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
