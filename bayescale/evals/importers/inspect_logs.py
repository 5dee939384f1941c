"""Read logs of Inspect (`inspect_ai`) with its own data-frame reader."""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import MissingDependencyError
from bayescale.evals.importers.base import SPREADS, Names, ParsedScore, Reading
from bayescale.evals.importers.results_json import json_files, other_format, read_json
from bayescale.evals.tables import number, text

TOOL = "inspect"

# Metrics that are means over all samples: `all` is what grouped metrics add for the whole.
_MEANS = ("accuracy", "mean", "all")

# Inspect lists only JSON files whose names begin with a time.
_LISTED = re.compile(r"\d{4}-\d{2}-\d{2}T\d{2}[-:]\d{2}")


def read_inspect(source: Path, names: Names) -> Reading:
    """Read the logs in and below a folder, or one log."""
    try:
        from inspect_ai.analysis import evals_df
        from inspect_ai.log import list_eval_logs
    except ImportError as error:
        raise MissingDependencyError(
            "Reading logs of Inspect needs inspect_ai, whose own reader does it: pip install 'bayescale[inspect]'"
        ) from error
    listed = sorted(log.name for log in list_eval_logs(str(source))) if source.is_dir() else [str(source)]
    unlisted, skipped = unlisted_logs(source)
    listed = [place for place in listed if Path(place.removeprefix("file://")).resolve() not in unlisted]
    frames = []
    with tempfile.TemporaryDirectory() as folder:
        renamed = {
            shutil.copy(path, Path(folder) / f"2000-01-01T00-00-00+00-00_{i}_log.json"): path
            for i, path in enumerate(unlisted)
        }
        for place in [*listed, *map(str, renamed)]:
            own = str(renamed.get(Path(place), place))
            # One by one: a damaged log would make the reader give up on all of them.
            try:
                frame, errors = evals_df(place, strict=False, quiet=True)
            except Exception as error:
                skipped.append((own, f"Inspect cannot read it: {error}"))
            else:
                frames.append(frame.assign(log=own) if own != place else frame)
                skipped += [(own, f"Inspect cannot read its {e.column}: {e.error}") for e in errors]
    reading = read_frame(pd.concat(frames, ignore_index=True), source) if frames else Reading(TOOL)
    reading.looked_for = ".eval, .json"
    for place, reason in skipped:
        reading.skip(_relative(place, source), "the log", reason, kind=re.split("[:;]", reason)[0])
    return reading


def unlisted_logs(source: Path) -> tuple[list[Path], list[tuple[str, str]]]:
    """Find the JSON logs that Inspect does not list because of their names, and the JSON files that are no logs."""
    logs, others = [], []
    for path in json_files(source):
        if path.suffix != ".json" or _LISTED.match(path.name):
            continue
        try:
            content = read_json(path)
        except (OSError, ValueError, RecursionError):
            content = None
        if isinstance(content, dict) and isinstance(content.get("eval"), dict):
            logs.append(path.resolve())
        else:
            others.append((str(path.resolve()), f"is no log of Inspect{other_format(content)}"))
    return logs, others


def read_frame(table: pd.DataFrame, source: Path) -> Reading:
    """Read the data frame of `inspect_ai.analysis.evals_df`: one row per log."""
    reading = Reading(TOOL)
    for row in table.to_dict("records"):
        where, model, task = _relative(text(row.get("log")), source), text(row["model"]), text(row["task_name"])
        if row["status"] != "success":
            reading.skip(where, task, f"the run did not succeed: its status is {row['status']!r}", model)
            continue
        scores = _scores(row)
        if not scores:
            reading.skip(where, task, "the log contains no metric that could be a score", model)
        for metric, (score, stderr, reason) in scores.items():
            reading.parsed.append(
                ParsedScore(
                    model.rstrip("/"), task, score, where, metric=metric, stderr=stderr, items=_items(row),
                    version=text(row.get("task_version")), date=text(row.get("created")), limited=_limited(row),
                    shots=_shots(row, task), harness="Inspect", column=f"{task} {metric}", by_name_only=reason,
                )
            )  # fmt: skip
    return reading


def _scores(row: Mapping[Any, Any]) -> dict[str, tuple[float, float, str]]:
    """Return score, standard error and what speaks against it, by ``metric,scorer``.

    The headline of Inspect is a scorer's first metric, whatever it is. A mean over all samples counts as the score; a
    metric of one's own does if it is the only one of its scorer that is no spread.
    """
    scorer, headline = text(row.get("score_headline_name")), text(row.get("score_headline_metric"))
    value, error = number(row.get("score_headline_value")), number(row.get("score_headline_stderr"))
    own = _metrics_of(row, scorer)
    if headline and not math.isnan(value):
        own = {headline: value} | own
    own = {metric: v for metric, v in own.items() if metric not in SPREADS}
    means = [m for m in (headline, *_MEANS) if m in _MEANS and m in own]
    reason = f"its metrics are {', '.join(own)}, and none is known to be the mean over all samples"
    scores = {}
    for metric in dict.fromkeys([*means, *own]):
        against = "" if means or len(own) == 1 else reason
        name = f"{metric},{scorer}".rstrip(",")
        # A group and the spread of the scorer beside it are no pair.
        scores[name] = (own[metric], error if metric in means or len(own) == 1 else math.nan, against)
        if means:
            break
    for column, cell in row.items():
        other, _, metric = str(column).removeprefix("score_").rpartition("_")
        if not str(column).startswith("score_") or other in ("headline", scorer) or metric not in _MEANS:
            continue
        if not math.isnan(number(cell)):
            scores.setdefault(f"{metric},{other}", (number(cell), number(row.get(f"score_{other}_stderr")), ""))
    return scores


def _metrics_of(row: Mapping[Any, Any], scorer: str) -> dict[str, float]:
    """Return the metrics of a scorer by name."""
    prefix = f"score_{scorer}_"
    found = {}
    for column, cell in row.items():
        metric = str(column).removeprefix(prefix)
        # A column of another scorer whose name begins like this one's is no metric of it, and never a number here.
        if scorer and str(column).startswith(prefix) and not isinstance(cell, str) and not math.isnan(number(cell)):
            found[metric] = number(cell)
    return found


def _items(row: Mapping[Any, Any]) -> float:
    """Return the number of questions: each may be asked in several epochs."""
    epochs = number(row.get("epochs"))
    samples = number(row.get("completed_samples"))
    return samples / epochs if epochs > 1 else samples


def _shots(row: Mapping[Any, Any], task: str) -> str:
    """Return the number of solved examples that the task's name or its argument says; blank if neither does."""
    named = re.search(r"_(\d+)_shot", task)
    given = text(row.get("task_arg_fewshot")).removesuffix(".0")
    return given if given.isdigit() else named[1] if named else ""


def _limited(row: Mapping[Any, Any]) -> str:
    """Describe how many of the data set's samples were scored, if not all."""
    # The data set of a log has the samples that were chosen; what was left out of those shows here.
    items, chosen = _items(row), number(row.get("dataset_samples"))
    limit = text(row.get("limit"))
    if limit:
        return f"{items:g} samples"
    return f"{items:g} of {chosen:g} samples" if items < chosen else ""


def _relative(log: str, source: Path) -> str:
    path, root = Path(log.removeprefix("file://")), source.resolve()
    return path.relative_to(root).as_posix() if source.is_dir() and path.is_relative_to(root) else path.name
