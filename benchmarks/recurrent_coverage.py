"""Repeated sampling of nonlinear networks: do intervals of what is identified hold?

    python -m benchmarks.recurrent_coverage functions forecasts --out build/recurrent

draws samples of 500 rows from an Elman network with two units and from a GRU with one, fits each,
and counts: one-step means at fixed histories, and average partial effects, in their 95 % intervals
("functions"); later values in their 95 % forecast intervals, plug-in beside "delta" ("forecasts").

Single weights of such networks are often hardly determined; these functions are. Effects are judged
twice: at the rows of the sample, with standard errors of the delta method, and against their mean
over all histories, with standard errors that count the rows as drawn (``sampling=True``).

Replication i of a case has a random stream of its own, so that a run can be stopped and taken up
again: what is done lies in ``--out``, and ``--minutes`` bounds a run. Each fit climbs from the
truth: what is looked at is the maximum near it, not the search. Shares come with their Monte Carlo
standard errors. A share is called off where it is outside 92 to 98 % by more than two of them.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from benchmarks.coverage import Z, share, verdict

FloatArray = NDArray[np.float64]
SEED = 20261123
ROWS, BURN = 500, 100
HORIZONS = (1, 8)
KINDS = ("plugin", "delta")
PARTS = ("functions", "forecasts")
# Rows and number of the fixed histories; rows that stand for all histories; later values drawn.
LENGTH, HISTORIES, POPULATION, LATER = 30, 6, 100_000, 4_000
# Shortest and longest share that is no surprise.
LOW, HIGH = 0.92, 0.98


@dataclass(frozen=True)
class Truth:
    """A network with the parameters that samples are drawn at.

    Attributes
    ----------
    name : str
    kind : str
        "ElmanRNN" or "GRU".
    k_hidden : int
    params : dict
        By name.
    """

    name: str
    kind: str
    k_hidden: int
    params: dict[str, float]

    def model(self, y: FloatArray, x: FloatArray) -> Any:
        """Return the model on data."""
        from rnnstats.models import nonlinear

        return getattr(nonlinear, self.kind)(
            pd.Series(y, name="y"), pd.DataFrame({"x": x}), k_hidden=self.k_hidden
        )

    def theta(self, model: Any) -> FloatArray:
        """Return the parameters in the model's order."""
        return np.array([self.params[name] for name in model.param_names])

    def draw(self, rows: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
        """Return outputs and inputs, shape (rows,) each, after rows that are thrown away."""
        x = rng.standard_normal(BURN + rows)
        noise = np.sqrt(self.params["obs_cov[y,y]"]) * rng.standard_normal(BURN + rows)
        blank = self.model(rng.standard_normal(50), rng.standard_normal(50))
        system = blank.system(self.theta(blank))
        state, y = np.zeros((1, blank.k_states)), np.zeros(BURN + rows)
        for t in range(1, BURN + rows):
            state, eta = system.step(state, y[t - 1 : t].reshape(1, 1, 1), x[t : t + 1, None])
            y[t] = eta[0, 0] + noise[t]
        return y[BURN:], x[BURN:]


ELMAN = {
    "W_h[h1,h1]": 0.5, "W_h[h1,h2]": 0.0, "W_h[h2,h1]": 0.4, "W_h[h2,h2]": -0.4,
    "W_y[h1,y]": 0.4, "W_y[h2,y]": -0.8, "W_x[h1,x]": 1.2, "W_x[h2,x]": 0.5,
    "b_h[h1]": 0.3, "b_h[h2]": -0.4, "V[y,h1]": 1.5, "V[y,h2]": 1.0, "b_y[y]": 0.2,
    "obs_cov[y,y]": 0.25,
}  # fmt: skip
# Weights whose standard errors are at most 0.8 at 500 rows, in a network that forgets: under the
# same noise two starts come together by a factor of three a row.
GRU = {
    "W_h_reset[h1,h1]": 1.0, "W_y_reset[h1,y]": -1.9, "W_x_reset[h1,x]": 1.5, "b_reset[h1]": -2.0,
    "W_h_update[h1,h1]": -1.7, "W_y_update[h1,y]": 0.5, "W_x_update[h1,x]": -2.1,
    "b_update[h1]": -0.8, "W_h_candidate[h1,h1]": -1.1, "W_y_candidate[h1,y]": -1.0,
    "W_x_candidate[h1,x]": -2.2, "b_candidate[h1]": -0.6, "b_h_candidate[h1]": 1.5,
    "V[y,h1]": 3.0, "b_y[y]": 0.1, "obs_cov[y,y]": 0.25,
}  # fmt: skip
CASES = (
    Truth("Elman, 2 tanh units", "ElmanRNN", 2, ELMAN),
    Truth("GRU, 1 unit", "GRU", 1, GRU),
)


@cache
def fixed(number: int) -> tuple[list[Any], FloatArray, FloatArray]:
    """Histories with the next input, their true means, and the true effects over all histories."""
    from rnnstats.results.nonlinear import RecurrentResults

    truth, rng = CASES[number], np.random.default_rng([SEED, number])
    histories, means = [], []
    y, x = truth.draw(HISTORIES * (LENGTH + 1), rng)
    for at in range(0, len(y), LENGTH + 1):
        part = y[at : at + LENGTH], x[at : at + LENGTH + 1]
        histories.append(part)
        model = truth.model(part[0], part[1][:LENGTH])
        results = RecurrentResults.from_fit(model, truth.theta(model), cov_type="none")
        means.append(results.predict_at(exog=part[1][LENGTH:])["mean"].iloc[0])
    whole = truth.model(*truth.draw(POPULATION, rng))
    every = RecurrentResults.from_fit(whole, truth.theta(whole), cov_type="none")
    effects = every._effects("average", "contemporaneous", "derivative", False, "fixed")
    return histories, np.array(means), effects.average(truth.theta(whole)).ravel()


def fitted(truth: Truth, y: FloatArray, x: FloatArray) -> Any:
    """Fit from the truth; what an optimiser says is counted, not shown."""
    model = truth.model(y, x)
    return model.fit(start_params=truth.theta(model))


def one_functions(number: int, rng: np.random.Generator) -> FloatArray:
    """Errors and standard errors of means and effects, and convergence; shape (2, functions)."""
    truth = CASES[number]
    histories, means, effects = fixed(number)
    results = fitted(truth, *truth.draw(ROWS, rng))
    theta = truth.theta(results.model)
    rows = []
    for (y, x), mean in zip(histories, means, strict=True):
        table = results.predict_at(
            history=pd.Series(y, name="y"), history_exog=pd.DataFrame({"x": x[:-1]}),
            exog=x[-1:],
        ).iloc[0]  # fmt: skip
        rows.append([table["mean"] - mean, table["mean_se"]])
    here = results._effects("average", "contemporaneous", "derivative", False, "one")
    for sampling, known in ((False, here.average(theta).ravel()), (True, effects)):
        found = results.average_partial_effects(sampling=sampling)
        off = found["estimate"].to_numpy() - known
        rows += np.column_stack([off, found["std err"].to_numpy()]).tolist()
    return np.array(rows).T


def one_forecasts(number: int, rng: np.random.Generator) -> FloatArray:
    """Probability that each interval holds, and its width; shape (2, kinds, horizons)."""
    truth = CASES[number]
    y, x = truth.draw(ROWS + max(HORIZONS), rng)
    results = fitted(truth, y[:ROWS], x[:ROWS])
    model = results.model
    system = model.system(truth.theta(model))
    sd = np.sqrt(truth.params["obs_cov[y,y]"])
    state = np.repeat(system.state_before(ROWS)[None], LATER, axis=0)
    past, later = np.full(LATER, y[ROWS - 1]), []
    for t in range(ROWS, ROWS + max(HORIZONS)):
        inputs = np.full((LATER, 1), x[t])
        state, eta = system.step(state, past[:, None, None], inputs)
        past = eta[:, 0] + sd * rng.standard_normal(LATER)
        later.append(past)
    found = []
    for kind in KINDS:
        forecast = results.get_forecast(max(HORIZONS), x[ROWS:, None], uncertainty=kind)
        ends = forecast.conf_int().to_numpy()
        held = [
            np.mean((later[h - 1] >= ends[h - 1, 0]) & (later[h - 1] <= ends[h - 1, 1]))
            for h in HORIZONS
        ]
        found.append([held, [ends[h - 1, 1] - ends[h - 1, 0] for h in HORIZONS]])
    return np.array(found).swapaxes(0, 1)


ONE: dict[str, Callable[..., FloatArray]] = {
    "functions": one_functions,
    "forecasts": one_forecasts,
}


def replications(
    part: str, number: int, first: int, last: int, deadline: float = np.inf
) -> Iterator[FloatArray]:
    """Replications of a case, one after the other, until the deadline."""
    from rnnstats.errors import ConvergenceWarning

    for i in range(first, last):
        if time.monotonic() > deadline:
            return
        rng = np.random.default_rng([SEED, PARTS.index(part), number, i])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            yield ONE[part](number, rng)


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
        if fresh % 10 == 0:
            np.save(path, np.array(done))
    if fresh:
        np.save(path, np.array(done))
    return np.array(done[:goal])


def functions_table(number: int, found: FloatArray) -> list[str]:
    """Coverage of each function's interval."""
    effects = ("L1.y", "x")
    names = [f"mean at history {i + 1}" for i in range(HISTORIES)]
    names += [f"effect of {name}, these rows" for name in effects]
    names += [f"effect of {name}, all histories" for name in effects]
    error, se = found[:, 0], found[:, 1]
    missing = np.isnan(se)
    lines = [
        f"\n### {CASES[number].name}: {len(found)} samples of {ROWS} rows\n",
        "| function | bias / sd | se / sd | covered | +- | | no s.e. |",
        "|---|---|---|---|---|---|---|",
    ]
    held = np.where(missing, np.nan, np.abs(error) <= Z * np.where(missing, 1.0, se))
    for j, name in enumerate(names):
        value, mc = share(held[:, [j]])
        low, high = np.quantile(error[:, j], [0.25, 0.75])
        sd = (high - low) / 1.349  # of a normal law; a rare wild sample does not move it
        lines.append(
            f"| {name} | {error[:, j].mean() / sd:+.2f} | {np.nanmedian(se[:, j]) / sd:.3f} | "
            f"{value:.3f} | {mc:.3f} | {verdict(value, mc, LOW, HIGH)} | "
            f"{missing[:, j].mean():.3f} |"
        )
    for words, part in (("means", slice(0, HISTORIES)), ("effects", slice(HISTORIES, None))):
        value, mc = share(held[:, part])
        word = verdict(value, mc, LOW, HIGH)
        lines.append(f"| all {words} | | | {value:.3f} | {mc:.3f} | {word} | |")
    return lines


def forecasts_table(number: int, found: FloatArray) -> list[str]:
    """Coverage of forecast intervals by kind and horizon."""
    lines = []
    for i, kind in enumerate(KINDS):
        cells, words = [], []
        for j in range(len(HORIZONS)):
            value, mc = share(found[:, 0, i, j])
            cells.append(f"{value:.3f} +- {mc:.3f}")
            words.append(verdict(value, mc, LOW, HIGH) or "in")
        width = np.nanmean(found[:, 1, i], axis=0)
        lines.append(
            f"| {CASES[number].name} | {len(found)} | {kind} | {' | '.join(cells)} | "
            f"{', '.join(words)} | {', '.join(f'{w:.2f}' for w in width)} |"
        )
    return lines


HEADS = {
    "functions": ["\n## Functions that are identified: 95 % intervals, target 92 to 98 %"],
    "forecasts": [
        f"\n## Forecasts: 95 % intervals after {ROWS} rows, target 92 to 98 %\n",
        "| model | samples | kind | h = 1 | h = 8 | | mean width |",
        "|---|---|---|---|---|---|---|",
    ],
}
TABLES = {"functions": functions_table, "forecasts": forecasts_table}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run parts of the study and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recurrent_coverage",
                                     description=__doc__)  # fmt: skip
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--reps", type=int, default=500, help="samples a case")
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
        print(*HEADS[part], sep="\n")
        for number in range(len(CASES)):
            if options.case is not None and number != options.case:
                continue
            found = study(part, number, options.reps, options.out, deadline)
            complete &= len(found) == options.reps
            if len(found) > 1:
                print(*TABLES[part](number, found), sep="\n", flush=True)
    if not complete:
        print("\nStopped before the end: the same command goes on from here.", file=sys.stderr)
    return 0 if complete else 3


if __name__ == "__main__":
    raise SystemExit(main())
