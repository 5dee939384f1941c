"""The response curve and the observation noise: the one place where a capability becomes a score.

The functions take NumPy arrays, xarray objects and PyTensor variables alike, so that the model and the forecast read
the same equations (DESIGN of observational laws: Ruan, Maddison & Hashimoto 2024, arXiv:2405.10938, section 3).
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.special import expit, log_expit


def _library(x: Any) -> Any:
    """PyTensor for its variables, which have an owner; NumPy for arrays and xarray objects, which have none."""
    if hasattr(x, "owner"):
        import pytensor.tensor as pt

        return pt
    return np


def _sigmoid(x: Any) -> Any:
    library = _library(x)
    return expit(x) if library is np else library.sigmoid(x)


def _log_sigmoid(x: Any) -> Any:
    library = _library(x)
    return log_expit(x) if library is np else -library.softplus(-x)


def logit_score(ability: Any, difficulty: Any, *effects: Any) -> Any:
    """Add up the logit of a score: ability (loadings times capabilities) minus difficulty plus further effects.

    The further effects are the benchmark's own response to the covariates (``d x``), the testlet effect (``u``) and
    the family-by-benchmark effect (``v``).
    """
    logit = ability - difficulty
    for effect in effects:
        logit = logit + effect
    return logit


def expected_score(logit: Any, floor: Any, ceiling: Any, shape: Any = 1.0) -> Any:
    """Expected score: a curve of the logit between guessing floor and ceiling.

    The way from floor to ceiling is ``sigmoid(z)^(1 / shape)``, the growth curve of Richards (1959, J. Exp. Bot. 10): a
    sigmoid for shape 1, Gompertz' curve towards 0. The smaller the shape, the more sharply scores leave the floor and
    the more slowly they near the ceiling, as where a task takes several steps that must all succeed. z is `logit` moved
    and stretched so that for every shape the curve is half-way up at 0, with the sigmoid's slope of 1/4.

    Parameters
    ----------
    logit : array
        Any shape.
    floor, ceiling : array
        Score of a guesser and best possible score, in [0, 1], broadcast against `logit`.
    shape : float or array
        Above 0, broadcast against `logit`.

    Examples
    --------
    >>> float(expected_score(0.0, 0.25, 1.0))
    0.625
    >>> sigmoid, gompertz = expected_score(-3.0, 0.0, 1.0), expected_score(-3.0, 0.0, 1.0, 1e-6)
    >>> round(float(sigmoid), 3), round(float(gompertz), 3)
    (0.047, 0.002)
    """
    if _is_one(shape):
        return floor + (ceiling - floor) * _sigmoid(logit)
    middle, stretch = _half_way(shape)
    log_share = _log_sigmoid(middle + stretch * logit) / shape
    return floor + (ceiling - floor) * _library(log_share).exp(log_share)


def logit_of_share(share: Any, shape: Any = 1.0) -> Any:
    """Logit at which a benchmark is this share of the way, in (0, 1), from floor to ceiling.

    Examples
    --------
    >>> float(logit_of_share(0.5))
    0.0
    """
    library = _library(share)
    if _is_one(shape):
        return library.log(share) - library.log(1 - share)
    middle, stretch = _half_way(shape)
    log_root = shape * library.log(share)
    return (log_root - _library(log_root).log(-_library(log_root).expm1(log_root)) - middle) / stretch


def score_slope(mean: Any, floor: Any, ceiling: Any, shape: Any = 1.0) -> Any:
    """Derivative of the expected score with respect to its logit, as a function of the expected score."""
    if _is_one(shape):
        return (mean - floor) * (ceiling - mean) / (ceiling - floor)
    share = (mean - floor) / (ceiling - floor)
    library = _library(share)
    log_root = shape * library.log(library.maximum(share, _TINY))
    return _half_way(shape)[1] / shape * (mean - floor) * -_library(log_root).expm1(log_root)


def _half_way(shape: Any) -> tuple[Any, Any]:
    """Where ``sigmoid(middle)^(1 / shape)`` is one half, and the stretch that gives it a slope of 1/4 there."""
    library = _library(shape)
    rest = -library.expm1(-np.log(2) * shape)  # 1 - 2^-shape, exact for small shapes
    return -np.log(2) * shape - library.log(rest), 0.5 * shape / rest


def _is_one(shape: Any) -> bool:
    return _library(shape) is np and bool(np.all(shape == 1.0))


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
