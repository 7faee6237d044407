"""Tables: the summary of a fit, its convergence, its identification, its optima."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any, Protocol

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.errors import DataError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.protocol import FittedModel, FloatArray

__all__ = [
    "InformationRank",
    "Summarized",
    "coefficient_table",
    "convergence_line",
    "information_rank",
    "starts_table",
    "summary",
]

# A direction of the information, scaled to unit diagonal, counts as flat below this eigenvalue.
FLAT = 1e-10
# The log-likelihood curves along a flat direction above this share of a parameter's information;
# a numerical Hessian is good to about 1e-9 of it.
CURVED = 1e-6
# Components of a null direction below this share of its largest are not worth a name.
SMALL = 0.1


class Summarized(Protocol):
    """What a summary reads of results."""

    model: FittedModel
    cov_type: Any
    convergence: Any
    cov_note: str

    @property
    def params(self) -> pd.Series: ...
    @property
    def bse(self) -> pd.Series: ...
    @property
    def tvalues(self) -> pd.Series: ...
    @property
    def pvalues(self) -> pd.Series: ...
    @property
    def llf(self) -> float: ...
    @property
    def aic(self) -> float: ...
    @property
    def bic(self) -> float: ...
    @property
    def hqic(self) -> float: ...
    @property
    def nobs(self) -> int: ...
    @property
    def nobs_diffuse(self) -> int: ...
    @property
    def df_model(self) -> int: ...
    @property
    def covariance(self) -> CovarianceEstimate: ...
    @property
    def _cov_words(self) -> str: ...
    @property
    def _held(self) -> tuple[str, ...]: ...
    def _structure_rows(self) -> list[tuple[str, str]]: ...
    def _count_rows(self) -> list[tuple[str, str]]: ...
    @property
    def _identification_words(self) -> str: ...
    def conf_int(self, alpha: float = 0.05) -> pd.DataFrame: ...
    def test_serial_correlation(self, *, lags: list[int]) -> pd.DataFrame: ...
    def test_heteroskedasticity(self) -> pd.DataFrame: ...
    def test_normality(self) -> pd.DataFrame: ...


@dataclass(frozen=True, slots=True)
class InformationRank:
    """Rank of the expected information in the free parameters.

    Attributes
    ----------
    rank : int
        Number of directions with information.
    k_free : int
        Number of free parameters.
    null_directions : tuple of mapping
        For each direction without, the weights of the parameters along it, in natural units.
    curved : tuple of bool
        For each of these, whether the log-likelihood itself curves down along it. It does where
        the model folds, such as at a moving-average root of one: the score vanishes there, so the
        expected information is singular, yet the parameters are identified.
    """

    rank: int
    k_free: int
    null_directions: tuple[Mapping[str, float], ...]
    curved: tuple[bool, ...]

    @property
    def identified(self) -> bool:
        """Whether the log-likelihood curves in every direction."""
        return all(self.curved)

    def __str__(self) -> str:
        """Return the identification line of the summary."""
        rank = f"rank {self.rank} of {self.k_free}"
        if not self.null_directions:
            return f"identified: {rank}"
        pairs = list(zip(self.null_directions, self.curved, strict=True))
        flat = "; ".join(_direction(weights) for weights, curved in pairs if not curved)
        folds = "; ".join(_direction(weights) for weights, curved in pairs if curved)
        text = (
            f"not identified: {rank}; no information on {flat}" if flat else f"identified: {rank}"
        )
        if folds:
            text += (
                f"; by curvature alone, not by the score, as at a boundary: {folds} (tests and"
                " intervals for these are not asymptotically normal)"
            )
        return text


def _direction(weights: Mapping[str, float]) -> str:
    text = " ".join(f"{weight:+.3g} {name}" for name, weight in weights.items())
    return text.removeprefix("+")


def information_rank(
    information: FloatArray,
    names: tuple[str, ...],
    hessian: Callable[[], FloatArray],
    *,
    basis: FloatArray | None = None,
) -> InformationRank:
    """Find the directions in which the data say nothing.

    Parameters
    ----------
    information : ndarray of shape (k, k)
        Expected information in free coordinates.
    names : tuple of str, length k
        Free parameters.
    hessian : callable
        Gives the Hessian of the log-likelihood in free coordinates; called only if the
        information is singular.
    basis : ndarray of shape (k, k), optional
        Derivative of the free parameters by the coordinates, where these are others.

    Returns
    -------
    InformationRank
        Rank, null directions, and whether the log-likelihood curves along them.

    Notes
    -----
    The matrix is scaled to unit diagonal first, so units do not matter; a parameter without any
    information of its own is a null direction by itself. Rothenberg (1971), Econometrica 39,
    577-591: where the rank is constant nearby, full rank is local identification.
    """
    diagonal = np.diagonal(information)
    scale = np.sqrt(np.where(diagonal > 0, diagonal, 1.0))
    values, vectors = np.linalg.eigh(information / np.outer(scale, scale))
    flat = np.flatnonzero(values < FLAT * max(float(values.max(initial=0.0)), 1e-300))
    if not flat.size:
        return InformationRank(len(names), len(names), (), ())
    bend = -hessian() / np.outer(scale, scale)
    null, curved = [], []
    moves = np.diag(1.0 / scale) if basis is None else basis / scale
    alone = np.sqrt(np.square(np.linalg.inv(moves)).sum(axis=0))  # in standard errors
    for j in flat:
        weights = moves @ vectors[:, j]
        shares = np.abs(weights * alone)
        weights = weights / weights[np.argmax(shares)]
        chosen = np.flatnonzero(shares >= SMALL * shares.max())
        null.append({names[i]: float(weights[i]) for i in chosen})
        curved.append(bool(vectors[:, j] @ bend @ vectors[:, j] > CURVED))
    return InformationRank(len(names) - len(null), len(names), tuple(null), tuple(curved))


def convergence_line(convergence: Any) -> str:
    """Return the convergence record in a sentence or two.

    Parameters
    ----------
    convergence : Convergence or None
        None for parameters that were given.

    Returns
    -------
    str
    """
    if convergence is None:
        return "Convergence: parameters were given, not estimated on these data."
    c = convergence
    state = (c.message or "converged") if c.converged else f"NOT converged ({c.message})"
    effort = f"{c.method}, {c.iterations} iterations, {c.n_starts} starts, {c.seconds:.2g} s"
    slope = f"largest scaled score {c.max_scaled_score:.1e}"
    slope += f", Newton decrement {c.newton_decrement:.1e}"
    total = c.hessian_positive + c.hessian_negative + c.hessian_zero
    bend = f"curvature as at a maximum in {c.hessian_positive} of {total} directions"
    line = f"Convergence: {state}: {effort}; {slope}; {bend}, condition {c.condition:.1e}."
    if c.boundary:
        line += f" At the boundary: {'; '.join(c.boundary)}."
    return line


def starts_table(optima: Iterable[Any]) -> pd.DataFrame:
    """Return the optima found, one row a start.

    Parameters
    ----------
    optima : iterable of dataclass instances or mappings

    Returns
    -------
    DataFrame
        The records' fields as columns, ``gap``, by how much the log-likelihood is below the best,
        after ``llf``; the index is the field ``start`` where there is one.
    """
    records = [
        asdict(record) if is_dataclass(record) and not isinstance(record, type) else dict(record)
        for record in optima
    ]
    frame = pd.DataFrame.from_records(records)
    if "boundary" in frame.columns:
        frame["boundary"] = frame["boundary"].map("; ".join)
    if "llf" in frame.columns:
        place = list(frame.columns).index("llf") + 1
        frame.insert(place, "gap", frame["llf"].max() - frame["llf"])
    return frame.set_index("start") if "start" in frame.columns else frame


def coefficient_table(results: Summarized, alpha: float) -> pd.DataFrame:
    """Return estimate, standard error, z, p-value and interval, one parameter a row.

    Parameters
    ----------
    results : Summarized
        Results of a fit.
    alpha : float
        One minus the coverage of the interval.

    Returns
    -------
    DataFrame
    """
    table = pd.DataFrame(
        {
            "coef": results.params,
            "std err": results.bse,
            "z": results.tvalues,
            "P>|z|": results.pvalues,
        }
    )
    return pd.concat([table, results.conf_int(alpha)], axis=1)


def summary(results: Summarized, alpha: float) -> Any:
    """Lay the results out as statsmodels does, with convergence and identification below.

    Parameters
    ----------
    results : Summarized
        Results of a fit.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    statsmodels.iolib.summary.Summary
    """
    left, right = _residual_rows(results)
    return _compat.build_summary(
        title=results.model.title,
        top_left=_top_left(results),
        top_right=_top_right(results),
        coefficients=coefficient_table(results, alpha),
        alpha=alpha,
        bottom_left=left,
        bottom_right=right,
        notes=_notes(results),
    )


def _top_left(results: Summarized) -> list[tuple[str, str]]:
    model = results.model
    names = [f"['{name}']" if len(model.endog.names) > 1 else name for name in model.endog.names]
    shown = names if len(names) <= 4 else [*names[:3], f"and {len(names) - 3} more"]
    rows = [("Dep. Variable:", shown[0])] + [("", name) for name in shown[1:]]
    now = pd.Timestamp.now()
    rows += [("Model:", model.name), *results._structure_rows()]
    if model.exog is not None:
        inputs = ", ".join(model.exog.names)
        rows.append(("Inputs:", inputs if len(inputs) <= 24 else f"{len(model.exog.names)} series"))
    rows += [("Date:", f"{now:%a, %d %b %Y}"), ("Time:", f"{now:%H:%M:%S}")]
    index = model.endog.index
    rows += [("Sample:", _label(index[0])), ("", f"- {_label(index[-1])}")]
    return rows


def _label(label: Any) -> str:
    if isinstance(label, tuple):  # sequence and time
        return ", ".join(_label(part) for part in label)
    return f"{label:%m-%d-%Y}" if isinstance(label, pd.Timestamp) else str(label)


def _top_right(results: Summarized) -> list[tuple[str, str]]:
    missing = int(np.isnan(results.model.endog.values).sum())
    rows = [
        ("No. Observations:", f"{results.nobs:d}"),
        ("Log Likelihood", f"{results.llf:#5.3f}"),
        ("AIC", f"{results.aic:#5.3f}"),
        ("BIC", f"{results.bic:#5.3f}"),
        ("HQIC", f"{results.hqic:#5.3f}"),
        ("Df Model:", _number(results.df_model)),
        ("Covariance Type:", "Not computed" if results.cov_type == "none" else results.cov_type),
    ]
    if missing:
        rows.append(("Missing values:", f"{missing:d}"))
    if results.nobs_diffuse:
        rows.append(("Diffuse rows:", f"{results.nobs_diffuse:d}"))
    terms = getattr(results, "_terms", {})  # where the objective is no log-likelihood
    return [(terms.get(title, title), value) for title, value in rows + results._count_rows()]


def _number(value: float) -> str:
    """Whole numbers as they are, effective degrees of freedom with two decimals."""
    return f"{value:d}" if isinstance(value, int) else f"{value:.2f}"


def _residual_rows(results: Summarized) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return both columns of residual tests; empty where the sample is too short for them."""
    if results.nobs - results.nobs_diffuse < 6 or not getattr(results, "_tests_residuals", True):
        return [], []
    try:
        serial = results.test_serial_correlation(lags=[1])
        spread, normal = results.test_heteroskedasticity(), results.test_normality()
    except DataError:  # errors with a singular covariance have no residuals
        return [], []

    def text(values: pd.Series) -> str:
        return ", ".join(f"{value:.2f}" for value in values)

    left = [
        ("Ljung-Box (L1) (Q):", text(serial["statistic"])),
        ("Prob(Q):", text(serial["pvalue"])),
        ("Heteroskedasticity (H):", text(spread["statistic"])),
        ("Prob(H) (two-sided):", text(spread["pvalue"])),
    ]
    right = [
        ("Jarque-Bera (JB):", text(normal["statistic"])),
        ("Prob(JB):", text(normal["pvalue"])),
        ("Skew:", text(normal["skew"])),
        ("Kurtosis:", text(normal["kurtosis"])),
    ]
    return left, right


COV_WORDS = {
    "oim": "the inverse of the observed information (negative Hessian of the log-likelihood)",
    "approx": "the inverse of the expected information",
    "opg": "the outer product of the scores of single observations",
    "robust": "the sandwich of observed information and outer product of scores",
    "robust_approx": "the sandwich of expected information and outer product of scores",
    "cluster": "the sandwich of observed information and scores summed within clusters",
    "hac": "the sandwich of observed information and the long-run covariance of the scores",
}
FREE_WORDS = (
    "the coordinates of the free form are not identified ({flat} directions leave the likelihood "
    "alone) and have no standard errors; what does not depend on them has: roots in memory(), "
    "coefficients and impulse responses of to_varma(), delta_method(function)."
)


def _notes(results: Summarized) -> list[str]:
    flat = getattr(results.model, "k_flat", 0)
    rank = f"{results._identification_words}." if not flat else FREE_WORDS.format(flat=flat)
    notes = [convergence_line(results.convergence), f"Identification: {rank}"]
    if results.cov_type in COV_WORDS:
        how = f" ({results._cov_words})" if results._cov_words else ""
        notes.append(f"Standard errors from {COV_WORDS[results.cov_type]}{how}.")
    if results.covariance.message and not flat:
        notes.append(results.covariance.message)
    if results._held:
        notes.append(
            f"At the boundary, without standard errors: {', '.join(results._held)}; those of the "
            "others are as if these were known."
        )
    fixed = results.model.layout.fixed
    if fixed:
        shown = ", ".join(f"{name} = {value}" for name, value in fixed.items())
        notes.append(f"Restricted: {shown}.")
    if results.cov_note:
        notes.append(results.cov_note)
    return [line for note in notes for line in wrapped(note)]
