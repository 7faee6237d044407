"""Profile-likelihood intervals of parameters and of functions of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import pandas as pd
from scipy.interpolate import PchipInterpolator

from rnnstats import _compat
from rnnstats._checks import check_alpha, warn
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.convergence import Optimum
from rnnstats.estimation.covariance import CovarianceEstimate, covariance
from rnnstats.estimation.differences import jacobian
from rnnstats.estimation.profile import Curve, Point, ScalarFn, Task, interval_end
from rnnstats.estimation.progress import Counter
from rnnstats.results.inference.coordinates import Coordinates
from rnnstats.results.inference.formulas import read_equations
from rnnstats.results.inference.functions import Functions, read_functions
from rnnstats.results.protocol import FittedModel, FloatArray, direction_names, free_directions

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ProfileIntervals", "profile_intervals"]

# Standard errors beyond which two maxima count as two.
APART = 0.5
# Share of the log-likelihood by which a constrained maximum must exceed the fit to be said.
HIGHER = 1e-6
_NOTES = {
    "": "",
    "boundary": "at the boundary",
    "blocked": "with other parameters at a boundary",
    "unbounded": "the profile stays above the cut",
    "not identified": "not identified",
    "not found": "not found",
    "interrupted": "interrupted",
}
Which = str | Callable[[Any], Any] | Sequence[str | Callable[[Any], Any]] | None


@dataclass(frozen=True, eq=False, repr=False)
class ProfileIntervals:
    """Profile-likelihood intervals and the curves they were read from.

    Attributes
    ----------
    alpha : float
        One minus the coverage.
    """

    alpha: float
    _table: pd.DataFrame
    _curves: Mapping[str, pd.DataFrame]

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter or function (a copy).

        "estimate"; "lower" and "upper", where the profile log-likelihood is
        ``chi2(1).ppf(1 - alpha) / 2`` below the maximum, or the boundary of the parameter space
        where it does not fall that far (then the interval is one-sided), or infinite; "wald lower"
        and "wald upper", estimate and normal quantile times standard error; "note".
        """
        return self._table.copy()

    @property
    def curves(self) -> dict[str, pd.DataFrame]:
        """Profiles by name (copies): "value", "signed root", "deviance", "llf", by value."""
        return {name: curve.copy() for name, curve in self._curves.items()}

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        cover = f"{100 * (1 - self.alpha):g} %"
        return _compat.build_table(
            self._table, title=f"Profile-likelihood intervals, {cover}, and Wald's beside them"
        )

    def plot(self, fig: Figure | None = None) -> Figure:
        """Plot the profiles: deviance against value, with the cut and the ends.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure
            One panel a parameter or function: the profile (solid), the parabola of Wald's interval
            (dashed), the cut (dotted).

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.inference.profile_plot import draw_profiles

        return draw_profiles(self._table, self._curves, self.alpha, fig)


class _Side(NamedTuple):
    """One end to be found."""

    row: int
    side: int


def profile_intervals(
    model: FittedModel,
    theta: FloatArray,
    estimate: CovarianceEstimate,
    which: Which,
    *,
    names: Sequence[str] | None,
    alpha: float,
    labelled: bool,
    progress: bool,
    optima: Sequence[Optimum] = (),
) -> ProfileIntervals:
    """Find profile-likelihood intervals.

    Parameters
    ----------
    model : FittedModel
    theta : ndarray of shape (K,)
        Maximum-likelihood estimates.
    estimate : CovarianceEstimate
        For Wald's intervals, and as a first guess.
    which : str, callable, sequence of these, or None
        Formulas (names of parameters among them) and functions of one value; all free parameters
        by default.
    names : sequence of str, optional
    alpha : float
    labelled : bool
        Whether functions get a Series.
    progress : bool
    optima : sequence of Optimum
        Where the starts of the fit ended. Maxima lower than the cut have nothing above it.

    Returns
    -------
    ProfileIntervals

    Raises
    ------
    SpecificationError
        Nothing to profile, or functions that do not depend on free parameters.

    Warns
    -----
    ConvergenceWarning
        A constrained maximum lies above the fit, an end was not found, or the work was interrupted.
    """
    width = check_alpha(alpha, "profile_conf_int")
    coordinates = Coordinates.of(model, theta)
    expected = _expected(model, theta)
    others = any(
        optimum.same_as == optimum.start
        and optimum.distance > APART
        and optimum.llf >= coordinates.llf - 0.5 * width**2
        for optimum in optima
    )
    targets = _targets(coordinates, theta, estimate, expected, which, names, labelled)
    found: dict[_Side, Curve] = {}
    counter = Counter(progress, 2 * len(targets), "profile", "end")
    try:
        for key, curve in _ends(coordinates, targets, width, counter, others):
            found[key] = curve
    except KeyboardInterrupt:
        if not found:
            raise
        warn("profile_conf_int: interrupted; some ends were not looked for.", ConvergenceWarning)
    finally:
        counter.close()
    return _collected(targets, found, width, alpha, coordinates.llf)


class _Target(NamedTuple):
    """A function with its value, its two standard errors and how it is evaluated."""

    name: str
    value: float
    wald: float
    error: float
    function: Callable[[FloatArray], tuple[float, FloatArray]]  # of theta: value, (K,) slope


def _expected(model: FittedModel, theta: FloatArray) -> CovarianceEstimate:
    """Inverse of the expected information, which exists where the Hessian may not."""
    return covariance(
        "approx",
        information=np.nan_to_num(model.information(theta)),
        expansion=free_directions(model, theta),
        names=model.param_names,
    )


def _targets(
    coordinates: Coordinates,
    theta: FloatArray,
    estimate: CovarianceEstimate,
    expected: CovarianceEstimate,
    which: Which,
    names: Sequence[str] | None,
    labelled: bool,
) -> list[_Target]:
    asked: list[Any]
    model = coordinates.model
    ties = free_directions(model, theta)
    if which is None:
        asked = list(direction_names(model, ties))
    else:
        alone = isinstance(which, str) or not isinstance(which, Iterable)
        asked = [which] if alone else list(cast("Iterable[Any]", which))
    targets: list[_Target] = []
    for one in asked:
        found, functions = _read(model, theta, estimate, one, labelled)
        for i, function in enumerate(functions):
            slope = found.slopes[i : i + 1]
            wald, rough = (float(source.of(slope)[0, 0]) for source in (estimate, expected))
            if not np.any(slope @ ties):
                raise SpecificationError(
                    f"profile_conf_int: a profile needs a free parameter; got {found.names[i]!r}, "
                    "which is fixed or lies at the boundary of the parameter space. Leave it out."
                )
            wald = math.sqrt(wald) if wald > 0.0 else math.nan
            error = wald if math.isfinite(wald) else math.sqrt(rough) if rough > 0.0 else math.nan
            value = float(found.value[i])
            targets.append(_Target(found.names[i], value, wald, error, function))
    if not targets:
        raise SpecificationError(
            "profile_conf_int: there must be something to profile; got nothing. Name a parameter."
        )
    if names is not None:
        labels = [names] if isinstance(names, str) else [str(name) for name in names]
        if len(labels) != len(targets):
            raise SpecificationError(
                f"profile_conf_int: names must be one for each of the {len(targets)} functions; "
                f"got {len(labels)}. Leave them out."
            )
        targets = [t._replace(name=name) for t, name in zip(targets, labels, strict=True)]
    return targets


def _read(
    model: FittedModel,
    theta: FloatArray,
    estimate: CovarianceEstimate,
    asked: Any,
    labelled: bool,
) -> tuple[Functions, list[Callable[[FloatArray], tuple[float, FloatArray]]]]:
    """Values at the estimates, and how each function is evaluated anywhere."""
    caller = "profile_conf_int"
    errors = np.sqrt(np.maximum(np.nan_to_num(np.diagonal(estimate.cov)), 0.0))
    errors = np.where(errors > 0.0, errors, np.nan)
    found = read_functions(
        model, theta, errors, asked, names=None, labelled=labelled, caller=caller
    )
    if not callable(asked):
        equations = read_equations(asked, model.param_names, caller=caller)
        return found, [equation.gap.at for equation in equations]
    if len(found.names) != 1:
        raise SpecificationError(
            f"{caller}: a function must return one number; got {len(found.names)}. Pass one "
            "function for each."
        )
    layout, index = model.layout, pd.Index(model.param_names)
    free = [list(layout.names).index(name) for name in layout.free_names]

    def value(point: FloatArray) -> FloatArray:
        full = layout.expand(point)
        got = asked(pd.Series(full, index=index) if labelled else full)
        return np.asarray(got, dtype=np.float64).reshape(1)

    def at(full: FloatArray) -> tuple[float, FloatArray]:
        point = layout.reduce(full)
        height = float(value(point)[0])
        slope = np.zeros(full.size)
        if math.isfinite(height):
            slope[free] = jacobian(value, point, scale=errors[free])[0]
        return height, slope

    return found, [at]


def _ends(
    coordinates: Coordinates,
    targets: Sequence[_Target],
    width: float,
    counter: Counter,
    others: bool,
) -> Iterator[tuple[_Side, Curve]]:
    metric = coordinates.metric()
    edge = coordinates.edge if coordinates.has_edge else None
    starts = coordinates.starts() if others else ()
    for row, target in enumerate(targets):
        for side in (-1, 1):
            if math.isfinite(target.error):
                task = Task(
                    objective=coordinates.objective,
                    function=_in_psi(coordinates, target),
                    psi=coordinates.psi,
                    llf=coordinates.llf,
                    value=target.value,
                    error=target.error,
                    metric=metric,
                    inside=coordinates.inside,
                    edge=edge,
                    lifted=coordinates.lifted,
                    starts=starts,
                )
                yield _Side(row, side), interval_end(task, side, width)
            else:
                yield _Side(row, side), Curve(side * math.inf, "not identified", ())
            counter.add()


def _in_psi(coordinates: Coordinates, target: _Target) -> ScalarFn:
    def function(psi: FloatArray) -> tuple[float, FloatArray]:
        theta = coordinates.theta(psi)
        if not np.isfinite(theta).all():
            return math.nan, np.full(psi.size, math.nan)
        value, slope = target.function(theta)
        return value, coordinates.pull(psi, slope)

    return function


def _collected(
    targets: Sequence[_Target],
    found: Mapping[_Side, Curve],
    width: float,
    alpha: float,
    llf: float,
) -> ProfileIntervals:
    rows, curves, higher = [], {}, []
    missing = Curve(math.nan, "interrupted", ())
    for row, target in enumerate(targets):
        lower, upper = (found.get(_Side(row, side), missing) for side in (-1, 1))
        words = [
            f"{name} end {_NOTES[curve.note]}"
            for name, curve in (("lower", lower), ("upper", upper))
            if curve.note
        ]
        if lower.note == upper.note != "":
            words = [f"both ends {_NOTES[lower.note]}"]
        rows.append(
            (
                target.value,
                lower.end,
                upper.end,
                target.value - width * target.wald,
                target.value + width * target.wald,
                "; ".join(words),
            )
        )
        points = sorted({p.value: p for p in (*lower.points, *upper.points)}.items())
        curves[target.name] = _curve([point for _, point in points], width)
        gain = max((p.llf for _, p in points), default=llf) - llf
        if gain > HIGHER * max(1.0, abs(llf)):
            higher.append(f"{target.name} (by {gain:.3g})")
    columns = ["estimate", "lower", "upper", "wald lower", "wald upper", "note"]
    table = pd.DataFrame(rows, columns=columns, index=pd.Index([t.name for t in targets]))
    _warn(table, higher)
    return ProfileIntervals(alpha, table, curves)


def _warn(table: pd.DataFrame, higher: Sequence[str]) -> None:
    if higher:
        warn(
            f"profile_conf_int: constrained maxima lie above the fit for {', '.join(higher)}: it "
            "is not the highest optimum, and the intervals are not valid. Refit with more starts.",
            ConvergenceWarning,
        )
    lost = [str(name) for name in table.index[table["note"].str.contains("not found")]]
    if lost:
        warn(
            f"profile_conf_int: no end was found for {', '.join(lost)}; see conf_int or bootstrap.",
            ConvergenceWarning,
        )


def _curve(points: Sequence[Point], width: float) -> pd.DataFrame:
    """What was evaluated, and points between at even steps of the signed root."""
    values = np.array([p.value for p in points])
    roots = np.array([p.root for p in points])
    heights = np.array([p.llf for p in points])
    if len(points) > 2 and (np.diff(roots) > 0.0).all():
        top = np.max(heights)
        even = np.linspace(max(roots[0], -1.2 * width), min(roots[-1], 1.2 * width), 61)
        roots = np.union1d(even, roots)
        values = PchipInterpolator([p.root for p in points], values)(roots)
        heights = top - 0.5 * roots**2
    return pd.DataFrame(
        {"value": values, "signed root": roots, "deviance": roots**2, "llf": heights}
    )
