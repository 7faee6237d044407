"""What clipping of gradients does to learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats._checks import check_alpha, check_bool, check_float, check_int, check_jobs
from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.training.grid import (
    Job,
    Seed,
    checked,
    described,
    entropy_of,
    run_job,
)
from rnnstats.diagnostics.memory.training.inference import matched_difference, student, wilson
from rnnstats.diagnostics.memory.training.learners import Learner
from rnnstats.diagnostics.memory.training.optimiser import Optimiser, Streams, Trained
from rnnstats.diagnostics.memory.training.pictures import clipping_figure
from rnnstats.diagnostics.memory.training.running import worked_through
from rnnstats.diagnostics.memory.training.tasks import FirstSymbol, Task
from rnnstats.errors import SpecificationError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["ClippingEffect", "clipping_effect"]

FloatArray = NDArray[np.float64]
# gradients that explode: an enlarged rotation, and steps that follow their length
EXPLODING: Final = Learner("elman", recurrent="orthogonal", gain=2.0)
DESCENT: Final = Optimiser("sgd", learning_rate=0.5)


@dataclass(frozen=True, eq=False, repr=False)
class ClippingEffect(Report):
    """Learning with gradients clipped at several norms, from the same starts and sequences.

    Attributes
    ----------
    runs : dict of str to dict of int to Trained
        By threshold ("none" or the number) and seed.
    title : str
        What was learnt.
    notes : tuple of str
        How.
    alpha : float
        One minus the coverage of the intervals.
    """

    runs: Mapping[str, Mapping[int, Trained]]
    title: str
    notes: tuple[str, ...] = ()
    alpha: float = 0.05

    @property
    def frame(self) -> pd.DataFrame:
        """Success by threshold.

        Returns
        -------
        DataFrame
            Index ``clip``. ``runs``, ``successes``, ``share`` with its Wilson interval ``lower``,
            ``upper``; ``skill``, ``skill_se`` at the end; ``clipped``: share of the steps;
            ``median_gradient``, ``largest_gradient``: norms before clipping, medians over runs of
            the median and the largest along a run; ``lost``: steps, over all runs, that could not
            be taken because the gradient was not finite. Against the first threshold, run by run
            from the same start and sequences: ``difference`` of skill with ``difference_se`` and
            its ``pvalue`` (Student, paired), and ``success_pvalue``, McNemar's exact test
            (McNemar 1947, Psychometrika 12, 153-157) on the runs that succeed with one only.
        """
        return self._frame.copy()

    @cached_property
    def _frame(self) -> pd.DataFrame:
        """`frame`, once."""
        first = next(iter(self.runs.values()))
        rows = [
            self._row(runs) | (_paired(runs, first) if runs is not first else {})
            for runs in self.runs.values()
        ]
        return pd.DataFrame(rows, index=pd.Index(list(self.runs), name="clip"))

    def _row(self, runs: Mapping[int, Trained]) -> dict[str, Any]:
        """One threshold."""
        found = list(runs.values())
        count, successes = len(found), sum(one.succeeded for one in found)
        lower, upper = wilson(successes, count, self.alpha)
        skill = student(np.array([one.skill for one in found]))
        finite = [one.norms[np.isfinite(one.norms)] for one in found]
        finite = [norms for norms in finite if len(norms)]
        return {
            "runs": count,
            "successes": successes,
            "share": successes / count,
            "lower": float(lower[0]),
            "upper": float(upper[0]),
            "skill": skill.value,
            "skill_se": skill.se,
            "clipped": float(np.mean([one.clipped for one in found])),
            "median_gradient": _middle([float(np.median(norms)) for norms in finite]),
            "largest_gradient": _middle([float(norms.max()) for norms in finite]),
            "lost": sum(one.lost for one in found),
        }

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        table = self._frame
        extra = [c for c in ("difference", "difference_se", "pvalue", "success_pvalue")
                 if c in table.columns]  # fmt: skip
        tables = {f"{self.title}: effect of clipping": table.drop(columns=extra)}
        if extra:
            tables[f"Less that with {table.index[0]}, run by run"] = table[extra].iloc[1:]
        return lay_out(tables, self.notes)

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw success by threshold, and how often gradients exceed a norm.

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
        norms = {name: [one.norms for one in runs.values()] for name, runs in self.runs.items()}
        return clipping_figure(self._frame, norms, self.title, self.alpha, fig)


def _middle(values: Sequence[float]) -> float:
    return float(np.median(values)) if values else np.nan


def _paired(runs: Mapping[int, Trained], first: Mapping[int, Trained]) -> dict[str, float]:
    """Compare runs from the same starts."""
    both = [(runs[seed], first[seed]) for seed in runs if seed in first]
    gaps = np.array([one.skill - other.skill for one, other in both])
    succeeded = np.array([(one.succeeded, other.succeeded) for one, other in both], dtype=bool)
    shares = matched_difference([(succeeded[:, 0], succeeded[:, 1])] if both else [])
    mean, se, _, pvalue = student(gaps)
    return {
        "difference": mean, "difference_se": se, "pvalue": pvalue, "success_pvalue": shares.pvalue,
    }  # fmt: skip


def clipping_effect(
    thresholds: Sequence[float | None] = (None, 3.0, 1.0, 0.1),
    *,
    task: Task | None = None,
    lag: int = 20,
    learner: Learner = EXPLODING,
    n_runs: int = 20,
    optimiser: Optimiser = DESCENT,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> ClippingEffect:
    """Show what it changes to clip gradients, and where.

    All thresholds begin from the same weights and see the same sequences.

    Parameters
    ----------
    thresholds : sequence of float or None
        Largest norms of the gradient; None: not clipped. The others are compared with the first.
    task : Task, optional
        By default `FirstSymbol`.
    lag : int
        Of the task.
    learner : Learner
        By default an Elman cell of 8 units whose matrix from state to state is twice a
        rotation, so that gradients explode as long as tanh does not saturate.
    n_runs : int
        Runs with each threshold.
    optimiser : Optimiser
        Its ``clip`` is replaced. By default steepest descent with rate 0.5, at most 400 steps of 20
        sequences. Adam divides by the size of recent gradients, so that clipping changes less.
    success : float
        Skill from which a run has succeeded.
    rng : int, Generator or None
        None gives other numbers each time.
    n_jobs : int
        Processes; the numbers do not depend on it.
    progress : bool
        Show a bar.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    ClippingEffect

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    References
    ----------
    Pascanu, Mikolov and Bengio (2013), ICML 28, 1310-1318, sections 3.2 and 4.
    """
    caller = "clipping_effect"
    check_alpha(alpha, caller)
    lag = check_int(lag, name="lag", caller=caller, minimum=1)
    n_runs = check_int(n_runs, name="n_runs", caller=caller, minimum=1)
    check_float(success, name="success", caller=caller, above=0.0, below=1.0)
    how = checked(optimiser, caller)
    names = ["none" if one is None else f"{one:g}" for one in thresholds]
    if not names or len(set(names)) < len(names):
        raise SpecificationError(
            f"{caller}: thresholds must be different norms or None, one at least; got "
            f"{list(thresholds)}. Use thresholds=(None, 1.0)."
        )
    if not isinstance(learner, Learner):
        raise SpecificationError(
            f"{caller}: learner must be a Learner; got {type(learner).__name__}. "
            "Use Learner('elman', recurrent='orthogonal', gain=2.0)."
        )
    what = FirstSymbol() if task is None else task
    seed = entropy_of(rng, caller)
    jobs = [
        Job(name, learner, what, replace(how, clip=clip), Streams(seed, lag, run), success)
        for run in range(n_runs)
        for name, clip in zip(names, thresholds, strict=True)
    ]
    done = worked_through(
        run_job,
        jobs,
        n_jobs=check_jobs(n_jobs, caller=caller),
        progress=check_bool(progress, name="progress", caller=caller),
        caller=caller,
    )
    runs: dict[str, dict[int, Trained]] = {}
    for job, found in done:
        runs.setdefault(job.name, {})[job.streams.seed] = found
    words = f"{learner.cell} of {learner.k_hidden} units, {described(how, clip=False)}."
    return ClippingEffect(runs, f"{what.title}, lag {lag}", (words,), alpha)
