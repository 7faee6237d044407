"""Fits of Markov models by number of regimes, each at least as high as the one below it.

A model of K + 1 regimes contains that of K: two of its regimes are alike. Where a search ends lower
than the smaller model's maximum, it has missed something, and is begun again from there with one
regime split in two (Ueda et al. 2000, "split" moves).

References
----------
Ueda, N., Nakano, R., Ghahramani, Z. and Hinton, G. E. (2000), SMEM algorithm for mixture models,
Neural Computation 12, 2109-2128.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from rnnstats._parallel import worked_through
from rnnstats.errors import DataError, SpecificationError
from rnnstats.estimation.progress import Counter
from rnnstats.models.markov import MarkovRNN
from rnnstats.selection.running import ended_early, quietly

if TYPE_CHECKING:
    from rnnstats.results.markov import MarkovResults
    from rnnstats.results.regimes.protocol import RegimeModel

__all__ = ["FittedRegimes", "RegimeBuilder", "fit_one", "fit_regimes", "lifted", "split"]

FloatArray = NDArray[np.float64]
# A fit counts as lower than the smaller model it contains when it is lower by more than this.
SLACK = 1e-6
# Of the two halves of a split regime: probability of staying in one's own half.
STAY = 0.9
# How far apart the halves start: locations by this many standard deviations, scales by this factor.
APART, WIDER = 0.6, 1.8
_REGIME = re.compile(r"h(\d+)\]$")
_STEP = re.compile(r"^(p|W_h|W_x)\[h(\d+)->h(\d+)(.*)\]$")
_START = re.compile(r"^start\[h(\d+)(.*)\]$")


@dataclass(frozen=True)
class RegimeBuilder:
    """Makes the model of a number of regimes; a value that processes can be sent.

    Attributes
    ----------
    endog, exog : object
        As given by the user.
    settings : mapping
        Other arguments of MarkovRNN.
    """

    endog: Any
    exog: Any
    settings: Mapping[str, Any]

    def __call__(self, k_regimes: int) -> MarkovRNN:
        """Return the model; one regime has no transitions, and inputs of them go with them.

        Parameters
        ----------
        k_regimes : int
        """
        settings = dict(self.settings)
        if k_regimes == 1:
            settings |= {"exog_transition": None, "start": "stationary"}
        return MarkovRNN(self.endog, self.exog, k_regimes=k_regimes, **settings)


@dataclass(frozen=True)
class FittedRegimes:
    """What became of one number of regimes: results, or the reason why there are none."""

    k_regimes: int
    results: MarkovResults | None = field(repr=False)
    reason: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped this fit."""
        return ended_early(self.results)


def fit_one(
    build: Callable[[int], Any], k_regimes: int, n_starts: int | None, maxiter: int,
    seed: int | None, cov_type: str = "oim",
) -> FittedRegimes:  # fmt: skip
    """Fit one number of regimes from starts found in the data.

    Parameters
    ----------
    build : callable
        Number of regimes to model.
    k_regimes : int
    n_starts, maxiter : int or None, int
        As in ``MarkovRNN.fit``.
    seed : int, optional
        Default: that of ``fit``.
    cov_type : str

    Returns
    -------
    FittedRegimes
        With a reason in place of results where the data refuse the model.
    """
    try:
        model = build(k_regimes)
        fit = partial(model.fit, n_starts=n_starts, maxiter=maxiter, rng=seed, cov_type=cov_type)
        return FittedRegimes(k_regimes, quietly(fit))
    except DataError as error:
        return FittedRegimes(k_regimes, None, str(error))


def fit_regimes(
    build: RegimeBuilder,
    numbers: Sequence[int],
    *,
    n_starts: int | None,
    maxiter: int,
    seed: int | None,
    n_jobs: int,
    progress: bool,
) -> tuple[list[FittedRegimes], bool]:
    """Fit all numbers of regimes.

    Parameters
    ----------
    build : RegimeBuilder
    numbers : sequence of int
        Ascending.
    n_starts, maxiter : int or None, int
        As in ``MarkovRNN.fit``.
    seed : int, optional
        Default: that of ``fit``.
    n_jobs : int
        Processes; the numbers do not depend on it.
    progress : bool
        Show a bar when the work takes over about two seconds.

    Returns
    -------
    fitted : list of FittedRegimes
        In the given order; what an interrupt left undone is not in it.
    interrupted : bool
    """
    done: list[FittedRegimes] = []
    one = partial(fit_one, build, n_starts=n_starts, maxiter=maxiter, seed=seed)
    with Counter(progress, len(numbers), "regimes", "fit") as counter:
        for found in worked_through(one, numbers, n_jobs):
            below = done[-1].results if done else None
            done.append(lifted(found, below, maxiter))
            counter.add()
            if done[-1].interrupted:
                counter.interrupted = True
                break
    return done, counter.interrupted


def lifted(
    fitted: FittedRegimes, below: MarkovResults | None, maxiter: int, cov_type: str = "oim"
) -> FittedRegimes:
    """Fit once more from the smaller model where a fit ends below it.

    Parameters
    ----------
    fitted : FittedRegimes
    below : MarkovResults or None
        The fit with one regime less.
    maxiter : int
    cov_type : str

    Returns
    -------
    FittedRegimes
        The higher end.
    """
    if fitted.results is None or below is None or fitted.results.llf >= below.llf - SLACK:
        return fitted
    model, best = fitted.results.model, fitted.results
    small = below.model
    theta = below.params.to_numpy()
    for regime in range(small.k_regimes):
        for location in (True, False):
            start = split(small, theta, model, regime, location)
            try:
                # with starts of its own beside it, so that the regimes are put in order
                fit = partial(model.fit, start_params=start, n_starts=1, maxiter=maxiter)
                end = quietly(partial(fit, cov_type=cov_type))
            except SpecificationError:  # restrictions make this start inadmissible
                continue
            best = end if end.llf > best.llf else best
        if best.llf >= below.llf - SLACK:
            break
    return FittedRegimes(fitted.k_regimes, best)


def split(
    small: RegimeModel, theta: FloatArray, large: RegimeModel, regime: int, location: bool | None
) -> FloatArray:
    """Parameters of a model with one more regime, from two halves of a regime of the smaller one.

    Parameters
    ----------
    small : RegimeModel
    theta : ndarray, shape (q,)
        Its parameters.
    large : RegimeModel
        The same structure with one more regime.
    regime : int
        Which regime to split, from 0.
    location : bool or None
        Whether the halves get different locations (True) or scales (False); None leaves them
        alike: with equal emissions the likelihood is that of the smaller model.

    Returns
    -------
    ndarray, shape (K,)
    """
    k = small.k_regimes
    origin = [*range(regime + 1), regime, *range(regime + 1, k)]
    known = dict(zip(small.param_names, theta.tolist(), strict=True))
    steps = _split_steps(_full_steps(small, known), origin)
    law = _split_start(small, known, origin)
    values = []
    for name in large.param_names:
        if (found := _STEP.match(name)) is not None:
            kind, a, b, rest = found.groups()
            values.append(_step_value(steps, kind, int(a) - 1, int(b) - 1, rest, k + 1))
        elif (found := _START.match(name)) is not None:
            values.append(law(int(found[1]) - 1, found[2]))
        else:
            values.append(_emission_value(small, known, name, origin, regime, location))
    return np.array(values)


def _full_steps(small: RegimeModel, known: Mapping[str, float]) -> dict[str, FloatArray]:
    """Transition matrix, or logits by constant and column, shape (K, K), with what is implied."""
    k = small.k_regimes
    if k == 1:
        return {"p": np.ones((1, 1))}
    if any(name.startswith("p[") for name in known) or small.exog_transition is None:
        matrix = np.asarray(small.system(np.array(list(known.values()))).transition)
        return {"p": matrix}
    logits: dict[str, FloatArray] = {}
    for name, value in known.items():
        if (found := _STEP.match(name)) is not None:
            rest = found[4]
            logits.setdefault(rest, np.zeros((k, k)))[int(found[2]) - 1, int(found[3]) - 1] = value
    return logits


def _split_steps(steps: Mapping[str, FloatArray], origin: Sequence[int]) -> dict[str, FloatArray]:
    """Transitions among the halves: lumped together they are those of the smaller model."""
    size = len(origin)
    shares = np.ones((size, size))
    first = next(i for i in range(size - 1) if origin[i] == origin[i + 1])
    halves = [first, first + 1]
    shares[:, halves] = 0.5
    shares[np.ix_(halves, halves)] = [[STAY, 1.0 - STAY], [1.0 - STAY, STAY]]
    grid = np.ix_(list(origin), list(origin))
    if "p" in steps:
        return {"p": steps["p"][grid] * shares}
    out = {rest: logits[grid] for rest, logits in steps.items()}
    out[""] = out[""] + np.log(shares)
    return {rest: logits - logits[:, -1:] for rest, logits in out.items()}


def _step_value(
    steps: Mapping[str, FloatArray], kind: str, a: int, b: int, rest: str, size: int
) -> float:
    """Value of one transition parameter; of inputs that the smaller model had not, zero."""
    if kind == "p":
        return float(steps["p"][a, b])
    if "p" in steps:  # from one regime, without transitions
        p = steps["p"]
        return float(np.log(p[a, b] / p[a, size - 1])) if rest == "" else 0.0
    return float(steps[rest][a, b])


def _split_start(small: RegimeModel, known: Mapping[str, float], origin: Sequence[int]) -> Any:
    """Parameters of the start distribution by regime: probabilities, or logits by column."""
    k = small.k_regimes
    count = [origin.count(i) for i in origin]
    table: dict[str, FloatArray] = {}
    for name, value in known.items():
        if (found := _START.match(name)) is not None:
            table.setdefault(found[2], np.zeros(k))[int(found[1]) - 1] = value

    def read(regime: int, rest: str) -> float:
        if small.start == "free":
            law = table.get("", np.zeros(k))
            named = [i for i in range(k) if f"start[h{i + 1}]" in known]
            left = [i for i in range(k) if i not in named]
            law[left] = (1.0 - law[named].sum()) / max(len(left), 1)
            return float(law[origin[regime]] / count[regime])
        logits = table.get(rest, np.zeros(k))[list(origin)]
        if rest == "":
            logits = logits - np.log(count)
        return float(logits[regime] - logits[-1])

    return read


def _emission_value(
    small: RegimeModel,
    known: Mapping[str, float],
    name: str,
    origin: Sequence[int],
    regime: int,
    location: bool | None,
) -> float:
    """Value of an emission parameter; those of the two halves are moved apart."""
    found = _REGIME.search(name)
    if found is None or int(found[1]) > len(origin):
        return known[name]
    at = int(found[1]) - 1
    value = known[_REGIME.sub(f"h{origin[at] + 1}]", name)]
    if location is None or origin[at] != regime:
        return value
    sign = 1.0 if at == regime + 1 else -1.0
    kind = name.split("[")[0]
    column = name[len(kind) + 1 :].split(",")[0].split("=")[0]
    if location:
        if kind == "V":
            return value + sign * APART * _spread(small, column)
        if kind == "mean":
            return value * (1.0 + 0.4 * sign) + (1e-3 if value == 0.0 else 0.0)
        if kind == "prob":
            return value + 0.4 * sign * (1.0 - value if sign > 0 else value) * value
        return value
    return value * WIDER**sign if kind in ("obs_cov", "scale2", "dispersion", "shape") else value


def _spread(small: RegimeModel, column: str) -> float:
    """Standard deviation of a column; 1 where it has none (a level of a categorical one)."""
    names = list(small.endog.names)
    if column not in names:
        return 1.0
    sd = float(np.nanstd(np.asarray(small.endog.values, dtype=float)[:, names.index(column)]))
    return sd if sd > 0.0 else 1.0
