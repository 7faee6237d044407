"""Tasks whose answer lies far back: what is shown, what is asked, what answers are worth."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats.diagnostics.memory import Adding, Copying, FirstSymbol, OwnSeries
from rnnstats.errors import DataError, SpecificationError

TASKS = (FirstSymbol(), FirstSymbol(4, 0.3), Adding(), Copying(), Copying(3, 4))


def by_sequence(batch):
    """Rows of sequences of equal length, shape (n, rows, k)."""
    return batch.inputs.reshape(batch.size, -1, batch.inputs.shape[1])


def test_the_first_symbol_is_shown_once_and_asked_for_lag_rows_later():
    batch = FirstSymbol(3, 0.5).draw(20, 400, np.random.default_rng(0))
    rows = by_sequence(batch)
    assert rows.shape == (400, 21, 4)
    assert (batch.asked - batch.offsets[:-1] == 20).all()
    assert (rows[:, 0].argmax(axis=1) == batch.target).all()
    assert (rows[:, 0].sum(axis=1) == 1.0).all() and (rows[:, 1:, :3] == 0.0).all()
    noise = rows[:, 1:, 3]
    # 8000 draws: four standard errors of a standard deviation are 4 * 0.5 / sqrt(16000)
    assert noise.std() == pytest.approx(0.5, abs=0.016)
    assert set(batch.target) == {0.0, 1.0, 2.0}


@pytest.mark.parametrize("lag", [2, 7, 40])
def test_one_number_of_each_half_is_marked_and_their_sum_is_asked_for(lag):
    batch = Adding().draw(lag, 300, np.random.default_rng(1))
    rows = by_sequence(batch)
    half = lag // 2
    assert rows.shape == (300, lag, 2) and (batch.asked - batch.offsets[:-1] == lag - 1).all()
    assert (rows[:, :half, 1].sum(axis=1) == 1.0).all()
    assert (rows[:, half:, 1].sum(axis=1) == 1.0).all()
    assert np.allclose((rows[:, :, 0] * rows[:, :, 1]).sum(axis=1), batch.target, rtol=1e-15)
    assert rows[:, :, 0].min() > 0.0 and rows[:, :, 0].max() < 1.0


@pytest.mark.parametrize("lag", [4, 15])
def test_each_symbol_is_asked_for_lag_rows_after_it_was_shown(lag):
    task = Copying(3, 4)
    batch = task.draw(lag, 50, np.random.default_rng(2))
    rows = by_sequence(batch)
    assert rows.shape == (50, lag + 3, 5)
    shown = batch.asked - lag  # rows where the symbols were shown
    assert (batch.inputs[shown].argmax(axis=1) == batch.target).all()
    assert (batch.inputs[shown].sum(axis=1) == 1.0).all()
    assert (rows[:, lag - 1, -1] == 1.0).all()  # the mark: the row before the first answer
    assert batch.inputs.sum() == 50 * (3 + 1)  # all else is blank


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_slopes_are_those_of_the_loss(task):
    rng = np.random.default_rng(3)
    batch = task.draw(6, 3, rng)
    eta = rng.normal(size=(len(batch.inputs), task.k_eta))
    slopes = task.judge(eta, batch).slopes
    step = 1e-5
    for place in np.ndindex(eta.shape):
        moved = [eta.copy(), eta.copy()]
        moved[0][place] += step
        moved[1][place] -= step
        up, down = (task.judge(one, batch).loss for one in moved)
        # central differences: step^2 times a third derivative, and rounding over the step
        assert slopes[place] == pytest.approx((up - down) / (2 * step), abs=1e-9)


@pytest.mark.parametrize("task", TASKS, ids=repr)
def test_skill_is_one_for_right_answers_and_none_for_answers_without_looking(task):
    rng = np.random.default_rng(4)
    batch = task.draw(8, 4000, rng)
    right, blind = (np.zeros((len(batch.inputs), task.k_eta)) for _ in range(2))
    if task.k_eta == 1:
        right[batch.asked, 0] = batch.target
        blind += 1.0  # the mean of the sum
    else:
        right[batch.asked, batch.target.astype(int)] = 9.0
        blind[:, 0] = 1.0
    assert task.judge(right, batch).skill == 1.0
    # four standard errors at 4000 answers: of a share of one half, and of a mean square less so
    assert task.judge(blind, batch).skill == pytest.approx(0.0, abs=4 * 2 * 0.5 / np.sqrt(4000))


@pytest.mark.parametrize("bad", [1e6, np.inf, np.nan])
def test_answers_out_of_all_bounds_count_as_minus_one(bad):
    batch = Adding().draw(5, 4, np.random.default_rng(5))
    with np.errstate(all="ignore"):
        assert Adding().judge(np.full((20, 1), bad), batch).skill == -1.0


def test_arguments_of_tasks_are_looked_at():
    rng = np.random.default_rng(0)
    with pytest.raises(SpecificationError, match="alphabet must be at least 2"):
        FirstSymbol(1)
    with pytest.raises(SpecificationError, match="noise must be greater than 0"):
        FirstSymbol(noise=0.0)
    with pytest.raises(SpecificationError, match="length must be at least 1"):
        Copying(0)
    with pytest.raises(SpecificationError, match="lag must be at least 2"):
        Adding().draw(1, 2, rng)
    with pytest.raises(SpecificationError, match="lag must be at least 3"):
        Copying(2).draw(2, 2, rng)


# -- a series of one's own -------------------------------------------------------------------------


def test_windows_of_an_own_series_end_with_the_row_that_is_asked_for():
    rng = np.random.default_rng(6)
    y, x = rng.normal(3.0, 2.0, 40), rng.normal(-1.0, 5.0, (40, 2))
    task = OwnSeries(pd.Series(y), pd.DataFrame(x))
    batch = task.draw(7, 200, rng)
    scaled_y, scaled_x = ((one - one.mean(axis=0)) / one.std(axis=0) for one in (y, x))
    places = set()
    for window, target in zip(by_sequence(batch), batch.target, strict=True):
        end = int(np.abs(scaled_y - target).argmin())
        # sums of a table's columns depend on its order in memory, in the last place
        assert window == pytest.approx(scaled_x[end - 7 : end + 1], rel=1e-12)
        places.add(end)
    assert min(places) == 7 and max(places) == 39  # every window is possible


def test_an_own_series_is_predicted_from_its_last_output_by_default():
    y = np.sin(np.arange(30.0))
    task = OwnSeries(y)
    batch = task.draw(3, 20, np.random.default_rng(0))
    assert task.k_in == 1
    before = batch.inputs[batch.asked, 0] * y[:-1].std() + y[:-1].mean()
    after = batch.target * y[1:].std() + y[1:].mean()
    places = [int(np.abs(y - one).argmin()) for one in before]
    assert np.allclose(y[np.array(places) + 1], after, atol=1e-12)


def test_own_series_that_cannot_be_used_are_refused():
    y = np.arange(10.0)
    with pytest.raises(DataError, match="shape"):
        OwnSeries(y, np.ones((9, 1)))
    with pytest.raises(DataError, match="finite and vary"):
        OwnSeries(y, np.ones((10, 1)))
    with pytest.raises(DataError, match="finite and vary"):
        OwnSeries(np.where(y == 4.0, np.nan, y))
    with pytest.raises(SpecificationError, match="lag must be at most 8"):
        OwnSeries(y).draw(9, 2, np.random.default_rng(0))
