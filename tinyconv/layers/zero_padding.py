"""A frame of zeros around each image."""

from typing import Any

import numpy as np

from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, sentence
from tinyconv.geometry import parse_padding
from tinyconv.layers.base import Layer


class ZeroPadding2D(Layer):
    """Rows and columns of zeros around each image.

    Args:
        padding: pixels on every side, (rows, columns) or ((top, bottom), (left, right)).
        data_format: only ``'channels_last'``.

    Shapes:
        x: (N, H, W, C); y: (N, top + H + bottom, left + W + right, C).

    Raises:
        ValueError: for negative or fractional numbers.

    >>> ZeroPadding2D(((0, 1), (2, 0)))(np.ones((1, 1, 2, 1)))[0, :, :, 0]
    array([[0., 0., 1., 1.],
           [0., 0., 0., 0.]], dtype=float32)
    """

    ndim = 4

    def __init__(self, padding: Any = (1, 1), data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        parsed = parse_padding(padding, self.title)
        if isinstance(parsed, str):
            way_out = "Conv2D and the pooling layers know 'same'."
            raise ValueError(sentence(self.title, "padding in pixels", f"padding={padding!r}", way_out))
        self.padding = parsed
        self.data_format = channels_last(data_format, self.title)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, top + H + bottom, left + W + right, C)."""
        return np.pad(x, ((0, 0), *self.padding, (0, 0))), x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        """The gradient without the frame."""
        (top, _), (left, _) = self.padding
        _, height, width, _ = cache
        return dy[:, top : top + height, left : left + width]

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, top + H + bottom, left + W + right, C)."""
        n, height, width, c = input_shape
        rows, columns = (None if m is None else m + sum(p) for m, p in zip((height, width), self.padding, strict=True))
        return n, rows, columns, c
