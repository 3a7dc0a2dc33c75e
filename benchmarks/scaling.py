"""Time a training step against the size of its work, and beside what the machine can do at all.

    python -m benchmarks.scaling --axes filters threads --rounds 6 --json scaling.json --picture scaling.png

The network is a few times convolution (3x3, relu) and pooling, then a dense layer. One number of it is varied at a
time: images in a batch, pixels, filters, convolutions, threads. The machine itself takes turns with the networks: a
tile of sums held in registers gives its peak, a copy of large arrays its bandwidth. The share of the peak counts the
multiplications of the definition; an algorithm that needs fewer may reach more than 100 %. A ratio above 1 means that
tinyconv is faster.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from benchmarks.command import Command
from benchmarks.peers import COMPETITORS, MACHINE, MATHEMATICS, OURS, PEERS
from benchmarks.problems import Line, Problem
from benchmarks.report import Measurement, factor, machine_line, number, ratio, table
from benchmarks.turns import Entrant, Phase
from tinyconv.layers import Conv2D
from tinyconv.models.formulas import layer_formulas

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True)
class Size:
    """How large the work is."""

    batch: int = 32
    pixels: int = 64
    filters: int = 32
    depth: int = 3
    threads: int = 1

    def problem(self) -> Problem:
        """The network of this size."""
        block: Line = [
            ("Conv2D", {"filters": self.filters, "kernel_size": 3, "padding": "same", "activation": "relu"}),
            ("MaxPooling2D", {}),
        ]
        layers: Line = [*list(block) * self.depth, ("Flatten", {}), ("Dense", {"units": 10})]
        return Problem("classifier", self.batch, (self.pixels, self.pixels, 3), settings={"layers_": layers})


def operations(problem: Problem) -> int:
    """Multiplications and additions of a training step, as the definition counts them.

    Backward, each layer needs as many for the gradient by its weights, and as many for that by its input, but for the
    first layer, whose input is the image.
    """
    costs = layer_formulas(problem.model())
    every = [cost.multiply_adds or 0 for cost in costs.values()]
    first = next(cost.multiply_adds or 0 for layer, cost in costs.items() if isinstance(layer, Conv2D))
    return 2 * problem.batch_size * (3 * sum(every) - first)


@dataclass(frozen=True)
class Axis:
    """A number that is varied."""

    title: str
    name: str
    values: Sequence[int]


def axes(threads: int) -> dict[str, Axis]:
    """What is varied; up to this many threads."""
    found = [
        Axis("images in a batch", "batch", (1, 8, 32, 128)),
        Axis("pixels, height and width", "pixels", (16, 32, 64, 128)),
        Axis("filters", "filters", (8, 16, 32, 64, 128)),
        Axis("convolutions", "depth", (1, 2, 3, 4)),
        Axis("threads", "threads", range(1, threads + 1)),
    ]
    return {axis.name: axis for axis in found}


def entrants(axis: Axis, threads: int, peers: Sequence[str]) -> dict[str, Entrant]:
    """Everybody at every value of an axis, as "8 tinyconv"; the machine once for each number of threads."""
    found = {}
    for value in axis.values:
        size = Size(**{"threads": threads, axis.name: value})
        for name in (OURS, *peers):
            found[f"{value} {name}"] = Entrant(name, size.problem(), size.threads)
        found.setdefault(f"{size.threads} {MACHINE}", Entrant(MACHINE, size.problem(), size.threads))
    return found


@dataclass(frozen=True)
class Point:
    """One value of an axis.

    Attributes:
        value: of the axis.
        milliseconds: of a training step.
        share: of the machine's own peak with as many threads.
        speed: operations per second, as a multiple of those at the first value.
        peers: how many times as long the others take, by title.
        peak, bandwidth: of the machine, in operations and bytes per second.
    """

    value: int
    milliseconds: float
    share: float
    speed: float
    peers: Mapping[str, float]
    peak: float
    bandwidth: float


def points(axis: Axis, everybody: Mapping[str, Entrant], found: Mapping[str, Measurement]) -> list[Point]:
    """What was measured along an axis."""
    from benchmarks.limits import copied_bytes, tile_operations  # which need Numba

    start = f"{axis.values[0]} {OURS}"
    first, least = found[start].rounds["train_step"], operations(everybody[start].problem)
    line = []
    for value in axis.values:
        me = everybody[f"{value} {OURS}"]
        ours, machine = found[f"{value} {OURS}"], found[f"{me.threads} {MACHINE}"].rounds
        step = ours.rounds["train_step"]
        work = operations(me.problem)
        peers = {
            COMPETITORS[one.name].title: ratio(found[key].rounds["train_step"], step)
            for key, one in everybody.items()
            if key.startswith(f"{value} ") and one.name not in (OURS, MACHINE)
        }
        peak = tile_operations(me.threads) / median(map(median, machine["tile"]))
        bandwidth = copied_bytes() / median(map(median, machine["copy"]))
        share = work / tile_operations(me.threads) * ratio(machine["tile"], step)
        speed = work / least * ratio(first, step)
        line.append(Point(value, ours.milliseconds("train_step"), share, speed, peers, peak, bandwidth))
    return line


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the files that are asked for."""
    command = Command("scaling", __doc__, rounds=6)
    known = axes(os.cpu_count() or 1)
    command.parser.add_argument(
        "--axes", nargs="+", choices=known, default=list(known), help="what is varied; all five"
    )
    command.add_peers([*PEERS, MATHEMATICS], default=["torch-cl"])
    command.add_picture()
    args = command.start(arguments)
    least, seconds = (1, 0.0) if args.quick else (3, 0.3)
    limits = [Phase("tile", 3, seconds, [MACHINE]), Phase("copy", 3, 0.0, [MACHINE])]
    phases = [Phase("train_step", least, seconds, [OURS, *args.peers]), *limits]
    if missing := COMPETITORS[MACHINE].obstacle():
        print(f"The machine's own peak: {missing}.", file=sys.stderr)
        return 1
    peers, lines = command.present(args.peers), {}
    for name in args.axes:
        everybody = entrants(known[name], args.threads, peers)
        found = command.measure(name, everybody, phases)
        if found is None:
            return 1
        lines[name] = points(known[name], everybody, found)
        print(f"{name}: {', '.join(map(str, known[name].values))}", flush=True)
    footer = f"{machine_line(command.machine)}; {command.conditions}"
    more = {"points": {name: [vars(point) for point in line] for name, line in lines.items()}}
    command.finish(tables(known, lines), lambda: picture(known, lines, footer), more)
    return 0


def tables(known: Mapping[str, Axis], lines: Mapping[str, Sequence[Point]]) -> str:
    """One for each axis."""
    found = []
    for name, line in lines.items():
        head = ["training step, ms", "share of peak", "speed", *line[0].peers, "peak, GFLOP/s", "copy, GB/s"]
        rows = [
            [
                str(point.value),
                number(point.milliseconds),
                f"{point.share:.0%}",
                f"{point.speed:.2f}x",
                *[f"{times:.2f}x" for times in point.peers.values()],
                number(point.peak / 1e9),
                number(point.bandwidth / 1e9),
            ]
            for point in line
        ]
        found.append(table([known[name].title, *head], rows))
    return "\n\n".join(found)


def picture(known: Mapping[str, Axis], lines: Mapping[str, Sequence[Point]], footer: str) -> "Figure":
    """The share of the peak, a panel for each axis."""
    from benchmarks.pictures import Bar, Panel, bars

    def bar(point: Point) -> Bar:
        times = "".join(f", {title} {factor(times)}" for title, times in point.peers.items())
        text = f"{point.share:.0%}  ({number(point.milliseconds)} ms{times})"
        return Bar(str(point.value), point.share, text, True)

    panels = [Panel(known[name].title, [bar(point) for point in line]) for name, line in lines.items()]
    title = "Training step: share of the machine's own peak"
    return bars([panels[i : i + 2] for i in range(0, len(panels), 2)], title, footer, width=5.5)


if __name__ == "__main__":
    sys.exit(main())
