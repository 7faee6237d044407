"""What the commands print and write."""

from __future__ import annotations

import contextlib
import importlib.util
import re
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnstats._index import label
from rnnstats.cli.reading import Sample
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from rnnstats.results.forecasting.prediction import Prediction
    from rnnstats.results.linear import LinearResults
    from rnnstats.results.markov import MarkovResults
    from rnnstats.results.nonlinear import RecurrentResults

    AnyResults = LinearResults | MarkovResults | RecurrentResults

__all__ = ["prepare", "report", "working"]

# Seconds after which a command says what it is doing.
PATIENCE = 2.0
_FREQUENCIES = {
    "Y": "yearly", "Q": "quarterly", "M": "monthly", "7D": "weekly", "W": "weekly",
    "B": "business days", "D": "daily", "h": "hourly", "A": "yearly", "H": "hourly",
}  # fmt: skip


@contextlib.contextmanager
def working(what: str) -> Iterator[None]:
    """Say on standard error what is going on, if it takes more than two seconds.

    Parameters
    ----------
    what : str
        The work, in a word or two.
    """
    started = time.monotonic()

    def speak() -> None:
        print(f"{what} ...", file=sys.stderr, flush=True)

    timer = threading.Timer(PATIENCE, speak)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
    seconds = time.monotonic() - started
    if seconds > PATIENCE:
        print(f"{what} took {seconds:.1f} s", file=sys.stderr, flush=True)


def prepare(folder: str) -> Path:
    """Make the folder, before anything is computed that could not be written.

    Parameters
    ----------
    folder : str
        Its path.

    Returns
    -------
    pathlib.Path
        The folder, which exists.

    Raises
    ------
    SpecificationError
        If there is a file of that name.
    """
    path = Path(folder)
    if path.exists() and not path.is_dir():
        raise SpecificationError(f"--out must be a folder; {folder!r} is a file.")
    path.mkdir(parents=True, exist_ok=True)
    return path


def report(
    name: str,
    sample: Sample,
    results: AnyResults,
    forecast: Prediction | None,
    folder: Path | None,
) -> None:
    """Print a fit, and write it into a folder.

    Parameters
    ----------
    name : str
        Of the command.
    sample : Sample
        The data.
    results : LinearResults, MarkovResults or RecurrentResults
        The fit.
    forecast : Prediction or None
        Of the rows after the sample.
    folder : pathlib.Path or None
        For tables and figures.
    """
    data = _data_lines(sample)
    print(data)
    with working(f"{name}: standard errors and tests"):
        summary = str(results.summary())
    print(f"\n{summary}\n\n{_optima_lines(results)}")
    print(f"\n{_forecast_lines(sample, results, forecast)}")
    print(f"\n{_state_lines(name, results)}")
    if folder is None:
        return
    texts = {"summary.txt": f"{data}\n\n{summary}\n\n{_optima_lines(results)}\n"}
    with working(f"{name}: writing tables"):
        written = _write_tables(folder, results, forecast, texts)
    print(f"\nTables: {', '.join(written)} in {folder}")
    if importlib.util.find_spec("matplotlib") is None:
        print("Figures: none, as matplotlib is not installed; pip install 'rnnstats[plot]'")
        return
    with working(f"{name}: drawing figures"):
        drawn = _draw(folder, sample, results, forecast)
    print(f"Figures: {', '.join(drawn)} in {folder}")


def _data_lines(sample: Sample) -> str:
    """Say what is modelled: columns, rows, dates, missing values."""
    table = pd.DataFrame(sample.endog)
    names = ", ".join(str(name) for name in table.columns)
    change = f" ({sample.transform})" if sample.transform else ""
    inputs = "" if sample.exog is None else f"; inputs {', '.join(sample.exog.columns)}"
    index = table.index
    freq = getattr(index, "freqstr", None)
    freq = freq and _FREQUENCIES.get(freq.split("-")[0], f"frequency {freq}")
    missing = int(table.isna().sum().sum())
    rows = f"{len(index)} rows, {label(index, 0)} to {label(index, -1)}"
    every = f", {freq}" if freq else ""
    lines = [f"Data: {sample.source}: {names}{change}{inputs}"]
    lines.append(f"      {rows}{every}; {missing or 'no'} missing values")
    return "\n".join([*lines, *(f"      {note}" for note in sample.notes)])


def _optima_lines(results: AnyResults) -> str:
    """Say which optima the starts found."""
    starts = results.starts
    if not len(starts):
        return "Optima: closed form, or nothing to estimate."
    ended = starts[starts["same_as"] >= 0]
    found = ended.groupby("same_as")["llf"].agg(["max", "size"]).sort_values("max", ascending=False)
    listed = ", ".join(f"{row['max']:.3f} ({int(row['size'])})" for _, row in found.iterrows())
    aside = len(starts) - len(ended)
    more = f"; {aside} put aside on the way" if aside else ""
    return f"Optima (log-likelihood, number of starts that ended there): {listed}{more}."


def _forecast_lines(
    sample: Sample,
    results: AnyResults,
    forecast: Prediction | None,
) -> str:
    if forecast is None:
        if sample.exog is not None and sample.future is None:
            return "Forecasts: none; they need the inputs of later periods (--exog-future FILE.csv)"
        return "Forecasts: none, as --horizon is 0"
    unit = f", {sample.transform}" if sample.transform else ""
    blocks = [f"Forecasts with 95 % intervals, given {forecast.information_set}{unit}"]
    for number, name in enumerate(results.model.endog.names):
        table = forecast.summary_frame(number)
        table.columns = pd.Index(["mean", "std err", "[0.025", "0.975]"], name=name)
        table.index = pd.Index([label(table.index, row) for row in range(len(table))])
        blocks.append(table.map(f"{{:.{_decimals(table['std err'])}f}}".format).to_string())
    return "\n\n".join(blocks)


def _state_lines(name: str, results: AnyResults) -> str:
    """Compare filter and smoother; for a network, whose state is known, say what moves it."""
    from rnnstats.results.nonlinear import RecurrentResults

    if isinstance(results, RecurrentResults):
        with working(f"{name}: partial effects"):
            effects = results.average_partial_effects()
        table = effects.drop(columns="z").map("{:.4g}".format).to_string()
        return f"Average effect of one unit more of an input on the next mean\n\n{table}"
    with working(f"{name}: filter and smoother"):
        return str(results.filter_vs_smoother().summary())


def _decimals(errors: pd.Series) -> int:
    """Give the decimals that show three figures of the smallest standard error."""
    least = errors[errors > 0].min()
    return int(np.clip(2 - np.floor(np.log10(least)), 0, 9)) if np.isfinite(least) else 4


def _write_tables(
    folder: Path,
    results: AnyResults,
    forecast: Prediction | None,
    texts: dict[str, str],
) -> list[str]:
    from rnnstats.results.markov import MarkovResults
    from rnnstats.results.nonlinear import RecurrentResults

    endog = results.model.endog
    ends = results.conf_int()
    tables: dict[str, pd.DataFrame] = {
        "params.csv": pd.DataFrame(
            {
                "estimate": results.params,
                "std_err": results.bse,
                "z": results.tvalues,
                "p_value": results.pvalues,
                "lower_95": ends[0],
                "upper_95": ends[1],
            }
        ).rename_axis("parameter"),
        "predictions.csv": _predictions(results),
        "states.csv": _states(results),
        "starts.csv": results.starts,
    }
    if isinstance(results, RecurrentResults):
        tables["partial_effects.csv"] = results.average_partial_effects()
    else:
        tables["filter_vs_smoother.csv"] = results.filter_vs_smoother().frame
    if isinstance(results, MarkovResults):
        tables["transition.csv"] = results.transition_table()
    if forecast is not None:
        tables["forecast.csv"] = _forecast_table(forecast, endog.names, str(endog.index.name))
    for file, text in texts.items():
        (folder / file).write_text(text, encoding="utf-8")
    for file, table in tables.items():
        table.to_csv(folder / file, float_format="%.10g")
    return [*texts, *tables]


def _states(results: AnyResults) -> pd.DataFrame:
    """Put together what is known of each state, or regime, before and after later rows."""
    from rnnstats.results.markov import MarkovResults
    from rnnstats.results.nonlinear import RecurrentResults

    if isinstance(results, RecurrentResults):
        return results.filtered_state  # a function of the rows before
    names = list(results.model.state_names)
    if isinstance(results, MarkovResults):
        kinds = {
            "predicted": results.predicted_marginal_probabilities,
            "filtered": results.filtered_marginal_probabilities,
            "smoothed": results.smoothed_marginal_probabilities,
        }
        parts = {f"{name}_{kind}": table[name] for name in names for kind, table in kinds.items()}
        return pd.DataFrame({**parts, "viterbi": results.viterbi()})
    frame = results.filter_vs_smoother().frame
    columns = ["filtered_mean", "filtered_sd", "smoothed_mean", "smoothed_sd"]
    return pd.DataFrame(
        {f"{name}_{kind}": frame[kind].xs(name, level=1) for name in names for kind in columns}
    )


def _forecast_table(forecast: Prediction, names: tuple[str, ...], row: str) -> pd.DataFrame:
    """Put the forecasts of all series below each other."""
    parts = [forecast.summary_frame(number) for number in range(len(names))]
    table = pd.concat(parts, keys=names, names=["series", "row" if row == "None" else row])
    return table.set_axis(["mean", "std_err", "lower_95", "upper_95"], axis=1)


def _predictions(results: AnyResults) -> pd.DataFrame:
    """Put together what was observed and what the rows before it said."""
    endog = results.model.endog
    parts: dict[str, pd.Series | pd.DataFrame] = {
        "observed": endog.frame,
        "predicted": results.fittedvalues,
        "resid": results.resid,
        "standardized_resid": results.standardized_resid,
    }
    frames = [
        pd.DataFrame(part).set_axis([f"{name}_{kind}" for name in endog.names], axis=1)
        for kind, part in parts.items()
    ]
    return pd.concat(frames, axis=1)


def _draw(
    folder: Path,
    sample: Sample,
    results: AnyResults,
    forecast: Prediction | None,
) -> list[str]:
    """Draw into figures of our own, so that no matplotlib setting is touched."""
    from matplotlib.figure import Figure

    from rnnstats.results.nonlinear import RecurrentResults
    from rnnstats.results.plots import draw_forecast, shown_rows

    def new(width: float, height: float) -> Figure:
        return Figure(figsize=(width, height), layout="constrained")

    k_endog, k_states = results.model.k_endog, len(results.model.state_names)
    figures: dict[str, Figure] = {}
    if forecast is not None:
        shown = shown_rows(None, forecast, caller="plot_forecast")
        seen = pd.DataFrame(sample.endog).iloc[-shown:]
        fitted = pd.DataFrame(results.fittedvalues).iloc[-shown:]
        fig = draw_forecast(seen, fitted, forecast, alpha=0.05, fig=new(9, 1.0 + 2.4 * k_endog))
        for ax in fig.axes:
            ax.set_ylabel(sample.transform, fontsize=8)
        fig.align_ylabels()
        figures["forecast.png"] = fig
    figures["states.png"] = results.plot_states(fig=new(9, 1.0 + 2.1 * k_states))
    if not isinstance(results, RecurrentResults):
        figures["filter_vs_smoother.png"] = results.filter_vs_smoother().plot(
            fig=new(11, 1.0 + 2.3 * k_states)
        )
    for number, name in enumerate(results.model.endog.names):
        tail = "" if k_endog == 1 else "_" + re.sub(r"[^\w.-]+", "_", name)
        figures[f"diagnostics{tail}.png"] = results.plot_diagnostics(number, fig=new(10, 6.5))
    for file, fig in figures.items():
        fig.savefig(folder / file, dpi=120)
    return list(figures)
