"""From a fitted linear model to the coefficients of a vector ARMA model, with derivatives.

The matrices of the state space are read from the model, and their derivatives by the parameters by
differences, which are exact because the matrices are linear in the parameters. Everything after
that (Riccati equation, reduction, polynomials) is differentiated exactly: the steady state by the
implicit function theorem, the rest by complex steps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.coprimeness import Coprimeness, coprimeness_of, shown_root
from rnnstats.equivalence.order import Projection, kronecker_indices, project, projection
from rnnstats.equivalence.polynomials import (
    PolynomialForm,
    Polynomials,
    echelon_polynomials,
    final_polynomials,
)
from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.equivalence.riccati import ON_CIRCLE, hidden_roots, riccati, steady_slopes
from rnnstats.equivalence.steady import shares_noise
from rnnstats.equivalence.systems import InnovationsSystem, powers
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import jacobian
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import ContinuedModel
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = ["Coefficients", "Mapped", "map_to_varma"]

AnyArray = NDArray[Any]

# Length of the complex step: its square is lost next to 1, so that the derivative is exact.
STEP = 1e-20
# A coefficient below this in units of the errors, with derivatives as small, is structurally zero.
ZERO = 1e-9


class Matrices(NamedTuple):
    """What a model's system is made of, real or along a complex step.

    ``levels`` and ``slopes`` are the constant and the coefficient of t in the outputs (p,) and in
    the states (n,).
    """

    transition: AnyArray
    design: AnyArray
    selection: AnyArray
    state_cov: AnyArray
    cross_cov: AnyArray
    obs_cov: AnyArray
    level: AnyArray
    slope: AnyArray
    direct: AnyArray
    state_level: AnyArray
    state_slope: AnyArray
    inputs: AnyArray


class Coefficients(NamedTuple):
    """Equations ``ar0 y_t = intercept + trend t + ...`` with their errors' covariance.

    ``polynomials`` has inputs' coefficients under ``exog``; all real or complex.
    """

    polynomials: Polynomials
    intercept: AnyArray
    trend: AnyArray
    sigma_u: AnyArray

    def reduced(self) -> Coefficients:
        """Return the equations multiplied by the inverse of ar0."""
        inverse = np.linalg.inv(self.polynomials.ar0)
        return Coefficients(
            self.polynomials.reduced(), inverse @ self.intercept, inverse @ self.trend, self.sigma_u
        )

    def flat(self) -> AnyArray:
        """All numbers in a row, in the order of the fields."""
        parts = (self.intercept, self.trend, *self.polynomials, self.sigma_u)
        return np.concatenate([part.ravel() for part in parts])

    def like(self, flat: AnyArray) -> Coefficients:
        """Put a row of numbers into these shapes."""
        p = self.polynomials
        parts = (self.intercept, self.trend, *p, self.sigma_u)
        cuts = np.cumsum([part.size for part in parts])[:-1]
        new = [
            piece.reshape(part.shape)
            for piece, part in zip(np.split(flat, cuts), parts, strict=True)
        ]
        return Coefficients(Polynomials(*new[2:6]), new[0], new[1], new[6])


@dataclass(frozen=True)
class Mapped:
    """A vector ARMA model and its derivatives by all natural parameters.

    Attributes
    ----------
    form : str
    structural, reduced : Coefficients
        Equations of the form, and the same multiplied by the inverse of ar0.
    slopes, reduced_slopes : ndarray, shape (size, K)
        Derivatives of ``structural.flat()`` and ``reduced.flat()``.
    live, reduced_live : ndarray of bool, shape (size,)
        Coefficients that are not structurally zero, one or repeated.
    kronecker : tuple of int
    system : InnovationsSystem
        Minimal, with the errors' gain.
    coprimeness : Coprimeness
    steady_cov : ndarray, shape (n, n)
        Error covariance of the model's own state in the steady state.
    notes : tuple of str
    """

    form: PolynomialForm
    structural: Coefficients
    reduced: Coefficients
    slopes: FloatArray
    reduced_slopes: FloatArray
    live: NDArray[np.bool_]
    reduced_live: NDArray[np.bool_]
    kronecker: tuple[int, ...]
    system: InnovationsSystem
    coprimeness: Coprimeness
    steady_cov: FloatArray
    notes: tuple[str, ...]


class _Plan(NamedTuple):
    """Decisions that hold along every derivative."""

    form: PolynomialForm
    kronecker: tuple[int, ...]
    part: Projection | None
    absorb: bool


def map_to_varma(model: StateSpaceModel, theta: FloatArray, form: PolynomialForm) -> Mapped:
    """Map a model at its parameters to a vector ARMA model.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray, shape (K,)
    form : {"echelon", "final"}

    Returns
    -------
    Mapped

    Raises
    ------
    SpecificationError
        The filter has no steady state, or the order cannot be determined.
    """
    whole = model.whole if isinstance(model, ContinuedModel) else model
    base, changes = _read(whole, theta)
    seen, back = _seen_part(base), np.eye(len(base.transition))
    notes: tuple[str, ...] = ()
    if seen is not None:
        changes = _turned_changes(base, changes, seen)
        base, back = _turned(base, seen)
        notes = ("a root on or outside the unit circle shows in no output and is left out",)
    gain, sigma, d_gain, d_sigma, steady_cov = _innovations(base, changes)
    scale = np.sqrt(np.diagonal(sigma))
    plan, found = _plan(whole, base, gain, scale, form)
    notes += _unmoved(base, gain)
    structural = _coefficients(base, gain, sigma, plan)
    reduced = structural.reduced()
    slopes = np.empty((structural.flat().size, theta.size))
    reduced_slopes = np.empty_like(slopes)
    for j in range(theta.size):
        stepped = _stepped(base, changes, j)
        moved = _coefficients(stepped, gain + 1j * STEP * d_gain[j], sigma + 0j, plan)
        moved = moved._replace(sigma_u=sigma + 1j * STEP * d_sigma[j])
        slopes[:, j] = moved.flat().imag / STEP
        reduced_slopes[:, j] = moved.reduced().flat().imag / STEP
    free = np.asarray(model.layout.expansion, dtype=np.float64)
    inputs = _input_sizes(whole)
    return Mapped(
        form,
        structural,
        reduced,
        slopes,
        reduced_slopes,
        _live(structural, slopes @ free, scale, inputs),
        _live(reduced, reduced_slopes @ free, scale, inputs),
        plan.kronecker,
        found,
        coprimeness_of(_with_inputs(base, gain), scale=scale),
        back @ steady_cov @ back.T,
        notes,
    )


# -- reading the model ----------------------------------------------------------------------------


def _read(model: StateSpaceModel, theta: FloatArray) -> tuple[Matrices, Matrices]:
    """Matrices at the parameters, and their derivatives with the parameter first."""
    base = _matrices(model, theta)
    sizes = np.cumsum([part.size for part in base])[:-1]

    def flat(point: FloatArray) -> FloatArray:
        return np.concatenate([part.ravel() for part in _matrices(model, point)])

    columns = np.split(jacobian(flat, theta), sizes)
    changes = (
        np.moveaxis(column.reshape(*part.shape, theta.size), -1, 0)
        for column, part in zip(columns, base, strict=True)
    )
    return base, Matrices(*changes)


def _matrices(model: StateSpaceModel, theta: FloatArray) -> Matrices:
    """Read the system; intercepts are taken apart by probing rows past the sample."""
    size = _input_sizes(model)
    k = len(size)
    probe = np.zeros((k + 2, k))
    probe[2:] = np.diag(size)  # as large as in the sample: one would be lost beside a level
    system = model.system(theta, steps=k + 2, exog=probe if k else None)
    outputs = _taken_apart(system.obs_intercept, model.nobs, size)
    states = _taken_apart(system.state_intercept, model.nobs, size)
    return Matrices(
        np.array(system.transition),
        np.array(system.design),
        np.array(system.selection),
        np.array(system.state_cov),
        np.array(system.cross_cov),
        np.array(system.obs_cov),
        *outputs,
        *states,
    )


def _taken_apart(
    intercept: FloatArray, nobs: int, size: FloatArray
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Constant, slope in t = 1, 2, ... and coefficients of the inputs (width, k)."""
    k = len(size)
    if intercept.ndim == 1:
        return intercept.copy(), np.zeros(len(intercept)), np.zeros((len(intercept), k))
    rows = intercept[nobs:]
    slope = rows[1] - rows[0]
    level = rows[0] - slope * (nobs + 1)
    t = np.arange(nobs + 3, nobs + 3 + k, dtype=np.float64)
    direct = rows[2:] - level - t[:, None] * slope
    return level, slope, direct.T / size


class _Seen(NamedTuple):
    """What the outputs show of a state: combinations of C, C A, ..., and a basis of states."""

    left: FloatArray
    basis: FloatArray
    factor: float


def _seen_part(base: Matrices) -> _Seen | None:
    """Find what the outputs show, where the rest would keep the filter from settling."""
    if not hidden_roots(base.transition, base.design):
        return None
    factor = 0.95 / max(spectral_radius(base.transition), 1.0)
    n = len(base.transition)
    sizes = np.linalg.norm(base.design, axis=1)
    sizes = np.where(sizes > 0.0, sizes, 1.0)  # whatever the units of the outputs
    rows = powers(base.design / sizes[:, None], factor * base.transition, n).reshape(-1, n)
    left, values, right = np.linalg.svd(rows)
    rank = int(np.count_nonzero(values > 1e-10 * values.max(initial=0.0)))
    return _Seen(left[:, :rank].T / np.tile(sizes, n), right[:rank].T, factor)


def _turned(parts: Matrices, seen: _Seen) -> tuple[Matrices, AnyArray]:
    """Coordinates of the part of the state that the outputs show, and the way back."""
    a, n = parts.transition, len(parts.transition)
    rows = seen.left @ powers(parts.design, seen.factor * a, n).reshape(-1, n)
    back = seen.basis @ np.linalg.inv(rows @ seen.basis)
    turned = parts._replace(
        transition=rows @ a @ back,
        design=parts.design @ back,
        selection=rows @ parts.selection,
        state_level=rows @ parts.state_level,
        state_slope=rows @ parts.state_slope,
        inputs=rows @ parts.inputs,
    )
    return turned, back


def _stepped(base: Matrices, changes: Matrices, j: int) -> Matrices:
    """Matrices a complex step along parameter j."""
    return Matrices(
        *(part + 1j * STEP * change[j] for part, change in zip(base, changes, strict=True))
    )


def _turned_changes(base: Matrices, changes: Matrices, seen: _Seen) -> Matrices:
    """Derivatives in these coordinates, which move with the parameters."""
    moved = [_turned(_stepped(base, changes, j), seen)[0] for j in range(len(changes.transition))]
    return Matrices(*(np.stack(parts).imag / STEP for parts in zip(*moved, strict=True)))


def _innovations(
    base: Matrices, changes: Matrices
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Gain and covariance of the innovations, their derivatives, and the state's error."""
    n = len(base.transition)
    system = StateSpace.from_arrays(
        design=base.design,
        transition=base.transition,
        selection=base.selection,
        state_cov=base.state_cov,
        obs_cov=base.obs_cov,
        cross_cov=base.cross_cov,
    )
    if shares_noise(system):
        gain, sigma = base.selection, base.obs_cov
        _check_regular(sigma)
        return gain, sigma, changes.selection, changes.obs_cov, np.zeros((n, n))
    steady = riccati(system)
    r, q = base.selection, base.state_cov
    d_r, d_q = changes.selection, changes.state_cov
    half = d_r @ q @ r.T
    moves = (
        changes.transition,
        changes.design,
        half + np.swapaxes(half, 1, 2) + r @ d_q @ r.T,
        d_r @ base.cross_cov + r @ changes.cross_cov,
        changes.obs_cov,
    )
    d_gain, d_sigma = steady_slopes(system, steady, moves)
    return steady.gain, steady.innovation_cov, d_gain, d_sigma, steady.state_cov


def _check_regular(sigma: FloatArray) -> None:
    scale = np.sqrt(np.maximum(np.diagonal(sigma), 1e-300))
    smallest = float(np.linalg.eigvalsh(sigma / np.outer(scale, scale))[0])
    if not smallest > 1e-13:
        raise SpecificationError(
            "to_varma: the innovations must have a covariance of full rank; got a smallest "
            f"eigenvalue of {smallest:.2g} in correlation units. Leave out an output that the "
            "others determine."
        )


def _unmoved(base: Matrices, gain: FloatArray) -> tuple[str, ...]:
    """Say which roots on the circle neither errors nor inputs move."""
    roots, left = np.linalg.eig(base.transition.T)
    drive = np.hstack([gain, base.inputs, base.state_level[:, None], base.state_slope[:, None]])
    top = float(np.linalg.norm(drive, axis=0).max(initial=0.0))
    still = (np.abs(roots) >= 1.0 - ON_CIRCLE) & (
        np.abs(left.T @ drive).max(axis=1, initial=0.0) <= 1e-10 * top
    )
    kept = sorted({shown_root(root) for root in roots[still]})
    if not kept:
        return ()
    return (
        f"a state with root {', '.join(kept)} gets no noise: the path that it adds is fixed by the "
        "start and is no part of the vector ARMA model",
    )


# -- the vector ARMA model ------------------------------------------------------------------------


def _plan(
    model: StateSpaceModel,
    base: Matrices,
    gain: FloatArray,
    scale: FloatArray,
    form: PolynomialForm,
) -> tuple[_Plan, InnovationsSystem]:
    """Decide on order and structure, once, at the estimates."""
    absorb = spectral_radius(base.transition) < 1.0 - ON_CIRCLE
    own = tuple(getattr(model, "kronecker", ()) or ())
    system = _driven(base, gain, absorb)
    if sum(own) == len(base.transition) and own:
        return _Plan(form, own, None, absorb), system
    part, _ = projection(system, scale=scale)
    if len(part.left) == len(system.transition):
        kept = None
    else:
        kept, system = part, project(system, part)
    indices = (
        kronecker_indices(system, scale=scale) if len(system.transition) else (0,) * len(scale)
    )
    return _Plan(form, indices, kept, absorb), system


def _driven(base: Matrices, gain: AnyArray, absorb: bool) -> InnovationsSystem:
    """Return the system with inputs, among them constant and trend of the state if kept there."""
    terms = (base.state_level[:, None], base.state_slope[:, None])
    inputs = base.inputs if absorb else np.hstack([base.inputs, *terms])
    blank = np.zeros((len(base.design), inputs.shape[1] - base.inputs.shape[1]))
    direct = np.hstack([base.direct, blank])
    return InnovationsSystem(base.transition, base.design, gain, inputs, direct)


def _with_inputs(base: Matrices, gain: FloatArray) -> InnovationsSystem:
    return InnovationsSystem(base.transition, base.design, gain, base.inputs, base.direct)


def _coefficients(base: Matrices, gain: AnyArray, sigma: AnyArray, plan: _Plan) -> Coefficients:
    """Equations of the plan's form at these matrices."""
    system = _driven(base, gain, plan.absorb)
    if plan.part is not None:
        system = project(system, plan.part)
    if plan.form == "final":
        found = final_polynomials(system, trim=False)
    else:
        found = echelon_polynomials(system, plan.kronecker, trim=False)
    k = base.inputs.shape[1]
    level, slope = base.level, base.slope
    if plan.absorb:
        eye = np.eye(len(base.transition))
        steep = np.linalg.solve(eye - base.transition, base.state_slope)
        flat = np.linalg.solve(eye - base.transition, base.state_level - base.transition @ steep)
        level, slope = level + base.design @ flat, slope + base.design @ steep
    lags = np.arange(1, len(found.ar) + 1)[:, None, None]
    at_one = found.ar0 - found.ar.sum(axis=0)
    intercept = at_one @ level + (lags * found.ar).sum(axis=0) @ slope
    trend = at_one @ slope
    if not plan.absorb:
        constant, rising = found.exog[:, :, k], found.exog[:, :, k + 1]
        delays = np.arange(len(rising))[:, None]
        intercept = intercept + constant.sum(axis=0) - (delays * rising).sum(axis=0)
        trend = trend + rising.sum(axis=0)
    return Coefficients(found._replace(exog=found.exog[:, :, :k]), intercept, trend, sigma)


def _input_sizes(model: StateSpaceModel) -> FloatArray:
    """Root mean squares of the inputs; one for an input that is zero throughout."""
    if model.exog is None:
        return np.ones(0)
    sizes = np.sqrt(np.mean(np.square(model.exog.values), axis=0))
    return np.where(sizes > 0.0, sizes, 1.0)


def _live(
    found: Coefficients, slopes: FloatArray, scale: FloatArray, inputs: FloatArray
) -> NDArray[np.bool_]:
    """Coefficients that are neither structurally zero nor one, in units of errors and inputs."""
    p = found.polynomials
    ratio = scale[:, None] / scale
    blank = np.ones_like(found.intercept)
    loads = _spread(scale[:, None] / inputs, p.exog)
    units = Coefficients(
        Polynomials(ratio, _spread(ratio, p.ar), _spread(ratio, p.ma), loads),
        blank * scale,
        blank * scale,
        np.outer(scale, scale),
    ).flat()
    size = np.abs(slopes).max(axis=1, initial=0.0)
    live = (np.abs(found.flat()) > ZERO * units) | (size > ZERO * units)
    where = found.like(live)
    where.polynomials.ar0[np.diag_indices(len(scale))] = False
    where.sigma_u[...] = np.tri(len(scale), dtype=bool)
    return np.asarray(where.flat(), dtype=np.bool_)


def _spread(ratio: FloatArray, lags: FloatArray) -> FloatArray:
    return np.broadcast_to(ratio, lags.shape)
