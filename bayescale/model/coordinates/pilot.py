"""Where to start and what to lean on: rough loadings and informative models, from the observed scores by plain algebra.

Nothing here enters the posterior; it gives the sampler its gauge, its starting point and well-chosen coordinates.
"""

from __future__ import annotations

import numpy as np

from bayescale.model.coordinates.rotation import positive_columns, representative, split_space
from bayescale.model.curve import Curve
from bayescale.model.data import ModelData, design
from bayescale.model.kernels.working_response import working_response

# Precision of scores around the curve (the default prior's median, e^6) and noise of a logit from effects other than
# capability (about the sd of family-by-benchmark effects). They keep huge benchmarks from owning the reference; rough
# values are enough for a gauge.
_PRECISION = 400.0
_EXTRA_SD = 0.15
# The components have unit variance over models; capabilities, in units of the sd between families, that and compute's.
SPREAD = 1.5


def reference_loadings(data: ModelData, factors: int) -> np.ndarray:
    """Rough loadings (benchmark, factor) from the observed scores, in units of the scatter of capabilities."""
    return _components(data, factors)[0] / SPREAD


def _components(data: ModelData, factors: int, iterations: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Loadings (benchmark, factor) and scores (model, factor) of unit variance.

    Probabilistic principal components of the working logits, each cell with its own known noise, by EM (Tipping &
    Bishop 1999, with weights); missing cells take no part.
    """
    logit, weight = _working_cells(data)
    benchmarks = logit.shape[1]
    centre = typical_logits(data)
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
    return loading, score


def coordinates(data: ModelData, gauged: bool) -> dict[str, np.ndarray]:
    """What steers the sampler and depends on the observed scores, by the names of the model's data containers.

    Containers, like the scores themselves: folds of a backtest share a compiled model, and each must have coordinates
    of its own data, whichever was compiled first.
    """
    steering = {"informative_models": informative_models(data)}
    if gauged:
        reference = reference_loadings(data, len(data.coords["factor"]))
        steering["gauge_basis"], steering["gauge_complement"] = split_space(reference)
    return steering


def starting_point(data: ModelData, gauged: bool) -> dict[str, np.ndarray]:
    """Rough values of the benchmarks' variables, for the sampler to start at."""
    start = {"relative_difficulty": np.zeros(len(data.items))}
    if gauged:
        loading, score = _components(data, len(data.coords["factor"]))
        # In the rotation in which the gauge represents these loadings; slopes turn with them.
        rotation = representative(loading)
        start["loading_scaled"] = loading @ rotation / SPREAD
        start["slope_scaled"] = _slopes(data, score) @ rotation * SPREAD
    return start


def _slopes(data: ModelData, score: np.ndarray) -> np.ndarray:
    """Slopes (covariate, factor) of the scores, over the models whose covariates are known.

    From scattered slopes one chain in twenty was caught where capabilities fall with compute and HumanEval is noise (5
    of 24 fits of the backtest `largest_out`, R-hat 1.6 to 1.7).
    """
    rows = np.column_stack([np.ones(len(score)), *design(data.covariates, data.coords["covariate"])])
    known = np.isfinite(rows).all(axis=1)
    return np.linalg.lstsq(rows[known], score[known], rcond=None)[0][1:]


def informative_models(data: ModelData) -> np.ndarray:
    """Weights (benchmark, model), rows summing to one: how much each score tells of its logit, from the score itself.

    A benchmark's logit at these models is known well, and nearly independent of its loading and slope, where the logit
    of an average model, perhaps far down on the guessing floor, is an extrapolation of both.
    """
    weight = _working_cells(data)[1].T
    total = weight.sum(axis=1, keepdims=True)
    return np.where(total > 0, weight / np.where(total > 0, total, 1.0), 1.0 / weight.shape[1])


def typical_logits(data: ModelData) -> np.ndarray:
    """Logit (benchmark,) at the informative models: where the sampler starts the difficulties."""
    return np.sum(
        informative_models(data) * np.where(data.cells["observed"] > 0, _working_cells(data)[0], 0.0).T, axis=1
    )


def _working_cells(data: ModelData) -> tuple[np.ndarray, np.ndarray]:
    sigmoid = Curve(data.floor, data.ceiling, 1.0)
    weight, logit = working_response(data.cells["observed_score"], sigmoid, _PRECISION, data.items)
    return logit, data.cells["observed"] / (1 / weight + _EXTRA_SD**2)
