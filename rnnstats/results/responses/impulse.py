"""Shocks of a system, and what outputs answer to them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnnstats.equivalence.riccati import SteadyState
from rnnstats.equivalence.steady import settled, shares_noise
from rnnstats.equivalence.steady import steady_state as solved_steady_state
from rnnstats.errors import NotPositiveDefiniteError, SpecificationError
from rnnstats.kernels.system import StateSpace
from rnnstats.results.forecasting.prediction import find_name
from rnnstats.results.protocol import FloatArray

__all__ = [
    "ShockKind",
    "ShockSize",
    "Shocks",
    "cholesky_factor",
    "find_shocks",
    "impulse_columns",
    "innovation_shocks",
    "noise_is_innovation",
    "moving_average",
    "noise_shocks",
    "scaled_responses",
    "shock_names",
    "steady_state",
]

ShockKind = Literal["noises", "innovations"]
ShockSize = Literal["unit", "orthogonalized", "generalized"]
# A shock's variance given others, below this share of it, is rounding.
SINGULAR = 1e-12
# Most filters settle within so many rows, which takes a tenth of the time of the algebra.
QUICK = 64


class Shocks(NamedTuple):
    """Shocks that a system can be hit by.

    Attributes
    ----------
    names : tuple of str
        k of them.
    aliases : tuple of str
        Other names for the same, or empty.
    direct : ndarray of shape (k_endog, k)
        Response of the outputs in the row of the shock.
    loading : ndarray of shape (k_states, k)
        Response of the predicted state of the row after the shock.
    cov : ndarray of shape (k, k)
        Covariance of the shocks.
    """

    names: tuple[str, ...]
    aliases: tuple[str, ...]
    direct: FloatArray
    loading: FloatArray
    cov: FloatArray


def shock_names(
    system: StateSpace, outputs: tuple[str, ...], states: tuple[str, ...]
) -> tuple[str, ...]:
    """Name the shocks of a system.

    Parameters
    ----------
    system : StateSpace
    outputs, states : tuple of str

    Returns
    -------
    tuple of str
        The outputs where output noise and state noise are one and the same, or the state noises
        are the innovations of the outputs (vector autoregressions); otherwise, for each state
        noise, the state that it enters (``noise1`` and so on where it enters several).
    """
    if system.cross_cov.any() or noise_is_innovation(system):
        return outputs
    return _entered(system, states)


def _entered(system: StateSpace, states: tuple[str, ...]) -> tuple[str, ...]:
    """Name each state noise after the state that it enters."""
    names = []
    for j, column in enumerate(system.selection.T):
        entered = np.flatnonzero(column)
        names.append(states[entered[0]] if entered.size == 1 else f"noise{j + 1}")
    return tuple(names)


def steady_state(system: StateSpace) -> SteadyState:
    """Return gain and covariances of the filter's steady state.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    SteadyState
        As `rnnstats.equivalence.steady.steady_state`, which is asked where a short run of the
        filter does not tell.

    Raises
    ------
    SpecificationError
        The filter does not settle.
    """
    found = settled(system, QUICK)
    if found is not None:
        return found
    try:
        return solved_steady_state(system, caller="innovations")
    except SpecificationError as error:
        raise SpecificationError(f"{error} Or take the noises of the states as shocks.") from error


def noise_is_innovation(system: StateSpace) -> bool:
    """Say whether each state noise is the innovation of one output, as in a vector autoregression.

    Parameters
    ----------
    system : StateSpace

    Returns
    -------
    bool
        True where ``V R = I``, there is no output noise, and the past outputs determine the past
        states.
    """
    p = system.k_endog
    if system.k_posdef != p or system.obs_cov.any() or system.cross_cov.any():
        return False
    if not np.array_equal(system.design @ system.selection, np.eye(p)):
        return False
    closed = system.transition - system.selection @ (system.design @ system.transition)
    return bool(np.abs(np.linalg.eigvals(closed)).max() < 1.0 - 1e-8)


def innovation_shocks(system: StateSpace, outputs: tuple[str, ...]) -> Shocks:
    """Return the innovations, one an output.

    Parameters
    ----------
    system : StateSpace
    outputs : tuple of str

    Returns
    -------
    Shocks
        The system's own where its noises are innovations, otherwise the one-step-ahead errors in
        the steady state of the filter (Wold's).

    Raises
    ------
    SpecificationError
        The filter does not settle.
    """
    direct = np.eye(system.k_endog)
    if shares_noise(system):
        return Shocks(outputs, (), direct, system.selection, system.obs_cov)
    if noise_is_innovation(system):
        loading = system.transition @ system.selection
        return Shocks(outputs, (), direct, loading, system.state_cov)
    steady = steady_state(system)
    return Shocks(outputs, (), direct, steady.gain, steady.innovation_cov)


def noise_shocks(
    system: StateSpace, outputs: tuple[str, ...], states: tuple[str, ...]
) -> Shocks | None:
    """Return the noises that drive the states.

    Parameters
    ----------
    system : StateSpace
    outputs, states : tuple of str

    Returns
    -------
    Shocks or None
        None where state and output share noise: then only innovations are shocks.
    """
    if system.cross_cov.any():
        return None
    names = shock_names(system, outputs, states)
    aliases = _entered(system, states) if noise_is_innovation(system) else ()
    direct = system.design @ system.selection
    loading = system.transition @ system.selection
    return Shocks(names, aliases, direct, loading, system.state_cov)


def find_shocks(
    system: StateSpace,
    impulse: int | str | Mapping[str, float] | ArrayLike | None,
    names: tuple[tuple[str, ...], tuple[str, ...]],
    kind: ShockKind | None = None,
) -> Shocks:
    """Return the shocks among which an impulse is looked for.

    Parameters
    ----------
    system : StateSpace
    impulse : int, str, array_like or None
        As the user gave it.
    names : pair of tuples of str
        Outputs and states.
    kind : {"noises", "innovations"}, optional
        By default the noises that drive the states, or the innovations where noise is shared or
        the impulse has the name of an output.

    Returns
    -------
    Shocks
    """
    outputs, states = names
    noises = None if kind == "innovations" else noise_shocks(system, outputs, states)
    if noises is None:
        return innovation_shocks(system, outputs)
    known = (*noises.names, *noises.aliases)
    if kind is None and isinstance(impulse, str) and impulse in outputs and impulse not in known:
        return innovation_shocks(system, outputs)
    return noises


def impulse_columns(
    impulse: int | str | Mapping[str, float] | ArrayLike | None, shocks: Shocks
) -> tuple[FloatArray, tuple[str, ...]]:
    """Return weights of the shocks in each impulse, and names of the impulses.

    Parameters
    ----------
    impulse : int, str, array_like, Series, mapping or None
        Shock by number or name, weights of all shocks (a Series by name, 0 for those that it leaves
        out), or None for every shock by itself.
    shocks : Shocks

    Returns
    -------
    weights : ndarray of shape (k, q)
    labels : tuple of str
        q names.

    Raises
    ------
    SpecificationError
        There is no such shock.
    """
    names = shocks.names
    if impulse is None:
        return np.eye(len(names)), names
    if isinstance(impulse, (int, str, np.integer)):
        if isinstance(impulse, str) and impulse in shocks.aliases:
            impulse = shocks.aliases.index(impulse)
        chosen = find_name(impulse, names, caller="impulse_responses", what="shock")
        return np.eye(len(names))[:, [chosen]], (names[chosen],)
    return _weights(impulse, shocks)[:, None], ("impulse",)


def _weights(impulse: Any, shocks: Shocks) -> FloatArray:
    """Weights of all shocks, those of a labelled Series put in their order."""
    names = shocks.names
    if isinstance(impulse, Mapping):
        impulse = pd.Series(impulse)
    if isinstance(impulse, pd.Series) and not isinstance(impulse.index, pd.RangeIndex):
        labels = tuple(str(key) for key in impulse.index)
        known = names if set(labels) <= set(names) else shocks.aliases
        if len(set(labels)) == len(labels) and set(labels) <= set(known):
            given = dict(zip(labels, impulse.to_numpy(dtype=float), strict=True))
            impulse = [given.get(name, 0.0) for name in known]
        else:
            impulse = list(labels)
    try:
        weights = np.asarray(impulse, dtype=float)
    except (TypeError, ValueError):
        weights = np.full(1, np.nan)
    if weights.shape != (len(names),) or not np.isfinite(weights).all():
        raise SpecificationError(
            f"impulse_responses: impulse must hold one finite weight for each of the {len(names)} "
            f"shocks ({', '.join(names)}); got {impulse!r}. Give the name of one, or None for all."
        )
    return weights


def cholesky_factor(cov: FloatArray) -> FloatArray:
    """Return the Cholesky factor; columns of shocks that add nothing to earlier ones are zero.

    Parameters
    ----------
    cov : ndarray of shape (k, k)
        Positive semi-definite.

    Returns
    -------
    ndarray of shape (k, k)
        Lower triangular, with diagonal at least zero.

    Raises
    ------
    NotPositiveDefiniteError
        A negative variance, given the shocks before.
    """
    try:
        return np.asarray(np.linalg.cholesky(cov))
    except np.linalg.LinAlgError:
        pass
    left, factor = np.array(cov), np.zeros_like(cov)
    for j, size in enumerate(np.diagonal(cov)):
        if left[j, j] < -SINGULAR * size or (size <= 0.0 and left[j].any()):
            raise NotPositiveDefiniteError(
                "impulse_responses: the covariance of shocks must be positive semi-definite; got "
                f"a negative variance of number {j + 1} given those before. Check the parameters."
            )
        if left[j, j] > SINGULAR * size:
            factor[j:, j] = left[j:, j] / np.sqrt(left[j, j])
            left -= np.outer(factor[:, j], factor[:, j])
    return factor


def moving_average(system: StateSpace, shocks: Shocks, steps: int) -> FloatArray:
    """Return the responses of all outputs to all shocks of size one.

    Parameters
    ----------
    system : StateSpace
    shocks : Shocks
    steps : int
        Rows after the shock.

    Returns
    -------
    ndarray of shape (steps + 1, k_endog, k)

    Notes
    -----
    With shared noise the response of y is the shock itself at lag 0 and V W_h^(j-1) K later. A
    state noise enters the state at lag 0: V W_h^j R (Lütkepohl 2005, sections 2.3.2 and 11.3).
    """
    responses = np.empty((steps + 1, *shocks.direct.shape))
    responses[0] = shocks.direct
    state = shocks.loading
    for lag in range(1, steps + 1):
        responses[lag] = system.design @ state
        state = system.transition @ state
    return responses


def scaled_responses(
    average: FloatArray, cov: FloatArray, weights: FloatArray, size: ShockSize
) -> FloatArray:
    """Give shocks their size.

    Parameters
    ----------
    average : ndarray of shape (steps + 1, k_endog, k)
        Responses to shocks of size one.
    cov : ndarray of shape (k, k)
        Covariance of the shocks.
    weights : ndarray of shape (k, q)
        Impulses.
    size : {"unit", "orthogonalized", "generalized"}
        Weights of the shocks themselves; of the columns of the Cholesky factor of `cov`; or what
        the shocks are expected to be when the impulse ``w'e`` is one standard deviation, ``cov w
        / sqrt(w' cov w)``.

    Returns
    -------
    ndarray of shape (steps + 1, k_endog, q)

    References
    ----------
    Pesaran, M. H. and Shin, Y. (1998), Generalized impulse response analysis in linear
    multivariate models, Economics Letters 58, equation 10; Koop, G., Pesaran, M. H. and Potter,
    S. M. (1996), Journal of Econometrics 74.
    """
    if size == "orthogonalized":
        weights = cholesky_factor(cov) @ weights
    elif size == "generalized":
        moved = cov @ weights
        spread = np.sqrt(np.einsum("kq,kq->q", weights, moved))
        weights = np.divide(moved, spread, out=np.zeros_like(moved), where=spread > 0)
    return average @ weights
