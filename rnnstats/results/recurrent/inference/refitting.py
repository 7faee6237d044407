"""Fits of a recurrent network to other outputs, with the units numbered as in the estimates."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np

from rnnstats.errors import ConvergenceWarning, RnnStatsError
from rnnstats.estimation.bootstrap import Refit
from rnnstats.estimation.convergence import Convergence
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentModel

__all__ = ["RecurrentRefitter"]

# A refit counts when a Newton step would move it by less than this many standard errors: weights of
# networks lie on long ridges, where the optimiser's own limit is far finer than sampling error.
NEAR = 0.05


class RecurrentRefitter:
    """Fits a recurrent network to other outputs, from its estimates.

    Parameters
    ----------
    model : RecurrentModel
    theta : ndarray of shape (K,)
        The start, and the order and signs of the units.
    """

    def __init__(self, model: RecurrentModel, theta: FloatArray) -> None:
        self.model = model
        self.theta = theta

    def on(self, values: FloatArray) -> RecurrentModel:
        """Return the model on other outputs.

        Parameters
        ----------
        values : ndarray of shape (nobs, k_endog)

        Returns
        -------
        RecurrentModel
        """
        made: RecurrentModel = self.model.clone(
            replace(self.model.endog, values=values), self.model.exog
        )
        return made

    def __call__(self, values: FloatArray) -> Refit:
        """Fit, and number the units as in the estimates.

        Parameters
        ----------
        values : ndarray of shape (nobs, k_endog)

        Returns
        -------
        Refit
        """
        try:
            model = self.on(values)
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)  # told by the record instead
                results = model.fit(start_params=self.theta, cov_type="none")
        except RnnStatsError as error:
            return Refit(None, f"{type(error).__name__}: {error}")
        record = results.convergence
        if record is not None and not (record.converged or _near(record)):
            return Refit(None, str(record.message))
        found = results.params.to_numpy(dtype=float)
        return Refit(np.asarray(model.aligned(found, self.theta), dtype=np.float64), "")


def _near(record: Convergence) -> bool:
    """Whether a climb that ran out of iterations stands at rest, by statistical measure.

    Weights that run away count: leaving such samples out would make the others look too regular.
    """
    return 0.0 <= record.newton_decrement <= NEAR**2 / 2 and record.hessian_negative == 0
