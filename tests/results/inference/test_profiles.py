"""Profile-likelihood intervals against closed forms, grids and restricted fits."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from results.inference.inference_cases import arma, arma_fit, noisy_fits
from scipy import stats
from scipy.optimize import minimize_scalar

from rnnstats import LinearRNN, datasets
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.results.inference import profile
from rnnstats.results.linear import LinearResults

CUT = stats.chi2.ppf(0.95, 1)


@pytest.fixture(scope="module")
def fit():
    return arma_fit()


@pytest.fixture(scope="module")
def noisy():
    return noisy_fits()


def test_profile_of_a_regression_is_its_closed_form():
    """deviance = n log(1 + (b - b_hat)^2 / (RSS (X'X)^-1_jj)); with known variance Wald's."""
    y = arma(80, 2, ma=0.0)
    res = LinearRNN(y, form="observed", initial="diffuse").fit()
    X = np.column_stack([np.ones(79), y[:-1]])
    beta, rss = np.linalg.lstsq(X, y[1:], rcond=None)[:2]
    spread = rss[0] * np.linalg.inv(X.T @ X)[1, 1]
    half = np.sqrt(spread * np.expm1(CUT / 79))
    row = res.profile_conf_int("W_h[h1,h1]").frame.iloc[0]
    assert row["lower"] == pytest.approx(beta[1] - half, rel=1e-6)
    assert row["upper"] == pytest.approx(beta[1] + half, rel=1e-6)
    # the variance alone: n (s - log s - 1) with s = estimate / value
    name = "state_cov[h1,h1]"
    s2 = float(res.params[name])
    ends = res.profile_conf_int(name).frame.iloc[0]
    for end in (ends["lower"], ends["upper"]):
        assert 79 * (s2 / end - np.log(s2 / end) - 1) == pytest.approx(CUT, abs=1e-5)
    assert ends["upper"] - s2 > 1.2 * (s2 - ends["lower"])
    known = res.model.with_fixed({name: s2}).fit()
    interval = known.profile_conf_int("W_h[h1,h1]").frame.iloc[0]
    np.testing.assert_allclose(
        interval[["lower", "upper"]].astype(float),
        interval[["wald lower", "wald upper"]].astype(float),
        rtol=0,
        atol=1e-5 * float(known.bse["W_h[h1,h1]"]),  # so near to the maximum a fit stops
    )


def test_profile_of_an_autoregression_against_fits_on_a_grid(fit):
    """At both ends of each interval the restricted maximum, fitted anew, is at the cut."""
    intervals = fit.profile_conf_int()
    frame = intervals.frame
    assert list(frame.index) == list(fit.params.index)
    assert (frame["lower"] < frame["estimate"]).all()
    assert (frame["upper"] > frame["estimate"]).all()
    assert (frame["note"] == "").all()
    for name in frame.index:
        for end in ("lower", "upper"):
            fixed = fit.model.with_fixed({name: frame.loc[name, end]}).fit(cov_type="none")
            # roots are found to 1e-7, fits to 1e-10
            assert 2 * (fit.llf - fixed.llf) == pytest.approx(CUT, abs=2e-6)
    curve = intervals.curves["W_h[h1,h1]"]
    assert (np.diff(curve["value"]) > 0).all()
    middle = curve.iloc[len(curve) // 4]
    fixed = fit.model.with_fixed({"W_h[h1,h1]": middle["value"]}).fit(cov_type="none")
    assert 2 * (fit.llf - fixed.llf) == pytest.approx(middle["deviance"], abs=2e-4)  # interpolated
    wider = fit.profile_conf_int("K[h1,y]", alpha=0.01).frame.iloc[0]
    assert wider["lower"] < frame.loc["K[h1,y]", "lower"]


def test_profile_does_not_depend_on_how_a_function_is_written(fit):
    table = fit.profile_conf_int(
        ["log(obs_cov[y,y])", lambda p: p["obs_cov[y,y]"] ** 0.5, "obs_cov[y,y]"],
        names=["log", "root", "plain"],
    ).frame[["lower", "upper"]]
    np.testing.assert_allclose(np.exp(table.loc["log"]), table.loc["plain"], rtol=1e-6)
    np.testing.assert_allclose(table.loc["root"] ** 2, table.loc["plain"], rtol=1e-6)


def test_profile_of_a_function_is_that_of_a_parameter_in_other_coordinates(noisy):
    leaky, free = noisy
    one = leaky.profile_conf_int("V[y,h1] ** 2, W_h[h1,h1]").frame
    two = free.profile_conf_int("V[y,h1] ** 2 * state_cov[h1,h1], W_h[h1,h1], V[y,h1]").frame
    ends = ["lower", "upper"]
    np.testing.assert_allclose(two.iloc[:2][ends], one[ends], rtol=1e-5)
    assert two["note"].iloc[2] == "both ends not identified"
    assert two[ends].iloc[2].tolist() == [-np.inf, np.inf]


def test_profile_at_a_variance_of_zero_is_one_sided():
    """AR(1) without noise, fitted with noise: the estimate is zero, the upper end is not."""
    rng = np.random.default_rng(0)
    y = np.zeros(100)
    for t in range(1, 100):
        y[t] = 0.9 * y[t - 1] + rng.standard_normal()
    res = LinearRNN(y, form="leaky", k_states=1).fit()
    with pytest.warns(ConvergenceWarning, match="boundary"):
        frame = res.profile_conf_int(["obs_cov[y,y]", "V[y,h1]"]).frame
    assert res.params["obs_cov[y,y]"] < 1e-6
    assert frame.loc["obs_cov[y,y]", "lower"] == 0.0
    assert frame.loc["obs_cov[y,y]", "note"] == "lower end at the boundary"
    for name, end in (("obs_cov[y,y]", "upper"), ("V[y,h1]", "lower"), ("V[y,h1]", "upper")):
        fixed = res.model.with_fixed({name: frame.loc[name, end]}).fit(cov_type="none")
        assert 2 * (res.llf - fixed.llf) == pytest.approx(CUT, abs=1e-5)


def test_profile_at_a_moving_average_root_of_one():
    """MA(1), estimate on the unit circle: profile over invertible models, by brute force."""
    e = np.random.default_rng(1).standard_normal(61)
    model = LinearRNN(e[1:] - e[:-1], k_states=1, trend="n", fixed={"W_h[h1,h1]": 0.0})
    res = model.fit()
    assert res.params["K[h1,y]"] == pytest.approx(-1.0, abs=1e-4)
    frame = res.profile_conf_int().frame
    assert frame.loc["K[h1,y]", "note"] == "lower end at the boundary"
    assert frame.loc["K[h1,y]", "lower"] == pytest.approx(-1.0, abs=1e-4)

    def profiled(variance):
        best = minimize_scalar(
            lambda k: -model.loglike([0.0, k, variance]), bounds=(-1, -0.5), method="bounded",
            options={"xatol": 1e-10},
        )  # fmt: skip
        edge = model.loglike([0.0, -1.0, variance])
        return 2 * (res.llf - max(-best.fun, edge))

    for end in ("lower", "upper"):
        assert profiled(frame.loc["obs_cov[y,y]", end]) == pytest.approx(CUT, abs=1e-4)


@pytest.mark.slow
def test_profile_where_the_likelihood_has_several_maxima():
    """ARMA(2,2) on Lake Huron: six maxima within 0.5 of each other, one on the unit circle.

    The restricted fit looks for its maximum from starts of its own.
    """
    res = LinearRNN(datasets.lake_huron(), k_states=2).fit()
    frame = res.profile_conf_int(["b_y[level]", "W_h[h2,h1]"]).frame
    for name in frame.index:
        for end in ("lower", "upper"):
            with warnings.catch_warnings():  # where roots lie on the unit circle it stops short
                warnings.simplefilter("ignore", ConvergenceWarning)
                fixed = res.model.with_fixed({name: frame.loc[name, end]}).fit(cov_type="none")
            assert 2 * (res.llf - fixed.llf) == pytest.approx(CUT, abs=2e-3)
    assert "other parameters at a boundary" in frame.loc["W_h[h2,h1]", "note"]


def test_profile_refuses(fit):
    with pytest.raises(SpecificationError, match="not estimated on these data"):
        fit.extend([0.1, 0.2]).profile_conf_int()
    fixed = fit.model.with_fixed({"b_y[y]": 0.0}).fit()
    with pytest.raises(SpecificationError, match="free parameter"):
        fixed.profile_conf_int("b_y[y]")
    with pytest.raises(SpecificationError, match="must return one number; got 2"):
        fit.profile_conf_int(lambda p: p.to_numpy()[:2])
    with pytest.raises(SpecificationError, match="names must be one for each"):
        fit.profile_conf_int("K[h1,y]", names=["a", "b"])
    with pytest.raises(SpecificationError, match="alpha"):
        fit.profile_conf_int(alpha=1.5)
    with pytest.raises(SpecificationError, match="something to profile"):
        fit.profile_conf_int([])
    with pytest.raises(SpecificationError, match="callable, or formulas as text; got int"):
        fit.profile_conf_int(0)


def test_profile_says_that_the_fit_is_not_the_maximum(fit):
    theta = fit.params.to_numpy() + np.array([0.0, -0.15, 0.0, 0.0])
    off = LinearResults.from_fit(fit.model, theta, convergence=fit.convergence)
    with pytest.warns(ConvergenceWarning, match="lie above the fit for W_h"):
        off.profile_conf_int("W_h[h1,h1]")


def test_an_interrupted_profile_keeps_what_it_has(fit, monkeypatch):
    calls = []
    original = profile.interval_end

    def stops(*args):
        calls.append(args)
        if len(calls) > 3:
            raise KeyboardInterrupt
        return original(*args)

    monkeypatch.setattr(profile, "interval_end", stops)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        frame = fit.profile_conf_int().frame
    assert frame[["lower", "upper"]].iloc[0].notna().all()
    assert frame["note"].iloc[1] == "upper end interrupted"
    assert frame["note"].iloc[2] == "both ends interrupted"


def test_profile_plot(fit):
    pytest.importorskip("matplotlib").use("agg")
    import matplotlib.pyplot as plt

    intervals = fit.profile_conf_int(["W_h[h1,h1]", "obs_cov[y,y]"])
    figure = intervals.plot()
    panels = [ax for ax in figure.axes if ax.get_visible()]
    assert [ax.get_title(loc="left") for ax in panels] == ["W_h[h1,h1]", "obs_cov[y,y]"]
    line = panels[0].get_lines()[0]
    assert line.get_ydata().min() == pytest.approx(0.0, abs=1e-12)
    assert "Profile-likelihood intervals, 95 %" in str(intervals)
    plt.close(figure)
