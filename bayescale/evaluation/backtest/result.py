"""`Backtest`: scores, predictions and comparisons of methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from bayescale._display import as_html
from bayescale._intervals import KIND, PROB
from bayescale.errors import EvaluationError, suggest
from bayescale.evaluation.backtest import metrics
from bayescale.evaluation.backtest.fold import CELL
from bayescale.evaluation.backtest.job import Job
from bayescale.evaluation.backtest.method import Predictive
from bayescale.evaluation.backtest.task import Task
from bayescale.evaluation.backtest.workers import Failure

if TYPE_CHECKING:
    import xarray as xr
    from matplotlib.axes import Axes

POOLED = "all"
REFERENCE = "pc_3"

_KEY = ["spec_or_method", "task"]
_DIAGNOSTICS = ["rhat", "ess", "divergences", "seconds"]
SCORES = [
    *_KEY, "n_test", "mse", "mae", "crps", "log_score", "coverage_50", "coverage_90", "width_90", *_DIAGNOSTICS
]  # fmt: skip
PREDICTIONS = ["task", "method", "model", "benchmark", "score", "mean", *metrics.QUANTILES]


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """Scored forecasts of several methods on several tasks.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row per method and forecast: ``method, task, model, benchmark, score, mean, median, q05, q25, q75, q95,
        crps, log_score, pit``; see `bayescale.evaluation.backtest.metrics.score_cells`. ``compute`` says whether the
        model's training compute is ``"known"`` or ``"unknown"``.
    scores : pandas.DataFrame
        One row per method and task, with the columns of ``scores.csv``. Further rows pool the cells of the averaged
        tasks (task ``all``) and of each group (the group's name). ``rhat`` and ``ess`` are the worst of the fits
        of a row; ``divergences`` and ``seconds`` are summed over them. A fit may belong to several tasks.
    tasks : tuple of Task
    methods : tuple of str
    baselines : tuple of str
        Those of the methods that are baselines.
    failures : tuple of Failure
        Fits that gave no forecasts; their rows are missing.
    random_seed : int
        Seed of the run.
    """

    cells: pd.DataFrame
    scores: pd.DataFrame
    tasks: tuple[Task, ...]
    methods: tuple[str, ...]
    baselines: tuple[str, ...]
    failures: tuple[Failure, ...]
    random_seed: int

    @property
    def predictions(self) -> pd.DataFrame:
        """One row per method and forecast, with the columns of ``predictions.csv``."""
        return self.cells[PREDICTIONS]

    @property
    def averaged(self) -> tuple[str, ...]:
        """Names of the tasks that enter averages over tasks."""
        return tuple(t.name for t in self.tasks if t.averaged)

    @property
    def groups(self) -> dict[str, list[str]]:
        """Names of the tasks by group."""
        return _groups(self.tasks)

    def of_compute(self, compute: Literal["known", "unknown"]) -> Backtest:
        """Return the backtest of the models of known, or of unknown, training compute alone.

        ``rhat``, ``ess``, ``divergences`` and ``seconds`` are still those of the whole fits.

        Raises
        ------
        EvaluationError
            When no model with forecasts is of that kind.

        Examples
        --------
        >>> from bayescale.evaluation.backtest import backtest
        >>> result = backtest(["best_so_far", "date_trend"], tasks=["rolling_6m/2024-01"])
        >>> result.of_compute("unknown").summary("rolling_6m")["n_test"].tolist()
        [49, 49]
        """
        cells = self.cells[self.cells["compute"] == compute].reset_index(drop=True)
        if cells.empty:
            kinds = set(self.cells["compute"])
            raise EvaluationError(suggest(compute, kinds, "kind of compute among the models with forecasts"))
        scores = _metrics(cells, _pools(self.tasks)).merge(self.scores[[*_KEY, *_DIAGNOSTICS]], on=_KEY)
        return replace(self, cells=cells, scores=scores[SCORES])

    def relative_mse(self, reference: str = REFERENCE) -> pd.DataFrame:
        """Compute the test MSE of each method and task relative to `reference` and to the best baseline of the task.

        Returns
        -------
        pandas.DataFrame
            Columns ``method, task, to_reference, to_best``; see `bayescale.evaluation.backtest.metrics.relative_mse`.
        """
        self._check_reference(reference)
        return metrics.relative_mse(self.cells, reference, self.baselines)

    def relative_mse_intervals(self, reference: str = REFERENCE, *, prob: float = PROB) -> pd.DataFrame:
        """Compute bootstrap intervals of each method's relative MSE, the geometric mean over the averaged tasks.

        Fifteen tasks of twenty models each distinguish two methods whose errors differ by about a third.

        Returns
        -------
        pandas.DataFrame
            Index ``method``; columns ``lower, upper``; see
            `bayescale.evaluation.backtest.metrics.relative_mse_intervals`.
        """
        self._check_reference(reference)
        tasks = self.averaged or tuple(t.name for t in self.tasks)
        return metrics.relative_mse_intervals(self.cells, tasks, reference, prob=prob, random_seed=self.random_seed)

    def _check_reference(self, reference: str) -> None:
        if reference not in self.methods:
            raise EvaluationError(suggest(reference, self.methods, "method in this backtest"))

    def summary(self, task: str = POOLED, *, prob: float = PROB) -> pd.DataFrame:
        """Compare the methods on one task or pool of tasks.

        Parameters
        ----------
        task : str
            ``"all"`` (the averaged tasks), a group, or a task.
        prob : float
            Probability content of the interval of ``relative_mse``.

        Returns
        -------
        pandas.DataFrame
            Index ``method``, the best first. ``relative_mse`` and ``relative_to_best`` are geometric means over the
            tasks, relative to `pc_3` and to the best baseline of each task, if there is one; ``lower, upper`` is the
            bootstrap interval of the first (see `relative_mse_intervals`), with ``prob`` and ``interval``; then the
            columns of `scores`.

        Raises
        ------
        EvaluationError
            When no forecast was made for such a task.
        """
        rows = self.scores[self.scores["task"] == task]
        if rows.empty:
            raise EvaluationError(suggest(task, set(self.scores["task"]), "task or pool in this backtest"))
        table = rows.drop(columns="task").rename(columns={"spec_or_method": "method"}).set_index("method")
        tasks = self.averaged if task == POOLED else self.groups.get(task, [task])
        ratios = metrics.geometric_mean(metrics.relative_mse(self.cells, REFERENCE, self.baselines), tasks)
        intervals = metrics.relative_mse_intervals(self.cells, tasks, prob=prob, random_seed=self.random_seed)
        relative = ratios.join(intervals)[["to_reference", "lower", "upper", "to_best"]]
        relative = relative.rename(columns={"to_reference": "relative_mse", "to_best": "relative_to_best"})
        table = relative.reindex(table.index).assign(prob=prob, interval=KIND).join(table)
        compared = table["relative_mse"].notna().any()
        return table.sort_values("relative_mse" if compared else "mae", kind="stable")

    def to_xarray(self) -> xr.Dataset:
        """Convert the scored forecasts to a dataset.

        Returns
        -------
        xarray.Dataset
            Dims ``(method, cell)``, with the coordinates ``task``, ``model``, ``benchmark`` and ``compute`` along
            ``cell``; the variables are the numeric columns of `cells`, NaN where a method leaves a cell out.

        Examples
        --------
        >>> from bayescale.evaluation.backtest import backtest
        >>> result = backtest(["training_flops", "model_size"], tasks=["leaderboard_v2/gpqa"])
        >>> dict(result.to_xarray()["crps"].sizes)
        {'method': 2, 'cell': 18}
        """
        labels = [*CELL, "compute"]
        cells = self.cells[labels].drop_duplicates(ignore_index=True)
        numbered = self.cells.merge(cells.assign(cell=cells.index), on=labels)
        dataset = numbered.set_index(["method", "cell"]).drop(columns=labels).to_xarray()
        dataset = dataset.assign_coords({name: ("cell", cells[name].astype(object)) for name in labels})
        return dataset.sel({"method": self.cells["method"].unique()}).assign_attrs(random_seed=self.random_seed)

    def plot(self, ax: Axes | None = None, reference: str = REFERENCE, *, prob: float = PROB) -> Axes:
        """Plot each method's test MSE relative to `reference`; see `bayescale.plots.plot_backtest_errors`."""
        from bayescale.plots import plot_backtest_errors

        return plot_backtest_errors(self, ax=ax, reference=reference, prob=prob)

    def __repr__(self) -> str:
        failed = f"; {len(self.failures)} fits failed" if self.failures else ""
        return (
            f"Backtest of {len(self.methods)} methods on {len(self.tasks)} tasks: {len(self.cells)} forecasts{failed}\n"
            "Next: .summary(), .scores, .predictions, .plot(), .to_xarray()"
        )

    def _repr_html_(self) -> str:
        pool = POOLED if self.averaged else next(iter(self.groups))
        table = self.summary(pool).drop(columns=["ess", "divergences"])
        return as_html(repr(self), table, "averaged tasks" if pool == POOLED else pool)


def collect(
    finished: Sequence[tuple[Job, Predictive]],
    failures: Sequence[Failure],
    tasks: Sequence[Task],
    methods: Sequence[str],
    random_seed: int,
) -> Backtest:
    """Score the forecasts of the finished jobs, in the given order of methods and tasks."""
    from bayescale.evaluation.backtest.baselines import BASELINES

    cells, fits = [], []
    for number, (job, predictive) in enumerate(finished):
        scored = metrics.score_cells(predictive, random_seed)
        models = job.fold.evals.models
        undisclosed = scored["model"].isin(models["model"][models["flops"].isna()])
        compute = np.where(undisclosed, "unknown", "known")
        cells.append(scored.assign(method=job.method.name, compute=compute))
        served = predictive.cells[["task"]].drop_duplicates()
        fits.append(
            served.assign(
                method=job.method.name, fit=number, rhat=predictive.rhat, ess=predictive.ess,
                divergences=predictive.divergences, seconds=predictive.seconds,
            )
        )  # fmt: skip
    scored = pd.concat(cells, ignore_index=True)
    ranks = scored["task"].map([t.name for t in tasks].index), scored["method"].map(list(methods).index)
    scored = scored.iloc[np.lexsort(ranks)].reset_index(drop=True)
    scored = scored[["method", *scored.columns.drop("method")]]
    scores = _scores(scored, pd.concat(fits), _pools(tasks))
    baselines = tuple(name for name in methods if name in BASELINES)
    return Backtest(scored, scores, tuple(tasks), tuple(methods), baselines, tuple(failures), random_seed)


def _metrics(cells: pd.DataFrame, pools: dict[str, list[str]]) -> pd.DataFrame:
    """Return the metrics of every method, by task and pool."""
    frames = [
        metrics.summarise(own, pools).assign(spec_or_method=method)
        for method, own in cells.groupby("method", sort=False)
    ]
    return pd.concat(frames, ignore_index=True)


def _scores(cells: pd.DataFrame, fits: pd.DataFrame, pools: dict[str, list[str]]) -> pd.DataFrame:
    table = _metrics(cells, pools)
    diagnostics = []
    for method, task in zip(table["spec_or_method"], table["task"], strict=True):
        # A fit may belong to several tasks of a pool, and counts once.
        own = fits[(fits["method"] == method) & fits["task"].isin(pools.get(task, [task]))].drop_duplicates("fit")
        diagnostics.append(own.agg({"rhat": "max", "ess": "min", "divergences": "sum", "seconds": "sum"}))
    table = table.join(pd.DataFrame(diagnostics).astype({"divergences": int}).round({"seconds": 2}))
    return table[SCORES]


def _pools(tasks: Sequence[Task]) -> dict[str, list[str]]:
    averaged = [t.name for t in tasks if t.averaged]
    return ({POOLED: averaged} if averaged else {}) | _groups(tasks)


def _groups(tasks: Sequence[Task]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(task.group, []).append(task.name)
    return groups
