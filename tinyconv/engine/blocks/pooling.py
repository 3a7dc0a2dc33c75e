"""Pooling that follows no convolution."""

from typing import Any

from tinyconv._types import Array
from tinyconv.engine.blocks.base import Block, for_kernels, slot
from tinyconv.engine.blocks.case import pool_numbers
from tinyconv.engine.kernels.maps import AVERAGE, EXTREME
from tinyconv.engine.kernels.pooling import pool_backward, pool_forward
from tinyconv.engine.threads import Team
from tinyconv.layers.pooling import AveragePooling2D, MinPooling2D, Pooling2D


class Pooling(Block):
    """A pooling layer on images.

    Args:
        layer: the layer.
        shape: of one image, (H, W, C).
        team: threads.
    """

    title, algorithm, reason = "pooling", "window by window", "no convolution before it"
    kernels = (pool_forward, pool_backward)

    def __init__(self, layer: Pooling2D, shape: tuple[int, ...], team: Team) -> None:
        super().__init__([layer], team)
        height, width, channels = shape
        size = layer.window.output_size(height, width)
        averages = isinstance(layer, AveragePooling2D)
        self._numbers = pool_numbers(AVERAGE if averages else EXTREME, layer.window, (height, width))
        self._sign = -1.0 if isinstance(layer, MinPooling2D) else 1.0
        self._out = self.buffer(*size, channels)
        self._winner = None if averages else self.buffer(*size, channels, dtype="uint8")
        self._dx = self.buffer(*shape, of_input=True)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        x, n = for_kernels(x), len(x)
        out, winner = self._out.take(n), slot(self._winner, n)
        self.queue.add(n, lambda _, a, b: pool_forward(x, a, b, self._sign, self._numbers, out, winner))
        return out, winner

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """(N, OH, OW, C) -> (N, H, W, C)."""
        if not to_input:
            return None
        dy, dx = for_kernels(dy), self._dx.take(len(dy))
        self.queue.add(len(dy), lambda _, a, b: pool_backward(dy, a, b, cache, self._numbers, dx))
        return dx
