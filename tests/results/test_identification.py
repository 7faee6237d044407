"""Identification of fitted models: names, functions, agreement with the information."""

from __future__ import annotations

import pickle

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.results.identification import numeric_tangents
from rnnstats.results.linear import LinearResults


def model_of(case: str) -> LinearRNN:
    endog, exog = series(120, 2, 1)
    other = series(120, 3)[0]
    structure = {
        "W_h": [[1.0, 0.0], [0.0, "phi"]], "V": [[1.0, 0.0], ["lambda", 1.0]],
        "state_cov": [["q1", 0.0], [0.0, "q2"]], "obs_cov": [["r", 0.0], [0.0, "r"]],
    }  # fmt: skip
    return {
        "innovations": lambda: LinearRNN(endog, exog, k_states=2, trend="ct", exog_enters="both"),
        "echelon (2, 0)": lambda: LinearRNN(endog, kronecker=(2, 0)),
        "diffuse": lambda: LinearRNN(endog, k_states=2, initial="diffuse"),
        "leaky": lambda: LinearRNN(endog, exog, k_states=3, form="leaky", structure={"pairs": 1}),
        "observed": lambda: LinearRNN(endog, k_states=4, form="observed"),
        "factor": lambda: LinearRNN(other, k_states=1, form="factor"),
        "structured": lambda: LinearRNN(
            endog, form="structured", structure=structure, trend="n", initial="diffuse"
        ),
        "free": lambda: LinearRNN(endog, k_states=2, form="free"),
        "VARMA coordinates": lambda: LinearRNN(
            endog, k_states=4, structure={"coordinates": "varma"}, fixed={"ma2[cpi,gdp]": 0.0}
        ),
        "restricted": lambda: LinearRNN(
            endog, k_states=2, fixed={"W_h[h1,h2]": 0.0, "K[h1,cpi]": "K[h2,gdp]"}
        ),
    }[case]()


CASES = (
    "innovations", "echelon (2, 0)", "diffuse", "leaky", "observed", "factor", "structured",
    "free", "restricted", "VARMA coordinates",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_rank_agrees_with_the_information(case):
    model = model_of(case)
    rng = np.random.default_rng(1)
    theta = np.asarray(model.start_params)
    params = theta + 0.02 * rng.normal(size=theta.shape) * np.abs(theta)
    params = model.layout.expand(model.layout.reduce(params))
    found = model.identification(params)
    free = model.layout.expansion
    information = free.T @ model.information(params) @ free
    units = np.sqrt(np.diagonal(information))
    values = np.linalg.eigvalsh(information / np.outer(units, units))
    zero = int((values < 1e-12 * values[-1]).sum())
    assert found.nullity == zero
    assert found.nullity == {"free": 4}.get(case, 0)
    assert found.identified is (zero == 0)
    assert len(found.singular_values) == found.k_free == model.layout.k_free


@pytest.mark.parametrize("case", CASES)
def test_derivatives_of_the_system_are_exact(case):
    model = model_of(case)
    theta = np.asarray(model.start_params)
    exact, numeric = model.tangents(theta), numeric_tangents(model.system, theta)
    for name in ("matrices", "obs_intercept", "state_intercept"):
        # differences are good to the rounding of the largest cell over the step
        np.testing.assert_allclose(getattr(exact, name), getattr(numeric, name), atol=1e-8)


def test_names_of_the_free_form():
    model = model_of("free")
    found = model.identification(model.start_params)
    frame = found.frame
    assert list(frame.index) == list(model.param_names)
    blocks = frame["identified"].groupby(frame.index.str.split("[").str[0]).all()
    assert blocks.to_dict() == {
        "W_h": False, "V": False, "state_cov": False, "obs_cov": True, "b_y": True
    }  # fmt: skip
    assert found.null_directions.shape == (len(model.layout.free_names), 4)
    assert found.roots["identified"].all()
    assert "Identified in any case: impulse responses" in str(found.summary())
    assert str(found).startswith("not identified: rank ")
    told = found.is_identified(["obs_cov[cpi,cpi] / obs_cov[gdp,gdp]", "W_h[h1,h1] * V[cpi,h1]"])
    assert list(told) == [True, False]
    assert told.index[0] == "obs_cov[cpi,cpi] / obs_cov[gdp,gdp]"

    def invariants(params):
        system = model.system(params)
        T, Z = system.transition, system.design
        step = system.selection @ system.state_cov @ system.selection.T
        cov = np.linalg.solve(np.eye(4) - np.kron(T, T), step.ravel()).reshape(2, 2)
        return pd.Series({
            "trace": np.trace(T), "determinant": np.linalg.det(T),
            "lag one": (Z @ T @ cov @ Z.T)[0, 1], "state": cov[0, 0],
        })  # fmt: skip

    assert list(found.is_identified(invariants)) == [True, True, True, False]


def test_a_cancelling_root_is_named():
    endog, _ = series(100)
    model = LinearRNN(endog, k_states=1)
    found = model.identification([0.5, 0.0, 1.0, 2.0])
    assert (found.rank, found.k_free, found.nullity) == (3, 4, 1)
    assert list(found.null_directions[1]) == [1.0, 0.0, 0.0, 0.0]
    assert str(found) == "not identified: rank 3 of 4; nothing changes along 1 W_h[h1,h1]"
    assert list(found.roots["identified"]) == [False]
    assert found.frame.loc["W_h[h1,h1]", "status"] == "not identified"
    text = str(found.summary())
    for part in ("rank 3 of 4", "Directions along which nothing changes", "Roots of W_h"):
        assert part in text


def test_a_nearly_cancelling_root_is_weak():
    endog, _ = series(100)
    found = LinearRNN(endog, k_states=1).identification([0.5, 1e-4, 1.0, 2.0])
    assert found.identified
    assert found.frame.loc["W_h[h1,h1]", "status"] == "weak"
    assert "nearly nothing along 1 W_h[h1,h1]" in str(found)
    assert found.weak_conditions.iloc[0] > 1e3
    assert list(found.weak_directions[1]) == [1.0, 0.0, 0.0, 0.0]


def test_standard_errors_alone_are_those_of_the_information():
    """An AR(1) with known everything else: se = sqrt((1 - phi^2) / n), sqrt(2 / n) sigma^2."""
    endog, _ = series(400)
    model = LinearRNN(endog, form="observed", k_states=1, trend="n")
    alone = model.identification([0.6, 2.0]).frame["std_err_alone"]
    np.testing.assert_allclose(alone, [0.04, 2.0 * (2.0 / 400) ** 0.5], rtol=1e-10)


def test_a_fold_is_told_from_a_null_direction():
    endog, _ = series(100)
    model = LinearRNN(endog, k_states=1, fixed={"W_h[h1,h1]": 0.0})
    found = model.identification([0.0, 1.0, 1.0, 2.0])
    assert found.identified
    assert found.fold_directions.shape == (3, 1)
    assert "by curvature alone" in str(found)
    assert "moving-average root lies on the unit circle" in str(found.summary())
    assert found.frame["std_err_alone"].isna().all()
    assert model.identification([0.0, 0.9, 1.0, 2.0]).fold_directions.shape == (3, 0)


def test_inputs_that_repeat_a_constant_are_named():
    endog, _ = series(60)
    exog = pd.DataFrame({"one": np.ones(60), "t": np.arange(60.0)}, index=endog.index)
    model = LinearRNN(endog, exog, k_states=1, exog_enters="output", trend="ct")
    found = model.identification(model.start_params)
    assert found.nullity == 2
    unknown = found.frame.index[~found.frame["identified"]]
    assert list(unknown) == ["D[cpi,one]", "D[cpi,t]", "b_y[cpi]", "b_y_trend[cpi]"]
    assert bool(found.is_identified("D[cpi,one] + b_y[cpi] - D[cpi,t]").iloc[0])
    assert (found.null_directions != 0.0).sum().max() <= 3
    # weights of linear combinations
    weights = pd.Series(0.0, index=list(model.param_names))
    weights["D[cpi,t]"] = weights["b_y_trend[cpi]"] = 1.0
    assert bool(found.is_identified(weights.to_numpy()).iloc[0])
    with pytest.raises(SpecificationError, match="weights must have 7 columns"):
        found.is_identified([1.0, 2.0])


def test_results_answer_too():
    endog, _ = series(150)
    # this model has no tangents of its own
    res = LinearResults.from_fit(NoisyAR(endog), [0.8, 1.0, 0.5, 2.0])
    found = res.identification()
    assert (found.rank, found.k_free) == (4, 4)
    tied = LinearRNN(endog, k_states=2, fixed={"K[h2,cpi]": "K[h1,cpi]", "b_y[cpi]": 2.0})
    res = LinearResults.from_fit(tied, tied.start_params)
    frame = res.identification().frame
    assert frame.loc["K[h2,cpi]", "status"] == "tied to K[h1,cpi]"
    assert frame.loc["b_y[cpi]", "status"] == "fixed"
    assert np.isnan(frame.loc["b_y[cpi]", "std_err_alone"])
    assert frame["identified"].all()
    later = res.extend(np.array([2.0, 1.0, 3.0, 2.5]))
    assert later.identification().k_free == 4


def test_variance_of_zero_beside_a_unit_root():
    endog, _ = series(80)
    level = {"W_h": [[1.0]], "V": [[1.0]], "state_cov": [["q"]], "obs_cov": [["r"]]}
    model = LinearRNN(endog, form="structured", structure=level, initial="diffuse", trend="n")
    found = model.identification([0.0, 1.0])
    assert found.identified
    assert list(found.frame.index) == ["q", "r"]


def test_inadmissible_parameters_are_refused():
    endog, _ = series(80, 2)
    model = LinearRNN(endog, k_states=2)
    params = pd.Series(model.start_params, index=list(model.param_names))
    params[["obs_cov[cpi,cpi]", "obs_cov[gdp,cpi]", "obs_cov[gdp,gdp]"]] = 1.0
    with pytest.raises(SpecificationError, match=r"^LinearRNN.identification: .*full rank"):
        model.identification(params.to_numpy())


def test_nothing_free_is_identified():
    endog, _ = series(60)
    values = {"W_h[h1,h1]": 0.5, "K[h1,cpi]": 0.2, "b_y[cpi]": 1.0, "obs_cov[cpi,cpi]": 2.0}
    model = LinearRNN(endog, k_states=1, fixed=values)
    found = pickle.loads(pickle.dumps(model.identification(list(values.values()))))
    assert str(found) == "identified: rank 0 of 0"
    assert (found.frame["status"] == "fixed").all()
    assert found.null_directions.shape == (0, 0)
    assert bool(found.is_identified("W_h[h1,h1]").iloc[0])
    assert list(found.roots["identified"]) == [True]
    assert "rank 0 of 0" in str(found.summary())
