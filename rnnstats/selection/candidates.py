"""Fits of every order, each at least as high as the smaller ones it contains."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from rnnstats._parallel import worked_through
from rnnstats.errors import DataError
from rnnstats.estimation.progress import Counter
from rnnstats.models.base import DEFAULT_SEED
from rnnstats.models.conversion.nesting import beside, embedded, without_state
from rnnstats.selection.notes import model_of
from rnnstats.selection.running import ended_early, has_converged, quietly

if TYPE_CHECKING:
    from rnnstats.models.linear import LinearRNN
    from rnnstats.results.linear import LinearResults

__all__ = ["Fitted", "Order", "compositions", "fit_all"]

# A fit counts as lower than the smaller model it contains when it is lower by more than this.
SLACK = 1e-6


@dataclass(frozen=True)
class Order:
    """One structure: a number of states and, where they are asked for, Kronecker indices."""

    k_states: int
    kronecker: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Fitted:
    """What became of one structure: results, or the reason why there are none."""

    order: Order
    results: LinearResults | None = field(repr=False)
    reason: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether the user stopped this fit."""
        return ended_early(self.results)


def compositions(k_states: int, k_endog: int) -> Iterator[tuple[int, ...]]:
    """All Kronecker indices with a given sum, generic-looking ones first.

    Parameters
    ----------
    k_states, k_endog : int
    """
    found: list[tuple[int, ...]] = []

    def extend(head: tuple[int, ...], rest: int) -> None:
        if len(head) == k_endog - 1:
            found.append((*head, rest))
            return
        for value in range(rest + 1):
            extend((*head, value), rest - value)

    extend((), k_states)
    yield from sorted(found, key=lambda nu: (max(nu) - min(nu), tuple(-v for v in nu)))


def _from_data(build: Callable[[Order], LinearRNN], order: Order, n_starts: int | None,
               maxiter: int, seed: int | None) -> Fitted:  # fmt: skip
    """Fit one structure from starts found in the data."""
    try:
        model = build(order)
        fit = partial(model.fit, n_starts=n_starts, maxiter=maxiter, rng=seed)
        return Fitted(order, quietly(fit))
    except DataError as error:
        return Fitted(order, None, str(error))


def _from_below(
    fitted: Fitted, below: Sequence[LinearResults], maxiter: int, seed: int | None
) -> Fitted:
    """Fit once more from the best smaller model; keep the higher end."""
    if fitted.results is None or not below:
        return fitted
    best = max(below, key=lambda results: results.llf)
    model = model_of(fitted.results)
    same, better = embedded(model_of(best), best.params.to_numpy(), model, _random(seed))
    ends = [fitted.results]
    for start in (better, same):
        ends.append(quietly(partial(model.fit, start_params=start, maxiter=maxiter)))
        if max(results.llf for results in ends) >= best.llf - SLACK:
            break
    top = max(results.llf for results in ends)
    level = [results for results in ends if results.llf >= top - SLACK]
    settled = [results for results in level if has_converged(results)]
    return Fitted(fitted.order, (settled or level)[0])


def _random(seed: int | None) -> np.random.Generator:
    return np.random.default_rng(DEFAULT_SEED if seed is None else seed)


def _from_beside(
    generic: Fitted, others: Sequence[LinearResults], maxiter: int, seed: int | None
) -> Fitted:
    """Fit generic Kronecker indices once more where other ones, which are limits, are higher."""
    best = max(others, key=lambda results: results.llf, default=None)
    if best is None or generic.results is None or best.llf <= generic.results.llf + SLACK:
        return generic
    model = model_of(generic.results)
    start = beside(model_of(best), best.params.to_numpy(), model, _random(seed))
    if start is None:
        return generic
    end: LinearResults = quietly(partial(model.fit, start_params=start, maxiter=maxiter))
    return Fitted(generic.order, end) if end.llf > generic.results.llf else generic


def fit_all(
    build: Callable[[Order], LinearRNN],
    orders: Sequence[Order],
    *,
    n_starts: int | None,
    maxiter: int,
    seed: int | None,
    n_jobs: int,
    progress: bool,
) -> tuple[list[Fitted], bool]:
    """Fit all structures.

    Parameters
    ----------
    build : callable
        Structure to model; of zero states too.
    orders : sequence of Order
        By number of states, ascending.
    n_starts, maxiter : int or None, int
        As in ``LinearRNN.fit``.
    seed : int or None
        Of the random parts of the starts; None for those of a fit of its own.
    n_jobs : int
        Processes; the numbers do not depend on it.
    progress : bool
        Show a bar when the work takes over about two seconds.

    Returns
    -------
    fitted : list of Fitted
        Zero states first, then in the given order; what an interrupt left undone is not in it.
    interrupted : bool

    Raises
    ------
    DataError
        When not even the model without a state can be fitted.
    """
    bare = build(Order(1))
    none = bare.with_fixed(without_state(bare))
    base = Fitted(Order(0), quietly(partial(none.fit, maxiter=maxiter)))
    done = [base]
    first: dict[Order, Fitted] = {}
    one = partial(_from_data, build, n_starts=n_starts, maxiter=maxiter, seed=seed)
    with Counter(progress, 2 * len(orders), "orders", "fit") as counter:
        # in other processes begin with the largest, which take longest
        first_to_last = orders if n_jobs == 1 else orders[::-1]
        for found in worked_through(one, first_to_last, n_jobs):
            first[found.order] = found
            counter.add()
            if found.interrupted:
                counter.interrupted = True
                break
        for order in orders:
            if counter.interrupted or order not in first:
                break
            below = _below(order, {item.order: item.results for item in done})
            done.append(_from_below(first[order], below, maxiter, seed))
            counter.add()
            counter.interrupted = done[-1].interrupted
            if order.kronecker is not None and order == _last(orders, order.k_states):
                _lift_generic(done, order.k_states, maxiter, seed)
    reached = {item.order for item in done}
    done += [first[order] for order in orders if order in first and order not in reached]
    return done, counter.interrupted


def _last(orders: Sequence[Order], k_states: int) -> Order:
    return [order for order in orders if order.k_states == k_states][-1]


def _lift_generic(done: list[Fitted], k_states: int, maxiter: int, seed: int | None) -> None:
    """Replace, in place, the fit of the generic indices, the first of its number of states."""
    places = [i for i, item in enumerate(done) if item.order.k_states == k_states]
    others = [done[i].results for i in places[1:]]
    known = [results for results in others if results is not None]
    done[places[0]] = _from_beside(done[places[0]], known, maxiter, seed)


def _below(
    order: Order, done: Mapping[Order, LinearResults | None]
) -> list[LinearResults]:  # fmt: skip
    """Results of the structures that this one contains with one state less."""
    if order.kronecker is None:
        smaller = [o for o in done if o.k_states < order.k_states]
        wanted = [max(smaller, key=lambda o: o.k_states)] if smaller else []
    elif order.k_states == 1:
        wanted = [Order(0)]
    else:
        nu = order.kronecker
        wanted = [
            Order(order.k_states - 1, (*nu[:i], value - 1, *nu[i + 1 :]))
            for i, value in enumerate(nu)
            if value
        ]
    found = [done.get(o) for o in wanted]
    return [results for results in found if results is not None]
