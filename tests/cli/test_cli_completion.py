"""Completion: what a shell offers, asked of the functions and of a real shell."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

import bayescale as bs
from bayescale import Posterior
from bayescale.cli import completion
from bayescale.evaluation.backtest import load_tasks

SECONDS = 120


@pytest.fixture(scope="module")
def saved(posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posterior.save(tmp_path_factory.mktemp("completion") / "posterior.nc")


def test_what_ships_is_offered_with_its_title() -> None:
    assert completion.specs() == [(name, bs.load_spec(name).title) for name in bs.list_specs()]
    assert completion.evals() == bs.list_evals()["name"].tolist()
    assert set(completion.tasks()) == {task.group for task in load_tasks()}
    assert completion.mappings() == ["open-llm-leaderboard-1", "open-llm-leaderboard-2"]


def test_names_come_out_of_the_posterior_on_the_command_line(saved: Path, posterior: Posterior) -> None:
    context = SimpleNamespace(params={"posterior": saved}, args=[])
    assert completion.families(context) == posterior.evals.families
    assert completion.benchmarks(context) == posterior.evals.benchmark_names


@pytest.mark.parametrize("content", [None, b"", b"no netCDF"])
def test_without_a_posterior_nothing_is_offered_and_nothing_fails(content: bytes | None, tmp_path: Path) -> None:
    file = tmp_path / "posterior.nc"
    if content is not None:
        file.write_bytes(content)
    for params in ({"posterior": file}, {"posterior": None}, {}):
        assert completion.families(SimpleNamespace(params=params, args=[str(file)])) == []


@pytest.mark.heavy
@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_bash_completes(saved: Path, tmp_path: Path) -> None:
    command = tmp_path / "bayescale"
    command.write_text(f'#!/bin/sh\nexec {sys.executable} -m bayescale "$@"\n')
    command.chmod(0o755)
    lines = {
        "bayescale fore": ["forecast"],
        "bayescale data v": ["validate"],
        "bayescale fit --targ": ["--target-accept"],
        "bayescale fit one": ["one_factor"],
        "bayescale fit --nuts-sampler n": ["nutpie", "numpyro"],
        "bayescale fit --evals base": ["base-llms", "base-llms-all"],
        f"bayescale forecast {saved} --family Family-B": ["Family-B"],
    }
    asked = "\n".join(f"COMP_WORDS=({line}); COMP_CWORD={line.count(' ')}; ask" for line in lines)
    script = f"""
        eval "$(_BAYESCALE_COMPLETE=source_bash bayescale)"
        complete -p bayescale
        ask() {{ COMPREPLY=(); _bayescale_completion bayescale; echo "${{COMPREPLY[*]}}"; }}
        {asked}
    """
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    ran = subprocess.run(["bash", "-c", script], env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert ran.stderr == ""
    registered, *offered = ran.stdout.splitlines()
    assert "_bayescale_completion bayescale" in registered
    assert [line.split() for line in offered] == list(lines.values())


@pytest.mark.heavy
@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_every_shell_gets_its_script(shell: str) -> None:
    environment = {**os.environ, "_BAYESCALE_COMPLETE": f"source_{shell}"}
    command = [sys.executable, "-m", "bayescale"]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=SECONDS)
    assert (ran.returncode, ran.stderr) == (0, "")
    assert f"_BAYESCALE_COMPLETE=complete_{shell}" in ran.stdout
