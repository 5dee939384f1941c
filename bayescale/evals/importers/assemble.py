"""Assemble the three tables from parsed scores, with a record of what was taken and what was skipped."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayescale.evals.importers.base import (
    SAME_ITEMS,
    NameMapping,
    Names,
    ParsedScore,
    Reading,
    Target,
    effective_count,
    shipped_benchmarks,
    shipped_models,
)
from bayescale.evals.importers.imported import TO_FILL, Imported
from bayescale.evals.tables import TABLES, Column

_EXTRA = ("stderr", "n_shot", "version")


class _Taken(NamedTuple):
    """A parsed score with its benchmark, and the evidence for the match: ``new`` if there is none."""

    parsed: ParsedScore
    target: Target
    evidence: str


def assemble_tables(reading: Reading, names: Names, facts: dict[str, dict[str, Any]]) -> Imported:
    """Assemble tables from the output of a reader.

    `facts` of the user about models, by model and column, take precedence over the tool, and the tool over the shipped
    tables.
    """
    scores = [_renamed_and_scaled(p, names.mapping) for p in reading.parsed]
    taken = _latest(reading, _choose(reading, names, _usable(reading, scores)))
    notes = list(reading.notes)
    benchmarks = _benchmarks(reading.tool, names, taken, notes)
    tool_facts = {names.mapping.models.get(m, m): values for m, values in reading.facts.items()}
    models = _models(list(dict.fromkeys(t.parsed.model for t in taken)), [facts, tool_facts], notes)
    return Imported(
        tool=reading.tool,
        models=models,
        benchmarks=benchmarks,
        scores=_scores(reading.tool, taken),
        taken=_matches(taken),
        skipped=pd.DataFrame(reading.skipped, columns=["source", "model", "what", "reason"], dtype="str"),
        notes=tuple(notes),
    )


def _renamed_and_scaled(p: ParsedScore, mapping: NameMapping) -> ParsedScore:
    scale = next((mapping.scale_of(n) for n in p.names if n in mapping.benchmarks), mapping.scale)
    return dataclasses.replace(
        p, model=mapping.models.get(p.model, p.model), score=p.score / scale, stderr=p.stderr / scale
    )


def _usable(reading: Reading, scores: list[ParsedScore]) -> list[ParsedScore]:
    """Skip scores that are no share of the best possible score."""
    for p in scores:
        if math.isnan(p.score):
            reading.skip(p.source, p.label, "not a number", p.model)
        elif 1 < p.score <= 100:
            reason = "outside [0, 1]; if it is a percentage, write `scale: 100` in a mapping"
            reading.skip(p.source, p.label, reason, p.model)
        elif not 0 <= p.score <= 1:
            reading.skip(p.source, p.label, "outside [0, 1]: no share of the best possible score", p.model)
    return [p for p in scores if 0 <= p.score <= 1]


def _choose(reading: Reading, names: Names, scores: list[ParsedScore]) -> list[_Taken]:
    """Choose among the metrics of each result: those that match by name, or else the one that the tool prefers."""
    groups: dict[tuple[tuple[str, str, str], int], list[ParsedScore]] = {}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for p in scores:
        result = (p.source, p.model, p.task)
        # A metric that comes once more belongs to another result of the same model, such as a second row of a table.
        groups.setdefault((result, seen[*result, p.metric]), []).append(p)
        seen[*result, p.metric] += 1
    taken = []
    for metrics in groups.values():
        left_out = [p for p in metrics if names.left_out(*p.names)]
        for p in left_out:
            reading.skip(p.source, p.label, "the mapping leaves it out", p.model)
        metrics = [p for p in metrics if p not in left_out]
        # The bare name of a task fits all of its metrics and decides nothing between them: it means the preferred one.
        matches = [names.match(*(p.names if p is metrics[0] else p.names[:-1])) for p in metrics]
        chosen = [_Taken(p, *m) for p, m in zip(metrics, matches, strict=True) if m]
        if metrics and not chosen:
            chosen = [_Taken(metrics[0], Target(benchmark=metrics[0].task), "new")]
        taken += chosen
        for p, match in zip(metrics, matches, strict=True):
            if match is None and p is not chosen[0].parsed:
                instead = f"another metric is taken, {chosen[0].parsed.metric}"
                reading.skip(p.source, p.label, f"{instead}; to take this one, map {p.names[0]!r}", p.model)
    return taken


def _latest(reading: Reading, taken: list[_Taken]) -> list[_Taken]:
    """Keep one measurement of each model on each benchmark: the latest, or the first of those without a date."""
    best: dict[tuple[str, str], _Taken] = {}
    for t in taken:
        cell = (t.parsed.model, t.target.benchmark)
        if cell not in best or t.parsed.date > best[cell].parsed.date:
            best[cell] = t
    for t in taken:
        kept = best[t.parsed.model, t.target.benchmark]
        if t is kept:
            continue
        when = "a later" if kept.parsed.date > t.parsed.date else "another"
        reason = f"{when} result of this model on {t.target.benchmark} is taken, from {kept.parsed.source}"
        if t.parsed.n_shot != kept.parsed.n_shot:
            reason += f" ({kept.parsed.n_shot}-shot, this one {t.parsed.n_shot}-shot)"
        reading.skip(t.parsed.source, t.parsed.label, reason, t.parsed.model)
    return [t for t in taken if t is best[t.parsed.model, t.target.benchmark]]


def _benchmarks(tool: str, names: Names, taken: list[_Taken], notes: list[str]) -> pd.DataFrame:
    rows, unregistered = [], []
    by_name: dict[str, list[_Taken]] = {}
    for t in taken:
        by_name.setdefault(t.target.benchmark, []).append(t)
    variants = pd.Series({b: ts[0].parsed.task for b, ts in by_name.items()}, dtype="str").value_counts()
    for benchmark, scores in by_name.items():
        first = scores[0]
        registered = shipped_benchmarks().get(benchmark)
        own = {"metric": first.parsed.metric or "", "source": tool}
        if variants[first.parsed.task] > 1:
            own["testlet"] = first.parsed.task
        columns = {c.name: (registered or {}).get(c.name, "") for c in TABLES["benchmarks"]} | {"benchmark": benchmark}
        columns |= {k: v for k, v in own.items() if not columns[k]} | {"source": tool}
        items = _items(benchmark, scores, columns["items"], notes)
        rows.append(columns | {"items": items} | first.target.facts)
        if registered is None and "floor" not in first.target.facts:
            near = names.near(first.parsed.task)
            unregistered.append(benchmark + (f" (if it is {' or '.join(near)}, map it)" if near else ""))
        for what, attribute in {"numbers of examples in the prompt": "n_shot", "metrics": "metric"}.items():
            several = sorted({getattr(t.parsed, attribute) or "unknown" for t in scores})
            if len(several) > 1:
                notes.append(f"{benchmark}: its scores mix several {what}: {', '.join(several)}")
    if unregistered:
        notes.append(
            "no shipped benchmark has the name or alias of these, so their floor is 0; where guessing can score, write "
            f"the expected score of guessing into benchmarks.csv: {', '.join(unregistered)}"
        )
    return _typed(rows, TABLES["benchmarks"])


def _items(benchmark: str, scores: list[_Taken], registered: str, notes: list[str]) -> float:
    """Return a benchmark's number of items: from standard errors, else as counted by the tool, else the shipped one.

    The tables have one number per benchmark, so it is the median over models.
    """
    parsed = [t.parsed for t in scores]
    effective = effective_count([p.score for p in parsed], [p.stderr for p in parsed])
    counts = np.where(np.isnan(effective), np.array([p.items for p in parsed], dtype=float), effective)
    counts = counts[counts >= 1]
    shipped_items = float(registered) if registered else math.nan
    if not len(counts):
        return shipped_items
    items = float(max(1, round(float(np.median(counts)))))
    if counts.max() > counts.min() * (1 + SAME_ITEMS):
        span = f"{counts.min():.0f} to {counts.max():.0f} items, depending on the model"
        notes.append(f"{benchmark}: scores are worth {span}; the median, {items:.0f}, is used")
    if not (math.isnan(shipped_items) or math.isclose(items, shipped_items, rel_tol=SAME_ITEMS)):
        notes.append(f"{benchmark}: scores are worth {items:.0f} items; the shipped benchmark has {shipped_items:.0f}")
    return items


def _models(names: list[str], facts: list[dict[str, dict[str, Any]]], notes: list[str]) -> pd.DataFrame:
    rows = []
    for name in names:
        row: dict[str, Any] = {"model": name}
        for source in [*facts, shipped_models()]:
            row |= {k: v for k, v in source.get(name, {}).items() if k not in row and v not in ("", None)}
        rows.append(row)
    if recognised := [name for name in names if name in shipped_models()]:
        notes.append(f"facts about these models come from the shipped table: {', '.join(recognised)}")
    # Optional columns without any value are left out, other than those that the user is asked to fill in.
    used = [c for c in TABLES["models"] if c.name in TO_FILL or any(c.name in r for r in rows)]
    return _typed(rows, used)


def _typed(rows: list[dict[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[c.name for c in columns])
    for name, dtype, _ in columns:
        numbers = pd.to_numeric(table[name]).astype(float) if dtype == "number" else None
        table[name] = table[name].astype(object).fillna("").astype("str") if numbers is None else numbers
    return table


def _scores(tool: str, taken: list[_Taken]) -> pd.DataFrame:
    rows = [
        {"model": t.parsed.model, "benchmark": t.target.benchmark, "score": float(t.parsed.score)}
        | {"source": f"{tool}:{t.parsed.source}"}
        | {c: getattr(t.parsed, c) for c in _EXTRA}
        for t in taken
    ]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "score", "source", *_EXTRA])
    table["stderr"] = table["stderr"].astype(float)
    empty = [c for c in _EXTRA if (table[c].isna() if c == "stderr" else table[c] == "").all()]
    return table.drop(columns=empty)


def _matches(taken: list[_Taken]) -> pd.DataFrame:
    """Count the scores of each name of the tool, with its benchmark and the evidence for the match."""
    rows = [(t.target.benchmark, t.parsed.label, t.evidence) for t in taken]
    frame = pd.DataFrame(rows, columns=["benchmark", "name", "by"], dtype="str")
    return frame.groupby(["benchmark", "name", "by"], sort=False).size().rename("scores").reset_index()
