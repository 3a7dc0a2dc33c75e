"""``tinyconv reproduce 004``: the program of a course note, on its data, and a report of what came of it."""

import sys
import warnings
from typing import Any

from tinyconv.commands.train import kept_if_used, make_folder
from tinyconv.notes import run_note


def reproduce_note(note: str, out: str | None = None, quick: bool = False, seed: int | None = None) -> None:
    """Run the program and its corrections, print the report, and write it with its pictures.

    Raises:
        FileNotFoundError: if the data are nowhere.
        FileExistsError: if the folder for the results holds something already.
    """
    with kept_if_used(make_folder(out, f"note{note}")) as folder, warnings.catch_warnings():
        warnings.showwarning = _in_one_line  # type: ignore[assignment]
        print(f"\n{run_note(note, folder, quick=quick, seed=seed)}")
    print(f"Written to {folder}: {', '.join(sorted(path.name for path in folder.iterdir()))}")


def _in_one_line(message: Warning | str, category: type[Warning], *_: Any) -> None:
    """The warnings of a note's program, without the line of the program that they come from."""
    print(f"{category.__name__}: {message}", file=sys.stderr)
