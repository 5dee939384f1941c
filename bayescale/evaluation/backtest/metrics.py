"""Scoring of forecasts, the same for every method: error, proper scoring rules, coverage, and relative error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, tails
from bayescale.checks.pit import TIE, randomised_pit, uniform_by_name
from bayescale.evaluation.backtest.fold import CELL
from bayescale.inference.parallel import require_libraries

if TYPE_CHECKING:
    from bayescale.evaluation.backtest.method import Predictive

QUANTILES = {"median": 0.5, "q05": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95}

# The log score needs a density: draws are smoothed by a Gaussian kernel of Silverman's bandwidth, at least half a point
# in a hundred, because equal draws would have an infinite density.
KERNEL_WIDTH = 0.005

# Weight of a uniform component in each density. It bounds the log score of an outcome beyond all draws by
# -log(0.01) = 4.6; without it, the tail of the kernel, which no method chose, would decide every comparison.
UNIFORM_WEIGHT = 0.01

# Lower bound of an MSE: a hundredth of a point in a hundred. No benchmark resolves less, and ratios to an exact
# forecast stay finite.
LEAST_MSE = 1e-4**2

# A baseline that leaves out more than half of a task's cells is not compared on it.
LEAST_COMMON = 0.5

# Weights of the Bayesian bootstrap.
RESAMPLES = 4000


# Single forecasts


def score_cells(predictive: Predictive, random_seed: int = 0) -> pd.DataFrame:
    """Score each forecast separately.

    Returns
    -------
    pandas.DataFrame
        One row a cell: ``task, model, benchmark, score``; ``mean`` (the point forecast), ``median, q05, q25, q75, q95``
        of the draws; and

        - ``crps``: continuous ranked probability score of the draws' empirical distribution (Gneiting & Raftery 2007),
          in units of the score; lower is better;
        - ``log_score``: minus the natural logarithm of the predictive density at the outcome; lower is better, and
          below zero where the density is above 1. The density is that of the draws under a Gaussian kernel, reflected
          at 0 and 1 so that no mass leaves [0, 1] (Silverman 1986, section 2.10), with `KERNEL_WIDTH` as least
          bandwidth, mixed with a uniform density of weight `UNIFORM_WEIGHT`;
        - ``pit``: probability integral transform, randomised among draws that equal the outcome; uniform on (0, 1) if
          outcomes are like draws. Each cell has its own random number, the same for every method and independent of
          the other cells.
    """
    require_libraries(("scoringrules",), "A score", "backtest")
    import scoringrules

    cells = predictive.cells.reset_index(drop=True)[[*CELL, "score"]]
    if cells.empty:
        return cells.reindex(columns=[*cells, "mean", *QUANTILES, "crps", "log_score", "pit"]).astype({"score": float})
    outcome, draws = cells["score"].to_numpy(float), predictive.draws.T
    quantiles = np.quantile(draws, list(QUANTILES.values()), axis=1)
    scored = cells.assign(mean=predictive.mean, **dict(zip(QUANTILES, quantiles, strict=True)))
    # NumPy, so that the values do not depend on other installed libraries.
    scored["crps"] = scoringrules.crps_ensemble(outcome, draws, estimator="qd", backend="numpy")
    reflected = np.concatenate([draws, -draws, 2 - draws], axis=1)
    # The density of an outcome far from every draw is zero; the uniform component takes care of it.
    with np.errstate(divide="ignore"):
        kernel = scoringrules.logs_ensemble(outcome, reflected, bw=_bandwidth(draws), backend="numpy")
    # The reflected sample has three parts, of which one lies in [0, 1].
    scored["log_score"] = -np.log((1 - UNIFORM_WEIGHT) * 3 * np.exp(-kernel) + UNIFORM_WEIGHT)
    return scored.assign(pit=randomised_pit(outcome, draws, uniform_by_name(cells[CELL], random_seed)))


def _bandwidth(draws: np.ndarray) -> np.ndarray:
    """Return Silverman's rule-of-thumb bandwidth of each cell, at least `KERNEL_WIDTH`."""
    low, high = np.quantile(draws, [0.25, 0.75], axis=1)
    spread = np.minimum(draws.std(axis=1), (high - low) / 1.34)
    return np.maximum(1.06 * spread * draws.shape[1] ** -0.2, KERNEL_WIDTH)


# Tasks


def summarise(cells: pd.DataFrame, pools: Mapping[str, Sequence[str]] | None = None) -> pd.DataFrame:
    """Summarise the scored cells of one method, from `score_cells`.

    There is one row a task, in the order of `cells`, then one for each of `pools` with forecasts, which pools the cells
    of its tasks with equal weights. ``mse`` and ``mae`` are those of the point forecast (``mean``), because baselines
    give a point forecast. Coverage and mean width are those of equal-tailed intervals, ends included.
    """
    score = cells["score"]
    error = cells["mean"] - score
    values = pd.DataFrame(
        {
            "mse": error**2,
            "mae": error.abs(),
            "crps": cells["crps"],
            "log_score": cells["log_score"],
            "coverage_50": score.between(cells["q25"] - TIE, cells["q75"] + TIE),
            "coverage_90": score.between(cells["q05"] - TIE, cells["q95"] + TIE),
            "width_50": cells["q75"] - cells["q25"],
            "width_90": cells["q95"] - cells["q05"],
        }
    )
    groups = {task: [task] for task in dict.fromkeys(cells["task"])} | dict(pools or {})
    chosen = {name: values[cells["task"].isin(tasks)] for name, tasks in groups.items()}
    rows = [{"task": name, "n_test": len(part), **part.mean()} for name, part in chosen.items() if len(part)]
    return pd.DataFrame(rows, columns=["task", "n_test", *values])


def score(predictive: Predictive) -> pd.DataFrame:
    """Score forecasts: per task, and ``pooled`` over all cells, with the metrics of `Backtest.scores`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> from bayescale.evaluation.backtest import Predictive
    >>> cells = pd.DataFrame({"task": "g/t", "model": ["a", "b"], "benchmark": "MMLU", "score": [0.4, 0.8]})
    >>> draws = np.random.default_rng(1).beta(5, 5, size=(500, 2))
    >>> table = score(Predictive(cells, mean=np.array([0.5, 0.5]), draws=draws, seconds=0.0))
    >>> table[["task", "n_test", "mae", "coverage_90"]].values.tolist()
    [['g/t', 2, 0.2, 0.5], ['pooled', 2, 0.2, 0.5]]
    """
    cells = score_cells(predictive)
    return summarise(cells, {"pooled": list(cells["task"].unique())})


# Relative errors


def relative_mse(cells: pd.DataFrame, reference: str = "pc_3", baselines: Sequence[str] = ()) -> pd.DataFrame:
    """Compute the test MSE of every method and task relative to a reference and to the best baseline.

    Two methods are compared on the cells that both forecast, because some leave models out. The best baseline of a
    task is the one against which a method looks worst; where all forecast the same cells, that is the baseline of the
    lowest MSE. An MSE below `LEAST_MSE`, zero included, counts as `LEAST_MSE`; without a comparison the result is NaN.
    `cells` are the scored cells of all methods, with a column ``method``.
    """
    errors = squared_errors(cells)
    rows = []
    for task in dict.fromkeys(cells["task"]):
        table = errors.loc[task]
        for method in dict.fromkeys(cells["method"]):
            if table[method].isna().all():
                continue
            ratios = [_ratio(table, method, other) for other in baselines if other in table]
            best = max((r for r in ratios if not np.isnan(r)), default=np.nan)
            to_reference = _ratio(table, method, reference) if reference in table else np.nan
            rows.append((method, task, to_reference, best))
    return pd.DataFrame(rows, columns=["method", "task", "to_reference", "to_best"])


def squared_errors(cells: pd.DataFrame) -> pd.DataFrame:
    """Return squared errors (cell, method); NaN where a method leaves a cell out."""
    squared = cells.assign(squared=(cells["mean"] - cells["score"]) ** 2)
    return squared.pivot_table(index=CELL, columns="method", values="squared")


def _ratio(errors: pd.DataFrame, method: str, other: str) -> float:
    common = errors[[method, other]].dropna() if method != other else errors[[method]].dropna()
    if len(common) < LEAST_COMMON * errors[method].notna().sum():
        return np.nan
    return max(float(common[method].mean()), LEAST_MSE) / max(float(common[other].mean()), LEAST_MSE)


def geometric_mean(ratios: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Average relative errors, from `relative_mse`, over those of the tasks that a method forecasts (geometric mean).

    Column ``tasks`` is the number compared.
    """
    chosen = ratios[ratios["task"].isin(tasks)].set_index("method")
    logs = chosen[["to_reference", "to_best"]].apply(np.log).groupby(level=0, sort=False)
    return logs.mean().apply(np.exp).assign(tasks=logs["to_reference"].count())


def relative_mse_intervals(
    cells: pd.DataFrame, tasks: Sequence[str], reference: str = "pc_3", *, prob: float = PROB, random_seed: int = 0
) -> pd.DataFrame:
    """Compute intervals of the geometric mean over tasks of the test MSE relative to a reference.

    Uses the Bayesian bootstrap over models (Rubin 1981, Annals of Statistics 9:130): each model has a random weight,
    exponential with mean one, the same for all its scores under all methods. Models are resampled because the errors of
    one model are correlated, by weights because with counts a task of few models could lose them all.

    The intervals are equal-tailed, of probability content `prob`. Methods without a comparison have no row; each is
    compared on the same tasks as in `relative_mse`.
    """
    chosen = cells[cells["task"].isin(list(tasks))]
    errors = squared_errors(chosen)
    names = errors.index.unique("model")
    weights = pd.DataFrame(np.random.default_rng(random_seed).exponential(size=(len(names), RESAMPLES)), index=names)
    compared = relative_mse(chosen, reference).dropna(subset="to_reference")
    rows = {}
    for method, served in compared.groupby("method", sort=False)["task"]:
        logs = [_log_ratio(errors.loc[task], str(method), reference, weights) for task in served]
        rows[method] = np.exp(np.quantile(np.mean(logs, axis=0), tails(prob)))
    return pd.DataFrame.from_dict(rows, orient="index", columns=["lower", "upper"]).rename_axis("method")


def _log_ratio(errors: pd.DataFrame, method: str, reference: str, weights: pd.DataFrame) -> np.ndarray:
    """Return the log ratio of the weighted errors for each set of weights."""
    common = errors[list(dict.fromkeys([method, reference]))].dropna()
    weight = weights.loc[common.index.get_level_values("model")].to_numpy()
    mine, other = (
        np.maximum(common[name].to_numpy() @ weight / weight.sum(axis=0), LEAST_MSE) for name in (method, reference)
    )
    return np.log(mine) - np.log(other)
