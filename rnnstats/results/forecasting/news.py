"""Why estimates change when data arrive or are revised: news, revisions, parameters."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.kernels.kalman import kalman_smoother
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import rows_index
from rnnstats.results.forecasting.vintages import same_rows
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.contributions import date_text
from rnnstats.results.responses.intercepts import padded
from rnnstats.results.responses.weights import Pattern, Weigher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

NewsTarget = Literal["outputs", "states"]

__all__ = [
    "News",
    "NewsTarget",
    "Vintage",
    "decompose_revision",
]

_WEIGHED = (
    "News: new values less what was expected of them, times their weights; the parts sum to "
    "updated less previous."
)
_KINDS = ("removed", "revision", "news")
_TITLES = {"removed": "withdrawn", "revision": "revised", "news": "new"}


class Vintage(NamedTuple):
    """A model on one state of the data, at its parameters."""

    model: StateSpaceModel
    theta: FloatArray


class _Steps(NamedTuple):
    """Details of one kind of change: places, values, and what they do to the targets."""

    kind: str
    rows: Any
    columns: Any
    before: FloatArray
    after: FloatArray
    weights: FloatArray  # (targets, changes)


@dataclass(frozen=True, eq=False, repr=False)
class News:
    """Change of estimates between two states of the data, by what caused it.

    For each target (an output or a state at a date):

    ``previous + inputs + removed + revisions + news + parameters = updated``

    - ``news``: a new value less what was expected of it, times its weight;
    - ``revisions``: the change of an old value, times its weight;
    - ``removed``: values that are no longer there;
    - ``inputs``: inputs of old rows that are others now;
    - ``parameters``: other estimates, where updated results have been refitted.

    References
    ----------
    Bańbura, M. and Modugno, M. (2014), Maximum likelihood estimation of factor models on datasets
    with arbitrary pattern of missing data, Journal of Applied Econometrics 29, section 2.3;
    Bańbura, Giannone and Reichlin (2011), Nowcasting, Oxford Handbook of Economic Forecasting.
    """

    _impacts: pd.DataFrame
    _details: pd.DataFrame
    _updates: pd.DataFrame
    _words: str = _WEIGHED

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def impacts(self) -> pd.DataFrame:
        """One row for each target, index (date, target) (a copy).

        ``previous``, ``inputs``, ``removed``, ``revisions``, ``news``, ``parameters``, ``total``
        (their sum), ``updated``.
        """
        return self._impacts.copy()

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each target and each change of an observation (a copy).

        Index ``target date``, ``target``, ``kind`` ("news", "revision" or "removed"), ``date``,
        ``variable``; columns ``observed`` (the new value; NaN if removed), ``forecast`` (what was
        expected of it, or the old value), ``news`` (their difference), ``weight``, ``impact`` =
        weight times news.
        """
        return self._details.copy()

    @property
    def updates(self) -> pd.DataFrame:
        """One row for each change of an observation (a copy).

        Index ``kind``, ``date``, ``variable``; columns ``observed``, ``forecast``, ``news`` as in
        `frame`.
        """
        return self._updates.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Impacts on each target, the changes of the data, and the largest single impacts.
        """
        impacts = self._impacts
        live = [c for c in impacts.columns if c in _ALWAYS or impacts[c].abs().max() > 0]
        shown = impacts[live].set_axis(
            [f"{name}, {date_text(date)}" for date, name in impacts.index]
        )
        notes = wrapped(self._words)
        summary = _compat.build_table(shown, title="Revision of estimates", notes=notes)
        if len(self._updates):
            table = self._updates.set_axis(
                [
                    f"{_TITLES[kind]}: {name}, {date_text(date)}"
                    for kind, date, name in self._updates.index
                ]
            )
            more = _compat.build_table(table.iloc[:30], title="Changes of the data")
            summary.tables.extend(more.tables)
            order = self._details["impact"].abs().sort_values(ascending=False, kind="stable").index
            largest = self._details.loc[order[:12]]
            largest = largest.set_axis(
                [
                    f"{target}, {date_text(when)} < {name}, {date_text(date)}"
                    for when, target, _, date, name in largest.index
                ]
            )
            more = _compat.build_table(largest, title="Largest impacts (target < observation)")
            summary.tables.extend(more.tables)
        return summary

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot the parts of each revision as stacked bars, one output or state a panel.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.responses.plots import draw_parts

        table = self._by_variable()
        targets = list(dict.fromkeys(table.index.get_level_values(1)))
        index = pd.Index(dict.fromkeys(table.index.get_level_values(0)))
        values = np.stack([table.xs(name, level=1).to_numpy() for name in targets], axis=1)
        return draw_parts(
            values, index, tuple(targets), tuple(table.columns),
            title="revision of the estimate", without=(), fig=fig,
        )  # fmt: skip

    def _by_variable(self) -> pd.DataFrame:
        """Impacts of each variable's changes, and the other parts, one row a target."""
        parts = {}
        if len(self._details):
            details = self._details["impact"]
            kinds, names = (details.index.get_level_values(level) for level in (2, 4))
            for kind, name in dict.fromkeys(zip(kinds, names, strict=True)):
                chosen = details[(kinds == kind) & (names == name)]
                values = chosen.groupby(level=[0, 1], sort=False).sum()
                parts[f"{name}, {_TITLES[kind]}"] = values.reindex(self._impacts.index)
        for name in ("inputs", "parameters"):
            if self._impacts[name].abs().max() > 0:
                parts[name] = self._impacts[name]
        if not parts:
            parts["news"] = self._impacts["news"]
        return pd.DataFrame(parts, index=self._impacts.index)


_ALWAYS = ("previous", "news", "total", "updated")


class _Estimate(NamedTuple):
    """Estimated outputs, noise included, and states given data."""

    outputs: FloatArray
    states: FloatArray


def _expected(system: StateSpace, values: FloatArray) -> _Estimate:
    found = kalman_smoother(system, values)
    outputs = found.smoothed_state @ system.design.T + system.obs_intercept
    outputs = outputs + found.smoothed_obs_noise
    return _Estimate(np.where(np.isnan(values), outputs, values), found.smoothed_state)


def decompose_revision(
    previous: Vintage,
    updated: Vintage,
    future: FloatArray | None,
    rows: tuple[int, int],
    of: NewsTarget,
    *,
    caller: str,
) -> News:
    """Decompose the change of estimates between two vintages.

    Parameters
    ----------
    previous, updated : Vintage
        Models of one structure.
    future : ndarray of shape (stop - nobs of updated, k_exog), optional
        Inputs of rows past the updated sample.
    rows : (int, int)
        First target row, and the row after the last.
    of : {"outputs", "states"}
        What the targets are.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    News

    Raises
    ------
    DataError
        The updated data are not later data of the same series.
    """
    same_rows(previous.model.endog, updated.model.endog, caller)
    total = max(rows[1], updated.model.nobs, previous.model.nobs)
    old = padded(previous.model.endog.values, total)
    new = padded(updated.model.endog.values, total)
    had, has = ~np.isnan(old), ~np.isnan(new)
    common = had & has
    before = _system(
        previous.model, previous.theta, total, _later_inputs(previous, updated, future)
    )
    system = _system(updated.model, previous.theta, total, future)
    stages = [
        _expected(before, old),
        _expected(system, old),
        _expected(system, np.where(common, old, np.nan)),
        _expected(system, np.where(common, new, np.nan)),
        _expected(system, new),
    ]
    if not np.array_equal(previous.theta, updated.theta):
        stages.append(_expected(_system(updated.model, updated.theta, total, future), new))
    else:
        stages.append(stages[-1])
    changed = common & (old != new)
    places = [(had & ~has, had), (changed, common), (has & ~had, has)]
    before_after = [(old, stages[2].outputs), (old, new), (stages[3].outputs, new)]
    details = [
        _details(system, kind, place, seen, pair, rows, of, caller)
        for kind, (place, seen), pair in zip(_KINDS, places, before_after, strict=True)
    ]
    return _table(updated.model, stages, details, rows, of, total)


def _later_inputs(
    previous: Vintage, updated: Vintage, future: FloatArray | None
) -> FloatArray | None:
    """Inputs of all rows past the previous sample, as they are known now."""
    if updated.model.exog is None or future is None:
        return None
    return np.concatenate([updated.model.exog.values, future])[previous.model.nobs :]


def _system(
    model: StateSpaceModel, theta: FloatArray, total: int, future: FloatArray | None
) -> StateSpace:
    steps = total - model.nobs
    return model.system(theta, steps=steps, exog=future if steps else None)


def _details(
    system: StateSpace,
    kind: str,
    place: Pattern,
    seen: Pattern,
    pair: tuple[FloatArray, FloatArray],
    rows: tuple[int, int],
    of: NewsTarget,
    caller: str,
) -> _Steps:
    """Weigh the changes of one kind in all targets."""
    p, m = system.k_endog, system.k_states
    at, which = np.nonzero(place)
    count = (m if of == "states" else p) * (rows[1] - rows[0])
    weights = np.zeros((count, len(at)))
    if len(at):
        weigher = Weigher.of(system, seen)
        states = np.eye(m) if of == "states" else system.design
        noises = np.zeros((m, p)) if of == "states" else np.eye(p)
        found = weigher.weights(range(*rows), states, noises, caller=caller)
        weights = found[:, :, place].reshape(count, -1)
    return _Steps(kind, at, which, pair[0][place], pair[1][place], weights)


def _table(
    model: StateSpaceModel,
    stages: list[_Estimate],
    details: list[_Steps],
    rows: tuple[int, int],
    of: NewsTarget,
    total: int,
) -> News:
    """Label everything."""
    index = rows_index(model, total)
    names = list(model.state_names if of == "states" else model.endog.names)
    dates = index[rows[0] : rows[1]]
    targets = pd.MultiIndex.from_product([dates, names], names=["date", "target"])
    levels = [getattr(stage, of)[rows[0] : rows[1]].ravel() for stage in stages]
    steps = np.diff(levels, axis=0)
    order = ("inputs", "removed", "revisions", "news", "parameters")
    columns = {"previous": levels[0], **dict(zip(order, steps, strict=True))}
    columns |= {"total": levels[-1] - levels[0], "updated": levels[-1]}
    impacts = pd.DataFrame(columns, index=targets)
    kinds = details[::-1]  # news first
    updates = pd.concat([_updates(part, model, index) for part in kinds])
    count = len(targets)
    place = np.concatenate([np.repeat(np.arange(count), len(part.rows)) for part in kinds])
    which = np.concatenate(
        [
            np.tile(np.arange(len(part.rows)), count) + offset
            for part, offset in zip(
                kinds, np.cumsum([0, *(len(part.rows) for part in kinds[:-1])]), strict=True
            )
        ]
    )
    frame = updates.iloc[which].copy()
    frame["weight"] = np.concatenate([part.weights.ravel() for part in kinds])
    frame["impact"] = frame["weight"] * frame["news"]
    keys = [targets.get_level_values(level)[place] for level in (0, 1)]
    keys += [frame.index.get_level_values(level) for level in range(3)]
    frame.index = pd.MultiIndex.from_arrays(
        keys, names=["target date", "target", *updates.index.names]
    )
    return News(impacts, frame, updates)


def _updates(part: _Steps, model: StateSpaceModel, index: pd.Index) -> pd.DataFrame:
    """Label the changes of one kind.

    A withdrawn value takes back its own news: what is expected without it less the old value.
    """
    series = [model.endog.names[j] for j in part.columns]
    keys = [[part.kind] * len(series), index[part.rows], series]
    labels = pd.MultiIndex.from_arrays(keys, names=["kind", "date", "variable"])
    observed = np.full(len(series), np.nan) if part.kind == "removed" else part.after
    columns = {"observed": observed, "forecast": part.before, "news": part.after - part.before}
    return pd.DataFrame(columns, index=labels, dtype=float)
