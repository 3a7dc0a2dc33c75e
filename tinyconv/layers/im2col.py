"""Convolution as one matrix product: the image's windows, written out as the rows of a matrix.

`im2col` copies every window of the image into a row, so that a convolution becomes ``columns @ kernel``:

    image (4x4)          windows of 3x3, stride 1           kernel   output
    a b c d       row 0:  a b c  e f g  i j k                 k0        y0
    e f g h       row 1:  b c d  f g h  j k l           @     :    =    y1
    i j k l       row 2:  e f g  i j k  m n o                 k8        y2
    m n o p       row 3:  f g h  j k l  n o p                           y3

`col2im` is its adjoint: every number of the matrix is added back to the pixel it was copied from, so a pixel that was
in four windows gets four contributions. That is exactly how a gradient flows back. The matrix repeats each pixel up to
KH*KW times, so `slabs` cuts the work into pieces whose columns fit into `config.columns_budget()`.
"""

import math
from collections.abc import Iterator
from itertools import product

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from tinyconv import config
from tinyconv._types import Array
from tinyconv.geometry import Window, output_size

Slices = tuple[slice, ...]


def pad(x: Array, window: Window, fill: float = 0.0) -> Array:
    """(N, H, W, C) -> (N, PH, PW, C), with ``fill`` in the cells the window's padding adds."""
    rows, columns = window.pads(*x.shape[1:3])
    if rows == columns == (0, 0):
        return x
    return np.pad(x, ((0, 0), rows, columns, (0, 0)), constant_values=fill)


def unpad(x: Array, window: Window, height: int, width: int) -> Array:
    """(N, PH, PW, C) -> (N, H, W, C): what `pad` added is cut off again."""
    (top, _), (left, _) = window.pads(height, width)
    return x[:, top : top + height, left : left + width]


def cells(x: Array, window: Window) -> Iterator[Array]:
    """The window's cells in row-major order, each as the pixels it lies on: KH*KW views (N, OH, OW, C) of a padded x.

    >>> x = np.arange(9).reshape(1, 3, 3, 1)
    >>> [view.ravel().tolist() for view in cells(x, Window((2, 2)))]
    [[0, 1, 3, 4], [1, 2, 4, 5], [3, 4, 6, 7], [4, 5, 7, 8]]
    """
    (kh, kw), (sh, sw), (dh, dw) = window.size, window.strides, window.dilation
    oh, ow = output_size(x.shape[1], kh, sh, dh), output_size(x.shape[2], kw, sw, dw)
    for i in range(kh):
        for j in range(kw):
            yield x[:, i * dh : i * dh + (oh - 1) * sh + 1 : sh, j * dw : j * dw + (ow - 1) * sw + 1 : sw]


def im2col(x: Array, window: Window) -> Array:
    """(N, PH, PW, C) padded images -> (N*OH*OW, KH*KW*C), one window a row.

    >>> im2col(np.arange(16).reshape(1, 4, 4, 1), Window((3, 3)))[0].tolist()
    [0, 1, 2, 4, 5, 6, 8, 9, 10]
    """
    (sh, sw), (dh, dw) = window.strides, window.dilation
    windows = sliding_window_view(x, window.reach, axis=(1, 2))[:, ::sh, ::sw, :, ::dh, ::dw]  # (N, OH, OW, C, KH, KW)
    windows = windows.transpose(0, 1, 2, 4, 5, 3)  # (N, OH, OW, KH, KW, C)
    return windows.reshape(-1, math.prod(windows.shape[3:]))  # (N*OH*OW, KH*KW*C)


def col2im(columns: Array, shape: tuple[int, ...], window: Window) -> Array:
    """(N*OH*OW, KH*KW*C) -> (N, PH, PW, C): each entry added to the pixel that `im2col` took it from.

    >>> col2im(np.ones((4, 9)), (1, 4, 4, 1), Window((3, 3)))[0, :, :, 0]
    array([[1., 2., 2., 1.],
           [2., 4., 4., 2.],
           [2., 4., 4., 2.],
           [1., 2., 2., 1.]])
    """
    x = np.zeros(shape, columns.dtype)
    for k, view in enumerate(cells(x, window)):  # (N, OH, OW, C)
        view += columns.reshape(*view.shape[:3], -1, shape[3])[:, :, :, k]
    return x


def slabs(x: Array, kernel: Array, y: Array, window: Window) -> Iterator[tuple[Slices, Slices, slice]]:
    """Cut a convolution into smaller ones: (slices of padded x, slices of y, its filters) for each.

    A piece holds the channels and filters of one group, and as many images and output rows as `config.columns_budget()`
    allows for its columns, at least one row of one image. Neighbouring pieces of x overlap where windows do.
    """
    (n, _, _, c), (_, oh, ow, f) = x.shape, y.shape
    groups = c // kernel.shape[2]
    row = max(ow * math.prod(kernel.shape[:3]) * x.itemsize, 1)  # bytes of the columns of one output row
    images = max(config.columns_budget() // (row * max(oh, 1)), 1)
    rows = min(max(config.columns_budget() // row, 1), max(oh, 1))
    for group, first, top in product(range(groups), range(0, n, images), range(0, oh, rows)):
        channels, filters = (slice(group * m // groups, (group + 1) * m // groups) for m in (c, f))
        bottom = min(top + rows, oh)
        pixels = slice(top * window.strides[0], (bottom - 1) * window.strides[0] + window.reach[0])
        some = slice(first, first + images)
        yield (some, pixels, slice(None), channels), (some, slice(top, bottom), slice(None), filters), filters
