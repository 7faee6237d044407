"""Constraints by parameter name, and the tests that use them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series
from scipy import stats

from rnnstats.errors import SpecificationError
from rnnstats.results.inference.comparison import parse_constraints
from rnnstats.results.linear import LinearResults

NAMES = ("W_h[h1,h1]", "W_h[h1,h2]", "V[real gdp,h1]", "V[real,h1]", "x", "x1")


def read(text):
    asked = parse_constraints(text, NAMES, caller="wald_test")
    return np.column_stack([asked.matrix, asked.value]).tolist()


@pytest.mark.parametrize(
    ("text", "rows"),
    [
        ("W_h[h1,h2] = 0", [[0, 1, 0, 0, 0, 0, 0]]),
        ("W_h[h1,h2]", [[0, 1, 0, 0, 0, 0, 0]]),
        ("W_h[ h1 , h2 ]=W_h[h1, h1]", [[-1, 1, 0, 0, 0, 0, 0]]),
        ("2 * x - x1/4 = 1e-1", [[0, 0, 0, 0, 2, -0.25, 0.1]]),
        ("-(x - 3) * 2 = x1 + 1", [[0, 0, 0, 0, -2, -1, -5]]),
        ("x = x1 = 0.5", [[0, 0, 0, 0, 1, -1, 0], [0, 0, 0, 0, 0, 1, 0.5]]),
        (
            "V[real gdp,h1] = 1, V[real,h1] = 2; x\nx1 = 3",
            [
                [0, 0, 1, 0, 0, 0, 1],
                [0, 0, 0, 1, 0, 0, 2],
                [0, 0, 0, 0, 1, 0, 0],
                [0, 0, 0, 0, 0, 1, 3],
            ],
        ),
        (["x = 1", "x1 = 2"], [[0, 0, 0, 0, 1, 0, 1], [0, 0, 0, 0, 0, 1, 2]]),
    ],
)
def test_text(text, rows):
    assert read(text) == rows


def test_arrays():
    assert read(np.eye(6)[1]) == [[0, 1, 0, 0, 0, 0, 0]]
    assert read((np.eye(6)[:2], [3, 4])) == [[1, 0, 0, 0, 0, 0, 3], [0, 1, 0, 0, 0, 0, 4]]
    assert read((np.eye(6)[:2], 5)) == [[1, 0, 0, 0, 0, 0, 5], [0, 1, 0, 0, 0, 0, 5]]
    assert read(pd.DataFrame({"x": [2.0], "W_h[h1,h1]": [1.0]})) == [[1, 0, 0, 0, 2, 0, 0]]
    assert read(pd.Series({"x1": 1.0})) == [[0, 0, 0, 0, 0, 1, 0]]


def test_values_by_name():
    assert read({"x": 1, "W_h[h1,h1]": np.float64(0.5)}) == read("x = 1, W_h[h1,h1] = 0.5")
    assert read({"x": "x1"}) == read("x = x1")


@pytest.mark.parametrize(
    ("hypothesis", "words"),
    [
        ("W_h[h1,h3] = 0", "W_h\\[h1,h3\\].*Did you mean"),
        ("x2 = 0", "x2"),
        ("x * x1 = 0", "a parameter times another"),
        ("1 / x = 0", "a parameter under another"),
        ("x / 0 = 1", "division by zero"),
        ("3 = 3", "without a parameter"),
        ("x - x = 0", "without a parameter"),
        ("(x = 1", "not closed"),
        ("x +", "end of the text"),
        ("x x1", "'x1'"),
        ("x ** 2 = 1", "got"),
        (" ; ", "empty"),
        ("x % 2", "%"),
        (np.eye(5), "6 columns"),
        ((np.eye(6), [1, 2]), "one number for each of the 6"),
        (pd.Series({"nope": 1.0}), "nope"),
        ({"nope": 1.0}, "nope"),
        ({}, "empty"),
        (["x", 3], "text, values by name, or finite numbers"),
        ((np.eye(6)[:1], np.nan), "text, values by name, or finite numbers"),
        (("x", "x1 = 0", 3), "text, values by name, or finite numbers"),
    ],
)
def test_refusals(hypothesis, words):
    with pytest.raises(SpecificationError, match=words):
        parse_constraints(hypothesis, NAMES, caller="wald_test")


@pytest.fixture(scope="module")
def fit():
    endog, exog = series(150, 1, 1)
    return NoisyAR(endog, exog).fit(start_params=[0.8, 1, 0.5, 2, 1.0])


def test_t_test_and_wald_test_are_the_textbook_formulas(fit):
    text = "W_h[h1,h1] = 0.5, 2*D[cpi,x0] - b_y[cpi] = 0"
    single, joint = fit.t_test(text), fit.wald_test(text)
    contrast = np.array([[1, 0, 0, 0, 0], [0, 0, 0, -1, 2.0]])
    gap = contrast @ fit.params - [0.5, 0]
    cov = contrast @ fit.cov_params() @ contrast.T
    z = gap / np.sqrt(np.diag(cov))
    np.testing.assert_allclose(single.tvalue, z, rtol=1e-10)
    np.testing.assert_allclose(single.pvalue, 2 * stats.norm.sf(abs(z)), rtol=1e-8)
    statistic = gap @ np.linalg.solve(cov, gap)
    np.testing.assert_allclose(joint.statistic, statistic, rtol=1e-10)
    np.testing.assert_allclose(joint.pvalue, stats.chi2.sf(statistic, 2), rtol=1e-8)
    np.testing.assert_allclose(
        fit.t_test("x0 = 0".replace("x0", "D[cpi,x0]")).tvalue, fit.tvalues.iloc[4]
    )


def test_likelihood_ratio_and_wald_agree_near_the_null(fit):
    """Both are chi-squared with one degree of freedom; near the null they differ by O(1/n)."""
    restricted = NoisyAR(
        fit.model.endog, fit.model.exog, fixed={"D[cpi,x0]": float(fit.params.iloc[4]) + 0.02}
    )
    start = fit.params.to_numpy().copy()
    start[4] += 0.02
    small = restricted.fit(start_params=start)
    small.convergence = fit.convergence = object()
    test = fit.lr_test(small)
    wald = fit.wald_test(f"D[cpi,x0] = {float(fit.params.iloc[4]) + 0.02}")
    assert test.df == 1
    assert test.statistic == pytest.approx(2 * (fit.llf - small.llf))
    assert test.statistic == pytest.approx(float(wald.statistic), rel=0.02)
    assert test.pvalue == pytest.approx(stats.chi2.sf(test.statistic, 1))
    assert small.lr_test(fit) == test
    assert "1 restriction," in str(test)
    fit.convergence = None


def test_fixed_parameters_have_no_standard_error(fit):
    fixed = NoisyAR(fit.model.endog, fit.model.exog, fixed={"b_y[cpi]": 2.0})
    start = fit.params.to_numpy().copy()
    start[3] = 2.0
    small = fixed.fit(start_params=start)
    assert np.isnan(small.bse["b_y[cpi]"])
    assert small.bse.drop("b_y[cpi]").notna().all()
    assert (small.cov_params().loc["b_y[cpi]"] == 0).all()
    assert small.df_model == 4
    with pytest.raises(SpecificationError, match="free parameter"):
        small.t_test("b_y[cpi] = 1")
    with pytest.raises(SpecificationError, match="cov_type='none'"):
        LinearResults.from_fit(fixed, start, cov_type="none").t_test("W_h[h1,h1]=0")
    assert "Restricted: b_y[cpi] = 2.0." in str(small.summary())


def test_ties_share_a_standard_error():
    endog, _ = series(150, 2)
    tie = {"obs_cov[gdp,gdp]": "obs_cov[cpi,cpi]"}
    res = NoisyAR(endog, fixed=tie).fit(start_params=[0.8, 1, 1, 0.5, 0.5, 2, 2.0])
    assert res.params["obs_cov[gdp,gdp]"] == res.params["obs_cov[cpi,cpi]"]
    assert res.bse["obs_cov[gdp,gdp]"] == pytest.approx(res.bse["obs_cov[cpi,cpi]"])
    assert res.df_model == 6


def test_likelihood_ratio_refusals(fit):
    endog, exog = series(150, 1, 1, seed=1)
    start = fit.params.to_numpy()

    def wrapped(model, theta=start, estimated=True):
        return LinearResults.from_fit(model, theta, convergence=object() if estimated else None)

    large = wrapped(fit.model)
    with pytest.raises(SpecificationError, match="same data"):
        large.lr_test(wrapped(NoisyAR(endog, exog)))
    with pytest.raises(SpecificationError, match="treat the start alike"):
        large.lr_test(wrapped(NoisyAR(fit.model.endog, fit.model.exog, initial="diffuse")))
    with pytest.raises(SpecificationError, match="fewer free parameters"):
        large.lr_test(large)
    fixed = NoisyAR(fit.model.endog, fit.model.exog, fixed={"b_y[cpi]": 2.0})
    with pytest.raises(SpecificationError, match="not estimated"):
        large.lr_test(wrapped(fixed, estimated=False))
    worse = start.copy()
    worse[0] = 0.1
    with pytest.raises(SpecificationError, match="larger log-likelihood"):
        wrapped(fit.model, worse).lr_test(wrapped(fixed))
    with pytest.raises(SpecificationError, match="fitted results; got int"):
        large.lr_test(3)


def test_a_fixed_parameter_without_derivatives_spoils_no_other(fit):
    """At a variance of exactly zero the Hessian may not exist; the free ones do not need it."""

    class Broken(NoisyAR):
        def hessian(self, params):
            matrix = super().hessian(params)
            matrix[2, :] = matrix[:, 2] = np.nan
            return matrix

        def information(self, params):
            matrix = super().information(params)
            matrix[2, :] = matrix[:, 2] = np.nan
            return matrix

    fixed = {"obs_cov[cpi,cpi]": 0.4}
    data = (fit.model.endog, fit.model.exog)
    broken = LinearResults.from_fit(Broken(*data, fixed=fixed), fit.params)
    whole = LinearResults.from_fit(NoisyAR(*data, fixed=fixed), fit.params)
    np.testing.assert_array_equal(broken.bse, whole.bse)
    assert broken.bse.notna().sum() == 4
    assert str(broken.information_rank) == "identified: rank 4 of 4"


@pytest.mark.parametrize(
    "constraints",
    [
        "W_h[h1,h1] = 0.5, W_h[h1,h1] = 0.5",  # the same twice
        "W_h[h1,h1] = 0.5, W_h[h1,h1] = 0.7",  # impossible
        "state_cov[h1,h1] = W_h[h1,h1], W_h[h1,h1] = 1, 2 * state_cov[h1,h1] = 2",
    ],
)
def test_wald_refuses_constraints_that_depend_on_each_other(constraints):
    endog, _ = series(80, 1)
    theta = np.array([0.8, 1.1, 0.4, 1.7])
    res = LinearResults.from_fit(NoisyAR(endog), theta, cov_type="approx")
    with pytest.raises(SpecificationError, match="follow from the others or contradict them"):
        res.wald_test(constraints)
    assert np.isfinite(res.wald_test(constraints.split(", ")[0]).statistic)
    # one by one they are questions like any others
    assert np.isfinite(res.t_test(constraints).tvalue).all()
