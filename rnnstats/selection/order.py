"""`select_order`: how many states a linear model needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import (
    check_bool,
    check_float,
    check_generator,
    check_int,
    check_jobs,
    check_literal,
)
from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.selection.candidates import Fitted, Order, compositions, fit_all
from rnnstats.selection.notes import model_of, notes
from rnnstats.selection.running import refuse_unfitted, warn_early_end
from rnnstats.selection.tables import criteria_table, draw, summary
from rnnstats.selection.windows import HankelAnalysis, analyse

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnstats.results.linear import LinearResults

__all__ = ["OrderSelection", "select_order"]

FloatArray = NDArray[np.float64]
FormName = Literal["innovations", "observed", "leaky", "factor"]
Criterion = Literal["aic", "aicc", "bic", "hqic"]
Initial = Literal["stationary", "known"]
CALLER = "select_order"


@dataclass(frozen=True)
class _Builder:
    """Makes the model of a structure; a value that processes can be sent."""

    endog: Endog
    exog: Any
    settings: Mapping[str, Any]

    def __call__(self, order: Order) -> LinearRNN:
        step = self.endog.k_endog if self.settings["form"] == "observed" else 1
        states = max(order.k_states, step) if order.kronecker is None else None
        return LinearRNN(
            self.endog, self.exog, k_states=states, kronecker=order.kronecker, **self.settings
        )


class OrderSelection:
    """What `select_order` found.

    Parameters
    ----------
    fitted : sequence of Fitted
        One a structure.
    windows : HankelAnalysis
        Windows behind singular values and rank tests.
    criterion : str
        The criterion that `order` and `best` go by.
    alpha : float
        Level of the rank tests.
    interrupted : bool
        Whether the search was stopped.

    Attributes
    ----------
    table : DataFrame
        One row a fitted structure, indexed by the number of states: ``kronecker`` (innovations
        form), ``k_params``, ``llf``, ``aic``, ``aicc``, ``bic``, ``hqic``, ``converged`` and
        ``note`` (what is to be known about that fit: a boundary, a near-cancellation, a ridge).
    rank_tests : DataFrame
        One row a rank, from 0: the largest ``correlation`` tested to be zero, ``statistic``,
        ``df``, ``P>chi2`` (as if rows were independent), ``P>scaled`` (with the overlap of the
        windows taken into account) and ``svc`` (Bauer's criterion).
    singular_values : Series
        Hankel singular values in units of the covariances of future and past: canonical
        correlations, by number.
    orders : Series
        Number of states chosen by each criterion (``aic``, ``aicc``, ``bic``, ``hqic``), by the
        ``rank test`` (the first not rejected; missing where all are) and by ``svc``.
    criterion : str
        The criterion that `order` and `best` go by.
    order : int
        Number of states chosen by it.
    interrupted : bool
        Whether the search was stopped, so that `table` lacks structures.
    windows : HankelAnalysis
        Windows behind singular values and rank tests.
    """

    def __init__(
        self,
        fitted: Sequence[Fitted],
        windows: HankelAnalysis,
        criterion: Criterion,
        alpha: float,
        interrupted: bool,
    ) -> None:
        self.criterion: Criterion = criterion
        self.windows = windows
        self.interrupted = interrupted
        self._fits = tuple(item.results for item in fitted if item.results is not None)
        self._left_out = tuple(item for item in fitted if item.results is None)
        self.table = criteria_table(self._fits, [notes(results) for results in self._fits])
        self.rank_tests = windows.table
        self.singular_values = windows.singular_values
        chosen: dict[str, int | None] = {n: self._chosen(n) for n in get_args(Criterion)}
        chosen |= windows.chosen(alpha)
        self.orders = pd.Series(chosen, dtype="Int64", name="k_states")
        self.order = self._chosen(criterion)

    def __repr__(self) -> str:
        """Say what was chosen."""
        return f"<OrderSelection: {self.order} states by {self.criterion}>"

    def _place(self, criterion: str, k_states: int | None = None) -> int:
        """Place of the fit with the smallest value of a criterion."""
        values = self.table[criterion].to_numpy(dtype=float)
        if k_states is not None:
            values = np.where(self.table.index == k_states, values, np.inf)
        return int(np.argmin(values))

    def _chosen(self, criterion: str) -> int:
        return int(self.table.index[self._place(criterion)])

    @property
    def best(self) -> LinearResults:
        """Results of the chosen structure.

        With zero states it is a model of one state whose effect is fixed at zero.
        """
        return self._fits[self._place(self.criterion)]

    @property
    def results(self) -> Mapping[int, LinearResults]:
        """Results by number of states; with several structures the best one by the criterion."""
        numbers = sorted({int(n) for n in self.table.index})
        return MappingProxyType({n: self._fits[self._place(self.criterion, n)] for n in numbers})

    def fit(self, k_states: int | None = None, **options: Any) -> LinearResults:
        """Fit one order again, from the optimum found, with options of one's own.

        Parameters
        ----------
        k_states : int, optional
            Number of states; default: the chosen one.
        **options
            As in ``LinearRNN.fit``, for example ``cov_type="robust"`` or ``n_starts=30``.

        Returns
        -------
        LinearResults

        Raises
        ------
        SpecificationError
            For an order that was not fitted.
        """
        known = self.results
        number = self.order if k_states is None else k_states
        refuse_unfitted(number, list(known), name="OrderSelection.fit: k_states", what="an order")
        found = self.best if k_states is None else known[number]
        again: LinearResults = model_of(found).fit(**{"start_params": found.params, **options})
        return again

    def summary(self) -> Any:
        """Tables of criteria (the smallest value marked with a star) and of rank tests.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; has ``as_text``, ``as_html``, ``as_latex``.
        """
        words = [f"{item.order.k_states} states: {item.reason}" for item in self._left_out]
        if self.interrupted:
            words.insert(0, "The search was interrupted: larger orders are missing.")
        words = [self.windows.note, *words] if self.windows.note else words
        return summary(self.table, self.rank_tests, self.orders, self.criterion, words)

    def plot(self, fig: Figure | None = None) -> Figure:
        """Draw the criteria and the Hankel singular values by number of states.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Figure to draw into; default: a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            Without matplotlib.
        """
        return draw(self.table, self.singular_values, self.windows.threshold, self.criterion, fig)


def select_order(
    endog: object,
    exog: object = None,
    max_states: int | None = None,
    *,
    form: FormName = "innovations",
    trend: Literal["n", "c", "ct"] = "c",
    exog_enters: Literal["state", "output", "both"] = "state",
    initial: Initial = "stationary",
    criterion: Criterion = "bic",
    kronecker: bool = False,
    lags: int | None = None,
    alpha: float = 0.05,
    n_starts: int | None = None,
    maxiter: int = 500,
    rng: np.random.Generator | int | None = None,
    progress: bool = False,
    n_jobs: int = 1,
) -> OrderSelection:
    """Choose the number of states of a linear model.

    Every order from zero states (uncorrelated errors) to ``max_states`` is fitted by maximum
    likelihood to the same rows with the same start, so that the criteria compare. Each order is
    started from the data and from the optimum of the order below, and is never lower than that.
    Beside the criteria stand the Hankel singular values and tests of the Hankel matrix' rank,
    which need no fit.

    Parameters
    ----------
    endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        NaN is missing.
    exog : Series, DataFrame or array_like, shape (nobs, k_exog), optional
        Inputs, complete.
    max_states : int, optional
        Largest number of states. Default: twice the number of outputs, at least 4 and at most 10
        (observed form: four lags), and no more than a third of the observed values as parameters.
    form : {"innovations", "observed", "leaky", "factor"}
        Form of the models; in the observed form the states are lags times outputs.
    trend : {"n", "c", "ct"}
        Terms of the output.
    exog_enters : {"state", "output", "both"}
        Where inputs enter; with "state" the model of zero states has none.
    initial : {"stationary", "known"}
        Start. A diffuse one is not allowed: it uses up one value a state, so that log-likelihoods
        of different orders would be of different samples.
    criterion : {"aic", "aicc", "bic", "hqic"}
        What ``order`` and ``best`` go by.
    kronecker : bool
        Innovations form: fit all Kronecker indices of each number of states, not only the generic
        ones. Their number grows fast: 28 for 6 states and 3 outputs.
    lags : int, optional
        Rows of future and of past behind singular values and rank tests. Default: the order of a
        vector autoregression by AIC, and enough for ``max_states`` singular values.
    alpha : float
        Level of the rank tests.
    n_starts, maxiter : int
        As in ``LinearRNN.fit``, for each order.
    rng : numpy.random.Generator or int, optional
        For the random parts of the starts. Default: the fixed seed of ``LinearRNN.fit``, so that
        each order has the starts that it has in a fit of its own.
    progress : bool
        Show progress when the work takes over about two seconds.
    n_jobs : int
        Number of processes, -1 for all; the numbers do not depend on it.

    Returns
    -------
    OrderSelection
        After Ctrl-C too, with the orders that were reached.

    Raises
    ------
    DataError
        For unusable data, or when not even the model without a state can be fitted.
    SpecificationError
        For an argument that is not allowed.

    Warns
    -----
    ConvergenceWarning
        When the chosen fit stopped early.

    Notes
    -----
    Information criteria count the parameters of identified models. A model with a state too many
    is not identified (a pole cancels a zero), its likelihood ratio to the smaller one is not
    chi-squared, and AIC has no tendency to the right order; BIC and HQIC are consistent (Hannan
    and Deistler 1988, ch. 5). The ``note`` of such a fit says so. With gaps in the data singular
    values and rank tests use the windows without a gap, or, where those are too few, series filled
    by straight lines, and say so.

    References
    ----------
    Akaike, H. (1975), Markovian representation of stochastic processes by canonical variables,
    SIAM Journal on Control 13.
    Bauer, D. (2001), Order estimation for subspace methods, Automatica 37.
    Camba-Mendez, G. and Kapetanios, G. (2001), Testing the rank of the Hankel covariance matrix:
    a statistical approach, IEEE Transactions on Automatic Control 46.
    Hannan, E. J. and Deistler, M. (1988), The Statistical Theory of Linear Systems, Wiley.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats import select_order
    >>> e = np.random.default_rng(3).standard_normal(300)
    >>> y = [0.0]
    >>> for shock in e:
    ...     y.append(0.8 * y[-1] + shock)
    >>> select_order(np.array(y), max_states=2).order
    1
    """
    data = Endog.from_input(endog, caller=CALLER)
    inputs = Exog.from_input(exog, data, caller=CALLER)
    check_literal(form, get_args(FormName), name="form", caller=CALLER)
    check_literal(criterion, get_args(Criterion), name="criterion", caller=CALLER)
    _check_initial(initial)
    check_bool(kronecker, name="kronecker", caller=CALLER)
    check_bool(progress, name="progress", caller=CALLER)
    check_float(alpha, name="alpha", caller=CALLER, above=0.0, below=1.0)
    if kronecker and form != "innovations":
        raise SpecificationError(
            f"{CALLER}: kronecker belongs to form='innovations'; got it with form={form!r}. "
            "Leave it out."
        )
    settings = {"form": form, "trend": trend, "initial": initial, "exog_enters": exog_enters}
    build = _Builder(data, exog, settings)
    seed = None if rng is None else int(check_generator(rng, caller=CALLER).integers(2**32))
    largest = _largest(max_states, build)
    windows = analyse(data, inputs, trend, largest, lags, CALLER)
    fitted, interrupted = fit_all(
        build,
        _orders(largest, data.k_endog, form, kronecker),
        n_starts=n_starts,
        maxiter=check_int(maxiter, name="maxiter", caller=CALLER, minimum=1),
        seed=seed,
        n_jobs=check_jobs(n_jobs, caller=CALLER),
        progress=progress,
    )
    selection = OrderSelection(fitted, windows, criterion, alpha, interrupted)
    warn_early_end(selection.best, f"order {selection.order}", CALLER)
    return selection


def _check_initial(initial: object) -> None:
    if initial == "diffuse":
        raise SpecificationError(
            f"{CALLER}: initial must be 'stationary' or 'known'; got 'diffuse', which uses up one "
            "value a state, so that log-likelihoods of different orders would be of different "
            "samples. Difference the series, or use initial='known'."
        )
    check_literal(initial, get_args(Initial), name="initial", caller=CALLER)


def _largest(max_states: object, build: _Builder) -> int:
    """Largest number of states, in the observed form a multiple of the outputs."""
    p = build.endog.k_endog
    step = p if build.settings["form"] == "observed" else 1
    if max_states is not None:
        number = check_int(max_states, name="max_states", caller=CALLER, minimum=1)
        if number >= build.endog.nobs_observed:
            raise DataError(
                f"{CALLER}: there must be more observed values than parameters, and than states; "
                f"got {build.endog.nobs_observed} values and max_states={number}. Leave max_states "
                "out for what the data can bear."
            )
        if number % step:
            raise SpecificationError(
                f"{CALLER}: max_states must be a multiple of the number of outputs ({p}) in the "
                f"observed form (lags times outputs); got {number}. "
                f"Use {p * max(number // p, 1)} or {p * (number // p + 1 + (number < p))}."
            )
        return number
    wanted = 4 * step if build.settings["form"] == "observed" else min(max(4, 2 * p), 10)
    limit = build.endog.nobs_observed / 3
    fits = [n for n in range(step, wanted + 1, step) if build(Order(n)).layout.k_free <= limit]
    if not fits:
        raise DataError(
            f"{CALLER}: there must be three observed values for each parameter of the smallest "
            f"model; got {build.endog.nobs_observed} values. Give max_states to try all the same."
        )
    return max(fits)


def _orders(largest: int, k_endog: int, form: str, kronecker: bool) -> list[Order]:
    """List all structures, by number of states."""
    step = k_endog if form == "observed" else 1
    numbers = range(step, largest + 1, step)
    if not kronecker:
        return [Order(n) for n in numbers]
    return [Order(n, nu) for n in numbers for nu in compositions(n, k_endog)]
