"""The command `backtest`: it evaluates forecasts of hidden scores, prints tables and writes results."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bayescale.cli import completion, options, show
from bayescale.errors import EvaluationError
from bayescale.inference.defaults import BACKTEST_DRAWS, CHAINS, TUNE
from bayescale.inference.parallel import cores_each, require_libraries

if TYPE_CHECKING:
    import pandas as pd

    from bayescale.evaluation.backtest import Backtest, Task

# Seconds to wait for a scheduler.
TIMEOUT = 15

# Title and format of each printed column; scores.csv has R-hat and seconds, too.
COLUMNS = {
    "relative_mse": ("MSE/\npc_3", "{:.2f}"),
    "interval": ("90%\ninterval", "{}"),
    "relative_to_best": ("MSE/\nbest", "{:.2f}"),
    "n_test": ("n", "{:.0f}"),
    "mae": ("MAE", "{:.3f}"),
    "crps": ("CRPS", "{:.3f}"),
    "log_score": ("log\nscore", "{:.2f}"),
    "coverage_50": ("in\n50%", "{:.0%}"),
    "coverage_90": ("in\n90%", "{:.0%}"),
    "width_90": ("width\n90%", "{:.2f}"),
}

METRICS = ("n_test", "mae", "crps", "log_score", "coverage_50", "coverage_90", "width_90")


def backtest(
    out: options.Out,
    specs: Annotated[
        list[str] | None, options.spec(help="Built-in specs, YAML files, or baselines.", show_default="default")
    ] = None,
    tasks: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Group of tasks, or a single task; repeatable; or all.",
            show_default="emergent, post_training, leaderboard_v2, agent",
            autocompletion=completion.tasks,
        ),
    ] = None,
    baselines: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Baseline for comparison, such as pc_3; repeatable; or none.",
            show_default="those that suit the tasks",
        ),
    ] = None,
    jobs: Annotated[int, typer.Option(min=1, metavar="N", help="Worker processes.")] = 1,
    dask: Annotated[
        str | None,
        typer.Option(metavar="ADDRESS", help="Run on this Dask cluster instead, such as tcp://127.0.0.1:8786."),
    ] = None,
    draws: options.Draws = BACKTEST_DRAWS,
    tune: options.Tune = TUNE,
    chains: options.Chains = CHAINS,
    random_seed: options.RandomSeed = options.SEED,
    json: options.AsJson = False,
) -> None:
    """Forecast hidden scores of known models, and evaluate the forecasts.

    In each task, specs and baselines forecast models that are later or larger than those they were fitted to. The
    command compares these forecasts with the observed scores: it prints errors relative to the paper's method, and the
    coverage of the intervals.

    The folder receives scores.csv (a row per method and task, or pool of tasks), predictions.csv (a row per forecast),
    figures, and fits/ with each finished fit. For tasks that see no score of the hidden models, by_compute.csv has the
    scores for known and unknown compute. The same command resumes an interrupted run from there.
    """
    from bayescale._display import counting
    from bayescale.cli.figures import draw_backtest, forecast_pictures
    from bayescale.cli.files import check_targets, make_folder, write_folder
    from bayescale.cli.sampling import resumable
    from bayescale.evaluation.backtest import backtest as run
    from bayescale.evaluation.backtest import load_tasks
    from bayescale.evaluation.backtest.run import PAPER_TASKS, resolve_methods
    from bayescale.evaluation.backtest.workers import KEPT

    named = options.names(tasks, "--tasks", default=PAPER_TASKS)
    chosen_tasks = load_tasks(None if named == ["all"] else named)
    names = [*(specs or ["default"]), *_baselines(baselines, chosen_tasks)]
    # The workers of a cluster have processors of their own.
    cores = None if dask else cores_each(jobs)
    chosen = resolve_methods(list(dict.fromkeys(names)), draws=draws, tune=tune, chains=chains, cores=cores)
    fits = out / "fits"
    kept = 0
    pictures = ("calibration.png", "errors.png", *forecast_pictures(method.name for method in chosen).values())
    with resumable(fits), _cluster(dask), counting("fits") as update:
        make_folder(out)
        check_targets(*(out / name for name in ("scores.csv", "predictions.csv", "by_compute.csv", *pictures)))

        def report(done: int, total: int, last: str) -> None:
            nonlocal kept
            kept = done if last == KEPT else kept
            update(done, total, last)

        workers = None if dask else jobs
        result = run(chosen, chosen_tasks, fits, workers, random_seed=random_seed, progress=report)
    if kept:
        show.step(f"Reused {_count(kept, 'fit')} of an earlier run.")
    tables = {"scores.csv": result.scores, "predictions.csv": result.predictions}
    if len(by_compute := _by_compute(result)):
        tables["by_compute.csv"] = by_compute
    write_folder(out, tables, lambda: draw_backtest(result))
    if json:
        show.document({"random_seed": random_seed}, _document(result))
    else:
        _print_tables(result)
    _warn_unconverged(result)
    if result.failures:
        count = _count(len(result.failures), "fit")
        raise EvaluationError(
            f"{count} failed, see the notes above; their rows are missing. The same command tries them again."
        )


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _baselines(names: list[str] | None, tasks: list[Task]) -> list[str]:
    from bayescale.errors import suggest
    from bayescale.evaluation.backtest.baselines import BASELINES
    from bayescale.evaluation.backtest.run import default_baselines

    chosen = options.names(names, "--baselines", default=default_baselines(tasks))
    for name in chosen:
        if name not in BASELINES:
            raise EvaluationError(f"{suggest(name, BASELINES, 'baseline')} Give specs as arguments, without an option.")
    return chosen


@contextmanager
def _cluster(address: str | None) -> Iterator[None]:
    """Let joblib use the Dask cluster at `address`; do nothing without an address."""
    if address is None:
        yield
        return
    require_libraries(("distributed",), "A Dask cluster", "dask")
    import distributed
    import joblib

    try:
        client = distributed.Client(address, timeout=TIMEOUT)
    except (OSError, ValueError, TimeoutError) as error:
        advice = "Start one with: dask scheduler; and workers with: dask worker ADDRESS --nthreads 1"
        raise EvaluationError(f"No Dask scheduler answers at {address!r} ({error}). {advice}") from error
    with client, joblib.parallel_config("dask"):
        yield


def _pools(result: Backtest) -> dict[str, str]:
    """Return titles by name of the pools of tasks to print: the averaged tasks, then each other group."""
    from bayescale.evaluation.backtest.result import POOLED

    pools = {POOLED: f"averaged: {_count(len(result.averaged), 'task')}"} if result.averaged else {}
    pools |= {
        group: f"{group}: {_count(len(names), 'task')}, not averaged"
        for group, names in result.groups.items()
        if not set(names) & set(result.averaged)
    }
    pooled = set(result.scores["task"])
    return {pool: title for pool, title in pools.items() if pool in pooled}


def _by_compute(result: Backtest) -> pd.DataFrame:
    """Return the scores by known and unknown compute, for tasks and groups of them that see no score of hidden models.

    The table has no rows where all compute is known, or none.
    """
    import pandas as pd

    blind = {task.name for task in result.tasks if not task.seen}
    blind |= {group for group, names in result.groups.items() if blind.issuperset(names)}
    kinds = sorted(result.cells["compute"][result.cells["task"].isin(blind)].unique())
    scores = [result.of_compute(kind).scores.assign(compute=kind) for kind in kinds] if len(kinds) > 1 else []
    table = pd.concat([result.scores.iloc[:0].assign(compute=""), *scores], ignore_index=True)
    return table[table["task"].isin(blind)]


def _document(result: Backtest) -> dict[str, Any]:
    """Return the JSON document: the printed tables in full, and a row per method and task."""
    from bayescale.evaluation.backtest.result import REFERENCE

    intervals = result.relative_mse_intervals().reset_index().to_dict("records") if REFERENCE in result.methods else []
    tables = {pool: result.summary(pool).reset_index().to_dict("records") for pool in _pools(result)}
    return {
        "methods": list(result.methods),
        "tasks": [task.name for task in result.tasks],
        "averaged": list(result.averaged),
        "tables": tables,
        "by_compute": _by_compute(result).to_dict("records"),
        "relative_mse_intervals": intervals,
        "scores": result.scores.to_dict("records"),
        "failures": [str(failure) for failure in result.failures],
    }


def _print_tables(result: Backtest) -> None:
    by_compute = _by_compute(result)
    for pool, title in _pools(result).items():
        print(f"\n{title}")
        table = result.summary(pool)
        lower, upper = (table[end].map("{:.2f}".format) for end in ("lower", "upper"))
        interval = (lower + "–" + upper).where(table["lower"].notna())
        show.plain_table(show.formatted(table.assign(interval=interval), COLUMNS))
        for kind, rows in by_compute[by_compute["task"] == pool].groupby("compute"):
            print(f"\n{pool}, {kind} compute")
            chosen = rows.rename(columns={"spec_or_method": "method"}).set_index("method").sort_values("mae")
            show.plain_table(show.formatted(chosen, {name: COLUMNS[name] for name in METRICS}))
    print()
    if result.scores.groupby("task")["n_test"].nunique().max() > 1:
        show.say("Where n differs, some methods cannot forecast all models and leave some out.")
    show.say(
        "MSE/pc_3 and MSE/best: test MSE relative to the paper's method and to the best baseline of each task "
        "(geometric means), with a 90% interval over the test models.\n"
        "All other columns are pooled over forecasts. Log score: negative log density, lower is better."
    )


def _warn_unconverged(result: Backtest) -> None:
    from bayescale.inference.convergence import MAX_RHAT

    worst = result.scores.groupby("spec_or_method", sort=False)["rhat"].max()
    for name, rhat in worst[worst > MAX_RHAT].items():
        show.step(
            f"Warning: R-hat of {name} reaches {rhat:.2f} (it should be at most {MAX_RHAT}): not every fit converged. "
            "scores.csv lists R-hat by task; use more --draws and --tune."
        )
