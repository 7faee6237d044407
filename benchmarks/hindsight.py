"""What hindsight is worth: two-sided against forward networks, beside filter and smoother.

    python -m benchmarks.hindsight linear nonlinear series --reps 20

draws samples from a latent process s with y = s + noise, and fits forward and bidirectional
networks on ``--rows`` rows. Mean squared errors are those of ``--rows`` new rows, all inputs of
which the bidirectional network reads: medians over replications. The ratio of both, two-sided over
forward, is shown as median, and as mean with its standard error (a network that latches on to one
level of the sample can be far off on new rows, which moves the mean).

``linear``
    s an AR(1); target s, inputs y. Limits: Kalman filter and fixed-interval smoother.
``nonlinear``
    s bistable, ``s_t = 1.2 tanh(2 s_{t-1}) + noise``; target s, inputs y. Limits: best linear
    filter and smoother (Wiener), from a long simulation. A nonlinear network can do better.
``series``
    s an AR(1); target y itself, each row from those before it, or (pseudo-likelihood) from all
    others. Limits: one-step variance, and variance given all other rows (interpolation).
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
SEED = 20261122
# Persistence and spread of the linear process, spread of the noise in y.
PHI, STATE_SD, NOISE_SD = 0.9, 0.5, 1.0
# The bistable process.
PULL, STEEP, SHAKE, BLUR = 1.2, 2.0, 0.4, 1.2
# Rows on either side that the best linear filter and smoother see, and rows they are found from.
REACH, LONG = 40, 100_000


@dataclass(frozen=True)
class Case:
    """A process and the networks that are fitted.

    Attributes
    ----------
    name : str
    draw : callable
        ``(rows, rng) -> (s, y)``.
    target : {"state", "series"}
    limits : callable
        Mean squared errors without and with hindsight.
    networks : tuple of (str, dict)
        Names, and arguments of BidirectionalRNN.
    """

    name: str
    draw: Callable[[int, np.random.Generator], tuple[FloatArray, FloatArray]]
    target: str
    limits: Callable[[], tuple[float, float]]
    networks: tuple[tuple[str, dict[str, Any]], ...]


@dataclass
class Found:
    """Mean squared errors by replication: forward, two-sided."""

    errors: list[tuple[float, float]] = field(default_factory=list)

    def ratio(self) -> tuple[float, float]:
        """Mean of two-sided over forward, and its standard error."""
        values = np.array([two / one for one, two in self.errors])
        return float(values.mean()), float(values.std(ddof=1) / np.sqrt(len(values)))

    def median(self) -> tuple[float, float, float]:
        """Medians of the errors, and of their ratio."""
        pairs = np.array(self.errors)
        ratio = np.median(pairs[:, 1] / pairs[:, 0])
        return float(np.median(pairs[:, 0])), float(np.median(pairs[:, 1])), float(ratio)


def draw_linear(rows: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw an AR(1) from its stationary law, and what is measured."""
    s = np.empty(rows)
    last = rng.standard_normal() * STATE_SD / np.sqrt(1 - PHI**2)
    for t in range(rows):
        last = PHI * last + STATE_SD * rng.standard_normal()
        s[t] = last
    return s, s + NOISE_SD * rng.standard_normal(rows)


def draw_bistable(rows: int, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw a process that stays near one of two levels, and what is measured."""
    last, out = float(rng.choice([-PULL, PULL])), np.empty(rows)
    for t in range(rows):
        last = PULL * np.tanh(STEEP * last) + SHAKE * rng.standard_normal()
        out[t] = last
    return out, out + BLUR * rng.standard_normal(rows)


def kalman_limits() -> tuple[float, float]:
    """Variances of the filtered and the smoothed state in steady state."""
    q, r = STATE_SD**2, NOISE_SD**2
    predicted = 1.0
    for _ in range(10_000):
        predicted = PHI**2 * predicted * r / (predicted + r) + q
    filtered = predicted * r / (predicted + r)
    smoothed = filtered
    for _ in range(10_000):
        gain = PHI * filtered / predicted
        smoothed = filtered + gain**2 * (smoothed - predicted)
    return filtered, smoothed


def wiener_limits() -> tuple[float, float]:
    """Errors of the best linear filter and smoother, found by least squares on a long sample."""
    s, y = draw_bistable(LONG, np.random.default_rng(SEED))
    rows = np.arange(REACH, LONG - REACH)
    out = []
    for ahead in (0, REACH):
        reach = range(-REACH, ahead + 1)
        design = np.column_stack([y[rows + j] for j in reach] + [np.ones(len(rows))])
        beta = np.linalg.lstsq(design, s[rows], rcond=None)[0]
        out.append(float(np.mean((s[rows] - design @ beta) ** 2)))
    return out[0], out[1]


def series_limits() -> tuple[float, float]:
    """Variances of y given all earlier rows, and given all other rows."""
    size = 401
    lags = np.abs(np.subtract.outer(np.arange(size), np.arange(size)))
    cov = STATE_SD**2 / (1 - PHI**2) * PHI**lags + NOISE_SD**2 * np.eye(size)
    precision = np.linalg.inv(cov)
    return 1.0 / float(precision[-1, -1]), 1.0 / float(precision[size // 2, size // 2])


# A little ridge keeps weights finite where a network is linear, or a direction flat.
PENALTY = 0.1
IDENTITY = {"activation": "identity", "k_hidden": 2, "penalty": PENALTY}
TANH = {"activation": "tanh", "k_hidden": 2, "penalty": PENALTY}
CASES = {
    "linear": Case(
        "linear", draw_linear, "state", kalman_limits,
        (("identity, 2 units", IDENTITY), ("tanh, 2 units", TANH)),
    ),
    "nonlinear": Case(
        "nonlinear", draw_bistable, "state", wiener_limits,
        (("identity, 2 units", IDENTITY), ("tanh, 2 units", TANH),
         ("gru, 2 units", {"cell": "gru", "k_hidden": 2, "penalty": PENALTY})),
    ),
    "series": Case(
        "series", draw_linear, "series", series_limits,
        (("identity, 1 unit", IDENTITY | {"k_hidden": 1}),
         ("tanh, 1 unit", TANH | {"k_hidden": 1})),
    ),
}  # fmt: skip


def errors(model: Any, params: Any, target: FloatArray) -> float:
    """Mean squared error of the means of a model's laws."""
    system = model.system(params)
    return float(np.mean((target[system.rows] - system.law.mean[:, 0]) ** 2))


def replicate(
    case: Case, arguments: dict[str, Any], rows: int, starts: int, rng: np.random.Generator
) -> tuple[float, float]:
    """Mean squared errors of the forward and the two-sided network on new rows."""
    from rnnstats.models.bidirectional import BidirectionalRNN

    samples = [case.draw(rows, rng) for _ in range(2)]
    itself = case.target == "series"
    given = [(y, None) if itself else (s, y) for s, y in samples]
    model = BidirectionalRNN(*given[0], **arguments)
    found = []
    for one in (model.forward_model(), model):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a network that runs to infinity predicts all the same
            fitted = one.fit(n_starts=starts, cov_type="none", rng=0)
        new = one.clone(*given[1])
        found.append(errors(new, fitted.params, given[1][0]))
    return found[0], found[1]


def study(
    case: Case, *, reps: int, rows: int, starts: int, minutes: float = np.inf
) -> dict[str, Found]:
    """Draw, fit and measure ``reps`` times.

    Replication i has a random stream of its own; it ends after ``minutes``.
    """
    found = {name: Found() for name, _ in case.networks}
    deadline = time.monotonic() + 60.0 * minutes
    for i in range(reps):
        if time.monotonic() > deadline:
            break
        for name, arguments in case.networks:
            rng = np.random.default_rng([SEED, i])
            found[name].errors.append(replicate(case, arguments, rows, starts, rng))
    return found


def table(case: Case, found: dict[str, Found]) -> list[str]:
    """Lines of a table."""
    one, two = case.limits()
    head = f"{'':22}{'forward':>10}{'two-sided':>11}{'median':>9}{'mean':>9}{'(se)':>9}{'reps':>6}"
    limit = two / one
    lines = [case.name, head, f"{'limits':22}{one:10.4f}{two:11.4f}{limit:9.4f}{limit:9.4f}"]
    for name, part in found.items():
        if len(part.errors) > 1:
            ratio, error = part.ratio()
            a, b, middle = part.median()
            count = len(part.errors)
            lines.append(
                f"{name:22}{a:10.4f}{b:11.4f}{middle:9.4f}{ratio:9.4f}{error:9.4f}{count:6d}"
            )
    return lines


def main(arguments: Sequence[str] | None = None) -> int:
    """Run parts of the study and print their tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.hindsight", description=__doc__)
    parser.add_argument("cases", nargs="*", default=list(CASES), help=", ".join(CASES))
    parser.add_argument("--reps", type=int, default=20, help="samples a case")
    parser.add_argument("--rows", type=int, default=1000, help="rows to fit, and to measure on")
    parser.add_argument("--starts", type=int, default=6, help="starts of each fit")
    parser.add_argument("--minutes", type=float, default=30.0, help="end a case after this long")
    options = parser.parse_args(arguments)
    unknown = [name for name in options.cases if name not in CASES]
    if unknown:
        parser.error(f"unknown case {unknown[0]!r}: choose from {', '.join(CASES)}")
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    for name in options.cases:
        case = CASES[name]
        found = study(
            case, reps=options.reps, rows=options.rows, starts=options.starts,
            minutes=options.minutes,
        )  # fmt: skip
        print(*table(case, found), "", sep="\n", flush=True)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
