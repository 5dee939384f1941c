"""Response curve and observation noise: the one place where a capability becomes a score.

The equations are written in arithmetic and NumPy's functions, which take NumPy arrays, xarray objects and PyTensor
variables alike and compile under Numba, so that model, sampler and forecast read the same ones (observational laws:
Ruan, Maddison & Hashimoto 2024, arXiv:2405.10938, section 3).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np


class Noise(NamedTuple):
    """Scatter of scores around their mean: precision, and sd of the benchmark's own noise on the logit."""

    precision: Any
    specific_sd: Any


class Curve(NamedTuple):
    """Guessing floor, ceiling and shape of response curves, broadcast together; a shape of 1 is the sigmoid's."""

    floor: Any
    ceiling: Any
    shape: Any


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
    """Return the expected score: a curve of the logit between guessing floor and ceiling.

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
    return floor + (ceiling - floor) * np.exp(log_share(logit, shape, half_way(shape)))


def log_share(logit: Any, shape: Any, half: tuple[Any, Any]) -> Any:
    """Return the log of the share of the way from floor to ceiling; `half` is `half_way` of the shape."""
    middle, stretch = half
    return log_sigmoid(middle + stretch * logit) / shape


def logit_of_share(share: Any, shape: Any = 1.0) -> Any:
    """Return the logit at which a benchmark is this share of the way, in (0, 1), from floor to ceiling.

    Examples
    --------
    >>> float(logit_of_share(0.5))
    0.0
    """
    middle, stretch = half_way(shape)
    log_root = shape * np.log(share)
    return (log_root - np.log(-np.expm1(log_root)) - middle) / stretch


def score_slope(mean: Any, floor: Any, ceiling: Any, shape: Any = 1.0) -> Any:
    """Return the derivative of the expected score with respect to its logit, as a function of the expected score."""
    log_root = shape * np.log((mean - floor) / (ceiling - floor) + _TINY)
    return half_way(shape)[1] / shape * (mean - floor) * -np.expm1(log_root)


def half_way(shape: Any) -> tuple[Any, Any]:
    """Return where ``sigmoid(middle)^(1 / shape)`` is one half, and the stretch for a slope of 1/4 there."""
    rest = -np.expm1(-np.log(2) * shape)  # 1 - 2^-shape, exact for small shapes
    return -np.log(2) * shape - np.log(rest), 0.5 * shape / rest


def half_way_slope(shape: Any, half: tuple[Any, Any]) -> Any:
    """Return the derivative of ``log(1 - 2^-shape)``; that of log stretch in `half_way` is ``1 / shape`` less it."""
    rest = 0.5 * shape / half[1]
    return np.log(2) * (1 - rest) / rest


def log_sigmoid(x: Any) -> Any:
    """Return ``log(1 / (1 + exp(-x)))``, exact far out on both sides."""
    return 0.5 * (x - abs(x)) - np.log1p(np.exp(-abs(x)))


def beta_shapes(mean: Any, precision: Any) -> tuple[Any, Any]:
    """Return the shapes of the Beta distribution with this mean and precision (``alpha + beta``).

    Far out the sigmoid is 1 in floating point; a shape of zero is no Beta, to draw from or to differentiate.
    """
    return mean * precision + _TINY, (1 - mean) * precision + _TINY


# Far below the rounding error of any shape that is not zero.
_TINY = 1e-300


def effective_items(items: Any, precision: Any) -> Any:
    """Return the effective number of items of a score: its variance is ``mean (1 - mean) / effective``.

    Examples
    --------
    >>> float(effective_items(1000, 250))  # overdispersion caps what 1,000 items can tell
    200.8
    """
    return (precision + 1) / (1 + precision / items)


def logit_information(mean: Any, slope: Any, effective: Any) -> Any:
    """Return the Fisher information of a score on its logit, from the slope of the curve and `effective_items`.

    The slope squared over the variance of the score; zero where the curve is flat, at floor and ceiling.
    """
    return effective * slope**2 / (mean * (1 - mean) + _TINY)


def score_precision(precision: Any, specific_sd: Any, mean: Any, floor: Any, ceiling: Any, shape: Any = 1.0) -> Any:
    """Return the precision of a score with noise of the benchmark's own on its logit (specific variance).

    The logit scatters with sd `specific_sd`, and so the score with that times the slope of its curve. The intraclass
    correlation ``1 / (precision + 1)`` of the items of one evaluation grows accordingly::

        precision_mb = precision / (1 + (precision + 1) specific_sd^2 slope^2 / (mean (1 - mean)))

    Examples
    --------
    >>> float(score_precision(400.0, 0.0, 0.5, 0.0, 1.0)), round(float(score_precision(400.0, 0.2, 0.5, 0.0, 1.0)), 1)
    (400.0, 79.8)
    """
    information = logit_information(mean, score_slope(mean, floor, ceiling, shape), 1.0)
    return precision / (1 + (precision + 1) * specific_sd**2 * information)


def log_likelihood_share(score: Any, items: Any, mean: Any, precision: Any) -> Any:
    """Return the log density of an observed score, up to a constant that depends on the data alone.

    Parameters
    ----------
    score : array
        Observed share, in [0, 1].
    items : array
        Number of items, `SHARE_STEPS` for a score that is no proportion of items.
    mean, precision : array
        Expected score and precision.
    """
    from scipy.special import betaln

    a, b = beta_shapes(mean, precision)
    hits = np.rint(score * items)
    return betaln(hits + a, items - hits + b) - betaln(a, b)


def log_choose(items: Any, hits: Any) -> Any:
    """Return the log of the binomial coefficient: in how many ways so many items can be hit."""
    from scipy.special import gammaln

    return gammaln(items + 1) - gammaln(hits + 1) - gammaln(items - hits + 1)


# A score that is no proportion of items (BLEU, a mean of probabilities) is read as a share of so many steps: the
# hundredth of a point to which scores are reported. A Beta density, its limit, has no value at 0 and 1 and far too much
# to say beside them: in worlds drawn from the priors, where such scores come as near to 1 as a computer can tell,
# clipping them to 0.999 put slopes up to 17 posterior sds off the truth (docs/calibration.md).
SHARE_STEPS = 10_000


def predict_score(mean: Any, precision: Any, items: Any, rng: np.random.Generator) -> np.ndarray:
    """Draw scores with beta-binomial observation noise.

    Parameters
    ----------
    mean, precision, items : array
        Broadcast together; `items` are `SHARE_STEPS` where a score is no proportion of items.

    Returns
    -------
    ndarray
        Scores in [0, 1], of the broadcast shape.
    """
    mean, precision, items = np.broadcast_arrays(mean, precision, items)
    return rng.binomial(items.astype(np.int64), rng.beta(*beta_shapes(mean, precision))) / items
