"""Nonlinear recurrent networks with an exact likelihood: Elman networks, GRUs, LSTMs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from rnnstats.kernels.architecture import Cell, PythonCell, Reset
from rnnstats.models.base import LikelihoodModel
from rnnstats.models.conversion.torch import FromTorch
from rnnstats.models.recurrent import specification
from rnnstats.models.recurrent.estimation import RecurrentEstimation
from rnnstats.models.recurrent.heads.factory import HeadLike
from rnnstats.models.recurrent.initial import InitialName
from rnnstats.models.recurrent.methods import RecurrentMethods
from rnnstats.models.recurrent.specification import ActivationLike, FilterName, Presample

__all__ = ["GRU", "LSTM", "CellRNN", "ElmanRNN"]


class ElmanRNN(FromTorch, RecurrentMethods, RecurrentEstimation, LikelihoodModel):
    """Elman network: ``h_t = f(W_h h_{t-1} + W_y y_{t-1} + W_x x_t + b_h)``.

    The outputs given the past have a distribution (`head`) whose linear predictor is
    ``eta_t = V h_t + b_y``. The state is a function of the past, so the likelihood is exact. The
    row t of everything that varies in time governs the step *into* t.

    Parameters
    ----------
    endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        Outputs; NaN is missing and skipped exactly. An index of two levels holds sequence and time.
    exog : Series, DataFrame or array_like, shape (nobs, k), optional
        Inputs of the network, without missing values.
    k_hidden : int or iterable of int
        Number of hidden units, of every layer or one number a layer.
    y_lags : int
        L, how many earlier rows of the outputs the network reads; 0 for none (then `exog` is
        needed).
    head : str or mapping
        Distribution of the outputs given ``eta``: "gaussian" (several columns: jointly normal),
        "student-t", "poisson", "negative-binomial", "gamma" (log link), "bernoulli", "binomial"
        (``{"family": "binomial", "trials": 10}``; logit link), "categorical" (one column; logits
        against the last category). Several columns of another kind than "gaussian" are independent
        given the past.
    state_noise : bool
        Must be False: the state has no noise of its own.
    filter : {"ekf", "iekf", "ukf", "ckf", "particle"}
        For states with noise; without one it changes nothing.
    activation : {"tanh", "relu", "softplus", "sigmoid", "identity"} or callable
        The function f. A callable is elementwise, accepts complex arrays and is analytic: its
        derivative is taken by a complex step (slower).
    n_layers : int
        Layers stacked upon each other: the layer above reads the state of the layer below at the
        same row.
    skip : bool
        Whether lagged outputs and inputs also enter ``eta`` directly, so that the linear model is
        nested.
    initial : {"zero", "estimated", "stationary"}
        State before the first row of the recursion: zero, parameters (one vector for all
        sequences), or the fixed point of the network with inputs at their sample means and lagged
        outputs at the mean of the outputs.
    presample : {"condition", "predict"}
        "condition": the first L rows of each sequence are conditioned on, and the recursion starts
        after them. "predict": all rows count; lags before the sample count as missing.
    groups : str, Series or array_like, optional
        Sequence of each row: a column of `endog`, a level of its index, or labels. Rows of a
        sequence lie together.
    penalty : float
        Weight of a ridge penalty on the standardised weights in a fit; 0 is none. The likelihood
        itself is never penalised.
    fixed : mapping of str to float or str, optional
        Restrictions by parameter name: a number, or the name of an equal parameter.

    Attributes
    ----------
    units : tuple of int
        Hidden units of each layer.
    state_names : tuple of str
        ``h1``, ``h2``, ...; further layers continue the numbers.
    rows : ndarray of int
        Rows of the data that enter the likelihood.
    levels : dict of str to tuple, or None
        Categories of a categorical output, in order; `endog` holds their codes.
    architecture : Architecture
        Of the kernels.
    head : Head
    chart : Chart
        Between natural and standardised parameters.
    likelihood : RecurrentLikelihood

    Raises
    ------
    DataError
        For data that cannot be used; values outside the support of a distribution.
    SpecificationError
        For arguments that are not allowed, alone or together.

    Notes
    -----
    Parameters, all in the units of the data: layer by layer ``W_h[h1,h2]``, ``W_y[h1,y]`` (lag 1),
    ``W_y2[h1,y]`` (lag 2), ``W_x[h1,x]``, ``b_h[h1]``, and ``W_below[h3,h1]`` in the layers above
    the first; the readout ``V[y,h1]``, with `skip` ``ar1[y,y]`` and ``D[y,x]``, the constant
    ``b_y[y]``; those of the head, ``obs_cov[y,y]``, ``scale2[y]``, ``df[y]``, ``dispersion[y]``,
    ``shape[y]``; ``h_0[h1]`` where it is estimated. A categorical output is read, and predicted, as
    indicators ``y=a`` of all categories but the last.

    A lagged output that is missing is replaced by its one-step prediction, the mean of its
    distribution given the past (of Student's t, the location); before a sequence by the mean at
    ``eta_0 = V h_0 + b_y``, with inputs of a skip connection at their sample means.

    Inside, inputs and outputs are standardised by their sample means and standard deviations, an
    exact change of variables. Hidden units can be renumbered, and units with an odd activation
    change sign, without changing the likelihood; fits report one choice of these.

    References
    ----------
    Elman (1990), Cognitive Science 14, 179-211. Goodfellow, Bengio and Courville (2016), Deep
    Learning, chapter 10.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.models.nonlinear import ElmanRNN
    >>> ElmanRNN(np.sin(np.arange(40.0)) ** 3, k_hidden=1).param_names
    ('W_h[h1,h1]', 'W_y[h1,y]', 'b_h[h1]', 'V[y,h1]', 'b_y[y]', 'obs_cov[y,y]')
    """

    name: ClassVar[str] = "ElmanRNN"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        k_hidden: int | Iterable[int] = 2,
        y_lags: int = 1,
        head: HeadLike = "gaussian",
        state_noise: bool = False,
        filter: FilterName = "ekf",
        activation: ActivationLike = "tanh",
        n_layers: int = 1,
        skip: bool = False,
        initial: InitialName = "zero",
        presample: Presample = "condition",
        groups: object = None,
        penalty: float = 0.0,
        fixed: Mapping[str, float | str] | None = None,
    ) -> None:
        cell = specification.elman_cell(activation, self.name)
        self.activation = activation
        self._construct(
            endog,
            exog,
            cell,
            k_hidden=k_hidden,
            y_lags=y_lags,
            head=head,
            state_noise=state_noise,
            filter=filter,
            n_layers=n_layers,
            skip=skip,
            initial=initial,
            presample=presample,
            groups=groups,
            penalty=penalty,
            fixed=fixed,
        )

    def _own_arguments(self) -> dict[str, Any]:
        return {"activation": self.activation}

    def _features(self) -> tuple[str, ...]:
        cell = self.architecture.cells[0]
        return (cell.name if isinstance(cell, PythonCell) else cell.activation,)

    def _title(self) -> str:
        return "Elman Network"


class GRU(FromTorch, RecurrentMethods, RecurrentEstimation, LikelihoodModel):
    """Gated recurrent unit: a state that is kept or replaced, unit by unit.

    ``h_t = (1 - z_t) n_t + z_t h_{t-1}`` with gates ``r_t, z_t = sigmoid(W h_{t-1} + U u_t + b)``
    of the row's inputs ``u_t`` (lagged outputs and `exog`) and the candidate
    ``n_t = tanh(U_n u_t + b_n + r_t (W_n h_{t-1} + b_hn))``. Outputs, likelihood and everything
    else are as in `ElmanRNN`.

    Parameters
    ----------
    endog, exog, k_hidden, y_lags, head, state_noise, filter
        As in `ElmanRNN`.
    reset : {"after", "before"}
        Whether the reset gate acts after the product of weights and state (PyTorch), with a
        constant ``b_h_candidate`` inside it, or on the state, ``W_n (r_t h_{t-1})`` (Cho et al.
        2014).
    n_layers, skip, initial, presample, groups, penalty, fixed
        As in `ElmanRNN`.

    Raises
    ------
    DataError, SpecificationError
        As in `ElmanRNN`.

    Notes
    -----
    Parameters are those of `ElmanRNN` with a word for the gate: ``W_h_reset[h1,h2]``,
    ``W_y_reset[h1,y]``, ``b_reset[h1]``, ... "update", ... "candidate". The update gate is the
    share of the state that is kept: ``W_h_update = W_y_update = 0`` is a leaky integrator with the
    same time constant in all rows.

    References
    ----------
    Cho, van Merrienboer, Gulcehre, Bahdanau, Bougares, Schwenk and Bengio (2014), EMNLP, 1724-1734.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.models.nonlinear import GRU
    >>> GRU(np.sin(np.arange(40.0)) ** 3, k_hidden=1).param_names[:3]
    ('W_h_reset[h1,h1]', 'W_y_reset[h1,y]', 'b_reset[h1]')
    """

    name: ClassVar[str] = "GRU"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        k_hidden: int | Iterable[int] = 2,
        y_lags: int = 1,
        head: HeadLike = "gaussian",
        state_noise: bool = False,
        filter: FilterName = "ekf",
        reset: Reset = "after",
        n_layers: int = 1,
        skip: bool = False,
        initial: InitialName = "zero",
        presample: Presample = "condition",
        groups: object = None,
        penalty: float = 0.0,
        fixed: Mapping[str, float | str] | None = None,
    ) -> None:
        cell = specification.gru_cell(reset, self.name)
        self.reset = cell.reset
        self._construct(
            endog,
            exog,
            cell,
            k_hidden=k_hidden,
            y_lags=y_lags,
            head=head,
            state_noise=state_noise,
            filter=filter,
            n_layers=n_layers,
            skip=skip,
            initial=initial,
            presample=presample,
            groups=groups,
            penalty=penalty,
            fixed=fixed,
        )

    def _own_arguments(self) -> dict[str, Any]:
        return {"reset": self.reset}

    def _features(self) -> tuple[str, ...]:
        return ("reset before",) if self.reset == "before" else ()

    def _title(self) -> str:
        return "Gated Recurrent Unit"


class LSTM(FromTorch, RecurrentMethods, RecurrentEstimation, LikelihoodModel):
    """Long short-term memory: a memory ``c`` that gates write, keep and read.

    ``c_t = f_t c_{t-1} + i_t g_t``, ``h_t = o_t tanh(c_t)`` with gates
    ``i_t, f_t, o_t = sigmoid(W h_{t-1} + U u_t + b)`` and ``g_t = tanh(W h_{t-1} + U u_t + b)`` of
    the row's inputs ``u_t`` (lagged outputs and `exog`). Outputs, likelihood and everything else
    are as in `ElmanRNN`.

    Parameters
    ----------
    endog, exog, k_hidden, y_lags, head, state_noise, filter
        As in `ElmanRNN`.
    peephole : bool
        Whether the gates see the memory of their own unit: ``p_input c_{t-1}``,
        ``p_forget c_{t-1}`` and ``p_output c_t``.
    n_layers, skip, initial, presample, groups, penalty, fixed
        As in `ElmanRNN`.

    Raises
    ------
    DataError, SpecificationError
        As in `ElmanRNN`.

    Notes
    -----
    Parameters are those of `ElmanRNN` with a word for the gate: ``W_h_input[h1,h2]``,
    ``W_y_input[h1,y]``, ``b_input[h1]``, ... "forget", ... "cell", ... "output"; then
    ``p_input[h1]``, ``p_forget[h1]``, ``p_output[h1]``; an estimated start is ``h_0[h1]`` and
    ``c_0[c1]``.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Neural Computation 9, 1735-1780. Gers, Schmidhuber and
    Cummins (2000), Neural Computation 12, 2451-2471 (forget gate). Gers, Schraudolph and
    Schmidhuber (2002), Journal of Machine Learning Research 3, 115-143 (peepholes).

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.models.nonlinear import LSTM
    >>> LSTM(np.sin(np.arange(40.0)) ** 3, k_hidden=1).state_names
    ('h1', 'c1')
    """

    name: ClassVar[str] = "LSTM"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        k_hidden: int | Iterable[int] = 2,
        y_lags: int = 1,
        head: HeadLike = "gaussian",
        state_noise: bool = False,
        filter: FilterName = "ekf",
        peephole: bool = False,
        n_layers: int = 1,
        skip: bool = False,
        initial: InitialName = "zero",
        presample: Presample = "condition",
        groups: object = None,
        penalty: float = 0.0,
        fixed: Mapping[str, float | str] | None = None,
    ) -> None:
        cell = specification.lstm_cell(peephole, self.name)
        self.peephole = cell.peephole
        self._construct(
            endog,
            exog,
            cell,
            k_hidden=k_hidden,
            y_lags=y_lags,
            head=head,
            state_noise=state_noise,
            filter=filter,
            n_layers=n_layers,
            skip=skip,
            initial=initial,
            presample=presample,
            groups=groups,
            penalty=penalty,
            fixed=fixed,
        )

    def _own_arguments(self) -> dict[str, Any]:
        return {"peephole": self.peephole}

    def _features(self) -> tuple[str, ...]:
        return ("peepholes",) if self.peephole else ()

    def _title(self) -> str:
        return "Long Short-Term Memory"


class CellRNN(RecurrentMethods, RecurrentEstimation, LikelihoodModel):
    """Recurrent network with a cell of one's own, given as a function of NumPy arrays.

    Outputs, likelihood and everything else are as in `ElmanRNN`; derivatives of the cell are taken
    by complex steps, which is slower than the built-in cells.

    Parameters
    ----------
    endog, exog, k_hidden, y_lags, head, state_noise, filter
        As in `ElmanRNN`.
    cell : PythonCell or Cell
        Of every layer; see `rnnstats.kernels.cells.PythonCell`.
    n_layers, skip, initial, presample, groups, penalty, fixed
        As in `ElmanRNN`.

    Raises
    ------
    DataError, SpecificationError
        As in `ElmanRNN`.

    Notes
    -----
    Parameters are named by the cell's gates as in `GRU` and `LSTM` (by none for the gate "h"), and
    ``p_1[h1]``, ``p_2[h1]``, ... for its numbers outside the matrix.

    Examples
    --------
    A unit that forgets by a constant share:

    >>> import numpy as np
    >>> from rnnstats.kernels.cells import PythonCell
    >>> from rnnstats.models.nonlinear import CellRNN
    >>> def leaky(state, inputs, weights, extra):
    ...     seen = np.concatenate([state, inputs, np.ones(1)])
    ...     keep = 1.0 / (1.0 + np.exp(-extra))
    ...     return keep * state + (1.0 - keep) * np.tanh(weights @ seen)
    >>> cell = PythonCell("leaky", ("h",), leaky, n_extra_per_unit=1)
    >>> CellRNN(np.sin(np.arange(40.0)), k_hidden=1, cell=cell).param_names[:4]
    ('W_h[h1,h1]', 'W_y[h1,y]', 'b_h[h1]', 'p_1[h1]')
    """

    name: ClassVar[str] = "CellRNN"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        k_hidden: int | Iterable[int] = 2,
        y_lags: int = 1,
        head: HeadLike = "gaussian",
        state_noise: bool = False,
        filter: FilterName = "ekf",
        cell: Cell | PythonCell,
        n_layers: int = 1,
        skip: bool = False,
        initial: InitialName = "zero",
        presample: Presample = "condition",
        groups: object = None,
        penalty: float = 0.0,
        fixed: Mapping[str, float | str] | None = None,
    ) -> None:
        self.cell = specification.python_cell(cell, self.name)
        self._construct(
            endog,
            exog,
            self.cell,
            k_hidden=k_hidden,
            y_lags=y_lags,
            head=head,
            state_noise=state_noise,
            filter=filter,
            n_layers=n_layers,
            skip=skip,
            initial=initial,
            presample=presample,
            groups=groups,
            penalty=penalty,
            fixed=fixed,
        )

    def _own_arguments(self) -> dict[str, Any]:
        return {"cell": self.cell}

    def _features(self) -> tuple[str, ...]:
        return (self.cell.name if isinstance(self.cell, PythonCell) else self.cell.kind,)

    def _title(self) -> str:
        return "Recurrent Network"
