"""Read the results of EleutherAI's lm-evaluation-harness: JSON files, one per run, alone or in a folder per model.

A run has ``results`` (task -> ``metric,filter`` -> value, with ``metric_stderr,filter`` beside it),
``group_subtasks``, ``n-shot``, ``versions``, ``n-samples``, ``higher_is_better``, ``config`` and ``model_name``. Files
of version 0.3 have no filters, no groups and no model name.
"""

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayescale.evals.importers.base import Names, ParsedScore, Reading

TOOL = "lm-eval"

# Accuracy normalised by the length of the answers is what leaderboards report where there are both.
METRICS = ("acc_norm", "acc", "exact_match")
FILTERS = ("none", "", "flexible-extract")

_ABOUT = {"alias", "name", "sample_len", "sample_count", "samples"}


def read_lm_eval(source: Path, names: Names, subtasks: bool = False) -> Reading:
    """Read every result file in and below a folder, or one file.

    A group with a score of its own, such as ``mmlu``, is taken instead of its subtasks. Subtasks are taken if the group
    has no score, if they match benchmarks by name and the group does not, or with `subtasks`.
    """
    reading = Reading(TOOL)
    files = sorted(source.rglob("*.json")) if source.is_dir() else [source]
    for path in files:
        where = path.relative_to(source).as_posix() if source.is_dir() else path.name
        try:
            run = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            reading.skip(where, "the file", f"cannot be read as JSON ({error})")
            continue
        if not isinstance(run, dict) or not isinstance(run.get("results"), dict):
            reading.skip(where, "the file", "contains no results of lm-evaluation-harness")
            continue
        model = _model(run)
        if not model:
            reading.skip(where, "the file", "names no model: neither model_name nor config.model_args")
            continue
        _read_run(reading, names, run, model, where, subtasks)
    return reading


def _read_run(reading: Reading, names: Names, run: dict[str, Any], model: str, where: str, subtasks: bool) -> None:
    results: dict[str, dict[str, Any]] = {t: r for t, r in run["results"].items() if isinstance(r, dict)}
    scores = {task: list(_metrics(reading, run, task, model, where)) for task in results}
    below = {g: [t for t in ts if t in results] for g, ts in (run.get("group_subtasks") or {}).items()}
    matched = {task for task, metrics in scores.items() if any(names.match(*f.names) for f in metrics)}
    parts = {task: list(_descendants(task, below)) for task in results}
    wanted = [
        task
        for task in results
        if scores[task]
        and not (
            any(scores[p] for p in parts[task]) and (subtasks or (task not in matched and matched & set(parts[task])))
        )
    ]
    for task, metrics in scores.items():
        groups = [g for g in wanted if task in parts[g]]
        if task in wanted and (task in matched or not groups):
            reading.parsed += metrics
        elif task in wanted:
            reading.skip(where, task, f"part of {groups[-1]}, which is imported; `subtasks` imports the parts", model)
        elif metrics:
            reading.skip(where, task, "a group whose parts are imported", model)


def _descendants(group: str, below: dict[str, list[str]]) -> Iterator[str]:
    for task in below.get(group, []):
        if task != group:
            yield task
            yield from _descendants(task, below)


def _metrics(reading: Reading, run: dict[str, Any], task: str, model: str, where: str) -> Iterator[ParsedScore]:
    """Yield the metrics of a task that may be scores, the preferred one first."""
    result = run["results"][task]
    higher = (run.get("higher_is_better") or {}).get(task) or {}
    scores = []
    for key, value in result.items():
        metric, _, answers = key.partition(",")
        if key in _ABOUT or metric.endswith("_stderr"):
            continue
        if not isinstance(value, int | float) or isinstance(value, bool):
            if value not in ("", " ", "N/A"):
                reading.skip(where, f"{task} {key}", "not a number", model)
        elif higher.get(metric) is False:
            reading.skip(where, f"{task} {key}", "lower is better, so it is no share of the best possible score", model)
        elif metric not in METRICS and higher.get(metric) is None:
            reading.skip(where, f"{task} {key}", "the file does not say whether higher is better", model)
        else:
            stderr = result.get(f"{metric}_stderr,{answers}" if answers else f"{metric}_stderr")
            scores.append(
                ParsedScore(
                    model, task, float(value), where,
                    metric=metric if answers in ("", "none") else f"{metric},{answers}",
                    stderr=float(stderr) if isinstance(stderr, int | float) else math.nan,
                    items=_samples(run, task, key),
                    n_shot=_text((run.get("n-shot") or {}).get(task, run.get("config", {}).get("num_fewshot"))),
                    version=_text((run.get("versions") or {}).get(task)),
                    date=_date(run, where),
                )
            )  # fmt: skip
    yield from sorted(scores, key=_preference)


def _preference(f: ParsedScore) -> tuple[int, int]:
    metric, _, answers = f.metric.partition(",")
    return [*METRICS, metric].index(metric), [*FILTERS, answers].index(answers)


def _samples(run: dict[str, Any], task: str, key: str) -> float:
    counted = (run.get("n-samples") or {}).get(task, {}).get("effective")
    if counted is None:
        counted = (run["results"][task].get("sample_count") or {}).get(key)
    return float(counted) if isinstance(counted, int | float) else math.nan


def _model(run: dict[str, Any]) -> str:
    if run.get("model_name"):
        return str(run["model_name"])
    arguments = (run.get("config") or {}).get("model_args") or ""
    if isinstance(arguments, str):
        arguments = dict(part.partition("=")[::2] for part in arguments.split(","))
    return next((str(arguments[k]) for k in ("peft", "pretrained", "model", "path", "engine") if arguments.get(k)), "")


def _date(run: dict[str, Any], where: str) -> str:
    date = run.get("date")
    if isinstance(date, int | float):
        return datetime.datetime.fromtimestamp(date, datetime.UTC).isoformat()
    # Runs carry their time in the name of the file since version 0.4.
    return where.rpartition("_")[2].removesuffix(".json") if "_20" in where else ""


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
