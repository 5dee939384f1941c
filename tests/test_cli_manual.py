"""The manual: every page fits a terminal, is whole, and shows commands that are understood."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from conftest import Run

from bayescale.cli.commands import app


def pages(command: Any = None, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command with the words that call it, groups among them."""
    command = command or typer.main.get_command(app)
    yield path, command
    for name, below in getattr(command, "commands", {}).items():
        yield from pages(below, (*path, name))


PAGES = dict(pages())
COMMANDS = [path for path, command in PAGES.items() if not hasattr(command, "commands")]


def examples(text: str) -> list[list[str]]:
    """Commands below `Examples:`, as a shell would read them."""
    lines = text.partition("Examples:\n")[2].replace("\\\n", " ")
    return [shlex.split(line.split("|")[0], comments=True) for line in lines.splitlines() if line.strip()]


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_a_page_fits_a_terminal(path: tuple[str, ...], run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, err = run(*path, "--help")
    assert (code, err) == (0, "")
    assert out.startswith(f"Usage: {' '.join(('bayescale', *path))} ")
    assert max(map(len, out.splitlines())) <= 80
    # Nothing is cut, and Python's types and ranges are no business of a reader's.
    assert "..." not in out.replace("[ARGS]...", "").replace("[SPEC]...", "")
    assert not re.search(r"<(str|path|int|float)|x[<>]=| \[\]|[^[]\]\]", out)


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_the_examples_of_a_page_are_understood(path: tuple[str, ...], run: Run) -> None:
    _, out, _ = run(*path, "--help")
    shown = examples(out)
    assert shown
    for words in shown:
        words = words[words.index("bayescale") :]
        assert tuple(words[1 : 1 + len(path)]) == path
        called = max((p for p in PAGES if tuple(words[1 : 1 + len(p)]) == p), key=len)
        # An unknown option or a missing one ends this with an error.
        with PAGES[called].make_context("bayescale", words[1 + len(called) :]):
            pass


def test_the_first_page_lists_every_command_whole(run: Run) -> None:
    _, out, _ = run("--help")
    for (name, *below), command in ((path, command) for path, command in PAGES.items() if path):
        if not below:
            summary = " ".join(command.help.split("\n\n")[0].split())
            assert re.search(rf"^  {name} +{re.escape(summary)}$", out, re.MULTILINE)


def test_commands_stand_in_the_order_of_a_session(run: Run) -> None:
    _, out, _ = run("--help")
    places = [out.index(f"\n  {name} ") for name in ("data", "fit", "check", "forecast", "backtest")]
    assert places == sorted(places)
    assert out.index("Forecast, and share it:") < places[3]


@pytest.mark.parametrize("path", [(), ("data",), ("import",)], ids=" ".join)
def test_no_command_shows_the_help(path: tuple[str, ...], run: Run) -> None:
    assert run(*path)[:2] == run(*path, "--help")[:2]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_json(path: tuple[str, ...]) -> None:
    options = {name for parameter in PAGES[path].params for name in parameter.opts}
    assert "--json" in options


def test_the_module_is_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    ran = subprocess.run([sys.executable, "-m", "bayescale", "fit", "--help"], capture_output=True, text=True)
    assert (ran.returncode, ran.stdout, ran.stderr) == run("fit", "--help")
