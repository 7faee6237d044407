"""A network with the identity as activation is the innovations form, number for number.

``h_t = W_h h_{t-1} + K e_{t-1} + W_x x_t``, ``y_t = V h_t + b_y + e_t`` with ``h_0 = e_0 = 0`` is
the network ``h_t = (W_h - K V) h_{t-1} + K y_{t-1} + W_x x_t - K b_y`` that reads its lagged output
and takes the lag before the sample to be what it predicts there, ``V h_0 + b_y``.

Missing outputs. The network puts a prediction in the place of a missing lag and goes on; the state
space model integrates the innovation out, so that its state is uncertain afterwards. Both are the
same in rows up to the first missing one, and where what is missing is never read (its column of K
is zero, or it is at the end). In the row after a missing one they have the same mean, and the
state space model has the larger variance ``obs_cov + V K obs_cov K' V'``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from rnnstats.models.linear import LinearRNN
from rnnstats.models.nonlinear import ElmanRNN

# two ways through the same few hundred operations on numbers of size one to ten
EXACT = {"rtol": 1e-8, "atol": 1e-8}


def linear(y: np.ndarray, x: np.ndarray | None, k: tuple[int, ...]) -> Any:
    how = {} if x is None else {"exog_enters": "state"}
    return LinearRNN(y, x, form="innovations", kronecker=k, initial="known", **how)


def network(y: np.ndarray, x: np.ndarray | None, states: int, presample: str = "predict") -> Any:
    return ElmanRNN(y, x, k_hidden=states, activation="identity", presample=presample)


def image(model: Any, theta: np.ndarray, net: Any) -> tuple[np.ndarray, np.ndarray]:
    """Parameters of the network, and the derivatives of those of the linear model by them.

    The map is inverted on its image by its Jacobian: d net / d theta, shape (K_net, K).
    """

    def mapped(at: np.ndarray) -> np.ndarray:
        value = dict(zip(model.param_names, at, strict=True))
        system = model.system(at)
        m, p = model.k_states, model.k_endog
        names, outputs = [f"h{i + 1}" for i in range(m)], model.endog.names
        W, V = np.asarray(system.transition), np.asarray(system.design)
        K = np.array([[value[f"K[{a},{b}]"] for b in outputs] for a in names])
        b = np.array([value[f"b_y[{c}]"] for c in outputs])
        found = {}
        for i, a in enumerate(names):
            for j, c in enumerate(names):
                found[f"W_h[{a},{c}]"] = (W - K @ V)[i, j]
            for j, c in enumerate(outputs):
                found[f"W_y[{a},{c}]"] = K[i, j]
                found[f"V[{c},{a}]"] = V[j, i]
            found[f"b_h[{a}]"] = -(K @ b)[i]
        for j in range(p):
            found[f"b_y[{outputs[j]}]"] = b[j]
        for name in net.param_names:
            if name not in found:
                found[name] = value[name]
        return np.array([found[name] for name in net.param_names])

    # the map is at most quadratic: central differences of any width are exact
    columns = [
        mapped(theta + np.eye(len(theta))[i]) - mapped(theta - np.eye(len(theta))[i])
        for i in range(len(theta))
    ]
    return mapped(theta), 0.5 * np.stack(columns, axis=1)


def pair(
    d: int, rows: int = 30, exog: bool = True, seed: int = 0
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.standard_normal((rows, d)).cumsum(axis=0) * 0.3 + np.arange(1.0, d + 1.0) * 4.0
    x = rng.standard_normal((rows, 1)) * 2.0 + 1.0 if exog else None
    return y, x, rng.standard_normal(200)


@pytest.mark.parametrize(
    ("d", "k"), [(1, (1,)), (1, (3,)), (2, (1, 1)), (2, (2, 1)), (3, (1, 1, 1))]
)
@pytest.mark.parametrize("exog", [False, True])
def test_identity_is_the_innovations_form(d: int, k: tuple[int, ...], exog: bool) -> None:
    y, x, _ = pair(d, exog=exog)
    model = linear(y, x, k)
    net = network(y, x, model.k_states)
    theta = np.asarray(model.start_params)
    other, jacobian = image(model, theta, net)
    assert np.allclose(net.loglikeobs(other), model.loglikeobs(theta), **EXACT)
    assert net.loglike(other) == pytest.approx(model.loglike(theta), rel=1e-8)
    # V is given in the linear model: its score is that of the network along the map
    scores = net.score_obs(other) @ jacobian
    scale = np.abs(net.score_obs(other)) @ np.abs(jacobian)
    assert np.all(np.abs(scores - model.score_obs(theta)) <= 1e-8 * (1.0 + scale))
    assert np.allclose(net.score(other) @ jacobian, model.score(theta), rtol=1e-8, atol=1e-6)
    information = jacobian.T @ net.information(other) @ jacobian
    size = np.sqrt(np.diagonal(information))
    gap = information - model.information(theta)
    assert np.all(np.abs(gap) <= 1e-7 * np.outer(size, size))


def test_conditioning_drops_the_first_row_and_keeps_the_others() -> None:
    # without inputs h_1 = W_h h_0 = 0: starting one row later from zero is the same state
    y, _, _ = pair(2, exog=False)
    model = linear(y, None, (1, 1))
    net = network(y, None, 2, presample="condition")
    theta = np.asarray(model.start_params)
    other, _ = image(model, theta, net)
    found = net.loglikeobs(other)
    assert found[0] == 0.0
    assert np.allclose(found[1:], model.loglikeobs(theta)[1:], **EXACT)
    assert net.nobs_likelihood == model.nobs - 1


def test_missing_outputs_that_are_not_read() -> None:
    y, x, _ = pair(2)
    y[[0, 3, 4, 5, 17], 1] = np.nan  # its column of K is zero
    y[-2:] = np.nan  # nothing comes after
    y[-2, 0] = 7.0
    model = linear(y, x, (1, 1)).with_fixed({"K[h1,y2]": 0.0, "K[h2,y2]": 0.0})
    net = network(y, x, 2)
    theta = np.asarray(model.start_params)
    other, jacobian = image(model, theta, net)
    assert np.allclose(net.loglikeobs(other), model.loglikeobs(theta), **EXACT)
    assert not net.loglikeobs(other)[-1]
    free = model.layout.expansion.any(axis=1)
    own = net.score(other) @ jacobian
    assert np.allclose(own[free], model.score(theta)[free], rtol=1e-8, atol=1e-6)


def test_after_a_missing_row_means_agree_and_the_variance_does_not() -> None:
    y, x, _ = pair(1)
    y[12] = np.nan
    model = linear(y, x, (2,))
    net = network(y, x, 2)
    theta = np.asarray(model.start_params)
    other, _ = image(model, theta, net)
    here, there = net.loglikeobs(other), model.loglikeobs(theta)
    assert np.allclose(here[:13], there[:13], **EXACT)
    mean = net.system(other).law.mean[13, 0]
    filtered = model.filter(theta)
    system = model.system(theta)
    V = np.asarray(system.design)
    own = filtered.predicted_state[13] @ V[0] + np.asarray(system.obs_intercept).ravel()[0]
    assert mean == pytest.approx(own, rel=1e-8)
    value = dict(zip(model.param_names, theta, strict=True))
    K = np.array([value["K[h1,y]"], value["K[h2,y]"]])
    variance = value["obs_cov[y,y]"]
    wide = variance * (1.0 + (V[0] @ K) ** 2)
    resid = y[13, 0] - mean
    assert here[13] == pytest.approx(
        -0.5 * (np.log(2.0 * np.pi * variance) + resid**2 / variance), rel=1e-10
    )
    assert there[13] == pytest.approx(
        -0.5 * (np.log(2.0 * np.pi * wide) + resid**2 / wide), rel=1e-8
    )
