"""What an importer finds in the output of a tool: one value per score, and one per thing that was passed over."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Found:
    """One score as a tool reports it.

    Attributes
    ----------
    model, task : str
        As the tool calls them.
    metric : str
        The metric and, after a comma, the filter of answers; empty where a tool has one figure per task.
    score : float
    source : str
        The file, relative to what was imported.
    stderr : float
        Standard error of `score`; NaN if the tool gives none.
    items : float
        Samples that were scored; NaN if unknown.
    n_shot, version : str
        Solved examples in the prompt, and version of the task, as the tool says.
    date : str
        When it was measured, in a form that sorts; of two results of one task the later counts.
    """

    model: str
    task: str
    score: float
    source: str
    metric: str = ""
    stderr: float = math.nan
    items: float = math.nan
    n_shot: str = ""
    version: str = ""
    date: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """What a mapping may call it, most precise first: ``task/metric,filter``, ``task/metric``, ``task``."""
        metric, _, answers = self.metric.partition(",")
        precise = [self.metric] if answers else []
        return (*(f"{self.task}/{m}" for m in [*precise, metric] if m), self.task)

    @property
    def label(self) -> str:
        """The task with its metric, for messages."""
        return f"{self.task} {self.metric}".strip()


@dataclass(frozen=True)
class Skipped:
    """Something that was not taken: where, of which model, what, and why."""

    source: str
    model: str
    what: str
    reason: str


@dataclass
class Reading:
    """All that one importer read: scores, what it passed over, what it learnt of the models, remarks.

    `found` holds the metrics of a task in order of preference. `facts` has, by model, values of columns of the models.
    """

    tool: str
    found: list[Found] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def skip(self, source: str, what: str, reason: str, model: str = "") -> None:
        """Put down that something was not taken."""
        self.skipped.append(Skipped(source, model, what, reason))

    def learn(self, model: str, column: str, value: Any) -> None:
        """Keep a fact of a model; the first one counts, and one that differs is remarked on."""
        known = self.facts.setdefault(model, {})
        if column in known and known[column] != value:
            remark = f"{model} has several values of {column}: {known[column]} is kept, {value} is not"
            if remark not in self.notes:
                self.notes.append(remark)
        known.setdefault(column, value)
