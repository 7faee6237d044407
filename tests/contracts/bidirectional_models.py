"""Fitted bidirectional networks on which every promise of the results is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from contracts.recurrent_models import quiet

from rnnstats.models.bidirectional import BidirectionalRNN

__all__ = ["FITS", "PSEUDO_FITS"]

NOBS = 80


def _data(*, k: int = 1) -> tuple[Any, Any]:
    """Targets between inputs before and after them."""
    rng = np.random.default_rng(3)
    index = pd.period_range("1990Q1", periods=NOBS, freq="Q")
    x = pd.DataFrame({"rate": rng.standard_normal(NOBS)}, index=index)
    forth, back = np.zeros(NOBS), np.zeros(NOBS)
    for t in range(NOBS):
        forth[t] = np.tanh(0.5 * forth[t - 1] * (t > 0) + 1.5 * x.iloc[t, 0])
    for t in reversed(range(NOBS)):
        later = back[t + 1] if t + 1 < NOBS else 0.0
        back[t] = np.tanh(0.6 * later - 1.2 * x.iloc[t, 0] + 0.5)
    push = (2.0 * forth + 1.5 * back)[:, None]
    y = 10.0 + push + 0.3 * rng.standard_normal((NOBS, k))
    frame = pd.DataFrame(y, index=index, columns=["cpi", "gdp"][:k])
    return (frame["cpi"] if k == 1 else frame), x


def _gaps() -> Any:
    y, x = _data(k=2)
    y.iloc[3] = y.iloc[40, 1] = y.iloc[60, 0] = np.nan
    return BidirectionalRNN(y, x, cell="gru", k_hidden=1, penalty=2.0).fit(n_starts=2)


def _categories() -> Any:
    y, x = _data()
    words = pd.Series(np.where(y > 11, "c", np.where(y > 9, "b", "a")), y.index, name="letter")
    model = BidirectionalRNN(
        words, x, k_hidden=1, n_layers=2, head="categorical", initial="estimated", penalty=1.0
    )
    return model.fit(n_starts=1)


def _series() -> Any:
    y, _ = _data()
    y = y.rolling(3, min_periods=1).mean()
    y.iloc[20] = np.nan
    return BidirectionalRNN(y, k_hidden=1, penalty=0.5).fit(n_starts=2)


def _events() -> Any:
    y, x = _data()
    groups = np.arange(NOBS) // 15
    events = (y > y.median()).astype(float)
    model = BidirectionalRNN(
        events, x, k_hidden=1, y_lags=1, cell="lstm", head="bernoulli", groups=groups, penalty=2.0
    )
    return model.fit(n_starts=2, cov_type="cluster", cov_kwds={"groups": groups})


_FITS: dict[str, Callable[[], Any]] = {
    "regression": lambda: BidirectionalRNN(*_data(), k_hidden=1).fit(n_starts=2),
    "two targets, gaps, penalised gru": _gaps,
    "categories, two layers, penalised": _categories,
}
_PSEUDO: dict[str, Callable[[], Any]] = {
    "the series itself": _series,
    "events, sequences, inputs": _events,
}

FITS = {name: quiet(fit) for name, fit in _FITS.items()}
PSEUDO_FITS = {name: quiet(fit) for name, fit in _PSEUDO.items()}
