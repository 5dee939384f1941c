"""Approximations of the posterior for a first look, each with the figure that says how far to trust it.

None of them is a sample: what comes out is labelled everywhere as what it is (`bayescale.diagnostics.Approximation`).
"""

from bayescale.approximate.fit import METHODS, approximate

__all__ = ["METHODS", "approximate"]
