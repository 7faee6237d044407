"""Fitted hidden Markov models on which every promise of the results is checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.models.markov import MarkovRNN

__all__ = ["FITS"]

NOBS = 120


def _regimes(rng: np.random.Generator) -> np.ndarray:
    """A path of two regimes that last 12 and 8 rows on average."""
    path = np.zeros(NOBS, dtype=int)
    for t in range(1, NOBS):
        stay = 11 / 12 if path[t - 1] == 0 else 7 / 8
        path[t] = path[t - 1] if rng.random() < stay else 1 - path[t - 1]
    return path


def _data(kind: str, *, k: int = 1) -> tuple[Any, Any]:
    """Outputs with regimes, and one input that moves the first of them."""
    rng = np.random.default_rng(11)
    path, index = _regimes(rng), pd.period_range("1990Q1", periods=NOBS, freq="Q")
    x = pd.DataFrame({"rate": rng.standard_normal(NOBS)}, index=index)
    if kind == "gaussian":
        noise = rng.standard_normal((NOBS, k)) * (1 + path[:, None])
        y = 3.0 * path[:, None] + 0.5 * x.to_numpy() + noise
    elif kind == "poisson":
        y = rng.poisson(np.exp(1 + path + 0.2 * x["rate"].to_numpy()))[:, None].astype(float)
    else:
        letters = np.array(["a", "b", "c"])
        odds = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
        drawn = [letters[rng.choice(3, p=odds[regime])] for regime in path]
        return pd.Series(drawn, index=index, name="letter"), x
    names = ["cpi", "gdp", "m1"][: y.shape[1]]
    frame = pd.DataFrame(y, index=index, columns=names)
    return (frame["cpi"] if k == 1 else frame), x


def _autoregression(k: int, **options: Any) -> Any:
    y, _ = _data("gaussian", k=k)
    return MarkovRNN(y, switching=("trend", "variance"), **options).fit()


def _gaps() -> Any:
    y, x = _data("gaussian", k=2)
    y.iloc[3, 0] = y.iloc[3, 1] = y.iloc[40, 1] = np.nan
    return MarkovRNN(y, x, switching=("trend", "variance")).fit()


def _groups() -> Any:
    y, x = _data("poisson")
    return MarkovRNN(y, x, emission="poisson", groups=np.arange(NOBS) // 50).fit()


def _mixed() -> Any:
    y, x = _data("gaussian", k=2)
    y["gdp"] = (y["gdp"] > 1).astype(float)
    both = {"cpi": "gaussian", "gdp": "bernoulli"}
    return MarkovRNN(y, emission=both, exog_transition=x, start="free").fit()


def _later() -> Any:
    y, _ = _data("gaussian")
    return MarkovRNN(y[:90]).fit().extend(y[90:])


FITS: dict[str, Callable[[], Any]] = {
    "gaussian": lambda: MarkovRNN(_data("gaussian")[0]).fit(),
    "two outputs, inputs, gaps": _gaps,
    "poisson, inputs, sequences": _groups,
    "categories": lambda: MarkovRNN(_data("categorical")[0], emission="categorical").fit(),
    "two families, inputs of the transitions": _mixed,
    "autoregression": lambda: _autoregression(1, order=2),
    "autoregression around means": lambda: _autoregression(1, order=1, ar_form="mean"),
    "vector autoregression": lambda: _autoregression(2, order=1),
    "student-t, restricted": lambda: MarkovRNN(
        _data("gaussian")[0], emission="student-t", switching="trend", fixed={"df[cpi]": 8.0}
    ).fit(),
    "one regime": lambda: MarkovRNN(*_data("gaussian"), k_regimes=1).fit(),
    "array": lambda: MarkovRNN(_data("gaussian")[0].to_numpy()).fit(),
    "later rows only": _later,
}
