"""R-hat and effective sample sizes of many quantities at once.

The equations are those of Vehtari et al. (2021, Bayesian Analysis 16:667), as ArviZ has them, for all quantities of a
block together. ArviZ takes them one by one: 10 s for the 1,184 expected scores of `base-llms` at 800 draws, where this
takes one. `tests/inference/test_mixing.py` compares the two.
"""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft
from scipy.special import ndtri
from scipy.stats import rankdata

# Draws of a chain below which nothing can be said.
_LEAST = 4


def rhat(values: np.ndarray) -> np.ndarray:
    """Return the rank-normalised split R-hat of each quantity, the larger of that of bulk and of folded draws.

    Parameters
    ----------
    values : ndarray (chain, draw, quantity)

    Returns
    -------
    ndarray (quantity,)
        NaN for one chain, or fewer than four draws.

    Examples
    --------
    >>> values = np.random.default_rng(0).normal(size=(4, 200, 3))
    >>> bool((rhat(values) < 1.05).all()), rhat(values).shape
    (True, (3,))
    """
    chains, draws, quantities = values.shape
    if chains < 2 or draws < _LEAST:
        return np.full(quantities, np.nan)
    split = _split(values)
    folded = np.abs(split - np.median(_rows(split), axis=1))
    return np.maximum(_plain_rhat(_normal_scores(split)), _plain_rhat(_normal_scores(folded)))


def effective_draws(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the effective sample sizes of each quantity in the bulk and in the tails (5% and 95% quantiles).

    Parameters
    ----------
    values : ndarray (chain, draw, quantity)

    Returns
    -------
    bulk, tail : ndarray (quantity,)
        NaN for fewer than four draws.

    Examples
    --------
    >>> bulk, tail = effective_draws(np.random.default_rng(0).normal(size=(4, 200, 3)))
    >>> bool((bulk > 500).all()), bool((tail > 400).all())
    (True, True)
    """
    if values.shape[1] < _LEAST:
        return np.full(values.shape[2], np.nan), np.full(values.shape[2], np.nan)
    ends = np.quantile(_rows(values), (0.05, 0.95), axis=1)
    below, above = (_split(values <= end).astype(float) for end in ends)
    return _effective(_normal_scores(_split(values))), np.minimum(_effective(below), _effective(above))


def _split(values: np.ndarray) -> np.ndarray:
    half = values.shape[1] // 2
    return np.concatenate([values[:, :half], values[:, -half:]])


def _rows(values: np.ndarray) -> np.ndarray:
    """Return the draws of a quantity as a row, along which sorting is fast."""
    return np.ascontiguousarray(values.reshape((-1, values.shape[-1])).T)


def _normal_scores(values: np.ndarray) -> np.ndarray:
    draws = _rows(values)
    # Sorting along rows takes a fifth of the time of `rankdata`, which is left where ranks are shared.
    order = draws.argsort(axis=1)
    ordered = np.take_along_axis(draws, order, axis=1)
    rank = np.empty(draws.shape)
    np.put_along_axis(rank, order, np.arange(1.0, draws.shape[1] + 1)[None], axis=1)
    shared = (ordered[:, 1:] == ordered[:, :-1]).any(axis=1) | np.isnan(ordered[:, -1])
    rank[shared] = rankdata(draws[shared], axis=1)
    return ndtri((rank - 3 / 8) / (draws.shape[1] + 1 / 4)).T.reshape(values.shape)


def _plain_rhat(values: np.ndarray) -> np.ndarray:
    draws = values.shape[1]
    within = values.var(axis=1, ddof=1).mean(axis=0)
    between = draws * values.mean(axis=1).var(axis=0, ddof=1)
    with np.errstate(divide="ignore"):  # chains that stand still, each elsewhere: infinite
        return np.sqrt((between / within + draws - 1) / draws)


def _effective(values: np.ndarray) -> np.ndarray:
    """Return effective draws by the autocorrelations, cut where pairs of them are no longer positive (Geyer 1992)."""
    chains, draws, quantities = values.shape
    centred = values - values.mean(axis=1, keepdims=True)
    size = next_fast_len(2 * draws, real=True)
    spectrum = np.abs(rfft(centred, size, axis=1)) ** 2
    covariance = irfft(spectrum.mean(axis=0), size, axis=0)[:draws] / draws
    within = covariance[0] * draws / (draws - 1)
    variance = covariance[0] + (values.mean(axis=1).var(axis=0, ddof=1) if chains > 1 else 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        correlation = 1 - (within - covariance) / variance
    correlation[0] = 1.0
    kept = np.zeros_like(correlation)
    kept[:2] = correlation[:2]
    even, odd = correlation[0], correlation[1]
    going, last = np.ones(quantities, dtype=bool), np.full(quantities, 1)
    for t in range(1, draws - 3, 2):
        going = going & (even + odd > 0)
        if not going.any():
            break
        even, odd = np.where(going, correlation[t + 1], even), np.where(going, correlation[t + 2], odd)
        positive = going & (even + odd >= 0)
        kept[t + 1 : t + 3, positive] = correlation[t + 1 : t + 3, positive]
        last[going] = t + 2
    last -= 2  # of the pairs that count
    at_end = even > 0
    kept[last[at_end] + 1, at_end] = even[at_end]
    # Pairs may not rise: what follows is noise of the estimate.
    for t in range(1, int(last.max(initial=0)) - 1, 2):
        rises = (t <= last - 2) & (kept[t + 1] + kept[t + 2] > kept[t - 1] + kept[t])
        kept[t + 1 : t + 3, rises] = (kept[t - 1, rises] + kept[t, rises]) / 2
    counted = np.where(np.arange(draws)[:, None] <= last, kept, 0).sum(axis=0)
    following = np.take_along_axis(kept, np.minimum(last + 1, draws - 1)[None], axis=0)[0]
    time = np.maximum(2 * counted - 1 + following, 1 / np.log10(chains * draws))
    constant = np.ptp(values, axis=(0, 1)) < np.finfo(float).resolution
    return np.where(constant, chains * draws, chains * draws / time)
