"""Forecasting tasks as data: targets, hidden models and visible benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayescale._files import shipped
from bayescale.errors import EvaluationError, suggest
from bayescale.evals import Evals, load_evals, read_evals


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Hide(_Frozen):
    """Rule that selects the models to hide, exactly one of those that the head of ``data/tasks.yaml`` documents.

    A rule ``siblings_larger_than_smallest`` becomes one task for each family, each with a rule `larger_siblings_of` the
    model from which it forecasts.
    """

    flops_above: float | None = Field(default=None, ge=1e15)
    top_share: float | None = Field(default=None, gt=0, lt=1)
    models: tuple[str, ...] | None = None
    siblings_larger_than_smallest: int | None = Field(default=None, ge=2)
    larger_siblings_of: str | None = None

    @model_validator(mode="after")
    def _one_rule(self) -> Hide:
        given = self.model_dump(exclude_none=True)
        if len(given) != 1:
            raise ValueError(f"give exactly one rule of {', '.join(type(self).model_fields)}; got {len(given)}")
        return self


class Participants(_Frozen):
    """Filter of models: families by name or all but some, without the models under `except`."""

    families: tuple[str, ...] | None = None
    families_except: tuple[str, ...] = ()
    except_: tuple[str, ...] = Field(default=(), alias="except")


class _Protocol(_Frozen):
    """Fields that a task shares with the entry of a task file from which it is made."""

    group: str
    title: str
    evals: str
    benchmarks: tuple[str, ...] = ()
    models: Participants = Participants()
    seen: tuple[str, ...] = ()
    hide: Hide
    averaged: bool = True
    law_floor: Literal["learned", "chance"] = "learned"
    chance_level: float | None = Field(
        default=None, ge=0, lt=1, validation_alias=AliasChoices("chance_level", "chance")
    )


class Task(_Protocol):
    """One forecasting task; the head of ``data/tasks.yaml`` documents the fields.

    Attributes
    ----------
    name : str
        ``group/key``.
    targets : tuple of str
        Benchmarks to forecast.
    benchmarks : tuple of str
        Benchmarks of the joint data, targets among them.
    seen : tuple of str
        Benchmarks on which the scores of hidden models are visible.
    chance_level : float, optional
        Expected score of random guessing, for the baselines; default: the floor in the table of benchmarks.
    """

    name: str
    targets: tuple[str, ...]


class _Entry(_Protocol):
    """One entry of a task file."""

    suites: tuple[str, ...] = ()
    targets: dict[str, str] | Literal["all"]

    def tasks(self) -> list[Task]:
        evals = task_evals(self.evals)
        table = evals.benchmarks
        pool = tuple(table["benchmark"][table["suite"].isin(self.suites) | table["benchmark"].isin(self.benchmarks)])
        targets = {"all": pool} if self.targets == "all" else {k: (v,) for k, v in self.targets.items()}
        named = [*self.benchmarks, *self.seen, *(b for group in targets.values() for b in group)]
        place = f"benchmark in the joint data of group {self.group!r}"
        suites = set(table["suite"])
        for names, options, what in ((self.suites, suites, f"suite in {self.evals}"), (named, pool, place)):
            if unknown := [n for n in names if n not in options]:
                raise EvaluationError(suggest(unknown[0], options, what))
        shared = self.model_dump(exclude={"suites", "targets", "hide"}) | {"benchmarks": pool}
        return [
            Task(**shared, name=f"{self.group}/{name}", targets=chosen, hide=hide)
            for key, chosen in targets.items()
            for name, hide in self._rules(key, evals)
        ]

    def _rules(self, key: str, evals: Evals) -> list[tuple[str, Hide]]:
        least = self.hide.siblings_larger_than_smallest
        if least is None:
            return [(key, self.hide)]
        with_compute = evals.models.dropna(subset="flops")
        return [
            (str(family), Hide(larger_siblings_of=str(siblings["model"].iloc[int(siblings["flops"].argmin())])))
            for family, siblings in with_compute.groupby("family", sort=False)
            if len(siblings) >= least
        ]


def task_evals(name: str) -> Evals:
    """Load the scores that a task names: a built-in set, or a directory of tables."""
    return read_evals(name) if Path(name).is_dir() else _shipped_evals(name)


_shipped_evals = cache(load_evals)


def load_tasks(chosen: Sequence[str] | None = None, file: str | Path | None = None) -> list[Task]:
    """Load built-in tasks, or those of a task file.

    Parameters
    ----------
    chosen : sequence of str, optional
        Groups (``"emergent"``) or single tasks (``"emergent/persian_qa"``). Default: all.
    file : str or pathlib.Path, optional
        A task file like ``data/tasks.yaml``, which documents the fields.

    Returns
    -------
    list of Task
        In the order of the file.

    Raises
    ------
    EvaluationError
        For an invalid task file, or a name that is neither group nor task.

    Examples
    --------
    >>> [task.name for task in load_tasks(["agent"])]
    ['agent/agentbench_overall', 'agent/agentboard_success']
    """
    path = Path(file) if file is not None else shipped("data") / "tasks.yaml"
    try:
        document: dict[str, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
        entries = [_Entry(**entry) for entry in document["groups"]]
    except OSError as error:
        raise EvaluationError(f"The task file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise EvaluationError(f"{path} is not a valid task file:\n" + "\n".join(lines)) from None
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise EvaluationError(
            f"{path} is not a valid task file: it needs a list `groups` of mappings ({error})."
        ) from error
    tasks = [task for entry in entries for task in entry.tasks()]
    if chosen is None:
        return tasks
    names = {t.name for t in tasks} | {t.group for t in tasks}
    for name in chosen:
        if name not in names:
            raise EvaluationError(suggest(name, names, "task or group of tasks"))
    return [t for t in tasks if t.name in chosen or t.group in chosen]
