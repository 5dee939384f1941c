"""Inputs that are wrong, each with the sentence that says so: no error of a library, no value that slips through."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import Run

from bayescale import Posterior, Spec, build_model, fit
from bayescale.checks import prior_predictive
from bayescale.errors import BayescaleError
from bayescale.evals import Evals, load_evals, read_evals
from bayescale.evals.importers import import_evals
from bayescale.model.spec import load_spec

# Whatever follows in a message: at most a screen.
LONGEST = 6_000

RIGHT: dict[str, dict[str, list[Any]]] = {
    "models": {
        "model": ["m1", "m2", "m3"], "family": ["F", "F", "G"], "kind": ["base"] * 3, "code": [False] * 3,
        "params_b": [7.0, 70.0, 8.0], "tokens_t": [1.0, 2.0, 1.0], "flops": [1e22, 1e23, 5e22],
        "flops_log10_sd": [0.0] * 3,
    },
    "benchmarks": {"benchmark": ["b1", "b2"], "items": [100.0, 200.0], "floor": [0.0, 0.25], "ceiling": [1.0, 1.0]},
    "scores": {"model": ["m1", "m2", "m3", "m1"], "benchmark": ["b1", "b1", "b1", "b2"], "score": [0.2, 0.5, 0.3, 0.4]},
}  # fmt: skip


def tables() -> dict[str, Any]:
    return {name: pd.DataFrame(columns).astype(object) for name, columns in RIGHT.items()}


def evals(drop: tuple[str, str] | None = None, **other: Any) -> Evals:
    """Return right tables, without a column, or with something else instead of one of them."""
    given = tables()
    if drop:
        given[drop[0]] = given[drop[0]].drop(columns=drop[1])
    return Evals(**(given | other))


def cell(table: str, column: str, value: Any) -> Evals:
    """Return right tables with one value in the first row that is not."""
    given = tables()
    given[table].at[0, column] = value  # noqa: PD008
    return Evals(**given)


TABLES: list[tuple[Callable[..., Any], str]] = [
    (lambda: evals(models={"family": "x"}), "not a table"),
    (lambda: evals(models=None), "not a table"),
    (lambda: evals(scores=[1, 2]), "not a table"),
    (lambda: evals(models="models.csv"), "not a table"),
    (lambda: evals(drop=("models", "family")), "models, column family: the column is missing"),
    (lambda: evals(drop=("scores", "score")), "scores, column score: the column is missing"),
    (lambda: evals(drop=("benchmarks", "benchmark")), "benchmarks, column benchmark: the column is missing"),
    (lambda: cell("models", "model", ""), "a model needs a name"),
    (lambda: cell("models", "model", "m2"), "this model is in the table already (.iloc[0])"),
    (lambda: cell("models", "model", "a\tb"), "the name contains a line break, tab or other invisible character"),
    (lambda: cell("models", "model", np.zeros(3)), "not in the table of models"),
    (lambda: cell("models", "family", ""), "a model needs a family"),
    (lambda: cell("models", "kind", "chat"), "no such kind of model"),
    (lambda: cell("models", "flops", "1e23 FLOP"), "not a number"),
    (lambda: cell("models", "flops", 23), "too little compute for a language model: it looks like a log10 or a"),
    (lambda: cell("models", "flops", 10**5000), "not a number"),
    (lambda: cell("models", "flops", -1e23), "training compute must be positive and finite"),
    (lambda: cell("models", "flops", math.inf), "training compute must be positive and finite"),
    (lambda: cell("models", "params_b", 7e9), "too many: the unit is 10^9"),
    (lambda: cell("models", "tokens_t", 2e12), "too many: the unit is 10^12"),
    (lambda: cell("models", "flops_log10_sd", -1), "must be finite and not negative"),
    (lambda: cell("models", "code", "maybe"), "neither true nor false"),
    (lambda: cell("benchmarks", "items", 0), "the number of test items must be a whole number, 1 or more"),
    (lambda: cell("benchmarks", "items", 0.5), "the number of test items must be a whole number, 1 or more"),
    (lambda: cell("benchmarks", "floor", 25), "the floor must lie in [0, 1]"),
    (lambda: cell("benchmarks", "floor", -0.1), "the floor must lie in [0, 1]"),
    (lambda: cell("benchmarks", "ceiling", 0), "the floor is not below the ceiling (0)"),
    (lambda: cell("benchmarks", "ceiling", "1.0 or so"), "not a number"),
    (lambda: cell("scores", "score", 57.3), "outside [0, 1], looks like a percentage"),
    (lambda: cell("scores", "score", -0.1), "outside [0, 1]"),
    (lambda: cell("scores", "score", "n/a"), "not a number"),
    (lambda: cell("scores", "score", None), "a score is needed"),
    (lambda: cell("scores", "score", True), "not a number"),
    (lambda: cell("scores", "model", "nobody"), "not in the table of models"),
    (lambda: cell("scores", "benchmark", "nothing"), "not in the table of benchmarks"),
    (lambda: Evals.from_json(""), "This is not the JSON of an Evals"),
    (lambda: Evals.from_json("[]"), "This is not the JSON of an Evals"),
    (lambda: Evals.from_json("{}"), "This is not the JSON of an Evals"),
    (lambda: Evals.from_json("[" * 100000), "This is not the JSON of an Evals"),
    (lambda: Evals.from_json('{"format": 99, "name": "x"}'), "These evals have format 99, newer than 2: install a"),
    (lambda: Evals.from_json('{"format": Infinity, "name": "x"}'), "This is not the JSON of an Evals"),
    (
        lambda: Evals.from_json('{"format": 1, "name": "x", "models": 3, "benchmarks": 3, "scores": 3}'),
        "This is not the JSON of an",
    ),
    (
        lambda: Evals.from_json('{"format": 1, "name": "x", "models": {"model": 1}, "benchmarks": {}, "scores": {}}'),
        "This is not the JSON of an",
    ),
    (
        lambda: Evals.from_json('{"format": 1, "name": "x", "models": [[]], "benchmarks": [], "scores": [1]}'),
        "models, column model: the",
    ),
    (lambda: load_evals("base-llm"), "There is no set of evals 'base-llm'"),
    (lambda: load_evals(""), "There is no set of evals ''"),
    (lambda: read_evals("no/such/folder"), "there is no such directory"),
    (lambda: evals().select(families=["Z"]), "There is no family 'Z'"),
    (lambda: evals().select(benchmarks="nothing"), "There is no benchmark 'nothing'"),
    (lambda: evals().split(25), "flops=25 is not a plausible training compute"),
    (lambda: evals().split("much"), "flops='much' is not a number"),
    (lambda: evals().split(-1), "flops=-1 is not a plausible training compute"),
    (lambda: evals().split(math.nan), "flops=nan is not a plausible training compute"),
]

SPECS: list[tuple[Callable[..., Any], str]] = [
    (lambda: Spec.from_yaml(""), "A spec is a mapping such as 'factors: 4'"),
    (lambda: Spec.from_yaml("[1, 2]"), "A spec is a mapping such as 'factors: 4'"),
    (lambda: Spec.from_yaml("factors"), "A spec is a mapping such as 'factors: 4'"),
    (lambda: Spec.from_yaml("factors: {"), "The spec is not YAML"),
    (lambda: Spec.from_yaml("factors: 2\nfactors: 3"), "the key 'factors' is there 2 times (lines 1, 2). Keep one"),
    (
        lambda: Spec.from_yaml("{a: 1, a: 2, priors: {\nslope: 1, slope: 2}}"),
        "the key 'slope' is there 2 times (lines 2, 2); the key 'a' is there 2 times (lines 1, 1)",
    ),
    (lambda: Spec.from_yaml("factors: 0"), "0 is no number of capabilities: a whole number from 1 to 20, or auto"),
    (lambda: Spec.from_yaml("factors: -1"), "-1 is no number of capabilities: a whole number from 1 to 20, or auto"),
    (lambda: Spec.from_yaml("factors: 2.5"), "2.5 is no number of capabilities: a whole number from 1 to 20, or"),
    (lambda: Spec.from_yaml("factors: two"), "'two' is no number of capabilities: a whole number from 1 to 20, or"),
    (lambda: Spec.from_yaml("factors: [1]"), "[1] is no number of capabilities: a whole number from 1 to 20, or"),
    (lambda: Spec.from_yaml("factors: 1e99"), "'1e99' is no number of capabilities: a whole number from 1 to 20,"),
    (lambda: Spec.from_yaml("factors: .nan"), "nan is no number of capabilities: a whole number from 1 to 20, or"),
    (lambda: Spec.from_yaml("factor: 2"), "There is no key of a spec 'factor'"),
    (lambda: Spec.from_yaml("1: 2"), "There is no key of a spec '1'"),
    (lambda: Spec.from_yaml("null: 2"), "There is no key of a spec 'None'"),
    (lambda: Spec.from_yaml("? [a, b]\n: 2"), "The spec is not YAML"),
    (lambda: Spec.from_yaml("name: 3"), "name: Input should be a valid string"),
    (lambda: Spec.from_yaml("name: [a]"), "name: Input should be a valid string"),
    (lambda: Spec.from_yaml("curve: line"), "curve: Input should be 'sigmoid' or 'richards'"),
    (lambda: Spec.from_yaml("curve: null"), "curve: Input should be 'sigmoid' or 'richards'"),
    (
        lambda: Spec.from_yaml("covariates: [log10_flop]"),
        "There is no covariate 'log10_flop'. Did you mean 'log10_flops'",
    ),
    (lambda: Spec.from_yaml("covariates: log10_flops log10_params"), "covariates: Input should be a valid tuple"),
    (lambda: Spec.from_yaml("covariates: []"), "covariates must name at least one covariate, each once"),
    (lambda: Spec.from_yaml("covariates: 3"), "covariates: Input should be a valid tuple"),
    (lambda: Spec.from_yaml("covariates: [log10_flops, log10_flops]"), "covariates must name at least one"),
    (lambda: Spec.from_yaml("priors: 3"), "priors: Input should be a valid dictionary or instance of Priors"),
    (lambda: Spec.from_yaml("priors: [Normal(0, 1)]"), "priors: Input should be a valid dictionary or instance of"),
    (lambda: Spec.from_yaml("priors: {slop: 'Normal(0, 1)'}"), "There is no prior 'slop'"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(0, 1'}"), "'Normal(0, 1' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: 'Norml(0, 1)'}"), "There is no prior distribution 'Norml'"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(0, -1)'}"), "Normal: sigma=-1 must be positive"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(0, 0)'}"), "Normal: sigma=0 must be positive"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(0, inf)'}"), "'Normal(0, inf)' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(nan, 1)'}"), "'Normal(nan, 1)' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(a, b)'}"), "'Normal(a, b)' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: 'Normal(0, 1, 2, 3)'}"), "'Normal(0, 1, 2, 3)' gives a parameter"),
    (lambda: Spec.from_yaml("priors: {slope: '__import__(1)'}"), "There is no prior distribution '__import__'"),
    (lambda: Spec.from_yaml("priors: {slope: 3}"), "'3' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: null}"), "'None' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: ''}"), "'' is not a prior"),
    (lambda: Spec.from_yaml("priors: {slope: []}"), "'[]' is not a prior"),
    (lambda: Spec.from_yaml("priors: {family_sd: 'Normal(0, 1)'}"), "family_sd is a standard deviation"),
    (lambda: Spec.from_yaml("a: !!python/object/apply:os.system ['true']"), "The spec is not YAML"),
    (lambda: Spec.from_yaml("\0"), "The spec is not YAML"),
    (lambda: load_spec("defalt"), "There is no shipped spec 'defalt'"),
    (lambda: load_spec("none.yaml"), "There is no spec file 'none.yaml'"),
    (lambda: load_spec(3), "3 is no spec: give a Spec, the name of one, or the path of a .yaml file"),
    (lambda: load_spec(""), "There is no shipped spec ''"),
]

FITS: list[tuple[Callable[..., Any], str]] = [
    (lambda: fit("nope", evals()), "There is no shipped spec 'nope'"),
    (lambda: fit("one_factor", None), "None is no Evals: load them, evals = bs.load_evals('base-llms')"),
    (lambda: fit("one_factor", "base-lms"), "Did you mean 'base-llms'"),
    (lambda: build_model("one_factor", 3), "3 is no Evals: load them, evals ="),
    (lambda: fit("one_factor", evals(), draws=0), 'draws=0: a whole number, from 1 to 10,000,000, or "auto", is'),
    (lambda: fit("one_factor", evals(), draws="many"), "draws='many': a whole number, from 1 to 10,000,000, or"),
    (lambda: fit("one_factor", evals(), draws=1.5), 'draws=1.5: a whole number, from 1 to 10,000,000, or "auto",'),
    (lambda: fit("one_factor", evals(), draws=10**20), "draws=100000000000000000000: a whole number, from 1 to"),
    (lambda: fit("one_factor", evals(), tune=-1), "tune=-1: a whole number, from 1 to 10,000,000, is needed"),
    (lambda: fit("one_factor", evals(), chains=0), "chains=0: a whole number, from 1 to 10,000,000, is needed"),
    (lambda: fit("one_factor", evals(), chains=None), "chains=None: a whole number, from 1 to 10,000,000, is needed"),
    (lambda: fit("one_factor", evals(), cores=-2), "cores=-2: a whole number, from 1 to 10,000,000, is needed"),
    (lambda: fit("one_factor", evals(), target_accept=80), "target_accept=80 must lie between 0 and 1, such as 0.8"),
    (lambda: fit("one_factor", evals(), target_accept="high"), "target_accept='high' must lie between 0 and 1,"),
    (lambda: fit("one_factor", evals(), target_accept=math.nan), "target_accept=nan must lie between 0 and 1, such"),
    (lambda: fit("one_factor", evals(), nuts_sampler="stan"), "nuts_sampler='stan' is not one of nutpie, pymc,"),
    (lambda: fit("one_factor", evals(), nuts_sampler=["nutpie"]), "nuts_sampler=['nutpie'] is not one of nutpie,"),
    (lambda: fit("one_factor", evals(), max_minutes=0), "max_minutes=0: a positive number of minutes is needed"),
    (lambda: fit("one_factor", evals(), max_minutes="long"), "max_minutes='long': a positive number of minutes is"),
    (lambda: fit("one_factor", evals(), random_seed=-1), "random_seed=-1: a whole number from 0 to 2^64 - 1 is"),
    (lambda: fit("one_factor", evals(), random_seed="one"), "random_seed='one': a whole number from 0 to 2^64 - 1"),
    (lambda: prior_predictive("one_factor", evals(), draws=0), "draws=0: a whole number, at least 1, is needed"),
    (lambda: prior_predictive("one_factor", evals(), draws="many"), "draws='many': a whole number, at least 1, is"),
    (lambda: Posterior.load("none.nc"), "There is no posterior file 'none.nc'"),
]

QUESTIONS: list[tuple[Callable[..., Any], str]] = [
    (lambda posterior: posterior.forecast(), "Say which family: family='Llama-3', or family=bayescale.NEW_FAMILY"),
    (lambda posterior: posterior.forecast(family="Family-A"), "Say how much training compute: flops=4e25, or"),
    (lambda posterior: posterior.forecast(family="Family-Z", flops=1e25), "There is no family 'Family-Z'"),
    (lambda posterior: posterior.forecast(family=3, flops=1e25), "family=3 is not the name of a family, nor a list"),
    (lambda posterior: posterior.forecast(family=["Family-A", 3], flops=1e25), "family=['Family-A', 3] is not the"),
    (lambda posterior: posterior.forecast(family=[], flops=1e25), "family has 0 values where 1 are needed: give"),
    (lambda posterior: posterior.forecast(family=["Family-A"] * 2, flops=[1e25] * 3), "family has 2 values where 3"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=25), "flops=25 is far below any language"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=0), "flops=0 must be a positive number"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=-1e25), "flops=-1e+25 must be a positive number"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=math.nan), "flops=nan must be a positive number"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=math.inf), "flops=inf must be a positive number"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e40), "flops=1e+40 is beyond anything plausible"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=10**400), "flops=1000000000000000000000000000000"),
    (lambda posterior: posterior.forecast(family="Family-A", flops="much"), "flops='much' is not a number, or"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=[]), "flops must be one number or a list of"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=[[1e25]]), "flops must be one number or a list"),
    (lambda posterior: posterior.forecast(family="Family-A", flops={"a": 1}), "flops={'a': 1} is not a number, or"),
    (lambda posterior: posterior.forecast(family="Family-A", params=70), "params=70 is far below any language"),
    (lambda posterior: posterior.forecast(family="Family-A", tokens=15), "tokens=15 is far below any language"),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given={"bench-9": 0.5}),
        "There is no benchmark",
    ),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given={"bench-1": 50}), "given: the score of"),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given={"bench-1": -0.1}),
        "given: the score of",
    ),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given={"bench-1": math.nan}),
        "given: the score of",
    ),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given={"bench-1": "high"}),
        "given['bench-1']='high' is",
    ),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given={"bench-1": [0.5]}),
        "given['bench-1']=[0.5] is",
    ),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given=["bench-1"]),
        "given=['bench-1'] must map",
    ),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25, given=0.5), "given=0.5 must map"),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=[1e24, 1e25], given={"bench-1": 0.5}),
        "given= holds the scores of",
    ),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25, random_seed=-1), "random_seed=-1: a whole"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25, random_seed="x"), "random_seed='x': a whole"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25, random_seed=2.5), "random_seed=2.5: a whole"),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25).summary(prob=90), "prob=90 is not a"),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25).summary(prob="0.9"),
        "prob='0.9' is not a number:",
    ),
    (lambda posterior: posterior.forecast(family="Family-A", flops=1e25).summary(prob=math.nan), "prob=nan is not a"),
    (
        lambda posterior: posterior.forecast(family="Family-A", flops=1e25).summary(prob=None),
        "prob=None is not a number:",
    ),
    (lambda posterior: posterior.expected_scores(["nobody"]), "Model 'nobody' is not in the fitted data"),
    (lambda posterior: posterior.efficiency("Family-Z"), "Family 'Family-Z' is not in the fitted data"),
    (lambda posterior: posterior.efficiency(3), "Family '3' is not in the fitted data"),
    (lambda posterior: posterior.efficiency(along="years"), "There is no measure of efficiency along 'years'"),
    (lambda posterior: posterior.equivalent_flops(of="every"), "There is no equivalent FLOPs of 'every'"),
    (lambda posterior: posterior.emergence("bench-9"), "Benchmark 'bench-9' is not in the fitted data"),
    (lambda posterior: posterior.emergence("bench-1", "Family-Z"), "Family 'Family-Z' is not in the fitted data"),
    (lambda posterior: posterior.emergence("bench-1", random_seed=-3), "random_seed=-3: a whole number from 0 to"),
    (lambda posterior: posterior.explained_variance("bench-9"), "Benchmark 'bench-9' is not in the fitted data"),
    (lambda posterior: posterior.explained_variance("bench-1", ["bench-1"]), "bench-1 is the target: leave it out"),
    (lambda posterior: posterior.explained_variance("bench-1", ["bench-9"]), "Benchmark 'bench-9' is not in the"),
    (lambda posterior: posterior.explained_variance("bench-1", model="nobody"), "Model 'nobody' is not in the"),
    (
        lambda posterior: posterior.explained_variance("bench-1", model="Family-A-1", family="Family-A"),
        "model='Family-A-1' has a",
    ),
    (lambda posterior: posterior.uplift("bench-1", "bench-1"), "The uplift of 'bench-1' over itself is zero: name"),
    (lambda posterior: posterior.uplift("bench-1", "bench-9"), "Benchmark 'bench-9' is not in the fitted data"),
    (lambda posterior: posterior.suggest_models(0), "budget=0 models buys no model: the cheapest, Family-A-0,"),
    (lambda posterior: posterior.suggest_models("many"), "budget='many' is not a number"),
    (lambda posterior: posterior.suggest_models(math.nan), "budget=nan models buys no model: the cheapest,"),
    (lambda posterior: posterior.suggest_models(3, "bench-9"), "Benchmark 'bench-9' is not in the data"),
    (lambda posterior: posterior.suggest_models(3, candidates=["nobody"]), "Model 'nobody' is not in the fitted"),
    (lambda posterior: posterior.suggest_models(3, families=["Family-Z"]), "Family 'Family-Z' is not in the fitted"),
    (lambda posterior: posterior.suggest_models(3, forecast_models=[]), "forecast_models is empty: name the models"),
    (lambda posterior: posterior.suggest_models(3, cost="colour"), "Column of numbers 'colour' is not in the table"),
    (lambda posterior: posterior.suggest_models(3, cost={"Family-A-1": -1}), "A cost is needed for each candidate,"),
    (lambda posterior: posterior.predictive_check(draws=0), "draws=0: a whole number, at least 1, is needed"),
    (lambda posterior: posterior.predictive_check(draws="many"), "draws='many': a whole number, at least 1, is"),
    (lambda posterior: posterior.to_html(draws=1), "draws=1 are too few for intervals: give at least 50"),
    (lambda posterior: posterior.to_html("report.pdf"), "report.pdf"),
    (lambda posterior: posterior.to_html(prob=2), "prob=2 is not a probability between 0 and 1"),
    (lambda posterior: posterior.to_html(backtest="no/such/folder"), "is not a folder of `bayescale backtest`"),
]

IMPORTS: list[tuple[Callable[..., Any], str]] = [
    (lambda files: import_evals("lm-evl", files()), "There is no importer 'lm-evl'"),
    (lambda files: import_evals("lm-eval", "no/such"), "There is no file or folder 'no/such' to import"),
    (lambda files: import_evals("lm-eval", files()), "there is no file .json in or below it"),
    (lambda files: import_evals("lm-eval", files("x.json", "")), "cannot be read as JSON"),
    (lambda files: import_evals("lm-eval", files("x.json", "[" * 100000)), "cannot be read as JSON"),
    (lambda files: import_evals("lm-eval", files("x.json", '{"results": {}}')), "names no model: neither"),
    (
        lambda files: import_evals(
            "lm-eval", files("x.json", '{"results": {"a": {"acc,none": "high"}}, "model_name": "m"}')
        ),
        "a acc,none: not a number",
    ),
    (
        lambda files: import_evals(
            "lm-eval", files("x.json", '{"results": {"a": {"acc,none": NaN}}, "model_name": "m"}')
        ),
        "a acc: not a number",
    ),
    (
        lambda files: import_evals(
            "lm-eval", files("x.json", '{"results": {"a": {"acc,none": 0.5}}, "model_name": ["m"]}')
        ),
        "names no model: neither",
    ),
    (
        lambda files: import_evals(
            "lm-eval", files("x.json", '{"results": {"gsm8k": {"acc,none": 1e400}}, "model_name": "m"}')
        ),
        "gsm8k acc: outside [0, 1]",
    ),
    (lambda files: import_evals("lm-eval", files(), colour="red"), "The importer lm-eval has no option colour"),
    (lambda files: import_evals("lm-eval", pd.DataFrame()), "The importer lm-eval reads files"),
    (lambda files: import_evals("lighteval", files("x.json", '{"results": {"a|b|0": 3}}')), "names no model: neither"),
    (
        lambda files: import_evals("every-eval-ever", files("x.json", '{"evaluation_results": 3}')),
        "does not follow the schema",
    ),
    (lambda files: import_evals("wide", files("x.csv", "")), "x.csv is empty"),
    (lambda files: import_evals("wide", files("x.csv", "a,b\n1,2\n")), "There is no column 'model'"),
    (lambda files: import_evals("wide", files("x.csv", "model\nm\n")), "it has no scores"),
    (lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,high\n")), "MMLU: not a number: 'high'"),
    (
        lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,0.5\n"), mapping="none.yaml"),
        "There is no mapping file",
    ),
    (
        lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,0.5\n"), mapping=3),
        "mapping=3 is neither a file",
    ),
    (
        lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,0.5\n"), mapping={"benchmarks": 3}),
        "benchmarks: Input should be",
    ),
    (
        lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,0.5\n"), mapping={"colours": {}}),
        "colours: Extra inputs are",
    ),
    (
        lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,0.5\n"), mapping=str(files("m.yaml", "a: ["))),
        "Cannot read the mapping",
    ),
    (
        lambda files: import_evals("wide", files("x.csv", "model,MMLU\nm,0.5\n"), models="none.csv"),
        "none.csv: there is no such",
    ),
    (
        lambda files: import_evals(
            "wide", files("x.csv", "model,MMLU\nm,0.5\n"), models=pd.DataFrame({"colour": ["red"]})
        ),
        "models.csv line 1, column",
    ),
    (
        lambda files: import_evals("wide", pd.DataFrame({"model": ["m"], "MMLU": [np.zeros(2)]})),
        "the data frame: MMLU: not a",
    ),
    (lambda files: import_evals("long", files("x.csv", "model,benchmark\nm,b\n")), "no column of scores: none is"),
    (lambda files: import_evals("long", files("x.csv", "model,benchmark,score\nm,b,\n")), "b: the score is blank"),
    (lambda files: import_evals("long", files("x.xlsx", "no workbook")), "Cannot read x.xlsx"),
    (lambda files: import_evals("long", files("x.parquet", "no table")), "Cannot read x.parquet"),
    (lambda files: import_evals("epoch", files("x.csv", "Model version,Score\n")), "it has no rows"),
]

COMMANDS = [
    ("fit nope --save {new}", "There is no shipped spec 'nope'"),
    ("fit --save {folder}", "Cannot write 'folder': it is a folder"),
    ("fit --save {folder}/none/p.nc", "Cannot write p.nc: there is no folder 'folder/none'"),
    ("fit --draws 0 --save {new}", "'0' is not greater than or equal to 1"),
    ("fit --draws 99999999999999999999 --save {new}", "--draws 99999999999999999999: a whole number, from 1 to"),
    ("fit --draws many --save {new}", "'many' is not a whole number"),
    ("fit --chains 0 --save {new}", "'0' is not greater than or equal to 1"),
    ("fit --target-accept 80 --save {new}", "'80' is not less than or equal to 1"),
    ("fit --nuts-sampler stan --save {new}", "'stan' is not one of 'nutpie', 'pymc', 'numpyro'"),
    ("fit --random-seed -1 --save {new}", "'-1' is not greater than or equal to 0"),
    ("fit --evals none --save {new}", "There is no set of evals 'none'"),
    ("fit --evals no/such --save {new}", "'no/such' — there is no such directory"),
    ("fit one_factor --evals {folder} --save {new}", "3 problems in folder:"),
    ("fit none.yaml --save {new}", "There is no spec file 'none.yaml'"),
    ("fit --max-minutes 0 --draws 10 --save {new}", "--max-minutes 0.0: a positive number of minutes is needed"),
    ("prior --draws 0", "'0' is not greater than or equal to 1"),
    ("prior --prob 90", "--prob 90 is not a probability between 0 and 1"),
    ("prior --csv {folder}", "Cannot write 'folder': it is a folder"),
    ("prior --plot {folder}/x.xyz", "Cannot draw 'x.xyz': its ending is not a format for figures"),
    ("check none.nc", "There is no posterior file 'none.nc'"),
    ("forecast none.nc --new-family --flops 1e25", "There is no posterior file 'none.nc'"),
    ("forecast {text} --new-family --flops 1e25", "is damaged or not a netCDF file"),
    ("forecast {folder} --new-family --flops 1e25", "There is no posterior file 'folder'"),
    ("forecast {posterior}", "give the family of the model: --family NAME, or --new-family for a family that is"),
    ("forecast {posterior} --family Family-A", "Say how much training compute: --flops 4e25, or --params and"),
    ("forecast {posterior} --family Family-Z --flops 1e25", "There is no family 'Family-Z'"),
    ("forecast {posterior} --family Family-A --new-family --flops 1e25", "give either --family NAME, for a family"),
    ("forecast {posterior} --family Family-A --flops 25", "--flops 25 is far below any language model's. --flops"),
    ("forecast {posterior} --family Family-A --flops nan", "--flops nan must be a positive number"),
    ("forecast {posterior} --family Family-A --flops much", "'much' is not a number"),
    ("forecast {posterior} --family Family-A --flops 1e25 --given bench-1", "'bench-1' is not of the form"),
    ("forecast {posterior} --family Family-A --flops 1e25 --given bench-1=high", "'bench-1=high' is not of the"),
    ("forecast {posterior} --family Family-A --flops 1e25 --given bench-1=50", "given: the score of bench-1, 50,"),
    (
        "forecast {posterior} --family Family-A --flops 1e25 --given bench-1=0.5 --given bench-1=0.6",
        "Invalid value for --given:",
    ),
    ("forecast {posterior} --family Family-A --flops 1e25 --prob 1.5", "--prob 1.5 is not a probability between 0"),
    ("forecast {posterior} --family Family-A --flops 1e25 --csv {folder}", "Cannot write 'folder': it is a folder"),
    ("forecast {posterior} --family Family-A --flops 1e25 --netcdf none/x.nc", "Cannot write x.nc: there is no"),
    ("report {posterior} --html {folder}", "Cannot write 'folder': it is a folder"),
    ("report {posterior} --html {new} --draws 3", "--draws 3 are too few for intervals: give at least 50"),
    ("report {posterior} --html {new} --backtest no/such", "'no/such' is not a folder of `bayescale backtest`:"),
    ("suggest {posterior} --budget 0", "--budget 0 models buys no model: the cheapest, Family-A-0, costs 1"),
    ("suggest {posterior} --budget many", "'many' is not a number"),
    ("suggest {posterior} --budget 3 --target bench-9", "Benchmark 'bench-9' is not in the data"),
    ("suggest {posterior} --budget 3 --max-flops 25", "No model is left to choose from: none of the candidates"),
    ("suggest {posterior} --budget 3 --cost colour", "Column of numbers 'colour' is not in the table of models"),
    ("data export none {new}", "There is no set of evals 'none'"),
    ("data export base-llms {text}", "Cannot create the folder 'text': a file has this name"),
    ("data validate {text}", "text has 1 error to correct, listed above"),
    ("data update no/such", "such is no table in CSV, TSV, Excel or Parquet: its name ends in 'nothing'"),
    ("import lm-eval {folder}", "give either --out DIR, for new tables, or --into DIR, to merge with existing ones"),
    ("import lm-eval {folder} -o {new} --into {folder}", "give either --out DIR, for new tables, or --into DIR, to"),
    ("import wide {text} -o {new}", "text is no table in CSV, TSV, Excel or Parquet: its name ends in 'nothing'"),
    ("import wide {text} -o {new} --mapping {folder}", "There is no mapping 'folder'"),
    ("compare --folds 1 -o {new}", "'1' is not greater than or equal to 2"),
    ("compare --factors 6-1 -o {new}", "factors: give at least one number of capabilities, such as range(1, 7)"),
    ("compare --priors slope=Normal -o {new}", "'Normal' is not a prior"),
    ("demo -o {text}", "Cannot create the folder 'text': a file has this name"),
    ("nope", "No such command 'nope'"),
]


def sentence(call: Callable[..., Any], *arguments: Any) -> str:
    """Return the message of the error that a call raises, which is one of the package's own."""
    with pytest.raises(BayescaleError) as caught:
        call(*arguments)
    message = str(caught.value)
    assert len(message) < LONGEST
    return message


def named(cases: list[tuple[Any, str]]) -> Any:
    return pytest.mark.parametrize(("call", "words"), cases, ids=[words[:40] for _, words in cases])


@named([*TABLES, *SPECS, *FITS])
def test_tables_specs_and_fits(call: Callable[[], Any], words: str) -> None:
    assert words in sentence(call)


@named(QUESTIONS)
def test_questions_to_a_posterior(call: Callable[[Posterior], Any], words: str, posterior: Posterior) -> None:
    assert words in sentence(call, posterior)


@named(IMPORTS)
def test_imports(call: Callable[[Any], Any], words: str, tmp_path: Path) -> None:
    def files(name: str = "", content: str = "") -> Path:
        if name:
            (tmp_path / name).write_text(content)
        return tmp_path / name

    assert words in sentence(call, files)


@pytest.fixture(scope="module")
def saved(posterior: Posterior, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return posterior.save(tmp_path_factory.mktemp("bad") / "posterior.nc")


@pytest.mark.parametrize(("command", "words"), COMMANDS, ids=[command for command, _ in COMMANDS])
def test_commands(
    command: str, words: str, run: Run, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("hello")
    shutil.copy(saved, tmp_path / "posterior.nc")
    names = {"new": "new", "folder": "folder", "text": "text", "posterior": "posterior.nc"}
    code, _, err = run(*command.format(**names).split())
    assert code == 2
    assert words in " ".join(err.split())
    assert "Traceback" not in err
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "text", "posterior.nc"}
    assert list((tmp_path / "folder").iterdir()) == []
