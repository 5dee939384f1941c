"""The commands that use a posterior: `forecast`, `effect`, `report` and `suggest`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale._intervals import KIND, PROB, tails
from bayescale.cli import completion, options, show
from bayescale.inference.defaults import REPORT_DRAWS


def forecast(
    context: typer.Context,
    posterior: options.PosteriorFile,
    family: options.Families = None,
    new_family: options.NewFamily = False,
    flops: options.NewModelFlops = None,
    params: options.Params = None,
    tokens: options.Tokens = None,
    released: options.Released = None,
    organization: options.Makers = None,
    settings: options.Settings = None,
    setting: Annotated[
        str | None, options.model(metavar="NAME", help="How scores are measured, such as 0-shot; else as most are.")
    ] = None,
    given: options.Given = None,
    above: Annotated[
        list[str] | None,
        options.model(metavar="BENCHMARK=SCORE", help="Also give the probability of a higher score; repeatable."),
    ] = None,
    below: Annotated[
        list[str] | None, options.model(metavar="BENCHMARK=SCORE", help="The same, of a lower score; repeatable.")
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    parquet: Annotated[Path | None, options.parquet(help="Also write the table to a Parquet file.")] = None,
    netcdf: Annotated[Path | None, options.netcdf(help="Also write all draws to a netCDF file, for xarray.")] = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Forecast the scores of a larger or unseen model.

    Give the family of the model (--family or --new-family) and its size (--flops, or --params and --tokens; compute is
    then 6 x parameters x tokens), and whatever else its spec predicts from (--released, --organization, --set). Repeat
    these options to forecast several models. Known scores of the model narrow the forecast (--given).

    The command prints median and equal-tailed credible interval of the score you would measure on each benchmark,
    sampling noise of the benchmark included. With --above and --below it adds the probability that all these scores lie
    there together.
    """
    from bayescale.cli import files
    from bayescale.forecast.export import require_parquet
    from bayescale.methods import Posterior

    columns = options.columns(settings, released, organization)
    chosen = options.family_of(family, new_family, columns)
    high, low = options.known_scores(above or [], "--above"), options.known_scores(below or [], "--below")
    if context.args and not given:
        context.fail(f"Got unexpected arguments: {' '.join(context.args)}. Repeat the option for each score.")
    # Users write several scores after one --given: extra arguments are more of them.
    scores = options.known_scores([*(given or []), *context.args])
    tails(prob)
    files.check_targets(csv, parquet, netcdf, plot=plot)
    if parquet:
        require_parquet()

    fitted = Posterior.load(posterior)
    forecast = fitted.forecast(
        family=chosen, flops=flops, params=params, tokens=tokens, given=scores, setting=setting,
        random_seed=random_seed, **columns,
    )  # fmt: skip
    show.warn_unconverged(fitted.convergence)
    rows = forecast.to_pandas(prob=prob)
    asked = forecast.probability(above=high, below=low) if high or low else None
    if csv:
        forecast.to_csv(csv, prob=prob)
    if parquet:
        forecast.to_parquet(parquet, prob=prob)
    if netcdf:
        forecast.to_netcdf(netcdf)
    if plot:
        from bayescale.cli import figures

        draw = forecast.plot if fitted.spec.compute_alone else forecast.plot_intervals
        figures.save(draw(prob=prob), plot)
    if json:
        show.document(
            show.about(fitted),
            {"prob": prob, "interval": KIND, "random_seed": random_seed, "given": dict(forecast.given)},
            {"pareto_k": forecast.pareto_k} if forecast.given else {},
            {"settings": forecast.draws["setting"].to_series().to_dict()} if "setting" in forecast.draws else {},
            {"effective_draws": forecast.effective_draws, "forecasts": rows.to_dict("records")},
            {} if asked is None else {"above": high, "below": low, "probabilities": asked.to_dict("records")},
        )
    else:
        show.forecast_table(forecast, prob)
        if asked is not None:
            show.probabilities(asked, high, low)
    files.written(csv, parquet, netcdf, plot)


def effect(
    posterior: options.PosteriorFile,
    covariate: Annotated[str, typer.Argument(metavar="COVARIATE", help="Covariate of the spec, such as reasoning.")],
    family: Annotated[
        str | None,
        options.model(
            metavar="NAME",
            help="Family of the model that changes.",
            show_default="a new one",
            autocompletion=completion.families,
        ),
    ] = None,
    flops: Annotated[float | None, options.model(metavar="X", help="Its training compute in FLOP.")] = None,
    released: options.Released = None,
    settings: options.Settings = None,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Show what one covariate moves: logits and points of each benchmark, and decades of compute.

    A decade more of a size, a year of a date, one sd of another number, or true in place of false. Points are those of
    a typical model with the given family, compute and other covariates; without them, at the means of the data.
    """
    from bayescale.cli import files
    from bayescale.methods import Posterior

    tails(prob)
    files.check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    found = fitted.effect(covariate, family, flops=flops, **options.columns(settings, released))
    table = found.summary(prob=prob)
    files.write_results(table, csv, lambda: found.plot(prob=prob), plot)
    show.warn_unconverged(fitted.convergence)
    if json:
        about = {"covariate": found.covariate, "change": found.change, "at": found.at}
        show.document(show.about(fitted), about | {"prob": prob, "effects": table.to_dict("records")})
    else:
        show.effect_table(found, prob)


def report(
    posterior: options.PosteriorFile,
    html: Annotated[Path, options.html(help="File for the report, such as report.html.")],
    backtest: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also show the results of `bayescale backtest` in this folder.")
    ] = None,
    draws: Annotated[int, typer.Option(metavar="N", help="Largest number of draws in the report.")] = REPORT_DRAWS,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    title: Annotated[str | None, typer.Option(metavar="TEXT", help="Heading of the report.")] = None,
    author: Annotated[str | None, typer.Option(metavar="TEXT", help="Who made it.")] = None,
    json: options.AsJson = False,
) -> None:
    """Write an interactive HTML report that you can share.

    The report is one HTML file that needs no server and no network. Readers choose a family, compute and known scores,
    and the forecast updates. The report also shows convergence, the data, efficiency of the families, and capabilities.

    The report holds a subset of the draws (--draws; fewer if the file would exceed 5 MiB). It shows expected scores,
    without sampling noise of the benchmark; `bayescale forecast` uses all draws and includes this noise.
    """
    from bayescale.cli.files import check_targets
    from bayescale.methods import Posterior

    check_targets(html)
    fitted = Posterior.load(posterior)
    fitted.to_html(html, backtest=backtest, draws=draws, prob=prob, random_seed=random_seed, title=title, author=author)
    show.warn_unconverged(fitted.convergence)
    size = html.stat().st_size
    if json:
        show.document(show.about(fitted), {"prob": prob, "random_seed": random_seed, "file": str(html), "bytes": size})
    show.step(f"Wrote {html} ({size / 2**20:.1f} MiB). Open it in a browser, or share it.")


def suggest(
    posterior: options.PosteriorFile,
    budget: Annotated[float, typer.Option(metavar="N", help="Number of models, or with --cost their total cost.")],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="BENCHMARK",
            help="A benchmark in the data, treated as new.",
            show_default="a new benchmark",
            autocompletion=completion.benchmarks,
        ),
    ] = None,
    families: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Choose from this family; repeatable.", autocompletion=completion.families),
    ] = None,
    max_flops: Annotated[
        float | None, typer.Option(metavar="X", help="Choose from models up to this compute; forecast the larger ones.")
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of models.csv with the cost of a model, such as params_b."),
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Choose the few models to evaluate on a new benchmark.

    The command picks the models whose scores are most informative about all others. It prints them, most informative
    first, with the forecast variance that remains after each, as a share of the variance before any evaluation. The
    forecasts are of the models that cannot be chosen, or of all models if all can be chosen.
    """
    from bayescale.cli import files
    from bayescale.methods import Posterior

    files.check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    models = fitted.evals.models
    candidates = None if max_flops is None else models["model"][models["flops"] <= max_flops].tolist()
    suggestion = fitted.suggest_models(
        budget, target, candidates=candidates, families=families, cost=cost, random_seed=random_seed
    )
    table = suggestion.table
    files.write_results(table, csv, suggestion.plot, plot)
    show.warn_unconverged(fitted.convergence)
    if json:
        show.document(
            show.about(fitted),
            {"target": suggestion.target, "budget": suggestion.budget, "cost": suggestion.cost},
            {"least": suggestion.least, "random_seed": random_seed, "models": table.to_dict("records")},
        )
    else:
        show.say(str(suggestion).rsplit("\nNext:", 1)[0])
