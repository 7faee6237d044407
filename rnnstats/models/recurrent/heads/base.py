"""What every head offers: the law of the outputs given the readout ``eta``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from rnnstats.families.categorical import log_probabilities
from rnnstats.parameters.transforms import Block

__all__ = ["BoundHead", "Head", "HeadLaw", "MeanMap"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.intp]
MeanMap = Literal["identity", "exp", "logistic", "softmax"]


class HeadLaw(ABC):
    """Law of the outputs at some rows, each given its past.

    Attributes
    ----------
    n, d : int
        Number of rows, number of outputs.
    discrete, normal : bool
        Whether distribution functions have jumps; whether the law is normal.
    levels : tuple of str or None
        Categories of a categorical output.
    """

    n: int
    d: int
    discrete: bool = False
    normal: bool = False
    levels: tuple[str, ...] | None = None

    @property
    @abstractmethod
    def mean(self) -> FloatArray:
        """Means, shape (n, d); NaN where there are none."""

    @property
    @abstractmethod
    def cov(self) -> FloatArray:
        """Covariances, shape (n, d, d); NaN or inf where there are none."""

    @abstractmethod
    def rows(self, index: IntArray) -> HeadLaw:
        """
        Law at some of the rows.

        Parameters
        ----------
        index : ndarray of int, shape (m,)
            A row may be named more than once.

        Returns
        -------
        HeadLaw
        """

    @abstractmethod
    def log_density(self, y: FloatArray) -> FloatArray:
        """
        Log density of what is seen in each row.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.

        Returns
        -------
        ndarray, shape (n,)
            0 where nothing is seen, -inf where ``y`` is impossible.
        """

    @abstractmethod
    def cdf(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        Marginal distribution function of one output, ``P(Y <= value)``.

        Parameters
        ----------
        values : ndarray, shape (n,)
            Codes where the output is categorical.
        column : int

        Returns
        -------
        ndarray, shape (n,)
            NaN where the value is NaN.
        """

    @abstractmethod
    def cdf_below(self, values: FloatArray, column: int = 0) -> FloatArray:
        """
        Probability of what lies below, ``P(Y < value)``.

        Parameters
        ----------
        values : ndarray, shape (n,)
        column : int

        Returns
        -------
        ndarray, shape (n,)
            The same as `cdf` for a continuous output.
        """

    @abstractmethod
    def quantile(self, p: FloatArray | float, column: int = 0) -> FloatArray:
        """
        Smallest value whose marginal distribution function reaches ``p``.

        Parameters
        ----------
        p : float or ndarray, shape (n,)
            Strictly between 0 and 1.
        column : int

        Returns
        -------
        ndarray, shape (n,)
        """

    @abstractmethod
    def sample(self, rng: np.random.Generator) -> FloatArray:
        """
        One draw a row.

        Parameters
        ----------
        rng : numpy.random.Generator

        Returns
        -------
        ndarray, shape (n, d)
        """

    @abstractmethod
    def rosenblatt(self, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """
        Ends of the distribution function of each element given the earlier ones of its row.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing, and passed over.

        Returns
        -------
        lower : ndarray, shape (n, d)
            ``P(Y < y)``; NaN where missing.
        upper : ndarray, shape (n, d)
            ``P(Y <= y)``, the same for continuous outputs.

        Notes
        -----
        Rosenblatt (1952), Annals of Mathematical Statistics 23, 470-472.
        """


class BoundHead(ABC):
    """A head with its observations.

    All functions are of the readout ``eta`` (n, k_eta) and the head's own parameters ``extra``
    (q,), in the units of these observations. What is missing counts nothing.
    """

    @abstractmethod
    def value(self, eta: FloatArray, extra: FloatArray) -> float:
        """Sum of the log densities."""

    @abstractmethod
    def pull(self, eta: FloatArray, extra: FloatArray) -> tuple[float, FloatArray, FloatArray]:
        """Sum of the log densities, its derivatives (n, k_eta) by eta and (q,) by extra."""

    @abstractmethod
    def log_density(self, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """Log densities, (n,)."""

    @abstractmethod
    def slopes(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Derivatives of each row's log density, (n, k_eta) and (n, q)."""

    @abstractmethod
    def information(self, eta: FloatArray, extra: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Expected information on eta by row, (n, k_eta, k_eta), and on extra in sum, (q, q)."""

    @abstractmethod
    def start_extra(self, eta: FloatArray) -> FloatArray:
        """Own parameters that maximise the likelihood, or nearly, with eta given, (q,)."""


class Head(ABC):
    """A law of the outputs given the network's readout ``eta``; one an output, or a category.

    Attributes
    ----------
    name : str
    outputs : tuple of str, length d
        Columns of the data.
    eta_names : tuple of str, length k_eta
        Rows of the readout: outputs, or ``y=a`` for each category but the last.
    lag_names : tuple of str
        What a lagged row is as an input: the outputs, or indicators of categories.
    discrete : bool
    levels : tuple of str or None
        Categories, in order.
    feedback : {"identity", "exp", "logistic", "softmax"}
        Mean of what a lag is, given eta, but for `lag_unit`.
    lag_unit : float
        Mean of a lag per unit of that map (the number of trials of a binomial output).
    scaled : bool
        Whether eta is in the units of the outputs, so that both are standardised alike.
    names, groups : tuple of str, length q
        Own parameters, in natural units.
    transforms : tuple of Block
        Their unconstrained coordinates; indices from 0.
    """

    name: str
    outputs: tuple[str, ...]
    eta_names: tuple[str, ...]
    lag_names: tuple[str, ...]
    discrete: bool = False
    levels: tuple[str, ...] | None = None
    feedback: MeanMap = "identity"
    lag_unit: float = 1.0
    scaled: bool = False
    names: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    transforms: tuple[Block, ...] = ()

    @property
    def k_eta(self) -> int:
        """Length of the readout."""
        return len(self.eta_names)

    @abstractmethod
    def check(self, y: FloatArray, caller: str) -> None:
        """
        Refuse observations outside the support.

        Parameters
        ----------
        y : ndarray, shape (n, d)
        caller : str

        Raises
        ------
        DataError
        """

    @abstractmethod
    def bind(self, y: FloatArray) -> BoundHead:
        """
        Give the head its observations.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.

        Returns
        -------
        BoundHead
        """

    @abstractmethod
    def law(self, eta: FloatArray, extra: FloatArray) -> HeadLaw:
        """
        Law of the outputs at given readouts.

        Parameters
        ----------
        eta : ndarray, shape (n, k_eta)
        extra : ndarray, shape (q,)

        Returns
        -------
        HeadLaw
        """

    @abstractmethod
    def extra_scale(self, scale: FloatArray) -> FloatArray:
        """
        Own parameters in natural units per standardised one.

        Parameters
        ----------
        scale : ndarray, shape (d,)
            Unit of each output.

        Returns
        -------
        ndarray, shape (q,)
        """

    @abstractmethod
    def admissible(self, extra: FloatArray) -> bool:
        """
        Whether the own parameters are inside their domain.

        Parameters
        ----------
        extra : ndarray, shape (q,)
            Finite.

        Returns
        -------
        bool
        """

    def boundary(self, extra: FloatArray, scale: FloatArray) -> tuple[str, ...]:
        """
        Words about own parameters at the border of their domain.

        Parameters
        ----------
        extra : ndarray, shape (q,)
        scale : ndarray, shape (d,)
            Standard deviation of each output.

        Returns
        -------
        tuple of str
        """
        return ()

    @abstractmethod
    def working(self, y: FloatArray) -> FloatArray:
        """
        Rough readout of each observation, to start from.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.

        Returns
        -------
        ndarray, shape (n, k_eta)
            NaN where missing, else finite.
        """

    def lag_values(self, y: FloatArray) -> FloatArray:
        """
        What observations are as lagged inputs.

        Parameters
        ----------
        y : ndarray, shape (..., d)

        Returns
        -------
        ndarray, shape (..., len(lag_names))
            NaN where missing.
        """
        return y

    def lag_mean(self, eta: FloatArray) -> FloatArray:
        """
        Prediction of what a row is as a lagged input.

        Parameters
        ----------
        eta : ndarray, shape (..., k_eta)
            User's units.

        Returns
        -------
        ndarray, shape (..., len(lag_names))
            The mean; of Student's t the location, whatever its degrees of freedom.
        """
        if self.feedback == "identity":
            return eta
        if self.feedback == "softmax":
            shares: FloatArray = np.exp(log_probabilities(eta))[..., :-1]
            return shares
        with np.errstate(over="ignore"):
            mean = np.exp(eta) if self.feedback == "exp" else expit(eta)
        out: FloatArray = self.lag_unit * mean
        return out

    def log_density(self, y: FloatArray, eta: FloatArray, extra: FloatArray) -> FloatArray:
        """
        Log density of what is seen in each row.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            NaN is missing.
        eta : ndarray, shape (n, k_eta)
        extra : ndarray, shape (q,)

        Returns
        -------
        ndarray, shape (n,)
        """
        return self.bind(y).log_density(eta, extra)

    def slopes(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Derivatives of each row's log density.

        Parameters
        ----------
        y : ndarray, shape (n, d)
        eta : ndarray, shape (n, k_eta)
        extra : ndarray, shape (q,)

        Returns
        -------
        d_eta : ndarray, shape (n, k_eta)
        d_extra : ndarray, shape (n, q)
        """
        return self.bind(y).slopes(eta, extra)

    def information(
        self, y: FloatArray, eta: FloatArray, extra: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """
        Expected information, given which elements are seen.

        Parameters
        ----------
        y : ndarray, shape (n, d)
            Says by NaN what is missing.
        eta : ndarray, shape (n, k_eta)
        extra : ndarray, shape (q,)

        Returns
        -------
        curvature : ndarray, shape (n, k_eta, k_eta)
            On the readout, by row.
        extra : ndarray, shape (q, q)
            On the own parameters, in sum. The two are orthogonal in every head.
        """
        return self.bind(y).information(eta, extra)

    def start_extra(self, y: FloatArray, eta: FloatArray) -> FloatArray:
        """
        Own parameters to start from.

        Parameters
        ----------
        y : ndarray, shape (n, d)
        eta : ndarray, shape (n, k_eta)

        Returns
        -------
        ndarray, shape (q,)
            Maximum of the likelihood with the readout given, or near it.
        """
        return self.bind(y).start_extra(eta)
