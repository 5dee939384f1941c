"""The response curve and the observation noise: the one place where a capability becomes a score.

The functions take NumPy arrays, xarray objects and PyTensor variables alike, so that the model and the forecast read
the same equations (DESIGN of observational laws: Ruan, Maddison & Hashimoto 2024, arXiv:2405.10938, section 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit


def _sigmoid(x: Any) -> Any:
    if hasattr(x, "owner"):  # a PyTensor variable; NumPy and xarray objects have no owner
        import pytensor.tensor as pt

        return pt.sigmoid(x)
    return expit(x)


def logit_score(ability: Any, difficulty: Any, *effects: Any) -> Any:
    """Add up the logit of a score: ability (loadings times capabilities) minus difficulty plus further effects.

    The further effects are the benchmark's own response to the covariates (``d x``), the testlet effect (``u``) and
    the family-by-benchmark effect (``v``).
    """
    logit = ability - difficulty
    for effect in effects:
        logit = logit + effect
    return logit


def expected_score(logit: Any, floor: Any, ceiling: Any) -> Any:
    """Expected score: a sigmoid between guessing floor and ceiling.

    Parameters
    ----------
    logit : array
        Any shape.
    floor, ceiling : array
        Score of a guesser and best possible score, in [0, 1], broadcast against `logit`.

    Examples
    --------
    >>> float(expected_score(0.0, 0.25, 1.0))
    0.625
    """
    return floor + (ceiling - floor) * _sigmoid(logit)


def score_slope(mean: Any, floor: Any, ceiling: Any) -> Any:
    """Derivative of the expected score with respect to its logit, as a function of the expected score."""
    return (mean - floor) * (ceiling - mean) / (ceiling - floor)


def beta_shapes(mean: Any, precision: Any) -> tuple[Any, Any]:
    """Shapes of the Beta distribution with this mean and precision (``alpha + beta``).

    Far out the sigmoid is 1 in floating point; a shape of zero is no Beta, to draw from or to differentiate.
    """
    return mean * precision + _TINY, (1 - mean) * precision + _TINY


# Far below the rounding error of any shape that is not zero.
_TINY = 1e-300


def effective_items(items: Any, precision: Any) -> Any:
    """Items' worth of information in one score: a beta-binomial share has variance ``mean (1 - mean) / effective``.

    Examples
    --------
    >>> float(effective_items(1000, 250))  # overdispersion caps what 1,000 items can tell
    200.8
    """
    return (precision + 1) / (1 + precision / items)


def log_likelihood_share(score: Any, items: Any, mean: Any, precision: Any) -> Any:
    """Log-density of an observed score, up to a constant that depends on the data alone.

    Parameters
    ----------
    score : array
        Observed share, in [0, 1].
    items : array
        Number of items; ``inf`` for a score that is no proportion of items (then a Beta density).
    mean, precision : array
        Expected score and precision.
    """
    from scipy.special import betaln, xlog1py, xlogy

    a, b = beta_shapes(mean, precision)
    counted = np.isfinite(items)
    n = np.where(counted, items, 1.0)
    hits = np.rint(score * n)
    counts = betaln(hits + a, n - hits + b) - betaln(a, b)
    inside = np.clip(score, SHARE_MARGIN, 1 - SHARE_MARGIN)
    shares = xlogy(a - 1, inside) + xlog1py(b - 1, -inside) - betaln(a, b)
    return np.where(counted, counts, shares)


# A Beta has no density at 0 and 1; scores that are no proportion of items are kept this far inside.
SHARE_MARGIN = 1e-3


def predict_score(mean: Any, precision: Any, items: Any, rng: np.random.Generator) -> np.ndarray:
    """Draw scores with observation noise: beta-binomial shares where items are counted, Beta elsewhere.

    Parameters
    ----------
    mean, precision, items : array
        Broadcast together; `items` is ``inf`` where a score is no proportion of items.

    Returns
    -------
    ndarray
        Scores in [0, 1], of the broadcast shape.
    """
    mean, precision, items = np.broadcast_arrays(mean, precision, items)
    share = rng.beta(*beta_shapes(mean, precision))
    counted = np.isfinite(items)
    if counted.any():
        share[counted] = rng.binomial(items[counted].astype(np.int64), share[counted]) / items[counted]
    return share
