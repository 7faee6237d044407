"""Units that the data do not tell are found, named, and have no standard errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data, gaussian, network

from rnnstats.models.nonlinear import GRU, LSTM, ElmanRNN


def two_units(**changes):
    """Two tanh units of a series, all that is told of a good kind, but for the changes."""
    y, _ = data(nobs=200)
    model = ElmanRNN(y, k_hidden=2)
    params = pd.Series(
        {
            "W_h[h1,h1]": 0.3, "W_h[h1,h2]": -0.2, "W_h[h2,h1]": 0.4, "W_h[h2,h2]": 0.1,
            "W_y[h1,cpi]": 0.35, "W_y[h2,cpi]": 0.25, "b_h[h1]": -7.0, "b_h[h2]": -4.2,
            "V[cpi,h1]": 2.5, "V[cpi,h2]": -1.0, "b_y[cpi]": 20.0, "obs_cov[cpi,cpi]": 2.5,
        }
    )  # fmt: skip
    for name, value in changes.items():
        params[names(name)] = value
    return at(model, params[list(model.param_names)], cov_type="approx")


def names(short):
    """W_h_12 for W_h[h1,h2], V_2 for V[cpi,h2]."""
    group, _, place = short.rpartition("_")
    if group == "W_h":
        return f"W_h[h{place[0]},h{place[1]}]"
    return {
        "V": f"V[cpi,h{place}]", "W_y": f"W_y[h{place},cpi]", "b_h": f"b_h[h{place}]",
    }[group]  # fmt: skip


def kinds(res):
    return [(one.kind, one.units) for one in res.identification().findings]


def test_a_regular_network_has_nothing_to_say():
    res = two_units()
    found = res.identification()
    assert found.identified
    assert (found.rank, found.k_free, found.nullity) == (12, 12, 0)
    assert found.findings == ()
    assert (found.units["status"] == "").all()
    assert (found.frame["status"] == "identified").all()
    assert found.null_directions.shape[1] == 0
    assert found.orders == 8  # two orders, two signs each
    assert str(found) == "identified: rank 12 of 12"
    assert res.bse.notna().all()
    alone = 1.0 / np.sqrt(np.diag(res.model.information(res.params.to_numpy())))
    np.testing.assert_allclose(found.frame["std_err_alone"], alone, rtol=1e-10)


def test_a_dead_unit():
    res = two_units(V_2=0.0, W_h_12=0.0)
    found = res.identification()
    assert kinds(res) == [("dead", ("h2",))]
    lost = {"W_h[h2,h1]", "W_h[h2,h2]", "W_y[h2,cpi]", "b_h[h2]"}
    status = found.frame["identified"]
    assert set(status.index[~status]) == lost
    assert found.nullity == 4
    with pytest.warns(match="no standard errors for"):
        assert set(res.bse.index[res.bse.isna()]) == lost
    assert found.units.loc["h2", "status"] == "dead"
    assert found.units.loc["h2", "effect"] == 0.0
    text = " ".join(str(found.summary()).split())
    assert "h2 moves no output" in text
    assert "Use one unit less" in text


def test_a_constant_unit():
    res = two_units(W_h_21=0.0, W_h_22=0.0, W_y_2=0.0, b_h_2=0.5)
    assert kinds(res) == [("constant", ("h2",))]
    found = res.identification()
    assert not found.frame.loc[["V[cpi,h2]", "b_y[cpi]", "b_h[h2]"], "identified"].any()
    assert found.frame.loc[["V[cpi,h1]", "W_y[h1,cpi]"], "identified"].all()
    assert list(found.is_identified("V[cpi,h2] * log(3) + V[cpi,h1]")) == [False]


def test_saturated_units():
    step = two_units(W_y_2=400.0, b_h_2=-8000.0)
    assert [kind for kind, _ in kinds(step)] == ["saturated"]
    finding = step.identification().findings[0]
    assert "a step between its two ends" in finding.words
    assert "threshold" in finding.way_out
    up = two_units(W_y_2=0.5, b_h_2=-1.0)
    assert kinds(up) == [("saturated", ("h2",))]
    assert "nearly a constant" in up.identification().findings[0].words


def test_a_unit_in_the_linear_range():
    small = 1e-3
    scaled = two_units(W_y_2=0.25 * small, b_h_2=-5.0 * small, W_h_21=0.4 * small, V_2=-1 / small,
                       W_h_12=-0.2 / small)  # fmt: skip
    assert kinds(scaled) == [("linear range", ("h2",))]
    assert "as products only" in str(scaled.identification().findings[0])
    found = scaled.identification()
    # the product is told, its factors are not
    assert list(found.is_identified(["V[cpi,h2] * W_y[h2,cpi]", "V[cpi,h2]"])) == [True, False]
    with pytest.warns(match="no standard errors"):
        errors = scaled.delta_method(["V[cpi,h2] * W_y[h2,cpi]", "V[cpi,h2]"])["std err"]
    assert list(errors.isna()) == [False, True]
    assert found.units.loc["h2", "max"] < 0.1


def test_duplicated_units():
    res = two_units(W_h_11=0.2, W_h_12=0.2, W_h_21=0.2, W_h_22=0.2, W_y_2=0.35, b_h_2=-7.0)
    assert kinds(res) == [("duplicated", ("h1", "h2"))]
    found = res.identification()
    assert not found.identified
    assert list(found.is_identified(["V[cpi,h1]", "V[cpi,h1] + V[cpi,h2]"])) == [False, True]


def test_the_scale_of_relu_units():
    y, x = data()
    model = ElmanRNN(y, x, k_hidden=2, activation="relu")
    params = pd.Series(
        {
            "W_h[h1,h1]": 0.2, "W_h[h1,h2]": 0.1, "W_h[h2,h1]": -0.1, "W_h[h2,h2]": 0.3,
            "W_y[h1,cpi]": 0.3, "W_y[h2,cpi]": -0.2, "W_x[h1,rate]": 0.5, "W_x[h2,rate]": 0.4,
            "b_h[h1]": -8.0, "b_h[h2]": 3.0, "V[cpi,h1]": 1.5, "V[cpi,h2]": -1.0, "b_y[cpi]": 20.0,
            "obs_cov[cpi,cpi]": 3.0,
        }
    )  # fmt: skip
    res = at(model, params[list(model.param_names)], cov_type="approx")
    assert ("scale", ("h1", "h2")) in kinds(res)
    found = res.identification()
    assert found.nullity == 2
    kept = {"W_h[h1,h1]", "W_h[h2,h2]", "b_y[cpi]", "obs_cov[cpi,cpi]"}
    assert set(found.frame.index[found.frame["identified"]]) == kept
    with pytest.warns(match="no standard errors"):
        assert set(res.bse.dropna().index) == kept
    # a penalty chooses one of these points and tells nothing about the others
    shrunk = at(model._with_penalty(1.0), res.params, cov_type="approx").identification()
    assert "curvature" not in str(shrunk)
    assert not shrunk.identified
    told = shrunk.is_identified(["V[cpi,h1]", "V[cpi,h1] * W_x[h1,rate]"])
    assert told.tolist() == [False, True]
    # fixing one weight a unit is the way out
    held = ElmanRNN(y, x, k_hidden=2, activation="relu",
                    fixed={"V[cpi,h1]": 1.5, "V[cpi,h2]": -1.0})  # fmt: skip
    way_out = at(held, params[list(model.param_names)], cov_type="approx")
    assert way_out.identification().identified
    assert way_out.bse.notna().sum() == 12


def test_open_and_shut_gates():
    y, _ = data()
    for word, bias, state in (("forget", 40.0, "open"), ("input", -40.0, "shut")):
        model = LSTM(y, k_hidden=1)
        params = at(model).params
        params[[f"W_h_{word}[h1,h1]", f"W_y_{word}[h1,cpi]"]] = 0.0
        params[f"b_{word}[h1]"] = bias
        words = [str(one) for one in at(model, params).identification().findings]
        assert any(f"The {word} gate of h1 is {state} in all rows" in one for one in words)


def test_the_linear_range_of_gated_cells():
    y, _ = data()
    for model, gate in ((GRU(y, k_hidden=1), "candidate"), (LSTM(y, k_hidden=1), "cell")):
        params = at(model).params
        for name in params.index:
            if gate in name or name == "V[cpi,h1]":
                params[name] *= 1e-3 if gate in name else 1e3
        assert [one.kind for one in at(model, params).identification().findings] == ["linear range"]


def test_ranks_do_not_depend_on_units():
    # an input a million spreads away from zero: constants and slopes look alike in its units
    y, x = data()
    far = x * 1e-6 + 1.0
    near, away = (
        at(ElmanRNN(y, z, k_hidden=1), cov_type="approx").identification() for z in (x, far)
    )
    assert near.rank == away.rank == 7
    assert away.identified


def test_null_directions_leave_the_likelihood_alone():
    y, x = data()
    model = ElmanRNN(y, x, k_hidden=1, activation="relu")
    params = at(model).params
    params[:] = [0.2, 0.4, 0.3, -8.0, 1.2, 20.0, 4.0]
    res = at(model, params)
    direction = res.identification().null_directions[1]
    here = res.llf
    moved = model.loglike(params + 1e-4 * direction / direction.abs().max())
    assert abs(moved - here) < 1e-5 * abs(model.loglike(params + 1e-4 * (direction != 0)) - here)


def test_the_summary_names_units():
    with pytest.warns(match="no standard errors"):
        text = " ".join(str(two_units(V_2=0.0, W_h_12=0.0).summary()).split())
    assert "Identification: h2: dead; not identified: rank 8 of 12" in text
    for title in ("State", "Readout", "Distribution of the outputs"):
        assert title in text
    layers = str(network("layers").with_cov("none").summary())
    for title in ("Layer 1: reset gate", "Layer 2: update gate", "Layer 2: candidate"):
        assert title in layers
    assert "2 + 1 in 2 layers" in layers


def test_restrictions_are_told_apart():
    y, _ = data(nobs=200)
    free = two_units().params
    model = ElmanRNN(y, k_hidden=2, fixed={"W_h[h2,h2]": 0.1, "W_h[h2,h1]": "W_h[h1,h1]"})
    free["W_h[h2,h1]"] = free["W_h[h1,h1]"]
    found = at(model, free[list(model.param_names)]).identification()
    assert found.frame.loc["W_h[h2,h2]", "status"] == "fixed"
    assert found.frame.loc["W_h[h2,h1]", "status"] == "tied to W_h[h1,h1]"
    assert (found.rank, found.k_free, found.orders) == (10, 10, 1)


def test_curvature_at_the_maximum():
    res = gaussian()
    assert res.identification().identified
    ratio = res.bse / res.with_cov("approx").bse
    assert ((ratio > 0.7) & (ratio < 1.4)).all()
