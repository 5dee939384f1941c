"""Rotation of the factors: align draws by Procrustes on scaled loadings, then varimax.

A loading is in logits per unit of capability. Its weight depends on the variance of the models in that direction:
compute moves models far along the slopes, and hardly in some others. So draws are aligned, and varimax applied, on the
scaled loadings ``L = W C^(1/2)``, with W the loadings (benchmark, factor) and C the covariance of the capabilities over
the observed models (factor, factor). Then

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

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

ROUNDS = 100
# Of the length of the consensus: where another round moves it less, alignment is done.
SETTLED = 1e-10
# Congruence from which factors are called alike (Lorenzo-Seva & ten Berge 2006, Methodology 2:57).
ALIKE = 0.85
# The varimax criterion has several local optima; the best of this many starts is the same one every time.
VARIMAX_STARTS = 12
VARIMAX_STEPS = 500
VARIMAX_SETTLED = 1e-12


def rotations(scaled: np.ndarray, rotation_invariant: bool) -> np.ndarray:
    """Find the orthogonal matrix of each draw that aligns all draws in one interpretable orientation.

    Under rotation-invariant priors: generalised Procrustes analysis (Gower 1975, Psychometrika 40:33) of `scaled` to a
    consensus, and varimax of those of its axes on which the draws agree. Otherwise the priors tell the axes apart, so
    that only their order and signs may differ between draws: signed permutations to a consensus. In both cases factors
    are then ordered by share of variance, largest first, with correlations that sum to a positive number over
    benchmarks.

    `scaled` are L (S, benchmark, factor), see `scaled_loadings`. Return R (S, factor, factor) with ``L R`` aligned.
    """
    if rotation_invariant:
        turns = _settle(scaled, _common_axes(scaled), _nearest_rotations)
        turns = turns @ _readable_axes(scaled @ turns)
    else:
        turns = _settle(scaled, _typical(scaled), _nearest_signed_permutations)
    return turns @ _order_and_signs(scaled @ turns)


def _settle(
    scaled: np.ndarray, consensus: np.ndarray, nearest: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> np.ndarray:
    """Align every draw with the consensus, and iterate with the mean as the next consensus until convergence."""
    for _ in range(ROUNDS):
        turns = nearest(scaled, consensus)
        before, consensus = consensus, np.mean(scaled @ turns, axis=0)
        if np.linalg.norm(consensus - before) <= SETTLED * np.linalg.norm(consensus):
            break
    return turns


def _readable_axes(aligned: np.ndarray) -> np.ndarray:
    """Apply varimax to the consensus within the principal axes on which the draws agree; leave the others.

    Varimax spreads strong axes over all its input: an axis that is noise would be mixed into every factor.
    """
    consensus = aligned.mean(axis=0)
    axes = np.linalg.svd(consensus)[2].T
    agreed = congruence(aligned @ axes).mean(axis=0) >= ALIKE
    if agreed.any():
        axes[:, agreed] = axes[:, agreed] @ varimax(correlations(consensus @ axes[:, agreed]))
    return axes


def congruence(aligned: np.ndarray) -> np.ndarray:
    """Return Tucker's phi of each draw's factors with their means: ``a'b / (|a| |b|)`` of the columns, (S, factor)."""
    mean = aligned.mean(axis=0)
    length = np.linalg.norm(aligned, axis=1) * np.linalg.norm(mean, axis=0)
    product = np.sum(aligned * mean, axis=1)
    return np.divide(product, length, out=np.zeros_like(product), where=length > 0)


def _common_axes(scaled: np.ndarray) -> np.ndarray:
    """Return starting values: the factors of the mean covariance of logits, invariant under rotation of the draws."""
    variance, axes = np.linalg.eigh(np.mean(scaled @ np.swapaxes(scaled, 1, 2), axis=0))
    count = min(scaled.shape[1:])
    start = np.zeros(scaled.shape[1:])
    start[:, :count] = (axes * np.sqrt(np.maximum(variance, 0.0)))[:, ::-1][:, :count]
    return start


def _typical(scaled: np.ndarray) -> np.ndarray:
    """Return starting values without rotations: the draw whose covariance of logits is nearest to the mean."""
    covariance = scaled @ np.swapaxes(scaled, 1, 2)
    return scaled[np.argmin(np.sum((covariance - covariance.mean(axis=0)) ** 2, axis=(1, 2)))]


def _nearest_rotations(scaled: np.ndarray, consensus: np.ndarray) -> np.ndarray:
    """Solve orthogonal Procrustes for all draws at once (Schonemann 1966, Psychometrika 31:1)."""
    left, _, right = np.linalg.svd(np.swapaxes(scaled, 1, 2) @ consensus)
    return left @ right


def _nearest_signed_permutations(scaled: np.ndarray, consensus: np.ndarray) -> np.ndarray:
    products = np.swapaxes(scaled, 1, 2) @ consensus
    turns = np.zeros_like(products)
    for product, turn in zip(products, turns, strict=True):
        row, column = linear_sum_assignment(np.abs(product), maximize=True)
        turn[row, column] = np.where(product[row, column] < 0, -1.0, 1.0)
    return turns


def _order_and_signs(aligned: np.ndarray) -> np.ndarray:
    order = np.argsort(-column_shares(aligned).mean(axis=0), kind="stable")
    sums = correlations(aligned.mean(axis=0)).sum(axis=0)
    return (np.eye(len(order)) * np.where(sums < 0, -1.0, 1.0))[:, order]


def scaled_loadings(loading: np.ndarray, capability: np.ndarray) -> np.ndarray:
    """Return loadings (S, benchmark, factor) in logits per sd of uncorrelated capability: ``L = W C^(1/2)``.

    C is the covariance over models of `capability` (S, model, factor).
    """
    centred = capability - capability.mean(axis=1, keepdims=True)
    covariance = np.swapaxes(centred, 1, 2) @ centred / centred.shape[1]
    variance, axes = np.linalg.eigh(covariance)
    root = (axes * np.sqrt(np.maximum(variance, 0.0))[:, None]) @ np.swapaxes(axes, 1, 2)
    return loading @ root


def correlations(scaled: np.ndarray) -> np.ndarray:
    """Return correlations over models of each benchmark's logit with each uncorrelated capability: unit rows of L.

    A benchmark on which models do not differ has correlation 0.
    """
    length = np.linalg.norm(scaled, axis=-1, keepdims=True)
    return np.divide(scaled, length, out=np.zeros_like(scaled), where=length > 0)


def column_shares(scaled: np.ndarray) -> np.ndarray:
    """Return the share (S, factor) of each factor in the variance of all logits, ``sum_b L_bk^2 / sum_bk L_bk^2``."""
    squares = np.sum(scaled**2, axis=-2)
    return squares / squares.sum(axis=-1, keepdims=True)


def varimax_criterion(rows: np.ndarray) -> float:
    """Return the variance over benchmarks of squared loadings, summed over factors (Kaiser 1958, Psychometrika 23)."""
    return float(np.var(rows**2, axis=0).sum())


def varimax(rows: np.ndarray) -> np.ndarray:
    """Find the rotation (factor, factor) with the largest varimax criterion of `rows` (benchmark, factor).

    The iteration is Kaiser's in its form by singular values, ten lines; the library that has it, statsmodels, is no
    dependency of the package, and the tests hold one against the other. Give rows of length 1 for Kaiser's weights,
    under which every benchmark counts alike.
    """
    factors = rows.shape[1]
    if factors == 1:
        return np.eye(1)
    # From the principal axes on, so that the starts, and with them the optimum, do not depend on how `rows` is turned.
    axes = np.linalg.svd(rows)[2].T
    rng = np.random.default_rng(0)
    turned = (np.linalg.qr(rng.standard_normal((factors, factors)))[0] for _ in range(VARIMAX_STARTS - 1))
    optima = [_ascend(rows, axes @ start) for start in (np.eye(factors), *turned)]
    return max(optima, key=lambda rotation: varimax_criterion(rows @ rotation))


def _ascend(rows: np.ndarray, rotation: np.ndarray) -> np.ndarray:
    for _ in range(VARIMAX_STEPS):
        turned = rows @ rotation
        gradient = rows.T @ (turned**3 - turned * np.mean(turned**2, axis=0))
        left, _, right = np.linalg.svd(gradient)
        change = np.abs(left @ right - rotation).max()
        rotation = left @ right
        if change < VARIMAX_SETTLED:
            break
    return rotation
