"""The command line: what it reads, prints and writes, and what it says to mistakes."""

from __future__ import annotations

import importlib.util
import os
import signal
import subprocess
import sys
import time
import typing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from scipy.signal import lfilter

from rnnstats import GRU, ElmanRNN, LinearRNN, MarkovRNN, datasets
from rnnstats.cli import arguments, main, output
from rnnstats.models import forms, linear
from rnnstats.models.base import COV_TYPES
from rnnstats.models.recurrent.heads.factory import HEADS

FOLDER = Path(datasets.__file__).parent / "data"
ROWS = 60


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run the command line in this process: status, standard output, standard error."""

    def call(*argv):
        try:
            status = main([str(word) for word in argv])
        except SystemExit as stop:
            status = stop.code
        out, err = capsys.readouterr()
        return status, out, err

    return call


@pytest.fixture
def refuses(run):
    """Run the command line and return its one line of complaint."""

    def call(*argv):
        status, out, err = run(*argv)
        assert status == 2
        assert out == ""
        assert err.count("\n") == 1
        assert err.startswith("rnnstats")
        return err

    return call


def noise(rows=ROWS, seed=5):
    rng = np.random.default_rng(seed)
    values = np.zeros(rows)
    for row in range(1, rows):
        values[row] = 0.6 * values[row - 1] + rng.normal()
    return values.round(4)


def write(name="file.csv", labels=None, **columns):
    table = pd.DataFrame(columns)
    if labels is not None:
        table.insert(0, "date", list(labels)[: len(table)])
    table.to_csv(name, index=False)
    return name


def process(*argv, cwd):
    root = str(Path(arguments.__file__).parents[2])
    path = os.pathsep.join([root, os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1"}
    # whoever runs the tests in the background may have Ctrl-C ignored; a user has not
    code = (
        "import signal, runpy; signal.signal(signal.SIGINT, signal.default_int_handler); "
        "runpy.run_module('rnnstats', run_name='__main__', alter_sys=True)"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code, *argv],
        cwd=cwd,
        env=env,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


# ------------------------------------------------------------------------- the main job


def test_demo_prints_and_writes_everything(run, here):
    status, out, err = run("demo", "--out", "shown")
    assert status == 0
    assert "error:" not in err
    assert "us_macro (bundled): realinv, realgdp, realcons (100 x log difference)" in out
    assert "202 rows, 1959Q2 to 2009Q3, quarterly; no missing values" in out
    for part in ("Log Likelihood", "Convergence: converged", "Identification:", "Optima",
                 "Forecasts with 95 % intervals, given rows up to 2009Q3", "2011Q3",
                 "Filter versus smoother"):  # fmt: skip
        assert part in out
    macro = datasets.us_macro()[["realinv", "realgdp", "realcons"]]
    results = LinearRNN(100 * np.log(macro).diff().iloc[1:], k_states=3).fit()
    assert f"{results.llf:.3f}" in out
    written = pd.read_csv(here / "shown" / "params.csv", index_col=0)
    np.testing.assert_allclose(written["estimate"], results.params, rtol=1e-6)
    assert list(written.index) == list(results.params.index)


def test_demo_draws_when_matplotlib_is_there(run, here):
    pytest.importorskip("matplotlib")
    _, out, _ = run("demo")
    drawn = {path.name for path in (here / arguments.OUTPUT_FOLDER).glob("*.png")}
    assert drawn == {
        "forecast.png", "states.png", "filter_vs_smoother.png", "diagnostics_realinv.png",
        "diagnostics_realgdp.png", "diagnostics_realcons.png",
    }  # fmt: skip
    assert all(name in out for name in drawn)
    for name in drawn:
        assert (here / arguments.OUTPUT_FOLDER / name).stat().st_size > 10_000


def test_without_matplotlib_a_line_says_so(run, here, monkeypatch):
    real = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name: None if name == "matplotlib" else real(name)
    )
    status, out, _ = run("fit", "nile", "--states", 1, "--out", "o")
    assert status == 0
    assert "matplotlib is not installed; pip install 'rnnstats[plot]'" in out
    assert not list((here / "o").glob("*.png"))
    assert (here / "o" / "summary.txt").exists()


def test_the_tables_hold_the_numbers_of_the_library(run, here):
    write(labels=pd.period_range("2001-01", periods=ROWS, freq="M").astype(str), y=noise())
    status, out, _ = run(
        "fit", "file.csv", "--index", "date", "--states", 2, "--horizon", 5, "--out", "o",
        "--uncertainty", "delta",
    )  # fmt: skip
    assert status == 0
    index = pd.period_range("2001-01", periods=ROWS, freq="M", name="date")
    results = LinearRNN(pd.Series(noise(), index=index, name="y"), k_states=2).fit()
    table = pd.read_csv("o/forecast.csv")
    expected = results.get_forecast(5, uncertainty="delta").summary_frame()
    assert list(table["date"]) == list(expected.index.astype(str))
    np.testing.assert_allclose(table[["mean", "std_err"]], expected.iloc[:, :2], rtol=1e-5)
    states = pd.read_csv("o/states.csv", index_col="date")
    np.testing.assert_allclose(
        states[["h1_smoothed_mean", "h2_smoothed_mean"]], results.smoothed_state, atol=1e-6
    )
    frame = pd.read_csv("o/filter_vs_smoother.csv")
    assert len(frame) == 2 * ROWS
    ahead = pd.read_csv("o/predictions.csv", index_col="date")
    np.testing.assert_allclose(ahead["y_predicted"] + ahead["y_resid"], noise(), atol=1e-6)
    assert f"Log Likelihood {results.llf:.3f}" in " ".join(
        Path("o/summary.txt").read_text(encoding="utf-8").split()
    )
    assert "2006-05" in out


# ------------------------------------------------------------------------- reading files


def quarters(form):
    return [form.format(y=1960 + i // 4, q=i % 4 + 1, m=3 * (i % 4) + 1) for i in range(ROWS)]


MONTHS = pd.date_range("2001-01-31", periods=ROWS, freq="ME")
DAYS = pd.date_range("2001-01-05", periods=ROWS, freq="7D")
LABELS = [
    (quarters("{y}Q{q}"), "1960Q1 to 1974Q4, quarterly"),
    (quarters("{y}:{q}"), "1960Q1 to 1974Q4, quarterly"),
    (quarters("Q{q} {y}"), "1960Q1 to 1974Q4, quarterly"),
    (quarters("{y}-{m:02d}"), "1960Q1 to 1974Q4, quarterly"),
    (quarters("{m}/1/{y}"), "1960Q1 to 1974Q4, quarterly"),
    ([1960 + i / 4 for i in range(ROWS)], "1960Q1 to 1974Q4, quarterly"),
    (MONTHS.strftime("%Y-%m-%d"), "2001-01 to 2005-12, monthly"),
    (MONTHS.strftime("%d.%m.%Y"), "2001-01 to 2005-12, monthly"),
    (MONTHS.strftime("%m/%d/%Y"), "2001-01 to 2005-12, monthly"),
    (MONTHS.strftime("%YM%m"), "2001-01 to 2005-12, monthly"),
    (MONTHS.strftime("%Y%m"), "2001-01 to 2005-12, monthly"),
    (MONTHS.strftime("%Y%m%d"), "2001-01 to 2005-12, monthly"),
    (DAYS.strftime("%Y-%m-%d"), "2001-01-05 to 2002-02-22, weekly"),
    (pd.bdate_range("2001-01-01", periods=ROWS), "2001-01-01 to 2001-03-23, business days"),
    (pd.date_range("2001-01-01", periods=ROWS, freq="h"), "2001-01-03 11:00:00, hourly"),
    (range(1901, 1901 + ROWS), "1901 to 1960;"),
    ([f"row{i}" for i in range(ROWS)], "row0 to row59;"),
]


@pytest.mark.parametrize(("labels", "words"), LABELS)
def test_dates_as_people_write_them(run, here, labels, words):
    write(labels=labels, y=noise())
    status, out, err = run("fit", "file.csv", "--endog", "y", "--index", "date")
    assert (status, err) == (0, "")
    assert words in out
    assert ("rows are taken as equally spaced" in out) == words.startswith("row0")


def test_year_and_quarter_in_two_columns(run):
    status, out, _ = run(
        "fit", FOLDER / "macrodata.csv", "--endog", "realgdp", "--index", "year,quarter",
        "--transform", "logdiff",
    )  # fmt: skip
    assert status == 0
    assert "202 rows, 1959Q2 to 2009Q3, quarterly" in out
    gdp = 100 * np.log(datasets.us_macro()["realgdp"]).diff().iloc[1:]
    assert f"{LinearRNN(gdp).fit().llf:.3f}" in out


def test_blank_cells_and_periods_without_a_row_are_missing(run, here):
    values = noise()
    table = pd.DataFrame({"date": quarters("{y}Q{q}"), "y": values.astype(str)})
    table.loc[[7, 8], "y"] = ["", "."]
    table.drop(index=[20, 30, 31]).iloc[::-1].to_csv("file.csv", index=False)
    status, out, _ = run("fit", "file.csv", "--index", "date", "--states", 1)
    assert status == 0
    assert "60 rows, 1960Q1 to 1974Q4, quarterly; 5 missing values" in out
    assert "rows put in order of time" in out
    assert "3 periods without a row are taken as missing" in out
    values[[7, 8, 20, 30, 31]] = np.nan
    assert f"{LinearRNN(values, k_states=1).fit().llf:.3f}" in out


def test_semicolons_decimal_commas_and_a_byte_order_mark(run, here):
    table = pd.DataFrame({"Größe": noise(), "z": noise(seed=6)})
    table.to_csv("file.csv", index=False, sep=";", decimal=",", encoding="utf-8-sig")
    status, out, _ = run("fit", "file.csv", "--endog", "Größe,z", "--decimal", ",")
    assert status == 0
    assert "Größe, z" in out


@pytest.mark.parametrize(("transform", "rows"), [("log", 60), ("diff", 59), ("logdiff", 59)])
def test_transforms(run, here, transform, rows):
    level = np.exp(np.cumsum(noise()) / 10)
    write(y=level)
    level = pd.read_csv("file.csv")["y"]
    _, out, _ = run("fit", "file.csv", "--transform", transform)
    expected = {"log": np.log(level), "diff": level.diff(), "logdiff": 100 * np.log(level).diff()}
    changed = expected[transform].iloc[-rows:]
    assert f"{rows} rows" in out
    assert f"{LinearRNN(changed).fit().llf:.3f}" in out


def test_a_bundled_series_by_name(run):
    status, out, _ = run("fit", "presidents", "--horizon", 2)
    assert status == 0
    assert "120 rows, 1945Q1 to 1974Q4, quarterly; 6 missing values" in out
    assert "1975Q2" in out
    assert "1975Q3" not in out


def test_regimes_of_a_bundled_series(run, here, monkeypatch):
    # figures are made, and not rendered, which takes longest
    monkeypatch.setattr(Figure, "savefig", lambda _, path, **__: Path(path).touch())
    status, out, _ = run(
        "fit", "hamilton", "--endog", "rgnp_growth", "--regimes", 2, "--order", 4, "--ar-form",
        "mean", "--switching", "trend", "--horizon", 2, "--out", "o",
    )  # fmt: skip
    assert status == 0
    assert "-181.263" in out  # Hamilton (1989)
    assert "1985Q2" in out
    states = pd.read_csv("o/states.csv", index_col=0)
    assert states.loc["1974Q4", "h1_smoothed"] > 0.9  # a recession
    assert states["viterbi"].isin(["h1", "h2"]).sum() >= 131
    assert pd.read_csv("o/transition.csv")["estimate"].sum() == pytest.approx(2.0)
    assert {"states.png", "forecast.png"} <= {path.name for path in Path("o").iterdir()}


def test_counts_with_regimes(run):
    _, out, _ = run(
        "fit", "earthquakes", "--regimes", 2, "--emission", "poisson", "--start", "free"
    )
    model = MarkovRNN(datasets.earthquakes(), emission="poisson", start="free")
    assert f"{model.fit(cov_type='none').llf:.3f}" in out


def test_a_network_of_a_bundled_series(run, here, monkeypatch):
    # figures are made, and not rendered, which takes longest
    monkeypatch.setattr(Figure, "savefig", lambda _, path, **__: Path(path).touch())
    status, out, _ = run(
        "fit", "lynx", "--transform", "log", "--model", "elman", "--units", 1, "--horizon", 2,
        "--out", "o",
    )  # fmt: skip
    assert status == 0
    results = ElmanRNN(np.log(datasets.lynx()), k_hidden=1).fit()
    assert f"{results.llf:.3f}" in out
    assert "Average effect of one unit more of an input" in out
    effects = pd.read_csv("o/partial_effects.csv")
    expected = results.average_partial_effects()["estimate"].to_numpy()
    np.testing.assert_allclose(effects["estimate"], expected, rtol=1e-8)  # ten digits in the file
    states = pd.read_csv("o/states.csv", index_col=0)
    np.testing.assert_allclose(states, results.filtered_state, rtol=1e-8)
    written = {path.name for path in Path("o").iterdir()}
    assert {"states.png", "forecast.png", "diagnostics.png", "params.csv"} <= written
    assert "filter_vs_smoother.csv" not in written  # the state is known without later rows


def test_options_reach_the_network(run):
    words = ("--units", 1, "--layers", 2, "--lags", 2, "--head", "poisson", "--skip")
    _, out, _ = run(
        "fit", "earthquakes", "--model", "gru", *words, "--penalty", 3, "--n-starts", 1,
        "--horizon", 0,
    )  # fmt: skip
    model = GRU(datasets.earthquakes(), k_hidden=1, n_layers=2, y_lags=2, head="poisson", skip=True)
    results = model.fit(n_starts=1, penalty=3.0)
    assert f"{results.llf:.3f}" in out
    assert "ridge 3" in out


def test_options_of_the_other_kind_of_model_are_refused(refuses):
    assert "--order needs --regimes K" in refuses("fit", "nile", "--order", 1)
    words = refuses("fit", "nile", "--regimes", 2, "--states", 1)
    assert "--states needs a model without --regimes" in words
    words = refuses("fit", "nile", "--regimes", 2, "--form", "leaky")
    assert "--form needs a model without --regimes" in words
    assert "switching" in refuses("fit", "nile", "--regimes", 2, "--switching", "mean")
    for option, value in (
        ("--units", [2]),
        ("--lags", [1]),
        ("--head", ["poisson"]),
        ("--skip", []),
    ):
        words = refuses("fit", "nile", "--regimes", 2, option, *value)
        assert f"{option} needs --model elman, gru or lstm" in words
    for option, value in (("--regimes", 2), ("--states", 1), ("--trend", "ct"), ("--form", "free")):
        words = refuses("fit", "nile", "--model", "gru", option, value)
        assert f"{option} needs a model without --model" in words
    words = refuses("fit", "nile", "--model", "gru", "--order", 1)
    assert "--order needs --regimes K" in words


def test_a_folder_with_the_name_of_a_bundled_series_is_no_file(run, here):
    for _ in range(2):
        status, out, _ = run("fit", "nile", "--states", 1, "--out", "nile")
        assert status == 0
        assert "100 rows" in out


def test_the_dates_that_were_not_asked_for_are_mentioned(run, here):
    write(labels=quarters("{y}Q{q}"), y=noise())
    _, out, _ = run("fit", "file.csv")
    assert "60 rows, 0 to 59; no missing values" in out
    assert "for the dates in column 'date' give --index" in out


# ------------------------------------------------------------------------- inputs


def with_inputs(rows=ROWS + 6):
    x = np.random.default_rng(8).normal(size=rows).round(4)
    labels = pd.period_range("1960Q1", periods=rows, freq="Q").astype(str)
    return x, pd.DataFrame({"date": labels, "x": x})


def test_inputs_of_later_periods_from_a_second_file_or_the_last_rows(run, here):
    x, table = with_inputs()
    table[:ROWS].assign(y=noise() + x[:ROWS]).to_csv("file.csv", index=False)
    table[ROWS - 5 :].to_csv("later.csv", index=False)
    table.assign(y=pd.Series(noise() + x[:ROWS])).to_csv("both.csv", index=False)
    index = pd.period_range("1960Q1", periods=ROWS, freq="Q", name="date")
    endog = pd.Series(noise() + x[:ROWS], index=index, name="y")
    model = LinearRNN(endog, pd.DataFrame({"x": x[:ROWS]}, index=index), exog_enters="output")
    results = model.fit()
    expected = results.forecast(6, x[ROWS:, None])
    options = ("--endog", "y", "--exog", "x", "--index", "date", "--exog-enters", "output")
    for words in (("file.csv", "--exog-future", "later.csv"), ("both.csv",)):
        status, out, _ = run("fit", *words, *options, "--out", "o")
        assert status == 0
        assert f"{results.llf:.3f}" in out
        assert "1976Q2" in out
        assert "1976Q3" not in out
        np.testing.assert_allclose(pd.read_csv("o/forecast.csv")["mean"], expected, rtol=1e-4)
    assert "rows with inputs only, at the end: 6, taken as the future" in out


def test_without_later_inputs_there_is_no_forecast(run, refuses, here):
    x, table = with_inputs(ROWS)
    table.assign(y=noise() + x).to_csv("file.csv", index=False)
    table[:3].to_csv("early.csv", index=False)
    table.assign(date=pd.period_range("1975Q1", periods=ROWS, freq="Q").astype(str))[:3].to_csv(
        "later.csv", index=False
    )
    pd.DataFrame({"date": ["1975Q1", "1975Q2"], "x": ["1", ""]}).to_csv("blank.csv", index=False)
    words = ("fit", "file.csv", "--endog", "y", "--exog", "x", "--index", "date")
    status, out, _ = run(*words)
    assert status == 0
    assert "Forecasts: none; they need the inputs of later periods" in out
    assert "--horizon 4 needs the inputs" in refuses(*words, "--horizon", 4)
    assert "got rows up to 1960Q3" in refuses(*words, "--exog-future", "early.csv")
    short = refuses(*words, "--exog-future", "later.csv", "--horizon", 9)
    assert "got none for 1975Q4" in short
    blank = refuses(*words, "--exog-future", "blank.csv")
    assert "missing value in column 'x' at 1975Q2" in blank
    assert "no such file: 'no.csv'" in refuses(*words, "--exog-future", "no.csv")


# ------------------------------------------------------------------------- mistakes


MISTAKES = [
    (["fit", "fil.csv"], "no such file: 'fil.csv'. Did you mean 'file.csv'?"),
    (["fit", "nil"], "no such file: 'nil'. Did you mean 'nile'?"),
    (["fit", "."], ".: Is a directory"),
    (["fit", "empty.csv"], "empty.csv: the file must have a line of column names; got none."),
    (["fit", "head.csv"], "head.csv: the file must have rows below the column names; got none."),
    (["fit", "ragged.csv"], "the file must be a table; got: Expected 2 fields in line 3, saw 3."),
    (["fit", "latin.csv"], "must be text in UTF-8; got byte 0xf6"),
    (["fit", "file.csv"], "say which columns to model with --endog, as in --endog y,x;"),
    (["fit", "file.csv", "--endog", "yy"], "no column 'yy'. Did you mean 'y'? The columns are"),
    (["fit", "file.csv", "--endog", "y", "--exog", "q"], "no column 'q'."),
    (["fit", "file.csv", "--endog", "y,y"], "column 'y' is asked for twice"),
    (["fit", "file.csv", "--endog", "y", "--exog", "y"], "column 'y' is asked for twice"),
    (["fit", "twice.csv", "--endog", "y"], "two columns are named 'y'"),
    (["fit", "file.csv", "--endog", "y", "--index", "dat"], "Did you mean 'date'?"),
    (["fit", "file.csv", "--endog", "x"], "column 'x' must hold numbers; got 'n.v.' in line 9."),
    (["fit", "file.csv", "--endog", "c"], "got '0,5' in line 2. For decimal commas give --decimal"),
    (["fit", "file.csv", "--endog", "y", "--transform", "log"], "needs numbers above 0; got "),
    (["fit", "dup.csv", "--index", "date"], "got 1960Q1 in lines 2 and 5."),
    (["fit", "hole.csv", "--index", "date"], "got a blank cell in line 4."),
    (["fit", "five.csv", "--index", "date"], "a date like the others; got '1960Q5' in line 5"),
    (["fit", "far.csv", "--index", "date"], "Look for a wrong date"),
    (["fit", "day.csv", "--index", "date"], "the day and which the month; got '01/02/2000'"),
    (["fit", "day.csv", "--index", "date", "--date-format", "%Y"], "a date of the form '%Y'"),
    (["fit", "file.csv", "--endog", "y", "--index", "y,x,c"], "--index must be one column"),
    (["fit", "file.csv", "--endog", "y", "--exog-future", "file.csv"], "needs --exog, the columns"),
    (["fit", "file.csv", "--endog", "y", "--exog-enters", "both"], "--exog-enters needs --exog"),
    (["fit", "file.csv", "--endog", "y", "--out", "file.csv"], "'file.csv' is a file"),
    (["fit", "file.csv", "--endog", "y", "--fixed", "V=1"], "a restriction names a parameter"),
    (["fit", "file.csv", "--endog", "y", "--fixed", "V"], "must be NAME=VALUE; got 'V'"),
    (["fit", "file.csv", "--endog", "y", "--pairs", "1"], "LinearRNN: "),
    (["fit", "nile", "--index", "year"], "comes with its own index; leave --index out."),
    (["fit", "inf.csv"], "must be finite; column 'y' holds inf"),
    (["fit", "flat.csv"], "every series must vary; got only the value 1 in column 'y'"),
    (["fit", "file.csv", "--stats", "2"], "'--stats'. Did you mean '--states'? See rnnstats"),
    (["fit", "file.csv", "--states", "0"], "must be a whole number of at least 1; got '0'"),
    (["fit", "file.csv", "--endog", "a,,b"], "must be column names with commas between"),
    (["fit", "file.csv", "--form", "elman"], "invalid choice: 'elman'"),
    (["fit", "nile", "--model", "gru", "--penalty", "a"], "or 'rolling'; got 'a'"),
    (["fit", "nile", "--model", "gru", "--penalty", "-1"], "must not be negative; got -1.0"),
    (["fit"], "the following arguments are required: FILE"),
    (["fti"], "invalid choice: 'fti'"),
    ([], "required: COMMAND"),
]  # fmt: skip


@pytest.fixture
def mistaken(here):
    values = noise()
    x = values.astype(object)
    x[7] = "n.v."
    write(labels=quarters("{y}Q{q}"), y=values, x=x, c=["0,5"] * ROWS)
    Path("empty.csv").touch()
    Path("head.csv").write_text("a,b\n\n", encoding="utf-8")
    Path("ragged.csv").write_text("a,b\n1,2\n1,2,3\n", encoding="utf-8")
    Path("latin.csv").write_bytes("größe,y\n1,2\n".encode("latin-1"))
    Path("twice.csv").write_text("y,y\n1,2\n", encoding="utf-8")
    write("dup.csv", labels=["1960Q1", "1960Q2", "1960Q3", "1960Q1"], y=values[:4])
    write("hole.csv", labels=["1960Q1", "1960Q2", "", "1960Q4"], y=values[:4])
    write("five.csv", labels=["1960Q1", "1960Q2", "1960Q3", "1960Q5"], y=values[:4])
    write("far.csv", labels=["1960Q1", "1960Q2", "1960Q3", "2960Q4"], y=values[:4])
    write("day.csv", labels=["01/02/2000", "03/04/2000", "05/07/2000"], y=values[:3])
    write("inf.csv", y=["inf", *values[1:]])
    write("flat.csv", y=np.ones(ROWS))


@pytest.mark.parametrize(("argv", "words"), MISTAKES)
def test_a_mistake_is_one_line(refuses, mistaken, argv, words):
    assert words in refuses(*argv)


def shown(err: str) -> list[str]:
    """Lines on the error stream as a terminal shows them, without the word on a missing core."""
    lines = [line.rsplit("\r", 1)[-1].strip() for line in err.splitlines()]
    return [line for line in lines if line and "compiled core" not in line]


def test_a_warning_is_one_line(run, here):
    status, _, err = run("fit", "sunspots", "--states", 3, "--maxiter", 1, "--n-starts", 1)
    assert status == 0
    lines = [line for line in shown(err) if " ..." not in line and " took " not in line]
    assert lines
    assert all(line.startswith("rnnstats fit: warning: ") for line in lines)
    assert len(set(lines)) == len(lines)
    assert "LinearRNN.fit: " in err


# ------------------------------------------------------------------------- the program


def test_help_teaches_by_example(run):
    status, out, _ = run("--help")
    assert status == 0
    assert "rnnstats fit sales.csv --endog sales" in out
    status, out, _ = run("fit", "--help")
    assert status == 0
    for option in ("--endog inv,gdp,cons --index date", "--exog-future weather.csv"):
        assert option in out


def test_the_examples_of_the_help_are_accepted():
    text = arguments._ABOUT + arguments._FIT + arguments._DEMO
    text = text.replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines() if line.strip().startswith("rnnstats ")]
    assert len(lines) >= 10
    for line in lines:
        words = line.split("   ")[0].split()[1:]
        if "--help" not in words:
            assert arguments.parser().parse_args(words).command == words[0]


def test_the_choices_are_those_of_the_library():
    fit = next(p for p in arguments._commands(arguments.parser()) if p.prog == "rnnstats fit")
    choices = {a.dest: tuple(a.choices) for a in fit._actions if a.choices is not None}
    assert choices["form"] == typing.get_args(linear.FormName) == tuple(forms.FORMS)
    assert choices["trend"] == typing.get_args(linear.TrendName)
    assert choices["exog_enters"] == typing.get_args(linear.ExogEnters)
    assert choices["initial"] == typing.get_args(linear.Initial)
    # a binomial needs the number of trials, and categories are words, where files hold numbers
    assert set(choices["head"]) == {*HEADS} - {"binomial", "categorical"}
    without_groups = tuple(kind for kind in COV_TYPES if kind != "cluster")
    assert choices["cov_type"] == without_groups


def test_datasets_are_listed(run):
    status, out, _ = run("datasets")
    assert status == 0
    for name in datasets.catalogue().index:
        assert name in out


def test_options_reach_the_model(run, here):
    y, z = (lfilter([1.0, 0.4], [1.0, -0.7], noise(seed=seed)) for seed in (6, 7))
    write(y=y, z=z)
    _, out, _ = run(
        "fit", "file.csv", "--endog", "y,z", "--states", 2, "--trend", "n", "--obs-noise",
        "diagonal", "--initial", "known", "--fixed", "W_h[h1,h2]=0", "--cov-type", "approx",
        "--kronecker", "1,1", "--seed", 3,
    )  # fmt: skip
    endog = pd.DataFrame({"y": y, "z": z})
    model = LinearRNN(
        endog, k_states=2, trend="n", obs_noise="diagonal", initial="known", kronecker=(1, 1),
        fixed={"W_h[h1,h2]": 0.0},
    )  # fmt: skip
    assert f"{model.fit(rng=3).llf:.3f}" in out
    assert "approx" in out
    _, out, _ = run(
        "fit", "file.csv", "--endog", "y", "--cov-type", "hac", "--maxlags", 3, "--horizon", 0
    )
    assert "Bartlett kernel, 3 lags" in out
    status, _, err = run("fit", "file.csv", "--endog", "y", "--maxlags", 3)
    assert status != 0
    assert "maxlags" in err
    _, out, _ = run("fit", "sunspots", "--form", "leaky", "--states", 2, "--pairs", 1)
    results = LinearRNN(datasets.sunspots(), form="leaky", k_states=2, structure={"pairs": 1}).fit()
    assert f"{results.llf:.3f}" in out


def test_tables_come_from_a_file(run, here):
    (here / "level.json").write_text(
        '{"W_h": [[1]], "V": [[1]], "state_cov": [["q"]], "obs_cov": [["r"]]}', encoding="utf-8"
    )
    words = ("fit", "nile", "--form", "structured", "--initial", "diffuse", "--horizon", 2)
    _, out, _ = run(*words, "--structure", "level.json")
    assert "-633.465" in out
    (here / "list.json").write_text("[1, 2]", encoding="utf-8")
    (here / "broken.json").write_text("{", encoding="utf-8")
    for file, said in (
        ("list.json", "must hold an object"),
        ("broken.json", "in JSON"),
        ("no", "no"),
    ):
        status, _, err = run(*words, "--structure", file)
        assert status == 2
        assert said in err


def test_work_of_more_than_two_seconds_is_announced(capsys, monkeypatch):
    monkeypatch.setattr(output, "PATIENCE", 0.02)
    with output.working("test: waiting"):
        time.sleep(0.1)
    with output.working("test: short"):
        pass
    err = capsys.readouterr().err
    assert err.startswith("test: waiting ...\ntest: waiting took 0.")
    assert "short" not in err


def test_ctrl_c_ends_with_130(run, monkeypatch):
    def interrupted(_):
        raise KeyboardInterrupt

    monkeypatch.setattr("rnnstats.cli.commands.fit", interrupted)
    status, _, err = run("fit", "nile")
    assert (status, err) == (130, "rnnstats fit: interrupted\n")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_ctrl_c_in_the_middle_of_a_fit(tmp_path):
    walks = np.random.default_rng(9).normal(size=(100_000, 3)).cumsum(axis=0).round(3)
    pd.DataFrame(walks, columns=["y", "z", "u"]).to_csv(tmp_path / "long.csv", index=False)
    running = process("fit", "long.csv", "--endog", "y,z,u", "--states", "6", cwd=tmp_path)
    time.sleep(4)
    running.send_signal(signal.SIGINT)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in err
    assert err.rstrip().endswith("rnnstats fit: interrupted")


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX pipes")
def test_a_reader_that_goes_away(tmp_path):
    running = process("datasets", cwd=tmp_path)
    assert running.stdout is not None
    assert running.stderr is not None
    running.stdout.close()
    assert running.wait(timeout=60) == 141
    assert running.stderr.read() == ""
    running.stderr.close()


def test_the_program_itself(tmp_path):
    running = process("--version", cwd=tmp_path)
    out, err = running.communicate(timeout=60)
    assert (running.returncode, err) == (0, "")
    assert out.startswith("rnnstats 0.")
    running = process("fit", "no.csv", cwd=tmp_path)
    _, err = running.communicate(timeout=60)
    assert running.returncode == 2
    assert shown(err) == ["rnnstats fit: error: no such file: 'no.csv'."]


def test_help_and_mistakes_need_no_numpy(tmp_path):
    code = (
        "import sys; from rnnstats.cli.arguments import parser; parser().parse_args(['demo']); "
        "sys.exit(any(name in sys.modules for name in ('numpy', 'pandas')))"
    )
    root = str(Path(arguments.__file__).parents[2])
    assert subprocess.run([sys.executable, "-c", code], cwd=root, check=False).returncode == 0
