"""What a recurrent model answers at given parameters, and its fit."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_generator, check_int
from rnnstats._index import label
from rnnstats.data import Endog, Exog
from rnnstats.errors import SpecificationError
from rnnstats.estimation.convergence import Convergence
from rnnstats.kernels.architecture import Architecture, Cell, PythonCell
from rnnstats.kernels.networks import Network
from rnnstats.models._arguments import input_rows, own_rows, restrictions
from rnnstats.models._fitting import natural_vector
from rnnstats.models.recurrent import assembly, paths, specification
from rnnstats.models.recurrent.heads.base import Head
from rnnstats.models.recurrent.heads.factory import read_head
from rnnstats.models.recurrent.initial import InitialName
from rnnstats.models.recurrent.likelihood import RecurrentLikelihood
from rnnstats.models.recurrent.names import state_names
from rnnstats.models.recurrent.paths import FilteredStates, SmoothedStates
from rnnstats.models.recurrent.scaling import Chart
from rnnstats.models.recurrent.specification import Presample
from rnnstats.models.recurrent.system import RecurrentSystem
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Block, Transform

if TYPE_CHECKING:
    from typing_extensions import Self

    from rnnstats.estimation.covariance import CovType
    from rnnstats.results.nonlinear import RecurrentResults


__all__ = ["RecurrentMethods"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


class RecurrentMethods(ABC):
    """Everything that Elman networks, GRUs, LSTMs and cells of one's own have in common.

    Attributes
    ----------
    endog : Endog
    exog : Exog or None
    units : tuple of int
        Hidden units of each layer.
    y_lags : int
    skip : bool
    initial : {"zero", "estimated", "stationary"}
    presample : {"condition", "predict"}
    penalty : float
    head : Head
    levels : dict of str to tuple, or None
    architecture : Architecture
    chart : Chart
    likelihood : RecurrentLikelihood
    """

    name: ClassVar[str]
    endog: Endog
    exog: Exog | None
    units: tuple[int, ...]
    y_lags: int
    skip: bool
    initial: InitialName
    presample: Presample
    state_noise: bool
    filter_name: str
    penalty: float
    head: Head
    head_argument: str | dict[str, Any]
    levels: dict[str, tuple[Any, ...]] | None
    architecture: Network
    layout: Layout
    transform: Transform
    transform_blocks: tuple[Block, ...]
    chart: Chart
    likelihood: RecurrentLikelihood
    _frozen: bool

    def _construct(
        self,
        endog: object,
        exog: object,
        cell: Cell | PythonCell,
        **given: Any,
    ) -> None:
        """Check what the four models share, and assemble; ``given`` as in their constructors."""
        caller = self.name
        self.units = specification.check_units(given["k_hidden"], given["n_layers"], caller)
        self.y_lags = specification.check_lags(given["y_lags"], caller)
        checked = specification.check_options(
            caller,
            **{
                name: given[name]
                for name in ("state_noise", "filter", "skip", "initial", "presample", "penalty")
            },
        )
        self.skip, self.initial, self.presample, self.penalty = checked
        self.state_noise, self.filter_name = False, given["filter"]
        outputs = assembly.read_outputs(
            endog, read_head(given["head"], caller), given["groups"], caller
        )
        self.endog, self.levels = outputs.endog, outputs.levels
        self.head_argument = outputs.head.argument
        self.exog = Exog.from_input(exog, self.endog, caller=caller)
        plan = assembly.Plan(
            caller, cell, self.units, self.y_lags, self.skip, self.initial, self.presample,
            two_sided=given.get("two_sided", False),
        )  # fmt: skip
        made = assembly.assemble(plan, outputs, self.exog, restrictions(given["fixed"], caller))
        self.architecture, self.head = made.architecture, made.head
        self.layout, self.transform_blocks = made.layout, made.transforms
        self.transform = Transform.for_layout(self.layout, made.transforms)
        self.chart, self.likelihood = made.chart, made.likelihood
        self._frozen = True

    def __repr__(self) -> str:
        return specification.one_line(self)

    # --- structure ----------------------------------------------------------------------------

    @property
    def k_hidden(self) -> int | tuple[int, ...]:
        """Hidden units of a layer; one number a layer where they differ."""
        return self.units[0] if len(set(self.units)) == 1 else self.units

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.units)

    @property
    def state_names(self) -> tuple[str, ...]:
        """Names of the elements of the state: ``h1``, ..., and ``c1``, ... of a LSTM's memory."""
        return state_names(self.architecture)

    @property
    def k_states(self) -> int:
        """Length of the state."""
        return self.architecture.k_state

    @property
    def offsets(self) -> IntArray:
        """First row of each sequence, and the number of rows."""
        return self.endog.offsets

    @property
    def groups_labels(self) -> tuple[Any, ...]:
        """Label of each sequence; empty for a single one."""
        return self.endog.sequences

    @property
    def rows(self) -> IntArray:
        """Data rows that enter the likelihood."""
        return self.likelihood.data.rows

    @property
    def row_offsets(self) -> IntArray:
        """First of `rows` in each sequence, and their number."""
        return self.likelihood.data.offsets

    @property
    def nobs_likelihood(self) -> int:
        """Number of rows that enter the likelihood: without those it is conditional on."""
        return len(self.rows)

    @property
    def title(self) -> str:
        """Heading of the summary."""
        return self._title()

    # --- at given parameters ------------------------------------------------------------------

    def system(self, params: ArrayLike) -> RecurrentSystem:
        """Run the network at given parameters.

        Parameters
        ----------
        params : array_like, shape (K,)
            Natural units.

        Returns
        -------
        RecurrentSystem

        Raises
        ------
        SpecificationError
            Where the network cannot be run, with the reason.
        """
        theta = self._natural(params)
        found = self.likelihood.evaluate(self.chart.to_standard(theta))
        if found is None or not np.isfinite(found.run.eta).all():
            raise SpecificationError(
                f"{self.name}.system: params must be admissible; got a point where "
                f"{self.likelihood.reason(theta)}. Give other params."
            )
        data = self.likelihood.data
        sequences = len(data.offsets) - 1
        return RecurrentSystem(
            architecture=cast(Architecture, self.architecture),
            head=self.head,
            scales=self.chart.scales,
            y_lags=self.y_lags,
            weights=found.weights,
            extra=found.extra * self.chart.scales.extra,
            initial=np.broadcast_to(found.initial, (sequences, len(found.initial))),
            feedback=data.feedback,
            run=found.run,
            rows=data.rows,
            row_offsets=data.offsets,
            offsets=self.offsets,
            lags=self.head.lag_values(self.endog.values),
        )

    def filter(self, params: ArrayLike) -> FilteredStates:
        """States of the network, which are functions of the past.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        FilteredStates
            Labelled ``predicted``, ``filtered``, ``eta`` and ``llf_obs``.

        Raises
        ------
        SpecificationError
            Where the network cannot be run, with the reason.
        """
        return paths.filtered(self, self._natural(params))

    def smooth(self, params: ArrayLike) -> SmoothedStates:
        """States given all rows: the same, as the state has no noise of its own.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        SmoothedStates
            Labelled ``smoothed``.

        Raises
        ------
        SpecificationError
            Where the network cannot be run, with the reason.
        """
        return paths.smoothed(self, self._natural(params))

    def simulate(
        self,
        params: ArrayLike,
        nsimulations: int,
        *,
        rng: np.random.Generator | int | None = None,
        exog: ArrayLike | None = None,
        burnin: int = 0,
    ) -> pd.Series | pd.DataFrame:
        """Draw one sequence from the model.

        Parameters
        ----------
        params : array_like, shape (K,)
        nsimulations : int
            Number of rows.
        rng : numpy.random.Generator or int, optional
        exog : array_like, shape (burnin + nsimulations, k), optional
            Inputs; default: the model's own first rows.
        burnin : int
            Rows drawn before those returned, so that the start is forgotten.

        Returns
        -------
        Series or DataFrame
            Rows numbered from 0; categories as they were given. With ``presample="condition"`` and
            no ``burnin`` the first ``y_lags`` rows are those of the sample, on which the likelihood
            is conditional.

        Raises
        ------
        SpecificationError
            For inputs of a wrong shape, or where the network cannot be run.
        """
        caller = f"{self.name}.simulate"
        rows = check_int(nsimulations, name="nsimulations", caller=caller, minimum=1)
        before = check_int(burnin, name="burnin", caller=caller, minimum=0)
        generator = check_generator(rng, caller=caller)
        own = own_rows(self.exog, before + rows, caller) if exog is None else exog
        inputs = input_rows(own, self.exog, before + rows, caller)
        return paths.drawn(self, self._natural(params), rows, generator, inputs, before)

    def reason(self, params: ArrayLike) -> str | None:
        """Say why the log-likelihood is -inf.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        str or None
            None where it is finite.
        """
        return self.likelihood.reason(self._natural(params))

    def ridge(self) -> FloatArray:
        """Curvature of the penalty in natural parameters.

        Returns
        -------
        ndarray, shape (K, K)
            The penalised log-likelihood is the log-likelihood minus half of ``penalty`` times the
            sum of squares of the standardised weights, but for the constants of the readout and
            the head's own parameters; this is the negative Hessian of that term.
        """
        mask = np.diag(self.penalty * self.chart.penalised)
        return self.chart.pull(self.chart.pull(mask).T)

    def aligned(self, params: ArrayLike, target: ArrayLike) -> FloatArray:
        """Number the hidden units as in another solution.

        Parameters
        ----------
        params, target : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
            Parameters of the same likelihood with the numbering and the signs of the units that
            bring their paths nearest to those at `target`; `params` itself where restrictions
            single a numbering out.
        """
        from rnnstats.models.recurrent.fit.alignment import aligned

        return aligned(self, self._natural(params), self._natural(target))

    def clone(self, endog: object, exog: object = None, *, groups: object = None) -> Self:
        """Return the same structure, restrictions included, on other data.

        Parameters
        ----------
        endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        exog : Series, DataFrame or array_like, optional
            Needed when this model has inputs.
        groups : str, Series or array_like, optional
            Sequence of each row; default a single one, or those of an index with two levels.

        Returns
        -------
        ElmanRNN, GRU, LSTM or CellRNN

        Raises
        ------
        SpecificationError
            For inputs where this model has none, or none where it has some.
        """
        if (exog is None) != (self.exog is None):
            have = "no inputs" if self.exog is None else f"inputs {', '.join(self.exog.names)}"
            raise SpecificationError(
                f"{self.name}.clone: the model has {have}; got {'no ' if exog is None else ''}exog."
                f" {'Leave it out' if self.exog is None else 'Give their rows as exog'}."
            )
        given = self._arguments() | {"groups": groups}
        return self._again(endog, exog, fixed=self.layout.fixed, **given)

    def standardised_as(self, other: RecurrentMethods) -> Self:
        """Return this model in the standard units of the same model on other data.

        Parameters
        ----------
        other : ElmanRNN, GRU, LSTM, CellRNN or BidirectionalRNN
            Of the same structure.

        Returns
        -------
        ElmanRNN, GRU, LSTM, CellRNN or BidirectionalRNN
            Where a mean of the sample enters (``initial="stationary"``; a penalty), it is that of
            the other's sample, so that rows both have give the same numbers.
        """
        made = copy.copy(self)
        moved = assembly.restandardised(self.likelihood, self.y_lags, other.chart.scales)
        made.__dict__.update(likelihood=moved, chart=moved.chart)
        return made

    # --- inside -------------------------------------------------------------------------------

    @abstractmethod
    def _own_arguments(self) -> dict[str, Any]:
        """Arguments of the constructor that only this class has."""

    @abstractmethod
    def _features(self) -> tuple[str, ...]:
        """Words for the repr about what only this class has."""

    @abstractmethod
    def _title(self) -> str:
        """Heading of the summary."""

    def _arguments(self) -> dict[str, Any]:
        """Arguments of the constructor that do not hold data row by row."""
        shared = {
            "k_hidden": self.k_hidden,
            "y_lags": self.y_lags,
            "head": copy.deepcopy(self.head_argument),
            "state_noise": self.state_noise,
            "filter": self.filter_name,
            "n_layers": self.n_layers,
            "skip": self.skip,
            "initial": self.initial,
            "presample": self.presample,
            "penalty": self.penalty,
        }
        return {**shared, **self._own_arguments()}

    def _again(self, endog: object, exog: object, **given: Any) -> Self:
        return cast(Any, type(self))(endog, exog, **given)  # type: ignore[no-any-return]

    def _rebuild(
        self, endog: object, exog: object, fixed: Mapping[str, float | str] | None
    ) -> Self:
        return self._again(endog, exog, fixed=fixed, **self._arguments())

    def _with_penalty(self, penalty: float) -> Self:
        """Return the same model with another penalty."""
        given = self._arguments() | {"penalty": penalty}
        return self._again(self.endog, self.exog, fixed=self.layout.fixed, **given)

    def _natural(self, params: ArrayLike) -> FloatArray:
        return natural_vector(params, self.layout.names, self.name)

    def _row_label(self, row: int) -> str:
        return f"row {row} ({label(self.endog.index, row)})"

    def _value(self, theta: FloatArray) -> float:
        return self.likelihood.value(theta)

    def _value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        return self.likelihood.value_and_gradient(theta)

    def _loglikeobs(self, theta: FloatArray) -> FloatArray:
        return self.likelihood.loglikeobs(theta)

    def _score_obs(self, theta: FloatArray) -> FloatArray:
        return self.likelihood.score_obs(theta)

    def _information(self, theta: FloatArray) -> FloatArray:
        return self.likelihood.information(theta)

    def _hessian(self, theta: FloatArray) -> FloatArray:
        return self.likelihood.hessian(theta)

    def _check_estimable(self, counted: int | None = None) -> None:
        """Refuse to fit more parameters than there are values; `counted` where not all count."""
        number = self.layout.k_free if counted is None else counted
        specification.refuse_unfit(self, number)

    def _towards_rest(self, theta: FloatArray) -> FloatArray:
        """Return a calmer point: all standardised weights smaller."""
        phi = self.chart.to_standard(theta)
        phi[self.chart.penalised] *= 0.85
        return self.layout.expand(self.layout.reduce(self.chart.to_natural(phi)))

    def _make_results(
        self,
        theta: FloatArray,
        cov_type: str,
        convergence: Convergence | None,
        cov_kwds: Mapping[str, Any] | None,
    ) -> RecurrentResults:
        from rnnstats.results.nonlinear import RecurrentResults

        return RecurrentResults.from_fit(
            cast(Any, self),
            theta,
            cov_type=cast("CovType", cov_type),
            convergence=convergence,
            cov_kwds=cov_kwds,
        )
