"""Full fits of a network: ours, and what PyTorch's optimisers need to climb as high.

A LSTM of 4 units and one lag on 300 observations, 102 parameters. Ours is the fit from 10 starts
with the examination of its end point, standard errors included. PyTorch begins at the weights it
draws itself, start after start, until it has climbed as high or its starts are spent; both sides
maximise the same likelihood of the same standardised series. Where PyTorch stays below, the time
compared is what ours takes, start after start, to come as high as PyTorch came.

The series comes from a unit with memory, so that there is something to learn; like any network of
this size on so few rows, the fit has no regular maximum, which the record says.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Iterator
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from benchmarks import with_torch
from benchmarks.table import Requirement, Row, skipped
from rnnstats.errors import ConvergenceWarning
from rnnstats.models.nonlinear import LSTM

FloatArray = NDArray[np.float64]
NOBS, UNITS, STARTS = 300, 4, 10
FIVE_SECONDS = Requirement(5.0, "at most")
PART = "LSTM, fit"
# Gradients a start.
STEPS: dict[Literal["Adam", "L-BFGS"], int] = {"Adam": 2000, "L-BFGS": 1000}
THEIRS = 5  # starts of PyTorch's


def series(nobs: int = NOBS, seed: int = 0) -> FloatArray:
    """An output that depends on a slow and a fast unit, which read it.

    Parameters
    ----------
    nobs, seed : int

    Returns
    -------
    ndarray, shape (nobs,)
    """
    rng = np.random.default_rng(seed)
    out, slow, fast = np.zeros(nobs), 0.0, 0.0
    for t in range(nobs):
        last = out[t - 1] if t else 0.0
        slow = 0.95 * slow + 0.05 * np.tanh(2.0 * last)
        fast = np.tanh(0.5 * fast - 1.2 * last + 3.0 * slow)
        out[t] = 2.0 * slow - 0.9 * fast + 0.4 * rng.standard_normal()
    return out


def rows(quick: bool) -> Iterator[Row]:
    """Measure row after row.

    Parameters
    ----------
    quick : bool
        Two starts of PyTorch's, fewer steps.

    Yields
    ------
    Row
    """
    model = LSTM(series(), k_hidden=UNITS)
    model.loglike(model.start_params)  # what is imported at the first call is not the fit
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the record is looked at below
        results = model.fit(n_starts=STARTS)
        results.bse  # noqa: B018
    ours = time.process_time() - began
    what = f"{UNITS} units, {NOBS} rows, {STARTS} starts, standard errors"
    record = results.convergence
    note = f"log-likelihood {results.llf:.2f}; {record.message.split(':')[0]}"
    nan = float("nan")
    yield Row(PART, what, "", ours, nan, ours, FIVE_SECONDS, note)
    if not with_torch.available():
        yield skipped(PART, "PyTorch", "PyTorch is not installed")
        return
    starts = 2 if quick else THEIRS
    for how, steps in STEPS.items():
        yield rival(model, how, results.llf, ours, starts, steps // 10 if quick else steps)


def rival(
    model: LSTM, how: Literal["Adam", "L-BFGS"], goal: float, ours: float, starts: int, steps: int
) -> Row:
    """Let PyTorch climb from its own starts until it is as high.

    Parameters
    ----------
    model : LSTM
    how : {"Adam", "L-BFGS"}
    goal : float
        Log-likelihood in the series' own units.
    ours : float
        Seconds.
    starts, steps : int

    Returns
    -------
    Row
    """
    import torch

    likelihood, arch = model.likelihood, model.architecture
    data, scale = likelihood.data, likelihood.log_scale
    best, spent, used, took = -np.inf, 0, 0, 0.0
    for seed in range(starts):
        torch.manual_seed(seed)
        network = with_torch.Network(arch, np.zeros(arch.size), data.inputs, data.y)
        for one in network.parameters:
            torch.nn.init.uniform_(one, -(UNITS**-0.5), UNITS**-0.5)  # as PyTorch draws them
        began = time.process_time()
        # 1e-6: the last digits of a climb that comes from below
        llf, count = with_torch.train(network, how, goal - scale - 1e-6, steps)
        took += time.process_time() - began
        best, spent, used = max(best, llf + scale), spent + count, used + 1
        if best >= goal - 1e-6:
            break
    what, note = f"as high as ours ({goal:.2f})", f"{used} starts, {spent} gradients"
    if best < goal - 1e-6:
        ours = seconds_to(model, best)
        what, note = f"as high as PyTorch ({best:.2f})", f"{note}; ours ends at {goal:.2f}"
    return Row(PART, what, f"PyTorch {how}", ours, took, took / ours, None, note)


def seconds_to(model: LSTM, goal: float) -> float:
    """Seconds that single starts take, one after the other, until one ends as high.

    Parameters
    ----------
    model : LSTM
    goal : float
        Log-likelihood.

    Returns
    -------
    float
    """
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for seed in range(100):
            if model.fit(n_starts=1, rng=seed, cov_type="none").llf >= goal:
                break
    return time.process_time() - began
