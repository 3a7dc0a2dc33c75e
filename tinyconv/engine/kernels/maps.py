"""A convolution's map on its way out, and its gradient on the way back.

The map of one image lies in scratch memory, in cells of `pixel` floats, rows `z_row` floats apart. `finish_map` adds
the bias, applies ReLU, pools, and stores only what is left; `expand_map` takes the gradient of what is left back to
every cell of the map:

    z   a b c d                         winner: which cell of its window    dz  . . . .
        e f g h   -> finish_map -> y Y  mask: which cells ReLU let through      . G . .   <- expand_map <- dy
        i j k l                                                                 . . . .

Three things can happen to the map (`pool` begins with their number):

    STORED     y = relu?(z + b)
    EXTREME    y = relu?(largest of z + b in the window). For the smallest, sign = -1: the largest of -(z + b), turned
               round again. Its place in the window, row by row, is kept as a byte: CLOSED where ReLU lets nothing pass.
    AVERAGE    y = mean of relu?(z + b) over the window's cells. With ReLU, one byte for each cell says where z + b > 0.

Padding is never a candidate and never counted. Ties go to the first cell; the first NaN of a window beats everything.
A place must fit into a byte below CLOSED, so windows of more than 254 cells are not supported.
"""

import numpy as np

from tinyconv.engine.compiler import inner
from tinyconv.engine.vector import (
    LANES,
    fma,
    if_beats,
    if_equal,
    if_positive,
    load,
    load_bytes,
    load_some,
    splat,
    store,
    store_bytes,
    store_some,
)  # fmt: skip
from tinyconv.engine.vector import (
    relu as positive_part,
)

#: What happens to the map before it is stored.
STORED, EXTREME, AVERAGE = 0, 1, 2

#: The place in a window that stands for "no cell": ReLU was closed, no gradient passes.
CLOSED = 255


@inner
def get(a, i, n):
    """The first n floats from a[i] on, as a vector: all of it where n >= LANES, else zeros after them."""
    return load(a, i) if n >= LANES else load_some(a, i, n)


@inner
def put(a, i, v, n):
    """Store the first n floats of a vector from a[i] on: all of it where n >= LANES."""
    if n >= LANES:
        store(a, i, v)
    else:
        store_some(a, i, v, n)


@inner
def finish_map(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, mask):
    """Image n's map z -> out[n], and winner[n] or mask[n].

    Args:
        z: seen flat. Channel f of cell (i, j) is z[z0 + i*z_row + j*pixel + f].
        pixel: floats of a cell, and of bias.
        oh, ow: cells of the map.
        relu: 0 or 1.
        sign: -1 for min pooling, else 1.
        pool: kind, KH, KW, SH, SW, rows above, columns to the left.
        out: (N, PH, PW, F).
        winner: (N, PH, PW, F) for EXTREME, else anything.
        mask: (N, OH, OW, F) for AVERAGE with relu, else anything.
    """
    finish_rows(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, mask, 0, out.shape[1])


@inner
def finish_rows(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, mask, first, last):
    """`finish_map` for the rows first <= i < last of out[n]; z needs to hold only what their windows lie on."""
    if pool[0] == STORED:
        _store(z, z0, z_row, pixel, bias, relu, n, out, first, last)
    elif pool[0] == EXTREME:
        _choose(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, first, last)
    else:
        _average(z, z0, z_row, pixel, oh, ow, bias, relu, pool, n, out, first, last)
        if relu:
            _mark(z, z0, z_row, pixel, bias, n, mask, rows_above(pool, first), rows_below(pool, last, out.shape[1], oh))


@inner
def rows_above(pool, first):
    """The first row of the map that belongs to row `first` of the pooled map."""
    start = first * pool[3] - pool[5]
    return start if start > 0 else 0


@inner
def rows_below(pool, last, ph, oh):
    """The row after the last one that belongs to the rows before `last` of the pooled map, which has ph rows."""
    reach = pool[1] if pool[1] > pool[3] else pool[3]
    end = (last - 1) * pool[3] - pool[5] + reach
    if end > oh or (last == ph and pool[0] == AVERAGE):  # also cells in no window have a byte in the mask
        return oh
    return end


@inner
def _store(z, z0, z_row, pixel, bias, relu, n, out, first, last):
    OH, OW, F = out.shape[1], out.shape[2], out.shape[3]
    for i in range(first, last):
        for j in range(OW):
            here, there = z0 + i * z_row + j * pixel, ((n * OH + i) * OW + j) * F
            for f in range(0, F, LANES):
                y = get(z, here + f, pixel - f) + get(bias, f, pixel - f)
                put(out, there + f, positive_part(y) if relu else y, F - f)


@inner
def _choose(z, z0, z_row, pixel, oh, ow, bias, relu, sign, pool, n, out, winner, first, last):
    KH, KW, SH, SW, top, left = pool[1], pool[2], pool[3], pool[4], pool[5], pool[6]
    PH, PW, F = out.shape[1], out.shape[2], out.shape[3]
    signs, least, closed = splat(np.float32(sign)), splat(np.float32(-np.inf)), splat(np.float32(CLOSED))
    for i in range(first, last):
        u0, u1 = _inside(i * SH - top, KH, oh)
        for j in range(PW):
            v0, v1 = _inside(j * SW - left, KW, ow)
            window = z0 + (i * SH - top) * z_row + (j * SW - left) * pixel
            there = ((n * PH + i) * PW + j) * F
            for f in range(0, F, LANES):
                b = signs * get(bias, f, pixel - f)
                best, place = least, splat(np.float32(u0 * KW + v0))  # in a window of -inf, its first cell
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        x = fma(get(z, window + u * z_row + v * pixel + f, pixel - f), signs, b)
                        place = if_beats(x, best, splat(np.float32(u * KW + v)), place)
                        best = if_beats(x, best, x, best)
                y = signs * best
                if relu:
                    y, place = positive_part(y), if_positive(y, place, closed)
                put(out, there + f, y, F - f)
                store_bytes(winner, there + f, place, F - f)


@inner
def _average(z, z0, z_row, pixel, oh, ow, bias, relu, pool, n, out, first, last):
    KH, KW, SH, SW, top, left = pool[1], pool[2], pool[3], pool[4], pool[5], pool[6]
    PH, PW, F = out.shape[1], out.shape[2], out.shape[3]
    for i in range(first, last):
        u0, u1 = _inside(i * SH - top, KH, oh)
        for j in range(PW):
            v0, v1 = _inside(j * SW - left, KW, ow)
            window = z0 + (i * SH - top) * z_row + (j * SW - left) * pixel
            there = ((n * PH + i) * PW + j) * F
            part = splat(np.float32(1 / ((u1 - u0) * (v1 - v0))))
            for f in range(0, F, LANES):
                b, total = get(bias, f, pixel - f), splat(np.float32(0))
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        x = get(z, window + u * z_row + v * pixel + f, pixel - f) + b
                        total = total + (positive_part(x) if relu else x)
                put(out, there + f, total * part, F - f)


@inner
def _mark(z, z0, z_row, pixel, bias, n, mask, first, last):
    OH, OW, F = mask.shape[1], mask.shape[2], mask.shape[3]
    zero, one = splat(np.float32(0)), splat(np.float32(1))
    for i in range(first, last):
        for j in range(OW):
            here, there = z0 + i * z_row + j * pixel, ((n * OH + i) * OW + j) * F
            for f in range(0, F, LANES):
                y = get(z, here + f, pixel - f) + get(bias, f, pixel - f)
                store_bytes(mask, there + f, if_positive(y, one, zero), F - f)


@inner
def _inside(start, k, size):
    """Which of a window's k rows, the first one at `start`, lie on a map of so many rows: from, to."""
    return (-start if start < 0 else 0), (size - start if start + k > size else k)


@inner
def expand_map(dy, out, winner, mask, n, relu, pool, dz, z0, z_row, pixel, oh, ow, db):
    """dy[n] -> every cell of the map's gradient dz, whole vectors (0 after the last channel); adds its sum to db.

    Arguments: as `finish_map`, which has filled out, winner and mask; dy like out, dz like z, db like bias.
    """
    if pool[0] == STORED:
        _expand_stored(dy, out, n, relu, dz, z0, z_row, pixel, db)
    else:
        _expand_pooled(dy, winner, mask, n, relu, pool, dz, z0, z_row, pixel, oh, ow, db)


@inner
def _expand_stored(dy, out, n, relu, dz, z0, z_row, pixel, db):
    OH, OW, F = dy.shape[1], dy.shape[2], dy.shape[3]
    zero = splat(np.float32(0))
    for i in range(OH):
        for f in range(0, F, LANES):
            total = zero
            for j in range(OW):
                there = ((n * OH + i) * OW + j) * F + f
                g = get(dy, there, F - f)
                if relu:
                    g = if_positive(get(out, there, F - f), g, zero)
                put(dz, z0 + i * z_row + j * pixel + f, g, pixel - f)
                total = total + g
            put(db, f, get(db, f, pixel - f) + total, pixel - f)


@inner
def _expand_pooled(dy, winner, mask, n, relu, pool, dz, z0, z_row, pixel, oh, ow, db):
    kind, KH, KW, SH, SW, top, left = pool[0], pool[1], pool[2], pool[3], pool[4], pool[5], pool[6]
    PH, PW, F = dy.shape[1], dy.shape[2], dy.shape[3]
    zero = splat(np.float32(0))
    overlap = SH < KH or SW < KW
    if overlap or SH * PH - top < oh or SW * PW - left < ow or SH > KH or SW > KW:  # some cells lie in no window
        _clear_map(dz, z0, z_row, pixel, oh, ow, F)
    for i in range(PH):
        u0, u1 = _inside(i * SH - top, KH, oh)
        for f in range(0, F, LANES):
            total = zero
            for j in range(PW):
                v0, v1 = _inside(j * SW - left, KW, ow)
                window = z0 + (i * SH - top) * z_row + (j * SW - left) * pixel + f
                there = ((n * PH + i) * PW + j) * F + f
                g, place = get(dy, there, F - f), zero
                if kind == EXTREME:
                    place = load_bytes(winner, there, F - f)
                else:
                    g = g * splat(np.float32(1 / ((u1 - u0) * (v1 - v0))))
                for u in range(u0, u1):
                    for v in range(v0, v1):
                        share = g
                        if kind == EXTREME:
                            share = if_equal(place, splat(np.float32(u * KW + v)), g, zero)
                        elif relu:
                            row, column = i * SH - top + u, j * SW - left + v
                            at = ((n * oh + row) * ow + column) * F + f
                            share = if_positive(load_bytes(mask, at, F - f), g, zero)
                        total = total + share
                        cell = window + u * z_row + v * pixel
                        put(dz, cell, get(dz, cell, pixel - f) + share if overlap else share, pixel - f)
            put(db, f, get(db, f, pixel - f) + total, pixel - f)


@inner
def _clear_map(dz, z0, z_row, pixel, oh, ow, F):
    for i in range(oh):
        for j in range(ow):
            for f in range(0, F, LANES):
                put(dz, z0 + i * z_row + j * pixel + f, splat(np.float32(0)), pixel - f)


def _windows(size, pool):
    """For each window of the pool on a map: its place (i, j), and (u, v, row, column) of each of its cells."""
    _, KH, KW, SH, SW, top, left = (int(number) for number in pool)
    PH, PW, oh, ow = size
    for i in range(PH):
        for j in range(PW):
            rows, columns = (i * SH - top + np.arange(KH), j * SW - left + np.arange(KW))
            inside = [(u, v) for u in range(KH) for v in range(KW) if 0 <= rows[u] < oh and 0 <= columns[v] < ow]
            yield i, j, [u * KW + v for u, v in inside], [(rows[u], columns[v]) for u, v in inside]


def finish_map_plain(z, bias, relu, sign, pool, out, winner, mask):
    """What `finish_map` does, for z (OH, OW, F) and one image's out, winner and mask."""
    y = z + bias  # (OH, OW, F)
    if pool[0] == STORED:
        out[...] = np.maximum(y, 0) if relu else y
    if pool[0] == AVERAGE:
        y = np.maximum(y, 0) if relu else y
        if relu:
            mask[...] = y > 0
    for i, j, places, cells in _windows(out.shape[:2] + z.shape[:2], pool):
        candidates = np.stack([y[cell] for cell in cells])  # (cells, F)
        if pool[0] == AVERAGE:
            out[i, j] = candidates.mean(axis=0)
        if pool[0] == EXTREME:
            first = np.argmax(sign * candidates, axis=0)  # (F,), the first NaN before all
            best = np.take_along_axis(candidates, first[None], axis=0)[0]  # (F,)
            out[i, j] = np.maximum(best, 0) if relu else best
            winner[i, j] = np.where((best > 0) | (not relu), np.array(places)[first], CLOSED)


def expand_map_plain(dy, out, winner, mask, relu, pool, dz):
    """What `expand_map` does, for one image's dy, out, winner and mask, and dz (OH, OW, F); the sum for the bias."""
    if pool[0] == STORED:
        dz[...] = np.where(out > 0 if relu else True, dy, 0)
        return dz.sum(axis=(0, 1))  # (F,)
    dz[...] = 0
    for i, j, places, cells in _windows(dy.shape[:2] + dz.shape[:2], pool):
        for place, cell in zip(places, cells):
            if pool[0] == EXTREME:
                dz[cell] += np.where(winner[i, j] == place, dy[i, j], 0)
            else:
                dz[cell] += np.where(mask[cell] > 0 if relu else True, dy[i, j] / len(cells), 0)
    return dz.sum(axis=(0, 1))  # (F,)
