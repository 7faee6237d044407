"""Weights of single observations in estimates of states and outputs, exactly.

Estimates are linear in the observations, and their weights depend on covariances and on which
values are missing only. The innovations of the filter, v = L (y - E y) with L lower triangular, are
uncorrelated; so the weights of an estimate g are ``Cov(g, v) F^-1 L``: one pass over the rows for
the covariances, one back for the product with L. A diffuse start is a regression on the effects of
the start (generalised least squares), which adds its own weights.

References
----------
Koopman, S. J. and Harvey, A. (2003), Computing observation weights for signal extraction and
filtering, Journal of Economic Dynamics and Control 27, 1317-1333; de Jong, P. (1989), Smoothing and
interpolation with the state-space model, JASA 84; Durbin and Koopman (2012), sections 4.8 and 5.7.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.diagnostics.units import natural_units
from rnnstats.errors import SpecificationError
from rnnstats.kernels.kalman import FilterOutput, kalman_filter
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray

__all__ = ["Pattern", "Weigher", "filter_gains", "masked_inverse"]

Pattern = NDArray[np.bool_]
# Directions of a diffuse start with less information than this share of the most are undetermined.
UNKNOWN = 1e-10


@dataclass(frozen=True, slots=True, eq=False)
class Weigher:
    """Filter of a system for a pattern of observed values, ready to weigh them.

    Make one with `of`.

    Attributes
    ----------
    system : StateSpace
    state_cov : ndarray of shape (nobs, k_states, k_states)
        Covariance of the state given the rows before.
    precision : ndarray of shape (nobs, k_endog, k_endog)
        Inverse covariance of the one-step-ahead errors, zero for missing outputs.
    gain : ndarray of shape (nobs, k_states, k_endog)
    effects : ndarray of shape (nobs, k_endog, d)
        Of the diffuse start on the observed outputs.
    start_effects : ndarray of shape (k_states, d)
        Of the diffuse start on the state of the first row.
    start_weights : ndarray of shape (d, nobs, k_endog)
        Of the observations in the estimate of the diffuse start.
    undetermined : ndarray of shape (d, d)
        Projection on what of it they do not determine.
    """

    system: StateSpace
    state_cov: FloatArray
    precision: FloatArray
    gain: FloatArray
    effects: FloatArray
    start_effects: FloatArray
    start_weights: FloatArray
    undetermined: FloatArray

    @classmethod
    def of(cls, system: StateSpace, seen: Pattern) -> Weigher:
        """Run the filter over a pattern.

        Parameters
        ----------
        system : StateSpace
        seen : ndarray of bool, shape (nobs, k_endog)
            Where there are observations.

        Returns
        -------
        Weigher
        """
        proper, first = _proper(system)
        output = kalman_filter(proper, np.where(seen, 0.0, np.nan))
        cov = output.predicted_state_cov[: len(seen)]
        precision = masked_inverse(output.forecast_error_cov, seen)
        gain = filter_gains(proper, output, seen)
        d = first.shape[1]
        effects = np.zeros((*seen.shape, d))
        state = first
        for t in range(len(seen) if d else 0):
            effects[t] = (system.design @ state) * seen[t][:, None]
            state = system.transition @ state
        nothing = np.zeros((d, *seen.shape))
        plain = cls(proper, cov, precision, gain, effects, first, nothing, np.zeros((d, d)))
        return plain._with_start() if d else plain

    def _with_start(self) -> Weigher:
        """Add the generalised least squares estimate of the diffuse start."""
        design, d = self.system.design, self.effects.shape[2]
        errors = np.empty_like(self.effects)
        state = np.zeros((self.system.k_states, d))
        for t, effect in enumerate(self.effects):
            errors[t] = effect - design @ state
            state = self.system.transition @ state + self.gain[t] @ errors[t]
        loads = self._pull_back(errors.transpose(0, 2, 1) @ self.precision)
        information = np.einsum("dnp,npe->de", loads, self.effects)
        scale = np.sqrt(np.maximum(np.diagonal(information), 0.0))
        scale = np.where(scale > 0, scale, 1.0)
        values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
        kept = values > UNKNOWN * max(float(values.max()), 1e-300)
        root = vectors[:, kept] / scale[:, None]
        inverse = (root / values[kept]) @ root.T
        weights = np.einsum("de,enp->dnp", inverse, loads)
        lost = np.eye(d) - inverse @ information
        return Weigher(
            self.system, self.state_cov, self.precision, self.gain, self.effects,
            self.start_effects, weights, np.where(np.abs(lost) > 1e-7, lost, 0.0),
        )  # fmt: skip

    def _pull_back(self, gamma: FloatArray) -> FloatArray:
        """Turn weights of innovations, (nobs, q, p), into weights of observations, (q, nobs, p)."""
        design, transition = self.system.design, self.system.transition
        weights = np.empty((gamma.shape[1], gamma.shape[0], gamma.shape[2]))
        adjoint = np.zeros((gamma.shape[1], self.system.k_states))
        for t in range(len(gamma) - 1, -1, -1):
            row = gamma[t] + adjoint @ self.gain[t]
            adjoint = adjoint @ transition - row @ design
            weights[:, t] = row
        return weights

    def weights(
        self, rows: Sequence[int], states: FloatArray, noises: FloatArray, *, caller: str
    ) -> FloatArray:
        """Weigh the observations in estimates of ``states @ h_t + noises @ eps_t``.

        Parameters
        ----------
        rows : sequence of int
            Each t.
        states : ndarray of shape (q, k_states)
        noises : ndarray of shape (q, k_endog)
        caller : str
            Method that the user called, for messages.

        Returns
        -------
        ndarray of shape (len(rows), q, nobs, k_endog)
            Zero where an output is missing. Their product with data less intercepts and start is
            the estimate given all observations of the pattern.

        Raises
        ------
        SpecificationError
            The observations do not determine a diffuse start on which an estimate depends.
        """
        gamma = self._by_innovation(np.asarray(rows), states, noises)
        shape = (len(rows), len(states), *gamma.shape[::2])
        weights = self._pull_back(gamma).reshape(shape)
        if not self.effects.shape[2]:
            return weights
        for weight, row in zip(weights, rows, strict=True):
            reach = np.linalg.matrix_power(self.system.transition, row) @ self.start_effects
            excess = states @ reach - np.einsum("qnp,npd->qd", weight, self.effects)
            lost = float(np.abs(excess @ self.undetermined).max(initial=0.0))
            if lost > 1e-6 * float(np.abs(reach).max()):
                raise SpecificationError(
                    f"{caller}: the observations must determine the diffuse start that the "
                    f"estimate depends on; got too few of them for row {row}. Use more rows, or "
                    "another row."
                )
            weight += np.einsum("qd,dnp->qnp", excess, self.start_weights)
        return weights

    def _by_innovation(
        self, rows: NDArray[np.intp], states: FloatArray, noises: FloatArray
    ) -> FloatArray:
        """Weights of the innovations, (nobs, len(rows) * q, k_endog)."""
        system, n = self.system, len(self.gain)
        design, transition = system.design, system.transition
        shared = (system.selection @ system.cross_cov).T
        gamma = np.zeros((n, len(rows), len(states), system.k_endog))
        left = np.repeat(states[None], len(rows), axis=0)
        for t in range(n - 1, -1, -1):
            later = rows > t
            gamma[t, later] = left[later] @ self.gain[t]
            left[later] = left[later] @ transition
        ahead = np.zeros((len(rows), *states.shape))
        for t in range(n):
            seen = ahead @ design.T
            earlier, here = rows < t, rows == t
            gamma[t, earlier] = seen[earlier] @ self.precision[t]
            ahead = ahead @ transition.T - seen @ self.gain[t].T
            if here.any():
                cov = self.state_cov[t]
                now = states @ cov @ design.T + noises @ system.obs_cov
                gamma[t, here] = now @ self.precision[t]
                ahead[here] = states @ cov @ transition.T + noises @ shared - now @ self.gain[t].T
        return gamma.reshape(n, -1, system.k_endog)


def _proper(system: StateSpace) -> tuple[StateSpace, FloatArray]:
    """Give a diffuse start a finite variance; also return its effects on the first state.

    The estimate of the start's effects by generalised least squares does not depend on the
    variance, which only keeps the covariances of the filter regular: it is that of a start that
    shows in the outputs as much as the noise does, whatever their units.
    """
    diffuse = np.flatnonzero(system.initial_diffuse)
    p, m, r = system.k_endog, system.k_states, system.k_posdef
    places = StateSpace.offsets(p, m, r)
    matrices = system.matrices.copy()
    matrices[places["initial_mean"][0]] = 0.0
    spread = np.zeros(m)
    spread[diffuse] = natural_units(system).states[diffuse] ** 2
    matrices[places["initial_cov"][0]] += np.diag(spread).ravel()
    matrices[places["initial_diffuse"][0]] = 0.0
    proper = system.replaced(
        matrices=matrices, obs_intercept=np.zeros(p), state_intercept=np.zeros(m)
    )
    unit = np.eye(m)[:, diffuse]
    return proper, unit if system.first_step == "none" else system.transition @ unit


def filter_gains(system: StateSpace, moments: FilterOutput, seen: Any) -> FloatArray:
    """Return the gains of the filter.

    Parameters
    ----------
    system : StateSpace
    moments : FilterOutput
    seen : ndarray of bool, shape (nobs, k_endog)
        Where there are observations.

    Returns
    -------
    ndarray of shape (nobs, k_states, k_endog)
        K_t of h_{t+1|t} = T h_{t|t-1} + c_{t+1} + K_t v_t, with zeros for missing outputs; not
        those of a diffuse phase.
    """
    precision = masked_inverse(moments.forecast_error_cov, seen)
    cov = moments.predicted_state_cov[: len(seen)]
    noise = system.selection @ system.cross_cov
    return np.asarray((system.transition @ cov @ system.design.T + noise) @ precision)


def masked_inverse(cov: FloatArray, seen: Any) -> FloatArray:
    """Invert the parts of covariances that belong to observed outputs.

    Parameters
    ----------
    cov : ndarray of shape (nobs, k, k)
    seen : ndarray of bool, shape (nobs, k)

    Returns
    -------
    ndarray of shape (nobs, k, k)
        Zero in the rows and columns of missing outputs.
    """
    result = np.zeros_like(cov)
    for pattern in np.unique(seen, axis=0):
        rows = np.flatnonzero((seen == pattern).all(axis=1))
        kept = np.flatnonzero(pattern)
        if kept.size:
            part = np.ix_(rows, kept, kept)
            result[part] = np.linalg.inv(cov[part])
    return result
