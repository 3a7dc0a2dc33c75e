"""The three matrix products of a fully connected layer, in register tiles.

With a batch of N rows x, a kernel W (I, O) and the gradient dz of its output z (N, O):

    forward     z  = x W        tiles of z: 8 rows by two vectors of columns; W is read once, a strip at a time
    dkernel     dW = x^T dz     tiles of dW: 8 inputs by two vectors of outputs; the sum runs over the batch
    dx          dx = dz W^T     tiles of dx^T = W dz^T: 8 inputs by two vectors of *samples*, written back turned round,
                                so that the large W is read as it lies and only the small dx is transposed

A thread takes a slice of z's rows or columns, or of W's rows. Columns are taken in whole vectors. Where O is no
multiple of LANES, the caller copies the last columns into arrays of one vector's width, and calls again with those.
"""

import numpy as np

from tinyconv.engine.compiler import inner, kernel
from tinyconv.engine.vector import LANES, tile

#: Inputs that are summed before the next strip of W: 256 of them by two vectors stay in the L1 cache.
STRIP = 256


@inner
def _product(rows, K, A, a, a_r, a_i, B, b, b_i, C, c, c_r, columns, accumulate):
    """C (rows, columns) = A (rows, K) B (K, columns): by 8 rows and two vectors, then by what is left."""
    wide = columns - columns % (2 * LANES)
    for r in range(0, rows - 7, 8):
        for v in range(0, wide, 2 * LANES):
            tile(8, 2, 1, K, A, a + r * a_r, a_r, 0, a_i, B, b + v, 0, b_i, C, c + r * c_r + v, c_r, accumulate)
    for r in range(rows - rows % 8, rows):
        for v in range(0, wide, 2 * LANES):
            tile(1, 2, 1, K, A, a + r * a_r, a_r, 0, a_i, B, b + v, 0, b_i, C, c + r * c_r + v, c_r, accumulate)
    if wide < columns:
        for r in range(rows):
            tile(1, 1, 1, K, A, a + r * a_r, a_r, 0, a_i, B, b + wide, 0, b_i, C, c + r * c_r + wide, c_r, accumulate)


def dense_forward_plain(x, w):
    """(N, I), (I, O) -> (N, O)."""
    return x @ w


@kernel("f4[:,::1], f4[:,::1], f4[:,::1], i8, i8, i8, i8")
def dense_forward(x, w, z, row, rows, column, columns):
    """z = x W: so many rows and columns from the first ones on."""
    inputs, units = w.shape
    for k in range(0, inputs, STRIP):
        n = min(STRIP, inputs - k)
        for v in range(column, column + columns, 2 * LANES):
            width = min(2 * LANES, column + columns - v)
            here, there = row * inputs + k, row * units + v
            _product(rows, n, x, here, inputs, 1, w, k * units + v, units, z, there, units, width, 1 if k else 0)


def dense_dkernel_plain(x, dz):
    """(N, I), (N, O) -> (I, O)."""
    return x.T @ dz


@kernel("f4[:,::1], f4[:,::1], f4[:,::1], i8, i8, i8, i8")
def dense_dkernel(x, dz, dw, columns, add, start, stop):
    """dW = x^T dz, or added to it, for the inputs start <= i < stop and the first columns."""
    (N, inputs), units = x.shape, dz.shape[1]
    _product(stop - start, N, x, start, 1, inputs, dz, 0, units, dw, start * units, units, columns, add)


def dense_dx_plain(w, dz):
    """(I, O), (N, O) -> (N, I)."""
    return dz @ w.T


@kernel("f4[:,::1], f4[:,::1], f4[:,::1], f4[:,::1], i8, i8")
def dense_dx(w, dz_turned, dx, strip, start, stop):
    """dx (N, I) = dz W^T for the inputs start <= i < stop, from dz_turned (O, N or more); strip (16, the same)."""
    units, columns = dz_turned.shape
    for i in range(start, stop, 16):
        rows = min(16, stop - i)
        _product(rows, units, w, i * units, units, 1, dz_turned, 0, columns, strip, 0, columns, columns, 0)
        for n in range(dx.shape[0]):
            for r in range(rows):
                dx[n, i + r] = strip[r, n]


def turned(dz, into):
    """(N, O) -> (O, N) in the first columns of an array with room for whole vectors of samples."""
    np.copyto(into[:, : len(dz)], dz.T)
    return into
