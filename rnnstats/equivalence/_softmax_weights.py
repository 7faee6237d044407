"""Checks, names and transition matrices of softmax weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.special import log_softmax, logsumexp, softmax

from rnnstats._checks import shown
from rnnstats.equivalence.heads import CategoricalReadout
from rnnstats.equivalence.readouts import FloatArray, Readout
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from rnnstats.equivalence.softmax import SoftmaxRNN

__all__ = [
    "ARRAYS",
    "check_names",
    "check_weights",
    "log_moved",
    "named_weights",
    "output_names",
    "steps_of",
]

# Below this a belief goes on in logarithms, so that none is lost to rounding to zero.
SMALLEST = 1e-290
ARRAYS = ("W_h", "W_x", "b_h", "b_start")


def steps_of(logits: FloatArray, W_x: FloatArray, inputs: FloatArray) -> FloatArray:
    """Transition matrices of softmax weights.

    Parameters
    ----------
    logits : ndarray, shape (K, K)
        Row: state entered; column: state left.
    W_x : ndarray, shape (K, K, k)
    inputs : ndarray, shape (n, k)

    Returns
    -------
    ndarray, shape (K, K) or (n, K, K)
        Rows (states left) sum to one; one matrix a row of `inputs`, where k > 0.
    """
    if not inputs.shape[1]:
        found: FloatArray = softmax(logits, axis=0).T
        return found
    moved = logits.T + np.einsum("jix,nx->nij", W_x, inputs)
    found = np.exp(log_softmax(moved, axis=2))
    return found


def output_names(part: Readout) -> tuple[str, ...]:
    """Name of each row of V.

    Parameters
    ----------
    part : Readout

    Returns
    -------
    tuple of str
    """
    if isinstance(part, CategoricalReadout):
        return tuple(f"{part.names[0]}={level}" for level in part.levels)
    return part.names


def log_moved(moves: FloatArray, belief: FloatArray, logs: FloatArray) -> FloatArray:
    """``log(W' h)``, also where entries of h are too small for a double.

    Parameters
    ----------
    moves : ndarray, shape (K, K)
        W, rows sum to one.
    belief, logs : ndarray, shape (K,)
        h and its logarithm.

    Returns
    -------
    ndarray, shape (K,)
    """
    with np.errstate(divide="ignore"):
        if (belief[logs > -np.inf] > SMALLEST).all():
            found: FloatArray = np.log(moves.T @ belief)
        else:
            found = logsumexp(np.log(moves.T) + logs, axis=1)
    return found


def check_weights(held: dict[str, FloatArray], states: int, emission: tuple[Readout, ...]) -> None:
    shapes = {
        "W_h": held["W_h"].shape == (states, states),
        "W_x": held["W_x"].ndim == 3 and held["W_x"].shape[:2] == (states, states),
        "b_h": held["b_h"].ndim == 1,
        "b_start": held["b_start"].ndim == 2 and held["b_start"].shape[1] == states,
        "emission": all(part.location.V.shape[1] == states for part in emission),
    }
    wrong = [name for name, sound in shapes.items() if not sound]
    if wrong:
        got = [f"{name} {array.shape}" for name, array in held.items()]
        raise SpecificationError(
            f"SoftmaxRNN: shapes must be W_h (K, K), W_x (K, K, k), b_h (K,), b_start (S, K), and "
            f"readouts must have K columns; got {', '.join(got)} ({', '.join(wrong)} does not fit)."
            " Rows of W_h are states entered."
        )
    if not np.isfinite(held["W_x"]).all():
        raise SpecificationError(
            "SoftmaxRNN: W_x must be finite; got other numbers. Zeros go into W_h, as -inf."
        )
    for name in ("W_h", "b_h", "b_start"):
        if np.isnan(held[name]).any() or (held[name] == np.inf).any():
            raise SpecificationError(
                f"SoftmaxRNN: {name} must be finite or -inf; got others. A probability of one is "
                "-inf for the other states."
            )
    reached = (held["W_h"] + held["b_h"][:, None]).max(axis=0, initial=-np.inf)
    if (np.append(reached, held["b_start"].max(axis=1)) == -np.inf).any():
        raise SpecificationError(
            "SoftmaxRNN: every state must lead somewhere, and the start, too; got a column of -inf "
            "only. Set a weight to 0."
        )


def check_names(name: str, given: tuple[str, ...], count: int) -> None:
    """Refuse names of a wrong number, or twice the same.

    Parameters
    ----------
    name : str
    given : tuple of str
    count : int

    Raises
    ------
    SpecificationError
        They are not `count` different names.
    """
    if len(given) != count or len(set(given)) != count:
        raise SpecificationError(
            f"SoftmaxRNN: {name} must be {count} different names; got {shown(list(given))}. "
            "Give one a state or input."
        )


def named_weights(network: SoftmaxRNN) -> dict[str, float]:
    """Every weight that is not zero, by name.

    Parameters
    ----------
    network : SoftmaxRNN

    Returns
    -------
    dict of str to float
    """
    states = network.state_names
    found: dict[str, float] = {}
    for (j, i), value in np.ndenumerate(network.W_h):
        found[f"W_h[{states[i]}->{states[j]}]"] = float(value)
        for x, name in enumerate(network.exog_transition_names):
            found[f"W_x[{states[i]}->{states[j]},{name}]"] = float(network.W_x[j, i, x])
    found.update({f"b_h[{states[j]}]": float(value) for j, value in enumerate(network.b_h)})
    for s, row in enumerate(network.b_start):
        tail = "" if len(network.b_start) == 1 else f",{s + 1}"
        found.update({f"b_start[{states[j]}{tail}]": float(v) for j, v in enumerate(row)})
    for part in network.emission:
        outputs = output_names(part)
        for (d, j), value in np.ndenumerate(part.location.V):
            found[f"V[{outputs[d]},{states[j]}]"] = float(value)
        for (d, j, x), value in np.ndenumerate(part.location.D):
            found[f"D[{outputs[d]},{network.exog_names[x]},{states[j]}]"] = float(value)
    return {name: value for name, value in found.items() if value != 0.0}
