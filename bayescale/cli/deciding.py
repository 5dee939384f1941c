"""The commands that answer a question with a verb of the posterior, under the name that the verb has in Python."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from bayescale._intervals import PROB, named, tails
from bayescale.cli import completion, options, show

if TYPE_CHECKING:
    import pandas as pd

    from bayescale._display import Result
    from bayescale.methods import Posterior

Models = Annotated[list[str] | None, typer.Option(metavar="NAME", help="Model in the data; repeatable.")]
Benchmarks = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="Benchmark in the data; repeatable.", autocompletion=completion.benchmarks),
]
Reference = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Family to compare with.",
        show_default="the one with the most models",
        autocompletion=completion.families,
    ),
]
Along = Annotated[
    Literal["benchmarks", "capabilities"], typer.Option(help="Compare families in logits, or in capability space.")
]
BenchmarkArgument = Annotated[
    str, typer.Argument(metavar="BENCHMARK", help="Benchmark in the data.", autocompletion=completion.benchmarks)
]


def _answer(
    fitted: Posterior,
    result: Result,
    output: tuple[float, Path | None, bool, Path | None],
    about: Mapping[str, Any],
    table: pd.DataFrame | None = None,
    draw: Callable[[], Any] | None = None,
) -> None:
    """Write the table and plot of a result, and print it, as text or JSON; `output` are --prob, --csv, --json, --plot.

    A `table` other than the result's summary is printed too.
    """
    from bayescale.cli import files

    prob, csv, json, plot = output
    written = result.summary(prob=prob) if table is None else table
    files.write_results(written, csv, draw or (lambda: result.plot(prob=prob)), plot)
    show.warn_unconverged(fitted.convergence)
    if json:
        show.document(
            show.about(fitted),
            dict(about),
            {str(name): value for name, value in written.attrs.items()},
            {"rows": written.to_dict("records")},
        )
        return
    show.say(result.text(prob=prob).rsplit("\nNext:", 1)[0])
    if table is not None:
        show.result_table(table)


def _load(posterior: Path, prob: float, csv: Path | None, plot: Path | None) -> Posterior:
    """Check the options of the output, then read the posterior."""
    from bayescale.cli.files import check_targets
    from bayescale.methods import Posterior

    tails(prob)
    check_targets(csv, plot=plot)
    return Posterior.load(posterior)


def _family(family: str | None, new: bool) -> str | None:
    """Return the family of --family or --new-family; None for the default."""
    return options.family_of(family, new) if new else family


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
    fitted = _load(posterior, prob, csv, plot)
    result = fitted.predict(models, benchmarks, random_seed=random_seed)
    _answer(fitted, result, (prob, csv, json, plot), {"random_seed": random_seed})


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
    fitted = _load(posterior, prob, csv, plot)
    _answer(fitted, fitted.progress(), (prob, csv, json, plot), {})


def required_compute(
    posterior: options.PosteriorFile,
    above: Annotated[str, typer.Option(metavar="BENCHMARK=SCORE", help="The score to exceed, from 0 to 1.")],
    family: options.Families = None,
    new_family: options.NewFamily = False,
    probability: Annotated[float, typer.Option(metavar="P", help="Wanted probability of exceeding it.")] = PROB,
    flops_per_dollar: Annotated[
        float | None, typer.Option(metavar="X", help="Training compute that a dollar buys, such as 5e17: adds costs.")
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Find the training compute with which a model measures above a score, with a given probability.

    Families are put side by side: repeat --family, and add --new-family. The command also gives the compute at which
    the expected score of one model crosses the threshold, with its credible interval; with --flops-per-dollar, also
    what this compute costs.
    """
    from bayescale.forecast import NEW_FAMILY

    ((benchmark, score),) = options.known_scores([above], "--above").items()
    fitted = _load(posterior, prob, csv, plot)
    families = [*(family or []), *([NEW_FAMILY] if new_family else [])] or None
    result = fitted.required_compute(benchmark, score, families, probability=probability, random_seed=random_seed)
    costs = None if flops_per_dollar is None else result.costs(flops_per_dollar, prob=prob)
    about = {"benchmark": benchmark, "above": score, "probability": probability, "random_seed": random_seed}
    _answer(fitted, result, (prob, csv, json, plot), about, costs)


def compute(
    posterior: options.PosteriorFile,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Estimate the training compute of models in the data that do not state it.

    The terminal shows the first of them; --csv writes all models.
    """
    fitted = _load(posterior, prob, csv, plot)
    _answer(fitted, fitted.compute(), (prob, csv, json, plot), {})


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
    ((benchmark, score),) = options.known_scores([above], "--above").items()
    fitted = _load(posterior, prob, csv, plot)
    result = fitted.when(benchmark, score, organization, random_seed=random_seed)
    _answer(fitted, result, (prob, csv, json, plot), {"until": result.until, "random_seed": random_seed})


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
    fitted = _load(posterior, PROB, csv, plot)
    prediction = fitted.predict(model, random_seed=random_seed)
    result = fitted.suggest_benchmarks(prediction, budget, targets=targets, candidates=candidates, cost=cost)
    about = {"model": model, "budget": budget, "cost": result.cost, "least": result.least, "random_seed": random_seed}
    _answer(fitted, result, (PROB, csv, json, plot), about, draw=result.plot)


def probability(
    posterior: options.PosteriorFile,
    above: Annotated[
        list[str] | None, typer.Option(metavar="BENCHMARK=SCORE", help="A score to exceed, from 0 to 1; repeatable.")
    ] = None,
    below: Annotated[
        list[str] | None, typer.Option(metavar="BENCHMARK=SCORE", help="A score to stay below; repeatable.")
    ] = None,
    family: options.Families = None,
    new_family: options.NewFamily = False,
    flops: options.NewModelFlops = None,
    params: options.Params = None,
    tokens: options.Tokens = None,
    released: options.Released = None,
    organization: options.Makers = None,
    settings: options.Settings = None,
    given: options.Given = None,
    random_seed: options.RandomSeed = options.SEED,
    csv: options.Csv = None,
    json: options.AsJson = False,
) -> None:
    """Compute the probability that a larger or unseen model measures above or below given scores, all of them together.

    The model is described as for `forecast`. Several models are put side by side.
    """
    from bayescale.cli import files

    columns: dict[str, Any] = options.columns(settings, released, organization)
    chosen = options.family_of(family, new_family, columns)
    high, low = options.known_scores(above or [], "--above"), options.known_scores(below or [], "--below")
    if not (high or low):
        raise typer.BadParameter("say which scores, such as --above MMLU=0.9.", param_hint="--above")
    scores = options.known_scores(given or [])
    fitted = _load(posterior, PROB, csv, None)
    forecast = fitted.forecast(
        family=chosen, flops=flops, params=params, tokens=tokens, given=scores,
        random_seed=random_seed, **columns,
    )  # fmt: skip
    table = forecast.probability(above=high, below=low)
    if csv:
        files.write_table(table, csv)
    show.warn_unconverged(fitted.convergence)
    if json:
        about = {"above": high, "below": low, "given": scores, "random_seed": random_seed}
        show.document(show.about(fitted), about, {"probabilities": table.to_dict("records")})
    else:
        show.probabilities(table, high, low)
    files.written(csv)


def compute_optimal(
    posterior: options.PosteriorFile,
    flops: Annotated[float, typer.Option(metavar="X", help="The budget: training compute in FLOP, such as 1e25.")],
    family: options.Family = None,
    new_family: options.NewFamily = False,
    benchmarks: Benchmarks = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Find parameters and training tokens with which a compute budget attains the highest expected scores.

    For specs with the covariates log10_params, log10_tokens and log10_params:log10_tokens. The command maximises the
    mean score over all benchmarks, or over those of --benchmarks.
    """
    chosen = options.family_of(family, new_family) or ""
    fitted = _load(posterior, prob, csv, plot)
    result = fitted.compute_optimal(flops, chosen, benchmarks, random_seed=random_seed)
    about = {"flops": flops, "family": chosen, "at_edge": result.at_edge, "random_seed": random_seed}
    _answer(fitted, result, (prob, csv, json, plot), about)


def efficiency(
    posterior: options.PosteriorFile,
    reference: Reference = None,
    along: Along = "benchmarks",
    by: Annotated[
        Literal["family", "benchmark", "model"],
        typer.Option(help="Overall, for each benchmark, or the equivalent compute of each model."),
    ] = "family",
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Compare families by compute efficiency: the multiple of compute that the reference family would need.

    A family with multiplier 2 reaches with C FLOP what the reference reaches with 2 C.
    """
    from bayescale.analysis.efficiency import MOST_LINES

    fitted = _load(posterior, prob, csv, plot)
    result = fitted.efficiency(reference, along)
    about = {"reference": result.reference, "along": along, "by": by, "no_slope": result.no_slope}
    shown = by == "family" and len(result.families) <= MOST_LINES  # in the text of the result
    table = None if shown else result.summary(prob=prob, by=by)
    _answer(fitted, result, (prob, csv, json, plot), about, table)


def equivalent_flops(
    posterior: options.PosteriorFile,
    reference: Reference = None,
    of: Annotated[
        Literal["typical", "single"], typer.Option(help="A typical model of the same family and compute, or the model.")
    ] = "typical",
    along: Along = "benchmarks",
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
) -> None:
    """Find the compute with which the reference family reaches the capability of each model in the data."""
    from bayescale.cli import files

    fitted = _load(posterior, prob, csv, None)
    result = fitted.efficiency(reference, along)
    table = result.summary(prob=prob, by="model", of=of)
    if csv:
        files.write_table(table, csv)
    files.written(csv)
    show.warn_unconverged(fitted.convergence)
    if json:
        about = {"reference": result.reference, "of": of, "along": along}
        stated = {str(name): value for name, value in table.attrs.items()}
        show.document(show.about(fitted), about, stated, {"rows": table.to_dict("records")})
    else:
        head = f"Compute in FLOP with which {result.reference} reaches each model: median"
        show.say(f"{head} [{named(prob)} credible interval]")
        show.result_table(table)


def emergence(
    posterior: options.PosteriorFile,
    benchmark: BenchmarkArgument,
    family: options.Family = None,
    new_family: options.NewFamily = False,
    scores: Annotated[
        list[float] | None,
        typer.Option(metavar="SCORE", help="A score to pass, from 0 to 1; repeatable.", show_default="half way"),
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Find the training compute at which the expected score of a family passes half way, or other scores.

    The table has a typical model of the family and a single one with its own residual.
    """
    fitted = _load(posterior, prob, csv, plot)
    result = fitted.emergence(benchmark, _family(family, new_family), random_seed=random_seed)
    table = result.summary(scores or (), prob=prob)
    score = scores[0] if scores else None
    output, about = (prob, csv, json, plot), {"random_seed": random_seed}
    _answer(fitted, result, output, about, table, lambda: result.plot(score, prob=prob))


def uplift(
    posterior: options.PosteriorFile,
    benchmark: BenchmarkArgument,
    baseline: Annotated[
        str,
        typer.Option(metavar="NAME", help="The benchmark without the technique.", autocompletion=completion.benchmarks),
    ],
    family: options.Family = None,
    new_family: options.NewFamily = False,
    flops: Annotated[
        list[float] | None,
        typer.Option(metavar="X", help="Training compute in FLOP; repeatable.", show_default="powers of ten"),
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Show what a post-training technique adds to a score, over the training compute of a family.

    BENCHMARK is measured with the technique, --baseline without it, such as GSM8K with and without chain of thought.
    """
    fitted = _load(posterior, prob, csv, plot)
    result = fitted.uplift(benchmark, baseline, _family(family, new_family), random_seed=random_seed)
    about = {"random_seed": random_seed}
    _answer(fitted, result, (prob, csv, json, plot), about, result.summary(flops, prob=prob))


def explained_variance(
    posterior: options.PosteriorFile,
    target: BenchmarkArgument,
    benchmarks: Benchmarks = None,
    family: options.Family = None,
    flops: Annotated[float | None, options.model(metavar="X", help="Its training compute in FLOP.")] = None,
    model: Annotated[str | None, options.model(metavar="NAME", help="Instead: a model in the data.")] = None,
    random_seed: options.RandomSeed = options.SEED,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Show how much of the variance of a forecast the scores on other benchmarks would explain.

    BENCHMARK is forecast; --benchmarks would be known (default all others). The model is a new one of --family and
    --flops, else of a new family and unknown compute.
    """
    fitted = _load(posterior, PROB, csv, plot)
    result = fitted.explained_variance(
        target, benchmarks, family=family, flops=flops, model=model, random_seed=random_seed
    )
    about = {"model": result.model, "sd": result.sd, "sd_left": result.sd_left, "together": result.together}
    about |= {"random_seed": random_seed}
    _answer(fitted, result, (PROB, csv, json, plot), about, draw=result.plot)


def factors(
    posterior: options.PosteriorFile,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Show the capabilities (factors): suggested names, shares of variance, and how well the data determine them."""
    fitted = _load(posterior, prob, csv, plot)
    _answer(fitted, fitted.factors, (prob, csv, json, plot), {})
