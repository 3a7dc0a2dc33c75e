"""Pooling of an array of images: what a pooling layer does that follows no convolution.

An image is a map without a bias, so `maps` does the work, straight on the arrays:

    x[n] (H, W, C)  -> finish_map ->  out[n] (OH, OW, C), winner[n]: each window's extreme cell, one byte
    dx[n]           <- expand_map <-  dy[n]

Windows of more than 254 cells are not supported, for a place in the window is one byte. Padding is never a candidate
and never counted; ties go to the first cell; the first NaN of a window is its maximum and its minimum.
"""

import numpy as np

from tinyconv.engine.compiler import kernel
from tinyconv.engine.kernels.maps import expand_map, expand_map_plain, finish_map, finish_map_plain


@kernel("f4[:,:,:,::1], i8, i8, f4, i8[::1], f4[:,:,:,::1], u1[:,:,:,::1]")
def pool_forward(x, start, stop, sign, pool, out, winner):
    """Images start <= n < stop: x (N, H, W, C) -> out (N, OH, OW, C) and, for max and min, winner of the same shape.

    Args:
        sign: -1 for the minimum, else 1.
        pool: kind (EXTREME or AVERAGE), KH, KW, SH, SW, rows above, columns to the left.
        winner: anything for the average.
    """
    H, W, C = x.shape[1], x.shape[2], x.shape[3]
    no_bias = np.zeros(C, np.float32)
    for n in range(start, stop):
        finish_map(x, n * H * W * C, W * C, C, H, W, no_bias, 0, sign, pool, n, out, winner, winner)


@kernel("f4[:,:,:,::1], i8, i8, u1[:,:,:,::1], i8[::1], f4[:,:,:,::1]")
def pool_backward(dy, start, stop, winner, pool, dx):
    """Images start <= n < stop: dy (N, OH, OW, C) -> dx (N, H, W, C), written whole. Arguments: `pool_forward`."""
    H, W, C = dx.shape[1], dx.shape[2], dx.shape[3]
    unused_sum = np.zeros(C, np.float32)
    for n in range(start, stop):
        expand_map(dy, dy, winner, winner, n, 0, pool, dx, n * H * W * C, W * C, C, H, W, unused_sum)


def pool_forward_plain(x, start, stop, sign, pool, out, winner):
    """The same as `pool_forward`, in NumPy."""
    for n in range(start, stop):
        places = winner[n] if winner.shape == out.shape else None
        finish_map_plain(x[n], 0, 0, sign, pool, out[n], places, None)


def pool_backward_plain(dy, start, stop, winner, pool, dx):
    """The same as `pool_backward`, in NumPy."""
    for n in range(start, stop):
        places = winner[n] if winner.shape == dy.shape else None
        expand_map_plain(dy[n], None, places, None, 0, pool, dx[n])
