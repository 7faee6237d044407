"""What keeps an end point from being a regular maximum is found and named."""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import datasets
from rnnstats.errors import ConvergenceWarning
from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN
from rnnstats.models.recurrent.fit import endings, movements
from rnnstats.models.recurrent.fit.endings import boundary_words
from rnnstats.models.recurrent.fit.forgetting import growth, lyapunov


def lynx():
    return np.log10(datasets.lynx())


def words(model, phi):
    return boundary_words(model, model.chart.to_natural(phi))


def named(model, weights):
    phi = np.zeros(model.layout.k_params)
    phi[model.chart.extra] = 1.0
    for name, value in weights.items():
        phi[model.chart.place[model.param_names.index(name)]] = value
    return phi


def test_growth_is_that_of_the_product():
    rng = np.random.default_rng(0)
    for n, s in ((1, 2), (2, 3), (7, 2), (50, 4)):
        slopes = 0.7 * rng.standard_normal((n, s, s))
        product = np.eye(s)
        for slope in slopes:
            product = slope @ product
        size = np.sqrt((np.linalg.svd(product)[1] ** 2).mean())
        assert growth(slopes) == pytest.approx(np.log(size) / n, abs=1e-12)
    assert growth(np.zeros((3, 2, 2))) == -np.inf


def test_exponent_of_a_linear_unit_is_the_logarithm_of_its_weight():
    model = ElmanRNN(lynx(), k_hidden=1, activation="identity")
    phi = named(model, {"W_h[h1,h1]": 0.7, "W_y[h1,lynx]": 1.0, "V[lynx,h1]": 0.3})
    here = model.likelihood.evaluate(phi)
    assert lyapunov(model.architecture, here) == pytest.approx(np.log(0.7), abs=1e-12)


def test_a_steep_unit_is_a_step():
    model = ElmanRNN(lynx(), k_hidden=1)
    phi = named(model, {"W_y[h1,lynx]": 5e3, "b_h[h1]": 1e2, "V[lynx,h1]": 0.5})
    assert "becomes a step" in words(model, phi)[0]
    gentle = named(model, {"W_y[h1,lynx]": 1.0, "b_h[h1]": 0.1, "V[lynx,h1]": 0.5})
    assert words(model, gentle) == ()


def test_a_unit_of_tiny_weights_is_linear():
    model = ElmanRNN(lynx(), k_hidden=1)
    phi = named(
        model, {"W_h[h1,h1]": 0.3, "W_y[h1,lynx]": 1e-4, "V[lynx,h1]": 0.8e4, "b_h[h1]": 1e-5}
    )
    assert "its activation is linear" in words(model, phi)[0]


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_two_units_that_become_one_are_named_as_a_pair(sign):
    model = ElmanRNN(lynx(), k_hidden=2)
    phi = named(
        model,
        {
            "W_y[h1,lynx]": 1.0, "b_h[h1]": 0.3, "V[lynx,h1]": 1e4,
            "W_y[h2,lynx]": sign * (1.0 + 1e-4), "b_h[h2]": sign * 0.3, "V[lynx,h2]": -sign * 1e4,
        },
    )  # fmt: skip
    found = words(model, phi)
    assert len(found) == 1
    assert found[0].startswith("units h1 and h2 become one")


@pytest.mark.parametrize(
    ("constant", "word"), [(40.0, "always open"), (-40.0, "always shut")], ids=["open", "shut"]
)
def test_a_gate_that_never_moves_is_named(constant, word):
    model = LSTM(lynx(), k_hidden=1)
    phi = named(
        model,
        {"W_y_cell[h1,lynx]": 1.0, "b_forget[h1]": -1.0, "b_output[h1]": 0.5, "V[lynx,h1]": 0.9,
         "b_input[h1]": 0.4},
    )  # fmt: skip
    assert words(model, phi) == ()
    phi[model.chart.place[model.param_names.index("b_forget[h1]")]] = constant
    if constant < 0.0:
        assert f"the forget gate of unit h1 becomes {word}" in words(model, phi)[0]
    else:
        # a memory that forgets nothing: its recursion neither grows nor shrinks
        assert any(f"the forget gate of unit h1 becomes {word}" in one for one in words(model, phi))


def test_a_unit_that_nothing_reads_does_nothing():
    model = GRU(lynx(), k_hidden=2)
    phi = named(model, {"W_y_candidate[h1,lynx]": 1.0, "V[lynx,h1]": 0.5,
                        "W_y_candidate[h2,lynx]": 1.0})  # fmt: skip
    assert words(model, phi) == ("unit h2 does nothing: the weights into it are not identified",)


def test_a_state_that_grows_is_said_not_to_forget():
    model = ElmanRNN(lynx(), k_hidden=1, activation="identity")
    phi = named(model, {"W_h[h1,h1]": 1.02, "W_y[h1,lynx]": 0.1, "V[lynx,h1]": 0.2})
    assert "does not forget where it was (Lyapunov exponent 0.02 a row)" in words(model, phi)[0]


@pytest.mark.parametrize("net", [ElmanRNN, GRU, LSTM])
def test_moving_a_linear_unit_further_hardly_changes_the_network(net):
    """In the limit the movement changes nothing: its error is of second order in the unit."""
    model = net(lynx(), k_hidden=2)
    rng = np.random.default_rng(1)
    base = 0.5 * rng.standard_normal(model.layout.k_params)
    base[model.chart.extra] = 1.0
    arch, at = model.architecture, model.chart.weights
    gaps = []
    for size in (1e-2, 1e-3):
        if net is ElmanRNN:
            move = movements.linear_unit(arch, at, 1, 0.0, model.chart.initial)
        else:
            move = movements.linear_candidate(arch, at, 1)
        phi = move(base, 1.0 / size)
        eta = model.likelihood.evaluate(phi).run.eta
        gaps.append(np.abs(model.likelihood.evaluate(move(phi, 3.0)).run.eta - eta).max())
    assert gaps[0] > 0.0
    assert gaps[1] < 0.02 * gaps[0]


def test_moving_about_the_mean_needs_a_start_that_moves_along():
    model = ElmanRNN(lynx(), k_hidden=2, initial="estimated")
    rng = np.random.default_rng(2)
    base = 0.5 * rng.standard_normal(model.layout.k_params)
    base[model.chart.extra] = 1.0
    level = float(model.likelihood.evaluate(base).run.states[:, 0].mean())
    move = movements.linear_unit(
        model.architecture, model.chart.weights, 0, level, model.chart.initial
    )
    gaps = []
    for size in (1e-2, 1e-3):
        phi = move(base, 1.0 / size)
        eta = model.likelihood.evaluate(phi).run.eta
        gaps.append(np.abs(model.likelihood.evaluate(move(phi, 3.0)).run.eta - eta).max())
    # off its linear point the error is of first order
    assert gaps[1] < 0.2 * gaps[0]


def test_a_threshold_makes_a_step_and_the_fit_says_so():
    """A jump in the data has no best steepness: the fit ends, is bounded, and names the unit."""
    rng = np.random.default_rng(3)
    x = np.tile([-2.0, -1.0, 1.0, 2.0], 50)
    # nearer to the jump the levels are further out: of all increasing functions the step is best
    y = np.sign(x) * (1.3 - 0.15 * np.abs(x)) + 0.1 * rng.standard_normal(200)
    model = ElmanRNN(y, x, k_hidden=1, y_lags=0, fixed={"W_h[h1,h1]": 0.0})
    with pytest.warns(ConvergenceWarning, match="no maximum.*step.*penalty"):
        results = model.fit(n_starts=6, cov_type="none")
    record = results.convergence
    assert not record.converged
    assert "unit h1 becomes a step" in record.boundary[0]
    assert np.isfinite(results.params).all()
    # the bound: two means, fitted exactly by the limit of the unit
    groups = [y[x > 0.0], y[x <= 0.0]]
    ssr = sum(float(((g - g.mean()) ** 2).sum()) for g in groups)
    bound = -100.0 * (np.log(2.0 * np.pi * ssr / 200.0) + 1.0)
    assert results.llf == pytest.approx(bound, abs=1e-3)
    penalised = model.fit(penalty=0.1, n_starts=6, cov_type="none")
    assert penalised.convergence.converged
    assert penalised.llf < bound


def test_chaos_ranks_below_all_else():
    from rnnstats.models.recurrent.fit.climbing import Run, best_of
    from rnnstats.models.recurrent.fit.levenberg import Ascent

    def run(start, value, **facts):
        return Run(Ascent(start, "", np.zeros(1), value, np.zeros(1)), polished=True, **facts)

    chaotic = run(0, 50.0, exponent=0.3, converged=True)
    away = run(1, 12.0, exponent=-0.5)
    regular = run(2, 10.0, exponent=-0.5, converged=True, regular=True)
    assert best_of([chaotic, away, regular], reserve=3.0) is regular
    assert best_of([chaotic, away, regular], reserve=1.0) is away
    assert best_of([chaotic, away], reserve=1.0) is away


@pytest.mark.parametrize("net", [ElmanRNN, GRU, LSTM])
def test_every_unit_and_gate_is_looked_at(net):
    model = net(lynx(), k_hidden=2)
    phi = np.full(model.layout.k_params, 8.0)
    phi[model.chart.extra] = 1.0
    here = model.likelihood.evaluate(phi)
    gates = model.architecture.cells[0].gates
    steps = [one for one in endings._ways(model.likelihood, here) if "becomes" in one.words]
    linear = [one for one in endings._ways(model.likelihood, here) if "is linear" in one.words]
    assert len(steps) == 2 * len(gates)
    assert {one.units for one in linear} == {(0,), (1,)}


def test_a_softplus_unit_far_up_its_line_is_moved_without_overflow():
    model = ElmanRNN(lynx(), k_hidden=1, activation="softplus")
    arch, at = model.architecture, model.chart.weights
    move = movements.linear_unit(arch, at, 0, 1000.0, model.chart.initial)
    base = np.ones(model.layout.k_params)
    base[at][arch.layers[0].matrix][0] = 0.0  # does not read itself
    moved = move(base, 2.0)
    # half the slope into the unit, about the argument at which softplus is 1000: 1000
    np.testing.assert_allclose(moved[at][arch.layers[0].matrix][-1], 1000 + (1 - 1000) / 2)
