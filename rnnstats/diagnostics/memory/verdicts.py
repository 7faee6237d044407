"""Whether gradients vanish or explode: a rate with its test, in words."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from rnnstats._checks import check_alpha

__all__ = ["NEITHER", "verdict_of"]

NEITHER = "neither vanishes nor explodes"
# A rate a row that is known and smaller is one of zero.
NOTHING = 1e-12


def verdict_of(rate: float, error: float, alpha: float) -> pd.DataFrame:
    """
    Say whether gradients vanish or explode.

    Parameters
    ----------
    rate : float
        Log growth of the norm a row.
    error : float
        Its standard error: zero where it is known, NaN where it has none.
    alpha : float
        Level.

    Returns
    -------
    DataFrame
        One row, see `JacobianProducts.verdict`.
    """
    width = check_alpha(alpha, "jacobian_products")
    zero = abs(rate) <= NOTHING and (error <= NOTHING or np.isnan(error))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = 0.0 if zero else float(np.divide(rate, error))
    pvalue = float(2.0 * stats.norm.sf(abs(z)))
    if rate == -np.inf:
        word = "forgets at once"
    elif zero:
        word = NEITHER
    elif np.isnan(z):
        word = "no standard error"
    elif pvalue > alpha:
        word = "not distinguishable from 1"
    else:
        word = "vanishing" if rate < 0.0 else "exploding"
    falls = rate < 0.0 and not zero
    half = -np.log(2.0) / rate if falls else np.inf
    row = {
        "rate": rate, "rate_se": error, "lower": rate - width * error,
        "upper": rate + width * error, "half_life": half,
        "half_life_se": half * error / abs(rate) if falls and np.isfinite(rate) else np.nan,
        "z": z, "pvalue": pvalue, "verdict": word,
    }  # fmt: skip
    return pd.DataFrame([row], index=pd.Index(["state"]))
