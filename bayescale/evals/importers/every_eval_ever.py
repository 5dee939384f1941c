"""Read results in the schema of Every Eval Ever, which leaderboards and other tools are converted to.

A file has ``model_info`` and ``evaluation_results``: an evaluation's name, its ``metric_config`` (direction and range)
and ``score_details``. See https://github.com/evaleval/every_eval_ever, ``eval.schema.json`` of version 0.2.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from bayescale.evals.importers.base import SPREADS, Names, ParsedScore, Reading
from bayescale.evals.importers.results_json import each_document, iso_date, skip_other

TOOL = "every-eval-ever"


class _Part(BaseModel):
    # The schema grows: what is not needed here is not checked.
    model_config = ConfigDict(extra="ignore")


class _StandardError(_Part):
    value: float | None = None


class _Uncertainty(_Part):
    standard_error: _StandardError | float | None = None
    num_samples: float | None = None


class _Score(_Part):
    score: float | None = None
    uncertainty: _Uncertainty | None = None


class _Metric(_Part):
    lower_is_better: bool = False
    score_type: str | None = None
    min_score: float | None = None
    max_score: float | None = None
    metric_name: str | None = None


class _Dataset(_Part):
    dataset_name: str | None = None
    samples_number: float | None = None


class _Library(_Part):
    name: str | None = None


class _Source(_Part):
    source_organization_name: str | None = None
    evaluator_relationship: str | None = None


class _Result(_Part):
    evaluation_name: str
    source_data: _Dataset | None = None
    metric_config: _Metric
    score_details: _Score
    evaluation_timestamp: str | None = None


class _Model(_Part):
    name: str | None = None
    id: str | None = None


class Record(_Part):
    """One file of the schema, as far as it is used here."""

    model_info: _Model
    eval_library: _Library | None = None
    source_metadata: _Source | None = None
    evaluation_results: list[_Result]
    evaluation_timestamp: str | None = None
    retrieved_timestamp: str | None = None


def read_every_eval_ever(source: Path, names: Names) -> Reading:
    """Read every record in and below a folder, or one; scores are brought to shares by the range that it states."""
    reading = Reading(TOOL, looked_for=".json")

    def read(content: Any, where: str, _: Path) -> None:
        if not isinstance(content, dict) or "evaluation_results" not in content:
            skip_other(reading, where, content)
            return
        try:
            record = Record.model_validate(content)
        except ValidationError as error:
            reason = "does not follow the schema of Every Eval Ever"
            first = error.errors()[0]
            place = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
            reading.skip(where, "the file", f"{reason}: {place}", kind=reason)
            return
        _read_record(reading, record, where)

    each_document(reading, source, read)
    return reading


def _read_record(reading: Reading, record: Record, where: str) -> None:
    model = (record.model_info.id or record.model_info.name or "").rstrip("/")
    if not model:
        reading.skip(where, "the file", "names no model")
        return
    harness, cited = _provenance(record)
    for result in record.evaluation_results:
        task, metric, details = _task(result), result.metric_config, result.score_details
        low, high = metric.min_score, metric.max_score
        if metric.lower_is_better:
            reading.skip(where, task, "lower is better, so it is no share of the best possible score", model)
        elif {(metric.metric_name or "").lower(), result.evaluation_name.lower().split(" ")[0]} & set(SPREADS):
            reading.skip(where, task, "a spread of scores, no score", model)
        elif metric.score_type == "levels":
            reading.skip(where, task, "a level, no share of the best possible score", model)
        elif details.score is None or not math.isfinite(details.score):
            reading.skip(where, task, "the score is blank", model)
        elif (low or 0) != 0 or (high is not None and high not in (1, 100)):
            reason = f"its range is {low or 0:g} to {'unknown' if high is None else f'{high:g}'}, so it is no share"
            reading.skip(where, task, f"{reason} of the best possible score", model, kind="no share by its range")
        else:
            error, items = _uncertainty(result)
            stamp = result.evaluation_timestamp or record.evaluation_timestamp or record.retrieved_timestamp
            reading.parsed.append(
                ParsedScore(
                    model, task, details.score, where, metric=metric.metric_name or "", stderr=error, items=items,
                    harness=harness, cited=cited, date=_date(stamp), percent=high == 100,
                )
            )  # fmt: skip


def _provenance(record: Record) -> tuple[str, str]:
    """Return the harness, and who states the scores, with the relationship to the maker of the model."""
    library = (record.eval_library and record.eval_library.name) or ""
    source = record.source_metadata or _Source()
    whose = (source.evaluator_relationship or "").replace("_", " ")
    cited = f"{source.source_organization_name or ''} ({whose})" if whose else source.source_organization_name or ""
    return "" if library == "unknown" else library, cited.strip()


def _task(result: _Result) -> str:
    """Return the name of an evaluation, with its data set where the name says only a part of it."""
    dataset = result.source_data.dataset_name if result.source_data else None
    name = result.evaluation_name
    squeezed = ["".join(filter(str.isalnum, n.lower())) for n in (name, dataset or "")]
    return name if squeezed[1] in squeezed[0] else f"{dataset}: {name}"


def _uncertainty(result: _Result) -> tuple[float, float]:
    given = result.score_details.uncertainty or _Uncertainty()
    error = given.standard_error.value if isinstance(given.standard_error, _StandardError) else given.standard_error
    items = given.num_samples or (result.source_data.samples_number if result.source_data else None)
    return math.nan if error is None else error, math.nan if items is None else items


def _date(stamp: str | None) -> str:
    try:
        return iso_date(float(stamp or ""))
    except ValueError:
        return stamp or ""
