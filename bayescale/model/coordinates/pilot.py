"""Pilot estimates by EM factor analysis, for initial values and parameterization. They do not change the posterior."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bayescale.model.coordinates.rotation import positive_columns
from bayescale.model.curve import Curve, effective_items
from bayescale.model.data import ModelData
from bayescale.model.kernels.working_response import margins, working_response

# Precision of scores around the curve (the default prior's median, e^6) and noise of a logit from effects other than
# capability (about the sd of family-by-benchmark effects). Without them the benchmarks with most items would determine
# the pilot loadings alone; rough values are enough.
_PRECISION = 400.0
_EXTRA_SD = 0.15
# Sd over models of capabilities, compute included, in the unit in which loadings are sampled: that half-way between the
# sd within families and the sd of all. Pilot scores have unit variance.
SPREAD = 2.4


class Pilot(NamedTuple):
    """Rough loadings (benchmark, factor) of scores that have unit variance over models, and general capabilities.

    `general` (model,) is the logit of the average benchmark, with mean 0 and sd 1 over models.
    """

    loading: np.ndarray
    general: np.ndarray


def fit_pilot(data: ModelData, factors: int, iterations: int = 200) -> Pilot:
    """Fit probabilistic principal components to the working logits, each with its own known noise, by EM.

    Missing cells take no part (Tipping & Bishop 1999, J. R. Stat. Soc. B 61:611, with weights).
    """
    share = observed_share(data)
    logit, weight = _working_cells(data, share)
    benchmarks = logit.shape[1]
    centre = _weighted_logits(informative_models(data, share), data, logit)
    filled = np.where(weight > 0, logit - centre, 0.0)
    loading = positive_columns(np.linalg.svd(filled, full_matrices=False)[2][:factors].T)
    if loading.shape[1] < factors:  # fewer models than factors: any further directions will do
        loading = np.linalg.qr(np.hstack([loading, np.eye(benchmarks)[:, : factors - loading.shape[1]]]))[0]
    unit = np.eye(factors)
    for _ in range(iterations):
        precision = unit + np.einsum("mb,bk,bl->mkl", weight, loading, loading)
        spread = np.linalg.inv(precision)
        score = np.einsum("mkl,ml->mk", spread, ((logit - centre) * weight) @ loading)
        second = spread + score[:, :, None] * score[:, None, :]
        normal = np.einsum("mb,mkl->bkl", weight, second) + 0.1 * unit
        loading = np.linalg.solve(normal, np.einsum("mb,mb,mk->bk", weight, logit - centre, score)[..., None])[..., 0]
        fit = score @ loading.T
        centre = np.sum(weight * (logit - fit), axis=0) / np.maximum(weight.sum(axis=0), 1e-9)
    average = fit.mean(axis=1)
    return Pilot(loading, (average - average.mean()) / max(average.std(), 1e-9))


def informative_models(data: ModelData, share: np.ndarray) -> np.ndarray:
    """Return weights (benchmark, model) by the Fisher information of each score on its logit; rows sum to one.

    The logit of a benchmark, averaged over models with these weights, is well identified. The logit of an average
    model, perhaps far down on the guessing floor, is an extrapolation by loading and slope.
    """
    weight = _working_cells(data, share)[1].T
    total = weight.sum(axis=1, keepdims=True)
    return np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1.0 / weight.shape[1])


def observed_share(data: ModelData, scores: np.ndarray | None = None) -> np.ndarray:
    """Return scores (..., benchmark) as shares of the way from the stated floor to the ceiling; by default, those seen.

    A score nearer to either than `margins` counts as one at that distance.
    """
    low, high = margins(data.floor, data.ceiling, effective_items(data.items, _PRECISION))
    scores = data.cells["observed_score"] if scores is None else scores
    return ((scores - data.floor) / (data.ceiling - data.floor)).clip(low, 1 - high)


def _weighted_logits(weight: np.ndarray, data: ModelData, logit: np.ndarray) -> np.ndarray:
    """Average the working logits of each benchmark over models, with weights (benchmark, model)."""
    return np.sum(weight * np.where(data.cells["observed"] > 0, logit, 0.0).T, axis=1)


def _working_cells(data: ModelData, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return working logits and their precisions (model, benchmark) along sigmoids from the stated floors."""
    sigmoid = Curve(data.floor, data.ceiling, 1.0)
    score = data.floor + (data.ceiling - data.floor) * share
    weight, logit = working_response(score, share, sigmoid, _PRECISION, data.items)
    return logit, data.cells["observed"] / (1 / weight + _EXTRA_SD**2)
