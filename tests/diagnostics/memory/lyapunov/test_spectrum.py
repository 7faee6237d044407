"""Lyapunov spectra of maps, flows, matrices and fitted models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import psi

from rnnstats import ElmanRNN, LinearRNN
from rnnstats.diagnostics.memory import lyapunov_spectrum, ode_as_rnn
from rnnstats.diagnostics.memory.long_run import batch_size
from rnnstats.errors import SpecificationError

# Sprott (2003), Chaos and Time-Series Analysis, appendix A.
HENON, HENON_DIMENSION = (0.41922, -1.62319), 1.25827
LORENZ, LORENZ_DIMENSION = (0.9056, 0.0, -14.5723), 2.06215


def logistic(h):
    return 4.0 * h * (1.0 - h)


def henon(h, x):
    return np.array([1.0 - 1.4 * h[0] ** 2 + h[1], 0.3 * h[0]])


def lorenz(h):
    return np.array([10 * (h[1] - h[0]), h[0] * (28 - h[2]) - h[1], h[0] * h[1] - 8 / 3 * h[2]])


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(3)
    values = np.zeros((220, 2))
    matrix = np.array([[0.6, 0.3], [-0.2, 0.5]])
    for t in range(1, 220):
        values[t] = matrix @ values[t - 1] + rng.standard_normal(2)
    index = pd.period_range("1960Q1", periods=220, freq="Q")
    return pd.DataFrame(values, index=index, columns=["a", "b"])


@pytest.fixture(scope="module")
def elman(series):
    model = ElmanRNN(series["a"], k_hidden=1, y_lags=1)
    return model.fit(n_starts=1, rng=np.random.default_rng(0))


# -- published values --------------------------------------------------------------------------


def test_logistic_map_has_exponent_ln_2():
    found = lyapunov_spectrum(logistic, [0.3], 20_000)
    assert abs(found.exponents[0] - np.log(2.0)) < found.bse[0] < 0.001
    assert found.dimension == 1.0


def test_henon_map():
    found = lyapunov_spectrum(henon, [0.1, 0.1], 20_000)
    assert (np.abs(found.exponents - HENON) < 2 * found.bse).all()
    assert found.bse[0] < 0.004
    assert abs(found.dimension - HENON_DIMENSION) < 2 * found.dimension_se < 0.005
    # the determinant is -0.3 everywhere: nothing is uncertain about the sum
    total = found.quantities.loc["sum of exponents"]
    assert total["value"] == pytest.approx(np.log(0.3), abs=1e-12)
    assert total["value_se"] < 1e-12


def test_lorenz_equations_by_runge_kutta():
    step = ode_as_rnn(lorenz, 0.01, "rk4")
    found = lyapunov_spectrum(step, [1.0, 1.0, 20.0], 30_000, dt=0.01)
    assert (np.abs(found.exponents - LORENZ) < 2 * found.bse).all()
    assert found.bse[0] < 0.06
    assert abs(found.dimension - LORENZ_DIMENSION) < 2 * found.dimension_se < 0.02
    assert list(found.frame["verdict"]) == ["positive", "not distinguishable from 0", "negative"]
    # volumes shrink at the constant rate -(10 + 1 + 8/3), up to the error of the method, dt^4
    assert found.exponents.sum() == pytest.approx(-41 / 3, abs=5e-4)


def test_products_of_gaussian_matrices():
    """Newman (1986), Communications in Mathematical Physics 103, 121-126."""
    jacobians = np.random.default_rng(8).standard_normal((4000, 3, 3))
    truth = 0.5 * (np.log(2.0) + psi(np.array([3.0, 2.0, 1.0]) / 2))
    found = lyapunov_spectrum(jacobians)
    assert (np.abs(found.exponents - truth) < 2.5 * found.bse).all()
    assert found.nobs == 4000


# -- linear models: closed form ----------------------------------------------------------------


def test_linear_model_has_the_logs_of_its_eigenvalues(series):
    results = LinearRNN(series, form="observed").fit()
    found = lyapunov_spectrum(results)
    matrix = np.array([[results.params[f"W_h[h{i},h{j}]"] for j in (1, 2)] for i in (1, 2)])
    moduli = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
    assert found.closed_form
    np.testing.assert_allclose(found.exponents, np.log(moduli), atol=1e-10, rtol=0)
    # a complex pair has one modulus, the square root of the determinant
    assert found.exponents[0] == pytest.approx(0.5 * np.log(np.linalg.det(matrix)), abs=1e-10)
    names = [f"W_h[h{i},h{j}]" for i in (1, 2) for j in (1, 2)]
    slopes = 0.5 * np.linalg.inv(matrix).T.ravel()
    cov = results.cov_params().loc[names, names].to_numpy()
    # derivatives of the matrix by the parameters are differences
    np.testing.assert_allclose(found.bse, np.sqrt(slopes @ cov @ slopes), rtol=1e-6)
    assert found.standard_error([1.0, -1.0]) == pytest.approx(0.0, abs=1e-9)


def test_linear_model_of_one_series_by_hand(series):
    results = LinearRNN(series["a"], form="observed").fit()
    found = lyapunov_spectrum(results, dt=0.25)
    slope, error = results.params["W_h[h1,h1]"], results.bse["W_h[h1,h1]"]
    assert found.exponents[0] == pytest.approx(np.log(abs(slope)) / 0.25, abs=1e-10)
    assert found.bse[0] == pytest.approx(error / abs(slope) / 0.25, rel=1e-6)
    assert found.test_chaos().verdict == "no chaos"


@pytest.mark.parametrize(
    "source",
    [
        lambda m: (m,),
        lambda m: (np.tile(m, (30, 1, 1)),),
        lambda m: (lambda h, x: m @ h + 1.0, np.ones(3), 30),
    ],
)
def test_everything_linear_is_exact_and_known(source):
    matrix = np.array([[0.9, 0.2, 0.0], [0.0, 0.5, 0.7], [0.1, -0.6, 0.5]])
    moduli = np.sort(np.abs(np.linalg.eigvals(matrix)))[::-1]
    found = lyapunov_spectrum(*source(matrix))
    np.testing.assert_allclose(found.exponents, np.log(moduli), atol=1e-10, rtol=0)
    np.testing.assert_array_equal(found.bse, 0.0)


def test_explosion_is_no_chaos():
    assert lyapunov_spectrum(np.diag([1.1, 0.2])).test_chaos().verdict == "explosion"


# -- networks ----------------------------------------------------------------------------------


def test_network_with_shocks_held_has_lagged_outputs_among_its_states(elman):
    given_shocks, given_inputs = lyapunov_spectrum(elman), lyapunov_spectrum(elman, given="inputs")
    assert len(given_shocks.exponents) == 2
    assert len(given_inputs.exponents) == 1
    assert np.isneginf(given_shocks.exponents[1])
    assert abs(given_shocks.exponents[0] - given_inputs.exponents[0]) > 0.01


def test_errors_of_a_network_hold_what_estimation_adds(elman):
    found = lyapunov_spectrum(elman)
    alone = lyapunov_spectrum(found._found.recurrence.trajectory("shocks").state)
    assert alone.exponents[0] == pytest.approx(found.exponents[0], abs=1e-12)
    assert found.bse[0] > 1.5 * alone.bse[0]


# -- what is said about them -------------------------------------------------------------------


def test_time_is_counted_in_dt():
    one, ten = (lyapunov_spectrum(henon, [0.1, 0.1], 500, dt=dt) for dt in (1.0, 0.1))
    np.testing.assert_allclose(ten.exponents, 10 * one.exponents, rtol=1e-14)
    np.testing.assert_allclose(ten.bse, 10 * one.bse, rtol=1e-14)
    assert ten.dimension == pytest.approx(one.dimension, rel=1e-14)
    assert ten.dimension_se == pytest.approx(one.dimension_se, rel=1e-12)
    np.testing.assert_allclose(ten.frame["t"], one.frame["t"], rtol=1e-12)


def test_burn_leaves_rows_out():
    everything = lyapunov_spectrum(logistic, [0.3], 400, burn=0)
    late = lyapunov_spectrum(logistic, [0.3], 400, burn=150)
    states = [0.3]
    for _ in range(399):
        states.append(float(logistic(states[-1])))
    growth = np.log(np.abs(4.0 - 8.0 * np.array(states)))
    assert everything.exponents[0] == pytest.approx(growth.mean(), abs=1e-12)
    assert late.exponents[0] == pytest.approx(growth[150:].mean(), abs=1e-12)
    assert (everything.nobs, late.nobs) == (400, 250)
    assert lyapunov_spectrum(logistic, [0.3], 400).nobs == 360


def test_inputs_enter_row_by_row():
    inputs = np.random.default_rng(5).standard_normal(200)
    found = lyapunov_spectrum(lambda h, x: np.tanh(0.8 * h + x), [0.0], inputs=inputs, burn=0)
    h, growth = 0.0, []
    for x in inputs:
        h = np.tanh(0.8 * h + x)
        growth.append(np.log(0.8 * (1 - h * h)))
    assert found.exponents[0] == pytest.approx(np.mean(growth), abs=1e-12)


def test_frame_summary_and_notes():
    found = lyapunov_spectrum(henon, [0.1, 0.1], 2000, alpha=0.1)
    frame = found.frame
    assert list(frame.columns) == [
        "exponent", "exponent_se", "lower", "upper", "shintani_linton_se", "t", "df", "pvalue",
        "verdict",
    ]  # fmt: skip
    reach = frame["upper"] - frame["exponent"]
    growth = found._found.growth.rows
    batches = [1800 // batch_size(growth[:, j]) for j in range(2)]
    assert list(frame["df"]) == [number - 1 for number in batches]
    quantile = stats.t.ppf(0.95, frame["df"])
    np.testing.assert_allclose(reach, quantile * frame["exponent_se"], rtol=1e-7)
    pvalue = 2 * stats.t.sf(np.abs(frame["exponent"] / frame["exponent_se"]), frame["df"])
    np.testing.assert_allclose(frame["pvalue"], pvalue, rtol=1e-7)
    frame["exponent"] = 0.0
    assert (found.frame["exponent"] != 0.0).all()
    text = str(found)
    for words in ("1800 rows", "Kaplan-Yorke", "90 % intervals", "tests of chaos: chaos"):
        assert words in text


def test_lost_directions_have_no_error():
    found = lyapunov_spectrum(lambda h: np.array([logistic(h[0]), h[0]]), [0.3, 0.1], 300)
    assert np.isneginf(found.exponents[1])
    assert np.isnan(found.bse[1])
    assert found.frame["verdict"].iloc[1] == "negative"
    assert found.dimension == 1.0


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"dt": 0.0}, "dt must be greater than 0"),
        ({"alpha": 2.0}, "alpha must lie strictly between 0 and 1"),
        ({"burn": 50}, "burn must be less than the number of rows, 50"),
        ({"burn": -1}, "burn must be at least 0"),
        ({"given": "shock"}, "given must be one of"),
        ({"nsteps": None}, "nsteps must be given"),
    ],
)
def test_options_are_checked(options, words):
    arguments = {"nsteps": 50, **options}
    with pytest.raises(SpecificationError, match=words):
        lyapunov_spectrum(logistic, [0.3], **arguments)


def test_a_run_that_leaves_is_refused():
    with (
        pytest.raises(SpecificationError, match="the state must stay finite"),
        np.errstate(over="ignore", invalid="ignore"),
    ):
        lyapunov_spectrum(lambda h: 4.1 * h * (1.0 - h), [0.3], 500)


@pytest.mark.parametrize("closed", [True, False])
def test_pictures_show_each_exponent(closed):
    pytest.importorskip("matplotlib").use("Agg")
    source = (np.diag([0.5, 0.2]),) if closed else (henon, [0.1, 0.1], 300)
    found = lyapunov_spectrum(*source)
    fig = found.plot()
    assert len(fig.axes) == (1 if closed else 2)
    dots = next(line for line in fig.axes[-1].lines if line.get_label() == "exponent")
    np.testing.assert_allclose(dots.get_ydata(), found.exponents)


@pytest.mark.parametrize("burn", [0, 29])
def test_one_row_says_nothing_of_the_others(burn):
    """A single row that counts is neither a matrix for all rows nor a sample with an error."""
    logistic = lyapunov_spectrum(lambda h: 4.0 * h * (1.0 - h), [0.3], burn + 1, burn=burn)
    row = logistic.frame.loc[1]
    assert np.isfinite(row["exponent"])
    assert np.isnan(row["exponent_se"])
    assert np.isnan(row["pvalue"])
    assert row["verdict"] == "no standard error"
    # one matrix is known to move all rows
    assert lyapunov_spectrum([[0.5]], nsteps=1).frame.loc[1, "exponent_se"] == 0.0
