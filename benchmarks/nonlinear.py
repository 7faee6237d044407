"""The table of nonlinear recurrent networks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from benchmarks import with_jax, with_torch
from benchmarks.table import Requirement, Row, skipped
from benchmarks.timing import peak_gflops, seconds, take_turns
from rnnstats.kernels import cells
from rnnstats.kernels.cells import Architecture, Cell, Kind

FloatArray = NDArray[np.float64]
NOBS = 500
UNITS = (4, 8, 16, 32)
FIFTY, THREE = Requirement(50.0), Requirement(3.0)
TEN_AT_MOST, FIVE_AT_MOST = Requirement(10.0, "at most"), Requirement(5.0, "at most")
INPUTS = 2
NAN = float("nan")


def rows(quick: bool) -> Iterator[Row]:
    """Measure row after row.

    Parameters
    ----------
    quick : bool
        Few turns.

    Yields
    ------
    Row
    """
    rounds = 5 if quick else 21
    peak = peak_gflops()
    for kind in ("elman", "gru", "lstm"):
        for units in UNITS:
            yield from score_rows(cast("Kind", kind), units, rounds, peak)
    yield from fit_rows(quick)


class Case:
    """One layer of a cell, random weights and data, normal errors of variance one.

    Parameters
    ----------
    kind : {"elman", "gru", "lstm"}
    units, nobs : int
    """

    def __init__(self, kind: Kind, units: int, nobs: int = NOBS) -> None:
        rng = np.random.default_rng(units)
        self.arch = Architecture((Cell(kind),), (units,), INPUTS, 1)
        self.weights = rng.normal(size=self.arch.size) / np.sqrt(units)
        self.x = rng.normal(size=(nobs, INPUTS))
        self.y = rng.normal(size=(nobs, 1))

    def _llf(self, error: FloatArray) -> float:
        return -0.5 * float((error**2).sum()) - 0.5 * np.log(2.0 * np.pi) * error.size

    def loglike(self) -> float:
        """Log-likelihood."""
        return self._llf(self.y - cells.forward(self.arch, self.weights, self.x).eta)

    def score(self) -> tuple[float, FloatArray]:
        """Log-likelihood and score."""
        run = cells.forward(self.arch, self.weights, self.x)
        error = self.y - run.eta
        return self._llf(error), cells.backward(self.arch, self.weights, run, error).weights

    def score_obs(self) -> FloatArray:
        """Score of each observation."""
        run = cells.forward(self.arch, self.weights, self.x)
        return cells.score_obs(self.arch, self.weights, run, self.y - run.eta)[0]


def score_rows(kind: Kind, units: int, rounds: int, peak: float) -> Iterator[Row]:
    """Log-likelihood and score beside PyTorch and JAX, scores of the observations beside it."""
    case = Case(kind, units)
    calls: dict[str, Callable[[], Any]] = {
        "loglike": case.loglike,
        "score": case.score,
        "score_obs": case.score_obs,
    }
    rivals: dict[str, Any] = {}
    for name, adapter in (("torch", with_torch), ("jax", with_jax)):
        if adapter.available():
            rivals[name] = adapter.Network(case.arch, case.weights, case.x, case.y)
            calls[name] = rivals[name].score
    agree(case, rivals)
    took = take_turns(calls, rounds=rounds, budget=6.0)
    what = f"{kind}, {units} units, T={NOBS}"
    module = {"elman": "nn.RNN", "gru": "nn.GRU", "lstm": "nn.LSTM"}[kind]
    part = "log-likelihood + score"
    for name, beside, requirement in (
        ("torch", f"PyTorch {module}, forward + backward", FIFTY if kind != "elman" else None),
        ("jax", "JAX, jitted scan, compiled before", THREE if units <= 8 else None),
    ):
        if name in rivals:
            a, b = took["score"], took[name]
            yield Row(part, what, beside, a, b, b / a, requirement, "float64, one thread")
        else:
            yield skipped(part, beside, "not installed")
    flops, by_row = operations(case.arch)
    for label, one, count in (("score", "score", flops), ("score_obs", "score_obs", by_row)):
        bound = 2.0 * count * NOBS / (peak * 1e9)
        note = "ratio column: how many times the bound"
        beside = "its multiplications at the peak of a matrix product"
        yield Row(f"{label}, bound", what, beside, took[one], bound, took[one] / bound, None, note)
    ratio = took["score_obs"] / took["score"]
    note = f"ratio column: score_obs / score; in multiplications {by_row / flops:.0f}"
    yield Row(
        "scores of the observations", what, "the score", took["score_obs"], took["score"], ratio,
        TEN_AT_MOST, note,
    )  # fmt: skip
    yield model_row(kind, units, case, rounds)


def model_row(kind: Kind, units: int, case: Case, rounds: int) -> Row:
    """What a user calls: scores of the observations of a model beside its score."""
    from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN

    make: Any = {"elman": ElmanRNN, "gru": GRU, "lstm": LSTM}[kind]
    model = make(case.y[:, 0], case.x, k_hidden=units)
    params = np.random.default_rng(units).normal(size=len(model.param_names)) / np.sqrt(units)
    params[-1] = 1.0  # the variance
    rows, total = model.score_obs(params), model.score(params)
    if np.abs(rows.sum(axis=0) - total).max() > 1e-10 * np.abs(total).max():
        raise AssertionError("scores of the observations do not add up to the score")
    calls = {"score": lambda: model.score(params), "rows": lambda: model.score_obs(params)}
    took = take_turns(calls, rounds=rounds, budget=4.0)
    return Row(
        "model.score_obs", f"{kind}, {units} units, T={NOBS}, a lag", "model.score",
        took["rows"], took["score"], took["rows"] / took["score"], TEN_AT_MOST,
        "ratio column: score_obs / score",
    )  # fmt: skip


def operations(arch: Architecture) -> tuple[float, float]:
    """Multiplications a row of the score, and of the scores of the observations.

    Forward, back and outer product are one for each weight; for the observations see
    ``kernels/src/cells_scores.hpp``, with blocks of K rows, at least 16 and at most 64. One layer.
    """
    size, k = float(arch.size), float(arch.k_state)
    step = k * arch.layers[0].units  # of a pass, all gates in one matrix
    block = min(max(k, 16.0), 64.0)
    return 3.0 * size, (size + step) * (0.5 * block + k) + size * (k + k * k / block)


def agree(case: Case, rivals: dict[str, Any]) -> None:
    """Stop the run where a rival does not give the same numbers."""
    llf, gradient = case.score()
    scale = float(np.abs(gradient).max())
    if "torch" in rivals:
        theirs = rivals["torch"].score()
        check("PyTorch", llf, theirs, gradient, rivals["torch"].gradient(), scale)
    if "jax" in rivals:
        check("JAX", llf, rivals["jax"].score()[0], gradient, rivals["jax"].score()[1], scale)


def check(
    name: str, llf: float, theirs: float, ours: FloatArray, gradient: FloatArray, scale: float
) -> None:
    """Compare log-likelihoods and gradients."""
    tol = with_torch.TOLERANCE
    if abs(theirs / llf - 1.0) > tol or np.abs(gradient - ours).max() > tol * scale:
        raise AssertionError(f"{name} gives other numbers: {theirs} beside {llf}")


def series(nobs: int) -> tuple[FloatArray, FloatArray]:
    """A nonlinear autoregression with an input."""
    rng = np.random.default_rng(3)
    x, y, noise = rng.normal(size=nobs), np.zeros(nobs), 0.3 * rng.normal(size=nobs)
    for t in range(1, nobs):
        y[t] = 0.8 * np.tanh(1.5 * y[t - 1] + x[t]) - 0.3 * y[t - 1] + noise[t]
    return y, x


def fit_rows(quick: bool) -> Iterator[Row]:
    """A full fit from ten starts, beside one start of PyTorch's optimisers to the same height."""
    from rnnstats.models.nonlinear import LSTM

    nobs, units = 300, 4
    y, x = series(nobs)
    model = LSTM(y, x, k_hidden=units)
    fitted: list[Any] = []

    def fit() -> None:
        rng = np.random.default_rng(0)
        fitted.append(model.fit(n_starts=10, rng=rng, cov_type="none"))

    took = float(np.median([seconds(fit) for _ in range(1 if quick else 3)]))
    llf = float(fitted[-1].llf)
    what = f"lstm, {units} units, {nobs} observations, 10 starts"
    note = f"ratio column: seconds; log-likelihood {llf:.3f}"
    yield Row("full fit", what, "-", took, NAN, took, FIVE_AT_MOST, note)
    if not with_torch.available():
        yield skipped("full fit", "PyTorch", "not installed")
        return
    rows = np.column_stack([y[:-1], x[1:]])
    inputs = (rows - rows.mean(axis=0)) / rows.std(axis=0)
    spread = float(y[1:].std())
    targets = (y[1:, None] - y[1:].mean()) / spread
    height = llf + (nobs - 1) * np.log(spread)  # in the units of the targets
    arch = Architecture((Cell("lstm"),), (units,), INPUTS, 1)
    for how, steps in (("Adam", 4_000), ("L-BFGS", 1_000)):
        rng = np.random.default_rng(1)
        start = rng.uniform(-0.5, 0.5, size=arch.size)  # as PyTorch draws them
        network = with_torch.Network(arch, start, inputs, targets)
        ended: list[tuple[float, int]] = []

        def climb(
            one: with_torch.Network = network,
            way: Any = how,
            limit: int = steps // 20 if quick else steps,
            into: list[tuple[float, int]] = ended,
        ) -> None:
            into.append(with_torch.train(one, way, height - 0.01, limit))

        theirs = seconds(climb)
        best, used = ended[0]
        best -= (nobs - 1) * np.log(spread)
        reached = "reached" if best >= llf - 0.01 else f"not reached, {best:.3f}"
        yield Row(
            "full fit", what, f"PyTorch, {how}, one start", took, theirs, theirs / took, None,
            f"to log-likelihood {llf:.3f} less 0.01: {reached}; {used} gradients",
        )  # fmt: skip
