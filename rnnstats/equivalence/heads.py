"""Heads of readouts: softmax, normal, and families of one number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from rnnstats._checks import is_symmetric, shown
from rnnstats.equivalence.readouts import (
    FloatArray,
    IntArray,
    Location,
    Rows,
    distributions,
    reference_logits,
    weights_of,
)
from rnnstats.errors import DataError, SpecificationError
from rnnstats.families.base import ScalarFamily

__all__ = [
    "CategoricalReadout",
    "FamilyReadout",
    "GaussianReadout",
    "categorical",
    "family",
    "gaussian",
]

LOG_2PI = float(np.log(2.0 * np.pi))


@dataclass(frozen=True, eq=False)
class CategoricalReadout:
    """Softmax readout: ``P(y_t = level a) = softmax(V h_t + (D h_t) x_t)_a``.

    Attributes
    ----------
    location : Location
        One row of V a level; the last level with positive probability has weight zero, -inf stands
        for a probability of zero.
    names : tuple of str
    levels : tuple of str
    """

    location: Location
    names: tuple[str, ...]
    levels: tuple[str, ...]
    kind: str = "categorical"

    def log_probabilities(self, rows: Rows) -> FloatArray:
        """Log probability of every level.

        Parameters
        ----------
        rows : Rows

        Returns
        -------
        ndarray, shape (n, K, levels)
        """
        found: FloatArray = log_softmax(self.location.at(rows), axis=2)
        return found

    @property
    def probabilities(self) -> FloatArray:
        """Rows of the emission matrix without inputs, shape (K, levels)."""
        found: FloatArray = np.exp(log_softmax(self.location.V, axis=0)).T
        return found

    def identified(self) -> CategoricalReadout:
        """The same law with weight zero for the last level that each state can emit.

        Returns
        -------
        CategoricalReadout
        """
        place, states = self.location, np.arange(self.location.V.shape[1])
        possible = place.V > -np.inf
        last = len(place.V) - 1 - possible[::-1].argmax(axis=0)
        V = place.V - place.V[last, states]
        D = np.where(possible[:, :, None], place.D - place.D[last, states], 0.0)
        trend = np.where(possible, place.trend - place.trend[last, states], 0.0)
        found = Location(V, D, trend, place.ar, place.D_lags)
        return CategoricalReadout(found, self.names, self.levels)

    def log_density(self, y: FloatArray, rows: Rows) -> FloatArray:
        """Log probability of level codes.

        Parameters
        ----------
        y : ndarray, shape (n, 1)
            Codes 0, 1, ...; NaN where missing.
        rows : Rows

        Returns
        -------
        ndarray, shape (n, K)

        Raises
        ------
        DataError
            Numbers that are no codes.
        """
        codes = y[:, 0]
        seen = ~np.isnan(codes)
        known = np.where(seen, codes, 0.0)
        size = len(self.levels)
        foreign = (known != np.floor(known)) | (known < 0) | (known >= size)
        if foreign.any():
            raise DataError(
                f"CategoricalReadout: {self.names[0]} must hold codes 0 to {size - 1}; got "
                f"{shown(float(known[foreign][0]))}. Give the place of each value in levels."
            )
        logs = self.log_probabilities(rows)
        found = np.take_along_axis(logs, known.astype(np.int64)[:, None, None], axis=2)[:, :, 0]
        return np.where(seen[:, None], found, 0.0)

    def noise(self, rows: int, rng: np.random.Generator) -> FloatArray:
        """Uniform numbers.

        Parameters
        ----------
        rows : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (rows, 1)
        """
        found: FloatArray = rng.random((rows, 1))
        return found

    def sample(
        self, states: IntArray, rows: Rows, noise: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Level codes by inversion of the distribution function.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rows : Rows
        noise : ndarray, shape (n, 1)
            Uniform numbers.
        rng : numpy.random.Generator
            Not used.

        Returns
        -------
        ndarray, shape (n, 1)
        """
        logs = log_softmax(self.location.of_states(states, rows), axis=1)
        heights = np.cumsum(np.exp(logs), axis=1)
        drawn = (heights > noise * heights[:, -1:]).argmax(axis=1)
        found: FloatArray = drawn[:, None].astype(np.float64)
        return found

    def weights(self) -> dict[str, FloatArray]:
        """Arrays by name.

        Returns
        -------
        dict of str to ndarray
        """
        return weights_of(self.location)


@dataclass(frozen=True, eq=False)
class GaussianReadout:
    """Normal readout: mean ``V h_t + ...``, covariance picked by the state.

    Attributes
    ----------
    location : Location
    names : tuple of str
    obs_cov : ndarray, shape (K, d, d)
    """

    location: Location
    names: tuple[str, ...]
    obs_cov: FloatArray
    kind: str = "gaussian"

    def log_density(self, y: FloatArray, rows: Rows) -> FloatArray:
        """Normal log density of what is seen of each row.

        Parameters
        ----------
        y : ndarray, shape (n, d)
        rows : Rows

        Returns
        -------
        ndarray, shape (n, K)
        """
        error = y[:, None, :] - self.location.at(rows)
        found = np.zeros(error.shape[:2])
        seen = ~np.isnan(y)
        for pattern in np.unique(seen, axis=0):
            if not pattern.any():
                continue
            here = np.flatnonzero((seen == pattern).all(axis=1))
            kept = np.flatnonzero(pattern)
            for state, cov in enumerate(self.obs_cov):
                root = np.linalg.cholesky(cov[np.ix_(kept, kept)])
                white = np.linalg.solve(root, error[here, state][:, kept].T)
                level = kept.size * LOG_2PI + 2.0 * np.log(np.diagonal(root)).sum()
                found[here, state] = -0.5 * (level + (white**2).sum(axis=0))
        return found

    def noise(self, rows: int, rng: np.random.Generator) -> FloatArray:
        """Standard normal numbers.

        Parameters
        ----------
        rows : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (rows, d)
        """
        found: FloatArray = rng.standard_normal((rows, len(self.names)))
        return found

    def sample(
        self, states: IntArray, rows: Rows, noise: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Location plus the Cholesky factor of the state's covariance times the noise.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rows : Rows
        noise : ndarray, shape (n, d)
        rng : numpy.random.Generator
            Not used.

        Returns
        -------
        ndarray, shape (n, d)
        """
        roots = np.linalg.cholesky(self.obs_cov)[states]
        error: FloatArray = np.einsum("nij,nj->ni", roots, noise)
        return self.location.of_states(states, rows) + error

    def weights(self) -> dict[str, FloatArray]:
        """Arrays by name.

        Returns
        -------
        dict of str to ndarray
        """
        return {**weights_of(self.location), "obs_cov": self.obs_cov.copy()}


@dataclass(frozen=True, eq=False)
class FamilyReadout:
    """Readout of one number whose law is a family of `rnnstats.families`.

    Attributes
    ----------
    location : Location
        On the scale of the family's link.
    names : tuple of str
    family : ScalarFamily
    extra : ndarray, shape (m, K)
        Further parameters of the family, such as degrees of freedom or dispersion.
    """

    location: Location
    names: tuple[str, ...]
    family: ScalarFamily
    extra: FloatArray

    @property
    def kind(self) -> str:
        """Name of the family."""
        return self.family.name

    def log_density(self, y: FloatArray, rows: Rows) -> FloatArray:
        """Log density of the family.

        Parameters
        ----------
        y : ndarray, shape (n, 1)
        rows : Rows

        Returns
        -------
        ndarray, shape (n, K)
        """
        return self.family.log_density(y[:, 0], self.location.at(rows)[:, :, 0], self.extra)

    def noise(self, rows: int, rng: np.random.Generator) -> FloatArray:
        """Nothing: a family draws given its parameters.

        Parameters
        ----------
        rows : int
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (rows, 0)
        """
        return np.zeros((rows, 0))

    def sample(
        self, states: IntArray, rows: Rows, noise: FloatArray, rng: np.random.Generator
    ) -> FloatArray:
        """Draws of the family.

        Parameters
        ----------
        states : ndarray of int, shape (n,)
        rows : Rows
        noise : ndarray
            Not used.
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, 1)
        """
        eta = self.location.of_states(states, rows)[:, 0]
        return self.family.sample(eta, self.extra[:, states], rng)[:, None]

    def weights(self) -> dict[str, FloatArray]:
        """Arrays by name.

        Returns
        -------
        dict of str to ndarray
        """
        extras = getattr(self.family, "extras", ())
        return {**weights_of(self.location), **dict(zip(extras, self.extra.copy(), strict=True))}


def categorical(
    probabilities: ArrayLike, *, name: str = "y", levels: tuple[str, ...] | None = None
) -> CategoricalReadout:
    """Softmax readout of an emission matrix.

    Parameters
    ----------
    probabilities : array_like, shape (K, levels)
        Rows sum to one; zeros are exact.
    name : str
    levels : tuple of str, optional
        "0", "1", ... by default.

    Returns
    -------
    CategoricalReadout

    Raises
    ------
    SpecificationError
        Rows are no distributions.
    """
    table = distributions(probabilities, name="emission", caller="categorical")
    given = tuple(str(a) for a in range(table.shape[1])) if levels is None else tuple(levels)
    return CategoricalReadout(Location.of(reference_logits(table).T), (name,), given)


def gaussian(
    mean: ArrayLike, obs_cov: ArrayLike, *, names: tuple[str, ...] | None = None, **weights: Any
) -> GaussianReadout:
    """Normal readout.

    Parameters
    ----------
    mean : array_like, shape (K,) or (K, d)
    obs_cov : array_like, shape (K,) for one output, else (K, d, d)
    names : tuple of str, optional
        y, or y1, y2, ... by default.
    **weights
        ``D``, ``trend``, ``ar`` and ``D_lags`` of `Location`.

    Returns
    -------
    GaussianReadout

    Raises
    ------
    SpecificationError
        Shapes do not fit, or a covariance is not positive definite.
    """
    level = np.array(mean, dtype=np.float64)
    level = level[:, None] if level.ndim == 1 else level
    k, d = level.shape
    cov = np.array(obs_cov, dtype=np.float64)
    cov = cov.reshape(k, 1, 1) if d == 1 and cov.size == k else cov
    sound = cov.shape == (k, d, d) and all(is_symmetric(part) for part in cov)
    if not sound or min(np.linalg.eigvalsh(part)[0] for part in cov) <= 0.0:
        raise SpecificationError(
            f"gaussian: obs_cov must hold a positive definite matrix a state, shape {(k, d, d)}; "
            f"got shape {np.shape(obs_cov)}. Variances of one output may be given as (K,)."
        )
    given = (("y",) if d == 1 else tuple(f"y{i + 1}" for i in range(d))) if names is None else names
    return GaussianReadout(Location.of(level.T, **weights), tuple(given), cov)


def family(
    law: ScalarFamily,
    eta: ArrayLike,
    extra: ArrayLike | None = None,
    *,
    name: str = "y",
    **weights: Any,
) -> FamilyReadout:
    """Readout of a family of distributions.

    Parameters
    ----------
    law : ScalarFamily
    eta : array_like, shape (K,)
        On the scale of the link.
    extra : array_like, shape (m, K), optional
    name : str
    **weights
        ``D``, ``trend``, ``ar`` and ``D_lags`` of `Location`.

    Returns
    -------
    FamilyReadout
    """
    level = np.atleast_1d(np.array(eta, dtype=np.float64))
    more = np.zeros((0, level.size)) if extra is None else np.array(extra, dtype=np.float64)
    return FamilyReadout(Location.of(level[None, :], **weights), (name,), law, more)
