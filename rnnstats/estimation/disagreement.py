"""White's information-matrix test with its distribution from simulated samples.

The variance of the scores equals the curvature of the log-likelihood where the model is right. The
statistic is about the differences that standard errors depend on, and its distribution comes from
samples drawn from the fitted model instead of from asymptotics: the usual form of the test, from a
regression on scores, rejects true models far too often (Chesher and Spady 1991).

References
----------
White (1982), Econometrica 50, 1-25. Horowitz (1994), Journal of Econometrics 61, 395-411, and
Dhaene and Hoorelbeke (2004), Economics Letters 82, 341-347 (critical values and covariance by the
parametric bootstrap). Chesher and Spady (1991), Econometrica 59, 787-815.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from rnnstats.estimation.convergence import FloatArray

__all__ = ["InformationTest", "indicators", "information_test"]


class InformationTest(NamedTuple):
    """Outcome of the test.

    Attributes
    ----------
    statistic : float
        Squared Mahalanobis distance of the indicators from zero.
    pvalue : float
        Share of simulated samples with a larger one, the sample itself counted.
    pvalues : ndarray, shape (q,)
        The same for each indicator alone, two-sided.
    """

    statistic: float
    pvalue: float
    pvalues: FloatArray


def indicators(hessian: FloatArray, opg: FloatArray, inverse: FloatArray) -> FloatArray:
    """Relative difference between sandwich and information-based variance of each parameter.

    Parameters
    ----------
    hessian : ndarray, shape (k, k)
        Of the log-likelihood.
    opg : ndarray, shape (k, k)
        Outer product of the scores of single observations.
    inverse : ndarray, shape (k, k)
        Of the expected information, or a generalised inverse.

    Returns
    -------
    ndarray, shape (q,)
        ``diag(C (H + S) C) / diag(C)``, a first-order form of the ratio minus one; only for
        parameters with a positive variance. Does not depend on units.
    """
    variances = np.diagonal(inverse)
    live = variances > 0.0
    found = np.einsum("ij,jk,ki->i", inverse[live], hessian + opg, inverse[:, live])
    return np.asarray(found / variances[live], dtype=np.float64)


def information_test(
    observed: FloatArray, simulated: FloatArray, scores: FloatArray
) -> InformationTest:
    """Judge indicators against those of simulated samples.

    Parameters
    ----------
    observed : ndarray, shape (q,)
        Indicators of the sample, at its own maximum.
    simulated : ndarray, shape (draws, q)
        Indicators of samples drawn from the fitted model, at the parameters they were drawn with.
    scores : ndarray, shape (draws, k)
        Scores of these samples there.

    Returns
    -------
    InformationTest

    Notes
    -----
    That the parameters are estimated changes the indicators, to first order, by their projection on
    the score (White 1982, theorem 4.1), which is taken out of the simulated ones by regression.
    Sample and simulated samples are then exchangeable, and the rank of the sample's distance among
    all is a p-value without further approximation.
    """
    kept, values, _ = np.linalg.svd(scores / np.linalg.norm(scores, axis=0), full_matrices=False)
    basis = kept[:, values > 1e-8 * values.max()]
    share = (basis**2).sum(axis=1, keepdims=True)
    rest = (simulated - basis @ (basis.T @ simulated)) / np.sqrt(np.maximum(1.0 - share, 1e-3))
    pool = np.vstack([observed, rest])
    size = np.sqrt((pool**2).sum(axis=0))
    unit = pool / np.where(size > 0.0, size, 1.0)
    left, values, _ = np.linalg.svd(unit, full_matrices=False)
    left = left[:, values > 1e-8 * values.max()]
    distances = (left**2).sum(axis=1)
    # each distance with the others' covariance: a function of the pooled one that rises with it
    outside = len(rest) * distances[0] / max(1.0 - distances[0], 1e-12)
    larger = float((distances[1:] >= distances[0]).sum())
    alone = (np.abs(rest) >= np.abs(observed)).sum(axis=0)
    total = len(rest) + 1.0
    return InformationTest(float(outside), (larger + 1.0) / total, (alone + 1.0) / total)
