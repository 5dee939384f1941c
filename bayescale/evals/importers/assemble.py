"""From what an importer found to the three tables, with an account of what became of everything."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from bayescale.errors import percentage_hint
from bayescale.evals.importers.base import Mapping, Target
from bayescale.evals.importers.effective import SAME_ITEMS, effective_count
from bayescale.evals.importers.found import Found, Reading
from bayescale.evals.importers.imported import Imported
from bayescale.evals.importers.known import Names, shipped_benchmarks, shipped_models
from bayescale.evals.tables import TABLES

_FACTS = ("family", "kind", "params_b", "tokens_t", "flops", "flops_log10_sd", "released")
_EXTRA = ("stderr", "n_shot", "version")


class _Taken(NamedTuple):
    """A score with the benchmark that it is one of, and who says so (empty: nobody)."""

    found: Found
    target: Target
    by: str


def assemble(reading: Reading, names: Names, facts: dict[str, dict[str, Any]]) -> Imported:
    """Make tables of a reading.

    Parameters
    ----------
    reading : Reading
    names : Names
        What the tool's names stand for.
    facts : dict
        What the user says of models, by model and column; comes before what the tool and the shipped tables say.
    """
    found = [_in_our_terms(f, names.mapping) for f in reading.found]
    taken = _latest(reading, _choose(reading, names, _usable(reading, found)))
    notes = list(reading.notes)
    benchmarks = _benchmarks(reading.tool, names, taken, notes)
    learnt = {names.mapping.models.get(m, m): values for m, values in reading.facts.items()}
    models = _models(list(dict.fromkeys(t.found.model for t in taken)), [facts, learnt], notes)
    return Imported(
        tool=reading.tool,
        models=models,
        benchmarks=benchmarks,
        scores=_scores(reading.tool, taken),
        taken=_account(taken),
        skipped=pd.DataFrame(reading.skipped, columns=["source", "model", "what", "reason"], dtype="str"),
        notes=tuple(notes),
    )


def _in_our_terms(f: Found, mapping: Mapping) -> Found:
    scale = next((mapping.scale_of(n) for n in f.names if n in mapping.benchmarks), mapping.scale)
    return dataclasses.replace(
        f, model=mapping.models.get(f.model, f.model), score=f.score / scale, stderr=f.stderr / scale
    )


def _usable(reading: Reading, found: Iterable[Found]) -> list[Found]:
    """Leave out what is no share of the best possible score."""
    usable = []
    for f in found:
        if 0 <= f.score <= 1:
            usable.append(f)
            continue
        reason = "not a number" if math.isnan(f.score) else "outside [0, 1]: no share of the best possible score"
        if percentage_hint(f.score):
            reason = "outside [0, 1]; if it is a percentage, say `scale: 100` in a mapping"
        reading.skip(f.source, f.label, reason, f.model)
    return usable


def _choose(reading: Reading, names: Names, found: list[Found]) -> list[_Taken]:
    """Of the metrics of one result, take those that are known by name; if none is, the one that the tool prefers."""
    groups: dict[tuple[tuple[str, str, str], int], list[Found]] = {}
    seen: Counter[tuple[str, str, str, str]] = Counter()
    for f in found:
        result = (f.source, f.model, f.task)
        # A metric that comes once more belongs to another result of the same model, such as a second row of a table.
        groups.setdefault((result, seen[*result, f.metric]), []).append(f)
        seen[*result, f.metric] += 1
    taken = []
    for metrics in groups.values():
        left_out = [f for f in metrics if names.left_out(*f.names)]
        for f in left_out:
            reading.skip(f.source, f.label, "the mapping leaves it out", f.model)
        metrics = [f for f in metrics if f not in left_out]
        # The bare name of a task fits all of its metrics and decides nothing between them: it means the preferred one.
        matches = [names.match(*(f.names if f is metrics[0] else f.names[:-1])) for f in metrics]
        chosen = [_Taken(f, m.target, m.by) for f, m in zip(metrics, matches, strict=True) if m]
        if metrics and not chosen:
            chosen = [_Taken(metrics[0], Target(benchmark=metrics[0].task), "")]
        taken += chosen
        for f, match in zip(metrics, matches, strict=True):
            if match is None and f is not chosen[0].found:
                why = f"another metric is taken, {chosen[0].found.metric}; to take it, name {f.names[0]!r} in a mapping"
                reading.skip(f.source, f.label, why, f.model)
    return taken


def _latest(reading: Reading, taken: list[_Taken]) -> list[_Taken]:
    """Keep one result of each model on each benchmark: the latest, or the first of those without a date."""
    best: dict[tuple[str, str], _Taken] = {}
    for t in taken:
        cell = (t.found.model, t.target.benchmark)
        if cell not in best or t.found.date > best[cell].found.date:
            best[cell] = t
    for t in taken:
        kept = best[t.found.model, t.target.benchmark]
        if t is kept:
            continue
        when = "a later" if kept.found.date > t.found.date else "another"
        reason = f"{when} result of this model on {t.target.benchmark} is taken, from {kept.found.source}"
        if t.found.n_shot != kept.found.n_shot:
            reason += f" ({kept.found.n_shot}-shot, this one {t.found.n_shot}-shot)"
        reading.skip(t.found.source, t.found.label, reason, t.found.model)
    return [t for t in taken if t is best[t.found.model, t.target.benchmark]]


def _benchmarks(tool: str, names: Names, taken: list[_Taken], notes: list[str]) -> pd.DataFrame:
    rows, unknown = [], []
    by_name: dict[str, list[_Taken]] = {}
    for t in taken:
        by_name.setdefault(t.target.benchmark, []).append(t)
    variants = pd.Series({b: ts[0].found.task for b, ts in by_name.items()}, dtype="str").value_counts()
    for benchmark, scores in by_name.items():
        first = scores[0]
        ships = shipped_benchmarks().get(benchmark)
        own = {"metric": first.found.metric or "", "source": tool}
        if variants[first.found.task] > 1:
            own["testlet"] = first.found.task
        columns = {c.name: (ships or {}).get(c.name, "") for c in TABLES["benchmarks"]} | {"benchmark": benchmark}
        columns |= {k: v for k, v in own.items() if not columns[k]} | {"source": tool}
        items = _items(benchmark, scores, columns["items"], notes)
        rows.append(columns | {"items": items} | first.target.facts)
        if ships is None and "floor" not in first.target.facts:
            near = names.near(first.found.task)
            unknown.append(benchmark + (f" (is it {' or '.join(near)}? A mapping can say so)" if near else ""))
        for what, values in {"examples in the prompt": "n_shot", "metrics": "metric"}.items():
            several = sorted({getattr(t.found, values) or "unknown" for t in scores})
            if len(several) > 1:
                notes.append(f"{benchmark}: its scores are of several {what}: {', '.join(several)}")
    if unknown:
        notes.append(
            "nothing that ships has the name or alias of these benchmarks, so their floor counts as 0; where there is "
            f"something to guess, write the score of a guesser into benchmarks.csv: {', '.join(unknown)}"
        )
    table = pd.DataFrame(rows, columns=[c.name for c in TABLES["benchmarks"]])
    for number in ("items", "floor", "ceiling"):
        table[number] = pd.to_numeric(table[number]).astype(float)
    return table.astype({c: "str" for c in table if c not in ("items", "floor", "ceiling")})


def _items(benchmark: str, scores: list[_Taken], ships: str, notes: list[str]) -> float:
    """The number of items that a benchmark's scores are worth: by their standard errors, else counted, else as shipped.

    The tables have one number per benchmark, so it is the median over models.
    """
    found = [t.found for t in scores]
    count = effective_count([f.score for f in found], [f.stderr for f in found])
    counted = np.array([f.items for f in found], dtype=float)
    worth = np.where(np.isnan(count), counted, count)
    worth = worth[worth >= 1]
    known = float(ships) if ships else math.nan
    if not len(worth):
        return known
    items = float(max(1, round(float(np.median(worth)))))
    if worth.max() > worth.min() * (1 + SAME_ITEMS):
        notes.append(
            f"{benchmark}: scores are worth {worth.min():.0f} to {worth.max():.0f} items, by model; taken: {items:.0f}"
        )
    if not math.isclose(items, known, rel_tol=SAME_ITEMS) and not math.isnan(known):
        notes.append(f"{benchmark}: scores here are worth {items:.0f} items; the table that ships has {known:.0f}")
    return items


def _models(names: list[str], facts: list[dict[str, dict[str, Any]]], notes: list[str]) -> pd.DataFrame:
    rows, recognised = [], []
    for name in names:
        row: dict[str, Any] = {"model": name}
        for source in [*facts, shipped_models()]:
            row |= {k: v for k, v in source.get(name, {}).items() if k not in row and v not in ("", None)}
        if name in shipped_models():
            recognised.append(name)
        rows.append(row)
    if recognised:
        notes.append(f"known by their names from the models that ship: {', '.join(recognised)}")
    # Columns that nobody knows anything of are left out, other than those that are to be filled in.
    known = [c.name for c in TABLES["models"]]
    used = [c for c in known if c == "model" or c in _FACTS or any(c in r for r in rows)]
    table = pd.DataFrame(rows, columns=used)
    numbers = [c.name for c in TABLES["models"] if c.holds == "number"]
    for number in numbers:
        table[number] = pd.to_numeric(table[number]).astype(float)
    texts = [c for c in used if c not in numbers]
    return table.assign(**{c: table[c].astype(object).fillna("").astype("str") for c in texts})


def _scores(tool: str, taken: list[_Taken]) -> pd.DataFrame:
    rows = [
        {"model": t.found.model, "benchmark": t.target.benchmark, "score": float(t.found.score)}
        | {"source": f"{tool}:{t.found.source}"}
        | {c: getattr(t.found, c) for c in _EXTRA}
        for t in taken
    ]
    table = pd.DataFrame(rows, columns=["model", "benchmark", "score", "source", *_EXTRA])
    table["stderr"] = table["stderr"].astype(float)
    empty = [c for c in _EXTRA if (table[c].isna() if c == "stderr" else table[c] == "").all()]
    return table.drop(columns=empty)


def _account(taken: list[_Taken]) -> pd.DataFrame:
    """One row per name of the tool: which benchmark it is, who says so, and how many scores came under it."""
    rows = [(t.target.benchmark, t.found.label, t.by or "new") for t in taken]
    frame = pd.DataFrame(rows, columns=["benchmark", "name", "by"], dtype="str")
    return frame.groupby(["benchmark", "name", "by"], sort=False).size().rename("scores").reset_index()
