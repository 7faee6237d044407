"""Repeated sampling and repeated fits of Markov models.

    python -m benchmarks.regimes params pit size --out build/regimes
    python -m benchmarks.regimes seeds --out build/regimes

``params``: 300 samples of 500 rows from models with known parameters; how often do 95 % intervals
of parameters, transition probabilities and expected durations hold the truth? ``pit``: 500 rows
are fitted, and the next four looked up in their forecast distributions: are the places uniform?
``size``: how often do residual tests at 5 % reject the model that is true? These fit from the
truth: what is looked at is the maximum near it, not the search. ``seeds``: the search; the default
fit of each published case with 20 seeds, and how far it ends below the best optimum known.

Samples are drawn here, by a few lines of NumPy, and not by the package. Replication i of a case has
a random stream of its own; what is done lies in ``--out``, so that a run can be taken up again.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.coverage import share, verdict

FloatArray = NDArray[np.float64]
ROOT = Path(__file__).resolve().parents[1]
SEED = 20261122
ROWS = 500
HORIZONS = (1, 4)
PARTS = ("params", "pit", "size")
REPLICATIONS = 300
TESTS = ("normality", "serial correlation", "heteroskedasticity")


@dataclass(frozen=True)
class Truth:
    """A model with the parameters that samples are drawn at.

    Attributes
    ----------
    name : str
    build : dict
        Arguments of MarkovRNN.
    transition : tuple
        Rows of the transition matrix.
    outputs : callable
        (regimes (n,), rng) to the series (n,).
    params : dict
        Parameters of the emission by name; those of the transitions follow from the matrix.
    """

    name: str
    build: dict[str, Any]
    transition: tuple[tuple[float, ...], ...]
    outputs: Callable[[NDArray[np.intp], np.random.Generator], FloatArray]
    params: dict[str, float]

    def draw(self, rows: int, rng: np.random.Generator) -> FloatArray:
        """Return a sample, shape (rows,), from the stationary law."""
        return self.outputs(chain(np.array(self.transition), rows, rng), rng)

    def theta(self, model: Any) -> FloatArray:
        """Return the true parameters in the model's order."""
        known = dict(self.params)
        for i, row in enumerate(self.transition):
            known |= {f"p[h{i + 1}->h{j + 1}]": p for j, p in enumerate(row)}
        return np.array([known[name] for name in model.param_names])


def stationary(transition: FloatArray) -> FloatArray:
    """Stationary law of a transition matrix."""
    size = len(transition)
    system = np.vstack([(np.eye(size) - transition).T, np.ones(size)])
    return np.linalg.lstsq(system, np.append(np.zeros(size), 1.0), rcond=None)[0]


def chain(transition: FloatArray, rows: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """A path of regimes from the stationary law, shape (rows,)."""
    steps = transition.cumsum(axis=1)
    draws = rng.random(rows)
    path = np.zeros(rows, dtype=np.intp)
    path[0] = min(np.searchsorted(stationary(transition).cumsum(), draws[0]), len(steps) - 1)
    for t in range(1, rows):
        path[t] = min(np.searchsorted(steps[path[t - 1]], draws[t]), len(steps) - 1)
    return path


def _gaussian(means: Sequence[float], variances: Sequence[float]) -> Any:
    def outputs(path: NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
        return np.array(means)[path] + np.sqrt(variances)[path] * rng.standard_normal(len(path))

    return outputs


def _poisson(means: Sequence[float]) -> Any:
    def outputs(path: NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
        return rng.poisson(np.array(means)[path]).astype(float)

    return outputs


def _autoregression(constants: Sequence[float], ar: float, variances: Sequence[float]) -> Any:
    def outputs(path: NDArray[np.intp], rng: np.random.Generator) -> FloatArray:
        shocks = np.array(constants)[path] + np.sqrt(variances)[path] * rng.standard_normal(
            len(path)
        )
        y = np.zeros(len(path))
        for t in range(len(path)):
            y[t] = ar * y[t - 1] + shocks[t] if t else shocks[t] / (1.0 - ar)
        return y

    return outputs


PERSISTENT = ((0.95, 0.05), (0.1, 0.9))
TRUTHS = (
    Truth(
        "Gaussian, 2 regimes, means and variances",
        {"k_regimes": 2},
        PERSISTENT,
        _gaussian((0.0, 2.0), (1.0, 2.25)),
        {"V[y,h1]": 0.0, "V[y,h2]": 2.0, "obs_cov[y,y,h1]": 1.0, "obs_cov[y,y,h2]": 2.25},
    ),
    Truth(
        "Gaussian, 3 regimes, one variance",
        {"k_regimes": 3, "switching": ("trend",)},
        ((0.9, 0.07, 0.03), (0.05, 0.9, 0.05), (0.04, 0.06, 0.9)),
        _gaussian((-2.5, 0.0, 2.5), (1.0, 1.0, 1.0)),
        {"V[y,h1]": -2.5, "V[y,h2]": 0.0, "V[y,h3]": 2.5, "obs_cov[y,y]": 1.0},
    ),
    Truth(
        "Poisson, 2 regimes",
        {"k_regimes": 2, "emission": "poisson"},
        PERSISTENT,
        _poisson((3.0, 8.0)),
        {"mean[y,h1]": 3.0, "mean[y,h2]": 8.0},
    ),
    Truth(
        "MS-AR(1), constants and variances switch",
        {"k_regimes": 2, "order": 1, "switching": ("trend", "variance")},
        PERSISTENT,
        _autoregression((-0.5, 1.5), 0.5, (0.5, 1.0)),
        {
            "V[y,h1]": -0.5, "V[y,h2]": 1.5, "ar1[y,y]": 0.5,
            "obs_cov[y,y,h1]": 0.5, "obs_cov[y,y,h2]": 1.0,
        },
    ),
)  # fmt: skip


def quietly(call: Callable[[], Any]) -> Any:
    """Call without the warnings of a fit; what they say is counted elsewhere."""
    from rnnstats.errors import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return call()


def fitted(truth: Truth, values: FloatArray) -> Any:
    """Fit from the truth."""
    from rnnstats import MarkovRNN

    model = MarkovRNN(values, **truth.build)
    return quietly(lambda: model.fit(start_params=truth.theta(model)))


def quantities(truth: Truth) -> tuple[list[str], FloatArray]:
    """Names and true values of what `one_params` gives intervals of."""
    names, values = list(truth.params), list(truth.params.values())
    matrix = np.array(truth.transition)
    for i, row in enumerate(matrix):
        names += [f"P[h{i + 1}->h{j + 1}]" for j in range(len(row))]
        values += row.tolist()
    names += [f"duration[h{i + 1}]" for i in range(len(matrix))]
    values += (1.0 / (1.0 - np.diag(matrix))).tolist()
    names += [f"share[h{i + 1}]" for i in range(len(matrix))]
    values += stationary(matrix).tolist()
    return names, np.array(values)


def one_params(truth: Truth, rng: np.random.Generator) -> FloatArray:
    """Estimate, standard error and ends of the 95 % interval of each quantity, shape (Q, 4)."""
    results = fitted(truth, truth.draw(ROWS, rng))
    names = list(truth.params)
    ends = quietly(results.conf_int).loc[names].to_numpy()
    rows = [np.column_stack([results.params[names], results.bse[names], ends])]
    tables = (
        results.transition_table(), results.duration_table(), results.stationary_table(),
    )  # fmt: skip
    rows += [table.to_numpy(dtype=float)[:, [0, 1, -2, -1]] for table in tables]
    return np.vstack(rows)


def one_pit(truth: Truth, rng: np.random.Generator) -> FloatArray:
    """Place of a later value in its forecast distribution, by horizon, shape (horizons,).

    Of a count, a point drawn between the places below and at it.
    """
    values = truth.draw(ROWS + max(HORIZONS), rng)
    forecast = fitted(truth, values[:ROWS]).get_forecast(max(HORIZONS))
    later = values[ROWS:]
    at = np.diagonal(forecast.cdf(later))  # one row a period, one column a value
    if truth.build.get("emission") == "poisson":
        below = np.diagonal(forecast.cdf(later - 1.0))
        at = below + rng.random(len(at)) * (at - below)
    return at[[h - 1 for h in HORIZONS]]


def one_size(truth: Truth, rng: np.random.Generator) -> FloatArray:
    """p-values of the residual tests, shape (tests,)."""
    results = fitted(truth, truth.draw(ROWS, rng))
    tests = (
        results.test_normality, results.test_serial_correlation, results.test_heteroskedasticity,
    )  # fmt: skip
    return np.array([float(test()["pvalue"].iloc[-1]) for test in tests])


ONE = {"params": one_params, "pit": one_pit, "size": one_size}


def replications(
    part: str, number: int, first: int, last: int, deadline: float = np.inf
) -> list[FloatArray]:
    """Replications of a case until the deadline."""
    done: list[FloatArray] = []
    for i in range(first, last):
        if time.monotonic() > deadline:
            break
        rng = np.random.default_rng([SEED, number, i])  # the same samples for every part
        done.append(ONE[part](TRUTHS[number], rng))
    return done


def study(part: str, number: int, goal: int, folder: Path, deadline: float) -> FloatArray:
    """Bring a case up to `goal` replications, as far as time allows."""
    path = folder / f"{part}{number}.npy"
    done = list(np.load(path)) if path.exists() else []
    while len(done) < goal and time.monotonic() < deadline:
        last = min(len(done) + 25, goal)
        done += replications(part, number, len(done), last, deadline)
        np.save(path, np.array(done))
    return np.array(done[:goal])


def params_table(number: int, found: FloatArray) -> list[str]:
    """Coverage of each quantity's interval."""
    truth = TRUTHS[number]
    names, true = quantities(truth)
    lines = [
        f"\n### {truth.name}: {len(found)} samples of {ROWS} rows\n",
        "| quantity | truth | bias / sd | se / sd | covered | +- | | below, above | no s.e. |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for j, name in enumerate(names):
        estimate, error, low, high = found[:, j].T
        missing = ~np.isfinite(low) | ~np.isfinite(high)
        held = np.where(missing, np.nan, (low <= true[j]) & (true[j] <= high))
        value, mc = share(held[:, None])
        sd = estimate.std(ddof=1)
        tails = f"{np.mean(high < true[j]):.3f}, {np.mean(low > true[j]):.3f}"
        lines.append(
            f"| {name} | {true[j]:.4g} | {(estimate.mean() - true[j]) / sd:+.2f} | "
            f"{np.nanmedian(error) / sd:.3f} | {value:.3f} | {mc:.3f} | "
            f"{verdict(value, mc, 0.92, 0.98)} | {tails} | {missing.mean():.3f} |"
        )
    return lines


def pit_table(number: int, found: FloatArray) -> list[str]:
    """Test of uniformity at each horizon."""
    lines = []
    for j, h in enumerate(HORIZONS):
        _, pvalue = uniformity(found[:, j])
        inside = share(((found[:, j] > 0.025) & (found[:, j] < 0.975)).astype(float)[:, None])
        lines.append(
            f"| {TRUTHS[number].name} | {len(found)} | {h} | {pvalue:.3f} | "
            f"{inside[0]:.3f} +- {inside[1]:.3f} | {verdict(*inside, 0.92, 0.98) or 'in'} |"
        )
    return lines


def uniformity(places: FloatArray) -> tuple[float, float]:
    """Kolmogorov-Smirnov test that independent places are uniform: statistic and p-value."""
    from scipy.stats import kstest

    found = kstest(places, "uniform")
    return float(found.statistic), float(found.pvalue)


def size_table(number: int, found: FloatArray) -> list[str]:
    """Share of rejections at 5 %."""
    cells = []
    for j in range(len(TESTS)):
        value, mc = share((found[:, j] < 0.05).astype(float)[:, None])
        cells.append(f"{value:.3f} +- {mc:.3f}")
    return [f"| {TRUTHS[number].name} | {len(found)} | {' | '.join(cells)} |"]


HEADS = {
    "params": ["\n## 95 % intervals, target 92 to 98 %"],
    "pit": [
        f"\n## Places of later values in their forecast distributions, after {ROWS} rows\n",
        "| model | samples | h | P of Kolmogorov-Smirnov | in 95 % | |",
        "|---|---|---|---|---|---|",
    ],
    "size": [
        f"\n## Residual tests of the true model at 5 %, {ROWS} rows\n",
        f"| model | samples | {' | '.join(TESTS)} |",
        "|---|---|---|---|---|",
    ],
}
TABLES = {"params": params_table, "pit": pit_table, "size": size_table}


def published() -> dict[str, tuple[Callable[[], Any], float]]:
    """Models of the published cases with the best log-likelihood known."""
    from rnnstats import MarkovRNN, datasets

    path = ROOT / "tests" / "published" / "reference" / "cases.json"
    cases = {case["id"]: case["reference"] for case in json.loads(path.read_text())}
    counts = datasets.earthquakes()
    long = (datasets.geyser()["duration"] >= 3).astype(float)
    belts = datasets.seatbelts()
    t = 2 * np.pi * np.arange(1, len(belts) + 1) / 12
    inputs = belts[["law"]].assign(cos=np.cos(t), sin=np.sin(t))
    gnp, industry = datasets.hamilton()["rgnp_growth"], datasets.filardo()
    lead = industry[["dmdlleading"]].shift(1).iloc[1:]
    rate = datasets.fedfunds()["fedfunds"]
    hamilton = {"order": 4, "ar_form": "mean", "switching": "trend"}

    found: dict[str, tuple[Callable[[], Any], float]] = {}
    for m in (2, 3, 4):
        best = cases["H01"]["stationary"][f"m{m}"]["loglik"]
        found[f"H01, {m} regimes"] = (
            lambda m=m: MarkovRNN(counts, k_regimes=m, emission="poisson"), best,
        )  # fmt: skip
    found |= speed(cases["H07"])
    return found | {
        "H04": (
            lambda: MarkovRNN(long, emission="bernoulli"), cases["H04"]["stationary"]["loglik"],
        ),
        "H04, free start": (
            lambda: MarkovRNN(long, emission="bernoulli", start="free"),
            cases["H04"]["free_delta_loglik"],
        ),
        "H10": (
            lambda: MarkovRNN(belts["VanKilled"], inputs, emission="poisson", start="free"),
            cases["H10"]["loglik"],
        ),
        "M01": (lambda: MarkovRNN(gnp, **hamilton), cases["M01"]["mle"]["loglik_mle"]),
        "M03": (lambda: MarkovRNN(rate, switching="trend"), cases["M03"]["loglik"]),
        "M05": (lambda: MarkovRNN(datasets.areturns(), order=1), cases["M05"]["loglik"]),
        "M07": (
            lambda: MarkovRNN(industry["dlip"].iloc[1:], exog_transition=lead, **hamilton),
            cases["M07"]["mle_loglik"],
        ),
        "DNA": (
            lambda: MarkovRNN(datasets.phage_lambda(), emission="categorical"), -66678.908620661,
        ),
    }  # fmt: skip


def speed(reference: dict[str, Any]) -> dict[str, tuple[Callable[[], Any], float]]:
    """Case H07, whose data may not be redistributed; nothing where they are not at hand."""
    import pandas as pd

    from rnnstats import MarkovRNN

    path = ROOT.parent / "shared" / "cases" / "data" / "speed_depmixS4.csv"
    if not path.exists():
        return {}
    table = pd.read_csv(path)
    outputs = pd.DataFrame({"rt": table["rt"], "corr": (table["corr"] == "cor").astype(float)})
    # the source lets the row before drive a step
    before = table.groupby("series")["Pacc"].shift(1).fillna(0.0).to_frame()
    options = {
        "emission": {"rt": "gaussian", "corr": "bernoulli"}, "groups": table["series"],
        "start": "free",
    }  # fmt: skip
    return {
        "H07": (lambda: MarkovRNN(outputs, **options), reference["nocov"]["loglik"]),
        "H07, inputs": (
            lambda: MarkovRNN(outputs, exog_transition=before, **options),
            reference["Pacc"]["loglik"],
        ),
    }


def seeds_table(number: int) -> list[str]:
    """How often the default fit ends at the best optimum known."""
    lines = [
        f"\n## The default fit with {number} seeds\n",
        "| case | best known | reached | largest gap | largest excess | median time, ms |",
        "|---|---|---|---|---|---|",
    ]
    for name, (make, best) in published().items():
        model, ends, times = make(), [], []
        for seed in range(number):
            begun = time.perf_counter()
            ends.append(quietly(lambda m=model, s=seed: m.fit(rng=s, cov_type="none")).llf)
            times.append(time.perf_counter() - begun)
        gaps = best - np.array(ends)
        lines.append(
            f"| {name} | {best:.4f} | {(gaps < 1e-4).sum()} of {number} | {gaps.max():.1e} | "
            f"{max(-gaps.min(), 0.0):.1e} | {1e3 * np.median(times):.0f} |"
        )
        print(lines[-1], file=sys.stderr, flush=True)
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run parts of the study and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regimes", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=(*PARTS, "seeds"))
    parser.add_argument("--reps", type=int, default=REPLICATIONS, help="samples a case")
    parser.add_argument("--seeds", type=int, default=20, help="seeds of the default fit")
    parser.add_argument("--minutes", type=float, default=9.0, help="end after this long")
    parser.add_argument("--out", type=Path, required=True, help="folder of what is done")
    parser.add_argument("--case", type=int, help="only this case, from 0")
    options = parser.parse_args(arguments)
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    options.out.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + 60.0 * options.minutes
    complete = True
    for part in options.parts:
        if part == "seeds":
            print(*seeds_table(options.seeds), sep="\n")
            continue
        print(*HEADS[part], sep="\n")
        for number in range(len(TRUTHS)):
            if options.case is not None and number != options.case:
                continue
            found = study(part, number, options.reps, options.out, deadline)
            complete &= len(found) == options.reps
            if len(found) > 1:
                print(*TABLES[part](number, found), sep="\n", flush=True)
    if not complete:
        print("\nStopped before the end: the same command goes on from here.", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
