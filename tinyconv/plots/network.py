"""The shapes of a network, from its settings alone."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinyconv._types import Shape
from tinyconv.checks import positive
from tinyconv.figures import QUIET, described, new_figure
from tinyconv.layers import Conv2D, Dense, Layer
from tinyconv.layers.graph import Node
from tinyconv.layers.pooling import Pooling2D
from tinyconv.models import Model

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["shapes"]

#: Inches of a box with its text; of the highest box; of the thickest.
ACROSS, DOWN, HIGH, THICK = 1.34, 2.2, 1.05, 0.42
#: What an inch into the picture looks like.
_DEPTH = (0.3, 0.22)
#: Fill by kind of layer. The kind is also written below.
_COLORS = ((Conv2D, "#6fb0ea"), (Pooling2D, "#f0b765"), (Dense, "#b89ad6"), (Layer, "#c3c8cd"))
_EDGE = "#3c4146"


def shapes(model: Model, columns: int = 8) -> "Figure":
    """A box for what each layer returns, with its shape and the layer's parameters. Nothing is built or run.

    Args:
        model: a network whose input's shape is known.
        columns: boxes in a row at most.

    Raises:
        ValueError: if the input's shape is not known.
    """
    total, columns = model.count_params(), positive(columns, "columns", "shapes")
    nodes = model.nodes
    rows = -(-len(nodes) // columns)
    columns = -(-len(nodes) // rows)  # rows of the same length
    figure = new_figure(max(ACROSS * columns + 0.2, 6.4), DOWN * rows + 0.75)
    axes = figure.subplots()
    largest = _largest(nodes)
    counted: set[Layer] = set()
    for i, node in enumerate(nodes):
        x, y = (i % columns) * ACROSS, -(i // columns) * DOWN
        _draw_box(axes, x, y, node, largest)
        _write(axes, x, y, node, counted)
        if i:
            _connect(axes, x, y, node, nodes[i - 1])
    axes.set_xlim(-0.1, max(columns * ACROSS, 6.2))
    axes.set_ylim(-rows * DOWN + 0.08, 0.06)
    axes.set_aspect("equal")
    axes.set_axis_off()
    title = f"{model.name}: {len(model.layers)} layers, {total:,} parameters"
    figure.suptitle(title, x=0.012, ha="left", fontsize=11.5, fontweight="bold")
    axes.set_title(_SCALE, loc="left", fontsize=8.5, color=QUIET)
    ends = f"from {_shape(nodes[0].outputs[0].shape)} to {_shape(nodes[-1].outputs[0].shape)}"
    return described(figure, f"The shapes in {title}, {ends}.")


_SCALE = (
    "height and depth: rows and columns; thickness: root of the channels; a vector's height: logarithm of its length"
)

#: Most rows or columns, channels and numbers in a vector that occur.
_Largest = tuple[int, int, int]


def _largest(nodes: Sequence[Node]) -> _Largest:
    side, channels, length = 1, 1, 2
    for node in nodes:
        _, *sizes = (n or 1 for n in node.outputs[0].shape)
        if len(sizes) == 3:
            side, channels = max(side, *sizes[:2]), max(channels, sizes[2])
        else:
            length = max(length, math.prod(sizes))
    return side, channels, length


def _measures(shape: Shape, largest: _Largest) -> tuple[float, float, float]:
    """(height, depth, thickness) in inches of the box for a shape; an unknown length is drawn as the largest."""
    side, channels, length = largest
    if len(shape) == 4:
        height, width = (max((n or side) / side, 0.03) * HIGH for n in shape[1:3])
        return height, width, max(math.sqrt((shape[3] or channels) / channels), 0.1) * THICK
    numbers = math.prod(n or 1 for n in shape[1:])
    return max(math.log(numbers + 1) / math.log(length + 1), 0.05) * HIGH, 0.0, 0.12


def _draw_box(axes: "Axes", x: float, y: float, node: Node, largest: _Largest) -> None:
    """A box seen from the front, a little from above and from the right."""
    from matplotlib.colors import to_rgb
    from matplotlib.patches import Polygon

    height, depth, thick = _measures(node.outputs[0].shape, largest)
    back, up = (depth * part for part in _DEPTH)
    left, bottom = x + (ACROSS - thick - back) / 2, y - 0.75 - (height + up) / 2
    right, top = left + thick, bottom + height
    front = [(left, bottom), (right, bottom), (right, top), (left, top)]
    side = [(right, bottom), (right + back, bottom + up), (right + back, top + up), (right, top)]
    lid = [(left, top), (right, top), (right + back, top + up), (left + back, top + up)]
    color = to_rgb(next(color for kind, color in _COLORS if isinstance(node.layer, kind)))
    for corners, light in ((front, 1.0), (side, 0.8), (lid, 0.9)):
        fill = [light * part for part in color]
        axes.add_patch(Polygon(corners, facecolor=fill, edgecolor=_EDGE, linewidth=0.7, joinstyle="round"))


def _write(axes: "Axes", x: float, y: float, node: Node, counted: set[Layer]) -> None:
    """Kind, name, shape and parameters below a box; a layer that is called again has its parameters already."""
    layer = node.layer
    number = layer.count_params()
    numbers = (
        "the same again" if number and layer in counted else f"{number:,} param{'s' * (number > 1)}" * bool(number)
    )
    counted.add(layer)
    shape = " and ".join(_shape(tensor.shape) for tensor in node.outputs)
    lines: Any = ((_kind(layer), {"fontweight": "bold"}), (layer.name, {"color": QUIET}), (shape, {}), (numbers, {}))
    for i, (text, style) in enumerate(lines):
        shown = text if len(text) < 22 else f"{text[:20]}…"
        axes.text(x + ACROSS / 2, y - 1.53 - 0.16 * i, shown, ha="center", va="center", fontsize=7.5, **style)


def _kind(layer: Layer) -> str:
    """Class of a layer, and its window if it has one."""
    window: Any = getattr(layer, "kernel_size", None) or getattr(layer, "pool_size", None)
    name = type(layer).__name__.removesuffix("Layer").replace("Pooling2D", "Pool").replace("Normalization", "Norm")
    return f"{name} {window[0]}x{window[1]}" if window else name


def _shape(shape: Shape) -> str:
    return "x".join("?" if n is None else f"{n:,}" if len(shape) == 2 else f"{n}" for n in shape[1:])


def _connect(axes: "Axes", x: float, y: float, node: Node, before: Node) -> None:
    """An arrow from the box before, or in words where the inputs come from."""
    sources = [tensor.node for tensor in node.inputs]
    if sources == [before]:
        style = {"arrowstyle": "->", "color": QUIET, "linewidth": 1.0}
        axes.annotate("", (x + 0.14, y - 0.75), (x - 0.1, y - 0.75), arrowprops=style)
    elif sources:
        text = f"from {', '.join(source.layer.name for source in sources)}"
        axes.text(x + ACROSS / 2, y - 0.04, text, ha="center", va="center", fontsize=7, color=QUIET)
