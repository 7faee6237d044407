"""Variance of the mean of a series that depends on itself: batch means, and a kernel of lags.

Arrays only.

References
----------
Andrews (1991), Heteroskedasticity and autocorrelation consistent covariance matrix estimation,
Econometrica 59, 817-858; Flegal and Jones (2010), Batch means and spectral variance estimators in
Markov chain Monte Carlo, Annals of Statistics 38, 1034-1070; Glynn and Iglehart (1990), Simulation
output analysis using standardized time series, Mathematics of Operations Research 15, 1-16 (batch
means: Student's t); Liu, Vats and Flegal (2022), Batch size selection for variance estimators in
MCMC, Methodology and Computing in Applied Probability 24, 65-93; Priestley (1981), Spectral
Analysis and Time Series, section 6.2.4 (equivalent degrees of freedom); Shintani and Linton (2004),
Nonparametric neural network estimation of Lyapunov exponents and a direct test for chaos, Journal
of Econometrics 120, 1-33; Sun (2014), Let's fix it: fixed-b asymptotics versus small-b asymptotics
in heteroskedasticity and autocorrelation robust inference, Journal of Econometrics 178, 659-677.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from rnnstats.diagnostics.memory.standard_errors import StandardError

__all__ = [
    "MeanEstimate",
    "andrews_bandwidth",
    "batch_means",
    "batch_size",
    "kernel_law",
    "kernel_mean",
    "long_run_variance",
    "quadratic_spectral",
]

FloatArray = NDArray[np.float64]

# Below this argument the kernel's closed form cancels; its series is exact to rounding there.
SMALL = 1e-2
# Autoregressive coefficients are kept this far from the unit circle when the bandwidth is chosen.
LARGEST = 0.97
# Fewer numbers, or batches, than this say nothing of how numbers depend on one another.
FEWEST, FEWEST_BATCHES = 16, 4
# Batches that stay, however long they should be, and the least share of the variance of a batch
# that counts as its limit.
BATCHES, SHARE = 30, 0.05


class MeanEstimate(NamedTuple):
    """A mean of a series with its standard error."""

    mean: float
    standard_error: StandardError

    @property
    def error(self) -> float:
        """The standard error as a number."""
        return self.standard_error.value


def quadratic_spectral(x: FloatArray) -> FloatArray:
    """Quadratic-spectral weight of a lag, in units of the bandwidth.

    Parameters
    ----------
    x : ndarray
        Lag over bandwidth.

    Returns
    -------
    ndarray
        ``25 / (12 pi^2 x^2) (sin(z) / z - cos(z))`` with z = 6 pi x / 5; one at zero (Andrews 1991,
        equation 2.7).
    """
    z = np.asarray(6.0 * np.pi * np.asarray(x, dtype=np.float64) / 5.0)
    safe = np.where(np.abs(z) < SMALL, 1.0, z)
    exact = 3.0 / safe**2 * (np.sin(safe) / safe - np.cos(safe))
    series = 1.0 - z**2 / 10.0 + z**4 / 280.0
    return np.asarray(np.where(np.abs(z) < SMALL, series, exact), dtype=np.float64)


def andrews_bandwidth(values: FloatArray) -> float:
    """Bandwidth of the quadratic-spectral kernel that is best for an autoregression of order one.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    float
        ``1.3221 (4 rho^2 / (1 - rho)^4 n)^(1/5)`` (Andrews 1991, equations 6.2 and 6.4), rho the
        first autocorrelation, at most 0.97 in size; zero for a series without any.
    """
    centred = values - values.mean()
    power = float(centred @ centred)
    if power == 0.0:
        return 0.0
    rho = float(np.clip(centred[1:] @ centred[:-1] / power, -LARGEST, LARGEST))
    return float(1.3221 * (4.0 * rho**2 / (1.0 - rho) ** 4 * len(values)) ** 0.2)


def long_run_variance(values: FloatArray, bandwidth: float) -> float:
    """Variance of the mean times the number of rows, by a kernel of autocovariances.

    Parameters
    ----------
    values : ndarray, shape (n,)
    bandwidth : float
        Of the quadratic-spectral kernel; zero counts no autocovariance.

    Returns
    -------
    float
        Not negative: the kernel is positive semidefinite. All n - 1 lags enter, by a fast Fourier
        transform; autocovariances are divided by n (Shintani and Linton 2004, section 3.1).
    """
    n = len(values)
    centred = values - values.mean()
    if bandwidth <= 0.0:
        return float(centred @ centred) / n
    length = int(fft.next_fast_len(2 * n, real=True))
    power = np.abs(np.asarray(fft.rfft(centred, length))) ** 2
    covariances = np.asarray(fft.irfft(power, length))[:n] / n
    weights = quadratic_spectral(np.arange(1, n) / bandwidth)
    return float(max(covariances[0] + 2.0 * (weights @ covariances[1:]), 0.0))


def kernel_law(n: int, bandwidth: float) -> tuple[float, float]:
    """Mean and equivalent degrees of freedom of the kernel's estimate of a long-run variance.

    Parameters
    ----------
    n : int
        Rows, at least two.
    bandwidth : float
        Of the quadratic-spectral kernel; zero counts no autocovariance.

    Returns
    -------
    mean : float
        Expected estimate over the true variance: below one, since the mean is estimated from the
        same rows.
    df : float
        Of the multiple of a chi-squared variable with the estimate's mean and variance.

    Notes
    -----
    The estimate is the quadratic form ``x' M W M x / n`` with ``W_ij = k((i - j) / bandwidth)`` and
    M taking the mean out: for independent normal rows its mean is ``tr(M W) / n`` and its degrees
    of freedom are ``tr(M W)^2 / tr(M W M W)``, exactly; ``(n - 1) / n`` and n - 1 without a
    bandwidth. For rows that depend on each other both hold as long as the spectrum is flat within
    the kernel's window (Priestley 1981), and a mean over its standard error is Student's with that
    many degrees of freedom, to the order of bandwidth over n (Sun 2014). Of long series: ``1 - 1.25
    b`` and ``1 / b``, with b bandwidth over n.
    """
    weights = np.ones(n)
    weights[1:] = quadratic_spectral(np.arange(1, n) / bandwidth) if bandwidth > 0.0 else 0.0
    sums = np.cumsum(weights)
    rows = sums + sums[::-1] - 1.0  # of W
    counts = np.arange(n, 0, -1)
    squares = 2.0 * float(counts @ weights**2) - n  # tr(W W)
    whole = float(rows.sum()) / n
    trace = n - whole
    return trace / n, trace**2 / (squares - 2.0 * float(rows @ rows) / n + whole**2)


def kernel_mean(values: FloatArray) -> MeanEstimate:
    """Mean of a series that depends on itself, with the standard error of Shintani and Linton.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    MeanEstimate
        The quadratic-spectral kernel with the bandwidth of Andrews (1991), and the law of
        `kernel_law`; NaN for fewer than 16 numbers, or ones that are not finite.
    """
    n, mean = len(values), float(values.mean()) if len(values) else np.nan
    if n < FEWEST or not np.isfinite(values).all():
        return MeanEstimate(mean, StandardError(np.nan))
    scaled, power = _scaled(values)
    bandwidth = andrews_bandwidth(scaled)
    error = float(np.ldexp(np.sqrt(long_run_variance(scaled, bandwidth) / n), power))
    share, df = kernel_law(n, bandwidth)
    return MeanEstimate(mean, StandardError(error, df, float(1.0 / np.sqrt(share))))


def batch_size(values: FloatArray) -> int:
    """Rows of a batch for the standard error of a mean.

    Parameters
    ----------
    values : ndarray, shape (n,)

    Returns
    -------
    int
        The square root of n, or more where the variance of batches still changes at that length:
        with ``V + G / b`` the variance of a batch of length b times b, the mean squared error of
        its estimate is least at ``(n G^2 / V^2)^(1/3)`` (Liu, Vats and Flegal 2022). V and G come
        from batches of the square root of n rows and of half as many; 30 batches stay.

    Notes
    -----
    A flow that is sampled finely, such as Lorenz' equations in steps of 0.01, needs it: within a
    turn around a wing differences grow and shrink by far more than from turn to turn, and batches
    of a few turns give errors that are many times too large.
    """
    n = len(values)
    first = int(np.sqrt(n))
    most = n // BATCHES
    if most <= first or first < 2:
        return first
    half, whole = _batch_variance(values, first // 2), _batch_variance(values, first)
    slope = (half - whole) / (1.0 / (first // 2) - 1.0 / first)
    limit = max(whole - slope / first, SHARE * whole)
    if limit == 0.0:
        return first
    best = float(np.cbrt(n * (slope / limit) ** 2))
    return int(np.clip(best, first, most))


def _batch_variance(values: FloatArray, size: int) -> float:
    """Variance of means of batches of a length, times the length."""
    number = len(values) // size
    means = values[len(values) - number * size :].reshape(number, size).mean(axis=1)
    return float(means.var(ddof=1)) * size


def batch_means(values: FloatArray, least: int = 1) -> MeanEstimate:
    """Mean of a series that depends on itself, with the standard error of batch means.

    Parameters
    ----------
    values : ndarray, shape (n,)
    least : int
        Rows over which numbers are known to depend on one another: batches are no shorter.

    Returns
    -------
    MeanEstimate
        From batches of `batch_size` rows: about the square root of n (Flegal and Jones 2010), of
        961 numbers or more longer ones where the numbers ask for it. Student's t with one degree of
        freedom less than there are batches (Glynn and Iglehart 1990). NaN for fewer than 16
        numbers, fewer than 4 batches, or numbers that are not finite.
    """
    n, mean = len(values), float(values.mean()) if len(values) else np.nan
    if n < FEWEST or not np.isfinite(values).all():
        return MeanEstimate(mean, StandardError(np.nan))
    scaled, power = _scaled(values)
    size = max(batch_size(scaled), least)
    if n < FEWEST_BATCHES * size:
        return MeanEstimate(mean, StandardError(np.nan))
    error = float(np.ldexp(np.sqrt(_batch_variance(scaled, size) / n), power))
    return MeanEstimate(mean, StandardError(error, n // size - 1.0))


def _scaled(values: FloatArray) -> tuple[FloatArray, int]:
    """Numbers below one in size, and the power of two that they were divided by.

    That rounds nothing, and squares of numbers beyond 1e154, or below 1e-154, stay doubles.
    """
    power = int(np.frexp(np.abs(values).max())[1])
    return np.asarray(np.ldexp(values, -power)), power
