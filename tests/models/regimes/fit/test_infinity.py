"""Estimates that run to infinity have a word and no standard error; the others keep theirs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN
from rnnstats.errors import ConvergenceWarning
from rnnstats.results.markov import MarkovResults

N = 150


def _chain() -> tuple[np.ndarray, np.ndarray]:
    """Regimes, and an output that shows them well."""
    rng, states = np.random.default_rng(1), [0]
    for share in rng.random(N - 1):
        states.append(int(share < (0.1, 0.85)[states[-1]]))
    regimes = np.array(states)
    return regimes, 3.0 * regimes + rng.standard_normal(N) * np.where(regimes == 0, 1.0, 0.6)


def _as_if_known(results: MarkovResults, gone: list[str], **arguments: Any) -> None:
    """Standard errors are those of a model in which what ran to infinity is given."""
    assert list(results.bse.index[results.bse.isna()]) == gone
    assert results.convergence.message == "converged"
    said = " ".join(results.convergence.boundary)
    assert all(name in said for name in gone)
    assert "to infinity" in " ".join(str(results.summary()).split())
    model = MarkovRNN(**arguments, fixed={name: float(results.params[name]) for name in gone})
    given = model.fit(start_params=results.params)
    assert given.llf == pytest.approx(results.llf, abs=1e-6)
    # differences of scores are good for six digits
    np.testing.assert_allclose(results.bse.drop(gone), given.bse.drop(gone), rtol=1e-5)


def test_degrees_of_freedom_of_a_normal_law() -> None:
    # tails lighter than normal ones in the second regime, heavier in the first
    regimes, _ = _chain()
    rng = np.random.default_rng(3)
    y = np.where(regimes == 0, rng.standard_t(3.0, N), 12.0 + rng.uniform(-1.0, 1.0, N))
    arguments = {"endog": y, "emission": "student-t"}
    found = MarkovRNN(**arguments).fit()
    gone = ["df[y,h2]"]
    normal = tuple(f"{name} runs to infinity (a normal law)" for name in gone)
    assert found.convergence.boundary == normal
    _as_if_known(found, gone, **arguments)


def test_heavy_tails_are_inside() -> None:
    y = np.random.default_rng(4).standard_t(4.0, 400)
    found = MarkovRNN(y, k_regimes=1, emission="student-t").fit()
    assert found.convergence.boundary == ()
    assert np.isfinite(found.bse).all()


@pytest.mark.parametrize("unit", [1.0, 1e4])
def test_transitions_that_an_input_decides(unit: float) -> None:
    regimes, y = _chain()
    arguments = {"endog": y, "exog_transition": unit * (regimes == 1)}
    found = MarkovRNN(**arguments).fit()
    gone = ["W_x[h1->h1,x]", "W_h[h2->h1]", "W_x[h2->h1,x]"]
    assert found.convergence.boundary == (
        "W_x[h1->h1,x] runs to infinity (probabilities of 0 or 1 in some rows)",
        "W_h[h2->h1], W_x[h2->h1,x] run to infinity (probabilities of 0 or 1 in some rows)",
    )
    _as_if_known(found, gone, **arguments)


def test_starts_that_an_input_decides() -> None:
    rng = np.random.default_rng(2)
    first = np.repeat([0, 1], 6)
    regimes = np.array([[a, *rng.integers(0, 2, 9)] for a in first])
    y = 6.0 * regimes.ravel() + rng.standard_normal(regimes.size)
    found = MarkovRNN(
        y, groups=np.repeat(np.arange(12), 10), start=pd.DataFrame({"z": 1.0 * (first == 1)})
    ).fit(n_starts=2)
    gone = [name for name in found.params.index if name.startswith("start")]
    assert list(found.bse.index[found.bse.isna()]) == gone
    assert found.convergence.boundary == (
        f"{', '.join(gone)} run to infinity (probabilities of 0 or 1 in some rows)",
    )


def test_a_mean_that_an_input_sends_to_zero() -> None:
    regimes, _ = _chain()
    counts = np.random.default_rng(1).poisson(np.where(regimes == 0, 2.0, 9.0))
    x = 1.0 * (counts == 0)
    arguments = {"endog": counts, "exog": x, "emission": "poisson"}
    found = MarkovRNN(**arguments).fit()
    _as_if_known(found, ["D[y,x,h1]", "D[y,x,h2]"], **arguments)
    # one event among these rows, and there is an estimate
    counts[np.flatnonzero(x)[0]] = 1
    inside = MarkovRNN(counts, x, emission="poisson", switching="trend").fit()
    assert inside.convergence.boundary == ()
    assert np.isfinite(inside.bse).all()


def test_coefficients_of_which_a_sum_is_known() -> None:
    _, y = _chain()
    rng = np.random.default_rng(5)
    cell = rng.integers(0, 3, N)  # without error in cell 2
    c = np.where(cell == 2, 1, rng.binomial(1, np.where(cell == 0, 0.3, 0.7)))
    x = np.column_stack([cell > 0, cell == 1]).astype(float)
    model = MarkovRNN(
        pd.DataFrame({"y": y, "c": c}), x,
        emission={"y": "gaussian", "c": "bernoulli"}, switching="variance",
    )  # fmt: skip
    with pytest.warns(ConvergenceWarning, match=r"no standard errors for D\[c,x1\], D\[c,x2\]"):
        found = model.fit()
        errors = found.bse
    assert list(errors.index[errors.isna()]) == ["D[c,x1]", "D[c,x2]"]
    assert found.convergence.boundary == (
        "D[c,x1], D[c,x2] run to infinity (fitted values at an end of their range in some rows)",
    )
    flat = model.flat_directions(found.params)
    assert flat.shape[1] == 1
    place = [found.params.index.get_loc(name) for name in ("D[c,x1]", "D[c,x2]")]
    assert flat[place[0], 0] == pytest.approx(-flat[place[1], 0], rel=1e-6)
    # the constant is that of cell 0, and the sum of all that of cell 1: binomial shares
    share, known = c[cell == 0].mean(), np.sum(cell == 0)
    assert errors["b_y[c]"] == pytest.approx(1 / np.sqrt(known * share * (1 - share)), rel=1e-4)
    share, known = c[cell == 1].mean(), np.sum(cell == 1)
    total = found.params[["b_y[c]", "D[c,x1]", "D[c,x2]"]].sum()
    assert total == pytest.approx(np.log(share / (1 - share)), abs=1e-4)
