"""The report on gradients by lag while a network learns."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from rnnstats.diagnostics.memory.report import Report, lay_out
from rnnstats.diagnostics.memory.training.inference import student
from rnnstats.diagnostics.memory.training.pictures import gradients_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["TrainingGradients"]

FloatArray = NDArray[np.float64]
LN10 = float(np.log(10.0))


@dataclass(frozen=True, eq=False, repr=False)
class TrainingGradients(Report):
    """Norms of gradients by lag along the optimisation.

    Attributes
    ----------
    log_norms : dict of str to ndarray, shape (runs, len(at), sequences, rows)
        By network: ln of the norm of the gradient of the last row's loss by the state k rows
        before, k = 0, 1, ...
    course : dict of str to ndarray, shape (runs, steps + 1, 3)
        By network, at each step: norm of the gradient of all weights before clipping, skill of the
        batch, and whether the gradient was clipped.
    at : tuple of int
        Numbers of steps after which the gradients are looked at.
    title : str
        What was learnt.
    alpha : float
        One minus the coverage of the bands.
    """

    log_norms: dict[str, FloatArray]
    course: dict[str, FloatArray]
    at: tuple[int, ...]
    title: str
    alpha: float = 0.05

    @property
    def networks(self) -> list[str]:
        """Names."""
        return list(self.log_norms)

    @property
    def frame(self) -> pd.DataFrame:
        """Gradient by network, step and lag.

        Returns
        -------
        DataFrame
            Index ``network``, ``step``, ``lag`` (rows back from the end). All columns are common
            logarithms of norms, for norms may be too small to be written: ``norm``, the median over
            runs and sequences; ``relative``, that of the norm relative to the one at lag 0 of the
            same sequence, and its band ``lower`` to ``upper``, which holds 1 - alpha of the
            sequences.
        """
        return self._frame.copy()

    @cached_property
    def _frame(self) -> pd.DataFrame:
        """`frame`, once."""
        parts = []
        for logs in self.log_norms.values():
            rows = logs.shape[-1]
            for number in range(len(self.at)):
                here = logs[:, number].reshape(-1, rows) / LN10
                moving = np.isfinite(here[:, 0])  # a loss of exactly zero has no gradient
                relative = here[moving] - here[moving][:, :1]
                levels = (0.5, self.alpha / 2.0, 1.0 - self.alpha / 2.0)
                columns = [np.quantile(here, 0.5, axis=0, method="inverted_cdf")]
                if moving.any():
                    # steps, not interpolation: minus infinity is among the numbers
                    columns += list(np.quantile(relative, levels, axis=0, method="inverted_cdf"))
                else:
                    columns += [np.full(rows, np.nan)] * 3
                part = pd.DataFrame(
                    dict(zip(("norm", "relative", "lower", "upper"), columns, strict=True))
                )
                parts.append(part)
        out = pd.concat(parts, ignore_index=True)
        # the order of the networks is theirs, so that parts of the table are found without search
        names = pd.CategoricalIndex(self.networks, categories=self.networks)
        rows = len(out) // (len(names) * len(self.at))
        out.index = pd.MultiIndex.from_product(
            [names, self.at, range(rows)], names=["network", "step", "lag"]
        )
        return out

    @property
    def rates(self) -> pd.DataFrame:
        """How fast the gradient fades, by network and step.

        Returns
        -------
        DataFrame
            Index ``network``, ``step``. ``rate``: mean over runs of the change of the logarithm of
            the norm per row back, from lag 0 to the longest, ``rate_se`` its standard error between
            runs; ``factor``: e to the rate; ``t``, ``pvalue``: test that the rate is zero, Student
            with one degree of freedom less than runs; ``verdict``; ``arrives``: common logarithm of
            what arrives at the longest lag of what there was at lag 0, median over runs and
            sequences; ``norm``: median norm of the
            gradient of all weights, ``clipped``: share of the steps clipped, ``skill``: mean, all
            of the steps since the one before.
        """
        rows = []
        for name, logs in self.log_norms.items():
            for number, step in enumerate(self.at):
                since = self.at[number - 1] + 1 if number else 0
                rows.append(self._rate(logs[:, number]) | self._since(name, since, step))
        index = pd.MultiIndex.from_product([self.networks, self.at], names=["network", "step"])
        return pd.DataFrame(rows, index=index)

    def _rate(self, logs: FloatArray) -> dict[str, Any]:
        """Rate after some steps, from logs (runs, sequences, rows)."""
        back = max(1, logs.shape[-1] - 1)
        start, end = logs[..., 0], logs[..., -1]
        moving = np.isfinite(start)
        fall = np.where(moving, end - np.where(moving, start, 0.0), 0.0) / back
        runs = fall[moving.any(axis=1)].sum(axis=1) / moving.sum(axis=1)[moving.any(axis=1)]
        rate, se, t, pvalue = student(runs)
        verdict = "not distinguishable from 1"
        if rate == -np.inf or pvalue < self.alpha:
            verdict = "vanishing" if rate < 0.0 else "exploding"
        values = (rate, se, float(np.exp(rate)), t, pvalue, verdict)
        names = ("rate", "rate_se", "factor", "t", "pvalue", "verdict")
        out: dict[str, Any] = dict(zip(names, values, strict=True))
        ends = fall[moving] * (back / LN10)
        out["arrives"] = (
            float(np.quantile(ends, 0.5, method="inverted_cdf")) if len(ends) else np.nan
        )
        return out

    def _since(self, name: str, first: int, last: int) -> dict[str, float]:
        """What happened in the steps from `first` to `last`."""
        course = self.course[name][:, first : last + 1]
        norm, skill, clipped = (course[..., column] for column in range(3))
        return {
            "norm": float(np.nanmedian(norm)),
            "clipped": float(clipped.mean()),
            "skill": float(skill.mean()),
        }

    def summary(self) -> Any:
        """Summary table.

        Returns
        -------
        statsmodels.iolib.summary.Summary
        """
        shown = self.rates
        shown.index = pd.Index([f"{name}, step {step}" for name, step in shown.index])
        words = (
            "rate: of the gradient of the last row's loss by the state, per row back; factor: e to "
            "the rate; arrives: log10 of the share that reaches the longest lag. norm, clipped, "
            "skill: of the steps since the line before."
        )
        return lay_out({f"{self.title}: gradient by lag in training": shown}, [words])

    def plot(self, *, fig: Figure | None = None) -> Figure:
        """Draw gradients by lag after some steps, and skill and gradient norm by step.

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
        return gradients_figure(self._frame, self.course, self.at, self.title, self.alpha, fig)
