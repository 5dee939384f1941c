"""Assemble the three tables from the chosen scores, with a record of what was taken and what was skipped."""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from bayescale.evals.importers.base import (
    SAME_ITEMS,
    Names,
    Reading,
    Skipped,
    effective_count,
    shipped_benchmarks,
    shipped_models,
)
from bayescale.evals.importers.choice import Taken, choose_scores, counting_ones
from bayescale.evals.importers.imported import TO_FILL, Imported, implausible
from bayescale.evals.importers.merge import name_testlets
from bayescale.evals.tables import TABLES, Column

# Columns of the scores that a table has only where a score has a value; `n` is the number of samples.
_EXTRA = ("stderr", "n", "harness", "shots", "setting", "version", "record")


def assemble_tables(reading: Reading, names: Names, facts: dict[str, dict[str, Any]]) -> Imported:
    """Assemble tables from the output of a reader.

    `facts` of the user about models, by model and column, take precedence over the tool, and the tool over the shipped
    tables.
    """
    taken = choose_scores(reading, names)
    notes = list(reading.notes)
    benchmarks = name_testlets(_benchmarks(reading.tool, names, taken, notes))
    tool_facts = {names.mapping.models.get(m, m): values for m, values in reading.facts.items()}
    models = _models(list(dict.fromkeys(t.parsed.model for t in taken)), [facts, tool_facts], notes)
    scores = _scores(reading.tool, taken)
    return Imported(
        tool=reading.tool,
        models=models,
        benchmarks=benchmarks,
        scores=scores,
        taken=_matches(taken),
        skipped=pd.DataFrame(reading.skipped, columns=list(Skipped._fields), dtype="str"),
        notes=(*notes, *implausible(models, benchmarks, scores)),
        facts=facts,
    )


def _benchmarks(tool: str, names: Names, taken: list[Taken], notes: list[str]) -> pd.DataFrame:
    rows: list[dict[str, Any]] = []
    unregistered: list[str] = []
    # Benchmarks by what is to be noted about them.
    parts, about = defaultdict[str, list[str]](list), defaultdict[str, list[str]](list)
    by_name: dict[str, list[Taken]] = {}
    for t in counting_ones(taken):
        by_name.setdefault(t.target.benchmark, []).append(t)
    # Other prompts of a benchmark that ships are in the testlet of that one already.
    variants = Counter(ts[0].parsed.task for ts in by_name.values() if not ts[0].like)
    for benchmark, scores in by_name.items():
        first = scores[0]
        registered = shipped_benchmarks().get(first.like or benchmark)
        own = {"metric": first.parsed.metric or "", "source": tool}
        if variants[first.parsed.task] > 1:
            own["testlet"] = first.parsed.task
        columns = {c.name: (registered or {}).get(c.name, "") for c in TABLES["benchmarks"]} | {"benchmark": benchmark}
        columns |= {k: v for k, v in own.items() if not columns[k]} | {"source": tool}
        items = _items(benchmark, scores, columns["items"], about)
        rows.append(columns | {"items": items} | first.target.facts)
        if registered is None and "floor" not in first.target.facts:
            if whole := first.parsed.part_of:
                parts[whole].append(benchmark)
                rows[-1]["floor"] = shipped_benchmarks()[whole]["floor"]
            else:
                near = names.near(first.parsed.task)
                unregistered.append(benchmark + (f" (if it is {' or '.join(near)}, map it)" if near else ""))
        for what, attribute in {"numbers of examples in the prompt": "shots", "metrics": "metric"}.items():
            several = sorted({getattr(t.parsed, attribute) or "unknown" for t in scores})
            if len(several) > 1:
                about[f"scores on one benchmark mix several {what}"].append(f"{benchmark} ({', '.join(several)})")
    if unregistered:
        notes.append(
            "no shipped benchmark has the name or alias of these, so their floor is 0; where guessing can score, write "
            f"the expected score of guessing into benchmarks.csv: {', '.join(unregistered)}"
        )
    for whole, tasks in parts.items():
        notes.append(
            f"{len(tasks)} parts of {whole} are benchmarks of their own, with its floor "
            f"{shipped_benchmarks()[whole]['floor']}, because not all parts are there; or leave them out in a mapping: "
            f"{', '.join(tasks)}"
        )
    notes += [f"{what}: {', '.join(benchmarks)}" for what, benchmarks in about.items()]
    return _typed(rows, TABLES["benchmarks"])


def _items(benchmark: str, scores: list[Taken], registered: str, about: dict[str, list[str]]) -> float:
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
        span = f"{benchmark} {items:.0f} ({counts.min():.0f} to {counts.max():.0f})"
        about["the number of items that scores are worth depends on the model; the median is used"].append(span)
    if not (math.isnan(shipped_items) or math.isclose(items, shipped_items, rel_tol=SAME_ITEMS)):
        both = f"{benchmark} {items:.0f} (ships with {shipped_items:.0f})"
        about["scores are worth other numbers of items than those of the benchmark that ships"].append(both)
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
    own = dict.fromkeys(name for r in rows for name in r if all(c.name != name for c in TABLES["models"]))
    return _typed(rows, [*used, *(Column(name, "text") for name in own)])


def _typed(rows: list[dict[str, Any]], columns: Sequence[Column]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=[c.name for c in columns])
    for name, dtype, _ in columns:
        numbers = pd.to_numeric(table[name]).astype(float) if dtype == "number" else None
        table[name] = table[name].astype(object).fillna("").astype("str") if numbers is None else numbers
    return table


def _scores(tool: str, taken: list[Taken]) -> pd.DataFrame:
    rows = [
        {"model": t.parsed.model, "benchmark": t.target.benchmark, "score": float(t.parsed.score)}
        | {"source": ": ".join(filter(None, [f"{tool}:{t.parsed.source}", t.parsed.cited]))}
        | {c: getattr(t.parsed, "items" if c == "n" else c) for c in _EXTRA}
        # A limited run says so beside its score, where it stays in the tables.
        | {"setting": "; ".join(filter(None, [t.parsed.setting, t.parsed.limited and f"only {t.parsed.limited}"]))}
        for t in taken
    ]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "score", "source", *_EXTRA])
    table = table.astype({"stderr": float, "n": float})
    return table.drop(columns=[c for c in _EXTRA if (table[c].isna() | (table[c] == "")).all()])


def _matches(taken: list[Taken]) -> pd.DataFrame:
    """Count the scores of each name of the tool, with its benchmark and the evidence for the match."""
    rows = [(t.target.benchmark, t.parsed.label, t.evidence) for t in taken]
    frame = pd.DataFrame(rows, columns=["benchmark", "name", "by"], dtype="str")
    return frame.groupby(["benchmark", "name", "by"], sort=False).size().rename("scores").reset_index()
