"""Standard errors and forecast intervals do what they promise in repeated samples.

The default run draws few samples, the slow one as many as make the Monte-Carlo error small. All
tolerances are four Monte-Carlo standard errors, and beside them what a sample of this length costs:

- A root phi estimated with mean is too small by about (1 + 3 phi) / T (Kendall 1954), so that the
  standard error of a mean, proportional to 1 / (1 - phi), is too small by (1 + 3 phi) / (1 - phi)
  / T of itself: 17 / T at phi = 0.8, the longest memory here. `BIAS` / T is allowed for everything.
- An interval shorter by 1 % covers 0.23 % less, 1.2 % for 5 %; the skewness of a variance estimate
  costs up to 1 % more at T = 400 (chi-square with 400 degrees of freedom, symmetric interval).
"""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from statistical.coverage import Study, report, study

from rnnstats.kernels import kalman
from rnnstats.models.linear import LinearRNN

pytestmark = [
    pytest.mark.statistical,
    pytest.mark.skipif(
        not kalman.HAVE_COMPILED,
        reason="without the compiled core a fit takes seconds, and these are hundreds of fits",
    ),
]

NOBS = 400
BIAS = 20.0
BLANK = np.arange(2.0 * NOBS).reshape(NOBS, 2) % 7
CASES = {
    "innovations": (LinearRNN(BLANK[:, 0]), [0.7, 1.1, 3.0, 1.0]),
    "innovations, two outputs": (
        LinearRNN(BLANK),
        [0.5, 0.2, -0.1, 0.6, 0.7, 0.2, -0.1, 0.9, 3.0, -1.0, 1.0, 0.3, 2.0],
    ),
    "observed": (
        LinearRNN(BLANK, form="observed"),
        [0.5, 0.2, -0.1, 0.6, 3.0, -1.0, 1.0, 0.3, 2.0],
    ),
    "leaky": (
        LinearRNN(BLANK, form="leaky", k_states=1),
        [0.8, 1.0, -0.7, 3.0, -1.0, 0.5, 0.7],
    ),
}


def check(found: Study) -> None:
    repetitions = len(found.estimates)
    assert found.unfinished == 0
    assert found.undefined == 0.0
    off = np.abs(found.ratio - 1.0)
    assert (off <= 4.0 * found.spread_error + BIAS / NOBS).all(), found.ratio
    error = np.sqrt(0.95 * 0.05 / repetitions)
    assert (np.abs(found.covered - 0.95) <= 4.0 * error + 0.02).all(), found.covered
    # parameters cost a forecast about K / T of its variance: 1 % of coverage at most here
    for kind in ("plugin", "delta"):
        off = np.abs(found.forecasts(kind) - 0.95)
        assert (off <= 4.0 * found.forecasts_error(kind) + 0.01).all(), found.forecasts(kind)


@pytest.mark.parametrize("name", ["innovations", "observed", "leaky"])
def test_few_samples(name: str) -> None:
    model, truth = CASES[name]
    check(study(model, np.array(truth), nobs=NOBS, repetitions=150, seed=5))


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_many_samples(name: str) -> None:
    model, truth = CASES[name]
    found = study(model, np.array(truth), nobs=NOBS, repetitions=2000, seed=6)
    print(report(name, found))
    check(found)


@cache
def short(nobs: int, phi: float, repetitions: int) -> Study:
    model = LinearRNN(BLANK[:nobs, 0], form="observed")
    return study(model, np.array([phi, 0.0, 1.0]), nobs=nobs, repetitions=repetitions, seed=7)


@pytest.mark.slow
@pytest.mark.parametrize("phi", [0.6, 0.8, 0.9])
@pytest.mark.parametrize("nobs", [25, 50])
def test_short_samples_need_the_variance_of_the_parameters(nobs: int, phi: float) -> None:
    """Plug-in intervals hold too little; the delta method gives some of it back, never all."""
    found = short(nobs, phi, 2000)
    print(report(f"AR(1), phi = {phi}, {nobs} rows", found))
    plugin, delta = (found.inside[kind][:, :, 0] for kind in ("plugin", "delta"))
    assert (delta >= plugin).all()  # a variance is added
    gain = (delta - plugin).mean(axis=0)
    assert (gain > 0.0).all()
    assert (found.forecasts("plugin") < 0.95).all()
    assert (found.forecasts("delta") < 0.95 + 2.0 * found.forecasts_error("delta")).all()
