"""The results surface is closed: every public name of every results class, on every model."""

from __future__ import annotations

import inspect
import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from contracts.bidirectional_surface import PSEUDO, REGRESSION
from contracts.labels import later_inputs
from contracts.linear_surface import LINEAR
from contracts.markov_surface import MARKOV
from contracts.recurrent_surface import RECURRENT

from rnnstats.errors import ConvergenceWarning, SpecificationError

SURFACES = (LINEAR, MARKOV, RECURRENT, REGRESSION, PSEUDO)
PLAIN = {"model", "cov_type", "cov_kwds", "convergence", "cov_note"}  # they only hold a setting

each_surface = pytest.mark.parametrize(
    "surface", [pytest.param(surface, id=surface.kind) for surface in SURFACES]
)
each_fit = pytest.mark.parametrize(
    ("surface", "name"),
    [
        pytest.param(surface, name, id=f"{surface.kind}: {name}")
        for surface in SURFACES
        for name in surface.fits
    ],
)


@each_fit
def test_every_public_name(surface, name):
    res = surface.fitted(name)
    public = {attribute for attribute in dir(res) if not attribute.startswith("_")}
    assert public - PLAIN == set(surface.names)
    # no covariance for a flat direction is said by a warning, tested elsewhere
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        for attribute, (call, check) in surface.names.items():
            try:
                value = getattr(res, attribute) if call is None else call(res)
                kept = check(res, value) is not False
            except Exception as error:
                raise AssertionError(f"{attribute}: {error}") from error
            assert kept, attribute


@each_fit
def test_names_of_other_models_explain_themselves(surface, name):
    res, title = surface.fitted(name), surface.results.__name__
    for attribute in surface.results._no_sense:
        assert not hasattr(res, attribute)
        with pytest.raises(AttributeError, match=f"{title}.{attribute}: .*"):
            getattr(res, attribute)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = res.nonsense


@each_fit
def test_identities(surface, name):
    res = surface.fitted(name)
    assert res.llf == pytest.approx(float(res.model.loglike(res.params.to_numpy())), rel=1e-10)
    if "forecast" not in surface.names:
        surface.identities(res)
        return
    one, fitted_values = pd.DataFrame(res.predict()), pd.DataFrame(res.fittedvalues)
    # rounding: the two may be sums of the same numbers in another order
    np.testing.assert_allclose(one.to_numpy(), fitted_values.to_numpy(), rtol=1e-9, atol=1e-12)
    inputs = later_inputs(res, 2)
    first, second = res.forecast(2, **inputs), res.get_forecast(2, **inputs)
    np.testing.assert_array_equal(np.asarray(first), np.asarray(second.predicted_mean))
    surface.identities(res)


@each_fit
def test_results_survive_pickling(surface, name):
    res = surface.fitted(name)
    again = pickle.loads(pickle.dumps(res))
    pd.testing.assert_series_equal(again.params, res.params)
    pd.testing.assert_series_equal(again.llf_obs, res.llf_obs)
    np.testing.assert_array_equal(again.bse, res.bse)


@pytest.mark.parametrize(
    ("surface", "option"),
    [
        pytest.param(surface, option, id=f"{surface.kind}: {option}")
        for surface in SURFACES
        for option in surface.options
    ],
)
def test_each_option_changes_a_result(surface, option):
    res = surface.fitted(surface.options_on)
    read, values = surface.options[option]
    found = [read(res, value) for value in values]
    for i, first in enumerate(found):
        for second in found[i + 1 :]:
            assert not np.allclose(first, second, rtol=1e-6, equal_nan=True)
    with pytest.raises(SpecificationError, match="must be one of"):
        read(res, "other")


@each_surface
def test_everything_public_has_a_docstring(surface):
    for attribute in surface.names:
        doc = inspect.getdoc(inspect.getattr_static(surface.results, attribute))
        assert doc, attribute
        assert len(doc) > 20, attribute


def test_refit():
    res = LINEAR.fitted("innovations")
    later = np.array([2.0, 2.5, 1.0])
    longer = res.append(later, refit=True)
    assert longer.nobs == res.nobs + 3
    assert longer.convergence.converged
    assert longer.llf >= res.append(later).llf
    assert not np.allclose(longer.params, res.params)
    other = res.apply(res.model.endog.values[:60, 0], refit=True, cov_type="opg")
    assert other.cov_type == "opg"
    assert other.convergence.converged
    for move in (res.append, res.apply):
        rule = f"^{move.__name__}: options of fit are used with refit=True only; got cov_type"
        with pytest.raises(SpecificationError, match=rule):
            move(later, cov_type="opg")
    with pytest.raises(SpecificationError, match="keep their parameters"):
        res.extend(later).model.fit()
