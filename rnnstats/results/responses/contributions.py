"""What observations contribute to estimates of states and outputs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._checks import check_int, check_literal
from rnnstats._compat import wrapped
from rnnstats._index import label
from rnnstats.kernels.kalman import kalman_filter, kalman_smoother
from rnnstats.kernels.system import StateSpace
from rnnstats.results.continuation import future_inputs, rows_index
from rnnstats.results.forecasting.prediction import find_name, product_index
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.history import START
from rnnstats.results.responses.intercepts import TREND, Source, padded, sources_of, with_source
from rnnstats.results.responses.weights import Weigher

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Information = Literal["smoothed", "filtered", "predicted"]
_KNOWN = {"smoothed": "all rows", "filtered": "rows so far", "predicted": "rows before"}

__all__ = [
    "Contributions",
    "Information",
    "ObservationWeights",
    "contributions_of",
    "date_text",
    "weights_of",
]


@dataclass(frozen=True, eq=False, repr=False)
class Contributions:
    """What each series, the start, inputs and deterministic terms put into an estimate.

    Attributes
    ----------
    target : str
        State or output that is estimated.
    information : str
        "smoothed", "filtered" or "predicted".
    """

    target: str
    information: str
    _frame: pd.DataFrame

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a date, one column a part (a copy); NaN where a diffuse start leaves no estimate.

        Parts are the series by name, ``start``, ``trend`` and ``input NAME``; together they are
        `total`.
        """
        return self._frame.copy()

    @property
    def total(self) -> pd.Series:
        """Sum of the parts: the estimate."""
        return self._frame.sum(axis=1, skipna=False).rename(self.target)

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            How much each part moves the estimate over the dates.
        """
        parts = self._frame
        table = pd.DataFrame(
            {
                "mean": parts.mean(),
                "std": parts.std(ddof=0),
                "lowest": parts.min(),
                "highest": parts.max(),
                "last": parts.iloc[-1],
            }
        ).rename_axis(index=None)
        note = f"Estimate of {self.target} given {_KNOWN[self.information]}; the parts sum to it."
        title = f"Contributions to {self.target}, {self.information}"
        return _compat.build_table(table, title=title, notes=wrapped(note))

    def plot(self, *, base: bool = False, fig: Figure | None = None) -> Figure:
        """Plot the parts as stacked bars around zero.

        Parameters
        ----------
        base : bool
            Whether to stack the deterministic terms too; by default the estimate is shown less
            them.
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
        from rnnstats.results.responses.plots import draw_parts

        return draw_parts(
            self._frame.to_numpy()[:, None, :], self._frame.index, (self.target,),
            tuple(self._frame.columns), title=f"contributions given {_KNOWN[self.information]}",
            without=() if base else ("trend",), fig=fig,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, repr=False)
class ObservationWeights:
    """Weights of single observations in an estimate at one row.

    Attributes
    ----------
    target : str
        State or output that is estimated.
    date : object
        Label of its row.
    information : str
        "smoothed", "filtered" or "predicted".
    """

    target: str
    date: Any
    information: str
    _frame: pd.DataFrame
    _others: pd.Series

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row for each date and series (a copy): ``observed``, ``weight``, ``contribution``.

        Missing values have weight and contribution 0.
        """
        return self._frame.copy()

    @property
    def others(self) -> pd.Series:
        """What does not come from observations: ``start``, ``trend`` and inputs (a copy)."""
        return self._others.copy()

    @property
    def estimate(self) -> float:
        """Sum of all contributions."""
        return float(self._frame["contribution"].sum() + self._others.sum())

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            The largest contributions, those of each series, and what else there is.
        """
        frame = self._frame
        order = frame["weight"].abs().sort_values(ascending=False, kind="stable").index[:12]
        shown = frame.loc[order].sort_index()
        shown.index = pd.Index([f"{name}, {date_text(date)}" for date, name in shown.index])
        title = f"Weights of observations in {self.target} at {self.date}, {self.information}"
        summary = _compat.build_table(shown, title=f"{title}: the largest")
        series = frame.groupby(level=1, sort=False)["contribution"].sum()
        parts = pd.concat([series, self._others, pd.Series({"estimate": self.estimate})])
        second = _compat.build_table(
            parts.to_frame("contribution").rename_axis(index=None), title="Contributions in all"
        )
        summary.tables.extend(second.tables)
        return summary

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot the weights by date, one series a panel.

        Parameters
        ----------
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
        from rnnstats.results.responses.plots import draw_weights

        words = f"weights in {self.target} at {self.date}, {self.information}"
        index = self._frame.index
        names = index.get_level_values(1).unique()  # in the order of the outputs
        weights = self._frame["weight"].to_numpy().reshape(-1, len(names))
        dates = index.get_level_values(0)[:: len(names)]
        table = pd.DataFrame(weights, index=dates, columns=names)
        return draw_weights(table, words=words, fig=fig)


def date_text(date: object) -> str:
    """Show the label of a row, a midnight without its hours.

    Parameters
    ----------
    date : object

    Returns
    -------
    str
    """
    return str(date).removesuffix(" 00:00:00")


def _loading(
    model: StateSpaceModel, system: StateSpace, target: int | str, caller: str
) -> tuple[str, FloatArray, int | None]:
    """Name of the target, its loading on the states, and the number of the output if it is one."""
    states, outputs = tuple(model.state_names), model.endog.names
    if isinstance(target, str) and target in outputs and target not in states:
        which = outputs.index(target)
        return target, np.array(system.design[which]), which
    names = (*states, *outputs) if isinstance(target, str) else states
    which = find_name(target, names, caller=caller, what="target")
    return states[which], np.eye(len(states))[which], None


def _estimate(system: StateSpace, values: FloatArray, information: Information) -> FloatArray:
    """Estimated states, (rows, m)."""
    if information == "smoothed":
        return np.asarray(kalman_smoother(system, values).smoothed_state)
    output = kalman_filter(system, values)
    if information == "filtered":
        return np.asarray(output.filtered_state)
    return np.asarray(output.predicted_state[: len(values)])


def _undetermined(
    system: StateSpace, values: FloatArray, information: Information, loading: FloatArray
) -> Any:
    """Rows at which a diffuse start leaves the target without an estimate."""
    if not system.initial_diffuse.any():
        return np.zeros(len(values), dtype=bool)
    if information == "smoothed":
        cov = kalman_smoother(system, values).smoothed_state_cov
        return np.isinf(cov[:, loading != 0][:, :, loading != 0]).any(axis=(1, 2))
    output = kalman_filter(system, values)
    cov = output.filtered_diffuse_cov
    if information == "predicted":
        cov = output.predicted_diffuse_cov[: len(values)]
    left = np.einsum("i,tij,j->t", loading, cov, loading)
    return left > 1e-9 * np.maximum(np.abs(cov).max(axis=(1, 2)), 1.0)


def _other_parts(
    system: StateSpace,
    sources: tuple[Source, ...],
    blank: FloatArray,
    information: Information,
    loading: FloatArray,
    output: int | None,
    deviations: bool,
) -> dict[str, FloatArray]:
    """Contributions of the start and of each source, (rows,), with zero data.

    With `deviations` the data of the deterministic terms are their own level.
    """
    parts = {START: np.zeros(len(blank))}
    level = sources[0].outputs if deviations else np.zeros_like(blank)
    if system.initial_mean.any() and system.start == "given":
        parts[START] = _estimate(with_source(system, None, True), blank, information) @ loading
    for source in sources:
        moved = np.zeros(len(blank))
        if source.outputs.any() or source.states.any():
            rows = blank + level if source.label == TREND else blank
            moved = _estimate(with_source(system, source), rows, information) @ loading
        parts[source.label] = moved + (0.0 if output is None else source.outputs[:, output])
    return parts


def contributions_of(
    model: StateSpaceModel,
    theta: FloatArray,
    target: int | str,
    *,
    information: Information,
    deviations: bool,
    steps: int,
    exog: Any,
) -> Contributions:
    """Say what each series contributes to the estimate of a state or output at every row.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        All natural parameters.
    target : int or str
    information : {"smoothed", "filtered", "predicted"}
    deviations : bool
        Take the series less their deterministic terms.
    steps : int
        Rows past the sample.
    exog : Series, DataFrame, array_like or None
        Their inputs.

    Returns
    -------
    Contributions
    """
    caller = "contributions"
    check_literal(information, get_args(Information), name="information", caller=caller)
    ahead = check_int(steps, name="steps", caller=caller, minimum=0)
    future = future_inputs(model, exog, ahead, caller=caller)
    rows = model.nobs + ahead
    system = model.system(theta, steps=ahead, exog=future)
    name, loading, output = _loading(model, system, target, caller)
    values = padded(model.endog.values, rows)
    blank = np.where(np.isnan(values), np.nan, 0.0)
    sources = sources_of(model, theta, rows, future)
    bare, columns = with_source(system, None), []
    for j in range(model.k_endog):
        alone = blank.copy()
        alone[:, j] = values[:, j] - (sources[0].outputs[:, j] if deviations else 0.0)
        columns.append(_estimate(bare, alone, information) @ loading)
    others = _other_parts(system, sources, blank, information, loading, output, deviations)
    table = np.column_stack([*columns, *others.values()])
    table[_undetermined(system, values, information, loading)] = np.nan
    series = [f"series {name}" if name in others else name for name in model.endog.names]
    frame = pd.DataFrame(table, index=rows_index(model, rows), columns=[*series, *others])
    return Contributions(name, information, frame)


def weights_of(
    model: StateSpaceModel,
    theta: FloatArray,
    target: int | str,
    date: Any,
    *,
    information: Information,
    exog: Any,
) -> ObservationWeights:
    """Weigh each observation in the estimate of a state or output at one row.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        All natural parameters.
    target : int or str
    date : int, str, datetime-like, Period or None
    information : {"smoothed", "filtered", "predicted"}
    exog : Series, DataFrame, array_like or None
        Inputs of rows past the sample.

    Returns
    -------
    ObservationWeights
    """
    caller = "observation_weights"
    check_literal(information, get_args(Information), name="information", caller=caller)
    endog = model.endog
    row = model.nobs - 1 if date is None else endog.location(date, caller=caller, name="date")
    rows = max(model.nobs, row + 1)
    future = future_inputs(model, exog, rows - model.nobs, caller=caller)
    system = model.system(theta, steps=rows - model.nobs, exog=future)
    name, loading, output = _loading(model, system, target, caller)
    values = padded(endog.values, rows)
    if information != "smoothed":
        values[row + (information == "filtered") :] = np.nan
    seen = ~np.isnan(values)
    noises = np.zeros((1, system.k_endog))
    weigher = Weigher.of(system, seen)
    weights = weigher.weights([row], loading[None], noises, caller=caller)[0, 0]
    contribution = weights * np.where(seen, values, 0.0)
    blank = np.where(seen, 0.0, np.nan)
    # with the later rows blanked, smoothing gives the estimate at this row
    sources = sources_of(model, theta, rows, future)
    others = _other_parts(system, sources, blank, "smoothed", loading, output, False)
    index = rows_index(model, rows)
    kept = slice(0, model.nobs)
    table = pd.DataFrame(
        {
            "observed": values[kept].ravel(),
            "weight": weights[kept].ravel(),
            "contribution": contribution[kept].ravel(),
        },
        index=product_index(index[kept], endog.names, "series"),
    )
    rest = pd.Series({key: float(value[row]) for key, value in others.items()}, dtype=float)
    return ObservationWeights(name, label(index, row), information, table, rest)
