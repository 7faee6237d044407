"""Fitted recurrent networks on which every promise of the results is checked."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.errors import ConvergenceWarning
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN

__all__ = ["FITS", "quiet"]

NOBS = 110


def _data(*, k: int = 1) -> tuple[Any, Any]:
    """Outputs that saturate in their past, and one input that moves them."""
    rng = np.random.default_rng(12)
    index = pd.period_range("1990Q1", periods=NOBS, freq="Q")
    x = pd.DataFrame({"rate": rng.standard_normal(NOBS)}, index=index)
    y = np.zeros((NOBS, k))
    for t in range(1, NOBS):
        push = np.tanh(1.1 * y[t - 1] + 0.8 * x.iloc[t, 0])
        y[t] = push + 0.4 * rng.standard_normal(k)
    frame = pd.DataFrame(10.0 + 2.0 * y, index=index, columns=["cpi", "gdp", "m1"][:k])
    return (frame["cpi"] if k == 1 else frame), x


def _gaps() -> Any:
    y, x = _data(k=2)
    y.iloc[3] = y.iloc[40, 1] = y.iloc[60, 0] = np.nan
    return ElmanRNN(y, x, k_hidden=1, presample="predict").fit(n_starts=2)


def _counts() -> Any:
    y, x = _data()
    calls = (y - y.min()).round()
    groups = np.arange(NOBS) // 40
    return ElmanRNN(calls, x, k_hidden=1, head="poisson", groups=groups).fit(n_starts=2)


def _categories() -> Any:
    y, x = _data()
    words = pd.Series(np.where(y > 11, "c", np.where(y > 9, "b", "a")), y.index, name="letter")
    return ElmanRNN(words, x, k_hidden=1, head="categorical").fit(n_starts=2)


def _student() -> Any:
    y, x = _data()
    held = {"df[cpi]": 8.0, "W_y2[h1,cpi]": 0.0}
    return ElmanRNN(y, x, k_hidden=1, y_lags=2, head="student-t", fixed=held).fit(n_starts=2)


def _later() -> Any:
    y, _ = _data()
    return ElmanRNN(y[:90], k_hidden=1).fit(n_starts=2).extend(y[90:])


def quiet(fit: Callable[[], Any]) -> Callable[[], Any]:
    """Take standard errors at once: what has none is said by a warning, tested elsewhere."""

    def made() -> Any:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            results = fit()
            assert len(results.bse)
        return results

    return made


_FITS: dict[str, Callable[[], Any]] = {
    "elman": lambda: ElmanRNN(_data()[0], k_hidden=1).fit(n_starts=2),
    "gru, inputs, penalised": lambda: GRU(*_data(), k_hidden=1, penalty=5.0).fit(n_starts=2),
    "lstm, penalised": lambda: LSTM(_data()[0], k_hidden=1).fit(n_starts=2, penalty=3.0),
    "two outputs, inputs, gaps": _gaps,
    "counts, sequences": _counts,
    "categories": _categories,
    "student-t, two lags, restricted": _student,
    "two layers, skip connection, penalised": lambda: ElmanRNN(
        *_data(), k_hidden=1, n_layers=2, skip=True, initial="estimated"
    ).fit(n_starts=2, penalty=2.0),
    "array, scale not identified": lambda: ElmanRNN(
        _data()[0].to_numpy(), k_hidden=1, activation="relu"
    ).fit(n_starts=2, cov_type="approx"),
    "later rows only": _later,
}

FITS = {name: quiet(fit) for name, fit in _FITS.items()}
