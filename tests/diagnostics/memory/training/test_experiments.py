"""Experiments with long dependence and the reports on them."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t, ttest_rel

from rnnstats.diagnostics.memory import (
    Adding,
    Copying,
    FirstSymbol,
    Learner,
    LongDependence,
    Optimiser,
    OwnSeries,
    adding_problem,
    clipping_effect,
    copy_problem,
    first_symbol_recall,
    forget_bias_effect,
    gradients_in_training,
    success_against_lag,
)
from rnnstats.diagnostics.memory.training import grid
from rnnstats.diagnostics.memory.training.inference import matched_difference, student, wilson
from rnnstats.diagnostics.memory.training.optimiser import Streams, Trained, train
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError

FEW = Optimiser(steps=3, batch=2)


def table(successes, runs=4, steps=None, networks=("a", "b")):
    """Runs made by hand: successes by network and lag."""
    rows = [
        {
            "network": name,
            "lag": lag,
            "seed": seed,
            "succeeded": seed < count,
            "steps": 10 * (seed + 1) if seed < count else 100,
            "skill": 1.0 if seed < count else 0.0,
            "tau": 2.0 + seed,
            "clipped": 0.25,
            "largest_gradient": 1.0,
        }
        for name, counts in zip(networks, successes, strict=True)
        for lag, count in counts.items()
        for seed in range(runs)
    ]
    return pd.DataFrame(rows)


# -- what the milestone is about ------------------------------------------------------------------


@pytest.mark.statistical
def test_elman_forgets_and_lstm_holds():
    how = Optimiser(steps=200)
    found = first_symbol_recall((10, 60), ("Elman", "LSTM chrono"), n_runs=3, optimiser=how)
    # a network that never learns passes a test of 500 with probability 1e-80
    assert found.frame["successes"].to_dict() == {
        ("Elman", 10): 3, ("Elman", 60): 0, ("LSTM chrono", 10): 3, ("LSTM chrono", 60): 3,
    }  # fmt: skip


@pytest.mark.statistical
def test_the_gradient_of_elman_has_vanished_where_that_of_a_slow_lstm_has_not():
    found = gradients_in_training(
        lag=40, networks=("Elman", "LSTM chrono"), at=(0,), n_runs=4, optimiser=Optimiser(steps=1)
    )
    ends = found.frame["relative"].xs(40, level="lag").droplevel("step")
    assert ends["Elman"] < -6.0 and ends["LSTM chrono"] > -2.0
    assert (found.rates["verdict"] == "vanishing").all()
    # what a linear recurrence with the spectral radius of tau would do bounds the order
    assert found.rates.loc[("LSTM chrono", 0), "rate"] > -0.1


@pytest.mark.statistical
def test_clipping_rescues_descent_along_gradients_that_explode():
    table = clipping_effect((None, 0.1), n_runs=8).frame
    assert table.loc["0.1", "successes"] - table.loc["none", "successes"] >= 4
    assert table.loc["none", "clipped"] == 0.0 and table.loc["0.1", "clipped"] > 0.5


@pytest.mark.slow
@pytest.mark.statistical
def test_success_against_lag_in_all_three_tasks():
    recall = first_symbol_recall((10, 50, 200), n_runs=10, optimiser=Optimiser(steps=600)).frame
    assert (recall.loc["LSTM chrono", "successes"] == 10).all()
    assert (recall["successes"].xs(10, level="lag") >= 9).all()
    assert recall.loc[("Elman", 200), "successes"] == 0
    assert recall.loc[("LSTM", 200), "successes"] == 0
    adding = adding_problem((10, 100, 200), ("Elman", "GRU chrono", "LSTM chrono"), n_runs=6)
    assert (adding.frame.loc["Elman", "successes"].iloc[1:] == 0).all()
    assert (adding.frame.loc["GRU chrono", "successes"] == 6).all()
    copying = copy_problem((10, 50), ("Elman", "LSTM chrono"), n_runs=10)
    # single runs may fail (14 of 16 succeeded in adding at lag 200): all lags tested. An exact test
    # of runs that all go one way has the level 2^(1 - n), below 0.01 from eight on
    for found in (adding, copying):
        row = found.comparison.loc["LSTM chrono"]
        assert row["difference"] > 0.0 and row["pvalue"] < 0.01


@pytest.mark.slow
@pytest.mark.statistical
def test_a_larger_forget_bias_reaches_further():
    found = forget_bias_effect((0.0, 3.0, "chrono"), (10, 30, 100), n_runs=8)
    reach = found.comparison["reach"]
    assert reach["bias 0"] < reach["bias 3"] < reach["chrono"] == 100
    tau = found.frame["tau"].xs(100, level="lag")
    # with all gates almost open and the loop through h, some starts do not forget at all at zero
    assert tau["bias 0"] < 5.0 and tau["bias 3"] > 20.0 and 50.0 < tau["chrono"] < 200.0


# -- runs -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("experiment", "task", "steps"),
    [(first_symbol_recall, FirstSymbol(), 400), (adding_problem, Adding(), 1000),
     (copy_problem, Copying(), 1000)],
)  # fmt: skip
def test_experiments_are_runs_of_their_tasks(experiment, task, steps, monkeypatch):
    found = experiment((4,), ("GRU",), n_runs=2, optimiser=FEW, rng=3)
    same = success_against_lag(task, (4,), ("GRU",), n_runs=2, optimiser=FEW, rng=3)
    pd.testing.assert_frame_equal(found.runs, same.runs)
    assert found.title == task.title
    seen = []
    blank = Trained(True, 1, 1.0, 0.0, np.ones(1), 0.0, 0, 1.0)
    monkeypatch.setattr(grid, "run_job", lambda job: seen.append(job) or blank)
    experiment((4,), ("GRU",), n_runs=1)
    assert seen[0].how.steps == steps


def test_settings_of_the_tasks_are_handed_on(monkeypatch):
    seen = []
    blank = Trained(True, 1, 1.0, 0.0, np.ones(1), 0.0, 0, 1.0)
    monkeypatch.setattr(grid, "run_job", lambda job: seen.append(job) or blank)
    first_symbol_recall((4,), "GRU", alphabet=5, noise=0.2, n_runs=1, success=0.7)
    copy_problem((9,), "GRU", length=3, alphabet=6, n_runs=1)
    forget_bias_effect((None, 2, "chrono"), (5,), cell="gru", k_hidden=3, n_runs=1)
    assert seen[0].task == FirstSymbol(5, 0.2) and seen[0].success == 0.7
    assert seen[1].task == Copying(3, 6)
    assert [job.learner for job in seen[2:]] == [
        Learner("gru", 3), Learner("gru", 3, 2), Learner("gru", 3, "chrono"),
    ]  # fmt: skip
    assert [job.name for job in seen[2:]] == ["no bias", "bias 2", "chrono"]


def test_a_run_is_what_its_streams_make_of_it():
    found = first_symbol_recall((5, 3), ("LSTM", "Elman"), n_runs=2, optimiser=FEW, rng=1)
    runs = found.runs
    assert list(runs["network"]) == ["LSTM"] * 4 + ["Elman"] * 4
    assert list(runs["lag"]) == [3, 3, 5, 5] * 2
    seed = grid.entropy_of(1, "test")
    alone = train(FirstSymbol(), Learner("elman"), FEW, Streams(seed, 5, 1), 0.9)
    row = runs.iloc[-1]
    assert (row["lag"], row["seed"]) == (5, 1)
    assert row["skill"] == alone.skill and row["largest_gradient"] == alone.norms.max()
    other = first_symbol_recall((5,), "Elman", n_runs=1, optimiser=FEW, rng=2)
    assert other.runs["largest_gradient"][0] != runs["largest_gradient"].iloc[-2]


@pytest.mark.slow
def test_processes_change_no_number():
    here, there = (
        first_symbol_recall((5, 8), ("GRU",), n_runs=3, optimiser=FEW, n_jobs=jobs)
        for jobs in (1, 2)
    )
    pd.testing.assert_frame_equal(here.runs, there.runs)


def test_what_is_done_by_an_interrupt_is_kept(monkeypatch):
    done = []

    def stop(job):
        done.append(job)
        if len(done) == 3:
            raise KeyboardInterrupt
        return Trained(True, 1, 1.0, 0.0, np.ones(1), 0.0, 0, 1.0)

    monkeypatch.setattr(grid, "run_job", stop)
    with pytest.warns(ConvergenceWarning, match="first_symbol_recall: interrupted; .* 2 of 6 runs"):
        found = first_symbol_recall((5, 9), ("Elman",), n_runs=3)
    assert list(found.runs["lag"]) == [5, 9]
    done.clear()
    monkeypatch.setattr(grid, "run_job", lambda job: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        first_symbol_recall((5, 9), ("Elman",), n_runs=3)


def test_a_bar_shows_after_a_while_and_only_if_wanted(monkeypatch, capsys):
    monkeypatch.setattr("rnnstats.diagnostics.memory.training.running.PATIENCE", 0.0)
    first_symbol_recall((4,), "GRU", n_runs=2, optimiser=FEW)
    assert capsys.readouterr().err == ""
    first_symbol_recall((4,), "GRU", n_runs=2, optimiser=FEW, progress=True)
    assert "first_symbol_recall" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"lags": ()}, "lags must be different whole numbers"),
        ({"lags": (5, 5)}, "lags must be different whole numbers"),
        ({"lags": (0,)}, "lags must be at least 1"),
        ({"networks": "RNN"}, "networks must be one of"),
        ({"n_runs": 0}, "n_runs must be at least 1"),
        ({"optimiser": "adam"}, "optimiser must be an Optimiser"),
        ({"success": 1.0}, "success must lie strictly between 0 and 1"),
        ({"rng": "zero"}, "rng must be"),
        ({"n_jobs": 0}, "n_jobs must be at least 1"),
        ({"progress": 1}, "progress must be True or False"),
        ({"alpha": 0}, "alpha must lie strictly between 0 and 1"),
    ],
)
def test_arguments_of_experiments_are_looked_at(arguments, rule):
    with pytest.raises(SpecificationError, match=f"first_symbol_recall: {rule}"):
        first_symbol_recall(**arguments)


# -- tables ---------------------------------------------------------------------------------------


def test_the_table_counts_runs():
    found = LongDependence(table([{10: 4, 100: 0}, {10: 3, 100: 1}]), alpha=0.1)
    frame = found.frame
    assert list(frame["successes"]) == [4, 0, 3, 1] and (frame["runs"] == 4).all()
    assert list(frame["share"]) == [1.0, 0.0, 0.75, 0.25]
    assert frame["steps"].iloc[0] == 25.0  # 10, 20, 30, 40
    assert np.isnan(frame["steps"].iloc[1])
    assert frame["steps"].iloc[2] == 25.0  # 10, 20, 30, never
    assert np.isnan(frame["steps"].iloc[3])
    assert frame["skill_se"].iloc[2] == pytest.approx(0.5 / 2.0)  # of 1, 1, 1, 0
    lower, upper = wilson(3, 4, 0.1)
    assert frame[["lower", "upper"]].iloc[2].tolist() == [lower[0], upper[0]]
    frame.iloc[0, 0] = 99
    assert found.frame.iloc[0, 0] == 4


def test_the_reach_is_the_lag_up_to_which_most_runs_succeed():
    counts = [{10: 12, 30: 12, 100: 3, 300: 12}, {10: 2, 30: 12, 100: 12, 300: 12}]
    found = LongDependence(table(counts, runs=12))
    assert list(found.comparison["reach"]) == [30, 0]


def test_runs_are_written_and_read_again():
    found = first_symbol_recall((4,), ("GRU", "Elman"), n_runs=2, optimiser=FEW)
    text = found.runs.to_csv(index=False)
    again = LongDependence(pd.read_csv(io.StringIO(text)))
    pd.testing.assert_frame_equal(again.frame, found.frame)
    with pytest.raises(DataError, match="tau"):
        LongDependence(found.runs.drop(columns="tau"))
    with pytest.raises(DataError, match="rows"):
        LongDependence(found.runs.iloc[:0])


def test_summaries_say_what_the_numbers_are():
    found = first_symbol_recall((4,), ("GRU", "Elman"), n_runs=2, optimiser=FEW, alpha=0.1)
    text = str(found.summary())
    how = ("adam with learning rate 0.01", "clipped at 1", "skill of at least 0.9")
    for words in ("First-symbol recall", "GRU, lag 4", "Compared with GRU", "90 % Wilson", *how):
        assert words in text
    assert repr(found) == text
    alone = str(first_symbol_recall((4,), "GRU", n_runs=1, optimiser=FEW))
    assert "Compared" not in alone
    text = str(clipping_effect((None, 1.0), n_runs=2, lag=4, optimiser=FEW))
    assert "effect of clipping" in text and "Less that with none" in text
    text = str(gradients_in_training(lag=4, networks="GRU", n_runs=2, optimiser=FEW))
    assert "GRU, step 3" in text and "gradient by lag in training" in text


@pytest.mark.crosspkg
def test_intervals_and_tests_of_shares_equal_those_of_statsmodels():
    from statsmodels.stats.contingency_tables import mcnemar
    from statsmodels.stats.proportion import proportion_confint

    counts = np.arange(11)
    theirs = proportion_confint(counts, 10, 0.05, method="wilson")
    for one, other in zip(wilson(counts, np.full(11, 10), 0.05), theirs, strict=True):
        # theirs may end a rounding error outside of 0 to 1
        np.testing.assert_allclose(one, other, atol=1e-14)
    rng = np.random.default_rng(0)
    pairs = [(rng.random(n) < 0.8, rng.random(n) < 0.4) for n in (10, 7, 9)]
    found = matched_difference(pairs)
    ones, others = (np.concatenate(part) for part in zip(*pairs, strict=True))
    cross = [[(a & b).sum() for b in (others, ~others)] for a in (ones, ~ones)]
    assert found.pvalue == pytest.approx(mcnemar(cross, exact=True).pvalue, rel=1e-12)
    assert found.difference == pytest.approx(np.mean([a.mean() - b.mean() for a, b in pairs]))
    back = matched_difference([(b, a) for a, b in pairs])
    assert back == pytest.approx((-found.difference, found.se, found.pvalue))


def test_runs_that_all_agree_tell_no_difference_but_leave_it_open():
    same = np.ones(9, dtype=bool)
    found = matched_difference([(same, same)])
    # Agresti and Min (2005): half a pair more of each outcome, so 1 of 11 pairs apart
    assert found.difference == 0.0 and found.pvalue == 1.0
    assert found.se == pytest.approx(1.0 / 11.0)
    assert np.isnan(matched_difference([])).all()
    assert np.isnan(matched_difference([(same[:0], same[:0])])).all()


@pytest.mark.statistical
def test_errors_and_tests_of_a_difference_of_matched_shares_hold_their_levels():
    rng = np.random.default_rng(0)
    one, other = np.array([0.9, 0.6, 0.2]), np.array([0.7, 0.3, 0.1])
    inside, rejected = [], []
    for _ in range(600):
        # what a pair has in common decides half of the time
        common = np.where(rng.random((20, 3)) < 0.5, rng.random((20, 3)), np.nan)
        own, its = (np.where(np.isnan(common), rng.random((20, 3)), common) for _ in range(2))
        found = matched_difference([((own < one)[:, k], (its < other)[:, k]) for k in range(3)])
        inside.append(abs(found.difference - np.mean(one - other)) < 1.96 * found.se)
        null = matched_difference([((own < one)[:, k], (its < one)[:, k]) for k in range(3)])
        rejected.append(null.pvalue < 0.05)
    # a coverage of 0.95 from 600 draws has a standard error of 0.009; half pairs widen intervals
    assert 0.92 < np.mean(inside) < 0.985
    assert 0.005 < np.mean(rejected) < 0.06  # exact tests stay below their level


def test_the_comparison_is_of_runs_on_the_same_sequences():
    runs = table([{10: 2, 100: 0}, {10: 2, 100: 1}])
    turned = runs.copy()
    own = (turned["network"] == "b") & (turned["lag"] == 10)
    turned.loc[own, "succeeded"] = [False, False, True, True]  # as many, but others
    rows = [LongDependence(one).comparison.loc["b"] for one in (runs, turned)]
    assert [row["difference"] for row in rows] == [0.125, 0.125]
    assert [row["pvalue"] for row in rows] == [1.0, 1.0]  # 1 against 0, and 3 against 2 alone
    # (apart + 1 - gap^2 / (n + 2)) / (n + 2)^2 by lag
    known = [np.sqrt((far + 1.0 + 2.0 - 1.0 / 6.0) / 36.0) / 2.0 for far in (0.0, 4.0)]
    assert [row["difference_se"] for row in rows] == pytest.approx(known)
    only = LongDependence(runs[(runs["network"] == "a") | (runs["lag"] == 100)]).comparison
    assert only.loc["b", "difference"] == 0.25
    assert only.loc["a", ["difference", "difference_se", "pvalue"]].isna().all()
    none = LongDependence(runs[(runs["network"] == "a") ^ (runs["lag"] == 10)]).comparison
    assert none.loc["b", ["difference", "pvalue"]].isna().all()
    with pytest.raises(DataError, match="got b, lag 100, seed 3 again"):
        LongDependence(pd.concat([runs, runs.iloc[-1:]], ignore_index=True))


def test_means_without_spread_have_no_test():
    assert student(np.array([0.25, 0.25]))[:2] == (0.25, 0.0)
    assert np.isnan(student(np.array([0.25, 0.25])).pvalue)
    assert np.isnan(student(np.array([0.25])).se) and student(np.array([-np.inf, 1.0])).value < -9
    assert np.isnan(student(np.array([])).value)


# -- gradients and clipping -----------------------------------------------------------------------


def test_gradients_are_looked_at_before_during_and_after_training():
    how = Optimiser(steps=10, batch=2)
    found = gradients_in_training(
        Copying(), 5, ("GRU", "Elman"), n_runs=3, n_sequences=4, optimiser=how
    )
    assert found.at == (0, 2, 4, 6, 8, 10)
    assert found.log_norms["GRU"].shape == (3, 6, 4, 7)
    assert found.course["Elman"].shape == (3, 11, 3)
    frame, rates = found.frame, found.rates
    assert frame.index.names == ["network", "step", "lag"] and len(frame) == 2 * 6 * 7
    logs = found.log_norms["Elman"][:, 3] / np.log(10.0)
    relative = (logs - logs[..., :1]).reshape(-1, 7)
    here = frame.loc[("Elman", 6)]
    assert here["relative"].to_numpy() == pytest.approx(np.sort(relative, axis=0)[5], rel=1e-12)
    assert here["lower"].to_numpy() == pytest.approx(relative.min(axis=0), rel=1e-12)
    assert here["upper"].to_numpy() == pytest.approx(relative.max(axis=0), rel=1e-12)
    by_run = (logs[..., -1] - logs[..., 0]).mean(axis=1) * np.log(10.0) / 6
    row = rates.loc[("Elman", 6)]
    assert row["rate"] == pytest.approx(by_run.mean(), rel=1e-12)
    assert row["rate_se"] == pytest.approx(by_run.std(ddof=1) / np.sqrt(3), rel=1e-12)
    pair = ttest_rel(by_run, np.zeros(3))
    assert (row["t"], row["pvalue"]) == pytest.approx((pair.statistic, pair.pvalue), rel=1e-9)
    assert row["skill"] == pytest.approx(found.course["Elman"][:, 5:7, 1].mean(), rel=1e-12)


def test_a_gradient_of_zero_is_no_number_out_of_order():
    logs = np.zeros((2, 1, 3, 4))
    logs[0, 0, 1, 2:] = -np.inf  # vanished altogether
    logs[1, 0, 2] = -np.inf  # no loss, no gradient
    found = gradients_in_training(lag=3, networks="GRU", at=(0,), n_runs=2, optimiser=FEW)
    odd = type(found)({"GRU": logs}, found.course, (0,), "odd")
    assert list(odd.frame["relative"]) == [0.0] * 4
    assert list(odd.frame["lower"]) == [0.0, 0.0, -np.inf, -np.inf]
    assert odd.rates["rate"].iloc[0] == -np.inf and odd.rates["verdict"].iloc[0] == "vanishing"
    none = type(found)({"GRU": np.full((2, 1, 3, 4), -np.inf)}, found.course, (0,), "none")
    assert none.frame["relative"].isna().all() and np.isnan(none.rates["rate"].iloc[0])
    assert none.rates["verdict"].iloc[0] == "not distinguishable from 1"


def test_an_own_series_shows_how_far_its_gradient_reaches():
    y = np.cumsum(np.random.default_rng(0).normal(size=80))
    how = Optimiser(steps=20)
    found = gradients_in_training(OwnSeries(y), 12, ("LSTM",), at=(0, 20), n_runs=2, optimiser=how)
    assert found.frame["relative"].xs(12, level="lag").lt(0.0).all()
    assert found.course["LSTM"][:, -1, 1].mean() > found.course["LSTM"][:, 0, 1].mean()


def test_thresholds_begin_alike_and_are_compared_run_by_run():
    found = clipping_effect((None, 1.0, 0.1), n_runs=6, optimiser=Optimiser("sgd", 0.5, steps=80))
    none, most = found.runs["none"], found.runs["0.1"]
    assert [none[seed].norms[0] for seed in none] == [most[seed].norms[0] for seed in most]
    frame = found.frame
    skill = {name: [runs[seed].skill for seed in range(6)] for name, runs in found.runs.items()}
    for name in ("1", "0.1"):
        pair = ttest_rel(skill[name], skill["none"])
        assert frame.loc[name, "pvalue"] == pytest.approx(pair.pvalue, rel=1e-9)
        gaps = np.subtract(skill[name], skill["none"])
        assert frame.loc[name, "difference"] == pytest.approx(gaps.mean(), rel=1e-12)
    assert frame.loc["none", ["difference", "pvalue"]].isna().all()
    share = np.mean([np.mean(one.norms > 1.0) for one in found.runs["1"].values()])
    assert frame.loc["1", "clipped"] == pytest.approx(share, rel=1e-12)


@pytest.mark.crosspkg
def test_runs_that_succeed_with_one_only_are_compared_as_by_mcnemar():
    from statsmodels.stats.contingency_tables import mcnemar

    def runs(succeeded):
        return {
            seed: Trained(bool(s), 9, float(s), 0.0, np.ones(9), 0.0, 0, 1.0)
            for seed, s in enumerate(succeeded)
        }

    kind = type(clipping_effect((None,), n_runs=1, lag=3, optimiser=FEW))
    one, other = [1, 1, 1, 1, 1, 1, 0, 0, 1], [0, 0, 0, 0, 1, 0, 1, 0, 1]
    found = kind({"none": runs(other), "1": runs(one)}, "by hand").frame
    theirs = mcnemar([[2, 5], [1, 1]], exact=True).pvalue
    assert found.loc["1", "success_pvalue"] == pytest.approx(theirs, rel=1e-12)
    same = kind({"none": runs(other), "1": runs(other)}, "by hand").frame
    assert same.loc["1", "success_pvalue"] == 1.0 and np.isnan(same.loc["1", "pvalue"])


def test_steps_that_cannot_be_taken_are_counted():
    lost = Trained(False, 4, -1.0, np.nan, np.array([1.0, np.inf, np.nan, 2.0]), 0.0, 2, 1.0)
    kind = type(clipping_effect((None,), n_runs=1, lag=3, optimiser=FEW))
    row = kind({"none": {0: lost, 1: lost}}, "by hand").frame.loc["none"]
    assert row["lost"] == 4 and row["largest_gradient"] == 2.0 and row["median_gradient"] == 1.5


@pytest.mark.parametrize(
    ("call", "arguments", "rule"),
    [
        (clipping_effect, {"thresholds": (1.0, 1.0)}, "thresholds must be different"),
        (clipping_effect, {"thresholds": ()}, "thresholds must be different"),
        (clipping_effect, {"thresholds": (-1.0,)}, "clip must be greater than 0"),
        (clipping_effect, {"learner": "Elman"}, "learner must be a Learner"),
        (clipping_effect, {"lag": 0}, "lag must be at least 1"),
        (gradients_in_training, {"at": (5, 3)}, "at must be rising numbers of steps"),
        (gradients_in_training, {"at": (401,)}, "at must be at most 400"),
        (gradients_in_training, {"n_sequences": 0}, "n_sequences must be at least 1"),
        (forget_bias_effect, {"cell": "elman"}, "cell must be one of 'lstm', 'gru'"),
    ],
)
def test_arguments_are_looked_at(call, arguments, rule):
    with pytest.raises(SpecificationError, match=rule):
        call(**arguments)


# -- pictures -------------------------------------------------------------------------------------


def test_pictures_show_the_numbers():
    pytest.importorskip("matplotlib")
    import matplotlib.pyplot as plt

    found = LongDependence(table([{10: 4, 100: 0}, {10: 3, 100: 1}]))
    left, right = found.plot().axes
    lines = [bars.lines[0] for bars in left.containers]
    assert [list(line.get_ydata()) for line in lines] == [[1.0, 0.0], [0.75, 0.25]]
    assert [list(bars.lines[0].get_ydata()) for bars in right.containers][1] == [0.75, 0.25]
    bar = right.containers[1].lines[2][0].get_segments()[0][:, 1]
    # three of four runs with skill 1: Student, 3 degrees of freedom; nothing is above 1
    assert bar == pytest.approx([0.75 - t.isf(0.025, 3) * 0.25, 1.0])
    assert [tick.get_text() for tick in left.get_xticklabels()] == ["10", "100"]
    own = plt.figure()
    assert found.plot(networks=["b"], fig=own) is own and len(own.axes[0].containers) == 1
    with pytest.raises(DataError, match="networks must be among a, b"):
        found.plot(networks=["c"])
    gradients = gradients_in_training(lag=4, networks=("GRU", "LSTM"), n_runs=2, optimiser=FEW)
    axes = gradients.plot().axes
    assert len(axes) == 6 and [ax.get_title(loc="left") for ax in axes[:2]] == ["GRU", "LSTM"]
    last = gradients.frame.loc[("GRU", 3), "relative"].tolist()
    assert list(axes[0].lines[len(gradients.at) - 1].get_ydata()) == last
    clipped = clipping_effect((None, 1.0), n_runs=2, lag=4, optimiser=FEW)
    left, right = clipped.plot().axes
    assert list(left.containers[0].lines[0].get_ydata()) == list(clipped.frame["share"])
    assert len([line for line in right.lines if line.get_label().startswith(("not", "clip"))]) == 2
    plt.close("all")
