"""Models of every kind at fixed parameters, with densities written by SciPy."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy import stats

from rnnstats import MarkovRNN

NAN = np.nan
Density = Callable[[int, tuple[int, ...]], float]


@dataclass
class Case:
    """A model, parameters by name, and the log density of row t given (h_t, ..., h_{t-p})."""

    model: MarkovRNN
    params: Mapping[str, float]
    density: Density
    first: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def chain(k: int) -> dict[str, float]:
    """Transition probabilities of a chain with all steps possible."""
    matrix = np.array(
        [[1.0 + 2.0 * (i == j) + 0.3 * i + 0.2 * j for j in range(k)] for i in range(k)]
    )
    matrix /= matrix.sum(axis=1, keepdims=True)
    return {f"p[h{i + 1}->h{j + 1}]": matrix[i, j] for i in range(k) for j in range(k - 1)}


def matrix_of(params: Mapping[str, float], k: int) -> np.ndarray:
    """The whole transition matrix."""
    out = np.zeros((k, k))
    for i, j in itertools.product(range(k), range(k - 1)):
        out[i, j] = params[f"p[h{i + 1}->h{j + 1}]"]
    out[:, -1] = 1.0 - out.sum(axis=1)
    return out


def by_regime(stem: str, values: list[float]) -> dict[str, float]:
    """``stem,h1]``, ``stem,h2]``, ..."""
    return {f"{stem},h{i + 1}]": value for i, value in enumerate(values)}


def scalar(
    y: list[float],
    emission: Any,
    own: Mapping[str, float],
    log_density: Callable[[float, int], float],
    k: int,
    **options: Any,
) -> Case:
    """One response without regressors."""

    def density(t: int, regimes: tuple[int, ...]) -> float:
        return 0.0 if np.isnan(y[t]) else log_density(y[t], regimes[0])

    model = MarkovRNN(y, k_regimes=k, emission=emission, **options)
    return Case(model, {**chain(k), **own}, density)


def gaussian() -> Case:
    y = [0.3, NAN, 2.1, -1.0, 4.0, 0.2, 1.1]
    means, variances = [0.1, 1.9, 4.2], [0.5, 1.3, 0.8]
    own = {**by_regime("V[y", means), **by_regime("obs_cov[y,y", variances)}
    return scalar(
        y, "gaussian", own, lambda v, k: stats.norm.logpdf(v, means[k], variances[k] ** 0.5), 3
    )


def student() -> Case:
    y = [0.3, 9.0, NAN, -1.0, 4.0, 0.2]
    means, scales, df = [0.1, 1.9], [0.5, 1.3], [3.0, 7.5]
    own = {**by_regime("V[y", means), **by_regime("scale2[y", scales), **by_regime("df[y", df)}
    return scalar(
        y, "student-t", own, lambda v, k: stats.t.logpdf(v, df[k], means[k], scales[k] ** 0.5), 2
    )


def poisson() -> Case:
    y = [0, 3, NAN, 7, 1, 2]
    means = [0.7, 2.5, 6.0, 9.0]
    return scalar(
        y, "poisson", by_regime("mean[y", means), lambda v, k: stats.poisson.logpmf(v, means[k]), 4
    )


def negative_binomial() -> Case:
    y = [0, 3, NAN, 17, 1, 2, 4]
    means, extra = [0.7, 6.0], [0.4, 1.5]
    own = {**by_regime("mean[y", means), **by_regime("dispersion[y", extra)}

    def density(v: float, k: int) -> float:
        size = 1.0 / extra[k]
        return stats.nbinom.logpmf(v, size, size / (size + means[k]))

    return scalar(y, "negative-binomial", own, density, 2)


def bernoulli() -> Case:
    y = [0, 1, NAN, 1, 1, 0]
    prob = [0.15, 0.5, 0.92]
    return scalar(
        y,
        "bernoulli",
        by_regime("prob[y", prob),
        lambda v, k: stats.bernoulli.logpmf(v, prob[k]),
        3,
    )


def binomial() -> Case:
    y = [0, 4, NAN, 5, 2, 0]
    prob = [0.15, 0.7]
    emission = {"y": {"family": "binomial", "trials": 5}}
    return scalar(
        y, emission, by_regime("prob[y", prob), lambda v, k: stats.binom.logpmf(v, 5, prob[k]), 2
    )


def gamma() -> Case:
    y = [0.3, 9.0, NAN, 1.0, 4.0, 0.2]
    means, shapes = [0.9, 4.5], [0.8, 3.1]
    own = {**by_regime("mean[y", means), **by_regime("shape[y", shapes)}
    return scalar(
        y,
        "gamma",
        own,
        lambda v, k: stats.gamma.logpdf(v, shapes[k], scale=means[k] / shapes[k]),
        2,
    )


def categorical() -> Case:
    y = ["a", "c", None, "b", "a", "a", "c"]
    table = np.array([[0.2, 0.5, 0.3], [0.6, 0.1, 0.3], [0.1, 0.1, 0.8]])
    own = {
        f"prob[y={level},h{k + 1}]": table[k, j] for k in range(3) for j, level in enumerate("ab")
    }

    def density(t: int, regimes: tuple[int, ...]) -> float:
        return 0.0 if y[t] is None else float(np.log(table[regimes[0], "abc".index(y[t])]))

    model = MarkovRNN(y, k_regimes=3, emission="categorical")
    return Case(model, {**chain(3), **own}, density)


def multivariate(kind: str) -> Case:
    y = np.array([[0.1, 1.0], [NAN, 2.0], [3.0, NAN], [NAN, NAN], [-1.0, 0.5], [2.0, 2.5]])
    means = np.array([[0.0, 1.0], [2.0, 2.2]])
    covs = {
        "gaussian": [[[1.0, 0.4], [0.4, 0.8]], [[0.7, -0.3], [-0.3, 1.4]]],
        "gaussian-diagonal": [[[1.0, 0.0], [0.0, 0.8]], [[0.7, 0.0], [0.0, 1.4]]],
        "gaussian-spherical": [[[1.2, 0.0], [0.0, 1.2]], [[0.7, 0.0], [0.0, 0.7]]],
    }[kind]
    cov = np.array(covs)
    own = {f"V[y{j + 1},h{k + 1}]": means[k, j] for k in range(2) for j in range(2)}
    for k in range(2):
        if kind == "gaussian-spherical":
            own[f"obs_cov[y1:y2,h{k + 1}]"] = cov[k, 0, 0]
            continue
        own |= {f"obs_cov[y{j},y{j},h{k + 1}]": cov[k, j - 1, j - 1] for j in (1, 2)}
        if kind == "gaussian":
            own[f"obs_cov[y2,y1,h{k + 1}]"] = cov[k, 1, 0]

    def density(t: int, regimes: tuple[int, ...]) -> float:
        seen = ~np.isnan(y[t])
        if not seen.any():
            return 0.0
        here = regimes[0]
        part = cov[here][np.ix_(seen, seen)]
        return stats.multivariate_normal.logpdf(y[t, seen], means[here, seen], part)

    return Case(MarkovRNN(y, emission=kind), {**chain(2), **own}, density)


def several() -> Case:
    """A count, a normal pair with one covariance, and a category, independent given the regime."""
    import pandas as pd

    data = pd.DataFrame(
        {
            "n": [0.0, 3.0, NAN, 7.0, 1.0],
            "u": [0.2, 1.0, 1.5, NAN, -0.3],
            "s": ["x", None, "y", "x", "y"],
            "v": [1.0, NAN, 0.1, 0.4, 0.6],
        }
    )
    emission = {("u", "v"): "gaussian", "n": "poisson", "s": "categorical"}
    means, prob = [1.0, 5.0], [0.3, 0.8]
    centre = np.array([[0.0, 0.5], [1.2, 0.4]])
    cov = np.array([[1.0, 0.3], [0.3, 0.5]])
    own = {**by_regime("mean[n", means), **by_regime("prob[s=x", prob)}
    own |= {f"V[{c},h{k + 1}]": centre[k, j] for k in range(2) for j, c in enumerate("uv")}
    own |= {"obs_cov[u,u]": 1.0, "obs_cov[v,u]": 0.3, "obs_cov[v,v]": 0.5}

    def density(t: int, regimes: tuple[int, ...]) -> float:
        k, row = regimes[0], data.iloc[t]
        out = 0.0 if np.isnan(row["n"]) else stats.poisson.logpmf(row["n"], means[k])
        if row["s"] in ("x", "y"):
            out += np.log(prob[k] if row["s"] == "x" else 1.0 - prob[k])
        pair = row[["u", "v"]].to_numpy(dtype=float)
        seen = ~np.isnan(pair)
        part = cov[np.ix_(seen, seen)]
        return out + stats.multivariate_normal.logpdf(pair[seen], centre[k, seen], part)

    model = MarkovRNN(data, emission=emission, switching="trend")
    return Case(model, {**chain(2), **own}, density)


def regressors() -> Case:
    """Counts with a switching and a common regressor and a trend, transitions driven by inputs."""
    y = np.array([0.0, 3.0, NAN, 7.0, 1.0, 2.0])
    x = np.array([[0.1, 1.0], [0.4, -1.0], [-0.3, 0.5], [0.8, 0.2], [-0.5, 0.9], [0.0, 0.3]])
    z = np.array([0.5, -1.0, 0.3, 1.2, -0.4, 0.8])
    model = MarkovRNN(
        y,
        x,
        emission="poisson",
        switching=("trend", "exog[x2]"),
        exog_transition=z,
        trend="ct",
        start="free",
    )
    const, slope = [0.2, 1.1], [0.4, -0.3]
    params = {
        "W_h[h1->h1]": 0.8,
        "W_x[h1->h1,x]": -0.5,
        "W_h[h2->h1]": -0.7,
        "W_x[h2->h1,x]": 0.9,
        "start[h1]": 0.35,
        **by_regime("V[y", const),
        **by_regime("b_y_trend[y", [0.1, 0.05]),
        "D[y,x1]": 0.6,
        **by_regime("D[y,x2", slope),
    }

    def density(t: int, regimes: tuple[int, ...]) -> float:
        k = regimes[0]
        eta = const[k] + (0.1, 0.05)[k] * (t + 1) + 0.6 * x[t, 0] + slope[k] * x[t, 1]
        return 0.0 if np.isnan(y[t]) else stats.poisson.logpmf(y[t], np.exp(eta))

    def row(constant: float, weight: float, t: int) -> list[float]:
        p = 1.0 / (1.0 + np.exp(-constant - weight * z[t]))
        return [p, 1.0 - p]

    moves = np.array([[row(0.8, -0.5, t), row(-0.7, 0.9, t)] for t in range(len(y))])
    return Case(model, params, density, extra={"moves": moves, "start": np.array([0.35, 0.65])})


def autoregression(form: str, driven: bool = False) -> Case:
    """Two lags; in mean form with a regressor of the mean, and inputs of the transitions."""
    y = np.array([0.3, 1.0, 2.1, NAN, -1.0, 0.4, 1.2])
    x = np.array([0.5, -0.2, 0.1, 0.9, -0.7, 0.3, 0.2])
    z = np.array([0.5, -1.0, 0.3, 1.2, -0.4, 0.8, -0.1])
    means, slope, lags, variance = [0.1, 1.9], 0.4, [0.5, -0.2], 0.7
    model = MarkovRNN(
        y, x, order=2, ar_form=form, switching="trend", exog_transition=z if driven else None
    )
    own = {
        **by_regime("V[y", means),
        "D[y,x]": slope,
        "ar1[y,y]": lags[0],
        "ar2[y,y]": lags[1],
        "obs_cov[y,y]": variance,
    }
    extra: dict[str, Any] = {}
    transitions = chain(2)
    if driven:
        transitions = dict(
            zip(
                ("W_h[h1->h1]", "W_x[h1->h1,x]", "W_h[h2->h1]", "W_x[h2->h1,x]"),
                (0.8, -0.5, -0.7, 0.9),
                strict=True,
            )
        )
        p = 1.0 / (1.0 + np.exp(-np.stack([0.8 - 0.5 * z, -0.7 + 0.9 * z], axis=1)))
        extra["moves"] = np.stack([p, 1.0 - p], axis=2)

    def density(t: int, regimes: tuple[int, ...]) -> float:
        rows = y[t - 2 : t + 1]
        if np.isnan(rows).any():
            return 0.0
        if form == "intercept":
            mean = means[regimes[0]] + slope * x[t] + lags[0] * y[t - 1] + lags[1] * y[t - 2]
        else:
            centred = [y[t - i] - means[regimes[i]] - slope * x[t - i] for i in (1, 2)]
            mean = means[regimes[0]] + slope * x[t] + lags[0] * centred[0] + lags[1] * centred[1]
        return stats.norm.logpdf(y[t], mean, variance**0.5)

    return Case(model, {**transitions, **own}, density, first=2, extra=extra)


CASES: dict[str, Callable[[], Case]] = {
    "gaussian": gaussian,
    "student-t": student,
    "poisson": poisson,
    "negative-binomial": negative_binomial,
    "bernoulli": bernoulli,
    "binomial": binomial,
    "gamma": gamma,
    "categorical": categorical,
    "gaussian, two columns": lambda: multivariate("gaussian"),
    "gaussian-diagonal": lambda: multivariate("gaussian-diagonal"),
    "gaussian-spherical": lambda: multivariate("gaussian-spherical"),
    "several families": several,
    "regressors and inputs": regressors,
    "order 2, intercept form": lambda: autoregression("intercept"),
    "order 2, mean form": lambda: autoregression("mean"),
    "order 2, mean form, inputs": lambda: autoregression("mean", driven=True),
}


def enumerated(case: Case) -> tuple[float, np.ndarray]:
    """Log-likelihood and smoothed probabilities as sums over all K^T paths."""
    n, k = case.model.nobs, case.model.k_regimes
    moves = case.extra.get("moves")
    if moves is None:
        moves = np.repeat(matrix_of(case.params, k)[None], n, axis=0)
    start = case.extra.get("start")
    if start is None:
        values, vectors = np.linalg.eig(moves[0].T)
        start = np.real(vectors[:, np.argmax(values.real)])
        start = start / start.sum()
    p = case.model.order if case.model.ar_form == "mean" else 0
    height = functools.cache(lambda t, regimes: np.exp(case.density(t, regimes)))
    total, tally = 0.0, np.zeros((n, k))
    for path in itertools.product(range(k), repeat=n):
        weight = start[path[0]]
        for t in range(1, n):
            weight *= moves[t, path[t - 1], path[t]]
        for t in range(case.first, n):
            weight *= height(t, tuple(path[t - i] for i in range(p + 1)))
        total += weight
        for t in range(n):
            tally[t, path[t]] += weight
    return float(np.log(total)), tally / total
