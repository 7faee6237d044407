"""Draws from a Markov-switching model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats.errors import SpecificationError
from rnnstats.models._arguments import input_rows, own_rows
from rnnstats.models.regimes.law.composite import CompositePlan
from rnnstats.models.regimes.sample import Sample
from rnnstats.models.regimes.system import MarkovSystem

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = ["decoded", "simulated"]

FloatArray = NDArray[np.float64]


def simulated(
    model: MarkovRNN,
    theta: FloatArray,
    rows: int,
    rng: np.random.Generator,
    exog: ArrayLike | None,
    exog_transition: ArrayLike | None,
    caller: str,
) -> pd.Series | pd.DataFrame:
    """Draw one sequence, see `MarkovRNN.simulate`."""
    from rnnstats.results.regimes.forecasting.simulation import Stage, drawn

    if exog is None:
        exog = own_rows(model.exog, rows, caller)
    if exog_transition is None:
        exog_transition = own_rows(model.exog_transition, rows, caller, what="exog_transition")
    x = input_rows(exog, model.exog, rows, caller)
    inputs = input_rows(
        exog_transition, model.exog_transition, rows, caller, what="exog_transition"
    )
    system = _stage(model, theta, rows, x, inputs, caller)
    stage = Stage(system.sample.y, system.offsets, model.order)
    values = drawn(stage, cast(Any, system), rows, rng).outputs[0]
    return decoded(model, values, pd.RangeIndex(rows))


def decoded(model: MarkovRNN, values: FloatArray, index: pd.Index) -> pd.Series | pd.DataFrame:
    """Outputs as the user gave them: with labels, and categories instead of codes.

    Parameters
    ----------
    model : MarkovRNN
    values : ndarray, shape (rows, k_endog)
    index : Index

    Returns
    -------
    Series or DataFrame
    """
    levels = model.levels or {}
    columns: dict[str, Any] = {}
    for name, column in zip(model.endog.names, values.T, strict=True):
        if name not in levels:
            columns[name] = column
            continue
        codes = np.where(np.isnan(column), -1, column).astype(np.intp)
        columns[name] = pd.Categorical.from_codes(codes, categories=pd.Index(levels[name]))
    if model.endog.is_series:
        return pd.Series(columns[model.endog.names[0]], index=index, name=model.endog.names[0])
    return pd.DataFrame(columns, index=index)


def _stage(
    model: MarkovRNN,
    theta: FloatArray,
    rows: int,
    x: FloatArray | None,
    inputs: FloatArray | None,
    caller: str,
) -> MarkovSystem:
    """One sequence of `rows` rows, its first `order` ones those of the sample."""
    like, k = model.likelihood, model.k_regimes
    q, s = like.q
    words = like.domain.reason(theta)
    transition = like.transitions.value(theta[:q], inputs)
    anchors = transition
    if transition.ndim == 3:
        anchors = np.repeat(transition[:1], len(like.offsets) - 1, axis=0)
    start = None
    if words is None and transition.min() >= 0.0:
        start = like.starts.value(theta[q : q + s], anchors)
    if start is None or start.min() < 0.0:
        raise SpecificationError(
            f"{caller}: the law of the regimes must exist at params; got none, as "
            f"{model.reason(theta)}. Give other params."
        )
    y = np.full((rows, model.k_endog), np.nan)
    given = min(model.order, rows)
    y[:given] = model.endog.values[:given]
    offsets = np.array([0, rows], dtype=np.intp)
    plan = CompositePlan(k, model.order, offsets) if like.plan is not None else None
    return MarkovSystem(
        k_regimes=k,
        transition=transition,
        start=start[:1],
        offsets=offsets,
        log_density=np.zeros((rows, k if plan is None else plan.size)),
        composite=None if plan is None else plan.expand(transition, start[:1]),
        rows=np.arange(rows) if plan is None else plan.rows,
        blocks=model.blocks,
        parts=tuple(theta[part] for part in like.parts),
        sample=Sample(y, x, offsets, model.order),
    )
