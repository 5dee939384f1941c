"""The commands that answer a decision: `predict`, `progress`, `required-compute`, `when`, `suggest-benchmarks`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale._intervals import PROB, tails
from bayescale.cli import completion, options, show

if TYPE_CHECKING:
    from bayescale._display import Result
    from bayescale.methods import Posterior

Models = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Model in the data; repeatable.")]
Benchmarks = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Benchmark in the data; repeatable.", autocompletion=completion.benchmarks),
]


def _answer(
    fitted: Posterior, result: Result, prob: float, csv: Path | None, json: bool, plot: Path | None, **about: Any
) -> None:
    """Write the table and plot of a result, and print it, as text or JSON."""
    from bayescale.cli import files

    table = result.summary(prob=prob)
    files.write_results(table, csv, result.plot, plot)
    show.warn_unconverged(fitted.convergence)
    if json:
        show.document(
            show.about(fitted),
            about,
            {str(name): value for name, value in table.attrs.items()},
            {"rows": table.to_dict("records")},
        )
    else:
        show.say(str(result).rsplit("\nNext:", 1)[0])


def predict(
    posterior: options.PosteriorFile,
    models: Models = None,
    benchmarks: Benchmarks = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Predict scores of models in the data, on benchmarks with a score and without one.

    The table has median and equal-tailed credible interval of the score you would measure, beside the observed score if
    there is one. The terminal shows the first models and benchmarks; --csv writes all.
    """
    from bayescale.cli.files import check_targets
    from bayescale.methods import Posterior

    tails(prob)
    check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    result = fitted.predict(models, benchmarks, random_seed=random_seed)
    _answer(fitted, result, prob, csv, json, plot, random_seed=random_seed)


def progress(
    posterior: options.PosteriorFile,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Show what a year brings at equal compute, in decades of compute and in logits.

    The spec must have release dates, as dated has. Overall and per benchmark, over all models, those that were the best
    of their day, and those with open weights. The terminal shows the overall figures; --csv writes all.
    """
    from bayescale.cli.files import check_targets
    from bayescale.methods import Posterior

    tails(prob)
    check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    _answer(fitted, fitted.progress(), prob, csv, json, plot)


def required_compute(
    posterior: options.PosteriorFile,
    above: Annotated[str, typer.Option(metavar="BENCHMARK=SCORE", help="The score to exceed, from 0 to 1.")],
    family: options.Families = None,
    new_family: options.NewFamily = False,
    probability: Annotated[float, typer.Option(metavar="P", help="Wanted probability of exceeding it.")] = PROB,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Find the training compute with which a model measures above a score, with a given probability.

    Families are put side by side: repeat --family, and add --new-family. The command also gives the compute at which
    the expected score of one model crosses the threshold, with its credible interval.
    """
    from bayescale.cli.files import check_targets
    from bayescale.forecast import NEW_FAMILY
    from bayescale.methods import Posterior

    ((benchmark, score),) = options.known_scores([above], "--above").items()
    tails(prob)
    check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    families = [*(family or []), *([NEW_FAMILY] if new_family else [])] or None
    result = fitted.required_compute(benchmark, score, families, probability=probability, random_seed=random_seed)
    about = {"benchmark": benchmark, "above": score, "probability": probability}
    _answer(fitted, result, prob, csv, json, plot, **about, random_seed=random_seed)


def when(
    posterior: options.PosteriorFile,
    above: Annotated[str, typer.Option(metavar="BENCHMARK=SCORE", help="The score to cross, from 0 to 1.")],
    organization: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Whose models, as in the data; repeatable.")
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Find the date at which the expected score of the best model crosses a threshold.

    For specs with dates that predict undisclosed compute, such as dated. Makers go on releasing models at the pace of
    the last twelve months of the data, for five years.
    """
    from bayescale.cli.files import check_targets
    from bayescale.methods import Posterior

    ((benchmark, score),) = options.known_scores([above], "--above").items()
    tails(prob)
    check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    result = fitted.when(benchmark, score, organization, random_seed=random_seed)
    _answer(fitted, result, prob, csv, json, plot, until=result.until, random_seed=random_seed)


def suggest_benchmarks(
    posterior: options.PosteriorFile,
    model: Annotated[str, typer.Option(metavar="NAME", help="A model in the data.")],
    budget: Annotated[float, typer.Option(metavar="N", help="Number of benchmarks, or with --cost their total cost.")],
    targets: Benchmarks = None,
    candidates: Benchmarks = None,
    cost: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of benchmarks.csv with the cost, such as items.")
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Choose the benchmarks to run next on a model in the data.

    The command picks the benchmarks whose scores are most informative about the model's scores on the others, without a
    score so far (or --targets). It prints them with the forecast variance that remains after each.
    """
    from bayescale.cli.files import check_targets
    from bayescale.methods import Posterior

    check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    prediction = fitted.predict(model, random_seed=random_seed)
    result = fitted.suggest_benchmarks(prediction, budget, targets=targets, candidates=candidates, cost=cost)
    about = {"model": model, "budget": budget, "cost": result.cost, "least": result.least, "random_seed": random_seed}
    _answer(fitted, result, PROB, csv, json, plot, **about)
