"""The penalty that predicts best, and what is made of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning, DataError
from rnnstats.models.nonlinear import ElmanRNN
from rnnstats.models.recurrent.fit import fitting
from rnnstats.models.recurrent.fit import penalty as penalties


def lynx():
    return np.log10(datasets.lynx())


def test_a_window_is_a_model_of_the_first_rows():
    model = ElmanRNN(lynx(), k_hidden=2, y_lags=2)
    part = penalties.until(model, np.array([40.0]))
    rng = np.random.default_rng(0)
    phi = 0.5 * rng.standard_normal(model.layout.k_params)
    phi[model.chart.extra] = 1.0
    theta = model.chart.to_natural(phi)
    # two rows are conditioned on
    assert part.loglike(theta) == pytest.approx(model.loglikeobs(theta)[:42].sum(), abs=1e-10)
    alone = ElmanRNN(lynx()[:42], k_hidden=2, y_lags=2)
    assert part.loglike(theta) == pytest.approx(alone.loglike(theta), abs=1e-10)


def test_windows_grow_within_every_sequence():
    y = pd.DataFrame({"y": np.random.default_rng(0).standard_normal(90)})
    model = ElmanRNN(y, groups=np.repeat(["a", "b"], [60, 30]), k_hidden=1)
    cuts = np.array(penalties.windows(model.likelihood.data))
    assert cuts.shape == (penalties.WINDOWS + 1, 2)
    assert (np.diff(cuts, axis=0) > 0).all()
    assert cuts[-1].tolist() == [59.0, 29.0]
    part = penalties.until(model, cuts[1])
    theta = model.start_params.to_numpy()
    logs = model.loglikeobs(theta)
    a, b = (int(n) + 1 for n in cuts[1])
    assert part.loglike(theta) == pytest.approx(logs[:a].sum() + logs[60 : 60 + b].sum(), abs=1e-10)


def test_the_score_is_that_of_the_rows_after_the_window(monkeypatch):
    monkeypatch.setattr(penalties, "GRID", (0.3, 3.0))
    model = ElmanRNN(lynx(), k_hidden=1)
    plan = fitting.Plan((), 2, np.random.default_rng(0))
    kept = []

    def search(part, own):
        theta, record = fitting.search(part, own)
        kept.append((part, own.penalty, theta))
        return theta, record

    choice = penalties.choose(model, plan, search)
    assert choice.complete
    assert choice.scores.shape == (penalties.WINDOWS, 2)
    assert choice.penalty == (0.3, 3.0)[int(choice.scores.sum(axis=0).argmax())]
    part, weight, theta = kept[0]
    assert weight == 0.3
    used = part.likelihood.data.rows
    later = int(penalties.windows(model.likelihood.data)[1][0])
    rows = model.likelihood.data.rows[len(used) : later]
    expected = model.loglikeobs(theta)[rows].sum()
    assert choice.scores[0, 0] == pytest.approx(expected, abs=1e-12)


def test_rolling_is_kept_in_the_model_and_told(monkeypatch):
    monkeypatch.setattr(penalties, "GRID", (0.1, 1.0, 10.0))
    results = ElmanRNN(lynx(), k_hidden=2).fit(penalty="rolling", n_starts=4, cov_type="none")
    assert results.model.penalty in (0.1, 1.0, 10.0)
    assert "chosen by rolling prediction" in results.convergence.message
    again = ElmanRNN(lynx(), k_hidden=2, penalty=results.model.penalty).fit(
        n_starts=4, cov_type="none"
    )
    assert again.model.penalty == results.model.penalty
    assert again.llf == pytest.approx(results.llf, abs=0.05)


def test_more_penalty_less_likelihood_and_smaller_weights():
    model = ElmanRNN(lynx(), k_hidden=1)
    fits = [model.fit(penalty=p, n_starts=4, cov_type="none") for p in (0.0, 0.5, 5.0)]
    llf = [one.llf for one in fits]
    assert llf == sorted(llf, reverse=True)
    assert llf[0] > llf[2] + 0.1
    mask = model.chart.penalised
    sizes = [(model.chart.to_standard(one.params.to_numpy())[mask] ** 2).sum() for one in fits]
    assert sizes == sorted(sizes, reverse=True)


def test_penalties_that_were_not_tried_everywhere_are_compared_where_all_were():
    scores = np.full((4, 3), np.nan)
    scores[0] = [-5.0, -2.0, -3.0]
    scores[1, 0] = -np.inf  # the next penalty was interrupted
    assert penalties._winner(scores) == 1
    scores[1] = [-np.inf, -9.0, -4.0]
    assert penalties._winner(scores) == 2


def test_an_interrupt_while_choosing_returns_what_there_is(monkeypatch):
    monkeypatch.setattr(penalties, "GRID", (0.3, 3.0))
    calls = []
    whole = fitting.search

    def search(model, plan):
        calls.append(plan.penalty)
        theta, record = whole(model, plan)
        if len(calls) == 4:
            record = replace(record, converged=False, message="interrupted after 3 iterations")
        return theta, record

    monkeypatch.setattr(fitting, "search", search)
    with pytest.warns(ConvergenceWarning, match="interrupted while the penalty"):
        results = ElmanRNN(lynx(), k_hidden=1).fit(penalty="rolling", n_starts=3, cov_type="none")
    assert len(calls) == 5
    assert not results.convergence.converged
    assert results.model.penalty in (0.3, 3.0)


def test_a_short_sample_cannot_be_rolled():
    with pytest.raises(DataError, match="penalty='rolling' needs at least 10 rows"):
        ElmanRNN(lynx()[:16], k_hidden=1).fit(penalty="rolling")


def test_the_record_says_what_was_chosen_where_it_names_the_penalty(monkeypatch):
    model = ElmanRNN(lynx(), k_hidden=1)
    theta, record = fitting.search(
        model, fitting.Plan((), 2, np.random.default_rng(0), penalty=0.3)
    )
    higher = replace(record, message=f"{record.message} to the highest maximum (start 1 is higher)")
    choice = penalties.Choice(0.3, np.zeros((1, 1)), theta, True)
    monkeypatch.setattr(penalties, "choose", lambda *given: choice)
    monkeypatch.setattr(fitting, "search", lambda *given: (theta, higher))
    words = fitting._rolling(model, fitting.Plan((), 2, np.random.default_rng(0)))[1].message
    assert "(penalised, penalty 0.3, chosen by rolling prediction) to the highest" in words
    assert words.endswith("(start 1 is higher)")
