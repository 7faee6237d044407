r"""Generalised impulse responses by drawn paths with common random numbers.

For a shock v in the row after history :math:`\omega`, the response h rows later is
:math:`E(y_{t+h} | v_t = v, \omega) - E(y_{t+h} | \omega)`. Both expectations are averages over the
same points of the unit cube, so that what the shock does not change cancels, and the mean of the
last row's law is taken in the place of its draw. Points come with their mirror images: for a linear
network with symmetric noise the difference is exact whatever their number.

References
----------
Koop, G., Pesaran, M. H. and Potter, S. M. (1996), Impulse response analysis in nonlinear
multivariate models, Journal of Econometrics 74, 119-147. Kilian, L. and Vigfusson, R. J. (2011),
Are the responses of the U.S. economy asymmetric in energy price increases and decreases?,
Quantitative Economics 2, 419-453.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.effects.histories import History, histories
from rnnstats.results.recurrent.forecasting.engine import from_uniforms, moved_lags
from rnnstats.results.recurrent.forecasting.laws import expanded_mean
from rnnstats.results.recurrent.forecasting.linearised import linearised
from rnnstats.results.recurrent.forecasting.points import REPLICATES, mirrored_points
from rnnstats.results.recurrent.protocol import IntArray, RecurrentModel

__all__ = ["Impulse", "Kind", "Responder", "Responses", "points_each"]

Kind = Literal["unit", "orthogonalized", "generalized", "count", "outcome", "input"]


class Impulse(NamedTuple):
    """One shock.

    Attributes
    ----------
    name : str
    kind : {"unit", "orthogonalized", "generalized", "count", "outcome", "input"}
        What is done to the row of the shock. "unit": the error of one output is `size`, the others
        are as they come. "orthogonalized": the error along one column of the Cholesky factor is
        `size` standard deviations. "generalized": the error of one output is `size` standard
        deviations, the others as they come given that. "count": `size` is added to what is drawn.
        "outcome": the output is `size`, the code of a category. "input": `size` is added to an
        input.
    column : int
        Output or input.
    size : float
    """

    name: str
    kind: Kind
    column: int
    size: float


class Responses(NamedTuple):
    """Responses by replicate of the draws.

    Attributes
    ----------
    values : ndarray of shape (replicates, steps + 1, k', q)
        Of the expanded outputs to the impulses.
    opposite : ndarray of the same shape
        To impulses of the opposite sign; NaN where there is none.
    """

    values: FloatArray
    opposite: FloatArray


def points_each(n_draws: int, rows: int) -> int:
    """Points of one history in one replicate, mirror images apart.

    Parameters
    ----------
    n_draws : int
        Paths in all.
    rows : int
        Number of histories.

    Returns
    -------
    int
        A power of two.
    """
    wanted = max(1.0, n_draws / (2.0 * REPLICATES * rows))
    return int(2 ** int(np.ceil(np.log2(wanted))))


class _Paths(NamedTuple):
    """Where paths are: states and lags."""

    state: FloatArray
    lags: FloatArray


@dataclass(frozen=True, eq=False)
class Responder:
    """Computes responses at any parameters, always at the same points.

    Attributes
    ----------
    model : RecurrentModel
    places : ndarray of int, shape (m,)
        Rows of the shocks.
    impulses : tuple of Impulse
        q of them.
    steps : int
        Rows after the shock.
    points : ndarray of shape (n, steps + 1, k_endog)
        Replicates, within them histories.
    """

    model: RecurrentModel
    places: IntArray
    impulses: tuple[Impulse, ...]
    steps: int
    points: FloatArray

    @classmethod
    def make(
        cls,
        model: RecurrentModel,
        places: IntArray,
        impulses: tuple[Impulse, ...],
        steps: int,
        n_draws: int,
        rng: np.random.Generator,
    ) -> Responder:
        """Draw the points.

        Parameters
        ----------
        model, places, impulses, steps
            As the attributes.
        n_draws : int
            Paths in all, rounded up to 16 times a power of two for each history.
        rng : numpy.random.Generator

        Returns
        -------
        Responder
        """
        k, rows = int(model.k_endog), len(places)
        number = 2 * REPLICATES * rows * points_each(n_draws, rows)
        points = mirrored_points(number, (steps + 1) * k, rng, blocks=rows)
        return cls(model, places, impulses, steps, points.reshape(number, steps + 1, k))

    def __call__(self, theta: FloatArray, around: FloatArray | None = None) -> Responses:
        """Compute the responses at parameters (K,).

        Parameters
        ----------
        theta : ndarray of shape (K,)
        around : ndarray of shape (K,), optional
            Estimates from which the predictors move to `theta` to first order.

        Returns
        -------
        Responses
        """
        system: Any
        if around is None:
            system = self.model.system(theta)
        else:
            system = linearised(self.model, around, theta)
        history = histories(self.model, system, self.places)
        base, laws, means = self._first(system, history)
        paths = {(-1, 1): base}
        shape = (self.steps + 1, len(self.points), means.shape[1], len(self.impulses))
        found = {1: np.full(shape, np.nan), -1: np.full(shape, np.nan)}
        for number, impulse in enumerate(self.impulses):
            for sign in (1, -1):
                if sign < 0 and impulse.kind == "outcome":
                    continue
                hit, change = self._hit(system, history, impulse, sign, (base, laws, means))
                paths[number, sign] = hit
                found[sign][0, :, :, number] = change
        exog = self._spread(history.exog)
        for step in range(1, self.steps + 1):
            outcome = {}
            for key, path in paths.items():
                paths[key], outcome[key] = self._step(system, path, exog, step)
            plain = outcome[-1, 1]
            for (number, sign), mean in outcome.items():
                if number >= 0:
                    found[sign][step, :, :, number] = mean - plain
        return Responses(*(self._by_replicate(found[sign]) for sign in (1, -1)))

    def _by_replicate(self, values: FloatArray) -> FloatArray:
        parts = values.reshape(len(values), REPLICATES, -1, *values.shape[2:])
        return np.asarray(parts.mean(axis=2).transpose(1, 0, 2, 3))

    def _spread(self, values: FloatArray | None) -> Any:
        """Repeat what belongs to a history for each of its points."""
        if values is None:
            return None
        each = len(self.points) // (REPLICATES * len(self.places))
        return np.tile(np.repeat(values, each, axis=0), (REPLICATES,) + (1,) * (values.ndim - 1))

    def _law(self, system: Any, eta: FloatArray) -> Any:
        return self.model.head.law(eta, np.asarray(system.extra))

    def _first(self, system: Any, history: History) -> tuple[_Paths, Any, FloatArray]:
        """Row of the shock without a shock: paths after it, the laws and their means."""
        state, eta = system.step(history.state, history.lags, history.exog)
        laws = self._law(system, self._spread(eta))
        drawn = from_uniforms(self.model.head, laws, self.points[:, 0])
        lags = moved_lags(system, self._spread(history.lags), drawn)
        self_made = _Paths(self._spread(state), lags)
        return self_made, laws, expanded_mean(laws)

    def _hit(
        self,
        system: Any,
        history: History,
        impulse: Impulse,
        sign: int,
        plain: tuple[_Paths, Any, FloatArray],
    ) -> tuple[_Paths, FloatArray]:
        """Row of the shock with it: paths after it, and the change of the outputs."""
        base, laws, means = plain
        size = sign * impulse.size
        before = self._spread(history.lags)
        if impulse.kind == "input":
            inputs = np.array(history.exog)
            inputs[:, impulse.column] += size
            state, eta = system.step(history.state, history.lags, inputs)
            hit = self._law(system, self._spread(eta))
            drawn = from_uniforms(self.model.head, hit, self.points[:, 0])
            lags = moved_lags(system, before, drawn)
            return _Paths(self._spread(state), lags), expanded_mean(hit) - means
        usual = from_uniforms(self.model.head, laws, self.points[:, 0])
        shocked = _shocked(laws, usual, impulse, size)
        change = shocked - usual
        if impulse.kind == "outcome":
            change = _outcome(means, change, impulse)
        return _Paths(base.state, moved_lags(system, before, shocked)), change

    def _step(
        self, system: Any, path: _Paths, exog: FloatArray | None, step: int
    ) -> tuple[_Paths, FloatArray]:
        state, eta = system.step(path.state, path.lags, exog)
        laws = self._law(system, eta)
        lags = path.lags
        if step < self.steps and lags.shape[1]:
            drawn = from_uniforms(self.model.head, laws, self.points[:, step])
            lags = moved_lags(system, lags, drawn)
        return _Paths(state, lags), expanded_mean(laws)


def _outcome(means: FloatArray, change: FloatArray, impulse: Impulse) -> FloatArray:
    """Change where an outcome takes the place of its distribution, (n, k')."""
    if means.shape[1] > change.shape[1]:  # the indicators of one categorical output
        return np.asarray((np.arange(means.shape[1]) == impulse.size) - means)
    change[:, impulse.column] = impulse.size - means[:, impulse.column]
    return change


def _shocked(laws: Any, usual: FloatArray, impulse: Impulse, size: float) -> FloatArray:
    """Outputs of the row of the shock, (n, k)."""
    column = impulse.column
    drawn = np.array(usual)
    if impulse.kind == "outcome":
        drawn[:, column] = size
        return drawn
    if impulse.kind == "count":
        drawn[:, column] = np.maximum(drawn[:, column] + size, 0.0)
        return drawn
    mean, cov = np.asarray(laws.mean), np.asarray(laws.cov)
    if impulse.kind == "unit":
        drawn[:, column] = mean[:, column] + size
        return drawn
    errors = drawn - mean
    if impulse.kind == "orthogonalized":
        factor = np.linalg.cholesky(cov)
        along = np.linalg.solve(factor, errors[:, :, None])[:, column, 0]
        return np.asarray(drawn + factor[:, :, column] * (size - along)[:, None])
    spread = np.sqrt(cov[:, column, column])
    slope = cov[:, :, column] / cov[:, column, column, None]
    return np.asarray(drawn + slope * (size * spread - errors[:, column])[:, None])
