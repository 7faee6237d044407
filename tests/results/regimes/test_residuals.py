"""One-step-ahead predictions, their errors, and normal scores."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.regimes.markov_cases import at, case
from scipy import stats

from rnnstats.models.markov import MarkovRNN
from rnnstats.results.regimes.inference.refitting import RegimeSampler, moved
from rnnstats.results.regimes.residuals import expanded_values


def _mixture(res, function):
    """Average of a function of the regime's mean and variance over predicted probabilities."""
    p, shares = res.params, res.predicted_marginal_probabilities.to_numpy()
    parts = [
        function(p[f"V[y,{h}]"], p.get(f"obs_cov[y,y,{h}]", p.get("obs_cov[y,y]")))
        for h in res.model.regime_names
    ]
    return sum(shares[:, j] * parts[j] for j in range(len(parts)))


def test_of_a_normal_mixture_by_hand():
    res = case("normal")
    y = res.model.endog.values[:, 0]
    mean = _mixture(res, lambda m, v: m)
    np.testing.assert_allclose(res.fittedvalues, mean, rtol=1e-13)
    variance = _mixture(res, lambda m, v: v + m**2) - mean**2
    np.testing.assert_allclose(res.standardized_resid, (y - mean) / np.sqrt(variance), rtol=1e-10)
    share = _mixture(res, lambda m, v: stats.norm.cdf(y, m, np.sqrt(v)))
    np.testing.assert_allclose(res.quantile_residuals(), stats.norm.ppf(share), rtol=1e-9)
    missing = np.isnan(y)
    assert res.quantile_residuals().isna().to_numpy().tolist() == missing.tolist()
    assert res.fittedvalues.notna().all()


def test_one_regime_has_the_same_residuals_all_round():
    y = np.random.default_rng(2).standard_normal(50)
    res = at(MarkovRNN(y, k_regimes=1), [0.2, 1.3])
    np.testing.assert_allclose(res.resid, y - 0.2, rtol=1e-14)
    np.testing.assert_allclose(res.quantile_residuals(), res.standardized_resid, atol=1e-9)
    np.testing.assert_allclose(res.standardized_resid, (y - 0.2) / np.sqrt(1.3), rtol=1e-13)


def test_later_elements_of_a_row_are_taken_given_the_earlier_ones():
    res = case("pair")
    y, p = res.model.endog.values, res.params
    shares = res.predicted_marginal_probabilities.to_numpy()
    names = res.model.regime_names
    first = [stats.norm(p[f"V[a,{h}]"], np.sqrt(p[f"obs_cov[a,a,{h}]"])) for h in names]
    low = sum(shares[:, j] * law.cdf(y[:, 0]) for j, law in enumerate(first))
    found = res.quantile_residuals()
    np.testing.assert_allclose(found["a"], stats.norm.ppf(low), atol=1e-9)
    seen = np.isfinite(y[:, 0])
    weight = shares * np.stack([np.where(seen, law.pdf(y[:, 0]), 1.0) for law in first], axis=1)
    weight /= weight.sum(axis=1, keepdims=True)
    total = np.zeros(len(y))
    for j, h in enumerate(names):
        aa, ba, bb = (p[f"obs_cov[{pair},{h}]"] for pair in ("a,a", "b,a", "b,b"))
        gap = np.where(seen, y[:, 0] - p[f"V[a,{h}]"], 0.0)
        centre = p[f"V[b,{h}]"] + ba / aa * gap
        spread = np.where(seen, bb - ba**2 / aa, bb)
        total += weight[:, j] * stats.norm.cdf(y[:, 1], centre, np.sqrt(spread))
    np.testing.assert_allclose(found["b"], stats.norm.ppf(total), atol=1e-8)


def test_counts_lie_at_random_within_their_step():
    res = case("earthquakes")
    y = res.model.endog.values[:, 0]
    shares = res.predicted_marginal_probabilities.to_numpy()
    rates = res.params[["mean[earthquakes,h1]", "mean[earthquakes,h2]"]].to_numpy()
    ends = [(shares * stats.poisson.cdf(y[:, None] - low, rates)).sum(axis=1) for low in (1, 0)]
    found = stats.norm.cdf(res.quantile_residuals())
    assert (found >= ends[0] - 1e-12).all()
    assert (found <= ends[1] + 1e-12).all()
    place = (found - ends[0]) / (ends[1] - ends[0])
    assert stats.kstest(place, "uniform").pvalue > 0.01
    pd.testing.assert_series_equal(res.quantile_residuals(), res.quantile_residuals())
    assert not np.allclose(res.quantile_residuals(rng=1), res.quantile_residuals())
    np.testing.assert_array_equal(res.quantile_residuals(rng=1), res.quantile_residuals(rng=1))


def test_categories_come_as_indicators():
    res = case("words")
    names = ["y=low", "y=mid", "y=high"]
    fitted, resid = res.fittedvalues, res.resid
    assert list(fitted.columns) == list(resid.columns) == names
    np.testing.assert_allclose(fitted.sum(axis=1), 1.0, rtol=1e-13)
    codes = res.model.endog.values[:, 0].astype(int)
    np.testing.assert_allclose(fitted.to_numpy() + resid.to_numpy(), np.eye(3)[codes], atol=1e-15)
    share = fitted.to_numpy()
    np.testing.assert_allclose(
        res.standardized_resid, resid.to_numpy() / np.sqrt(share * (1 - share)), rtol=1e-10
    )
    assert res.quantile_residuals().name == "quantile_residuals"
    assert list(res.test_normality().index) == ["y"]


def test_indicators_of_missing_categories_are_missing():
    found = expanded_values(np.array([[1.0, 5.0], [np.nan, 6.0]]), [("a", "b"), None])
    np.testing.assert_array_equal(found, [[0.0, 1.0, 5.0], [np.nan, np.nan, 6.0]])


@pytest.mark.parametrize("name", ["normal", "sequences", "lagged", "driven"])
def test_nothing_uses_the_future(name):
    res = case(name)
    model = res.model
    values = np.array(model.endog.values)
    cut = model.nobs - 5
    values[cut:] = np.where(values[cut:] == 1.0, 0.0, values[cut:] + (values[cut:] != 0.0))
    other = at(MarkovRNN(**_arguments(model, values)), res.params)
    for attribute in ("fittedvalues", "resid", "standardized_resid"):
        one, two = (pd.DataFrame(getattr(r, attribute)).to_numpy()[: cut + 1] for r in (res, other))
        np.testing.assert_array_equal(one[:cut], two[:cut])
        if attribute == "fittedvalues":
            np.testing.assert_array_equal(one[cut], two[cut])
    one, two = (pd.DataFrame(r.quantile_residuals()).to_numpy()[:cut] for r in (res, other))
    np.testing.assert_array_equal(one, two)


def _arguments(model, values):
    """A model's own arguments, with other outputs."""
    groups = np.repeat(np.arange(len(model.offsets) - 1), np.diff(model.offsets))
    return {
        "endog": pd.DataFrame(values, columns=list(model.endog.names)),
        "emission": model.emission,
        "exog_transition": None if model.exog_transition is None else model.exog_transition.values,
        "order": model.order,
        "switching": model.switching,
        "groups": groups,
    }


def test_rows_conditioned_on_are_blank_and_not_tested():
    res = case("lagged")
    assert res.nobs == res.model.nobs - 2
    blank = res.fittedvalues.isna().to_numpy()
    assert np.flatnonzero(blank).tolist() == [0, 35]
    assert (res.llf_obs.to_numpy()[blank] == 0.0).all()
    tested = res.quantile_residuals().dropna().to_numpy()
    assert res.test_normality()["kurtosis"].iloc[0] == pytest.approx(stats.kurtosis(tested) + 3)
    assert res.test_serial_correlation(lags=1)["statistic"].notna().all()


def test_standardized_errors_have_the_right_moments_under_the_model():
    """20000 rows drawn from the model: moments to four standard errors of their estimates."""
    rng = np.random.default_rng(8)
    n = 20000
    regimes = np.zeros(n, dtype=int)
    stay = rng.random(n) < 0.9
    for t in range(1, n):
        regimes[t] = regimes[t - 1] if stay[t] else 1 - regimes[t - 1]
    y = np.where(regimes, 2.0, 0.0) + np.where(regimes, 0.5, 1.0) * rng.standard_normal(n)
    model = MarkovRNN(y)
    right = at(model, [0.9, 0.1, 0.0, 2.0, 1.0, 0.25])
    scores = right.quantile_residuals()
    assert stats.kstest(scores, "norm").pvalue > 0.01
    assert right.test_serial_correlation(lags=5)["pvalue"].iloc[-1] > 0.01
    scaled = right.standardized_resid
    assert abs(scaled.mean()) < 4 / np.sqrt(n)
    assert abs(scaled.var() - 1) < 4 * np.sqrt((stats.kurtosis(scaled) + 2) / n)
    assert right.test_normality()["pvalue"].iloc[0] > 0.01
    # it is a mixture, so not normal itself; and a wrong model is seen
    assert stats.jarque_bera(scaled).pvalue < 1e-6
    wrong = at(model, [0.5, 0.5, 0.0, 2.0, 1.0, 0.25])
    assert wrong.test_serial_correlation(lags=1)["pvalue"].iloc[0] < 1e-6
    wrong = at(model, [0.9, 0.1, 0.0, 2.0, 1.0, 1.0])
    assert wrong.test_normality()["pvalue"].iloc[0] < 1e-6


def test_diagnostic_picture_says_which_residuals():
    import matplotlib.pyplot as plt

    fig = case("sequences").plot_diagnostics("correct")
    assert fig.axes[0].get_title(loc="left").startswith("Quantile residuals of correct")
    plt.close(fig)


# Every family --------------------------------------------------------------------------------

ROWS = 1500
CHAIN = {"p[h1->h1]": 0.9, "p[h2->h1]": 0.2}
SPREAD = {"obs_cov[y,y]": 0.5}
FAMILIES = {
    "student-t": (
        "normal", {"emission": "student-t"},
        {"V[y,h1]": 0.0, "V[y,h2]": 3.0, "scale2[y,h1]": 1.0, "scale2[y,h2]": 0.3,
         "df[y,h1]": 4.0, "df[y,h2]": 6.0},
    ),
    "poisson": ("counts", {"emission": "poisson"}, {"mean[y,h1]": 1.5, "mean[y,h2]": 8.0}),
    "negative-binomial": (
        "counts", {"emission": "negative-binomial"},
        {"mean[y,h1]": 2.0, "mean[y,h2]": 9.0, "dispersion[y,h1]": 0.5, "dispersion[y,h2]": 0.1},
    ),
    "binomial": (
        "counts", {"emission": {"family": "binomial", "trials": 12}},
        {"prob[y,h1]": 0.2, "prob[y,h2]": 0.7},
    ),
    "bernoulli": ("signs", {"emission": "bernoulli"}, {"prob[y,h1]": 0.2, "prob[y,h2]": 0.9}),
    "categorical": (
        "signs", {"emission": "categorical"}, {"prob[y=0,h1]": 0.2, "prob[y=0,h2]": 0.9},
    ),
    "gamma": (
        "positive", {"emission": "gamma"},
        {"mean[y,h1]": 1.0, "mean[y,h2]": 6.0, "shape[y,h1]": 2.0, "shape[y,h2]": 9.0},
    ),
    "lags, intercept": (
        "normal", {"order": 2, "switching": "trend"},
        {"V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.5, "ar2[y,y]": -0.2} | SPREAD,
    ),
    "lags, mean": (
        "normal", {"order": 2, "switching": "trend", "ar_form": "mean"},
        {"V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.5, "ar2[y,y]": -0.2} | SPREAD,
    ),
    "vector": (
        "vector", {"order": 1, "switching": ("trend", "ar")},
        {"V[a,h1]": -1.0, "V[a,h2]": 1.0, "V[b,h1]": 0.0, "V[b,h2]": 2.0,
         "ar1[a,a,h1]": 0.5, "ar1[a,b,h1]": 0.1, "ar1[b,a,h1]": -0.2, "ar1[b,b,h1]": 0.3,
         "ar1[a,a,h2]": 0.2, "ar1[a,b,h2]": 0.0, "ar1[b,a,h2]": 0.3, "ar1[b,b,h2]": 0.4,
         "obs_cov[a,a]": 1.0, "obs_cov[b,a]": -0.6, "obs_cov[b,b]": 0.8},
    ),
}  # fmt: skip


def _placeholder(kind):
    """Data that are allowed, to build a model from which others are drawn."""
    rng = np.random.default_rng(0)
    values = {
        "normal": rng.standard_normal(ROWS),
        "counts": rng.poisson(4.0, ROWS).astype(float),
        "signs": (rng.random(ROWS) < 0.5).astype(float),
        "positive": rng.gamma(2.0, 1.0, ROWS),
    }
    if kind == "vector":
        return pd.DataFrame(rng.standard_normal((ROWS, 2)), columns=["a", "b"])
    found = np.minimum(values[kind], 12.0) if kind == "counts" else values[kind]
    return pd.Series(found, name="y")


@pytest.mark.slow
@pytest.mark.statistical
def test_jarque_bera_is_conservative_after_a_fit():
    """150 samples of 200 rows: about 0.7 % rejections at 5 %; more than 3.5 % once in 1e5."""
    model = MarkovRNN(pd.Series(np.zeros(200), name="y"))
    theta, rejected = np.array([0.9, 0.1, 0.0, 3.0, 1.0, 2.25]), 0
    rng = np.random.default_rng(0)
    for _ in range(150):
        res = moved(model, RegimeSampler(model, theta).one(rng)).fit(cov_type="none")
        rejected += res.test_normality()["pvalue"].iloc[0] < 0.05
    assert rejected <= 5


@pytest.mark.parametrize("name", list(FAMILIES))
def test_scores_are_independent_normals_under_the_model(name):
    kind, options, values = FAMILIES[name]
    model = MarkovRNN(_placeholder(kind), **options)
    theta = np.array([(CHAIN | values)[key] for key in model.param_names])
    sample = RegimeSampler(model, theta).one(np.random.default_rng(11))
    res = at(moved(model, sample), theta)
    scores = pd.DataFrame(res.quantile_residuals()).dropna()
    assert len(scores) == ROWS - model.order
    for column in scores:
        # a fixed draw; a true model fails one time in a thousand
        assert stats.kstest(scores[column], "norm").pvalue > 1e-3
    assert (res.test_serial_correlation(lags=[5])["pvalue"] > 1e-3).all()
    if len(scores.columns) == 2:
        assert abs(np.corrcoef(scores.T)[0, 1]) < 3.3 / np.sqrt(ROWS)
    wrong = theta.copy()
    wrong[:2] = wrong[1::-1]
    other = pd.DataFrame(at(res.model, wrong).quantile_residuals()).dropna()
    assert not np.allclose(other, scores)
