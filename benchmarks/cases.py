"""The models that are compared, each with data, parameters and a name in both packages.

A case is a state space, the public model of ours that has it (where one has), and what another
package must be told to have the same. Parameters are drawn once, roots well inside the circle, and
the data are drawn from the model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import block_diag

from rnnstats import LinearRNN
from rnnstats.kernels.system import StateSpace
from rnnstats.results.forecasting.prediction import simulate_paths

FloatArray = NDArray[np.float64]
SEED = 20240913


@dataclass(frozen=True)
class Case:
    """A model on data.

    Attributes
    ----------
    name : str
    y : ndarray, shape (nobs, k_endog)
    system : StateSpace
        At the parameters.
    ours : LinearRNN or None
        None where no public model has this state space yet.
    params : ndarray or None
        Natural parameters of ``ours``.
    kind : {"SARIMAX", "VARMAX", "UnobservedComponents"}
        Model class of statsmodels.
    spec : mapping
        Its arguments.
    values : mapping
        Coefficient arrays by name, from which adapters make their parameters.
    """

    name: str
    y: FloatArray
    system: StateSpace
    ours: LinearRNN | None
    params: FloatArray | None
    kind: str
    spec: Mapping[str, Any]
    values: Mapping[str, FloatArray] = field(default_factory=dict)

    @property
    def shape(self) -> str:
        """Number of rows, outputs and states, in words."""
        s = self.system
        return f"T={len(self.y):,}, {s.k_endog} out, {s.k_states} st"


def arma(order: int, nobs: int, *, ma_root: float = 0.5) -> Case:
    """ARMA(k, k - 1): k states here and in SARIMAX."""
    rng = np.random.default_rng([SEED, order, 1])
    phi = -np.poly(_roots(rng, order, 0.8))[1:]
    theta = np.poly(_roots(rng, order - 1, ma_root))[1:] if order > 1 else np.zeros(0)
    ma = np.concatenate([theta, np.zeros(order - len(theta))])
    psi = np.zeros(order)
    for j in range(order):
        psi[j] = ma[j] + phi[j] + sum(phi[i] * psi[j - 1 - i] for i in range(j))
    named = {f"W_h[h{order},h{j + 1}]": phi[order - 1 - j] for j in range(order)}
    named |= {f"K[h{j + 1},y]": psi[j] for j in range(order)} | {"obs_cov[y,y]": 1.3}
    label = "AR(1)" if order == 1 else f"ARMA({order},{order - 1})"
    if ma_root > 0.9:
        label += f", MA root {ma_root:g}"
    build = {"k_states": order, "trend": "n"}
    values: dict[str, Any] = {"ar": phi, "ma": theta, "cov": np.array([[1.3]])}
    return _finish(
        label, 1, nobs, build, named, "SARIMAX", {"order": (order, 0, order - 1)}, values
    )


def var(lags: int, k_endog: int, nobs: int) -> Case:
    """VAR(L): ``L * k_endog`` states here and in VARMAX."""
    rng = np.random.default_rng([SEED, lags, k_endog, 2])
    a = rng.normal(size=(lags, k_endog, k_endog)) / (1.0 + np.arange(lags)[:, None, None])
    a *= 0.7 / _companion_radius(a) ** np.arange(1, lags + 1)[:, None, None]
    cov = _covariance(rng, k_endog)
    wide = np.hstack(list(a))
    named = {
        f"W_h[h{i + 1},h{j + 1}]": wide[i, j] for i in range(k_endog) for j in range(wide.shape[1])
    }
    named |= {
        f"state_cov[h{i + 1},h{j + 1}]": cov[i, j] for i in range(k_endog) for j in range(i + 1)
    }
    build = {"form": "observed", "k_states": lags * k_endog, "trend": "n"}
    spec = {"order": (lags, 0), "trend": "n"}
    values = {"ar": a, "cov": cov}
    return _finish(f"VAR({lags})", k_endog, nobs, build, named, "VARMAX", spec, values)


def varma(k_endog: int, nobs: int) -> Case:
    """VARMA(1,1): k_endog states here, twice as many in VARMAX."""
    rng = np.random.default_rng([SEED, k_endog, 3])
    phi, theta = rng.normal(size=(2, k_endog, k_endog))
    phi *= 0.7 / np.abs(np.linalg.eigvals(phi)).max()
    theta *= 0.5 / np.abs(np.linalg.eigvals(theta)).max()
    cov = _covariance(rng, k_endog)
    y = _names(k_endog)
    pairs = [(i, j) for i in range(k_endog) for j in range(k_endog)]
    named = {f"W_h[h{i + 1},h{j + 1}]": phi[i, j] for i, j in pairs}
    named |= {f"K[h{i + 1},{y[j]}]": phi[i, j] + theta[i, j] for i, j in pairs}
    named |= {f"obs_cov[{y[i]},{y[j]}]": cov[i, j] for i, j in pairs if j <= i}
    build = {"k_states": k_endog, "trend": "n"}
    spec = {"order": (1, 1), "trend": "n"}
    values = {"ar": phi[None], "ma": theta[None], "cov": cov}
    return _finish("VARMA(1,1)", k_endog, nobs, build, named, "VARMAX", spec, values)


def components(what: str, nobs: int) -> Case:
    """Structural series with an exact diffuse start: "level", "trend" or "seasonal" (of 12)."""
    level: dict[str, Any] = {"level": "local level"}
    noise, transition = np.array([0.4]), np.eye(1)
    if what != "level":
        level = {"level": "local linear trend"}
        noise, transition = np.array([0.4, 0.02]), np.array([[1.0, 1.0], [0.0, 1.0]])
    design = np.eye(1, len(noise))
    selection = np.eye(len(noise))
    if what == "seasonal":
        turn = np.eye(11, k=-1)
        turn[0] = -1.0
        transition, noise = block_diag(transition, turn), np.append(noise, 0.05)
        design = np.hstack([design, np.eye(1, 11)])
        selection = np.eye(13, 3)
        level["seasonal"] = 12
    m = len(transition)
    arrays: dict[str, Any] = {
        "design": design,
        "transition": transition,
        "selection": selection,
        "state_cov": np.diag(noise),
        "obs_cov": np.array([[1.5]]),
    }
    y = simulate_paths(StateSpace.from_arrays(**arrays), nobs, np.random.default_rng(SEED))[0]
    system = StateSpace.from_arrays(
        **arrays, initial_diffuse=np.ones(m, dtype=bool), start="given", first_step="none"
    )
    spec = {**level, "use_exact_diffuse": True}
    name = {"level": "local level", "trend": "local linear trend", "seasonal": "basic structural"}
    values = {"variances": np.concatenate([[1.5], noise])}
    y = np.ascontiguousarray(y)
    return Case(name[what], y, system, None, None, "UnobservedComponents", spec, values)


def _finish(
    label: str,
    k_endog: int,
    nobs: int,
    build: Mapping[str, Any],
    named: Mapping[str, float],
    kind: str,
    spec: Mapping[str, Any],
    values: Mapping[str, FloatArray],
) -> Case:
    """Draw data from the model at these parameters, and put the model on them."""
    shape = LinearRNN(np.random.default_rng(0).normal(size=(60, k_endog)), **build)
    params = np.array([named[name] for name in shape.param_names])
    y = simulate_paths(shape.system(params), nobs, np.random.default_rng(SEED))[0]
    ours = LinearRNN(y, **build)
    return Case(label, ours._y, ours.system(params), ours, params, kind, spec, values)


def _names(k_endog: int) -> list[str]:
    return ["y"] if k_endog == 1 else [f"y{i + 1}" for i in range(k_endog)]


def _roots(rng: np.random.Generator, number: int, largest: float) -> FloatArray:
    """Real numbers of modulus up to ``largest``, of both signs."""
    if number == 0:
        return np.zeros(0)
    size = largest * (1.0 - 0.6 * np.arange(number) / number)
    return size * np.where(np.arange(number) % 2 == 0, 1.0, -1.0) * rng.uniform(0.97, 1.0, number)


def _companion_radius(a: FloatArray) -> float:
    lags, p, _ = a.shape
    companion = np.eye(lags * p, k=-p)
    companion[:p] = np.hstack(list(a))
    return float(np.abs(np.linalg.eigvals(companion)).max())


def _covariance(rng: np.random.Generator, size: int) -> FloatArray:
    root = rng.normal(size=(size, size)) / size
    return root @ root.T + 0.5 * np.eye(size)
