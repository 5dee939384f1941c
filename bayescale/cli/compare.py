"""The command `compare`: it compares specs by predictive density, prints a table and writes results."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import options, show
from bayescale.inference.defaults import CHAINS, DRAWS, SCAN_DRAWS, TUNE

if TYPE_CHECKING:
    from bayescale.evaluation.compare import Comparison
    from bayescale.model.spec import Spec

scan_option = functools.partial(typer.Option, rich_help_panel="Scan of one spec")

# Title and format of each printed column; comparison.csv has R-hat and seconds, too.
COLUMNS = {
    "elpd_model": ("elpd\nmodel", "{:.0f}"),
    "difference_model": ("diff", "{:.1f}"),
    "dse_model": ("+-", "{:.1f}"),
    "elpd_family": ("elpd\nfamily", "{:.0f}"),
    "difference_family": ("diff ", "{:.1f}"),
    "dse_family": ("+- ", "{:.1f}"),
    "weight": ("weight", "{:.2f}"),
    "elpd_loo": ("elpd\nscore", "{:.0f}"),
    "p_loo": ("p", "{:.0f}"),
    "large_k": ("k >\n0.7", "{:.0%}"),
}


def compare(
    out: options.Out,
    specs: Annotated[
        list[str] | None, options.spec(help="Built-in specs, or YAML files.", show_default="default")
    ] = None,
    evals: options.EvalsName = "base-llms",
    factors: Annotated[
        str | None, scan_option(metavar="A-B", help="Numbers of capabilities to compare, such as 1-6.")
    ] = None,
    priors: Annotated[
        list[str] | None,
        scan_option(metavar="NAME=PRIOR", help="Prior to compare, such as 'family_sd=HalfNormal(1)'; repeatable."),
    ] = None,
    family: Annotated[
        str | None, options.model(metavar="NAME", help="Forecast a model of this family under every spec.")
    ] = None,
    new_family: options.NewFamily = False,
    flops: Annotated[float | None, options.model(metavar="X", help="Training compute in FLOP, such as 4e25.")] = None,
    settings: options.Settings = None,
    leave_out: Annotated[
        list[str] | None,
        typer.Option(
            metavar="UNIT",
            help="Unit whose scores refits leave out: model or family; repeatable; or none.",
            show_default="both",
        ),
    ] = None,
    folds: Annotated[int, typer.Option(min=2, metavar="N", help="Number of refits (folds) per kind of unit.")] = 5,
    jobs: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Specs to fit at once.", show_default="all processors")
    ] = None,
    draws: Annotated[int | None, options.draws(show_default=f"{DRAWS}; {SCAN_DRAWS} in scans")] = None,
    tune: options.Tune = TUNE,
    chains: options.Chains = CHAINS,
    random_seed: options.RandomSeed = options.SEED,
    json: options.AsJson = False,
) -> None:
    """Compare specs, priors or numbers of capabilities.

    Each spec is fitted to all scores, and again without the scores of some models or families, which it must then
    predict. The command prints the expected log predictive density (elpd, in nats; higher is better), its difference
    from the best spec with one standard error, and stacking weights. The column "elpd scores" leaves out single scores
    by importance sampling (PSIS-LOO), beside the share of scores for which Pareto k is too high to trust it.

    The folder receives comparison.csv, elpd.png and each posterior; with --flops also forecasts.csv and forecasts.png,
    which show the same forecast under every spec; and fits/ with each finished fit. The same command resumes an
    interrupted run from there.
    """
    from bayescale.cli.figures import draw_comparison
    from bayescale.cli.files import check_targets, file_names, make_folder, write_folder
    from bayescale.cli.sampling import resumable
    from bayescale.evaluation.compare import compare as run

    chosen, query = _specs(specs, factors, priors), _query(family, new_family, flops)
    query |= options.columns(settings) if query else {}
    left_out: Any = options.names(leave_out, "--leave-out", default=("model", "family"))
    tables = options.evals_of(evals)
    show.step(tables.headline)
    fits = out / "fits"
    make_folder(out)
    saved = file_names((spec.name for spec in chosen), "{}.nc")
    others = ["forecasts.csv", "forecasts.png"] if query else []
    check_targets(*(out / name for name in ("comparison.csv", "elpd.png", *others, *saved.values())))
    with resumable(fits):
        comparison = run(
            chosen, tables, forecast=query, leave_out=left_out, folds=folds, directory=fits, jobs=jobs,
            random_seed=random_seed, draws=draws or (SCAN_DRAWS if factors or priors else DRAWS), tune=tune,
            chains=chains,
        )  # fmt: skip
    for name, posterior in comparison.posteriors.items():
        posterior.save(out / saved[name])
    written = {"comparison.csv": comparison.summary().reset_index()}
    if comparison.question:
        written["forecasts.csv"] = comparison.forecast_table()
    write_folder(out, written, lambda: draw_comparison(comparison), *saved.values())
    if json:
        show.document({"random_seed": random_seed}, _document(comparison))
    else:
        show.plain_table(show.formatted(comparison.summary(), COLUMNS))
        show.say(
            "Differences are from the best spec, with one standard error, clustered by family. The first elpd gives "
            "ranking and weights."
        )
    for name, warning in comparison.warnings.items():
        show.step(f"Warning: {name} {warning}: use more --draws, or do not rely on its numbers.")


def _specs(names: list[str] | None, factors: str | None, priors: list[str] | None) -> list[Spec]:
    """Load the named specs, or make the variants of one spec for a scan."""
    from bayescale.evaluation.compare.run import with_factors, with_priors
    from bayescale.model.spec import load_spec

    chosen = [load_spec(name) for name in names or ["default"]]
    if factors is None and not priors:
        return chosen
    if len(chosen) > 1 or (factors and priors):
        raise typer.BadParameter(
            "a scan takes one spec, and either --factors or --priors, not both.", param_hint="SPEC"
        )
    if factors:
        return with_factors(chosen[0], _range(factors))
    values: dict[str, list[str]] = {}
    for text in priors or []:
        name, separator, value = text.partition("=")
        if not separator:
            raise typer.BadParameter(
                f"{text!r} is not of the form NAME=PRIOR, such as family_sd=HalfNormal(1).", param_hint="--priors"
            )
        values.setdefault(name.strip(), []).append(value.strip())
    return with_priors(chosen[0], values)


def _range(text: str) -> range:
    first, separator, last = text.partition("-")
    try:
        return range(int(first), int(last if separator else first) + 1)
    except ValueError:
        message = f"{text!r} is not a number or of the form A-B, such as 1-6."
        raise typer.BadParameter(message, param_hint="--factors") from None


def _query(family: str | None, new: bool, flops: float | None) -> dict[str, Any]:
    if not family and not new and flops is None:
        return {}
    chosen = options.family_of(family, new)
    if flops is None:
        raise typer.BadParameter("a forecast needs compute: --flops 4e25.", param_hint="--flops")
    return {"family": chosen, "flops": flops}


def _document(comparison: Comparison) -> dict[str, Any]:
    """Return the JSON document: every number of the table, and the forecasts if requested."""
    records = comparison.summary().reset_index().to_dict("records")
    document = {
        "evals": next(iter(comparison.posteriors.values())).evals.name,
        "left_out": list(comparison.left_out),
        "specs": [{**row, "warning": comparison.warnings.get(row["spec"])} for row in records],
    }
    return document | ({"forecasts": comparison.forecast_table().to_dict("records")} if comparison.question else {})
