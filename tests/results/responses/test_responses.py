"""Impulse responses and variance decompositions: sizes of shocks, bands, labels."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import NotPositiveDefiniteError, SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.system import StateSpace
from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults
from rnnstats.results.responses.bands import bootstrap_bands
from rnnstats.results.responses.impulse import cholesky_factor, steady_state

PHI = np.array([[0.5, 0.2], [-0.1, 0.6]])
GAIN = np.array([[0.8, 0.3], [0.1, 0.2]])
COV = np.array([[1.44, 0.48], [0.48, 0.97]])
THETA = np.concatenate([PHI.ravel(), GAIN.ravel(), [2.0, 1.5], COV[np.tril_indices(2)]])


@pytest.fixture(scope="module")
def innovations():
    """VARMA(1, 1) at given parameters, with a covariance of the estimates that is not singular."""
    model = LinearRNN(series(60, 2)[0], k_states=2)
    root = np.random.default_rng(0).standard_normal((len(THETA), len(THETA)))
    spread = CovarianceEstimate(1e-3 * root @ root.T, "oim", len(THETA), len(THETA), (), "")
    return LinearResults.from_fit(model, THETA, covariance=spread)


@pytest.fixture(scope="module")
def noisy():
    theta = [0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0]
    return LinearResults.from_fit(NoisyAR(series(60, 2)[0]), theta, cov_type="approx")


def wold(steps):
    """Responses by definition."""
    return np.array([np.eye(2), *[np.linalg.matrix_power(PHI, j) @ GAIN for j in range(steps)]])


def test_all_shocks_at_once_are_those_one_by_one(innovations):
    for options in ({}, {"orthogonalized": True}, {"generalized": True, "cumulative": True}):
        table = innovations.impulse_responses(5, None, **options)
        assert table.columns.names == ["impulse", "output"]
        for name in ("cpi", "gdp"):
            one = innovations.impulse_responses(5, name, **options)
            pd.testing.assert_frame_equal(table[name], one, check_names=False)
            banded = innovations.impulse_responses(5, name, bands="delta", **options)
            np.testing.assert_array_equal(banded.point, one)


def test_generalised_responses_have_their_formula_and_need_no_order(innovations):
    found = innovations.impulse_responses(6, None, generalized=True).to_numpy().reshape(7, 2, 2)
    expected = wold(6) @ COV / np.sqrt(np.diag(COV))
    np.testing.assert_allclose(found.transpose(0, 2, 1), expected, rtol=1e-12)
    # the first shock of a Cholesky order is the generalised one
    first = innovations.impulse_responses(6, "cpi", orthogonalized=True)
    np.testing.assert_allclose(found[:, 0], first, rtol=1e-12)
    # weights: one standard deviation of the sum of both innovations
    both = innovations.impulse_responses(6, [1.0, 1.0], generalized=True)
    weights = np.ones(2)
    expected = wold(6) @ COV @ weights / np.sqrt(weights @ COV @ weights)
    np.testing.assert_allclose(both, expected, rtol=1e-12)


def test_delta_bands_are_those_of_the_exact_derivative(innovations):
    """Response at lag 1 is K; at lag 2 it is W_h K: derivatives by hand."""
    names = list(innovations.model.param_names)
    cov = innovations.covariance.cov
    found = innovations.impulse_responses(2, "gdp", bands="delta", alpha=0.1)
    j = names.index("K[h1,gdp]")
    lag1 = float(np.sqrt(cov[j, j]))
    np.testing.assert_allclose(found.std_err[("gdp", "cpi")][1], lag1, rtol=1e-8)
    slope = np.zeros(len(names))
    slope[names.index("W_h[h1,h1]")], slope[names.index("W_h[h1,h2]")] = GAIN[:, 1]
    slope[names.index("K[h1,gdp]")], slope[names.index("K[h2,gdp]")] = PHI[0]
    lag2 = float(np.sqrt(slope @ cov @ slope))
    np.testing.assert_allclose(found.std_err[("gdp", "cpi")][2], lag2, rtol=1e-8)
    width = 1.6448536269514722
    np.testing.assert_allclose(found.upper - found.point, width * found.std_err, rtol=1e-10)
    np.testing.assert_allclose(found.point - found.lower, width * found.std_err, rtol=1e-10)
    # a response that is what it is whatever the parameters
    assert found.std_err.loc[0].eq(0.0).all()
    # running sums add the derivatives
    slope[j] += 1.0
    running = innovations.impulse_responses(2, "gdp", cumulative=True, bands="delta")
    expected = float(np.sqrt(slope @ cov @ slope))
    np.testing.assert_allclose(running.std_err[("gdp", "cpi")][2], expected, rtol=1e-8)


def test_shocks_by_kind(noisy):
    names = noisy.impulse_responses(3, None).columns.get_level_values(0)
    assert set(names) == {"h1"}
    innovations = noisy.impulse_responses(3, None, shocks="innovations")
    assert list(dict.fromkeys(innovations.columns.get_level_values(0))) == ["cpi", "gdp"]
    pd.testing.assert_frame_equal(innovations["gdp"], noisy.impulse_responses(3, "gdp"),
                                  check_names=False)  # fmt: skip
    with pytest.raises(SpecificationError, match="shock must be one that exists; got 'gdp'"):
        noisy.impulse_responses(3, "gdp", shocks="noises")
    # in a vector autoregression noises are innovations, under either name
    var = LinearRNN(series(60, 2)[0], k_states=2, form="observed")
    theta = {"W_h": 0.3, "state_cov": 1.0, "b_y": 0.0}
    values = [0.2 if name == "state_cov[gdp,cpi]" else theta[name.split("[")[0]]
              for name in var.param_names]  # fmt: skip
    observed = LinearResults.from_fit(var, values, cov_type="none")
    both = [observed.impulse_responses(4, name) for name in ("h2", "gdp")]
    pd.testing.assert_frame_equal(*both)
    assert list(dict.fromkeys(observed.impulse_responses(1, None).columns.get_level_values(0))) == [
        "cpi", "gdp"
    ]  # fmt: skip


def test_bands_object_is_labelled(innovations):
    bands = innovations.impulse_responses(12, None, orthogonalized=True, bands="delta")
    assert bands.frame.index.names == ["impulse", "output", "lag"]
    assert list(bands.frame.columns) == ["response", "std_err", "lower", "upper"]
    for part, column in (("point", "response"), ("std_err", "std_err"), ("lower", "lower")):
        wide = getattr(bands, part)
        np.testing.assert_array_equal(wide[("gdp", "cpi")], bands.frame.loc[("gdp", "cpi")][column])
    text = str(bands)
    assert "Responses of gdp to cpi" in text
    assert "95 % bands: delta method" in text
    assert "lag 12" in text
    series_bands = LinearResults.from_fit(
        NoisyAR(series(60)[0]), [0.8, 1.1, 0.4, 1.7], cov_type="approx"
    ).impulse_responses(3, bands="delta")
    assert list(series_bands.point.columns) == [("h1", "cpi")]


def test_weights_of_shocks_go_by_their_names(innovations, noisy):
    by_place = innovations.impulse_responses(3, [0.5, 2.0])
    for given in (pd.Series({"gdp": 2.0, "cpi": 0.5}), {"gdp": 2.0, "cpi": 0.5}):
        pd.testing.assert_frame_equal(innovations.impulse_responses(3, given), by_place)
    alone = innovations.impulse_responses(3, {"gdp": 2.0})
    pd.testing.assert_frame_equal(alone, 2.0 * innovations.impulse_responses(3, "gdp"))
    pd.testing.assert_frame_equal(innovations.impulse_responses(3, pd.Series([0.5, 2.0])), by_place)
    pd.testing.assert_frame_equal(
        noisy.impulse_responses(3, {"h1": 2.0}), noisy.impulse_responses(3, [2.0])
    )
    for wrong in (["gdp"], {"gnp": 1.0}, pd.Series([1.0, 2.0], index=["gdp", "gdp"])):
        with pytest.raises(SpecificationError, match="one finite weight for each of the 2 shocks"):
            innovations.impulse_responses(3, wrong)


class Draws:
    """Stands for a bootstrap: estimates of draws."""

    def __init__(self, theta):
        self.theta = theta


def test_bootstrap_bands_are_percentiles_over_the_draws(innovations):
    rng = np.random.default_rng(1)
    theta = THETA + 0.02 * rng.standard_normal((200, len(THETA)))
    theta[3] = np.nan  # a failed fit
    bands = innovations.impulse_responses(3, "gdp", bands="bootstrap", bootstrap=Draws(theta),
                                          alpha=0.2)  # fmt: skip
    good = np.delete(theta, 3, axis=0)
    by_hand = good[:, innovations.model.param_names.index("K[h2,gdp]")]
    low, high = np.quantile(by_hand, [0.1, 0.9])
    assert bands.lower[("gdp", "gdp")][1] == pytest.approx(low, rel=1e-12)
    assert bands.upper[("gdp", "gdp")][1] == pytest.approx(high, rel=1e-12)
    assert bands.std_err[("gdp", "gdp")][1] == pytest.approx(by_hand.std(ddof=1), rel=1e-12)
    assert "199 bootstrap draws" in str(bands)
    shares = innovations.fevd(4, bands="bootstrap", bootstrap=Draws(theta))
    assert shares.frame["lower"].between(0, 1).all()
    for wrong, words in (
        (Draws(theta[:, :3]), "draws of their 13"),
        (Draws(theta[:10]), "at least 20"),
    ):
        with pytest.raises(SpecificationError, match=words):
            innovations.impulse_responses(3, bands="bootstrap", bootstrap=wrong)


def test_the_bootstrap_of_the_results_is_used():
    res = LinearRNN(series(60)[0], k_states=1).fit(n_starts=1)
    draws = res.bootstrap(24, rng=1)
    bands = res.impulse_responses(2, bands="bootstrap", bootstrap=draws)
    by_hand = draws.params["K[h1,cpi]"]
    np.testing.assert_allclose(bands.upper.iloc[1], np.quantile(by_hand, 0.975), rtol=1e-12)


def test_options_exclude_each_other(innovations, noisy):
    with pytest.raises(SpecificationError, match="got both"):
        innovations.impulse_responses(2, orthogonalized=True, generalized=True)
    with pytest.raises(SpecificationError, match="bands must be one of"):
        innovations.impulse_responses(2, bands="other")
    for method in (innovations.impulse_responses, innovations.fevd):
        for bands in (None, "delta"):
            with pytest.raises(SpecificationError, match=f"got it with bands={bands!r}"):
                method(2, bands=bands, bootstrap=Draws(np.zeros((20, 13))))
    with pytest.raises(SpecificationError, match="shocks must be one of"):
        innovations.impulse_responses(2, shocks="other")
    with pytest.raises(SpecificationError, match="one finite weight for each of the 2"):
        innovations.impulse_responses(2, [1.0])
    with pytest.raises(SpecificationError, match="those of innovations"):
        noisy.fevd(2, shocks="noises", generalized=True)
    none = LinearResults.from_fit(innovations.model, THETA, cov_type="none")
    with pytest.raises(SpecificationError, match="needs the covariance of the estimates"):
        none.impulse_responses(2, bands="delta")


# --- variance decompositions -----------------------------------------------------------------


def test_shares_have_their_formula(innovations):
    found = innovations.fevd(5)
    half = wold(4) @ np.linalg.cholesky(COV)
    parts = np.cumsum(half**2, axis=0)
    expected = parts / parts.sum(axis=2, keepdims=True)
    shares = found.shares
    assert shares.index.names == ["output", "horizon"]
    np.testing.assert_allclose(
        shares.to_numpy().reshape(2, 5, 2).transpose(1, 0, 2), expected, rtol=1e-12
    )
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(found.variance, parts.sum(axis=2), rtol=1e-12)
    # the variance of the error is that of a forecast from a settled filter
    ahead = innovations.get_forecast(5).se_mean.to_numpy() ** 2
    np.testing.assert_allclose(found.variance, ahead, rtol=1e-6)  # the filter has nearly settled
    whole = innovations.fevd(5, generalized=True, normalized=False).shares
    raw = np.cumsum((wold(4) @ COV / np.sqrt(np.diag(COV))) ** 2, axis=0)
    np.testing.assert_allclose(
        whole.to_numpy().reshape(2, 5, 2).transpose(1, 0, 2),
        raw / parts.sum(axis=2, keepdims=True), rtol=1e-12,
    )  # fmt: skip
    rescaled = innovations.fevd(5, generalized=True).shares
    np.testing.assert_allclose(rescaled, whole.div(whole.sum(axis=1), axis=0), rtol=1e-12)


def test_noises_of_states_and_outputs(noisy):
    """Rows sum to one, and the variance is that of the innovations' decomposition."""
    found = noisy.fevd(6, shocks="noises")
    assert found.sources == ("h1", "noise of cpi", "noise of gdp", "state today")
    np.testing.assert_allclose(found.shares.sum(axis=1), 1.0, rtol=1e-13)
    np.testing.assert_allclose(found.variance, noisy.fevd(6).variance, rtol=1e-9)
    # by hand, two steps ahead for cpi: y = h + eps
    settled = steady_state(noisy._system)
    before = (settled.state_cov[0, 0] - 1.1) / 0.8**2  # filtered variance
    parts = np.array([1.1 * (1 + 0.8**2), 0.4, 0.0, before * 0.8**4])
    np.testing.assert_allclose(
        found.shares.loc[("cpi", 2)], parts / parts.sum(), rtol=1e-9, atol=1e-15
    )
    # in the innovations form the noises are the innovations
    model = LinearRNN(series(60, 2)[0], k_states=2)
    res = LinearResults.from_fit(model, THETA, cov_type="none")
    pd.testing.assert_frame_equal(res.fevd(4, shocks="noises").shares, res.fevd(4).shares)


def test_bands_of_shares(innovations):
    found = innovations.fevd(4, bands="delta")
    assert list(found.frame.columns) == ["share", "std_err", "lower", "upper"]
    assert found.frame[["lower", "upper"]].stack().between(0, 1).all()
    # shares of one output sum to one, so errors of two sources are the same
    errors = found.frame["std_err"].unstack()
    np.testing.assert_allclose(errors["cpi"], errors["gdp"], rtol=1e-6, atol=1e-10)
    assert errors.loc[("cpi", 1)].max() < 1e-12  # the first shock alone, whatever the parameters
    assert errors.loc[("gdp", 1)].min() > 1e-3
    # share of cpi in the first error of gdp: squared correlation; derivative by the chain rule
    cov, names = innovations.covariance.cov, list(innovations.model.param_names)
    where = [names.index(f"obs_cov[{pair}]") for pair in ("cpi,cpi", "gdp,cpi", "gdp,gdp")]
    a, b, c = COV[0, 0], COV[1, 0], COV[1, 1]
    slope = np.array([-(b**2) / (a**2 * c), 2 * b / (a * c), -(b**2) / (a * c**2)])
    expected = np.sqrt(slope @ cov[np.ix_(where, where)] @ slope)
    np.testing.assert_allclose(errors.loc[("gdp", 1), "cpi"], expected, rtol=1e-8)
    text = str(found)
    assert "Shares in the forecast error variance of gdp" in text
    assert "[lower" in text
    assert "[lower" not in str(innovations.fevd(4))


def test_slow_filters_are_solved_for():
    """A local level with little noise: the filter settles at 1e-5 a row."""
    noise = 1e-10
    model = NoisyAR(series(40)[0], initial="diffuse", trend="n")
    system = model.system([1.0, noise, 1.0])
    settled = steady_state(system)
    state = (noise + np.sqrt(noise**2 + 4 * noise)) / 2
    np.testing.assert_allclose(settled.state_cov, state, rtol=1e-8)
    np.testing.assert_allclose(settled.gain, state / (state + 1.0), rtol=1e-8)
    # y = e - e(-1): the filter's variance falls to its limit like 1 / t
    overdifferenced = StateSpace.from_arrays(
        design=[[1.0, -1.0]], transition=[[0.0, 0.0], [1.0, 0.0]], selection=[[1.0], [0.0]],
        state_cov=[[1.0]], start="stationary",
    )  # fmt: skip
    with pytest.raises(SpecificationError, match="innovations: the filter must settle"):
        steady_state(overdifferenced)


def test_the_factor_of_a_singular_covariance():
    """Two shocks that are the same, one without variance."""
    cov = np.array([[4.0, 4.0, 0.0, 2.0], [4.0, 4.0, 0.0, 2.0], [0.0] * 4, [2.0, 2.0, 0.0, 5.0]])
    expected = [[2.0, 0, 0, 0], [2.0, 0, 0, 0], [0, 0, 0, 0], [1.0, 0, 0, 2.0]]
    np.testing.assert_allclose(cholesky_factor(cov), expected, atol=1e-15)
    rng = np.random.default_rng(0)
    root = rng.standard_normal((5, 3))
    factor = cholesky_factor(root @ root.T)
    np.testing.assert_allclose(factor @ factor.T, root @ root.T, atol=1e-12)
    for wrong in (np.diag([1.0, -1.0]), np.array([[1.0, 2.0], [2.0, 1.0]])):
        with pytest.raises(NotPositiveDefiniteError, match="positive semi-definite"):
            cholesky_factor(wrong)


@pytest.mark.slow
@pytest.mark.statistical
def test_bands_of_responses_and_shares_cover():
    """VAR(1) of two outputs, 200 rows, 600 samples: nominal 95 %.

    A coverage has standard error 0.009; first-order bands of this size of sample are known to
    cover a point or two less (Kilian 1998). A right procedure fails with probability below 1e-4.
    """
    phi, root = np.array([[0.5, 0.2], [-0.1, 0.4]]), np.array([[1.0, 0.0], [0.5, 0.8]])
    responses = np.array([np.linalg.matrix_power(phi, j) @ root for j in range(4)])
    parts = np.cumsum(responses**2, axis=0)
    shares = parts / parts.sum(axis=2, keepdims=True)
    inside = {"responses": [], "shares": []}
    for seed in range(600):
        rng = np.random.default_rng(seed)
        shocks = rng.standard_normal((250, 2)) @ root.T
        values = np.zeros((250, 2))
        for t in range(1, 250):
            values[t] = phi @ values[t - 1] + shocks[t]
        model = LinearRNN(values[50:], form="observed", k_states=2, initial="diffuse")
        res = model.fit(cov_type="approx")
        bands = res.impulse_responses(3, None, orthogonalized=True, bands="delta")
        truth = responses.transpose(0, 2, 1).reshape(4, 4)
        found = (bands.lower.to_numpy() <= truth) & (truth <= bands.upper.to_numpy())
        inside["responses"].append(np.delete(found.ravel(), 2))  # zero by construction
        frame = res.fevd(4, bands="delta").frame.xs("y2", level="source")
        truth = shares[:, :, 1].T.ravel()
        found = (frame["lower"] <= truth) & (truth <= frame["upper"])
        inside["shares"].append(found.to_numpy()[4:])  # of y2; those of y1 begin at the edge, 0
    for name, found in inside.items():
        coverage = np.mean(found, axis=0)
        assert coverage.min() > 0.90, (name, coverage)
        assert coverage.max() < 0.985, (name, coverage)
        assert 0.925 < coverage.mean() < 0.965, (name, coverage)


@pytest.mark.parametrize("unit", [1.0, 1e6, 1e-9])
def test_units_of_another_output_do_not_matter(unit):
    """A level that settles slowly beside one in far units, which settles at once."""
    states = {"W_h": np.eye(2), "V": np.eye(2), "state_cov": [["q1", 0], [0, "q2"]]}
    model = LinearRNN(
        series(60, 2)[0] * [unit, 1.0],
        form="structured",
        structure={**states, "obs_cov": [["r1", 0], [0, "r2"]]},
        initial="diffuse",
    )
    values = pd.Series({"q1": unit**2, "q2": 1e-3, "r1": unit**2, "r2": 2.0})
    theta = values[list(model.param_names)].to_numpy()
    res = LinearResults.from_fit(model, theta, cov_type="none")
    state = (1e-3 + np.sqrt(1e-6 + 8e-3)) / 2  # p = p - p^2 / (p + r) + q
    steady = steady_state(res._system)
    np.testing.assert_allclose(steady.gain[1, 1], state / (state + 2.0), rtol=1e-9)
    np.testing.assert_allclose(steady.state_cov[1, 1], state, rtol=1e-9)
    shares = res.fevd(2, shocks="noises").shares.loc[("gdp", 2)]
    parts = np.array([2e-3, 2.0, state - 1e-3])
    expected = parts / parts.sum()
    found = shares[["h2", "noise of gdp", "state today"]]
    np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_draws_without_an_answer_are_left_out_of_bands():
    """A draw whose filter never settles is no reason to refuse the others."""
    draws = np.linspace(-1.0, 1.0, 41)[:, None]

    def function(theta):
        if theta[0] > 0.91:
            raise SpecificationError("the filter must settle")
        return theta

    found = bootstrap_bands(
        function, np.zeros(1), SimpleNamespace(theta=draws), alpha=0.1, caller="test"
    )
    assert "39 bootstrap draws" in found.words
    assert found.upper[0] <= 0.91


def test_bands_of_a_model_without_free_parameters_have_no_width(innovations):
    held = dict(zip(innovations.model.param_names, THETA, strict=True))
    fixed = innovations.model.with_fixed(held).fit()
    bands = fixed.impulse_responses(3, None, bands="delta")
    pd.testing.assert_frame_equal(bands.point, innovations.impulse_responses(3, None))
    assert (bands.std_err == 0.0).all(axis=None)
    assert (fixed.fevd(3, bands="delta").frame["std_err"] == 0.0).all()
