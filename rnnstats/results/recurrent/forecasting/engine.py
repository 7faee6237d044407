"""Rows to come: exact one row ahead and for linear networks, drawn paths otherwise."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from scipy.special import ndtri

from rnnstats.estimation.bootstrap import DEFAULT_SEED
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.forecasting.laws import expanded_mean, head_law
from rnnstats.results.recurrent.forecasting.normal import is_normal, normal_ahead
from rnnstats.results.recurrent.forecasting.origin import Origin, PathSystem, inputs_of, origin_of
from rnnstats.results.recurrent.forecasting.points import (
    REPLICATES,
    mirrored_points,
    replicate_error,
    size_of,
)
from rnnstats.results.recurrent.forecasting.residual_laws import Pool, pooled_law
from rnnstats.results.recurrent.protocol import RecurrentModel
from rnnstats.results.regimes.forecasting.laws import Law

__all__ = ["DRAWS", "Ahead", "Plan", "ahead", "condition", "from_uniforms", "moved_lags"]

# Paths where none are asked for: the mean is then off by a few thousandths of the noise.
DRAWS = 4096


@dataclass(frozen=True, eq=False)
class Plan:
    """How paths are drawn.

    Attributes
    ----------
    draws : int
        Number of paths, rounded up (`size_of`).
    rng : numpy.random.Generator
    pool : Pool or None
        Residuals to draw with replacement in the place of the head's noise.
    """

    draws: int = DRAWS
    rng: np.random.Generator = field(default_factory=lambda: np.random.default_rng(DEFAULT_SEED))
    pool: Pool | None = None


class Ahead(NamedTuple):
    """What is known about rows to come.

    Attributes
    ----------
    law : Law
        Distribution of each row.
    mc_error : ndarray of shape (rows, k')
        Standard errors of the means of the expanded outputs that come from drawing.
    """

    law: Law
    mc_error: FloatArray


def ahead(
    model: RecurrentModel,
    system: PathSystem,
    *,
    blank: int,
    start: int,
    stop: int,
    exog: FloatArray | None = None,
    plan: Plan | None = None,
) -> Ahead:
    """Predict rows without looking at the outputs from some row on.

    Parameters
    ----------
    model : RecurrentModel
    system : PathSystem
    blank : int
        First row whose outputs count as unseen, up to the number of rows.
    start, stop : int
        First row predicted, at or after `blank`, and the row after the last one; all in the
        sequence of `blank`, or past the sample.
    exog : ndarray of shape (steps, k_exog), optional
        Inputs of the rows past the sample.
    plan : Plan, optional

    Returns
    -------
    Ahead

    Notes
    -----
    Outputs that are missing just before `blank` are unseen as well. Paths begin at the last row all
    of whose lags are seen, draw what is missing, and are weighted by the density of what is seen
    and chosen anew in proportion (a bootstrap particle filter, with the missing part of a row drawn
    given the rest of it). That is exact given the state there, but for the draws; putting one-step
    predictions in the place of missing lags, as the likelihood does, would leave out their
    variance. The state itself rests, beyond longer gaps, on those predictions.

    One row ahead nothing is drawn. Identity cells with a gaussian head have normal forecasts, whose
    moments are exact.
    """
    plan = Plan() if plan is None else plan
    origin = origin_of(model, system, blank)
    rows = stop - origin.row
    inputs = inputs_of(model, exog, origin.row, stop)
    skip = max(0, start - origin.row)
    if rows <= 0:
        return _blank(model, system, stop - start)
    if plan.pool is None and is_normal(model):
        whole = normal_ahead(model, system, origin, inputs, rows).part(slice(skip, rows))
        found = Ahead(whole, np.zeros((rows - skip, int(model.k_endog))))
    else:
        found = _Paths(model, system, origin, inputs, plan).law(rows, skip)
    before = stop - start - (rows - skip)
    return found if before == 0 else _after(found, before, _blank(model, system, before))


def _blank(model: RecurrentModel, system: PathSystem, rows: int) -> Ahead:
    """Rows about which nothing is said: those that the likelihood conditions on."""
    law = head_law(
        model, np.empty((0, model.head.k_eta)), np.asarray(system.extra),
        np.empty(0, dtype=np.intp), rows,
    )  # fmt: skip
    return Ahead(law, np.full_like(law.mean(), np.nan))


def _after(found: Ahead, rows: int, blank: Ahead) -> Ahead:
    from rnnstats.results.regimes.forecasting.combined import Joined

    return Ahead(Joined((blank.law, found.law)), np.concatenate([blank.mc_error, found.mc_error]))


def from_uniforms(head: Any, law: Any, uniforms: FloatArray) -> FloatArray:
    """Turn points of the unit cube into outputs.

    Parameters
    ----------
    head : Head
    law : HeadLaw
        Of m rows.
    uniforms : ndarray of shape (m, k_endog)

    Returns
    -------
    ndarray of shape (m, k_endog)
        By Rosenblatt's map turned round: the first output by its quantile function, each further
        one by that given the earlier ones.
    """
    if head.name == "gaussian":
        factor = np.linalg.cholesky(np.asarray(law.cov)[0])
        return np.asarray(law.mean + ndtri(uniforms) @ factor.T)
    columns = [law.quantile(column, j) for j, column in enumerate(uniforms.T)]
    return np.asarray(np.stack(columns, axis=1), dtype=np.float64)


def moved_lags(system: Any, lags: FloatArray, drawn: FloatArray) -> FloatArray:
    """Put drawn outputs in front of the lags.

    Parameters
    ----------
    system : PathSystem
    lags : ndarray of shape (r, L, d_lag)
    drawn : ndarray of shape (r, k_endog)

    Returns
    -------
    ndarray of shape (r, L, d_lag)
    """
    if lags.shape[1] == 0:
        return lags
    latest = np.asarray(system.lag_values(drawn))[:, None]
    return np.concatenate([latest, lags[:, :-1]], axis=1)


class _Paths:
    """Paths from an origin on.

    Parameters
    ----------
    model, system, origin, inputs, plan
        As in `ahead`.
    """

    def __init__(
        self,
        model: RecurrentModel,
        system: PathSystem,
        origin: Origin,
        inputs: FloatArray | None,
        plan: Plan,
    ) -> None:
        self.model, self.system, self.inputs, self.plan = model, system, inputs, plan
        self.told = origin.told
        self.extra = np.asarray(system.extra)
        self.number = size_of(plan.draws)
        self.state, self.lags = origin.state[None], origin.lags[None]

    def law(self, rows: int, skip: int) -> Ahead:
        """Law of the rows from `skip` on, counted from the origin."""
        k = int(self.model.k_endog)
        pool, own = self.plan.pool, 0 if self.plan.pool is None else 1
        points = mirrored_points(self.number, max(1, rows * (k + own)), self.plan.rng)
        points = points.reshape(self.number, -1)[:, : rows * (k + own)].reshape(-1, rows, k + own)
        etas, errors, noises = [], [], []
        for t in range(rows):
            if pool is not None and t == skip:
                self._spread()
            inputs = self._inputs(t)
            self.state, eta = self.system.step(self.state, self.lags, inputs)
            head = self.model.head.law(eta, self.extra)
            noise = None
            if pool is not None and t >= skip:
                noise = pool.rows_at(points[:, t, k])
                noises.append(noise)
            if t >= skip:
                etas.append(eta)
                errors.append(replicate_error(self._means(head, noise)))
            if t + 1 < rows:
                told = self.told[t] if t < len(self.told) else np.full(k, np.nan)
                self._move(head, eta, told, points[:, t, :k], noise)
        owner = np.repeat(np.arange(rows - skip), [len(eta) for eta in etas])
        every = np.concatenate(etas)
        if pool is None:
            law = head_law(self.model, every, self.extra, owner, rows - skip)
        else:
            law = pooled_law(
                self.model, every, self.extra, owner, rows - skip, pool, np.concatenate(noises)
            )
        return Ahead(law, np.array(errors).reshape(rows - skip, -1))

    def _means(self, head: Any, noise: FloatArray | None) -> FloatArray:
        """Means of the paths, (r, k')."""
        if noise is None or self.plan.pool is None:
            return expanded_mean(head)
        return self.plan.pool.means(self.model.head, head, noise)

    def _inputs(self, t: int) -> FloatArray | None:
        if self.inputs is None:
            return None
        return np.broadcast_to(self.inputs[t], (len(self.state), self.inputs.shape[1]))

    def _spread(self) -> None:
        """Go on with all paths where there was one."""
        if len(self.state) == 1:
            self.state = np.repeat(self.state, self.number, axis=0)
            self.lags = np.repeat(self.lags, self.number, axis=0)

    def _move(
        self,
        head: Any,
        eta: FloatArray,
        told: FloatArray,
        uniforms: FloatArray,
        noise: FloatArray | None,
    ) -> None:
        """Draw the row's outputs, given what is seen of them, and put them among the lags."""
        seen = ~np.isnan(told)
        if self.lags.shape[1] == 0 and not seen.any():
            return  # nothing that comes depends on the outputs
        if seen.all() and len(eta) == 1:
            drawn = told[None]
        else:
            if len(eta) == 1:
                self._spread()
                eta = np.repeat(eta, self.number, axis=0)
                head = self.model.head.law(eta, self.extra)
            if seen.any():
                head = self._chosen(head, told)
            if noise is None or self.plan.pool is None:
                drawn = from_uniforms(self.model.head, head, uniforms)
            else:
                drawn = self.plan.pool.drawn(self.model.head, head, noise, uniforms)
            if seen.any():
                condition(self.model.head, head, drawn, told)
        self.lags = moved_lags(self.system, self.lags, drawn)

    def _chosen(self, head: Any, told: FloatArray) -> Any:
        """Choose paths in proportion to the density of what is seen, replicate by replicate."""
        logs = np.asarray(head.log_density(np.tile(told, (len(self.state), 1))))
        shares = logs.reshape(REPLICATES, -1)
        weight = np.exp(shares - shares.max(axis=1, keepdims=True))
        each = weight.shape[1]
        ends = np.cumsum(weight, axis=1)
        ends /= ends[:, -1:]
        # systematic resampling: one draw places all marks of a replicate
        marks = (np.arange(each) + self.plan.rng.random((REPLICATES, 1))) / each
        chosen = np.concatenate(
            [
                number * each + np.minimum(np.searchsorted(end, mark), each - 1)
                for number, (end, mark) in enumerate(zip(ends, marks, strict=True))
            ]
        )
        self.state, self.lags = self.state[chosen], self.lags[chosen]
        return head.rows(chosen)


def condition(head: Any, law: Any, drawn: FloatArray, told: FloatArray) -> None:
    """Put what is seen of a row into draws of it, in place.

    Jointly normal outputs: the rest moves with what is seen (conditioning by kriging, Matheron's
    rule). Outputs of the other heads are independent given the past.

    Parameters
    ----------
    head : Head
    law : HeadLaw
        Of r rows.
    drawn : ndarray of shape (r, k_endog)
    told : ndarray of shape (k_endog,)
        NaN where not seen.
    """
    seen = np.flatnonzero(~np.isnan(told))
    if head.name == "gaussian" and len(seen) < len(told):
        rest = np.flatnonzero(np.isnan(told))
        cov = np.asarray(law.cov)[0]
        gain = np.linalg.solve(cov[np.ix_(seen, seen)], cov[np.ix_(seen, rest)])
        drawn[:, rest] += (told[seen] - drawn[:, seen]) @ gain
    drawn[:, seen] = told[seen]
