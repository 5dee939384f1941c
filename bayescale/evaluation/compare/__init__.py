"""Model comparison: predictive density of specs, and sensitivity of forecasts to priors and factors."""

from bayescale.evaluation.compare.assess import Assessment
from bayescale.evaluation.compare.comparison import Comparison
from bayescale.evaluation.compare.run import compare, scan_factors, scan_priors

__all__ = ["Assessment", "Comparison", "compare", "scan_factors", "scan_priors"]
