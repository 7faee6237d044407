"""Generalised impulse responses against the linear model's, quadrature and their definition."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from results.recurrent.forecasting.test_network_forecasts import (
    NODES,
    WEIGHTS,
    counts,
    step_means,
    twins,
)
from results.recurrent.network_cases import at, data, gaussian, network
from results.recurrent.test_linear_twin import pair

from rnnstats.errors import SpecificationError
from rnnstats.models.nonlinear import ElmanRNN

mpl.use("Agg")


@pytest.mark.parametrize("kind", [{}, {"orthogonalized": True}, {"generalized": True}])
def test_identity_networks_respond_as_the_linear_model(kind):
    ours, theirs = twins()
    found = ours.generalized_responses(8, **kind)
    # common random numbers and mirror images: rounding is all that is left
    known = theirs.impulse_responses(8, None, **kind)
    np.testing.assert_allclose(found.point, known, rtol=0, atol=1e-8)
    assert list(found.point.columns) == list(known.columns)
    assert float(found.mc_error.max().max()) < 1e-12
    assert float(found.asymmetry["asymmetry"].abs().max()) < 1e-12
    assert float(ours.generalized_responses(4, size=-3.0, **kind).point.iloc[0, 0]) < 0.0
    tripled = ours.generalized_responses(4, size=-3.0, **kind).point
    np.testing.assert_allclose(tripled, -3.0 * known.iloc[:5], rtol=0, atol=1e-8)


def test_delta_bands_are_those_of_the_linear_model():
    net, linear = pair()
    found = net.impulse_responses(5, bands="delta")
    known = linear.impulse_responses(5, None, bands="delta")
    np.testing.assert_allclose(found.point, known.point, rtol=0, atol=1e-9)
    # differences in other coordinates, both good to about 1e-8
    np.testing.assert_allclose(found.std_err, known.std_err, rtol=1e-6, atol=1e-9)
    np.testing.assert_allclose(found.lower, known.lower, rtol=0, atol=1e-6)


@pytest.mark.slow  # 200 parameter vectors
def test_drawn_bands_are_those_of_the_linear_model_to_first_order():
    net, linear = pair()
    known = linear.impulse_responses(5, None, bands="delta")
    drawn = net.impulse_responses(5, bands="draws", draws=200, history="last", n_draws=16)
    # the same to first order: percentiles of 200 draws, and second-order terms at lags 2 to 5
    np.testing.assert_allclose(drawn.std_err.iloc[1:], known.std_err.iloc[1:], rtol=0.25, atol=0.01)


@pytest.mark.parametrize("name", ["elman", "gru", "lstm"])
def test_the_definition_by_quadrature(name):
    res = network(name)
    system, sd = res._system, float(np.sqrt(res.params["obs_cov[cpi,cpi]"]))
    row = 40
    label = res.model.endog.index[row]
    x = res.model.exog.values[row]
    lags = system.lags_before(row)[:, 0]
    state, first = step_means(res, system.state_before(row), [lags], x)

    def after(values):
        """Means two rows on, given the row's outcomes."""
        older = np.tile(lags[:-1], (len(values), 1))
        return step_means(res, state[0], np.column_stack([values, older]), x)[1]

    plain = WEIGHTS @ after(first + sd * NODES)
    sizes = (-2.0, 1.0, 2.0)
    found = res.generalized_responses(1, size=sizes, history=label, n_draws=2**13)
    assert found.impulses == ("cpi (-2)", "cpi (1)", "cpi (2)")
    for size, impulse in zip(sizes, found.impulses, strict=True):
        known = after(np.array([first[0] + size]))[0] - plain
        column = impulse, "cpi"
        assert found.point[column].iloc[0] == pytest.approx(size, abs=1e-10)
        error = found.mc_error[column].iloc[1]
        assert found.point[column].iloc[1] == pytest.approx(known, abs=6 * error + 1e-9)
        assert error < 1e-3
    gap = found.asymmetry["asymmetry"].xs("cpi (2)").to_numpy()
    ups, downs = (found.point[one, "cpi"].to_numpy() for one in ("cpi (2)", "cpi (-2)"))
    np.testing.assert_allclose(gap, ups + downs, rtol=0, atol=1e-12)
    assert abs(gap[1]) > 1e-3  # a network is not symmetric about this history


def test_size_sign_and_history_matter():
    res = gaussian()
    y = res.model.endog.labelled(res.model.endog.values, index=res.model.endog.index)
    low, high = (
        res.generalized_responses(3, history=(y.shift() < y.mean()) == flag, size=3.0)
        for flag in (True, False)
    )
    assert "chosen rows" in low.history
    assert abs(low.point.iloc[1, 0] - high.point.iloc[1, 0]) > 0.2
    every = res.generalized_responses(3, size=6.0)
    one = res.generalized_responses(3).point.iloc[1, 0]
    assert every.point.iloc[1, 0] < 5.7 * one  # a saturating unit answers less than in proportion
    counted = len(res.model.rows)
    assert f"histories of {counted} rows" in every.history
    last = res.generalized_responses(3, history="last")
    assert last.history == "history: the whole sample"
    rows = [res.model.endog.index[5], 7]
    both = res.generalized_responses(2, history=rows, n_draws=2**13).point
    apart = [res.generalized_responses(2, history=row, n_draws=2**13).point for row in rows]
    np.testing.assert_allclose(both, (apart[0] + apart[1]) / 2, rtol=0, atol=1e-3)


def test_a_shock_to_an_input_without_feedback_is_exact():
    y, x = data()
    res = at(ElmanRNN(y, x, k_hidden=2, y_lags=0), cov_type="none")
    found = res.generalized_responses(4, "rate", size=0.5, history=10)
    system, row = res._system, 10
    inputs = np.tile(x.to_numpy()[row], (5, 1))

    def run(inputs):
        state, out = system.state_before(row)[None], []
        for one in inputs:
            state, eta = system.step(state, np.empty((1, 0, 1)), one[None])
            out.append(eta[0, 0])
        return np.array(out)

    moved = inputs.copy()
    moved[0] += 0.5
    np.testing.assert_allclose(found.point.iloc[:, 0], run(moved) - run(inputs), atol=1e-12)
    assert float(found.mc_error.max().max()) == 0.0
    total = res.generalized_responses(4, "rate", cumulative=True, size=0.5, history=10)
    np.testing.assert_allclose(total.point, found.point.cumsum(), atol=1e-12)


def test_outcomes_of_categories_by_enumeration():
    res = counts("categorical")
    system, row = res._system, 20
    state, eta = system.step(system.state_before(row)[None], system.lags_before(row)[None], None)
    now = res.model.head.law(eta, system.extra).probabilities[0]
    after = system.lag_values(np.arange(3.0)[:, None])[:, None]
    _, etas = system.step(np.tile(state, (3, 1)), after, None)
    following = res.model.head.law(etas, system.extra).probabilities
    found = res.generalized_responses(1, "n=mid", history=row, n_draws=2**13)
    known = np.array([[0.0, 1.0, 0.0] - now, following[1] - now @ following])
    # one digit in four thousand evenly spread outcomes
    np.testing.assert_allclose(found.point, known, rtol=0, atol=2e-3)
    assert found.asymmetry["asymmetry"].isna().all()
    every = res.impulse_responses(1)
    assert list(every.columns.levels[0]) == ["n=low", "n=mid", "n=top"]
    binary = counts("bernoulli").impulse_responses(0, history=row)
    assert binary["n=1", "n"].iloc[0] - binary["n=0", "n"].iloc[0] == pytest.approx(1.0)


def test_counts_get_one_more():
    found = counts("poisson").generalized_responses(2, size=1.0)
    assert found.point.iloc[0, 0] == pytest.approx(1.0, abs=1e-12)
    assert "added to the outcome" in found.shock
    taken = counts("poisson").generalized_responses(0, size=-1.0).point.iloc[0, 0]
    assert -1.0 < taken < 0.0  # where there is none, none can be taken


def test_bands_and_tables():
    res = gaussian()
    found = res.impulse_responses(3, bands="delta", n_draws=1024)
    assert list(found.frame.columns) == ["response", "std_err", "lower", "upper", "mc_error"]
    assert (found.frame["lower"] <= found.frame["response"]).all()
    assert (found.std_err.iloc[1:] > 0.0).all().all()
    words = str(found.summary())
    assert "asymmetry" in words and "95 % bands: delta method" in words
    plain = res.generalized_responses(3)
    assert plain.lower.isna().all().all() and not plain.banded
    assert "bands" not in str(plain.summary())
    drawn = res.impulse_responses(3, bands="draws", draws=60, n_draws=16)
    ratio = drawn.std_err.iloc[1:] / found.std_err.iloc[1:]
    assert ((ratio > 0.6) & (ratio < 1.7)).all().all()  # 60 draws

    class Draws:
        theta = np.tile(res.params.to_numpy(), (25, 1))

    still = res.impulse_responses(3, bands="bootstrap", bootstrap=Draws())
    assert float(still.std_err.max().max()) < 1e-12


def test_refusals():
    res = network("gru")
    with pytest.raises(SpecificationError, match="two sizes of a shock"):
        res.impulse_responses(orthogonalized=True, generalized=True)
    with pytest.raises(SpecificationError, match="impulse must be one that exists"):
        res.impulse_responses(impulse="gdp")
    with pytest.raises(SpecificationError, match="size must be a number other than zero"):
        res.impulse_responses(size=0.0)
    with pytest.raises(SpecificationError, match="must be rows of the likelihood"):
        res.impulse_responses(history=0)
    with pytest.raises(SpecificationError, match="some row of the likelihood; got none"):
        res.impulse_responses(history=np.zeros(res.model.nobs, dtype=bool))
    with pytest.raises(SpecificationError, match="Add bands='bootstrap'"):
        res.impulse_responses(bootstrap=object())
    with pytest.raises(SpecificationError, match="jump as the parameters move"):
        counts("poisson").impulse_responses(bands="delta")
    with pytest.raises(SpecificationError, match="have no error to scale"):
        counts("poisson").impulse_responses(generalized=True)


def test_pictures():
    import matplotlib.pyplot as plt

    res = gaussian()
    for fig in (
        res.generalized_responses(4, size=(-2, 2)).plot(),
        res.impulse_responses(2, bands="delta", history="last", n_draws=64).plot(asymmetry=True),
    ):
        assert fig.axes
        plt.close(fig)


def test_series_of_conditions_follow_the_rows():
    res = gaussian()
    index = res.model.endog.index
    mask = pd.Series(np.arange(len(index)) == 30, index=index)
    one = res.generalized_responses(2, history=mask).point
    np.testing.assert_array_equal(one, res.generalized_responses(2, history=30).point)
