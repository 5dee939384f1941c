"""The command `report`: one HTML page to send on."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bayescale.cli.arguments import AsJson, PosteriorFile, Prob
from bayescale.cli.manual import OUTPUT
from bayescale.defaults import REPORT_DRAWS


def report(
    posterior: PosteriorFile,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where the page goes, such as report.html.",
            rich_help_panel=OUTPUT,
        ),
    ],
    backtest: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Show this folder of `bayescale backtest` as well.")
    ] = None,
    draws: Annotated[int, typer.Option(metavar="N", help="Draws that the page computes from, at most.")] = REPORT_DRAWS,
    prob: Prob = 0.9,
    seed: Annotated[int, typer.Option(min=0, metavar="N", help="Seed of the noise in the forecasts.")] = 0,
    json: AsJson = False,
) -> None:
    """Write a page that forecasts, to send on.

    It is one HTML file, which needs no server and no network. Its reader picks a family, moves compute and types
    known scores, and sees the forecast change. Shown beside are convergence, data, efficiency of the families and
    capabilities.

    The page holds some of the draws (--draws; fewer where the file would pass 5 MiB) and speaks of expected scores,
    without the noise of a benchmark's items; `bayescale forecast` uses all draws and adds the noise.
    """
    from bayescale._files import atomic_write
    from bayescale.cli import show
    from bayescale.cli.output import check_target
    from bayescale.posterior import Posterior

    check_target(output)
    fitted = Posterior.load(posterior)
    page = fitted.to_html(backtest, draws, prob, seed)
    if not fitted.converged:
        show.unconverged(fitted.verdict)
    with atomic_write(output) as temporary:
        temporary.write_text(page, encoding="utf-8")
    if json:
        size = {"file": str(output), "bytes": output.stat().st_size}
        print(show.as_json(show.about(fitted) | size | {"prob": prob}))
    show.step(f"Wrote {output} ({output.stat().st_size / 2**20:.1f} MiB). Open it in a browser, or send it on.")
