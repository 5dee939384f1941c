"""Which few models to evaluate on a new benchmark, so that the scores of all others are known best."""

from bayescale.choosing.suggestion import Suggestion, suggest_models
from bayescale.choosing.v_optimal import v_optimal_families

__all__ = ["Suggestion", "suggest_models", "v_optimal_families"]
