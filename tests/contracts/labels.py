"""Kinds of labels that results have, and how they are checked."""

from __future__ import annotations

import numpy as np
import pandas as pd

STEPS = 3


def later_inputs(res, steps=STEPS):
    """Inputs of later rows, where the model needs them."""
    given = {name: getattr(res.model, name, None) for name in ("exog", "exog_transition")}
    return {
        name: np.ones((steps, table.k_exog)) for name, table in given.items() if table is not None
    }


def levels_of(res):
    """Categories of categorical outputs, by name."""
    return getattr(res.model, "levels", None) or {}


def columns(res):
    """One column an output, and one a category of a categorical output."""
    levels, names = levels_of(res), []
    for name in res.model.endog.names:
        names += [f"{name}={level}" for level in levels[name]] if name in levels else [name]
    return names


def by_output(res, value, index):
    """A Series for one output, a frame for several or for categories."""
    if res.model.endog.is_series and not levels_of(res):
        assert isinstance(value, pd.Series)
        assert value.ndim == 1
    else:
        assert isinstance(value, pd.DataFrame)
        assert list(value.columns) == columns(res)
    pd.testing.assert_index_equal(value.index, index)
    return value


def in_sample(res, value):
    by_output(res, value, res.model.endog.index)


def ahead(res, value, steps=STEPS):
    by_output(res, value, res.model.endog.future_index(steps))
    assert value.notna().to_numpy().all()


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


def listed(res, value):
    if value is not None:
        table(res, value)


def contrast(res, value):
    assert list(value.columns) == ["estimate", "std err", "z", "P>|z|", "[0.025", "0.975]"]
    assert len(value) == 1


def residual_rows(res, value):
    assert {"statistic", "pvalue"} <= set(value.columns)
