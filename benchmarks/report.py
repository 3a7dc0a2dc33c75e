"""From seconds to tables: medians, ratios, and the machine they belong to.

The speed of a machine changes from minute to minute. So a ratio is taken within each round, where everybody had the
same minute, and the median over the rounds is reported.
"""

import os
import platform
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import COMPETITORS

#: Seconds of each call, a list for each round.
Rounds = Sequence[Sequence[float]]


@dataclass
class Measurement:
    """One competitor on one problem.

    Attributes:
        loss: before any step; None for what has none.
        rounds: for each phase, the seconds of each call, a list for each round.
        peak: most memory of its process, in bytes.
    """

    loss: float | None
    rounds: dict[str, list[list[float]]] = field(default_factory=dict)
    peak: int = 0

    def add(self, phase: str, seconds: list[float]) -> None:
        """Take note of a round."""
        self.rounds.setdefault(phase, []).append(seconds)

    def milliseconds(self, phase: str) -> float:
        """Median over all calls."""
        return 1000 * median(second for block in self.rounds[phase] for second in block)


#: Measurements by problem, then by competitor.
Results = Mapping[str, Mapping[str, Measurement]]


def ratio(theirs: Rounds, ours: Rounds) -> float:
    """How many times as long they take: median over the rounds of their median by our median.

    >>> ratio([[2.0, 9.0, 2.0], [6.0]], [[1.0], [2.0]])
    2.5
    """
    return median(median(a) / median(b) for a, b in zip(theirs, ours, strict=True))


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """In Markdown; all columns but the first are numbers.

    >>> print(table(["training step, ms", "M1"], [["tinyconv", "12"]]))
    | training step, ms | M1 |
    | --- | ---: |
    | tinyconv | 12 |
    """
    lines = [head, ["---"] + ["---:"] * (len(head) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def by_problem(title: str, results: Results, cell: Callable[[Measurement, Measurement], str]) -> str:
    """A table with problems in columns and competitors in rows. cell: from one and the first one of the problem."""
    rows: dict[str, list[str]] = {}
    for found in results.values():
        base = next(iter(found.values()))
        for name, one in found.items():
            rows.setdefault(name, [COMPETITORS[name].title]).append(cell(one, base))
    return table([title, *results], rows.values())


def number(value: float) -> str:
    """Three digits, or all before the point.

    >>> number(12345.678), number(12.345), number(0.12345)
    ('12346', '12.3', '0.123')
    """
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def factor(times: float) -> str:
    """How many times as long.

    >>> factor(3.0), factor(0.25)
    ('3.0x', '0.25x')
    """
    return f"{times:.1f}x" if times >= 1 else f"{times:.2f}x"


def time_and_ratio(one: Measurement, base: Measurement, phase: str) -> str:
    """Milliseconds, and in brackets how many times those of the base; nothing for what was not timed."""
    if phase not in one.rounds:
        return ""
    took = number(one.milliseconds(phase))
    return took if one is base else f"{took} ({ratio(one.rounds[phase], base.rounds[phase]):.2f}x)"


def machine() -> dict[str, Any]:
    """Processor, cores and versions."""
    libraries = ("numpy", "numba", "torch", "keras", "tensorflow")
    found = {name: _version(name) for name in libraries if _version(name)}
    about = {"processor": _processor(), "cores": os.cpu_count(), "system": platform.platform()}
    return {**about, "python": platform.python_version(), **found}


def machine_line(found: Mapping[str, Any]) -> str:
    """The machine in one line.

    >>> machine_line({"processor": "AMD EPYC", "cores": 2, "python": "3.12.1", "numpy": "2.4.6"})
    'AMD EPYC, 2 cores; python 3.12.1, numpy 2.4.6'
    """
    others = [f"{name} {what}" for name, what in found.items() if name not in ("processor", "cores", "system")]
    return f"{found['processor']}, {found['cores']} cores; {', '.join(others)}"


def as_json(results: Results) -> dict[str, Any]:
    """Everything that was measured, with the ratios to the first one of each problem."""
    return {
        problem: {name: _as_json(one, next(iter(found.values()))) for name, one in found.items()}
        for problem, found in results.items()
    }


def _as_json(one: Measurement, base: Measurement) -> dict[str, Any]:
    phases: dict[str, Any] = {}
    for phase, rounds in one.rounds.items():
        phases[phase] = {"median_ms": one.milliseconds(phase), "seconds": rounds}
        if phase in base.rounds:
            phases[phase]["ratio"] = ratio(rounds, base.rounds[phase])
    return {"loss": one.loss, "peak_bytes": one.peak, **phases}


def _version(library: str) -> str | None:
    try:
        return version(library)
    except PackageNotFoundError:
        return None


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
