"""Covariance of estimates, and of the functions of them that the data identify (delta method).

References
----------
Rao and Mitra (1971), Generalized Inverse of Matrices and its Applications, section 7.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.estimation.convergence import FloatArray

NDArrayBool = NDArray[np.bool_]

__all__ = ["LOADING", "CovarianceEstimate", "Free", "NDArrayBool", "delta_method"]

# A parameter, or a function of parameters, loads on a flat direction when the squared cosine
# between its derivative and the flat directions exceeds this (coordinates of unit information).
LOADING = 1e-8


class Free(NamedTuple):
    """Generalised inverse in free coordinates, and the directions that it leaves out."""

    ties: FloatArray  # (K, k) derivative of all parameters by the free ones
    inverse: FloatArray  # (k, k) covariance on the identified directions
    null: FloatArray  # (k, r) orthonormal in coordinates of unit information
    scale: FloatArray  # (k,) what one such unit is
    blank: NDArrayBool  # (k,) no second derivative exists


@dataclass(frozen=True, slots=True, eq=False)
class CovarianceEstimate:
    """A covariance matrix of estimates and what there is to say about it.

    Attributes
    ----------
    cov : ndarray, shape (K, K)
        In the coordinates and order of all parameters. Fixed parameters have variance zero;
        parameters that are not identified have NaN.
    cov_type : str
        The kind asked for.
    rank : int
        Number of identified directions among the free ones.
    k_free : int
        Number of free parameters.
    unidentified : tuple of str
        Names of the parameters with NaN variance.
    message : str
        Empty when all is well; otherwise a sentence for a warning.
    """

    cov: FloatArray
    cov_type: str
    rank: int
    k_free: int
    unidentified: tuple[str, ...]
    message: str
    _free: Free | None = None

    @property
    def generalised(self) -> FloatArray:
        """Generalised inverse of the information, (K, K): right for estimable functions only.

        Of a function that the data identify, ``g' generalised g`` is the variance whatever the
        coordinates of the rest; of others the number means nothing. `of` decides.
        """
        if self._free is None:
            return np.nan_to_num(self.cov, nan=0.0)
        return np.asarray(self._free.ties @ self._free.inverse @ self._free.ties.T)

    @property
    def null_directions(self) -> FloatArray:
        """Directions of the parameters without information, (K, r), in natural units."""
        if self._free is None:
            return np.eye(len(self.cov))[:, np.isnan(np.diagonal(self.cov))]
        free = self._free
        blank = np.eye(len(free.scale))[:, free.blank]
        return np.asarray(free.ties @ np.hstack([free.null * free.scale[:, None], blank]))

    @property
    def at_boundary(self) -> NDArrayBool:
        """Which parameters, (K,), have no standard error because there is no Hessian there.

        They lie at the boundary of the parameter space, such as a variance of zero.
        """
        if self._free is None:
            return np.zeros(len(self.cov), dtype=bool)
        return np.asarray((self._free.ties[:, self._free.blank] != 0.0).any(axis=1))

    @property
    def varying(self) -> NDArrayBool:
        """Which parameters, (K,), are not taken as known, see `holding_boundary`."""
        if self._free is None:
            return np.ones(len(self.cov), dtype=bool)
        return np.asarray((self._free.ties != 0.0).any(axis=1))

    def holding_boundary(self) -> CovarianceEstimate:
        """Return the covariance given the parameters at the boundary, taken as known.

        Returns
        -------
        CovarianceEstimate
            `of` leaves out what these parameters add to a function, instead of giving NaN; and
            `varying` says that functions need no derivative by them (there may be none).
        """
        free = self._free
        if free is None or not free.blank.any():
            return self
        ties = np.where(free.blank, 0.0, free.ties)
        return replace(self, _free=free._replace(ties=ties, blank=np.zeros_like(free.blank)))

    def among(self, positions: Sequence[int]) -> CovarianceEstimate:
        """Return the covariance of some of the parameters, for functions of these alone.

        Parameters
        ----------
        positions : sequence of int
            Their places among all parameters, such as those of the free ones.

        Returns
        -------
        CovarianceEstimate
        """
        places = list(positions)
        free = self._free
        if free is not None:
            free = free._replace(ties=free.ties[places])
        return replace(self, cov=self.cov[np.ix_(places, places)], _free=free)

    def of(self, jac: ArrayLike) -> FloatArray:
        """Covariance of functions of the estimates (delta method).

        Parameters
        ----------
        jac : array_like, shape (q, K)
            Derivatives of the functions with respect to all parameters.

        Returns
        -------
        ndarray, shape (q, q)
            NaN in the rows and columns of functions that are not estimable: those whose derivative
            does not vanish along the directions without information. Functions of identified
            quantities have their variance even where each parameter they are made of has none.

        Notes
        -----
        The cosine between derivative and null directions decides, in coordinates in which each
        parameter has unit information, so units do not matter; a derivative by differences that is
        good to 1e-5 is good enough. Rao and Mitra (1971), section 7.2.
        """
        slopes = np.atleast_2d(np.asarray(jac, dtype=np.float64))
        free = self._free
        if free is None:
            return _marked(slopes, self.cov)
        reduced = slopes @ free.ties
        spread = reduced @ free.inverse @ reduced.T
        lost = (reduced[:, free.blank] != 0.0).any(axis=1) | _leaks(reduced, free)
        spread[lost, :] = np.nan
        spread[:, lost] = np.nan
        return np.asarray(0.5 * (spread + spread.T), dtype=np.float64)


def _leaks(slopes: FloatArray, free: Free) -> NDArrayBool:
    """Which functions (rows) depend on a direction without information."""
    scaled = slopes * free.scale
    scaled[:, free.blank] = 0.0
    outside = ((scaled @ free.null) ** 2).sum(axis=1)
    return np.asarray(outside > LOADING * (scaled**2).sum(axis=1))


def delta_method(jac: ArrayLike, cov: ArrayLike | CovarianceEstimate) -> FloatArray:
    """Covariance of functions of the estimates: ``J cov J'``.

    Parameters
    ----------
    jac : array_like, shape (q, K)
        Derivatives of the functions with respect to all parameters.
    cov : CovarianceEstimate or array_like, shape (K, K)
        In an array, NaN rows and columns mark parameters without a finite variance.

    Returns
    -------
    ndarray, shape (q, q)
        From an array: NaN in the rows and columns of functions with a non-zero derivative with
        respect to a parameter marked NaN. From an estimate: NaN only for functions that are not
        estimable, see `CovarianceEstimate.of`.
    """
    if isinstance(cov, CovarianceEstimate):
        return cov.of(jac)
    slopes = np.atleast_2d(np.asarray(jac, dtype=np.float64))
    return _marked(slopes, np.asarray(cov, dtype=np.float64))


def _marked(slopes: FloatArray, cov: FloatArray) -> FloatArray:
    """J cov J' where parameters without a variance are marked NaN in cov."""
    spread = cov.copy()
    marked = ~np.isfinite(np.diagonal(spread))
    spread[marked, :] = 0.0
    spread[:, marked] = 0.0
    result = slopes @ spread @ slopes.T
    touched = (slopes[:, marked] != 0.0).any(axis=1)
    result[touched, :] = np.nan
    result[:, touched] = np.nan
    return np.asarray(0.5 * (result + result.T), dtype=np.float64)
