"""Products of Jacobians along a series, and gradients by lag."""
