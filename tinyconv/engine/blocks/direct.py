"""Convolution of few channels at stride 1, with 2x2 pooling in registers: see `kernels.direct`."""

import math
from typing import ClassVar

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.blocks.case import ConvCase, whole_vectors
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.kernels import direct
from tinyconv.engine.memory import zeros


class Direct:
    """The algorithm for one case: weights in whole vectors, and scratch for each thread.

    Attributes:
        title: what `Model.plan` calls it.
        kernels: what runs forward and backward; the gradient by the images is compiled where it is asked for.
        scratch_bytes: memory of all threads and of the weights' own layout.
        multiply_adds: products for one image, forward.
    """

    title: ClassVar[str] = "direct"

    def __init__(self, case: ConvCase, threads: int) -> None:
        self.case = case
        self.kernels: list[Kernel] = [direct.direct_forward, direct.direct_backward]
        kh, kw = case.window.size
        ph, pw = case.out_size
        columns = 2 * math.ceil(pw / direct.WINDOWS) * direct.WINDOWS
        canvas = (2 * ph + kh - 1, columns + kw - 1, case.channels)
        rows = np.arange(kh)[:, None] * canvas[1] * case.channels
        self._taps = (rows + np.arange(kw * case.channels)).ravel()  # (T,)
        self._filled_taps = np.pad(self._taps, (0, -len(self._taps) % direct.TAPS))  # (T and more,)
        filters = whole_vectors(case.filters)
        self._weights, self._bias = zeros(len(self._taps), filters), zeros(filters)
        self._kernel = np.zeros(0, "float32")
        self._threads = [_Scratch(canvas, len(self._filled_taps), filters) for _ in range(threads)]
        self._relu = int(case.relu)
        self._top, self._left = (int(number) for number in case.conv_numbers[-2:])
        self.multiply_adds = 4 * ph * pw * len(self._taps) * case.filters

    @property
    def scratch_bytes(self) -> int:
        """Memory of all threads and of the weights' own layout."""
        arrays = [self._weights, self._bias, *(array for thread in self._threads for array in vars(thread).values())]
        return sum(array.nbytes for array in arrays if array is not None)

    def load(self, kernel: Array, bias: Array | None, training: bool) -> None:
        """(KH, KW, C, F) and (F,) -> (T, Fp), with the sign of the pooling, and (Fp,)."""
        filters = self.case.filters
        self._kernel = kernel
        self._weights[:, :filters] = kernel.reshape(-1, filters) * np.float32(self.case.sign)
        self._bias[:filters] = 0 if bias is None else bias

    def forward(self, thread: int, start: int, stop: int, x: Array, out: Array, winner: Array, mask: Array) -> None:
        """Images start <= n < stop of x (N, H, W, C) -> out and winner (N, PH, PW, F)."""
        case, scratch = self.case, self._threads[thread]
        direct.direct_forward(
            x, start, stop, case.scale, case.offset, scratch.canvas, self._top, self._left, self._taps, self._weights,
            self._bias, self._relu, case.sign, *case.map_size, out, winner,
        )  # fmt: skip

    def backward(
        self, thread: int, start: int, stop: int, x: Array, dy: Array, out: Array, winner: Array, mask: Array,
        dx: Array | None,
    ) -> None:  # fmt: skip
        """The same images: dy (N, PH, PW, F) -> dx (N, H, W, C), if wanted, and this thread's sums."""
        case, s = self.case, self._threads[thread]
        s.dkernel.fill(0)
        s.dbias.fill(0)
        direct.direct_backward(
            x, start, stop, case.scale, case.offset, s.canvas, self._top, self._left, self._filled_taps, dy, winner,
            s.dkernel, s.dbias,
        )  # fmt: skip
        if dx is not None:
            self._to_image(s, start, stop, dy, winner, dx)

    def gradients(self, dkernel: Array, dbias: Array | None, add: bool) -> None:
        """The threads' sums -> dkernel (KH, KW, C, F) and dbias (F,), written or added."""
        taps, filters = len(self._taps), self.case.filters
        sums, bias_sums = self._threads[0].dkernel, self._threads[0].dbias
        for thread in self._threads[1:]:
            sums, bias_sums = sums + thread.dkernel, bias_sums + thread.dbias
        found = sums[:taps, :filters].reshape(dkernel.shape)
        dkernel[...] = dkernel + found if add else found
        if dbias is not None:
            dbias[...] = dbias + bias_sums[:filters] if add else bias_sums[:filters]

    def _to_image(self, s: "_Scratch", start: int, stop: int, dy: Array, winner: Array, dx: Array) -> None:
        case = self.case
        (kh, kw), (ph, pw) = case.window.size, case.out_size
        channels, filters = whole_vectors(case.channels), whole_vectors(case.filters)
        columns = math.ceil(case.width / direct.PIXELS) * direct.PIXELS
        if s.dz is None or s.dcanvas is None:
            reach = max(case.height + self._top, 2 * ph), max(columns + self._left, 2 * pw)
            s.dz = np.zeros((reach[0] + kh - 1, reach[1] + kw - 1, filters), "float32")
            s.dcanvas = np.zeros((case.height, columns, channels), "float32")
        turned = np.zeros((kh, kw, filters, channels), "float32")
        turned[:, :, : case.filters, : case.channels] = self._kernel[::-1, ::-1].swapaxes(2, 3)  # (KH, KW, F, C)
        direct.direct_to_image(
            start, stop, case.scale, s.dz, kh, kw, self._top, self._left, turned.reshape(-1, channels), dy, winner,
            s.dcanvas, dx,
        )  # fmt: skip


class _Scratch:
    """What one thread writes: arrays named as in the kernels."""

    def __init__(self, canvas: tuple[int, ...], taps: int, filters: int) -> None:
        self.canvas = zeros(*canvas)
        self.dkernel, self.dbias = zeros(taps, filters), zeros(filters)
        self.dz: Array | None = None
        self.dcanvas: Array | None = None
