"""The commands `prior` (prior predictive check) and `check` (convergence and posterior predictive check)."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale._intervals import PROB
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
    prob: Prob = PROB,
    csv: Csv = None,
    json: AsJson = False,
    output: Picture = None,
) -> None:
    """Show the scores that the priors alone imply (prior predictive check).

    The command neither fits nor compiles anything. It takes models, their compute and families, and benchmarks from the
    data, but not the scores. It prints, per benchmark, mean and interval of the implied scores, and the share of curves
    over compute that fall, are flat, or reach the ceiling.
    """
    from bayescale import _intervals as intervals
    from bayescale.checks import prior_predictive
    from bayescale.cli import show
    from bayescale.model.spec import load_spec

    intervals.tails(prob)
    check_targets(csv, output)
    # PyMC logs the name of everything it draws, even of the sampler's auxiliary variables.
    logging.getLogger("pymc").setLevel(logging.WARNING)
    chosen, evals = load_spec(spec), evals_of(data)
    drawn = prior_predictive(chosen, evals, draws=draws, random_seed=seed)
    table = drawn.summary(prob=prob)
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
        Replicated, typer.Option(help="Replicate scores of the same models, or of new models of their families.")
    ] = Replicated.same,
    csv: Csv = None,
    json: AsJson = False,
    output: Picture = None,
) -> None:
    """Check convergence and fit of a posterior, and recommend remedies.

    The exit code is 0 if the sampler converged, 1 if it did not. Convergence is judged on expected scores and forecasts
    (R-hat, effective sample size), divergences, tree depth and energy, not on single loadings, which are not
    identified.

    A posterior predictive check follows. Per benchmark, it compares the observed scores with scores replicated from the
    posterior: coverage of the 50% and 90% intervals, and uniformity of the PIT values (--output draws them). The same
    scores were fitted, so they lie in the middle of their replications more often than new ones would; scores that are
    too high, too low or too scattered show a misfit.
    """
    from bayescale.cli import show
    from bayescale.methods import Posterior

    check_targets(csv, output)
    fitted = Posterior.load(posterior)
    replicated = fitted.predictive_check(models.value, random_seed=0)
    table = replicated.summary()
    if output:
        from bayescale.cli import pictures

        pictures.save(replicated.plot(), output)
    if json:
        sampled = {"sampling": dict(fitted.sampling)}
        predictive = {"models": models.value, "benchmarks": table.to_dict("records")}
        print(show.as_json(show.about(fitted) | sampled | fitted.convergence.model_dump() | {"predictive": predictive}))
    else:
        show.say(repr(fitted).split("\n", 1)[0])
        show.report(fitted.convergence)
        print()
        show.predictive_table(table, models.value)
    write_results(table, csv, output)
    raise typer.Exit(0 if fitted.converged else 1)


def check_targets(csv: Path | None, picture: Path | None) -> None:
    """Check that table and figure can be written, before the work starts."""
    from bayescale.cli.output import check_target

    for target in filter(None, (csv, picture)):
        check_target(target)
    if picture:
        from bayescale.cli.pictures import check_picture

        check_picture(picture)


def write_results(table: pd.DataFrame, csv: Path | None, picture: Path | None) -> None:
    """Write the table, and print the names of all files written."""
    from bayescale._files import atomic_write
    from bayescale.cli import show

    if csv:
        with atomic_write(csv, keep_suffix=True) as temporary:
            table.to_csv(temporary, index=False)
    for target in filter(None, (csv, picture)):
        show.step(f"Wrote {target}.")
