"""The part of results with regimes that traces regimes and shocks into later outputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, NamedTuple, cast, get_args

import numpy as np
import pandas as pd

from rnnstats._checks import check_alpha, check_bool, check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.estimation.covariance import CovarianceEstimate
from rnnstats.kernels.chains import matrix_at, moved
from rnnstats.results.forecasting.prediction import find_name
from rnnstats.results.protocol import FloatArray
from rnnstats.results.regimes.forecasting.laws import expand
from rnnstats.results.regimes.forecasting.outlook import dynamics_of
from rnnstats.results.regimes.forecasting.paths import Dynamics
from rnnstats.results.regimes.outputs import column_levels, expanded_names, expanded_places
from rnnstats.results.regimes.protocol import RegimeModel, RegimeSystem
from rnnstats.results.regimes.states.transition import stationary_law
from rnnstats.results.responses.bands import BandKind, Bands, bootstrap_bands, delta_bands
from rnnstats.results.responses.impulse import cholesky_factor
from rnnstats.results.responses.tables import ImpulseResponses

ImpulseKind = Literal["regime", "shock"]
RegimesAfter = Literal["expected", "held"]
Function = Callable[[FloatArray], FloatArray]
CALLER = "impulse_responses"
# An autoregression is stable if its means are this far from growing with every row.
SETTLED = 1e-10

__all__ = ["ImpulseKind", "RegimeResponses", "RegimesAfter"]


class RegimeResponses(ABC):
    """The part of results that traces regimes and shocks into later outputs.

    Attributes
    ----------
    model : RegimeModel
        Data and structure.
    """

    model: RegimeModel
    _theta: FloatArray

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    def impulse_responses(
        self,
        steps: int = 10,
        impulse: int | str | None = None,
        orthogonalized: bool = False,
        cumulative: bool = False,
        *,
        kind: ImpulseKind = "regime",
        regimes: RegimesAfter = "expected",
        bands: BandKind | None = None,
        alpha: float = 0.05,
        bootstrap: Any = None,
    ) -> pd.DataFrame | ImpulseResponses:
        r"""Responses of the outputs to being in a regime, or to a shock in a regime.

        Parameters
        ----------
        steps : int
            Rows after the impulse; the answer has ``steps + 1`` rows.
        impulse : int, str or None
            Which impulse, by number or name: regimes (``h1``); shocks are named ``y in h1``. None
            for all.
        orthogonalized : bool
            Shocks of one standard deviation along the Cholesky factor of the regime's covariance,
            in the order of the outputs, instead of size 1.
        cumulative : bool
            Running sums.
        kind : {"regime", "shock"}
            "regime": the mean of the outputs given that the regime holds now, less their mean
            without knowing the regime. "shock": what a shock to an output adds to the means, given
            the regime in which it comes; with lags only.
        regimes : {"expected", "held"}
            Of shocks: averaged over the regimes to come, or with the regime held.
        bands : {None, "delta", "bootstrap"}
            Intervals, each response by itself: normal by the delta method, or percentiles of
            bootstrap draws.
        alpha : float
            One minus the coverage of the intervals.
        bootstrap : Bootstrap, optional
            Draws to use with ``bands="bootstrap"``; by default `bootstrap` is called.

        Returns
        -------
        DataFrame or ImpulseResponses
            Without bands a table by lag with columns (impulse, output). With bands an object with
            ``point``, ``std_err``, ``lower``, ``upper``, ``frame``, ``summary()`` and ``plot()``.

        Raises
        ------
        SpecificationError
            There is no such impulse, shocks without lags, a chain with several stationary laws, an
            unstable autoregression, or no covariance of the estimates.

        Notes
        -----
        "regime": :math:`E(y_{t+h} | h_t = i) - E(y_{t+h})` in the stationary law of regimes and
        outputs; with lags from the linear recursion of the means given the regimes. "shock" and
        "expected": :math:`\sum_{paths} P(path) A_{h_{t+h}} \cdots A_{h_{t+1}} e` with companion
        matrices A; "held": :math:`A_i^h e` (Ehrmann, Ellison and Valla 2003). Inputs are held at
        those of the last row.

        References
        ----------
        Krolzig (1997), Markov-Switching Vector Autoregressions, section 4.3 and chapter 8. Ehrmann,
        M., Ellison, M. and Valla, N. (2003), Regime-dependent impulse response functions in a
        Markov-switching vector autoregression model, Economics Letters 78, 295-299.
        """
        count = check_int(steps, name="steps", caller=CALLER, minimum=0)
        running = check_bool(cumulative, name="cumulative", caller=CALLER)
        scaled = check_bool(orthogonalized, name="orthogonalized", caller=CALLER)
        check_literal(kind, get_args(ImpulseKind), name="kind", caller=CALLER)
        check_literal(regimes, get_args(RegimesAfter), name="regimes", caller=CALLER)
        self._check_goes_together(kind, regimes, scaled)
        impulses, outputs = self._impulse_names(kind)
        chosen = list(range(len(impulses)))
        if impulse is not None:
            chosen = [find_name(impulse, impulses, caller=CALLER, what="impulse")]
        impulses = tuple(impulses[i] for i in chosen)

        def responses(theta: FloatArray) -> FloatArray:
            reference = _reference(self.model, theta)
            if kind == "regime":
                values = _after_regime(reference, count)
            else:
                values = _after_shock(reference, count, regimes, scaled)
            values = values[:, :, chosen]
            return values.cumsum(axis=0) if running else values

        if bands is None:
            if bootstrap is not None:
                raise SpecificationError(
                    f"{CALLER}: bootstrap belongs to bands='bootstrap'; got bands=None. Add it."
                )
            values = responses(self._theta)
            columns = pd.MultiIndex.from_product(
                [list(impulses), list(outputs)], names=["impulse", "output"]
            )
            flat = values.transpose(0, 2, 1).reshape(count + 1, -1)
            return pd.DataFrame(flat, index=pd.RangeIndex(count + 1, name="lag"), columns=columns)
        around = self._response_bands(responses, bands, alpha, bootstrap)
        words = _words(kind, regimes, scaled)
        return ImpulseResponses(impulses, outputs, float(alpha), words, running, around)

    def _check_goes_together(self, kind: str, regimes: str, scaled: bool) -> None:
        if kind == "regime" and (scaled or regimes == "held"):
            raise SpecificationError(
                f"{CALLER}: orthogonalized and regimes are about shocks; got them with "
                "kind='regime'. Use kind='shock', or leave them out."
            )
        if kind == "shock" and self.model.order == 0:
            raise SpecificationError(
                f"{CALLER}: without lags a shock is gone in the next row; got kind='shock' and "
                "order=0. Use kind='regime'."
            )

    def _impulse_names(self, kind: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
        regimes = self.model.regime_names
        if kind == "regime":
            return tuple(regimes), expanded_names(self.model)
        names = self.model.endog.names
        return tuple(f"{name} in {regime}" for regime in regimes for name in names), names

    def _response_bands(
        self, function: Function, bands: str, alpha: float, bootstrap: Any
    ) -> Bands:
        check_literal(bands, get_args(BandKind), name="bands", caller=CALLER)
        if bands == "delta":
            if bootstrap is not None:
                raise SpecificationError(
                    f"{CALLER}: bootstrap belongs to bands='bootstrap'; got bands='delta'. "
                    "Leave it out."
                )
            layout, cov = self.model.layout, self.covariance
            return delta_bands(function, layout, self._theta, cov, alpha=alpha, caller=CALLER)
        check_alpha(alpha, CALLER)
        draws = cast("Any", self).bootstrap() if bootstrap is None else bootstrap
        return bootstrap_bands(function, self._theta, draws, alpha=alpha, caller=CALLER)


class _Reference(NamedTuple):
    """Numbers at the last row, and the stationary law of the chain's states.

    Attributes
    ----------
    steps : ndarray of shape (S, S)
        Transition of the states.
    law : ndarray of shape (S,)
    regime : ndarray of int, shape (S,)
        Latest regime of each state.
    mean : ndarray of shape (S, k')
        Without lags the mean of the expanded outputs.
    dynamics : Dynamics or None
        With lags.
    """

    steps: FloatArray
    law: FloatArray
    regime: Any
    mean: FloatArray
    dynamics: Dynamics | None


def _reference(model: RegimeModel, theta: FloatArray) -> _Reference:
    system = model.system(theta)
    last = model.nobs - 1
    matrix = matrix_at(system.transition, last)
    dynamics = None
    if model.order:
        dynamics = dynamics_of(system, model, np.array([last]))
        size, mean = len(dynamics.noise), np.empty((0, 0))
    else:
        size, mean = len(matrix), _means(model, system, last)
    steps = moved(np.eye(size), matrix, system.lags)
    law, _ = stationary_law(steps, caller=CALLER)
    regime = np.arange(size) // (size // len(matrix))
    return _Reference(steps, law, regime, mean, dynamics)


def _means(model: RegimeModel, system: RegimeSystem, row: int) -> FloatArray:
    """Mean of the expanded outputs in each regime, (K, k')."""
    places = expanded_places(column_levels(model))
    mean = np.zeros((system.transition.shape[-1], places[-1][-1] + 1))
    for block in system.responses_at(np.array([row]), None):
        at = [place for j in block.columns for place in places[j]]
        mean[:, at] = expand(block)[0][0]
    return mean


def _after_regime(reference: _Reference, count: int) -> FloatArray:
    """Means given the regime, less those without, (count + 1, k', K)."""
    regimes = int(reference.regime.max()) + 1
    inside = reference.regime[:, None] == np.arange(regimes)
    mass = reference.law @ inside
    if not mass.min() > 0.0:
        raise SpecificationError(
            f"{CALLER}: each regime must recur; got h{int(mass.argmin()) + 1} with stationary "
            "probability zero. Use get_forecast()."
        )
    weight = (reference.law[:, None] * inside / mass).T  # (K, S)
    if reference.dynamics is None:
        found = np.empty((count + 1, reference.mean.shape[1], regimes))
        average = reference.law @ reference.mean
        for lag in range(count + 1):
            found[lag] = (weight @ reference.mean - average).T
            weight = weight @ reference.steps
        return found
    return _after_regime_with_lags(reference, count, weight, inside / mass)


def _after_regime_with_lags(
    reference: _Reference, count: int, weight: FloatArray, scale: FloatArray
) -> FloatArray:
    dynamics = cast("Dynamics", reference.dynamics)
    k, q = dynamics.ar.shape[1:]
    companion, const = _companion(dynamics), np.zeros((len(reference.law), q))
    const[:, :k] = dynamics.const[0]
    # moments E(z 1(state)), z the last p rows: they move linearly from row to row
    operator = np.einsum("ij,jab->jaib", reference.steps, companion).reshape(const.size, const.size)
    if not np.abs(np.linalg.eigvals(operator)).max() < 1.0 - SETTLED:
        raise SpecificationError(
            f"{CALLER}: the autoregression must have a mean to compare with; got one that is not "
            "stable. Use kind='shock', or get_forecast()."
        )
    source = (reference.law[:, None] * const).ravel()
    settled = np.linalg.solve(np.eye(const.size) - operator, source).reshape(const.shape)
    average = settled.sum(axis=0)[:k]
    moments = scale.T[:, :, None] * settled  # (K, S, q)
    found = np.empty((count + 1, k, len(weight)))
    for lag in range(count + 1):
        found[lag] = (moments.sum(axis=1)[:, :k] - average).T
        weight = weight @ reference.steps
        moved = (operator @ moments.reshape(len(weight), -1).T).T.reshape(moments.shape)
        moments = moved + weight[:, :, None] * const
    return found


def _companion(dynamics: Dynamics) -> FloatArray:
    s, k, q = dynamics.ar.shape
    companion = np.zeros((s, q, q))
    companion[:, :k] = dynamics.ar
    companion[:, k:, : q - k] = np.eye(q - k)
    return companion


def _after_shock(reference: _Reference, count: int, regimes: str, scaled: bool) -> FloatArray:
    """Response to a shock to each output in each regime, (count + 1, k, K k)."""
    dynamics = cast("Dynamics", reference.dynamics)
    number, (k, q) = dynamics.k_regimes, dynamics.ar.shape[1:]
    companion, size = _companion(dynamics), len(reference.law)
    found = np.empty((count + 1, k, number * k))
    for i in range(number):
        mine = np.flatnonzero(reference.regime == i)
        shock = np.zeros((q, k))
        noise = dynamics.noise[mine[0]]
        shock[:k] = cholesky_factor(noise) if scaled else np.eye(k)
        if regimes == "held":
            same = companion[i * (size - 1) // max(1, number - 1)]
            now = shock
            for lag in range(count + 1):
                found[lag, :, i * k : (i + 1) * k] = now[:k]
                now = same @ now
            continue
        share = np.zeros(size)
        share[mine] = reference.law[mine] / reference.law[mine].sum()
        parts = share[:, None, None] * shock
        for lag in range(count + 1):
            now = parts.sum(axis=0) if lag else shock
            found[lag, :, i * k : (i + 1) * k] = now[:k]
            parts = companion @ np.einsum("ij,iab->jab", reference.steps, parts)
    return found


def _words(kind: str, regimes: str, scaled: bool) -> str:
    if kind == "regime":
        return "the regime holds at lag 0; response: mean less the mean without knowing the regime"
    size = "one standard deviation along the Cholesky factor" if scaled else "size one"
    after = "averaged over the regimes to come" if regimes == "expected" else "the regime held"
    return f"{size}, in the regime named; {after}"
