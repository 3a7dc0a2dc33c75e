"""Turning and shifting at random: the same matrices as the layer draws, and a kernel that looks through them."""

from typing import Any

from tinyconv import warp
from tinyconv._types import Array
from tinyconv.engine import warping
from tinyconv.engine.blocks.base import Block, for_kernels
from tinyconv.engine.kernels.warp import warp_floats
from tinyconv.engine.threads import Team
from tinyconv.layers.augmentation import FILL_MODES, WarpingLayer


class WarpBlock(Block):
    """A layer that looks at each image through a random matrix, such as `RandomRotation`.

    It stands before everything that learns, as a rule, so that there is no gradient to hand back. Where one is asked
    for, the layer itself computes it.

    Args:
        layer: the layer.
        shape: of one sample.
        team: threads.
    """

    title, algorithm, reason = "warp", "point by point", "its threads share the images"
    kernels = (warp_floats,)

    def __init__(self, layer: WarpingLayer, shape: tuple[int, ...], team: Team) -> None:
        super().__init__([layer], team)
        self.layer = layer
        self._out = self.buffer(*shape)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, H, W, C)."""
        if not training:
            return x, None
        x, out, size = for_kernels(x), self._out.take(len(x)), x.shape[1:3]
        matrices = self.layer.draw(len(x), size)
        lines = warp.lines(matrices, size)
        settings = FILL_MODES[self.layer.fill_mode], self.layer.fill_value, self.layer.interpolation
        self.queue.add(len(x), lambda _, start, stop: warping.run(x, start, stop, lines, out, *settings))
        return out, (matrices, size)

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """(N, H, W, C) -> (N, H, W, C)."""
        if not to_input:
            return None
        self.queue.settle()
        return self.layer.backward(dy, cache)
