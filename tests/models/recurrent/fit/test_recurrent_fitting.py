"""The fit as a whole: where it ends, what it says, and that it can be repeated and broken off."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.models.recurrent.fit import levenberg
from rnnstats.models.recurrent.fit.coordinates import Target
from rnnstats.models.recurrent.fit.readout import RIDGE, regress
from rnnstats.models.recurrent.fit.starts import default_number, draws


def lynx():
    return np.log10(datasets.lynx())


def sample(head, rows=160):
    """Outputs whose law depends on a smooth function of the one before."""
    rng = np.random.default_rng(11)
    if head == "categorical":
        path = [0]
        for _ in range(rows - 1):
            odds = np.array([[1.0, 0.2, -1.0], [-0.5, 1.2, 0.0], [0.4, -0.6, 0.9]])[path[-1]]
            path.append(int(rng.choice(3, p=np.exp(odds) / np.exp(odds).sum())))
        return pd.Series(np.array(["a", "b", "c"], dtype=object)[path], name="y")
    y, h = np.zeros(rows), 0.0
    for t in range(rows):
        last = y[t - 1] if t else 0.0
        h = np.tanh(0.5 * h + 0.7 * np.log1p(abs(last)) - 0.6)
        eta = 0.4 + 0.9 * h
        y[t] = {
            "gaussian": lambda e=eta: e + 0.4 * rng.standard_normal(),
            "student-t": lambda e=eta: e + 0.4 * rng.standard_t(5),
            "poisson": lambda e=eta: rng.poisson(np.exp(e)),
            "negative-binomial": lambda e=eta: rng.negative_binomial(2, 2.0 / (2.0 + np.exp(e))),
            "bernoulli": lambda e=eta: rng.random() < 1.0 / (1.0 + np.exp(-2.0 * e + 1.0)),
            "gamma": lambda e=eta: rng.gamma(3.0, np.exp(e) / 3.0),
        }[head]()
    return pd.Series(y, name="y")


def slope_length(results):
    """The score along the free coordinates of the climb, in standard errors."""
    model = results.model
    target = Target(model, model.penalty)
    psi = target.at.psi(model.chart.to_standard(results.params.to_numpy()))
    score = target(psi)[1]
    return float(np.sqrt(score @ np.linalg.pinv(target.information(psi), rcond=1e-9) @ score))


@pytest.mark.parametrize(
    "head",
    ["gaussian", "student-t", "poisson", "negative-binomial", "bernoulli", "categorical", "gamma"],
)
def test_every_head_has_its_maximum_found(head):
    model = ElmanRNN(sample(head), k_hidden=1, head=head)
    results = model.fit(penalty=0.05, n_starts=4, cov_type="none")
    assert results.convergence.converged, results.convergence.message
    assert slope_length(results) < 1e-3
    # not below the best that a constant can do
    base = ElmanRNN(sample(head), k_hidden=1, head=head, fixed={
        name: 0.0 for name in model.param_names if name.startswith(("W_", "V["))
    } | {"b_h[h1]": 0.0}).fit(cov_type="none")  # fmt: skip
    assert results.llf > base.llf


@pytest.mark.parametrize("net", [GRU, LSTM])
def test_penalised_gated_units_converge(net):
    # of 160 rows the LSTM has a higher end, in which differences of its state grow a thousandfold
    # before they fade: one direction with 1e8 times the information of others, hundreds of steps
    results = net(sample("gaussian", 400), k_hidden=1).fit(penalty=0.5, n_starts=4, cov_type="none")
    assert results.convergence.converged, results.convergence.message
    assert slope_length(results) < 1e-3
    assert "penalised" in results.convergence.message
    # not by a hair's breadth: a regular maximum, and all starts arrive far from the limit of 500
    assert results.convergence.hessian_zero == results.convergence.hessian_negative == 0
    assert (results.starts["iterations"] < 100).all()
    assert (results.starts["gap"] < 1e-3).all()


@pytest.mark.parametrize("n_jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_fit_can_be_repeated_and_does_not_depend_on_the_processes(n_jobs):
    model = ElmanRNN(lynx(), k_hidden=2, y_lags=2)
    one = model.fit(n_starts=4, cov_type="none", rng=3)
    again = model.fit(n_starts=4, cov_type="none", rng=3, n_jobs=n_jobs)
    np.testing.assert_array_equal(again.params, one.params)
    pd.testing.assert_frame_equal(again.starts, one.starts)


def test_starts_that_lead_to_one_optimum_are_recognised():
    results = ElmanRNN(lynx(), k_hidden=1).fit(n_starts=8, cov_type="none")
    table = results.starts
    assert len(table) == 8
    assert (table["same_as"] == 0).all()
    # signs of the unit differ between starts, the end does not: less than a standard error away
    assert (table["distance"] < 0.1).all()
    assert table["start_llf"].nunique() == 8


def test_start_params_alone_keep_their_numbering():
    model = ElmanRNN(lynx(), k_hidden=1)
    best = model.fit(n_starts=3, cov_type="none")
    mirrored = best.params.copy()
    for name in ("W_y[h1,lynx]", "b_h[h1]", "V[lynx,h1]"):
        mirrored[name] *= -1.0
    again = model.fit(start_params=mirrored, cov_type="none")
    assert again.convergence.n_starts == 1
    assert again.llf == pytest.approx(best.llf, abs=1e-9)
    # one twentieth of a thousandth of a standard error, which is about 0.1
    np.testing.assert_allclose(again.params, mirrored, rtol=0.0, atol=5e-6)


def test_restrictions_hold_at_the_maximum():
    fixed = {"W_h[h1,h2]": 0.0, "W_h[h2,h1]": 0.0, "b_h[h2]": "b_h[h1]"}
    model = ElmanRNN(lynx(), k_hidden=2, fixed=fixed)
    results = model.fit(penalty=0.1, n_starts=4, cov_type="none")
    params = results.params
    assert params["W_h[h1,h2]"] == params["W_h[h2,h1]"] == 0.0
    assert params["b_h[h1]"] == params["b_h[h2]"]
    assert results.convergence.converged
    free = ElmanRNN(lynx(), k_hidden=2).fit(penalty=0.1, n_starts=4, cov_type="none")

    def height(found):
        phi = found.model.chart.to_standard(found.params.to_numpy())
        return found.llf - 0.05 * (phi[found.model.chart.penalised] ** 2).sum()

    assert height(free) > height(results)


@pytest.mark.parametrize("after", [0, 3, 40, 150])
def test_an_interrupt_returns_the_best_so_far(after, monkeypatch):
    model = ElmanRNN(lynx(), k_hidden=2)
    seen = []
    whole = Target.information

    def counted(self, psi):
        seen.append(self(psi)[0])
        if len(seen) == after + 1:
            raise KeyboardInterrupt
        return whole(self, psi)

    monkeypatch.setattr(Target, "information", counted)
    with pytest.warns(ConvergenceWarning, match="interrupted"):
        results = model.fit(n_starts=6, cov_type="none")
    record = results.convergence
    assert not record.converged
    assert record.message.startswith("interrupted")
    assert results.llf >= max(seen[: after + 1]) - 1e-9 or after > 100
    assert np.isfinite(results.params).all()
    assert len(results.starts) == 6


def test_a_limit_of_iterations_is_kept_and_told():
    with pytest.warns(ConvergenceWarning, match=r"limit of iterations \(3\)"):
        results = ElmanRNN(lynx(), k_hidden=2).fit(n_starts=3, maxiter=3, cov_type="none")
    assert (results.starts["iterations"] <= 3).all()


@pytest.mark.parametrize("method", ["scoring", "newton", "bfgs"])
def test_each_method_comes_to_the_same_maximum(method):
    model = ElmanRNN(lynx(), k_hidden=1)
    results = model.fit(method=method, n_starts=3, cov_type="none")
    assert results.convergence.converged
    assert results.convergence.method == method
    assert results.llf == pytest.approx(model.fit(n_starts=3, cov_type="none").llf, abs=1e-8)


def test_arguments_are_checked():
    model = ElmanRNN(lynx(), k_hidden=1)
    with pytest.raises(SpecificationError, match=r"ElmanRNN\.fit: penalty must not be negative"):
        model.fit(penalty=-0.1)
    with pytest.raises(SpecificationError, match="rolling"):
        model.fit(penalty="best")
    with pytest.raises(SpecificationError, match="method"):
        model.fit(method="em")
    with pytest.raises(SpecificationError, match="finite log-likelihood"):
        model.fit(start_params=[0.0, 0.0, 0.0, 0.0, 0.0, -1.0])


def test_more_units_more_starts_but_not_of_large_networks():
    few, more = ElmanRNN(lynx(), k_hidden=1), ElmanRNN(lynx(), k_hidden=3)
    assert default_number(few) < default_number(more)
    assert default_number(LSTM(lynx(), k_hidden=16)) == 4


@pytest.mark.parametrize("seed", [1, 3])
def test_starts_under_a_vanishing_ridge_find_the_regular_maximum(seed):
    """Most climbs of two units on two lags end where weights run away."""
    results = ElmanRNN(lynx(), k_hidden=2, y_lags=2).fit(cov_type="none", rng=seed)
    assert results.convergence.converged
    assert not results.convergence.boundary
    # the highest of the regular ends of hundreds of starts
    assert results.llf == pytest.approx(38.8334, abs=1e-3)


def test_the_readout_of_a_start_is_a_ridge_regression():
    model = ElmanRNN(lynx(), k_hidden=2)
    bound = model.likelihood.bound
    y = model.likelihood.data.y[:, 0]
    rng = np.random.default_rng(0)
    design = np.column_stack([rng.standard_normal((len(y), 2)), np.ones(len(y))])
    found = regress(bound, design, np.zeros((1, 3)))
    # at the end the ridge weighs RIDGE * n rows of the variance then found
    ridge = np.diag([RIDGE * len(y), RIDGE * len(y), 0.0])
    variance = float(found.extra[0])
    expected = np.linalg.solve(design.T @ design + variance * ridge, design.T @ y)
    # steps end where they gain less than 0.01
    np.testing.assert_allclose(found.beta[0], expected, rtol=0.0, atol=2e-3)
    assert variance == pytest.approx(np.mean((y - design @ found.beta[0]) ** 2), rel=1e-10)


@pytest.mark.parametrize("head", ["poisson", "bernoulli", "categorical", "student-t"])
def test_starts_differ_and_are_better_than_none(head):
    model = GRU(sample(head), head=head)
    found = draws(model, np.random.default_rng(2), 8)
    assert len(found) == 8
    values = [model.likelihood.value_at(one.phi) for one in found]
    assert len({round(value, 6) for value in values}) == 8
    assert np.isfinite(values).all()
    assert {one.label.split(",")[0] for one in found} == {"leaky units", "drawn"}


def test_a_start_is_improved_by_every_step_that_is_kept():
    model = ElmanRNN(lynx(), k_hidden=2)
    target = Target(model, 0.0)
    psi = target.at.psi(draws(model, np.random.default_rng(0), 1)[0].phi)
    state = levenberg.begin(target, 0, "", psi)
    heights = [state.value]
    for limit in range(1, 30):
        levenberg.ascend(target, state, levenberg.Stage(limit, 1e-6))
        heights.append(state.value)
        assert target.forgets(state.psi)
    assert (np.diff(heights) >= 0.0).all()
    assert heights[-1] > heights[0] + 1.0
