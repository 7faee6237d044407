"""Which parameters of a state space model the outputs can tell apart.

Parameters are identified, locally, where the Jacobian of the outputs' law by them (`law`) has full
column rank; otherwise its null directions can be followed without changing the law. Columns are
brought to length one first, so that units of parameters and data do not matter.

References
----------
Rothenberg, T. J. (1971), Identification in parametric models, Econometrica 39, 577-591.
Rao and Mitra (1971), Generalized Inverse of Matrices and its Applications, section 7.2 (which
functions of a singular model are estimable).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.diagnostics.law import LawJacobian, law_jacobian
from rnnstats.diagnostics.units import (
    directions_in_units,
    natural_units,
    positive,
    system_in_units,
)
from rnnstats.equivalence.realisation import spectral_radius
from rnnstats.errors import SpecificationError
from rnnstats.kernels.system import StateSpace, Tangents

__all__ = ["Identifiability", "identify", "sparse_basis", "tangents_of_arrays"]

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

# Singular values of the unit-column Jacobian below this share of the largest are zero: exact nulls
# come out below 1e-13, since the derivatives are exact up to rounding.
RANK_TOL: Final = 1e-10
# Below this share they are weak: a condition above a thousand, a million in the information. A
# single parameter is weak where a unit of it, in units of the noise, moves a row by less than this.
WEAK: Final = 1e-3
# A parameter that moves the law by less than this share of what others do, per unit of its cells.
DEAD: Final = 1e-12
# A parameter, or a function, with a larger share than this along null directions is not identified.
LOADING: Final = 1e-5
# A root this near the circle, or outside, counts as a unit root here.
UNIT: Final = 1e-6
# Below this share of an output's variance a noise counts as zero; it is looked at with the other.
SILENT: Final = 1e-10
AUDIBLE: Final = 1e-4
# Up to this many directions of a group, and parameters, linear programs look for sparse ones.
SEARCHED: Final = (8, 100)


@dataclass(frozen=True, eq=False)
class Identifiability:
    """Rank of the Jacobian of the outputs' law, its null directions and its weak ones.

    Attributes
    ----------
    rank : int
    singular_values : ndarray, shape (k,)
        Of the Jacobian with columns of length one (columns of zeros left as they are), largest
        first.
    sizes : ndarray, shape (k,)
        Lengths of its columns: root of the information of each parameter alone, per row.
    null : ndarray, shape (k, k - rank)
        Directions without effect on the law, in the parameters' units, with as few parameters each
        as could be found; the largest share is scaled to one.
    weak : ndarray, shape (k, w)
        Directions with hardly any effect, the weakest first, likewise scaled: combinations of
        parameters, and single ones whose whole effect is small, as that of a root that nearly
        cancels.
    weak_values : ndarray, shape (w,)
        Singular values of the combinations as shares of the largest; effects of single parameters
        when states and outputs are measured in units of their noise.
    folds : ndarray, shape (k, f)
        Directions that only the curvature of the likelihood tells, at a moving-average root on the
        unit circle; likewise scaled. They do not count as null, but the information is singular
        along them.
    unsure : bool
        Whether some of the null directions may be of this kind (a zero of the spectrum on the
        circle of a model that is not written in innovations).
    """

    rank: int
    singular_values: FloatArray
    sizes: FloatArray
    null: FloatArray
    weak: FloatArray
    weak_values: FloatArray
    folds: FloatArray
    unsure: bool
    _basis: FloatArray

    @property
    def condition(self) -> float:
        """Largest over smallest singular value among those that are not zero."""
        if not self.rank:
            return float("nan")
        return float(self.singular_values[0] / self.singular_values[self.rank - 1])

    @property
    def identified(self) -> BoolArray:
        """Whether each parameter has the same value along all null directions, shape (k,)."""
        out: BoolArray = np.linalg.norm(self._basis, axis=1) <= LOADING
        return out

    def tells(self, gradients: ArrayLike) -> BoolArray:
        """Say which functions of the parameters are identified.

        Parameters
        ----------
        gradients : array_like, shape (q, k)
            Derivatives of each function by the parameters.

        Returns
        -------
        ndarray of bool, shape (q,)
            Whether no null direction changes the function, to first order. Where a derivative is
            not finite, False.
        """
        slopes = np.atleast_2d(np.asarray(gradients, dtype=np.float64))
        units = np.where(self.sizes > 0.0, self.sizes, 1.0)
        scaled = slopes / units
        with np.errstate(invalid="ignore"):
            along = np.linalg.norm(scaled @ self._basis, axis=1)
            whole = np.linalg.norm(scaled, axis=1)
        out: BoolArray = along <= LOADING * whole
        return out


def identify(
    system: StateSpace,
    tangents: Tangents,
    seen: ArrayLike,
    *,
    expansion: ArrayLike | None = None,
    tol: float = RANK_TOL,
    caller: str = "identify",
) -> Identifiability:
    """Find what the outputs of a model tell about its parameters.

    Parameters
    ----------
    system : StateSpace
    tangents : Tangents
        Derivatives of the system by its parameters, K of them.
    seen : int or array_like of bool, shape (nobs, k_endog)
        Number of rows, or which outputs are observed; matters for means and inputs.
    expansion : array_like, shape (K, k), optional
        Derivative of the parameters by the free ones; identity by default.
    tol : float
        Singular values below this share of the largest count as zero.
    caller : str
        Named at the front of error messages.

    Returns
    -------
    Identifiability
        In the free parameters.

    Raises
    ------
    SpecificationError
        As for `rnnstats.diagnostics.law.law_jacobian`.

    Notes
    -----
    What is asked is what ever more rows would tell: the law once the filter has settled, with the
    mean over the rows at hand. That the covariance of the very first rows differs where h_0 is
    known is not used. A noise with variance zero, but free, that would move a unit root is given a
    small variance, since at zero the law has no derivative by it.
    """
    rows = (
        np.ones((int(seen), system.k_endog), dtype=bool)
        if isinstance(seen, (int, np.integer))
        else np.asarray(seen, dtype=bool)
    )
    ties = np.eye(len(tangents)) if expansion is None else np.asarray(expansion, dtype=np.float64)
    along = _along(tangents, ties)
    system = _off_zero(system, along)
    units = natural_units(system)
    scaled = directions_in_units(along, units)
    law = law_jacobian(system_in_units(system, units), scaled, rows, caller=caller)
    tables = [law.jacobian] if law.first_order is None else [law.jacobian, law.first_order]
    if not all(np.isfinite(table).all() for table in tables):
        raise SpecificationError(
            f"{caller}: the law of the outputs must have derivatives; got some that are not finite "
            "at these parameters. Evaluate at other parameters."
        )
    return _analysed(law, _lengths(scaled), tol)


def tangents_of_arrays(
    system: StateSpace, free: dict[str, ArrayLike]
) -> tuple[Tangents, tuple[str, ...]]:
    """Directions that change single cells of a system, one a free cell.

    Parameters
    ----------
    system : StateSpace
    free : dict of str to array_like of bool
        For each array with free cells (``"transition"``, ``"design"``, ``"state_cov"``,
        ``"obs_cov"``, ...) which they are, in its shape. Of a symmetric array the lower triangle
        counts; both mirrored cells move. Intercepts are not among them.

    Returns
    -------
    tangents : Tangents
    names : tuple of str
        ``"transition[1,1]"``, ... counted from 1.

    Raises
    ------
    SpecificationError
        An unknown array, or a wrong shape.
    """
    layout = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)
    directions, names = [], []
    for name, cells in free.items():
        mask = np.asarray(cells, dtype=bool)
        if name not in layout or mask.shape != layout[name][1]:
            shapes = ", ".join(f"{key} {shape}" for key, (_, shape) in layout.items())
            raise SpecificationError(
                f"tangents_of_arrays: free must name arrays of the system, with their shapes; got "
                f"{name!r} with shape {mask.shape}. They are {shapes}."
            )
        place = layout[name][0]
        for cell in zip(*np.nonzero(mask), strict=True):
            mirrored = name in ("state_cov", "obs_cov", "initial_cov")
            if mirrored and cell[1] > cell[0]:
                continue
            unit = np.zeros(mask.shape)
            unit[cell] = 1.0
            if mirrored:
                unit[cell[::-1]] = 1.0
            row = np.zeros(system.matrices.shape[-1])
            row[place] = unit.ravel()
            directions.append(row)
            names.append(f"{name}[{','.join(str(i + 1) for i in cell)}]")
    k = len(directions)
    p, m = system.k_endog, system.k_states
    matrices = np.array(directions).reshape(k, system.matrices.shape[-1])
    obs = np.zeros((k, *np.shape(system.obs_intercept)))
    state = np.zeros((k, *np.shape(system.state_intercept)))
    return Tangents(p, m, system.k_posdef, matrices, obs, state), tuple(names)


def _along(tangents: Tangents, ties: FloatArray) -> Tangents:
    """Directions of the free parameters."""
    if ties.shape[0] == ties.shape[1] and np.array_equal(ties, np.eye(len(ties))):
        return tangents
    return tangents.combined(ties)


def _off_zero(system: StateSpace, along: Tangents) -> StateSpace:
    """Give noises that are free, do not move the outputs and would reach a unit root some variance.

    There the law has no derivative: the filter's gain grows like the root of the variance.
    """
    if spectral_radius(system.transition) < 1.0 - UNIT:
        return system
    movable = np.abs(np.diagonal(along.state_cov, axis1=1, axis2=2)).max(axis=0, initial=0.0) > 0.0
    unit = natural_units(system).noises ** 2
    quiet = movable & (np.diagonal(system.state_cov) < SILENT * unit)
    if not quiet.any():
        return system
    matrices = np.array(system.matrices)
    layout = StateSpace.offsets(system.k_endog, system.k_states, system.k_posdef)
    place = layout["state_cov"][0]
    matrices[place] += np.diag(np.where(quiet, AUDIBLE * unit, 0.0)).ravel()
    return system.replaced(matrices=matrices)


def _lengths(tangents: Tangents) -> FloatArray:
    """How much a unit of each direction moves the cells of the system."""
    total = (tangents.matrices**2).sum(axis=1)
    for part in (tangents.obs_intercept, tangents.state_intercept):
        squares = (part**2).sum(axis=-1)
        total = total + (squares.mean(axis=1) if squares.ndim == 2 else squares)
    out: FloatArray = np.sqrt(total)
    return out


def _analysed(law: LawJacobian, lengths: FloatArray, tol: float) -> Identifiability:
    sizes = np.linalg.norm(law.jacobian, axis=0)
    effects = sizes / positive(lengths)
    sizes = np.where(effects > DEAD * max(float(effects.max(initial=0.0)), 1.0), sizes, 0.0)
    units = positive(sizes)
    values, turned, rank = _decomposed(law.jacobian, sizes, tol)
    basis = turned[rank:].T
    top = max(float(values.max(initial=0.0)), 1e-300)
    frail = np.flatnonzero((values > tol * top) & (values < WEAK * top))
    alone = np.flatnonzero((sizes > 0.0) & (effects < WEAK))
    weak = np.hstack([turned[frail].T, np.eye(len(sizes))[:, alone]])
    weak_values = np.concatenate([values[frail] / top, effects[alone]])
    order = np.argsort(weak_values, kind="stable")
    folds = np.zeros((len(sizes), 0))
    if law.first_order is not None:
        _, other, told = _decomposed(law.first_order, sizes, np.sqrt(tol))
        beyond = other[told:].T - basis @ (basis.T @ other[told:].T)
        left, size, _ = np.linalg.svd(beyond, full_matrices=False)
        folds = left[:, size > 0.5]
    return Identifiability(
        rank=rank,
        singular_values=values,
        sizes=sizes,
        null=_readable(sparse_basis(basis), units),
        weak=_readable(weak[:, order], units),
        weak_values=weak_values[order],
        folds=_readable(sparse_basis(folds), units),
        unsure=not law.from_responses and rank < len(sizes),
        _basis=basis,
    )


def _decomposed(
    jacobian: FloatArray, sizes: FloatArray, tol: float
) -> tuple[FloatArray, FloatArray, int]:
    """Singular values and right vectors of a Jacobian in units of `sizes`, and its rank."""
    table = np.where(sizes > 0.0, jacobian / positive(sizes), 0.0)
    short = max(table.shape[1] - len(table), 0)
    table = np.vstack([table, np.zeros((short, table.shape[1]))])
    _, values, turned = np.linalg.svd(table, full_matrices=False)
    top = max(float(values.max(initial=0.0)), 1e-300)
    return values, turned, int(np.count_nonzero(values > tol * top))


def _readable(directions: FloatArray, units: FloatArray) -> FloatArray:
    """Natural units; the component with the largest share is one."""
    if not directions.size:
        return directions
    largest = np.argmax(np.abs(directions) * (1.0 - 1e-9 * np.arange(len(units)))[:, None], axis=0)
    natural = directions / units[:, None]
    out: FloatArray = natural / natural[largest, np.arange(directions.shape[1])]
    return out


def sparse_basis(basis: FloatArray) -> FloatArray:
    """Basis of the same space in which each vector has few components.

    Parameters
    ----------
    basis : ndarray, shape (k, d)
        Orthonormal columns.

    Returns
    -------
    ndarray, shape (k, d)
        Columns of length one. Parameters that no vector links to each other are separated exactly;
        within a group, the sparsest vectors found by minimising sums of absolute values, as many
        as are independent.

    Notes
    -----
    Finding the sparsest basis takes exponential time; choosing greedily among the vectors of
    smallest absolute sum through each parameter is a usual substitute (Coleman and Pothen 1986,
    SIAM Journal on Algebraic Discrete Methods 7, 527-537, for the greedy part).
    """
    k, d = basis.shape
    if not d:
        return basis.copy()
    projector = basis @ basis.T
    linked = np.abs(projector) > LOADING
    left = [i for i in range(k) if linked[i, i]]
    found: list[FloatArray] = []
    while left:
        group = {left[0]}
        while True:
            wider = {int(j) for i in group for j in np.flatnonzero(linked[i])} | group
            if wider == group:
                break
            group = wider
        members = sorted(group)
        left = [i for i in left if i not in group]
        local, sizes, _ = np.linalg.svd(basis[members], full_matrices=False)
        inner = local[:, sizes > 0.5]
        whole = np.zeros((k, inner.shape[1]))
        whole[members] = _sparse(inner)
        found.append(whole)
    out = np.hstack(found) if found else np.zeros((k, 0))
    return out if out.shape[1] == d else basis.copy()


def _sparse(basis: FloatArray) -> FloatArray:
    """Sparse basis of one group of parameters."""
    k, d = basis.shape
    if d == 1 or d > SEARCHED[0] or k > SEARCHED[1]:
        return _echelon(basis)
    vectors = [v for i in range(k) if (v := _leanest(basis, i)) is not None]
    vectors += list(_echelon(basis).T)
    vectors.sort(key=lambda v: (int((np.abs(v) > 1e-6 * np.abs(v).max()).sum()), np.abs(v).sum()))
    chosen: list[FloatArray] = []
    spanned = np.zeros((d, 0))
    for vector in vectors:
        place = basis.T @ vector
        rest = place - spanned @ (spanned.T @ place)
        size = float(np.linalg.norm(rest))
        if size > 1e-3:
            spanned = np.column_stack([spanned, rest / size])
            chosen.append(vector)
        if len(chosen) == d:
            break
    return np.column_stack(chosen) if len(chosen) == d else _echelon(basis)


def _leanest(basis: FloatArray, i: int) -> FloatArray | None:
    """Vector of the space with component i equal to one and the smallest absolute sum."""
    from scipy.optimize import linprog

    k, d = basis.shape
    cost = np.concatenate([np.zeros(d), np.ones(k)])
    bound = np.block([[basis, -np.eye(k)], [-basis, -np.eye(k)]])
    fixed = np.concatenate([basis[i], np.zeros(k)])[None]
    free = [(None, None)] * d + [(0.0, None)] * k
    found: Any = linprog(cost, bound, np.zeros(2 * k), fixed, np.ones(1), free, method="highs")
    if found.status != 0:
        return None
    vector = basis @ found.x[:d]
    support = np.abs(vector) > 1e-7 * np.abs(vector).max()
    # the same support, exactly in the space
    outside = basis[~support]
    weights = np.linalg.svd(outside)[2][-1] if len(outside) else found.x[:d]
    exact = basis @ weights
    exact = np.where(support, exact, 0.0)
    size = float(np.linalg.norm(exact))
    drift = float(np.linalg.norm(outside @ weights)) if len(outside) else 0.0
    return exact / size if size > 0.0 and drift <= 1e-6 * size else None


def _echelon(basis: FloatArray) -> FloatArray:
    """Basis in which each vector alone has one of d parameters."""
    from scipy.linalg import qr

    d = basis.shape[1]
    pivots = qr(basis.T, mode="economic", pivoting=True)[-1][:d]
    turned = basis @ np.linalg.inv(basis[pivots])
    turned[pivots] = np.eye(d)
    turned = np.where(np.abs(turned) > LOADING * np.abs(turned).max(axis=0), turned, 0.0)
    out: FloatArray = turned / np.linalg.norm(turned, axis=0)
    return out
