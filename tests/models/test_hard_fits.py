"""Data on the edge of what can be fitted: a right answer, or an error that says what to do."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnstats import LinearRNN, datasets
from rnnstats.errors import ConvergenceWarning, DataError
from rnnstats.results.linear import LinearResults

FloatArray = np.ndarray


def arma(phi: float, theta: float, nobs: int, seed: int = 1) -> FloatArray:
    e = np.random.default_rng(seed).standard_normal(nobs + 300)
    y = np.zeros(nobs + 300)
    for t in range(1, nobs + 300):
        y[t] = phi * y[t - 1] + e[t] + theta * e[t - 1]
    return y[300:]


def pair(nobs: int = 200) -> FloatArray:
    """Two related series with memory."""
    first, second = arma(0.8, 0.3, nobs, 2), arma(-0.4, 0.0, nobs, 3)
    return np.column_stack([first + 0.5 * second, second])


# --- a right answer ------------------------------------------------------------------------------


def test_near_cancelling_roots_are_named_and_no_trap() -> None:
    """phi = 0.7 and theta = -0.65: not below white noise, not below the truth, and said so."""
    y = arma(0.7, -0.65, 300)
    results = LinearRNN(y, k_states=1).fit()
    model = results.model
    assert results.convergence.converged
    white = -0.5 * len(y) * (np.log(2.0 * np.pi * y.var()) + 1.0)
    assert results.llf > max(white, model.loglike([0.7, 0.05, y.mean(), 1.0]))
    assert any("nearly cancels" in words for words in results.convergence.boundary)
    assert "nearly cancels" in results.summary().as_text().replace("\n  ", " ")


def test_a_root_next_to_one() -> None:
    """phi = 0.999: at least as likely as the truth, inside the circle, with a positive variance."""
    y = arma(0.999, 0.3, 300)
    results = LinearRNN(y, k_states=1).fit()
    assert results.convergence.converged
    assert results.llf > results.model.loglike([0.999, 1.299, 0.0, 1.0])
    assert 0.95 < results.params.iloc[0] < 1.0
    assert (results.bse > 0.0).all()


def test_nearly_singular_covariance_is_the_fit_of_the_difference() -> None:
    """(y1, y1 + d e) and (y1, e) are one data set in two bases: the same maximum."""
    y, small = pair(), 1e-2
    e = arma(0.5, 0.0, 200, 7)
    joined = LinearRNN(np.column_stack([y[:, 0], y[:, 0] + small * e])).fit(cov_type="none")
    apart = LinearRNN(np.column_stack([y[:, 0], e])).fit(cov_type="none")
    assert joined.convergence.converged and apart.convergence.converged
    # numbers of size 1 / small**2 cancel in joined's coordinates
    expected = apart.llf - 200 * np.log(small)
    assert joined.llf == pytest.approx(expected, abs=1e-4)


def test_a_nearly_errorless_combination_is_named() -> None:
    y = pair()
    y[:, 1] = y[:, 0] + 1e-5 * y[:, 1]
    with pytest.warns(ConvergenceWarning):
        results = LinearRNN(y).fit(cov_type="none")
    words = " ".join(results.convergence.boundary)
    assert "y1, y2 has hardly an error" in words
    assert "in place of one of them" in words


def test_few_rows_more_than_parameters() -> None:
    """9 rows of 2 series for 13 parameters: a maximum, above each start and above white noise."""
    y = pair(9)
    results = LinearRNN(y).fit(cov_type="none")
    assert results.convergence.converged
    cov = np.cov(y.T, bias=True)
    white = -0.5 * len(y) * (2.0 * np.log(2.0 * np.pi) + np.linalg.slogdet(cov)[1] + 2.0)
    assert results.llf > white
    assert results.llf >= results.starts["start_llf"].max()


def test_a_series_observed_now_and_then() -> None:
    """One value in four: the fit is not below two models that know nothing of each other."""
    y = pair()
    y[np.arange(200) % 4 > 0, 1] = np.nan
    results = LinearRNN(y).fit(cov_type="none")
    alone = LinearRNN(y[:, 0], k_states=1).fit(cov_type="none")
    seen = y[::4, 1]
    apart = -0.5 * len(seen) * (np.log(2.0 * np.pi * seen.var()) + 1.0)
    assert results.convergence.converged
    assert results.llf > alone.llf + apart


@pytest.mark.parametrize("form", ["innovations", "observed", "leaky"])
@pytest.mark.parametrize("scale", [(1e9, 1e-9), (1e-9, 1e-9)])
def test_units_do_not_matter(form: Any, scale: tuple[float, float]) -> None:
    """The maximum in other units is the same one: the density changes by the units alone."""
    noise = np.random.default_rng(11).standard_normal((200, 2))
    y, units = pair() + 2.0 * noise, np.array(scale)
    states = {"innovations": 2, "observed": None, "leaky": 1}[form]
    plain = LinearRNN(y, form=form, k_states=states).fit()
    other = LinearRNN(y * units, form=form, k_states=states).fit()
    assert other.convergence.converged
    expected = plain.llf - 200 * np.log(units).sum()
    # a sum of 400 terms of size up to 30, and two stops within 1e-5 standard errors
    assert other.llf == pytest.approx(expected, abs=1e-7)
    assert other.starts["llf"].max() == pytest.approx(other.llf, abs=1e-7)
    grown = {f"b_y[y{i + 1}]": unit for i, unit in enumerate(scale)}
    for name, unit in grown.items():
        assert other.params[name] / unit == pytest.approx(plain.params[name], abs=1e-5)
        assert other.bse[name] / unit == pytest.approx(plain.bse[name], rel=1e-4)


def test_units_with_restrictions() -> None:
    """Numbers and ties keep their meaning where the outputs are put into one unit."""
    y = pair()
    fixed = {"W_h[h1,h2]": 0.0, "K[h2,y2]": "K[h1,y1]", "b_y[y1]": 0.25}
    plain = LinearRNN(y, fixed=fixed).fit(cov_type="none")
    other = LinearRNN(1e-7 * y, fixed={**fixed, "b_y[y1]": 0.25e-7}).fit(cov_type="none")
    assert other.llf == pytest.approx(plain.llf - 400 * np.log(1e-7), abs=1e-6)
    assert other.params["b_y[y1]"] == 0.25e-7
    assert other.params["K[h1,y1]"] == other.params["K[h2,y2]"]
    assert other.params["W_h[h1,h1]"] == pytest.approx(plain.params["W_h[h1,h1]"], abs=1e-4)


def test_inputs_of_any_size() -> None:
    y = pair()
    x = np.random.default_rng(5).standard_normal((200, 1))
    plain = LinearRNN(y, x).fit(cov_type="none")
    for size in (1e9, 1e-9):
        other = LinearRNN(y, size * x).fit(cov_type="none")
        assert other.convergence.converged
        assert other.llf == pytest.approx(plain.llf, abs=1e-6)


def test_a_known_start_is_fitted_where_errors_forget_it() -> None:
    """Maxima tuned to cancel errors of size 1.2**t are higher, and no answer."""
    rng = np.random.default_rng(4)
    y = np.column_stack([arma(0.6, 0.0, 60, 5), arma(0.6, 0.0, 60, 7)])
    for fixed in ({}, {"W_h[h1,h2]": 0.0}):
        model = LinearRNN(y, trend="n", initial="known", fixed=fixed)
        results = model.fit(cov_type="none", n_starts=30, rng=rng)
        system = model.system(results.params)
        closed = system.transition - system.selection @ system.design
        assert results.convergence.converged
        assert np.abs(np.linalg.eigvals(closed)).max() <= 1.0 + 1e-5


# --- an error that says what to do ---------------------------------------------------------------


def with_gap(y: FloatArray, row: int, column: int) -> FloatArray:
    y = y.copy()
    y[row, column] = np.nan
    return y


REFUSED: dict[str, tuple[Callable[[], LinearRNN], str]] = {
    "two identical series": (
        lambda: LinearRNN(pair()[:, [0, 0]]),
        "not be linear combinations.*y1, y2.*Leave one out",
    ),
    "two series that differ in the eighth digit": (
        lambda: LinearRNN(pair()[:, [0, 0]] + 3e-8 * pair()),
        "not be linear combinations .* to 7 digits.*y1, y2.*Leave one out",
    ),
    "identical series with noise of their own": (
        lambda: LinearRNN(pair()[:, [0, 0]], form="leaky", k_states=1),
        "not be linear combinations.*y1, y2.*Leave one out",
    ),
    "a sum of the others": (
        lambda: LinearRNN(np.column_stack([pair(), pair().sum(axis=1)])),
        "not be linear combinations.*y1, y2, y3",
    ),
    "a constant series": (
        lambda: LinearRNN(np.column_stack([pair()[:, 0], np.ones(200)])),
        "must vary.*'y2'.*Leave that column out",
    ),
    "a straight line with a trend": (
        lambda: LinearRNN(np.arange(60.0), k_states=1, trend="ct"),
        "function of trend and inputs alone.*'y'",
    ),
    "fewer values than parameters": (
        lambda: LinearRNN(pair(6)),
        "12 values and 13 parameters.*Use fewer states",
    ),
    "numbers at the end of the range": (
        lambda: LinearRNN(pair() * [1e60, 1.0]),
        "between 1e-30 and 1e.30.*'y1'.*other units",
    ),
    "a diffuse start at a row with a gap": (
        lambda: LinearRNN(with_gap(pair(), 0, 1), initial="diffuse"),
        "first 1 values of output 2.*gap at t = 1.*initial='stationary'",
    ),
    "a diffuse start of two states with a gap in row 2": (
        lambda: LinearRNN(with_gap(pair(), 1, 0)[:, 0], k_states=2, initial="diffuse"),
        "first 2 values of output 1.*gap at t = 2",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused(case: str) -> None:
    make, words = REFUSED[case]
    with pytest.raises(DataError, match=words):
        make().fit()


def test_why_gaps_before_a_diffuse_state_are_refused() -> None:
    """The likelihood grows without bound as the column of W_h behind the gap vanishes."""
    model = LinearRNN(with_gap(pair(), 0, 1), initial="diffuse")
    start = LinearRNN(pair()).start_params
    heights = []
    for size in (1e-2, 1e-4, 1e-6, 1e-8):
        theta = start.copy()
        theta[["W_h[h1,h2]", "W_h[h2,h2]"]] = size, size
        heights.append(model.loglike(theta))
    # log 100 a step: the density is one over the size of the column
    np.testing.assert_allclose(np.diff(heights[1:]), np.log(100.0), atol=0.01)


def test_gaps_at_a_diffuse_start_are_fine_where_nothing_can_vanish() -> None:
    """Rows without any observation are left out; a fixed W_h has no column that vanishes."""
    nile = datasets.nile()
    level = {"W_h[h1,h1]": 1.0}
    late = nile.copy()
    late.iloc[:3] = np.nan
    options: dict[str, Any] = {"trend": "n", "initial": "diffuse", "fixed": level}
    whole = LinearRNN(nile.iloc[3:], **options).fit(cov_type="none")
    assert LinearRNN(late, **options).fit(cov_type="none").llf == pytest.approx(whole.llf, abs=1e-6)
    two = pd.DataFrame(with_gap(pair(), 0, 1), columns=["a", "b"])
    held = {"W_h[h1,h1]": 1.0, "W_h[h1,h2]": 0.0, "W_h[h2,h1]": 0.0, "W_h[h2,h2]": 1.0}
    results = LinearRNN(two, trend="n", initial="diffuse", fixed=held).fit(cov_type="none")
    assert np.isfinite(results.llf)


def test_a_fit_without_a_maximum_says_why() -> None:
    """Seven rows that 13 parameters follow exactly: the warning names what to change."""
    y = np.column_stack([arma(0.5, 0.3, 7, 1), arma(0.2, 0.1, 7, 7)])
    with pytest.warns(ConvergenceWarning, match=r"nearly singular.*use fewer states"):
        results = LinearRNN(y).fit(cov_type="none")
    assert not results.convergence.converged


def test_a_sum_that_too_few_factors_can_follow_is_no_reason_to_refuse() -> None:
    y = np.column_stack([pair(), pair().sum(axis=1)])
    results = LinearRNN(y, form="factor", k_states=1).fit(cov_type="none")
    assert results.convergence.converged
    with pytest.raises(DataError, match="y1, y2, y3"):
        LinearRNN(y, form="factor", k_states=2).fit()


@pytest.mark.parametrize("units", [[1e-12, 1e-12], [1e8, 1e-8]])
def test_free_form_in_other_units(units: list[float]) -> None:
    plain = LinearRNN(pair(), form="free", k_states=1).fit(cov_type="none")
    other = LinearRNN(pair() * units, form="free", k_states=1).fit(cov_type="none")
    assert other.convergence.converged
    # the likelihood is flat in the coordinates of the state: 1e-6 is what fits are good to
    assert other.llf == pytest.approx(plain.llf - 200.0 * np.log(units).sum(), abs=1e-6)


def test_local_level_of_a_straight_line() -> None:
    """All differences are one: the variance of the level is one, that of the noise zero."""
    structure = {"W_h": 1, "V": 1, "state_cov": "q", "obs_cov": "r"}
    model = LinearRNN(np.arange(30.0), form="structured", initial="diffuse", structure=structure)
    results = model.fit(cov_type="none")
    assert results.params["q"] == pytest.approx(1.0, rel=1e-4)
    assert results.llf == pytest.approx(-15.0 * np.log(2.0 * np.pi) - 14.5, abs=1e-6)


def test_singular_errors_do_not_break_the_summary() -> None:
    """Two states' worth of noise in three outputs, as tables may say it."""
    structure = {
        "W_h": [[0.5, 0], [0, 0.2]],
        "V": [[1, 0], [0, 1], [1, 1]],
        "state_cov": "identity",
        "obs_cov": [[1e-18, 0, 0], [0, 1e-18, 0], [0, 0, 1e-18]],
        "b_y": ["m1", 0, 0],
    }
    y = np.column_stack([pair(), pair().sum(axis=1)])
    model = LinearRNN(y, form="structured", structure=structure)
    results = LinearResults.from_fit(model, np.zeros(1), cov_type="none")
    assert results.standardized_resid.isna().all(axis=None)
    assert "Linear RNN" in results.summary().as_text()
