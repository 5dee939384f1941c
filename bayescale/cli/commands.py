"""Register every command, in the order of a session, with its examples."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from bayescale.cli import backtest, checks, compare, data, deciding, demo, fitting, forecasting, importing
from bayescale.errors import BayescaleError, FileError

# Headings of the list of commands.
DATA = "Data and specs"
FIT = "Fit and check"
FORECAST = "Forecast and report"
EVALUATE = "Evaluate the model"

# Options of version 0.1, and what replaces them.
RENAMED = {
    "--seed": "--random-seed",
    "--data": "--evals",
    "--sampler": "--nuts-sampler",
    "--params-b": "--params, a plain number such as 7e10",
    "--tokens-t": "--tokens, a plain number such as 1.5e13",
    "--methods": "--baselines, once for each name",
    "--prior": "--priors",
    "--family": "--families",
    "--up-to": "--max-flops",
}


def _in_words(message: str, options: Sequence[str], args: Sequence[str]) -> str:
    """Say which value is wrong in a message of Typer's, which names none, and describes parsing.

    Examples
    --------
    >>> _in_words("Input should be a valid number, unable to parse string as a number", ["--flops"], ["--flops", "1O"])
    "'1O' is not a number, such as 4e25"
    """
    if not message.startswith("Input should be "):
        return message
    values = [word.partition("=")[2] for word in args if word.partition("=")[0] in options and "=" in word]
    values += [after for word, after in itertools.pairwise(args) if word in options]
    wanted = message.removeprefix("Input should be ").partition(",")[0]
    kinds = {"a valid number": "not a number, such as 4e25", "a valid integer": "not a whole number"}
    wrong = kinds.get(wanted, f"not {wanted}")
    return f"{' or '.join(map(repr, values))} is {wrong}" if values else message


class Command(TyperCommand):
    """A command that answers an option of version 0.1 with the new one."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options, after a look for old ones."""
        taken = {name: parameter for parameter in self.params for name in parameter.opts}
        # `-o` and `--out` are always a folder; files have options of their own.
        files = [f"{name} FILE" for name, parameter in taken.items() if parameter.metavar == "FILE"]
        folder = "--out" if "--out" in taken else " or ".join(files)
        for word in args:
            name = word.partition("=")[0]
            new = {"-o": folder, "--output": folder}.get(name, RENAMED.get(name, ""))
            if name not in taken and re.split(r"[ ,]", new)[0] in taken:
                ctx.fail(f"No such option: {name}. Use {new}.")
        said = list(args)
        try:
            return super().parse_args(ctx, args)
        except typer.BadParameter as error:
            error.message = _in_words(error.message, error.param.opts if error.param else [], said)
            raise

    def invoke(self, ctx: Any) -> Any:
        """Run the command; errors of files and streams, which Typer would end with 1, become the package's own."""
        try:
            return super().invoke(ctx)
        except BayescaleError:
            raise
        except OSError as error:
            place = f"{str(error.filename)!r}: " if error.filename is not None else ""
            raise FileError(f"{place}{error.strerror or error}.") from error
        except EOFError as error:
            raise RuntimeError(f"unexpected end of input ({error})") from error


def _group(**settings: Any) -> typer.Typer:
    """Create a group of commands. Help texts are Markdown."""
    return typer.Typer(rich_markup_mode="markdown", pretty_exceptions_enable=False, no_args_is_help=True, **settings)


def _examples(*lines: str) -> str:
    """Return the end of a help page in Markdown: a list, because paragraphs would be joined and filled."""
    return "\n\n".join(["Examples:", *(f"- `bayescale {line}`" for line in lines)])


def _add(group: typer.Typer, command: Callable[..., None], examples: Iterable[str], **settings: Any) -> None:
    """Add a command with its examples to a group."""
    group.command(cls=Command, epilog=_examples(*examples), **settings)(command)


app = _group(
    epilog=_examples(
        "demo -o demo/  # everything once, in one to two minutes",
        "fit --save posterior.nc  # the default spec on public base models",
        "check posterior.nc  # has the sampler converged?",
        "forecast posterior.nc --family Llama-3 --flops 4e25",
        "report posterior.nc --html report.html",
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
    single JSON document instead (`--json > result.json` keeps it). `-o` or `--out` is always a folder; `--save`,
    `--csv`, `--plot` and the like are files. Options have the names of the arguments in Python, and an option that
    takes several values is repeated. Progress is shown on a terminal only.

    Exit codes: 0 done; 1 `check` found that the sampler did not converge; 2 an error in the input, or a file or stream
    that cannot be written, explained on standard error; 3 a fault of the program; 130, 143 and 129 ended by Ctrl-C,
    SIGTERM and a closed terminal. Files are written before results are printed.
    """


_data = _group(
    help="List, export or update the built-in data sets, or validate your own tables.",
    epilog=_examples("data list", "data export frontier my_tables/", "data validate my_tables/"),
)
_add(_data, data.list_data, ["data list", "data list --json"], name="list")
_add(_data, data.validate, ["data validate my_tables/", "data validate my_tables/ --json"])
_add(_data, data.export, ["data export frontier my_tables/"])
_add(_data, data.update, ["data update hub_export/ -o frontier/"])
app.add_typer(_data, name="data", rich_help_panel=DATA)

_import = _group(
    help=importing.IMPORT_HELP,
    epilog=_examples(
        "import lm-eval results/ -o my_tables/", "import wide scores.csv --mapping mine.yaml --into my_tables/"
    ),
)
for _tool, (_command, _help, *_lines) in importing.IMPORTERS.items():
    _add(_import, _command, _lines, name=_tool, help=_help)
app.add_typer(_import, name="import", rich_help_panel=DATA)

COMMANDS: dict[str, dict[Callable[..., None], list[str]]] = {
    DATA: {data.specs: ["specs", "specs --json | jq '.specs[].name'"]},
    FIT: {
        checks.prior: [
            "prior",
            "prior wide_priors --evals base-llms --plot prior.png",
            "prior my_spec.yaml --evals my_tables/ --csv prior.csv",
        ],
        fitting.fit: [
            "fit --save posterior.nc",
            "fit one_factor --random-seed 1 --save one_factor.nc",
            "fit my_spec.yaml --evals my_tables/ --draws 3000 --save mine.nc",
            "fit --target-accept 0.95 --save mine.nc --json | jq .converged",
        ],
        checks.check: [
            "check posterior.nc",
            "check posterior.nc --plot pit.png",
            "check posterior.nc --json | jq .problems",
        ],
        checks.prior_sensitivity: [
            "prior-sensitivity posterior.nc --family Llama-3 --flops 4e25",
        ],
    },
    FORECAST: {
        forecasting.forecast: [
            "forecast posterior.nc --family Llama-3 --flops 4e25",
            "forecast posterior.nc --new-family --params 4e11 --tokens 1.5e13",
            "forecast mine.nc --family Llama-3 --flops 4e25 --given MMLU=0.86",
            "forecast mine.nc --family Llama-3 --flops 4e25 --above MMLU=0.9 --above GSM8K=0.9",
            "forecast mine.nc --family Llama-3 --family Qwen1.5 --flops 4e25 --csv forecast.csv --plot fan.png",
            "forecast dated.nc --organization OpenAI --released 2026-12 --set reasoning=true",
        ],
        deciding.required_compute: [
            "required-compute posterior.nc --above MMLU=0.9 --family Llama-3 --new-family",
            "required-compute posterior.nc --above GSM8K=0.95 --probability 0.5 --csv compute.csv",
            "required-compute posterior.nc --above MMLU=0.9 --family Llama-3 --flops-per-dollar 5e17",
        ],
        deciding.probability: [
            "probability posterior.nc --above MMLU=0.9 --family Llama-3 --family Qwen1.5 --flops 4e25",
            "probability posterior.nc --above MMLU=0.9 --above GSM8K=0.9 --new-family --flops 1e26",
        ],
        deciding.compute_optimal: ["compute-optimal sizes.nc --flops 1e25 --family Llama-2 --plot split.png"],
        deciding.compute: ["compute dated.nc --csv compute.csv"],
        deciding.when: [
            "when dated.nc --above 'GPQA Diamond=0.95' --plot when.png",
            "when dated.nc --above MMLU=0.95 --organization OpenAI",
        ],
        deciding.predict: [
            "predict posterior.nc --csv predicted.csv",
            "predict posterior.nc --models microsoft/phi-2 --benchmarks MMLU --benchmarks GSM8K",
        ],
        deciding.efficiency: [
            "efficiency posterior.nc --reference Llama-2 --plot efficiency.png",
            "efficiency posterior.nc --by model --csv equivalent_compute.csv",
        ],
        deciding.equivalent_flops: ["equivalent-flops posterior.nc --reference Llama-2 --of single --csv flops.csv"],
        deciding.emergence: [
            "emergence posterior.nc GSM8K --family Llama-2 --scores 0.5 --scores 0.8",
            "emergence posterior.nc GSM8K --new-family --plot emergence.png",
        ],
        deciding.uplift: ["uplift mine.nc 'GSM8K CoT + SC' --baseline 'GSM8K direct' --family Llama-2"],
        deciding.explained_variance: [
            "explained-variance posterior.nc GSM8K --benchmarks MMLU --family Llama-3 --flops 4e25",
        ],
        deciding.factors: ["factors posterior.nc --plot loadings.png"],
        deciding.progress: ["progress dated.nc", "progress dated.nc --csv progress.csv --plot progress.png"],
        forecasting.effect: [
            "effect posterior.nc log10_flops",
            "effect dated.nc reasoning --flops 4e25 --released 2026-12 --plot effect.png",
        ],
        forecasting.report: [
            "report posterior.nc --html report.html",
            "report posterior.nc --backtest backtest/ --html report.html",
        ],
        forecasting.suggest: [
            "suggest posterior.nc --budget 8",
            "suggest posterior.nc --budget 8 --max-flops 8.4e22 --plot suggested.png",
            "suggest posterior.nc --budget 30 --cost params_b",
        ],
        deciding.suggest_benchmarks: [
            "suggest-benchmarks posterior.nc --model Qwen/Qwen2-72B --budget 1",
        ],
        demo.demo: ["demo -o demo/", "demo -o demo/ --json | jq .forecasts"],
    },
    EVALUATE: {
        backtest.backtest: [
            "backtest -o backtest/  # the default spec and all baselines",
            "backtest one_factor mine.yaml --baselines pc_3 -o compared/",
            "backtest --tasks largest_out --tasks future --jobs 4 -o later/",
            "backtest --dask tcp://10.0.0.1:8786 -o backtest/",
        ],
        compare.compare: [
            "compare default sigmoids --family Llama-3 --flops 4e25 -o out/",
            "compare --factors 1-6 --leave-out model -o factors/",
            "compare --priors 'family_sd=HalfNormal(1)' -o priors/",
        ],
    },
}
for _panel, _entries in COMMANDS.items():
    for _command, _lines in _entries.items():
        # `forecast` takes further arguments as scores of `--given`.
        _settings = {"allow_extra_args": _command is forecasting.forecast}
        _add(app, _command, _lines, rich_help_panel=_panel, context_settings=_settings)
