"""The command `suggest`: it chooses which models to evaluate on a new benchmark."""

from __future__ import annotations

from typing import Annotated

import typer

from bayescale.cli import completion
from bayescale.cli.arguments import AsJson, Csv, Picture, PosteriorFile
from bayescale.cli.checks import check_targets, write_results


def suggest(
    posterior: PosteriorFile,
    budget: Annotated[
        float, typer.Option("--budget", metavar="N", help="Number of models, or with --cost their total cost.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="BENCHMARK",
            help="A benchmark in the data, treated as new.",
            show_default="a new benchmark",
            autocompletion=completion.benchmarks,
        ),
    ] = None,
    family: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME", help="Choose from this family only; repeatable.", autocompletion=completion.families
        ),
    ] = None,
    up_to: Annotated[
        float | None,
        typer.Option(metavar="FLOPS", help="Choose from models up to this compute; forecast the larger ones."),
    ] = None,
    cost: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column of models.csv with the cost of a model, such as params_b."),
    ] = None,
    csv: Csv = None,
    json: AsJson = False,
    output: Picture = None,
) -> None:
    """Choose the few models to evaluate on a new benchmark.

    The command picks the models whose scores are most informative about all others. It prints them, most informative
    first, with the forecast variance that remains after each, as a share of the variance before any evaluation. The
    forecasts are of the models that cannot be chosen, or of all models if all can be chosen.
    """
    from bayescale.cli import show
    from bayescale.methods import Posterior

    check_targets(csv, output)
    fitted = Posterior.load(posterior)
    models = fitted.evals.models
    candidates = None if up_to is None else models["model"][models["flops"] <= up_to].tolist()
    found = fitted.suggest_models(budget, target, candidates=candidates, families=family, cost=cost, random_seed=0)
    if not fitted.converged:
        show.unconverged(fitted.convergence)
    if output:
        from bayescale.cli import pictures

        figure = found.plot().get_figure(root=True)
        assert figure is not None
        pictures.save(figure, output)
    if json:
        asked = {"target": found.target, "budget": found.budget, "cost": found.cost, "least": found.least}
        print(show.as_json(show.about(fitted) | asked | {"models": found.table.to_dict("records")}))
    else:
        show.say(str(found).rsplit("\nNext:", 1)[0])
    write_results(found.table, csv, output)
