"""Linear models as vector ARMA models, with standard errors."""
