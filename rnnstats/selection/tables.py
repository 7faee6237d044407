"""Tables and the picture of an order selection."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._picture import new_figure
from rnnstats.selection.notes import model_of, number_of_states
from rnnstats.selection.running import has_converged

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from rnnstats.results.linear import LinearResults

__all__ = [
    "criteria_body",
    "criteria_columns",
    "criteria_table",
    "draw",
    "draw_criteria",
    "plain",
    "summary",
]

CRITERIA = ("aic", "aicc", "bic", "hqic")
# Okabe and Ito's palette: told apart by colour-blind readers and in grey.
COLOURS = {
    "aic": "#D55E00",
    "aicc": "#E69F00",
    "bic": "#0072B2",
    "hqic": "#009E73",
    "icl": "#CC79A7",
}


def criteria_columns(fits: Sequence[Any]) -> dict[str, list[Any]]:
    """Number of parameters, log-likelihood and criteria of fits."""
    columns: dict[str, list[Any]] = {"k_params": [results.df_model for results in fits]}
    for name in ("llf", *CRITERIA):
        columns[name] = [float(getattr(results, name)) for results in fits]
    return columns


def criteria_table(fits: Sequence[LinearResults], notes: Sequence[str]) -> pd.DataFrame:
    """One row a fit, indexed by the number of states."""
    states = [number_of_states(results) for results in fits]
    columns: dict[str, list[Any]] = {}
    if any(results.model.form == "innovations" for results in fits):
        columns["kronecker"] = [
            model_of(results).kronecker if n else (0,) * results.model.k_endog
            for n, results in zip(states, fits, strict=True)
        ]
    columns |= criteria_columns(fits)
    columns["converged"] = [has_converged(results) for results in fits]
    columns["note"] = list(notes)
    return pd.DataFrame(columns, index=pd.Index(states, name="k_states"))


def criteria_body(table: pd.DataFrame, labels: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
    """The table as text, the smallest value of each criterion marked with a star."""
    shown = pd.DataFrame(index=list(labels))
    shown["params"] = table["k_params"].to_numpy()
    shown["llf"] = [f"{value:.3f}" for value in table["llf"]]
    for name in names:
        values = table[name].to_numpy()
        star = int(np.argmin(values))
        shown[name] = [f"{v:.3f}{'*' if i == star else ' '}" for i, v in enumerate(values)]
    shown["converged"] = ["yes" if value else "no" for value in table["converged"]]
    return shown


def draw_criteria(ax: Axes, table: pd.DataFrame, names: Sequence[str], criterion: str) -> None:
    """Draw criteria above their smallest value, that of the choice thicker."""
    for name in names:
        best = table[name].groupby(level=0).min()
        above = best - best.min()
        wide = 2.0 if name == criterion else 1.0
        ax.plot(best.index, above, "o-", ms=4, lw=wide, color=COLOURS[name], label=name)
        ax.plot(above.idxmin(), 0.0, "o", ms=9, mfc="none", color=COLOURS[name])
    ax.set_title("Criteria above their smallest value", loc="left", fontsize=10)
    whole_numbers(ax)
    ax.legend(fontsize=8, frameon=False)


def whole_numbers(ax: Any) -> None:
    """Let the horizontal axis have whole numbers only."""
    ax.xaxis.get_major_locator().set_params(integer=True)


def plain(axes: Sequence[Axes]) -> None:
    """Faint grid, no frame above and to the right."""
    for ax in axes:
        ax.grid(True, alpha=0.25, linewidth=0.6)
        for side in ("top", "right"):
            ax.spines[side].set_visible(False)


def summary(
    table: pd.DataFrame,
    tests: pd.DataFrame,
    orders: pd.Series,
    criterion: str,
    words: Sequence[str],
) -> Any:
    """Lay the tables out as statsmodels does."""
    shown = criteria_body(table, _labels(table), CRITERIA)
    pairs = zip(shown.index, table["note"], strict=True)
    marks = [f"{label}: {note}" for label, note in pairs if note]
    above = f"above {tests.index.max()}" if len(tests) else "none"
    chosen = ", ".join(
        f"{name} {above if pd.isna(value) else value}" for name, value in orders.items()
    )
    lines = [f"States chosen: {chosen}. Chosen here by {criterion}.", *words, *marks]
    main = _compat.build_table(shown, title="Order selection (* smallest)", notes=lines)
    if len(tests):
        ranks = pd.DataFrame(index=[str(rank) for rank in tests.index])
        for name in tests.columns:
            form = "{:.0f}" if name == "df" else "{:.4f}" if name != "statistic" else "{:.2f}"
            ranks[name] = [form.format(value) for value in tests[name]]
        extra = _compat.build_table(ranks, title="Rank of the Hankel matrix")
        main.tables.extend(extra.tables)
    return main


def _labels(table: pd.DataFrame) -> list[str]:
    numbers = [str(n) for n in table.index]
    if len(set(numbers)) == len(numbers):
        return numbers
    return [f"{n} {nu}" for n, nu in zip(numbers, table["kronecker"], strict=True)]


def draw(
    table: pd.DataFrame,
    values: pd.Series,
    threshold: float,
    criterion: str,
    fig: Figure | None,
) -> Figure:
    """Draw criteria above their smallest value, and singular values."""
    fig = new_figure(fig, caller="OrderSelection.plot", width=8.0, height=3.4)
    left, right = fig.subplots(1, 2)
    draw_criteria(left, table, CRITERIA, criterion)
    finite = (table[list(CRITERIA)] - table[list(CRITERIA)].min()).to_numpy()
    left.set_ylim(bottom=-0.03 * float(np.max(finite[np.isfinite(finite)], initial=1.0)))
    right.bar(values.index, values, color="#0072B2", width=0.6)
    if np.isfinite(threshold):
        right.axhline(
            threshold, color="#7F7F7F", lw=1, ls="--", label="largest of independent rows, about"
        )
        right.legend(fontsize=8, frameon=False)
    right.set_title("Hankel singular values", loc="left", fontsize=10)
    right.set_ylim(0.0, 1.0)
    left.set_xlabel("states")
    right.set_xlabel("number")
    whole_numbers(right)
    plain((left, right))
    return fig
