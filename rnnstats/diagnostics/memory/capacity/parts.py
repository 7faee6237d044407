"""Parts of memory capacity: what drives a recurrence, exact numbers, numbers from runs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_int, is_symmetric, shown, suggest
from rnnstats.diagnostics.memory.capacity.capacities import (
    Figures,
    Sampled,
    linear_shares,
    quick_shares,
    sampled_shares,
    total_shares,
)
from rnnstats.diagnostics.memory.derivatives import as_step
from rnnstats.diagnostics.memory.driven import Driven, LinearDrive
from rnnstats.diagnostics.memory.lyapunov.growth import stretches
from rnnstats.diagnostics.memory.recurrences import (
    GivenRecurrence,
    Recurrence,
    StepRecurrence,
    recurrence_of,
    refuse,
)
from rnnstats.diagnostics.memory.uncertainty import delta
from rnnstats.errors import SpecificationError

__all__ = ["CALLER", "ROWS", "Found", "Runner", "driven_recurrence", "exact", "simulated"]

FloatArray = NDArray[np.float64]
CALLER = "memory_capacity"

# Rows of a run; with 10 states the standard error of a capacity of one half is then below 0.01.
ROWS = 20_000
# Lags looked at first, and at most; lags are doubled while the later half holds something.
FEW, MANY = 32, 4096
# Capacity of all later lags that is let go.
LEFT = 1e-6
# Rows that derivatives by the parameters are taken from, a share of the run; and rows from which
# the rate of forgetting is taken.
SHARE, TRIED = 4, 1000
# Standard errors beyond which means of the two halves of runs differ.
DRIFT = 4.5


@dataclass(frozen=True, slots=True, eq=False)
class Found:
    """Capacities with errors, however they came about.

    Attributes
    ----------
    value, error : Figures
        Capacities and standard errors.
    above : ndarray of bool, shape (lags + 1,)
        Lags at which more is held than by chance.
    names : list of str
        Inputs that are looked for.
    k_state, rank : int
        States, and directions in which they move.
    notes : list of str
    rows : int
        Of the run; 0 for none.
    threshold : float
        Share that a run tells from nothing.
    rate : float
        Log rate at which the run forgets its start; NaN where it is not known.
    """

    value: Figures
    error: Figures
    above: NDArray[np.bool_]
    names: list[str]
    k_state: int
    rank: int
    notes: list[str]
    rows: int = 0
    threshold: float = 0.0
    rate: float = np.nan


@dataclass(eq=False)
class WeightsRecurrence(GivenRecurrence):
    """Bare weights of a linear recurrence with white inputs.

    Attributes
    ----------
    weights : LinearDrive
    """

    weights: LinearDrive

    def drive(self) -> LinearDrive:
        """What drives it, see `Recurrence.drive`.

        Returns
        -------
        LinearDrive
        """
        return self.weights


def driven_recurrence(
    source: Any,
    h0: ArrayLike | None,
    nsteps: int | None,
    jacobian: Callable[..., ArrayLike] | None,
    inputs: ArrayLike | None,
    noise_cov: ArrayLike | None,
    rng: np.random.Generator,
) -> Recurrence:
    """Bring what the user has to a recurrence with inputs.

    Parameters
    ----------
    source, h0, nsteps, jacobian, inputs, noise_cov, rng
        As in `memory_capacity`.

    Returns
    -------
    Recurrence

    Raises
    ------
    SpecificationError
        Arguments that are missing or make no sense with the source.
    """
    if isinstance(source, tuple):
        refuse(CALLER, "weights (W_h, W_x)", h0=h0, jacobian=jacobian, inputs=inputs)
        return _bare(source, noise_cov)
    refuse(CALLER, "anything but weights (W_h, W_x)", noise_cov=noise_cov)
    if not callable(source):
        refuse(CALLER, "anything but a function", h0=h0, jacobian=jacobian, inputs=inputs)
        return recurrence_of(source, caller=CALLER)
    if inputs is None:
        count = ROWS if nsteps is None else nsteps
        count = check_int(count, name="nsteps", caller=CALLER, minimum=100)
        drawn = rng.standard_normal((count, 1))
    else:
        drawn = np.asarray(inputs, dtype=np.float64)
    found = recurrence_of(source, h0, nsteps, jacobian=jacobian, inputs=drawn, caller=CALLER)
    _check_reads(found)
    return found


def _check_reads(found: Recurrence) -> None:
    """Refuse a function that does not read its inputs."""
    if not isinstance(found, StepRecurrence):
        return
    step = as_step(found.step, caller=CALLER)
    rows = range(min(10, found.nsteps))
    images = [step(found.start.copy(), found.inputs_of(row)) for row in rows]
    if all(np.array_equal(images[0], image) for image in images):
        raise SpecificationError(
            f"{CALLER}: step must read its inputs, step(h, x); got one that gives "
            f"{shown(images[0])} after h0 for each of {len(images)} inputs."
        )


def _bare(source: tuple[Any, ...], noise_cov: ArrayLike | None) -> Recurrence:
    """Weights (W_h, W_x) as a recurrence."""
    rule = "weights must be a pair (W_h, W_x) of shapes (m, m) and (m, q)"
    if len(source) != 2:
        raise SpecificationError(f"{CALLER}: {rule}; got {len(source)} parts.")
    matrix, loading = (np.array(part, dtype=np.float64) for part in source)
    loading = loading[:, None] if loading.ndim == 1 else loading
    m = len(matrix) if matrix.ndim else 0
    if m == 0 or matrix.shape != (m, m) or loading.shape[:1] != (m,) or loading.ndim != 2:
        raise SpecificationError(f"{CALLER}: {rule}; got {matrix.shape} and {loading.shape}.")
    cov = None if noise_cov is None else np.array(noise_cov, dtype=np.float64)
    if cov is not None and (cov.shape != (m, m) or not is_symmetric(cov)):
        raise SpecificationError(
            f"{CALLER}: noise_cov must be a symmetric matrix of shape {(m, m)}; got {shown(cov)}."
        )
    if not (np.isfinite(matrix).all() and np.isfinite(loading).all()):
        raise SpecificationError(f"{CALLER}: weights must be finite; got {shown(source)}.")
    names = tuple(f"x{j + 1}" for j in range(loading.shape[1]))
    drive = LinearDrive(matrix, loading, np.eye(len(names)), names, noise_cov=cov)
    return WeightsRecurrence(matrix[None], drive)


def _chosen(
    names: tuple[str, ...], shocks: int, by: str | Sequence[str] | None
) -> NDArray[np.intp]:
    """Places of the inputs that are looked for."""
    if by is None or by == "shocks":
        if by is not None and not shocks:
            raise SpecificationError(
                f"{CALLER}: by='shocks' needs a state that reads its own errors; got inputs "
                f"{', '.join(names)}. Name some of them."
            )
        return np.arange(shocks or len(names))
    wanted = [by] if isinstance(by, str) else list(by)
    for name in wanted:
        if name not in names:
            raise SpecificationError(
                f"{CALLER}: by must be 'shocks' or names of inputs, of {', '.join(names)}; got "
                f"{shown(name)}.{suggest(name, names)}"
            )
    if not wanted or len(set(wanted)) < len(wanted):
        raise SpecificationError(
            f"{CALLER}: by must name one input at least, each once; got {shown(by)}."
        )
    return np.array([names.index(name) for name in wanted])


# -- linear recurrences ------------------------------------------------------------------------


def exact(recurrence: Recurrence, drive: LinearDrive, by: Any, lags: int | None) -> Found:
    """Capacities of a linear recurrence, with delta-method errors.

    Parameters
    ----------
    recurrence : Recurrence
    drive : LinearDrive
        At its parameters.
    by : str or sequence of str or None
        Inputs that are looked for.
    lags : int or None
        Largest lag; None for as many as hold something.

    Returns
    -------
    Found

    Raises
    ------
    SpecificationError
        It is not stationary, or there is no such input.
    """
    radius = float(np.abs(np.linalg.eigvals(drive.transition)).max())
    if radius >= 1.0:
        raise SpecificationError(
            f"{CALLER}: a linear recurrence must be stationary, with roots inside the unit circle; "
            f"got a root of modulus {radius:.6g}. Its state has no variance to take shares of."
        )
    chosen = _chosen(drive.names, drive.shocks, by)
    count = FEW if lags is None else lags
    value, beyond, rank = _linear_figures(drive, chosen, count)
    while lags is None and beyond > LEFT and count < MANY:
        count *= 2
        value, beyond, rank = _linear_figures(drive, chosen, count)
    if lags is None:
        left = value.whole[::-1].cumsum()[::-1] + value.total - value.whole.sum()
        count = max(1, int((left > LEFT).sum()) - 1)
        value, _, rank = _linear_figures(drive, chosen, count)
        beyond = beyond if beyond > LEFT else 0.0

    def figures(there: Recurrence) -> FloatArray:
        moved = there.drive()
        if moved is None:
            return np.full_like(value.flat, np.nan)
        return _linear_figures(moved, chosen, count)[0].flat

    error = value.like(delta(recurrence, figures).error)
    notes = ["Exact for white inputs."]
    if beyond > LEFT:
        notes.append(
            f"Up to {beyond:.4g} of capacity lies at later lags; the mean lag leaves it out."
        )
    if rank < len(drive.transition):
        notes.append(
            f"Inputs and noise move the state in {rank} of {len(drive.transition)} directions, as "
            "far as numbers of 16 digits tell."
        )
    return Found(
        value, error, np.full(count + 1, True), [drive.names[j] for j in chosen],
        len(drive.transition), rank, notes,
    )  # fmt: skip


def _linear_figures(
    drive: LinearDrive, chosen: NDArray[np.intp], lags: int
) -> tuple[Figures, float, int]:
    """Capacities of the chosen inputs, that of later lags, and directions of the state."""
    found = linear_shares(drive.transition, drive.loading, drive.cov, drive.noise_cov, lags)
    whole = total_shares(found.seen, drive.cov, chosen)
    own = np.diagonal(drive.cov)[chosen]
    parts = np.diagonal(found.seen, axis1=1, axis2=2)[:, chosen]
    each = np.divide(parts, own, out=np.zeros_like(parts), where=own > 0.0)
    complete = len(chosen) == len(drive.names)
    figures = Figures.of(each, whole, found.beyond if complete else 0.0)
    return figures, found.beyond, found.rank


# -- others ------------------------------------------------------------------------------------


@dataclass(slots=True, eq=False)
class Runner:
    """How a recurrence is run; the same random numbers each time.

    Attributes
    ----------
    recurrence : Recurrence
    nsteps : int
        Rows of all runs.
    burn : int or None
        First rows of each that are left out.
    seed : int
    """

    recurrence: Recurrence
    nsteps: int
    burn: int | None
    seed: int

    def drive(self, there: Recurrence, share: int = 1) -> Driven:
        """Run a recurrence, without the rows in which the start may show.

        Parameters
        ----------
        there : Recurrence
            This one, or at other parameters.
        share : int
            The whole run is so many times longer.

        Returns
        -------
        Driven
        """
        found = there.driven(self.nsteps // share, np.random.default_rng(self.seed))
        rows = found.states.shape[1]
        burn = min(rows // 10, 1000) if self.burn is None else self.burn
        burn = check_int(burn, name="burn", caller=CALLER, minimum=0, maximum=rows - 2)
        return replace(found, states=found.states[:, burn:], inputs=found.inputs[:, burn:])


def simulated(run: Runner, by: Any, lags: int | None, alpha: float) -> Found:
    """Capacities of a run, with jackknife and delta-method errors.

    Parameters
    ----------
    run : Runner
    by : str or sequence of str or None
        Inputs that are looked for.
    lags : int or None
        Largest lag; None for as many as hold something.
    alpha : float
        Level of what is more than chance.

    Returns
    -------
    Found

    Raises
    ------
    SpecificationError
        Too few rows, or there is no such input.
    """
    driven = run.drive(run.recurrence)
    chosen = _chosen(driven.names, driven.shocks, by)
    states, inputs = driven.states, driven.inputs[:, :, chosen]
    longest = _longest(states)
    count = check_int(
        min(FEW, longest) if lags is None else lags, name="lags", caller=CALLER, minimum=0,
        maximum=longest, hint="More rows (nsteps) allow more lags.",
    )  # fmt: skip
    found = sampled_shares(states, inputs, count, alpha)
    while lags is None and count < longest and found.above[count // 2 :].any():
        count = min(2 * count, longest)
        found = sampled_shares(states, inputs, count, alpha)
    error = _with_estimation(run, driven, found, chosen)
    notes = _notes(driven, found, inputs)
    if np.isnan(error.total):
        notes.append("The estimates have no covariance, so that there are no standard errors.")
    return Found(
        found.value, error, found.above, [driven.names[j] for j in chosen],
        states.shape[2], found.rank, notes,
        rows=states.shape[0] * (states.shape[1] - count), threshold=found.threshold,
        rate=_rate(run.recurrence),
    )  # fmt: skip


def _longest(states: FloatArray) -> int:
    """Largest lag for which three quarters of the rows are left, and enough for the states."""
    runs, length, m = states.shape
    longest = int(min(length // 4, length - 1 - (10 * (m + 1)) // runs))
    if longest < 0:
        raise SpecificationError(
            f"{CALLER}: a run must have 10 rows a state at least; got {runs * length} rows for {m} "
            "states. Take more steps (nsteps)."
        )
    return longest


def _with_estimation(
    run: Runner, driven: Driven, found: Sampled, chosen: NDArray[np.intp]
) -> Figures:
    """Standard errors with what the estimation of parameters adds."""
    if not driven.smooth:
        return found.error
    lags = len(found.above) - 1

    def figures(there: Recurrence) -> FloatArray:
        moved = run.drive(there, share=SHARE)
        most = min(lags, _longest(moved.states))
        short = quick_shares(
            moved.states, moved.inputs[:, :, chosen], most, found.above[: most + 1]
        )
        each, whole = np.zeros_like(found.value.each), np.zeros_like(found.value.whole)
        each[: most + 1], whole[: most + 1] = short.each, short.whole
        return Figures(each, whole, short.total, short.mean_lag).flat

    slopes = run.recurrence.slopes(figures)
    if slopes is None:
        return found.error
    extra = np.diagonal(np.atleast_2d(run.recurrence.spread(slopes)))
    with np.errstate(invalid="ignore"):
        return found.value.like(np.sqrt(found.error.flat**2 + np.maximum(extra, 0.0)))


def _rate(recurrence: Recurrence) -> float:
    """Log rate at which a function forgets its start."""
    if not isinstance(recurrence, StepRecurrence):
        return np.nan
    rows = min(TRIED, recurrence.nsteps)
    given = recurrence.given_inputs
    short = replace(recurrence, nsteps=rows, given_inputs=None if given is None else given[:rows])
    path = short.trajectory()
    return float(stretches(path.state, path.offsets)[rows // 10 :, 0].mean())


def _notes(driven: Driven, found: Sampled, inputs: FloatArray) -> list[str]:
    notes = [
        f"From runs of {driven.states.shape[0] * driven.states.shape[1]} rows in all with white "
        "inputs; corrected for bias (Ezekiel), standard errors by the jackknife of blocks. A raw "
        f"share of more than {found.threshold:.3g} is more than chance."
    ]
    if not driven.smooth:
        notes.append("Standard errors leave out that parameters are estimated.")
    if _drifts(driven.states):
        notes.append(
            "States of the first and the second half of the runs differ: they have not settled, "
            "and capacities depend on where they began. Take more rows (nsteps) or a longer burn."
        )
    related = _dependence(inputs)
    if related > 0.0:
        notes.append(
            f"The inputs depend on their past (autocorrelations up to {related:.2g}): neighbouring "
            "lags tell the same, and the sum over lags can exceed the bound."
        )
    return notes


def _drifts(states: FloatArray) -> bool:
    """Whether means of the states over many independent runs still move."""
    runs, length, _ = states.shape
    if runs < 2 or length < 2:
        return False
    half = length // 2
    move = states[:, half:].mean(axis=1) - states[:, :half].mean(axis=1)
    error = move.std(axis=0, ddof=1) / np.sqrt(runs)
    return bool((np.abs(move.mean(axis=0)) > DRIFT * error).any())


def _dependence(inputs: FloatArray) -> float:
    """Largest autocorrelation of lags 1 to 10 if it is more than chance, else zero."""
    runs, length, _ = inputs.shape
    centred = inputs - inputs.mean(axis=(0, 1))
    power = (centred**2).sum(axis=(0, 1))
    most = [
        np.abs((centred[:, k:] * centred[:, : length - k]).sum(axis=(0, 1)) / power).max()
        for k in range(1, min(11, length))
    ]
    largest = float(max(most, default=0.0))
    return largest if largest > 4.5 / np.sqrt(runs * length) else 0.0
