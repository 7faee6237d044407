"""From the arguments of the constructor to a model."""
