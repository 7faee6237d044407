"""What a bootstrap of the estimates gives: draws, standard errors, bias, intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import pandas as pd

from rnnstats import _compat
from rnnstats._checks import check_alpha, check_literal
from rnnstats._compat import wrapped
from rnnstats.errors import SpecificationError
from rnnstats.estimation.bootstrap import Draws
from rnnstats.results.inference.formulas import read_equations
from rnnstats.results.protocol import FloatArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

IntervalKind = Literal["percentile", "basic", "normal", "studentized"]

__all__ = ["Bootstrap", "IntervalKind", "intervals"]


class Bootstrap:
    """Estimates from samples drawn at the estimates.

    Made by ``bootstrap`` of results.

    Parameters
    ----------
    draws : Draws
        With ``extra`` the standard errors (draws, K) of each draw, or None.
    estimate : ndarray of shape (K,)
        The estimates that the samples were drawn at.
    errors : ndarray of shape (K,)
        Their standard errors, by the same rule as those of the draws; NaN where there are none.
    names : tuple of str
        All natural parameters.
    free : tuple of str
        Those that are neither fixed nor tied to another one.
    kind : {"parametric", "innovations"}
        How the samples were drawn.

    Notes
    -----
    Draws whose fit failed are left out of everything and named in `failed`.
    """

    def __init__(
        self,
        draws: Draws,
        estimate: FloatArray,
        errors: FloatArray,
        names: tuple[str, ...],
        free: tuple[str, ...],
        kind: str,
    ) -> None:
        self._draws = draws
        self._estimate = estimate
        self._errors = errors
        self._names = names
        self._free = free
        self.kind = kind

    def __repr__(self) -> str:
        """Say what was drawn."""
        return f"<Bootstrap, {self.kind}: {len(self.theta)} draws, {len(self.failed)} failed>"

    @property
    def theta(self) -> FloatArray:
        """Estimates of each draw, shape (draws, K); a copy."""
        return self._draws.theta.copy()

    @property
    def params(self) -> pd.DataFrame:
        """Estimates of each draw, shape (draws, K); the index numbers the draws from 0."""
        index = pd.Index(self._draws.numbers, name="draw")
        return pd.DataFrame(self._draws.theta, index=index, columns=list(self._names), copy=True)

    @property
    def failed(self) -> pd.Series:
        """Reason, by the number of the draw, for each draw whose fit failed."""
        numbers = pd.Index([i for i, _ in self._draws.failures], name="draw", dtype=int)
        return pd.Series(
            [why for _, why in self._draws.failures], numbers, dtype=object, name="why"
        )

    @property
    def nboot(self) -> int:
        """Draws made, failures included."""
        return self._draws.made

    @property
    def interrupted(self) -> bool:
        """Whether fewer draws were made than asked for."""
        return self._draws.made < self._draws.asked

    def _labelled(self, values: FloatArray, name: str) -> pd.Series:
        return pd.Series(values, index=pd.Index(self._names), name=name)

    def _free_only(self, values: FloatArray) -> FloatArray:
        return np.where(np.isin(self._names, self._free), values, np.nan)

    @property
    def bse(self) -> pd.Series:
        """Standard deviation of the draws, shape (K,); NaN for fixed and tied parameters."""
        return self._labelled(self._free_only(self._draws.theta.std(axis=0, ddof=1)), "bse")

    @property
    def bias(self) -> pd.Series:
        """Mean of the draws minus the estimates, shape (K,): what a fit is expected to be off."""
        return self._labelled(self._draws.theta.mean(axis=0) - self._estimate, "bias")

    @property
    def cov(self) -> pd.DataFrame:
        """Covariance of the draws, shape (K, K); zero for fixed parameters."""
        values = np.atleast_2d(np.cov(self._draws.theta, rowvar=False))
        return pd.DataFrame(values, index=list(self._names), columns=list(self._names))

    def conf_int(self, alpha: float = 0.05, kind: IntervalKind = "percentile") -> pd.DataFrame:
        """
        Return confidence intervals of the parameters.

        Parameters
        ----------
        alpha : float
            One minus the coverage, between 0 and 1.
        kind : {"percentile", "basic", "normal", "studentized"}
            "percentile" takes quantiles of the draws; "basic" reflects them at the estimate,
            which takes the bias off once; "normal" is estimate minus bias, plus and minus normal
            quantiles of `bse`; "studentized" takes quantiles of (draw - estimate) / (standard
            error of the draw), and needs ``bootstrap(..., errors=True)``.

        Returns
        -------
        DataFrame
            Columns 0 (lower end) and 1 (upper end), one row a parameter.

        Raises
        ------
        SpecificationError
            `alpha` is not between 0 and 1, `kind` is unknown, or there are no standard errors.

        References
        ----------
        Davison, A. C. and Hinkley, D. V. (1997), Bootstrap Methods and their Application,
        Cambridge University Press, sections 5.2 and 5.3.
        """
        if kind == "studentized" and self._draws.extra is None:
            raise SpecificationError(
                "conf_int: kind='studentized' needs a standard error of each draw; got none. "
                "Use bootstrap(..., errors=True), or kind='basic'."
            )
        given = None
        if kind == "studentized" and self._draws.extra is not None:
            given = (self._draws.extra, self._errors)
        ends = intervals(self._draws.theta, self._estimate, alpha, kind, given)
        return pd.DataFrame(ends.T, index=pd.Index(self._names), columns=[0, 1])

    def apply(self, function: Callable[[pd.Series], Any] | str | Sequence[str]) -> pd.DataFrame:
        """
        Return the draws of a function of the parameters.

        Parameters
        ----------
        function : callable, str or sequence of str
            Takes the parameters as a Series labelled like `LinearResults.params`; gives a number,
            a Series, a mapping or an array, of the same shape every time. Or formulas, as in
            `LinearResults.delta_method`.

        Returns
        -------
        DataFrame
            One row a draw; columns are the labels of the Series or mapping, the function's name
            for a number, numbers for an array (flattened in C order), or the formulas.

        Raises
        ------
        SpecificationError
            A formula that cannot be read.

        Examples
        --------
        >>> import numpy as np
        >>> from rnnstats import LinearRNN
        >>> y = np.cumsum(np.random.default_rng(0).normal(size=90)) * 0.3
        >>> res = LinearRNN(y, form="observed").fit()
        >>> draws = res.bootstrap(40, rng=1).apply(lambda p: p["b_y[y]"] ** 2)
        >>> draws.shape
        (40, 1)
        """
        frame = self.params
        if not callable(function):
            text = function if isinstance(function, str) else "\n".join(function)
            equations = read_equations(text, self._names, caller="apply")
            draws = self._draws.theta
            found = {e.text: [e.gap.at(theta).value for theta in draws] for e in equations}
            return pd.DataFrame(found, index=frame.index, dtype=float)
        rows, columns = [], None
        for _, row in frame.iterrows():
            value = function(row.rename("params"))
            labels, numbers = _flat(value, getattr(function, "__name__", "value"))
            columns = labels if columns is None else columns
            rows.append(numbers)
        return pd.DataFrame(rows, index=frame.index, columns=columns, dtype=float)

    def summary(self, alpha: float = 0.05, kind: IntervalKind = "percentile") -> Any:
        """
        Summarize the draws in statsmodels' layout.

        Parameters
        ----------
        alpha : float
            One minus the coverage of the intervals.
        kind : {"percentile", "basic", "normal", "studentized"}
            As in `conf_int`.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        ends = self.conf_int(alpha, kind).to_numpy()
        mean = self._draws.theta.mean(axis=0)
        low, high = f"[{alpha / 2:g}", f"{1 - alpha / 2:g}]"
        table = pd.DataFrame(
            {
                "estimate": self._estimate,
                "mean": mean,
                "bias": mean - self._estimate,
                "std err": self.bse.to_numpy(),
                low: ends[:, 0],
                high: ends[:, 1],
            },
            index=list(self._names),
        )
        notes = wrapped(f"Intervals: {kind}. Bias: mean of the draws minus the estimate.")
        if self._draws.failures:
            share = len(self._draws.failures) / self.nboot
            notes += wrapped(f"{len(self._draws.failures)} fits ({share:.1%}) failed: see failed.")
        if self.interrupted:
            notes += wrapped(f"Interrupted: {self.nboot} of {self._draws.asked} draws were made.")
        title = f"Bootstrap, {self.kind}, {len(self._draws.theta)} draws"
        return _compat.build_table(table, title=title, notes=notes)

    def plot(
        self,
        names: Sequence[str] | None = None,
        alpha: float = 0.05,
        kind: IntervalKind = "percentile",
        fig: Figure | None = None,
    ) -> Figure:
        """
        Plot histograms of the draws, one parameter a panel.

        Parameters
        ----------
        names : sequence of str, optional
            Parameters; by default all that are free.
        alpha : float
            One minus the coverage of the intervals (dotted).
        kind : {"percentile", "basic", "normal", "studentized"}
            As in `conf_int`.
        fig : matplotlib.figure.Figure, optional
            Drawn into; by default a new one.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        SpecificationError
            An unknown parameter.
        MissingDependencyError
            matplotlib is not installed.
        """
        from rnnstats.results.inference.bootstrap_plot import draw_bootstrap

        return draw_bootstrap(
            self.params,
            self._labelled(self._estimate, "params"),
            self.conf_int(alpha, kind),
            names=list(self._free) if names is None else list(names),
            fig=fig,
        )


def intervals(
    draws: FloatArray,
    estimate: FloatArray,
    alpha: float,
    kind: IntervalKind = "percentile",
    errors: tuple[FloatArray, FloatArray] | None = None,
) -> FloatArray:
    """
    Return bootstrap confidence intervals of numbers.

    Parameters
    ----------
    draws : ndarray of shape (draws, ...)
    estimate : ndarray of shape (...)
    alpha : float
        One minus the coverage, between 0 and 1.
    kind : {"percentile", "basic", "normal", "studentized"}
        As in `Bootstrap.conf_int`.
    errors : tuple of ndarray, optional
        Standard errors of the draws and of the estimate; for "studentized".

    Returns
    -------
    ndarray of shape (2, ...)
        Lower and upper ends.

    Raises
    ------
    SpecificationError
        `alpha` is not between 0 and 1, or `kind` is unknown.
    """
    quantile = check_alpha(alpha, "conf_int")
    check_literal(kind, get_args(IntervalKind), name="kind", caller="conf_int")
    shares = np.array([alpha / 2, 1 - alpha / 2])
    if kind == "normal":
        centre = 2 * estimate - draws.mean(axis=0)
        half = quantile * draws.std(axis=0, ddof=1)
        return np.stack([centre - half, centre + half])
    if kind == "studentized" and errors is not None:
        with np.errstate(invalid="ignore", divide="ignore"):
            roots = (draws - estimate) / errors[0]
        # a draw without a standard error says nothing about the ratio
        said = np.isfinite(roots)
        some = said.any(axis=0)  # fixed parameters have none in any draw
        ends = np.nanquantile(np.where(said, roots, np.nan)[..., some], shares, axis=0)
        found = np.full((2, *estimate.shape), np.nan)
        found[:, some] = estimate[some] - ends[::-1] * errors[1][some]
        return found
    ends = np.quantile(draws, shares, axis=0)
    if kind == "basic":
        return np.asarray(2 * estimate - ends[::-1])
    return np.asarray(ends)


def _flat(value: Any, name: str) -> tuple[list[Any], FloatArray]:
    """Labels and numbers of what a user's function gave."""
    if isinstance(value, Mapping):
        return list(value), np.array([float(one) for one in value.values()])
    if isinstance(value, pd.Series):
        return list(value.index), value.to_numpy(dtype=float)
    numbers = np.asarray(value, dtype=float)
    if numbers.ndim == 0:
        return [name], numbers[None]
    return list(range(numbers.size)), numbers.ravel()
