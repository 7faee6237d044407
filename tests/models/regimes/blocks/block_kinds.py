"""Emission blocks to test: one of each kind, with data of three classes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import pytest

from rnnstats.models.regimes.blocks import BlockRequest, Rows, make_block

N, K = 120, 3
REGIMES = ("h1", "h2", "h3")
ALL = frozenset({"trend", "ar", "variance"})
MEANS, SPREAD, NONE = frozenset({"trend"}), frozenset({"variance"}), frozenset()


@dataclass(frozen=True)
class Kind:
    """A block to test."""

    family: str
    d: int = 1
    exog: tuple[bool, ...] = ()
    order: int = 0
    ar_form: str = "intercept"
    trend: str = "c"
    switching: frozenset = ALL

    def request(self, **changes) -> BlockRequest:
        given = BlockRequest(
            caller="Model",
            columns=tuple(range(self.d)),
            names=("y", "z", "u")[: self.d],
            family=self.family,
            k_regimes=K,
            regime_names=REGIMES,
            options={"trials": 7} if self.family == "binomial" else {},
            trend=self.trend,
            exog_names=("a", "b")[: len(self.exog)],
            exog_switching=self.exog,
            switching=self.switching,
            order=self.order,
            ar_form=self.ar_form,
            levels=("p", "q", "r", "s") if self.family == "categorical" else None,
        )
        return replace(given, **changes)


KINDS = {
    "gaussian": Kind("gaussian"),
    "gaussian common variance": Kind("gaussian", exog=(True,), switching=MEANS),
    "gaussian common constant": Kind("gaussian", exog=(True, False), switching=SPREAD),
    "gaussian no constant": Kind("gaussian", trend="n"),
    "gaussian trend": Kind("gaussian", trend="ct"),
    "gaussian ar": Kind("gaussian", order=2, exog=(False,)),
    "full": Kind("gaussian", d=3),
    "full tied": Kind("gaussian", d=2, exog=(True,), switching=MEANS),
    "full common constant": Kind("gaussian", d=2, switching=SPREAD),
    "diagonal": Kind("gaussian-diagonal", d=2, exog=(False,)),
    "spherical": Kind("gaussian-spherical", d=2, trend="ct"),
    "spherical tied": Kind("gaussian-spherical", d=2, switching=MEANS),
    "var": Kind("gaussian", d=2, order=2),
    "var common": Kind("gaussian", d=2, order=1, exog=(True,), switching=MEANS | SPREAD),
    "hamilton": Kind("gaussian", order=2, ar_form="mean", switching=MEANS),
    "hamilton all": Kind("gaussian", order=1, ar_form="mean", exog=(True, False), trend="ct"),
    "student-t": Kind("student-t"),
    "student-t ar": Kind("student-t", order=1, exog=(True,), switching=MEANS),
    "poisson": Kind("poisson"),
    "poisson common": Kind("poisson", switching=NONE),
    "poisson regression": Kind("poisson", exog=(True, False)),
    "negative-binomial": Kind("negative-binomial"),
    "negative-binomial common mean": Kind("negative-binomial", switching=SPREAD),
    "negative-binomial regression": Kind("negative-binomial", exog=(True,), switching=MEANS),
    "bernoulli": Kind("bernoulli"),
    "bernoulli regression": Kind("bernoulli", exog=(True,)),
    "binomial": Kind("binomial"),
    "binomial regression": Kind("binomial", exog=(False,)),
    "categorical": Kind("categorical"),
    "categorical common": Kind("categorical", switching=NONE),
    "categorical logit": Kind("categorical", exog=(True, False)),
    "gamma": Kind("gamma"),
    "gamma common mean": Kind("gamma", switching=SPREAD),
    "gamma regression": Kind("gamma", exog=(True,), switching=MEANS),
}  # fmt: skip
every = pytest.mark.parametrize("kind", KINDS.values(), ids=list(KINDS))
both = pytest.mark.parametrize("missing", [False, True], ids=["complete", "missing"])


def _lagged(values: np.ndarray, order: int) -> np.ndarray:
    ahead = [np.full((lag, *values.shape[1:]), np.nan) for lag in range(1, order + 1)]
    return np.stack([np.concatenate([a, values[: -len(a)]]) for a in ahead], axis=1)


def rows_of(kind: Kind, y: np.ndarray) -> Rows:
    rng = np.random.default_rng(8)
    n = len(y)
    x = rng.normal(size=(n, len(kind.exog))) if kind.exog else None
    time = np.arange(1.0, n + 1.0)
    p = kind.order
    mean_form = p and kind.ar_form == "mean"
    return Rows(
        y=y,
        x=x,
        time=time,
        lags=_lagged(y, p) if p else None,
        lag_x=_lagged(x, p) if mean_form and kind.exog else None,
        lag_time=_lagged(time, p) if mean_form else None,
    )


def responses(kind: Kind, missing: bool, n: int = N) -> tuple[np.ndarray, np.ndarray]:
    """Responses of three classes, and the classes."""
    rng = np.random.default_rng(17)
    classes = rng.integers(K, size=n)
    y = {
        "gaussian": lambda: rng.normal(size=(n, kind.d)) * 0.8 + 2.0 * classes[:, None],
        "student-t": lambda: rng.standard_t(4, size=(n, 1)) + 2.0 * classes[:, None],
        "poisson": lambda: rng.poisson(2.0 + 3.0 * classes)[:, None],
        "negative-binomial": lambda: rng.poisson((2 + 3 * classes) * rng.gamma(2, 0.5, n))[:, None],
        "bernoulli": lambda: rng.binomial(1, 0.2 + 0.3 * classes)[:, None],
        "binomial": lambda: rng.binomial(7, 0.2 + 0.3 * classes)[:, None],
        "categorical": lambda: (rng.integers(4, size=n) * (classes > 0))[:, None],
        "gamma": lambda: rng.gamma(2.0, 1.0 + classes)[:, None],
    }[kind.family.split("-d")[0].split("-s")[0] if "gaussian" in kind.family else kind.family]()
    y = np.asarray(y, dtype=np.float64)
    if kind.family == "categorical":
        y[:4, 0] = np.arange(4)
    if missing:
        y[rng.random(y.shape) < 0.12] = np.nan
    return y, classes


def bound_of(kind: Kind, missing: bool):
    """A block with data, a part away from any maximum, and weights of its states."""
    block, bound, part, weights = _bound_of(kind, missing)
    return block, bound, part.copy(), weights.copy()


@cache
def _bound_of(kind: Kind, missing: bool):
    y, classes = responses(kind, missing)
    block = make_block(kind.request())
    block.check(y)
    bound = block.bind(rows_of(kind, y))
    soft = 0.6 * np.eye(K)[classes] + 0.4 / K
    rng = np.random.default_rng(4)
    part = bound.starts(soft)
    if kind.family == "categorical" and not kind.exog:
        part = 0.9 * part + 0.02
    else:
        part = part * (1.0 + 0.05 * rng.uniform(-1, 1, len(part)))
    weights = rng.dirichlet(np.full(bound.log_density(part).shape[1], 0.4), N)
    return block, bound, part, weights
