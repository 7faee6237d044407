"""statsmodels' SARIMAX, VARMAX and UnobservedComponents at their best setting.

Best: of the filters that give the same log-likelihood (conventional, univariate treatment,
Chandrasekhar recursions), the one that is fastest on the case; memory conserved (only the
log-likelihood is kept); convergence to steady state with the default tolerance. Score: the fastest
of the built-in methods that is right to 1e-5.
"""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.cases import Case, FloatArray
from benchmarks.timing import seconds, take_turns

FILTERS = {
    "conventional": {},
    "univariate": {"filter_univariate": True},
    "Chandrasekhar": {"filter_chandrasekhar": True},
}
SCORES: dict[str, dict[str, Any]] = {
    "complex step": {"approx_complex_step": True},
    "forward differences": {"approx_complex_step": False},
    "central differences": {"approx_complex_step": False, "approx_centered": True},
}
TOLERANCE = 1e-8
SCORE_TOLERANCE = 1e-5


class Statsmodels:
    """One case in statsmodels.

    Parameters
    ----------
    case : Case
    llf : float
        Our log-likelihood; every setting must agree with it.
    filters : tuple of str
        Settings to choose from.

    Attributes
    ----------
    setting : str
    difference : float
        Relative difference of the log-likelihoods.
    """

    def __init__(self, case: Case, llf: float, filters: tuple[str, ...] = tuple(FILTERS)) -> None:
        self.case = case
        self.params = parameters(case)
        self.kind = case.kind
        right: dict[str, Any] = {}
        for name in filters:
            model = self._model(**FILTERS[name])
            try:
                value = float(model.loglike(self.params))
            except (ValueError, RuntimeError, NotImplementedError, np.linalg.LinAlgError):
                continue  # the setting is not for this model
            if abs(value - llf) <= TOLERANCE * abs(llf):
                right[name] = model
        if not right:
            raise AssertionError(f"{case.name}: statsmodels does not give our log-likelihood {llf}")
        self.setting = next(iter(right))
        if len(right) > 1:
            calls = {name: _caller(model.loglike, self.params) for name, model in right.items()}
            took = take_turns(calls, rounds=5, budget=1.0)
            self.setting = min(took, key=lambda name: took[name])
        self.model = right[self.setting]
        self.difference = abs(float(self.model.loglike(self.params)) / llf - 1.0)

    def _model(self, **filter_setting: bool) -> Any:
        import statsmodels.api as sm

        classes = {
            "SARIMAX": sm.tsa.SARIMAX,
            "VARMAX": sm.tsa.VARMAX,
            "UnobservedComponents": sm.tsa.UnobservedComponents,
        }
        y = self.case.y[:, 0] if self.case.y.shape[1] == 1 else self.case.y
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # VARMAX warns that VARMA models are hard to estimate
            model = classes[self.kind](y, **self.case.spec)
        for name, value in filter_setting.items():
            setattr(model.ssm, name, value)
        return model

    def loglike(self) -> float:
        """Log-likelihood through the model."""
        return float(self.model.loglike(self.params))

    def kernel(self) -> float:
        """Log-likelihood of the state space alone, parameters in place."""
        return float(self.model.ssm.loglike())

    def best_score(self, exact: FloatArray) -> tuple[str, Callable[[], object]]:
        """Fastest right score: its name, and the call for log-likelihood and score.

        Parameters
        ----------
        exact : ndarray, shape (K,)
            Our score, in the parameters of the other model.
        """
        best, shortest = "", math.inf
        for name, how in SCORES.items():
            call = _both(self.model, self.params, how)
            began = time.process_time()
            value = np.asarray(call()[1])
            took = time.process_time() - began
            if np.max(np.abs(value - exact)) > SCORE_TOLERANCE * np.max(np.abs(exact)):
                continue
            if took < 0.1:
                took = min(seconds(call) for _ in range(5))
            if took < shortest:
                best, shortest = name, took
        if not best:
            raise AssertionError(f"{self.case.name}: statsmodels does not give our score")
        return best, _both(self.model, self.params, SCORES[best])


def _caller(function: Callable[[FloatArray], object], params: FloatArray) -> Callable[[], object]:
    return lambda: function(params)


def _both(model: Any, params: FloatArray, how: dict[str, Any]) -> Callable[[], Any]:
    return lambda: (model.loglike(params), model.score(params, **how))


def parameters(case: Case) -> FloatArray:
    """Parameters of the statsmodels model, in its order."""
    v = case.values
    if case.kind == "UnobservedComponents":
        return v["variances"]
    if case.kind == "SARIMAX":
        return np.concatenate([v["ar"], v["ma"], v["cov"].ravel()])
    p = len(v["cov"])
    parts = [np.hstack(list(v["ar"])).ravel()]
    if "ma" in v:
        parts.append(np.hstack(list(v["ma"])).ravel())
    parts.append(np.linalg.cholesky(v["cov"])[np.tril_indices(p)])
    return np.concatenate(parts)


def to_ours(case: Case, theirs: FloatArray) -> FloatArray:
    """Natural parameters of our model from those of statsmodels (ARMA(1..2), VAR, VARMA(1,1))."""
    v = case.values
    p = len(v["cov"])
    if case.kind == "SARIMAX":
        k = len(v["ar"])
        phi, ma = theirs[:k], np.append(theirs[k:-1], 0.0)
        psi = np.zeros(k)
        for j in range(k):
            psi[j] = ma[j] + phi[j] + sum(phi[i] * psi[j - 1 - i] for i in range(j))
        return np.concatenate([phi[::-1], psi, theirs[-1:]])
    wide = len(v["ar"]) * p
    ar = theirs[: p * wide].reshape(p, wide)
    factor: FloatArray = np.zeros((p, p))
    factor[np.tril_indices(p)] = theirs[-(p * (p + 1) // 2) :]
    cov = (factor @ factor.T)[np.tril_indices(p)]
    if "ma" not in v:
        return np.concatenate([ar.ravel(), cov])
    gain = ar + theirs[p * p : 2 * p * p].reshape(p, p)
    return np.concatenate([ar.ravel(), gain.ravel(), cov])


def score_in_theirs(case: Case, theirs: FloatArray, score: FloatArray) -> FloatArray:
    """Our score by the chain rule in statsmodels' parameters; the map's slopes by differences."""
    out = np.empty(len(theirs))
    for j in range(len(theirs)):
        step = np.zeros(len(theirs))
        step[j] = 1e-5
        out[j] = score @ (to_ours(case, theirs + step) - to_ours(case, theirs - step)) / 2e-5
    return out
