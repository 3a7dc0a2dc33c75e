"""A few threads that share the work on a batch, image by image.

    run(function, n=7) with three threads

    caller          function(0, 0, 3)  --------->|  waits for the others, then goes on
    thread 1   zzz  function(1, 3, 5)  ---->|zzz
    thread 2   zzz  function(2, 5, 7)  ---->|zzz

Kernels and matrix products let go of Python's lock while they run, so Python threads do work at the same time. A
thread waits asleep (zzz) and costs nothing until it is handed the next piece; that takes some hundredths of a
millisecond, mostly the system's, so what is shorter than that is better not divided.

Which images a thread gets depends on ``n`` and the size of the team alone, never on who is faster. So sums that are
made thread by thread, and then added in the threads' order, come out the same in every run.
"""

import os
import threading
import weakref
from collections.abc import Callable
from functools import partial
from queue import SimpleQueue

import numpy as np

#: Works on the items from start up to stop, with the memory that belongs to a thread: function(thread, start, stop).
Work = Callable[[int, int, int], object]

#: What a thread is handed: something to do, or None to end.
_Inbox = SimpleQueue[Callable[[], None] | None]

_teams: dict[int, "Team"] = {}
_every_team: weakref.WeakSet["Team"] = weakref.WeakSet()


def team(size: int) -> "Team":
    """The process's team of so many threads."""
    if size not in _teams:
        _teams.setdefault(size, Team(size))
    return _teams[size]


class Team:
    """The calling thread and ``size - 1`` others, which begin when there is work for them.

    Args:
        size: number of threads, the caller included.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self._begin_anew()
        _every_team.add(self)

    def run(self, function: Work, n: int) -> None:
        """Call ``function(thread, start, stop)`` once for each thread, with its part of ``range(n)``; then return.

        Parts may be empty. The caller is thread 0. Where the team is at work for somebody else, the caller does all
        parts itself, one after another, with the same result.

        Raises:
            BaseException: the error of the first thread that had one, once all have come to an end.
        """
        parts = self.parts(n)
        if min(self.size, n) > 1 and self._free.acquire(blocking=False):
            try:
                self._share(function, parts)
            finally:
                self._free.release()
        else:
            for part in parts:
                function(*part)

    def parts(self, n: int) -> list[tuple[int, int, int]]:
        """(thread, start, stop): each thread's part of ``range(n)``, as equal as can be.

        >>> Team(3).parts(7)
        [(0, 0, 3), (1, 3, 5), (2, 5, 7)]
        """
        ends = [-(-n * thread // self.size) for thread in range(self.size + 1)]
        return [(thread, ends[thread], ends[thread + 1]) for thread in range(self.size)]

    def _share(self, function: Work, parts: list[tuple[int, int, int]]) -> None:
        run, inboxes = _Run(function), self._hired()
        try:
            for (thread, start, stop), inbox in zip(parts[1:], inboxes, strict=False):
                if start < stop:  # waking a thread for nothing would take longer than nothing
                    inbox.put(partial(run.do, thread, start, stop))
                    run.handed_over.append(thread)
            for part in parts:
                if part[0] not in run.handed_over:
                    run.do(*part)
            run.wait()
        except KeyboardInterrupt:  # the others still write into the caller's arrays
            run.wait()
            raise
        run.raise_first_error()

    def _hired(self) -> list[_Inbox]:
        """The inboxes of the other threads; fewer than wanted where the system allows no more threads."""
        while len(self._inboxes) < self.size - 1:
            inbox: _Inbox = SimpleQueue()
            name = f"tinyconv-{len(self._inboxes) + 1}"
            try:
                threading.Thread(target=_work, args=(inbox,), name=name, daemon=True).start()
            except RuntimeError:
                break
            weakref.finalize(self, inbox.put, None).atexit = False
            self._inboxes.append(inbox)
        return self._inboxes

    def _begin_anew(self) -> None:
        self._free = threading.Lock()
        self._inboxes: list[_Inbox] = []


class _Run:
    """One call of `Team.run`: what was handed to whom, and what has become of it."""

    def __init__(self, function: Work) -> None:
        self.function = function
        self.handed_over: list[int] = []
        self.outcomes: dict[int, BaseException | None] = {}
        self._signs: SimpleQueue[int] = SimpleQueue()  # one for each outcome
        self._float_errors = np.geterr()  # NumPy keeps this setting by thread

    def do(self, thread: int, start: int, stop: int) -> None:
        try:
            with np.errstate(**self._float_errors):
                self.function(thread, start, stop)
        except BaseException as error:
            self.outcomes[thread] = error
        else:
            self.outcomes[thread] = None
        self._signs.put(thread)

    def wait(self) -> None:
        """Sleep until all that was handed over is done."""
        while any(thread not in self.outcomes for thread in self.handed_over):
            self._signs.get()

    def raise_first_error(self) -> None:
        errors = [error for _, error in sorted(self.outcomes.items()) if error is not None]
        self.outcomes.clear()  # an error knows the arrays of the frames it passed; nothing else keeps them alive
        try:
            if errors:
                raise errors[0]
        finally:
            del errors


class Queue:
    """Work on the samples of one batch, put off until somebody needs its results.

    Each thread then does all pieces on its own samples, one after another, without waiting for the others in between:
    what a piece reads of its samples, an earlier one has written.

    Args:
        team: does the work.
    """

    def __init__(self, team: Team) -> None:
        self.team = team
        self._samples, self._pieces, self._after = 0, list[Work](), list[Callable[[], None]]()

    def add(self, samples: int, piece: Work, after: Callable[[], None] | None = None) -> None:
        """Put off a piece of work on so many samples, and what the caller does once it is done."""
        if samples != self._samples:
            self.settle()
        self._samples = samples
        self._pieces.append(piece)
        if after is not None:
            self._after.append(after)

    def settle(self) -> None:
        """Do what was put off."""
        pieces, after = self._pieces, self._after
        self.clear()
        if pieces:
            self.team.run(lambda *part: [piece(*part) for piece in pieces], self._samples)
        for step in after:
            step()

    def clear(self) -> None:
        """Forget what was put off."""
        self._pieces, self._after = [], []


def _work(inbox: _Inbox) -> None:
    """A thread's life."""
    while (piece := inbox.get()) is not None:
        piece()
        del piece  # and with it the arrays it worked on


def _after_fork() -> None:
    # A child process begins with the one thread that made it.
    for one in _every_team:
        one._begin_anew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
