"""The fit of a recurrent network: starts, climbs, what diverges, the record.

Every start (`starts`) is climbed a little by scoring, some of them under a vanishing ridge penalty
first; the better part further, the highest distinct ends to the end (`climbing`). Where the best
end is on the way to infinity it is taken further on that way, until what is left to gain is
nothing, and the record says which unit it is (`endings`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from rnnstats._checks import check_float, check_generator, check_literal, warn
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.convergence import Convergence
from rnnstats.estimation.optimize import METHODS, Method
from rnnstats.estimation.progress import Meter
from rnnstats.kernels.networks import Network
from rnnstats.models.base import DEFAULT_SEED
from rnnstats.models.recurrent.fit import climbing, endings, record
from rnnstats.models.recurrent.fit import penalty as penalties
from rnnstats.models.recurrent.fit.alignment import normalised
from rnnstats.models.recurrent.fit.climbing import Run
from rnnstats.models.recurrent.fit.coordinates import Target
from rnnstats.models.recurrent.fit.levenberg import begin
from rnnstats.models.recurrent.fit.starts import default_number, draws, no_start

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = ["Plan", "fit", "search"]

FloatArray = NDArray[np.float64]
# Times that an end on its way to infinity is taken further, and how much.
JUMPS, JUMP = 3, 10.0
# Ridges under which starts are climbed first; three at a time they take turns.
RIDGES = (0.0, 0.1, 1.0)
# A regular maximum is reported although weights that run away lead higher, unless they lead higher
# than this quantile of the likelihood ratio for one unit more. The highest of many ends is a
# supremum, whose quantiles lie well above those of chi-squared: hence one so far out.
LEVEL = 0.999


@dataclass(frozen=True, eq=False)
class Plan:
    """Where to begin, how long and by what means to climb.

    Attributes
    ----------
    given : tuple of ndarray, each of shape (K,)
        Starts in natural units, before those from the data.
    number : int
        Starts from the data.
    rng : numpy.random.Generator
    method : {"auto", "scoring", "newton", "bfgs"}
    maxiter, n_jobs : int
    progress : bool
    penalty : float
    """

    given: tuple[FloatArray, ...]
    number: int
    rng: np.random.Generator
    method: Method = "auto"
    maxiter: int = 500
    n_jobs: int = 1
    progress: bool = False
    penalty: float = 0.0


def fit(
    model: RecurrentMethods,
    *,
    start_params: ArrayLike | None,
    method: str,
    n_starts: int | None,
    maxiter: int,
    cov_type: str,
    cov_kwds: Mapping[str, Any] | None,
    rng: np.random.Generator | int | None,
    progress: bool,
    n_jobs: int,
    penalty: float | str | None = None,
) -> Any:
    """
    Maximum likelihood, or penalised maximum likelihood; see the models' ``fit``.

    Parameters
    ----------
    model : RecurrentMethods
    start_params, method, n_starts, maxiter, cov_type, cov_kwds, rng, progress, n_jobs, penalty
        As in `rnnstats.models.recurrent.methods.RecurrentMethods.fit`.

    Returns
    -------
    RecurrentResults
    """
    from rnnstats.results.nonlinear import RecurrentResults

    caller = f"{model.name}.fit"
    check_literal(method, METHODS, name="method", caller=caller)
    owner = cast(Any, model)
    jobs = owner._check_fit(method, n_starts, maxiter, cov_type, cov_kwds, progress, n_jobs)
    RecurrentResults._refuse_cov(cast(Any, cov_type), caller)
    weight = check_penalty(penalty, model.penalty, caller)
    if model.layout.k_free == 0:
        return model._make_results(model.layout.base.copy(), cov_type, None, cov_kwds)
    counted = model.layout.k_free if weight == 0.0 else 0
    owner._check_estimable(counted)
    generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=caller)
    given = () if start_params is None else (_given(model, start_params),)
    number = default_number(model) if n_starts is None else n_starts
    if given and n_starts is None:
        number = 0
    plan = Plan(given, number, generator, cast(Method, method), maxiter, jobs, bool(progress))
    if weight == "rolling":
        theta, found, value = _rolling(model, plan)
    else:
        value = float(weight)
        theta, found = search(model, replace(plan, penalty=value))
    if value != model.penalty:
        model = model._with_penalty(value)
    if not found.converged:
        way = "" if "interrupted" in found.message else f". {_way_out(found, value)}"
        words = "; ".join([found.message, *found.boundary])
        warn(f"{caller}: {words}{way}", ConvergenceWarning)
    return model._make_results(theta, cov_type, found, cov_kwds)


def _rolling(model: RecurrentMethods, plan: Plan) -> tuple[FloatArray, Convergence, float]:
    """Fit with the penalty that predicts best."""
    choice = penalties.choose(model, plan, search)
    plan = replace(plan, penalty=choice.penalty, given=(*plan.given, choice.theta))
    if not choice.complete:
        plan = replace(plan, number=0, maxiter=1)
    theta, found = search(model, plan)
    theta = normalised(model, theta)
    if choice.complete:
        said = f"penalty {choice.penalty:.4g}"
        message = found.message.replace(said, f"{said}, chosen by rolling prediction", 1)
        return theta, replace(found, message=message), choice.penalty
    message = f"interrupted while the penalty was being chosen ({choice.penalty:g} so far)"
    return theta, replace(found, converged=False, message=message), choice.penalty


def check_penalty(penalty: object, default: float, caller: str) -> float | Literal["rolling"]:
    """
    Check the penalty of a fit.

    Parameters
    ----------
    penalty : object
        A number, "rolling", or None for the model's own.
    default : float
    caller : str

    Returns
    -------
    float or "rolling"
    """
    if penalty is None:
        return default
    if isinstance(penalty, str):
        check_literal(penalty, ("rolling",), name="penalty", caller=caller)
        return "rolling"
    weight = check_float(penalty, name="penalty", caller=caller)
    if weight < 0.0:
        raise SpecificationError(
            f"{caller}: penalty must not be negative; got {penalty!r}. Use 0 for none."
        )
    return weight


def _way_out(found: Convergence, penalty: float) -> str:
    more = "a larger penalty" if penalty else "a penalty (penalty=, such as 0.1 or 'rolling')"
    if record.NO_MAXIMUM in found.message or record.RUN_AWAY in found.message:
        return f"Use fewer units, {more}, or fixed="
    if record.NO_REGULAR in found.message:
        return f"Use fewer units or {more}"
    return f"Raise maxiter or n_starts, or use {more}"


def _given(model: RecurrentMethods, start_params: ArrayLike) -> FloatArray:
    """The user's start, restrictions imposed."""
    layout = model.layout
    theta = layout.expand(layout.reduce(model._natural(start_params)))
    if model.likelihood.value(theta) == -math.inf:
        raise SpecificationError(
            f"{model.name}.fit: start_params must have a finite log-likelihood; got -inf: "
            f"{model.likelihood.reason(theta)}. Move them into the admissible region."
        )
    return theta


def search(model: RecurrentMethods, plan: Plan) -> tuple[FloatArray, Convergence]:
    """
    Climb from all starts.

    Parameters
    ----------
    model : RecurrentMethods
    plan : Plan

    Returns
    -------
    theta : ndarray, shape (K,)
        The end point, its units in order unless the numbering is the user's.
    Convergence
        The record.

    Raises
    ------
    SpecificationError
        When there is no start.
    """
    began = time.perf_counter()
    target = Target(model, plan.penalty)
    runs: list[Run] = []
    heads: dict[int, int] = {}
    meter = Meter(plan.progress, None, plan.number + len(plan.given))
    stopped = False
    try:
        _begin(model, target, plan, runs)
        climbing.climb_all(target, runs, heads, plan.method, plan.maxiter, plan.n_jobs, meter.hook)
        best = _settled(model, target, _best(model, runs), plan)
        _number(model, target, best, plan)
        found, hessian = record.certified(model, target, best, plan.method, plan.maxiter)
    except KeyboardInterrupt:
        if not any(math.isfinite(run.ascent.value) for run in runs):
            raise
        stopped = True
        best = _best(model, runs)
        _number(model, target, best, plan)
        found, hessian = record.interrupted(target, best, plan.method)
    finally:
        meter.close()
    if not stopped:
        best.polished, best.converged = True, found.converged
    found = record.with_starts(model, target, found, hessian, best, runs, heads)
    theta = target.at.theta(best.ascent.psi)
    return theta, replace(found, seconds=time.perf_counter() - began)


def _begin(model: RecurrentMethods, target: Target, plan: Plan, runs: list[Run]) -> None:
    """Stand at all starts; in place."""
    for theta in plan.given:
        psi = target.at.psi(model.chart.to_standard(theta))
        runs.append(Run(begin(target, len(runs), "start_params", psi)))
    for number, (label, phi) in enumerate(draws(model, plan.rng, plan.number)):
        ridge = RIDGES[number // 3 % len(RIDGES)]
        runs.append(Run(begin(target, len(runs), label, target.at.psi(phi)), ridge=ridge))
    if not any(math.isfinite(run.ascent.value) for run in runs):
        raise no_start(model)


def _best(model: RecurrentMethods, runs: list[Run]) -> Run:
    """The best of the climbs that went to their end; of all where none did."""
    reserve = 0.5 * float(chi2.ppf(LEVEL, unit_weights(model.architecture)))
    known = [run for run in runs if math.isfinite(run.ascent.value)]
    return climbing.best_of([run for run in known if run.polished] or known, reserve)


def unit_weights(arch: Network) -> int:
    """
    Count the weights that belong to one unit of the last layer.

    Parameters
    ----------
    arch : Network

    Returns
    -------
    int
        Into its gates, and those of the readout.
    """
    layer = arch.layers[-1]
    gates, units = len(layer.cell.gates), layer.units
    return gates * (units + layer.k_in + 1) + layer.cell.n_extra(units) // units + arch.k_eta


def _settled(model: RecurrentMethods, target: Target, best: Run, plan: Plan) -> Run:
    """Take an end that is on its way to infinity further, until nothing is left to gain."""
    for _ in range(JUMPS):
        phi = target.at.phi(best.ascent.psi)
        ways = [
            one
            for one in endings.examine(model.likelihood, model.layout, phi, plan.penalty)
            if one.move is not None
        ]
        if not ways or best.exponent > 0.0:
            return best
        for one in ways:
            assert one.move is not None
            phi = one.move(phi, JUMP)
        there = begin(target, best.ascent.start, best.ascent.label, target.at.psi(phi))
        if there.value < best.ascent.value - endings.LOSS * len(ways):
            return best
        there.start_value = best.ascent.start_value
        there.iterations, there.evaluations = best.ascent.iterations, best.ascent.evaluations
        run = climbing.stood(target, Run(there))
        run = climbing.pursued(target, run, "auto", there.iterations + plan.maxiter)
        if run.ascent.value < best.ascent.value - endings.LOSS:
            return best
        best = run
        if best.converged:
            return best
    return best


def _number(model: RecurrentMethods, target: Target, best: Run, plan: Plan) -> None:
    """Put the units in order, unless the user's start numbers them; in place."""
    if target.at.restricted or (plan.given and not plan.number):
        return
    theta = normalised(model, target.at.theta(best.ascent.psi))
    best.ascent.psi = target.at.psi(model.chart.to_standard(theta))
    best.ascent.value, best.ascent.score = target(best.ascent.psi)
    climbing.stood(target, best)
