"""Results of a network that was trained in PyTorch: its recurrence is held, the rest has inference.

The module's weights become parameters in the units of the data as they are given. Those of the
recurrence are fixed there, so the states are numbers, and the outputs given the states follow a
(generalised) linear model of the readout. Its sandwich covariance asks neither that the module was
trained to the end nor that the distribution of the outputs is right.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_int, check_literal, warn
from rnnstats.equivalence.torch_cells import (
    TorchCells,
    flat_weights,
    read,
    state_of,
)
from rnnstats.errors import ConversionWarning, SpecificationError

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovType
    from rnnstats.models.recurrent.heads.factory import HeadLike
    from rnnstats.models.recurrent.initial import InitialName
    from rnnstats.models.recurrent.methods import RecurrentMethods
    from rnnstats.models.recurrent.specification import Presample
    from rnnstats.results.nonlinear import RecurrentResults

__all__ = ["FromTorch", "ReadoutSource", "against_last", "taken_over", "tell_left_out"]

FloatArray = NDArray[np.float64]
ReadoutSource = Literal["given", "refit"]
_KINDS: Mapping[str, str] = {"ElmanRNN": "elman", "GRU": "gru", "LSTM": "lstm"}
_MODULES: Mapping[str, str] = {"elman": "nn.RNN", "gru": "nn.GRU", "lstm": "nn.LSTM"}
_CLASSES: Mapping[str, str] = {kind: name for name, kind in _KINDS.items()}
GIVEN = (
    "The readout is that of the PyTorch module, not refitted: its standard errors are those of an "
    "estimate at these values."
)


class FromTorch:
    """Class methods that make results of a trained PyTorch module."""

    @classmethod
    def from_torch(
        cls,
        module: Any,
        endog: object,
        exog: object = None,
        *,
        y_lags: int | None = None,
        readout: ReadoutSource = "given",
        head: HeadLike = "gaussian",
        activation: Literal["tanh", "relu"] | None = None,
        initial: InitialName = "zero",
        presample: Presample = "condition",
        groups: object = None,
        cov_type: CovType = "robust_approx",
    ) -> RecurrentResults:
        """Make results of a recurrent network that was trained in PyTorch.

        Parameters
        ----------
        module : torch.nn.Module, mapping of str to array, or tuple
            A module with one ``nn.RNN``, ``nn.GRU`` or ``nn.LSTM`` and one ``nn.Linear`` that
            computes ``linear(rnn(inputs)[0])``, its ``state_dict()`` (also as NumPy arrays, then
            without PyTorch), ``(recurrent, linear)``, or `rnnstats.equivalence.torch_cells`'s
            arrays. One or several layers; no projections, one direction.
        endog, exog
            As for the model, in the units in which the module was trained. Row t of the module's
            inputs must be ``[all outputs at lag 1, all at lag 2, ..., exog at t]``; for another
            order see `rnnstats.equivalence.torch_cells.reorder`.
        y_lags : int, optional
            Lags of the outputs among the inputs. By default as many as the module's inputs hold.
        readout : {"given", "refit"}
            Whether the readout is the module's or estimated again given the states. The further
            parameters of the outputs' distribution (the covariance of the errors) are always
            estimated.
        head : str or mapping
            As for the model. The module's outputs are the linear predictors of the `head`: logits,
            log means; of K categories K logits, or K - 1 against the last.
        activation : {"tanh", "relu"}, optional
            Of an ``nn.RNN`` given as arrays, which do not tell; tanh by default.
        initial, presample, groups
            As for the model. With ``initial="estimated"`` the start is ``h_0`` (and ``c_0``) of the
            state dict.
        cov_type : {"robust_approx", "robust", "oim", "approx", "opg", "cluster", "hac", "none"}
            Covariance of the readout and of the parameters of the outputs' distribution, given the
            states. The default is the sandwich with the expected information: White's (1980) for
            normal outputs.

        Returns
        -------
        RecurrentResults
            Of a model whose recurrent weights are fixed (``model.fixed``): fitted values,
            residuals, tests, forecasts and all else; standard errors of the readout. Criteria count
            the free parameters only.

        Raises
        ------
        SpecificationError
            A module of another kind, of other sizes, or not in the form above.
        DataError
            Data that cannot be used.

        Warns
        -----
        ConversionWarning
            Dropout, which acts in training only, was left out.

        References
        ----------
        White (1980), Econometrica 48, 817-838; White (1982), Econometrica 50, 1-25.
        """
        caller = f"{cls.__name__}.from_torch"
        check_literal(readout, get_args(ReadoutSource), name="readout", caller=caller)
        cells = _cells(cls, module, activation, caller)
        options: dict[str, Any] = {
            "head": head,
            "initial": initial,
            "presample": presample,
            "groups": groups,
        }
        model, cells = _model(cls, cells, endog, exog, y_lags, options, caller)
        return taken_over(model, cells, readout, cov_type)

    def _from_torch(
        self, module: Any, readout: ReadoutSource, cov_type: CovType
    ) -> RecurrentResults:
        """Take a module over for the model's own data and options."""
        own: Any = self
        caller = f"{own.name}.from_torch"
        check_literal(readout, get_args(ReadoutSource), name="readout", caller=caller)
        cells = _cells(type(self), module, None, caller)
        given = own._arguments()
        options = {name: given[name] for name in ("head", "initial", "presample")}
        model, cells = _model(
            type(self), cells, own.endog, own.exog, own.y_lags, options | {"groups": None}, caller
        )
        held = {n: value for n, value in own.layout.fixed.items() if n in model.head.names}
        return taken_over(model, cells, readout, cov_type, held)


def _cells(cls: Any, module: Any, activation: Any, caller: str) -> TorchCells:
    """Arrays of a module of the class's kind."""
    if activation is not None:
        check_literal(activation, ("tanh", "relu"), name="activation", caller=caller)
    cells = (
        module
        if isinstance(module, TorchCells)
        else read(module, activation=activation, caller=caller)
    )
    if cells.kind != _KINDS[cls.name]:
        raise SpecificationError(
            f"{caller}: the recurrent part must be an {_MODULES[_KINDS[cls.name]]}; got an "
            f"{_MODULES[cells.kind]}. Use {_CLASSES[cells.kind]}.from_torch."
        )
    if activation is not None and cells.kind != "elman":
        raise SpecificationError(
            f"{caller}: activation belongs to nn.RNN; got activation={activation!r} for an "
            f"{_MODULES[cells.kind]}. Leave it out."
        )
    if cells.directions > 1:
        raise SpecificationError(
            f"{caller}: the module must read forward only; got bidirectional=True, whose outputs "
            "use later rows. Use BidirectionalRNN."
        )
    tell_left_out(cells, caller)
    return cells


def tell_left_out(cells: TorchCells, caller: str) -> None:
    """Warn of what does nothing in a trained module.

    Parameters
    ----------
    cells : TorchCells
    caller : str

    Warns
    -----
    ConversionWarning
    """
    if cells.words:
        warn(
            f"{caller}: left out {', '.join(cells.words)}: the results are those of the module in "
            "eval mode.",
            ConversionWarning,
        )


def _model(
    cls: Any,
    cells: TorchCells,
    endog: object,
    exog: object,
    y_lags: int | None,
    options: Mapping[str, Any],
    caller: str,
) -> tuple[RecurrentMethods, TorchCells]:
    """The model of a module's sizes, nothing fixed, and the module against its last category."""
    lags = None if y_lags is None else check_int(y_lags, name="y_lags", caller=caller, minimum=0)
    size = cells.hidden_size
    own = {"activation": cells.activation} if cells.kind == "elman" else {}
    given = {**options, **own, "k_hidden": size, "n_layers": cells.n_layers}
    given["skip"] = cells.skip_weight is not None
    model = cls(endog, exog, y_lags=1 if lags is None else lags, **given)
    wide, further = len(model.head.lag_names), 0 if model.exog is None else model.exog.k_exog
    fitting, rest = divmod(cells.input_size - further, wide)
    if lags is None and not rest and fitting >= 0 and fitting != model.y_lags:
        model = cls(endog, exog, y_lags=fitting, **given)
    if cells.input_size != model.architecture.k_in:
        raise SpecificationError(
            f"{caller}: the module must read the lags of the outputs ({wide} numbers each) and the "
            f"inputs ({further}); got {cells.input_size} inputs"
            f"{'' if lags is None else f' for y_lags={lags}'}. Give y_lags and exog as in training."
        )
    cells = against_last(cells, model.head)
    if len(cells.readout_bias) != model.head.k_eta:
        raise SpecificationError(
            f"{caller}: the module must have the {model.head.k_eta} outputs of head="
            f"{model.head.name!r} for {', '.join(model.endog.names)}; got "
            f"{len(cells.readout_bias)}. Give the outputs that it was trained for."
        )
    return model, cells


def against_last(cells: TorchCells, head: Any) -> TorchCells:
    """Logits of all categories as logits against the last one.

    Parameters
    ----------
    cells : TorchCells
    head : Head
        Of the model.

    Returns
    -------
    TorchCells
        As they are where the head is another one, or there is one logit less.
    """
    if head.name != "categorical" or len(cells.readout_bias) != head.k_eta + 1:
        return cells
    skip = cells.skip_weight
    return replace(
        cells,
        readout_weight=cells.readout_weight[:-1] - cells.readout_weight[-1],
        readout_bias=cells.readout_bias[:-1] - cells.readout_bias[-1],
        skip_weight=None if skip is None else skip[:-1] - skip[-1],
    )


def taken_over(
    model: RecurrentMethods,
    cells: TorchCells,
    readout: ReadoutSource,
    cov_type: CovType,
    held: Mapping[str, float | str] | None = None,
) -> RecurrentResults:
    """Results of a model at a module's weights, those of the recurrence fixed.

    Parameters
    ----------
    model : ElmanRNN, GRU or LSTM
        Of the module's sizes.
    cells : TorchCells
    readout : {"given", "refit"}
    cov_type : str
    held : mapping, optional
        Restrictions on the parameters of the outputs' distribution.

    Returns
    -------
    RecurrentResults
    """
    chart = model.chart
    theta = _natural(model, cells)
    recurrent = chart.place < model.architecture.readout.start
    recurrent |= chart.place >= chart.initial.start
    fixed: dict[str, float | str] = {
        name: float(value)
        for name, value, fast in zip(model.layout.names, theta, recurrent, strict=True)
        if fast
    }
    fixed.update(held or {})
    arguments = model._arguments()
    restricted = model._again(model.endog, model.exog, fixed=fixed, **arguments)
    theta = restricted.layout.expand(restricted.layout.reduce(_with_extra(restricted, theta)))
    if readout == "given":
        kind = type(restricted._make_results(theta, "none", None, None))
        made: Any = restricted
        return kind.from_fit(made, theta, cov_type=cov_type, cov_note=GIVEN)
    owner: Any = restricted
    found: RecurrentResults = owner.fit(start_params=theta, cov_type=cov_type)
    return found


def _natural(model: RecurrentMethods, cells: TorchCells) -> FloatArray:
    """Parameters in the user's units, the head's own at one (of covariances: identity)."""
    chart = model.chart
    kernel = np.zeros(len(chart.place))
    kernel[chart.weights] = flat_weights(cells, model.architecture)
    if model.initial == "estimated":
        kernel[chart.initial] = state_of(cells)
    elif cells.start and model.initial == "zero":
        raise SpecificationError(
            f"{model.name}.from_torch: the module starts at its h_0; got initial='zero'. Use "
            "initial='estimated', or leave h_0 out of the state dict."
        )
    return kernel[chart.place]


def _with_extra(model: RecurrentMethods, theta: FloatArray) -> FloatArray:
    """Estimate the head's own parameters given the linear predictors, by maximum likelihood."""
    from rnnstats.kernels import networks

    likelihood, chart = model.likelihood, model.chart
    data, phi = likelihood.data, chart.to_standard(theta)
    weights = phi[chart.weights]
    initial = likelihood.start.state(weights, phi[chart.initial])
    if initial is not None:
        run = networks.forward(
            likelihood.arch,
            weights,
            data.inputs,
            initial=initial,
            offsets=data.offsets,
            feedback=data.feedback,
        )
        phi[chart.extra] = likelihood.bound.start_extra(run.eta)
    moved = chart.to_natural(phi)
    extras = (chart.place >= chart.extra.start) & (chart.place < chart.extra.stop)
    return np.where(extras, moved, theta)
