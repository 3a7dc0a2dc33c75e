"""One process per competitor, and the wire to it.

The parent writes a JSON list on one line, ``["train_step", 3, 0.5]``, and waits for one line of JSON as answer. So
competitors can take turns on the same cores without sharing a process, and a process that waits costs nothing.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers import COMPETITORS, Competitor
from benchmarks.problems import load_arrays, read
from tinyconv._types import Array

#: The root of the checkout, where processes start.
ROOT = Path(__file__).parents[1]
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


def environment(threads: int, more: Mapping[str, str]) -> dict[str, str]:
    """Variables that a process starts with: so many threads, no graphics card, few words."""
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    return os.environ | dict.fromkeys(_THREADS, str(threads)) | quiet | dict(more)


class Worker:
    """The parent's end: starts the process of a competitor, and ends it.

    Args:
        name: the competitor's, in `COMPETITORS`.
        folder: where `problems.write` has put the problem.
        threads: how many it may use.
    """

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        self.name, self._files = name, folder / f"{name}-{threads}"
        self._log = self._files.with_suffix(".txt")
        self._warm: set[str] = set()
        with self._log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", name, str(folder), str(threads)],
                cwd=ROOT,
                env=environment(threads, COMPETITORS[name].environment),
                text=True,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def ask(self, *command: Any) -> Any:
        """The answer to a command of `answer`.

        Raises:
            RuntimeError: if the process has died; with what it last wrote.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(command), file=self.process.stdin, flush=True)
            return json.loads(self.process.stdout.readline())
        except (BrokenPipeError, ValueError):
            said = "\n".join(self._log.read_text(encoding="utf-8").splitlines()[-8:])
            raise RuntimeError(f"The process of {self.name!r} ended when asked for {command[0]!r}:\n{said}") from None

    def time(self, method: str, least: int, seconds: float) -> list[float]:
        """Seconds of each call. A call before them, the process's first, makes what later ones reuse."""
        if method not in self._warm:
            self.ask(method)
            self._warm.add(method)
        times: list[float] = self.ask(method, least, seconds)
        return times

    def outputs(self) -> list[Array]:
        """What the competitor's method of this name returns."""
        path = self._files.with_suffix(".npz")
        self.ask("outputs", str(path))
        return load_arrays(path)

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


def answer(competitor: Any, what: str, *settings: Any) -> Any:
    """What a process answers.

    "loss": the loss. "peak": most memory so far, in bytes. "outputs", and a path: writes arrays there. Anything else
    is a method, and how long to go on with it: the seconds of each call (see `timed`).
    """
    match what:
        case "loss":
            return competitor.loss()
        case "peak":
            return peak_memory()
        case "outputs":
            return np.savez(settings[0], *competitor.outputs())
    return timed(getattr(competitor, what), *settings)


def timed(call: Callable[[], Any], least: int = 1, seconds: float = 0.0) -> list[float]:
    """Seconds of each call: at least so many calls, and calls until so many seconds have passed."""
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return times


def peak_memory() -> int:
    """Most memory that this process has held, in bytes."""
    status = Path("/proc/self/status")
    if status.exists():  # the other way counts what the parent held when it started this process
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource  # which Windows lacks

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


@contextmanager
def on_cores(threads: int) -> Iterator[None]:
    """This process, and those it starts, use as many cores as threads: the last ones.

    The first is where a system does its own work.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[-threads:])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def main(name: str, folder: str, threads: str) -> None:
    """The process: load the problem, then answer until nobody asks any more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    with on_cores(int(threads)):
        problem, weights, data = read(Path(folder))
        competitor: Competitor = COMPETITORS[name].make(problem, int(threads))
        competitor.load(weights, data)
        del weights, data
        for line in sys.stdin:
            print(json.dumps(answer(competitor, *json.loads(line))), file=answers, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
