"""Predictions against statsmodels' Markov-switching models, at the same parameters."""

import numpy as np
import pytest
from results.regimes import regime_models as cases

from rnnstats.models.markov import MarkovRNN

pytestmark = pytest.mark.crosspkg
sm = pytest.importorskip("statsmodels.api")


def test_one_row_ahead_means_of_a_regression():
    results = cases.gaussian()
    y = results.model.endog.values[:, 0]
    theirs = sm.tsa.MarkovRegression(y, 2, switching_variance=True)
    # p[0->0], p[1->0], constants, variances
    other = theirs.smooth([0.9, 0.2, -1.0, 2.0, 1.0, 0.25])
    predicted = other.predict(probabilities="predicted")
    # they work in logs
    np.testing.assert_allclose(results.predict(), predicted, atol=1e-10)
    np.testing.assert_allclose(
        results.get_prediction().regime_probabilities,
        other.predicted_marginal_probabilities[:80],
        atol=1e-10,
    )


def test_one_row_ahead_means_of_hamiltons_form():
    # (with two lags statsmodels 0.15 takes a switching variance from the regime of the row before)
    y = cases.autoregression().model.endog.values[:, 0]
    model = MarkovRNN(y, order=2, ar_form="mean", switching=("trend", "ar"))
    values = {name: value for name, value in cases.AR.items() if not name.startswith("obs_cov")}
    results = cases.results_at(model, cases.STEPS | values | {"obs_cov[y,y]": 0.8})
    theirs = sm.tsa.MarkovAutoregression(y, 2, order=2, switching_ar=True)
    ours = {
        "p[0->0]": 0.9, "p[1->0]": 0.2, "const[0]": -0.5, "const[1]": 1.5, "sigma2": 0.8,
        "ar.L1[0]": 0.3, "ar.L1[1]": 0.7, "ar.L2[0]": 0.1, "ar.L2[1]": -0.2,
    }  # fmt: skip
    other = theirs.smooth([ours[name] for name in theirs.param_names])
    assert results.llf == pytest.approx(other.llf, abs=1e-9)
    predicted = other.predict(probabilities="predicted")
    np.testing.assert_allclose(results.predict().iloc[2:], predicted, atol=1e-10)
