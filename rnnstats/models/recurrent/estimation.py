"""The fit of a recurrent model, and what the fit asks of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.models._fitting import StartPoint

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods
    from rnnstats.results.nonlinear import RecurrentResults

__all__ = ["RecurrentEstimation"]

FloatArray = NDArray[np.float64]


class RecurrentEstimation:
    """Maximum likelihood, with or without a penalty, of the models of `RecurrentMethods`."""

    def fit(
        self,
        *,
        start_params: ArrayLike | None = None,
        method: str = "auto",
        n_starts: int | None = None,
        maxiter: int = 500,
        cov_type: str = "oim",
        cov_kwds: Mapping[str, Any] | None = None,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
        n_jobs: int = 1,
        penalty: float | str | None = None,
    ) -> RecurrentResults:
        """Maximum likelihood, or penalised maximum likelihood.

        Parameters
        ----------
        start_params : array_like, shape (K,), optional
            Start here, in natural units. Alone unless ``n_starts`` is given too.
        method : {"auto", "scoring", "newton", "bfgs"}
            "auto": Fisher scoring (Gauss-Newton for normal outputs) within a trust region, then the
            exact curvature.
        n_starts : int, optional
            Number of starts found from the data; the results' ``starts`` shows where each ended.
        maxiter : int
            Largest number of iterations a start.
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            Covariance of the estimates.
        cov_kwds : mapping, optional
            Options of "hac" and "cluster", see ``with_cov`` of the results.
        rng : numpy.random.Generator or int, optional
            For starts drawn at random. Default: a fixed seed, so that a fit can be repeated.
        progress : bool
            Show progress when the work takes over about two seconds.
        n_jobs : int
            Number of processes for the starts, -1 for all; the numbers do not depend on it.
        penalty : float or {"rolling"}, optional
            Weight of a ridge penalty: half of it times the sum of squares of the standardised
            weights (all but the constants of the readout and the head's own parameters) is taken
            off the log-likelihood, as by a normal prior of variance ``1 / penalty``; then there is
            a maximum. "rolling" chooses it by one-step
            predictive score in rolling windows. Default: that of the model. Results of a penalised
            fit say so, and count effective degrees of freedom.

        Returns
        -------
        RecurrentResults
            Also when the optimiser stopped early or was interrupted: ``results.convergence`` says
            how it went.

        Raises
        ------
        DataError
            When there are not more observations than free parameters, or a series does not vary.
        SpecificationError
            For an argument that is not allowed, or when no start is admissible.

        Warns
        -----
        ConvergenceWarning
            When the optimiser stopped before its criteria were met, or weights run to infinity.
        """
        from rnnstats.models.recurrent.fit import fitting

        found: RecurrentResults = fitting.fit(
            self._network,
            start_params=start_params,
            method=method,
            n_starts=n_starts,
            maxiter=maxiter,
            cov_type=cov_type,
            cov_kwds=cov_kwds,
            rng=rng,
            progress=progress,
            n_jobs=n_jobs,
            penalty=penalty,
        )
        return found

    # --- what the base class asks for ----------------------------------------------------------

    def _normalised(self, theta: FloatArray) -> FloatArray:
        from rnnstats.models.recurrent.fit.alignment import normalised

        return normalised(self._network, theta)

    def _boundary(self, theta: FloatArray) -> tuple[str, ...]:
        from rnnstats.models.recurrent.fit.endings import boundary_words

        return boundary_words(self._network, theta)

    def _starting_points(self, rng: np.random.Generator, number: int) -> list[StartPoint]:
        from rnnstats.models.recurrent.fit.starts import starting_points

        return starting_points(self._network, rng, number)

    @property
    def _network(self) -> RecurrentMethods:
        return cast("RecurrentMethods", self)
