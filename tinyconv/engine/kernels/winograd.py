"""Winograd's convolution: windows of 3x3 at stride 1, with a quarter of the multiplications.

The map is cut into tiles of 4x4 cells, and each comes from 6x6 pixels. A row of 6 pixels d and a row of 3 weights g
are polynomials; their product, of which a row of 4 cells y is a part, is known once its values at 6 points are. So

    V = B^T d B     the pixels at 6x6 points (of each channel)
    U = G g G^T     the weights at the same points (of each channel and filter)
    M = V * U       their products, summed over the channels: at each point a matrix product for all tiles at once
    y = A^T M A     from 6x6 points back to 4x4 cells

needs 36 products for 16 cells, where windows need 16 * 9 = 144. The chain rule goes the same way back:

    dM = A dy A^T     dU += V^T dM     dV = dM U^T     dd = B dV B^T

and pixels that several tiles read get the sum of what each sends back. What moves where, for one group of tiles:

    x[n] -> canvas -> tiles of 6x6 -> V [36 points][tile][C] --+
                                      U [36 points][C][F] -----+-> M [36 points][tile][F] -> tiles of 4x4 -> out

A group takes the next few tiles, of one image or of several, so that V and M stay in the cache. Their rows past the
last tile may be computed too: there is room for them, and nobody looks.

Rounding in all these sums would put a tiny number, of either sign, where the map is exactly 0, over empty background
say, and ReLU would let half of them through. So a cell that is less than 2^-19 of its tile's largest becomes 0.

The points are 0, 3/4, -3/4, 3/2, -3/2 and infinity; the textbook's 0, 1, -1, 2, -2 lose four times as much to rounding.
Source: A. Lavin and S. Gray, Fast Algorithms for Convolutional Neural Networks, arXiv:1509.09308; on the points,
B. Barabasz et al., Error Analysis and Improving the Accuracy of Winograd Convolution, arXiv:1803.10986.
"""

import numpy as np

from tinyconv.engine.compiler import inlined, inner, kernel
from tinyconv.engine.kernels.images import clear, copy_back, copy_padded
from tinyconv.engine.kernels.maps import CLOSED, expand_map, finish_map, get, put
from tinyconv.engine.vector import (
    LANES,
    fma,
    if_beats,
    if_equal,
    if_positive,
    larger,
    load,
    load_bytes,
    magnitude,
    splat,
    store,
    store_bytes,
    tile,
)
from tinyconv.engine.vector import (
    relu as positive_part,
)

#: Points in each direction, and in both.
POINTS, SQUARE = 6, 36
#: Cells of the map that a tile has in each direction.
CELLS = 4

#: Rows of a register tile of two vectors and of one: in a product, and in a product with the first factor transposed.
ROWS_OF_TWO, ROWS_OF_ONE = 6, 12
TRANSPOSED_OF_TWO, TRANSPOSED_OF_ONE = LANES // 2, LANES

#: Less than this part of a tile's largest cell is rounding.
ROUNDING = np.float32(2.0**-19)

P, Q = 0.75, 1.5
_FINITE = (0.0, P, -P, Q, -Q)

#: The numbers in A and B: powers of P and Q, P^2 Q^2, P^2 + Q^2, P Q^2 and P^2 Q.
P1, P2, P3, Q1, Q2, Q3 = (np.float32(p**k) for p in (P, Q) for k in (1, 2, 3))
P2Q2, SUM2, PQ2, P2Q = (np.float32(number) for number in (P**2 * Q**2, P**2 + Q**2, P * Q**2, P**2 * Q))


def matrices():
    """A (6, 4), B (6, 6) and G (6, 3) in float64, from the points."""
    others = [[q for q in _FINITE if q != p] for p in _FINITE]
    a = [[p**i for i in range(CELLS)] for p in _FINITE] + [[0, 0, 0, 1]]
    b = [[*np.poly(rest)[::-1], 0] for rest in others] + [np.poly(_FINITE)[::-1]]  # B^T: 0 at all other points
    g = [[p**i / np.prod(p - np.array(rest)) for i in range(3)] for p, rest in zip(_FINITE, others)] + [[0, 0, 1]]
    return np.array(a), np.array(b).T, np.array(g)


def winograd_plain(image, weights):
    """One padded image (4*TH + 2, 4*TW + 2, C) and weights (3, 3, C, F) -> the map (4*TH, 4*TW, F), in NumPy."""
    A, B, G = matrices()
    U = np.einsum("ia,jb,abcf->ijcf", G, G, weights)  # (6, 6, C, F)
    out = np.empty((len(image) - 2, image.shape[1] - 2, weights.shape[3]))
    for i in range(0, len(out), CELLS):
        for j in range(0, out.shape[1], CELLS):
            V = np.einsum("ai,bj,abc->ijc", B, B, image[i : i + POINTS, j : j + POINTS])  # (6, 6, C)
            M = np.einsum("ijc,ijcf->ijf", V, U)  # (6, 6, F)
            out[i : i + CELLS, j : j + CELLS] = np.einsum("ia,jb,ijf->abf", A, A, M)  # (4, 4, F)
    return out


# The kernels. Channels and filters are whole vectors in scratch. `canvas` (4*TH + 2, 4*TW + 2, C) is one image, with
# room for all its TH * TW tiles; the tiles of all images are numbered row by row. One point of V, M or U is a plane.


@kernel(
    "f4[:,:,:,::1], f4, f4, i8, i8, i8, i8, i8, i8, i8, f4[:,:,::1], f4[::1], i8, f4, f4[:,:,::1], f4[:,::1],"
    "f4[:,::1], f4[:,:,:,::1], u1[:,:,:,::1], i8, i8"
)
def winograd_forward_pooled(
    x, scale, offset, top, left, TH, TW, OH, OW, group, U, bias, relu, sign, canvas, V, M, out, winner, start, stop
):
    """x -> out and winner, with max or min pooling of 2x2 cells: each tile is pooled as it leaves M.

    Args:
        x: (N, H, W, C); it is padded by `top` rows and `left` columns of zeros, and what else the tiles need.
        OH, OW: the map's size; cells of tiles beyond it are no candidates.
        group: tiles at a time.
        U: (36, C, F), from weights multiplied by `sign`, -1 for min pooling.
        relu: 0 or 1.
    """
    for first in range(start * TH * TW, stop * TH * TW, group):
        last = min(first + group, stop * TH * TW)
        _images_in(x, scale, offset, top, left, TH, TW, first, last, canvas, V)
        _multiply(V, U, M, last - first, x.shape[3])
        _pool_out(M, first, last, TH, TW, OH, OW, bias, relu, sign, out, winner)


@kernel(
    "f4[:,:,:,::1], f4, f4, i8, i8, i8, i8, i8, f4[:,:,::1], i8, f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,::1],"
    "f4[:,:,:,::1], u1[:,:,:,::1], f4[:,:,::1], f4[::1], f4[:,:,:,::1], i8, i8"
)
def winograd_backward_pooled(
    x, scale, offset, top, left, TH, TW, group, UT, wants_dx, canvas, dcanvas, V, M, dy, winner, dU, db, dx,
    start, stop,
):  # fmt: skip
    """dy and winner -> dU and db, which are set, and dx, if wanted. UT (36, F, C) is without the sign."""
    clear(dU)
    clear(db)
    for first in range(start * TH * TW, stop * TH * TW, group):
        last = min(first + group, stop * TH * TW)
        _pool_back(dy, winner, first, last, TH, TW, M, db)
        _products_back(
            x, scale, offset, top, left, TH, TW, first, last, UT, wants_dx, dy.shape[3], canvas, dcanvas, V, M, dU, dx
        )


@kernel(
    "f4[:,:,:,::1], f4, f4, i8, i8, i8, i8, i8, f4[:,:,::1], f4[::1], i8, f4[:,:,::1], f4[:,::1], f4[:,::1],"
    "f4[:,:,:,::1], i8, i8"
)
def winograd_forward_stored(x, scale, offset, top, left, TH, TW, group, U, bias, relu, canvas, V, M, out, start, stop):
    """x -> out, without pooling: each tile goes from M to where it belongs."""
    for first in range(start * TH * TW, stop * TH * TW, group):
        last = min(first + group, stop * TH * TW)
        _images_in(x, scale, offset, top, left, TH, TW, first, last, canvas, V)
        _multiply(V, U, M, last - first, x.shape[3])
        _store_out(M, first, last, TH, TW, bias, relu, out)


@kernel(
    "f4[:,:,:,::1], f4, f4, i8, i8, i8, i8, i8, f4[:,:,::1], i8, i8, f4[:,:,::1], f4[:,:,::1], f4[:,::1], f4[:,::1],"
    "f4[:,:,:,::1], f4[:,:,:,::1], f4[:,:,::1], f4[::1], f4[:,:,:,::1], i8, i8"
)
def winograd_backward_stored(
    x, scale, offset, top, left, TH, TW, group, UT, relu, wants_dx, canvas, dcanvas, V, M, dy, out, dU, db, dx,
    start, stop,
):  # fmt: skip
    """dy -> dU and db, which are set, and dx, if wanted. Nobody looks at out without relu."""
    clear(dU)
    clear(db)
    for first in range(start * TH * TW, stop * TH * TW, group):
        last = min(first + group, stop * TH * TW)
        _stored_back(dy, out, relu, first, last, TH, TW, M, db)
        _products_back(
            x, scale, offset, top, left, TH, TW, first, last, UT, wants_dx, dy.shape[3], canvas, dcanvas, V, M, dU, dx
        )


@kernel(
    "f4[:,:,:,::1], f4, f4, i8, i8, i8, i8, i8, i8, i8, f4[:,:,::1], f4[::1], i8, f4, i8[::1], f4[:,:,::1],"
    "f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1], i8, i8"
)
def winograd_forward(
    x, scale, offset, top, left, TH, TW, OH, OW, group, U, bias, relu, sign, pool, canvas, z, V, M, out, winner,
    mask, start, stop,
):  # fmt: skip
    """x -> out, and winner or mask, with any pooling or none: the map of an image is gathered in z (4*TH, 4*TW, F)."""
    for first in range(start * TH * TW, stop * TH * TW, group):
        last = min(first + group, stop * TH * TW)
        _images_in(x, scale, offset, top, left, TH, TW, first, last, canvas, V)
        _multiply(V, U, M, last - first, x.shape[3])
        row, F = CELLS * TW * bias.size, bias.size
        for t in range(first, last):
            n, i, j = _place(t, TH, TW)
            for f in range(0, F, LANES):
                _map_out(M, (t - first) * F + f, z, CELLS * (i * row + j * F) + f, row, F)
            if i == TH - 1 and j == TW - 1:
                finish_map(z, 0, row, F, OH, OW, bias, relu, sign, pool, n, out, winner, mask)


@kernel(
    "f4[:,:,:,::1], f4, f4, i8, i8, i8, i8, i8, i8, i8, f4[:,:,::1], i8, i8[::1], i8, f4[:,:,::1], f4[:,:,::1],"
    "f4[:,:,::1], f4[:,::1], f4[:,::1], f4[:,:,:,::1], f4[:,:,:,::1], u1[:,:,:,::1], u1[:,:,:,::1],"
    "f4[:,:,::1], f4[::1], f4[:,:,:,::1], i8, i8"
)
def winograd_backward(
    x, scale, offset, top, left, TH, TW, OH, OW, group, UT, relu, pool, wants_dx, canvas, dcanvas, dz, V, M, dy,
    out, winner, mask, dU, db, dx, start, stop,
):  # fmt: skip
    """dy -> dU and db, which are set, and dx, if wanted; the gradient of an image's map is laid out in dz first."""
    clear(dU)
    clear(db)
    for first in range(start * TH * TW, stop * TH * TW, group):
        last = min(first + group, stop * TH * TW)
        row, F = CELLS * TW * db.size, db.size
        for t in range(first, last):
            n, i, j = _place(t, TH, TW)
            if i == 0 and j == 0:
                expand_map(dy, out, winner, mask, n, relu, pool, dz, 0, row, F, OH, OW, db)
            for f in range(0, F, LANES):
                _map_back(dz, CELLS * (i * row + j * F) + f, row, F, M, (t - first) * F + f)
        _products_back(
            x, scale, offset, top, left, TH, TW, first, last, UT, wants_dx, dy.shape[3], canvas, dcanvas, V, M, dU, dx
        )


@inner
def _products_back(
    x, scale, offset, top, left, TH, TW, first, last, UT, wants_dx, filters, canvas, dcanvas, V, M, dU, dx
):
    """dM of these tiles -> dU, which is added to, and their part of dx, if wanted."""
    _images_in(x, scale, offset, top, left, TH, TW, first, last, canvas, V)
    _multiply_transposed(V, M, dU, last - first)
    if wants_dx:
        _multiply(M, UT, V, last - first, filters)
        _images_back(V, first, last, TH, TW, dcanvas, dx, scale, top, left)


@inlined
def _place(t, TH, TW):
    """Tile number t: its image, and its row and column there."""
    r = t % (TH * TW)
    return t // (TH * TW), r // TW, r % TW


# Between images and V


@inner
def _images_in(x, scale, offset, top, left, TH, TW, first, last, canvas, V):
    """The tiles first <= t < last of x -> V. An image is copied to the canvas when its first tile is met."""
    C = canvas.shape[2]
    row = canvas.shape[1] * C
    for t in range(first, last):
        n, i, j = _place(t, TH, TW)
        if i == 0 and j == 0:
            copy_padded(x, n, scale, offset, canvas, top, left)
        for c in range(0, C, LANES):
            here, there = CELLS * (i * row + j * C) + c, (t - first) * C + c
            columns = _six_columns(_pixels_to_points, canvas, here, row, C)
            _store_points(_pixels_to_points, _rows_6x6(columns), V, there)


@inner
def _images_back(V, first, last, TH, TW, canvas, dx, scale, top, left):
    """dV -> dx. A tile adds to the two rows and columns that tiles above and left share with it, and sets the rest."""
    C, plane = canvas.shape[2], V.shape[1]
    row = canvas.shape[1] * C
    for t in range(first, last):
        n, i, j = _place(t, TH, TW)
        if i == 0 and j == 0:
            _clear_first_rows_and_columns(canvas)
        for c in range(0, C, LANES):
            here, there = (t - first) * C + c, CELLS * (i * row + j * C) + c
            rows = _rows_6x6(_six_columns(_points_to_pixels, V, here, POINTS * plane, plane))
            _add_row(_points_to_pixels(rows[0]), canvas, there, C, True)
            _add_row(_points_to_pixels(rows[1]), canvas, there + row, C, True)
            _add_row(_points_to_pixels(rows[2]), canvas, there + 2 * row, C, False)
            _add_row(_points_to_pixels(rows[3]), canvas, there + 3 * row, C, False)
            _add_row(_points_to_pixels(rows[4]), canvas, there + 4 * row, C, False)
            _add_row(_points_to_pixels(rows[5]), canvas, there + 5 * row, C, False)
        if i == TH - 1 and j == TW - 1:
            copy_back(canvas, dx, n, scale, top, left)


@inner
def _clear_first_rows_and_columns(canvas):
    rows, columns, C = canvas.shape
    zero, shared = splat(np.float32(0)), POINTS - CELLS
    for i in range(rows):
        for k in range(0, (columns if i < shared else shared) * C, LANES):
            store(canvas, i * columns * C + k, zero)


@inlined
def _add_row(pixels, canvas, at, C, is_shared):
    """Six pixels side by side; the first two, or with `is_shared` all, are added to what is there."""
    a, b, c, d, e, f = pixels
    store(canvas, at, load(canvas, at) + a)
    store(canvas, at + C, load(canvas, at + C) + b)
    if is_shared:
        c, d = c + load(canvas, at + 2 * C), d + load(canvas, at + 3 * C)
        e, f = e + load(canvas, at + 4 * C), f + load(canvas, at + 5 * C)
    store(canvas, at + 2 * C, c)
    store(canvas, at + 3 * C, d)
    store(canvas, at + 4 * C, e)
    store(canvas, at + 5 * C, f)


# Between V and M


@inner
def _multiply(V, U, M, T, real):
    """M = V U at each point: (T, C) @ (C, F) -> (T, F), and a few rows more. All but the first `real` of C are 0."""
    _, C, F = U.shape
    pairs = F // (2 * LANES) * (2 * LANES)
    for k in range(SQUARE):
        v, u, m = k * V.shape[1], k * C * F, k * M.shape[1]
        for f in range(0, pairs, 2 * LANES):
            for t in range(0, T, ROWS_OF_TWO):
                tile(ROWS_OF_TWO, 2, 1, real, V, v + t * C, C, 0, 1, U, u + f, 0, F, M, m + t * F + f, F, 0)
        if pairs < F:
            for t in range(0, T, ROWS_OF_ONE):
                tile(ROWS_OF_ONE, 1, 1, real, V, v + t * C, C, 0, 1, U, u + pairs, 0, F, M, m + t * F + pairs, F, 0)


@inner
def _multiply_transposed(V, M, dU, T):
    """dU += V^T M at each point: (C, T) @ (T, F) -> (C, F)."""
    _, C, F = dU.shape
    pairs = F // (2 * LANES) * (2 * LANES)
    for k in range(SQUARE):
        v, u, m = k * V.shape[1], k * C * F, k * M.shape[1]
        for f in range(0, pairs, 2 * LANES):
            for c in range(0, C, TRANSPOSED_OF_TWO):
                tile(TRANSPOSED_OF_TWO, 2, 1, T, V, v + c, 1, 0, C, M, m + f, 0, F, dU, u + c * F + f, F, 1)
        if pairs < F:
            for c in range(0, C, TRANSPOSED_OF_ONE):
                tile(TRANSPOSED_OF_ONE, 1, 1, T, V, v + c, 1, 0, C, M, m + pairs, 0, F, dU, u + c * F + pairs, F, 1)


# Between M and the map


@inlined
def _map_out(M, m, z, at, row, F):
    """One tile: 6x6 points of M -> 4x4 cells of z."""
    plane = M.shape[1]
    a, b, c, d = _cells_out(M, m, plane)
    _store4(z, at, F, a)
    _store4(z, at + row, F, b)
    _store4(z, at + 2 * row, F, c)
    _store4(z, at + 3 * row, F, d)


@inlined
def _cells_out(M, m, plane):
    """One tile: 6x6 points of M -> four rows of four cells, 0 where only rounding is left."""
    a, b, c, d = _rows_4x6(_six_columns(_points_to_cells, M, m, POINTS * plane, plane))
    a, b, c, d = _points_to_cells(a), _points_to_cells(b), _points_to_cells(c), _points_to_cells(d)
    most = larger(larger(_largest(a), _largest(b)), larger(_largest(c), _largest(d)))
    least = fma(most, splat(ROUNDING), most - most)  # NaN for a tile with infinity, and then all cells stay
    return (
        _without_rounding(a, least),
        _without_rounding(b, least),
        _without_rounding(c, least),
        _without_rounding(d, least),
    )


@inlined
def _largest(four):
    a, b, c, d = four
    return larger(larger(magnitude(a), magnitude(b)), larger(magnitude(c), magnitude(d)))


@inlined
def _without_rounding(four, least):
    a, b, c, d = four
    zero = splat(np.float32(0))
    return (
        if_positive(least - magnitude(a), zero, a), if_positive(least - magnitude(b), zero, b),
        if_positive(least - magnitude(c), zero, c), if_positive(least - magnitude(d), zero, d),
    )  # fmt: skip


@inlined
def _map_back(dz, at, row, F, M, m):
    """One tile: 4x4 cells of dz -> 6x6 points of dM."""
    columns = (
        _cells_to_points(_load4(dz, at, row)),
        _cells_to_points(_load4(dz, at + F, row)),
        _cells_to_points(_load4(dz, at + 2 * F, row)),
        _cells_to_points(_load4(dz, at + 3 * F, row)),
    )
    _store_points(_cells_to_points, _rows_6x4(columns), M, m)


@inner
def _store_out(M, first, last, TH, TW, bias, relu, out):
    """The tiles first <= t < last of M -> out, as far as it reaches."""
    _, OH, OW, F = out.shape
    for t in range(first, last):
        n, i, j = _place(t, TH, TW)
        i, j = CELLS * i, CELLS * j
        for f in range(0, F, LANES):
            here, b = ((n * OH + i) * OW + j) * F + f, load(bias, f)
            rows = _cells_out(M, (t - first) * bias.size + f, M.shape[1])
            _row_out(rows[0], b, relu, out, here, OW - j, F, F - f)
            _row_out(rows[1], b, relu, out, here + OW * F, OW - j if i + 1 < OH else 0, F, F - f)
            _row_out(rows[2], b, relu, out, here + 2 * OW * F, OW - j if i + 2 < OH else 0, F, F - f)
            _row_out(rows[3], b, relu, out, here + 3 * OW * F, OW - j if i + 3 < OH else 0, F, F - f)


@inlined
def _row_out(four, b, relu, out, there, cells, F, n):
    """Four cells side by side, of which only so many are on the map, + b, with ReLU -> n channels of each in out."""
    _cell_out(four[0] + b, relu, out, there, n if cells > 0 else 0)
    _cell_out(four[1] + b, relu, out, there + F, n if cells > 1 else 0)
    _cell_out(four[2] + b, relu, out, there + 2 * F, n if cells > 2 else 0)
    _cell_out(four[3] + b, relu, out, there + 3 * F, n if cells > 3 else 0)


@inlined
def _cell_out(y, relu, out, there, n):
    put(out, there if n > 0 else 0, positive_part(y) if relu else y, n)


@inner
def _stored_back(dy, out, relu, first, last, TH, TW, M, db):
    """dy -> the tiles first <= t < last of dM, 0 beyond the map; the sum of what arrives is added to db."""
    _, OH, OW, F = dy.shape
    for t in range(first, last):
        n, i, j = _place(t, TH, TW)
        i, j = CELLS * i, CELLS * j
        for f in range(0, F, LANES):
            here = ((n * OH + i) * OW + j) * F + f
            a = _column_in(dy, out, relu, here, OH - i, OW * F, F - f)
            b = _column_in(dy, out, relu, here + F, OH - i if j + 1 < OW else 0, OW * F, F - f)
            c = _column_in(dy, out, relu, here + 2 * F, OH - i if j + 2 < OW else 0, OW * F, F - f)
            d = _column_in(dy, out, relu, here + 3 * F, OH - i if j + 3 < OW else 0, OW * F, F - f)
            store(db, f, load(db, f) + ((_sum(a) + _sum(b)) + (_sum(c) + _sum(d))))
            columns = _cells_to_points(a), _cells_to_points(b), _cells_to_points(c), _cells_to_points(d)
            _store_points(_cells_to_points, _rows_6x4(columns), M, (t - first) * db.size + f)


@inlined
def _column_in(dy, out, relu, here, cells, row, n):
    """Four cells of dy, one above the other; 0 where ReLU was closed, and for all but the first so many cells."""
    return (
        _cell_in(dy, out, relu, here, n if cells > 0 else 0),
        _cell_in(dy, out, relu, here + row, n if cells > 1 else 0),
        _cell_in(dy, out, relu, here + 2 * row, n if cells > 2 else 0),
        _cell_in(dy, out, relu, here + 3 * row, n if cells > 3 else 0),
    )


@inner
def _cell_in(dy, out, relu, here, n):
    here = here if n > 0 else 0
    g = get(dy, here, n)
    return if_positive(get(out, here, n), g, splat(np.float32(0))) if relu else g


@inlined
def _sum(four):
    a, b, c, d = four
    return (a + b) + (c + d)


@inner
def _pool_out(M, first, last, TH, TW, OH, OW, bias, relu, sign, out, winner):
    """The tiles first <= t < last of M -> out and winner, 2x2 windows from each."""
    PH, plane = out.shape[1], M.shape[1]
    for t in range(first, last):
        n, i, j = _place(t, TH, TW)
        for f in range(0, bias.size, LANES):
            a, b, c, d = _cells_out(M, (t - first) * bias.size + f, plane)
            _windows_out(a, b, n, 2 * i, 2 * j, f, OH, OW, bias, relu, sign, out, winner)
            if 2 * i + 1 < PH:
                _windows_out(c, d, n, 2 * i + 1, 2 * j, f, OH, OW, bias, relu, sign, out, winner)


@inlined
def _windows_out(above, below, n, i, j, f, OH, OW, bias, relu, sign, out, winner):
    """Two rows of 4 cells -> windows (i, j) and (i, j + 1). Cells beyond the map are no candidates."""
    _, PH, PW, F = out.shape
    a, b, c, d = above
    e, g, h, k = below
    least, signs, there = splat(np.float32(-np.inf)), splat(sign), ((n * PH + i) * PW + j) * F + f
    if 2 * i + 1 == OH:
        e, g, h, k = least, least, least, least
    if 2 * j + 1 == OW:
        b, g = least, least
    if 2 * j + 3 == OW:
        d, k = least, least
    _window_out(a, b, e, g, load(bias, f), relu, signs, out, winner, there, F - f)
    if j + 1 < PW:
        _window_out(c, d, h, k, load(bias, f), relu, signs, out, winner, there + F, F - f)


@inlined
def _window_out(v0, v1, v2, v3, b, relu, signs, out, winner, there, n):
    best, place = v0, splat(np.float32(0))
    place, best = if_beats(v1, best, splat(np.float32(1)), place), if_beats(v1, best, v1, best)
    place, best = if_beats(v2, best, splat(np.float32(2)), place), if_beats(v2, best, v2, best)
    place, best = if_beats(v3, best, splat(np.float32(3)), place), if_beats(v3, best, v3, best)
    y = fma(best, signs, b)
    if relu:
        place, y = if_positive(y, place, splat(np.float32(CLOSED))), positive_part(y)
    put(out, there, y, n)
    store_bytes(winner, there, place, n)


@inner
def _pool_back(dy, winner, first, last, TH, TW, M, db):
    """dy and winner -> the tiles first <= t < last of dM; the sum of what arrives is added to db."""
    _, PH, PW, F = dy.shape
    zero, closed = splat(np.float32(0)), splat(np.float32(CLOSED))
    for t in range(first, last):
        n, i, j = _place(t, TH, TW)
        right, below = 2 * j + 1 < PW, 2 * i + 1 < PH
        for f in range(0, F, LANES):
            here = ((n * PH + 2 * i) * PW + 2 * j) * F + f
            a, p = get(dy, here, F - f), load_bytes(winner, here, F - f)  # gradient and place of the first window
            b, c, d, q, r, s = zero, zero, zero, closed, closed, closed  # of those right of it and below, if any
            if right:
                b, q = get(dy, here + F, F - f), load_bytes(winner, here + F, F - f)
            if below:
                here += PW * F
                c, r = get(dy, here, F - f), load_bytes(winner, here, F - f)
                if right:
                    d, s = get(dy, here + F, F - f), load_bytes(winner, here + F, F - f)
            columns = (
                _cells_to_points(_column_back(a, p, c, r, 0)),
                _cells_to_points(_column_back(a, p, c, r, 1)),
                _cells_to_points(_column_back(b, q, d, s, 0)),
                _cells_to_points(_column_back(b, q, d, s, 1)),
            )
            _store_points(_cells_to_points, _rows_6x4(columns), M, (t - first) * db.size + f)
            above = if_equal(p, closed, zero, a) + if_equal(q, closed, zero, b)
            store(db, f, load(db, f) + (above + (if_equal(r, closed, zero, c) + if_equal(s, closed, zero, d))))


@inlined
def _column_back(g, p, h, q, k):
    """Column k of two windows, one above the other: their gradients g and h in the places p and q, else 0."""
    zero, upper, lower = splat(np.float32(0)), splat(np.float32(k)), splat(np.float32(k + 2))
    return (
        if_equal(p, upper, g, zero), if_equal(p, lower, g, zero),
        if_equal(q, upper, h, zero), if_equal(q, lower, h, zero),
    )  # fmt: skip


# The four transforms of a row or column, and what reads and writes one


@inlined
def _pixels_to_points(six):
    """B^T d."""
    a, b, c, d, e, f = six
    s, t = fma(splat(-Q2), c, e), splat(P1) * fma(splat(-Q2), b, d)
    u, v = fma(splat(-P2), c, e), splat(Q1) * fma(splat(-P2), b, d)
    return (
        fma(splat(P2Q2), a, fma(splat(-SUM2), c, e)), s + t, s - t, u + v, u - v,
        fma(splat(P2Q2), b, fma(splat(-SUM2), d, f)),
    )  # fmt: skip


@inlined
def _points_to_pixels(six):
    """B v."""
    a, b, c, d, e, f = six
    s, t, u, v = b + c, b - c, d + e, d - e
    return (
        splat(P2Q2) * a,
        fma(splat(P2Q2), f, fma(splat(-PQ2), t, splat(-P2Q) * v)),
        fma(splat(-SUM2), a, fma(splat(-Q2), s, splat(-P2) * u)),
        fma(splat(-SUM2), f, fma(splat(P1), t, splat(Q1) * v)),
        a + s + u,
        f,
    )


@inlined
def _points_to_cells(six):
    """A^T m."""
    a, b, c, d, e, f = six
    s, t, u, v = b + c, b - c, d + e, d - e
    return (
        a + s + u,
        fma(splat(P1), t, splat(Q1) * v),
        fma(splat(P2), s, splat(Q2) * u),
        fma(splat(P3), t, fma(splat(Q3), v, f)),
    )


@inlined
def _cells_to_points(four):
    """A y."""
    a, b, c, d = four
    s, t = fma(splat(P2), c, a), splat(P1) * fma(splat(P2), d, b)
    u, v = fma(splat(Q2), c, a), splat(Q1) * fma(splat(Q2), d, b)
    return a, s + t, s - t, u + v, u - v, d


# Squares, as rows or columns in registers


@inlined
def _six_columns(transform, a, i, down, right):
    """The columns of a 6x6 square, each transformed; `down` and `right` are the steps in memory."""
    return (
        transform(_load6(a, i, down)),
        transform(_load6(a, i + right, down)),
        transform(_load6(a, i + 2 * right, down)),
        transform(_load6(a, i + 3 * right, down)),
        transform(_load6(a, i + 4 * right, down)),
        transform(_load6(a, i + 5 * right, down)),
    )


@inlined
def _store_points(transform, rows, V, v):
    """Six rows, each transformed -> the 36 planes of V (or M)."""
    plane = V.shape[1]
    _store6(V, v, plane, transform(rows[0]))
    _store6(V, v + 6 * plane, plane, transform(rows[1]))
    _store6(V, v + 12 * plane, plane, transform(rows[2]))
    _store6(V, v + 18 * plane, plane, transform(rows[3]))
    _store6(V, v + 24 * plane, plane, transform(rows[4]))
    _store6(V, v + 30 * plane, plane, transform(rows[5]))


@inlined
def _rows_6x6(columns):
    a, b, c, d, e, f = columns
    return (
        (a[0], b[0], c[0], d[0], e[0], f[0]), (a[1], b[1], c[1], d[1], e[1], f[1]),
        (a[2], b[2], c[2], d[2], e[2], f[2]), (a[3], b[3], c[3], d[3], e[3], f[3]),
        (a[4], b[4], c[4], d[4], e[4], f[4]), (a[5], b[5], c[5], d[5], e[5], f[5]),
    )  # fmt: skip


@inlined
def _rows_4x6(columns):
    a, b, c, d, e, f = columns
    return (
        (a[0], b[0], c[0], d[0], e[0], f[0]), (a[1], b[1], c[1], d[1], e[1], f[1]),
        (a[2], b[2], c[2], d[2], e[2], f[2]), (a[3], b[3], c[3], d[3], e[3], f[3]),
    )  # fmt: skip


@inlined
def _rows_6x4(columns):
    a, b, c, d = columns
    return (
        (a[0], b[0], c[0], d[0]), (a[1], b[1], c[1], d[1]), (a[2], b[2], c[2], d[2]),
        (a[3], b[3], c[3], d[3]), (a[4], b[4], c[4], d[4]), (a[5], b[5], c[5], d[5]),
    )  # fmt: skip


@inlined
def _load6(a, i, step):
    return (
        load(a, i), load(a, i + step), load(a, i + 2 * step), load(a, i + 3 * step), load(a, i + 4 * step),
        load(a, i + 5 * step),
    )  # fmt: skip


@inlined
def _load4(a, i, step):
    return load(a, i), load(a, i + step), load(a, i + 2 * step), load(a, i + 3 * step)


@inlined
def _store6(a, i, step, six):
    store(a, i, six[0])
    store(a, i + step, six[1])
    store(a, i + 2 * step, six[2])
    store(a, i + 3 * step, six[3])
    store(a, i + 4 * step, six[4])
    store(a, i + 5 * step, six[5])


@inlined
def _store4(a, i, step, four):
    store(a, i, four[0])
    store(a, i + step, four[1])
    store(a, i + 2 * step, four[2])
    store(a, i + 3 * step, four[3])
