"""What results of `LinearRNN` must give."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from contracts.labels import (
    STEPS,
    ahead,
    by_output,
    by_output_rows,
    by_state,
    count,
    figure,
    later_inputs,
    square_by_state,
    table,
)
from contracts.linear_models import FITS
from contracts.surface import Surface, common, ends_agree, scenario

from rnnstats.errors import SpecificationError
from rnnstats.results.forecasting.prediction import Prediction
from rnnstats.results.linear import LinearResults

__all__ = ["LINEAR"]


def prediction(res, value):
    assert isinstance(value, Prediction)
    names = list(res.model.endog.names)
    ends = [f"{end} {name}" for end in ("lower", "upper") for name in names]
    assert list(value.conf_int().columns) == ends
    assert len(value.se_mean) == len(value.row_labels) == len(value.predicted_mean)
    for name in names:
        frame = value.summary_frame(name)
        assert frame.columns.name == name
        assert list(frame.columns) == ["mean", "mean_se", "mean_ci_lower", "mean_ci_upper"]


def compared(res, value):
    states = list(res.model.state_names)
    assert list(value.table.index) == states
    assert len(value.frame) == res.nobs * len(states)
    table(res, value.summary())
    reduction = value.frame["variance_reduction"]
    assert ((reduction >= 0) & (reduction <= 1)).all()
    assert (value.frame["entropy_reduction"] >= 0).all()


def remembered(res, value):
    blocks = ["W_h", "W_h - K V"] if res.model.form == "innovations" else ["W_h"]
    frame, products = value.frame, value.products
    assert list(value.verdict["of"]) == list(dict.fromkeys(frame["of"])) == blocks
    for name in blocks:
        part = frame[frame["of"] == name]
        assert len(part) + (part["imag"] > 0).sum() == res.model.k_states
        assert list(part.index) == list(range(1, len(part) + 1))
        assert list(products[products["of"] == name].index) == list(range(6))
    assert len(products.columns) == 1 + res.model.k_states
    assert (frame.loc[frame["of"] == "W_h", "modulus"] < 1 + 1e-6).all()
    outside = (frame["of"] != "W_h") & (frame["modulus"] > 1 + 1e-5)
    assert (frame.loc[outside, "note"] == "not invertible").all()
    assert value.step == (
        "rows" if isinstance(res.fittedvalues.index, pd.RangeIndex) else "quarters"
    )
    table(res, value.summary())
    figure(res, value.plot())


def network(res, value):
    model = res.model
    exog = None if model.exog is None else model.exog.values
    assert value.run(model.endog.values, exog) is not None


def later(res):
    """Rows to come without labels."""
    return np.full((2, res.model.k_endog), 1.0)


def translated(res):
    """The same likelihood there, or (a diffuse start on the model's own states) a refusal."""
    try:
        model, params = res.to_statsmodels()
    except SpecificationError as error:
        assert res.k_diffuse_states
        assert "a diffuse start lies on" in str(error)
        return
    assert model.loglike(params) == pytest.approx(res.llf, rel=1e-7)


def identities(res):
    outputs = pd.DataFrame(res.model.endog.values, index=res.resid.index)
    total = pd.DataFrame(res.fittedvalues).to_numpy() + pd.DataFrame(res.resid).to_numpy()
    seen = ~np.isnan(total)
    np.testing.assert_allclose(total[seen], outputs.to_numpy()[seen], rtol=1e-12)
    missing = int(np.isnan(res.model.endog.values).sum())
    diffuse = int(pd.DataFrame(res.fittedvalues).isna().to_numpy().sum())
    assert seen.size - seen.sum() <= missing + diffuse
    one = pd.DataFrame(res.predict()).to_numpy()
    np.testing.assert_array_equal(one, pd.DataFrame(res.fittedvalues).to_numpy())
    np.testing.assert_allclose(
        pd.DataFrame(res.forecast(2, **later_inputs(res, 2))).to_numpy(),
        pd.DataFrame(res.predict(res.nobs, res.nobs + 1, **later_inputs(res, 2))).to_numpy(),
        rtol=1e-12,
    )
    ends_agree(res)


DRAWN = ("innovations, two outputs, inputs", "leaky, known start, gaps")
COMMON = common(LinearResults, prediction, drawn=tuple(FITS[name] for name in DRAWN))
object_of = COMMON["news"][1]

OWN = {
    "append": (
        lambda r: r.append(later(r), later_inputs(r, 2).get("exog")),
        COMMON["append"][1],
    ),
    "conditional_forecast": (
        lambda r: r.conditional_forecast(STEPS, scenario(r), **later_inputs(r)),
        lambda r, v: [ahead(r, v.predicted_mean), object_of(r, v)],
    ),
    "contributions": (lambda r: r.contributions(), object_of),
    "fevd": (lambda r: r.fevd(4, bands="delta"), object_of),
    "filter_vs_smoother": (lambda r: r.filter_vs_smoother(), compared),
    "filtered_state": (None, by_state),
    "filtered_state_cov": (None, square_by_state),
    "historical_decomposition": (lambda r: r.historical_decomposition(), object_of),
    "impulse_responses": (
        lambda r: r.impulse_responses(4),
        lambda r, v: by_output(r, v, pd.RangeIndex(5, name="lag")),
    ),
    "k_diffuse_states": (None, count),
    "memory": (lambda r: r.memory(steps=5), remembered),
    "nobs_diffuse": (None, count),
    "observation_weights": (lambda r: r.observation_weights(), object_of),
    "predicted_state": (None, by_state),
    "predicted_state_cov": (None, square_by_state),
    "simulate": (lambda r: r.simulate(STEPS, anchor="end", rng=0, **later_inputs(r)), ahead),
    "smoothed_state": (None, by_state),
    "smoothed_state_cov": (None, square_by_state),
    "test_heteroskedasticity": (lambda r: r.test_heteroskedasticity(), by_output_rows),
    "test_normality": (lambda r: r.test_normality(), by_output_rows),
    "test_serial_correlation": (
        lambda r: r.test_serial_correlation(lags=2),
        lambda r, v: list(v.loc[r.model.endog.names[0]].index) == [1, 2],
    ),
    "to_birnn": (lambda r: r.to_birnn(), network),
    "to_rnn": (lambda r: r.to_rnn(), network),
    "to_statsmodels": (translated, lambda r, v: None),
    "to_varma": (lambda r: r.to_varma(), lambda r, v: table(r, v.summary())),
}

OPTIONS = {
    "uncertainty": (
        lambda r, v: r.get_forecast(
            3, uncertainty=v, **({"nboot": 20} if v == "bootstrap" else {})
        ).se_mean.to_numpy(),
        ("plugin", "delta", "bootstrap"),
    ),
    "anchor": (lambda r, v: r.simulate(4, anchor=v, rng=0).to_numpy(), ("start", "end")),
    "serial": (
        lambda r, v: r.test_serial_correlation(v, lags=2).to_numpy(),
        ("ljungbox", "boxpierce"),
    ),
    "alternative": (
        lambda r, v: r.test_heteroskedasticity(alternative=v)["pvalue"].to_numpy(),
        ("two-sided", "increasing", "decreasing"),
    ),
    "cov_type": (
        lambda r, v: LinearResults.from_fit(r.model, r.params, cov_type=v).bse.to_numpy(),
        ("oim", "approx", "opg", "robust", "robust_approx", "none"),
    ),
    "kind": (
        lambda r, v: r.plot_states(kind=v).axes[0].get_lines()[0].get_ydata(),
        ("predicted", "filtered", "smoothed"),
    ),
}

LINEAR = Surface(
    "linear", LinearResults, FITS, {**COMMON, **OWN}, OPTIONS, "noisy autoregression", identities
)
