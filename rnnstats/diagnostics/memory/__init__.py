"""What a recurrence remembers, and how its gradient travels, with standard errors.

Every function takes results of a model, or a function ``step(h, x)`` (with ``jacobian(h, x)`` where
there is one), or a matrix or list of Jacobians; ``res.memory()`` reaches all of them from results.
"""

from __future__ import annotations

__all__: list[str] = []
