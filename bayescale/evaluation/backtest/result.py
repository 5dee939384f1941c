"""`Backtest`: scores, predictions and comparisons of methods."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from bayescale._display import as_html
from bayescale._intervals import PROB
from bayescale.errors import EvaluationError, suggest
from bayescale.evaluation.backtest.job import Job
from bayescale.evaluation.backtest.metrics import QUANTILES, geometric_mean, relative_mse, score_cells, summarise
from bayescale.evaluation.backtest.predictive import Predictive
from bayescale.evaluation.backtest.resampling import relative_mse_intervals
from bayescale.evaluation.backtest.task import Task
from bayescale.evaluation.backtest.workers import Failure

POOLED = "all"
REFERENCE = "pc_3"

SCORES = [
    "spec_or_method", "task", "n_test", "mse", "mae", "crps", "log_score", "coverage_50", "coverage_90", "width_90",
    "rhat", "ess", "divergences", "seconds",
]  # fmt: skip
PREDICTIONS = ["task", "method", "model", "benchmark", "score", "mean", *QUANTILES]


@dataclass(frozen=True, eq=False, repr=False)
class Backtest:
    """Scored forecasts of several methods on several tasks.

    Attributes
    ----------
    cells : pandas.DataFrame
        One row per method and forecast: ``method, task, model, benchmark, score, mean, median, q05, q25, q75, q95,
        crps, log_score, pit``; see `bayescale.evaluation.backtest.metrics.score_cells`.
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

    def relative_mse(self, reference: str = REFERENCE) -> pd.DataFrame:
        """Compute the test MSE of each method and task relative to `reference` and to the best baseline of the task.

        Returns
        -------
        pandas.DataFrame
            Columns ``method, task, to_reference, to_best``; see `bayescale.evaluation.backtest.metrics.relative_mse`.

        Raises
        ------
        EvaluationError
            When `reference` is none of the methods.
        """
        self._check_reference(reference)
        return relative_mse(self.cells, reference, self.baselines)

    def relative_mse_intervals(self, reference: str = REFERENCE, *, prob: float = PROB) -> pd.DataFrame:
        """Compute bootstrap intervals of each method's relative MSE, the geometric mean over the averaged tasks.

        Fifteen tasks of twenty models each distinguish two methods whose errors differ by about a third.

        Returns
        -------
        pandas.DataFrame
            Index ``method``; columns ``lower, upper``; see
            `bayescale.evaluation.backtest.resampling.relative_mse_intervals`.

        Raises
        ------
        EvaluationError
            When `reference` is none of the methods.
        """
        self._check_reference(reference)
        tasks = self.averaged or tuple(t.name for t in self.tasks)
        return relative_mse_intervals(self.cells, tasks, reference, prob=prob)

    def _check_reference(self, reference: str) -> None:
        if reference not in self.methods:
            raise EvaluationError(suggest(reference, self.methods, "method in this backtest"))

    def summary(self, task: str = POOLED) -> pd.DataFrame:
        """Compare the methods on one task or pool of tasks.

        Parameters
        ----------
        task : str
            ``"all"`` (the averaged tasks), a group, or a task.

        Returns
        -------
        pandas.DataFrame
            Index ``method``, the best first. ``relative_mse`` and ``relative_to_best`` are geometric means over the
            tasks, relative to `pc_3` and to the best baseline of each task, if there is one; then the columns of
            `scores`.

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
        ratios = geometric_mean(relative_mse(self.cells, REFERENCE, self.baselines), tasks)
        table.insert(0, "relative_mse", ratios["to_reference"].reindex(table.index))
        table.insert(1, "relative_to_best", ratios["to_best"].reindex(table.index))
        compared = table["relative_mse"].notna().any()
        return table.sort_values("relative_mse" if compared else "mae", kind="stable")

    def __repr__(self) -> str:
        failed = f"; {len(self.failures)} fits failed" if self.failures else ""
        return (
            f"Backtest of {len(self.methods)} methods on {len(self.tasks)} tasks: {len(self.cells)} forecasts{failed}\n"
            "Next: .summary(), .scores, .predictions, bayescale.plots.plot_backtest_errors(backtest)"
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
    baselines: Sequence[str],
    random_seed: int,
) -> Backtest:
    """Score the forecasts of the finished jobs, in the given order of methods and tasks."""
    cells, fits = [], []
    for number, (job, predictive) in enumerate(finished):
        cells.append(score_cells(predictive, random_seed).assign(method=job.method.name))
        diagnostics = {"rhat": predictive.rhat, "ess": predictive.ess, "divergences": predictive.divergences}
        forecast = set(predictive.cells["task"])
        fits += [
            {"method": job.method.name, "task": t.name, "fit": number, **diagnostics, "seconds": predictive.seconds}
            for t in job.fold.tasks
            if t.name in forecast
        ]
    names = [t.name for t in tasks]
    scored = pd.concat(cells, ignore_index=True)
    order = (
        scored["method"].map({m: i for i, m in enumerate(methods)}),
        scored["task"].map({t: i for i, t in enumerate(names)}),
    )
    scored = scored.iloc[np.lexsort((order[1], order[0]))].reset_index(drop=True)
    scored = scored[["method", *(c for c in scored if c != "method")]]
    scores = _scores(scored, pd.DataFrame(fits), _pools(tasks))
    return Backtest(scored, scores, tuple(tasks), tuple(methods), tuple(baselines), tuple(failures), random_seed)


def _scores(cells: pd.DataFrame, fits: pd.DataFrame, pools: dict[str, list[str]]) -> pd.DataFrame:
    frames = []
    for method, own in cells.groupby("method", sort=False):
        table = summarise(own, pools)
        fits_of = [
            fits[(fits["method"] == method) & fits["task"].isin(pools.get(task, [task]))].drop_duplicates("fit")
            for task in table["task"]
        ]
        table["rhat"] = [fit["rhat"].max() for fit in fits_of]
        table["ess"] = [fit["ess"].min() for fit in fits_of]
        table["divergences"] = [int(fit["divergences"].sum()) for fit in fits_of]
        table["seconds"] = [round(float(fit["seconds"].sum()), 2) for fit in fits_of]
        frames.append(table.assign(spec_or_method=method))
    return pd.concat(frames, ignore_index=True)[SCORES] if frames else pd.DataFrame(columns=SCORES)


def _pools(tasks: Sequence[Task]) -> dict[str, list[str]]:
    averaged = [t.name for t in tasks if t.averaged]
    return ({POOLED: averaged} if averaged else {}) | _groups(tasks)


def _groups(tasks: Sequence[Task]) -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for task in tasks:
        groups.setdefault(task.group, []).append(task.name)
    return groups
