"""A linear Gaussian state space model as a value, its gradient and its tangents.

The model, for t = 1..nobs (row t - 1 of every array)::

    y_t = Z h_t + d_t + eps_t,               eps_t ~ N(0, H)
    h_t = T h_{t-1} + c_t + R eta_t,         eta_t ~ N(0, Q)
    Cov(eta_{t+1}, eps_t) = S

Row t of a time-varying intercept governs the step *into* t, and ``h_0`` lies before the sample.
``Z, H, T, R, Q, S`` are `design`, `obs_cov`, `transition`, `selection`, `state_cov`, `cross_cov`;
``d`` and ``c`` are `obs_intercept` and `state_intercept`.

References
----------
Durbin, J. and Koopman, S. J. (2012). Time Series Analysis by State Space Methods, 2nd ed.,
sections 3.1 and 4.3; Harvey, A. C. (1989), Forecasting, Structural Time Series Models and the
Kalman Filter, section 3.2.4 (noise shared by output and state).
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Any, Literal, NoReturn, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats.kernels.admission import (
    array,
    check_covariances,
    check_start,
    intercept,
    refuse,
    shaped,
)

FloatArray: TypeAlias = NDArray[np.float64]
Start: TypeAlias = Literal["stationary", "given"]
FirstStep: TypeAlias = Literal["noisy", "noiseless", "none"]

_set = object.__setattr__


@lru_cache(maxsize=256)
def _offsets(p: int, m: int, r: int) -> Mapping[str, tuple[slice, tuple[int, ...]]]:
    shapes: dict[str, tuple[int, ...]] = {
        "design": (p, m),
        "obs_cov": (p, p),
        "transition": (m, m),
        "selection": (m, r),
        "state_cov": (r, r),
        "cross_cov": (r, p),
        "initial_mean": (m,),
        "initial_cov": (m, m),
        "initial_diffuse": (m,),
    }
    layout: dict[str, tuple[slice, tuple[int, ...]]] = {}
    begin = 0
    for name, shape in shapes.items():
        end = begin + int(np.prod(shape))
        layout[name] = (slice(begin, end), shape)
        begin = end
    return MappingProxyType(layout)


class _Views:
    """Named read-only views of a buffer laid out by `StateSpace.offsets`.

    The last axis of ``matrices`` is the buffer; leading axes, where there are any, are kept.
    """

    __slots__ = ()

    k_endog: int
    k_states: int
    k_posdef: int
    matrices: NDArray[Any]

    def __setattr__(self, name: str, value: object) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}: a value cannot be changed; got {name}=.")

    def __delattr__(self, name: str) -> NoReturn:
        raise AttributeError(f"{type(self).__name__}: a value cannot be changed; got del {name}.")

    def _view(self, name: str) -> NDArray[Any]:
        where, shape = _offsets(self.k_endog, self.k_states, self.k_posdef)[name]
        matrices = self.matrices
        view = matrices[..., where].reshape(matrices.shape[:-1] + shape)
        view.flags.writeable = False
        return view

    @property
    def design(self) -> NDArray[Any]:
        """State to output, Z, shape (k_endog, k_states)."""
        return self._view("design")

    @property
    def obs_cov(self) -> NDArray[Any]:
        """Output noise covariance, H, shape (k_endog, k_endog)."""
        return self._view("obs_cov")

    @property
    def transition(self) -> NDArray[Any]:
        """State to state, T, shape (k_states, k_states)."""
        return self._view("transition")

    @property
    def selection(self) -> NDArray[Any]:
        """Noise loading, R, shape (k_states, k_posdef)."""
        return self._view("selection")

    @property
    def state_cov(self) -> NDArray[Any]:
        """State noise covariance, Q, shape (k_posdef, k_posdef)."""
        return self._view("state_cov")

    @property
    def cross_cov(self) -> NDArray[Any]:
        """Noise shared by output t and the step into t+1, S, shape (k_posdef, k_endog)."""
        return self._view("cross_cov")

    @property
    def initial_mean(self) -> NDArray[Any]:
        """Mean of h_0 (of h_1 with ``first_step="none"``), shape (k_states,)."""
        return self._view("initial_mean")

    @property
    def initial_cov(self) -> NDArray[Any]:
        """Covariance of h_0 (of h_1 with ``first_step="none"``), shape (k_states, k_states)."""
        return self._view("initial_cov")

    @property
    def initial_diffuse(self) -> NDArray[Any]:
        """1.0 where the start of a state is diffuse, else 0.0, shape (k_states,)."""
        return self._view("initial_diffuse")


class StateSpace(_Views):
    """A linear Gaussian state space model (see the module for equations and timing).

    The constructor checks nothing, because it lies on the path of every likelihood evaluation;
    `from_arrays` checks everything.

    Parameters
    ----------
    k_endog, k_states, k_posdef : int
        Number of outputs, of states, and of state noises.
    matrices : ndarray, shape (length,)
        C-contiguous float64 buffer ``[design | obs_cov | transition | selection | state_cov |
        cross_cov | initial_mean | initial_cov | initial_diffuse]``, each row-major (`offsets`).
    obs_intercept : ndarray, shape (k_endog,) or (nobs, k_endog)
        d.
    state_intercept : ndarray, shape (k_states,) or (nobs, k_states)
        c; row t belongs to the step into t.
    start : {"stationary", "given"}
        "stationary": h_0 has the stationary distribution, with c at its first value before the
        sample; the ``initial_`` parts of the buffer are not used, and `first_step` must be
        "noisy". "given": h_0 ~ N(initial_mean, initial_cov + kappa diag(initial_diffuse)) with
        kappa to infinity (exact diffuse).
    first_step : {"noisy", "noiseless", "none"}
        "noisy": h_1 = T h_0 + c_1 + R eta_1. "noiseless": the step into t = 1 carries no noise.
        "none": ``initial_*`` are the moments of h_1 itself and c_1 is not used.
    """

    __slots__ = (
        "first_step",
        "k_endog",
        "k_posdef",
        "k_states",
        "matrices",
        "obs_intercept",
        "start",
        "state_intercept",
    )

    obs_intercept: NDArray[Any]
    state_intercept: NDArray[Any]
    start: Start
    first_step: FirstStep

    def __init__(
        self,
        k_endog: int,
        k_states: int,
        k_posdef: int,
        matrices: NDArray[Any],
        obs_intercept: NDArray[Any],
        state_intercept: NDArray[Any],
        start: Start = "stationary",
        first_step: FirstStep = "noisy",
    ) -> None:
        _set(self, "k_endog", k_endog)
        _set(self, "k_states", k_states)
        _set(self, "k_posdef", k_posdef)
        _set(self, "matrices", matrices)
        _set(self, "obs_intercept", obs_intercept)
        _set(self, "state_intercept", state_intercept)
        _set(self, "start", start)
        _set(self, "first_step", first_step)

    def __repr__(self) -> str:
        return (
            f"StateSpace(k_endog={self.k_endog}, k_states={self.k_states}, "
            f"k_posdef={self.k_posdef}, start={self.start!r}, first_step={self.first_step!r})"
        )

    def __reduce__(self) -> tuple[type[StateSpace], tuple[Any, ...]]:
        """Pickle by constructor arguments, since attributes cannot be set."""
        return StateSpace, (
            self.k_endog,
            self.k_states,
            self.k_posdef,
            self.matrices,
            self.obs_intercept,
            self.state_intercept,
            self.start,
            self.first_step,
        )

    def replaced(
        self,
        *,
        matrices: NDArray[Any] | None = None,
        obs_intercept: NDArray[Any] | None = None,
        state_intercept: NDArray[Any] | None = None,
        start: Start | None = None,
        first_step: FirstStep | None = None,
    ) -> StateSpace:
        """Return a system of the same size with other parts, unchecked.

        Parameters
        ----------
        matrices, obs_intercept, state_intercept, start, first_step
            As in the constructor; those left out are this system's.

        Returns
        -------
        StateSpace
        """
        return StateSpace(
            self.k_endog,
            self.k_states,
            self.k_posdef,
            self.matrices if matrices is None else matrices,
            self.obs_intercept if obs_intercept is None else obs_intercept,
            self.state_intercept if state_intercept is None else state_intercept,
            self.start if start is None else start,
            self.first_step if first_step is None else first_step,
        )

    @staticmethod
    def offsets(p: int, m: int, r: int) -> Mapping[str, tuple[slice, tuple[int, ...]]]:
        """Where each array lies in the buffer.

        Parameters
        ----------
        p, m, r : int
            ``k_endog``, ``k_states``, ``k_posdef``.

        Returns
        -------
        mapping of str to (slice, shape)
            In the order of the buffer.
        """
        return _offsets(p, m, r)

    @classmethod
    def from_arrays(
        cls,
        *,
        design: ArrayLike,
        transition: ArrayLike,
        state_cov: ArrayLike,
        selection: ArrayLike | None = None,
        obs_cov: ArrayLike | None = None,
        cross_cov: ArrayLike | None = None,
        obs_intercept: ArrayLike | None = None,
        state_intercept: ArrayLike | None = None,
        initial_mean: ArrayLike | None = None,
        initial_cov: ArrayLike | None = None,
        initial_diffuse: ArrayLike | None = None,
        start: Start = "given",
        first_step: FirstStep = "noisy",
    ) -> StateSpace:
        """Build a system from its arrays, with every check.

        Parameters
        ----------
        design : array_like, shape (k_endog, k_states)
            Z.
        transition : array_like, shape (k_states, k_states)
            T.
        state_cov : array_like, shape (k_posdef, k_posdef)
            Q.
        selection : array_like, shape (k_states, k_posdef), optional
            R; the identity where left out.
        obs_cov : array_like, shape (k_endog, k_endog), optional
            H; zero where left out. May be singular.
        cross_cov : array_like, shape (k_posdef, k_endog), optional
            S; zero where left out.
        obs_intercept, state_intercept : array_like, optional
            d, c: one row, or one row per observation; zero where left out.
        initial_mean, initial_cov, initial_diffuse : array_like, optional
            Moments of the start, shapes (k_states,), (k_states, k_states) and (k_states,) of
            bool; zero where left out.
        start, first_step : str
            As in the constructor.

        Returns
        -------
        StateSpace

        Raises
        ------
        SpecificationError
            Where a shape, a number (NaN, inf), a symmetry or a sign is wrong, or the start
            contradicts itself.
        """
        z, t = array(design, "design", 2), array(transition, "transition", 2)
        q = array(state_cov, "state_cov", 2)
        p, m, r = z.shape[0], t.shape[0], q.shape[0]
        given: dict[str, ArrayLike] = {
            "design": z,
            "obs_cov": np.zeros((p, p)) if obs_cov is None else obs_cov,
            "transition": t,
            "selection": np.eye(m, r) if selection is None else selection,
            "state_cov": q,
            "cross_cov": np.zeros((r, p)) if cross_cov is None else cross_cov,
            "initial_mean": np.zeros(m) if initial_mean is None else initial_mean,
            "initial_cov": np.zeros((m, m)) if initial_cov is None else initial_cov,
            "initial_diffuse": np.zeros(m) if initial_diffuse is None else initial_diffuse,
        }
        if selection is None and r != m:
            refuse(f"selection may be left out only when state_cov is ({m}, {m}); got {q.shape}")
        layout = _offsets(p, m, r)
        buffer = np.concatenate(
            [shaped(given[name], name, shape).ravel() for name, (_, shape) in layout.items()]
        )
        buffer.flags.writeable = False
        system = cls(
            p,
            m,
            r,
            buffer,
            intercept(obs_intercept, "obs_intercept", p),
            intercept(state_intercept, "state_intercept", m),
            start,
            first_step,
        )
        check_covariances(system)
        check_start(system)
        return system


class SystemGradient(_Views):
    """Derivatives of one number with respect to every array of a `StateSpace`.

    Parameters
    ----------
    k_endog, k_states, k_posdef : int
        As in the system.
    matrices : ndarray, shape (length,)
        Derivatives in the layout of the system's buffer. For a symmetric array the derivative
        is the symmetric matrix G with dl = sum(G * dA) for every symmetric dA. The part of
        `initial_diffuse`, which is a choice and not a number, is zero.
    obs_intercept, state_intercept : ndarray
        Derivatives in the shapes of the system's intercepts.
    """

    __slots__ = (
        "k_endog",
        "k_posdef",
        "k_states",
        "matrices",
        "obs_intercept",
        "state_intercept",
    )

    obs_intercept: NDArray[Any]
    state_intercept: NDArray[Any]

    def __init__(
        self,
        k_endog: int,
        k_states: int,
        k_posdef: int,
        matrices: NDArray[Any],
        obs_intercept: NDArray[Any],
        state_intercept: NDArray[Any],
    ) -> None:
        _set(self, "k_endog", k_endog)
        _set(self, "k_states", k_states)
        _set(self, "k_posdef", k_posdef)
        _set(self, "matrices", matrices)
        _set(self, "obs_intercept", obs_intercept)
        _set(self, "state_intercept", state_intercept)

    def __reduce__(self) -> tuple[type[SystemGradient], tuple[Any, ...]]:
        """Pickle by constructor arguments, since attributes cannot be set."""
        return SystemGradient, (
            self.k_endog,
            self.k_states,
            self.k_posdef,
            self.matrices,
            self.obs_intercept,
            self.state_intercept,
        )


class Tangents(_Views):
    """Directions in the space of systems along which to differentiate.

    Parameters
    ----------
    k_endog, k_states, k_posdef : int
        As in the system.
    matrices : ndarray, shape (k, length)
        One direction a row, in the layout of the system's buffer; directions of symmetric
        arrays must be symmetric, and those of `initial_diffuse` zero.
    obs_intercept : ndarray, shape (k, k_endog) or (k, nobs, k_endog)
        Time-varying exactly where the system's is.
    state_intercept : ndarray, shape (k, k_states) or (k, nobs, k_states)
        Likewise.
    """

    __slots__ = (
        "k_endog",
        "k_posdef",
        "k_states",
        "matrices",
        "obs_intercept",
        "state_intercept",
    )

    obs_intercept: NDArray[Any]
    state_intercept: NDArray[Any]

    def __init__(
        self,
        k_endog: int,
        k_states: int,
        k_posdef: int,
        matrices: NDArray[Any],
        obs_intercept: NDArray[Any],
        state_intercept: NDArray[Any],
    ) -> None:
        _set(self, "k_endog", k_endog)
        _set(self, "k_states", k_states)
        _set(self, "k_posdef", k_posdef)
        _set(self, "matrices", matrices)
        _set(self, "obs_intercept", obs_intercept)
        _set(self, "state_intercept", state_intercept)

    def __len__(self) -> int:
        """Return the number of directions."""
        return int(self.matrices.shape[0])

    def combined(self, weights: NDArray[Any]) -> Tangents:
        """Return sums of the directions.

        Parameters
        ----------
        weights : ndarray, shape (k, f)
            One sum a column.

        Returns
        -------
        Tangents
        """
        across = np.asarray(weights).T
        return Tangents(
            self.k_endog,
            self.k_states,
            self.k_posdef,
            np.ascontiguousarray(across @ self.matrices),
            np.tensordot(across, self.obs_intercept, axes=1),
            np.tensordot(across, self.state_intercept, axes=1),
        )

    def __reduce__(self) -> tuple[type[Tangents], tuple[Any, ...]]:
        """Pickle by constructor arguments, since attributes cannot be set."""
        return Tangents, (
            self.k_endog,
            self.k_states,
            self.k_posdef,
            self.matrices,
            self.obs_intercept,
            self.state_intercept,
        )
