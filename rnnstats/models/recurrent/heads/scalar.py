"""Outputs of a family of one response each, independent given the past."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.base import ScalarFamily
from rnnstats.families.binomial import Binomial
from rnnstats.models.recurrent.heads.base import BoundHead, Head, HeadLaw, IntArray, MeanMap
from rnnstats.models.recurrent.heads.dispersion import dispersion_information
from rnnstats.models.recurrent.heads.quantiles import quantile
from rnnstats.parameters.transforms import Block

__all__ = ["ScalarHead", "ScalarLaw"]

FloatArray = NDArray[np.float64]
_MEANS: dict[str, MeanMap] = {"identity": "identity", "log": "exp", "logit": "logistic"}
# Degrees of freedom from which Student's t is normal for all that data can say; dispersions and
# scales that are none.
_NORMAL_DF = 1e4
_NONE = 1e-8
_MANY_SHAPE = 1e8
# Logarithm of the largest mean at which counts are drawn one by one (their relative standard
# deviation is 1e-6 there); beyond, a path has run away, and draws are multiples of these.
_LARGEST_LOG_COUNT = 12.0 * np.log(10.0)
# Rounds of maximisation over further parameters that are found in turns.
_ROUNDS, _ROUND_TOL = 200, 1e-9


class ScalarHead(Head):
    """Each output from a family of its own parameters, on the family's link.

    Parameters
    ----------
    family : ScalarFamily
    outputs : tuple of str
    """

    def __init__(self, family: ScalarFamily, outputs: tuple[str, ...]) -> None:
        self.family = family
        self.name = family.name
        self.outputs = self.eta_names = self.lag_names = outputs
        self.discrete = family.discrete
        self.feedback: MeanMap = _MEANS[family.link]
        self.lag_unit = float(family.trials) if isinstance(family, Binomial) else 1.0
        self.scaled = family.link == "identity"
        pairs = [(extra, name) for extra in family.extras for name in outputs]
        self.names = tuple(f"{extra}[{name}]" for extra, name in pairs)
        self.groups = tuple(extra for extra, _ in pairs)
        places = tuple(range(len(pairs)))
        self.transforms = (Block("positive", places),) if places else ()

    def check(self, y: FloatArray, caller: str) -> None:
        for name, column in zip(self.outputs, y.T, strict=True):
            self.family.check(column, column=name, caller=caller)

    def bind(self, y: FloatArray) -> BoundHead:
        return _BoundScalar(self, y)

    def law(self, eta: FloatArray, extra: FloatArray) -> ScalarLaw:
        return ScalarLaw(self.family, eta, self.by_output(extra))

    def by_output(self, extra: FloatArray) -> FloatArray:
        """
        Own parameters by kind and output.

        Parameters
        ----------
        extra : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (q / d, d)
        """
        return extra.reshape(len(self.family.extras), len(self.outputs))

    def extra_scale(self, scale: FloatArray) -> FloatArray:
        parts = [
            scale**2 if extra in ("scale2", "variance") else np.ones(len(scale))
            for extra in self.family.extras
        ]
        return np.concatenate(parts) if parts else np.empty(0)

    def admissible(self, extra: FloatArray) -> bool:
        if self.name == "negative-binomial":
            return bool((extra >= 0.0).all())
        return bool((extra > 0.0).all())

    def boundary(self, extra: FloatArray, scale: FloatArray) -> tuple[str, ...]:
        words: list[str] = []
        relative = extra / self.extra_scale(scale)
        for name, group, value in zip(self.names, self.groups, relative.tolist(), strict=True):
            if group == "df" and value > _NORMAL_DF:
                words.append(f"{name} is as good as infinite: the law is normal")
            elif group == "scale2" and value < _NONE:
                words.append(f"{name} is zero: the network reproduces outputs exactly")
            elif group == "dispersion" and value < _NONE:
                words.append(f"{name} is zero: the law is Poisson's")
            elif group == "shape" and value > _MANY_SHAPE:
                words.append(f"{name} is as good as infinite: the outputs have no error")
        return tuple(words)

    def working(self, y: FloatArray) -> FloatArray:
        out = np.full(y.shape, np.nan)
        for j in range(y.shape[1]):
            seen = ~np.isnan(y[:, j])
            out[seen, j] = self.family.working(y[seen, j])
        return out


class ScalarLaw(HeadLaw):
    """Outputs of one family, independent given the past.

    Parameters
    ----------
    family : ScalarFamily
    eta : ndarray, shape (n, d)
    extra : ndarray, shape (m, d)
    """

    def __init__(self, family: ScalarFamily, eta: FloatArray, extra: FloatArray) -> None:
        self.family = family
        self.n, self.d = eta.shape
        self.discrete = family.discrete
        self._eta, self._extra = eta, extra

    @property
    def mean(self) -> FloatArray:
        return self.family.mean(self._eta, self._extra)

    @property
    def cov(self) -> FloatArray:
        full = np.zeros((self.n, self.d, self.d))
        places = np.arange(self.d)
        full[:, places, places] = self.family.variance(self._eta, self._extra)
        return full

    def rows(self, index: IntArray) -> ScalarLaw:
        return ScalarLaw(self.family, self._eta[index], self._extra)

    def log_density(self, y: FloatArray) -> FloatArray:
        columns = [self.family.log_density(y[:, j], *self._column(j))[:, 0] for j in range(self.d)]
        out: FloatArray = np.sum(columns, axis=0)
        return out

    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        return self.family.cdf(values, *self._column(column))[:, 0]

    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        return self.family.cdf_below(values, *self._column(column))[:, 0]

    def quantile(self, p: FloatArray | float, column: int = 0) -> FloatArray:
        return quantile(self.family, np.asarray(p), *self._column(column))

    def sample(self, rng: np.random.Generator) -> FloatArray:
        return np.stack([self._draw(j, rng) for j in range(self.d)], axis=1)

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        upper = self._every(self.cdf, y)
        return (self._every(self.cdf_below, y) if self.discrete else upper), upper

    def _draw(self, j: int, rng: np.random.Generator) -> FloatArray:
        """Draws of one output; counts beyond what is drawn as whole numbers scale with the mean."""
        eta = self._eta[:, j]
        known = ~np.isnan(eta)
        line = eta[known]
        drawn = np.minimum(line, _LARGEST_LOG_COUNT) if self.family.link == "log" else line
        extra = np.repeat(self._extra[:, j : j + 1], len(line), axis=1)
        out = np.full(self.n, np.nan)
        out[known] = self.family.sample(drawn, extra, rng)
        if drawn is not line:
            with np.errstate(over="ignore"):
                out[known] *= np.exp(line - drawn)
        return out

    def _every(
        self, function: Callable[[FloatArray, int], FloatArray], y: FloatArray
    ) -> FloatArray:
        return np.stack([function(y[:, j], j) for j in range(self.d)], axis=1)

    def _column(self, j: int) -> tuple[FloatArray, FloatArray]:
        return self._eta[:, j : j + 1], self._extra[:, j : j + 1]


class _BoundScalar(BoundHead):
    """One pass of the family an output."""

    def __init__(self, head: ScalarHead, y: FloatArray) -> None:
        self.head, self.family = head, head.family
        self.columns = [np.ascontiguousarray(column) for column in y.T]
        self.ones = np.ones((len(y), 1))

    def value(self, eta: FloatArray, extra: FloatArray) -> float:
        wide = self.head.by_output(extra)
        return sum(
            float(self.family.log_density(y, eta[:, j : j + 1], wide[:, j : j + 1]).sum())
            for j, y in enumerate(self.columns)
        )

    def pull(self, eta: FloatArray, extra: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        wide = self.head.by_output(extra)
        total, by_eta, by_extra = 0.0, np.empty(eta.shape), np.empty(wide.shape)
        for j, y in enumerate(self.columns):
            given = eta[:, j : j + 1], wide[:, j : j + 1]
            total += float(self.family.log_density(y, *given).sum())
            slope, own = self.family.pull(y, *given, self.ones)
            by_eta[:, j], by_extra[:, j] = slope[:, 0], own[:, 0]
        return total, by_eta, by_extra.ravel()

    def log_density(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        wide = self.head.by_output(extra)
        out: FloatArray = np.sum(
            [
                self.family.log_density(y, eta[:, j : j + 1], wide[:, j : j + 1])[:, 0]
                for j, y in enumerate(self.columns)
            ],
            axis=0,
        )
        return out

    def slopes(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        wide = self.head.by_output(extra)
        by_eta, by_extra = np.empty(eta.shape), np.empty((len(eta), *wide.shape))
        for j, y in enumerate(self.columns):
            slope, own = self.family.slopes(y, eta[:, j : j + 1], wide[:, j : j + 1])
            by_eta[:, j], by_extra[:, :, j] = slope[:, 0], own[:, :, 0].T
        return by_eta, by_extra.reshape(len(eta), -1)

    def information(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        wide, d = self.head.by_output(extra), len(self.columns)
        m = len(wide)
        curvature = np.zeros((len(eta), d, d))
        own = np.zeros((m, d, m, d))
        for j, y in enumerate(self.columns):
            given = eta[:, j : j + 1], wide[:, j : j + 1]
            curvature[:, j, j] = self.family.weight(y, *given)[:, 0]
            own[:, j, :, j] = self._on_extra(y, *given)
        return curvature, own.reshape(m * d, m * d)

    def _on_extra(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Information on the further parameters of one output, in sum, (m, m)."""
        if self.family.name == "negative-binomial":
            each = dispersion_information(eta[~np.isnan(y), 0], float(extra[0, 0]))
            return np.array([[float(each.sum())]])
        out: FloatArray = self.family.information(y, eta, extra)[..., 0].sum(axis=2)
        return out

    def start_extra(self, eta: FloatArray) -> FloatArray:
        found = np.empty((len(self.family.extras), len(self.columns)))
        for j, y in enumerate(self.columns):
            seen = ~np.isnan(y)
            line, ones = eta[seen, j : j + 1], self.ones[seen]
            rough = y[seen] - line[:, 0] if self.head.scaled else y[seen]
            fresh = self.family.start_extra(rough)[:, None]
            for _ in range(_ROUNDS if len(fresh) > 1 else 1):
                before = fresh
                fresh = self.family.fit_extra(y[seen], line, ones, before, common=False)
                if bool((np.abs(fresh - before) <= _ROUND_TOL * np.abs(fresh)).all()):
                    break
            found[:, j] = self.family.inside(fresh)[:, 0]
        return found.ravel()
