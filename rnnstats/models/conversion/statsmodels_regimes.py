"""Models with regimes from fitted Markov-switching models of statsmodels."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from rnnstats._checks import warn
from rnnstats._compat.regimes import RegimeReading, read_regimes
from rnnstats.errors import ConversionWarning, SpecificationError
from rnnstats.models.conversion.hmm import ConvertedRegimes, build
from rnnstats.models.conversion.hmm_sources import Source

__all__ = ["from_statsmodels"]

FloatArray = NDArray[np.float64]
CALLER = "MarkovRNN.from_statsmodels"
# Their filter adds logs in another order; a larger difference is another model.
SAME = 1e-7


def from_statsmodels(results: object) -> ConvertedRegimes:
    """Model with regimes of a fitted statsmodels model; see `MarkovRNN.from_statsmodels`.

    Parameters
    ----------
    results : object

    Returns
    -------
    ConvertedRegimes

    Raises
    ------
    SpecificationError
        As there.
    """
    reading = read_regimes(results)
    if reading is None:
        raise SpecificationError(
            f"{CALLER}: results must be those of MarkovRegression or MarkovAutoregression; got "
            f"{type(results).__name__}. Give what their fit(), filter() or smooth() returns."
        )
    if reading.trend not in ("n", "c", "ct") or not reading.stationary:
        got = f"trend={reading.trend!r}" if reading.stationary else "known start probabilities"
        raise SpecificationError(
            f"{CALLER}: the model must have trend 'n', 'c' or 'ct' and start from its stationary "
            f"law; got {got}. Use from_hmm with arrays."
        )
    name = str(reading.endog.name)
    matrix, slopes, inputs = _steps(reading)
    source = Source(
        matrix, slopes, "stationary", _table(reading, name), "gaussian", (name,),
        () if reading.exog is None else tuple(str(column) for column in reading.exog.columns),
        inputs, "mean" if reading.order else "intercept",
    )  # fmt: skip
    options = {"trend": reading.trend, "order": reading.order, "switching": reading.switching}
    if reading.exog is not None:
        options["exog"] = reading.exog
    if inputs and reading.exog_transition is not None:
        frame = reading.exog_transition[list(inputs)]
        options["exog_transition"] = frame.set_axis(reading.endog.index)
    made = build(source, reading.endog, options)
    ours = made.model.loglike(made.params)
    if abs(ours - reading.llf) > SAME * (1.0 + abs(reading.llf)):
        warn(
            f"{CALLER}: results.llf is {reading.llf:.6f} and the log-likelihood of the model "
            f"{ours:.6f}. Look at how the chain starts, and which rows are used.",
            ConversionWarning,
        )
    return made


def _steps(reading: RegimeReading) -> tuple[FloatArray, FloatArray | None, tuple[str, ...]]:
    """Transition matrix (at inputs of zero), slopes of the log odds, and names of the inputs."""
    k = len(reading.steps)
    frame = reading.exog_transition
    if frame is None:
        first = reading.steps[:, :, 0]
        return np.column_stack([first, 1.0 - first.sum(axis=1)]), None, ()
    values = frame.to_numpy(dtype=np.float64)
    still = [x for x in range(values.shape[1]) if (values[:, x] == values[0, x]).all()]
    if len(still) != 1 or values[0, still[0]] == 0.0:
        raise SpecificationError(
            f"{CALLER}: exog_tvtp must have one constant column; got {len(still)}. A constant is "
            "always part of the transitions here."
        )
    kept = [x for x in range(values.shape[1]) if x != still[0]]
    logits = np.zeros((k, k))
    logits[:, :-1] = reading.steps[:, :, still[0]] * values[0, still[0]]
    slopes = np.zeros((k, k, len(kept)))
    slopes[:-1] = reading.steps[:, :, kept].transpose(1, 0, 2)
    names = tuple(str(frame.columns[x]) for x in kept)
    return np.asarray(softmax(logits, axis=1)), slopes, names


def _table(reading: RegimeReading, name: str) -> dict[str, FloatArray]:
    """Parameters of the output by name without the regime."""
    columns = [] if reading.trend == "n" else [f"V[{name}]"]
    columns += [f"b_y_trend[{name}]"] if reading.trend == "ct" else []
    if reading.exog is not None:
        columns += [f"D[{name},{x}]" for x in reading.exog.columns]
    table = {label: reading.coefficients[:, j] for j, label in enumerate(columns)}
    for lag in range(reading.order):
        table[f"ar{lag + 1}[{name},{name}]"] = reading.ar[:, lag]
    table[f"obs_cov[{name},{name}]"] = reading.variance
    return table
