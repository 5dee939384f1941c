"""Vocabulary: the private words of earlier versions stay out of code, pages, notebooks and tests."""

from __future__ import annotations

import io
import json
import re
import tokenize
from pathlib import Path

import pytest

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").exists())
HERE = Path(__file__).resolve().relative_to(ROOT).as_posix()
FOLDERS = ("bayescale", "benchmarks", "data", "docs", "models", "notebooks", "scripts", "tests")
SUFFIXES = {".css", ".ipynb", ".j2", ".js", ".md", ".py", ".yaml"}

# Words of every file that mean nothing else here, with their replacements.
WORDS = {
    "gauge": "rotation",
    "gauged": "fixed (of a rotation)",
    "outlook": "predictive moments",
    "bent": "family-by-benchmark effect",
    "luck": "residual",
    "foresee": "predict",
    "foreseen": "predicted",
    "verdict": "convergence report",
    "whole_file": "atomic write",
    "worth_in_decades": "to_compute_equivalent",
    "came true": "observed",
    "owes to": "depends on",
    "speak of": "describe",
    "speaks of": "describes",
    "lean on": "depend on",
    "leans on": "depends on",
    "hill": "mode",
}
# Plain words that are wrong as a Python name, or as a part of one.
NAMES = {
    "chance": "noise (random numbers) or chance_level (guessing)",
    "choosing": "design",
    "decades": "compute_equivalent or log10_multiplier",
    "doubts": "warnings",
    "gain": "uplift",
    "gates": "required",
    "judge": "diagnose",
    "standin": "fake posterior",
    "world": "simulation",
    "worlds": "simulations",
} | {word: new for word, new in WORDS.items() if word.isalpha()}
ALLOWED = "chance_level"
# A sentence that begins with its verb.
INVERTED = r"(?:Drawn|Judged|Listed|Printed|Ranked|Sampled|Shown|Taken) (?:is|are)"

# Files that need old words, by word ("" for all), with the reason.
EXCEPTIONS = {
    ("CHANGELOG.md", ""): "lists renamed names, old and new, and describes earlier releases",
    (HERE, ""): "lists the words",
    ("bayescale/inference/posterior.py", "verdict"): "name of an attribute in files of earlier versions",
    ("tests/inference/test_posterior_file.py", "verdict"): "name of an attribute in files of earlier versions",
    ("bayescale/inference/storage.py", "verdict"): "name of an attribute in files of earlier versions",
}
# Rooms that are not clean yet. Delete a line when its room is.
TO_COME: tuple[str, ...] = ()


def files() -> dict[str, Path]:
    """Return the files that people write, by name: no fixtures of other tools, nothing that is built."""
    found = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*") if path.suffix in SUFFIXES]
    names = {path.relative_to(ROOT).as_posix(): path for path in [*ROOT.glob("*.md"), *found]}
    return {name: path for name, path in names.items() if not {"_build", "fixtures"} & set(path.parts)}


def source(path: Path) -> str:
    """Return the text of a file; of a notebook its cells, without outputs."""
    text = path.read_text("utf-8")
    if path.suffix != ".ipynb":
        return text
    return "\n".join("".join(cell["source"]) for cell in json.loads(text)["cells"])


def old_words(text: str) -> set[str]:
    """Return the old words of a text."""
    pattern = rf"(?<!\w)(?:{'|'.join(map(re.escape, WORDS))})(?!\w)"
    return {word.lower() for word in re.findall(pattern, text, re.IGNORECASE)} | set(re.findall(INVERTED, text))


def old_names(code: str) -> set[str]:
    """Return the old words in names of Python code, in snake case or camel case."""
    tokens = {t.string for t in tokenize.generate_tokens(io.StringIO(code).readline) if t.type == tokenize.NAME}
    parts = {re.sub(r"(?<=[a-z])(?=[A-Z])", "_", name).lower() for name in tokens}
    return {part for name in parts for part in name.replace(ALLOWED, "").split("_")} & set(NAMES)


@pytest.mark.parametrize("name", [n for n in files() if not n.startswith(TO_COME) and (n, "") not in EXCEPTIONS])
def test_no_old_word_is_left(name: str) -> None:
    text = source(ROOT / name)
    old = old_words(text) | (old_names(text) if name.endswith(".py") else set())
    old |= set(re.split(r"[\W_]", name)) & set(NAMES)
    known = {**NAMES, **WORDS}
    assert not {w: known.get(w, "subject first, active voice") for w in old if (name, w) not in EXCEPTIONS}


def test_exceptions_and_rooms_to_come_exist_and_are_needed() -> None:
    for name, word in EXCEPTIONS:
        text = source(ROOT / name)
        assert not word or word in old_words(text) | old_names(text)
    assert all((ROOT / name).exists() for name in TO_COME)


@pytest.mark.parametrize(
    ("text", "old"), [("The gauge of it.", {"gauge"}), ("Bent, not absent.", {"bent"}), ("Hills", set())]
)
def test_words_are_found_where_they_stand_alone(text: str, old: set[str]) -> None:
    assert old_words(text) == old
    assert old_words("Judged are expected scores.") == {"Judged are"}


def test_names_are_found_in_code_alone() -> None:
    assert old_names("decades_on = LastWorld()  # gain") == {"decades", "world"}
    assert old_names("chance_level = 'gain'") == set()
