"""Grids of numbers as Matplotlib figures and as animations. The only module here that draws.

Every cell carries its number, so that colour is never the only sign: light to dark blue for numbers from 0 up, and blue
for negative, white for 0, orange for positive where signs differ. Both can be told apart with any colour vision.
"""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tinyconv._types import Array
from tinyconv.explain.views import Frame, Grid
from tinyconv.files import replacing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Inches
CELL, GAP, MARGIN, LINE, WIDEST = 0.36, 0.5, 0.2, 0.17, 12.0

_EDGE, _QUIET, _MARK, _HATCH = "#8c8c8c", "#595959", "#b34700", "#ececec"
_SIGNED = ("#2c6fb3", "#ffffff", "#e08214")
_POSITIVE = ("#ffffff", "#5b9bd1")


class _Box:
    """Where a grid stands: inches from the left and from the top of the figure."""

    def __init__(self, grid: Grid) -> None:
        self.grid, self.words = grid, grid.words()
        rows, columns = grid.cells.shape
        longest = max((len(word) for row in self.words for word in row), default=1)
        self.cell = max(CELL, 0.085 * longest + 0.14)  # width of a cell
        self.left = 0.2 if grid.rows is None else 0.1 + 0.075 * max(map(len, grid.rows))
        self.head = textwrap.wrap(grid.title, max(int((columns * self.cell + self.left + 0.3) / 0.083), 16))
        self.top = LINE * len(self.head) + 0.26
        self.width = max(self.left + columns * self.cell, 0.083 * max(map(len, self.head)))
        self.height = self.top + rows * CELL
        self.x = self.y = self.line = 0.0  # of the box, and of the line that it stands in


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

    boxes = [_Box(grid) for grid in grids]
    width, height = _arrange(boxes, headings or {})
    width = max(width, min(0.09 * len(title), 7.0) + 2 * MARGIN)
    above = textwrap.wrap(title, int(width / 0.098))
    room = [textwrap.wrap(text, int((width - 2 * MARGIN) / 0.078)) for text in (caption, *captions)]
    top, bottom = 0.22 * len(above) + 0.1, LINE * max(map(len, room)) + MARGIN
    size = (width, height + top + bottom)
    figure = Figure(figsize=size, facecolor="white")
    for i, line in enumerate(above):
        y = 1 - (MARGIN / 2 + 0.22 * i) / size[1]
        figure.text(MARGIN / size[0], y, line, va="top", fontsize=11.5, fontweight="bold")
    for box in boxes:
        _draw_grid(figure, box, top, size)
    for k, heading in (headings or {}).items():
        y = 1 - (top + boxes[k].line) / size[1]
        figure.text(MARGIN / size[0], y, heading, va="top", fontsize=11)
    for i, line in enumerate(room[0]):
        y = (bottom - MARGIN / 4 - LINE * i) / size[1]
        figure.text(MARGIN / size[0], y, line, va="top", fontsize=9.5)
    return figure


def _arrange(boxes: Sequence[_Box], headings: Mapping[int, str]) -> tuple[float, float]:
    """Give every box its place; (width, height) of all together."""
    lines: list[list[_Box]] = [[]]
    x = MARGIN
    for k, box in enumerate(boxes):
        if lines[-1] and (k in headings or x + box.width > WIDEST):
            lines.append([])
            x = MARGIN
        lines[-1].append(box)
        box.x = x
        x += box.width + GAP
    y = 0.0
    for line in lines:
        tallest = max((box.height for box in line), default=0)
        start = 0.3 if boxes.index(line[0]) in headings else 0.0
        for box in line:
            box.line, box.y = y, y + start + (tallest - box.height) / 2  # side by side, middle to middle
        y += start + tallest + 0.25
    return max((box.x + box.width for box in boxes), default=2.0) + MARGIN + 0.1, y


def _draw_grid(figure: "Figure", box: _Box, above: float, size: tuple[float, float]) -> None:
    rows, columns = box.grid.cells.shape
    left, top = box.x + box.left, above + box.y + box.top
    w, h = columns * box.cell, rows * CELL
    axes = figure.add_axes((left / size[0], 1 - (top + h) / size[1], w / size[0], h / size[1]))
    axes.set_xlim(0, columns)
    axes.set_ylim(rows, 0)
    axes.set_label(box.grid.title)
    for i, line in enumerate(box.head):
        y = 1 - (above + box.y + LINE * i) / size[1]
        figure.text(box.x / size[0], y, line, va="top", fontsize=9.5)
    if box.grid.sign:
        figure.text((left + w + GAP / 2) / size[0], 1 - (top + h / 2) / size[1], box.grid.sign, _SIGN)
    _colour(axes, box)
    _name(axes, box.grid, rows, columns)
    _mark(axes, box.grid)


_SIGN: Any = {"ha": "center", "va": "center", "fontsize": 15}


def _colour(axes: "Axes", box: _Box) -> None:
    """Cells with their colours and numbers."""
    colours = _colours(box.grid)  # (rows, columns, 4)
    rows, columns = box.grid.cells.shape
    axes.imshow(colours, extent=(0, columns, rows, 0), aspect="auto", interpolation="nearest")
    axes.vlines(range(columns + 1), 0, rows, color=_EDGE, linewidth=0.6, clip_on=False)
    axes.hlines(range(rows + 1), 0, columns, color=_EDGE, linewidth=0.6, clip_on=False)
    quiet = box.grid.marked_as("padding") | box.grid.marked_as("unused")
    for i, row in enumerate(box.words):
        for j, word in enumerate(row):
            bold = "bold" if (i, j) in box.grid.marked_as("winner") else "normal"
            colour = _QUIET if (i, j) in quiet else "black"
            style: Any = {"ha": "center", "va": "center", "fontsize": 10, "fontweight": bold, "color": colour}
            axes.text(j + 0.5, i + 0.52, word, **style)


def _colours(grid: Grid) -> Array:
    """(rows, columns) -> (rows, columns, 4): a light colour behind every number."""
    from matplotlib.colors import LinearSegmentedColormap

    shape = grid.cells.shape
    plain = np.ones((*shape, 4))
    if grid.cells.dtype.kind in "OUS":
        return plain
    values = np.where(np.isfinite(grid.cells), grid.cells, 0).astype(float)
    for i, j in grid.marked_as("blank"):
        values[i, j] = 0
    largest = np.abs(values).max(initial=0) or 1.0
    if (values < 0).any():
        colours = LinearSegmentedColormap.from_list("signed", _SIGNED)(0.5 + 0.4 * values / largest)
    else:
        colours = LinearSegmentedColormap.from_list("positive", _POSITIVE)(values / largest)
    return np.asarray(colours)


def _name(axes: "Axes", grid: Grid, rows: int, columns: int) -> None:
    """Numbers or names of rows and columns, small, on the left and on top."""
    from matplotlib.ticker import FixedLocator

    down = grid.rows or [str(i) for i in range(rows)]
    right = grid.columns or [str(j) for j in range(columns)]
    axes.xaxis.set_major_locator(FixedLocator([j + 0.5 for j in range(columns)]))
    axes.yaxis.set_major_locator(FixedLocator([i + 0.5 for i in range(rows)]))
    axes.set_xticklabels(right)
    axes.set_yticklabels(down)
    top: Any = {"top": True, "labeltop": True, "bottom": False, "labelbottom": False}
    axes.tick_params(length=0, labelsize=8, colors=_QUIET, pad=2, **top)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _mark(axes: "Axes", grid: Grid) -> None:
    """Hatching for what does not count, outlines for what does."""
    from matplotlib.patches import Rectangle

    for name, hatch in (("padding", "////"), ("unused", "xxxx")):
        for i, j in sorted(grid.marked_as(name)):
            fill: Any = {"facecolor": _HATCH, "edgecolor": "#c4c4c4", "hatch": hatch, "linewidth": 0.4, "zorder": 1.5}
            axes.add_patch(Rectangle((j, i), 1, 1, **fill))
    for name, line in (("winner", "-"), ("tie", (0, (2, 1.5)))):
        for i, j in sorted(grid.marked_as(name)):
            edge: Any = {"fill": False, "edgecolor": _MARK, "linewidth": 1.6, "linestyle": line, "zorder": 4}
            axes.add_patch(Rectangle((j + 0.1, i + 0.1), 0.8, 0.8, **edge))
    for (x0, y0), (x1, y1) in _outline(grid.marked_as("window")):
        axes.plot([x0, x1], [y0, y1], color=_MARK, linewidth=2.6, solid_capstyle="projecting", clip_on=False, zorder=5)


def _outline(cells: frozenset[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], tuple[int, int]]]:
    """The edges between cells that belong to a set and those that do not, as ((x, y), (x, y))."""
    for i, j in sorted(cells):
        edges = {(i - 1, j): ((j, i), (j + 1, i)), (i + 1, j): ((j, i + 1), (j + 1, i + 1))}
        edges |= {(i, j - 1): ((j, i), (j, i + 1)), (i, j + 1): ((j + 1, i), (j + 1, i + 1))}
        yield from (edge for other, edge in edges.items() if other not in cells)


# Animation


def animate(frames: Sequence[Frame], title: str, path: str | Path, seconds: float) -> None:
    """Write the frames as a GIF: one palette for all, no dithering, so that flat colours stay flat and files small."""
    captions = [frame.caption for frame in frames]
    pictures = [_picture(draw(frame.grids, title, frame.caption, captions)) for frame in frames]
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

    figure.set_dpi(96)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    rgba = np.asarray(canvas.buffer_rgba())  # (H, W, 4)
    return Image.fromarray(np.ascontiguousarray(rgba[..., :3]))


def _palette(pictures: Sequence[Any]) -> Any:
    """Up to 64 colours of the first, the middle and the last picture."""
    from PIL import Image

    some = [pictures[0], pictures[len(pictures) // 2], pictures[-1]]
    together = Image.fromarray(np.concatenate([np.asarray(picture) for picture in some]))
    return together.quantize(colors=64, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
