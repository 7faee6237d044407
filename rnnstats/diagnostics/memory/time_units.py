"""From rows to the user's units of time."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, get_args

from rnnstats._checks import check_float, check_literal
from rnnstats.errors import SpecificationError

__all__ = ["Scale", "TimeUnit", "scale_of"]

TimeUnit = Literal[
    "years", "quarters", "months", "weeks", "days", "hours", "minutes", "seconds", "milliseconds",
    "microseconds", "nanoseconds",
]  # fmt: skip
# Days in each; a year is the mean one of the Gregorian calendar.
_YEAR = 365.2425
_DAYS = {
    "years": _YEAR, "quarters": _YEAR / 4.0, "months": _YEAR / 12.0, "weeks": 7.0, "days": 1.0,
    "hours": 1.0 / 24.0, "minutes": 1.0 / 1440.0, "seconds": 1.0 / 86400.0,
    "milliseconds": 1.0 / 86400e3, "microseconds": 1.0 / 86400e6, "nanoseconds": 1.0 / 86400e9,
    "business days": 1.4,
}  # fmt: skip


class Scale(NamedTuple):
    """Length of a row, and the unit that it is in."""

    length: float
    unit: str

    @property
    def single(self) -> str:
        """One of the units: "quarter", "step of 2 weeks", "unit of time"."""
        first, *rest = self.unit.split(" of ", 1)
        return " of ".join([first.removesuffix("s"), *rest])


def scale_of(step: str, dt: float | None, unit: Any, *, caller: str) -> Scale:
    """Find how long a row is in the unit that times are to be given in.

    Parameters
    ----------
    step : str
        What lies between two rows, as `Labels` has it: "quarters", "steps of 2 weeks", "rows".
    dt : float, optional
        Length of a row; by default what the index says.
    unit : str, optional
        Name of the unit: with `dt` any, otherwise one into which the index's steps are turned. By
        default a row.
    caller : str
        Function that the user called, for messages.

    Returns
    -------
    Scale

    Raises
    ------
    SpecificationError
        `dt` is not positive, or the index does not tell how long a row is.

    Notes
    -----
    A year has 365.2425 days, four quarters, twelve months; a week has five business days.
    """
    if dt is not None:
        length = check_float(dt, name="dt", caller=caller, above=0.0)
        if unit is None:
            return Scale(length, step if length == 1.0 else "units of time")
        if not (isinstance(unit, str) and unit):
            raise SpecificationError(
                f"{caller}: unit must be the name of a unit of time; got {unit!r}. For example "
                "unit='seconds'."
            )
        return Scale(length, unit)
    if unit is None:
        return Scale(1.0, step)
    wanted = check_literal(unit, get_args(TimeUnit), name="unit", caller=caller)
    number, name = 1.0, step
    words = step.split(" ", 3)
    if words[:2] == ["steps", "of"] and len(words) == 4 and words[2].isdigit():
        number, name = float(words[2]), words[3]
    if name not in _DAYS:
        raise SpecificationError(
            f"{caller}: unit needs an index that tells how long a row is; got {step}. Give the "
            f"length of a row in {wanted} as dt, too, or the data an index with a frequency."
        )
    return Scale(number * _DAYS[name] / _DAYS[wanted], wanted)
