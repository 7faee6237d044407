"""Models with regimes from the numbers of hidden Markov models."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from rnnstats import datasets
from rnnstats.equivalence import hmm
from rnnstats.errors import DataError, SpecificationError
from rnnstats.models.markov import MarkovRNN

MATRIX = [[0.9, 0.1], [0.2, 0.8]]


def test_published_numbers():
    """Earthquakes (Zucchini and MacDonald): the likelihood of the book's two regimes."""
    delta = [0.6608225142227659, 0.33917748577723417]
    matrix = [[0.9340406546137697, 0.06595934538623034], [0.12850917965481917, 0.8714908203451808]]
    rates = {"mean": [15.472277034628368, 26.125438509079775]}
    quakes = datasets.earthquakes()
    for start in (None, delta):
        made = MarkovRNN.from_hmm(matrix, rates, start, quakes, emission="poisson")
        assert made.model.loglike(made.params) == pytest.approx(-342.31826678805885, abs=1e-9)


def test_weather_by_hand():
    """Wikipedia's rainy and sunny days: probability 0.033612 of walk, shop, clean."""
    table = [[0.1, 0.4, 0.5], [0.6, 0.3, 0.1]]
    made = MarkovRNN.from_hmm(
        [[0.7, 0.3], [0.4, 0.6]], {"prob": table}, [0.6, 0.4],
        pd.Series(["walk", "shop", "clean"], name="did"),
        emission={"family": "categorical", "levels": ["walk", "shop", "clean"]},
    )  # fmt: skip
    assert np.exp(made.model.loglike(made.params)) == pytest.approx(0.033612, abs=1e-12)
    assert made.params["prob[did=shop,h2]"] == 0.3


def mixture(y, density, start=(2 / 3, 1 / 3)):
    """Likelihood by the forward recursion as in a textbook."""
    belief, total = np.array(start), 0.0
    for t, value in enumerate(y):
        belief = belief if t == 0 else belief @ np.array(MATRIX)
        joint = belief * density(value)
        total += np.log(joint.sum())
        belief = joint / joint.sum()
    return total


SHORT = {
    "gaussian": (
        {"mean": [0.0, 3.0], "cov": [1.0, 2.0]},
        [0.3, 2.9, 4.0, -1.0],
        lambda v: stats.norm.pdf(v, [0.0, 3.0], np.sqrt([1.0, 2.0])),
    ),
    "student-t": (
        {"mean": [0.0, 3.0], "scale2": [1.0, 2.0], "df": [4.0, 7.0]},
        [0.3, 2.9, 4.0, -1.0],
        lambda v: stats.t.pdf(v, [4.0, 7.0], [0.0, 3.0], np.sqrt([1.0, 2.0])),
    ),
    "negative-binomial": (
        {"mean": [2.0, 9.0], "dispersion": [0.5, 0.2]},
        [1.0, 4.0, 12.0, 0.0],
        lambda v: stats.nbinom.pmf(v, [2.0, 5.0], [0.5, 5.0 / 14.0]),
    ),
    "bernoulli": (
        {"prob": [0.2, 0.9]},
        [0.0, 1.0, 1.0, 0.0],
        lambda v: np.where(v, [0.2, 0.9], [0.8, 0.1]),
    ),
    "gamma": (
        {"mean": [1.0, 4.0], "shape": [2.0, 3.0]},
        [0.3, 2.9, 4.0, 1.0],
        lambda v: stats.gamma.pdf(v, [2.0, 3.0], scale=[0.5, 4.0 / 3.0]),
    ),
}  # fmt: skip


@pytest.mark.parametrize("family", list(SHORT))
def test_short_names(family):
    short, y, density = SHORT[family]
    made = MarkovRNN.from_hmm(MATRIX, short, None, y * 4, emission=family)
    assert made.model.loglike(made.params) == pytest.approx(mixture(y * 4, density), rel=1e-12)


def test_jointly_normal_columns_and_labelled_tables():
    mean = np.array([[0.0, 1.0], [3.0, -1.0]])
    cov = np.array([[[1.0, 0.3], [0.3, 2.0]], [[2.0, -0.5], [-0.5, 1.0]]])
    y = pd.DataFrame(np.random.default_rng(0).normal(size=(12, 2)), columns=["a", "b"])
    one = MarkovRNN.from_hmm(MATRIX, {"mean": mean, "cov": cov}, None, y)
    laws = [stats.multivariate_normal(mean[s], cov[s]) for s in range(2)]
    due = mixture(y.to_numpy(), lambda v: np.array([law.pdf(v) for law in laws]))
    assert one.model.loglike(one.params) == pytest.approx(due, rel=1e-12)
    table = pd.DataFrame(
        {"V[a]": mean[:, 0], "V[b]": mean[:, 1], "obs_cov[a,a]": cov[:, 0, 0],
         "obs_cov[a,b]": cov[:, 0, 1], "obs_cov[b,b]": cov[:, 1, 1]},
        index=["h1", "h2"],
    )  # fmt: skip
    two = MarkovRNN.from_hmm(MATRIX, table, None, y)  # the pair of a covariance in either order
    pd.testing.assert_series_equal(two.params, one.params)
    apart = MarkovRNN.from_hmm(
        MATRIX, {"mean": mean, "cov": cov[:, [0, 1], [0, 1]]}, None, y, emission="gaussian-diagonal"
    )
    assert apart.params["obs_cov[b,b,h2]"] == 1.0


def test_autoregressions_read_their_order_from_the_names():
    table = {"V[y]": [0.0, 1.0], "ar1[y,y]": 0.5, "ar2[y,y]": [0.1, -0.2], "obs_cov[y,y]": 1.0}
    y = np.random.default_rng(1).normal(size=20)
    made = MarkovRNN.from_hmm(MATRIX, table, None, y, ar_form="mean", switching=("trend", "ar"))
    assert (made.model.order, made.model.ar_form) == (2, "mean")
    assert list(made.params.index) == [
        "p[h1->h1]", "p[h2->h1]", "V[y,h1]", "V[y,h2]", "ar1[y,y,h1]", "ar1[y,y,h2]",
        "ar2[y,y,h1]", "ar2[y,y,h2]", "obs_cov[y,y]",
    ]  # fmt: skip
    assert np.isfinite(made.model.loglike(made.params))


def test_zero_probabilities_and_driven_transitions():
    left_to_right = [[0.8, 0.2, 0.0], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]]
    made = MarkovRNN.from_hmm(
        left_to_right, {"mean": [1.0, 4.0, 9.0]}, [1.0, 0.0, 0.0], emission="poisson"
    )
    draws = made.model.simulate(made.params, 12, rng=0)
    assert np.isfinite(draws).all()
    found = made.model.system(made.params).transition
    np.testing.assert_allclose(found, left_to_right, rtol=0, atol=1e-15)  # one entry is implied
    assert [found[1, 0], found[2, 0], found[2, 1]] == [0.0, 0.0, 0.0]
    net = hmm.to_rnn(
        MATRIX, [0.5, 0.5], hmm.gaussian([0.0, 1.0], [1.0, 1.0]),
        W_x=np.random.default_rng(2).normal(size=(2, 2, 1)), exog_transition_names=("spread",),
    )  # fmt: skip
    y, x = np.random.default_rng(3).normal(size=(2, 25))
    driven = MarkovRNN.from_hmm(net, endog=y, exog_transition=pd.DataFrame({"spread": x}))
    run = net.belief(y, exog_transition=x)
    assert driven.model.loglike(driven.params) == pytest.approx(run.llf, rel=1e-12)
    with pytest.raises(DataError, match="exog_transition must hold the inputs spread"):
        MarkovRNN.from_hmm(net, endog=y)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: MarkovRNN.from_hmm([[1.0, 0.0]], {"mean": [1, 2]}), "square matrix"),
        (lambda: MarkovRNN.from_hmm([[0.5, 0.6], [0.5, 0.5]], {"mean": [1, 2]}), "distribution"),
        (lambda: MarkovRNN.from_hmm(MATRIX), "parameters must be a table or a mapping"),
        (lambda: MarkovRNN.from_hmm(MATRIX, {"mean": [1, 2]}), "takes mean, cov; got mean"),
        (lambda: MarkovRNN.from_hmm(MATRIX, {"mean": [1, 2, 3], "cov": [1, 1]}), "mean must hold"),
        (
            lambda: MarkovRNN.from_hmm(MATRIX, {"V[y]": [1, 2]}),
            r"parameters must hold obs_cov\[y,y\]",
        ),
        (
            lambda: MarkovRNN.from_hmm(
                MATRIX, {"V[y]": [1, 2], "obs_cov[y,y]": [1, 2]}, switching="trend"
            ),
            "must be the same in every regime",
        ),
        (
            lambda: MarkovRNN.from_hmm(MATRIX, {"V[y]": [1, 2], "obs_cov[y,y]": 1, "df[y]": 5}),
            "'df.y.', which it does not have",
        ),
        (
            lambda: MarkovRNN.from_hmm(
                hmm.to_rnn(MATRIX, None, [[0.5, 0.5], [0.1, 0.9]]), {"mean": [1, 2]}
            ),
            "holds all parameters",
        ),
        (lambda: MarkovRNN.from_hmm(hmm.to_rnn(MATRIX)), "must have readouts"),
        (
            lambda: MarkovRNN.from_hmm(
                MATRIX, {"mean": [1, 2], "cov": [1, 1]}, exog=np.zeros((3, 1)), endog=np.zeros(3)
            ),
            "exog needs coefficients",
        ),
    ],
)
def test_refusals(call, words):
    with pytest.raises(SpecificationError, match=words):
        call()


class Fitted:
    """What a fitted model of hmmlearn has."""

    def __init__(self, **attributes):
        self.transmat_, self.startprob_ = np.array(MATRIX), np.array([0.6, 0.4])
        for name, value in attributes.items():
            setattr(self, name, np.array(value))


@pytest.mark.parametrize(
    ("attributes", "start"),
    [
        ({"means_": [[0.0, 1.0], [2.0, 3.0]], "covars_": [np.eye(2), 2 * np.eye(2)]}, "V[y1,h1]"),
        ({"lambdas_": [[1.0, 2.0], [3.0, 4.0]]}, "mean[y1,h1]"),
        ({"emissionprob_": [[0.1, 0.9], [0.7, 0.3]]}, "prob[y=0,h1]"),
    ],
)
def test_attributes_of_hmmlearn(attributes, start):
    made = MarkovRNN.from_hmm(Fitted(**attributes))
    assert made.params.index[2] == start
    np.testing.assert_array_equal(made.model.start, [0.6, 0.4])


def test_mixtures_of_hmmlearn_are_refused():
    with pytest.raises(SpecificationError, match="got a mixture"):
        MarkovRNN.from_hmm(Fitted(weights_=np.ones((2, 2)), means_=np.ones((2, 2, 1))))
    with pytest.raises(SpecificationError, match="must have means_ and covars_"):
        MarkovRNN.from_hmm(Fitted())


@pytest.mark.crosspkg
def test_against_hmmlearn():
    package = pytest.importorskip("hmmlearn.hmm")
    rng = np.random.default_rng(5)
    y = rng.normal(size=(40, 2))
    for kind in ("full", "diag", "tied", "spherical"):
        theirs = package.GaussianHMM(2, covariance_type=kind, n_iter=3, random_state=0).fit(y)
        made = MarkovRNN.from_hmm(theirs, endog=y)
        assert made.model.loglike(made.params) == pytest.approx(theirs.score(y), rel=1e-10)


def _theirs():
    import statsmodels.api as sm

    rng = np.random.default_rng(0)
    y = pd.Series(rng.normal(size=60) + 3.0 * (np.arange(60) // 15 % 2), name="y")
    x = pd.DataFrame({"x": rng.normal(size=60)})
    z = pd.DataFrame({"const": 1.0, "z": rng.normal(size=60)})
    switching, lagged = sm.tsa.MarkovRegression, sm.tsa.MarkovAutoregression
    return {
        "regression": switching(y, 2, exog=x, switching_exog=False, switching_variance=True),
        "three regimes": switching(y, 3),
        "trend": switching(y, 2, trend="ct"),
        "autoregression": lagged(y, 2, order=2, switching_ar=False),
        "driven": lagged(y, 2, order=1, exog=x, switching_ar=True, exog_tvtp=z),
    }


@pytest.mark.parametrize(
    "name", ["regression", "three regimes", "trend", "autoregression", "driven"]
)
def test_from_statsmodels(name):
    """Likelihood and smoothed probabilities of the same numbers, in the same order of regimes."""
    theirs = _theirs()[name]
    params = theirs.start_params + 0.01 * np.arange(theirs.k_params) / theirs.k_params
    results = theirs.smooth(params)
    made = MarkovRNN.from_statsmodels(results)
    assert made.model.loglike(made.params) == pytest.approx(results.llf, rel=1e-9)
    ours = made.model.smooth(made.params).smoothed.dropna().to_numpy()
    other = np.asarray(results.smoothed_marginal_probabilities)
    np.testing.assert_allclose(ours, other, rtol=0, atol=1e-8)
    assert made.model.endog.names == ("y",)


def test_statsmodels_refusals():
    import statsmodels.api as sm

    with pytest.raises(
        SpecificationError, match="MarkovRegression or MarkovAutoregression; got int"
    ):
        MarkovRNN.from_statsmodels(3)
    y = np.random.default_rng(0).normal(size=30)
    model = sm.tsa.MarkovRegression(y, 2, trend="t")
    with pytest.raises(SpecificationError, match="got trend='t'"):
        MarkovRNN.from_statsmodels(model.filter(model.start_params))
    model = sm.tsa.MarkovRegression(y, 2, exog_tvtp=y[:, None])
    with pytest.raises(SpecificationError, match="one constant column; got 0"):
        MarkovRNN.from_statsmodels(model.filter(model.start_params))
