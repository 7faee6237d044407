"""Likelihood-ratio tests of K against K + 1 regimes by the parametric bootstrap.

Under K regimes the parameters of one more are not identified, and the ratio has no chi-squared
distribution. Its distribution is found by drawing samples from the fitted model of K regimes and
doing with each what was done with the data (McLachlan 1987).

References
----------
McLachlan, G. J. (1987), On bootstrapping the likelihood ratio test statistic for the number of
components in a normal mixture, Applied Statistics 36, 318-324.
Ryden, T. (2008), EM versus Markov chain Monte Carlo for estimation of hidden Markov models: a
computational perspective, Bayesian Analysis 3, 659-688.
Kasahara, H. and Shimotsu, K. (2018), Testing the number of regimes in Markov regime switching
models, arXiv:1801.06862.
Davison, A. C. and Hinkley, D. V. (1997), Bootstrap Methods and their Application, ch. 4.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import warn
from rnnstats._parallel import worked_through
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.estimation.bootstrap import streams
from rnnstats.estimation.progress import Counter
from rnnstats.results.regimes.forecasting.simulation import resampled
from rnnstats.results.regimes.inference.refitting import moved
from rnnstats.selection.regime_fits import FittedRegimes, fit_one, lifted
from rnnstats.selection.running import has_converged

if TYPE_CHECKING:
    from rnnstats.results.regimes.protocol import RegimeModel

__all__ = ["RegimeTest", "Replicate", "bootstrap_test"]

FloatArray = NDArray[np.float64]
# Draws of one piece of work of a process.
BLOCK = 5


@dataclass(frozen=True, eq=False)
class RegimeTest:
    """Test of K against K + 1 regimes.

    Attributes
    ----------
    k_regimes : int
        K, the number under the null hypothesis.
    statistic : float
        Twice the difference of the log-likelihoods.
    draws : ndarray, shape (draws,)
        The statistic in the samples drawn from the fit of K regimes, in the order they were drawn.
    unconverged : int
        Draws in which one of the two fits stopped early; they are used.
    failures : tuple of (int, str)
        Number of the draw and reason, where a model could not be fitted; they are left out.
    asked : int
        Draws asked for; fewer were made where the work was interrupted.
    """

    k_regimes: int
    statistic: float
    draws: FloatArray
    unconverged: int
    failures: tuple[tuple[int, str], ...]
    asked: int

    @property
    def pvalue(self) -> float:
        """(1 + draws at or above the statistic) / (1 + draws), Davison and Hinkley (4.11)."""
        return float((1 + (self.draws >= self.statistic).sum()) / (1 + len(self.draws)))

    @property
    def mc_error(self) -> float:
        """Standard deviation of the p-value over sets of draws: of a binomial share."""
        p = self.pvalue
        return float(np.sqrt(p * (1.0 - p) / (1 + len(self.draws))))

    def critical(self, alpha: float = 0.05) -> float:
        """Value that the statistic exceeds under the null hypothesis with a given probability.

        Parameters
        ----------
        alpha : float

        Returns
        -------
        float
            The order statistic of rank (1 - alpha) (draws + 1), rounded up; inf where there are
            too few draws for it.
        """
        rank = int(np.ceil((1.0 - alpha) * (len(self.draws) + 1) - 1e-9))
        return float("inf") if rank > len(self.draws) else float(np.sort(self.draws)[rank - 1])

    @property
    def words(self) -> str:
        """What went wrong, or nothing."""
        made = len(self.draws) + len(self.failures)
        found = [f"{made} of {self.asked} draws (interrupted)"] if made < self.asked else []
        if self.failures:
            number, reason = self.failures[0]
            found.append(
                f"{len(self.failures)} draws could not be fitted (draw {number}: {reason})"
            )
        if self.unconverged:
            found.append(f"in {self.unconverged} draws a fit stopped early")
        return "; ".join(found)


class Replicate(NamedTuple):
    """One draw: the statistic, or None with the reason."""

    statistic: float | None
    converged: bool
    reason: str


@dataclass(frozen=True, eq=False)
class Job:
    """What every draw needs; sent to the processes once a block.

    Attributes
    ----------
    null, larger : RegimeModel
        The models of K and K + 1 regimes.
    theta : ndarray, shape (q,)
        Estimates of the first.
    n_starts, maxiter : int or None, int
        As for the data.
    """

    null: RegimeModel
    larger: RegimeModel
    theta: FloatArray
    n_starts: int | None
    maxiter: int

    def one(self, seed: np.random.SeedSequence) -> Replicate:
        """Draw one sample and compute the statistic.

        Parameters
        ----------
        seed : numpy.random.SeedSequence

        Returns
        -------
        Replicate
        """
        rng = np.random.default_rng(seed)
        values = np.ascontiguousarray(resampled(self.null, self.theta, rng))
        values.flags.writeable = False
        start = int(rng.integers(2**32))
        fits: list[FittedRegimes] = []
        for model in (self.null, self.larger):
            try:
                on = partial(_on, model, values)
                k = model.k_regimes
                fit = fit_one(on, k, self.n_starts, self.maxiter, start, "none")
            except SpecificationError as error:  # no start is admissible in this sample
                fit = FittedRegimes(model.k_regimes, None, str(error))
            below = fits[0].results if fits else None
            fits.append(lifted(fit, below, self.maxiter, "none"))
            if fits[-1].results is None:
                return Replicate(None, False, fits[-1].reason)
            if fits[-1].interrupted:
                raise KeyboardInterrupt
        small, large = fits[0].results, fits[1].results
        return Replicate(ratio(small, large), all(has_converged(x) for x in (small, large)), "")


def _on(model: RegimeModel, values: FloatArray, _: int) -> RegimeModel:
    return moved(model, values)


def ratio(small: Any, large: Any) -> float:
    """Likelihood-ratio statistic of two results, not below zero.

    Parameters
    ----------
    small, large : MarkovResults
    """
    return float(max(2.0 * (large.llf - small.llf), 0.0))


def bootstrap_test(
    job: Job, large: Any, small: Any, nboot: int, rng: np.random.Generator, *, n_jobs: int,
    progress: bool, caller: str,
) -> RegimeTest:  # fmt: skip
    """Test a number of regimes against one more.

    Parameters
    ----------
    job : Job
    large, small : MarkovResults
        The two fits to the data.
    nboot : int
        Number of draws.
    rng : numpy.random.Generator
        Moved on by four numbers.
    n_jobs : int
        Processes, -1 for all; the numbers do not depend on it.
    progress : bool
        Show a bar when the work takes over about two seconds.
    caller : str
        Method that the user called, for errors and warnings.

    Returns
    -------
    RegimeTest

    Raises
    ------
    DataError
        When no draw could be fitted.
    KeyboardInterrupt
        Where no draw was finished.

    Warns
    -----
    ConvergenceWarning
        Where the work was interrupted and goes on with what there is, or one draw in twenty
        could not be fitted.
    """
    seeds = streams(rng, nboot)
    blocks = [seeds[at : at + BLOCK] for at in range(0, nboot, BLOCK)]
    k = job.null.k_regimes
    drawn: list[Replicate] = []
    with Counter(progress, nboot, f"{k} against {k + 1} regimes", "draw") as counter:
        for block in _spread(job, blocks, n_jobs):
            for found in block:
                drawn.append(found)
                counter.add()
    if counter.interrupted:
        if not drawn:
            raise KeyboardInterrupt
        warn(
            f"{caller}: interrupted; the test rests on {len(drawn)} of {nboot} draws.",
            ConvergenceWarning,
        )
    failures = tuple((i, x.reason) for i, x in enumerate(drawn) if x.statistic is None)
    if len(failures) == len(drawn):
        raise DataError(
            f"{caller}: some draw must allow both models; got {len(drawn)} that do not "
            f"({failures[0][1]}). Test fewer regimes."
        )
    if 20 * len(failures) > len(drawn):
        warn(
            f"{caller}: {len(failures)} of {len(drawn)} draws could not be fitted and are left "
            f"out; the first: {failures[0][1]}",
            ConvergenceWarning,
        )
    values = np.array([x.statistic for x in drawn if x.statistic is not None])
    stopped = sum(x.statistic is not None and not x.converged for x in drawn)
    return RegimeTest(k, ratio(small, large), values, stopped, failures, nboot)


def _spread(
    job: Job, blocks: Sequence[Sequence[np.random.SeedSequence]], n_jobs: int
) -> Iterator[Iterable[Replicate]]:
    """Work through the blocks in order, here (a draw at a time) or in other processes."""
    if n_jobs == 1 or len(blocks) == 1:
        for block in blocks:
            yield map(job.one, block)
        return
    yield from worked_through(partial(_block, job), blocks, n_jobs)


def _block(job: Job, seeds: Sequence[np.random.SeedSequence]) -> list[Replicate]:
    return [job.one(seed) for seed in seeds]
