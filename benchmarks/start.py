"""Time whole processes: imports, and from the start of Python to the end of the first training step.

    python -m benchmarks.start --rounds 6 --json start.json

The programs are those in `benchmarks/first_step`, all with note 004's network. Before any timing each must print a loss
that a network may have which has not learned yet. Cold means that no compiled kernel is on the disk, as at the first
time after installing tinyconv. The programs take turns. A ratio above 1 means that tinyconv, warm, is faster.
"""

import math
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from benchmarks.command import Command
from benchmarks.peers import COMPETITORS
from benchmarks.report import Measurement, number, ratio, table
from benchmarks.worker import ROOT, environment, on_cores
from tinyconv.checks import sentence

#: The programs of other libraries, by competitor.
PEERS = {"torch": "with_pytorch.py", "keras-tensorflow": "with_keras.py", "keras-torch": "with_keras.py"}
WARM, COLD, IMPORT, NUMPY = "tinyconv, warm", "tinyconv, cold", "import tinyconv", "import numpy"


@dataclass(frozen=True)
class Program:
    """A process.

    Attributes:
        arguments: of Python.
        environment: variables that it starts with.
        is_cold: whether it finds no compiled kernels.
        trains: whether it prints a loss.
    """

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)
    is_cold: bool = False
    trains: bool = True


def programs(names: Sequence[str], threads: int) -> dict[str, Program]:
    """Ours, and those of the competitors."""

    def first_step(file: str) -> list[str]:
        return [str(Path(__file__).parent / "first_step" / file), str(threads)]

    ours = {
        WARM: Program(first_step("with_tinyconv.py")),
        COLD: Program(first_step("with_tinyconv.py"), is_cold=True),
        IMPORT: Program(["-c", "import tinyconv"], trains=False),
        NUMPY: Program(["-c", "import numpy"], trains=False),
    }
    theirs = {
        COMPETITORS[name].title: Program(first_step(PEERS[name]), COMPETITORS[name].environment) for name in names
    }
    return ours | theirs


def run(program: Program, threads: int, cache: str) -> tuple[float, float | None]:
    """Seconds from start to end, and the loss, if it trains.

    Args:
        program: what runs.
        threads: how many it may use.
        cache: where tinyconv keeps compiled kernels, unless the program is cold.

    Raises:
        RuntimeError: if it fails; with what it last wrote.
    """
    with TemporaryDirectory() as empty:
        ours = {"PYTHONPATH": str(ROOT), "TINYCONV_CACHE": empty if program.is_cold else cache}
        variables = environment(threads, ours | dict(program.environment))
        start = time.perf_counter()
        found = subprocess.run(
            [sys.executable, *program.arguments], cwd=ROOT, env=variables, capture_output=True, text=True
        )
        seconds = time.perf_counter() - start
    if found.returncode:
        said = "\n".join(found.stderr.splitlines()[-8:])
        raise RuntimeError(f"{' '.join(program.arguments)} ended with {found.returncode}:\n{said}")
    return seconds, float(found.stdout.splitlines()[-1]) if program.trains else None


def check_loss(title: str, loss: float | None) -> None:
    """A network that knows nothing finds each of the ten classes about as likely as the others.

    Raises:
        ValueError: if the loss is not near log 10.
    """
    if loss is not None and not abs(loss - math.log(10)) < 1:
        raise ValueError(sentence(title, "the loss of a network that has not learned yet, about 2.3", f"{loss}"))


def measure(chosen: Mapping[str, Program], rounds: int, threads: int) -> dict[str, Measurement]:
    """Let the programs take turns.

    Raises:
        ValueError: if one prints an impossible loss.
    """
    found: dict[str, Measurement] = {}
    with on_cores(threads), TemporaryDirectory() as cache:
        for title, program in chosen.items():  # which also fills the cache
            loss = run(program, threads, cache)[1]
            check_loss(title, loss)
            found[title] = Measurement(loss)
        for _ in range(rounds):
            for title, program in chosen.items():
                found[title].add("process", [run(program, threads, cache)[0]])
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if asked."""
    command = Command("start", __doc__, rounds=6)
    command.add_peers(list(PEERS), default=list(PEERS))
    args = command.start(arguments)
    chosen = programs(command.present(args.peers), args.threads)
    try:
        found = command.results["start"] = measure(chosen, args.rounds, args.threads)
    except (RuntimeError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    over = more_than(found[IMPORT], found[NUMPY])
    command.finish(tables(found, over), more={"import_over_numpy_ms": 1000 * over})
    return 0


def more_than(one: Measurement, other: Measurement) -> float:
    """Seconds that one takes more than the other: median over the rounds."""
    pairs = zip(one.rounds["process"], other.rounds["process"], strict=True)
    return median(median(a) - median(b) for a, b in pairs)


def tables(found: Mapping[str, Measurement], over: float) -> str:
    """Imports, and first steps."""
    imports = [[title, number(found[title].milliseconds("process"))] for title in (NUMPY, IMPORT)]
    imports.append(["the second more than the first", number(1000 * over)])
    warm = found[WARM].rounds["process"]
    steps = [
        [title, number(one.milliseconds("process")), f"{ratio(one.rounds['process'], warm):.2f}x"]
        for title, one in found.items()
        if one.loss is not None
    ]
    head = ["from start to the end of the first step", "ms", "ratio"]
    return f"{table(['whole process', 'ms'], imports)}\n\n{table(head, steps)}"


if __name__ == "__main__":
    sys.exit(main())
