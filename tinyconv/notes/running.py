"""Runs a note's program cell by cell, and remembers what it trained and drew.

A cell begins at a line ``# %% title``, as in notebooks that are kept as Python files. All cells share their names, so a
cell can run once more with a line of it corrected, and the two results stand side by side.
"""

import contextlib
import io
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tinyconv import config
from tinyconv.checks import sentence

#: The programs, a file for each note.
PROGRAMS = Path(__file__).parent / "programs"
#: Where a program's data sets lie that it loads by name, in the folder that it runs in.
DATA = "data"
_CHANGED_IMPORT = re.compile(
    r"^(?:import .*|from \S+(?P<names> import (?:\([^)]*\)|.*)))  # (?P<origin>(?:import|from) .*)$", re.MULTILINE
)


def source(note: str) -> str:
    """The program of a note, such as "004"."""
    return (PROGRAMS / f"note{note}.py").read_text(encoding="utf-8")


def with_imports_of_the_note(text: str, where: Callable[[str], str | None] = lambda origin: origin) -> str:
    """The program with its changed imports from where the note has them, which stands behind them.

    Args:
        text: the program.
        where: what to write for such an origin, to import from somewhere else still; None leaves the line as it is.

    >>> with_imports_of_the_note("from tinyconv import layers  # from tensorflow.keras")
    'from tensorflow.keras import layers'
    >>> with_imports_of_the_note("import tinyconv as tf  # import tensorflow as tf")
    'import tensorflow as tf'
    """

    def line(found: re.Match[str]) -> str:
        origin = where(found["origin"])
        if origin is None:
            return found[0]
        return f"{origin}{found['names']}" if origin.startswith("from ") and found["names"] else origin

    return _CHANGED_IMPORT.sub(line, text)


def with_epochs(text: str, most: int) -> str:
    """The program with at most so many epochs in each training.

    >>> with_epochs("model.fit(x, y, epochs=20)", 3)
    'model.fit(x, y, epochs=3)'
    """
    return re.sub(r"\b(epochs ?= ?)(\d+)", lambda found: found[1] + str(min(int(found[2]), most)), text)


def changed(text: str, changes: Mapping[str, str]) -> str:
    """The text with each of these parts replaced by another, wherever it stands.

    Raises:
        ValueError: for a part that is not in the text.
    """
    for old, new in changes.items():
        if old not in text:
            raise ValueError(sentence("changed", "a part of the program", f"{old!r}"))
        text = text.replace(old, new)
    return text


@dataclass(frozen=True)
class Cell:
    """A part of a program.

    Attributes:
        title: what follows ``# %%``.
        line: number of the line in the program where its text begins.
        text: the statements.
    """

    title: str
    line: int
    text: str


def cells(text: str) -> list[Cell]:
    """The program in its cells; what stands before the first one is left out.

    >>> [(cell.title, cell.line) for cell in cells("'''About.'''\\n# %% One\\nx = 1\\n\\n# %% Two\\nx += 1\\n")]
    [('One', 3), ('Two', 6)]
    """
    found = []
    marks = [*re.finditer(r"^# %%(.*)\n", text, flags=re.MULTILINE)]
    for mark, end in zip(marks, [*(later.start() for later in marks[1:]), len(text)], strict=True):
        found.append(Cell(mark[1].strip(), text.count("\n", 0, mark.end()) + 1, text[mark.end() : end]))
    return found


@dataclass(frozen=True)
class Fit:
    """A training that a cell did.

    Attributes:
        cell: title of the cell.
        model: what was trained.
        history: as `History.history`.
        seconds: of the whole cell.
    """

    cell: str
    model: Any
    history: dict[str, list[float]]
    seconds: float

    def last(self, name: str = "val_accuracy") -> float:
        """After the last epoch."""
        return self.history[name][-1]

    def best(self, name: str = "val_accuracy") -> tuple[float, int]:
        """The highest value, and its epoch, counted from 1."""
        values = self.history[name]
        return max(values), values.index(max(values)) + 1


@dataclass
class Run:
    """A program while it runs, and afterwards.

    Attributes:
        note: number of the note.
        text: its program, or one made from it.
        folder: where it runs; its data lie there.
        pictures: folder for what it draws; None throws that away.
        most_epochs: of each training; None leaves them as they are written.
        seed: of tinyconv's random numbers when it begins, and when a part of it runs again.
        names: what its variables hold.
        fits: its trainings, in order.
    """

    note: str
    text: str
    folder: Path
    pictures: Path | None = None
    most_epochs: int | None = None
    seed: int = 0
    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})
    fits: list[Fit] = field(default_factory=list)

    def program(self, without: Collection[str] = ()) -> "Run":
        """Run all cells but those with these titles; returns itself."""
        config.set_random_seed(self.seed)
        with inside(self.folder), _drawing(self.pictures):
            for cell in cells(self.text):
                if cell.title not in without:
                    self._cell(cell)
        return self

    def again(self, *titles: str, changes: Mapping[str, str]) -> "Run":
        """Run these cells once more with parts of them changed, on a copy of the names, and with the seed set anew.

        Nothing is drawn, and a line that names the change stands for all that they print.

        Raises:
            ValueError: for a title that is no cell's, or a part that is in none of these cells.
        """
        known = {cell.title: cell for cell in cells(self.text)}
        if unknown := [title for title in titles if title not in known]:
            raise ValueError(sentence("again", f"titles of cells: {', '.join(known)}", f"{unknown[0]!r}"))
        for old in changes:
            changed("".join(known[title].text for title in titles), {old: ""})
        run = Run(self.note, self.text, self.folder, most_epochs=self.most_epochs, names=dict(self.names))
        config.set_random_seed(self.seed)
        print(f"{titles[-1]}, with {', '.join(changes.values())}", flush=True)
        with inside(self.folder), _drawing(None), contextlib.redirect_stdout(io.StringIO()):
            for title in titles:
                cell = known[title]
                here = {old: new for old, new in changes.items() if old in cell.text}
                run._cell(Cell(title, cell.line, changed(cell.text, here)), seen=[fit.history for fit in self.fits])
        return run

    def _cell(self, cell: Cell, seen: Collection[dict[str, list[float]]] = ()) -> None:
        started = time.perf_counter()
        text = cell.text if self.most_epochs is None else with_epochs(cell.text, self.most_epochs)
        code = compile("\n" * (cell.line - 1) + text, str(PROGRAMS / f"note{self.note}.py"), "exec")
        exec(code, self.names)
        seconds = time.perf_counter() - started
        known = [*seen, *(fit.history for fit in self.fits)]
        for model in list(self.names.values()):
            history = getattr(getattr(model, "history", None), "history", None)
            if hasattr(model, "fit") and history and not any(history is other for other in known):
                self.fits.append(Fit(cell.title, model, history, seconds))
                known.append(history)


@contextlib.contextmanager
def inside(folder: Path) -> Iterator[None]:
    """While this lasts, the folder is the working folder, and the data sets are those that lie in it."""
    before = os.environ.get("TINYCONV_DATA")
    os.environ["TINYCONV_DATA"] = str(folder.resolve() / DATA)
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        os.environ.pop("TINYCONV_DATA")
        if before is not None:
            os.environ["TINYCONV_DATA"] = before


@contextlib.contextmanager
def _drawing(folder: Path | None) -> Iterator[None]:
    """What a program shows goes to files, and no window opens."""
    from matplotlib import pyplot

    backend, show = pyplot.get_backend(), pyplot.show
    count = 0
    target = folder and folder.resolve()

    def keep(*_: Any, **__: Any) -> None:
        nonlocal count
        for number in pyplot.get_fignums():
            count += 1
            if target:
                pyplot.figure(number).savefig(target / f"figure-{count:02}.png", dpi=100)
            pyplot.close(number)

    pyplot.switch_backend("agg")
    pyplot.show = keep
    try:
        yield
        keep()  # what was drawn last may not have been shown
    finally:
        pyplot.show = show
        pyplot.close("all")
        pyplot.switch_backend(backend)
