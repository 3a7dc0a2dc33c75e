"""Time a whole epoch of training, with everything around its steps: cutting, shuffling, progress, callbacks.

    python -m benchmarks.epoch --models M1 M3 --steps 24 --rounds 4 --json epoch.json

An epoch learns once from images in memory, as the users of each library write it: `fit` in tinyconv and Keras, and in
PyTorch a loop over a random permutation. Everybody has a process of its own; they take turns. tinyconv also does the
same number of `train_on_batch`, so that it shows what an epoch loses against its steps. Ratios are of whole epochs; one
above 1 means that tinyconv is faster.
"""

import sys
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from statistics import median

from benchmarks.command import Command, count
from benchmarks.peers import OURS, PEERS
from benchmarks.problems import PROBLEMS
from benchmarks.report import Measurement, Results, by_problem, table, time_and_ratio
from benchmarks.turns import Phase


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if asked."""
    command = Command("epoch", __doc__, rounds=4)
    models = ["M1", "M2", "M3", "M4"]
    command.parser.add_argument("--models", nargs="+", choices=models, default=models, help="all four")
    command.parser.add_argument("--steps", type=count, default=24, help="batches in an epoch (24)")
    command.add_peers(PEERS, default=PEERS)
    args = command.start(arguments)
    steps = 2 if args.quick else args.steps
    phases = [Phase("epoch"), Phase("train_step", least=steps, who=[OURS])]
    names = command.present(args.peers)
    for model in args.models:
        if not command.run(model, replace(PROBLEMS[model], steps=steps), names, phases):
            return 1
    lost = {model: loss_of_time(found[OURS]) for model, found in command.results.items()}
    command.finish(tables(command.results, lost, steps), more={"lost_against_steps": lost})
    return 0


def loss_of_time(ours: Measurement) -> float:
    """By which fraction of its steps' time an epoch is longer: median over the rounds.

    >>> loss_of_time(Measurement(None, {"epoch": [[4.0], [3.0]], "train_step": [[1.0, 1.0], [1.0, 2.0]]}))
    0.5
    """
    pairs = zip(ours.rounds["epoch"], ours.rounds["train_step"], strict=True)
    return median(sum(epoch) / sum(steps) - 1 for epoch, steps in pairs)


def tables(results: Results, lost: dict[str, float], steps: int) -> str:
    """The epochs of all, and what ours loses."""
    epochs = by_problem(f"epoch of {steps} steps, ms", results, partial(time_and_ratio, phase="epoch"))
    row = [f"more than {steps} train_on_batch", *[f"{part:+.1%}" for part in lost.values()]]
    return f"{epochs}\n\n{table(['tinyconv', *lost], [row])}"


if __name__ == "__main__":
    sys.exit(main())
