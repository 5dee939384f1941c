"""Units of work on workers: in this process, in others, or on a Dask cluster, through joblib."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np

from bayescale._display import Report
from bayescale.errors import BacktestError
from bayescale.evaluation.backtest.journal import Journal
from bayescale.evaluation.backtest.predictive import Predictive
from bayescale.evaluation.backtest.unit import Unit
from bayescale.inference.parallel import dask_mended

# Units over the same coordinates that one worker gets in a row: enough that compiling a model pays, few enough that
# workers share the work evenly and progress is seen.
TOGETHER = 4

KEPT = "kept from before"
"""What is reported of units that the journal holds already."""


@dataclass(frozen=True)
class Failure:
    """A unit that gave no forecasts.

    Attributes
    ----------
    unit : str
        Method and tasks.
    error : str
    trace : str
        Where it happened, for whoever looks into it.
    """

    unit: str
    error: str
    trace: str = ""

    def __str__(self) -> str:
        return f"{self.unit}: {self.error}"


def run_units(units: Sequence[Unit], journal: Journal, jobs: int | None, report: Report) -> list[Failure]:
    """Do the units that the journal lacks.

    A method that raises an error is a failure, and so is one whose worker dies. When a worker dies, what was finished
    is kept, and the rest is begun again, first unit by unit, then each unit alone, so that it is known which one kills.

    Parameters
    ----------
    units : sequence of Unit
    journal : Journal
    jobs : int, optional
        How many workers; as `joblib.Parallel` takes it.
    report : callable
        Called with the number of units that are done, of all, and the name of the last one.

    Raises
    ------
    BacktestError
        When forecasts cannot be written, or there are no workers.
    """
    done = {u.key for u in units if journal.read(u) is not None}
    for unit in units:
        if unit.key not in done:
            journal.path(unit).unlink(missing_ok=True)  # damaged, as a warning has said
    report(len(done), len(units), KEPT if done else "")
    failures: dict[str, Failure] = {}
    with dask_mended():
        together = TOGETHER if _workers(jobs) > 1 else 1
        for attempt in ("in batches", "one by one", "alone"):
            rest = [u for u in units if u.key not in done and u.key not in failures]
            waves = [[(u,)] for u in rest] if attempt == "alone" else [_batches(rest, together)]
            for wave in waves:
                try:
                    for unit, outcome in _outcomes(wave, journal, jobs):
                        if isinstance(outcome, Failure):
                            failures[unit.key] = outcome
                        else:
                            if not journal.path(unit).is_file():  # the worker has a disk of its own
                                journal.write(unit, outcome)
                            done.add(unit.key)
                        report(len(done) + len(failures), len(units), unit.name)
                except BacktestError:
                    raise
                except Exception as error:  # of the machinery: methods' own are caught where they run
                    lost = [u for batch in wave for u in batch if u.key not in done and u.key not in failures]
                    done |= {u.key for u in lost if journal.path(u).is_file()}
                    if attempt == "alone":
                        failures |= {u.key: _died(u, error) for u in lost if u.key not in done}
                    report(len(done) + len(failures), len(units), "a worker died")
            together = 1
    return [failures[u.key] for u in units if u.key in failures]


def _outcomes(
    wave: Sequence[tuple[Unit, ...]], journal: Journal, jobs: int | None
) -> Iterator[tuple[Unit, Predictive | Failure]]:
    import joblib

    known = {u.key: u for batch in wave for u in batch}
    work = joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
    for outcomes in work(joblib.delayed(run_batch)(batch, journal.directory) for batch in wave):
        for key, outcome in outcomes:
            yield known[key], outcome


def run_batch(units: tuple[Unit, ...], directory: Path) -> list[tuple[str, Predictive | Failure]]:
    """Do some units one after the other; this is what a worker runs.

    Each is kept on disk at once where the folder is within reach, and taken from there if a worker that died had
    finished it.
    """
    # The units come as a tuple: joblib hands other containers to a Dask cluster as data of one worker, to die with it.
    journal = Journal(directory) if directory.is_dir() else None
    outcomes: list[tuple[str, Predictive | Failure]] = []
    for unit in units:
        found = journal.read(unit) if journal else None
        outcome = found if found is not None else _run(unit)
        if journal and found is None and isinstance(outcome, Predictive):
            try:
                journal.write(unit, outcome)
            except BacktestError:
                journal = None  # whoever gets the outcome writes it, or says why it cannot be written
        outcomes.append((unit.key, outcome))
    return outcomes


def _run(unit: Unit) -> Predictive | Failure:
    from threadpoolctl import threadpool_limits

    try:
        # The matrices are small: threads of linear algebra only wait for one another, and up to thirty times as long
        # when the processors have other work. One thread also gives the same last digits wherever the work is done.
        with threadpool_limits(limits=1):
            return _checked(unit.method.predict(unit.fold, unit.random_seed), unit)
    except Exception as error:
        text = str(error).strip() or "no message"
        kind = "" if isinstance(error, BacktestError) else f"{type(error).__name__}: "
        return Failure(unit.name, f"{kind}{text}", traceback.format_exc())


def _checked(predictive: Predictive, unit: Unit) -> Predictive:
    """Refuse forecasts that cannot be scored, where the method that made them is still known."""
    columns = ["task", "model", "benchmark", "score"]
    asked = set(unit.fold.cells[columns].itertuples(index=False, name=None))
    given = list(predictive.cells[columns].itertuples(index=False, name=None))
    if len(set(given)) != len(given) or not asked.issuperset(given):
        raise BacktestError("It forecast cells that the fold does not ask for, or one of them twice.")
    for what, values in (("mean", predictive.mean), ("draws", predictive.draws)):
        wrong = ~((values >= 0) & (values <= 1))  # so that NaN is wrong too
        if wrong.any():
            cell = given[int(np.argwhere(wrong)[0][-1])]
            raise BacktestError(
                f"Its {what} hold {values[wrong][0]} for {cell[1]} on {cell[2]}: a score lies in [0, 1]. Cut forecasts "
                "to that range, and leave out cells that cannot be served."
            )
    if given and not len(predictive.draws):
        raise BacktestError("It gave no draws.")
    return predictive


def _batches(units: Sequence[Unit], size: int) -> list[tuple[Unit, ...]]:
    """Cut a sorted list into runs of one method over the same coordinates, of at most `size`."""
    runs = (list(run) for _, run in groupby(units, key=lambda u: (id(u.method), u.coordinates)))
    return [tuple(run[i : i + size]) for run in runs for i in range(0, len(run), size)]


def _died(unit: Unit, error: Exception) -> Failure:
    reason = f"{type(error).__name__}: {str(error).split('. ')[0]}".strip()
    message = f"its worker process died, also when it ran alone ({reason}). Out of memory? Use fewer jobs or draws."
    return Failure(unit.name, message, str(error))


def _workers(jobs: int | None) -> int:
    import joblib

    try:
        return joblib.effective_n_jobs(jobs)
    except TimeoutError as error:
        advice = "Start some: dask worker ADDRESS --nthreads 1"
        raise BacktestError(f"The Dask scheduler has no workers. {advice}") from error
    except ValueError as error:
        raise BacktestError(f"jobs={jobs}: {error}") from error
