"""The part of results that goes to PyTorch and takes over what was trained there."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from rnnstats.equivalence.torch_cells import TorchCells
from rnnstats.equivalence.torch_modules import build, written
from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovType

__all__ = ["HELD", "RecurrentTorch", "recurrence_held"]

HELD = (
    "Recurrent weights are fixed numbers, and so are the states: standard errors, degrees of "
    "freedom and criteria are those of the other parameters given the states; they leave out that "
    "the recurrent weights were estimated (trained) elsewhere."
)


class RecurrentTorch(ABC):
    """The part of results that goes to PyTorch and back.

    Attributes
    ----------
    model : RecurrentModel
    """

    model: RecurrentModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates."""

    def to_torch(self) -> Any:
        """Write the network as a PyTorch module.

        Returns
        -------
        torch.nn.Module
            In double precision and the units of the data, with ``rnn`` (``nn.RNN``, ``nn.GRU`` or
            ``nn.LSTM``, batch first), ``linear`` (``nn.Linear``), where the model has them ``skip``
            (``nn.Linear``), and a start ``h_0``, ``c_0`` that is not zero. ``module(inputs)`` gives
            the linear predictors: of normal outputs the fitted values, else logits or log means.
            ``module.inputs(y, x=None)`` makes its input rows ``[y_{t-1}, ..., y_{t-L}, x_t]`` of a
            sequence of arrays, from row L + 1 on (all rows with ``presample="predict"`` or after
            `extend`; of a
            categorical output `y` holds the indicators of all categories but the last). Of a
            bidirectional network `rnn` has ``bidirectional=True`` and reads the inputs, as they
            are, both ways.

        Raises
        ------
        SpecificationError
            Cells that PyTorch does not have: peepholes, reset before the product, other activations
            than tanh and relu, a cell of one's own; several layers of a bidirectional network,
            whose upper ones read both directions there.
        MissingDependencyError
            PyTorch is not installed.

        Notes
        -----
        PyTorch has two constants a gate: ``bias_hh`` is zero but for the candidate of a GRU, where
        it is ``b_h_candidate``. Layers of unequal sizes are filled up with units that stay at zero.
        The parameters of the outputs' distribution (``obs_cov`` and the like) are no part of a
        module, and a module does not replace missing lags by their predictions.
        """
        before, first = None, int(np.asarray(self._system.rows)[0])
        if self.model.y_lags and not first:  # all rows are in the recursion
            before = np.asarray(self._system.lags_before(first), dtype=np.float64)
        return build(self._torch_arrays(), lags=self.model.y_lags, before=before)

    def _torch_arrays(self) -> TorchCells:
        """Weights in the user's units by PyTorch's names."""
        chart = self.model.chart
        natural = self._theta[np.argsort(chart.place)]
        return written(
            self.model.architecture,
            natural[chart.weights],
            np.asarray(self._system.initial)[0],
            shared=True,
            caller="to_torch",
        )

    def from_torch(
        self,
        module: Any,
        *,
        readout: Literal["given", "refit"] = "given",
        cov_type: CovType = "robust_approx",
    ) -> Any:
        """Make results of the same data with the weights of a module, say trained further.

        Parameters
        ----------
        module : torch.nn.Module, mapping of str to array, or tuple
            As for the model's ``from_torch``, which see; of the model's kind of cell, with any
            number of units.
        readout : {"given", "refit"}
            Whether the readout is the module's or estimated again given the states.
        cov_type : {"robust_approx", "robust", "oim", "approx", "opg", "cluster", "hac", "none"}
            Covariance of what is not recurrent.

        Returns
        -------
        RecurrentResults or BidirectionalResults

        Raises
        ------
        SpecificationError
            A module of another kind or of other inputs or outputs.
        """
        taken = getattr(self.model, "_from_torch", None)
        if taken is None:
            raise SpecificationError(
                "from_torch: the model must be an ElmanRNN, a GRU, a LSTM or a BidirectionalRNN "
                f"with data of its own; got {type(self.model).__name__}. Use from_torch of one of "
                "these, with endog and exog."
            )
        return taken(module, readout, cov_type)


def recurrence_held(model: RecurrentModel) -> bool:
    """Whether all recurrent weights of a model are fixed numbers.

    Parameters
    ----------
    model : RecurrentModel

    Returns
    -------
    bool
    """
    recurrent = np.asarray(model.chart.place) < model.architecture.readout.start
    return not np.asarray(model.layout.expansion)[recurrent].any()
