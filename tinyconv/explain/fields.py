"""How much of the image does one number see? The receptive field, layer by layer.

    R = R + (reach - 1) * J        J = J * stride

R is the field in pixels, J the distance of neighbouring fields, `reach` that of the layer's window. The numbers are
those of `tinyconv.models.formulas`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv.checks import sentence
from tinyconv.explain import inputs
from tinyconv.explain.views import Grid, Lines, Part, Trace
from tinyconv.explain.wording import at, by, capital, listed, number, span
from tinyconv.geometry import Window
from tinyconv.layers.base import Layer
from tinyconv.models.formulas import PIXEL, Field

_WHERE = "explain.receptive_field"


@dataclass(frozen=True)
class Seen:
    """What one layer adds.

    Attributes:
        name: of the layer.
        window: its window.
        before, after: the field of its input, and of its output.
        size: rows and columns of its output; None if those of the image are unknown.
    """

    name: str
    window: Window
    before: Field
    after: Field
    size: tuple[int, int] | None

    def lines(self) -> list[str]:
        """The arithmetic, once where rows and columns are alike."""
        axes = [self._line(a) for a in (0, 1)]
        return [f"{self.name}: {axes[0]}"] if axes[0] == axes[1] else [
            f"{self.name}, {noun}: {line}" for noun, line in zip(("rows", "columns"), axes, strict=True)
        ]  # fmt: skip

    def _line(self, a: int) -> str:
        k, s, r, j = self.window.reach[a], self.window.strides[a], self.before.size[a], self.before.jump[a]
        return (
            f"R = {number(r)} + ({k} - 1) × {j} = {number(self.after.size[a])}, J = {j} × {s} = {self.after.jump[a]}."
        )


@dataclass(frozen=True, eq=False, repr=False)
class ReceptiveField(Trace):
    """The receptive field of a chain of layers.

    Attributes:
        steps: the layers that have a window.
        image: rows and columns of the image, if known.
    """

    steps: tuple[Seen, ...]
    image: tuple[int, int] | None

    @property
    def size(self) -> tuple[float, float]:
        """Rows and columns that one number of the last layer sees."""
        return self.steps[-1].after.size

    def pixels(self, row: int, column: int) -> tuple[range, range]:
        """The rows and columns of the image that one number of the last layer sees.

        Raises:
            ValueError: if the size of the image is unknown, or there is no such number.
        """
        size = self.steps[-1].size
        if size is None or self.image is None:
            way_out = "Give size=(height, width)."
            raise ValueError(sentence(_WHERE, "an image of known size", "none", way_out))
        cell = inputs.place(row, size[0], "row", _WHERE), inputs.place(column, size[1], "column", _WHERE)
        rows, columns = (self._pixels(axis, i) for axis, i in enumerate(cell))
        return rows, columns

    def _pixels(self, axis: int, i: int) -> range:
        """Back from the last layer, window by window; what lies in padding is cut off."""
        first = last = i
        sizes = [self.image, *(step.size for step in self.steps)]
        for step, size in zip(reversed(self.steps), reversed(sizes[:-1]), strict=True):
            assert size is not None
            before, stride = step.window.pads(*size)[axis][0], step.window.strides[axis]
            last = min(last * stride - before + step.window.reach[axis] - 1, size[axis] - 1)
            first = max(first * stride - before, 0)
        return range(first, last + 1)

    @property
    def title(self) -> str:
        return f"Receptive field: one number of {self.steps[-1].name} sees {by([int(n) for n in self.size])} pixels"

    @property
    def alt(self) -> str:
        names = listed(step.name for step in self.steps)
        return f"Through {names}, one number sees {by([int(n) for n in self.size])} pixels."

    def parts(self) -> list[Part]:
        rows = [
            [by(s.window.reach), by(s.window.strides), by([int(n) for n in s.after.size]), by(s.after.jump)]
            for s in self.steps
        ]
        table = np.array(rows, dtype=object)  # (layers, 4)
        names = ["reach", "stride", "field R", "distance J"]
        found: list[Part] = [
            Grid("Layer by layer, rows by columns", table, rows=[s.name for s in self.steps], columns=names),
            "A field grows by (reach - 1) steps of the distance J that the layer before left between its numbers.",
            Lines(tuple(line for step in self.steps for line in step.lines())),
        ]
        if self.image and self.steps[-1].size:
            height, width = self.steps[-1].size
            middle = height // 2, width // 2
            r, c = self.pixels(*middle)
            found.append(
                capital(
                    f"the number at {at(*middle)} of the last layer sees {span(r[0], r[-1], 'row')} and "
                    f"{span(c[0], c[-1], 'column')} of the {by(self.image)} image."
                )
            )
        return found


def receptive_field(layers: Any, size: Any = None) -> ReceptiveField:
    """The receptive field of a chain of layers, with the arithmetic.

    Args:
        layers: a model without branches, or a list of layers. Those after the last one with a window are left out.
        size: (height, width) of the image; the model's, where it has one.

    Raises:
        ValueError: for a model with branches, or where no layer has a window.

    >>> from tinyconv.layers import Conv2D, MaxPooling2D
    >>> receptive_field([Conv2D(4, 3), MaxPooling2D(2), Conv2D(4, 3)]).size
    (8, 8)
    """
    chain = _chain(layers)
    windows = [layer for layer in chain if getattr(layer, "window", None) is not None]
    if not windows:
        received = listed(type(layer).__name__ for layer in chain) if chain else "no layers"
        raise ValueError(sentence(_WHERE, "a layer with a window, such as Conv2D", received))
    shape = getattr(layers, "input_shape", None)
    if size is None and isinstance(shape, tuple) and len(shape) == 4 and None not in shape[1:3]:
        size = shape[1:3]
    image = None if size is None else (int(size[0]), int(size[1]))
    steps: list[Seen] = []
    field, here = PIXEL, image
    for layer in windows:
        window: Window = layer.window
        after = field.through(window.reach, window.strides)
        here = None if here is None else window.output_size(*here)
        steps.append(Seen(layer.name, window, field, after, here))
        field = after
    return ReceptiveField(tuple(steps), image)


def _chain(layers: Any) -> list[Any]:
    if hasattr(layers, "nodes"):
        chain = [node.layer for node in layers.nodes]
        if any(len(node.inputs) > 1 for node in layers.nodes) or len(set(chain)) != len(chain):
            way_out = "model.summary(formulas=True) gives the fields of any network."
            raise ValueError(sentence(_WHERE, "a model without branches", layers.title, way_out))
        return chain
    if isinstance(layers, Layer):
        return [layers]
    found = list(layers) if isinstance(layers, Iterable) else [layers]
    for layer in found:
        if not isinstance(layer, Layer):
            raise ValueError(sentence(_WHERE, "a model or a list of layers", repr(layer)))
    return found
