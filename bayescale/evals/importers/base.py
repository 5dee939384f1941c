"""What all importers share: name mappings, the registry of shipped benchmarks and models, and parsed scores."""

from __future__ import annotations

import difflib
import fnmatch
import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import numpy as np
import pandas as pd
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bayescale._files import shipped
from bayescale._yaml import read_yaml
from bayescale.errors import EvalsError, suggest
from bayescale.evals.csv_files import read_table
from bayescale.evals.tables import TABLES

# Folder of the shipped mappings, and the column of ``benchmarks.csv`` with the aliases.
FOLDER = "mappings"
ALIASES = "aliases"

# Benchmarks that importers recognise beside those that ship, and the prompts of those that ship.
KNOWN = "known_benchmarks.yaml"

# Metrics that say how far scores spread: never a score, whatever a tool lists first.
SPREADS = ("stderr", "std", "var", "bootstrap_stderr", "ci_lower", "ci_upper")

# Item counts that differ by less are taken for the same: averages over subjects of unlike size shift them.
SAME_ITEMS = 0.05


# Name mappings

_NAME_ALONE = BeforeValidator(lambda value: {"benchmark": value} if isinstance(value, str) else value)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Part):
    """The benchmark that a name of the tool stands for, with optional columns of its own.

    Attributes
    ----------
    benchmark : str
        Its name in the tables.
    title, metric, items, floor, ceiling, testlet, suite
        Columns of the benchmarks; missing ones come from the shipped benchmark of this name, if there is one.
    scale : float, optional
        What its scores are divided by.
    stderr : str, optional
        In a table: the column with the standard errors of these scores, on the same scale.
    """

    benchmark: Annotated[str, Field(min_length=1)]
    title: str | None = None
    metric: str | None = None
    items: Annotated[int | None, Field(ge=1)] = None
    floor: Annotated[float | None, Field(ge=0, lt=1)] = None
    ceiling: Annotated[float | None, Field(gt=0, le=1)] = None
    testlet: str | None = None
    suite: str | None = None
    scale: Annotated[float | None, Field(gt=0)] = None
    stderr: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """Columns of the benchmarks that the mapping gives."""
        return self.model_dump(exclude={"benchmark", "scale", "stderr"}, exclude_none=True)


class NameMapping(_Part):
    """A mapping file: what the names of a tool or of a table mean.

    Attributes
    ----------
    benchmarks : dict
        By name in the tool (a task, ``task/metric``, ``task/metric,filter``, or a column of a table): the benchmark's
        name, or a `Target` with more about it, or null to leave it out.
    models : dict of str to str
        Other names for models.
    columns : dict of str to str
        In a table: columns by content. Keys are ``model``, ``benchmark``, ``score``, ``stderr``, ``shots``,
        ``harness``, ``setting``, ``cited`` (who states it), ``date``, ``confidence`` and the columns of the models
        (``family``, ``params_b``, ``flops``, ...).
    values : dict
        In a table: by column, what its words mean here, such as ``{Type: {pretrained: base}}``.
    where : dict
        In a table: by column, the values of the rows to take.
    files : dict
        In a folder of tables: by name of the file, which may contain ``*``, columns by content for these files alone,
        such as ``{aider.csv: {score: Percent correct}}``.
    scale : float
        What all scores are divided by: 100 for percentages.

    Examples
    --------
    >>> NameMapping(benchmarks={"arc": "ARC-C", "Average": None}, scale=100).benchmarks["arc"].benchmark
    'ARC-C'
    """

    benchmarks: dict[str, Annotated[Target | None, _NAME_ALONE]] = {}
    models: dict[str, str] = {}
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    where: dict[str, list[str]] = {}
    files: dict[str, dict[str, str]] = {}
    scale: Annotated[float, Field(gt=0)] = 1.0

    def scale_of(self, name: str) -> float:
        """Return the number by which the scores under a name of the tool are divided."""
        target = self.benchmarks.get(name)
        return self.scale if target is None or target.scale is None else target.scale

    def columns_in(self, file: str) -> dict[str, str]:
        """Return the columns by content for one file: those of its own first."""
        own = [c for pattern, c in self.files.items() if fnmatch.fnmatch(Path(file).name, pattern)]
        return {k: v for columns in [self.columns, *own] for k, v in columns.items()}


def load_mapping(given: str | Path | Mapping[str, Any] | NameMapping | None) -> NameMapping:
    """Load a name mapping from a YAML file, from the name of a shipped one, or from a dict of the same form.

    Examples
    --------
    >>> load_mapping("open-llm-leaderboard-2").columns["model"]
    'fullname'
    """
    if given is None:
        return NameMapping()
    if isinstance(given, NameMapping):
        return given
    what = "the mapping"
    if not isinstance(given, Mapping):
        if not isinstance(given, str | Path):
            raise EvalsError(f"mapping={given!r} is neither a file nor a dictionary.")
        path = _mapping_file(given)
        what = f"the mapping {path.name}"
        try:
            given = read_yaml(path.read_text(encoding="utf-8")) or {}
        except (OSError, ValueError) as error:
            raise EvalsError(f"Cannot read {what}: {error}") from error
    try:
        return NameMapping.model_validate(given)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise EvalsError("\n".join([f"{len(lines)} problem(s) in {what}:", *lines])) from None


def _mapping_file(given: str | Path) -> Path:
    if (path := Path(given)).is_file():
        return path
    shipped_files = {p.stem: p for p in (shipped("data") / FOLDER).glob("*.yaml")}
    if str(given) in shipped_files:
        return shipped_files[str(given)]
    if path.suffix or path.parent != Path():
        raise EvalsError(f"There is no mapping file {str(given)!r}.")
    raise EvalsError(f"{suggest(str(given), shipped_files, 'mapping')} Or give a YAML file of your own.")


# The registry of shipped benchmarks and models


class Match(NamedTuple):
    """The benchmark that a name of the tool stands for, and the evidence: ``mapping``, ``alias`` or ``name``."""

    target: Target
    evidence: str


@dataclass(frozen=True)
class Names:
    """Resolve the names of one tool to benchmarks: by mapping, alias of the tool or exact name, never by likeness."""

    tool: str
    mapping: NameMapping = field(default_factory=NameMapping)

    def match(self, *names: str) -> Match | None:
        """Return the benchmark that the first matching name stands for; None if no name matches."""
        for name in names:
            if (target := self.mapping.benchmarks.get(name)) is not None:
                return Match(target, "mapping")
        aliases = shipped_aliases(self.tool)
        for name in names:
            if name in aliases:
                return Match(Target(benchmark=aliases[name]), "alias")
        # With a mapping, names beside it count only if they are those of the shipped tables: an export that a mapping
        # describes may have other columns of such a name, as the rescaled ones of a leaderboard.
        registered = _shipped_rows("benchmarks", "benchmark") if self.mapping.benchmarks else shipped_benchmarks()
        for name in names:
            if name in registered:
                return Match(Target(benchmark=name), "name")
        return None

    def left_out(self, *names: str) -> bool:
        """Return whether the mapping leaves out the first of these names that it lists."""
        listed = [n for n in names if n in self.mapping.benchmarks]
        return bool(listed) and self.mapping.benchmarks[listed[0]] is None

    def near(self, name: str) -> list[str]:
        """Return similar names, for a question to the user."""
        words = {_stem(b): b for b in shipped_benchmarks()}
        words |= {_stem(a.split("/")[0]): b for a, b in shipped_aliases(self.tool).items()}
        return list(dict.fromkeys(words[w] for w in difflib.get_close_matches(_stem(name), words, n=2, cutoff=0.75)))


def _stem(name: str) -> str:
    """Return a name without the ending that many have, which would make unlike names similar."""
    return name.lower().removesuffix("_external")


@functools.cache
def shipped_benchmarks() -> dict[str, dict[str, str]]:
    """Read the benchmarks that ship, and those that importers recognise beside them; by benchmark, cells as text.

    Where the tables of the paper and of the frontier have the same benchmark, the facts are those of the paper.
    """
    rows = dict(_shipped_rows("benchmarks", "benchmark"))
    blank = {c.name: "" for c in TABLES["benchmarks"]} | {ALIASES: ""}
    frontier = _shipped_rows("benchmarks", "benchmark", "frontier")
    for name, facts in {**frontier, **_known()["benchmarks"]}.items():
        row = blank | {k: str(v) for k, v in facts.items() if k in blank} | {"benchmark": name}
        rows.setdefault(name, row)
    more = {name: [f"epoch:{row['source'].removeprefix('epoch-hub:')}"] for name, row in frontier.items()}
    for name, aliases in _known()["aliases"].items():
        more.setdefault(name, []).append(aliases)
    for name, aliases in more.items():
        there = rows[name][ALIASES]
        rows[name] = rows[name] | {ALIASES: "; ".join(filter(None, [there, *(a for a in aliases if a not in there)]))}
    return rows


@functools.cache
def shipped_shots() -> dict[str, str]:
    """Read the number of solved examples in the prompt of the scores that ship, by benchmark."""
    return {name: str(n) for name, n in _known()["shots"].items()}


@functools.cache
def shipped_models(folders: tuple[str, ...] = ("", "frontier")) -> dict[str, dict[str, str]]:
    """Read the models that ship by name, cells as text; only the columns that all tables have, the paper's first."""
    models: dict[str, dict[str, str]] = {}
    for folder in folders:
        for name, row in _shipped_rows("models", "model", folder).items():
            models.setdefault(name, {c.name: row[c.name] for c in TABLES["models"] if row.get(c.name)})
    return models


@functools.cache
def shipped_aliases(tool: str) -> dict[str, str]:
    """Read the column ``aliases`` for one tool: benchmarks by ``task`` or ``task/metric``.

    A cell lists ``tool:task`` or ``tool:task/metric``, separated by ";".
    """
    # Both read the same tasks, and both kinds of file come with either name.
    benchmarks: dict[str, str] = dict(shipped_aliases("lm-eval")) if tool == "lighteval" else {}
    for benchmark, row in shipped_benchmarks().items():
        for alias in filter(None, map(str.strip, row[ALIASES].split(";"))):
            whose, _, name = alias.partition(":")
            if whose == tool:
                benchmarks[name] = benchmark
    return benchmarks


@functools.cache
def _known() -> dict[str, Any]:
    known: dict[str, Any] = read_yaml((shipped("data") / KNOWN).read_text(encoding="utf-8"))
    return known


@functools.cache
def _shipped_rows(table: str, key: str, folder: str = "") -> dict[str, dict[Any, Any]]:
    frame, problems = read_table(shipped("data") / folder, table)
    assert isinstance(frame, pd.DataFrame), problems
    return {row[key]: row for row in frame.to_dict("records")}


# Parsed scores


@dataclass(frozen=True)
class ParsedScore:
    """One score as a tool reports it.

    Attributes
    ----------
    model, task : str
        As the tool calls them.
    metric : str
        The metric and, after a comma, the filter of answers; empty where a tool has one score per task.
    score : float
    source : str
        The file, relative to what was imported.
    stderr : float
        Standard error of `score`; NaN if the tool gives none.
    items : float
        Samples that were scored; NaN if unknown.
    shots, version : str
        Solved examples in the prompt, and version of the task, as the tool says.
    harness, cited, record : str
        Harness, agent or scaffold; who states the score, where it is not the file alone; its name in the source.
    setting : str
        What else is particular about the measurement, such as quantisation, a chat template or an effort.
    date : str
        Time of the measurement, in a form that sorts; of two results of one task the later counts.
    preferred : bool
        Whether the source prefers this measurement to the others of the model and task.
    limited : str
        Blank if all samples were scored, else how many: such a result never replaces a full one.
    column : str
        The column that the score stands in: its cells have one unit. By default task and metric.
    percent : bool
        Whether the tool itself says that the score is a percentage.
    by_name_only : str
        Why only a mapping or an alias can choose this metric; blank if it may be taken as the score of its task.
    part_of : str
        The benchmark that ships of which this task is a part, such as one subject of MMLU.
    """

    model: str
    task: str
    score: float
    source: str
    metric: str = ""
    stderr: float = math.nan
    items: float = math.nan
    shots: str = ""
    version: str = ""
    harness: str = ""
    cited: str = ""
    record: str = ""
    setting: str = ""
    date: str = ""
    preferred: bool = False
    limited: str = ""
    column: str = ""
    percent: bool = False
    by_name_only: str = ""
    part_of: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which a mapping may list it, most precise first: ``task/metric,filter`` to ``task``."""
        metric, _, answers = self.metric.partition(",")
        precise = [self.metric] if answers else []
        return (*(f"{self.task}/{m}" for m in [*precise, metric] if m), self.task)

    @property
    def label(self) -> str:
        """Task and metric, for messages."""
        return f"{self.task} {self.metric}".strip()


class Skipped(NamedTuple):
    """A result that is not taken: file, model, description, reason, and the kind of reason, without its details."""

    source: str
    model: str
    what: str
    reason: str
    kind: str


@dataclass
class Reading:
    """The output of a reader: parsed scores, skipped results, facts about models, and notes.

    `parsed` has the metrics of a task in order of preference; `facts`, by model, values of columns of the models;
    `looked_for` says which files the reader looks for.
    """

    tool: str
    parsed: list[ParsedScore] = field(default_factory=list)
    skipped: list[Skipped] = field(default_factory=list)
    facts: dict[str, dict[str, Any]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    looked_for: str = ""

    def skip(self, source: str, what: str, reason: str, model: str = "", kind: str = "") -> None:
        """Record a result that is not taken, with the reason."""
        self.skipped.append(Skipped(source, model, what, reason, kind or reason))

    def learn(self, model: str, column: str, value: Any) -> None:
        """Record a fact about a model; the first value counts, and a different one gives a note."""
        facts = self.facts.setdefault(model, {})
        if column in facts and not _same(facts[column], value):
            self.note(f"{model} has several values of {column}: {facts[column]} is kept, {value} is not")
        facts.setdefault(column, value)

    def note(self, text: str) -> None:
        """Add a note, once."""
        if text not in self.notes:
            self.notes.append(text)


def _same(one: Any, other: Any) -> bool:
    """Return whether two facts agree; numbers that were computed in another order differ in the last digits."""
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=1e-9)
    return bool(one == other)


def effective_count(score: Any, stderr: Any) -> np.ndarray:
    """Return the number of items of which a proportion would have this standard error.

    Tools estimate the standard error of a mean of n zeros and ones as sqrt(s (1 - s) / (n - 1)), s being the mean; this
    is that equation solved for n. For a mean over subjects, clustered questions or shares of a point, which have
    another standard error, it is the number of independent items that would tell as much. NaN where the standard error
    is unknown or says nothing: zero, or a score of 0 or 1.

    Examples
    --------
    >>> import math
    >>> effective_count([0.5, 0.0], [math.sqrt(0.25 / 39), 0.0]).round(6).tolist()
    [40.0, nan]
    """
    score, stderr = np.broadcast_arrays(np.asarray(score, dtype=float), np.asarray(stderr, dtype=float))
    count = np.full(score.shape, np.nan)
    tells = (stderr > 0) & (score > 0) & (score < 1)
    count[tells] = 1 + score[tells] * (1 - score[tells]) / stderr[tells] ** 2
    return count
