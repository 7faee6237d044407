"""The part of results that maps a model with regimes to networks and plain tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.equivalence.heads import CategoricalReadout
from rnnstats.equivalence.readouts import reference_logits
from rnnstats.equivalence.softmax import SoftmaxRNN
from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem

__all__ = ["HiddenMarkov", "RegimeNetworks", "composite_weights", "softmax_network"]


@dataclass(frozen=True, eq=False, repr=False)
class HiddenMarkov:
    """A fitted model as a plain hidden Markov model: labelled tables, nothing else.

    Attributes
    ----------
    transition : DataFrame
        Rows from, columns to, sums one, shape (K, K); with inputs of the transitions one matrix a
        row of the data, index (date, from).
    start : DataFrame
        Distribution of the first regime, one row a sequence, shape (sequences, K).
    emission : DataFrame
        One row a regime, one column a parameter of the outputs' distributions, by its name without
        the regime: ``V[y]``, ``obs_cov[y,y]``, ``mean[y]``, ``prob[y=a]`` (all levels), ...
        What does not switch stands in every row.
    outputs : dict
        Distribution of each output given the regime, as `MarkovRNN` takes it (``emission``).
    order : int
        Lags of the outputs.
    ar_form : str
        "intercept" or "mean".
    """

    transition: pd.DataFrame
    start: pd.DataFrame
    emission: pd.DataFrame
    outputs: dict[Any, Any]
    order: int
    ar_form: str

    def __repr__(self) -> str:
        """Show the tables."""
        outputs = ", ".join(
            f"{name if isinstance(name, str) else '/'.join(name)} {given['family']}"
            for name, given in self.outputs.items()
        )
        parts = [f"<HiddenMarkov: {self.start.shape[1]} regimes; {outputs}>"]
        for title in ("transition", "start", "emission"):
            parts.append(f"{title}\n{getattr(self, title).to_string(max_rows=12)}")
        return "\n\n".join(parts)


class RegimeNetworks(ABC):
    """The part of results that maps a model with regimes to networks.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> RegimeSystem:
        """The model's numbers at the estimates."""

    @property
    @abstractmethod
    def transition(self) -> pd.DataFrame:
        """Probabilities of steps."""

    def to_rnn(self) -> SoftmaxRNN:
        """Write the model as a recurrent network with a one-hot state.

        ``P(h_t | h_{t-1}) = softmax(W_h h_{t-1} + (W_x h_{t-1}) x_t + b_h)``, outputs from
        ``V h_t + ...``; the same weights run as a belief network whose state is the filtered
        probability.

        Returns
        -------
        SoftmaxRNN
            The weights by name; ``belief(y, ...)`` on arrays or tables gives
            `filtered_marginal_probabilities` and the log-likelihood, ``generate(n, rng)`` draws;
            ``step``, ``weights()``, ``summary()``, ``to_torch()``. ``b_h`` is zero: its numbers
            stand in the columns of ``W_h``, which are the model's log odds. Start probabilities
            are those of the data's sequences.

        Raises
        ------
        SpecificationError
            Extended results of a model with lags, whose first rows have theirs elsewhere.

        Notes
        -----
        The mean form of an autoregression needs the regimes of all lags: its network has a one-hot
        state for each (h_t, ..., h_{t-p}), with weights of -inf where two of them do not fit
        together; ``of_regimes`` sums its beliefs. Rabiner (1989), Proceedings of the IEEE 77,
        257-286; Hamilton (1994), Time Series Analysis, section 22.4.
        """
        return softmax_network(self.model, self._theta, self._system)

    def to_hmm(self) -> HiddenMarkov:
        """Write the model as a plain hidden Markov model.

        Returns
        -------
        HiddenMarkov
            Labelled ``transition``, ``start`` and ``emission``; `MarkovRNN.from_hmm` takes it back.
        """
        model, system = self.model, self._system
        sequences = model.endog.sequences or tuple(range(1, len(model.offsets)))
        start = pd.DataFrame(
            system.start,
            index=pd.Index(sequences, name="sequence", tupleize_cols=False),
            columns=list(model.regime_names),
            copy=True,
        )
        return HiddenMarkov(
            self.transition,
            start,
            _emission_table(model, self._theta, system),
            dict(model.emission),
            model.order,
            model.ar_form,
        )


def softmax_network(model: RegimeModel, theta: FloatArray, system: RegimeSystem) -> SoftmaxRNN:
    """Network of a model at given parameters.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K_params,)
    system : RegimeSystem
        Of the same parameters.

    Returns
    -------
    SoftmaxRNN

    Raises
    ------
    SpecificationError
        Later rows of a model with lags.
    """
    if model.order and getattr(model, "continues", False):
        raise SpecificationError(
            f"to_rnn: the lags of the first {model.order} rows must be among the rows; got results "
            "extended to later rows only. Use append in place of extend."
        )
    exog = model.exog_transition
    regimes = tuple(model.regime_names)
    if exog is None:
        W_h = reference_logits(system.transition).T
        W_x = np.zeros((*W_h.shape, 0))
    else:
        W_h, W_x = _log_odds(model, theta, regimes, exog.names)
    start, names, places = system.start, regimes, tuple(range(len(regimes)))
    lead = 0
    if system.composite is not None:
        lags = np.asarray(system.composite.lags)
        W_h, W_x = composite_weights(W_h, W_x, lags.shape[1] - 1)
        start, lead = system.chain[2], lags.shape[1] - 1
        names = tuple("|".join(regimes[j] for j in row) for row in lags)
        places = tuple(int(j) for j in lags[:, 0])
    unique = start[:1] if (start == start[:1]).all() else start
    return SoftmaxRNN(
        W_h,
        W_x,
        np.zeros(len(W_h)),
        reference_logits(np.asarray(unique, dtype=np.float64)),
        system.readouts,
        names,
        () if model.exog is None else tuple(model.exog.names),
        () if exog is None else tuple(exog.names),
        places,
        lead,
    )


def _log_odds(
    model: RegimeModel, theta: FloatArray, regimes: tuple[str, ...], inputs: Any
) -> tuple[FloatArray, FloatArray]:
    """W_h and W_x of a model whose parameters they are."""
    value = dict(zip(model.param_names, theta.tolist(), strict=True))
    k = len(regimes)
    W_h, W_x = np.zeros((k, k)), np.zeros((k, k, len(inputs)))
    for i, left in enumerate(regimes):
        for j, entered in enumerate(regimes[:-1]):
            W_h[j, i] = value[f"W_h[{left}->{entered}]"]
            for x, name in enumerate(inputs):
                W_x[j, i, x] = value[f"W_x[{left}->{entered},{name}]"]
    return W_h, W_x


def composite_weights(W_h: FloatArray, W_x: FloatArray, lags: int) -> tuple[FloatArray, FloatArray]:
    """Weights of the chain of the regimes of several rows.

    Parameters
    ----------
    W_h : ndarray, shape (K, K)
        Row: regime entered; column: regime left.
    W_x : ndarray, shape (K, K, k)
    lags : int

    Returns
    -------
    W_h : ndarray, shape (S, S), S = K ** (lags + 1)
        State (h_t, ..., h_{t-lags}), h_t the most significant digit; -inf where the lags of the
        state entered are not the regimes of the state left.
    W_x : ndarray, shape (S, S, k)
    """
    k = len(W_h)
    size, top = k ** (lags + 1), k**lags
    left = np.arange(size)
    out, slopes = np.full((size, size), -np.inf), np.zeros((size, size, W_x.shape[2]))
    for j in range(k):
        entered = j * top + left // k
        out[entered, left] = W_h[j, left // top]
        slopes[entered, left] = W_x[j, left // top]
    return out, slopes


def _emission_table(model: RegimeModel, theta: FloatArray, system: RegimeSystem) -> pd.DataFrame:
    """Parameters of the outputs, one row a regime."""
    regimes = tuple(model.regime_names)
    columns: dict[str, FloatArray] = {}
    chain = ("p[", "W_h[", "W_x[", "start[")
    for name, value in zip(model.param_names, theta.tolist(), strict=True):
        if name.startswith(chain):
            continue
        regime = next((j for j, h in enumerate(regimes) if name.endswith(f",{h}]")), None)
        bare = name if regime is None else f"{name[: name.rindex(',')]}]"
        if bare.startswith("b_y["):  # the constant that all regimes share
            bare = f"V[{bare.removeprefix('b_y[')}"
        column = columns.setdefault(bare, np.full(len(regimes), np.nan))
        column[slice(None) if regime is None else regime] = value
    for part in system.readouts:
        if isinstance(part, CategoricalReadout) and not part.location.k_exog:
            if not part.location.trend.any():
                for a, level in enumerate(part.levels):
                    columns[f"prob[{part.names[0]}={level}]"] = part.probabilities[:, a]
    index = pd.Index(regimes, name="regime")
    return pd.DataFrame(columns, index=index)
