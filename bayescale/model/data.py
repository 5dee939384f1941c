"""`ModelData`: coordinates, covariates and observed scores of the tables as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import mul
from typing import Any

import numpy as np

from bayescale.errors import EvalsError
from bayescale.evals import Evals
from bayescale.model.compute import ComputePredictors, read_predictors
from bayescale.model.covariates import CovariateColumn, read_covariates, unknown_values
from bayescale.model.curve import SHARE_STEPS
from bayescale.model.curve import log_choose as log_binomial
from bayescale.model.drift import DATE, along_step, step_names
from bayescale.model.measurements import Measurements, read_measurements
from bayescale.model.spec import Spec


@dataclass(frozen=True)
class ModelData:
    """Arrays of one fit; rows follow the tables.

    Attributes
    ----------
    coords : dict of str to list
        ``model, family, benchmark, factor, covariate, testlet``, and what a spec adds: ``drift_step``,
        ``compute_predictor``, ``organization``.
    columns : tuple of CovariateColumn
        The measured covariates: name, kind, centre, scale, which are known.
    covariates : ndarray (model, base covariate)
        Centred and scaled; NaN where unknown.
    covariate_sd : ndarray (model, base covariate)
        Measurement error, of compute in decades; zero where exact, NaN where the value is unknown.
    family_index : ndarray (model,)
    testlet_index : ndarray (benchmark,)
        -1 for a benchmark that is alone.
    items, floor, ceiling : ndarray (benchmark,)
        `items` are `bayescale.model.curve.SHARE_STEPS` where a score is no proportion of items.
    cells : dict of str to ndarray (model, benchmark)
        The scores and which of them were observed, see `observed_cells`.
    predictors : ComputePredictors or None
        What predicts compute, if the spec says so (`Spec.compute_from`).
    measurements : Measurements or None
        How they were measured, if the spec takes account of it (`Spec.repeated_measurements`) and the tables state it.
    """

    coords: dict[str, list[str]]
    columns: tuple[CovariateColumn, ...]
    covariates: np.ndarray
    covariate_sd: np.ndarray
    family_index: np.ndarray
    testlet_index: np.ndarray
    items: np.ndarray
    floor: np.ndarray
    ceiling: np.ndarray
    cells: dict[str, np.ndarray]
    measurements: Measurements | None = None
    predictors: ComputePredictors | None = None

    @property
    def terms(self) -> list[str]:
        """Names of all that capability is linear in: covariates, interactions, and the steps of a drift."""
        return [*self.coords["covariate"], *self.coords.get("drift_step", [])]

    @property
    def years(self) -> np.ndarray:
        """Decimal years of release (model,), NaN where unknown; for specs with dates."""
        place = self.column(DATE)
        return self.covariates[:, place] + self.columns[place].centre

    @property
    def centre(self) -> np.ndarray:
        """What was subtracted from each measured covariate (base covariate,)."""
        return np.array([column.centre for column in self.columns])

    @property
    def compute(self) -> CovariateColumn:
        """The column of training compute."""
        return self.columns[self.column("log10_flops")]

    def column(self, covariate: str) -> int:
        """Return the place of a measured covariate among them, as on the last axis of `covariates`."""
        return [column.name for column in self.columns].index(covariate)

    def place(self, covariate: str) -> int:
        """Return the place of a covariate among all, interactions too, as on the dim ``covariate``."""
        return self.coords["covariate"].index(covariate)


def model_data(spec: Spec, evals: Evals) -> ModelData:
    """Collect the arrays that the model of `spec` needs from `evals`."""
    evals = evals.with_families_of(spec.family_column)
    models, benchmarks = evals.models, evals.benchmarks
    if evals.n_scores == 0:
        raise EvalsError("There is no score to fit: every score was masked or deselected.")
    families = evals.families
    groups = benchmarks["testlet"].where(benchmarks["testlet"] != "")
    shared = [g for g in groups.dropna().unique() if (groups == g).sum() > 1] if spec.testlets else []
    columns, values = read_covariates(spec.base_covariates, models)
    refused = [
        unknown_values(c, evals.model_names)
        for c in columns
        if not c.known.all() and (c.kind == "flag" or spec.latent_prior(c.name) is None)
    ]
    if refused:
        raise EvalsError("\n".join(refused))
    error = np.where(np.isnan(values), np.nan, 0.0)
    # Below a millionth of a decade compute is exact, and above a thousand unknown: squares of others leave no numbers.
    stated = models["flops_log10_sd"].to_numpy(float)
    stated = np.where(stated < 1e-6, 0.0, np.minimum(stated, 1e3))
    if "log10_flops" in spec.base_covariates:
        error[:, spec.base_covariates.index("log10_flops")] += np.nan_to_num(stated)
    items = benchmarks["items"].to_numpy(float)
    if spec.likelihood == "beta":
        items = np.full_like(items, np.nan)
    items = np.where(np.isnan(items), SHARE_STEPS, items)
    measurements = read_measurements(evals, items) if spec.repeated_measurements else None
    how = {} if measurements is None else measurements.coords(evals.model_names, evals.benchmark_names)
    factors = spec.factors_for(len(evals.benchmark_names), evals.scores["model"].nunique())
    predictors = read_predictors(spec, models)
    return ModelData(
        coords={
            "model": evals.model_names,
            "family": families,
            "benchmark": evals.benchmark_names,
            "factor": [f"capability {k + 1}" for k in range(factors)],
            "covariate": list(spec.covariates),
            "testlet": [str(g) for g in shared],
            **how,
            **({"drift_step": step_names(values[:, spec.base_covariates.index(DATE)])} if spec.drift else {}),
            **({} if predictors is None else predictors.coords),
        },
        columns=columns,
        covariates=values,
        covariate_sd=error,
        family_index=models["family"].map({f: i for i, f in enumerate(families)}).to_numpy(int),
        testlet_index=groups.map({g: i for i, g in enumerate(shared)}).fillna(-1).to_numpy(int),
        items=items,
        floor=benchmarks["floor"].to_numpy(float),
        ceiling=benchmarks["ceiling"].to_numpy(float),
        cells=observed_cells(evals, items),
        measurements=measurements,
        predictors=predictors,
    )


def covariate_prior(spec: Spec, data: ModelData) -> tuple[np.ndarray, np.ndarray]:
    """Return the prior mean and sd of the covariates, each (model, base covariate); sd 0 where they are exact.

    The product of prior and measurement, both normal, is normal; without a measurement it is the prior.
    """
    # A column without such a prior is known throughout.
    priors = [spec.latent_prior(c.name) or spec.priors.latent_covariate for c in data.columns]
    mu, sigma = np.array([prior.location_and_scale for prior in priors]).T
    known, exact = np.nan_to_num(data.covariates), data.covariate_sd == 0
    with np.errstate(divide="ignore"):
        measured = np.where(exact, 0.0, np.nan_to_num(1 / np.square(data.covariate_sd)))
    weight = 1 / sigma**2 + measured
    mean = (mu / sigma**2 + known * measured) / weight
    return np.where(exact, known, mean), np.where(exact, 0.0, 1 / np.sqrt(weight))


def unknown_cells(data: ModelData) -> tuple[np.ndarray, np.ndarray]:
    """Return rows and columns of the base covariates (model, base covariate) that are unknown or uncertain."""
    rows, columns = np.nonzero(data.covariate_sd != 0)  # NaN where nothing is stated
    return rows.copy(), columns.copy()  # views of one array otherwise, which Numba would not keep on disk


def design(values: Any, terms: Sequence[str]) -> list[Any]:
    """Return the columns of terms (`ModelData.terms`) from the measured covariates (..., base covariate).

    Arrays or tensors; an interaction is named after its parts, such as ``log10_params:log10_tokens``, and the step of a
    drift as `bayescale.model.drift.step_names` does.
    """
    columns: dict[str, Any] = {}
    for name in terms:
        step = along_step(name, columns.get(DATE))
        if step is None and ":" not in name:
            columns[name] = values[..., len(columns)]
        elif step is not None:
            columns[name] = step
    return [columns[name] if name in columns else reduce(mul, map(columns.get, name.split(":"))) for name in terms]


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
    log_choose[m, b] = log_binomial(n, hits)
    return {"observed": observed, "observed_score": score, "log_choose": log_choose}
