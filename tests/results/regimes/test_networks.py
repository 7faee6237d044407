"""Fitted models with regimes as networks with a one-hot state, and as plain tables."""

from __future__ import annotations

from functools import cache

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case

from rnnstats.errors import SpecificationError
from rnnstats.models.markov import MarkovRNN

# One logarithm and one exponential a row beside the kernel's sums.
NEAR = {"rtol": 0, "atol": 1e-12}
ROWS = 60


def _inputs(seed: int, name: str) -> pd.DataFrame:
    return pd.DataFrame({name: np.random.default_rng(seed).standard_normal(ROWS)})


def _series(seed: int, missing: bool = True) -> pd.Series:
    y = np.random.default_rng(seed).standard_normal(ROWS) + 3.0 * (np.arange(ROWS) // 15 % 2)
    if missing:
        y[[20, 33]] = np.nan
    return pd.Series(y, name="y")


def _counts(seed: int) -> pd.Series:
    rng = np.random.default_rng(seed)
    return pd.Series(rng.poisson(np.where(np.arange(ROWS) // 20 % 2, 9.0, 2.0)), name="c")


# Models that the shared cases do not have; parameters are drawn around sensible ones.
MODELS = {
    "intercept form, regressor, trend": lambda: MarkovRNN(
        _series(1), _inputs(2, "x"), order=2, trend="ct"
    ),
    "mean form, everything switches": lambda: MarkovRNN(
        _series(3), _inputs(4, "x"), order=2, ar_form="mean", trend="ct"
    ),
    "mean form, driven transitions": lambda: MarkovRNN(
        _series(5), order=1, ar_form="mean", exog_transition=_inputs(6, "z"), k_regimes=3
    ),
    "mean form, two sequences": lambda: MarkovRNN(
        _series(7), order=1, ar_form="mean", groups=np.repeat([1, 2], [25, 35])
    ),
    "vector autoregression": lambda: MarkovRNN(
        pd.DataFrame({"a": _series(8), "b": _series(9)}), order=1, k_regimes=3
    ),
    "diagonal": lambda: MarkovRNN(
        pd.DataFrame({"a": _series(8), "b": _series(9)}), emission="gaussian-diagonal"
    ),
    "spherical": lambda: MarkovRNN(
        pd.DataFrame({"a": _series(8), "b": _series(9)}), emission="gaussian-spherical"
    ),
    "student-t, lag": lambda: MarkovRNN(_series(10, False), emission="student-t", order=1),
    "poisson, regressor": lambda: MarkovRNN(
        _counts(11), _inputs(12, "x"), emission="poisson", start="free"
    ),
    "negative binomial": lambda: MarkovRNN(_counts(13), emission="negative-binomial"),
    "binomial": lambda: MarkovRNN(
        _counts(14).clip(upper=10), emission={"c": {"family": "binomial", "trials": 10}}
    ),
    "gamma": lambda: MarkovRNN(_series(15, False).abs() + 0.1, emission="gamma"),
    "categories, regressor": lambda: MarkovRNN(
        pd.Series(np.random.default_rng(16).choice(list("ACG"), ROWS), name="s"),
        _inputs(17, "x"),
        emission="categorical",
    ),
}
CASES = (
    "earthquakes", "normal", "short", "sequences", "driven", "lagged", "words", "pair", *MODELS
)  # fmt: skip


def _drawn(model):
    """Sensible parameters: the group decides what a number may be."""
    rng = np.random.default_rng(len(model.param_names))
    k = model.k_regimes
    values = []
    for name in model.param_names:
        group = name.split("[", 1)[0]
        unit = rng.uniform(0.3, 0.9)
        if group in ("p", "start", "prob"):
            values.append(unit / (k if "=" not in name else 3))
        elif group == "obs_cov":
            pair = name[8:-1].split(",")
            values.append(1.0 + unit if ":" in pair[0] or pair[0] == pair[1] else 0.3 * unit)
        elif group in ("mean", "dispersion", "shape", "scale2"):
            values.append(4.0 * unit)
        elif group == "df":
            values.append(5.0 + unit)
        elif group.startswith("ar"):
            values.append(0.2 * rng.standard_normal())
        else:
            values.append(rng.standard_normal() * (0.02 if group == "b_y_trend" else 0.5))
    return values


@cache
def results(name):
    if name not in MODELS:
        return case(name)
    model = MODELS[name]()
    return at(model, _drawn(model), cov_type="none")


def inputs_of(model):
    found = {"offsets": model.offsets}
    if model.exog is not None:
        found["exog"] = model.exog.values
    if model.exog_transition is not None:
        found["exog_transition"] = model.exog_transition.values
    return found


@pytest.mark.parametrize("name", CASES)
def test_belief_network_is_the_filter(name):
    res = results(name)
    net = res.to_rnn()
    run = net.belief(res.model.endog.values, **inputs_of(res.model))
    told = ~np.isnan(res.filtered_marginal_probabilities.to_numpy()).any(axis=1)
    for kind in ("filtered", "predicted"):
        due = getattr(res, f"{kind}_marginal_probabilities").to_numpy()
        np.testing.assert_allclose(net.of_regimes(getattr(run, kind))[told], due[told], **NEAR)
    np.testing.assert_allclose(run.llf_obs, res.llf_obs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_weights_are_the_model(name):
    """Of one step: the rows of the transition matrix; weights by the names of the parameters."""
    res = results(name)
    net, model = res.to_rnn(), res.model
    top = model.k_regimes**net.lead
    matrix = res.transition.to_numpy().reshape(-1, model.k_regimes, model.k_regimes)
    for t in (0, len(matrix) // 2):
        z = None if model.exog_transition is None else model.exog_transition.values[t]
        for state, row in enumerate(np.eye(net.k_states)):
            due = np.zeros(net.k_states)
            entered = np.arange(model.k_regimes) * top + (
                state // model.k_regimes if top > 1 else 0
            )
            due[entered] = matrix[t, state // top]
            np.testing.assert_allclose(net.step(row, z), due, **NEAR)
    for label, value in res.params.items():
        if label.startswith(("W_h[", "W_x[")) and not net.lead:
            assert net.weights()[label] == value
    assert all(part.location.V.shape[1] == net.k_states for part in net.emission)


@pytest.mark.parametrize("name", CASES)
def test_there_and_back(name):
    """Model -> tables or network -> model: the same likelihood and the same parameters."""
    res = results(name)
    model = res.model
    options = {}
    if model.exog is not None:
        options["exog"] = pd.DataFrame(model.exog.values, columns=list(model.exog.names))
    if model.exog_transition is not None:
        options["exog_transition"] = model.exog_transition.values
    switching = {"switching": model.switching}
    sources = []
    if model.exog_transition is None:
        sources.append((res.to_hmm(), {"ar_form": model.ar_form, **switching}))
    if model.ar_form == "intercept" and name not in ("diagonal", "spherical"):
        sources.append((res.to_rnn(), switching))
    for source, more in sources:
        made = MarkovRNN.from_hmm(source, endog=model.endog, **options, **more)
        assert made.model.loglike(made.params) == pytest.approx(res.llf, rel=1e-12)
        shared = [label for label in made.params.index if label in res.params.index]
        assert len(shared) >= len(res.params) - res.model.k_regimes  # start and implied ones apart
        np.testing.assert_allclose(made.params[shared], res.params[shared], rtol=1e-12, atol=1e-14)
        alone = MarkovRNN.from_hmm(source, **more)  # without data: nothing is seen
        assert alone.model.loglike(alone.params) == pytest.approx(0.0, abs=1e-13)


def test_tables_are_labelled():
    res = results("sequences")
    tables = res.to_hmm()
    assert list(tables.emission.columns) == ["V[rt]", "obs_cov[rt,rt]", "prob[correct]"]
    assert list(tables.emission.index) == ["h1", "h2"]
    assert tables.emission.loc["h2", "V[rt]"] == 6.4
    assert list(tables.start.index) == ["a", "b", "c"]
    pd.testing.assert_frame_equal(tables.transition, res.transition)
    assert "rt gaussian, correct bernoulli" in repr(tables)
    words = results("words").to_hmm().emission
    assert list(words.columns) == ["prob[y=low]", "prob[y=mid]", "prob[y=high]"]
    np.testing.assert_allclose(words.sum(axis=1), 1.0, rtol=1e-15)
    common = results("lagged").to_hmm().emission
    assert (common["ar1[y,y]"] == 0.7).all()


def test_names_of_composite_states():
    net = results("mean form, two sequences").to_rnn()
    assert net.state_names == ("h1|h1", "h1|h2", "h2|h1", "h2|h2")
    assert net.regimes == (0, 0, 1, 1)
    assert net.lead == 1
    assert np.isneginf(net.W_h).sum() == 8
    drawn = net.generate(40, 1, presample=[0.5])
    assert drawn.states[0] == -1
    lagged = drawn.states[2:] % 2 == drawn.states[1:-1] // 2  # h_{t-1} of a state is h of the last
    assert lagged.all()


def test_draws_have_the_models_moments():
    """Means and autocovariances of 20 000 rows of the generative network: stationary law."""
    res = results("normal")
    net = res.to_rnn()
    y = net.generate(20_000, 5).y[:, 0]
    law = res.stationary_probabilities.to_numpy()
    mean, variance = np.array([0.1, 2.8]), np.array([1.1, 3.5])
    expected = law @ mean
    total = law @ (variance + mean**2) - expected**2
    power = np.linalg.matrix_power(res.transition.to_numpy(), 1)
    cov = (law * mean) @ power @ mean - expected**2
    # long-run standard error of the mean is 0.03 at a correlation time of three rows
    assert abs(y.mean() - expected) < 0.15
    assert abs(y.var() - total) < 0.3
    assert abs(np.mean((y[1:] - y.mean()) * (y[:-1] - y.mean())) - cov) < 0.3


def test_torch_runs_a_fitted_model():
    pytest.importorskip("torch")
    for name in ("driven", "words", "mean form, everything switches"):
        res = results(name)
        options = inputs_of(res.model)
        options.pop("offsets")
        net = res.to_rnn()
        run = net.to_torch().run(res.model.endog.values, **options)
        due = net.belief(res.model.endog.values, **options)
        np.testing.assert_allclose(run.filtered, due.filtered, rtol=0, atol=1e-12)
        assert run.llf == pytest.approx(res.llf, rel=1e-12)


def test_later_rows():
    """Extended results start from the probabilities that the earlier rows left."""
    whole = case("earthquakes")
    index = whole.model.endog.index
    first = at(whole.model.clone(whole.model.endog.labelled(whole.model.endog.values).iloc[:80]),
               whole.params.to_numpy(), cov_type="none")  # fmt: skip
    later = pd.Series(whole.model.endog.values[80:, 0], index=index[80:], name="earthquakes")
    extended = first.extend(later)
    run = extended.to_rnn().belief(later)
    assert run.llf == pytest.approx(whole.llf_obs.iloc[80:].sum(), rel=1e-12)
    due = whole.filtered_marginal_probabilities.iloc[80:].to_numpy()
    np.testing.assert_allclose(run.filtered, due, rtol=0, atol=1e-12)
    lagged = results("student-t, lag")
    more = pd.Series([0.5, 1.0], index=pd.RangeIndex(ROWS, ROWS + 2), name="y")
    with pytest.raises(SpecificationError, match="Use append in place of extend"):
        lagged.extend(more).to_rnn()
    assert lagged.append(more).to_rnn().order == 1


def test_one_regime():
    y = pd.Series([1.0, 3.0, 2.0, 5.0], name="y")
    res = at(MarkovRNN(y, k_regimes=1), [2.0, 1.5], cov_type="none")
    net = res.to_rnn()
    assert net.belief(y).llf == pytest.approx(res.llf, rel=1e-14)
    np.testing.assert_array_equal(net.transition, [[1.0]])
    again = MarkovRNN.from_hmm(res.to_hmm(), endog=y)
    assert again.model.loglike(again.params) == pytest.approx(res.llf, rel=1e-14)
    assert res.filter_vs_smoother().frame["entropy_smoothed"].eq(0.0).all()
    assert res.turning_points().frame["duration"].tolist() == [4]
