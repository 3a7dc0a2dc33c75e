"""What happens to each number of a row by itself: bias, ReLU, dropout, and their way back.

    y (N, O)     1 -2  3     add_bias      2  1  4 | relu
    bias (O,)    1  3  1        ->

    dy (N, O)    5  6  7     dense_back    dz   5  0  7    where y > 0
    y            2  0  4        ->         sum  5  0  7    down each column: the gradient of the bias

    x            1  2  3     dropout       2  0  6         rate 0.5; draws .7 .1 .9
    draws        .7 .1 .9       ->

Every kernel works on the rows start <= n < stop. Columns are taken LANES at a time, the last ones as they come.
"""

import numpy as np

from tinyconv.engine.compiler import inner, kernel
from tinyconv.engine.kernels.maps import get, put
from tinyconv.engine.vector import LANES, if_beats, if_positive, splat
from tinyconv.engine.vector import relu as positive_part


def add_bias_plain(y, bias, relu, start, stop):
    """The same as `add_bias`, in NumPy."""
    rows = y[start:stop]  # (rows, O)
    rows += bias
    if relu:
        np.maximum(rows, 0, out=rows)


@kernel("f4[:,::1], f4[::1], i8, i8, i8")
def add_bias(y, bias, relu, start, stop):
    """y (N, O) = relu?(y + bias), in place."""
    width = y.shape[1]
    for n in range(start, stop):
        for k in range(0, width, LANES):
            v = get(y, n * width + k, width - k) + get(bias, k, width - k)
            put(y, n * width + k, positive_part(v) if relu else v, width - k)


def dense_back_plain(dy, y, relu, dz, dbias, start, stop):
    """The same as `dense_back`, in NumPy."""
    part = slice(start, stop)
    dz[part] = np.where(y[part] > 0, dy[part], 0) if relu else dy[part]
    dbias[...] = dz[part].sum(axis=0)


@kernel("f4[:,::1], f4[:,::1], i8, f4[:,::1], f4[::1], i8, i8")
def dense_back(dy, y, relu, dz, dbias, start, stop):
    """dz (N, O) = dy where ReLU let y through; dbias (O,) is its sum over these rows."""
    width = y.shape[1]
    zero = splat(np.float32(0))
    for k in range(0, width, LANES):
        total = zero
        for n in range(start, stop):
            g = get(dy, n * width + k, width - k)
            if relu:
                g = if_positive(get(y, n * width + k, width - k), g, zero)
            put(dz, n * width + k, g, width - k)
            total = total + g
        put(dbias, k, total, width - k)


def dropout_plain(x, draws, rate, out, start, stop):
    """The same as `dropout`, in NumPy."""
    part = slice(start, stop)
    keep = 1 / (1 - rate) if rate < 1 else 0
    out[part] = x[part] * np.where(draws[part] >= np.float32(rate), np.float32(keep), np.float32(0))


@kernel("f4[:,::1], f4[:,::1], f4, f4[:,::1], i8, i8")
def dropout(x, draws, rate, out, start, stop):
    """out (N, O) = x / (1 - rate) where the draw, a random number from 0 to 1, reaches the rate; else x * 0.

    Forward x is the input, backward the gradient, with the same draws. A NaN or infinity that is dropped becomes NaN,
    as in the layer.
    """
    width = x.shape[1]
    for i in range(start * width, stop * width, LANES):
        left = stop * width - i
        put(out, i, get(x, i, left) * share_kept(get(draws, i, left), rate), left)


@inner
def share_kept(draws, rate):
    """What dropout multiplies by: 1 / (1 - rate) where the draw reaches the rate, 0 elsewhere; 1 for a rate below 0."""
    keep = np.float32(1)
    if rate > 0:
        keep = keep / (keep - rate) if rate < 1 else np.float32(0)
    return if_beats(splat(rate), draws, splat(np.float32(0)), splat(keep))
