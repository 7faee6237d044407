"""Two regimes in DNA: recovery on a drawn sequence, and the segments of phage lambda."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN, datasets

BASES = np.array(list("ACGT"))
# islands rich in C and G in a background poor in them (Durbin et al. 1998, ch. 3, in the small)
EMISSION = np.array([[0.31, 0.19, 0.20, 0.30], [0.17, 0.34, 0.33, 0.16]])
TRANSITION = np.array([[0.998, 0.002], [0.005, 0.995]])


def drawn(nobs: int, seed: int) -> tuple[pd.Series, np.ndarray]:
    rng = np.random.default_rng(seed)
    path = np.zeros(nobs, dtype=int)
    for t in range(1, nobs):
        path[t] = path[t - 1] if rng.random() < TRANSITION[path[t - 1]].max() else 1 - path[t - 1]
    steps = EMISSION.cumsum(axis=1)
    code = (rng.random(nobs)[:, None] > steps[path]).sum(axis=1)
    return pd.Series(BASES[code], name="base"), path


def shares(results) -> np.ndarray:
    """Emission probabilities, shape (2, 4), with the implied ones."""
    table = np.array([[results.params[f"prob[base={b},h{k}]"] for b in "ACG"] for k in (1, 2)])
    return np.column_stack([table, 1.0 - table.sum(axis=1)])


@pytest.fixture(scope="module")
def phage():
    return MarkovRNN(datasets.phage_lambda(), k_regimes=2, emission="categorical").fit()


def test_islands_are_recovered_from_a_drawn_sequence():
    bases, path = drawn(20_000, 4)
    results = MarkovRNN(bases, k_regimes=2, emission="categorical").fit()
    found = shares(results)
    rich = int(found[:, 1].argmax())
    order = [1 - rich, rich]
    # four standard errors of estimates that nearly know the regimes: 0.004 and 0.007
    np.testing.assert_allclose(found[order], EMISSION, atol=0.03)
    errors = results.bse.filter(like="prob[")
    assert (errors < 0.01).all()
    matrix = results.transition.to_numpy()[np.ix_(order, order)]
    # some 60 steps each way: a standard deviation of one eighth
    assert matrix[0, 1] == pytest.approx(TRANSITION[0, 1], rel=0.5)
    assert matrix[1, 0] == pytest.approx(TRANSITION[1, 0], rel=0.5)
    smoothed = results.smoothed_marginal_probabilities.iloc[:, rich].to_numpy()
    filtered = results.filtered_marginal_probabilities.iloc[:, rich].to_numpy()
    wrong = [np.mean((p > 0.5) != path) for p in (filtered, smoothed)]
    assert wrong[1] < wrong[0] < min(path.mean(), 1 - path.mean())
    viterbi = (results.viterbi() == f"h{rich + 1}").to_numpy()
    assert np.mean(viterbi != path) < 0.12


def test_the_genome_of_phage_lambda_falls_into_its_known_segments(phage):
    # scipy's BFGS and Nelder-Mead on the forward algorithm, three starts: the same point each time
    assert phage.llf == pytest.approx(-66678.908620661, abs=1e-4)
    found = shares(phage)
    rich = int(found[:, 2].argmax())
    np.testing.assert_allclose(found[rich], [0.24635, 0.24755, 0.29829, 0.20781], atol=2e-5)
    np.testing.assert_allclose(found[1 - rich], [0.26973, 0.20845, 0.19835, 0.32346], atol=2e-5)
    names = phage.viterbi()
    steps = names.index[1:][names.to_numpy()[1:] != names.to_numpy()[:-1]]
    # Churchill (1989): the left arm is rich in G and C, the middle is not; shorter pieces follow
    assert names[10_000] == f"h{rich + 1}"
    assert names[25_000] == f"h{2 - rich}"
    assert np.abs(steps.to_numpy() - 22_500).min() < 100
    assert 4 <= len(steps) <= 10


def test_one_regime_more_is_wanted_and_one_is_refused(phage):
    bases = datasets.phage_lambda()
    share = bases.value_counts(normalize=True)
    plain = float((share * np.log(share)).sum() * len(bases))
    assert phage.llf - plain > 500
    assert phage.bic < -2 * plain + 3 * np.log(len(bases))
