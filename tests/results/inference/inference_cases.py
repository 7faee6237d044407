"""Fits that tests of inference share."""

from __future__ import annotations

import numpy as np
import pandas as pd

from rnnstats import LinearRNN

__all__ = ["arma", "arma_fit", "noisy_fits"]


def arma(nobs=200, seed=0, ma=0.3, shocks=None):
    e = np.random.default_rng(seed).standard_normal(nobs) if shocks is None else shocks
    y = np.zeros(nobs)
    for t in range(1, nobs):
        y[t] = 0.7 * y[t - 1] + e[t] + ma * e[t - 1]
    return y


def arma_fit():
    """An ARMA(1,1) of 200 quarters."""
    index = pd.period_range("1970Q1", periods=200, freq="Q")
    return LinearRNN(pd.Series(arma(), index=index, name="y"), k_states=1).fit()


def noisy_fits():
    """AR(1) plus noise, in identified coordinates and in free ones: the same likelihood."""
    rng = np.random.default_rng(3)
    h = np.zeros(300)
    for t in range(1, 300):
        h[t] = 0.8 * h[t - 1] + rng.standard_normal()
    y = h + 1.2 * rng.standard_normal(300)
    return tuple(LinearRNN(y, k_states=1, form=form).fit() for form in ("leaky", "free"))
