"""Models with regimes from the numbers of a hidden Markov model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import shown, suggest
from rnnstats.data import Endog
from rnnstats.equivalence.hmm import HMM
from rnnstats.equivalence.readouts import distributions, reference_logits
from rnnstats.equivalence.softmax import SoftmaxRNN
from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.conversion.hmm_sources import (
    Source,
    of_arrays,
    of_hmmlearn,
    of_network,
    one_or_all,
)
from rnnstats.models.markov import MarkovRNN
from rnnstats.models.regimes.construction.assembly import read_outputs
from rnnstats.models.regimes.construction.specification import public_emission
from rnnstats.results.regimes.networks import HiddenMarkov

__all__ = ["ConvertedRegimes", "build", "from_hmm"]

FloatArray = NDArray[np.float64]
CALLER = "MarkovRNN.from_hmm"
LAG = re.compile(r"ar(\d+)\[")


class ConvertedRegimes(NamedTuple):
    """A model with regimes taken over from elsewhere.

    Attributes
    ----------
    model : MarkovRNN
    params : Series
        All its natural parameters, by name.
    """

    model: MarkovRNN
    params: pd.Series


def from_hmm(
    transition: Any,
    parameters: Any = None,
    start: Any = None,
    endog: Any = None,
    *,
    emission: Any = None,
    **options: Any,
) -> ConvertedRegimes:
    """Model and parameters of a hidden Markov model; see `MarkovRNN.from_hmm`.

    Parameters
    ----------
    transition, parameters, start, endog, emission
        As there.
    **options
        As there.

    Returns
    -------
    ConvertedRegimes

    Raises
    ------
    SpecificationError, DataError
        As there.
    """
    return build(_source(transition, parameters, start, emission, endog), endog, options)


def build(source: Source, endog: Any, given: Mapping[str, Any]) -> ConvertedRegimes:
    """Make model and parameters of a source.

    Parameters
    ----------
    source : Source
    endog : object
        None for rows with nothing seen.
    given : mapping
        Further arguments of `MarkovRNN`.

    Returns
    -------
    ConvertedRegimes

    Raises
    ------
    SpecificationError, DataError
        What does not go together.
    """
    options = dict(given)
    trend: Any = options.pop("trend", None) or _trend(source.table)
    lags = [int(found[1]) for found in map(LAG.match, source.table) if found]
    order = int(options.pop("order", max(lags, default=0)))
    data = _data(endog, source, order + 1 + len(source.table))
    blank = data.nobs if endog is None else None
    exog = _inputs(options.pop("exog", None), source.exog_names, blank, "exog")
    inputs = _inputs(
        options.pop("exog_transition", None), source.transition_names, blank, "exog_transition"
    )
    outputs = read_outputs(data, source.emission, options.pop("groups", None), MarkovRNN.name)
    model = MarkovRNN(
        outputs.endog,
        exog,
        k_regimes=len(source.transition),
        emission=public_emission(outputs.emissions),
        exog_transition=inputs,
        order=order,
        start=source.start,
        trend=trend,
        **{"ar_form": source.ar_form, **options},
    )
    values = {**_chain_values(model, source), **_emission_values(model, source)}
    theta = np.array([values[name] for name in model.param_names])
    return ConvertedRegimes(
        model, pd.Series(theta, index=list(model.param_names), name="params", dtype=float)
    )


def _source(transition: Any, parameters: Any, start: Any, emission: Any, endog: Any) -> Source:
    """Read what was given into one form."""
    whole: Source | None = None
    if isinstance(transition, HiddenMarkov):
        whole = _of_tables(transition)
    elif isinstance(transition, (SoftmaxRNN, HMM)):
        whole = of_network(transition, CALLER)
    elif hasattr(transition, "transmat_"):
        whole = of_hmmlearn(transition, endog, CALLER)
    if whole is not None:
        twice = [
            name
            for name, value in (("parameters", parameters), ("emission", emission))
            if value is not None
        ]
        if twice:
            raise SpecificationError(
                f"{CALLER}: a {type(transition).__name__} holds all parameters; got {twice[0]} "
                "beside it. Leave it out, or give arrays."
            )
        return whole if start is None else whole._replace(start=start)
    matrix = distributions(_square(transition), name="transition", caller=CALLER)
    law = "stationary" if start is None else start
    return of_arrays(matrix, parameters, law, emission, endog, CALLER)


def _square(transition: Any) -> Any:
    array = np.asarray(transition, dtype=np.float64)
    if array.ndim != 2 or array.shape[0] != array.shape[1]:
        raise SpecificationError(
            f"{CALLER}: transition must be a square matrix, rows from, columns to; got shape "
            f"{array.shape}. A whole model (to_hmm(), a network, an hmmlearn model) may be given "
            "in its place."
        )
    return array


def _of_tables(tables: HiddenMarkov) -> Source:
    matrix = tables.transition.to_numpy(dtype=np.float64)
    if matrix.shape[0] != matrix.shape[1]:
        raise SpecificationError(
            f"{CALLER}: transition probabilities must be constant; got those of "
            f"{len(matrix) // matrix.shape[1]} rows, which inputs drive. Give the network, "
            "to_rnn(), which holds their weights."
        )
    start = tables.start.to_numpy(dtype=np.float64)
    table = {
        str(name): tables.emission[name].to_numpy(dtype=np.float64) for name in tables.emission
    }
    names = tuple(
        name for key in tables.outputs for name in ((key,) if isinstance(key, str) else key)
    )
    inputs = [name.split(",", 1)[1][:-1] for name in table if name.startswith("D[")]
    return Source(
        matrix,
        None,
        one_or_all(start),
        table,
        dict(tables.outputs),
        names,
        tuple(dict.fromkeys(inputs)),
        (),
        tables.ar_form,
    )


def _trend(table: Mapping[str, FloatArray]) -> str:
    if any(name.startswith("b_y_trend[") for name in table):
        return "ct"
    level = ("V[", "mean[", "prob[")
    return "c" if any(name.startswith(level) for name in table) else "n"


def _data(endog: Any, source: Source, rows: int) -> Any:
    """Check the data; without data, sequences of `rows` rows with nothing seen."""
    if endog is not None:
        return endog
    sequences = len(source.start) if np.ndim(source.start) == 2 else 1
    values = np.full((sequences * rows, len(source.names)), np.nan)
    values.setflags(write=False)
    return Endog(
        values,
        source.names,
        pd.RangeIndex(len(values)),
        is_series=len(source.names) == 1,
        has_index=False,
        first_rows=tuple(range(0, len(values), rows)),
        sequences=tuple(range(1, sequences + 1)) if sequences > 1 else (),
    )


def _inputs(given: Any, names: tuple[str, ...], blank: int | None, what: str) -> Any:
    """Inputs; rows of zeros where there are no data but `blank` rows."""
    if not names:
        if given is not None:
            raise SpecificationError(
                f"{CALLER}: {what} needs coefficients; got none among the parameters. Leave {what} "
                "out."
            )
        return None
    if given is None and blank is None:
        raise DataError(
            f"{CALLER}: {what} must hold the inputs {', '.join(names)}; got None. Give their rows."
        )
    if given is None:
        return pd.DataFrame(np.zeros((blank or 0, len(names))), columns=list(names))
    return given


def _chain_values(model: MarkovRNN, source: Source) -> dict[str, float]:
    """Parameters of transitions and start."""
    found: dict[str, float] = {}
    regimes = model.regime_names
    logits = None
    if source.transition_names:
        logits = reference_logits(source.transition)
        if not np.isfinite(logits).all():
            raise SpecificationError(
                f"{CALLER}: with inputs every transition probability must be positive; got zeros. "
                "Give probabilities without inputs."
            )
    for i, left in enumerate(regimes):
        for j, entered in enumerate(regimes):
            found[f"p[{left}->{entered}]"] = float(source.transition[i, j])
            if logits is None or source.slopes is None:
                continue
            found[f"W_h[{left}->{entered}]"] = float(logits[i, j])
            for x, name in enumerate(source.transition_names):
                found[f"W_x[{left}->{entered},{name}]"] = float(source.slopes[j, i, x])
    if isinstance(model.start, str) and model.start == "free":
        for regime in regimes:  # no law was given: as good as any
            found[f"start[{regime}]"] = 1.0 / len(regimes)
    return found


def _emission_values(model: MarkovRNN, source: Source) -> dict[str, float]:
    """Parameters of the outputs' distributions."""
    found: dict[str, float] = {}
    used: set[str] = set()
    regimes = model.regime_names
    chain = ("p[", "W_h[", "W_x[", "start[")
    for name in model.param_names:
        if name.startswith(chain):
            continue
        regime = next((j for j, h in enumerate(regimes) if name.endswith(f",{h}]")), None)
        bare = name if regime is None else f"{name[: name.rindex(',')]}]"
        if bare.startswith("b_y["):
            bare = f"V[{bare.removeprefix('b_y[')}"
        given = _given_name(bare, source, name)
        column = source.table[given]
        used.add(given)
        if regime is None and not (column == column[0]).all():
            raise SpecificationError(
                f"{CALLER}: what does not switch must be the same in every regime; got "
                f"{bare} = {shown(column.tolist())}. Let it switch (switching=...)."
            )
        found[name] = float(column[regime or 0])
    implied = [name for name in source.table if name.startswith("prob[") and "=" in name]
    left_over = [name for name in source.table if name not in used and name not in implied]
    if left_over:
        raise SpecificationError(
            f"{CALLER}: every parameter must belong to the model; got {left_over[0]!r}, which it "
            f"does not have.{suggest(left_over[0], sorted(used))} It has {', '.join(sorted(used))}."
        )
    return found


def _given_name(bare: str, source: Source, name: str) -> str:
    """Name under which a parameter was given: of a covariance the pair in either order."""
    others = [bare]
    if bare.startswith("obs_cov["):
        inner = bare[len("obs_cov[") : -1]
        pair = inner.split(",")
        if len(pair) == 2:
            others.append(f"obs_cov[{pair[1]},{pair[0]}]")
        elif ":" in inner:  # spherical: one variance for all
            first = inner.split(":", 1)[0]
            others.append(f"obs_cov[{first},{first}]")
    for other in others:
        if other in source.table:
            return other
    raise SpecificationError(
        f"{CALLER}: parameters must hold {bare}, one number a regime; got "
        f"{', '.join(source.table)}.{suggest(bare, list(source.table))} It gives {name}."
    )
