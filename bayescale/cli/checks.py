"""The commands `prior`, `check` and `prior-sensitivity`: predictive checks, convergence, and what the priors move."""

from __future__ import annotations

from typing import Annotated, Any

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
    random_seed: options.RandomSeed = options.SEED,
    csv: options.Csv = None,
    json: options.AsJson = False,
    plot: options.Plot = None,
) -> None:
    """Check convergence and fit of a posterior, and recommend remedies.

    The exit code is 0 if the sampler converged, 1 if it did not. Convergence is judged on expected scores and forecasts
    (R-hat, effective sample size), divergences, tree depth and energy, not on single loadings, which are not
    identified.

    A posterior predictive check follows. It predicts the scores of each model from its family and covariates, with that
    model left out by importance sampling. Per benchmark, it prints the coverage of the 50% and 90% intervals, and
    whether the PIT values are uniform (--plot draws them), and then whether the scores of one model lie together as
    forecast. If the model is right, all are as expected with probability 95%.
    """
    from bayescale.cli import files
    from bayescale.methods import Posterior

    files.check_targets(csv, plot=plot)
    fitted = Posterior.load(posterior)
    replicated = fitted.predictive_check(random_seed=random_seed)
    table = replicated.table()
    files.write_results(table, csv, replicated.plot, plot)
    if json:
        predictive = {
            "random_seed": random_seed, "together": replicated.together, "large_k": replicated.large_k,
            "benchmarks": table.to_dict("records"),
        }  # fmt: skip
        show.document(
            show.about(fitted), {"sampling": dict(fitted.sampling)}, fitted.convergence.model_dump(),
            {"predictive": predictive},
        )  # fmt: skip
    else:
        show.say(fitted.headline)
        show.say(str(fitted.convergence))
        print()
        show.predictive_table(table, replicated.together, replicated.caution)
    raise typer.Exit(0 if fitted.converged else 1)


def prior_sensitivity(
    posterior: options.PosteriorFile,
    family: options.Family = None,
    new_family: options.NewFamily = False,
    flops: Annotated[float | None, options.model(metavar="X", help="Training compute in FLOP, such as 4e25.")] = None,
    params: Annotated[float | None, options.model(metavar="X", help="Parameters, such as 7e10.")] = None,
    tokens: Annotated[float | None, options.model(metavar="X", help="Training tokens, such as 1.5e13.")] = None,
    released: options.Released = None,
    organization: options.Makers = None,
    settings: options.Settings = None,
    csv: options.Csv = None,
    json: options.AsJson = False,
) -> None:
    """Show how far the priors, and the data, move the forecast of a larger or unseen model.

    Each prior is scaled to a power near one by importance weights, without a refit (power scaling); above 0.05 it is
    informative. The terminal shows the prior that moves each benchmark most; --csv and --json have all. The command
    needs the extra compare.
    """
    from bayescale.analysis.sensitivity import prior_sensitivity as sensitivity
    from bayescale.cli import files
    from bayescale.methods import Posterior

    columns: dict[str, Any] = options.columns(settings, released, organization)
    chosen = options.family_of(family, new_family, columns)
    files.check_targets(csv)
    fitted = Posterior.load(posterior)
    forecast = fitted.forecast(
        family=chosen, flops=flops, params=params, tokens=tokens, random_seed=options.SEED, **columns
    )  # fmt: skip
    scores = forecast.draws["expected_score"].isel(model=0, drop=True)
    table = sensitivity(fitted, {name: scores.sel(benchmark=name, drop=True) for name in fitted.evals.benchmark_names})
    about = {str(name): value for name, value in table.attrs.items()}
    table = table.rename_axis("benchmark").reset_index()
    table.attrs.clear()
    if csv:
        files.write_table(table, csv)
    files.written(csv)
    show.warn_unconverged(fitted.convergence)
    if json:
        show.document(show.about(fitted), about, {"benchmarks": table.to_dict("records")})
        return
    model = forecast.draws["model"].item()
    show.say(f"Sensitivity of expected scores of {model}, by power scaling (informative above 0.05):")
    single = table.drop(columns=["benchmark", "all priors", "likelihood", "diagnosis"])
    most = single.idxmax(axis=1) + single.max(axis=1).map(" {:.3f}".format)
    show.result_table(table[["benchmark", "all priors", "likelihood"]].assign(most=most, diagnosis=table["diagnosis"]))
    for name, place in about["conflicts"].items():
        show.say(f"The posterior contradicts the prior {name}: {place}.")
