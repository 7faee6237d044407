"""The summary and its parts."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from results.fakes import NoisyAR, series

from rnnstats.errors import ConvergenceWarning, SpecificationError
from rnnstats.results.linear import LinearResults
from rnnstats.results.tables import convergence_line, information_rank, starts_table

THETA = [0.8, 1.1, 0.4, 1.7]


@dataclass
class Record:
    """As the optimiser writes it."""

    converged: bool = True
    message: str = ""
    method: str = "scoring"
    iterations: int = 12
    evaluations: int = 20
    seconds: float = 0.034
    max_scaled_score: float = 2e-9
    newton_decrement: float = 3e-12
    hessian_positive: int = 4
    hessian_negative: int = 0
    hessian_zero: int = 0
    condition: float = 123.0
    boundary: tuple[str, ...] = ()
    n_starts: int = 3
    optima: tuple = ()


@dataclass
class Row:
    start: int
    llf: float


def test_convergence_line():
    line = convergence_line(Record())
    assert line == (
        "Convergence: converged: scoring, 12 iterations, 3 starts, 0.034 s; largest scaled score "
        "2.0e-09, Newton decrement 3.0e-12; curvature as at a maximum in 4 of 4 directions, "
        "condition 1.2e+02."
    )
    stopped = Record(converged=False, message="step limit", boundary=("a root of W_h is 0.9999",))
    assert "NOT converged (step limit)" in convergence_line(stopped)
    assert convergence_line(stopped).endswith("At the boundary: a root of W_h is 0.9999.")
    assert "given, not estimated" in convergence_line(None)


def test_starts_table():
    table = starts_table([Row(0, -1.5), Row(1, -2.5)])
    assert table.index.name == "start"
    assert table["llf"].tolist() == [-1.5, -2.5]
    assert table["gap"].tolist() == [0.0, 1.0]
    assert starts_table([{"llf": 1.0}]).columns.tolist() == ["llf", "gap"]
    res = LinearResults.from_fit(
        NoisyAR(series(40)[0]), THETA, convergence=Record(optima=(Row(0, 1),))
    )
    assert res.starts["llf"].tolist() == [1]
    assert LinearResults.from_fit(NoisyAR(series(40)[0]), THETA).starts.empty


def no_hessian():
    raise AssertionError("not needed where the information has full rank")


def test_information_rank():
    full = information_rank(np.diag([1e-8, 1.0, 1e8]), ("a", "b", "c"), no_hessian)
    assert str(full) == "identified: rank 3 of 3"
    assert full.identified
    direction = np.array([1.0, -2.0, 0.0])
    within = np.eye(3) - np.outer(direction, direction) / 5
    flat = information_rank(within, ("a", "b", "c"), lambda: -within)
    assert (flat.rank, flat.identified) == (2, False)
    weights = flat.null_directions[0]
    assert set(weights) == {"a", "b"}
    assert weights["b"] / weights["a"] == pytest.approx(-2.0)
    assert str(flat) == "not identified: rank 2 of 3; no information on 1 a -2 b"
    fold = information_rank(within, ("a", "b", "c"), lambda: -np.eye(3))
    assert fold.identified
    assert "by curvature alone" in str(fold)
    dead = information_rank(np.diag([1.0, 0.0]), ("a", "b"), lambda: np.diag([-1.0, 0.0]))
    assert str(dead) == "not identified: rank 1 of 2; no information on 1 b"
    # a change of units changes no rank
    units = np.diag([1e6, 1.0, 1e-6])
    assert (
        information_rank(units @ within @ units, ("a", "b", "c"), lambda: np.zeros((3, 3))).rank
        == 2
    )


class Doubled(NoisyAR):
    """Two parameters of which only the sum matters."""

    def __init__(self, endog):
        super().__init__(endog, np.ones(len(endog)))


def test_summary_names_what_is_not_identified():
    endog = series(60)[0]
    res = LinearResults.from_fit(Doubled(endog), [*THETA, 0.3], cov_type="approx")
    with pytest.warns(ConvergenceWarning, match=r"b_y\[cpi\]") as told:
        text = str(res.summary())
    assert told[0].filename == __file__  # however deep in the package, and through functools
    assert re.search(r"not identified: rank 4 of 5; no information on .*b_y\[cpi\]", text)
    assert "D[cpi,x]" in text.split("no information on")[1]
    assert res.bse[["b_y[cpi]", "D[cpi,x]"]].isna().all()
    assert res.bse.drop(["b_y[cpi]", "D[cpi,x]"]).notna().all()


def test_summary_has_the_layout_and_the_numbers():
    endog, exog = series(60, 2, 1, gaps=((3, 1),))
    theta = [0.8, 1.1, 0.9, 0.4, 0.5, 1.7, 2.0, 1.0, 1.1]
    res = LinearResults.from_fit(
        NoisyAR(endog, exog, initial="diffuse"), theta, cov_type="approx", convergence=Record()
    )
    text = str(res.summary(alpha=0.1))
    for words in (
        "Noisy autoregression", "Dep. Variable:", "['cpi']", "['gdp']", "No. Observations:",
        "Log Likelihood", f"{res.llf:.3f}", f"{res.aic:.3f}", f"{res.bic:.3f}", f"{res.hqic:.3f}",
        "Covariance Type:", "approx", "Missing values:", "Diffuse rows:", "std err", "P>|z|",
        "[0.05", "0.95]", "D[gdp,x0]", "Ljung-Box (L1) (Q):", "Jarque-Bera (JB):", "1990Q1",
        "- 2004Q4", "Convergence: converged", "Identification: identified: rank 9 of 9.",
    ):  # fmt: skip
        assert words in text, words
    for form in ("as_html", "as_latex", "as_csv"):
        assert "W_h" in getattr(res.summary(), form)().replace("\\_", "_")
    assert max(map(len, text.splitlines())) <= 100
    table = res.conf_int(0.1)
    assert f"{table.iloc[0, 0]:.3f}" in text
    assert "Not computed" in str(
        LinearResults.from_fit(res.model, theta, cov_type="none").summary()
    )
    short = LinearResults.from_fit(NoisyAR(endog["gdp"][:5]), THETA, cov_type="none")
    assert "Jarque" not in str(short.summary())
    with pytest.raises(SpecificationError, match="alpha"):
        res.summary(alpha=2)


def test_sample_dates_of_timestamps():
    endog = series(40)[0].to_timestamp()
    text = str(LinearResults.from_fit(NoisyAR(endog), THETA, cov_type="none").summary())
    assert "01-01-1990" in text
    assert "- 10-01-1999" in text


def test_params_are_checked():
    model = NoisyAR(series(40)[0])
    named = pd.Series(THETA, index=list(model.param_names))[::-1]
    pd.testing.assert_series_equal(
        LinearResults.from_fit(model, named).params, LinearResults.from_fit(model, THETA).params
    )
    for wrong in (THETA[:3], [*THETA[:3], np.nan], named.rename({"b_y[cpi]": "b"})):
        with pytest.raises(SpecificationError, match="4 finite numbers"):
            LinearResults.from_fit(model, wrong)
    with pytest.raises(SpecificationError, match="cov_type"):
        LinearResults.from_fit(model, THETA, cov_type="sandwich")


def test_values_cannot_be_changed_from_outside():
    res = LinearResults.from_fit(NoisyAR(series(40)[0]), THETA, cov_type="approx")
    for name in ("params", "fittedvalues", "resid", "llf_obs"):
        before = getattr(res, name).copy()
        handed_out = getattr(res, name)
        handed_out.iloc[0] = 99.0
        pd.testing.assert_series_equal(getattr(res, name), before)
    cov = res.cov_params()
    cov.iloc[0, 0] = 99.0
    assert res.cov_params().iloc[0, 0] != 99.0
