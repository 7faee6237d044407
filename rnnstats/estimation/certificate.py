"""What can be said about a point: is it a maximum, how far off, in which directions is it flat."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rnnstats.estimation.convergence import FloatArray
from rnnstats.estimation.covariance import hessian_with_error
from rnnstats.estimation.trust_region import FLAT, Climb, Problem, evaluate, unit_scale

__all__ = ["Certificate", "certify", "describe", "examine"]


@dataclass(frozen=True, slots=True, eq=False)
class Certificate:
    """The local facts about a point, free of units.

    Attributes
    ----------
    hessian : ndarray, shape (k, k)
        Of the log-likelihood.
    max_scaled_score, newton_decrement, condition : float
        As in `Convergence`.
    positive, negative, zero : int
        Inertia of the negative Hessian.
    lowest : float
        Its lowest eigenvalue, in unit-diagonal scaling.
    """

    hessian: FloatArray
    max_scaled_score: float
    newton_decrement: float
    condition: float
    positive: int
    negative: int
    zero: int
    lowest: float

    def holds(self, gtol: float) -> bool:
        """Whether this is a maximum to within `gtol` standard errors."""
        return math.sqrt(2.0 * self.newton_decrement) <= gtol and self.negative == 0


def certify(problem: Problem, state: Climb) -> Certificate:
    """Examine the point where a climb stands, with the most accurate Hessian there is.

    Parameters
    ----------
    problem : Problem
    state : Climb
        Its count of evaluations grows by those made here.

    Returns
    -------
    Certificate
    """
    error = np.zeros_like(state.curvature)
    if problem.hessian is not None:
        hessian = np.asarray(problem.hessian(state.psi.copy()), dtype=np.float64)
        hessian = 0.5 * (hessian + hessian.T)
    else:

        def score(psi: FloatArray) -> FloatArray:
            llf, gradient = evaluate(problem, state, psi)
            return gradient if llf > -math.inf else np.full(psi.shape, np.nan)

        scale = 1.0 / state.scale if state.scaled else None
        hessian, error = hessian_with_error(score, state.psi, scale=scale)
    if not np.isfinite(hessian).all():
        hessian = np.where(np.isfinite(hessian), hessian, -state.curvature)
        error = np.where(np.isfinite(error), error, 0.0)
    return examine(state.psi, state.score, hessian, error)


def examine(
    psi: FloatArray, score: FloatArray, hessian: FloatArray, error: FloatArray | None = None
) -> Certificate:
    """Spectrum of the negative Hessian in unit-diagonal scaling, and the score measured by it.

    Parameters
    ----------
    psi : ndarray, shape (k,)
        The point; sets the unit of a coordinate without curvature.
    score : ndarray, shape (k,)
        Gradient of the log-likelihood.
    hessian : ndarray, shape (k, k)
        Hessian of the log-likelihood, finite.
    error : ndarray, shape (k, k), optional
        Absolute error of its elements: eigenvalues below it are not told from zero.

    Returns
    -------
    Certificate
    """
    scale = unit_scale(hessian, psi)
    metric = np.multiply.outer(scale, scale)
    values, vectors = np.linalg.eigh(-hessian / metric)
    floor = FLAT * float(np.abs(values).max())
    if error is not None:
        floor = max(floor, 3.0 * float(np.linalg.norm(error / metric)))
    floor = max(floor, 1e-300)
    flat = np.abs(values) <= floor
    sizes = np.maximum(np.abs(values), floor)
    slopes = vectors.T @ (score / scale)
    variances = (vectors**2) @ np.where(flat, 0.0, 1.0 / sizes)
    zero = int(flat.sum())
    return Certificate(
        hessian=hessian,
        max_scaled_score=float(np.max(np.abs(score / scale) * np.sqrt(variances))),
        newton_decrement=0.5 * float(slopes @ (slopes / sizes)),
        condition=math.inf if zero else float(sizes.max() / sizes.min()),
        positive=int((values > floor).sum()),
        negative=int((values < -floor).sum()),
        zero=zero,
        lowest=float(values[0]),
    )


def describe(
    certificate: Certificate, gtol: float, *, status: str, iterations: int, interrupted: bool
) -> str:
    """Say how a fit ended and, if it did not converge, why.

    Parameters
    ----------
    certificate : Certificate
    gtol : float
        The stopping rule, in standard errors.
    status : str
        Status of the climb.
    iterations : int
        Iterations made.
    interrupted : bool
        Whether the user broke it off.

    Returns
    -------
    str
        One line.
    """
    length = math.sqrt(2.0 * certificate.newton_decrement)
    off = f"the Newton step is {length:.2g} standard errors long (limit {gtol:.2g})"
    if interrupted:
        return f"interrupted after {iterations} iterations: best point so far; {off}"
    if certificate.holds(gtol):
        if certificate.zero:
            return (
                f"converged on a ridge: the likelihood is flat in {certificate.zero} of "
                f"{certificate.hessian.shape[0]} directions"
            )
        return "converged"
    if certificate.negative:
        noun = "direction" if certificate.negative == 1 else "directions"
        off += f", and the likelihood curves upwards in {certificate.negative} {noun}"
    if status == "running":
        return f"stopped by the limit of iterations ({iterations}): {off}"
    return f"stopped where no step gains any more ({iterations} iterations): {off}"
