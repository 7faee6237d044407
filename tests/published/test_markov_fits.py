"""Published fits of Markov-switching models, reached by ``fit()`` as it comes.

Reference numbers, sources and tolerances are in ``reference/cases.json``, by case. As stated there,
unless a test says otherwise: the log-likelihood is within 1e-4 of the reference (below: a maximum
on the border that is a supremum elsewhere; above: a better optimum, which there is none), a
parameter within 1 % of its standard error, a standard error within 1e-2 of itself. The
log-likelihoods are in fact held to 1e-5: the optimisers behind the references stop within 5e-6.

Regimes are in the order of their means here; the tests say where a source numbers them otherwise.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN, datasets

LLF = 1e-5
# What 20 seeds of a fit may differ by: a maximum is the same point to rounding.
SEEDS_LLF = 1e-6


# --- the models --------------------------------------------------------------------------------


def earthquakes(k_regimes: int, start: str) -> MarkovRNN:
    """Counts of large earthquakes, 1900 to 2006."""
    return MarkovRNN(datasets.earthquakes(), k_regimes=k_regimes, emission="poisson", start=start)


def geyser(start: str) -> MarkovRNN:
    """Long (1) and short (0) eruptions; three minutes count as long."""
    long = (datasets.geyser()["duration"] >= 3).astype(float).rename("long")
    return MarkovRNN(long, k_regimes=2, emission="bernoulli", start=start)


def speed(cases: Any, *, covariate: bool) -> MarkovRNN:
    """Response times and accuracies; the pay-off drives the step that follows its row."""
    data = cases.frame("data/speed_depmixS4.csv")
    data["cor"] = (data["corr"] == "cor").astype(float)
    payoff = data.groupby("series")["Pacc"].shift(1).fillna(0.0)  # no step leads into a first row
    return MarkovRNN(
        data[["rt", "cor"]],
        k_regimes=2,
        emission={"rt": "gaussian", "cor": "bernoulli"},
        exog_transition=payoff if covariate else None,
        start="free",
        groups=data["series"],
    )


def van_drivers() -> MarkovRNN:
    """Van drivers killed, with the seat belt law and a yearly wave."""
    data = datasets.seatbelts()
    t = 2 * np.pi * np.arange(1, 193) / 12
    exog = pd.DataFrame({"law": data["law"], "cos": np.cos(t), "sin": np.sin(t)}, index=data.index)
    return MarkovRNN(data["VanKilled"], exog, k_regimes=2, emission="poisson", start="free")


def gnp() -> MarkovRNN:
    """Hamilton's (1989) growth of real GNP."""
    return MarkovRNN(
        datasets.hamilton()["rgnp_growth"],
        k_regimes=2,
        order=4,
        ar_form="mean",
        switching="trend",
    )


def federal_funds() -> MarkovRNN:
    """Federal funds rate, the mean switches."""
    return MarkovRNN(datasets.fedfunds()["fedfunds"], k_regimes=2, switching="trend")


def absolute_returns() -> MarkovRNN:
    """Absolute returns, everything switches."""
    return MarkovRNN(datasets.areturns(), k_regimes=2, order=1)


def filardo() -> MarkovRNN:
    """Industrial production; the leading indicator a month before drives the transitions."""
    data = datasets.filardo()
    lead = data["dmdlleading"].shift(1).iloc[1:]
    return MarkovRNN(
        data["dlip"].iloc[1:],
        k_regimes=2,
        order=4,
        ar_form="mean",
        switching="trend",
        exog_transition=lead,
    )


# Every model with the height of its best known maximum.
MODELS: dict[str, tuple[Callable[[Any], MarkovRNN], Callable[[Any], float]]] = {
    "H01 m2": (lambda c: earthquakes(2, "stationary"), lambda c: h01(c, "m2")["loglik"]),
    "H01 m3": (lambda c: earthquakes(3, "stationary"), lambda c: h01(c, "m3")["loglik"]),
    "H01 m4": (lambda c: earthquakes(4, "stationary"), lambda c: h01(c, "m4")["loglik"]),
    "H01 m2 free": (lambda c: earthquakes(2, "free"), lambda c: h01(c, None)["m2"]),
    "H01 m3 free": (lambda c: earthquakes(3, "free"), lambda c: h01(c, None)["m3"]),
    "H04": (
        lambda c: geyser("stationary"),
        lambda c: c["H04"]["reference"]["stationary"]["loglik"],
    ),
    "H04 free": (lambda c: geyser("free"), lambda c: c["H04"]["reference"]["free_delta_loglik"]),
    "H07": (
        lambda c: speed(c, covariate=False),
        lambda c: c["H07"]["reference"]["nocov"]["loglik"],
    ),
    "H07 Pacc": (
        lambda c: speed(c, covariate=True),
        lambda c: c["H07"]["reference"]["Pacc"]["loglik"],
    ),
    "H10": (lambda c: van_drivers(), lambda c: c["H10"]["reference"]["loglik"]),
    "M01": (lambda c: gnp(), lambda c: c["M01"]["reference"]["mle"]["loglik_mle"]),
    "M03": (lambda c: federal_funds(), lambda c: c["M03"]["reference"]["loglik"]),
    "M05": (lambda c: absolute_returns(), lambda c: c["M05"]["reference"]["loglik"]),
    "M07": (lambda c: filardo(), lambda c: c["M07"]["reference"]["mle_loglik"]),
}


def h01(cases: Any, regimes: str | None) -> Any:
    """Reference of the earthquakes: a stationary start, or (None) the heights of a free one."""
    reference = cases["H01"]["reference"]
    return reference["free_initial"] if regimes is None else reference["stationary"][regimes]


@cache
def fitted(name: str, cases: Any) -> Any:
    """One default fit a model."""
    return MODELS[name][0](cases).fit()


def agree(theirs: Any, their_se: Any, ours: Any, our_se: Any) -> None:
    """Parameters to 1 % of a standard error (or 1e-3), standard errors to 1e-2."""
    theirs, their_se, ours, our_se = (
        np.asarray(x, dtype=np.float64).ravel() for x in (theirs, their_se, ours, our_se)
    )
    assert (np.abs(ours - theirs) <= np.maximum(1e-2 * their_se, 1e-3)).all()
    np.testing.assert_allclose(our_se / their_se, 1.0, atol=1e-2)


@pytest.mark.parametrize("name", MODELS)
def test_the_best_known_maximum_is_reached(name: str, cases: Any) -> None:
    results = fitted(name, cases)
    assert results.convergence.converged
    assert results.llf == pytest.approx(MODELS[name][1](cases), abs=LLF)


@pytest.mark.parametrize("name", ["H01 m3", "H04", "M03", "M05"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_maximum_does_not_depend_on_the_seed(name: str, seed: int, cases: Any) -> None:
    results = MODELS[name][0](cases).fit(rng=seed)
    assert results.llf == pytest.approx(fitted(name, cases).llf, abs=SEEDS_LLF)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_all_of_twenty_seeds_reach_the_maximum(name: str, cases: Any) -> None:
    make, height = MODELS[name]
    model = make(cases)
    found = [model.fit(rng=seed).llf for seed in range(20)]
    np.testing.assert_allclose(found, height(cases), rtol=0, atol=LLF)


# --- H01 ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("k_regimes", [2, 3, 4])
def test_earthquakes(k_regimes: int, cases: Any) -> None:
    results = fitted(f"H01 m{k_regimes}", cases)
    reference = h01(cases, f"m{k_regimes}")
    atol = 5e-3  # as stated; for two regimes 1 % of a standard error, below
    y = results.model.endog.names[0]
    means = [results.params[f"mean[{y},h{i + 1}]"] for i in range(k_regimes)]
    np.testing.assert_allclose(means, reference["lam"], rtol=0, atol=atol)
    np.testing.assert_allclose(results.transition, reference["Gamma"], rtol=0, atol=atol)
    np.testing.assert_allclose(
        results.stationary_probabilities, reference["delta"], rtol=0, atol=atol
    )
    assert results.aic == pytest.approx(reference["AIC"], abs=2 * LLF)
    assert results.bic == pytest.approx(reference["BIC"], abs=2 * LLF)
    # The references of three and four regimes stop 1e-4 short of the border in parameters.
    states = 1e-5 if k_regimes == 2 else 1e-3
    np.testing.assert_allclose(
        results.smoothed_marginal_probabilities["h1"][:5],
        reference["smoothed_state1_first5"],
        rtol=0,
        atol=states,
    )
    np.testing.assert_allclose(
        results.filtered_marginal_probabilities.iloc[-1],
        reference["filtered_last"],
        rtol=0,
        atol=states,
    )
    path, height = results.viterbi(return_logprob=True)
    assert height == pytest.approx(reference["viterbi_logprob"], abs=1e-2 * k_regimes)
    if k_regimes < 4:
        listed = cases.frame("refs/open/H01_viterbi.csv")[f"m{k_regimes}"]
        assert path.tolist() == [f"h{i}" for i in listed]


def test_standard_errors_of_the_earthquakes(cases: Any) -> None:
    results = fitted("H01 m2", cases)
    reference = h01(cases, "m2")
    names = [f"mean[{results.model.endog.names[0]},h{i}]" for i in (1, 2)]
    se = np.array(reference["se_oim_lam1_lam2_g11_g22"])
    agree(reference["lam"], se[:2], results.params[names], results.bse[names])
    table = results.transition_table()
    stay = [table.xs(("h1", "h1")), table.xs(("h2", "h2"))]
    gamma = np.diag(reference["Gamma"])
    agree(gamma, se[2:], [row.iloc[0] for row in stay], [row.iloc[1] for row in stay])


@pytest.mark.parametrize("k_regimes", [2, 3])
def test_a_free_start_ends_at_a_vertex(k_regimes: int, cases: Any) -> None:
    results = fitted(f"H01 m{k_regimes} free", cases)
    names = [f"start[h{i + 1}]" for i in range(k_regimes - 1)]
    start = np.append(results.params[names], 1.0 - results.params[names].sum())
    np.testing.assert_array_equal(np.sort(start), [0.0] * (k_regimes - 1) + [1.0])
    assert results.bse[names].isna().all()  # on the border
    assert any("start" in words for words in results.convergence.boundary)


# --- H03 ---------------------------------------------------------------------------------------


def test_weather_by_hand(cases: Any) -> None:
    reference = cases["H03"]["reference"]
    done = pd.Series(
        pd.Categorical(["walk", "shop", "clean"], categories=["walk", "shop", "clean"]), name="y"
    )
    fixed = {
        "p[h1->h1]": 0.7,
        "p[h2->h1]": 0.4,
        "prob[y=walk,h1]": 0.1,
        "prob[y=shop,h1]": 0.4,
        "prob[y=walk,h2]": 0.6,
        "prob[y=shop,h2]": 0.3,
    }
    model = MarkovRNN(done, k_regimes=2, emission="categorical", start=[0.6, 0.4], fixed=fixed)
    results = model.fit()
    assert results.llf == pytest.approx(reference["loglik"], abs=1e-12)
    np.testing.assert_allclose(
        results.smoothed_marginal_probabilities, reference["posteriors"], rtol=0, atol=1e-12
    )
    np.testing.assert_allclose(
        results.filtered_marginal_probabilities, reference["filtered"], rtol=0, atol=1e-12
    )
    path, height = results.viterbi(return_logprob=True)
    assert path.tolist() == [f"h{i + 1}" for i in reference["viterbi"]]
    assert np.exp(height) == pytest.approx(reference["viterbi_prob"], abs=1e-12)


# --- H04 ---------------------------------------------------------------------------------------


def test_old_faithful(cases: Any) -> None:
    results = fitted("H04", cases)
    reference = cases["H04"]["reference"]["stationary"]
    order = [1, 0]  # the reference begins with the regime of long eruptions
    chance = [results.params["prob[long,h1]"], results.params["prob[long,h2]"]]
    np.testing.assert_allclose(chance, np.array(reference["p_long"])[order], rtol=0, atol=2e-3)
    gamma = np.array(reference["Gamma"])[np.ix_(order, order)]
    np.testing.assert_allclose(results.transition, gamma, rtol=0, atol=2e-3)
    # ... which lie on the border, exactly
    assert results.params["prob[long,h2]"] == 1.0
    assert results.params["p[h1->h1]"] == 0.0
    assert set(results.convergence.boundary) == {"p[h1->h1] = 0", "prob[long,h2] = 1"}


# --- H07 ---------------------------------------------------------------------------------------


def test_speed_at_given_parameters(cases: Any) -> None:
    reference = cases["H07"]["reference"]
    given = {
        "p[h1->h1]": 0.899,
        "p[h2->h1]": 0.084,
        "start[h1]": 0.0,
        "V[rt,h1]": 5.52,
        "V[rt,h2]": 6.39,
        "obs_cov[rt,rt,h1]": 0.202**2,
        "obs_cov[rt,rt,h2]": 0.24**2,
        "prob[cor,h1]": 0.528,
        "prob[cor,h2]": 0.902,
    }
    llf = speed(cases, covariate=False).loglike(given)
    assert llf == pytest.approx(reference["fixed_loglik"], abs=1e-9)


def test_speed_and_accuracy(cases: Any) -> None:
    results = fitted("H07", cases)
    theirs = cases["H07"]["reference"]["nocov"]["pars"]
    ours = {
        "p[h1->h1]": theirs["3"],
        "p[h2->h1]": theirs["5"],
        "V[rt,h1]": theirs["(Intercept)"],
        "V[rt,h2]": theirs["(Intercept).1"],
        "obs_cov[rt,rt,h1]": theirs["sd"] ** 2,
        "obs_cov[rt,rt,h2]": theirs["sd.1"] ** 2,
        "prob[cor,h1]": theirs["cor"],
        "prob[cor,h2]": theirs["cor.1"],
    }
    names = list(ours)
    gap = (results.params[names] - pd.Series(ours)) / results.bse[names]
    np.testing.assert_allclose(gap, 0.0, atol=1e-2)
    assert results.params["start[h1]"] == 0.0
    listed = cases.frame("refs/open/H07_speed_nocov_smoothed.csv")
    np.testing.assert_allclose(
        results.smoothed_marginal_probabilities["h1"], listed["p_state1_fast"], rtol=0, atol=1e-5
    )


def test_pay_off_drives_the_transitions(cases: Any) -> None:
    results = fitted("H07 Pacc", cases)
    theirs = cases["H07"]["reference"]["Pacc"]  # its first state is the slow one
    column = results.model.exog_transition.names[0]
    names = [
        "W_h[h2->h1]",
        f"W_x[h2->h1,{column}]",
        "W_h[h1->h1]",
        f"W_x[h1->h1,{column}]",
        "V[rt,h2]",
        "V[rt,h1]",
    ]
    se = np.array(theirs["se_of_q"])
    agree(theirs["q"][:6], se[:6], results.params[names], results.bse[names])
    # standard deviations by their logs, accuracies by their logits
    variances = ["obs_cov[rt,rt,h2]", "obs_cov[rt,rt,h1]"]
    value = results.params[variances]
    agree(theirs["q"][6:8], se[6:8], 0.5 * np.log(value), 0.5 * results.bse[variances] / value)
    chances = ["prob[cor,h2]", "prob[cor,h1]"]
    value = results.params[chances]
    spread = value * (1.0 - value)
    agree(theirs["q"][8:], se[8:], np.log(value / (1.0 - value)), results.bse[chances] / spread)
    np.testing.assert_allclose(
        results.smoothed_marginal_probabilities[["h2", "h1"]][:5],
        theirs["smoothed_first5"],
        rtol=0,
        atol=1e-5,
    )


# --- H10 ---------------------------------------------------------------------------------------


def test_van_drivers(cases: Any) -> None:
    results = fitted("H10", cases)
    reference = cases["H10"]["reference"]
    assert results.params["start[h1]"] == 0.0
    assert results.params["p[h1->h1]"] == 1.0  # absorbing
    assert results.params["p[h2->h1]"] == pytest.approx(reference["g21"], abs=5e-3)
    for regime, theirs in zip(("h1", "h2"), reference["beta"], strict=True):
        names = [f"V[VanKilled,{regime}]"]
        names += [f"D[VanKilled,{x},{regime}]" for x in ("law", "cos", "sin")]
        known = [0, 1, 2, 3] if regime == "h1" else [0, 2, 3]  # no row with the law is in h2
        ours = results.params[names].to_numpy()[known]
        np.testing.assert_allclose(ours, np.array(theirs)[known], rtol=0, atol=5e-3)
    first = int(np.argmax(results.smoothed_marginal_probabilities["h1"].to_numpy() > 0.5)) + 1
    assert first == reference["first_t_prob_state1_gt_half"]


def test_one_regime_is_a_poisson_regression(cases: Any) -> None:
    reference = cases["H10"]["reference"]
    two = van_drivers()
    one = MarkovRNN(two.endog, two.exog, k_regimes=1, emission="poisson").fit()
    assert one.llf == pytest.approx(reference["one_state_loglik"], abs=1e-6)
    ours = one.params.filter(regex=r"^(V|b_y|D)\[")
    np.testing.assert_allclose(ours, reference["one_state_beta"], rtol=0, atol=1e-6)


# --- M -----------------------------------------------------------------------------------------


def test_business_cycles(cases: Any) -> None:
    results = fitted("M01", cases)
    reference = cases["M01"]["reference"]["mle"]
    theirs, se = reference["params"], reference["se"]
    y = "rgnp_growth"
    ours = {
        "p[h1->h1]": ("p00", None),
        "p[h2->h1]": ("p10", None),
        f"V[{y},h1]": ("mu0", None),
        f"V[{y},h2]": ("mu1", None),
        **{f"ar{i + 1}[{y},{y}]": ("ar", i) for i in range(4)},
        f"obs_cov[{y},{y}]": ("sigma2", None),
    }

    def pick(source: dict[str, Any]) -> list[float]:
        return [source[k] if i is None else source[k][i] for k, i in ours.values()]

    agree(pick(theirs), pick(se), results.params[list(ours)], results.bse[list(ours)])
    np.testing.assert_allclose(
        results.expected_durations, reference["expected_durations"], rtol=1e-4
    )
    listed = cases.frame("refs/open/M01_hamilton_ar4.csv").set_index("row")
    rows = listed.index - 1  # counted from one
    filtered = results.filtered_marginal_probabilities["h2"].iloc[rows]
    smoothed = results.smoothed_marginal_probabilities["h2"].iloc[rows]
    # printed with six digits
    np.testing.assert_allclose(filtered, listed["filtered_expansion"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(smoothed, listed["smoothed_expansion"], rtol=0, atol=1e-5)
    assert results.filtered_marginal_probabilities.iloc[:4].isna().all(axis=None)


def test_federal_funds_rate(cases: Any) -> None:
    results = fitted("M03", cases)
    reference = cases["M03"]["reference"]
    y = "fedfunds"
    names = ["p[h1->h1]", "p[h2->h1]", f"V[{y},h1]", f"V[{y},h2]", f"obs_cov[{y},{y}]"]
    agree(reference["params"], reference["se"], results.params[names], results.bse[names])
    listed = cases.frame("refs/open/M03_stata_fedfunds_const.csv")
    for kind, column in (("predicted", "p"), ("filtered", "f"), ("smoothed", "sm")):
        ours = getattr(results, f"{kind}_marginal_probabilities")
        theirs = listed[[f"const_{column}1", f"const_{column}2"]]
        # Stata prints seven digits of numbers that its optimiser leaves within 1e-6
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=2e-6)
    np.testing.assert_allclose(results.fittedvalues, listed["const_pyhat"], rtol=0, atol=1e-5)


def test_absolute_returns(cases: Any) -> None:
    results = fitted("M05", cases)
    reference = cases["M05"]["reference"]
    y = results.model.endog.names[0]
    names = ["p[h1->h1]", "p[h2->h1]", f"V[{y},h1]", f"V[{y},h2]"]
    names += [f"ar1[{y},{y},h1]", f"ar1[{y},{y},h2]"]
    names += [f"obs_cov[{y},{y},h1]", f"obs_cov[{y},{y},h2]"]
    agree(reference["params"], reference["se"], results.params[names], results.bse[names])


def test_leading_indicator_drives_the_transitions(cases: Any) -> None:
    results = fitted("M07", cases)
    reference = cases["M07"]["reference"]
    y, x = "dlip", results.model.exog_transition.names[0]
    # Their state 0 is the expansion, ours h2, and the log odds are those of going there; so are
    # ours with the sign changed.
    names = ["W_h[h2->h1]", "W_h[h1->h1]", f"W_x[h2->h1,{x}]", f"W_x[h1->h1,{x}]"]
    sign = np.r_[-np.ones(4), np.ones(7)]
    names += [f"V[{y},h2]", f"V[{y},h1]", f"obs_cov[{y},{y}]"]
    names += [f"ar{i + 1}[{y},{y}]" for i in range(4)]
    agree(
        np.array(reference["params"]) * sign,
        reference["se"],
        results.params[names],
        results.bse[names],
    )
    listed = cases.frame("data/filardo_eviews.csv").iloc[1:]
    known = listed["filtered_0"].notna().to_numpy()
    # where EViews stopped, to the digits it prints (statsmodels has our numbers to 1e-14) ...
    model = results.model
    there = pd.Series(np.array(reference["params"]) * sign, index=names)
    found = {
        "filtered": model.filter(there).filtered,
        "smoothed": model.smooth(there).smoothed,
    }
    for kind, ours in found.items():
        theirs = listed.loc[known, f"{kind}_0"]
        np.testing.assert_allclose(ours["h2"][known], theirs, rtol=0, atol=2e-5)
        # ... and at the maximum
        ours = getattr(results, f"{kind}_marginal_probabilities")["h2"]
        np.testing.assert_allclose(ours[known], theirs, rtol=0, atol=3e-5)
    matrices = results.transition
    into = matrices["h2"].unstack()
    for regime, column in (("h2", "transition_00"), ("h1", "transition_10")):
        ours = into[regime].to_numpy()[known]
        np.testing.assert_allclose(ours, listed.loc[known, column], rtol=0, atol=3e-5)
