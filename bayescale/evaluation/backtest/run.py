"""The run: methods and tasks in, scored forecasts out, finished fits kept on the way."""

from __future__ import annotations

import os
import tempfile
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bayescale._display import Report, counting
from bayescale.errors import BacktestError, BacktestWarning, suggest
from bayescale.evaluation.backtest.fold import make_folds
from bayescale.evaluation.backtest.journal import Journal
from bayescale.evaluation.backtest.predictive import Method
from bayescale.evaluation.backtest.result import Backtest, collect
from bayescale.evaluation.backtest.task import Task, load_tasks
from bayescale.evaluation.backtest.unit import make_units
from bayescale.evaluation.backtest.workers import run_units
from bayescale.inference.defaults import BACKTEST_DRAWS, CHAINS, TUNE
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
    random_seed: int = 0,
    draws: int = BACKTEST_DRAWS,
    tune: int = TUNE,
    chains: int = CHAINS,
    cores: int | None = None,
    progress: Report | None = None,
) -> Backtest:
    """Forecast what is hidden by several methods, and score the forecasts.

    Parameters
    ----------
    methods : sequence, optional
        Specs (a `Spec`, the name of one that ships, or the path of a YAML file), baselines by name (see
        `bayescale.evaluation.backtest.baselines`), and objects of your own with the interface of `Method`. Default: the
        spec ``default`` and all baselines.
    tasks : sequence of str or Task, optional
        Groups or single tasks that ship, by name, or tasks from `load_tasks`. Default: those of the paper, groups
        ``emergent``, ``post_training``, ``leaderboard_v2`` and ``agent``; ``largest_out`` and ``future`` ship as well.
    directory : str or pathlib.Path, optional
        Folder for finished fits, made if it is not there. A run that finds work of its own there (same methods with the
        same settings, same data, tasks and seed, same version of bayescale) does not do it again, so that a run that
        was killed goes on where it was. Default: nothing is kept.
    jobs : int, optional
        Worker processes. Default 1, this process, unless `joblib.parallel_config` says otherwise: inside
        ``joblib.parallel_config("dask")`` the work goes to that cluster, whose workers should run one thread each.
    random_seed : int
        The same seed gives the same forecasts, whatever the order and number of workers.
    draws, tune, chains, cores : int
        How specs are sampled, as in `bayescale.fit`. By default the processors are shared between `jobs`.
    progress : callable, optional
        Called as ``progress(done, total, last)`` when a fit is finished; `last` is its method and task. Default: a bar
        on a terminal, a line in a notebook, nothing elsewhere.

    Returns
    -------
    Backtest
        A `BacktestWarning` is issued for each fit that failed; its rows are missing.

    Raises
    ------
    BacktestError
        For unknown tasks or methods, and when every fit failed.
    MissingDependencyError
        Without the libraries of ``bayescale[backtest]``.

    Examples
    --------
    >>> found = backtest(["training_flops", "model_size"], tasks=["leaderboard_v2/gpqa"])
    >>> found.table().index.tolist()
    ['training_flops', 'model_size']
    >>> found.scores.query("task == 'leaderboard_v2/gpqa'")["n_test"].tolist()
    [16, 18]
    """
    require_libraries(LIBRARIES, "A backtest", "backtest")
    chosen_tasks = _tasks(tasks)
    jobs_cores = cores or cores_each(jobs)
    chosen = resolve_methods(methods, draws=draws, tune=tune, chains=chains, cores=jobs_cores)
    units = make_units(chosen, make_folds(chosen_tasks), random_seed)

    with tempfile.TemporaryDirectory(prefix="bayescale-") as scratch:
        journal = Journal(_folder(directory or scratch))
        with counting("fits", progress) as report:
            failures = run_units(units, journal, jobs, report)
        finished = [(u, found) for u in units if (found := journal.read(u)) is not None]
        if not finished:
            reasons = "\n".join(f"  {f}" for f in failures)
            raise BacktestError(f"Every fit failed, so there is nothing to score:\n{reasons}")
        for failure in failures:
            warnings.warn(BacktestWarning(f"No forecasts of {failure}"), stacklevel=2)
        baselines = _baselines()
        return collect(
            finished,
            failures,
            chosen_tasks,
            [m.name for m in chosen],
            [m.name for m in chosen if m.name in baselines],
            random_seed,
        )


def resolve_methods(
    methods: Sequence[str | Spec | Method] | str | Spec | Method | None = None, **settings: Any
) -> list[Method]:
    """Make methods of names, specs and paths; `settings` are those of the sampler.

    Raises
    ------
    BacktestError
        For a name that is neither baseline nor spec, or two methods of one name.
    """
    from bayescale.evaluation.backtest.bayes import BayesMethod

    baselines = _baselines()
    if methods is None:
        methods = ["default", *baselines]
    if isinstance(methods, str | Spec) or not isinstance(methods, Sequence):
        methods = [methods]
    made: list[Method] = []
    for item in methods:
        if isinstance(item, str) and item in baselines:
            made.append(baselines[item])
        elif isinstance(item, str | os.PathLike):
            name = os.fspath(item)
            if name not in list_specs() and not name.endswith((".yaml", ".yml")):
                unknown = suggest(name, {*baselines, *list_specs()}, "baseline or spec")
                raise BacktestError(f"{unknown} Or give the path of a spec's .yaml file.")
            made.append(BayesMethod(load_spec(name), **settings))
        elif isinstance(item, Spec):
            made.append(BayesMethod(item, **settings))
        elif hasattr(item, "predict") and hasattr(item, "name"):
            made.append(item)
        else:
            raise BacktestError(f"{item!r} is no method: give a name, a Spec, or an object with `name` and `predict`.")
    if not made:
        raise BacktestError("No methods: name a spec or a baseline.")
    _told_apart([m.name for m in made], "methods")
    return made


def _tasks(tasks: Sequence[str | Task] | None) -> list[Task]:
    if isinstance(tasks, str):
        tasks = [tasks]
    given = list(PAPER_TASKS) if tasks is None else list(tasks)
    named = load_tasks([t for t in given if isinstance(t, str)]) if any(isinstance(t, str) for t in given) else []
    chosen = [*named, *(t for t in given if isinstance(t, Task))]
    if not chosen:
        raise BacktestError("No tasks: name groups such as emergent, or leave `tasks` out.")
    _told_apart([t.name for t in chosen], "tasks")
    return chosen


def _told_apart(names: list[str], what: str) -> None:
    """Raise for the first name that two of them have: rows of the results are found by it."""
    for name in names:
        if names.count(name) > 1:
            raise BacktestError(f"Two {what} are called {name!r}: give one of them another name.")


def _baselines() -> dict[str, Any]:
    from bayescale.evaluation.backtest.baselines import BASELINES

    return dict(BASELINES)


def _folder(directory: str | Path) -> Path:
    path = Path(directory)
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise BacktestError(f"Cannot make the folder {str(path)!r} for finished fits: {error.strerror}.") from error
    return path.resolve()
