"""From checked arguments to data, blocks, layout and likelihood."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import shown
from rnnstats._table import column_titles
from rnnstats.data import Endog, Exog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.models._arguments import input_rows
from rnnstats.models.regimes.blocks import Block, BlockRequest, make_block
from rnnstats.models.regimes.construction import specification
from rnnstats.models.regimes.construction.reading import (
    coded,
    refuse_words,
    regrouped,
    split_groups,
)
from rnnstats.models.regimes.construction.specification import ArForm, Emission
from rnnstats.models.regimes.domain import Domain
from rnnstats.models.regimes.fit.collapse import SHARE, pooled_scales
from rnnstats.models.regimes.law.composite import CompositePlan
from rnnstats.models.regimes.law.names import regime_names
from rnnstats.models.regimes.law.starts import StartLaw
from rnnstats.models.regimes.law.transitions import Transitions, make_transitions
from rnnstats.models.regimes.likelihood import BoundBlocks, ChainModel, MarkovLikelihood
from rnnstats.models.regimes.sample import Sample
from rnnstats.models.regimes.system import MarkovSystem
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Block as TransformBlock
from rnnstats.results.regimes.outputs import level_text

if TYPE_CHECKING:
    from rnnstats.models.markov import MarkovRNN

__all__ = [
    "Assembled",
    "Outputs",
    "assemble",
    "check_clone",
    "read_outputs",
    "renumbered",
    "system_of",
]

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Outputs:
    """Outputs as read.

    Attributes
    ----------
    endog : Endog
        Categories as codes.
    emissions : tuple of Emission
    levels : dict of str to tuple, or None
        Categories of the columns that hold some.
    """

    endog: Endog
    emissions: tuple[Emission, ...]
    levels: dict[str, tuple[Any, ...]] | None


@dataclass(frozen=True, eq=False)
class Assembled:
    """What a model holds besides its data."""

    blocks: tuple[Block, ...]
    layout: Layout
    transforms: tuple[TransformBlock, ...]
    likelihood: MarkovLikelihood
    sample: Sample


class Arguments(Protocol):
    """What `assemble` reads of a model under construction."""

    @property
    def name(self) -> str: ...
    @property
    def endog(self) -> Endog: ...
    @property
    def exog(self) -> Exog | None: ...
    @property
    def exog_transition(self) -> Exog | None: ...
    @property
    def k_regimes(self) -> int: ...
    @property
    def order(self) -> int: ...
    @property
    def ar_form(self) -> ArForm: ...
    @property
    def trend(self) -> specification.TrendName: ...
    @property
    def switching(self) -> tuple[str, ...]: ...
    @property
    def start(self) -> object: ...


def read_outputs(endog: object, emission: object, groups: object, caller: str) -> Outputs:
    """Read outputs, their sequences and their distributions.

    Parameters
    ----------
    endog, emission, groups : object
        As the user gave them.
    caller : str

    Returns
    -------
    Outputs

    Raises
    ------
    DataError, SpecificationError
        For what cannot be used.
    """
    if isinstance(endog, Endog):
        found = specification.emissions(emission, endog.names, caller)
        needed = specification.categorical_columns(found)
        missing = [name for name, levels in needed.items() if levels is None]
        if missing:
            raise SpecificationError(
                f"{caller}: an Endog holds codes, so the categories of {missing[0]!r} must be "
                "given; got none. Use {'family': 'categorical', 'levels': [...]}."
            )
        if groups is not None:
            endog = regrouped(endog, groups, caller=caller)
        return Outputs(endog, found, {n: tuple(v) for n, v in needed.items()} or None)
    data, labels = split_groups(endog, groups, caller=caller)
    titles = column_titles(data, what="endog", stem="y", caller=caller)
    if isinstance(data, pd.DataFrame):
        emission = specification.by_title(emission, data.columns, titles)
    found = specification.emissions(emission, titles, caller)
    data, levels = coded(
        data,
        specification.categorical_columns(found),
        what="endog",
        stem="y",
        caller=caller,
    )
    refuse_words(data, titles, caller=caller)
    read = Endog.from_input(data, caller=caller, groups=labels)
    return Outputs(read, specification.with_levels(found, levels), levels or None)


def assemble(
    model: Arguments, found: tuple[Emission, ...], fixed: Mapping[str, float | str]
) -> Assembled:
    """Build blocks, names, coordinates and likelihood.

    Parameters
    ----------
    model : MarkovRNN
        With its data and options.
    found : tuple of Emission
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
    caller, endog, regimes = model.name, model.endog, regime_names(model.k_regimes)
    inputs = model.exog_transition
    _refuse_short(endog, model.order, caller)
    blocks = _make_blocks(model, found, fixed)
    if model.k_regimes > 1:
        _refuse_equal(blocks, caller)
    columns = None if inputs is None else inputs.names
    transitions = make_transitions(regimes, columns, fixed, caller)
    starts = specification.start_law(model.start, model.k_regimes, endog, fixed, caller)
    layout, transforms = _lay_out(transitions, starts, blocks, fixed, caller)
    exog = None if model.exog is None else model.exog.values
    sample = Sample(np.ascontiguousarray(endog.values), exog, endog.offsets, model.order)
    outputs = _bind(blocks, found, sample)
    composite = any(block.composite for block in blocks)
    plan = CompositePlan(model.k_regimes, model.order, endog.offsets) if composite else None
    driven = None if inputs is None else inputs.values
    chain = ChainModel(transitions, starts, endog.offsets, driven, plan)
    domain = Domain(layout.names, transforms)
    likelihood = MarkovLikelihood(layout.names, chain, outputs, domain)
    return Assembled(blocks, layout, transforms, likelihood, sample)


def _bind(blocks: tuple[Block, ...], found: tuple[Emission, ...], sample: Sample) -> BoundBlocks:
    """Give the blocks their data, with the smallest scales that a fit allows."""
    bound, pooled = [], []
    for block, emission in zip(blocks, found, strict=True):
        rows = sample.rows(block)
        block.check(rows.y)
        pooled.append(pooled_scales(rows, emission.family))
        bound.append(block.bind(rows, floor=SHARE * pooled[-1]))
    sizes = tuple(len(block.names) for block in blocks)
    return BoundBlocks(tuple(bound), sizes, tuple(pooled))


def _make_blocks(
    model: Arguments, found: tuple[Emission, ...], fixed: Mapping[str, float | str]
) -> tuple[Block, ...]:
    """Make the block of each emission."""
    caller = model.name
    exog = () if model.exog is None else model.exog.names
    switching = specification.switching_parts(model.switching, exog, caller)
    named = set(fixed) | {name for name in fixed.values() if isinstance(name, str)}
    blocks = []
    for emission in found:
        if model.trend == "n" and not exog and emission.family not in specification.WITH_LAGS:
            raise SpecificationError(
                f"{caller}: {emission.family!r} needs a constant or regressors; got trend='n' "
                "without exog. Use trend='c'."
            )
        options = dict(emission.options)
        levels = options.pop("levels", None)
        if levels is not None and len(levels) < 2:
            raise DataError(
                f"{caller}: a categorical response must have at least two categories; got "
                f"{shown(levels)}. Leave the column {emission.names[0]!r} out."
            )
        request = BlockRequest(
            caller=caller,
            columns=tuple(model.endog.names.index(name) for name in emission.names),
            names=emission.names,
            family=emission.family,
            k_regimes=model.k_regimes,
            regime_names=regime_names(model.k_regimes),
            options=options,
            trend=model.trend,
            exog_names=exog,
            exog_switching=switching.exog,
            switching=switching.parts,
            order=model.order,
            ar_form=model.ar_form,
            levels=None if levels is None else tuple(level_text(value) for value in levels),
            named=frozenset(named),
        )
        blocks.append(make_block(request))
    return tuple(blocks)


def _lay_out(
    transitions: Transitions,
    starts: StartLaw,
    blocks: tuple[Block, ...],
    fixed: Mapping[str, float | str],
    caller: str,
) -> tuple[Layout, tuple[TransformBlock, ...]]:
    """Put all parameters in order: transitions, start, blocks."""
    names = [*transitions.names, *starts.names]
    groups = [*transitions.groups, *["start"] * len(starts.names)]
    transforms = [*transitions.blocks(0), *starts.blocks(len(transitions.names))]
    for block in blocks:
        shift = len(names)
        for piece in block.transforms:
            places = tuple(i + shift for i in piece.indices)
            transforms.append(TransformBlock(piece.kind, places, piece.lo, piece.hi))
        names += block.names
        groups += block.groups
    dropped = {*transitions.dropped, *starts.dropped}
    kept = {name: value for name, value in fixed.items() if name not in dropped}
    return Layout(names, groups, kept, caller), tuple(transforms)


def _refuse_short(endog: Endog, order: int, caller: str) -> None:
    """Every sequence must be longer than the number of lags."""
    lengths = np.diff(endog.offsets)
    if lengths.min() <= order:
        at = int(lengths.argmin())
        which = f"sequence {endog.sequences[at]!r}" if endog.sequences else "endog"
        raise DataError(
            f"{caller}: {which} must have more rows than order={order}; got {lengths[at]}. Use "
            "fewer lags, or leave it out."
        )


def _refuse_equal(blocks: tuple[Block, ...], caller: str) -> None:
    """Regimes must differ in something, or no data tell them apart."""
    if not any(block.own for block in blocks):
        raise SpecificationError(
            f"{caller}: regimes must differ in something; got nothing that switches in the "
            "outputs. Name 'trend', 'exog', 'ar' or 'variance' in switching."
        )


def system_of(
    model: MarkovRNN,
    theta: FloatArray,
    steps: int,
    exog: FloatArray | None,
    exog_transition: FloatArray | None,
) -> MarkovSystem:
    """Law of regimes and outputs, for the sample and some rows after it."""
    caller = f"{model.name}.system"
    likelihood = model.likelihood
    inputs, x = likelihood.inputs, model.sample.x
    if steps:
        x = _continued(x, input_rows(exog, model.exog, steps, caller))
        more = input_rows(
            exog_transition, model.exog_transition, steps, caller, what="exog_transition"
        )
        inputs = _continued(inputs, more)
    law = likelihood.law(theta, inputs) if likelihood.domain(theta) else None
    if law is None:
        raise SpecificationError(
            f"{caller}: the law of the regimes must exist at params; got none, as "
            f"{model.reason(theta)}. Give other params."
        )
    states = model.k_regimes if likelihood.plan is None else likelihood.plan.size
    density = np.zeros((model.nobs + steps, states))
    density[likelihood.rows] = likelihood.log_density(theta)
    return MarkovSystem(
        k_regimes=model.k_regimes,
        transition=law.transition,
        start=law.start,
        offsets=likelihood.offsets,
        log_density=density,
        composite=law.composite,
        rows=likelihood.rows,
        blocks=model.blocks,
        parts=tuple(theta[part] for part in likelihood.parts),
        sample=replace(model.sample, x=x),
    )


def _continued(own: FloatArray | None, more: FloatArray | None) -> FloatArray | None:
    """Rows and those after them; None where there are none of either."""
    return own if own is None or more is None else np.vstack([own, more])


def renumbered(model: MarkovRNN, theta: FloatArray, order: ArrayLike) -> FloatArray:
    """Parameters of the same law with the regimes numbered otherwise, see `reordered`."""
    k = model.k_regimes
    new = np.asarray(order)
    if new.dtype.kind not in "iu" or sorted(new.ravel().tolist()) != list(range(k)):
        raise SpecificationError(
            f"{model.name}.reordered: order must be a permutation of 0 to {k - 1}; got "
            f"{shown(order)}. The new regime i is the old order[i]."
        )
    places = new.astype(np.intp).ravel()
    likelihood = model.likelihood
    q, s = likelihood.q
    out = theta.copy()
    out[:q] = likelihood.transitions.reordered(theta[:q], places)
    out[q : q + s] = likelihood.starts.reordered(theta[q : q + s], places)
    for block, part in zip(model.blocks, likelihood.parts, strict=True):
        out[part] = block.reordered(theta[part], places)
    return out


def check_clone(model: MarkovRNN, exog: object, exog_transition: object, start: object) -> None:
    """Other data need the inputs that the model has, and no others."""
    caller = f"{model.name}.clone"
    for what, own, given in (
        ("exog", model.exog, exog),
        ("exog_transition", model.exog_transition, exog_transition),
    ):
        if (own is None) != (given is None):
            have = "none" if own is None else f"the inputs {', '.join(own.names)}"
            way = "Leave it out" if own is None else f"Give their rows as {what}"
            raise SpecificationError(
                f"{caller}: {what} must be as in the model, which has {have}; got "
                f"{'none' if given is None else 'some'}. {way}."
            )
    if start is not None and isinstance(model.start, str):
        raise SpecificationError(
            f"{caller}: start is given where the model's was by sequence; got one for "
            f"start={model.start!r}. Leave it out."
        )
