"""A recurrent model's log-likelihood from its definition, in the user's units, for complex numbers.

Nothing here is standardised: weights are the natural parameters, inputs are the data, and the
densities are written out. What the package computes by another way must agree.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import loggamma

from rnnstats.kernels.architecture import Feedback
from rnnstats.kernels.reference import cells as reference

Array = NDArray[Any]
HEADS = (
    "gaussian",
    "student-t",
    "poisson",
    "negative-binomial",
    "bernoulli",
    "binomial",
    "categorical",
    "gamma",
)
TRIALS = 5


def observations(head: str, rng: np.random.Generator, rows: int, d: int = 2) -> Array:
    """Outputs that a head can have; one categorical column of words."""
    if head == "categorical":
        words = np.array(["a", "b", "c"])[np.r_[0, 1, 2, rng.integers(0, 3, rows - 3)]]
        return words.astype(object)
    shape = (rows, d)
    if head in ("gaussian", "student-t"):
        return rng.standard_normal(shape) * [3.0, 0.2][:d] + [10.0, -1.0][:d]
    if head == "poisson":
        return rng.poisson(3.0, shape).astype(float)
    if head == "negative-binomial":
        return rng.negative_binomial(2, 0.4, shape).astype(float)
    if head == "bernoulli":
        return (np.arange(rows)[:, None] % 2 == rng.integers(0, 2, shape)).astype(float)
    if head == "binomial":
        return rng.binomial(TRIALS, 0.4, shape).astype(float)
    return rng.gamma(2.0, 3.0, shape)


def argument(head: str) -> Any:
    """The head as a constructor takes it."""
    return {"family": "binomial", "trials": TRIALS} if head == "binomial" else head


def point(model: Any, rng: np.random.Generator, size: float = 0.5) -> Array:
    """Natural parameters with moderate weights in standardised units."""
    phi = size * rng.standard_normal(model.layout.k_params)
    q = len(model.head.names)
    if model.head.name == "gaussian":
        d = model.endog.k_endog
        root = np.eye(d) + 0.3 * np.tril(rng.standard_normal((d, d)))
        phi[model.chart.extra] = (root @ root.T)[np.tril_indices(d)]
    else:
        phi[model.chart.extra] = rng.uniform(0.5, 3.0, q)
    theta: Array = model.chart.to_natural(phi)
    return theta


def loglikeobs(model: Any, theta: Array) -> Array:
    """Log-likelihood of each row of the recursion, by definition."""
    eta, extra = readouts(model, theta)
    y = model.endog.values[model.rows]
    return np.array([density(model, y[t], eta[t], extra) for t in range(len(y))])


def readouts(model: Any, theta: Array) -> tuple[Array, Array]:
    """Readout of each row of the recursion, and the head's own parameters."""
    arch, data = model.architecture, model.likelihood.data
    packed = np.empty(len(theta), dtype=theta.dtype)
    packed[model.chart.place] = theta
    weights, extra = packed[: arch.size].copy(), packed[model.chart.extra]
    inputs = natural_inputs(model)
    if model.skip or model.initial == "stationary":  # defined at the sample means of the inputs
        inputs = centred(model, weights, inputs)
    start = initial_state(model, weights, packed[model.chart.initial])
    start = np.repeat(start[None], len(data.offsets) - 1, axis=0)
    wide, lags = len(model.head.lag_names), model.y_lags
    k = wide * lags
    unit = model.head.lag_unit
    shift = natural_mean(model)[:k] if model.skip or model.initial == "stationary" else np.zeros(k)
    feedback = Feedback(
        np.arange(k),
        np.repeat(np.arange(1, lags + 1), wide),
        np.tile(np.arange(wide), lags),
        model.head.feedback,
        shift / unit,
        np.full(k, 1.0 / unit),
    )
    cuts = np.asarray(data.offsets, dtype=np.int64)
    return reference.forward(arch, weights, inputs, start, cuts, feedback)[1], extra


def natural_inputs(model: Any) -> Array:
    """Lagged outputs and inputs as they are, NaN for lags that are missing or before a sequence."""
    lagged = model.head.lag_values(model.endog.values)
    out = []
    for t in model.rows:
        first = max(a for a in model.offsets[:-1] if a <= t)
        row = [
            lagged[t - lag] if t - lag >= first else np.full(lagged.shape[1], np.nan)
            for lag in range(1, model.y_lags + 1)
        ]
        if model.exog is not None:
            row.append(model.exog.values[t])
        out.append(np.concatenate(row))
    return np.array(out)


def natural_mean(model: Any) -> Array:
    """Sample means of the inputs."""
    lagged = model.head.lag_values(model.endog.values)
    parts = [np.nanmean(lagged, axis=0)] * model.y_lags
    if model.exog is not None:
        parts.append(model.exog.values.mean(axis=0))
    return np.concatenate(parts)


def centred(model: Any, weights: Array, inputs: Array) -> Array:
    """Inputs less their means, which the constants take over (in place)."""
    mean, arch = natural_mean(model), model.architecture
    first = arch.layers[0]
    matrix = weights[first.matrix].reshape(first.shape)
    matrix[:, -1] += matrix[:, first.units : -1] @ mean
    weights[first.matrix] = matrix.ravel()
    if arch.skip:
        weights[arch.constant] += weights[arch.direct].reshape(arch.k_eta, -1) @ mean
    return inputs - mean


def initial_state(model: Any, weights: Array, own: Array) -> Array:
    """Start of all sequences; the fixed point by iteration (of a network that contracts)."""
    arch = model.architecture
    if model.initial == "estimated":
        return own
    state = np.zeros((1, arch.k_state), dtype=weights.dtype)
    if model.initial == "stationary":
        for _ in range(2000):
            row = np.zeros((1, arch.k_in))
            state = reference.step(arch, weights, state, row)[0]
    return state[0]


def density(model: Any, y: Array, eta: Array, extra: Array) -> complex:
    """Log density of one row, missing elements left out."""
    name = model.head.name
    seen = np.flatnonzero(~np.isnan(y))
    if not seen.size:
        return 0.0
    if name == "gaussian":
        d = len(y)
        full = np.zeros((d, d), dtype=extra.dtype)
        full[np.tril_indices(d)] = extra
        full = full + full.T - np.diag(np.diagonal(full))
        part = full[np.ix_(seen, seen)]
        resid = y[seen] - eta[seen]
        square = resid @ np.linalg.solve(part, resid)
        return -0.5 * (square + np.log(np.linalg.det(part)) + len(seen) * np.log(2.0 * np.pi))
    if name == "categorical":
        logits = np.append(eta, 0.0)
        return logits[int(y[0])] - np.log(np.exp(logits).sum())
    own = extra.reshape(-1, len(y))
    return sum(scalar(name, y[j], eta[j], own[:, j]) for j in seen)


def scalar(name: str, y: float, eta: complex, own: Array) -> complex:
    """Log density of one observation of a family."""
    if name == "student-t":
        scale2, df = own
        ratio = (y - eta) ** 2 / (df * scale2)
        constant = loggamma((df + 1) / 2) - loggamma(df / 2) - 0.5 * np.log(df * np.pi * scale2)
        return constant - 0.5 * (df + 1) * np.log(1 + ratio)
    if name == "poisson":
        return y * eta - np.exp(eta) - loggamma(y + 1.0).real
    if name == "negative-binomial":
        r = 1.0 / own[0]
        mean = np.exp(eta)
        return (
            loggamma(y + r) - loggamma(r + 0j) - loggamma(y + 1.0).real
            + r * np.log(r / (r + mean)) + y * np.log(mean / (r + mean))
        )  # fmt: skip
    if name in ("bernoulli", "binomial"):
        n = 1.0 if name == "bernoulli" else float(TRIALS)
        ways = loggamma(n + 1.0).real - loggamma(y + 1.0).real - loggamma(n - y + 1.0).real
        return ways + y * eta - n * np.log(1.0 + np.exp(eta))
    shape = own[0]
    return (
        shape * np.log(shape) - loggamma(shape) + (shape - 1) * np.log(y)
        - shape * (eta + y * np.exp(-eta))
    )  # fmt: skip
