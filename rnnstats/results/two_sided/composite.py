"""Effective number of parameters of a composite likelihood.

References
----------
Varin and Vidoni (2005), Biometrika 92, 519-528; Gao and Song (2010), JASA 105, 1531-1540.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from rnnstats.estimation.hac import cluster_meat, hac_meat
from rnnstats.results.protocol import FloatArray

__all__ = ["score_trace"]

# Directions of the curvature, scaled to unit diagonal, that count as flat below this eigenvalue.
FLAT = 1e-10


def score_trace(
    scores: FloatArray, curvature: FloatArray, cov_type: str, options: Mapping[str, Any]
) -> float:
    """Trace of the variance of the score times the inverse curvature.

    Parameters
    ----------
    scores : ndarray of shape (nobs, k)
        Of each row, by the free parameters.
    curvature : ndarray of shape (k, k)
        Positive semi-definite; a ridge included.
    cov_type : str
        "cluster" takes rows of different clusters for uncorrelated; any other the long-run
        variance over time.
    options : mapping
        Of "cluster" and "hac".

    Returns
    -------
    float
        The number of parameters where the objective is a log-likelihood and the model is right;
        directions without curvature add nothing.
    """
    if cov_type == "cluster":
        meat = cluster_meat(scores, **options)
    else:
        meat = hac_meat(scores, **(options if cov_type == "hac" else {}))
    size = np.sqrt(np.diagonal(curvature))
    live = size > 0.0
    scale = np.where(live, size, 1.0)
    values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
    kept = values > FLAT * max(float(values.max(initial=0.0)), 1e-300)
    root = (vectors[:, kept] / np.sqrt(values[kept])) / scale[:, None]
    return float(np.sum((root.T @ meat) * root.T))
