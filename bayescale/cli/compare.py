"""The command `compare`: it compares specs by predictive density, prints a table and writes results."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import completion
from bayescale.cli.arguments import SAMPLING, AsJson, Chains, DataName, Folder, Seed, Tune, check_family, evals_of
from bayescale.inference.defaults import CHAINS, DRAWS, SCAN_DRAWS, TUNE

if TYPE_CHECKING:
    from bayescale.evaluation.compare import Comparison
    from bayescale.model.spec import Spec

NONE = "none"
SCAN, QUESTION = "Scan of one spec", "Forecast to compare"

COLUMNS = {
    "elpd_model": "elpd\nmodels",
    "difference_model": "diff",
    "dse_model": "+-",
    "elpd_family": "elpd\nfamilies",
    "difference_family": "diff ",
    "dse_family": "+- ",
    "weight": "weight",
    "elpd_loo": "elpd\nscores",
    "p_loo": "p",
    "large_k": "k >\n0.7",
    "rhat": "R-hat",
    "rhat_folds": "in\nfolds",
    "seconds": "s",
}


def compare(
    output: Folder,
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SPEC",
            help="Built-in specs, or YAML files.",
            show_default="default",
            autocompletion=completion.specs,
        ),
    ] = None,
    data: DataName = "base-llms",
    factors: Annotated[
        str | None,
        typer.Option(metavar="A-B", help="Numbers of capabilities to compare, such as 1-6.", rich_help_panel=SCAN),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=PRIOR",
            help="Prior to compare, such as 'family_sd=HalfNormal(1)'; repeatable.",
            rich_help_panel=SCAN,
        ),
    ] = None,
    family: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Forecast a model of this family under every spec.", rich_help_panel=QUESTION
        ),
    ] = None,
    new_family: Annotated[
        bool,
        typer.Option(
            "--new-family", help="Forecast a model of a new family, instead of --family.", rich_help_panel=QUESTION
        ),
    ] = False,
    flops: Annotated[
        float | None,
        typer.Option(metavar="X", help="Training compute of the forecast model, in FLOP.", rich_help_panel=QUESTION),
    ] = None,
    leave_out: Annotated[
        str, typer.Option(metavar="A,B", help="Units that refits leave out: model, family, both, or none.")
    ] = "model,family",
    folds: Annotated[int, typer.Option(min=2, metavar="N", help="Number of refits (folds) per kind of unit.")] = 5,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Specs to fit at once.", show_default="all processors")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Draws to keep per chain.",
            show_default=f"{DRAWS}; {SCAN_DRAWS} in scans",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    tune: Tune = TUNE,
    chains: Chains = CHAINS,
    seed: Seed = 0,
    json: AsJson = False,
) -> None:
    """Compare specs, priors or numbers of capabilities.

    Each spec is fitted to all scores, and again without the scores of some models or families, which it must then
    predict. The command prints the expected log predictive density (elpd, in nats; higher is better), its difference
    from the best spec with one standard error, and stacking weights. The column "elpd scores" leaves out single scores
    by importance sampling (PSIS-LOO), beside the share of scores for which Pareto k is too high to trust it.

    The folder receives comparison.csv, elpd.png and each posterior; with --flops also forecasts.csv and forecasts.png,
    which show the same forecast under every spec.
    """
    from bayescale.cli import show
    from bayescale.cli.output import check_target, make_folder
    from bayescale.cli.sampling import interrupts_obeyed, quiet_workers
    from bayescale.evaluation.compare import compare as run

    chosen, question = _specs(specs, factors, prior), _question(family, new_family, flops)
    evals = evals_of(data)
    show.step(str(evals).splitlines()[0])
    make_folder(output)
    check_target(output / "comparison.csv")
    with interrupts_obeyed(), quiet_workers():
        comparison = run(
            chosen, evals, forecast=question, leave_out=_left_out(leave_out), folds=folds, jobs=jobs, random_seed=seed,
            draws=draws or (SCAN_DRAWS if factors or prior else DRAWS), tune=tune, chains=chains,
        )  # fmt: skip
    if json:
        print(show.as_json(_document(comparison)))
    else:
        show.plain_table(_rows(comparison))
        show.say(
            "Differences are from the best spec, with one standard error. The first elpd decides ranking and weights."
        )
    for name, warning in comparison.warnings.items():
        show.step(f"Warning: {name} {warning}: use more --draws, or do not rely on its numbers.")
    show.step(f"Wrote {', '.join(_write(comparison, output))} to {shlex.quote(str(output))}.")


def _specs(names: list[str] | None, factors: str | None, priors: list[str] | None) -> list[Spec]:
    """Load the named specs, or make the variants of one spec for a scan."""
    from bayescale.evaluation.compare.run import with_factors, with_priors
    from bayescale.model.spec import load_spec

    chosen = [load_spec(name) for name in names or ["default"]]
    if factors is None and not priors:
        return chosen
    if len(chosen) > 1 or (factors and priors):
        raise typer.BadParameter("a scan takes one spec, and either --factors or --prior, not both.", param_hint="SPEC")
    if factors:
        return with_factors(chosen[0], _range(factors))
    values: dict[str, list[str]] = {}
    for text in priors or []:
        name, separator, value = text.partition("=")
        if not separator:
            raise typer.BadParameter(f"{text!r} is not of the form NAME=PRIOR.", param_hint="--prior")
        values.setdefault(name.strip(), []).append(value.strip())
    return with_priors(chosen[0], values)


def _range(text: str) -> range:
    first, separator, last = text.partition("-")
    try:
        return range(int(first), int(last if separator else first) + 1)
    except ValueError:
        message = f"{text!r} is not a number or of the form A-B, such as 1-6."
        raise typer.BadParameter(message, param_hint="--factors") from None


def _question(family: str | None, new: bool, flops: float | None) -> dict[str, Any]:
    from bayescale.forecast import NEW_FAMILY

    if not family and not new and flops is None:
        return {}
    check_family([family] if family else None, new)
    if flops is None:
        raise typer.BadParameter("a forecast needs compute: --flops 4e25.", param_hint="--flops")
    return {"family": family or NEW_FAMILY, "flops": flops}


def _left_out(text: str) -> list[Any]:
    return [] if text == NONE else [name.strip() for name in text.split(",")]


def _document(comparison: Comparison) -> dict[str, Any]:
    """Return the JSON document: every number of the table, and the forecasts if requested."""
    records = comparison.summary().reset_index().to_dict("records")
    document = {
        "evals": next(iter(comparison.posteriors.values())).evals.name,
        "left_out": list(comparison.left_out),
        "specs": [{**row, "warning": comparison.warnings.get(row["spec"])} for row in records],
    }
    return document | ({"forecasts": comparison.forecast_table().to_dict("records")} if comparison.question else {})


def _rows(comparison: Comparison) -> Any:
    table = comparison.summary()
    kept = table[[c for c in COLUMNS if c in table and table[c].notna().any()]].rename(columns=COLUMNS)
    return kept.apply(lambda column: column.map(lambda value: _text(column.name, value))).reset_index()


def _text(column: str, value: float) -> str:
    if value != value:
        return "-"
    if column == COLUMNS["large_k"]:
        return f"{value:.0%}"
    digits = {"weight": 2, "R-hat": 3, COLUMNS["rhat_folds"]: 3, "s": 0, "p": 0}.get(column, 1)
    return f"{value:.{digits}f}"


def _write(comparison: Comparison, folder: Path) -> list[str]:
    """Write tables, figures and posteriors, and return the names of the files."""
    import re

    from bayescale._files import atomic_write
    from bayescale.cli import pictures

    tables = {"comparison.csv": comparison.summary().reset_index()}
    if comparison.question:
        tables["forecasts.csv"] = comparison.forecast_table()
    for name, table in tables.items():
        with atomic_write(folder / name) as temporary:
            table.to_csv(temporary, index=False)
    drawn = pictures.draw_comparison(comparison, folder)
    files = []
    for name, posterior in comparison.posteriors.items():
        files.append(f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', name).strip('_')}.nc")
        posterior.save(folder / files[-1])
    return [*tables, *drawn, *files]
