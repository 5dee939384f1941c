"""The commands. Everything heavy is imported inside them, so that `--help` is there at once."""

from __future__ import annotations

import shlex
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import backtest, checks, compare, importing, report, suggest
from bayescale.cli.arguments import (
    AsJson,
    Chains,
    DataName,
    Draws,
    Method,
    PosteriorFile,
    Sampler,
    Seed,
    SpecName,
    Tune,
    check_family,
    evals_of,
    known_scores,
)
from bayescale.defaults import CHAINS, DRAWS, TUNE
from bayescale.errors import EvalsError, EvalsWarning

if TYPE_CHECKING:
    from bayescale.posterior import Posterior


def _app(**settings: Any) -> typer.Typer:
    # Plain help reads like a manual page, in a pipe too; a bug keeps Python's own traceback.
    return typer.Typer(rich_markup_mode=None, add_completion=False, pretty_exceptions_enable=False, **settings)


def _examples(*lines: str) -> str:
    # \b is the mark for "keep these lines as they are".
    return "\n".join(["\b", "Examples:", *(f"  {line}" for line in lines)])


app = _app(
    epilog=_examples(
        "bayescale demo -o demo/                        everything once, in two to four minutes",
        "bayescale fit -o posterior.nc                  the default spec on public base models",
        "bayescale check posterior.nc                   may it be believed?",
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25",
    )
)
data_app = _app()
app.add_typer(data_app, name="data")
import_app = _app()
app.add_typer(import_app, name="import")


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Forecast what the next, larger language model will score, with credible intervals.

    A Bayesian model of benchmark scores is fitted to public models of many families; forecasts for larger models, or
    for families never seen, are read from its posterior. A session is `fit`, then `check`, then `forecast`.

    Exit codes: 0 done; 1 `check` found that the sampler did not converge; 2 a mistake in what was asked, said in one
    message; 130 interrupted.
    """
    if version:
        import bayescale

        print(f"bayescale {bayescale.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


@app.command(
    epilog=_examples(
        "bayescale fit -o posterior.nc",
        "bayescale fit one_factor --seed 1 -o one_factor.nc",
        "bayescale fit --method laplace -o first_look.nc",
        "bayescale fit my_spec.yaml --data my_tables/ --draws 2000 --target-accept 0.9 -o mine.nc",
    )
)
def fit(
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="FILE", help="Where the posterior goes, such as posterior.nc.")
    ],
    spec: SpecName = "default",
    data: DataName = "base-llms",
    draws: Draws = DRAWS,
    tune: Tune = TUNE,
    chains: Chains = CHAINS,
    cores: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Chains that run at once.  [default: all processors]")
    ] = None,
    target_accept: Annotated[
        float, typer.Option(min=0, max=1, metavar="X", help="Target acceptance; raise it against divergences.")
    ] = 0.8,
    seed: Annotated[
        int | None, typer.Option(min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same draws.")
    ] = None,
    sampler: Annotated[Sampler, typer.Option(help="nutpie is the fastest here; numpyro is an extra.")] = Sampler.nutpie,
    method: Annotated[
        Method, typer.Option(help="Sample, or approximate for a first look, marked as such; pathfinder is an extra.")
    ] = Method.nuts,
) -> None:
    """Sample a posterior, and save it to one file.

    Spec, data and target are checked before sampling. The file holds everything that forecasts need. What the
    convergence diagnostics say is printed at the end; a posterior that did not converge is saved all the same, with a
    warning and with what to do about it.

    --method laplace or pathfinder approximates the posterior for a first look: every table, picture and page made from
    it says so, with its Pareto k, and `check` never passes it. The options on draws apply; those of the sampler do not.

    `bayescale specs` lists the specs, `bayescale data list` the evals.
    """
    from bayescale.cli import show
    from bayescale.cli.output import check_target
    from bayescale.cli.sampling import sample
    from bayescale.spec import load_spec

    check_target(output)
    chosen, evals = load_spec(spec), evals_of(data)
    show.step(str(evals).splitlines()[0])
    posterior = sample(
        chosen, evals, draws=draws, tune=tune, chains=chains, cores=cores, target_accept=target_accept,
        random_seed=seed, nuts_sampler=sampler.value, method=method.value,
    )  # fmt: skip
    posterior.save(output)
    show.step(f"Wrote {output} ({output.stat().st_size / 1e6:.0f} MB).\nNext: {_next_command(posterior, output)}")


@app.command(
    context_settings={"allow_extra_args": True},
    epilog=_examples(
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25",
        "bayescale forecast posterior.nc --family Llama-3 --family Qwen1.5 --flops 4e25 --plot fan.png",
        "bayescale forecast posterior.nc --new-family --params-b 400 --tokens-t 15 --csv forecast.csv",
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25 --given MMLU=0.86 --given GSM8K=0.9",
    ),
)
def forecast(
    context: typer.Context,
    posterior: PosteriorFile,
    family: Annotated[
        list[str] | None, typer.Option(metavar="NAME", help="Family of the fitted data; repeat it for several models.")
    ] = None,
    new_family: Annotated[bool, typer.Option("--new-family", help="A family never seen, instead of --family.")] = False,
    flops: Annotated[
        list[float] | None,
        typer.Option(metavar="X", help="Training compute in FLOP, such as 4e25; one for all models, or one for each."),
    ] = None,
    params_b: Annotated[list[float] | None, typer.Option(metavar="X", help="Parameters, in 10^9.")] = None,
    tokens_t: Annotated[list[float] | None, typer.Option(metavar="X", help="Training tokens, in 10^12.")] = None,
    given: Annotated[
        list[str] | None,
        typer.Option(
            metavar="BENCHMARK=SCORE", help="A score of the new model that is known, from 0 to 1; repeatable."
        ),
    ] = None,
    prob: Annotated[float, typer.Option(metavar="P", help="Probability content of the intervals.")] = 0.9,
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the table as CSV as well.")] = None,
    json: AsJson = False,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw the forecast; .png, .pdf or .svg, by the name.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the noise in the forecast.")] = 0,
) -> None:
    """Forecast the scores of a larger or unseen model.

    Say whose model it is (--family or --new-family) and how large (--flops, or --params-b and --tokens-t, from which
    compute is 6 x parameters x tokens). Scores of it that are known already sharpen the forecast (--given).

    Printed is the score that will be measured on each benchmark, with its observation noise: median and equal-tailed
    credible interval.
    """
    from bayescale import intervals
    from bayescale.cli import show
    from bayescale.cli.output import check_target, write_whole
    from bayescale.forecast import NEW_FAMILY
    from bayescale.posterior import Posterior

    check_family(family, new_family)
    # What follows `--given A=1` without an option of its own is one more score: people write them in a row.
    known = known_scores([*(given or []), *context.args])
    intervals.tails(prob)
    for target in filter(None, (csv, plot)):
        check_target(target)
    if plot:
        from bayescale.cli import pictures

        pictures.check_picture(plot)

    fitted = Posterior.load(posterior)
    forecast = fitted.forecast(
        family=family or NEW_FAMILY, flops=flops, params_b=params_b, tokens_t=tokens_t, given=known, random_seed=seed
    )
    if not fitted.converged:
        show.unconverged(fitted.verdict)
    rows = show.forecast_rows(forecast, prob)
    if csv:
        write_whole(csv, lambda path: rows.to_csv(path, index=False))
    if plot:
        pictures.draw(forecast, plot, prob)
    if json:
        about = {"spec": fitted.spec.name, "evals": fitted.evals.name, "converged": fitted.converged}
        numbers = {
            "prob": prob,
            "interval": fitted.verdict.intervals,
            "given": known,
            "effective_draws": forecast.effective_draws,
        }
        print(show.as_json(about | numbers | {"forecasts": rows.to_dict("records")}))
    else:
        show.forecast_table(rows, prob)
    for target in filter(None, (csv, plot)):
        show.step(f"Wrote {target}.")


app.command(
    epilog=_examples(
        "bayescale prior",
        "bayescale prior wide_priors --data base-llms -o prior.png",
        "bayescale prior my_spec.yaml --data my_tables/ --csv prior.csv",
    )
)(checks.prior)

app.command(
    epilog=_examples(
        "bayescale check posterior.nc",
        "bayescale check posterior.nc -o pit.png",
        "bayescale check posterior.nc --json | jq .problems",
    )
)(checks.check)

app.command(
    epilog=_examples(
        "bayescale report posterior.nc -o report.html",
        "bayescale report posterior.nc --backtest backtest/ -o report.html",
    )
)(report.report)

app.command(
    epilog=_examples(
        "bayescale backtest -o backtest/                  the default spec and all baselines",
        "bayescale backtest one_factor mine.yaml --methods pc_3 -o compared/",
        "bayescale backtest --tasks largest_out,future --jobs 4 -o later/",
        "bayescale backtest --dask tcp://10.0.0.1:8786 -o backtest/",
    )
)(backtest.backtest)

app.command(
    epilog=_examples(
        "bayescale compare default one_factor sigmoids --family Llama-3 --flops 4e25 -o compared/",
        "bayescale compare --factors 1-6 --leave-out model -o factors/",
        "bayescale compare --prior 'family_sd=HalfNormal(1)' --prior 'family_sd=HalfNormal(6)' -o priors/",
    )
)(compare.compare)

app.command(
    epilog=_examples(
        "bayescale suggest posterior.nc --budget 8",
        "bayescale suggest posterior.nc --budget 30 --cost params_b --up-to 8.4e22 -o suggested.png",
    )
)(suggest.suggest)


@app.command()
def specs() -> None:
    """List the specs that ship, for `bayescale fit SPEC`."""
    import pandas as pd

    from bayescale.cli import show
    from bayescale.spec import list_specs, load_spec

    show.plain_table(pd.DataFrame([{"name": name, "title": load_spec(name).title} for name in list_specs()]))


@app.command(epilog=_examples("bayescale demo -o demo/", "BAYESCALE_FAST=1 bayescale demo -o demo-fast/"))
def demo(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")] = Path(
        "demo"
    ),
    seed: Seed = 1,
) -> None:
    """Do the main job once, on public models.

    The default spec is fitted to base models of many families; three larger models are forecast, one of them of a
    family never seen; posterior, table and pictures are written to a folder.

    Takes two to four minutes on two cores. With BAYESCALE_FAST=1 in the environment few draws are taken: quick, to see
    that everything runs; the figures are rough then.
    """
    from bayescale.demo import run_demo

    run_demo(output, seed)


@data_app.callback(invoke_without_command=True)
def _data(context: typer.Context) -> None:
    """List the evals that ship, or validate tables of your own."""
    if context.invoked_subcommand is None:
        print(context.get_help())


@data_app.command("list")
def list_data() -> None:
    """List the evals that ship, for `bayescale fit --data NAME`."""
    from bayescale.cli import show
    from bayescale.evals import list_evals

    show.plain_table(list_evals())


@data_app.command(epilog=_examples("bayescale data validate my_tables/"))
def validate(
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="With models.csv, benchmarks.csv and scores.csv.")],
) -> None:
    """Find everything that is wrong with your tables, at once.

    Every problem is printed with file, line, column, value and remedy. Exit code 0 if the tables are usable; notes say
    what is allowed and worth knowing. Exit code 2 if there is an error.
    """
    from bayescale.cli import show
    from bayescale.evals import read_evals
    from bayescale.evals.problems import errors_only
    from bayescale.evals.validate import check_directory

    problems = check_directory(directory)
    for problem in problems:
        print(f"{problem.severity}: {problem}")
    if wrong := len(errors_only(problems)):
        raise EvalsError(f"{directory} has {wrong} error{'s' * (wrong != 1)} to correct; they are listed above.")
    with warnings.catch_warnings():
        # What was dropped is among the notes above.
        warnings.simplefilter("ignore", EvalsWarning)
        evals = read_evals(directory)
    print(f"{str(evals).splitlines()[0]}\nUsable.")
    print(f"Next: {show.program()} fit --data {shlex.quote(str(directory))} -o posterior.nc")


import_app.callback(invoke_without_command=True)(importing.overview)
import_app.command(
    "lm-eval",
    epilog=_examples(
        "bayescale import lm-eval results/ -o my_tables/",
        "bayescale import lm-eval more_results/ --into my_tables/ --models filled_in.csv",
    ),
)(importing.lm_eval)
import_app.command("inspect", epilog=_examples("bayescale import inspect logs/ -o my_tables/"))(importing.inspect)
import_app.command(
    "wide",
    epilog=_examples(
        "bayescale import wide scores.csv --mapping mine.yaml -o my_tables/",
        "bayescale import wide contents.parquet -m open-llm-leaderboard-2 -o leaderboard/",
    ),
)(importing.wide)
import_app.command("epoch", epilog=_examples("bayescale import epoch benchmark_data/ -o epoch_tables/"))(
    importing.epoch
)


def _next_command(posterior: Posterior, path: Path) -> str:
    """Suggest a forecast: the family of the largest model, ten times larger."""
    from bayescale.cli import show

    if not posterior.converged:
        return f"{show.program()} check {shlex.quote(str(path))}"
    models = posterior.evals.models.dropna(subset="flops")
    family, size = "NAME", "--flops X"
    if len(models):
        largest = models.iloc[int(models["flops"].argmax())]
        family, size = shlex.quote(largest["family"]), f"--flops {10 * largest['flops']:.0e}".replace("+", "")
    return f"{show.program()} forecast {shlex.quote(str(path))} --family {family} {size}"
