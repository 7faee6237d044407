"""Table, summary and picture of a choice of the number of regimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._picture import new_figure
from rnnstats.kernels import markov
from rnnstats.selection.running import has_converged
from rnnstats.selection.tables import (
    CRITERIA,
    criteria_body,
    criteria_columns,
    draw_criteria,
    plain,
)

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from rnnstats.results.markov import MarkovResults
    from rnnstats.selection.regime_tests import RegimeTest

__all__ = ["REGIME_CRITERIA", "draw", "icl", "note", "regimes_table", "summary", "tests_table"]

REGIME_CRITERIA = (*CRITERIA, "icl")


def icl(results: MarkovResults) -> float:
    """Integrated completed likelihood criterion: BIC that pays for regimes that overlap.

    Parameters
    ----------
    results : MarkovResults

    Returns
    -------
    float
        ``-2 log p(y, path) + k log(n)`` at the most probable path of the regimes (Viterbi): BIC
        plus twice the negative log-probability of that path given the data. BIC itself for one
        regime.

    References
    ----------
    Biernacki, C., Celeux, G. and Govaert, G. (2000), Assessing a mixture model for clustering with
    the integrated completed likelihood, IEEE Transactions on Pattern Analysis and Machine
    Intelligence 22, 719-725.
    Celeux, G. and Durand, J.-B. (2008), Selecting hidden Markov model state number with
    cross-validated likelihood, Computational Statistics 23, 541-564 (section 2).
    """
    if results.model.k_regimes == 1:
        return float(results.bic)
    system = results.model.system(results.params.to_numpy())
    _, height = markov.viterbi(*system.chain, lags=system.lags)
    return float(results.bic + 2.0 * (results.llf - height.sum()))


def note(results: MarkovResults) -> str:
    """Words about convergence and boundaries of one fit, or nothing.

    Parameters
    ----------
    results : MarkovResults
    """
    record = results.convergence
    if record is None:
        return ""
    words = [record.message] if record.message != "converged" else []
    return "; ".join(dict.fromkeys([*words, *record.boundary]))


def regimes_table(fits: Sequence[MarkovResults]) -> pd.DataFrame:
    """One row a fit, indexed by the number of regimes.

    Parameters
    ----------
    fits : sequence of MarkovResults
    """
    columns = criteria_columns(fits)
    columns["icl"] = [icl(results) for results in fits]
    columns["converged"] = [has_converged(results) for results in fits]
    columns["note"] = [note(results) for results in fits]
    numbers = [results.model.k_regimes for results in fits]
    return pd.DataFrame(columns, index=pd.Index(numbers, name="k_regimes"))


def tests_table(tests: Mapping[int, RegimeTest]) -> pd.DataFrame:
    """One row a test of K against K + 1 regimes, indexed by K.

    Parameters
    ----------
    tests : mapping of int to RegimeTest
    """
    columns = ["statistic", "pvalue", "mc_error", "critical 5%", "draws", "failures", "note"]
    rows = [
        [
            test.statistic, test.pvalue, test.mc_error, test.critical(), len(test.draws),
            len(test.failures), test.words,
        ]
        for test in tests.values()
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns, index=pd.Index(list(tests), name="k_regimes"))


def summary(
    table: pd.DataFrame,
    tests: pd.DataFrame,
    chosen: pd.Series,
    criterion: str,
    words: Sequence[str],
) -> Any:
    """Lay the tables out as statsmodels does.

    Parameters
    ----------
    table, tests : DataFrame
        As from `regimes_table` and `tests_table`.
    chosen : Series
        Number of regimes by each criterion.
    criterion : str
    words : sequence of str
        Lines below.
    """
    shown = criteria_body(table, [str(k) for k in table.index], REGIME_CRITERIA)
    marks = [f"{k}: {text}" for k, text in table["note"].items() if text]
    pairs = ", ".join(
        f"{name} {'none' if pd.isna(value) else value}" for name, value in chosen.items()
    )
    lines = [f"Regimes chosen: {pairs}. Chosen here by {criterion}.", *words, *marks]
    main = _compat.build_table(shown, title="Number of regimes (* smallest)", notes=lines)
    if len(tests):
        body = pd.DataFrame(index=[f"{k} against {k + 1}" for k in tests.index.tolist()])
        body["LR"] = [f"{value:.3f}" for value in tests["statistic"]]
        body["P>LR"] = [f"{value:.4f}" for value in tests["pvalue"]]
        body["+-"] = [f"{value:.4f}" for value in tests["mc_error"]]
        body["critical 5%"] = [f"{value:.3f}" for value in tests["critical 5%"]]
        body["draws"] = tests["draws"].to_numpy()
        body["failures"] = tests["failures"].to_numpy()
        title = "Parametric bootstrap of the likelihood ratio"
        main.tables.extend(_compat.build_table(body, title=title).tables)
        said = [
            f"{k} against {k + 1}: {text}"
            for k, text in zip(tests.index.tolist(), tests["note"], strict=True)
            if text
        ]
        if said:
            main.extra_txt = "\n".join([main.extra_txt, *said])
    return main


def draw(
    table: pd.DataFrame, tests: Mapping[int, RegimeTest], criterion: str, fig: Figure | None
) -> Figure:
    """Draw criteria above their smallest value, and tests with the draws they rest on.

    Parameters
    ----------
    table : DataFrame
    tests : mapping of int to RegimeTest
    criterion : str
        Drawn thicker.
    fig : matplotlib.figure.Figure or None

    Returns
    -------
    matplotlib.figure.Figure
    """
    width = 8.0 if tests else 4.2
    fig = new_figure(fig, caller="RegimeSelection.plot", width=width, height=3.4)
    left, *right = fig.subplots(1, 1 + bool(tests), squeeze=False)[0]
    draw_criteria(left, table, REGIME_CRITERIA, criterion)
    left.set_xlabel("regimes")
    for ax in right:
        for place, test in enumerate(tests.values()):
            rows = np.full(len(test.draws), place, dtype=float)
            rows += np.linspace(-0.25, 0.25, len(rows))[np.argsort(np.argsort(test.draws))]
            ax.plot(test.draws, rows, ".", ms=3, color="#7F7F7F")
            ax.plot([test.statistic] * 2, [place - 0.35, place + 0.35], lw=2, color="#D55E00")
        ax.set_yticks(range(len(tests)), [f"{k} against {k + 1}" for k in tests])
        ax.set_title("Likelihood ratio and draws under the null", loc="left", fontsize=10)
    plain((left, *right))
    return fig
