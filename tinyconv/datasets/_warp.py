"""Turning, stretching and denting images: for every pixel of the result, where in the source does it come from?

The affine part (turn, slant, scale, shift) moves all pixels by one matrix; the elastic part pushes them a little in
directions that change smoothly over the image, as a hand does. The source is read between its pixels (bilinear).
Source of the elastic part: P. Simard, D. Steinkraus, J. Platt, Best Practices for Convolutional Neural Networks Applied
to Visual Document Analysis, ICDAR 2003; here with a few pushes and smooth bumps instead of blurred noise.
"""

import numpy as np

from tinyconv._types import Array


def random_matrices(n: int, rng: np.random.Generator, turn: float, slant: float, scale: tuple[float, float]) -> Array:
    """Matrices (N, 2, 2) that map an offset (row, column) in the result to one in the source.

    Args:
        n: how many.
        rng: draws them.
        turn: largest turn in either direction, in degrees.
        slant: largest slant, in columns per row.
        scale: least and largest factor of enlargement, drawn for rows and columns apart.
    """
    angle = np.radians(rng.uniform(-turn, turn, n))
    shear = rng.uniform(-slant, slant, n)
    rows, columns = rng.uniform(*scale, (2, n))
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros(n), np.ones(n)
    turned = np.array([[cos, -sin], [sin, cos]])  # (2, 2, N)
    slanted = np.array([[one, zero], [shear, one]])  # (2, 2, N)
    scaled = np.array([[1 / rows, zero], [zero, 1 / columns]])  # (2, 2, N): the inverse, since we go backwards
    return np.einsum("ijn,jkn,kln->nil", scaled, slanted, turned)  # (N, 2, 2)


def random_pushes(n: int, size: int, rng: np.random.Generator, strength: float, bumps: int = 5) -> Array:
    """Smooth displacements (N, 2, size, size) in pixels, whose standard deviation is about ``strength``.

    ``bumps`` x ``bumps`` random pushes, each spread by a Gaussian over its surroundings.
    """
    pixel = np.arange(size)[:, None]
    centre = np.linspace(0, size - 1, bumps)[None, :]
    spread = np.exp(-0.5 * ((pixel - centre) / (size / bumps)) ** 2)  # (size, bumps)
    spread /= np.sqrt((spread**2).sum(axis=1, keepdims=True))  # unit variance at every pixel
    pushes = rng.normal(0, strength, (n, 2, bumps, bumps))
    return spread @ pushes @ spread.T  # (N, 2, size, size)


def sample(sources: Array, which: Array, matrices: Array, shifts: Array, pushes: Array) -> Array:
    """Read one distorted image out of a stack of source images for each matrix.

    Args:
        sources: (M, S, S) float; dark at the edges, because what lies outside is taken from the edge.
        which: (N,) indices of the sources.
        matrices: (N, 2, 2), from an offset to the centre of the result to one in the source, in result pixels.
        shifts: (N, 2) pixels (rows, columns) that the image is moved by.
        pushes: (N, 2, size, size) pixels that each point is moved by.

    Returns:
        (N, size, size). The result covers the whole source: one of its pixels is S / size source pixels.

    >>> source = np.zeros((1, 4, 4))
    >>> source[0, 1, 1] = 1
    >>> sample(source, np.array([0]), np.eye(2)[None], np.array([[0, 1]]), np.zeros((1, 2, 4, 4)))[0]
    array([[0., 0., 0., 0.],
           [0., 0., 1., 0.],
           [0., 0., 0., 0.],
           [0., 0., 0., 0.]])
    """
    n, _, size, _ = pushes.shape
    side = sources.shape[1]
    offset = np.arange(size) - (size - 1) / 2
    grid = np.stack(np.meshgrid(offset, offset, indexing="ij")).reshape(1, 2, -1)  # (1, 2, size*size)
    moved = matrices @ (grid - shifts[:, :, None]) + pushes.reshape(n, 2, -1)  # (N, 2, size*size)
    points = moved * (side / size) + (side - 1) / 2
    row, column = points[:, 0], points[:, 1]  # (N, size*size) each
    return _bilinear(sources, which[:, None], row, column).reshape(n, size, size)


def _bilinear(sources: Array, which: Array, row: Array, column: Array) -> Array:
    last = sources.shape[1] - 1
    row, column = np.clip(row, 0, last), np.clip(column, 0, last)
    top, left = np.minimum(row.astype(np.intp), last - 1), np.minimum(column.astype(np.intp), last - 1)
    down, right = (row - top).astype(sources.dtype), (column - left).astype(sources.dtype)  # 0 to 1
    start = (which * (last + 1) + top) * (last + 1) + left  # place of the upper left neighbour in the flat stack
    cells = sources.reshape(-1)
    upper = cells[start] * (1 - right) + cells[start + 1] * right
    lower = cells[start + last + 1] * (1 - right) + cells[start + last + 2] * right
    return upper * (1 - down) + lower * down
