"""Markov-switching models: one-hot states with softmax weights, that is hidden Markov models."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int, check_literal
from rnnstats.data import Endog, Exog
from rnnstats.estimation.convergence import Convergence
from rnnstats.models._arguments import restrictions
from rnnstats.models.base import LikelihoodModel, StartPoint
from rnnstats.models.conversion.regimes_elsewhere import RegimesFromElsewhere
from rnnstats.models.regimes.blocks import Block
from rnnstats.models.regimes.construction import assembly, specification
from rnnstats.models.regimes.construction.specification import ArForm, TrendName
from rnnstats.models.regimes.fit import fitting
from rnnstats.models.regimes.fit.ordering import OrderRule
from rnnstats.models.regimes.fit.start_values import default_number, starting_points
from rnnstats.models.regimes.likelihood import MarkovLikelihood
from rnnstats.models.regimes.methods import RegimeMethods
from rnnstats.parameters.transforms import Transform

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovType
    from rnnstats.results.markov import MarkovResults

__all__ = ["MarkovRNN"]

FloatArray = NDArray[np.float64]


class MarkovRNN(RegimeMethods, RegimesFromElsewhere, LikelihoodModel):
    """Hidden Markov model, written as a recurrent network with a one-hot state.

    ``P(h_t = j | h_{t-1} = i) = softmax(W_h h_{t-1} + W_x x_t)[j]``, and given the regime ``h_t``
    the outputs have a distribution of their own in each regime. The row t of everything that
    varies in time governs the step *into* t.

    Parameters
    ----------
    endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        Outputs; NaN is missing and skipped exactly. Categories (text, booleans, pandas Categorical)
        are allowed in columns with a categorical distribution. An index of two levels holds
        sequence and time.
    exog : Series, DataFrame or array_like, shape (nobs, k), optional
        Regressors of the outputs.
    k_regimes : int
        K, at least 1 and at most the number of rows.
    emission : str or mapping
        Distribution of the outputs given the regime: "gaussian" (several columns: jointly normal),
        "gaussian-diagonal", "gaussian-spherical", "student-t", "poisson", "negative-binomial",
        "bernoulli", "binomial" (``{"family": "binomial", "trials": 10}``), "categorical", "gamma".
        A mapping from columns (or tuples of columns that are jointly normal) to these lets outputs
        of different kinds depend on the same regime, independent given it.
    exog_transition : Series, DataFrame or array_like, shape (nobs, r), optional
        Inputs of the transition probabilities; a constant is always added.
    order : int
        Number of lags of normal or Student-t outputs: Markov-switching (vector) autoregression. The
        first rows of each sequence are conditioned on.
    ar_form : {"intercept", "mean"}
        Whether lags enter as they are, or as deviations from the mean of *their* regime (Hamilton
        1989; one normal output). The latter has ``K**(order + 1)`` states, 16384 at most.
    switching : str or tuple of str
        What differs between regimes: "trend", "exog" (or "exog[x]" for one regressor), "ar",
        "variance" (covariances, and the further parameters of the other distributions).
    start : {"stationary", "free", "uniform"}, array_like or DataFrame
        Distribution of the regime in the first row of each sequence: the stationary one of the
        transition matrix (of that of the first row, with `exog_transition`), parameters, equal
        probabilities, given ones of shape (K,) (a Series: by name of the regime) or (sequences, K),
        or log odds linear in the columns of a DataFrame with one row a sequence.
    groups : str, Series or array_like, optional
        Sequence of each row: a column of `endog`, a level of its index, or labels. Rows of a
        sequence lie together.
    trend : {"c", "n", "ct"}
        Deterministic terms of the outputs: constant, none, constant and time (1, 2, ... within
        each sequence).
    fixed : mapping of str to float or str, optional
        Restrictions by parameter name: a number, or the name of an equal parameter.
        ``{"p[h2->h1]": 0}`` rules a step out.

    Attributes
    ----------
    regime_names : tuple of str
        ``h1``, ``h2``, ...
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and nobs.
    levels : dict of str to tuple, or None
        Categories of each categorical output, in order; `endog` holds their codes.
    blocks : tuple of Block
        One an output, or one for outputs that are jointly normal.
    likelihood : MarkovLikelihood

    Raises
    ------
    DataError
        For data that cannot be used; values outside the support of a distribution.
    SpecificationError
        For arguments that are not allowed, alone or together.

    Notes
    -----
    Parameters: transition probabilities ``p[h1->h2]`` without the last one of each row that `fixed`
    does not name (it is implied), or with inputs the log odds ``W_h[h1->h2]``, ``W_x[h1->h2,x]``
    against a step to the last regime; ``start[h1]`` where it is estimated; then those of the
    outputs: ``V[y,h1]`` constants (``b_y[y]`` if they do not switch), ``D[y,x,h1]`` regressors,
    ``ar1[y,y,h1]`` lags, ``obs_cov[y,y,h1]`` (co)variances, ``mean[y,h1]`` or ``prob[y,h1]`` in
    other families without regressors (with them, ``V`` and ``D`` are on the scale of the log or the
    logit).

    References
    ----------
    Hamilton (1989), Econometrica 57, 357-384; Hamilton (1994), Time Series Analysis, chapter 22.
    Zucchini, MacDonald and Langrock (2016), Hidden Markov Models for Time Series, 2nd edition.
    Filardo (1994), Journal of Business & Economic Statistics 12, 299-308.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.models.markov import MarkovRNN
    >>> y = np.r_[np.sin(np.arange(30.0)), 5.0 + np.cos(np.arange(30.0))]
    >>> MarkovRNN(y, switching="trend").param_names
    ('p[h1->h1]', 'p[h2->h1]', 'V[y,h1]', 'V[y,h2]', 'obs_cov[y,y]')
    """

    name: ClassVar[str] = "MarkovRNN"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        k_regimes: int = 2,
        emission: object = "gaussian",
        exog_transition: object = None,
        order: int = 0,
        ar_form: ArForm = "intercept",
        switching: str | Iterable[str] = ("trend", "exog", "ar", "variance"),
        start: object = "stationary",
        groups: object = None,
        trend: TrendName = "c",
        fixed: Mapping[str, float | str] | None = None,
    ) -> None:
        caller = self.name
        self.k_regimes = check_int(
            k_regimes,
            name="k_regimes",
            caller=caller,
            minimum=1,
            hint="A model without regimes has 1.",
        )
        self.trend: TrendName = check_literal(
            trend, get_args(TrendName), name="trend", caller=caller
        )
        outputs = assembly.read_outputs(endog, emission, groups, caller)
        self.endog, self.levels = outputs.endog, outputs.levels
        self.emission = specification.public_emission(outputs.emissions)
        self.exog = Exog.from_input(exog, self.endog, caller=caller)
        self.exog_transition = Exog.from_input(
            exog_transition, self.endog, caller=caller, what="exog_transition"
        )
        self.order, self.ar_form = specification.check_lags(
            outputs.emissions, order, ar_form, self.k_endog, caller
        )
        rows = None if isinstance(endog, Endog) else self.endog.nobs  # known outputs: any number
        specification.check_size(self.k_regimes, self.order, self.ar_form, rows, caller)
        self.switching = specification.switching_words(switching, caller)
        self.start = specification.kept_start(start)
        made = assembly.assemble(self, outputs.emissions, restrictions(fixed, caller))
        self.blocks: tuple[Block, ...] = made.blocks
        self.layout = made.layout
        self.transform_blocks = made.transforms
        self.transform = Transform.for_layout(self.layout, made.transforms)
        self.likelihood: MarkovLikelihood = made.likelihood
        self.sample = made.sample
        self.n_starts_default = default_number(self.k_regimes)
        self._frozen = True

    def __repr__(self) -> str:
        return specification.one_line(self)

    def clone(
        self,
        endog: object,
        exog: object = None,
        *,
        exog_transition: object = None,
        groups: object = None,
        start: object = None,
    ) -> MarkovRNN:
        """Return the same structure, restrictions included, on other data.

        Parameters
        ----------
        endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        exog : Series, DataFrame or array_like, optional
            Needed when this model has regressors.
        exog_transition : Series, DataFrame or array_like, optional
            Needed when this model has inputs of the transitions.
        groups : str, Series or array_like, optional
            Sequence of each row; default a single one, or those of an index with two levels.
        start : array_like or DataFrame, optional
            Start by sequence, where this model has one.

        Returns
        -------
        MarkovRNN

        Raises
        ------
        SpecificationError
            For inputs where this model has none, or none where it has some.
        """
        assembly.check_clone(self, exog, exog_transition, start)
        given = self._arguments() | {"exog_transition": exog_transition}
        if start is not None:
            given["start"] = start
        outputs = assembly.read_outputs(endog, self.emission, groups, self.name)
        return type(self)(outputs.endog, exog, fixed=self.layout.fixed, **given)

    def fit(
        self,
        *,
        start_params: ArrayLike | None = None,
        method: str = "auto",
        n_starts: int | None = None,
        maxiter: int = 500,
        cov_type: str = "oim",
        cov_kwds: Mapping[str, Any] | None = None,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
        n_jobs: int = 1,
        order_regimes: OrderRule = "auto",
    ) -> MarkovResults:
        """Maximum likelihood.

        Parameters
        ----------
        start_params : array_like, optional
            As in `LikelihoodModel.fit`.
        method : {"auto", "em", "bfgs", "newton", "scoring"}
            "auto": EM from every start, the best ends climbed on with the exact score.
        n_starts, maxiter, cov_type, cov_kwds, rng, progress, n_jobs
            As in `LikelihoodModel.fit`.
        order_regimes : {"auto", "mean", "variance", "persistence", "none"} or callable
            How the regimes of the maximum are numbered, where their numbers mean nothing to the
            model: by the mean of the first output, by its variance, by the probability of staying,
            or by a function of the parameters (a Series) that gives a key a regime; ascending.
            "auto": by the mean, then the variance; as in `start_params` where these are the only
            start.

        Returns
        -------
        MarkovResults
            Also when the optimiser stopped early: ``results.convergence`` says how it went.

        Raises
        ------
        DataError
            When there are not more observations than free parameters, or an output does not vary.
        SpecificationError
            For an argument that is not allowed, or when no start is admissible.

        Warns
        -----
        ConvergenceWarning
            When the optimiser stopped before its criteria were met, or every maximum found owes its
            height to a regime that sits on a few rows.
        """
        found: MarkovResults = fitting.fit(
            self,
            start_params=start_params,
            method=method,
            n_starts=n_starts,
            maxiter=maxiter,
            cov_type=cov_type,
            cov_kwds=cov_kwds,
            rng=rng,
            progress=progress,
            n_jobs=n_jobs,
            order_regimes=order_regimes,
        )
        return found

    def _arguments(self) -> dict[str, Any]:
        """Arguments of the constructor that do not hold data row by row."""
        kept = ("k_regimes", "emission", "order", "ar_form", "switching", "start", "trend")
        return {name: getattr(self, name) for name in kept}

    def _rebuild(
        self, endog: object, exog: object, fixed: Mapping[str, float | str] | None
    ) -> MarkovRNN:
        given = self._arguments() | {"exog_transition": self.exog_transition}
        return type(self)(endog, exog, fixed=fixed, **given)

    def _make_results(
        self,
        theta: FloatArray,
        cov_type: str,
        convergence: Convergence | None,
        cov_kwds: Mapping[str, Any] | None,
    ) -> MarkovResults:
        from rnnstats.results.markov import MarkovResults

        return MarkovResults.from_fit(
            self,
            theta,
            cov_type=cast("CovType", cov_type),
            convergence=convergence,
            cov_kwds=cov_kwds,
        )

    def _starting_points(self, rng: np.random.Generator, number: int) -> list[StartPoint]:
        return starting_points(self, rng, number)
