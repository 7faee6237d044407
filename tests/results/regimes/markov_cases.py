"""Models with regimes at given parameters, and chains enumerated path by path."""

from __future__ import annotations

from functools import cache
from itertools import product
from typing import Any

import numpy as np
import pandas as pd

from rnnstats import datasets
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults

__all__ = ["at", "case", "enumerated"]


def at(model: MarkovRNN, params: Any, **options: Any) -> MarkovResults:
    """Results at given parameters, no fit."""
    return MarkovResults.from_fit(model, np.asarray(params, dtype=float), **options)


def enumerated(dense: np.ndarray, transition: np.ndarray, start: np.ndarray) -> dict[str, Any]:
    """Probabilities of the states of one sequence by summing over all K^n paths."""
    n, k = dense.shape
    moves = np.broadcast_to(transition, (n, k, k)) if transition.ndim == 2 else transition
    found: dict[str, Any] = {
        "predicted": np.zeros((n, k)), "filtered": np.zeros((n, k)), "smoothed": np.zeros((n, k)),
    }  # fmt: skip
    best, height = (), -np.inf
    for path in product(range(k), repeat=n):
        prior = np.cumprod([start[path[0]], *(moves[t][path[t - 1], path[t]] for t in range(1, n))])
        seen = np.cumprod(np.exp([dense[t, s] for t, s in enumerate(path)]))
        whole = prior[-1] * seen[-1]
        if whole > np.exp(height):
            best, height = path, np.log(whole)
        for t, s in enumerate(path):
            later = k ** (n - 1 - t)  # each beginning comes with that many ends
            found["predicted"][t, s] += prior[t] * (seen[t - 1] if t else 1.0) / later
            found["filtered"][t, s] += prior[t] * seen[t] / later
            found["smoothed"][t, s] += whole
    for name in ("predicted", "filtered", "smoothed"):
        found[name] /= found[name].sum(axis=1, keepdims=True)
    found["path"], found["height"] = best, height
    return found


def _switching(rng: np.random.Generator, n: int, stay: float = 0.9) -> np.ndarray:
    regimes = np.zeros(n, dtype=int)
    for t in range(1, n):
        regimes[t] = regimes[t - 1] if rng.random() < stay else 1 - regimes[t - 1]
    return regimes


def _quakes() -> MarkovResults:
    """Zucchini and MacDonald's two regimes, parameters of the maximum."""
    model = MarkovRNN(datasets.earthquakes(), emission="poisson", k_regimes=2)
    return at(
        model, [0.9340406546137697, 0.12850917965481917, 15.472277034628368, 26.12543850907978]
    )


def _normal() -> MarkovResults:
    """One normal series with two regimes, dates and gaps."""
    rng = np.random.default_rng(1)
    regimes = _switching(rng, 120)
    y = np.where(regimes, 3.0, 0.0) + np.where(regimes, 2.0, 1.0) * rng.standard_normal(120)
    y[[5, 40, 41]] = np.nan
    index = pd.period_range("1990Q1", periods=120, freq="Q")
    model = MarkovRNN(pd.Series(y, index=index, name="y"))
    return at(model, [0.9, 0.2, 0.1, 2.8, 1.1, 3.5])


def _short() -> MarkovResults:
    """Seven rows with three regimes, one of which cannot follow another."""
    rng = np.random.default_rng(2)
    y = np.r_[rng.standard_normal(4), 2.0 + rng.standard_normal(3)]
    y[2] = np.nan
    model = MarkovRNN(y, k_regimes=3, switching="trend", fixed={"p[h1->h3]": 0.0}, start="uniform")
    values = {"V[y,h1]": -0.5, "V[y,h2]": 0.7, "V[y,h3]": 2.0, "obs_cov[y,y]": 0.8}
    values |= {"p[h1->h1]": 0.6, "p[h1->h2]": 0.4, "p[h1->h3]": 0.0, "p[h2->h1]": 0.3}
    values |= {"p[h2->h2]": 0.5, "p[h3->h1]": 0.2, "p[h3->h2]": 0.1}
    return at(model, [values[name] for name in model.param_names])


def _sequences() -> MarkovResults:
    """Three sequences of unequal length, two outputs of different families."""
    rng = np.random.default_rng(3)
    regimes = _switching(rng, 90)
    frame = pd.DataFrame(
        {
            "rt": np.where(regimes, 6.4, 5.5) + 0.3 * rng.standard_normal(90),
            "correct": (rng.random(90) < np.where(regimes, 0.9, 0.5)).astype(float),
        }
    )
    frame.iloc[10, 0] = frame.iloc[11, 1] = np.nan
    groups = np.repeat(["a", "b", "c"], [40, 20, 30])
    model = MarkovRNN(frame, emission={"rt": "gaussian", "correct": "bernoulli"}, groups=groups)
    values = dict(zip(model.param_names, np.zeros(len(model.param_names)), strict=True))
    values |= {"p[h1->h1]": 0.85, "p[h2->h1]": 0.1, "V[rt,h1]": 5.5, "V[rt,h2]": 6.4}
    values |= {"obs_cov[rt,rt,h1]": 0.09, "obs_cov[rt,rt,h2]": 0.1}
    values |= {"prob[correct,h1]": 0.5, "prob[correct,h2]": 0.9}
    return at(model, [values[name] for name in model.param_names])


def _driven() -> MarkovResults:
    """Transitions that depend on an input."""
    rng = np.random.default_rng(4)
    x = rng.standard_normal(100)
    regimes = _switching(rng, 100)
    y = np.where(regimes, 2.0, 0.0) + rng.standard_normal(100)
    model = MarkovRNN(
        pd.Series(y, name="y"), exog_transition=pd.DataFrame({"x": x}), switching="trend"
    )
    values = {"W_h[h1->h1]": 2.0, "W_x[h1->h1,x]": 0.8, "W_h[h2->h1]": -1.5, "W_x[h2->h1,x]": -0.4}
    values |= {"V[y,h1]": 0.1, "V[y,h2]": 1.9, "obs_cov[y,y]": 1.1}
    return at(model, [values[name] for name in model.param_names])


def _lagged() -> MarkovResults:
    """Two sequences with one lag in intercept form."""
    rng = np.random.default_rng(5)
    y = rng.standard_normal(60).cumsum() * 0.3
    groups = np.repeat([0, 1], [35, 25])
    model = MarkovRNN(pd.Series(y, name="y"), order=1, switching="trend", groups=groups)
    values = {"p[h1->h1]": 0.8, "p[h2->h1]": 0.3, "V[y,h1]": -0.3, "V[y,h2]": 0.4}
    values |= {"ar1[y,y]": 0.7, "obs_cov[y,y]": 0.2}
    return at(model, [values[name] for name in model.param_names])


def _words() -> MarkovResults:
    """One categorical output."""
    rng = np.random.default_rng(6)
    regimes = _switching(rng, 80)
    shares = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6]])
    codes = [rng.choice(3, p=shares[s]) for s in regimes]
    y = pd.Series(pd.Categorical.from_codes(codes, ["low", "mid", "high"], ordered=True), name="y")
    model = MarkovRNN(y, emission="categorical")
    values = {"p[h1->h1]": 0.9, "p[h2->h1]": 0.15}
    values |= {"prob[y=low,h1]": 0.7, "prob[y=mid,h1]": 0.2, "prob[y=low,h2]": 0.1}
    values |= {"prob[y=mid,h2]": 0.3}
    return at(model, [values[name] for name in model.param_names])


def _pair() -> MarkovResults:
    """Two outputs, jointly normal."""
    rng = np.random.default_rng(7)
    regimes = _switching(rng, 70)
    y = np.where(regimes[:, None], [2.0, -1.0], [0.0, 0.0]) + rng.standard_normal((70, 2))
    y[3, 0] = y[9, 1] = y[12] = np.nan
    model = MarkovRNN(pd.DataFrame(y, columns=["a", "b"]), switching=("trend", "variance"))
    values = {"p[h1->h1]": 0.9, "p[h2->h1]": 0.1, "V[a,h1]": 0.0, "V[b,h1]": 0.0}
    values |= {"V[a,h2]": 2.0, "V[b,h2]": -1.0}
    for regime, (aa, ba, bb) in {"h1": (1.0, 0.4, 1.2), "h2": (0.8, -0.3, 1.0)}.items():
        values |= {f"obs_cov[a,a,{regime}]": aa, f"obs_cov[b,a,{regime}]": ba}
        values |= {f"obs_cov[b,b,{regime}]": bb}
    return at(model, [values[name] for name in model.param_names])


_CASES = {
    "earthquakes": _quakes, "normal": _normal, "short": _short, "sequences": _sequences,
    "driven": _driven, "lagged": _lagged, "words": _words, "pair": _pair,
}  # fmt: skip


@cache
def case(name: str) -> MarkovResults:
    """Make a case once for all tests."""
    return _CASES[name]()
