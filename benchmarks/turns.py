"""Competitors take turns.

The speed of a machine changes from minute to minute, so nobody is measured alone: in each round everybody has a turn.
Before any timing all who have the same problem compute the loss of the same batch from the same weights, and must
agree.
"""

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from benchmarks.peers import COMPETITORS, OURS
from benchmarks.problems import Problem, write
from benchmarks.report import Measurement
from benchmarks.worker import Worker
from tinyconv._types import Array
from tinyconv.checks import sentence

#: Threads that have nothing left to do look out for more, busily, for about this many seconds.
_SETTLE = 0.25


@dataclass(frozen=True)
class Entrant:
    """Who takes a turn.

    Attributes:
        name: the competitor's, in `COMPETITORS`.
        problem: what it computes.
        threads: how many it may use.
    """

    name: str
    problem: Problem
    threads: int = 1


@dataclass(frozen=True)
class Phase:
    """What is timed in a turn.

    Attributes:
        method: of the competitor.
        least, seconds: so many calls; more until these seconds have passed.
        who: only these competitors; None for all.
    """

    method: str
    least: int = 1
    seconds: float = 0.0
    who: Collection[str] | None = None


class Field:
    """The processes of the entrants.

    Args:
        entrants: by the names that the results will have.
        folder: for files.
        one_at_a_time: a process of its own for each turn, so that no two are in memory together.
    """

    def __init__(self, entrants: Mapping[str, Entrant], folder: Path, one_at_a_time: bool) -> None:
        self.entrants, self.folder, self.one_at_a_time = entrants, folder, one_at_a_time
        self._problems: list[Problem] = []
        self._running: dict[str, Worker] = {}
        self._stack = ExitStack()

    @contextmanager
    def turn(self, key: str) -> Iterator[Worker]:
        """The process of an entrant, while it has its turn."""
        if self.one_at_a_time:
            with self._start(key) as worker:
                yield worker
            return
        if key not in self._running:
            self._running[key] = self._stack.enter_context(self._start(key))
        yield self._running[key]

    def _start(self, key: str) -> Worker:
        entrant = self.entrants[key]
        if entrant.problem not in self._problems:
            self._problems.append(entrant.problem)
            write(entrant.problem, self._folder(entrant))
        return Worker(entrant.name, self._folder(entrant), entrant.threads)

    def _folder(self, entrant: Entrant) -> Path:
        return self.folder / str(self._problems.index(entrant.problem))

    def __enter__(self) -> "Field":
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()


def measure(
    entrants: Mapping[str, Entrant],
    phases: Sequence[Phase],
    rounds: int,
    one_at_a_time: bool = False,
    compare_outputs: bool = False,
) -> dict[str, Measurement]:
    """Let the entrants take turns.

    Args:
        entrants: by name; every problem has tinyconv among its entrants.
        phases: what each does in a turn.
        rounds: how often everybody has a turn.
        one_at_a_time: see `Field`.
        compare_outputs: whether outputs and gradients must agree too.

    Raises:
        ValueError: if they do not compute the same.
    """
    found: dict[str, Measurement] = {}
    with TemporaryDirectory() as folder, Field(entrants, Path(folder), one_at_a_time) as field:
        for key in entrants:
            with field.turn(key) as worker:
                found[key] = Measurement(worker.ask("loss"))
        _check(field, found, compare_outputs)
        for _ in range(rounds):
            for key, entrant in entrants.items():
                with field.turn(key) as worker:
                    for phase in phases:
                        if phase.who is None or entrant.name in phase.who:
                            time.sleep(_SETTLE if entrant.threads > 1 else 0)
                            found[key].add(phase.method, worker.time(phase.method, phase.least, phase.seconds))
                    found[key].peak = max(found[key].peak, worker.ask("peak"))
    return found


def _check(field: Field, found: Mapping[str, Measurement], compare_outputs: bool) -> None:
    """Everybody against tinyconv with the same problem: first the losses, which are there already."""
    leaders = [(key, entrant.problem) for key, entrant in field.entrants.items() if entrant.name == OURS]
    for leader, problem in leaders:
        ours = found[leader].loss
        assert ours is not None
        same = [key for key, entrant in field.entrants.items() if entrant.problem == problem]
        for key in same:
            theirs = found[key].loss
            if theirs is not None:  # the machine itself has none
                check_loss(field.entrants[key].name, theirs, ours)
        if compare_outputs:
            arrays = _outputs(field, leader)
            for key in same:
                if key != leader:
                    check_outputs(field.entrants[key].name, _outputs(field, key), arrays)


def _outputs(field: Field, key: str) -> list[Array]:
    with field.turn(key) as worker:
        return worker.outputs()


def check_loss(name: str, theirs: float, ours: float, tolerance: float = 1e-4) -> None:
    """A loss is ours, up to this fraction of it.

    Raises:
        ValueError: if it differs or is not finite; then times would not mean the same.
    """
    if not abs(theirs - ours) <= tolerance * abs(ours):
        expected = f"the loss that tinyconv computes from the same weights and batch, {ours!r}"
        raise ValueError(sentence(COMPETITORS[name].title, expected, repr(theirs)))


def check_outputs(name: str, theirs: Sequence[Array], ours: Sequence[Array]) -> None:
    """Outputs, and gradients by the input, are ours: up to 1e-4 and 1e-2 of their length as vectors.

    Where two cells of a pooling window are all but equal, or a number all but 0 meets a relu, rounding decides who gets
    the gradient; so gradients may differ more, and are not compared entry by entry.

    Raises:
        ValueError: if one differs, in shape or values, or is not finite.
    """
    for a, b, what, tolerance in zip(theirs, ours, ("outputs", "gradients"), (1e-4, 1e-2), strict=True):
        where = COMPETITORS[name].title
        if a.shape != b.shape:
            raise ValueError(sentence(where, f"{what} of shape {b.shape}", f"{a.shape}"))
        apart = float(np.linalg.norm(a - b) / np.linalg.norm(b))
        if not apart <= tolerance:
            raise ValueError(sentence(where, f"the {what} that tinyconv computes", f"others, {apart:.1e} apart"))
