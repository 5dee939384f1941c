"""Choose the scores: whole columns in one unit, one metric of a result, the order of measurements."""

from __future__ import annotations

import dataclasses
import math
from collections import Counter
from typing import NamedTuple

from bayescale.evals.importers.base import (
    NameMapping,
    Names,
    ParsedScore,
    Reading,
    Target,
    shipped_benchmarks,
    shipped_shots,
)
from bayescale.evals.tables import first_names

# Tools whose results are runs with a stated prompt. Tables collect results of several prompts, which a note lists.
RUNS = ("lm-eval", "lighteval", "inspect")

# Tools whose later file repeats a measurement. Tables of two names are two sources.
RERUNS = (*RUNS, "every-eval-ever")

# Rounding, not a unit: a share that was computed may exceed 1 by this much.
_ROUNDING = 1e-9


class Taken(NamedTuple):
    """A parsed score with its benchmark, and the evidence for the match: ``new`` if there is none.

    `like` is the benchmark that ships if this is the same with another prompt, and blank otherwise.
    """

    parsed: ParsedScore
    target: Target
    evidence: str
    like: str = ""


def choose_scores(reading: Reading, names: Names) -> list[Taken]:
    """Choose among what a reader found; everything else is recorded as skipped, with the reason."""
    scores = [_renamed_and_scaled(p, names.mapping) for p in reading.parsed]
    taken = _metrics(reading, names, _in_range(reading, scores))
    chosen = _measurements(reading, _own_prompts(reading, taken))
    _note_prompts(reading, chosen)
    return chosen


def _renamed_and_scaled(p: ParsedScore, mapping: NameMapping) -> ParsedScore:
    scale = next((mapping.scale_of(n) for n in p.names if n in mapping.benchmarks), mapping.scale)
    scale = 100.0 if p.percent else scale
    return dataclasses.replace(
        p, model=mapping.models.get(p.model, p.model), score=p.score / scale, stderr=p.stderr / scale
    )


def _in_range(reading: Reading, scores: list[ParsedScore]) -> list[ParsedScore]:
    """Skip columns with a value that is no share of the best possible score: the other cells have the same unit."""
    columns: dict[str, list[ParsedScore]] = {}
    for p in scores:
        if math.isnan(p.score):
            reading.skip(p.source, p.label, "not a number", p.model)
        else:
            columns.setdefault(p.column or p.label, []).append(p)
    usable: set[int] = set()
    for column in columns.values():
        low, high = min(column, key=lambda p: p.score), max(column, key=lambda p: p.score)
        if low.score >= 0 and high.score <= 1 + _ROUNDING:
            usable |= {id(p) for p in column}
            continue
        worst = high if high.score > 1 + _ROUNDING else low
        reason = "outside [0, 1]"
        reason += "" if len(column) == 1 else f": {worst.score:g} is among them, and one column has one unit"
        if worst is high and high.score <= 100:
            reason += "; if it is a percentage, write `scale: 100` in a mapping"
        else:
            reason += "; no share of the best possible score"
        for p in column:
            reading.skip(p.source, p.label, reason, p.model, kind=f"a column {reason.split(':')[0].split(';')[0]}")
    return [dataclasses.replace(p, score=min(p.score, 1.0)) for p in scores if id(p) in usable]


def _metrics(reading: Reading, names: Names, scores: list[ParsedScore]) -> list[Taken]:
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
        preferred = next((p for p in metrics if not p.by_name_only), metrics[0] if len(metrics) == 1 else None)
        matches = [names.match(*(p.names if p is preferred else p.names[:-1])) for p in metrics]
        chosen = [Taken(p, *m) for p, m in zip(metrics, matches, strict=True) if m]
        if preferred and not chosen and not preferred.by_name_only:
            chosen = [Taken(preferred, Target(benchmark=preferred.task), "new")]
        taken += chosen
        for p, match in zip(metrics, matches, strict=True):
            if match is not None or (chosen and p is chosen[0].parsed):
                continue
            how = f"to take this one, map {p.names[0]!r}"
            if p.by_name_only:
                reading.skip(p.source, p.label, f"{p.by_name_only}; {how}", p.model, kind=p.by_name_only)
            else:
                instead = f"another metric is taken, {chosen[0].parsed.metric}"
                reading.skip(p.source, p.label, f"{instead}; {how}", p.model, kind="another metric is taken")
    return taken


def _own_prompts(reading: Reading, taken: list[Taken]) -> list[Taken]:
    """Keep runs apart from the scores that ship if the prompt has another number of solved examples.

    They become a benchmark of their own in the same testlet, which shares what the two have in common, unless a mapping
    says that they are the same benchmark.
    """
    apart: dict[str, str] = {}
    result = []
    for t in taken:
        name, shots = t.target.benchmark, t.parsed.shots
        usual = shipped_shots().get(name, "")
        if not usual or shots in ("", usual) or t.evidence == "mapping" or reading.tool not in RUNS:
            result.append(t)
        else:
            row = shipped_benchmarks()[name]
            own = Target(
                benchmark=f"{name} {shots}-shot",
                title=f"{row['title'] or name}, {shots}-shot",
                testlet=row["testlet"] or name,
            )
            apart[own.benchmark] = f"{own.benchmark} (ships with {usual})"
            result.append(t._replace(target=own, like=name))
    if apart:
        reading.note(
            "benchmarks of their own, each in the testlet of the one that ships, because their prompt has another "
            f"number of examples (to make them one, map the task): {', '.join(apart.values())}"
        )
    return result


def _note_prompts(reading: Reading, taken: list[Taken]) -> None:
    """Note where scores have another prompt than those that ship under the same name."""
    same: dict[str, set[str]] = {}
    for t in counting_ones(taken):
        usual, shots = shipped_shots().get(t.target.benchmark, ""), t.parsed.shots
        if usual and shots not in ("", usual):
            same.setdefault(t.target.benchmark, set()).add(shots)
    if same:
        found = [
            f"{name} {', '.join(sorted(shots, key=lambda s: (len(s), s)))} (ships with {shipped_shots()[name]})"
            for name, shots in same.items()
        ]
        reading.note(
            "other numbers of examples in the prompt than those of the scores that ship (to keep them apart, map them "
            f"to a name of their own with `testlet: NAME`): {'; '.join(found)}"
        )


def counting_ones(taken: list[Taken]) -> list[Taken]:
    """Return the first measurement of each model on each benchmark, which is the one that counts."""
    first: dict[tuple[str, str], Taken] = {}
    for t in taken:
        first.setdefault((t.parsed.model, t.target.benchmark), t)
    return list(first.values())


def _measurements(reading: Reading, taken: list[Taken]) -> list[Taken]:
    """Order the measurements of each model on each benchmark, so that the first counts.

    A run of all samples counts before a limited one, then the row that the source prefers, the number of solved
    examples that most models have before a rarer one, a run without a particular setting before one with it, then the
    latest, then the first. Others are kept if they state another source, harness, number of examples or setting; a
    limited run is not, where there is a full one.
    """
    models = {(t.target.benchmark, t.parsed.shots, t.parsed.model) for t in taken}
    common = Counter((benchmark, shots) for benchmark, shots, _ in models)

    def rank(t: Taken) -> tuple[bool, bool, int, bool, str]:
        p = t.parsed
        return not p.limited, p.preferred, common[t.target.benchmark, p.shots], not p.setting, p.date

    cells: dict[tuple[str, str], list[Taken]] = {}
    for t in taken:
        cells.setdefault((t.parsed.model, t.target.benchmark), []).append(t)
    kept = [_without_repetitions(reading, sorted(found, key=rank, reverse=True)) for found in cells.values()]
    by_first = {id(ts[0]): ts for ts in kept}
    chosen = [k for t in taken if id(t) in by_first for k in by_first[id(t)]]
    _note_measurements(reading, chosen)
    return chosen


def _without_repetitions(reading: Reading, found: list[Taken]) -> list[Taken]:
    """Return the measurements of one model on one benchmark that say something; the others are recorded as skipped."""
    kept = found[:1]
    for t in found[1:]:
        p, first = t.parsed, found[0].parsed
        same = [k.parsed for k in kept if _repeats(reading, p, k.parsed)]
        if not same and (first.limited or not p.limited):
            kept.append(t)
            continue
        instead = same[0] if same else first
        when = "a later" if instead.date > p.date else "another"
        reason = f"{when} result of this model on {t.target.benchmark} is taken, {instead.score:.4g} from"
        reason += f" {instead.source}, not {p.score:.4g}{_difference(instead, p)}"
        reading.skip(p.source, p.label, reason, p.model, kind="another result of the model is taken")
    return kept


def _note_measurements(reading: Reading, chosen: list[Taken]) -> None:
    """Note which measurements are repeated, and what is particular about those that count."""
    counting = counting_ones(chosen)
    first = {(t.parsed.model, t.target.benchmark): t.parsed for t in counting}
    further = []
    for t in chosen:
        kept = first[t.parsed.model, t.target.benchmark]
        if t.parsed is not kept:
            other = f"{kept.score:.4g} counts, not {t.parsed.score:.4g}{_difference(kept, t.parsed)}"
            further.append(f"{t.parsed.model} on {t.target.benchmark}: {other}")
    if further:
        plural = "s are" if len(further) > 1 else " is"
        reading.note(f"{len(further)} repeated measurement{plural} kept: {first_names(further, separator='; ')}")
    for attribute, what in {"limited": "only some samples were scored", "setting": "settings that differ"}.items():
        told = [
            f"{t.parsed.model} on {t.target.benchmark}: {v}" for t in counting if (v := getattr(t.parsed, attribute))
        ]
        if told and (attribute == "limited" or reading.tool in RUNS):
            reading.note(f"{what}: {', '.join(told)}")


def _repeats(reading: Reading, p: ParsedScore, kept: ParsedScore) -> bool:
    """Return whether a score says no more than one that is kept: measured in the same way, or a copy of it."""
    if _how(p) != _how(kept):
        return False
    return reading.tool in RERUNS or p.source == kept.source or math.isclose(p.score, kept.score, rel_tol=_ROUNDING)


def _how(p: ParsedScore) -> tuple[str, ...]:
    return p.cited, p.harness, p.shots, p.setting, p.limited, p.record


def _difference(kept: ParsedScore, other: ParsedScore) -> str:
    """Describe how two measurements differ, in brackets."""
    differs = []
    if other.shots != kept.shots:
        differs.append(f"{kept.shots or 'unknown'}-shot, this one {other.shots or 'unknown'}-shot")
    for mine, its in zip(_how(other), _how(kept), strict=True):
        if mine != its and (mine, its) != (other.shots, kept.shots):
            differs.append(f"this one {mine}" if mine else f"the one taken {its}")
    return f" ({'; '.join(differs)})" if differs else ""
