"""What models differ by: the inner product in which orientations of the factors are compared.

A loading is a logit per unit of capability. How much it matters depends on how far models lie apart in that direction:
compute moves models far along the slopes, and hardly in some others. So draws are aligned, and directions made simple,
on ``L = W C^(1/2)``, with W the loadings (benchmark, factor) and C the covariance of the capabilities over the observed
models (factor, factor). Then

- ``L L' = W C W'`` is the covariance over models of what capabilities contribute to the logits, which no rotation
  changes: a squared distance between two L counts variance of logits, and a direction in which models do not differ, or
  on which nothing loads, counts for nothing;
- with the symmetric root, ``W R`` and ``theta R`` make ``L R``: what aligns L aligns all four variables;
- L is the loading matrix of textbook factor analysis, on capabilities made uncorrelated, with unit variance over models
  and otherwise as close to the fitted ones as possible (Kessy, Lewin & Strimmer 2018, The American Statistician 72:309,
  ZCA): sums of its squares over benchmarks are shares of variance that add up, though capabilities that all rise with
  compute are correlated.
"""

from __future__ import annotations

import numpy as np


def scaled_loadings(loading: np.ndarray, capability: np.ndarray) -> np.ndarray:
    """Logits per standard deviation of uncorrelated capability over models: ``L = W C^(1/2)``.

    Parameters
    ----------
    loading : ndarray (S, benchmark, factor)
    capability : ndarray (S, model, factor)

    Returns
    -------
    ndarray (S, benchmark, factor)
    """
    centred = capability - capability.mean(axis=1, keepdims=True)
    covariance = np.swapaxes(centred, 1, 2) @ centred / centred.shape[1]
    variance, axes = np.linalg.eigh(covariance)
    root = (axes * np.sqrt(np.maximum(variance, 0.0))[:, None]) @ np.swapaxes(axes, 1, 2)
    return loading @ root


def correlations(scaled: np.ndarray) -> np.ndarray:
    """Correlation over models of each benchmark's logit with each uncorrelated capability: rows of L with length 1.

    A benchmark on which models do not differ correlates with nothing.
    """
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)


def column_shares(scaled: np.ndarray) -> np.ndarray:
    """Share of each factor (S, factor) in the variance over models of all logits: ``sum_b L_bk^2 / sum_bk L_bk^2``."""
    squares = np.sum(scaled**2, axis=-2)
    return squares / squares.sum(axis=-1, keepdims=True)
