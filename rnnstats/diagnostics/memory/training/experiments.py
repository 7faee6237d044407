"""Experiments with long dependence: which network learns what lies how far back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, get_args

from rnnstats._checks import check_literal
from rnnstats.diagnostics.memory.training.dependence import LongDependence
from rnnstats.diagnostics.memory.training.grid import NETWORKS, Plan, Seed, table_of_runs
from rnnstats.diagnostics.memory.training.learners import ForgetBias, Learner
from rnnstats.diagnostics.memory.training.optimiser import Optimiser
from rnnstats.diagnostics.memory.training.tasks import Adding, Copying, FirstSymbol, Task

__all__ = [
    "adding_problem",
    "copy_problem",
    "first_symbol_recall",
    "forget_bias_effect",
    "success_against_lag",
]

Gated = Literal["lstm", "gru"]


def success_against_lag(
    task: Task,
    lags: Sequence[int] = (10, 30, 100),
    networks: Sequence[str] | Mapping[str, Learner] = NETWORKS,
    *,
    n_runs: int = 10,
    optimiser: Optimiser | None = None,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> LongDependence:
    """Train networks again and again, at lag after lag, and count how many learn the task.

    Parameters
    ----------
    task : Task
        `FirstSymbol`, `Adding`, `Copying`, `OwnSeries`, or a subclass of `training.Task`.
    lags : sequence of int
        Rows between what must be remembered and where it is asked for.
    networks : sequence of str or mapping of str to Learner
        Names of "Elman" (uniform start weights), "Elman orthogonal", "GRU", "GRU chrono", "LSTM"
        (forget bias 1), "LSTM chrono", all with 8 units; or a mapping with `Learner` of one's own.
    n_runs : int
        Runs for each network and lag, with start weights and sequences of their own. Run i of all
        networks learns from the same sequences.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, gradients of at most norm 1, at most 400 steps of
        20 sequences.
    success : float
        Skill on 500 fresh sequences from which a run has succeeded; training stops there.
    rng : int, Generator or None
        None gives other numbers each time.
    n_jobs : int
        Processes (joblib), -1 for all processors; the numbers do not depend on it.
    progress : bool
        Show a bar on standard error, if it takes more than about two seconds.
    alpha : float
        One minus the coverage of the intervals.

    Returns
    -------
    LongDependence
        Of the runs done by then after Ctrl-C, with a warning.

    Raises
    ------
    SpecificationError
        An argument is not allowed.
    """
    plan = Plan("success_against_lag", n_runs, optimiser, success, rng, n_jobs, progress, alpha)
    return table_of_runs(task, lags, networks, plan)


def first_symbol_recall(
    lags: Sequence[int] = (10, 30, 100),
    networks: Sequence[str] | Mapping[str, Learner] = NETWORKS,
    *,
    alphabet: int = 2,
    noise: float = 1.0,
    n_runs: int = 10,
    optimiser: Optimiser | None = None,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> LongDependence:
    """Show which network recalls the first symbol after how many rows of noise.

    The purest of the tasks: nothing else has to be learnt than to hold one symbol. Row 0 shows it,
    the ``lag`` rows that follow show Gaussian noise, the last one asks.

    Parameters
    ----------
    lags : sequence of int
        Rows of noise.
    networks : sequence of str or mapping of str to Learner
        See `success_against_lag`.
    alphabet : int
        Number of symbols; skill zero is a share right of one in ``alphabet``.
    noise : float
        Standard deviation.
    n_runs : int
        Runs for each network and lag.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, clipping at 1, at most 400 steps of 20 sequences.
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
    LongDependence

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    References
    ----------
    Bengio, Simard and Frasconi (1994), IEEE Transactions on Neural Networks 5, 157-166, section 4.
    """
    plan = Plan("first_symbol_recall", n_runs, optimiser, success, rng, n_jobs, progress, alpha)
    return table_of_runs(FirstSymbol(alphabet, noise), lags, networks, plan)


def adding_problem(
    lags: Sequence[int] = (10, 30, 100),
    networks: Sequence[str] | Mapping[str, Learner] = NETWORKS,
    *,
    n_runs: int = 5,
    optimiser: Optimiser | None = None,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> LongDependence:
    """Show which network adds two marked numbers among how many.

    A real number has to be held, not a sign: what latches is of no use.

    Parameters
    ----------
    lags : sequence of int
        Length of the sequences; the first mark is in their first half, the second in the second.
    networks : sequence of str or mapping of str to Learner
        See `success_against_lag`.
    n_runs : int
        Runs for each network and lag.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, clipping at 1, at most 1000 steps of 20 sequences.
    success : float
        Share of the sum's variance explained from which a run has succeeded. 0.9 is a mean squared
        error of 0.0167.
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
    LongDependence

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    References
    ----------
    Hochreiter and Schmidhuber (1997), Neural Computation 9, 1735-1780, section 5.4.
    """
    how = Optimiser(steps=1000) if optimiser is None else optimiser
    plan = Plan("adding_problem", n_runs, how, success, rng, n_jobs, progress, alpha)
    return table_of_runs(Adding(), lags, networks, plan)


def copy_problem(
    lags: Sequence[int] = (10, 30, 100),
    networks: Sequence[str] | Mapping[str, Learner] = NETWORKS,
    *,
    length: int = 2,
    alphabet: int = 2,
    n_runs: int = 5,
    optimiser: Optimiser | None = None,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> LongDependence:
    """Show which network repeats a string of symbols after how many blank rows.

    Several things have to be held at once, and told in their order.

    Parameters
    ----------
    lags : sequence of int
        Rows from a symbol to its copy; more than ``length``.
    networks : sequence of str or mapping of str to Learner
        See `success_against_lag`.
    length : int
        Of the string; 10 in the papers, with networks of a hundred units and more.
    alphabet : int
        Number of symbols; 8 in the papers.
    n_runs : int
        Runs for each network and lag.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, clipping at 1, at most 1000 steps of 20 sequences.
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
    LongDependence

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    References
    ----------
    Arjovsky, Shah and Bengio (2016), ICML 48, 1120-1128, section 5.1.
    """
    how = Optimiser(steps=1000) if optimiser is None else optimiser
    plan = Plan("copy_problem", n_runs, how, success, rng, n_jobs, progress, alpha)
    return table_of_runs(Copying(length, alphabet), lags, networks, plan)


def forget_bias_effect(
    biases: Sequence[ForgetBias] = (0.0, 1.0, 3.0, 5.0, "chrono"),
    lags: Sequence[int] = (10, 30, 100),
    *,
    cell: Gated = "lstm",
    k_hidden: int = 8,
    task: Task | None = None,
    n_runs: int = 10,
    optimiser: Optimiser | None = None,
    success: float = 0.9,
    rng: Seed = 0,
    n_jobs: int = 1,
    progress: bool = False,
    alpha: float = 0.05,
) -> LongDependence:
    """Show how far a gated network reaches that begins by forgetting slowly.

    A gate of logit b keeps sigmoid(b) of the state in each row: a time constant of about e^b rows.
    The column ``tau`` shows it, beside the lags that are learnt.

    Parameters
    ----------
    biases : sequence of float, "chrono" or None
        `Learner.forget_bias`.
    lags : sequence of int
        Rows between what must be remembered and where it is asked for.
    cell : {"lstm", "gru"}
        Of a GRU it is the bias of the update gate.
    k_hidden : int
        Number of units.
    task : Task, optional
        By default `FirstSymbol`.
    n_runs : int
        Runs for each bias and lag.
    optimiser : Optimiser, optional
        By default Adam with learning rate 0.01, clipping at 1, at most 400 steps of 20 sequences.
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
    LongDependence

    Raises
    ------
    SpecificationError
        An argument is not allowed.

    References
    ----------
    Gers, Schmidhuber and Cummins (2000), Neural Computation 12, 2451-2471; Jozefowicz, Zaremba and
    Sutskever (2015), ICML 37, 2342-2350; Tallec and Ollivier (2018), ICLR.
    """
    caller = "forget_bias_effect"
    kind: Gated = check_literal(cell, get_args(Gated), name="cell", caller=caller)
    networks = {_bias_name(bias): Learner(kind, k_hidden, bias) for bias in biases}
    what = FirstSymbol() if task is None else task
    plan = Plan(caller, n_runs, optimiser, success, rng, n_jobs, progress, alpha)
    return table_of_runs(what, lags, networks, plan)


def _bias_name(bias: ForgetBias) -> str:
    if bias is None:
        return "no bias"
    return bias if isinstance(bias, str) else f"bias {bias:g}"
