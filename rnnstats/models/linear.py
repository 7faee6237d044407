"""Linear recurrent network with Gaussian noise: exact likelihood by the Kalman filter."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from rnnstats._checks import check_literal
from rnnstats.data import Endog, Exog
from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import Convergence, Outcome
from rnnstats.estimation.starts.structured import structured_starts
from rnnstats.estimation.starts.varma import regressed
from rnnstats.models import charts, endings, points
from rnnstats.models._arguments import (
    kronecker_indices,
    number_of_states,
    one_line,
    restrictions,
    structure_of,
)
from rnnstats.models.base import LikelihoodModel, StartPoint
from rnnstats.models.boundary import boundary_words
from rnnstats.models.conversion.elsewhere import FromElsewhere
from rnnstats.models.em_fit import fit_by_em, warmed
from rnnstats.models.forms import FORMS, TRENDS, Form, Request, generic_indices
from rnnstats.models.forms.varma import coordinates_of
from rnnstats.models.likelihood import Likelihood, empty_rows
from rnnstats.models.normal_forms import balanced, signed
from rnnstats.models.refusals import (
    refuse_combination,
    refuse_explained,
    refuse_gaps_before_state,
    refuse_sizes,
)
from rnnstats.models.slices import Slices
from rnnstats.models.state_space import StateSpaceMethods
from rnnstats.models.units import better_units, factors, in_units_of, restated
from rnnstats.models.wall import STEPS, Bordered, Invertible, Plain, Wall
from rnnstats.parameters.cells import CellTable, regressors
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

if TYPE_CHECKING:
    from rnnstats.estimation.covariance import CovType
    from rnnstats.results.linear import LinearResults
    from rnnstats.results.protocol import StateSpaceModel

__all__ = ["LinearRNN"]

FloatArray = NDArray[np.float64]
FormName = Literal["innovations", "observed", "leaky", "factor", "structured", "free"]
TrendName = Literal["n", "c", "ct"]
ExogEnters = Literal["state", "output", "both"]
Initial = Literal["stationary", "diffuse", "known"]

_STARTS: Mapping[str, int] = MappingProxyType(
    {"innovations": 16, "observed": 2, "leaky": 8, "factor": 6, "structured": 8, "free": 6}
)


class LinearRNN(StateSpaceMethods, LikelihoodModel, FromElsewhere):
    """Linear recurrent network with Gaussian noise.

    ``h_t = W_h h_{t-1} + W_x x_t + noise_t``, ``y_t = V h_t + D x_t + b_y + b_y_trend t + eps_t``,
    for t = 1 .. nobs; ``h_0`` precedes the sample. Row t of the inputs acts on the step into t.

    Parameters
    ----------
    endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        NaN is missing and is skipped exactly.
    exog : Series, DataFrame or array_like, shape (nobs, k_exog), optional
        Inputs, complete.
    k_states : int, optional
        Number of states, at least 1. Default: the number of outputs (innovations, observed and
        free form), 1 or two a pair (leaky form), one factor; structured form: that of W_h.
    form : {"innovations", "observed", "leaky", "factor", "structured", "free"}
        Coordinates, identified but for the last.

        ``"innovations"``
            The state reads the last error: ``h_t = W_h h_{t-1} + K e_{t-1} + W_x x_t``,
            ``y_t = V h_t + ... + e_t``; a VARMAX model in echelon form. With one output it is
            ARMA(k, k), with as many states as outputs VARMA(1, 1) with AR matrix W_h and MA
            matrix K - W_h.
        ``"observed"``
            The state is the output and its lags: VARX(L) with L = k_states / k_endog.
        ``"leaky"``
            Independent units with unit noise, ``W_h`` diagonal with entries in (0, 1), or damped
            oscillators (pairs of states); slowest first, first loading positive.
        ``"factor"``
            A vector autoregression of few factors with unit noise; V is lower triangular with a
            positive diagonal, outputs have noise of their own.
        ``"structured"``
            Tables of numbers and names, see `structure`: trends, seasonals, restricted models.
        ``"free"``
            W_h, V, ``state_cov`` and ``obs_cov`` free: nothing identifies the coordinates, and
            standard errors are those of what does not depend on them.
    kronecker : tuple of int, optional
        Kronecker indices of the innovations form, one an output. Default: generic ones.
    trend : {"n", "c", "ct"}
        Terms of the output: none, a constant (the mean of a stationary series), a constant and
        a slope in t = 1 .. nobs. Structured form: leave it out, tables say it.
    exog_enters : {"state", "output", "both"}
        Where inputs enter: through W_x, through D, or both. Structured form: tables say it.
    obs_noise : {None, "full", "diagonal", "none"}
        Innovations and free form: None or "full", an unrestricted ``obs_cov``; or "diagonal".
        Leaky form: None or "diagonal"; or "none". Factor form: None or "diagonal". Others: None.
    initial : {"stationary", "diffuse", "known"}
        Start: the stationary distribution; exact diffuse at the first row with an observation
        (observed form: given the first L rows from there; not where the scale of the states is
        free: leaky, factor, free); or ``h_0 = 0``, with ``e_0 = 0`` in the innovations form.
    fixed : mapping of str to float or str, optional
        Restrictions by parameter name: a number, or the name of a parameter to be equal to. In the
        innovations form also on the AR and MA coefficients that it implies: ``{"ma2[y,y]": 0}``
        with two states is ARMA(2, 1); the parameters are then ``ar1[..]``, ``ma1[..]``, ...
    structure : mapping, optional
        Innovations form: ``{"coordinates": "varma"}``, AR and MA coefficients as parameters (all
        Kronecker indices equal). Leaky form: ``{"pairs": k}``, the number of oscillator pairs
        (the last 2 k states). Factor form: ``{"lags": L}``, with k_states = factors times L.
        Structured form: tables W_h, state_cov, and where wanted V, W_x, D, b_h, b_y, b_y_trend,
        obs_cov, selection, cross_cov, initial_mean, initial_cov, initial_diffuse, first_step; a
        cell is a number or the name of a parameter, see `rnnstats.models.forms.structured`.

    Attributes
    ----------
    endog, exog, form, trend, exog_enters, obs_noise, initial, kronecker
        As given or chosen.
    k_states : int
    param_names, state_names : tuple of str
        Parameters are labelled ``W_h[h1,h2]``, ``K[h1,cpi]``, ``W_x[h1,gdp]``, ``V[cpi,h1]``,
        ``D[cpi,gdp]``, ``b_y[cpi]``, ``b_y_trend[cpi]``, ``obs_cov[cpi,gdp]`` (lower triangle),
        ``state_cov[h1,h1]``.

    Raises
    ------
    DataError
        For unusable data.
    SpecificationError
        For arguments that are not allowed, alone or together.

    References
    ----------
    Hannan, E. J. and Deistler, M. (1988), The Statistical Theory of Linear Systems, Wiley.
    Luetkepohl, H. (2005), New Introduction to Multiple Time Series Analysis, Springer, ch. 12.
    Durbin, J. and Koopman, S. J. (2012), Time Series Analysis by State Space Methods, 2nd ed.

    Examples
    --------
    >>> import numpy as np
    >>> from rnnstats import LinearRNN
    >>> y = np.sin(np.arange(40.0)) + np.cos(0.3 * np.arange(40.0)) ** 2
    >>> LinearRNN(y, k_states=1).param_names
    ('W_h[h1,h1]', 'K[h1,y]', 'b_y[y]', 'obs_cov[y,y]')
    """

    name: ClassVar[str] = "LinearRNN"

    def __init__(
        self,
        endog: object,
        exog: object = None,
        *,
        k_states: int | None = None,
        form: FormName = "innovations",
        kronecker: Iterable[int] | None = None,
        trend: TrendName = "c",
        exog_enters: ExogEnters = "state",
        obs_noise: Literal["full", "diagonal", "none"] | None = None,
        initial: Initial = "stationary",
        fixed: Mapping[str, float | str] | None = None,
        structure: Mapping[str, object] | None = None,
    ) -> None:
        caller = self.name
        self.endog = Endog.from_input(endog, caller=caller)
        self.exog = Exog.from_input(exog, self.endog, caller=caller)
        self.form: FormName = check_literal(form, get_args(FormName), name="form", caller=caller)
        self.trend: TrendName = check_literal(
            trend, get_args(TrendName), name="trend", caller=caller
        )
        self.exog_enters: ExogEnters = check_literal(
            exog_enters, get_args(ExogEnters), name="exog_enters", caller=caller
        )
        self.initial: Initial = check_literal(
            initial, get_args(Initial), name="initial", caller=caller
        )
        self.obs_noise = obs_noise
        restricted = restrictions(fixed, caller)
        self.structure = coordinates_of(
            self.form, structure_of(structure, caller), restricted, caller
        )
        if self.exog is None and exog_enters != "state":
            raise SpecificationError(
                f"{caller}: exog_enters says where inputs enter; got {exog_enters!r} without "
                "exog. Give exog, or leave exog_enters out."
            )
        request = Request(
            caller=caller,
            endog_names=self.endog.names,
            exog_names=() if self.exog is None else self.exog.names,
            k_states=number_of_states(k_states, caller),
            kronecker=kronecker_indices(kronecker, caller),
            trend=self.trend,
            exog_enters=self.exog_enters,
            obs_noise=obs_noise,
            initial=self.initial,
            structure=self.structure,
        )
        self._form: Form = FORMS[self.form](request)
        self._table: CellTable = self._form.table
        self.layout = Layout(self._table.names, self._table.groups, restricted, caller)
        self.transform = Transform.for_layout(self.layout, self._table.blocks)
        self.title = self._form.title
        self.kronecker = self._form.kronecker
        self.trend = cast(TrendName, self._form.trend or self.trend)
        self.exog_enters = cast(ExogEnters, self._form.exog_enters or self.exog_enters)
        # with many rows the first starts are near the maximum
        few, share = _STARTS[self.form], 2 if self.nobs < 20_000 else 4
        self.n_starts_default = few if self.nobs < 2_000 else max(2, min(few, 10) // share)
        inputs = None if self.exog is None else self.exog.values
        self._y = np.ascontiguousarray(self.endog.values)
        self._x_obs = regressors(self._table.obs_terms, self.nobs, inputs)
        self._x_state = regressors(self._table.state_terms, self.nobs, inputs)
        given, lead = 0, 0
        if self._table.first_step == "none" and self.initial != "known":
            given = self._form.lags
            lead = empty_rows(self._y, given, caller)
        self._likelihood = Likelihood(
            self._table, self._y, self._x_obs, self._x_state, given_rows=given, lead=lead
        )
        self._frozen = True

    @property
    def k_flat(self) -> int:
        """Number of directions of the parameters that no data can tell apart (free form)."""
        bound = {"W_h", "W_x", "V", "state_cov"}
        pairs = zip(self.layout.names, self.layout.groups, strict=True)
        held = sum(name in self.layout.fixed and group in bound for name, group in pairs)
        return max(0, self._form.flat - held)

    def __repr__(self) -> str:
        return one_line(self.name, self.form, self.k_states, self.endog, self.exog)

    # --- estimation -----------------------------------------------------------------------------

    def _rebuild(
        self, endog: object, exog: object, fixed: Mapping[str, float | str] | None
    ) -> LinearRNN:
        kept = ("k_states", "form", "trend", "exog_enters", "obs_noise", "initial")
        given: dict[str, Any] = {name: getattr(self, name) for name in kept}
        given |= {"kronecker": self.kronecker or None, "structure": self.structure or None}
        return type(self)(endog, exog, fixed=fixed, **given)

    def _make_results(
        self,
        theta: FloatArray,
        cov_type: str,
        convergence: Convergence | None,
        cov_kwds: Mapping[str, Any] | None,
    ) -> LinearResults:
        from rnnstats.results.linear import LinearResults

        return LinearResults.from_fit(
            cast("StateSpaceModel", self),
            theta,
            cov_type=cast("CovType", cov_type),
            convergence=convergence,
            cov_kwds=cov_kwds,
        )

    def _check_estimable(self) -> None:
        super()._check_estimable()
        refuse_sizes(self.endog, self.name)
        lead = self._likelihood.lead
        if self.initial == "diffuse":
            refuse_gaps_before_state(self._form, self.layout, self._y, lead, self.name)
        if self._table.obs_terms:
            inputs = None if self.exog is None else self.exog.values
            design = points.start_design(self._table, self._y, self._x_obs, inputs)
            design = design[:, : self._table.k_obs_terms]
            residuals = points.detrended(self._table, self._y, design)[0]
            refuse_explained(self.endog, residuals, self.name)
        complete = self._y[np.isfinite(self._y).all(axis=1)]
        refuse_combination(self._form, complete, self.endog.names, self.name)

    @cached_property
    def _in_units(self) -> tuple[LinearRNN, FloatArray] | None:
        """The model in better units and what its parameters grow by; None where these are good."""
        units = better_units(self._form, self.layout, self.endog)
        if units is None:
            return None
        growth = factors(self._form, units)
        twin = in_units_of(self, units, growth, self._rebuild)
        return None if twin is None else (twin, growth)

    def _closed_form(self) -> FloatArray | None:
        if self._in_units is not None:
            twin, growth = self._in_units
            found = twin._closed_form()
            return None if found is None else growth * found
        conditional = self._likelihood.regression is not None
        if not conditional or self.layout.restricted or "exog" in self._table.obs_terms:
            return None
        arrays = self._likelihood.least_squares(TRENDS[self.trend])
        return None if arrays is None else self._table.read(arrays)

    def _starting_points(self, rng: np.random.Generator, number: int) -> list[StartPoint]:
        if self._in_units is not None:
            twin, growth = self._in_units
            return [
                StartPoint(s.label, growth * s.theta) for s in twin._starting_points(rng, number)
            ]
        if self.form == "structured":
            drawn = structured_starts(self._table, self.layout, self._y, rng, self._linear_step)
            # a pass of the smoother costs as much as the data are long
            return [StartPoint(*start) for start in warmed(self, drawn, 2 * self.n_starts_default)]
        inputs = None if self.exog is None else self.exog.values
        design = points.start_design(self._table, self._y, self._x_obs, inputs)
        z, arrays = points.detrended(self._table, self._y, design)
        found = points.candidates(
            self._form,
            z,
            rng,
            number,
            stationary=self.initial == "stationary",
            noise=self.obs_noise != "none",
        )
        read, refine = self._table.read, self._linear_step
        placed = points.placed(self._form, [(c.label, {**c.arrays, **arrays}) for c in found])
        starts = [StartPoint(label, refine(read(cells))) for label, cells in placed]
        if self._form.coordinates == "varma" and self._bound() & {"ar", "ma"}:
            theta = regressed(self._table, self.layout, z, arrays)
            starts = [StartPoint("restricted regression", refine(theta)), *starts]
        closed = self._closed_form()
        return starts if closed is None else [StartPoint("closed form", closed), *starts]

    def _linear_step(self, theta: FloatArray) -> FloatArray:
        """Least squares for inputs and trend given the dynamics, where inputs move the state."""
        if not self._table.state_terms and self.form != "structured":
            return theta
        return points.linear_step(
            self.layout, theta, self._value, self._value_and_gradient, self._information
        )

    def _search(
        self,
        points: Sequence[StartPoint],
        method: str,
        maxiter: int,
        progress: bool,
        n_jobs: int,
    ) -> Outcome:
        if self._in_units is not None:
            twin, growth = self._in_units
            found = twin._search(
                [StartPoint(s.label, s.theta / growth) for s in points],
                method,
                maxiter,
                progress,
                n_jobs,
            )
            return restated(
                found,
                lambda psi: self._psi(growth * twin._theta_at(psi)),
                lambda psi: self._value(self._theta_at(psi)),
            )
        if method == "em":
            slices = Slices(self, self._normalised) if self.form == "free" else None
            return fit_by_em(
                self, points, maxiter=maxiter, progress=progress, n_jobs=n_jobs, slices=slices
            )
        atlas = self._atlas()
        walled = self.form == "innovations" and self.initial == "known"
        if atlas is None:
            found = super()._search(points, method, maxiter, progress, n_jobs)
            return self._wall(maxiter, None).after_search(found) if walled else found
        began = time.perf_counter()
        starts = [(point.label, point.theta, self._value(point.theta)) for point in points]
        climbs, stopped = charts.climb_all(
            atlas,
            starts,
            method=method,
            maxiter=maxiter,
            n_jobs=n_jobs,
            progress=progress,
            polish=max(3, min(6, 3 * len(starts) // 8), len(starts) // 4),
            gtol=atlas.gtol,
        )
        climbs, best = endings.normalised(
            climbs,
            starts[0],
            self._normalised,
            atlas.regular,
            self._psi,
            self._objective(),
            walled,
        )
        end = [StartPoint(climbs[best].label, climbs[best].theta)]
        outcome: Outcome | None = None
        if walled and not stopped:
            wall = self._wall(maxiter, atlas)
            outcome, climbs, best = wall.after_climbs(climbs, best)
        if isinstance(atlas, Slices):
            outcome = atlas.assess(end[0].theta, self._psi_boundary)
        elif outcome is None and not stopped:
            outcome = endings.finished(
                atlas, end[0].theta, self._psi, self._psi_boundary, method, maxiter
            )
        if outcome is None:
            outcome = super()._search(end, method, 1 if stopped else maxiter, progress, 1)
        return endings.with_climbs(
            outcome,
            climbs,
            best,
            self._psi,
            began,
            method,
            stopped,
            metric=self._psi_information,
            boundary=self._psi_boundary,
        )

    def _theta_at(self, psi: FloatArray) -> FloatArray:
        return self.layout.expand(self.transform.to_natural(psi))

    def _objective(self) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        plain = super()._objective()
        if self.form != "innovations" or self.initial != "known":
            return plain
        return Invertible(self._table, self._theta_at, plain)

    def _wall(self, maxiter: int, atlas: charts.Charts | None) -> Wall:
        """Border of invertibility, in charts where there are some."""
        chart: Callable[[FloatArray], Bordered] = partial(Plain, self, self._table)
        if isinstance(atlas, charts.Atlas):  # the barrier is the wall there
            chart = replace(atlas, invertible=False).chart
        return Wall(self, self._table, chart, min(maxiter, STEPS))

    def _bound(self) -> set[str]:
        """Groups of the parameters that restrictions name."""
        names = {str(name) for pair in self.layout.fixed.items() for name in pair}
        pairs = zip(self.layout.names, self.layout.groups, strict=True)
        return {group for name, group in pairs if name in names}

    def _atlas(self) -> charts.Charts | None:
        """Local coordinates, where no restriction is tied to the echelon ones."""
        if self.form == "free":
            return Slices(self, self._normalised)
        bound = self._bound() & {"W_h", "V", "K", "W_x", "ar", "ma"}
        generic = self.kronecker == generic_indices(self.k_states, self.k_endog)
        if self.form != "innovations" or self.initial == "diffuse" or bound or not generic:
            return None
        return charts.Atlas(
            self._form,
            self.layout,
            self.transform,
            self._y,
            self._x_obs,
            self._x_state,
            invertible=self.initial == "known",
        )

    def _normalised(self, theta: FloatArray) -> FloatArray:
        if self.form == "leaky" and not self.layout.restricted:
            return points.ordered(self._table, theta, self._form.pairs)
        if self.form == "factor" and not self.layout.restricted:
            return signed(self._table, theta, self._table.k_posdef)
        if self.form == "free" and not self.layout.restricted:
            return balanced(self._table, theta, stationary=self.initial == "stationary")
        if self.form != "innovations" or self.initial != "stationary":
            return theta
        if self.obs_noise == "diagonal" or self._bound() & {"K", "ma", "obs_cov"}:
            return theta
        return points.invertible(self._table, theta, self._value)

    def _towards_rest(self, theta: FloatArray) -> FloatArray:
        if self.form != "innovations":
            return super()._towards_rest(theta)
        calm = points.calmer(self._form, theta)
        return self.layout.expand(self.layout.reduce(calm))

    def _boundary(self, theta: FloatArray) -> tuple[str, ...]:
        names = self.endog.names
        return boundary_words(
            self._form, self.layout, theta, self._y, self._x_state, names, self._value
        )
