"""The same parameters on more rows, later rows and other data; draws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import NOBS, at, data, gaussian, network

from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.bootstrap import streams
from rnnstats.models.nonlinear import GRU, ElmanRNN
from rnnstats.results.nonlinear import RecurrentResults
from rnnstats.results.recurrent.simulation import RecurrentSampler, start_at

CUT = 70


def parts(name="gru"):
    """Results of the first rows at the parameters of all, and the later rows."""
    whole = network(name)
    y, x = data()
    first = at(whole.model.clone(y.iloc[:CUT], x.iloc[:CUT]), whole.params, cov_type="approx")
    return whole, first, y.iloc[CUT:], x.iloc[CUT:]


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "layers"])
def test_appended_rows_give_the_whole_and_extended_ones_its_end(name):
    whole, first, y, x = parts(name)
    longer, later = first.append(y, x), first.extend(y, x)
    pd.testing.assert_series_equal(longer.llf_obs, whole.llf_obs, rtol=1e-9)
    assert later.nobs == NOBS - CUT
    for result, rows in ((longer, slice(None)), (later, slice(CUT, None))):
        assert isinstance(result, RecurrentResults)
        for attribute in ("llf_obs", "fittedvalues", "standardized_resid", "filtered_state"):
            one, two = getattr(result, attribute), getattr(whole, attribute).iloc[rows]
            np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)
            pd.testing.assert_index_equal(one.index, two.index)
    np.testing.assert_allclose(
        later.model.score_obs(later.params.to_numpy()),
        whole.model.score_obs(whole.params.to_numpy())[CUT:],
        rtol=1e-7, atol=1e-9,
    )  # fmt: skip
    assert later.extend(np.full(2, 20.0), np.full((2, 1), 4.0)).nobs == 2
    if name == "elman":
        assert len(later.memory(steps=3).exponents) == len(whole.model.state_names)
    else:
        np.testing.assert_allclose(later.gates, whole.gates.iloc[CUT:], rtol=1e-9)
    if name == "elman":
        assert len(later.memory(steps=3).exponents) == len(whole.model.state_names)
    with pytest.raises(SpecificationError, match="keep their parameters; got a refit"):
        later.model.fit()


def test_extended_results_forecast_as_the_whole():
    whole, first, y, x = parts("elman")
    later = first.extend(y, x)
    inputs = np.full((2, 1), 4.0)
    np.testing.assert_allclose(
        later.forecast(2, inputs), first.append(y, x).forecast(2, inputs), rtol=1e-10
    )
    one = later.predict(later.nobs, later.nobs + 1, exog=inputs)
    np.testing.assert_allclose(one, whole.forecast(2, inputs), rtol=1e-8)
    hessian = later.model.hessian(later.params.to_numpy())
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-5, atol=1e-4 * np.abs(hessian).max())


def test_extended_covariance_is_the_estimates():
    y, _ = data(nobs=250, seed=8)
    res = gaussian()
    later = res.extend(np.full(30, 20.0))
    pd.testing.assert_series_equal(later.bse, res.bse)
    rows = later.memory(steps=2).verdict
    assert rows["log_rate_se"].iloc[0] > 0
    assert len(y) == res.nobs + 1


def test_apply_matches_names_and_refuses_others():
    whole, _, _, _ = parts("elman")
    y, x = data()
    same = whole.apply(y, x)
    pd.testing.assert_series_equal(same.llf_obs, whole.llf_obs)
    bare = whole.apply(y.to_numpy(), x.to_numpy())
    np.testing.assert_allclose(bare.llf_obs, whole.llf_obs, rtol=1e-12)
    assert bare.fittedvalues.index.equals(pd.RangeIndex(NOBS))
    with pytest.raises(DataError, match="apply: endog must have as many columns"):
        whole.apply(np.ones((20, 2)), np.ones((20, 1)))
    with pytest.raises(SpecificationError, match="options of fit are used with refit=True only"):
        whole.apply(y, x, cov_type="opg")
    with pytest.raises(DataError, match="append: endog must have at least one row"):
        whole.append(y.iloc[:0], x.iloc[:0])


def test_sequences_can_be_added():
    y, _ = data()
    values = y.to_numpy()
    res = at(ElmanRNN(values[:60], k_hidden=1, groups=np.repeat([0, 1], 30)))
    more = res.append(values[60:], groups=np.repeat([1, 2], [10, 20]))
    whole = at(ElmanRNN(values, k_hidden=1, groups=np.repeat([0, 1, 2], [30, 40, 20])), res.params)
    np.testing.assert_allclose(more.llf_obs, whole.llf_obs, rtol=1e-10)
    assert "Sequences:" in str(more.with_cov("none").summary())


# -- draws --------------------------------------------------------------------------------------


def test_a_path_of_noise_alone_by_hand():
    # the noise of an rng put through the recursion of the equations
    res = gaussian()
    p = res.params
    path = res.simulate(6, anchor="end", rng=7)
    noise = np.random.default_rng(7)
    y, h = res.model.endog.values[-1, 0], res.filtered_state["h1"].iloc[-1]
    law = res.model.head.law
    for t in range(6):
        h = np.tanh(p["W_h[h1,h1]"] * h + p["W_y[h1,cpi]"] * y + p["b_h[h1]"])
        eta = np.array([[p["V[cpi,h1]"] * h + p["b_y[cpi]"]]])
        y = law(eta, np.array([p["obs_cov[cpi,cpi]"]])).sample(noise)[0, 0]
        assert path.iloc[t] == pytest.approx(y, rel=1e-9)
    assert path.index.equals(res.model.endog.future_index(6))


def test_draws_from_the_start_keep_conditioned_rows_and_sequences():
    y, x = data()
    res = at(GRU(y.to_numpy(), x.to_numpy(), k_hidden=1, y_lags=2, groups=np.arange(NOBS) // 45))
    first, second = (res.simulate(NOBS, rng=seed) for seed in (0, 1))
    same = np.flatnonzero(np.isclose(first, second))
    assert list(same) == [0, 1, 45, 46]
    np.testing.assert_allclose(first.iloc[same], y.to_numpy()[same])
    many = res.simulate(5, repetitions=3, rng=0)
    assert many.columns.names == ["output", "path"]
    assert many.shape == (5, 3)


def test_categories_are_drawn_as_categories():
    y, _ = data()
    words = pd.Series(np.where(y > 20, "up", "down"), index=y.index, name="s")
    res = at(ElmanRNN(words, k_hidden=1, head="categorical"))
    drawn = res.simulate(4, anchor="end", rng=0)
    assert set(drawn) <= {"up", "down"}
    assert list(res.simulate(4, repetitions=2, rng=0)["s"][1].cat.categories) == ["down", "up"]
    again = res.append(drawn)
    assert again.nobs == res.nobs + 4


def test_draws_through_a_trailing_gap_use_what_is_seen_after_it():
    # y[n-2] missing, y[n-1] seen: draws of the next row go through both
    y, _ = data()
    gap = y.copy()
    gap.iloc[-2] = np.nan
    res = at(ElmanRNN(gap, k_hidden=1, y_lags=2), at(ElmanRNN(y, k_hidden=1, y_lags=2)).params)
    drawn = res.simulate(1, anchor="end", repetitions=4000, rng=0).to_numpy().ravel()
    ahead = res.get_forecast(1)
    error = drawn.std() / np.sqrt(len(drawn))
    # chosen from ten times as many weighted paths; the forecast integrates the same law
    assert abs(drawn.mean() - ahead.predicted_mean.iloc[0]) < 4 * error
    assert drawn.std() == pytest.approx(ahead.se_mean.iloc[0], rel=0.06)


def test_bootstrap_samples_do_not_depend_on_their_number():
    res = gaussian()
    sampler = RecurrentSampler(res.model, res.params.to_numpy())
    seeds = streams(np.random.default_rng(3), 25)
    full = sampler.block(seeds, 25, None, False).samples
    few = sampler.block(seeds[:4], 25, None, False).samples
    np.testing.assert_array_equal(full[:4], few)
    assert (full[:, 0] == res.model.endog.values[0]).all()
    pool = np.array([[-1.0], [1.0]])
    drawn = sampler.block(seeds, 25, pool, False).samples[0]
    errors = res.apply(pd.Series(drawn[:, 0], res.fittedvalues.index)).standardized_resid.dropna()
    np.testing.assert_allclose(np.abs(errors), 1.0, rtol=1e-7)


def test_the_start_of_paths_is_the_state_and_the_rows_before():
    res = network("gru")
    y, _ = data()
    start = start_at(res._system, 40, 3)
    np.testing.assert_allclose(start.lags[:, :, 0], np.tile(y.iloc[[39, 38]], (3, 1)))
    np.testing.assert_allclose(
        start.state, np.tile(res.filtered_state.iloc[39], (3, 1)), rtol=1e-12
    )


@pytest.mark.parametrize(
    "options",
    [{"initial": "stationary"}, {"skip": True, "presample": "predict"}, {"penalty": 1.0}],
    ids=["stationary start", "predicted lag beside a skip", "penalty"],
)
def test_later_rows_do_not_move_earlier_ones(options):
    rng = np.random.default_rng(5)
    x = pd.Series(rng.standard_normal(120), name="x") + 1.0
    y = pd.Series(np.tanh(x) + 0.3 * rng.standard_normal(120), name="y")
    found = ElmanRNN(y[:90], x[:90], k_hidden=1, **options).fit(n_starts=2)
    far = y[90:] + 5.0  # another mean, another scale: the sample's means must stay those of 90 rows
    longer = found.append(far, x[90:])
    np.testing.assert_allclose(longer.llf_obs[:90], found.llf_obs, rtol=1e-12, atol=1e-12)
    later = found.extend(far, x[90:])
    np.testing.assert_allclose(later.llf_obs, longer.llf_obs[90:], rtol=1e-10, atol=1e-10)
    other = found.apply(y[:90], x[:90])
    np.testing.assert_allclose(other.llf_obs, found.llf_obs, rtol=1e-12, atol=1e-12)
    assert longer.model.ridge()[0, 0] == found.model.ridge()[0, 0]
