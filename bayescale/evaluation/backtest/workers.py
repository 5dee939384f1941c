"""Run jobs on workers through joblib: in this process, in other processes, or on a Dask cluster."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from bayescale._display import Report
from bayescale.errors import EvaluationError
from bayescale.evaluation.backtest.fold import CELL
from bayescale.evaluation.backtest.job import Job, ResultCache
from bayescale.evaluation.backtest.method import Predictive
from bayescale.inference.parallel import dask_mended, end_with_parent

# Jobs over the same coordinates in one batch: enough to make compiling a model worthwhile, few enough that workers
# share the work evenly and progress is visible.
BATCH = 4

KEPT = "kept from before"
"""Name that is reported for jobs that are in the cache."""


@dataclass(frozen=True)
class Failure:
    """A job that gave no forecasts: its method and tasks, the error, and the traceback."""

    job: str
    error: str
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.job}: {self.error}"


def run_jobs(jobs: Sequence[Job], cache: ResultCache, workers: int | None, report: Report) -> list[Failure]:
    """Run the jobs that are not in the cache.

    A method that raises an error is a failure, and so is one whose worker dies. When a worker dies, the remaining jobs
    run again, first one per batch, then each alone, which identifies the job that kills its worker. `workers` is
    `n_jobs` of `joblib.Parallel`. Raises `EvaluationError` if forecasts cannot be written, or a cluster has no workers.
    """
    finished: dict[str, Failure | None] = {job.key: None for job in jobs if cache.read(job) is not None}
    for job in jobs:
        if job.key not in finished:
            cache.path(job).unlink(missing_ok=True)  # damaged; a warning was issued
    report(len(finished), len(jobs), KEPT if finished else "")
    with dask_mended():
        batch_size = BATCH if _n_workers(workers) > 1 else 1
        for attempt in ("in batches", "one by one", "alone"):
            rest = [job for job in jobs if job.key not in finished]
            waves = [[(job,)] for job in rest] if attempt == "alone" else [_batches(rest, batch_size)]
            for wave in waves:
                try:
                    for job, outcome in _outcomes(wave, cache, workers):
                        failure = outcome if isinstance(outcome, Failure) else None
                        if isinstance(outcome, Predictive) and not cache.path(job).is_file():
                            cache.write(job, outcome)  # the worker could not
                        finished[job.key] = failure
                        report(len(finished), len(jobs), job.name)
                except EvaluationError:
                    raise
                except Exception as error:  # of joblib or a worker: errors of methods are caught in the worker
                    for job in (job for batch in wave for job in batch if job.key not in finished):
                        if cache.path(job).is_file():
                            finished[job.key] = None
                        elif attempt == "alone":
                            finished[job.key] = _died(job, error)
                    report(len(finished), len(jobs), "a worker died")
            batch_size = 1
    return [failure for job in jobs if (failure := finished[job.key])]


def _outcomes(
    wave: Sequence[tuple[Job, ...]], cache: ResultCache, workers: int | None
) -> Iterator[tuple[Job, Predictive | Failure]]:
    import joblib

    by_key = {job.key: job for batch in wave for job in batch}
    parallel = joblib.Parallel(n_jobs=workers, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
    for outcomes in parallel(joblib.delayed(run_batch)(batch, cache.directory) for batch in wave):
        for key, outcome in outcomes:
            yield by_key[key], outcome


def run_batch(jobs: tuple[Job, ...], directory: Path) -> list[tuple[str, Predictive | Failure]]:
    """Run a batch of jobs in sequence, on a worker.

    Each result is cached at once if the worker can reach the folder, and read from the cache if an earlier worker had
    finished it.
    """
    end_with_parent()
    # A tuple, because joblib sends other containers to a Dask cluster as data of one worker, lost if that worker dies.
    cache = ResultCache(directory) if directory.is_dir() else None
    outcomes: list[tuple[str, Predictive | Failure]] = []
    for job in jobs:
        cached = cache.read(job) if cache else None
        outcome = cached if cached is not None else _run(job)
        if cache and cached is None and isinstance(outcome, Predictive):
            try:
                cache.write(job, outcome)
            except EvaluationError:
                cache = None  # the parent process writes the outcome, or raises the error
        outcomes.append((job.key, outcome))
    return outcomes


def _run(job: Job) -> Predictive | Failure:
    from threadpoolctl import threadpool_limits

    try:
        # The matrices are small: several threads of linear algebra only wait for one another, up to thirty times as
        # long on busy processors. One thread also gives the same last digits on every worker.
        with threadpool_limits(limits=1):
            return _checked(job.method.predict(job.fold, job.random_seed), job)
    except Exception as error:
        text = str(error).strip() or "no message"
        kind = "" if isinstance(error, EvaluationError) else f"{type(error).__name__}: "
        return Failure(job.name, f"{kind}{text}", traceback.format_exc())


def _checked(predictive: Predictive, job: Job) -> Predictive:
    """Return the forecasts, or raise an error that names the method if they cannot be scored."""
    asked, given = (
        list(cells[[*CELL, "score"]].itertuples(index=False, name=None)) for cells in (job.fold.cells, predictive.cells)
    )
    if len(set(given)) != len(given) or not set(asked).issuperset(given):
        raise EvaluationError("It forecast cells that are not in the fold, or a cell twice.")
    for what, values in (("mean", predictive.mean), ("draws", predictive.draws)):
        wrong = ~((values >= 0) & (values <= 1))  # so that NaN is wrong too
        if wrong.any():
            _, model, benchmark, _ = given[int(np.argwhere(wrong)[0][-1])]
            raise EvaluationError(
                f"Its {what} contains {values[wrong][0]} for {model} on {benchmark}: a score lies in [0, 1]. Clip the "
                "forecasts, and leave out cells that the method cannot forecast."
            )
    if given and not len(predictive.draws):
        raise EvaluationError("It gave no draws.")
    return predictive


def _batches(jobs: Sequence[Job], size: int) -> list[tuple[Job, ...]]:
    """Split a sorted list into batches of one method over the same coordinates, of at most `size`."""
    runs = (list(run) for _, run in groupby(jobs, key=lambda job: (id(job.method), job.coordinates)))
    return [tuple(run[i : i + size]) for run in runs for i in range(0, len(run), size)]


def _died(job: Job, error: Exception) -> Failure:
    reason = f"{type(error).__name__}: {str(error).split('. ')[0]}"
    message = f"its worker process died, also when it ran alone ({reason}). Out of memory? Use fewer jobs or draws."
    return Failure(job.name, message, str(error))


def _n_workers(workers: int | None) -> int:
    import joblib

    try:
        return joblib.effective_n_jobs(workers)
    except TimeoutError as error:
        advice = "Start some: dask worker ADDRESS --nthreads 1"
        raise EvaluationError(f"The Dask scheduler has no workers. {advice}") from error
    except ValueError as error:
        raise EvaluationError(f"jobs={workers}: {error}") from error
