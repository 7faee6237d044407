"""Bidirectional recurrent networks: the nonlinear smoother."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_generator, check_int, check_literal, shown, suggest
from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import Convergence
from rnnstats.estimation.covariance import COV_TYPES
from rnnstats.kernels.architecture import Cell, PythonCell
from rnnstats.kernels.two_sided import TwoSided
from rnnstats.models._arguments import input_rows, own_rows
from rnnstats.models.base import LikelihoodModel
from rnnstats.models.conversion.torch_two_sided import FromTorchBothWays
from rnnstats.models.recurrent import specification, two_sided
from rnnstats.models.recurrent.estimation import RecurrentEstimation
from rnnstats.models.recurrent.heads.factory import HeadLike
from rnnstats.models.recurrent.initial import InitialName
from rnnstats.models.recurrent.methods import RecurrentMethods
from rnnstats.models.recurrent.paths import FilteredStates, SmoothedStates
from rnnstats.models.recurrent.specification import ActivationLike
from rnnstats.models.recurrent.two_sided import TwoSidedSystem

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovType
    from rnnstats.results.bidirectional import BidirectionalResults

__all__ = ["BidirectionalRNN", "CellName"]

FloatArray = NDArray[np.float64]
CellName = Literal["elman", "gru", "lstm"]
_TITLES = {"elman": "Elman Network", "gru": "Gated Recurrent Unit", "lstm": "LSTM Network"}


class BidirectionalRNN(FromTorchBothWays, RecurrentMethods, RecurrentEstimation, LikelihoodModel):
    """Network that reads its inputs forward and backward: ``eta_t = V_f h_t + V_b g_t + b_y``.

    One cell runs through the rows as they come, ``h_t = cell(h_{t-1}, u_t)``, another of the same
    kind, with weights of its own, from the last row to the first, ``g_t = cell(g_{t+1}, v_t)``.
    The target of the row has a distribution (`head`) with linear predictor ``eta_t``.

    There are two settings, told apart by `y_lags`:

    - **Target given inputs** (``y_lags=0``, the default with `exog`): both cells read the inputs,
      h_t is a function of x_1, ..., x_t and g_t of x_t, ..., x_n. The objective is the
      log-likelihood of a regression: of each target given all inputs, past, present and future,
      the targets independent given these. No target is used to predict a target.
    - **The series itself** (``y_lags >= 1``, the default without `exog`): h_t reads
      y_{t-1}, y_{t-2}, ..., g_t reads y_{t+1}, y_{t+2}, ... (and both the inputs, if there are
      any). Each row is predicted from all others, itself left out, and the objective, the sum of
      log p(y_t | all other rows), is a pseudo-likelihood (Besag 1975), not the log-likelihood of
      the series. Everything in the results says so.

    Parameters
    ----------
    endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        Target; NaN is missing and skipped exactly. An index of two levels holds sequence and time.
    exog : Series, DataFrame or array_like, shape (nobs, k), optional
        Inputs, without missing values.
    cell : {"elman", "gru", "lstm"}, Cell or PythonCell
        Of both directions. ``Cell("gru", reset="before")`` and ``Cell("lstm", peephole=True)``
        give the variants of `GRU` and `LSTM`.
    k_hidden : int or iterable of int
        Hidden units of each direction, of every layer or one number a layer.
    y_lags : int, optional
        How many earlier rows of the target the forward cell reads, and how many later ones the
        backward cell. Default: 0 with `exog`, 1 without.
    head : str or mapping
        Distribution of the target, see `ElmanRNN`.
    activation : str or callable
        Of Elman cells, see `ElmanRNN`.
    n_layers : int
        Layers of each direction; a direction's layer reads the layer below of that direction.
    initial : {"zero", "estimated", "stationary"}
        State before the first row (h) and beyond the last one (g), see `ElmanRNN`.
    groups : str, Series or array_like, optional
        Sequence of each row, see `ElmanRNN`; nothing is read across sequences.
    penalty : float
        Weight of a ridge penalty on the standardised weights in a fit; 0 is none.
    fixed : mapping of str to float or str, optional
        Restrictions by parameter name: a number, or the name of an equal parameter.

    Attributes
    ----------
    pseudo : bool
        Whether the objective is a pseudo-likelihood.
    units : tuple of int
        Hidden units of each layer of a direction.
    state_names : tuple of str
        ``h1``, ... of the forward cell (with a LSTM also ``c1``, ...), then ``g1``, ... (``d1``,
        ...) of the backward cell.
    architecture : TwoSided

    Raises
    ------
    DataError
        For data that cannot be used; values outside the support of a distribution.
    SpecificationError
        For arguments that are not allowed, alone or together.

    Notes
    -----
    Names follow one rule: a parameter belongs to the direction of its units, h forward and g
    backward. ``W_h[h1,h2]``, ``W_x[h1,x]``, ``b_h[h1]``, then ``W_h[g1,g2]``, ``W_x[g1,x]``,
    ``b_h[g1]``, then ``V[y,h1]``, ``V[y,g1]``, ``b_y[y]`` and those of the head. ``W_y2[h1,y]``
    weighs the target two rows earlier, ``W_y2[g1,y]`` the one two rows later. Gates have words as
    in `GRU` and `LSTM`. An estimated start is ``h_0[h1]``, and ``g_0[g1]`` beyond the last row.

    A missing earlier target is replaced by the mean at that row of the forward direction alone,
    with ``V_f h + b_y``; a missing later one, and those beyond the ends of a sequence, alike. So
    every row counts, and a missing target is never read back through the other direction.

    Units of a direction can be renumbered, and those with an odd activation change sign. To swap
    the directions and reverse time leaves the likelihood as it is.

    Scores of a pseudo-likelihood are correlated from row to row, so their covariance is not the
    information: ``fit`` takes ``cov_type="hac"`` there, refuses covariances that rest on the
    information equality, and the results refuse likelihood ratios.

    References
    ----------
    Schuster and Paliwal (1997), IEEE Transactions on Signal Processing 45, 2673-2681. Besag (1975),
    The Statistician 24, 179-195; Varin, Reid and Firth (2011), Statistica Sinica 21, 5-42
    (pseudo-likelihood).

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.models.bidirectional import BidirectionalRNN
    >>> x = np.sin(np.arange(40.0)) ** 3
    >>> BidirectionalRNN(np.roll(x, -1), x, k_hidden=1).param_names[3:8]
    ('W_h[g1,g1]', 'W_x[g1,x]', 'b_h[g1]', 'V[y,h1]', 'V[y,g1]')
    """

    name: ClassVar[str] = "BidirectionalRNN"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        cell: CellName | Cell | PythonCell = "elman",
        k_hidden: int | Iterable[int] = 2,
        y_lags: int | None = None,
        head: HeadLike = "gaussian",
        activation: ActivationLike = "tanh",
        n_layers: int = 1,
        initial: InitialName = "zero",
        groups: object = None,
        penalty: float = 0.0,
        fixed: Mapping[str, float | str] | None = None,
    ) -> None:
        made = _read_cell(cell, activation, self.name)
        self.cell, self.activation = cell, activation
        lags = (1 if exog is None else 0) if y_lags is None else y_lags
        self._construct(
            endog,
            exog,
            made,
            k_hidden=k_hidden,
            y_lags=lags,
            head=head,
            state_noise=False,
            filter="ekf",
            n_layers=n_layers,
            skip=False,
            initial=initial,
            presample="predict",
            groups=groups,
            penalty=penalty,
            fixed=fixed,
            two_sided=True,
        )

    # --- structure ----------------------------------------------------------------------------

    @property
    def pseudo(self) -> bool:
        """Whether the objective is a pseudo-likelihood: the target is read by the network."""
        return self.y_lags > 0

    @property
    def objective(self) -> str:
        """What is maximised, in words."""
        if self.pseudo:
            return "pseudo-likelihood of each row given all others"
        return "regression likelihood of the target given all inputs"

    def _own_arguments(self) -> dict[str, Any]:
        return {"cell": self.cell, "activation": self.activation}

    def _arguments(self) -> dict[str, Any]:
        given = super()._arguments()
        for name in ("state_noise", "filter", "skip", "presample"):
            del given[name]
        return given

    def _features(self) -> tuple[str, ...]:
        cell = self.architecture.cells[0]
        return (cell.name if isinstance(cell, PythonCell) else cell.kind, *self._words())

    def _words(self) -> tuple[str, ...]:
        return ("pseudo-likelihood",) if self.pseudo else ()

    def _title(self) -> str:
        cell = self.architecture.cells[0]
        kind = "Recurrent Network" if isinstance(cell, PythonCell) else _TITLES[cell.kind]
        return f"Bidirectional {kind}" + (" (Pseudo-Likelihood)" if self.pseudo else "")

    def forward_model(self, *, k_hidden: int | Iterable[int] | None = None) -> Any:
        """Return the network that reads the same rows in their order only.

        Parameters
        ----------
        k_hidden : int or iterable of int, optional
            Its hidden units; default: those of one direction.

        Returns
        -------
        ElmanRNN, GRU, LSTM or CellRNN
            Same data, cell, lags, head, start and penalty; restrictions that only name parameters
            which it has, too. All rows count (``presample="predict"``).
        """
        return two_sided.forward_twin(self, k_hidden)

    def shortened(self, lengths: ArrayLike) -> BidirectionalRNN:
        """Return the model on the first rows of each sequence.

        Parameters
        ----------
        lengths : array_like of int, shape (sequences,)

        Returns
        -------
        BidirectionalRNN
        """
        return two_sided.shortened(self, np.asarray(lengths, dtype=np.intp))

    # --- at given parameters ------------------------------------------------------------------

    def system(self, params: ArrayLike) -> TwoSidedSystem:  # type: ignore[override]
        """Run the network at given parameters.

        Parameters
        ----------
        params : array_like, shape (K,)
            Natural units.

        Returns
        -------
        TwoSidedSystem

        Raises
        ------
        SpecificationError
            Where the network cannot be run, with the reason.
        """
        theta = self._natural(params)
        found = self.likelihood.evaluate(self.chart.to_standard(theta))
        if found is None or not np.isfinite(found.run.eta).all():
            raise SpecificationError(
                f"{self.name}.system: params must be admissible; got a point where "
                f"{self.likelihood.reason(theta)}. Give other params."
            )
        data = self.likelihood.data
        return TwoSidedSystem(
            architecture=cast(TwoSided, self.architecture),
            head=self.head,
            scales=self.chart.scales,
            y_lags=self.y_lags,
            weights=found.weights,
            extra=found.extra * self.chart.scales.extra,
            initial=found.run.initial,
            run=found.run,
            rows=data.rows,
            row_offsets=data.offsets,
            offsets=self.offsets,
        )

    def filter(self, params: ArrayLike) -> FilteredStates:
        """States and readout of the forward cell alone, which use no later row.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        FilteredStates
            ``predicted`` and ``filtered`` are h, functions of the rows so far; ``eta`` is
            ``V_f h + b_y``; ``llf_obs`` are the contributions to the objective, which use both
            directions.

        Raises
        ------
        SpecificationError
            Where the network cannot be run, with the reason.
        """
        return two_sided.filtered(self, self._natural(params))

    def smooth(self, params: ArrayLike) -> SmoothedStates:
        """States of both cells: h of the rows so far, g of the rows from each on.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        SmoothedStates

        Raises
        ------
        SpecificationError
            Where the network cannot be run, with the reason.
        """
        return two_sided.smoothed(self, self._natural(params))

    def simulate(
        self,
        params: ArrayLike,
        nsimulations: int,
        *,
        rng: np.random.Generator | int | None = None,
        exog: ArrayLike | None = None,
        burnin: int = 0,
    ) -> pd.Series | pd.DataFrame:
        """Draw targets given one sequence of inputs.

        Parameters
        ----------
        params : array_like, shape (K,)
        nsimulations : int
            Number of rows.
        rng : numpy.random.Generator or int, optional
        exog : array_like, shape (burnin + nsimulations, k), optional
            Inputs of all rows; default: the model's own first rows.
        burnin : int
            Rows drawn before those returned.

        Returns
        -------
        Series or DataFrame
            Rows numbered from 0; categories as they were given.

        Raises
        ------
        SpecificationError
            With a pseudo-likelihood, which is no distribution of the series; for inputs of a wrong
            shape, or where the network cannot be run.
        """
        caller = f"{self.name}.simulate"
        if self.pseudo:
            raise SpecificationError(
                f"{caller}: the model must be a distribution of the target; got a "
                "pseudo-likelihood (y_lags > 0), whose laws of each row given all others need not "
                "be those of any series. Simulate from ElmanRNN, GRU or LSTM."
            )
        rows = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        before = check_int(burnin, name="burnin", caller=caller, minimum=0)
        generator = check_generator(rng, caller=caller)
        own = own_rows(self.exog, before + rows, caller) if exog is None else exog
        inputs = cast(FloatArray, input_rows(own, self.exog, before + rows, caller))
        out = two_sided.drawn(self, self._natural(params), inputs, generator)
        return out.iloc[before:].reset_index(drop=True)

    def fit(  # type: ignore[override]
        self,
        *,
        start_params: ArrayLike | None = None,
        method: str = "auto",
        n_starts: int | None = None,
        maxiter: int = 500,
        cov_type: str | None = None,
        cov_kwds: Mapping[str, Any] | None = None,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
        n_jobs: int = 1,
        penalty: float | str | None = None,
    ) -> BidirectionalResults:
        """Maximise the objective: a regression likelihood, or a pseudo-likelihood.

        Parameters
        ----------
        start_params, method, n_starts, maxiter
            As in `ElmanRNN.fit`.
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            Covariance of the estimates. Default: "oim"; with a pseudo-likelihood "hac", as the
            scores of neighbouring rows are correlated ("cluster" with many sequences is the other
            choice; "robust" takes rows for uncorrelated). "oim", "approx" and "opg" are refused
            there.
        cov_kwds : mapping, optional
            Options of "hac" and "cluster", see ``with_cov`` of the results.
        rng, progress, n_jobs, penalty
            As in `ElmanRNN.fit`.

        Returns
        -------
        BidirectionalResults

        Raises
        ------
        DataError
            When there are not more observations than free parameters, or a series does not vary.
        SpecificationError
            For an argument that is not allowed, or when no start is admissible.

        Warns
        -----
        ConvergenceWarning
            When the optimiser stopped before its criteria were met, or weights run to infinity.
        """
        from rnnstats.models.recurrent.fit import fitting
        from rnnstats.results.bidirectional import check_covariance

        caller = f"{self.name}.fit"
        if cov_type is not None:
            check_literal(cov_type, COV_TYPES, name="cov_type", caller=caller)
        found: BidirectionalResults = fitting.fit(
            self,
            start_params=start_params,
            method=method,
            n_starts=n_starts,
            maxiter=maxiter,
            cov_type=check_covariance(self, cast("CovType | None", cov_type), caller),
            cov_kwds=cov_kwds,
            rng=rng,
            progress=progress,
            n_jobs=n_jobs,
            penalty=penalty,
        )
        return found

    # --- inside -------------------------------------------------------------------------------

    def _make_results(  # type: ignore[override]
        self,
        theta: FloatArray,
        cov_type: str,
        convergence: Convergence | None,
        cov_kwds: Mapping[str, Any] | None,
    ) -> BidirectionalResults:
        from rnnstats.results.bidirectional import BidirectionalResults

        return BidirectionalResults.from_fit(
            cast(Any, self),
            theta,
            cov_type=cast("CovType", cov_type),
            convergence=convergence,
            cov_kwds=cov_kwds,
        )


def _read_cell(cell: object, activation: object, caller: str) -> Cell | PythonCell:
    """Make the cell from `cell` and `activation`."""
    if isinstance(cell, (Cell, PythonCell)) or cell in ("gru", "lstm"):
        if activation != "tanh":
            raise SpecificationError(
                f"{caller}: activation belongs to cell='elman'; got activation="
                f"{shown(activation)} with cell={shown(cell)}. Leave it out."
            )
        if isinstance(cell, (Cell, PythonCell)):
            return cell
        return Cell("gru") if cell == "gru" else Cell("lstm")
    if cell == "elman":
        return specification.elman_cell(activation, caller)
    words = ("elman", "gru", "lstm")
    raise SpecificationError(
        f"{caller}: cell must be one of 'elman', 'gru', 'lstm', or a Cell or PythonCell of "
        f"rnnstats.kernels.cells; got {shown(cell)}.{suggest(cell, words)}"
    )
