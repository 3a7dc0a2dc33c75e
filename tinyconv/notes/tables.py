"""What the notes use of pandas, for those who do not have it: a table of numbers, read from a file and drawn.

from tinyconv.notes import tables as pd
"""

import warnings
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence

__all__ = ["DataFrame", "read_csv"]


class DataFrame:
    """Columns of numbers by name.

    >>> table = DataFrame({"label": [3, 6], "pixel1": [107, 155], "pixel2": [118, 157]})
    >>> labels = table["label"]
    >>> del table["label"]
    >>> labels, table.values
    (array([3, 6]), array([[107, 118], [155, 157]]))
    """

    def __init__(self, data: Mapping[str, Iterable[float]]) -> None:
        self._columns = {name: np.asarray(column) for name, column in data.items()}

    def __getitem__(self, name: str) -> Array:
        return self._columns[name]

    def __delitem__(self, name: str) -> None:
        del self._columns[name]

    @property
    def values(self) -> Array:
        """All columns side by side, (rows, columns)."""
        return np.column_stack(list(self._columns.values()))

    def plot(self) -> Any:
        """Draw each column as a line over the numbers of the rows; returns the Matplotlib axes."""
        from matplotlib import pyplot

        axes = pyplot.figure().add_subplot()
        for name, column in self._columns.items():
            axes.plot(column, label=name)
        axes.legend()
        return axes


def read_csv(path: str | Path) -> DataFrame:
    """A file of whole numbers, whose first line names the columns.

    Raises:
        ValueError: for a line that holds something else, or too few, and for no line; the message names the file, and
            NumPy's in it the line.
    """
    try:
        with open(path, encoding="utf-8") as file, warnings.catch_warnings():
            warnings.simplefilter("error")  # of a file without lines
            names = file.readline().strip().split(",")
            numbers = np.loadtxt(file, np.int64, delimiter=",", ndmin=2)  # (rows, columns)
    except (ValueError, UserWarning, DeprecationWarning) as error:
        expected = "a line of names, then lines of whole numbers"
        raise ValueError(sentence(f"table {path}", expected, str(error))) from error
    if numbers.shape[1] != len(names):
        expected = f"{len(names)} numbers in a line, one for each name"
        raise ValueError(sentence(f"table {path}", expected, f"{numbers.shape[1]}"))
    return DataFrame(dict(zip(names, numbers.T, strict=True)))
