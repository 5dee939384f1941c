"""The documentation: its code runs, its commands parse, its links lead somewhere, and nothing public is left out."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
import shutil
import warnings
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from command_lines import parse
from fake_posterior import example_evals, posterior_of_dates, rough_comparison, rough_posterior

import bayescale as bs
from bayescale import plots

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted((ROOT / "docs").glob("*/*.md"))
TAUGHT = [page for page in PAGES if page.parent.name in ("tutorial", "how-to")]
PROSE = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").glob("*.md")), *PAGES]
READMES = [ROOT / "data" / "README.md", ROOT / "models" / "README.md"]
REFERENCE = ROOT / "docs" / "reference"


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def blocks(page: Path, language: str) -> list[str]:
    """Code on a page, but for what is marked as not run."""
    actual = re.findall(rf"(<!-- not run: .+? -->\n)?```{language}\n(.*?)```", page.read_text("utf-8"), re.DOTALL)
    return [code for marked, code in actual if not marked]


# What is taught


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder to work in with files of the real tool; fits are rough and quick."""
    shutil.copytree(ROOT / "tests" / "fixtures" / "lm_eval" / "models", tmp_path / "results")
    monkeypatch.chdir(tmp_path)
    fit = partial(rough_posterior, draws=50)
    monkeypatch.setattr(importlib.import_module("bayescale.methods"), "fit", fit)
    monkeypatch.setattr(bs, "fit", fit, raising=False)
    monkeypatch.setattr(bs, "prior_predictive", partial(bs.prior_predictive, draws=50), raising=False)
    yield tmp_path
    plt.close("all")


@pytest.mark.heavy
@pytest.mark.parametrize("page", TAUGHT, ids=name_of)
def test_the_code_of_a_page_runs_from_top_to_bottom(page: Path, folder: Path) -> None:
    space: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of few draws; and of conflicts in merged tables, of which a page speaks
        for code in blocks(page, "python"):
            exec(compile(code, name_of(page), "exec"), space)


@pytest.mark.parametrize("page", [*PROSE, *READMES], ids=name_of)
def test_all_code_is_python(page: Path) -> None:
    for code in re.findall(r"```python\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
        compile(code, name_of(page), "exec")


def test_the_mappings_on_a_page_are_mappings() -> None:
    import yaml

    from bayescale.evals.importers import NameMapping

    first, second = (NameMapping(**yaml.safe_load(text)) for text in blocks(ROOT / "docs/how-to/own-evals.md", "yaml"))
    assert first.benchmarks["tiny_words"].floor == 0.25
    assert second.scale == 100


# Commands


def commands() -> list[tuple[str, str]]:
    """Every command line on a page that begins with the name of the program."""
    actual = []
    for page in [*PROSE, *READMES]:
        for code in re.findall(r"```sh\n(.*?)```", page.read_text("utf-8"), re.DOTALL):
            actual += [(name_of(page), line) for line in code.splitlines() if line.startswith("bayescale ")]
    return actual


@pytest.mark.parametrize(("page", "line"), commands())
def test_a_command_on_a_page_parses(page: str, line: str) -> None:
    code, error = parse(shlex.split(line, comments=True)[1:])
    assert code == 0, error


@pytest.mark.parametrize("line", ["forecst p.nc", "fit -o p.nc --sead 1", "forecast --flops 4e25", "fit", "import lm"])
def test_a_command_that_does_not_exist_does_not_parse(line: str) -> None:
    assert parse(shlex.split(line))[0] == 2


# Links


@pytest.mark.parametrize("page", [*PROSE, *READMES], ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```|`[^`\n]*`", "", page.read_text("utf-8"), flags=re.DOTALL)
    targets = [t for t in re.findall(r"\]\(([^)\s]+)\)", text) if not t.startswith(("http", "#", "mailto"))]
    missing = [t for t in targets if not (page.parent / t.split("#")[0]).exists()]
    assert not missing
    outside = [t for t in targets if ROOT not in (page.parent / t.split("#")[0]).resolve().parents]
    assert not [t for t in outside if (page.parent / t).resolve() != ROOT]


# The reference


def public() -> dict[str, Any]:
    """Public functions and classes, and the methods of those classes, by the name in full."""
    actual: dict[str, Any] = {}
    for room, names in ((bs, bs.__all__), (plots, plots.__all__)):
        for name in names:
            thing = getattr(room, name)
            if not callable(thing):
                continue
            full = f"{room.__name__}.{name}"
            actual[full] = thing
            if inspect.isclass(thing):
                actual |= {f"{full}.{method}": made for method, made in methods(thing).items()}
    return actual


def methods(kind: type) -> dict[str, Any]:
    """Methods that the package itself gives a class, inherited ones too; no properties."""
    members = {name: value for name, value in inspect.getmembers(kind, callable) if not name.startswith("_")}
    return {n: v for n, v in members.items() if (getattr(v, "__module__", None) or "").startswith("bayescale.")}


@pytest.mark.parametrize("name", public())
def test_every_public_name_has_an_example(name: str) -> None:
    text = inspect.getdoc(public()[name]) or ""
    assert "Examples\n--------" in text, "write one that runs: `posterior` and `comparison` are there for it"
    assert ">>> " in text


def test_hardly_any_example_is_skipped() -> None:
    """What needs a fit or other people's files may be; the rest runs."""
    skipped = {name for name, thing in public().items() if "+SKIP" in (inspect.getdoc(thing) or "")}
    needs = {"fit", "compare", "scan_factors", "scan_priors", "suggest_models", "Posterior", "import_evals"}
    assert skipped <= {f"bayescale.{name}" for name in (*needs, "Posterior.log_likelihood")}


def test_the_reference_has_every_public_name() -> None:
    text = "\n".join(page.read_text("utf-8") for page in REFERENCE.glob("*.md"))
    listed = set(re.findall(r"^\.\. auto(?:function|class|data):: (\w+)", text, re.MULTILINE))
    assert not {*bs.__all__, *plots.__all__} - listed


def test_the_summaries_have_every_public_name_and_every_method_of_a_posterior() -> None:
    index, posterior = ((REFERENCE / name).read_text("utf-8") for name in ("index.md", "posterior.md"))
    listed = {name.rsplit(".", 1)[-1] for name in re.findall(r"^   ~?([\w.]+)$", index, re.MULTILINE)}
    assert {name for name in (*bs.__all__, *plots.__all__) if callable(getattr(bs, name, len))} <= listed
    assert set(re.findall(r"^   Posterior\.(\w+)$", posterior, re.MULTILINE)) == set(methods(bs.Posterior))


# Output names


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """The results that the page of names describes."""
    posterior = rough_posterior("default", example_evals())
    return {
        "bs": bs,
        "posterior": posterior,
        "evals": posterior.evals,
        "comparison": rough_comparison(posterior),
        "forecast": posterior.forecast(family="Llama-3", flops=4e25, random_seed=0),
        "prediction": posterior.predict("microsoft/phi-2", random_seed=0),
        "compute": posterior.compute(),
        "progress": posterior_of_dates().progress(),
        "crossing": posterior_of_dates().when("MMLU", 0.9, random_seed=0),
        "required": posterior.required_compute("MMLU", 0.8, "Llama-3", random_seed=0),
        "efficiency": posterior.efficiency("Llama-2"),
        "effect": posterior.effect("log10_flops", family="Llama-3"),
        "emergence": posterior.emergence("GSM8K", "Llama-2", random_seed=0),
        "uplift": posterior.uplift("GSM8K CoT + SC", baseline="GSM8K direct", random_seed=0),
        "explained": posterior.explained_variance("GSM8K", ["MMLU"], random_seed=0),
        "suggested": posterior.suggest_benchmarks(posterior.forecast("Llama-3", 4e25, random_seed=0), 2),
        "suggestion": posterior.suggest_models(2, random_seed=0),
        "check": posterior.predictive_check(draws=100, random_seed=0),
        "prior": bs.prior_predictive("default", posterior.evals, draws=20, random_seed=1),
    }


def rows(heading: str) -> list[list[str]]:
    """Rows of the table below a heading of the page of names."""
    section = (REFERENCE / "names.md").read_text("utf-8").split(f"## {heading}\n")[1].split("\n## ")[0]
    table = [line.strip("| ").split(" | ") for line in section.splitlines() if line.startswith("| ")]
    return table[2:]


def names(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


@pytest.mark.parametrize(("what", "dims"), rows("Draws"))
def test_dims_are_those_on_the_page(what: str, dims: str, results: dict[str, Any]) -> None:
    assert list(eval(what.strip("`"), results).dims) == names(dims)


@pytest.mark.parametrize(("what", "columns"), rows("Tables"))
def test_columns_are_those_on_the_page(what: str, columns: str, results: dict[str, Any]) -> None:
    actual = eval(what.strip("`"), results)
    assert isinstance(actual, pd.DataFrame)
    assert actual.columns.tolist() == names(columns)


def test_variables_are_those_on_the_page(results: dict[str, Any]) -> None:
    from bayescale.model import build_model

    posterior = results["posterior"]
    dims = build_model(posterior.spec, posterior.evals).named_vars_to_dims
    for variable, along, _ in rows("Variables of the posterior"):
        name = variable.strip("`")
        assert list(posterior.idata["posterior"][name].dims[2:]) == names(along)
        assert list(dims.get(name, ())) == names(along)


# The site


def test_formulas_become_mathml() -> None:
    from latex2mathml.converter import convert

    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    formulas = re.findall(r"\$\$(.+?)\$\$", text, re.DOTALL) + re.findall(r"(?<!\$)\$([^$\n]+)\$(?!\$)", text)
    assert len(formulas) > 20
    for formula in formulas:
        made = convert(formula)
        assert "\\" not in made, f"latex2mathml does not know a command of {formula}"


def test_the_citation_names_the_version_and_the_paper() -> None:
    import yaml

    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["version"] == bs.__version__
    assert citation["references"][0]["identifiers"][0]["value"] == "arXiv:2405.10938"


def test_the_check_of_the_site_finds_what_is_broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    check_site = importlib.import_module("check_site")
    sound = '<link rel="stylesheet" href="a.css"><p id="here"><a href="#here">x</a> <a href="https://arxiv.org">y</a>'
    (tmp_path / "a.css").touch()
    (tmp_path / "sound.html").write_text(sound)
    assert check_site.problems(tmp_path) == []
    broken = '<script src="https://cdn.example/x.js"></script><a href="gone.html">x</a><a href="sound.html#gone">y</a>'
    (tmp_path / "broken.html").write_text(broken)
    assert check_site.problems(tmp_path) == [
        "broken.html: loads https://cdn.example/x.js",
        "broken.html: gone.html is not there",
        "broken.html: sound.html#gone has no such place",
    ]
    assert check_site.main([str(tmp_path)]) == 1
