"""`ModelData`: coordinates, covariates and observed scores of the tables as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import Any

import numpy as np
from scipy.special import gammaln

from bayescale.errors import EvalsError
from bayescale.evals import Evals
from bayescale.model.curve import SHARE_STEPS
from bayescale.model.spec import COVARIATE_COLUMNS, Spec


@dataclass(frozen=True)
class ModelData:
    """Arrays of one fit; rows follow the tables.

    Attributes
    ----------
    coords : dict of str to list
        ``model, family, benchmark, factor, covariate, testlet``.
    covariates : ndarray (model, base covariate)
        log10 units, centred; NaN where unknown.
    covariate_sd : ndarray (model, base covariate)
        Measurement error in decades; zero where exact, NaN where the value is unknown.
    centre : ndarray (base covariate,)
        What was subtracted.
    family_index : ndarray (model,)
    testlet_index : ndarray (benchmark,)
        -1 for a benchmark that is alone.
    items, floor, ceiling : ndarray (benchmark,)
        `items` are `bayescale.model.curve.SHARE_STEPS` where a score is no proportion of items.
    cells : dict of str to ndarray (model, benchmark)
        The scores and which of them were observed, see `observed_cells`.
    """

    coords: dict[str, list[str]]
    covariates: np.ndarray
    covariate_sd: np.ndarray
    centre: np.ndarray
    family_index: np.ndarray
    testlet_index: np.ndarray
    items: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    cells: dict[str, np.ndarray]


def model_data(spec: Spec, evals: Evals) -> ModelData:
    """Collect the arrays that the model of `spec` needs from `evals`."""
    if not isinstance(evals, Evals):
        raise EvalsError(f"{evals!r} is no Evals: load them, evals = bs.load_evals('base-llms').")
    models, benchmarks = evals.models, evals.benchmarks
    if evals.n_scores == 0:
        raise EvalsError("There is no score to fit: every score was masked or deselected.")
    families = evals.families
    groups = benchmarks["testlet"].where(benchmarks["testlet"] != "")
    shared = [g for g in groups.dropna().unique() if (groups == g).sum() > 1] if spec.testlets else []
    with np.errstate(divide="ignore"):
        values = np.column_stack(
            [
                np.log10(models[column].to_numpy(float) * unit)
                for column, unit in (COVARIATE_COLUMNS[c] for c in spec.base_covariates)
            ]
        )
    if np.isnan(values).all(axis=0).any():
        missing = [c for c, v in zip(spec.base_covariates, values.T, strict=True) if np.isnan(v).all()]
        raise EvalsError(
            f"No model has a value for {', '.join(missing)}: fill {', '.join(COVARIATE_COLUMNS[c][0] for c in missing)}"
            " in the models table, or use a spec with other covariates."
        )
    centre = np.nanmean(values, axis=0)
    error = np.where(np.isnan(values), np.nan, 0.0)
    # Below a millionth of a decade compute is exact, and above a thousand unknown: squares of others leave no numbers.
    stated = models["flops_log10_sd"].to_numpy(float)
    stated = np.where(stated < 1e-6, 0.0, np.minimum(stated, 1e3))
    for j, covariate in enumerate(spec.base_covariates):
        if covariate == "log10_flops":
            error[:, j] = np.where(np.isnan(values[:, j]), np.nan, np.nan_to_num(stated))
    items = benchmarks["items"].to_numpy(float)
    if spec.likelihood == "beta":
        items = np.full_like(items, np.nan)
    items = np.where(np.isnan(items), SHARE_STEPS, items)
    factors = spec.factors_for(len(evals.benchmark_names), evals.scores["model"].nunique())
    return ModelData(
        coords={
            "model": evals.model_names,
            "family": families,
            "benchmark": evals.benchmark_names,
            "factor": [f"capability {k + 1}" for k in range(factors)],
            "covariate": list(spec.covariates),
            "testlet": [str(g) for g in shared],
        },
        covariates=values - centre,
        covariate_sd=error,
        centre=centre,
        family_index=models["family"].map({f: i for i, f in enumerate(families)}).to_numpy(int),
        testlet_index=groups.map({g: i for i, g in enumerate(shared)}).fillna(-1).to_numpy(int),
        items=items,
        floor=benchmarks["floor"].to_numpy(float),
        ceiling=benchmarks["ceiling"].to_numpy(float),
        cells=observed_cells(evals, items),
    )


def covariate_prior(spec: Spec, data: ModelData) -> tuple[np.ndarray, np.ndarray]:
    """Return the prior mean and sd of the covariates, each (model, base covariate); sd 0 where they are exact.

    The product of prior and measurement, both normal, is normal; without a measurement it is the prior.
    """
    prior = spec.priors.latent_covariate.parameters
    known, exact = np.nan_to_num(data.covariates), data.covariate_sd == 0
    with np.errstate(divide="ignore"):
        measured = np.where(exact, 0.0, np.nan_to_num(1 / np.square(data.covariate_sd)))
    weight = 1 / prior["sigma"] ** 2 + measured
    mean = (prior["mu"] / prior["sigma"] ** 2 + known * measured) / weight
    return np.where(exact, known, mean), np.where(exact, 0.0, 1 / np.sqrt(weight))


def unknown_cells(spec: Spec, data: ModelData) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the base covariates (model, base covariate) that are unknown or uncertain."""
    rows, columns = np.nonzero(covariate_prior(spec, data)[1] > 0)
    return rows.copy(), columns.copy()  # views of one array otherwise, which Numba would not keep on disk


def design(values: Any, covariates: Sequence[str]) -> list[Any]:
    """Return the columns of the covariates of a spec, with interactions, from the measured ones (..., base covariate).

    Arrays or tensors; an interaction is named after its parts, such as ``log10_params:log10_tokens``.
    """
    base = [name for name in covariates if ":" not in name]
    columns = {name: values[..., place] for place, name in enumerate(base)}
    return [reduce(mul, [columns[part] for part in name.split(":")]) for name in covariates]


def observed_cells(evals: Evals, items: np.ndarray) -> dict[str, np.ndarray]:
    """Return scores, which of them were observed, and the log of the binomial coefficient, each (model, benchmark).

    Keys are the names of the model's data containers. Counts are whole numbers: shares are rounded to the nearest item,
    which moves a score by half an item at most (averages over subjects, as MMLU's, are not multiples of an item).
    """
    scores = evals.scores
    m = scores["model"].map({n: i for i, n in enumerate(evals.model_names)}).to_numpy(np.int64)
    b = scores["benchmark"].map({n: i for i, n in enumerate(evals.benchmark_names)}).to_numpy(np.int64)
    y = scores["score"].to_numpy(float)
    shape = (len(evals.model_names), len(items))
    observed, score, log_choose = np.zeros(shape), np.full(shape, 0.5), np.zeros(shape)
    n = items[b]
    hits = np.rint(y * n)
    observed[m, b], score[m, b] = 1.0, hits / n
    log_choose[m, b] = gammaln(n + 1) - gammaln(hits + 1) - gammaln(n - hits + 1)
    return {"observed": observed, "observed_score": score, "log_choose": log_choose}
