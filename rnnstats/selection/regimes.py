"""`select_regimes`: how many regimes a Markov model needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import (
    check_bool,
    check_float,
    check_generator,
    check_int,
    check_jobs,
    check_literal,
)
from rnnstats.errors import DataError, SpecificationError
from rnnstats.selection.regime_fits import FittedRegimes, RegimeBuilder, fit_regimes
from rnnstats.selection.regime_tables import (
    REGIME_CRITERIA,
    draw,
    regimes_table,
    summary,
    tests_table,
)
from rnnstats.selection.regime_tests import Job, RegimeTest, bootstrap_test
from rnnstats.selection.running import refuse_unfitted, warn_early_end

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnstats.results.markov import MarkovResults

__all__ = ["RegimeSelection", "select_regimes"]

RegimeCriterion = Literal["aic", "aicc", "bic", "hqic", "icl"]
CALLER = "select_regimes"
DEFAULT_SEED = 20240913


class RegimeSelection:
    """What `select_regimes` found.

    Parameters
    ----------
    fitted : sequence of FittedRegimes
        One a number of regimes.
    criterion : str
        The criterion that `k_regimes` and `best` go by.
    alpha : float
        Level of the tests.
    search : mapping
        Settings of the bootstrap.
    interrupted : bool
        Whether the search was stopped.

    Attributes
    ----------
    table : DataFrame
        One row a number of regimes: ``k_params``, ``llf``, ``aic``, ``aicc``, ``bic``, ``hqic``,
        ``icl``, ``converged`` and ``note`` (what is at a boundary, or stopped early).
    criterion : str
        The criterion that `k_regimes` and `best` go by.
    k_regimes : int
        Number of regimes chosen by it.
    interrupted : bool
        Whether the search was stopped, so that `table` lacks numbers of regimes or tests.
    """

    def __init__(
        self,
        fitted: Sequence[FittedRegimes],
        criterion: RegimeCriterion,
        alpha: float,
        search: Mapping[str, Any],
        interrupted: bool,
    ) -> None:
        self.criterion: RegimeCriterion = criterion
        self.interrupted = interrupted
        self._alpha = alpha
        self._search = dict(search)
        self._fits = {item.k_regimes: item.results for item in fitted if item.results is not None}
        self._left_out = tuple(item for item in fitted if item.results is None)
        self._tests: dict[int, RegimeTest] = {}
        self.table = regimes_table(list(self._fits.values()))
        self.k_regimes = self._chosen(criterion)

    def __repr__(self) -> str:
        """Say what was chosen."""
        plural = "" if self.k_regimes == 1 else "s"
        return f"<RegimeSelection: {self.k_regimes} regime{plural} by {self.criterion}>"

    def _chosen(self, criterion: str) -> int:
        place = int(np.argmin(self.table[criterion].to_numpy()))
        return list(self._fits)[place]

    @property
    def best(self) -> MarkovResults:
        """Results with the chosen number of regimes."""
        return self._fits[self.k_regimes]

    @property
    def results(self) -> Mapping[int, MarkovResults]:
        """Results by number of regimes."""
        return MappingProxyType(self._fits)

    @property
    def lr_tests(self) -> pd.DataFrame:
        """Tests of K against K + 1 regimes asked for, indexed by K.

        Columns: ``statistic``, ``pvalue``, ``mc_error`` (standard deviation that the number of
        draws leaves in the p-value), ``critical 5%``, ``draws``, ``failures`` and ``note``.
        """
        return tests_table(self._tests)

    @property
    def regimes(self) -> pd.Series:
        """Number of regimes by each criterion, and by the tests.

        By the tests: the smallest number that is not rejected against one more, at the level given,
        testing upwards from one; missing where no tests were made or all reject.
        """
        chosen: dict[str, int | None] = {n: self._chosen(n) for n in REGIME_CRITERIA}
        passed = None
        for k in sorted(self._fits):
            if k not in self._tests:
                break
            if self._tests[k].pvalue > self._alpha:
                passed = k
                break
        return pd.Series({**chosen, "lr test": passed}, dtype="Int64", name="k_regimes")

    def lr_test(
        self,
        k_regimes: int,
        *,
        nboot: int = 199,
        rng: np.random.Generator | int | None = None,
        n_jobs: int = 1,
        progress: bool = False,
    ) -> RegimeTest:
        """Test K against K + 1 regimes by the parametric bootstrap.

        Samples are drawn from the fit of K regimes, and both models are fitted to each, with the
        same search as for the data.

        Parameters
        ----------
        k_regimes : int
            K; both numbers must have been fitted.
        nboot : int
            Number of samples.
        rng : numpy.random.Generator or int, optional
            Default: a fixed seed.
        n_jobs : int
            Number of processes, -1 for all; the numbers do not depend on it.
        progress : bool
            Show progress when the work takes over about two seconds.

        Returns
        -------
        RegimeTest
            Also kept in `lr_tests`. After Ctrl-C, with the draws made by then.

        Raises
        ------
        DataError
            When no draw could be fitted.
        SpecificationError
            For numbers of regimes that were not fitted.

        Warns
        -----
        ConvergenceWarning
            When it was interrupted, or more than one draw in twenty could not be fitted.

        Notes
        -----
        The p-value is ``(1 + #{draws >= statistic}) / (1 + nboot)``. Asymptotic validity: Kasahara
        and Shimotsu (2018) for Gaussian regimes with bounded likelihood; McLachlan (1987) and Ryden
        (2008) recommend it from experience. It is a test of the maximum that the search finds, in
        the data and in the draws alike.
        """
        caller = "RegimeSelection.lr_test"
        k = check_int(k_regimes, name="k_regimes", caller=caller, minimum=1)
        check_int(nboot, name="nboot", caller=caller, minimum=1)
        check_bool(progress, name="progress", caller=caller)
        generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=caller)
        missing = [number for number in (k, k + 1) if number not in self._fits]
        if missing:
            raise SpecificationError(
                f"{caller}: K and K + 1 regimes must have been fitted; got k_regimes={k} and no "
                f"fit of {missing[0]}. Fitted are {', '.join(str(n) for n in self._fits)}."
            )
        small, large = self._fits[k], self._fits[k + 1]
        job = Job(small.model, large.model, small.params.to_numpy(), **self._search)
        test = bootstrap_test(
            job, large, small, nboot, generator, n_jobs=check_jobs(n_jobs, caller=caller),
            progress=progress, caller=caller,
        )  # fmt: skip
        self._tests = dict(sorted({**self._tests, k: test}.items()))
        return test

    def fit(self, k_regimes: int | None = None, **options: Any) -> MarkovResults:
        """Fit one number of regimes again, from the optimum found, with options of one's own.

        Parameters
        ----------
        k_regimes : int, optional
            Default: the chosen number.
        **options
            As in ``MarkovRNN.fit``, for example ``cov_type="robust"`` or ``n_starts=100``.

        Returns
        -------
        MarkovResults

        Raises
        ------
        SpecificationError
            For a number that was not fitted.
        """
        number = self.k_regimes if k_regimes is None else k_regimes
        name = "RegimeSelection.fit: k_regimes"
        refuse_unfitted(number, list(self._fits), name=name, what="a number")
        found = self._fits[number]
        again: MarkovResults = found.model.fit(**{"start_params": found.params, **options})
        return again

    def summary(self) -> Any:
        """Tables of criteria (the smallest value marked with a star) and of tests.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Prints as text; has ``as_text``, ``as_html``, ``as_latex``.
        """
        words = [f"{item.k_regimes} regimes: {item.reason}" for item in self._left_out]
        if self.interrupted:
            words.insert(0, "The search was interrupted: more regimes, or tests, are missing.")
        return summary(self.table, self.lr_tests, self.regimes, self.criterion, words)

    def plot(self, fig: Figure | None = None) -> Figure:
        """Draw the criteria by number of regimes, and the tests with their draws.

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
        return draw(self.table, self._tests, self.criterion, fig)


def select_regimes(
    endog: object,
    exog: object = None,
    max_regimes: int = 4,
    *,
    emission: Any = "gaussian",
    exog_transition: object = None,
    order: int = 0,
    ar_form: Literal["intercept", "mean"] = "intercept",
    switching: Any = ("trend", "exog", "ar", "variance"),
    start: Any = "stationary",
    groups: object = None,
    trend: Literal["n", "c", "ct"] = "c",
    criterion: RegimeCriterion = "bic",
    nboot: int = 0,
    alpha: float = 0.05,
    n_starts: int | None = None,
    maxiter: int = 500,
    rng: np.random.Generator | int | None = None,
    progress: bool = False,
    n_jobs: int = 1,
) -> RegimeSelection:
    """Choose the number of regimes of a Markov model.

    Every number from one (no regimes: the plain regression, autoregression or distribution) to
    ``max_regimes`` is fitted by maximum likelihood to the same rows, so that the criteria compare.
    A fit that ends below that of one regime less is begun again from there. On request K regimes
    are tested against K + 1 by the parametric bootstrap, upwards from one until a test does not
    reject.

    Parameters
    ----------
    endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        NaN is missing.
    exog : Series, DataFrame or array_like, shape (nobs, k_exog), optional
        Inputs, complete.
    max_regimes : int
        Largest number of regimes.
    emission, exog_transition, order, ar_form, switching : optional
        As in `MarkovRNN`. One regime has no transitions, and no ``exog_transition``.
    start : {"stationary", "free", "uniform"} or DataFrame
        As in `MarkovRNN`; an array of probabilities fits one number of regimes only.
    groups, trend : optional
        As in `MarkovRNN`.
    criterion : {"aic", "aicc", "bic", "hqic", "icl"}
        What ``k_regimes`` and ``best`` go by.
    nboot : int
        Samples of each likelihood-ratio test; 0 for no tests. 199 and more for a p-value to report.
    alpha : float
        Level of the tests.
    n_starts, maxiter : int
        As in ``MarkovRNN.fit``, for each number of regimes, in the samples too.
    rng : numpy.random.Generator or int, optional
        For random starts and the samples. Default: a fixed seed, so that it can be repeated.
    progress : bool
        Show progress when the work takes over about two seconds.
    n_jobs : int
        Number of processes, -1 for all; the numbers do not depend on it.

    Returns
    -------
    RegimeSelection
        After Ctrl-C too, with what was reached.

    Raises
    ------
    DataError
        For unusable data.
    SpecificationError
        For an argument that is not allowed.

    Warns
    -----
    ConvergenceWarning
        When the chosen fit stopped early, or tests were interrupted.

    Notes
    -----
    A model with a regime too many is not identified: its likelihood ratio to the smaller one is not
    chi-squared, and its information matrix is singular. BIC is consistent for the number of regimes
    under conditions on the likelihood (Gassiat 2002), AIC tends to too many. ICL, which also pays
    for regimes that the data do not tell apart, tends to fewer. With switching variances the
    likelihood of a Gaussian regime is unbounded where it follows a single value; fits are held away
    from there, and ``note`` says when one ends at that bound.

    References
    ----------
    Celeux, G. and Durand, J.-B. (2008), Selecting hidden Markov model state number with
    cross-validated likelihood, Computational Statistics 23.
    Gassiat, E. (2002), Likelihood ratio inequalities with applications to various mixtures, Annales
    de l'Institut Henri Poincare B 38.
    Kasahara, H. and Shimotsu, K. (2018), Testing the number of regimes in Markov regime switching
    models, arXiv:1801.06862.
    McLachlan, G. J. (1987), On bootstrapping the likelihood ratio test statistic for the number of
    components in a normal mixture, Applied Statistics 36.

    Examples
    --------
    >>> from rnnstats import datasets, select_regimes
    >>> select_regimes(datasets.earthquakes(), emission="poisson").k_regimes
    3
    """
    check_literal(criterion, get_args(RegimeCriterion), name="criterion", caller=CALLER)
    check_bool(progress, name="progress", caller=CALLER)
    check_float(alpha, name="alpha", caller=CALLER, above=0.0, below=1.0)
    check_int(nboot, name="nboot", caller=CALLER, minimum=0)
    largest = check_int(max_regimes, name="max_regimes", caller=CALLER, minimum=1)
    _check_start(start)
    settings = {
        "emission": emission, "exog_transition": exog_transition, "order": order,
        "ar_form": ar_form, "switching": switching, "start": start, "groups": groups,
        "trend": trend,
    }  # fmt: skip
    build = RegimeBuilder(endog, exog, settings)
    generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=CALLER)
    check_int(maxiter, name="maxiter", caller=CALLER, minimum=1)
    jobs = check_jobs(n_jobs, caller=CALLER)
    fitted, interrupted = fit_regimes(
        build,
        range(1, largest + 1),
        n_starts=n_starts,
        maxiter=maxiter,
        seed=None if rng is None else int(generator.integers(2**32)),
        n_jobs=jobs,
        progress=progress,
    )
    if not any(item.results is not None for item in fitted):
        if interrupted:
            raise KeyboardInterrupt
        raise DataError(fitted[0].reason)
    search = {"n_starts": n_starts, "maxiter": maxiter}
    selection = RegimeSelection(fitted, criterion, alpha, search, interrupted)
    if nboot and not interrupted:
        _test_upwards(selection, nboot, alpha, generator, progress, jobs)
    warn_early_end(selection.best, f"{selection.k_regimes} regimes", CALLER)
    return selection


def _test_upwards(
    selection: RegimeSelection, nboot: int, alpha: float, rng: np.random.Generator, progress: bool,
    n_jobs: int,
) -> None:  # fmt: skip
    """Test K against K + 1 from K = 1 until a test does not reject; an interrupt ends it."""
    for k in sorted(selection.results):
        if k + 1 not in selection.results:
            return
        try:
            test = selection.lr_test(k, nboot=nboot, rng=rng, progress=progress, n_jobs=n_jobs)
        except KeyboardInterrupt:
            selection.interrupted = True
            return
        if len(test.draws) + len(test.failures) < nboot:
            selection.interrupted = True
            return
        if test.pvalue > alpha:
            return


def _check_start(start: object) -> None:
    if not isinstance(start, (str, pd.DataFrame)):
        raise SpecificationError(
            f"{CALLER}: start must be 'stationary', 'free', 'uniform' or a table with one row a "
            "sequence; got an array of probabilities, which fits one number of regimes only. "
            "Use start='free', or MarkovRNN for that number."
        )
