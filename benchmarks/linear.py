"""The table of the linear model."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks import cases, resampling, structure, with_dynamax
from benchmarks.cases import Case
from benchmarks.flops import noisy_system, step_flops
from benchmarks.memory import extra_memory
from benchmarks.table import Requirement, Row, skipped
from benchmarks.timing import peak_gflops, seconds, take_turns
from benchmarks.with_statsmodels import TOLERANCE, Statsmodels, score_in_theirs
from rnnstats import LinearRNN, datasets
from rnnstats.kernels import kalman

NAN = float("nan")
TEN, FIVE, HUNDRED, THIRTY = (Requirement(x) for x in (10.0, 5.0, 100.0, 30.0))
FOUR = Requirement(4.0, "at most")


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
    rounds = 15 if quick else 51
    lengths = (200,) if quick else (200, 1_000, 100_000)
    for nobs in lengths:
        for case, requirement in loglike_cases(nobs, quick):
            yield from loglike_rows(case, requirement, rounds)
    for nobs in lengths:
        for case, requirement in score_cases(nobs):
            yield score_row(case, requirement, 3 if nobs > 1_000 else rounds)
    yield from fit_rows(quick)
    yield from structure.rows(quick, rounds)
    yield from resampling.rows(quick)
    yield from scale_rows(quick, rounds)
    yield from flops_rows(quick, rounds)
    yield from dynamax_rows(lengths[:-1] or lengths, rounds)


def loglike_cases(nobs: int, quick: bool) -> Iterator[tuple[Case, Requirement | None]]:
    """Cases of the log-likelihood, with what they must reach."""
    yield cases.arma(1, nobs), None
    yield cases.arma(2, nobs), TEN
    yield cases.var(1, 3, nobs), FIVE
    yield cases.varma(3, nobs), FIVE
    yield cases.var(2, 3, nobs), FIVE
    if quick:
        return
    yield cases.arma(2, nobs, ma_root=0.97), None
    yield cases.arma(5, nobs), None
    yield cases.arma(20, nobs), None
    yield cases.varma(2, nobs), None
    yield cases.varma(5, nobs), None
    yield cases.var(4, 5, nobs), None
    for what in ("level", "trend", "seasonal"):
        yield cases.components(what, nobs), None


def score_cases(nobs: int) -> Iterator[tuple[Case, Requirement | None]]:
    """Cases of log-likelihood and score, with what they must reach."""
    yield cases.arma(2, nobs), None
    yield cases.varma(3, nobs), HUNDRED
    if nobs <= 1_000:
        yield cases.var(2, 3, nobs), None


def kernel_value(case: Case) -> Callable[[], float]:
    """Log-likelihood by the kernel, the state space in place."""
    system, y = case.system, np.ascontiguousarray(case.y)
    return lambda: kalman.loglike(system, y)


def kernel_score(case: Case) -> Callable[[], object]:
    """Log-likelihood and derivatives by the kernel, the state space in place."""
    system, y = case.system, np.ascontiguousarray(case.y)
    return lambda: kalman.score(system, y)


def loglike_rows(case: Case, requirement: Requirement | None, rounds: int) -> Iterator[Row]:
    """Log-likelihood beside statsmodels, by the model and by the kernel; our score beside it."""
    kernel = kernel_value(case)
    rival = Statsmodels(case, kernel())
    calls: dict[str, Callable[[], object]] = {"kernel": kernel, "their kernel": rival.kernel}
    calls["kernel score"] = kernel_score(case)
    model, params = case.ours, case.params
    if model is not None and params is not None:
        agree(case.name, model.loglike(params), kernel())
        calls["model"] = lambda: model.loglike(params)
        calls["their model"] = rival.loglike
        calls["score"] = lambda: model.loglike_and_score(params)
    took = take_turns(calls, rounds=rounds, budget=3.0)
    what = f"{case.name}, {case.shape}"
    beside = f"{rival.kind}, {rival.setting}"
    note = f"llf differ by {rival.difference:.0e}"
    kernels = (took["kernel"], took["their kernel"])
    if "model" in took:
        ours, other = took["model"], took["their model"]
        yield Row("loglike", what, beside, ours, other, other / ours, requirement, note)
        yield Row("loglike, kernels", what, beside, *kernels, kernels[1] / kernels[0])
        yield _score_share(what, "loglike", took["score"], took["model"])
    else:
        yield Row("loglike, kernels", what, beside, *kernels, kernels[1] / kernels[0], None, note)
        yield _score_share(what, "kernel loglike", took["kernel score"], took["kernel"])


def _score_share(what: str, beside: str, score: float, loglike: float) -> Row:
    part = "loglike + score, cost"
    return Row(part, what, f"our {beside} alone", score, loglike, score / loglike, FOUR)


def score_row(case: Case, requirement: Requirement | None, rounds: int) -> Row:
    """Log-likelihood and score beside statsmodels."""
    model, params = case.ours, case.params
    assert model is not None and params is not None
    rival = Statsmodels(case, model.loglike(params))
    exact = score_in_theirs(case, rival.params, model.score(params))
    how, theirs = rival.best_score(exact)
    calls = {"ours": lambda: model.loglike_and_score(params), "theirs": theirs}
    took = take_turns(calls, rounds=rounds, budget=15.0)
    return Row(
        "loglike + score",
        f"{case.name}, {case.shape}",
        f"{rival.kind}, {rival.setting}, {how}",
        took["ours"],
        took["theirs"],
        took["theirs"] / took["ours"],
        requirement,
    )


def fit_rows(quick: bool) -> Iterator[Row]:
    """Full fits on US growth rates, from data to estimates, beside VARMAX and SARIMAX."""
    import statsmodels.api as sm

    levels = datasets.us_macro()[["realinv", "realgdp", "realcons"]]
    growth = 100.0 * levels.apply(np.log).diff().iloc[1:]
    rounds = 1 if quick else 3

    def varmax(series: list[str], maxiter: int, *, tuned: bool = False) -> Callable[[], object]:
        def fit() -> object:
            model = sm.tsa.VARMAX(growth[series], order=(1, 1), trend="c")
            model.ssm.filter_univariate = tuned
            return model.fit(
                disp=False, maxiter=maxiter, cov_type="none", optim_complex_step=not tuned
            )

        return fit

    def sarimax() -> object:
        model = sm.tsa.SARIMAX(growth["realinv"], order=(2, 0, 2), trend="c")
        return model.fit(disp=False, maxiter=2_000, cov_type="none")

    def ours(series: str | list[str], k_states: int) -> Callable[[], object]:
        return lambda: LinearRNN(growth[series], k_states=k_states).fit(cov_type="none")

    three, two = list(levels.columns), ["realinv", "realcons"]
    todo = [
        ("US growth, 3 series, VARMA(1,1)", "VARMAX to convergence", THIRTY,
         ours(three, 3), varmax(three, 20_000)),
        ("US growth, 3 series, VARMA(1,1)", "the same, univariate filter, real differences", None,
         ours(three, 3), varmax(three, 20_000, tuned=True)),
        ("US growth, 3 series, VARMA(1,1)", "VARMAX as it comes (50 iterations)", None,
         ours(three, 3), varmax(three, 50)),
        ("US growth, 2 series, VARMA(1,1)", "VARMAX to convergence", None,
         ours(two, 2), varmax(two, 20_000)),
        ("US investment, ARMA(2,2)", "SARIMAX to convergence", None,
         ours("realinv", 2), sarimax),
    ]  # fmt: skip
    for what, beside, requirement, mine, theirs in todo[: 1 if quick else None]:
        yield fit_row(what, beside, requirement, mine, theirs, rounds)


def fit_row(
    what: str,
    beside: str,
    requirement: Requirement | None,
    ours: Callable[[], object],
    theirs: Callable[[], object],
    rounds: int,
) -> Row:
    """One fit beside another. A worse optimum than the other's does not count as reached."""
    ended: dict[str, float] = {}

    def recorded(name: str, fit: Callable[[], object]) -> Callable[[], object]:
        def call() -> None:
            ended[name] = float(fit().llf)  # type: ignore[attr-defined]

        return call

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of an optimiser that stops short, a thing to be measured
        ours()
        taken: dict[str, list[float]] = {"ours": [], "theirs": []}
        for _ in range(rounds):
            for name, call, often in (("ours", ours, 5), ("theirs", theirs, 1)):
                taken[name].extend(seconds(recorded(name, call)) for _ in range(often))
    took = {name: float(np.median(values)) for name, values in taken.items()}
    better = ended["ours"] >= ended["theirs"] - 1e-6
    note = f"llf {ended['ours']:.3f} beside {ended['theirs']:.3f}"
    ratio = took["theirs"] / took["ours"]
    value = ratio if better else NAN
    return Row("full fit", what, beside, took["ours"], took["theirs"], value, requirement, note)


def scale_rows(quick: bool, rounds: int) -> Iterator[Row]:
    """Time and memory as the series grows."""
    short, long = (1_000, 10_000) if quick else (100_000, 1_000_000)
    small = cases.varma(3, 1_000)
    y = np.random.default_rng(0).normal(size=(long, 3))
    begin = np.ascontiguousarray(y[:short])
    for label, steady in (("constant gain", True), ("no shortcut", False)):
        calls = {
            "short": lambda s=steady: kalman.loglike(small.system, begin, steady=s),
            "long": lambda s=steady: kalman.loglike(small.system, y, steady=s),
        }
        took = take_turns(calls, rounds=min(rounds, 7))
        growth = took["long"] / took["short"] / (long / short)
        yield Row(
            "linear in T",
            f"loglike a row, VARMA(1,1) of 3, T={long:,}, {label}",
            f"T={short:,}",
            took["long"] / long,
            took["short"] / short,
            growth,
            Requirement(1.5, "at most"),
        )
    sizes = (10_000, 1_000_000)
    for what in ("loglike", "score"):
        small_mb, large_mb = (extra_memory(nobs, what) for nobs in sizes)
        yield Row(
            "memory beyond the data",
            f"{what}, VARMA(1,1) of 3, T={sizes[1]:,}",
            f"T={sizes[0]:,}",
            large_mb,
            small_mb,
            large_mb - small_mb,
            Requirement(1.0, "at most") if what == "loglike" else None,
            "ratio column: growth in MiB; the data have 22.9 MiB",
            unit="MiB",
        )


def flops_rows(quick: bool, rounds: int) -> Iterator[Row]:
    """Speed of the arithmetic beside the machine's peak."""
    peak = peak_gflops()
    nobs = 200 if quick else 2_000
    for k_states in (4, 16, 64):
        k_endog = max(1, k_states // 8)
        system = noisy_system(k_endog, k_states)
        y = np.random.default_rng(0).normal(size=(nobs, k_endog))
        calls = {"filter": lambda s=system, y=y: kalman.loglike(s, y, steady=False)}
        took = take_turns(calls, rounds=min(rounds, 7))["filter"]
        speed = step_flops(k_endog, k_states, k_endog + k_states) * nobs / took / 1e9
        yield Row(
            "GFlop/s",
            f"loglike without shortcut, {k_states} states, {k_endog} outputs",
            "peak: matrix product",
            speed,
            peak,
            speed / peak,
            None,
            "ratio column: share of the peak",
            unit="GFlop/s",
        )


def dynamax_rows(lengths: tuple[int, ...], rounds: int) -> Iterator[Row]:
    """Log-likelihood and derivatives in the state space arrays beside dynamax, where installed."""
    if not with_dynamax.available():
        yield skipped("dynamax", "dynamax", "not installed")
        return
    for nobs in lengths:
        for case in (cases.arma(2, nobs), cases.varma(3, nobs), cases.var(2, 3, nobs)):
            kernel = kernel_value(case)
            rival = with_dynamax.Dynamax(case, kernel())
            calls: dict[str, Callable[[], object]] = {
                "kernel": kernel,
                "theirs": rival.loglike,
                "score": kernel_score(case),
                "their score": rival.score,
            }
            took = take_turns(calls, rounds=rounds)
            what, note = f"{case.name}, {case.shape}", f"llf differ by {rival.difference:.0e}"
            for part, ours, other in (
                ("loglike", "kernel", "theirs"),
                ("score", "score", "their score"),
            ):
                yield Row(
                    f"{part}, dynamax", what, "jit, float64", took[ours], took[other],
                    took[other] / took[ours], None, note if part == "loglike" else "arrays only",
                )  # fmt: skip


def agree(name: str, one: float, other: float) -> None:
    """Stop the run where two log-likelihoods differ."""
    if not abs(one - other) <= TOLERANCE * abs(other):
        raise AssertionError(f"{name}: log-likelihoods differ: {one!r} and {other!r}")
