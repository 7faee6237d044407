"""Bidirectional networks: likelihood, derivatives, symmetries, data."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.architecture import Cell, PythonCell
from rnnstats.models.bidirectional import BidirectionalRNN
from rnnstats.models.nonlinear import ElmanRNN

CELLS = {
    "elman": "elman",
    "gru": "gru",
    "gru before": Cell("gru", reset="before"),
    "lstm": "lstm",
    "lstm peephole": Cell("lstm", peephole=True),
}
HEADS = ("gaussian", "student-t", "poisson", "negative-binomial", "bernoulli", "categorical")


def data(n=30, k=1, seed=0, gaps=()):
    rng = np.random.default_rng(seed)
    x = 5.0 + 3.0 * rng.standard_normal((n, 2))
    y = 2.0 + 0.3 * np.convolve(x[:, 0], [0.3, 0.4, 0.3], "same")[:, None]
    y = y + 0.5 * rng.standard_normal((n, k))
    y[list(gaps)] = np.nan
    return (y[:, 0] if k == 1 else y), x


def drawn(y, head, seed=0):
    """Outputs of a head's kind, gaps kept."""
    gap, rng = np.isnan(y), np.random.default_rng(seed)
    if head in ("poisson", "negative-binomial"):
        return np.where(gap, np.nan, np.round(np.abs(y)))
    if head == "bernoulli":
        return np.where(gap, np.nan, 1.0 * (y > np.nanmedian(y)))
    if head == "categorical":
        words = np.array(["a", "b", "c"], dtype=object)[rng.integers(3, size=len(y))]
        words[gap] = None
        return pd.Series(words, name="y")
    return y


def point(model, seed=1):
    """Parameters inside their domain, not too large."""
    rng = np.random.default_rng(seed)
    theta = 0.3 * rng.standard_normal(len(model.param_names))
    for i, name in enumerate(model.param_names):
        group, label = name.split("[")
        if group == "obs_cov":
            row, column = label.rstrip("]").split(",")
            theta[i] = 1.5 if row == column else 0.2
        elif group in ("scale2", "dispersion"):
            theta[i] = 1.2
        elif group == "df":
            theta[i] = 6.0
    return theta


def differences(function, theta, width=1e-6):
    steps = width * np.eye(len(theta))
    return np.array([(function(theta + h) - function(theta - h)) / (2 * width) for h in steps]).T


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("initial", ["zero", "estimated", "stationary"])
def test_score_by_row_of_a_regression(cell, initial):
    y, x = data(gaps=(0, 7))
    groups = np.repeat([0, 1, 2], [12, 1, 17])
    model = BidirectionalRNN(y, x, cell=CELLS[cell], initial=initial, groups=groups)
    theta = point(model)
    scores = model.score_obs(theta)
    # central differences of values near 10 at width 1e-6: rounding leaves about 1e-8
    np.testing.assert_allclose(scores, differences(model.loglikeobs, theta), rtol=1e-5, atol=1e-6)
    value, gradient = model.loglike_and_score(theta)
    np.testing.assert_allclose(gradient, scores.sum(axis=0), rtol=1e-10, atol=1e-10)
    assert value == pytest.approx(model.loglikeobs(theta).sum(), rel=1e-12)


@pytest.mark.parametrize("head", HEADS)
@settings(max_examples=4, deadline=None)
@given(data_=st.data())
def test_score_by_row_of_a_pseudo_likelihood_with_gaps(head, data_):
    gaps = data_.draw(st.sets(st.integers(0, 17), max_size=8))
    cell = data_.draw(st.sampled_from(list(CELLS)))
    y, x = data(n=18, gaps=gaps)
    model = BidirectionalRNN(
        drawn(y, head), x, cell=CELLS[cell], k_hidden=1, y_lags=data_.draw(st.integers(1, 2)),
        head=head,
    )  # fmt: skip
    theta = point(model)
    scores = model.score_obs(theta)
    np.testing.assert_allclose(scores, differences(model.loglikeobs, theta), rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(model.score(theta), scores.sum(axis=0), rtol=1e-9, atol=1e-9)


def test_information_is_the_mean_outer_product_of_scores():
    y, x = data(n=12)
    model = BidirectionalRNN(y, x, k_hidden=1)
    theta = point(model)
    rng, number = np.random.default_rng(0), 4000
    law = model.system(theta).law
    total = np.zeros((len(theta), len(theta)))
    twin = model.clone(y, x)
    for _ in range(number):
        twin.likelihood.bound = twin.head.bind(
            (law.sample(rng) - twin.chart.scales.eta_mean) / twin.chart.scales.eta_scale
        )
        scores = twin.score_obs(theta)
        total += scores.T @ scores
    information = model.information(theta)
    size = np.sqrt(np.diag(information))
    # 12 x 4000 outer products: standard error of a correlation below 0.02
    np.testing.assert_allclose(
        total / number / np.outer(size, size), information / np.outer(size, size), atol=0.08
    )


def swapped(model, theta):
    """Parameters of the same network with the directions swapped."""
    turn = str.maketrans("hgcd", "ghdc")
    where = {name: value for name, value in zip(model.param_names, theta, strict=True)}

    def mirrored(name):
        group, label = name.split("[")
        parts = [part.translate(turn) if part[1:].isdigit() else part
                 for part in label.rstrip("]").split(",")]  # fmt: skip
        group = group.translate(turn) if group in ("h_0", "c_0", "g_0", "d_0") else group
        return f"{group}[{','.join(parts)}]"

    return np.array([where[mirrored(name)] for name in model.param_names])


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("lags", [0, 2])
def test_reversed_time_with_swapped_cells_is_the_same_model(cell, lags):
    y, x = data(gaps=(3, 4, 20), k=2)
    groups = np.repeat([0, 1], [12, 18])
    given = {"cell": CELLS[cell], "y_lags": lags, "n_layers": 2, "initial": "estimated"}
    model = BidirectionalRNN(y, x, groups=groups, **given)
    back = BidirectionalRNN(y[::-1], x[::-1], groups=groups[::-1], **given)
    theta = point(model)
    there = back.loglikeobs(swapped(model, theta))[::-1]
    np.testing.assert_allclose(model.loglikeobs(theta), there, rtol=1e-12, atol=1e-12)


def test_identity_cells_are_two_exponential_filters():
    y, x = data(n=25)
    model = BidirectionalRNN(y, x[:, :1], k_hidden=1, activation="identity")
    kept, read, shift = (0.6, 0.8), (0.5, -0.4), (0.1, 0.3)
    v, level, variance = (1.5, 0.7), -0.2, 2.0
    h = g = 0.0
    forth, back = [], []
    for value in x[:, 0]:
        h = kept[0] * h + read[0] * value + shift[0]
        forth.append(h)
    for value in x[::-1, 0]:
        g = kept[1] * g + read[1] * value + shift[1]
        back.append(g)
    eta = v[0] * np.array(forth) + v[1] * np.array(back)[::-1] + level
    theta = [kept[0], read[0], shift[0], kept[1], read[1], shift[1], *v, level, variance]
    llf = -0.5 * (np.log(2 * np.pi * variance) + (y - eta) ** 2 / variance)
    np.testing.assert_allclose(model.loglikeobs(theta), llf, rtol=1e-12)
    system = model.system(theta)
    np.testing.assert_allclose(system.eta[:, 0], eta, rtol=1e-12)
    np.testing.assert_allclose(system.forward_eta[:, 0], v[0] * np.array(forth) + level, rtol=1e-10)


def test_the_row_itself_is_left_out_of_a_pseudo_likelihood():
    y, _ = data()
    model = BidirectionalRNN(y, k_hidden=2, y_lags=2)
    theta = point(model)
    moved = y.copy()
    moved[11] += 3.0
    there = model.clone(moved)
    change = there.system(theta).eta - model.system(theta).eta
    assert change[11] == pytest.approx(0.0, abs=1e-12)
    assert (np.abs(np.delete(change, 11)) > 1e-9).sum() > 6


def test_missing_lags_and_leads_are_the_readout_of_their_direction():
    y, _ = data(n=9)
    y[4] = np.nan
    model = BidirectionalRNN(y, k_hidden=1)
    w, a, b = (0.4, -0.3), (0.2, 0.5), (0.1, -0.2)
    v, level, variance = (1.2, 0.8), 0.5, 1.0
    theta = [w[0], a[0], b[0], w[1], a[1], b[1], *v, level, variance]
    sides = []
    for side, values in enumerate((y, y[::-1])):
        state, last, out = 0.0, level, []
        for t in range(9):
            state = np.tanh(w[side] * state + a[side] * last + b[side])
            own = v[side] * state + level
            out.append(own)
            last = own if np.isnan(values[t]) else values[t]
        sides.append(np.array(out))
    eta = sides[0] + sides[1][::-1] - level
    llf = -0.5 * (np.log(2 * np.pi) + (y - eta) ** 2)
    np.testing.assert_allclose(model.loglikeobs(theta), np.nan_to_num(llf), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("lags", [0, 1])
def test_sequences_are_models_of_their_own(lags):
    y, x = data()
    groups = np.repeat(["a", "b", "c"], [10, 5, 15])
    model = BidirectionalRNN(y, x, cell="gru", y_lags=lags, groups=groups)
    theta = point(model)
    alone = [
        BidirectionalRNN(y[groups == one], x[groups == one], cell="gru", y_lags=lags)
        .loglikeobs(theta)
        for one in "abc"
    ]  # fmt: skip
    np.testing.assert_allclose(model.loglikeobs(theta), np.concatenate(alone), rtol=1e-10)


def test_without_a_backward_readout_it_is_the_forward_network():
    y, x = data(gaps=(5,))
    for lags in (0, 2):
        model = BidirectionalRNN(y, x, k_hidden=2, y_lags=lags)
        theta = point(model)
        names = list(model.param_names)
        theta[[names.index(f"V[y,g{i}]") for i in (1, 2)]] = 0.0
        forward = model.forward_model()
        assert isinstance(forward, ElmanRNN)
        own = [theta[names.index(name)] for name in forward.param_names]
        np.testing.assert_allclose(
            model.loglikeobs(theta), forward.loglikeobs(own), rtol=1e-11, atol=1e-12
        )


def test_the_forward_model_keeps_cell_and_restrictions():
    y, x = data()
    cell = Cell("gru", reset="before")
    fixed = {"W_h_reset[h1,h1]": 0.0, "W_h_reset[g1,g1]": 0.0, "b_reset[h1]": "b_reset[g1]"}
    forward = BidirectionalRNN(y, x, cell=cell, k_hidden=1, fixed=fixed).forward_model()
    assert forward.reset == "before"
    assert forward.layout.fixed == {"W_h_reset[h1,h1]": 0.0}
    wide = BidirectionalRNN(y, x, cell="lstm", k_hidden=1).forward_model(k_hidden=3)
    assert wide.units == (3,)


def test_a_cell_of_ones_own():
    def leaky(state, inputs, weights, extra):
        keep = 1.0 / (1.0 + np.exp(-extra))
        seen = np.concatenate([state, inputs, np.ones(1)])
        return keep * state + (1.0 - keep) * np.tanh(weights @ seen)

    y, x = data(n=12)
    cell = PythonCell("leaky", ("h",), leaky, n_extra_per_unit=1)
    model = BidirectionalRNN(y, x, cell=cell, k_hidden=1)
    assert {"p_1[h1]", "p_1[g1]"} < set(model.param_names)
    theta = point(model)
    numeric = differences(model.loglikeobs, theta)
    np.testing.assert_allclose(model.score_obs(theta), numeric, rtol=1e-5, atol=1e-6)
    assert model.forward_model().name == "CellRNN"


def test_names_follow_the_direction_of_the_units():
    y, x = data()
    frame = pd.DataFrame(x, columns=["a", "b"])
    model = BidirectionalRNN(
        pd.Series(y, name="cpi"), frame, cell="lstm", k_hidden=1, n_layers=2, initial="estimated"
    )
    assert model.state_names == ("h1", "c1", "h2", "c2", "g1", "d1", "g2", "d2")
    names = model.param_names
    assert names[:3] == ("W_h_input[h1,h1]", "W_x_input[h1,a]", "W_x_input[h1,b]")
    assert {"W_below_forget[h2,h1]", "W_below_forget[g2,g1]", "W_x_cell[g1,b]"} < set(names)
    assert [name for name in names if name.startswith("V")] == ["V[cpi,h2]", "V[cpi,g2]"]
    assert names[-8:] == (
        "h_0[h1]", "c_0[c1]", "h_0[h2]", "c_0[c2]", "g_0[g1]", "d_0[d1]", "g_0[g2]", "d_0[d2]",
    )  # fmt: skip


def test_lags_are_leads_backward():
    y, _ = data()
    model = BidirectionalRNN(y, k_hidden=1, y_lags=2)
    assert model.pseudo
    names = list(model.param_names)
    assert names.index("W_y2[h1,y]") < names.index("W_y2[g1,y]")
    theta = np.zeros(len(names))
    theta[names.index("obs_cov[y,y]")] = 1.0
    theta[names.index("W_y2[g1,y]")] = 0.01
    theta[names.index("V[y,g1]")] = 1.0
    eta = model.system(theta).eta[:, 0]
    np.testing.assert_allclose(eta[:-2], np.tanh(0.01 * y[2:]), rtol=1e-10)


def test_copies_are_the_same_model():
    y, x = data()
    model = BidirectionalRNN(y, x, cell=Cell("lstm", peephole=True), penalty=2.0, y_lags=1)
    theta = point(model)
    for twin in (model.clone(y, x), model.with_fixed({}), model._with_penalty(2.0)):
        assert twin.loglike(theta) == model.loglike(theta)
        assert twin.penalty == 2.0
    held = model.with_fixed({"b_y[y]": 0.0})
    assert held.layout.k_free == model.layout.k_free - 1
    part = BidirectionalRNN(y, x).shortened([10])
    assert part.nobs == 10
    assert repr(part) == (
        "BidirectionalRNN(2 units, gaussian, elman, outputs: y; inputs: x1, x2; 10 rows)"
    )
    assert "pseudo-likelihood" in repr(model)
    assert model.title == "Bidirectional LSTM Network (Pseudo-Likelihood)"


def test_simulated_targets_have_the_law_of_the_model():
    y, x = data()
    model = BidirectionalRNN(y, x, k_hidden=1)
    theta = point(model)
    draws = np.array([model.simulate(theta, 30, rng=i).to_numpy() for i in range(400)])
    law = model.system(theta).law
    # 400 draws: standard error of a mean 1.22 / 20
    np.testing.assert_allclose(draws.mean(axis=0), law.mean[:, 0], atol=4.5 * 1.22 / 20)
    one = model.simulate(theta, 5, rng=0, exog=x[:7], burnin=2)
    assert len(one) == 5
    with pytest.raises(SpecificationError, match="must be a distribution of the target"):
        BidirectionalRNN(y).simulate(theta, 3)


def test_filter_is_the_forward_cell_and_smooth_both():
    y, x = data()
    model = BidirectionalRNN(y, x, k_hidden=1)
    theta = point(model)
    found = model.filter(theta)
    assert list(found.filtered.columns) == ["h1"]
    later = x.copy()
    later[20:] += 1.0
    again = model.clone(y, later)
    # the same numbers in other units inside
    np.testing.assert_allclose(
        again.filter(theta).filtered[:20], found.filtered[:20], rtol=1e-9, atol=1e-12
    )
    states = model.smooth(theta).smoothed
    assert list(states.columns) == ["h1", "g1"]
    assert not np.allclose(again.smooth(theta).smoothed["g1"][:20], states["g1"][:20])
    assert found.llf == pytest.approx(model.smooth(theta).llf)


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"cell": "rnn"}, "cell must be one of 'elman', 'gru', 'lstm'"),
        ({"cell": "lsmt"}, "did you mean 'lstm'|Did you mean 'lstm'"),
        ({"cell": "gru", "activation": "relu"}, "activation belongs to cell='elman'"),
        ({"activation": "tan"}, "activation must be one of"),
        ({"k_hidden": 0}, "k_hidden must be at least 1"),
        ({"y_lags": -1}, "y_lags must be"),
        ({"penalty": -1.0}, "penalty must be"),
        ({"head": "normal"}, "head"),
        ({"initial": "known"}, "initial must be one of"),
        ({"fixed": {"V[y,g7]": 0.0}}, r"V\[y,g7\]"),
    ],
)
def test_errors_at_the_door(given, words):
    y, x = data()
    with pytest.raises(SpecificationError, match=words):
        BidirectionalRNN(y, x, **given)


def test_errors_of_data():
    y, x = data()
    with pytest.raises(SpecificationError, match="must have something to read"):
        BidirectionalRNN(y, y_lags=0)
    with pytest.raises(DataError, match="must have one row for each"):
        BidirectionalRNN(y, x[:-1])
    with pytest.raises(DataError, match="more observed values than free parameters"):
        BidirectionalRNN(y[:9], x[:9]).fit()
    with pytest.raises(SpecificationError, match="rests on the information equality"):
        BidirectionalRNN(y).fit(cov_type="oim")
    with pytest.raises(SpecificationError, match="cov_type must be one of"):
        BidirectionalRNN(y).fit(cov_type="exact")
