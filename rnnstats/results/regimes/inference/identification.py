"""What the data tell about the parameters of a model with regimes."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations, permutations
from typing import Any

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.inference.covariances import (
    Derivatives,
    estimate_covariance,
    without_fixed,
)
from rnnstats.results.inference.functions import read_functions
from rnnstats.results.protocol import FloatArray, direction_names
from rnnstats.results.regimes.inference.refitting import allowed
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.tables import InformationRank

__all__ = ["RegimeIdentification", "RegimeIdentified"]

# Log densities that differ by less than this in every row are those of one regime.
SAME = 1e-8
# Fewer expected rows than this say next to nothing about a regime's own parameters.
RARE = 1.0
# Regimes up to which all orders are tried against the restrictions.
TRIED = 6
ALWAYS = (
    "The regimes have no order of their own: every renumbering that the restrictions allow has the "
    "same likelihood ({orders} here), and the fit's rule of order picks one. Standard errors are "
    "those of that one, which is right where the regimes are well apart."
)


@dataclass(frozen=True, eq=False, repr=False)
class RegimeIdentification:
    """Which parameters the data tell, and which regimes they tell apart.

    Attributes
    ----------
    rank : int
        Rank of the information (sum of outer products of the scores) in the free directions.
    k_free : int
        Number of free parameters, those at the boundary left out.
    orders : int
        Numberings of the regimes that have the same likelihood and obey the restrictions.
    coincident : tuple of (str, str)
        Pairs of regimes with the same density in every row: the data cannot tell them apart, and
        the transitions between them are not identified.
    rare : tuple of str
        Regimes in which fewer than one row is expected, given the data.
    held : tuple of str
        Parameters at the boundary of the parameter space.
    """

    rank: int
    k_free: int
    orders: int
    coincident: tuple[tuple[str, str], ...]
    rare: tuple[str, ...]
    held: tuple[str, ...]
    _found: InformationRank
    _table: pd.DataFrame
    _visits: pd.Series
    _slopes: Callable[[Any], tuple[tuple[str, ...], FloatArray]]
    _estimate: Callable[[], CovarianceEstimate]

    def __str__(self) -> str:
        """Return the identification line, regimes that coincide first."""
        words = [f"regimes {a} and {b} coincide" for a, b in self.coincident]
        words += [f"regime {name} is not visited" for name in self.rare]
        words.append(str(self._found))
        if self.orders > 1:
            words.append(f"the same in {self.orders} orders of the regimes")
        return "; ".join(words)

    def __repr__(self) -> str:
        """Return the identification line."""
        return f"<RegimeIdentification: {self}>"

    @property
    def identified(self) -> bool:
        """Whether the free parameters are identified, up to the order of the regimes."""
        return self._found.identified and not self.coincident

    @property
    def nullity(self) -> int:
        """Number of directions without information."""
        return self.k_free - self.rank

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter (a copy).

        ``estimate``; ``identified``; ``status``: "identified", "not identified", "at the boundary",
        "fixed" or "tied to" another parameter; ``std_err_alone``: its standard error if all others
        were known, from the outer product of the scores.
        """
        return self._table.copy()

    @property
    def visits(self) -> pd.Series:
        """Expected number of rows in each regime, given the data (a copy)."""
        return self._visits.copy()

    @property
    def null_directions(self) -> pd.DataFrame:
        """Directions without information, one a column, in the parameters' units (a copy)."""
        columns = pd.RangeIndex(1, len(self._found.null_directions) + 1, name="direction")
        found = pd.DataFrame(0.0, index=self._table.index, columns=columns)
        for number, weights in zip(columns, self._found.null_directions, strict=True):
            found.loc[list(weights), number] = list(weights.values())
        return found

    def is_identified(self, function: Callable[[Any], Any] | str | Sequence[str]) -> pd.Series:
        """Say which functions of the parameters the data tell.

        Parameters
        ----------
        function : callable, str or sequence of str
            Formulas such as ``"V[y,h1] - V[y,h2]"``; or what is given a Series of all parameters
            and returns one number or several.

        Returns
        -------
        Series of bool
            One a function: whether, to first order, it has the same value along all directions
            without information.

        Raises
        ------
        SpecificationError
            Unknown parameters, or a function without finite values.
        """
        names, slopes = self._slopes(function)
        told = np.isfinite(np.diagonal(self._estimate().of(slopes)))
        return pd.Series(told, index=pd.Index(names), name="identified")

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Parameters with what is known about each, directions without information, and how often
            the regimes are visited.
        """
        shown = self._table.drop(columns="identified").rename(
            columns={"std_err_alone": "std err if alone"}
        )
        title = f"Identification: rank {self.rank} of {self.k_free}"
        summary = _compat.build_table(shown, title=title, notes=self._notes())
        null = self.null_directions
        if null.shape[1]:
            named = null[(null != 0.0).any(axis=1)]
            more = _compat.build_table(named, title="Directions without information")
            summary.tables.extend(more.tables)
        visits = self._visits.to_frame("expected rows")
        summary.tables.extend(_compat.build_table(visits, title="Visits to the regimes").tables)
        return summary

    def _notes(self) -> list[str]:
        notes = [f"{str(self)[0].upper()}{str(self)[1:]}."]
        if self.orders > 1:
            notes.append(ALWAYS.format(orders=self.orders))
        if self.coincident:
            notes.append("Use fewer regimes, or let more switch between them.")
        if self.held:
            notes.append(f"At the boundary: {', '.join(self.held)}; no standard errors there.")
        return [line for note in notes for line in wrapped(note)]


class RegimeIdentified(ABC):
    """The part of results that says which parameters the data can tell apart.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> RegimeSystem:
        """The model's numbers at the estimates."""

    @property
    @abstractmethod
    def _derivatives(self) -> Derivatives:
        """Second derivatives and scores at the estimates."""

    @property
    @abstractmethod
    def _held(self) -> tuple[str, ...]:
        """Parameters estimated at the boundary."""

    @property
    @abstractmethod
    def information_rank(self) -> InformationRank:
        """Rank of the information, and directions without any."""

    # Probabilities of the regimes, (nobs, K).
    @abstractmethod
    def _marginal(self, kind: Any) -> FloatArray: ...

    def identification(self) -> RegimeIdentification:
        """Find which parameters the data identify, and which regimes they tell apart.

        Returns
        -------
        RegimeIdentification
            ``rank``, ``frame`` by parameter, ``null_directions``, ``coincident`` regimes, ``rare``
            ones, ``visits``, ``orders``, ``is_identified(function)``, ``summary()``.

        Notes
        -----
        The rank is that of the outer product of the scores. Hidden Markov models are identified up
        to the order of the regimes if the transition matrix has full rank and the regimes' laws
        differ (Leroux 1992, Stochastic Processes and their Applications 40, 127-143; Allman, Matias
        and Rhodes 2009, Annals of Statistics 37, 3099-3132); with coinciding regimes transitions
        between them are not.
        """
        names = self.model.regime_names
        visits = pd.Series(
            np.nansum(self._marginal("smoothed"), axis=0), index=pd.Index(names), name="visits"
        )
        rank = self.information_rank
        return RegimeIdentification(
            rank=rank.rank,
            k_free=rank.k_free,
            orders=_orders(self.model, self._theta),
            coincident=tuple((names[i], names[j]) for i, j in _coincident(self._system)),
            rare=tuple(str(name) for name in visits.index[visits < RARE]),
            held=self._held,
            _found=rank,
            _table=self._status(rank),
            _visits=visits,
            _slopes=self._function_slopes,
            _estimate=lambda: estimate_covariance(self._derivatives, "opg", {}),
        )

    def _function_slopes(self, function: Any) -> tuple[tuple[str, ...], FloatArray]:
        units = np.full(self._theta.size, np.nan)
        found = read_functions(
            self.model, self._theta, units, function,
            names=None, labelled=True, caller="is_identified",
        )  # fmt: skip
        return found.names, found.slopes

    def _status(self, rank: InformationRank) -> pd.DataFrame:
        """What is known about each parameter."""
        found, layout = self._derivatives, self.model.layout
        ties = found.directions
        moving = direction_names(self.model, ties)
        power = np.diagonal(ties.T @ without_fixed(found.information, ties) @ ties)
        flat = {name for weights in rank.null_directions for name in weights}
        expansion = layout.expansion
        rows = []
        for place, name in enumerate(self.model.param_names):
            value = float(self._theta[place])
            if not expansion[place].any():
                rows.append((value, True, "fixed", np.nan))
                continue
            if name in self._held:
                rows.append((value, True, "at the boundary", np.nan))
                continue
            at = np.flatnonzero(ties[place])
            sure = not any(moving[j] in flat for j in at)
            owner = layout.free_names[int(np.argmax(expansion[place]))]
            word = "identified" if sure else "not identified"
            word = word if owner == name else f"tied to {owner}"
            size = float(power[at[0]]) if len(at) == 1 else 0.0
            rows.append((value, sure, word, 1.0 / math.sqrt(size) if size > 0.0 else np.nan))
        columns = ["estimate", "identified", "status", "std_err_alone"]
        return pd.DataFrame(rows, index=pd.Index(self.model.param_names), columns=columns)


def _coincident(system: RegimeSystem) -> list[tuple[int, int]]:
    """Pairs of regimes whose densities are equal in all rows."""
    dense = np.asarray(system.chain[0])
    size = int(system.start.shape[-1])
    if system.composite is not None:  # states in which one regime holds all the time
        lags = np.asarray(system.composite.lags)
        constant = [int(np.flatnonzero((lags == i).all(axis=1))[0]) for i in range(size)]
        dense = dense[:, constant]
    pairs = []
    for i, j in combinations(range(size), 2):
        one, two = dense[:, i], dense[:, j]
        both = np.isfinite(one) & np.isfinite(two)
        same = np.array_equal(np.isfinite(one), np.isfinite(two))
        if same and np.abs(one - two)[both].max(initial=0.0) < SAME:
            pairs.append((i, j))
    return pairs


def _orders(model: RegimeModel, theta: FloatArray) -> int:
    """Number of renumberings with the same likelihood that obey the restrictions."""
    k = model.k_regimes
    if k > TRIED or (not model.layout.fixed and isinstance(model.start, str)):
        return math.factorial(k)
    orders = (np.array(order, dtype=np.intp) for order in permutations(range(k)))
    return sum(allowed(model, theta, order) is not None for order in orders)
