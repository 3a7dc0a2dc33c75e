"""Images seen through matrices: one affine warp for each image, bytes or floats in, floats out.

    out[n] (OH, OW, C)                    x[n] (H, W, C)
                                            c0    c0+1
      i, j  -->  point (r, c) =       r0    a --.-- b        the area across from each cell is its share:
                 rows[n, :, i] +            |   *   |        a * (r0+1 - r) * (c0+1 - c) + b * ...
                 columns[n, :, j] +   r0+1  d --'-- e
                 shifts[n]

A row of the result is done in three turns: which cells each point lies between, those beyond the image being brought to
where it goes on; the sums; and last the few points beside which there is no image but a fill value. `tinyconv.warp` is
the plain twin. The points are sums of what its `lines` has multiplied, so that both come to the same points, to the
last bit, and the same cells.
"""

import math

import numpy as np

from tinyconv.engine.compiler import inner, kernel

#: What lies beyond an image: `tinyconv.warp.FILL_MODES` in their order.
CONSTANT, GRID_CONSTANT, NEAREST, REFLECT, WRAP, GRID_WRAP = range(6)

_TYPES = "i8, i8, f8[:,:,::1], f8[:,:,::1], f8[:,::1], i8, f4, i8, f4[:,:,:,::1]"


@kernel(f"f4[:,:,:,::1], {_TYPES}")
def warp_floats(x, start, stop, rows, columns, shifts, mode, fill, bilinear, out):
    """Images start <= n < stop: x (N, H, W, C) -> out (N, OH, OW, C).

    Args:
        rows, columns, shifts: (N, 2, OH), (N, 2, OW) and (N, 2): the points.
        mode: a number from above.
        fill: the number beyond the image, for the constant modes.
        bilinear: 1, or 0 for the nearest cell.
    """
    _warp(x, start, stop, rows, columns, shifts, mode, fill, bilinear, out)


@kernel(f"u1[:,:,:,::1], {_TYPES}")
def warp_bytes(x, start, stop, rows, columns, shifts, mode, fill, bilinear, out):
    """`warp_floats` for images of bytes."""
    _warp(x, start, stop, rows, columns, shifts, mode, fill, bilinear, out)


@inner
def _warp(x, start, stop, rows, columns, shifts, mode, fill, bilinear, out):
    H, W, C = x.shape[1], x.shape[2], x.shape[3]
    OH, OW = out.shape[1], out.shape[2]
    cells, results = x.reshape(x.size), out.reshape(out.size)
    places, steps, shares = np.empty(OW, np.int64), np.empty((OW, 2), np.int64), np.empty((OW, 2), np.float32)
    for n in range(start, stop):
        for i in range(OH):
            q = (n * OH + i) * OW * C
            _aim(n, i, H, W, C, rows, columns, shifts, mode, bilinear, places, steps, shares)
            if bilinear:
                _mix(cells, places, steps, shares, C, results, q)
            else:
                _copy(cells, places, C, results, q)
            for j in range(OW):
                if places[j] < 0:
                    r = rows[n, 0, i] + columns[n, 0, j] + shifts[n, 0]
                    c = rows[n, 1, i] + columns[n, 1, j] + shifts[n, 1]
                    _mix_with_fill(cells, n, H, W, C, r, c, mode, fill, bilinear, results, q + j * C)


@inner
def _aim(n, i, H, W, C, rows, columns, shifts, mode, bilinear, places, steps, shares):
    """For each point of a row: the place of its cell, or of a, and how far from there d and b lie, and the point.

    The place is -1 for points beside which there is something that is not of the image.
    """
    row, column = rows[n, 0, i], rows[n, 1, i]
    half = 0.0 if bilinear else 0.5
    for j in range(len(places)):
        r, c = row + columns[n, 0, j] + shifts[n, 0], column + columns[n, 1, j] + shifts[n, 1]
        if r >= 0 and r < H - 1 and c >= 0 and c < W - 1:
            r0, c0 = int(r + half), int(c + half)
            places[j] = ((n * H + r0) * W + c0) * C
            steps[j, 0], steps[j, 1] = W * C, C
            shares[j, 0], shares[j, 1] = r - r0, c - c0
        elif mode == GRID_CONSTANT or (mode == CONSTANT and not (r >= 0 and r <= H - 1 and c >= 0 and c <= W - 1)):
            places[j] = -1
        else:
            r, c = _folded(r, H, mode), _folded(c, W, mode)
            r0, c0 = math.floor(r + half), math.floor(c + half)
            top, left = _cell(r0, H, mode), _cell(c0, W, mode)
            places[j] = ((n * H + top) * W + left) * C
            steps[j, 0], steps[j, 1] = (_cell(r0 + 1, H, mode) - top) * W * C, (_cell(c0 + 1, W, mode) - left) * C
            shares[j, 0], shares[j, 1] = r - r0, c - c0


@inner
def _mix(cells, places, steps, shares, C, results, q):
    """All channels of the points between four cells."""
    one = np.float32(1)
    for j in range(len(places)):
        a = places[j]
        if a >= 0:
            b, d = a + steps[j, 1], a + steps[j, 0]
            e = d + steps[j, 1]
            down, right = shares[j, 0], shares[j, 1]
            above, before = one - down, one - right
            of_a, of_b, of_d, of_e = above * before, above * right, down * before, down * right
            if C == 3:  # a loop of known length takes a third of the time
                for k in range(3):
                    upper = cells[a + k] * of_a + cells[b + k] * of_b
                    results[q + k] = upper + cells[d + k] * of_d + cells[e + k] * of_e
            else:
                for k in range(C):
                    upper = cells[a + k] * of_a + cells[b + k] * of_b
                    results[q + k] = upper + cells[d + k] * of_d + cells[e + k] * of_e
        q += C


@inner
def _copy(cells, places, C, results, q):
    """All channels of the nearest cells."""
    for j in range(len(places)):
        if places[j] >= 0:
            for k in range(C):
                results[q + k] = cells[places[j] + k]
        q += C


@inner
def _mix_with_fill(cells, n, H, W, C, r, c, mode, fill, bilinear, results, q):
    """All channels of one point in the constant modes; where none of its cells is of the image, the fill alone."""
    r0, c0 = (math.floor(r), math.floor(c)) if bilinear else (math.floor(r + 0.5), math.floor(c + 0.5))
    if mode == CONSTANT or r0 < -1 or r0 >= H or c0 < -1 or c0 >= W:
        for k in range(C):
            results[q + k] = fill
        return
    found = False
    for k in range(C):
        results[q + k] = 0
    for u in range(1 + bilinear):
        for v in range(1 + bilinear):
            row, column = r0 + u, c0 + v
            exists = row >= 0 and row < H and column >= 0 and column < W
            found = found or exists
            weight = np.float32(1)
            if bilinear:
                weight = np.float32((r - r0 if u else 1 - (r - r0)) * (c - c0 if v else 1 - (c - c0)))
            p = ((n * H + row) * W + column) * C
            for k in range(C):
                results[q + k] += weight * (cells[p + k] if exists else fill)
    if not found:
        for k in range(C):
            results[q + k] = fill


@inner
def _folded(p, n, mode):
    """A position on an axis of n cells, or, beyond it, where the image goes on."""
    if mode == REFLECT:
        p = -p - 1 if p < 0 else p
        p -= 2 * n * int(p / (2 * n))
        return 2 * n - p - 1 if p >= n else p
    if mode == WRAP and n > 1:
        if p < 0:
            p += (n - 1) * (int(-p / (n - 1)) + 1)
        return p - (n - 1) * int(p / (n - 1)) if p > n - 1 else p
    if mode == GRID_WRAP:
        return p
    return min(max(p, 0.0), n - 1.0)


@inner
def _cell(i, n, mode):
    """The cell of an axis that is meant by number i."""
    if mode == GRID_WRAP:
        return i % n
    return min(max(i, 0), n - 1)
