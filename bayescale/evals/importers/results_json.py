"""Read JSON files of results, one by one, whatever else is in the folder; and bring their layouts to one."""

from __future__ import annotations

import datetime
import json
import math
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeGuard

from bayescale.evals.importers.base import Reading

# What an unforeseen file may raise while it is read; anything else is a bug of the reader.
ODD = (ArithmeticError, AttributeError, LookupError, OSError, RecursionError, TypeError, ValueError)

# Later than any second since 1970 that a run may have: it is in milliseconds.
_MILLISECONDS = 1e11

_HALF = re.compile(r"\\u[dD][89a-fA-F]")

# Subjects of MMLU by the names of version 0.3 and of lighteval; all of them together are MMLU.
_SUBJECTS = ("hendrycksTest-", "mmlu:")
_MMLU_SUBJECTS = 57


def json_files(source: Path) -> list[Path]:
    """List the JSON files in and below a folder, or the file itself."""
    return sorted(source.rglob("*.json")) if source.is_dir() else [source]


def read_json(path: Path) -> Any:
    r"""Read a JSON file; halves of pairs (surrogates), which no table holds, become U+FFFD.

    Examples
    --------
    >>> Path("odd.json").write_text('{"a\\ud800": 1}') > 0, read_json(Path("odd.json"))
    (True, {'a\ufffd': 1})
    """
    # utf-8-sig removes a byte-order mark.
    text = path.read_text(encoding="utf-8-sig")
    content = json.loads(text)
    return _whole(content) if _HALF.search(text) else content


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return value.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    if isinstance(value, dict):
        return {_whole(key): _whole(part) for key, part in value.items()}
    return [_whole(part) for part in value] if isinstance(value, list) else value


def each_document(reading: Reading, source: Path, read: Callable[[Any, str, Path], None]) -> None:
    """Call `read` with content, name and path of every JSON file; what cannot be understood is skipped as a whole."""
    for path in json_files(source):
        where = path.relative_to(source).as_posix() if source.is_dir() else path.name
        try:
            content = read_json(path)
        except (OSError, ValueError, RecursionError) as error:
            reading.skip(where, "the file", f"cannot be read as JSON ({error})", kind="cannot be read as JSON")
            continue
        before = len(reading.parsed), len(reading.skipped)
        try:
            read(content, where, path)
        except ODD as error:
            del reading.parsed[before[0] :], reading.skipped[before[1] :]
            reason = f"cannot be understood as results of {reading.tool}"
            reading.skip(where, "the file", f"{reason} ({type(error).__name__}: {error})", kind=reason)


def skip_other(reading: Reading, where: str, content: Any) -> None:
    """Record a document that has no results of this tool, with the remedy if it is one of a known other tool."""
    reading.skip(where, "the file", f"contains no results of {reading.tool}{other_format(content)}")


def other_format(content: Any) -> str:
    """Return what to do with a document of another tool; blank if it is none that is known."""
    some = content[0] if isinstance(content, list) and content else content
    keys = set(some) if isinstance(some, dict) else set()
    if keys & {"adapter_spec", "scenario_spec"} or {"instance_id", "stats"} <= keys or {"name", "count", "sum"} <= keys:
        return (
            "; it is of HELM: pip install 'every-eval-ever[helm]', run `every_eval_ever convert helm --log_path RUNS "
            "--output_dir records`, and import records with `every-eval-ever`"
        )
    if "evaluation_results" in keys:
        return "; it is a record of Every Eval Ever: import it with `every-eval-ever`"
    if {"eval", "status"} <= keys:
        return "; it is a log of Inspect: import it with `inspect`"
    return "; it is a result of a harness: import it with `lm-eval` or `lighteval`" if "results" in keys else ""


def part(content: dict[str, Any], name: str) -> dict[str, Any]:
    """Return a part of a document that should be a dict; an empty one if it is something else."""
    found = content.get(name)
    return found if isinstance(found, dict) else {}


def is_number(value: Any) -> TypeGuard[float]:
    """Return whether a value of JSON is a number."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def iso_date(value: Any) -> str:
    """Convert seconds or milliseconds since 1970 to a date that sorts; blank if it is something else."""
    if not is_number(value):
        return ""
    try:
        seconds = value / 1000 if value > _MILLISECONDS else value
        return datetime.datetime.fromtimestamp(seconds, datetime.UTC).isoformat()
    except (OSError, OverflowError, ValueError):  # beyond the calendar
        return ""


def date_in_name(where: str) -> str:
    """Return the time that a file has in its name, as version 0.4 writes it; blank if there is none."""
    return where.rpartition("_")[2].removesuffix(".json") if "_20" in where else ""


def model_in_path(path: Path) -> str:
    """Return the model that a file is named after, or else its folder: the harness writes ``maker__model``."""
    own = path.stem if not path.stem.startswith(("results", "result_")) else path.parent.name
    stem, _, when = own.rpartition("_20")
    return (stem if stem and when[:2].isdigit() else own).replace("__", "/")


def runs_of(run: dict[str, Any]) -> list[dict[str, Any]]:
    """Bring a result of lighteval, or of the first Open LLM Leaderboard, to the layout of the harness.

    Their tasks are called ``suite|task|examples`` or ``suite|task|examples|truncated``, and ``all`` is an average. One
    file may have a task in several suites or with several prompts: each suite and prompt becomes a run.
    """
    general = part(run, "config_general")
    keys = {k: k.split("|") for k in run["results"] if k != "all"}
    if not general and not any(len(parts) >= 3 for parts in keys.values()):
        return [run]
    model = part(general, "model_config")
    config = {"limit": general.get("max_samples"), "model_revision": model.get("revision")}
    about = {
        "model_name": general.get("model_name") or model.get("model_name") or run.get("model_name"),
        "config": config if general else run.get("config"),
    }
    runs: dict[tuple[str, str], dict[str, Any]] = {}
    for key, parts in keys.items():
        suite, task, shots = (
            (parts[0], parts[1], parts[2] if len(parts) > 2 else "") if len(parts) > 1 else ("", key, "")
        )
        empty: dict[str, Any] = {"results": {}, "n-shot": {}, "versions": {}}
        own = runs.setdefault((suite, shots), run | about | empty)
        own["results"][task] = run["results"][key]
        own["versions"][task] = part(run, "versions").get(key)
        if shots:
            own["n-shot"][task] = shots
    return list(runs.values())


def with_wholes(run: dict[str, Any]) -> dict[str, Any]:
    """Add MMLU where all of its subjects are there: the mean of their accuracies, as the first leaderboard has it."""
    results = dict(run["results"])
    below = dict(part(run, "group_subtasks"))
    shots, versions = dict(part(run, "n-shot")), part(run, "versions")
    for prefix in _SUBJECTS:
        subjects = [t for t in results if t.startswith(prefix) and not t.endswith(":_average")]
        whole = "hendrycksTest" if prefix.startswith("h") else "mmlu:_average"
        if whole in results:
            below[whole] = subjects
        found = [part(results, t) for t in subjects]
        scores, errors = (
            [value for r in found if is_number(value := r.get(key, r.get(f"{key},none")))]
            for key in ("acc", "acc_stderr")
        )
        if whole in results or not len(subjects) == len(scores) == _MMLU_SUBJECTS:
            continue
        results[whole] = {"acc": sum(scores) / len(scores)}
        if len(errors) == len(scores):
            results[whole]["acc_stderr"] = math.sqrt(sum(e**2 for e in errors)) / len(errors)
        below[whole] = subjects
        shots[whole] = shots.get(subjects[0])
    return run | {"results": results, "group_subtasks": below, "n-shot": shots, "versions": versions}


def part_of(task: str) -> str:
    """Return the benchmark that ships of which a task is a part, by its name; blank if none."""
    return "MMLU" if task.startswith(_SUBJECTS) else ""


def descendants(group: str, below: dict[str, list[str]]) -> Iterator[str]:
    """Yield the tasks below a group, at any depth, each once."""
    seen = {group}
    waiting = below.get(group, [])[::-1]
    while waiting:
        if (task := waiting.pop()) not in seen:
            seen.add(task)
            yield task
            waiting += below.get(task, [])[::-1]
