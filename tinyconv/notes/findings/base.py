"""What there is to say of a note once its program has run."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tinyconv.notes import printed
from tinyconv.notes.running import Run


@dataclass(frozen=True)
class Slip:
    """A place where the note does something else than it says, or than it should.

    Attributes:
        what: the slip, in words.
        as_it_is: what the note's way gives here.
        corrected: what the right way gives here.
    """

    what: str
    as_it_is: str
    corrected: str


@dataclass(frozen=True)
class Section:
    """A table of a note's own, and what it says in words."""

    title: str
    head: Sequence[str]
    rows: Sequence[Sequence[str]]
    words: str


@dataclass(frozen=True)
class Findings:
    """A note's program, and what its results are compared with.

    Attributes:
        note: its number.
        title: what the note is about.
        data: which data it runs on here, and how they differ from the note's.
        takes: how long that takes on two cores, in words.
        lay: fills a folder with its data; a small part of them, if the second argument says so.
        trainings: key in `printed.TRAININGS` of what the note prints, by the title of the cell that trains.
        examine: computes where the note slipped, and tables of the note's own.
        numbers: further (what, printed in the note, computed here).
        corrected: from the program to one that trains what it means to train.
        reseeded: changes to the program that give it another seed, where it sets its own.
        quick: changes to the program for a quick look, besides fewer data and epochs.
    """

    note: str
    title: str
    data: str
    takes: str
    lay: Callable[[Path, bool], None]
    trainings: Mapping[str, str]
    examine: Callable[[Run], Iterable[Slip | Section]]
    numbers: Callable[[Run], Iterable[tuple[str, str, str]]] = lambda run: ()
    corrected: Callable[[str], str] = lambda text: text
    reseeded: Callable[[int], Mapping[str, str]] = lambda seed: {}
    quick: Mapping[str, str] = field(default_factory=dict)


def as_printed(key: str) -> dict[int, dict[str, float]]:
    """What a note prints of a training: the numbers of each epoch.

    >>> as_printed("note003")[8]
    {'loss': 0.0037, 'accuracy': 0.9993, 'val_loss': 0.1556, 'val_accuracy': 0.9787}
    """
    names = ("loss", "accuracy", "val_loss", "val_accuracy")
    rows = (line.split() for line in printed.TRAININGS[key].strip().split("\n"))
    return {int(epoch): dict(zip(names, map(float, numbers), strict=True)) for epoch, *numbers in rows}


def reached(history: Mapping[str, Sequence[float]]) -> str:
    """The last and the best of a training.

    >>> reached({"val_accuracy": [0.5, 0.75, 0.625]})
    '0.6250 (best 0.7500 in epoch 2)'
    """
    values = history["val_accuracy"]
    return f"{values[-1]:.4f} (best {max(values):.4f} in epoch {values.index(max(values)) + 1})"
