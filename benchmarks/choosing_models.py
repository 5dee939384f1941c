"""How well do few models foretell a benchmark: our choice, the paper's, and random ones, on the paper's protocol.

    python -m benchmarks.choosing_models FOLDER

Protocol of Ruan, Maddison & Hashimoto (2024, arXiv:2405.10938, section 5): of the models up to 8.4e22 FLOP some are
chosen; a law is fitted to their scores on the target; its error is measured on all models above. Targets are four
variants of GSM8K, and, as a check on tasks that nothing was chosen by, the eight emergent ones. No choice sees a score
on the target or on GSM8K, but "paper, as published", whose components hold GSM8K too.

Two laws are fitted to each choice. `pc_3` is the paper's: a sigmoid with a floor in three principal components of seven
benchmarks, by least squares. `prior` is the model's, in closed form (`Suggestion.predict`).

The posterior and every error are kept in FOLDER, so that an interrupted run goes on from there.
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
HIGHEST_FLOOR = 0.2  # of the paper's law


@dataclass(frozen=True)
class Case:
    """Targets that share their models: `train` to choose from, `test` to measure the error on."""

    name: str
    targets: tuple[str, ...]
    train: tuple[str, ...]
    test: tuple[str, ...]
    budgets: tuple[int, ...]


def cases(base: bs.Evals, scores: pd.DataFrame) -> Iterator[Case]:
    """The variants of GSM8K as one case, and a case for each emergent task."""
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


def choices(case: Case, budget: int, posterior: bs.Posterior) -> Iterator[tuple[str, int, list[str]]]:
    """Name, number and models of every choice."""
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
    """Whole families with at most two models less than the budget, as the paper draws them."""
    while True:
        order = rng.permutation(family.unique())
        chosen = family.isin(order[: rng.integers(1, min(10, len(order)) + 1)])
        if max(budget - 2, 4) <= chosen.sum() <= budget:
            return family.index[chosen].tolist()


def pc_3_error(chosen: list[str], case: Case, base: pd.DataFrame, scores: pd.DataFrame) -> list[float]:
    """Mean squared error of the paper's law on each target; components are those of the models chosen."""
    x, asked = principal_components(base.loc[chosen].to_numpy(float), base.loc[list(case.test)].to_numpy(float), 3)
    fits = {t: fit_curve(x, scores.loc[chosen, t].to_numpy(float), (0, HIGHEST_FLOOR)) for t in case.targets}
    return [float(np.mean((fits[t].predict(asked) - scores.loc[list(case.test), t]) ** 2)) for t in case.targets]


def prior_error(chosen: list[str], case: Case, asked: bs.Suggestion, scores: pd.DataFrame) -> list[float]:
    """Mean squared error of the model's law on each target; `asked` forecasts the test models of the case."""
    errors = []
    for target in case.targets:
        found = asked.predict(scores.loc[chosen, target].to_dict()).set_index("model")["mean"]
        errors.append(float(np.mean((found[list(case.test)] - scores.loc[list(case.test), target]) ** 2)))
    return errors


def main(folder: str) -> None:
    """Choose, fit, measure, and print a table."""
    place = Path(folder)
    place.mkdir(parents=True, exist_ok=True)
    everything, base = bs.load_evals("base-llms-all"), bs.load_evals("base-llms")
    base = base.select(benchmarks=[b for b in base.benchmark_names if b != "GSM8K"])
    posterior = _posterior(place / "posterior.nc", base)
    scores = everything.matrix().to_pandas()
    journal = place / "errors.jsonl"
    lines = [json.loads(line) for line in journal.read_text().splitlines()] if journal.exists() else []
    done = {(r["case"], r["budget"]) for r in lines}
    for case in cases(base, scores):
        asked = posterior.suggest_models(1, candidates=case.train, forecast_models=case.test, random_seed=0)
        for budget in case.budgets:
            if (case.name, budget) in done:
                continue
            found = []
            for choice, draw, chosen in choices(case, budget, posterior):
                laws = {
                    "pc_3": pc_3_error(chosen, case, scores[base.benchmark_names], scores),
                    "prior": prior_error(chosen, case, asked, scores),
                }
                about = {"case": case.name, "budget": budget, "choice": choice, "draw": draw, "models": chosen}
                found += [about | {"law": law, "error": float(np.mean(e))} for law, e in laws.items()]
            with journal.open("a") as file:
                file.writelines(json.dumps(row) + "\n" for row in found)
            lines += found
            print(f"{case.name}, {budget} models: done", file=sys.stderr, flush=True)
    report(pd.DataFrame(lines))


def report(table: pd.DataFrame) -> None:
    """Print errors: medians over draws, for the emergent tasks the geometric mean over tasks."""
    order = list(table["choice"].unique())
    gsm8k = table[table["case"] == "GSM8K variants"]
    print("GSM8K variants: mean squared error, median over draws (5% to 95% of the draws)")
    for law, part in gsm8k.groupby("law"):
        ends = part.pivot_table(index="budget", columns="choice", values="error", aggfunc=_said)
        print(f"\nlaw: {law}\n{ends[order].to_string()}")
    print("\nEmergent tasks: geometric mean over tasks of the median error over draws")
    keys = ["law", "budget", "choice", "case"]
    middle = table[table["case"] != "GSM8K variants"].groupby(keys, as_index=False)["error"].median()
    mean = middle.pivot_table(
        index=["law", "budget"], columns="choice", values="error", aggfunc=lambda e: np.exp(np.log(e).mean())
    )
    print(mean[order].round(4).to_string())


def _said(errors: pd.Series) -> str:
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
