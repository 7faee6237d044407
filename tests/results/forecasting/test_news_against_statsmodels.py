"""News and revisions against statsmodels' NewsResults on the same models."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest
from results.fakes import series

from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults

pytestmark = [
    pytest.mark.crosspkg,
    pytest.mark.filterwarnings("ignore:Estimation of VARMA"),
]
varmax = pytest.importorskip("statsmodels.tsa.statespace.varmax")
sarimax = pytest.importorskip("statsmodels.tsa.statespace.sarimax")

AR = np.array([[0.5, 0.2], [-0.1, 0.6]])
MA = np.array([[0.3, 0.1], [0.2, -0.4]])
MEAN = np.array([2.0, 1.5])
ROOT = np.array([[1.2, 0.0], [0.4, 0.9]])
# Both smooth the same data; theirs inverts covariances of all news at once.
CLOSE = {"rtol": 1e-7, "atol": 1e-9}


def vintages():
    full, _ = series(80, 2, gaps=((5, 0),))
    old, new = full.iloc[:70].copy(), full.iloc[:72].copy()
    old.iloc[68:, 1] = np.nan
    old.iloc[60, 0] += 0.7
    new.iloc[71, 1] = np.nan
    new.iloc[65, 1] -= 0.4
    return old, new


@pytest.fixture(scope="module")
def both():
    old, new = vintages()
    model = LinearRNN(old, k_states=2)
    cov = ROOT @ ROOT.T
    theta = np.concatenate([AR.ravel(), (AR + MA).ravel(), MEAN, cov[np.tril_indices(2)]])
    ours = LinearResults.from_fit(model, theta, cov_type="none").news(new, start=66, end=75)
    other = varmax.VARMAX(old, order=(1, 1), trend="c")
    const = (np.eye(2) - AR) @ MEAN
    params = np.concatenate([const, AR.ravel(), MA.ravel(), ROOT[np.tril_indices(2)]])
    fit = other.smooth(params, cov_type="none")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = fit.news(
            varmax.VARMAX(new, order=(1, 1), trend="c").smooth(params, cov_type="none"),
            start=66, end=75, revisions_details_start=True,
        )  # fmt: skip
    return ours, theirs


def test_totals(both):
    ours, theirs = both
    impacts = ours.impacts
    for column, name in (
        ("previous", "prev_impacted_forecasts"),
        ("updated", "post_impacted_forecasts"),
        ("revisions", "revision_impacts"),
        ("news", "update_impacts"),
        ("total", "total_impacts"),
    ):
        table = getattr(theirs, name)
        mine = impacts[column].unstack()[list(table.columns)]
        np.testing.assert_allclose(mine, table.fillna(0.0), err_msg=name, **CLOSE)


def test_news_and_weights(both):
    ours, theirs = both
    updates = ours.updates.loc["news"]
    other = theirs.data_updates
    mine = updates.loc[[(date, name) for date, name in other.index]]
    np.testing.assert_allclose(mine["observed"], other["observed"], **CLOSE)
    np.testing.assert_allclose(mine["forecast"], other["forecast (prev)"], **CLOSE)
    details = theirs.details_by_impact
    frame = ours.frame.xs("news", level="kind")
    order = [(a, b, c, d) for a, b, c, d in details.index]
    assert len(order) == 50
    mine = frame.reindex(pd.MultiIndex.from_tuples(order, names=frame.index.names))
    np.testing.assert_allclose(mine["news"], details["news"], **CLOSE)
    np.testing.assert_allclose(mine["weight"], details["weight"], **CLOSE)
    np.testing.assert_allclose(mine["impact"], details["impact"], **CLOSE)


def test_revision_details(both):
    ours, theirs = both
    details = theirs.revision_details_by_impact
    frame = ours.frame.xs("revision", level="kind")
    mine = frame.reindex(pd.MultiIndex.from_tuples(list(details.index), names=frame.index.names))
    assert len(details) > 10
    np.testing.assert_allclose(mine["news"], details["revision"], **CLOSE)
    np.testing.assert_allclose(mine["weight"], details["weight"], **CLOSE)
    np.testing.assert_allclose(mine["impact"], details["impact"], **CLOSE)


def test_one_series_with_a_diffuse_start():
    endog, _ = series(60)
    old, new = endog.iloc[:50].copy(), endog.iloc[:52]
    old.iloc[44] = np.nan
    model = LinearRNN(old, form="observed", k_states=1, initial="diffuse", trend="n")
    ours = LinearResults.from_fit(model, [0.7, 1.3], cov_type="none").news(new, start=42, end=54)
    options = {"order": (1, 0, 0), "trend": "n", "initialization": "diffuse"}
    first, second = (sarimax.SARIMAX(data, **options) for data in (old, new))
    for one in (first, second):
        one.ssm.initialize_diffuse()
    params = [0.7, 1.3]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = first.smooth(params).news(second.smooth(params), start=42, end=54)
    np.testing.assert_allclose(
        ours.impacts["news"], theirs.update_impacts.fillna(0.0).iloc[:, 0], **CLOSE
    )
    np.testing.assert_allclose(
        ours.impacts["updated"], theirs.post_impacted_forecasts.iloc[:, 0], **CLOSE
    )
