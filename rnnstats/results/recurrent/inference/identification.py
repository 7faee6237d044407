"""Which parameters of a recurrent network the data tell, and which units are to blame if not."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from scipy.linalg import solve_triangular

from rnnstats import _compat
from rnnstats._compat import wrapped
from rnnstats.diagnostics.identification import LOADING, sparse_basis
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.results.inference.covariances import (
    estimate_covariance,
    without_fixed,
)
from rnnstats.results.inference.functions import read_functions
from rnnstats.results.protocol import FloatArray, direction_names
from rnnstats.results.recurrent.inference.derivatives import StandardDerivatives
from rnnstats.results.recurrent.inference.slopes import axis_slopes
from rnnstats.results.recurrent.inference.units import Finding, UnitReport, examine
from rnnstats.results.recurrent.protocol import RecurrentModel, RecurrentSystem
from rnnstats.results.tables import CURVED, FLAT, SMALL, InformationRank

__all__ = ["Rank", "RecurrentIdentification", "RecurrentIdentified", "rank_of"]

ALWAYS = (
    "Up to {orders} ways to number the units and choose their signs, which all have the same "
    "likelihood; one of them is reported."
)
INVARIANT = (
    "What does not depend on these directions has standard errors all the same: predictions, "
    "average partial effects, impulse responses, delta_method(function)."
)
# Directions shown in a line of text.
SHOWN = 3


@dataclass(frozen=True, eq=False)
class Rank:
    """Rank of the information, with the directions that have none.

    Attributes
    ----------
    found : InformationRank
        Names the parameters of each direction with a tenth of the largest share at least.
    directions : ndarray of shape (k_free, r)
        All components, in the user's units; the parameter with the largest share has weight one.
    """

    found: InformationRank
    directions: FloatArray


def rank_of(
    information: FloatArray,
    steps: FloatArray,
    names: Sequence[str],
    bend: Callable[[], FloatArray] | None,
) -> Rank:
    """Rank of the expected information, in coordinates free of units.

    Parameters
    ----------
    information : ndarray of shape (K, K)
        By the standardised parameters, penalty left out.
    steps : ndarray of shape (K, k_free)
        Derivative of the standardised parameters by the free ones.
    names : sequence of str, length k_free
    bend : callable or None
        Gives the negative Hessian of the log-likelihood by the free parameters; asked only if the
        information is singular. None where the point is no maximum of the log-likelihood, so that
        curvature along a direction says nothing.

    Returns
    -------
    Rank
        Directions as sparse as they can be, in the user's units.

    Notes
    -----
    In standardised coordinates weights and constants do not get mixed up where inputs are far from
    zero compared with their spread. The information is scaled to unit diagonal there.
    """
    k = steps.shape[1]
    # coordinates of the free directions in which steps have their standardised length
    frame, corner = np.linalg.qr(steps)
    live = steps.any(axis=1)
    matrix = frame.T @ np.where(np.outer(live, live), information, 0.0) @ frame
    diagonal = np.diagonal(matrix)
    empty = diagonal <= FLAT * max(float(diagonal.max(initial=0.0)), 1e-300)
    scale = np.sqrt(np.where(empty, 1.0, diagonal))
    values, vectors = np.linalg.eigh(matrix / np.outer(scale, scale))
    flat = values < FLAT * max(float(values.max(initial=0.0)), 1e-300)
    if not flat.any():
        return Rank(InformationRank(k, k, (), ()), np.zeros((k, 0)))
    null = solve_triangular(corner, vectors[:, flat] / scale[:, None])
    units = np.linalg.norm(steps, axis=0)
    basis = sparse_basis(np.linalg.qr(null * units[:, None])[0])
    top = basis[np.argmax(np.abs(basis), axis=0), np.arange(basis.shape[1])]
    shares = basis / top
    directions = np.where(np.abs(shares) >= LOADING, shares, 0.0) / units[:, None]
    directions *= units[np.argmax(np.abs(basis), axis=0)]
    curvature = np.zeros((k, k)) if bend is None else bend()
    size = np.sqrt(np.maximum(np.abs(np.diagonal(curvature)), 1e-300))
    kept, curved = [], []
    for share, column in zip(shares.T, directions.T, strict=True):
        chosen = np.flatnonzero(np.abs(share) >= SMALL)
        kept.append({names[int(i)]: float(column[i]) for i in chosen})
        reach = float(np.sum((column * size) ** 2))
        curved.append(bool(reach > 0.0 and float(column @ curvature @ column) > CURVED * reach))
    return Rank(InformationRank(k - len(kept), k, tuple(kept), tuple(curved)), directions)


@dataclass(frozen=True, eq=False, repr=False)
class RecurrentIdentification:
    """What the data can tell about the parameters of a recurrent network.

    Attributes
    ----------
    rank : int
        Of the expected information in the free parameters.
    k_free : int
        Number of free parameters.
    orders : int
        Number of ways to number the units and choose their signs that have the same likelihood
        (not a lack of identification: one of them is reported).
    findings : tuple of Finding
        Units that vanish, are constant, saturated, in the linear range or duplicated, scales and
        rotations that leave the likelihood alone, gates that are open or shut throughout: each with
        ``kind``, ``units``, ``words`` and ``way_out``.
    """

    rank: int
    k_free: int
    orders: int
    findings: tuple[Finding, ...]
    _found: InformationRank
    _null: pd.DataFrame
    _table: pd.DataFrame
    _units: pd.DataFrame
    _slopes: Callable[[Any], tuple[tuple[str, ...], FloatArray]]
    _estimate: Callable[[], CovarianceEstimate]

    def __str__(self) -> str:
        """Return the identification line, units to blame first."""
        words = [f"{', '.join(one.units)}: {one.kind}" for one in self.findings]
        return "; ".join([*words, _shortened(self._found)])

    def __repr__(self) -> str:
        """Return the identification line."""
        return f"<RecurrentIdentification: {self}>"

    @property
    def identified(self) -> bool:
        """Whether the free parameters are identified, up to the order and signs of the units."""
        return self._found.identified

    @property
    def nullity(self) -> int:
        """Number of directions without information."""
        return self.k_free - self.rank

    @property
    def frame(self) -> pd.DataFrame:
        """One row a parameter (a copy).

        ``estimate``; ``identified``; ``status``: "identified", "not identified", "fixed" or
        "tied to" another parameter; ``std_err_alone``: its standard error if all others were known,
        from the expected information.
        """
        return self._table.copy()

    @property
    def units(self) -> pd.DataFrame:
        """One row a unit (a copy).

        ``layer``; ``mean``, ``sd``, ``min`` and ``max`` over rows; ``saturated``: share of rows
        beyond 0.99 of its range; ``effect``: largest standard deviation of what it moves in a
        standardised linear predictor (in lower layers, in a unit of the layer above); ``status``:
        what `findings` say, empty where nothing is wrong.
        """
        return self._units.copy()

    @property
    def null_directions(self) -> pd.DataFrame:
        """Directions without information, one a column, in the parameters' units (a copy).

        As sparse as they can be; the free parameter with the largest share has weight one.
        """
        return self._null.copy()

    def is_identified(self, function: Callable[[Any], Any] | str | Sequence[str]) -> pd.Series:
        """Say which functions of the parameters the data tell.

        Parameters
        ----------
        function : callable, str or sequence of str
            Formulas such as ``"V[y,h1] * W_y[h1,y]"``; or what is given a Series of all parameters
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
        told = np.isfinite(np.diagonal(np.atleast_2d(self._estimate().of(slopes))))
        return pd.Series(told, index=pd.Index(names), name="identified")

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
            Units, parameters with what is known about each, and directions without information.
        """
        shown = self._units.copy()
        summary = _compat.build_table(
            shown, title=f"Identification: rank {self.rank} of {self.k_free}", notes=self._notes()
        )
        table = self._table.drop(columns="identified").rename(
            columns={"std_err_alone": "std err if alone"}
        )
        parts = [(table, "Parameters")]
        null = self.null_directions
        if null.shape[1]:
            parts.append((null[(null != 0.0).any(axis=1)], "Directions without information"))
        for frame, title in parts:
            summary.tables.extend(_compat.build_table(frame, title=title).tables)
        return summary

    def _notes(self) -> list[str]:
        notes = [f"{_shortened(self._found)[0].upper()}{_shortened(self._found)[1:]}."]
        notes += [str(one) for one in self.findings]
        if self.orders > 1:
            notes.append(ALWAYS.format(orders=self.orders))
        if not self.identified:
            notes.append(INVARIANT)
        return [line for note in notes for line in wrapped(note)]


def _shortened(found: InformationRank) -> str:
    """The line of a rank, with the first directions only."""
    if len(found.null_directions) <= SHOWN:
        return str(found)
    part = InformationRank(
        found.rank, found.k_free, found.null_directions[:SHOWN], found.curved[:SHOWN]
    )
    return f"{part}; and {len(found.null_directions) - SHOWN} more"


class RecurrentIdentified(ABC):
    """The part of results that says which parameters the data can tell apart.

    Attributes
    ----------
    model : RecurrentModel
        Data and structure.
    """

    model: RecurrentModel
    _theta: FloatArray

    @property
    @abstractmethod
    def _system(self) -> RecurrentSystem:
        """The network at the estimates."""

    @property
    @abstractmethod
    def _derivatives(self) -> StandardDerivatives:
        """Second derivatives and scores at the estimates."""

    @property
    @abstractmethod
    def _held(self) -> tuple[str, ...]:
        """Parameters estimated at the boundary."""

    @property
    @abstractmethod
    def information_rank(self) -> InformationRank:
        """Rank of the expected information, and directions without any."""

    @cached_property
    def _standardised_rank(self) -> Rank:
        found, model = self._derivatives, self.model
        steps: FloatArray = np.asarray(np.linalg.solve(found.chart, found.directions), dtype=float)

        def bend() -> FloatArray:
            return np.asarray(-(steps.T @ without_fixed(found.inner_hessian, steps) @ steps))

        return rank_of(
            found.inner_information,
            steps,
            direction_names(model, found.directions),
            None if model.penalty else bend,
        )

    @cached_property
    def _unit_report(self) -> UnitReport:
        return examine(self.model, self._system)

    def _unit_words(self) -> str:
        words = [f"{', '.join(one.units)}: {one.kind}" for one in self._unit_report.findings]
        return "; ".join([*words, _shortened(self.information_rank)])

    def identification(self) -> RecurrentIdentification:
        """Find which parameters the data identify, and which units are to blame if some are not.

        Returns
        -------
        RecurrentIdentification
            ``rank``, ``frame`` by parameter, ``units``, ``findings``, ``null_directions``,
            ``orders``, ``is_identified(function)``, ``summary()``.

        Notes
        -----
        The rank is that of the expected information at the estimates, in standardised coordinates
        (Rothenberg 1971, Econometrica 39, 577-591). Networks of tanh units are identified up to the
        order and signs of the units if no unit vanishes, is constant or repeats another (Sussmann
        1992, Neural Networks 5, 589-593). Near such points the estimates are not normal: see the
        unit's way out.
        """
        rank, report = self.information_rank, self._unit_report
        return RecurrentIdentification(
            rank=rank.rank,
            k_free=rank.k_free,
            orders=_orders(self.model),
            findings=report.findings,
            _found=rank,
            _null=self._null_frame(),
            _table=self._status(),
            _units=report.frame,
            _slopes=self._function_slopes,
            _estimate=self._inverse_of_data,
        )

    def _function_slopes(self, function: Any) -> tuple[tuple[str, ...], FloatArray]:
        units = np.full(self._theta.size, np.nan)
        found = read_functions(
            self.model, self._theta, units, function,
            names=None, labelled=True, caller="is_identified", derive=self._slopes_of,
        )  # fmt: skip
        return found.names, found.slopes

    def _slopes_of(self, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
        return axis_slopes(function, self.model, self._theta, self._inverse_of_data())

    def _inverse_of_data(self) -> CovarianceEstimate:
        """Inverse of the expected information, a penalty left out: it identifies nothing."""
        return estimate_covariance(self._derivatives, "approx", {})

    def _null_frame(self) -> pd.DataFrame:
        directions = self._standardised_rank.directions
        columns = pd.RangeIndex(1, directions.shape[1] + 1, name="direction")
        return pd.DataFrame(directions, index=list(self.model.layout.free_names), columns=columns)

    def _status(self) -> pd.DataFrame:
        """What is known about each parameter."""
        layout, information = self.model.layout, self._derivatives.information
        ties = layout.expansion
        power = np.diagonal(ties.T @ without_fixed(information, ties) @ ties)
        flat = np.asarray(self._standardised_rank.directions.any(axis=1))
        rows = []
        for place, name in enumerate(self.model.param_names):
            value = float(self._theta[place])
            if not ties[place].any():
                rows.append((value, True, "fixed", np.nan))
                continue
            at = int(np.argmax(ties[place]))
            owner = layout.free_names[at]
            sure = not flat[at]
            word = "identified" if sure else "not identified"
            word = word if owner == name else f"tied to {owner}"
            size = float(power[at])
            rows.append((value, sure, word, 1.0 / math.sqrt(size) if size > 0.0 else np.nan))
        columns = ["estimate", "identified", "status", "std_err_alone"]
        return pd.DataFrame(rows, index=pd.Index(self.model.param_names), columns=columns)


def _orders(model: RecurrentModel) -> int:
    """Number of renumberings and sign changes of units with the same likelihood."""
    if model.layout.fixed:
        return 1
    number = 1
    for cell, units in zip(model.architecture.cells, model.architecture.units, strict=True):
        kind = getattr(cell, "kind", "own")
        number *= math.factorial(units)
        activation = getattr(cell, "activation", "")
        odd = kind in ("gru", "lstm") or activation == "tanh"
        odd = odd or (activation == "sigmoid" and model.initial != "zero")  # h and 1 - h
        number *= 2**units if odd else 1
    return number
