"""Which head an argument asks for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from rnnstats._checks import check_int, check_literal, shown
from rnnstats.errors import DataError, SpecificationError
from rnnstats.families.base import ScalarFamily
from rnnstats.families.binomial import Binomial
from rnnstats.families.gamma import Gamma
from rnnstats.families.negative_binomial import NegativeBinomial
from rnnstats.families.poisson import Poisson
from rnnstats.families.student_t import StudentT
from rnnstats.models.recurrent.heads.base import Head
from rnnstats.models.recurrent.heads.categorical import CategoricalHead
from rnnstats.models.recurrent.heads.gaussian import GaussianHead
from rnnstats.models.recurrent.heads.scalar import ScalarHead

__all__ = ["HEADS", "HeadLike", "HeadName", "HeadRequest", "make_head", "read_head"]

HeadName = Literal[
    "gaussian",
    "student-t",
    "poisson",
    "negative-binomial",
    "bernoulli",
    "binomial",
    "categorical",
    "gamma",
]
HeadLike = HeadName | Mapping[str, Any]
HEADS: tuple[HeadName, ...] = get_args(HeadName)
_OPTIONS = {"binomial": ("trials",), "categorical": ("levels",)}


@dataclass(frozen=True)
class HeadRequest:
    """A head as asked for.

    Attributes
    ----------
    family : str
    trials : int
        Of a binomial output.
    levels : tuple or None
        Categories, where the user gave them or the data were read.
    """

    family: HeadName
    trials: int = 1
    levels: tuple[Any, ...] | None = None

    @property
    def argument(self) -> str | dict[str, Any]:
        """The same as a constructor takes it."""
        if self.family == "binomial":
            return {"family": self.family, "trials": self.trials}
        if self.levels is not None:
            return {"family": self.family, "levels": list(self.levels)}
        return self.family


def read_head(value: object, caller: str) -> HeadRequest:
    """
    Check ``head``.

    Parameters
    ----------
    value : str or mapping
        A name, or ``{"family": name, option: value}`` with the option "trials" of "binomial" and
        "levels" of "categorical".
    caller : str

    Returns
    -------
    HeadRequest

    Raises
    ------
    SpecificationError
        For an unknown name or option.
    """
    options: dict[str, Any] = {}
    if isinstance(value, Mapping):
        options = {str(key): item for key, item in value.items()}
        value = options.pop("family", None)
    family = check_literal(value, HEADS, name="head", caller=caller)
    allowed = _OPTIONS.get(family, ())
    for name in options:
        if name not in allowed:
            rule = f"takes the option {allowed[0]!r}" if allowed else "takes no options"
            raise SpecificationError(
                f"{caller}: head {family!r} {rule}; got {name!r}. Leave it out."
            )
    if family == "binomial":
        if "trials" not in options:
            raise SpecificationError(
                f"{caller}: head 'binomial' needs the number of trials; got none. Give "
                "{'family': 'binomial', 'trials': 10}, or use 'bernoulli' for zeros and ones."
            )
        trials = check_int(options["trials"], name="trials", caller=caller, minimum=1)
        return HeadRequest(family, trials=trials)
    levels = options.get("levels")
    if levels is not None and (isinstance(levels, str) or not hasattr(levels, "__iter__")):
        raise SpecificationError(
            f"{caller}: levels must be a list of categories; got {shown(levels)}. Leave it out to "
            "take those that occur."
        )
    return HeadRequest(family, levels=None if levels is None else tuple(levels))


def make_head(
    request: HeadRequest, outputs: tuple[str, ...], levels: tuple[str, ...] | None, caller: str
) -> Head:
    """
    Make the head of a model.

    Parameters
    ----------
    request : HeadRequest
    outputs : tuple of str
    levels : tuple of str or None
        Categories of a categorical output as text.
    caller : str

    Returns
    -------
    Head

    Raises
    ------
    SpecificationError
        For several categorical outputs.
    DataError
        For a categorical output with one category.
    """
    if request.family == "gaussian":
        return GaussianHead(outputs)
    if request.family != "categorical":
        return ScalarHead(_family(request), outputs)
    if len(outputs) > 1:
        raise SpecificationError(
            f"{caller}: head 'categorical' is for one output; got {len(outputs)} "
            f"({', '.join(outputs)}). Make one column of their combinations."
        )
    if levels is None or len(levels) < 2:
        raise DataError(
            f"{caller}: a categorical output must have at least two categories; got "
            f"{shown(levels)}. A column that does not vary needs no model."
        )
    return CategoricalHead(outputs[0], levels)


def _family(request: HeadRequest) -> ScalarFamily:
    if request.family == "student-t":
        return StudentT()
    if request.family == "poisson":
        return Poisson()
    if request.family == "negative-binomial":
        return NegativeBinomial()
    if request.family == "gamma":
        return Gamma()
    return Binomial(request.trials)
