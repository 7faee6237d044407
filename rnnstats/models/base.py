"""What every likelihood model has in common; `fit` is written here, once."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from rnnstats._checks import check_bool, check_generator, check_int, check_jobs, check_literal, warn
from rnnstats.data import Endog, Exog
from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.estimation.convergence import Convergence, Outcome
from rnnstats.estimation.covariance import COV_TYPES
from rnnstats.estimation.differences import hessian_from_score, standard_steps
from rnnstats.estimation.hac import check_cov_kwds
from rnnstats.estimation.optimize import METHODS, Method, assess, maximize
from rnnstats.models._arguments import restrictions
from rnnstats.models._fitting import (
    PsiObjective,
    StartPoint,
    admissible,
    natural_vector,
    refuse_too_little,
    shaken,
)
from rnnstats.parameters.layout import Layout
from rnnstats.parameters.transforms import Transform

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["LikelihoodModel", "StartPoint"]

FloatArray = NDArray[np.float64]
DEFAULT_SEED = 20240913
FIT_METHODS = (*METHODS, "em")


class LikelihoodModel(ABC):
    """Data, structure and likelihood; a frozen value.

    Subclasses give the likelihood at natural parameters; this class gives derivatives in
    different coordinates, restrictions and the fit.

    Attributes
    ----------
    endog : Endog
    exog : Exog or None
    layout : Layout
        Names of the natural parameters and restrictions.
    transform : Transform
        Unconstrained coordinates of the free parameters.
    """

    name: ClassVar[str]
    n_starts_default: int = 1
    endog: Endog
    exog: Exog | None
    layout: Layout
    transform: Transform

    def __setattr__(self, attribute: str, value: object) -> None:
        if self.__dict__.get("_frozen", False):
            raise AttributeError(
                f"{self.name}: models cannot be changed; got an assignment to {attribute!r}. "
                "Use with_fixed() or clone(), or construct another model."
            )
        super().__setattr__(attribute, value)

    # --- what a subclass gives ----------------------------------------------------------------

    @abstractmethod
    def _value(self, theta: FloatArray) -> float:
        """Log-likelihood; -inf where it does not exist."""

    @abstractmethod
    def _value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """Log-likelihood and gradient in ``theta``; -inf and NaN where it does not exist."""

    @abstractmethod
    def _loglikeobs(self, theta: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _score_obs(self, theta: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _information(self, theta: FloatArray) -> FloatArray: ...

    @abstractmethod
    def _starting_points(self, rng: np.random.Generator, number: int) -> list[StartPoint]:
        """Starts from the data, promising ones first; restrictions may be ignored."""

    @abstractmethod
    def _rebuild(
        self, endog: object, exog: object, fixed: Mapping[str, float | str] | None
    ) -> Self: ...

    @abstractmethod
    def _make_results(
        self,
        theta: FloatArray,
        cov_type: str,
        convergence: Convergence | None,
        cov_kwds: Mapping[str, Any] | None,
    ) -> Any: ...

    def _closed_form(self) -> FloatArray | None:
        """Maximum in closed form, where there is one."""
        return None

    def _normalised(self, theta: FloatArray) -> FloatArray:
        """Return an equivalent point with the same likelihood, unique where there are several."""
        return theta

    def _boundary(self, theta: FloatArray) -> tuple[str, ...]:
        """Words about what sits at the border of the admissible region."""
        return ()

    # --- what is public -----------------------------------------------------------------------

    @property
    def nobs(self) -> int:
        """Number of rows of the data."""
        return self.endog.nobs

    @property
    def k_endog(self) -> int:
        """Number of outputs."""
        return self.endog.k_endog

    @property
    def param_names(self) -> tuple[str, ...]:
        """Names of all natural parameters, in the order of ``params``."""
        return self.layout.names

    @cached_property
    def start_params(self) -> pd.Series:
        """Best starting values found from the data alone, natural units, with names.

        Raises
        ------
        DataError
            When there are too few observations.
        """
        self._check_estimable()
        rng = np.random.default_rng(DEFAULT_SEED)
        points = self._admissible(self._starting_points(rng, self.n_starts_default))
        return pd.Series(points[0].theta, index=list(self.param_names), name="start_params")

    def loglike(self, params: ArrayLike) -> float:
        """Exact log-likelihood.

        Parameters
        ----------
        params : array_like, shape (K,), or Series or mapping by name
            All natural parameters, in the order of ``param_names``.

        Returns
        -------
        float
            -inf at inadmissible parameters (a covariance that is not positive definite; roots
            outside the unit circle with a stationary start).

        Raises
        ------
        SpecificationError
            When ``params`` has another length or other names.
        """
        return self._value(self._theta(params))

    def loglikeobs(self, params: ArrayLike) -> FloatArray:
        """Contribution of each row to the log-likelihood, given the rows before it.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (nobs,)
            NaN at inadmissible parameters; zero in rows without an observation.
        """
        return self._loglikeobs(self._theta(params))

    def score(self, params: ArrayLike) -> FloatArray:
        """Exact gradient of the log-likelihood in all natural parameters.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K,)
            Restrictions are ignored; NaN at inadmissible parameters.
        """
        return self._value_and_gradient(self._theta(params))[1]

    def loglike_and_score(self, params: ArrayLike) -> tuple[float, FloatArray]:
        """Log-likelihood and its gradient in one pass, for an optimiser of one's own.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        loglike : float
        score : ndarray, shape (K,)
            As from `loglike` and `score`.
        """
        return self._value_and_gradient(self._theta(params))

    def score_obs(self, params: ArrayLike) -> FloatArray:
        """Exact gradient of each row's contribution.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (nobs, K)
            NaN at inadmissible parameters.
        """
        return self._score_obs(self._theta(params))

    def information(self, params: ArrayLike) -> FloatArray:
        """Expected information of the natural parameters.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
            From first derivatives only (Harvey 1989, eq. 3.4.69); NaN at inadmissible parameters.
        """
        return self._information(self._theta(params))

    def hessian(self, params: ArrayLike) -> FloatArray:
        """Hessian of the log-likelihood in the natural parameters.

        Parameters
        ----------
        params : array_like, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
            Central differences of the exact score with one Richardson step, in units of about one
            standard error; NaN at inadmissible parameters.
        """
        theta = self._theta(params)
        if self._value(theta) == -math.inf:
            return np.full((len(theta), len(theta)), np.nan)
        return self._hessian(theta)

    def _hessian(self, theta: FloatArray) -> FloatArray:
        size = 1e-2 * np.maximum(np.abs(theta), 1.0)
        scale = standard_steps(self._information(theta), size)
        return hessian_from_score(lambda x: self._value_and_gradient(x)[1], theta, scale=scale)

    def with_fixed(self, fixed: Mapping[str, float | str]) -> Self:
        """Return the same model with further restrictions.

        Parameters
        ----------
        fixed : mapping of str to float or str
            Parameter name to a number (fixed there) or another parameter's name (equal to it).

        Returns
        -------
        LikelihoodModel
            A new model; later restrictions on a name replace earlier ones.

        Raises
        ------
        SpecificationError
            For unknown names (the closest ones are offered), or equalities that form a ring.
        """
        more = restrictions(fixed, f"{self.name}.with_fixed")
        return self._rebuild(self.endog, self.exog, {**self.layout.fixed, **more})

    def clone(self, endog: object, exog: object = None) -> Self:
        """Return the same structure, restrictions included, on other data.

        Parameters
        ----------
        endog : Series, DataFrame or array_like, shape (nobs,) or (nobs, k_endog)
        exog : Series, DataFrame or array_like, optional
            Needed when this model has inputs.

        Returns
        -------
        LikelihoodModel

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
        return self._rebuild(endog, exog, self.layout.fixed)

    def fit(
        self,
        *,
        start_params: ArrayLike | None = None,
        method: str = "auto",
        n_starts: int | None = None,
        maxiter: int = 500,
        cov_type: str = "oim",
        cov_kwds: Mapping[str, Any] | None = None,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
        n_jobs: int = 1,
    ) -> Any:
        """Maximum likelihood.

        Parameters
        ----------
        start_params : array_like, shape (K,), optional
            Start here, in natural units. Alone unless ``n_starts`` is given too.
        method : {"auto", "scoring", "newton", "bfgs", "em"}
            "em": expectation-maximisation, for states with noise of their own.
        n_starts : int, optional
            Number of starts found from the data; the results' ``starts`` shows where each ended.
            Default: 2 to 16, by form and number of rows.
        maxiter : int
            Largest number of iterations a start.
        cov_type : {"oim", "approx", "opg", "robust", "robust_approx", "cluster", "hac", "none"}
            Covariance of the estimates.
        cov_kwds : mapping, optional
            Options of "hac" (such as ``{"maxlags": 4}``) and "cluster" (``{"groups": labels}``),
            see ``with_cov`` of the results.
        rng : numpy.random.Generator or int, optional
            For starts drawn at random. Default: a fixed seed, so that a fit can be repeated.
        progress : bool
            Show progress when the work takes over about two seconds.
        n_jobs : int
            Number of processes for the starts, -1 for all; the numbers do not depend on it.

        Returns
        -------
        Results
            Also when the optimiser stopped early: ``results.convergence`` says how it went.

        Raises
        ------
        DataError
            When there are not more observations than free parameters, or a series does not vary.
        SpecificationError
            For an argument that is not allowed, or when no start is admissible.

        Warns
        -----
        ConvergenceWarning
            When the optimiser stopped before its criteria were met.
        """
        n_jobs = self._check_fit(method, n_starts, maxiter, cov_type, cov_kwds, progress, n_jobs)
        if self.layout.k_free == 0:
            return self._make_results(self.layout.base.copy(), cov_type, None, cov_kwds)
        self._check_estimable()
        closed = self._closed_form() if method == "auto" and start_params is None else None
        if closed is not None and n_starts is None:
            outcome = assess(
                self._objective(),
                self._psi(closed),
                information=self._psi_information,
                boundary=self._psi_boundary,
            )
        else:
            seed = DEFAULT_SEED if rng is None else rng
            generator = check_generator(seed, caller=f"{self.name}.fit")
            points = self._points(start_params, n_starts, generator)
            outcome = self._search(points, method, maxiter, progress, n_jobs)
        return self._finish(outcome, cov_type, cov_kwds)

    def _check_fit(
        self,
        method: str,
        n_starts: int | None,
        maxiter: int,
        cov_type: str,
        cov_kwds: Mapping[str, Any] | None,
        progress: bool,
        n_jobs: int,
    ) -> int:
        """Check the arguments of `fit` that need no data; return the number of processes."""
        caller = f"{self.name}.fit"
        check_literal(method, FIT_METHODS, name="method", caller=caller)
        check_literal(cov_type, COV_TYPES, name="cov_type", caller=caller)
        check_cov_kwds(cov_type, cov_kwds, self.endog.index, caller=caller)
        check_int(maxiter, name="maxiter", caller=caller, minimum=1)
        check_bool(progress, name="progress", caller=caller)
        if n_starts is not None:
            check_int(n_starts, name="n_starts", caller=caller, minimum=1)
        return check_jobs(n_jobs, caller=caller)

    def _search(
        self,
        points: Sequence[StartPoint],
        method: str,
        maxiter: int,
        progress: bool,
        n_jobs: int,
    ) -> Outcome:
        """Maximise from several starts."""
        return maximize(
            self._objective(),
            np.array([self._psi(point.theta) for point in points]),
            information=self._psi_information,
            method=cast(Method, method),
            maxiter=maxiter,
            labels=[point.label for point in points],
            boundary=self._psi_boundary,
            progress=progress,
            n_jobs=n_jobs,
        )

    # --- inside -------------------------------------------------------------------------------

    def _finish(self, outcome: Outcome, cov_type: str, cov_kwds: Mapping[str, Any] | None) -> Any:
        record = outcome.convergence
        if not record.converged:
            words = "; ".join([record.message, *record.boundary])
            warn(f"{self.name}.fit: {words}", ConvergenceWarning)
        theta = self.layout.expand(self.transform.to_natural(outcome.psi))
        theta = self._normalised(theta)
        return self._make_results(theta, cov_type, outcome.convergence, cov_kwds)

    def _theta(self, params: ArrayLike) -> FloatArray:
        """Check ``params`` and return them as a float64 vector (K,)."""
        return natural_vector(params, self.layout.names, self.name)

    def _psi(self, theta: FloatArray) -> FloatArray:
        return self.transform.to_unconstrained(self.layout.reduce(theta))

    def _objective(self) -> Callable[[FloatArray], tuple[float, FloatArray]]:
        """Return the log-likelihood with its gradient as a function of ``psi``."""
        return PsiObjective(self)

    def _psi_information(self, psi: FloatArray) -> FloatArray:
        theta = self.layout.expand(self.transform.to_natural(psi))
        chain = self.layout.expansion @ self.transform.jacobian(psi)
        info: FloatArray = chain.T @ self._information(theta) @ chain
        return info

    def _psi_boundary(self, psi: FloatArray) -> tuple[str, ...]:
        return self._boundary(self.layout.expand(self.transform.to_natural(psi)))

    def _points(
        self, start_params: ArrayLike | None, n_starts: int | None, rng: np.random.Generator
    ) -> list[StartPoint]:
        """Return admissible starts, the user's first."""
        points: list[StartPoint] = []
        if start_params is not None:
            theta = self._theta(start_params)
            points = self._admissible([StartPoint("start_params", theta)], repair=False)
            if n_starts is None:
                return points
        number = self.n_starts_default if n_starts is None else n_starts
        found = self._admissible(self._starting_points(rng, number))
        return points + shaken(found, number, rng, self)

    def _admissible(self, points: Sequence[StartPoint], *, repair: bool = True) -> list[StartPoint]:
        """Impose restrictions, drop inadmissible and repeated starts, best likelihood first."""
        return admissible(self, points, repair=repair)

    def _start_value(self, theta: FloatArray) -> float:
        try:
            self._psi(theta)
        except ValueError:
            return -math.inf
        return self._value(theta)

    def _towards_rest(self, theta: FloatArray) -> FloatArray:
        """Return a calmer point, for starts that restrictions made inadmissible."""
        calm = theta.copy()
        dynamic = np.array([group in ("W_h", "K") for group in self.layout.groups])
        calm[dynamic] *= 0.85
        return self.layout.expand(self.layout.reduce(calm))

    def _check_estimable(self) -> None:
        refuse_too_little(self.endog, self.layout.k_free, self.name)
