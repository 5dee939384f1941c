"""Prior predictive and posterior predictive checks."""

from bayescale.checks.posterior_predictive import PredictiveCheck, predictive_check
from bayescale.checks.prior_predictive import PriorPredictive, prior_predictive

__all__ = ["PredictiveCheck", "PriorPredictive", "predictive_check", "prior_predictive"]
