"""What `memory` of every results object leads to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from rnnstats.diagnostics import memory as measures
from rnnstats.diagnostics.memory.recurrences import Given, Recurrence

if TYPE_CHECKING:
    from rnnstats.diagnostics.memory.capacity.effective import EffectiveMemory
    from rnnstats.diagnostics.memory.capacity.measured import MemoryCapacity
    from rnnstats.diagnostics.memory.filters.constants import TimeConstants
    from rnnstats.diagnostics.memory.filters.transfer import TransferFunction
    from rnnstats.diagnostics.memory.lyapunov.spectrum import LyapunovSpectrum
    from rnnstats.diagnostics.memory.paths.expansion import GradientPaths
    from rnnstats.diagnostics.memory.products.gradients import GradientByLag
    from rnnstats.diagnostics.memory.products.jacobians import JacobianProducts

__all__ = ["MemoryViews"]


class MemoryViews:
    """Measures of memory of a fitted model, see the functions of `rnnstats.diagnostics.memory`.

    Attributes
    ----------
    _recurrence : Recurrence
        The model along its series, with what is uncertain about its parameters.
    """

    _recurrence: Recurrence

    def jacobian_products(
        self, horizon: int | None = None, *, given: Given | None = None, alpha: float = 0.05
    ) -> JacobianProducts:
        """Products of Jacobians: all singular values by horizon, and whether gradients vanish.

        Parameters
        ----------
        horizon : int, optional
            Largest number of rows between two states; 40, or what the series has.
        given : {"inputs", "shocks"}, optional
            What is held as it was while the state moves; what the state equation is written in.
        alpha : float
            One minus the coverage of intervals, and the level of the verdict.

        Returns
        -------
        JacobianProducts
        """
        return measures.jacobian_products(
            self._recurrence, horizon=horizon, given=given, alpha=alpha
        )

    def gradient_by_lag(self, horizon: int | None = None, **options: Any) -> GradientByLag:
        """Gradients of states or outputs by earlier states or inputs, by lag.

        Parameters
        ----------
        horizon : int, optional
            Largest lag; 40, or what the series has.
        **options : object
            ``of`` ("state", "output"), ``by`` ("state", "input"), ``output``, ``given``, ``alpha``
            of `rnnstats.diagnostics.memory.gradient_by_lag`.

        Returns
        -------
        GradientByLag
        """
        return measures.gradient_by_lag(self._recurrence, horizon=horizon, **options)

    def lyapunov_spectrum(
        self, *, given: Given = "shocks", alpha: float = 0.05
    ) -> LyapunovSpectrum:
        """Lyapunov exponents with standard errors, and the test of chaos.

        Parameters
        ----------
        given : {"shocks", "inputs"}
            Of the system itself, whose outputs come back as inputs, or of the state alone.
        alpha : float
            One minus the coverage of intervals, and the level of the tests.

        Returns
        -------
        LyapunovSpectrum
        """
        return measures.lyapunov_spectrum(self._recurrence, given=given, alpha=alpha)

    def time_constants(self, **options: Any) -> TimeConstants:
        """Time constants of gates, and of the eigenvalues of the state equation.

        Parameters
        ----------
        **options : object
            ``given``, ``at``, ``quantiles``, ``dt``, ``unit``, ``alpha`` of
            `rnnstats.diagnostics.memory.time_constants`.

        Returns
        -------
        TimeConstants
        """
        return measures.time_constants(self._recurrence, **options)

    def transfer_function(self, **options: Any) -> TransferFunction:
        """Gain, phase and delay by frequency: the model as a filter of its shocks or inputs.

        Parameters
        ----------
        **options : object
            ``at``, ``given``, ``shocks``, ``frequencies``, ``dt``, ``unit``, ``alpha`` of
            `rnnstats.diagnostics.memory.transfer_function`.

        Returns
        -------
        TransferFunction
        """
        return measures.transfer_function(self._recurrence, **options)

    def effective_memory(self, **options: Any) -> EffectiveMemory:
        """Lags that matter: where gradients have fallen to a share, and their mean lag.

        Parameters
        ----------
        **options : object
            ``of``, ``by``, ``output``, ``share``, ``horizon``, ``given`` of
            `rnnstats.diagnostics.memory.effective_memory`.

        Returns
        -------
        EffectiveMemory
        """
        return measures.effective_memory(self._recurrence, **options)

    def memory_capacity(
        self,
        *,
        by: str | Sequence[str] | None = None,
        lags: int | None = None,
        nsteps: int | None = None,
        alpha: float = 0.05,
        rng: np.random.Generator | int | None = None,
    ) -> MemoryCapacity:
        """How many past inputs a linear reader can recover from the state (Jaeger).

        Parameters
        ----------
        by : str or sequence of str, optional
            Inputs to recover; all by default.
        lags : int, optional
            Largest lag.
        nsteps : int, optional
            Rows of the simulation of a network; linear models need none.
        alpha : float
            One minus the coverage of intervals.
        rng : numpy.random.Generator or int, optional
            Of the simulation.

        Returns
        -------
        MemoryCapacity
        """
        return measures.memory_capacity(
            self._recurrence, None, nsteps, by=by, lags=lags, alpha=alpha, rng=rng
        )

    def gradient_paths(self, *, carry: ArrayLike | str | None = None) -> GradientPaths:
        """The gradient as a sum over paths through the part that is carried on and the branch.

        Parameters
        ----------
        carry : str or array_like, optional
            What counts as carried on, see `rnnstats.diagnostics.memory.gradient_paths`.

        Returns
        -------
        GradientPaths
        """
        carried: Any = carry
        return measures.gradient_paths(self._recurrence, carry=carried)
