"""A Markov-switching model at given parameters: chain, densities, responses."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.equivalence.readouts import Readout
from rnnstats.models.regimes.blocks import Block, Response
from rnnstats.models.regimes.law.composite import Composite
from rnnstats.models.regimes.readouts import readouts
from rnnstats.models.regimes.sample import Sample

__all__ = ["MarkovSystem"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class MarkovSystem:
    """The law of regimes and outputs.

    Attributes
    ----------
    k_regimes : int
        K.
    transition : ndarray, shape (K, K) or (nobs + steps, K, K)
        ``[i, j]``: probability of a step from i to j; the matrix of row t governs the step into it.
    start : ndarray, shape (sequences, K)
        Law of the regime in each sequence's first row.
    offsets : ndarray of int, shape (sequences + 1,)
        First row of each sequence, and nobs.
    log_density : ndarray, shape (nobs + steps, S)
        Of each row in each state; zero in future rows and in rows conditioned on. S = K, or
        K^(order + 1) in mean form.
    composite : Composite or None
        Chain of composite states (mean form only).
    rows : ndarray of int, shape (n_chain,)
        Data row of each chain row.
    blocks : tuple of Block
    parts : tuple of ndarray
        Parameters of each block.
    sample : Sample
        Data, with the regressors of future rows.
    """

    k_regimes: int
    transition: FloatArray
    start: FloatArray
    offsets: IntArray
    log_density: FloatArray
    composite: Composite | None
    rows: IntArray
    blocks: tuple[Block, ...]
    parts: tuple[FloatArray, ...]
    sample: Sample

    @property
    def order(self) -> int:
        """Number of lags of the outputs."""
        return self.sample.order

    @property
    def lags(self) -> int:
        """Number of lagged regimes in the state of the chain, for ``kernels.markov``."""
        return 0 if self.composite is None else self.order

    @property
    def chain(self) -> tuple[FloatArray, FloatArray, FloatArray, IntArray]:
        """Log densities, transition, start and offsets of the chain of the sample's rows.

        Arguments of the functions of ``kernels.markov``, together with ``lags``.
        """
        nobs = int(self.offsets[-1])
        if self.composite is not None:
            made = self.composite
            return self.log_density[self.rows], made.transition, made.start, made.offsets
        moves = self.transition if self.transition.ndim == 2 else self.transition[:nobs]
        return self.log_density[:nobs], moves, self.start, self.offsets

    @property
    def responses(self) -> tuple[Response, ...]:
        """Laws of the outputs given the state, one a block.

        Rows of the sample given their actual lags; without lags also the future rows.
        """
        if self.order:
            rows = [self.sample.rows(block) for block in self.blocks]
        else:
            every = np.arange(len(self.log_density))
            rows = [self.sample.at(block, every, None) for block in self.blocks]
        packed = zip(self.blocks, self.parts, rows, strict=True)
        return tuple(block.response_at(part, some) for block, part, some in packed)

    @property
    def readouts(self) -> tuple[Readout, ...]:
        """Weights of the outputs given the state, one readout a block."""
        return readouts(self.blocks, self.parts)

    def responses_at(self, rows: IntArray, lags: FloatArray | None = None) -> tuple[Response, ...]:
        """Laws of the outputs at some rows given lags, one a block.

        Parameters
        ----------
        rows : ndarray of int, shape (m,)
            From 0 to nobs + steps - 1, repeats allowed.
        lags : ndarray, shape (m, order, k_endog), optional
            ``lags[:, 0]`` is the row before; needed where the model has lags.

        Returns
        -------
        tuple of Response
        """
        where = np.asarray(rows, dtype=np.intp)
        return tuple(
            block.response_at(part, self.sample.at(block, where, lags))
            for block, part in zip(self.blocks, self.parts, strict=True)
        )
