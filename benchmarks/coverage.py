"""Repeated sampling: do intervals hold, and tests reject, as often as they say?

    python -m benchmarks.coverage params forecasts size --out build/coverage

draws samples from models with known parameters, fits each, and counts: parameters in their 95 %
intervals (200 rows), later values in their 95 % forecast intervals (50 rows, plug-in beside "delta"
and "bootstrap"), rejections of a true restriction by the likelihood-ratio test at 5 % (200 rows).

Replication i of a case has a random stream of its own, so that a run can be stopped and taken up
again: what is done lies in ``--out``, and ``--minutes`` bounds a run. Each fit climbs from the
truth: what is looked at is the maximum near it, not the search. Shares come with their Monte Carlo
standard errors. A share is called off where it is outside the target by more than two of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
SEED = 20261122
Z = 1.959963984540054
HORIZONS = (1, 4, 8)
KINDS = ("plugin", "delta", "bootstrap")
PARTS = ("params", "forecasts", "size")


@dataclass(frozen=True)
class Truth:
    """A model with the parameters that samples are drawn at.

    Attributes
    ----------
    name : str
    k_endog : int
    build : dict
        Arguments of LinearRNN.
    params : tuple of float
    null : dict
        True restrictions, for the size of a test of them.
    """

    name: str
    k_endog: int
    build: dict[str, Any]
    params: tuple[float, ...]
    null: dict[str, float | str] | None = None

    def model(self, nobs: int) -> Any:
        """Return the model on data without meaning, to draw from."""
        from rnnstats import LinearRNN

        blank = np.random.default_rng(0).standard_normal((nobs, self.k_endog))
        return LinearRNN(blank if self.k_endog > 1 else blank[:, 0], **self.build)

    def draw(self, nobs: int, rng: np.random.Generator) -> FloatArray:
        """Return a sample, shape (nobs, k_endog); a diffuse start begins at state zero."""
        model = self.model(nobs)
        start = np.zeros(model.k_states) if model.initial == "diffuse" else None
        drawn = model.simulate(self.params, nobs, rng=rng, initial_state=start)
        return drawn.to_numpy().reshape(nobs, -1)

    def on(self, values: FloatArray) -> Any:
        """Return the model on data."""
        from rnnstats import LinearRNN

        return LinearRNN(values if self.k_endog > 1 else values[:, 0], **self.build)


LEVEL = {
    "W_h": [[1.0]],
    "V": [[1.0]],
    "state_cov": [["level"]],
    "obs_cov": [["noise"]],
}
NOISY = {
    "W_h": [["phi"]],
    "V": [[1.0], ["gamma"]],
    "b_y": ["mean1", "mean2"],
    "state_cov": [["shock"]],
    "obs_cov": [["noise", 0.0], [0.0, "noise"]],
}
PARAMS = (
    Truth("innovations, ARMA(1,1)", 1, {}, (0.7, 1.1, 3.0, 1.0)),
    Truth(
        "innovations, VARMA(1,1) of 2",
        2,
        {},
        (0.5, 0.2, -0.1, 0.6, 0.7, 0.2, -0.1, 0.9, 3.0, -1.0, 1.0, 0.3, 2.0),
    ),
    Truth(
        "observed, VAR(1) of 2",
        2,
        {"form": "observed"},
        (0.5, 0.2, -0.1, 0.6, 3.0, -1.0, 1.0, 0.3, 2.0),
    ),
    Truth(
        "leaky, 1 unit, 2 outputs",
        2,
        {"form": "leaky", "k_states": 1},
        (0.8, 1.0, -0.7, 3.0, -1.0, 0.5, 0.7),
    ),
    Truth(
        "factor, 1 factor, 4 outputs",
        4,
        {"form": "factor", "k_states": 1},
        (0.7, 1.0, 0.8, -0.6, 0.5, 1.0, 2.0, 0.0, -1.0, 0.5, 0.7, 0.4, 0.6),
    ),
    Truth(
        "structured, AR(1) seen twice, equal noise",
        2,
        {"form": "structured", "structure": NOISY},
        (0.8, 0.7, 1.0, -1.0, 0.6, 0.5),
    ),
    Truth(
        "structured, local level, diffuse",
        1,
        {"form": "structured", "structure": LEVEL, "initial": "diffuse", "trend": "n"},
        (0.5, 1.0),
    ),
)
FORECASTS = (
    Truth("AR(1) with constant, root 0.8", 1, {"form": "observed"}, (0.8, 0.0, 1.0)),
    Truth("AR(1) with constant, root 0.95", 1, {"form": "observed"}, (0.95, 0.0, 1.0)),
    Truth(
        "2 states, VARMA(1,1) of 2",
        2,
        {},
        (0.7, 0.1, 0.0, 0.5, 0.9, 0.1, 0.0, 0.8, 0.0, 0.0, 1.0, 0.3, 1.0),
    ),
    Truth(
        "2 states, leaky units, 2 outputs",
        2,
        {"form": "leaky", "k_states": 2},
        (0.85, 0.4, 1.0, 0.8, 0.7, -0.9, 0.0, 0.0, 0.5, 0.5),
    ),
)
SIZE = (
    Truth(
        "VAR(1), one coefficient zero",
        2,
        {"form": "observed"},
        (0.5, 0.0, 0.3, 0.6, 3.0, -1.0, 1.0, 0.3, 2.0),
        {"W_h[h1,h2]": 0.0},
    ),
    Truth(
        "ARMA(1,1), moving average zero",
        1,
        {},
        (0.6, 0.6, 3.0, 1.0),
        {"K[h1,y]": "W_h[h1,h1]"},
    ),
    Truth(
        "leaky, 1 unit, loadings equal",
        2,
        {"form": "leaky", "k_states": 1},
        (0.7, 0.8, 0.8, 3.0, -1.0, 0.5, 0.7),
        {"V[y2,h1]": "V[y1,h1]"},
    ),
)
CASES = {"params": PARAMS, "forecasts": FORECASTS, "size": SIZE}
ROWS = {"params": 200, "forecasts": 50, "size": 200}


def fitted(truth: Truth, values: FloatArray, cov_type: str = "oim", **restrictions: Any) -> Any:
    """Fit from the truth; what an optimiser says is counted, not shown."""
    from rnnstats.errors import ConvergenceWarning

    model = truth.on(values)
    if restrictions:
        model = model.with_fixed(restrictions["fixed"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        results = model.fit(start_params=np.array(truth.params), cov_type=cov_type)
        if cov_type != "none":
            _ = results.bse
    return results


def one_params(truth: Truth, rng: np.random.Generator, rows: int) -> FloatArray:
    """Estimates and standard errors, shape (2, K)."""
    results = fitted(truth, truth.draw(rows, rng))
    return np.stack([results.params.to_numpy(), results.bse.to_numpy()])


def one_forecast(truth: Truth, rng: np.random.Generator, rows: int, nboot: int = 199) -> FloatArray:
    """Probability that each interval holds, and its width; shape (2, kinds, horizons, k_endog).

    The later value is normal given the sample, at the true parameters: its probability of lying in
    the interval has the coverage for its mean, and less variance than one drawn value.
    """
    from scipy.special import ndtr

    from rnnstats.errors import ConvergenceWarning
    from rnnstats.results.forecasting.prediction import predict_moments

    longest, at = max(HORIZONS), [rows + h - 1 for h in HORIZONS]
    results = fitted(truth, truth.draw(rows, rng))
    known = predict_moments(results.model, np.array(truth.params), stop=rows + longest)
    mean, sd = known.mean[at], np.sqrt(np.diagonal(known.cov[at], axis1=1, axis2=2))
    found = []
    for kind in KINDS:
        options = {"nboot": nboot, "rng": rng} if kind == "bootstrap" else {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            forecast = results.get_forecast(longest, uncertainty=kind, **options)
        ends = forecast.conf_int().to_numpy()[[h - 1 for h in HORIZONS]]
        low, high = np.split(ends, 2, axis=1)
        found.append([ndtr((high - mean) / sd) - ndtr((low - mean) / sd), high - low])
    return np.array(found).swapaxes(0, 1)


def one_size(truth: Truth, rng: np.random.Generator, rows: int) -> FloatArray:
    """The p-value of the likelihood-ratio test of the true restriction, shape (1,)."""
    values = truth.draw(rows, rng)
    free = fitted(truth, values, "none")
    held = fitted(truth, values, "none", fixed=truth.null)
    return np.array([held.lr_test(free).pvalue])


ONE: dict[str, Callable[..., FloatArray]] = {
    "params": one_params,
    "forecasts": one_forecast,
    "size": one_size,
}


def replications(
    part: str, number: int, first: int, last: int, deadline: float = np.inf
) -> Iterator[FloatArray]:
    """Replications of a case, one after the other, until the deadline."""
    truth = CASES[part][number]
    for i in range(first, last):
        if time.monotonic() > deadline:
            return
        rng = np.random.default_rng([SEED, PARTS.index(part), number, i])
        yield ONE[part](truth, rng, ROWS[part])


def study(part: str, number: int, goal: int, folder: Path, deadline: float) -> FloatArray:
    """Bring a case up to `goal` replications, as far as time allows; what there is, by replication.

    Kept in ``folder`` as it grows.
    """
    path = folder / f"{part}{number}.npy"
    done: list[FloatArray] = list(np.load(path)) if path.exists() else []
    fresh = 0
    for found in replications(part, number, len(done), goal, deadline):
        done.append(found)
        fresh += 1
        if fresh % 25 == 0:
            np.save(path, np.array(done))
    if fresh:
        np.save(path, np.array(done))
    return np.array(done[:goal])


def share(held: FloatArray) -> tuple[float, float]:
    """Mean of ones and zeros (NaN left out) and its Monte Carlo standard error.

    Of several outputs those of one replication count as one draw.
    """
    by_draw = held.reshape(len(held), -1)
    means = by_draw.mean(axis=1)
    means = means[np.isfinite(means)]
    return float(means.mean()), float(means.std(ddof=1) / np.sqrt(len(means)))


def verdict(value: float, error: float, low: float, high: float) -> str:
    """Whether a share is in its target, or off by more than the Monte Carlo error explains.

    ``error`` is that of `share`; with none or all inside it says nothing, and counts as too small.
    """
    if low <= value <= high:
        return ""
    return "off" if value < low - 2 * error or value > high + 2 * error else "(noise)"


def params_table(truth: Truth, found: FloatArray) -> list[str]:
    """Coverage of each parameter's interval, and why it may be what it is."""
    names, true = truth.model(60).param_names, np.array(truth.params)
    estimate, error = found[:, 0], found[:, 1]
    missing = np.isnan(error)
    with np.errstate(invalid="ignore", divide="ignore"):
        root = (estimate - true) / error
        logs = (np.log(estimate) - np.log(true)) * estimate / error
    lines = [
        f"\n### {truth.name}: {len(found)} samples of {ROWS['params']} rows\n",
        "| parameter | truth | bias / sd | se / sd | covered | +- | | below, above | "
        "log scale | no s.e. |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for j, name in enumerate(names):
        held = np.where(missing[:, j], np.nan, np.abs(root[:, j]) <= Z)
        value, mc = share(held[:, None])
        sd = estimate[:, j].std(ddof=1)
        seen = root[~missing[:, j], j]
        tails = f"{(seen < -Z).mean():.3f}, {(seen > Z).mean():.3f}"
        variance = is_variance(name)
        scale = ""
        if variance:
            scale = (
                f"{share(np.where(missing[:, j], np.nan, np.abs(logs[:, j]) <= Z)[:, None])[0]:.3f}"
            )
        lines.append(
            f"| {name} | {true[j]:g} | {(estimate[:, j].mean() - true[j]) / sd:+.2f} | "
            f"{np.nanmedian(error[:, j]) / sd:.3f} | {value:.3f} | {mc:.3f} | "
            f"{verdict(value, mc, 0.93, 0.97)} | {tails} | {scale} | {missing[:, j].mean():.3f} |"
        )
    inside = np.where(missing, np.nan, np.abs(root) <= Z)
    value, mc = share(inside)
    lines.append(
        f"| all | | | | {value:.3f} | {mc:.3f} | {verdict(value, mc, 0.93, 0.97)} | | | "
        f"{missing.any(axis=1).mean():.3f} |"
    )
    return lines


def is_variance(name: str) -> bool:
    """Whether a parameter is a variance, by its name in the cases above."""
    if "cov[" in name:
        one, other = name.split("[")[1].rstrip("]").split(",")
        return one == other
    return name in ("level", "noise", "shock")


def forecasts_table(truth: Truth, found: FloatArray) -> list[str]:
    """Coverage of forecast intervals by kind and horizon."""
    lines = []
    for i, kind in enumerate(KINDS):
        cells, words = [], []
        for j in range(len(HORIZONS)):
            value, mc = share(found[:, 0, i, j])
            cells.append(f"{value:.3f} +- {mc:.3f}")
            words.append(verdict(value, mc, 0.93, 0.97) or "in")
        width = np.nanmean(found[:, 1, i], axis=(0, 2))
        lines.append(
            f"| {truth.name} | {len(found)} | {kind} | {' | '.join(cells)} | {', '.join(words)} | "
            f"{', '.join(f'{x:.2f}' for x in width)} |"
        )
    return lines


def size_table(truth: Truth, found: FloatArray) -> list[str]:
    """Share of rejections of a true restriction."""
    value, mc = share((found < 0.05).astype(float))
    word = verdict(value, mc, 0.04, 0.06) or "in"
    return [f"| {truth.name} | {len(found)} | {value:.4f} +- {mc:.4f} | {word} |"]


HEADS = {
    "params": ["\n## Parameters: 95 % intervals, target 93 to 97 %"],
    "forecasts": [
        "\n## Forecasts: 95 % intervals after 50 rows, target 93 to 97 %\n",
        "| model | samples | kind | h = 1 | h = 4 | h = 8 | | mean width |",
        "|---|---|---|---|---|---|---|---|",
    ],
    "size": [
        "\n## Likelihood-ratio test of a true restriction at 5 %, 200 rows, target 4 to 6 %\n",
        "| model | samples | rejected | |",
        "|---|---|---|---|",
    ],
}
TABLES = {"params": params_table, "forecasts": forecasts_table, "size": size_table}
GOALS = {"params": 500, "forecasts": 500, "size": 4_000}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run parts of the study and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.coverage", description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--reps", type=int, help="samples a case (default 500; size 4000)")
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
        goal = options.reps or GOALS[part]
        print(*HEADS[part], sep="\n")
        for number, truth in enumerate(CASES[part]):
            if options.case is not None and number != options.case:
                continue
            found = study(part, number, goal, options.out, deadline)
            complete &= len(found) == goal
            if len(found) > 1:
                print(*TABLES[part](truth, found), sep="\n", flush=True)
    if not complete:
        print("\nStopped before the end: the same command goes on from here.", file=sys.stderr)
    return 0 if complete else 3


if __name__ == "__main__":
    raise SystemExit(main())
