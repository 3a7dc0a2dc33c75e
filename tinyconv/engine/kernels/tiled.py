"""Convolution of any kernel size, stride and dilation, as register tiles read straight from the padded image.

The textbook writes the image's windows out as the rows of a matrix. But row by row of the window, their numbers already
stand side by side in the image, so a tile finds them where they are:

    canvas (CH, CW, C)           a tile: some neighbouring cells of the map, 2 vectors of filters

    . . . . . . . .              window of cell 0    [1 2 3] [5 6 7] ..
    . 1 2 3 4 . . .              window of cell 1    [2 3 4] [6 7 8] ..   @  kernel (KH, KW*C, 2*LANES)  ->  z
    . 5 6 7 8 . . .                 :                   o=0     o=1

`sweep` lays tiles over a whole map. Backward, the gradient by the image is a sweep too, over the map's gradient dz with
the kernel turned round: every pixel collects from the cells whose windows it was in. With strides, only every S-th
pixel has the same kernel entries to collect through, so there is one sweep for each of the SH*SW classes of pixels.
The gradient by the kernel is the product of the image, transposed, and dz (`add_products`).

Tiles hang over. Cells behind the end of a row are computed like others, in the room between rows or behind the last
one, and nobody reads them; the next row overwrites them where there is no room between. Where the stride is 1 all rows
may be one long row ("joined"): the windows that wrap round from one row to the next are computed for nothing, which is
cheaper than a last tile of each row that is mostly overhang.
"""

import numpy as np

from tinyconv.engine.compiler import inner, kernel
from tinyconv.engine.kernels.images import clear, copy_back, copy_padded
from tinyconv.engine.kernels.maps import STORED, expand_map, finish_rows, rows_above, rows_below
from tinyconv.engine.vector import LANES, tile

#: Cells in a tile of two vectors: NARROW or WIDE, whichever leaves less overhang. Registers allow no more with LANES 8;
#: with LANES 16, 7 fits the maps of images of 224, 112, 56 or 28 pixels, and 8 those of 32 or 64.
NARROW, WIDE = (7, 8) if LANES == 16 else (4, 6)

#: Cells in a tile of one vector, which the last odd vector of filters gets.
OF_ONE = 14 if LANES == 16 else 12

#: Rows of the last tile of products where few are left.
FEW = 4


def sweep_plain(a, weights, c, steps, first, rows, c_first):
    """The same as `sweep`, cell by cell, in NumPy."""
    a0, a_cell, a_row, KO, a_o, KV, a_v, KI, w0, c0, c_cell, c_row, _, cells, _, groups, CA, CF, vectors, _ = steps
    o, v, k = np.ogrid[:KO, :KV, :KI]
    window = o * a_o + v * a_v + k  # (KO, KV, KI): where its numbers lie, counted from its first one
    for g, p, i, j in np.ndindex(groups, (vectors + 1) // 2, rows, cells):
        columns = min(2, vectors - 2 * p) * LANES
        w = w0 + (g * vectors + 2 * p) * LANES * window.size
        matrix = weights[w : w + window.size * columns].reshape(window.size, columns)
        numbers = a.reshape(-1)[a0 + (first + i) * a_row + j * a_cell + g * CA + window]  # (KO, KV, KI)
        there = c_first + c0 + i * c_row + j * c_cell + g * CF + 2 * p * LANES
        c.reshape(-1)[there : there + columns] = numbers.reshape(-1) @ matrix  # (columns,)


def add_products_plain(a, steps, taps, dz, grid, dkernel):
    """The same as `add_products`, in NumPy."""
    a_cell, a_row, R, pitch, groups, CA, CF, vectors, _ = steps
    z0, z_row, pixel, OH, OW = grid
    sums = dkernel.reshape(groups, len(taps), pitch, vectors * LANES)
    i, j, k = np.ogrid[:OH, :OW, : max(R, CF)]
    for g, t in np.ndindex(groups, len(taps)):
        numbers = a.reshape(-1)[taps[t] + g * CA + i * a_row + j * a_cell + k[..., :R]]  # (OH, OW, R)
        gradients = dz[z0 + i * z_row + j * pixel + g * CF + k[..., :CF]]  # (OH, OW, CF)
        sums[g, t, :R, :CF] += np.tensordot(numbers, gradients, axes=((0, 1), (0, 1)))  # (R, CF)


@kernel(
    "f4[:,:,:,::1], i8, i8, f4, f4, i8[::1], f4[:,:,::1], i8[::1], f4[::1], f4[::1], i8, f4, i8[::1], i8,"
    " f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1]"
)
def tiled_forward(
    x, start, stop, scale, offset, conv, canvas, steps, weights, bias, relu, sign, pool, band, z, out, winner, mask
):
    """Images start <= n < stop: x (N, H, W, C) -> out, winner, mask, as `maps.finish_map` fills them.

    Args:
        canvas: the padded image (CH, CW, C), with rows below for what tiles read beyond it.
        steps: how `sweep` goes over the canvas.
        weights: as `sweep` reads them.
        bias: zeros after the last filter, to a whole number of vectors.
        band: rows of out to finish at a time, so that their part of the map is still in the cache.
        z: scratch for that part, (1, 1, 1, size). It is not needed where out has the layout of the map and what
            hangs over stays among images of this call: then the map grows in out, and is finished there.
    """
    pixel, z_row, OH, OW = steps[10], steps[11], steps[12], steps[13]
    fits = pool[0] == STORED and pixel == out.shape[3] and z_row == OW * pixel
    for n in range(start, stop):
        copy_padded(x, n, scale, offset, canvas, conv[6], conv[7])
        for first in range(0, out.shape[1], band):
            last = first + band if first + band < out.shape[1] else out.shape[1]
            above = rows_above(pool, first)
            below = rows_below(pool, last, out.shape[1], OH)
            target, at = z, -above * z_row
            if fits and (n * OH + last) * OW + OF_ONE <= stop * OH * OW:
                target, at = out, n * OH * z_row
            sweep(canvas, weights, target, steps, above, below - above, at + above * z_row)
            finish_rows(target, at, z_row, pixel, OH, OW, bias, relu, sign, pool, n, out, winner, mask, first, last)


@kernel(
    "f4[:,:,:,::1], i8, i8, f4, f4, i8[::1], f4[:,:,::1], f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1],"
    " i8, i8[::1], f4[::1], i8[::1], i8[::1], i8[::1], f4[::1], f4[::1], i8[:,::1], f4[::1], f4[:,:,::1], i8,"
    " f4[:,:,:,::1]"
)
def tiled_backward(
    x, start, stop, scale, offset, conv, canvas, dy, out, winner, mask, relu, pool, dz, grid, products, taps, dkernel,
    dbias, steps, weights, dcanvas, to_input, dx,
):  # fmt: skip
    """Images start <= n < stop: dy -> dx (N, H, W, C), if to_input; sums over these images into dkernel and dbias.

    Args:
        canvas: as `tiled_forward`.
        dz: the gradient of the map, in a border of zeros.
        grid: where its first cell is, from row to row, from cell to cell, OH, OW.
        products, taps: how `add_products` goes over the canvas.
        steps: one sweep over dz for each class of pixels; weights: the kernels they use.
        dcanvas: what they fill: the gradient of the image, with room between its rows.
    """
    clear(dkernel)
    clear(dbias)
    z0, z_row, pixel, OH, OW = grid[0], grid[1], grid[2], grid[3], grid[4]
    for n in range(start, stop):
        copy_padded(x, n, scale, offset, canvas, conv[6], conv[7])
        expand_map(dy, out, winner, mask, n, relu, pool, dz, z0, z_row, pixel, OH, OW, dbias)
        add_products(canvas, products, taps, dz, grid, dkernel)
        if to_input:
            for k in range(steps.shape[0]):
                sweep(dz, weights, dcanvas, steps[k], 0, steps[k, 12], 0)
            copy_back(dcanvas, dx, n, scale, 0, 0)


@inner
def sweep(a, weights, c, steps, first, rows, c_first):
    """Tiles over some rows of a map: c = the windows of a, times weights.

    Cell (i, j), filter f of group g, counted from row `first`, is

        c[c_first + c0 + i*c_row + j*c_cell + g*CF + f] = sum over o < KO, v < KV, k < KI of
            a[a0 + (first + i)*a_row + j*a_cell + o*a_o + v*a_v + k + g*CA] * weights of (g, o, v, k, f)

    Args:
        steps: a0, a_cell, a_row, KO, a_o, KV, a_v, KI, w0, c0, c_cell, c_row, rows, cells, joined, groups, CA, CF,
            vectors, the vectors that hold CF filters; size of a tile. If `joined`, that is the number of cells from
            row to row.
        weights: from w0 on, for each group, for each two vectors of filters (KO, KV, KI, 2*LANES), then, if
            one vector is left over, (KO, KV, KI, LANES).
    """
    a0, a_cell, a_row, KO, a_o = steps[0], steps[1], steps[2], steps[3], steps[4]
    KV, a_v, KI, w0 = steps[5], steps[6], steps[7], steps[8]
    c0, c_cell, c_row = steps[9], steps[10], steps[11]
    cells, joined, groups, CA, CF, vectors = steps[13], steps[14], steps[15], steps[16], steps[17], steps[18]
    is_narrow = steps[19] == NARROW
    if joined:
        rows, cells = 1, (rows - 1) * joined + cells
    for g in range(groups):
        for p in range(0, vectors, 2):
            w = w0 + (g * vectors + p) * LANES * KO * KV * KI
            columns = 2 * LANES if p + 1 < vectors else LANES
            w_v, w_o = KI * columns, KV * KI * columns
            for i in range(rows):
                here, there = a0 + (first + i) * a_row + g * CA, c_first + c0 + i * c_row + g * CF + p * LANES
                for v in range(KV):
                    at, w_at = here + v * a_v, w + v * w_v
                    if p + 1 == vectors:
                        for j in range(0, cells, OF_ONE):
                            tile(
                                OF_ONE, 1, KO, KI, a, at + j * a_cell, a_cell, a_o, 1,
                                weights, w_at, w_o, columns, c, there + j * c_cell, c_cell, v,
                            )  # fmt: skip
                    elif is_narrow:
                        for j in range(0, cells, NARROW):
                            tile(
                                NARROW, 2, KO, KI, a, at + j * a_cell, a_cell, a_o, 1,
                                weights, w_at, w_o, columns, c, there + j * c_cell, c_cell, v,
                            )  # fmt: skip
                    else:
                        for j in range(0, cells, WIDE):
                            tile(
                                WIDE, 2, KO, KI, a, at + j * a_cell, a_cell, a_o, 1,
                                weights, w_at, w_o, columns, c, there + j * c_cell, c_cell, v,
                            )  # fmt: skip


@inner
def add_products(a, steps, taps, dz, grid, dkernel):
    """dkernel[g, t, r, f] += sum over cells (i, j) of a[taps[t] + g*CA + r + i*a_row + j*a_cell] * dz[cell, g*CF + f].

    Args:
        steps: a_cell, a_row, R, pitch of R, groups, CA, CF, vectors, rows to take at a time.
        taps: where the rows of the window begin, or all its cells; R numbers stand side by side from there on.
        dkernel: (groups, taps, pitch of R, vectors*LANES), seen flat.
    """
    a_cell, a_row, R, R_pitch, groups = steps[0], steps[1], steps[2], steps[3], steps[4]
    CA, CF, vectors, band = steps[5], steps[6], steps[7], steps[8]
    z0, z_row, pixel, OH, OW = grid[0], grid[1], grid[2], grid[3], grid[4]
    F = vectors * LANES
    for first in range(0, OH, band):
        rows = band if first + band < OH else OH - first
        for g in range(groups):
            for p in range(0, vectors, 2):
                b = z0 + first * z_row + g * CF + p * LANES
                size = OF_ONE if p + 1 == vectors else WIDE
                for t in range(taps.shape[0]):
                    here = first * a_row + taps[t] + g * CA
                    there = (g * taps.shape[0] + t) * R_pitch * F + p * LANES
                    for r in range(0, R, size):
                        at, c = here + r, there + r * F
                        if p + 1 < vectors and R - r > FEW:
                            tile(WIDE, 2, rows, OW, a, at, 1, a_row, a_cell, dz, b, z_row, pixel, dkernel, c, F, 1)
                        elif p + 1 < vectors:
                            tile(FEW, 2, rows, OW, a, at, 1, a_row, a_cell, dz, b, z_row, pixel, dkernel, c, F, 1)
                        elif R - r > FEW:
                            tile(OF_ONE, 1, rows, OW, a, at, 1, a_row, a_cell, dz, b, z_row, pixel, dkernel, c, F, 1)
                        else:
                            tile(FEW, 1, rows, OW, a, at, 1, a_row, a_cell, dz, b, z_row, pixel, dkernel, c, F, 1)
