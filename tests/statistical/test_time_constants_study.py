"""Time constants with standard errors: their intervals hold the true one in 95 of 100 samples."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray

from rnnstats import GRU, LSTM, LinearRNN
from rnnstats.diagnostics.memory import time_constants
from rnnstats.errors import ConvergenceWarning

FloatArray = NDArray[np.float64]
Draw = Callable[[np.random.Generator], tuple[float, float, float, float]]

TAU = 5.0
KEPT = float(np.exp(-1.0 / TAU))
# ends of an interval 4 Monte-Carlo standard errors wide on either side of 95 %
REPETITIONS = 600
LOWEST, HIGHEST = 0.95 - 4 * np.sqrt(0.95 * 0.05 / REPETITIONS), 0.995


def _inside(draw: Draw, seed: int) -> tuple[float, float]:
    """Share of intervals that hold the truth, and mean standard error over the spread of ln tau."""
    rng = np.random.default_rng(seed)
    held, logs, errors = [], [], []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for _ in range(REPETITIONS):
            tau, error, lower, upper = draw(rng)
            held.append(lower <= TAU <= upper or np.isnan(lower))
            logs.append(np.log(tau))
            errors.append(error / tau)
    return float(np.mean(held)), float(np.median(errors) / np.std(logs))


def _row(table: pd.DataFrame) -> tuple[float, float, float, float]:
    row = table.iloc[0]
    return row["tau"], row["tau_se"], row["tau_lower"], row["tau_upper"]


def leaky_unit(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """An AR(1): a leaky unit that is seen itself."""
    y = np.zeros(450)
    for t in range(1, len(y)):
        y[t] = KEPT * y[t - 1] + rng.standard_normal()
    found = LinearRNN(y[50:], k_states=1, form="leaky", obs_noise="none").fit()
    return _row(time_constants(found).roots)


def noisy_leaky_unit(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A leaky unit behind noise: an ARMA(1, 1)."""
    y = np.zeros(850)
    for t in range(1, len(y)):
        y[t] = KEPT * y[t - 1] + rng.standard_normal()
    y += rng.standard_normal(len(y))
    found = LinearRNN(y[50:], k_states=1, form="leaky").fit()
    return _row(time_constants(found).roots)


def _driven(rng: np.random.Generator, rows: int) -> tuple[FloatArray, FloatArray]:
    """A leaky integrator of what is written, and the input."""
    x = rng.standard_normal(rows)
    state = np.zeros(rows)
    for t in range(rows):
        state[t] = KEPT * (state[t - 1] if t else 0.0) + np.tanh(0.8 * x[t])
    return state, x


def gru(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """A GRU whose update gate is constant."""
    state, x = _driven(rng, 300)
    y = 0.5 + 5.0 * (1.0 - KEPT) * state + rng.standard_normal(300)
    zero = [f"{w}_{gate}[h1,{c}]" for gate in ("reset", "update") for w, c in
            (("W_h", "h1"), ("W_x", "x"))]  # fmt: skip
    zero += ["b_reset[h1]", "W_h_candidate[h1,h1]", "b_candidate[h1]", "b_h_candidate[h1]"]
    model = GRU(y, pd.DataFrame({"x": x}), k_hidden=1, y_lags=0, fixed=dict.fromkeys(zero, 0.0))
    start = dict.fromkeys(model.param_names, 0.0) | {
        "b_update[h1]": 1.0, "W_x_candidate[h1,x]": 1.0, "V[y,h1]": 3.0, "obs_cov[y,y]": 1.0,
    }  # fmt: skip
    found = model.fit(start_params=list(start.values()))
    return _row(time_constants(found).gates)


def lstm(rng: np.random.Generator) -> tuple[float, float, float, float]:
    """An LSTM whose gates are constant, the forget gate unknown."""
    x = rng.standard_normal(400)
    cell = np.zeros(400)
    for t in range(400):
        cell[t] = KEPT * (cell[t - 1] if t else 0.0) + 0.5 * np.tanh(0.8 * x[t])
    y = 0.5 + 1.5 * np.tanh(cell) + 0.5 * rng.standard_normal(400)
    zero = [f"{w}_{gate}[h1,{c}]" for gate in ("input", "forget", "output") for w, c in
            (("W_h", "h1"), ("W_x", "x"))]  # fmt: skip
    fixed = dict.fromkeys([*zero, "W_h_cell[h1,h1]", "b_cell[h1]", "b_input[h1]"], 0.0)
    # an output gate that is open to 1e-13
    model = LSTM(
        y, pd.DataFrame({"x": x}), k_hidden=1, y_lags=0, fixed=fixed | {"b_output[h1]": 30.0}
    )
    start = dict.fromkeys(model.param_names, 0.0) | {
        "b_forget[h1]": 1.0, "W_x_cell[h1,x]": 1.0, "V[y,h1]": 1.0, "obs_cov[y,y]": 0.5,
        "b_output[h1]": 30.0,
    }  # fmt: skip
    found = model.fit(start_params=list(start.values()))
    return _row(time_constants(found).gates)


@pytest.mark.slow
@pytest.mark.statistical
@pytest.mark.parametrize("draw", [leaky_unit, noisy_leaky_unit, gru, lstm])
def test_intervals_of_a_constant_time_constant_cover(draw: Draw) -> None:
    share, ratio = _inside(draw, 0)
    print(f"{draw.__name__}: coverage {share:.3f}, standard error / spread {ratio:.3f}")
    assert LOWEST < share < HIGHEST
    assert 0.85 < ratio < 1.15
