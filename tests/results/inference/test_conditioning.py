"""Standard errors where the user's units are badly conditioned: those of better units, mapped."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import LinearRNN, MarkovRNN
from rnnstats.errors import ConvergenceWarning
from rnnstats.results.inference.conditioning import conditioned_basis

KINDS = ["oim", "opg", "robust"]
DISTANCES = [1e-2, 3e-3, 3e-4]


def alike(distance):
    """Turn two outputs into one and the same beside a share of the other."""
    return np.array([[1.0, 0.0], [1.0, distance]])


@pytest.fixture(scope="module")
def series():
    rng = np.random.default_rng(0)
    e = rng.standard_normal((400, 2))
    y = np.zeros((400, 2))
    ar, ma = np.array([[0.5, 0.1], [0.1, 0.3]]), np.array([[0.3, 0.1], [0.0, 0.2]])
    for t in range(1, 400):
        y[t] = ar @ y[t - 1] + e[t] + ma @ e[t - 1]
    return y


@pytest.fixture(scope="module")
def switching():
    rng = np.random.default_rng(1)
    regime = np.zeros(400, dtype=int)
    for t in range(1, 400):
        regime[t] = regime[t - 1] if rng.random() < 0.93 else 1 - regime[t - 1]
    x = rng.standard_normal((400, 1))
    mean = np.where(regime[:, None] == 1, 1.5, -1.0) * [1.0, 0.4] + x * [0.5, -0.2]
    return mean + rng.standard_normal((400, 2)) * np.where(regime[:, None] == 1, 1.3, 0.8), x


def mapped(names, outputs, shift=0.0):
    """Derivative of the parameters by those of a model of other outputs, regressors not shifted."""
    place = {name: i for i, name in enumerate(names)}
    back = np.linalg.inv(outputs)
    move = np.eye(len(names))
    for head in ("W_h", "K"):
        states = [name for name in names if name.startswith(head)]
        if states:
            at = [place[name] for name in states]
            move[np.ix_(at, at)] = np.kron(outputs, back.T)
    ends = {name.partition("y1")[2] for name in names if name[:5] in ("V[y1,", "b_y[y", "D[y1,")}
    for head in ("V", "b_y", "D"):
        for end in sorted(ends):
            at = [place.get(f"{head}[{y}{end}", -1) for y in ("y1", "y2")]
            if min(at) >= 0:
                move[np.ix_(at, at)] = outputs
    for end in sorted({name.partition("y1,y1")[2] for name in names if "[y1,y1" in name}):
        at = [place[f"obs_cov[{pair}{end}"] for pair in ("y1,y1", "y2,y1", "y2,y2")]
        for column, (i, j) in zip(at, ((0, 0), (1, 0), (1, 1)), strict=True):
            unit = np.zeros((2, 2))
            unit[i, j] = unit[j, i] = 1.0
            move[at, column] = (outputs @ unit @ outputs.T)[[0, 1, 1], [0, 0, 1]]
    for name in names:
        if name.startswith("V[") and "D[y1,x]" in place:
            output = name[2:4]
            at = [place["D[y1,x]"], place["D[y2,x]"]]
            move[place[name], at] = -shift * outputs[int(output[1]) - 1]
    return move


def named(values):
    return pd.DataFrame({"x": values})


def standard_errors(model, theta, kind):
    results = model._make_results(theta, kind, None, None)
    assert results.covariance.message == ""
    assert results.information_rank.identified
    return results.bse


@pytest.mark.parametrize("distance", DISTANCES)
def test_vector_autoregression_is_least_squares(series, distance):
    y = series @ alike(distance).T
    model = LinearRNN(y, form="observed", k_states=2, initial="diffuse", trend="n")
    lags, now = y[:-1], y[1:]
    left, size, right = np.linalg.svd(lags, full_matrices=False)
    beta = right.T @ ((left.T @ now) / size[:, None])
    errors = now - lags @ beta
    sigma = errors.T @ errors / len(now)
    spread = ((right.T / size) ** 2).sum(axis=1)
    exact = np.sqrt(np.outer(np.diag(sigma), spread)).ravel()
    variances = [2 * sigma[0, 0] ** 2, sigma[0, 0] * sigma[1, 1] + sigma[1, 0] ** 2]
    exact = np.append(exact, np.sqrt(np.array([*variances, 2 * sigma[1, 1] ** 2]) / len(now)))
    theta = np.concatenate([beta.T.ravel(), sigma[[0, 1, 1], [0, 0, 1]]])
    for kind in ("oim", "approx"):
        np.testing.assert_allclose(standard_errors(model, theta, kind), exact, rtol=1e-4)


@pytest.mark.parametrize("kind", [*KINDS, "approx"])
@pytest.mark.parametrize("distance", DISTANCES)
def test_innovations_form_of_mapped_outputs(series, distance, kind):
    """Standard errors are those of the outputs before the map, by the delta method."""
    plain = LinearRNN(series, k_states=2).fit(n_starts=2, cov_type=kind)
    outputs = alike(distance)
    move = mapped(list(plain.params.index), outputs)
    model = LinearRNN(series @ outputs.T, k_states=2)
    found = standard_errors(model, move @ plain.params.to_numpy(), kind)
    exact = np.sqrt(np.diag(move @ plain.covariance.cov @ move.T))
    # the observed information is differences of scores whose elements cancel to a share of
    # distance ** 2 on both sides; expected information and scores are taken along directions
    rough = distance < 1e-3 and kind in ("oim", "robust")
    np.testing.assert_allclose(found, exact, rtol=1e-2 if rough else 1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("distance", "shift"), [(1e-2, 0.0), (3e-3, 0.0), (3e-4, 0.0), (1.0, 1e4), (1.0, 1e6)]
)
def test_regimes_of_mapped_outputs_and_shifted_inputs(switching, distance, shift, kind):
    y, x = switching
    options = {"k_regimes": 2, "switching": ("trend", "variance")}
    plain = MarkovRNN(y, named(x[:, 0]), **options).fit(n_starts=2, rng=0, cov_type=kind)
    outputs = alike(distance)
    move = mapped(list(plain.params.index), outputs, shift)
    model = MarkovRNN(y @ outputs.T, named(x[:, 0] + shift), **options)
    found = standard_errors(model, move @ plain.params.to_numpy(), kind)
    exact = np.sqrt(np.diag(move @ plain.covariance.cov @ move.T))
    np.testing.assert_allclose(found, exact, rtol=1e-4)


@pytest.mark.parametrize("kind", ["opg", "approx"])
@pytest.mark.parametrize("distance", [1.0, 3e-3])
def test_state_that_no_error_moves_is_not_identified(series, distance, kind):
    """Without a gain nothing tells W_h, however alike the outputs are; the rest is known."""
    model = LinearRNN(series @ alike(distance).T, k_states=2)
    sigma = alike(distance) @ np.cov(series.T) @ alike(distance).T
    theta = np.concatenate([[0.5, 0.1, 0.1, 0.3], np.zeros(6), sigma[[0, 1, 1], [0, 0, 1]]])
    results = model._make_results(theta, kind, None, None)
    with pytest.warns(ConvergenceWarning, match="no standard errors for"):
        lost = results.bse.isna()
    assert lost[:4].all()
    assert not lost[8:].any()
    assert results.information_rank.rank <= 9


@pytest.mark.parametrize("distance", [1.0, 3e-3])
def test_transitions_between_equal_regimes_are_not_identified(switching, distance):
    y = switching[0] @ alike(distance).T
    model = MarkovRNN(y, k_regimes=2, switching=("trend",))
    mean, sigma = y.mean(axis=0), np.cov(y.T)
    theta = np.concatenate([[0.9, 0.2], np.repeat(mean, 2), sigma[[0, 1, 1], [0, 0, 1]]])
    results = model._make_results(theta, "opg", None, None)
    with pytest.warns(ConvergenceWarning, match="no standard errors for"):
        lost = results.bse.isna()
    assert lost[:2].all()
    assert not lost[-3:].any()


def test_basis_has_orthonormal_effects():
    rng = np.random.default_rng(2)
    effects = rng.standard_normal((20, 3))
    effects = np.column_stack([effects[:, 0], effects[:, 0] + 1e-7 * effects[:, 1], effects[:, 2]])
    effects = np.column_stack([effects, np.zeros(20)])
    basis = conditioned_basis(effects)
    turned = effects @ basis
    np.testing.assert_allclose(turned.T @ turned, np.diag([1.0, 1.0, 1.0, 0.0]), atol=1e-8)
    assert basis[3, 3] == 1.0


def test_no_basis_where_effects_are_dependent():
    effects = np.ones((5, 2))
    assert conditioned_basis(effects) is None
    assert conditioned_basis(np.full((5, 2), np.nan)) is None


@pytest.mark.parametrize("distance", [1.0, *DISTANCES])
def test_free_form_of_mapped_outputs_is_not_identified(series, distance):
    """The scale of the state is not told, whatever the outputs; their covariance is."""
    theta = np.array([0.7, 1.4, 0.5, 0.0, 0.0, 0.5, 0.6, 0.1, 1.0])
    plain = LinearRNN(series, form="free", k_states=1)._make_results(theta, "approx", None, None)
    move = mapped([name for name in plain.params.index if name != "W_h[h1,h1]"], alike(distance))
    full = np.eye(9)
    full[1:, 1:] = move
    full[1:3, 1:3] = alike(distance)
    model = LinearRNN(series @ alike(distance).T, form="free", k_states=1)
    results = model._make_results(full @ theta, "approx", None, None)
    lost = results.bse.isna()
    assert list(lost.index[lost]) == ["V[y1,h1]", "V[y2,h1]", "state_cov[h1,h1]"]
    assert results.information_rank.rank == 8
    exact = np.sqrt(np.diag(full @ plain.covariance.generalised @ full.T))
    np.testing.assert_allclose(results.bse[~lost], exact[~lost], rtol=1e-4)


@pytest.mark.parametrize("distance", [1e-2, 3e-3])
def test_boundary_keeps_to_itself(series, distance):
    """A variance of zero has no standard error; that of others does not depend on its being so."""
    model = LinearRNN(series @ alike(distance).T, form="factor", k_states=1)
    theta = model.fit(n_starts=2, rng=0).params
    zero = "obs_cov[y2,y2]"
    theta[zero] = 0.0
    results = model._make_results(theta.to_numpy(), "oim", None, None)
    with pytest.warns(ConvergenceWarning, match=r"obs_cov\[y2,y2\] at the boundary"):
        lost = results.bse.isna()
    assert list(lost.index[lost]) == [zero]
    known = model.with_fixed({zero: 0.0})._make_results(theta.to_numpy(), "oim", None, None)
    rest = ~lost
    np.testing.assert_allclose(results.bse[rest], known.bse[rest], rtol=1e-5)
