"""Results of a bidirectional network that was trained in PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

from rnnstats._checks import check_literal
from rnnstats.equivalence.torch_cells import TorchCells, read
from rnnstats.errors import SpecificationError
from rnnstats.models.conversion.torch import (
    ReadoutSource,
    against_last,
    taken_over,
    tell_left_out,
)

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovType
    from rnnstats.models.recurrent.heads.factory import HeadLike
    from rnnstats.results.bidirectional import BidirectionalResults

__all__ = ["FromTorchBothWays"]


class FromTorchBothWays:
    """Class method that makes results of a bidirectional PyTorch module."""

    @classmethod
    def from_torch(
        cls,
        module: Any,
        endog: object,
        exog: object,
        *,
        readout: ReadoutSource = "given",
        head: HeadLike = "gaussian",
        activation: Literal["tanh", "relu"] | None = None,
        groups: object = None,
        cov_type: CovType = "robust_approx",
    ) -> BidirectionalResults:
        """Make results of a bidirectional network that was trained in PyTorch.

        Parameters
        ----------
        module : torch.nn.Module, mapping of str to array, or tuple
            As for `ElmanRNN.from_torch`: an ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` with
            ``bidirectional=True`` and one layer, and an ``nn.Linear``.
        endog, exog
            Target and inputs; row t of the module's inputs is row t of `exog`.
        readout : {"given", "refit"}
            Whether the readout is the module's or estimated again given the states.
        head : str or mapping
            As for the model. The module's outputs are the linear predictors of the `head`: logits,
            log means; of K categories K logits, or K - 1 against the last.
        activation : {"tanh", "relu"}, optional
            Of an ``nn.RNN`` given as arrays, which do not tell; tanh by default.
        groups : str, Series or array_like, optional
            As for the model.
        cov_type : {"robust_approx", "robust", "oim", "approx", "opg", "cluster", "hac", "none"}
            Covariance of the readout given the states.

        Returns
        -------
        BidirectionalResults
            Of a model whose recurrent weights are fixed.

        Raises
        ------
        SpecificationError
            A module of another kind, of other sizes, or of several layers.
        DataError
            Data that cannot be used.

        Warns
        -----
        ConversionWarning
            Dropout, which acts in training only, was left out.
        """
        return _taken(
            cls, module, endog, exog, readout, cov_type,
            head=head, activation=activation, groups=groups,
        )  # fmt: skip

    def _from_torch(
        self, module: Any, readout: ReadoutSource, cov_type: CovType
    ) -> BidirectionalResults:
        """Take a module over for the model's own data and head."""
        own: Any = self
        held = {n: value for n, value in own.layout.fixed.items() if n in own.head.names}
        head = own._arguments()["head"]
        return _taken(
            type(own), module, own.endog, own.exog, readout, cov_type, head=head, held=held
        )


def _taken(
    cls: Any,
    module: Any,
    endog: object,
    exog: object,
    readout: ReadoutSource,
    cov_type: CovType,
    *,
    head: HeadLike,
    activation: Literal["tanh", "relu"] | None = None,
    groups: object = None,
    held: Mapping[str, float | str] | None = None,
) -> BidirectionalResults:
    """Read a module, make the model of its sizes, and its results at the module's weights."""
    caller = f"{cls.__name__}.from_torch"
    check_literal(readout, get_args(ReadoutSource), name="readout", caller=caller)
    cells = (
        module
        if isinstance(module, TorchCells)
        else read(module, activation=activation, caller=caller)
    )
    if cells.directions != 2 or cells.n_layers != 1 or cells.skip_weight is not None:
        raise SpecificationError(
            f"{caller}: the recurrent part must have bidirectional=True and one layer; got "
            f"{cells!r} with {cells.directions} direction(s). Use ElmanRNN, GRU or LSTM for one"
            " direction; train with num_layers=1."
        )
    model = cls(
        endog,
        exog,
        cell=cells.kind,
        activation=cells.activation,
        k_hidden=cells.hidden_size,
        y_lags=0,
        head=head,
        initial="estimated" if cells.start else "zero",
        groups=groups,
    )
    tell_left_out(cells, caller)
    cells = against_last(cells, model.head)
    got = cells.input_size, len(cells.readout_bias)
    if got != (model.exog.k_exog, model.head.k_eta):
        raise SpecificationError(
            f"{caller}: the module must read the {model.exog.k_exog} inputs and have the "
            f"{model.head.k_eta} outputs of head={model.head.name!r}; got {got[0]} and "
            f"{got[1]}. Give the data that it was trained on."
        )
    return cast("BidirectionalResults", taken_over(model, cells, readout, cov_type, held))
