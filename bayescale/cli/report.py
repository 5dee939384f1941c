"""The command `report`: it writes an interactive HTML report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale._intervals import PROB
from bayescale.cli.arguments import OUTPUT, AsJson, PosteriorFile, Prob
from bayescale.inference.defaults import REPORT_DRAWS


def report(
    posterior: PosteriorFile,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="File for the report, such as report.html.",
            rich_help_panel=OUTPUT,
        ),
    ],
    backtest: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also show the results of `bayescale backtest` in this folder.")
    ] = None,
    draws: Annotated[int, typer.Option(metavar="N", help="Largest number of draws in the report.")] = REPORT_DRAWS,
    prob: Prob = PROB,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Random seed of the forecasts.")] = 0,
    json: AsJson = False,
) -> None:
    """Write an interactive HTML report that you can share.

    The report is one HTML file that needs no server and no network. Readers choose a family, compute and known scores,
    and the forecast updates. The report also shows convergence, the data, efficiency of the families, and capabilities.

    The report holds a subset of the draws (--draws; fewer if the file would exceed 5 MiB). It shows expected scores,
    without sampling noise of the benchmark; `bayescale forecast` uses all draws and includes this noise.
    """
    from bayescale._files import atomic_write
    from bayescale.cli import show
    from bayescale.cli.output import check_target
    from bayescale.methods import Posterior

    check_target(output)
    fitted = Posterior.load(posterior)
    page = fitted.to_html(backtest, draws, prob=prob, random_seed=seed)
    if not fitted.converged:
        show.unconverged(fitted.convergence)
    with atomic_write(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    if json:
        size = {"file": str(output), "bytes": output.stat().st_size}
        print(show.as_json(show.about(fitted) | size | {"prob": prob}))
    show.step(f"Wrote {output} ({output.stat().st_size / 2**20:.1f} MiB). Open it in a browser, or share it.")
