"""The table of contents: every command, with its place in a session and its examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.cli import backtest, checks, compare, fitting, forecasting, importing, listing, report, suggest
from bayescale.cli.arguments import AsJson, Seed
from bayescale.cli.manual import OUTPUT, Page, examples, manual

# Headings, in the order of a session.
DATA = "Evals and specs"
BELIEF = "Fit, and see whether to believe it"
ANSWERS = "Forecast, and share it"
JUDGEMENT = "Judge the model"

app = manual(
    epilog=examples(
        "bayescale demo -o demo/           # everything once, in one to two minutes",
        "bayescale fit -o posterior.nc     # the default spec on public base models",
        "bayescale check posterior.nc      # may it be believed?",
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25",
        "bayescale report posterior.nc -o report.html",
    )
)


@app.callback(invoke_without_command=True)
def _top(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Forecast what the next, larger language model will score, with credible intervals.

    A Bayesian model of benchmark scores is fitted to public models of many families, or to your own; forecasts for
    larger models, or for families never seen, are read from its posterior. A session is `fit`, then `check`, then
    `forecast`; `bayescale COMMAND --help` says more of each.

    Results go to standard output, as a table or with --json as one JSON document; everything else goes to standard
    error. Progress is shown on a terminal only.

    Exit codes: 0 done; 1 `check` found that the sampler did not converge; 2 a mistake in what was asked, said in one
    message; 130 interrupted.
    """
    if version:
        import bayescale

        print(f"bayescale {bayescale.__version__}")
    elif context.invoked_subcommand is None:
        print(context.get_help())


data_app = manual(
    epilog=examples("bayescale data list", "bayescale data validate my_tables/"),
    callback=listing.data,
    invoke_without_command=True,
)
data_app.command("list", cls=Page, epilog=examples("bayescale data list", "bayescale data list --json"))(
    listing.list_data
)
data_app.command(
    cls=Page, epilog=examples("bayescale data validate my_tables/", "bayescale data validate my_tables/ --json")
)(listing.validate)
app.add_typer(data_app, name="data", rich_help_panel=DATA)

import_app = manual(
    epilog=examples(
        "bayescale import lm-eval results/ -o my_tables/",
        "bayescale import wide scores.csv --mapping mine.yaml --into my_tables/",
    ),
    callback=importing.overview,
    invoke_without_command=True,
)
import_app.command(
    "lm-eval",
    cls=Page,
    epilog=examples(
        "bayescale import lm-eval results/ -o my_tables/",
        "bayescale import lm-eval more_results/ --into my_tables/ \\",
        "          --models filled_in.csv",
    ),
)(importing.lm_eval)
import_app.command(
    "inspect",
    cls=Page,
    epilog=examples("bayescale import inspect logs/ -o my_tables/", "bayescale import inspect logs/ --into my_tables/"),
)(importing.inspect)
import_app.command(
    "wide",
    cls=Page,
    epilog=examples(
        "bayescale import wide scores.csv --mapping mine.yaml -o my_tables/",
        "bayescale import wide contents.parquet -m open-llm-leaderboard-2 -o tables/",
    ),
)(importing.wide)
import_app.command(
    "epoch",
    cls=Page,
    epilog=examples(
        "bayescale import epoch benchmark_data/ -o epoch_tables/",
        "bayescale import epoch gpqa_diamond.csv --into my_tables/",
    ),
)(importing.epoch)
app.add_typer(import_app, name="import", rich_help_panel=DATA)

app.command(
    cls=Page, rich_help_panel=DATA, epilog=examples("bayescale specs", "bayescale specs --json | jq '.specs[].name'")
)(listing.specs)

app.command(
    cls=Page,
    rich_help_panel=BELIEF,
    epilog=examples(
        "bayescale prior",
        "bayescale prior wide_priors --data base-llms -o prior.png",
        "bayescale prior my_spec.yaml --data my_tables/ --csv prior.csv",
    ),
)(checks.prior)

app.command(
    cls=Page,
    rich_help_panel=BELIEF,
    epilog=examples(
        "bayescale fit -o posterior.nc",
        "bayescale fit one_factor --seed 1 -o one_factor.nc",
        "bayescale fit my_spec.yaml --data my_tables/ --draws 3000 -o mine.nc",
        "bayescale fit --target-accept 0.95 --json -o posterior.nc | jq .converged",
    ),
)(fitting.fit)

app.command(
    cls=Page,
    rich_help_panel=BELIEF,
    epilog=examples(
        "bayescale check posterior.nc",
        "bayescale check posterior.nc -o pit.png",
        "bayescale check posterior.nc --json | jq .problems",
    ),
)(checks.check)

app.command(
    cls=Page,
    rich_help_panel=ANSWERS,
    context_settings={"allow_extra_args": True},
    epilog=examples(
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25",
        "bayescale forecast posterior.nc --family Llama-3 --family Qwen1.5 \\",
        "          --flops 4e25 -o forecast.csv -o fan.png",
        "bayescale forecast posterior.nc --new-family --params-b 400 --tokens-t 15",
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25 \\",
        "          --given MMLU=0.86 --given GSM8K=0.9 --json",
    ),
)(forecasting.forecast)

app.command(
    cls=Page,
    rich_help_panel=ANSWERS,
    epilog=examples(
        "bayescale report posterior.nc -o report.html",
        "bayescale report posterior.nc --backtest backtest/ -o report.html",
    ),
)(report.report)

app.command(
    cls=Page,
    rich_help_panel=ANSWERS,
    epilog=examples(
        "bayescale suggest posterior.nc --budget 8",
        "bayescale suggest posterior.nc --budget 30 --cost params_b \\",
        "          --up-to 8.4e22 -o suggested.png",
    ),
)(suggest.suggest)


@app.command(
    cls=Page,
    rich_help_panel=ANSWERS,
    epilog=examples("bayescale demo -o demo/", "BAYESCALE_FAST=1 bayescale demo -o demo-fast/"),
)
def demo(
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.", rich_help_panel=OUTPUT),
    ] = Path("demo"),
    seed: Seed = 1,
    json: AsJson = False,
) -> None:
    """Do the main job once, on public models.

    The default spec is fitted to base models of many families; three larger models are forecast, one of them of a
    family never seen; posterior, table and pictures are written to a folder.

    Takes one to two minutes on two cores. With BAYESCALE_FAST=1 in the environment few draws are taken: quick, to see
    that everything runs; the figures are rough then.
    """
    from bayescale.demo import run_demo

    run_demo(output, seed, json)


app.command(
    cls=Page,
    rich_help_panel=JUDGEMENT,
    epilog=examples(
        "bayescale backtest -o backtest/     # the default spec and all baselines",
        "bayescale backtest one_factor mine.yaml --methods pc_3 -o compared/",
        "bayescale backtest --tasks largest_out,future --jobs 4 -o later/",
        "bayescale backtest --dask tcp://10.0.0.1:8786 -o backtest/",
    ),
)(backtest.backtest)

app.command(
    cls=Page,
    rich_help_panel=JUDGEMENT,
    epilog=examples(
        "bayescale compare default one_factor sigmoids -o compared/ \\",
        "          --family Llama-3 --flops 4e25",
        "bayescale compare --factors 1-6 --leave-out model -o factors/",
        "bayescale compare --prior 'family_sd=HalfNormal(1)' \\",
        "          --prior 'family_sd=HalfNormal(6)' -o priors/",
    ),
)(compare.compare)
