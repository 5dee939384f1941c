"""From a model to a posterior: compile, sample, diagnose, store."""
