"""Tables of images as CSV: a header, then one row per image, its label first and its pixels after it.

NumPy's ``loadtxt`` reads such a table at the speed of C. It stops at the first bad row; only then a slow walk through
the text finds out what is wrong with it and says where.
"""

import gzip
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence


def read_image_table(path: Path, pixels: int) -> tuple[Array, Array]:
    """Read ``label,pixel1,...`` rows, packed (``.gz``) or not, with line ends of Unix or of Windows.

    Args:
        path: the file.
        pixels: how many pixels an image has.

    Returns:
        pixels of shape (N, pixels) and labels of shape (N,), both uint8.

    Raises:
        ValueError: for a row that is too short or too long, or holds anything but whole numbers from 0 to 255. The
            message names the file, the row (1 is the first after the header) and the line.
    """
    try:
        with _open(path) as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # older NumPy reads 3.0 as a whole number, and an empty file, with a warning
            _check_header(file.readline(), path, pixels)
            table = np.loadtxt(file, np.uint8, delimiter=",", comments=None, ndmin=2)  # (N, 1 + pixels)
        if table.shape[1] != 1 + pixels:
            raise ValueError(f"rows of {table.shape[1]} numbers")
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(sentence(f"table {path}", "a whole file", f"{type(error).__name__}: {error}")) from error
    except (ValueError, UserWarning, DeprecationWarning) as error:
        raise ValueError(_complaint(path, pixels) or f"table {path}: {error}") from None
    return table[:, 1:].copy(), table[:, 0].copy()


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    # Latin-1 takes any byte, so that a stray one is found as a bad number in its row.
    opener = gzip.open if path.suffix == ".gz" else open
    with opener(path, "rt", encoding="latin-1") as file:
        yield file


def _check_header(line: str, path: Path, pixels: int) -> None:
    names = line.strip().split(",")
    if names[0] != "label" or len(names) != 1 + pixels:
        received = f"{len(names)} names that start with {names[0][:20]!r}"
        raise ValueError(sentence(f"table {path}", f"a header 'label' and {pixels} names of pixels", received))


def _complaint(path: Path, pixels: int) -> str:
    """What is wrong with the first bad row, in words; nothing if there is none."""
    with _open(path) as file:
        try:
            _check_header(file.readline(), path, pixels)
        except ValueError as error:
            return str(error)
        row = 0
        for line, text in enumerate(file, start=2):
            if not text.strip():
                continue  # loadtxt skips empty lines too
            row += 1
            if received := _bad_row(text.strip().split(","), 1 + pixels):
                expected = f"{1 + pixels} whole numbers from 0 to 255 in every row"
                return sentence(f"table {path}", expected, f"{received} in row {row} (line {line})")
    return sentence(f"table {path}", "at least one row after the header", "none") if row == 0 else ""


def _bad_row(cells: list[str], expected: int) -> str:
    if len(cells) != expected:
        return f"{len(cells)} numbers"
    bad = (i for i, cell in enumerate(cells) if not cell.strip().isdecimal() or int(cell) > 255)
    column = next(bad, None)
    return "" if column is None else f"{cells[column]!r} as number {column + 1}"
