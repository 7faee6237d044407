"""Results of models with regimes."""
