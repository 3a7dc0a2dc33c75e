"""One process per competitor, and the wire to it.

The parent writes a JSON list on one line, ``["train_step", 3, 0.5]``, and waits for one line of JSON as answer. So
competitors can take turns on the same cores without sharing a process, and a process that waits costs nothing.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.peers import COMPETITORS, Competitor
from benchmarks.problems import read

#: What is timed: methods of a competitor.
PHASES = ("train_step", "predict")
_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")


class Worker:
    """The parent's end: starts the process of a competitor, and ends it.

    Args:
        name: the competitor's, in `COMPETITORS`.
        folder: where `problems.write` has put the problem.
        threads: how many it may use.
    """

    def __init__(self, name: str, folder: Path, threads: int) -> None:
        self.name, self.log = name, folder / f"{name}.txt"
        environment = os.environ | dict.fromkeys(_THREADS, str(threads)) | dict(COMPETITORS[name].environment)
        environment |= {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
        with self.log.open("w", encoding="utf-8") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "benchmarks.worker", name, str(folder), str(threads)],
                cwd=Path(__file__).parents[1],
                env=environment,
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
            said = "\n".join(self.log.read_text(encoding="utf-8").splitlines()[-8:])
            raise RuntimeError(f"The process of {self.name!r} ended when asked for {command[0]!r}:\n{said}") from None

    def __enter__(self) -> "Worker":
        return self

    def __exit__(self, *error: object) -> None:
        self.process.kill()
        self.process.communicate()


def answer(competitor: Competitor, what: str, least: int = 1, seconds: float = 0.0) -> Any:
    """The loss; peak memory in bytes as "peak"; or for a phase the seconds of each call, at least so many."""
    if what == "loss":
        return competitor.loss()
    return peak_memory() if what == "peak" else timed(getattr(competitor, what), least, seconds)


def timed(call: Callable[[], Any], least: int, seconds: float) -> list[float]:
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


def main(name: str, folder: str, threads: str) -> None:
    """The process: load the problem, then answer until nobody asks any more."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())  # what a library prints is no answer
    _stay_on_cores(int(threads))
    problem, weights, batch = read(Path(folder))
    competitor = COMPETITORS[name].make(problem, int(threads))
    competitor.load(weights, batch)
    del weights
    for line in sys.stdin:
        print(json.dumps(answer(competitor, *json.loads(line))), file=answers, flush=True)


def _stay_on_cores(threads: int) -> None:
    """Use as many cores as threads, the last ones: the first is where a system does its own work."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[-threads:])


if __name__ == "__main__":
    main(*sys.argv[1:])
