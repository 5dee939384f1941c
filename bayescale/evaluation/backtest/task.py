"""Forecasting tasks as data: targets, hidden models and visible benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import AliasChoices, BaseModel, ConfigDict, Field, ValidationError, model_validator

from bayescale._files import shipped
from bayescale._yaml import read_yaml
from bayescale.errors import EvaluationError, suggest
from bayescale.evals import Evals, load_evals, read_evals
from bayescale.evals.tables import first_names, text


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Window(_Frozen):
    """Models released from an origin on: they are hidden, and only what was released before the origin is seen.

    Attributes
    ----------
    from_ : datetime.date
        The origin: the first day of the window.
    before : datetime.date
        The day after its last. Models released from then on take no part.
    least_scores : int
        A benchmark takes part if so many models that are seen have a score on it, and if it was itself released before
        the origin or has no date.
    """

    from_: date = Field(alias="from")
    before: date
    least_scores: int = Field(default=6, ge=1)

    @model_validator(mode="after")
    def _in_order(self) -> Window:
        if self.from_ >= self.before:
            raise ValueError(f"`from` is the first day and `before` the day after the last; got {self}")
        return self

    def __str__(self) -> str:
        return f"{self.from_} to {self.before}"

    def is_seen(self, models: pd.DataFrame) -> pd.Series:
        """Return which models, in the order of their table, were released before the origin."""
        return _released(models, "model") < pd.Timestamp(self.from_)

    def is_hidden(self, models: pd.DataFrame) -> pd.Series:
        """Return which models were released in the window."""
        released = _released(models, "model")
        return (released >= pd.Timestamp(self.from_)) & (released < pd.Timestamp(self.before))

    def benchmarks(self, evals: Evals, participants: Participants) -> list[str]:
        """Return the benchmarks that take part."""
        seen = evals.models["model"][self.is_seen(evals.models) & participants.among(evals.models)]
        counts = evals.scores["benchmark"][evals.scores["model"].isin(seen)].value_counts()
        released = _released(evals.benchmarks, "benchmark")
        known = evals.benchmarks["benchmark"][released.isna() | (released < pd.Timestamp(self.from_))]
        return [b for b in known if counts.get(b, 0) >= self.least_scores]


def _released(table: pd.DataFrame, key: str) -> pd.Series:
    """Return the last moment of each date of release; NaT where blank.

    A month or a year counts when it is over, so that nothing is seen before it was there.
    """
    ends, unread = [], []
    cells = table["released"].map(text) if "released" in table else [""] * len(table)
    for name, cell in zip(table[key], cells, strict=True):
        try:
            ends.append(pd.Period(cell).end_time if cell else pd.NaT)
        except ValueError:
            unread.append(f"{cell!r} of {name}")
    if unread:
        raise EvaluationError(
            f"Table of {key}s, column released: {first_names(unread)}: no date such as 2024-07-23 or 2024-07. Correct "
            "these cells, or leave them blank."
        )
    return pd.Series(ends, index=table.index, dtype="datetime64[ns]")


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
    released: Window | None = None

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

    def among(self, models: pd.DataFrame) -> pd.Series:
        """Return which rows of the table of models pass the filter."""
        passes = ~models["family"].isin(self.families_except) & ~models["model"].isin(self.except_)
        return passes if self.families is None else passes & models["family"].isin(self.families)


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

    @model_validator(mode="after")
    def _all_targets(self) -> _Entry:
        if self.hide.released and self.targets != "all":
            raise ValueError("hide.released chooses the benchmarks by their scores at the origin: give targets: all")
        return self

    def tasks(self) -> list[Task]:
        evals = task_evals(self.evals)
        table = evals.benchmarks
        pool = tuple(table["benchmark"][table["suite"].isin(self.suites) | table["benchmark"].isin(self.benchmarks)])
        targets: dict[str, tuple[str, ...]] = (
            {"all": pool} if self.targets == "all" else {k: (v,) for k, v in self.targets.items()}
        )
        named = [*self.benchmarks, *self.seen, *(b for group in targets.values() for b in group)]
        place = f"benchmark in the joint data of group {self.group!r}"
        suites = set(table["suite"])
        for names, options, what in ((self.suites, suites, f"suite in {self.evals}"), (named, pool, place)):
            if unknown := [n for n in names if n not in options]:
                raise EvaluationError(suggest(unknown[0], options, what))
        if window := self.hide.released:
            pool = targets["all"] = tuple(window.benchmarks(evals.select(benchmarks=pool), self.models))
            if not pool:
                raise EvaluationError(
                    f"Group {self.group!r}: no benchmark has scores of {window.least_scores} models that were released "
                    f"before {window.from_}."
                )
        shared = self.model_dump(exclude={"suites", "targets", "hide"}) | {"benchmarks": pool}
        return [
            Task(**shared, name=f"{self.group}/{name}", targets=chosen, hide=hide)
            for key, chosen in targets.items()
            for name, hide in self._rules(key, evals)
        ]

    def _rules(self, key: str, evals: Evals) -> list[tuple[str, Hide]]:
        if window := self.hide.released:
            return [(f"{window.from_:%Y-%m}" if window.from_.day == 1 else str(window.from_), self.hide)]
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
        document: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8"))
        entries = [_Entry(**entry) for entry in document["groups"]]
    except OSError as error:
        raise EvaluationError(f"The task file {path} cannot be read: {error.strerror}.") from error
    except ValidationError as error:
        lines = [f"  {'.'.join(str(p) for p in e['loc'])}: {e['msg']}" for e in error.errors()]
        raise EvaluationError(f"{path} is not a valid task file:\n" + "\n".join(lines)) from None
    except (ValueError, TypeError, KeyError) as error:
        raise EvaluationError(
            f"{path} is not a valid task file: it needs a list `groups` of mappings ({error})."
        ) from error
    if chosen is None:
        return [task for entry in entries for task in entry.tasks()]
    # Scores of other groups need not be loaded.
    groups = {name.partition("/")[0] for name in chosen}
    tasks = [task for entry in entries if entry.group in groups for task in entry.tasks()]
    names = {t.name for t in tasks} | {t.group for t in tasks}
    if unknown := [name for name in chosen if name not in names]:
        # Of a known group its tasks, else the groups, which are few enough to list.
        here = {t.name for t in tasks if t.group == unknown[0].partition("/")[0]}
        alike = {t.name for entry in entries for t in entry.tasks() if t.name.endswith(f"/{unknown[0]}")}
        options = here or alike | {entry.group for entry in entries}
        raise EvaluationError(suggest(unknown[0], options, "task" if here or alike else "group of tasks"))
    return [t for t in tasks if t.name in chosen or t.group in chosen]
