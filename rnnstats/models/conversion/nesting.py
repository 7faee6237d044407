"""A fitted linear model as a point of the next larger one, from where the fit goes on upwards.

In the innovations form the further state is a mode that no error reaches: its row of the gain is
zero, so that the likelihood is that of the smaller model whatever its root and its loading are.
Both are tried on a grid, and the one whose gain promises most is moved by one scoring step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.realisation import Realisation, echelon_rows, to_echelon

if TYPE_CHECKING:
    from rnnstats.models.linear import LinearRNN

__all__ = ["beside", "embedded", "without_state"]

FloatArray = NDArray[np.float64]
ROOTS = (0.9, 0.7, 0.4, 0.1, -0.2, -0.5, -0.8)
LOADINGS = 3
SMALL = 1e-4


def without_state(model: LinearRNN) -> dict[str, float]:
    """Restrictions under which the states of a model have no effect on its outputs.

    Parameters
    ----------
    model : LinearRNN
        Innovations, observed, leaky or factor form.

    Returns
    -------
    dict of str to float
        For ``with_fixed``: dynamics, loadings and inputs of the state are zero. Left are the terms
        of the output and the covariance of its errors.
    """
    kept = {"b_y", "b_y_trend", "D", "obs_cov", "state_cov"}
    return {
        name: 0.5 if group == "W_h" and model.form == "leaky" else 0.0
        for name, group in zip(model.layout.names, model.layout.groups, strict=True)
        if group not in kept
    }


def embedded(
    small: LinearRNN, theta: FloatArray, large: LinearRNN, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Point of a larger model with the likelihood of a smaller one, and a better one near it.

    Parameters
    ----------
    small : LinearRNN
    theta : ndarray, shape (K,)
        Its natural parameters.
    large : LinearRNN
        The same data, form, trend and inputs. Innovations form: one more state, every Kronecker
        index at least as large. Otherwise: more states.
    rng : numpy.random.Generator
        For loadings of the further state.

    Returns
    -------
    same : ndarray, shape (K',)
        Natural parameters of the larger model with the same log-likelihood (but for rounding; 1e-8
        of it in forms whose loadings must not be zero).
    better : ndarray, shape (K',)
        No worse, and where the further state helps higher.
    """
    if large.form == "innovations":
        return _more_echelon(small, theta, large, rng)
    return _more_columns(small, theta, large, rng)


def beside(
    other: LinearRNN, theta: FloatArray, model: LinearRNN, rng: np.random.Generator
) -> FloatArray | None:
    """Point of generic Kronecker indices next to a system with other ones.

    Systems with other indices are limits of generic ones (Hannan and Deistler 1988, sec. 2.6): a
    small change of the dynamics makes the indices generic.

    Parameters
    ----------
    other : LinearRNN
        Innovations form, the same number of states.
    theta : ndarray, shape (K,)
        Its natural parameters.
    model : LinearRNN
        With generic indices.
    rng : numpy.random.Generator
        For the change.

    Returns
    -------
    ndarray or None
        Shape (K',), the highest of several; None where none is admissible.
    """
    arrays = _arrays(other, theta)
    a, c, k, cov = (arrays[n] for n in ("transition", "design", "selection", "obs_cov"))
    best, height = None, -math.inf
    for share in (3e-2, 1e-2, 3e-3, 1e-3, 1e-4):
        for _ in range(3):
            shift = [share * rng.standard_normal(part.shape) for part in (a, c)]
            moved = Realisation(a + shift[0], c + shift[1] * np.sqrt(np.diag(cov))[:, None], k)
            rows = echelon_rows(moved, model.kronecker)
            turned = None if rows is None else to_echelon(moved, model.kronecker)
            if rows is None or turned is None:
                continue
            full = {**arrays, "transition": turned.a, "design": turned.c, "selection": turned.k}
            full |= {"C_state": arrays["C_state"] @ rows.T, "state_cov": cov, "cross_cov": cov}
            point = model._table.read(full)
            value = model.loglike(point)
            if value > height:
                best, height = point, value
    return best


def _more_columns(
    small: LinearRNN, theta: FloatArray, large: LinearRNN, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Copy parameters by name; further states have loadings close to zero."""
    values = dict(zip(small.param_names, theta, strict=True))
    same = np.array([values.get(name, 0.0) for name in large.param_names])
    names, groups = large.param_names, large.layout.groups
    new = [i for i, name in enumerate(names) if name not in values]
    roots = [i for i in new if groups[i] == "W_h" and _diagonal(names[i])]
    loads = [i for i in new if groups[i] == "V"]
    if large.form == "observed" or not loads:
        return same, same
    spread = np.nanstd(large.endog.values, axis=0)
    size = {name: float(s) for name, s in zip(large.endog.names, spread, strict=True)}
    scale = np.array([size[names[i].partition("[")[2].rsplit(",", 1)[0]] for i in loads])
    same[roots], same[loads] = 0.5, SMALL * scale
    best, height = same, large.loglike(same)
    for root in (0.95, 0.8, 0.5, 0.2):
        for share in (0.5, 0.2, 0.05):
            point = same.copy()
            point[roots] = root
            point[loads] = share * scale * math.sqrt(1.0 - root * root)
            point[loads[1:]] *= rng.uniform(-1.0, 1.0, size=len(loads) - 1)
            value = large.loglike(point)
            if value > height:
                best, height = point, value
    return same, best


def _diagonal(name: str) -> bool:
    row, _, column = name.partition("[")[2].rstrip("]").rpartition(",")
    return row == column


# --- innovations form ---------------------------------------------------------------------------


def _more_echelon(
    small: LinearRNN, theta: FloatArray, large: LinearRNN, rng: np.random.Generator
) -> tuple[FloatArray, FloatArray]:
    """Try roots and loadings of the further state; see the module's docstring."""
    arrays = _arrays(small, theta)
    errors = np.sqrt(np.maximum(np.diag(arrays["obs_cov"]), 1e-300))
    candidates: list[tuple[float, FloatArray, FloatArray]] = []
    for root in ROOTS:
        for _ in range(1 if small.k_endog == 1 else LOADINGS):
            found = _unreached(arrays, small.kronecker, large.kronecker, root, errors, rng)
            if found is None:
                continue
            full, direction = found
            point = large._table.read(full)
            gain, step = _promise(large, point, direction)
            candidates.append((gain, point, step))
    candidates.sort(key=lambda item: -item[0])
    same = candidates[0][1]
    best, height = same, large.loglike(same)
    for _, point, step in candidates[:4]:
        for share in (1.0, 0.5, 0.2, 0.05):
            value = large.loglike(point + share * step)
            if value > height:
                best, height = point + share * step, value
                break
    return same, best


def _arrays(model: LinearRNN, theta: FloatArray) -> dict[str, FloatArray]:
    """Arrays of the state space by the kernels' names; no state where all gains are fixed at 0."""
    table = model._table
    full = table.fill(theta)
    names = ("transition", "design", "selection", "obs_cov", "C_obs", "C_state")
    out = {name: table.array(full, name).copy() for name in names}
    if not out["selection"].any() and not out["C_state"].any():  # see `without_state`
        out["transition"] = np.zeros((0, 0))
        out["design"] = out["design"][:, :0]
        out["selection"] = out["selection"][:0]
        out["C_state"] = out["C_state"][:, :0]
    return out


def _unreached(
    arrays: dict[str, FloatArray],
    nu: tuple[int, ...],
    larger: tuple[int, ...],
    root: float,
    errors: FloatArray,
    rng: np.random.Generator,
) -> tuple[dict[str, FloatArray], FloatArray] | None:
    """Add a state with a given root that no error reaches, in echelon coordinates.

    Returns
    -------
    arrays : dict of str to ndarray
        Of the larger system.
    direction : ndarray, shape (n + 1,)
        The further state in its coordinates: where a row of the gain would go.
    """
    a, c, k = arrays["transition"], arrays["design"], arrays["selection"]
    n, p = len(a), len(c)
    nu = nu if n else (0,) * p
    grown = next(i for i in range(p) if larger[i] > nu[i])
    # residual of each dependent forecast at the new mode, as a function of its loading
    first = [sum(nu[:i]) for i in range(p)]
    chosen = [(i, j) for i in range(p) for j in range(nu[i])]
    residual = np.zeros((p, p))
    for i in range(p):
        residual[i, i] += root ** nu[i]
        row = a[first[i] + nu[i] - 1] if nu[i] else c[i]
        for place, (out, lead) in enumerate(chosen):
            residual[i, out] -= row[place] * root**lead
    wanted = errors * rng.standard_normal(p)
    for i in range(p):
        if (nu[i], i) < (nu[grown], grown):
            wanted[i] = 0.0
    wanted[grown] = errors[grown]
    if np.linalg.cond(residual / errors[:, None] * errors) > 1e6:
        return None
    loading = np.linalg.solve(residual, wanted)
    big_a = np.zeros((n + 1, n + 1))
    big_a[:n, :n], big_a[n, n] = a, root
    big_c = np.column_stack([c, loading])
    rows = []
    for i in range(p):
        row = big_c[i]
        for _ in range(larger[i]):
            rows.append(row)
            row = row @ big_a
    basis = np.array(rows)
    inverse = np.linalg.inv(basis)
    gain = np.vstack([k, np.zeros((1, p))])
    inputs = np.hstack([arrays["C_state"], np.zeros((len(arrays["C_state"]), 1))])
    cov = arrays["obs_cov"]
    full = {
        "transition": basis @ big_a @ inverse,
        "design": big_c @ inverse,
        "selection": basis @ gain,
        "C_state": inputs @ basis.T,
        "C_obs": arrays["C_obs"],
        "obs_cov": cov,
        "state_cov": cov,
        "cross_cov": cov,
    }
    return full, basis[:, n]


def _promise(
    model: LinearRNN, theta: FloatArray, direction: FloatArray
) -> tuple[float, FloatArray]:
    """Gain in log-likelihood that a scoring step along a row of the gain promises, and the step."""
    rows = {name: i for i, name in enumerate(model.state_names)}
    places = [i for i, group in enumerate(model.layout.groups) if group in ("K", "W_x")]
    columns: dict[str, FloatArray] = {}
    for place in places:
        state, _, column = model.param_names[place].partition("[")[2].rstrip("]").partition(",")
        key = f"{model.layout.groups[place]}:{column}"
        columns.setdefault(key, np.zeros(len(theta)))[place] = direction[rows[state]]
    moves = np.array(list(columns.values()))
    gradient = moves @ model.score(theta)
    info = moves @ model.information(theta) @ moves.T
    size = np.sqrt(np.maximum(np.diag(info), 1e-300))
    if not (np.isfinite(info).all() and np.isfinite(gradient).all()):
        return -math.inf, np.zeros(len(theta))
    solved = np.linalg.lstsq(info / np.outer(size, size), gradient / size, rcond=1e-8)[0] / size
    return 0.5 * float(gradient @ solved), moves.T @ solved
