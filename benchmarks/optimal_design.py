"""Compare designs (which few models to evaluate on a new benchmark): ours, the paper's, and random ones.

    python -m benchmarks.optimal_design FOLDER

Protocol of Ruan, Maddison & Hashimoto (2024, arXiv:2405.10938, section 5): some of the models up to 8.4e22 FLOP are
chosen, a predictor is fitted to their scores on the target, and its error is measured on all larger models. Targets are
four variants of GSM8K and, as a check on tasks that guided no choice, the eight emergent tasks. No design sees a score
on the target or on GSM8K, except "paper, as published", whose components include GSM8K.

Each design has two predictors. `pc_3` is the paper's: a sigmoid with a floor in three principal components of seven
benchmarks, by least squares. `posterior` is the model's, in closed form (`Suggestion.predict`).

The posterior and every error are kept in FOLDER, so the same command resumes an interrupted run.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

import bayescale as bs
from bayescale.evaluation.backtest import load_tasks, make_folds
from bayescale.evaluation.backtest.baselines.regression import fit_curve, principal_components
from benchmarks.v_optimal import v_optimal_families

BUDGETS = (4, 8, 12, 16, 20, 24, 28, 32, 36)
RANDOM, SEEDS = 50, 3
HIGHEST_FLOOR = 0.2  # of the paper's regression


@dataclass(frozen=True)
class Case:
    """Targets that share their models: `train` holds the candidates, `test` those whose scores are predicted."""

    name: str
    targets: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    budgets: tuple[int, ...]


def cases(base: bs.Evals, scores: pd.DataFrame) -> Iterator[Case]:
    """Yield the variants of GSM8K as one case, and a case for each emergent task."""
    folds = [*make_folds(load_tasks(["post_training"])), *make_folds(load_tasks(["emergent"]))]
    seen = scores[base.benchmark_names].notna().all(axis=1)
    for fold in folds:
        targets = fold.cells["benchmark"].unique()
        together = fold.tasks[0].group == "post_training"
        for name, chosen in [("GSM8K variants", tuple(targets))] if together else [(t, (t,)) for t in targets]:
            known = scores[list(chosen)].notna().all(axis=1)
            test = tuple(m for m in fold.test_models if known[m])
            train = tuple(m for m in fold.participants if known[m] and seen[m] and m not in fold.test_models)
            yield Case(name, chosen, train, test, BUDGETS if together else (8, 12))


def designs(case: Case, budget: int, posterior: bs.Posterior) -> Iterator[tuple[str, int, list[str]]]:
    """Yield name, draw and models of every design."""
    for seed in range(SEEDS):
        ours = posterior.suggest_models(budget, candidates=case.train, forecast_models=case.test, random_seed=seed)
        yield "ours", seed, ours.models
        rest = posterior.suggest_models(budget, candidates=case.train, random_seed=seed)
        yield "ours, for all other models", seed, rest.models
    yield "paper", 0, v_optimal_families(posterior.evals, budget, case.train)
    yield "paper, as published", 0, v_optimal_families(bs.load_evals("base-llms"), budget, case.train)
    rng = np.random.default_rng(budget)
    family = posterior.evals.models.set_index("model")["family"][list(case.train)]
    for draw in range(RANDOM):
        rows = np.sort(rng.choice(len(case.train), budget, replace=False))
        yield "random models", draw, [case.train[i] for i in rows]
    for draw in range(RANDOM):
        yield "random families", draw, _random_families(family, budget, rng)


def _random_families(family: pd.Series, budget: int, rng: np.random.Generator) -> list[str]:
    """Draw whole families with at most two models less than the budget, as in the paper."""
    while True:
        order = rng.permutation(family.unique())
        chosen = family.isin(order[: rng.integers(1, min(10, len(order)) + 1)])
        if max(budget - 2, 4) <= chosen.sum() <= budget:
            return family.index[chosen].tolist()


def pc_3_error(chosen: list[str], case: Case, base: pd.DataFrame, scores: pd.DataFrame) -> list[float]:
    """Return the mean squared error of the paper's regression on each target; components are of the chosen models."""
    x, asked = principal_components(base.loc[chosen].to_numpy(float), base.loc[list(case.test)].to_numpy(float), 3)
    fits = {t: fit_curve(x, scores.loc[chosen, t].to_numpy(float), (0, HIGHEST_FLOOR)) for t in case.targets}
    return [float(np.mean((fits[t].predict(asked) - scores.loc[list(case.test), t]) ** 2)) for t in case.targets]


def posterior_error(chosen: list[str], case: Case, targets: bs.Suggestion, scores: pd.DataFrame) -> list[float]:
    """Return the mean squared error of the model on each target; `targets` predicts the test models of the case."""
    errors = []
    for target in case.targets:
        mean = targets.predict(scores.loc[chosen, target].to_dict()).set_index("model")["mean"]
        errors.append(float(np.mean((mean[list(case.test)] - scores.loc[list(case.test), target]) ** 2)))
    return errors


def main(folder: str) -> None:
    """Choose models, measure errors, and print a table."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    everything, base = bs.load_evals("base-llms-all"), bs.load_evals("base-llms")
    base = base.select(benchmarks=[b for b in base.benchmark_names if b != "GSM8K"])
    posterior = _posterior(place / "posterior.nc", base)
    scores = everything.matrix().to_pandas()
    finished = place / "errors.jsonl"
    lines = [json.loads(line) for line in finished.read_text().splitlines()] if finished.exists() else []
    done = {(r["case"], r["budget"]) for r in lines}
    for case in cases(base, scores):
        targets = posterior.suggest_models(1, candidates=case.train, forecast_models=case.test, random_seed=0)
        for budget in case.budgets:
            if (case.name, budget) in done:
                continue
            rows = []
            for design, draw, chosen in designs(case, budget, posterior):
                predictors = {
                    "pc_3": pc_3_error(chosen, case, scores[base.benchmark_names], scores),
                    "posterior": posterior_error(chosen, case, targets, scores),
                }
                about = {"case": case.name, "budget": budget, "design": design, "draw": draw, "models": chosen}
                rows += [about | {"predictor": p, "error": float(np.mean(e))} for p, e in predictors.items()]
            with finished.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in rows)
            lines += rows
            print(f"{case.name}, {budget} models: done", file=sys.stderr, flush=True)
    report(pd.DataFrame(lines))


def report(table: pd.DataFrame) -> None:
    """Print medians of the errors over draws; for the emergent tasks, their geometric mean over tasks."""
    order = list(table["design"].unique())
    gsm8k = table[table["case"] == "GSM8K variants"]
    print("GSM8K variants: mean squared error, median over draws (5% to 95% of the draws)")
    for predictor, part in gsm8k.groupby("predictor"):
        ends = part.pivot_table(index="budget", columns="design", values="error", aggfunc=_quantiles)
        print(f"\npredictor: {predictor}\n{ends[order].to_string()}")
    print("\nEmergent tasks: geometric mean over tasks of the median error over draws")
    keys = ["predictor", "budget", "design", "case"]
    middle = table[table["case"] != "GSM8K variants"].groupby(keys, as_index=False)["error"].median()
    mean = middle.pivot_table(
        index=["predictor", "budget"], columns="design", values="error", aggfunc=lambda e: np.exp(np.log(e).mean())
    )
    print(mean[order].round(4).to_string())


def _quantiles(errors: pd.Series) -> str:
    low, middle, high = np.quantile(errors, [0.05, 0.5, 0.95])
    return f"{middle:.4f} ({low:.4f}-{high:.4f})" if len(errors) > 1 else f"{middle:.4f}"


def _posterior(path: Path, evals: bs.Evals) -> bs.Posterior:
    if not path.exists():
        bs.fit(bs.load_spec("default"), evals, tune=300, draws=1000, chains=4, random_seed=1).save(path)
    return bs.Posterior.load(path)


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    main(sys.argv[1])
