"""Rows about the structure of a fitted model: its VARMA form, identification and order."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.table import Row
from benchmarks.timing import seconds, take_turns
from rnnstats import LinearRNN, datasets, select_order


def growth() -> pd.DataFrame:
    """Growth rates of three US series, quarterly, in percent."""
    levels = datasets.us_macro()[["realinv", "realgdp", "realcons"]]
    return 100.0 * levels.apply(np.log).diff().iloc[1:]


def rows(quick: bool, rounds: int) -> Iterator[Row]:
    """Measure row after row.

    Parameters
    ----------
    quick : bool
        Few rows of data and small orders.
    rounds : int

    Yields
    ------
    Row
    """
    data = growth().iloc[:80] if quick else growth()
    yield from mapping_rows(data, min(rounds, 7))
    yield order_row(data, 2 if quick else 6, 5 if quick else 50)


def mapping_rows(data: pd.DataFrame, rounds: int) -> Iterator[Row]:
    """VARMA coefficients with standard errors, and the rank of the information, beside VARMAX."""
    import statsmodels.api as sm

    two = data[["realinv", "realcons"]]
    ours = LinearRNN(two, k_states=2)
    fitted = ours.fit(cov_type="none")
    value = fitted.to_varma()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that VARMA models are not identified in general
        model = sm.tsa.VARMAX(two, order=(1, 1), trend="c")
    factor = np.linalg.cholesky(value.sigma_u)[np.tril_indices(2)]
    theirs = np.concatenate([value.intercept, value.ar[0].ravel(), value.ma[0].ravel(), factor])
    theta = fitted.params.to_numpy()

    def coefficients() -> pd.Series:
        return ours._make_results(theta, "oim", None, None).to_varma().bse

    def their_coefficients() -> Any:
        return model.smooth(theirs, cov_type="approx").bse

    def rank() -> object:
        return ours.identification(theta).rank

    def their_rank() -> object:
        return np.linalg.matrix_rank(model.observed_information_matrix(theirs))

    ar = [name for name in coefficients().index if name.startswith("ar1[")]
    mine, other = coefficients()[ar].to_numpy(), np.asarray(their_coefficients())[2:6]
    note = f"standard errors of AR(1) differ by {np.abs(mine / other - 1).max():.0e}"
    what = f"VARMA(1,1) of 2 series, T={len(two)}"
    for part, calls, beside, words in (
        ("to_varma", (coefficients, their_coefficients), "VARMAX.smooth, cov_type='approx'", note),
        ("identification", (rank, their_rank), "rank of VARMAX's information matrix", ""),
    ):
        took = take_turns({"ours": calls[0], "theirs": calls[1]}, rounds=rounds, budget=5.0)
        ratio = took["theirs"] / took["ours"]
        yield Row(part, what, beside, took["ours"], took["theirs"], ratio, None, words)


def order_row(data: pd.DataFrame, max_states: int, maxiter: int) -> Row:
    """`select_order` beside a loop over the orders of VARMAX with as many states at most."""
    import statsmodels.api as sm

    most = max_states // data.shape[1]
    lags = range(max(most, 1) + 1)
    orders = [(p, q) for p in lags for q in lags if p + q]
    best: dict[str, float] = {}

    def ours() -> None:
        selection = select_order(data, max_states=max_states)
        best["ours"] = float(selection.table["aic"].min())

    def loop() -> None:
        found = []
        for order in orders:
            model = sm.tsa.VARMAX(data, order=order, trend="c")
            found.append(model.fit(disp=False, maxiter=maxiter, cov_type="none").aic)
        best["theirs"] = float(min(found))

    took = {name: quiet(call) for name, call in (("ours", ours), ("theirs", loop))}
    return Row(
        "select_order",
        f"0 .. {max_states} states, {data.shape[1]} series, T={len(data)}",
        f"{len(orders)} orders of VARMAX, {maxiter} iterations each",
        took["ours"],
        took["theirs"],
        took["theirs"] / took["ours"],
        None,
        f"smallest AIC {best['ours']:.1f} beside {best['theirs']:.1f}",
    )


def quiet(call: Callable[[], object]) -> float:
    """Processor seconds of one call without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of optimisers that stop short
        return seconds(call)
