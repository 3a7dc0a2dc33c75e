"""The tiled convolution: any window, any groups. The plans of its sweeps, its weights' layout and its scratch."""

import math
from dataclasses import astuple, dataclass
from functools import cached_property
from itertools import product
from typing import ClassVar

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.blocks.case import ConvCase, whole_vectors
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.kernels.tiled import NARROW, OF_ONE, WIDE, tiled_backward, tiled_forward
from tinyconv.engine.lanes import LANES
from tinyconv.engine.memory import zeros

#: Bytes of the map that a band may have, so that it stays in the second cache.
BAND_BYTES = 64 * 1024

#: Bytes of image and gradient that one pass of products may read again and again, so that they stay in the first cache.
PRODUCT_BYTES = 40 * 1024


@dataclass
class Steps:
    """How a sweep of tiles goes over a canvas, as `kernels.tiled.sweep` takes it.

    Attributes:
        a, a_cell, a_row: in the canvas, where the first window begins, from cell to cell, from row to row.
        KO, a_o, KV, a_v, KI: cells of the window, down and across, and the numbers side by side in each.
        w: where the weights begin.
        c, c_cell, c_row: in the target, the same.
        rows, cells: of the target.
        joined: cells from row to row where all rows are swept as one, else 0.
        groups, CA, CF, vectors: numbers of a group in the canvas and in the target, and vectors that hold the latter.
        size: cells of a tile.
    """

    a: int
    a_cell: int
    a_row: int
    KO: int
    a_o: int
    KV: int
    a_v: int
    KI: int
    w: int
    c: int
    c_cell: int
    c_row: int
    rows: int
    cells: int
    joined: int
    groups: int
    CA: int
    CF: int
    vectors: int
    size: int

    @property
    def weights(self) -> int:
        """Numbers in the weights of this sweep."""
        return self.groups * self.vectors * LANES * self.KO * self.KV * self.KI

    @cached_property
    def numbers(self) -> Array:
        """What kernels take as ``steps``."""
        return np.array(astuple(self))


@dataclass
class Phase:
    """Along one axis, the pixels that are S apart, and the cells of the window through which they see the map.

    Attributes:
        first, count: the first of these pixels, and how many there are.
        taps: the cells of the window, the last one first.
        start, step: where the map's cell for the first pixel and the first tap is, and from tap to tap.
    """

    first: int
    count: int
    taps: list[int]
    start: int
    step: int


def phases(n: int, before: int, k: int, s: int, d: int) -> list[Phase]:
    """The S classes of n pixels: pixel h lies under tap u of the window at cell (h + before - u*d) / s of the map."""
    found = []
    for first in range(min(s, n)):
        taps = [u for u in reversed(range(k)) if (first + before - u * d) % s == 0]
        start = (first + before - taps[0] * d) // s if taps else 0
        found.append(Phase(first, len(range(first, n, s)), taps, start, d // math.gcd(s, d)))
    return found


def border(axis: list[Phase], size: int) -> tuple[int, int]:
    """Cells before and after a map of this size that the pixels see; they hold zeros."""
    seen = [p for p in axis if p.taps]
    before = max((-p.start for p in seen), default=0)
    after = max((p.start + (len(p.taps) - 1) * p.step + p.count - size for p in seen), default=0)
    return max(before, 0), max(after, 0)


def covered(cells: int, size: int) -> int:
    """Cells that tiles of this size have together, over a row of so many cells."""
    return -(-cells // size) * size


class Tiled:
    """A convolution as register tiles over the padded image.

    Args:
        case: what is computed.
        threads: how many share a batch.
    """

    title: ClassVar[str] = "tiles"
    #: The axes of a kernel (KH, KW, CG, groups, FG) in the order in which the sweeps for the image's gradient read it.
    turned: ClassVar[tuple[int, ...]] = (3, 0, 1, 4, 2)

    def __init__(self, case: ConvCase, threads: int) -> None:
        self.case, self.groups = case, case.groups
        self.inputs, self.filters = case.channels // case.groups, case.filters // case.groups
        self.pitch = case.channels  # of the canvas
        self.kernels: list[Kernel] = [tiled_forward, tiled_backward]
        self._plan(threads)

    def load(self, kernel: Array, bias: Array | None, training: bool) -> None:
        """Take the weights (KH, KW, C/groups, F) and (F,) into the sweeps' layout."""
        grouped = kernel.reshape(*kernel.shape[:3], self.groups, -1)  # (KH, KW, CG, groups, FG)
        _pack(grouped.transpose(3, 0, 1, 2, 4), self._forward, self._weights)
        if bias is not None:
            self._bias[: self.case.filters] = bias
        if training:
            turned = grouped.transpose(self.turned)  # (groups, KH, KW, FG, CG)
            for steps, (down, across) in zip(self._sweeps, self._taps_of_sweeps, strict=True):
                _pack(turned[:, down][:, :, across], steps, self._turned)

    def forward(self, thread: int, start: int, stop: int, x: Array, out: Array, winner: Array, mask: Array) -> None:
        """Images start <= n < stop: x (N, H, W, C) -> out, winner (N, PH, PW, F), mask (N, OH, OW, F)."""
        case, own = self.case, self._scratch[thread]
        self.kernels[0](
            x, start, stop, case.scale, case.offset, case.conv_numbers, own["canvas"],
            self._forward.numbers, self._weights, self._bias, case.relu, case.sign, case.pool_numbers, self._band,
            own["z"], out, winner, mask,
        )  # fmt: skip

    def backward(
        self, thread: int, start: int, stop: int, x: Array, dy: Array, out: Array, winner: Array, mask: Array,
        dx: Array | None,
    ) -> None:  # fmt: skip
        """The same images: dy (N, PH, PW, F) -> dx (N, H, W, C), if wanted, and this thread's sums."""
        case, own = self.case, self._scratch[thread]
        self.kernels[1](
            x, start, stop, case.scale, case.offset, case.conv_numbers, own["canvas"], dy, out, winner,
            mask, case.relu, case.pool_numbers, own["dz"], self._grid, self._products, self._taps,
            own["dkernel"].reshape(-1), own["dbias"], self._sweep_numbers, self._turned,
            own["dcanvas"], dx is not None, x if dx is None else dx,
        )  # fmt: skip

    def gradients(self, dkernel: Array, dbias: Array | None, add: bool) -> None:
        """The threads' sums, in their order, into the layer's gradients."""
        total = self._total("dkernel")[:, :, : self._forward.KI, : self.filters]  # (groups, taps, R, FG)
        split = total.reshape(self.groups, *self.case.window.size, -1, self.filters)  # (groups, KH, KW, CG, FG)
        found = [(dkernel, split.transpose(1, 2, 3, 0, 4).reshape(dkernel.shape))]  # (KH, KW, CG, F)
        if dbias is not None:
            found.append((dbias, self._total("dbias")[: self.case.filters]))
        for target, value in found:
            np.add(target, value, out=target) if add else np.copyto(target, value)

    def _total(self, name: str) -> Array:
        """The sum over the threads, in their order."""
        total = np.zeros_like(self._scratch[0][name])
        for own in self._scratch:
            total += own[name]
        return total

    def side_by_side(self, taps: int, step: int, pixel: int, own: int) -> tuple[int, int, int]:
        """KV, a_v, KI for this many cells of a row of the window: all one stretch, if nothing lies between."""
        return (1, 0, taps * pixel) if step == 1 and self.groups == 1 and taps > 1 else (taps, step * pixel, own)

    def tiling(self, rows: int, cells: int, pitch: int, vectors: int) -> tuple[int, int]:
        """(joined, size): the pitch if rows of it are swept as one row, else 0; and the cells of a tile.

        A pitch of 0 forbids the former. Of all ways, the one with the least overhang.
        """
        sizes = (WIDE, NARROW) if vectors > 1 else (OF_ONE,)
        apart = [(rows * covered(cells, size), 0, size) for size in sizes]
        as_one = [(covered((rows - 1) * pitch + cells, size), pitch, size) for size in sizes if pitch]
        _, joined, size = min(apart + as_one, key=lambda way: way[0])
        return joined, size

    def _plan(self, threads: int) -> None:
        """All sizes and steps, and scratch for so many threads."""
        (oh, ow), (kh, kw), case = self.case.map_size, self.case.window.size, self.case
        self.multiply_adds = oh * ow * kh * kw * case.channels // case.groups * case.filters
        shapes = self._plan_forward() | self._plan_backward()
        self._scratch = [{name: zeros(*shape) for name, shape in shapes.items()} for _ in range(threads)]
        self._weights, self._bias = zeros(self._forward.weights), zeros(self._forward.c_cell)
        self._turned = zeros(sum(steps.weights for steps in self._sweeps))
        self.scratch_bytes = sum(array.nbytes for own in self._scratch for array in own.values())

    def _plan_forward(self) -> dict[str, tuple[int, ...]]:
        """One sweep over the canvas, and the bands in which the map comes out of it. Shapes of the scratch it needs."""
        case, groups = self.case, self.groups
        (top, bottom), (left, right) = case.window.pads(case.height, case.width)
        (kh, kw), (sh, sw), (dh, dw) = case.window.size, case.window.strides, case.window.dilation
        (oh, ow), vectors = case.map_size, whole_vectors(self.filters) // LANES
        height, width = case.height + top + bottom, case.width + left + right
        row, pixel = width * self.pitch, whole_vectors((groups - 1) * self.filters + vectors * LANES)
        joined, size = self.tiling(oh, ow, width if sh == sw == 1 else 0, vectors)
        z_row = (joined or ow) * pixel
        across = self.side_by_side(kw, dw, self.pitch, self.inputs)
        self._forward = Steps(
            0, sw * self.pitch, sh * row, kh, dh * row, *across, 0, 0, pixel, z_row, oh, ow, joined,
            groups, self.inputs, self.filters, vectors, size,
        )  # fmt: skip
        room = -(-OF_ONE * (sw + 1) // width)  # rows for what the tiles over the last cells read
        self._band, rows = bands(case, z_row)
        return {
            "canvas": (height + room, width, self.pitch),
            "z": (1, 1, 1, rows * z_row + OF_ONE * pixel),
        }

    def _plan_backward(self) -> dict[str, tuple[int, ...]]:
        """The products of canvas and dz, and a sweep over dz for each class of pixels. Shapes of the scratch."""
        case, groups, forward = self.case, self.groups, self._forward
        self._taps = np.array([u * forward.a_o + v * forward.a_v for u in range(forward.KO) for v in range(forward.KV)])
        tall = max(covered(forward.KI, size) for size in (WIDE, OF_ONE))
        bytes_of_row = 4 * (forward.cells * min(forward.vectors, 2) * LANES + forward.a_row)
        band = max(PRODUCT_BYTES // bytes_of_row, 1)
        self._products = np.array(
            [forward.a_cell, forward.a_row, forward.KI, tall, groups, self.inputs, self.filters, forward.vectors, band]
        )

        (top, _), (left, _) = case.window.pads(case.height, case.width)
        (kh, kw), (sh, sw), (dh, dw) = case.window.size, case.window.strides, case.window.dilation
        (oh, ow), pixel, vectors = case.map_size, forward.c_cell, whole_vectors(self.inputs) // LANES
        down, right = phases(case.height, top, kh, sh, dh), phases(case.width, left, kw, sw, dw)
        (above, below), (before, after) = border(down, oh), border(right, ow)
        width = before + ow + after
        self._grid = np.array([(above * width + before) * pixel, width * pixel, pixel, oh, ow])
        joined, size = self.tiling(down[0].count, right[0].count, width if sh == sw == 1 else 0, vectors)
        room = max(covered(right[0].count, each) for each in (size, OF_ONE))  # for what hangs over the end of a row
        pitch, channels = joined or sw * room, whole_vectors((groups - 1) * self.inputs + vectors * LANES)
        self._sweeps: list[Steps] = []
        self._taps_of_sweeps = [(rows.taps, columns.taps) for rows, columns in product(down, right)]
        for rows, columns in product(down, right):
            down_taps = len(rows.taps) if columns.taps else 0  # a sweep without taps writes zeros
            across = self.side_by_side(max(len(columns.taps), 1), columns.step, pixel, self.filters)
            steps = Steps(
                ((rows.start + above) * width + columns.start + before) * pixel, pixel, width * pixel,
                down_taps, rows.step * width * pixel, *across, sum(done.weights for done in self._sweeps),
                (rows.first * pitch + columns.first) * channels, sw * channels, sh * pitch * channels,
                rows.count, columns.count, joined, groups, self.filters, self.inputs, vectors, size,
            )  # fmt: skip
            self._sweeps.append(steps)
        self._sweep_numbers = np.array([steps.numbers for steps in self._sweeps])
        return {
            "dz": (((above + oh + below) * width + 2 * OF_ONE) * pixel,),
            "dcanvas": (case.height + -(-OF_ONE // pitch), pitch, channels),
            "dkernel": (groups, len(self._taps), tall, forward.vectors * LANES),
            "dbias": (pixel,),
        }


def bands(case: ConvCase, z_row: int) -> tuple[int, int]:
    """(rows of the output to finish at a time, rows of the map they need at most).

    Where windows of the pooling overlap, all at once: no row of the map is computed twice.
    """
    (oh, _), (ph, _) = case.map_size, case.out_size
    size, stride = (case.pool.size[0], case.pool.strides[0]) if case.pool is not None else (1, 1)
    band = ph if stride < size else min(max(BAND_BYTES // (4 * z_row * stride), 1), ph)
    return band, oh if band == ph else min(band * stride + oh % stride, oh)


def _pack(kernel: Array, steps: Steps, weights: Array) -> None:
    """Weights (groups, KO, across, inputs, outputs) into the layout of a sweep."""
    groups, down, across, inputs, _ = kernel.shape
    if down * across == 0:
        return
    inner = steps.KO * steps.KV * steps.KI
    own = weights[steps.w : steps.w + steps.weights].reshape(groups, -1)  # (groups, vectors*LANES*inner)
    for p in range(0, steps.vectors, 2):
        columns = min(2, steps.vectors - p) * LANES
        panel = own[:, p * LANES * inner : (p * LANES + columns) * inner]
        panel = panel.reshape(groups, down, across, -1, columns)
        part = kernel[..., p * LANES : p * LANES + columns]  # (groups, KO, across, inputs, columns or fewer)
        panel[:, :, :, :inputs, : part.shape[4]] = part
