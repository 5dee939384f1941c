"""Plots of the gallery and their inputs: one function each, whose source the page shows.

To add a plot, write a function under `@picture("Title")`. Its arguments name its inputs (functions under `@source`),
its docstring is the text on the page, and its last line returns axes or a figure.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import bayescale as bs
from bayescale import plots
from bayescale.evaluation.backtest import backtest

SOURCES: dict[str, Callable[..., Any]] = {}
PICTURES: dict[str, Callable[..., Any]] = {}
TITLES: dict[str, str] = {}
CHAPTERS: dict[str, str] = {}  # by the name of the first plot


def source(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register an input of plots, under the name of the function."""
    SOURCES[function.__name__] = function
    return function


def picture(title: str, chapter: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a plot, and the chapter that it opens."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        name = function.__name__
        PICTURES[name], TITLES[name] = function, title
        if chapter:
            CHAPTERS[name] = chapter
        return function

    return register


@source
def evals():
    return bs.load_evals("base-llms")


@source
def prior(evals):
    return bs.prior_predictive("default", evals, random_seed=1)


@source
def posterior(evals):
    return bs.fit("default", evals, random_seed=1)


@source
def check(posterior):
    return posterior.predictive_check(random_seed=0)


@source
def forecast(posterior):
    return posterior.forecast(family=["Llama-3", "Qwen1.5", bs.NEW_FAMILY], flops=[4e25, 1e25, 1e26], random_seed=0)


@source
def efficiency(posterior):
    return posterior.efficiency(reference="Llama-2")


@source
def dated(evals):
    # Release dates beside compute; seven models have none.
    priors = {"latent_covariate[released]": "Normal(0, 0.7)"}
    spec = bs.load_spec("default").replace(name="dated", covariates=["log10_flops", "released"], priors=priors)
    return bs.fit(spec, evals, random_seed=1)


@source
def comparison(evals):
    # Few models and factors, to sample in minutes. Scores on TruthfulQA first fall: on so few models their curve has
    # two modes.
    few = evals.select(
        families=["Llama", "Llama-2", "Llama-3", "Qwen1.5", "Pythia", "OPT", "Falcon", "Yi"],
        benchmarks=["MMLU", "ARC-C", "HellaSwag", "Winogrande", "XWinograd", "GSM8K", "HumanEval"],
    )
    question = {"family": "Llama-3", "flops": 4e25}
    return bs.scan_factors("default", few, [1, 2, 3], forecast=question, folds=2, draws=3000, random_seed=1)


@source
def techniques():
    known = bs.load_evals("base-llms-all")
    plain = ["MMLU", "ARC-C", "HellaSwag", "Winogrande", "TruthfulQA", "XWinograd", "HumanEval"]
    return bs.fit("default", known.select(benchmarks=[*plain, "GSM8K direct", "GSM8K CoT + SC"]), random_seed=1)


@source
def result():
    methods = ["default", "pc_3", "family_compute", "last_sibling"]
    return backtest(methods, tasks=["emergent"], directory="backtest-fits")


@picture("Scores on one benchmark", chapter="The data")
def scores(evals):
    """Observed scores over training compute, three families marked. Scores of each family rise from the guessing floor
    along S-shaped curves.
    """
    return plots.plot_scores(evals, "MMLU", families=["Llama-2", "Qwen1.5", "Pythia"])


@picture("All benchmarks on a page")
def evals_overview(evals):
    """The same for every benchmark."""
    return plots.plot_evals(evals, families=["Llama-2", "Qwen1.5", "Pythia"])


@picture("Prior predictive of one benchmark", chapter="Priors")
def prior_curves(prior):
    """Curves over compute that the priors alone imply. Nearly every curve is possible; a prior that excluded the
    observed scores (dots) would be wrong.
    """
    return plots.plot_prior_curves(prior, "GSM8K")


@picture("Prior predictive of several benchmarks")
def prior_page(prior):
    """The same for several benchmarks with different floors and numbers of items."""
    return plots.plot_prior_predictive(prior, ["MMLU", "GSM8K", "TruthfulQA"])


@picture("Forecasts over compute", chapter="Forecasts")
def fan(forecast):
    """Observed scores of families (filled), forecasts of larger models of theirs, and of a new family, whose band also
    includes the variation between families.
    """
    return plots.plot_fan(forecast, "GSM8K")


@picture("Forecasts on every benchmark")
def forecast_page(forecast):
    """The same for every benchmark."""
    return plots.plot_forecast(forecast)


@picture("One interval per benchmark and model")
def intervals(forecast):
    """The same forecasts without compute: some scores are nearly certain, others wide open."""
    return plots.plot_intervals(forecast)


@picture("Families as compute multipliers", chapter="Efficiency")
def efficiency_forest(efficiency):
    """Worth of one FLOP of each family in FLOP of Llama-2. Filled families are more or less efficient with probability
    95% or more; open ones may be as efficient.
    """
    return plots.plot_efficiency(efficiency)


@picture("Efficiency on one benchmark")
def efficiency_on_code(efficiency):
    """The same on HumanEval for some families: those trained on code are far ahead."""
    chosen = ["DeepSeek-Coder", "StarCoder2", "CodeLlama", "Llama-3", "Qwen1.5", "Pythia"]
    return plots.plot_efficiency(efficiency, benchmark="HumanEval", families=chosen)


@picture("Capability over compute")
def capability_over_compute(posterior):
    """Families are parallel lines, and the horizontal distance between two lines is their difference in efficiency."""
    return plots.plot_capability_over_compute(posterior)


@picture("Effect of a covariate")
def effect(dated):
    """Worth of a year of release date at equal compute, on each benchmark, in logits: large where models calculate and
    answer examination questions, small where they complete sentences.
    """
    return plots.plot_effect(dated.effect("released"))


@picture("Where a score emerges", chapter="Emergence")
def emergence(posterior):
    """GSM8K of all models over their compute equivalent in FLOP of Llama-2: the apparent jump is the steep part of one
    curve. The bar is the compute at which a typical Llama-2 passes 50%.
    """
    return plots.plot_emergence(posterior.emergence("GSM8K", "Llama-2", random_seed=0), score=0.5)


@picture("Uplift of a technique", chapter="Post-training")
def uplift(techniques):
    """Uplift of chain of thought with self-consistency over direct answers on GSM8K, over Llama-2's compute: none for
    small models, and nearly half of all questions for large ones.
    """
    return plots.plot_uplift(techniques.uplift("GSM8K CoT + SC", "GSM8K direct", family="Llama-2", random_seed=0))


@picture("Which scores explain a forecast", chapter="Explained variance")
def explained_variance(posterior):
    """Share of the variance of a HumanEval forecast that each other score explains, alone (pale) and beyond all others
    (dark).
    """
    return plots.plot_explained_variance(posterior.explained_variance("HumanEval", random_seed=0))


@picture("Loadings", chapter="Capabilities")
def loadings(posterior):
    """Loadings of benchmarks on capabilities, after alignment; pale cells may be zero."""
    return plots.plot_loadings(posterior)


@picture("Models in the plane of two capabilities")
def capability_map(posterior):
    """Families move up and to the right with compute, each on its own path: some are better at code than others of the
    same general capability.
    """
    return plots.plot_capability_map(posterior)


@picture("Shares of variance")
def variance_shares(posterior):
    """Shares of principal components in the variance of expected scores between models: one component dominates."""
    return plots.plot_variance_shares(posterior, scale="score")


@picture("Posterior predictive check of one benchmark", chapter="Checks")
def pit(check):
    """PIT values of the observed scores of one benchmark among their replications: a line inside the band is as
    expected.
    """
    return plots.plot_pit(check, "MMLU")


@picture("Posterior predictive check of every benchmark")
def predictive_check(check):
    """Scores of each model among forecasts that leave it out: of the right model, all lines are inside their bands
    with probability 95%.
    """
    return plots.plot_predictive_check(check)


@picture("Which spec predicts best", chapter="Comparing specs")
def elpd(comparison):
    """Difference in elpd of left-out models to the best number of capabilities, in nats. The data do not distinguish a
    spec whose bar reaches zero from the best.
    """
    return plots.plot_elpd(comparison)


@picture("One forecast under several specs")
def forecasts_by_spec(comparison):
    """One forecast under each spec of a comparison: with one capability intervals are wider."""
    return plots.plot_forecasts_by_spec(comparison)


@picture("Which models to evaluate next", chapter="Optimal design")
def suggestion(posterior):
    """Share of the forecast variance of all other models on a new benchmark that remains after each chosen model: a
    twentieth after a dozen models.
    """
    return plots.plot_suggestion(posterior.suggest_models(12, random_seed=0))


@picture("Forecasts of one task and observed scores", chapter="Backtests")
def backtest_task(result):
    """Each bar is the interval of a large model whose score was hidden, on the diagonal if the forecast was right.
    Crosses are the paper's method.
    """
    return plots.plot_backtest_task(result, "emergent/word_unscrambling")


@picture("Forecasts of several tasks")
def backtest_forecasts(result):
    """The emergent tasks of the paper, forecast from models up to Llama-2 7B."""
    return plots.plot_backtest_forecasts(result)


@picture("Errors relative to the paper's method")
def backtest_errors(result):
    """Test error of each method, one marker per task; the thick line is the geometric mean, the thin one its 90%
    interval.
    """
    return plots.plot_backtest_errors(result)


@picture("Coverage of intervals")
def backtest_calibration(result):
    """Share of observed scores inside intervals of each nominal probability; below the diagonal intervals are too
    narrow.
    """
    return plots.plot_backtest_calibration(result)
