"""Whether gradients vanish or explode: a rate with its test, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnstats.diagnostics.memory.standard_errors import StandardError

__all__ = ["NEITHER", "verdict_of"]

NEITHER = "neither vanishes nor explodes"
# A rate a row that is known and smaller is one of zero.
NOTHING = 1e-12


def verdict_of(rate: float, error: StandardError, alpha: float) -> pd.DataFrame:
    """
    Say whether gradients vanish or explode.

    Parameters
    ----------
    rate : float
        Log growth of the norm a row.
    error : StandardError
        Zero where it is known, NaN where it has none.
    alpha : float
        Level.

    Returns
    -------
    DataFrame
        One row, see `JacobianProducts.verdict`.
    """
    size = error.value
    zero = abs(rate) <= NOTHING and (size <= NOTHING or np.isnan(size))
    ratio = 0.0 if zero else error.ratio(rate)
    pvalue = error.two_sided(ratio)
    if rate == -np.inf:
        word = "forgets at once"
    elif zero:
        word = NEITHER
    elif np.isnan(ratio):
        word = "no standard error"
    elif pvalue > alpha:
        word = "not distinguishable from 1"
    else:
        word = "vanishing" if rate < 0.0 else "exploding"
    falls = rate < 0.0 and not zero
    half = -np.log(2.0) / rate if falls else np.inf
    reach = error.reach(alpha)
    row = {
        "rate": rate, "rate_se": size, "lower": rate - reach, "upper": rate + reach,
        "half_life": half,
        "half_life_se": half * size / abs(rate) if falls and np.isfinite(rate) else np.nan,
        "t": ratio, "df": error.df, "pvalue": pvalue, "verdict": word,
    }  # fmt: skip
    return pd.DataFrame([row], index=pd.Index(["state"]))
