"""Which parameters of a model with regimes the data say something about."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from rnnstats import MarkovRNN


def test_a_regime_of_one_row_has_a_mean_with_a_standard_error() -> None:
    # Its score is exactly zero in that row; the common variance says how far the mean is known.
    y = pd.Series(np.r_[np.random.default_rng(2).standard_normal(80), 1e3])
    found = MarkovRNN(y, switching="trend").fit()
    assert found.params["V[y,h2]"] == pytest.approx(1e3, rel=1e-9)
    assert found.bse["V[y,h2]"] == pytest.approx(np.sqrt(found.params["obs_cov[y,y]"]), rel=1e-6)
