"""Train the notes' programs with tinyconv and with real Keras, seed by seed, and compare what they reach.

    python -m benchmarks.accuracy --notes 004 003 --seeds 3 --json accuracy.json

Both run the same text of the note's program on the same files; for Keras the import lines are the note's. In note 000,
where the note compiles three networks and goes on training the first, each is trained. One process at a time, with all
cores. Keras may live in another environment: ``--keras`` names its Python.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from benchmarks.command import count
from benchmarks.keras_program import environment, keras_program
from benchmarks.report import machine, machine_line, table
from benchmarks.worker import ROOT
from tinyconv.notes.findings import NOTES, as_printed
from tinyconv.notes.running import DATA, Run, changed, source

OURS, THEIRS = "tinyconv", "Keras"
#: Cells that say nothing of how well a network learns, and take time.
LEFT_OUT = {"003": ("Its training",), "000": ("Load model and make predictions",)}


@dataclass(frozen=True)
class Training:
    """One training of a program.

    Attributes:
        note: the number of the note.
        cell: what was trained, as the title of its cell.
        library: who trained it, and with what.
        seed: of weights and order.
        val_accuracy: after each epoch.
    """

    note: str
    cell: str
    library: str
    seed: int
    val_accuracy: list[float]


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the table, and write the files that are asked for."""
    args = _parser().parse_args(arguments)
    if args.one:
        return _one(*args.one)
    found = machine()
    print(f"{machine_line(found)}; {args.seeds} seeds", flush=True)
    done: list[Training] = []
    for note in args.notes:
        with tempfile.TemporaryDirectory() as folder:
            NOTES[note].lay(Path(folder), args.quick)
            for seed in range(1 if args.quick else args.seeds):
                for library, python in ((OURS, sys.executable), (THEIRS, args.keras)):
                    done += _train(python, note, library, Path(folder), seed, args.quick)
                    _say(done[-1])
    text = report(done)
    print(f"\n{text}")
    if args.text:
        args.text.write_text(f"{text}\n", encoding="utf-8")
    if args.json:
        everything = {"machine": found, "trainings": [asdict(training) for training in done]}
        args.json.write_text(json.dumps(everything, indent=1), encoding="utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    first = (__doc__ or "").split("\n")[0]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.accuracy", description=first)
    add = parser.add_argument
    add("--notes", nargs="+", choices=NOTES, default=["004", "003", "002", "000", "001"], help="all five")
    add("--seeds", type=count, default=3, help="trainings of each network (3)")
    add("--keras", default=sys.executable, metavar="PYTHON", help="the Python that has Keras (this one)")
    add("--json", type=Path, metavar="FILE", help="write every accuracy")
    add("--text", type=Path, metavar="FILE", help="write the table")
    add("--quick", action="store_true", help="one seed, few images and two epochs, to see that it works")
    add("--one", nargs=5, help=argparse.SUPPRESS)  # note, library, folder, seed, quick: what a process is started with
    return parser


def _train(python: str, note: str, library: str, folder: Path, seed: int, quick: bool) -> list[Training]:
    """The trainings of a program, in a process of its own."""
    command = [python, "-m", "benchmarks.accuracy", "--one", note, library, str(folder), str(seed), "yes"[: 3 * quick]]
    quiet = {"CUDA_VISIBLE_DEVICES": "-1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    ended = subprocess.run(command, cwd=ROOT, env=os.environ | quiet, capture_output=True, text=True)
    if ended.returncode:
        raise RuntimeError(
            f"{library}, note {note}, seed {seed} ended with {ended.returncode}:\n{ended.stderr[-2000:]}"
        )
    return [Training(**training) for training in json.loads(ended.stdout.splitlines()[-1])]


def _one(note: str, library: str, folder: str, seed: str, quick: str) -> int:
    """What the process does: run the program, and print its trainings as the last line."""
    findings = NOTES[note]
    text = changed(findings.corrected(source(note)), findings.reseeded(int(seed)))
    text = changed(text, findings.quick if quick else {})
    title = library
    if library == THEIRS:
        os.environ.update(environment() | dict(os.environ))
        title, text = _prepare_keras(Path(folder), int(seed)), keras_program(text)
    run = Run(note, text, Path(folder), most_epochs=2 if quick else None, seed=int(seed))
    run.program(without=LEFT_OUT.get(note, ()))
    done = [Training(note, fit.cell, title, int(seed), fit.history["val_accuracy"]) for fit in run.fits]
    print(f"\n{json.dumps([asdict(training) for training in done])}")
    return 0


def _prepare_keras(folder: Path, seed: int) -> str:
    """Give Keras the seed and the data set that it would download; returns its name."""
    import keras

    from tinyconv.datasets._npz import read_npz

    def load_data(path: str = "mnist.npz") -> Any:
        x_train, y_train, x_test, y_test = read_npz(folder / DATA / "mnist" / path, _ARRAYS)
        return (x_train, y_train), (x_test, y_test)

    keras.datasets.mnist.load_data = load_data
    keras.utils.set_random_seed(seed)
    return f"Keras on {keras.backend.backend()}"


_ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def _say(training: Training) -> None:
    last = training.val_accuracy[-1]
    print(f"{training.note}, seed {training.seed}, {training.library}: {training.cell}: {last:.4f}", flush=True)


def report(done: Sequence[Training]) -> str:
    """A row for each network: what the note prints, and mean and spread of each library.

    >>> print(report([Training("004", "Training", "tinyconv", seed, [0.98, 0.99 + seed / 100]) for seed in (0, 1)]))
    | val_accuracy | the note: last, best | tinyconv: last, best |
    | --- | ---: | ---: |
    | 004, Training | 0.9901, 0.9910 | 0.9950 ± 0.0071, 0.9950 ± 0.0071 |
    """
    libraries = list(dict.fromkeys(training.library for training in done))
    rows: dict[tuple[str, str], list[str]] = {}
    for note, cell in dict.fromkeys((training.note, training.cell) for training in done):
        theirs = [epoch["val_accuracy"] for epoch in as_printed(NOTES[note].trainings[cell]).values()]
        rows[note, cell] = [f"{note}, {cell}", f"{theirs[-1]:.4f}, {max(theirs):.4f}"]
        for library in libraries:
            same = [t.val_accuracy for t in done if (t.note, t.cell, t.library) == (note, cell, library)]
            rows[note, cell].append(f"{_spread([v[-1] for v in same])}, {_spread([max(v) for v in same])}")
    return table(
        ["val_accuracy", "the note: last, best", *[f"{name}: last, best" for name in libraries]], rows.values()
    )


def _spread(values: Sequence[float]) -> str:
    """Mean and standard deviation.

    >>> _spread([0.5, 0.7]), _spread([0.5])
    ('0.6000 ± 0.1414', '0.5000')
    """
    return f"{mean(values):.4f}" + (f" ± {stdev(values):.4f}" if len(values) > 1 else "")


if __name__ == "__main__":
    sys.exit(main())
