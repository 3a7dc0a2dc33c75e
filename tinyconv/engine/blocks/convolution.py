"""Convolution, with the rescaling before it and the activation and pooling after it.

The map of the convolution is never stored where a pooling follows: what is kept of each window is its winner's value
and, in one byte, the winner's place. Backward, the gradient goes to the winners alone.
"""

from typing import Any, ClassVar, Protocol

from tinyconv import config
from tinyconv._types import Array
from tinyconv.engine.blocks.base import Block, for_kernels, slot
from tinyconv.engine.blocks.case import ConvCase
from tinyconv.engine.blocks.depthwise import Depthwise
from tinyconv.engine.blocks.direct import Direct
from tinyconv.engine.blocks.tiled import Tiled
from tinyconv.engine.blocks.winograd import Winograd
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.kernels.maps import AVERAGE, EXTREME
from tinyconv.engine.threads import Team
from tinyconv.layers import Conv2D, DepthwiseConv2D, Layer
from tinyconv.layers.pooling import MaxPooling2D, MinPooling2D, Pooling2D


class Algorithm(Protocol):
    """A way to compute a convolution: weights in a layout of its own, and scratch for each thread."""

    title: ClassVar[str]
    kernels: list[Kernel]
    multiply_adds: int

    def __init__(self, case: ConvCase, threads: int) -> None: ...

    @property
    def scratch_bytes(self) -> int:
        """Memory of all threads and of the weights in the algorithm's own layout."""

    def load(self, kernel: Array, bias: Array | None, training: bool) -> None:
        """Take the weights (KH, KW, C/groups, F) and (F,) into its own layout."""

    def forward(self, thread: int, start: int, stop: int, x: Array, out: Array, winner: Array, mask: Array) -> None:
        """Images start <= n < stop: x (N, H, W, C) -> out, winner (N, PH, PW, F), mask (N, OH, OW, F)."""

    def backward(
        self, thread: int, start: int, stop: int, x: Array, dy: Array, out: Array, winner: Array, mask: Array,
        dx: Array | None,
    ) -> None:  # fmt: skip
        """The same images: dy (N, PH, PW, F) -> dx (N, H, W, C), if wanted, and this thread's sums."""

    def gradients(self, dkernel: Array, dbias: Array | None, add: bool) -> None:
        """The threads' sums, in their order, into the layer's gradients."""


def choose(case: ConvCase) -> tuple[type[Algorithm], str]:
    """The algorithm for a convolution, and why.

    Winograd needs a quarter of the products for 3x3 windows. Its transforms cost as much for one channel as for a
    whole vector of them, so that few channels, and maps smaller than its tiles, are better off with plain products.
    """
    (oh, ow), plain = case.map_size, case.window.strides == case.window.dilation == (1, 1)
    if case.groups == case.channels > 1:
        return Depthwise, "each channel by itself"
    if case.groups > 1:
        return Tiled, f"{case.groups} groups"
    if not plain:
        return Tiled, "strides or dilation"
    if case.channels < 8:
        return (Direct, "few channels, 2x2 pooling") if case.pools_by_two else (Tiled, "few channels")
    if case.window.size != (3, 3):
        return Tiled, f"{case.window.size[0]}x{case.window.size[1]} window"
    if not config.winograd():
        return Tiled, "Winograd is switched off"
    if oh * ow < 8:
        return Tiled, f"a map of {oh}x{ow}, smaller than Winograd's tiles"
    return Winograd, "3x3 window, stride 1"


class Convolution(Block):
    """A convolution layer with what surrounds it.

    Args:
        layers: the convolution, and those that are part of ``case``.
        case: what is computed.
        team: threads.
    """

    title = "convolution"

    def __init__(self, layers: list[Layer], case: ConvCase, team: Team) -> None:
        super().__init__(layers, team)
        self.case = case
        self.conv = next(layer for layer in layers if isinstance(layer, Conv2D))
        kind, self.reason = choose(case)
        self._way = kind(case, team.size)
        self.algorithm, self.kernels = self._way.title, self._way.kernels
        self._out = self.buffer(*case.out_size, case.filters)
        self._winner = self.buffer(*case.out_size, case.filters, dtype="uint8") if case.kind == EXTREME else None
        needs_mask = case.kind == AVERAGE and case.relu
        self._mask = self.buffer(*case.map_size, case.filters, dtype="uint8") if needs_mask else None
        self._dx = self.buffer(case.height, case.width, case.channels, of_input=True)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, PH, PW, F)."""
        x, n = for_kernels(x), len(x)
        out, winner, mask = self._out.take(n), slot(self._winner, n), slot(self._mask, n)
        self._way.load(self._kernel(self.conv.params), self.conv.params.get("bias"), training)
        self.queue.add(n, lambda t, a, b: self._way.forward(t, a, b, x, out, winner, mask))
        return out, (x, training)

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """(N, PH, PW, F) -> (N, H, W, C)."""
        (x, training), dy, n = cache, for_kernels(dy), len(dy)
        if not training:  # then forward took the weights for itself alone
            self._way.load(self._kernel(self.conv.params), None, True)
        out, winner, mask = self._out.take(n), slot(self._winner, n), slot(self._mask, n)
        dx = self._dx.take(n) if to_input else None
        self.queue.add(n, lambda t, a, b: self._way.backward(t, a, b, x, dy, out, winner, mask, dx), self._gradients)
        return dx

    def _gradients(self) -> None:
        self._way.gradients(self._kernel(self.conv.grads), self.conv.grads.get("bias"), self.adds)

    @property
    def scratch_bytes(self) -> int:
        return self._way.scratch_bytes

    @property
    def multiply_adds(self) -> int:
        return self._way.multiply_adds

    def _kernel(self, arrays: dict[str, Array]) -> Array:
        case = self.case  # a depthwise kernel (KH, KW, C, M) has the numbers of (KH, KW, 1, C*M) in the same order
        return arrays["kernel"].reshape(*case.window.size, case.channels // case.groups, case.filters)


def conv_case(conv: Conv2D, shape: tuple[int, ...], relu: bool, pool: Pooling2D | None, **scaling: float) -> ConvCase:
    """What a convolution on images of this shape (H, W, C) computes, with what follows it."""
    height, width, channels = shape
    depthwise = isinstance(conv, DepthwiseConv2D)
    kinds: dict[Any, str] = {MaxPooling2D: "max", MinPooling2D: "min"}
    return ConvCase(
        height,
        width,
        channels,
        filters=channels * conv.filters if depthwise else conv.filters,
        window=conv.window,
        groups=channels if depthwise else conv.groups,
        relu=relu,
        pool=None if pool is None else pool.window,
        pool_kind=kinds.get(type(pool), "average"),
        **scaling,
    )
