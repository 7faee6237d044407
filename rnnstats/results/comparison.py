"""Hypotheses about parameters: constraints written with parameter names, likelihood ratios."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats._checks import suggest
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import (
    CovarianceEstimate,
    CovType,
    covariance,
    delta_method,
)
from rnnstats.results.protocol import FloatArray, StateSpaceModel

__all__ = [
    "Constraints",
    "LikelihoodRatioTest",
    "estimate_covariance",
    "likelihood_ratio",
    "parse_constraints",
    "testable",
    "without_fixed",
]

# Rounding allowed before a restricted maximum above the unrestricted one is an error.
SLACK = 1e-6
# Smallest eigenvalue of the correlations of hypotheses tested together, below which one of them is
# a combination of the others: rounding of a few hundred units in the last place.
DEPENDENT = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Linear constraints ``matrix @ params = value``, shapes (q, K) and (q,)."""

    matrix: FloatArray
    value: FloatArray


@dataclass(frozen=True, slots=True)
class LikelihoodRatioTest:
    """Likelihood-ratio test of a restricted model within a larger one.

    Attributes
    ----------
    statistic : float
        Twice the difference of the log-likelihoods.
    pvalue : float
        Upper tail of the chi-squared distribution.
    df : int
        Number of restrictions.
    llf_restricted, llf_unrestricted : float
        Both log-likelihoods.
    """

    statistic: float
    pvalue: float
    df: int
    llf_restricted: float
    llf_unrestricted: float

    def __str__(self) -> str:
        """Return one line."""
        return (
            f"Likelihood ratio {self.statistic:.4f}, {self.df} restrictions, "
            f"p-value {self.pvalue:.4f} (chi-squared)"
        )


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What a likelihood-ratio test needs of a fit."""

    model: StateSpaceModel
    llf: float
    k_free: int
    k_diffuse: int
    estimated: bool


def likelihood_ratio(first: Any, second: Any) -> LikelihoodRatioTest:
    """Compare two fits to the same data, the smaller nested in the larger.

    Parameters
    ----------
    first, second : results
        Either may be the restricted one.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    SpecificationError
        Other data, another start, no difference in the number of parameters, parameters that were
        not estimated, or a restricted fit that lies above the larger one.
    """
    small, large = sorted((_read(first), _read(second)), key=lambda fit: fit.k_free)
    _same_sample(small, large)
    df = large.k_free - small.k_free
    if df == 0:
        raise SpecificationError(
            f"lr_test: one model must have fewer free parameters; got {small.k_free} in both. "
            "Models of equal size are not nested: compare aic or bic."
        )
    statistic = 2 * (large.llf - small.llf)
    if statistic < -SLACK * max(1.0, abs(large.llf)):
        raise SpecificationError(
            f"lr_test: the larger model must have the larger log-likelihood; got {large.llf:.6g} "
            f"below {small.llf:.6g}. Either the models are not nested, or the larger fit stopped at"
            " a lower optimum: refit it with more starts or from the smaller model's estimates."
        )
    statistic = max(statistic, 0.0)
    pvalue = float(stats.chi2.sf(statistic, df))
    return LikelihoodRatioTest(statistic, pvalue, df, small.llf, large.llf)


def _read(results: Any) -> _Fitted:
    needed = ("model", "llf", "convergence", "k_diffuse_states")
    if not all(hasattr(results, name) for name in needed):
        raise SpecificationError(
            f"lr_test: other must be fitted results; got {type(results).__name__}. "
            "Pass what fit() returned."
        )
    model: StateSpaceModel = results.model
    k_free = model.layout.k_free
    estimated = results.convergence is not None or k_free == 0
    return _Fitted(model, float(results.llf), k_free, int(results.k_diffuse_states), estimated)


def _same_sample(small: _Fitted, large: _Fitted) -> None:
    a, b = small.model.endog, large.model.endog
    same = (
        a.names == b.names
        and a.index.equals(b.index)
        and np.array_equal(a.values, b.values, equal_nan=True)
    )
    if not same:
        raise SpecificationError(
            f"lr_test: both models must be fitted to the same data and sample; got "
            f"{', '.join(a.names)} with {a.nobs} rows and {', '.join(b.names)} with {b.nobs} rows. "
            "Refit one of them with clone(endog)."
        )
    if small.k_diffuse != large.k_diffuse:
        raise SpecificationError(
            f"lr_test: both likelihoods must treat the start alike; got {small.k_diffuse} and "
            f"{large.k_diffuse} diffuse states. Use the same initial= in both."
        )
    if not (small.estimated and large.estimated):
        raise SpecificationError(
            "lr_test: both must be maximum-likelihood fits; got parameters that were given, not "
            "estimated. Use refit=True, or wald_test on the fitted results."
        )


def parse_constraints(hypothesis: Any, names: Sequence[str], *, caller: str) -> Constraints:
    """Read linear constraints on parameters.

    Parameters
    ----------
    hypothesis : str, sequence of str, array_like or tuple (R, q)
        Text such as ``"W_h[h1,h1] = W_h[h2,h2], 2 * K[h1,y] - 1 = 0"``: linear expressions of
        parameter names, separated by commas, semicolons or line breaks; without ``=`` they are set
        to zero; ``a = b = c`` means two constraints. Or an array R with one column a parameter (a
        frame's columns are matched by name), for R params = q.
    names : sequence of str, length K
    caller : str

    Returns
    -------
    Constraints

    Raises
    ------
    SpecificationError
        Unknown names, an expression that is not linear, or shapes that do not fit.
    """
    if isinstance(hypothesis, str):
        return _Parser(hypothesis, names, caller).constraints()
    if isinstance(hypothesis, (list, tuple)) and hypothesis:
        if all(isinstance(part, str) for part in hypothesis):
            return _Parser("\n".join(hypothesis), names, caller).constraints()
    matrix, value = hypothesis if isinstance(hypothesis, tuple) else (hypothesis, 0.0)
    if isinstance(matrix, (pd.DataFrame, pd.Series)):
        frame = matrix.to_frame().T if isinstance(matrix, pd.Series) else matrix
        unknown = [str(name) for name in frame.columns if name not in names]
        if unknown:
            raise SpecificationError(_unknown(caller, unknown[0], names))
        matrix = frame.reindex(columns=list(names), fill_value=0.0)
    table = np.atleast_2d(np.asarray(matrix, dtype=float))
    if table.ndim != 2 or table.shape[1] != len(names):
        raise SpecificationError(
            f"{caller}: a constraint matrix must have {len(names)} columns, one a parameter; got "
            f"shape {table.shape}. Write the constraint as text to name the parameters."
        )
    target = np.asarray(value, dtype=float).ravel()
    if target.size not in (1, table.shape[0]):
        raise SpecificationError(
            f"{caller}: q must hold one number for each of the {table.shape[0]} constraints; got "
            f"{target.size}. Give a single number to use it for all."
        )
    return Constraints(table, np.broadcast_to(target, table.shape[:1]).copy())


def _unknown(caller: str, name: str, names: Sequence[str]) -> str:
    near = suggest(name, list(names))
    return (
        f"{caller}: constraints must name parameters of the model; got {name!r}.{near} "
        f"Parameters: {', '.join(names)}."
    )


def testable(
    asked: Constraints, estimate: CovarianceEstimate, *, caller: str, jointly: bool = False
) -> FloatArray:
    """Return the covariance for a test, or refuse hypotheses without a standard error.

    Parameters
    ----------
    asked : Constraints
    estimate : CovarianceEstimate
    caller : str
    jointly : bool
        Whether the hypotheses are tested together, so that none may depend on the others.

    Returns
    -------
    ndarray of shape (K, K)
        Zero where it was NaN, which the constraints do not touch.

    Raises
    ------
    SpecificationError
        Some hypothesis involves fixed parameters only, or parameters that are not identified; or
        hypotheses tested together depend on each other.
    """
    joint = delta_method(asked.matrix, estimate.cov)
    variances = np.diag(joint)
    for row, variance in enumerate(variances):
        if np.isnan(variance):
            lost = ", ".join(estimate.unidentified) or "any parameter (cov_type='none')"
            raise SpecificationError(
                f"{caller}: a hypothesis needs a standard error; got none for constraint {row}: "
                f"there is no covariance for {lost}. Fit with another cov_type, or fix one of them."
            )
        if variance <= 0:
            raise SpecificationError(
                f"{caller}: a hypothesis must involve a free parameter; got constraint {row} on "
                "fixed or tied parameters only, which holds or fails by construction."
            )
    if jointly:
        _refuse_repeated(joint, caller)
    return np.nan_to_num(estimate.cov, nan=0.0)


def _refuse_repeated(joint: FloatArray, caller: str) -> None:
    """Refuse hypotheses of which one repeats or contradicts others.

    Their covariance (q, q) then has no inverse, and the degrees of freedom would be counted wrong.
    """
    errors = np.sqrt(np.diagonal(joint))
    correlation = joint / np.outer(errors, errors)
    for row in range(1, len(joint)):
        first = correlation[: row + 1, : row + 1]
        if np.linalg.eigvalsh(first)[0] <= DEPENDENT:
            raise SpecificationError(
                f"{caller}: no constraint may follow from the others or contradict them; got "
                f"constraint {row} on what those before it fix already. Leave it out."
            )


def without_fixed(matrix: FloatArray, expansion: FloatArray) -> FloatArray:
    """Return a matrix of second derivatives with those of fixed parameters set to zero.

    A parameter fixed at its bound, such as a variance of zero, may have no derivative there (NaN).
    It does not matter for the free ones, and must not spoil them.

    Parameters
    ----------
    matrix : ndarray of shape (K, K)
        Second derivatives by all natural parameters.
    expansion : ndarray of shape (K, k_free)
        Derivative of these by the free ones; zero rows are fixed parameters.

    Returns
    -------
    ndarray of shape (K, K)
        A new matrix.
    """
    live = expansion.any(axis=1)
    return np.where(np.outer(live, live), matrix, 0.0)


def estimate_covariance(
    model: StateSpaceModel, theta: FloatArray, cov_type: CovType
) -> CovarianceEstimate:
    """Compute the covariance of the estimates, and only the derivatives that its kind needs.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
    cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "none"}

    Returns
    -------
    CovarianceEstimate
    """
    size, k_free = theta.size, model.layout.k_free
    if cov_type == "none":
        return CovarianceEstimate(np.full((size, size), np.nan), cov_type, 0, k_free, (), "")
    observed, expected = cov_type in ("oim", "robust"), cov_type in ("approx", "robust_approx")
    scores = cov_type in ("opg", "robust", "robust_approx")
    return covariance(
        cov_type,
        hessian=model.hessian(theta) if observed else None,
        information=model.information(theta) if expected else None,
        score_obs=model.score_obs(theta) if scores else None,
        expansion=model.layout.expansion,
        names=model.param_names,
    )


class _Parser:
    """Recursive descent over linear expressions: a vector of coefficients, the constant last."""

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
        token = re.compile(rf"(?P<name>{known})|(?P<number>{number})|(?P<sign>[-+*/()=,;\n])")
        tokens, at = [], 0
        while at < len(text):
            if text[at] in " \t\r":
                at += 1
                continue
            match = token.match(text, at)
            if match is None:
                wrong = re.match(r"\w+(?:\[[^\]]*\])?|.", text[at:])
                raise SpecificationError(
                    _unknown(self._caller, wrong.group() if wrong else text[at:], self._names)
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

    def constraints(self) -> Constraints:
        """Read all constraints."""
        rows = []
        while self._at < len(self._tokens):
            if self._peek() == ";":
                self._at += 1
                continue
            rows += self._equation()
        if not rows:
            raise SpecificationError(
                f"{self._caller}: there must be a constraint; got an empty text. "
                f"For example '{self._names[0]} = 0'."
            )
        table = np.array(rows)
        return Constraints(table[:, :-1], -table[:, -1])

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
            f"{self._caller}: constraints must be linear expressions of parameters joined by '='; "
            f"got {got}. For example '2 * {self._names[0]} - 1 = 0'."
        )

    def _equation(self) -> list[FloatArray]:
        sides = [self._sum()]
        while self._peek() == "=":
            self._at += 1
            sides.append(self._sum())
        if self._peek() not in (None, ";"):
            raise self._error(f"{self._peek()!r}")
        if len(sides) == 1:
            sides.append(np.zeros_like(sides[0]))
        rows = [left - right for left, right in pairwise(sides)]
        if any(not row[:-1].any() for row in rows):
            raise self._error("a constraint without a parameter")
        return rows

    def _sum(self) -> FloatArray:
        total = self._product()
        while self._peek() in ("+", "-"):
            sign = 1.0 if self._take() == "+" else -1.0
            total = total + sign * self._product()
        return total

    def _product(self) -> FloatArray:
        value = self._factor()
        while self._peek() in ("*", "/"):
            operation, other = self._take(), self._factor()
            if operation == "*" and not value[:-1].any():
                value, other = other, value
            if other[:-1].any():
                raise self._error(f"a parameter {'times' if operation == '*' else 'under'} another")
            if operation == "/" and other[-1] == 0:
                raise self._error("a division by zero")
            value = value * other[-1] if operation == "*" else value / other[-1]
        return value

    def _factor(self) -> FloatArray:
        token = self._take()
        if token in ("+", "-"):
            return self._factor() * (1.0 if token == "+" else -1.0)
        if token == "(":
            inner = self._sum()
            if self._take() != ")":
                raise self._error("a bracket that is not closed")
            return inner
        row = np.zeros(len(self._names) + 1)
        if token in self._names:
            row[self._names.index(token)] = 1.0
        elif token[0].isdigit() or token[0] == ".":
            row[-1] = float(token)
        else:
            raise self._error(f"{token!r}")
        return row
