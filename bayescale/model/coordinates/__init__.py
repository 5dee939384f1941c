"""Parameterization of the model for the sampler: changes of variables that leave the posterior unchanged."""
