# Everything a fresh machine needs, given Python 3.11 or later, make and the package index.
#
#   make demo    set up, then the main job: fit public models, forecast larger ones, write table and pictures to demo/
#   make test    set up, then lint, types, and the fast tests
#
# The set-up happens once, in .venv; it is repeated when pyproject.toml changes. Another Python has a folder of its own:
#
#   make PYTHON=python3.13 VENV=.venv313 test

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# Pictures go to files: no command here opens a window.
export MPLBACKEND := Agg
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-heavy test-stack test-all lint types notebooks docs clean

help:  ## show this list
	@sed -n 's/^\([a-z-]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 20

setup: $(READY)  ## make .venv with the package and its tools, once

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "bayescale needs Python 3.11 or later, which '$(PYTHON)' is not. Name one: make PYTHON=python3.12 ..."; exit 1; } >&2
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	  echo "'$(PYTHON)' lacks the modules venv and ensurepip. On Debian and Ubuntu: apt install python3-venv"; exit 1; } >&2
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	@touch $@

demo: $(READY)  ## the main job, with its results in demo/
	$(BIN)/bayescale demo -o demo

# Two test processes on two cores: linear algebra with threads of its own would take a third as long again.
test: export OMP_NUM_THREADS := 1
test: lint types  ## lint, types, and the fast tests
	$(BIN)/python -m pytest -m "not slow and not heavy" -n 2 tests

test-heavy: $(READY)  ## what starts processes or compiles a model: killed fits, workers that die, a cluster, a few draws
	$(BIN)/python -m pytest -m "heavy and not slow" tests

# What depends on PyMC, ArviZ, nutpie and PyTensor themselves: compiling, sampling, files, processes.
STACK := tests/model tests/inference tests/checks tests/cli/test_cli_processes.py

test-stack: export OMP_NUM_THREADS := 1
test-stack: $(READY)  ## the fast tests, and the heavy ones of compiling, samplers and files: for a second Python
	$(BIN)/python -m pytest -m "not slow and not heavy" -n 2 tests
	$(BIN)/python -m pytest -m "heavy and not slow" $(STACK)

test-all: lint types  ## all of them, with the slow tests, which sample to convergence
	$(BIN)/python -m pytest -n 2 --doctest-modules bayescale tests

lint: $(READY)  ## ruff: rules and format; import-linter: the stages of the house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports --no-cache

types: $(READY)  ## mypy
	$(BIN)/mypy

notebooks: $(READY)  ## run the notebooks with few draws; the files stay as they are
	BAYESCALE_FAST=1 $(BIN)/python scripts/run_notebooks.py notebooks

# One fresh read of everything: a page that was built before would keep its warnings to itself.
docs: $(READY)  ## the examples of the docstrings, and the site in docs/_build/html, offline; warnings are errors
	$(BIN)/python -m pytest -q --doctest-modules bayescale
	$(BIN)/sphinx-build -c docs -d docs/_build/doctrees -E -W --keep-going -q . docs/_build/html
	$(BIN)/python scripts/check_site.py docs/_build/html
	@echo "Open docs/_build/html/index.html"

clean:  ## remove .venv, results and caches
	rm -rf .venv* .trixie* demo build dist docs/_build .pytest_cache .mypy_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
