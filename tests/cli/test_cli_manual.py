"""The help of every command is readable text, and its examples are command lines that parse."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys

import pytest
from command_lines import COMMANDS, PAGES, parse
from conftest import Run


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_help_names_everything_that_a_command_takes(path: tuple[str, ...], run: Run) -> None:
    code, out, err = run(*path, "--help")
    assert (code, err) == (0, "")
    assert f"Usage: {' '.join(('bayescale', *path))} " in out
    for option in (name for parameter in PAGES[path].params for name in parameter.opts if name.startswith("-")):
        assert option in out
    for command in getattr(PAGES[path], "commands", {}):
        assert command in out


@pytest.mark.parametrize("path", PAGES, ids=" ".join)
def test_the_examples_of_a_page_parse(path: tuple[str, ...], run: Run) -> None:
    _, out, _ = run(*path, "--help")
    examples = re.findall(r"^ +\S (.*\bbayescale .*?) *$", out.partition("Examples:")[2], re.MULTILINE)
    assert examples
    for line in examples:
        words = shlex.split(line.split("|")[0], comments=True)
        words = words[words.index("bayescale") + 1 :]
        assert tuple(words[: len(path)]) == path
        assert parse(words)[0] == 0, parse(words)[1]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_an_unknown_option_is_named(path: tuple[str, ...], run: Run) -> None:
    code, out, err = run(*path, "--nonsense")
    assert (code, out) == (2, "")
    assert "--nonsense" in err


@pytest.mark.parametrize("path", [(), ("data",), ("import",)], ids=" ".join)
def test_no_command_shows_the_help(path: tuple[str, ...], run: Run) -> None:
    _, out, err = run(*path)
    assert run(*path, "--help")[1].strip() in out + err


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_json(path: tuple[str, ...]) -> None:
    options = {name for parameter in PAGES[path].params for name in parameter.opts}
    assert "--json" in options


def test_help_in_a_pipe_is_plain_text_and_the_module_is_the_command() -> None:
    forced = {"GITHUB_ACTIONS", "FORCE_COLOR", "PY_COLORS", "COLUMNS", "TERMINAL_WIDTH"}
    environment = {name: value for name, value in os.environ.items() if name not in forced}
    command = [sys.executable, "-m", "bayescale", "fit", "--help"]
    ran = subprocess.run(command, capture_output=True, text=True, encoding="utf-8", env=environment)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert "Usage: bayescale fit " in ran.stdout
    assert "\x1b" not in ran.stdout
    assert max(map(len, ran.stdout.splitlines())) <= 80
