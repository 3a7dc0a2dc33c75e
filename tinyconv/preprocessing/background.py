"""Work that other threads do ahead of time, while the caller is busy with what is ready.

    caller     consume 0      consume 1      consume 2      ...
    thread 1   [ task 0 ][ task 2    ][ task 4 ]                    results are handed out in the order
    thread 2   [ task 1     ][ task 3 ][ task 5    ]                of the tasks, whoever is faster

Decoding a JPEG or turning an image lets go of Python's lock, so these threads do work beside the engine's.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

import numpy as np

from tinyconv import config
from tinyconv.checks import positive

T = TypeVar("T")


def in_background(
    tasks: Iterable[Callable[[], T]], workers: int | None = None, ahead: int | None = None
) -> Generator[T, None, None]:
    """The tasks' results, in their order; the next ones are worked on in other threads meanwhile.

    Nothing begins before the first result is asked for. ``tasks`` itself is walked in the caller's thread, never
    further than ``ahead`` tasks before the result that is wanted, so it may draw random numbers. An error, of a task
    or of ``tasks``, is raised in the place of its result, and ends the iteration. Where the iteration ends early, tasks
    that have not begun are dropped, and the threads are gone once those that have begun are done.

    Args:
        tasks: functions without arguments.
        workers: number of threads; as many as the engine uses unless given.
        ahead: results that may be ready or in work before they are asked for; two for each thread unless given.

    >>> list(in_background([lambda: 1 + 1, lambda: 2 * 3]))
    [2, 6]
    """
    workers = config.threads() if workers is None else positive(workers, "workers", "in_background")
    ahead = 2 * workers if ahead is None else positive(ahead, "ahead", "in_background")
    return _results(iter(tasks), workers, ahead)


def _results(tasks: Iterator[Callable[[], T]], workers: int, ahead: int) -> Generator[T, None, None]:
    mine: set[int] = set()  # the threads, by number
    pool = ThreadPoolExecutor(workers, "tinyconv-background", lambda: mine.add(threading.get_ident()))
    float_errors = np.geterr()  # NumPy keeps this setting by thread
    waiting: deque[Future[T]] = deque()

    def work(task: Callable[[], T]) -> T:
        with np.errstate(**float_errors):
            return task()

    def submit_next() -> bool:
        """Whether there was another task, or an error instead of one."""
        try:
            task = next(tasks)
        except StopIteration:
            return False
        except Exception as error:
            failed: Future[T] = Future()
            failed.set_exception(error)
            waiting.append(failed)
            return False
        waiting.append(pool.submit(work, task))
        return True

    try:
        more = True
        while more or waiting:
            while more and len(waiting) <= ahead:
                more = submit_next()
            if waiting:
                yield waiting.popleft().result()
    finally:
        # A thread cannot wait for its own end, should the collector of garbage happen to drop us in one of ours.
        pool.shutdown(wait=threading.get_ident() not in mine, cancel_futures=True)
