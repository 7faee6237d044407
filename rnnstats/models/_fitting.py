"""Pieces of a fit that need no model class."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.data import Endog
from rnnstats.errors import DataError, SpecificationError
from rnnstats.models._arguments import numbers
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

__all__ = [
    "PsiObjective",
    "StartPoint",
    "admissible",
    "by_name",
    "natural_vector",
    "refuse_too_little",
    "shaken",
]

FloatArray = NDArray[np.float64]


class StartPoint(NamedTuple):
    """A start of the optimiser: how it was found, and the natural parameters (K,)."""

    label: str
    theta: FloatArray


class Objective(Protocol):
    """What a fit asks of a model: its likelihood and its two coordinate systems."""

    name: ClassVar[str]

    @property
    def layout(self) -> Layout: ...

    @property
    def transform(self) -> Transform: ...

    def _value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]: ...

    def _start_value(self, theta: FloatArray) -> float: ...

    def _towards_rest(self, theta: FloatArray) -> FloatArray: ...

    def _psi(self, theta: FloatArray) -> FloatArray: ...

    def _psi_information(self, psi: FloatArray) -> FloatArray: ...


class PsiObjective:
    """Log-likelihood and gradient in ``psi`` (a class, so that processes can be sent it)."""

    def __init__(self, model: Objective) -> None:
        self.model = model

    def __call__(self, psi: FloatArray) -> tuple[float, FloatArray]:
        layout, transform = self.model.layout, self.model.transform
        with np.errstate(over="ignore", invalid="ignore"):
            theta = layout.expand(transform.to_natural(psi))
        value, gradient = self.model._value_and_gradient(theta)
        if value == -math.inf:
            return value, np.full(len(psi), np.nan)
        return value, transform.pull(psi, layout.pull(gradient))


def by_name(params: pd.Series, names: tuple[str, ...], caller: str) -> FloatArray:
    """Put a labelled Series into the order of the parameters."""
    labels = [str(label) for label in params.index]
    missing = [name for name in names if name not in labels]
    if missing or len(labels) != len(names):
        extra = [label for label in labels if label not in names]
        near = difflib.get_close_matches(missing[0], extra, n=1) if missing else []
        hint = f" Is {near[0]!r} meant?" if near else ""
        raise SpecificationError(
            f"{caller}: params by name must be labelled with param_names; "
            f"got {missing[0] + ' missing' if missing else extra[0] + ' too many'}.{hint} "
            "Give an array to go by position."
        )
    return numbers(params.set_axis(labels)[list(names)], name="params", caller=caller)


def natural_vector(params: object, names: tuple[str, ...], caller: str) -> FloatArray:
    """Check ``params`` and return them as a float64 vector (K,)."""
    k = len(names)
    if type(params) is np.ndarray and params.dtype == np.float64 and params.shape == (k,):
        return params
    if isinstance(params, Mapping):
        params = pd.Series(dict(params), dtype=object)
    if isinstance(params, pd.Series) and not isinstance(params.index, pd.RangeIndex):
        params = by_name(params, names, caller)
    theta = numbers(params, name="params", caller=caller)
    if theta.shape != (k,):
        raise SpecificationError(
            f"{caller}: params must have one number a parameter, shape ({k},); got shape "
            f"{theta.shape}. The order is that of param_names."
        )
    return theta


def admissible(
    model: Objective, points: Sequence[StartPoint], *, repair: bool = True
) -> list[StartPoint]:
    """Impose restrictions, drop inadmissible and repeated starts, best likelihood first."""
    kept: list[tuple[float, StartPoint]] = []
    for label, raw in points:
        theta = model.layout.expand(model.layout.reduce(raw))
        value = model._start_value(theta)
        for _ in range(25 if repair else 0):
            if value > -math.inf:
                break
            theta = model._towards_rest(theta)
            value = model._start_value(theta)
        if value > -math.inf and all(abs(value - other) > 1e-7 for other, _ in kept):
            kept.append((value, StartPoint(label, theta)))
    if not kept:
        raise SpecificationError(
            f"{model.name}: a start must be inside the admissible region; got none"
            f"{' from start_params' if not repair else ''}. "
            "Give start_params with a finite loglike, or relax the restrictions."
        )
    kept.sort(key=lambda item: -item[0])
    return [point for _, point in kept]


def shaken(
    found: list[StartPoint], number: int, rng: np.random.Generator, model: Objective
) -> list[StartPoint]:
    """Cut to ``number`` starts, or fill up with random neighbours of the best ones."""
    points = found[:number]
    tries = 0
    while len(points) < number and tries < 4 * number:
        base = found[tries % min(len(found), 3)]
        psi = model._psi(base.theta)
        info = np.diag(model._psi_information(psi))
        step = 3.0 * rng.standard_normal(len(psi)) / np.sqrt(np.maximum(info, 1e-8))
        shaken = psi + np.clip(step, -0.5, 0.5)
        theta = model.layout.expand(model.transform.to_natural(shaken))
        if model._start_value(theta) > -math.inf:
            points.append(StartPoint(f"{base.label}, shaken", theta))
        tries += 1
    return points


def refuse_too_little(endog: Endog, k_free: int, caller: str) -> None:
    """Refuse data with too few values for the free parameters, or series that do not vary."""
    if endog.nobs_observed <= k_free:
        raise DataError(
            f"{caller}: a fit needs more observed values than free parameters; got "
            f"{endog.nobs_observed} values and {k_free} parameters. Use fewer states or regimes, "
            "trend='n' or restrictions."
        )
    for name, column in zip(endog.names, endog.values.T, strict=True):
        seen = column[np.isfinite(column)]
        if float(np.ptp(seen)) <= 1e-12 * float(np.max(np.abs(seen))):
            raise DataError(
                f"{caller}: every series must vary; got only the value {seen[0]:g} in "
                f"column {name!r}. Leave that column out."
            )
