"""Read files of Epoch AI's Benchmarking Hub: rows of scores, and facts about models.

What files, columns and names mean is kept by hand in ``data/frontier/hub.yaml``.
"""

from __future__ import annotations

import functools
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import NormalDist
from typing import Any

import pandas as pd

from bayescale._files import shipped
from bayescale._yaml import read_yaml
from bayescale.errors import EvalsError
from bayescale.evals.importers.base import shipped_models
from bayescale.evals.tables import number, text

# Parts of hub.yaml.
PARTS = (
    "fewest", "columns", "facts", "left_out", "benchmarks", "corrections", "efforts", "hosts", "makers", "spellings",
    "confidence", "weights", "organizations", "families", "reasoning", "code", "base", "mixtures", "models",
)  # fmt: skip

MOST_SHOWN = 50
_ENDING = re.compile(r"_(?P<word>[a-z]+|\d+[kK])$| \((?P<budget>\d+[kK]) thinking\)$")
# 10^9 parameters, as a name states them: "-7b", "_6.7B", "1_8B", "(280B)".
_SIZE = re.compile(r"(?<![\w.])(\d+(?:[._]\d+)?)[bB](?![a-zA-Z0-9])")
# A version without an ending may think less than one that does not say how much.
_NO_ENDING = 0.1
# Epoch AI, "AI models documentation", section on estimating confidence: values lie within this factor with 90%.
FACTORS = {"confident": 3.0, "likely": 10.0, "speculative": 31.0}


@dataclass
class Export:
    """What has been read so far, and what `hub.yaml` does not know."""

    known: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def reason_left_out(self, file: str) -> str:
        """Return why a file of the hub has no scores; blank if it has, or is unknown."""
        return str(self.known["left_out"].get(file) or self.known["facts"].get(file, {}).get("reason", ""))

    def check(self) -> None:
        """Raise `EvalsError` if anything is unknown."""
        if self.problems:
            shown = [f"  {p}" for p in self.problems[:MOST_SHOWN]]
            more = [f"  ... and {len(self.problems) - MOST_SHOWN} more"] * (len(self.problems) > MOST_SHOWN)
            remedy = "Write what is missing into a copy of data/frontier/hub.yaml, and give it as `facts` (--facts)."
            raise EvalsError("\n".join([f"{len(self.problems)} things are unknown:", *shown, *more, remedy]))


@functools.cache
def known_hub() -> dict[str, Any]:
    """Read what the files, columns and names of the hub mean."""
    return load_facts(shipped("data") / "frontier" / "hub.yaml")


def load_facts(path: Path) -> dict[str, Any]:
    """Read a file in the form of ``data/frontier/hub.yaml``."""
    try:
        known: dict[str, Any] = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise EvalsError(f"Cannot read the facts in {path}: {error}. Begin with a copy of hub.yaml.") from error
    if lacking := [part for part in PARTS if part not in (known or ())]:
        raise EvalsError(f"The facts in {path} lack {', '.join(lacking)}. Begin with a copy of hub.yaml.")
    return known


def read_rows(export: Export, where: str, table: pd.DataFrame) -> None:
    """Read the scores of a file, and the facts about its models."""
    name = Path(where).stem
    for line, row in enumerate(table.to_dict("records"), start=2):
        cells = {str(k): text(v) for k, v in row.items()}
        _read_row(export, name, export.known["benchmarks"].get(name, {}), cells, f"{where} row {line}")


def _read_row(export: Export, name: str, spec: Mapping[str, Any], row: Mapping[str, str], where: str) -> None:
    if not row["Model version"]:
        export.left_out["rows that name no version of a model"] += bool(spec)
        return
    columns = export.known["columns"]
    record = next((row[c] for c in columns["record"] if row.get(c)), "")
    version = export.known["corrections"].get(record, row["Model version"])
    model, host, ending, effort = split_version(export.known, version)
    if ending and effort is None:
        export.problems.append(f"{where}: the ending {ending!r} of {row['Model version']!r}")
    for column in ("Organization", "Release date", "Training compute (FLOP)", "Confidence", "Model accessibility"):
        # The facts of a corrected row are those of the other model.
        if row.get(column) and version == row["Model version"]:
            export.facts[model][column].add(row[column])
    if not spec:
        return
    if not row[spec["score"]]:
        export.left_out["rows without a score"] += 1
        return
    try:
        score = number(row[spec["score"]]) / spec["unit"]
        error = number(row.get(spec.get("stderr", ""), "")) / spec.get("stderr_unit", 1)
    except ValueError as problem:
        export.problems.append(f"{where}: {problem}")
        return
    cited = spec.get("by") or next((row[c] for c in columns["cited"] if row.get(c)), "")
    shots = row.get(spec.get("shots", ""), "").removesuffix("-shot")
    other_metric = next((words for source, words in spec.get("last", {}).items() if source in cited), "")
    settings = [
        other_metric,
        _setting(ending) if effort is not None else "",
        *(f"{w} {row[c]}" for c, w in spec.get("settings", {}).items() if row.get(c)),
    ]
    export.rows.append(
        parsed := {
            "file": name,
            "where": where,
            "order": len(export.rows),
            "model": model,
            "benchmark": spec["benchmark"],
            "score": float(f"{score:.10g}"),
            "stderr": float(f"{error:.6g}"),
            "cited": _line(cited),
            "source": ": ".join(filter(None, [f"epoch-hub:{name}", _line(cited)])),
            "harness": _line(row.get(spec.get("harness", ""), "") or spec.get("run_with", "")),
            "shots": shots,
            "setting": _line(_with_host("; ".join(filter(None, settings)), host)),
            "version": row["Model version"],
            "record": record,
            "note": _line(" ".join(row[c] for c in columns["note"] if row.get(c))),
        }
    )
    preferred = spec.get("prefer", "") in f"{parsed['harness']}; {parsed['setting']}"
    ranked_effort = _NO_ENDING if not ending else effort
    parsed["rank"] = (not other_metric, preferred, _shots_rank(shots, spec.get("standard_shots")), ranked_effort)


def _shots_rank(shots: str, standard: int | None) -> float:
    """Rank a number of examples: the nearest to the standard one, then a vague one, then one that is not stated."""
    if standard is None:
        return 0.0
    if shots.isdigit():
        return -float(abs(int(shots) - standard))
    return -1e6 if shots else -2e6


def split_version(known: Mapping[str, Any], version: str) -> tuple[str, str, str, float | None]:
    """Split a version into the model, its host, the ending on effort, and what the ending is worth.

    An ending that is not known is worth None, and stays a part of the model's name.
    """
    given, spellings = version, known["spellings"]
    host, ending = "", ""
    # What looks like an ending may belong to the name.
    if version not in spellings:
        version, ending = _without_ending(version)
        host = next((h for h in known["hosts"] if re.match(f"{h}[/-]", version)), "")
        front = host or next((m for m in known["makers"] if version.startswith(f"{m}/")), "")
        version = version[len(front) + 1 :] if front else version
    # A spelling may itself end in an effort.
    name, more = _without_ending(spellings.get(version, version))
    ending = ending or more
    if ending[:-1].isdigit():
        return name, host, ending, float(ending[:-1])
    worth = known["efforts"].get(ending)
    return (name if worth is not None or not ending else given), host, ending, worth


def model_and_setting(version: str) -> tuple[str, str]:
    """Return the model of a version, and the effort and the host that the version names."""
    model, host, ending, worth = split_version(known_hub(), version)
    return model, _with_host(_setting(ending) if worth is not None else "", host)


def _with_host(setting: str, host: str) -> str:
    return "; ".join(filter(None, [setting, host and f"served by {host}"]))


def _without_ending(version: str) -> tuple[str, str]:
    match = _ENDING.search(version)
    return (version[: match.start()], match["word"] or match["budget"]) if match else (version, "")


def _setting(ending: str) -> str:
    if ending[:-1].isdigit():
        return f"thinking {ending.upper()}"
    return ending if ending in ("", "thinking") else f"effort {ending}"


def _line(value: str) -> str:
    return " ".join(value.split())


# Models


def model_facts(export: Export, model: str) -> dict[str, Any]:
    """Return the columns of a model, from its rows and by its name; a blank where a fact is not known."""
    known, hub = export.known, export.facts[model]
    own = known["models"].get(model, {})
    size = None if _fits(known["mixtures"], model) else _SIZE.search(model)
    paper = shipped_models(("",)).get(model, {})
    flops, spread = _compute(export, model, hub)
    return {
        "family": next((f for p, f in known["families"].items() if re.match(p, model)), ""),
        "organization": _one(export, model, own, "organization", hub["Organization"], known["organizations"]),
        "kind": "base" if _fits(known["base"], model) else "instruct",
        "code": _fits(known["code"], model),
        # The first of several dates: the model was there from then on.
        "released": text(own.get("released")) or min(hub["Release date"], default=""),
        "params_b": number(paper.get("params_b") or (size and size[1].replace("_", "."))),
        "tokens_t": number(paper.get("tokens_t")),
        "flops": flops,
        "flops_log10_sd": spread,
        "reasoning": "true" if _fits(known["reasoning"], model) else "false",
        "weights": _one(export, model, own, "weights", hub["Model accessibility"], known["weights"]),
        "note": text(own.get("note")) or _from_general_knowledge(own),
    }


def _fits(patterns: Iterable[str], model: str) -> bool:
    return any(re.match(p, model) for p in patterns)


def _from_general_knowledge(own: Mapping[str, Any]) -> str:
    return f"from general knowledge: {', '.join(own)}" if own else ""


def _one(export: Export, model: str, own: Mapping[str, Any], fact: str, given: set[str], words: dict[str, str]) -> str:
    """Return the one value of a fact; several, or a word that is unknown, are problems."""
    if fact in own:
        return str(own[fact])
    export.problems += [f"{model}: the {fact} {word!r}" for word in sorted(given) if word not in words]
    values = sorted({words[word] for word in given if word in words})
    if len(values) > 1:
        export.problems.append(f"{model}: which {fact} is right, {' or '.join(values)}")
    return values[0] if values else ""


def _compute(export: Export, model: str, hub: Mapping[str, set[str]]) -> tuple[float, float]:
    levels = hub["Confidence"]
    export.problems += [
        f"{model}: the confidence {level!r}" for level in sorted(levels - set(export.known["confidence"]))
    ]
    # Six digits: the hub has 3.5e24 and 3.4999999999999997e24 for one model.
    figures = {float(f"{number(v):.6g}") for v in hub["Training compute (FLOP)"]}
    if not figures:
        return math.nan, math.nan
    spreads = {log10_sd(level) for level in levels} - {None}
    if len(figures) > 1 or len(spreads) != 1:
        found = ", ".join(f"{f:g}" for f in sorted(figures))
        export.problems.append(f"{model}: its compute ({found}; confidence: {sorted(levels) or 'none'})")
        return figures.pop() if len(figures) == 1 else math.nan, math.nan
    return figures.pop(), round(float(spreads.pop() or 0.0), 4)


def log10_sd(confidence: str) -> float | None:
    """Convert a level of confidence to the standard deviation of log10 compute; None for an unknown level.

    The true value lies within a factor of 3 (confident), 10 (likely) or 31 (speculative) of the stated one with
    probability 0.9 (Epoch AI, AI models documentation, "Estimating confidence"), here as a normal distribution.

    Examples
    --------
    >>> round(log10_sd("Likely"), 3)
    0.608
    """
    factor = FACTORS.get(confidence.strip().lower())
    return None if factor is None else float(math.log10(factor) / NormalDist().inv_cdf(0.95))


def cells_of(rows: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Return the rows of each model and benchmark, the one that counts first."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        cells[row["model"], row["benchmark"]].append(row)
    ordered = []
    for cell in cells.values():
        best = max(row["rank"] for row in cell)
        tied = sorted((row for row in cell if row["rank"] == best), key=lambda row: (row["score"], row["order"]))
        first = tied[(len(tied) - 1) // 2]
        ordered.append([first, *(row for row in cell if row is not first)])
    return ordered
