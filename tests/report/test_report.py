"""The report as a file: complete, safe, small, and true to the posterior. Its equations: test_report_equations.py."""

from __future__ import annotations

import base64
import copy
import dataclasses
import datetime
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run
from simulate import Truth, posterior_near, simulate, simulation_spec

import bayescale.report.page as page_room
from bayescale.errors import ConvergenceWarning, EvaluationError, ForecastError, MissingDependencyError
from bayescale.evals import Evals
from bayescale.methods import Posterior
from bayescale.report import live_forecast
from bayescale.report.pack import arrays, encode, pack

HOSTILE = "</script><img src=x onerror=alert(1)><!--<script>'\"&{{ 7*7 }}"


class Document(HTMLParser):
    """Tags with their attributes, and the text of scripts by their id (or place)."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.text = ""
        self._inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self._inside = tag
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        self._inside = ""

    def handle_data(self, data: str) -> None:
        if self._inside == "script":
            self.scripts[-1] = (self.scripts[-1][0], self.scripts[-1][1] + data)
        elif self._inside != "style":
            self.text += data

    def held(self, name: str) -> Any:
        return next(json.loads(text) for attributes, text in self.scripts if attributes.get("id") == name)


@pytest.fixture(scope="module")
def text(two_factors: Posterior) -> str:
    return two_factors.to_html(draws=60, random_seed=0)


@pytest.fixture(scope="module")
def document(text: str) -> Document:
    return Document(text)


def renamed(evals: Evals, suffix: str) -> Evals:
    """The same evals, every name of which ends in `suffix`."""
    tables = [evals.models, evals.benchmarks, evals.scores]
    names = ("model", "family", "benchmark")
    return Evals(*(t.assign(**{n: t[n] + suffix for n in names if n in t}) for t in tables), name=f"mine{suffix}")


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """What `bayescale backtest` writes, by hand: two methods on two tasks and their pool."""
    folder = tmp_path / "backtest"
    folder.mkdir()
    figures = {"n_test": 2, "mse": 0.01, "mae": 0.08, "crps": 0.05, "log_score": -1.2, "coverage_50": 0.5}
    rows = [
        {"spec_or_method": m, "task": t, **figures, "coverage_90": 1.0, "width_90": 0.3, "rhat": rhat, "crps": crps}
        for m, rhat, crps in (("pc_3", np.nan, 0.07), ("default", 1.004, 0.04))
        for t in ("g/one", "g/two", "all")
    ]
    pd.DataFrame(rows).to_csv(folder / "scores.csv", index=False)
    cells = {"model": "m", "benchmark": "b", "score": 0.5, "median": 0.45, "q05": 0.3, "q95": 0.7}
    pd.DataFrame([{"task": t, "method": m, **cells} for m in ("pc_3", "default") for t in ("g/one", "g/two")]).to_csv(
        folder / "predictions.csv", index=False
    )
    return folder


def test_nothing_is_fetched(document: Document) -> None:
    for tag, attributes in document.tags:
        assert tag not in {"link", "iframe", "object", "base", "img"}
        assert "src" not in attributes
        assert all(not name.startswith("on") for name in attributes)
        assert attributes.get("href", "#").startswith("#")
    assert "http" not in document.text


def test_only_the_scripts_of_the_page_may_run(document: Document) -> None:
    policy = next(a["content"] for t, a in document.tags if a.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None
    assert "default-src 'none'" in policy
    scripts = re.search(r"script-src ([^;]*)", policy)
    assert scripts is not None
    running = [text for attributes, text in document.scripts if attributes.get("type") != "application/json"]
    hashes = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in running]
    assert scripts[1].split() == [f"'sha256-{h}'" for h in hashes]


def test_the_page_opens_with_the_forecast_of_python(two_factors: Posterior, document: Document) -> None:
    rows = [a for t, a in document.tags if t == "tr" and "data-median" in a]
    slider = next(a for t, a in document.tags if a.get("type") == "range")
    chosen = [a for t, a in document.tags if t == "option" and "selected" in a]
    largest = two_factors.evals.models.sort_values("flops", na_position="first").iloc[-1]
    family = two_factors.evals.families[int(str(chosen[0]["value"]))]
    assert family == largest["family"]
    value = float(str(slider["value"]))
    assert 10**value == pytest.approx(10**0.5 * largest["flops"], rel=0.02)
    live = live_forecast(two_factors, draws=60, random_seed=0)
    table = live.summary(family, 10**value)
    for row, wanted in zip(rows, table.itertuples(), strict=True):
        actual = [float(str(row[f"data-{end}"])) for end in ("lower", "median", "upper")]
        np.testing.assert_allclose(actual, [wanted.lower, wanted.median, wanted.upper], atol=1e-9)


def test_every_input_has_a_name_and_every_picture_words(document: Document) -> None:
    labels = {a["for"] for t, a in document.tags if t == "label"}
    for tag, attributes in document.tags:
        if tag in {"input", "select"}:
            assert attributes.get("id") in labels or attributes.get("aria-label")
        if str(attributes.get("id", "")).startswith("picture-"):
            assert attributes["role"] == "img"
            assert attributes["aria-label"]


def test_findings_are_those_of_the_posterior(two_factors: Posterior, document: Document) -> None:
    assert "Converged." in document.text
    assert two_factors.identity[:12] in document.text
    best = two_factors.efficiency().summary().iloc[0]
    assert f"x{best['multiplier']:.2f}" in document.text
    for name in two_factors.factors.summary()["suggested"]:
        assert name in document.text
    assert "Backtest" not in document.text


def test_the_page_says_whose_it_is_and_of_when(dated: Posterior) -> None:
    document = Document(dated.to_html(draws=60, random_seed=0, title="Is it <worth> it?", author="A. Author"))
    assert "Is it <worth> it?" in document.text
    newest = max(text for text in dated.evals.models["released"] if text)
    made = datetime.date.today().isoformat()
    assert re.search(rf"A\. Author, *{made}\. Newest model of the data: {newest}", document.text)
    assert "recipes improve by the year" not in document.text


def test_convergence_is_not_validity(document: Document) -> None:
    assert "That does not say that the model is right." in document.text
    assert "What do the intervals not cover?" in document.text
    assert "recipes improve by the year" in document.text
    assert "bayescale report --backtest backtest/" in document.text
    assert "can be reported" not in document.text


def test_names_of_data_are_text_and_never_markup() -> None:
    evals, truth = simulate(factors=2)
    hostile = renamed(evals, HOSTILE)
    text = posterior_near(hostile, truth, simulation_spec(2)).to_html(draws=60, random_seed=0)
    document = Document(text)
    assert not [t for t, _ in document.tags if t in {"img", "svg"}]
    assert len(document.scripts) == 5
    assert document.held("posterior")["families"] == hostile.families
    assert hostile.families[0] in document.text


def test_a_posterior_that_did_not_converge_says_so_twice(simulation: tuple[Evals, Truth]) -> None:
    rough = posterior_near(*simulation, simulation_spec(), chains=2, draws=30)
    with pytest.warns(ConvergenceWarning, match="This report comes from a posterior that did not converge") as caught:
        text = rough.to_html(draws=60, random_seed=0)
    assert len(caught) == 1
    assert "Not converged." in text
    for problem in rough.convergence.problems:
        assert problem in Document(text).text


def test_what_a_spec_leaves_out_is_said(simulation: tuple[Evals, Truth]) -> None:
    form = {"covariates": ("log10_params", "log10_tokens"), "family_offsets": False}
    text = Document(posterior_near(*simulation, simulation_spec(**form)).to_html(draws=60, random_seed=0))
    assert "efficiency, a multiple of training compute, needs a spec" in text.text
    assert "a map needs two" in text.text
    ids = [a.get("id") for _, a in text.tags]
    assert {"slider-params_b", "slider-tokens_t"} <= set(ids)
    assert {"picture-intervals"} == {i for i in ids if str(i).startswith("picture-")}


def test_every_column_that_is_a_covariate_has_a_control(dated: Posterior) -> None:
    document = Document(dated.to_html(draws=60, random_seed=0))
    controls = {a["id"]: a for t, a in document.tags if t == "input" and str(a.get("id")).startswith("slider-")}
    assert [a["type"] for a in controls.values()] == ["range", "range", "checkbox"]
    largest = dated.evals.models.sort_values("flops", na_position="first").iloc[-1]
    assert ("checked" in controls["slider-reasoning"]) == (largest["reasoning"] == "True")
    assert float(str(controls["slider-released"]["value"])) == pytest.approx(int(largest["released"][:4]), abs=1)
    code = re.search(r"forecast = posterior.forecast\((.*)\)\n", document.text)
    assert code is not None
    asked = eval(f"dict({code[1]})")
    assert set(asked) == {"family", "flops", "released", "reasoning"}
    table = live_forecast(dated, draws=60, random_seed=0).summary(**asked)
    rows = [a for t, a in document.tags if t == "tr" and "data-median" in a]
    np.testing.assert_allclose([float(str(row["data-median"])) for row in rows], table["median"], atol=1e-5)


def test_undisclosed_compute_has_a_box_where_the_page_can_predict_it(
    hidden_compute: Posterior, dated: Posterior
) -> None:
    document = Document(hidden_compute.to_html(draws=60, random_seed=0))
    (box,) = [a for t, a in document.tags if a.get("id") == "undisclosed"]
    assert box["type"] == "checkbox"
    assert "checked" not in box
    assert "undisclosed" in {a["for"] for t, a in document.tags if t == "label"}
    packed = document.held("posterior")["compute"]
    assert packed["from"] == "date and maker"
    assert [packed["makers"][m] if m >= 0 else None for m in packed["maker"]] == ["Maker A", None, None, "Maker B"]
    assert 'id="undisclosed"' not in dated.to_html(draws=60, random_seed=0)
    # All models have a context length, and the page has no control for it.
    spec = hidden_compute.spec.replace(compute_from=["context"])
    other = dataclasses.replace(hidden_compute, spec=spec)
    assert pack(live_forecast(other, draws=60, random_seed=0), other.evals, 0.9)["compute"] is None


@pytest.mark.heavy
def test_a_file_that_would_be_too_large_holds_fewer_draws(
    two_factors: Posterior, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    limit = len(text.encode()) + 20_000
    monkeypatch.setattr(page_room, "MAX_BYTES", limit)
    thinner = two_factors.to_html(draws=3000, random_seed=0)
    assert len(thinner.encode()) <= limit
    assert 60 <= Document(thinner).held("posterior")["sizes"]["draws"] < 200
    monkeypatch.setattr(page_room, "MAX_BYTES", len(text.encode()) - 30_000)
    with pytest.raises(ForecastError, match="does not fit"):
        two_factors.to_html(draws=3000)


def test_the_file_stays_below_five_mebibytes(text: str) -> None:
    assert len(text.encode()) < page_room.MAX_BYTES == 5 * 2**20


def test_the_backtest_is_shown(posterior: Posterior, results: Path) -> None:
    document = Document(posterior.to_html(backtest=results, draws=60, random_seed=0))
    assert "All averaged tasks" in document.text
    assert "g/one" not in document.text
    # The lowest CRPS on top, and the sampled method in the picture.
    section = document.text[document.text.index("All averaged tasks") :]
    assert section.index("default") < section.index("pc_3")
    assert "default: median and 90% equal-tailed interval of 2 forecasts" in document.text
    assert re.search(
        r"100% of the 2 scores hidden from\s+default lay inside its 90% intervals; .* by 0.050", document.text
    )
    assert "picture-backtest" in [a.get("id") for _, a in document.tags]


def test_a_folder_that_is_no_backtest_is_named_with_all_that_is_wrong(posterior: Posterior, results: Path) -> None:
    (results / "predictions.csv").unlink()
    scores = pd.read_csv(results / "scores.csv")
    scores.drop(columns=["crps", "mae"]).to_csv(results / "scores.csv", index=False)
    with pytest.raises(EvaluationError, match=r"missing columns: mae, crps; predictions.csv: there is no such file"):
        posterior.to_html(backtest=results, draws=60)


def test_mistakes(posterior: Posterior) -> None:
    with pytest.raises(ForecastError, match="at least 50"):
        posterior.to_html(draws=10)
    with pytest.raises(ForecastError, match=r"Did you mean 0\.9"):
        posterior.to_html(prob=90)


@pytest.mark.parametrize("name", ["bokeh", "jinja2"])
def test_a_missing_library_is_named(posterior: Posterior, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    find = page_room.importlib.util.find_spec
    monkeypatch.setattr(page_room.importlib.util, "find_spec", lambda n: None if n == name else find(n))
    with pytest.raises(MissingDependencyError, match=rf"needs {name}: pip install 'bayescale\[report\]'"):
        posterior.to_html()


@pytest.mark.heavy
def test_the_command_writes_what_the_library_makes(
    run: Run, two_factors: Posterior, results: Path, tmp_path: Path
) -> None:
    saved, target = two_factors.save(tmp_path / "p.nc"), tmp_path / "report.html"
    code, out, err = run("report", saved, "--backtest", results, "--draws", 60, "--random-seed", 3, "--html", target)
    assert (code, out) == (0, "")
    assert "Wrote" in err
    assert "MiB" in err
    written = Document(target.read_text("utf-8"))
    assert written.held("arrays") == encode(arrays(live_forecast(two_factors, draws=60, random_seed=3)))
    assert written.held("arrays") != encode(arrays(live_forecast(two_factors, draws=60, random_seed=4)))
    assert "Backtest" in written.text


def test_mistakes_on_the_command_line_leave_no_file(run: Run, posterior: Posterior, tmp_path: Path) -> None:
    saved = posterior.save(tmp_path / "p.nc")
    for words, asked in (
        ("there is no folder", ["--html", tmp_path / "none" / "r.html"]),
        ("not a folder of `bayescale backtest`", ["--html", tmp_path / "r.html", "--backtest", tmp_path]),
        ("at least 50", ["--html", tmp_path / "r.html", "--draws", 5]),
    ):
        code, out, err = run("report", saved, *asked)
        assert (code, out) == (2, "")
        assert words in err
    assert not (tmp_path / "r.html").exists()


@pytest.mark.parametrize("factor", [0.0, 1e-9, 1e-300])
def test_a_page_stands_efficiencies_without_bounds(posterior: Posterior, factor: float) -> None:
    """Where scores hardly rise with compute, a multiplier is no number, or astronomic."""
    idata = copy.deepcopy(posterior.idata)
    idata["posterior"]["slope"][:] = idata["posterior"]["slope"] * factor
    flat = dataclasses.replace(posterior, idata=idata)
    assert "compute multiplier" in flat.to_html(draws=50, random_seed=0)


def test_a_path_is_written(two_factors: Posterior, text: str, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    assert two_factors.to_html(path, draws=60, random_seed=0) == path
    assert Document(path.read_text("utf-8")).text == Document(text).text


@pytest.mark.parametrize("flops", [1e35, 1.7e308])
def test_a_page_stands_compute_that_no_forecast_takes(simulation: tuple[Evals, Truth], flops: float) -> None:
    evals, truth = simulation
    models = evals.models.copy()
    models.loc[models["flops"].idxmax(), ["flops", "flops_log10_sd"]] = [flops, np.nan]
    odd = Evals(models, evals.benchmarks, evals.scores)
    assert "training compute" in posterior_near(odd, truth, simulation_spec()).to_html(draws=60, random_seed=0)
