"""Dropout: the same random numbers as the layer draws, in a buffer of their own."""

from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.blocks.base import Block, for_kernels
from tinyconv.engine.kernels.elementwise import dropout
from tinyconv.engine.threads import Team
from tinyconv.layers import Dropout


class DropoutBlock(Block):
    """A `Dropout` layer whose mask has the shape of its input.

    Args:
        layer: the layer.
        shape: of one sample.
        team: threads.
    """

    title, algorithm, reason = "dropout", "number by number", "its buffers last"
    kernels = (dropout,)

    def __init__(self, layer: Dropout, shape: tuple[int, ...], team: Team) -> None:
        super().__init__([layer], team)
        self.layer = layer
        self._draws, self._out = self.buffer(*shape), self.buffer(*shape)
        self._dx = self.buffer(*shape, of_input=True)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """Any shape -> the same shape."""
        if not training or self.layer.rate == 0:
            return x, None
        x, draws, out = for_kernels(x), self._draws.take(len(x)), self._out.take(len(x))
        self.layer.rng.random(out=draws, dtype=np.float32)
        self._run(x, draws, out)
        return out, draws

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """Any shape -> the same shape."""
        if cache is None or not to_input:
            return dy if to_input else None
        dx = self._dx.take(len(dy))
        self._run(for_kernels(dy), cache, dx)
        return dx

    def _run(self, x: Array, draws: Array, out: Array) -> None:
        rows = [array.reshape(len(x), -1) for array in (x, draws, out)]  # (N, M) each
        rate = self.layer.rate
        self.queue.add(len(x), lambda _, a, b: dropout(rows[0], rows[1], rate, rows[2], a, b))
