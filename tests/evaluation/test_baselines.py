"""The baselines on simulations whose truth is known."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from scipy.special import expit

from bayescale.errors import MissingDependencyError
from bayescale.evals import Evals
from bayescale.evaluation.backtest import Fold, Predictive, load_tasks, make_folds
from bayescale.evaluation.backtest.baselines import BASELINES
from bayescale.evaluation.backtest.baselines.baseline import to_logit
from bayescale.evaluation.backtest.baselines.completion import complete
from bayescale.evaluation.backtest.baselines.dated import best_before

CUTOFF = 1e23


@dataclass
class Simulation:
    """Models in rows; those above the cutoff are hidden on every benchmark that is not `seen`."""

    flops: np.ndarray
    family: list[str]
    scores: dict[str, np.ndarray]
    seen: list[str] = field(default_factory=list)
    floor: str = "learned"
    suites: dict[str, str] = field(default_factory=dict)
    columns: dict[str, Any] = field(default_factory=dict)

    @property
    def hidden(self) -> np.ndarray:
        return ~(self.flops <= CUTOFF)

    def fold(self, folder: Path) -> Fold:
        """One fold with a task for every benchmark that is not seen."""
        names = [f"m{i}" for i in range(len(self.flops))]
        models = pd.DataFrame({"model": names, "family": self.family, "flops": self.flops} | self.columns)
        benchmarks = pd.DataFrame({"benchmark": list(self.scores)})
        benchmarks["suite"] = [self.suites.get(b, "") for b in self.scores]
        scores = pd.concat(
            [pd.DataFrame({"model": names, "benchmark": b, "score": s}) for b, s in self.scores.items()]
        ).dropna()
        evals = Evals(models, benchmarks, scores)
        group = {
            "group": "g",
            "title": "",
            "evals": "simulated",
            "benchmarks": list(self.scores),
            "seen": self.seen,
            "law_floor": self.floor,
            "hide": {"flops_above": CUTOFF},
            "targets": {b.replace(" ", "_"): b for b in self.scores if b not in self.seen},
        }
        (folder / "tasks.yaml").write_text(yaml.safe_dump({"groups": [group]}))
        # The tables are at hand: written and read, they would be validated twice more.
        with pytest.MonkeyPatch.context() as patch:
            for room in ("fold", "task"):
                module = importlib.import_module(f"bayescale.evaluation.backtest.{room}")
                patch.setattr(module, "task_evals", lambda name: evals)
            (fold,) = make_folds(load_tasks(file=folder / "tasks.yaml"))
        return fold


def compute(n: int, rng: np.random.Generator, hidden: float = 0.3) -> np.ndarray:
    """Training compute on both sides of the cutoff."""
    above = rng.random(n) < hidden
    return np.where(above, 10 ** rng.uniform(23.01, 24.5, n), 10 ** rng.uniform(20.5, 23, n))


def predict(name: str, fold: Fold, draws: int = 20, seed: int = 1, **settings: Any) -> Predictive:
    return replace(BASELINES[name], draws=draws, **settings).predict(fold, random_seed=seed)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def test_compute_law_finds_a_curve_without_noise(rng: np.random.Generator, tmp_path: Path) -> None:
    flops = compute(60, rng)
    score = 0.1 + 0.9 * expit(2 * np.log10(flops / CUTOFF))
    fold = Simulation(flops, ["F"] * 60, {"target": score}, columns={"params_b": np.sqrt(flops) / 1e10}).fold(tmp_path)
    for name in ("training_flops", "model_size"):
        actual = predict(name, fold)
        assert len(actual.cells) == (flops > CUTOFF).sum()
        np.testing.assert_allclose(actual.mean, actual.cells["score"], atol=1e-4)


def test_a_floor_at_the_chance_level_is_not_learned(rng: np.random.Generator, tmp_path: Path) -> None:
    flops = compute(60, rng)
    score = 0.2 + 0.8 * expit(2 * np.log10(flops / CUTOFF))
    fold = Simulation(flops, ["F"] * 60, {"target": score}, floor="chance").fold(tmp_path)
    assert np.abs(predict("training_flops", fold).mean - fold.cells["score"]).max() > 0.01
    told = replace(fold, tasks=(fold.tasks[0].model_copy(update={"chance_level": 0.2}),))
    np.testing.assert_allclose(predict("training_flops", told).mean, told.cells["score"], atol=1e-4)


def test_logits_of_rank_two_are_completed(rng: np.random.Generator) -> None:
    logits = rng.normal(size=(80, 2)) @ rng.normal(size=(2, 9)) + rng.normal(size=9)
    hidden = np.where(rng.random(logits.shape) < 0.2, np.nan, logits)
    np.testing.assert_allclose(complete(hidden, rank=2, penalty=1e-8), logits, atol=1e-3)
    # A penalty draws what is unknown towards the mean of its column.
    unknown = np.isnan(hidden)
    less = complete(hidden, rank=2, penalty=3.0)
    assert np.abs(less - logits.mean(axis=0))[unknown].mean() < np.abs(logits - logits.mean(axis=0))[unknown].mean()


def test_completion_finds_scores_without_noise(rng: np.random.Generator, tmp_path: Path) -> None:
    flops = compute(60, rng)
    capability = np.column_stack([np.log10(flops / CUTOFF), rng.normal(size=60)])
    table = expit(capability @ rng.normal(size=(2, 6)))
    scores = {"target": table[:, 0], **{f"s{i}": table[:, i] for i in range(1, 6)}}
    fold = Simulation(flops, ["F"] * 60, scores, seen=[f"s{i}" for i in range(1, 6)]).fold(tmp_path)
    actual = predict("rank_two", fold)
    assert len(actual.cells) == (flops > CUTOFF).sum()
    np.testing.assert_allclose(actual.mean, actual.cells["score"], atol=0.03)


def factor_simulation(rng: np.random.Generator, factors: int, missing: float = 0.0, n: int = 60) -> Simulation:
    """Seen scores that are linear in some factors, and a target that is a sigmoid of the last of them."""
    flops = compute(n, rng)
    capability = rng.normal(size=(n, factors)) * np.array([1.0, 0.5])[:factors]
    loadings = rng.uniform(0.03, 0.06, size=(factors, 5)) * np.array([[1] * 5, [1, -1, 1, -1, 1]])[:factors]
    seen = 0.5 + capability @ loadings
    seen[rng.random(seen.shape) < missing] = np.nan
    scores = {f"seen {i}": seen[:, i] for i in range(5)}
    target = 0.05 + 0.95 * expit(capability[:, -1] - 1)
    return Simulation(flops, ["F"] * n, {**scores, "target": target}, seen=list(scores))


def test_as_many_components_as_factors_are_enough(rng: np.random.Generator, tmp_path: Path) -> None:
    fold = factor_simulation(rng, factors=2).fold(tmp_path)
    error = {n: np.abs(predict(n, fold).mean - fold.cells["score"]).max() for n in ("pc_1", "pc_2")}
    assert error["pc_2"] < 1e-3
    assert error["pc_1"] > 0.1


def test_missing_scores_are_imputed_from_the_component(rng: np.random.Generator, tmp_path: Path) -> None:
    fold = factor_simulation(rng, factors=1, missing=0.2).fold(tmp_path)
    actual = predict("pc_1", fold)
    np.testing.assert_allclose(actual.mean, actual.cells["score"], atol=1e-3)


def test_components_are_of_standard_benchmarks_where_there_are_some(rng: np.random.Generator, tmp_path: Path) -> None:
    simulation = factor_simulation(rng, factors=1)
    simulation.suites = dict.fromkeys(simulation.seen[:4], "standard") | {simulation.seen[4]: "chat"}
    # Noise, which would be the first component.
    simulation.scores[simulation.seen[4]] = rng.random(len(simulation.flops))
    actual = predict("pc_1", simulation.fold(tmp_path))
    np.testing.assert_allclose(actual.mean, actual.cells["score"], atol=1e-3)


def noisy_simulation(rng: np.random.Generator, n: int = 260, families: int = 12, spread: float = 0.0) -> Simulation:
    """A sigmoid law of compute with noise before the sigmoid, and families that differ by `spread`."""
    flops = compute(n, rng, hidden=0.7)
    family = rng.integers(families, size=n)
    offset = rng.normal(size=families) * spread
    eta = 1.2 * np.log10(flops / CUTOFF) + offset[family] + 0.4 * rng.normal(size=n)
    return Simulation(flops, [f"F{i}" for i in family], {"target": expit(eta)}, floor="chance")


@pytest.mark.heavy
@pytest.mark.parametrize(("name", "spread"), [("training_flops", 0.0), ("family_compute", 1.0)])
def test_intervals_cover_where_the_law_holds(name: str, spread: float, tmp_path: Path) -> None:
    """Averaged over simulations: within one, all forecasts share the error of the parameters."""
    coverage = []
    for seed in range(6):
        fold = noisy_simulation(np.random.default_rng(seed), n=150, spread=spread).fold(tmp_path)
        actual = predict(name, fold, draws=400, refits=40)
        low, high = np.quantile(actual.draws, [0.05, 0.95], axis=0)
        outcome = actual.cells["score"].to_numpy()
        coverage.append(((low <= outcome) & (outcome <= high)).mean())
    assert 0.84 < np.mean(coverage) < 0.95


def test_few_models_make_wide_intervals(rng: np.random.Generator, tmp_path: Path) -> None:
    """The uncertainty of the parameters is in the draws, not the scatter of the models alone."""
    fold = noisy_simulation(rng, n=60).fold(tmp_path)
    whole = predict("training_flops", fold, draws=1000)
    without = predict("training_flops", fold, draws=1000, refits=1)
    far = int(fold.cells["model"].map(fold.evals.models.set_index("model")["flops"]).argmax())
    assert np.std(whole.draws[:, far]) > np.std(without.draws[:, far])


def test_families_differ_and_a_new_one_is_average(rng: np.random.Generator, tmp_path: Path) -> None:
    n = 12
    flops = np.tile(np.geomspace(1e21, 9e22, n), 3)
    eta = np.log10(flops / CUTOFF) + np.repeat([-1.0, 0.0, 1.0], n)
    asked = np.full(5, 2e23)
    simulation = Simulation(
        np.concatenate([flops, asked]),
        ["weak"] * n + ["middling"] * n + ["strong"] * n + ["weak", "middling", "strong", "new", "another"],
        {"target": np.concatenate([expit(eta), np.full(5, 0.5)])},
        floor="chance",
    )
    weak, middling, strong, new, another = predict("family_compute", simulation.fold(tmp_path)).mean
    truth = expit(np.log10(2.0) + np.array([-1.0, 0.0, 1.0]))
    np.testing.assert_allclose([weak, middling, strong], truth, atol=0.03)
    assert new == another == pytest.approx(middling, abs=0.03)


def tiny_simulation() -> Simulation:
    """Two smaller siblings, one sibling of unknown compute, larger ones, none; and a family that nobody has seen."""
    rows: list[tuple[str, float, float]] = [
        ("A", 1e21, 0.20),
        ("A", 1e22, 0.30),
        ("A", np.nan, 0.90),
        ("B", 2e22, 0.40),
        ("B", 9e22, np.nan),
        ("C", 5e22, 0.50),
        ("C", 8e22, 0.60),
        ("A", 2e23, 0.70),
        ("B", 3e23, 0.71),
        ("new", 2e23, 0.72),
    ]
    family, flops, score = (np.array(column) for column in zip(*rows, strict=True))
    return Simulation(flops.astype(float), family.tolist(), {"target": score.astype(float)})


def test_last_sibling_by_hand(tmp_path: Path) -> None:
    actual = predict("last_sibling", tiny_simulation().fold(tmp_path))
    by_model = dict(zip(actual.cells["model"], actual.mean, strict=True))
    assert by_model == pytest.approx(
        {
            "m7": 0.30,  # the larger of two smaller siblings
            "m8": 0.40,  # the largest has no score
            "m9": (0.60 + 0.50 + 0.40) / 3,  # nobody of its family: the nearest three
        }
    )  # and m2, of unknown compute and so hidden, is left out


def test_siblings_grow_so_draws_lie_above(tmp_path: Path) -> None:
    actual = predict("last_sibling", tiny_simulation().fold(tmp_path), draws=500)
    assert actual.draws[:, 0].mean() > actual.mean[0]


@pytest.fixture(scope="module")
def full_simulation() -> Simulation:
    """Everything that any baseline asks for."""
    simulation = factor_simulation(np.random.default_rng(3), factors=2, missing=0.1, n=40)
    rng = np.random.default_rng(4)
    simulation.family = [f"F{i}" for i in rng.integers(5, size=40)]
    simulation.scores["other target"] = rng.uniform(0, 1, 40)
    simulation.columns = {
        "params_b": rng.uniform(1, 70, 40),
        "released": [f"202{i % 5}-0{1 + i % 9}" for i in range(40)],
    }
    return simulation


@pytest.fixture(scope="module")
def full_fold(full_simulation: Simulation, tmp_path_factory: pytest.TempPathFactory) -> Fold:
    return full_simulation.fold(tmp_path_factory.mktemp("full"))


@pytest.mark.parametrize("name", BASELINES)
def test_what_every_baseline_hands_in(name: str, full_fold: Fold) -> None:
    fold = full_fold
    actual = predict(name, fold)
    pd.testing.assert_frame_equal(actual.cells, fold.cells)
    assert actual.draws.shape == (20, len(fold.cells))
    assert ((actual.draws >= 0) & (actual.draws <= 1)).all()
    assert ((actual.mean >= 0) & (actual.mean <= 1)).all()
    again, other = predict(name, fold), predict(name, fold, seed=2)
    np.testing.assert_array_equal(actual.draws, again.draws)
    np.testing.assert_array_equal(actual.mean, other.mean)
    assert (actual.draws != other.draws).any()
    alone = replace(fold, tasks=fold.tasks[1:], cells=fold.cells[fold.cells["task"] == fold.tasks[1].name])
    np.testing.assert_array_equal(predict(name, alone).draws, actual.draws[:, fold.cells.index.isin(alone.cells.index)])


@pytest.mark.heavy
def test_hidden_scores_do_not_leak(full_simulation: Simulation, full_fold: Fold, tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    swapped = {
        b: s if b in full_simulation.seen else np.where(full_simulation.hidden, rng.random(len(s)), s)
        for b, s in full_simulation.scores.items()
    }
    other = replace(full_simulation, scores=swapped).fold(tmp_path)
    assert (full_fold.cells["score"] != other.cells["score"]).all()
    for name in BASELINES:
        first, second = (predict(name, fold, draws=4) for fold in (full_fold, other))
        np.testing.assert_array_equal(first.mean, second.mean)
        np.testing.assert_array_equal(first.draws, second.draws)


# Dates


def dated_simulation(days: list[str], scores: dict[str, list[float]], **columns: Any) -> Simulation:
    """Models by date; those of 2025 are above the cutoff, so hidden."""
    flops = np.array([5e23 if day >= "2025" else 1e22 for day in days])
    table = {name: np.array(column, dtype=float) for name, column in scores.items()}
    return Simulation(flops, ["F"] * len(days), table, columns={"released": days} | columns)


def test_best_so_far_by_hand(tmp_path: Path) -> None:
    days = ["2023-01-01", "2023-02-01", "2023-02-01", "2023-05-01", "", "2024-01-01", "2025-01-01", "2025-06-01"]
    fold = dated_simulation(days, {"target": [0.2, 0.5, 0.3, 0.4, 0.99, 0.6, 0.7, 0.8]}).fold(tmp_path)
    actual = predict("best_so_far", fold, draws=4000)
    assert actual.mean.tolist() == [0.6, 0.6]
    date = np.array([1.0, 2, 2, 3, 4])
    before = best_before(date, np.array([0.2, 0.5, 0.3, 0.4, 0.6]))
    np.testing.assert_array_equal(before, [np.nan, 0.2, 0.2, 0.5, 0.5])
    # What the rule was off by, on the logit scale: of four models, among them the two of one day.
    off = to_logit(np.array([0.5, 0.3, 0.4, 0.6])) - to_logit(before[1:])
    values = np.unique(np.round(to_logit(actual.draws) - to_logit(np.array(0.6)), 9))
    np.testing.assert_allclose(values, np.sort(off), atol=1e-8)


def test_a_trend_over_date_comes_back(tmp_path: Path) -> None:
    days = [f"20{y}-{m:02}-15" for y in (22, 23, 24) for m in range(1, 13, 2)] + ["2025-03-15", "2025-09-15"]
    year = np.array([int(d[:4]) + (int(d[5:7]) - 0.5) / 12 for d in days])
    simulation = dated_simulation(days, {"target": list(expit(1.1 * (year - 2024)))})
    fold = replace(simulation, floor="chance").fold(tmp_path)
    for name in ("date_trend", "record_trend"):
        np.testing.assert_allclose(predict(name, fold).mean, fold.cells["score"], atol=2e-3)


def test_record_holders_alone_determine_their_trend(tmp_path: Path) -> None:
    """Every second model is a weak one: no record, but a new model may be as weak."""
    months = [(y, m) for y in (22, 23, 24) for m in range(1, 13)]
    year = np.array([2000 + y + (m - 0.5) / 12 for y, m in months] + [2025.2])
    weak = np.arange(len(year)) % 2 == 1
    scores = expit(year - 2024 - 3 * weak)
    days = [f"20{y}-{m:02}-15" for y, m in months] + ["2025-03-15"]
    fold = replace(dated_simulation(days, {"target": list(scores)}), floor="chance").fold(tmp_path)
    record, everybody = (predict(name, fold, draws=400) for name in ("record_trend", "date_trend"))
    assert record.mean[0] == pytest.approx(expit(1.2), abs=0.01)
    assert everybody.mean[0] < 0.6
    assert (record.draws[:, 0] < 0.2).mean() == pytest.approx(0.5, abs=0.1)


def test_one_factor_and_date_forecast_benchmarks_that_saw_few(rng: np.random.Generator, tmp_path: Path) -> None:
    """The capability of a date is known from all benchmarks; a benchmark with five scores needs no trend of its own."""
    days = [f"20{y}-{m:02}-15" for y in (21, 22, 23, 24) for m in range(1, 13)] + ["2025-02-15", "2025-10-15"]
    year = np.array([int(d[:4]) + (int(d[5:7]) - 0.5) / 12 for d in days])
    capability = 1.2 * (year - 2023) + 0.3 * rng.normal(size=len(days))
    capability[-2:] = 1.2 * (year[-2:] - 2023)
    scores = {f"b{i}": expit(slope * (capability - i + 1)) for i, slope in enumerate((0.8, 1.0, 1.3, 1.0))}
    rare = np.full(len(days), np.nan)
    rare[[3, 12, 20, 33, 41, -2, -1]] = expit(capability - 2)[[3, 12, 20, 33, 41, -2, -1]]
    fold = dated_simulation(days, {b: list(s) for b, s in scores.items()} | {"few": list(rare)}).fold(tmp_path)
    actual = predict("factor_date", fold, draws=500)
    error = np.abs(actual.mean - actual.cells["score"])
    few = actual.cells["benchmark"] == "few"
    assert error[~few].max() < 0.03
    assert error[few].max() < 0.1
    low, high = np.quantile(actual.draws, [0.05, 0.95], axis=0)
    assert ((low < actual.cells["score"]) & (actual.cells["score"] < high)).all()
    assert (high - low).mean() < 0.4


def test_the_mean_stands_in_for_unknown_compute(tmp_path: Path) -> None:
    n = 24
    flops = np.append(np.geomspace(1e20, 9e22, n), [5e23, np.nan])
    score = np.append(expit(np.log10(flops[:n] / CUTOFF) + 1), [0.5, 0.5])
    fold = Simulation(flops, ["F"] * (n + 2), {"target": score}, floor="chance").fold(tmp_path)
    regression, actual = (predict(name, fold, draws=200) for name in ("family_compute", "family_compute_or_mean"))
    assert len(regression.cells) == 1
    assert actual.mean.tolist() == [regression.mean[0], pytest.approx(score[:n].mean())]
    assert np.quantile(actual.draws[:, 1], [0.0, 1.0]) == pytest.approx([score.min(), score[:n].max()], abs=1e-6)


def constant(value: float) -> Callable[[Simulation], None]:
    return lambda simulation: simulation.scores.update({"target": np.full(len(simulation.flops), value)})


def same_compute(simulation: Simulation) -> None:
    simulation.flops = np.where(simulation.hidden, 5e23, 1e22)


def copies(simulation: Simulation) -> None:
    """Every model is a copy of one of two."""
    for name, scores in simulation.scores.items():
        simulation.scores[name] = np.nan_to_num(scores, nan=0.5)[np.arange(len(scores)) % 2]


def constant_benchmark(simulation: Simulation) -> None:
    simulation.scores[simulation.seen[0]] = np.full(len(simulation.flops), 0.25)


def unscored_benchmark(simulation: Simulation) -> None:
    simulation.scores[simulation.seen[0]] = np.where(simulation.hidden, 0.5, np.nan)


@pytest.mark.heavy
@pytest.mark.parametrize(
    "degenerate",
    [constant(0.0), constant(1.0), constant(0.25), same_compute, copies, constant_benchmark, unscored_benchmark],
)
@pytest.mark.parametrize("floor", ["learned", "chance"])
def test_degenerate_simulations_give_numbers(
    degenerate: Callable[[Simulation], None], floor: str, full_simulation: Simulation, tmp_path: Path
) -> None:
    simulation = replace(full_simulation, scores=dict(full_simulation.scores), floor=floor)
    degenerate(simulation)
    fold = simulation.fold(tmp_path)
    # The others do not read how the floor is found, or are `pc_3` with another number of components.
    for name in BASELINES if floor == "learned" else ("pc_3", "training_flops"):
        actual = predict(name, fold, draws=5)
        assert len(actual.cells) == len(fold.cells), name
        assert np.isfinite(actual.mean).all(), name
        assert ((actual.draws >= 0) & (actual.draws <= 1)).all(), name


def test_what_cannot_be_served_is_left_out(full_simulation: Simulation, tmp_path: Path) -> None:
    unseen = replace(full_simulation, seen=[])
    assert predict("pc_1", unseen.fold(tmp_path)).cells.empty
    few = replace(full_simulation, flops=np.where(np.arange(40) < 2, 1e22, 1e24)).fold(tmp_path)
    for name in BASELINES:
        actual = predict(name, few)
        assert actual.cells.empty
        assert actual.draws.shape == (20, 0)


@pytest.mark.heavy
def test_models_of_which_nothing_is_known_are_left_out(full_simulation: Simulation, tmp_path: Path) -> None:
    simulation = replace(full_simulation, flops=full_simulation.flops.copy(), scores=dict(full_simulation.scores))
    nameless = int(np.flatnonzero(simulation.hidden)[0])
    simulation.flops[nameless] = np.nan
    for name in simulation.seen:
        simulation.scores[name] = simulation.scores[name].copy()
        simulation.scores[name][nameless] = np.nan
    fold = simulation.fold(tmp_path)
    assert f"m{nameless}" in set(fold.cells["model"])
    for name in ("training_flops", "family_compute", "last_sibling", "pc_2", "rank_two"):
        actual = predict(name, fold)
        assert set(fold.cells["model"]) - set(actual.cells["model"]) == {f"m{nameless}"}
        assert actual.cells.index.tolist() == list(range(len(actual.cells)))
    assert f"m{nameless}" in set(predict("model_size", fold).cells["model"])


@pytest.mark.parametrize("missing", ["sklearn", "statsmodels"])
def test_without_the_libraries_it_says_how_to_install_them(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "bayescale.evaluation.backtest.baselines")
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(MissingDependencyError, match=rf"need {missing}.*pip install 'bayescale\[backtest\]'"):
        importlib.import_module("bayescale.evaluation.backtest.baselines")
