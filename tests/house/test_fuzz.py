"""Random input for everything that reads: an error of the package, or something usable, within seconds.

Examples are derived from the test, not from the clock: a failure comes back.
"""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from simulate import Truth, posterior_near, simulation_spec

from bayescale.errors import BayescaleError, EvalsError, SpecError
from bayescale.evals import Evals, read_evals
from bayescale.evals.importers import import_evals
from bayescale.evals.tables import TABLES
from bayescale.model.spec import Priors, Spec

pytestmark = [pytest.mark.heavy, pytest.mark.filterwarnings("ignore::bayescale.errors.EvalsWarning")]

# Without shrinking, which takes minutes of a failure.
some = settings(
    max_examples=80,
    deadline=None,
    derandomize=True,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)

ODD = [
    "", "nan", "inf", "-0", "1e400", "0x10", "1_000", "true", "null", "=1+1", "\0", "\x1b[31m", "\u202e", "\ud800",
    "😀", "a" * 5000, "../..", "9" * 5000, "$x^2$", "<script>", "{}", "%s", "new family", "1,5", " ",
]  # fmt: skip
texts = st.sampled_from(ODD) | st.text(max_size=8)
numbers = st.integers() | st.floats() | st.sampled_from([0, 1, 0.5, 1e19, 10**400, -1, 1e23])
scalars = st.none() | st.booleans() | numbers | texts
cells = scalars | st.binary(max_size=4) | st.dates() | st.decimals() | st.lists(scalars, max_size=3)


def nested(keys: list[str], leaves: st.SearchStrategy) -> st.SearchStrategy:
    """Return documents of any shape, whose keys are often those that a reader looks for."""
    key = st.sampled_from(keys) | texts
    return st.recursive(leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(key, inner, max_size=4))


@settings(some, max_examples=40)
@given(st.data())
def test_tables(data: st.DataObject) -> None:
    names = st.lists(st.sampled_from(["a", "b", "c"]) | texts, max_size=3)
    values = st.sampled_from([0.2, 0.5, 1.0, 8e22]) | cells
    given: dict[str, Any] = {}
    for table, columns in TABLES.items():
        known = [column.name for column in columns]
        rows = data.draw(names)
        # Pandas itself makes no frame with half of a character in a column's name.
        labels = texts.filter(lambda text: "\ud800" not in text)
        chosen = data.draw(st.lists(st.sampled_from(known) | labels, max_size=4, unique=True))
        frame = {column: [data.draw(values) for _ in rows] for column in [*known[:3], *chosen]}
        frame[known[0]] = rows
        given[table] = pd.DataFrame(frame, dtype=object)
    try:
        evals = Evals(**given)
    except EvalsError:
        return
    with tempfile.TemporaryDirectory() as folder:
        assert read_evals(evals.to_directory(folder)).identity == evals.identity
    assert Evals.from_json(evals.to_json()).identity == evals.identity


@some
@given(nested([*TABLES, "format", "name", "model", "benchmark", "score", "family"], st.none() | numbers | texts))
def test_json_of_evals(document: Any) -> None:
    good = {"format": 2, "name": "x", **(document if isinstance(document, dict) else {})}
    for content in (document, good):
        with contextlib.suppress(EvalsError):
            Evals.from_json(json.dumps(content))


FIELDS = [*Spec.model_fields, *Priors.model_fields]
priors = st.sampled_from(
    ["Normal(0, 1)", "HalfNormal(2)", "Gamma(2, 1)", "Normal(0, -1)", "Normal", "Normal(", "exit()"]
)


@some
@given(st.dictionaries(st.sampled_from(FIELDS) | texts, nested(FIELDS, scalars | priors), max_size=4))
def test_specs(document: dict[str, Any]) -> None:
    check_spec(yaml.safe_dump(document, allow_unicode=True))


@some
@given(st.text(max_size=80) | st.text(alphabet="&*!|>?-:{}[],#'\"% \na1", max_size=80))
def test_texts_that_should_be_specs(text: str) -> None:
    check_spec(text)


def check_spec(text: str) -> None:
    with contextlib.suppress(SpecError):
        spec = Spec.from_yaml(text)
        assert Spec.from_yaml(spec.to_yaml()) == spec


GOOD: dict[str, dict[str, Any]] = {
    "lm-eval": {
        "results": {"gsm8k": {"exact_match,none": 0.5}},
        "model_name": "lab/a",
        "config": {"model_args": "pretrained=lab/a", "num_fewshot": 5, "limit": None},
        "versions": {"gsm8k": 3},
        "n-shot": {"gsm8k": 5},
        "n-samples": {"gsm8k": {"original": 1319, "effective": 1319}},
        "higher_is_better": {"gsm8k": {"exact_match": True}},
        "group_subtasks": {"a": ["gsm8k"]},
        "date": 1.7e9,
    },
    "lighteval": {
        "results": {"lighteval|gsm8k|5": {"em": 0.5}, "all": {"em": 0.5}},
        "config_general": {"model_name": "lab/a", "max_samples": None},
        "versions": {"lighteval|gsm8k|5": 0},
        "config_tasks": {"lighteval|gsm8k": {"metric": ["em"]}},
    },
    "every-eval-ever": {
        "schema_version": "0.2.2",
        "evaluation_id": "x",
        "retrieved_timestamp": "1700000000",
        "model_info": {"name": "lab/a", "id": "lab/a"},
        "source_metadata": {"source_type": "documentation", "source_organization_name": "lab"},
        "evaluation_results": [],
    },
}


@pytest.mark.parametrize("tool", GOOD)
@settings(some, max_examples=60)
@given(data=st.data())
def test_results_of_harnesses(tool: str, data: st.DataObject) -> None:
    """One odd file among good ones is skipped or read, and the good one is imported."""
    good = GOOD["lm-eval"]
    leaves = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.floats() | texts
    keys = [*GOOD[tool], *(k for v in GOOD[tool].values() if isinstance(v, dict) for k in v)]
    odd = GOOD[tool] | data.draw(st.dictionaries(st.sampled_from(keys), nested(keys, leaves), min_size=1, max_size=3))
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "odd.json").write_text(json.dumps(odd))
        if tool == "lm-eval":
            (Path(folder) / "good.json").write_text(json.dumps(good))
        try:
            imported = import_evals(tool, folder)
        except EvalsError:
            assert tool != "lm-eval"
        else:
            assert tool != "lm-eval" or 0.5 in imported.scores["score"].tolist()


@pytest.mark.parametrize("tool", ["wide", "long", "epoch"])
@settings(some, max_examples=60)
@given(content=st.binary(max_size=200) | st.lists(st.lists(texts, max_size=4).map(",".join), max_size=5).map("\n".join))
def test_table_files(tool: str, content: bytes | str) -> None:
    head = b"model,benchmark,score,MMLU\n"
    raw = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    with tempfile.TemporaryDirectory() as folder:
        for name, start in (("x.csv", b""), ("x.csv", head), ("x.xlsx", b""), ("x.parquet", b"PAR1")):
            path = Path(folder) / name
            path.write_bytes(start + raw)
            with contextlib.suppress(BayescaleError):
                import_evals(tool, path)


# Posteriors

LOADER = """
import signal, sys
import numpy as np
from bayescale import Posterior
from bayescale.errors import BayescaleError

right = Posterior.load(sys.argv[1])


def alike(a, b):
    draws = [p.idata["posterior"] for p in (a, b)]
    names = [sorted(map(str, d.data_vars)) for d in draws]
    same = names[0] == names[1] and all(np.array_equal(draws[0][n], draws[1][n], equal_nan=True) for n in names[0])
    return same and a.identity == b.identity and a.evals.to_json() == b.evals.to_json() and a.sampling == b.sampling


assert alike(right, right)  # which imports ArviZ, for seconds on a slow machine: no time of a file's
for path in sys.argv[2:]:
    print(path, end=" ", flush=True)
    # Five seconds of a processor, of which the process that checks a file may take three. The default action ends this
    # process, also in the middle of a library.
    signal.setitimer(signal.ITIMER_PROF, 2)
    try:
        print("same" if alike(Posterior.load(path), right) else "WRONG", flush=True)
    except BayescaleError:
        print("refused", flush=True)
    signal.setitimer(signal.ITIMER_PROF, 0)
"""
FILES = 300


def test_flipped_and_truncated_posteriors(simulation: tuple[Evals, Truth], tmp_path: Path) -> None:
    """Each is refused or has the right numbers, within five seconds and without an end of the process."""
    whole = posterior_near(*simulation, simulation_spec(), chains=2, draws=20).save(tmp_path / "whole.nc")
    content, rng = whole.read_bytes(), np.random.default_rng(1)
    paths = []
    for number in range(FILES):
        damaged = bytearray(content)
        if number % 3 == 0:
            damaged = damaged[: int(rng.integers(len(content)))]
        else:
            # Headers and metadata are at the start and at the end; elsewhere are draws.
            ends = [rng.integers(6000), len(content) - 1 - rng.integers(6000), rng.integers(len(content))]
            for place in rng.choice(ends, size=1 + number % 2):
                damaged[int(place)] ^= 1 << int(rng.integers(8))
        paths.append(tmp_path / f"{number}.nc")
        paths[-1].write_bytes(damaged)
    ran = subprocess.run(
        [sys.executable, "-c", LOADER, str(whole), *map(str, paths)],
        capture_output=True, text=True, timeout=3600,
    )  # fmt: skip
    outcomes = [line.split() for line in ran.stdout.splitlines()]
    reason = "took over five seconds" if ran.returncode == -signal.SIGPROF else ran.stderr[-2000:]
    assert ran.returncode == 0, f"{outcomes[-1]}: {reason}"
    assert len(outcomes) == FILES
    assert [path for path, outcome in outcomes if outcome == "WRONG"] == []
    assert sum(outcome == "refused" for _, outcome in outcomes) > FILES / 3
