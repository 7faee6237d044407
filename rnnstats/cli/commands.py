"""What each command does."""

from __future__ import annotations

from argparse import Namespace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from rnnstats import datasets
from rnnstats._index import label
from rnnstats.cli.output import prepare, report, working
from rnnstats.cli.reading import Sample, read_sample
from rnnstats.errors import DataError, SpecificationError

if TYPE_CHECKING:
    from rnnstats.models.linear import LinearRNN
    from rnnstats.models.markov import MarkovRNN
    from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
    from rnnstats.results.linear import LinearResults
    from rnnstats.results.markov import MarkovResults
    from rnnstats.results.nonlinear import RecurrentResults

__all__ = ["demo", "fit", "list_datasets"]

HORIZON = 8
REGIME_OPTIONS = ("emission", "order", "ar_form", "switching", "start")
# option, and the argument that it is
NETWORK_OPTIONS = {
    "units": "k_hidden",
    "layers": "n_layers",
    "lags": "y_lags",
    "head": "head",
    "skip": "skip",
    "penalty": "penalty",
}
# with the values they have when they are not given
LINEAR_OPTIONS: dict[tuple[str, ...], object] = {
    ("states", "kronecker", "obs_noise", "pairs", "structure"): None,
    ("form",): "innovations",
    ("exog_enters",): "state",
    ("initial",): "stationary",
}


def demo(options: Namespace) -> None:
    """Fit three states to the growth of United States investment, output and consumption.

    Parameters
    ----------
    options : argparse.Namespace
        ``out``, the folder for tables and figures.
    """
    from rnnstats.models.linear import LinearRNN

    folder = prepare(options.out)
    levels = datasets.us_macro()[["realinv", "realgdp", "realcons"]]
    growth = pd.DataFrame(100 * np.log(levels)).diff().iloc[1:]
    sample = Sample("us_macro (bundled)", growth, None, None, "100 x log difference", ())
    results = LinearRNN(growth, k_states=3).fit(progress=True)
    forecast = results.get_forecast(HORIZON)
    report("rnnstats demo", sample, results, forecast, folder)
    print(
        "\nWith a file of yours: rnnstats fit FILE.csv --endog A,B --index DATE --states 2\n"
        "More: rnnstats fit --help"
    )


def fit(options: Namespace) -> None:
    """Fit a model to columns of a file.

    Parameters
    ----------
    options : argparse.Namespace
        Of ``rnnstats fit``.

    Raises
    ------
    DataError, SpecificationError
        For mistakes in the file or the options.
    """
    folder = None if options.out is None else prepare(options.out)
    with working("rnnstats fit: reading"):
        sample = read_sample(options)
    if sample.exog is None and options.exog_enters != "state":
        raise SpecificationError("--exog-enters needs --exog, the columns of inputs.")
    steps = _steps(options, sample)
    model = _model(options, sample)
    # before the fit, which may take long: are the inputs of the forecast periods all there?
    inputs = _inputs(sample, model.endog.future_index(steps))
    penalty = {} if options.model is None else {"penalty": options.penalty}
    results: LinearResults | MarkovResults | RecurrentResults = model.fit(
        n_starts=options.n_starts,
        maxiter=options.maxiter,
        cov_type=options.cov_type,
        cov_kwds=None if options.maxlags is None else {"maxlags": options.maxlags},
        rng=options.seed,
        progress=True,
        **penalty,
    )
    forecast = None
    if steps:
        forecast = results.get_forecast(steps, inputs, options.uncertainty)
    report("rnnstats fit", sample, results, forecast, folder)


def _model(options: Namespace, sample: Sample) -> LinearRNN | MarkovRNN | ElmanRNN | GRU | LSTM:
    """Return the model that the options ask for."""
    if options.regimes is None:
        _refuse(options, REGIME_OPTIONS, None, "--regimes K")
    if options.model is None:
        _refuse(options, tuple(set(NETWORK_OPTIONS) - {"skip"}), None, "--model elman, gru or lstm")
        _refuse(options, ("skip",), False, "--model elman, gru or lstm")
        return _linear(options, sample) if options.regimes is None else _markov(options, sample)
    _refuse(options, ("regimes",), None, "a model without --model")
    return _network(options, sample)


def _network(options: Namespace, sample: Sample) -> ElmanRNN | GRU | LSTM:
    """Return the nonlinear model."""
    from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN

    for names, default in {**LINEAR_OPTIONS, ("trend",): "c"}.items():
        _refuse(options, names, default, "a model without --model")
    models: dict[str, type[ElmanRNN | GRU | LSTM]] = {"elman": ElmanRNN, "gru": GRU, "lstm": LSTM}
    given = {name: getattr(options, option) for option, name in NETWORK_OPTIONS.items()}
    del given["penalty"]  # of the fit
    return models[options.model](
        sample.endog,
        sample.exog,
        fixed=dict(options.fixed) or None,
        **{name: value for name, value in given.items() if value is not None},
    )


def _linear(options: Namespace, sample: Sample) -> LinearRNN:
    """Return the linear model."""
    from rnnstats.models.linear import LinearRNN

    return LinearRNN(
        sample.endog,
        sample.exog,
        k_states=options.states,
        form=options.form,
        kronecker=options.kronecker,
        trend=options.trend,
        exog_enters=options.exog_enters,
        obs_noise=options.obs_noise,
        initial=options.initial,
        fixed=dict(options.fixed) or None,
        structure=options.structure if options.pairs is None else {"pairs": options.pairs},
    )


def _markov(options: Namespace, sample: Sample) -> MarkovRNN:
    """Return the model with regimes."""
    from rnnstats.models.markov import MarkovRNN

    for names, default in LINEAR_OPTIONS.items():
        _refuse(options, names, default, "a model without --regimes")
    given = {name: getattr(options, name) for name in REGIME_OPTIONS}
    if options.switching is not None:
        given["switching"] = tuple(options.switching)
    return MarkovRNN(
        sample.endog,
        sample.exog,
        k_regimes=options.regimes,
        trend=options.trend,
        fixed=dict(options.fixed) or None,
        **{name: value for name, value in given.items() if value is not None},
    )


def _refuse(options: Namespace, names: tuple[str, ...], default: object, needed: str) -> None:
    """Refuse options that belong to the other kind of model."""
    for name in names:
        if getattr(options, name) != default:
            option = f"--{name.replace('_', '-')}"
            raise SpecificationError(f"{option} needs {needed}.")


def _steps(options: Namespace, sample: Sample) -> int:
    """Return the number of periods to forecast, which may depend on the inputs at hand."""
    if options.horizon is not None:
        if options.horizon and sample.exog is not None and sample.future is None:
            raise SpecificationError(
                f"--horizon {options.horizon} needs the inputs of those periods. Give "
                "--exog-future FILE.csv, or --horizon 0."
            )
        return int(options.horizon)
    if sample.exog is None:
        return HORIZON
    return 0 if sample.future is None else len(sample.future)


def _inputs(sample: Sample, index: pd.Index) -> pd.DataFrame | None:
    """Return the inputs of the forecast periods, all of them."""
    if sample.future is None or not len(index):
        return None
    later = sample.future
    numbers = pd.api.types.is_numeric_dtype(later.index)
    if isinstance(index, pd.RangeIndex) and not numbers and len(later) >= len(index):
        later = later.iloc[: len(index)].set_axis(index, axis=0)  # dates without a frequency
    absent = index[~index.isin(later.index)]
    if len(absent):
        raise DataError(
            f"the inputs must have a row for each of the {len(index)} forecast periods; got none "
            f"for {label(absent, 0)}. Add rows, or give a shorter --horizon."
        )
    later = later.loc[index]
    for name in later.columns:
        blank = later.index[later[name].isna()]
        if len(blank):
            raise DataError(
                f"the inputs of forecast periods must be complete; got a missing value in column "
                f"{name!r} at {label(blank, 0)}. Fill it in, or give a shorter --horizon."
            )
    return later


def list_datasets() -> None:
    """Print the bundled series."""
    table = datasets.catalogue()
    for name, row in table.iterrows():
        columns = f", {row['columns']} columns" if row["columns"] > 1 else ""
        missing = f", {row['missing']} missing" if row["missing"] else ""
        print(f"{name:<14}{row['title']}")
        print(f"{'':<14}{row['rows']} rows{columns}{missing}; {row['units']}; {row['source']}")
    print("\nfit one of them: rnnstats fit nile --states 1")
