"""One-step-ahead predictions, errors and normal scores of all heads."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.recurrent.network_cases import at, data, gaussian, network
from scipy import stats

from rnnstats.errors import SpecificationError
from rnnstats.models.nonlinear import GRU, ElmanRNN


def test_gaussian_scores_are_standardised_errors():
    res = gaussian()
    y = res.model.endog.values[:, 0]
    sd = np.sqrt(res.params["obs_cov[cpi,cpi]"])
    np.testing.assert_allclose(res.resid, y - res.fittedvalues, rtol=1e-12)
    np.testing.assert_allclose(res.standardized_resid, res.resid / sd, rtol=1e-10)
    np.testing.assert_allclose(res.quantile_residuals(), res.standardized_resid, atol=1e-9)
    llf = stats.norm.logpdf(y[1:], res.fittedvalues.iloc[1:], sd)
    np.testing.assert_allclose(res.llf_obs.iloc[1:], llf, rtol=1e-10)
    assert res.llf_obs.iloc[0] == 0.0
    assert res.nobs == len(y) - 1
    assert res.df_model == 6
    assert res.bic == pytest.approx(-2 * res.llf + 6 * np.log(res.nobs))


def test_two_outputs_are_cleaned_of_each_other_and_gaps_are_marginal():
    y, x = data()
    both = pd.DataFrame({"cpi": y, "gdp": 0.5 * y + x["rate"]})
    both.iloc[7, 0] = both.iloc[9, 1] = np.nan
    model = ElmanRNN(both, k_hidden=1)
    params = at(model).params
    params["obs_cov[gdp,cpi]"] = 0.6 * np.sqrt(
        params["obs_cov[cpi,cpi]"] * params["obs_cov[gdp,gdp]"]
    )
    res = at(model, params)
    sd = np.sqrt([params["obs_cov[cpi,cpi]"], params["obs_cov[gdp,gdp]"]])
    alone = res.resid / sd
    scores = res.standardized_resid
    assert scores.loc[y.index[7], "gdp"] == pytest.approx(alone.loc[y.index[7], "gdp"])
    second = (alone["gdp"] - 0.6 * alone["cpi"]) / 0.8
    whole = second.notna()
    np.testing.assert_allclose(scores["cpi"][whole], alone["cpi"][whole], rtol=1e-9)
    np.testing.assert_allclose(scores["gdp"][whole], second[whole], rtol=1e-9)
    np.testing.assert_allclose(res.quantile_residuals(), scores, atol=1e-8)


def test_counts_lie_within_their_step():
    y, x = data()
    counts = (y - y.min()).round().rename("calls")
    res = at(ElmanRNN(counts, x, k_hidden=1, head="poisson"))
    mean = res.fittedvalues.iloc[1:]
    lower, upper = (stats.poisson.cdf(counts.iloc[1:] - k, mean) for k in (1, 0))
    for scores in (res.quantile_residuals(), res.quantile_residuals(rng=3)):
        share = stats.norm.cdf(scores.iloc[1:])
        assert ((share >= lower - 1e-12) & (share <= upper + 1e-12)).all()
    pd.testing.assert_series_equal(res.quantile_residuals(), res.quantile_residuals())
    assert not np.allclose(res.quantile_residuals(rng=3).iloc[1:], scores.iloc[1:] + 1e-3)
    np.testing.assert_allclose(
        res.standardized_resid.iloc[1:], (counts.iloc[1:] - mean) / np.sqrt(mean), rtol=1e-9
    )


def test_student_scores_by_hand():
    y, _ = data()
    res = at(GRU(y, k_hidden=1, head="student-t"))
    scale = np.sqrt(res.params["scale2[cpi]"])
    share = stats.t.cdf(res.resid.iloc[1:] / scale, res.params["df[cpi]"])
    np.testing.assert_allclose(res.quantile_residuals().iloc[1:], stats.norm.ppf(share), atol=1e-8)


def test_categories_have_one_column_each():
    y, x = data()
    words = pd.Series(np.where(y > 22, "high", np.where(y > 18, "mid", "low")), y.index, name="s")
    res = at(ElmanRNN(words, x, k_hidden=1, head="categorical"))
    assert list(res.fittedvalues.columns) == ["s=high", "s=low", "s=mid"]
    np.testing.assert_allclose(res.fittedvalues.iloc[1:].sum(axis=1), 1.0, rtol=1e-12)
    np.testing.assert_allclose(res.resid.iloc[1:].sum(axis=1), 0.0, atol=1e-12)
    chosen = res.fittedvalues.to_numpy()[np.arange(len(words)), pd.Categorical(words).codes]
    np.testing.assert_allclose(res.llf_obs.iloc[1:], np.log(chosen[1:]), rtol=1e-10)
    assert isinstance(res.quantile_residuals(), (pd.Series, pd.DataFrame))


def test_scores_of_the_right_model_are_normal_and_white():
    # draws from the model itself, counts and Student-t: rejections only by chance at 0.1 %
    y, x = data(nobs=90)
    for head in ("student-t", "negative-binomial", "gaussian"):
        start = y if head != "negative-binomial" else (y - y.min()).round()
        res = at(ElmanRNN(start, x, k_hidden=1, head=head))
        exog = np.tile(x.to_numpy(), (7, 1))
        index = pd.RangeIndex(630)
        drawn = ElmanRNN(
            pd.Series(np.resize(start, 630), index, name="cpi"), exog, k_hidden=1, head=head
        )
        params = pd.Series(res.params.to_numpy(), index=list(drawn.param_names))
        sample = at(drawn, params).simulate(630, rng=4)
        again = at(drawn.clone(sample, exog), params)
        scores = again.quantile_residuals().dropna().to_numpy()
        assert stats.kstest(scores, "norm").pvalue > 1e-3
        assert again.test_serial_correlation(lags=[1])["pvalue"].iloc[0] > 1e-3
        assert again.test_heteroskedasticity()["pvalue"].iloc[0] > 1e-3
        assert again.test_normality()["pvalue"].iloc[0] > 1e-3


def test_predictions_in_sample_are_the_fitted_values():
    for name in ("elman", "gru", "lstm", "layers"):
        res = network(name)
        pd.testing.assert_series_equal(
            res.predict().rename("fittedvalues"), res.fittedvalues, rtol=1e-10
        )
        part = res.get_prediction(20, 24)
        np.testing.assert_allclose(part.predicted_mean, res.fittedvalues.iloc[20:25], rtol=1e-10)
        sd = np.sqrt(res.params["obs_cov[cpi,cpi]"])
        np.testing.assert_allclose(part.se_mean, sd, rtol=1e-10)
        ends = part.conf_int(alpha=0.2)
        np.testing.assert_allclose(
            ends["upper cpi"], part.predicted_mean + stats.norm.ppf(0.9) * sd, rtol=1e-8
        )


def test_dynamic_prediction_starts_one_step_ahead_and_does_not_look():
    y, x = data()
    res = network("elman")
    found = res.get_prediction(30, 36, dynamic=True)
    assert found.predicted_mean.iloc[0] == pytest.approx(res.fittedvalues.iloc[30], rel=1e-10)
    changed = y.copy()
    changed.iloc[30:37] += 5.0
    other = at(ElmanRNN(changed, x, k_hidden=2), res.params)
    np.testing.assert_allclose(
        other.get_prediction(30, 36, dynamic=True).predicted_mean, found.predicted_mean, rtol=1e-9
    )
    assert not np.allclose(other.fittedvalues.iloc[31:37], res.fittedvalues.iloc[31:37])


def test_rows_of_several_sequences_are_not_predicted_in_one_go():
    y, _ = data()
    res = at(ElmanRNN(y.to_numpy(), k_hidden=1, groups=np.arange(len(y)) // 45))
    assert res.nobs == len(y) - 2
    assert res.fittedvalues.isna().sum() == 2
    with pytest.raises(SpecificationError, match="must lie in one sequence"):
        res.get_prediction(40, 50, dynamic=True)
