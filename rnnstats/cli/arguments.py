"""The options, and the help that teaches them by example."""

from __future__ import annotations

import argparse
import csv
import json
import sys
from typing import Any, NoReturn

from rnnstats import __version__

__all__ = ["EMISSIONS", "HEADS", "MODELS", "OUTPUT_FOLDER", "parser"]

OUTPUT_FOLDER = "rnnstats-output"

TRANSFORMS = ("none", "log", "diff", "logdiff")
EMISSIONS = (
    "gaussian", "gaussian-diagonal", "gaussian-spherical", "student-t", "poisson",
    "negative-binomial", "bernoulli", "gamma",
)  # fmt: skip

MODELS = ("elman", "gru", "lstm")
HEADS = ("gaussian", "student-t", "poisson", "negative-binomial", "gamma", "bernoulli")

_ABOUT = """\
Recurrent models of time series, with statistical inference.

examples:
  rnnstats demo                              everything on a bundled series, with figures
  rnnstats fit sales.csv --endog sales       one series of a file of yours, one state
  rnnstats fit --help                        more examples
  rnnstats datasets                          the bundled series
"""

_FIT = """\
Fit a linear recurrent network, one with regimes (a hidden Markov model) or a nonlinear one (Elman,
GRU, LSTM) to columns of a CSV file by exact maximum likelihood, and print estimates, tests,
forecasts and the filtered against the smoothed states, or the average effects of the inputs.

examples:
  one column, two states:
    rnnstats fit sales.csv --endog sales --index month --states 2

  growth rates of three columns, forecasts of eight quarters, tables and figures in a folder:
    rnnstats fit macro.csv --endog inv,gdp,cons --index date --transform logdiff \\
        --states 3 --horizon 8 --out results

  an input; its later values are in another file, or in rows of this one that follow the series:
    rnnstats fit demand.csv --endog load --exog temperature --index hour \\
        --exog-future weather.csv --horizon 24

  a vector autoregression with 2 lags of 3 columns (lags x columns = 6 states):
    rnnstats fit macro.csv --endog a,b,c --form observed --states 6

  year and quarter in two columns:
    rnnstats fit macrodata.csv --endog realgdp --index year,quarter --transform logdiff

  two regimes with different means and variances; Hamilton's model of recessions:
    rnnstats fit rates.csv --endog rate --index month --regimes 2
    rnnstats fit hamilton --endog rgnp_growth --regimes 2 --order 4 --ar-form mean \
        --switching trend

  an Elman network with two tanh units that reads two earlier rows; its weights are penalised:
    rnnstats fit lynx --transform log --model elman --units 2 --lags 2 --penalty 0.5

  a bundled series instead of a file:
    rnnstats fit nile --states 1

files:
  The first line names the columns. Blank cells, NA, NaN and "." are missing values, which are
  skipped exactly; so are periods that have no row. Dates may be 1959Q1, 1959-03, 1959M3,
  1959-03-31, 31.03.1959, 03/31/1959, 1959, 195903, 1959.25; their frequency is found by itself.
"""

_DEMO = """\
Fit a linear recurrent network with three states to the quarterly growth of investment, output and
consumption in the United States, and show what comes out.

examples:
  rnnstats demo                    tables and figures go to the folder rnnstats-output
  rnnstats demo --out somewhere    or to another
"""


class _Parser(argparse.ArgumentParser):
    """A parser whose complaints are one line, with the nearest option."""

    def parse_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, or exit with a line about the first argument that is unknown."""
        options, unknown = self.parse_known_args(args, namespace)
        if unknown:
            from rnnstats._checks import suggest  # needs NumPy, which help does not

            chosen = next(p for p in _commands(self) if p.prog.endswith(options.command))
            known = [text for action in chosen._actions for text in action.option_strings]
            first = unknown[0]
            hint = suggest(first.split("=")[0], known)
            chosen.error(f"unknown argument {first!r}.{hint}")
        return options

    def error(self, message: str) -> NoReturn:
        """Print one line and exit with status 2."""
        text = " ".join(message.split())
        stop = "" if text.endswith((".", "?")) else "."
        print(f"{self.prog}: error: {text}{stop} See {self.prog} --help", file=sys.stderr)
        sys.exit(2)


def _commands(parser: argparse.ArgumentParser) -> list[argparse.ArgumentParser]:
    groups = [a for a in parser._actions if isinstance(a, argparse._SubParsersAction)]
    return [chosen for group in groups for chosen in group.choices.values()]


def parser() -> argparse.ArgumentParser:
    """Make the parser of the whole command line.

    Returns
    -------
    argparse.ArgumentParser
        Its result has ``command``: "demo", "fit" or "datasets".
    """
    raw = argparse.RawDescriptionHelpFormatter
    top = _Parser(prog="rnnstats", description=_ABOUT, formatter_class=raw, allow_abbrev=False)
    top.add_argument("--version", action="version", version=f"rnnstats {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    demo = commands.add_parser(
        "demo",
        help="fit, forecast and draw a bundled series",
        description=_DEMO,
        formatter_class=raw,
        allow_abbrev=False,
    )
    demo.add_argument(
        "--out",
        default=OUTPUT_FOLDER,
        metavar="DIR",
        help="folder for tables and figures (default: %(default)s)",
    )
    fit = commands.add_parser(
        "fit",
        help="fit a model to columns of a CSV file",
        usage="rnnstats fit FILE [--endog A,B] [--index DATE] [--states N | --regimes K | "
        "--model NAME] [more options]",
        description=_FIT,
        formatter_class=raw,
        allow_abbrev=False,
    )
    _data_options(fit)
    _model_options(fit)
    _regime_options(fit)
    _network_options(fit)
    _result_options(fit)
    commands.add_parser(
        "datasets",
        help="list the bundled series",
        description="List the bundled series, each of which `rnnstats fit NAME` can take.",
        formatter_class=raw,
        allow_abbrev=False,
    )
    return top


def _data_options(fit: argparse.ArgumentParser) -> None:
    data = fit.add_argument_group("data")
    data.add_argument("file", metavar="FILE", help="CSV file, or the name of a bundled series")
    data.add_argument(
        "--endog",
        type=_names,
        metavar="A,B",
        help="columns to model (may be left out if the file has only one besides the index)",
    )
    data.add_argument("--exog", type=_names, default=[], metavar="X,Z", help="columns of inputs")
    data.add_argument(
        "--exog-future", metavar="FILE", help="CSV file with the inputs of the forecast periods"
    )
    data.add_argument(
        "--index",
        type=_names,
        default=[],
        metavar="DATE",
        help="column of dates or numbers; or two, as in year,quarter (default: rows are numbered)",
    )
    data.add_argument(
        "--transform",
        choices=TRANSFORMS,
        default="none",
        help="of the endog columns: log, diff (first difference), logdiff (100 x difference of "
        "logarithms: growth in percent)",
    )
    data.add_argument(
        "--date-format", metavar="FORMAT", help="of the dates, where in doubt, as in %%d/%%m/%%Y"
    )
    data.add_argument("--sep", metavar="CHAR", help="between cells (default: found by itself)")
    data.add_argument("--decimal", metavar="CHAR", default=".", help="decimal mark (default: .)")


def _model_options(fit: argparse.ArgumentParser) -> None:
    model = fit.add_argument_group("model")
    model.add_argument("--states", type=_positive, metavar="N", help="number of states")
    model.add_argument(
        "--form",
        choices=("innovations", "observed", "leaky", "factor", "structured", "free"),
        default="innovations",
        help="coordinates: innovations (VARMA), observed (vector autoregression), leaky (units "
        "with a time constant each), factor (dynamic factors), structured (tables, see "
        "--structure), free (not identified); default: innovations",
    )
    model.add_argument(
        "--kronecker", type=_wholes, metavar="K,K", help="Kronecker indices (innovations form)"
    )
    model.add_argument(
        "--pairs", type=_positive, metavar="N", help="damped oscillators (leaky form)"
    )
    model.add_argument(
        "--structure",
        type=_tables,
        metavar="FILE",
        help="JSON file with the tables of the structured form (numbers, or names of parameters: "
        '{"W_h": [[1]], "V": [[1]], "state_cov": [["q"]], "obs_cov": [["r"]]}), or with '
        '{"lags": 2} for the factor form',
    )
    model.add_argument(
        "--trend",
        choices=("n", "c", "ct"),
        default="c",
        help="none, constant, constant and slope (default: c)",
    )
    model.add_argument(
        "--exog-enters",
        choices=("state", "output", "both"),
        default="state",
        help="where inputs enter (default: state)",
    )
    model.add_argument(
        "--obs-noise",
        choices=("full", "diagonal", "none"),
        help="covariance of the output noise (default: that of the form)",
    )
    model.add_argument(
        "--initial",
        choices=("stationary", "diffuse", "known"),
        default="stationary",
        help="state before the first row (default: stationary)",
    )
    model.add_argument(
        "--fixed",
        type=_restriction,
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="hold a parameter at a number, or equal to another, as in 'K[h1,y]=0'; repeatable",
    )


def _regime_options(fit: argparse.ArgumentParser) -> None:
    model = fit.add_argument_group("model with regimes")
    model.add_argument(
        "--regimes", type=_positive, metavar="K", help="number of regimes: fit a MarkovRNN"
    )
    model.add_argument(
        "--emission",
        choices=EMISSIONS,
        help="distribution of the columns in each regime (default: gaussian)",
    )
    model.add_argument("--order", type=_count, metavar="P", help="lags of the columns (default: 0)")
    model.add_argument(
        "--ar-form",
        choices=("intercept", "mean"),
        help="lags of the values, or of deviations from the means of the regimes",
    )
    model.add_argument(
        "--switching",
        type=_names,
        metavar="A,B",
        help="what differs between regimes: trend,exog,ar,variance (default: all)",
    )
    model.add_argument(
        "--start",
        choices=("stationary", "free", "uniform"),
        help="probabilities of the regimes in the first row (default: stationary)",
    )


def _network_options(fit: argparse.ArgumentParser) -> None:
    model = fit.add_argument_group("nonlinear model")
    model.add_argument(
        "--model", choices=MODELS, help="cell of a nonlinear network: fit an ElmanRNN, GRU or LSTM"
    )
    model.add_argument("--units", type=_positive, metavar="N", help="hidden units (default: 2)")
    model.add_argument("--layers", type=_positive, metavar="N", help="of units (default: 1)")
    model.add_argument(
        "--lags", type=_count, metavar="L", help="earlier rows that the network reads (default: 1)"
    )
    model.add_argument(
        "--head", choices=HEADS, help="distribution of the columns (default: gaussian)"
    )
    model.add_argument(
        "--skip",
        action="store_true",
        help="inputs and earlier rows also enter the output directly: the linear model is nested",
    )
    model.add_argument(
        "--penalty",
        type=_penalty,
        metavar="NUMBER",
        help="ridge penalty on the standardised weights, or 'rolling': chosen by forecasts in "
        "rolling windows (default: none)",
    )


def _result_options(fit: argparse.ArgumentParser) -> None:
    results = fit.add_argument_group("estimation and results")
    results.add_argument(
        "--cov-type",
        choices=("oim", "approx", "opg", "robust", "robust_approx", "hac", "none"),
        default="oim",
        help="standard errors from the observed information (oim), the expected one (approx), "
        "outer products of scores (opg), sandwiches of these (hac: for scores correlated over "
        "time); default: oim",
    )
    results.add_argument(
        "--maxlags", type=_count, metavar="N", help="lags of --cov-type hac (default: by a rule)"
    )
    results.add_argument("--n-starts", type=_positive, metavar="N", help="number of starts")
    results.add_argument("--maxiter", type=_positive, metavar="N", default=500, help="a start")
    results.add_argument(
        "--seed", type=_count, metavar="N", help="for starts drawn at random (default: fixed)"
    )
    results.add_argument(
        "--horizon",
        type=_count,
        metavar="N",
        help="periods to forecast (default: 8, or as many as there are inputs)",
    )
    results.add_argument(
        "--uncertainty",
        choices=("plugin", "delta", "bootstrap"),
        default="plugin",
        help="of forecasts: parameters taken as known, with their standard errors, or estimated "
        "again from drawn samples",
    )
    results.add_argument(
        "--out", metavar="DIR", help="write tables (CSV) and figures (PNG) into this folder"
    )


def _names(text: str) -> list[str]:
    """Split names at commas; a name that holds a comma is put in double quotes."""
    names = [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]
    if not names or "" in names:
        raise argparse.ArgumentTypeError(f"must be column names with commas between; got {text!r}")
    return names


def _whole(text: str, minimum: int) -> int:
    if not text.isdigit() or int(text) < minimum:
        raise argparse.ArgumentTypeError(
            f"must be a whole number of at least {minimum}; got {text!r}"
        )
    return int(text)


def _positive(text: str) -> int:
    return _whole(text, 1)


def _count(text: str) -> int:
    return _whole(text, 0)


def _penalty(text: str) -> float | str:
    try:
        return text if text == "rolling" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be a number or 'rolling'; got {text!r}") from None


def _wholes(text: str) -> tuple[int, ...]:
    return tuple(_whole(part.strip(), 0) for part in text.split(","))


def _tables(text: str) -> dict[str, Any]:
    """Read a JSON file that holds an object."""
    try:
        with open(text, encoding="utf-8") as file:
            tables = json.load(file)
    except (OSError, ValueError) as error:
        raise argparse.ArgumentTypeError(f"must be a file in JSON; got {text!r}: {error}") from None
    if not isinstance(tables, dict):
        raise argparse.ArgumentTypeError(f"must hold an object with tables; got {text!r}")
    return tables


def _restriction(text: str) -> tuple[str, float | str]:
    name, equals, value = text.partition("=")
    if not equals or not name.strip() or not value.strip():
        raise argparse.ArgumentTypeError(f"must be NAME=VALUE; got {text!r}")
    try:
        return name.strip(), float(value)
    except ValueError:
        return name.strip(), value.strip()
