"""Regimes and outputs given data with any gaps, at the numbers of one system."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from rnnstats.errors import DataError
from rnnstats.kernels import markov
from rnnstats.kernels.chains import matrix_at
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting import paths
from rnnstats.results.regimes.forecasting.conditional import given_block
from rnnstats.results.regimes.forecasting.laws import EmissionMixture
from rnnstats.results.regimes.forecasting.outlook import dynamics_of, lagged, regimes_of, start_row
from rnnstats.results.regimes.outputs import expanded_places
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem

__all__ = ["Estimate", "estimated"]

# Components kept of an autoregression; the mean is exact where the last rows have no gaps.
CAP = 256


class Estimate(NamedTuple):
    """Probabilities of the regimes (rows, K), and means of the expanded outputs (rows, k')."""

    regimes: FloatArray
    outputs: FloatArray


def estimated(
    model: RegimeModel,
    system: RegimeSystem,
    values: FloatArray,
    rows: range,
    levels: tuple[tuple[str, ...] | None, ...],
    caller: str,
) -> Estimate:
    """Estimate regimes and outputs in some rows given all values.

    Parameters
    ----------
    model : RegimeModel
        Gives order and sequences.
    system : RegimeSystem
        Reaches all rows of `values`, which may go past the model's sample.
    values : ndarray of shape (total, k_endog)
        NaN where nothing is seen.
    rows : range
    levels : tuple
        Categories of each column.
    caller : str

    Returns
    -------
    Estimate
        Outputs that are seen are themselves. With lags NaN for outputs that are missing before
        later ones are seen.

    Raises
    ------
    DataError
        The values have probability zero.
    """
    total, every = len(values), np.arange(len(values))
    lags = None
    if model.order:
        lags = lagged(values, every, model.order, model.offsets)
    responses = system.responses_at(every, lags)
    density: Any = sum(block.log_density(values[:, list(block.columns)]) for block in responses)
    if lags is not None:
        density = np.where(np.asarray(np.isnan(lags).any(axis=(1, 2)))[:, None], 0.0, density)
    chain = _chain(model, system, density, total)
    found = markov.smooth(*chain[1:], lags=system.lags)
    if not np.isfinite(found.llf):
        raise DataError(
            f"{caller}: every state of the data must be possible; got one with probability zero. "
            "Use parameters that allow it."
        )
    weight = np.full((total, found.smoothed.shape[1]), np.nan)
    weight[chain[0]] = found.smoothed
    if lags is None:
        told = [given_block(block, values[:, list(block.columns)]) for block in responses]
        law = EmissionMixture(total, every, weight, tuple(told), model.k_endog).part(
            slice(rows.start, rows.stop)
        )
        outputs = law.mean()
    else:
        outputs = _with_lags(model, system, chain, values, rows)
    outputs = _seen(outputs, values[rows.start : rows.stop], levels)
    return Estimate(regimes_of(system, weight[rows.start : rows.stop]), outputs)


def _chain(
    model: RegimeModel, system: RegimeSystem, density: FloatArray, total: int
) -> tuple[Any, ...]:
    """Rows of the chain, and the arguments of the kernels, for rows past the sample as well."""
    inside = np.asarray(system.rows)
    more = np.arange(model.nobs, total)
    rows = np.concatenate([inside[inside < total], more])
    _, _, law, offsets = system.chain
    cuts = np.array(offsets)
    cuts[-1] = len(rows)
    return rows, density[rows], matrix_at(system.transition, rows), law, cuts


def _with_lags(
    model: RegimeModel,
    system: RegimeSystem,
    chain: tuple[Any, ...],
    values: FloatArray,
    rows: range,
) -> FloatArray:
    """Means of rows after the last one that is seen; NaN before."""
    found = np.full((len(rows), model.k_endog), np.nan)
    last = int(np.flatnonzero(~np.isnan(values).all(axis=1))[-1]) + 1
    end = rows.stop
    origin = start_row(values, min(last, len(values)), model.order, model.offsets)
    if end <= last - 1 or origin is None or origin >= end:
        return found
    forward = markov.forward(*chain[1:], lags=system.lags)
    at = int(np.flatnonzero(chain[0] == origin)[0]) if origin in chain[0] else None
    if at is None:
        return found
    ahead = np.arange(origin, end)
    lags = values[origin - model.order : origin][::-1]
    steps = paths.propagate(
        paths.begin(forward.predicted[at], lags, model.order),
        dynamics_of(system, model, ahead),
        seen=values[origin:end],
        cap=CAP,
    )
    means = paths.mixture_of(steps, model.k_endog).mean()
    # rows before the last seen one would need what came later
    first = max(last - 1, origin, rows.start)
    found[first - rows.start :] = means[first - origin :]
    return found


def _seen(
    outputs: FloatArray, values: FloatArray, levels: tuple[tuple[str, ...] | None, ...]
) -> FloatArray:
    """Put what is seen in its place: values, or indicators of categories."""
    outputs = np.array(outputs)
    for j, places in enumerate(expanded_places(levels)):
        known = ~np.isnan(values[:, j])
        if levels[j] is None:
            outputs[known, places[0]] = values[known, j]
        else:
            outputs[np.ix_(known, np.array(places))] = 0.0
            outputs[np.flatnonzero(known), np.array(places)[values[known, j].astype(int)]] = 1.0
    return outputs
