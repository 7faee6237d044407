"""The part of results with inference beyond the parameter table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import pandas as pd

from rnnstats._checks import check_alpha, check_bool, check_generator, check_int, check_literal
from rnnstats.errors import SpecificationError
from rnnstats.estimation.bootstrap import SampleSource
from rnnstats.estimation.covariance import COV_TYPES, CovarianceEstimate, CovType
from rnnstats.estimation.disagreement import InformationTest
from rnnstats.results.inference.covariances import Derivatives
from rnnstats.results.inference.disagreement import CovarianceComparison, compared, simulated_test
from rnnstats.results.inference.functions import delta_table, read_functions
from rnnstats.results.inference.profile import ProfileIntervals, profile_intervals
from rnnstats.results.protocol import FittedModel, FloatArray

if TYPE_CHECKING:
    from typing_extensions import Self

__all__ = ["Inference"]

DEFAULT_SEED = 20240913
_COMPARED = tuple(kind for kind in COV_TYPES if kind != "none")


class Inference(ABC):
    """The part of results with inference beyond the parameter table.

    Attributes
    ----------
    model : FittedModel
        Data and structure.
    """

    model: FittedModel
    convergence: Any
    cov_type: CovType
    _theta: FloatArray

    _information_kind: ClassVar[CovType] = "approx"

    # What draws samples like the one at hand, at the estimates.
    @abstractmethod
    def _sampler(self, caller: str) -> SampleSource: ...

    @property
    @abstractmethod
    def bse(self) -> pd.Series:
        """Standard errors of the parameters."""

    @property
    @abstractmethod
    def _derivatives(self) -> Derivatives:
        """Second derivatives and scores at the estimates."""

    # The same estimates with another covariance, see `Results.with_cov`.
    @abstractmethod
    def with_cov(self, cov_type: CovType, cov_kwds: Mapping[str, Any] | None = None) -> Self: ...

    @property
    @abstractmethod
    def covariance(self) -> CovarianceEstimate:
        """Covariance of the estimates."""

    # Derivatives of functions of the parameters where a model has its own way to take differences.
    _derive: Callable[[Callable[[FloatArray], FloatArray]], FloatArray] | None = None

    def _check_maximum(self, caller: str) -> None:
        """Refuse penalised estimates, which are not at the maximum of the log-likelihood."""
        penalty = float(getattr(self.model, "penalty", 0.0))
        if penalty:
            raise SpecificationError(
                f"{caller}: the log-likelihood must be at its maximum; got penalised estimates "
                f"(penalty={penalty:g}). Use conf_int() or bootstrap(), or fit with penalty=0."
            )

    def delta_method(
        self,
        function: Callable[[Any], Any] | str | Sequence[str],
        names: Sequence[str] | None = None,
        *,
        alpha: float = 0.05,
        labelled: bool = True,
    ) -> pd.DataFrame:
        """Standard errors and intervals of any functions of the parameters.

        Parameters
        ----------
        function : callable, str or sequence of str
            Gets all natural parameters, returns a number, an array or a Series. Where it is not
            defined it returns NaN. Or formulas such as ``"K[h1,y] / W_h[h1,h1]"`` with the signs
            ``+ - * / **`` and ``log exp sqrt abs``, separated by commas.
        names : sequence of str, optional
            Names of the functions; by default the index of the Series, or the formulas.
        alpha : float
            One minus the coverage of the intervals.
        labelled : bool
            Give the function a Series by parameter name; if False, an ndarray of shape (K,).

        Returns
        -------
        DataFrame
            One row a function: "estimate", "std err", "z" (against zero), "P>|z|", and the ends
            of the interval. NaN for functions that the data do not identify; functions of
            identified quantities have their standard error even in coordinates that are not
            identified.

        Raises
        ------
        SpecificationError
            Unknown names, a function without finite values at the estimates, or `alpha` not
            between 0 and 1.

        Notes
        -----
        ``g' cov g`` with exact derivatives g of formulas; those of a callable are central
        differences with one Richardson step, in units of standard errors.

        References
        ----------
        Rao (1973), Linear Statistical Inference and Its Applications, 2nd ed., section 6a.2.
        """
        found = read_functions(
            self.model,
            self._theta,
            self.bse.to_numpy(),
            function,
            names=names,
            labelled=check_bool(labelled, name="labelled", caller="delta_method"),
            caller="delta_method",
            derive=self._derive,
        )
        return delta_table(found, self.covariance, alpha)

    def profile_conf_int(
        self,
        which: str | Callable[[Any], Any] | Sequence[str | Callable[[Any], Any]] | None = None,
        alpha: float = 0.05,
        *,
        names: Sequence[str] | None = None,
        labelled: bool = True,
        progress: bool = False,
    ) -> ProfileIntervals:
        """Profile-likelihood intervals of parameters and of functions of them.

        All values that a likelihood-ratio test does not reject at level `alpha`. Unlike Wald's
        intervals they do not depend on how the model is written, need not be symmetric, and stay
        inside the parameter space.

        Parameters
        ----------
        which : str, callable or sequence of these, optional
            Names of parameters, formulas such as ``"K[h1,y] / W_h[h1,h1]"`` (see `delta_method`),
            or functions of all parameters to one number. By default all free parameters.
        alpha : float
            One minus the coverage.
        names : sequence of str, optional
            Names for the table, one a function.
        labelled : bool
            Give functions a Series by parameter name; if False, an ndarray of shape (K,).
        progress : bool
            Show progress when the work takes over about two seconds.

        Returns
        -------
        ProfileIntervals
            ``frame`` (with Wald's ends beside), ``curves``, ``summary()``, ``plot()``. Where the
            profile does not fall to the cut before the boundary of the parameter space (a variance
            of zero, a root on the unit circle), the interval ends there and ``note`` says so.

        Raises
        ------
        SpecificationError
            Parameters that were not estimated on these data, unknown names, a fixed parameter, a
            function without one finite value, or `alpha` not between 0 and 1.

        Warns
        -----
        ConvergenceWarning
            A constrained maximum lies above the fit, an end was not found, or the work was
            interrupted.

        Notes
        -----
        Parameters estimated at the boundary of the parameter space, such as a probability of zero,
        are held there.

        References
        ----------
        Venzon and Moolgavkar (1988), Applied Statistics 37, 87-94.
        """
        check_bool(labelled, name="labelled", caller="profile_conf_int")
        check_bool(progress, name="progress", caller="profile_conf_int")
        self._check_maximum("profile_conf_int")
        if self.convergence is None:
            raise SpecificationError(
                "profile_conf_int: a profile is taken around the maximum of the likelihood; got "
                "parameters that were given, not estimated on these data. Use fit, or refit=True."
            )
        return profile_intervals(
            self.model,
            self._theta,
            self.covariance,
            which,
            names=names,
            alpha=alpha,
            labelled=labelled,
            progress=progress,
            optima=getattr(self.convergence, "optima", ()),
        )

    def compare_covariances(
        self,
        cov_types: CovType | Sequence[CovType] = ("oim", "opg", "robust"),
        nboot: int = 199,
        *,
        alpha: float = 0.05,
        rng: np.random.Generator | int | None = None,
        progress: bool = False,
    ) -> CovarianceComparison:
        """Put standard errors of different kinds side by side and test whether they agree.

        Where the model is right, the curvature of the log-likelihood, the outer product of the
        scores and the sandwich of both estimate the same covariance (the information equality).

        Parameters
        ----------
        cov_types : sequence of str
            Kinds to show, of "oim", "approx", "opg", "robust", "robust_approx", "cluster" and
            "hac"; others are divided by the first. The kind of these results keeps their options
            ("cluster" needs them), others have their defaults, see `with_cov`.
        nboot : int
            Samples drawn from the fitted model for the test (not fitted again, so this is quick);
            0 for no test.
        alpha : float
            Level of the test.
        rng : numpy.random.Generator or int, optional
            For the samples. Default: a fixed seed.
        progress : bool
            Show progress when the work takes over about two seconds.

        Returns
        -------
        CovarianceComparison
            ``frame``, ``statistic``, ``pvalue``, ``disagree``, ``flagged``, ``message``,
            ``summary()``.

        Raises
        ------
        SpecificationError
            Parameters that were not estimated on these data, an unknown kind, or too few samples.

        Notes
        -----
        That parameters are estimated is allowed for to first order, which makes the test cautious
        in short samples: of 300 samples of 100 rows from an autoregression it rejected 1.7 % at the
        level of 5 % and 6 % at 10 %.

        References
        ----------
        White (1982), Econometrica 50, 1-25; Horowitz (1994), Journal of Econometrics 61, 395-411.
        """
        caller = "compare_covariances"
        kinds: tuple[CovType, ...] = tuple([cov_types] if isinstance(cov_types, str) else cov_types)
        for kind in kinds:
            check_literal(kind, _COMPARED, name="cov_types", caller=caller)
        check_alpha(alpha, caller)
        check_bool(progress, name="progress", caller=caller)
        check_int(nboot, name="nboot", caller=caller, minimum=0)
        self._check_maximum(caller)
        if self.convergence is None or not kinds:
            raise SpecificationError(
                f"{caller}: kinds are compared at the maximum of the likelihood; got parameters "
                "that were given, not estimated on these data, or no kind. Use fit."
            )
        errors: dict[str, pd.Series] = {
            kind: (self if kind == self.cov_type else self.with_cov(kind)).bse for kind in kinds
        }
        test: InformationTest | None = None
        names: tuple[str, ...] = ()
        draws = 0
        if nboot:
            expected = self.with_cov(self._information_kind).covariance
            generator = check_generator(DEFAULT_SEED if rng is None else rng, caller=caller)
            test, names, draws = simulated_test(
                self._derivatives, expected, self._sampler(caller), nboot, generator, progress
            )
        free = self.model.layout.free_names
        return compared(errors, free, test, nboot=draws, alpha=alpha, tested=names)
