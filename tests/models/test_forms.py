"""Forms: counts, coordinates, identification."""

from __future__ import annotations

import numpy as np
import pytest
from models.linear_cases import responses, series

from rnnstats.equivalence.realisation import Realisation, to_echelon
from rnnstats.models.forms import echelon_columns, generic_indices
from rnnstats.models.linear import LinearRNN


def _luetkepohl_count(nu: tuple[int, ...]) -> int:
    """Free AR and MA coefficients of an echelon form (Luetkepohl 2005, eqs 12.1.15-12.1.18)."""
    count = 0
    for k, own in enumerate(nu):
        for i, other in enumerate(nu):
            count += min(own + 1, other) if k >= i and k != i else min(own, other)
        count += len(nu) * own
    return count


def test_generic_indices() -> None:
    assert generic_indices(7, 3) == (3, 2, 2)
    assert generic_indices(2, 3) == (1, 1, 0)
    assert generic_indices(4, 1) == (4,)


@pytest.mark.parametrize("p", [1, 2, 3])
@pytest.mark.parametrize("k_states", [1, 2, 3, 4, 5, 7])
def test_generic_forms_have_2np_parameters_and_a_covariance(p: int, k_states: int) -> None:
    model = LinearRNN(series(p), k_states=k_states, trend="n")
    assert model.layout.k_params == 2 * k_states * p + p * (p + 1) // 2
    assert model.k_states == k_states


@pytest.mark.parametrize("nu", [(0, 1), (2, 0), (1, 3), (0, 2, 1), (3, 0, 1), (2, 2, 0), (1, 2, 3)])
def test_other_indices_have_the_known_count(nu: tuple[int, ...]) -> None:
    p = len(nu)
    model = LinearRNN(series(p), kronecker=nu, trend="n")
    assert model.layout.k_params == _luetkepohl_count(nu) + p * (p + 1) // 2


@pytest.mark.parametrize(
    "nu", [(1,), (3,), (1, 1), (2, 1), (1, 0), (0, 2), (1, 3), (0, 2, 1), (1, 1, 1), (2, 0, 1)]
)
def test_parameters_are_identified(nu: tuple[int, ...]) -> None:
    """The Jacobian of (parameters -> impulse responses, error covariance) has full rank."""
    p, n = len(nu), sum(nu)
    model = LinearRNN(series(p), kronecker=nu, trend="n")
    rng = np.random.default_rng(sum((i + 1) * k for i, k in enumerate(nu)))
    params = 0.4 * rng.standard_normal(model.layout.k_params)
    size = np.linalg.svd(_jacobian(model, params, 2 * n + 2), compute_uv=False)
    # polynomials of degree up to 2 n + 2 by differences of step 1e-6: about 1e-9 is zero
    assert size[-1] > 1e-5 * size[0]


def _jacobian(model: LinearRNN, params: np.ndarray, steps: int) -> np.ndarray:
    columns = []
    for i in range(len(params)):
        unit = np.zeros(len(params))
        unit[i] = 1e-6
        up, down = responses(model, params + unit, steps), responses(model, params - unit, steps)
        columns.append((up - down) / 2e-6)
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("nu", [(2,), (1, 1), (2, 1), (1, 0, 0), (2, 2, 1)])
def test_any_system_has_its_echelon_form(nu: tuple[int, ...]) -> None:
    p, n = len(nu), sum(nu)
    rng = np.random.default_rng(3)
    a, c, k = (rng.standard_normal(shape) for shape in ((n, n), (p, n), (n, p)))
    turned = to_echelon(Realisation(0.5 * a, c, k), nu)
    assert turned is not None
    model = LinearRNN(series(p), kronecker=nu, trend="n")
    arrays = {"transition": turned.a, "design": turned.c, "selection": turned.k}
    table = model._table
    system = table.system(table.read({**arrays, "obs_cov": np.eye(p)}), None, None)
    # inverses of random matrices of this size lose four digits at most
    np.testing.assert_allclose(system.transition, turned.a, atol=1e-11)
    np.testing.assert_allclose(system.design, turned.c, atol=1e-11)
    gain, other = k, system.selection
    for _ in range(6):
        np.testing.assert_allclose(c @ gain, system.design @ other, rtol=1e-8, atol=1e-9)
        gain, other = 0.5 * a @ gain, system.transition @ other


def test_states_of_the_echelon_form_are_forecasts() -> None:
    nu = (2, 1)
    model = LinearRNN(series(2), kronecker=nu, trend="n")
    params = model.start_params.to_numpy()
    system = model.system(params)
    h = np.array([1.0, 2.0, 3.0])
    now, later = system.design @ h, system.design @ system.transition @ h
    np.testing.assert_allclose([now[0], later[0], now[1]], h, rtol=1e-14)


def test_echelon_columns() -> None:
    assert echelon_columns((2, 1)) == ((0, 1, 2), (0, 1, 2))
    assert echelon_columns((1, 2)) == ((0, 1), (0, 1, 2))
    assert echelon_columns((3, 1)) == ((0, 1, 2, 3), (0, 1, 3))
    assert echelon_columns((1, 0)) == ((0,), (0,))
    assert echelon_columns((0, 1)) == ((), (0,))


def test_names() -> None:
    model = LinearRNN(series(2), k_states=1, trend="ct")
    assert model.param_names == (
        "W_h[h1,h1]",
        "K[h1,y1]",
        "K[h1,y2]",
        "V[y2,h1]",
        "b_y[y1]",
        "b_y[y2]",
        "b_y_trend[y1]",
        "b_y_trend[y2]",
        "obs_cov[y1,y1]",
        "obs_cov[y2,y1]",
        "obs_cov[y2,y2]",
    )
    x = np.random.default_rng(0).standard_normal((60, 2))
    model = LinearRNN(series(1), x, exog_enters="both", form="observed", k_states=2)
    assert model.param_names == (
        "W_h[h1,h1]",
        "W_h[h1,h2]",
        "W_x[h1,x1]",
        "W_x[h1,x2]",
        "D[y,x1]",
        "D[y,x2]",
        "b_y[y]",
        "state_cov[h1,h1]",
    )
    model = LinearRNN(series(2), form="leaky", k_states=3, structure={"pairs": 1}, trend="n")
    assert model.param_names == (
        "W_h[h1,h1]",
        "W_h[h2,h2]",
        "W_h[h2,h3]",
        "V[y1,h1]",
        "V[y1,h2]",
        "V[y2,h1]",
        "V[y2,h2]",
        "V[y2,h3]",
        "obs_cov[y1,y1]",
        "obs_cov[y2,y2]",
    )
    assert model.state_names == ("h1", "h2", "h3")


@pytest.mark.parametrize("p", [1, 2])
def test_leaky_bank_is_locally_identified(p: int) -> None:
    """Autocovariances determine all parameters of units and pairs (up to order and sign)."""
    model = LinearRNN(series(p), form="leaky", k_states=3, structure={"pairs": 1}, trend="n")
    rng = np.random.default_rng(1)
    natural = model.transform.to_natural(rng.standard_normal(model.layout.k_free))

    def moments(params: np.ndarray) -> np.ndarray:
        s = model.system(params)
        cov = np.eye(3)
        for _ in range(60):
            cov = s.transition @ cov @ s.transition.T + np.eye(3)
        powers = [np.linalg.matrix_power(s.transition, k) for k in range(9)]
        lags = [s.design @ power @ cov @ s.design.T for power in powers]
        lags[0] = lags[0] + s.obs_cov
        return np.concatenate([lag.ravel() for lag in lags])

    columns = []
    for i in range(len(natural)):
        unit = np.zeros(len(natural))
        unit[i] = 1e-6
        columns.append((moments(natural + unit) - moments(natural - unit)) / 2e-6)
    size = np.linalg.svd(np.stack(columns, axis=1), compute_uv=False)
    assert size[-1] > 1e-5 * size[0]
