"""Categories coded 0, 1, ..., L - 1: probabilities, and logits against the last category."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from rnnstats.families.steps import refuse

__all__ = ["check_codes", "draw", "log_probabilities"]

FloatArray = NDArray[np.float64]


def log_probabilities(logits: FloatArray) -> FloatArray:
    """
    Logarithms of the probabilities of all categories, without overflow.

    Parameters
    ----------
    logits : ndarray, shape (..., L - 1)
        Log odds against the last category; -inf is probability 0.

    Returns
    -------
    ndarray, shape (..., L)
    """
    full = np.concatenate([logits, np.zeros((*logits.shape[:-1], 1))], axis=-1)
    found: FloatArray = log_softmax(full, axis=-1)
    return found


def draw(probabilities: FloatArray, rng: np.random.Generator) -> FloatArray:
    """
    Draw one category for each row.

    Parameters
    ----------
    probabilities : ndarray, shape (n, L)
        Rows sum to one; a category of probability 0 is never drawn.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (n,)
        Codes.
    """
    ends = np.cumsum(probabilities, axis=1)
    point = rng.random((len(ends), 1)) * ends[:, -1:]
    codes: FloatArray = (point >= ends).sum(axis=1).astype(np.float64)
    return codes


def check_codes(y: FloatArray, levels: int, *, column: str, caller: str) -> None:
    """
    Refuse what is no code of a category.

    Parameters
    ----------
    y : ndarray, shape (n,)
        NaN is missing.
    levels : int
        Number of categories.
    column, caller : str
        For the message.

    Raises
    ------
    DataError
        An observation is not a whole number from 0 to ``levels - 1``.
    """
    bad = ~np.isnan(y) & ~((y >= 0.0) & (y < levels) & (y == np.floor(y)))
    refuse(y, bad, caller=caller, column=column,
           rule=f"the codes 0 to {levels - 1} of its {levels} categories",
           way_out="Pass strings or a pandas Categorical, which is coded for you.")  # fmt: skip
