"""Historical decompositions, contributions of series, weights of observations: sums and sources."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from results.fakes import NoisyAR, series

from rnnstats.errors import DataError, SpecificationError
from rnnstats.kernels.kalman import kalman_smoother
from rnnstats.kernels.system import StateSpace
from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults
from rnnstats.results.responses.weights import Weigher

GAPS = ((0, 1), (4, 0), (20, 1), (33, 0), (33, 1), (59, 1))


def natural(names):
    """Admissible parameters by name."""
    values = []
    for name in names:
        block, inside = name.rstrip("]").split("[")
        first, _, last = inside.partition(",")
        if block == "W_h":
            values.append(0.6 - 0.2 * (last == "h2") if first == last else 0.15)
        elif block in ("obs_cov", "state_cov"):
            values.append(1.3 if first == last else 0.3)
        else:
            values.append({"K": 0.4, "W_x": 0.6, "D": -0.7, "V": 0.8, "b_y": 2.0}.get(block, 0.05))
    return np.array(values) + np.linspace(0.0, 0.05, len(values))


CASES = {
    "innovations": {"k_states": 2, "exog_enters": "both", "trend": "ct"},
    "innovations, known start": {"k_states": 3, "initial": "known"},
    "innovations, diffuse": {"k_states": 3, "initial": "diffuse"},
    "observed": {"form": "observed", "k_states": 4},
    "observed, diffuse": {"form": "observed", "k_states": 4, "initial": "diffuse"},
    "leaky": {"form": "leaky", "k_states": 2, "exog_enters": "both"},
    "noisy autoregression, diffuse": {"initial": "diffuse", "trend": "ct"},
    "later rows": {"k_states": 2},
}


def build(case, gaps=GAPS):
    endog, exog = series(60, 2, 1, gaps=gaps)
    kind = NoisyAR if case.startswith("noisy") else LinearRNN
    if case.startswith("observed"):  # given its first rows, which must be complete
        endog.iloc[:6] = series(60, 2, 1)[0].iloc[:6]
    model = kind(endog, exog, **CASES[case])
    theta = natural(model.param_names)
    if case.startswith("observed"):
        theta = np.where([name.startswith("W_h") for name in model.param_names], theta / 2, theta)
    res = LinearResults.from_fit(model, theta, cov_type="none")
    if case == "later rows":
        later, inputs = series(85, 2, 1, gaps=((70, 0), (71, 1)))
        res = res.extend(later[60:], inputs[60:])
    return res


@pytest.fixture(scope="module", params=list(CASES))
def res(request):
    return build(request.param)


def states(res, information):
    return getattr(res, f"{information}_state")


INFORMATION = ("smoothed", "filtered", "predicted")


@pytest.mark.parametrize("shocks", ["smoothed", "predicted"])
@pytest.mark.parametrize("orthogonalized", [False, True])
def test_parts_sum_to_the_data(res, shocks, orthogonalized):
    found = res.historical_decomposition(shocks=shocks, orthogonalized=orthogonalized)
    data = res.model.endog.values
    seen = ~np.isnan(data)
    np.testing.assert_allclose(found.total.to_numpy()[seen], data[seen], rtol=0, atol=1e-11)
    frame = found.frame
    assert frame.columns.names == ["output", "part"]
    pd.testing.assert_index_equal(frame.index, res.model.endog.index)
    assert set(found.parts) >= {"start", "trend", "input x0"}
    # at missing values: what the smoother says, or the filter
    rows = np.flatnonzero(~seen.all(axis=1))
    if shocks == "predicted":
        expected = np.asarray(res.fittedvalues)
    else:
        blanks = res._smoother
        expected = blanks.smoothed_state @ res._system.design.T + blanks.smoothed_obs_noise
        expected = expected + res._system.obs_intercept
    for t in rows[rows >= res.nobs_diffuse]:
        np.testing.assert_allclose(
            found.total.to_numpy()[t, ~seen[t]], expected[t, ~seen[t]], rtol=0, atol=1e-10
        )


def test_parts_of_shocks_are_running_sums_of_responses():
    """With a known start every part is what the impulse responses make of the shocks."""
    res = build("innovations, known start", gaps=())
    for orthogonalized in (False, True):
        found = res.historical_decomposition(orthogonalized=orthogonalized)
        n = res.nobs
        responses = res.impulse_responses(n, None, orthogonalized=orthogonalized)
        for name in ("cpi", "gdp"):
            answers, shocks = responses[name].to_numpy(), found.shocks[f"shock {name}"].to_numpy()
            for i, output in enumerate(("cpi", "gdp")):
                expected = [answers[: t + 1, i][::-1] @ shocks[: t + 1] for t in range(n)]
                part = found.frame[(output, f"shock {name}")]
                np.testing.assert_allclose(part, expected, rtol=0, atol=1e-10)
    # nothing else is random: the start has no part, and complete data leave the filter's errors
    np.testing.assert_allclose(found.frame.xs("start", axis=1, level=1), 0.0, atol=1e-10)
    errors = res.historical_decomposition(shocks="predicted").shocks
    smoothed = res.historical_decomposition().shocks
    np.testing.assert_allclose(smoothed, errors, rtol=0, atol=1e-9)
    np.testing.assert_allclose(errors, res.resid, rtol=0, atol=1e-12)


def test_deterministic_parts_are_the_mean_without_data():
    """Trend and inputs together are the mean of the model before any observation."""
    for case in ("innovations", "leaky"):
        res = build(case)
        found = res.historical_decomposition().frame
        nothing = np.full((res.nobs, 2), np.nan)
        mean = kalman_smoother(res._system, nothing)
        expected = mean.smoothed_state @ res._system.design.T + res._system.obs_intercept
        for i, output in enumerate(("cpi", "gdp")):
            part = found[output][["trend", "input x0"]].sum(axis=1)
            np.testing.assert_allclose(part, expected[:, i], rtol=0, atol=1e-11)


def test_history_table_and_text(res):
    found = res.historical_decomposition()
    assert list(found.table.columns) == list(res.model.endog.names)
    text = str(found)
    assert "Historical decomposition" in text
    assert "missing values" in text
    with pytest.raises(SpecificationError, match="shocks must be one of"):
        res.historical_decomposition(shocks="other")


# --- contributions -----------------------------------------------------------------------------


@pytest.mark.parametrize("information", INFORMATION)
@pytest.mark.parametrize("deviations", [False, True])
def test_contributions_sum_to_the_estimate(res, information, deviations):
    for target in ("h1", res.model.state_names[-1]):
        found = res.contributions(target, information=information, deviations=deviations)
        pd.testing.assert_series_equal(
            found.total, states(res, information)[target], atol=1e-10, rtol=1e-10
        )
    if information == "predicted":
        found = res.contributions("gdp", information=information, deviations=deviations)
        expected = pd.DataFrame(res.fittedvalues)["gdp"]
        pd.testing.assert_series_equal(found.total, expected, atol=1e-10, rtol=0)
    assert list(found.frame.columns) == ["cpi", "gdp", "start", "trend", "input x0"]


@pytest.mark.parametrize("information", INFORMATION)
def test_weights_sum_to_the_estimate(res, information):
    exog = np.ones((3, 1))
    ahead = res.contributions("h1", information=information, steps=3, exog=exog)
    pd.testing.assert_index_equal(ahead.frame.index[-3:], res.model.endog.future_index(3))
    outlook = res.contributions("gdp", information=information, steps=3, exog=exog).total[-3:]
    np.testing.assert_allclose(outlook, res.forecast(3, exog)["gdp"], rtol=0, atol=1e-10)
    last = res.nobs
    for row in (2, 20, last - 1, last + 2):
        future = exog if row >= last else None
        if information == "predicted" and row < res.nobs_diffuse:
            continue
        key = row if row < last else ahead.frame.index[row]
        found = res.observation_weights("h1", key, information=information, exog=future)
        expected = ahead.total.iloc[row]
        assert found.estimate == pytest.approx(expected, rel=1e-10, abs=1e-10)
        frame = found.frame
        missing = frame["observed"].isna()
        assert (frame.loc[missing, ["weight", "contribution"]] == 0).all(axis=None)
        parts = frame["contribution"].groupby(level=1).sum()
        whole = res.contributions(
            "h1", information=information, deviations=False, steps=max(0, row + 1 - last),
            exog=future,
        ).frame.iloc[row]  # fmt: skip
        for name in ("cpi", "gdp"):
            assert parts[name] == pytest.approx(whole[name], rel=1e-9, abs=1e-10)
        for name in ("start", "trend", "input x0"):
            assert found.others[name] == pytest.approx(whole[name], rel=1e-9, abs=1e-10)


def test_weights_are_derivatives_by_impulses(res):
    """Add one to an observation: the smoothed state moves by its weight."""
    model, system = res.model, res._system
    values = model.endog.values
    base = kalman_smoother(system, values).smoothed_state
    row = 30 if res.nobs > 30 else 12
    found = res.observation_weights("h1", row).frame["weight"].to_numpy().reshape(values.shape)
    rng = np.random.default_rng(0)
    for t in [0, 1, row, *rng.integers(0, res.nobs, 6)]:
        for j in range(2):
            if np.isnan(values[t, j]):
                continue
            moved = values.copy()
            moved[t, j] += 1.0
            change = kalman_smoother(system, moved).smoothed_state[row, 0] - base[row, 0]
            assert found[t, j] == pytest.approx(change, rel=1e-8, abs=1e-11)


@given(st.integers(0, 10_000))
def test_weights_are_those_of_the_joint_normal_distribution(seed):
    """Any small system with shared noise: weights are Cov(g, y) Var(y)^-1."""
    rng = np.random.default_rng(seed)
    n, p, m, r = 6, int(rng.integers(1, 3)), int(rng.integers(1, 4)), int(rng.integers(1, 3))
    transition = rng.standard_normal((m, m))
    transition *= 0.9 / np.abs(np.linalg.eigvals(transition)).max()
    root = rng.standard_normal((r + p, r + p))
    noise = root @ root.T + 0.1 * np.eye(r + p)
    start = rng.standard_normal((m, m))
    system = StateSpace.from_arrays(
        design=rng.standard_normal((p, m)), transition=transition,
        selection=rng.standard_normal((m, r)), state_cov=noise[:r, :r], cross_cov=noise[:r, r:],
        obs_cov=noise[r:, r:], initial_cov=start @ start.T, first_step="none",
    )  # fmt: skip
    seen = rng.random((n, p)) > 0.3
    # states and noises as linear functions of h_1 and all noises
    size = m + n * (r + p)
    state = np.hstack([np.eye(m), np.zeros((m, size - m))])
    loads, outputs, errors = [], [], []
    for t in range(n):
        error = np.zeros((p, size))
        error[:, m + t * (r + p) + r : m + (t + 1) * (r + p)] = np.eye(p)
        loads.append(state)
        errors.append(error)
        outputs.append(system.design @ state + error)
        eta = np.zeros((r, size))
        eta[:, m + t * (r + p) : m + t * (r + p) + r] = np.eye(r)
        state = transition @ state + system.selection @ eta
    cov = np.zeros((size, size))
    cov[:m, :m] = system.initial_cov
    for t in range(n):
        at = slice(m + t * (r + p), m + (t + 1) * (r + p))
        cov[at, at] = noise
    row = int(rng.integers(0, n))
    w, q = rng.standard_normal((1, m)), rng.standard_normal((1, p))
    target = w @ loads[row] + q @ errors[row]
    observed = np.concatenate(outputs)[seen.ravel()]
    expected = np.zeros(n * p)
    if seen.any():
        variance = observed @ cov @ observed.T
        expected[seen.ravel()] = np.linalg.solve(variance, observed @ cov @ target.T)[:, 0]
    found = Weigher.of(system, seen).weights([row], w, q, caller="test")[0, 0]
    size = max(1.0, np.abs(expected).max())
    np.testing.assert_allclose(found.ravel(), expected, rtol=0, atol=1e-8 * size)


def test_weights_of_a_local_level_die_out_geometrically():
    """Koopman and Harvey's example: in the middle, weights fall at the rate of the MA root."""
    endog, _ = series(101)
    model = NoisyAR(endog, initial="diffuse", trend="n")
    variance, noise = 0.5, 2.0
    res = LinearResults.from_fit(model, [1.0, variance, noise], cov_type="none")
    ratio = variance / noise
    root = (ratio + 2 - np.sqrt(ratio**2 + 4 * ratio)) / 2
    weights = res.observation_weights("h1", 50).frame["weight"].to_numpy()
    expected = (1 - root) / (1 + root) * root ** np.abs(np.arange(101) - 50)
    np.testing.assert_allclose(weights, expected, rtol=1e-8, atol=2 * root**50)
    assert weights.sum() == pytest.approx(1.0, rel=1e-12)  # exactly, with a diffuse start
    filtered = res.observation_weights("h1", 100, information="predicted").frame["weight"]
    expected = (1 - root) * root ** np.arange(99, -1, -1)
    np.testing.assert_allclose(filtered[:-1], expected, rtol=1e-8, atol=2 * root**50)
    assert filtered.iloc[-1] == 0.0


def test_undetermined_starts_are_said():
    res = build("innovations, diffuse")
    with pytest.raises(SpecificationError, match="must determine the diffuse start"):
        res.observation_weights("h1", 0, information="predicted")
    assert res.contributions("h1", information="predicted").frame.iloc[0].isna().all()


def test_targets_dates_and_words():
    res = build("innovations")
    found = res.observation_weights("gdp", "1995Q1", information="filtered")
    assert found.date == "1995Q1"
    assert found.frame.index.names == ["quarter", "series"]
    # states know no output, but weights of a forecast of gdp exist past the sample
    assert "estimate" in str(found)
    assert "Contributions to gdp, smoothed" in str(res.contributions("gdp"))
    with pytest.raises(SpecificationError, match="target must be one that exists; got 'x0'"):
        res.contributions("x0")
    with pytest.raises(SpecificationError, match="information must be one of"):
        res.contributions("h1", information="other")
    with pytest.raises(DataError, match="exog must give 'x0'"):
        res.contributions("h1", steps=2)
    # a series with the name of a part keeps its own column
    endog = series(40, 2)[0].rename(columns={"gdp": "trend"})
    model = LinearRNN(endog, k_states=2)
    other = LinearResults.from_fit(model, natural(model.param_names), cov_type="none")
    assert list(other.contributions().frame.columns) == ["cpi", "series trend", "start", "trend"]


def test_weights_of_observations_in_any_units():
    """Two diffuse walks with correlated noise, one in units 1e11 times the other's."""
    cov, loads = np.array([[1.0, 0.4], [0.4, 1.0]]), np.array([[1.0, 0.3], [0.5, 1.0]])
    seen = np.ones((20, 2), dtype=bool)
    seen[3, 0] = False

    def weights(size):
        system = StateSpace.from_arrays(
            design=loads * size[:, None] / size,
            transition=np.eye(2),
            state_cov=cov * np.outer(size, size),
            obs_cov=cov * np.outer(size, size),
            initial_diffuse=np.ones(2),
            start="given",
            first_step="none",
        )
        targets = Weigher.of(system, seen).weights([10], np.eye(2), np.zeros((2, 2)), caller="t")
        return targets[0] / size[:, None, None] * size

    far = weights(np.array([1e11, 1.0]))
    np.testing.assert_allclose(far, weights(np.ones(2)), rtol=1e-8, atol=1e-12)
