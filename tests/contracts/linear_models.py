"""Fitted models on which every promise of the results is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from results.fakes import NoisyAR, series
from scipy.signal import lfilter

from rnnstats.models.linear import LinearRNN

__all__ = ["FITS"]


def _linear(k_endog: int, k_exog: int = 0, *, gaps: Any = (), **options: Any) -> Any:
    endog, exog = series(90, k_endog, k_exog, gaps=gaps)
    return LinearRNN(endog, exog, **options).fit()


def _structured() -> Any:
    """A diffuse random walk beside a stationary autoregression, in two series."""
    rng = np.random.default_rng(4)
    endog, _ = series(90, 2)
    shocks, noise = rng.standard_normal((2, 90)), 0.5 * rng.standard_normal((90, 2))
    level, cycle = 0.6 * shocks[0].cumsum(), lfilter([1.0], [1.0, -0.8], shocks[1])
    endog = endog * 0.0 + np.column_stack([level, level + 1.5 * cycle + 2.0]) + noise
    endog.iloc[7, 0] = endog.iloc[30, 1] = np.nan
    tables = {
        "W_h": [[1, 0], [0, "phi"]],
        "V": [[1, 0], [1, "load"]],
        "state_cov": [["level", 0], [0, 1]],
        "obs_cov": [["noise", 0], [0, "noise"]],
        "b_y": [0, "shift"],
        "initial_diffuse": [True, False],
    }
    return LinearRNN(endog, form="structured", structure=tables).fit()


def _noisy() -> Any:
    endog, _ = series(90)
    return NoisyAR(endog).fit(start_params=[0.8, 1.0, 0.5, 2.0])


def _extended() -> Any:
    endog, exog = series(90, 2, 1)
    first = LinearRNN(endog[:60], exog[:60], k_states=2).fit()
    return first.extend(endog[60:], exog[60:])


def _array() -> Any:
    return LinearRNN(series(90)[0].to_numpy(), k_states=1).fit()


FITS: dict[str, Callable[[], Any]] = {
    "innovations": lambda: _linear(1, k_states=1),
    "innovations, two outputs, inputs": lambda: _linear(2, 1, k_states=2, trend="ct"),
    "innovations, inputs in both, gaps": lambda: _linear(
        1, 2, k_states=1, exog_enters="both", gaps=((0, 0), (12, 0), (13, 0))
    ),
    "innovations, restricted": lambda: _linear(1, k_states=2, fixed={"K[h2,cpi]": 0.1}),
    "innovations, known start": lambda: _linear(1, k_states=1, initial="known", trend="n"),
    "observed": lambda: _linear(2, k_states=2, form="observed"),
    "diffuse, inputs, gaps": lambda: _linear(
        2, 1, k_states=2, initial="diffuse", gaps=((0, 0), (0, 1), (40, 0), (41, 1))
    ),
    "observed, diffuse": lambda: _linear(2, k_states=4, form="observed", initial="diffuse"),
    "leaky": lambda: _linear(2, k_states=1, form="leaky"),
    "leaky, known start, gaps": lambda: _linear(
        2, 1, k_states=1, form="leaky", initial="known", gaps=((0, 1), (40, 0), (41, 1))
    ),
    "leaky, later rows": lambda: _linear(2, k_states=1, form="leaky").append(
        np.full((3, 2), np.nan)
    ),
    "innovations, VARMA coordinates": lambda: _linear(1, k_states=2, fixed={"ma2[cpi,cpi]": 0}),
    "factor": lambda: _linear(3, 1, k_states=1, form="factor", gaps=((5, 0), (6, 1))),
    "free": lambda: _linear(1, k_states=1, form="free"),
    "structured, level and cycle": _structured,
    "noisy autoregression": _noisy,
    "later rows only": _extended,
    "array": _array,
}
