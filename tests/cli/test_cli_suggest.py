"""`bayescale suggest`: what it prints and writes is what the library says."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
from conftest import Run

from bayescale import Posterior
from bayescale.cli.options import SEED


@pytest.fixture(scope="module")
def saved(posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posterior.save(tmp_path_factory.mktemp("suggest") / "posterior.nc")


def test_suggest_prints_writes_and_draws(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    csv, picture = tmp_path / "chosen.csv", tmp_path / "chosen.png"
    code, out, err = run("suggest", saved, "--budget", 3, "--csv", csv, "--plot", picture)
    expected = posterior.suggest_models(3, random_seed=SEED)
    assert code == 0
    assert out.strip() == str(expected).rsplit("\nNext", 1)[0]
    assert err == f"Wrote {csv}.\nWrote {picture}.\n"
    pd.testing.assert_frame_equal(pd.read_csv(csv), expected.table, check_dtype=False)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_suggest_takes_all_that_the_library_takes(run: Run, saved: Path, posterior: Posterior) -> None:
    models = posterior.evals.models.dropna(subset="params_b")
    middle, budget = float(models["flops"].median()), float(models["params_b"].sum())
    asked = ["--target", "bench-4", "--families", "Family-A", "--families", "Family-B", "--cost", "params_b"]
    code, out, _ = run("suggest", saved, "--budget", budget, "--max-flops", middle, *asked, "--json")
    below = models["model"][models["flops"] <= middle].tolist()
    families = ["Family-A", "Family-B"]
    expected = posterior.suggest_models(
        budget, "bench-4", candidates=below, families=families, cost="params_b", random_seed=SEED
    )
    actual = json.loads(out)
    assert code == 0
    assert [row["model"] for row in actual["models"]] == expected.models
    assert (actual["target"], actual["cost"], actual["converged"]) == ("bench-4", "params_b", True)
    assert actual["least"] == pytest.approx(expected.least)


def test_mistakes_are_said_in_one_message(run: Run, saved: Path) -> None:
    assert run("suggest", saved)[0] == 2
    code, out, err = run("suggest", saved, "--budget", 3, "--target", "bench4")
    assert (code, out) == (2, "")
    assert "Did you mean 'bench-4'" in err
