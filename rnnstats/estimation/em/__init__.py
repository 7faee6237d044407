"""EM algorithm of models with state noise."""
