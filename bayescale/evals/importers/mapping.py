"""The mapping file: what a tool's names mean, said by whoever knows."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from bayescale._files import shipped
from bayescale.errors import EvalsError, suggest

FOLDER = "mappings"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Target(_Part):
    """What one name of the tool is: a benchmark, and whatever else is known of it.

    Attributes
    ----------
    benchmark : str
        Its name in the tables.
    title, metric, items, floor, ceiling, testlet, suite
        Columns of the benchmarks; what is not given comes from the benchmark of this name that ships, if there is one.
    scale : float, optional
        What its scores are divided by.
    stderr : str, optional
        Of a table: the column with the standard errors of these scores, on the same scale.
    """

    benchmark: Annotated[str, Field(min_length=1)]
    title: str | None = None
    metric: str | None = None
    items: Annotated[int | None, Field(ge=1)] = None
    floor: Annotated[float | None, Field(ge=0, lt=1)] = None
    ceiling: Annotated[float | None, Field(gt=0, le=1)] = None
    testlet: str | None = None
    suite: str | None = None
    scale: Annotated[float | None, Field(gt=0)] = None
    stderr: str | None = None

    @property
    def facts(self) -> dict[str, Any]:
        """The columns of the benchmarks that are given."""
        return self.model_dump(exclude={"benchmark", "scale", "stderr"}, exclude_none=True)


def _target(value: Any) -> Any:
    return {"benchmark": value} if isinstance(value, str) else value


class Mapping(_Part):
    """What the names of a tool or of a table mean.

    Attributes
    ----------
    benchmarks : dict
        By name in the tool (a task, ``task/metric``, ``task/metric,filter``, or a column of a table): the benchmark's
        name, or a `Target` with more about it, or null to leave it out.
    models : dict of str to str
        Other names for models.
    columns : dict of str to str
        Of a table: which column holds what. Keys are ``model``, ``benchmark``, ``score``, ``stderr``, ``confidence``,
        ``date`` and the columns of the models (``family``, ``params_b``, ``flops``, ...).
    values : dict
        Of a table: by column, what its words mean here, such as ``{Type: {pretrained: base}}``.
    where : dict
        Of a table: by column, the values of the rows to take.
    scale : float
        What all scores are divided by: 100 for percentages.

    Examples
    --------
    >>> Mapping(benchmarks={"arc": "ARC-C", "Average": None}, scale=100).benchmarks["arc"].benchmark
    'ARC-C'
    """

    benchmarks: dict[str, Annotated[Target | None, BeforeValidator(_target)]] = {}
    models: dict[str, str] = {}
    columns: dict[str, str] = {}
    values: dict[str, dict[str, str]] = {}
    where: dict[str, list[str]] = {}
    scale: Annotated[float, Field(gt=0)] = 1.0

    def scale_of(self, name: str) -> float:
        """What the scores under a name of the tool are divided by."""
        target = self.benchmarks.get(name)
        return self.scale if target is None or target.scale is None else target.scale


def load_mapping(given: str | Path | AnyMapping[str, Any] | Mapping | None) -> Mapping:
    """Read a mapping: a YAML file, the name of one that ships, or a dict of the same form.

    Raises
    ------
    EvalsError
        There is no such file, it is no YAML, or it says something that a mapping cannot; everything wrong is listed.

    Examples
    --------
    >>> load_mapping("open-llm-leaderboard-2").columns["model"]
    'fullname'
    """
    if given is None:
        return Mapping()
    if isinstance(given, Mapping):
        return given
    what = "the mapping"
    if not isinstance(given, AnyMapping):
        path = _file(given)
        what = f"the mapping {path.name}"
        try:
            given = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
            raise EvalsError(f"Cannot read {what}: {error}") from error
    try:
        return Mapping.model_validate(given)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
        raise EvalsError("\n".join([f"{len(lines)} problem(s) in {what}:", *lines])) from None


def _file(given: str | Path) -> Path:
    if (path := Path(given)).is_file():
        return path
    ships = {p.stem: p for p in (shipped("data") / FOLDER).glob("*.yaml")}
    if str(given) in ships:
        return ships[str(given)]
    if path.suffix or path.parent != Path():
        raise EvalsError(f"There is no mapping file {str(given)!r}.")
    raise EvalsError(f"{suggest(str(given), ships, 'mapping')} Or give a YAML file of your own.")
