"""Steps between regimes: probabilities, durations, the stationary law, with their intervals."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case
from scipy import special, stats

from rnnstats import datasets
from rnnstats.errors import SpecificationError
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.regimes.states.transition import stationary_law

STAY, BACK = "p[h1->h1]", "p[h2->h1]"
LOW, HIGH = "[0.025", "0.975]"


@pytest.fixture(scope="module")
def res():
    return case("earthquakes")


def test_all_entries_have_delta_method_errors(res):
    table = res.transition_table()
    formulas = [STAY, f"1 - {STAY}", BACK, f"1 - {BACK}"]
    exact = res.delta_method(formulas)
    np.testing.assert_allclose(table["estimate"], exact["estimate"], rtol=1e-14)
    np.testing.assert_allclose(table["std err"], exact["std err"], rtol=1e-12)
    assert list(table.index) == [("h1", "h1"), ("h1", "h2"), ("h2", "h1"), ("h2", "h2")]
    np.testing.assert_allclose(res.transition.to_numpy().ravel(), table["estimate"])
    np.testing.assert_allclose(res.transition.sum(axis=1), 1.0, rtol=1e-15)


def test_intervals_are_symmetric_logits(res):
    table = res.transition_table()
    logit = special.logit(table[["estimate", LOW, HIGH]])
    middle = 0.5 * (logit[LOW] + logit[HIGH])
    np.testing.assert_allclose(middle, logit["estimate"], rtol=1e-12)
    share = table["estimate"]
    half = stats.norm.ppf(0.975) * table["std err"] / (share * (1 - share))
    np.testing.assert_allclose(logit[HIGH] - logit["estimate"], half, rtol=1e-12)
    wide, narrow = res.transition_table(0.01), res.transition_table(0.5)
    assert (wide.iloc[:, 3] > table[HIGH]).all()
    assert (narrow.iloc[:, 3] < table[HIGH]).all()
    # what one entry says its complement says, too
    np.testing.assert_allclose(table.loc[("h1", "h1"), LOW], 1 - table.loc[("h1", "h2"), HIGH])


def test_durations_and_the_stationary_law_by_formulas(res):
    durations = res.duration_table()
    exact = res.delta_method([f"1 / (1 - {STAY})", f"1 / {BACK}"])
    np.testing.assert_allclose(durations["estimate"], exact["estimate"], rtol=1e-13)
    np.testing.assert_allclose(durations["std err"], exact["std err"], rtol=1e-12)
    np.testing.assert_allclose(res.expected_durations, durations["estimate"], rtol=1e-14)
    # the same interval as that of the probability of staying
    stay = res.transition_table().loc[[("h1", "h1"), ("h2", "h2")]]
    np.testing.assert_allclose(durations[LOW], 1 / (1 - stay[LOW]), rtol=1e-12)
    np.testing.assert_allclose(durations[HIGH], 1 / (1 - stay[HIGH]), rtol=1e-12)
    law = res.stationary_table()
    share = f"{BACK} / (1 - {STAY} + {BACK})"
    exact = res.delta_method([share, f"1 - {share}"])
    np.testing.assert_allclose(law["estimate"], exact["estimate"], rtol=1e-13)
    np.testing.assert_allclose(law["std err"], exact["std err"], rtol=1e-11)
    np.testing.assert_allclose(res.stationary_probabilities, law["estimate"], rtol=1e-13)


def test_switches_within_some_rows(res):
    table = res.switch_probability(3)
    exact = res.delta_method([f"1 - {STAY}", f"1 - {STAY} ** 2", f"1 - {STAY} ** 3"])
    np.testing.assert_allclose(table.loc["h1", "estimate"], exact["estimate"], rtol=1e-13)
    np.testing.assert_allclose(table.loc["h1", "std err"], exact["std err"], rtol=1e-12)
    assert (table.loc["h2", "estimate"].diff().dropna() > 0).all()
    with pytest.raises(SpecificationError, match="steps must be at least 1"):
        res.switch_probability(0)


def test_what_is_fixed_or_at_the_edge_has_no_error():
    y = case("normal").model.endog.values[:, 0]
    model = MarkovRNN(y, switching="trend", fixed={STAY: 0.9, BACK: 0.0}, start="uniform")
    res = at(model, [0.9, 0.0, 0.1, 2.8, 2.0], cov_type="opg")
    assert res.expected_durations["h2"] == np.inf
    assert res.transition_table()["std err"].isna().all()
    assert res.duration_table()[["std err", LOW, HIGH]].isna().all().all()
    np.testing.assert_allclose(res.stationary_probabilities, [0.0, 1.0], atol=1e-15)


def test_estimates_at_the_boundary_leave_the_others_theirs():
    free = MarkovRNN(datasets.earthquakes(), emission="poisson", k_regimes=3)
    res = free.fit()
    theta = res.params
    assert theta["p[h3->h1]"] == 0.0  # the maximum lies there, H01 of the published cases
    fixed = MarkovRNN(
        datasets.earthquakes(), emission="poisson", k_regimes=3, fixed={"p[h3->h1]": 0.0}
    )
    known = at(fixed, [theta[name] for name in fixed.param_names])
    assert np.isnan(res.bse["p[h3->h1]"])
    np.testing.assert_allclose(
        res.bse.drop("p[h3->h1]"),
        known.bse.drop("p[h3->h1]"),
        rtol=1e-7,  # differences of a score
    )
    table = res.transition_table()
    np.testing.assert_allclose(table, known.transition_table(), rtol=1e-7)
    assert table.loc[("h3", "h1"), ["std err", LOW, HIGH]].isna().all()
    assert table.loc[("h3", "h3"), "std err"] == table.loc[("h3", "h2"), "std err"]
    assert "At the boundary, without standard errors: p[h3->h1]" in str(res.summary())
    with pytest.raises(SpecificationError, match=r"constraint 0 on p\[h3->h1\], estimated at"):
        res.t_test("p[h3->h1] = 0.1")
    with pytest.raises(SpecificationError, match="fixed or lies at the boundary"):
        res.profile_conf_int("p[h3->h1]")
    assert res.wald_test("p[h3->h1] + p[h3->h2] = 0.5").df_denom == 1


# Inputs -------------------------------------------------------------------------------------------


def _rows(res, x):
    """Transition matrices by the softmax written out."""
    w = res.params
    odds = [np.exp(w[f"W_h[{i}->h1]"] + w[f"W_x[{i}->h1,x]"] * np.asarray(x)) for i in ("h1", "h2")]
    stay = [o / (1 + o) for o in odds]
    return np.stack([np.stack([s, 1 - s], axis=-1) for s in stay], axis=1)


def test_one_matrix_a_row_where_inputs_drive_them():
    res = case("driven")
    x = res.model.exog_transition.values[:, 0]
    exact = _rows(res, x)
    frame = res.transition
    assert frame.index.names[1] == "from"
    assert len(frame) == 2 * res.nobs
    np.testing.assert_allclose(frame.to_numpy().reshape(-1, 2, 2), exact, rtol=1e-13)
    durations = res.expected_durations
    pd.testing.assert_index_equal(durations.index, res.model.endog.index)
    np.testing.assert_allclose(durations["h1"], 1 / (1 - exact[:, 0, 0]), rtol=1e-12)
    law = res.stationary_probabilities.to_numpy()
    np.testing.assert_allclose(np.einsum("ti,tij->tj", law, exact), law, atol=1e-14)


def test_tables_at_given_inputs_and_averages():
    res = case("driven").with_cov("opg")
    x = res.model.exog_transition.values[:, 0]
    at_one = res.transition_table(exog_transition=[0.7])
    np.testing.assert_allclose(at_one["estimate"], _rows(res, [0.7]).ravel(), rtol=1e-13)
    odds = "W_h[h1->h1] + 0.7 * W_x[h1->h1,x]"
    exact = res.delta_method(f"1 / (1 + exp(-({odds})))")
    assert at_one["std err"].iloc[0] == pytest.approx(exact["std err"].iloc[0], rel=1e-10)
    by_name = res.transition_table(exog_transition={"x": 0.7})
    pd.testing.assert_frame_equal(by_name, at_one)
    average = res.transition_table()
    np.testing.assert_allclose(average["estimate"], _rows(res, x[1:]).mean(axis=0).ravel())

    def mean(params):
        weights = params["W_h[h1->h1]"] + params["W_x[h1->h1,x]"] * x[1:]
        return float(special.expit(weights).mean())

    error = res.delta_method(mean)["std err"].iloc[0]
    assert average["std err"].iloc[0] == pytest.approx(error, rel=1e-8)  # differences there
    ahead = res.switch_probability(2, exog_transition=[[0.7], [-0.2]])
    stay = _rows(res, [0.7, -0.2])[:, 0, 0]
    np.testing.assert_allclose(ahead.loc["h1", "estimate"], 1 - np.cumprod(stay), rtol=1e-12)
    spans = res.switch_probability(2)
    both = _rows(res, x)[:, 0, 0]
    wanted = 1 - (both[1:-1] * both[2:]).mean()
    assert spans.loc[("h1", 2), "estimate"] == pytest.approx(wanted, rel=1e-12)

    def within_two(params):
        weights = params["W_h[h1->h1]"] + params["W_x[h1->h1,x]"] * x
        share = special.expit(weights)
        return float(1 - (share[1:-1] * share[2:]).mean())

    error = res.delta_method(within_two)["std err"].iloc[0]
    assert spans.loc[("h1", 2), "std err"] == pytest.approx(error, rel=1e-8)
    for table in (res.duration_table(), res.stationary_table(exog_transition=[0.0])):
        assert (table[LOW] < table["estimate"]).all()
        assert (table["estimate"] < table[HIGH]).all()


def test_one_row_has_the_tables_of_its_inputs():
    res = case("driven")
    y, z = res.model.endog.frame, res.model.exog_transition
    row = pd.DataFrame(z.values[:1], columns=list(z.names), index=y.index[:1])
    one = res.apply(y.iloc[:1], exog_transition=row)
    pd.testing.assert_series_equal(
        one.duration_table()["estimate"], one.expected_durations.iloc[0], check_names=False
    )
    pd.testing.assert_frame_equal(
        one.transition_table(), res.transition_table(exog_transition=row), rtol=1e-12
    )
    assert "Durations" in str(one.summary())
    assert np.isfinite(one.memory().frame["tau"]).all()


def test_inputs_are_checked():
    res = case("driven")
    for wrong, words in (
        ([1.0, 2.0], "must hold finite numbers for x"),
        ([np.nan], "must hold finite numbers for x"),
        ({"z": 1.0}, "must have a value for each of x; got none for x"),
    ):
        with pytest.raises(SpecificationError, match=words):
            res.transition_table(exog_transition=wrong)
    with pytest.raises(SpecificationError, match="one for each of the 3 steps; got 2"):
        res.switch_probability(3, exog_transition=[[0.0], [1.0]])
    with pytest.raises(SpecificationError, match="shorter than the longest sequence"):
        res.switch_probability(100)
    with pytest.raises(SpecificationError, match="goes with a model whose transitions have inputs"):
        case("earthquakes").transition_table(exog_transition=[1.0])


# The stationary law -------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 6])
def test_stationary_law_and_its_derivative(k):
    rng = np.random.default_rng(k)
    matrix = rng.dirichlet(np.ones(k), size=k)
    turn = rng.standard_normal((k, k))
    turn -= turn.mean(axis=1, keepdims=True)
    law, moved = stationary_law(matrix, turn[..., None])
    np.testing.assert_allclose(law @ matrix, law, atol=1e-15)
    step = 1e-5
    ends = [stationary_law(matrix + sign * step * turn)[0] for sign in (1, -1)]
    # central differences: truncation of order step^2, rounding 1e-16 / step
    np.testing.assert_allclose(moved[:, 0], (ends[0] - ends[1]) / (2 * step), atol=1e-8)


def test_stationary_law_of_chains_that_are_caught():
    caught = np.array([[0.5, 0.3, 0.2], [0.0, 0.6, 0.4], [0.0, 0.1, 0.9]])
    law, _ = stationary_law(caught)
    left = stationary_law(np.array([[0.99, 0.01, 0.0], [0.0, 0.98, 0.02], [0, 0, 1.0]]))[0]
    np.testing.assert_array_equal(left, [0.0, 0.0, 1.0])  # exactly: no logit, no standard error
    np.testing.assert_allclose(law, [0.0, 0.2, 0.8], atol=1e-15)
    turning = np.array([[0.0, 1.0], [1.0, 0.0]])
    np.testing.assert_allclose(stationary_law(turning)[0], [0.5, 0.5], atol=1e-15)
    twice = np.array([[1.0, 0.0, 0.0], [0.2, 0.3, 0.5], [0.0, 0.0, 1.0]])
    with pytest.raises(SpecificationError, match="2 sets of regimes that are never left"):
        stationary_law(twice)


def test_stationary_law_of_a_chain_that_hardly_moves():
    """Ways out of 1e-17 are lost in the probabilities of staying, which round to one."""
    law, moved = stationary_law(
        np.array([[1.0, 1e-17], [3e-17, 1.0]]), np.array([[-1.0, 1.0], [0.0, 0.0]])[..., None]
    )
    np.testing.assert_allclose(law, [0.75, 0.25], rtol=1e-14)
    # law_2 = a / (a + b), by a: b / (a + b)^2
    np.testing.assert_allclose(moved[:, 0], np.array([-1.0, 1.0]) * 3e-17 / 4e-17**2, rtol=1e-14)
