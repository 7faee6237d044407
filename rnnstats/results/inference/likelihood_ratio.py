"""Likelihood-ratio test between two fits, and whether they can be compared at all.

Two log-likelihoods can be compared if both are densities of the same numbers: the same series, rows
and gaps, the same treatment of the start. They can be tested if one model is nested in the other,
which is decided here where it can be.

References
----------
Self and Liang (1987), JASA 82, 605-610 (restrictions on the boundary). Davies (1987), Biometrika
74, 33-43 (parameters without meaning under the hypothesis). Francke, Koopman and de Vos (2010),
Journal of Time Series Analysis 31, 407-414 (likelihoods with a diffuse start).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from scipy import stats

from rnnstats.errors import SpecificationError
from rnnstats.results.protocol import FittedModel, FloatArray, StateSpaceModel

__all__ = [
    "BOUNDARY",
    "NOT_CHECKED",
    "LikelihoodRatioTest",
    "inputs_of",
    "likelihood_ratio",
    "nested_systems",
    "refuse_absent_inputs",
]

# Rounding allowed before a restricted maximum above the unrestricted one is an error.
SLACK = 1e-6
# Blocks of parameters that are zero in a model that does not have them.
_TERMS = ("b_y", "b_y_trend", "D", "W_x", "obs_cov", "state_cov")
NOT_CHECKED = (
    "That the smaller model is a special case of the larger one was not checked: they are written "
    "in different forms."
)
UNFINISHED = (
    "A fit stopped short of its maximum (see convergence), so that the statistic is not that of a "
    "likelihood-ratio test: fit again with more iterations or starts."
)
NUISANCE = (
    "The larger model has more states, whose dynamics have no meaning where they have no effect: "
    "the statistic is not chi-squared under the hypothesis (Davies 1987). Use bootstrap() of the "
    "smaller model, or information criteria."
)
BOUNDARY = (
    "The hypothesis lies on the boundary of the parameter space ({names}): the p-value is too "
    "large, for one variance by a factor of two (Self and Liang 1987)."
)


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
    note : str
        What to know before the p-value is used; empty for a regular test of nested models.
    """

    statistic: float
    pvalue: float
    df: int
    llf_restricted: float
    llf_unrestricted: float
    note: str = ""

    def __str__(self) -> str:
        """Return one line, and the note below it."""
        line = (
            f"Likelihood ratio {self.statistic:.4f}, {self.df} "
            f"restriction{'' if self.df == 1 else 's'}, p-value {self.pvalue:.4f} (chi-squared)"
        )
        return f"{line}\n{self.note}" if self.note else line


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What a likelihood-ratio test needs of a fit."""

    model: FittedModel
    llf: float
    nobs: int
    k_free: int
    k_diffuse: int
    estimated: bool
    converged: bool


def likelihood_ratio(
    first: Any, second: Any, nested: Callable[[Any, Any], str]
) -> LikelihoodRatioTest:
    """Compare two fits to the same data, the smaller nested in the larger.

    Parameters
    ----------
    first, second : results
        Either may be the restricted one.
    nested : callable
        Of the smaller and the larger model: raises where they are not nested, else returns what is
        to be known before the p-value is used.

    Returns
    -------
    LikelihoodRatioTest

    Raises
    ------
    SpecificationError
        Other data, another start, no difference in the number of parameters, parameters that were
        not estimated, models that are not nested, or a restricted fit that lies above the larger
        one.
    """
    small, large = sorted((_read(first), _read(second)), key=lambda fit: fit.k_free)
    _same_kind(small.model, large.model)
    _same_data(small.model, large.model)
    _same_start(small, large)
    if small.nobs != large.nobs:
        raise SpecificationError(
            f"lr_test: both likelihoods must be those of the same rows; got {small.nobs} and "
            f"{large.nobs} (each lag leaves the first row out). Leave first rows out of the data of"
            " the model with fewer lags."
        )
    if not (small.estimated and large.estimated):
        raise SpecificationError(
            "lr_test: both must be maximum-likelihood fits; got parameters that were given, not "
            "estimated. Use refit=True, or wald_test on the fitted results."
        )
    df = large.k_free - small.k_free
    if df == 0:
        raise SpecificationError(
            f"lr_test: one model must have fewer free parameters; got {small.k_free} in both. "
            "Models of equal size are not nested: compare aic or bic."
        )
    note = nested(small.model, large.model)
    if not (small.converged and large.converged):
        note = f"{UNFINISHED} {note}".rstrip()
    statistic = 2 * (large.llf - small.llf)
    if statistic < -SLACK * max(1.0, abs(large.llf)):
        raise SpecificationError(
            f"lr_test: the larger model must have the larger log-likelihood; got {large.llf:.6g} "
            f"below {small.llf:.6g}. Either the models are not nested, or the larger fit stopped at"
            " a lower optimum: refit it with more starts or from the smaller model's estimates."
        )
    statistic = max(statistic, 0.0)
    pvalue = float(stats.chi2.sf(statistic, df))
    return LikelihoodRatioTest(statistic, pvalue, df, small.llf, large.llf, note)


def _read(results: Any) -> _Fitted:
    needed = ("model", "llf", "convergence", "k_diffuse_states", "df_model")
    if not all(hasattr(results, name) for name in needed):
        raise SpecificationError(
            f"lr_test: other must be fitted results; got {type(results).__name__}. "
            "Pass what fit() returned."
        )
    model: FittedModel = results.model
    k_diffuse = int(results.k_diffuse_states)
    estimated = results.convergence is not None or model.layout.k_free == 0
    k_free = int(results.df_model) - k_diffuse
    converged = bool(getattr(results.convergence, "converged", True))
    nobs = int(results.nobs)
    return _Fitted(model, float(results.llf), nobs, k_free, k_diffuse, estimated, converged)


def _same_kind(small: FittedModel, large: FittedModel) -> None:
    """Refuse a nonlinear network beside another kind of model."""
    networks = [hasattr(model, "architecture") for model in (small, large)]
    if networks[0] != networks[1]:
        raise SpecificationError(
            f"lr_test: both models must be recurrent networks, or neither; got {small.name} and "
            f"{large.name}. A network nests a linear model only where its units have no meaning, "
            "and the statistic is not chi-squared (Davies 1987): use test_linearity() of the "
            "network's results."
        )


def _same_data(small: FittedModel, large: FittedModel) -> None:
    """Refuse likelihoods that are densities of different numbers."""
    a, b = small.endog, large.endog
    got = ""
    if a.names != b.names:
        order = "the same series in another order" if set(a.names) == set(b.names) else "series"
        got = f"{order}, {', '.join(a.names)} and {', '.join(b.names)}"
    elif not a.index.equals(b.index) or _sequences(small) != _sequences(large):
        got = (
            f"{a.nobs} rows from {a.index[0]} to {a.index[-1]} and {b.nobs} from {b.index[0]} to "
            f"{b.index[-1]}"
        )
    elif not np.array_equal(np.isnan(a.values), np.isnan(b.values)):
        gaps = [int(np.isnan(data.values).sum()) for data in (a, b)]
        got = f"other missing values ({gaps[0]} and {gaps[1]})"
    elif not np.array_equal(a.values, b.values, equal_nan=True):
        differ = ~((a.values == b.values) | np.isnan(a.values))
        row, column = (int(i) for i in np.argwhere(differ)[0])
        got = (
            f"{a.names[column]!r} = {a.values[row, column]:.6g} and {b.values[row, column]:.6g} at "
            f"{a.index[row]} (were the data transformed?)"
        )
    if got:
        raise SpecificationError(
            f"lr_test: both models must be fitted to the same data and sample; got {got}. "
            "Refit one of them with clone(endog)."
        )
    shared = set(inputs_of(small)) & set(inputs_of(large))
    for name in sorted(shared):
        if not np.array_equal(inputs_of(small)[name], inputs_of(large)[name]):
            raise SpecificationError(
                f"lr_test: both models must be fitted to the same data; got an input {name!r} with "
                "other values. Refit one of them."
            )


def _sequences(model: FittedModel) -> tuple[int, ...]:
    """First rows of the sequences of the data."""
    return tuple(getattr(model.endog, "first_rows", (0,)))


def inputs_of(model: FittedModel) -> dict[str, FloatArray]:
    """Inputs of a model by name.

    Parameters
    ----------
    model : FittedModel

    Returns
    -------
    dict of str to ndarray of shape (nobs,)
        Those of the transitions between regimes are called ``x (transition)``.
    """
    found: dict[str, FloatArray] = {}
    for exog, mark in (
        (model.exog, ""),
        (getattr(model, "exog_transition", None), " (transition)"),
    ):
        if exog is not None:
            found |= {f"{n}{mark}": v for n, v in zip(exog.names, exog.values.T, strict=True)}
    return found


def _same_start(small: _Fitted, large: _Fitted) -> None:
    if small.k_diffuse != large.k_diffuse:
        raise SpecificationError(
            f"lr_test: both likelihoods must treat the start alike; got {small.k_diffuse} and "
            f"{large.k_diffuse} diffuse states. Use the same initial= in both, and with a diffuse "
            "start the same number of states."
        )
    starts = [fit.model.initial for fit in (small, large) if hasattr(fit.model, "initial")]
    if len(starts) == 2 and starts[0] != starts[1]:
        raise SpecificationError(
            f"lr_test: both likelihoods must treat the start alike; got initial={starts[0]!r} and "
            f"{starts[1]!r}. Use the same in both."
        )


def refuse_absent_inputs(small: FittedModel, large: FittedModel) -> None:
    """Refuse a smaller model with inputs that the larger one does not have.

    Parameters
    ----------
    small, large : FittedModel
    """
    absent = [name for name in inputs_of(small) if name not in inputs_of(large)]
    if absent:
        raise SpecificationError(
            f"lr_test: the model with fewer parameters must be nested in the other; got the "
            f"input{'' if len(absent) == 1 else 's'} {', '.join(absent)} in the smaller one only. "
            "Compare aic or bic."
        )


def nested_systems(first: FittedModel, second: FittedModel) -> str:
    """Refuse state space models that are not nested, where that can be decided.

    Parameters
    ----------
    first, second : FittedModel
        The smaller and the larger one.

    Returns
    -------
    str
        What is open; empty for a regular test.

    Raises
    ------
    SpecificationError
        They are not nested, or the hypothesis leaves parameters without meaning.
    """
    for model in (first, second):
        if getattr(model, "k_regimes", None) is not None:
            raise SpecificationError(
                "lr_test: both must be models with a linear state or both models with regimes; got "
                f"{first.name} and {second.name}. One regime against several has no chi-squared "
                "distribution: use rnnstats.select_regimes."
            )
    refuse_absent_inputs(first, second)
    if first.name != second.name:
        return NOT_CHECKED
    small, large = cast("StateSpaceModel", first), cast("StateSpaceModel", second)
    if small.form != large.form:
        return NOT_CHECKED
    if small.k_states != large.k_states and small.form != "observed":
        _refuse_fewer_terms(small, large)
        return NUISANCE if small.k_states < large.k_states else NOT_CHECKED
    embedded = _embedded(small, large)
    if embedded is None:
        return NOT_CHECKED
    inside = [large.layout.expand(large.layout.reduce(point)) for point in embedded]
    wrong = np.any(
        [np.abs(a - b) > 1e-12 * (1.0 + np.abs(b)) for a, b in zip(inside, embedded, strict=True)],
        axis=0,
    )
    if wrong.any():
        names = [name for name, out in zip(large.param_names, wrong, strict=True) if out]
        raise SpecificationError(
            f"lr_test: the model with fewer parameters must be nested in the other; got "
            f"restrictions of the larger one on {', '.join(names)} that the smaller one does not "
            "obey. Compare aic or bic."
        )
    return _boundary(large, embedded)


def _refuse_fewer_terms(small: StateSpaceModel, large: StateSpaceModel) -> None:
    order = {"n": 0, "c": 1, "ct": 2}
    if order.get(small.trend, 0) > order.get(large.trend, 2):
        raise SpecificationError(
            f"lr_test: the model with fewer parameters must be nested in the other; got "
            f"trend={small.trend!r} in the smaller and {large.trend!r} in the larger one. Use the "
            "same trend, or compare aic or bic."
        )


def _embedded(small: StateSpaceModel, large: StateSpaceModel) -> list[FloatArray] | None:
    """Points (K,) of the larger model that span the smaller one; None if that cannot be told.

    Terms that the smaller model does not have are zero; with the larger model's order of lags so
    are the further lags of a vector autoregression.
    """
    groups = [name.split("[", 1)[0] for name in large.param_names]
    extra = [name for name in large.param_names if name not in small.param_names]
    missing = [name for name in small.param_names if name not in large.param_names]
    lags = small.form == "observed"
    known = {
        name: group in _TERMS or lags for name, group in zip(large.param_names, groups, strict=True)
    }
    if not all(known[name] for name in extra):
        return None
    places = [
        small.param_names.index(name) if name in small.param_names else -1
        for name in large.param_names
    ]
    base = small.layout.expand(np.zeros(small.layout.k_free))
    points = [base, *(base + column for column in small.layout.expansion.T)]
    for name in missing:
        values = {float(point[small.param_names.index(name)]) for point in points}
        if values != {0.0}:
            raise SpecificationError(
                f"lr_test: the model with fewer parameters must be nested in the other; got "
                f"{name} in the smaller one only. Compare aic or bic."
            )
    return [np.array([point[i] if i >= 0 else 0.0 for i in places]) for point in points]


def _boundary(large: StateSpaceModel, points: list[FloatArray]) -> str:
    """Variances that the hypothesis puts to zero."""
    zero = ~np.any(points, axis=0)
    live = large.layout.expansion.any(axis=1)
    names = []
    for place in np.flatnonzero(zero & live):
        group, _, label = large.param_names[place].partition("[")
        row, _, column = label.rstrip("]").rpartition(",")
        if group in ("obs_cov", "state_cov") and row == column:
            names.append(f"{large.param_names[place]} = 0")
    return BOUNDARY.format(names=", ".join(names)) if names else ""
