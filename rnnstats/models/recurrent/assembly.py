"""From checked arguments to data, head, names, chart and likelihood."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats._table import column_titles
from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.architecture import Architecture, Cell, Feedback, PythonCell
from rnnstats.kernels.networks import Network
from rnnstats.kernels.two_sided import TwoSided
from rnnstats.models.recurrent.heads.base import Head
from rnnstats.models.recurrent.heads.factory import HeadRequest, make_head
from rnnstats.models.recurrent.initial import InitialName, make_initial
from rnnstats.models.recurrent.likelihood import RecurrentLikelihood, RunData
from rnnstats.models.recurrent.names import initial_names, labels
from rnnstats.models.recurrent.scaling import Chart, Scales, moments
from rnnstats.models.recurrent.specification import Presample
from rnnstats.models.regimes.construction.reading import (
    coded,
    refuse_words,
    regrouped,
    split_groups,
)
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Block
from rnnstats.results.regimes.outputs import level_text

__all__ = ["Assembled", "Outputs", "Plan", "assemble", "read_outputs"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Outputs:
    """Outputs as read.

    Attributes
    ----------
    endog : Endog
        Categories as codes.
    head : HeadRequest
        With the categories.
    levels : dict of str to tuple, or None
        Categories of a categorical column.
    """

    endog: Endog
    head: HeadRequest
    levels: dict[str, tuple[Any, ...]] | None


@dataclass(frozen=True, eq=False)
class Plan:
    """Structure of a model, checked.

    Attributes
    ----------
    caller : str
    cell : Cell or PythonCell
    units : tuple of int
    y_lags : int
    skip : bool
    initial : {"zero", "estimated", "stationary"}
    presample : {"condition", "predict"}
    two_sided : bool
        Whether a second stack of cells reads the rows from the last to the first.
    """

    caller: str
    cell: Cell | PythonCell
    units: tuple[int, ...]
    y_lags: int
    skip: bool
    initial: InitialName
    presample: Presample
    two_sided: bool = False


@dataclass(frozen=True, eq=False)
class Assembled:
    """What a model holds besides its data and arguments."""

    architecture: Network
    head: Head
    layout: Layout
    transforms: tuple[Block, ...]
    chart: Chart
    likelihood: RecurrentLikelihood


def read_outputs(endog: object, head: HeadRequest, groups: object, caller: str) -> Outputs:
    """Read outputs and their sequences.

    Parameters
    ----------
    endog : object
        As the user gave it.
    head : HeadRequest
    groups : object
        As the user gave it.
    caller : str

    Returns
    -------
    Outputs

    Raises
    ------
    DataError, SpecificationError
        For what cannot be used.
    """
    categorical = head.family == "categorical"
    if isinstance(endog, Endog):
        if categorical and head.levels is None:
            raise SpecificationError(
                f"{caller}: an Endog holds codes, so the categories must be given; got none. Use "
                "head={'family': 'categorical', 'levels': [...]}."
            )
        if groups is not None:
            endog = regrouped(endog, groups, caller=caller)
        levels = {endog.names[0]: head.levels} if categorical and head.levels else None
        return Outputs(endog, head, levels)
    data, cuts = split_groups(endog, groups, caller=caller)
    titles = column_titles(data, what="endog", stem="y", caller=caller)
    if not categorical:
        refuse_words(data, titles, caller=caller, option="head")
        return Outputs(Endog.from_input(data, caller=caller, groups=cuts), head, None)
    if len(titles) > 1:
        make_head(head, titles, None, caller)  # refuses
    wanted = {titles[0]: head.levels}
    data, found = coded(data, wanted, what="endog", stem="y", caller=caller)
    read = Endog.from_input(data, caller=caller, groups=cuts)
    return Outputs(read, HeadRequest("categorical", levels=found[titles[0]]), found)


def assemble(
    plan: Plan,
    outputs: Outputs,
    exog: Exog | None,
    fixed: Mapping[str, float | str],
) -> Assembled:
    """Build head, names, coordinates and likelihood.

    Parameters
    ----------
    plan : Plan
    outputs : Outputs
    exog : Exog or None
    fixed : mapping
        Restrictions.

    Returns
    -------
    Assembled

    Raises
    ------
    DataError, SpecificationError
        For what does not go together.
    """
    endog, caller = outputs.endog, plan.caller
    given = outputs.head.levels
    levels = None if given is None else tuple(level_text(value) for value in given)
    head = make_head(outputs.head, endog.names, levels, caller)
    head.check(endog.values, caller)
    if plan.y_lags == 0 and exog is None:
        raise SpecificationError(
            f"{caller}: the state must have something to read; got y_lags=0 without exog. Use "
            "y_lags=1, or give inputs."
        )
    _refuse_short(endog, plan, caller)
    inputs = () if exog is None else exog.names
    k_in = plan.y_lags * len(head.lag_names) + len(inputs)
    layers = len(plan.units)
    stack = Architecture((plan.cell,) * layers, plan.units, k_in, head.k_eta, plan.skip)
    arch: Network = TwoSided(stack, stack) if plan.two_sided else stack
    layout, transforms, place = _lay_out(plan, arch, head, inputs, fixed)
    lags, scales = _standards(plan, head, endog, exog)
    chart = Chart(arch, place, scales)
    data = _rows(plan, head, endog, exog, lags, scales)
    start = make_initial(plan.initial, arch)
    likelihood = RecurrentLikelihood(arch, head, chart, start, data)
    return Assembled(arch, head, layout, transforms, chart, likelihood)


def _lay_out(
    plan: Plan,
    arch: Network,
    head: Head,
    inputs: tuple[str, ...],
    fixed: Mapping[str, float | str],
) -> tuple[Layout, tuple[Block, ...], IntArray]:
    """Put all parameters in order: weights, the head's own, start."""
    made = labels(arch, plan.y_lags, head.lag_names, inputs, head.eta_names)
    own = initial_names(arch) if plan.initial == "estimated" else ()
    names = (*made.names, *head.names, *own)
    groups = (*made.groups, *head.groups, *(name.split("[", 1)[0] for name in own))
    first = len(made.names)
    transforms = tuple(
        Block(block.kind, tuple(i + first for i in block.indices), block.lo, block.hi)
        for block in head.transforms
    )
    place = np.concatenate([made.place, np.arange(first, len(names))])
    return Layout(names, groups, fixed, plan.caller), transforms, place


def _standards(
    plan: Plan, head: Head, endog: Endog, exog: Exog | None
) -> tuple[FloatArray, Scales]:
    """Outputs as lagged inputs (nobs, d_lag), and the units of everything."""
    lags = head.lag_values(np.asarray(endog.values))
    mean, scale = moments(lags)
    input_mean, input_scale = [np.tile(mean, plan.y_lags)], [np.tile(scale, plan.y_lags)]
    if exog is not None:
        location, unit = moments(exog.values)
        input_mean.append(location)
        input_scale.append(unit)
    k_eta = head.k_eta
    if not head.scaled:
        mean, scale = np.zeros(k_eta), np.ones(k_eta)
    extra = head.extra_scale(scale if head.scaled else np.ones(endog.k_endog))
    sides = 1 + plan.two_sided
    inputs = np.tile(np.concatenate(input_mean), sides)
    units = np.tile(np.concatenate(input_scale), sides)
    return lags, Scales(inputs, units, mean, scale, extra)


def _rows(
    plan: Plan,
    head: Head,
    endog: Endog,
    exog: Exog | None,
    lags: FloatArray,
    scales: Scales,
) -> RunData:
    """Rows of the recursion with their inputs."""
    order, offsets = plan.y_lags, endog.offsets
    skipped = order if plan.presample == "condition" else 0
    pieces = [np.arange(a + skipped, b) for a, b in itertools.pairwise(offsets)]
    rows = np.concatenate(pieces)
    cuts = np.concatenate([[0], np.cumsum([len(piece) for piece in pieces])]).astype(np.intp)
    first, end = (np.repeat(ends, np.diff(cuts)) for ends in (offsets[:-1], offsets[1:]))
    columns = []
    for way in (1, -1) if plan.two_sided else (1,):
        for lag in range(1, order + 1):
            back = rows - way * lag
            values = lags[np.clip(back, 0, endog.nobs - 1)]
            values[(back < first) | (back >= end)] = np.nan
            columns.append(values)
        if exog is not None:
            columns.append(exog.values[rows])
    inputs = (np.hstack(columns) - scales.input_mean) / scales.input_scale
    y = np.array(endog.values[rows])
    if head.scaled:
        y = (y - scales.eta_mean) / scales.eta_scale
    feedback = _feedback(order, head, scales) if np.isnan(inputs).any() else None
    rows.setflags(write=False)
    cuts.setflags(write=False)
    return RunData(
        endog.nobs, rows, cuts, np.ascontiguousarray(y), np.ascontiguousarray(inputs), feedback
    )


def restandardised(found: RecurrentLikelihood, order: int, scales: Scales) -> RecurrentLikelihood:
    """Return the same likelihood of natural parameters, computed in other standard units.

    Parameters
    ----------
    found : RecurrentLikelihood
    order : int
        Lags of the outputs.
    scales : Scales
        The other units. They matter only where a mean of the sample enters the model itself: in
        its stationary start, and where a lag before the recursion is missing beside a skip
        connection.

    Returns
    -------
    RecurrentLikelihood
    """
    data, old = found.data, found.chart.scales
    y, feedback = data.y, data.feedback
    inputs = data.inputs * old.input_scale + (old.input_mean - scales.input_mean)
    if found.head.scaled:
        y = (y * old.eta_scale + (old.eta_mean - scales.eta_mean)) / scales.eta_scale
    if feedback is not None:
        feedback = _feedback(order, found.head, scales)
    moved = replace(data, y=y, inputs=inputs / scales.input_scale, feedback=feedback)
    chart = Chart(found.arch, found.chart.place, scales)
    return RecurrentLikelihood(found.arch, found.head, chart, found.start, moved)


def _feedback(order: int, head: Head, scales: Scales) -> Feedback:
    """What stands in for a missing lag: its one-step prediction, standardised as the lag is."""
    wide = len(head.lag_names)
    components = np.tile(np.arange(wide), order)
    k = order * wide
    if head.scaled:
        shift, scale = np.zeros(k), np.ones(k)
    else:
        shift = scales.input_mean[:k] / head.lag_unit
        scale = scales.input_scale[:k] / head.lag_unit
    lag_of = np.repeat(np.arange(1, order + 1), wide)
    return Feedback(np.arange(k), lag_of, components, head.feedback, shift, scale)


def _refuse_short(endog: Endog, plan: Plan, caller: str) -> None:
    """Every sequence must have a row that is not conditioned on."""
    if plan.presample != "condition":
        return
    lengths = np.diff(endog.offsets)
    if lengths.min() <= plan.y_lags:
        at = int(lengths.argmin())
        which = f"sequence {endog.sequences[at]!r}" if endog.sequences else "endog"
        raise DataError(
            f"{caller}: {which} must have more rows than y_lags={plan.y_lags}; got {lengths[at]}. "
            "Use fewer lags, presample='predict', or leave it out."
        )
