"""Fits: starts, optima, normal forms, recovery of known parameters."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from models.linear_cases import FORMS, options, series

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning
from rnnstats.models.charts import Chart
from rnnstats.models.linear import LinearRNN


def test_a_fit_can_be_repeated_and_does_not_depend_on_processes() -> None:
    model = LinearRNN(series(2))
    first = model.fit()
    np.testing.assert_array_equal(first.params, model.fit().params)
    np.testing.assert_array_equal(first.params, model.fit(n_jobs=2).params)


@pytest.mark.parametrize("case", FORMS)
def test_fit_ends_at_a_maximum(case: str) -> None:
    model = LinearRNN(series(2, 120), **options(case, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # judged below
        results = model.fit()
    record = results.convergence
    assert record.converged or record.boundary
    assert results.llf >= model.loglike(model.start_params)
    rng = np.random.default_rng(0)
    psi = model._psi(results.params.to_numpy())
    values = [model._objective()(psi + 1e-3 * rng.standard_normal(len(psi)))[0] for _ in range(50)]
    assert max(values) <= results.llf + 1e-9


def test_user_s_start_is_used_alone_unless_more_are_asked_for() -> None:
    model = LinearRNN(series(1))
    params = model.start_params * 0.9
    alone = model.fit(start_params=params)
    assert list(alone.starts["label"]) == ["start_params"]
    assert alone.starts["start_llf"].iloc[0] == pytest.approx(model.loglike(params))
    assert len(model.fit(start_params=params, n_starts=3).starts) == 4


@pytest.mark.parametrize(
    "fixed",
    [{"W_h[h1,h2]": 0.0}, {"K[h1,y2]": "W_h[h1,h2]"}, {"b_y[y1]": 3.0, "obs_cov[y2,y1]": 0.0}],
)
def test_restricted_fits_obey_and_lose_likelihood(fixed: dict[str, float | str]) -> None:
    y = series(2, 120)
    free, tied = LinearRNN(y).fit(), LinearRNN(y, fixed=fixed).fit()
    assert tied.convergence.converged
    assert tied.llf < free.llf
    params, layout = tied.params.to_numpy(), tied.model.layout
    np.testing.assert_array_equal(layout.expand(layout.reduce(params)), params)
    for name, value in fixed.items():
        assert tied.params[name] == (tied.params[value] if isinstance(value, str) else value)


def _truth(name: str) -> tuple[LinearRNN, np.ndarray]:
    blank = np.zeros((600, 2)) + np.arange(600.0)[:, None] % 7
    if name == "innovations":
        params = [0.5, 0.2, -0.1, 0.6, 0.7, 0.2, -0.1, 0.9, 3.0, -1.0, 1.0, 0.3, 2.0]
        return LinearRNN(blank), np.array(params)
    if name == "observed":
        params = [0.5, 0.1, 0.2, 0.0, -0.2, 0.4, 0.1, 0.2, 3.0, -1.0, 1.0, 0.3, 2.0]
        return LinearRNN(blank, form="observed", k_states=4), np.array(params)
    if name == "leaky":
        params = [0.95, 0.4, 0.5, 1.0, -0.4, 0.8, 3.0, -1.0, 0.5, 0.7]
        return LinearRNN(blank, form="leaky", k_states=2), np.array(params)
    model = LinearRNN(blank, form="leaky", k_states=3, structure={"pairs": 1})
    params = [0.7, 0.8, 0.5, 0.6, 0.5, -0.5, 0.6, 0.3, 3.0, -1.0, 0.5, 0.7]
    return model, np.array(params)


@pytest.mark.statistical
@pytest.mark.parametrize("name", ["innovations", "observed", "leaky", "pair"])
def test_known_parameters_are_recovered(name: str) -> None:
    model, truth = _truth(name)
    y = model.simulate(truth, 600, rng=12)
    sample = model.clone(y)
    results = sample.fit()
    assert results.convergence.converged
    assert results.llf >= sample.loglike(truth)
    # twice the log-likelihood ratio is chi-square with 10 to 13 degrees of freedom: 99.9 % point
    assert 2.0 * (results.llf - sample.loglike(truth)) < 34.6
    z = (results.params.to_numpy() - truth) / results.bse.to_numpy()
    assert np.abs(z).max() < 4.0


def test_missing_values_and_inputs() -> None:
    rng = np.random.default_rng(4)
    x = rng.standard_normal((400, 1))
    template = LinearRNN(np.arange(400.0) % 5, x, exog_enters="both")
    truth = np.array([0.7, 0.3, 1.5, -2.0, 4.0, 1.0])
    assert template.param_names[2:5] == ("W_x[h1,x]", "D[y,x]", "b_y[y]")
    y = template.simulate(truth, 400, rng=5)
    y.iloc[rng.choice(400, 60, replace=False)] = np.nan
    results = LinearRNN(y, x, exog_enters="both").fit()
    z = (results.params.to_numpy() - truth) / results.bse.to_numpy()
    assert np.abs(z).max() < 4.0


def test_leaky_units_are_ordered_and_signed() -> None:
    model = LinearRNN(series(2), form="leaky", k_states=4, structure={"pairs": 1}, exog=_ramp())
    inputs, mean, noise = [0.5, -0.6, 0.0, 0.0], [1.0, 1.0], [0.4, 0.7]
    loadings = [*np.arange(1.0, 4.0), -1.0, 2.0, -3.0, 1.0]
    params = np.array([0.3, 0.9, 0.5, 0.4, *inputs, *loadings, *mean, *noise])
    assert len(params) == model.layout.k_params
    turned = model._normalised(params)
    system = model.system(turned)
    assert system.transition[0, 0] == 0.9
    assert (system.design[0, :3] > 0.0).all()
    # the same numbers in another order
    assert model.loglike(turned) == pytest.approx(model.loglike(params), rel=1e-11)
    np.testing.assert_array_equal(model._normalised(turned), turned)


def _ramp() -> np.ndarray:
    return np.linspace(-1.0, 1.0, 60)


@pytest.mark.parametrize("p", [1, 2, 3])
def test_non_invertible_points_have_an_invertible_twin(p: int) -> None:
    model = LinearRNN(series(p))
    rng = np.random.default_rng(p)
    swapped = 0
    for _ in range(20):
        params = model.start_params.to_numpy().copy()
        gain = slice(p * p, 2 * p * p)
        params[gain] = 2.5 * rng.standard_normal(p * p)
        system = model.system(params)
        before = np.abs(np.linalg.eigvals(system.transition - system.selection @ system.design))
        twin = model._normalised(params)
        system = model.system(twin)
        after = np.abs(np.linalg.eigvals(system.transition - system.selection @ system.design))
        if before.max() > 1.01:
            swapped += 1
            # the Riccati equation is solved to about 1e-10
            assert model.loglike(twin) == pytest.approx(model.loglike(params), rel=1e-8)
            assert after.max() <= 1.0
            reflected = np.minimum(before, 1.0 / before)
            np.testing.assert_allclose(np.sort(after), np.sort(reflected), rtol=1e-5)
        else:
            np.testing.assert_array_equal(twin, params)
    assert swapped >= 5


@pytest.mark.parametrize(
    ("p", "k_states", "trend", "inputs"),
    [(1, 2, "c", True), (2, 2, "ct", False), (2, 3, "c", True), (3, 2, "n", False)],
)
def test_charts_are_the_same_model_in_other_coordinates(
    p: int, k_states: int, trend: str, inputs: bool
) -> None:
    x = np.random.default_rng(2).standard_normal((60, 1)) if inputs else None
    model = LinearRNN(series(p), x, k_states=k_states, trend=trend)
    params = model.start_params.to_numpy()
    atlas = model._atlas()
    assert atlas is not None
    chart = Chart(atlas, params)
    value, score = chart.objective(chart.start)
    # balancing and back: two changes of basis
    assert value == pytest.approx(model.loglike(params), rel=1e-8)
    np.testing.assert_allclose(chart.theta(chart.start), params, rtol=1e-5, atol=1e-7)
    rng = np.random.default_rng(0)
    psi = chart.start + 0.01 * rng.standard_normal(len(chart.start))
    value, score = chart.objective(psi)
    theta = chart.theta(psi)
    assert theta is not None
    assert model.loglike(theta) == pytest.approx(value, rel=1e-8)
    assert len(psi) == model.layout.k_free
    for i in range(len(psi)):
        unit = np.zeros(len(psi))
        unit[i] = 1e-5
        up, down = chart.objective(psi + unit)[0], chart.objective(psi - unit)[0]
        # central differences: rounding 1e-13 * |llf| / 1e-5
        assert score[i] == pytest.approx((up - down) / 2e-5, rel=1e-5, abs=1e-4)
    information = chart.information(psi)
    assert np.linalg.eigvalsh(information)[0] > 0.0


def test_restrictions_on_the_dynamics_leave_charts_aside() -> None:
    y = series(2)
    assert LinearRNN(y, fixed={"b_y[y1]": 3.0})._atlas() is not None
    assert LinearRNN(y, fixed={"W_h[h1,h1]": 0.5})._atlas() is None
    assert LinearRNN(y, kronecker=(0, 2))._atlas() is None
    assert LinearRNN(y, initial="diffuse")._atlas() is None


@pytest.mark.parametrize("calls", [40, 300])
def test_an_interrupt_returns_the_best_point_so_far(monkeypatch, calls):
    """Ctrl-C in the first climbs, and in those that go to the end."""
    model, seen, objective = LinearRNN(series(2, 150, seed=4), k_states=3), [], Chart.objective

    def pressed(self, psi):
        seen.append(None)
        if len(seen) == calls:
            raise KeyboardInterrupt
        return objective(self, psi)

    monkeypatch.setattr(Chart, "objective", pressed)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        results = model.fit()
    record = results.convergence
    assert len(seen) == calls, "no climb goes on after the interrupt"
    assert not record.converged
    assert record.message.startswith("interrupted")
    assert results.llf >= max(row.start_llf for row in record.optima)
    assert results.llf == pytest.approx(max(row.llf for row in record.optima), abs=1e-6)


def _nearly_collinear() -> np.ndarray:
    y = series(2, 80, seed=1)
    return np.column_stack([y[:, 0], y[:, 0] + 1e-6 * y[:, 1]])


def _never_together(rows: slice) -> np.ndarray:
    y = series(2, 80, seed=2)
    other = np.ones(80, dtype=bool)
    other[rows] = False
    y[rows, 0] = np.nan
    y[other, 1] = np.nan
    return y


@pytest.mark.parametrize("k_states", [2, 3])
@pytest.mark.parametrize(
    "y", [_nearly_collinear(), _never_together(slice(0, 80, 2)), _never_together(slice(0, 40))]
)
def test_a_nearly_singular_covariance_is_a_result_with_words(y: np.ndarray, k_states: int) -> None:
    """No exception and no RuntimeWarning; where the maximum is at the border it is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = LinearRNN(y, k_states=k_states).fit(maxiter=60)
        assert results.bse.shape == results.params.shape
    assert np.isfinite(results.llf)
    assert results.llf >= results.starts["start_llf"].max()
    correlation = results.params["obs_cov[y2,y1]"] / np.sqrt(
        results.params["obs_cov[y1,y1]"] * results.params["obs_cov[y2,y2]"]
    )
    said = any("outputs is nearly singular" in words for words in results.convergence.boundary)
    assert said == (1.0 - abs(correlation) <= 1e-6)


def test_a_small_sample_whose_covariance_degenerates_returns() -> None:
    """More parameters than the rows can tell: the best climb ends where Cholesky fails."""
    rng = np.random.default_rng(11)
    y = rng.standard_normal((15, 3)).cumsum(axis=0)
    model = LinearRNN(y, rng.standard_normal((15, 1)), k_states=4, exog_enters="both", trend="ct")
    with pytest.warns(ConvergenceWarning):
        results = model.fit(cov_type="none", maxiter=100)
    assert any("nearly singular" in words for words in results.convergence.boundary)


def test_a_driven_unit_without_noise_is_named() -> None:
    rng = np.random.default_rng(1)
    x, h = rng.standard_normal(150), np.zeros(150)
    for t in range(1, 150):
        h[t] = 0.8 * h[t - 1] + x[t]
    with pytest.warns(ConvergenceWarning):
        results = LinearRNN(h + rng.standard_normal(150), x, form="leaky").fit(cov_type="none")
    assert any("noise of unit h1 vanishes" in words for words in results.convergence.boundary)


def test_a_unit_without_memory_is_named() -> None:
    """White noise with a common factor: the unit's root is zero, the factor is not."""
    rng = np.random.default_rng(8)
    factor = rng.standard_normal(200)
    factor[1:] -= 0.5 * factor[:-1]
    y = np.outer(factor, [2.0, 1.0]) + rng.standard_normal((200, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = LinearRNN(y, form="leaky", k_states=1).fit(cov_type="none")
    assert any("has no memory" in words for words in results.convergence.boundary)


def test_a_variance_at_zero_is_said_to_be_there() -> None:
    model = LinearRNN(
        datasets.sunspots(), form="leaky", k_states=3, structure={"pairs": 1}, obs_noise="diagonal"
    )
    with pytest.warns(ConvergenceWarning, match=r"at the boundary .*obs_noise='none'"):
        results = model.fit()
        assert results.bse.isna().sum() == 1
    words = "obs_cov[sunspots,sunspots] is at its boundary, zero: use obs_noise='none'"
    assert words in results.convergence.boundary
