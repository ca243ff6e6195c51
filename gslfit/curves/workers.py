"""Who does the work of a batch whose function is called: this thread, other threads, or other processes."""
from __future__ import annotations

import os
import pickle
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ProcessPoolExecutor
from typing import Any

from gslfit.errors import FitError, InputError

AHEAD = 4           # pieces of work that wait for each worker
NOT_SENT = pickle.PicklingError, AttributeError, TypeError      # what pickle raises

Work = Callable[..., list[Any]]


def run(pieces: Iterable[Any], work: Work, workers: Any, done: list[Any], report: Callable[[int], Any] | None) -> None:
    """Do pieces of work, in order.

    Parameters
    ----------
    pieces : iterable
    work : callable
        ``work(piece)``: a list of what comes of it; in this thread ``work(piece, done, report)``, which fills `done` as it goes.
    workers : None, int, Executor, pool or callable
    done : list
        Where all is put.
    report : callable, optional
        Called with the length of `done`.

    Raises
    ------
    InputError
        If a piece can't be sent to other processes.
    FitError
        If a process has died.
    """
    if workers is None:
        for piece in pieces:
            work(piece, done, report)
        return
    for found in _results(pieces, work, workers):
        done.extend(found)
        if report is not None:
            report(len(done))


def _results(pieces: Iterable[Any], work: Work, workers: Any) -> Iterator[list[Any]]:
    """Yield what comes of each piece, in order."""
    if hasattr(workers, "submit"):
        yield from _submitted(pieces, work, workers, getattr(workers, "_max_workers", None) or cores(), workers)
    elif isinstance(workers, int) or hasattr(workers, "__index__"):
        count = cores() if workers == -1 else int(workers)
        with ProcessPoolExecutor(count) as pool:
            yield from _submitted(pieces, work, pool, count, workers)
    else:
        try:
            yield from getattr(workers, "imap", workers)(work, pieces)
        except NOT_SENT as error:
            raise _not_sent(error, workers) or error from error


def _submitted(pieces: Iterable[Any], work: Work, pool: Executor, count: int, workers: Any) -> Iterator[list[Any]]:
    """Yield what comes of each piece that an executor is given, a few of them ahead."""
    waiting: deque[Future[list[Any]]] = deque()
    rest = iter(pieces)
    sends = isinstance(pool, ProcessPoolExecutor)
    try:
        for piece in rest:
            if sends and not waiting:
                _check_sent(piece, workers)
            waiting.append(pool.submit(work, piece))
            if len(waiting) > AHEAD*count:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenExecutor as error:
        raise FitError(f"a process of workers={_shown(workers)} ended before its fits were done ({error}): it was killed, ran out of "
                       "memory, or could not import the function") from error
    except NOT_SENT as error:
        raise _not_sent(error, workers) or error from error
    finally:
        for future in waiting:
            future.cancel()


def _check_sent(piece: Any, workers: Any) -> None:
    """Raise an InputError for a piece that can't be sent to another process."""
    try:
        pickle.dumps(piece)
    except NOT_SENT as error:
        raise _not_sent(error, workers, True) or error from error


def _not_sent(error: BaseException, workers: Any, sure: bool = False) -> InputError | None:
    """Return what is said of something that can't be pickled; None for an error of another kind."""
    told = "pickle" in str(error) or "Can't get local object" in str(error)     # the latter from Python 3.13 on, no PicklingError there
    if not (sure or isinstance(error, pickle.PicklingError) or told):
        return None
    return InputError(f"workers={_shown(workers)} sends the function and its data to other processes, and that can't be done ({error}): "
                      "define the function at the top of a module, or use threads: workers=concurrent.futures.ThreadPoolExecutor()")


def _shown(workers: Any) -> str:
    return repr(workers) if isinstance(workers, int) else type(workers).__name__


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
