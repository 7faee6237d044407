"""Size and power of the tests of linearity.

    python -m benchmarks.linearity regressions bootstrap --reps 2000

draws series, linear and not, and prints the share of tests that reject at 5 % with its Monte Carlo
standard error. "regressions": Teräsvirta, Lin and Granger's test and White's, plain and robust.
"bootstrap": the likelihood ratio of an Elman network with one unit and a skip connection against
the regression in it, and of one without against the linear network.

A bootstrap in each of hundreds of replications would take days. One draw a replication is enough
for the size: the draws of all replications together stand for the distribution in each (the
warp-speed bootstrap of Giacomini, Politis and White 2013, Econometric Theory 29, 567-589), which
is right where the distribution depends on the estimated linear model smoothly. The error of the
share then has two parts, of the replications and of the quantile of the draws.
"""

from __future__ import annotations

import argparse
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
SEED, BURN, LEVEL = 20261122, 100, 0.05
PARTS = ("regressions", "bootstrap")


def linear(rows: int, rng: np.random.Generator) -> FloatArray:
    """AR(2) with a cycle."""
    return _drawn(lambda y, e: 0.6 * y[0] - 0.3 * y[1] + e, rows, rng)


def network(rows: int, rng: np.random.Generator) -> FloatArray:
    """One tanh unit beside a linear term."""
    return _drawn(lambda y, e: 3.0 * np.tanh(1.2 * y[0]) - 0.6 * y[0] + 0.7 * e, rows, rng)


def arch(rows: int, rng: np.random.Generator) -> FloatArray:
    """Linear mean, variance that depends on the past."""
    return _drawn(lambda y, e: 0.5 * y[0] + np.sqrt(0.4 + 0.5 * min(y[0] ** 2, 9.0)) * e, rows, rng)


def threshold(rows: int, rng: np.random.Generator) -> FloatArray:
    """Two regimes of a threshold autoregression."""
    return _drawn(lambda y, e: (0.8 if y[0] > 0 else -0.2) * y[0] + e, rows, rng)


SERIES = {"linear": linear, "arch": arch, "network": network, "threshold": threshold}


def _drawn(
    step: Callable[[tuple[float, float], float], Any], rows: int, rng: np.random.Generator
) -> FloatArray:
    y, e = np.zeros(rows + BURN), rng.standard_normal(rows + BURN)
    for t in range(2, rows + BURN):
        y[t] = step((y[t - 1], y[t - 2]), e[t])
    return y[BURN:]


def share(rejected: Sequence[bool], error_of_point: float = 0.0) -> str:
    """Per cent with its standard error, also that of an estimated critical point."""
    p = float(np.mean(rejected))
    error = np.hypot(np.sqrt(p * (1 - p) / len(rejected)), error_of_point)
    return f"{100 * p:5.1f} ({100 * error:.1f})"


def regressions(reps: int) -> None:
    """Print a table of rejections."""
    from rnnstats.diagnostics import linearity

    kinds = [(m, r) for m in ("teraesvirta", "white") for r in (False, True)]
    heads = [f"{m}{', robust' if r else ''}" for m, r in kinds]
    print(f"\nShare rejected at 5 %, {reps} series, two lags\n")
    print("| series | rows | " + " | ".join(heads) + " |")
    print("|---|---|" + "---|" * len(kinds))
    for name, draw in SERIES.items():
        for rows in (100, 200, 500):
            rng = np.random.default_rng([SEED, rows, list(SERIES).index(name)])
            data = [draw(rows, rng) for _ in range(reps)]
            cells = [
                share([linearity(y, lags=2, method=m, robust=r).pvalue < LEVEL for y in data])  # type: ignore[arg-type]
                for m, r in kinds
            ]
            print(f"| {name} | {rows} | " + " | ".join(cells) + " |")


def bootstrap(reps: int, first: int = 0, rows: int = 150) -> None:
    """Print size and power of the likelihood ratio, on series numbered from `first` on."""
    from rnnstats.errors import ConvergenceWarning
    from rnnstats.models.nonlinear import ElmanRNN

    print(f"\nLikelihood ratio, one tanh unit, {rows} rows, warp-speed bootstrap\n")
    print("| network | series | replications | rejected at 5 % | median LR | 95 % point |")
    print("|---|---|---|---|---|---|")
    for skip in (True, False):
        for name in ("linear", "network"):
            own, drawn = [], []
            for i in range(first, first + (reps if name == "linear" else max(reps // 4, 1))):
                rng = np.random.default_rng([SEED, i, skip])
                y = SERIES[name](rows, rng)
                model = ElmanRNN(y, k_hidden=1, y_lags=2 if skip else 1, skip=skip)
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", ConvergenceWarning)
                    # any: the test fits anew
                    fitted = model.fit(n_starts=1, maxiter=1, cov_type="none")
                    found = fitted.test_linearity("bootstrap", n_draws=1, rng=i)
                own.append(found.statistic)
                drawn.extend(found.draws)
            point = float(np.quantile(drawn, 1 - LEVEL))
            # under the hypothesis; where it does not hold, the density there is another
            of_point = np.sqrt(LEVEL * (1 - LEVEL) / len(drawn)) if name == "linear" else 0.0
            label = "skip, 2 lags" if skip else "1 lag"
            cells = (
                label, name, str(len(own)), share([s > point for s in own], of_point),
                f"{np.median(own):.2f}", f"{point:.2f}",
            )  # fmt: skip
            print("| " + " | ".join(cells) + " |", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the parts asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.linearity", description=__doc__)
    parser.add_argument("parts", nargs="*", default=list(PARTS), choices=[*PARTS, []])
    parser.add_argument("--reps", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="first series of the bootstrap")
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    for part in given.parts:
        if part == "regressions":
            regressions(given.reps)
        else:
            bootstrap(given.reps, given.first)
    print(f"\n{time.perf_counter() - began:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
