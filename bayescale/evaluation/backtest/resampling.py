"""Bootstrap intervals of relative errors over the test models."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from bayescale._intervals import PROB, tails
from bayescale.evaluation.backtest.metrics import LEAST_MSE, relative_mse, squared_errors

RESAMPLES = 4000


def relative_mse_intervals(
    cells: pd.DataFrame,
    tasks: Sequence[str],
    reference: str = "pc_3",
    *,
    prob: float = PROB,
    random_seed: int | None = 0,
) -> pd.DataFrame:
    """Compute intervals of the geometric mean over tasks of the test MSE relative to a reference.

    Uses the Bayesian bootstrap over models (Rubin 1981, Annals of Statistics 9:130): each model has a random weight,
    exponential with mean one, the same for all its scores under all methods. Models are resampled because the errors of
    one model are correlated, by weights because with counts a task of few models could lose them all.

    Parameters
    ----------
    cells : pandas.DataFrame
        Scored cells of several methods, with a column ``method``; see
        `bayescale.evaluation.backtest.metrics.score_cells`.
    tasks : sequence of str
        Those to average. Each method is compared on the same tasks as in
        `bayescale.evaluation.backtest.metrics.relative_mse`.
    reference : str
        Name of a method.
    prob : float
        Probability content of the equal-tailed intervals.
    random_seed : int, optional
        None draws a new seed.

    Returns
    -------
    pandas.DataFrame
        Index ``method``; columns ``lower, upper``. Methods without a comparison have no row.

    Examples
    --------
    >>> import pandas as pd
    >>> models = [f"model {i}" for i in range(8)]
    >>> cells = pd.concat(
    ...     pd.DataFrame({"method": m, "task": "t", "model": models, "benchmark": "MMLU", "score": 0.5, "mean": mean})
    ...     for m, mean in {"mine": [0.6] * 8, "pc_3": [0.7] * 8}.items()
    ... )
    >>> relative_mse_intervals(cells, ["t"]).round(2).to_dict("index")["mine"]
    {'lower': 0.25, 'upper': 0.25}
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
