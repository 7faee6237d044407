"""The state before the first row of every sequence: zero, parameters, or a fixed point."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from rnnstats.kernels import cells
from rnnstats.kernels.architecture import Architecture
from rnnstats.kernels.networks import Network
from rnnstats.kernels.two_sided import TwoSided

__all__ = ["InitialLaw", "InitialName", "make_initial"]

FloatArray = NDArray[np.float64]
InitialName = Literal["zero", "estimated", "stationary"]
# Steps of the network itself towards its fixed point, and steps of Newton's method after them.
_RUN, _NEWTON, _HALVINGS = 100, 50, 30
_TOL = 1e-13


class InitialLaw(ABC):
    """How the start depends on weights and parameters of its own.

    Attributes
    ----------
    k_own : int
        Number of own parameters.
    moves : bool
        Whether the start depends on the weights.
    """

    k_own: int = 0
    moves: bool = False

    @abstractmethod
    def state(self, weights: FloatArray, own: FloatArray) -> FloatArray | None:
        """Start (s,) of all sequences; None where there is none."""

    @abstractmethod
    def tangents(self, weights: FloatArray, state: FloatArray) -> FloatArray | None:
        """Derivatives of the start by (weights, own), shape (s, P + k_own); None where zero."""

    def pull(
        self, weights: FloatArray, state: FloatArray, by_state: FloatArray
    ) -> tuple[FloatArray | None, FloatArray]:
        """Derivatives by weights (None: no dependence) and own parameters.

        ``by_state`` (..., s) are derivatives by the start.
        """
        tangents = self.tangents(weights, state)
        if tangents is None:
            return None, np.empty((*by_state.shape[:-1], 0))
        moved = by_state @ tangents
        size = len(weights)
        return moved[..., :size], moved[..., size:]


class _Zero(InitialLaw):
    """All states are zero."""

    def __init__(self, arch: Network) -> None:
        self.zero = np.zeros(arch.k_state)

    def state(self, weights: FloatArray, own: FloatArray) -> FloatArray | None:
        return self.zero

    def tangents(self, weights: FloatArray, state: FloatArray) -> FloatArray | None:
        return None


class _Estimated(InitialLaw):
    """One vector of parameters, shared by all sequences."""

    def __init__(self, arch: Network) -> None:
        self.k_own = arch.k_state

    def state(self, weights: FloatArray, own: FloatArray) -> FloatArray | None:
        return own

    def tangents(self, weights: FloatArray, state: FloatArray) -> FloatArray | None:
        wide = np.zeros((self.k_own, len(weights) + self.k_own))
        wide[:, len(weights) :] = np.eye(self.k_own)
        return wide

    def pull(
        self, weights: FloatArray, state: FloatArray, by_state: FloatArray
    ) -> tuple[FloatArray | None, FloatArray]:
        return None, by_state


class _Stationary(InitialLaw):
    """The fixed point of the cells with all inputs at their means, which are zero in here.

    Found by running the network from zero, which leads to a stable fixed point where one attracts,
    and Newton's method; its derivative is that of an implicit function.
    """

    moves = True

    def __init__(self, arch: Architecture) -> None:
        self.arch = arch
        self.rest = np.zeros((_RUN, arch.k_in))
        self.row = np.zeros(arch.k_in)

    @np.errstate(all="ignore")  # a state far away may be too large for its square
    def state(self, weights: FloatArray, own: FloatArray) -> FloatArray | None:
        path = cells.forward(self.arch, weights, self.rest).states
        if not np.isfinite(path[-1]).all():
            path = np.zeros((2, self.arch.k_state))
        state = path[-1] if self._moved(path[-1], path[-2]) <= _TOL else 0.5 * (path[-1] + path[-2])
        state = np.array(state, dtype=np.float64)
        new, slope, _, _ = cells.step_derivatives(self.arch, weights, state, self.row)
        gap = new - state
        for _ in range(_NEWTON):
            if self._moved(new, state) <= _TOL:
                return state
            try:
                step = np.linalg.solve(np.eye(len(state)) - slope, gap)
            except np.linalg.LinAlgError:
                return None
            for _ in range(_HALVINGS):
                there = state + step
                found = cells.step_derivatives(self.arch, weights, there, self.row)
                rest = found[0] - there
                if np.isfinite(rest).all() and float(rest @ rest) < float(gap @ gap):
                    break
                step = 0.5 * step
            else:  # as near as rounding lets it come, or stuck
                return state if self._moved(new, state) <= 1e3 * _TOL else None
            state, new, slope, gap = there, found[0], found[1], rest
        return None

    def tangents(self, weights: FloatArray, state: FloatArray) -> FloatArray | None:
        _, slope, _, by_weights = cells.step_derivatives(self.arch, weights, state, self.row)
        with np.errstate(all="ignore"):
            try:
                solved = np.linalg.solve(np.eye(len(state)) - slope, by_weights)
            except np.linalg.LinAlgError:
                return np.full(by_weights.shape, np.nan)
        out: FloatArray = solved.astype(np.float64, copy=False)
        return out

    @staticmethod
    def _moved(new: FloatArray, old: FloatArray) -> float:
        """Largest change, relative to sizes above one."""
        return float(np.max(np.abs(new - old) / np.maximum(1.0, np.abs(old))))


class _Sides(InitialLaw):
    """The fixed points of both directions."""

    moves = True

    def __init__(self, arch: TwoSided) -> None:
        self.arch = arch
        self.sides = _Stationary(arch.forth), _Stationary(arch.back)

    def state(self, weights: FloatArray, own: FloatArray) -> FloatArray | None:
        found = [
            side.state(weights[place], own)
            for side, place in zip(self.sides, self.arch.places, strict=True)
        ]
        known = [state for state in found if state is not None]
        return np.concatenate(known) if len(known) == len(found) else None

    def tangents(self, weights: FloatArray, state: FloatArray) -> FloatArray | None:
        out = np.zeros((len(state), len(weights)))
        cut = self.arch.forth.k_state
        parts = slice(0, cut), slice(cut, len(state))
        for side, place, part in zip(self.sides, self.arch.places, parts, strict=True):
            out[part, place] = side.tangents(weights[place], state[part])
        return out


def make_initial(name: InitialName, arch: Network) -> InitialLaw:
    """Make the law of the start.

    Parameters
    ----------
    name : {"zero", "estimated", "stationary"}
    arch : Architecture or TwoSided

    Returns
    -------
    InitialLaw
    """
    if name == "zero":
        return _Zero(arch)
    if name == "estimated":
        return _Estimated(arch)
    return _Sides(arch) if isinstance(arch, TwoSided) else _Stationary(arch)
