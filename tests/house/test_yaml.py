"""YAML of strangers is read within bounds, wherever it is read."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from bayescale._files import shipped
from bayescale._yaml import read_yaml
from bayescale.errors import EvalsError, EvaluationError
from bayescale.evals.importers.base import load_mapping
from bayescale.evaluation.backtest import load_tasks

BOMB = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "unfolds to far more than its text"),
        ("a: &a [*a]", "unfolds"),
        ("a: &a {b: *a}", "unfolds"),
        ("[" * 30 + "]" * 30, "nested too deep"),
        ("[" * 100_000, "nested too deep"),
        ("x: 2024-99-99", "month must be in 1..12"),
        ("x: \0", "special characters are not allowed"),
        ("x: [", "expected the node content"),
    ],
)
def test_what_is_no_plain_yaml_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        read_yaml(text)


def test_anchors_of_lists_are_read_unless_they_are_not_wanted() -> None:
    text = "{a: &a [1, 2], b: *a}"
    assert read_yaml(text) == {"a": [1, 2], "b": [1, 2]}
    with pytest.raises(ValueError, match="an anchor may stand for a single value only"):
        read_yaml(text, lists_by_anchors=False)


def test_a_bomb_among_tasks_or_in_a_mapping_is_an_error(tmp_path: Path) -> None:
    path = tmp_path / "bomb.yaml"
    path.write_text(BOMB)
    with pytest.raises(EvaluationError, match="unfolds to far more"):
        load_tasks(file=path)
    with pytest.raises(EvalsError, match="unfolds to far more"):
        load_mapping(path)


@pytest.mark.parametrize("folder", ["data", "models"])
def test_all_that_ships_is_read_as_pyyaml_reads_it(folder: str) -> None:
    paths = list(shipped(folder).rglob("*.yaml"))
    assert paths
    for path in paths:
        text = path.read_text("utf-8")
        assert read_yaml(text) == yaml.safe_load(text), path
