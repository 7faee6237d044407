"""Drawing regimes and outputs."""

import numpy as np
import pandas as pd
import pytest
from results.regimes import regime_models as cases

from rnnstats.errors import SpecificationError
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults
from rnnstats.results.regimes.forecasting.simulation import resampled


def test_samples_have_the_law_of_the_model():
    results = cases.gaussian()
    y, h = results.simulate(40000, rng=1, return_regimes=True)
    inside = (h == "h2").to_numpy()
    # runs make the number of independent rows about a fifth: four standard errors
    assert inside.mean() == pytest.approx(1.0 / 3.0, abs=4.0 * 0.47 / np.sqrt(8000))
    stays = inside[1:][inside[:-1]].mean()
    assert stays == pytest.approx(0.8, abs=4.0 * 0.4 / np.sqrt(inside.sum()))
    assert y[inside].mean() == pytest.approx(2.0, abs=4.0 * 0.5 / np.sqrt(inside.sum()))
    assert y[inside].std() == pytest.approx(0.5, rel=4.0 / np.sqrt(2 * inside.sum()))
    assert y.index[0] == results.model.endog.index[0]


def test_the_same_seed_gives_the_same_draws_and_shapes_are_labelled():
    results = cases.var()
    one = results.simulate(5, repetitions=3, rng=2, anchor="end")
    pd.testing.assert_frame_equal(one, results.simulate(5, repetitions=3, rng=2, anchor="end"))
    assert one.columns.names == ["output", "path"]
    assert one.shape == (5, 6)
    assert one.index[0] == results.model.endog.index[-1] + 1
    letters = cases.categorical()[0].simulate(20, rng=1)
    assert set(letters) <= {"u", "v", "w"}


@pytest.mark.parametrize(
    "categories", [("u", "w", "v"), (False, True), (0, 1, 2), (1.5, 2.5)], ids=str
)
def test_drawn_categories_are_those_of_the_data(categories):
    codes = np.random.default_rng(4).integers(len(categories), size=60)
    frame = pd.DataFrame({"a": pd.Categorical.from_codes(codes, categories=pd.Index(categories))})
    frame["b"] = np.random.default_rng(5).standard_normal(60)
    for data in (frame["a"], frame):
        kinds = "categorical" if data.ndim == 1 else {"a": "categorical", "b": "gaussian"}
        model = MarkovRNN(data, emission=kinds)
        results = MarkovResults.from_fit(model, model.start_params, cov_type="none")
        drawn = results.simulate(60, rng=1)
        column = drawn if data.ndim == 1 else drawn["a"]
        assert tuple(column.cat.categories) == categories
        assert np.isfinite(results.apply(drawn).llf)  # read back as what they are
        several = results.simulate(3, rng=1, repetitions=2)
        assert tuple(several[("a", 1)].cat.categories) == categories


@pytest.mark.parametrize("form", ["intercept", "mean"])
def test_first_rows_of_autoregressions_are_those_of_the_data(form):
    results = cases.autoregression(form)
    sample = results.simulate(30, rng=1)
    np.testing.assert_array_equal(sample[:2], results.model.endog.values[:2, 0])
    assert (sample[2:] != results.model.endog.values[2:30, 0]).all()
    # mean of the first row drawn, over many draws: four standard errors
    draws = results.simulate(3, repetitions=8000, rng=3).to_numpy()[2]
    due = results.predict().iloc[2]
    assert draws.mean() == pytest.approx(due, abs=4.0 * draws.std() / np.sqrt(8000))


def test_resampled_data_have_the_shape_of_the_sample():
    rng = np.random.default_rng(1)
    frame = pd.DataFrame({"y": rng.standard_normal(40), "g": np.repeat(["s", "t"], 20)})
    frame.loc[7, "y"] = np.nan
    model = MarkovRNN(frame, groups="g", order=1, switching="trend")
    values = {"V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.5, "obs_cov[y,y]": 1.0}
    results = cases.results_at(model, cases.STEPS | values)
    sample = resampled(model, results.params.to_numpy(), np.random.default_rng(2))
    np.testing.assert_array_equal(np.isnan(sample), np.isnan(model.endog.values))
    np.testing.assert_array_equal(sample[[0, 20]], model.endog.values[[0, 20]])


def test_missing_first_rows_are_refused():
    y = np.random.default_rng(1).standard_normal(30)
    y[0] = np.nan
    model = MarkovRNN(y, order=1, switching="trend")
    values = {"V[y,h1]": -1.0, "V[y,h2]": 1.0, "ar1[y,y]": 0.5, "obs_cov[y,y]": 1.0}
    results = cases.results_at(model, cases.STEPS | values)
    with pytest.raises(SpecificationError, match="not drawn but taken from"):
        results.simulate(5, rng=1)
    assert results.simulate(5, rng=1, anchor="end").notna().all()
