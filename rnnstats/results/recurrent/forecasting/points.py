"""Points of the unit cube that paths are drawn from: spread evenly, in independent replicates.

Each replicate is a scrambled Sobol sequence and its mirror image. Means over a replicate are
unbiased, vary far less than those over independent points, and are exact for what is odd about the
centre; their spread between replicates is the Monte Carlo error.

References
----------
Owen, A. B. (1997), Scrambled net variance for integrals of smooth functions, Annals of Statistics
25, 1541-1562. L'Ecuyer, P. (2018), Randomized quasi-Monte Carlo: an introduction for practitioners,
in Monte Carlo and Quasi-Monte Carlo Methods, Springer.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import qmc

from rnnstats.results.protocol import FloatArray

__all__ = ["REPLICATES", "mirrored_points", "replicate_error", "size_of"]

# Independent replicates: enough to tell the error, few enough to leave each one long.
REPLICATES = 8
# Coordinates that are spread evenly; further ones are independent.
EVEN = 512
# Distance from the faces of the cube: quantiles stay finite.
EDGE = 2.0**-32


def size_of(draws: int) -> int:
    """Round a number of points up to what replicates and mirror images need.

    Parameters
    ----------
    draws : int

    Returns
    -------
    int
        ``2 * REPLICATES`` times a power of two.
    """
    half = max(1, -(-draws // (2 * REPLICATES)))
    return 2 * REPLICATES * int(2 ** int(np.ceil(np.log2(half))))


def mirrored_points(
    draws: int, dimensions: int, rng: np.random.Generator, blocks: int = 1
) -> FloatArray:
    """Draw points.

    Parameters
    ----------
    draws : int
        Of `size_of`; divided by `blocks` still even.
    dimensions : int
    rng : numpy.random.Generator
    blocks : int
        Runs of points each of which is spread evenly, and mirrored, by itself: a power of two a
        replicate is needed for each.

    Returns
    -------
    ndarray of shape (draws, dimensions)
        Strictly between 0 and 1; replicates one after the other, and within each run of a replicate
        the points, then their mirror images.
    """
    each = draws // (2 * REPLICATES * blocks)
    even = min(dimensions, EVEN)
    found = np.empty((REPLICATES, blocks, 2, each, dimensions))
    for one in found:
        points = rng.random((blocks, each, dimensions))
        if even:
            sobol = qmc.Sobol(d=even, scramble=True, seed=rng)
            spread = [sobol.random(each) for _ in range(blocks)]
            points[:, :, :even] = np.stack(spread)
        one[:, 0] = np.clip(points, EDGE, 1.0 - EDGE)
        one[:, 1] = 1.0 - one[:, 0]
    return found.reshape(-1, dimensions)


def replicate_error(values: FloatArray) -> FloatArray:
    """Standard error of the mean over points, from the spread between replicates.

    Parameters
    ----------
    values : ndarray of shape (draws, ...)
        Replicates one after the other; one draw is exact.

    Returns
    -------
    ndarray of shape (...)
    """
    if len(values) == 1:
        return np.zeros(values.shape[1:])
    means = values.reshape(REPLICATES, -1, *values.shape[1:]).mean(axis=1)
    return np.asarray(means.std(axis=0, ddof=1) / np.sqrt(REPLICATES))
