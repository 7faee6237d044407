"""Hidden Markov models are networks with a one-hot state, and back."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from rnnstats.equivalence import hmm
from rnnstats.equivalence.softmax import SoftmaxRNN
from rnnstats.equivalence.softmax_torch import recur, stacked
from rnnstats.errors import DataError, MissingDependencyError, SpecificationError
from rnnstats.families.poisson import Poisson
from rnnstats.kernels import markov

# Probabilities go through one logarithm, one exponential and one sum each: a few rounding errors.
NEAR = {"rtol": 0, "atol": 1e-12}


def random_model(seed):
    """Transition, start, emission, inputs' weights; zeros and inputs in half of the cases."""
    rng = np.random.default_rng([19, seed])
    k = int(rng.integers(2, 9))
    transition = rng.dirichlet(np.full(k, 0.7), size=k)
    start = rng.dirichlet(np.ones(k), size=int(rng.integers(1, 3)))
    if seed % 2:  # zeros, among them at the last state; some absorbing states
        transition *= rng.random((k, k)) < 0.6
        transition[transition.sum(axis=1) == 0.0] = np.eye(k)[k - 1]
        if seed % 8 == 7:
            transition[0] = np.eye(k)[0]
        transition /= transition.sum(axis=1, keepdims=True)
        start = np.eye(k)[[k - 1]]
    slopes = rng.normal(size=(k, k, 2)) if seed % 4 > 1 else None
    if seed % 3 == 0:
        table = rng.dirichlet(np.full(5, 0.5), size=k) * (rng.random((k, 5)) < 0.8)
        table[table.sum(axis=1) == 0.0] = 0.2
        emission = hmm.categorical(table / table.sum(axis=1, keepdims=True))
    elif seed % 3 == 1:
        d = int(rng.integers(1, 4))
        roots = rng.normal(size=(k, d, d))
        cov = roots @ roots.transpose(0, 2, 1) + 0.2 * np.eye(d)
        emission = hmm.gaussian(rng.normal(size=(k, d)), cov, D=rng.normal(size=(d, k, 1)))
    else:
        emission = hmm.family(Poisson(), rng.normal(size=k), trend=0.01 * rng.normal(size=(1, k)))
    return rng, transition, start, emission, slopes


def data_for(rng, net, rows):
    inputs = {}
    if net.exog_names:
        inputs["exog"] = rng.normal(size=(rows, len(net.exog_names)))
    if net.exog_transition_names:
        inputs["exog_transition"] = rng.normal(size=(rows, len(net.exog_transition_names)))
    return inputs


@pytest.mark.parametrize("block", range(10))
def test_random_models_round_trip(block):
    """200 of them: probabilities, belief = forward algorithm, PyTorch's arithmetic."""
    for seed in range(20 * block, 20 * (block + 1)):
        rng, transition, start, emission, slopes = random_model(seed)
        net = hmm.to_rnn(transition, start, emission, W_x=slopes)
        back = hmm.from_rnn(net)
        np.testing.assert_allclose(back.transition, transition, **NEAR)
        np.testing.assert_allclose(back.start, start, **NEAR)
        assert (back.transition == 0.0).tolist() == (transition == 0.0).tolist()
        again = hmm.from_rnn(back.to_rnn())
        np.testing.assert_allclose(again.transition, transition, **NEAR)
        np.testing.assert_allclose(again.W_x, back.W_x, **NEAR)
        for i, row in enumerate(np.eye(len(transition))):
            zero = None if slopes is None else np.zeros(2)
            np.testing.assert_allclose(net.step(row, zero), transition[i], **NEAR)
        offsets = [0, 11, 30] if len(start) == 2 else [0, 30]
        inputs = data_for(rng, net, 30)
        drawn = back.sample(30, rng, **inputs)
        y = np.where(rng.random(drawn.y.shape) < 0.1, np.nan, drawn.y)
        belief = net.belief(y, offsets=offsets, **inputs)
        forward = back.filter(y, offsets=offsets, **inputs)
        np.testing.assert_allclose(belief.filtered, forward.filtered, **NEAR)
        np.testing.assert_allclose(belief.predicted, forward.predicted, **NEAR)
        np.testing.assert_allclose(belief.llf_obs, forward.llf_obs, rtol=1e-12, atol=1e-12)
        if len(offsets) == 2:
            logs = net.log_density(y, exog=inputs.get("exog"))
            found = recur(stacked(net), logs, inputs.get("exog_transition"))
            np.testing.assert_allclose(np.exp(found[0]), belief.filtered, **NEAR)
            np.testing.assert_allclose(np.exp(found[1]), belief.predicted, **NEAR)
            np.testing.assert_allclose(found[2], belief.llf_obs, rtol=1e-12, atol=1e-12)


def test_equivalent_weights_are_the_same_model():
    """Constants move between b_h and the columns of W_h, and are added to whole columns."""
    for seed in range(24):
        rng, transition, start, emission, slopes = random_model(seed)
        net = hmm.to_rnn(transition, start, emission, W_x=slopes)
        k = net.k_states
        moved, shift = rng.normal(size=k), rng.normal(size=k)
        other = SoftmaxRNN(
            net.W_h - moved[:, None] + shift,
            net.W_x + rng.normal(size=(1, k, net.W_x.shape[2])),
            net.b_h + moved,
            net.b_start + 3.0,
            net.emission,
        )
        one, two = hmm.from_rnn(net), hmm.from_rnn(other)
        np.testing.assert_allclose(two.transition, one.transition, **NEAR)
        np.testing.assert_allclose(two.start, one.start, **NEAR)
        np.testing.assert_allclose(two.W_x, one.W_x, rtol=0, atol=1e-13 * 10)
        plain = other.identified()
        assert not plain.b_h.any()
        live = plain.W_h > -np.inf
        last = k - 1 - live[::-1].argmax(axis=0)
        assert (plain.W_h[last, np.arange(k)] == 0.0).all()
        assert (plain.W_x[last, np.arange(k)] == 0.0).all()
        np.testing.assert_allclose(plain.W_h[live], net.W_h[live], rtol=1e-12, atol=1e-12)


def test_weights_as_a_mapping():
    rng = np.random.default_rng(2)
    arrays = {"W_h": rng.normal(size=(3, 3)), "b_h": rng.normal(size=3),
              "V": rng.normal(size=(4, 3)), "W_x": rng.normal(size=(3, 2)),
              "b_start": rng.normal(size=3)}  # fmt: skip
    model = hmm.from_rnn(arrays)
    x = np.array([[0.3, -1.0]])
    for i in range(3):
        logits = arrays["W_h"][:, i] + arrays["b_h"] + arrays["W_x"] @ x[0]
        expected = np.exp(logits) / np.exp(logits).sum()
        np.testing.assert_allclose(model.transition_at(x)[0, i], expected, **NEAR)
        level = np.exp(arrays["V"][:, i])
        head = model.emission[0]
        np.testing.assert_allclose(head.probabilities[i], level / level.sum(), **NEAR)
        assert head.location.V[-1, i] == 0.0
    start = np.exp(arrays["b_start"])
    np.testing.assert_allclose(model.start[0], start / start.sum(), **NEAR)
    with pytest.raises(SpecificationError, match="Did you mean 'W_x'"):
        hmm.from_rnn({"W_h": np.eye(2), "W_xx": np.eye(2)})


def test_published_weather_example():
    """Rainy and sunny days; posteriors of Wikipedia's 'Forward-backward' style example."""
    net = hmm.to_rnn([[0.7, 0.3], [0.4, 0.6]], [0.6, 0.4], [[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]],
                     state_names=("Rainy", "Sunny"))  # fmt: skip
    run = net.belief([0, 1, 2])
    assert np.exp(run.llf) == pytest.approx(0.033612, abs=1e-12)
    expected = [[0.2, 0.8], [0.5317919075144509, 0.4682080924855491],
                [0.8639771510174935, 0.1360228489825064]]  # fmt: skip
    np.testing.assert_allclose(run.filtered, expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(net.emit([0.0, 1.0]), [0.6, 0.3, 0.1], **NEAR)
    assert net.weights()["W_h[Rainy->Rainy]"] == pytest.approx(np.log(7 / 3))
    assert "W_h[Rainy->Sunny]" not in net.weights()
    text = net.summary()
    assert "Rainy" in text and "transition" in text and "softmax(W_h" in text


def test_labels_of_categories_are_read():
    levels = ("walk", "shop", "clean")
    readout = hmm.categorical([[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]], levels=levels)
    net = hmm.to_rnn([[0.7, 0.3], [0.4, 0.6]], [0.6, 0.4], readout)
    named = net.belief(["walk", "shop", np.nan, "clean"])
    coded = net.belief([0, 1, np.nan, 2])
    np.testing.assert_array_equal(named.filtered, coded.filtered)
    with pytest.raises(DataError, match="codes 0 to 2; got 3"):
        net.belief([0, 3])
    with pytest.raises(DataError, match="y must be numbers"):
        net.belief(["walk", "swim"])


def test_densities_of_readouts():
    rng = np.random.default_rng(4)
    k, d, n = 3, 2, 9
    roots = rng.normal(size=(k, d, d))
    cov = roots @ roots.transpose(0, 2, 1) + 0.3 * np.eye(d)
    mean, D = rng.normal(size=(k, d)), rng.normal(size=(d, k, 1))
    trend, ar = rng.normal(size=(d, k)), 0.2 * rng.normal(size=(2, d, k, d))
    readout = hmm.gaussian(mean, cov, D=D, trend=trend, ar=ar)
    other = hmm.family(Poisson(), np.log([1.0, 4.0, 9.0]), name="count", D=np.zeros((1, k, 1)))
    net = hmm.to_rnn(np.full((k, k), 1 / 3), None, (readout, other), exog_names=("x",))
    y = np.column_stack([rng.normal(size=(n, d)), rng.poisson(4.0, size=n).astype(float)])
    x = rng.normal(size=(n, 1))
    y[5, 0] = np.nan
    found = net.log_density(y, exog=x, offsets=[0, 3, n])
    place = [0, 1, 2, 0, 1, 2, 3, 4, 5]
    for t in range(n):
        for s in range(k):
            if place[t] < 2:  # conditioned on
                assert found[t, s] == 0.0
                continue
            due = stats.poisson.logpmf(y[t, 2], [1.0, 4.0, 9.0][s])
            lags = y[[t - 1, t - 2], :2]
            if np.isfinite(lags).all():
                centre = mean[s] + D[:, s, 0] * x[t, 0] + trend[:, s] * (place[t] + 1)
                centre = centre + sum(ar[lag, :, s] @ lags[lag] for lag in range(2))
                seen = ~np.isnan(y[t, :2])
                law = stats.multivariate_normal(centre[seen], cov[s][np.ix_(seen, seen)])
                due += law.logpdf(y[t, :2][seen])
            assert found[t, s] == pytest.approx(due, abs=1e-10)  # a solve with a 2 x 2 root


def test_impossible_rows_and_zero_densities():
    net = hmm.to_rnn([[0.0, 1.0], [1.0, 0.0]], [1.0, 0.0], [[1.0, 0.0], [0.0, 1.0]])
    good = net.belief([0, 1, 0, 1])
    assert good.llf == 0.0
    np.testing.assert_array_equal(good.filtered, np.eye(2)[[0, 1, 0, 1]])
    bad = net.belief([0, 1, 1, 0, 0, 1], offsets=[0, 4, 6])
    reference = hmm.from_rnn(net).filter([0, 1, 1, 0, 0, 1], offsets=[0, 4, 6])
    np.testing.assert_array_equal(bad.llf_obs, [0, 0, -np.inf, 0, 0, 0])
    np.testing.assert_array_equal(bad.filtered, reference.filtered)
    np.testing.assert_array_equal(bad.llf_obs, reference.llf_obs)
    far = net.belief(log_density=[[-5000.0, -9000.0], [-np.inf, -4000.0]])
    assert far.llf == -9000.0


@pytest.mark.parametrize("seed", [1, 3, 4, 5, 8])
def test_sampling_is_the_same(seed):
    """The same uniforms give the same draws, whichever of the two is run."""
    rng, transition, start, emission, slopes = random_model(seed)
    net = hmm.to_rnn(transition, start, emission, W_x=slopes)
    inputs = data_for(rng, net, 400)
    uniforms = rng.random(400)
    one = net.generate(400, 7, uniforms=uniforms, **inputs)
    two = hmm.from_rnn(net).sample(400, 7, uniforms=uniforms, **inputs)
    np.testing.assert_array_equal(one.states, two.states)
    np.testing.assert_array_equal(one.y, two.y)
    # the path by its definition: the first state whose distribution function exceeds the number
    law = start[0]
    for t in range(400):
        if t:
            into = transition if slopes is None else net_matrix(net, inputs["exog_transition"][t])
            law = into[one.states[t - 1]]
        assert one.states[t] == np.searchsorted(np.cumsum(law), uniforms[t], side="right")


def net_matrix(net, x):
    logits = net.W_h + net.W_x @ x
    return (np.exp(logits) / np.exp(logits).sum(axis=0)).T


def test_drawn_law():
    """Chi-square tests of steps and emissions at level 1e-4 each."""
    rng = np.random.default_rng(6)
    transition = rng.dirichlet(np.ones(3), size=3)
    table = rng.dirichlet(np.ones(4), size=3)
    net = hmm.to_rnn(transition, [0.2, 0.3, 0.5], table)
    drawn = net.generate(20_000, rng)
    states, codes = drawn.states, drawn.y[:, 0].astype(int)
    for i in range(3):
        after = np.bincount(states[1:][states[:-1] == i], minlength=3)
        assert stats.chisquare(after, after.sum() * transition[i]).pvalue > 1e-4
        seen = np.bincount(codes[states == i], minlength=4)
        assert stats.chisquare(seen, seen.sum() * table[i]).pvalue > 1e-4
    firsts = [net.generate(1, rng).states[0] for _ in range(2000)]
    counts = np.bincount(firsts, minlength=3)
    assert stats.chisquare(counts, 2000 * np.array([0.2, 0.3, 0.5])).pvalue > 1e-4


def test_draws_with_lags():
    """An autoregression without noise to speak of follows its own equation."""
    readout = hmm.gaussian([1.0, -1.0], [1e-20, 1e-20], ar=[[[[0.5], [0.9]]]], trend=[[0.1, 0.0]])
    net = hmm.to_rnn([[0.5, 0.5], [0.5, 0.5]], None, readout)
    drawn = net.generate(50, 3, presample=[2.0])
    expected = [2.0]
    for t in range(1, 50):
        s = drawn.states[t]
        expected.append([1.0 + 0.1 * (t + 1), -1.0][s] + [0.5, 0.9][s] * expected[-1])
    np.testing.assert_allclose(drawn.y[:, 0], expected, rtol=0, atol=1e-8)
    with pytest.raises(SpecificationError, match="presample must hold the first 1 rows"):
        net.generate(50, 3)


def test_torch_runs_the_same_numbers():
    torch = pytest.importorskip("torch")
    for seed in range(12):
        rng, transition, start, emission, slopes = random_model(seed)
        net = hmm.to_rnn(transition, start, emission, W_x=slopes)
        inputs = data_for(rng, net, 25)
        y = net.generate(25, rng, **inputs).y
        made = net.to_torch()
        alone = hmm.to_rnn(transition, start[0], emission, W_x=slopes)
        for one, two in zip(made.run(y, **inputs), alone.belief(y, **inputs), strict=True):
            np.testing.assert_allclose(one, two, rtol=1e-12, atol=1e-12)
        if hasattr(made.module, "readout"):
            codes = torch.arange(len(transition))
            table = torch.softmax(made.module.readout(codes), dim=1).detach().numpy()
            np.testing.assert_allclose(table, net.emission[0].probabilities, **NEAR)


def test_torch_absent(monkeypatch):
    import builtins

    from rnnstats.equivalence import softmax_torch

    real = builtins.__import__

    def refuse(name, *args, **kwargs):
        if name == "torch":
            raise ImportError(name)
        return real(name, *args, **kwargs)

    softmax_torch._module_class.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    net = hmm.to_rnn([[0.7, 0.3], [0.4, 0.6]])
    with pytest.raises(MissingDependencyError, match="rnnstats\\[torch\\]"):
        net.to_torch()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: hmm.to_rnn([[0.7, 0.4], [0.4, 0.6]]), "every row of transition"),
        (lambda: hmm.to_rnn([[0.7, 0.3]]), "transition must be square"),
        (lambda: hmm.to_rnn(np.eye(2), [0.5, 0.6]), "every row of start"),
        (lambda: hmm.to_rnn(np.eye(2), None, np.eye(3)), "readouts must have K columns"),
        (lambda: hmm.to_rnn(np.eye(2), W_x=np.full((2, 1), np.inf)), "W_x must be finite"),
        (lambda: hmm.to_rnn(np.eye(2), state_names=("a", "a")), "2 different names"),
        (lambda: hmm.to_rnn(np.eye(2)).step([0.5, 0.5]), "h must be one-hot"),
        (lambda: hmm.to_rnn(np.eye(2)).emit([0.0, 1.0]), "one categorical readout"),
        (lambda: hmm.to_rnn(np.eye(2)).belief([1.0]), "with readouts only"),
        (lambda: hmm.to_rnn(np.eye(2)).belief(), "one of y and log_density"),
        (lambda: hmm.to_rnn(np.eye(2)).generate(0), "n must be at least 1"),
        (lambda: hmm.to_rnn(np.eye(2)).generate(2, uniforms=[1.0, 0.0]), r"in \[0, 1\)"),
        (
            lambda: hmm.from_rnn({"W_h": np.full((2, 2), -np.inf)}),
            "every state must lead somewhere",
        ),
        (lambda: hmm.from_rnn({"W_h": [[np.inf, 0.0], [0.0, 0.0]]}), "finite or -inf"),
        (lambda: hmm.gaussian([0.0, 1.0], [1.0, 0.0]), "positive definite"),
        (lambda: hmm.gaussian([0.0, 1.0], [1.0, 1.0], D=np.zeros((2, 2, 1))), "D must be finite"),
    ],
)
def test_refusals(call, words):
    with pytest.raises(SpecificationError, match=words):
        call()


def test_inputs_are_checked():
    net = hmm.to_rnn(np.full((2, 2), 0.5), W_x=np.ones((2, 1)), exog_transition_names=("spread",))
    logs = np.zeros((3, 2))
    with pytest.raises(DataError, match="exog_transition must hold the inputs spread"):
        net.belief(log_density=logs)
    with pytest.raises(DataError, match="finite, with the rows of y"):
        net.belief(log_density=logs, exog_transition=np.ones(4))
    with pytest.raises(DataError, match="log_density must be finite or -inf"):
        net.belief(log_density=np.full((3, 2), np.nan), exog_transition=np.ones(3))
    run = net.belief(log_density=logs, exog_transition=np.ones(3))
    direct = markov.forward(logs, np.full((2, 2), 0.5), [0.5, 0.5])  # a common slope moves nothing
    np.testing.assert_allclose(run.filtered, direct.filtered, **NEAR)
    two = hmm.to_rnn(np.full((2, 2), 0.5), np.eye(2))
    with pytest.raises(SpecificationError, match="one start, or one a sequence"):
        two.belief(log_density=logs)


def test_a_belief_that_is_tiny_is_not_lost():
    """A state e**-2000 away comes back when the other one cannot be."""
    net = hmm.to_rnn(np.eye(2), [0.5, 0.5])
    logs = np.array([[0.0, -2000.0], [0.0, -1.0], [-np.inf, -3.0]])
    run = net.belief(log_density=logs)
    assert run.filtered[1].tolist() == [1.0, 0.0]
    assert run.filtered[2].tolist() == [0.0, 1.0]
    assert run.llf == pytest.approx(np.log(0.5) - 2004.0, rel=1e-14)
