"""Whether one recurrent network is a special case of another, and regularly so.

References
----------
Davies (1987), Biometrika 74, 33-43, and Hansen (1996), Econometrica 64, 413-430 (parameters without
meaning under the hypothesis). Teräsvirta, Lin and Granger (1993), Journal of Time Series Analysis
14, 209-220 (tests of linearity that avoid them).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from rnnstats.errors import SpecificationError
from rnnstats.results.inference.likelihood_ratio import refuse_absent_inputs
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.states.states import unit_names

__all__ = ["nested_networks"]

WAY = (
    "the weights of the other units have no meaning under the hypothesis, and the statistic is not "
    "chi-squared (Davies 1987). Use test_linearity() for units against none, or bootstrap() of the "
    "smaller model; or compare aic or bic."
)
# What two networks must have in common.
_SAME = (
    ("architecture.cells", "cells"),
    ("head.name", "head"),
    ("presample", "presample"),
    ("initial", "initial"),
)


def nested_networks(small: Any, large: Any) -> str:
    """Refuse recurrent networks that are not nested, or not regularly.

    Parameters
    ----------
    small, large : RecurrentModel
        The one with fewer and the one with more free parameters.

    Returns
    -------
    str
        What to know before a p-value is used; empty for a regular test.

    Raises
    ------
    SpecificationError
        Other cells, heads, starts or numbers of units, a penalty, or a hypothesis that leaves a
        unit without effect or without input.
    """
    if small.penalty or large.penalty:
        raise SpecificationError(
            "lr_test: both must be maximum-likelihood fits; got a penalised one, whose "
            "log-likelihood is not at its maximum. Use penalty=0."
        )
    refuse_absent_inputs(small, large)
    if small.architecture.units != large.architecture.units:
        got = [" + ".join(map(str, model.architecture.units)) for model in (small, large)]
        raise SpecificationError(
            f"lr_test: both models must have the same units; got {got[0]} and {got[1]}. With fewer "
            f"units {WAY}"
        )
    for path, word in _SAME:
        one, two = (_read(model, path) for model in (small, large))
        if one != two and word == "cells" and "identity" in str((one, two)):
            raise SpecificationError(
                "lr_test: both models must have the same cells; got a linear network and another, "
                "which nests it only as a limit where weights have no meaning, so that the "
                "statistic is not chi-squared (Davies 1987). Use test_linearity('bootstrap')."
            )
        if one != two:
            raise SpecificationError(
                f"lr_test: both models must have the same {word}; got {_shown(one)} and "
                f"{_shown(two)}. Compare aic or bic."
            )
    points = _embedded(small, large)
    _refuse_idle(large, points)
    return ""


def _read(model: Any, path: str) -> Any:
    for name in path.split("."):
        model = getattr(model, name)
    return model


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else str(value)


def _embedded(small: Any, large: Any) -> FloatArray:
    """Points (n, K) of the larger model that span the smaller one; what that lacks is zero."""
    base = small.layout.expand(np.zeros(small.layout.k_free))
    own = [base, *(base + column for column in small.layout.expansion.T)]
    lost = [name for name in small.param_names if name not in large.param_names]
    for name in lost:
        place = small.param_names.index(name)
        if {float(point[place]) for point in own} != {0.0}:
            raise SpecificationError(
                f"lr_test: the model with fewer parameters must be nested in the other; got {name} "
                "in the smaller one only. Compare aic or bic."
            )
    places = {name: i for i, name in enumerate(small.param_names)}
    points = np.array(
        [[point[places[n]] if n in places else 0.0 for n in large.param_names] for point in own]
    )
    inside = np.array([large.layout.expand(large.layout.reduce(point)) for point in points])
    wrong = (np.abs(inside - points) > 1e-12 * (1.0 + np.abs(points))).any(axis=0)
    if wrong.any():
        names = [name for name, out in zip(large.param_names, wrong, strict=True) if out]
        raise SpecificationError(
            f"lr_test: the model with fewer parameters must be nested in the other; got "
            f"restrictions of the larger one on {', '.join(names)} that the smaller one does not "
            "obey. Compare aic or bic."
        )
    return points


def _refuse_idle(large: Any, points: FloatArray) -> None:
    """Refuse hypotheses under which a unit has no effect, or no input but a constant."""
    zero = ~points.any(axis=0)
    names = np.array(large.param_names, dtype=object)
    free = large.layout.expansion.any(axis=1)
    parts = [_parts(name) for name in large.param_names]
    for layer in unit_names(large.architecture):
        for unit in layer[0]:
            leaves = np.array([_leaves(part, unit) for part in parts])
            enters = np.array([_enters(part, unit) for part in parts])
            moved = np.array([_moves(part, unit) for part in parts])
            gone = _which(leaves, zero), _which(moved, zero)
            idle = "no effect" if gone[0] and (enters & free).any() else ""
            idle = idle or ("no input" if gone[1] and (leaves & free).any() else "")
            if idle:
                place = leaves if idle == "no effect" else moved
                raise SpecificationError(
                    f"lr_test: the hypothesis must leave each unit an input and an effect; got "
                    f"{', '.join(map(str, names[place]))} = 0, which leaves {unit} {idle}: {WAY}"
                )


def _which(place: Any, zero: Any) -> bool:
    return bool(place.any() and zero[place].all())


def _parts(name: str) -> tuple[str, Sequence[str]]:
    group, _, label = name.partition("[")
    return group, label.rstrip("]").split(",")


def _leaves(part: tuple[str, Sequence[str]], unit: str) -> bool:
    """Whether a weight takes a unit to an output or to another unit."""
    group, label = part
    if group == "V":
        return len(label) == 2 and label[1] == unit
    weight = group.startswith(("W_h", "W_below"))
    return weight and len(label) == 2 and label[1] == unit and label[0] != unit


def _enters(part: tuple[str, Sequence[str]], unit: str) -> bool:
    """Whether a weight or constant makes a unit."""
    group, label = part
    return group.startswith(("W_", "b_h", "b_", "p_")) and label[0] == unit


def _moves(part: tuple[str, Sequence[str]], unit: str) -> bool:
    """Whether a weight takes anything that varies over rows to a unit, itself left out."""
    group, label = part
    return group.startswith("W_") and len(label) == 2 and label[0] == unit and label[1] != unit
