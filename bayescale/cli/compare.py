"""The command `compare`: parse, run, print, write."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli.arguments import Chains, DataName, Seed, Tune, check_family, evals_of
from bayescale.defaults import CHAINS, DRAWS, SCAN_DRAWS, TUNE

if TYPE_CHECKING:
    from bayescale.compare import Comparison
    from bayescale.spec import Spec

NONE = "none"

COLUMNS = {
    "elpd_model": "elpd models",
    "difference_model": "diff",
    "dse_model": "+-",
    "elpd_family": "elpd families",
    "difference_family": "diff ",
    "dse_family": "+- ",
    "weight": "weight",
    "elpd_loo": "elpd scores",
    "p_loo": "p",
    "large_k": "k > 0.7",
    "rhat": "R-hat",
    "rhat_folds": "in folds",
    "seconds": "s",
}


def compare(
    output: Annotated[Path, typer.Option("-o", "--output", metavar="DIR", help="Folder for the results.")],
    specs: Annotated[
        list[str] | None, typer.Argument(metavar="SPEC", help="Specs that ship, or YAML files.  [default: default]")
    ] = None,
    data: DataName = "base-llms",
    factors: Annotated[
        str | None, typer.Option(metavar="A-B", help="Scan numbers of capabilities of one spec, such as 1-6.")
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME=PRIOR", help="Scan a prior of one spec, such as 'family_sd=HalfNormal(1)'."),
    ] = None,
    family: Annotated[
        str | None, typer.Option(metavar="NAME", help="Ask every spec for a forecast of this family")
    ] = None,
    new_family: Annotated[bool, typer.Option("--new-family", help="or of one never seen,")] = False,
    flops: Annotated[float | None, typer.Option(metavar="X", help="at this training compute in FLOP.")] = None,
    leave_out: Annotated[
        str, typer.Option(metavar="A,B", help="What refits leave out: model, family or both; or none.")
    ] = "model,family",
    folds: Annotated[int, typer.Option(min=2, metavar="N", help="Refits for each of them.")] = 5,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Specs at a time.  [default: all processors]")
    ] = None,
    draws: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help=f"Kept draws per chain.  [default: {DRAWS}; {SCAN_DRAWS} in scans]"),
    ] = None,
    tune: Tune = TUNE,
    chains: Chains = CHAINS,
    seed: Seed = 0,
) -> None:
    """Compare specs, priors or numbers of capabilities.

    Each spec is fitted to all scores, and again without the scores of some models, or families, which it must predict:
    expected log predictive density (elpd, in nats; higher is better), its difference to the best spec with one standard
    error, and stacking weights. Single scores are left out by importance sampling (elpd scores, with the share of
    them whose Pareto k says that it is not to be relied on).

    Written to the folder: comparison.csv, elpd.png; with --flops, forecasts.csv and forecasts.png, the same forecast
    under every spec; and each posterior.
    """
    from bayescale.cli import show
    from bayescale.cli.output import check_target, make_folder
    from bayescale.cli.progress import progress, quiet_workers
    from bayescale.cli.sampling import interrupts_obeyed
    from bayescale.compare import compare as run

    chosen, question = _specs(specs, factors, prior), _question(family, new_family, flops)
    evals = evals_of(data)
    show.step(str(evals).splitlines()[0])
    make_folder(output)
    check_target(output / "comparison.csv")
    with interrupts_obeyed(), quiet_workers(), progress("specs") as line:
        found = run(
            chosen, evals, forecast=question, leave_out=_left_out(leave_out), folds=folds, jobs=jobs, random_seed=seed,
            progress=line, draws=draws or (SCAN_DRAWS if factors or prior else DRAWS), tune=tune, chains=chains,
        )  # fmt: skip
    show.plain_table(_rows(found))
    print("Differences are to the best spec, with one standard error. Headline and weights: the first elpd.")
    for name, doubt in found.doubts.items():
        show.step(f"Warning: {name} {doubt}: take more --draws, or do not rely on its figures.")
    show.step(f"Wrote {', '.join(_write(found, output))} to {shlex.quote(str(output))}.")


def _specs(names: list[str] | None, factors: str | None, priors: list[str] | None) -> list[Spec]:
    """Specs by name, or the variants of one that a scan asks for."""
    from bayescale.compare.run import with_factors, with_priors
    from bayescale.spec import load_spec

    chosen = [load_spec(name) for name in names or ["default"]]
    if factors is None and not priors:
        return chosen
    if len(chosen) > 1 or (factors and priors):
        raise typer.BadParameter("a scan takes one spec, and either --factors or --prior.", param_hint="SPEC")
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


def _rows(found: Comparison) -> Any:
    table = found.table
    kept = table[[c for c in COLUMNS if c in table and table[c].notna().any()]].rename(columns=COLUMNS)
    return kept.apply(lambda column: column.map(lambda value: _text(column.name, value))).reset_index()


def _text(column: str, value: float) -> str:
    if value != value:
        return "-"
    if column == "k > 0.7":
        return f"{value:.0%}"
    digits = {"weight": 2, "R-hat": 3, "in folds": 3, "s": 0, "p": 0}.get(column, 1)
    return f"{value:.{digits}f}"


def _write(found: Comparison, folder: Path) -> list[str]:
    """Write tables, pictures and posteriors; the names of the files."""
    import re

    from bayescale.cli import pictures
    from bayescale.cli.output import write_whole

    tables = {"comparison.csv": found.table.reset_index()}
    if found.question:
        tables["forecasts.csv"] = found.forecast_table()
    for name, table in tables.items():
        write_whole(folder / name, lambda path, table=table: table.to_csv(path, index=False))  # type: ignore[misc]
    drawn = pictures.draw_comparison(found, folder)
    files = []
    for name, posterior in found.posteriors.items():
        files.append(f"{re.sub(r'[^A-Za-z0-9.+-]+', '_', name).strip('_')}.nc")
        posterior.save(folder / files[-1])
    return [*tables, *drawn, *files]
