"""What training remembers: success against lag, gradients on the way, the effect of clipping."""

from __future__ import annotations

from rnnstats.diagnostics.memory.training.clipping import clipping_effect
from rnnstats.diagnostics.memory.training.dependence import LongDependence
from rnnstats.diagnostics.memory.training.experiments import (
    adding_problem,
    copy_problem,
    first_symbol_recall,
    forget_bias_effect,
    success_against_lag,
)
from rnnstats.diagnostics.memory.training.gradients import gradients_in_training
from rnnstats.diagnostics.memory.training.learners import Learner
from rnnstats.diagnostics.memory.training.optimiser import Optimiser
from rnnstats.diagnostics.memory.training.own_series import OwnSeries
from rnnstats.diagnostics.memory.training.tasks import (
    Adding,
    Batch,
    Copying,
    FirstSymbol,
    Judged,
    Task,
)

__all__ = [
    "adding_problem",
    "copy_problem",
    "first_symbol_recall",
    "forget_bias_effect",
    "success_against_lag",
    "gradients_in_training",
    "clipping_effect",
    "LongDependence",
    "Learner",
    "Optimiser",
    "Adding",
    "Copying",
    "FirstSymbol",
    "OwnSeries",
    "Task",
    "Batch",
    "Judged",
]
