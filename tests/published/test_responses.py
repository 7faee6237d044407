"""Impulse responses and variance shares of the West German system, as published.

SAS/ETS User's Guide, The VARMAX Procedure, example "Analysis of German Economic Variables": VAR(2)
of first differences of logs, 1960Q2 to 1978Q4, by least squares; Lütkepohl (2005), New Introduction
to Multiple Time Series Analysis, section 3.2.3 and table 2.4, has the same with three digits.
"""

from __future__ import annotations

import numpy as np
import pytest

from rnnstats import datasets
from rnnstats.models.linear import LinearRNN

# shares of the innovations of investment, income and consumption at horizons 1 to 6
SHARES = {
    "inv": [[1.00000, 0.00000, 0.00000], [0.95996, 0.01751, 0.02253], [0.94565, 0.02802, 0.02633],
            [0.94079, 0.02936, 0.02985], [0.93846, 0.03018, 0.03136], [0.93831, 0.03025, 0.03145]],
    "inc": [[0.01754, 0.98246, 0.00000], [0.06025, 0.90747, 0.03228], [0.06959, 0.89576, 0.03465],
            [0.06831, 0.89232, 0.03937], [0.06850, 0.89212, 0.03938], [0.06924, 0.89141, 0.03935]],
    "consump": [[0.07995, 0.27292, 0.64713], [0.07725, 0.27385, 0.64890],
                [0.12973, 0.33364, 0.53663], [0.12870, 0.33499, 0.53631],
                [0.12859, 0.33924, 0.53217], [0.12852, 0.33963, 0.53185]],
}  # fmt: skip
# responses one row after a shock are the first coefficient matrix; standard errors of these with
# T - Kp - 1 = 66 in the residual covariance, where maximum likelihood has T = 73
RESPONSES = [[-0.31963, 0.14599, 0.96122], [0.04393, -0.15273, 0.28850],
             [-0.00242, 0.22481, -0.26397]]  # fmt: skip
ERRORS = [[0.12546, 0.54567, 0.66431], [0.03186, 0.13857, 0.16870], [0.02568, 0.11168, 0.13596]]


@pytest.fixture(scope="module")
def res():
    growth = np.log(datasets.lutkepohl()[["inv", "inc", "consump"]]).diff()
    sample = growth.loc["1960Q2":"1978Q4"]
    return LinearRNN(sample, form="observed", k_states=6, initial="diffuse").fit()


def test_shares(res):
    found = res.fevd(6).shares
    for name, table in SHARES.items():
        np.testing.assert_allclose(found.loc[name], table, rtol=0, atol=5.1e-6)  # all digits given


def test_responses_and_their_errors(res):
    bands = res.impulse_responses(1, None, bands="delta")
    first = bands.point.loc[1].to_numpy().reshape(3, 3).T
    errors = bands.std_err.loc[1].to_numpy().reshape(3, 3).T * np.sqrt(73 / 66)
    np.testing.assert_allclose(first, RESPONSES, rtol=0, atol=5.1e-6)
    np.testing.assert_allclose(errors, ERRORS, rtol=0, atol=5.1e-6)
