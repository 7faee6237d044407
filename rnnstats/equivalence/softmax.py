"""A recurrent network whose hidden state is one-hot: any hidden Markov model, in two readings."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, logsumexp, softmax

from rnnstats._checks import shown
from rnnstats.equivalence import _drawing, _rows
from rnnstats.equivalence._drawing import Drawn
from rnnstats.equivalence._softmax_weights import (
    ARRAYS,
    check_names,
    check_weights,
    log_moved,
    named_weights,
    output_names,
    steps_of,
)
from rnnstats.equivalence._text import table, units
from rnnstats.equivalence.heads import CategoricalReadout
from rnnstats.equivalence.readouts import FloatArray, Readout
from rnnstats.errors import SpecificationError

__all__ = ["BeliefRun", "Drawn", "SoftmaxRNN"]


class BeliefRun(NamedTuple):
    """What the belief network computes.

    Attributes
    ----------
    filtered : ndarray, shape (n, K)
        The hidden state: probabilities given the rows up to each. NaN from a row on that cannot be,
        and in leading rows that a composite chain does not cover.
    predicted : ndarray, shape (n, K)
        ``W' h_{t-1}``: probabilities given the rows before.
    llf_obs : ndarray, shape (n,)
        Log-likelihood of each row given the rows before, the log of the softmax's denominator;
        -inf at a row that cannot be, 0 in the rows of its sequence that follow.
    """

    filtered: FloatArray
    predicted: FloatArray
    llf_obs: FloatArray

    @property
    def llf(self) -> float:
        """Log-likelihood."""
        return float(self.llf_obs.sum())


@dataclass(frozen=True, eq=False, repr=False)
class SoftmaxRNN(_rows.Chain):
    """A network with a one-hot hidden state, which is a hidden Markov model.

    *Generative reading.* ``P(h_t | h_{t-1}) = softmax(W_h h_{t-1} + (W_x h_{t-1}) x_t + b_h)``:
    `step` with a one-hot state in gives a row of the transition matrix; `emit` gives the readouts'
    law, for categories ``softmax(V h_t)``, a row of the emission matrix; `generate` draws.

    *Belief reading.* ``h_t = softmax(log(W' h_{t-1}) + log b(y_t))`` with W the transition matrix
    and b(y_t) the densities of the row: `belief` runs this recurrent network, whose state is the
    filtered probability.

    Zero probabilities are weights of -inf, exactly. The readouts' weights (`Readout`) have a column
    a state.

    Attributes
    ----------
    W_h : ndarray, shape (K, K)
        Row: state entered; column: state left.
    W_x : ndarray, shape (K, K, k)
        ``(W_x h)_{jx} = sum_i W_x[j, i, x] h_i``: what inputs add, which may depend on the state
        left. A network with ``W_x x_t`` alone has the same slice for every state left.
    b_h : ndarray, shape (K,)
    b_start : ndarray, shape (S, K)
        Logits of the state at a sequence's first row; one row for all sequences, or one each.
    emission : tuple of Readout
        Independent of each other given the state; may be empty.
    state_names, exog_names, exog_transition_names : tuple of str
        Names of the states, of the readouts' inputs, and of the inputs of W_x.
    regimes : tuple of int
        Regime of each state: 0, 1, ..., K - 1, but for a composite chain, whose states stand for
        the regimes of several rows.
    lead : int
        Rows at the front of a sequence that the chain does not cover (a composite chain begins when
        all its lags are there).

    Notes
    -----
    What is identified: the columns of the one-hot state sum to one, so b_h can be moved into every
    column of W_h, and a number can be added to all entries of a column. `identified` fixes both:
    ``b_h = 0``, and weight zero for the last state that a column gives positive probability.
    `rnnstats.equivalence.hmm.from_rnn` reads the same hidden Markov model from all such weights.

    References
    ----------
    Rabiner (1989), Proceedings of the IEEE 77, 257-286; Giles et al. (1992), Learning and
    extracting finite state automata with second-order recurrent neural networks, Neural
    Computation 4, 393-405 (weights that multiply state and input).
    """

    W_h: FloatArray
    W_x: FloatArray
    b_h: FloatArray
    b_start: FloatArray
    emission: tuple[Readout, ...] = ()
    state_names: tuple[str, ...] = ()
    exog_names: tuple[str, ...] = ()
    exog_transition_names: tuple[str, ...] = ()
    regimes: tuple[int, ...] = ()
    lead: int = 0

    def __post_init__(self) -> None:
        """Check shapes, fill in names."""
        held = {name: np.array(getattr(self, name), dtype=np.float64) for name in ARRAYS}
        held["b_start"] = np.atleast_2d(held["b_start"])
        states = held["b_h"].size
        check_weights(held, states, self.emission)
        for name, array in held.items():
            array.setflags(write=False)
            object.__setattr__(self, name, array)
        inputs = [part.location.k_exog for part in self.emission]
        defaults = (
            ("state_names", "h", states),
            ("exog_names", "x", max(inputs, default=0)),
            ("exog_transition_names", "z", held["W_x"].shape[2]),
        )
        for name, stem, count in defaults:
            given = getattr(self, name) or tuple(f"{stem}{i + 1}" for i in range(count))
            check_names(name, given, count)
            object.__setattr__(self, name, tuple(given))
        if any(count not in (0, len(self.exog_names)) for count in inputs):
            raise SpecificationError(
                f"SoftmaxRNN: readouts must read the same inputs; got {inputs} of them. "
                "Fill up with weights of zero."
            )
        object.__setattr__(self, "regimes", tuple(self.regimes) or tuple(range(states)))

    def __repr__(self) -> str:
        """Say how many states there are and what is read out."""
        inputs = [*self.exog_transition_names]
        read = f", transitions read {', '.join(inputs)}" if inputs else ""
        return f"<SoftmaxRNN: {units(self.k_states)}{read}; readout: {self._heads()}>"

    @property
    def k_states(self) -> int:
        """Number of states K."""
        return len(self.b_h)

    @property
    def transition(self) -> FloatArray:
        """Transition matrix with inputs of zero, rows sum to one, shape (K, K)."""
        found: FloatArray = softmax(self.W_h + self.b_h[:, None], axis=0).T
        return found

    @property
    def start(self) -> FloatArray:
        """Distribution of the first state, shape (S, K)."""
        found: FloatArray = softmax(self.b_start, axis=1)
        return found

    # --- the generative reading ---------------------------------------------------------------

    def step(self, h: ArrayLike, x: ArrayLike | None = None) -> FloatArray:
        """One step of the generative network: distribution of the next state.

        Parameters
        ----------
        h : array_like, shape (K,) or (n, K)
            One-hot state(s) h_{t-1}.
        x : array_like, shape (k,) or (n, k), optional
            Inputs of the transitions, of the row that is stepped into.

        Returns
        -------
        ndarray, shape (K,) or (n, K)
            ``softmax(W_h h + (W_x h) x + b_h)``, for a one-hot h a row of the transition matrix.

        Raises
        ------
        SpecificationError
            `h` is not one-hot.
        DataError
            `x` is missing or does not fit.
        """
        states = self._one_hot(h, "SoftmaxRNN.step")
        names = self.exog_transition_names
        values = None if x is None else np.atleast_2d(np.asarray(x, dtype=np.float64))
        inputs = _rows.inputs_of(values, names, len(states), what="x", caller="SoftmaxRNN.step")
        logits = _weighted(self.W_h, states) + self.b_h
        logits = logits + np.einsum("jix,ni,nx->nj", self.W_x, states, inputs)
        found: FloatArray = softmax(logits, axis=1)
        return found[0] if np.ndim(h) == 1 else found

    def emit(self, h: ArrayLike) -> FloatArray:
        """Emission rows of a categorical readout: ``softmax(V h)``, inputs and lags zero.

        Parameters
        ----------
        h : array_like, shape (K,) or (n, K)
            One-hot state(s).

        Returns
        -------
        ndarray, shape (levels,) or (n, levels)

        Raises
        ------
        SpecificationError
            The network has not one categorical readout, or `h` is not one-hot.
        """
        states = self._one_hot(h, "SoftmaxRNN.emit")
        if len(self.emission) != 1 or not isinstance(self.emission[0], CategoricalReadout):
            raise SpecificationError(
                f"SoftmaxRNN.emit: the network must have one categorical readout; got {self!r}. "
                "Use generate(), or the readouts in emission."
            )
        found: FloatArray = softmax(_weighted(self.emission[0].location.V, states), axis=1)
        return found[0] if np.ndim(h) == 1 else found

    def generate(
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
        """Draw a sequence by running the generative network.

        Parameters
        ----------
        n : int
            Rows.
        rng : None, int or numpy.random.Generator
        exog, exog_transition : array_like, shape (n, k), optional
            Inputs of the readouts and of the transitions.
        presample : array_like, shape (order, d), optional
            The first rows, where readouts read own lags; the rest is drawn given these.
        sequence : int
            Row of ``b_start``.
        uniforms : array_like, shape (n,), optional
            Numbers in [0, 1) from which the states come; by default drawn first.
        first_row : int
            Number of the first row, for trends.

        Returns
        -------
        Drawn
            ``states`` and ``y``.

        Raises
        ------
        SpecificationError, DataError
            Arguments that do not fit.
        """
        one_hot = np.eye(self.k_states)

        def laws(seed: int, z: FloatArray) -> _drawing.Laws:
            first = self.b_start[seed]
            return (lambda: softmax(first)), lambda t, i: self.step(one_hot[i], z[t])

        return _drawing.sampled(
            self, n, rng, (len(self.b_start), laws), exog=exog, exog_transition=exog_transition,
            presample=presample, sequence=sequence, uniforms=uniforms, first_row=first_row,
            caller="SoftmaxRNN.generate",
        )  # fmt: skip

    # --- the belief reading -------------------------------------------------------------------

    def log_density(
        self,
        y: ArrayLike,
        *,
        exog: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        first_row: int = 1,
    ) -> FloatArray:
        """Log densities of each row in each state, log b(y_t).

        Parameters
        ----------
        y, exog, offsets, first_row
            As for `belief`.

        Returns
        -------
        ndarray, shape (n, K)
            Zero where nothing is seen, and in rows that are conditioned on: the first ones of each
            sequence, as many as there are lags, and where a lag is missing.

        Raises
        ------
        DataError, SpecificationError
            Arguments that do not fit.
        """
        return _rows.log_densities(
            self, y, None, exog, offsets, first_row=first_row, caller="SoftmaxRNN.log_density"
        )[0]

    def belief(
        self,
        y: ArrayLike | None = None,
        *,
        exog: ArrayLike | None = None,
        exog_transition: ArrayLike | None = None,
        log_density: ArrayLike | None = None,
        offsets: ArrayLike | None = None,
        first_row: int = 1,
    ) -> BeliefRun:
        """Run the belief network ``h_t = softmax(log(W' h_{t-1}) + log b(y_t))``.

        Parameters
        ----------
        y : array_like, shape (n, d) or (n,), optional
            Outputs, NaN where missing; codes or labels for categories.
        exog, exog_transition : array_like, shape (n, k), optional
            Inputs of the readouts and of the transitions.
        log_density : array_like, shape (n, K), optional
            log b(y_t), in place of `y`; -inf is a density of zero.
        offsets : array_like of int, optional
            First row of each sequence, and the number of rows; one sequence by default.
        first_row : int
            Number of each sequence's first row, for trends.

        Returns
        -------
        BeliefRun
            ``filtered``, ``predicted``, ``llf_obs`` and ``llf``.

        Raises
        ------
        DataError, SpecificationError
            Arguments that do not fit.
        """
        logs, bounds, z, starts = _rows.given(
            self, self.b_start, y, exog=exog, exog_transition=exog_transition, offsets=offsets,
            log_density=log_density, first_row=first_row, caller="SoftmaxRNN.belief",
        )  # fmt: skip
        into = steps_of(self.W_h + self.b_h[:, None], self.W_x, z)
        filtered, predicted = np.full((2, *logs.shape), np.nan)
        llf = np.zeros(len(logs))
        for s, (first, end) in enumerate(pairwise(bounds.tolist())):
            ahead = log_softmax(starts[s])
            for t in range(first + self.lead, end):
                predicted[t] = np.exp(ahead)
                joint = ahead + logs[t]
                llf[t] = logsumexp(joint)
                if llf[t] == -np.inf:
                    break
                filtered[t] = softmax(joint)
                if t + 1 < end:
                    moves = into if into.ndim == 2 else into[t + 1]
                    ahead = log_moved(moves, filtered[t], joint - llf[t])
        return BeliefRun(filtered, predicted, llf)

    def of_regimes(self, probabilities: ArrayLike) -> FloatArray:
        """Probabilities of the regimes from those of the states.

        Parameters
        ----------
        probabilities : array_like, shape (n, K)

        Returns
        -------
        ndarray, shape (n, regimes)
            The same, but for a composite chain.
        """
        found: FloatArray = (
            np.asarray(probabilities, dtype=np.float64)
            @ np.eye(max(self.regimes) + 1)[list(self.regimes)]
        )
        return found

    # --- the weights --------------------------------------------------------------------------

    def identified(self) -> SoftmaxRNN:
        """The same network in identified weights.

        Returns
        -------
        SoftmaxRNN
            ``b_h = 0``; in each column of W_h and W_x the last state with positive probability has
            weight zero, and so in b_start.
        """
        from rnnstats.equivalence.hmm import from_rnn

        return from_rnn(self).to_rnn()

    def weights(self) -> dict[str, float]:
        """Every weight that is not zero, by name.

        Returns
        -------
        dict of str to float
            Such as ``{"W_h[h1->h2]": -1.2, "W_x[h1->h2,spread]": 0.4, "V[y,h1]": 0.1, ...}``.
        """
        return named_weights(self)

    def summary(self) -> str:
        """Tables of the weights as text.

        Returns
        -------
        str
        """
        names = self.state_names
        inputs = " + (W_x h_(t-1)) x_t" if self.exog_transition_names else ""
        constant = " + b_h" if self.b_h.any() else ""
        lines = [
            repr(self)[1:-1],
            f"P(h_t) = softmax(W_h h_(t-1){inputs}{constant}), h one-hot",
            "belief: h_t = softmax(log(W' h_(t-1)) + log b(y_t)), W the transition matrix",
        ]
        parts = [
            table("W_h", self.W_h, names, names),
            *(
                table(f"W_x {name}", self.W_x[:, :, x], names, names)
                for x, name in enumerate(self.exog_transition_names)
            ),
            table("b", self.b_h[:, None], names, ("b_h",)),
            table("transition", self.transition, names, names),
        ]
        for part in self.emission:
            parts.append(table(f"V ({part.kind})", part.location.V, output_names(part), names))
        return "\n\n".join(["\n".join(lines), *filter(None, parts)])

    def to_torch(self) -> Any:
        """The belief network as a PyTorch module.

        Returns
        -------
        rnnstats.equivalence.softmax_torch.TorchBelief
            A module with the same weights in double precision.

        Raises
        ------
        MissingDependencyError
            PyTorch is not installed.
        """
        from rnnstats.equivalence.softmax_torch import belief_to_torch

        return belief_to_torch(self)

    def _one_hot(self, h: ArrayLike, caller: str) -> FloatArray:
        states = np.atleast_2d(np.asarray(h, dtype=np.float64))
        ones = (states == 1.0).sum(axis=-1) == 1
        if (
            states.shape[1:] != (self.k_states,)
            or not (ones & (np.count_nonzero(states, axis=-1) == 1)).all()
        ):
            raise SpecificationError(
                f"{caller}: h must be one-hot with {self.k_states} entries; got "
                f"{shown(np.asarray(h).tolist())}. Probabilities of states are for belief()."
            )
        return states


def _weighted(weights: FloatArray, states: FloatArray) -> FloatArray:
    """``weights @ h`` for one-hot states, with 0 times -inf counted as 0."""
    found: FloatArray = weights.T[states.argmax(axis=1)]
    return found
