"""What results of every kind of model must give, by public name; kinds add names, or replace them.

A further kind of model needs a module like `linear_surface`, which makes a `Surface`, and a place
in the list at the top of ``test_results_surface.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest
from contracts.labels import (
    STEPS,
    ahead,
    by_param,
    contrast,
    count,
    figure,
    in_sample,
    later_inputs,
    levels_of,
    listed,
    number,
    residual_rows,
    square_by_param,
    table,
)

from rnnstats.errors import SpecificationError

__all__ = ["Names", "Surface", "common", "ends_agree"]

# How a public name is called (None: read as an attribute), and what its labels are.
Names = Mapping[str, tuple[Callable[[Any], Any] | None, Callable[[Any, Any], Any]]]


@dataclass(frozen=True, eq=False)
class Surface:
    """Results of one kind of model, and the promises they keep.

    Attributes
    ----------
    kind : str
        For the names of tests.
    results : type
        Class of the results.
    fits : mapping of str to callable
        What makes the fitted models.
    names : mapping
        Every public name but those that only hold a setting.
    options : mapping of str to tuple
        What reads numbers off results for a value of an option, and the values.
    options_on : str
        The fit on which these are compared.
    identities : callable
        Asserts what holds for this kind only.
    """

    kind: str
    results: type
    fits: Mapping[str, Callable[[], Any]]
    names: Names
    options: Mapping[str, tuple[Callable[[Any, str], Any], tuple[str, ...]]]
    options_on: str
    identities: Callable[[Any], None]

    def fitted(self, name: str) -> Any:
        """Fit a model once for all tests."""
        return _fitted(self.fits[name])


@cache
def _fitted(fit: Callable[[], Any]) -> Any:
    return fit()


def common(
    results: type, prediction: Callable[[Any, Any], Any], *, drawn: tuple[Callable[[], Any], ...]
) -> dict[str, Any]:
    """Names that all kinds have; `object_of` draws for a few models, since drawing takes long."""

    def object_of(res, value):
        table(res, value.summary())
        if any(res is _fitted(fit) for fit in drawn):
            figure(res, value.plot())

    def later_results(res, value):
        assert isinstance(value, results)
        pd.testing.assert_series_equal(value.params, res.params)
        in_sample(value, value.fittedvalues)

    names = {
        "append": (lambda r: r.append(new_rows(r), **later_inputs(r, 2)), later_results),
        "apply": (applied, later_results),
        "extend": (lambda r: r.extend(new_rows(r), **later_inputs(r, 2)), later_results),
        "from_fit": (
            lambda r: results.from_fit(r.model, r.params),
            lambda r, v: pd.testing.assert_series_equal(v.llf_obs, r.llf_obs),
        ),
        "get_forecast": (lambda r: r.get_forecast(STEPS, **later_inputs(r)), prediction),
        "get_prediction": (lambda r: r.get_prediction(), prediction),
        "news": (lambda r: r.news(longer(r), **later_inputs(r)), object_of),
    }
    return {**COMMON, **names}


def new_rows(res, steps=2):
    """Rows to come: those of the end once more."""
    values = labelled(res).iloc[-steps:]
    values.index = res.model.endog.future_index(steps)
    return values.iloc[:, 0] if res.model.endog.is_series else values


def labelled(res):
    """The data as a table, categories by name."""
    endog = res.model.endog
    values = pd.DataFrame(endog.values, columns=list(endog.names), index=endog.index)
    for name, levels in levels_of(res).items():
        values[name] = [levels[int(code)] for code in values[name]]
    return values


def applied(res):
    """The same data given once more, inputs and sequences with them."""
    model, given = res.model, {}
    for name in ("exog", "exog_transition"):
        if getattr(model, name, None) is not None:
            given[name] = getattr(model, name).values
    offsets = model.endog.offsets
    if len(offsets) > 2:
        given["groups"] = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    values = labelled(res)
    return res.apply(values.iloc[:, 0] if model.endog.is_series else values, **given)


def longer(res):
    values = labelled(res)
    return pd.concat([values.iloc[:, 0] if res.model.endog.is_series else values, new_rows(res)])


def scenario(res):
    """A value of the first output in the first and the third row ahead."""
    name = res.model.endog.names[0]
    if name in levels_of(res):
        level = levels_of(res)[name][0]
        return {name: [level, None, level]}
    return {name: [1.0, np.nan, 2.0]}


def hypothesis(res):
    """A restriction of a parameter with a standard error."""
    return f"{res.bse.dropna().index[0]} = 0"


def profiled(res):
    """The constant of the first output, else the first parameter with a standard error."""
    known = list(res.bse.dropna().index)
    return next((name for name in known if name.startswith("b_y[")), known[0])


def at_maximum(res, name, *args, **kwargs):
    """A method that refuses where the parameters were not estimated on these data."""
    if res.convergence is not None:
        return getattr(res, name)(*args, **kwargs)
    with pytest.raises(SpecificationError, match="were given, not estimated on these data"):
        getattr(res, name)(*args, **kwargs)
    return None


def of_later_rows(res):
    from rnnstats.results.continuation import ContinuedModel

    return isinstance(res.model, ContinuedModel) or getattr(res.model, "continues", False)


def bootstrap(res):
    if of_later_rows(res):
        with pytest.raises(SpecificationError, match="later rows"):
            res.bootstrap(nboot=2, rng=0)
        return
    draws = res.bootstrap(nboot=3, rng=0)
    assert list(draws.params.columns) == list(res.model.param_names)
    assert len(draws.params) == 3 - len(draws.failed)


def lr_refusal(res):
    with pytest.raises(SpecificationError, match=r"fewer free parameters|not estimated"):
        res.lr_test(res)


def by_lag(res, value):
    residual_rows(res, value)
    assert list(value.loc[value.index[0][0]].index) == [1, 2]


def ends_agree(res):
    """The last filtered state of a sequence is its last smoothed state."""
    for last in res.model.endog.offsets[1:] - 1:
        np.testing.assert_allclose(
            res.filtered_state.iloc[last], res.smoothed_state.iloc[last], rtol=1e-7, atol=1e-9
        )


COMMON = {
    "aic": (None, number),
    "aicc": (None, number),
    "bic": (None, number),
    "bootstrap": (bootstrap, lambda r, v: None),
    "bse": (None, by_param),
    "compare_covariances": (lambda r: at_maximum(r, "compare_covariances", nboot=0), listed),
    "conditional_forecast": (
        lambda r: r.conditional_forecast(STEPS, scenario(r), **later_inputs(r)),
        lambda r, v: ahead(r, v.predicted_mean),
    ),
    "conf_int": (lambda r: r.conf_int(), lambda r, v: [by_param(r, v[0]), by_param(r, v[1])]),
    "cov_params": (lambda r: r.cov_params(), square_by_param),
    "covariance": (None, lambda r, v: square_by_param(r, r.cov_params())),
    "delta_method": (lambda r: r.delta_method(f"2 * {r.bse.dropna().index[0]}"), contrast),
    "df_model": (None, count),
    "df_resid": (None, count),
    "fittedvalues": (None, in_sample),
    "forecast": (lambda r: r.forecast(STEPS, **later_inputs(r)), ahead),
    "hqic": (None, number),
    "identification": (lambda r: r.identification(), lambda r, v: table(r, v.summary())),
    "information_rank": (None, lambda r, v: count(r, v.rank)),
    "llf": (None, number),
    "llf_obs": (
        None,
        lambda r, v: pd.testing.assert_index_equal(v.index, r.model.endog.index),
    ),
    "lr_test": (lr_refusal, lambda r, v: None),
    "nobs": (None, count),
    "params": (None, by_param),
    "plot_diagnostics": (lambda r: r.plot_diagnostics(lags=4), figure),
    "plot_fan": (lambda r: r.plot_fan(STEPS, **later_inputs(r)), figure),
    "plot_forecast": (lambda r: r.plot_forecast(STEPS, **later_inputs(r)), figure),
    "plot_states": (lambda r: r.plot_states(), figure),
    "predict": (lambda r: r.predict(), in_sample),
    "profile_conf_int": (lambda r: at_maximum(r, "profile_conf_int", profiled(r)), listed),
    "pvalues": (None, by_param),
    "resid": (None, in_sample),
    "standardized_resid": (None, in_sample),
    "starts": (None, lambda r, v: isinstance(v, pd.DataFrame)),
    "summary": (lambda r: r.summary(), table),
    "t_test": (lambda r: r.t_test(hypothesis(r)), lambda r, v: "coef" in str(v)),
    "test_heteroskedasticity": (lambda r: r.test_heteroskedasticity(), residual_rows),
    "test_normality": (lambda r: r.test_normality(), residual_rows),
    "test_serial_correlation": (lambda r: r.test_serial_correlation(lags=2), by_lag),
    "tvalues": (None, by_param),
    "wald_test": (lambda r: r.wald_test(hypothesis(r)), lambda r, v: count(r, int(v.df_denom))),
    "with_cov": (lambda r: r.with_cov("opg"), lambda r, v: v.cov_type == "opg"),
}
