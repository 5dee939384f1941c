"""Coordinates of the sampler: changes of variables that leave the posterior what it is."""
