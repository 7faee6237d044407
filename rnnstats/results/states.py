"""States as labelled tables, and what the future adds to what the past says about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.errors import DataError
from rnnstats.results.forecasting.prediction import product_index, stacked
from rnnstats.results.protocol import FloatArray, StateSpaceModel

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = [
    "FilterVsSmoother",
    "StateMoments",
    "StateTables",
    "compare_filter_smoother",
    "long_run_variance",
    "state_moments",
]

# Below this share of its largest prior variance a state counts as known: rounding, not spread.
KNOWN = 1e-12
# Share of a diffuse covariance below which a direction counts as no longer diffuse.
DIFFUSE = 1e-9
COVERAGE = 0.95
WORDS = "Filtered: outputs up to the date. Smoothed: all outputs. Revision: their difference."
INNOVATIONS = (
    "At most dates the outputs so far determine the states exactly, as in an innovations form once "
    "its start has died out: smoothing adds nothing there."
)


@dataclass(frozen=True, slots=True, eq=False)
class StateMoments:
    """Means (nobs, m) and covariances (nobs, m, m); an infinite variance: no information."""

    mean: FloatArray
    cov: FloatArray


def state_moments(mean: FloatArray, cov: FloatArray, diffuse: FloatArray | None) -> StateMoments:
    """Join the finite and the diffuse part of moments.

    Parameters
    ----------
    mean : ndarray of shape (nobs, m)
    cov : ndarray of shape (nobs, m, m)
        Finite part.
    diffuse : ndarray of shape (nobs, m, m), optional
        Factor of the infinite part; None for none.

    Returns
    -------
    StateMoments
        Where the diffuse part is not zero the covariance is infinite with its sign, and the mean
        of a state with infinite variance is NaN.
    """
    if diffuse is None or not diffuse.any():
        infinite = np.isinf(np.diagonal(cov, axis1=1, axis2=2))
        return StateMoments(np.where(infinite, np.nan, mean), cov)
    variances = np.diagonal(diffuse, axis1=1, axis2=2)
    floor = DIFFUSE * max(1.0, float(np.max(variances)))
    unknown = np.abs(diffuse) > floor
    joined = np.where(unknown, np.copysign(np.inf, diffuse), cov)
    means = np.where(np.diagonal(unknown, axis1=1, axis2=2), np.nan, mean)
    return StateMoments(means, joined)


class StateTables:
    """Labels for the states of a model.

    Parameters
    ----------
    model : StateSpaceModel
        Gives index and names.
    """

    def __init__(self, model: StateSpaceModel) -> None:
        self._index = model.endog.index
        self._names = tuple(model.state_names)

    def mean(self, moments: StateMoments) -> pd.DataFrame:
        """Label means.

        Parameters
        ----------
        moments : StateMoments
            Of the states at each row.

        Returns
        -------
        DataFrame
            Shape (nobs, k_states).
        """
        return pd.DataFrame(moments.mean, index=self._index, columns=list(self._names), copy=True)

    def cov(self, moments: StateMoments) -> pd.DataFrame:
        """Label covariances.

        Parameters
        ----------
        moments : StateMoments
            Of the states at each row.

        Returns
        -------
        DataFrame
            Index (date, state), columns state.
        """
        return stacked(moments.cov, self._index, self._names, "state")


class FilterVsSmoother:
    """Filtered against smoothed states, date by date.

    The filter knows the outputs up to the date, the smoother all of them. `frame` holds for each
    date and state

    - ``filtered_mean``, ``filtered_sd``, ``smoothed_mean``, ``smoothed_sd``, in units of the state;
    - ``revision``: smoothed minus filtered mean, as it happened;
    - ``revision_sd``: standard deviation of the revision under the model, the square root of
      filtered minus smoothed variance (the revision is what the later outputs add, and it is
      uncorrelated with what remains unknown);
    - ``expected_revision``: E|revision| = sqrt(2 / pi) ``revision_sd``;
    - ``variance_reduction``: 1 - smoothed / filtered variance, between 0 and 1;
    - ``entropy_reduction``: half the log of filtered over smoothed variance, in nats: the mutual
      information of the state and the later outputs, given the outputs so far.

    A state that the outputs so far determine exactly (its filtered variance is below 1e-12 of its
    largest prior variance) has nothing left to learn: its two reductions are 0. One that a diffuse
    start leaves without any information has variance reduction 1 and infinite entropy reduction.

    Parameters
    ----------
    frame : DataFrame
        Index (date, state), columns as above.
    joint : Series
        Entropy reduction of all states together by date, in nats.
    comparison : DataFrame or None
        Accuracy against the true states, one row a state.
    note : str
        Why the outputs so far determine the states, where they do.
    words : str
        What is compared, for the summary.

    References
    ----------
    Durbin and Koopman (2012), Time Series Analysis by State Space Methods, sections 4.4 and 4.6;
    Cover and Thomas (2006), Elements of Information Theory, section 8.5.
    """

    def __init__(
        self,
        frame: pd.DataFrame,
        joint: pd.Series,
        comparison: pd.DataFrame | None,
        note: str = "",
        words: str = WORDS,
    ) -> None:
        self._note = note
        self._words = words
        self._frame = frame
        self._joint = joint
        self._comparison = comparison

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each date and state (a copy)."""
        return self._frame.copy()

    @property
    def joint_entropy_reduction(self) -> pd.Series:
        """Entropy reduction of the whole state vector by date, in nats (a copy)."""
        return self._joint.copy()

    @property
    def comparison(self) -> pd.DataFrame | None:
        """Accuracy of both against the true states; None where no truth was given.

        One row a state: ``nobs``; ``mse_filtered``, ``mse_smoothed``; the model's own
        ``expected_mse_filtered``, ``expected_mse_smoothed`` on the same dates;
        ``coverage_filtered``, ``coverage_smoothed`` of nominal 95 % intervals and their standard
        errors ``coverage_filtered_se``, ``coverage_smoothed_se``; ``mse_ratio`` (smoothed over
        filtered) and ``mse_ratio_se``.

        Standard errors: errors of neighbouring dates are correlated, so all of them use a long-run
        variance, Bartlett weights with the bandwidth of Andrews (1991, Econometrica 59, 817-858,
        first-order autoregressive plug-in). For the ratio r of the two means of squared errors
        s and f it is that of the linearised series (s_t - r f_t) / mean(f).
        """
        return None if self._comparison is None else self._comparison.copy()

    def beside(self, columns: pd.DataFrame) -> FilterVsSmoother:
        """Return the same with further columns of `comparison`, one row a state."""
        table = columns if self._comparison is None else self._comparison.join(columns)
        return FilterVsSmoother(self._frame, self._joint, table, self._note, self._words)

    @cached_property
    def table(self) -> pd.DataFrame:
        """Averages over dates, one row a state; dates without finite variances are left out.

        ``dates``; root mean squares ``filtered_sd``, ``smoothed_sd``, ``revision``,
        ``revision_sd``; ``variance_reduction`` of the mean variances; mean ``entropy_reduction``.
        """
        return _average(self._frame)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Averages over dates by state and, with a truth, a second table of accuracy.
        """
        summary = _compat.build_table(
            self.table, title="Filter versus smoother: averages over dates", notes=self._notes()
        )
        if self._comparison is not None:
            second = _compat.build_table(
                self._comparison.T, title="Against the true states (nominal coverage 0.95)"
            )
            summary.tables.extend(second.tables)
        return summary

    def _notes(self) -> list[str]:
        finite = self._joint[np.isfinite(self._joint)]
        mean = float(finite.mean()) if len(finite) else np.nan
        notes = [
            self._words,
            f"All states together: {mean:.4g} nats a date on average.",
        ]
        left_out = len(self._joint) - len(finite)
        if left_out:
            notes.append(f"{left_out} dates left out of averages: the start is diffuse there.")
        known = (self._frame["filtered_sd"] == 0).groupby(level=0).all()
        if known.mean() > 0.5:
            notes.append(self._note or INNOVATIONS)
        return [line for note in notes for line in wrapped(note)]

    def plot(self, *, alpha: float = 0.05, fig: Figure | None = None) -> Figure:
        """Plot both means with intervals, and both standard deviations, one state a row.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.plots import draw_filter_vs_smoother

        return draw_filter_vs_smoother(self._frame, alpha=alpha, fig=fig)


def _average(frame: pd.DataFrame) -> pd.DataFrame:
    rows = {}
    for state, part in frame.groupby(level=1, sort=False):
        seen = part[np.isfinite(part["filtered_sd"])]
        square = (seen[["filtered_sd", "smoothed_sd", "revision", "revision_sd"]] ** 2).mean()
        filtered, smoothed = float(square["filtered_sd"]), float(square["smoothed_sd"])
        rows[state] = {
            "dates": len(seen),
            **np.sqrt(square).to_dict(),
            "variance_reduction": 1.0 - smoothed / filtered if filtered > 0 else 0.0,
            "entropy_reduction": float(seen["entropy_reduction"].mean()),
        }
    table = pd.DataFrame.from_dict(rows, orient="index")
    table["dates"] = table["dates"].astype(int)
    return table


def compare_filter_smoother(
    model: StateSpaceModel,
    filtered: StateMoments,
    smoothed: StateMoments,
    prior: FloatArray,
    truth: Any = None,
    *,
    note: str = "",
    words: str = WORDS,
) -> FilterVsSmoother:
    """Compare filtered with smoothed moments.

    Parameters
    ----------
    model : StateSpaceModel
        Gives index and names.
    filtered, smoothed : StateMoments
    prior : ndarray of shape (k_states,)
        Largest finite prior variance of each state, against which a variance counts as zero.
    truth : array_like or DataFrame of shape (nobs, k_states), optional
        True states, NaN where not known. A frame's columns are matched by name.
    note : str
        Why the outputs so far determine the states, where they do.
    words : str
        What is compared, for the summary.

    Returns
    -------
    FilterVsSmoother

    Raises
    ------
    DataError
        `truth` has the wrong shape, columns or index.
    """
    names, index = tuple(model.state_names), model.endog.index
    floor = KNOWN * prior
    before = np.diagonal(filtered.cov, axis1=1, axis2=2)
    after = np.diagonal(smoothed.cov, axis1=1, axis2=2)
    before, after = np.where(before > floor, before, 0.0), np.where(after > floor, after, 0.0)
    after = np.minimum(after, before)
    columns = _quantities(filtered.mean, smoothed.mean, before, after)
    rows = product_index(index, names, "state")
    frame = pd.DataFrame({key: value.ravel() for key, value in columns.items()}, index=rows)
    gains = [_joint_gain(f, s, floor) for f, s in zip(filtered.cov, smoothed.cov, strict=True)]
    joint = pd.Series(gains, index=index, name="entropy_reduction", dtype=float)
    comparison = None
    if truth is not None:
        table = true_states(truth, names, index)
        means, variances = (filtered.mean, smoothed.mean), (before, after)
        comparison = _against_truth(table, names, means, variances)
    return FilterVsSmoother(frame, joint, comparison, note, words)


def _quantities(
    mean_filtered: FloatArray, mean_smoothed: FloatArray, before: FloatArray, after: FloatArray
) -> dict[str, FloatArray]:
    """Return the columns of the frame, each of shape (nobs, k_states)."""
    gain = np.where(np.isfinite(before), before, 0.0) - np.where(np.isfinite(after), after, 0.0)
    gain = np.where(gain > KNOWN * before, gain, 0.0)
    spread = np.where(np.isfinite(before), np.sqrt(gain), np.inf)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(np.isinf(before), 1.0, 1.0 - after / before)
        nats = np.where(np.isinf(before), np.inf, 0.5 * np.log(before / after))
    nothing = (before == 0) | (np.isinf(before) & np.isinf(after))
    return {
        "filtered_mean": mean_filtered,
        "filtered_sd": np.sqrt(before),
        "smoothed_mean": mean_smoothed,
        "smoothed_sd": np.sqrt(after),
        "revision": mean_smoothed - mean_filtered,
        "revision_sd": spread,
        "expected_revision": np.sqrt(2.0 / np.pi) * spread,
        "variance_reduction": np.where(nothing, 0.0, share),
        "entropy_reduction": np.where(nothing, 0.0, nats),
    }


def _joint_gain(before: FloatArray, after: FloatArray, floor: FloatArray) -> float:
    """Return the entropy reduction of a normal vector, on the directions not known before."""
    variances = np.diagonal(before)
    if not np.isfinite(variances).all():
        return np.inf
    live = variances > floor
    if not live.any():
        return 0.0
    scale = np.sqrt(variances[live])
    old = before[np.ix_(live, live)] / np.outer(scale, scale)
    new = after[np.ix_(live, live)] / np.outer(scale, scale)
    values, vectors = np.linalg.eigh(old)
    kept = values > KNOWN * values.size
    root = vectors[:, kept] / np.sqrt(values[kept])
    left = np.linalg.eigvalsh(root.T @ new @ root)
    if (left <= KNOWN).any():
        return np.inf
    return float(-0.5 * np.log(np.minimum(left, 1.0)).sum())


def true_states(truth: Any, names: tuple[str, ...], index: pd.Index) -> FloatArray:
    """Return the true states in the order of the model's, or refuse.

    Parameters
    ----------
    truth : array_like, Series or DataFrame
    names : tuple of str
    index : Index

    Returns
    -------
    ndarray of shape (nobs, k_states)

    Raises
    ------
    DataError
        Shape, columns or index do not fit.
    """
    if isinstance(truth, (pd.Series, pd.DataFrame)) and not truth.index.equals(index):
        raise DataError(
            f"filter_vs_smoother: truth must have the index of the outputs; got "
            f"{truth.index[0]!r} to {truth.index[-1]!r}. Reindex it to the outputs' index."
        )
    if isinstance(truth, pd.DataFrame):
        missing = [name for name in names if name not in truth.columns]
        if missing:
            raise DataError(
                f"filter_vs_smoother: truth must have a column for every state "
                f"({', '.join(names)}); got {', '.join(map(str, truth.columns))}. Rename them."
            )
        truth = truth[list(names)]
    values = np.array(truth, dtype=float)
    values = values[:, None] if values.ndim == 1 else values
    if values.shape != (len(index), len(names)):
        raise DataError(
            f"filter_vs_smoother: truth must have shape {(len(index), len(names))}; got "
            f"{values.shape}. One row a date and one column a state, NaN where not known."
        )
    return values


def _against_truth(
    truth: FloatArray,
    names: tuple[str, ...],
    means: tuple[FloatArray, FloatArray],
    variances: tuple[FloatArray, FloatArray],
) -> pd.DataFrame:
    rows = {}
    width = float(stats.norm.ppf(0.5 + COVERAGE / 2))
    for j, name in enumerate(names):
        seen = ~np.isnan(truth[:, j]) & np.isfinite(variances[0][:, j])
        row: dict[str, float] = {"nobs": int(seen.sum())}
        squares = []
        for kind, mean, variance in zip(("filtered", "smoothed"), means, variances, strict=True):
            error, spread = truth[seen, j] - mean[seen, j], variance[seen, j]
            inside = (error**2 <= width**2 * spread).astype(float)
            squares.append(error**2)
            row[f"mse_{kind}"] = _mean(error**2)
            row[f"expected_mse_{kind}"] = _mean(spread)
            row[f"coverage_{kind}"] = _mean(inside)
            row[f"coverage_{kind}_se"] = _standard_error(inside)
        ratio = row["mse_smoothed"] / row["mse_filtered"] if row["mse_filtered"] > 0 else np.nan
        row["mse_ratio"] = ratio
        linear = (squares[1] - ratio * squares[0]) / row["mse_filtered"]
        row["mse_ratio_se"] = _standard_error(linear)
        rows[name] = row
    return pd.DataFrame.from_dict(rows, orient="index")


def _mean(values: FloatArray) -> float:
    return float(values.mean()) if values.size else np.nan


def _standard_error(values: FloatArray) -> float:
    return float(np.sqrt(long_run_variance(values) / values.size)) if values.size > 2 else np.nan


def long_run_variance(values: FloatArray) -> float:
    """Estimate the long-run variance of a series: sum of its autocovariances over all lags.

    Parameters
    ----------
    values : ndarray of shape (n,)
        Gaps closed up beforehand.

    Returns
    -------
    float
        Bartlett weights, bandwidth 1.1447 (a n)^(1/3) with a = 4 rho^2 / ((1-rho)^2 (1+rho)^2) and
        rho the first autocorrelation, held within 0.97 (Andrews 1991, equations 6.2 and 6.4).
    """
    centred = values - values.mean()
    n, variance = centred.size, float(centred @ centred) / centred.size
    if variance == 0.0:
        return 0.0
    rho = float(np.clip(centred[1:] @ centred[:-1] / (n * variance), -0.97, 0.97))
    size = 4 * rho**2 / ((1 - rho) ** 2 * (1 + rho) ** 2)
    width = 1.1447 * (size * n) ** (1 / 3)
    total = variance
    for lag in range(1, min(int(np.ceil(width)), n)):
        total += 2 * (1 - lag / width) * float(centred[lag:] @ centred[:-lag]) / n
    return float(total)
