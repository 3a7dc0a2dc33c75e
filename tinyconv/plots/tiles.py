"""Small images beside each other, every pixel a square of one colour."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv._types import Array
from tinyconv.figures import QUIET, colours, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

__all__ = ["MOST", "Ends", "Tile", "draw_tiles", "figure_of_tiles", "picture", "show", "write_title"]

#: So many tiles at most are on one figure.
MOST = 64
#: Inches: the side of a tile, the line of text above it, the space beside it.
SIDE, LINE, SPACE = 0.92, 0.17, 0.1

#: The numbers at both ends of a colour map.
Ends = tuple[float, float]


class Tile(NamedTuple):
    """One small image.

    Attributes:
        pixels: (H, W) numbers, or (H, W, 3) colours from 0 to 1.
        ends: the numbers at both ends of its colours.
        label: above it, on the left.
        number: above it, on the right.
        note: across it, instead of the pixels.
    """

    pixels: Array
    ends: Ends
    label: str
    number: str = ""
    note: str = ""


def picture(image: Array) -> Array:
    """An image (H, W), (H, W, 1) or (H, W, 3) as (H, W) or (H, W, 3) from 0, its darkest, to 1, its brightest.

    Of another number of channels their mean is shown. What is no finite number is black.
    """
    pixels = np.asarray(image, float)
    if pixels.ndim == 3 and pixels.shape[-1] != 3:
        pixels = pixels.mean(axis=-1)  # (H, W)
    known = pixels[np.isfinite(pixels)]
    low, high = (known.min(), known.max()) if known.size else (0.0, 1.0)
    return np.where(np.isfinite(pixels), (pixels - low) / (high - low or 1), 0)


def show(axes: "Axes", pixels: Array, ends: Ends, **options: Any) -> "AxesImage":
    """Draw an image without axes: (H, W) with ends below 0 in two colours, from 0 in one; (H, W, 3) as it is."""
    options = {"cmap": colours(ends), **options}
    axes.set_axis_off()
    return axes.imshow(pixels, vmin=ends[0], vmax=ends[1], interpolation="nearest", **options)


def figure_of_tiles(tiles: Sequence[Tile], columns: int) -> "tuple[Figure, Axes]":
    """A figure with room for a title and for the tiles in so many columns."""
    height, width = tiles[0].pixels.shape[:2]
    rows = -(-len(tiles) // columns)
    across, down = columns * (SIDE + SPACE) + 0.9, rows * (SIDE * height / width + LINE + SPACE) + 0.9
    figure = new_figure(max(across, 5.6), down)
    return figure, figure.subplots()


def write_title(figure: "Figure", title: str, below: str) -> None:
    """A title in bold, and a quiet line under it."""
    figure.suptitle(title, x=0.012, ha="left", fontsize=11.5, fontweight="bold")
    figure.axes[0].set_title(below, loc="left", fontsize=9, color=QUIET, pad=8)


def draw_tiles(axes: "Axes", tiles: Sequence[Tile], columns: int) -> "list[AxesImage]":
    """Draw tiles of one size in rows.

    Returns:
        what was drawn, one image for each tile.
    """
    height, width = tiles[0].pixels.shape[:2]
    unit = width / SIDE  # pixels of a tile in an inch
    down, right = height + (LINE + SPACE) * unit, width + SPACE * unit
    drawn = []
    for i, tile in enumerate(tiles):
        top, left = (i // columns) * down, (i % columns) * right
        drawn.append(show(axes, tile.pixels, tile.ends, extent=(left, left + width, top + height, top)))
        small: dict[str, Any] = {"fontsize": 7.5, "va": "bottom"}
        axes.text(left, top - 0.02 * unit, tile.label, ha="left", **small)
        axes.text(left + width, top - 0.02 * unit, tile.number, ha="right", color=QUIET, **small)
        if tile.note:
            drawn[-1].set_visible(False)
            axes.add_patch(_box(left, top, width, height))
            middle: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 9, "color": QUIET}
            axes.text(left + width / 2, top + height / 2, tile.note, **middle)
    rows = -(-len(tiles) // columns)
    axes.set_xlim(0, columns * right - SPACE * unit)
    axes.set_ylim(rows * down - (LINE + SPACE) * unit, -LINE * unit)
    return drawn


def _box(left: float, top: float, width: float, height: float) -> Any:
    from matplotlib.patches import Rectangle

    return Rectangle((left, top), width, height, facecolor="#eceef0", edgecolor="#c3c8cd", linewidth=0.8)
