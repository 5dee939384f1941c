"""The command `fit`: it samples a posterior, prints convergence diagnostics and saves the file."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from bayescale.cli import options, show
from bayescale.inference.defaults import CHAINS, MAX_MINUTES, TUNE

if TYPE_CHECKING:
    from bayescale.methods import Posterior


def fit(
    save: Annotated[Path, options.netcdf(help="File for the posterior, such as posterior.nc.")],
    spec: options.SpecName = "default",
    evals: options.EvalsName = "base-llms",
    draws: Annotated[int | None, options.draws(show_default="until the chains converge")] = None,
    tune: options.Tune = TUNE,
    chains: options.Chains = CHAINS,
    cores: Annotated[
        int | None,
        options.sampling(min=1, metavar="N", help="Chains to run at once.", show_default="all processors"),
    ] = None,
    target_accept: Annotated[
        float | None,
        options.sampling(
            min=0,
            max=1,
            metavar="X",
            help="Target acceptance rate; raise it to avoid divergences.",
            show_default="0.8, and more where transitions diverge",
        ),
    ] = None,
    random_seed: options.RandomSeed = options.SEED,
    nuts_sampler: Annotated[
        Literal["nutpie", "pymc", "numpyro"],
        options.sampling(help="nutpie is the fastest for this model; numpyro is an extra."),
    ] = "nutpie",
    max_minutes: Annotated[
        float, options.sampling(metavar="X", help="Without --draws: minutes after which sampling ends in any case.")
    ] = MAX_MINUTES,
    json: options.AsJson = False,
) -> None:
    """Sample a posterior, and save it to one file.

    The command checks spec, data and output file before sampling. The saved file holds everything that forecasts need.
    Convergence diagnostics are printed at the end. A posterior that did not converge is saved too, with a warning and
    the remedies.

    `bayescale specs` lists the built-in specs, `bayescale data list` the built-in data sets.
    """
    from bayescale.cli.files import check_targets
    from bayescale.cli.sampling import sample
    from bayescale.model.spec import load_spec

    check_targets(save)
    chosen, tables = load_spec(spec), options.evals_of(evals)
    show.step(tables.headline)
    posterior = sample(
        chosen, tables, draws=draws or "auto", tune=tune, chains=chains, cores=cores,
        target_accept="auto" if target_accept is None else target_accept, random_seed=random_seed,
        nuts_sampler=nuts_sampler, max_minutes=max_minutes,
    )  # fmt: skip
    posterior.save(save)
    if json:
        show.warn_unconverged(posterior.convergence)
        sampled = {"sampling": dict(posterior.sampling), "file": str(save)}
        show.document(show.about(posterior), sampled, posterior.convergence.model_dump())
    else:
        show.convergence(posterior.convergence)
    show.step(f"Wrote {save} ({save.stat().st_size / 1e6:.0f} MB).\nNext: {_next_command(posterior, save)}")


def _next_command(posterior: Posterior, path: Path) -> str:
    """Return the next command: a forecast ten times larger than the largest model, or a check without convergence."""
    if not posterior.converged:
        return f"{show.program()} check {shlex.quote(str(path))}"
    models = posterior.evals.models.dropna(subset="flops")
    family, size = "NAME", "--flops X"
    if len(models):
        largest = models.iloc[int(models["flops"].argmax())]
        family, size = shlex.quote(largest["family"]), f"--flops {10 * largest['flops']:.0e}".replace("+", "")
    return f"{show.program()} forecast {shlex.quote(str(path))} --family {family} {size}"
