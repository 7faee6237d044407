"""Repeated sampling: draw a series, fit it, see whether its intervals hold what they should."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rnnstats.errors import ConvergenceWarning
from rnnstats.models.linear import LinearRNN

FloatArray = NDArray[np.float64]
KINDS = ("plugin", "delta")


@dataclass(frozen=True, eq=False)
class Study:
    """What came out, repetitions first.

    Attributes
    ----------
    truth : ndarray, shape (K,)
    estimates, errors : ndarray, shape (repetitions, K)
        Estimates and their standard errors.
    inside : dict of str to ndarray, shape (repetitions, horizons, k_endog)
        By kind of uncertainty: whether the 95 % interval of a forecast held the later value, 1 or
        0; NaN where there is no interval (the data do not identify what it needs).
    unfinished : int
        Fits that did not converge; they count like all others.
    """

    names: tuple[str, ...]
    truth: FloatArray
    estimates: FloatArray
    errors: FloatArray
    inside: dict[str, FloatArray]
    unfinished: int

    @property
    def spread(self) -> FloatArray:
        """Standard deviation of the estimates over the samples, shape (K,)."""
        return np.asarray(np.std(self.estimates, axis=0, ddof=1))

    @property
    def spread_error(self) -> FloatArray:
        """Monte-Carlo standard error of `spread`, relative, from the fourth moments."""
        deviations = self.estimates - self.estimates.mean(axis=0)
        kurtosis = (deviations**4).mean(axis=0) / (deviations**2).mean(axis=0) ** 2
        return np.asarray(np.sqrt((kurtosis - 1.0) / 4.0 / len(deviations)))

    @property
    def ratio(self) -> FloatArray:
        """Median standard error over the spread of the estimates, shape (K,); should be 1.

        The median, because a sample near the border of the admissible region has a standard error
        as long as one likes.
        """
        return np.asarray(np.nanmedian(self.errors, axis=0) / self.spread)

    @property
    def covered(self) -> FloatArray:
        """Share of samples whose 95 % interval of a parameter holds the truth, shape (K,).

        Of those that have an interval, see `undefined`.
        """
        held = np.abs(self.estimates - self.truth) <= 1.959963984540054 * self.errors
        return np.asarray(np.nanmean(np.where(np.isnan(self.errors), np.nan, held), axis=0))

    @property
    def undefined(self) -> float:
        """Share of samples in which some parameter has no standard error."""
        return float(np.isnan(self.errors).any(axis=1).mean())

    def forecasts(self, kind: str) -> FloatArray:
        """Share of forecast intervals that hold the later value, shape (horizons,)."""
        return np.asarray(np.nanmean(self.inside[kind], axis=(0, 2)))

    def forecasts_error(self, kind: str) -> FloatArray:
        """Monte-Carlo standard error of `forecasts`; outputs of one sample are one draw."""
        by_sample = self.inside[kind].mean(axis=2)
        count = np.isfinite(by_sample).sum(axis=0)
        return np.asarray(np.nanstd(by_sample, axis=0, ddof=1) / np.sqrt(count))


def study(
    model: LinearRNN,
    truth: FloatArray,
    *,
    nobs: int,
    repetitions: int,
    seed: int,
    horizons: tuple[int, ...] = (1, 8),
) -> Study:
    """Draw, fit and forecast again and again.

    Each fit climbs from the truth: what is looked at is the maximum near it, not the search.
    """
    rng = np.random.default_rng(seed)
    longest, rows = max(horizons), [h - 1 for h in horizons]
    estimates, errors, unfinished = [], [], 0
    inside: dict[str, list[FloatArray]] = {kind: [] for kind in KINDS}
    for _ in range(repetitions):
        path = model.simulate(truth, nobs + longest, rng=rng).to_numpy()
        path = path.reshape(nobs + longest, -1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # counted instead
            results = model.clone(path[:nobs]).fit(start_params=truth)
            errors.append(results.bse.to_numpy())
        unfinished += not results.convergence.converged
        estimates.append(results.params.to_numpy())
        later = path[nobs:][rows]
        for kind in KINDS:
            interval = results.get_forecast(longest, uncertainty=kind).conf_int()
            low, high = np.split(interval.to_numpy()[rows], 2, axis=1)
            held = (low <= later) & (later <= high)
            inside[kind].append(np.where(np.isnan(low), np.nan, held))
    return Study(
        model.param_names,
        truth,
        np.array(estimates),
        np.array(errors),
        {kind: np.array(found) for kind, found in inside.items()},
        unfinished,
    )


def report(name: str, found: Study) -> str:
    """Put the numbers into lines of text."""
    lines = [
        f"{name}: {len(found.estimates)} samples, {found.unfinished} fits unfinished, "
        f"{found.undefined:.3f} with a standard error missing"
    ]
    for i, label in enumerate(found.names):
        lines.append(
            f"  {label:18s} truth {found.truth[i]:7.3f}  mean {found.estimates[:, i].mean():7.3f}"
            f"  sd {found.spread[i]:.4f}  se/sd {found.ratio[i]:.3f} +- {found.spread_error[i]:.3f}"
            f"  covered {found.covered[i]:.3f}"
        )
    for kind in KINDS:
        shares = zip(found.forecasts(kind), found.forecasts_error(kind), strict=True)
        lines.append(f"  {kind}: " + ", ".join(f"{a:.3f} +- {b:.3f}" for a, b in shares))
    return "\n".join(lines)
