"""The filter of a fitted Markov chain as a recurrence: a belief that each row of data corrects."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.linalg import helmert

from rnnstats._index import step_name
from rnnstats.diagnostics.memory.driven import ChainFigures, Driven
from rnnstats.diagnostics.memory.recurrences import Given, Labels, Recurrence, Trajectory
from rnnstats.errors import SpecificationError
from rnnstats.kernels.chains import moved
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.regimes.states.driven import driven_belief

__all__ = ["BeliefRecurrence"]

# States of the chain up to which Jacobians of the belief are formed.
LARGEST = 64
# Log of the largest density, beside that of states that are possible, that is a number.
HIGHEST = 600.0


@dataclass(eq=False)
class BeliefRecurrence(Recurrence):
    """The filtered probabilities as a recurrence.

    ``b_t`` is proportional to ``f_t * (P_t' b_{t-1})`` with ``f_t`` the densities of row t: the
    softmax network that equals the forward algorithm. Beliefs sum to one, so that they move in S -
    1 directions; Jacobians are in an orthonormal basis of these (Helmert's contrasts). The data are
    held as they were. What the estimation of the parameters adds is left out.

    Attributes
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)
        The estimates.
    system : RegimeSystem
        At the estimates.
    filtered : ndarray of shape (n, S)
        Probabilities of the chain's states in each row given the rows up to it.
    figures : callable, optional
        Tells how fast the chain forgets without data.
    """

    model: RegimeModel
    theta: FloatArray
    system: RegimeSystem
    filtered: FloatArray
    figures: Callable[[], ChainFigures | None] | None = None

    def __post_init__(self) -> None:
        """Name the directions."""
        index = self.model.endog.index
        self.labels = Labels(
            states=tuple(f"contrast{j + 1}" for j in range(self.filtered.shape[1] - 1)),
            index=index[np.asarray(self.system.rows)],
            step=step_name(index),
            title=self.model.name,
        )

    def trajectory(self, given: Given | None = None) -> Trajectory:
        """Derivatives of the belief along the series, see `Recurrence.trajectory`.

        Parameters
        ----------
        given : {"inputs", "shocks"}, optional
            No difference: the data are held in both.

        Returns
        -------
        Trajectory

        Raises
        ------
        SpecificationError
            There is one regime only, or the chain has more than 64 states.
        """
        return self._beliefs

    @cached_property
    def _beliefs(self) -> Trajectory:
        size = self.filtered.shape[1]
        if not 2 <= size <= LARGEST:
            raise SpecificationError(
                f"memory: Jacobians of a belief need 2 to {LARGEST} states of the chain; got "
                f"{size}. See res.memory() for its eigenvalues and the rate of the filter."
            )
        log_density, transition, _, offsets = self.system.chain
        lags = self.system.lags
        cuts = np.asarray(offsets, dtype=np.intp)
        basis = helmert(size)
        slopes = np.empty((len(log_density), size - 1, size - 1))
        first = np.zeros(len(log_density), dtype=bool)
        first[cuts[:-1]] = True
        before = np.vstack([self.filtered[:1], self.filtered[:-1]])
        for t, (row, start) in enumerate(zip(log_density, first, strict=True)):
            matrix = transition if transition.ndim == 2 else transition[t]
            belief = self.filtered[t]
            seen = belief > 0.0
            weights = np.exp(np.minimum(row - row[seen].max(), HIGHEST))
            if start:  # no step leads into it: the belief before the data is the start itself
                ahead = np.divide(belief, weights, out=np.zeros(size), where=weights > 0.0)
                ahead, moves = ahead / ahead.sum(), basis
            else:
                ahead, moves = moved(before[t], matrix, lags), moved(basis, matrix, lags)
            # the derivative of u_i / sum u is made of minors, so that beliefs near certainty lose
            # no digits
            minors = moves[:, :, None] * ahead - ahead[:, None] * moves[:, None, :]
            scale = float(ahead @ weights)
            slopes[t] = (minors @ weights * weights) @ basis.T / scale**2
        return Trajectory(np.swapaxes(slopes, 1, 2).copy(), cuts, states=self.filtered @ basis.T)

    def chain(self) -> ChainFigures | None:
        """How fast the chain forgets, see `Recurrence.chain`.

        Returns
        -------
        ChainFigures or None
        """
        return None if self.figures is None else self.figures()

    def driven(self, nsteps: int, rng: np.random.Generator) -> Driven:
        """Draw a series and filter it, see `Recurrence.driven`.

        Parameters
        ----------
        nsteps : int
        rng : numpy.random.Generator

        Returns
        -------
        Driven
        """
        return driven_belief(self.model, self.theta, nsteps, rng)
