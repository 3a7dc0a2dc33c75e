"""Pooling and flattening, number by number: which cell of each window wins, which tie, and where each number goes."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import lookup
from tinyconv.explain import inputs
from tinyconv.explain.sizes import axes_of, size_lines
from tinyconv.explain.views import Cell, Frame, Grid, Lines, Part, Trace, cells_where, kept
from tinyconv.explain.wording import at, by, capital, count, listed, number, places, span, total
from tinyconv.geometry import Window
from tinyconv.layers import AveragePooling2D, Flatten, MaxPooling2D, MinPooling2D
from tinyconv.layers.base import Layer
from tinyconv.layers.pooling import Pooling2D

_LAYERS: dict[str, type[Pooling2D]] = {
    "max": MaxPooling2D,
    "min": MinPooling2D,
    "average": AveragePooling2D,
    "avg": AveragePooling2D,
}
_WORDS = {"max": "largest", "min": "smallest", "average": "mean"}
_FRAMES = 64


@dataclass(frozen=True, eq=False, repr=False)
class Pooling(Trace):
    """Pooling of a feature map.

    Attributes:
        x: the map (H, W, C).
        window: its size, strides and padding.
        mode: ``"max"``, ``"min"`` or ``"average"``.
        y: the pooled map (OH, OW, C).
        winners: row and column of the winner of each window (OH, OW, C, 2); of the mean, its first cell.
        channel: the channel that the views show.
    """

    x: Array
    window: Window
    mode: str
    y: Array
    winners: Array
    channel: int

    def under(self, row: int, column: int) -> list[Cell]:
        """The real cells of the map under the window at one place, in row-major order. Padding is not among them."""
        (top, _), (left, _) = self.window.pads(*self.x.shape[:2])
        (kh, kw), (sh, sw), (h, w) = self.window.size, self.window.strides, self.x.shape[:2]
        rows = [i for i in range(row * sh - top, row * sh - top + kh) if 0 <= i < h]
        columns = [j for j in range(column * sw - left, column * sw - left + kw) if 0 <= j < w]
        return [(i, j) for i in rows for j in columns]

    def winner(self, row: int, column: int) -> Cell:
        """The cell that the window's number comes from, which takes the whole gradient."""
        i, j = self.winners[row, column, self.channel]
        return int(i), int(j)

    def ties(self, row: int, column: int) -> list[Cell]:
        """The cells of the window that hold the same extreme number as its winner, the winner first."""
        if self.mode == "average":
            return []
        best = self.y[row, column, self.channel]
        return [cell for cell in self.under(row, column) if self.x[(*cell, self.channel)] == best]

    def sentence(self, row: int, column: int) -> str:
        """What happens in one window."""
        cells = self.under(row, column)
        values = [self.x[(*cell, self.channel)] for cell in cells]
        rows, columns = span(cells[0][0], cells[-1][0], "row"), span(cells[0][1], cells[-1][1], "column")
        best = number(self.y[row, column, self.channel])
        head = f"{capital(at(row, column))}: {rows}, {columns} hold {', '.join(map(number, values))}."
        if self.mode == "average":
            return f"{head} The mean is ({total(values)}) / {len(values)} = {best}."
        ties = self.ties(row, column)
        word = _WORDS[self.mode]
        if len(ties) < 2:
            return f"{head} The {word} is {best}, at {at(*self.winner(row, column))}."
        where = listed(at(*cell) for cell in ties)
        return f"{head} The {word} is {best}, a tie of {len(ties)}: {where}. The first wins."

    @property
    def tied(self) -> int:
        """Windows in which several cells hold the extreme number."""
        oh, ow = self.y.shape[:2]
        return sum(len(self.ties(i, j)) > 1 for i in range(oh) for j in range(ow))

    @property
    def title(self) -> str:
        stride = self.window.strides
        same = ", padding 'same'" if self.window.padding == "same" else ""
        moves = f"stride {stride[0] if stride[0] == stride[1] else by(stride)}"
        return (
            f"{capital(self.mode)} pooling: a {by(self.x.shape[:2])} map, windows {by(self.window.size)}, {moves}{same}"
        )

    @property
    def alt(self) -> str:
        ties = f"; {count(self.tied, 'window')} {'has' if self.tied == 1 else 'have'} a tie" if self.tied else ""
        kind = {"average": "the mean"}.get(self.mode, f"the {_WORDS[self.mode]} number")
        size = by(self.y.shape[:2])
        return f"A {by(self.x.shape[:2])} map becomes {size}: {kind} of each {by(self.window.size)} window{ties}."

    @property
    def caption(self) -> str:
        lines = "" if self.mode == "average" else " Solid: the winner."
        return f"{self.alt}{lines}{' Dashed: a tie that comes later.' if self.tied else ''}"

    def parts(self) -> list[Part]:
        oh, ow = self.y.shape[:2]
        found: list[Part] = [
            size_lines(*axes_of(self.x, self.window)),
            self._input(),
            self._output(),
            "Window by window, numbers in rows from left to right. Rows and columns count from 0.",
            Lines(tuple(self.sentence(i, j) for i in range(oh) for j in range(ow))),
        ]
        if self.tied:
            found.append(
                f"{count(self.tied, 'window')} of {oh * ow} {'has' if self.tied == 1 else 'have'} a tie: there the "
                "first cell in row-major order wins and takes the whole gradient. That is a convention; a difference "
                "quotient finds no gradient at a tie."
            )
        if self.mode == "min":
            found.append("Min pooling is max pooling of the negated map, negated again: min(x) = -max(-x).")
        if self.window.padding == "same" and any(map(sum, self.window.pads(*self.x.shape[:2]))):
            found.append("Padding is never a candidate and does not count for the mean: it is not a zero.")
        return found

    def _input(self) -> Grid:
        oh, ow = self.y.shape[:2]
        unused = [places(a.unused, noun) for a, noun in zip(self._axes, ("row", "column"), strict=True) if a.unused]
        dropped = np.zeros(self.x.shape[:2], bool)
        dropped[self._axes[0].unused, :] = True
        dropped[:, self._axes[1].unused] = True
        winners = frozenset(self.winner(i, j) for i in range(oh) for j in range(ow))
        tied = frozenset(cell for i in range(oh) for j in range(ow) for cell in self.ties(i, j)) - winners
        marks = {"unused": cells_where(dropped)} | ({} if self.mode == "average" else {"winner": winners, "tie": tied})
        lost = f", {' and '.join(unused)} dropped" if unused else ""
        return Grid(f"Map{self._name}, {by(self.x.shape[:2])}{lost}", self.x[..., self.channel], marks, sign="→")

    def _output(self) -> Grid:
        return Grid(f"{capital(self.mode)} pooled, {by(self.y.shape[:2])}", self.y[..., self.channel])

    def frames(self) -> list[Frame]:
        oh, ow = self.y.shape[:2]
        order = [(i, j) for i in range(oh) for j in range(ow)]
        before = Grid(
            self._input().title, self.x[..., self.channel], {"unused": self._input().marks["unused"]}, sign="→"
        )
        found = []
        for k, (i, j) in enumerate(order[:_FRAMES]):
            ties = self.ties(i, j)
            here = before.marked(window=self.under(i, j), winner=ties[:1], tie=ties[1:])
            after = self._output().marked(window=[(i, j)], blank=order[k + 1 :])
            found.append(Frame([here, after], self.sentence(i, j)))
        return found

    @property
    def _axes(self) -> Any:
        return axes_of(self.x, self.window)

    @property
    def _name(self) -> str:
        return f", channel {self.channel}" if self.x.shape[2] > 1 else ""


def pool(
    x: Any,
    pool_size: Any = 2,
    strides: Any = None,
    padding: Any = "valid",
    mode: str = "max",
    *,
    channel: int = 0,
) -> Pooling:
    """Pooling with each window's winner, and its ties.

    Args:
        x: a feature map, rows of numbers (H, W) or (H, W, C).
        pool_size: (KH, KW), or one number for both; or a pooling layer, whose settings are taken.
        strides: how far the window moves; the pool size where left out.
        padding: ``'valid'`` or ``'same'``.
        mode: ``'max'``, ``'min'`` or ``'average'``.
        channel: which of several channels to show.

    Raises:
        ValueError: for what is no number, another mode, a window larger than the map, a stride below 1, or a map of
            more than 32x32 cells.

    >>> trace = pool([[0, 3], [3, 1]])
    >>> trace.winner(0, 0), trace.ties(0, 0)
    ((0, 1), [(0, 1), (1, 0)])
    """
    return pooling(x, pool_size, strides, padding, mode, channel)


def pooling(
    x: Any,
    pool_size: Any,
    strides: Any = None,
    padding: Any = "valid",
    mode: str = "max",
    channel: int = 0,
    limit: int | None = inputs.LIMIT,
) -> Pooling:
    """`pool`, for maps of up to ``limit`` rows and columns, or of any size."""
    where = "explain.pool"
    image = inputs.image(x, where, limit)
    layer = _layer(pool_size, strides, padding, mode, where)
    layer.check_input_shape((1, *image.shape))
    y, (winner, _) = layer.forward(image[None])
    name = next(name for name, cls in _LAYERS.items() if isinstance(layer, cls))
    return Pooling(
        x=kept(image),
        window=layer.window,
        mode=name,
        y=kept(y[0]),
        winners=kept(_corners(layer.window, image.shape, y.shape) if name == "average" else
                     _where(winner[0], layer.window, image.shape)),
        channel=inputs.place(channel, image.shape[2], "channel", where),
    )  # fmt: skip


def _layer(pool_size: Any, strides: Any, padding: Any, mode: str, where: str) -> Pooling2D:
    if isinstance(pool_size, Pooling2D):
        return type(pool_size)(pool_size.pool_size, pool_size.strides, pool_size.padding, dtype="float64", name=where)
    if isinstance(pool_size, Layer):
        raise ValueError(f"{where}: expected a size or a pooling layer. Received {pool_size!r}.")
    return lookup("pooling mode", mode, _LAYERS)(pool_size, strides, padding, dtype="float64", name=where)


def _where(winner: Array, window: Window, shape: tuple[int, ...]) -> Array:
    """Place in the window (OH, OW, C) -> row and column of the map (OH, OW, C, 2)."""
    rows, columns = np.divmod(winner, window.size[1])  # (OH, OW, C) each
    starts = _corners(window, shape, (1, *winner.shape), clip=False)
    return np.stack([rows, columns], axis=-1) + starts


def _corners(window: Window, shape: tuple[int, ...], output: tuple[int, ...], clip: bool = True) -> Array:
    """The first cell of each window as row and column (OH, OW, C, 2)."""
    (top, _), (left, _) = window.pads(*shape[:2])
    i, j, _ = np.indices(output[1:])  # (OH, OW, C) each
    corners = np.stack([i * window.strides[0] - top, j * window.strides[1] - left], axis=-1)
    return np.maximum(corners, 0) if clip else corners


@dataclass(frozen=True, eq=False, repr=False)
class Flattening(Trace):
    """The numbers of an image in a row.

    Attributes:
        x: the image (H, W, C).
        y: the same numbers (H*W*C,).
    """

    x: Array
    y: Array

    def index(self, row: int, column: int, channel: int = 0) -> int:
        """Where a number of the image stands in the row."""
        return int(np.ravel_multi_index((row, column, channel), self.x.shape))

    @property
    def title(self) -> str:
        shape = by(self.x.shape[:2] if self.x.shape[2] == 1 else self.x.shape)
        return f"Flatten: {shape} numbers become a row of {self.y.size}"

    @property
    def alt(self) -> str:
        shape = by(self.x.shape[:2] if self.x.shape[2] == 1 else self.x.shape)
        return f"The {self.y.size} numbers of a {shape} image stand in one row, image row after image row."

    def parts(self) -> list[Part]:
        h, w, c = self.x.shape
        step = f"index = (row × {w} + column) × {c} + channel" if c > 1 else f"index = row × {w} + column"
        order = "Channels change fastest, then columns, then rows" if c > 1 else "Columns change fastest, then rows"
        images = [
            Grid(f"Image{f', channel {k}' if c > 1 else ''}", self.x[..., k], sign="→" if k == c - 1 else "")
            for k in range(c)
        ]
        some = min(self.y.size, 24)
        names = [str(k) for k in range(some)]
        row = Grid(
            f"Row{'' if some == self.y.size else f', the first {some}'}", self.y[None, :some], columns=names, rows=[""]
        )
        lines = [
            f"Number {k} is row {i}, column {j}{f', channel {m}' if c > 1 else ''}: {number(self.y[k])}."
            for k, (i, j, m) in enumerate(np.ndindex(h, w, c))
            if k < some
        ]
        if self.y.size > some:
            lines.append(f"And so on, up to number {self.y.size - 1}.")
        back = "The gradient goes back the same way: nothing is computed, numbers only change their places."
        return [f"{order}: {step}. No number changes.", *images, row, Lines(tuple(lines)), back]


def flatten(x: Any) -> Flattening:
    """An image as one row of numbers, with the place of each.

    >>> flatten([[7, 5], [5, 8]]).y.tolist()
    [7.0, 5.0, 5.0, 8.0]
    """
    image = inputs.image(x, "explain.flatten")
    y, _ = Flatten(dtype="float64", name="explain.flatten").forward(image[None])
    return Flattening(kept(image), kept(y[0]))
