"""Dating of regimes: when each begins and ends, peaks and troughs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats import _compat
from rnnstats._checks import check_float, check_int, check_literal, suggest
from rnnstats._compat import wrapped
from rnnstats._index import step_name
from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel
from rnnstats.results.regimes.states.probabilities import ProbabilityKind

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["DatingKind", "RegimeDating", "Spell", "TurningPoints", "classified", "spells_of"]

IntArray = NDArray[np.intp]
DatingKind = Literal["filtered", "smoothed", "viterbi"]
NONE = -1  # code of a row without a regime


class Spell(NamedTuple):
    """Rows first to last, both included, of one sequence in one regime."""

    regime: int
    first: int
    last: int
    sequence: int

    @property
    def duration(self) -> int:
        """Number of rows."""
        return self.last - self.first + 1


def classified(probabilities: FloatArray, offsets: Any, threshold: float | None = None) -> IntArray:
    """Regime of each row from probabilities.

    Parameters
    ----------
    probabilities : ndarray, shape (n, K)
        NaN in rows without.
    offsets : sequence of int
        First row of each sequence, and the number of rows.
    threshold : float, optional
        A row goes to the regime whose probability reaches it and, where none does, stays with the
        regime of the row before; the first rows of a sequence go to the most likely one. None: the
        most likely one everywhere (the first of several).

    Returns
    -------
    ndarray of int, shape (n,)
        -1 in rows without probabilities.
    """
    blank: NDArray[np.bool_] = np.asarray(np.isnan(probabilities).any(axis=1))
    filled = np.where(blank[:, None], 0.0, probabilities)
    codes = np.where(blank, NONE, filled.argmax(axis=1))
    if threshold is None:
        return codes
    sure = filled.max(axis=1) >= threshold
    for first, end in pairwise(offsets):
        for row in range(first + 1, end):
            if not sure[row] and not blank[row] and codes[row - 1] != NONE:
                codes[row] = codes[row - 1]
    return codes


def spells_of(codes: IntArray, offsets: Any) -> list[Spell]:
    """Runs of equal codes within sequences, without those of -1.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    offsets : sequence of int

    Returns
    -------
    list of Spell
    """
    found = []
    for sequence, (first, end) in enumerate(pairwise(offsets)):
        part = codes[first:end]
        edges = np.r_[0, np.flatnonzero(np.diff(part)) + 1, len(part)]
        for a, b in pairwise(edges.tolist()):
            if part[a] != NONE:
                found.append(Spell(int(part[a]), first + a, first + b - 1, sequence))
    return found


def lasting(
    codes: IntArray, probabilities: FloatArray, offsets: Any, min_duration: int
) -> IntArray:
    """Codes without spells that are too short.

    Parameters
    ----------
    codes : ndarray of int, shape (n,)
    probabilities : ndarray, shape (n, K)
    offsets : sequence of int
    min_duration : int
        The shortest spell, the first of several, goes to the neighbour that is more likely on its
        rows, until no complete spell is shorter. Spells at either end of a sequence stay: nobody
        knows how long they are.

    Returns
    -------
    ndarray of int, shape (n,)
    """
    codes = codes.copy()
    while True:
        spells = spells_of(codes, offsets)
        inner = [i for i in range(1, len(spells) - 1) if _between(spells, i)]
        short = [i for i in inner if spells[i].duration < min_duration]
        if not short:
            return codes
        which = min(short, key=lambda i: spells[i].duration)
        spell, sides = spells[which], (spells[which - 1].regime, spells[which + 1].regime)
        rows = slice(spell.first, spell.last + 1)
        weight = probabilities[rows].mean(axis=0)
        codes[rows] = max(sides, key=lambda regime: weight[regime])


def _between(spells: list[Spell], i: int) -> bool:
    """Whether a spell has neighbours on both sides in its own sequence."""
    return spells[i - 1].sequence == spells[i].sequence == spells[i + 1].sequence


@dataclass(frozen=True, eq=False, repr=False)
class TurningPoints:
    """When regimes begin and end.

    Attributes
    ----------
    kind : str
        "filtered", "smoothed" or "viterbi".
    threshold : float or None
    min_duration : int
    step : str
        What one row is, such as "quarters".

    References
    ----------
    Hamilton (1989), Econometrica 57, 357-384, table II and section 5; Chauvet and Piger (2008),
    Journal of Business & Economic Statistics 26, 42-49 (thresholds and censoring rules).
    """

    kind: str
    threshold: float | None
    min_duration: int
    step: str
    _frame: pd.DataFrame
    _cycles: pd.DataFrame | None
    _probabilities: pd.DataFrame
    _offsets: tuple[int, ...]
    _codes: IntArray

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a spell, in order (a copy).

        ``regime``; ``start`` and ``end``, labels of its first and last row; ``duration`` in rows;
        ``mean_probability`` of the regime on these rows (smoothed, for a Viterbi path);
        ``complete``: whether beginning and end both lie inside the sequence; ``sequence``, its
        label, where there are several.
        """
        return self._frame.copy()

    @property
    def cycles(self) -> pd.DataFrame:
        """Peaks and troughs, one row a spell of the low regime (a copy).

        ``peak``: last row before it; ``trough``: its last row; missing where the spell begins or
        ends with the sample. ``contraction``: rows of the spell; ``expansion``: rows from the
        trough to the next peak; missing where the sample cuts them off. The dates are those of
        the National Bureau of Economic Research: a contraction runs from the row after the peak to
        the trough.

        Raises
        ------
        SpecificationError
            There are not two regimes.
        """
        if self._cycles is None:
            raise SpecificationError(
                f"turning_points: peaks and troughs need two regimes; got "
                f"{self._probabilities.shape[1]}. Use frame."
            )
        return self._cycles.copy()

    @property
    def states(self) -> pd.Series:
        """Regime of each row by this dating (a copy); missing where there is none."""
        names = np.array([*self._probabilities.columns, None], dtype=object)
        return pd.Series(
            names[self._codes], index=self._probabilities.index, name="regime", dtype="str"
        )

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Spells and, with two regimes, peaks and troughs.
        """
        title = f"Regimes by date ({self.kind}; durations in {self.step})"
        summary = _compat.build_table(_printable(self._frame), title=title, notes=self._notes())
        if self._cycles is not None and len(self._cycles):
            more = _compat.build_table(_printable(self._cycles), title="Peaks and troughs")
            summary.tables.extend(more.tables)
        return summary

    def _notes(self) -> list[str]:
        rule = "the most likely regime"
        if self.kind == "viterbi":
            rule = "the regime on the most likely path"
        elif self.threshold is not None:
            rule = (
                f"the regime whose probability reaches {self.threshold:g}, else that of the row"
                " before"
            )
        notes = [f"Each row goes to {rule}."]
        if self.min_duration > 1:
            notes.append(f"Complete spells of fewer than {self.min_duration} rows are taken out.")
        if not self._frame["complete"].all():
            notes.append("complete False: the sample begins or ends within the spell.")
        return [line for note in notes for line in wrapped(note)]

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot the probabilities with the spells shaded.

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
        from rnnstats.results.regimes.states.comparison_plots import draw_turning_points

        return draw_turning_points(
            self._probabilities, self._codes, self._offsets, kind=self.kind, fig=fig
        )


def _printable(frame: pd.DataFrame) -> pd.DataFrame:
    """Labels as text, missing ones empty."""
    shown = frame.copy()
    for name in frame.columns.intersection(["start", "end", "peak", "trough"]):
        shown[name] = ["" if _missing(value) else _text(value) for value in frame[name]]
    shown = shown.astype(object)
    return shown.where(shown.notna(), "")


def _missing(value: Any) -> bool:
    return not isinstance(value, tuple) and bool(pd.isna(value))


def _text(value: Any) -> str:
    if isinstance(value, tuple):  # of an index with sequence and time
        return ", ".join(_text(part) for part in value)
    return str(value).removesuffix(" 00:00:00")


class RegimeDating(ABC):
    """The part of results that dates regimes.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel

    @abstractmethod
    def _marginal(self, kind: ProbabilityKind) -> FloatArray: ...

    @abstractmethod
    def viterbi(self) -> Any: ...

    def turning_points(
        self,
        kind: DatingKind = "smoothed",
        threshold: float | None = None,
        min_duration: int = 1,
        low: str | None = None,
    ) -> TurningPoints:
        """Date the regimes: when each began and ended, and peaks and troughs.

        Parameters
        ----------
        kind : {"smoothed", "filtered", "viterbi"}
            Probabilities given all rows, or the rows so far (what one could have known at the
            time), or the jointly most likely path.
        threshold : float, optional
            A row goes to the regime whose probability reaches it and, where none does, stays in the
            regime of the row before. By default each row goes to the most likely regime.
        min_duration : int
            Complete spells with fewer rows are given to the neighbour that is more likely there.
        low : str, optional
            With two regimes: the one that begins after a peak and ends with a trough; by default
            the first, which is that of the lower mean where regimes are ordered by it.

        Returns
        -------
        TurningPoints
            ``frame``, ``cycles``, ``states``, ``summary()``, ``plot()``.

        Raises
        ------
        SpecificationError
            An unknown kind or regime, a threshold outside 0 to 1 or beside a Viterbi path, or a
            duration below one.

        Examples
        --------
        >>> results.turning_points(min_duration=2).cycles      # doctest: +SKIP
        """
        caller = "turning_points"
        check_literal(kind, get_args(DatingKind), name="kind", caller=caller)
        shortest = check_int(min_duration, name="min_duration", caller=caller, minimum=1)
        if threshold is not None:
            threshold = check_float(threshold, name="threshold", caller=caller, above=0, below=1)
        names = tuple(self.model.regime_names)
        if low is not None and low not in names:
            raise SpecificationError(
                f"{caller}: low must be one of {', '.join(names)}; got {low!r}."
                f"{suggest(low, names)}"
            )
        if low is not None and len(names) != 2:
            raise SpecificationError(
                f"{caller}: low goes with two regimes, for peaks and troughs; got {low!r} of "
                f"{len(names)}. Leave it out."
            )
        sequences = self.model.endog.sequences
        offsets = tuple(int(row) for row in self.model.offsets)
        codes, values = self._codes(kind, threshold, offsets)
        codes = lasting(codes, values, offsets, shortest)
        spells = spells_of(codes, offsets)
        index = self.model.endog.index
        return TurningPoints(
            kind,
            threshold,
            shortest,
            step_name(index),
            _by_name(_spell_table(spells, values, names, index, offsets), sequences),
            _by_name(
                _cycle_table(spells, 0 if low is None else names.index(low), index, offsets),
                sequences,
            )
            if len(names) == 2
            else None,
            pd.DataFrame(values, index=index, columns=list(names)),
            offsets,
            codes,
        )

    def _codes(
        self, kind: DatingKind, threshold: float | None, offsets: tuple[int, ...]
    ) -> tuple[IntArray, FloatArray]:
        """Regime of each row, and the probabilities that go with it."""
        if kind != "viterbi":
            values = self._marginal(kind)
            return classified(values, offsets, threshold), values
        if threshold is not None:
            raise SpecificationError(
                f"turning_points: a Viterbi path has no probabilities to compare with a threshold; "
                f"got threshold={threshold}. Leave it out, or use kind='smoothed'."
            )
        path = pd.Categorical(self.viterbi(), categories=list(self.model.regime_names))
        return np.asarray(path.codes, dtype=np.intp), self._marginal("smoothed")


def _spell_table(
    spells: list[Spell],
    values: FloatArray,
    names: tuple[str, ...],
    index: pd.Index,
    offsets: tuple[int, ...],
) -> pd.DataFrame:
    firsts = [spell.first for spell in spells]
    lasts = [spell.last for spell in spells]
    table = pd.DataFrame(
        {
            "regime": pd.Series([names[spell.regime] for spell in spells], dtype="str"),
            "start": index.take(firsts),
            "end": index.take(lasts),
            "duration": pd.Series([spell.duration for spell in spells], dtype=int),
            "mean_probability": pd.Series(
                [values[s.first : s.last + 1, s.regime].mean() for s in spells], dtype=float
            ),
            "complete": pd.Series(
                [_opens(spells, i) and _closes(spells, i) for i in range(len(spells))], dtype=bool
            ),
        },
        index=pd.RangeIndex(len(spells)),
    )
    if len(offsets) > 2:
        table.insert(0, "sequence", [spell.sequence for spell in spells])
    return table.set_axis(pd.RangeIndex(1, len(spells) + 1, name="spell"))


def _opens(spells: list[Spell], i: int) -> bool:
    """Whether another spell of the sequence lies before."""
    return i > 0 and spells[i - 1].sequence == spells[i].sequence


def _closes(spells: list[Spell], i: int) -> bool:
    """Whether another spell of the sequence lies behind."""
    return i + 1 < len(spells) and spells[i + 1].sequence == spells[i].sequence


def _by_name(table: pd.DataFrame, sequences: tuple[Any, ...]) -> pd.DataFrame:
    """Name the sequences as the data do."""
    if sequences and "sequence" in table:
        return table.assign(sequence=[sequences[i] for i in table["sequence"]])
    return table


def _cycle_table(
    spells: list[Spell], low: int, index: pd.Index, offsets: tuple[int, ...]
) -> pd.DataFrame:
    """Peaks and troughs: spells of the low regime with the rows around them."""
    rows = []
    for i, spell in enumerate(spells):
        if spell.regime != low:
            continue
        opened, closed = _opens(spells, i), _closes(spells, i)
        after = closed and _closes(spells, i + 1)
        rows.append(
            {
                "sequence": spell.sequence,
                "peak": index[spell.first - 1] if opened else None,
                "trough": index[spell.last] if closed else None,
                "contraction": spell.duration if opened and closed else pd.NA,
                "expansion": spells[i + 1].duration if after else pd.NA,
            }
        )
    table = pd.DataFrame(rows, columns=["sequence", "peak", "trough", "contraction", "expansion"])
    for name in ("contraction", "expansion"):
        table[name] = table[name].astype("Int64")
    table.index = pd.RangeIndex(1, len(table) + 1, name="cycle")
    return table if len(offsets) > 2 else table.drop(columns="sequence")
