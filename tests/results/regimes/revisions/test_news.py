"""What new and revised observations do to regimes and outputs."""

import numpy as np
import pandas as pd
import pytest
from results.regimes import regime_models as cases
from results.regimes.revisions.test_continuation import MAKERS, uncoded

from rnnstats.errors import DataError, SpecificationError

PARTS = ["inputs", "removed", "revisions", "news", "parameters"]


@pytest.mark.parametrize("of", ["regimes", "outputs"])
@pytest.mark.parametrize("kind", MAKERS)
def test_impacts_sum_to_the_revision(kind, of):
    whole = MAKERS[kind]()
    data = uncoded(whole)
    short = whole.apply(data.iloc[:-3])
    found = short.news(data, of=of, end=len(data) + 1)
    impacts = found.impacts
    gaps = impacts[PARTS].sum(axis=1) - impacts["total"]
    # telescoping sums: rounding only
    assert gaps.abs().max() < 1e-13
    details = found.frame["impact"].groupby(level=[0, 1]).sum()
    total = impacts[["removed", "revisions", "news"]].sum(axis=1)
    np.testing.assert_allclose(details.reindex(total.index), total, atol=1e-13)
    after = impacts["updated"].unstack()
    if of == "regimes":
        seen = whole.smoothed_marginal_probabilities.iloc[-3:]
        np.testing.assert_allclose(after.iloc[:3][list(seen.columns)], seen, atol=1e-12)
        ahead = whole.get_forecast(2).regime_probabilities
    else:
        ahead = pd.DataFrame(whole.forecast(2))
        if kind != "categorical" and ahead.shape[1] == 1:
            ahead.columns = ["y"]
    np.testing.assert_allclose(after.iloc[3:][list(ahead.columns)], ahead, atol=1e-11)
    before = impacts["previous"].unstack()
    old = short.get_forecast(5)
    due = old.regime_probabilities if of == "regimes" else pd.DataFrame(old.predicted_mean)
    np.testing.assert_allclose(before.to_numpy(), due.to_numpy()[:, : before.shape[1]], atol=1e-11)


def test_each_observation_has_the_impact_of_its_own_step():
    whole = cases.gaussian()
    data = uncoded(whole)
    short = whole.apply(data.iloc[:-2])
    found = short.news(data, start=-1, end=-1)
    row = data.index[-1]
    steps = [
        short.get_forecast(2).regime_probabilities.loc[row, "h2"],
        whole.apply(data.iloc[:-1]).get_forecast(1).regime_probabilities.loc[row, "h2"],
        whole.filtered_marginal_probabilities.loc[row, "h2"],
    ]
    np.testing.assert_allclose(found.frame.xs("h2", level=1)["impact"], np.diff(steps), atol=1e-13)
    expected = [short.forecast(1).iloc[0], whole.apply(data.iloc[:-1]).forecast(1).iloc[0]]
    np.testing.assert_allclose(found.updates["forecast"], expected, atol=1e-12)
    np.testing.assert_allclose(found.updates["observed"], data.iloc[-2:])
    assert "put in, in the order" in str(found.summary())


def test_revisions_and_withdrawals_come_before_news():
    whole = cases.gaussian()
    data = uncoded(whole)
    changed = data.copy()
    changed.iloc[70], changed.iloc[75] = 5.0, np.nan
    found = whole.news(changed, start=72, end=79)
    kinds = found.updates.index.get_level_values("kind")
    assert list(kinds) == ["removed", "revision"]
    due = whole.apply(changed).smoothed_marginal_probabilities.iloc[72:]
    np.testing.assert_allclose(found.impacts["updated"].unstack(), due, atol=1e-12)
    step = data.copy()
    step.iloc[75] = np.nan
    only = whole.apply(step).smoothed_marginal_probabilities.iloc[72:]
    removed = (only - whole.smoothed_marginal_probabilities.iloc[72:]).to_numpy()
    np.testing.assert_allclose(found.impacts["removed"].unstack(), removed, atol=1e-12)


def test_other_estimates_are_a_part_of_their_own():
    whole = cases.gaussian()
    data = uncoded(whole)
    short = whole.apply(data.iloc[:-2])
    values = dict(whole.params) | {"p[h1->h1]": 0.6}
    other = cases.results_at(whole.model, values)
    found = short.news(other)
    due = short.news(whole)
    np.testing.assert_allclose(found.impacts[PARTS[:4]], due.impacts[PARTS[:4]], atol=1e-13)
    now = other.smoothed_marginal_probabilities.iloc[-2:].to_numpy()
    np.testing.assert_allclose(found.impacts["updated"].unstack().iloc[:2], now, atol=1e-12)
    assert found.impacts["parameters"].abs().max() > 1e-3


def test_what_has_no_news_is_refused():
    whole = cases.gaussian()
    data = uncoded(whole)
    later = whole.apply(data.iloc[:50]).extend(data.iloc[50:])
    with pytest.raises(SpecificationError, match="later rows only"):
        later.news(data)
    with pytest.raises(SpecificationError, match="same model"):
        whole.news(cases.poisson())
    with pytest.raises(DataError, match="start at the same row"):
        whole.news(data.iloc[1:])
