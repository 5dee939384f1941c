"""The commands that check: what the priors say before the data, whether a posterior may be believed after them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.cli.arguments import (
    AsJson,
    Csv,
    DataName,
    Picture,
    PosteriorFile,
    Prob,
    Replicated,
    Seed,
    SpecName,
    evals_of,
)

if TYPE_CHECKING:
    import pandas as pd


def prior(
    spec: SpecName = "default",
    data: DataName = "base-llms",
    draws: Annotated[int, typer.Option(min=1, metavar="N", help="Draws from the priors.")] = 500,
    seed: Seed = 0,
    prob: Prob = 0.9,
    csv: Csv = None,
    json: AsJson = False,
    output: Picture = None,
) -> None:
    """Say which scores the priors alone hold likely.

    Nothing is fitted, and nothing compiled: this is what a spec says before any data. Models, their compute and
    families, and benchmarks are those of the data; their scores take no part. Printed are, per benchmark, mean and
    interval of the scores, and which share of the curves over compute falls, is flat, or reaches the ceiling.
    """
    from bayescale import intervals
    from bayescale.checks import prior_predictive
    from bayescale.cli import show
    from bayescale.spec import load_spec

    intervals.tails(prob)
    check_targets(csv, output)
    # PyMC lists all that it draws, the sampler's coordinates included.
    logging.getLogger("pymc").setLevel(logging.WARNING)
    chosen, evals = load_spec(spec), evals_of(data)
    drawn = prior_predictive(chosen, evals, draws=draws, random_seed=seed)
    table = drawn.summary(prob)
    if output:
        from bayescale.cli import pictures

        pictures.save(drawn.plot(prob=prob), output)
    if json:
        about = {"spec": chosen.name, "evals": evals.name, "draws": draws, "prob": prob, "interval": intervals.KIND}
        print(show.as_json(about | {"benchmarks": table.to_dict("records")}))
    else:
        show.prior_table(table, prob)
    write_results(table, csv, output)


def check(
    posterior: PosteriorFile,
    models: Annotated[
        Replicated, typer.Option(help="Replicate scores of the same models, or of new ones of their families.")
    ] = Replicated.same,
    csv: Csv = None,
    json: AsJson = False,
    output: Picture = None,
) -> None:
    """Say whether a posterior may be believed, and if not, what to do.

    Exit code 0 if the sampler converged, 1 if it did not. Judged are expected scores and forecasts (R-hat, effective
    draws), divergences, tree depth and energy; never single loadings, which are not identified.

    Below that, per benchmark, where the observed scores lie among scores that the posterior replicates: how many the
    50% and 90% intervals hold, and whether their PIT values look uniform (--output draws them). Scores that were fitted
    lie in the middle too often; too high, too low or too scattered is a misfit.
    """
    from bayescale.cli import show
    from bayescale.posterior import Posterior

    check_targets(csv, output)
    fitted = Posterior.load(posterior)
    replicated = fitted.predictive_check(models.value)
    table = replicated.summary()
    if output:
        from bayescale.cli import pictures

        pictures.save(replicated.plot(), output)
    if json:
        sampled = {"sampling": dict(fitted.sampling)}
        predictive = {"models": models.value, "benchmarks": table.to_dict("records")}
        print(show.as_json(show.about(fitted) | sampled | fitted.verdict.model_dump() | {"predictive": predictive}))
    else:
        show.say(repr(fitted).split("\n", 1)[0])
        show.report(fitted.verdict)
        print()
        show.predictive_table(table, models.value)
    write_results(table, csv, output)
    raise typer.Exit(0 if fitted.converged else 1)


def check_targets(csv: Path | None, picture: Path | None) -> None:
    """Find out before the work whether table and picture can be written after it."""
    from bayescale.cli.output import check_target

    for target in filter(None, (csv, picture)):
        check_target(target)
    if picture:
        from bayescale.cli.pictures import check_picture

        check_picture(picture)


def write_results(table: pd.DataFrame, csv: Path | None, picture: Path | None) -> None:
    """Write the table, and say what was written."""
    from bayescale._files import atomic_write
    from bayescale.cli import show

    if csv:
        with atomic_write(csv, keep_suffix=True) as temporary:
            table.to_csv(temporary, index=False)
    for target in filter(None, (csv, picture)):
        show.step(f"Wrote {target}.")
