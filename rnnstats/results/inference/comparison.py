"""Hypotheses about parameters: constraints written with parameter names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.inference.formulas import Equation, Expression, read_equations, unknown_name
from rnnstats.results.protocol import FloatArray

__all__ = [
    "Constraints",
    "parse_constraints",
    "read_hypotheses",
    "testable",
]

# Smallest eigenvalue of the correlations of hypotheses tested together, below which one of them is
# a combination of the others: rounding of a few hundred units in the last place.
DEPENDENT = 1e-13


@dataclass(frozen=True, slots=True, eq=False)
class Constraints:
    """Linear constraints ``matrix @ params = value``, shapes (q, K) and (q,).

    Or others, linearised at the estimates, where each has a text, and two sides that are compared:
    ``left`` and ``right``, shapes (q,).
    """

    matrix: FloatArray
    value: FloatArray
    texts: tuple[str, ...] = ()
    left: FloatArray | None = None
    right: FloatArray | None = None


def parse_constraints(hypothesis: Any, names: Sequence[str], *, caller: str) -> Constraints:
    """Read linear constraints on parameters.

    Parameters
    ----------
    hypothesis : str, sequence of str, mapping, array_like or tuple (R, q)
        Text such as ``"W_h[h1,h1] = W_h[h2,h2], 2 * K[h1,y] - 1 = 0"``: linear expressions of
        parameter names, separated by commas, semicolons or line breaks; without ``=`` they are set
        to zero; ``a = b = c`` means two constraints. Or values by name. Or an array R with one
        column a parameter (a frame's columns are matched by name), for R params = q.
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
    text = _text_of(hypothesis)
    if text is not None:
        return _stacked(read_equations(text, names, caller=caller), names, caller)
    pair = isinstance(hypothesis, tuple) and len(hypothesis) == 2
    matrix, value = hypothesis if pair else (hypothesis, 0.0)
    if isinstance(matrix, (pd.DataFrame, pd.Series)):
        frame = matrix.to_frame().T if isinstance(matrix, pd.Series) else matrix
        unknown = [str(name) for name in frame.columns if name not in names]
        if unknown:
            raise SpecificationError(unknown_name(caller, unknown[0], names))
        matrix = frame.reindex(columns=list(names), fill_value=0.0)
    table = np.atleast_2d(_numbers(matrix, names, caller))
    if table.ndim != 2 or table.shape[1] != len(names):
        raise SpecificationError(
            f"{caller}: a constraint matrix must have {len(names)} columns, one a parameter; got "
            f"shape {table.shape}. Write the constraint as text to name the parameters."
        )
    target = _numbers(value, names, caller).ravel()
    if target.size not in (1, table.shape[0]):
        raise SpecificationError(
            f"{caller}: q must hold one number for each of the {table.shape[0]} constraints; got "
            f"{target.size}. Give a single number to use it for all."
        )
    return Constraints(table, np.broadcast_to(target, table.shape[:1]).copy())


def _text_of(hypothesis: Any) -> str | None:
    """Write texts, or values by name, as one text; None for other hypotheses."""
    if isinstance(hypothesis, Mapping):
        return "\n".join(f"{name} = {value}" for name, value in hypothesis.items())
    if isinstance(hypothesis, (list, tuple)) and hypothesis:
        if all(isinstance(part, str) for part in hypothesis):
            return "\n".join(hypothesis)
    return hypothesis if isinstance(hypothesis, str) else None


def _numbers(given: Any, names: Sequence[str], caller: str) -> FloatArray:
    """Read finite numbers, or say what a hypothesis may be."""
    try:
        values = np.asarray(given, dtype=float)
    except (TypeError, ValueError):
        values = np.array(np.nan)
    if not np.isfinite(values).all():
        raise SpecificationError(
            f"{caller}: a hypothesis is text, values by name, or finite numbers (R, or a pair of R "
            f"and q); got {given!r}. For example '{names[0]} = 0'."
        )
    return values


def read_hypotheses(
    hypothesis: Any, names: Sequence[str], theta: FloatArray, *, caller: str
) -> Constraints:
    """Read constraints on parameters that need not be linear.

    Parameters
    ----------
    hypothesis : str, sequence of str, mapping, array_like or tuple (R, q)
        As in `parse_constraints`; text may be any formula, such as
        ``"K[h1,y] / W_h[h1,h1] = 1, log(obs_cov[y,y]) = 0"``.
    names : sequence of str, length K
    theta : ndarray of shape (K,)
        Where constraints that are not linear are linearised.
    caller : str

    Returns
    -------
    Constraints

    Raises
    ------
    SpecificationError
        Text that cannot be read, shapes that do not fit, or a formula without a value or a
        derivative at the estimates.
    """
    text = _text_of(hypothesis)
    if text is None:
        return parse_constraints(hypothesis, names, caller=caller)
    equations = read_equations(text, names, caller=caller)
    if all(equation.gap.coefficients(len(names)) is not None for equation in equations):
        return _stacked(equations, names, caller)
    slopes, left, right = [], [], []
    for equation in equations:
        gap = equation.gap.at(theta)
        if not (np.isfinite(gap.value) and np.isfinite(gap.slope).all()):
            raise SpecificationError(
                f"{caller}: a formula must have a value and a derivative at the estimates; got "
                f"none for '{equation.text}'. Write the constraint in another way."
            )
        target = equation.right.coefficients(len(names))
        fixed = target is not None and not target[:-1].any()
        right.append(float(target[-1]) if target is not None and fixed else 0.0)
        left.append(gap.value + right[-1])
        slopes.append(gap.slope)
    matrix, ends = np.array(slopes), (np.array(left), np.array(right))
    texts = tuple(equation.text for equation in equations)
    return Constraints(matrix, matrix @ theta - (ends[0] - ends[1]), texts, *ends)


def _stacked(equations: Sequence[Equation], names: Sequence[str], caller: str) -> Constraints:
    """Coefficients of linear equations."""
    rows = []
    for equation in equations:
        row = equation.gap.coefficients(len(names))
        if row is None:
            raise SpecificationError(
                f"{caller}: constraints must be linear expressions of parameters joined by '='; "
                f"got {_culprit(equation.gap, len(names))} in '{equation.text}'. For example "
                f"'2 * {names[0]} - 1 = 0'; wald_test, t_test and delta_method take others, too."
            )
        rows.append(row)
    table = np.array(rows)
    return Constraints(table[:, :-1], -table[:, -1])


def _culprit(expression: Expression, size: int) -> str:
    """Say what in an expression is not linear: its innermost such part."""
    for part in expression.parts:
        if part.coefficients(size) is None:
            return _culprit(part, size)
    words = {"*": "a parameter times another", "/": "a parameter under another"}
    return words.get(expression.kind, f"{expression.kind} of a parameter")


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
        A generalised inverse where some parameters have none, which is right for the constraints.

    Raises
    ------
    SpecificationError
        Some hypothesis involves fixed parameters only, or parameters that are not identified; or
        hypotheses tested together depend on each other.
    """
    joint = estimate.of(asked.matrix)
    variances = np.diag(joint)
    for row, variance in enumerate(variances):
        if np.isnan(variance):
            lost = ", ".join(estimate.unidentified) or "any parameter (cov_type='none')"
            raise SpecificationError(
                f"{caller}: a hypothesis needs a standard error; got none for constraint {row}: "
                f"there is no covariance for {lost}. Fit with another cov_type, or fix one of them."
            )
        if variance <= 0 and asked.texts:
            raise SpecificationError(
                f"{caller}: a constraint must depend on a free parameter at the estimates, or its "
                f"estimate is not normal; got derivative zero in '{asked.texts[row]}'. Write it in "
                "another way, or use lr_test."
            )
        if variance <= 0:
            raise SpecificationError(
                f"{caller}: a hypothesis must involve a free parameter; got constraint {row} on "
                "fixed or tied parameters only, which holds or fails by construction."
            )
    if jointly:
        _refuse_repeated(joint, caller)
    return estimate.generalised


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
