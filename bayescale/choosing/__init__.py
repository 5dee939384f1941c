"""Which few models to evaluate on a new benchmark, so that the scores of all others are known best."""

from bayescale.choosing.suggestion import Suggestion, suggest_models

__all__ = ["Suggestion", "suggest_models"]
