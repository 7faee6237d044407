"""Success against lag: the table of many runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd

from rnnstats._checks import check_alpha
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.training.inference import matched_difference, wilson
from rnnstats.diagnostics.memory.training.pictures import dependence_figure
from rnnstats.errors import DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["LongDependence"]

RUN_COLUMNS: Final = (
    "network", "lag", "seed", "succeeded", "steps", "skill", "tau", "clipped", "largest_gradient",
)  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class LongDependence(Report):
    """Success of networks against the lag that they must bridge.

    Attributes
    ----------
    runs : DataFrame
        One row a run: ``network``, ``lag``, ``seed``, ``succeeded``, ``steps`` (taken), ``skill``
        (of the last test: 1 perfect, 0 what can be had without looking at the inputs), ``tau``
        (slowest time constant of the start weights, in rows), ``clipped`` (share of the steps whose
        gradient was shortened), ``largest_gradient`` (norm before clipping). Written by
        ``.runs.to_csv(path, index=False)``, it is read again by ``LongDependence(read_csv(path))``.
    title : str
        What was learnt.
    notes : tuple of str
        How.
    alpha : float
        One minus the coverage of the intervals.

    Raises
    ------
    DataError
        A column is missing, there is no run, or one is there twice.
    """

    runs: pd.DataFrame
    title: str = "Long dependence"
    notes: tuple[str, ...] = ()
    alpha: float = 0.05

    def __post_init__(self) -> None:
        check_alpha(self.alpha, "LongDependence")
        missing = [name for name in RUN_COLUMNS if name not in self.runs.columns]
        if missing or not len(self.runs):
            raise DataError(
                f"LongDependence: runs must have the columns {', '.join(RUN_COLUMNS)} and a row; "
                f"got none of {missing or 'the rows'}. Give the runs of another LongDependence."
            )
        again = self.runs.duplicated(["network", "lag", "seed"])
        if again.any():
            one = self.runs[again].iloc[0]
            raise DataError(
                "LongDependence: a run must be there once, by its network, lag and seed; got "
                f"{one['network']}, lag {one['lag']}, seed {one['seed']} again. Number the runs of "
                "several experiments on."
            )

    @property
    def networks(self) -> list[str]:
        """Names, in the order in which they were given."""
        return list(pd.unique(self.runs["network"]))

    @property
    def frame(self) -> pd.DataFrame:
        """Success by network and lag.

        Returns
        -------
        DataFrame
            Index ``network``, ``lag``; columns ``runs``, ``successes``, ``share`` with its Wilson
            interval ``lower``, ``upper``; ``skill``, ``skill_se`` (mean over runs, and its standard
            error); ``steps``: median over runs of the steps until success, missing where at most
            half succeeded; ``tau`` (median, in rows); ``clipped`` (mean share of steps);
            ``largest_gradient`` (median).
        """
        return self._frame.copy()

    @cached_property
    def _frame(self) -> pd.DataFrame:
        """`frame`, once."""
        groups = self.runs.groupby(["network", "lag"], sort=False)
        count, successes = groups.size(), groups["succeeded"].sum().astype(int)
        lower, upper = wilson(successes, count, self.alpha)
        steps = self.runs["steps"].where(self.runs["succeeded"].astype(bool), np.inf)
        median = steps.groupby([self.runs["network"], self.runs["lag"]], sort=False).median()
        table = {
            "runs": count,
            "successes": successes,
            "share": successes / count,
            "lower": lower,
            "upper": upper,
            "skill": groups["skill"].mean(),
            "skill_se": groups["skill"].std() / np.sqrt(count),
            "steps": median.replace(np.inf, np.nan),
            "tau": groups["tau"].median(),
            "clipped": groups["clipped"].mean(),
            "largest_gradient": groups["largest_gradient"].median(),
        }
        order = pd.MultiIndex.from_product([self.networks, sorted(self.runs["lag"].unique())])
        out = pd.DataFrame(table)
        return out.reindex([key for key in order if key in out.index]).rename_axis(
            index=["network", "lag"]
        )

    @property
    def comparison(self) -> pd.DataFrame:
        """Networks compared with the first one.

        Returns
        -------
        DataFrame
            Index: networks. ``reach``: the longest lag up to which, at each lag tried, the interval
            of the share lies above one half (0 where it never does); ``share`` and ``skill``: means
            over lags; ``difference``, ``difference_se``: share less that of the first network, mean
            over the lags tried with both; ``pvalue``: McNemar's exact test on the runs, of the same
            number at the same lag and hence on the same sequences, of which one alone succeeds.
        """
        table = self._frame
        succeeded = self.runs.set_index(["network", "lag", "seed"])[["succeeded"]].astype(bool)
        first = succeeded.loc[self.networks[0]]
        rows = []
        for name in self.networks:
            own = table.loc[name]
            holds = (own["lower"] > 0.5).cumprod().astype(bool)
            row = {
                "reach": int(own.index[holds].max()) if holds.any() else 0,
                "share": own["share"].mean(),
                "skill": own["skill"].mean(),
            }
            if name != self.networks[0]:
                both = succeeded.loc[name].merge(
                    first, left_index=True, right_index=True, suffixes=("", "_first")
                )
                found = matched_difference(
                    [
                        (part["succeeded"].to_numpy(), part["succeeded_first"].to_numpy())
                        for _, part in both.groupby(level="lag")
                    ]
                )
                row |= dict(zip(("difference", "difference_se", "pvalue"), found, strict=True))
            rows.append(row)
        columns = ["reach", "share", "skill", "difference", "difference_se", "pvalue"]
        return pd.DataFrame(rows, index=pd.Index(self.networks, name="network"), columns=columns)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        shown = self.frame
        shown.index = pd.Index([f"{name}, lag {lag}" for name, lag in shown.index])
        tables = {f"{self.title}: success against lag": shown}
        if len(self.networks) > 1:
            tables[f"Compared with {self.networks[0]}"] = self.comparison
        level = f"{100 * (1 - self.alpha):g} %"
        words = (
            f"share: of the runs that passed the test, with its {level} Wilson interval. skill: 1 "
            "perfect, 0 without looking at the inputs. tau: slowest time constant of the start "
            "weights, in rows."
        )
        return lay_out(tables, [*self.notes, words])

    def plot(self, *, networks: Sequence[str] | None = None, fig: Figure | None = None) -> Figure:
        """Draw success and skill against lag, with error bars.

        Parameters
        ----------
        networks : sequence of str, optional
            Which; by default all.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        DataError
            A network is not there.
        MissingDependencyError
            matplotlib is not installed.
        """
        chosen = self.networks if networks is None else list(networks)
        unknown = [name for name in chosen if name not in self.networks]
        if unknown or not chosen:
            raise DataError(
                f"plot: networks must be among {', '.join(self.networks)}; got {chosen}. "
                "Leave it out for all."
            )
        return dependence_figure(self._frame, chosen, self.title, self.alpha, fig)
