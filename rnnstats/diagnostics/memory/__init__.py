"""What a recurrence remembers, and how its gradient travels, with standard errors.

Every function takes results of a model, or a function ``step(h, x)`` (with ``jacobian(h, x)`` where
there is one), or a matrix or list of Jacobians; ``res.memory()`` reaches all of them from results.
"""

from __future__ import annotations

from rnnstats.diagnostics.memory.capacity.comparison import MemoryComparison, compare_memory
from rnnstats.diagnostics.memory.capacity.effective import EffectiveMemory, effective_memory
from rnnstats.diagnostics.memory.capacity.measured import MemoryCapacity, memory_capacity
from rnnstats.diagnostics.memory.filters.constants import TimeConstants, time_constants
from rnnstats.diagnostics.memory.filters.transfer import TransferFunction, transfer_function
from rnnstats.diagnostics.memory.lyapunov.chaos import ChaosTest, chaos_test
from rnnstats.diagnostics.memory.lyapunov.finite_time import FiniteTimeExponents
from rnnstats.diagnostics.memory.lyapunov.spectrum import LyapunovSpectrum, lyapunov_spectrum
from rnnstats.diagnostics.memory.ode.errors import (
    GlobalError,
    StiffnessExample,
    global_error,
    stiffness_example,
)
from rnnstats.diagnostics.memory.ode.factors import Amplification, amplification
from rnnstats.diagnostics.memory.ode.products import AmplificationProduct, amplification_product
from rnnstats.diagnostics.memory.ode.solutions import OdeSolution
from rnnstats.diagnostics.memory.ode.steps import OdeStep, ode_as_rnn
from rnnstats.diagnostics.memory.paths.expansion import (
    GradientPaths,
    gradient_paths,
    path_expansion,
)
from rnnstats.diagnostics.memory.products.gradients import GradientByLag, gradient_by_lag
from rnnstats.diagnostics.memory.products.jacobians import JacobianProducts, jacobian_products
from rnnstats.diagnostics.memory.training import (
    Adding,
    ClippingEffect,
    Copying,
    FirstSymbol,
    Learner,
    LongDependence,
    Optimiser,
    OwnSeries,
    Task,
    TrainingGradients,
    adding_problem,
    clipping_effect,
    copy_problem,
    first_symbol_recall,
    forget_bias_effect,
    gradients_in_training,
    success_against_lag,
)

__all__ = [
    "ChaosTest",
    "FiniteTimeExponents",
    "GradientByLag",
    "JacobianProducts",
    "LyapunovSpectrum",
    "chaos_test",
    "gradient_by_lag",
    "jacobian_products",
    "lyapunov_spectrum",
    "gradient_paths",
    "path_expansion",
    "GradientPaths",
    "ode_as_rnn",
    "amplification",
    "amplification_product",
    "global_error",
    "stiffness_example",
    "OdeStep",
    "OdeSolution",
    "Amplification",
    "AmplificationProduct",
    "GlobalError",
    "StiffnessExample",
    "time_constants",
    "TimeConstants",
    "transfer_function",
    "TransferFunction",
    "memory_capacity",
    "MemoryCapacity",
    "effective_memory",
    "EffectiveMemory",
    "compare_memory",
    "MemoryComparison",
    "adding_problem",
    "copy_problem",
    "first_symbol_recall",
    "forget_bias_effect",
    "success_against_lag",
    "gradients_in_training",
    "clipping_effect",
    "LongDependence",
    "TrainingGradients",
    "ClippingEffect",
    "Learner",
    "Optimiser",
    "Adding",
    "Copying",
    "FirstSymbol",
    "OwnSeries",
    "Task",
]
