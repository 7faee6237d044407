r"""A network at the estimates plus the first-order effect of other parameters.

The law of the estimates is nearly normal, but a network is not nearly linear in its weights over
the width of that law: weights of units that saturate have standard errors of many units, and at
weights drawn that far away the network has forgotten the sample. What the data determine is the
function, the linear predictor at a history. So a draw :math:`\delta` of the estimates' error moves
the predictor by its derivative, :math:`\eta_t(\theta + \delta) \approx \eta_t(\theta) +
(\partial \eta_t / \partial \theta') \delta`, at whatever history a path has: the delta method, one
step at a time. Parameters of the head are drawn as they are.

The derivative along one direction is a central difference: two neighbours of the network read the
same path.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import IntArray

__all__ = ["Linearised", "linearised"]

# Largest change of a standardised weight between the network and its neighbours.
STEP = 1e-4


class _Run(NamedTuple):
    """States before each row, of the network and its neighbours, and filled inputs."""

    before: FloatArray
    inputs: FloatArray


@dataclass(frozen=True, eq=False)
class Linearised:
    """A network whose linear predictors move to first order (`RecurrentSystem` for paths).

    States are those of the network, of the neighbour ahead and of the one behind, side by side.

    Attributes
    ----------
    centre, ahead, behind : RecurrentSystem
        At the estimates, and a short way along and against the direction.
    ratio : float
        What the difference of the neighbours is multiplied by.
    extra : ndarray of shape (q,)
        Parameters of the head.
    """

    centre: Any
    ahead: Any
    behind: Any
    ratio: float
    extra: FloatArray

    @property
    def _three(self) -> tuple[Any, Any, Any]:
        return self.centre, self.ahead, self.behind

    @property
    def rows(self) -> IntArray:
        """Row of the data of each row of the recursion."""
        return np.asarray(self.centre.rows)

    @property
    def scales(self) -> Any:
        """Units of the inputs."""
        return self.centre.scales

    @cached_property
    def run(self) -> _Run:
        """Pass over the rows."""
        before = np.concatenate([system.run.before for system in self._three], axis=1)
        return _Run(before, self.centre.run.inputs)

    def step(
        self, state: FloatArray, lags: FloatArray, exog: FloatArray | None = None
    ) -> tuple[FloatArray, FloatArray]:
        """One step of r paths.

        Parameters
        ----------
        state : ndarray of shape (r, 3 k_state)
        lags : ndarray of shape (r, L, d_lag)
        exog : ndarray of shape (r, k), optional

        Returns
        -------
        state : ndarray of shape (r, 3 k_state)
        eta : ndarray of shape (r, k_eta)
        """
        parts = np.split(state, 3, axis=1)
        made = [
            system.step(np.ascontiguousarray(part), lags, exog)
            for system, part in zip(self._three, parts, strict=True)
        ]
        eta = made[0][1] + self.ratio * (made[1][1] - made[2][1])
        return np.concatenate([one[0] for one in made], axis=1), eta

    def state_before(self, row: int) -> FloatArray:
        """States of the row before a row of the data, (3 k_state,)."""
        return np.concatenate([system.state_before(row) for system in self._three])

    def lags_before(self, row: int) -> FloatArray:
        """Lags before a row of the data, (L, d_lag)."""
        return np.asarray(self.centre.lags_before(row))

    def lag_values(self, y: FloatArray) -> FloatArray:
        """What outputs (r, d) are as lags, (r, d_lag)."""
        return np.asarray(self.centre.lag_values(y))


def linearised(model: Any, theta: FloatArray, drawn: FloatArray) -> Linearised:
    """Move a network to drawn parameters to first order.

    Parameters
    ----------
    model : RecurrentModel
    theta, drawn : ndarray of shape (K,)
        The estimates, and a draw from their law.

    Returns
    -------
    Linearised
    """
    chart = model.chart
    change = chart.to_standard(np.array(drawn)) - chart.to_standard(np.array(theta))
    inner = np.abs(np.delete(change, np.r_[chart.extra]))
    length = STEP / max(STEP, float(inner.max(initial=0.0)))
    there = chart.to_standard(np.array(drawn))[chart.extra]
    way = length * (drawn - theta)
    return Linearised(
        model.system(theta), model.system(theta + way), model.system(theta - way),
        0.5 / length, there * chart.scales.extra,
    )  # fmt: skip
