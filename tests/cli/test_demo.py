"""The demo: its parts on a ready posterior, and once for real with few draws."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from simulate import Truth, posterior_near

from bayescale import NEW_FAMILY, Evals, Posterior, Spec, load_evals
from bayescale.cli import main
from bayescale.cli.demo import FAST, FORECASTS, HIDDEN

FILES = ["forecast.csv", "forecast.png", "intervals.png", "posterior.nc"]


def test_the_models_of_the_demo_are_larger_than_those_that_it_fits() -> None:
    models = load_evals("base-llms").models
    hidden = models[models["model"] == HIDDEN].iloc[0]
    assert FORECASTS[0] == (hidden["family"], hidden["flops"])
    models = models[models["model"] != HIDDEN]
    for family, flops in FORECASTS:
        known = models if family is None else models[models["family"] == family]
        assert flops > known["flops"].max()


@pytest.fixture
def small(simulation: tuple[Evals, Truth]) -> Posterior:
    return posterior_near(*simulation, Spec(factors=1), chains=2, draws=20)


@pytest.fixture
def settings(small: Posterior, drafts: None, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let `fit` return a ready posterior of a simulation, and the demo forecast families of it."""
    called: dict[str, Any] = {}

    def fit(*_: Any, **settings: Any) -> Posterior:
        called.update(settings)
        return small

    first, second = small.evals.families[:2]
    demo = importlib.import_module("bayescale.cli.demo")
    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", fit)
    monkeypatch.setattr(demo, "FORECASTS", ((first, 4e25), (second, 1e25), (None, 1e26)))
    monkeypatch.setattr(demo, "HIDDEN", small.evals.model_names[0])
    monkeypatch.setattr(importlib.import_module("bayescale.evals"), "load_evals", lambda _: small.evals)
    return called


def test_the_demo_writes_and_says_everything(
    settings: dict[str, Any],
    small: Posterior,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(FAST, raising=False)
    folder = tmp_path / "new" / "demo"

    assert main(["demo", "-o", str(folder)]) == 0

    out, err = capsys.readouterr()
    assert settings == {"random_seed": 1}
    assert sorted(p.name for p in folder.iterdir()) == FILES
    assert all(str(folder / name) in out for name in FILES)
    assert f"{len(small.evals.model_names)} models" in out
    assert f"{small.evals.model_names[0]} was hidden" in out
    # Said once, though pictures forecast again and again.
    assert err.count("NOT converged") == 1
    assert ".py:" not in err
    rows = pd.read_csv(folder / "forecast.csv")
    assert len(rows) == 3 * len(small.evals.benchmark_names)
    hidden = rows[rows["observed"].notna()]
    assert (hidden["model"] == hidden["model"].iloc[0]).all()
    scores = small.evals.matrix()[0].to_series()
    assert hidden.set_index("benchmark")["observed"].to_dict() == pytest.approx(scores.dropna().to_dict())
    for row in rows.itertuples():
        assert f"{row.median:.2f} [{row.lower:.2f}, {row.upper:.2f}]" in out
    assert Posterior.load(folder / "posterior.nc").identity == small.identity


@pytest.mark.heavy
def test_fast_lowers_the_draws_and_says_so(
    settings: dict[str, Any], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(FAST, "1")
    for name in FILES:
        (tmp_path / name).write_text("of an earlier run")
    assert main(["demo", "-o", str(tmp_path), "--random-seed", "7"]) == 0
    assert settings["draws"] < 200
    assert settings["random_seed"] == 7
    assert FAST in capsys.readouterr().err
    assert sorted(p.name for p in tmp_path.iterdir()) == FILES
    assert all(b"of an earlier run" not in p.read_bytes() for p in tmp_path.iterdir())


@pytest.mark.slow
def test_the_demo_for_real(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "bayescale", "demo", "-o", "demo"]
    ran = subprocess.run(
        command, cwd=tmp_path, env=os.environ | {FAST: "1"}, capture_output=True, text=True, timeout=900
    )
    assert ran.returncode == 0, ran.stderr
    assert "Traceback" not in ran.stderr
    assert sorted(p.name for p in (tmp_path / "demo").iterdir()) == FILES
    rows = pd.read_csv(tmp_path / "demo" / "forecast.csv")
    assert set(rows["family"]) == {"Llama-3.1", "Qwen1.5", NEW_FAMILY}
    assert rows["observed"].notna().sum() == 7
    assert rows["median"].between(0, 1).all()
