"""What the future adds to what the past says about regimes, and how right both are."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import entr

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel
from rnnstats.results.regimes.states.comparison_truth import (
    SCORES,
    Scores,
    against,
    confusion_of,
    scored,
    standard_error,
    true_regimes,
)
from rnnstats.results.regimes.states.probabilities import ProbabilityKind
from rnnstats.results.regimes.states.turning_points import classified, spells_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RegimeComparison", "RegimeFilterVsSmoother", "compare_regimes"]

IntArray = NDArray[np.intp]
KINDS: tuple[ProbabilityKind, ...] = ("predicted", "filtered", "smoothed")


@dataclass(frozen=True, eq=False, repr=False)
class RegimeFilterVsSmoother:
    """Predicted, filtered and smoothed probabilities of the regimes, date by date.

    Three scores of a distribution p over regimes when regime h holds, the smaller the better:
    *error*, 1 if the most likely regime is not h; *Brier score*, sum of (p_k - 1{h = k})^2; *log
    score*, -log p_h in nats. Under the model a distribution expects of itself: 1 - max p,
    1 - sum p^2, and its entropy. What happened is not seen; all rows tell about it, so that the
    *realised* score is the expectation under the smoothed probabilities. Expected and realised
    scores of the filter agree on average where the model is right; a realised one that is larger
    means that the filter is too sure of itself.

    References
    ----------
    Brier (1950), Monthly Weather Review 78, 1-3; Gneiting and Raftery (2007), Journal of the
    American Statistical Association 102, 359-378; Cover and Thomas (2006), Elements of Information
    Theory, chapter 2.
    """

    _frame: pd.DataFrame
    _probabilities: dict[str, pd.DataFrame]
    _calibration: pd.DataFrame
    _delays: pd.DataFrame
    _comparison: pd.DataFrame | None
    _confusion: pd.DataFrame | None
    _offsets: tuple[int, ...]

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a date (a copy); NaN in rows that the likelihood is conditional on.

        ``regime_predicted``, ``regime_filtered``, ``regime_smoothed``: the most likely regime;
        ``viterbi``: that on the most likely path; ``entropy_predicted``, ``entropy_filtered``,
        ``entropy_smoothed`` in nats; ``entropy_reduction``: filtered minus smoothed, as it
        happened (on average positive, at single dates either); ``information``: relative entropy
        of the smoothed to the filtered probabilities, never negative, what later rows told in nats;
        ``revision``: total variation distance of the two, between 0 and 1; ``error_predicted``,
        ``error_filtered``, ``error_smoothed``: expected classification error 1 - max p;
        ``realised_predicted``, ``realised_filtered``: probability given all rows that the
        classification was wrong; ``disagree``: whether filtered and smoothed classification differ.
        """
        return self._frame.copy()

    @property
    def disagreements(self) -> pd.DataFrame:
        """Dates where filtered and smoothed classification differ (a copy).

        ``filtered`` and ``smoothed``: the two regimes; ``filtered_probability`` and
        ``smoothed_probability`` of the regime that the smoother chooses.
        """
        part = self._frame[self._frame["disagree"].fillna(False).astype(bool)]
        rows = np.flatnonzero(self._frame["disagree"].fillna(False).to_numpy(dtype=bool))
        names = list(self._probabilities["smoothed"].columns)
        chosen = [names.index(name) for name in part["regime_smoothed"]]
        return pd.DataFrame(
            {
                "filtered": part["regime_filtered"],
                "smoothed": part["regime_smoothed"],
                "filtered_probability": self._probabilities["filtered"].to_numpy()[rows, chosen],
                "smoothed_probability": self._probabilities["smoothed"].to_numpy()[rows, chosen],
            },
            index=part.index,
        )

    @property
    def delays(self) -> pd.DataFrame:
        """How late the filter saw each change of regime (a copy).

        One row a change of the smoothed classification: ``regime`` entered; ``start``, its first
        row; ``seen``, the first row of the spell that the filter gives to it, too; ``delay`` in
        rows, missing where the filter never did.
        """
        return self._delays.copy()

    @property
    def calibration(self) -> pd.DataFrame:
        """Expected against realised scores, index (kind, score) (a copy).

        ``expected``, ``realised``: means over dates; ``difference`` of the two, its standard error
        ``difference_se`` (long-run variance, Bartlett weights, Andrews' bandwidth) and ``z``.
        """
        return self._calibration.copy()

    @property
    def comparison(self) -> pd.DataFrame | None:
        """Scores against the true regimes; None where no truth was given (a copy).

        One row for predicted, filtered, smoothed probabilities and the Viterbi path: ``nobs``;
        ``error`` (share of dates in the wrong regime), ``brier``, ``log_score``, each with its
        standard error (long-run variance) and the model's expectation on the same dates
        (``expected_error``, ...). A path has an error only.
        """
        return None if self._comparison is None else self._comparison.copy()

    @property
    def confusion(self) -> pd.DataFrame | None:
        """Dates by true regime (index, with the kind) and classification (columns) (a copy)."""
        return None if self._confusion is None else self._confusion.copy()

    @property
    def table(self) -> pd.DataFrame:
        """Averages over dates, one row a kind (a copy).

        ``dates``; mean ``entropy``, ``error`` (expected); ``sure``: share of
        dates at which the most likely regime has at least 0.9.
        """
        rows = {}
        for kind in KINDS:
            peak = self._probabilities[kind].max(axis=1).dropna()
            rows[kind] = {
                "dates": len(peak),
                "entropy": float(self._frame[f"entropy_{kind}"].mean()),
                "error": float(1.0 - peak.mean()),
                "sure": float((peak >= 0.9).mean()),
            }
        table = pd.DataFrame.from_dict(rows, orient="index")
        table["dates"] = table["dates"].astype(int)
        return table

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Averages, expected against realised scores and, with a truth, scores against it.
        """
        summary = _compat.build_table(
            self.table, title="Filter versus smoother: regimes, averages over dates",
            notes=self._notes(),
        )  # fmt: skip
        scores = self._calibration.set_axis([" ".join(key) for key in self._calibration.index])
        scores.columns = pd.Index(["expected", "realised", "difference", "std err", "z"])
        parts = [(scores, "Scores: expected by the filter itself, and as all rows judge them")]
        if self._comparison is not None:
            parts.append((self._comparison.T, "Against the true regimes"))
        for table, title in parts:
            summary.tables.extend(_compat.build_table(table, title=title).tables)
        return summary

    def _notes(self) -> list[str]:
        seen = self._frame["disagree"].dropna()
        late = self._delays["delay"]
        told = float(self._frame["information"].mean())
        notes = [
            "Predicted: rows before the date. Filtered: rows up to it. Smoothed: all rows.",
            f"Filtered and smoothed classification differ at {int(seen.sum())} of {len(seen)}"
            f" dates; later rows tell {told:.3g} nats a date.",
        ]
        if len(late):
            missed = int(late.isna().sum())
            caught = late.dropna()
            mean = f"{float(caught.mean()):.3g} rows late on average" if len(caught) else "never"
            never = f", {missed} not at all" if missed and len(caught) else ""
            notes.append(f"The filter saw {len(late)} changes of regime {mean}{never}.")
        return [line for note in notes for line in wrapped(note)]

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot filtered and smoothed probabilities, one regime a panel, and their entropies.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
            With two regimes the first one's probability only; dates where the classifications
            differ are shaded.

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.regimes.states.comparison_plots import draw_regime_comparison

        return draw_regime_comparison(self._frame, self._probabilities, self._offsets, fig=fig)


class RegimeComparison(ABC):
    """The part of results that compares filter and smoother.

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

    def filter_vs_smoother(self, truth: Any = None) -> RegimeFilterVsSmoother:
        """Compare what the rows so far and what all rows say about the regimes.

        Entropies, expected and realised classification error, Brier and log score, dates where the
        two classifications differ, and how late the filter saw each change.

        Parameters
        ----------
        truth : Series, array_like or DataFrame, optional
            True regimes: names ("h1", ...), numbers from 0 (0 is h1), or a table with a column of
            zeros and ones for each regime; missing where not known.

        Returns
        -------
        RegimeFilterVsSmoother
            ``frame``, ``table``, ``calibration``, ``disagreements``, ``delays``, ``comparison``,
            ``confusion``, ``summary()``, ``plot()``.

        Raises
        ------
        DataError
            `truth` has other rows, or other regimes.
        """
        path = pd.Categorical(self.viterbi(), categories=list(self.model.regime_names))
        return compare_regimes(
            self.model,
            {kind: self._marginal(kind) for kind in KINDS},
            np.asarray(path.codes, dtype=np.intp),
            truth,
        )


def compare_regimes(
    model: RegimeModel, probabilities: dict[Any, FloatArray], path: IntArray, truth: Any = None
) -> RegimeFilterVsSmoother:
    """Compare probabilities of the regimes.

    Parameters
    ----------
    model : RegimeModel
        Gives index, names and sequences.
    probabilities : dict of str to ndarray of shape (nobs, K)
        "predicted", "filtered", "smoothed"; NaN in rows that are conditioned on.
    path : ndarray of int, shape (nobs,)
        Viterbi path, -1 in those rows.
    truth : optional
        As for `RegimeComparison.filter_vs_smoother`.

    Returns
    -------
    RegimeFilterVsSmoother

    Raises
    ------
    DataError
        `truth` does not fit.
    """
    index, names = model.endog.index, tuple(model.regime_names)
    offsets = tuple(int(row) for row in model.offsets)
    seen = np.flatnonzero(~np.isnan(probabilities["smoothed"]).any(axis=1))
    laws = {kind: probabilities[kind][seen] for kind in KINDS}
    chosen = {kind: laws[kind].argmax(axis=1) for kind in KINDS}
    own = {kind: scored(laws[kind], chosen[kind], laws[kind]) for kind in KINDS}
    judged = {
        kind: scored(laws[kind], chosen[kind], laws["smoothed"]) for kind in KINDS[:2]
    }  # fmt: skip
    frame = _frame(index, names, seen, laws, chosen, path, own, judged)
    comparison = confusion = None
    if truth is not None:
        codes = true_regimes(truth, names, index)
        known = codes[seen] >= 0
        comparison = against(codes[seen], known, laws, chosen, path[seen], own)
        labelled: dict[str, IntArray] = {str(kind): chosen[kind] for kind in KINDS}
        labelled["viterbi"] = path[seen]
        confusion = confusion_of(codes[seen], known, labelled, names)
    return RegimeFilterVsSmoother(
        frame,
        {kind: pd.DataFrame(probabilities[kind], index=index, columns=list(names))
         for kind in KINDS},
        _calibration(own, judged),
        _delays(probabilities, names, index, offsets),
        comparison,
        confusion,
        offsets,
    )  # fmt: skip


def _frame(
    index: pd.Index,
    names: tuple[str, ...],
    seen: IntArray,
    laws: dict[Any, FloatArray],
    chosen: dict[Any, IntArray],
    path: IntArray,
    own: dict[Any, Scores],
    judged: dict[Any, Scores],
) -> pd.DataFrame:
    """One row a date, blank where nothing is known."""
    labels = np.array([*names, None], dtype=object)
    columns: dict[str, Any] = {}
    for kind in KINDS:
        column = np.full(len(index), None, dtype=object)
        column[seen] = labels[chosen[kind]]
        columns[f"regime_{kind}"] = pd.Series(column, index=index, dtype="str")
    columns["viterbi"] = pd.Series(labels[path], index=index, dtype="str")
    entropy = {kind: entr(laws[kind]).sum(axis=1) for kind in KINDS}
    later, now = laws["smoothed"], laws["filtered"]
    numbers = {
        **{f"entropy_{kind}": entropy[kind] for kind in KINDS},
        "entropy_reduction": entropy["filtered"] - entropy["smoothed"],
        "information": _relative_entropy(later, now),
        "revision": 0.5 * np.abs(later - now).sum(axis=1),
        **{f"error_{kind}": own[kind].error for kind in KINDS},
        **{f"realised_{kind}": judged[kind].error for kind in KINDS[:2]},
    }
    for name, values in numbers.items():
        column = np.full(len(index), np.nan)
        column[seen] = values
        columns[name] = pd.Series(column, index=index)
    differ = np.full(len(index), pd.NA, dtype=object)
    differ[seen] = chosen["filtered"] != chosen["smoothed"]
    columns["disagree"] = pd.Series(differ, index=index, dtype="boolean")
    return pd.DataFrame({name: column.array for name, column in columns.items()}, index=index)


def _relative_entropy(p: FloatArray, q: FloatArray) -> FloatArray:
    """Sum of p log(p / q), 0 where p is."""
    with np.errstate(divide="ignore", invalid="ignore"):
        parts = np.where(p > 0.0, p * (np.log(p) - np.log(q)), 0.0)
    found: FloatArray = np.maximum(parts.sum(axis=1), 0.0)
    return found


def _calibration(own: dict[Any, Scores], judged: dict[Any, Scores]) -> pd.DataFrame:
    rows = {}
    for kind, scores in judged.items():
        for name in SCORES:
            expected, realised = getattr(own[kind], name), getattr(scores, name)
            gap = realised - expected
            error = standard_error(gap)
            mean = float(gap.mean()) if gap.size else np.nan
            rows[kind, name] = {
                "expected": float(expected.mean()) if gap.size else np.nan,
                "realised": float(realised.mean()) if gap.size else np.nan,
                "difference": mean,
                "difference_se": error,
                "z": mean / error if error > 0.0 else np.nan,
            }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table.index = pd.MultiIndex.from_tuples(list(rows), names=["kind", "score"])
    return table


def _delays(
    probabilities: dict[Any, FloatArray],
    names: tuple[str, ...],
    index: pd.Index,
    offsets: tuple[int, ...],
) -> pd.DataFrame:
    """Changes of the smoothed classification, and when the filter agreed."""
    codes = {kind: classified(probabilities[kind], offsets) for kind in KINDS[1:]}
    spells = spells_of(codes["smoothed"], offsets)
    rows: list[tuple[str, int, int]] = []
    for before, spell in pairwise(spells):
        if before.sequence != spell.sequence:
            continue
        same = codes["filtered"][spell.first : spell.last + 1] == spell.regime
        late = int(same.argmax()) if same.any() else -1
        rows.append((names[spell.regime], spell.first, late))
    first = [row for _, row, _ in rows]
    seen = [index[row + late] if late >= 0 else None for _, row, late in rows]
    places = pd.RangeIndex(1, len(rows) + 1, name="change")
    return pd.DataFrame(
        {
            "regime": pd.Series([name for name, _, _ in rows], index=places, dtype="str"),
            "start": index.take(first),
            "seen": pd.Series(seen, index=places, dtype=object).infer_objects(),
            "delay": pd.array([late if late >= 0 else pd.NA for *_, late in rows], dtype="Int64"),
        },
        index=places,
    )
