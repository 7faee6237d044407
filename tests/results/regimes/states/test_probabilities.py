"""Probabilities of the regimes and their most likely path."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case, enumerated
from scipy import stats

from rnnstats.errors import SpecificationError
from rnnstats.models.markov import MarkovRNN

KINDS = ("predicted", "filtered", "smoothed")


@pytest.mark.parametrize("kind", KINDS)
def test_equal_the_sum_over_all_paths(kind):
    res = case("short")
    system = res._system
    found = enumerated(system.log_density, system.transition, system.start[0])
    frame = getattr(res, f"{kind}_marginal_probabilities")
    assert list(frame.columns) == ["h1", "h2", "h3"]
    # 3^7 terms of a sum, each exact to rounding
    np.testing.assert_allclose(frame.to_numpy(), found[kind], atol=1e-12)


def test_viterbi_is_the_best_of_all_paths():
    res = case("short")
    system = res._system
    found = enumerated(system.log_density, system.transition, system.start[0])
    path, height = res.viterbi(return_logprob=True)
    assert list(path) == [f"h{s + 1}" for s in found["path"]]
    assert height == pytest.approx(found["height"], abs=1e-12)
    pd.testing.assert_series_equal(res.viterbi(), path)


def _mean_form(y, theta):
    """Densities of a two-regime autoregression about the mean, by the sum over all paths."""
    p, q, m0, m1, phi, var = theta
    mean, moves = np.array([m0, m1]), np.array([[p, 1 - p], [q, 1 - q]])
    law = np.array([q, 1 - p]) / (1 - p + q)
    pairs = np.array([[i, j] for i in range(2) for j in range(2)])  # of rows t-1 and t
    dense = np.array(
        [
            [
                stats.norm.logpdf(y[t], mean[j] + phi * (y[t - 1] - mean[i]), np.sqrt(var))
                for i, j in pairs
            ]
            for t in range(1, len(y))
        ]
    )
    start = np.array([law[i] * moves[i, j] for i, j in pairs])
    joined = np.array([[moves[b, d] * (b == c) for c, d in pairs] for _, b in pairs])
    return enumerated(dense, joined, start), pairs[:, 1]


@pytest.mark.parametrize("kind", KINDS)
def test_of_lags_in_mean_form_are_those_of_the_present_regime(kind):
    y = np.array([0.1, 0.4, 2.2, 2.0, 1.7])
    theta = [0.8, 0.3, 0.1, 1.9, 0.4, 0.5]
    model = MarkovRNN(y, order=1, ar_form="mean", switching="trend")
    res = at(model, theta)
    found, present = _mean_form(y, theta)
    wanted = np.stack([found[kind][:, present == j].sum(axis=1) for j in range(2)], axis=1)
    frame = getattr(res, f"{kind}_marginal_probabilities")
    assert frame.iloc[0].isna().all()
    np.testing.assert_allclose(frame.to_numpy()[1:], wanted, atol=1e-12)
    if kind == "smoothed":
        path = res.viterbi()
        assert pd.isna(path.iloc[0])
        assert list(path.iloc[1:]) == [f"h{present[s] + 1}" for s in found["path"]]


@pytest.mark.parametrize("name", ["normal", "sequences", "lagged", "driven", "words"])
@pytest.mark.parametrize("kind", KINDS)
def test_labels_and_covariance_of_the_one_hot_state(name, kind):
    res = case(name)
    frame = getattr(res, f"{kind}_state")
    pd.testing.assert_frame_equal(frame, getattr(res, f"{kind}_marginal_probabilities"))
    pd.testing.assert_index_equal(frame.index, res.model.endog.index)
    shares = frame.to_numpy()
    blank = np.isnan(shares).any(axis=1)
    assert blank.sum() == res.model.nobs - res.nobs
    np.testing.assert_allclose(shares[~blank].sum(axis=1), 1.0, atol=1e-13)
    cov = getattr(res, f"{kind}_state_cov")
    assert cov.index.names[-1] == "state"
    blocks = cov.to_numpy().reshape(len(frame), 2, 2)
    wanted = [np.diag(p) - np.outer(p, p) for p in shares]
    np.testing.assert_allclose(blocks, wanted, atol=1e-15)


def test_sequences_do_not_touch_each_other():
    res = case("sequences")
    offsets = res.model.offsets
    whole = res.smoothed_marginal_probabilities.to_numpy()
    for a, b in pairwise(offsets.tolist()):
        frame = pd.DataFrame(res.model.endog.values[a:b], columns=list(res.model.endog.names))
        alone = at(MarkovRNN(frame, emission=res.model.emission), res.params)
        np.testing.assert_allclose(
            alone.smoothed_marginal_probabilities.to_numpy(), whole[a:b], atol=1e-13
        )


def test_filtered_ends_as_smoothed_and_knows_no_future():
    res = case("normal")
    filtered, smoothed = res.filtered_state.to_numpy(), res.smoothed_state.to_numpy()
    np.testing.assert_allclose(filtered[-1], smoothed[-1], atol=1e-14)
    assert np.abs(filtered[:-1] - smoothed[:-1]).max() > 1e-3
    shorter = at(MarkovRNN(res.model.endog.labelled(res.model.endog.values)[:80]), res.params)
    np.testing.assert_array_equal(shorter.filtered_state.to_numpy(), filtered[:80])
    np.testing.assert_array_equal(
        shorter.predicted_state.to_numpy(), res.predicted_state.to_numpy()[:80]
    )


@pytest.mark.parametrize("name", ["normal", "sequences"])
def test_pictures_show_every_series_and_regime(name):
    import matplotlib.pyplot as plt

    res = case(name)
    fig = res.plot_states(kind="filtered")
    assert len(fig.axes) == res.model.k_endog + 1
    stacked = fig.axes[-1].collections
    assert len(stacked) >= res.model.k_regimes
    fig.canvas.draw()
    plt.close(fig)
    fig = res.plot_states(["h2"])
    line = fig.axes[-1].get_lines()[0].get_ydata()
    np.testing.assert_array_equal(line, res.smoothed_marginal_probabilities["h2"])
    plt.close(fig)
    with pytest.raises(SpecificationError, match="plot_states: regime"):
        res.plot_states(["h9"])
    with pytest.raises(SpecificationError, match="kind must be one of"):
        res.plot_states(kind="known")
    with pytest.raises(SpecificationError, match="there must be a regime to plot"):
        res.plot_states([])


def test_pictures_name_categories():
    import matplotlib.pyplot as plt

    res = case("words")
    fig = res.plot_states()
    fig.canvas.draw()
    top = fig.axes[0]
    assert [label.get_text() for label in top.get_yticklabels()] == ["low", "mid", "high"]
    assert top.get_lines()[0].get_linestyle() == "None"  # nothing lies between categories
    np.testing.assert_array_equal(top.get_lines()[0].get_ydata(), res.model.endog.values[:, 0])
    plt.close(fig)


def test_sequences_named_by_the_index_keep_their_labels():
    groups = np.repeat(["a", "b"], [30, 20])
    time = np.r_[np.arange(30), np.arange(20)]
    index = pd.MultiIndex.from_arrays([groups, time], names=["subject", "trial"])
    y = pd.Series(np.random.default_rng(9).standard_normal(50), index=index, name="y")
    res = at(MarkovRNN(y, switching="trend"), [0.8, 0.3, -0.5, 0.7, 1.0])
    assert len(res.model.offsets) == 3
    for value in (res.smoothed_state, res.fittedvalues, res.quantile_residuals(), res.viterbi()):
        pd.testing.assert_index_equal(value.index, index)
    cov = res.filtered_state_cov
    assert list(cov.index.names) == ["subject", "trial", "state"]
    share = res.filtered_state.loc[("b", 3), "h1"]
    assert cov.loc[("b", 3, "h1"), "h2"] == pytest.approx(-share * (1 - share))
    ahead = res.get_forecast(2)
    assert ahead.row_labels.tolist() == [("b", 20), ("b", 21)]
    assert ahead.row_labels.names == ["subject", "trial"]
    assert ahead.information_set.startswith("rows up to b, 19;")
    assert "- b, 19 " in str(res.with_cov("none").summary())
    import matplotlib.pyplot as plt

    plt.close(res.plot_states())
