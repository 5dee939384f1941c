"""Commands with the name of a verb of a posterior: what they print and write is what the library says."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from command_lines import COMMANDS
from conftest import Run
from fake_posterior import posterior_of_dates

from bayescale import NEW_FAMILY, Emergence, Posterior, Uplift, prior_sensitivity
from bayescale._intervals import interval_columns
from bayescale.cli.options import SEED
from bayescale.errors import ForecastError


@pytest.fixture(scope="module")
def saved(posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posterior.save(tmp_path_factory.mktemp("decisions") / "posterior.nc")


@pytest.mark.heavy
def test_required_compute(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    csv, picture = tmp_path / "compute.csv", tmp_path / "compute.png"
    line = ["--above", "bench-2=0.6", "--family", "Family-B", "--new-family", "--probability", 0.5]
    code, out, err = run("required-compute", saved, *line, "--csv", csv, "--plot", picture)
    expected = posterior.required_compute("bench-2", 0.6, ["Family-B", NEW_FAMILY], probability=0.5, random_seed=SEED)
    assert code == 0
    assert out.strip() == str(expected).rsplit("\nNext", 1)[0]
    assert err == f"Wrote {csv}.\nWrote {picture}.\n"
    pd.testing.assert_frame_equal(pd.read_csv(csv), interval_columns(expected.summary()), check_dtype=False)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_predict(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    csv = tmp_path / "predicted.csv"
    code, out, _ = run("predict", saved, "--models", "Family-A-0", "--benchmarks", "bench-2", "--csv", csv)
    expected = posterior.predict("Family-A-0", "bench-2", random_seed=SEED)
    assert code == 0
    assert out.strip() == str(expected).rsplit("\nNext", 1)[0]
    pd.testing.assert_frame_equal(pd.read_csv(csv), interval_columns(expected.summary()), check_dtype=False)


def test_files_are_written_before_anything_is_printed(
    run: Run, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    csv = tmp_path / "predicted.csv"

    def closed(*_: object) -> None:
        raise BrokenPipeError

    monkeypatch.setattr("bayescale.cli.show.say", closed)
    run("predict", saved, "--models", "Family-A-0", "--csv", csv)
    assert len(pd.read_csv(csv)) == 5


def test_costs_are_the_compute_over_its_price(run: Run, saved: Path, posterior: Posterior) -> None:
    line = ["--above", "bench-2=0.6", "--family", "Family-B", "--probability", 0.5, "--flops-per-dollar", 5e17]
    code, out, _ = run("required-compute", saved, *line, "--json")
    expected = posterior.required_compute("bench-2", 0.6, "Family-B", probability=0.5, random_seed=SEED)
    (row,) = json.loads(out)["rows"]
    assert code == 0
    assert row["dollars"] == pytest.approx(float(expected.flops[0]) / 5e17)
    assert row["lower"] == pytest.approx(expected.summary()["lower"][0] / 5e17)
    with pytest.raises(ForecastError, match="not positive"):
        expected.costs(0)


def test_probability(run: Run, saved: Path, posterior: Posterior) -> None:
    line = ["--above", "bench-1=0.5", "--below", "bench-2=0.9", "--family", "Family-A", "--flops", 1e24]
    code, out, _ = run("probability", saved, *line)
    forecast = posterior.forecast("Family-A", 1e24, random_seed=SEED)
    share = forecast.probability(above={"bench-1": 0.5}, below={"bench-2": 0.9})["probability"][0]
    assert code == 0
    assert "bench-1 > 0.5 and bench-2 < 0.9" in out
    assert f"Family-A, 1e+24 FLOP: {share:.2f}" in out


@pytest.mark.heavy
def test_prior_sensitivity(run: Run, saved: Path, posterior: Posterior, tmp_path: Path) -> None:
    csv = tmp_path / "sensitivity.csv"
    code, out, err = run("prior-sensitivity", saved, "--family", "Family-A", "--flops", 1e24, "--csv", csv)
    scores = posterior.forecast("Family-A", 1e24, random_seed=SEED).draws["expected_score"].isel(model=0, drop=True)
    expected = prior_sensitivity(posterior, {"score": scores})
    assert code == 0, err
    assert len(out.splitlines()) >= 2 + len(expected)
    written = pd.read_csv(csv, index_col="benchmark")
    assert [f"score: {name}" for name in written.index] == expected.index.tolist()
    assert written["all priors"].tolist() == pytest.approx(expected["all priors"].tolist())


# Verbs whose command has another name, and what is no question of a user's.
ELSEWHERE = {
    "capabilities": "factors", "expected_scores": "predict", "loadings": "factors", "predictive_check": "check",
    "suggest_models": "suggest", "summary": "predict", "to_html": "report",
}  # fmt: skip
NO_COMMAND = {"from_draws", "labelled", "load", "log_likelihood", "of", "save", "to_arviz"}


def test_every_verb_is_a_command() -> None:
    verbs = [name for name, _ in inspect.getmembers(Posterior, callable) if not name.startswith("_")]
    wanted = {ELSEWHERE.get(name, name.replace("_", "-")) for name in verbs if name not in NO_COMMAND}
    assert wanted | {"prior-sensitivity"} <= {path[-1] for path in COMMANDS}


ASKED: dict[str, tuple[str, Callable[[Posterior], pd.DataFrame]]] = {
    "efficiency": ("--reference Family-B", lambda p: p.efficiency("Family-B").summary(prob=0.5)),
    "emergence": ("bench-1 --new-family --scores 0.6", lambda p: _emergence(p).summary([0.6], prob=0.5)),
    "uplift": ("bench-1 --baseline bench-2 --flops 1e23", lambda p: _uplift(p).summary([1e23], prob=0.5)),
    "factors": ("", lambda p: p.factors.summary(prob=0.5)),
}
TABLES: dict[str, tuple[str, Callable[[Posterior], pd.DataFrame]]] = {
    "equivalent-flops": (
        "--reference Family-B --of single",
        lambda p: p.efficiency("Family-B").summary(prob=0.5, by="model", of="single"),
    ),
}


def _emergence(posterior: Posterior) -> Emergence:
    return posterior.emergence("bench-1", NEW_FAMILY, random_seed=SEED)


def _uplift(posterior: Posterior) -> Uplift:
    return posterior.uplift("bench-1", "bench-2", random_seed=SEED)


@pytest.mark.heavy
@pytest.mark.parametrize("command", [*ASKED, *TABLES])
def test_what_is_printed_written_and_drawn_has_the_probability_asked_for(
    run: Run, saved: Path, posterior: Posterior, tmp_path: Path, command: str
) -> None:
    csv, picture = tmp_path / "table.csv", tmp_path / "drawn.png"
    line, ask = (ASKED | TABLES)[command]
    drawn = ["--plot", picture] if command in ASKED else []
    code, out, _ = run(command, saved, *line.split(), "--prob", 0.5, "--csv", csv, *drawn)
    assert code == 0
    assert "50%" in out
    pd.testing.assert_frame_equal(pd.read_csv(csv), interval_columns(ask(posterior)), check_dtype=False)
    assert not drawn or picture.read_bytes().startswith(b"\x89PNG")


def test_suggest_benchmarks(run: Run, saved: Path, posterior: Posterior) -> None:
    asked = ["--candidates", "bench-1", "--candidates", "bench-3", "--targets", "bench-2"]
    code, out, _ = run("suggest-benchmarks", saved, "--model", "Family-A-0", "--budget", 1, *asked, "--json")
    expected = posterior.suggest_benchmarks(
        posterior.predict("Family-A-0", random_seed=SEED), 1, candidates=["bench-1", "bench-3"], targets=["bench-2"]
    )
    assert code == 0
    assert [row["benchmark"] for row in json.loads(out)["rows"]] == expected.benchmarks


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("required-compute {saved} --above bench-2", "BENCHMARK=SCORE"),
        ("required-compute {saved} --above bench-2=60", "did you mean 0.6"),
        ("required-compute {saved} --above bench-2=0.6 --family Famly-B", "Did you mean 'Family-B'"),
        ("required-compute {saved} --above bench-2=0.6 --probability 90", "--probability 90 is not between 0 and 1"),
        ("predict {saved} --models Famly-A-0", "Did you mean 'Family-A-0'"),
        (
            "suggest-benchmarks {saved} --model Family-A-0 --budget 0 --candidates bench-1 --targets bench-2",
            "--budget 0",
        ),
    ],
)
def test_mistakes_are_said_in_the_words_of_the_command_line(run: Run, saved: Path, line: str, words: str) -> None:
    code, out, err = run(*(part.format(saved=saved) for part in line.split()))
    assert (code, out) == (2, "")
    assert words in err


@pytest.mark.heavy
def test_a_maker_stands_for_its_family(run: Run, tmp_path: Path) -> None:
    dates = posterior_of_dates()
    path, csv = dates.save(tmp_path / "dates.nc"), tmp_path / "forecast.csv"
    facts = ["--released", "2026-12", "--set", "reasoning=true"]
    code, _, err = run("forecast", path, "--organization", "OpenAI", *facts, "--csv", csv)
    assert code == 0, err
    expected = dates.forecast(organization="OpenAI", released="2026-12", reasoning=True, random_seed=SEED)
    assert pd.read_csv(csv)["median"].tolist() == pytest.approx(expected.summary()["median"].tolist())
    code, out, _ = run("probability", path, "--organization", "OpenAI", *facts, "--above", "MMLU=0.5", "--json")
    above = expected.probability("MMLU", above=0.5)
    assert json.loads(out)["probabilities"][0]["probability"] == above["probability"].iloc[0]
