"""Results moved to other data: columns find their parameters by name, or are refused."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import DataError, SpecificationError
from rnnstats.results.linear import LinearResults

THETA = np.array([0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0])


def fitted(exog=None):
    endog, _ = series(60, 2)
    endog = endog.set_axis(["gdp", "cpi"], axis=1)
    slopes = [] if exog is None else [0.3, -0.2, 0.1, 0.6]
    return endog, LinearResults.from_fit(
        NoisyAR(endog, exog), np.r_[THETA, slopes], cov_type="none"
    )


def test_apply_matches_columns_by_name():
    endog, res = fitted()
    swapped = res.apply(endog[["cpi", "gdp"]])
    assert swapped.llf == res.llf
    pd.testing.assert_frame_equal(swapped.forecast(3), res.forecast(3))
    # an array has no names: its order counts, and it must matter
    assert res.apply(endog[["cpi", "gdp"]].to_numpy()).llf != res.llf
    # so do columns with other names
    other = res.apply(endog.set_axis(["a", "b"], axis=1))
    assert other.llf == res.llf
    assert list(other.forecast(1).columns) == ["a", "b"]


def test_apply_matches_inputs_by_name():
    exog = pd.DataFrame(np.random.default_rng(4).normal(size=(60, 2)), columns=["u", "v"])
    endog, _ = series(60, 2)
    exog.index = endog.index
    endog, res = fitted(exog)
    assert res.apply(endog, exog[["v", "u"]]).llf == res.llf
    assert res.apply(endog, exog[["v", "u"]].to_numpy()).llf != res.llf
    with pytest.raises(DataError, match="apply: exog must give 'u', 'v' for the 60 rows"):
        res.apply(endog)
    with pytest.raises(DataError, match="apply: exog must have as many columns"):
        res.apply(endog, exog[["u"]])


def test_apply_refuses_what_does_not_fit():
    endog, res = fitted()
    with pytest.raises(DataError, match=r"as many columns as the model's \(gdp, cpi\); got 1"):
        res.apply(endog[["gdp"]])
    with pytest.raises(DataError, match="with 'gdp' in another place"):
        res.apply(endog.set_axis(["x", "gdp"], axis=1))
    with pytest.raises(SpecificationError, match="apply: the model has no inputs"):
        res.apply(endog, np.ones((60, 1)))


@pytest.mark.parametrize("labelled", [False, True])
def test_extended_results_number_their_forecasts_from_the_whole_sample(labelled):
    endog, _ = series(80, 2)
    endog = endog if labelled else endog.to_numpy()
    res = LinearResults.from_fit(NoisyAR(endog[:60]), THETA, cov_type="none")
    later, whole = res.extend(endog[60:]), res.append(endog[60:])
    pd.testing.assert_frame_equal(later.forecast(3), whole.forecast(3))
    pd.testing.assert_frame_equal(later.predict(), whole.predict()[60:])
    drawn = later.simulate(2, anchor="end", rng=0)
    pd.testing.assert_frame_equal(drawn, whole.simulate(2, anchor="end", rng=0))
    again = later.append(later.forecast(2).to_numpy())
    assert list(again.forecast(1).index) == list(whole.forecast(3).index[2:])


def test_apply_keeps_restrictions_to_their_outputs():
    endog, _ = fitted()
    renamed = endog.set_axis(["a", "b"], axis=1)
    about_states = LinearResults.from_fit(NoisyAR(endog, fixed={"W_h[h1,h1]": 0.8}), THETA)
    assert about_states.apply(renamed).llf == about_states.llf
    for fixed in ({"obs_cov[cpi,cpi]": 0.5}, {"obs_cov[cpi,cpi]": "obs_cov[gdp,gdp]"}):
        about_outputs = LinearResults.from_fit(NoisyAR(endog, fixed=fixed), THETA)
        with pytest.raises(DataError, match="restrictions of this model are about gdp, cpi"):
            about_outputs.apply(renamed)
        assert about_outputs.apply(endog[["cpi", "gdp"]]).llf == about_outputs.llf
