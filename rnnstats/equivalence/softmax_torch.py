"""The belief network of a hidden Markov model as a PyTorch module.

The module works with logarithms, ``log h_t = log_softmax(logsumexp_i(log W_ij + log h_{t-1,i}) +
log b_j(y_t))`` with ``log W = log_softmax(W_h + W_x x_t + b_h)``: sums of positive terms, so that
weights of -inf (probabilities of zero) are exact, and every weight can be trained further through
the returned log-likelihood.

`stacked` makes the arrays and needs no PyTorch; `recur` is the module's arithmetic in NumPy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import log_softmax, logsumexp

from rnnstats._checks import check_int
from rnnstats.equivalence import _rows
from rnnstats.equivalence.heads import CategoricalReadout
from rnnstats.equivalence.readouts import FloatArray
from rnnstats.equivalence.softmax import BeliefRun
from rnnstats.errors import MissingDependencyError, SpecificationError

if TYPE_CHECKING:
    from rnnstats.equivalence.softmax import SoftmaxRNN

__all__ = ["TorchBelief", "belief_to_torch", "recur", "stacked"]


def stacked(network: SoftmaxRNN) -> dict[str, FloatArray]:
    """Arrays of the module, by the names of its ``state_dict``.

    Parameters
    ----------
    network : SoftmaxRNN

    Returns
    -------
    dict of str to ndarray
        ``W_h`` (K, K), ``W_x`` (K, K, k), ``b_h`` (K,), ``b_start`` (S, K), and, for a network with
        one categorical readout without inputs, ``readout.weight`` (K, levels): the columns of V
        as the rows of an ``nn.Embedding``.
    """
    arrays = {name: np.array(getattr(network, name)) for name in ("W_h", "W_x", "b_h", "b_start")}
    head = network.emission[0] if len(network.emission) == 1 else None
    if isinstance(head, CategoricalReadout) and not head.location.D.any():
        if not head.location.trend.any():
            arrays["readout.weight"] = head.location.V.T.copy()
    return arrays


def recur(
    arrays: Mapping[str, FloatArray],
    log_density: FloatArray,
    inputs: FloatArray | None = None,
    sequence: int = 0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Compute in NumPy what the module computes.

    Parameters
    ----------
    arrays : mapping of str to ndarray
        From `stacked`, or a trained module's ``state_dict``.
    log_density : ndarray, shape (n, K)
    inputs : ndarray, shape (n, k), optional
    sequence : int
        Row of ``b_start``.

    Returns
    -------
    log_filtered, log_predicted : ndarray, shape (n, K)
    llf_obs : ndarray, shape (n,)
    """
    level = arrays["W_h"] + arrays["b_h"][:, None]
    filtered: list[FloatArray] = []
    predicted: list[FloatArray] = []
    llf: list[float] = []
    ahead = log_softmax(arrays["b_start"][sequence])
    for t, row in enumerate(log_density):
        if t:
            moved = level if inputs is None else level + arrays["W_x"] @ inputs[t]
            ahead = logsumexp(log_softmax(moved, axis=0) + filtered[-1], axis=1)
        joint = ahead + row
        llf.append(float(logsumexp(joint)))
        predicted.append(ahead)
        filtered.append(joint - llf[-1])
    return np.array(filtered), np.array(predicted), np.array(llf)


@dataclass(frozen=True, eq=False, repr=False)
class TorchBelief:
    """The belief network as a PyTorch module, with what is needed to feed it.

    Attributes
    ----------
    module : torch.nn.Module
        ``module(log_density, inputs, sequence)`` gives log filtered probabilities, log predicted
        probabilities and the log-likelihood of each row; parameters ``W_h``, ``W_x``, ``b_h``,
        ``b_start`` and, for one categorical output, an ``nn.Embedding`` ``readout`` whose
        ``log_softmax`` is the table of log densities. Double precision.
    network : SoftmaxRNN

    Examples
    --------
    >>> net = results.to_rnn().to_torch()                              # doctest: +SKIP
    >>> log_filtered, log_predicted, llf = net.module(net.inputs(y))   # doctest: +SKIP
    """

    module: Any
    network: SoftmaxRNN

    def __repr__(self) -> str:
        """Show the module."""
        return f"<TorchBelief: {self.module}>"

    def inputs(self, y: ArrayLike, exog: ArrayLike | None = None, *, first_row: int = 1) -> Any:
        """Log densities of one sequence.

        Parameters
        ----------
        y, exog, first_row
            As for `SoftmaxRNN.belief`.

        Returns
        -------
        torch.Tensor, shape (n, K), double
            Without the leading rows that a composite chain does not cover.

        Raises
        ------
        DataError
            Data that do not fit.
        """
        logs, _ = _rows.log_densities(
            self.network, y, None, exog, None, first_row=first_row, caller="TorchBelief.inputs"
        )
        return _tensor(logs[self.network.lead :])

    def run(
        self,
        y: ArrayLike,
        *,
        exog: ArrayLike | None = None,
        exog_transition: ArrayLike | None = None,
        sequence: int = 0,
        first_row: int = 1,
    ) -> BeliefRun:
        """Run the module on one sequence.

        Parameters
        ----------
        y, exog, exog_transition
            As for `SoftmaxRNN.belief`.
        sequence : int
            Row of ``b_start``.
        first_row : int
            As for `SoftmaxRNN.belief`.

        Returns
        -------
        BeliefRun

        Raises
        ------
        DataError
            Data that do not fit.
        SpecificationError
            `sequence` is no row of ``b_start``.
        """
        caller, lead = "TorchBelief.run", self.network.lead
        torch = _torch()
        logs = self.inputs(y, exog, first_row=first_row)
        names = self.network.exog_transition_names
        z = _rows.inputs_of(
            exog_transition, names, len(logs) + lead, what="exog_transition", caller=caller
        )
        last = len(self.network.b_start) - 1
        which = check_int(sequence, name="sequence", caller=caller, minimum=0, maximum=last)
        with torch.no_grad():
            outputs = self.module(logs, _tensor(z[lead:]) if names else None, which)
        log_filtered, log_predicted, llf = (part.numpy() for part in outputs)
        if not np.isfinite(llf).all():
            raise SpecificationError(
                f"{caller}: every row must be possible; got row {lead + int(llf.argmin())}, which "
                "is not. SoftmaxRNN.belief() runs up to it."
            )
        head = np.full((lead, self.network.k_states), np.nan)
        return BeliefRun(
            np.vstack([head, np.exp(log_filtered)]),
            np.vstack([head, np.exp(log_predicted)]),
            np.concatenate([np.zeros(lead), llf]),
        )


def belief_to_torch(network: SoftmaxRNN) -> TorchBelief:
    """Make a PyTorch module that runs the belief network.

    Parameters
    ----------
    network : SoftmaxRNN

    Returns
    -------
    TorchBelief

    Raises
    ------
    MissingDependencyError
        PyTorch is not installed.
    """
    arrays = stacked(network)
    shapes = {name: part.shape for name, part in arrays.items() if name != "readout.weight"}
    readout = arrays.get("readout.weight", np.zeros((0, 0))).shape
    module = _module_class()(readout=readout, **shapes)
    module.load_state_dict({name: _tensor(part) for name, part in arrays.items()})
    return TorchBelief(module, network)


@cache
def _module_class() -> Any:
    """The module's class; PyTorch loads when it is first asked for."""
    torch = _torch()
    nn = torch.nn

    class Belief(nn.Module):  # type: ignore[misc,name-defined]
        """``log h_t`` from log densities, by the forward algorithm in logarithms."""

        def __init__(self, readout: tuple[int, ...], **shapes: tuple[int, ...]) -> None:
            super().__init__()
            for name, shape in shapes.items():
                setattr(self, name, nn.Parameter(torch.zeros(shape, dtype=torch.float64)))
            if readout[0]:
                self.readout = nn.Embedding(*readout, dtype=torch.float64)

        def forward(self, log_density: Any, inputs: Any = None, sequence: int = 0) -> Any:
            level = self.W_h + self.b_h[:, None]
            ahead = torch.log_softmax(self.b_start[sequence], dim=0)
            filtered: list[Any] = []
            predicted: list[Any] = []
            llf: list[Any] = []
            for t in range(len(log_density)):
                if t:
                    moved = level if inputs is None else level + self.W_x @ inputs[t]
                    moves = torch.log_softmax(moved, dim=0)
                    ahead = torch.logsumexp(moves + filtered[-1], dim=1)
                joint = ahead + log_density[t]
                llf.append(torch.logsumexp(joint, dim=0))
                predicted.append(ahead)
                filtered.append(joint - llf[-1])
            return torch.stack(filtered), torch.stack(predicted), torch.stack(llf)

    return Belief


def _torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError(
            "to_torch: PyTorch modules need torch; got an installation without it. "
            "Install it with: pip install 'rnnstats[torch]'."
        ) from error
    return torch


def _tensor(array: FloatArray) -> Any:
    return _torch().from_numpy(np.array(array, dtype=np.float64, order="C"))
