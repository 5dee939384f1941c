"""The commands `import ...`: convert the output of other tools to tables, with an account that fits a screen."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import completion, options, show

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.evals.importers import Imported

# File with the whole account, in the folder of the tables.
ACCOUNT = "import_account.txt"

# The account on the screen has at most 40 lines: these, their headings, conflicts and the last lines.
_MOST_TAKEN = 8
_MOST_REASONS = 7
_MOST_NOTES = 7
_MOST_NAMES = 3
_WIDTH = 240

Source = Annotated[Path, typer.Argument(metavar="SOURCE", help="Folder or file to import.")]
NewFolder = Annotated[Path | None, options.output("-o", "--out", metavar="DIR", help="New folder for the tables.")]
Into = Annotated[
    Path | None, options.output(metavar="DIR", help="Merge with the tables in this folder, and report conflicts.")
]
With = Annotated[
    str | None,
    typer.Option(
        "--with",
        metavar="NAME",
        help="Add the built-in data set of this name, such as base-llms, to the new tables.",
        autocompletion=completion.evals,
    ),
]
MappingFile = Annotated[
    str | None,
    typer.Option(
        "-m",
        "--mapping",
        metavar="FILE",
        help="YAML file that maps names, or a built-in mapping.",
        autocompletion=completion.mappings,
    ),
]
Models = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="CSV with family and compute of models, such as a completed template."),
]

IMPORT_HELP = """Convert your own evaluation results to tables.

The command writes models.csv, benchmarks.csv and scores.csv, and models_to_fill.csv with the models whose family or
compute is unknown: complete that file and pass it to --models, or edit models.csv. The command lists what it imported,
what it skipped, and why; import_account.txt has the whole list. It recognises built-in benchmarks by exact name or
alias only, never by similarity.
"""


def harness(tool: str) -> Callable[..., None]:
    """Return the command for a harness whose results are JSON files."""

    def command(
        source: Source,
        out: NewFolder = None,
        into: Into = None,
        add: With = None,
        mapping: MappingFile = None,
        models: Models = None,
        subtasks: Annotated[
            bool, typer.Option("--subtasks", help="Import the subtasks of groups, not the groups.")
        ] = False,
        model_from_path: Annotated[
            bool, typer.Option("--model-from-path", help="Name models after the file or folder if it names none.")
        ] = False,
        json: options.AsJson = False,
    ) -> None:
        own = {"subtasks": subtasks, "model_from_path": model_from_path}
        _import(tool, source, out, into, add, json, mapping=mapping, models=models, **own)

    return command


def importer(tool: str) -> Callable[..., None]:
    """Return the command for a tool that has no options of its own."""

    def command(
        source: Source,
        out: NewFolder = None,
        into: Into = None,
        add: With = None,
        mapping: MappingFile = None,
        models: Models = None,
        json: options.AsJson = False,
    ) -> None:
        _import(tool, source, out, into, add, json, mapping=mapping, models=models)

    return command


# Command, help and examples by name of the tool.
IMPORTERS: dict[str, tuple[Any, ...]] = {
    "lm-eval": (
        harness("lm-eval"),
        """Import results of EleutherAI's lm-evaluation-harness.

        The command reads all JSON files in a folder and its subfolders. Of several metrics of a task it imports one:
        the metric that an alias or the mapping names, else acc_norm, acc or exact_match. A later run of a model on a
        task replaces an earlier one, but a limited run never replaces a full one. A revision other than main is part
        of the model's name.
        """,
        "import lm-eval results/ -o my_tables/",
        "import lm-eval results/ --with base-llms -o tables/",
        "import lm-eval more/ --into my_tables/ --models filled_in.csv",
    ),
    "lighteval": (
        harness("lighteval"),
        """Import results of lighteval, or of the first Open LLM Leaderboard.

        Their tasks are called suite|task|examples. All 57 subjects of MMLU together become MMLU.
        """,
        "import lighteval results/ -o my_tables/",
        "import lighteval leaderboard/ --with base-llms -o tables/",
    ),
    "inspect": (
        importer("inspect"),
        """Import logs of Inspect; needs the extra `inspect`.

        The command imports the mean over all samples of every successful log.
        """,
        "import inspect logs/ -o my_tables/",
        "import inspect logs/ --into my_tables/",
    ),
    "every-eval-ever": (
        importer("every-eval-ever"),
        """Import records in the schema of Every Eval Ever.

        Scores become shares by the range that each record states.
        """,
        "import every-eval-ever data/ -o my_tables/",
        "import every-eval-ever data/ --with base-llms -o tables/",
    ),
    "wide": (
        importer("wide"),
        """Import a table of models by benchmarks: CSV, TSV, Excel or Parquet.

        The mappings open-llm-leaderboard-1 and open-llm-leaderboard-2 read exports of the Open LLM Leaderboard.
        """,
        "import wide scores.csv --mapping mine.yaml -o my_tables/",
        "import wide all.parquet -m open-llm-leaderboard-2 -o tables/",
    ),
    "long": (
        importer("long"),
        """Import a table with a row per score: CSV, TSV, Excel or Parquet.

        Its columns are model, benchmark and score, and optionally stderr, shots, setting and facts about the model.
        """,
        "import long scores.csv -o my_tables/",
        "import long scores.xlsx --mapping mine.yaml -o my_tables/",
    ),
    "epoch": (
        importer("epoch"),
        """Import files of Epoch AI's Benchmarking Hub, or long tables in their format.

        Files of the hub are read in their own units; the effort at the end of a version is a setting of the score.
        Other files have a row per model version and benchmark; one without a benchmark column holds one benchmark,
        named after the file. The confidence of the compute becomes flops_log10_sd.
        """,
        "import epoch benchmark_data/ -o epoch_tables/",
        "import epoch gpqa_diamond.csv --into my_tables/",
    ),
}


def _import(
    tool: str, source: Path, out: Path | None, into: Path | None, add: str | None, json: bool, **settings: Any
) -> None:
    from bayescale._files import atomic_write
    from bayescale.cli.files import make_folder
    from bayescale.evals import load_evals
    from bayescale.evals.importers import import_evals

    folder = out or into
    if folder is None or (out and into):
        raise typer.BadParameter(
            "give either --out DIR, for new tables, or --into DIR, to merge with existing ones.", param_hint="-o"
        )
    imported = import_evals(tool, source, **settings)
    joined = imported.merge_into(load_evals(add)) if add else imported
    make_folder(folder)
    written = joined.write(folder, into=into is not None)
    with atomic_write(folder / ACCOUNT) as temporary:
        temporary.write_text("\n".join(account(imported, written, whole=True)) + "\n", encoding="utf-8")
    if json:
        tables = {
            name: getattr(written, name).to_dict("records") for name in ("taken", "skipped", "to_fill", "conflicts")
        }
        show.document({"tool": tool, "folder": str(folder)}, tables, {"notes": list(written.notes)})
        return
    flags = [f"--{name.replace('_', '-')}" for name in ("subtasks", "model_from_path") if settings.get(name)]
    again = [tool, str(source), *flags]
    again += ["--mapping", settings["mapping"]] if settings["mapping"] else []
    if add:
        step = len(written.scores) - len(imported.scores)
        show.step(f"{add} adds {step} scores, so there are {len(written.scores)} of {len(written.models)} models.")
    print("\n".join(account(imported, written)))
    _print_next(written, folder, shlex.join(again))


def account(imported: Imported, written: Imported, whole: bool = False) -> list[str]:
    """Return the lines of the account: what was taken, what was skipped and why, and notes; short unless `whole`."""
    taken = imported.taken.to_string(index=False).splitlines()
    lines = [repr(imported), "", *_shown(taken, 0 if whole else _MOST_TAKEN + 1)]
    if len(imported.skipped):
        lines += ["", "Skipped:"]
        if whole:
            lines += [
                f"  {row['source']}: {row['what']}{' of ' * bool(row['model'])}{row['model']}: {row['reason']}"
                for row in imported.skipped.to_dict("records")
            ]
        else:
            groups = imported.skipped.groupby("kind", sort=False)
            lines += _shown([_kind(str(kind), rows) for kind, rows in groups], _MOST_REASONS)
    if written.notes:
        lines += ["", "Notes:"]
        notes = written.notes if whole else map(_shortened, written.notes)
        lines += _shown([f"  {note}" for note in notes], 0 if whole else _MOST_NOTES)
    if len(written.conflicts) and whole:
        lines += ["", "Conflicts:"]
        lines += [
            f"  {r.table}, {r.row}, {r.column}: {r.kept} is kept, {r.offered} is not"
            for r in written.conflicts.itertuples()
        ]
    return lines


def _shown(lines: list[str], most: int) -> list[str]:
    """Return the first lines, with the number of the others; all of them where `most` is 0."""
    if not most or len(lines) <= most:
        return lines
    return [*lines[: most - 1], f"  ... and {len(lines) - most + 1} more, in {ACCOUNT}"]


def _kind(kind: str, rows: pd.DataFrame) -> str:
    """Describe what was skipped for one reason: the files, and the first results."""
    reasons = rows["reason"].unique()
    reason = reasons[0] if len(reasons) == 1 else f"{kind} ({len(rows)} results; first: {reasons[0]})"
    if len(reasons) == 1 and len(rows) > 1:
        reason += f" ({len(rows)} results)"
    what = [f"{what} of {model}" if model else what for what, model in zip(rows["what"], rows["model"], strict=True)]
    files = rows["source"].unique().tolist()
    results = "" if set(what) == {"the file"} else f"{_names(what)} (in {_names(files)})"
    return f"  {_shortened(str(reason))}: {results or _names(files)}"


def _shortened(line: str) -> str:
    return textwrap.shorten(line, _WIDTH, placeholder=" ...")


def _names(names: Iterable[str]) -> str:
    from bayescale.evals.tables import first_names

    return first_names(list(dict.fromkeys(names)), _MOST_NAMES)


def _print_next(written: Imported, folder: Path, again: str) -> None:
    print(f"\nWrote models.csv, benchmarks.csv and scores.csv to {folder}, and the whole account to {ACCOUNT} there.")
    fill, place = written.to_fill, shlex.quote(str(folder))
    if len(fill):
        without = int((fill["family"] == "").sum())
        lack = "1 model lacks" if len(fill) == 1 else f"{len(fill)} models lack"
        print(f"{lack} family or compute, {without} of them without a family.")
        template = shlex.quote(str(folder / "models_to_fill.csv"))
        command = f"{show.program()} import {again} --into {place} --models {template}"
        print(f"Complete models_to_fill.csv, then run: {command}")
    else:
        print(f"Next: {show.program()} data validate {place}")
