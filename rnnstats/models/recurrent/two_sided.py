"""A two-sided network at given parameters, run over the sample."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.kernels import networks
from rnnstats.kernels.architecture import Cell
from rnnstats.kernels.two_sided import TwoSided, TwoSidedRun
from rnnstats.models.recurrent.heads.base import Head, HeadLaw
from rnnstats.models.recurrent.paths import FilteredStates, SmoothedStates, decoded
from rnnstats.models.recurrent.scaling import Scales

if TYPE_CHECKING:
    from rnnstats.models.bidirectional import BidirectionalRNN

__all__ = ["TwoSidedSystem", "drawn", "filtered", "forward_twin", "shortened", "smoothed"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class TwoSidedSystem:
    """The network with numbers for weights, and its run over the sample.

    Inside, inputs and states are standardised; what has a unit comes out and goes in in the user's
    units.

    Attributes
    ----------
    architecture : TwoSided
    head : Head
    scales : Scales
    y_lags : int
    weights : ndarray, shape (P,)
        In standardised units.
    extra : ndarray, shape (q,)
        The head's own parameters, in the user's units.
    initial : ndarray, shape (sequences, s)
        State before the first row of each sequence (h), and beyond its last row (g).
    run : TwoSidedRun
    rows : ndarray of int, shape (nobs,)
    row_offsets, offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and nobs.
    """

    architecture: TwoSided
    head: Head
    scales: Scales
    y_lags: int
    weights: FloatArray
    extra: FloatArray
    initial: FloatArray
    run: TwoSidedRun
    rows: IntArray
    row_offsets: IntArray
    offsets: IntArray

    @property
    def inputs(self) -> FloatArray:
        """Standardised inputs with gaps, shape (nobs, k_in)."""
        return self.run.given

    @property
    def states(self) -> FloatArray:
        """States of both directions, shape (nobs, s)."""
        return self.run.states

    @cached_property
    def eta(self) -> FloatArray:
        """Readout of both directions, in the user's units, shape (nobs, k_eta)."""
        return self._natural(self.run.eta)

    @property
    def forward_eta(self) -> FloatArray:
        """Readout of the forward direction alone, ``V_f h + b_y``, shape (nobs, k_eta)."""
        return self._natural(self.run.forth.eta)

    @property
    def backward_eta(self) -> FloatArray:
        """Readout of the backward direction alone, ``V_b g + b_y``, shape (nobs, k_eta)."""
        return self._natural(self.run.back.eta[self.run.turn])

    @cached_property
    def law(self) -> HeadLaw:
        """Law of the outputs in each row, given everything that the network reads."""
        return self.head.law(self.eta, self.extra)

    def over(self, exog: FloatArray) -> FloatArray:
        """
        Run the network over one sequence of other inputs.

        Parameters
        ----------
        exog : ndarray, shape (n, k)
            User's units; for a network that reads no outputs.

        Returns
        -------
        ndarray, shape (n, k_eta)
            Readout of both directions, in the user's units.
        """
        inputs = (np.hstack([exog, exog]) - self.scales.input_mean) / self.scales.input_scale
        run: TwoSidedRun = networks.forward(
            self.architecture,
            self.weights,
            inputs,
            initial=self.initial[:1],
            offsets=np.array([0, len(exog)]),
            feedback=None,
        )
        return self._natural(run.eta)

    def _natural(self, eta: FloatArray) -> FloatArray:
        out: FloatArray = eta * self.scales.eta_scale + self.scales.eta_mean
        return out


def filtered(model: BidirectionalRNN, theta: FloatArray) -> FilteredStates:
    """States of the forward cell, see `BidirectionalRNN.filter`.

    Parameters
    ----------
    model : BidirectionalRNN
    theta : ndarray, shape (K,)

    Returns
    -------
    FilteredStates
    """
    system, index = model.system(theta), model.endog.index
    count = system.architecture.forth.k_state
    names = list(model.state_names[:count])
    states = pd.DataFrame(system.states[:, :count], index=index, columns=names)
    eta = pd.DataFrame(system.forward_eta, index=index, columns=list(model.head.eta_names))
    obs = pd.Series(model.likelihood.loglikeobs(theta), index=index, name="llf_obs")
    return FilteredStates(states, states.copy(), eta, obs)


def smoothed(model: BidirectionalRNN, theta: FloatArray) -> SmoothedStates:
    """States of both cells, see `BidirectionalRNN.smooth`.

    Parameters
    ----------
    model : BidirectionalRNN
    theta : ndarray, shape (K,)

    Returns
    -------
    SmoothedStates
    """
    system, index = model.system(theta), model.endog.index
    states = pd.DataFrame(system.states, index=index, columns=list(model.state_names))
    return SmoothedStates(states, model.likelihood.value(theta))


def drawn(
    model: BidirectionalRNN, theta: FloatArray, exog: FloatArray, rng: np.random.Generator
) -> pd.Series | pd.DataFrame:
    """Draw targets given one sequence of inputs, see `BidirectionalRNN.simulate`.

    Parameters
    ----------
    model : BidirectionalRNN
    theta : ndarray, shape (K,)
    exog : ndarray, shape (rows, k)
    rng : numpy.random.Generator

    Returns
    -------
    Series or DataFrame
    """
    system = model.system(theta)
    values = system.head.law(system.over(exog), system.extra).sample(rng)
    return decoded(model, values, pd.RangeIndex(len(exog)))


def forward_twin(model: BidirectionalRNN, k_hidden: object) -> Any:
    """Return the network of the forward cell alone, see `BidirectionalRNN.forward_model`.

    Parameters
    ----------
    model : BidirectionalRNN
    k_hidden : int, iterable of int or None

    Returns
    -------
    ElmanRNN, GRU, LSTM or CellRNN
    """
    from rnnstats.models import nonlinear

    cell = model.architecture.cells[0]
    given = model._arguments()
    for name in model._own_arguments():
        del given[name]
    kinds: dict[str, tuple[Any, dict[str, Any]]] = {
        "elman": (nonlinear.ElmanRNN, {"activation": getattr(cell, "activation", "")}),
        "gru": (nonlinear.GRU, {"reset": getattr(cell, "reset", "")}),
        "lstm": (nonlinear.LSTM, {"peephole": getattr(cell, "peephole", False)}),
    }
    own = kinds[cell.kind] if isinstance(cell, Cell) else (nonlinear.CellRNN, {"cell": cell})
    given |= own[1] | {"presample": "predict"}
    if k_hidden is not None:
        given["k_hidden"] = k_hidden
        return own[0](model.endog, model.exog, **given)
    plain = own[0](model.endog, model.exog, **given)
    known = set(plain.param_names)
    kept = {
        name: value
        for name, value in model.layout.fixed.items()
        if name in known and (not isinstance(value, str) or value in known)
    }
    return plain.with_fixed(kept) if kept else plain


def shortened(model: BidirectionalRNN, lengths: IntArray) -> BidirectionalRNN:
    """Return the model on the first rows of each sequence.

    Parameters
    ----------
    model : BidirectionalRNN
    lengths : ndarray of int, shape (sequences,)
        At least one row each.

    Returns
    -------
    BidirectionalRNN
    """
    endog, exog = model.endog, model.exog
    kept = np.concatenate(
        [np.arange(a, a + n) for a, n in zip(endog.first_rows, lengths, strict=True)]
    )
    cuts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    part = replace(
        endog,
        values=endog.values[kept],
        index=endog.index[kept],
        first_rows=tuple(int(one) for one in cuts),
    )
    rows = None if exog is None else replace(exog, values=exog.values[kept])
    return model._again(part, rows, fixed=model.layout.fixed, **model._arguments())
