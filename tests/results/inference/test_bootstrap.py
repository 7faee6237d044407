"""Bootstrap of the estimates: what is drawn, refitted, counted and reported."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.estimation import bootstrap as engine
from rnnstats.estimation.bootstrap import Draws, Job, Refit, resample
from rnnstats.estimation.drawing import sampler
from rnnstats.models._refitting import Refitter, on_values
from rnnstats.models.linear import LinearRNN
from rnnstats.results.inference.bootstrap import Bootstrap, intervals
from rnnstats.results.linear import LinearResults

GAPS = ((3, 0), (17, 1), (18, 0), (18, 1))
CASES = {
    "innovations": (1, 0, {"k_states": 1}),
    "innovations, two outputs, inputs": (2, 1, {"k_states": 2, "exog_enters": "output"}),
    "observed": (2, 0, {"form": "observed"}),
    "observed, diffuse": (2, 0, {"form": "observed", "initial": "diffuse"}),
    "leaky": (2, 1, {"form": "leaky", "k_states": 1}),
    "restricted": (1, 0, {"k_states": 2, "fixed": {"K[h2,cpi]": 0.1}}),
}


def fit(case, gaps=()):
    k_endog, k_exog, build = CASES[case]
    endog, exog = series(70, k_endog, k_exog, gaps=gaps if k_endog > 1 else gaps[:1])
    return LinearRNN(endog, exog, **build).fit()


def samples(res, number, seed=0):
    base = sampler(res._system, res.model.endog.values, caller="test")
    noise = np.random.default_rng(seed).standard_normal((number, base.rows, res.model.k_endog))
    return base.samples(base.paths(noise))


def cloned(model, values):
    """Return the model cloned on a sample, with the names and index of its own outputs."""
    own = model.endog
    frame = pd.DataFrame(values, index=own.index, columns=list(own.names))
    return model.clone(frame.iloc[:, 0] if own.is_series else frame, model.exog)


@pytest.mark.parametrize("case", CASES)
def test_a_refit_is_the_fit_of_the_model_from_the_same_start(case):
    res = fit(case, GAPS if case != "observed, diffuse" else ())
    refit = Refitter(res.model, res._theta)
    for values in samples(res, 4):
        found = refit(values)
        assert found.message == ""
        model = cloned(res.model, values)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            whole = model.fit(start_params=res.params.to_numpy(), cov_type="none")
        # a step of 1e-3 standard errors is left, which is worth half its square
        np.testing.assert_allclose(model.loglike(found.theta), whole.llf, rtol=0, atol=1e-6)
        layout = model.layout
        np.testing.assert_array_equal(layout.expand(layout.reduce(found.theta)), found.theta)


def test_the_model_on_a_sample_is_the_model_cloned_on_it():
    res = fit("leaky", GAPS)
    before, _ = res.model.loglike(res._theta), res.model.start_params  # kept from now on
    values = samples(res, 1)[0]
    quick, slow = on_values(res.model, values), cloned(res.model, values)
    assert quick.loglike(res._theta) == slow.loglike(res._theta)
    np.testing.assert_array_equal(quick.endog.values, values)
    assert res.model.loglike(res._theta) == before
    np.testing.assert_array_equal(np.isnan(values), np.isnan(res.model.endog.values))
    pd.testing.assert_series_equal(quick.start_params, slow.start_params)


def test_draws_depend_neither_on_processes_nor_on_their_number():
    res = fit("innovations")
    one = res.bootstrap(45, rng=3)
    two = res.bootstrap(45, rng=3, n_jobs=2)
    np.testing.assert_array_equal(one.theta, two.theta)
    np.testing.assert_array_equal(res.bootstrap(23, rng=3).theta, one.theta[:23])
    assert not np.array_equal(res.bootstrap(45, rng=4).theta, one.theta)
    np.testing.assert_array_equal(res.bootstrap(5).theta, res.bootstrap(5).theta)  # fixed seed
    ahead = res.get_forecast(3, uncertainty="bootstrap", nboot=25, rng=3).conf_int()
    again = res.get_forecast(3, uncertainty="bootstrap", nboot=25, rng=3, n_jobs=2).conf_int()
    pd.testing.assert_frame_equal(ahead, again, check_exact=True)


def test_standard_errors_and_bias_are_those_known():
    """AR(1) with mean: bias of the root -(1 + 3 phi) / T (Kendall 1954); sd of the variance."""
    rng = np.random.default_rng(5)
    res = LinearResults.from_fit(
        LinearRNN(rng.standard_normal(60), form="observed"), [0.6, 1.0, 2.0]
    )
    draws = res.bootstrap(1500, rng=1)
    assert draws.failed.empty
    sd = draws.bse
    error = sd / np.sqrt(1500)
    # third-order terms are a tenth of the bias at this length
    kendall = -(1 + 3 * 0.6) / 60
    assert abs(draws.bias.iloc[0] - kendall) < 4 * error.iloc[0] + 0.15 * abs(kendall)
    assert abs(draws.bias.iloc[1]) < 4 * error.iloc[1]  # of the mean: none
    # of sd: 4 / sqrt(2 * 1500) = 7 %, and as much for what 60 rows are from asymptotics
    np.testing.assert_allclose(sd.iloc[2], 2.0 * np.sqrt(2 / 60), rtol=0.14)
    np.testing.assert_allclose(sd.iloc[1], np.sqrt(2.0 / 60) / 0.4, rtol=0.14)


def test_resampled_errors_keep_their_shape():
    """Errors of two values: the standardised errors of samples have two values as well."""
    rng = np.random.default_rng(2)
    shocks = rng.choice([-1.0, 1.0], size=120)
    y = np.zeros(120)
    for t in range(1, 120):
        y[t] = 0.5 * y[t - 1] + shocks[t]
    res = LinearRNN(y, form="observed").fit()

    def kurtosis(kind):
        base = res.bootstrap(60, kind, rng=0)
        assert base.kind == kind
        return base.bse.iloc[-1] / res.params.iloc[-1]

    # variance of a variance estimate: (kurtosis - 1) / n, 0 beside 2 / n for the normal
    assert kurtosis("innovations") < 0.4 * kurtosis("parametric")


def test_restrictions_hold_in_every_draw():
    endog, _ = series(70, 2)
    model = LinearRNN(
        endog,
        form="observed",
        fixed={"W_h[h1,h2]": 0.0, "state_cov[h2,h2]": "state_cov[h1,h1]"},
    )
    draws = model.fit().bootstrap(25)
    assert (draws.params["W_h[h1,h2]"] == 0.0).all()
    assert (draws.params["state_cov[h2,h2]"] == draws.params["state_cov[h1,h1]"]).all()
    bse = draws.bse
    assert bse[["W_h[h1,h2]", "state_cov[h2,h2]"]].isna().all()
    assert (bse.drop(["W_h[h1,h2]", "state_cov[h2,h2]"]) > 0).all()
    assert draws.cov.loc["W_h[h1,h2]"].abs().max() == 0.0


class FailsSometimes:
    """Estimates the mean and variance; refuses samples whose first value is above a bound."""

    def __call__(self, values):
        if values[0, 0] > 1.0:
            return Refit(None, "the first value is above one")
        return Refit(np.array([np.nanmean(values), np.nanvar(values)]), "")


def test_failures_are_counted_and_named():
    res = LinearResults.from_fit(
        LinearRNN(np.random.default_rng(0).standard_normal(30), form="observed"), [0.5, 0.0, 1.0]
    )
    base = sampler(res._system, res.model.endog.values, caller="test")
    draws = resample(Job(base, FailsSometimes()), 60, np.random.default_rng(0))
    value = Bootstrap(draws, np.zeros(2), np.ones(2), ("mean", "variance"), ("mean",), "parametric")
    assert 0 < len(value.failed) < 60
    assert len(value.theta) + len(value.failed) == value.nboot == 60
    assert set(value.failed) == {"the first value is above one"}
    assert set(value.failed.index) | set(value.params.index) == set(range(60))
    assert np.isfinite(value.params.to_numpy()).all()
    assert f"{len(value.failed)} fits" in str(value.summary())
    assert f"{len(value.failed)} failed" in repr(value)


class StopsAfter:
    """Interrupts at a certain call."""

    def __init__(self, calls):
        self.left = calls

    def __call__(self, values):
        if self.left == 0:
            raise KeyboardInterrupt
        self.left -= 1
        return Refit(values.mean(axis=0), "")


def test_an_interrupt_leaves_the_draws_made():
    res = LinearResults.from_fit(
        LinearRNN(np.random.default_rng(0).standard_normal(30), form="observed"), [0.5, 0.0, 1.0]
    )
    base = sampler(res._system, res.model.endog.values, caller="test")
    rng = np.random.default_rng
    whole = resample(Job(base, StopsAfter(1000)), 60, rng(0))
    with pytest.warns(ConvergenceWarning, match="test: interrupted; the results rest on 25 of 60"):
        part = resample(Job(base, StopsAfter(33)), 60, rng(0), caller="test")
    np.testing.assert_array_equal(part.theta, whole.theta[: engine.BLOCK])
    value = Bootstrap(part, np.zeros(1), np.ones(1), ("mean",), ("mean",), "parametric")
    assert value.interrupted
    assert "Interrupted: 25 of 60" in str(value.summary())
    for options in ({}, {"partial": False}):
        with pytest.raises(KeyboardInterrupt):
            resample(Job(base, StopsAfter(5 if not options else 33)), 60, rng(0), **options)


def drawn(theta, extra=None):
    return Draws(theta, np.arange(len(theta)), (), len(theta), extra)


def test_intervals_are_those_of_the_definitions():
    rng = np.random.default_rng(1)
    theta = rng.exponential(size=(400, 2)) + np.array([1.0, 0.0])
    estimate, errors = np.array([2.0, 1.5]), rng.uniform(0.5, 2.0, size=(400, 2))
    names = ("a", "b")
    value = Bootstrap(drawn(theta, errors), estimate, np.array([0.7, 0.9]), names, names, "x")
    low, high = np.quantile(theta, [0.05, 0.95], axis=0)
    z = 1.6448536269514722
    half, centre = z * theta.std(axis=0, ddof=1), 2 * estimate - theta.mean(axis=0)
    roots = np.quantile((theta - estimate) / errors, [0.05, 0.95], axis=0)
    own = np.array([0.7, 0.9])
    expected = {
        "percentile": (low, high),
        "basic": (2 * estimate - high, 2 * estimate - low),
        "normal": (centre - half, centre + half),
        "studentized": (estimate - roots[1] * own, estimate - roots[0] * own),
    }
    for kind, ends in expected.items():
        table = value.conf_int(0.1, kind)
        assert list(table.index) == list(names)
        np.testing.assert_allclose(table.to_numpy().T, ends, rtol=1e-12)
    np.testing.assert_allclose(value.bias, theta.mean(axis=0) - estimate)
    np.testing.assert_allclose(value.cov, np.cov(theta.T), rtol=1e-12)
    np.testing.assert_allclose(intervals(theta, estimate, 0.1), (low, high))
    with pytest.raises(SpecificationError, match="kind must be one of"):
        value.conf_int(kind="bca")
    with pytest.raises(SpecificationError, match="alpha"):
        value.conf_int(1.0)


def test_studentized_intervals_need_standard_errors():
    res = fit("innovations")
    with pytest.raises(
        SpecificationError, match=r"conf_int: .* Use bootstrap\(\.\.\., errors=True"
    ):
        res.bootstrap(4).conf_int(kind="studentized")
    ends = res.bootstrap(200, errors=True).conf_int(kind="studentized").to_numpy()
    estimate, se = res.params.to_numpy(), res.bse.to_numpy()
    assert ((ends[:, 0] < estimate) & (estimate < ends[:, 1])).all()
    # a variance is estimated with a standard error proportional to it: the upper end is further
    assert ends[-1, 1] - estimate[-1] > 1.2 * (estimate[-1] - ends[-1, 0])
    np.testing.assert_allclose((ends[:, 1] - ends[:, 0]) / (2 * 1.96 * se), 1.0, atol=0.45)
    name = res.params.index[0]
    held = res.model.with_fixed({name: res.params[name]}).fit().bootstrap(10, errors=True)
    missing = held.conf_int(kind="studentized").isna().all(axis=1)
    assert missing.index[missing].tolist() == [name]


def test_functions_of_the_draws():
    value = fit("innovations").bootstrap(30)
    name = value.params.columns[0]
    half = value.apply(lambda p: np.log(2.0) / -np.log(abs(p[name])))
    np.testing.assert_allclose(half.iloc[:, 0], np.log(2) / -np.log(np.abs(value.params[name])))
    pd.testing.assert_frame_equal(value.apply(lambda p: p), value.params, check_names=False)

    def square(p):
        return p[name] ** 2

    assert list(value.apply(square).columns) == ["square"]
    assert list(value.apply(lambda p: {"a": 1.0, "b": p[name]}).columns) == ["a", "b"]
    assert value.apply(lambda p: np.outer(p, p)).shape == (30, len(value.bse) ** 2)
    assert (value.apply(square).index == value.params.index).all()
    formulas = value.apply([f"{name} ** 2", name])
    assert list(formulas.columns) == [f"{name}**2", name]
    np.testing.assert_allclose(formulas, np.column_stack([value.apply(square), value.params[name]]))
    pd.testing.assert_frame_equal(value.apply(f"{name} ** 2, {name}"), formulas)
    with pytest.raises(SpecificationError, match="apply: constraints must name parameters"):
        value.apply("nope")


def test_tables_and_pictures():
    import matplotlib.pyplot as plt

    value = fit("restricted").bootstrap(30)
    text = str(value.summary(0.1, "basic"))
    for word in ("Bootstrap, parametric, 30 draws", "Intervals: basic", "[0.05", "0.95]", "bias"):
        assert word in text
    fig = value.plot()
    titles = {ax.get_title(loc="left") for ax in fig.axes}
    assert titles == set(value.params.columns) - {"K[h2,cpi]"}
    with pytest.raises(SpecificationError, match=r"names must be parameters; got 'K'"):
        value.plot(["K"])
    plt.close(fig)


def test_what_cannot_be_drawn_is_refused():
    res = fit("innovations")
    with pytest.raises(SpecificationError, match="nboot must be at least 2"):
        res.bootstrap(1)
    with pytest.raises(SpecificationError, match="kind must be one of"):
        res.bootstrap(5, "wild")
    with pytest.raises(SpecificationError, match="n_jobs must be at least 1"):
        res.bootstrap(5, n_jobs=0)
    with pytest.raises(SpecificationError, match=r"bootstrap: samples must be .* Use append"):
        res.extend([1.0, 2.0]).bootstrap(5)
    fixed = dict(zip(res.params.index, res.params, strict=True))
    with pytest.raises(SpecificationError, match="there must be parameters to estimate"):
        res.model.with_fixed(fixed).fit().bootstrap(5)
    endog, _ = series(30, 2, gaps=[(t, t % 2) for t in range(30)])
    never = LinearResults.from_fit(LinearRNN(endog, form="leaky"), [0.8, 1, 1, 0, 0, 0.5, 0.5])
    with pytest.raises(DataError, match=r"every output is seen; got 0"):
        never.bootstrap(5, "innovations")
    assert len(never.bootstrap(5).params) == 5


@pytest.mark.parametrize("zero", ["obs_cov[cpi,cpi]", "W_h[h1,h1]"])
def test_estimates_on_the_border_are_no_trap(zero):
    """From a variance or a root of exactly zero draws find their maxima off it."""
    endog, _ = series(60, 2)
    model = LinearRNN(endog, form="leaky", k_states=1)
    theta = pd.Series([0.7, 0.9, 0.8, 2.0, 2.0, 0.5, 0.5], index=list(model.param_names))
    theta[zero] = 0.0
    res = LinearResults.from_fit(model, theta, cov_type="none")
    draws = res.bootstrap(40)
    assert draws.failed.empty
    # half of the estimates of a parameter on its border lie off it (Self and Liang 1987)
    off = (draws.params[zero] > 1e-4).mean()
    assert 0.2 < off < 0.8


def test_other_models_are_refitted_by_their_own_fit():
    endog, _ = series(60)
    res = NoisyAR(endog, fixed={"obs_cov[cpi,cpi]": 0.5}).fit(start_params=[0.8, 1.0, 0.5, 2.0])
    draws = res.bootstrap(5)
    assert (draws.params["obs_cov[cpi,cpi]"] == 0.5).all()
    assert len(draws.params) == 5


def test_progress_is_shown_when_asked_for(monkeypatch, capsys):
    res = fit("innovations")
    monkeypatch.setattr("rnnstats.estimation.progress.PATIENCE", 0.0)
    quiet = res.bootstrap(30, rng=0)
    assert capsys.readouterr().err == ""
    shown = res.bootstrap(30, rng=0, progress=True)
    assert "bootstrap: " in capsys.readouterr().err
    np.testing.assert_array_equal(quiet.theta, shown.theta)
    with pytest.raises(SpecificationError, match="progress must be True or False"):
        res.bootstrap(5, progress="yes")
