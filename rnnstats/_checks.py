"""Checks of arguments at the door, all with messages of one form, and how to warn."""

from __future__ import annotations

import difflib
import operator
import os
import sys
import warnings
from collections.abc import Sequence
from typing import SupportsIndex, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from rnnstats.errors import DataError, SpecificationError

__all__ = [
    "by_name",
    "check_alpha",
    "check_bool",
    "check_float",
    "check_generator",
    "check_int",
    "check_jobs",
    "check_literal",
    "is_symmetric",
    "listed",
    "shown",
    "suggest",
    "warn",
]

T = TypeVar("T")

_PACKAGE = os.path.dirname(os.path.abspath(__file__)) + os.sep


def suggest(value: object, known: Sequence[object]) -> str:
    """Make the sentence that offers the nearest known name.

    Parameters
    ----------
    value : object
        What was given.
    known : sequence
        The names that exist.

    Returns
    -------
    str
        ``" Did you mean 'x'?"`` with a leading space, or an empty string if nothing is near.
    """
    if not isinstance(value, str):
        return ""
    names = [name for name in known if isinstance(name, str)]
    near = difflib.get_close_matches(value, names, n=1)
    if not near:
        folded = {name.lower(): name for name in names}
        near = [folded[value.lower()]] if value.lower() in folded else []
    return f" Did you mean {near[0]!r}?" if near else ""


def check_literal(value: object, allowed: Sequence[T], *, name: str, caller: str) -> T:
    """Return `value` if it is one of the allowed ones.

    Parameters
    ----------
    value : object
        What the user gave.
    allowed : sequence
        The values allowed; ``typing.get_args`` of a Literal gives them.
    name : str
        The argument's name.
    caller : str
        Class or function that the user called.

    Returns
    -------
    object
        The allowed value that equals `value` and has its type (True is not 1).

    Raises
    ------
    SpecificationError
        If `value` is none of them.
    """
    for option in allowed:
        if type(option) is type(value) and option == value:
            return option
    words = ", ".join(repr(option) for option in allowed)
    rule = f"must be one of {words}" if len(allowed) > 1 else f"must be {words}"
    hint = suggest(value, allowed)
    raise SpecificationError(f"{caller}: {name} {rule}; got {shown(value)}.{hint}")


def check_int(
    value: object,
    *,
    name: str,
    caller: str,
    minimum: int | None = None,
    maximum: int | None = None,
    hint: str = "",
) -> int:
    """Return `value` as an int if it is a whole number within bounds.

    Parameters
    ----------
    value : object
        What the user gave: an int or a NumPy integer; a bool or a float is refused.
    name : str
        The argument's name.
    caller : str
        Class or function that the user called.
    minimum, maximum : int, optional
        Bounds, both included.
    hint : str, optional
        A sentence with the way out, put at the end of the message.

    Returns
    -------
    int
        The number.

    Raises
    ------
    SpecificationError
        If it is no whole number, or outside the bounds.
    """
    number: int | None = None
    indexes = (int, SupportsIndex)  # to ask for a protocol takes long
    if isinstance(value, indexes) and not isinstance(value, (bool, np.bool_, np.ndarray)):
        number = operator.index(value)
    if number is None:
        raise SpecificationError(
            _message(caller, name, "must be a whole number", shown(value), hint)
        )
    if minimum is not None and number < minimum:
        raise SpecificationError(
            _message(caller, name, f"must be at least {minimum}", number, hint)
        )
    if maximum is not None and number > maximum:
        raise SpecificationError(_message(caller, name, f"must be at most {maximum}", number, hint))
    return number


def check_float(
    value: object,
    *,
    name: str,
    caller: str,
    above: float = -np.inf,
    below: float = np.inf,
    hint: str = "",
) -> float:
    """Return `value` as a float if it is a finite number strictly between two bounds.

    Parameters
    ----------
    value : object
        What the user gave: a real number; a bool is refused.
    name : str
        The argument's name.
    caller : str
        Class or function that the user called.
    above, below : float, optional
        Bounds, both excluded.
    hint : str, optional
        A sentence with the way out, put at the end of the message.

    Returns
    -------
    float
        The number.

    Raises
    ------
    SpecificationError
        If it is no number, not finite, or not between the bounds.
    """
    number = np.nan
    if isinstance(value, (int, float, np.integer, np.floating)) and not isinstance(value, bool):
        number = float(value)
    if not np.isfinite(number):
        raise SpecificationError(
            _message(caller, name, "must be a finite number", shown(value), hint)
        )
    if not above < number < below:
        if np.isinf(below):
            rule = f"must be greater than {above:g}"
        elif np.isinf(above):
            rule = f"must be less than {below:g}"
        else:
            rule = f"must lie strictly between {above:g} and {below:g}"
        raise SpecificationError(_message(caller, name, rule, shown(value), hint))
    return number


def check_alpha(alpha: float, caller: str) -> float:
    """Turn one minus a coverage into a normal quantile.

    Parameters
    ----------
    alpha : float
        Strictly between 0 and 1.
    caller : str
        Method that the user called, for messages.

    Returns
    -------
    float
        The quantile of a two-sided interval.

    Raises
    ------
    SpecificationError
        `alpha` is not between 0 and 1.
    """
    hint = "alpha=0.05 gives 95 % intervals."
    alpha = check_float(alpha, name="alpha", caller=caller, above=0.0, below=1.0, hint=hint)
    return float(ndtri(1.0 - alpha / 2.0))


def check_bool(value: object, *, name: str, caller: str) -> bool:
    """Return `value` as a bool if it is True or False.

    Parameters
    ----------
    value : object
        What the user gave; 0, 1 and strings are refused.
    name : str
        The argument's name.
    caller : str
        Class or function that the user called.

    Returns
    -------
    bool
        The value.

    Raises
    ------
    SpecificationError
        If it is neither.
    """
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    raise SpecificationError(_message(caller, name, "must be True or False", shown(value), ""))


def check_generator(rng: object, *, caller: str) -> np.random.Generator:
    """Return the random generator meant by an argument `rng`.

    Parameters
    ----------
    rng : None, int, numpy.random.SeedSequence or numpy.random.Generator
        None draws a seed from the operating system; a generator is used, and moved on, as it is.
    caller : str
        Class or function that the user called.

    Returns
    -------
    numpy.random.Generator
        The generator.

    Raises
    ------
    SpecificationError
        If it is none of these; the legacy ``numpy.random.RandomState`` is among the refused.
    """
    if rng is None or isinstance(rng, (np.random.Generator, np.random.SeedSequence)):
        return np.random.default_rng(rng)
    if isinstance(rng, (int, np.integer)) and not isinstance(rng, bool) and rng >= 0:
        return np.random.default_rng(int(rng))
    rule = "must be None, a non-negative whole number or a numpy.random.Generator"
    way_out = "Use numpy.random.default_rng(seed)."
    raise SpecificationError(_message(caller, "rng", rule, shown(rng), way_out))


def check_jobs(value: object, *, caller: str) -> int:
    """
    Check ``n_jobs``.

    Parameters
    ----------
    value : object
    caller : str

    Returns
    -------
    int

    Raises
    ------
    SpecificationError
        It is neither -1 nor at least 1.
    """
    number = check_int(value, name="n_jobs", caller=caller, minimum=-1)
    if number == 0:
        raise SpecificationError(
            f"{caller}: n_jobs must be at least 1, or -1 for all processors; got 0. Use 1."
        )
    return number


def is_symmetric(cov: NDArray[np.float64], tol: float = 1e-8) -> bool:
    """
    Tell whether a covariance matrix is finite and symmetric but for rounding.

    Parameters
    ----------
    cov : ndarray, shape (k, k)
    tol : float
        In units of the standard deviations, so that units do not matter.

    Returns
    -------
    bool
    """
    sizes = np.sqrt(np.abs(np.diagonal(cov)))
    gap = np.abs(cov - cov.T)
    return bool(np.isfinite(cov).all() and (gap <= tol * np.outer(sizes, sizes)).all())


def _message(caller: str, name: str, rule: str, got: object, hint: str) -> str:
    """Put the parts of a message together."""
    return f"{caller}: {name} {rule}; got {got}." + (f" {hint}" if hint else "")


def listed(names: Sequence[str], most: int = 8) -> str:
    """Names in a sentence, the first of many.

    Parameters
    ----------
    names : sequence of str
    most : int
        Names that are listed.

    Returns
    -------
    str
    """
    rest = len(names) - most
    # one more name is no longer than saying that there is one
    return ", ".join(names) if rest <= 1 else f"{', '.join(names[:most])} and {rest} more"


def shown(value: object) -> str:
    """Show a value in at most 60 characters.

    Parameters
    ----------
    value : object
        Anything.

    Returns
    -------
    str
        Its representation in one line, cut where it is longer.
    """
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:56]} ..."


def by_name(data: object, names: Sequence[str], *, what: str, caller: str) -> list[int]:
    """Find the places of the columns of a table that belong to given names.

    Parameters
    ----------
    data : object
        What has no ``columns`` goes by position.
    names : sequence of str
    what, caller : str
        For the message.

    Returns
    -------
    list of int
        Where each name is; 0, 1, ... for a table with other names.

    Raises
    ------
    DataError
        One of the names in another place, beside foreign ones.
    """
    given = [str(label) for label in getattr(data, "columns", ())]
    if len(given) == len(names) and set(given) == set(names):
        return [given.index(name) for name in names]
    pairs = zip(names, given, strict=False)
    moved = [name for name, there in pairs if name != there and name in given]
    if moved:
        raise DataError(
            f"{caller}: {what} must have the columns {', '.join(names)}, or others in their order; "
            f"got {', '.join(given)}, with {moved[0]!r} in another place. Rename them, or pass an "
            "array."
        )
    return list(range(len(names)))


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user that called into the package, however deep this is.

    Parameters
    ----------
    message : str
        What is the matter, and the way out.
    category : type
        One of the warnings of `rnnstats.errors`.

    Notes
    -----
    The line is the one that called the outermost function of the package on the stack, so that
    ``functools``, pandas or joblib may lie between.
    """
    level = depth = 1
    frame = sys._getframe()
    while frame.f_back is not None:
        depth += 1
        if frame.f_code.co_filename.startswith(_PACKAGE):
            level = depth
        frame = frame.f_back
    warnings.warn(message, category, stacklevel=level)
