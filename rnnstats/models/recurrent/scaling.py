"""Standardised coordinates of a network's parameters: an exact affine map, there and back.

Inside, inputs have mean zero and standard deviation one, and so have outputs whose readout is in
their own units. With ``u = m + s u'`` the weights of the first layer become ``W' = W s`` and its
constants ``b' = b + W m``; with ``eta = m_y + s_y eta'`` the readout becomes ``V' = V / s_y``, the
skip connection ``S' = S s / s_y`` and the constant ``(b_y + S m - m_y) / s_y``. The log-likelihood
of standardised outputs differs from that of the outputs by ``-sum log s_y`` over what is observed.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from rnnstats.kernels.chain_rule import ChainRule
from rnnstats.kernels.networks import Network

__all__ = ["Chart", "Scales", "moments"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
# A column whose deviations are below this share of its size is constant.
_CONSTANT = 1e-12


@dataclass(frozen=True, eq=False)
class Scales:
    """Location and unit of inputs and readout.

    Attributes
    ----------
    input_mean, input_scale : ndarray, shape (k_in,)
    eta_mean, eta_scale : ndarray, shape (k_eta,)
        0 and 1 where the readout is not in the units of the outputs.
    extra : ndarray, shape (q,)
        The head's own parameters per standardised one.
    """

    input_mean: FloatArray
    input_scale: FloatArray
    eta_mean: FloatArray
    eta_scale: FloatArray
    extra: FloatArray


def moments(values: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means and standard deviations of columns.

    Parameters
    ----------
    values : ndarray, shape (n, k)
        NaN is missing; at least one value a column.

    Returns
    -------
    mean : ndarray, shape (k,)
    scale : ndarray, shape (k,)
        1 for a column that does not vary.
    """
    mean, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    for j, column in enumerate(values.T):
        seen = column[~np.isnan(column)]
        mean[j] = seen.mean()
        spread = float(np.sqrt(np.mean((seen - mean[j]) ** 2)))
        if spread > _CONSTANT * float(np.abs(seen).max()):
            scale[j] = spread
    return mean, scale


class Chart:
    """Natural parameters ``theta`` (K,) and standardised ones ``phi`` (K,).

    ``phi`` holds the kernels' weights, then the head's own parameters, then an estimated start;
    ``theta`` is in the order of the names.

    Parameters
    ----------
    arch : Architecture or TwoSided
    place : ndarray of int, shape (K,)
        Place of each natural parameter in ``phi``.
    scales : Scales

    Attributes
    ----------
    weights, extra, initial : slice
        Parts of ``phi``.
    scales : Scales
    """

    def __init__(self, arch: Network, place: IntArray, scales: Scales) -> None:
        self.arch, self.place, self.scales = arch, place, scales
        size, q, k = arch.size, len(scales.extra), len(place)
        self.weights, self.extra = slice(0, size), slice(size, size + q)
        self.initial = slice(size + q, k)
        self._take = np.argsort(place)
        self._ratio = scales.input_mean / scales.input_scale
        self._firsts = [
            (layer.matrix, layer.shape, slice(layer.units, layer.units + layer.k_in), columns)
            for index, layer in enumerate(arch.layers)
            if (columns := arch.reads(index)) is not None
        ]
        self._mult = self._multipliers(k)
        self._skip, self._constant = arch.direct, arch.constant
        self._offset = scales.eta_mean / scales.eta_scale
        self._moved = bool(self._ratio.any())  # False too without inputs
        self._located = bool(self._offset.any())

    @property
    def log_scale(self) -> FloatArray:
        """Logarithm of the unit of each readout, shape (k_eta,): per observation of that output."""
        return np.log(self.scales.eta_scale)

    @cached_property
    def penalised(self) -> NDArray[np.bool_]:
        """Which of ``phi`` a ridge penalty shrinks, shape (K,).

        All but the constants of the readout and the head's own parameters. With constants of the
        cells left out, gates could still be driven open or shut for ever, and there would be no
        maximum.
        """
        mask = np.ones(len(self.place), dtype=bool)
        mask[self.extra] = False
        mask[self._constant] = False
        return mask

    def to_standard(self, theta: FloatArray) -> FloatArray:
        """
        Standardised parameters of natural ones.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
        """
        phi: FloatArray = theta[self._take]
        phi *= self._mult
        self._shift(phi, 1.0)
        if self._located:
            phi[self._constant] -= self._offset
        return phi

    def to_natural(self, phi: FloatArray) -> FloatArray:
        """
        Natural parameters of standardised ones.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
        """
        out = phi.copy()
        if self._located:
            out[self._constant] += self._offset
        self._shift(out, -1.0)
        out /= self._mult
        natural: FloatArray = out[self.place]
        return natural

    @cached_property
    def rule(self) -> ChainRule:
        """From derivatives by ``phi`` to those by ``theta``.

        An input's weight moves the constant beside it too, by the input's mean.
        """
        index, constant, mean = self._shared
        return ChainRule(
            self.place.astype(np.int64),
            self._mult[self.place],
            self._take[index].astype(np.int64),
            constant.astype(np.int64),
            self._mult[index] * mean,
        )

    @cached_property
    def kernel_rule(self) -> ChainRule:
        """As `rule`, from derivatives by the kernels' weights and starting state, (P + s).

        Zero for the head's own parameters (`pull_extra`).
        """
        rule, q = self.rule, self.extra.stop - self.extra.start
        own = (rule.source >= self.extra.start) & (rule.source < self.extra.stop)
        source = np.where(rule.source >= self.extra.stop, rule.source - q, rule.source)
        return replace(
            rule, source=np.where(own, 0, source), factor=np.where(own, 0.0, rule.factor)
        )

    def pull(self, gradient: FloatArray) -> FloatArray:
        """
        Derivatives by ``theta`` from those by ``phi``.

        Parameters
        ----------
        gradient : ndarray, shape (..., K)

        Returns
        -------
        ndarray, shape (..., K)
        """
        return self.rule(gradient)

    @property
    def extra_places(self) -> IntArray:
        """Places of the head's own parameters in ``theta``, shape (q,)."""
        return self._take[self.extra]

    def pull_extra(self, gradient: FloatArray) -> FloatArray:
        """Derivatives by the head's own parameters, (..., q), from those by standardised ones."""
        out: FloatArray = gradient * self._mult[self.extra]
        return out

    def jacobian(self) -> sparse.csr_array:
        """
        Derivatives of ``theta`` by ``phi``.

        Returns
        -------
        csr_array, shape (K, K)
        """
        k = len(self.place)
        index, constant, mean = self._shared
        own = np.arange(k)
        places = np.concatenate([own, constant]), np.concatenate([own, index])
        shape_k = (k, k)
        linear = sparse.csr_array((np.concatenate([np.ones(k), -mean]), places), shape=shape_k)
        scaled = sparse.diags_array(1.0 / self._mult) @ linear
        return sparse.csr_array(scaled.tocsr()[self.place])

    @cached_property
    def _shared(self) -> tuple[IntArray, IntArray, FloatArray]:
        """Weights of inputs, the constants beside them, and means of the inputs, in their units."""
        weights, constants = [np.empty(0, dtype=np.intp)], [np.empty(0, dtype=np.intp)]
        means = [np.empty(0)]
        groups = []
        for block, shape, inputs, columns in self._firsts:
            index = np.arange(block.start, block.stop).reshape(shape)
            groups.append((index[:, inputs], index[:, -1], self._ratio[columns]))
        if self.arch.skip:
            index = np.arange(self._skip.start, self._skip.stop).reshape(-1, len(self._ratio))
            groups.append((index, np.arange(len(index)) + self._constant.start, self._ratio))
        for index, constant, mean in groups if self._moved else []:
            weights.append(index.ravel())
            constants.append(np.repeat(constant, len(mean)))
            means.append(np.tile(mean, len(constant)))
        return np.concatenate(weights), np.concatenate(constants), np.concatenate(means)

    def _multipliers(self, k: int) -> FloatArray:
        """What each natural number is multiplied with, in the order of ``phi``."""
        arch, scales = self.arch, self.scales
        mult = np.ones(k)
        for block, shape, inputs, columns in self._firsts:
            matrix = np.ones(shape)
            matrix[:, inputs] = scales.input_scale[columns]
            mult[block] = matrix.ravel()
        per_eta = 1.0 / scales.eta_scale
        mult[arch.readout] = np.repeat(per_eta, len(arch.outputs))
        if arch.skip:
            mult[arch.direct] = np.outer(per_eta, scales.input_scale).ravel()
        mult[arch.constant] = per_eta
        mult[self.extra] = 1.0 / scales.extra
        return mult

    def _shift(self, phi: FloatArray, sign: float) -> None:
        """Add to the constants what the means of the inputs contribute, in place."""
        if not self._moved:
            return
        ratio = sign * self._ratio
        for block, shape, inputs, columns in self._firsts:
            matrix = phi[block].reshape(shape)
            matrix[:, -1] += matrix[:, inputs] @ ratio[columns]
        if self.arch.skip:
            skip = phi[self._skip].reshape(-1, len(ratio))
            phi[self._constant] += skip @ ratio
