"""Posteriors without sampling, for the examples of docstrings and pages: draws around a rough fit to real tables.

They have the names, dims and sizes of sampled ones, and figures of their own: examples show what can be asked, and no
test reads a finding from them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logit
from simulate import Truth, posterior_near

from bayescale import _arviz
from bayescale.evals import Evals, load_evals
from bayescale.evaluation.compare import Assessment, Comparison
from bayescale.methods import Posterior
from bayescale.model import model_data
from bayescale.model.spec import Spec, load_spec

SLOPE = 1.2
# Pages and examples ask for the same ones again and again, and their convergence takes seconds to diagnose.
_MADE: dict[tuple[Any, ...], Posterior] = {}
FAMILIES = ["Llama", "Llama-2", "Llama-3", "Qwen1.5", "Qwen2", "Pythia", "Phi", "Falcon"]
STANDARD = ["MMLU", "ARC-C", "HellaSwag", "Winogrande", "TruthfulQA", "XWinograd", "HumanEval", "GSM8K"]


def example_evals() -> Evals:
    """Eight families of the tables that ship, on their standard benchmarks and two variants of GSM8K."""
    benchmarks = [*STANDARD, "GSM8K direct", "GSM8K CoT + SC"]
    return load_evals("base-llms-all").select(families=FAMILIES, benchmarks=benchmarks)


def rough_posterior(spec: Spec | str, evals: Evals, draws: int = 300, **settings: Any) -> Posterior:
    """In place of `bayescale.fit`, whose arguments it takes: draws around `rough_truth`."""
    chosen = load_spec(spec)
    evals = evals.with_families_of(chosen.family_column)
    asked = (chosen.identity, chosen.name, evals.identity, evals.name, draws)
    if asked not in _MADE:
        _MADE[asked] = posterior_near(evals, rough_truth(evals, chosen), chosen, draws=draws, spread=0.05)
    return _MADE[asked]


def posterior_of_dates() -> Posterior:
    """The spec of dates on makers of the table of the frontier, whose later models do not say their compute."""
    spec, makers = load_spec("dated"), ["OpenAI", "Google", "Meta", "Alibaba", "Mistral AI", "DeepSeek"]
    evals = load_evals("frontier").with_families_of(spec.family_column)
    evals = evals.select(families=makers, benchmarks=["MMLU", "GPQA Diamond", "GSM8K", "MATH level 5", "ARC-C"])
    x = np.nan_to_num(model_data(spec, evals).covariates)
    truth = rough_truth(evals, spec)
    slope = np.outer([1.0, 0.6, 0.8], truth.slope)
    return posterior_near(evals, truth, spec, draws=300, spread=0.05, slope=slope, covariate_value=x)


def rough_truth(evals: Evals, spec: Spec) -> Truth:
    """A line per benchmark through the logits of scores over compute, and what families have beyond it."""
    rng = np.random.default_rng(0)
    scores, table = evals.matrix().to_numpy(), evals.benchmarks
    floor = np.maximum(table["floor"].to_numpy(float), 0.01)
    ceiling = table["ceiling"].to_numpy(float)
    log10_flops = np.log10(evals.models["flops"].to_numpy(float))
    centre = np.nanmean(log10_flops)
    x = np.where(np.isnan(log10_flops), 0.0, log10_flops - centre)
    way = logit(np.clip((scores - floor) / (ceiling - floor), 0.02, 0.98))
    lines = [np.polyfit(x[seen], y[seen], 1) for y, seen in zip(way.T, ~np.isnan(way.T), strict=True)]
    rise, level = np.maximum(np.array([line[0] for line in lines]), 0.3), np.array([line[1] for line in lines])
    beyond = (way - level - np.outer(x, rise)) / (rise / SLOPE)
    families = evals.families
    family = np.array([families.index(name) for name in evals.models["family"]])
    factors = len(model_data(spec, evals).coords["factor"])
    offset = np.zeros((len(families), factors))
    offset[:, 0] = [np.clip(np.nanmedian(beyond[family == f]), -2, 2) for f in range(len(families))]
    slope = np.zeros(factors)
    slope[0] = SLOPE
    loading = 0.2 * rng.standard_normal((len(lines), factors))
    loading[:, 0] = rise / SLOPE
    residual = 0.5 * rng.standard_normal((len(x), factors))
    groups = [t for t, size in table["testlet"].value_counts(sort=False).items() if t and size > 1]
    items = table["items"].to_numpy(float)
    return Truth(
        families=families,
        benchmarks=evals.benchmark_names,
        slope=slope,
        offset=offset,
        loading=loading,
        difficulty=-level,
        benchmark_slope=np.zeros(len(lines)),
        family_benchmark=0.1 * rng.standard_normal((len(families), len(lines))),
        testlet_sd=0.3,
        testlet_index=np.array([groups.index(t) if t in groups else -1 for t in table["testlet"]]),
        floor=floor,
        ceiling=ceiling,
        precision=np.full(len(lines), 400.0),
        specific_sd=np.full(len(lines), 0.2),
        items=np.where(np.isnan(items), np.inf, items),
        centre=float(centre),
        capability=np.outer(x, slope) + offset[family] + residual,
        testlet=0.3 * rng.standard_normal((len(x), max(len(groups), 1))),
        family_of_model=family,
        x=x,
    )


def rough_comparison(posterior: Posterior) -> Comparison:
    """`posterior` beside one of a single factor on the same evals; densities are made up."""
    other = rough_posterior("one_factor", posterior.evals)
    rng, parts = np.random.default_rng(1), {}
    for fitted, shift in ((posterior, 1.0), (other, 0.0)):
        names = posterior.evals.model_names
        by_model = pd.Series(rng.normal(shift, 1, len(names)), names)
        cells = rng.normal(1, 0.2, (4, 50, len(posterior.evals)))
        likelihood = xr.Dataset({"score": (("chain", "draw", "cell"), cells)})
        loo = _arviz.loo(_arviz.inference_data({"log_likelihood": likelihood}), "score", reff=1)
        folds = pd.DataFrame({"left_out": ["model"], "fold": [1], "rhat": [1.0]})
        parts[fitted.spec.name] = Assessment(fitted, loo, {"model": by_model}, folds, 1.0)
    return Comparison(parts, {"family": "Llama-3", "flops": 4e25})
