"""News: parts of a revision sum to it, each is weight times surprise, totals are exact."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series
from results.responses.test_history import natural

from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.linear import LinearRNN
from rnnstats.results.linear import LinearResults

FULL, INPUTS = series(90, 2, 1, gaps=((4, 0), (20, 1)))
PARTS = ["inputs", "removed", "revisions", "news", "parameters"]
CASES = {
    "innovations": {"k_states": 2},
    "innovations, diffuse": {"k_states": 3, "initial": "diffuse"},
    "leaky": {"form": "leaky", "k_states": 1, "exog_enters": "both"},
    "noisy autoregression": {"initial": "diffuse", "trend": "ct"},
}
# Estimates are linear in the data; what is left is rounding of a few hundred steps.
EXACT = {"rtol": 0, "atol": 1e-10}


def old_and_new():
    """A ragged edge that fills, one revised value, one withdrawn."""
    old, new = FULL.iloc[:80].copy(), FULL.iloc[:83].copy()
    old.iloc[78:, 1] = np.nan
    old.iloc[10, 0] += 1.0
    new.iloc[82, 1] = np.nan
    new.iloc[79, 0] += 0.5
    new.iloc[77, 1] = np.nan
    return old, new


def build(case, endog, exog):
    kind = NoisyAR if case.startswith("noisy") else LinearRNN
    model = kind(endog, exog, **CASES[case])
    return LinearResults.from_fit(model, natural(model.param_names), cov_type="none")


@pytest.fixture(scope="module", params=list(CASES))
def both(request):
    old, new = old_and_new()
    return build(request.param, old, INPUTS[:80]), new


@pytest.mark.parametrize("of", ["outputs", "states"])
def test_parts_sum_and_details_are_the_parts(both, of):
    res, new = both
    found = res.news(new, exog=INPUTS[80:85], start=60, end=84, of=of)
    impacts = found.impacts
    names = res.model.endog.names if of == "outputs" else res.model.state_names
    assert impacts.index.names == ["date", "target"]
    assert list(dict.fromkeys(impacts.index.get_level_values(1))) == list(names)
    np.testing.assert_allclose(impacts[PARTS].sum(axis=1), impacts["total"], **EXACT)
    np.testing.assert_allclose(impacts["updated"] - impacts["previous"], impacts["total"], **EXACT)
    assert (impacts[["inputs", "parameters"]] == 0).all(axis=None)
    frame = found.frame
    assert frame.index.names == ["target date", "target", "kind", "date", "variable"]
    np.testing.assert_allclose(frame["impact"], frame["weight"] * frame["news"], **EXACT)
    kinds = {"news": "news", "revision": "revisions", "removed": "removed"}
    for kind, column in kinds.items():
        part = frame.xs(kind, level="kind")["impact"].groupby(level=[0, 1]).sum()
        # an independent way to the same: estimates from data with one kind of change after another
        np.testing.assert_allclose(part, impacts[column].sort_index(), **EXACT)
        assert part.abs().max() > 1e-3


def test_estimates_are_those_of_the_two_results(both):
    res, new = both
    impacts = res.news(new, exog=INPUTS[80:85], start=79, end=84).impacts
    later = res.apply(new, INPUTS[:83])
    outlook = later.forecast(2, INPUTS[83:85])
    for name in ("cpi", "gdp"):
        part = impacts.xs(name, level=1)
        np.testing.assert_allclose(part["updated"].iloc[-2:], outlook[name], **EXACT)
        before = res.forecast(5, INPUTS[80:85])[name]
        np.testing.assert_allclose(part["previous"].iloc[1:], before, **EXACT)
        observed = new[name].iloc[79:].dropna()
        np.testing.assert_allclose(part["updated"][observed.index], observed, **EXACT)
    states = res.news(new, exog=INPUTS[80:83], start=0, end=82, of="states").impacts["updated"]
    np.testing.assert_allclose(states.unstack(), later.smoothed_state, **EXACT)


def test_updates_say_what_was_expected(both):
    res, new = both
    updates = res.news(new, exog=INPUTS[80:84]).updates
    assert updates.index.names == ["kind", "date", "variable"]
    news = updates.loc["news"]
    assert len(news) == 3 + 2 + 2
    np.testing.assert_allclose(news["observed"] - news["forecast"], news["news"], **EXACT)
    revised = updates.loc["revision"]
    assert [name for _, name in revised.index] == ["cpi", "cpi"]
    np.testing.assert_allclose(revised["news"], [-1.0, 0.5], **EXACT)
    removed = updates.loc["removed"]
    assert removed["observed"].isna().all()
    assert str(removed.index[0][0]) == "2009Q2"
    # forecasts of the new values: from the revised data without them
    known = new.copy()
    old = old_and_new()[0]
    known[known.index[:83].isin(old.index[:80])] = new.iloc[:80].where(old.notna())
    known.iloc[80:] = np.nan
    expected = res.apply(known.iloc[:80], INPUTS[:80]).forecast(3, INPUTS[80:83])
    for name in ("cpi", "gdp"):
        part = news.xs(name, level=1)["forecast"]
        ahead = part[part.index > old.index[-1]]
        np.testing.assert_allclose(ahead, expected[name].loc[ahead.index], **EXACT)


def test_weights_are_what_one_more_unit_does(both):
    res, new = both
    found = res.news(new, exog=INPUTS[80:85], start=84, end=84).frame
    moved = new.copy()
    moved.iloc[81, 0] += 1.0
    one = res.news(moved, exog=INPUTS[80:85], start=84, end=84).impacts["updated"]
    base = res.news(new, exog=INPUTS[80:85], start=84, end=84).impacts["updated"]
    date = new.index[81]
    weight = found.xs((date, "cpi"), level=["date", "variable"])["weight"].to_numpy()
    np.testing.assert_allclose((one - base).to_numpy(), weight, **EXACT)


def test_parameters_and_inputs_have_parts():
    old, new = old_and_new()
    res = build("leaky", old, INPUTS[:80])
    inputs = INPUTS[:83].copy()
    inputs.iloc[79] += 2.0
    other = LinearRNN(new, inputs, **CASES["leaky"])
    theta = res.params.to_numpy() * 1.05
    later = LinearResults.from_fit(other, theta, cov_type="none")
    found = res.news(later, exog=INPUTS[83:85], end=84)
    impacts = found.impacts
    np.testing.assert_allclose(impacts[PARTS].sum(axis=1), impacts["total"], **EXACT)
    assert (impacts[PARTS].abs().max() > 1e-3).all()
    outlook = later.forecast(2, INPUTS[83:85])
    np.testing.assert_allclose(impacts["updated"].unstack().iloc[-2:], outlook, **EXACT)
    # the same estimates: no part for them
    same = res.news(res.apply(new, inputs), exog=INPUTS[83:85], end=84).impacts
    assert (same["parameters"] == 0).all()
    pd.testing.assert_frame_equal(
        same[["inputs", "removed", "revisions", "news"]],
        impacts[["inputs", "removed", "revisions", "news"]],
    )


def test_nothing_new_is_no_news():
    old, _ = old_and_new()
    res = build("innovations", old, INPUTS[:80])
    found = res.news(old, exog=INPUTS[80:82], end=81)
    assert (found.impacts["total"] == 0).all()
    assert len(found.frame) == len(found.updates) == 0
    assert list(found.frame.columns) == ["observed", "forecast", "news", "weight", "impact"]
    assert "Revision of estimates" in str(found)


def test_default_rows_and_kinds_of_data():
    endog = series(60)[0]
    res = LinearRNN(endog.iloc[:50], k_states=1)
    res = LinearResults.from_fit(res, natural(res.param_names), cov_type="none")
    found = res.news(endog.iloc[:53])
    dates = found.impacts.index.get_level_values(0)
    pd.testing.assert_index_equal(pd.Index(dates), endog.index[50:54], check_names=False)
    array = res.news(endog.iloc[:53].to_numpy())
    pd.testing.assert_frame_equal(array.impacts, found.impacts)
    filled = endog.iloc[:50].copy()
    filled.iloc[49] = np.nan
    short = res.apply(filled).news(endog.iloc[:50])
    assert list(short.impacts.index.get_level_values(0)) == list(endog.index[49:51])
    plain = LinearRNN(endog.to_numpy()[:50], k_states=1)
    plain = LinearResults.from_fit(plain, natural(plain.param_names), cov_type="none")
    numbers = plain.news(endog.to_numpy()[:53])
    np.testing.assert_allclose(numbers.impacts, found.impacts, **EXACT)
    assert list(numbers.impacts.index.get_level_values(0)) == [50, 51, 52, 53]
    # fewer rows than before: the last ones are withdrawn
    fewer = res.news(endog.iloc[:48], start=47, end=50)
    assert set(fewer.updates.index.get_level_values(0)) == {"removed"}
    np.testing.assert_allclose(
        fewer.impacts["updated"].iloc[-3:], res.apply(endog.iloc[:48]).forecast(3), **EXACT
    )


def test_later_rows_follow_the_same_earlier_ones():
    old, new = old_and_new()
    res = build("innovations", old.iloc[:60], INPUTS[:60])
    whole = res.append(old.iloc[60:], INPUTS[60:80])
    later = res.extend(old.iloc[60:], INPUTS[60:80])
    data = new.copy()
    data.iloc[:60] = old.iloc[:60]
    first = whole.news(data, exog=INPUTS[80:84])
    second = later.news(data.iloc[60:], exog=INPUTS[80:84])
    pd.testing.assert_frame_equal(first.impacts, second.impacts, atol=1e-10)
    pd.testing.assert_frame_equal(first.frame, second.frame, atol=1e-10)


def test_columns_by_name():
    old, new = old_and_new()
    res = build("innovations", old, INPUTS[:80])
    pd.testing.assert_frame_equal(
        res.news(new[["gdp", "cpi"]], exog=INPUTS[80:84]).impacts,
        res.news(new, exog=INPUTS[80:84]).impacts,
    )


def test_what_is_refused():
    old, new = old_and_new()
    res = build("innovations", old, INPUTS[:80])
    with pytest.raises(DataError, match="must have the outputs cpi, gdp; got cpi, gnp"):
        res.news(new.rename(columns={"gdp": "gnp"}), exog=INPUTS[80:84])
    with pytest.raises(DataError, match="must start at the same row"):
        res.news(new.iloc[1:], exog=INPUTS[80:85])
    with pytest.raises(DataError, match="exog must give 'x0'"):
        res.news(new)
    with pytest.raises(SpecificationError, match="of must be one of"):
        res.news(new, exog=INPUTS[80:84], of="other")
    with pytest.raises(SpecificationError, match="end must not lie before start"):
        res.news(new, exog=INPUTS[80:84], start=60, end=50)
    other = LinearRNN(new, INPUTS[:83], k_states=3)
    later = LinearResults.from_fit(other, natural(other.param_names), cov_type="none")
    with pytest.raises(SpecificationError, match="of the same model"):
        res.news(later)
    extended = res.extend(FULL.iloc[80:85], INPUTS[80:85])
    with pytest.raises(SpecificationError, match="results of later rows only"):
        res.news(extended)
    bare = LinearRNN(old, k_states=2)
    bare = LinearResults.from_fit(bare, natural(bare.param_names), cov_type="none")
    with pytest.raises(SpecificationError, match="the model has no inputs"):
        bare.news(new, exog=INPUTS[80:84])
