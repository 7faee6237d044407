"""Activation functions, their slopes, and the means of the outputs; of complex numbers too."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Activation = str | Callable[[Array], Array]
STEP = 1e-30  # of complex steps: f(x + ih) = f(x) + ih f'(x) + O(h^2)


def sigmoid(x: Array) -> Array:
    """Give 1 / (1 + e^-x) without overflow."""
    positive = np.real(x) >= 0.0
    small = np.exp(np.where(positive, -x, x))
    return np.where(positive, 1.0, small) / (1.0 + small)


def softplus(x: Array) -> Array:
    """Give log(1 + e^x) without overflow."""
    positive = np.real(x) >= 0.0
    return np.where(positive, x, 0.0) + np.log1p(np.exp(np.where(positive, -x, x)))


def tanh(x: Array) -> Array:
    """Hyperbolic tangent."""
    return np.tanh(x)


def activate(name: Activation, x: Array) -> Array:
    """Value of an activation function."""
    if callable(name):
        return np.asarray(name(x))
    if name == "relu":
        return np.where(np.real(x) > 0.0, x, np.where(np.isnan(x), x, 0.0))
    if name == "identity":
        return np.array(x)
    return {"tanh": tanh, "softplus": softplus, "sigmoid": sigmoid}[name](x)


def slope(name: Activation, x: Array) -> Array:
    """Derivative of an activation function; that of relu at zero is zero."""
    if callable(name):
        return np.asarray(name(x + 1j * STEP)).imag / STEP
    if name == "tanh":
        return 1.0 - np.tanh(x) ** 2
    if name == "relu":
        return np.where(x > 0.0, 1.0, 0.0)
    if name == "softplus":
        return sigmoid(x)
    if name == "sigmoid":
        return sigmoid(x) * sigmoid(-x)
    return np.ones_like(x)


def mean(name: str, eta: Array) -> Array:
    """Mean of the outputs given eta; probabilities of all categories but the last."""
    if name == "identity":
        return eta
    if name == "exp":
        return np.exp(eta)
    if name == "logistic":
        return sigmoid(eta)
    top = np.maximum(np.real(eta).max(axis=-1, keepdims=True), 0.0)
    terms = np.exp(eta - top)
    out: Array = terms / (terms.sum(axis=-1, keepdims=True) + np.exp(-top))
    return out


def mean_slopes(name: str, eta: Array) -> Array:
    """Jacobian of the mean: (components, k_eta)."""
    value = mean(name, eta)
    if name == "identity":
        return np.eye(len(eta))
    if name == "exp":
        return np.diag(value)
    if name == "logistic":
        return np.diag(sigmoid(eta) * sigmoid(-eta))
    out: Array = np.diag(value) - np.outer(value, value)
    return out
