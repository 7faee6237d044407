"""Parameters drawn from the asymptotic law of the estimates, and what is done with each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

import numpy as np

from rnnstats._checks import warn
from rnnstats._parallel import worked_through
from rnnstats.errors import (
    ConvergenceWarning,
    DataError,
    NotPositiveDefiniteError,
    NotStationaryError,
    SpecificationError,
)
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.estimation.progress import Counter
from rnnstats.results.protocol import FloatArray

__all__ = ["FEWEST", "IMPOSSIBLE", "asymptotic_draws", "bootstrap_draws", "each", "usable"]

T = TypeVar("T")
# What a draw may be refused for.
IMPOSSIBLE = (NotPositiveDefiniteError, NotStationaryError, SpecificationError)
# The least number of draws that make a distribution.
FEWEST = 20
# Draws that one process gets at a time.
BLOCK = 10
# Share of unusable draws from which on it is said.
MANY = 0.05


def asymptotic_draws(
    model: Any,
    theta: FloatArray,
    covariance: CovarianceEstimate,
    number: int,
    rng: np.random.Generator,
    *,
    caller: str,
) -> FloatArray:
    r"""Draw parameters around the estimates.

    Parameters
    ----------
    model : RecurrentModel
        With its ``transform`` between free natural parameters and unconstrained ones.
    theta : ndarray of shape (K,)
        Estimates.
    covariance : CovarianceEstimate
        Of the natural parameters. Directions that the data do not identify stay where they are.
    number : int
        Even number of draws, in pairs opposite to each other around the estimates.
    rng : numpy.random.Generator
    caller : str

    Returns
    -------
    ndarray of shape (number, K)

    Raises
    ------
    SpecificationError
        There is no covariance of the estimates.

    Notes
    -----
    Normal in unconstrained coordinates (Cholesky factors of covariances, logs of dispersions), with
    covariance :math:`J^{-1} C J^{-1\prime}`, so that every draw is admissible. Where there are
    twice as many pairs as parameters the second moments of the draws are exact.
    """
    layout = model.layout
    if layout.k_free and covariance.rank == 0:
        raise SpecificationError(
            f"{caller}: parameter uncertainty needs the covariance of the estimates; got none for "
            "any parameter. Fit with another cov_type, or use 'bootstrap' or 'plugin'."
        )
    free = layout.reduce(theta)
    held = model.transform.holding(free)
    point = held.to_unconstrained(free)
    places = [list(layout.names).index(name) for name in layout.free_names]
    cov = covariance.holding_boundary().generalised[np.ix_(places, places)]
    back = np.linalg.pinv(held.jacobian(point))
    spread = back @ cov @ back.T
    size = np.sqrt(np.maximum(np.diagonal(spread), 0.0))
    unit = np.where(size > 0.0, size, 1.0)
    values, vectors = np.linalg.eigh(spread / np.multiply.outer(unit, unit))
    factor = unit[:, None] * vectors * np.sqrt(np.maximum(values, 0.0))
    noise = _matched(rng.standard_normal((number // 2, len(point)))) @ factor.T
    drawn = np.concatenate([point + noise, point - noise])
    return np.array([layout.expand(held.to_natural(one)) for one in drawn])


def _matched(noise: FloatArray) -> FloatArray:
    """Give draws unit second moments exactly, where there are enough of them."""
    rows, k = noise.shape
    if rows < 2 * k:
        return noise
    factor = np.linalg.cholesky(noise.T @ noise / rows)
    return np.asarray(np.linalg.solve(factor, noise.T).T)


def bootstrap_draws(results: Any, given: Any, options: dict[str, Any], caller: str) -> FloatArray:
    """Estimates from drawn samples.

    Parameters
    ----------
    results : RecurrentResults
    given : Bootstrap or None
        Draws there are already.
    options : dict
        Of ``results.bootstrap`` otherwise.
    caller : str

    Returns
    -------
    ndarray of shape (draws, K)

    Raises
    ------
    SpecificationError
        What was given is no bootstrap of these results.
    DataError
        Too few fits to drawn samples converged.
    """
    found = results.bootstrap(**options) if given is None else given
    draws = np.asarray(getattr(found, "theta", None), dtype=float)
    size = len(results.model.param_names)
    if draws.ndim != 2 or draws.shape[1] != size:
        raise SpecificationError(
            f"{caller}: bootstrap must be what bootstrap() of these results returns, with draws of "
            f"their {size} parameters; got {type(found).__name__}. Call bootstrap()."
        )
    failed = len(getattr(found, "failed", ()))
    if failed and len(draws) < FEWEST:
        raise DataError(
            f"{caller}: at least {FEWEST} fits to drawn samples must converge; got {len(draws)} of "
            f"{len(draws) + failed}. Use a penalty or fewer units, or uncertainty='delta'."
        )
    return draws


def each(
    work: Callable[[FloatArray, np.random.SeedSequence], T | None],
    thetas: FloatArray,
    rng: np.random.Generator,
    *,
    n_jobs: int = 1,
    progress: bool = False,
    caller: str,
) -> list[T]:
    """Do something at each parameter vector.

    Parameters
    ----------
    work : callable
        Parameters (K,) and a random stream to a value, or None where there is none.
    thetas : ndarray of shape (draws, K)
    rng : numpy.random.Generator
    n_jobs : int
        Processes (joblib); the numbers do not depend on it.
    progress : bool
        Show a bar when the work takes over about two seconds.
    caller : str

    Returns
    -------
    list
        Values, those that are None left out. An interrupt (Ctrl-C) leaves those made by then, if
        they make a distribution.

    Raises
    ------
    DataError
        Too few values.

    Warns
    -----
    ConvergenceWarning
        Interrupted, or more than one draw in twenty without a value.
    """
    seeds = np.random.SeedSequence(rng.integers(0, 2**32, size=4).tolist()).spawn(len(thetas))
    blocks = [
        (thetas[at : at + BLOCK], seeds[at : at + BLOCK]) for at in range(0, len(thetas), BLOCK)
    ]
    counter = Counter(progress, len(thetas), caller, "draw")
    found: list[T] = []
    made = 0
    try:
        for values in worked_through(partial(_block, work), blocks, n_jobs):
            made += len(values)
            found += [value for value in values if value is not None]
            counter.add(len(values))
    except KeyboardInterrupt:
        if len(found) < FEWEST:
            raise
        warn(
            f"{caller}: interrupted; the results rest on {made} of {len(thetas)} draws of the "
            "parameters.",
            ConvergenceWarning,
        )
    finally:
        counter.close()
    return usable(found, made, caller)


def _block(work: Any, block: tuple[FloatArray, Sequence[np.random.SeedSequence]]) -> list[Any]:
    found = []
    for theta, seed in zip(*block, strict=True):
        try:
            found.append(work(theta, seed) if np.isfinite(theta).all() else None)
        except IMPOSSIBLE:
            found.append(None)
    return found


def usable(found: list[T], made: int, caller: str) -> list[T]:
    """Check that enough draws have a value.

    Parameters
    ----------
    found : list
    made : int
        Draws in all.
    caller : str

    Returns
    -------
    list
        The same.

    Raises
    ------
    DataError
        Too few.

    Warns
    -----
    ConvergenceWarning
        More than one draw in twenty has none.
    """
    if len(found) < FEWEST:
        raise DataError(
            f"{caller}: at least {FEWEST} draws of the parameters must be usable; got "
            f"{len(found)} of {made}. Draw more, or take the parameters as known."
        )
    if made - len(found) > MANY * made:
        warn(
            f"{caller}: {made - len(found)} of {made} draws of the parameters are left out: the "
            "model does not exist there, or its paths grow without bound. Intervals are too short.",
            ConvergenceWarning,
        )
    return found
