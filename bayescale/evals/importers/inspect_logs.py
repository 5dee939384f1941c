"""Read logs of Inspect (`inspect_ai`) with its own data-frame reader."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from bayescale.errors import MissingDependencyError
from bayescale.evals.importers.base import Names, ParsedScore, Reading
from bayescale.evals.tables import number, text

TOOL = "inspect"

# Metrics of a scorer that are means over samples; the headline comes before them.
_MEANS = ("accuracy", "mean")


def read_inspect(source: Path, names: Names) -> Reading:
    """Read the logs in and below a folder, or one log."""
    try:
        from inspect_ai.analysis import evals_df
        from inspect_ai.log import list_eval_logs
    except ImportError as error:
        raise MissingDependencyError(
            "Reading logs of Inspect needs inspect_ai, whose own reader does it: pip install 'bayescale[inspect]'"
        ) from error
    places = sorted(log.name for log in list_eval_logs(str(source))) if source.is_dir() else [str(source)]
    frames, damaged = [], []
    for place in places:
        # One by one: a damaged log would make the reader give up on all of them.
        try:
            frame, errors = evals_df(place, strict=False, quiet=True)
        except Exception as error:
            damaged.append((place, f"Inspect cannot read it: {error}"))
        else:
            frames.append(frame)
            damaged += [(place, f"Inspect cannot read its {e.column}: {e.error}") for e in errors]
    reading = read_frame(pd.concat(frames, ignore_index=True), source) if frames else Reading(TOOL)
    for place, reason in damaged:
        reading.skip(_relative(place, source), "the log", reason)
    return reading


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
            reading.skip(where, task, "the log contains no metric", model)
        for metric, (score, stderr) in scores.items():
            reading.parsed.append(
                ParsedScore(
                    model, task, score, where, metric=metric, stderr=stderr,
                    items=number(row.get("completed_samples")), version=text(row.get("task_version")),
                    date=text(row.get("created")),
                )
            )  # fmt: skip
    return reading


def _scores(row: Mapping[Any, Any]) -> dict[str, tuple[float, float]]:
    """Return score and standard error by ``metric,scorer``: the headline, then the means of other scorers."""
    scores = {}
    headline = number(row.get("score_headline_value"))
    if not math.isnan(headline):
        name = f"{text(row.get('score_headline_metric'))},{text(row.get('score_headline_name'))}"
        scores[name.rstrip(",")] = (headline, number(row.get("score_headline_stderr")))
    for column, value in row.items():
        scorer, _, metric = str(column).removeprefix("score_").rpartition("_")
        if not str(column).startswith("score_") or scorer == "headline" or metric not in _MEANS:
            continue
        if not math.isnan(number(value)):
            scores.setdefault(f"{metric},{scorer}", (number(value), number(row.get(f"score_{scorer}_stderr"))))
    return scores


def _relative(log: str, source: Path) -> str:
    path, root = Path(log.removeprefix("file://")), source.resolve()
    return path.relative_to(root).as_posix() if source.is_dir() and path.is_relative_to(root) else path.name
