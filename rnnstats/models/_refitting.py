"""The maximum near a point on other outputs, found quickly: what resampling asks of a model."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import ConvergenceWarning, RnnStatsError
from rnnstats.estimation.ascent import ascend
from rnnstats.estimation.bootstrap import Refit
from rnnstats.parameters.transforms import Block

__all__ = ["Refitter", "on_values"]

FloatArray = NDArray[np.float64]
# Information below which a coordinate counts as flat: its standard error is above 1.4 there, where
# a coordinate is the logarithm of a variance or the logit of a root.
FLAT = 0.5
# Least distance of a start from the border, relative to the width or to the outputs' variance.
NEAR = 1e-10
OUTWARD = (1.0, 2.0, 4.0, 8.0, 14.0, 20.0)


def on_values(model: Any, values: FloatArray) -> Any:
    """Return the same model on other outputs with the same gaps; unchecked.

    Parameters
    ----------
    model : LinearRNN
    values : ndarray, shape (nobs, k_endog)
        C-contiguous, NaN where the model's own outputs are missing and nowhere else.

    Returns
    -------
    LinearRNN
        Shares everything but the outputs.
    """
    likelihood = copy.copy(model._likelihood)
    likelihood.y = values[likelihood.lead :]
    if likelihood.regression is not None:
        likelihood.regression = replace(likelihood.regression, y=likelihood.y)
    twin = copy.copy(model)
    for name in tuple(twin.__dict__):
        if isinstance(getattr(type(model), name, None), cached_property):
            del twin.__dict__[name]  # found from the model's own outputs
    twin.__dict__.update(
        _y=values, endog=replace(model.endog, values=values), _likelihood=likelihood
    )
    return twin


class Refitter:
    """Fits a model to other outputs, from one start.

    A quick climb with the information at the start as its metric; where that does not arrive, the
    model's own ``fit`` from this start; where that does not, from two more.

    Parameters
    ----------
    model : LinearRNN
    theta : ndarray, shape (K,)
        The start, a maximum on the model's own outputs as a rule.
    """

    def __init__(self, model: Any, theta: FloatArray) -> None:
        self.model = model
        self.start = theta
        self.psi: FloatArray | None = None
        try:
            psi = model.transform.to_unconstrained(_off_border(model, theta))
            psi = _inside(model, psi)
            cov = _inverse(model._psi_information(psi))
        except ValueError:
            return
        if np.isfinite(psi).all() and cov is not None:
            self.psi, self.cov = psi, cov
            self.start = model.layout.expand(model.transform.to_natural(psi))

    def on(self, values: FloatArray) -> Any:
        """Return the model on other outputs with the same gaps, see `on_values`."""
        return on_values(self.model, values)

    def __call__(self, values: FloatArray) -> Refit:
        """Fit.

        Parameters
        ----------
        values : ndarray, shape (nobs, k_endog)

        Returns
        -------
        Refit
        """
        twin = self.on(values)
        # only a regression has one, and asking costs as much as a step of a climb
        closed = None if twin._likelihood.regression is None else twin._closed_form()
        if closed is not None:
            return Refit(twin._normalised(closed), "")
        if self.psi is not None:
            with np.errstate(over="ignore", invalid="ignore"):  # far out: refused, quietly
                found = ascend(twin._objective(), self.psi, self.cov)
            if found.converged:
                theta = twin.layout.expand(twin.transform.to_natural(found.psi))
                return Refit(twin._normalised(theta), "")
        fit = _fit(twin, self.start, None)
        return fit if fit.theta is not None else _fit(twin, self.start, 2)


def _fit(twin: Any, theta: FloatArray, n_starts: int | None) -> Refit:
    """Fit as a user would, from the start alone or from the data, too."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # told by the message instead
            results = twin.fit(start_params=theta, n_starts=n_starts, cov_type="none")
    except RnnStatsError as error:
        return Refit(None, f"{type(error).__name__}: {error}")
    record = results.convergence
    params = results.params.to_numpy(dtype=float)
    if record is None or record.converged:
        return Refit(params, "")
    return Refit(None, record.message)


def _off_border(model: Any, theta: FloatArray) -> FloatArray:
    """Free parameters, those on the border of their domain (a variance of zero) just off it."""
    free: FloatArray = model.layout.reduce(theta)
    spread = float(np.nanvar(model.endog.values, axis=0).min())
    for block in model.transform.blocks:
        at = list(block.indices)
        if block.kind == "positive":
            free[at] = np.maximum(free[at], NEAR * spread)
        elif block.kind == "interval":
            margin = NEAR * (block.hi - block.lo)
            free[at] = np.clip(free[at], block.lo + margin, block.hi - margin)
        elif block.kind == "oscillator":
            radius, angle = math.hypot(*free[at]), math.atan2(free[at[1]], free[at[0]])
            radius = min(max(radius, NEAR), 1.0 - NEAR)
            angle = min(max(angle, NEAR), math.pi - NEAR)
            free[at] = radius * math.cos(angle), radius * math.sin(angle)
    return free


def _inside(model: Any, psi: FloatArray) -> FloatArray:
    """Move coordinates without curvature to where the likelihood has some.

    A variance estimated as zero has a coordinate far out in the tail of the logarithm, where no
    slope would ever lead a climb back, whatever the sample says.
    """
    info = np.diagonal(model._psi_information(psi))
    for i in _unitless(model.transform.blocks):
        if info[i] >= FLAT:
            continue
        best, found = psi, float(info[i])
        for step in OUTWARD:
            for side in (step, -step):
                other = psi.copy()
                other[i] += side
                curvature = float(model._psi_information(other)[i, i])
                if curvature > found:
                    best, found = other, curvature
            if found >= FLAT:
                break
        psi = best
    return psi


def _unitless(blocks: Iterable[Block]) -> list[int]:
    """Places of logarithms, logits and angles."""
    found: list[int] = []
    for block in blocks:
        if block.kind == "covariance":
            n = (math.isqrt(8 * len(block.indices) + 1) - 1) // 2
            found += [block.indices[i * (i + 3) // 2] for i in range(n)]
        elif block.kind != "real":
            found += block.indices
    return found


def _inverse(info: FloatArray) -> FloatArray | None:
    """Inverse of the information in unit-diagonal scaling, flat directions left short."""
    size = np.sqrt(np.diagonal(info))
    if not (np.isfinite(info).all() and (size > 0.0).all()):
        return None
    values, vectors = np.linalg.eigh(info / np.multiply.outer(size, size))
    root = vectors / np.sqrt(np.maximum(values, 1e-8)) / size[:, None]
    inverse: FloatArray = root @ root.T
    return inverse if math.isfinite(float(inverse.sum())) else None
