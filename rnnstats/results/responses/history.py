"""The data as sums of what shocks, start, inputs and deterministic terms put into them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats._index import label
from rnnstats.equivalence.steady import shares_noise
from rnnstats.kernels.kalman import FilterOutput, SmootherOutput
from rnnstats.kernels.system import StateSpace
from rnnstats.results.protocol import FloatArray, StateSpaceModel
from rnnstats.results.responses.impulse import (
    cholesky_factor,
    innovation_shocks,
    shock_names,
)
from rnnstats.results.responses.intercepts import Source, sources_of
from rnnstats.results.responses.weights import filter_gains

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HistoryShocks = Literal["smoothed", "predicted"]

__all__ = ["HistoricalDecomposition", "HistoryShocks", "decompose_history"]

START = "start"


class _Driver(NamedTuple):
    """Shocks that enter states and outputs; ``states[t]`` moves the step into t."""

    labels: list[str]
    states: FloatArray  # (nobs, m, k)
    outputs: FloatArray  # (nobs, p, k)
    values: FloatArray  # (nobs, k)


@dataclass(frozen=True, eq=False, repr=False)
class HistoricalDecomposition:
    """Data written as sums of parts.

    Parts are ``shock NAME`` (innovation of an output, or noise of a state), ``noise of NAME``
    (noise of an output), ``start`` (the state before the sample), ``input NAME`` and ``trend``
    (constants and time trends).

    Attributes
    ----------
    outputs, parts : tuple of str
    """

    outputs: tuple[str, ...]
    parts: tuple[str, ...]
    _values: FloatArray  # (nobs, outputs, parts)
    _shocks: pd.DataFrame
    _observed: FloatArray
    _index: pd.Index
    _words: str

    def __repr__(self) -> str:
        """Show the summary table."""
        return str(self.summary())

    @property
    def frame(self) -> pd.DataFrame:
        """One row a date, columns (output, part): ``frame["gdp"]`` is the table of one output."""
        columns = pd.MultiIndex.from_product(
            [list(self.outputs), list(self.parts)], names=["output", "part"]
        )
        flat = self._values.reshape(len(self._index), -1)
        return pd.DataFrame(flat, index=self._index, columns=columns, copy=True)

    @property
    def total(self) -> pd.DataFrame:
        """Sum of the parts: the data, and what is said of them where they are missing."""
        total = self._values.sum(axis=2)
        return pd.DataFrame(total, index=self._index, columns=list(self.outputs))

    @property
    def shocks(self) -> pd.DataFrame:
        """The shocks themselves by date."""
        return self._shocks.copy()

    @property
    def table(self) -> pd.DataFrame:
        """Standard deviation over dates of each part (rows), by output (columns)."""
        return pd.DataFrame(
            self._values.std(axis=0).T, index=list(self.parts), columns=list(self.outputs)
        )

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            How much each part moves, and where in the sample it was largest.
        """
        rows = {}
        for i, output in enumerate(self.outputs):
            for j, part in enumerate(self.parts):
                values = self._values[:, i, j]
                high, low = int(values.argmax()), int(values.argmin())
                rows[f"{output}: {part}"] = {
                    "mean": values.mean(),
                    "std": values.std(),
                    "lowest": values[low],
                    "at ": label(self._index, low),
                    "highest": values[high],
                    "at": label(self._index, high),
                }
        table = pd.DataFrame.from_dict(rows, orient="index")
        missing = int(np.isnan(self._observed).sum())
        notes = [f"Shocks: {self._words}."]
        if missing:
            notes.append(f"{missing} missing values: the parts sum to their estimates.")
        lines = [line for note in notes for line in wrapped(note)]
        return _compat.build_table(table, title="Historical decomposition", notes=lines)

    def plot(self, *, base: bool = False, fig: Figure | None = None) -> Figure:
        """Plot the parts as stacked bars around zero, one output a panel.

        Parameters
        ----------
        base : bool
            Whether to stack the deterministic terms too; by default the data are shown less them.
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
            self._values, self._index, self.outputs, self.parts,
            title="historical decomposition", without=() if base else ("trend",), fig=fig,
        )  # fmt: skip


def decompose_history(
    model: StateSpaceModel,
    theta: FloatArray,
    system: StateSpace,
    moments: SmootherOutput | FilterOutput,
    orthogonalized: bool,
) -> HistoricalDecomposition:
    """Decompose the sample of a model.

    Parameters
    ----------
    model : StateSpaceModel
    theta : ndarray of shape (K,)
        All natural parameters.
    system : StateSpace
        The model's at `theta`.
    moments : SmootherOutput or FilterOutput
        Which of them says what the shocks are.
    orthogonalized : bool
        Split shocks along the Cholesky factor of their covariance.

    Returns
    -------
    HistoricalDecomposition
    """
    nobs, names = model.nobs, model.endog.names
    if isinstance(moments, SmootherOutput):
        driver, path, level = _smoothed(model, system, moments, orthogonalized)
        words = "smoothed, given all rows"
    else:
        driver, path, level = _predicted(model, system, moments, orthogonalized)
        words = "one-step-ahead errors of the filter, given the rows so far"
    parts: dict[str, FloatArray] = {}
    state = np.zeros((nobs, system.k_states))
    for source in sources_of(model, theta, nobs, None):
        moved = _run(system, _first_mean(system, source), source.states[:, :, None])[:, :, 0]
        state += moved
        parts[source.label] = moved @ system.design.T + source.outputs
    moved = _run(system, None, driver.states)
    shocked = np.einsum("ij,tjk->tik", system.design, moved) + driver.outputs
    # what neither shocks nor intercepts account for came in with the start
    level = level - sum(parts.values()) - shocked.sum(axis=2)
    left = path - state - moved.sum(axis=2)
    first = driver.values.shape[1]
    start = _start(system, left, level, moments)
    labels = (*driver.labels, START, *parts)
    values = np.concatenate([shocked, *(part[:, :, None] for part in (start, *parts.values()))], 2)
    shocks = pd.DataFrame(
        driver.values, index=model.endog.index, columns=driver.labels[:first], copy=True
    )
    if orthogonalized:
        words += ", along the Cholesky factor in the order of the names"
    return HistoricalDecomposition(
        names, labels, values, shocks, model.endog.values, model.endog.index, words
    )


def _run(system: StateSpace, first: FloatArray | None, steps: FloatArray) -> FloatArray:
    """Run s_t = T s_{t-1} + steps_t; the first step is replaced where `first` is given."""
    path = np.empty(steps.shape)
    path[0] = steps[0] if first is None else first[:, None]
    for t in range(1, len(steps)):
        path[t] = system.transition @ path[t - 1] + steps[t]
    return path


def _first_mean(system: StateSpace, source: Source) -> FloatArray:
    """Return what intercepts make of the mean of h_1."""
    now = source.states[0]
    if system.first_step == "none":
        return np.zeros_like(now)
    if system.start == "stationary" and now.any():
        before = np.linalg.solve(np.eye(now.size) - system.transition, now)
        return np.asarray(system.transition @ before + now)
    return np.asarray(now)


def _start(
    system: StateSpace,
    left: FloatArray,
    level: FloatArray,
    moments: SmootherOutput | FilterOutput,
) -> FloatArray:
    """Return the part of the start: its state run on, and the remainder of a diffuse phase."""
    rows = 0 if isinstance(moments, SmootherOutput) else min(moments.nobs_diffuse, len(left) - 1)
    steps = np.zeros((len(left) - rows, *left.shape[1:], 1))
    later = _run(system, left[rows], steps)[:, :, 0] @ system.design.T
    return np.concatenate([level[:rows], later])


def _split(
    values: FloatArray, cov: FloatArray, orthogonalized: bool
) -> tuple[FloatArray, FloatArray]:
    """Return shocks and what one of each does to the original ones."""
    if not orthogonalized:
        return values, np.eye(cov.shape[0])
    factor = cholesky_factor(cov)
    live = np.diagonal(factor) > 0
    uncorrelated = np.zeros_like(values)
    part = np.ix_(live, live)
    uncorrelated[:, live] = solve_triangular(factor[part], values[:, live].T, lower=True).T
    return uncorrelated, factor


def _smoothed(
    model: StateSpaceModel, system: StateSpace, moments: SmootherOutput, orthogonalized: bool
) -> tuple[_Driver, FloatArray, FloatArray]:
    nobs, p, m = model.nobs, system.k_endog, system.k_states
    names, states = model.endog.names, tuple(model.state_names)
    noise, eps = moments.smoothed_state_noise, moments.smoothed_obs_noise
    level = moments.smoothed_state @ system.design.T + system.obs_intercept + eps
    if shares_noise(system):
        # eta_{t+1} is eps_t; the noise of the step into the first row precedes the sample
        shocks, factor = _split(eps, system.obs_cov, orthogonalized)
        outputs = factor[None] * shocks[:, None, :]
        inner = np.zeros((nobs, m, p))
        inner[1:] = (system.selection @ factor)[None] * shocks[:-1, None, :]
        labels = [f"shock {name}" for name in names]
        return _Driver(labels, inner, outputs, shocks), moments.smoothed_state, level
    shocks, factor = _split(noise, system.state_cov, orthogonalized)
    inner = (system.selection @ factor)[None] * shocks[:, None, :]
    labels = [f"shock {name}" for name in shock_names(system, names, states)]
    outputs = np.zeros((nobs, p, shocks.shape[1]))
    if system.obs_cov.any():
        seen, factor = _split(eps, system.obs_cov, orthogonalized)
        outputs = np.concatenate([outputs, factor[None] * seen[:, None, :]], axis=2)
        inner = np.concatenate([inner, np.zeros((nobs, m, p))], axis=2)
        shocks = np.concatenate([shocks, seen], axis=1)
        labels += [f"noise of {name}" for name in names]
    return _Driver(labels, inner, outputs, shocks), moments.smoothed_state, level


def _predicted(
    model: StateSpaceModel, system: StateSpace, moments: FilterOutput, orthogonalized: bool
) -> tuple[_Driver, FloatArray, FloatArray]:
    nobs, p = model.nobs, system.k_endog
    errors = np.nan_to_num(moments.forecast_error)
    seen, phase = ~np.isnan(moments.forecast_error), moments.nobs_diffuse
    seen[:phase] = False
    gains = filter_gains(system, moments, seen)
    errors[:phase] = 0.0
    shocks, factor = errors, np.eye(p)
    if orthogonalized:
        shocks, factor = _split(errors, innovation_shocks(system, model.endog.names).cov, True)
    outputs = factor[None] * shocks[:, None, :]
    inner = np.zeros((nobs, system.k_states, p))
    inner[1:] = (gains @ factor)[:-1] * shocks[:-1, None, :]
    path = moments.predicted_state[:nobs]
    level = path @ system.design.T + system.obs_intercept + errors
    observed = np.isfinite(model.endog.values[:phase])
    level[:phase] = np.where(observed, model.endog.values[:phase], level[:phase])
    labels = [f"shock {name}" for name in model.endog.names]
    return _Driver(labels, inner, outputs, shocks), path, level
