"""Estimates with inference: covariances, criteria, summary, what is refused."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.differences import hessian_from_score
from rnnstats.models.linear import LinearRNN
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults


@pytest.fixture(scope="module")
def res():
    return MarkovRNN(datasets.earthquakes(), emission="poisson", k_regimes=2).fit()


def test_standard_errors_published(res):
    """H01 of the reference cases: observed information at the maximum, computed elsewhere."""
    known = {
        "mean[earthquakes,h1]": 0.7025607169,
        "mean[earthquakes,h2]": 1.3601196340,
        "p[h1->h1]": 0.0354221724,
        "p[h2->h1]": 0.0637730182,
    }
    for name, error in known.items():
        assert res.bse[name] == pytest.approx(error, rel=1e-5)  # both by differences


def test_covariances_are_what_they_say(res):
    model, theta = res.model, res.params.to_numpy()
    bread = np.linalg.inv(-hessian_from_score(model.score, theta))
    rows = model.score_obs(theta)
    meat = rows.T @ rows
    wanted = {
        "oim": bread,
        "opg": np.linalg.inv(meat),
        "robust": bread @ meat @ bread,
        "hac": None,
    }
    for kind, matrix in wanted.items():
        found = res.with_cov(kind, {"maxlags": 3} if kind == "hac" else None).cov_params()
        assert list(found.index) == list(found.columns) == list(model.param_names)
        if matrix is not None:
            np.testing.assert_allclose(found, matrix, rtol=1e-7, atol=1e-14)
    groups = np.repeat(np.arange(27), 4)[:107]
    sums = np.array([rows[groups == g].sum(axis=0) for g in range(27)])
    cluster = res.cov_params("cluster", groups=groups, correction=False)
    np.testing.assert_allclose(cluster, bread @ sums.T @ sums @ bread, rtol=1e-7, atol=1e-14)
    assert res.with_cov("none").bse.isna().all()


def test_fewer_clusters_than_parameters_are_told(res):
    few = res.with_cov("cluster", {"groups": np.arange(107) // 36})
    with pytest.warns(ConvergenceWarning, match="3 clusters give a matrix of rank <= 3 .* 4 free"):
        values = np.linalg.eigvalsh(few.covariance.cov)
    assert (values > 1e-9 * values[-1]).sum() <= 3
    assert "rank <= 3" in " ".join(str(few.summary()).split())
    five = res.with_cov("cluster", {"groups": np.arange(107) // 22})
    assert five.covariance.message == ""


@pytest.mark.parametrize("kind", ["approx", "robust_approx"])
def test_kinds_without_expected_information_are_refused(res, kind):
    words = "no expected information in closed form"
    with pytest.raises(SpecificationError, match=f"with_cov: .*{words}; got cov_type='{kind}'"):
        res.with_cov(kind)
    with pytest.raises(SpecificationError, match=words):
        MarkovResults.from_fit(res.model, res.params, cov_type=kind)
    with pytest.raises(SpecificationError, match=f"^MarkovRNN.fit: .*{words}"):
        res.model.fit(cov_type=kind)
    with pytest.raises(SpecificationError, match=words):
        res.compare_covariances(("oim", kind), nboot=0)


def test_criteria_and_counts(res):
    assert (res.df_model, res.nobs, res.nobs_diffuse, res.k_diffuse_states) == (4, 107, 0, 0)
    assert res.llf == pytest.approx(res.model.loglike(res.params), abs=1e-10)
    assert res.aic == pytest.approx(692.6365335761177, abs=1e-6)  # H01
    assert res.bic == pytest.approx(703.3278489139653, abs=1e-6)
    assert res.llf_obs.sum() == pytest.approx(res.llf)
    lagged = case("lagged")
    assert lagged.nobs == 58
    assert lagged.bic == pytest.approx(-2 * lagged.llf + np.log(58) * 6)


def test_summary_names_the_structure(res):
    text = str(res.summary())
    for words in ("Hidden Markov", "Regimes:", "poisson", "Switching:", "trend", "stationary"):
        assert words in text
    assert "variance" not in text.split("Date:")[0].split("Switching:")[1].split("\n")[0]
    assert "Form:" not in text
    assert "Sequences:" not in text
    assert "identified: rank 4 of 4" in text
    several = case("sequences").with_cov("opg")
    text = str(several.summary())
    assert "Sequences:" in text
    assert "gaussian (rt), bernoulli (cor" in text
    text = str(case("lagged").with_cov("opg").summary())
    assert "1, intercept form" in text
    driven = " ".join(str(case("driven").with_cov("opg").summary()).split())
    assert "Transitions:" in driven
    assert "Durations are means over rows of 1 / (1 - p)" in driven
    assert "Durations are means" not in text


def test_names_without_sense_explain_themselves(res):
    for name in ("fevd", "to_varma", "gates", "to_birnn", "observation_weights"):
        with pytest.raises(AttributeError, match=rf"MarkovResults.{name}: .+ ([Uu]se |See )"):
            getattr(res, name)
        assert not hasattr(res, name)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = res.nonsense


def test_given_parameters_are_checked(res):
    with pytest.raises(SpecificationError, match="params must be 4 finite numbers"):
        at(res.model, [0.9, 0.1, 15.0])
    by_name = pd.Series({"mean[earthquakes,h2]": 26.0, "mean[earthquakes,h1]": 15.0})
    by_name = pd.concat([by_name, pd.Series({"p[h2->h1]": 0.1, "p[h1->h1]": 0.9})])
    found = MarkovResults.from_fit(res.model, by_name)
    np.testing.assert_array_equal(found.params, [0.9, 0.1, 15.0, 26.0])
    with pytest.raises(SpecificationError, match="were given, not estimated"):
        found.compare_covariances()


def test_results_survive_pickling(res):
    again = pickle.loads(pickle.dumps(res))
    pd.testing.assert_series_equal(again.params, res.params)
    np.testing.assert_array_equal(again.bse, res.bse)
    pd.testing.assert_frame_equal(again.smoothed_state, res.smoothed_state)


# Tests and functions ------------------------------------------------------------------------------


def test_hypotheses_and_functions(res):
    gap = res.delta_method("mean[earthquakes,h2] - mean[earthquakes,h1]")
    t = res.t_test("mean[earthquakes,h2] - mean[earthquakes,h1] = 0")
    assert gap["std err"].iloc[0] == pytest.approx(float(t.sd.squeeze()), rel=1e-12)
    numeric = res.delta_method(lambda p: p["mean[earthquakes,h2]"] - p["mean[earthquakes,h1]"])
    assert numeric["std err"].iloc[0] == pytest.approx(gap["std err"].iloc[0], rel=1e-9)
    wald = res.wald_test("p[h1->h1] = p[h2->h1]")
    assert wald.pvalue < 1e-6


def test_profiles_end_where_the_constrained_maximum_has_fallen(res):
    found = res.profile_conf_int(["mean[earthquakes,h1]", "p[h1->h1]"])
    for name in found.frame.index:
        for end in ("lower", "upper"):
            value = found.frame.loc[name, end]
            held = res.model.with_fixed({name: value}).fit(start_params=res.params)
            # the ends are found to 1e-4 of a signed root of about 2
            assert 2 * (res.llf - held.llf) == pytest.approx(3.841459, abs=2e-3)
    assert 0 < found.frame.loc["p[h1->h1]", "lower"]
    assert found.frame.loc["p[h1->h1]", "upper"] < 1


# Likelihood ratios --------------------------------------------------------------------------------


def _fit(**options):
    y = case("normal").model.endog
    series = pd.Series(y.values[:, 0], index=y.index, name="y")
    return MarkovRNN(series, **options).fit(n_starts=4)


def test_common_variance_within_switching_ones():
    small, large = _fit(switching="trend"), _fit()
    test = large.lr_test(small)
    assert test.df == 1
    assert test.note == ""
    assert test.statistic == pytest.approx(2 * (large.llf - small.llf), abs=1e-10)
    assert small.lr_test(large).pvalue == test.pvalue
    equal = large.model.with_fixed({"obs_cov[y,y,h2]": "obs_cov[y,y,h1]"}).fit(n_starts=4)
    assert large.lr_test(equal).statistic == pytest.approx(test.statistic, abs=1e-5)
    assert equal.llf == pytest.approx(small.llf, abs=1e-6)


def test_inputs_of_transitions_within_constant_probabilities():
    model = case("driven").model
    y, x = pd.Series(model.endog.values[:, 0], name="y"), model.exog_transition.values
    small = MarkovRNN(y, switching="trend").fit(n_starts=4)
    large = MarkovRNN(y, switching="trend", exog_transition=x).fit(n_starts=4)
    test = large.lr_test(small)
    assert (test.df, test.note) == (2, "")


def test_hypotheses_on_the_boundary_say_so():
    free = MarkovRNN(datasets.earthquakes(), emission="poisson", k_regimes=3).fit()
    known = free.model.with_fixed({"p[h1->h3]": 0.0}).fit(start_params=None)
    test = free.lr_test(known)
    assert test.df == 1
    assert "p[h1->h3] = 0" in test.note


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"k_regimes": 3}, "same number of regimes; got 2 regimes and 3 regimes.*select_regimes"),
        ({"k_regimes": 1}, "got 1 regime and 2 regimes"),
        ({"start": "free"}, "treat the start alike; got start='stationary' and 'free'"),
        ({"order": 1}, "those of the same rows; got 120 and 119"),
    ],
)
def test_likelihoods_that_cannot_be_compared(options, words):
    base, other = _fit(), _fit(**options)
    with pytest.raises(SpecificationError, match=words):
        base.lr_test(other)


def test_a_linear_model_is_no_model_with_regimes():
    y = case("normal").model.endog.values[:, 0]
    base = _fit()
    linear = LinearRNN(pd.Series(y, index=base.model.endog.index, name="y"), k_states=1).fit()
    for one, two in ((base, linear), (linear, base)):
        with pytest.raises(SpecificationError, match=r"linear state.*select_regimes"):
            one.lr_test(two)


def test_models_that_are_not_nested_are_refused():
    rng = np.random.default_rng(3)
    endog = case("normal").model.endog
    y = pd.Series(endog.values[:, 0], index=endog.index, name="y")
    x = pd.DataFrame({"x": rng.standard_normal(120)}, index=endog.index)
    with_x = MarkovRNN(y, x, switching="trend").fit(n_starts=4)
    without = MarkovRNN(y).fit(n_starts=4)
    assert with_x.df_model == without.df_model
    with pytest.raises(SpecificationError, match="fewer free parameters"):
        with_x.lr_test(without)
    larger = MarkovRNN(y, x).fit(n_starts=4)
    assert larger.lr_test(with_x).note == ""
    fewer = MarkovRNN(y, x, switching="trend", fixed={"p[h1->h1]": 0.9}).fit(n_starts=4)
    with pytest.raises(SpecificationError, match="input x in the smaller one only"):
        without.lr_test(fewer)
    held = MarkovRNN(y, fixed={"V[y,h1]": 0.0}).fit(n_starts=4)
    plain = MarkovRNN(y, switching="trend", fixed={"V[y,h1]": 1.0, "p[h1->h1]": 0.9}).fit(
        n_starts=4
    )
    with pytest.raises(SpecificationError, match=r"restrictions of the larger one on V\[y,h1\]"):
        held.lr_test(plain)
