"""Whether one model with regimes is a special case of another.

References
----------
Davies (1987), Biometrika 74, 33-43, and Hansen (1992), Journal of Applied Econometrics 7, S61-S82
(other numbers of regimes). Self and Liang (1987), JASA 82, 605-610 (the boundary).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rnnstats.errors import SpecificationError
from rnnstats.results.inference.likelihood_ratio import (
    BOUNDARY,
    NOT_CHECKED,
    refuse_absent_inputs,
)
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.protocol import RegimeModel

__all__ = ["complete", "nested_regimes"]

# Parameters that are zero in a model that does not have them.
_TERMS = ("D", "b_y", "b_y_trend", "W_x", "dispersion")
_LAGGED = re.compile(r"ar\d+")
# Those that cannot be negative: zero is the boundary.
_POSITIVE = ("p", "start", "prob", "mean", "dispersion")


def nested_regimes(small: Any, large: Any) -> str:
    """Refuse models with regimes that are not nested, where that can be decided.

    Parameters
    ----------
    small, large : RegimeModel
        The one with fewer and the one with more free parameters.

    Returns
    -------
    str
        What to know before a p-value is used; empty for a regular test.

    Raises
    ------
    SpecificationError
        They are not nested, differ in the number of regimes, or treat the start differently.
    """
    counts = [getattr(model, "k_regimes", None) for model in (small, large)]
    if counts[0] != counts[1]:
        got = [f"{k} regime{'' if k == 1 else 's'}" if k else "a linear state" for k in counts]
        raise SpecificationError(
            f"lr_test: both models must have the same number of regimes; got {got[0]} and "
            f"{got[1]}. With fewer regimes the transition probabilities of the others are not "
            "identified, and the statistic is not chi-squared (Davies 1987, Hansen 1992): use "
            "rnnstats.select_regimes, which has a parametric-bootstrap test."
        )
    refuse_absent_inputs(small, large)
    _same_start_law(small, large)
    if small.ar_form != large.ar_form and max(small.order, large.order):
        return NOT_CHECKED
    return _restricted(small, large)


def _same_start_law(small: RegimeModel, large: RegimeModel) -> None:
    one, two = small.start, large.start
    alike = isinstance(one, str) == isinstance(two, str)
    if alike:
        alike = one == two if isinstance(one, str) else np.array_equal(one, two)
    if not alike:
        got = [start if isinstance(start, str) else "given values" for start in (one, two)]
        raise SpecificationError(
            f"lr_test: both likelihoods must treat the start alike; got start={got[0]!r} and "
            f"{got[1]!r}. Use the same in both: one start state says little about a law, so the "
            "statistic has no chi-squared distribution."
        )


def _restricted(small: RegimeModel, large: RegimeModel) -> str:
    """Look for the smaller model among the points of the larger one."""
    inner, outer = small.exog_transition is not None, large.exog_transition is not None
    skip: tuple[str, ...] = ()
    if outer and not inner:
        # log odds without inputs are any probabilities inside the unit interval
        if any(
            name.startswith(("p[", "W_h[")) for name in (*small.layout.fixed, *large.layout.fixed)
        ):
            return NOT_CHECKED
        skip = ("p", "W_h")
    base = small.layout.expand(np.zeros(small.layout.k_free))
    points = [
        complete(small, point) for point in (base, *(base + c for c in small.layout.expansion.T))
    ]
    found = [_embedded(point, large, skip) for point in points]
    if any(point is None for point in found):
        return NOT_CHECKED
    embedded = np.array(found)
    _refuse_lost(points, small, large, skip)
    inside = np.array([large.layout.expand(large.layout.reduce(point)) for point in embedded])
    known = np.array([name.split("[", 1)[0] not in skip for name in large.param_names])
    wrong = (np.abs(inside - embedded) > 1e-12 * (1.0 + np.abs(embedded))).any(axis=0) & known
    if wrong.any():
        names = [name for name, out in zip(large.param_names, wrong, strict=True) if out]
        raise SpecificationError(
            f"lr_test: the model with fewer parameters must be nested in the other; got "
            f"restrictions of the larger one on {', '.join(names)} that the smaller one does not "
            "obey. Compare aic or bic."
        )
    return _at_boundary(large, embedded, known)


def complete(model: RegimeModel, theta: FloatArray) -> dict[str, float]:
    """Parameters by name, the probabilities that others imply among them.

    Parameters
    ----------
    model : RegimeModel
    theta : ndarray of shape (K,)

    Returns
    -------
    dict of str to float
    """
    found = dict(zip(model.param_names, map(float, theta), strict=True))
    regimes = model.regime_names
    if model.exog_transition is None:
        for i in regimes:
            _imply(found, [f"p[{i}->{j}]" for j in regimes])
    if any(name.startswith("start[") for name in found) and model.start == "free":
        _imply(found, [f"start[{i}]" for i in regimes])
    return found


def _imply(found: dict[str, float], names: Sequence[str]) -> None:
    missing = [name for name in names if name not in found]
    if len(missing) == 1:
        found[missing[0]] = 1.0 - sum(found[name] for name in names if name in found)


def _embedded(
    point: Mapping[str, float], large: RegimeModel, skip: tuple[str, ...]
) -> FloatArray | None:
    """The larger model's parameters (K,) at a point of the smaller one; None if not known."""
    out = []
    for name in large.param_names:
        group = name.split("[", 1)[0]
        value = _read(point, name, large.regime_names)
        if value is None and (group in skip or group in _TERMS or _LAGGED.fullmatch(group)):
            value = 0.0
        if value is None:
            return None
        out.append(value)
    return np.array(out)


def _read(point: Mapping[str, float], name: str, regimes: Sequence[str]) -> float | None:
    """A parameter by its own name, or by that of what all regimes have in common."""
    if name in point:
        return point[name]
    body, _, last = name.rstrip("]").rpartition(",")
    if last not in regimes:
        return None
    common = f"{body}]"
    if common not in point and common.startswith("V["):
        common = f"b_y[{body.removeprefix('V[')}]"
    return point.get(common)


def _refuse_lost(
    points: Sequence[Mapping[str, float]],
    small: RegimeModel,
    large: RegimeModel,
    skip: tuple[str, ...],
) -> None:
    """Refuse parameters of the smaller model that the larger one does not have, unless zero."""
    covered = set(complete(large, large.layout.expand(np.zeros(large.layout.k_free))))
    for name in large.param_names:
        body, _, last = name.rstrip("]").rpartition(",")
        if last in large.regime_names:
            covered |= {f"{body}]", f"b_y[{body.removeprefix('V[')}]"}
    for name in small.param_names:
        lost = name not in covered and name.split("[", 1)[0] not in skip
        if lost and {point[name] for point in points} != {0.0}:
            raise SpecificationError(
                f"lr_test: the model with fewer parameters must be nested in the other; got "
                f"{name} in the smaller one only. Compare aic or bic."
            )


def _at_boundary(large: RegimeModel, points: FloatArray, known: Any) -> str:
    """Probabilities, variances and such that the hypothesis puts to zero."""
    base = large.layout.expand(np.zeros(large.layout.k_free))
    own = [
        complete(large, point) for point in (base, *(base + c for c in large.layout.expansion.T))
    ]
    full = [complete(large, np.where(known, point, np.nan)) for point in points]
    names = []
    for name in full[0]:
        group = name.split("[", 1)[0]
        free = len({point[name] for point in own}) > 1
        if free and all(abs(point[name]) <= 1e-12 for point in full):
            variance = group.endswith("_cov") and _diagonal(name, large.regime_names)
            if group in _POSITIVE or variance:
                names.append(f"{name} = 0")
    return BOUNDARY.format(names=", ".join(names)) if names else ""


def _diagonal(name: str, regimes: Sequence[str]) -> bool:
    labels = name.split("[", 1)[1].rstrip("]").split(",")
    labels = labels[:-1] if labels[-1] in regimes else labels
    return len(labels) == 2 and labels[0] == labels[1]
