"""Batch normalisation with what stands around it: ReLU and dropout before, ReLU and 2x2 pooling after.

    z (N, H, W, C)  ->  y = dropout?(relu?(z))  ->  x = slope * (y - mean) + beta  ->  out = pool?(relu?(x))

Only z and out are stored; y and x are computed anew wherever they are needed, which is cheaper than fetching them. So a
training step passes over z four times:

    norm_sums         z       -> sums of y and y*y            the caller makes mean and slope of them (`set_forward`)
    norm_apply        z       -> out                          or norm_apply_pooled, which also says which cells won
    norm_back_sums    z, dy   -> sums of g and g*(y - mean)   the caller makes dgamma, dbeta, p, q (`set_backward`)
    norm_back         z, dy   -> dz = [z > 0]? * kept? * (slope*g + p + q*(y - mean))

g is the gradient by x: dy where the cell won and ReLU is open, else 0. The numbers p and q carry what goes through the
mean and the variance, which each y has moved a little; they are 0 where those are constants, outside of training.

The variance of numbers far from 0 must not be the small difference of two large sums. So each image's sums are taken
of y - shift, with its own mean as the shift, and only their totals, in float64, are counted from 0.

All kernels work on the images start <= n < stop. (N, C) arrays are images of one pixel: (N, 1, 1, C).
"""

import numpy as np

from tinyconv.engine.compiler import inner, kernel
from tinyconv.engine.kernels.direct import keep_winner
from tinyconv.engine.kernels.elementwise import share_kept
from tinyconv.engine.kernels.maps import CLOSED, get, put
from tinyconv.engine.vector import LANES, fma, if_equal, if_positive, load, load_bytes, splat, store
from tinyconv.engine.vector import relu as positive_part

#: The rows of ``numbers`` (5, Cp), a whole number of vectors of channels: what the kernels know of each channel.
MEAN, SLOPE, BETA, P, Q = range(5)

_REACHED = np.float32(-np.inf)

#: What all kernels begin with: z, start, stop, relu before, draws, rate.
_IMAGES = "f4[:,:,:,::1], i8, i8, i8, f4[:,:,:,::1], f4"


def statistics(sums, count):
    """Mean and variance (C,) of each channel, from the sums (2, C) of y and y*y over so many pixels."""
    mean = sums[0] / count
    return mean, np.maximum(sums[1] / count - mean**2, 0)


def set_forward(numbers, mean, variance, gamma, beta, epsilon):
    """Fill the rows that `norm_apply` needs; gamma and beta (C,), or 1 and 0."""
    channels = len(mean)
    numbers[MEAN, :channels] = mean
    numbers[SLOPE, :channels] = gamma / np.sqrt(variance + epsilon)
    numbers[BETA, :channels] = beta


def set_backward(numbers, sums, count, mean, variance, gamma, epsilon, learning):
    """From the sums (2, C) of `norm_back_sums` over so many pixels: (dgamma, dbeta), and the rows for `norm_back`.

    learning: whether mean and variance are those of the batch.
    """
    channels, inverse = len(mean), 1 / np.sqrt(variance + epsilon)
    dbeta = sums[0]
    dgamma = inverse * (sums[1] - (mean - numbers[MEAN, :channels]) * dbeta)  # the kernels' mean is rounded
    share = gamma * inverse / count if learning else 0 * inverse
    numbers[P, :channels] = -share * dbeta
    numbers[Q, :channels] = -share * inverse * dgamma
    return dgamma, dbeta


def entering_plain(z, start, stop, relu, draws, rate):
    """y of the images start <= n < stop: what is normalised."""
    y = np.maximum(z[start:stop], 0) if relu else z[start:stop]
    if rate == 0:
        return y
    keep = np.float32(1 / (1 - rate) if rate < 1 else 0)
    return y * np.where(draws[start:stop] >= np.float32(rate), keep, np.float32(0))


@inner
def _dropout(z, draws, rate):
    """(draws, rate) such that every number has a draw: without dropout any number will do, for each one reaches -inf.

    A question asked here once need not be asked for each vector, where it would cost as much as the answer.
    """
    return (draws, rate) if rate > 0 else (z, _REACHED)


@inner
def _entering(z, draws, i, n, relu, rate):
    """y: n channels from z[i] on."""
    y = get(z, i, n)
    if relu:
        y = positive_part(y)
    return y * share_kept(get(draws, i, n), rate)


@inner
def _centred(y, numbers, row, f):
    """y - mean, channels from f on; row: channels of a row of numbers."""
    return y - load(numbers, MEAN * row + f)


@inner
def _normal(y, numbers, row, f):
    """x = slope * (y - mean) + beta."""
    return fma(load(numbers, SLOPE * row + f), _centred(y, numbers, row, f), load(numbers, BETA * row + f))


def norm_sums_plain(z, start, stop, relu, draws, rate, sums):
    """The same as `norm_sums`, in NumPy."""
    y = entering_plain(z, start, stop, relu, draws, rate).astype("f8")
    sums[...] = y.sum(axis=(0, 1, 2)), (y * y).sum(axis=(0, 1, 2))


@kernel(f"{_IMAGES}, f8[:,::1], f4[:,::1]")
def norm_sums(z, start, stop, relu, draws, rate, sums, scratch):
    """Sums over these images.

    Args:
        z: (N, H, W, C).
        relu: 1 for ReLU before the normalisation.
        draws, rate: random numbers like z for dropout at this rate; anything where the rate is 0.
        sums: (2, C), of y and y*y; set, not added to.
        scratch: (3, Cp).
    """
    C, pixels, row = z.shape[3], z.shape[1] * z.shape[2], scratch.shape[1]
    draws, rate = _dropout(z, draws, rate)
    _clear_sums(sums)
    for n in range(start, stop):
        for f in range(0, C, LANES):
            first = n * pixels * C + f
            total = apart = squares = splat(np.float32(0))
            for i in range(first, first + pixels * C, C):
                total = total + _entering(z, draws, i, C - f, relu, rate)
            shift = total * splat(np.float32(1 / pixels))
            for i in range(first, first + pixels * C, C):
                v = _entering(z, draws, i, C - f, relu, rate) - shift
                apart, squares = apart + v, fma(v, v, squares)
            store(scratch, f, shift)
            store(scratch, row + f, apart)
            store(scratch, 2 * row + f, squares)
        for c in range(C):
            shift, apart = np.float64(scratch[0, c]), np.float64(scratch[1, c])
            sums[0, c] += pixels * shift + apart
            sums[1, c] += scratch[2, c] + shift * (2 * apart + pixels * shift)


@inner
def _clear_sums(sums):
    for c in range(sums.shape[1]):
        sums[0, c] = sums[1, c] = 0


def norm_apply_plain(z, start, stop, relu, draws, rate, numbers, relu_after, out):
    """The same as `norm_apply`, in NumPy."""
    C = z.shape[3]
    y = entering_plain(z, start, stop, relu, draws, rate)
    x = numbers[SLOPE, :C] * (y - numbers[MEAN, :C]) + numbers[BETA, :C]
    out[start:stop] = np.maximum(x, 0) if relu_after else x


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4[:,:,:,::1]")
def norm_apply(z, start, stop, relu, draws, rate, numbers, relu_after, out):
    """out (N, H, W, C) = relu?(x). numbers: rows MEAN, SLOPE, BETA; relu_after: 1 for ReLU after the normalisation."""
    C, pixels, row = z.shape[3], z.shape[1] * z.shape[2], numbers.shape[1]
    draws, rate = _dropout(z, draws, rate)
    for i in range(start * pixels * C, stop * pixels * C, C):
        for f in range(0, C, LANES):
            x = _normal(_entering(z, draws, i + f, C - f, relu, rate), numbers, row, f)
            put(out, i + f, positive_part(x) if relu_after else x, C - f)


def norm_apply_pooled_plain(z, start, stop, relu, draws, rate, numbers, relu_after, sign, out, winner):
    """The same as `norm_apply_pooled`, in NumPy."""
    _, H, W, C = z.shape
    x = np.empty((stop - start, H, W, C), z.dtype)
    y = entering_plain(z, start, stop, relu, draws, rate)
    norm_apply_plain(y, 0, len(y), 0, None, 0, numbers, 0, x)
    for i, j in np.ndindex(out.shape[1:3]):
        cells = [(u, v) for u in range(2) for v in range(2) if 2 * i + u < H and 2 * j + v < W]
        candidates = np.stack([sign * x[:, 2 * i + u, 2 * j + v] for u, v in cells])  # (cells, images, C)
        first = np.argmax(candidates, axis=0)  # (images, C), the first NaN before all
        best = sign * np.take_along_axis(candidates, first[None], axis=0)[0]  # (images, C)
        place = np.array([2 * u + v for u, v in cells])[first]
        out[start:stop, i, j] = np.maximum(best, 0) if relu_after else best
        winner[start:stop, i, j] = np.where((best > 0) | (not relu_after), place, CLOSED)


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4, f4[:,:,:,::1], u1[:,:,:,::1]")
def norm_apply_pooled(z, start, stop, relu, draws, rate, numbers, relu_after, sign, out, winner):
    """out, winner (N, PH, PW, C): the largest relu?(x) of each 2x2 window; with sign -1 the smallest."""
    H, W, C, row = z.shape[1], z.shape[2], z.shape[3], numbers.shape[1]
    signs, nothing = splat(sign), splat(np.float32(0))
    draws, rate = _dropout(z, draws, rate)
    for n in range(start, stop):
        for i in range(out.shape[1]):
            below = W * C if 2 * i + 1 < H else 0  # outside of the map, look at a cell that is there instead
            for j in range(out.shape[2]):
                right = C if 2 * j + 1 < W else 0
                first = ((n * H + 2 * i) * W + 2 * j) * C
                for f in range(0, C, LANES):
                    here = first + f
                    a = signs * _normal(_entering(z, draws, here, C - f, relu, rate), numbers, row, f)
                    b = signs * _normal(_entering(z, draws, here + right, C - f, relu, rate), numbers, row, f)
                    c = signs * _normal(_entering(z, draws, here + below, C - f, relu, rate), numbers, row, f)
                    d = signs * _normal(_entering(z, draws, here + below + right, C - f, relu, rate), numbers, row, f)
                    keep_winner(a, b, c, d, sign, nothing, relu_after, n, i, j, f, H, W, out, winner)


def gradient_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled):
    """g of the images start <= n < stop: the gradient by x, (images, H, W, C)."""
    dy = dy[start:stop]
    if not pooled:
        out = np.empty(z.shape, z.dtype)
        norm_apply_plain(z, start, stop, relu, draws, rate, numbers, relu_after, out)
        return np.where((out[start:stop] > 0) | (not relu_after), dy, 0)
    g = np.zeros((stop - start, *z.shape[1:]), dy.dtype)
    for u, v in np.ndindex(2, 2):
        cells = g[:, u : 2 * dy.shape[1] : 2, v : 2 * dy.shape[2] : 2]
        part = np.s_[:, : cells.shape[1], : cells.shape[2]]
        cells[...] = np.where(winner[start:stop][part] == 2 * u + v, dy[part], 0)
    return g


@inner
def _gradient(y, dy, winner, pooled, numbers, row, relu_after, n, i, j, f):
    """g of cell (i, j), channels from f on, where y enters."""
    zero, PH, PW, C = splat(np.float32(0)), dy.shape[1], dy.shape[2], dy.shape[3]
    own, x = zero, _normal(y, numbers, row, f)
    if pooled:  # the place of this cell in its window, and the window's own
        own, i, j = splat(np.float32(2 * (i & 1) + (j & 1))), i >> 1, j >> 1
    there, some = (((n * PH + i) * PW + j) * C + f, C - f) if i < PH and j < PW else (0, 0)  # or in no window
    code, codes = (there, some) if pooled else (0, 0)
    g = if_equal(load_bytes(winner, code, codes), own, get(dy, there, some), zero)
    return if_positive(x, g, zero) if relu_after and not pooled else g  # the winner knows whether ReLU was open


def norm_back_sums_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled, sums):
    """The same as `norm_back_sums`, in NumPy."""
    g = gradient_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled).astype("f8")
    y = entering_plain(z, start, stop, relu, draws, rate)
    sums[...] = g.sum(axis=(0, 1, 2)), (g * (y - numbers[MEAN, : z.shape[3]])).sum(axis=(0, 1, 2))


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4[:,:,:,::1], u1[:,:,:,::1], i8, f8[:,::1], f4[:,::1]")
def norm_back_sums(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled, sums, scratch):
    """Sums over these images.

    Args: as before, and
        dy: like out; winner: what `norm_apply_pooled` set where pooled is 1, else anything.
        sums: (2, C), of g and g*(y - mean); set, not added to.
        scratch: (3, Cp).
    """
    H, W, C, row = z.shape[1], z.shape[2], z.shape[3], numbers.shape[1]
    draws, rate = _dropout(z, draws, rate)
    _clear_sums(sums)
    for n in range(start, stop):
        for f in range(0, C, LANES):
            store(scratch, f, splat(np.float32(0)))
            store(scratch, row + f, splat(np.float32(0)))
        for i in range(H):
            for f in range(0, C, LANES):
                total, products = load(scratch, f), load(scratch, row + f)
                for j in range(W):
                    y = _entering(z, draws, ((n * H + i) * W + j) * C + f, C - f, relu, rate)
                    g = _gradient(y, dy, winner, pooled, numbers, row, relu_after, n, i, j, f)
                    total, products = total + g, fma(g, _centred(y, numbers, row, f), products)
                store(scratch, f, total)
                store(scratch, row + f, products)
        for c in range(C):
            sums[0, c] += scratch[0, c]
            sums[1, c] += scratch[1, c]


def norm_back_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled, dz):
    """The same as `norm_back`, in NumPy."""
    C = z.shape[3]
    g = gradient_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled)
    y = entering_plain(z, start, stop, relu, draws, rate)
    d = numbers[SLOPE, :C] * g + numbers[P, :C] + numbers[Q, :C] * (y - numbers[MEAN, :C])
    if rate > 0:
        d = entering_plain(d, 0, len(d), 0, draws[start:stop], rate)
    dz[start:stop] = np.where((z[start:stop] > 0) | (not relu), d, 0)


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4[:,:,:,::1], u1[:,:,:,::1], i8, f4[:,:,:,::1]")
def norm_back(z, start, stop, relu, draws, rate, numbers, relu_after, dy, winner, pooled, dz):
    """dz (N, H, W, C), the gradient by z; numbers with all five rows, the rest as `norm_back_sums`. dz may be z."""
    H, W, C, row = z.shape[1], z.shape[2], z.shape[3], numbers.shape[1]
    draws, rate = _dropout(z, draws, rate)
    for n in range(start, stop):
        for i in range(H):
            for j in range(W):
                for f in range(0, C, LANES):
                    here = ((n * H + i) * W + j) * C + f
                    y = _entering(z, draws, here, C - f, relu, rate)
                    g = _gradient(y, dy, winner, pooled, numbers, row, relu_after, n, i, j, f)
                    through = fma(load(numbers, Q * row + f), _centred(y, numbers, row, f), load(numbers, P * row + f))
                    d = fma(load(numbers, SLOPE * row + f), g, through)
                    d = d * share_kept(get(draws, here, C - f), rate)
                    if relu:
                        d = if_positive(get(z, here, C - f), d, splat(np.float32(0)))
                    put(dz, here, d, C - f)
