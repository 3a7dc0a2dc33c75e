"""One trace, many views: what every explanation is made of, and how it becomes text and HTML.

A trace holds the numbers of one operation and says what it has to say as `parts`: sentences, lists of sentences, and
grids of numbers. Every view is made from these parts, so that no two views can disagree:

    trace.parts()  ->  text()              for a terminal, a test, a voice
                       html()              tables with headers, no script, for a browser or a notebook
                       figure()            the grids side by side (`drawing.py`)
    trace.frames() ->  gif(path)           the grids step by step
"""

import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.explain.wording import ASCII, number
from tinyconv.figures import described

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = tuple[int, int]

#: What a mark looks like in text, and what it says. The others speak for themselves in pictures, and in sentences.
SIGNS = {"winner": ("*", "wins"), "tie": ("=", "ties with the winner, but comes later"), "padding": ("p", "is padding")}


@dataclass(frozen=True, eq=False)
class Grid:
    """A small table of numbers.

    Attributes:
        title: what it is.
        cells: numbers (rows, columns), or words.
        marks: cells by what they are: ``"window"`` (outlined), ``"padding"`` and ``"unused"`` (hatched), ``"winner"``,
            ``"tie"``, ``"blank"`` (not shown).
        sign: drawn behind it in figures: ``"="``.
        rows, columns: names of the rows and columns; their numbers where left out.
        digits: of numbers that are not whole.
        drawn, spoken: whether figures show it, and whether text and HTML do.
    """

    title: str
    cells: Array
    marks: Mapping[str, frozenset[Cell]] = field(default_factory=dict)
    sign: str = ""
    rows: Sequence[str] | None = None
    columns: Sequence[str] | None = None
    digits: int = 4
    drawn: bool = True
    spoken: bool = True

    def marked(self, **marks: Any) -> "Grid":
        """The same grid with more marks."""
        more = {name: self.marked_as(name) | frozenset(cells) for name, cells in marks.items()}
        return replace(self, marks={**self.marks, **more})

    def marked_as(self, name: str) -> frozenset[Cell]:
        """The cells with this mark."""
        return frozenset(self.marks.get(name, ()))

    def words(self) -> list[list[str]]:
        """What stands in each cell."""
        blank = self.marked_as("blank")
        height, width = self.cells.shape
        return [["" if (i, j) in blank else self._word(self.cells[i, j]) for j in range(width)] for i in range(height)]

    def _word(self, value: Any) -> str:
        return value if isinstance(value, str) else number(value, self.digits)

    def text(self) -> str:
        """Aligned columns under the title, with a legend for the signs that occur."""
        signs = {cell: SIGNS[name][0] for name in SIGNS for cell in sorted(self.marked_as(name))}
        none = " " if signs else ""  # so that numbers stay under numbers
        words = [[word + signs.get((i, j), none) for j, word in enumerate(row)] for i, row in enumerate(self.words())]
        table = [[name, *row] for name, row in zip(self.rows, words, strict=True)] if self.rows else words
        if self.columns:
            table = [[*([""] if self.rows else []), *(name + none for name in self.columns)], *table]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = ["  " + "  ".join(word.rjust(w) for word, w in zip(row, widths, strict=True)) for row in table]
        legend = [f"{sign} {meaning}" for name, (sign, meaning) in SIGNS.items() if self.marks.get(name)]
        below = [f"  ({'; '.join(legend)})"] if legend else []
        return "\n".join([f"{self.title}:", *(line.rstrip() for line in lines), *below])

    def html(self) -> str:
        """A table whose rows and columns have headers, for a screen reader to name."""
        rows = self.rows or [str(i) for i in range(self.cells.shape[0])]
        columns = self.columns or [str(j) for j in range(self.cells.shape[1])]
        head = "".join(f'<th scope="col" style="{_HEAD}">{escape(name)}</th>' for name in columns)
        body = [
            f'<tr><th scope="row" style="{_HEAD}">{escape(name)}</th>'
            + "".join(self._cell_html(i, j, word) for j, word in enumerate(row))
            + "</tr>"
            for i, (name, row) in enumerate(zip(rows, self.words(), strict=True))
        ]
        caption = f'<caption style="{_CAPTION}">{escape(self.title)}</caption>'
        top = f"<tr><td></td>{head}</tr>"
        return f'<table style="{_TABLE}">{caption}<thead>{top}</thead><tbody>{"".join(body)}</tbody></table>'

    def _cell_html(self, i: int, j: int, word: str) -> str:
        style, names = [_CELL], [name for name in self.marks if (i, j) in self.marks[name]]
        style += [_STYLES[name] for name in names if name in _STYLES]
        spoken = f' title="{escape(" and ".join(names))}"' if names else ""
        return f'<td style="{";".join(style)}"{spoken}>{escape(word)}</td>'


_TABLE = "border-collapse:collapse;margin:0.6em 1.2em 0.6em 0;display:inline-table;vertical-align:top"
_CAPTION = "text-align:left;font-weight:bold;padding-bottom:0.3em"
_HEAD = "font-weight:normal;color:#595959;padding:0 0.5em;text-align:right"
_CELL = "border:1px solid #8c8c8c;padding:0.15em 0.5em;text-align:right"
_STYLES = {
    "window": "outline:2px solid #b34700;outline-offset:-2px",
    "padding": "background:#ececec;color:#595959;font-style:italic",
    "unused": "background:#ececec;color:#595959;text-decoration:line-through",
    "winner": "font-weight:bold;text-decoration:underline;outline:2px solid #b34700;outline-offset:-2px",
    "tie": "outline:2px dashed #b34700;outline-offset:-2px",
}


@dataclass(frozen=True)
class Lines:
    """Sentences that belong together, one a line."""

    sentences: tuple[str, ...]


Part = str | Lines | Grid


@dataclass(frozen=True, eq=False)
class Frame:
    """One picture of an animation: grids, and the sentence under them."""

    grids: Sequence[Grid]
    caption: str


class Trace:
    """Base of the traces. A subclass has a `title`, an `alt` and `parts`, and `frames` if it moves."""

    @property
    def title(self) -> str:
        """What was done, in a few words."""
        raise NotImplementedError

    @property
    def alt(self) -> str:
        """One sentence that stands for the picture."""
        raise NotImplementedError

    def parts(self) -> list[Part]:
        """Everything the trace has to say, in order."""
        raise NotImplementedError

    def frames(self) -> list[Frame]:
        """The pictures of the animation; one with everything where nothing moves."""
        return [Frame(self.grids(), self.alt)]

    @property
    def caption(self) -> str:
        """What stands under the figure."""
        return self.alt

    def grids(self) -> list[Grid]:
        """The grids that figures show."""
        return [part for part in self.parts() if isinstance(part, Grid) and part.drawn]

    def text(self, width: int = 100, ascii: bool = False) -> str:
        """Sentences and aligned tables.

        Args:
            width: where sentences are broken into lines.
            ascii: True writes * for ×, and so on, for terminals without Unicode.
        """
        text = "\n\n".join(_block(part, width) for part in (self.title, *self.parts()) if _is_spoken(part))
        return text.translate(ASCII) if ascii else text

    def figure(self) -> "Figure":
        """The grids side by side, as a Matplotlib figure; ``figure.alt`` is the trace's. No window opens."""
        from tinyconv.explain.drawing import draw

        return described(draw(self.grids(), self.title, self.caption), self.alt)

    def gif(self, path: str | Path, seconds: float = 0.8) -> None:
        """Write the animation to a file: each step so many seconds, the last one three times as long.

        The same trace gives the same bytes. `figure` shows the same without motion.
        """
        from tinyconv.explain.drawing import animate

        animate(self.frames(), self.title, path, seconds)

    def html(self) -> str:
        """A page of its own: text and tables, without script, and without anything from the network."""
        return _PAGE.format(title=escape(self.title), body=self._repr_html_(), alt=escape(self.alt))

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        head = f"<h3>{escape(self.title)}</h3>"
        body = "".join(_part_html(part) for part in self.parts() if _is_spoken(part))
        return f'<section aria-label="{escape(self.title)}">{head}{body}</section>'

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.alt}>"


_PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="description" content="{alt}">
<title>{title}</title>
<style>body {{ font: 1rem/1.5 sans-serif; margin: 1.5rem; max-width: 70rem; color: #1a1a1a; background: #fff }}</style>
</head>
<body>
<main>{body}</main>
</body>
</html>
"""


def _is_spoken(part: Part) -> bool:
    return not isinstance(part, Grid) or part.spoken


def _block(part: Part, width: int) -> str:
    if isinstance(part, Grid):
        return part.text()
    if isinstance(part, Lines):
        return "\n".join(textwrap.fill(sentence, width, subsequent_indent="    ") for sentence in part.sentences)
    return textwrap.fill(part, width)


def _part_html(part: Part) -> str:
    if isinstance(part, Grid):
        return part.html()
    if isinstance(part, Lines):
        return "<ul>" + "".join(f"<li>{escape(sentence)}</li>" for sentence in part.sentences) + "</ul>"
    return f"<p>{escape(part)}</p>"


def kept(array: Any) -> Array:
    """A copy that nobody can change: what traces hold."""
    copy = np.array(array)
    copy.flags.writeable = False
    return copy


def cells_where(mask: Array) -> frozenset[Cell]:
    """The cells of a 2-D mask that are True."""
    return frozenset((int(i), int(j)) for i, j in zip(*np.nonzero(mask), strict=True))
