"""One categorical output: logits against the last category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from rnnstats.families.categorical import check_codes, draw, log_probabilities
from rnnstats.models.recurrent.heads.base import BoundHead, Head, HeadLaw, IntArray, MeanMap

__all__ = ["CategoricalHead", "CategoricalLaw"]

FloatArray = NDArray[np.float64]


class CategoricalHead(Head):
    """``P(y = a) = exp(eta_a) / (1 + sum_b exp(eta_b))``, with ``eta = 0`` for the last category.

    Parameters
    ----------
    output : str
    levels : tuple of str
        At least two categories, in order.
    """

    name = "categorical"
    discrete = True
    feedback: MeanMap = "softmax"

    def __init__(self, output: str, levels: tuple[str, ...]) -> None:
        self.outputs = (output,)
        self.levels = levels
        self.eta_names = self.lag_names = tuple(f"{output}={level}" for level in levels[:-1])

    def check(self, y: FloatArray, caller: str) -> None:
        check_codes(y[:, 0], len(self.eta_names) + 1, column=self.outputs[0], caller=caller)

    def bind(self, y: FloatArray) -> BoundHead:
        return _BoundCategorical(self, y)

    def law(self, eta: FloatArray, extra: FloatArray) -> CategoricalLaw:
        names = self.levels if self.levels is not None else ()
        return CategoricalLaw(np.exp(log_probabilities(eta)), names)

    def extra_scale(self, scale: FloatArray) -> FloatArray:
        return np.empty(0)

    def admissible(self, extra: FloatArray) -> bool:
        return True

    def working(self, y: FloatArray) -> FloatArray:
        k = len(self.eta_names) + 1
        counts = np.zeros((len(y), k))
        seen = ~np.isnan(y[:, 0])
        counts[seen, y[seen, 0].astype(np.intp)] = 1.0
        share = (counts + 0.5) / (1.0 + 0.5 * k)
        out = np.log(share[:, :-1]) - np.log(share[:, -1:])
        out[~seen] = np.nan
        return out

    def lag_values(self, y: FloatArray) -> FloatArray:
        codes = np.arange(len(self.eta_names), dtype=np.float64)
        return np.where(np.isnan(y), np.nan, (y == codes).astype(np.float64))


class CategoricalLaw(HeadLaw):
    """A categorical output; values are codes 0, 1, ...

    Parameters
    ----------
    probabilities : ndarray, shape (n, L)
    levels : tuple of str, length L

    Attributes
    ----------
    probabilities : ndarray, shape (n, L)
    """

    discrete = True

    def __init__(self, probabilities: FloatArray, levels: tuple[str, ...]) -> None:
        self.n, self.d = len(probabilities), 1
        self.probabilities, self.levels = probabilities, levels

    @property
    def mean(self) -> FloatArray:
        return np.full((self.n, 1), np.nan)

    @property
    def cov(self) -> FloatArray:
        return np.full((self.n, 1, 1), np.nan)

    def rows(self, index: IntArray) -> CategoricalLaw:
        return CategoricalLaw(self.probabilities[index], self.levels or ())

    def log_density(self, y: FloatArray) -> FloatArray:
        missing = np.isnan(y[:, 0])
        codes = np.where(missing, 0.0, y[:, 0]).astype(np.intp)
        with np.errstate(divide="ignore"):
            out: FloatArray = np.log(self.probabilities[np.arange(len(codes)), codes])
        out[missing] = 0.0
        return out

    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        values = np.asarray(values, dtype=np.float64)
        last = self.probabilities.shape[1] - 1
        reached = np.arange(last + 1) <= values[:, None]
        out = (self.probabilities * reached).sum(axis=1)
        out = np.where(values >= last, 1.0, out)
        return np.where(np.isnan(values), np.nan, out)

    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        return self.cdf(np.ceil(values) - 1.0)

    def quantile(self, p: FloatArray | float, column: int = 0) -> FloatArray:
        ends = np.cumsum(self.probabilities, axis=1)[:, :-1]
        short = ends < np.broadcast_to(np.asarray(p), (self.n,))[:, None]
        codes: FloatArray = short.sum(axis=1).astype(np.float64)
        return codes

    def sample(self, rng: np.random.Generator) -> FloatArray:
        return draw(self.probabilities, rng)[:, None]

    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self.cdf_below(y[:, 0])[:, None], self.cdf(y[:, 0])[:, None]


class _BoundCategorical(BoundHead):
    """Codes of the output; a missing one counts in no category."""

    def __init__(self, head: CategoricalHead, y: FloatArray) -> None:
        self.k = len(head.eta_names)
        self.seen = ~np.isnan(y[:, 0])
        self.codes = np.where(self.seen, y[:, 0], 0.0).astype(np.intp)
        self.rows = np.arange(len(y))
        marks = np.zeros((len(y), self.k + 1))
        marks[self.rows, self.codes] = self.seen
        self.marks = marks[:, :-1]

    def value(self, eta: FloatArray, extra: FloatArray) -> float:
        return float(self.log_density(eta, extra).sum())

    def pull(self, eta: FloatArray, extra: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        logs = log_probabilities(eta)
        value = float(np.where(self.seen, logs[self.rows, self.codes], 0.0).sum())
        return value, self._slope(logs), np.empty(0)

    def log_density(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        return np.where(self.seen, log_probabilities(eta)[self.rows, self.codes], 0.0)

    def slopes(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        return self._slope(log_probabilities(eta)), np.empty((len(eta), 0))

    def information(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        p = np.exp(log_probabilities(eta))[:, :-1] * self.seen[:, None]
        curvature = -p[:, :, None] * p[:, None, :]
        places = np.arange(self.k)
        curvature[:, places, places] += p
        return curvature, np.empty((0, 0))

    def start_extra(self, eta: FloatArray) -> FloatArray:
        return np.empty(0)

    def _slope(self, logs: FloatArray) -> FloatArray:
        out: FloatArray = self.marks - np.exp(logs[:, :-1]) * self.seen[:, None]
        return out
