"""Shares between 0 and 1, sampled by their logits: exact at both ends, where one less a share would not be."""

from __future__ import annotations

from typing import Any

import pytensor.tensor as pt
from scipy.special import betaln


def log_shares(logit: Any) -> tuple[Any, Any]:
    """Return the logs of a share and of what is left."""
    return -pt.softplus(-logit), -pt.softplus(logit)


def beta_density(logit: Any, alpha: Any, beta: Any) -> Any:
    """Return the log density of the logit of a share that is Beta(alpha, beta).

    Examples
    --------
    >>> round(float(beta_density(pt.as_tensor(0.0), 1.0, 1.0).eval()), 3)  # log(1/4), of the logistic distribution
    -1.386
    """
    log_share, log_rest = log_shares(logit)
    return alpha * log_share + beta * log_rest - betaln(alpha, beta)
