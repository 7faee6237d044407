"""Bootstrap of a fitted model: draw samples, refit each, keep the estimates.

Each draw has a random stream of its own (`numpy.random.SeedSequence.spawn`), and draws are made in
blocks of a fixed size: the numbers depend neither on the number of processes nor, draw by draw, on
how many draws are asked for.

References
----------
Stoffer, D. S. and Wall, K. D. (1991), Bootstrapping state-space models: Gaussian maximum likelihood
estimation and the Kalman filter, JASA 86, 1024-1033.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import warn
from rnnstats._parallel import worked_through
from rnnstats.errors import ConvergenceWarning
from rnnstats.estimation.drawing import Sampled
from rnnstats.estimation.progress import Counter

__all__ = [
    "BootstrapKind",
    "Draws",
    "Job",
    "Refit",
    "SampleSource",
    "resample",
    "say_failures",
    "streams",
]

# Share of failed fits from which on it is said.
MANY = 0.05

FloatArray = NDArray[np.float64]
BootstrapKind = Literal["parametric", "innovations"]
# Draws of one block: simulated together, and the unit of work of a process.
BLOCK = 25
DEFAULT_SEED = 20240913


class Refit(NamedTuple):
    """Estimates (K,) of one sample; None where the fit failed, and then the reason."""

    theta: FloatArray | None
    message: str


class SampleSource(Protocol):
    """What draws samples of the same length, inputs and gaps as the data, at the estimates."""

    # One sample, (nobs, p).
    def one(self, rng: np.random.Generator) -> FloatArray: ...

    # Samples of one stream each; `size` is the number of streams of a full block. With a `pool`
    # errors are drawn from its rows. `ahead` asks for rows past the sample.
    def block(
        self,
        seeds: Sequence[np.random.SeedSequence],
        size: int,
        pool: FloatArray | None,
        ahead: bool,
    ) -> Sampled: ...


class Future(NamedTuple):
    """One sample as a forecaster sees it, with what the model that drew it knows.

    Attributes
    ----------
    theta : ndarray, shape (K,)
        Estimates from the sample.
    values : ndarray, shape (nobs, p)
        The sample.
    mean : ndarray, shape (steps, p)
        Mean of the rows to come at the parameters of the draw, given the sample without gaps.
    path : ndarray, shape (steps, p)
        Rows to come.
    """

    theta: FloatArray
    values: FloatArray
    mean: FloatArray
    path: FloatArray


@dataclass(frozen=True, eq=False)
class Job:
    """What every draw needs; sent to the processes once a block.

    Attributes
    ----------
    sampler : SampleSource
    refit : callable
        Sample (nobs, p) to `Refit`.
    pool : ndarray, shape (rows, p), or None
        Standardised errors to draw rows from with replacement; None for normal ones.
    extra : callable, optional
        `Future` to an array of a fixed shape, kept with the draw.
    """

    sampler: SampleSource
    refit: Callable[[FloatArray], Refit]
    pool: FloatArray | None = None
    extra: Callable[[Future], FloatArray] | None = None


@dataclass(frozen=True, eq=False)
class Draws:
    """What resampling leaves.

    Attributes
    ----------
    theta : ndarray, shape (draws, K)
        Estimates of the draws whose fit succeeded.
    numbers : ndarray of int, shape (draws,)
        Which draws these are, from 0.
    failures : tuple of (int, str)
        The other draws with the reason.
    asked : int
        Draws asked for; fewer were made where the work was interrupted.
    extra : ndarray, shape (draws, ...), or None
        What `Job.extra` gave.
    """

    theta: FloatArray
    numbers: NDArray[np.intp]
    failures: tuple[tuple[int, str], ...]
    asked: int
    extra: FloatArray | None

    @property
    def made(self) -> int:
        """Draws made, failures included."""
        return len(self.theta) + len(self.failures)


class _Drawn(NamedTuple):
    theta: FloatArray | None
    message: str
    extra: FloatArray | None


def streams(rng: np.random.Generator, number: int) -> list[np.random.SeedSequence]:
    """Independent random streams, one a draw.

    Parameters
    ----------
    rng : numpy.random.Generator
        Moved on by four numbers.
    number : int

    Returns
    -------
    list of numpy.random.SeedSequence
        The first ones are the same for a larger `number`.
    """
    return np.random.SeedSequence(rng.integers(0, 2**32, size=4).tolist()).spawn(number)


def resample(
    job: Job,
    nboot: int,
    rng: np.random.Generator,
    *,
    n_jobs: int = 1,
    progress: bool = False,
    partial: bool = True,
    caller: str = "bootstrap",
) -> Draws:
    """
    Draw and refit.

    Parameters
    ----------
    job : Job
    nboot : int
        Number of draws.
    rng : numpy.random.Generator
    n_jobs : int
        Processes (joblib), -1 for all; the numbers do not depend on it.
    progress : bool
        Show a bar when the work takes over about two seconds.
    partial : bool
        Whether an interrupt (Ctrl-C) ends here, with the draws of the blocks finished by then.
    caller : str
        Method that the user called, for the warning.

    Returns
    -------
    Draws

    Raises
    ------
    KeyboardInterrupt
        Where no block was finished, or `partial` is False.

    Warns
    -----
    ConvergenceWarning
        Where the work was interrupted and goes on with what there is.
    """
    seeds = streams(rng, nboot)
    blocks = [seeds[at : at + BLOCK] for at in range(0, nboot, BLOCK)]
    counter = Counter(progress, nboot, "bootstrap", "draw")
    drawn: list[_Drawn] = []
    try:
        for block in worked_through(functools.partial(_block, job), blocks, n_jobs):
            drawn += block
            counter.add(len(block))
    except KeyboardInterrupt:
        if not (drawn and partial):
            raise
        warn(
            f"{caller}: interrupted; the results rest on {len(drawn)} of {nboot} draws.",
            ConvergenceWarning,
        )
    finally:
        counter.close()
    return _collected(drawn, nboot)


def say_failures(draws: Draws, caller: str) -> None:
    """Warn if more than one fit in twenty failed: those that are left are a selection.

    Parameters
    ----------
    draws : Draws
    caller : str

    Warns
    -----
    ConvergenceWarning
    """
    failed = len(draws.failures)
    if failed > MANY * draws.made:
        warn(
            f"{caller}: {failed} of {draws.made} fits of drawn samples failed and are left out, "
            f"the first one: {draws.failures[0][1]}",
            ConvergenceWarning,
        )


def _block(job: Job, seeds: Sequence[np.random.SeedSequence]) -> list[_Drawn]:
    """Draw the samples of a block together and refit one after the other."""
    found = job.sampler.block(seeds, BLOCK, job.pool, job.extra is not None)
    drawn = []
    for i in range(len(seeds)):
        theta, message = job.refit(found.samples[i])
        extra = None
        if theta is not None and job.extra is not None:
            extra = job.extra(Future(theta, found.samples[i], found.means[i], found.paths[i]))
        drawn.append(_Drawn(theta, message, extra))
    return drawn


def _collected(drawn: Sequence[_Drawn], asked: int) -> Draws:
    good = [i for i, one in enumerate(drawn) if one.theta is not None]
    failures = tuple((i, one.message) for i, one in enumerate(drawn) if one.theta is None)
    theta = np.array([drawn[i].theta for i in good], dtype=float)
    extra = None
    if good and drawn[good[0]].extra is not None:
        extra = np.array([drawn[i].extra for i in good], dtype=float)
    return Draws(theta, np.array(good, dtype=np.intp), failures, asked, extra)
