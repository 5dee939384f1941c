"""Capabilities that people can read: draws turned to one common orientation, suggested names, shares of variance."""

from bayescale.factors.factors import Factors, align
from bayescale.factors.variance import variance_shares

__all__ = ["Factors", "align", "variance_shares"]
