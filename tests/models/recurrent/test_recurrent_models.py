"""Recurrent models as constructed: names, units, sequences, restrictions, draws, refusals."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pandas as pd
import pytest
from models.recurrent import recurrent_cases

from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels import cells
from rnnstats.kernels.architecture import PythonCell
from rnnstats.models.nonlinear import GRU, LSTM, CellRNN, ElmanRNN

EVERY: tuple[Any, ...] = (ElmanRNN, GRU, LSTM)


def series(rows: int = 40, d: int = 1, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.standard_normal((rows, d)).cumsum(axis=0) + 20.0


def inputs(rows: int = 40, seed: int = 1) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        rng.standard_normal((rows, 2)) * [5.0, 0.1] + [30.0, 0.0], columns=["a", "b"]
    )


def test_published_network_on_lynx(cases: Any) -> None:
    case = cases["N07"]
    reference = case["reference"]["K1"]
    lynx = cases.frame(case["data"][0])
    z = np.log10(lynx.iloc[:, -1].to_numpy(dtype=float)) - case["reference"]["mean_removed"]
    model = ElmanRNN(z, k_hidden=1)
    at = dict(
        zip(
            ("W_h[h1,h1]", "W_y[h1,y]", "b_h[h1]", "V[y,h1]", "b_y[y]"),
            reference["params"],
            strict=True,
        )
    )
    at["obs_cov[y,y]"] = reference["sigma2"]
    # given to sixteen digits
    assert model.loglike(at) == pytest.approx(reference["loglik"], abs=1e-9)
    assert model.nobs_likelihood == reference["n"]
    theta = np.array([at[name] for name in model.param_names])
    resid = z[1:] - model.system(theta).law.mean[:, 0]
    assert resid @ resid == pytest.approx(reference["ssr"], rel=1e-9)
    system = model.system(theta)
    _, eta = system.step(system.last_state()[None], system.last_lags()[None])
    assert eta[0, 0] == pytest.approx(reference["forecast_1step"], abs=1e-9)
    # a maximum: the score vanishes on the scale of the standard errors, which are those published
    se = np.sqrt(np.diagonal(np.linalg.inv(-model.hessian(theta))))
    assert np.abs(model.score(theta) * se).max() < 1e-4
    assert np.allclose(se, reference["se_oim_incl_sigma2"], rtol=1e-4)


def test_names_of_a_stacked_lstm() -> None:
    y = pd.DataFrame(series(d=2), columns=["cpi", "gdp"])
    model = LSTM(
        y, inputs(), k_hidden=(2, 1), y_lags=2, peephole=True, skip=True, initial="estimated"
    )
    names = model.param_names
    for name in (
        "W_h_forget[h1,h2]", "W_y_input[h1,cpi]", "W_y2_cell[h2,gdp]", "W_x_output[h1,a]",
        "b_cell[h2]", "p_forget[h2]", "W_below_forget[h3,h1]", "W_h_output[h3,h3]", "p_output[h3]",
        "V[gdp,h3]", "ar1[cpi,gdp]", "ar2[gdp,gdp]", "D[cpi,b]", "b_y[gdp]", "obs_cov[gdp,cpi]",
        "h_0[h3]", "c_0[c2]",
    ):  # fmt: skip
        assert name in names
    assert len(names) == model.architecture.size + 3 + 6
    assert model.state_names == ("h1", "h2", "c1", "c2", "h3", "c3")
    # by layer, gate by gate, then the readout, the head's own, the start
    order = ["W_h_input[h1,h1]", "b_input[h1]", "W_h_forget[h1,h1]", "p_input[h1]",
             "W_h_input[h3,h3]", "W_below_input[h3,h1]", "V[cpi,h3]", "ar1[cpi,cpi]",
             "ar2[cpi,cpi]", "D[cpi,a]", "b_y[cpi]", "obs_cov[cpi,cpi]", "h_0[h1]"]  # fmt: skip
    places = [names.index(name) for name in order]
    assert places == sorted(places)
    assert "V[cpi,h1]" not in names
    assert "2 + 1 units" in repr(model) and "peepholes" in repr(model)


def test_gru_names_follow_the_reset_convention() -> None:
    after, before = GRU(series(), reset="after"), GRU(series(), reset="before")
    extra = set(after.param_names) - set(before.param_names)
    assert extra == {"b_h_candidate[h1]", "b_h_candidate[h2]"}
    names = after.param_names
    assert names.index("b_h_candidate[h1]") == names.index("b_candidate[h2]") + 1


@pytest.mark.parametrize("cls", EVERY)
@pytest.mark.parametrize("skip", [False, True])
def test_natural_parameters_do_not_know_the_scaling(cls: Any, skip: bool) -> None:
    # y -> c y + m and x -> g x + k, parameters mapped by hand: the likelihood moves by the Jacobian
    y, x = series()[:, 0], inputs()
    y[[7, 8, 30]] = np.nan
    options = {"y_lags": 2, "skip": skip, "presample": "condition"}
    model = cls(pd.Series(y, name="y"), x, **options)
    theta = recurrent_cases.point(model, np.random.default_rng(2))
    c, m = -3.7, 1e4
    g, k = np.array([100.0, 0.01]), np.array([-50.0, 8.0])
    moved = cls(pd.Series(c * y + m, name="y"), x * g + k, **options)
    old = dict(zip(model.param_names, theta, strict=True))
    new = dict(old)
    for name in old:
        group, inner = name[:-1].split("[")
        first, *rest = inner.split(",")
        if group.startswith("W_y"):
            new[name] = old[name] / c
            gate = group.partition("_")[2].lstrip("y2").lstrip("_")
            new[f"b_{gate or 'h'}[{first}]"] -= old[name] * m / c
        elif group.startswith("W_x"):
            j = x.columns.get_loc(rest[0])
            new[name] = old[name] / g[j]
            gate = group[3:].lstrip("_")
            new[f"b_{gate or 'h'}[{first}]"] -= old[name] * k[j] / g[j]
        elif group == "V":
            new[name] = c * old[name]
        elif group.startswith("ar"):
            new["b_y[y]"] -= old[name] * m
        elif group == "D":
            j = x.columns.get_loc(rest[0])
            new[name] = c * old[name] / g[j]
            new["b_y[y]"] -= c * old[name] * k[j] / g[j]
        elif group == "b_y":
            new[name] += (c - 1.0) * old[name] + m
        elif group == "obs_cov":
            new[name] = c**2 * old[name]
    seen = np.count_nonzero(~np.isnan(y[2:]))
    gap = seen * np.log(abs(c))
    assert moved.loglike(new) == pytest.approx(model.loglike(old) - gap, rel=1e-10)
    # inside both are the same problem, but for the sign of the outputs
    a = model.chart.to_standard(theta)
    b = moved.chart.to_standard(np.array([new[name] for name in moved.param_names]))
    assert np.allclose(np.abs(a), np.abs(b), atol=1e-9)


@pytest.mark.parametrize("head", recurrent_cases.HEADS)
def test_sequences_add_up(head: str) -> None:
    rng = np.random.default_rng(4)
    y = recurrent_cases.observations(head, rng, 30, d=1)
    if head == "categorical":
        y[:9] = np.tile(["a", "b", "c"], 3)
        y[10:13] = y[20:23] = ["a", "b", "c"]
    groups = np.repeat(["u", "v", "w"], [10, 8, 12])
    head_argument = recurrent_cases.argument(head)
    model = GRU(y, y_lags=2, head=head_argument, groups=groups, initial="estimated")
    theta = recurrent_cases.point(model, rng)
    parts = [GRU(y[groups == g], y_lags=2, head=head_argument, initial="estimated") for g in "uvw"]
    alone = [part.loglikeobs(theta) for part in parts]
    assert np.allclose(model.loglikeobs(theta), np.concatenate(alone), rtol=1e-10, atol=1e-10)
    assert np.allclose(
        model.score(theta), sum(part.score(theta) for part in parts), rtol=1e-8, atol=1e-8
    )
    information = sum(part.information(theta) for part in parts)
    assert np.allclose(model.information(theta), information, rtol=1e-6, atol=1e-8)
    assert model.groups_labels == ("u", "v", "w") and model.nobs_likelihood == 24
    index = pd.MultiIndex.from_arrays([groups, np.arange(30)])
    indexed = GRU(
        pd.Series(y.ravel(), index=index, name="y"),
        y_lags=2,
        head=head_argument,
        initial="estimated",
    )
    assert indexed.loglike(theta) == pytest.approx(model.loglike(theta), rel=1e-13)


def test_system_goes_on_where_the_sample_ends() -> None:
    y = series(30, 2)
    y[[4, 5, 11, 28], 0] = np.nan
    x = inputs(30)
    groups = np.repeat([1, 2], [12, 18])
    model = LSTM(y, x, y_lags=3, groups=groups, presample="predict")
    theta = recurrent_cases.point(model, np.random.default_rng(1))
    system = model.system(theta)
    for row in range(30):
        state, lags = system.state_before(row), system.lags_before(row)
        new, eta = system.step(state[None], lags[None], x.to_numpy()[row])
        assert np.allclose(new[0], system.states[row], atol=1e-12)
        assert np.allclose(eta[0], system.eta[row], atol=1e-10)
    assert np.array_equal(system.last_state(), system.states[-1])
    assert np.array_equal(system.last_state(0), system.states[11])
    lags = system.last_lags()
    assert lags[0, 0] == y[29, 0] and lags[1, 1] == y[28, 1]
    assert lags[1, 0] == pytest.approx(system.law.mean[28, 0])  # missing: its one-step prediction
    # one row more is the row that these lead to
    more = model.clone(
        np.vstack([y, [[21.0, 19.0]]]), np.vstack([x, [[33.0, 0.1]]]), groups=np.append(groups, 2)
    )
    _, eta = system.step(system.last_state()[None], lags[None], np.array([33.0, 0.1]))
    assert np.allclose(more.system(theta).eta[-1], eta[0], atol=1e-9)


def test_words_are_categories() -> None:
    words = pd.Series(pd.Categorical(["lo", "hi", "lo", None, "mid", "hi", "lo", "mid"] * 4))
    model = ElmanRNN(words.rename("state"), head="categorical", k_hidden=1)
    assert model.levels == {"state": ("hi", "lo", "mid")}
    assert {"W_y[h1,state=hi]", "V[state=lo,h1]", "b_y[state=hi]"} <= set(model.param_names)
    theta = recurrent_cases.point(model, np.random.default_rng(0))
    drawn = model.simulate(theta, 25, rng=1)
    assert list(drawn.cat.categories) == ["hi", "lo", "mid"] and drawn.iloc[0] == "lo"
    law = model.system(theta).law
    assert law.levels == ("hi", "lo", "mid")
    assert np.allclose(law.probabilities.sum(axis=1), 1.0)
    # the same categories on other data, of which one does not occur
    again = model.clone(pd.Series(["lo", "hi", "lo"], name="state"))
    assert again.param_names == model.param_names
    assert model.with_fixed({"V[state=hi,h1]": 0.0}).levels == model.levels


@pytest.mark.parametrize("cls", EVERY)
def test_paths_are_labelled_and_functions_of_the_past(cls: Any) -> None:
    index = pd.period_range("2000-01", periods=40, freq="M")
    y = pd.Series(series()[:, 0], index=index, name="cpi")
    model = cls(y, y_lags=2)
    theta = recurrent_cases.point(model, np.random.default_rng(1))
    found = model.filter(theta)
    assert found.predicted.index.equals(index)
    assert tuple(found.predicted.columns) == model.state_names
    assert found.predicted.iloc[:2].isna().all(axis=None)
    assert found.predicted.equals(found.filtered) and found.predicted.iloc[2:].notna().all(
        axis=None
    )
    assert found.llf == pytest.approx(model.loglike(theta), rel=1e-13)
    assert model.smooth(theta).smoothed.equals(found.filtered)
    assert model.smooth(theta).llf == pytest.approx(found.llf, rel=1e-13)
    changed = y.copy()
    changed.iloc[30] += 2.0
    moved = cls(changed, y_lags=2).filter(theta).predicted
    assert np.allclose(moved.iloc[2:31], found.predicted.iloc[2:31], atol=1e-9)
    assert not np.allclose(moved.iloc[31], found.predicted.iloc[31], atol=1e-6)
    assert tuple(found.eta.columns) == ("cpi",)


def test_simulation_follows_the_law() -> None:
    y = pd.Series(series()[:, 0], name="cpi")
    model = GRU(y, inputs(), y_lags=2)
    theta = recurrent_cases.point(model, np.random.default_rng(1))
    drawn = model.simulate(theta, 40, rng=3)
    assert drawn.name == "cpi" and len(drawn) == 40
    assert np.array_equal(drawn.iloc[:2], y.iloc[:2])  # conditioned on
    assert drawn.equals(model.simulate(theta, 40, rng=3))
    # given the same rows before, the draw is one from the law of the row
    z = (
        drawn.to_numpy()[2:] - model.clone(drawn, inputs()).system(theta).law.mean[:, 0]
    ) / np.sqrt(theta[model.param_names.index("obs_cov[cpi,cpi]")])
    rng = np.random.default_rng(3)
    assert np.allclose(z, [rng.standard_normal((1, 1))[0, 0] for _ in range(38)], atol=1e-8)
    long = np.vstack([inputs(), inputs()])
    assert len(model.simulate(theta, 40, rng=3, exog=long, burnin=40)) == 40
    with pytest.raises(SpecificationError, match="exog must be given for more rows"):
        model.simulate(theta, 41)


def test_restrictions_hold_and_the_start_can_be_estimated() -> None:
    y = series()
    model = ElmanRNN(y, k_hidden=2, initial="estimated", fixed={"W_h[h1,h2]": 0.0})
    assert model.layout.k_free == model.layout.k_params - 1
    more = model.with_fixed({"W_h[h2,h1]": "W_h[h1,h1]"})
    assert more.layout.fixed == {"W_h[h1,h2]": 0.0, "W_h[h2,h1]": "W_h[h1,h1]"}
    with pytest.raises(SpecificationError, match=r"Did you mean: .*W_h\[h1,h2\]"):
        model.with_fixed({"W_h[h1,2]": 0.0})
    zero = ElmanRNN(y, k_hidden=2)
    theta = recurrent_cases.point(zero, np.random.default_rng(0))
    assert model.loglike(np.append(theta, [0.0, 0.0])) == zero.loglike(theta)
    again = pickle.loads(pickle.dumps(model))
    assert again.loglike(np.append(theta, [0.3, 0.1])) == model.loglike(
        np.append(theta, [0.3, 0.1])
    )
    with pytest.raises(AttributeError, match="cannot be changed"):
        model.y_lags = 3


def test_points_without_a_likelihood_have_a_reason() -> None:
    model = ElmanRNN(series(), k_hidden=1, activation="identity")
    theta = recurrent_cases.point(model, np.random.default_rng(0))
    place = model.param_names.index("obs_cov[y,y]")
    bad = theta.copy()
    bad[place] = -1.0
    assert model.loglike(bad) == -np.inf and "positive definite" in model.reason(bad)
    assert np.isnan(model.score(bad)).all() and np.isnan(model.loglikeobs(bad)).all()
    assert np.isnan(model.score_obs(bad)).all() and np.isnan(model.information(bad)).all()
    assert np.isnan(model.hessian(bad)).all()
    far = theta.copy()
    far[model.param_names.index("W_h[h1,h1]")] = 1e200
    assert model.loglike(far) == -np.inf and "grows beyond all numbers" in model.reason(far)
    assert model.reason(theta) is None
    with pytest.raises(SpecificationError, match="system: params must be admissible"):
        model.system(far)
    still = ElmanRNN(series(), k_hidden=1, activation="identity", initial="stationary")
    unit = np.array([1.0, 0.1, 0.2, 1.0, 0.0, 1.0])
    unit[2] = 0.2 - 0.1 * series().mean()
    assert still.loglike(unit) == -np.inf and "no fixed point" in still.reason(unit)
    distant = np.array([1.5, 0.0, 1e160, 1.0, 0.0, 1.0])  # its square is no number: no warning
    assert still.loglike(distant) == -np.inf


def test_a_function_as_activation_and_as_cell_is_the_built_in_one() -> None:
    y, x = series(), inputs()
    built, own = ElmanRNN(y, x), ElmanRNN(y, x, activation=np.tanh)

    def step(state: Any, row: Any, weights: Any, extra: Any) -> Any:
        return np.tanh(weights @ np.concatenate([state, row, np.ones(1)]))

    cell = CellRNN(y, x, cell=PythonCell("mine", ("h",), step))
    theta = recurrent_cases.point(built, np.random.default_rng(0))
    assert built.param_names == own.param_names == cell.param_names
    for model in (own, cell):
        assert model.loglike(theta) == pytest.approx(built.loglike(theta), rel=1e-12)
        assert np.allclose(model.score(theta), built.score(theta), rtol=1e-8, atol=1e-8)
    gated = CellRNN(y, cell=cells.Cell("gru"), k_hidden=1)
    assert gated.param_names == GRU(y, k_hidden=1).param_names
    assert "mine" in repr(cell) and "tanh" in repr(own)


def test_chart_of_a_large_network() -> None:
    model = LSTM(series(), inputs(), k_hidden=32, skip=True)
    k = model.layout.k_params
    rng = np.random.default_rng(0)
    phi, gradient = rng.standard_normal(k), rng.standard_normal(k)
    theta = model.chart.to_natural(phi)
    assert np.allclose(model.chart.to_standard(theta), phi, atol=1e-12)
    jacobian = model.chart.jacobian()
    assert jacobian.nnz < 2 * k  # sparse
    # theta(phi) is affine: a difference is its derivative
    assert np.allclose(
        model.chart.to_natural(phi + gradient) - theta, jacobian @ gradient, atol=1e-9
    )
    assert np.allclose(jacobian.T @ model.chart.pull(gradient), gradient, atol=1e-9)
    stacked = np.stack([gradient, phi])
    assert np.array_equal(model.chart.pull(stacked)[0], model.chart.pull(gradient))
    weights = ~np.isin(np.array(model.layout.groups), ["b_y", "obs_cov"])
    assert np.array_equal(model.chart.penalised[model.chart.place], weights)


def test_ridge_is_the_curvature_of_the_penalty() -> None:
    model = ElmanRNN(series(), inputs(), skip=True, penalty=2.5)
    theta = recurrent_cases.point(model, np.random.default_rng(0))

    def penalty(at: np.ndarray) -> float:
        phi = model.chart.to_standard(at)[model.chart.penalised]
        return 0.5 * 2.5 * float(phi @ phi)

    a, b = np.random.default_rng(1).standard_normal((2, len(theta)))
    bent = penalty(theta + a + b) - penalty(theta + a) - penalty(theta + b) + penalty(theta)
    assert a @ model.ridge() @ b == pytest.approx(bent, rel=1e-6)
    assert model._with_penalty(1.0).penalty == 1.0
    assert model.loglike(theta) == model._with_penalty(0.0).loglike(theta)


@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({"k_hidden": 0}, SpecificationError, "must be at least 1; got 0. A model without"),
        ({"k_hidden": (2, 1), "n_layers": 3}, SpecificationError, "one number a layer"),
        ({"k_hidden": 1.5}, SpecificationError, "must be a whole number"),
        ({"y_lags": -1}, SpecificationError, "y_lags must be at least 0"),
        ({"y_lags": 0}, SpecificationError, "something to read; got y_lags=0 without exog"),
        ({"y_lags": 40}, DataError, "more rows than y_lags=40; got 40. Use fewer lags"),
        ({"head": "normal"}, SpecificationError, "head must be one of 'gaussian'"),
        ({"head": "poisson"}, DataError, r"must hold counts"),
        ({"head": "bernoulli"}, DataError, "0 or 1"),
        ({"head": "binomial"}, SpecificationError, "needs the number of trials"),
        ({"head": {"family": "gaussian", "trials": 2}}, SpecificationError, "takes no options"),
        ({"head": {"family": "categorical", "levels": "ab"}}, SpecificationError, "levels must"),
        ({"state_noise": True}, SpecificationError, "is LinearRNN"),
        ({"filter": "kf"}, SpecificationError, "filter must be one of 'ekf'"),
        ({"skip": 1}, SpecificationError, "skip must be True or False"),
        ({"initial": "stationery"}, SpecificationError, "Did you mean 'stationary'"),
        ({"penalty": -1.0}, SpecificationError, "penalty must be at least 0; got -1. 0 is none"),
        ({"presample": "drop"}, SpecificationError, "presample must be one of"),
        ({"activation": "Tanh"}, SpecificationError, "Did you mean 'tanh'"),
        ({"activation": 3}, SpecificationError, "or a function of NumPy arrays; got 3"),
        ({"activation": np.sqrt}, SpecificationError, "elementwise and analytic"),
        ({"activation": np.abs}, SpecificationError, "elementwise and analytic"),
        ({"activation": np.sum}, SpecificationError, "elementwise and analytic"),
        ({"activation": np.sign}, SpecificationError, "elementwise and analytic"),
        ({"groups": [1, 2]}, DataError, "one label for each of the 40 rows"),
    ],
)  # fmt: skip
def test_refusals_name_caller_rule_value_and_way_out(
    arguments: dict[str, Any], error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words) as caught:
        ElmanRNN(series(), **arguments)
    message = str(caught.value)
    assert message.startswith("ElmanRNN") and "; got" in message


def test_further_refusals() -> None:
    y = series()
    with pytest.raises(SpecificationError, match="GRU: reset must be one of 'after', 'before'"):
        GRU(y, reset="during")
    with pytest.raises(SpecificationError, match="LSTM: peephole must be True or False"):
        LSTM(y, peephole=1)
    with pytest.raises(SpecificationError, match="PythonCell"):
        CellRNN(y, cell=np.tanh)
    with pytest.raises(SpecificationError, match="'categorical' is for one output; got 2"):
        GRU(pd.DataFrame({"u": list("abab"), "v": list("aabb")}), head="categorical")
    with pytest.raises(DataError, match="at least two categories"):
        GRU(pd.Series(["a"] * 9), head="categorical")
    with pytest.raises(DataError, match=r"For categories use head='categorical'\."):
        GRU(pd.Series(list("abab")))
    with pytest.raises(DataError, match="missing"):
        x = inputs()
        x.iloc[3, 0] = np.nan
        GRU(y, x)
    model = GRU(y, inputs())
    with pytest.raises(SpecificationError, match="clone: the model has inputs a, b; got no exog"):
        model.clone(y)
    with pytest.raises(SpecificationError, match="so the categories must be given"):
        GRU(GRU(np.array(["a", "b"] * 9), head="categorical").endog, head="categorical")


def test_too_little_data_is_refused_by_the_rows_of_the_likelihood() -> None:
    y = series(12)[:, 0]
    y[[3, 4]] = np.nan  # ten values, of which two are conditioned on: eight
    model = ElmanRNN(y, k_hidden=1, y_lags=2)
    assert model.layout.k_free == 7
    model._check_estimable()
    with pytest.raises(DataError, match=r"got 8 values and 8 parameters\. Use fewer hidden units"):
        ElmanRNN(y, k_hidden=1, y_lags=2, initial="estimated")._check_estimable()
    flat = np.r_[1.0, 2.0, np.full(30, 3.0)]
    with pytest.raises(
        DataError, match="must vary in the rows that are fitted; got only the value"
    ):
        ElmanRNN(flat, k_hidden=1, y_lags=2)._check_estimable()


@pytest.mark.parametrize("unit", [1e-150, 1e150])
def test_outputs_beyond_the_range_of_squares_are_refused(unit) -> None:
    y = series(60)[:, :1] * unit
    with pytest.raises(DataError, match=r"between 1e-30 and 1e\+30 in size; got .* other units"):
        ElmanRNN(y, k_hidden=1).fit()


def test_outputs_that_add_up_are_refused_where_their_joint_law_is_estimated() -> None:
    y = series(60)[:, :1]
    both = np.column_stack([y, 2.0 - 3.0 * y])
    both[5, 0] = np.nan
    with pytest.raises(DataError, match=r"ElmanRNN: .*combinations.*got one of y1, y2\. Leave"):
        ElmanRNN(both, k_hidden=1).fit()
    # with a covariance that is given, or without one, the likelihood has a bound
    held = dict(zip(("obs_cov[y1,y1]", "obs_cov[y2,y1]", "obs_cov[y2,y2]"), (1, 0, 9), strict=True))
    found = ElmanRNN(both, k_hidden=1, fixed=held).fit(n_starts=2, cov_type="none")
    assert np.isfinite(found.llf) and found.convergence.converged
    pair = series(60, 2)
    three = np.column_stack([pair, pair.sum(axis=1)])
    names = ElmanRNN(three, k_hidden=1).head.names
    held = {name: float(value) for name, value in zip(names, (4, 0, 4, 0, 0, 9), strict=True)}
    found = ElmanRNN(three, k_hidden=1, fixed=held).fit(n_starts=4, cov_type="none")
    assert np.isfinite(found.llf) and found.convergence.converged
    ElmanRNN(both, k_hidden=1, head="student-t")._check_estimable()


def test_starts_come_from_the_data_and_calm_down_towards_rest() -> None:
    model = GRU(series(), inputs(), k_hidden=1, fixed={"W_h_reset[h1,h1]": 0.5})
    start = model.start_params
    assert tuple(start.index) == model.param_names and start["W_h_reset[h1,h1]"] == 0.5
    assert np.isfinite(model.loglike(start))
    theta = recurrent_cases.point(model, np.random.default_rng(0))
    theta = model.layout.expand(model.layout.reduce(theta))
    for _ in range(60):
        theta = model._towards_rest(theta)
    phi = model.chart.to_standard(theta)[model.chart.penalised]
    assert np.count_nonzero(np.abs(phi) > 1e-3) == 1 and theta[0] == 0.5  # what is fixed stays
