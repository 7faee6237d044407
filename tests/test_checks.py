"""Checks of arguments: what passes, what is refused, and in which words."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from rnnstats import errors
from rnnstats._checks import (
    check_bool,
    check_float,
    check_generator,
    check_int,
    check_literal,
    listed,
    shown,
    suggest,
)
from rnnstats.errors import SpecificationError


def test_literal_passes_and_refuses():
    allowed = ("innovations", "observed", None)
    assert check_literal("observed", allowed, name="form", caller="LinearRNN") == "observed"
    assert check_literal(None, allowed, name="form", caller="LinearRNN") is None
    with pytest.raises(SpecificationError) as caught:
        check_literal("inovations", allowed, name="form", caller="LinearRNN")
    assert str(caught.value) == (
        "LinearRNN: form must be one of 'innovations', 'observed', None; got 'inovations'. "
        "Did you mean 'innovations'?"
    )


@pytest.mark.parametrize("value", [True, 1.0, "1", np.array([1, 2])])
def test_literal_compares_types_too(value):
    with pytest.raises(SpecificationError, match="must be 1; got"):
        check_literal(value, (1,), name="order", caller="f")


@pytest.mark.parametrize("value", [3, np.int64(3), np.uint8(3), np.array(3)[()]])
def test_int_passes(value):
    number = check_int(value, name="k", caller="f", minimum=3, maximum=3)
    assert number == 3
    assert type(number) is int


@pytest.mark.parametrize("value", [True, np.True_, 3.0, "3", None, np.array(3), np.array([3])])
def test_int_refuses_what_is_no_whole_number(value):
    with pytest.raises(SpecificationError, match=r"^f: k must be a whole number; got "):
        check_int(value, name="k", caller="f")


def test_int_bounds_and_way_out():
    with pytest.raises(SpecificationError) as caught:
        check_int(0, name="k_states", caller="LinearRNN", minimum=1, hint="Use OLS.")
    assert str(caught.value) == "LinearRNN: k_states must be at least 1; got 0. Use OLS."
    with pytest.raises(SpecificationError, match="must be at most 5; got 6"):
        check_int(6, name="k", caller="f", maximum=5)


@pytest.mark.parametrize("value", [0.05, np.float32(0.05), 1, np.int32(1)])
def test_float_passes(value):
    number = check_float(value, name="alpha", caller="f", above=0)
    assert number == pytest.approx(float(value), abs=0)
    assert type(number) is float


@pytest.mark.parametrize("value", [np.nan, np.inf, True, "0.1", None, 1j, [0.1]])
def test_float_refuses_what_is_no_finite_number(value):
    with pytest.raises(SpecificationError, match="alpha must be a finite number; got"):
        check_float(value, name="alpha", caller="f")


@pytest.mark.parametrize(
    ("value", "bounds", "rule"),
    [
        (0, {"above": 0, "below": 1}, "must lie strictly between 0 and 1"),
        (1, {"above": 0, "below": 1}, "must lie strictly between 0 and 1"),
        (0, {"above": 0}, "must be greater than 0"),
        (2, {"below": 2}, "must be less than 2"),
    ],
)
def test_float_bounds_are_excluded(value, bounds, rule):
    with pytest.raises(SpecificationError, match=rule):
        check_float(value, name="alpha", caller="f", **bounds)


def test_bool():
    assert check_bool(np.False_, name="progress", caller="f") is False
    assert check_bool(True, name="progress", caller="f") is True
    for value in (1, 0, "yes", None):
        with pytest.raises(SpecificationError, match="progress must be True or False; got"):
            check_bool(value, name="progress", caller="f")


def test_generator_from_a_number_repeats_itself_and_a_generator_moves_on():
    first, second = (check_generator(7, caller="f").random() for _ in range(2))
    assert first == second
    generator = np.random.default_rng(1)
    assert check_generator(generator, caller="f") is generator
    assert check_generator(None, caller="f").random() != check_generator(None, caller="f").random()


@pytest.mark.parametrize("value", [-1, 1.5, True, "seed", np.random.RandomState(1)])
def test_generator_refuses(value):
    with pytest.raises(SpecificationError, match=r"rng must be None, .* numpy.random.default_rng"):
        check_generator(value, caller="f")


def test_suggest():
    assert suggest("robus", ["robust", "oim"]) == " Did you mean 'robust'?"
    assert suggest("OIM", ["robust", "oim"]) == " Did you mean 'oim'?"
    assert suggest("xyz", ["robust", "oim"]) == ""
    assert suggest(3, ["robust"]) == ""


def test_shown_is_one_short_line():
    assert shown("a\nb") == repr("a\nb")
    long = shown(np.arange(1000))
    assert len(long) <= 60
    assert "\n" not in long


def test_long_lists_are_cut():
    names = [f"w{i}" for i in range(361)]
    assert listed(names[:9]) == "w0, w1, w2, w3, w4, w5, w6, w7, w8"
    assert listed(names) == "w0, w1, w2, w3, w4, w5, w6, w7 and 353 more"
    assert listed(names, 1) == "w0 and 360 more"
    assert listed([]) == ""


def test_errors_are_also_the_builtin_ones():
    for name in errors.__all__:
        kind = getattr(errors, name)
        builtin = UserWarning if name.endswith("Warning") else errors.RnnStatsError
        assert issubclass(kind, builtin)
    assert issubclass(errors.DataError, ValueError)
    assert issubclass(errors.MissingDependencyError, ImportError)


def test_period_survives_the_way_to_another_process():
    error = errors.NotPositiveDefiniteError("f: no.", period=3)
    again = pickle.loads(pickle.dumps(error))
    assert again.period == 3
    assert str(again) == "f: no."
    assert errors.NotPositiveDefiniteError("f: no.").period is None
