"""Read a whole export of Epoch AI's Benchmarking Hub, and write it as the three tables.

What the figures mean is kept by hand in ``data/frontier/hub.yaml``. The reader stops at what that file does not know,
with one error that lists everything unknown.
"""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale._files import shipped
from bayescale.errors import EvalsError
from bayescale.evals.importers.epoch import log10_sd
from bayescale.evals.tables import TABLES, number, text, write_table

MODEL_COLUMNS = (
    "model", "family", "organization", "kind", "code", "released", "flops", "flops_log10_sd", "reasoning", "weights",
    "note",
)  # fmt: skip
BENCHMARK_COLUMNS = (
    "benchmark", "title", "metric", "items", "floor", "ceiling", "testlet", "suite", "released", "unit", "source",
    "note",
)  # fmt: skip
SCORE_COLUMNS = (
    "model", "benchmark", "score", "stderr", "source", "harness", "shots", "setting", "version", "record", "note",
)  # fmt: skip

# Parts of hub.yaml.
PARTS = (
    "fewest", "columns", "facts", "left_out", "benchmarks", "corrections", "efforts", "hosts", "makers", "spellings",
    "confidence", "weights", "organizations", "families", "reasoning", "code", "base", "models",
)  # fmt: skip

MOST_SHOWN = 50
MOST_NAMES = 10
_ENDING = re.compile(r"_(?P<word>[a-z]+|\d+[kK])$| \((?P<budget>\d+[kK]) thinking\)$")
# A version without an ending may think less than one that does not say how much.
_NO_ENDING = 0.1
_UNITS = {1: "share", 10: "grade of 10", 100: "percent", 5000: "points of 5000"}


@dataclass(frozen=True)
class HubTables:
    """The three tables made from an export, and an account of what was left out and why, in lines."""

    models: pd.DataFrame
    benchmarks: pd.DataFrame
    scores: pd.DataFrame
    account: tuple[str, ...]
    few: tuple[str, ...]
    """Models that were left out because few benchmarks have them."""

    def write(self, folder: Path) -> None:
        """Write the tables as CSV files."""
        folder.mkdir(parents=True, exist_ok=True)
        for name in TABLES:
            write_table(folder, name, getattr(self, name))


@dataclass
class _Export:
    """What has been read so far, and what `hub.yaml` does not know."""

    known: dict[str, Any]
    rows: list[dict[str, Any]] = field(default_factory=list)
    facts: dict[str, dict[str, set[str]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    left_out: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def check(self) -> None:
        if self.problems:
            shown = [f"  {p}" for p in self.problems[:MOST_SHOWN]]
            more = [f"  ... and {len(self.problems) - MOST_SHOWN} more"] * (len(self.problems) > MOST_SHOWN)
            remedy = "Write what is missing into a copy of data/frontier/hub.yaml, and give it as `facts` (--facts)."
            raise EvalsError("\n".join([f"{len(self.problems)} things are unknown:", *shown, *more, remedy]))


def read_hub(folder: str | Path, facts: str | Path | None = None) -> HubTables:
    """Read an export of Epoch AI's Benchmarking Hub: a folder with one CSV file per benchmark.

    Of several rows on one model and benchmark all are kept, and the one that counts comes first: one of the benchmark's
    own metric, then of the harness or setting that the facts prefer, then with the number of examples nearest to the
    standard one (an unstated one last), then with the largest effort; of several that remain, the lower median score.

    Parameters
    ----------
    folder : str or pathlib.Path
        The export, as downloaded from epoch.ai/benchmarks.
    facts : str or pathlib.Path, optional
        A file in the form of ``data/frontier/hub.yaml``, for an export with files, columns or models that it does not
        know. Default: the one that ships.

    Returns
    -------
    HubTables

    Raises
    ------
    EvalsError
        The folder has no CSV files, or there are files, columns, organizations, units or models that the facts do not
        know; the message lists all of them.
    """
    import yaml

    path = shipped("data") / "frontier" / "hub.yaml" if facts is None else Path(facts)
    try:
        export = _Export(yaml.safe_load(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise EvalsError(f"Cannot read the facts in {path}: {error}. Begin with a copy of hub.yaml.") from error
    if lacking := [part for part in PARTS if part not in (export.known or ())]:
        raise EvalsError(f"The facts in {path} lack {', '.join(lacking)}. Begin with a copy of hub.yaml.")
    files = sorted(Path(folder).glob("*.csv"))
    if not files:
        raise EvalsError(f"There are no CSV files in {folder}. Name the folder of an export of epoch.ai/benchmarks.")
    for file in files:
        _read_file(export, file)
    export.check()
    rows = _enough(export)
    models = _models(export, {row["model"] for row in rows})
    export.check()
    few = tuple(sorted({row["model"] for row in export.rows} - {row["model"] for row in rows}))
    return HubTables(models, _benchmarks(export, rows), _scores(rows, models), _account(export, rows, few), few)


# Files


def _read_file(export: _Export, file: Path) -> None:
    known, name = export.known, file.stem
    if reason := known["left_out"].get(name):
        export.left_out[f"{name}: {reason}"] += 1
    try:
        table = pd.read_csv(file, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    except ValueError as error:
        export.problems.append(f"{file.name}: the file cannot be read ({error})")
        return
    usual = {c for columns in known["columns"].values() for c in columns}
    spec = known["benchmarks"].get(name, {})
    if name in known["facts"]:
        export.left_out[f"{name}: {known['facts'][name]['reason']}"] += 1
        usual |= set(known["facts"][name]["columns"])
    elif not spec and not reason:
        export.problems.append(f"{file.name}: the file (its benchmark, column of scores, unit, items and floor)")
        return
    usual |= {spec[k] for k in ("score", "stderr", "harness", "shots") if k in spec}
    usual |= {*spec.get("settings", ()), *spec.get("other", ())}
    needed = {"Model version", *([spec["score"]] if spec else [])}
    if not reason:
        export.problems += [f"{file.name}: the column {c!r}" for c in table.columns if c not in usual]
    export.problems += [f"{file.name}: there is no column {c!r} any more" for c in needed if c not in table]
    if needed <= set(table.columns):
        for line, row in enumerate(table.to_dict("records"), start=2):
            _read_row(export, name, spec, {str(k): text(v) for k, v in row.items()}, f"{file.name} row {line}")
        _check_unit(export, name, spec)


def _read_row(export: _Export, name: str, spec: Mapping[str, Any], row: Mapping[str, str], where: str) -> None:
    if not row["Model version"]:
        export.left_out["rows that name no version of a model"] += bool(spec)
        return
    columns = export.known["columns"]
    record = next((row[c] for c in columns["record"] if row.get(c)), "")
    version = export.known["corrections"].get(record, row["Model version"])
    model, host, ending, effort = _version(export.known, version)
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
    if not 0 <= score <= 1:
        export.problems.append(f"{where}: a score of {row[spec['score']]}, outside the unit {spec['unit']}")
    cited = spec.get("by") or next((row[c] for c in columns["cited"] if row.get(c)), "")
    shots = row.get(spec.get("shots", ""), "").removesuffix("-shot")
    other_metric = next((words for source, words in spec.get("last", {}).items() if source in cited), "")
    settings = [
        other_metric,
        _setting(ending),
        *(f"{w} {row[c]}" for c, w in spec.get("settings", {}).items() if row.get(c)),
    ]
    export.rows.append(
        parsed := {
            "file": name,
            "order": len(export.rows),
            "model": model,
            "benchmark": spec["benchmark"],
            "score": float(f"{score:.10g}"),
            "stderr": float(f"{error:.6g}"),
            "source": _line(f"epoch-hub:{name}" + (f": {cited}" if cited else "")),
            "harness": _line(row.get(spec.get("harness", ""), "") or spec.get("run_with", "")),
            "shots": shots,
            "setting": _line("; ".join(filter(None, [*settings, host and f"served by {host}"]))),
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


def _check_unit(export: _Export, name: str, spec: Mapping[str, Any]) -> None:
    """Stop where a column in percent holds shares: every one of its scores would be a hundredth of what it is."""
    scores = [row["score"] for row in export.rows if row["file"] == name]
    if spec.get("unit", 1) != 1 and scores and max(scores) <= 1 / spec["unit"]:
        export.problems.append(f"{name}.csv: scores of at most {max(scores) * spec['unit']:g} in {spec['unit']}ths")


def _version(known: Mapping[str, Any], version: str) -> tuple[str, str, str, float | None]:
    """Split a version into the model, its host, the ending on effort, and what the ending is worth."""
    spellings = known["spellings"]
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
    return name, host, ending, known["efforts"].get(ending)


def _without_ending(version: str) -> tuple[str, str]:
    match = _ENDING.search(version)
    return (version[: match.start()], match["word"] or match["budget"]) if match else (version, "")


def _setting(ending: str) -> str:
    if ending[:-1].isdigit():
        return f"thinking {ending.upper()}"
    return ending if ending in ("", "thinking") else f"effort {ending}"


def _line(value: str) -> str:
    return " ".join(value.split())


# Tables


def _enough(export: _Export) -> list[dict[str, Any]]:
    """Leave out models with few benchmarks, then benchmarks with few models, until there are none."""
    rows, fewest = export.rows, export.known["fewest"]
    while True:
        cells = {(row["model"], row["benchmark"]) for row in rows}
        models, benchmarks = Counter(m for m, _ in cells), Counter(b for _, b in cells)
        few = {m for m, n in models.items() if n < fewest} | {b for b, n in benchmarks.items() if n < fewest}
        if not few:
            return rows
        rows = [row for row in rows if row["model"] not in few and row["benchmark"] not in few]


def _models(export: _Export, names: Iterable[str]) -> pd.DataFrame:
    known = export.known
    table = []
    for model in sorted(names):
        hub, own = export.facts[model], known["models"].get(model, {})
        row: dict[str, Any] = {
            "model": model,
            "family": next((f for p, f in known["families"].items() if re.match(p, model)), ""),
            "organization": _one(export, model, own, "organization", hub["Organization"], known["organizations"]),
            "kind": "base" if _fits(known["base"], model) else "instruct",
            "code": _fits(known["code"], model),
            # The first of several dates: the model was there from then on.
            "released": text(own.get("released")) or min(hub["Release date"], default=""),
            "reasoning": "true" if _fits(known["reasoning"], model) else "false",
            "weights": _one(export, model, own, "weights", hub["Model accessibility"], known["weights"]),
            "note": text(own.get("note")) or _from_general_knowledge(own),
        }
        row["flops"], row["flops_log10_sd"] = _compute(export, model, hub)
        lacking = [c for c in ("family", "organization", "released", "weights") if not row[c]]
        export.problems += [f"{model}: its {what}" for what in lacking]
        table.append(row)
    lower = Counter(row["model"].lower() for row in table)
    export.problems += [
        f"{m}: under `spellings`, which one of its spellings is meant" for m, n in lower.items() if n > 1
    ]
    frame = pd.DataFrame(table, columns=list(MODEL_COLUMNS))
    return frame.sort_values(["organization", "released", "model"], kind="stable", ignore_index=True)


def _fits(patterns: Iterable[str], model: str) -> bool:
    return any(re.match(p, model) for p in patterns)


def _from_general_knowledge(own: Mapping[str, Any]) -> str:
    return f"from general knowledge: {', '.join(own)}" if own else ""


def _one(export: _Export, model: str, own: Mapping[str, Any], fact: str, given: set[str], words: dict[str, str]) -> str:
    """Return the one value of a fact; several, or a word that is unknown, are problems."""
    if fact in own:
        return str(own[fact])
    export.problems += [f"{model}: the {fact} {word!r}" for word in sorted(given) if word not in words]
    values = sorted({words[word] for word in given if word in words})
    if len(values) > 1:
        export.problems.append(f"{model}: which {fact} is right, {' or '.join(values)}")
    return values[0] if values else ""


def _compute(export: _Export, model: str, hub: Mapping[str, set[str]]) -> tuple[float, float]:
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
        return math.nan, math.nan
    return figures.pop(), round(float(spreads.pop() or 0.0), 4)


def _benchmarks(export: _Export, rows: list[dict[str, Any]]) -> pd.DataFrame:
    used = {row["benchmark"] for row in rows}
    table = [
        {
            "metric": "accuracy" if "items" in spec else "score",
            "items": float(spec.get("items", math.nan)),
            "floor": float(spec["floor"]),
            "ceiling": 1.0,
            "testlet": spec.get("testlet", ""),
            "unit": _UNITS.get(spec["unit"], f"of {spec['unit']}"),
            "source": f"epoch-hub:{name}",
            "note": spec.get("note", ""),
        }
        | {c: str(spec[c]) for c in ("benchmark", "title", "suite", "released")}
        for name, spec in export.known["benchmarks"].items()
        if spec["benchmark"] in used
    ]
    return pd.DataFrame(table, columns=list(BENCHMARK_COLUMNS))


def _scores(rows: list[dict[str, Any]], models: pd.DataFrame) -> pd.DataFrame:
    """Return the rows by model and benchmark; of each cell the one that counts comes first."""
    cells: dict[tuple[str, str], list[dict[str, Any]]] = defaultdict(list)
    for row in rows:
        cells[row["model"], row["benchmark"]].append(row)
    position = {model: i for i, model in enumerate(models["model"])}
    table = []
    for _, cell in sorted(cells.items(), key=lambda item: (position[item[0][0]], item[0][1])):
        chosen = cell[0] if len(cell) == 1 else _chosen(cell)
        table += [chosen, *(row for row in cell if row is not chosen)]
    return pd.DataFrame(table, columns=list(SCORE_COLUMNS))


def _chosen(cell: list[dict[str, Any]]) -> dict[str, Any]:
    best = max(row["rank"] for row in cell)
    tied = sorted((row for row in cell if row["rank"] == best), key=lambda row: (row["score"], row["order"]))
    return tied[(len(tied) - 1) // 2]


def _account(export: _Export, rows: list[dict[str, Any]], few: tuple[str, ...]) -> tuple[str, ...]:
    cells = len({(row["model"], row["benchmark"]) for row in rows})
    lines = [f"{len(rows)} measurements of {cells} cells; where a cell has several, the first counts"]
    lines += [f"left out: {what}" + (f" ({n})" if n > 1 else "") for what, n in sorted(export.left_out.items()) if n]
    if few:
        names = ", ".join(few[:MOST_NAMES]) + (f", and {len(few) - MOST_NAMES} more" if len(few) > MOST_NAMES else "")
        lines.append(f"left out: {len(few)} models with fewer than {export.known['fewest']} benchmarks: {names}")
    return tuple(lines)
