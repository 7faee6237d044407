"""One climb of a log-likelihood: a trust region with an exact subproblem.

The quadratic model ``score's - s'Bs/2`` is maximised over ``||D s|| <= radius`` by the
eigen-decomposition of ``D^-1 B D^-1``, so that an indefinite ``B`` (a saddle, a start far away) and
the hard case need no special care. ``D`` holds the square roots of the diagonal of ``B``: the
radius is a number of conditional standard errors and the climb does not depend on units.

``B`` is the expected information (scoring), the negative Hessian (Newton), or one of these carried
along by secant updates.

References
----------
Conn, Gould and Toint (2000), Trust-Region Methods, chapters 6, 7.3 and 8.4.
More and Sorensen (1983), SIAM J. Sci. Stat. Comput. 4, 553-572.
Hager and Zhang (2005), SIAM J. Optim. 16, 170-192 (gain from the slopes where the values round).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from rnnstats.estimation.convergence import FloatArray, Progress

Objective = Callable[[FloatArray], tuple[float, FloatArray]]
MatrixFn = Callable[[FloatArray], FloatArray]
Method = Literal["auto", "scoring", "newton", "bfgs"]
METHODS: tuple[str, ...] = ("auto", "scoring", "newton", "bfgs")

__all__ = [
    "METHODS",
    "Climb",
    "MatrixFn",
    "Method",
    "Objective",
    "Problem",
    "begin",
    "climb",
    "unit_scale",
]

# A direction whose curvature, in unit-diagonal scaling, is below this share of the largest one is
# flat: differences of scores do not resolve its sign.
FLAT = 1e-10
# Below this share of the log-likelihood a gain is taken from the slopes at both ends, which do not
# cancel, instead of from the difference of two values, which does.
CANCELLATION = 1e-8
# Beyond this squares overflow.
HUGE = 1e100
# Forward-difference step inside the climb, in conditional standard errors.
INNER_STEP = 1e-4
# The trust region is a ball in the norm sqrt(|w| + ROUNDNESS) along each eigenvector of the scaled
# model, w its eigenvalue: long steps along a ridge are dearer than its curvature alone would say.
ROUNDNESS = 1.0
# With n coordinates a secant model is renewed by an exact Hessian after LIFE * n updates: the
# Hessian (n scores) then costs at most half as much as the steps it serves.
LIFE = 2.0
# Iterations between two looks for a preferable equivalent point.
SETTLE_EVERY = 25


@dataclass(frozen=True, slots=True)
class Problem:
    """What is climbed and how: an objective with its curvatures and the stopping rule."""

    objective: Objective
    hessian: MatrixFn | None
    information: MatrixFn | None
    method: str
    gtol: float
    callback: Callable[[Progress], None] | None = None
    canonical: MatrixFn | None = None
    confirm: bool = True  # by an exact Hessian on arrival; not where a later climb will do so


@dataclass(slots=True)
class Climb:
    """The state of one climb; it can be put aside (or sent to another process) and resumed."""

    start: int
    psi: FloatArray
    llf: float
    score: FloatArray
    scale: FloatArray
    curvature: FloatArray
    stage: str = "none"
    radius: float = math.inf
    start_llf: float = -math.inf
    iterations: int = 0
    evaluations: int = 0
    age: int = 0
    near: bool = False
    scaled: bool = False
    status: Literal["refused", "running", "converged", "stalled"] = "running"
    decrement: float = math.inf
    spectrum: tuple[FloatArray, FloatArray, FloatArray] | None = field(default=None)


def evaluate(problem: Problem, state: Climb, psi: FloatArray) -> tuple[float, FloatArray]:
    """Log-likelihood and score; what is not finite, or near overflow, counts as inadmissible."""
    state.evaluations += 1
    llf, score = problem.objective(psi)
    if not (abs(llf) < HUGE and float(np.abs(score).sum()) < HUGE):
        return -math.inf, score
    return float(llf), score


def begin(problem: Problem, start: int, psi: FloatArray) -> Climb:
    """A climb at its starting point; ``"refused"`` if inadmissible, over if nothing can move."""
    k = psi.shape[0]
    state = Climb(start, psi.copy(), -math.inf, np.zeros(k), np.ones(k), np.eye(k))
    state.llf, score = evaluate(problem, state, state.psi.copy())
    state.start_llf = state.llf
    if state.llf == -math.inf:
        state.status = "refused"
        return state
    state.score = np.array(score, dtype=np.float64)
    if k == 0:
        state.status, state.decrement = "converged", 0.0
    return state


def solve_subproblem(
    eigenvalues: FloatArray, slopes: FloatArray, radius: float
) -> tuple[FloatArray, bool]:
    """Maximise ``slopes'y - sum(eigenvalues * y**2)/2`` over ``||y|| <= radius``.

    Parameters
    ----------
    eigenvalues : ndarray, shape (k,)
        Ascending; may be negative.
    slopes : ndarray, shape (k,)
        The gradient in the eigenvectors' basis.
    radius : float
        Positive, may be infinite when all eigenvalues are positive.

    Returns
    -------
    ndarray, shape (k,)
        The global maximiser, in the eigenvectors' basis.
    bool
        Whether it lies on the sphere.

    Notes
    -----
    Newton's iteration on ``1/||y(mu)|| = 1/radius``, begun to the left of the root, where it is
    monotone. The multiplier is measured from the left-most pole, so that near the hard case (almost
    no slope along the direction of most negative curvature) nothing cancels.
    """
    lowest = float(eigenvalues[0])
    if lowest > 0.0:
        if (np.abs(slopes) <= radius * eigenvalues).all():
            y = slopes / eigenvalues
            if math.sqrt(float(y @ y)) <= radius:
                return y, False
    gaps = eigenvalues - lowest
    shift = max(lowest, 0.0, float(np.max(np.abs(slopes) / radius - gaps)))
    if shift == 0.0:
        # The hard case, exactly: no slope along the lowest direction and lowest <= 0.
        open_ = gaps > 0.0
        y = np.zeros_like(slopes)
        y[open_] = slopes[open_] / gaps[open_]
        room = radius**2 - float(y @ y)
        if room >= 0.0:
            if lowest < 0.0:
                y[0] = math.sqrt(room)
            return y, lowest < 0.0
        shift = 1e-12 * radius
    for _ in range(50):
        denominators = gaps + shift
        y = slopes / denominators
        length = math.sqrt(float(y @ y))
        excess = length / radius - 1.0
        if excess <= 1e-8:
            break
        shift += excess * length * length / float((y * y) @ (1.0 / denominators))
    return y, True


def climb(problem: Problem, state: Climb, limit: int) -> Climb:
    """Iterate until the stopping rule holds, nothing moves, or `limit` iterations are spent.

    Parameters
    ----------
    problem : Problem
    state : Climb
        Changed in place, so that an interrupt loses nothing; also returned.
    limit : int
        Iterations of this climb, those already made included.
    """
    while state.status == "running" and state.iterations < limit:
        if state.stage == "none":
            refresh(problem, state, near=problem.method == "newton")
        eigenvalues, slopes, _ = decompose(state)
        if has_arrived(problem, state, eigenvalues):
            exact = state.stage == "hessian" and state.age == 0
            if exact or not (problem.confirm or state.stage == "information"):
                state.status = "converged"
                return state
            refresh(problem, state, near=True)
            continue
        if worth_newton(problem, state):
            refresh(problem, state, near=True)
            continue
        state.iterations += 1
        if state.iterations % SETTLE_EVERY == 0 and settle(problem, state):
            continue
        take_step(problem, state, eigenvalues, slopes)
        if problem.callback is not None:
            problem.callback(
                Progress(state.start, state.iterations, state.llf, state.decrement, state.stage)
            )
    return state


def settle(problem: Problem, state: Climb) -> bool:
    """Move to the equivalent point that the caller prefers, when there is one; say if moved.

    A likelihood with several equivalent points can climb towards infinity in one copy of its
    domain while the same maximum is an ordinary point of another.
    """
    if problem.canonical is None or state.status == "refused":
        return False
    psi = np.array(problem.canonical(state.psi.copy()), dtype=np.float64)
    if np.array_equal(psi, state.psi) or not np.isfinite(psi).all():
        return False
    llf, score = evaluate(problem, state, psi.copy())
    if llf < state.llf - CANCELLATION * (1.0 + abs(state.llf)):
        return False
    state.psi, state.llf, state.score = psi, llf, np.array(score, dtype=np.float64)
    state.stage, state.spectrum, state.radius = "none", None, math.inf
    state.scaled, state.near, state.age = False, False, 0
    state.status = "running"
    return True


def decompose(state: Climb) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Eigenvalues, slopes and eigenvectors of the scaled model; kept until the model changes."""
    if state.spectrum is None:
        scaled = state.curvature / np.multiply.outer(state.scale, state.scale)
        eigenvalues, vectors = np.linalg.eigh(scaled)
        floor = FLAT * max(abs(float(eigenvalues[0])), abs(float(eigenvalues[-1])), 1e-100)
        eigenvalues = np.where(np.abs(eigenvalues) < floor, floor, eigenvalues)
        slopes = vectors.T @ (state.score / state.scale)
        state.decrement = 0.5 * float(slopes @ (slopes / np.abs(eigenvalues)))
        state.spectrum = (eigenvalues, slopes, vectors)
    return state.spectrum


def has_arrived(problem: Problem, state: Climb, eigenvalues: FloatArray) -> bool:
    """Whether the model says: a maximum, less than ``gtol`` standard errors away."""
    return math.sqrt(2.0 * state.decrement) <= problem.gtol and (
        float(eigenvalues[0]) > 0.0 or state.stage != "hessian"
    )


def worth_newton(problem: Problem, state: Climb) -> bool:
    """Whether the exact Hessian should replace the present model.

    A Hessian costs as many scores as there are coordinates. Along a curved ridge it is worth that
    no more often than every few times as many iterations: secant updates learn the ridge as they
    go. At the end, where the quadratic model is right, it is worth it at once.
    """
    if problem.method == "newton":
        return state.stage != "hessian" or state.age > 0
    if problem.method != "auto" or state.stage == "information" or state.age == 0:
        return False
    return bool(state.age >= LIFE * state.psi.shape[0])


def take_step(problem: Problem, state: Climb, eigenvalues: FloatArray, slopes: FloatArray) -> None:
    """Try the model's step; accept or refuse it; adapt radius and model."""
    assert state.spectrum is not None
    weight = np.sqrt(np.abs(eigenvalues) + ROUNDNESS)
    if state.radius == math.inf:
        state.radius = first_radius(state, weight)
    z, at_edge = solve_subproblem(eigenvalues / weight**2, slopes / weight, state.radius)
    y = z / weight
    length = math.sqrt(float(z @ z))
    promised = float(slopes @ y) - 0.5 * float(eigenvalues @ (y * y))
    step = (state.spectrum[2] @ y) / state.scale
    candidate = state.psi + step
    if np.array_equal(candidate, state.psi) or promised <= 0.0:
        state.status = "stalled"
        return
    llf, score = evaluate(problem, state, candidate.copy())
    if llf == -math.inf:
        state.radius = 0.3 * length
        return
    gain = llf - state.llf
    small = CANCELLATION * (1.0 + abs(state.llf))
    if promised <= small and abs(gain) <= 1e3 * small:
        gain = 0.5 * float((state.score + score) @ step)
    ratio = gain / promised
    bend = state.score - score
    slope = float(state.score @ step)
    if ratio < 0.1:
        # Where the parabola through the two values and the first slope has its top.
        top = 0.5 * slope / (slope - gain) if slope > gain else 0.1
        state.radius = length * min(max(top, 0.1), 0.5)
    elif ratio > 0.75 and at_edge:
        state.radius = max(state.radius, (4.0 if 0.9 < ratio < 1.1 else 2.0) * length)
    accepted = ratio > 1e-4
    if accepted:
        state.psi, state.llf = candidate, llf
        state.score = np.array(score, dtype=np.float64)
    renew(problem, state, step, bend, accepted)


def first_radius(state: Climb, weight: FloatArray) -> float:
    """Radius of the first step: the way from the origin, or ten standard errors a coordinate."""
    assert state.spectrum is not None
    way = weight * (state.spectrum[2].T @ (state.psi * state.scale))
    return max(10.0 * math.sqrt(way.shape[0]), math.sqrt(float(way @ way)))


def renew(
    problem: Problem, state: Climb, step: FloatArray, bend: FloatArray, accepted: bool
) -> None:
    """Bring the model to the point just reached, or correct it after a refusal."""
    if problem.method == "scoring" and state.stage == "information":
        if accepted:
            refresh(problem, state, near=False)
        return
    if problem.method == "newton" and not accepted:
        return
    if state.stage == "information":
        state.stage = "secant"
    assert state.spectrum is not None
    if problem.method != "bfgs" and float(state.spectrum[0][0]) <= 0.0:
        state.curvature = sr1(state.curvature, step, bend, state.scale)
    elif accepted:
        state.curvature = bfgs(state.curvature, step, bend)
    state.age += 1
    state.spectrum = None


def sr1(matrix: FloatArray, step: FloatArray, bend: FloatArray, scale: FloatArray) -> FloatArray:
    """Symmetric rank-one update; skipped where its denominator carries no information."""
    residual = bend - matrix @ step
    denominator = float(residual @ step)
    size = math.sqrt(float(((residual / scale) ** 2).sum()) * float(((step * scale) ** 2).sum()))
    if abs(denominator) <= 1e-6 * size:
        return matrix
    return matrix + np.multiply.outer(residual, residual) / denominator


def bfgs(matrix: FloatArray, step: FloatArray, bend: FloatArray) -> FloatArray:
    """BFGS update of the curvature; skipped where the step saw none, so that it stays positive."""
    pushed = matrix @ step
    own = float(step @ pushed)
    seen = float(step @ bend)
    if own <= 0.0 or seen <= 1e-10 * own:
        return matrix
    return matrix + np.multiply.outer(bend, bend) / seen - np.multiply.outer(pushed, pushed / own)


def refresh(problem: Problem, state: Climb, *, near: bool) -> None:
    """Compute the model's curvature anew at the present point."""
    state.near = state.near or near
    fresh = None
    if not state.near and problem.information is not None:
        fresh = np.asarray(problem.information(state.psi.copy()), dtype=np.float64)
        state.stage = "information"
    if fresh is None or not np.isfinite(fresh).all():
        state.stage = "hessian"
        if problem.hessian is not None:
            fresh = -np.asarray(problem.hessian(state.psi.copy()), dtype=np.float64)
        if fresh is None or not np.isfinite(fresh).all():
            fresh = -forward_hessian(problem, state)
    state.curvature = 0.5 * (fresh + fresh.T)
    if not np.isfinite(state.curvature).all():
        state.curvature = np.diag(state.scale**2)
    state.scale = np.maximum(
        unit_scale(state.curvature, state.psi), 0.1 * state.scale if state.scaled else 0.0
    )
    state.scaled = True
    state.age = 0
    state.spectrum = None


def unit_scale(curvature: FloatArray, psi: FloatArray) -> FloatArray:
    """Square roots of the diagonal's sizes; where there is no curvature, one over the coordinate.

    Dividing rows and columns by it gives a unit diagonal, whatever the units.
    """
    diagonal = np.sqrt(np.abs(np.diagonal(curvature)))
    return np.where(diagonal > 1e-100, diagonal, 1.0 / np.maximum(np.abs(psi), 1.0))


def forward_hessian(problem: Problem, state: Climb) -> FloatArray:
    """Hessian from one further score per coordinate, good to about ``INNER_STEP``.

    The side is changed, then the step shortened, where the neighbour is inadmissible; a coordinate
    without any admissible neighbour keeps the curvature of its scale.
    """
    k = state.psi.shape[0]
    hessian = np.diag(-(state.scale**2))
    sizes = np.maximum(np.abs(state.psi), 1.0)
    lengths = 1e-6 * sizes
    if state.scaled:
        lengths = np.clip(INNER_STEP / state.scale, 1e-9 * sizes, 1e-2 * sizes)
    for i in range(k):
        length = float(lengths[i])
        for step in (length, -length, 0.01 * length, -0.01 * length):
            neighbour = state.psi.copy()
            neighbour[i] += step
            llf, score = evaluate(problem, state, neighbour.copy())
            if llf > -math.inf:
                hessian[i] = (score - state.score) / (neighbour[i] - state.psi[i])
                break
    return 0.5 * (hessian + hessian.T)
