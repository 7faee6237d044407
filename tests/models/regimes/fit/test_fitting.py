"""The fit of regimes: starts, borders, order of the regimes, collapse, what it does when told."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN, datasets
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.models.regimes.blocks.base import Rows
from rnnstats.models.regimes.fit import climbing, collapse

# Fits that end at the same maximum agree to what the stopping rule, 1e-5 standard errors, leaves.
SAME = 1e-8


def three_regimes() -> MarkovRNN:
    return MarkovRNN(datasets.earthquakes(), k_regimes=3, emission="poisson")


def two_regimes(**options: Any) -> MarkovRNN:
    return MarkovRNN(datasets.fedfunds()["fedfunds"], switching="trend", **options)


@pytest.fixture(scope="module")
def quakes() -> Any:
    return three_regimes().fit()


# --- methods and arguments -----------------------------------------------------------------------


@pytest.mark.parametrize("method", ["em", "scoring", "newton", "bfgs"])
def test_every_method_ends_at_the_same_maximum(method: str) -> None:
    best = two_regimes().fit()
    other = two_regimes().fit(method=method)
    assert other.convergence.converged
    assert other.convergence.method == method
    assert other.llf == pytest.approx(best.llf, abs=1e-7)
    np.testing.assert_allclose(other.params, best.params, rtol=1e-4)


@pytest.mark.slow  # processes take seconds to start
def test_processes_do_not_change_the_numbers(quakes: Any) -> None:
    model = three_regimes()
    one, two = model.fit(n_starts=6), model.fit(n_starts=6, n_jobs=2)
    pd.testing.assert_series_equal(one.params, two.params)
    pd.testing.assert_frame_equal(one.starts, two.starts)


def test_the_number_of_starts_and_their_table(quakes: Any) -> None:
    results = three_regimes().fit(n_starts=5, rng=3)
    table = results.starts
    assert len(table) == results.convergence.n_starts == 5
    assert table["gap"].min() == 0.0
    assert table.loc[table["gap"].idxmin(), "distance"] == 0.0
    assert (table["gap"] >= 0.0).all()
    reached = table[table["same_as"] == table.loc[table["gap"].idxmin(), "same_as"]]
    assert (reached["gap"] < 0.2).all()
    again = three_regimes().fit(n_starts=5, rng=np.random.default_rng(3))
    pd.testing.assert_frame_equal(again.starts, table)


def test_optima_are_compared_with_their_regimes_matched() -> None:
    """The same optimum from starts with all numberings of the regimes is one optimum."""
    model = two_regimes()
    results = model.fit(n_starts=8, rng=0)
    done = results.starts[results.starts["converged"]]
    assert (done["same_as"] == done["same_as"].iloc[0]).all()
    assert (done["distance"] < 1e-2).all()


def test_start_params_alone_keep_the_users_numbering() -> None:
    model = two_regimes()
    best = model.fit()
    turned = model.reordered(best.params, [1, 0])
    kept = model.fit(start_params=turned)
    assert len(kept.starts) == 1
    np.testing.assert_allclose(kept.params, turned, rtol=1e-6)
    moved = model.fit(start_params=turned, order_regimes="mean")
    np.testing.assert_allclose(moved.params, best.params, rtol=1e-6)
    both = model.fit(start_params=turned, n_starts=2)
    assert both.starts["label"].iloc[0] == "start_params"
    assert len(both.starts) == 3


def test_start_params_must_have_a_likelihood() -> None:
    model = two_regimes()
    with pytest.raises(SpecificationError, match=r"MarkovRNN\.fit: start_params .* got -inf"):
        model.fit(start_params=[0.9, 0.1, 0.0, 1.0, -1.0])


def test_too_few_iterations_are_said() -> None:
    with pytest.warns(ConvergenceWarning, match=r"limit of iterations|stopped"):
        results = three_regimes().fit(n_starts=2, maxiter=2)
    assert not results.convergence.converged


def test_an_interrupt_leaves_the_best_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    model = three_regimes()
    calls = {"n": 0}
    original = climbing.Climber.expect

    def expect(self: Any, *args: Any, **options: Any) -> Any:
        calls["n"] += 1
        if calls["n"] > 4:
            raise KeyboardInterrupt
        return original(self, *args, **options)

    monkeypatch.setattr(climbing.Climber, "expect", expect)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        results = model.fit()
    assert not results.convergence.converged
    assert "interrupted" in results.convergence.message
    assert results.llf == pytest.approx(results.starts["llf"].max())
    assert (results.starts["message"] == "not reached before the interrupt").any()


def test_everything_fixed_needs_no_fit() -> None:
    model = two_regimes()
    values = dict(zip(model.param_names, [0.9, 0.1, 3.0, 9.0, 4.0], strict=True))
    results = model.with_fixed(values).fit()
    assert results.convergence is None
    assert results.llf == pytest.approx(model.loglike(values))


def test_one_regime_is_least_squares() -> None:
    y = datasets.fedfunds()["fedfunds"]
    results = MarkovRNN(y, k_regimes=1).fit()
    assert results.convergence.converged
    ours = results.params.filter(regex=r"^(V|b_y)\[").iloc[0]
    assert ours == pytest.approx(y.mean(), rel=1e-8)


# --- the order of the regimes --------------------------------------------------------------------


def test_the_likelihood_is_the_same_under_every_numbering(quakes: Any) -> None:
    model = quakes.model
    for order in itertools.permutations(range(3)):
        theta = model.reordered(quakes.params, order)
        assert model.loglike(theta) == pytest.approx(quakes.llf, abs=1e-10)
        back = model.reordered(theta, np.argsort(order))
        np.testing.assert_allclose(back, quakes.params, rtol=0, atol=1e-14)


def test_regimes_are_in_the_order_asked_for(quakes: Any) -> None:
    names = [f"mean[{quakes.model.endog.names[0]},h{i}]" for i in (1, 2, 3)]
    assert quakes.params[names].is_monotonic_increasing
    falling = three_regimes().fit(n_starts=6, order_regimes=lambda p: -p[names].to_numpy())
    np.testing.assert_allclose(falling.params[names][::-1], quakes.params[names], rtol=1e-6)
    assert falling.llf == pytest.approx(quakes.llf, abs=SAME)
    stay = three_regimes().fit(n_starts=6, order_regimes="persistence")
    assert (np.diff(np.diag(stay.transition)) > 0.0).all()


def test_regimes_of_one_mean_are_ordered_by_variance() -> None:
    rng = np.random.default_rng(0)
    scale = np.repeat([3.0, 1.0, 3.0, 1.0], 80)
    y = pd.Series(scale * rng.standard_normal(320), name="y")
    results = MarkovRNN(y, switching="variance").fit()
    assert results.params["obs_cov[y,y,h1]"] < results.params["obs_cov[y,y,h2]"]
    turned = MarkovRNN(y, switching="variance").fit(
        order_regimes=lambda p: {"h1": -p["obs_cov[y,y,h1]"], "h2": -p["obs_cov[y,y,h2]"]}
    )
    assert turned.params["obs_cov[y,y,h1]"] > turned.params["obs_cov[y,y,h2]"]


@pytest.mark.parametrize("order", ["size", lambda p: [1.0], lambda p: "no"])
def test_an_order_that_is_none_is_refused(order: Any) -> None:
    with pytest.raises(SpecificationError, match="order_regimes"):
        two_regimes().fit(n_starts=2, order_regimes=order)


def test_restrictions_that_tell_regimes_apart_fix_their_numbers() -> None:
    y = datasets.fedfunds()["fedfunds"]
    model = MarkovRNN(y, switching="trend", fixed={"V[fedfunds,h1]": 9.0})
    results = model.fit()
    assert results.params["V[fedfunds,h1]"] == 9.0  # though it is the higher one
    assert results.params["V[fedfunds,h2]"] < 9.0


# --- borders -------------------------------------------------------------------------------------


def test_a_probability_of_zero_is_zero_and_its_multiplier_right(quakes: Any) -> None:
    theta = quakes.params.to_numpy().copy()
    zero = list(quakes.params.index).index("p[h3->h1]")
    assert theta[zero] == 0.0
    inside = theta.copy()
    inside[zero] = 1e-4
    row = [list(quakes.params.index).index(f"p[h3->h{j}]") for j in (1, 2)]
    inside[row[1]] *= 1.0 - 1e-4
    assert quakes.model.loglike(inside) < quakes.llf
    assert np.isnan(quakes.bse["p[h3->h1]"])
    assert quakes.convergence.boundary == ("p[h3->h1] = 0",)


def test_a_zero_that_is_wrong_is_given_up(quakes: Any) -> None:
    start = quakes.params.copy()
    start["p[h2->h1]"] = 0.0
    results = quakes.model.fit(start_params=start)
    assert results.llf == pytest.approx(quakes.llf, abs=SAME)
    assert results.params["p[h2->h1]"] == pytest.approx(quakes.params["p[h2->h1]"], rel=1e-3)


def test_an_absorbing_regime_is_found() -> None:
    rng = np.random.default_rng(1)
    y = pd.Series(np.r_[rng.poisson(3.0, 60), rng.poisson(12.0, 60)], name="y")
    results = MarkovRNN(y, emission="poisson", start="free").fit()
    assert results.convergence.converged
    assert results.params["p[h2->h1]"] == 0.0
    assert results.params["start[h1]"] == 1.0


def test_a_regime_of_zeros_only() -> None:
    """The mean of a count regime at exactly zero."""
    rng = np.random.default_rng(2)
    quiet = np.repeat([True, False, True, False], 40)
    y = pd.Series(np.where(quiet, 0, 1 + rng.poisson(5.0, 160)), name="y")
    results = MarkovRNN(y, emission="poisson").fit()
    assert results.convergence.converged
    assert results.params["mean[y,h1]"] == 0.0
    assert np.isfinite(results.bse["mean[y,h2]"])


# --- collapse ------------------------------------------------------------------------------------


def outliers() -> pd.Series:
    """White noise with one value repeated exactly, on which a regime can sit."""
    rng = np.random.default_rng(3)
    y = rng.standard_normal(60)
    y[20:24] = 0.123
    return pd.Series(y, index=pd.period_range("2000-01", periods=60, freq="M"), name="y")


def test_collapse_is_bounded_and_named() -> None:
    with pytest.warns(ConvergenceWarning, match=r"no bound.*regime h\d .*'y'.*2001-09"):
        results = MarkovRNN(outliers(), k_regimes=2).fit(
            start_params=[0.7, 0.05, 0.123, 0.0, 1e-5, 1.0]
        )
    pooled = results.model.likelihood.pooled[0][0]
    narrow = results.params["obs_cov[y,y,h1]"]
    assert narrow >= collapse.SHARE * pooled * (1.0 - 1e-6)
    assert narrow <= 2.0 * collapse.SHARE * pooled
    assert np.isfinite(results.llf)


def test_a_proper_maximum_ranks_above_a_collapsed_one() -> None:
    rng = np.random.default_rng(4)
    h = np.repeat([0, 1, 0, 1], 50)
    y = pd.Series(4.0 * h + rng.standard_normal(200), name="y")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        results = MarkovRNN(y, k_regimes=2).fit()
    shares = results.params.filter(like="obs_cov") / np.var(y)
    assert (shares > 1e-2).all()


def test_as_many_values_as_regimes_are_refused() -> None:
    y = pd.Series(np.tile([1.0, 2.0, 5.0], 20), name="y")
    with pytest.raises(DataError, match="more distinct values than regimes; got 3 values and 3"):
        MarkovRNN(y, k_regimes=3).fit()
    # two regimes fit, but one of them has a value to itself whatever it does
    with pytest.warns(ConvergenceWarning, match="sits on 20 rows"):
        MarkovRNN(y, k_regimes=2).fit(n_starts=2)


def test_pooled_scales_do_not_depend_on_units_or_regressors() -> None:
    rng = np.random.default_rng(5)
    x = rng.standard_normal((80, 2))
    noise = rng.standard_normal((80, 1))
    y = 1e3 + x @ [[2.0], [-5.0]] * 100.0 + noise
    found = collapse.pooled_scales(Rows(y, x), "gaussian")
    design = np.hstack([np.ones((80, 1)), x])
    rest = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    np.testing.assert_allclose(found, np.mean(rest**2), rtol=1e-9)
    np.testing.assert_allclose(
        collapse.pooled_scales(Rows(1e6 * y, 1e-3 * x), "gaussian"), 1e12 * found, rtol=1e-8
    )
