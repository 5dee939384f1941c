"""Read the results of EleutherAI's lm-evaluation-harness: JSON files, one per run, alone or in a folder per model.

A run has ``results`` (task -> ``metric,filter`` -> value, with ``metric_stderr,filter`` beside it),
``group_subtasks``, ``n-shot``, ``versions``, ``n-samples``, ``higher_is_better``, ``config`` and ``model_name``. Files
of version 0.3 have no filters, no groups and no model name. Results of lighteval and of the first Open LLM Leaderboard
have other names of tasks, and are read here too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bayescale.evals.importers.base import (
    SAME_ITEMS,
    Names,
    ParsedScore,
    Reading,
    shipped_benchmarks,
    shipped_models,
)
from bayescale.evals.importers.results_json import (
    date_in_name,
    descendants,
    each_document,
    is_number,
    iso_date,
    model_in_path,
    part,
    part_of,
    runs_of,
    skip_other,
    with_wholes,
)

TOOL = "lm-eval"
LIGHTEVAL = "lighteval"

# Accuracy normalised by the length of the answers is what leaderboards report where there are both.
METRICS = ("acc_norm", "acc", "exact_match")
FILTERS = ("none", "", "flexible-extract")

_ABOUT = {"alias", "name", "sample_len", "sample_count", "samples"}

# Arguments of a model that make it another one, or that change its precision.
_VARIANTS = ("load_in_8bit", "load_in_4bit", "peft", "delta", "autogptq", "gptqmodel", "gguf_file", "quantization")
_QUANTISED = ("load_in_8bit", "load_in_4bit", "autogptq", "gptqmodel", "gguf_file", "quantization")


def read_lm_eval(source: Path, names: Names, subtasks: bool = False, model_from_path: bool = False) -> Reading:
    """Read every result file in and below a folder, or one file.

    A group with a score of its own, such as ``mmlu``, is taken instead of its subtasks. Subtasks are taken if the group
    has no score, if they match benchmarks by name and the group does not, or with `subtasks`. With `model_from_path`,
    the file or its folder is named after the model where the file names none.
    """
    reading = Reading(names.tool, looked_for=".json")

    def read(run: Any, where: str, path: Path) -> None:
        runs = runs_of(run) if isinstance(run, dict) and isinstance(run.get("results"), dict) else []
        if not runs:
            skip_other(reading, where, run)
        for one in runs:
            read_run(with_wholes(one), where, path)

    def read_run(run: dict[str, Any], where: str, path: Path) -> None:
        model = _model(run) or (model_in_path(path) if model_from_path else "")
        if not model:
            reason = "names no model: neither model_name nor config.model_args"
            remedy = "if the file or its folder is named after it, use model_from_path (--model-from-path)"
            reading.skip(where, "the file", f"{reason}; {remedy}")
            return
        revision = _revision(run)
        _read_run(reading, names, run, f"{model}@{revision}" if revision else model, where, subtasks)

    each_document(reading, source, read)
    return reading


def _read_run(reading: Reading, names: Names, run: dict[str, Any], model: str, where: str, subtasks: bool) -> None:
    results: dict[str, dict[str, Any]] = {t: r for t, r in run["results"].items() if isinstance(r, dict)}
    below = {
        g: [t for t in ts if t in results] for g, ts in part(run, "group_subtasks").items() if isinstance(ts, list)
    }
    parts = {task: list(dict.fromkeys(descendants(task, below))) for task in results}
    scores = {task: list(_metrics(reading, run, task, model, where)) for task in results}
    for group, tasks in parts.items():
        if tasks and not scores[group]:
            scores[group] = _pooled(reading, names, group, [t for t in tasks if scores[t] and not parts[t]], scores)
    if not any(scores.values()):
        reading.skip(where, "the file", "has no metric that could be a score", model)
    _learn_size(reading, run, model)
    matched = {task for task, metrics in scores.items() if any(names.match(*f.names) for f in metrics)}
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
            reason = f"part of {groups[-1]}, which is imported; `subtasks` imports the parts"
            reading.skip(where, task, reason, model)
        elif metrics:
            reading.skip(where, task, "a group whose parts are imported", model)


def _pooled(
    reading: Reading, names: Names, group: str, tasks: list[str], scores: dict[str, list[ParsedScore]]
) -> list[ParsedScore]:
    """Compute the score of a group that has none: the mean over all items, if the parts are those of the benchmark.

    Harnesses between summer 2024 and April 2025 wrote groups of the second leaderboard without a score.
    """
    for metric in (*METRICS, ""):
        match = names.match(f"{group}/{metric}") if metric else None
        found = [next((p for p in scores[t] if p.metric == metric), None) for t in tasks]
        if match is None or match.evidence == "mapping" or not found or None in found:
            continue
        pooled = [p for p in found if p]
        items = sum(p.items for p in pooled)
        shipped_items = float(shipped_benchmarks().get(match.target.benchmark, {}).get("items") or "nan")
        if math.isclose(items, shipped_items, rel_tol=SAME_ITEMS) and not any(p.limited for p in pooled):
            first = pooled[0]
            mean = sum(p.score * p.items for p in pooled) / items
            error = math.sqrt(sum((p.stderr * p.items / items) ** 2 for p in pooled))
            reading.note(f"{group} has no score of its own: it is the mean over all items of its {len(pooled)} parts")
            return [
                ParsedScore(
                    first.model, group, mean, first.source, metric=metric, stderr=error, items=items,
                    shots=first.shots, version=first.version, date=first.date, harness=first.harness,
                    setting=first.setting,
                )
            ]  # fmt: skip
    if tasks:
        reading.note(f"{group} has no score of its own; its parts are imported, as benchmarks of their own")
    return []


def _metrics(reading: Reading, run: dict[str, Any], task: str, model: str, where: str) -> Iterator[ParsedScore]:
    """Yield the metrics of a task that may be scores, the preferred one first."""
    result = run["results"][task]
    higher = part(part(run, "higher_is_better"), task)
    scores = []
    for key, value in result.items():
        metric, _, answers = key.partition(",")
        if key in _ABOUT or metric.endswith("_stderr") or not metric.strip():
            continue
        if not is_number(value):
            if value not in ("", " ", "N/A", None):
                reading.skip(where, f"{task} {key}", "not a number", model)
        elif higher.get(metric) is False:
            reading.skip(where, f"{task} {key}", "lower is better, so it is no share of the best possible score", model)
        else:
            unclear = metric not in METRICS and higher.get(metric) is None
            stderr = result.get(f"{metric}_stderr,{answers}" if answers else f"{metric}_stderr")
            scores.append(
                ParsedScore(
                    model, task, float(value), where,
                    metric=metric if answers in ("", "none") else f"{metric},{answers}",
                    stderr=float(stderr) if is_number(stderr) else math.nan,
                    items=_samples(run, task, key),
                    shots=_shots(run, task),
                    version=_text(part(run, "versions").get(task)),
                    date=iso_date(run.get("date")) or date_in_name(where),
                    harness=reading.tool,
                    setting=_setting(run),
                    limited=_limited(run, task),
                    # Accuracies are shares by definition; other metrics are in percent in some versions.
                    column=f"{where}: {task} {key}" if metric in METRICS else "",
                    by_name_only="the file does not say whether higher is better" if unclear else "",
                    part_of=part_of(task),
                )
            )  # fmt: skip
    yield from sorted(scores, key=_preference)


def _preference(f: ParsedScore) -> tuple[bool, int, int]:
    metric, _, answers = f.metric.partition(",")
    # Leaderboards report the plain accuracy of MMLU.
    metrics = ("acc", *METRICS) if f.part_of else METRICS
    return bool(f.by_name_only), [*metrics, metric].index(metric), [*FILTERS, answers].index(answers)


def _samples(run: dict[str, Any], task: str, key: str) -> float:
    counted = part(run, "n-samples").get(task)
    if isinstance(counted, dict):
        counted = counted.get("effective")
    if counted is None:
        counted = part(part(run["results"], task), "sample_count").get(key)
    return float(counted) if is_number(counted) else math.nan


def _shots(run: dict[str, Any], task: str) -> str:
    """Return the number of solved examples; that of a group is the one of all its parts."""
    shots = part(run, "n-shot")
    if task in shots:
        return _text(shots[task])
    below = {g: ts for g, ts in part(run, "group_subtasks").items() if isinstance(ts, list)}
    of_parts = {_text(shots[t]) for t in descendants(task, below) if t in shots and t not in below}
    return of_parts.pop() if len(of_parts) == 1 else _text(part(run, "config").get("num_fewshot"))


def _limited(run: dict[str, Any], task: str) -> str:
    """Describe how many samples were scored, if not all; blank for a full run."""
    counts = part(part(run, "n-samples"), task)
    effective, original = counts.get("effective"), counts.get("original")
    if is_number(effective) and is_number(original):
        return f"{effective:g} of {original:g} samples" if effective < original else ""
    limit = part(run, "config").get("limit")
    if not is_number(limit) or limit <= 0:
        return ""
    return f"{limit:g} samples" if limit >= 1 else f"{limit:g} of the samples"


def _arguments(run: dict[str, Any]) -> dict[str, Any]:
    arguments = part(run, "config").get("model_args")
    if isinstance(arguments, list):
        arguments = ",".join(map(str, arguments))
    if isinstance(arguments, str):
        arguments = dict(a.strip().partition("=")[::2] for a in arguments.split(","))
    return arguments if isinstance(arguments, dict) else {}


def _model(run: dict[str, Any]) -> str:
    given = run.get("model_name")
    if not isinstance(given, str) or not given:
        arguments = _arguments(run)
        named = ("peft", "delta", "pretrained", "model", "path", "engine")
        given = next((str(arguments[k]) for k in named if arguments.get(k)), "")
    return given.strip().rstrip("/")


def _revision(run: dict[str, Any]) -> str:
    """Return the revision of the weights, such as a checkpoint; blank for the main one."""
    revision = _arguments(run).get("revision") or part(run, "config").get("model_revision")
    return "" if revision in (None, "", "main", "None") else str(revision)


def _setting(run: dict[str, Any]) -> str:
    """Describe what makes the run particular: quantisation, adapters, a chat template, a system prompt."""
    arguments = _arguments(run)
    words = [f"{k}={arguments[k]}" for k in _VARIANTS if str(arguments.get(k, "")) not in ("", "False", "None")]
    words += ["with a chat template"] if run.get("chat_template_sha") or run.get("chat_template") else []
    words += ["with a system prompt"] if run.get("system_instruction_sha") or run.get("system_instruction") else []
    return ", ".join(words)


def _learn_size(reading: Reading, run: dict[str, Any], model: str) -> None:
    size = part(run, "config").get("model_num_parameters")
    quantised = any(word in _setting(run) for word in _QUANTISED)
    # The shipped table has the sizes of its models as their makers state them.
    if is_number(size) and size > 0 and not quantised and model not in shipped_models():
        reading.learn(model, "params_b", float(f"{size / 1e9:.3g}"))


def _text(value: Any) -> str:
    return "" if value is None else f"{value:g}" if isinstance(value, float) else str(value)
