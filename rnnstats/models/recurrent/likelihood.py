"""Likelihood of a recurrent network without noise in its state: value and derivatives.

The state is a function of the past, so the likelihood is a product of the head's densities at the
readouts of one run. All arithmetic is in standardised units (`scaling`); the numbers are those of
the user's units. Points where the likelihood does not exist have value -inf and derivatives NaN.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rnnstats.estimation.differences import hessian_from_score, standard_steps
from rnnstats.kernels import networks
from rnnstats.kernels.architecture import Feedback
from rnnstats.kernels.networks import Network
from rnnstats.models.recurrent.heads.base import Head
from rnnstats.models.recurrent.initial import InitialLaw
from rnnstats.models.recurrent.scaling import Chart

__all__ = ["Evaluation", "RecurrentLikelihood", "RunData"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class RunData:
    """Rows of the recursion, all sequences one after the other.

    Attributes
    ----------
    nobs : int
        Rows of the data, those conditioned on included.
    rows : ndarray of int, shape (m,)
        Data row of each.
    offsets : ndarray of int, shape (sequences + 1,)
        First of them in each sequence, and m.
    y : ndarray, shape (m, d)
        Outputs in the head's units inside; NaN is missing.
    inputs : ndarray, shape (m, k_in)
        Standardised; NaN where a lag is missing.
    feedback : Feedback or None
        None where no lag is missing.
    """

    nobs: int
    rows: IntArray
    offsets: IntArray
    y: FloatArray
    inputs: FloatArray
    feedback: Feedback | None


@dataclass(frozen=True, eq=False)
class Evaluation:
    """The network run at one point.

    Attributes
    ----------
    weights : ndarray, shape (P,)
    extra : ndarray, shape (q,)
        Standardised.
    initial : ndarray, shape (s,)
    run : Forward or TwoSidedRun
    """

    weights: FloatArray
    extra: FloatArray
    initial: FloatArray
    run: Any


class RecurrentLikelihood:
    """Likelihood as a function of natural (``theta``) or standardised (``phi``) parameters.

    Parameters
    ----------
    arch : Architecture or TwoSided
    head : Head
    chart : Chart
    start : InitialLaw
    data : RunData

    Attributes
    ----------
    log_scale : float
        What the log-likelihood of standardised outputs is short of that of the outputs.
    """

    def __init__(
        self, arch: Network, head: Head, chart: Chart, start: InitialLaw, data: RunData
    ) -> None:
        self.arch, self.head, self.chart, self.start, self.data = arch, head, chart, start, data
        self.bound = head.bind(data.y)
        self._log_scale_obs: FloatArray = np.zeros(len(data.rows))
        if head.scaled:
            self._log_scale_obs = -(~np.isnan(data.y) @ chart.log_scale)
        self.log_scale = float(self._log_scale_obs.sum())
        self.whole = len(data.rows) == data.nobs

    # --- standardised parameters --------------------------------------------------------------

    def evaluate(self, phi: FloatArray) -> Evaluation | None:
        """
        Run the network.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        Evaluation or None
            None where parameters are not admissible.
        """
        chart, data = self.chart, self.data
        if not math.isfinite(float(phi.sum())):
            return None
        extra = phi[chart.extra]
        if not self.head.admissible(extra):
            return None
        weights = phi[chart.weights]
        initial = self.start.state(weights, phi[chart.initial])
        if initial is None:
            return None
        run = networks.forward(
            self.arch,
            weights,
            data.inputs,
            initial=initial,
            offsets=data.offsets,
            feedback=data.feedback,
        )
        return Evaluation(weights, extra, initial, run)

    def value_at(self, phi: FloatArray) -> float:
        """
        Log-likelihood.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        float
            Of the outputs in the user's units; -inf where it does not exist.
        """
        found = self.evaluate(phi)
        if found is None:
            return -math.inf
        with np.errstate(all="ignore"):
            value = self.bound.value(found.run.eta, found.extra) + self.log_scale
        return value if math.isfinite(value) else -math.inf

    def pull_at(self, phi: FloatArray) -> tuple[float, FloatArray]:
        """
        Log-likelihood and its gradient by the standardised parameters.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        float
        ndarray, shape (K,)
        """
        found = self.evaluate(phi)
        if found is None:
            return -math.inf, np.full(len(phi), np.nan)
        with np.errstate(all="ignore"):
            value, by_eta, by_extra = self.bound.pull(found.run.eta, found.extra)
            value += self.log_scale
            if not math.isfinite(value):
                return -math.inf, np.full(len(phi), np.nan)
            back = networks.backward(self.arch, found.weights, found.run, by_eta)
            gradient = np.empty(len(phi))
            gradient[self.chart.weights] = back.weights
            gradient[self.chart.extra] = by_extra
            total = back.initial.sum(axis=0)
            moved, own = self.start.pull(found.weights, found.initial, total)
        if moved is not None:
            gradient[self.chart.weights] += moved
        gradient[self.chart.initial] = own
        if not math.isfinite(float(gradient.sum())):  # steeper than numbers go
            return -math.inf, np.full(len(phi), np.nan)
        return value, gradient

    def information_at(self, phi: FloatArray) -> FloatArray:
        """
        Expected information of the standardised parameters.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
            Sum over rows of what each is expected to tell given its past, at the observed past;
            NaN where the likelihood does not exist.
        """
        found = self._inside(phi)
        k = len(phi)
        if found is None:
            return np.full((k, k), np.nan)
        size, chart = self.arch.size, self.chart
        with np.errstate(all="ignore"):
            curvature, own = self.bound.information(found.run.eta, found.extra)
            inner = networks.information(self.arch, found.weights, found.run, curvature)
            tangents = self.start.tangents(found.weights, found.initial)
        out = np.zeros((k, k))
        places = np.r_[chart.weights, chart.initial]
        if tangents is None:
            network = inner[:size, :size]
        else:
            chain = np.zeros((len(inner), len(places)))
            chain[:size, :size] = np.eye(size)
            chain[size:] = tangents
            network = chain.T @ inner @ chain
        out[places[:, None], places] = network
        out[chart.extra, chart.extra] = own
        return out

    def hessian_at(self, phi: FloatArray) -> FloatArray:
        """
        Second derivative of the log-likelihood by the standardised parameters.

        Parameters
        ----------
        phi : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
            Differences of the exact score, in units of about one standard error.
        """
        scale = standard_steps(self.information_at(phi), 1e-2)
        return hessian_from_score(lambda x: self.pull_at(x)[1], phi, scale=scale)

    # --- natural parameters -------------------------------------------------------------------

    def value(self, theta: FloatArray) -> float:
        """
        Log-likelihood.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        float
        """
        return self.value_at(self.chart.to_standard(theta))

    def value_and_gradient(self, theta: FloatArray) -> tuple[float, FloatArray]:
        """
        Log-likelihood and its gradient.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        float
        ndarray, shape (K,)
        """
        value, gradient = self.pull_at(self.chart.to_standard(theta))
        return value, self.chart.pull(gradient)

    def loglikeobs(self, theta: FloatArray) -> FloatArray:
        """
        Contribution of each row.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (nobs,)
            Zero in rows conditioned on, and where nothing is seen.
        """
        found = self.evaluate(self.chart.to_standard(theta))
        if found is None:
            return np.full(self.data.nobs, np.nan)
        with np.errstate(all="ignore"):
            rows = self.bound.log_density(found.run.eta, found.extra)
        return self._spread(rows + self._log_scale_obs)

    def score_obs(self, theta: FloatArray) -> FloatArray:
        """
        Gradient of each row's contribution.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (nobs, K)
        """
        chart, rows = self.chart, self.data.rows
        found = self._inside(chart.to_standard(theta))
        if found is None:
            return np.full((self.data.nobs, len(theta)), np.nan)
        out = np.zeros((self.data.nobs, len(theta)))
        with np.errstate(all="ignore"):
            by_eta, by_extra = self.bound.slopes(found.run.eta, found.extra)
            network = self.arch, found.weights, found.run, by_eta
            if self.start.moves:
                by_weights, by_initial = networks.score_obs(*network)
                moved, own = self.start.pull(found.weights, found.initial, by_initial)
                whole = by_weights if moved is None else by_weights + moved
                out[rows] = chart.rule(np.hstack([whole, by_extra, own]))
            else:
                networks.scores_by(*network, chart.kernel_rule, rows, out)
                out[rows[:, None], chart.extra_places] = chart.pull_extra(by_extra)
        return out

    def information(self, theta: FloatArray) -> FloatArray:
        """
        Expected information.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
        """
        half = self.chart.pull(self.information_at(self.chart.to_standard(theta)))
        return self.chart.pull(half.T)

    def hessian(self, theta: FloatArray) -> FloatArray:
        """
        Second derivative of the log-likelihood.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        ndarray, shape (K, K)
        """
        half = self.chart.pull(self.hessian_at(self.chart.to_standard(theta)))
        return self.chart.pull(half.T)

    def reason(self, theta: FloatArray) -> str | None:
        """
        Why the log-likelihood is -inf; None where it is finite.

        Parameters
        ----------
        theta : ndarray, shape (K,)

        Returns
        -------
        str or None
        """
        phi = self.chart.to_standard(theta)
        if not np.isfinite(phi).all():
            return "a parameter is not finite"
        if not self.head.admissible(phi[self.chart.extra]):
            names = ", ".join(self.head.names)
            whole = self.head.name == "gaussian"
            return f"{names} must {'form a positive definite matrix' if whole else 'be positive'}"
        found = self.evaluate(phi)
        if found is None:
            return "the network has no fixed point that could be found for its start"
        if not np.isfinite(found.run.eta).all():
            row = int(np.argmin(np.isfinite(found.run.eta).all(axis=1)))
            return f"the state grows beyond all numbers by row {int(self.data.rows[row])}"
        if math.isfinite(self.value_at(phi)):
            return None
        with np.errstate(all="ignore"):
            logs = self.bound.log_density(found.run.eta, found.extra)
        row = int(np.argmin(np.isfinite(logs)))
        return f"row {int(self.data.rows[row])} has no density above zero"

    def _inside(self, phi: FloatArray) -> Evaluation | None:
        """Run the network; None where the likelihood does not exist."""
        found = self.evaluate(phi)
        if found is None:
            return None
        with np.errstate(all="ignore"):
            value = self.bound.value(found.run.eta, found.extra)
        return found if math.isfinite(value) else None

    def _spread(self, values: FloatArray) -> FloatArray:
        """Put the rows of the recursion among all rows, zeros elsewhere."""
        if self.whole:
            return values
        out = np.zeros((self.data.nobs, *values.shape[1:]))
        out[self.data.rows] = values
        return out
