"""Forecasts of networks against laws that are known: linear ones, and few steps by quadrature."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, chosen, data, gaussian, network
from results.recurrent.test_linear_twin import pair
from scipy import stats

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.results.linear import LinearResults
from rnnstats.results.recurrent.forecasting.engine import Plan, _Paths, ahead
from rnnstats.results.recurrent.forecasting.origin import origin_of
from rnnstats.results.recurrent.forecasting.points import mirrored_points, size_of
from rnnstats.results.recurrent.forecasting.residual_laws import Pool

mpl.use("Agg")
# Nodes of Gauss and Hermite's rule: smooth functions of one normal number to about 1e-10.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(80)
WEIGHTS = WEIGHTS / WEIGHTS.sum()


def twins(trail=0, gap=None, exog=False):
    """A linear model in innovations form, and the identity network with the same law."""
    rng = np.random.default_rng(7)
    y = rng.standard_normal((70, 2)).cumsum(axis=0) * 0.3 + rng.standard_normal((70, 2))
    x = rng.standard_normal((70, 1)) if exog else None
    if trail:
        y[-trail:] = np.nan
    if gap is not None:
        y[gap] = np.nan
    linear = LinearRNN(y, x, form="innovations", initial="known")
    params = linear.start_params
    system = linear.system(params)
    net = ElmanRNN(y, x, k_hidden=2, activation="identity", presample="predict")
    load, read = system.selection, system.design
    mean = np.atleast_2d(system.obs_intercept)[0]
    drift = np.zeros(2) if exog else np.atleast_2d(system.state_intercept)[0]
    blocks = {
        "W_h": system.transition - load @ read, "W_y": load, "b_h": drift - load @ mean,
        "V": read, "b_y": mean, "obs_cov": system.obs_cov,
    }  # fmt: skip
    if exog:
        blocks["W_x"] = params[["W_x[h1,x]", "W_x[h2,x]"]].to_numpy()[:, None]
    point = []
    for name in net.param_names:
        group, _, label = name.rstrip("]").partition("[")
        places = [0 if part == "x" else int(part[1:]) - 1 for part in label.split(",")]
        point.append(blocks[group][tuple(places)])
    ours = at(net, np.array(point), cov_type="none")
    return ours, LinearResults.from_fit(linear, params, cov_type="none")


@pytest.mark.parametrize(
    "kind",
    [{}, {"trail": 3}, {"exog": True}, {"gap": (slice(67, 70), 0)}, {"gap": (69, 1)}],
    ids=["whole", "trailing", "exog", "half", "last"],
)
def test_identity_networks_forecast_as_the_linear_model(kind):
    ours, theirs = twins(**kind)
    later = np.arange(5.0)[:, None] if "exog" in kind else None
    one, two = ours.get_forecast(5, later), theirs.get_forecast(5, later)
    # both are sums of the same products in another order
    np.testing.assert_allclose(one.predicted_mean, two.predicted_mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(one.var_pred_mean, two.var_pred_mean, rtol=0, atol=1e-10)
    np.testing.assert_allclose(one.conf_int(), two.conf_int(), rtol=0, atol=1e-9)  # by search
    assert (one.mc_error.to_numpy() == 0.0).all()
    assert list(one.summary_frame(1).columns) == list(two.summary_frame(1).columns)
    assert one.row_labels.equals(two.row_labels)


def test_drawn_paths_have_the_moments_of_the_exact_law():
    ours, _ = twins(trail=3)
    model, system = ours.model, ours._system
    origin, nobs = origin_of(model, system, 70), 70
    assert origin.row == 67
    exact = ahead(model, system, blank=nobs, start=nobs, stop=nobs + 6).law
    drawn = _Paths(model, system, origin, None, Plan()).law(9, 3).law
    # mirror images make means of linear paths exact; covariances of 4096 even points to 1 or 2 %
    np.testing.assert_allclose(drawn.mean(), exact.mean(), rtol=0, atol=1e-12)
    scale = np.sqrt(np.einsum("hii,hjj->hij", exact.cov(), exact.cov()))
    assert (np.abs(drawn.cov() - exact.cov()) < 0.02 * scale).all()


def step_means(results, state, lags, exog=None):
    """Means of the next row at lags (m,), and the states after."""
    system = results._system
    lags = np.asarray(lags, dtype=float).reshape(len(lags), -1, 1)
    inputs = None if exog is None else np.tile(exog, (len(lags), 1))
    state, eta = system.step(np.tile(state, (len(lags), 1)), lags, inputs)
    return state, eta[:, 0]


@pytest.mark.parametrize("name", ["elman", "gru", "lstm", "layers"])
def test_two_steps_by_quadrature(name):
    res = network(name)
    system, sd = res._system, float(np.sqrt(res.params["obs_cov[cpi,cpi]"]))
    exog = np.array([[4.5], [3.0]])
    lags = system.lags_before(res.model.nobs)[:, 0]
    state, first = step_means(res, system.state_before(res.model.nobs), [lags], exog[0])
    drawn = first + sd * NODES
    after = np.column_stack([drawn, np.tile(lags[:-1], (len(NODES), 1))])
    _, second = step_means(res, state[0], after, exog[1])
    found = res.get_forecast(2, exog)
    assert found.predicted_mean.iloc[0] == pytest.approx(first[0], abs=1e-12)
    assert found.se_mean.iloc[0] == pytest.approx(sd, rel=1e-12)
    mean = WEIGHTS @ second
    error = found.mc_error.iloc[1]
    # the replicates' spread is a standard error with 7 degrees of freedom: 6 of them is rare
    assert abs(found.predicted_mean.iloc[1] - mean) < max(6 * error, 1e-9)
    assert error < 2e-4 * sd
    variance = sd**2 + WEIGHTS @ (second - mean) ** 2
    assert found.se_mean.iloc[1] == pytest.approx(np.sqrt(variance), rel=1e-3)
    ends = found.conf_int(0.1).iloc[1].to_numpy()
    shares = [WEIGHTS @ stats.norm.cdf((end - second) / sd) for end in ends]
    np.testing.assert_allclose(shares, [0.05, 0.95], rtol=0, atol=2e-4)
    shorter = res.get_forecast(2, exog, n_draws=64)
    assert shorter.mc_error.iloc[1] > error  # the error falls with the number of paths


def counts(head):
    rng = np.random.default_rng(4)
    y = pd.Series(rng.poisson(2.0, 60).astype(float), name="n")
    if head == "bernoulli":
        y = (y > 1).astype(float)
    if head == "categorical":
        y = pd.Series(np.array(["low", "mid", "top"])[np.minimum(y.astype(int), 2)], name="n")
    if head == "gamma":
        y = y + 0.5
    return at(ElmanRNN(y, head=head), cov_type="none")


@pytest.mark.parametrize("head", ["poisson", "negative-binomial", "bernoulli", "categorical"])
def test_two_steps_by_summing_over_outcomes(head):
    res = counts(head)
    system, nobs = res._system, res.model.nobs
    size = {"bernoulli": 2, "categorical": 3}.get(head, 60)
    support = np.arange(float(size))
    lags = system.lags_before(nobs)[None]
    state, eta = system.step(system.state_before(nobs)[None], lags, None)

    def mass(eta):
        """Probabilities of the support, (m, size)."""
        rows = np.repeat(np.arange(len(eta)), size)
        y = np.tile(support, len(eta))[:, None]
        logs = res.model.head.log_density(y, eta[rows], np.asarray(system.extra))
        return np.exp(logs).reshape(len(eta), size)

    one = mass(eta)[0]
    after = system.lag_values(support[:, None])[:, None]
    _, etas = system.step(np.tile(state, (size, 1)), after, None)
    two = one @ mass(etas)
    found = res.get_forecast(2)
    if head == "categorical":
        np.testing.assert_allclose(found.predicted_mean.iloc[0], one, rtol=0, atol=1e-12)
        np.testing.assert_allclose(found.predicted_mean.iloc[1], two, rtol=0, atol=2e-3)
        assert list(found.predicted_mean.columns) == ["n=low", "n=mid", "n=top"]
        return
    np.testing.assert_allclose(found.pdf(support).iloc[0], one, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.pdf(support).iloc[1], two, rtol=0, atol=2e-3)
    ends = found.conf_int(0.2).to_numpy()
    assert (ends == np.round(ends)).all()
    assert abs(found.predicted_mean.iloc[1] - support @ two) < 6 * found.mc_error.iloc[1] + 1e-9
    assert found.discrete == (True,)


def test_a_row_missing_at_the_end_is_a_row_to_come():
    y, x = data()
    model = ElmanRNN(y.iloc[:-1], x.iloc[:-1], k_hidden=2)
    theta = chosen(model)
    earlier = at(model, theta).get_forecast(2, x.iloc[-1:].to_numpy().repeat(2, axis=0))
    gone = y.copy()
    gone.iloc[-1] = np.nan
    later = ElmanRNN(gone, x, k_hidden=2)
    plug = at(later, theta)
    found = plug.get_forecast(1, x.iloc[-1:].to_numpy())
    # the same two steps, the first one beyond the sample or within it
    assert found.predicted_mean.iloc[0] == pytest.approx(
        earlier.predicted_mean.iloc[1], abs=6 * earlier.mc_error.iloc[1]
    )
    assert found.se_mean.iloc[0] == pytest.approx(earlier.se_mean.iloc[1], rel=1e-3)
    noise = np.sqrt(theta[-1])
    assert found.se_mean.iloc[0] > 1.003 * noise  # its one-step prediction would leave just noise


def test_what_is_seen_after_a_gap_weighs_the_paths():
    y, _ = data()
    y = y.copy()
    y.iloc[-2] = np.nan
    res = at(ElmanRNN(y, k_hidden=2, y_lags=2))
    system, nobs, sd = res._system, res.model.nobs, float(np.sqrt(res.params.iloc[-1]))
    before = system.lags_before(nobs - 2)
    state, first = step_means(res, system.state_before(nobs - 2), [before[:, 0]])
    drawn = first + sd * NODES
    lags = np.column_stack([drawn, np.full(len(NODES), before[0, 0])])
    states, second = step_means(res, state[0], lags)
    weight = WEIGHTS * stats.norm.pdf(y.iloc[-1], second, sd)
    weight /= weight.sum()
    last = np.column_stack([np.full(len(NODES), y.iloc[-1]), drawn])
    _, eta = system.step(states, last[:, :, None], None)
    found = res.get_forecast(1, n_draws=2**14)
    spread = np.sqrt(weight @ (eta[:, 0] - weight @ eta[:, 0]) ** 2)
    assert spread > 0.01 * sd
    # choosing paths anew adds noise that replicates show, too
    assert abs(found.predicted_mean.iloc[0] - weight @ eta[:, 0]) < 6 * found.mc_error.iloc[0]
    assert found.mc_error.iloc[0] < 0.1 * spread


def test_residuals_keep_their_shape():
    rng = np.random.default_rng(2)
    noise = rng.exponential(size=400) - 1.0
    y = np.zeros(400)
    for t in range(1, 400):
        y[t] = 0.6 * np.tanh(y[t - 1]) + noise[t]
    model = ElmanRNN(y, k_hidden=1)
    theta = dict.fromkeys(model.param_names, 0.0)
    theta |= {"W_y[h1,y]": 1.0, "V[y,h1]": 0.6, "obs_cov[y,y]": float(np.var(noise[1:]))}
    res = at(model, pd.Series(theta))
    plain, drawn = res.get_forecast(3), res.get_forecast(3, method="residuals")
    mean, sd = plain.predicted_mean.iloc[0], plain.se_mean.iloc[0]
    # pools are centred and of unit variance, and so are 4096 even draws of them to 1 %
    assert drawn.predicted_mean.iloc[0] == pytest.approx(mean, abs=0.01 * sd)
    assert drawn.se_mean.iloc[0] == pytest.approx(sd, rel=0.02)
    low, high = drawn.conf_int(0.1).iloc[0] - mean
    # an exponential less one has its quantiles at -0.95 and 2.00, a normal at -1.64 and 1.64
    assert low == pytest.approx(-0.95, abs=0.25)
    assert high == pytest.approx(2.0, abs=0.35)
    assert plain.conf_int(0.1).iloc[0, 0] - mean == pytest.approx(stats.norm.ppf(0.05) * sd)


@pytest.mark.parametrize("head", ["poisson", "gamma", "gaussian"])
def test_normal_scores_in_the_pool_give_back_the_head(head):
    res = gaussian() if head == "gaussian" else counts(head)
    scores = stats.norm.ppf((np.arange(2000) + 0.5) / 2000)
    pool = Pool(scores[:, None] / scores.std(), 0.2)
    nobs = res.model.nobs
    plan = Plan(pool=pool)
    rows = {"blank": nobs, "start": nobs, "stop": nobs + 2}
    found = ahead(res.model, res._system, plan=plan, **rows)
    known = ahead(res.model, res._system, **rows).law
    # a normal kernel around normal scores, shrunk, is normal; 4096 even points of each
    np.testing.assert_allclose(found.law.mean(), known.mean(), rtol=5e-3)
    np.testing.assert_allclose(found.law.cov(), known.cov(), rtol=0.02)
    for point in known.mean()[:, 0] * [[0.7], [1.0], [1.2]]:
        for kind in ("cdf", "below"):
            one, two = (getattr(law, kind)(np.floor(point), 0) for law in (found.law, known))
            np.testing.assert_allclose(one, two, rtol=0, atol=2e-3)
    place = np.ceil(known.mean()[:, 0])
    density = [law.pdf(place, 0) for law in (found.law, known)]
    np.testing.assert_allclose(*density, rtol=0.01)
    assert (found.mc_error < 5e-3).all()


def test_parameter_uncertainty_is_that_of_the_delta_method_one_step_ahead():
    net, linear = pair()
    theirs = linear.get_forecast(3, uncertainty="delta")
    table = net.predict_at()
    variance = table["mean_se"].to_numpy() ** 2 + np.diag(net.get_forecast(1).var_pred_mean)
    # derivatives by differences in both, of other coordinates
    np.testing.assert_allclose(variance, np.diag(theirs.var_pred_mean.iloc[:2]), rtol=1e-7)
    found = net.get_forecast(3, uncertainty="delta")
    np.testing.assert_allclose(found.predicted_mean, theirs.predicted_mean, rtol=0, atol=1e-9)
    # what is of second order in the errors of 11 estimates from 80 rows: a few hundredths
    np.testing.assert_allclose(found.se_mean, theirs.se_mean, rtol=0.06)
    assert "delta, 200 draws" in found.information_set


def test_delta_counts_what_is_not_known_and_no_more():
    res = gaussian()
    plain, found = res.get_forecast(4), res.get_forecast(4, uncertainty="delta", draws=80)
    assert (found.se_mean > plain.se_mean).all()
    known = np.hypot(plain.se_mean.iloc[0], res.predict_at()["mean_se"].iloc[0])
    assert found.se_mean.iloc[0] == pytest.approx(known, rel=0.005)
    np.testing.assert_array_equal(found.predicted_mean, plain.predicted_mean)


@pytest.mark.slow  # processes start
def test_numbers_do_not_depend_on_the_number_of_processes():
    one, two = (
        gaussian().get_forecast(8, uncertainty="delta", n_jobs=n_jobs, draws=20).se_mean
        for n_jobs in (1, 2)
    )
    np.testing.assert_array_equal(one, two)


class FakeBootstrap:
    """Draws as `bootstrap` returns them, without the fits."""

    def __init__(self, theta):
        self.theta = theta


def test_bootstrap_mixes_over_estimates_and_reports_the_bias():
    res = gaussian()
    moved = np.tile(res.params.to_numpy(), (30, 1))
    moved[:, list(res.model.param_names).index("b_y[cpi]")] += np.linspace(0.0, 2.0, 30)
    found = res.get_forecast(1, uncertainty="bootstrap", bootstrap=FakeBootstrap(moved))
    plain = res.get_forecast(1)
    assert found.bias.iloc[0] == pytest.approx(1.0, abs=1e-9)  # mean of 0 to 2
    known = plain.se_mean.iloc[0] ** 2 + np.mean(np.linspace(0.0, 2.0, 30) ** 2)
    assert found.se_mean.iloc[0] ** 2 == pytest.approx(known, rel=1e-9)
    assert plain.bias is None
    with pytest.raises(SpecificationError, match="what bootstrap"):
        res.get_forecast(1, uncertainty="bootstrap", bootstrap=FakeBootstrap(moved[:, :2]))
    with pytest.raises(DataError, match="at least 20"):
        res.get_forecast(1, uncertainty="bootstrap", bootstrap=FakeBootstrap(moved[:5]))


def test_labels_seeds_and_refusals():
    res = network("gru")
    later = np.full((3, 1), 4.0)
    last = res.model.endog.index[-1]
    found = res.get_forecast(str(last + 3), later)
    assert list(found.predicted_mean.index) == [last + 1, last + 2, last + 3]
    np.testing.assert_array_equal(res.forecast(3, later), res.get_forecast(3, later).predicted_mean)
    other = res.get_forecast(3, later, rng=1).predicted_mean.iloc[-1]
    assert other != res.get_forecast(3, later, rng=2).predicted_mean.iloc[-1]
    with pytest.raises(SpecificationError, match="method must be"):
        res.get_forecast(1, later[:1], method="exact")
    with pytest.raises(SpecificationError, match=r"options of uncertainty='plugin'.*got 'draws'"):
        res.get_forecast(1, later[:1], draws=10)
    with pytest.raises(SpecificationError, match="needs the covariance of the estimates"):
        at(res.model, cov_type="none").get_forecast(1, later[:1], uncertainty="delta")
    with pytest.raises(DataError, match="rate"):
        res.get_forecast(2)
    with pytest.raises(SpecificationError, match="categories have no residuals"):
        counts("categorical").get_forecast(1, method="residuals")


def test_an_interrupt_leaves_the_draws_made_by_then(monkeypatch):
    from rnnstats.results.recurrent.forecasting import forecasts

    res, calls = gaussian(), []
    usual = forecasts.linearised

    def stopping(*given):
        calls.append(1)
        if len(calls) > 45:
            raise KeyboardInterrupt
        return usual(*given)

    monkeypatch.setattr(forecasts, "linearised", stopping)
    with pytest.warns(match="interrupted; the results rest on 40 of 200"):
        found = res.get_forecast(2, uncertainty="delta")
    assert "40 draws" in found.information_set


def test_samples_whose_fits_failed_are_named_as_such():
    res = gaussian()
    found = SimpleNamespace(
        theta=np.tile(res.params.to_numpy(), (2, 1)), failed=["no maximum"] * 38
    )
    with pytest.raises(DataError, match=r"20 fits .* must converge; got 2 of 40\. Use a penalty"):
        res.get_forecast(1, uncertainty="bootstrap", bootstrap=found)


def test_directions_without_information_are_said_to_be_taken_as_known():
    y = pd.Series(np.random.default_rng(0).standard_normal(60))
    res = at(LSTM(y, k_hidden=2), cov_type="approx")
    theta = res.params.to_numpy().copy()
    theta[[name.startswith("V") for name in res.model.param_names]] = 0.0
    flat = at(res.model, theta, cov_type="approx")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        flat.get_forecast(1, uncertainty="delta", draws=20)
    # without a readout the weights behind it say nothing, and the forecast does not depend on them
    assert not any("taken as known" in str(one.message) for one in caught)


def test_points_are_even_and_mirrored():
    draws = size_of(1000)
    assert draws == 1024
    points = mirrored_points(draws, 3, np.random.default_rng(0))
    assert points.shape == (1024, 3)
    np.testing.assert_allclose(points.mean(axis=0), 0.5, rtol=0, atol=1e-12)  # mirror images
    one = np.sort(points[:64, 0])  # 64 points of a net: one in each 64th
    np.testing.assert_array_equal(np.floor(one * 64), np.arange(64))
    assert 0.0 < points.min() and points.max() < 1.0


def test_pictures():
    import matplotlib.pyplot as plt

    res = gaussian()
    for fig in (
        res.plot_forecast(3, alpha=0.1, n_draws=64),
        res.plot_fan(2, shape="hdr", levels=(0.9,), n_draws=20),
        counts("categorical").plot_fan(4),
        counts("poisson").plot_forecast(2, uncertainty="plugin", n_draws=64),
    ):
        assert len(fig.axes) == 1
        plt.close(fig)
    with pytest.raises(SpecificationError, match="shape must be"):
        res.plot_fan(2, shape="round")


def test_forecasts_far_ahead_settle():
    res = at(GRU(data()[0], k_hidden=1))
    found = res.get_forecast(60, n_draws=512)
    last = found.summary_frame().iloc[-10:]
    # the law forgets where it began; means of the last rows differ by Monte Carlo error only
    assert last["mean"].std() < 6 * found.mc_error.iloc[-10:].max()
