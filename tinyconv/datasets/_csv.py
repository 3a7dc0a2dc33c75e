"""Tables of images as CSV: a header, then one row per image, its label first and its pixels after it.

NumPy's ``loadtxt`` reads such a table at the speed of C, some thousand rows at a time, so that little text is in memory
at once. It stops at the first bad row; only then a slow walk through the text finds out what is wrong with it and says
where.
"""

import io
import warnings
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice
from os import PathLike
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from tinyconv._types import Array
from tinyconv.archives import Unpacked
from tinyconv.checks import positive, sentence

#: Bytes of numbers that are read at once unless the caller says how many rows.
_AT_ONCE = 2**22

#: Bytes that are unpacked at once.
_PIECE = 2**16
#: Letters of a bad cell that are shown.
_SHOWN = 20


def read_image_table(path: str | PathLike[str], pixels: int = 28 * 28, chunksize: int | None = None) -> Any:
    """Read ``label,pixel1,...`` rows, packed (``.gz``) or not, with line ends of Unix or of Windows.

    >>> for x, y in read_image_table("train.csv", chunksize=10_000):  # doctest: +SKIP
    ...     model.fit(x.reshape(-1, 28, 28, 1) / 255, y)

    Args:
        path: the file.
        pixels: how many pixels an image has.
        chunksize: read piece by piece, so many rows each, for a table that is larger than the memory.

    Returns:
        pixels of shape (N, pixels) and labels of shape (N,), both uint8; with ``chunksize`` an iterator of such pairs.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: for a row that is too short or too long, or holds anything but whole numbers from 0 to 255; with
            ``chunksize`` when its turn comes. The message names the file, the row (1 is the first after the header)
            and the line.
    """
    path, pixels = Path(path), positive(pixels, "pixels", "read_image_table")
    if not path.is_file():
        raise FileNotFoundError(sentence(f"table {path}", "a file", "none of this name"))
    if chunksize is not None:
        return _pieces(path, pixels, positive(chunksize, "chunksize", "read_image_table"))
    x, y = np.empty((0, pixels), np.uint8), np.empty(0, np.uint8)  # (N, pixels), (N,)
    for more_x, more_y in _pieces(path, pixels, max(1, _AT_ONCE // pixels)):
        n = len(y)
        x.resize((n + len(more_x), pixels), refcheck=False)  # grows where it is: two tables would need twice the memory
        y.resize(n + len(more_y), refcheck=False)
        x[n:], y[n:] = more_x, more_y
    return x, y


def _pieces(path: Path, pixels: int, rows: int) -> Iterator[tuple[Array, Array]]:
    """(pixels, labels) of the next so many rows, again and again."""
    try:
        with _open(path) as file:
            _check_header(file.readline(), path, pixels)
            lines = (line for line in file if not line.isspace())
            first: str | None = next(lines, "")  # no row at all is an error, too
            while first is not None:
                table = _numbers(chain([first], islice(lines, rows - 1)), 1 + pixels)  # (rows, 1 + pixels)
                yield table[:, 1:].copy(), table[:, 0].copy()
                first = next(lines, None)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(sentence(f"table {path}", "a whole file", f"{type(error).__name__}: {error}")) from error
    except (ValueError, UserWarning, DeprecationWarning) as error:
        raise ValueError(_complaint(path, pixels) or f"table {path}: {error}") from None


def _numbers(lines: Iterable[str], columns: int) -> Array:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # older NumPy reads 3.0 as a whole number, and an empty file, with a warning
        table = np.loadtxt(lines, np.uint8, delimiter=",", comments=None, ndmin=2)  # (rows, columns)
    if table.shape[1] != columns:
        raise ValueError(f"rows of {table.shape[1]} numbers")
    return table


@contextmanager
def _open(path: Path) -> Iterator[TextIO]:
    # Latin-1 takes any byte, so that a stray one is found as a bad number in its row.
    if path.suffix != ".gz":
        with path.open(encoding="latin-1") as file:
            yield file
        return
    with io.TextIOWrapper(io.BufferedReader(Unpacked(path), _PIECE), encoding="latin-1") as unpacked:
        yield unpacked


def _check_header(line: str, path: Path, pixels: int) -> None:
    count, first = 1 + line.count(","), line.strip().partition(",")[0]
    if first != "label" or count != 1 + pixels:
        received = f"{count} names that start with {first[:_SHOWN]!r}"
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
            if received := _bad_row(text.strip(), 1 + pixels):
                expected = f"{1 + pixels} whole numbers from 0 to 255 in every row"
                return sentence(f"table {path}", expected, f"{received} in row {row} (line {line})")
    return sentence(f"table {path}", "at least one row after the header", "none") if row == 0 else ""


def _bad_row(text: str, expected: int) -> str:
    count = 1 + text.count(",")
    if count != expected:
        return f"{count} numbers"
    for column, cell in enumerate(text.split(","), start=1):
        digits = cell.strip()
        if not digits.isdecimal() or len(digits.lstrip("0")) > 3 or int(digits[-3:]) > 255:
            return f"{cell[:_SHOWN]!r} as number {column}"
    return ""
