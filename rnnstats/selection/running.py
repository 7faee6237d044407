"""What every choice among fits needs: quiet fits, and reading their records."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from rnnstats._checks import warn
from rnnstats.errors import ConvergenceWarning, SpecificationError

__all__ = [
    "ended_early",
    "has_converged",
    "quietly",
    "refuse_unfitted",
    "warn_early_end",
]

T = TypeVar("T")
S = TypeVar("S")


def quietly(call: Callable[[], Any]) -> Any:
    """Call without warnings of convergence; the table shows what they would say.

    Parameters
    ----------
    call : callable
        Without arguments.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call()


def ended_early(results: Any) -> bool:
    """Whether the user stopped a fit.

    Parameters
    ----------
    results : Results or None
        None, where there was nothing to fit, was not stopped.
    """
    record = None if results is None else results.convergence
    return record is not None and record.message.startswith("interrupted")


def has_converged(results: Any) -> bool:
    """Whether the optimiser met its criteria.

    Parameters
    ----------
    results : Results
    """
    return results.convergence is None or bool(results.convergence.converged)


def warn_early_end(results: Any, fit: str, caller: str) -> None:
    """Warn where the chosen fit stopped early.

    Parameters
    ----------
    results : Results
    fit : str
        Which one it is, for the message.
    caller : str
    """
    if not has_converged(results):
        words = f"the fit of the chosen {fit} stopped early: {results.convergence.message}"
        warn(f"{caller}: {words}", ConvergenceWarning)


def refuse_unfitted(number: object, known: Sequence[int], *, name: str, what: str) -> None:
    """Refuse a number that was not fitted.

    Parameters
    ----------
    number : object
    known : sequence of int
    name : str
        Of the argument, with its method.
    what : str
        What the numbers are.

    Raises
    ------
    SpecificationError
    """
    if number not in known:
        raise SpecificationError(
            f"{name} must be {what} that was fitted; got {number!r}. Fitted are "
            f"{', '.join(str(n) for n in known)}."
        )
