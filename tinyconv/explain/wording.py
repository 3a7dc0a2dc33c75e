"""Numbers, sums and places in words that can be read aloud: the one spelling that all views share."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

#: What a terminal without Unicode gets instead.
ASCII = str.maketrans({"×": "*", "·": "*", "−": "-", "→": "->", "≈": "~", "∗": "*", "√": "sqrt"})

#: Terms of a sum beyond which nobody reads all.
_MOST = 64


def number(value: Any, digits: int = 6) -> str:
    """Whole numbers as they are, others with so many digits.

    >>> number(3.0), number(-0.0), number(1 / 3), number(float("nan"))
    ('3', '0', '0.333333', 'nan')
    """
    real = float(value)
    return str(int(real)) if real.is_integer() and abs(real) < 1e9 else f"{real:.{digits}g}"


def bracketed(value: Any, digits: int = 6) -> str:
    """A number as it stands inside a sum or product: in brackets where it begins with a minus.

    >>> bracketed(2), bracketed(-2)
    ('2', '(-2)')
    """
    text = number(value, digits)
    return f"({text})" if text.startswith("-") else text


def total(values: Any) -> str:
    """The numbers with plus signs between them.

    >>> total([1, -2, 3])
    '1 + (-2) + 3'
    """
    return _joined([bracketed(value) for value in np.ravel(values)], "number")


def products(a: Any, b: Any) -> str:
    """The sum of products that a and b make, cell by cell.

    >>> products([[1, 0]], [[2, -1]])
    '1 × 2 + 0 × (-1)'
    """
    pairs = zip(np.ravel(a), np.ravel(b), strict=True)
    return _joined([f"{bracketed(left)} × {bracketed(right)}" for left, right in pairs], "product")


def _joined(terms: list[str], noun: str) -> str:
    """Terms with plus signs between them; of very many, the first and the last."""
    if len(terms) > _MOST:
        terms = [*terms[: _MOST // 4], f"... ({count(len(terms), noun)} in all) ...", *terms[-2:]]
    return " + ".join(terms) or "0"


def count(n: int, noun: str) -> str:
    """The number with its noun, one or many.

    >>> count(1, "cell"), count(2, "cell"), count(2, "class"), count(0, "branch"), count(3, "entry")
    ('1 cell', '2 cells', '2 classes', '0 branches', '3 entries')
    """
    if n == 1:
        return f"1 {noun}"
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}es" if noun.endswith(("s", "h")) else f"{noun}s"
    return f"{n:,} {many}"


def more(n: int, noun: str, call: str) -> tuple[str, ...]:
    """A line that says what is not written out, and what would write it; none where nothing is left.

    >>> more(2, "cell", ".cell(row, column)"), more(0, "cell", ".cell(row, column)")
    (('2 more cells: .cell(row, column) writes each out.',), ())
    """
    return (f"{count(n, f'more {noun}')}: {call} writes each out.",) if n > 0 else ()


def listed(things: Iterable[Any]) -> str:
    """Things with commas, the last after "and".

    >>> listed([4]), listed([4, 5]), listed([4, 5, 6])
    ('4', '4 and 5', '4, 5 and 6')
    """
    *first, last = map(str, things)
    return f"{', '.join(first)} and {last}" if first else last


def span(first: int, last: int, noun: str) -> str:
    """A stretch of rows or columns.

    >>> span(1, 3, "row"), span(2, 2, "column")
    ('rows 1 to 3', 'column 2')
    """
    return f"{noun} {first}" if first == last else f"{noun}s {first} to {last}"


def places(indices: Sequence[int], noun: str) -> str:
    """Some rows, columns or pixels by their numbers; a long run by its ends.

    >>> places([5], "row"), places([4, 5], "column"), places([3, 4, 5, 6], "pixel"), places([1, 4, 7], "row")
    ('row 5', 'columns 4 and 5', 'pixels 3 to 6', 'rows 1, 4 and 7')
    """
    if len(indices) > 2 and list(indices) == list(range(indices[0], indices[-1] + 1)):
        return span(indices[0], indices[-1], noun)
    if len(indices) > 8:
        shown = ", ".join(map(str, indices[:4]))
        return f"{noun}s {shown}, ... and {indices[-1]}, {len(indices)} in all"
    return f"{noun}{'' if len(indices) == 1 else 's'} {listed(indices)}"


def at(row: int, column: int) -> str:
    """A cell of an image.

    >>> at(2, 3)
    'row 2, column 3'
    """
    return f"row {row}, column {column}"


def by(shape: Sequence[int]) -> str:
    """A size as it is spoken.

    >>> by((6, 5))
    '6 by 5'
    """
    return " by ".join(map(str, shape))


def capital(text: str) -> str:
    """The text with a capital letter in front; what follows stays as it is."""
    return text[:1].upper() + text[1:]
