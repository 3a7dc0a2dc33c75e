"""From seconds to tables: medians, ratios, and the machine they belong to.

The speed of a machine changes from minute to minute. So a ratio is taken within each round, where everybody had the
same minute, and the median over the rounds is reported.
"""

import os
import platform
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.peers import COMPETITORS, OURS


@dataclass
class Measurement:
    """One competitor on one problem.

    Attributes:
        loss: before any step.
        rounds: for each phase, the seconds of each call, a list for each round.
        peak: most memory of its process, in bytes.
    """

    loss: float
    rounds: dict[str, list[list[float]]] = field(default_factory=dict)
    peak: int = 0

    def milliseconds(self, phase: str) -> float:
        """Median over all calls."""
        return 1000 * median(second for block in self.rounds[phase] for second in block)


#: Measurements by problem, then by competitor.
Results = Mapping[str, Mapping[str, Measurement]]


def ratio(theirs: list[list[float]], ours: list[list[float]]) -> float:
    """How many times as long they take: median over the rounds of their median by our median.

    >>> ratio([[2.0, 9.0, 2.0], [6.0]], [[1.0], [2.0]])
    2.5
    """
    return median(median(a) / median(b) for a, b in zip(theirs, ours, strict=True))


def tables(results: Results) -> str:
    """Markdown: a table for each phase and one for memory, problems in columns and competitors in rows."""
    return "\n\n".join(
        [
            _table("training step, ms", results, lambda one, ours: _time(one, ours, "train_step")),
            _table("predict, ms", results, lambda one, ours: _time(one, ours, "predict")),
            _table("peak memory, MB", results, lambda one, ours: f"{one.peak / 1e6:.0f}"),
        ]
    )


def _time(one: Measurement, ours: Measurement, phase: str) -> str:
    took = f"{one.milliseconds(phase):.3g}" if one.milliseconds(phase) < 100 else f"{one.milliseconds(phase):.0f}"
    return took if one is ours else f"{took} ({ratio(one.rounds[phase], ours.rounds[phase]):.2f}x)"


def _table(title: str, results: Results, cell: Callable[[Measurement, Measurement], str]) -> str:
    names = list(next(iter(results.values())))
    rows = [[title, *results], ["---"] + ["---:"] * len(results)]
    for name in names:
        rows.append([COMPETITORS[name].title] + [cell(found[name], found[OURS]) for found in results.values()])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def machine() -> dict[str, Any]:
    """Processor, cores and versions."""
    libraries = ("numpy", "torch", "keras", "tensorflow")
    found = {name: _version(name) for name in libraries if _version(name)}
    return {"processor": _processor(), "cores": os.cpu_count(), "python": platform.python_version(), **found}


def machine_line(found: Mapping[str, Any]) -> str:
    """The machine in one line.

    >>> machine_line({"processor": "AMD EPYC", "cores": 2, "python": "3.12.1", "numpy": "2.4.6"})
    'AMD EPYC, 2 cores; python 3.12.1, numpy 2.4.6'
    """
    versions = [f"{name} {number}" for name, number in found.items() if name not in ("processor", "cores")]
    return f"{found['processor']}, {found['cores']} cores; {', '.join(versions)}"


def as_json(results: Results, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that was measured, with the ratios."""
    problems = {
        problem: {name: _as_json(one, found[OURS]) for name, one in found.items()} for problem, found in results.items()
    }
    return {"machine": machine(), "settings": dict(settings), "results": problems}


def _as_json(one: Measurement, ours: Measurement) -> dict[str, Any]:
    phases = {
        phase: {
            "median_ms": one.milliseconds(phase),
            "ratio": ratio(rounds, ours.rounds[phase]),
            "seconds": rounds,
        }
        for phase, rounds in one.rounds.items()
    }
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
