"""The command `fit`: it samples a posterior, prints convergence diagnostics and saves the file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bayescale.cli.arguments import (
    OUTPUT,
    SAMPLING,
    AsJson,
    Chains,
    DataName,
    Draws,
    Sampler,
    SpecName,
    Tune,
    evals_of,
)
from bayescale.inference.defaults import CHAINS, DRAWS, TUNE

if TYPE_CHECKING:
    from bayescale.methods import Posterior


def fit(
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File for the posterior, such as posterior.nc.",
            rich_help_panel=OUTPUT,
        ),
    ],
    spec: SpecName = "default",
    data: DataName = "base-llms",
    draws: Draws = DRAWS,
    tune: Tune = TUNE,
    chains: Chains = CHAINS,
    cores: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Chains to run at once.",
            show_default="all processors",
            rich_help_panel=SAMPLING,
        ),
    ] = None,
    target_accept: Annotated[
        float,
        typer.Option(
            min=0,
            max=1,
            metavar="X",
            help="Target acceptance rate; raise it to avoid divergences.",
            rich_help_panel=SAMPLING,
        ),
    ] = 0.8,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=2**32 - 1, metavar="N", help="The same seed gives the same draws.", rich_help_panel=SAMPLING
        ),
    ] = None,
    sampler: Annotated[
        Sampler,
        typer.Option(help="nutpie is the fastest for this model; numpyro is an extra.", rich_help_panel=SAMPLING),
    ] = Sampler.nutpie,
    json: AsJson = False,
) -> None:
    """Sample a posterior, and save it to one file.

    The command checks spec, data and output file before sampling. The saved file holds everything that forecasts need.
    Convergence diagnostics are printed at the end. A posterior that did not converge is saved too, with a warning and
    the remedies.

    `bayescale specs` lists the built-in specs, `bayescale data list` the built-in data sets.
    """
    from bayescale.cli import show
    from bayescale.cli.output import check_target
    from bayescale.cli.sampling import sample
    from bayescale.model.spec import load_spec

    check_target(output)
    chosen, evals = load_spec(spec), evals_of(data)
    show.step(str(evals).splitlines()[0])
    posterior = sample(
        chosen, evals, draws=draws, tune=tune, chains=chains, cores=cores, target_accept=target_accept,
        random_seed=seed, nuts_sampler=sampler.value,
    )  # fmt: skip
    posterior.save(output)
    if json:
        if not posterior.converged:
            show.unconverged(posterior.convergence)
        sampled = {"sampling": dict(posterior.sampling), "file": str(output)}
        print(show.as_json(show.about(posterior) | sampled | posterior.convergence.model_dump()))
    else:
        show.convergence(posterior.convergence)
    show.step(f"Wrote {output} ({output.stat().st_size / 1e6:.0f} MB).\nNext: {_next_command(posterior, output)}")


def _next_command(posterior: Posterior, path: Path) -> str:
    """Return the next command: a forecast ten times larger than the largest model, or a check without convergence."""
    from bayescale.cli import show

    if not posterior.converged:
        return f"{show.program()} check {shlex.quote(str(path))}"
    models = posterior.evals.models.dropna(subset="flops")
    family, size = "NAME", "--flops X"
    if len(models):
        largest = models.iloc[int(models["flops"].argmax())]
        family, size = shlex.quote(largest["family"]), f"--flops {10 * largest['flops']:.0e}".replace("+", "")
    return f"{show.program()} forecast {shlex.quote(str(path))} --family {family} {size}"
