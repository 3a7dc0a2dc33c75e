"""Batch normalisation with what stands around it: ReLU and dropout before, ReLU and 2x2 pooling after.

    z (N, H, W, C)  ->  y = dropout?(relu?(z))  ->  x = slope * (y - mean) + beta  ->  out = pool?(relu?(x))

Only z and out are stored; y and x are computed anew wherever they are needed, which is cheaper than fetching them. So a
training step passes over z four times:

    norm_sums         z       -> sums of y and y*y            the caller makes mean and slope of them (`set_forward`)
    norm_apply        z       -> out
    norm_back_sums    z, dy   -> sums of g and g*(y - mean)   the caller makes dgamma, dbeta, p, q (`set_backward`)
    norm_back         z, dy   -> dz = [z > 0]? * kept? * (slope*g + p + q*(y - mean))

With pooling, each window has one winner, and only that has a gradient. What is kept of it makes four passes three:

    z   a b . .   norm_apply_pooled   out     x of the largest       norm_back_pooled   dz  . G . .   + what every cell
        c d . .   ->                  winner  its place, 0 1 2 3     <- dy, winner          . . . .     gets: p, q
        . . . .                       won     its y                                         . . . .
                                        |
                                        +-> norm_back_sums_pooled: the sums over the windows, without z

g is the gradient by x: dy where the cell won and ReLU is open, else 0. The numbers p and q carry what goes through the
mean and the variance, which each y has moved a little; they are 0 where those are constants, outside of training.

The variance of numbers far from 0 must not be the small difference of two large sums. So each image's sums are taken
of y - shift, and only their totals, in float64, are counted from 0. The shift is the mean of one row in eight: however
the image looks, that is less than three of its standard deviations away from the mean of all.

All kernels work on the images start <= n < stop. (N, C) arrays are images of one pixel: (N, 1, 1, C).
"""

import numpy as np

from tinyconv.engine.compiler import inlined, inner, kernel
from tinyconv.engine.kernels.elementwise import share_kept
from tinyconv.engine.kernels.maps import CLOSED, get, put
from tinyconv.engine.vector import (
    LANES,
    fma,
    if_beats,
    if_equal,
    if_positive,
    load,
    load_bytes,
    splat,
    store,
    store_bytes,
)  # fmt: skip
from tinyconv.engine.vector import relu as positive_part

#: The rows of ``numbers`` (5, Cp), a whole number of vectors of channels: what the kernels know of each channel.
MEAN, SLOPE, BETA, P, Q = range(5)

#: The shift of an image is the mean of one row in so many.
SAMPLED = 8

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


@inlined
def _entering(z, draws, i, n, relu, rate):
    """y: n channels from z[i] on."""
    y = get(z, i, n)
    return (positive_part(y) if relu else y) * _kept(draws, i, n, rate)


@inner
def _kept(draws, i, n, rate):
    """What dropout multiplies n channels by, from draws[i] on."""
    return share_kept(get(draws, i, n), rate) if rate > 0 else splat(np.float32(1))


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
    H, W, C, row = z.shape[1], z.shape[2], z.shape[3], scratch.shape[1]
    _clear_sums(sums)
    for n in range(start, stop):
        _clear(scratch)
        for i in range(0, H, SAMPLED):
            for f in range(0, C, LANES):
                total, first = load(scratch, f), (n * H + i) * W * C + f
                for k in range(first, first + W * C, C):
                    total = total + _entering(z, draws, k, C - f, relu, rate)
                store(scratch, f, total)
        sampled = splat(np.float32(1 / ((H + SAMPLED - 1) // SAMPLED * W)))
        for f in range(0, C, LANES):
            store(scratch, f, load(scratch, f) * sampled)
        for i in range(H):
            for f in range(0, C, LANES):
                shift, first = load(scratch, f), (n * H + i) * W * C + f
                apart = squares = splat(np.float32(0))  # of a row, for short sums round less
                for k in range(first, first + W * C, C):
                    v = _entering(z, draws, k, C - f, relu, rate) - shift
                    apart, squares = apart + v, fma(v, v, squares)
                store(scratch, row + f, load(scratch, row + f) + apart)
                store(scratch, 2 * row + f, load(scratch, 2 * row + f) + squares)
        for c in range(C):
            shift, apart = np.float64(scratch[0, c]), np.float64(scratch[1, c])
            sums[0, c] += H * W * shift + apart
            sums[1, c] += scratch[2, c] + shift * (2 * apart + H * W * shift)


@inner
def _clear(scratch):
    for f in range(0, scratch.size, LANES):
        store(scratch, f, splat(np.float32(0)))


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
    for i in range(start * pixels * C, stop * pixels * C, C):
        for f in range(0, C, LANES):
            x = _normal(_entering(z, draws, i + f, C - f, relu, rate), numbers, row, f)
            put(out, i + f, positive_part(x) if relu_after else x, C - f)


def norm_apply_pooled_plain(z, start, stop, relu, draws, rate, numbers, relu_after, sign, out, winner, won):
    """The same as `norm_apply_pooled`, in NumPy."""
    _, H, W, C = z.shape
    slope, mean, beta = (numbers[k, :C] for k in (SLOPE, MEAN, BETA))
    y = entering_plain(z, start, stop, relu, draws, rate)  # (images, H, W, C)
    for i, j in np.ndindex(out.shape[1:3]):
        cells = [(u, v) for u in range(2) for v in range(2) if 2 * i + u < H and 2 * j + v < W]
        candidates = np.stack([y[:, 2 * i + u, 2 * j + v] for u, v in cells])  # (cells, images, C)
        first = np.argmax(sign * np.sign(slope) * candidates, axis=0)  # (images, C), the first NaN before all
        won[start:stop, i, j] = np.take_along_axis(candidates, first[None], axis=0)[0]
        x = slope * (won[start:stop, i, j] - mean) + beta
        place = np.array([2 * u + v for u, v in cells])[first]
        out[start:stop, i, j] = np.maximum(x, 0) if relu_after else x
        winner[start:stop, i, j] = np.where((x > 0) | (not relu_after), place, CLOSED)


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4, f4[:,:,:,::1], u1[:,:,:,::1], f4[:,:,:,::1]")
def norm_apply_pooled(z, start, stop, relu, draws, rate, numbers, relu_after, sign, out, winner, won):
    """out (N, PH, PW, C): the largest relu?(x) of each 2x2 window, or with sign -1 the smallest.

    winner, won: like out: the place of that cell in its window, CLOSED where ReLU lets nothing through, and its y.

    x grows with y, or falls where the slope is negative, so that windows compare y.
    """
    H, W, C, PH, PW, row = z.shape[1], z.shape[2], z.shape[3], out.shape[1], out.shape[2], numbers.shape[1]
    zero, signs, closed = splat(np.float32(0)), splat(sign), splat(np.float32(CLOSED))
    for n in range(start, stop):
        for i in range(PH):
            below = W * C if 2 * i + 1 < H else 0  # outside of the map, look at a cell that is there instead
            for j in range(PW):
                right = C if 2 * j + 1 < W else 0
                for f in range(0, C, LANES):
                    slope = load(numbers, SLOPE * row + f)
                    up = if_positive(slope, signs, if_positive(zero - slope, zero - signs, slope))  # 0 and NaN stay
                    here, there = ((n * H + 2 * i) * W + 2 * j) * C + f, ((n * PH + i) * PW + j) * C + f
                    a = _entering(z, draws, here, C - f, relu, rate)
                    b = _entering(z, draws, here + right, C - f, relu, rate)
                    c = _entering(z, draws, here + below, C - f, relu, rate)
                    d = _entering(z, draws, here + below + right, C - f, relu, rate)
                    y, place = _first_largest(a, b, c, d, up)
                    x = _normal(y, numbers, row, f)
                    if relu_after:
                        x, place = positive_part(x), if_positive(x, place, closed)
                    put(out, there, x, C - f)
                    put(won, there, y, C - f)
                    store_bytes(winner, there, place, C - f)


@inlined
def _first_largest(a, b, c, d, up):
    """Of four vectors, in each lane the one that is largest times up, and its place: 0 to 3."""
    y, place = _larger_of(b, splat(np.float32(1)), a, splat(np.float32(0)), up)
    y, place = _larger_of(c, splat(np.float32(2)), y, place, up)
    return _larger_of(d, splat(np.float32(3)), y, place, up)


@inlined
def _larger_of(other, there, y, place, up):
    return if_beats(up * other, up * y, other, y), if_beats(up * other, up * y, there, place)


def gradient_plain(dy, winner, shape):
    """g (images, H, W, C), the gradient by x, from that by the pooled map."""
    g = np.zeros(shape, dy.dtype)
    for u, v in np.ndindex(2, 2):
        cells = g[:, u : 2 * dy.shape[1] : 2, v : 2 * dy.shape[2] : 2]
        part = np.s_[:, : cells.shape[1], : cells.shape[2]]
        cells[...] = np.where(winner[part] == 2 * u + v, dy[part], 0)
    return g


def norm_back_sums_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, sums):
    """The same as `norm_back_sums`, in NumPy."""
    g = _opened_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy).astype("f8")
    y = entering_plain(z, start, stop, relu, draws, rate)
    sums[...] = g.sum(axis=(0, 1, 2)), (g * (y - numbers[MEAN, : z.shape[3]])).sum(axis=(0, 1, 2))


def _opened_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy):
    """g (images, H, W, C), the gradient by x, from that by relu?(x)."""
    x = np.empty(z.shape, z.dtype)
    norm_apply_plain(z, start, stop, relu, draws, rate, numbers, 0, x)
    return np.where((x[start:stop] > 0) | (not relu_after), dy[start:stop], 0)


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4[:,:,:,::1], f8[:,::1], f4[:,::1]")
def norm_back_sums(z, start, stop, relu, draws, rate, numbers, relu_after, dy, sums, scratch):
    """Sums over these images.

    Args: as before, and
        dy: like z.
        sums: (2, C), of g and g*(y - mean); set, not added to.
        scratch: (3, Cp).
    """
    H, W, C, row = z.shape[1], z.shape[2], z.shape[3], numbers.shape[1]
    zero = splat(np.float32(0))
    _clear_sums(sums)
    for n in range(start, stop):
        _clear(scratch)
        for i in range(H):
            for f in range(0, C, LANES):
                total, products = load(scratch, f), load(scratch, row + f)
                first = (n * H + i) * W * C + f
                for k in range(first, first + W * C, C):
                    y, g = _entering(z, draws, k, C - f, relu, rate), get(dy, k, C - f)
                    x = _normal(y, numbers, row, f)
                    g = if_positive(x, g, zero) if relu_after else g
                    total, products = total + g, fma(g, _centred(y, numbers, row, f), products)
                store(scratch, f, total)
                store(scratch, row + f, products)
        _add_sums(scratch, sums)


def norm_back_sums_pooled_plain(start, stop, numbers, dy, winner, won, sums):
    """The same as `norm_back_sums_pooled`, in NumPy."""
    g = np.where(winner[start:stop] == CLOSED, 0, dy[start:stop]).astype("f8")  # (images, PH, PW, C)
    sums[...] = g.sum(axis=(0, 1, 2)), (g * (won[start:stop] - numbers[MEAN, : dy.shape[3]])).sum(axis=(0, 1, 2))


@kernel("i8, i8, f4[:,::1], f4[:,:,:,::1], u1[:,:,:,::1], f4[:,:,:,::1], f8[:,::1], f4[:,::1]")
def norm_back_sums_pooled(start, stop, numbers, dy, winner, won, sums, scratch):
    """The same sums, of the cells that won: no other has a gradient. dy, winner, won: (N, PH, PW, C)."""
    PH, PW, C, row = dy.shape[1], dy.shape[2], dy.shape[3], numbers.shape[1]
    zero, closed = splat(np.float32(0)), splat(np.float32(CLOSED))
    _clear_sums(sums)
    for n in range(start, stop):
        _clear(scratch)
        for i in range(PH):
            for f in range(0, C, LANES):
                total, products = load(scratch, f), load(scratch, row + f)
                first = (n * PH + i) * PW * C + f
                for k in range(first, first + PW * C, C):
                    g = if_equal(load_bytes(winner, k, C - f), closed, zero, get(dy, k, C - f))
                    total, products = total + g, fma(g, _centred(get(won, k, C - f), numbers, row, f), products)
                store(scratch, f, total)
                store(scratch, row + f, products)
        _add_sums(scratch, sums)


@inner
def _add_sums(scratch, sums):
    for c in range(sums.shape[1]):
        sums[0, c] += scratch[0, c]
        sums[1, c] += scratch[1, c]


def norm_back_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy, dz):
    """The same as `norm_back`, in NumPy."""
    g = _opened_plain(z, start, stop, relu, draws, rate, numbers, relu_after, dy)
    dz[start:stop] = _by_z_plain(z, start, stop, relu, draws, rate, numbers, g)


def _by_z_plain(z, start, stop, relu, draws, rate, numbers, g):
    """The gradient by z (images, H, W, C) from that by x."""
    C = z.shape[3]
    y = entering_plain(z, start, stop, relu, draws, rate)
    d = numbers[SLOPE, :C] * g + numbers[P, :C] + numbers[Q, :C] * (y - numbers[MEAN, :C])
    if rate > 0:
        d = entering_plain(d, 0, len(d), 0, draws[start:stop], rate)
    return np.where((z[start:stop] > 0) | (not relu), d, 0)


@kernel(f"{_IMAGES}, f4[:,::1], i8, f4[:,:,:,::1], f4[:,:,:,::1]")
def norm_back(z, start, stop, relu, draws, rate, numbers, relu_after, dy, dz):
    """dz (N, H, W, C), the gradient by z; numbers with all five rows, dy like z. dz may be z."""
    C, pixels, row = z.shape[3], z.shape[1] * z.shape[2], numbers.shape[1]
    zero = splat(np.float32(0))
    for i in range(start * pixels * C, stop * pixels * C, C):
        for f in range(0, C, LANES):
            x, g = _normal(_entering(z, draws, i + f, C - f, relu, rate), numbers, row, f), get(dy, i + f, C - f)
            g = (if_positive(x, g, zero) if relu_after else g) * load(numbers, SLOPE * row + f)
            put(dz, i + f, _cell_back(z, draws, i + f, C - f, relu, rate, g, numbers, row, f), C - f)


@inlined
def _cell_back(z, draws, i, n, relu, rate, direct, numbers, row, f):
    """n channels of dz from i on, where `direct` is slope*g: what does not go through the mean and the variance."""
    here, kept = get(z, i, n), _kept(draws, i, n, rate)
    y = (positive_part(here) if relu else here) * kept
    through = fma(load(numbers, Q * row + f), _centred(y, numbers, row, f), load(numbers, P * row + f))
    d = (direct + through) * kept
    return if_positive(here, d, splat(np.float32(0))) if relu else d


def norm_back_pooled_plain(z, start, stop, relu, draws, rate, numbers, dy, winner, dz):
    """The same as `norm_back_pooled`, in NumPy."""
    g = gradient_plain(dy[start:stop], winner[start:stop], z[start:stop].shape)
    dz[start:stop] = _by_z_plain(z, start, stop, relu, draws, rate, numbers, g)


@kernel(f"{_IMAGES}, f4[:,::1], f4[:,:,:,::1], u1[:,:,:,::1], f4[:,:,:,::1]")
def norm_back_pooled(z, start, stop, relu, draws, rate, numbers, dy, winner, dz):
    """The same from dy and winner (N, PH, PW, C): the window's gradient belongs to its winner. dz may be z."""
    H, W, C, PH, PW, row = z.shape[1], z.shape[2], z.shape[3], dy.shape[1], dy.shape[2], numbers.shape[1]
    zero, one, two, three = splat(np.float32(0)), splat(np.float32(1)), splat(np.float32(2)), splat(np.float32(3))
    for n in range(start, stop):
        for i in range((H + 1) // 2):
            below = W * C if 2 * i + 1 < H else 0
            for j in range((W + 1) // 2):
                right = C if 2 * j + 1 < W else 0
                for f in range(0, C, LANES):
                    slope = load(numbers, SLOPE * row + f)
                    here, there, some = ((n * H + 2 * i) * W + 2 * j) * C + f, ((n * PH + i) * PW + j) * C + f, C - f
                    there, some = (there, some) if i < PH and j < PW else (0, 0)  # an odd map's end is in no window
                    g, place = slope * get(dy, there, some), load_bytes(winner, there, some)
                    a, b = if_equal(place, zero, g, zero), if_equal(place, one, g, zero)
                    c, d = if_equal(place, two, g, zero), if_equal(place, three, g, zero)
                    a = _cell_back(z, draws, here, C - f, relu, rate, a, numbers, row, f)
                    b = _cell_back(z, draws, here + right, C - f, relu, rate, b, numbers, row, f)
                    c = _cell_back(z, draws, here + below, C - f, relu, rate, c, numbers, row, f)
                    d = _cell_back(z, draws, here + below + right, C - f, relu, rate, d, numbers, row, f)
                    put(dz, here + below + right, d, C - f)  # cells that are there come after those beyond the map
                    put(dz, here + below, c, C - f)
                    put(dz, here + right, b, C - f)
                    put(dz, here, a, C - f)
