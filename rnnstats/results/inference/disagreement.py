"""Standard errors from different covariances side by side, and whether they disagree."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._checks import warn
from rnnstats._compat import wrapped
from rnnstats._table import frozen
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.bootstrap import SampleSource
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.disagreement import InformationTest, indicators, information_test
from rnnstats.estimation.progress import Counter
from rnnstats.results.inference.covariances import Derivatives, hessian_along, without_fixed
from rnnstats.results.protocol import FittedModel, FloatArray, direction_names

__all__ = ["CovarianceComparison", "compared", "simulated_test"]

# Ratio of standard errors beyond which a difference is worth a word, whatever its significance.
RATIO = 1.25
# Draws beyond the number of indicators and parameters together, at least.
SPARE = 30
REJECTS = (
    "The information-matrix test rejects (p = {p:.3g}): the variance of the scores is not the "
    "curvature of the log-likelihood, so the model is wrong in a way that its standard errors "
    "feel: innovations that are not normal or change in variance, outliers, or wrong dynamics. "
    "Those from the information alone (oim, approx) and from the scores alone (opg) are then not "
    "valid; 'robust' ones are if the errors are unpredictable, 'hac' ones if they are not, too, "
    "for the parameters that the model then estimates. See test_normality, test_heteroskedasticity "
    "and test_serial_correlation for what is wrong."
)
HOLDS = (
    "The information-matrix test does not reject (p = {p:.3g}): the columns differ no more than in "
    "samples from the model itself."
)
WITHOUT = "No test was made (nboot=0): judge by the ratios."


@dataclass(frozen=True, eq=False, repr=False)
class CovarianceComparison:
    """Standard errors side by side, with a test of whether they estimate the same thing.

    Attributes
    ----------
    statistic : float
        Of the information-matrix test: squared distance of the relative differences between
        sandwich and information from zero, in their covariance over samples from the model. NaN
        without a test.
    pvalue : float
        By simulation from the fitted model.
    disagree : bool
        Whether the test rejects at level `alpha`.
    flagged : tuple of str
        Parameters with a standard error more than 1.25 times the first kind's, or less than 1/1.25.
    nboot : int
        Number of simulated samples.
    alpha : float
    """

    statistic: float
    pvalue: float
    disagree: bool
    flagged: tuple[str, ...]
    nboot: int
    alpha: float
    _table: pd.DataFrame

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a free parameter (a copy).

        Standard errors by kind, ratios to the first kind, and "P(sandwich/information)": the
        simulated p-value of the relative difference between the sandwich variance and that from the
        information, each parameter alone.
        """
        return self._table.copy()

    @property
    def message(self) -> str:
        """What the comparison says, in words."""
        words = WITHOUT
        if self.nboot:
            words = (REJECTS if self.disagree else HOLDS).format(p=self.pvalue)
        if self.flagged:
            words += f" Ratios beyond {RATIO:g} or 1/{RATIO:g}: {', '.join(self.flagged)}."
        return words

    def summary(self) -> Any:
        """Summary table, with what it says below.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        return _compat.build_table(
            self._table, title="Standard errors side by side", notes=wrapped(self.message)
        )


def compared(
    errors: Mapping[str, pd.Series],
    free_names: Sequence[str],
    test: InformationTest | None,
    *,
    nboot: int,
    alpha: float,
    tested: Sequence[str],
) -> CovarianceComparison:
    """Arrange standard errors and the test.

    Parameters
    ----------
    errors : mapping of str to Series
        Standard errors by kind; the first one is what others are divided by.
    free_names : sequence of str
        Parameters that are neither fixed nor tied.
    test : InformationTest, optional
    nboot : int
    alpha : float
    tested : sequence of str
        Parameters of the test's indicators.

    Returns
    -------
    CovarianceComparison
    """
    table = pd.DataFrame({kind: values[list(free_names)] for kind, values in errors.items()})
    first = str(table.columns[0])
    for kind in list(table.columns[1:]):
        table[f"{kind} / {first}"] = table[kind] / table[first]
    ratios = table.iloc[:, len(errors) :]
    beyond = ((ratios > RATIO) | (ratios < 1.0 / RATIO)).any(axis=1)
    flagged = tuple(str(name) for name in table.index[beyond])
    statistic = pvalue = np.nan
    if test is not None:
        alone = pd.Series(test.pvalues, index=list(tested))
        table["P(sandwich/information)"] = alone.reindex(table.index)
        statistic, pvalue = test.statistic, test.pvalue
    disagree = bool(pvalue < alpha)
    return CovarianceComparison(statistic, pvalue, disagree, flagged, nboot, alpha, table)


def simulated_test(
    found: Derivatives,
    expected: CovarianceEstimate,
    source: SampleSource,
    nboot: int,
    rng: np.random.Generator,
    progress: bool,
) -> tuple[InformationTest, tuple[str, ...], int]:
    """Information-matrix test against samples drawn from the fitted model.

    Parameters
    ----------
    found : Derivatives
        At the maximum.
    expected : CovarianceEstimate
        From the expected information.
    source : SampleSource
        Draws from the model at the estimates.
    nboot : int
    rng : numpy.random.Generator
    progress : bool

    Returns
    -------
    test : InformationTest
    names : tuple of str
        Parameters of the indicators.
    draws : int
        Samples drawn; fewer than asked for where the work was interrupted.

    Raises
    ------
    SpecificationError
        Fewer samples than the covariance of the indicators needs.
    """
    model, theta = found.model, found.theta
    ties = found.directions
    own = np.linalg.pinv(ties)  # of parameters that are not tied it picks the free ones
    inverse = own @ expected.generalised @ own.T
    labels = direction_names(model, ties)
    names = tuple(n for n, v in zip(labels, np.diagonal(inverse), strict=True) if v > 0.0)
    least = len(names) + len(labels) + SPARE
    if nboot < least:
        raise SpecificationError(
            f"compare_covariances: the test needs at least {least} samples for {len(labels)} "
            f"parameters; got nboot={nboot}. Use nboot=0 to leave it out."
        )
    hessian = ties.T @ without_fixed(found.hessian, ties) @ ties
    observed = indicators(hessian, _opg(found.score_obs, ties)[0], inverse)
    length = np.where(np.diagonal(inverse) > 0.0, np.diagonal(inverse), 1.0)
    power = own.T @ np.diag(1.0 / length) @ own
    move = _mover(model, theta)
    drawn, scores = [], []
    counter = Counter(progress, nboot, "information test", "sample")
    try:
        for _ in range(nboot):
            twin = move(source.one(rng))
            opg, score = _opg(twin.score_obs(theta), ties)
            bend = hessian_along(twin, theta, ties, power)
            drawn.append(indicators(bend, opg, inverse))
            scores.append(score)
            counter.add()
    except KeyboardInterrupt:
        if len(drawn) < least:
            raise
        warn(
            f"compare_covariances: interrupted; the test rests on {len(drawn)} of {nboot} samples.",
            ConvergenceWarning,
        )
    finally:
        counter.close()
    test = information_test(observed, np.array(drawn), np.array(scores))
    return test, names, len(drawn)


def _opg(rows: FloatArray, ties: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Outer product and sum of the scores by the free parameters."""
    live = ties.any(axis=1)
    free = np.where(live, rows, 0.0) @ ties
    return free.T @ free, free.sum(axis=0)


def _mover(model: FittedModel, theta: FloatArray) -> Callable[[FloatArray], Any]:
    """Return what puts the model on other outputs with the same gaps."""
    refitter = getattr(model, "_refitter", None)
    if refitter is not None:
        quick = refitter(theta).on
        return lambda values: quick(np.ascontiguousarray(values))

    def move(values: FloatArray) -> Any:
        return model.clone(replace(model.endog, values=frozen(values)), model.exog)

    return move
