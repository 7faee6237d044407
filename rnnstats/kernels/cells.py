"""Arithmetic of recurrent networks: NumPy in, NumPy out, in whatever units it is given.

Row t of the inputs governs the step into t: s_t = cell(s_{t-1}, u_t), layer upon layer, and
eta_t = V h_t + S u_t + b. Several sequences lie one after the other, ``offsets`` says where each
begins; the default is one sequence. A missing input that is a lagged output is replaced by its
one-step prediction (`Feedback`), and all derivatives go through it. How weights and states are
arranged is in `rnnstats.kernels.architecture`.

Nothing here raises or stops because numbers grow too large: states and eta that are not finite come
back as they are.

Every function computes in the compiled core where that imports, and in the NumPy twins of
`rnnstats.kernels.reference.cells`, slower, where it does not, and for cells given as Python
functions.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import CompiledCoreWarning, SpecificationError
from rnnstats.kernels import kalman
from rnnstats.kernels.architecture import (
    Activation,
    Architecture,
    Cell,
    Feedback,
    Kind,
    Layer,
    Mean,
    PythonCell,
    Reset,
    Weights,
    python_elman,
)
from rnnstats.kernels.chain_rule import ChainRule
from rnnstats.kernels.reference import cells as reference

try:
    import rnnstats.kernels._cells as _core
except ImportError as missing:
    _core = None
    if kalman.HAVE_COMPILED:  # one warning is enough
        warnings.warn(
            f"rnnstats: the compiled core of recurrent networks cannot be imported ({missing}); "
            "the same numbers come from NumPy, 10 to 1000 times slower. Install again with a "
            "C++17 compiler.",
            CompiledCoreWarning,
            stacklevel=2,
        )

HAVE_COMPILED: Final[bool] = _core is not None

__all__ = [
    "HAVE_COMPILED",
    "Activation",
    "Architecture",
    "Cell",
    "Feedback",
    "Forward",
    "Gradient",
    "Kind",
    "Layer",
    "Mean",
    "PythonCell",
    "Reset",
    "Weights",
    "backward",
    "forward",
    "gates",
    "information",
    "jacobians",
    "python_elman",
    "score_obs",
    "scores_by",
    "sensitivities",
    "step",
    "step_derivatives",
]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
ROWS_AT_ONCE: Final = 2**22  # numbers of sensitivities held at once: 32 MiB


@dataclass(frozen=True, eq=False)
class Forward:
    """States and outputs of all rows, and what the derivatives need.

    Attributes
    ----------
    states : ndarray, shape (n, s)
        After each row.
    eta : ndarray, shape (n, k_eta)
    inputs : ndarray, shape (n, k_in)
        With missing lagged outputs replaced.
    given : ndarray, shape (n, k_in)
        As they came.
    initial : ndarray, shape (sequences, s)
    offsets : ndarray of int, shape (sequences + 1,)
    feedback : Feedback or None
    tape : object
        Of the compiled core.
    """

    states: FloatArray
    eta: FloatArray
    inputs: FloatArray
    given: FloatArray
    initial: FloatArray
    offsets: IntArray
    feedback: Feedback | None
    tape: Any = None

    @property
    def before(self) -> FloatArray:
        """State before each row, shape (n, s)."""
        out = np.empty_like(self.states)
        out[1:] = self.states[:-1]
        out[self.offsets[:-1]] = self.initial
        return out


@dataclass(frozen=True, eq=False)
class Gradient:
    """Derivatives of a sum over rows of functions of eta.

    Attributes
    ----------
    weights : ndarray, shape (P,)
    initial : ndarray, shape (sequences, s)
    inputs : ndarray, shape (n, k_in)
        By the inputs as given; zero where one was missing.
    """

    weights: FloatArray
    initial: FloatArray
    inputs: FloatArray


def _shaped(array: ArrayLike, shape: tuple[int, ...], name: str) -> FloatArray:
    """Give an array as the core reads it, its shape checked."""
    out: FloatArray = np.ascontiguousarray(array, dtype=np.float64)
    if out.shape != shape:
        raise SpecificationError(
            f"cells: {name} must have shape {shape}; got {out.shape}. "
            "The sizes follow from the architecture and the rows."
        )
    return out


def _cuts(offsets: ArrayLike | None, nobs: int) -> IntArray:
    """First row of each sequence, and the number of rows."""
    if offsets is None:
        return np.array([0, nobs], dtype=np.int64)
    cuts: IntArray = np.ascontiguousarray(offsets, dtype=np.int64)
    if cuts.ndim != 1 or cuts[0] != 0 or cuts[-1] != nobs or (cuts[1:] <= cuts[:-1]).any():
        raise SpecificationError(
            f"cells: offsets must rise from 0 to the number of rows ({nobs}); got "
            f"{cuts.tolist()[:6]}. Give the first row of each sequence and the number of rows."
        )
    return cuts


def _check_feedback(arch: Architecture, feedback: Feedback | None) -> None:
    """Refuse columns and components that are not there."""
    if feedback is None or len(feedback.columns) == 0:
        return
    for name, size in (("columns", arch.k_in), ("components", arch.k_eta)):
        value = getattr(feedback, name)
        if value.min() < 0 or value.max() >= size:
            raise SpecificationError(
                f"cells: {name} of the feedback must lie in 0 to {size - 1}; got "
                f"{value.tolist()}. They count inputs and components of eta."
            )


def forward(
    arch: Architecture,
    weights: ArrayLike,
    inputs: ArrayLike,
    *,
    initial: ArrayLike | None = None,
    offsets: ArrayLike | None = None,
    feedback: Feedback | None = None,
) -> Forward:
    """Run the network over all rows.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    inputs : array_like, shape (n, k_in)
        NaN where a lagged output is missing (``feedback`` then says what stands in for it); any
        other NaN runs through the states that follow.
    initial : array_like, shape (s,) or (sequences, s), optional
        State before the first row; zero by default.
    offsets : array_like of int, optional
        First row of each sequence, and the number of rows.
    feedback : Feedback, optional

    Returns
    -------
    Forward

    References
    ----------
    Goodfellow, Bengio and Courville (2016), Deep Learning, equations 10.8 to 10.10.
    """
    rows = np.ascontiguousarray(inputs, dtype=np.float64)
    if rows.ndim != 2 or len(rows) < 1:
        raise SpecificationError(
            f"cells: inputs must have shape (n, {arch.k_in}) with at least one row; got "
            f"{rows.shape}. A network without inputs has shape (n, 0)."
        )
    given = _shaped(rows, (len(rows), arch.k_in), "inputs")
    numbers = _shaped(weights, (arch.size,), "weights")
    cuts = _cuts(offsets, len(given))
    start = np.zeros(arch.k_state) if initial is None else np.asarray(initial, dtype=np.float64)
    if start.shape == (arch.k_state,):
        start = np.broadcast_to(start, (len(cuts) - 1, arch.k_state))
    start = _shaped(start, (len(cuts) - 1, arch.k_state), "initial")
    _check_feedback(arch, feedback)
    if _core is None or arch.description is None:
        with np.errstate(all="ignore"):
            found = reference.forward(arch, numbers, given, start, cuts, feedback)
        return Forward(*found, given, start, cuts, feedback)
    states, eta = np.empty((len(given), arch.k_state)), np.empty((len(given), arch.k_eta))
    filled = np.empty_like(given)
    loops = None
    if feedback is not None and len(feedback.columns):
        mean = get_args(Mean).index(feedback.mean)
        loops = (mean, feedback.columns, feedback.lags, feedback.components, feedback.shift,
                 feedback.scale)  # fmt: skip
    tape = _core.forward(arch.description, numbers, given, start, cuts, loops, states, eta, filled)
    return Forward(states, eta, filled, given, start, cuts, feedback, tape)


def _seen(run: Forward) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Initial states, states, eta and filled inputs."""
    return run.initial, run.states, run.eta, run.inputs


def backward(arch: Architecture, weights: ArrayLike, run: Forward, d_eta: ArrayLike) -> Gradient:
    """Reverse pass: the gradient of a sum of functions of each row's eta.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
        Those of ``run``.
    run : Forward
    d_eta : array_like, shape (n, k_eta)
        Derivative of the sum by each eta; zero where a row does not count.

    Returns
    -------
    Gradient
        Through the feedback too. The derivative of relu at zero is zero.

    References
    ----------
    Goodfellow, Bengio and Courville (2016), Deep Learning, section 10.2.2.
    """
    numbers = _shaped(weights, (arch.size,), "weights")
    slopes = _shaped(d_eta, run.eta.shape, "d_eta")
    if run.tape is None:
        with np.errstate(all="ignore"):
            found = reference.backward(
                arch, numbers, _seen(run), run.offsets, run.feedback, run.given, slopes
            )
        return Gradient(*found)
    out = Gradient(np.zeros(arch.size), np.zeros_like(run.initial), np.zeros_like(run.inputs))
    run.tape.backward(numbers, slopes.copy(), out.weights, out.initial, out.inputs)
    return out


def _rows(
    arch: Architecture, weights: ArrayLike, run: Forward, seeds: FloatArray | None, size: int
) -> Iterator[tuple[slice, FloatArray]]:
    """Derivatives of functions of each row's eta, ``size`` rows at a time: (rows, r, P + s).

    ``seeds`` are the functions' derivatives by eta, (n, 1, k_eta); None: the etas themselves.
    """
    numbers = _shaped(weights, (arch.size,), "weights")
    nobs, k_eta = run.eta.shape
    r = k_eta if seeds is None else 1
    if run.tape is None:
        with np.errstate(all="ignore"):
            found = reference.sensitivities(
                arch, numbers, _seen(run), run.offsets, run.feedback, run.given
            )
            yield slice(0, nobs), found if seeds is None else np.matmul(seeds, found)
        return
    core = _core.Derivatives(run.tape, numbers, seeds, r)
    for start in range(0, nobs, size):
        rows = slice(start, min(start + size, nobs))
        out = np.empty((rows.stop - start, r, arch.size + arch.k_state))
        core.rows(start, rows.stop, out)
        yield rows, out


def sensitivities(arch: Architecture, weights: ArrayLike, run: Forward) -> FloatArray:
    """Derivatives of every row's eta by the weights and the initial state of its sequence.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    run : Forward

    Returns
    -------
    ndarray, shape (n, k_eta, P + s)

    References
    ----------
    Williams and Zipser (1989), Neural Computation 1, 270-280.
    """
    return next(_rows(arch, weights, run, None, len(run.eta)))[1]


def score_obs(
    arch: Architecture, weights: ArrayLike, run: Forward, d_eta: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """Derivative of each row's own function of its eta.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    run : Forward
    d_eta : array_like, shape (n, k_eta)

    Returns
    -------
    weights : ndarray, shape (n, P)
    initial : ndarray, shape (n, s)
        By the initial state of the row's sequence.
    """
    slopes = _shaped(d_eta, run.eta.shape, "d_eta")
    out = next(_rows(arch, weights, run, slopes[:, None, :], len(slopes)))[1][:, 0]
    return out[:, : arch.size], out[:, arch.size :]


def scores_by(
    arch: Architecture,
    weights: ArrayLike,
    run: Forward,
    d_eta: ArrayLike,
    rule: ChainRule,
    places: ArrayLike,
    out: FloatArray,
) -> None:
    """Put derivatives of each row's own function of its eta by other parameters into ``out``.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    run : Forward
    d_eta : array_like, shape (n, k_eta)
    rule : ChainRule
        From the weights and the initial state of the row's sequence, (P + s), to K parameters.
    places : array_like of int, shape (n,)
        Where each row goes.
    out : ndarray, shape (m, K)
        Overwritten there.
    """
    slopes = _shaped(d_eta, run.eta.shape, "d_eta")[:, None, :]
    where = np.ascontiguousarray(places, dtype=np.int64)
    if run.tape is None:
        out[where] = rule(next(_rows(arch, weights, run, slopes, len(slopes)))[1][:, 0])
        return
    numbers = _shaped(weights, (arch.size,), "weights")
    core = _core.Derivatives(run.tape, numbers, slopes, 1)
    core.scores_by(rule.source, rule.factor, rule.to, rule.also, rule.weight, where, out)


def information(
    arch: Architecture, weights: ArrayLike, run: Forward, curvature: ArrayLike
) -> FloatArray:
    """Sum over rows of G' C G, G the derivatives of eta by weights and initial state.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    run : Forward
    curvature : array_like, shape (n, k_eta, k_eta)
        C; symmetric.

    Returns
    -------
    ndarray, shape (P + s, P + s)
        Expected information where C is that of eta; the Gauss-Newton matrix where C is the inverse
        covariance. The initial states of several sequences count as one.
    """
    nobs, k_eta = run.eta.shape
    weight = _shaped(curvature, (nobs, k_eta, k_eta), "curvature")
    wide = arch.size + arch.k_state
    out = np.zeros((wide, wide))
    size = max(64, ROWS_AT_ONCE // (wide * k_eta))
    with np.errstate(all="ignore"):
        for rows, found in _rows(arch, weights, run, None, size):
            half = np.matmul(weight[rows], found)
            out += half.reshape(-1, wide).T @ found.reshape(-1, wide)
    return 0.5 * (out + out.T)


def jacobians(
    arch: Architecture, weights: ArrayLike, run: Forward
) -> tuple[FloatArray, FloatArray]:
    """Derivatives of each row's state by the state before and by the row's inputs.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    run : Forward

    Returns
    -------
    state : ndarray, shape (n, s, s)
    inputs : ndarray, shape (n, s, k_in)
        The inputs are taken as given numbers: a prediction that stands in for a missing one does
        not pass on its dependence on earlier states.
    """
    numbers = _shaped(weights, (arch.size,), "weights")
    nobs, s = run.states.shape
    state, inputs = np.empty((nobs, s, s)), np.empty((nobs, s, arch.k_in))
    if run.tape is not None:
        run.tape.jacobians(numbers, state, inputs)
        return state, inputs
    before = run.before
    with np.errstate(all="ignore"):
        for t in range(nobs):
            _, state[t], inputs[t], _ = reference.step_derivatives(
                arch, numbers, before[t], run.inputs[t]
            )
    return state, inputs


def gates(arch: Architecture, weights: ArrayLike, run: Forward) -> dict[str, FloatArray]:
    """Values of the gates.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    run : Forward

    Returns
    -------
    dict of str to ndarray
        By the words of `Cell.gates`: shape (n, units of all layers that have it), "h" of an Elman
        cell its state. A cell given as a Python function does not show its gates.
    """
    numbers = _shaped(weights, (arch.size,), "weights")
    with np.errstate(all="ignore"):
        return reference.gates(arch, numbers, run.before, run.states, run.inputs)


def step(
    arch: Architecture, weights: ArrayLike, state: ArrayLike, inputs: ArrayLike
) -> tuple[FloatArray, FloatArray]:
    """One step of m paths.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,) or (m, P)
        Of all paths, or of each.
    state : array_like, shape (m, s)
    inputs : array_like, shape (m, k_in)
        Without gaps.

    Returns
    -------
    state : ndarray, shape (m, s)
    eta : ndarray, shape (m, k_eta)
    """
    paths = np.ascontiguousarray(state, dtype=np.float64)
    old = _shaped(paths, (len(paths), arch.k_state), "state")
    rows = _shaped(inputs, (len(paths), arch.k_in), "inputs")
    numbers = np.ascontiguousarray(weights, dtype=np.float64)
    if numbers.shape != (arch.size,):
        numbers = _shaped(numbers, (len(paths), arch.size), "weights")
    if _core is None or arch.description is None:
        with np.errstate(all="ignore"):
            return reference.step(arch, numbers, old, rows)
    new, eta = np.empty_like(old), np.empty((len(old), arch.k_eta))
    _core.step(arch.description, numbers, old, rows, new, eta)
    return new, eta


def step_derivatives(
    arch: Architecture, weights: ArrayLike, state: ArrayLike, inputs: ArrayLike
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """One step and its derivatives.

    Parameters
    ----------
    arch : Architecture
    weights : array_like, shape (P,)
    state : array_like, shape (s,)
    inputs : array_like, shape (k_in,)

    Returns
    -------
    state : ndarray, shape (s,)
    by_state : ndarray, shape (s, s)
    by_inputs : ndarray, shape (s, k_in)
    by_weights : ndarray, shape (s, P)
    """
    numbers = _shaped(weights, (arch.size,), "weights")
    old = _shaped(state, (arch.k_state,), "state")
    row = _shaped(inputs, (arch.k_in,), "inputs")
    with np.errstate(all="ignore"):
        return reference.step_derivatives(arch, numbers, old, row)
