"""The command that chooses which models to evaluate next."""

from __future__ import annotations

from typing import Annotated

import typer

from bayescale.cli import completion
from bayescale.cli.arguments import AsJson, Csv, Picture, PosteriorFile
from bayescale.cli.checks import check_targets, write_results


def suggest(
    posterior: PosteriorFile,
    budget: Annotated[
        float, typer.Option("--budget", metavar="N", help="How many models, or the sum of their costs with --cost.")
    ],
    target: Annotated[
        str | None,
        typer.Option(
            metavar="BENCHMARK",
            help="One of the data, to be learned again.  [default: a new one]",
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
        typer.Option(metavar="FLOPS", help="Choose from models up to this compute, and forecast the larger ones."),
    ] = None,
    cost: Annotated[
        str | None, typer.Option(metavar="COLUMN", help="Column of the models that a budget counts, such as params_b.")
    ] = None,
    csv: Csv = None,
    json: AsJson = False,
    output: Picture = None,
) -> None:
    """Choose the few models to evaluate on a new benchmark.

    They are those whose scores tell most of the scores of all others. Printed are the models, those that tell most
    first, and the expected variance that is left in the forecasts for the models that cannot be chosen (or for all,
    where all can), as a share of the variance before any is evaluated.
    """
    from bayescale.cli import show
    from bayescale.posterior import Posterior

    check_targets(csv, output)
    fitted = Posterior.load(posterior)
    models = fitted.evals.models
    candidates = None if up_to is None else models["model"][models["flops"] <= up_to].tolist()
    found = fitted.suggest_models(budget, target, candidates=candidates, families=family, cost=cost)
    if not fitted.converged:
        show.unconverged(fitted.verdict)
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
