"""Images as arrays, at another height and width, as ``tf.image.resize`` computes them.

A pixel is a small square, and the value stands for its middle. Each pixel of the result looks at the place of its
middle in the image and weighs the pixels around it; beyond the border there is none. Here 2 pixels become 4:

    image         |       0       |       4       |
    result        |   0   |   1   |   3   |   4   |        1 = 3/4 * 0 + 1/4 * 4, for that is how near they are

First one takes rows, then columns. Nothing is averaged: an image that is made much smaller skips pixels.
"""

import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import lookup, sentence
from tinyconv.geometry import largest_part, pair
from tinyconv.preprocessing.files import has_channels_last

__all__ = ["resize", "smart_resize"]

#: Weight of a pixel at a distance from the place looked at, and the distance where it ends.
_KERNELS: dict[str, tuple[Callable[[Array], Array], int]] = {
    "bilinear": (lambda d: 1 - d, 1),
    "bicubic": (lambda d: np.where(d < 1, (1.5 * d - 2.5) * d * d + 1, ((-0.5 * d + 2.5) * d - 4) * d + 2), 2),
    "lanczos3": (lambda d: np.sinc(d) * np.sinc(d / 3), 3),
    "lanczos5": (lambda d: np.sinc(d) * np.sinc(d / 5), 5),
}


def smart_resize(
    x: Any, size: tuple[int, int], interpolation: str = "bilinear", data_format: str | None = "channels_last"
) -> Array:
    """Cut the largest part of the right proportions from the middle of an image, and resize it.

    So nothing is distorted: (340, 500) to (200, 200) takes the middle (340, 340).

    Args:
        x: (H, W, C), or a batch (N, H, W, C).
        size: (height, width) of the result.
        interpolation: as `resize`.
        data_format: "channels_first" for (C, H, W) and (N, C, H, W).

    Returns:
        float32, or the type of ``x`` with interpolation="nearest".
    """
    last = has_channels_last(data_format, "smart_resize")
    height, width = pair(size, "size", "smart_resize")
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        raise ValueError(sentence("smart_resize", "(H, W, C) or (N, H, W, C)", f"x.shape={x.shape}"))
    x = x if last else np.moveaxis(x, -3, -1)  # (..., H, W, C)
    part = largest_part(x.shape[-3:-1], (height, width))
    cut = x[..., part.top : part.top + part.height, part.left : part.left + part.width, :]  # (..., part's size, C)
    y = resize(cut, (height, width), interpolation)  # (..., height, width, C)
    return y if last else np.moveaxis(y, -1, -3)


def resize(images: Array, size: tuple[int, int], interpolation: str = "bilinear") -> Array:
    """Images (..., H, W, C) at another height and width.

    Args:
        images: any number of them.
        size: (height, width).
        interpolation: "nearest", "bilinear", "bicubic", "lanczos3" or "lanczos5".

    Returns:
        (..., height, width, C) float32 (float64 stays), or the type of ``images`` with interpolation="nearest".

    >>> resize(np.array([[[0.0], [4.0]]]), (1, 4)).ravel()
    array([0., 1., 3., 4.])
    """
    lookup("interpolation", interpolation, {**_KERNELS, "nearest": None})
    dtype = images.dtype
    if interpolation != "nearest":
        dtype = np.result_type(dtype, np.float32) if dtype.kind == "f" else np.dtype(np.float32)
        images = images if images.dtype == np.uint8 else images.astype(dtype)  # bytes when they are weighed
    for axis, length in zip((-3, -2), size, strict=True):
        if images.shape[axis] != length:
            images = _resize_axis(images, axis, *_taps(images.shape[axis], length, interpolation, dtype))
    return images.astype(dtype, copy=False)


def _resize_axis(images: Array, axis: int, pixels: Array, weights: Array | None) -> Array:
    """One axis at another length: for each place in the result, a few pixels (taps, length) and their weights."""
    if weights is None:
        return images.take(pixels[0], axis)  # (..., length, ...)
    weights = weights.reshape(*weights.shape, *[1] * (-axis - 1))  # (taps, length, 1, ...)
    total = images.take(pixels[0], axis) * weights[0]  # (..., length, ...)
    for tap in range(1, len(pixels)):
        total += images.take(pixels[tap], axis) * weights[tap]
    return total


@functools.lru_cache(maxsize=64)  # most images of a folder have the same few sizes
def _taps(n: int, length: int, interpolation: str, dtype: "np.dtype[Any]") -> tuple[Array, Array | None]:
    """Which of n pixels each place in the result looks at, and how it weighs them: two arrays (taps, length)."""
    middle = (np.arange(length) + 0.5) * (n / length)  # (length,): each place of the result in the image, 0 to n
    if interpolation == "nearest":
        return np.floor(middle).astype(int).clip(0, n - 1)[np.newaxis], None
    kernel, radius = _KERNELS[interpolation]
    pixels = np.ceil(middle - radius - 0.5).astype(int) + np.arange(2 * radius)[:, np.newaxis]  # (taps, length)
    distance = np.abs(pixels + 0.5 - middle)  # (taps, length)
    weights = np.where((pixels >= 0) & (pixels < n) & (distance < radius), kernel(distance), 0)
    return pixels.clip(0, n - 1), (weights / weights.sum(0)).astype(dtype)
