"""Grids of numbers as Matplotlib figures and as animations. The only module here that draws.

Every cell carries its number, so that colour is never the only sign: orange for numbers below 0, white for 0, blue for
those above, as on all figures; any colour vision tells them apart.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.explain.views import Cell, Frame, Grid
from tinyconv.figures import signed
from tinyconv.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches
CELL, GAP, MARGIN, LINE, WIDEST = 0.36, 0.5, 0.2, 0.17, 12.0

_EDGE, _QUIET, _MARK, _HATCH = "#8c8c8c", "#595959", "#b34700", "#ececec"


class _Box:
    """Where a grid stands on the page, in inches from the left and from the top."""

    def __init__(self, grid: Grid) -> None:
        self.grid, self.words = grid, grid.words()
        self.rows, self.columns = grid.cells.shape
        longest = max((len(word) for row in self.words for word in row), default=1)
        self.cell = max(CELL, 0.085 * longest + 0.14)  # width of a cell
        self.left = 0.2 if grid.rows is None else 0.1 + 0.075 * max(map(len, grid.rows))
        self.head = textwrap.wrap(grid.title, max(int((self.columns * self.cell + self.left + 0.3) / 0.083), 20))
        self.top = LINE * len(self.head) + 0.26
        self.width = max(self.left + self.columns * self.cell, 0.083 * max(map(len, self.head)))
        self.height = self.top + self.rows * CELL
        self.x = self.y = self.line = 0.0  # of the box, and of the line that it stands in

    def at(self, row: float, column: float) -> tuple[float, float]:
        """A point of the grid on the page: (0, 0) is the corner of its first cell."""
        return self.x + self.left + column * self.cell, self.y + self.top + row * CELL


def draw(
    grids: Sequence[Grid],
    title: str = "",
    caption: str = "",
    captions: Sequence[str] = (),
    headings: Mapping[int, str] | None = None,
) -> "Figure":
    """The grids from left to right, in as many lines as they need.

    Args:
        grids: what to draw.
        title: over them.
        caption: under them.
        captions: others that may stand there, so that each finds room.
        headings: of new lines, by the number of the grid that begins them.
    """
    from matplotlib.figure import Figure

    boxes, headings = [_Box(grid) for grid in grids], headings or {}
    width = max(_arrange(boxes, headings)[0], min(0.105 * len(title), 7.0) + 2 * MARGIN)
    above = textwrap.wrap(title, int(width / 0.098))
    top = 0.22 * len(above) + 0.2
    _, bottom = _arrange(boxes, headings, top)
    room = [textwrap.wrap(text, int((width - 2 * MARGIN) / 0.073)) for text in (caption, *captions)]
    height = bottom + LINE * max(map(len, room)) + 0.1
    figure = Figure(figsize=(width, height), facecolor="white")
    page = figure.add_axes((0, 0, 1, 1), xlim=(0, width), ylim=(height, 0), autoscale_on=False)  # in inches
    page.set_axis_off()
    for i, line in enumerate(above):
        _write(page, MARGIN, 0.1 + 0.22 * i, line, fontsize=11.5, fontweight="bold")
    for k, heading in headings.items():
        _write(page, MARGIN, boxes[k].line, heading, fontsize=11)
    for i, line in enumerate(room[0]):
        _write(page, MARGIN, bottom + LINE * i, line)
    for box in boxes:
        _draw_grid(page, box)
    return figure


def _arrange(boxes: Sequence[_Box], headings: Mapping[int, str], top: float = 0.0) -> tuple[float, float]:
    """Give every box its place from ``top`` on; right and bottom edge of all together."""
    lines: list[list[_Box]] = [[]]
    starts: list[float] = [0.0]  # room for a heading over each line
    x = MARGIN
    for k, box in enumerate(boxes):
        if k in headings or x + box.width > WIDEST:
            lines, starts = [*lines, []], [*starts, 0.3 if k in headings else 0.0]
            x = MARGIN
        lines[-1].append(box)
        box.x = x
        x += box.width + GAP
    y = top
    for line, start in zip(lines, starts, strict=True):
        if line:
            tallest = max(box.height for box in line)
            for box in line:
                box.line, box.y = y, y + start + (tallest - box.height) / 2  # side by side, middle to middle
            y += start + tallest + 0.2
    return max((box.x + box.width for box in boxes), default=2.0) + MARGIN + 0.1, y


def _draw_grid(page: "Axes", box: _Box) -> None:
    for i, line in enumerate(box.head):
        _write(page, box.x, box.y + LINE * i, line)
    _colour(page, box)
    _name(page, box)
    _mark(page, box)
    if box.grid.sign:
        _, y = box.at(box.rows / 2, 0)
        _write(page, box.x + box.width + GAP / 2, y, box.grid.sign, ha="center", va="center", fontsize=15)


def _write(page: "Axes", x: float, y: float, text: str, **style: Any) -> None:
    page.text(x, y, text, parse_math=False, **{"va": "top", "fontsize": 9.5, **style})


def _colour(page: "Axes", box: _Box) -> None:
    """Cells with their colours, the lines between them, and their numbers."""
    from matplotlib.collections import LineCollection

    (left, top), (right, bottom) = box.at(0, 0), box.at(box.rows, box.columns)
    page.imshow(_colours(box.grid), extent=(left, right, bottom, top), aspect="auto", interpolation="nearest")
    across = [[box.at(i, 0), box.at(i, box.columns)] for i in range(box.rows + 1)]
    down = [[box.at(0, j), box.at(box.rows, j)] for j in range(box.columns + 1)]
    page.add_collection(LineCollection([*across, *down], colors=_EDGE, linewidths=0.6, zorder=2))
    quiet = box.grid.marked_as("padding") | box.grid.marked_as("unused")
    for i, row in enumerate(box.words):
        for j, word in enumerate(row):
            weight = "bold" if (i, j) in box.grid.marked_as("winner") else "normal"
            middle: Any = {"ha": "center", "va": "center", "fontsize": 10, "fontweight": weight}
            if word:
                _write(page, *box.at(i + 0.52, j + 0.5), word, color=_QUIET if (i, j) in quiet else "black", **middle)


def _colours(grid: Grid) -> Array:
    """(rows, columns) -> (rows, columns, 4): a light colour behind every number."""
    if grid.cells.dtype.kind in "OUS":
        return np.ones((*grid.cells.shape, 4))
    values = np.where(np.isfinite(grid.cells), grid.cells, 0).astype(float)
    largest = np.abs(values).max(initial=0) or 1.0
    colours = signed()(0.5 + 0.25 * values / largest)  # the light half of the map
    for cell in grid.marked_as("blank"):
        colours[cell] = 1.0
    return np.asarray(colours)


def _name(page: "Axes", box: _Box) -> None:
    """Numbers or names of rows and columns, small, on the left and on top."""
    small: Any = {"fontsize": 8, "color": _QUIET}
    for i, name in enumerate(box.grid.rows or map(str, range(box.rows))):
        x, y = box.at(i + 0.5, 0)
        _write(page, x - 0.05, y, name, ha="right", va="center", **small)
    for j, name in enumerate(box.grid.columns or map(str, range(box.columns))):
        x, y = box.at(0, j + 0.5)
        _write(page, x, y - 0.04, name, ha="center", va="bottom", **small)


def _mark(page: "Axes", box: _Box) -> None:
    """Hatching for what does not count, outlines for what does."""
    from matplotlib.collections import LineCollection
    from matplotlib.patches import Rectangle

    for name, hatch in (("padding", "////"), ("unused", "xxxx")):
        fill: Any = {"facecolor": _HATCH, "edgecolor": "#c4c4c4", "hatch": hatch, "linewidth": 0.4, "zorder": 1.5}
        for i, j in sorted(box.grid.marked_as(name)):
            page.add_patch(Rectangle(box.at(i, j), box.cell, CELL, **fill))
    for name, line in (("winner", "-"), ("tie", (0, (2, 1.5)))):
        edge: Any = {"fill": False, "edgecolor": _MARK, "linewidth": 1.6, "linestyle": line, "zorder": 4}
        for i, j in sorted(box.grid.marked_as(name)):
            page.add_patch(Rectangle(box.at(i + 0.1, j + 0.1), 0.8 * box.cell, 0.8 * CELL, **edge))
    edges = [[box.at(*start), box.at(*end)] for start, end in _outline(box.grid.marked_as("window"))]
    page.add_collection(LineCollection(edges, colors=_MARK, linewidths=2.6, capstyle="projecting", zorder=5))


def _outline(cells: frozenset[Cell]) -> Iterator[tuple[Cell, Cell]]:
    """The edges between cells that belong to a set and those that do not, from corner to corner."""
    for i, j in sorted(cells):
        edges = {(i - 1, j): ((i, j), (i, j + 1)), (i + 1, j): ((i + 1, j), (i + 1, j + 1))}
        edges |= {(i, j - 1): ((i, j), (i + 1, j)), (i, j + 1): ((i, j + 1), (i + 1, j + 1))}
        yield from (edge for other, edge in edges.items() if other not in cells)


# Animation


def animate(frames: Sequence[Frame], title: str, path: str | Path, seconds: float) -> None:
    """Write the frames as a GIF: one palette for all, no dithering, so that flat colours stay flat and files small."""
    captions = [frame.caption for frame in frames]
    pictures = _of_one_size([_picture(draw(frame.grids, title, frame.caption, captions)) for frame in frames])
    palette = _palette(pictures)
    small = [picture.quantize(palette=palette, dither=0) for picture in pictures]
    lengths = [int(1000 * seconds)] * (len(small) - 1) + [int(3000 * seconds)]
    with replacing(Path(path)) as file:
        small[0].save(
            file, "GIF", save_all=True, append_images=small[1:], duration=lengths, loop=0, optimize=False, disposal=1
        )


def _picture(figure: "Figure") -> Any:
    """A figure as a Pillow image."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image

    figure.set_dpi(90)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba())  # (H, W, 4)
    return Image.fromarray(np.ascontiguousarray(rgba[..., :3]))


def _of_one_size(pictures: Sequence[Any]) -> list[Any]:
    """White at the right and the bottom of those that are smaller than the largest."""
    from PIL import Image

    size = max(p.width for p in pictures), max(p.height for p in pictures)
    found = []
    for picture in pictures:
        found.append(Image.new("RGB", size, "white"))
        found[-1].paste(picture)
    return found


def _palette(pictures: Sequence[Any]) -> Any:
    """Up to 32 colours of the first, the middle and the last picture."""
    from PIL import Image

    some = [pictures[0], pictures[len(pictures) // 2], pictures[-1]]
    together = Image.fromarray(np.concatenate([np.asarray(picture) for picture in some]))
    palette: Any = together.quantize(colors=32, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    colours: Array = np.reshape(palette.getpalette(), (-1, 3))  # (32, 3)
    colours[colours.min(axis=1) > 245] = 255  # paper stays white
    palette.putpalette(colours.ravel().tolist())
    return palette
