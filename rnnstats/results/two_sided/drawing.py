"""Draws of targets given inputs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.estimation.drawing import Sampled
from rnnstats.results.forecasting.simulation import label_paths
from rnnstats.results.protocol import FloatArray

__all__ = ["TargetSampler", "label_draws"]


class TargetSampler:
    """Draws targets given the inputs of the data, with the gaps of the data.

    Parameters
    ----------
    model : RecurrentModel
    theta : ndarray of shape (K,)
        Parameters to draw with.

    Attributes
    ----------
    first : int
        0: no row is conditioned on.
    """

    first = 0

    def __init__(self, model: Any, theta: FloatArray) -> None:
        self.model, self.theta = model, theta

    @cached_property
    def _law(self) -> Any:
        return self.model.system(self.theta).law

    def _drawn(self, rng: np.random.Generator, pool: FloatArray | None) -> FloatArray:
        law, gaps = self._law, np.isnan(self.model.endog.values)
        if pool is None:
            values = np.array(law.sample(rng), dtype=np.float64)
        else:
            errors = pool[rng.integers(len(pool), size=len(gaps))]
            factors = np.linalg.cholesky(np.asarray(law.cov))
            values = np.asarray(law.mean) + np.matmul(factors, errors[:, :, None])[:, :, 0]
        values[gaps] = np.nan
        return values

    def one(self, rng: np.random.Generator) -> FloatArray:
        """Draw one sample.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray of shape (nobs, k_endog)
        """
        return self._drawn(rng, None)

    def block(
        self,
        seeds: Sequence[np.random.SeedSequence],
        size: int,
        pool: FloatArray | None,
        ahead: bool,
    ) -> Sampled:
        """Draw the samples of a block.

        Parameters
        ----------
        seeds : sequence of numpy.random.SeedSequence
            One a sample.
        size : int
            Not needed: each sample has its own numbers.
        pool : ndarray of shape (rows, k_endog), or None
            Standardised errors to draw rows from with replacement.
        ahead : bool
            Not needed: no rows past the sample are drawn.

        Returns
        -------
        Sampled
            Without rows past the sample.
        """
        samples = np.stack([self._drawn(np.random.default_rng(seed), pool) for seed in seeds])
        none = np.zeros((len(samples), 0, samples.shape[2]))
        return Sampled(samples, none, none)


def label_draws(
    model: Any, paths: FloatArray, index: pd.Index, single: bool
) -> pd.Series | pd.DataFrame:
    """Label draws, categories as those of the data.

    Parameters
    ----------
    model : BidirectionalRNN
    paths : ndarray of shape (number, rows, k_endog)
    index : Index
        Of the rows.
    single : bool
        One path, with the outputs as columns.

    Returns
    -------
    Series or DataFrame
    """
    endog, known = model.endog, model.levels
    if not known:
        return label_paths(endog, paths, index, single)
    name = endog.names[0]
    levels = pd.Index(list(known[name]))
    words = [
        pd.Categorical.from_codes(one[:, 0].astype(np.intp), categories=levels) for one in paths
    ]
    if single:
        named = pd.Series(words[0], index=index, name=name)
        return named if endog.is_series else named.to_frame()
    pairs = [(name, path) for path in range(len(words))]
    columns = pd.MultiIndex.from_tuples(pairs, names=["output", "path"])
    return pd.DataFrame(dict(zip(pairs, words, strict=True)), index=index, columns=columns)
