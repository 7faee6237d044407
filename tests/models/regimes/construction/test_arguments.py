"""Arguments of MarkovRNN: what they make of the model, and what is refused."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN
from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.regimes.construction.specification import Family, check_size
from rnnstats.results.markov import MarkovResults

Y = np.r_[np.sin(np.arange(20.0)), 3.0 + np.cos(np.arange(20.0))]
X = np.c_[np.cos(np.arange(40.0)), np.arange(40.0) % 3]


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({"switching": "trend"}, "V[y,h1] V[y,h2] obs_cov[y,y]"),
        ({"switching": "variance"}, "b_y[y] obs_cov[y,y,h1] obs_cov[y,y,h2]"),
        ({"trend": "n"}, "obs_cov[y,y,h1] obs_cov[y,y,h2]"),
        (
            {"trend": "ct", "switching": ("variance",)},
            "b_y[y] b_y_trend[y] obs_cov[y,y,h1] obs_cov[y,y,h2]",
        ),
        (
            {"exog": X, "switching": "exog[x2]"},
            "b_y[y] D[y,x1] D[y,x2,h1] D[y,x2,h2] obs_cov[y,y]",
        ),
        (
            {"exog": X, "switching": "exog"},
            "b_y[y] D[y,x1,h1] D[y,x1,h2] D[y,x2,h1] D[y,x2,h2] obs_cov[y,y]",
        ),
        (
            {"order": 1, "switching": "ar"},
            "b_y[y] ar1[y,y,h1] ar1[y,y,h2] obs_cov[y,y]",
        ),
    ],
)
def test_switching_chooses_the_parameters(options: dict[str, Any], names: str) -> None:
    model = MarkovRNN(Y, options.pop("exog", None), **options)
    assert set(model.param_names[2:]) == set(names.split())
    assert model.param_names[:2] == ("p[h1->h1]", "p[h2->h1]")


def test_start_probabilities_follow_the_names_of_the_regimes() -> None:
    theta = [0.9, 0.1, 0.0, 3.0, 1.0, 1.0]
    due = MarkovRNN(Y, start=[0.2, 0.8]).loglike(theta)
    named = {"h2": 0.8, "h1": 0.2}
    assert MarkovRNN(Y, start=pd.Series(named)).loglike(theta) == due
    assert MarkovRNN(Y, start=named).loglike(theta) == due
    plain = pd.Series([0.2, 0.8], index=["low", "high"])
    assert MarkovRNN(Y, start=plain).loglike(theta) == due


def test_inputs_of_the_start_follow_the_labels_of_the_sequences() -> None:
    groups = np.repeat(["b", "a"], 20)
    table = pd.DataFrame({"w": [1.0, -2.0]}, index=["a", "b"])
    theta = [0.9, 0.1, 0.3, 0.7, 0.0, 3.0, 1.0, 1.0]
    due = MarkovRNN(Y, groups=groups, start=pd.DataFrame({"w": [-2.0, 1.0]})).loglike(theta)
    assert MarkovRNN(Y, groups=groups, start=table).loglike(theta) == due
    with pytest.raises(SpecificationError, match="labels of the sequences as its index; got 'x'"):
        MarkovRNN(Y, groups=groups, start=table.set_axis(["x", "y"]))
    with pytest.raises(SpecificationError, match="must hold inputs of the log odds; got the col"):
        MarkovRNN(Y, start=pd.DataFrame({"h1": [0.3], "h2": [0.7]}))


def test_emissions_by_labels_that_are_no_text() -> None:
    counts = np.arange(40) % 3
    numbers = MarkovRNN(pd.DataFrame({1: Y, 2: counts}), emission={1: "student-t", 2: "poisson"})
    assert numbers.emission == {"y1": {"family": "student-t"}, "y2": {"family": "poisson"}}
    frame = pd.DataFrame({"a": Y, 7: Y**2, "c": counts})
    joint = MarkovRNN(frame, emission={("a", 7): "gaussian", "c": "poisson"})
    assert joint.emission == {("a", "7"): {"family": "gaussian"}, "c": {"family": "poisson"}}
    pairs = pd.DataFrame({("a", "b"): Y, ("a", "c"): counts})
    nested = MarkovRNN(pairs, emission={("a", "b"): "student-t", ("a", "c"): "poisson"})
    assert list(nested.emission) == ["a_b", "a_c"]
    with pytest.raises(SpecificationError, match=r"got 9\. Columns are y1, y2"):
        MarkovRNN(pd.DataFrame({1: Y, 2: counts}), emission={1: "gaussian", 9: "poisson"})


def test_names_and_shape_of_a_model() -> None:
    index = pd.period_range("1990-01", periods=40, freq="M", name="month")
    model = MarkovRNN(
        pd.DataFrame({"a": Y, "b": Y[::-1]}, index=index),
        k_regimes=3,
        exog_transition=pd.Series(X[:, 0], index=index, name="lead"),
    )
    assert repr(model) == (
        "MarkovRNN(3 regimes, gaussian, outputs: a, b; inputs of transitions: lead; 40 rows)"
    )
    assert model.regime_names == model.state_names == ("h1", "h2", "h3")
    assert model.param_names[:4] == (
        "W_h[h1->h1]", "W_x[h1->h1,lead]", "W_h[h1->h2]", "W_x[h1->h2,lead]"
    )  # fmt: skip
    assert model.layout.groups[:2] == ("W_h", "W_x")
    assert (model.k_states, model.k_endog, model.nobs, model.order) == (3, 2, 40, 0)
    assert model.levels is None
    assert model.groups_labels == ()
    np.testing.assert_array_equal(model.offsets, [0, 40])
    found = model.filter(model.start_params)
    assert list(found.filtered.columns) == ["h1", "h2", "h3"]
    assert found.predicted.index.equals(index)
    assert found.llf == pytest.approx(model.loglike(model.start_params), rel=1e-13)
    with pytest.raises(AttributeError, match="cannot be changed"):
        model.order = 1


@pytest.mark.parametrize(
    ("fixed", "implied", "names"),
    [
        ({}, [2, 2, 2], "h1->h1 h1->h2 h2->h1 h2->h2 h3->h1 h3->h2"),
        ({"p[h1->h3]": 0.0}, [1, 2, 2], "h1->h1 h1->h3 h2->h1 h2->h2 h3->h1 h3->h2"),
        (
            {"p[h1->h3]": 0.0, "p[h2->h1]": 0.0, "p[h3->h1]": 0.0, "p[h3->h2]": 0.0},
            [1, 2, 2],
            "h1->h1 h1->h3 h2->h1 h2->h2 h3->h1 h3->h2",
        ),
        (
            {"p[h1->h1]": 0.5, "p[h1->h2]": 0.3, "p[h1->h3]": 0.2},
            [2, 2, 2],
            "h1->h1 h1->h2 h2->h1 h2->h2 h3->h1 h3->h2",
        ),
        ({"p[h1->h3]": "p[h2->h3]"}, [1, 1, 2], "h1->h1 h1->h3 h2->h1 h2->h3 h3->h1 h3->h2"),
    ],
)
def test_the_last_probability_without_restriction_is_implied(
    fixed: dict[str, Any], implied: list[int], names: str
) -> None:
    model = MarkovRNN(Y, k_regimes=3, fixed=fixed)
    assert model.param_names[:6] == tuple(f"p[{name}]" for name in names.split())
    assert list(model.likelihood.transitions.rows.implied) == implied  # type: ignore[attr-defined]
    theta = model.layout.expand(model.layout.reduce(model.start_params.to_numpy()))
    system = MarkovRNN(Y, k_regimes=3, fixed=fixed, start="uniform").system(theta)
    np.testing.assert_allclose(system.transition.sum(axis=1), 1.0, rtol=1e-14)
    for name, value in fixed.items():
        if isinstance(value, float):
            i, j = (int(part[-1]) - 1 for part in name[2:-1].split("->"))
            assert system.transition[i, j] == pytest.approx(value, abs=1e-15)


def test_restrictions_survive_and_grow() -> None:
    model = MarkovRNN(Y, k_regimes=2).with_fixed({"p[h2->h1]": 0.0})
    assert model.layout.fixed == {"p[h2->h1]": 0.0}
    more = model.with_fixed({"obs_cov[y,y,h1]": "obs_cov[y,y,h2]"})
    assert more.layout.k_free == model.layout.k_free - 1
    assert more.clone(Y[:30]).layout.fixed == more.layout.fixed
    left = MarkovRNN(Y, k_regimes=3, start=[1, 0, 0]).with_fixed({"p[h1->h3]": 0.0})
    assert "p[h1->h3]" in left.param_names
    assert "p[h1->h2]" not in left.param_names


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "k_regimes": ({"k_regimes": 0}, "k_regimes must be at least 1; got 0"),
    "trend": ({"trend": "t"}, "trend must be one of 'n', 'c', 'ct'; got 't'"),
    "family": ({"emission": "gausian"}, "Did you mean 'gaussian'"),
    "unknown column": ({"emission": {"z": "gaussian"}}, "maps columns of endog"),
    "column left out": ({"emission": {}}, "gives every column one family; got none for 'y'"),
    "options": ({"emission": {"y": {"family": "poisson", "trials": 3}}}, "takes no options"),
    "trials": ({"emission": "binomial"}, "needs the number of trials"),
    "number of trials": (
        {"emission": {"family": "binomial", "trials": 0}},
        "trials must be at least 1; got 0",
    ),
    "switching word": ({"switching": "means"}, "switching must be one of"),
    "switching number": ({"switching": 3}, "switching must be a tuple"),
    "switching input": ({"switching": "exog[x9]"}, "names an input as"),
    "nothing switches": ({"switching": ()}, "regimes must differ in something"),
    "nothing switches, whatever columns are called": (
        {"switching": (), "exog": pd.DataFrame({"h1": X[:, 0]})},
        "regimes must differ in something",
    ),
    "order": ({"order": -1}, "order must be at least 0"),
    "lags of counts": ({"order": 1, "emission": "poisson"}, "order counts lags of normal"),
    "mean form without lags": ({"ar_form": "mean"}, "got 'mean' with order=0"),
    "mean form, t": (
        {"ar_form": "mean", "order": 1, "emission": "student-t"},
        "ar_form='mean' is for a single normal response",
    ),
    "form": ({"ar_form": "level", "order": 1}, "ar_form must be one of"),
    "no constant": ({"trend": "n", "emission": "gamma"}, "needs a constant or regressors"),
    "start word": ({"start": "known"}, "start must be one of"),
    "start shape": ({"start": [0.5, 0.2, 0.3]}, "probabilities of shape"),
    "start sum": ({"start": [0.5, 0.2]}, "must sum to one; got 0.7"),
    "start sign": ({"start": [1.5, -0.5]}, "probabilities of shape"),
    "start frame": ({"start": pd.DataFrame({"a": [1.0, 2.0]})}, "one row for each of the 1"),
    "probability": ({"fixed": {"p[h1->h1]": 1.5}}, "fixed between 0 and 1"),
    "sum of fixed": (
        {"fixed": {"p[h1->h1]": 0.5, "p[h1->h2]": 0.2}},
        "sum to one; got fixed ones that sum to 0.7",
    ),
    "nothing left": (
        {"k_regimes": 3, "fixed": {"p[h1->h1]": 1.0}},
        "leave nothing to the 2 others",
    ),
    "all named": (
        {"fixed": {"p[h1->h1]": "p[h2->h1]", "p[h1->h2]": "p[h2->h2]"}},
        "Leave the one out that the others imply",
    ),
    "unknown restriction": ({"fixed": {"p[h1->h9]": 0.5}}, "got 'p\\[h1->h9\\]'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_arguments_refused(what: str) -> None:
    options, words = REFUSED[what]
    with pytest.raises(SpecificationError, match=words) as error:
        MarkovRNN(np.abs(Y), **options)
    assert str(error.value).startswith("MarkovRNN: ")


def test_more_regimes_than_rows_are_refused() -> None:
    words = "k_regimes must not be above the number of rows; got 41 with 40 rows. Use fewer"
    with pytest.raises(SpecificationError, match=f"^MarkovRNN: {words}"):
        MarkovRNN(Y, k_regimes=41)
    few = MarkovRNN(Y[:3], k_regimes=3, switching="trend")
    with pytest.raises(SpecificationError, match="got 1000 with 1 row\\. "):
        MarkovRNN(Y[:1], k_regimes=1000)
    # a model that is known goes on with any number of rows
    params = [0.8, 0.1, 0.1, 0.8, 0.1, 0.1, 0.0, 1.0, 2.0, 1.0]
    further = MarkovResults.from_fit(few, np.array(params)).extend(Y[3:4])
    assert further.model.nobs == 1
    assert few.clone(Y[:2]).nobs == 2
    chain, means = np.full((3, 3), 1 / 3), {"mean": [1.0, 5.0, 9.0]}
    known = MarkovRNN.from_hmm(chain, means, None, [2.0], emission="poisson")
    assert known.model.nobs == 1


@pytest.mark.parametrize(("k_regimes", "order"), [(3, 8), (4, 8), (2, 14), (2, 10**9)])
def test_too_many_composite_states_are_refused(k_regimes: int, order: int) -> None:
    words = rf"at most 16384; got {k_regimes}\^{order + 1} with .* Use ar_form='intercept'.* order"
    with pytest.raises(SpecificationError, match=words):
        MarkovRNN(Y, k_regimes=k_regimes, order=order, ar_form="mean")


def test_as_many_composite_states_as_allowed_pass() -> None:
    check_size(2, 13, "mean", None, "caller")
    check_size(1, 10**6, "mean", None, "caller")
    check_size(9, 30, "intercept", 9, "caller")


def test_several_columns_refused() -> None:
    data = pd.DataFrame({"a": Y, "b": Y})
    with pytest.raises(SpecificationError, match="can only be jointly normal"):
        MarkovRNN(data, emission={("a", "b"): "student-t"})
    with pytest.raises(SpecificationError, match="got 2 for 'b'"):
        MarkovRNN(data, emission={("a", "b"): "gaussian", "b": "gaussian"})
    with pytest.raises(SpecificationError, match="single normal response; got 2 columns"):
        MarkovRNN(data, order=1, ar_form="mean")


@pytest.mark.parametrize(
    ("emission", "bad"),
    [("poisson", -1.0), ("poisson", 0.5), ("bernoulli", 2.0), ("gamma", 0.0), ("gamma", -3.0)],
)
def test_values_outside_the_support(emission: str, bad: float) -> None:
    y = np.ones(10)
    y[3] = bad
    with pytest.raises(DataError, match="MarkovRNN"):
        MarkovRNN(y, emission=emission)


def test_one_category_is_refused() -> None:
    with pytest.raises(DataError, match=r"at least two categories; got .*'a'"):
        MarkovRNN(["a"] * 10, emission="categorical")
    with pytest.raises(DataError, match="at least two categories"):
        MarkovRNN(["a"] * 10, emission={"family": "categorical", "levels": ["a"]})


@pytest.mark.parametrize("family", get_args(Family))
def test_every_family_has_a_model(family: str) -> None:
    emission = {"family": family, **({"trials": 3} if family == "binomial" else {})}
    model = MarkovRNN(np.arange(40) % 2 + (family == "gamma"), emission=emission)
    assert model.emission == {"y": model.emission["y"] | emission}
    assert np.isfinite(model.loglike(model.start_params))


def test_columns_called_like_regimes_do_not_switch() -> None:
    inputs = pd.DataFrame({"h1": X[:, 0], "h2": X[:, 1]})
    model = MarkovRNN(Y, inputs, switching="trend")
    theta = pd.Series(model.start_params, index=model.param_names)
    theta[["D[y,h1]", "D[y,h2]"]] = 0.3, -0.2
    moved = pd.Series(model.reordered(theta, [1, 0]), index=model.param_names)
    assert (moved[["D[y,h1]", "D[y,h2]"]] == [0.3, -0.2]).all()
    assert (moved[["V[y,h1]", "V[y,h2]"]].to_numpy() == theta[["V[y,h2]", "V[y,h1]"]]).all()
    assert model.loglike(moved) == pytest.approx(model.loglike(theta), rel=1e-13)


def test_probabilities_of_a_start_go_by_name() -> None:
    given = pd.Series({"h2": 0.9, "h1": 0.1})
    model = MarkovRNN(Y, start=given)
    system = model.system(model.start_params)
    np.testing.assert_allclose(system.start, [[0.1, 0.9]])
    with pytest.raises(ValueError, match="read-only"):
        system.start[0] = 0.5
    with pytest.raises(ValueError, match="read-only"):
        system.offsets[0] = 5


def test_inputs_of_simulations_go_by_name() -> None:
    inputs = pd.DataFrame({"a": X[:, 0], "b": 10.0 * X[:, 1]})
    model = MarkovRNN(Y, inputs, exog_transition=X[:, 0], switching="trend")
    params = model.start_params
    first = model.simulate(params, 9, rng=1, exog=inputs[:9])
    turned = model.simulate(params, 9, rng=1, exog=inputs.loc[:8, ["b", "a"]])
    pd.testing.assert_series_equal(first, turned)
    pd.testing.assert_series_equal(first, model.simulate(params, 9, rng=1))
    with pytest.raises(SpecificationError, match=r"must be given for more rows .* 40 rows for"):
        model.simulate(params, 41)
    plain = MarkovRNN(Y)
    with pytest.raises(SpecificationError, match="no inputs; got exog"):
        plain.system(plain.start_params, steps=1, exog=np.ones((1, 1)))
    with pytest.raises(SpecificationError, match="no exog_transition; got some"):
        plain.simulate(plain.start_params, 3, exog_transition=np.ones((3, 1)))


def test_inputs_of_a_copy() -> None:
    model = MarkovRNN(Y, exog_transition=X[:, 0])
    with pytest.raises(SpecificationError, match=r"clone: exog_transition must be as in the model"):
        model.clone(Y)
    with pytest.raises(SpecificationError, match="clone: exog must be as in the model"):
        model.clone(Y, X, exog_transition=X[:, 0])
    with pytest.raises(SpecificationError, match="start is given where"):
        model.clone(Y, exog_transition=X[:, 0], start=[0.5, 0.5])
    given = MarkovRNN(Y, start=[[0.2, 0.8], [1.0, 0.0]], groups=[1] * 20 + [2] * 20)
    twin = given.clone(Y[:30], groups=[1] * 30, start=[[0.1, 0.9]])
    np.testing.assert_allclose(twin.system(twin.start_params).start, [[0.1, 0.9]])
    with pytest.raises(SpecificationError, match="permutation of 0 to 1"):
        model.reordered(model.start_params, [0, 0])
    with pytest.raises(SpecificationError, match=r"system: exog_transition must hold finite"):
        model.system(model.start_params, steps=2)
    later = model.system(model.start_params, steps=2, exog_transition=np.zeros((2, 1)))
    assert later.transition.shape == (42, 2, 2)
    assert not later.log_density[40:].any()


def test_draws_have_the_shape_and_labels_of_the_data() -> None:
    data = pd.DataFrame(
        {"n": np.arange(30) % 4, "s": pd.Categorical(list("bca" * 10), list("cab"))}
    )
    model = MarkovRNN(data, emission={"n": "poisson", "s": "categorical"})
    assert model.levels == {"s": ("c", "a", "b")}
    draw = model.simulate(model.start_params, 50, rng=1)
    assert list(draw.columns) == ["n", "s"]
    assert set(draw["s"]) <= {"a", "b", "c"}
    pd.testing.assert_frame_equal(draw, model.simulate(model.start_params, 50, rng=1))
    lagged = MarkovRNN(Y, order=2, ar_form="mean", switching="trend")
    path = lagged.simulate(lagged.start_params, 7, rng=2)
    np.testing.assert_array_equal(path[:2], Y[:2])
    assert len(path) == 7


def test_draws_have_the_law_of_the_model() -> None:
    model = MarkovRNN(np.arange(6.0), emission="poisson")
    params = {"p[h1->h1]": 0.9, "p[h2->h1]": 0.3, "mean[y,h1]": 1.0, "mean[y,h2]": 9.0}
    draw = model.simulate(params, 20_000, rng=0).to_numpy()
    # stationary law (3/4, 1/4); autocovariance 12 * 0.6^k; 5 standard errors of means of
    # 20000 rows with long-run variance 3 + 12 * (1 + 0.6) / (1 - 0.6)
    assert draw.mean() == pytest.approx(3.0, abs=5 * np.sqrt(51.0 / 20_000))
    lagged = np.mean((draw[1:] - 3.0) * (draw[:-1] - 3.0))
    assert lagged == pytest.approx(12.0 * 0.6, abs=1.0)


def test_words_ask_for_categories() -> None:
    words = pd.Series(list("abab") * 3, name="mood")
    with pytest.raises(DataError, match=r"'mood' .* got 'a' in row 0.*emission='categorical'"):
        MarkovRNN(words)
    frame = pd.DataFrame({"n": np.arange(12.0), "mood": pd.Categorical(words)})
    with pytest.raises(DataError, match=r"\{'mood': 'categorical', \.\.\.\}"):
        MarkovRNN(frame)
