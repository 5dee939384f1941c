"""The pictures of the gallery and what they are made of: one function each, whose text is what the page shows.

To add a picture, write a function under `@picture("Title")`: its arguments name what it is made of (functions under
`@source`), its docstring is what the page says, its last line returns axes or a figure.
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
CHAPTERS: dict[str, str] = {}  # by the name of the first picture


def source(function: Callable[..., Any]) -> Callable[..., Any]:
    """Register what pictures are made of, under the name of the function."""
    SOURCES[function.__name__] = function
    return function


def picture(title: str, chapter: str = "") -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a picture, and the chapter that it opens."""

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
def comparison(evals):
    # Few models and factors, for a picture in minutes; notebook 03 has the whole scan.
    few = evals.select(families=["Llama", "Llama-2", "Llama-3", "Qwen1.5", "Pythia", "OPT", "Falcon", "Yi"])
    question = {"family": "Llama-3", "flops": 4e25}
    return bs.scan_factors("default", few, [1, 2, 3], forecast=question, folds=2, random_seed=1)


@source
def techniques():
    known = bs.load_evals("base-llms-all")
    plain = ["MMLU", "ARC-C", "HellaSwag", "Winogrande", "TruthfulQA", "XWinograd", "HumanEval"]
    return bs.fit("default", known.select(benchmarks=[*plain, "GSM8K direct", "GSM8K CoT + SC"]), random_seed=1)


@source
def found():
    methods = ["default", "pc_3", "family_compute", "last_sibling"]
    return backtest(methods, tasks=["emergent"], directory="backtest-fits")


@picture("Scores on one benchmark", chapter="The data")
def scores(evals):
    """Every observed score over training compute, three families marked: families run side by side along S-shaped
    curves that leave the guessing floor.
    """
    return plots.plot_scores(evals, "MMLU", families=["Llama-2", "Qwen1.5", "Pythia"])


@picture("All benchmarks on a page")
def evals_overview(evals):
    """The same for every benchmark."""
    return plots.plot_evals(evals, families=["Llama-2", "Qwen1.5", "Pythia"])


@picture("What the priors say of one benchmark", chapter="Before the data")
def prior_curves(prior):
    """Curves over compute that the priors alone hold possible; no score was looked at. Nearly everything is: a prior
    that ruled out what is observed (dots) would be wrong.
    """
    return plots.plot_prior_curves(prior, "GSM8K")


@picture("What the priors say of several benchmarks")
def prior_page(prior):
    """The same for several benchmarks, whose floors and items differ."""
    return plots.plot_prior_predictive(prior, ["MMLU", "GSM8K", "TruthfulQA"])


@picture("Forecasts over compute", chapter="Forecasts")
def fan(forecast):
    """The fan of one benchmark: where families stand (filled), where larger models of theirs will, and a family never
    seen, whose band is wider by all that families differ.
    """
    return plots.plot_fan(forecast, "GSM8K")


@picture("Forecasts on every benchmark")
def forecast_page(forecast):
    """All fans on a page."""
    return plots.plot_forecast(forecast)


@picture("One interval a benchmark and model")
def intervals(forecast):
    """The same forecasts without compute: which scores are nearly certain, and which are anybody's guess."""
    return plots.plot_intervals(forecast)


@picture("Families as compute multipliers", chapter="Efficiency")
def efficiency_forest(efficiency):
    """What a FLOP of each family is worth in FLOP of Llama-2. Filled families are more or less efficient with 95%
    probability or more; open ones may be as efficient.
    """
    return plots.plot_efficiency(efficiency)


@picture("Efficiency on one benchmark")
def efficiency_on_code(efficiency):
    """The same on HumanEval, some families only: those trained on code are far ahead there."""
    chosen = ["DeepSeek-Coder", "StarCoder2", "CodeLlama", "Llama-3", "Qwen1.5", "Pythia"]
    return plots.plot_efficiency(efficiency, benchmark="HumanEval", families=chosen)


@picture("Capability over compute")
def capability_over_compute(posterior):
    """One law for all: families are parallel lines, and how far one lies to the left of another is what it is more
    efficient.
    """
    return plots.plot_capability_over_compute(posterior)


@picture("Where a score emerges", chapter="Emergence")
def emergence(posterior):
    """GSM8K of all models at the compute that their capability is worth in Llama-2's: what looks like a jump is the
    steep part of one curve. The bar is where a typical Llama-2 passes 50%.
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
    """Share of the variance of a HumanEval forecast that each other score would explain, alone (pale), and beyond all
    others (dark).
    """
    return plots.plot_explained_variance(posterior.explained_variance("HumanEval", random_seed=0))


@picture("Loadings", chapter="Capabilities")
def loadings(posterior):
    """Which benchmarks speak of which capability, after alignment; pale cells may be zero."""
    return plots.plot_loadings(posterior)


@picture("Models in the plane of two capabilities")
def capability_map(posterior):
    """Families move up and to the right with compute, each on a path of its own: some are better at code than others
    of the same general capability.
    """
    return plots.plot_capability_map(posterior)


@picture("How many dimensions there are")
def variance_shares(posterior):
    """Shares of the variance of expected scores between models: one dimension carries most of it."""
    return plots.plot_variance_shares(posterior, scale="score")


@picture("Would this posterior produce such scores?", chapter="Checks")
def pit(check):
    """Where the observed scores of one benchmark lie among their replications: a line inside the band is as
    expected.
    """
    return plots.plot_pit(check, "MMLU")


@picture("The same for every benchmark")
def predictive_check(check):
    """Scores that were fitted lie in the middle of their replications too often (light blue); too high, too low or too
    scattered (orange) would be a misfit.
    """
    return plots.plot_predictive_check(check)


@picture("Which spec predicts best", chapter="Comparing specs")
def elpd(comparison):
    """How much worse than the best each number of capabilities predicts models that were never evaluated (nats). A bar
    that reaches zero: as good, for all that the data can tell. Hollow: a fit too short to converge, which says so.
    """
    return plots.plot_elpd(comparison)


@picture("One forecast under several specs")
def forecasts_by_spec(comparison):
    """How far a forecast depends on the spec: here intervals move by less than they are wide."""
    return plots.plot_forecasts_by_spec(comparison)


@picture("Which models to evaluate next", chapter="Choosing models")
def suggestion(posterior):
    """How much of the variance of all other models' scores on a new benchmark is left after each chosen model: after
    a dozen, a twentieth.
    """
    return plots.plot_suggestion(posterior.suggest_models(12, random_seed=0))


@picture("Forecasts of one task and observed scores", chapter="Backtests")
def backtest_task(found):
    """Each bar is a large model whose score was hidden: on the diagonal if it scored as forecast. Crosses are the
    paper's method.
    """
    return plots.plot_backtest_task(found, "emergent/word_unscrambling")


@picture("Forecasts of several tasks")
def backtest_forecasts(found):
    """The emergent tasks of the paper, forecast from models up to Llama-2 7B."""
    return plots.plot_backtest_forecasts(found)


@picture("Errors relative to the paper's method")
def backtest_errors(found):
    """Test error of each method, a mark a task; the thick line is the geometric mean, the thin one its 90% interval."""
    return plots.plot_backtest_errors(found)


@picture("Do intervals hold what they promise?")
def backtest_calibration(found):
    """The share of outcomes inside intervals of each nominal probability; below the diagonal they were too narrow."""
    return plots.plot_backtest_calibration(found)
