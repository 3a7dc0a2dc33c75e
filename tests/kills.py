"""Trainings that are killed again and again, and must end as if nothing had happened.

    python -m tests.kills --kills 200 [--seed 0] [--json FILE]

Each training (`killed_training`) is a process of its own with backups, checkpoints and a log. It is killed in one of
three ways: by a clock, at any moment after it has begun; before a change of a file or folder; and in the middle of a
write, when a file grows beyond some byte. After each kill all files must be whole. Then it is started again, until it
is lucky and comes to its end: with the weights, history, checkpoints and log of a training that nobody has disturbed.
"""

import argparse
import csv
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from itertools import cycle, product
from pathlib import Path

import numpy as np

from tinyconv import config
from tinyconv.callbacks import backup
from tinyconv.models import load_model

PROGRAM = Path(__file__).with_name("killed_training.py")
KINDS = ("arrays", "flow", "folder", "numbers")
ENGINES = ("numpy", "numba")
#: Backups after each epoch; and after every second batch, which is in the middle of an epoch too.
FREQUENCIES = ("epoch", "2")

#: Changes of files and folders that the program makes, and bytes of its largest file; both rounded up.
MOST = {"file": 160, "byte": 40_000}
#: How a killed process says so: its own kill, and the system's, for a file that is too large.
KILLED = {-signal.SIGKILL, -signal.SIGXFSZ}


class Training:
    """One training in a folder, started as often as it takes.

    Args:
        folder: where it keeps its files; the pictures lie beside it.
        kind, engine, save_freq: its data, what runs the network, and when it makes backups.
    """

    def __init__(self, folder, kind, engine, save_freq):
        self.folder, self.kind, self.engine, self.save_freq = folder, kind, engine, save_freq
        self.seconds = 0.0
        folder.mkdir()

    def run(self, *kill, clock=None):
        """Start the program; its exit code. ``clock`` kills it so many seconds after it has begun to train."""
        command = [sys.executable, PROGRAM, self.folder, self.kind, self.save_freq, *map(str, kill)]
        environment = os.environ | {"PYTHONPATH": str(PROGRAM.parent.parent), "TINYCONV_ENGINE": self.engine}
        with (
            tempfile.TemporaryFile() as said,
            subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=said) as process,
        ):
            process.stdout.readline()  # it begins
            began = time.perf_counter()
            try:
                process.wait(clock or 300)
            except subprocess.TimeoutExpired:
                process.kill()
            process.wait()
            self.seconds = time.perf_counter() - began
            said.seek(0)
            if process.returncode not in {0, *KILLED} or (process.returncode and not kill and clock is None):
                raise AssertionError(f"the program ended with {process.returncode}: {said.read().decode()[-2000:]}")
        return process.returncode

    def results(self):
        """All that it has left, file by file."""
        left = sorted(path.name for path in self.folder.rglob("*"))
        assert not [name for name in left if name.startswith(".") or "backup" in name], f"left behind: {left}"
        return {path.name: content(path) for path in sorted(self.folder.iterdir())}


def content(path):
    """What a file holds, which must be whole: arrays, or text.

    Raises:
        Exception: if it is not, of many kinds.
    """
    if path.suffix in (".keras", ".h5"):
        with config.engine("numpy"):
            model = load_model(path)
        return [*model.get_weights(), *model.optimizer.get_state().values()]
    if path.suffix == ".npz":
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return [arrays[name] for name in sorted(arrays)]
    if path.suffix == ".backup":
        return [backup._read_archive(path)["epoch"]]
    text = path.read_text()
    if path.suffix == ".json":
        return [json.dumps(json.loads(text))]
    lines = text.splitlines(keepends=True)
    rows = list(csv.reader(lines))
    assert all(line.endswith("\n") for line in lines), f"half a line: {text!r}"
    assert len({len(row) for row in rows}) < 2, f"lines of different lengths: {text!r}"
    return [text]


def same(ours, theirs):
    """Whether two trainings have left the same, bit by bit."""
    return ours.keys() == theirs.keys() and all(
        len(ours[name]) == len(theirs[name]) and all(map(np.array_equal, ours[name], theirs[name])) for name in ours
    )


def damaged(folder):
    """What is wrong with the files under their final names, after a kill: a line for each."""
    found = []
    for path in folder.rglob("*"):
        if path.is_file() and not path.name.startswith("."):
            try:
                content(path)
            except Exception as error:
                found.append(f"{path.name} is damaged: {type(error).__name__}: {error}")
    return found


def unfinished(folder):
    """(path, time of the last write) of each file that somebody was writing to."""
    return {(path, path.stat().st_mtime_ns) for path in folder.rglob(".*.part")}


def kill_until_it_ends(training, rng, most, seconds):
    """({what happened: times}, what is wrong): the training is killed at random, at most so often, then left alone.

    Args:
        training: has not begun.
        rng: decides how and when.
        most: number of kills.
        seconds: how long it takes if nobody disturbs it.
    """
    happened, found = Counter(), []
    while True:
        way, place = "none", 0.0
        if happened["kills"] < most:
            way = rng.choices(("clock", "file", "byte"), (6, 3, 1))[0]
            place = rng.uniform(0, seconds / 2) if way == "clock" else rng.randint(1, MOST[way])
        kill = () if way in ("clock", "none") else (way, place)
        before = unfinished(training.folder)
        if training.run(*kill, clock=place if way == "clock" else None) == 0:
            return happened, found
        happened.update(["kills", way])
        happened["in the middle of a file"] += unfinished(training.folder) != before
        found += [f"after a kill at {way} {place}: {text}" for text in damaged(training.folder)]


def kill_often(kills, seed, choices, folder):
    """Kill so many times, in trainings of these (kind, engine, save_freq), taken in turns.

    Returns:
        ({what happened: times}, what is wrong as lines of text).
    """
    rng = random.Random(seed)
    subprocess.run(
        [sys.executable, "-c", "import pathlib, sys, killed_training as k; k.write_pictures(pathlib.Path(sys.argv[1]))",
         folder / "pictures"],
        cwd=PROGRAM.parent, env=os.environ | {"PYTHONPATH": str(PROGRAM.parent.parent)}, check=True,
    )  # fmt: skip
    if any(engine == "numba" for _, engine, _ in choices):
        Training(folder / "first", "arrays", "numba", "epoch").run()  # which compiles the kernels
    unbroken = {}
    happened, found = Counter(kills=0), []
    for number, choice in enumerate(cycle(choices)):
        if happened["kills"] >= kills or len(found) > 20:
            return happened, found
        kind, engine, _ = choice
        if (kind, engine) not in unbroken:
            reference = Training(folder / f"{kind}-{engine}", *choice)
            reference.run()
            unbroken[kind, engine] = reference.results(), reference.seconds
        expected, seconds = unbroken[kind, engine]
        training = Training(folder / str(number), *choice)
        try:
            here, wrong = kill_until_it_ends(training, rng, kills - happened["kills"], seconds)
            if not same(training.results(), expected):
                wrong.append("it ends otherwise than one that nobody has killed")
        except AssertionError as error:
            here, wrong = Counter(), [str(error)]
        happened.update({"trainings": 1, **here})
        found += [f"training {number} ({', '.join(choice)}): {text}" for text in wrong]


def main():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    began = time.perf_counter()
    choices = [*product(KINDS, ENGINES, FREQUENCIES)]
    with tempfile.TemporaryDirectory() as folder:
        happened, found = kill_often(options.kills, options.seed, choices, Path(folder))
    for text in found:
        print(text)
    figures = {**happened, "found": len(found), "seconds": round(time.perf_counter() - began)}
    print(", ".join(f"{name} {value}" for name, value in figures.items()))
    if options.json:
        options.json.write_text(json.dumps(figures | {"problems": found}, indent=1))
    sys.exit(bool(found))


if __name__ == "__main__":
    main()
