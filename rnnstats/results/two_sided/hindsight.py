"""Whether hindsight helps: a bidirectional network against a forward one, out of sample."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats import _compat
from rnnstats._checks import check_float, check_int
from rnnstats._compat import wrapped
from rnnstats.errors import ConvergenceWarning, DataError, SpecificationError
from rnnstats.estimation.progress import Counter
from rnnstats.results.protocol import FloatArray
from rnnstats.results.recurrent.protocol import IntArray
from rnnstats.results.states import long_run_variance

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Hindsight", "compare"]

CALLER = "compare_with_forward"
# Rows that training and test must have.
LEAST = 10
NOTES = (
    "Log score: log density of the target, parameters from the rows before the window. Gain: "
    "two-sided minus forward, mean over rows; its standard error allows for correlation over time "
    "(Bartlett weights, Andrews' bandwidth). H0: hindsight does not help with parameters "
    "estimated from so many rows (Giacomini and White 2006); one-sided p-value."
)


@dataclass(frozen=True, eq=False, repr=False)
class Hindsight:
    """Out-of-sample log scores of a bidirectional network and of a forward one.

    Attributes
    ----------
    gain : float
        Mean log score of the two-sided network minus that of the forward one, a row.
    gain_se : float
        Its standard error.
    statistic : float
        Their ratio, the statistic of Diebold and Mariano.
    pvalue : float
        One-sided: small where hindsight helps.
    two_sided, forward : Results
        Fits to the rows before the last window.

    References
    ----------
    Diebold and Mariano (1995), Journal of Business and Economic Statistics 13, 253-263. Harvey,
    Leybourne and Newbold (1997), International Journal of Forecasting 13, 281-291. Giacomini and
    White (2006), Econometrica 74, 1545-1578. Gneiting and Raftery (2007), JASA 102, 359-378.
    """

    gain: float
    gain_se: float
    statistic: float
    pvalue: float
    two_sided: Any
    forward: Any
    _scores: pd.DataFrame
    _frame: pd.DataFrame

    def __repr__(self) -> str:
        """Return the test in a line."""
        return (
            f"<Hindsight: gain {self.gain:.4g} a row, standard error {self.gain_se:.2g}, "
            f"p-value {self.pvalue:.3g}>"
        )

    @property
    def frame(self) -> pd.DataFrame:
        """One row a window, and one for all (a copy).

        ``train`` and ``test`` rows; mean log scores ``forward`` and ``two_sided``; ``gain`` with
        ``gain_se``, ``statistic`` and ``pvalue``; ``converged``: whether both fits did.
        """
        return self._frame.copy()

    @property
    def scores(self) -> pd.DataFrame:
        """Log scores by test row (a copy): ``window``, ``forward``, ``two_sided``, ``gain``."""
        return self._scores.copy()

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        title = "Does hindsight help? Out-of-sample log scores"
        return _compat.build_table(self._frame, title=title, notes=wrapped(NOTES))

    def plot(self, fig: Figure | None = None) -> Figure:
        """Plot what hindsight gains, row by row and added up.

        Parameters
        ----------
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.two_sided.plots import draw_gains

        return draw_gains(self._scores["gain"], fig=fig)


def compare(
    model: Any,
    *,
    holdout: float,
    windows: int,
    k_hidden: Any,
    progress: bool,
    options: dict[str, Any],
) -> Hindsight:
    """Fit both networks to the first rows and score the others, see `compare_with_forward`.

    Parameters
    ----------
    model : BidirectionalRNN
    holdout : float
        Share of the rows that is scored.
    windows : int
        Fits, each to all rows before its window.
    k_hidden : int, iterable of int or None
        Units of the forward network.
    progress : bool
    options : dict
        Of both fits.

    Returns
    -------
    Hindsight
    """
    share = check_float(holdout, name="holdout", caller=CALLER, above=0.0)
    if share >= 1.0:
        raise SpecificationError(
            f"{CALLER}: holdout must lie between 0 and 1; got {holdout!r}. Give a share of the "
            "rows, such as 0.25."
        )
    number = check_int(windows, name="windows", caller=CALLER, minimum=1)
    lengths = np.diff(np.asarray(model.offsets))
    cuts = [
        np.floor(lengths * (1.0 - share + share * i / number)).astype(np.intp)
        for i in range(number + 1)
    ]
    if cuts[0].min() < 1 or cuts[0].sum() < LEAST or (lengths - cuts[0]).sum() < LEAST:
        raise DataError(
            f"{CALLER}: training and test need at least {LEAST} rows, and each sequence one to "
            f"train on; got {int(cuts[0].sum())} and {int((lengths - cuts[0]).sum())}. Change "
            "holdout."
        )
    _refuse_empty(model, cuts)
    pieces, fits = [], []
    with Counter(progress, number, CALLER, "window") as counter:
        for i in range(number):
            found, pair = _window(model, cuts[i], cuts[i + 1], k_hidden, options)
            pieces.append(found.assign(window=i + 1))
            fits.append(pair)
            counter.add()
    if not pieces:
        raise KeyboardInterrupt
    scores = pd.concat(pieces)[["window", "forward", "two_sided", "gain"]]
    rows = [_line(part, int(cuts[i].sum()), fits[i]) for i, part in enumerate(pieces)]
    every = [one for pair in fits for one in pair]
    done = len(pieces)
    if done > 1:
        rows.append(_line(scores, int(cuts[0].sum()), every))
    labels = [f"window {i + 1}" for i in range(done)] + ["all"] * (done > 1)
    frame = pd.DataFrame(rows, index=labels)
    total = rows[-1]
    return Hindsight(
        total["gain"], total["gain_se"], total["statistic"], total["pvalue"],
        fits[-1][0], fits[-1][1], scores, frame,
    )  # fmt: skip


def _refuse_empty(model: Any, cuts: list[IntArray]) -> None:
    """Refuse windows without a mean and a standard error."""
    seen = ~np.isnan(model.endog.values).all(axis=1)
    parts = np.split(seen, np.asarray(model.offsets)[1:-1])
    for i, (first, last) in enumerate(pairwise(cuts)):
        count = sum(int(part[a:b].sum()) for part, a, b in zip(parts, first, last, strict=True))
        if count < 2:
            raise DataError(
                f"{CALLER}: each window must have two rows with a target at least; got {count} in "
                f"window {i + 1} of {len(cuts) - 1}. Use fewer windows, or a larger holdout."
            )


def _window(
    model: Any, first: IntArray, last: IntArray, k_hidden: Any, options: dict[str, Any]
) -> tuple[pd.DataFrame, tuple[Any, Any]]:
    """Fit to the first rows of each sequence, and score those up to the last ones."""
    part = model.shortened(first)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # told in the table
        both = part.fit(cov_type="none", **options)
        one = part.forward_model(k_hidden=k_hidden).fit(cov_type="none", **options)
    whole = model.shortened(last)
    starts = np.concatenate([[0], np.cumsum(last)[:-1]])
    rows = np.concatenate(
        [np.arange(s + a, s + b) for s, a, b in zip(starts, first, last, strict=True)]
    )
    rows = rows[~np.isnan(whole.endog.values[rows]).all(axis=1)]
    scores: dict[str, FloatArray] = {
        "forward": whole.forward_model(k_hidden=k_hidden).loglikeobs(one.params.to_numpy())[rows],
        "two_sided": whole.loglikeobs(both.params.to_numpy())[rows],
    }
    found = pd.DataFrame(scores, index=whole.endog.index[rows])
    found["gain"] = found["two_sided"] - found["forward"]
    return found, (both, one)


def _line(scores: pd.DataFrame, train: int, fits: Any) -> dict[str, Any]:
    """Means and the test for some of the rows."""
    gain = scores["gain"].to_numpy()
    count = len(gain)
    error = float(np.sqrt(long_run_variance(gain) / count))
    mean = float(gain.mean())
    statistic = mean / error if error > 0.0 else np.nan
    return {
        "train": train,
        "test": count,
        "forward": float(scores["forward"].mean()),
        "two_sided": float(scores["two_sided"].mean()),
        "gain": mean,
        "gain_se": error,
        "statistic": statistic,
        "pvalue": float(stats.t.sf(statistic, count - 1)),
        "converged": all(one.convergence is None or one.convergence.converged for one in fits),
    }
