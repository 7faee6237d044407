"""Vector ARMA models and state space systems, both ways, on arrays.

A system in innovations form is ``h_t = A h_{t-1} + K e_{t-1} + B x_t``,
``y_t = C h_t + D x_t + e_t``; a vector ARMA model is ``y_t = sum ar_i y_{t-i} + sum exog_j x_{t-j}
+ u_t + sum ma_j u_{t-j}``. Roots are eigenvalues of A and of A - K C throughout: inside the unit
circle for a stationary, invertible model.

- Systems: `InnovationsSystem`, `innovations_system`, `system_responses`, `input_responses`.
- Order: `hankel_matrix`, `hankel_rank`, `minimal_realisation`, `kronecker_indices`, `echelon`.
- Noise: `riccati`, `spectral_factor`.
- Polynomials: `to_polynomials`, `from_polynomials`, `impulse_responses`, `autocovariances`,
  `spectrum`, `ar_roots`, `ma_roots`.
- Common factors: `coprimeness`, `coprimeness_of`.
"""

from __future__ import annotations

from rnnstats.equivalence.coprimeness import (
    Cancellation,
    Coprimeness,
    coprimeness,
    coprimeness_of,
)
from rnnstats.equivalence.moments import (
    ar_roots,
    autocovariances,
    impulse_responses,
    ma_roots,
    spectrum,
)
from rnnstats.equivalence.order import (
    HankelRank,
    hankel_matrix,
    hankel_rank,
    kronecker_indices,
    minimal_realisation,
)
from rnnstats.equivalence.polynomials import Polynomials, from_polynomials, to_polynomials
from rnnstats.equivalence.riccati import SpectralFactor, SteadyState, riccati, spectral_factor
from rnnstats.equivalence.systems import (
    InnovationsSystem,
    echelon,
    innovations_system,
    input_responses,
    system_responses,
)

__all__ = [
    "Cancellation",
    "Coprimeness",
    "HankelRank",
    "InnovationsSystem",
    "Polynomials",
    "SpectralFactor",
    "SteadyState",
    "ar_roots",
    "autocovariances",
    "coprimeness",
    "coprimeness_of",
    "echelon",
    "from_polynomials",
    "hankel_matrix",
    "hankel_rank",
    "impulse_responses",
    "innovations_system",
    "input_responses",
    "kronecker_indices",
    "ma_roots",
    "minimal_realisation",
    "riccati",
    "spectral_factor",
    "spectrum",
    "system_responses",
    "to_polynomials",
]
