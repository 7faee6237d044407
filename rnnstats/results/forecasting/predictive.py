"""A predictive distribution that is an equal mixture of normal ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special

from rnnstats.results.protocol import FloatArray

__all__ = ["Mixture"]

# Halvings of the bracket of a quantile: its width by then is rounding.
HALVINGS = 60
# Standard deviations beyond which a normal distribution has no mass worth finding.
TAIL = 9.0


@dataclass(frozen=True, eq=False)
class Mixture:
    """Equal mixture of normal distributions, one for each row and output.

    Attributes
    ----------
    centre, spread : ndarray of shape (draws, rows, k)
        Means and standard deviations; a spread of zero is a point.
    """

    centre: FloatArray
    spread: FloatArray

    def quantile(self, share: float) -> FloatArray:
        """
        Return a quantile.

        Parameters
        ----------
        share : float
            Between 0 and 1.

        Returns
        -------
        ndarray of shape (rows, k)
            Of points alone: interpolated between them, as `numpy.quantile` does.
        """
        if not self.spread.any():
            return np.asarray(np.quantile(self.centre, share, axis=0))
        low = (self.centre - TAIL * self.spread).min(axis=0)
        high = (self.centre + TAIL * self.spread).max(axis=0)
        for _ in range(HALVINGS):
            middle = 0.5 * (low + high)
            below = special.ndtr((middle - self.centre) / self.spread).mean(axis=0) < share
            low, high = np.where(below, middle, low), np.where(below, high, middle)
        return np.asarray(0.5 * (low + high))

    def part(self, rows: slice) -> Mixture:
        """
        Return the mixture of some rows.

        Parameters
        ----------
        rows : slice

        Returns
        -------
        Mixture
        """
        return Mixture(self.centre[:, rows], self.spread[:, rows])
