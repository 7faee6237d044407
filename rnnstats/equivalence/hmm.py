"""Hidden Markov models as recurrent networks with a one-hot state, and back, on arrays.

``P(h_t | h_{t-1}) = softmax(W_h h_{t-1} + (W_x h_{t-1}) x_t + b_h)`` with h_{t-1} one-hot is a row
of a transition matrix, ``softmax(V h_t)`` a row of an emission matrix: the generative network is
the hidden Markov model. Its filter (the forward algorithm) is a recurrent network, too, that reads
the data: ``h_t = softmax(log(W' h_{t-1}) + log b(y_t))``; its state is the belief, the filtered
probability of each state.

`to_rnn` writes softmax weights of given probabilities, `from_rnn` reads the probabilities from any
weights; zeros are weights of -inf, exactly.

References
----------
Rabiner (1989), A tutorial on hidden Markov models, Proceedings of the IEEE 77, 257-286; Bridle
(1990), Alpha-nets: a recurrent 'neural' network architecture with a hidden Markov model
interpretation, Speech Communication 9, 83-92.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax

from rnnstats._checks import suggest
from rnnstats.equivalence import _drawing, _rows
from rnnstats.equivalence._softmax_weights import steps_of
from rnnstats.equivalence.heads import (
    CategoricalReadout,
    FamilyReadout,
    GaussianReadout,
    categorical,
    family,
    gaussian,
)
from rnnstats.equivalence.readouts import (
    FloatArray,
    Location,
    Readout,
    distributions,
    reference_logits,
)
from rnnstats.equivalence.softmax import BeliefRun, Drawn, SoftmaxRNN
from rnnstats.errors import SpecificationError
from rnnstats.kernels import markov
from rnnstats.kernels.markov import ForwardOutput

__all__ = [
    "HMM",
    "BeliefRun",
    "CategoricalReadout",
    "Drawn",
    "FamilyReadout",
    "GaussianReadout",
    "Location",
    "SoftmaxRNN",
    "categorical",
    "family",
    "from_rnn",
    "gaussian",
    "to_rnn",
]


@dataclass(frozen=True, eq=False, repr=False)
class HMM(_rows.Chain):
    """A hidden Markov model as arrays: the classical side of the correspondence.

    Attributes
    ----------
    transition : ndarray, shape (K, K)
        P(h_t = j | h_{t-1} = i) in row i, column j, with inputs of zero.
    start : ndarray, shape (S, K)
        Distribution of a sequence's first state: one for all, or one a sequence.
    emission : tuple of Readout
        Laws of the outputs given the state.
    W_x : ndarray, shape (K, K, k)
        ``P_ij(x) = P_ij exp(W_x[j, i] x) / sum_l P_il exp(W_x[l, i] x)``; zero at the last l with
        P_il > 0.
    state_names, exog_names, exog_transition_names, regimes, lead
        As for `SoftmaxRNN`.
    """

    transition: FloatArray
    start: FloatArray
    emission: tuple[Readout, ...]
    W_x: FloatArray
    state_names: tuple[str, ...]
    exog_names: tuple[str, ...] = ()
    exog_transition_names: tuple[str, ...] = ()
    regimes: tuple[int, ...] = ()
    lead: int = 0

    def __repr__(self) -> str:
        """Say how many states there are and what they emit."""
        return f"<HMM: {self.k_states} states; emission: {self._heads()}>"

    @property
    def k_states(self) -> int:
        """Number of states K."""
        return len(self.transition)

    def transition_at(self, exog_transition: ArrayLike) -> FloatArray:
        """Transition matrices at given inputs.

        Parameters
        ----------
        exog_transition : array_like, shape (n, k)

        Returns
        -------
        ndarray, shape (n, K, K)

        Raises
        ------
        DataError
            Inputs that do not fit.
        """
        names = self.exog_transition_names
        rows = len(np.asarray(exog_transition))
        z = _rows.inputs_of(
            exog_transition, names, rows, what="exog_transition", caller="HMM.transition_at"
        )
        return np.broadcast_to(self._into(z), (rows, self.k_states, self.k_states))

    def filter(
        self,
        y: ArrayLike | None = None,
        *,
        exog: ArrayLike | None = None,
        exog_transition: ArrayLike | None = None,
        log_density: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        first_row: int = 1,
    ) -> ForwardOutput:
        """Forward algorithm (`rnnstats.kernels.markov.forward`).

        Parameters
        ----------
        y, exog, exog_transition, log_density, offsets, first_row
            As for `SoftmaxRNN.belief`.

        Returns
        -------
        ForwardOutput
            Of all rows; for a composite chain, of the rows that it covers, one sequence after the
            other.
        """
        logs, bounds, z, starts = _rows.given(
            self, self.start, y, exog=exog, exog_transition=exog_transition, offsets=offsets,
            log_density=log_density, first_row=first_row, caller="HMM.filter",
        )  # fmt: skip
        into = self._into(z)
        place = np.arange(len(logs)) - np.repeat(bounds[:-1], np.diff(bounds))
        kept = place >= self.lead
        inner = bounds - self.lead * np.arange(len(bounds))
        moves = into if into.ndim == 2 else into[kept]
        return markov.forward(logs[kept], moves, starts, inner)

    def sample(
        self,
        n: int,
        rng: int | np.random.Generator | None = None,
        *,
        exog: ArrayLike | None = None,
        exog_transition: ArrayLike | None = None,
        presample: ArrayLike | None = None,
        sequence: int = 0,
        uniforms: ArrayLike | None = None,
        first_row: int = 1,
    ) -> Drawn:
        """Draw a sequence from the probabilities.

        Parameters
        ----------
        n, rng, exog, exog_transition, presample, sequence, uniforms, first_row
            As for `SoftmaxRNN.generate`, whose draws are the same for the same generator.

        Returns
        -------
        Drawn
        """

        def laws(seed: int, z: FloatArray) -> _drawing.Laws:
            into = self._into(z)
            return (lambda: self.start[seed]), lambda t, i: (into if into.ndim == 2 else into[t])[i]

        return _drawing.sampled(
            self, n, rng, (len(self.start), laws), exog=exog, exog_transition=exog_transition,
            presample=presample, sequence=sequence, uniforms=uniforms, first_row=first_row,
            caller="HMM.sample",
        )  # fmt: skip

    def to_rnn(self) -> SoftmaxRNN:
        """Write it as a network, in identified weights.

        Returns
        -------
        SoftmaxRNN
        """
        return SoftmaxRNN(
            reference_logits(self.transition).T,
            self.W_x,
            np.zeros(self.k_states),
            reference_logits(self.start),
            self.emission,
            self.state_names,
            self.exog_names,
            self.exog_transition_names,
            self.regimes,
            self.lead,
        )

    def _into(self, inputs: FloatArray) -> FloatArray:
        if not self.exog_transition_names:
            return self.transition
        return steps_of(reference_logits(self.transition).T, self.W_x, inputs)


def to_rnn(
    transition: ArrayLike,
    start: ArrayLike | None = None,
    emission: Readout | tuple[Readout, ...] | ArrayLike = (),
    *,
    W_x: ArrayLike | None = None,
    **names: Any,
) -> SoftmaxRNN:
    """Network of a hidden Markov model.

    Parameters
    ----------
    transition : array_like, shape (K, K)
        Rows (states left) sum to one; zeros are exact. With inputs: at inputs of zero.
    start : array_like, shape (K,) or (S, K), optional
        Distribution of a sequence's first state; uniform by default.
    emission : Readout, tuple of Readout, or array_like of shape (K, levels)
        Made by `categorical`, `gaussian` or `family`; a matrix is a categorical emission.
    W_x : array_like, shape (K, k) or (K, K, k), optional
        What inputs add to the logits of the state entered; with three axes (entered, left, input)
        it depends on the state left.
    **names
        ``state_names``, ``exog_names``, ``exog_transition_names``, ``regimes``, ``lead`` of
        `SoftmaxRNN`.

    Returns
    -------
    SoftmaxRNN
        In identified weights: ``b_h = 0``, and weight zero for the last state of each row with
        positive probability.

    Raises
    ------
    SpecificationError
        No distributions, or shapes that do not fit.

    Examples
    --------
    >>> from rnnstats.equivalence import hmm
    >>> net = hmm.to_rnn([[0.7, 0.3], [0.4, 0.6]], [0.6, 0.4], [[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]])
    >>> net.step([1.0, 0.0]).round(3)
    array([0.7, 0.3])
    >>> net.belief([0, 1, 2]).filtered.round(3)
    array([[0.2  , 0.8  ],
           [0.532, 0.468],
           [0.864, 0.136]])
    """
    moves = distributions(transition, name="transition", caller="to_rnn")
    k = len(moves)
    if moves.shape != (k, k):
        raise SpecificationError(
            f"to_rnn: transition must be square; got shape {moves.shape}. One row a state left."
        )
    first = np.full((1, k), 1.0 / k) if start is None else np.atleast_2d(np.asarray(start))
    slopes = np.zeros((k, k, 0)) if W_x is None else np.array(W_x, dtype=np.float64)
    if slopes.ndim == 2:
        slopes = np.repeat(slopes[:, None, :], k, axis=1)
    return SoftmaxRNN(
        reference_logits(moves).T,
        _referenced(slopes, moves),
        np.zeros(k),
        reference_logits(distributions(first, name="start", caller="to_rnn")),
        _readouts(emission),
        **names,
    )


def from_rnn(weights: SoftmaxRNN | Mapping[str, ArrayLike]) -> HMM:
    """Hidden Markov model of a network.

    Parameters
    ----------
    weights : SoftmaxRNN or mapping of str to array_like
        A mapping has ``W_h`` (K, K) and may have ``W_x`` (K, k) or (K, K, k), ``b_h`` (K,),
        ``b_start`` (K,) or (S, K), and ``V`` (levels, K), a categorical readout.

    Returns
    -------
    HMM
        The same for all equivalent weights: those that differ by a shift of a column of W_h, W_x or
        V, or by what is moved between b_h and the columns of W_h.

    Raises
    ------
    SpecificationError
        Weights that do not fit together.
    """
    net = weights if isinstance(weights, SoftmaxRNN) else _read(weights)
    moves = net.transition
    return HMM(
        moves,
        net.start,
        tuple(
            part.identified() if isinstance(part, CategoricalReadout) else part
            for part in net.emission
        ),
        _referenced(net.W_x, moves),
        net.state_names,
        net.exog_names,
        net.exog_transition_names,
        net.regimes,
        net.lead,
    )


def _read(weights: Mapping[str, ArrayLike]) -> SoftmaxRNN:
    known = ("W_h", "W_x", "b_h", "b_start", "V")
    foreign = [name for name in weights if name not in known]
    if foreign or "W_h" not in weights:
        raise SpecificationError(
            f"from_rnn: weights must have W_h, and of the others {', '.join(known[1:])} only; got "
            f"{', '.join(map(str, weights))}.{suggest(foreign[0] if foreign else '', known)}"
        )
    W_h = np.array(weights["W_h"], dtype=np.float64)
    k = len(W_h)
    slopes = np.array(weights.get("W_x", np.zeros((k, k, 0))), dtype=np.float64)
    if slopes.ndim == 2:
        slopes = np.repeat(slopes[:, None, :], k, axis=1)
    emission: tuple[Readout, ...] = ()
    if "V" in weights:
        logits = np.array(weights["V"], dtype=np.float64)
        emission = (categorical(np.exp(log_softmax(logits, axis=0)).T),)
    zeros = np.zeros(k)
    return SoftmaxRNN(
        W_h,
        slopes,
        np.asarray(weights.get("b_h", zeros)),
        np.asarray(weights.get("b_start", zeros)),
        emission,
    )


def _referenced(slopes: FloatArray, moves: FloatArray) -> FloatArray:
    """Slopes of the log odds against the last state that each row can enter."""
    if slopes.ndim != 3 or slopes.shape[:2] != moves.shape or not np.isfinite(slopes).all():
        return slopes  # refused by the network
    last = moves.shape[1] - 1 - (moves > 0.0)[:, ::-1].argmax(axis=1)
    reference = slopes[last, np.arange(len(moves))]
    found: FloatArray = np.where((moves > 0.0).T[:, :, None], slopes - reference, 0.0)
    return found


def _readouts(emission: Any) -> tuple[Readout, ...]:
    if isinstance(emission, tuple) and all(hasattr(part, "location") for part in emission):
        return emission
    if hasattr(emission, "location"):
        return (emission,)
    return (categorical(emission),)
