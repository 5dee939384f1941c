"""Folds: the scores that one fit uses, and those that it must forecast."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
import xarray as xr

from bayescale._identity import identity
from bayescale.errors import EvaluationError
from bayescale.evals import Evals
from bayescale.evaluation.backtest.task import Task, Window, task_evals

CELL = ["task", "model", "benchmark"]
"""Columns that identify a forecast."""

_Names = tuple[str, ...]
# The data and the benchmarks of tasks that are fitted together, and their origin.
_Pool = tuple[str, _Names, date | None]


@dataclass(frozen=True, eq=False)
class Fold:
    """The scores of one joint fit, and the tasks that it forecasts.

    Attributes
    ----------
    tasks : tuple of Task
        All of them hide the same scores.
    evals : Evals
        The visible scores. Folds over the same benchmarks share their coordinates, so that a model is compiled once;
        models that do not take part, or whose scores are all hidden, have no score here.
    participants : tuple of str
        Models that take part, test models among them.
    test_models : tuple of str
        Models whose scores, other than on the benchmarks seen, are hidden.
    cells : pandas.DataFrame
        The scores to forecast: ``task, model, benchmark, score``, one row per task and hidden score.
    """

    tasks: tuple[Task, ...]
    evals: Evals
    participants: tuple[str, ...]
    test_models: tuple[str, ...]
    cells: pd.DataFrame

    @property
    def identity(self) -> str:
        """SHA-256 of the visible scores and of those to forecast."""
        return identity(self.evals, self.cells.to_numpy(dtype=object).tolist())

    @property
    def name(self) -> str:
        """Name for messages: its task, or its group with the number of tasks."""
        first = self.tasks[0]
        return first.name if len(self.tasks) == 1 else f"{first.group} ({len(self.tasks)} tasks)"


def make_folds(tasks: Sequence[Task]) -> list[Fold]:
    """Group tasks into folds, in order of each fold's first task: tasks that hide the same scores share one.

    Tasks of one origin see the same scores and share a fold, too, which hides the longest of their windows.

    Raises
    ------
    EvaluationError
        When a task has no visible scores or nothing to forecast.

    Examples
    --------
    >>> from bayescale.evaluation.backtest import load_tasks
    >>> [fold.name for fold in make_folds(load_tasks(["emergent"]))]
    ['emergent (4 tasks)', 'emergent (4 tasks)']
    """
    evals_of = {name: task_evals(name) for name in dict.fromkeys(t.evals for t in tasks)}
    pools: dict[_Pool, Evals] = {}
    taking_part: dict[_Pool, set[str]] = {}
    groups: dict[tuple[_Pool, _Names, _Names, _Names], list[Task]] = {}
    targets = _joint_targets(tasks)
    longest: dict[_Pool, date] = {}
    for task in tasks:
        if window := task.hide.released:
            longest[_pool(task)] = max(window.before, longest.get(_pool(task), window.before))
    for task in tasks:
        pool = _pool(task)
        if pool not in pools:
            pools[pool] = evals_of[task.evals].select(benchmarks=task.benchmarks)
        window = task.hide.released and task.hide.released.model_copy(update={"before": longest[pool]})
        participants = _participants(task, targets[_protocol(task)], window, pools[pool])
        taking_part.setdefault(pool, set()).update(participants)
        test = _test_models(task, window, pools[pool], participants)
        groups.setdefault((pool, task.seen, participants, test), []).append(task)
    return [
        _fold(members, pools[pool], taking_part[pool], participants, test)
        for (pool, _, participants, test), members in groups.items()
    ]


def _pool(task: Task) -> _Pool:
    return task.evals, task.benchmarks, task.hide.released.from_ if task.hide.released else None


def _protocol(task: Task) -> str:
    """Return all of a task but its name and targets."""
    return task.model_dump_json(exclude={"name", "targets"})


def _joint_targets(tasks: Sequence[Task]) -> dict[str, set[str]]:
    """Return the targets, by protocol, of all tasks that are alike but for their targets."""
    targets: dict[str, set[str]] = {}
    for task in tasks:
        targets.setdefault(_protocol(task), set()).update(task.targets)
    return targets


def _fold(
    tasks: list[Task], pool: Evals, taking_part: set[str], participants: tuple[str, ...], test: tuple[str, ...]
) -> Fold:
    evals = pool.select(models=[m for m in pool.model_names if m in taking_part])
    hidden = xr.zeros_like(evals.matrix(), dtype=bool)
    hidden.loc[{"model": [m for m in evals.model_names if m not in participants]}] = True
    unseen = [b for b in evals.benchmark_names if b not in tasks[0].seen]
    hidden.loc[{"model": list(test), "benchmark": unseen}] = True
    visible = evals.mask(hidden)
    if not len(visible):
        raise EvaluationError(f"Task {tasks[0].name} hides every score: there is nothing to fit.")
    rows = []
    for task in tasks:
        scores = evals.scores[evals.scores["model"].isin(test) & evals.scores["benchmark"].isin(task.targets)]
        if task.hide.larger_siblings_of is not None:
            # Forecast from compute: a sibling of unknown compute stays hidden, and is not forecast.
            with_compute = evals.models["model"][evals.models["flops"].notna()]
            scores = scores[scores["model"].isin(with_compute)]
        if window := task.hide.released:
            scores = scores[scores["model"].isin(evals.models["model"][window.is_hidden(evals.models)])]
        if scores.empty:
            raise EvaluationError(
                f"Task {task.name} has nothing to forecast: no model that it hides has a score on a target."
            )
        rows.append(scores.assign(task=task.name)[[*CELL, "score"]])
    return Fold(tuple(tasks), visible, participants, test, pd.concat(rows, ignore_index=True))


def _participants(task: Task, joint_targets: set[str], window: Window | None, evals: Evals) -> tuple[str, ...]:
    """Return models that pass the task's filter and have a score on a target of it or of the tasks like it."""
    targets = joint_targets if task.hide.top_share is None else task.targets
    scored = evals.scores["model"][evals.scores["benchmark"].isin(targets)]
    chosen = evals.models["model"].isin(scored) & task.models.among(evals.models)
    if window is not None:
        chosen &= window.is_seen(evals.models) | window.is_hidden(evals.models)
    return tuple(evals.models["model"][chosen])


def _test_models(task: Task, window: Window | None, evals: Evals, participants: tuple[str, ...]) -> tuple[str, ...]:
    models = evals.models[evals.models["model"].isin(participants)]
    hide = task.hide
    if window is not None:
        return tuple(models["model"][window.is_hidden(models)])
    if hide.flops_above is not None:
        return tuple(models["model"][~(models["flops"] <= hide.flops_above)])
    if hide.models is not None:
        return tuple(models["model"][models["model"].isin(hide.models)])
    if hide.larger_siblings_of is not None:
        family = models["family"][models["model"] == hide.larger_siblings_of].iloc[0]
        return tuple(models["model"][(models["family"] == family) & (models["model"] != hide.larger_siblings_of)])
    if hide.top_share is not None:
        score = evals.matrix().sel(benchmark=task.targets[0], model=list(participants)).to_series()
        top = score.sort_values(ascending=False, kind="stable").index[: int(np.floor(hide.top_share * len(score)))]
        return tuple(m for m in participants if m in set(top))
    raise EvaluationError(f"Task {task.name} has no rule for a single task: {hide}.")
