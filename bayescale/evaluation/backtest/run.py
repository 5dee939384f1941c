"""`backtest`: run methods on tasks, cache finished jobs, and score the forecasts."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayescale._display import Report, counting
from bayescale.errors import BacktestWarning, EvaluationError, suggest
from bayescale.evaluation.backtest.fold import make_folds
from bayescale.evaluation.backtest.job import ResultCache, make_jobs
from bayescale.evaluation.backtest.method import Method
from bayescale.evaluation.backtest.result import Backtest, collect
from bayescale.evaluation.backtest.task import Task, load_tasks
from bayescale.evaluation.backtest.workers import run_jobs
from bayescale.inference.defaults import BACKTEST_DRAWS, CHAINS, TUNE, seed_or_new
from bayescale.inference.parallel import cores_each, require_libraries
from bayescale.model.spec import Spec, list_specs, load_spec

# The tasks of Ruan, Maddison & Hashimoto (2024): 15 that are averaged, and 2 of agents.
PAPER_TASKS = ("emergent", "post_training", "leaderboard_v2", "agent")
LIBRARIES = ("joblib", "scoringrules", "sklearn", "statsmodels")


def backtest(
    methods: Sequence[str | Spec | Method] | str | Spec | Method | None = None,
    tasks: Sequence[str | Task] | None = None,
    directory: str | Path | None = None,
    jobs: int | None = None,
    *,
    random_seed: int | None = 0,
    draws: int = BACKTEST_DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    cores: int | None = None,
    progress: Report | None = None,
) -> Backtest:
    """Forecast hidden scores with several methods, and score the forecasts.

    Parameters
    ----------
    methods : sequence, optional
        Specs (a `Spec`, the name of a built-in one, or the path of a YAML file), baselines by name (see
        `bayescale.evaluation.backtest.baselines`), and objects of your own with the interface of `Method`. Default: the
        spec ``default`` and the baselines that suit the tasks: ``DATED`` where all that was released from a day on is
        hidden, the others elsewhere.
    tasks : sequence of str or Task, optional
        Groups or single built-in tasks, by name, or tasks from `load_tasks`. Default: those of the paper, groups
        ``emergent``, ``post_training``, ``leaderboard_v2`` and ``agent``; ``largest_out``, ``future``,
        ``rolling_6m`` and ``rolling_12m`` are built in as well.
    directory : str or pathlib.Path, optional
        Folder for finished fits, created if missing. Its fits are reused (same methods with the same settings, same
        data, tasks and seed, same version of bayescale), so that an interrupted run resumes. Default: nothing is kept.
    jobs : int, optional
        Worker processes. Default 1, this process, unless `joblib.parallel_config` says otherwise: inside
        ``joblib.parallel_config("dask")`` the jobs run on that cluster, whose workers should have one thread each.
    random_seed : int, optional
        The same seed gives the same forecasts for any order and number of workers. None draws a new seed, which
        `Backtest.random_seed` records.
    draws, tune, chains, cores : int
        Sampling settings of specs, as in `bayescale.fit`. By default the processors are shared between `jobs`.
    progress : callable, optional
        Called as ``progress(done, total, last)`` when a fit is finished; `last` is its method and task. Default: a bar
        on a terminal, a line in a notebook, nothing elsewhere.

    Returns
    -------
    Backtest
        A `BacktestWarning` is issued for each fit that failed; its rows are missing.

    Raises
    ------
    EvaluationError
        For unknown tasks or methods, and when every fit failed.
    MissingDependencyError
        Without the libraries of ``bayescale[backtest]``.

    Examples
    --------
    >>> result = backtest(["training_flops", "model_size"], tasks=["leaderboard_v2/gpqa"])
    >>> result.summary().index.tolist()
    ['training_flops', 'model_size']
    >>> result.scores.query("task == 'leaderboard_v2/gpqa'")["n_test"].tolist()
    [16, 18]
    """
    require_libraries(LIBRARIES, "A backtest", "backtest")
    chosen_tasks = _tasks(tasks)
    if methods is None:
        methods = ["default", *default_baselines(chosen_tasks)]
    chosen = resolve_methods(methods, draws=draws, tune=tune, chains=chains, cores=cores or cores_each(jobs))
    random_seed = seed_or_new(random_seed)
    all_jobs = make_jobs(chosen, make_folds(chosen_tasks), random_seed)

    with tempfile.TemporaryDirectory(prefix="bayescale-") as scratch:
        cache = ResultCache.at(directory or scratch)
        with counting("fits", progress) as report:
            failures = run_jobs(all_jobs, cache, jobs, report)
        finished = [(job, forecasts) for job in all_jobs if (forecasts := cache.read(job)) is not None]
    if not finished:
        reasons = "\n".join(f"  {f}" for f in failures)
        raise EvaluationError(f"Every fit failed, so there is nothing to score:\n{reasons}")
    for failure in failures:
        warnings.warn(BacktestWarning(f"No forecasts of {failure}"), stacklevel=2)
    return collect(finished, failures, chosen_tasks, [m.name for m in chosen], random_seed)


def default_baselines(tasks: Sequence[Task]) -> tuple[str, ...]:
    """Return the names of the baselines that suit the tasks."""
    from bayescale.evaluation.backtest.baselines import BASELINES, DATED

    kinds = {task.hide.released is not None for task in tasks}
    return tuple(name for name in BASELINES if (name in DATED) in kinds)


def resolve_methods(methods: Sequence[str | Spec | Method] | str | Spec | Method, **settings: Any) -> list[Method]:
    """Resolve names, specs and paths to methods; `settings` are those of the sampler."""
    from bayescale.evaluation.backtest.baselines import BASELINES
    from bayescale.evaluation.backtest.bayes import BayesMethod

    if isinstance(methods, str | Spec) or not isinstance(methods, Sequence):
        methods = [methods]
    resolved: list[Method] = []
    for item in methods:
        if isinstance(item, str) and item in BASELINES:
            resolved.append(BASELINES[item])
        elif isinstance(item, str | os.PathLike):
            name = os.fspath(item)
            if name not in list_specs() and not name.endswith((".yaml", ".yml")):
                message = suggest(name, {*BASELINES, *list_specs()}, "baseline or spec")
                raise EvaluationError(f"{message} Or give the path of a spec's .yaml file.")
            resolved.append(BayesMethod(load_spec(name), **settings))
        elif isinstance(item, Spec):
            resolved.append(BayesMethod(item, **settings))
        elif hasattr(item, "predict") and hasattr(item, "name"):
            resolved.append(item)
        else:
            raise EvaluationError(
                f"{item!r} is not a method: give a name, a Spec, or an object with `name` and `predict`."
            )
    if not resolved:
        raise EvaluationError("No methods: name a spec or a baseline.")
    _check_unique([m.name for m in resolved], "methods")
    return resolved


def _tasks(tasks: Sequence[str | Task] | None) -> list[Task]:
    if isinstance(tasks, str):
        tasks = [tasks]
    given = list(PAPER_TASKS) if tasks is None else list(tasks)
    names = [t for t in given if isinstance(t, str)]
    chosen = [*(load_tasks(names) if names else []), *(t for t in given if isinstance(t, Task))]
    if not chosen:
        raise EvaluationError("No tasks: name groups such as emergent, or leave `tasks` out.")
    _check_unique([t.name for t in chosen], "tasks")
    return chosen


def _check_unique(names: list[str], what: str) -> None:
    for name in names:  # they identify rows of the results
        if names.count(name) > 1:
            raise EvaluationError(f"Two {what} are called {name!r}: give one of them another name.")
