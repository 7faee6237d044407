"""`select_regimes`: criteria, nesting, the bootstrap test, interruption."""

from __future__ import annotations

import dataclasses

import joblib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN, datasets, select_regimes
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.selection import regime_tests
from rnnstats.selection.regime_fits import FittedRegimes, RegimeBuilder, lifted, split
from rnnstats.selection.regime_tests import RegimeTest, Replicate

POISSON = {"emission": "poisson"}


@pytest.fixture(scope="module")
def found():
    return select_regimes(datasets.earthquakes(), max_regimes=4, **POISSON)


def two_regimes(nobs: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    path = np.zeros(nobs, dtype=int)
    for t in range(1, nobs):
        path[t] = path[t - 1] if rng.random() < 0.95 else 1 - path[t - 1]
    return np.array([0.0, 2.5])[path] + rng.standard_normal(nobs)


def test_the_table_is_that_of_the_book(found, cases):
    book = cases["H01"]["reference"]["stationary"]
    table = found.table
    assert table.index.tolist() == [1, 2, 3, 4]
    assert table["k_params"].tolist() == [1, 4, 9, 16]  # K rates and K (K - 1) probabilities
    for m in (2, 3, 4):
        assert table.loc[m, "llf"] == pytest.approx(book[f"m{m}"]["loglik"], abs=1e-4)
    n = len(datasets.earthquakes())
    assert table["aic"].to_numpy() == pytest.approx(-2 * table["llf"] + 2 * table["k_params"])
    expected = -2 * table["llf"] + np.log(n) * table["k_params"]
    assert table["bic"].to_numpy() == pytest.approx(expected.to_numpy())
    for m in (2, 3):
        assert table.loc[m, "aic"] == pytest.approx(book[f"m{m}"]["AIC"], abs=1e-3)
        assert table.loc[m, "bic"] == pytest.approx(book[f"m{m}"]["BIC"], abs=1e-3)
    assert found.k_regimes == found.regimes["aic"] == found.regimes["bic"] == 3
    assert pd.isna(found.regimes["lr test"])
    assert found.best is found.results[3]


def test_one_regime_is_the_plain_model(found):
    from scipy.stats import poisson

    counts = datasets.earthquakes()
    expected = poisson.logpmf(counts, counts.mean()).sum()
    assert found.table.loc[1, "llf"] == pytest.approx(expected, rel=1e-9)
    assert found.results[1].params.to_list() == pytest.approx([counts.mean()], rel=1e-6)


def test_icl_pays_for_the_most_probable_path(found, cases):
    book = cases["H01"]["reference"]["stationary"]
    for m in (2, 3):
        expected = -2 * book[f"m{m}"]["viterbi_logprob"]
        expected += np.log(107) * found.table.loc[m, "k_params"]
        assert found.table.loc[m, "icl"] == pytest.approx(expected, abs=1e-2)
    assert found.table.loc[1, "icl"] == found.table.loc[1, "bic"]
    assert (found.table["icl"] >= found.table["bic"]).all()


def test_fits_are_those_of_the_model(found):
    alone = MarkovRNN(datasets.earthquakes(), k_regimes=2, **POISSON).fit()
    pd.testing.assert_series_equal(found.results[2].params, alone.params)
    again = found.fit(2, cov_type="opg")
    assert again.llf == pytest.approx(alone.llf, abs=1e-8)
    assert again.cov_type == "opg"


GROUPS = np.repeat(["a", "b"], [70, 50])
INPUT = np.random.default_rng(5).standard_normal((120, 1))
STRUCTURES = {
    "gaussian": {},
    "variance": {"switching": "variance"},
    "free start": {"start": "free", "groups": GROUPS},
    "student": {"switching": "trend", "emission": "student-t"},
    "inputs": {"exog_transition": INPUT},
    "intercept": {"order": 1},
    "mean form": {"order": 2, "ar_form": "mean", "switching": "trend"},
}


@pytest.mark.parametrize("name", STRUCTURES)
@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_regime_split_in_halves_that_are_alike_changes_nothing(name, k):
    y = two_regimes(120, 3)
    build = RegimeBuilder(y, None, {**STRUCTURES[name]})
    small, large = build(k), build(k + 1)
    theta = small.start_params.to_numpy()
    for regime in range(k):
        same = split(small, theta, large, regime, location=None)
        assert large.loglike(same) == pytest.approx(small.loglike(theta), rel=1e-10)
        for location in (True, False):
            moved = split(small, theta, large, regime, location)
            assert np.isfinite(large.loglike(moved))


def test_a_fit_below_the_smaller_model_is_begun_again_from_there(found):
    build = RegimeBuilder(datasets.earthquakes(), None, POISSON)
    below = found.results[2]
    model = build(3)
    low = below.params.to_numpy()
    poor = model.start_params.copy()
    poor[[name for name in poor.index if name.startswith("mean")]] = [14.0, 60.0, 90.0]
    with pytest.warns(ConvergenceWarning):
        end = model.fit(start_params=poor, maxiter=1)
    assert end.llf < below.llf
    higher = lifted(FittedRegimes(3, end), below, maxiter=500)
    assert higher.results is not None
    assert higher.results.llf >= below.llf - 1e-6
    assert len(low) == 4


def test_one_regime_is_rejected_against_two():
    y = two_regimes(120, 7)
    selection = select_regimes(y, max_regimes=2, switching="trend", nboot=19, n_starts=3)
    assert selection.lr_tests.loc[1, "pvalue"] == 1 / 20
    assert pd.isna(selection.regimes["lr test"])  # two were not tested against three
    assert "lr test none" in str(selection.summary())


@pytest.mark.slow
def test_two_regimes_are_found_and_one_is_rejected():
    y = two_regimes(150, 7)
    selection = select_regimes(y, max_regimes=3, switching="trend", nboot=19, n_starts=3)
    assert selection.k_regimes == 2
    tests = selection.lr_tests
    assert tests.index.tolist() == [1, 2]
    assert tests.loc[1, "pvalue"] == 1 / 20
    assert tests.loc[2, "pvalue"] > 0.05
    assert selection.regimes["lr test"] == 2
    llf = selection.table["llf"]
    assert tests.loc[1, "statistic"] == pytest.approx(2 * (llf[2] - llf[1]))
    text = str(selection.summary())
    assert "1 against 2" in text
    assert "lr test 2" in text


def test_without_regimes_one_is_enough():
    y = np.random.default_rng(2).standard_normal(120)
    selection = select_regimes(y, max_regimes=2, switching="trend", nboot=19, n_starts=3)
    assert selection.k_regimes == 1
    assert selection.regimes["lr test"] == 1
    assert list(selection.lr_tests.index) == [1]


def test_draws_depend_on_the_generator_and_not_on_processes():
    y = two_regimes(80, 9)
    y[5] = np.nan
    selection = select_regimes(y, max_regimes=2, switching="trend", n_starts=2)
    one = selection.lr_test(1, nboot=12, rng=4)
    with joblib.parallel_config(backend="threading"):  # processes take seconds to start
        two = selection.lr_test(1, nboot=12, rng=4, n_jobs=2)
    np.testing.assert_array_equal(one.draws, two.draws)
    fewer = selection.lr_test(1, nboot=6, rng=4)
    np.testing.assert_array_equal(fewer.draws, one.draws[:6])
    other = selection.lr_test(1, nboot=6, rng=5)
    assert not np.array_equal(other.draws, fewer.draws)
    assert (one.draws >= 0).all()


def test_pvalue_its_error_and_critical_value():
    test = RegimeTest(2, 5.0, np.array([1.0, 9.0, 3.0, 5.0]), 1, ((4, "no variation"),), 6)
    assert test.pvalue == (1 + 2) / (1 + 4)
    assert test.mc_error == pytest.approx(np.sqrt(0.6 * 0.4 / 5))
    assert test.critical(0.2) == 9.0
    assert test.critical(0.5) == 5.0
    assert test.critical(0.05) == np.inf  # 19 draws are the fewest for 5 %
    assert RegimeTest(1, 0.0, np.arange(19.0), 0, (), 19).critical() == 18.0
    assert test.words == (
        "5 of 6 draws (interrupted); 1 draws could not be fitted (draw 4: no variation); "
        "in 1 draws a fit stopped early"
    )


@pytest.fixture
def small():
    return select_regimes(two_regimes(60, 1), max_regimes=2, switching="trend", n_starts=2)


def test_an_interrupted_test_rests_on_what_is_done(small, monkeypatch):
    count = iter(range(100))

    def one(self, seed):
        if next(count) == 4:
            raise KeyboardInterrupt
        return Replicate(1.0, True, "")

    monkeypatch.setattr(regime_tests.Job, "one", one)
    with pytest.warns(ConvergenceWarning, match="rests on 4 of 30 draws"):
        test = small.lr_test(1, nboot=30)
    assert len(test.draws) == 4
    assert "4 of 30 draws (interrupted)" in str(small.summary())


def test_draws_that_cannot_be_fitted_are_counted_and_said(small, monkeypatch):
    count = iter(range(100))

    def one(self, seed):
        failed = next(count) % 3 == 0
        return Replicate(None, False, "no variation") if failed else Replicate(1.0, True, "")

    monkeypatch.setattr(regime_tests.Job, "one", one)
    with pytest.warns(ConvergenceWarning, match="4 of 10 draws could not be fitted"):
        test = small.lr_test(1, nboot=10)
    assert (len(test.draws), len(test.failures)) == (6, 4)
    assert small.lr_tests.loc[1, "failures"] == 4


def test_a_test_without_any_draw_is_an_error(small, monkeypatch):
    monkeypatch.setattr(regime_tests.Job, "one", lambda *_: Replicate(None, False, "flat"))
    with pytest.raises(DataError, match=r"got 5 that do not \(flat\)"):
        small.lr_test(1, nboot=5)


def test_an_interrupted_search_keeps_what_it_found(monkeypatch):
    fit = MarkovRNN.fit

    def stops(self, **options):
        if self.k_regimes == 3:
            raise KeyboardInterrupt
        return fit(self, **options)

    monkeypatch.setattr(MarkovRNN, "fit", stops)
    selection = select_regimes(datasets.earthquakes(), nboot=5, n_starts=2, **POISSON)
    assert selection.interrupted
    assert selection.table.index.tolist() == [1, 2]
    assert "interrupted" in str(selection.summary())


def test_numbers_that_the_data_cannot_bear_are_said():
    y = datasets.earthquakes().iloc[:20]
    selection = select_regimes(y, max_regimes=5, n_starts=2, **POISSON)
    assert selection.table.index.max() < 5
    assert "5 regimes: " in str(selection.summary())


def test_picture(found, small, monkeypatch):
    monkeypatch.setattr(regime_tests.Job, "one", lambda *_: Replicate(1.0, True, ""))
    small.lr_test(1, nboot=5)
    assert len(found.plot().axes) == 1
    fig = small.plot()
    plt.close("all")
    assert [text.get_text() for text in fig.axes[1].get_yticklabels()] == ["1 against 2"]


@pytest.mark.parametrize(
    ("options", "match"),
    [
        ({"criterion": "dic"}, "criterion"),
        ({"max_regimes": 0}, "max_regimes"),
        ({"nboot": -1}, "nboot"),
        ({"alpha": 1.0}, "alpha"),
        ({"start": [0.5, 0.5]}, "fits one number of regimes only"),
        ({"emission": "normal"}, "emission"),
    ],
)
def test_arguments_are_checked(options, match):
    with pytest.raises(SpecificationError, match=match):
        select_regimes(datasets.earthquakes(), **options)


def test_numbers_that_were_not_fitted_are_refused(found):
    with pytest.raises(SpecificationError, match="no fit of 5"):
        found.lr_test(4)
    with pytest.raises(SpecificationError, match="got 7"):
        found.fit(7)


def test_tests_are_values():
    test = RegimeTest(1, 0.0, np.arange(3.0), 0, (), 3)
    with pytest.raises(dataclasses.FrozenInstanceError):
        test.statistic = 1.0
