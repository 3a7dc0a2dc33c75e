"""Images on their way into and out of a canvas, a scratch array in which a convolution finds its padding.

    x[n] (H, W, C)                canvas (CH, CW, Cp), zero where nothing is written
                                     . . . . . .
    a b c     copy_padded ->         . a b c . .      top = 1, left = 1
    d e f     <- copy_back           . d e f . .
                                     . . . . . .

The canvas may hold more channels than the image (Cp >= C), so that each of its pixels is a whole number of vectors; the
further channels stay zero. It may also end before the image does, where a convolution never looks at the last pixels.
With as many channels as the image, rows are copied whole, else pixels.
"""

import numpy as np

from tinyconv.engine.compiler import inner
from tinyconv.engine.vector import LANES, fma, load, load_some, splat, store, store_some


def copy_padded_plain(x, n, scale, offset, canvas, top, left):
    """The same as `copy_padded`, in NumPy."""
    h, w = max(canvas.shape[0] - top, 0), max(canvas.shape[1] - left, 0)
    image = x[n, :h, :w]  # (h, w, C)
    canvas[top : top + len(image), left : left + image.shape[1], : x.shape[3]] = image * scale + offset


def copy_back_plain(canvas, dx, n, scale, top, left):
    """The same as `copy_back`, in NumPy."""
    _, height, width, channels = dx.shape
    part = canvas[top : top + height, left : left + width, :channels]  # (h, w, C)
    dx[n] = 0
    dx[n, : part.shape[0], : part.shape[1]] = part * scale


@inner
def copy_padded(x, n, scale, offset, canvas, top, left):
    """canvas[top:, left:, :C] = x[n] * scale + offset, as far as the canvas reaches; the rest of it stays as it is."""
    _, height, width, channels = x.shape
    rows, columns, pitch = canvas.shape
    h, w = min(height, rows - top), min(width, columns - left)
    for i in range(h):
        here, there = (n * height + i) * width * channels, ((top + i) * columns + left) * pitch
        if pitch == channels and w > 0:
            _move(x, here, canvas, there, w * channels, scale, offset)
        else:
            for j in range(w):
                _move(x, here + j * channels, canvas, there + j * pitch, channels, scale, offset)


@inner
def copy_back(canvas, dx, n, scale, top, left):
    """dx[n] = canvas[top : top + H, left : left + W, :C] * scale, and 0 where the canvas ends before the image."""
    _, height, width, channels = dx.shape
    rows, columns, pitch = canvas.shape
    w = max(min(width, columns - left), 0)
    for i in range(height):
        here, there = (n * height + i) * width * channels, ((top + i) * columns + left) * pitch
        done = w if top + i < rows else 0
        if pitch == channels and done > 0:
            _move(canvas, there, dx, here, done * channels, scale, np.float32(0))
        else:
            for j in range(done):
                _move(canvas, there + j * pitch, dx, here + j * channels, channels, scale, np.float32(0))
        if done < width:
            _clear(dx, here + done * channels, (width - done) * channels)


@inner
def clear(a):
    """Zeros in the whole of an array."""
    _clear(a, 0, a.size)


@inner
def _move(source, i, target, j, n, scale, offset):
    """target[j : j + n] = source[i : i + n] * scale + offset, both seen flat."""
    factor, term = splat(scale), splat(offset)
    if n < LANES:
        store_some(target, j, fma(load_some(source, i, n), factor, term), n)
        return
    for k in range(0, n, LANES):
        k = min(k, n - LANES)  # the last vector may move some floats a second time
        store(target, j + k, fma(load(source, i + k), factor, term))


@inner
def _clear(a, i, n):
    zero = splat(np.float32(0))
    if n < LANES:
        store_some(a, i, zero, n)
        return
    for k in range(0, n, LANES):
        store(a, i + min(k, n - LANES), zero)
