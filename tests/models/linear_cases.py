"""Models and data that several tests use."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.models.linear import LinearRNN

FORMS: dict[str, dict[str, Any]] = {
    "VARMA(1,1)": {},
    "one state more": {"extra": 1},
    "Kronecker (2, 0, ...)": {"first_chain": 2},
    "VAR(2)": {"form": "observed", "lags": 2},
    "two leaky units": {"form": "leaky", "k_states": 2},
    "unit and oscillator": {"form": "leaky", "k_states": 3, "structure": {"pairs": 1}},
    "three units, no noise": {"form": "leaky", "k_states": 3, "obs_noise": "none"},
}


def options(case: str, p: int) -> dict[str, Any]:
    """Arguments of a case for p outputs."""
    kw = dict(FORMS[case])
    if "extra" in kw:
        kw["k_states"] = p + kw.pop("extra")
    if "first_chain" in kw:
        kw["kronecker"] = (kw.pop("first_chain"), *[0] * (p - 1))
    if "lags" in kw:
        kw["k_states"] = p * kw.pop("lags")
    return kw


def series(p: int, nobs: int = 60, seed: int = 0, *, gaps: bool = False) -> NDArray[np.float64]:
    """Draw a stationary series with moving average noise, mean 3."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal((nobs, p))
    y = np.zeros((nobs, p))
    for t in range(1, nobs):
        y[t] = 0.6 * y[t - 1] + 0.3 * np.roll(y[t - 1], 1) * (p > 1) + e[t] + 0.3 * e[t - 1]
    y += 3.0
    if gaps:
        y[5, 0] = np.nan
        y[20:23] = np.nan
        y[1] = np.nan
    return y


def slope(
    function: Callable[[NDArray[np.float64]], Any], x: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Central differences with one Richardson step, in the last axis."""
    columns = []
    for i in range(len(x)):
        unit = np.zeros(len(x))
        unit[i] = 1e-3 * max(0.1, abs(x[i]))
        wide = (np.asarray(function(x + unit)) - np.asarray(function(x - unit))) / 2.0
        half = np.asarray(function(x + unit / 2)) - np.asarray(function(x - unit / 2))
        columns.append((4.0 * half - wide) / 3.0 / unit[i])
    return np.stack(columns, axis=-1)


def responses(model: LinearRNN, params: NDArray[np.float64], steps: int) -> NDArray[np.float64]:
    """Impulse responses of an innovations form and its error covariance, flattened."""
    system = model.system(params)
    gain, out = system.selection, []
    for _ in range(steps):
        out.append((system.design @ gain).ravel())
        gain = system.transition @ gain
    out.append(system.obs_cov[np.tril_indices(model.k_endog)])
    return np.concatenate(out)
