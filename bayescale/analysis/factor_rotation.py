"""One orientation for all draws: each turned onto a consensus, which is then turned to be read."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from scipy.optimize import linear_sum_assignment

from bayescale.analysis.scaled_loadings import column_shares, correlations
from bayescale.analysis.varimax import varimax

ROUNDS = 100
# Of the length of the consensus: where another round moves it less, alignment is done.
SETTLED = 1e-10
# Congruence from which factors are called alike (Lorenzo-Seva & ten Berge 2006, Methodology 2:57).
ALIKE = 0.85


def rotations(scaled: np.ndarray, rotation_invariant: bool) -> np.ndarray:
    """Find the orthogonal matrix of each draw that brings all to one readable orientation.

    Under rotation-invariant priors: generalised Procrustes analysis (Gower 1975, Psychometrika 40:33) of `scaled` to a
    consensus, and varimax of those of its axes on which the draws agree. Otherwise the priors tell the axes apart, so
    that only their order and signs may differ between draws: signed permutations to a consensus. In both cases factors
    are then ordered by share of variance, largest first, with correlations that sum to a positive number over
    benchmarks.

    Parameters
    ----------
    scaled : ndarray (S, benchmark, factor)
        From `scaled_loadings`.
    rotation_invariant : bool
        `Spec.rotation_invariant`.

    Returns
    -------
    ndarray (S, factor, factor)
        R with ``L R`` aligned; columns are the new factors.
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
    """Turn every draw onto the consensus, take the mean for the next consensus, and so on until it stays."""
    for _ in range(ROUNDS):
        turns = nearest(scaled, consensus)
        before, consensus = consensus, np.mean(scaled @ turns, axis=0)
        if np.linalg.norm(consensus - before) <= SETTLED * np.linalg.norm(consensus):
            break
    return turns


def _readable_axes(aligned: np.ndarray) -> np.ndarray:
    """Varimax of the consensus, within its principal axes on which the draws agree; the others stay apart.

    Varimax spreads strong axes over all it is given: with one that is noise, it would mix that into every factor.
    """
    consensus = aligned.mean(axis=0)
    axes = np.linalg.svd(consensus)[2].T
    agreed = congruence(aligned @ axes).mean(axis=0) >= ALIKE
    if agreed.any():
        axes[:, agreed] = axes[:, agreed] @ varimax(correlations(consensus @ axes[:, agreed]))
    return axes


def congruence(aligned: np.ndarray) -> np.ndarray:
    """Tucker's phi of each draw's factors with their means: ``a'b / (|a| |b|)`` of the columns, (S, factor)."""
    mean = aligned.mean(axis=0)
    length = np.linalg.norm(aligned, axis=1) * np.linalg.norm(mean, axis=0)
    product = np.sum(aligned * mean, axis=1)
    return np.divide(product, length, out=np.zeros_like(product), where=length > 0)


def _common_axes(scaled: np.ndarray) -> np.ndarray:
    """Where to start: the factors of the mean covariance of logits, the same however the draws are turned."""
    variance, axes = np.linalg.eigh(np.mean(scaled @ np.swapaxes(scaled, 1, 2), axis=0))
    count = min(scaled.shape[1:])
    start = np.zeros(scaled.shape[1:])
    start[:, :count] = (axes * np.sqrt(np.maximum(variance, 0.0)))[:, ::-1][:, :count]
    return start


def _typical(scaled: np.ndarray) -> np.ndarray:
    """Where to start without rotations: the draw whose covariance of logits is nearest to the mean one."""
    covariance = scaled @ np.swapaxes(scaled, 1, 2)
    return scaled[np.argmin(np.sum((covariance - covariance.mean(axis=0)) ** 2, axis=(1, 2)))]


def _nearest_rotations(scaled: np.ndarray, consensus: np.ndarray) -> np.ndarray:
    """Orthogonal Procrustes, all draws at once (Schonemann 1966, Psychometrika 31:1)."""
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
