"""Climbs of the likelihood of a Markov-switching model, and which of them are the same."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation import trust_region
from rnnstats.estimation.starts.regimes import Classification
from rnnstats.estimation.trust_region import Problem
from rnnstats.models._fitting import StartPoint
from rnnstats.models.regimes.fit import collapse, faces
from rnnstats.models.regimes.fit.collapse import Degenerate, Guard
from rnnstats.models.regimes.fit.em import Steps, expectation_maximisation
from rnnstats.models.regimes.fit.ordering import matched
from rnnstats.models.regimes.fit.start_values import chain_of
from rnnstats.models.regimes.likelihood import Law

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["Climber", "Run", "agreement", "arrives", "distinct", "near"]

FloatArray = NDArray[np.float64]

# Two ends are one when their log-likelihoods and their regimes, best matched, agree this well.
SAME_LLF = 0.01
SAME_REGIMES = 0.99
# A run whose regimes are those of a polished end is on its way there from this far below.
ARRIVING = 0.1
# Faces that one polish may visit.
FACES = 8
# Steps by expectation-maximisation before the polish of a single start; gain at which they end.
PREPARED, PREPARED_TOL = 10, 1e-3
# Passes of a compiled climb between two looks at where it goes.
LOOK = 12
# Gain at which expectation-maximisation ends where it is the method; Newton takes the last step.
EM_TOL = 1e-9
# Newton step at the end of a climb, in standard errors.
GTOL = 1e-5


@dataclass(frozen=True, eq=False)
class Run:
    """One start and where it has led so far.

    Attributes
    ----------
    start : int
        Its number.
    label : str
    theta : ndarray, shape (k_params,)
    start_llf, llf : float
        Log-likelihood at the start and now.
    iterations, evaluations : int
    states : ndarray, shape (n, K)
        Smoothed probabilities of the regimes.
    settled : bool
        Whether expectation-maximisation gains next to nothing any more.
    polished, converged : bool
        Whether the climb was taken to its end, and met the stopping rule there.
    sunk : tuple of Degenerate
        Regimes that sit on a few rows.
    held : tuple of int
        Free parameters kept where they are: scales at their floor.
    toward : int or None
        Number of the run whose end it was seen to approach, and left alone then.
    end : tuple of Face and Climb, or None
        The last climb of a polish and the face it was on.
    """

    start: int
    label: str
    theta: FloatArray
    start_llf: float
    llf: float
    states: FloatArray
    iterations: int = 0
    evaluations: int = 1
    settled: bool = False
    polished: bool = False
    converged: bool = False
    sunk: tuple[Degenerate, ...] = ()
    held: tuple[int, ...] = ()
    toward: int | None = None
    end: tuple[faces.Face, trust_region.Climb] | None = None

    @property
    def rank(self) -> tuple[bool, float]:
        """What to sort by, the best first."""
        return bool(self.sunk), -self.llf


class Climber:
    """What all climbs of a model share.

    Parameters
    ----------
    model : MarkovRNN
    method : {"auto", "scoring", "newton", "bfgs", "em"}
    maxiter : int
    """

    def __init__(self, model: MarkovRNN, method: str, maxiter: int) -> None:
        self.model, self.method, self.maxiter = model, method, maxiter
        self.steps = Steps(model.likelihood, model.layout, model.transform)
        likelihood = model.likelihood
        self.guard = Guard(likelihood.bound, likelihood.parts, likelihood.pooled)

    def begin(self, number: int, point: StartPoint) -> Run:
        """A run at its start."""
        none = np.empty((0, self.model.k_regimes))
        value = self.model.likelihood.value(point.theta)
        return Run(number, point.label, point.theta, value, value, none)

    def together(
        self, found: Sequence[Classification], before: Sequence[Run], limit: int, tol: float
    ) -> list[Run]:
        """Runs from classifications, screened in compiled code; see `fused`.

        A run that comes near the end of an earlier one, its regimes the same, goes no further.
        """
        ends = [run for run in before if run.settled and not run.sunk]
        runs: list[Run] = []
        for number, one in enumerate(found, start=len(before)):
            run = self._classified(one, number, ends, min(limit, self.maxiter), tol)
            if run.settled and not run.sunk:
                ends.append(run)
            runs.append(run)
        return runs

    def _classified(
        self, one: Classification, number: int, ends: Sequence[Run], limit: int, tol: float
    ) -> Run:
        """A run from a classification, until it settles or comes near one of the ends."""
        fused = self.steps.fused
        assert fused is not None
        chain = chain_of(one, self.model.likelihood.offsets)
        first = min(limit, LOOK) if ends else limit  # no end to come near
        now = fused.climb_classified(one, chain, first, tol, accelerate=True)
        begun, passes, toward = now.found.start_llf, now.found.passes, None
        while not now.found.settled and math.isfinite(now.found.llf):
            llf, states = now.found.llf, now.found.states
            toward = next((end.start for end in ends if near(llf, states, end)), None)
            if toward is not None or passes >= limit:
                break
            law = Law(now.found.transition, now.found.law, None)
            now = fused.climb(now.theta, law, min(LOOK, limit - passes), tol, accelerate=True)
            passes += now.found.passes
        run = Run(
            number, one.label, now.theta, begun, now.found.llf, now.found.states,
            passes, passes + 1, now.found.settled, toward=toward,
        )  # fmt: skip
        sunk = self.sunk(run)
        return replace(run, sunk=sunk) if sunk else run

    def expect(self, run: Run, limit: int, tol: float, *, accelerate: bool) -> Run:
        """Climb on by expectation-maximisation."""
        limit = min(limit, self.maxiter - run.iterations)
        if limit < 1 or run.settled:
            return run
        path = expectation_maximisation(
            self.steps, run.theta, maxiter=limit, tol=tol, accelerate=accelerate
        )
        if path is None:
            return run
        moved = replace(
            run,
            theta=path.point.theta,
            llf=path.point.llf,
            states=self._regimes(path.point.states),
            iterations=run.iterations + path.iterations,
            evaluations=run.evaluations + path.iterations + 1,
            settled=path.settled,
        )
        sunk = self.sunk(moved)
        return moved if sunk == moved.sunk else replace(moved, sunk=sunk)

    def sunk(self, run: Run) -> tuple[Degenerate, ...]:
        """Regimes that sit on a few rows."""
        model, likelihood = self.model, self.model.likelihood
        if not self.guard.watched:
            return ()
        parts = zip(likelihood.bound, likelihood.parts, strict=True)
        return collapse.degenerate_regimes(
            [bound.scales(run.theta[part]) for bound, part in parts],
            likelihood.pooled,
            [block.columns for block in model.blocks],
            [block.own if block.own_scale else 0 for block in model.blocks],
            run.states,
            likelihood.rows,
        )

    def finish(self, run: Run) -> Run:
        """Climb to the end: by expectation-maximisation first where that was asked for."""
        if self.method == "em":
            run = self.expect(replace(run, settled=False), self.maxiter, EM_TOL, accelerate=True)
        elif not run.iterations:
            run = self.expect(run, PREPARED, PREPARED_TOL, accelerate=True)
        return self.polish(run)

    def polish(self, run: Run) -> Run:
        """Climb to the end with the exact score, from face to face."""
        model = self.model
        wrong: set[tuple[int, int]] = set()
        theta, llf = run.theta, run.llf
        spent, evaluations, converged = run.iterations, run.evaluations, False
        end: tuple[faces.Face, trust_region.Climb] | None = None
        for _ in range(FACES):
            end = None
            theta = faces.pinned(model, theta, llf, wrong)
            state = self._climb(theta, run.held, self.maxiter + run.iterations - spent)
            if state is None:
                break
            face, climb = state
            spent += climb.iterations
            evaluations += climb.evaluations + sum(face.spent)
            theta, llf = face.theta(climb.psi), climb.llf
            converged = climb.status == "converged"
            moved = faces.released(model, theta, wrong)
            if moved is theta and faces.pinned(model, theta, llf, wrong) is theta:
                end = state
                break
            theta = moved
            llf = model.likelihood.value(theta)
        done = replace(
            run, theta=theta, llf=llf, iterations=spent, evaluations=evaluations,
            converged=converged, polished=True, states=self._states(theta, run.states), end=end,
        )  # fmt: skip
        sunk = self.sunk(done)
        return done if sunk == done.sunk else replace(done, sunk=sunk)

    def renamed(self, run: Run, theta: FloatArray) -> Run:
        """The same end with its regimes numbered otherwise."""
        if theta is run.theta:
            return run
        if run.polished and self.model.k_regimes == 2:
            states = run.states[:, ::-1]
        else:
            states = self._states(theta, run.states)
        moved = replace(run, theta=theta, states=states)
        return replace(moved, sunk=self.sunk(moved) if run.sunk else ())

    def problem(self, face: faces.Face) -> Problem:
        """What is climbed on a face."""
        method = "auto" if self.method == "em" else self.method
        information = face.information if method == "scoring" else None
        curvature = face.curvature if method == "auto" else None
        return Problem(face, curvature, information, method, GTOL, confirm=False)

    def face(self, theta: FloatArray, held: tuple[int, ...]) -> faces.Face:
        """The face that a point lies on."""
        return faces.Face.at(self.model, theta, self.guard, held)

    def _climb(
        self, theta: FloatArray, held: tuple[int, ...], limit: int
    ) -> tuple[faces.Face, trust_region.Climb] | None:
        face = self.face(theta, held)
        try:
            psi = face.psi(theta)
        except ValueError:
            return None
        problem = self.problem(face)
        state = trust_region.begin(problem, 0, psi)
        if state.status == "refused":
            return None
        return face, trust_region.climb(problem, state, max(limit, 1))

    def _regimes(self, states: FloatArray) -> FloatArray:
        """Probabilities of the regimes from those of the chain's states."""
        k = self.model.k_regimes
        if states.shape[1] == k:
            return states
        out: FloatArray = states.reshape(len(states), k, -1).sum(axis=2)
        return out

    def _states(self, theta: FloatArray, otherwise: FloatArray) -> FloatArray:
        likelihood = self.model.likelihood
        law = None if likelihood.fused is None else likelihood.law(theta, expanded=False)
        if likelihood.fused is not None and law is not None:
            found = likelihood.fused.evaluated(theta, law)
            return found.states if math.isfinite(found.llf) else otherwise
        point = self.steps.expectation(theta)
        return self._regimes(point.states) if math.isfinite(point.llf) else otherwise


def agreement(one: FloatArray, other: FloatArray) -> float:
    """Share of the rows that two classifications put in the same regime, best matched.

    Parameters
    ----------
    one, other : ndarray, shape (n, K)
        Probabilities of the regimes.

    Returns
    -------
    float
        One minus half the mean distance of the rows' distributions.
    """
    if one.shape != other.shape or not len(one):
        return 0.0
    order = matched(one, other).tolist()
    moved = one if order == sorted(order) else one[:, order]
    return 1.0 - 0.5 * float(np.abs(moved - other).sum()) / len(one)


def arrives(run: Run, end: Run) -> bool:
    """Whether a run is on its way to the end of another one, and near it.

    Parameters
    ----------
    run, end : Run

    Returns
    -------
    bool
    """
    return near(run.llf, run.states, end)


def near(llf: float, states: FloatArray, end: Run) -> bool:
    """Whether a point is below the end of a run, not far, and its regimes are the same.

    Parameters
    ----------
    llf : float
    states : ndarray, shape (n, K)
        Smoothed probabilities of the regimes.
    end : Run

    Returns
    -------
    bool
    """
    return 0.0 <= end.llf - llf <= ARRIVING and agreement(states, end.states) >= SAME_REGIMES


def distinct(runs: Sequence[Run], llf: float = SAME_LLF) -> dict[int, int]:
    """Which runs lead where another one leads.

    Parameters
    ----------
    runs : sequence of Run
    llf : float
        Largest difference of the log-likelihoods of the same point.

    Returns
    -------
    dict
        Number of each run with a likelihood to that of the best run it agrees with (its own where
        there is none), the best runs first.
    """
    leaders: list[Run] = []
    heads: dict[int, int] = {}
    for run in sorted(runs, key=lambda r: (*r.rank, r.start)):
        if not math.isfinite(run.llf):
            continue
        if run.toward is not None and run.toward in heads:
            heads[run.start] = heads[run.toward]
            continue
        level = (lead for lead in leaders if abs(lead.llf - run.llf) <= llf)
        head = next((c for c in level if agreement(run.states, c.states) >= SAME_REGIMES), run)
        heads[run.start] = head.start
        if head is run:
            leaders.append(run)
    return heads
