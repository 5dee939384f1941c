"""The commands `prior` (prior predictive check) and `check` (convergence and posterior predictive check)."""

from __future__ import annotations

import logging
from typing import Annotated, Literal

import typer

from bayescale._intervals import KIND, PROB, tails
from bayescale.cli import options, show


def prior(
    spec: options.SpecName = "default",
    evals: options.EvalsName = "base-llms",
    draws: Annotated[int, typer.Option(min=1, metavar="N", help="Draws from the priors.")] = 500,
    random_seed: options.RandomSeed = options.SEED,
    prob: options.Prob = PROB,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Show the scores that the priors alone imply (prior predictive check).

    The command neither fits nor compiles anything. It takes models, their compute and families, and benchmarks from the
    data, but not the scores. It prints, per benchmark, mean and interval of the implied scores, and the share of curves
    over compute that fall, are flat, or reach the ceiling.
    """
    from bayescale.checks import prior_predictive
    from bayescale.cli import files
    from bayescale.model.spec import load_spec

    tails(prob)
    files.check_targets(csv, plot=plot)
    # PyMC logs the name of everything it draws, even of the sampler's auxiliary variables.
    logging.getLogger("pymc").setLevel(logging.WARNING)
    chosen, tables = load_spec(spec), options.evals_of(evals)
    drawn = prior_predictive(chosen, tables, draws=draws, random_seed=random_seed)
    table = drawn.summary(prob=prob)
    files.write_results(table, csv, lambda: drawn.plot(prob=prob), plot)
    if json:
        show.document(
            {"spec": chosen.name, "evals": tables.name, "draws": draws, "random_seed": random_seed},
            {"prob": prob, "interval": KIND, "benchmarks": table.to_dict("records")},
        )
    else:
        show.prior_table(table, prob)


def check(
    posterior: options.PosteriorFile,
    replicate: Annotated[
        Literal["same", "new"],
        typer.Option(help="Replicate scores of the same models, or of new models of their families."),
    ] = "same",
    random_seed: options.RandomSeed = options.SEED,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Check convergence and fit of a posterior, and recommend remedies.

    The exit code is 0 if the sampler converged, 1 if it did not. Convergence is judged on expected scores and forecasts
    (R-hat, effective sample size), divergences, tree depth and energy, not on single loadings, which are not
    identified.

    A posterior predictive check follows. Per benchmark, it compares the observed scores with scores replicated from the
    posterior: coverage of the 50% and 90% intervals, and uniformity of the PIT values (--plot draws them). The same
    scores were fitted, so they lie in the middle of their replications more often than new ones would; scores that are
    too high, too low or too scattered show a misfit.
    """
    from bayescale.checks.posterior_predictive import EXPECTED
    from bayescale.cli import files
    from bayescale.methods import Posterior

    files.check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    replicated = fitted.predictive_check(replicate, random_seed=random_seed)
    table = replicated.table()
    files.write_results(table, csv, replicated.plot, plot)
    if json:
        predictive = {"replicate": replicate, "random_seed": random_seed, "benchmarks": table.to_dict("records")}
        show.document(
            show.about(fitted), {"sampling": dict(fitted.sampling)}, fitted.convergence.model_dump(),
            {"predictive": predictive},
        )  # fmt: skip
    else:
        show.say(fitted.headline)
        show.say(str(fitted.convergence))
        print()
        show.predictive_table(table, replicate)
        if replicate == "same":
            show.say(EXPECTED.strip())
    raise typer.Exit(0 if fitted.converged else 1)
