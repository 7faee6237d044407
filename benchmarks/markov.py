"""The table of hidden Markov models."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import with_hmmlearn
from benchmarks.linear import fit_row
from benchmarks.memory import extra_chain_memory
from benchmarks.table import Requirement, Row, skipped
from benchmarks.timing import peak_gflops, take_turns
from rnnstats import datasets
from rnnstats.kernels import markov

FloatArray = NDArray[np.float64]
NAN = float("nan")
FIVE, TWO, TWENTY = (Requirement(x) for x in (5.0, 2.0, 20.0))
STATES = (2, 3, 4, 8, 16, 32, 64)
EM_TOLERANCE = 1e-6


def rows(quick: bool) -> Iterator[Row]:
    """Measure row after row.

    Parameters
    ----------
    quick : bool
        Short series and few turns.

    Yields
    ------
    Row
    """
    rounds = 11 if quick else 41
    peak = peak_gflops()
    for nobs in (10_000,) if quick else (10_000, 100_000):
        for k in STATES:
            yield from recursion_rows(k, nobs, rounds, peak)
    yield from memory_rows()
    yield from em_rows(quick)
    yield from fit_rows(quick)


def chain(k: int, nobs: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Log densities, transition and start of a chain drawn at random."""
    rng = np.random.default_rng(seed)
    transition = rng.dirichlet(np.full(k, 2.0), size=k)
    return rng.normal(scale=3.0, size=(nobs, k)) - 2.0, transition, np.full(k, 1.0 / k)


def recursion_rows(k: int, nobs: int, rounds: int, peak: float) -> Iterator[Row]:
    """Forward, forward-backward and Viterbi beside hmmlearn and beside the bound."""
    arrays = chain(k, nobs)
    ours: dict[str, Callable[[], Any]] = {
        "forward": lambda: markov.loglike(*arrays),
        "forward, all rows": lambda: markov.forward(*arrays),
        "forward-backward": lambda: markov.smooth(*arrays),
        "Viterbi": lambda: markov.viterbi(*arrays),
    }
    calls = dict(ours)
    if with_hmmlearn.available():
        rival = with_hmmlearn.Recursions(*arrays)
        agree(k, arrays, rival)
        calls["their forward"] = rival.forward
        calls["their posteriors"] = rival.posteriors
        calls["their forward-backward"] = rival.expectation
        calls["their Viterbi"] = rival.viterbi
    took = take_turns(calls, rounds=rounds, budget=12.0)
    what = f"K={k}, T={nobs:,}"
    must = FIVE if k <= 8 else TWO
    if not with_hmmlearn.available():
        yield skipped("recursions", "hmmlearn", "not installed")
    else:
        for part, theirs, requirement, note in (
            ("forward", "their forward", must, "log-likelihood"),
            ("forward, all rows", "their forward", None, "ours: filtered and predicted too"),
            ("forward-backward", "their forward-backward", must, "posteriors, expected steps"),
            ("forward-backward", "their posteriors", None, "theirs without expected steps"),
            ("Viterbi", "their Viterbi", must, "path and its log density"),
        ):
            a, b = took[part], took[theirs]
            yield Row(part, what, "hmmlearn, scaling", a, b, b / a, requirement, note)
    # two operations an element of the transition: forward; forward, backward and expected steps
    for part, products in (("forward", 1), ("forward-backward", 3)):
        bound = 2.0 * products * k * k * nobs / (peak * 1e9)
        note = "ratio column: how many times the bound"
        beside = "multiply-adds at the peak of a matrix product"
        yield Row(f"{part}, bound", what, beside, took[part], bound, took[part] / bound, None, note)


def agree(
    k: int, arrays: tuple[FloatArray, FloatArray, FloatArray], rival: with_hmmlearn.Recursions
) -> None:
    """Stop the run where the two do not give the same numbers."""
    log_density, transition, _ = arrays
    out = markov.smooth(*arrays)
    smoothed, steps = rival.expectation()
    height = float(markov.viterbi(*arrays)[1].sum())
    same = (
        abs(rival.forward() / markov.loglike(*arrays) - 1.0) < with_hmmlearn.TOLERANCE
        and np.allclose(out.smoothed, smoothed, atol=with_hmmlearn.TOLERANCE)
        and np.allclose(out.d_transition * transition, steps, rtol=1e-8)
        and abs(rival.viterbi() / height - 1.0) < with_hmmlearn.TOLERANCE
    )
    if not same:
        raise AssertionError(f"K={k}, T={len(log_density)}: hmmlearn gives other numbers")


def memory_rows() -> Iterator[Row]:
    """Memory of the log-likelihood, a million rows and four states."""
    nobs = 1_000_000
    for what, beside, data in (
        ("kernel", "data: log densities", nobs * 4 * 8 / 2**20),
        ("model", "data: the series", nobs * 8 / 2**20),
    ):
        extra = extra_chain_memory(nobs, what)
        yield Row(
            "memory beyond the data", f"loglike, {what}, K=4, T={nobs:,}", beside, extra, data,
            extra / data, Requirement(10.0, "at most"), "ratio column: times the data", unit="MiB",
        )  # fmt: skip


def em_rows(quick: bool) -> Iterator[Row]:
    """Expectation-maximisation from the same start to the same tolerance."""
    if not with_hmmlearn.available():
        yield skipped("EM", "hmmlearn", "not installed")
        return
    for k, nobs in ((2, 2_000),) if quick else ((2, 10_000), (3, 10_000), (4, 10_000)):
        yield from em_pair(k, nobs)


def em_pair(k: int, nobs: int) -> Iterator[Row]:
    """One series: our algorithm as `fit` runs it (accelerated), and step by step as theirs.

    The model, like their object, is made before.
    """
    from rnnstats import MarkovRNN
    from rnnstats.models.regimes.fit.em import Steps, expectation_maximisation

    rng = np.random.default_rng(k)
    transition = np.full((k, k), 0.06 / max(k - 1, 1))
    np.fill_diagonal(transition, 0.94)
    states = np.zeros(nobs, dtype=int)
    for t in range(1, nobs):
        states[t] = rng.choice(k, p=transition[states[t - 1]])
    y = 2.0 * states + rng.normal(size=nobs)
    means = np.linspace(-0.5, 2.0 * k - 1.5, k)
    begin = np.full((k, k), 0.2 / max(k - 1, 1))
    np.fill_diagonal(begin, 0.8)
    start = np.full(k, 1.0 / k)
    model = MarkovRNN(y, k_regimes=k, start="free")
    value = {f"p[h{i + 1}->h{j + 1}]": begin[i, j] for i in range(k) for j in range(k)}
    value |= {f"start[h{i + 1}]": start[i] for i in range(k)}
    value |= {f"V[y,h{i + 1}]": means[i] for i in range(k)}
    value |= {f"obs_cov[y,y,h{i + 1}]": 1.5 for i in range(k)}
    theta = np.array([value[name] for name in model.param_names])
    ended: dict[str, float] = {}
    passes: dict[str, int] = {}

    def climb(accelerate: bool) -> Callable[[], object]:
        def call() -> None:
            steps = Steps(model.likelihood, model.layout, model.transform)
            path = expectation_maximisation(
                steps, theta, maxiter=5_000, tol=EM_TOLERANCE, accelerate=accelerate
            )
            assert path is not None
            ended[f"ours {accelerate}"] = path.point.llf
            passes[f"ours {accelerate}"] = path.iterations

        return call

    def theirs() -> None:
        fitted = with_hmmlearn.gaussian_fit(y, means, np.full(k, 1.5), begin, start, EM_TOLERANCE)
        ended["theirs"] = float(fitted.score(y[:, None]))
        passes["theirs"] = int(fitted.monitor_.iter)

    calls = {"ours True": climb(True), "ours False": climb(False), "theirs": theirs}
    took = take_turns(calls, rounds=5, budget=20.0)
    for name, how in (("ours True", "accelerated"), ("ours False", "plain steps")):
        # a step below the tolerance may leave more than the tolerance to gain
        value_ = took["theirs"] / took[name] if ended[name] >= ended["theirs"] - 1e-3 else NAN
        note = (
            f"llf {ended[name]:.4f} beside {ended['theirs']:.4f}; passes {passes[name]} "
            f"beside {passes['theirs']}"
        )
        yield Row(
            "EM, gaussian", f"K={k}, T={nobs:,}, tolerance {EM_TOLERANCE:g}, {how}",
            "hmmlearn, scaling, no priors", took[name], took["theirs"], value_, FIVE, note,
        )  # fmt: skip


def fit_rows(quick: bool) -> Iterator[Row]:
    """Full fits, from data to estimates, beside statsmodels."""
    import statsmodels.api as sm

    from rnnstats import MarkovRNN

    funds = datasets.fedfunds()["fedfunds"]
    lag = funds.shift(1).rename("lag").iloc[1:]
    funds = funds.iloc[1:]
    gnp = datasets.hamilton()["rgnp_growth"]

    def regression(**options: Any) -> Callable[[], object]:
        return lambda: MarkovRNN(funds, lag, switching=("trend", "exog")).fit(
            cov_type="none", **options
        )

    def autoregression(**options: Any) -> Callable[[], object]:
        return lambda: MarkovRNN(gnp, order=4, ar_form="mean", switching="trend").fit(
            cov_type="none", **options
        )

    def their_regression(reps: int) -> Callable[[], object]:
        def fit() -> object:
            np.random.seed(0)  # noqa: NPY002 (its random starts come from there)
            model = sm.tsa.MarkovRegression(funds, k_regimes=2, exog=lag)
            return model.fit(search_reps=reps, disp=False, cov_type="none")

        return fit

    def their_autoregression(reps: int) -> Callable[[], object]:
        def fit() -> object:
            np.random.seed(0)  # noqa: NPY002 (its random starts come from there)
            model = sm.tsa.MarkovAutoregression(gnp, k_regimes=2, order=4, switching_ar=False)
            return model.fit(search_reps=reps, disp=False, cov_type="none")

        return fit

    pairs = (
        ("federal funds rate on its lag, 2 regimes", "MarkovRegression", regression,
         their_regression),
        ("US output, MS-AR(4), mean form", "MarkovAutoregression", autoregression,
         their_autoregression),
    )  # fmt: skip
    rounds = 1 if quick else 3
    for what, beside, mine, theirs in pairs:
        for how, call, requirement in (
            ("our default starts", mine(), TWENTY),
            ("one start", mine(n_starts=1), None),
        ):
            row = f"{what}, {how}"
            yield fit_row(row, f"{beside}, one start", requirement, call, theirs(0), rounds)
        row = f"{what}, our default starts"
        yield fit_row(row, f"{beside}, 20 random starts", None, mine(), theirs(20), rounds)
