"""Compare specs without test scores: forecast the larger training models of each fold of the backtest.

    python benchmarks/training_only.py SPEC [SPEC...]

SPEC is the name of a shipped spec, the path of a YAML file, or a baseline; `default:8` is the default with eight
factors. Scores that a fold of the backtest hides stay hidden. Of its training models, the quarter with the largest
compute (unknown compute counts as large) are forecast: as for test models, only their scores on the benchmarks in
`seen` remain. A spec takes six fits of a minute each. Errors are printed by task, then pooled. R-hat is printed because
these tables are small: errors of a spec whose chains disagree mean nothing.
"""

from __future__ import annotations

import dataclasses
import sys
import warnings

import numpy as np
import pandas as pd
import xarray as xr

import bayescale as bs
from bayescale.evaluation.backtest import Method, load_tasks, make_folds
from bayescale.evaluation.backtest.baselines import BASELINES
from bayescale.evaluation.backtest.bayes import BayesMethod
from bayescale.evaluation.backtest.fold import Fold
from bayescale.evaluation.backtest.metrics import score_cells, summarise

TASKS = ["emergent", "post_training", "leaderboard_v2"]
HIDDEN = 0.25
SAMPLING = {"draws": 500, "tune": 300}


def inner(fold: Fold) -> Fold:
    """Return the fold with the larger of its training models as test models."""
    evals, targets = fold.evals, {task.name: task.targets for task in fold.tasks}
    scores = evals.scores[evals.scores["benchmark"].isin({b for names in targets.values() for b in names})]
    trained = evals.models[evals.models["model"].isin(scores["model"])].sort_values("model")
    order = trained.assign(flops=trained["flops"].fillna(np.inf)).sort_values("flops", kind="stable")["model"]
    large = order.iloc[int(np.ceil((1 - HIDDEN) * len(order))) :]
    hidden = xr.zeros_like(evals.matrix(), dtype=bool)
    unseen = [b for b in evals.benchmark_names if b not in fold.tasks[0].seen]
    hidden.loc[{"model": large.tolist(), "benchmark": unseen}] = True
    asked = scores[scores["model"].isin(large)][["model", "benchmark", "score"]]
    parts = [asked[asked["benchmark"].isin(names)].assign(task=task) for task, names in targets.items()]
    cells = pd.concat(parts, ignore_index=True)[["task", "model", "benchmark", "score"]]
    return dataclasses.replace(fold, evals=evals.mask(hidden), test_models=tuple(large), cells=cells)


def read_spec(name: str) -> bs.Spec:
    """Return a spec by name or path; a number after a colon sets the factors."""
    base, _, factors = name.partition(":")
    return bs.load_spec(base).replace(name=name, **({"factors": int(factors)} if factors else {}))


def main(names: list[str]) -> None:
    """Print errors and coverage of each spec, pooled, and the R-hat and effective draws of its worst fit."""
    warnings.simplefilter("ignore")
    rows, errors = [], {}
    for name in names:
        method: Method = BASELINES.get(name) or BayesMethod(read_spec(name), **SAMPLING)
        cells, diagnostics = [], []
        for fold in make_folds(load_tasks(TASKS)):
            forecast = method.predict(inner(fold), random_seed=1)
            cells.append(score_cells(forecast))
            rhat, ess, seconds = forecast.rhat, forecast.ess, forecast.seconds
            diagnostics.append({"rhat": rhat, "ess": ess})
            print(f"{name} {fold.name}: R-hat {rhat:.3f}, {ess:.0f} effective draws, {seconds:.0f} s")
        scored, worst = pd.concat(cells), pd.DataFrame(diagnostics)
        table = summarise(scored, {"all": list(scored["task"].unique())}).set_index("task")
        errors[name] = table["mse"].drop("all")
        mse = np.exp(np.log(errors[name]).mean())
        pooled = table.loc["all", ["crps", "log_score", "coverage_50", "coverage_90"]]
        row = {"spec": name, "typical mse": mse, **pooled}
        rows.append(row | {"rhat": worst["rhat"].max(), "ess": worst["ess"].min()})
    print(pd.DataFrame(errors).round(5).to_string())
    print(pd.DataFrame(rows).round(5).to_string(index=False))


if __name__ == "__main__":
    main(sys.argv[1:] or ["default"])
