"""Transfer functions: textbook spectra, smoothing as a filter, networks, bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnstats import GRU, LSTM, VARMA, ElmanRNN, LinearRNN, MarkovRNN
from rnnstats.diagnostics.memory import transfer_function
from rnnstats.diagnostics.memory.filters.linear_systems import linear_system_of
from rnnstats.diagnostics.memory.recurrences import recurrence_of
from rnnstats.errors import SpecificationError
from rnnstats.results.nonlinear import RecurrentResults

KEPT = 0.8


@pytest.fixture(scope="module")
def series() -> pd.Series:
    rng = np.random.default_rng(0)
    y = np.zeros(240)
    for t in range(2, 240):
        y[t] = 1.2 * y[t - 1] - 0.6 * y[t - 2] + rng.standard_normal()
    return pd.Series(y, index=pd.period_range("1950Q1", periods=240, freq="Q"), name="y")


@pytest.fixture(scope="module")
def exog(series: pd.Series) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"x": rng.standard_normal(len(series))}, index=series.index)


@pytest.fixture(scope="module")
def fitted(series: pd.Series) -> Any:
    return LinearRNN(series, k_states=2).fit()


# -- the textbook -------------------------------------------------------------------------------


def test_ar2_and_arma11_have_the_textbook_spectrum() -> None:
    # Brockwell and Davis (1991), theorem 4.4.2: sigma^2 / (2 pi) |theta|^2 / |phi|^2
    for ar, ma, sigma in (([1.2, -0.6], [], 2.0), ([0.7], [0.4], 0.5)):
        found = transfer_function(VARMA(ar, ma, sigma))
        z = np.exp(-1j * found.frequencies)
        top = 1.0 + sum(b * z ** (j + 1) for j, b in enumerate(ma))
        under = 1.0 - sum(a * z ** (j + 1) for j, a in enumerate(ar))
        np.testing.assert_allclose(found.response[:, 0, 0], top / under, rtol=1e-13)
        density = sigma / (2 * np.pi) * np.abs(top / under) ** 2
        np.testing.assert_allclose(found.spectrum["y", "density"], density, rtol=1e-13)


def test_integrals_of_spectra_are_the_textbook_variances() -> None:
    a, b = 1.2, -0.6  # Hamilton (1994), equation 3.4.30
    first = (1 - b) * 2.0 / ((1 + b) * ((1 - b) ** 2 - a**2))
    phi, theta = 0.7, 0.4  # Hamilton (1994), section 3.6
    second = (1 + 2 * phi * theta + theta**2) * 0.5 / (1 - phi**2)
    for model, variance in (
        (VARMA([a, b], [], 2.0), first), (VARMA([phi], [theta], 0.5), second)
    ):  # fmt: skip
        found = transfer_function(model)
        assert found.variance["y"] == pytest.approx(variance, rel=1e-12)
        # the trapezoid rule is exact to rounding for a smooth periodic function
        half = np.trapezoid(found.spectrum["y", "density"], found.frequencies)
        assert 2 * half == pytest.approx(variance, rel=1e-12)


def test_vector_spectrum_is_that_of_the_varma() -> None:
    ar = np.array([[[0.5, 0.1], [-0.2, 0.6]]])
    model = VARMA(ar, [0.3 * np.eye(2)], [[1.0, 0.4], [0.4, 2.0]])
    found = transfer_function(model)
    expected = model.spectrum(found.frequencies)
    for j, name in enumerate(("y1", "y2")):
        density = found.spectrum[name, "density"]
        np.testing.assert_allclose(density, expected[:, j, j].real, rtol=1e-12)
        assert found.variance[name] == pytest.approx(model.autocovariances(0)[0][j, j], rel=1e-12)


# -- a constant gate ----------------------------------------------------------------------------


def test_a_constant_gate_is_a_leaky_integrator_an_ar1_and_exponential_smoothing() -> None:
    found = transfer_function((KEPT, 1 - KEPT, 1.0))
    z = np.exp(-1j * found.frequencies)
    np.testing.assert_allclose(found.response[:, 0, 0], (1 - KEPT) / (1 - KEPT * z), rtol=1e-13)
    ar1 = transfer_function(VARMA([KEPT], [], 1.0))
    np.testing.assert_allclose(found.response, (1 - KEPT) * ar1.response, rtol=1e-13)
    assert found.cutoffs["upper"].iloc[0] == pytest.approx(ar1.cutoffs["upper"].iloc[0], rel=1e-12)
    assert found.cutoffs["upper"].iloc[0] == pytest.approx(
        np.arccos(1 - (1 - KEPT) ** 2 / (2 * KEPT)), rel=1e-12
    )
    # ARIMA(0, 1, 1) predicts by exponential smoothing with weight 1 + theta
    smoothing = transfer_function(VARMA([1.0], [-KEPT], 1.0), given="inputs")
    assert smoothing.system.labels.inputs == ("L1.y",)
    np.testing.assert_allclose(
        transfer_function(
            VARMA([1.0], [-KEPT], 1.0), given="inputs", frequencies=found.frequencies
        ).response,
        found.response,
        rtol=1e-12,
    )


@pytest.mark.crosspkg
def test_exponential_smoothing_of_statsmodels_is_the_leaky_integrator() -> None:
    from statsmodels.tsa.api import ETSModel, SimpleExpSmoothing

    rng = np.random.default_rng(3)
    y = rng.standard_normal(300).cumsum() + 5.0
    ses = SimpleExpSmoothing(y, initialization_method="known", initial_level=y[0]).fit(
        smoothing_level=1 - KEPT, optimized=False
    )
    level, state = [], y[0]
    for value in y:
        state = KEPT * state + (1 - KEPT) * value
        level.append(state)
    np.testing.assert_allclose(ses.level, level, rtol=1e-12)
    # so the filter from the series to the level is that of the leaky integrator, frequency by
    # frequency: a swing fed to statsmodels comes out with the gain and the phase
    found = transfer_function((KEPT, 1 - KEPT, 1.0), frequencies=[0.3])
    time = np.arange(400)
    swing = 10.0 + np.cos(0.3 * time)
    ses = SimpleExpSmoothing(swing, initialization_method="known", initial_level=10.0).fit(
        smoothing_level=1 - KEPT, optimized=False
    )
    row = found.frame.iloc[0]
    expected = 10.0 + row["gain"] * np.cos(0.3 * time + row["phase"])
    # the start is forgotten at 0.8^t
    np.testing.assert_allclose(ses.level[200:], expected[200:], rtol=1e-12)
    ets = ETSModel(swing, initialization_method="known", initial_level=10.0).smooth([1 - KEPT])
    np.testing.assert_allclose(np.asarray(ets.level)[200:], expected[200:], rtol=1e-12)


def test_a_gru_with_a_constant_gate_is_exponential_smoothing_of_its_lag(series: pd.Series) -> None:
    """At rest at zero the candidate tanh has slope one, so that the filter is exactly that."""
    model = GRU(series - series.mean(), k_hidden=1)
    params = dict.fromkeys(model.param_names, 0.0) | {
        "b_update[h1]": float(np.log(KEPT / (1 - KEPT))), "W_y_candidate[h1,y]": 0.1,
        "V[y,h1]": 10.0, "obs_cov[y,y]": 2.0,
    }  # fmt: skip
    there = _network(model, params)
    at = np.zeros(2)  # state and lag
    held = linear_system_of(there, given="inputs", at=at)
    filtered = transfer_function((held.transition, held.loading / KEPT, held.design))
    found = transfer_function((KEPT, 1 - KEPT, 1.0))
    np.testing.assert_allclose(filtered.response, found.response, rtol=1e-10)
    # with the errors as inputs the loop is closed: 1 / (1 - z H), the random walk's 1 - theta z
    closed = transfer_function(there, at=at, frequencies=found.frequencies[1:])
    z = np.exp(-1j * closed.frequencies)
    lag = found.response[1:, 0, 0]
    np.testing.assert_allclose(closed.response[:, 0, 0], 1 / (1 - z * lag), rtol=1e-9)


def _network(model: Any, params: dict[str, float]) -> Any:
    from rnnstats.results.recurrent.states.recurrence import NetworkRecurrence

    return NetworkRecurrence(model, np.array([params[name] for name in model.param_names]))


# -- fitted linear models -----------------------------------------------------------------------


@pytest.mark.parametrize("enters", [None, "state", "output", "both"])
def test_a_linear_model_and_its_varma_agree(
    series: pd.Series, exog: pd.DataFrame, enters: Any
) -> None:
    if enters is None:
        found = LinearRNN(series, k_states=2).fit()
    else:
        found = LinearRNN(series + exog["x"], exog, k_states=2, exog_enters=enters).fit()
    varma = found.to_varma()
    for given in ("shocks", "inputs"):
        one, other = (transfer_function(model, given=given) for model in (found, varma))
        np.testing.assert_allclose(one.response, other.response, rtol=1e-11)
        for name in ("gain_se", "phase_se", "group_delay_se"):
            # derivatives by differences along other coordinates
            np.testing.assert_allclose(one.frame[name], other.frame[name], rtol=1e-7, atol=1e-7)
        for name in ("upper_se", "lower_se", "peak_se", "gain_zero_se"):
            np.testing.assert_allclose(one.cutoffs[name], other.cutoffs[name], rtol=1e-6, atol=1e-9)
    one, other = transfer_function(found), transfer_function(varma)
    np.testing.assert_allclose(one.spectrum, other.spectrum, rtol=1e-7)
    np.testing.assert_allclose(one.periodogram, other.periodogram, rtol=1e-10)


def test_response_is_the_transform_of_the_impulse_responses(
    series: pd.Series, exog: pd.DataFrame
) -> None:
    data = pd.concat([series, 0.5 * series.shift(1).fillna(0.0) + exog["x"]], axis=1)
    data.columns = pd.Index(["y", "w"])
    for form, kwargs in (
        ("innovations", {}), ("leaky", {}), ("observed", {}), ("factor", {"k_states": 1}),
        ("free", {"k_states": 1}),
    ):  # fmt: skip
        sizes = {"k_states": 2, **kwargs} if form != "observed" else {}
        model = LinearRNN(data, form=form, **sizes)  # type: ignore[arg-type]
        found = model.fit(cov_type="none")
        response = transfer_function(found, frequencies=np.linspace(0.0, np.pi, 20))
        shocks = found.impulse_responses(400, impulse=None)
        turn = np.exp(-1j * np.outer(response.frequencies, np.arange(401)))
        names = [name.removeprefix("e.") for name in response.system.labels.inputs]
        for j, name in enumerate(names):
            total = turn @ shocks[name].to_numpy()
            # what lies beyond 400 rows
            np.testing.assert_allclose(response.response[:, :, j], total, rtol=0, atol=1e-6)


def test_noises_and_innovations_make_the_same_spectrum(series: pd.Series) -> None:
    found = LinearRNN(series, k_states=1, form="leaky").fit(cov_type="none")
    one, other = (transfer_function(found, shocks=kind) for kind in ("noises", "innovations"))
    assert one.system.labels.inputs == ("e.h1",) and other.system.labels.inputs == ("e.y",)
    np.testing.assert_allclose(
        one.spectrum["y", "density"], other.spectrum["y", "density"], rtol=1e-9
    )
    np.testing.assert_allclose(one.variance, other.variance, rtol=1e-9)


def test_bands_of_an_ar1_are_the_closed_form() -> None:
    rng = np.random.default_rng(4)
    y = np.zeros(300)
    for t in range(1, 300):
        y[t] = 0.6 * y[t - 1] + rng.standard_normal()
    fit = LinearRNN(y, form="observed", trend="n").fit()
    phi, error = fit.params.iloc[0], fit.bse.iloc[0]
    found = transfer_function(fit)
    w = found.frequencies
    power = 1 + phi**2 - 2 * phi * np.cos(w)
    # d |H| / d phi = (cos w - phi) / power^{3/2}; phase = -atan(phi sin w / (1 - phi cos w))
    np.testing.assert_allclose(
        found.frame["gain_se"], error * np.abs(np.cos(w) - phi) / power**1.5, rtol=1e-7
    )
    np.testing.assert_allclose(
        found.frame["phase_se"], error * np.abs(np.sin(w)) / power, rtol=1e-7, atol=1e-12
    )
    # cos w_c = (4 phi - 1 - phi^2) / (2 phi)
    cosine = (4 * phi - 1 - phi**2) / (2 * phi)
    corner = found.cutoffs.iloc[0]
    assert corner["upper"] == pytest.approx(np.arccos(cosine), rel=1e-10)
    slope = (1 - phi**2) / (2 * phi**2) / np.sqrt(1 - cosine**2)
    assert corner["upper_se"] == pytest.approx(error * slope, rel=1e-6)
    assert corner["kind"] == "low-pass"


def test_units_of_time_scale_everything(fitted: Any) -> None:
    rows, years = transfer_function(fitted), transfer_function(fitted, unit="years")
    np.testing.assert_allclose(years.frequencies, 4 * rows.frequencies, rtol=1e-14)
    np.testing.assert_allclose(years.response, rows.response, rtol=1e-14)
    for name in ("group_delay", "group_delay_se", "period"):
        np.testing.assert_allclose(4 * years.frame[name], rows.frame[name], rtol=1e-13)
    np.testing.assert_allclose(4 * years.spectrum, rows.spectrum, rtol=1e-13)
    np.testing.assert_allclose(4 * years.periodogram, rows.periodogram, rtol=1e-13)
    for name in ("upper", "upper_se", "peak"):
        np.testing.assert_allclose(years.cutoffs[name], 4 * rows.cutoffs[name], rtol=1e-13)
    chosen = transfer_function(fitted, unit="years", frequencies=years.frequencies[[3, 7]])
    np.testing.assert_allclose(chosen.response, rows.response[[3, 7]], rtol=1e-13)


def test_what_regressors_do_is_taken_out_of_the_periodogram(
    series: pd.Series, exog: pd.DataFrame
) -> None:
    swing = exog.assign(x=20.0 * np.cos(0.5 * np.arange(len(exog))))
    found = LinearRNN(series + swing["x"], swing, k_states=2, exog_enters="output").fit()
    plain = transfer_function(LinearRNN(series, k_states=2).fit()).periodogram
    less = transfer_function(found).periodogram
    near = np.abs(less.index.to_numpy() - 0.5) < 0.1
    raw = np.abs(np.fft.rfft(series + swing["x"]))[1:][near].max() ** 2 / (2 * np.pi * len(series))
    assert less[near].to_numpy().max() < 0.02 * raw
    assert less[~near].sum().item() == pytest.approx(plain[~near].sum().item(), rel=0.1)


# -- nonlinear recurrences ----------------------------------------------------------------------


@pytest.mark.parametrize("cell", [ElmanRNN, GRU, LSTM])
def test_networks_are_linear_about_their_state(
    cell: Any, series: pd.Series, exog: pd.DataFrame
) -> None:
    """The response is what a small shock does, row by row, from the same state."""
    model = cell(series + exog["x"], exog, k_hidden=2, y_lags=2)
    draws = 0.4 * np.random.default_rng(2).standard_normal(len(model.param_names))
    params = dict(zip(model.param_names, draws, strict=True)) | {"obs_cov[y,y]": 1.0}
    there = _network(model, params)
    system = linear_system_of(there, at="fixed_point")
    m, lags = there.trajectory().k_state, 2
    assert system.labels.inputs == ("e.y", "x") and system.labels.outputs == ("y",)
    step, mean = there.system.step, exog.to_numpy()[lags:].mean()
    point = system.point
    assert point is not None
    rest = float(_rest(there, point, lags, mean))
    for column, size in ((0, 1e-5), (1, 1e-5)):
        sides = []
        for sign in (1.0, -1.0):
            state, past, found = point[None], np.full((1, lags, 1), rest), []
            for t in range(6):
                hit = sign * size if t == 0 else 0.0
                now = np.array([[mean + (hit if column == 1 else 0.0)]])
                state, eta = step(state, past, now)
                y = eta[0, 0] + (hit if column == 0 else 0.0)
                past = np.concatenate([[[[y]]], past[:, :-1]], axis=1)
                found.append(y)
            sides.append(np.array(found))
        slope = (sides[0] - sides[1]) / (2 * size)
        moved = system.loading[:, column]
        expected = [system.direct[0, column]]
        for _ in range(5):
            expected.append(system.design[0] @ moved)
            moved = system.transition @ moved
        # central differences of 1e-5
        np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-7)
    assert system.transition.shape == (m + lags, m + lags)


def _rest(there: Any, point: np.ndarray, lags: int, mean: float) -> float:
    """Output of a state that stays where it is; says that it does."""
    level = 0.0
    for _ in range(3000):
        state, eta = there.system.step(
            point[None], np.full((1, lags, 1), level), np.array([[mean]])
        )
        if abs(eta[0, 0] - level) < 1e-13:
            break
        level = 0.5 * level + 0.5 * eta[0, 0]
    np.testing.assert_allclose(state[0], point, rtol=0, atol=1e-9)
    return level


def test_an_identity_network_is_the_linear_model(series: pd.Series) -> None:
    model = ElmanRNN(series, k_hidden=2, activation="identity")
    draws = 0.4 * np.random.default_rng(3).standard_normal(len(model.param_names))
    p = dict(zip(model.param_names, draws, strict=True)) | {"obs_cov[y,y]": 1.5}
    found = _network(model, p)
    exact = transfer_function(found)
    for at in ("mean", "1960Q1", np.array([0.3, -0.2])):
        np.testing.assert_allclose(
            transfer_function(found, at=at).response, exact.response, rtol=1e-9
        )
    w = np.array([[p[f"W_h[h{i},h{j}]"] for j in (1, 2)] for i in (1, 2)])
    read = np.array([[p[f"W_y[h{i},y]"]] for i in (1, 2)])
    v = np.array([[p[f"V[y,h{j}]"] for j in (1, 2)]])
    z = np.exp(-1j * exact.frequencies)
    ahead = np.array([(v @ np.linalg.solve(np.eye(2) - one * w, read)).item() for one in z])
    np.testing.assert_allclose(exact.response[:, 0, 0], 1 / (1 - z * ahead), rtol=1e-9)
    assert exact.variance["y"] == pytest.approx(
        2 * np.trapezoid(exact.spectrum["y", "density"], exact.frequencies), rel=1e-9
    )


def test_bands_of_a_network_hold_what_the_fixed_point_adds(series: pd.Series) -> None:
    """Against differences of the whole gain, the search for the fixed point included."""
    model = ElmanRNN(series, k_hidden=1)
    found = model.fit(n_starts=2, rng=0, cov_type="approx")
    w = [0.2, 1.0]
    table = transfer_function(found, frequencies=w).frame

    def gain(theta: np.ndarray) -> np.ndarray:
        system = linear_system_of(_network(model, dict(zip(model.param_names, theta, strict=True))))
        inverse = [
            np.linalg.inv(np.exp(1j * one) * np.eye(len(system.transition)) - system.transition)
            for one in w
        ]
        return np.abs([(system.direct + system.design @ r @ system.loading)[0, 0] for r in inverse])

    center, step = found.params.to_numpy(), 1e-5
    moves = step * np.eye(len(center))
    slopes = np.array([(gain(center + m) - gain(center - m)) / (2 * step) for m in moves]).T
    spread = slopes @ found.cov_params().to_numpy() @ slopes.T
    np.testing.assert_allclose(table["gain"], gain(center), rtol=1e-10)
    np.testing.assert_allclose(table["gain_se"], np.sqrt(np.diagonal(spread)), rtol=1e-5)


def test_a_count_network_has_the_covariance_of_its_law(series: pd.Series) -> None:
    counts = np.random.default_rng(5).poisson(np.exp(0.5 + 0.3 * np.tanh(series.to_numpy())))
    model = ElmanRNN(counts, k_hidden=1, head="poisson")
    params = dict.fromkeys(model.param_names, 0.3)
    there = _network(model, params)
    found = transfer_function(there)
    rest = found.system.point
    assert rest is not None and len(rest) == 1
    # at rest with intercept, weight and start all 0.3: h = tanh(0.3 (h + mean + 1))
    mean = found.system.cov[0, 0]  # of a Poisson variable the variance is the mean
    assert mean == pytest.approx(np.exp(0.3 * rest[0] + 0.3), rel=1e-10)
    assert rest[0] == pytest.approx(np.tanh(0.3 * (rest[0] + mean + 1.0)), rel=1e-10)


# -- functions, matrices, refusals --------------------------------------------------------------


def test_a_function_is_linearised_where_it_rests() -> None:
    def step(h: Any, x: Any) -> Any:
        return np.tanh(np.array([[0.5, 0.2], [-0.3, 0.4]]) @ h + np.array([1.0, 0.5]) * x[0])

    found = transfer_function(step, [0.1, 0.1], inputs=np.full((5, 1), 0.2))
    point = found.system.point
    assert point is not None
    np.testing.assert_allclose(step(point, np.array([0.2])), point, rtol=1e-12)
    slope = (1 - point**2)[:, None] * np.array([[0.5, 0.2], [-0.3, 0.4]])
    np.testing.assert_allclose(found.system.transition, slope, rtol=1e-12)
    assert found.system.labels.inputs == ("e.h1", "e.h2", "x1")
    by_input = (1 - point**2) * np.array([1.0, 0.5])
    z = np.exp(-1j * found.frequencies)
    expected = np.array([np.linalg.solve(np.eye(2) - one * slope, by_input) for one in z])
    np.testing.assert_allclose(found.response[:, :, 2], expected, rtol=1e-11)
    given = transfer_function(step, [0.1, 0.1], inputs=np.full((5, 1), 0.2), at=point)
    np.testing.assert_allclose(given.response, found.response, rtol=1e-12)
    row = transfer_function(step, point, inputs=np.full((5, 1), 0.2), at=3)
    np.testing.assert_allclose(row.response, found.response, rtol=1e-9)


def test_an_unstable_fixed_point_is_found_and_said_to_be() -> None:
    found = transfer_function(lambda h: 4.0 * h * (1.0 - h), [0.3])
    assert found.system.point == pytest.approx([0.75], abs=1e-12)
    assert found.system.radius == pytest.approx(2.0)
    assert not found.is_stable and found.spectrum.empty
    assert "Unstable (largest root 2)" in str(found.summary())
    with pytest.raises(SpecificationError, match="must have a fixed point"):
        transfer_function(lambda h: h + 1.0, [0.0])


def test_an_unstable_system_has_no_stationary_response(series: pd.Series) -> None:
    """No gain, phase, delay or cut-off, and the reason instead, with estimates and without."""
    pyplot = pytest.importorskip("matplotlib.pyplot")
    held = {"V[y,h1]": 1.0, "b_h[h1]": 0.0, "b_y[y]": 0.0}
    model = ElmanRNN(series, k_hidden=1, fixed=held)
    values = {"W_h[h1,h1]": 1.2, "W_y[h1,y]": 0.1, "obs_cov[y,y]": 1.0, **held}
    theta = np.array([values[name] for name in model.param_names])
    estimated = RecurrentResults.from_fit(model, theta, cov_type="approx")
    for found in (
        transfer_function(([[1.25, 1.0], [0.0, 0.5]], [[0.0], [1.0]], [[1.0, 0.0]]), cov=1.0),
        transfer_function(lambda h: 4.0 * h * (1.0 - h), [0.3]),
        transfer_function(estimated, at=np.zeros(1)),
    ):
        assert not found.is_stable
        assert (found.cutoffs["kind"] == "unstable").all()
        assert found.cutoffs.drop(columns="kind").isna().all(axis=None)
        assert found.frame.drop(columns="period").isna().all(axis=None)
        assert found.spectrum.empty
        assert np.isfinite(found.response).all()  # that of the equations
        text = str(found.summary())
        assert f"Unstable (largest root {found.system.radius:.4g})" in text
        assert "no stationary response" in " ".join(text.split())
        fig = found.plot()
        panels = [" ".join(text.get_text() for text in ax.texts) for ax in fig.axes[:3]]
        assert all("no stationary response" in panel for panel in panels)
        pyplot.close(fig)
    # a root on the circle is another matter: the gain is infinite at one frequency only
    walk = transfer_function((1.0, 1.0, 1.0), cov=1.0)
    assert walk.cutoffs["kind"].item() == "integrating"
    assert np.isinf(walk.cutoffs["gain_zero"].item())
    assert np.isfinite(walk.frame["gain"].iloc[1:]).all()
    assert "Not stable (largest root 1)" in str(walk.summary())


def test_covariance_of_bare_weights_gives_a_spectrum() -> None:
    found = transfer_function((0.5, 1.0, 1.0), cov=2.0)
    assert found.variance["y1"] == pytest.approx(2.0 / 0.75)
    assert np.isnan(transfer_function((0.5, 1.0, 1.0)).variance["y1"])
    assert transfer_function((0.5, 1.0, 1.0)).spectrum.empty


def test_a_matrix_and_jacobians() -> None:
    matrix = np.array([[0.5, 0.2], [-0.1, 0.3]])
    found = transfer_function(matrix)
    same = transfer_function((matrix, np.eye(2), np.eye(2)))
    np.testing.assert_allclose(found.response, same.response, rtol=1e-14)
    rows = np.stack([matrix, 0.5 * matrix, 0.2 * matrix])
    np.testing.assert_allclose(
        transfer_function(rows, at=2).response, transfer_function(0.5 * matrix).response
    )
    mean = transfer_function(rows.mean(axis=0)).response
    np.testing.assert_allclose(transfer_function(rows, at="mean").response, mean)


def test_a_unit_root_has_no_response_at_zero() -> None:
    found = transfer_function((1.0, 1.0, 1.0))
    assert np.isnan(found.response[0, 0, 0]) and np.isfinite(found.response[1:]).all()
    corner = found.cutoffs.iloc[0]
    assert corner["gain_zero"] == np.inf and corner["kind"] == "integrating"
    assert np.isnan(corner["upper"])
    # 1 / (1 - z): half a row early, whatever the frequency
    np.testing.assert_allclose(found.frame["group_delay"].iloc[1:], -0.5, rtol=1e-9)


def test_phase_has_no_jumps() -> None:
    # a delay of 9 rows turns by 9 radians per radian
    late = np.diag(np.ones(9), -1)
    found = transfer_function((late, np.eye(10)[:, :1], np.eye(10)[-1:]))
    np.testing.assert_allclose(found.frame["phase"], -9 * found.frequencies, atol=1e-9)
    np.testing.assert_allclose(found.frame["group_delay"], 9.0, rtol=1e-10)
    assert found.cutoffs["kind"].iloc[0] == "all-pass"


def test_kinds_of_filters_are_named_by_what_passes() -> None:
    def kind(ar: list[float], ma: list[float]) -> str:
        return str(transfer_function(VARMA(ar, ma, 1.0)).cutoffs["kind"].iloc[0])

    assert kind([0.8], []) == "low-pass" and kind([-0.8], []) == "high-pass"
    assert kind([0.0, -0.81], []) == "band-pass"
    assert kind([], [0.0, 1.0]) == "band-stop"  # 2 |cos w|: 0 and pi pass, pi / 2 does not
    assert kind([0.1], []) == "all-pass"  # the gain falls from 1.11 to 0.91
    assert kind([1.0], []) == "integrating"
    assert kind([1.0, -1.0], []) == "resonant"  # roots at a sixth of a turn
    assert transfer_function((0.5, 0.0, 1.0)).cutoffs["kind"].iloc[0] == "none"


def test_a_zero_on_the_unit_circle_is_a_zero_without_phase() -> None:
    # 1 - z of an overdifferenced series, and 1 + z^2: sums that cancel to rounding
    for ma, place in (([-1.0], 0.0), ([0.0, 1.0], np.pi / 2)):
        found = transfer_function(VARMA([], ma, 1.0), frequencies=[place, place + 0.3])
        assert found.response[0, 0, 0] == 0.0 and found.frame["gain"].iloc[0] == 0.0
        columns = ["phase", "group_delay", "gain_se"]
        assert found.frame[columns].iloc[0].isna().all()
        z = np.exp(-1j * (place + 0.3))
        exact = 1.0 + sum(b * z ** (j + 1) for j, b in enumerate(ma))
        assert found.response[1, 0, 0] == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        (((0.5, 1.0),), {}, "three or four matrices; got 2"),
        (((0.5, np.ones(2), 1.0),), {"h0": 1.0}, "h0 makes no sense with weights"),
        (((0.5, np.ones((2, 1)), 1.0),), {}, "finite matrices that fit"),
        (((0.5, 1.0, 1.0),), {"frequencies": [4.0]}, "from -pi to pi"),
        (((0.5, 1.0, 1.0),), {"cov": np.eye(2)}, "covariance of the 1 shocks"),
        (((0.5, 1.0, 1.0),), {"given": "all"}, "given must be one of"),
        (((0.5, 1.0, 1.0),), {"shocks": "all"}, "shocks must be one of"),
        (((0.5, 1.0, 1.0),), {"alpha": 1.0}, "alpha must lie strictly between 0 and 1"),
        ((lambda h: h / 2, [1.0]), {"at": "mean"}, "nsteps must be given with at='mean'"),
        ((lambda h: h / 2, [1.0]), {"at": [1.0, 2.0]}, "a state of 1 finite numbers"),
        ((lambda h: h / 2, [1.0], 3), {"at": 9}, "one of the rows 1 to 3"),
        ((np.zeros((3, 1, 1)),), {}, "at must be a row or 'mean'"),
        ((np.zeros((3, 1, 1)),), {"at": 4}, "one of the rows 1 to 3"),
    ],
)
def test_refusals(args: Any, kwargs: Any, words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        transfer_function(*args, **kwargs)


def test_refusals_of_models(fitted: Any, series: pd.Series) -> None:
    with pytest.raises(SpecificationError, match="cov makes no sense with a model"):
        transfer_function(fitted, cov=1.0)
    with pytest.raises(SpecificationError, match="shocks makes no sense with given='inputs'"):
        transfer_function(fitted, given="inputs", shocks="noises")
    with pytest.raises(SpecificationError, match="h0 makes no sense with results"):
        transfer_function(fitted, [0.0])
    with pytest.raises(SpecificationError, match="input must be one of"):
        transfer_function(fitted).plot(input="z")
    net = ElmanRNN(series, k_hidden=1).fit(n_starts=1, rng=0, cov_type="none")
    with pytest.raises(SpecificationError, match="'auto' or 'innovations' with a network"):
        transfer_function(net, shocks="noises")
    with pytest.raises(SpecificationError, match="a state of 1 finite numbers, or of 2"):
        transfer_function(net, at=[1.0, 2.0, 3.0])
    chain = MarkovRNN(series).fit(n_starts=1, rng=0, cov_type="none")
    with pytest.raises(SpecificationError, match="must be a filter"):
        transfer_function(chain)
    assert recurrence_of(chain) is not None


def test_tables_and_pictures(fitted: Any, series: pd.Series) -> None:
    pytest.importorskip("matplotlib")
    found = transfer_function(fitted, alpha=0.1)
    text = str(found.summary())
    assert "frequencies in radians per quarter" in text
    assert "e.y -> y" in text and "cut-off" in text and "Group delay in quarters" in text
    assert repr(found) == text
    table = found.frame
    table.iloc[:] = 0.0
    assert not (found.frame == 0.0).all().all()
    wide = transfer_function(fitted).frame
    ratio = np.log(wide["gain_upper"] / wide["gain"]) / np.log(
        found.frame["gain_upper"] / found.frame["gain"]
    )
    np.testing.assert_allclose(ratio, 1.959964 / 1.644854, rtol=1e-6)
    reach = 1.644854 * found.frame["gain_se"] / found.frame["gain"]
    np.testing.assert_allclose(
        found.frame["gain_upper"], found.frame["gain"] * np.exp(reach), rtol=1e-6
    )
    late = found.frame["group_delay"] - 1.644854 * found.frame["group_delay_se"]
    np.testing.assert_allclose(found.frame["group_delay_lower"], late, rtol=1e-6, atol=1e-6)
    figure = found.plot()
    assert [ax.get_title(loc="left") for ax in figure.axes] == [
        "Gain, e.y to y", "Phase (radians)", "Group delay (quarters)", "Spectral density of y",
    ]  # fmt: skip
    words = [text.get_text() for legend in figure.legends for text in legend.get_texts()]
    assert {"model", "90 % band", "periodogram", "-3 dB"} <= set(words)
    held = transfer_function(fitted, given="inputs")
    assert len(held.plot(input=0, output="y").axes) == 3
    bare = transfer_function((0.5, 1.0, 1.0))
    assert "std err" not in str(bare.summary())
    assert len(bare.plot().axes) == 3


def test_many_inputs_and_outputs_are_told_and_drawn():
    # names of inputs and outputs out of alphabetical order: the table is not sorted
    system = (0.5 * np.eye(2), np.eye(2), np.eye(2), np.zeros((2, 2)))
    rng = np.random.default_rng(8)
    draws = pd.DataFrame(rng.normal(size=(80, 2)), columns=["z", "a"])
    for source in (system, LinearRNN(draws, form="observed").fit()):
        found = transfer_function(source)
        assert str(found.summary()).count("by frequency") == 4
        assert len(found.plot().axes) >= 3
