"""Does the default fit find the best optimum that many random starts find?

    python -m benchmarks.optimum [--starts 30] [--only WORD] [--first SEED]

For each data set the default call ``model.fit()`` is held against the highest of ``--starts`` fits
begun at random systems (roots and zeros uniform in the disc of radius 0.95, random directions),
each climbed to its end, and of one fit with ``n_starts=60``. ``--first 50`` takes other simulated
samples and no real series. A row is *found* when the default is
not lower than that by more than 1e-4 in log-likelihood.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rnnstats import LinearRNN, datasets
from rnnstats.equivalence.realisation import Realisation, to_echelon

FOUND = 1e-4


class Case(NamedTuple):
    """A model whose optimum is looked for, and where it comes from."""

    family: str
    name: str
    model: LinearRNN


def _growth(*columns: str) -> pd.DataFrame:
    levels = datasets.us_macro()[list(columns)]
    return (100.0 * levels.map(np.log).diff()).iloc[1:]


def _roots(rng: np.random.Generator, n: int, radius: float) -> np.ndarray:
    """A real matrix (n, n) with random roots in a disc, in random coordinates."""
    out, i = np.zeros((n, n)), 0
    while i < n:
        size = radius * np.sqrt(rng.random())
        if i + 1 < n and rng.random() < 0.5:
            turn = np.pi * rng.random()
            a, b = size * np.cos(turn), size * np.sin(turn)
            out[i : i + 2, i : i + 2] = [[a, b], [-b, a]]
            i += 2
        else:
            out[i, i] = size * (1 if rng.random() < 0.5 else -1)
            i += 1
    basis = np.linalg.qr(rng.standard_normal((n, n)))[0]
    return basis @ out @ basis.T


def random_system(rng: np.random.Generator, n: int, p: int, radius: float) -> Realisation:
    """Random poles, and a gain shrunk until all zeros lie in the disc."""
    a = _roots(rng, n, radius)
    c = rng.standard_normal((p, n)) / np.sqrt(n)
    k = rng.standard_normal((n, p))
    while np.abs(np.linalg.eigvals(a - k @ c)).max() > radius:
        k *= 0.9
    return Realisation(a, c, k)


def simulated(seed: int, n: int, p: int, nobs: int) -> np.ndarray:
    """Draw from a random system."""
    rng = np.random.default_rng(seed)
    a, c, k = random_system(rng, n, p, 0.95)
    mix = np.linalg.cholesky(0.5 * np.eye(p) + 0.5)
    h, rows = np.zeros(n), []
    for _ in range(nobs + 200):
        e = mix @ rng.standard_normal(p)
        rows.append(c @ h + e)
        h = a @ h + k @ e
    return np.array(rows[200:])


def seasonal(seed: int, nobs: int) -> np.ndarray:
    """Quarterly: (1 - 0.6 L)(1 - 0.8 L^4) y = (1 - 0.5 L^4) e."""
    rng = np.random.default_rng(seed)
    e = rng.standard_normal(nobs + 200)
    y = np.zeros(nobs + 200)
    for t in range(5, nobs + 200):
        y[t] = 0.6 * y[t - 1] + 0.8 * y[t - 4] - 0.48 * y[t - 5] + e[t] - 0.5 * e[t - 4]
    return y[200:]


def real_cases() -> Iterator[Case]:
    """Real series."""
    three = ("realinv", "realgdp", "realcons")
    yield Case("US growth", "inv, gdp, cons: VARMA(1,1)", LinearRNN(_growth(*three)))
    for pair in (("realinv", "realcons"), ("realgdp", "realcons"), ("realinv", "realgdp")):
        name = ", ".join(pair) + ": VARMA(1,1)"
        yield Case("US growth", name, LinearRNN(_growth(*pair)))
    investment = _growth("realinv")["realinv"]
    for n in (2, 3, 4):
        yield Case("US growth", f"investment: ARMA({n},{n})", LinearRNN(investment, k_states=n))
    rates = datasets.us_macro()[["infl", "unemp", "tbilrate"]].iloc[1:]
    yield Case("US rates", "infl, unemp, tbill: VARMA(1,1)", LinearRNN(rates))
    yield Case("published", "A08: infl, tbill", LinearRNN(rates[["infl", "tbilrate"]]))
    luet = datasets.lutkepohl()
    luet = (100.0 * luet.map(np.log).diff()).iloc[1:75]  # to 1978Q4, as in the book
    for n in (3, 4):
        yield Case("Luetkepohl", f"{n} states", LinearRNN(luet, k_states=n))
    yield Case("published", "A01: lh, ARMA(1,1)", LinearRNN(datasets.lh(), k_states=1))
    for n in (2, 3, 4):
        for name in ("lh", "sunspots", "lynx", "lake_huron", "nile", "presidents"):
            series = getattr(datasets, name)()
            if name == "lynx":
                series = np.log10(series)
            yield Case("series", f"{name}: ARMA({n},{n})", LinearRNN(series, k_states=n))


def simulated_cases(first: int) -> Iterator[Case]:
    """Samples of random systems, numbered from ``first``."""
    for p in (2, 3):
        for i in range(8):
            nobs = 100 if i % 2 else 200
            y = simulated(100 * p + i + first, p, p, nobs)
            yield Case("simulated VARMA(1,1)", f"p={p}, T={nobs}, seed {i + first}", LinearRNN(y))
    for n in (2, 3, 4):
        for i in range(6):
            nobs = 100 if i % 2 else 200
            y = simulated(1000 * n + i + first, n, 1, nobs)[:, 0]
            model = LinearRNN(y, k_states=n)
            yield Case("simulated ARMA", f"({n},{n}), T={nobs}, seed {i + first}", model)
    for i in range(4):
        nobs = 100 if i % 2 else 200
        model = LinearRNN(seasonal(i + first, nobs), k_states=5)
        yield Case("seasonal", f"quarterly, 5 states, T={nobs}, seed {i + first}", model)


def cases(first: int = 0) -> Iterator[Case]:
    """All data sets; with ``first`` above zero other simulated ones alone."""
    if first == 0:
        yield from real_cases()
    yield from simulated_cases(first)


def random_point(model: LinearRNN, rng: np.random.Generator) -> np.ndarray | None:
    """Parameters of a random system scaled to the data; None where it is not admissible."""
    p, n = model.k_endog, model.k_states
    seen = np.asarray(model.endog.values, dtype=np.float64)
    mean, spread = np.nanmean(seen, axis=0), np.nanstd(seen, axis=0)
    drawn = random_system(rng, n, p, 0.95)
    drawn = Realisation(drawn.a, spread[:, None] * drawn.c, drawn.k / spread)
    turned = to_echelon(drawn, model.kronecker)
    if turned is None:
        return None
    cells = {"W_h": turned.a, "V": turned.c, "K": turned.k, "obs_cov": np.diag(spread**2)}
    states = {f"h{i + 1}": i for i in range(n)}
    outputs = {name: i for i, name in enumerate(model.endog.names)}
    place = states | outputs
    point = []
    for label in model.param_names:
        group, inside = label[:-1].split("[", 1)
        names = inside.split(",")
        if group == "b_y":
            point.append(mean[outputs[names[0]]])
        else:
            point.append(cells[group][place[names[0]], place[names[1]]])
    theta = np.array(point)
    return theta if np.isfinite(model.loglike(theta)) else None


def at_random(model: LinearRNN, number: int, seed: int) -> list[Any]:
    """Fits from random systems."""
    rng, fits = np.random.default_rng(seed), []
    for _ in range(20 * number):
        if len(fits) == number:
            break
        theta = random_point(model, rng)
        if theta is not None:
            fits.append(model.fit(start_params=theta, cov_type="none"))
    return fits


def compare(case: Case, number: int, seed: int = 0) -> dict[str, Any]:
    """One row of the table."""
    clock = time.process_time()
    default = case.model.fit(cov_type="none")
    ours = time.process_time() - clock
    clock = time.process_time()
    ends = np.array([fit.llf for fit in at_random(case.model, number, seed)])
    theirs = time.process_time() - clock
    wide = case.model.fit(n_starts=60, rng=seed, cov_type="none").llf
    best = max(ends.max(), wide)
    return {
        "family": case.family,
        "case": case.name,
        "llf": default.llf,
        "random": ends.max() - default.llf,
        "n_starts=60": wide - default.llf,
        "found": default.llf >= best - FOUND,
        "share": float(np.mean(ends >= max(best, default.llf) - FOUND)),
        "optima": len(np.unique(np.round(ends, 3))),
        "ms": 1e3 * ours,
        "random ms": 1e3 * theirs,
        "boundary": "; ".join(default.convergence.boundary),
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--starts", type=int, default=30)
    parser.add_argument("--only", default="")
    parser.add_argument("--first", type=int, default=0)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    rows = []
    for case in cases(given.first):
        if given.only in case.family + " " + case.name:
            rows.append(compare(case, given.starts))
            print(f"{case.family}, {case.name}: {rows[-1]['found']}", flush=True)
    table = pd.DataFrame(rows)
    with pd.option_context("display.width", 250, "display.max_colwidth", 60):
        print(table.to_string())
    print(
        f"{table['found'].sum()} of {len(table)} found; largest gap "
        f"{table[['random', 'n_starts=60']].max().max():.4f}"
    )


if __name__ == "__main__":
    main()
