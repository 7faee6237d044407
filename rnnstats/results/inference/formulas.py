"""Formulas in parameter names: read without evaluating code, with exact derivatives.

A small grammar of its own: numbers, parameter names as they are printed (brackets, commas and
blanks included), ``+ - * / **``, brackets, and ``log exp sqrt abs``. Every expression knows its
value and gradient (forward differentiation) and, where it is linear, its coefficients.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from rnnstats._checks import suggest
from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FloatArray

__all__ = ["Dual", "Equation", "Expression", "read_equations", "unknown_name"]


class Dual(NamedTuple):
    """A number with its gradient, shape (K,)."""

    value: float
    slope: FloatArray


def _log(x: Dual) -> Dual:
    return Dual(math.log(x.value), x.slope / x.value)


def _exp(x: Dual) -> Dual:
    value = math.exp(x.value)
    return Dual(value, x.slope * value)


def _sqrt(x: Dual) -> Dual:
    value = math.sqrt(x.value)
    return Dual(value, x.slope / (2.0 * value))


def _abs(x: Dual) -> Dual:
    """Absolute value; at zero there is no derivative."""
    sign = math.copysign(1.0, x.value) if x.value != 0.0 else math.nan
    return Dual(abs(x.value), x.slope * sign if x.slope.any() else x.slope)


def _divide(x: Dual, y: Dual) -> Dual:
    ratio = x.value / y.value
    return Dual(ratio, (x.slope - ratio * y.slope) / y.value)


def _power(x: Dual, y: Dual) -> Dual:
    value = math.pow(x.value, y.value)
    slope = np.zeros_like(x.slope)
    if x.slope.any() and y.value != 0.0:
        slope = slope + y.value * math.pow(x.value, y.value - 1.0) * x.slope
    if y.slope.any():
        slope = slope + value * math.log(x.value) * y.slope
    return Dual(value, slope)


_FUNCTIONS: Mapping[str, Callable[[Dual], Dual]] = MappingProxyType(
    {"log": _log, "exp": _exp, "sqrt": _sqrt, "abs": _abs}
)
_SIGNS: Mapping[str, Callable[[Dual, Dual], Dual]] = MappingProxyType(
    {
        "+": lambda x, y: Dual(x.value + y.value, x.slope + y.slope),
        "-": lambda x, y: Dual(x.value - y.value, x.slope - y.slope),
        "*": lambda x, y: Dual(x.value * y.value, y.value * x.slope + x.value * y.slope),
        "/": _divide,
        "**": _power,
    }
)


@dataclass(frozen=True, slots=True)
class Expression:
    """A node of a formula.

    Attributes
    ----------
    kind : str
        "number", "name", a sign, or the name of a function.
    number : float
        Of a number its value, of a name its place among the parameters.
    parts : tuple of Expression
        What the sign or function acts on.
    """

    kind: str
    number: float = 0.0
    parts: tuple[Expression, ...] = ()

    def at(self, theta: FloatArray) -> Dual:
        """Value and gradient.

        Parameters
        ----------
        theta : ndarray of shape (K,)

        Returns
        -------
        Dual
            NaN where the expression has no value or no derivative.
        """
        if self.kind == "number":
            return Dual(self.number, np.zeros(theta.size))
        if self.kind == "name":
            place = int(self.number)
            return Dual(float(theta[place]), np.eye(1, theta.size, place)[0])
        found = [part.at(theta) for part in self.parts]
        try:
            if self.kind in _FUNCTIONS:
                return _FUNCTIONS[self.kind](found[0])
            return _SIGNS[self.kind](found[0], found[1])
        except (ValueError, ZeroDivisionError, OverflowError):
            return Dual(math.nan, np.full(theta.size, math.nan))

    def coefficients(self, size: int) -> FloatArray | None:
        """Coefficients of the parameters, the constant last.

        Parameters
        ----------
        size : int
            Number of parameters K.

        Returns
        -------
        ndarray of shape (K + 1,), or None if the expression is not linear
        """
        row = np.zeros(size + 1)
        if self.kind in ("number", "name"):
            row[-1 if self.kind == "number" else int(self.number)] = (
                self.number if self.kind == "number" else 1.0
            )
            return row
        parts = [part.coefficients(size) for part in self.parts]
        rows = [part for part in parts if part is not None]
        if len(rows) < len(parts):
            return None
        constant = [not one[:-1].any() for one in rows]
        if all(constant):
            row[-1] = self.at(np.zeros(size)).value
        elif self.kind in ("+", "-"):
            row += rows[0] + (1.0 if self.kind == "+" else -1.0) * rows[1]
        elif self.kind == "*" and any(constant):
            row += rows[0] * rows[1][-1] if constant[1] else rows[1] * rows[0][-1]
        elif self.kind == "/" and constant[1]:
            row += rows[0] / rows[1][-1]
        elif self.kind == "**" and constant[1] and rows[1][-1] == 1.0:
            row += rows[0]
        else:
            return None
        return row


@dataclass(frozen=True, slots=True)
class Equation:
    """Two expressions that are said to be equal.

    Attributes
    ----------
    text : str
        As written, with single blanks.
    left, right : Expression
    """

    text: str
    left: Expression
    right: Expression

    @property
    def gap(self) -> Expression:
        """Left side less the right one."""
        return Expression("-", parts=(self.left, self.right))


def unknown_name(caller: str, name: str, names: Sequence[str]) -> str:
    """Word the message about a name that is no parameter.

    Parameters
    ----------
    caller, name : str
    names : sequence of str
        Parameters of the model.

    Returns
    -------
    str
    """
    near = suggest(name, list(names))
    return (
        f"{caller}: constraints must name parameters of the model; got {name!r}.{near} "
        f"Parameters: {', '.join(names)}."
    )


def read_equations(text: str, names: Sequence[str], *, caller: str) -> tuple[Equation, ...]:
    """Read formulas separated by commas, semicolons or line breaks.

    Parameters
    ----------
    text : str
        Such as ``"K[h1,y] / W_h[h1,h1] = 1, log(obs_cov[y,y])"``. Without ``=`` the right side is
        zero; ``a = b = c`` are two equations.
    names : sequence of str, length K
        Parameters of the model.
    caller : str

    Returns
    -------
    tuple of Equation

    Raises
    ------
    SpecificationError
        Unknown names, signs that are not understood, an empty text, an equation without a
        parameter, or a division by the number zero.
    """
    return _Reader(text, names, caller).equations()


class _Reader:
    """Recursive descent over tokens."""

    def __init__(self, text: str, names: Sequence[str], caller: str) -> None:
        self._names = list(names)
        self._caller = caller
        self._tokens = self._split(text)
        self._at = 0

    def _split(self, text: str) -> list[str]:
        """Cut into names, numbers and signs; names may hold blanks, brackets and commas."""
        by_length = sorted(self._names, key=len, reverse=True)
        patterns = []
        for name in by_length:
            body = re.escape(name).replace(",", r"\s*,\s*").replace(r"\[", r"\[\s*")
            patterns.append(body.replace(r"\]", r"\s*\]"))
        number = r"(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?"
        known = "|".join(f"(?:{pattern})(?![\\w\\[])" for pattern in patterns)
        functions = "|".join(_FUNCTIONS)
        token = re.compile(
            rf"(?P<name>{known})|(?P<function>(?:{functions})(?=\s*\())|(?P<number>{number})"
            r"|(?P<sign>\*\*|[-+*/()=,;\n])"
        )
        tokens, at = [], 0
        while at < len(text):
            if text[at] in " \t\r":
                at += 1
                continue
            match = token.match(text, at)
            if match is None:
                wrong = re.match(r"\w+(?:\[[^\]]*\])?|.", text[at:])
                raise SpecificationError(
                    unknown_name(self._caller, wrong.group() if wrong else text[at:], self._names)
                )
            tokens.append(self._canonical(match))
            at = match.end()
        return tokens

    def _canonical(self, match: re.Match[str]) -> str:
        text = match.group()
        if match.lastgroup != "name" or text in self._names:
            return ";" if text in {",", "\n"} else text
        squeezed = {re.sub(r"\s+", "", name): name for name in self._names}
        return squeezed[re.sub(r"\s+", "", text)]

    def equations(self) -> tuple[Equation, ...]:
        """Read all equations."""
        found: list[Equation] = []
        while self._at < len(self._tokens):
            if self._peek() == ";":
                self._at += 1
                continue
            found += self._equation()
        if not found:
            raise SpecificationError(
                f"{self._caller}: there must be a constraint; got an empty text. "
                f"For example '{self._names[0]} = 0'."
            )
        return tuple(found)

    def _peek(self) -> str | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _take(self) -> str:
        token = self._peek()
        if token is None:
            raise self._error("the end of the text")
        self._at += 1
        return token

    def _error(self, got: str) -> SpecificationError:
        return SpecificationError(
            f"{self._caller}: constraints are expressions of parameters joined by '=', with the "
            f"signs + - * / ** and {', '.join(_FUNCTIONS)}; got {got}. "
            f"For example '2 * {self._names[0]} - 1 = 0'."
        )

    def _equation(self) -> list[Equation]:
        sides, words = [], []
        while True:
            begin = self._at
            sides.append(self._sum())
            words.append(_spaced(self._tokens[begin : self._at]))
            if self._peek() != "=":
                break
            self._at += 1
        if self._peek() not in (None, ";"):
            raise self._error(f"{self._peek()!r}")
        if len(sides) == 1:
            sides.append(Expression("number", 0.0))
            found = [Equation(words[0], *sides)]
        else:
            found = [
                Equation(f"{words[i]} = {words[i + 1]}", left, right)
                for i, (left, right) in enumerate(pairwise(sides))
            ]
        for equation in found:
            row = equation.gap.coefficients(len(self._names))
            if row is not None and not row[:-1].any():
                raise self._error("a constraint without a parameter")
        return found

    def _sum(self) -> Expression:
        total = self._product()
        while (sign := self._peek()) in ("+", "-"):
            self._at += 1
            total = Expression(sign, parts=(total, self._product()))
        return total

    def _product(self) -> Expression:
        value = self._factor()
        while (sign := self._peek()) in ("*", "/"):
            self._at += 1
            other = self._factor()
            row = other.coefficients(len(self._names))
            if sign == "/" and row is not None and not row.any():
                raise self._error("a division by zero")
            value = Expression(sign, parts=(value, other))
        return value

    def _factor(self) -> Expression:
        """A signed power: -x**2 is -(x**2), as in Python."""
        if self._peek() in ("+", "-"):
            sign = self._take()
            return Expression(sign, parts=(Expression("number", 0.0), self._factor()))
        base = self._atom()
        if self._peek() == "**":
            self._at += 1
            return Expression("**", parts=(base, self._factor()))
        return base

    def _atom(self) -> Expression:
        token = self._take()
        if token in self._names:
            return Expression("name", float(self._names.index(token)))
        if token == "(":
            inner = self._sum()
            if self._peek() != ")":
                raise self._error("a bracket that is not closed")
            self._at += 1
            return inner
        if token in _FUNCTIONS:
            return Expression(token, parts=(self._atom(),))
        if token[0].isdigit() or token[0] == ".":
            return Expression("number", float(token))
        raise self._error(f"{token!r}")


def _spaced(tokens: Sequence[str]) -> str:
    """Put tokens together again, with blanks around the signs between two values."""
    text = ""
    for i, token in enumerate(tokens):
        between = i > 0 and tokens[i - 1] not in ("(", "+", "-", "*", "/", "**")
        text += f" {token} " if token in ("+", "-", "*", "/") and between else token
    return text
