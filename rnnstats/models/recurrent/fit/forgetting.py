"""Whether the state of a network forgets where it was.

The recursion of the state along the sample is a product of Jacobians. Where a small change of the
state grows (positive Lyapunov exponent), it never forgets its start, and the likelihood is no
smooth function of the weights any more: the filter is not invertible in the sense of Straumann and
Mikosch (2006), Annals of Statistics 34, 2449-2495.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import networks
from rnnstats.kernels.networks import Network
from rnnstats.models.recurrent.likelihood import Evaluation

__all__ = ["NEUTRAL", "forgets", "growth", "lyapunov"]

FloatArray = NDArray[np.float64]
# Lyapunov exponents below this are zero but for rounding.
NEUTRAL = 1e-6


def lyapunov(arch: Network, here: Evaluation) -> float:
    """
    Largest Lyapunov exponent of the state's recursion along the sample.

    Parameters
    ----------
    arch : Network
    here : Evaluation

    Returns
    -------
    float
        Mean logarithm, a row, of the growth of a small change of the state. Minus infinity where
        the state is forgotten at once. Sequences are run through one after the other; of a
        two-sided network the direction that forgets less.
    """
    return max(growth(found) for found in networks.slopes(arch, here.weights, here.run))


def forgets(arch: Network, here: Evaluation) -> bool:
    """
    Say whether the largest Lyapunov exponent is not positive.

    Parameters
    ----------
    arch : Network
    here : Evaluation

    Returns
    -------
    bool
        The norm of a product is at most the product of the norms: often that is enough to know.
    """
    for found in networks.slopes(arch, here.weights, here.run):
        with np.errstate(divide="ignore"):
            bound = np.log((found * found).sum(axis=(1, 2))).sum() - math.log(found.shape[1])
        if not bound <= 0.0 and growth(found) > 0.0:
            return False
    return True


def growth(slopes: FloatArray) -> float:
    """
    Mean logarithm of the growth that a product of matrices brings.

    Parameters
    ----------
    slopes : ndarray, shape (n, s, s)
        The first acts first.

    Returns
    -------
    float
        Of the root mean square of the product's singular values, a factor.
    """
    rows, size = slopes.shape[:2]
    if size == 1:
        sizes = np.abs(slopes)
        return float(np.log(sizes).mean()) if sizes.all() else -math.inf
    total = -0.5 * math.log(size)
    while True:
        norms = np.sqrt((slopes * slopes).sum(axis=(1, 2)))
        if not norms.all():
            return -math.inf
        total += float(np.log(norms).sum())
        if len(slopes) == 1:
            return float(total / rows)
        scaled = slopes / norms[:, None, None]
        last = scaled[len(scaled) - len(scaled) % 2 :]
        pairs = scaled[1::2] @ scaled[0 : 2 * (len(scaled) // 2) : 2]
        slopes = np.concatenate([pairs, last])
