"""Turning, shifting and stretching images: for every cell of the result, where in the image does it come from?

    result          matrix          image
    (row, column)   --->   point = matrix @ (row, column, 1)

        . . . .                   a b c d            nearest: the cell in whose square the point lies
        . x . .     --->          e f*g h            bilinear: the four cells around it, each by how near it is
        . . . .                   i j k l

A point lies between cells, whose centres have whole numbers, or beyond the image, where ``fill_mode`` says what is
there. Each number of the result is a weighted sum of at most four numbers of the image, so a warp is a linear function,
and its gradient hands each number back to the same cells with the same weights.

Modes, names and results are those of `scipy.ndimage.affine_transform` with order 0 and 1.
"""

from collections.abc import Iterator
from itertools import product as pairs
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import lookup, sentence

Size = tuple[int, int]

#: What there is beyond an image whose rows are a b c d, by scipy.ndimage's names.
FILL_MODES = {
    "constant": "fill_value, and at once: between the last cell and the next there is nothing of the image",
    "grid-constant": "k k k k | a b c d | k k k k, with fill_value for k",
    "nearest": "a a a a | a b c d | d d d d",
    "reflect": "d c b a | a b c d | d c b a",
    "wrap": "b c d b c | a b c d | b c a b c: the next a lies on d",
    "grid-wrap": "a b c d | a b c d | a b c d",
}

#: How to read between the cells.
INTERPOLATIONS = {"nearest": "the nearest cell", "bilinear": "a weighted mean of the four cells around"}

#: Largest entry of a matrix: what is further away is nowhere, and its distance no number to count cells with.
_FAR = 1e9

#: Cells of the result that are computed at once: a few tens of megabytes.
_SLAB = 2**18


@config.silent_floats()
def warp(
    images: Array,
    matrices: Array,
    *,
    size: Size | None = None,
    fill_mode: str = "nearest",
    fill_value: float = 0.0,
    interpolation: str = "bilinear",
) -> Array:
    """Show images through matrices.

    Args:
        images: (N, H, W, C); all but float32 and float64 are converted to float32.
        matrices: (N, 2, 3), or (2, 3) for all images: cell (row, column) of the result shows the image's point
            matrix @ (row, column, 1).
        size: (OH, OW), rows and columns of the result; H and W where left out.
        fill_mode: what lies beyond the image, one of `FILL_MODES`.
        fill_value: number of the constant modes.
        interpolation: ``'nearest'`` or ``'bilinear'``.

    Returns:
        (N, OH, OW, C).

    Raises:
        ValueError: for other shapes or names, images without pixels, or a matrix with huge or no numbers.

    >>> image = np.arange(6.0).reshape(1, 2, 3, 1)
    >>> warp(image, shift(0, 1))[0, :, :, 0]
    array([[0., 0., 1.],
           [3., 3., 4.]])
    """
    matrices, size = checked(images.shape, matrices, size, fill_mode, interpolation)
    images = images if images.dtype in (np.float32, np.float64) else images.astype(np.float32)
    n, height, width, channels = images.shape
    out = np.empty((n, *size, channels), images.dtype)  # (N, OH, OW, C)
    fill = images.dtype.type(fill_value)
    for part in _slabs(n, size):
        cells = images[part].reshape(-1, channels)  # (M*H*W, C) of the slab's M images
        y = out[part]
        y[...] = 0
        seen = np.zeros(y.shape[:3], bool)  # where at least one cell of the image has a share
        for place, weight, inside in _shares(matrices[part], size, (height, width), fill_mode, interpolation):
            values = np.where(inside[..., None], cells[place], fill)
            y += weight.astype(y.dtype)[..., None] * values
            seen |= inside
        y[~seen] = fill
    return out


@config.silent_floats()
def warp_gradient(
    dy: Array, matrices: Array, input_size: Size, *, fill_mode: str = "nearest", interpolation: str = "bilinear"
) -> Array:
    """The gradient by `warp`'s images: each number of dy goes back to the cells it came from, by the same shares.

    Args:
        dy: (N, OH, OW, C), the gradient by the result.
        matrices, fill_mode, interpolation: as `warp` had them.
        input_size: (H, W) of the images.

    Returns:
        (N, H, W, C).
    """
    n, oh, ow, channels = dy.shape
    shape = (n, *input_size, channels)
    matrices, size = checked(shape, matrices, (oh, ow), fill_mode, interpolation)
    dx = np.empty(shape, dy.dtype)
    for part in _slabs(n, size):
        grown = np.zeros(dx[part].size)
        for place, weight, inside in _shares(matrices[part], size, input_size, fill_mode, interpolation):
            shares = np.where(inside[..., None], weight[..., None] * dy[part], 0)  # (M, OH, OW, C)
            places = place[..., None] * channels + np.arange(channels)  # (M, OH, OW, C)
            grown += np.bincount(places.ravel(), shares.ravel(), len(grown))
        dx[part] = grown.reshape(dx[part].shape)
    return dx


def checked(
    shape: tuple[int, ...], matrices: Array, size: Size | None, fill_mode: str, interpolation: str
) -> tuple[Array, Size]:
    """The matrices as (N, 2, 3) float64 and the size of the result, for images of this shape; or a ValueError."""
    lookup("warp: fill_mode", fill_mode, FILL_MODES)
    lookup("warp: interpolation", interpolation, INTERPOLATIONS)
    if len(shape) != 4:
        raise ValueError(sentence("warp", "images of shape (N, H, W, C)", f"images.shape={tuple(shape)}"))
    if 0 in shape[1:3]:
        raise ValueError(sentence("warp", "images of at least one pixel", f"images.shape={tuple(shape)}"))
    n, height, width, _ = shape
    matrices = np.asarray(matrices, np.float64)
    if matrices.shape not in ((2, 3), (n, 2, 3)):
        expected = f"matrices of shape (2, 3) or ({n}, 2, 3)"
        raise ValueError(sentence("warp", expected, f"matrices.shape={matrices.shape}"))
    if not np.all(np.abs(matrices) <= _FAR):
        raise ValueError(sentence("warp", f"matrices of numbers up to {_FAR:g}", "a larger one, or NaN"))
    return np.broadcast_to(matrices, (n, 2, 3)), (height, width) if size is None else size


def lines(matrices: Array, size: Size) -> tuple[Array, Array, Array]:
    """The points of all cells of the result, as sums of a part for its row, a part for its column, and a shift.

    Args:
        matrices: (N, 2, 3).
        size: (OH, OW).

    Returns:
        (N, 2, OH), (N, 2, OW) and (N, 2): point [n, :, i, j] is rows[n, :, i] + columns[n, :, j] + shifts[n].
    """
    rows, columns = (matrices[:, :, axis, None] * np.arange(size[axis]) for axis in (0, 1))
    return rows, columns, np.ascontiguousarray(matrices[:, :, 2])


def _slabs(n: int, size: Size) -> Iterator[slice]:
    step = max(1, _SLAB // max(1, size[0] * size[1]))
    return (slice(start, start + step) for start in range(0, n, step))


def _shares(
    matrices: Array, size: Size, input_size: Size, fill_mode: str, interpolation: str
) -> Iterator[tuple[Array, Array, Array]]:
    """For each of the 1 or 4 cells that make a number: its place in the flat images, its weight, whether it exists.

    All have the shape (M, OH, OW). A cell that does not exist is one of ``fill_value``.
    """
    rows, columns, shifts = lines(matrices, size)
    points = rows[:, :, :, None] + columns[:, :, None, :] + shifts[:, :, None, None]  # (M, 2, OH, OW)
    height, width = input_size
    first = np.arange(len(matrices))[:, None, None] * (height * width)  # each image's first place
    by_axis = [list(_neighbours(points[:, k], input_size[k], fill_mode, interpolation)) for k in (0, 1)]
    for (row, down, row_exists), (column, right, column_exists) in pairs(*by_axis):
        yield first + row * width + column, down * right, row_exists & column_exists


def _neighbours(p: Array, n: int, fill_mode: str, interpolation: str) -> Iterator[tuple[Array, Array, Array]]:
    """On an axis of n cells: (cell, weight, whether it exists) of the cells that positions p lie on or between."""
    on_image = (p >= 0) & (p <= n - 1)
    p = _folded(p, n, fill_mode)
    if interpolation == "nearest":
        cells = [(np.floor(p + 0.5), np.ones_like(p))]
    else:
        low = np.floor(p)
        cells = [(low, 1 - (p - low)), (low + 1, p - low)]
    for position, weight in cells:
        cell = position.astype(np.int64)
        exists = np.ones_like(on_image)
        if fill_mode == "constant":
            exists = on_image
        elif fill_mode == "grid-constant":
            exists = (cell >= 0) & (cell < n)
        yield cell % n if fill_mode == "grid-wrap" else np.clip(cell, 0, n - 1), weight, exists


def _folded(p: Array, n: int, fill_mode: str) -> Array:
    """Positions on an axis of n cells, those beyond it brought to where the image goes on; scipy's formulas."""
    if fill_mode == "reflect":
        p = np.where(p < 0, -p - 1, p)
        p = p - 2 * n * np.trunc(p / (2 * n))
        return np.where(p >= n, 2 * n - p - 1, p)
    if fill_mode == "wrap" and n > 1:
        last = n - 1
        p = np.where(p < 0, p + last * (np.trunc(-p / last) + 1), p)
        return np.where(p > last, p - last * np.trunc(p / last), p)
    return p if fill_mode.startswith("grid") else np.clip(p, 0, n - 1)


# Matrices. Numbers may be arrays of one shape, for a matrix each: (...) -> (..., 2, 3).


def affine(a: Any = 1.0, b: Any = 0.0, c: Any = 0.0, d: Any = 0.0, e: Any = 1.0, f: Any = 0.0) -> Array:
    """A matrix from its numbers: point = (a*row + b*column + c, d*row + e*column + f).

    >>> affine(c=3)
    array([[1., 0., 3.],
           [0., 1., 0.]])
    """
    numbers = np.broadcast_arrays(*(np.asarray(one, np.float64) for one in (a, b, c, d, e, f)))
    return np.stack(numbers, axis=-1).reshape(*numbers[0].shape, 2, 3)


def rotation(degrees: Any) -> Array:
    """The picture turns counter-clockwise about cell (0, 0)."""
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return affine(cos, sin, 0, -sin, cos)


def shift(rows: Any, columns: Any) -> Array:
    """The picture moves down and to the right by so many cells."""
    return affine(c=-np.asarray(rows), f=-np.asarray(columns))


def shear(rows: Any = 0.0, columns: Any = 0.0) -> Array:
    """Each step to the right looks ``rows`` cells further down, each step down ``columns`` cells further right."""
    return affine(b=rows, d=columns)


def zoom(rows: Any, columns: Any) -> Array:
    """Each step in the result is a step of so many cells in the image: above 1, the picture shrinks."""
    return affine(a=rows, e=columns)


def flip(size: Size, rows: Any, columns: Any) -> Array:
    """The picture upside down where ``rows`` is true, mirrored left to right where ``columns`` is."""
    rows, columns = np.asarray(rows, bool), np.asarray(columns, bool)
    height, width = size
    return affine(1 - 2.0 * rows, 0, (height - 1) * rows, 0, 1 - 2.0 * columns, (width - 1) * columns)


def product(*matrices: Array) -> Array:
    """One matrix for several: the last is applied to the result's cells first, as in a product of matrices.

    >>> product(shift(1, 0), shift(0, 2))
    array([[ 1.,  0., -1.],
           [ 0.,  1., -2.]])
    """
    result = matrices[0]
    for right in matrices[1:]:
        turned = result[..., :2] @ right  # (..., 2, 3)
        turned[..., 2] += result[..., 2]
        result = turned
    return result


def about_centre(matrix: Array, size: Size) -> Array:
    """The same, with the centre of images of this size in the place of cell (0, 0)."""
    row, column = (size[0] - 1) / 2, (size[1] - 1) / 2
    return product(shift(-row, -column), matrix, shift(row, column))


def resize(input_size: Size, size: Size) -> Array:
    """The whole picture in another size, edge to edge: a cell is a square, and its centre half a cell from its edges.

    With fill_mode "nearest" this is tf.image.resize, without antialiasing.

    >>> resize((4, 6), (2, 3))
    array([[2. , 0. , 0.5],
           [0. , 2. , 0.5]])
    """
    rows, columns = input_size[0] / size[0], input_size[1] / size[1]
    return affine(rows, 0, (rows - 1) / 2, 0, columns, (columns - 1) / 2)
