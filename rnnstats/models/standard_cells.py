"""How parameters of a state space move its cells, measured in outputs and inputs that are alike.

Where outputs are highly correlated, or inputs far from zero compared with their spread, parameters
in the user's units move together, although the data tell all of them. Seen in outputs that are
whitened by the innovations' covariance, and in orthonormal inputs, they do not.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from rnnstats.kernels.system import StateSpace
from rnnstats.models.forms import Form
from rnnstats.models.units import WITH_OUTPUTS

__all__ = ["standard_cells"]

FloatArray = NDArray[np.float64]


def standard_cells(
    form: Form,
    system: StateSpace,
    innovations: FloatArray,
    y: FloatArray,
    x_obs: FloatArray | None,
    x_state: FloatArray | None,
) -> FloatArray:
    """Derivative of the cells by the parameters, in standardised outputs and inputs.

    Parameters
    ----------
    form : Form
    system : StateSpace
        At the parameters.
    innovations : ndarray, shape (p, p)
        Covariance of the errors of one-step predictions, positive definite.
    y : ndarray, shape (nobs, p)
        NaN is missing.
    x_obs, x_state : ndarray or None
        What `rnnstats.parameters.regressors` gives for the table's terms.

    Returns
    -------
    ndarray, shape (cells, K)

    Raises
    ------
    numpy.linalg.LinAlgError
        The covariance is not positive definite.
    """
    table = form.table
    deviations = y - np.asarray(system.obs_intercept)
    seen = deviations[np.isfinite(deviations).all(axis=1)]
    levels = innovations + (seen.T @ seen) / max(len(seen), 1)
    outputs = _root(innovations)
    ahead, behind = np.eye(table.k_states), np.eye(table.k_states)
    noise: FloatArray = np.eye(table.k_posdef)
    if form.name in WITH_OUTPUTS:
        noise = outputs
        for states, seen_in in _horizons(form):
            square = np.ix_(states, states)
            ahead[square] = _root(innovations[np.ix_(seen_in, seen_in)])
            behind[square] = _root(levels[np.ix_(seen_in, seen_in)])
    # what a cell leads to is measured by the first, what it starts from by the second
    sides = {
        "design": (outputs, behind),
        "transition": (ahead, behind),
        "selection": (ahead, noise),
    }
    squares = {
        "obs_cov": (outputs, outputs),
        "state_cov": (noise, noise),
        "cross_cov": (noise, outputs),
    }
    directions = table.directions()
    out = np.array(directions)
    for name, (to, start) in sides.items():
        cells = table.arrays(directions, name)
        out[:, table.place(name)] = (_solved(to, cells) @ start).reshape(len(out), -1)
    for name, (left, right) in squares.items():
        half = _solved(left, table.arrays(directions, name))
        whole = _solved(right, half.transpose(0, 2, 1)).transpose(0, 2, 1)
        out[:, table.place(name)] = whole.reshape(len(out), -1)
    for name, x, to in (("C_obs", x_obs, outputs), ("C_state", x_state, ahead)):
        cells = table.arrays(directions, name)
        if x is not None:
            cells = np.linalg.qr(x, mode="r") @ cells / np.sqrt(len(x))
        turned = _solved(to, cells.transpose(0, 2, 1)).transpose(0, 2, 1)
        out[:, table.place(name)] = turned.reshape(len(out), -1)
    return np.ascontiguousarray(out.T)


def _horizons(form: Form) -> list[tuple[list[int], list[int]]]:
    """States that are predictions of outputs equally far ahead (or lags), with these outputs."""
    p, m = form.table.k_endog, form.table.k_states
    if not form.kronecker or form.coordinates == "varma":
        return [(list(range(i, i + p)), list(range(p))) for i in range(0, m, p)]
    first = np.concatenate([[0], np.cumsum(form.kronecker)[:-1]])
    found = []
    for step in range(max(form.kronecker)):
        outputs = [i for i, length in enumerate(form.kronecker) if length > step]
        found.append(([int(first[i]) + step for i in outputs], outputs))
    return found


def _root(covariance: FloatArray) -> FloatArray:
    return np.asarray(np.linalg.cholesky(covariance), dtype=np.float64)


def _solved(lower: FloatArray, arrays: FloatArray) -> FloatArray:
    """``lower^-1 array`` for each of several arrays, (k, rows, columns)."""
    k, rows, columns = arrays.shape
    wide = arrays.transpose(1, 0, 2).reshape(rows, k * columns)
    solved = solve_triangular(lower, wide, lower=True) if rows and wide.size else wide
    return np.asarray(solved).reshape(rows, k, columns).transpose(1, 0, 2)
