"""The same networks as a scan, compiled by JAX. Only where it is installed."""

from __future__ import annotations

import importlib.util
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels.cells import Architecture

FloatArray = NDArray[np.float64]
TOLERANCE = 1e-9


def available() -> bool:
    """Whether JAX is installed."""
    return importlib.util.find_spec("jax") is not None


class Network:
    """Log-likelihood and score of one layer and its readout, normal errors of variance one.

    The products with the inputs are taken out of the scan; `value_and_grad` is compiled by the
    first call, here.

    Parameters
    ----------
    arch : Architecture
        One layer, without a skip connection.
    weights : ndarray, shape (P,)
    x : ndarray, shape (n, k_in)
    y : ndarray, shape (n, k_eta)
    """

    def __init__(
        self, arch: Architecture, weights: FloatArray, x: FloatArray, y: FloatArray
    ) -> None:
        import jax

        jax.config.update("jax_enable_x64", True)
        self.jax: Any = jax
        kind = arch.cells[0].kind  # type: ignore[union-attr]
        targets, rows = jax.numpy.asarray(y), jax.numpy.asarray(x)
        layer, units = arch.layers[0], arch.units[0]

        def loglike(flat: Any) -> Any:
            np_ = jax.numpy
            W = flat[layer.matrix].reshape(layer.shape)
            inside = flat[layer.extra]
            V = flat[arch.readout].reshape(arch.k_eta, units)
            given = rows @ W[:, units:-1].T + W[:, -1]
            step = {"elman": _elman, "gru": _gru, "lstm": _lstm}[kind](
                jax, W[:, :units], inside, units
            )
            zero = np_.zeros(units)
            _, h = jax.lax.scan(step, (zero, zero) if kind == "lstm" else zero, given)
            error = targets - h @ V.T - flat[arch.constant]
            return -0.5 * (error**2).sum() - 0.5 * np.log(2.0 * np.pi) * targets.size

        self.compiled = jax.jit(jax.value_and_grad(loglike))
        self.weights = jax.numpy.asarray(weights)
        self.score()

    def score(self) -> tuple[float, FloatArray]:
        """Log-likelihood and its gradient, in our order."""
        value, gradient = self.jax.block_until_ready(self.compiled(self.weights))
        return float(value), np.asarray(gradient)


def _elman(jax: Any, U: Any, inside: Any, units: int) -> Any:
    """One step of an Elman cell."""

    def step(h: Any, given: Any) -> Any:
        h = jax.numpy.tanh(U @ h + given)
        return h, h

    return step


def _gru(jax: Any, U: Any, inside: Any, units: int) -> Any:
    """One step of a GRU, reset after the product."""

    def step(h: Any, given: Any) -> Any:
        own = U @ h
        rz = jax.nn.sigmoid(own[: 2 * units] + given[: 2 * units])
        r, z = rz[:units], rz[units:]
        n = jax.numpy.tanh(given[2 * units :] + r * (own[2 * units :] + inside))
        h = (1.0 - z) * n + z * h
        return h, h

    return step


def _lstm(jax: Any, U: Any, inside: Any, units: int) -> Any:
    """One step of a LSTM."""

    def step(state: Any, given: Any) -> Any:
        h, c = state
        a = U @ h + given
        i, f = jax.nn.sigmoid(a[:units]), jax.nn.sigmoid(a[units : 2 * units])
        g, o = jax.numpy.tanh(a[2 * units : 3 * units]), jax.nn.sigmoid(a[3 * units :])
        c = f * c + i * g
        h = o * jax.numpy.tanh(c)
        return (h, c), h

    return step
