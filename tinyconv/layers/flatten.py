"""Changing the shape of a sample without touching a number."""

import math
from typing import Any

from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, sentence
from tinyconv.layers.base import Layer


class Flatten(Layer):
    """Each sample as one row of numbers, the last axis fastest: row by row, and channel by channel in each pixel.

    Shapes:
        x: (N, ...); y: (N, product of the rest).

    >>> import numpy as np
    >>> Flatten()(np.array([[[7.0], [5.0]], [[5.0], [8.0]]])[None])
    array([[7., 5., 5., 8.]], dtype=float32)
    """

    def __init__(self, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(data_format, self.title)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ...) -> (N, M)."""
        return x.reshape(x.shape[0], math.prod(x.shape[1:])), x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, M) -> (N, ...)."""
        return dy.reshape(cache)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, ...) -> (N, M); M is None where an axis is."""
        n, *rest = input_shape
        return n, None if None in rest else math.prod(rest)  # type: ignore[arg-type]


class Reshape(Layer):
    """Each sample in a new shape, its numbers in the same order.

    Args:
        target_shape: shape of one sample; one axis may be -1 and is worked out.

    Raises:
        ValueError: if the numbers of a sample do not fill the shape.

    >>> Reshape((2, -1)).compute_output_shape((None, 6))
    (None, 2, 3)
    """

    def __init__(self, target_shape: tuple[int, ...], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        numbers = target_shape if isinstance(target_shape, tuple | list) else (0,)
        if any(not hasattr(n, "__index__") or (n < 1 and n != -1) for n in numbers) or list(numbers).count(-1) > 1:
            expected = "target_shape of positive numbers, at most one of them -1"
            raise ValueError(sentence(self.title, expected, f"target_shape={target_shape!r}"))
        self.target_shape = tuple(int(n) for n in numbers)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ...) -> (N, *target_shape)."""
        return x.reshape(self.compute_output_shape(x.shape)), x.shape  # type: ignore[arg-type]

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, *target_shape) -> (N, ...)."""
        return dy.reshape(cache)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, ...) -> (N, *target_shape) with -1 worked out."""
        n, *rest = input_shape
        if None in rest:
            return n, *(None if m == -1 else m for m in self.target_shape)
        size, known = math.prod(rest), math.prod(m for m in self.target_shape if m != -1)  # type: ignore[arg-type]
        if size % known or (-1 not in self.target_shape and size != known):
            received = f"{size}, of shape {tuple(rest)}"
            raise ValueError(sentence(self.title, f"numbers that fill {self.target_shape}", received))
        return n, *(size // known if m == -1 else m for m in self.target_shape)
