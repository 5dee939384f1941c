"""Values for shell completion: built-in names, and names from the posterior on the command line.

Typer offers those that begin with what the user typed. A shell waits for every one of these functions, so nothing here
loads the library: names are read from the files themselves.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from bayescale._files import shipped


def specs() -> list[tuple[str, str]]:
    """Return the built-in specs with their titles.

    Examples
    --------
    >>> "default" in dict(specs())
    True
    """
    return [(file.stem, _yaml(file)["title"]) for file in sorted(shipped("models").glob("*.yaml"))]


def evals() -> list[str]:
    """Return the names of the built-in data sets."""
    return list(_yaml(shipped("data") / "sets.yaml"))


def tasks() -> list[str]:
    """Return the groups of built-in backtest tasks."""
    return list(dict.fromkeys(entry["group"] for entry in _yaml(shipped("data") / "tasks.yaml")["groups"]))


def mappings() -> list[str]:
    """Return the built-in mappings of an importer's names."""
    return sorted(file.stem for file in (shipped("data") / "mappings").glob("*.yaml"))


def families(ctx: typer.Context) -> list[str]:
    """Return the families of the posterior on the command line."""
    return list(dict.fromkeys(_column(ctx, "models", "family")))


def benchmarks(ctx: typer.Context) -> list[str]:
    """Return the benchmarks of the posterior on the command line."""
    return _column(ctx, "benchmarks", "benchmark")


def _yaml(file: Path) -> Any:
    import yaml

    return yaml.safe_load(file.read_text(encoding="utf-8"))


def _column(ctx: typer.Context, table: str, column: str) -> list[str]:
    """Return a column of the data in a posterior's file; an empty list if there is no such file yet."""
    # The option that is being completed has no value yet, and parsing stops there: earlier words are in `args`.
    words = [str(word) for word in (ctx.params.get("posterior"), *ctx.args) if word]
    file = next((word for word in words if Path(word).is_file()), "")
    try:
        import h5py  # type: ignore[import-untyped]

        with h5py.File(file) as opened:
            return list(json.loads(opened.attrs["bayescale_evals"])[table][column])
    except (OSError, KeyError, ValueError):
        return []
