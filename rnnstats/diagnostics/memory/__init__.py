"""What a recurrence remembers, and how its gradient travels, with standard errors.

Functions of a recurrence take results of a model, or a function ``step(h, x)`` (with ``jacobian(h,
x)`` where there is one), or a matrix or list of Jacobians; tables from ``res.memory()`` have them
as methods. Step methods of differential equations stand beside them, and experiments of training,
in which networks learn tasks drawn on purpose. Every function returns a report with ``frame``,
``summary()`` and ``plot()``.
"""

from __future__ import annotations

from rnnstats.diagnostics.memory.capacity.comparison import compare_memory
from rnnstats.diagnostics.memory.capacity.effective import effective_memory
from rnnstats.diagnostics.memory.capacity.measured import memory_capacity
from rnnstats.diagnostics.memory.filters.constants import time_constants
from rnnstats.diagnostics.memory.filters.transfer import transfer_function
from rnnstats.diagnostics.memory.lyapunov.chaos import chaos_test
from rnnstats.diagnostics.memory.lyapunov.spectrum import lyapunov_spectrum
from rnnstats.diagnostics.memory.ode.errors import global_error, stiffness_example
from rnnstats.diagnostics.memory.ode.factors import amplification
from rnnstats.diagnostics.memory.ode.products import amplification_product
from rnnstats.diagnostics.memory.ode.steps import ode_as_rnn
from rnnstats.diagnostics.memory.paths.expansion import gradient_paths, path_expansion
from rnnstats.diagnostics.memory.products.gradients import gradient_by_lag
from rnnstats.diagnostics.memory.products.jacobians import jacobian_products
from rnnstats.diagnostics.memory.training import (
    Adding,
    Copying,
    FirstSymbol,
    Learner,
    LongDependence,
    Optimiser,
    OwnSeries,
    adding_problem,
    clipping_effect,
    copy_problem,
    first_symbol_recall,
    forget_bias_effect,
    gradients_in_training,
    success_against_lag,
)

__all__ = [
    "jacobian_products",
    "gradient_by_lag",
    "gradient_paths",
    "path_expansion",
    "lyapunov_spectrum",
    "chaos_test",
    "time_constants",
    "transfer_function",
    "memory_capacity",
    "effective_memory",
    "compare_memory",
    "ode_as_rnn",
    "amplification",
    "amplification_product",
    "global_error",
    "stiffness_example",
    "first_symbol_recall",
    "adding_problem",
    "copy_problem",
    "success_against_lag",
    "forget_bias_effect",
    "gradients_in_training",
    "clipping_effect",
    "Adding",
    "Copying",
    "FirstSymbol",
    "Learner",
    "LongDependence",
    "Optimiser",
    "OwnSeries",
]
