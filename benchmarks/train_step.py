"""Time one training step and one prediction of the notes' networks, in tinyconv and in PyTorch and Keras.

    python -m benchmarks.train_step --models M1 M3 --rounds 6 --threads 1 --json speed.json

Every competitor has a process of its own; they take turns. Before any timing all compute the loss of the same batch
from the same weights, and must agree. A ratio above 1 means that tinyconv is faster.
"""

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.peers import COMPETITORS, OURS
from benchmarks.problems import PROBLEMS, Problem, write
from benchmarks.report import Measurement, as_json, machine, machine_line, tables
from benchmarks.worker import PHASES, Worker
from tinyconv.checks import sentence

#: Threads that have nothing left to do look out for more, busily, for about this many seconds.
_SETTLE = 0.25


def check_losses(losses: Mapping[str, float], tolerance: float = 1e-4) -> None:
    """All losses are ours, up to this fraction of it.

    Raises:
        ValueError: if one differs or is not finite; then times would not mean the same.
    """
    ours = losses[OURS]
    for name, loss in losses.items():
        if not abs(loss - ours) <= tolerance * abs(ours):
            expected = f"the loss that tinyconv computes from the same weights and batch, {ours!r}"
            raise ValueError(sentence(COMPETITORS[name].title, expected, repr(loss)))


def measure(
    problem: Problem, names: Sequence[str], rounds: int, least: int, seconds: float, threads: int
) -> dict[str, Measurement]:
    """Let the competitors take turns.

    Args:
        problem: what they compute.
        names: theirs, in `COMPETITORS`, tinyconv first.
        rounds: how often everybody has a turn.
        least, seconds: calls in a turn; more until these seconds have passed.
        threads: how many each may use.

    Raises:
        ValueError: if they do not compute the same loss.
    """
    with TemporaryDirectory() as folder, ExitStack() as stack:
        write(problem, Path(folder))
        workers = {name: stack.enter_context(Worker(name, Path(folder), threads)) for name in names}
        losses = {name: worker.ask("loss") for name, worker in workers.items()}
        check_losses(losses)
        found = {name: Measurement(loss, {phase: [] for phase in PHASES}) for name, loss in losses.items()}
        for phase in PHASES:
            for worker in workers.values():
                worker.ask(phase)  # the first call makes what later ones reuse
        for _ in range(rounds):
            for phase in PHASES:
                for name, worker in workers.items():
                    time.sleep(_SETTLE if threads > 1 else 0)
                    found[name].rounds[phase].append(worker.ask(phase, least, seconds))
        for name, worker in workers.items():
            found[name].peak = worker.ask("peak")
    return found


def present(peers: Sequence[str]) -> list[str]:
    """Tinyconv and those of the peers that can compete here; a line says who cannot."""
    for name in peers:
        if obstacle := COMPETITORS[name].obstacle():
            print(f"Without {COMPETITORS[name].title}: {obstacle}.")
    return [OURS] + [name for name in peers if not COMPETITORS[name].obstacle()]


def count(text: str) -> int:
    """A whole number from 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a whole number from 1. Received {text!r}.")
    return int(text)


def make_parser() -> argparse.ArgumentParser:
    """What the command line takes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.train_step", description=__doc__.split("\n")[0])
    peers = [name for name in COMPETITORS if name != OURS]
    networks = ", ".join(f"{name} {problem.network}" for name, problem in PROBLEMS.items())
    models = ["M1", "M2", "M3", "M4"]
    parser.add_argument("--models", nargs="+", choices=PROBLEMS, default=models, help=f"{networks}; all but M5")
    parser.add_argument("--peers", nargs="*", choices=peers, default=peers, help="all that are installed; or none")
    parser.add_argument("--rounds", type=count, default=6, help="turns of each competitor (6)")
    parser.add_argument("--threads", type=count, default=1, help="threads, and cores, of each competitor (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write everything that was measured")
    parser.add_argument("--quick", action="store_true", help="one round of one step, to see that it works")
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print, and write the file if asked."""
    args = make_parser().parse_args(arguments)
    rounds, least, seconds = (1, 1, 0.0) if args.quick else (args.rounds, 3, 0.4)
    names = present(args.peers)
    threads = f"{args.threads} thread{'s' if args.threads > 1 else ''}"
    print(f"{machine_line(machine())}; {threads}, {rounds} round{'s' if rounds > 1 else ''}", flush=True)
    results = {}
    for model in args.models:
        problem = PROBLEMS[model]
        try:
            results[model] = measure(problem, names, rounds, least, seconds, args.threads)
        except (RuntimeError, ValueError) as error:
            print(f"{model}: {error}", file=sys.stderr)
            return 1
        loss = results[model][OURS].loss
        print(f"{model}: {problem.network}, batch {problem.batch_size}; the loss is {loss:.5f} for all", flush=True)
    print(f"\n{tables(results)}")
    if args.json:
        settings = {"threads": args.threads, "rounds": rounds, "least": least, "seconds": seconds}
        args.json.write_text(json.dumps(as_json(results, settings), indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
