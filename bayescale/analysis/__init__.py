"""Derived quantities of a posterior: one result class and the function that makes it in a file."""
