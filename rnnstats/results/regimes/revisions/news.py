"""The part of results with regimes that says why estimates change when data arrive."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_literal
from rnnstats.data import Exog
from rnnstats.errors import SpecificationError
from rnnstats.results.continuation import rows_index
from rnnstats.results.forecasting.news import News
from rnnstats.results.forecasting.vintages import same_rows, updated_endog
from rnnstats.results.forecasting.windows import target_rows
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.outlook import Future
from rnnstats.results.regimes.outputs import (
    coded_rows,
    column_levels,
    expanded_names,
    expanded_places,
)
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.regimes.revisions.estimates import Estimate, estimated
from rnnstats.results.responses.intercepts import padded

RegimeTarget = Literal["regimes", "outputs"]

__all__ = ["RegimeNews", "RegimeTarget"]

CALLER = "news"
_WORDS = (
    "News: what each new value changed when it was put in, in the order of rows and columns; the "
    "parts sum to updated less previous."
)


class _Change(NamedTuple):
    """One change of an observation, and what it did to the targets (t,)."""

    kind: str
    row: int
    variable: str
    observed: float
    forecast: float
    news: float
    impact: FloatArray


class _Vintage(NamedTuple):
    """A system with the data known to it, padded to all rows."""

    model: RegimeModel
    system: RegimeSystem
    values: FloatArray


class RegimeNews:
    """The part of results that says why estimates change.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    def news(
        self,
        updated: Any,
        exog: Any = None,
        *,
        exog_transition: Any = None,
        start: Any = None,
        end: Any = None,
        of: RegimeTarget = "regimes",
    ) -> News:
        """Say why probabilities of regimes or means of outputs change with new or revised data.

        Parameters
        ----------
        updated : DataFrame, Series, array_like or MarkovResults
            All rows of the updated data, from the first row of the sample on, as many as there are
            now; NaN for what is not known. Or results of the same model on them, whose parameters
            may be other estimates; needed where there are several sequences.
        exog, exog_transition : Series, DataFrame or array_like, optional
            Inputs of the rows past the sample of these results, up to the last row asked for; with
            results, of the rows past theirs.
        start, end : int, str, datetime-like or Period, optional
            First and last row whose estimates are compared. By default from the row after the
            sample of these results (or its last, if no rows are new) to the row after the updated
            data.
        of : {"regimes", "outputs"}
            Probabilities of the regimes given all data of a state of knowledge, or means of the
            outputs, that are the values themselves where observed (categories: indicators).

        Returns
        -------
        News
            ``impacts``, ``frame``, ``updates``, ``summary()``, ``plot()``. The changes are put in
            one after the other: inputs; values withdrawn; values revised; new values, each by the
            order of rows and columns; parameters. The impact of each is what its own step changed,
            so that impacts sum to the whole revision exactly. There are no weights: probabilities
            are not linear in the data, and in another order the parts are others.

        Raises
        ------
        DataError
            The updated data are not later data of the same series, or inputs are needed.
        SpecificationError
            Results of another model or of later rows only, or rows that do not exist.
        """
        check_literal(of, get_args(RegimeTarget), name="of", caller=CALLER)
        self._check_own()
        theirs = getattr(updated, "model", None)
        if theirs is None:
            if isinstance(self.model.endog.index, pd.MultiIndex):
                raise SpecificationError(
                    f"{CALLER}: with several sequences in the index, updated must be results; got "
                    f"{type(updated).__name__}. Pass those of append or apply."
                )
            endog = updated_endog(
                self.model, coded_rows(self.model, updated, CALLER), caller=CALLER
            )
            theta, model = self._theta, self.model
            target = target_rows(self.model.endog, endog, start, end)
            total = max(target.stop, endog.nobs, model.nobs)
            future = _future(model, (exog, exog_transition), total)
            after = before = future.system(model, theta)
        else:
            endog, theta, model = theirs.endog, np.asarray(updated._theta), theirs
            self._check_same(theirs)
            target = target_rows(self.model.endog, endog, start, end)
            total = max(target.stop, endog.nobs, self.model.nobs)
            future = _future(theirs, (exog, exog_transition), total)
            after = future.system(theirs, self._theta)
            before = _earlier(self.model, theirs, future, total).system(self.model, self._theta)
        same_rows(self.model.endog, endog, CALLER)
        old = _Vintage(self.model, before, padded(self.model.endog.values, total))
        new = _Vintage(model, after, padded(endog.values, total))
        final = None if np.array_equal(theta, self._theta) else future.system(model, theta)
        steps = _Steps(self.model, column_levels(self.model), target, of)
        index = rows_index(self.model, total) if theirs is None else rows_index(theirs, total)
        return _decomposed(steps, old, new, final, index)

    def _check_own(self) -> None:
        if getattr(self.model, "continues", False):
            raise SpecificationError(
                f"{CALLER}: results must be on all rows; got those of later rows only. Use append "
                "in place of extend."
            )

    def _check_same(self, other: Any) -> None:
        mine = self.model
        same = getattr(other, "param_names", None) == mine.param_names
        later = getattr(other, "continues", False)
        cut = tuple(getattr(other.endog, "first_rows", (0,)))
        if later or not same or cut != tuple(mine.endog.first_rows):
            got = "results of later rows only" if later else repr(other)
            raise SpecificationError(
                f"{CALLER}: updated results must be of the same model, with the same sequences, "
                f"both on all rows; got {got}. Give the updated data, or use append."
            )


def _future(model: RegimeModel, inputs: tuple[Any, Any], total: int) -> Future:
    """Inputs of the rows past a model's sample."""
    steps = max(0, total - model.nobs)
    index = rows_index(model, model.nobs + steps)[model.nobs :]
    parts: list[FloatArray | None] = []
    for what, given in zip(("exog", "exog_transition"), inputs, strict=True):
        known: Exog | None = getattr(model, what)
        if known is None and given is not None:
            raise SpecificationError(
                f"{CALLER}: {what} holds inputs of later rows; got some although the model has no "
                f"such inputs. Leave {what} out."
            )
        rows = None
        if known is not None and steps:
            rows = known.future(given, steps, index, caller=CALLER, what=what)
        parts.append(rows)
    return Future(steps, *parts)


def _earlier(mine: RegimeModel, theirs: RegimeModel, future: Future, total: int) -> Future:
    """Inputs past this sample, as they are known in the updated data."""
    steps = total - mine.nobs
    parts: list[FloatArray | None] = []
    for what, more in (("exog", future.exog), ("exog_transition", future.exog_transition)):
        known: Exog | None = getattr(theirs, what)
        if known is None:
            parts.append(None)
            continue
        every = known.values if more is None else np.concatenate([known.values, more])
        parts.append(every[mine.nobs : total])
    return Future(steps, *parts)


class _Steps:
    """Estimates of the targets at one state of the data after the other.

    Parameters
    ----------
    model : RegimeModel
    levels : tuple
        Categories of each column.
    target : range
        Rows.
    of : {"regimes", "outputs"}
    """

    def __init__(self, model: RegimeModel, levels: Any, target: range, of: str) -> None:
        self.model, self.levels, self.target, self.of = model, levels, target, of
        self.names = model.regime_names if of == "regimes" else expanded_names(model)

    def at(self, vintage: _Vintage, values: FloatArray) -> FloatArray:
        """Estimates of all targets, flat."""
        found = self.whole(vintage, values, self.target)
        return np.asarray(found.regimes if self.of == "regimes" else found.outputs).ravel()

    def whole(self, vintage: _Vintage, values: FloatArray, rows: range) -> Estimate:
        """Estimates of regimes and outputs."""
        return estimated(vintage.model, vintage.system, values, rows, self.levels, CALLER)

    def changed(
        self, vintage: _Vintage, kind: str, values: FloatArray, goal: FloatArray
    ) -> list[_Change]:
        """Put values in one after the other, in place of those there."""
        differ = ~((values == goal) | (np.isnan(values) & np.isnan(goal)))
        places = expanded_places(self.levels)
        names = expanded_names(self.model)
        found, now = [], self.at(vintage, values)
        for row, column in np.argwhere(differ):
            before, after = values[row, column], goal[row, column]
            shown = before if kind == "removed" else after
            at = places[column][0 if self.levels[column] is None else int(shown)]
            one = range(int(row), int(row) + 1)
            expected = self.whole(vintage, values, one).outputs[0, at]
            values[row, column] = after
            then = self.at(vintage, values)
            value = float(self.whole(vintage, values, one).outputs[0, at])
            observed = np.nan if kind == "removed" else value
            change = _Change(
                kind, int(row), names[at], observed, float(expected), value - expected, then - now
            )
            found.append(change)
            now = then
        return found


def _decomposed(
    steps: _Steps, old: _Vintage, new: _Vintage, final: RegimeSystem | None, index: pd.Index
) -> News:
    """Go from the old state of knowledge to the new one."""
    levels = [steps.at(old, old.values), steps.at(new, old.values)]
    had, has = ~np.isnan(old.values), ~np.isnan(new.values)
    values = np.array(old.values)
    goals = (
        ("removed", np.where(had & ~has, np.nan, old.values)),
        ("revision", np.where(had & has, new.values, np.nan)),
        ("news", new.values),
    )
    changes: list[_Change] = []
    for kind, goal in goals:
        part = steps.changed(new, kind, values, goal)
        changes = part + changes if kind == "news" else changes + part
        levels.append(steps.at(new, values))
    last = levels[-1]
    if final is not None:
        last = steps.at(_Vintage(new.model, final, values), values)
    levels.append(last)
    dates = index[steps.target.start : steps.target.stop]
    count = len(steps.names)
    keys: list[Any] = [dates.repeat(count), list(steps.names) * len(dates)]
    targets = _crossed(keys, ["date", "target"])
    order = ("inputs", "removed", "revisions", "news", "parameters")
    columns = {"previous": levels[0]}
    columns |= dict(zip(order, np.diff(levels, axis=0), strict=True))
    columns |= {"total": levels[-1] - levels[0], "updated": levels[-1]}
    impacts = pd.DataFrame(columns, index=targets)
    return News(impacts, *_tables(changes, targets, index), _WORDS)


def _crossed(keys: list[Any], names: list[str]) -> pd.MultiIndex:
    """Make an index; labels of several levels become tuples."""
    flat = [key.to_flat_index() if isinstance(key, pd.MultiIndex) else key for key in keys]
    made: pd.MultiIndex = pd.MultiIndex.from_arrays(flat, names=names)
    return made


def _tables(
    changes: list[_Change], targets: pd.MultiIndex, index: pd.Index
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Label the changes, and their impacts on each target."""
    names = ["kind", "date", "variable"]
    dates = index[[one.row for one in changes]]
    labels = _crossed([[c.kind for c in changes], dates, [c.variable for c in changes]], names)
    columns = {
        name: [getattr(c, name) for c in changes] for name in ("observed", "forecast", "news")
    }
    updates = pd.DataFrame(columns, index=labels, dtype=float)
    count, number = len(targets), len(changes)
    frame = updates.iloc[np.tile(np.arange(number), count)].copy()
    impact = np.array([c.impact for c in changes]).reshape(number, count)
    frame["impact"] = impact.T.ravel()
    place = np.repeat(np.arange(count), number)
    keys = [targets.get_level_values(level)[place] for level in (0, 1)]
    keys += [frame.index.get_level_values(level) for level in range(3)]
    frame.index = _crossed(keys, ["target date", "target", *names])
    return frame, updates
