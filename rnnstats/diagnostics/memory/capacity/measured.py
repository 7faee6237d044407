"""Memory capacity: how much of each past input the best linear readout of the state recovers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rnnstats._checks import check_alpha, check_generator, check_int
from rnnstats.diagnostics.memory.capacity.exact import exact
from rnnstats.diagnostics.memory.capacity.figures import Found
from rnnstats.diagnostics.memory.capacity.simulated import Runner, simulated
from rnnstats.diagnostics.memory.capacity.sources import CALLER, ROWS, driven_recurrence
from rnnstats.diagnostics.memory.recurrences import Recurrence, refuse
from rnnstats.diagnostics.memory.report import Report, lay_out

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MemoryCapacity", "memory_capacity"]


@dataclass(frozen=True, eq=False, repr=False)
class MemoryCapacity(Report):
    """How much of each past input the state still holds.

    The capacity of lag k is the share of the variance of the input u_{t-k} that the best linear
    readout of the state s_t reconstructs (a squared multiple correlation); lag 0 is the input of
    the row's own step. Over all lags capacities add up to the number of states at most, and to it
    in a linear recurrence without noise whose states the inputs can all reach: a nonlinear one
    spends the rest on functions of its inputs that are not linear.

    Attributes
    ----------
    step : str
        Unit of lags: what one row is, such as "quarters".
    title : str
        The model; empty for none.
    inputs : tuple of str
        Inputs that are looked for.
    exact : bool
        Whether the numbers are those of the linear recurrence, else of a run with white inputs.
    k_state : int
        Number of states m: the bound of `total`.
    rank : int
        Number of directions in which the state moves.
    rows : int
        Rows of the run; 0 for exact numbers.
    total, total_se : float
        Sum of the capacities over all lags, with its standard error.
    mean_lag, mean_lag_se : float
        Mean of the lag weighted with the capacities, with its standard error: an effective memory
        length, in `step`.
    threshold : float
        What a raw share must exceed to tell it from chance; 0 for exact numbers.
    rate : float
        Log rate per row at which the run forgets its start (functions only, else NaN). Where it is
        not negative the state depends on where it began, and capacities on that too.

    References
    ----------
    Jaeger (2001), Short term memory in echo state networks, GMD report 152; Dambre, Verstraeten,
    Schrauwen and Massar (2012), Scientific Reports 2, 514.
    """

    step: str
    title: str
    inputs: tuple[str, ...]
    exact: bool
    k_state: int
    rank: int
    rows: int
    total: float
    total_se: float
    mean_lag: float
    mean_lag_se: float
    threshold: float
    rate: float
    _frame: pd.DataFrame
    _notes: tuple[str, ...]

    @property
    def share(self) -> float:
        """Total capacity as a share of its bound, the number of states."""
        return self.total / self.k_state

    @property
    def frame(self) -> pd.DataFrame:
        """Capacities by lag, index ``lag`` from 0 (a copy).

        ``capacity`` of all `inputs` together (the sum of squared canonical correlations) with its
        standard error ``capacity_se``; ``cumulative``; ``above_chance``, whether a run tells the
        capacity from nothing; and, with several inputs, the share of each by its name with
        ``_se``. Estimates from a run are corrected for bias, and can be a little below zero.
        """
        return self._frame.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Total and mean lag, and capacities at some lags.
        """
        measures = pd.DataFrame(
            {
                "value": [self.total, self.share, self.mean_lag],
                "std err": [self.total_se, self.total_se / self.k_state, self.mean_lag_se],
            },
            index=["total capacity", "share of the bound", f"mean lag in {self.step}"],
        )
        last = len(self._frame) - 1
        lags = sorted({*range(min(6, last + 1)), *np.geomspace(1, max(last, 1), 9).astype(int)})
        by_lag = self._frame.iloc[[lag for lag in lags if lag <= last]]
        by_lag = by_lag.drop(columns="above_chance").set_axis(
            [f"lag {lag}" for lag in lags if lag <= last]
        )
        by_lag.columns = pd.Index(
            ["std err" + " " * j if str(name).endswith("_se") else name
             for j, name in enumerate(by_lag.columns)]
        )  # fmt: skip
        heading = f"Memory capacity for {', '.join(self.inputs)} (bound: {self.k_state} states)"
        return lay_out({heading: measures, f"By lag in {self.step}": by_lag}, self._notes)

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Plot capacities by lag, and their sum beside the bound.

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
        from rnnstats.diagnostics.memory.capacity.plots import draw_capacity

        return draw_capacity(self, fig=fig)


def memory_capacity(
    source: Any,
    h0: ArrayLike | None = None,
    nsteps: int | None = None,
    *,
    jacobian: Callable[..., ArrayLike] | None = None,
    inputs: ArrayLike | None = None,
    by: str | Sequence[str] | None = None,
    lags: int | None = None,
    noise_cov: ArrayLike | None = None,
    burn: int | None = None,
    alpha: float = 0.05,
    rng: np.random.Generator | int | None = None,
) -> MemoryCapacity:
    """Measure how much of each past input the state holds (Jaeger's memory capacity).

    Parameters
    ----------
    source : tuple (W_h, W_x), callable or results
        Weights of a linear recurrence ``s_t = W_h s_{t-1} + W_x u_t``, shapes (m, m) and (m, q)
        (or (m,)), whose capacity is exact; ``step(h, x)``, which is run; or results of a model:
        linear ones exactly, networks and chains from simulated series.
    h0 : array_like of shape (m,), optional
        State before the first step of a function.
    nsteps : int, optional
        Rows of the run, 20,000 by default, or those of `inputs`. Not with linear models.
    jacobian : callable, optional
        ``jacobian(h, x)`` of a function, shape (m, m), for the rate at which it forgets its start.
    inputs : array_like of shape (nsteps, ...), optional
        Of a function: white numbers, row t into step t. By default one column of independent
        standard normal ones.
    by : str or sequence of str, optional
        Inputs that are looked for, by name; for results ``"shocks"``, the errors of the one-step
        predictions, are the default where the state reads them, with the name ``L1.e.y`` where the
        newest one it holds is that of the row before. All others are noise.
    lags : int, optional
        Largest lag; by default as many as hold something.
    noise_cov : array_like of shape (m, m), optional
        Covariance of white noise of the state, with weights (W_h, W_x) only.
    burn : int, optional
        First rows of each run that are left out; by default a tenth, at most 1000. Not with linear
        models.
    alpha : float
        Chance that a run finds something in any of the lags where there is nothing.
    rng : numpy.random.Generator or int, optional
        Source of randomness of runs.

    Returns
    -------
    MemoryCapacity

    Raises
    ------
    SpecificationError
        Arguments that are missing or make no sense with the source; a linear recurrence that is not
        stationary; a function that does not read its inputs; too few rows for the lags.

    Notes
    -----
    Jaeger's readout sees, beside the state, the row's own input; his delay k is lag k - 1 here
    where W_h is not singular, and totals are the same (m for a linear network whose states the
    input can all reach, his proposition 2 and theorem). For noise in the state see White,
    Lee and Sompolinsky (2004). Regressors of results count as white, with the covariance they have
    in the data; of networks their rows are drawn with replacement. Standard errors hold the finite
    run (jackknife) and, for results, the estimation of the parameters (delta method) where outputs
    are continuous; the mean lag is skew, and its intervals are better taken on the scale of logs.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats.diagnostics.memory import memory_capacity
    >>> delay = np.diag(np.full(3, 0.9), -1)
    >>> found = memory_capacity((delay, [1.0, 0.0, 0.0, 0.0]))
    >>> round(found.total, 6), round(found.mean_lag, 6)
    (4.0, 1.5)
    """
    check_alpha(alpha, CALLER)
    generator = check_generator(rng, caller=CALLER)
    most = None if lags is None else check_int(lags, name="lags", caller=CALLER, minimum=0)
    recurrence = driven_recurrence(source, h0, nsteps, jacobian, inputs, noise_cov, generator)
    drive = recurrence.drive()
    if drive is not None:
        refuse(CALLER, "a linear recurrence", nsteps=nsteps, burn=burn)
        return _report(recurrence, exact(recurrence, drive, by, most))
    count = ROWS if nsteps is None else check_int(nsteps, name="nsteps", caller=CALLER, minimum=100)
    run = Runner(recurrence, count, burn, int(generator.integers(2**62)))
    return _report(recurrence, simulated(run, by, most, alpha))


def _report(recurrence: Recurrence, found: Found) -> MemoryCapacity:
    value, error = found.value, found.error
    columns: dict[str, Any] = {
        "capacity": value.whole, "capacity_se": error.whole, "cumulative": value.whole.cumsum(),
        "above_chance": found.above,
    }  # fmt: skip
    if len(found.names) > 1:
        for j, name in enumerate(found.names):
            columns[name], columns[f"{name}_se"] = value.each[:, j], error.each[:, j]
    notes = list(found.notes)
    if found.rate >= 0.0:
        notes.append(
            f"The run does not forget its start (rate {found.rate:.3g} per row): the state is no "
            "function of the inputs alone."
        )
    return MemoryCapacity(
        step=recurrence.labels.step,
        title=recurrence.labels.title,
        inputs=tuple(found.names),
        exact=found.rows == 0,
        k_state=found.k_state,
        rank=found.rank,
        rows=found.rows,
        total=value.total,
        total_se=float(error.total),
        mean_lag=value.mean_lag,
        mean_lag_se=float(error.mean_lag),
        threshold=found.threshold,
        rate=found.rate,
        _frame=pd.DataFrame(columns, index=pd.RangeIndex(len(value.whole), name="lag")),
        _notes=tuple(notes),
    )
