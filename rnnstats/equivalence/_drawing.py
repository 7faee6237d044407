"""Drawing states by inversion, and outputs given them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from rnnstats._checks import check_generator, check_int
from rnnstats.equivalence._rows import Chain, inputs_of
from rnnstats.equivalence.readouts import FloatArray, IntArray, Readout, Rows
from rnnstats.errors import SpecificationError

__all__ = ["Drawn", "Laws", "drawn", "path", "sampled"]

# Distribution of the first state, and of the state of a row (its number) after a state.
Laws: TypeAlias = tuple[Callable[[], FloatArray], Callable[[int, int], FloatArray]]


class Drawn(NamedTuple):
    """A drawn sequence.

    Attributes
    ----------
    states : ndarray of int, shape (n,)
        States from 0; -1 in leading rows that a composite chain does not cover.
    y : ndarray, shape (n, d)
    """

    states: IntArray
    y: FloatArray


def drawn(
    emission: Sequence[Readout],
    states: IntArray,
    exog: FloatArray,
    presample: FloatArray,
    rng: np.random.Generator,
    first_row: int,
) -> FloatArray:
    """Draw outputs given a path of states.

    Parameters
    ----------
    emission : sequence of Readout
    states : ndarray of int, shape (n,)
    exog : ndarray, shape (n, k)
    presample : ndarray, shape (p, d)
        The first p rows.
    rng : numpy.random.Generator
    first_row : int

    Returns
    -------
    ndarray, shape (n, d)
    """
    n, p = len(states), len(presample)
    time = first_row + np.arange(n, dtype=np.float64)
    parts, column = [], 0
    for part in emission:
        width = len(part.names)
        noise = part.noise(n, rng)
        none = np.zeros((n, 0, width)), np.zeros((n, 0, exog.shape[1]))
        if not p:
            parts.append(part.sample(states, Rows(exog, time, *none), noise, rng))
            continue
        order = part.location.order
        out = np.empty((n, width))
        out[:p] = presample[:, column : column + width]
        for t in range(p, n):
            back = np.arange(t - 1, t - order - 1, -1)
            rows = Rows(exog[t : t + 1], time[t : t + 1], out[back][None], exog[back][None])
            out[t] = part.sample(states[t : t + 1], rows, noise[t : t + 1], rng)[0]
        parts.append(out)
        column += width
    return np.hstack(parts)


def path(
    uniforms: FloatArray,
    first: Callable[[], FloatArray],
    after: Callable[[int, int], FloatArray],
    lead: int,
) -> IntArray:
    """Draw a path of states by inversion of distribution functions.

    Parameters
    ----------
    uniforms : ndarray, shape (n,)
    first : callable
        Distribution of the chain's first state.
    after : callable
        Distribution of the state of a row (its number) after a state.
    lead : int
        Rows before the chain begins.

    Returns
    -------
    ndarray of int, shape (n,)
        -1 in the leading rows.
    """
    states = np.full(len(uniforms), -1, dtype=np.int64)
    for t in range(lead, len(uniforms)):
        law = first() if t == lead else after(t, int(states[t - 1]))
        heights = np.cumsum(law)
        states[t] = int((heights > uniforms[t] * heights[-1]).argmax())
    return states


def sampled(
    chain: Chain,
    n: int,
    rng: int | np.random.Generator | None,
    laws: tuple[int, Callable[[int, FloatArray], Laws]],
    *,
    exog: ArrayLike | None,
    exog_transition: ArrayLike | None,
    presample: ArrayLike | None,
    sequence: int,
    uniforms: ArrayLike | None,
    first_row: int,
    caller: str,
) -> Drawn:
    """Draw states, then outputs.

    Parameters
    ----------
    chain : SoftmaxRNN or HMM
    n, rng
        As for `SoftmaxRNN.generate`.
    laws : tuple
        Number of starts, and what gives the distributions that `path` takes from the number of
        the start and the inputs of the transitions (n, k).
    exog, exog_transition, presample, sequence, uniforms, first_row
        As for `SoftmaxRNN.generate`.
    caller : str

    Returns
    -------
    Drawn

    Raises
    ------
    SpecificationError, DataError
        Arguments that do not fit.
    """
    rows = check_int(n, name="n", caller=caller, minimum=1)
    names, (starts, law) = chain.exog_transition_names, laws
    z = inputs_of(exog_transition, names, rows, what="exog_transition", caller=caller)
    seed = check_int(sequence, name="sequence", caller=caller, minimum=0, maximum=starts - 1)
    generator = check_generator(rng, caller=caller)
    inputs = inputs_of(exog, chain.exog_names, rows, what="exog", caller=caller)
    order, width = chain.order, len(chain.endog_names)
    held = np.zeros((0, width)) if presample is None else np.array(presample, dtype=np.float64)
    held = held[:, None] if held.ndim == 1 else held
    if held.shape != (order, width) or not np.isfinite(held).all() or order >= rows:
        raise SpecificationError(
            f"{caller}: presample must hold the first {order} rows of {width} outputs, and n must "
            f"be larger; got shape {held.shape} and n = {rows}. Readouts read that many own lags."
        )
    given = generator.random(rows) if uniforms is None else np.array(uniforms, dtype=np.float64)
    if given.shape != (rows,) or not ((given >= 0.0) & (given < 1.0)).all():
        raise SpecificationError(
            f"{caller}: uniforms must be {rows} numbers in [0, 1); got shape {given.shape}. "
            "Use rng.random(n)."
        )
    begin = check_int(first_row, name="first_row", caller=caller)
    states = path(given, *law(seed, z), chain.lead)
    if not chain.emission:
        return Drawn(states, np.zeros((rows, 0)))
    return Drawn(states, drawn(chain.emission, states, inputs, held, generator, begin))
