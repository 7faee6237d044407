"""Hamilton's (1989) model of GNP at its maximum."""

from __future__ import annotations

from functools import cache

from results.regimes.markov_cases import at

from rnnstats import datasets
from rnnstats.models.markov import MarkovRNN
from rnnstats.results.markov import MarkovResults

__all__ = ["hamilton"]

HAMILTON = {
    "p[h1->h1]": 0.754671323452538, "p[h2->h1]": 0.09591527146591347,
    "V[rgnp_growth,h1]": -0.3588120351096215, "V[rgnp_growth,h2]": 1.1635165611932825,
    "ar1[rgnp_growth,rgnp_growth]": 0.013487110866267589,
    "ar2[rgnp_growth,rgnp_growth]": -0.05752099642791671,
    "ar3[rgnp_growth,rgnp_growth]": -0.24698325780116653,
    "ar4[rgnp_growth,rgnp_growth]": -0.21292135793193195,
    "obs_cov[rgnp_growth,rgnp_growth]": 0.5913684528564772,
}  # fmt: skip


@cache
def hamilton() -> MarkovResults:
    """Make the results once for all tests; no standard errors."""
    data = datasets.hamilton()
    model = MarkovRNN(data["rgnp_growth"], order=4, ar_form="mean", switching="trend")
    return at(model, [HAMILTON[name] for name in model.param_names], cov_type="none")
