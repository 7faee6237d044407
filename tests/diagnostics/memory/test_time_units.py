"""From rows to units of time."""

from __future__ import annotations

import pytest

from rnnstats.diagnostics.memory.time_units import Scale, scale_of
from rnnstats.errors import SpecificationError


@pytest.mark.parametrize(
    ("step", "unit", "length"),
    [
        ("quarters", "years", 0.25),
        ("months", "quarters", 1 / 3),
        ("months", "years", 1 / 12),
        ("weeks", "days", 7.0),
        ("business days", "weeks", 0.2),
        ("steps of 2 weeks", "days", 14.0),
        ("steps of 15 minutes", "hours", 0.25),
        ("steps of 3 business days", "weeks", 0.6),
        ("hours", "seconds", 3600.0),
        ("years", "days", 365.2425),
    ],
)
def test_length_of_a_row(step: str, unit: str, length: float) -> None:
    found = scale_of(step, None, unit, caller="f")
    assert found.unit == unit
    assert found.length == pytest.approx(length, rel=1e-14)


@pytest.mark.parametrize(
    ("unit", "single"),
    [
        ("quarters", "quarter"), ("steps of 2 weeks", "step of 2 weeks"), ("rows", "row"),
        ("units of time", "unit of time"), ("business days", "business day"),
    ],
)  # fmt: skip
def test_one_of_a_unit(unit: str, single: str) -> None:
    assert Scale(1.0, unit).single == single


def test_defaults_and_given_lengths() -> None:
    assert scale_of("quarters", None, None, caller="f") == Scale(1.0, "quarters")
    assert scale_of("rows", 0.01, None, caller="f") == Scale(0.01, "units of time")
    assert scale_of("rows", 1.0, None, caller="f") == Scale(1.0, "rows")
    assert scale_of("rows", 0.01, "furlongs", caller="f") == Scale(0.01, "furlongs")


@pytest.mark.parametrize(
    ("step", "dt", "unit", "words"),
    [
        ("rows", None, "years", "unit needs an index that tells how long a row is; got rows"),
        ("quarters", None, "year", "Did you mean 'years'"),
        ("quarters", 0.0, None, "dt must be greater than 0"),
        ("quarters", 1.0, 3, "unit must be the name"),
        ("steps of 3C-x", None, "days", "Give the length of a row in days as dt"),
    ],
)
def test_refusals(step: str, dt: float | None, unit: object, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        scale_of(step, dt, unit, caller="f")  # type: ignore[arg-type]
