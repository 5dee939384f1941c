"""Processors of this process, threads of linear algebra, and work shared through joblib or a Dask cluster."""

from __future__ import annotations

import errno
import importlib.util
import multiprocessing
import os
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from typing import Any, TypeVar

from bayescale.errors import MissingDependencyError

_WATCH = "bayescale-parent"
T = TypeVar("T")
R = TypeVar("R")


def processors() -> int:
    """Processors that this process may run on, which in a container or on a cluster are fewer than there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def in_threads(compute: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return `compute` of each item, as many at once as there are processors, which NumPy and SciPy leave to others.

    Examples
    --------
    >>> in_threads(abs, [-1, 2])
    [1, 2]
    """
    with one_thread_each(), ThreadPoolExecutor(processors()) as pool:
        return list(pool.map(compute, items))


def one_thread_each() -> AbstractContextManager[Any]:
    """Limit linear algebra to one thread while this lasts, so that chains have the processors.

    From some size on OpenBLAS shares a matrix product between threads, and lets no two products be shared at a time:
    two chains of 500 x 100 took turns, 6.9 ms a gradient, with one thread each 2.8.
    """
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")


def on_dask() -> bool:
    """Whether joblib's work goes to a Dask cluster: ``joblib.parallel_config("dask")`` is in force."""
    from joblib.parallel import get_active_backend

    return type(get_active_backend()[0]).__name__ == "DaskDistributedBackend"


def cores_each(jobs: int | None) -> int:
    """Processors for the chains of one fit, when `jobs` fits run at once."""
    import joblib

    try:
        workers = joblib.effective_n_jobs(jobs)
    except (TimeoutError, ValueError):
        workers = 1  # said where the workers are wanted
    return max(1, joblib.cpu_count() // max(1, workers))


def end_with_parent() -> None:
    """End this worker process as soon as the process that started it is gone: nobody would read its fits.

    A killed process cannot end its workers, and joblib has handed out all jobs by then.
    """
    parent = multiprocessing.parent_process()
    if parent is None or not (pid := parent.pid) or os.name != "posix":
        return
    child = os.getppid() == pid  # not so in a process of a fork server, or if the parent died meanwhile

    def watch() -> None:
        while os.getppid() == pid if child else _exists(pid):
            time.sleep(0.5)
        os._exit(1)

    if not any(thread.name == _WATCH for thread in threading.enumerate()):
        threading.Thread(target=watch, name=_WATCH, daemon=True).start()


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except OSError as error:
        return error.errno == errno.EPERM
    return True


def dask_mended() -> AbstractContextManager[Any]:
    """Correct joblib's Dask backend, where the work goes to a cluster.

    Up to joblib 1.6.0, the newest, it calls nobody back for a task whose worker died, so that the run waits for ever,
    and it works in this process while a cluster has one processor left, which a method that kills its worker would end.
    """
    import joblib
    from joblib.parallel import get_active_backend

    if not on_dask():
        return nullcontext()
    backend, _ = get_active_backend()
    kind: Any = type(backend)

    class Mended(kind):
        def effective_n_jobs(self, n_jobs: int) -> int:
            workers = super().effective_n_jobs(n_jobs)
            return max(2, workers) if workers else 0

        def submit(self, func: Any, callback: Any = None) -> Any:
            future = super().submit(func, callback)
            future.add_done_callback(lambda f: callback(f.exception()) if f.exception() else None)
            return future

        def retrieve_result_callback(self, out: Any) -> Any:
            if isinstance(out, BaseException):
                raise out
            return super().retrieve_result_callback(out)

    settings = {name: getattr(backend, name) for name in ("client", "wait_for_workers_timeout")}
    return joblib.parallel_config(Mended(**settings), n_jobs=-1)


def require_libraries(names: Sequence[str], what: str, extra: str) -> None:
    """Raise `MissingDependencyError` for the first library that is not installed, with how to install it."""
    for name in names:
        if importlib.util.find_spec(name) is None:
            raise MissingDependencyError(f"{what} needs {name}: pip install 'bayescale[{extra}]'")
