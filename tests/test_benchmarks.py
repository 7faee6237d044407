"""The benchmark's machinery: rivals compute what we compute, rows say what they must. No timing."""

from __future__ import annotations

import importlib
import math
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from rnnstats.kernels import kalman

ROOT = Path(__file__).resolve().parents[1]
MODULES = (
    "__main__",
    "cases",
    "flops",
    "linear",
    "long_dependence",
    "markov",
    "memory",
    "nonlinear",
    "structure",
    "table",
    "timing",
    "with_dynamax",
    "with_hmmlearn",
    "with_jax",
    "with_statsmodels",
    "with_torch",
)


@pytest.fixture(scope="module")
def bench():
    """The modules of ``benchmarks``, which lies beside the package and is not installed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT))
        yield SimpleNamespace(**{m: importlib.import_module(f"benchmarks.{m}") for m in MODULES})


def tiny_cases(bench):
    """Every kind of case on few rows."""
    make = bench.cases
    yield make.arma(1, 40)
    yield make.arma(2, 40)
    yield make.arma(2, 40, ma_root=0.97)
    yield make.arma(5, 60)
    yield make.var(1, 3, 40)
    yield make.var(2, 2, 40)
    yield make.varma(2, 40)
    yield make.varma(3, 40)
    yield make.components("level", 40)
    yield make.components("trend", 40)
    yield make.components("seasonal", 60)


@pytest.mark.crosspkg
def test_statsmodels_computes_the_same_log_likelihood(bench):
    for case in tiny_cases(bench):
        llf = kalman.loglike(case.system, case.y)
        rival = bench.with_statsmodels.Statsmodels(case, llf, ("conventional",))
        assert rival.loglike() == pytest.approx(llf, rel=1e-8), case.name
        assert rival.kernel() == pytest.approx(llf, rel=1e-8), case.name
        if case.ours is not None:
            assert case.ours.loglike(case.params) == pytest.approx(llf, rel=1e-12), case.name


@pytest.mark.crosspkg
def test_the_fastest_of_the_right_settings_is_chosen(bench):
    case = bench.cases.varma(2, 40)
    llf = kalman.loglike(case.system, case.y)
    rival = bench.with_statsmodels.Statsmodels(case, llf)
    assert rival.setting in bench.with_statsmodels.FILTERS
    assert rival.difference < 1e-8


@pytest.mark.crosspkg
def test_a_rival_that_differs_stops_the_run(bench):
    case = bench.cases.arma(2, 40)
    with pytest.raises(AssertionError, match="log-likelihood"):
        bench.with_statsmodels.Statsmodels(case, kalman.loglike(case.system, case.y) * (1 + 1e-6))


@pytest.mark.crosspkg
@pytest.mark.parametrize("make", [("arma", 2), ("var", 1, 2), ("varma", 2)])
def test_the_scores_agree(bench, make):
    case = getattr(bench.cases, make[0])(*make[1:], 60)
    theirs = bench.with_statsmodels
    rival = theirs.Statsmodels(case, case.ours.loglike(case.params), ("conventional",))
    assert theirs.to_ours(case, rival.params) == pytest.approx(case.params, rel=1e-12)
    score = theirs.score_in_theirs(case, rival.params, case.ours.score(case.params))
    how, both = rival.best_score(score)
    assert how in theirs.SCORES
    assert both()[0] == pytest.approx(case.ours.loglike(case.params), rel=1e-8)
    with pytest.raises(AssertionError, match="score"):
        rival.best_score(score * (1 + 1e-3))


@pytest.mark.crosspkg
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # inside its own dependencies
def test_dynamax_computes_the_same_log_likelihood(bench):
    pytest.importorskip("dynamax", reason="dynamax is not installed")
    for case in (bench.cases.arma(2, 40), bench.cases.varma(3, 40), bench.cases.var(2, 3, 40)):
        rival = bench.with_dynamax.Dynamax(case, kalman.loglike(case.system, case.y))
        assert rival.difference < 1e-8


@pytest.mark.parametrize("make", [("arma", 3), ("var", 2, 2), ("varma", 3)])
def test_a_model_without_output_noise_has_the_same_log_likelihood(bench, make):
    case = getattr(bench.cases, make[0])(*make[1:], 50)
    transition, noise, design = bench.with_dynamax.one_noise(case.system)
    other = kalman.StateSpace.from_arrays(
        design=design, transition=transition, state_cov=noise, start="stationary"
    )
    llf = kalman.loglike(case.system, case.y)
    assert kalman.loglike(other, case.y) == pytest.approx(llf, rel=1e-10)


def test_rows_say_whether_they_reach_what_they_must(bench):
    table = bench.table
    nan = math.nan
    at_least, at_most = table.Requirement(10.0), table.Requirement(4.0, "at most")
    rows = [
        table.Row("a", "fast", "x", 1e-6, 1e-5, 10.0, at_least),
        table.Row("a", "slow", "x", 1e-6, 9e-6, 9.0, at_least),
        table.Row("a", "worse optimum", "x", 1.0, 50.0, nan, at_least),
        table.Row("b", "share", "x", 3e-6, 1e-6, 3.0, at_most),
        table.Row("b", "free", "x", 3e-6, 1e-6, 3.0),
        table.skipped("c", "another", "not installed"),
    ]
    assert [row.reached for row in rows] == [True, False, False, True, None, None]
    line = table.verdict(rows)
    assert line.startswith("2 of 4 requirements reached")
    assert "a: slow" in line and "a: worse optimum" in line and "share" not in line
    text = table.as_text(rows).splitlines()
    assert len(text) == 2 + len(rows) and len({len(line) for line in text}) == 1
    assert "NOT reached" in text[3] and "10 us" in text[2] and "not installed" in text[-1]


def test_a_worse_optimum_is_not_a_faster_fit(bench):
    good, bad = (lambda: SimpleNamespace(llf=-1.0)), (lambda: SimpleNamespace(llf=-2.0))
    free = bench.table.Requirement(0.0)
    assert bench.linear.fit_row("fit", "x", free, good, bad, 1).reached is True
    assert bench.linear.fit_row("fit", "x", free, bad, good, 1).reached is False


@pytest.mark.slow
@pytest.mark.crosspkg
@pytest.mark.filterwarnings("ignore:Estimation of VARMA")
def test_structure_is_compared_with_the_same_thing(bench):
    rows = list(bench.structure.mapping_rows(bench.structure.growth(), 1))
    assert [row.part for row in rows] == ["to_varma", "identification"]
    # second differences of theirs; ours are exact first and central second derivatives
    assert float(rows[0].note.rsplit(" ", 1)[1]) < 2e-3
    row = bench.structure.order_row(bench.structure.growth().iloc[:60], 1, 1)
    assert row.part == "select_order" and row.ours > 0 and row.other > 0


def test_calls_take_turns(bench):
    order: list[str] = []
    calls = {name: lambda name=name: order.append(name) for name in "ab"}
    took = bench.timing.take_turns(calls, rounds=3, batch=0.0)
    assert order == ["a", "a", "b", "b"] + ["a", "b"] * 3
    assert set(took) == {"a", "b"} and all(value > 0 for value in took.values())


@pytest.mark.parametrize("shape", [(1, 4), (2, 16), (8, 64)])
def test_operations_of_a_step_are_those_of_its_loops(bench, shape):
    p, m = shape
    rows, cols = p + m, p + m + m
    rotation = sum(2 * (cols - i) + 4 * (rows - i - 1) * (cols - i) for i in range(rows))
    products = 2 * p * m * m + 2 * m**3
    rest = m**3 + 2 * p * m * m + 2 * m * p * p + p**3 // 3 + 2 * m * m + 4 * p * m + 2 * p * p
    counted = bench.flops.step_flops(p, m, p + m)
    assert counted == pytest.approx(rotation + products + rest, rel=0.12)


def test_the_log_likelihood_takes_no_memory_beyond_the_data(bench):
    nobs = 200_000
    assert bench.memory.extra_memory(nobs, "loglike") < 1.0
    # the tape of the score, at least the state of each row, shows that the probe sees memory
    assert bench.memory.extra_memory(nobs, "score") > nobs * 3 * 8 / 2**20


def test_the_table_is_put_into_its_page(bench, tmp_path, monkeypatch, capsys):
    table, main = bench.table, bench.__main__
    rows = [table.Row("a", "case", "x", 1e-6, 2e-6, 2.0, table.Requirement(3.0))]
    monkeypatch.setattr(bench.linear, "rows", lambda quick: iter(rows if quick else []))
    monkeypatch.setattr(main, "ONE_THREAD", {})
    page = tmp_path / "page.md"
    begin, end = main.MARKS["linear"]
    page.write_text(f"Head\n{begin}\nold\n{end}\nFoot\n")
    assert main.main(["linear", "--quick", "--out", str(page)]) == 1
    text = page.read_text()
    assert text.startswith("Head\n") and text.endswith("\nFoot\n") and "old" not in text
    assert "| a " in text and "0 of 1 requirements reached" in capsys.readouterr().out
    assert main.main(["linear"]) == 0


@pytest.mark.crosspkg
@pytest.mark.parametrize("k", [2, 3, 4, 8, 17])
def test_hmmlearn_computes_the_same_numbers(bench, k):
    pytest.importorskip("hmmlearn")
    arrays = bench.markov.chain(k, 600)
    bench.markov.agree(k, arrays, bench.with_hmmlearn.Recursions(*arrays))
    wrong = (arrays[0], arrays[1][::-1], arrays[2])
    with pytest.raises(AssertionError, match="other numbers"):
        bench.markov.agree(k, arrays, bench.with_hmmlearn.Recursions(*wrong))


def test_memory_of_a_chain_is_seen(bench):
    nobs = 200_000
    assert bench.memory.extra_chain_memory(nobs, "kernel") < 1.0
    # the model's log densities, a column a regime, less what fits into pages it already had
    assert bench.memory.extra_chain_memory(nobs, "model") > 0.9 * nobs * 4 * 8 / 2**20


def test_data_are_the_same_each_time(bench):
    one, two = bench.cases.varma(3, 30), bench.cases.varma(3, 30)
    assert np.array_equal(one.y, two.y) and np.array_equal(one.params, two.params)


@pytest.mark.crosspkg
@pytest.mark.parametrize("rival", ["with_torch", "with_jax"])
@pytest.mark.parametrize("kind", ["elman", "gru", "lstm"])
def test_rival_networks_compute_the_same_score(bench, kind, rival):
    adapter = getattr(bench, rival)
    if not adapter.available():
        pytest.skip(f"{rival[5:]} is not installed")
    case = bench.nonlinear.Case(kind, 4, 40)
    network = adapter.Network(case.arch, case.weights, case.x, case.y)
    # it stops the run where log-likelihood or score differ
    bench.nonlinear.agree(case, {rival[5:]: network})


def test_a_rival_network_that_differs_stops_the_run(bench):
    case = bench.nonlinear.Case("gru", 4, 40)
    llf, gradient = case.score()
    with pytest.raises(AssertionError, match="other numbers"):
        bench.nonlinear.agree(case, {"jax": SimpleNamespace(score=lambda: (llf, gradient + 1e-3))})


def test_operations_of_the_scores_of_observations_grow_with_the_states(bench):
    arch = bench.nonlinear.Case("lstm", 8, 40).arch
    one, each = bench.nonlinear.operations(arch)
    assert one == 3 * arch.size
    # K = 16 states of 8 units, blocks of 16 rows: passes of 8 + 16 steps a row, of a 16 by 8
    # matrix and an outer product each; then 16 + 256 / 16 for each weight
    assert each == pytest.approx((arch.size + 128) * (8 + 16) + arch.size * (16 + 256 / 16))


def test_the_stored_table_of_long_dependence_is_that_of_its_plan(bench):
    plan = bench.long_dependence
    stored = pd.read_csv(ROOT / "notebooks" / "long_dependence.csv")
    assert list(stored["task"].unique()) == list(plan.PLAN)
    for task, (lags, runs, steps) in plan.PLAN.items():
        own = stored[stored["task"] == task]
        expected = {(n, lag, run) for n in plan.NETWORKS for lag in lags for run in range(runs)}
        assert set(own[["network", "lag", "seed"]].itertuples(index=False, name=None)) == expected
        assert len(own) == len(expected) and own["steps"].max() == steps


def test_runs_of_long_dependence_begin_as_stored(bench, monkeypatch, tmp_path):
    plan = bench.long_dependence
    few = {"first symbol": ((10, 20), 2, 3), "copy": ((10, 50), 1, 2)}
    monkeypatch.setattr(plan, "PLAN", few)
    monkeypatch.setattr(plan, "ONE_THREAD", {})
    out = tmp_path / "runs.csv"
    assert plan.main(["--jobs", "1", "--out", str(out)]) == 0
    assert plan.main(["first symbol", "--jobs", "1", "--out", str(out)]) == 0
    fresh = pd.read_csv(out)
    assert list(fresh["task"]) == ["first symbol"] * 24 + ["copy"] * 12
    keys = ["task", "network", "lag", "seed"]
    both = fresh.merge(pd.read_csv(ROOT / "notebooks" / "long_dependence.csv"), on=keys)
    assert len(both) == len(fresh)
    # the start weights are drawn; five digits are written, one may round otherwise elsewhere
    assert both["tau_x"].to_numpy() == pytest.approx(both["tau_y"].to_numpy(), rel=2e-5)
    with pytest.raises(SystemExit):
        plan.main(["sorting"])
