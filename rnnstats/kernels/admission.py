"""Checks of the arrays that make a state space model."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import is_symmetric
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from rnnstats.kernels.system import StateSpace

__all__ = ["array", "check_covariances", "check_start", "intercept", "refuse", "shaped"]

PSD_TOLERANCE: Final = 1e-8  # negative eigenvalue, relative to the largest, taken as rounding


def refuse(rule: str) -> NoReturn:
    """Raise the error."""
    raise SpecificationError(f"StateSpace.from_arrays: {rule}.")


def array(value: ArrayLike, name: str, ndim: int) -> NDArray[np.float64]:
    """Real numbers of some dimensions, with at least one row, as float64."""
    given = np.asarray(value)
    if given.dtype.kind not in "fiub":
        refuse(f"{name} must hold real numbers; got dtype {given.dtype}")
    if given.ndim != ndim or given.shape[0] < 1:
        refuse(f"{name} must have {ndim} dimensions and at least one row; got {given.shape}")
    return given.astype(np.float64)


def shaped(value: ArrayLike, name: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Finite numbers of a given shape."""
    given = array(value, name, len(shape))
    if given.shape != shape:
        refuse(f"{name} must have shape {shape}; got {given.shape}")
    if not np.isfinite(given).all():
        refuse(f"{name} must be finite; got NaN or inf")
    return given


def intercept(value: ArrayLike | None, name: str, width: int) -> NDArray[np.float64]:
    """One row, or one a row of the data; zeros where left out. Read-only."""
    given = np.zeros(width) if value is None else np.asarray(value)
    if given.ndim not in (1, 2) or given.shape[-1] != width:
        refuse(f"{name} must have shape ({width},) or (nobs, {width}); got {given.shape}")
    checked = np.ascontiguousarray(shaped(given, name, given.shape))
    checked.flags.writeable = False
    return checked


def _check_psd(matrix: NDArray[Any], name: str) -> None:
    if not is_symmetric(matrix, 1e-10):
        refuse(f"{name} must be symmetric; got a largest difference of "
                f"{np.abs(matrix - matrix.T).max():.3g}")  # fmt: skip
    values = np.linalg.eigvalsh(matrix)
    if values[0] < -PSD_TOLERANCE * max(values[-1], 0.0) - np.finfo(np.float64).tiny:
        refuse(f"{name} must be positive semi-definite; got a smallest eigenvalue of "
                f"{values[0]:.3g}")  # fmt: skip


def check_covariances(system: StateSpace) -> None:
    """Refuse covariances that are not symmetric and positive semi-definite."""
    _check_psd(system.obs_cov, "obs_cov")
    _check_psd(system.state_cov, "state_cov")
    _check_psd(system.initial_cov, "initial_cov")
    if system.cross_cov.any():
        joint = np.block(
            [[system.state_cov, system.cross_cov], [system.cross_cov.T, system.obs_cov]]
        )
        scale = np.sqrt(np.where(np.diag(joint) > 0.0, np.diag(joint), 1.0))
        _check_psd(joint / np.outer(scale, scale), "[state_cov, cross_cov; cross_cov', obs_cov]")


def check_start(system: StateSpace) -> None:
    """Refuse a start that contradicts itself."""
    if system.start not in ("stationary", "given"):
        refuse(f"start must be 'stationary' or 'given'; got {system.start!r}")
    if system.first_step not in ("noisy", "noiseless", "none"):
        refuse(f"first_step must be 'noisy', 'noiseless' or 'none'; got {system.first_step!r}")
    diffuse = system.initial_diffuse
    if not np.isin(diffuse, (0.0, 1.0)).all():
        refuse(f"initial_diffuse must be true or false for each state; got {diffuse}")
    if system.start == "stationary" and system.first_step != "noisy":
        refuse(f"start='stationary' needs first_step='noisy'; got {system.first_step!r}")
    if system.start == "stationary" and diffuse.any():
        refuse("start='stationary' has no diffuse states; got initial_diffuse. Use start='given'")
