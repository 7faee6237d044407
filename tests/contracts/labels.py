"""Kinds of labels that results have, and how they are checked."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnstats.results.forecasting.prediction import Prediction

STEPS = 3


def future(res, steps=STEPS):
    """Inputs of later rows, where the model needs them."""
    return None if res.model.exog is None else np.ones((steps, res.model.exog.k_exog))


def by_output(res, value, index):
    names = list(res.model.endog.names)
    if res.model.endog.is_series:
        assert isinstance(value, pd.Series)
        assert value.ndim == 1
    else:
        assert isinstance(value, pd.DataFrame)
        assert list(value.columns) == names
    pd.testing.assert_index_equal(value.index, index)
    return value


def in_sample(res, value):
    return by_output(res, value, res.model.endog.index)


def ahead(res, value, steps=STEPS):
    return by_output(res, value, res.model.endog.future_index(steps)).notna()


def by_param(res, value):
    assert isinstance(value, pd.Series)
    assert tuple(value.index) == tuple(res.model.param_names)


def square_by_param(res, value):
    assert tuple(value.index) == tuple(value.columns) == tuple(res.model.param_names)


def by_state(res, value):
    assert list(value.columns) == list(res.model.state_names)
    pd.testing.assert_index_equal(value.index, res.model.endog.index)


def square_by_state(res, value):
    states = list(res.model.state_names)
    assert list(value.columns) == states
    assert value.index.names[1] == "state"
    assert list(value.index[: len(states)].get_level_values(1)) == states
    assert len(value) == res.nobs * len(states)
    # covariances: symmetric, no negative variance
    blocks = value.to_numpy().reshape(res.nobs, len(states), len(states))
    np.testing.assert_array_equal(blocks, blocks.transpose(0, 2, 1))
    assert (np.diagonal(blocks, axis1=1, axis2=2) >= -1e-12).all()


def number(res, value):
    assert isinstance(value, float)
    assert np.isfinite(value)


def count(res, value):
    assert type(value) is int
    assert value >= 0


def by_output_rows(res, value):
    assert list(value.index) == list(res.model.endog.names)
    assert {"statistic", "pvalue"} <= set(value.columns)


def table(res, value):
    assert "===" in str(value)


def figure(res, value):
    import matplotlib.pyplot as plt

    assert value.axes
    value.canvas.draw()
    plt.close(value)


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


def anything(res, value):
    assert value is None or value is not None


def listed(res, value):
    if value is not None:
        table(res, value)


def contrast(res, value):
    assert list(value.columns) == ["estimate", "std err", "z", "P>|z|", "[0.025", "0.975]"]
    assert len(value) == 1
