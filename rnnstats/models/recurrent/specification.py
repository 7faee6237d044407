"""What the arguments of the recurrent models ask for, checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_bool, check_float, check_int, check_literal, shown, suggest
from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.architecture import Activation, Cell, PythonCell, Reset, python_elman
from rnnstats.models.recurrent.initial import InitialName
from rnnstats.models.refusals import combined, refuse_combined, refuse_sizes

if TYPE_CHECKING:
    from rnnstats.models.recurrent.methods import RecurrentMethods

__all__ = [
    "ActivationLike",
    "FilterName",
    "Presample",
    "check_lags",
    "check_options",
    "check_units",
    "elman_cell",
    "gru_cell",
    "lstm_cell",
    "one_line",
    "python_cell",
    "refuse_too_little",
    "refuse_unfit",
]

FloatArray = NDArray[np.float64]
Presample = Literal["condition", "predict"]
FilterName = Literal["ekf", "iekf", "ukf", "ckf", "particle"]
ActivationLike = Activation | Callable[[Any], Any]


def check_units(k_hidden: object, n_layers: object, caller: str) -> tuple[int, ...]:
    """Read the numbers of units by layer.

    Parameters
    ----------
    k_hidden : int or iterable of int
        Of every layer, or one a layer.
    n_layers : int
    caller : str

    Returns
    -------
    tuple of int

    Raises
    ------
    SpecificationError
        For numbers below 1, or two numbers of layers.
    """
    hint = "A model without hidden units is a regression: LinearRNN(form='observed')."
    layers = check_int(
        n_layers, name="n_layers", caller=caller, minimum=1, hint="1 is a single layer."
    )
    if isinstance(k_hidden, Iterable) and not isinstance(k_hidden, (str, bytes)):
        units = tuple(
            check_int(value, name=f"k_hidden[{i}]", caller=caller, minimum=1, hint=hint)
            for i, value in enumerate(k_hidden)
        )
        if not units or layers not in (1, len(units)):
            raise SpecificationError(
                f"{caller}: k_hidden must give one number a layer; got {shown(k_hidden)} with "
                f"n_layers={layers}. Leave n_layers out."
            )
        return units
    number = check_int(k_hidden, name="k_hidden", caller=caller, minimum=1, hint=hint)
    return (number,) * layers


def check_lags(y_lags: object, caller: str) -> int:
    """Check ``y_lags``.

    Parameters
    ----------
    y_lags : int
    caller : str

    Returns
    -------
    int
    """
    return check_int(
        y_lags, name="y_lags", caller=caller, minimum=0, hint="0 is for a network of inputs alone."
    )


def check_options(
    caller: str,
    *,
    state_noise: object,
    filter: object,
    skip: object,
    initial: object,
    presample: object,
    penalty: object,
) -> tuple[bool, InitialName, Presample, float]:
    """Check the options that need no data.

    Parameters
    ----------
    caller : str
    state_noise, filter, skip, initial, presample, penalty : object
        As the user gave them.

    Returns
    -------
    skip : bool
    initial : {"zero", "estimated", "stationary"}
    presample : {"condition", "predict"}
    penalty : float

    Raises
    ------
    SpecificationError
        For values that are not allowed.
    """
    if check_bool(state_noise, name="state_noise", caller=caller):
        raise SpecificationError(
            f"{caller}: the state must be a function of the past (state_noise=False); got "
            "state_noise=True. A linear state with noise of its own is LinearRNN."
        )
    check_literal(filter, get_args(FilterName), name="filter", caller=caller)
    direct = check_bool(skip, name="skip", caller=caller)
    start: InitialName = check_literal(
        initial, get_args(InitialName), name="initial", caller=caller
    )
    before: Presample = check_literal(
        presample, get_args(Presample), name="presample", caller=caller
    )
    weight = check_float(penalty, name="penalty", caller=caller, hint="0 is none.")
    if weight < 0.0:
        raise SpecificationError(
            f"{caller}: penalty must be at least 0; got {weight:g}. 0 is none."
        )
    return direct, start, before, weight


def elman_cell(activation: object, caller: str) -> Cell | PythonCell:
    """Make the cell of an Elman network.

    Parameters
    ----------
    activation : str or callable
    caller : str

    Returns
    -------
    Cell or PythonCell

    Raises
    ------
    SpecificationError
        For an unknown word, or a function that does not keep shapes or take complex numbers.
    """
    if isinstance(activation, str) or not callable(activation):
        words: tuple[Activation, ...] = get_args(Activation)
        if activation not in words:
            known = ", ".join(map(repr, words))
            raise SpecificationError(
                f"{caller}: activation must be one of {known}, or a function of NumPy arrays; got "
                f"{shown(activation)}.{suggest(activation, words)}"
            )
        return Cell("elman", activation=check_literal(
            activation, words, name="activation", caller=caller))  # fmt: skip
    _probe(activation, caller)
    return python_elman(activation)


def _probe(activation: Callable[[Any], Any], caller: str) -> None:
    """A function must be elementwise, take complex numbers, and be analytic where it is tried."""
    points = np.array([-0.7, -0.1, 0.3, 1.1])
    step = 1e-30
    try:
        with np.errstate(all="ignore"):
            real = np.asarray(activation(points))
            lifted = np.asarray(activation(points + 1j * step))
    except (TypeError, ValueError, ArithmeticError) as error:
        raise SpecificationError(
            f"{caller}: activation must accept real and complex arrays; got {error!r} from "
            f"{shown(activation)}. Write it with NumPy functions."
        ) from error
    width = 1e-6
    fits = real.shape == points.shape == lifted.shape and not np.iscomplexobj(real)
    fits = fits and bool(np.isfinite(real).all())
    if fits:
        slope = (activation(points + width) - activation(points - width)) / (2.0 * width)
        gap = np.abs(np.imag(lifted) / step - slope)
        fits = bool(np.isfinite(gap).all() and (gap <= 1e-4 * np.maximum(1.0, np.abs(slope))).all())
    if not fits:
        raise SpecificationError(
            f"{caller}: activation must be elementwise and analytic, so that a complex step gives "
            f"its derivative; got another value or slope from {shown(activation)}. Avoid abs and "
            "comparisons of complex numbers (np.where(x.real > 0, ...) is fine)."
        )


def gru_cell(reset: object, caller: str) -> Cell:
    """Make the cell of a GRU.

    Parameters
    ----------
    reset : {"after", "before"}
    caller : str

    Returns
    -------
    Cell
    """
    return Cell("gru", reset=check_literal(reset, get_args(Reset), name="reset", caller=caller))


def lstm_cell(peephole: object, caller: str) -> Cell:
    """Make the cell of an LSTM.

    Parameters
    ----------
    peephole : bool
    caller : str

    Returns
    -------
    Cell
    """
    return Cell("lstm", peephole=check_bool(peephole, name="peephole", caller=caller))


def python_cell(cell: object, caller: str) -> Cell | PythonCell:
    """Check ``cell``.

    Parameters
    ----------
    cell : PythonCell or Cell
    caller : str

    Returns
    -------
    Cell or PythonCell

    Raises
    ------
    SpecificationError
        For anything else.
    """
    if isinstance(cell, (Cell, PythonCell)):
        return cell
    raise SpecificationError(
        f"{caller}: cell must be a rnnstats.kernels.cells.PythonCell; got {shown(cell)}. "
        "PythonCell(name, gates, step) makes one from a function."
    )


def refuse_too_little(
    values: FloatArray, names: tuple[str, ...], counted: int, caller: str
) -> None:
    """Refuse outputs with too few values for the free parameters, or that do not vary.

    Parameters
    ----------
    values : ndarray, shape (m, d)
        Of the rows that enter the likelihood.
    names : tuple of str
    counted : int
        Free parameters.
    caller : str

    Raises
    ------
    DataError
    """
    seen = np.count_nonzero(~np.isnan(values))
    if seen <= counted:
        raise DataError(
            f"{caller}: a fit needs more observed values than free parameters; got {seen} values "
            f"and {counted} parameters. Use fewer hidden units or lags, restrictions, or a penalty."
        )
    for name, column in zip(names, values.T, strict=True):
        known = column[~np.isnan(column)]
        if not known.size or float(np.ptp(known)) <= 1e-12 * float(np.abs(known).max()):
            got = f"only the value {known[0]:g}" if known.size else "nothing"
            raise DataError(
                f"{caller}: every output must vary in the rows that are fitted; got {got} in "
                f"column {name!r}. Leave that column out."
            )


def refuse_unfit(model: RecurrentMethods, counted: int) -> None:
    """Refuse data on which a fit has no end, or no numbers.

    Parameters
    ----------
    model : RecurrentMethods
    counted : int
        Free parameters.

    Raises
    ------
    DataError
        Too few values, a series that does not vary, sizes near the end of double precision's range,
        or outputs that add up where their joint law is estimated.
    """
    endog, head = model.endog, model.head
    values = endog.values[model.rows]
    refuse_too_little(values, endog.names, counted, model.name)
    refuse_sizes(endog, model.name)
    if head.name == "gaussian" and set(head.names) & set(model.layout.free_names):
        complete = values[~np.isnan(values).any(axis=1)]
        refuse_combined(combined(complete, endog.names), model.name)


def one_line(model: RecurrentMethods) -> str:
    """Describe a model for its repr.

    Parameters
    ----------
    model : RecurrentMethods

    Returns
    -------
    str
    """
    units = " + ".join(map(str, model.units))
    several = len(model.units) > 1 or model.units[0] > 1
    words = [f"{model.name}({units} unit{'s' * several}, {model.head.name}"]
    words += [f", {what}" for what in model._features()]
    words.append(f", outputs: {', '.join(model.endog.names)}")
    if model.y_lags:
        words.append(f", {model.y_lags} lag{'s' * (model.y_lags > 1)}")
    if model.exog is not None:
        words.append(f"; inputs: {', '.join(model.exog.names)}")
    sequences = len(model.endog.first_rows)
    words.append(f"; {model.endog.nobs} rows")
    words.append(f" in {sequences} sequences)" if sequences > 1 else ")")
    return "".join(words)
