"""The main job once, end to end: public models in, posterior, forecasts of larger models, table and pictures out."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bayescale._intervals import KIND, PROB
from bayescale.cli import show
from bayescale.cli.output import check_target, make_folder
from bayescale.cli.sampling import sample
from bayescale.forecast import NEW_FAMILY

# Family and compute in FLOP. Each is larger than every model of its family in the data, and the last than all.
FORECASTS = (("Llama-3", 4e25), ("Qwen1.5", 1e25), (NEW_FAMILY, 1e26))
FAST = "BAYESCALE_FAST"
_FEW_DRAWS = {"draws": 100, "tune": 200, "chains": 2}


def run_demo(folder: Path, seed: int = 1, json: bool = False) -> None:
    """Fit the default spec to `base-llms`, forecast three models that are not in it, and write everything to `folder`.

    Written are ``posterior.nc``, ``forecast.csv``, ``forecast.png`` (scores over compute) and ``intervals.png``. With
    ``BAYESCALE_FAST=1`` in the environment few draws are taken, for continuous integration.

    Parameters
    ----------
    folder : pathlib.Path
        Made if it is not there; files of these names in it are replaced.
    seed : int
        Seed of the sampler.
    json : bool
        Print the forecasts as JSON, and nothing else, on standard output.

    Raises
    ------
    BayescaleError
        When sampling fails or something cannot be written.
    """
    started = time.perf_counter()
    make_folder(folder)
    posterior_file, table_file = folder / "posterior.nc", folder / "forecast.csv"
    fan_file, intervals_file = folder / "forecast.png", folder / "intervals.png"
    for path in (posterior_file, table_file, fan_file, intervals_file):
        check_target(path)

    from bayescale.cli import pictures
    from bayescale.evals import load_evals
    from bayescale.model.spec import load_spec

    evals = load_evals("base-llms")
    say = show.step if json else print
    say("\n".join(str(evals).splitlines()[:3]))
    posterior = sample(load_spec("default"), evals, random_seed=seed, **_settings())
    posterior.save(posterior_file)
    if not json:
        show.convergence(posterior.convergence)
    elif not posterior.converged:
        show.unconverged(posterior.convergence)

    families, flops = [f for f, _ in FORECASTS], [flops for _, flops in FORECASTS]
    forecast = posterior.forecast(family=families, flops=flops, random_seed=seed)
    rows = forecast.to_pandas(prob=PROB)
    forecast.to_csv(table_file, prob=PROB)
    pictures.draw_fans(forecast, fan_file)
    pictures.draw_intervals(forecast, intervals_file)

    if json:
        files = [str(path) for path in (posterior_file, table_file, fan_file, intervals_file)]
        figures = {"prob": PROB, "interval": KIND, "forecasts": rows.to_dict("records"), "files": files}
        print(show.as_json(show.about(posterior) | figures))
        return
    again = show.program()
    print()
    show.forecast_table(rows, PROB)
    print(
        f"""
Written in {time.perf_counter() - started:.0f} s:
  {posterior_file}   draws, spec and data in one file
  {table_file}   the table above, with means
  {fan_file}   scores over training compute, with the models that are known
  {intervals_file}  one interval per benchmark and model

Next:
  {again} forecast {posterior_file} --new-family --flops 1e26
  {again} forecast {posterior_file} --family Llama-3 --flops 4e25 --given MMLU=0.86
  {again} fit --help     your own data and priors"""
    )


def _settings() -> dict[str, Any]:
    """Draws of the sampler: the library's defaults, or few of them."""
    if os.environ.get(FAST, "") in ("", "0"):
        return {}
    show.step(f"{FAST} is set: {_FEW_DRAWS['draws']} draws, far too few to report; only to see that everything runs.")
    return dict(_FEW_DRAWS)
