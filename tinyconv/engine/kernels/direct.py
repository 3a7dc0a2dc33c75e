"""Convolution of few channels at stride 1 with the 2x2 pooling after it, from pixels to winners in registers.

The first layer of a network sees one or three channels: few products for each cell of a map with many filters. Storing
that map would cost as much as computing it, so it never exists. The four cells of a pooling window are summed side by
side, compared, and only the winner leaves the registers, with one byte for its place:

    canvas (CH, CW, C), the padded image        4 cells a b      registers              memory
                                                        c d
    . . . . . . . .                             a += pixel * weights[t]                 out      max(a, b, c, d) + bias
    . 1 2 3 4 5 6 .    taps: where a window's   b += next pixel * weights[t]    ->      winner   which of them: 0 1 2 3,
    . 7 8 9 . . . .    pixels are, counted      c += pixel below * weights[t]                    CLOSED if ReLU is shut
    . . . . . . . .    from its first one       d += next pixel below * weights[t]

A register holds one cell's sums for LANES filters. Two vectors of filters are summed for one window at a time; the last
odd vector for three windows, so that the processor always has enough independent sums to work on.

Backward it runs the other way. The gradient of a window belongs to its winner alone: four vectors a b c d, each with
the gradient where its cell won and 0 elsewhere. They meet the same pixels again, nine taps at a time:

    dkernel[t] += pixel * a + next pixel * b + pixel below * c + next pixel below * d

A pixel that is NaN or infinite makes all of dkernel NaN that it meets, also where it is multiplied by a zero.
"""

import numpy as np

from tinyconv.engine.compiler import inner, kernel
from tinyconv.engine.kernels.images import copy_back, copy_padded, copy_padded_plain
from tinyconv.engine.kernels.maps import CLOSED, EXTREME, expand_map_plain, finish_map_plain, get, put
from tinyconv.engine.vector import (
    LANES,
    broadcast,
    fma,
    if_beats,
    if_equal,
    if_positive,
    load,
    load_bytes,
    splat,
    store,
    store_bytes,
    tile,
)
from tinyconv.engine.vector import relu as positive_part

#: Windows that the last odd vector of filters is computed for at a time.
WINDOWS = 3
#: Taps that backward sums at a time.
TAPS = 9
#: Pixels of a tile of dx.
PIXELS = 6

_POOL = (EXTREME, 2, 2, 2, 2, 0, 0)
_CLOSED = float(CLOSED)
_NEVER = np.float32(-np.inf)


def direct_forward_plain(x, start, stop, scale, offset, canvas, top, left, taps, weights, bias, relu, sign, OH, OW,
                         out, winner):  # fmt: skip
    """The same as `direct_forward`, in NumPy."""
    F = out.shape[3]
    for n in range(start, stop):
        copy_padded_plain(x, n, scale, offset, canvas, top, left)
        z = sign * _windows(canvas, taps, out, OH, OW) @ weights[: len(taps), :F]  # (rows, columns, T) @ (T, F)
        finish_map_plain(z, bias[:F], relu, sign, _POOL, out[n], winner[n], None)


@kernel(
    "f4[:,:,:,::1], i8, i8, f4, f4, f4[:,:,::1], i8, i8, i8[::1], f4[:,::1], f4[::1], i8, f4, i8, i8, f4[:,:,:,::1],"
    " u1[:,:,:,::1]"
)
def direct_forward(
    x, start, stop, scale, offset, canvas, top, left, taps, weights, bias, relu, sign, OH, OW, out, winner
):
    """Images start <= n < stop: x (N, H, W, C) -> out and winner (N, PH, PW, F).

    Args:
        scale, offset: the image is x * scale + offset.
        canvas: zeros where no pixel comes; at least 2*PH + KH - 1 rows, and WINDOWS*ceil(PW / WINDOWS) windows wide.
        top, left: where the image begins on the canvas.
        taps: (T,), T = KH*KW*C: where the pixels of a window are on the canvas seen flat, from its first one.
        weights: (T, Fp), times the sign; bias: (Fp,). Fp is a whole number of vectors.
        relu: 0 or 1.
        sign: -1 for min pooling, else 1.
        OH, OW: cells of the map.
    """
    PH, vectors = out.shape[1], weights.shape[1]
    for n in range(start, stop):
        copy_padded(x, n, scale, offset, canvas, top, left)
        for i in range(PH):
            for f in range(0, vectors, 2 * LANES):
                if f + LANES < vectors:
                    _two_vectors(canvas, taps, weights, bias, relu, sign, n, i, f, OH, OW, out, winner)
                else:
                    _one_vector(canvas, taps, weights, bias, relu, sign, n, i, f, OH, OW, out, winner)


@inner
def _two_vectors(canvas, taps, weights, bias, relu, sign, n, i, f, OH, OW, out, winner):
    """Row i of image n's windows, filters f to f + 2*LANES."""
    C, PW, pixel_below = canvas.shape[2], out.shape[2], canvas.shape[1] * canvas.shape[2]
    zero = splat(np.float32(0))
    for j in range(PW):
        here, w = 2 * i * pixel_below + 2 * j * C, f
        a0 = a1 = b0 = b1 = c0 = c1 = d0 = d1 = zero
        for t in range(taps.size):
            above, w0, w1 = here + taps[t], load(weights, w), load(weights, w + LANES)
            below, w = above + pixel_below, w + weights.shape[1]
            pixel = broadcast(canvas, above)
            a0, a1 = fma(pixel, w0, a0), fma(pixel, w1, a1)
            pixel = broadcast(canvas, above + C)
            b0, b1 = fma(pixel, w0, b0), fma(pixel, w1, b1)
            pixel = broadcast(canvas, below)
            c0, c1 = fma(pixel, w0, c0), fma(pixel, w1, c1)
            pixel = broadcast(canvas, below + C)
            d0, d1 = fma(pixel, w0, d0), fma(pixel, w1, d1)
        keep_winner(a0, b0, c0, d0, sign, load(bias, f), relu, n, i, j, f, OH, OW, out, winner)
        keep_winner(a1, b1, c1, d1, sign, load(bias, f + LANES), relu, n, i, j, f + LANES, OH, OW, out, winner)


@inner
def _one_vector(canvas, taps, weights, bias, relu, sign, n, i, f, OH, OW, out, winner):
    """Row i of image n's windows, filters f to f + LANES; windows behind the last are computed and not stored."""
    C, PW, pixel_below = canvas.shape[2], out.shape[2], canvas.shape[1] * canvas.shape[2]
    zero = splat(np.float32(0))
    for j in range(0, PW, WINDOWS):
        here, w = 2 * i * pixel_below + 2 * j * C, f
        a0 = b0 = c0 = d0 = a1 = b1 = c1 = d1 = a2 = b2 = c2 = d2 = zero
        for t in range(taps.size):
            above, w0 = here + taps[t], load(weights, w)
            below, w = above + pixel_below, w + weights.shape[1]
            a0, b0 = fma(broadcast(canvas, above), w0, a0), fma(broadcast(canvas, above + C), w0, b0)
            c0, d0 = fma(broadcast(canvas, below), w0, c0), fma(broadcast(canvas, below + C), w0, d0)
            a1, b1 = fma(broadcast(canvas, above + 2 * C), w0, a1), fma(broadcast(canvas, above + 3 * C), w0, b1)
            c1, d1 = fma(broadcast(canvas, below + 2 * C), w0, c1), fma(broadcast(canvas, below + 3 * C), w0, d1)
            a2, b2 = fma(broadcast(canvas, above + 4 * C), w0, a2), fma(broadcast(canvas, above + 5 * C), w0, b2)
            c2, d2 = fma(broadcast(canvas, below + 4 * C), w0, c2), fma(broadcast(canvas, below + 5 * C), w0, d2)
        keep_winner(a0, b0, c0, d0, sign, load(bias, f), relu, n, i, j, f, OH, OW, out, winner)
        if j + 1 < PW:
            keep_winner(a1, b1, c1, d1, sign, load(bias, f), relu, n, i, j + 1, f, OH, OW, out, winner)
        if j + 2 < PW:
            keep_winner(a2, b2, c2, d2, sign, load(bias, f), relu, n, i, j + 2, f, OH, OW, out, winner)


@inner
def keep_winner(a, b, c, d, sign, bias, relu, n, i, j, f, OH, OW, out, winner):
    """The first largest of a window's cells, relu?(sign*it + bias) -> out[n, i, j], its place -> winner[n, i, j].

    These are vectors, of which filters f to f + LANES at most are stored. Cells outside of the map (OH, OW) never win.
    """
    if 2 * j + 1 >= OW:
        b = d = splat(_NEVER)
    if 2 * i + 1 >= OH:
        c = d = splat(_NEVER)
    place, best = if_beats(b, a, splat(np.float32(1)), splat(np.float32(0))), if_beats(b, a, b, a)
    place, best = if_beats(c, best, splat(np.float32(2)), place), if_beats(c, best, c, best)
    place, best = if_beats(d, best, splat(np.float32(3)), place), if_beats(d, best, d, best)
    y = fma(best, splat(sign), bias)
    if relu:
        y, place = positive_part(y), if_positive(y, place, splat(np.float32(_CLOSED)))
    F = out.shape[3]
    there = ((n * out.shape[1] + i) * out.shape[2] + j) * F + f
    put(out, there, y, F - f)
    store_bytes(winner, there, place, F - f)


def direct_backward_plain(x, start, stop, scale, offset, canvas, top, left, taps, OH, OW, dy, winner, dkernel, dbias):
    """The same as `direct_backward`, in NumPy, for as many taps as there are."""
    F = dy.shape[3]
    for n in range(start, stop):
        copy_padded_plain(x, n, scale, offset, canvas, top, left)
        pixels = _windows(canvas, taps, dy, OH, OW)  # (rows, columns, T)
        dz = np.zeros((*pixels.shape[:2], F))
        dbias[:F] += expand_map_plain(dy[n], None, winner[n], None, 1, _POOL, dz)
        dkernel[: len(taps), :F] += np.tensordot(pixels, dz, ((0, 1), (0, 1)))  # (T, F)


@kernel("f4[:,:,:,::1], i8, i8, f4, f4, f4[:,:,::1], i8, i8, i8[::1], f4[:,:,:,::1], u1[:,:,:,::1], f4[:,::1], f4[::1]")
def direct_backward(x, start, stop, scale, offset, canvas, top, left, taps, dy, winner, dkernel, dbias):
    """Images start <= n < stop: adds to dkernel (T, Fp) and dbias (Fp,).

    Args: as `direct_forward`, but
        taps: T is a multiple of TAPS; what the taps too many get is of no use to anybody.
        dy, winner: (N, PH, PW, F).
    """
    PH, F = dy.shape[1], dy.shape[3]
    for n in range(start, stop):
        copy_padded(x, n, scale, offset, canvas, top, left)
        for i in range(PH):
            for f in range(0, F, LANES):
                for t in range(0, taps.size, TAPS):
                    _nine_taps(canvas, taps, t, dy, winner, n, i, f, dkernel, dbias)


@inner
def _nine_taps(canvas, taps, t, dy, winner, n, i, f, dkernel, dbias):
    """What row i of image n's windows adds to filters f to f + LANES of nine taps from t on, and to dbias once."""
    C, pixel_below = canvas.shape[2], canvas.shape[1] * canvas.shape[2]
    PH, PW, F = dy.shape[1], dy.shape[2], dy.shape[3]
    t0, t1, t2, t3, t4 = taps[t], taps[t + 1], taps[t + 2], taps[t + 3], taps[t + 4]
    t5, t6, t7, t8 = taps[t + 5], taps[t + 6], taps[t + 7], taps[t + 8]
    total = s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = s8 = splat(np.float32(0))
    for j in range(PW):
        here = 2 * i * pixel_below + 2 * j * C
        a, b, c, d = _shares(dy, winner, ((n * PH + i) * PW + j) * F + f, F - f)
        total = total + ((a + b) + (c + d))
        s0 = _meet(canvas, here + t0, C, pixel_below, a, b, c, d, s0)
        s1 = _meet(canvas, here + t1, C, pixel_below, a, b, c, d, s1)
        s2 = _meet(canvas, here + t2, C, pixel_below, a, b, c, d, s2)
        s3 = _meet(canvas, here + t3, C, pixel_below, a, b, c, d, s3)
        s4 = _meet(canvas, here + t4, C, pixel_below, a, b, c, d, s4)
        s5 = _meet(canvas, here + t5, C, pixel_below, a, b, c, d, s5)
        s6 = _meet(canvas, here + t6, C, pixel_below, a, b, c, d, s6)
        s7 = _meet(canvas, here + t7, C, pixel_below, a, b, c, d, s7)
        s8 = _meet(canvas, here + t8, C, pixel_below, a, b, c, d, s8)
    if t == 0:
        _add(dbias, f, total)
    row = dkernel.shape[1]
    first = t * row + f
    _add(dkernel, first, s0)
    _add(dkernel, first + row, s1)
    _add(dkernel, first + 2 * row, s2)
    _add(dkernel, first + 3 * row, s3)
    _add(dkernel, first + 4 * row, s4)
    _add(dkernel, first + 5 * row, s5)
    _add(dkernel, first + 6 * row, s6)
    _add(dkernel, first + 7 * row, s7)
    _add(dkernel, first + 8 * row, s8)


@inner
def _shares(dy, winner, there, n):
    """The gradient of a window, as each of its four cells gets it: all of it for the winner, else 0."""
    g, place, zero = get(dy, there, n), load_bytes(winner, there, n), splat(np.float32(0))
    a, b = if_equal(place, zero, g, zero), if_equal(place, splat(np.float32(1)), g, zero)
    c, d = if_equal(place, splat(np.float32(2)), g, zero), if_equal(place, splat(np.float32(3)), g, zero)
    return a, b, c, d


@inner
def _meet(canvas, here, C, pixel_below, a, b, c, d, total):
    """The total and four products: each cell's gradient and the pixel that one tap sees from that cell."""
    total = fma(broadcast(canvas, here), a, total)
    total = fma(broadcast(canvas, here + C), b, total)
    total = fma(broadcast(canvas, here + pixel_below), c, total)
    return fma(broadcast(canvas, here + pixel_below + C), d, total)


@inner
def _add(a, i, v):
    store(a, i, load(a, i) + v)


@kernel("i8, i8, f4, f4[:,:,::1], i8, i8, i8, i8, f4[:,::1], f4[:,:,:,::1], u1[:,:,:,::1], f4[:,:,::1], f4[:,:,:,::1]")
def direct_to_image(start, stop, scale, dz, KH, KW, top, left, turned, dy, winner, dcanvas, dx):
    """Images start <= n < stop: dy -> dx (N, H, W, C). A first layer never needs it, so it is written for few lines.

    Every pixel collects from the cells whose windows it was in: a convolution of the map's gradient with the kernel
    turned round.

    Args:
        scale: the image was x * scale + offset.
        dz: scratch for the map's gradient, zero: (H + top + KH - 1, columns, Fp), the map from (KH - 1, KW - 1) on.
        KH, KW, top, left: size of the window, rows and columns of padding.
        turned: (KH*KW*Fp, Cp): the kernel, last tap first; Cp is a whole number of vectors.
        dy, winner: (N, PH, PW, F).
        dcanvas: scratch for dx, (H, a multiple of PIXELS, Cp).
    """
    PH, PW, F = dy.shape[1], dy.shape[2], dy.shape[3]
    H, row, Cp, pixel = dx.shape[1], dcanvas.shape[1], dcanvas.shape[2], dz.shape[2]
    z_row = dz.shape[1] * pixel
    for n in range(start, stop):
        for i in range(PH):
            for j in range(PW):
                cell = (2 * i + KH - 1) * z_row + (2 * j + KW - 1) * pixel
                for f in range(0, F, LANES):
                    a, b, c, d = _shares(dy, winner, ((n * PH + i) * PW + j) * F + f, F - f)
                    store(dz, cell + f, a)
                    store(dz, cell + pixel + f, b)
                    store(dz, cell + z_row + f, c)
                    store(dz, cell + z_row + pixel + f, d)
        for h in range(H):
            for w in range(0, row, PIXELS):
                here, there = (h + top) * z_row + (w + left) * pixel, (h * row + w) * Cp
                for c in range(0, Cp, LANES):
                    tile(PIXELS, 1, KH, KW * pixel, dz, here, pixel, z_row, 1, turned, c, KW * pixel * Cp, Cp,
                         dcanvas, there + c, Cp, 0)  # fmt: skip
        copy_back(dcanvas, dx, n, scale, 0, 0)


def _windows(canvas, taps, out, OH, OW):
    """The pixels that each pooled cell of the map sees: (at most OH, at most OW, T)."""
    _, CW, C = canvas.shape
    rows, columns = min(OH, 2 * out.shape[1]), min(OW, 2 * out.shape[2])
    first = (np.arange(rows)[:, None] * CW + np.arange(columns)) * C  # (rows, columns)
    return canvas.reshape(-1)[first[..., None] + taps]
