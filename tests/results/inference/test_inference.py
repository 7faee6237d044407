"""Functions of the estimates, other covariances, the information-matrix test."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series
from results.inference.inference_cases import arma, arma_fit, noisy_fits
from scipy import stats

from rnnstats import LinearRNN
from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.disagreement import indicators, information_test


@pytest.fixture(scope="module")
def fit():
    return arma_fit()


@pytest.fixture(scope="module")
def noisy():
    return noisy_fits()


# --- delta method ---------------------------------------------------------------------------------


def test_delta_method_is_its_formula(fit):
    gradient = np.array([-1.0, 1.0, 0.0, 0.0])
    exact = np.sqrt(gradient @ fit.cov_params() @ gradient)
    by_text = fit.delta_method("K[h1,y] - W_h[h1,h1]", alpha=0.1)
    by_name = fit.delta_method(lambda p: p["K[h1,y]"] - p["W_h[h1,h1]"], ["ma"], alpha=0.1)
    by_place = fit.delta_method(lambda p: p[1:2] - p[0], labelled=False, alpha=0.1)
    assert list(by_text.columns) == ["estimate", "std err", "z", "P>|z|", "[0.05", "0.95]"]
    assert list(by_text.index) == ["K[h1,y] - W_h[h1,h1]"]
    assert list(by_name.index) == ["ma"]
    for table in (by_text, by_name, by_place):
        row = table.iloc[0]
        assert row["estimate"] == pytest.approx(fit.params["K[h1,y]"] - fit.params["W_h[h1,h1]"])
        assert row["std err"] == pytest.approx(exact, rel=1e-9)
        assert row["z"] == pytest.approx(row["estimate"] / exact, rel=1e-9)
        assert row["P>|z|"] == pytest.approx(2 * stats.norm.sf(abs(row["z"])), rel=1e-7)
        assert row["0.95]"] - row["estimate"] == pytest.approx(1.6448536 * exact, rel=1e-6)


def test_delta_method_of_functions_that_bend(fit):
    """log, exp, sqrt, powers: exact derivatives, and the same by differences."""
    p, v = fit.params, np.diag(fit.cov_params())
    table = fit.delta_method(
        ["log(obs_cov[y,y])", "sqrt(obs_cov[y,y]) * 2", "exp(b_y[y])", "-W_h[h1,h1] ** 2"]
    )
    se = np.sqrt(v)
    exact = [se[3] / p.iloc[3], se[3] / np.sqrt(p.iloc[3]), np.exp(p.iloc[2]) * se[2]]
    np.testing.assert_allclose(table["std err"], [*exact, 2 * p.iloc[0] * se[0]], rtol=1e-12)
    assert table["estimate"].iloc[3] == pytest.approx(-(p.iloc[0] ** 2))

    def same(q):
        s2, phi = q["obs_cov[y,y]"], q["W_h[h1,h1]"]
        return pd.Series(
            {"a": np.log(s2), "b": 2 * s2**0.5, "c": np.exp(q["b_y[y]"]), "d": -(phi**2)}
        )

    again = fit.delta_method(same)
    assert list(again.index) == ["a", "b", "c", "d"]
    np.testing.assert_allclose(again["std err"], table["std err"], rtol=1e-8)


def test_delta_method_of_ties_and_fixed_parameters():
    """V[cpi] = 1 fixed by the form; a tie counts for both of its parameters."""
    endog, _ = series(150, 2)
    tie = {"obs_cov[gdp,gdp]": "obs_cov[cpi,cpi]", "b_y[gdp]": 2.0}
    res = NoisyAR(endog, fixed=tie).fit(start_params=[0.8, 1, 1, 0.5, 0.5, 2, 2.0])
    both = res.delta_method("obs_cov[gdp,gdp] + obs_cov[cpi,cpi], b_y[gdp], b_y[gdp] + b_y[cpi]")
    assert both["std err"].iloc[0] == pytest.approx(2 * res.bse["obs_cov[cpi,cpi]"], rel=1e-12)
    assert np.isnan(both["std err"].iloc[1])
    assert both["std err"].iloc[2] == pytest.approx(res.bse["b_y[cpi]"], rel=1e-12)
    by_call = res.delta_method(lambda p: p["obs_cov[gdp,gdp]"] + p["obs_cov[cpi,cpi]"])
    assert by_call["std err"].iloc[0] == pytest.approx(both["std err"].iloc[0], rel=1e-9)


@pytest.mark.parametrize("kind", ["oim", "approx", "opg", "robust", "hac"])
def test_functions_of_what_is_identified_have_their_standard_error(noisy, kind):
    """Free coordinates: loading and noise variance have none, their product has; others agree."""
    leaky, free = (res.with_cov(kind) for res in noisy)
    assert (free.covariance.rank, free.covariance.k_free) == (4, 5)
    assert free.bse.index[free.bse.isna()].tolist() == ["V[y,h1]", "state_cov[h1,h1]"]
    # the free fit stops within 1e-5 standard errors of the same maximum
    others = leaky.bse.drop("V[y,h1]").to_numpy()
    np.testing.assert_allclose(free.bse.dropna().to_numpy(), others, rtol=1e-4)
    found = free.delta_method("V[y,h1] ** 2 * state_cov[h1,h1], V[y,h1], W_h[h1,h1] * V[y,h1]")
    direct = leaky.delta_method("V[y,h1] ** 2")["std err"].iloc[0]
    assert found["std err"].iloc[0] == pytest.approx(direct, rel=1e-4)
    assert found["std err"].iloc[1:].isna().all()
    by_call = free.delta_method(lambda p: p["V[y,h1]"] ** 2 * p["state_cov[h1,h1]"])
    assert by_call["std err"].iloc[0] == pytest.approx(direct, rel=1e-4)


def test_memory_and_forecasts_in_free_coordinates(noisy):
    leaky, free = noisy
    for column in ("tau", "tau_se", "modulus_se"):
        assert free.memory().frame[column].iloc[0] == pytest.approx(
            leaky.memory().frame[column].iloc[0], rel=1e-4
        )
    one, two = (res.get_forecast(5, uncertainty="delta").se_mean for res in noisy)
    np.testing.assert_allclose(one, two, rtol=1e-5)
    assert (two > free.get_forecast(5).se_mean).all()


def test_tests_of_what_is_identified_in_free_coordinates(noisy):
    leaky, free = noisy
    one = free.wald_test("V[y,h1] ** 2 * state_cov[h1,h1] = 1")
    two = leaky.wald_test("V[y,h1] ** 2 = 1")
    assert one.statistic == pytest.approx(two.statistic, rel=1e-4)
    with pytest.raises(SpecificationError, match="needs a standard error"):
        free.wald_test("V[y,h1] = 1")


@pytest.mark.parametrize(
    ("function", "words"),
    [
        ("K[h1,z]", "K\\[h1,z\\]"),
        (3, "callable, or formulas"),
        (lambda p: "text", "must return numbers"),
        (lambda p: np.nan, "a value at the estimates"),
        ("log(W_h[h1,h1] - 5)", "a value at the estimates"),
        ("__import__('os')", "must name parameters"),
        ("W_h[h1,h1] ** (", "end of the text"),
    ],
)
def test_delta_method_refuses(fit, function, words):
    with pytest.raises(SpecificationError, match=words):
        fit.delta_method(function)
    with pytest.raises(SpecificationError, match="names must be one for each of the 2"):
        fit.delta_method("K[h1,y], W_h[h1,h1]", names=["a"])


# --- Wald tests of formulas -----------------------------------------------------------------------


def test_nonlinear_wald_test_is_its_formula(fit):
    text = "K[h1,y] / W_h[h1,h1] = 1, W_h[h1,h1] * obs_cov[y,y] - 0.5 = 0"
    phi, k, _, s2 = fit.params
    gap = np.array([k / phi - 1, phi * s2 - 0.5])
    slopes = np.array([[-k / phi**2, 1 / phi, 0, 0], [s2, 0, 0, phi]])
    cov = slopes @ fit.cov_params().to_numpy() @ slopes.T
    joint, single = fit.wald_test(text), fit.t_test(text)
    assert joint.statistic == pytest.approx(gap @ np.linalg.solve(cov, gap), rel=1e-9)
    assert joint.df_denom == 2
    np.testing.assert_allclose(single.effect, gap + np.array([1, 0]), rtol=1e-12)
    np.testing.assert_allclose(single.tvalue, gap / np.sqrt(np.diag(cov)), rtol=1e-10)
    # linear text gives the linear test, and is not changed by being written with functions
    linear = fit.wald_test("W_h[h1,h1] = 0.5")
    assert fit.wald_test("(W_h[h1,h1] - 0.5) * log(exp(2))").statistic == pytest.approx(
        linear.statistic, rel=1e-10
    )


def test_a_formula_without_a_derivative_is_refused(fit):
    with pytest.raises(SpecificationError, match="derivative zero"):
        fit.wald_test(f"(W_h[h1,h1] - {float(fit.params.iloc[0])!r}) ** 2 = 0")
    with pytest.raises(SpecificationError, match="a value and a derivative"):
        fit.wald_test("log(-obs_cov[y,y]) = 0")
    with pytest.raises(SpecificationError, match="follow from the others"):
        fit.wald_test("log(obs_cov[y,y]) = 0, obs_cov[y,y] = 2")


# --- other covariances ----------------------------------------------------------------------------


@pytest.mark.crosspkg
def test_hac_and_cluster_of_an_autoregression_are_those_of_least_squares():
    """AR(2) by the observed form given two rows: the sandwich is that of the regression."""
    sm = pytest.importorskip("statsmodels.api")
    y = arma(160, 4)
    model = LinearRNN(y, form="observed", k_states=2, initial="diffuse")
    years = np.arange(160) // 8
    lags = sm.add_constant(np.column_stack([y[1:-1], y[:-2]]))
    ols = sm.OLS(y[2:], lags)
    for kind, ours, theirs in (
        ("hac", {"maxlags": 4}, {"maxlags": 4}),
        ("cluster", {"groups": years, "correction": False}, {"groups": years[2:]}),
    ):
        res = model.fit(cov_type=kind, cov_kwds=ours)
        name = kind.upper() if kind == "hac" else kind
        options = {"use_correction": False}
        other = ols.fit(cov_type=name, cov_kwds=theirs | options)
        phi = [name for name in res.params.index if name.startswith("W_h")]
        np.testing.assert_allclose(res.params[phi], other.params[1:], rtol=1e-8)
        found = res.cov_params().loc[phi, phi]
        np.testing.assert_allclose(found, other.cov_params()[1:, 1:], rtol=1e-6)


def test_with_cov_is_another_fit_without_fitting(fit):
    groups = np.arange(200) // 4
    for kind, options in (
        ("opg", None),
        ("hac", {"maxlags": 3, "kernel": "parzen"}),
        ("cluster", {"groups": groups}),
    ):
        other = fit.with_cov(kind, options)
        again = fit.model.fit(start_params=fit.params, cov_type=kind, cov_kwds=options)
        np.testing.assert_allclose(other.bse, again.bse, rtol=1e-5)  # refits move by 1e-6
        assert (other.cov_type, other.convergence) == (kind, fit.convergence)
        pd.testing.assert_frame_equal(fit.cov_params(kind, **(options or {})), other.cov_params())
    assert fit.cov_type == "oim"
    pd.testing.assert_frame_equal(fit.cov_params(), fit.cov_params("oim"))
    np.testing.assert_array_equal(
        fit.with_cov("hac", {"maxlags": 0}).bse, fit.with_cov("robust").bse
    )


def test_options_of_the_covariance_are_shown_and_survive():
    y = arma(120)
    model = LinearRNN(y[:100], k_states=1)
    res = model.fit(cov_type="hac", cov_kwds={"maxlags": 3, "kernel": "parzen"})
    words = "Parzen kernel, 3 lags"
    assert words in str(res.summary()).replace("\n  ", " ")
    longer, later, other = res.append(y[100:]), res.extend(y[100:]), res.apply(y[20:])
    for moved in (longer, later, other):
        assert moved.cov_kwds == {"maxlags": 3, "kernel": "parzen"}
        assert words in str(moved.summary()).replace("\n  ", " ")
        np.testing.assert_array_equal(moved.bse, res.bse)
        # another kind is that of the data that gave the estimates
        np.testing.assert_array_equal(moved.with_cov("opg").bse, res.with_cov("opg").bse)
    again = res.append(y[100:], refit=True)
    assert (again.cov_type, again.cov_kwds["maxlags"]) == ("hac", 3)
    assert again.bse.iloc[0] != res.bse.iloc[0]
    plain = res.append(y[100:], refit=True, cov_type="opg")
    assert (plain.cov_type, plain.cov_kwds) == ("opg", {})
    grouped = model.fit(cov_type="cluster", cov_kwds={"groups": np.arange(100) // 5})
    assert "20 clusters" in " ".join(str(grouped.append(y[100:]).summary()).split())
    with pytest.raises(DataError, match="each of the 120 rows"):
        grouped.append(y[100:], refit=True)
    copied = pickle.loads(pickle.dumps(grouped.append(y[100:])))
    np.testing.assert_array_equal(copied.bse, grouped.bse)
    kwds = {"groups": np.arange(120) // 5}
    assert grouped.append(y[100:], refit=True, cov_kwds=kwds).cov_type == "cluster"


def test_options_of_the_covariance_are_checked(fit):
    with pytest.raises(SpecificationError, match="fit: cov_type='oim' has no options"):
        fit.model.fit(cov_kwds={"maxlags": 2})
    with pytest.raises(SpecificationError, match="cov_type must be one of"):
        fit.with_cov("sandwich")
    with pytest.raises(SpecificationError, match="'lags'"):
        fit.cov_params("hac", lags=3)
    with pytest.raises(SpecificationError, match="a group for each row"):
        fit.with_cov("cluster")
    with pytest.raises(SpecificationError, match="cov_kwds must be a mapping"):
        fit.with_cov("hac", ["maxlags"])


# --- do the covariances agree? --------------------------------------------------------------------


def test_compare_covariances_shows_them_side_by_side(fit):
    found = fit.compare_covariances(nboot=99, rng=1)
    table = found.frame
    for kind in ("oim", "opg", "robust"):
        np.testing.assert_array_equal(table[kind], fit.with_cov(kind).bse)
    np.testing.assert_allclose(table["robust / oim"], table["robust"] / table["oim"])
    assert 0.0 < found.pvalue <= 1.0
    assert not found.disagree
    assert found.nboot == 99
    assert "does not reject" in str(found)
    again = fit.compare_covariances(nboot=99, rng=1)
    assert (again.statistic, again.pvalue) == (found.statistic, found.pvalue)
    plain = fit.compare_covariances(["approx", "robust_approx"], nboot=0)
    assert list(plain.frame.columns) == ["approx", "robust_approx", "robust_approx / approx"]
    assert np.isnan(plain.pvalue)
    assert not plain.disagree


def test_compare_covariances_keeps_the_options_of_the_results(fit):
    groups = {"groups": np.arange(fit.nobs) // 5}
    grouped = fit.with_cov("cluster", groups)
    table = grouped.compare_covariances(["oim", "cluster", "hac"], nboot=0).frame
    np.testing.assert_array_equal(table["cluster"], grouped.bse)
    np.testing.assert_array_equal(table["hac"], fit.with_cov("hac").bse)
    few = fit.with_cov("hac", {"maxlags": 1})
    np.testing.assert_array_equal(few.compare_covariances("hac", nboot=0).frame["hac"], few.bse)
    assert not np.allclose(few.bse, table["hac"], rtol=1e-3)


def test_compare_covariances_finds_fat_tails():
    """Student-t innovations with 3 degrees of freedom: the variance's standard error doubles."""
    y = arma(300, shocks=np.random.default_rng(2).standard_t(3, size=300))
    res = LinearRNN(y, k_states=1).fit()
    found = res.compare_covariances(nboot=99)
    assert found.disagree
    assert "obs_cov[y,y]" in found.flagged
    assert found.frame.loc["obs_cov[y,y]", "robust / oim"] > 1.5
    assert "rejects (p = 0.01)" in found.message


def test_compare_covariances_refuses(fit):
    with pytest.raises(SpecificationError, match="at least 38 samples for 4"):
        fit.compare_covariances(nboot=20)
    with pytest.raises(SpecificationError, match="cov_types must be one of"):
        fit.compare_covariances(["none"])
    with pytest.raises(SpecificationError, match="needs a group for each row"):
        fit.compare_covariances(["cluster"], nboot=0)
    with pytest.raises(SpecificationError, match="maximum of the likelihood"):
        fit.extend([0.1, 0.2]).compare_covariances()


def test_indicators_are_the_relative_difference_of_variances():
    rng = np.random.default_rng(0)
    root = rng.standard_normal((3, 3))
    inverse = np.linalg.inv(root @ root.T)
    hessian = -(root @ root.T)
    opg = root @ np.diag([1.0, 1.0, 1.02]) @ root.T
    ratio = np.diag(inverse @ opg @ inverse) / np.diag(inverse)
    np.testing.assert_allclose(indicators(hessian, opg, inverse), ratio - 1, atol=1e-12)
    dead = np.zeros((4, 4))
    dead[:3, :3] = inverse
    wide = [np.pad(matrix, (0, 1)) for matrix in (hessian, opg)]
    assert len(indicators(*wide, dead)) == 3


@pytest.mark.statistical
def test_size_of_the_information_test_on_gaussian_indicators():
    """Indicators that are linear in scores and noise: rejection at 5 % in 1000 samples.

    Binomial standard error 0.7 %: between 2.9 and 7.1 % unless a chance of 0.2 % strikes.
    """
    rng = np.random.default_rng(4)
    rejected = 0
    for _ in range(1000):
        scores = rng.standard_normal((80, 4))
        noise = rng.standard_normal((81, 6)) @ rng.standard_normal((6, 6))
        simulated = noise[1:] + scores @ rng.standard_normal((4, 6)) * 2.0
        found = information_test(noise[0], simulated, scores)
        rejected += found.pvalue <= 0.05
    assert 29 <= rejected <= 71
