"""Convolution with 3x3 windows at stride 1 by Winograd's algorithm: see `kernels.winograd`."""

import math
from typing import ClassVar

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.blocks.case import ConvCase, whole_vectors
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.kernels import winograd
from tinyconv.engine.kernels.maps import STORED
from tinyconv.engine.memory import CACHE_LINE, zeros

_TAPS = 9
#: Floats of a cache line.
_LINE = CACHE_LINE // 4


class Winograd:
    """The algorithm for one case: weights at Winograd's points, and scratch for each thread.

    Attributes:
        title: what `Model.plan` calls it.
        kernels: what runs forward and backward.
        scratch_bytes: memory of all threads and of the weights in the algorithm's own layout.
        multiply_adds: products for one image, forward.
    """

    title: ClassVar[str] = "winograd"

    def __init__(self, case: ConvCase, threads: int) -> None:
        self.case = case
        self._map = oh, ow = case.map_size
        if case.pools_by_two:  # the last row or column of an odd map may be in no window
            self.kernels: list[Kernel] = [winograd.winograd_forward_pooled, winograd.winograd_backward_pooled]
            oh, ow = (min(size, 2 * pooled) for size, pooled in zip((oh, ow), case.out_size, strict=True))
        elif case.kind == STORED:
            self.kernels = [winograd.winograd_forward_stored, winograd.winograd_backward_stored]
        else:
            self.kernels = [winograd.winograd_forward, winograd.winograd_backward]
        th, tw = (math.ceil(size / winograd.CELLS) for size in (oh, ow))
        c, f = whole_vectors(case.channels), whole_vectors(case.filters)
        self._tiles, self._group = (th, tw), _group(c, f)
        self._top, self._left = (int(number) for number in case.conv_numbers[-2:])
        self._relu, self._pool = int(case.relu), case.pool_numbers

        g = winograd.matrices()[2]
        self._points = np.kron(g, g).astype("float32")  # (36, 9): what G . G^T does to 3x3 weights written as 9
        self._taps, self._turned = zeros(_TAPS, c, f), zeros(_TAPS, f, c)
        self._u, self._ut, self._bias = zeros(winograd.SQUARE, c, f), zeros(winograd.SQUARE, f, c), zeros(f)
        self._threads = [_Scratch(case, th, tw, c, f, self._group) for _ in range(threads)]
        weights = [self._taps, self._turned, self._u, self._ut, self._bias]
        scratch = [array for thread in self._threads for array in vars(thread).values()]
        self.scratch_bytes = sum(array.nbytes for array in weights + scratch)
        self.multiply_adds = winograd.SQUARE * th * tw * case.channels * case.filters

    def load(self, kernel: Array, bias: Array | None, training: bool) -> None:
        """(3, 3, C, F) and (F,) -> U = G g G^T (36, C, F), and with ``training`` its transpose (36, F, C)."""
        c, f = kernel.shape[2:]
        taps = kernel.reshape(_TAPS, c, f)
        self._taps[:, :c, :f] = taps * np.float32(self.case.sign) if self.case.pools_by_two else taps
        np.matmul(self._points, self._taps.reshape(_TAPS, -1), out=self._u.reshape(winograd.SQUARE, -1))
        if training:
            self._turned[:, :f, :c] = taps.transpose(0, 2, 1)
            np.matmul(self._points, self._turned.reshape(_TAPS, -1), out=self._ut.reshape(winograd.SQUARE, -1))
        self._bias[:f] = 0 if bias is None else bias

    def forward(self, thread: int, start: int, stop: int, x: Array, out: Array, winner: Array, mask: Array) -> None:
        """Images start <= n < stop: x (N, H, W, C) -> out (N, PH, PW, F), and winner or mask."""
        s, case = self._threads[thread], self.case
        image = (x, case.scale, case.offset, self._top, self._left, *self._tiles)
        layer, sizes = (self._u, self._bias, self._relu), (*self._map, self._group)
        if case.pools_by_two:
            winograd.winograd_forward_pooled(
                *image, *sizes, *layer, case.sign, s.canvas, s.v, s.m, out, winner, start, stop
            )
        elif case.kind == STORED:
            winograd.winograd_forward_stored(*image, self._group, *layer, s.canvas, s.v, s.m, out, start, stop)
        else:
            winograd.winograd_forward(
                *image, *sizes, *layer, case.sign, self._pool, s.canvas, s.z, s.v, s.m, out, winner, mask, start, stop
            )

    def backward(
        self, thread: int, start: int, stop: int, x: Array, dy: Array, out: Array, winner: Array, mask: Array,
        dx: Array | None,
    ) -> None:  # fmt: skip
        """The same images: dy (N, PH, PW, F) -> dx (N, H, W, C), if wanted, and this thread's sums."""
        s, case = self._threads[thread], self.case
        image = (x, case.scale, case.offset, self._top, self._left, *self._tiles)
        wanted, dx = int(dx is not None), x if dx is None else dx
        if case.pools_by_two:
            winograd.winograd_backward_pooled(
                *image, self._group, self._ut, wanted, s.canvas, s.dcanvas, s.v, s.m, dy, winner, s.du, s.db, dx,
                start, stop,
            )  # fmt: skip
        elif case.kind == STORED:
            winograd.winograd_backward_stored(
                *image, self._group, self._ut, self._relu, wanted, s.canvas, s.dcanvas, s.v, s.m, dy, out, s.du, s.db,
                dx, start, stop,
            )  # fmt: skip
        else:
            winograd.winograd_backward(
                *image, *self._map, self._group, self._ut, self._relu, self._pool, wanted, s.canvas, s.dcanvas,
                s.dz, s.v, s.m, dy, out, winner, mask, s.du, s.db, dx, start, stop,
            )  # fmt: skip

    def gradients(self, dkernel: Array, dbias: Array | None, add: bool) -> None:
        """The threads' sums, in their order: dg = G^T dU G -> dkernel (3, 3, C, F), and dbias (F,)."""
        c, f = dkernel.shape[2:]
        du, db = self._threads[0].du, self._threads[0].db
        for thread in self._threads[1:]:
            du, db = du + thread.du, db + thread.db
        taps = (self._points.T @ du.reshape(winograd.SQUARE, -1)).reshape(3, 3, *du.shape[1:])[..., :c, :f]
        dkernel[...] = dkernel + taps if add else taps
        if dbias is not None:
            dbias[...] = dbias + db[:f] if add else db[:f]


class _Scratch:
    """What one thread writes: arrays named as in the kernels."""

    def __init__(self, case: ConvCase, th: int, tw: int, c: int, f: int, group: int) -> None:
        rows, columns, border = winograd.CELLS * th, winograd.CELLS * tw, winograd.POINTS - winograd.CELLS
        self.canvas = zeros(rows + border, columns + border, c)
        self.dcanvas = zeros(*self.canvas.shape)
        self.v, self.m = _planes(group, c), _planes(group, f)
        self.du, self.db = zeros(winograd.SQUARE, c, f), zeros(f)
        if case.kind != STORED and not case.pools_by_two:
            self.z = zeros(rows, columns, f)
            self.dz = zeros(*self.z.shape)  # stays zero beyond the map, where z does not


def _group(c: int, f: int) -> int:
    """Tiles at a time: V and M take half a megabyte, or as much as U, which is read once for each group."""
    floats, block = max(2**17, winograd.SQUARE * c * f), winograd.SQUARE * (c + f) * winograd.ROWS_OF_ONE
    return winograd.ROWS_OF_ONE * math.ceil(floats / block)


def _planes(group: int, channels: int) -> Array:
    """(36, room for whole register tiles), an odd number of cache lines apart: else the planes would share a few."""
    rows = math.ceil(group / winograd.ROWS_OF_ONE) * winograd.ROWS_OF_ONE
    return zeros(winograd.SQUARE, (math.ceil(rows * channels / _LINE) | 1) * _LINE)
