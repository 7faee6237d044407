"""Small models with regimes at given parameters, shared by the tests of this folder."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd

from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults

STEPS = {"p[h1->h1]": 0.9, "p[h2->h1]": 0.2}
MATRIX = np.array([[0.9, 0.1], [0.2, 0.8]])


def results_at(model: MarkovRNN, values: dict[str, float], cov_type: str = "none"):
    """Results at parameters given by name."""
    missing = set(model.param_names) ^ set(values)
    assert not missing, missing
    theta = np.array([values[name] for name in model.param_names])
    return MarkovResults.from_fit(model, theta, cov_type=cov_type)


def chain(rng: np.random.Generator, n: int) -> np.ndarray:
    """Draw regimes 0 and 1."""
    path = np.zeros(n, dtype=int)
    for t in range(1, n):
        path[t] = rng.random() < MATRIX[path[t - 1], 1]
    return path


def months(n: int) -> pd.PeriodIndex:
    return pd.period_range("2000-01", periods=n, freq="M")


@lru_cache
def gaussian(n: int = 80):
    """Normal emissions with means -1 and 2, variances 1 and 0.25."""
    rng = np.random.default_rng(1)
    h = chain(rng, n)
    y = np.where(h == 0, -1.0, 2.0) + np.where(h == 0, 1.0, 0.5) * rng.standard_normal(n)
    model = MarkovRNN(pd.Series(y, index=months(n), name="y"))
    values = {**STEPS, "V[y,h1]": -1.0, "V[y,h2]": 2.0}
    return results_at(model, {**values, "obs_cov[y,y,h1]": 1.0, "obs_cov[y,y,h2]": 0.25})


@lru_cache
def poisson(n: int = 60):
    """Counts with means 2 and 9."""
    rng = np.random.default_rng(2)
    y = rng.poisson(np.where(chain(rng, n) == 0, 2.0, 9.0))
    model = MarkovRNN(pd.Series(y, name="y"), emission="poisson")
    return results_at(model, {**STEPS, "mean[y,h1]": 2.0, "mean[y,h2]": 9.0})


@lru_cache
def categorical(n: int = 60):
    """Letters u, v, w."""
    rng = np.random.default_rng(3)
    h = chain(rng, n)
    table = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    y = np.array(["u", "v", "w"], dtype=object)[[rng.choice(3, p=table[i]) for i in h]]
    model = MarkovRNN(pd.Series(y, index=months(n), name="y"), emission="categorical")
    values = {f"prob[y={c},h{i + 1}]": table[i, j] for i in (0, 1) for j, c in enumerate("uv")}
    return results_at(model, {**STEPS, **values}), table


AR = {
    "V[y,h1]": -0.5, "V[y,h2]": 1.5, "ar1[y,y,h1]": 0.3, "ar1[y,y,h2]": 0.7,
    "ar2[y,y,h1]": 0.1, "ar2[y,y,h2]": -0.2, "obs_cov[y,y,h1]": 0.5, "obs_cov[y,y,h2]": 1.5,
}  # fmt: skip


@lru_cache
def autoregression(form: str = "intercept", n: int = 60, gap: bool = False):
    """Second-order autoregression in which everything switches."""
    rng = np.random.default_rng(4)
    y = np.cumsum(rng.standard_normal(n)) * 0.3 + rng.standard_normal(n)
    if gap:
        y[n - 2] = np.nan
    series = pd.Series(y, index=months(n), name="y")
    model = MarkovRNN(series, order=2, ar_form=form)
    return results_at(model, {**STEPS, **AR})


@lru_cache
def var(n: int = 60):
    """Two series, first order."""
    rng = np.random.default_rng(5)
    frame = pd.DataFrame(rng.standard_normal((n, 2)), index=months(n), columns=["a", "b"])
    model = MarkovRNN(frame, order=1)
    values = dict(STEPS)
    for i, (mean, root, size) in enumerate([(-1.0, 0.5, 1.0), (1.0, 0.2, 0.6)], start=1):
        values |= {f"V[a,h{i}]": mean, f"V[b,h{i}]": 0.5 * mean}
        values |= {f"ar1[a,a,h{i}]": root, f"ar1[b,b,h{i}]": 0.3}
        values |= {f"ar1[a,b,h{i}]": 0.1, f"ar1[b,a,h{i}]": -0.2 * i}
        values |= {f"obs_cov[a,a,h{i}]": size, f"obs_cov[b,b,h{i}]": 1.0}
        values[f"obs_cov[b,a,h{i}]"] = 0.3 * i
    return results_at(model, values)
