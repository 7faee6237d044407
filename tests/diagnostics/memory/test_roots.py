"""Memory of linear recurrences: roots, time constants, products of Jacobians."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import series

from rnnstats._index import step_name
from rnnstats.diagnostics.memory import roots as arrays
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate, jacobian
from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults

TIMES = ("modulus", "tau", "half_life", "period", "damping")


def given(model: LinearRNN, params: list[float], cov: object = 0.01) -> LinearResults:
    """Results at given parameters with a given covariance (a number: that variance for all)."""
    size = len(model.param_names)
    table = np.asarray(cov, float) if np.ndim(cov) else float(cov) * np.eye(size)
    estimate = CovarianceEstimate(table, "oim", size, size, (), "")
    return LinearResults.from_fit(model, params, covariance=estimate)


def vector_ar(coefficients: list[list[float]], cov: object = 0.01) -> LinearResults:
    """VAR(1) (or AR in companion form with one row of coefficients) without constant."""
    table = np.atleast_2d(coefficients)
    p, m = table.shape
    model = LinearRNN(series(40, p)[0], k_states=m, form="observed", trend="n", initial="diffuse")
    noise = np.eye(p)[np.tril_indices(p)]
    return given(model, [*table.ravel(), *noise], cov)


# -- roots and their derivatives, on arrays --------------------------------------------------------


@pytest.mark.parametrize("seed", range(6))
def test_derivatives_of_roots_are_the_numerical_ones(seed: int) -> None:
    matrix = np.random.default_rng(seed).standard_normal((4, 4))
    found = arrays.roots(matrix)
    assert found.simple.all()

    def both(cells: np.ndarray) -> np.ndarray:
        values = arrays.roots(cells.reshape(4, 4)).values
        return np.concatenate([values.real, values.imag])

    numerical = jacobian(both, matrix.ravel())
    q = found.values.size
    exact = found.slopes.reshape(q, -1)
    # truncation of Richardson's central differences
    np.testing.assert_allclose(exact.real, numerical[:q], atol=1e-8)
    np.testing.assert_allclose(exact.imag, numerical[q:], atol=1e-8)


def test_complex_pairs_are_listed_once_and_the_largest_first() -> None:
    matrix = np.diag([0.1, 0.0, 0.0, -0.9])
    matrix[1:3, 1:3] = [[0.3, 0.4], [-0.4, 0.3]]
    values = arrays.roots(matrix).values
    np.testing.assert_allclose(values, [-0.9, 0.3 + 0.4j, 0.1], atol=1e-15)


@pytest.mark.parametrize(
    "matrix",
    [
        [[0.5, 1.0], [0.0, 0.5]],  # defective
        [[0.5, 0.0], [0.0, 0.5]],  # two eigenvectors
        [[1.5, -0.75, 0.125], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]],  # three times 0.5, split by eps
    ],
)
def test_repeated_roots_have_no_derivative(matrix: list[list[float]]) -> None:
    found = arrays.roots(np.array(matrix))
    assert not found.simple.any()
    assert np.isnan(found.slopes).all()
    other = np.zeros((len(matrix) + 1,) * 2)
    other[:-1, :-1], other[-1, -1] = matrix, -0.8
    assert arrays.roots(other).simple[0]  # the simple one beside them keeps its own
    assert np.isfinite(arrays.roots(other).slopes[0]).all()


@pytest.mark.parametrize("value", [0.7 + 0.2j, -0.4 + 0.5j, 0.9 + 0.6j, 0.6 + 0j])
def test_slopes_of_the_measures_are_the_numerical_ones(value: complex) -> None:
    at = np.array([np.log(abs(value)), np.angle(value)])
    # a positive root has no finite period, and the damping ratio has a kink there
    names = arrays.MEASURES if value.imag else arrays.MEASURES[:3]

    def table(polar: np.ndarray) -> np.ndarray:
        root = np.array([np.exp(polar[0] + 1j * polar[1])])
        found = arrays.measures(root)
        return np.array([found[name][0] for name in names])

    slopes = arrays.measure_slopes(np.array([value]))
    exact = np.array([slopes[name][0] for name in names])
    np.testing.assert_allclose(exact, jacobian(table, at), rtol=1e-7, atol=1e-8)


def test_measures_at_their_limits() -> None:
    found = pd.DataFrame(arrays.measures(np.array([0.0, 0.5, -0.5, 1.0, 1j, 2.0], complex)))
    np.testing.assert_allclose(found["modulus"], [0, 0.5, 0.5, 1, 1, 2])
    np.testing.assert_allclose(
        found["tau"], [0, 1 / np.log(2), 1 / np.log(2), np.inf, np.inf, -1 / np.log(2)]
    )
    np.testing.assert_allclose(found["half_life"][:3], [0, 1, 1])
    np.testing.assert_allclose(found["period"], [np.nan, np.inf, 2, np.inf, 4, np.inf])
    low = np.log(2) / np.hypot(np.log(2), np.pi)
    np.testing.assert_allclose(found["damping"], [1, 1, low, np.nan, 0, -1])


def test_intervals_of_time_constants_are_those_of_the_modulus() -> None:
    moduli, errors = np.array([0.5, 0.9, 0.05, 0.7]), np.array([0.1, 0.08, 0.1, 0.0])
    tau = -1 / np.log(moduli)
    lower, upper = arrays.tau_interval(tau, errors * tau**2 / moduli, 2.0)
    np.testing.assert_allclose(lower, [-1 / np.log(0.3), -1 / np.log(0.74), 0.0, tau[3]])
    # 0.9 may be one, 0.05 may be zero, what is fixed has no interval
    np.testing.assert_allclose(upper, [-1 / np.log(0.7), np.inf, -1 / np.log(0.25), tau[3]])
    assert lower[3] == tau[3] == upper[3]
    for wild in ([-4.0, np.inf, np.nan, 0.0], [3.0, 3.0, 3.0, 3.0]):
        error = np.array([1.0, 1.0, 1.0, 1.0]) if wild[0] < 0 else np.full(4, np.nan)
        assert np.isnan(arrays.tau_interval(np.array(wild), error, 2.0)).all()


# -- on results ------------------------------------------------------------------------------------


def test_first_order_autoregression_in_closed_form() -> None:
    phi, error = 0.8, 0.05
    row = vector_ar([[phi]], error**2).memory().frame.loc[1]
    tau = -1 / np.log(phi)
    assert row["tau"] == pytest.approx(tau, rel=1e-12)
    tau_se = error / (phi * np.log(phi) ** 2)
    assert row["tau_se"] == pytest.approx(tau_se, rel=1e-9)
    assert row["half_life"] == pytest.approx(np.log(0.5) / np.log(phi), rel=1e-12)
    assert row["half_life_se"] == pytest.approx(np.log(2) * tau_se, rel=1e-9)
    assert row["modulus_se"] == pytest.approx(error, rel=1e-9)
    assert row["tau_lower"] == pytest.approx(-1 / np.log(phi - 1.959964 * error), rel=1e-6)
    assert row["tau_upper"] == pytest.approx(-1 / np.log(phi + 1.959964 * error), rel=1e-6)
    assert np.isinf(row["period"])
    assert np.isnan(row["period_se"])
    assert row["damping"] == 1.0
    negative = vector_ar([[-phi]], error**2).memory().frame.loc[1]
    assert negative["period"] == 2.0
    assert negative["period_se"] == 0.0  # a simple real root stays real
    assert negative["tau_se"] == pytest.approx(tau_se, rel=1e-9)


def test_second_order_autoregression_with_a_complex_pair() -> None:
    a, b = 1.2, -0.7
    cov = np.zeros((3, 3))
    cov[:2, :2] = [[0.004, -0.003], [-0.003, 0.005]]
    frame = vector_ar([[a, b]], cov).memory().frame
    assert len(frame) == 1

    def closed(phi: np.ndarray) -> np.ndarray:
        r = np.sqrt(-phi[1])
        angle, rate = np.arccos(phi[0] / (2 * r)), np.log(r)
        return np.array([r, -1 / rate, -np.log(2) / rate, 2 * np.pi / angle,
                         -rate / np.hypot(rate, angle)])  # fmt: skip

    np.testing.assert_allclose(frame.loc[1, list(TIMES)].astype(float), closed([a, b]), rtol=1e-12)
    slopes = jacobian(closed, [a, b])
    errors = np.sqrt(np.diag(slopes @ cov[:2, :2] @ slopes.T))
    found = frame.loc[1, [f"{name}_se" for name in TIMES]].astype(float)
    np.testing.assert_allclose(found, errors, rtol=1e-7)


def test_moving_average_side_of_an_arma() -> None:
    model = LinearRNN(series(40)[0], k_states=1, trend="n")
    phi, gain = 0.8, 0.5  # theta = gain - phi
    cov = np.diag([0.01, 0.02, 0.3])
    cov[0, 1] = cov[1, 0] = 0.005
    res = given(model, [phi, gain, 1.0], cov)
    frame = res.memory().frame
    assert list(frame["of"]) == ["W_h", "W_h - K V"]
    second = frame.iloc[1]
    assert second["real"] == pytest.approx(phi - gain)
    assert second["modulus_se"] == pytest.approx(np.sqrt(0.01 + 0.02 - 2 * 0.005), rel=1e-9)
    products = res.memory(steps=3).products
    own = products[products["of"] == "W_h - K V"]["log_singular_1"]
    np.testing.assert_allclose(own, np.arange(4) * np.log(phi - gain), rtol=1e-12)


def test_a_moving_average_that_is_not_invertible() -> None:
    """The filter then forgets at the rate of the inverse root, and the summary says so."""
    model = LinearRNN(series(40)[0], k_states=1, trend="n")
    res = given(model, [0.5, 2.5, 1.0])  # theta = 2
    found = res.memory()
    assert list(found.frame["note"]) == ["", "not invertible"]
    assert "inverse root" in str(found)
    covs = res._filter.predicted_state_cov[:, 0, 0]
    gap = np.abs(covs[3:13] - covs[-1])
    # the variance of the predicted state settles at twice the rate of the mean
    np.testing.assert_allclose(gap[1:] / gap[:-1], 0.5**2, rtol=0.02)


@pytest.mark.parametrize(("k_endog", "k_states"), [(2, 1), (2, 3), (1, 3)])
def test_standard_errors_are_the_delta_method(k_endog: int, k_states: int) -> None:
    """Also where V is free (fewer states than outputs), through all derivatives of the system."""
    model = LinearRNN(series(60, k_endog)[0], k_states=k_states)
    size = len(model.param_names)
    rng = np.random.default_rng(4)
    root = rng.standard_normal((size, size)) / 30
    theta = model.start_params.to_numpy() + 0.05 * rng.standard_normal(size)
    cov = root @ root.T
    frame = given(model, theta, cov).memory().frame

    def moduli(params: np.ndarray) -> np.ndarray:
        system = model.system(params)
        other = system.transition - system.selection @ system.design
        parts = [np.linalg.eigvals(part) for part in (system.transition, other)]
        parts = [part[part.imag >= 0] for part in parts]
        return np.concatenate([np.sort(np.abs(part))[::-1] for part in parts])

    slopes = jacobian(moduli, theta)
    np.testing.assert_allclose(frame["modulus"], moduli(theta), rtol=1e-10)
    errors = np.sqrt(np.diag(slopes @ cov @ slopes.T))
    np.testing.assert_allclose(frame["modulus_se"], errors, rtol=1e-6)


def test_leaky_units_are_their_own_coefficients() -> None:
    model = LinearRNN(series(60, 2)[0], k_states=3, form="leaky", structure={"pairs": 1})
    theta = model.start_params
    theta["W_h[h1,h1]"], theta["W_h[h2,h2]"], theta["W_h[h2,h3]"] = 0.9, 0.4, -0.6
    res = given(model, theta.to_numpy(), 0.0009)
    frame = res.memory().frame
    assert set(frame["of"]) == {"W_h"}
    np.testing.assert_allclose(frame["real"], [0.9, 0.4])
    np.testing.assert_allclose(frame["imag"], [0.0, 0.6])
    np.testing.assert_allclose(frame["modulus_se"], 0.03, rtol=1e-9)
    # W_h is normal: its singular values are the moduli
    np.testing.assert_allclose(
        res.memory(steps=1).products.iloc[1, 1:].astype(float),
        np.log([0.9, np.hypot(0.4, 0.6), np.hypot(0.4, 0.6)]),
    )


def test_fixed_parameters_have_zero_standard_errors() -> None:
    endog, _ = series(60)
    res = LinearRNN(endog, k_states=1, fixed={"W_h[h1,h1]": 0.8}).fit()
    frame = res.memory().frame
    first = frame.iloc[0]
    assert first["note"] == "fixed"
    assert first["tau_se"] == first["modulus_se"] == first["half_life_se"] == 0.0
    assert first["tau_lower"] == first["tau"] == first["tau_upper"]
    assert frame.iloc[1]["modulus_se"] == pytest.approx(res.bse["K[h1,cpi]"], rel=1e-9)
    verdict = res.memory().verdict.iloc[0]
    assert verdict["log_radius_se"] == 0.0
    assert verdict["verdict"] == "vanishing"
    # repeated but known, and on the unit circle
    walks = vector_ar([[1.0, 0.0], [0.0, 1.0]], np.zeros((7, 7))).memory()
    assert (walks.frame["modulus_se"] == 0.0).all()
    assert np.isinf(walks.frame["tau"]).all()
    assert walks.verdict.loc[0, "verdict"] == "neither vanishes nor explodes"


def test_tied_parameters_may_leave_no_doubt() -> None:
    """W_h = K: a pure autoregression, whose filter forgets everything in one step."""
    endog, _ = series(60)
    res = LinearRNN(endog, k_states=1, fixed={"K[h1,cpi]": "W_h[h1,h1]"}).fit()
    frame = res.memory().frame
    assert frame.iloc[0]["modulus_se"] == pytest.approx(res.bse["W_h[h1,h1]"], rel=1e-9)
    assert frame.iloc[1]["modulus"] == frame.iloc[1]["tau"] == frame.iloc[1]["modulus_se"] == 0.0
    assert res.memory().verdict.loc[1, "verdict"] == "forgets at once"
    assert np.isneginf(res.memory().products["log_singular_1"].iloc[-1])
    assert "-inf" in str(res.memory())


def test_missing_standard_errors_stay_missing() -> None:
    endog, _ = series(60)
    res = LinearRNN(endog, k_states=1).fit(cov_type="none")
    found = res.memory()
    assert found.frame[["modulus_se", "tau_se", "tau_lower", "tau_upper"]].isna().all(axis=None)
    assert (found.frame["note"] == "no standard error").all()
    assert found.frame["tau"].notna().all()
    assert (found.verdict["verdict"] == "no standard error").all()
    # one parameter without: only the roots that it moves
    cov = np.diag([0.01, np.nan, 0.1])
    frame = given(LinearRNN(endog, k_states=1, trend="n"), [0.8, 0.5, 1.0], cov).memory().frame
    assert frame["modulus_se"].iloc[0] == pytest.approx(0.1)
    assert np.isnan(frame["modulus_se"].iloc[1])


def test_repeated_roots_say_so() -> None:
    found = vector_ar([[0.5, 0.0], [0.0, 0.5]]).memory()
    assert list(found.frame["note"]) == ["repeated", "repeated"]
    assert found.frame["tau_se"].isna().all()
    assert "no derivative" in str(found)
    mirror = vector_ar([[0.5, 0.0], [0.0, -0.5]]).memory()  # the radius is a maximum of two
    assert np.isnan(mirror.verdict.loc[0, "log_radius_se"])
    assert mirror.frame["tau_se"].notna().all()


@pytest.mark.parametrize(
    ("root", "error", "word"),
    [
        (0.9, 0.01, "vanishing"),
        (0.9, 0.08, "not distinguishable from 1"),
        (1.1, 0.01, "exploding"),
        (1.1, 0.08, "not distinguishable from 1"),
        (-0.9, 0.01, "vanishing"),
    ],
)
def test_verdict(root: float, error: float, word: str) -> None:
    row = vector_ar([[root]], error**2).memory().verdict.loc[0]
    assert row["log_radius"] == pytest.approx(np.log(abs(root)), rel=1e-12)
    assert row["log_radius_se"] == pytest.approx(error / abs(root), rel=1e-9)
    assert row["z"] == pytest.approx(np.log(abs(root)) * abs(root) / error, rel=1e-9)
    assert row["verdict"] == word


def test_level_of_verdict_and_intervals() -> None:
    res = vector_ar([[0.9]], 0.05**2)  # p-value between 0.01 and 0.1
    assert res.memory(alpha=0.1).verdict.loc[0, "verdict"] == "vanishing"
    assert res.memory(alpha=0.01).verdict.loc[0, "verdict"] == "not distinguishable from 1"
    wide, narrow = res.memory(alpha=0.01).frame, res.memory(alpha=0.5).frame
    assert wide.loc[1, "tau_lower"] < narrow.loc[1, "tau_lower"] < narrow.loc[1, "tau"]
    with pytest.raises(SpecificationError, match="memory: alpha"):
        res.memory(alpha=1.0)
    with pytest.raises(SpecificationError, match="memory: steps"):
        res.memory(steps=-1)


def test_on_the_unit_circle_nothing_overflows() -> None:
    found = vector_ar([[1.0 - 1e-11]]).memory()
    assert found.frame.loc[1, "note"] == "unit circle"
    # that of a modulus of 1 with a standard error of 0.1
    assert found.frame.loc[1, "tau_lower"] == pytest.approx(-1 / np.log(1 - 0.1959964), rel=1e-6)
    assert np.isinf(found.frame.loc[1, "tau_upper"])
    assert "unit circle" in str(found)


def test_tables_are_copies_and_the_object_is_frozen() -> None:
    found = vector_ar([[0.8]]).memory()
    for name in ("frame", "verdict", "products"):
        before, mine = getattr(found, name), getattr(found, name)
        mine["of"] = "mine"
        pd.testing.assert_frame_equal(getattr(found, name), before)
    with pytest.raises(AttributeError):
        found.step = "years"
    assert found.step == "quarters"
    assert "Time constants in quarters" in str(found)


def test_labels_count_a_pair_as_two() -> None:
    text = str(vector_ar([[1.2, -0.7]]).memory())
    assert "W_h: 1, 2" in text


@pytest.mark.parametrize(
    ("index", "name"),
    [
        (pd.period_range("2000", periods=5, freq="Y"), "years"),
        (pd.period_range("2000Q1", periods=5, freq="Q"), "quarters"),
        (pd.date_range("2000-01-31", periods=5, freq="MS"), "months"),
        (pd.DatetimeIndex(["2000-01-01", "2000-02-01", "2000-03-01"]), "months"),
        (pd.date_range("2000-01-01", periods=5, freq="W-WED"), "weeks"),
        (pd.date_range("2000-01-01", periods=5, freq="2D"), "steps of 2 days"),
        (pd.DatetimeIndex(["2000-01-01", "2000-02-09", "2000-03-01"]), "rows"),
        (pd.RangeIndex(5), "rows"),
    ],
)
def test_what_a_row_is(index: pd.Index, name: str) -> None:
    assert step_name(index) == name


def test_plot(tmp_path) -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    model = LinearRNN(series(40)[0], k_states=2, trend="n")
    found = given(model, [-0.7, 1.2, 0.4, 0.3, 1.0]).memory(steps=10)
    fig = found.plot()
    drawn = {line.get_label(): line for ax in fig.axes for line in ax.get_lines()}
    root = found.frame.iloc[0]
    across, up = drawn["roots of W_h"].get_data()
    np.testing.assert_allclose(across, [root["real"]] * 2)
    np.testing.assert_allclose(up, [root["imag"], -root["imag"]])
    own = found.products[found.products["of"] == "W_h - K V"]["log_singular_1"]
    np.testing.assert_allclose(drawn["largest, W_h - K V"].get_ydata(), own)
    slope = np.diff(drawn["rate, W_h"].get_ydata())
    np.testing.assert_allclose(slope, found.verdict.loc[0, "log_radius"])
    fig.savefig(tmp_path / "picture.png")
    assert found.plot(fig=plt.figure()) is not fig
    plt.close("all")


@pytest.mark.statistical
def test_interval_of_the_time_constant_covers() -> None:
    phi, nobs, repetitions = 0.8, 500, 300
    rng = np.random.default_rng(11)
    inside = []
    for _ in range(repetitions):
        shocks = rng.standard_normal(nobs + 100)
        y = np.empty_like(shocks)
        y[0] = shocks[0]
        for t in range(1, y.size):
            y[t] = phi * y[t - 1] + shocks[t]
        model = LinearRNN(y[100:], k_states=1, form="observed", trend="n", initial="diffuse")
        row = model.fit(cov_type="approx").memory(steps=0).frame.loc[1]
        inside.append(row["tau_lower"] <= -1 / np.log(phi) <= row["tau_upper"])
    # four Monte-Carlo standard errors, and 1 % for the bias of phi, -2 phi / T (0.12 of its
    # standard error here)
    error = np.sqrt(0.95 * 0.05 / repetitions)
    assert abs(np.mean(inside) - 0.95) <= 4 * error + 0.01
