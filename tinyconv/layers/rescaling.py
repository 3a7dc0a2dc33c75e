"""Bringing pixels into a range that networks learn well from."""

from typing import Any

from tinyconv._types import Array, Shape
from tinyconv.layers.base import Layer


class Rescaling(Layer):
    """y = x * scale + offset.

    Args:
        scale: factor; ``1 / 255`` brings pixels to 0 to 1.
        offset: added afterwards.

    Shapes:
        y has the shape of x.

    >>> Rescaling(1 / 127.5, offset=-1)([0.0, 255.0])
    array([-1.,  1.], dtype=float32)
    """

    def __init__(self, scale: float, offset: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale = float(scale)
        self.offset = float(offset)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, None]:
        """Any shape -> the same shape."""
        return x * self.scale + self.offset, None

    def backward(self, dy: Array, cache: None) -> Array:
        """Any shape -> the same shape."""
        return dy * self.scale

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape
