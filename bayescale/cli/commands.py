"""Register every command, in the order of a session, with its examples."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from bayescale.cli import backtest, checks, compare, fitting, forecasting, importing, listing, report, suggest
from bayescale.cli.arguments import AsJson, Folder, Seed

# Headings of the list of commands.
DATA = "Data and specs"
FIT = "Fit and check"
FORECAST = "Forecast and report"
EVALUATE = "Evaluate the model"


def _group(**settings: Any) -> typer.Typer:
    """Create a group of commands. Help texts are Markdown; a bug keeps Python's own traceback."""
    return typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, no_args_is_help=True, **settings)


def _examples(*lines: str) -> str:
    """Return the end of a help page in Markdown: a list, because paragraphs would be joined and filled."""
    return "\n\n".join(["Examples:", *(f"- `{line}`" for line in lines)])


app = _group(
    epilog=_examples(
        "bayescale demo -o demo/  # everything once, in one to two minutes",
        "bayescale fit -o posterior.nc  # the default spec on public base models",
        "bayescale check posterior.nc  # has the sampler converged?",
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25",
        "bayescale report posterior.nc -o report.html",
    )
)


def _print_version(wanted: bool) -> None:
    if wanted:
        import bayescale

        print(f"bayescale {bayescale.__version__}")
        raise typer.Exit


@app.callback()
def _top(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version and exit.", callback=_print_version, is_eager=True)
    ] = False,
) -> None:
    """Forecast the benchmark scores of larger language models, with credible intervals.

    The package fits a Bayesian model of benchmark scores to public models of many families, or to your own tables. Its
    posterior gives forecasts for larger models and for new families. A session is `fit`, then `check`, then
    `forecast`; `bayescale COMMAND --help` describes each command.

    Results go to standard output, everything else to standard error. Every command accepts `--json` and then prints a
    single JSON document. Progress is shown on a terminal only.

    Exit codes: 0 done; 1 `check` found that the sampler did not converge; 2 an error in the input, explained on
    standard error; 130 interrupted.
    """


data_app = _group(
    help="List the built-in data sets, or validate your own tables.",
    epilog=_examples("bayescale data list", "bayescale data validate my_tables/"),
)
data_app.command("list", epilog=_examples("bayescale data list", "bayescale data list --json"))(listing.list_data)
data_app.command(epilog=_examples("bayescale data validate my_tables/", "bayescale data validate my_tables/ --json"))(
    listing.validate
)
app.add_typer(data_app, name="data", rich_help_panel=DATA)

import_app = _group(
    help=importing.HELP,
    epilog=_examples(
        "bayescale import lm-eval results/ -o my_tables/",
        "bayescale import wide scores.csv --mapping mine.yaml --into my_tables/",
    ),
)
import_app.command(
    "lm-eval",
    epilog=_examples(
        "bayescale import lm-eval results/ -o my_tables/",
        "bayescale import lm-eval more/ --into my_tables/ --models filled_in.csv",
    ),
)(importing.lm_eval)
import_app.command(
    "inspect",
    epilog=_examples(
        "bayescale import inspect logs/ -o my_tables/", "bayescale import inspect logs/ --into my_tables/"
    ),
)(importing.inspect)
import_app.command(
    "wide",
    epilog=_examples(
        "bayescale import wide scores.csv --mapping mine.yaml -o my_tables/",
        "bayescale import wide all.parquet -m open-llm-leaderboard-2 -o tables/",
    ),
)(importing.wide)
import_app.command(
    "epoch",
    epilog=_examples(
        "bayescale import epoch benchmark_data/ -o epoch_tables/",
        "bayescale import epoch gpqa_diamond.csv --into my_tables/",
    ),
)(importing.epoch)
app.add_typer(import_app, name="import", rich_help_panel=DATA)

app.command(rich_help_panel=DATA, epilog=_examples("bayescale specs", "bayescale specs --json | jq '.specs[].name'"))(
    listing.specs
)

app.command(
    rich_help_panel=FIT,
    epilog=_examples(
        "bayescale prior",
        "bayescale prior wide_priors --data base-llms -o prior.png",
        "bayescale prior my_spec.yaml --data my_tables/ --csv prior.csv",
    ),
)(checks.prior)

app.command(
    rich_help_panel=FIT,
    epilog=_examples(
        "bayescale fit -o posterior.nc",
        "bayescale fit one_factor --seed 1 -o one_factor.nc",
        "bayescale fit my_spec.yaml --data my_tables/ --draws 3000 -o mine.nc",
        "bayescale fit --target-accept 0.95 --json -o mine.nc | jq .converged",
    ),
)(fitting.fit)

app.command(
    rich_help_panel=FIT,
    epilog=_examples(
        "bayescale check posterior.nc",
        "bayescale check posterior.nc -o pit.png",
        "bayescale check posterior.nc --json | jq .problems",
    ),
)(checks.check)

app.command(
    rich_help_panel=FORECAST,
    context_settings={"allow_extra_args": True},
    epilog=_examples(
        "bayescale forecast posterior.nc --family Llama-3 --flops 4e25",
        "bayescale forecast posterior.nc --new-family --params-b 400 --tokens-t 15",
        "bayescale forecast mine.nc --family Llama-3 --flops 4e25 --given MMLU=0.86",
        "bayescale forecast mine.nc --family Llama-3 --family Qwen1.5 --flops 4e25 -o forecast.csv -o fan.png",
    ),
)(forecasting.forecast)

app.command(
    rich_help_panel=FORECAST,
    epilog=_examples(
        "bayescale report posterior.nc -o report.html",
        "bayescale report posterior.nc --backtest backtest/ -o report.html",
    ),
)(report.report)

app.command(
    rich_help_panel=FORECAST,
    epilog=_examples(
        "bayescale suggest posterior.nc --budget 8",
        "bayescale suggest posterior.nc --budget 8 --up-to 8.4e22 -o suggested.png",
        "bayescale suggest posterior.nc --budget 30 --cost params_b",
    ),
)(suggest.suggest)


@app.command(
    rich_help_panel=FORECAST,
    epilog=_examples("bayescale demo -o demo/", "BAYESCALE_FAST=1 bayescale demo -o demo-fast/"),
)
def demo(output: Folder = Path("demo"), seed: Seed = 1, json: AsJson = False) -> None:
    """Fit the default spec to public models, and forecast three larger ones.

    The default spec is fitted to base models of many families. Of the three models to forecast, one belongs to a new
    family. The command writes the posterior, a table and figures to a folder.

    It takes one to two minutes on two cores. With BAYESCALE_FAST=1 in the environment it takes few draws: a quick test
    that everything runs, with rough numbers.
    """
    from bayescale.cli.demo import run_demo

    run_demo(output, seed, json)


app.command(
    rich_help_panel=EVALUATE,
    epilog=_examples(
        "bayescale backtest -o backtest/  # the default spec and all baselines",
        "bayescale backtest one_factor mine.yaml --methods pc_3 -o compared/",
        "bayescale backtest --tasks largest_out,future --jobs 4 -o later/",
        "bayescale backtest --dask tcp://10.0.0.1:8786 -o backtest/",
    ),
)(backtest.backtest)

app.command(
    rich_help_panel=EVALUATE,
    epilog=_examples(
        "bayescale compare default sigmoids --family Llama-3 --flops 4e25 -o out/",
        "bayescale compare --factors 1-6 --leave-out model -o factors/",
        "bayescale compare --prior 'family_sd=HalfNormal(1)' -o priors/",
    ),
)(compare.compare)
