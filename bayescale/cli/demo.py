"""The demo: hide a public model, forecast it and two larger ones from the others, and write table and figures."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

from bayescale._intervals import KIND, PROB
from bayescale.cli import options, show
from bayescale.cli.files import check_targets, make_folder
from bayescale.cli.sampling import sample

# The largest model of the data, which the fit does not see. It has six times the compute of any other.
HIDDEN = "meta-llama/Meta-Llama-3.1-405B-FP8"
# Family (None: a new one) and compute in FLOP: those of the hidden model, and two that are larger than every model of
# their family in the data.
FORECASTS: tuple[tuple[str | None, float], ...] = (("Llama-3.1", 3.645e25), ("Qwen1.5", 1e25), (None, 1e26))
FAST = "BAYESCALE_FAST"
_FEW_DRAWS = {"draws": 100, "tune": 200, "chains": 2}


def demo(
    out: options.Out = Path("demo"), random_seed: options.RandomSeed = options.SEED, json: options.AsJson = False
) -> None:
    """Fit the default spec to public models, and forecast one that is hidden, beside its scores, and two larger ones.

    The default spec is fitted to base models of many families, without the largest, Llama-3.1-405B. Of the other
    models to forecast, one belongs to a new family. The command writes the posterior, a table and figures to a folder.

    It takes one to two minutes on two cores. With BAYESCALE_FAST=1 in the environment it takes few draws: a quick test
    that everything runs, with rough numbers.
    """
    started = time.perf_counter()
    make_folder(out)
    posterior_file, table_file = out / "posterior.nc", out / "forecast.csv"
    fan_file, intervals_file = out / "forecast.png", out / "intervals.png"
    paths = (posterior_file, table_file, fan_file, intervals_file)
    check_targets(*paths)

    from bayescale.cli import figures
    from bayescale.evals import load_evals
    from bayescale.evals.csv_files import export_csv
    from bayescale.forecast import NEW_FAMILY
    from bayescale.model.spec import load_spec

    evals = load_evals("base-llms")
    say = show.step if json else print
    say(str(evals).rsplit("\nNext:", 1)[0])
    known = evals.select(models=[name for name in evals.model_names if name != HIDDEN])
    posterior = sample(load_spec("default"), known, random_seed=random_seed, **_settings())
    posterior.save(posterior_file)
    (show.warn_unconverged if json else show.convergence)(posterior.convergence)

    forecast = posterior.forecast(
        family=[family or NEW_FAMILY for family, _ in FORECASTS],
        flops=[flops for _, flops in FORECASTS],
        random_seed=random_seed,
    )
    rows = forecast.to_pandas(prob=PROB)
    outcome = evals.matrix().reindex(model=[HIDDEN])[0].to_series()
    rows["observed"] = rows["benchmark"].map(outcome).where(rows["model"] == rows["model"].iloc[0])
    export_csv(rows, table_file)
    figures.save(forecast.plot(observed=evals, prob=PROB), fan_file)
    figures.save(forecast.plot_intervals(prob=PROB), intervals_file)

    if json:
        files = [str(path) for path in paths]
        forecasts = {"prob": PROB, "interval": KIND, "forecasts": rows.to_dict("records"), "files": files}
        show.document(show.about(posterior), {"random_seed": random_seed}, forecasts)
        return
    again = show.program()
    print()
    show.forecast_table(forecast, PROB)
    show.outcome(rows.dropna(subset="observed"), HIDDEN, PROB)
    print(
        f"""
Written in {time.perf_counter() - started:.0f} s:
  {posterior_file}   draws, spec and data in one file
  {table_file}   the forecasts, with means, and the scores of the hidden model
  {fan_file}   scores over training compute, with the known models and the hidden one
  {intervals_file}  one interval per benchmark and model

Next:
  {again} forecast {posterior_file} --new-family --flops 1e26
  {again} forecast {posterior_file} --family Llama-3.1 --flops 3.645e25 --given MMLU=0.849
  {again} fit --help     your own data and priors"""
    )


def _settings() -> dict[str, Any]:
    """Return settings of the sampler: the library's defaults, or few draws."""
    if os.environ.get(FAST, "") in ("", "0"):
        return {}
    show.step(
        f"{FAST} is set: {_FEW_DRAWS['draws']} draws, far too few to report; this only tests that everything runs."
    )
    return dict(_FEW_DRAWS)
