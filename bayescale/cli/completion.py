"""What a shell may complete: values that ship, and names out of a posterior that is on the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import typer

# A shell waits for every one of these, so nothing here loads the library: names are read from the files themselves.


def specs(incomplete: str) -> list[tuple[str, str]]:
    """Specs that ship, with their titles.

    Examples
    --------
    >>> [name for name, _ in specs("def")]
    ['default']
    """
    from bayescale._files import shipped

    files = sorted(shipped("models").glob("*.yaml"))
    return [(file.stem, _title(file)) for file in files if file.stem.startswith(incomplete)]


def evals(incomplete: str) -> list[str]:
    """Sets of evals that ship.

    Examples
    --------
    >>> "base-llms" in evals("base")
    True
    """
    return _starting(_yaml("data", "sets.yaml"), incomplete)


def tasks(incomplete: str) -> list[str]:
    """Groups of tasks of a backtest: the last of a list with commas.

    Examples
    --------
    >>> tasks("emergent,lead")
    ['emergent,leaderboard_v2']
    """
    groups = dict.fromkeys(entry["group"] for entry in _yaml("data", "tasks.yaml")["groups"])
    before, comma, last = incomplete.rpartition(",")
    return [f"{before}{comma}{name}" for name in _starting(groups, last)]


def mappings(incomplete: str) -> list[str]:
    """Mappings of names that ship."""
    from bayescale._files import shipped

    return _starting(sorted(file.stem for file in (shipped("data") / "mappings").glob("*.yaml")), incomplete)


def families(ctx: typer.Context, incomplete: str) -> list[str]:
    """Families in the posterior that the command is given."""
    return _starting(dict.fromkeys(_column(ctx, "models", "family")), incomplete)


def benchmarks(ctx: typer.Context, incomplete: str) -> list[str]:
    """Benchmarks in the posterior that the command is given."""
    return _starting(_column(ctx, "benchmarks", "benchmark"), incomplete)


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return [str(name) for name in names if str(name).startswith(incomplete)]


def _yaml(kind: str, name: str) -> Any:
    import yaml

    from bayescale._files import shipped

    return yaml.safe_load((shipped(kind) / name).read_text(encoding="utf-8"))


def _title(file: Path) -> str:
    for line in file.read_text(encoding="utf-8").splitlines():
        if line.startswith("title:"):
            return line.partition(":")[2].strip().strip("'\"")
    return ""


def _column(ctx: typer.Context, table: str, column: str) -> list[str]:
    """One column of the data that a posterior's file keeps; nothing if there is no such file yet."""
    # The option that is being completed has no value yet, at which Click stops: what stood before it is among `args`.
    words = [str(word) for word in (ctx.params.get("posterior"), *ctx.args) if word]
    file = next((word for word in words if Path(word).is_file()), "")
    try:
        import h5py  # type: ignore[import-untyped]

        with h5py.File(file) as opened:
            return list(json.loads(opened.attrs["bayescale_evals"])[table][column])
    except (OSError, KeyError, ValueError):
        return []
