"""hmmlearn's compiled recursions ("scaling") and its GaussianHMM. Only where it is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
TOLERANCE = 1e-8


def available() -> bool:
    """Whether hmmlearn is installed."""
    return importlib.util.find_spec("hmmlearn") is not None


class Recursions:
    """Its recursions on a chain; every one starts from the log densities, as ours do.

    Parameters
    ----------
    log_density : ndarray, shape (nobs, K)
    transition : ndarray, shape (K, K)
    start : ndarray, shape (K,)
    """

    def __init__(self, log_density: FloatArray, transition: FloatArray, start: FloatArray) -> None:
        from hmmlearn import _hmmc

        self.core: Any = _hmmc
        self.log_density, self.transition, self.start = log_density, transition, start

    def forward(self) -> float:
        """Log-likelihood, as in its ``_score_scaling``."""
        density = np.exp(self.log_density)
        return float(self.core.forward_scaling(self.start, self.transition, density)[0])

    def posteriors(self) -> FloatArray:
        """Smoothed probabilities, as in its ``score_samples``."""
        density = np.exp(self.log_density)
        _, forward, scale = self.core.forward_scaling(self.start, self.transition, density)
        backward = self.core.backward_scaling(self.start, self.transition, density, scale)
        out: FloatArray = forward * backward
        out /= out.sum(axis=1, keepdims=True)
        return out

    def expectation(self) -> tuple[FloatArray, FloatArray]:
        """Smoothed probabilities and expected numbers of steps, as in its ``_fit_scaling``."""
        density = np.exp(self.log_density)
        _, forward, scale = self.core.forward_scaling(self.start, self.transition, density)
        backward = self.core.backward_scaling(self.start, self.transition, density, scale)
        smoothed: FloatArray = forward * backward
        smoothed /= smoothed.sum(axis=1, keepdims=True)
        steps = self.core.compute_scaling_xi_sum(forward, self.transition, backward, density)
        return smoothed, steps

    def viterbi(self) -> float:
        """Log density of the most likely path, with the path."""
        return float(self.core.viterbi(self.start, self.transition, self.log_density)[0])


def gaussian_fit(
    y: FloatArray,
    means: FloatArray,
    variances: FloatArray,
    transition: FloatArray,
    start: FloatArray,
    tol: float,
) -> Any:
    """Its maximum likelihood (no priors) by expectation-maximisation from given parameters.

    Parameters
    ----------
    y : ndarray, shape (nobs,)
    means, variances, start : ndarray, shape (K,)
    transition : ndarray, shape (K, K)
    tol : float
        Stop when a step gains less than this in log-likelihood.

    Returns
    -------
    hmmlearn.hmm.GaussianHMM
        Fitted; ``monitor_.history`` has the log-likelihoods.
    """
    from hmmlearn.hmm import GaussianHMM

    model = GaussianHMM(
        n_components=len(means), covariance_type="diag", implementation="scaling", init_params="",
        n_iter=5_000, tol=tol, covars_prior=0.0, min_covar=0.0,
    )  # fmt: skip
    model.startprob_, model.transmat_ = start.copy(), transition.copy()
    model.means_, model.covars_ = means[:, None].copy(), variances[:, None].copy()
    return model.fit(y[:, None])
