"""Bootstrap of the estimates beside refits by statsmodels from the same start.

Both sides estimate the same samples. Ours draws them too; the rival gets them ready-made, and no
standard errors are asked of it. As the rival takes long, only some of its refits are timed and
counted as many times as it takes to make 200.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks import cases
from benchmarks.cases import Case
from benchmarks.table import Requirement, Row
from benchmarks.timing import seconds
from benchmarks.with_statsmodels import parameters
from rnnstats import LinearRNN
from rnnstats.estimation.drawing import sampler
from rnnstats.results.forecasting.prediction import simulate_paths
from rnnstats.results.linear import LinearResults

FloatArray = NDArray[np.float64]
DRAWS = 200
TWENTY = Requirement(20.0)
# Of one fit: what its optimiser may leave below the other's maximum.
SHORT = 1e-3
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "L-BFGS, complex step": {"method": "lbfgs"},
    "L-BFGS, real differences": {"method": "lbfgs", "optim_complex_step": False},
    "BFGS, real differences": {"method": "bfgs", "optim_complex_step": False},
}


@dataclass(frozen=True)
class Refits:
    """Samples drawn at a case's parameters, and what refits them.

    Attributes
    ----------
    case : Case
    results : LinearResults
        At the parameters that the samples are drawn at.
    samples : ndarray, shape (number, nobs, k_endog)
    """

    case: Case
    results: Any
    samples: FloatArray

    @classmethod
    def of(cls, case: Case, number: int) -> Refits:
        """Draw the samples."""
        assert case.ours is not None and case.params is not None
        results = LinearResults.from_fit(case.ours, case.params, cov_type="none")
        base = sampler(results._system, case.y, caller="benchmark")
        rng = np.random.default_rng(cases.SEED)
        noise = rng.standard_normal((number, base.rows, case.y.shape[1]))
        return cls(case, results, base.samples(base.paths(noise)))

    def ours(self, sample: FloatArray) -> float:
        """Log-likelihood at our refit."""
        theta = self.results.model._refitter(self.case.params)(sample).theta
        return float(self.results.model.clone(sample).loglike(theta))

    def theirs(self, sample: FloatArray, setting: str) -> float:
        """Log-likelihood at the rival's refit."""
        import statsmodels.api as sm

        options = dict(SETTINGS[setting])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of an optimiser that stops short: seen below
            model = getattr(sm.tsa, self.case.kind)(sample, **self.case.spec)
            found = model.fit(
                start_params=parameters(self.case),
                cov_type="none",
                disp=False,
                maxiter=500,
                **options,
            )
        return float(found.llf)

    def fastest(self) -> tuple[str, float]:
        """Setting that is fastest of those that reach our maxima, and how far the best was off."""
        ours = np.array([self.ours(sample) for sample in self.samples])
        took: dict[str, float] = {}
        off: dict[str, float] = {}
        for setting in SETTINGS:
            found: list[float] = []
            took[setting] = seconds(self._all(setting, found))
            off[setting] = float(np.max(ours - np.array(found)))
        right = [name for name in took if off[name] <= SHORT] or list(took)
        best = min(right, key=lambda name: took[name])
        return best, off[best]

    def _all(self, setting: str, found: list[float]) -> Callable[[], None]:
        def call() -> None:
            found.extend(self.theirs(sample, setting) for sample in self.samples)

        return call


def arma11(nobs: int) -> Case:
    """ARMA(1,1): one state here, two in SARIMAX, and the same three numbers to estimate."""
    phi, theta, variance = 0.7, 0.4, 1.3
    params = np.array([phi, phi + theta, variance])
    shape = LinearRNN(np.random.default_rng(0).normal(size=60), k_states=1, trend="n")
    rng = np.random.default_rng([cases.SEED, 11])
    y = simulate_paths(shape.system(params), nobs, rng)[0]
    ours = LinearRNN(y, k_states=1, trend="n")
    values = {"ar": np.array([phi]), "ma": np.array([theta]), "cov": np.array([[variance]])}
    spec = {"order": (1, 0, 1)}
    return Case("ARMA(1,1)", y, ours.system(params), ours, params, "SARIMAX", spec, values)


def rows(quick: bool) -> Iterator[Row]:
    """Measure one row after the other.

    Parameters
    ----------
    quick : bool
        Fewer refits by the rival.

    Yields
    ------
    Row
    """
    todo = [(arma11(200), 20), (cases.varma(3, 200), 2)]
    for case, number in todo[: 1 if quick else None]:
        refits = Refits.of(case, 3 if quick else number)
        setting, off = refits.fastest()
        refits.results.bootstrap(20)
        ours = float(
            np.median([seconds(lambda r=refits: r.results.bootstrap(DRAWS)) for _ in range(5)])
        )
        theirs = seconds(refits._all(setting, [])) / len(refits.samples) * DRAWS
        yield Row(
            "bootstrap",
            f"{DRAWS} samples of {case.name}, {case.shape}",
            f"{case.kind}, {setting}, refits alone",
            ours,
            theirs,
            theirs / ours,
            TWENTY,
            f"their llf at most {max(off, 0.0):.0e} below ours",
        )
