"""A small model behind the results' protocol: outputs that share a noisy autoregression.

    h_t = W_h h_{t-1} + eta_t,   y_t = V h_t + D x_t + b_y + eps_t

With one output it is statsmodels' ``SARIMAX(order=(1, 0, 0), measurement_error=True)``.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnstats.data import Endog, Exog
from rnnstats.errors import NotPositiveDefiniteError, NotStationaryError
from rnnstats.estimation.covariance import hessian_from_score
from rnnstats.kernels import kalman
from rnnstats.kernels.system import StateSpace, Tangents
from rnnstats.parameters.layout import Layout
from rnnstats.results.linear import LinearResults

__all__ = ["NoisyAR", "series"]


class NoisyAR:
    """One autoregressive state seen through noise by every output."""

    name = "NoisyAR"
    title = "Noisy autoregression"
    form = "leaky"

    def __init__(self, endog, exog=None, *, initial="stationary", trend="c", fixed=None):
        self.endog = Endog.from_input(endog, caller=self.name)
        self.exog = Exog.from_input(exog, self.endog, caller=self.name)
        self.initial, self.trend, self.fixed = initial, trend, fixed or {}
        self.k_endog, self.nobs, self.k_states = self.endog.k_endog, self.endog.nobs, 1
        self.state_names = ("h1",)
        names = ["W_h[h1,h1]", "state_cov[h1,h1]"]
        names += [f"V[{out},h1]" for out in self.endog.names[1:]]
        names += [f"obs_cov[{out},{out}]" for out in self.endog.names]
        self._terms = [] if trend == "n" else ["b_y"]
        self._terms += ["b_y_trend"] if trend == "ct" else []
        for term in self._terms:
            names += [f"{term}[{out}]" for out in self.endog.names]
        if self.exog is not None:
            names += [f"D[{out},{x}]" for out in self.endog.names for x in self.exog.names]
        self.layout = Layout(names, fixed=self.fixed, caller=self.name)
        self.param_names = self.layout.names

    def _regressors(self, steps, future):
        n = self.nobs + steps
        columns = [np.ones(n)] * ("b_y" in self._terms)
        columns += [np.arange(1.0, n + 1)] * ("b_y_trend" in self._terms)
        table = np.column_stack(columns) if columns else np.empty((n, 0))
        if self.exog is None:
            return table, np.empty((n, 0))
        rows = [self.exog.values] + ([future] if future is not None else [])
        return table, np.concatenate(rows)

    def _arrays(self, theta, steps=0, future=None):
        """Buffer and output intercept: affine in theta."""
        p = self.k_endog
        design = np.concatenate([[1.0], theta[2 : 1 + p]])
        obs_cov = np.diag(theta[1 + p : 1 + 2 * p])
        rest = theta[1 + 2 * p :]
        trend, inputs = self._regressors(steps, future)
        k = trend.shape[1]
        intercept = trend @ rest[: k * p].reshape(k, p)
        intercept = intercept + inputs @ rest[k * p :].reshape(p, inputs.shape[1]).T
        diffuse = float(self.initial == "diffuse")
        parts = [design, obs_cov, theta[0], 1.0, theta[1], np.zeros(p), 0.0, 0.0, diffuse]
        return np.concatenate([np.ravel(part) for part in parts]).astype(float), intercept

    def system(self, params, *, steps=0, exog=None):
        matrices, intercept = self._arrays(np.asarray(params, float), steps, exog)
        start = ("given", "none") if self.initial == "diffuse" else ("stationary", "noisy")
        return StateSpace(self.k_endog, 1, 1, matrices, intercept, np.zeros(1), *start)

    def _tangents(self):
        zero = self._arrays(np.zeros(len(self.param_names)))
        unit = [self._arrays(row) for row in np.eye(len(self.param_names))]
        matrices = np.array([one[0] - zero[0] for one in unit])
        intercepts = np.array([one[1] - zero[1] for one in unit])
        none = np.zeros((len(unit), 1))
        return Tangents(self.k_endog, 1, 1, matrices, intercepts, none)

    def loglike(self, params):
        return kalman.loglike(self.system(params), self.endog.values)

    def loglikeobs(self, params):
        return kalman.loglikeobs(self.system(params), self.endog.values)

    def score_obs(self, params):
        return kalman.score_obs(self.system(params), self.endog.values, self._tangents())[1]

    def hessian(self, params):
        return hessian_from_score(lambda theta: self.score_obs(theta).sum(axis=0), params)

    def information(self, params):
        return kalman.information(self.system(params), self.endog.values, self._tangents())

    def clone(self, endog, exog=None):
        options = {"initial": self.initial, "trend": self.trend, "fixed": self.fixed}
        return NoisyAR(endog, exog, **options)

    def fit(self, *, start_params, cov_type="oim", **options):
        """Scoring from a start near the maximum, shorter where it does not rise: for tests."""
        theta, ties = np.array(start_params, float), self.layout.expansion
        for _ in range(options.pop("maxiter", 30)):
            score = ties.T @ self.score_obs(theta).sum(axis=0)
            step = ties @ np.linalg.solve(ties.T @ self.information(theta) @ ties, score)
            while self._height(theta + step) < self._height(theta) and np.abs(step).max() > 1e-12:
                step = 0.5 * step
            if self._height(theta + step) < self._height(theta):
                break
            theta = theta + step
        assert not options
        return LinearResults.from_fit(self, theta, cov_type=cov_type)

    def _height(self, theta):
        try:
            return self.loglike(theta)
        except (NotPositiveDefiniteError, NotStationaryError):
            return -np.inf


def series(nobs=80, k_endog=1, k_exog=0, seed=0, start="1990Q1", gaps=()):
    """Simulated outputs and inputs with a quarterly index; `gaps` are missing (row, column)."""
    rng = np.random.default_rng(seed)
    index = pd.period_range(start, periods=nobs, freq="Q", name="quarter")
    state, values = 0.0, np.empty((nobs, k_endog))
    for t in range(nobs):
        state = 0.8 * state + rng.standard_normal()
        values[t] = state + 0.7 * rng.standard_normal(k_endog) + 2.0
    inputs = rng.standard_normal((nobs, k_exog))
    values += inputs.sum(axis=1, keepdims=True)
    for row, column in gaps:
        values[row, column] = np.nan
    exog = pd.DataFrame(inputs, index=index, columns=[f"x{i}" for i in range(k_exog)])
    if k_endog == 1:
        return pd.Series(values[:, 0], index=index, name="cpi"), exog if k_exog else None
    names = ["cpi", "gdp", "inv"][:k_endog]
    return pd.DataFrame(values, index=index, columns=names), exog if k_exog else None
