"""Errors and warnings of the package.

Every error is an `RnnStatsError`, and also the built-in exception that a caller would expect.
Messages have one form: ``Caller: rule; got value. Way out.``
"""

from __future__ import annotations

__all__ = [
    "RnnStatsError",
    "DataError",
    "SpecificationError",
    "NotPositiveDefiniteError",
    "NotStationaryError",
    "MissingDependencyError",
    "CompiledCoreWarning",
    "ConvergenceWarning",
    "ConversionWarning",
    "IndexWarning",
]


class RnnStatsError(Exception):
    """Base class of all errors raised by this package."""


class DataError(RnnStatsError, ValueError):
    """The data cannot be used: wrong type, not finite, no observation, unusable index."""


class SpecificationError(RnnStatsError, ValueError):
    """An argument has a value that is not allowed, alone or together with the others."""


class NotPositiveDefiniteError(RnnStatsError, ValueError):
    """A covariance matrix that must be positive (semi-)definite is not.

    Parameters
    ----------
    message : str
        What is wrong, and the way out.
    period : int, optional
        Row of the data (0-based) at which it was found; None where no row is to blame.

    Attributes
    ----------
    period : int or None
        Row of the data (0-based) at which it was found.
    """

    def __init__(self, message: str, *, period: int | None = None) -> None:
        super().__init__(message)
        self.period = period


class NotStationaryError(RnnStatsError, ValueError):
    """A stationary start was asked for and the transition matrix has a root outside the circle."""


class MissingDependencyError(RnnStatsError, ImportError):
    """A package that an optional feature needs is not installed; the message says which extra."""


class CompiledCoreWarning(UserWarning):
    """The compiled core cannot be imported; the slower NumPy twins compute the same numbers."""


class ConvergenceWarning(UserWarning):
    """An optimisation stopped before its criteria were met; the results keep the record."""


class ConversionWarning(UserWarning):
    """A model was taken over in another form than given; the message says what is different."""


class IndexWarning(UserWarning):
    """The index cannot be read as equally spaced time where that matters."""
