"""What a layer costs and how far it sees, worked out from shapes alone: nothing is built or run.

    parameters      the sizes of its arrays, written as the products they are
    multiply-adds   one multiplication and one addition each, for one image, forward
    columns         bytes of the matrix that a convolution copies the windows of one image into (`layers/im2col.py`)
    output          bytes of what it hands on for one image; training keeps them for the way back
    receptive field the part of the image that one number of its output depends on; neighbouring numbers see parts that
                    lie `jump` pixels apart

A window that reaches over K pixels with stride S, after layers with field R and jump J, has field R + (K - 1) J and
jump S J. Source: V. Dumoulin and F. Visin, arXiv:1603.07285.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Shape
from tinyconv.layers import DepthwiseConv2D, Layer, ZeroPadding2D
from tinyconv.layers.graph import Node, SymbolicTensor

__all__ = ["Field", "Formulas", "layer_formulas", "multiply_adds", "product"]


@dataclass(frozen=True)
class Field:
    """A receptive field in pixels, rows first.

    >>> Field((1, 1), (1, 1)).through((5, 5), (1, 1)).through((2, 2), (2, 2))
    Field(size=(6, 6), jump=(2, 2))
    """

    size: tuple[float, float]
    jump: tuple[int, int]

    def through(self, reach: tuple[int, int], strides: tuple[int, int]) -> "Field":
        """The field after a window of this reach, moving by these strides."""
        rows, columns = (r + (k - 1) * j for r, k, j in zip(self.size, reach, self.jump, strict=True))
        down, right = (j * s for j, s in zip(self.jump, strides, strict=True))
        return Field((rows, columns), (down, right))

    def __str__(self) -> str:
        if self == WHOLE:
            return "whole image"
        jump = f"{self.jump[0]}" if self.jump[0] == self.jump[1] else f"{self.jump[0]}x{self.jump[1]}"
        return f"{self.size[0]:.0f}x{self.size[1]:.0f}, jump {jump}"


#: The fields of several tensors; None for one that is no image.
Fields = Sequence[Field | None]
PIXEL = Field((1, 1), (1, 1))
WHOLE = Field((math.inf, math.inf), (1, 1))


@dataclass
class Formulas:
    """The quantities of one layer for one image; None where an axis of unknown length decides.

    Attributes:
        multiply_adds: of all its calls together.
        columns: bytes, of its largest call.
        output: bytes, of all its calls together.
        field: the largest of its calls; None where the network's input is no image.
    """

    multiply_adds: int | None = 0
    columns: int | None = 0
    output: int | None = 0
    field: Field | None = None

    def add(self, other: "Formulas") -> None:
        """Take in another call."""
        self.multiply_adds = _sum(self.multiply_adds, other.multiply_adds)
        self.columns = None if None in (self.columns, other.columns) else max(self.columns or 0, other.columns or 0)
        self.output = _sum(self.output, other.output)
        self.field = largest([self.field, other.field])


def layer_formulas(model: Any, fields: Fields | None = None) -> dict[Layer, Formulas]:
    """The quantities of every layer of a model, those of models inside included.

    Args:
        model: a network whose input's shape is known.
        fields: what the numbers of each input see; the pixels themselves, unless given.
    """
    found: dict[Layer, Formulas] = {}
    _walk(model, fields or [PIXEL if len(t.shape) == 4 else None for t in model.inputs], found)
    return found


def _walk(model: Any, fields: Fields, found: dict[Layer, Formulas]) -> Fields:
    """Add the quantities of a model's layers to ``found``; returns the fields of its outputs."""
    seen: dict[SymbolicTensor, Field | None] = dict(zip(model.inputs, fields, strict=True))
    for node in model.nodes:
        incoming = [seen[tensor] for tensor in node.inputs] if node.inputs else [seen[node.outputs[0]]]
        call, outgoing = _call(node, incoming, found)
        found.setdefault(node.layer, Formulas()).add(call)
        seen.update(zip(node.outputs, outgoing, strict=True))
    return [seen[tensor] for tensor in model.outputs]


def _call(node: Node, incoming: Fields, found: dict[Layer, Formulas]) -> tuple[Formulas, Fields]:
    """The quantities of one call, and the fields of its outputs."""
    layer, shape = node.layer, node.outputs[0].shape
    if hasattr(layer, "nodes"):
        return _model_call(layer, incoming, found)
    if not node.inputs:
        return Formulas(field=incoming[0]), incoming
    field = receptive_field(layer, node, incoming)
    size = _times(np.dtype(layer.dtype).itemsize, *shape[1:])
    return Formulas(multiply_adds(layer, shape), columns(layer, shape), size, field), [field] * len(node.outputs)


def _model_call(model: Any, incoming: Fields, found: dict[Layer, Formulas]) -> tuple[Formulas, Fields]:
    """The same for a model inside: its layers' together. They get into ``found`` too."""
    inside: dict[Layer, Formulas] = {}
    outgoing, whole = _walk(model, incoming, inside), Formulas()
    for layer, costs in inside.items():
        found.setdefault(layer, Formulas()).add(costs)
        if not hasattr(layer, "nodes"):
            whole.add(costs)
    whole.field = largest(outgoing)
    return whole, outgoing


def product(layer: Layer) -> str:
    """The parameters as a sum of products: ``3·3·1·32 + 32 = 320``."""
    spec = layer.input_spec
    shapes = [*layer.weight_shapes(spec).values(), *layer.state_shapes(spec).values()]
    terms = " + ".join("·".join(map(str, shape)) or "1" for shape in shapes)
    return f"{terms} = {layer.count_params():,}" if terms else "0"


def multiply_adds(layer: Layer, output_shape: Shape) -> int | None:
    """Every entry of the kernel is used once at every place of the output: (N, OH, OW, F) has OH*OW places."""
    kernel = layer.weight_shapes(layer.input_spec).get("kernel")
    return 0 if kernel is None else _times(*kernel, *output_shape[1:-1])


def columns(layer: Layer, output_shape: Shape) -> int | None:
    """Bytes of the im2col matrix of one image, cut where `config.columns_budget()` cuts it."""
    kernel = layer.weight_shapes(layer.input_spec).get("kernel", ())
    if len(kernel) != 4:
        return 0
    channels = 1 if isinstance(layer, DepthwiseConv2D) else kernel[2]  # of one group
    row = _times(np.dtype(layer.dtype).itemsize, *kernel[:2], channels, output_shape[2])
    whole = _times(row, output_shape[1])
    return None if row is None or whole is None else min(whole, max(config.columns_budget(), row))


def receptive_field(layer: Layer, node: Node, incoming: Fields) -> Field | None:
    """What one number of a layer's output depends on. A layer that changes an image's size otherwise sees all of it."""
    field = largest(incoming)
    if field is None:
        return None
    window = getattr(layer, "window", None)
    if window is not None and field != WHOLE:
        return field.through(window.reach, window.strides)
    before, after = node.inputs[0].shape, node.outputs[0].shape
    pixelwise = len(before) == len(after) == 4 and before[1:3] == after[1:3]
    return field if pixelwise or isinstance(layer, ZeroPadding2D) else WHOLE


def largest(fields: Iterable[Field | None]) -> Field | None:
    """The widest of several fields: where branches meet, it decides."""
    known = [field for field in fields if field is not None]
    return max(known, key=lambda field: (math.prod(field.size), field.jump), default=None)


def _times(*factors: int | None) -> int | None:
    return None if None in factors else math.prod(factor for factor in factors if factor is not None)


def _sum(a: int | None, b: int | None) -> int | None:
    return None if a is None or b is None else a + b
