"""Time one training step and one prediction of the notes' networks, in tinyconv and in PyTorch and Keras.

    python -m benchmarks.train_step --models M1 M3 --rounds 6 --threads 1 --json speed.json --picture speed.png

Every competitor has a process of its own; they take turns. Before any timing all compute the loss of the same batch
from the same weights, and must agree. A ratio above 1 means that tinyconv is faster.
"""

import sys
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from benchmarks.command import Command
from benchmarks.peers import COMPETITORS, MATHEMATICS, OURS, PEERS
from benchmarks.problems import PROBLEMS
from benchmarks.report import Results, by_problem, factor, machine_line, number, ratio, time_and_ratio
from benchmarks.turns import Phase

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PHASES = {"train_step": "training step", "predict": "predict"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the files that are asked for."""
    command = Command("train_step", __doc__, rounds=6)
    networks = ", ".join(f"{name} {problem.network}" for name, problem in PROBLEMS.items())
    models = ["M1", "M2", "M3", "M4"]
    about = f"{networks}; all but M5"
    command.parser.add_argument("--models", nargs="+", choices=PROBLEMS, default=models, help=about)
    command.add_peers([*PEERS, MATHEMATICS], default=PEERS)
    command.add_one_at_a_time()
    command.add_picture()
    args = command.start(arguments)
    least, seconds = (1, 0.0) if args.quick else (3, 0.4)
    phases = [Phase(method, least, seconds) for method in PHASES]
    names = command.present(args.peers)
    for model in args.models:
        if not command.run(model, PROBLEMS[model], names, phases, one_at_a_time=args.one_at_a_time):
            return 1
    footer = f"{machine_line(command.machine)}; {command.conditions}"
    command.finish(tables(command.results), lambda: picture(command.results, footer))
    return 0


def tables(results: Results) -> str:
    """A table for each phase and one for memory."""
    times = [
        by_problem(f"{title}, ms", results, partial(time_and_ratio, phase=phase)) for phase, title in PHASES.items()
    ]
    return "\n\n".join([*times, by_problem("peak memory, MB", results, lambda one, _: f"{one.peak / 1e6:.0f}")])


def picture(results: Results, footer: str) -> "Figure":
    """How many times as long as tinyconv everybody takes: a row of panels for each phase, a panel for each network."""
    from benchmarks.pictures import Bar, Panel, bars

    def bar(phase: str, name: str, model: str) -> Bar:
        one, ours = results[model][name], results[model][OURS]
        times = ratio(one.rounds[phase], ours.rounds[phase])
        text = "1" if one is ours else factor(times)
        return Bar(COMPETITORS[name].title, times, f"{text}  ({number(one.milliseconds(phase))} ms)", name == OURS)

    grid = [
        [
            Panel(f"{model} ({PROBLEMS[model].network}): {title}", [bar(phase, name, model) for name in results[model]])
            for model in results
        ]
        for phase, title in PHASES.items()
    ]
    return bars(grid, "Time for the same work, as a multiple of tinyconv's", footer, reference=1)


if __name__ == "__main__":
    sys.exit(main())
