"""More rows, later rows, other data."""

import numpy as np
import pandas as pd
import pytest
from results.regimes import regime_models as cases

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults

MAKERS = {
    "gaussian": cases.gaussian,
    "poisson": cases.poisson,
    "categorical": lambda: cases.categorical()[0],
    "intercept": cases.autoregression,
    "mean": lambda: cases.autoregression("mean"),
    "var": cases.var,
}


def uncoded(results):
    """The data as the user gave them."""
    endog, levels = results.model.endog, results.model.levels
    frame = pd.DataFrame(endog.values, index=endog.index, columns=list(endog.names))
    for name, known in (levels or {}).items():
        frame[name] = np.array(known, dtype=object)[frame[name].astype(int)]
    return frame.iloc[:, 0] if endog.is_series else frame


@pytest.mark.parametrize("kind", MAKERS)
def test_later_rows_continue_from_the_earlier_ones(kind):
    whole = MAKERS[kind]()
    data = uncoded(whole)
    short = whole.apply(data.iloc[:50])
    longer, later = short.append(data.iloc[50:]), short.extend(data.iloc[50:])
    assert longer.llf == pytest.approx(whole.llf, abs=1e-10)
    assert later.llf == pytest.approx(whole.llf - short.llf, abs=1e-9)
    rows = len(data) - 50
    assert later.nobs == rows
    for name in (
        "predicted_marginal_probabilities", "filtered_marginal_probabilities",
        "smoothed_marginal_probabilities", "fittedvalues", "llf_obs", "standardized_resid",
    ):  # fmt: skip
        due, found = getattr(whole, name).iloc[50:], getattr(later, name)
        np.testing.assert_allclose(found, due, atol=1e-10)
        assert found.index.equals(due.index)
    np.testing.assert_allclose(later.forecast(3), whole.forecast(3), atol=1e-11)
    np.testing.assert_allclose(later.predict(), whole.predict().iloc[50:], atol=1e-11)
    known = {} if kind == "categorical" else {later.model.endog.names[0]: [1.0]}
    given = {"regimes": ["h1"]} if not known else {"conditions": known}
    scenario = later.conditional_forecast(2, **given).predicted_mean
    due = whole.conditional_forecast(2, **given).predicted_mean
    np.testing.assert_allclose(scenario, due, atol=1e-11)
    twice = short.extend(data.iloc[50:53]).extend(data.iloc[53:])
    np.testing.assert_allclose(twice.llf_obs, whole.llf_obs.iloc[53:], atol=1e-10)


@pytest.mark.parametrize("form", ["intercept", "mean"])
def test_later_rows_are_drawn_given_the_earlier_ones(form):
    whole = cases.autoregression(form)
    data = uncoded(whole)
    later = whole.apply(data.iloc[:50]).extend(data.iloc[50:51])
    drawn = later.simulate(2, repetitions=8000, rng=1).to_numpy()
    due = whole.apply(data.iloc[:50]).get_forecast(2)
    # four standard errors of a mean
    gap = np.abs(drawn.mean(axis=1) - due.predicted_mean) * np.sqrt(8000) / due.se_mean
    assert (gap < 4.0).all()
    after = later.simulate(1, anchor="end", repetitions=8000, rng=1).to_numpy()[0]
    one = whole.apply(data.iloc[:51]).get_forecast(1)
    error = one.se_mean.iloc[0] / np.sqrt(8000)
    assert after.mean() == pytest.approx(one.predicted_mean.iloc[0], abs=4.0 * error)


def test_derivatives_of_later_rows_are_those_of_the_conditional_likelihood():
    whole = cases.autoregression()
    data = uncoded(whole)
    model = whole.apply(data.iloc[:40]).extend(data.iloc[40:]).model
    theta = whole.params.to_numpy()
    score = model.score_obs(theta).sum(axis=0)
    for i in range(len(theta)):
        step = np.zeros(len(theta))
        step[i] = 1e-6
        slope = (model.loglike(theta + step) - model.loglike(theta - step)) / 2e-6
        assert score[i] == pytest.approx(slope, rel=1e-6, abs=1e-6)
    hessian = model.hessian(theta)
    np.testing.assert_allclose(hessian, hessian.T, rtol=1e-5, atol=1e-6)


def test_refit_starts_from_the_estimates_and_uses_all_rows():
    data = uncoded(cases.gaussian())
    fitted = MarkovRNN(data.iloc[:60]).fit(n_starts=3, rng=0)
    again = fitted.append(data.iloc[60:], refit=True)
    due = MarkovRNN(data).fit(start_params=fitted.params)
    np.testing.assert_allclose(again.params, due.params, rtol=1e-8)
    assert again.llf > fitted.append(data.iloc[60:]).llf
    kept = fitted.append(data.iloc[60:])
    np.testing.assert_array_equal(kept.cov_params(), fitted.cov_params())
    with pytest.raises(SpecificationError, match="refit=True only"):
        fitted.append(data.iloc[60:], maxiter=3)
    with pytest.raises(SpecificationError, match="keep their parameters"):
        fitted.extend(data.iloc[60:]).model.fit()


def test_new_sequences_begin_anew():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame(
        {"y": rng.standard_normal(50), "g": np.repeat(["s", "t", "u"], [20, 15, 15])}
    )
    model = MarkovRNN(frame.iloc[:30], groups="g")
    values = {"V[y,h1]": -1.0, "V[y,h2]": 1.0, "obs_cov[y,y,h1]": 1.0, "obs_cov[y,y,h2]": 2.0}
    results = cases.results_at(model, cases.STEPS | values)
    more = results.append(frame[["y"]].iloc[30:].to_numpy(), groups=frame["g"].iloc[30:])
    due = cases.results_at(MarkovRNN(frame, groups="g"), cases.STEPS | values)
    assert more.llf == pytest.approx(due.llf, abs=1e-11)
    assert more.model.endog.sequences == ("s", "t", "u")
    with pytest.raises(DataError, match="only the last sequence can go on"):
        results.append([1.0], groups=["s"])
    with pytest.raises(SpecificationError, match="single sequence"):
        cases.gaussian().append([1.0], groups=["s"])


def test_rows_say_their_sequence_in_the_index():
    rng = np.random.default_rng(21)
    index = pd.MultiIndex.from_product([["a", "b"], range(25)], names=["subject", "trial"])
    y = pd.Series(rng.standard_normal(50), index=index, name="y")
    x = pd.Series(rng.standard_normal(50), index=index, name="x")
    model = MarkovRNN(y, x, switching="trend")
    res = MarkovResults.from_fit(model, [0.8, 0.3, -0.5, 0.7, 0.2, 1.0], cov_type="none")

    def rows(*labels):
        later = pd.MultiIndex.from_tuples(labels, names=index.names)
        return pd.Series([0.4, -1.0], later, name="y"), pd.Series([0.1, 0.2], later, name="x")

    on, inputs = rows(("b", 25), ("b", 26))
    longer = res.append(on, inputs)
    pd.testing.assert_index_equal(longer.model.endog.index, index.append(on.index))
    assert longer.llf == pytest.approx(res.append(on.array, inputs.array).llf, abs=1e-13)
    assert longer.llf == pytest.approx(res.append(on.droplevel(0), inputs.array).llf, abs=1e-13)
    assert res.extend(on, inputs).llf == pytest.approx(longer.llf - res.llf, abs=1e-12)
    np.testing.assert_array_equal(res.forecast(2, inputs), res.forecast(2, inputs.array))
    assert res.news(longer, end=("b", 26)).impacts.index[0] == (("b", 25), "h1")

    new, inputs = rows(("b", 25), ("c", 0))
    grown = res.append(new, inputs)
    assert grown.model.endog.sequences == ("a", "b", "c")
    due = res.append(new.array, inputs.array, groups=["b", "c"]).llf
    assert grown.llf == pytest.approx(due, abs=1e-13)

    with pytest.raises(DataError, match="extend: the new rows must continue the last sequence"):
        res.extend(new, inputs)
    with pytest.raises(DataError, match="only the last sequence can go on; got rows of 'a'"):
        res.append(*rows(("a", 25), ("a", 26)))
    with pytest.raises(DataError, match="got b, 26 where b, 25 is due"):
        res.append(*rows(("b", 26), ("b", 27)))
    with pytest.raises(SpecificationError, match="updated must be results; got Series"):
        res.news(y)


def test_other_data_are_checked():
    results = cases.var()
    data = uncoded(results)
    same = results.apply(data[["b", "a"]])
    assert same.llf == pytest.approx(results.llf, abs=1e-11)
    assert results.apply(data.to_numpy()).llf == pytest.approx(results.llf, abs=1e-11)
    with pytest.raises(DataError, match="must have the model's columns"):
        results.apply(data.rename(columns={"a": "z"}))
    with pytest.raises(DataError, match="as many columns"):
        results.apply(data.to_numpy()[:, :1])
    with pytest.raises(DataError, match="must be one of u, v, w"):
        cases.categorical()[0].append(["q"])
    with pytest.raises(DataError, match="continue the index"):
        results.append(data.iloc[:3])
