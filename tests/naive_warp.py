"""One affine warp as loops, a cell at a time, from the definition of each way to go on beyond the image."""

import itertools
import math

import numpy as np


def naive_warp(images, matrices, size, fill_mode, fill_value, interpolation):
    """What `tinyconv.warp.warp` computes."""
    out = np.zeros((len(images), *size, images.shape[3]))
    for n, i, j, k in np.ndindex(out.shape):
        (a, b, c), (d, e, f) = matrices[n]
        r, s = a * i + b * j + c, d * i + e * j + f
        height, width = images.shape[1:3]
        if fill_mode == "constant" and not (0 <= r <= height - 1 and 0 <= s <= width - 1):
            out[n, i, j, k] = fill_value
            continue
        if fill_mode == "wrap":  # the last cell lies on the first, so the period is one less
            r, s = wrapped(r, height), wrapped(s, width)
        if interpolation == "nearest":
            r, s = math.floor(r + 0.5), math.floor(s + 0.5)
        for u, v in itertools.product((0, 1), (0, 1)):
            row, column = math.floor(r) + u, math.floor(s) + v
            weight = (1 - abs(r - row)) * (1 - abs(s - column))
            if weight:
                places = beyond(row, height, fill_mode), beyond(column, width, fill_mode)
                out[n, i, j, k] += weight * (fill_value if None in places else images[n][places][k])
    return out


def wrapped(p, n):
    """A position on a ring on which cell n - 1 lies on cell 0."""
    last = n - 1
    if n == 1 or 0 <= p <= last:
        return min(max(p, 0), last)
    return last - (-p % last) if p < 0 else p % last


def beyond(i, n, fill_mode):
    """The cell of the image that stands at number i, None for the fill value."""
    if 0 <= i < n:
        return i
    if fill_mode == "grid-constant":
        return None
    if fill_mode == "reflect":
        return [*range(n), *reversed(range(n))][i % (2 * n)]
    return i % n if fill_mode == "grid-wrap" else min(max(i, 0), n - 1)
