"""Depthwise convolution: each channel by itself, so LANES channels at once.

Filter c*M + m reads channel c alone. There is no sum over channels and hence no matrix product; instead a vector holds
neighbouring filters, and in the canvas every channel is repeated M times, so that the pixels lie beside the weights:

    x[n] (H, W, C)      canvas (CH, CW, C*M)                 z
    a b          ->     . . . .  . . . .
                        . . a a  b b . .    * kernel   ->    sum over the window's cells, lane by lane
                        . . . .  . . . .

For the rest it is the tiled convolution: the same steps over the canvas, the same sweeps back over dz, one for each of
the SH*SW classes of pixels; and the gradients of the M copies of a pixel are added up in the end.
"""

import numpy as np

from tinyconv.engine.compiler import inner, kernel
from tinyconv.engine.kernels.images import clear, copy_back, copy_padded
from tinyconv.engine.kernels.maps import expand_map, finish_rows, rows_above, rows_below
from tinyconv.engine.vector import LANES, fma, load, splat, store

#: Neighbouring cells that are computed together, so that a vector of weights is loaded once for all of them.
CELLS = 7

#: Neighbouring cells whose products are added up together, so that a vector of sums is loaded once for all of them.
TOGETHER = 4


def sweep_by_channel_plain(a, weights, c, steps, first, rows):
    """The same as `sweep_by_channel`, cell by cell, in NumPy."""
    a0, a_cell, a_row, KO, a_o, KV, a_v, _, w0, c0, c_cell, c_row, _, cells, _, _, _, _, vectors, _ = steps
    o, v, lane = np.ogrid[:KO, :KV, : 2 * LANES]
    for p, i, j in np.ndindex((vectors + 1) // 2, rows, cells):
        columns = min(2, vectors - 2 * p) * LANES
        w = w0 + 2 * p * LANES * KO * KV
        matrix = weights[w : w + KO * KV * columns].reshape(KO, KV, columns)
        here = a0 + (first + i) * a_row + j * a_cell + 2 * p * LANES
        numbers = a.reshape(-1)[here + o * a_o + v * a_v + lane[..., :columns]]  # (KO, KV, columns)
        there = c0 + i * c_row + j * c_cell + 2 * p * LANES
        c.reshape(-1)[there : there + columns] = (numbers * matrix).sum(axis=(0, 1))  # (columns,)


def add_products_by_channel_plain(a, steps, taps, dz, grid, dkernel):
    """The same as `add_products_by_channel`, in NumPy."""
    a_cell, a_row, _, tall, _, _, _, vectors, _ = steps
    z0, z_row, pixel, OH, OW = grid
    sums = dkernel.reshape(len(taps), tall, vectors * LANES)
    i, j, f = np.ogrid[:OH, :OW, : vectors * LANES]
    gradients = dz[z0 + i * z_row + j * pixel + f]  # (OH, OW, F)
    for t, tap in enumerate(taps):
        numbers = a.reshape(-1)[tap + i * a_row + j * a_cell + f]  # (OH, OW, F)
        sums[t, 0] += (numbers * gradients).sum(axis=(0, 1))  # (F,)


@kernel(
    "f4[:,:,:,::1], i8, i8, f4, f4, i8[::1], f4[:,:,::1], i8[::1], f4[::1], f4[::1], i8, f4, i8[::1], i8,"
    " f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1]"
)
def depthwise_forward(
    x, start, stop, scale, offset, conv, canvas, steps, weights, bias, relu, sign, pool, band, z, out, winner, mask
):
    """Images start <= n < stop: x (N, H, W, C) -> out, winner, mask. Arguments: `tiled.tiled_forward`."""
    pixel, z_row, OH, OW = steps[10], steps[11], steps[12], steps[13]
    for n in range(start, stop):
        copy_repeated(x, n, scale, offset, canvas, conv[6], conv[7], out.shape[3] // x.shape[3])
        for first in range(0, out.shape[1], band):
            last = first + band if first + band < out.shape[1] else out.shape[1]
            above = rows_above(pool, first)
            sweep_by_channel(canvas, weights, z, steps, above, rows_below(pool, last, out.shape[1], OH) - above)
            at = -above * z_row
            finish_rows(z, at, z_row, pixel, OH, OW, bias, relu, sign, pool, n, out, winner, mask, first, last)


@kernel(
    "f4[:,:,:,::1], i8, i8, f4, f4, i8[::1], f4[:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1],"
    " i8, i8[::1], f4[::1], i8[::1], i8[::1], i8[::1], f4[::1], f4[::1], i8[:,::1], f4[::1], f4[:,:,::1], i8,"
    " f4[:,:,:,::1]"
)
def depthwise_backward(
    x, start, stop, scale, offset, conv, canvas, dy, out, winner, mask, relu, pool, dz, grid, products, taps, dkernel,
    dbias, steps, weights, dcanvas, to_input, dx,
):  # fmt: skip
    """Images start <= n < stop: dy -> dx (N, H, W, C), if to_input, and sums. Arguments: `tiled.tiled_backward`."""
    clear(dkernel)
    clear(dbias)
    z0, z_row, pixel, OH, OW = grid[0], grid[1], grid[2], grid[3], grid[4]
    multiplier = dy.shape[3] // x.shape[3]
    for n in range(start, stop):
        copy_repeated(x, n, scale, offset, canvas, conv[6], conv[7], multiplier)
        expand_map(dy, out, winner, mask, n, relu, pool, dz, z0, z_row, pixel, OH, OW, dbias)
        add_products_by_channel(canvas, products, taps, dz, grid, dkernel)
        if to_input:
            for k in range(steps.shape[0]):
                sweep_by_channel(dz, weights, dcanvas, steps[k], 0, steps[k, 12])
            add_repeated(dcanvas, dx, n, scale, multiplier)


@inner
def copy_repeated(x, n, scale, offset, canvas, top, left, multiplier):
    """x[n] * scale + offset into the canvas, every channel as often as the multiplier says."""
    if multiplier == 1:
        copy_padded(x, n, scale, offset, canvas, top, left)
        return
    for i in range(x.shape[1]):
        for j in range(x.shape[2]):
            for c in range(x.shape[3]):
                for m in range(multiplier):
                    canvas[top + i, left + j, c * multiplier + m] = x[n, i, j, c] * scale + offset


@inner
def add_repeated(dcanvas, dx, n, scale, multiplier):
    """dx[n] = the sum over the copies of a channel, times scale."""
    if multiplier == 1:
        copy_back(dcanvas, dx, n, scale, 0, 0)
        return
    for i in range(dx.shape[1]):
        for j in range(dx.shape[2]):
            for c in range(dx.shape[3]):
                total = np.float32(0)
                for m in range(multiplier):
                    total += dcanvas[i, j, c * multiplier + m]
                dx[n, i, j, c] = total * scale


@inner
def sweep_by_channel(a, weights, c, steps, first, rows):
    """As `tiled.sweep`, with lane by lane products: c = sum over the cells (o, v) of the window of a * weights.

    Args:
        steps: as `tiled.sweep` takes them; KI, joined, groups, CA, CF and size are not looked at.
    """
    a0, a_cell, a_row, KO, a_o = steps[0], steps[1], steps[2], steps[3], steps[4]
    KV, a_v, w0 = steps[5], steps[6], steps[8]
    c0, c_cell, c_row, cells, vectors = steps[9], steps[10], steps[11], steps[13], steps[18]
    for i in range(rows):
        for j in range(0, cells, CELLS):
            here, there = a0 + (first + i) * a_row + j * a_cell, c0 + i * c_row + j * c_cell
            for p in range(vectors):
                pair = p // 2 * 2  # weights lie as for tiles of two vectors
                columns = 2 * LANES if pair + 1 < vectors else LANES
                w = w0 + pair * LANES * KO * KV + (p - pair) * LANES
                y0 = y1 = y2 = y3 = y4 = y5 = y6 = splat(np.float32(0))
                for o in range(KO):
                    at = here + o * a_o + p * LANES
                    for _ in range(KV):
                        weight = load(weights, w)
                        y0 = fma(load(a, at), weight, y0)
                        y1 = fma(load(a, at + a_cell), weight, y1)
                        y2 = fma(load(a, at + 2 * a_cell), weight, y2)
                        y3 = fma(load(a, at + 3 * a_cell), weight, y3)
                        y4 = fma(load(a, at + 4 * a_cell), weight, y4)
                        y5 = fma(load(a, at + 5 * a_cell), weight, y5)
                        y6 = fma(load(a, at + 6 * a_cell), weight, y6)
                        w, at = w + columns, at + a_v
                to = there + p * LANES
                store(c, to, y0)
                store(c, to + c_cell, y1)
                store(c, to + 2 * c_cell, y2)
                store(c, to + 3 * c_cell, y3)
                store(c, to + 4 * c_cell, y4)
                store(c, to + 5 * c_cell, y5)
                store(c, to + 6 * c_cell, y6)


@inner
def add_products_by_channel(a, steps, taps, dz, grid, dkernel):
    """dkernel[t, f] += sum over cells (i, j) of a[taps[t] + i*a_row + j*a_cell + f] * dz[cell, f].

    Args:
        steps, taps, grid: as `tiled.add_products` takes them.
        dkernel: (taps, rows that tiles would need, vectors*LANES), seen flat; only the first row is used.
    """
    a_cell, a_row, tall, vectors = steps[0], steps[1], steps[3], steps[7]
    z0, z_row, pixel, OH, OW = grid[0], grid[1], grid[2], grid[3], grid[4]
    for i in range(OH):
        for j in range(0, OW, TOGETHER):
            for f in range(0, vectors * LANES, LANES):
                at, to = i * a_row + j * a_cell + f, z0 + i * z_row + j * pixel + f
                if j + TOGETHER <= OW:
                    g0, g1 = load(dz, to), load(dz, to + pixel)
                    g2, g3 = load(dz, to + 2 * pixel), load(dz, to + 3 * pixel)
                    for t in range(taps.shape[0]):
                        here, k = at + taps[t], t * tall * vectors * LANES + f
                        y = fma(load(a, here), g0, load(dkernel, k))
                        y = fma(load(a, here + a_cell), g1, y)
                        y = fma(load(a, here + 2 * a_cell), g2, y)
                        store(dkernel, k, fma(load(a, here + 3 * a_cell), g3, y))
                else:
                    for t in range(taps.shape[0]):
                        k = t * tall * vectors * LANES + f
                        y = load(dkernel, k)
                        for r in range(OW - j):
                            y = fma(load(a, at + taps[t] + r * a_cell), load(dz, to + r * pixel), y)
                        store(dkernel, k, y)
