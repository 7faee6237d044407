"""AR and MA coefficients as coordinates of the innovations form."""

from __future__ import annotations

import numpy as np
import pytest
from models.linear_cases import series

from rnnstats import LinearRNN
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import jacobian

VARMA = {"coordinates": "varma"}


def _simulated(p: int, nobs: int = 160) -> np.ndarray:
    """VARMA(2, 1) with distinct roots, far from cancelling."""
    rng = np.random.default_rng(8)
    turn = np.array([[1.0, 0.3], [-0.2, 1.0]])[:p, :p]
    ar1, ar2, ma1 = 1.1 * turn, -0.55 * np.eye(p), 0.5 * turn
    y, e = np.zeros((nobs + 50, p)), rng.standard_normal((nobs + 50, p))
    for t in range(2, len(y)):
        y[t] = ar1 @ y[t - 1] + ar2 @ y[t - 2] + e[t] + ma1 @ e[t - 1]
    return y[50:, 0] if p == 1 else y[50:]


def _responses_by_recursion(ar: np.ndarray, ma: np.ndarray, steps: int) -> np.ndarray:
    """psi_j = ma_j + sum_i ar_i psi_{j-i}."""
    p, lags = ar.shape[1], len(ar)
    psi = [np.eye(p)]
    for j in range(1, steps + 1):
        new = ma[j - 1].copy() if j <= lags else np.zeros((p, p))
        for i in range(1, min(j, lags) + 1):
            new += ar[i - 1] @ psi[j - i]
        psi.append(new)
    return np.array(psi)


@pytest.mark.parametrize(("p", "lags"), [(1, 1), (1, 3), (2, 1), (2, 2), (3, 1)])
def test_coefficients_are_those_of_the_difference_equation(p: int, lags: int) -> None:
    model = LinearRNN(series(p), k_states=p * lags, trend="n", structure=VARMA)
    params = np.random.default_rng(p + lags).normal(scale=0.3, size=model.layout.k_params)
    system = model.system(params)
    ar, ma = params[: 2 * lags * p * p].reshape(2, lags, p, p)
    state, found = system.selection, [np.eye(p)]
    for _ in range(8):
        found.append(system.design @ state)
        state = system.transition @ state
    np.testing.assert_allclose(found, _responses_by_recursion(ar, ma, 8), atol=1e-13)


@pytest.mark.parametrize(("p", "k_exog"), [(1, 0), (2, 1)])
def test_gradient_counts_a_coefficient_in_all_its_cells(p: int, k_exog: int) -> None:
    y = series(p)
    x = None if not k_exog else np.sin(np.arange(len(y)))[:, None]
    model = LinearRNN(y, x, k_states=2 * p, structure=VARMA)
    params = model.start_params.to_numpy()
    numeric = jacobian(lambda theta: np.array([model.loglike(theta)]), params)[0]
    # central differences with a Richardson step: eight digits
    np.testing.assert_allclose(model.score(params), numeric, rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(
        model.score_obs(params).sum(axis=0), model.score(params), rtol=1e-9, atol=1e-9
    )


@pytest.mark.parametrize(("p", "k_states"), [(1, 2), (2, 2), (2, 4)])
def test_same_optimum_as_in_echelon_coordinates(p: int, k_states: int) -> None:
    y = _simulated(p)
    echelon = LinearRNN(y, k_states=k_states).fit()
    varma = LinearRNN(y, k_states=k_states, structure=VARMA).fit()
    assert varma.llf == pytest.approx(echelon.llf, abs=1e-6)
    assert varma.df_model == echelon.df_model
    if k_states == p:  # W_h = A_1 and K = A_1 + M_1: the same numbers, and their errors
        a = [name for name in varma.params.index if name.startswith("ar1")]
        w = [name for name in echelon.params.index if name.startswith("W_h")]
        np.testing.assert_allclose(varma.params[a], echelon.params[w], atol=1e-4)
        np.testing.assert_allclose(varma.bse[a], echelon.bse[w], rtol=1e-3)


def test_restrictions_give_pure_and_mixed_models() -> None:
    """AR(3) and ARMA(2, 1): the likelihood of the smaller model written directly."""
    y = _simulated(1)
    name = "[y,y]"
    ar3 = LinearRNN(y, k_states=3, fixed={f"ma{j}{name}": 0.0 for j in (1, 2, 3)})
    direct = LinearRNN(y, k_states=3, form="observed").fit()
    assert ar3.fit().llf == pytest.approx(direct.llf, abs=1e-7)
    assert ar3.layout.k_free == 5
    mixed = LinearRNN(y, k_states=2).with_fixed({f"ma2{name}": 0.0}).fit()
    assert mixed.params[f"ma2{name}"] == 0.0
    full = LinearRNN(y, k_states=2).fit()
    assert mixed.llf <= full.llf + 1e-8
    assert mixed.lr_test(full).df == 1


def test_equalities_between_coefficients() -> None:
    y = series(2)
    tied = LinearRNN(y, fixed={"ma1[y2,y2]": "ma1[y1,y1]", "ma1[y1,y2]": 0, "ma1[y2,y1]": 0}).fit()
    assert tied.params["ma1[y1,y1]"] == tied.params["ma1[y2,y2]"]
    assert tied.convergence.converged
    assert np.max(np.abs(tied.model.layout.pull(tied.model.score(tied.params)))) < 1e-3


def test_model_is_rebuilt_in_the_same_coordinates() -> None:
    model = LinearRNN(series(1), k_states=2, fixed={"ma2[y,y]": 0.0})
    again = model.clone(series(1)[:50])
    assert again.param_names == model.param_names
    assert again.structure == VARMA


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"fixed": {"ar1[y1,y1]": 0.0, "W_h[h1,h1]": 0.0}}, "not on both"),
        ({"fixed": {"ar1[y1,y1]": 0.0}, "structure": {"coordinates": "echelon"}}, "not on both"),
        ({"fixed": {"ar1[y1,y1]": 0.0}, "k_states": 3}, "all Kronecker indices are equal"),
        ({"structure": {"coordinates": "diagonal"}}, "coordinates"),
        ({"structure": {"basis": "varma"}}, "the one key 'coordinates'"),
        ({"fixed": {"ar2[y1,y1]": 0.0}}, "names a parameter of the model"),
    ],
)
def test_what_cannot_be(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(SpecificationError, match=words):
        LinearRNN(series(2), **arguments)  # type: ignore[arg-type]
