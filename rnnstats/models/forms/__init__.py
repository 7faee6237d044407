"""Identified coordinates of the linear model, each as a table of cells.

A form is a builder: it reads a `Request` and returns a `Form`, whose `CellTable` says which cell
of the state space is a number and which is a parameter. Everything else (likelihood, gradient,
restrictions, forecasts) works on the table alone, so that a new form is a new table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from rnnstats.models.forms.factor import factor
from rnnstats.models.forms.free import free
from rnnstats.models.forms.innovations import echelon_columns, generic_indices, innovations
from rnnstats.models.forms.leaky import leaky
from rnnstats.models.forms.observed import observed
from rnnstats.models.forms.request import TRENDS, Form, Request
from rnnstats.models.forms.structured import structured

__all__ = ["FORMS", "TRENDS", "Form", "Request", "echelon_columns", "generic_indices"]

FORMS: Mapping[str, Callable[[Request], Form]] = MappingProxyType(
    {
        "innovations": innovations,
        "observed": observed,
        "leaky": leaky,
        "factor": factor,
        "structured": structured,
        "free": free,
    }
)
