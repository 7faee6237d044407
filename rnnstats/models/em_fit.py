"""A fit by expectation-maximisation from several starts."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import Outcome
from rnnstats.estimation.em.climb import Model, expectation_maximisation
from rnnstats.estimation.optimize import assess
from rnnstats.estimation.progress import Counter
from rnnstats.models import endings
from rnnstats.models._fitting import Objective, PsiObjective
from rnnstats.models.charts import Climbed
from rnnstats.models.slices import Slices
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

__all__ = ["fit_by_em", "warmed"]

FloatArray = NDArray[np.float64]
FIRST = 20
WARM = 5
SAME_LLF = 1e-3
# The climb measures its end by the expected information, `assess` by the Hessian and to 1e-5.
CLOSE = 4e-6


class Given(Model, Protocol):
    """A likelihood that may be given the first rows."""

    @property
    def given_rows(self) -> int: ...


class Fitted(Objective, Protocol):
    """What is asked of a model."""

    @property
    def _likelihood(self) -> Given: ...

    def _normalised(self, theta: FloatArray) -> FloatArray: ...

    def _psi_boundary(self, psi: FloatArray) -> tuple[str, ...]: ...


def fit_by_em(
    model: Fitted,
    starts: Sequence[tuple[str, FloatArray]],
    *,
    maxiter: int,
    progress: bool,
    n_jobs: int,
    slices: Slices | None = None,
) -> Outcome:
    """Climb a little from every start, then to the end from the best distinct ones.

    Parameters
    ----------
    model : Fitted
    starts : sequence of (label, theta)
    maxiter : int
        Steps a start.
    progress : bool
        Show a bar when the work takes over about two seconds.
    n_jobs : int
        Processes.
    slices : Slices, optional
        Where some directions of the parameters leave the likelihood alone.

    Returns
    -------
    Outcome
        An interrupt ends the climbs early; the record says so.

    Raises
    ------
    SpecificationError
        Where the model has no such method, see `rnnstats.estimation.em.climb`.
    """
    if model._likelihood.given_rows > 1:
        raise SpecificationError(
            "LinearRNN.fit: method='em' does not serve a vector autoregression that is given its "
            f"first {model._likelihood.given_rows} rows; got initial='diffuse'. Use method='auto', "
            "which is least squares."
        )
    began = time.perf_counter()
    likelihood, layout, transform = model._likelihood, model.layout, model.transform
    states = []
    for label, theta in starts:
        value = likelihood.value(theta)
        states.append(Climbed(label, value, value, theta, 0, 0, False))
    polish = max(2, len(states) // 3)
    meter = Counter(progress, len(states) + polish, "starts", "climb")
    work = (likelihood, layout, transform)
    first = min(FIRST, maxiter)
    stopped = _each(work, states, range(len(states)), first, n_jobs, meter)
    if not stopped and maxiter > first:
        chosen = _distinct(states, polish)
        stopped = _each(work, states, chosen, maxiter - first, n_jobs, meter)
    meter.close()
    best = max(range(len(states)), key=lambda i: states[i].llf)
    ends = [replace(state, theta=_normal(model, state.theta)) for state in states]
    if slices is not None:
        outcome = slices.assess(ends[best].theta, model._psi_boundary)
    else:
        outcome = assess(
            PsiObjective(model),
            model._psi(ends[best].theta),
            information=model._psi_information,
            boundary=model._psi_boundary,
        )
    if not outcome.convergence.converged:
        message = (
            f"expectation-maximisation stopped after {ends[best].iterations} steps: "
            f"{outcome.convergence.message.split(': ', 1)[-1]}. Raise maxiter, or use method='auto'"
        )
        outcome = replace(outcome, convergence=replace(outcome.convergence, message=message))
    return endings.with_climbs(outcome, ends, best, model._psi, began, "em", stopped)


def warmed(
    model: Fitted, starts: Sequence[tuple[str, FloatArray]], number: int, steps: int = WARM
) -> list[tuple[str, FloatArray]]:
    """Take the best of rough starts a few steps on.

    Early steps of expectation-maximisation go far and do not overshoot: on a trend and a cycle
    shared by three series, 7 of 8 starts then end at one high maximum, 1 or 2 of 8 without.

    Parameters
    ----------
    model : Fitted
    starts : sequence of (label, theta)
    number : int
        How many are taken on.
    steps : int

    Returns
    -------
    list of (label, theta)
        All starts, best first where the model has no such method.
    """
    likelihood, layout, transform = model._likelihood, model.layout, model.transform
    ranked = []
    for label, theta in starts:
        theta = layout.expand(layout.reduce(theta))
        value = model._start_value(theta)
        if value > -math.inf:
            ranked.append((value, label, theta))
    ranked.sort(key=lambda item: -item[0])
    out = []
    for i, (_, label, theta) in enumerate(ranked):
        if i < number:
            try:
                path = expectation_maximisation(
                    likelihood, layout, transform, theta, maxiter=steps, accelerate=False
                )
            except SpecificationError:
                return [(label, theta) for _, label, theta in ranked]
            theta = path.theta if model._start_value(path.theta) > -math.inf else theta
        out.append((label, theta))
    return out


def _normal(model: Fitted, theta: FloatArray) -> FloatArray:
    normal = model._normalised(theta)
    try:
        model._psi(normal)
    except ValueError:
        return theta
    return normal


def _distinct(states: Sequence[Climbed], number: int) -> list[int]:
    """The highest ends that are not the same point."""
    chosen: list[int] = []
    for i in sorted(range(len(states)), key=lambda j: -states[j].llf):
        if any(abs(states[i].llf - states[j].llf) < SAME_LLF for j in chosen):
            continue
        if len(chosen) < number:
            chosen.append(i)
    return [i for i in chosen if not states[i].converged and math.isfinite(states[i].llf)]


def _climb(
    likelihood: Model, layout: Layout, transform: Transform, state: Climbed, limit: int
) -> Climbed:
    path = expectation_maximisation(
        likelihood, layout, transform, state.theta, maxiter=limit, gtol=CLOSE
    )
    return replace(
        state,
        theta=path.theta,
        llf=float(path.llf[-1]),
        iterations=state.iterations + path.iterations,
        evaluations=state.evaluations + 2 * path.iterations + 2,
        converged=path.converged,
    )


def _each(
    work: tuple[Model, Layout, Transform],
    states: list[Climbed],
    which: Sequence[int],
    limit: int,
    n_jobs: int,
    meter: Counter,
) -> bool:
    """Climb on from some of the states, in place; return whether an interrupt ended it early."""
    try:
        if n_jobs != 1 and len(which) > 1:
            from joblib import Parallel, delayed

            jobs = (delayed(_climb)(*work, states[i], limit) for i in which)
            for i, state in zip(which, Parallel(n_jobs=n_jobs)(jobs), strict=True):
                states[i] = state
            return False
        for i in which:
            states[i] = _climb(*work, states[i], limit)
            meter.add()
    except KeyboardInterrupt:
        return True
    return False
