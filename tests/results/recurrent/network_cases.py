"""Networks at chosen parameters, small enough to be checked by hand."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.results.nonlinear import RecurrentResults

__all__ = ["NOBS", "at", "chosen", "data", "gaussian", "network"]

NOBS = 90


@cache
def data(seed: int = 5, nobs: int = NOBS) -> tuple[pd.Series, pd.DataFrame]:
    """A series that moves with its own past and an input, far from zero and not of unit size."""
    rng = np.random.default_rng(seed)
    index = pd.period_range("1990Q1", periods=nobs, freq="Q")
    x = pd.DataFrame({"rate": 4.0 + rng.standard_normal(nobs)}, index=index)
    y = np.zeros(nobs)
    for t in range(1, nobs):
        pull = np.tanh(1.2 * y[t - 1] + 0.7 * (x.iloc[t, 0] - 4.0))
        y[t] = pull + 0.5 * rng.standard_normal()
    return pd.Series(20.0 + 3.0 * y, index=index, name="cpi"), x


def chosen(model: Any, seed: int = 1, size: float = 0.6) -> np.ndarray:
    """Standardised weights of moderate size, in the user's units; a plain start for the head."""
    rng = np.random.default_rng(seed)
    theta = model.chart.to_natural(size * rng.standard_normal(len(model.param_names)))
    values = model.endog.values
    for place, name in enumerate(model.param_names):
        group, _, label = name.rstrip("]").partition("[")
        if group in ("obs_cov", "scale2"):
            one, two = [*label.split(","), label][:2]
            spread = np.nanvar(values[:, model.endog.names.index(one)])
            theta[place] = 0.5 * spread if one == two or group == "scale2" else 0.0
        elif group in ("df", "dispersion"):
            theta[place] = 6.0 if group == "df" else 0.4
    return model.layout.expand(model.layout.reduce(theta))


def at(model: Any, params: Any = None, **options: Any) -> RecurrentResults:
    """Results at parameters, by default at chosen ones."""
    theta = chosen(model) if params is None else params
    return RecurrentResults.from_fit(model, theta, **options)


_MODELS = {
    "elman": lambda y, x: ElmanRNN(y, x, k_hidden=2),
    "gru": lambda y, x: GRU(y, x, k_hidden=2, y_lags=2),
    "lstm": lambda y, x: LSTM(y, x, k_hidden=2),
    "layers": lambda y, x: GRU(y, x, k_hidden=(2, 1), n_layers=2),
}


@cache
def network(name: str) -> RecurrentResults:
    """Results at chosen parameters, made once."""
    return at(_MODELS[name](*data()))


@cache
def gaussian() -> RecurrentResults:
    """One tanh unit at the maximum of its likelihood."""
    y, _ = data(nobs=250, seed=8)
    model = ElmanRNN(y, k_hidden=1)
    theta = pd.Series(
        {
            "W_h[h1,h1]": 0.1, "W_y[h1,cpi]": 0.4, "b_h[h1]": -8.0, "V[cpi,h1]": 3.0,
            "b_y[cpi]": 20.0, "obs_cov[cpi,cpi]": 2.5,
        }
    )  # fmt: skip
    from scipy.optimize import minimize

    def climb(phi: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = model.likelihood.pull_at(phi)
        return -value, -slope

    start = model.chart.to_standard(theta[list(model.param_names)].to_numpy())
    found = minimize(climb, start, jac=True, method="BFGS", options={"gtol": 1e-9})
    return RecurrentResults.from_fit(model, model.chart.to_natural(found.x))
