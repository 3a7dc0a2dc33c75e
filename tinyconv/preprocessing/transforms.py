"""Small changes to an image that leave what it shows: turned, shifted, slanted, zoomed, recoloured, made brighter.

Whatever moves pixels is one matrix and one warp, however many of the changes come together:

    point read from the image = about the centre(rotation @ shift @ shear @ zoom) @ point of the result

These are the functions of Keras's old `preprocessing.image`, with its arguments and its results. The results include
two oddities. Its x runs along the columns, but is named for the height: `tx`, which `height_shift_range` sets, moves an
image sideways, and `ty` moves it up and down. And on images that are not square, the point that everything turns about
is as far from the top as the centre is from the left, and the other way round.
"""

from typing import Any

import numpy as np

from tinyconv import config, warp
from tinyconv._types import Array
from tinyconv.checks import lookup, sentence
from tinyconv.engine.warping import warped

__all__ = [
    "apply_affine_transform",
    "apply_brightness_shift",
    "apply_channel_shift",
    "random_brightness",
    "random_channel_shift",
    "random_rotation",
    "random_shear",
    "random_shift",
    "random_zoom",
]

# Stacks of images


def affine_matrices(
    size: tuple[int, int],
    theta: Any = 0.0,
    tx: Any = 0.0,
    ty: Any = 0.0,
    shear: Any = 0.0,
    zx: Any = 1.0,
    zy: Any = 1.0,
) -> Array:
    """Matrices that take a place (row, column, 1) of the result to the point of the image that is seen there.

    Args:
        size: (H, W) of the images.
        theta, shear: degrees; a number, or (N,) for as many images.
        tx, ty: pixels that the point moves by: to the right, and down.
        zx, zy: how much of the image is shown of its width and its height: 0.5 enlarges twice.

    Returns:
        (2, 3), or (N, 2, 3).

    >>> affine_matrices((5, 5), theta=90, tx=1).round()
    array([[ 0.,  1.,  1.],
           [-1.,  0.,  4.]])
    """
    slant = np.radians(shear)
    moves = (
        warp.rotation(theta),
        warp.shift(-np.asarray(ty), -np.asarray(tx)),
        warp.affine(a=np.cos(slant), d=-np.sin(slant)),
        warp.zoom(zy, zx),
    )
    return warp.about_centre(warp.product(*moves), size[::-1])  # with W for H, as Keras does


def warp_images(images: Array, matrices: Array, fill_mode: str, cval: float, order: int) -> Array:
    """(N, H, W, C) -> (N, H, W, C), all channels of an image by its one matrix; float64 stays, all else is float32."""
    if images.dtype not in (np.uint8, np.float32, np.float64):
        images = images.astype(np.float32)
    if order > 1:
        return _warp_by_splines(images, matrices, fill_mode, cval, order)
    settings: dict[str, Any] = {"fill_mode": fill_mode, "fill_value": cval}
    settings["interpolation"] = "bilinear" if order else "nearest"
    return (warp.warp if images.dtype == np.float64 else warped)(images, matrices, **settings)


def _warp_by_splines(images: Array, matrices: Array, fill_mode: str, cval: float, order: int) -> Array:
    try:
        from scipy import ndimage
    except ImportError as error:
        way_out = "Install it with pip install scipy, or use interpolation_order=1."
        received = f"interpolation_order={order}, and no SciPy is found"
        raise ImportError(sentence("interpolation by splines", "SciPy to be installed", received, way_out)) from error

    moved = np.empty(images.shape, np.float64 if images.dtype == np.float64 else np.float32)
    for image, matrix, out in zip(images, matrices, moved, strict=True):
        for c in range(images.shape[3]):
            out[..., c] = ndimage.affine_transform(
                image[..., c].astype(moved.dtype), matrix[:, :2], matrix[:, 2], order=order, mode=fill_mode, cval=cval
            )
    return moved


def shift_channels(images: Array, intensities: Array) -> Array:
    """(N, H, W, C): an amount added to each image, which stays between its own least and largest value."""
    low, high = images.min((1, 2, 3), keepdims=True), images.max((1, 2, 3), keepdims=True)  # (N, 1, 1, 1)
    shifted = images + np.asarray(intensities, images.dtype)[:, None, None, None]
    return np.clip(shifted, low, high, out=shifted)


def shift_brightness(images: Array, factors: Array, scale: bool) -> Array:
    """(N, H, W, C): each image times its factor, on the scale of 0 to 255 and in whole numbers, as image files have.

    Args:
        images: float; those with numbers below 0 or above 255 are stretched to that scale first.
        factors: (N,).
        scale: whether every image is stretched, and stays so. If not, those that were come back to their own scale.
    """
    low, high = images.min((1, 2, 3), keepdims=True), images.max((1, 2, 3), keepdims=True)  # (N, 1, 1, 1)
    span = high - low
    stretched = (low < 0) | (high > 255) | scale
    unit = (images - low) / np.where(span == 0, 1, span)
    pixels = np.floor(np.where(stretched, unit * 255, images))
    brighter = np.floor(np.clip(np.asarray(factors, images.dtype)[:, None, None, None] * pixels, 0, 255))
    if images.shape[3] == 4:
        brighter[..., 3] = pixels[..., 3]  # how opaque a pixel is does not depend on the light
    return brighter if scale else np.where(stretched, brighter / 255 * span + low, brighter)


# One image


def apply_affine_transform(
    x: Any,
    theta: float = 0,
    tx: float = 0,
    ty: float = 0,
    shear: float = 0,
    zx: float = 1,
    zy: float = 1,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    order: int = 1,
) -> Array:
    """Turn, shift, slant and zoom an image, in one step.

    Args:
        x: an image, (C, H, W) unless the axes say otherwise.
        theta: degrees to turn by.
        tx, ty: pixels to shift by; see the head of this module for their directions.
        shear: degrees to slant by.
        zx, zy: zoom: below 1 enlarges, above 1 makes smaller.
        row_axis, col_axis, channel_axis: where in the shape H, W and C stand; C is first or last.
        fill_mode: what stands outside: ``'nearest'``, ``'constant'``, ``'reflect'`` or ``'wrap'``.
        cval: the number outside, for ``'constant'``.
        order: of the interpolation: 0 takes the nearest pixel, 1 mixes four; 2 to 5 are splines, which need SciPy.

    Returns:
        An image of the same shape and type.

    Raises:
        ValueError: for another number of axes, or unknown settings.

    >>> apply_affine_transform(np.array([[[1, 2, 3], [4, 5, 6]]]), ty=1)
    array([[[4, 5, 6],
            [4, 5, 6]]])
    """
    image = _image(x, "apply_affine_transform")
    _check_axes("apply_affine_transform", row_axis, col_axis, channel_axis)
    check_filling(fill_mode, order, "apply_affine_transform")
    if (theta, tx, ty, shear, zx, zy) == (0, 0, 0, 0, 1, 1):
        return image
    axes = (row_axis, col_axis, channel_axis)
    stack = image.transpose(axes)[None]  # (1, H, W, C)
    stack = stack if image.dtype.kind == "f" else stack.astype(float)
    matrices = affine_matrices((stack.shape[1], stack.shape[2]), theta, tx, ty, shear, zx, zy)[None]
    moved = warp_images(stack, matrices, fill_mode, cval, order)[0]  # (H, W, C)
    return _as_type(moved, image.dtype).transpose(np.argsort(axes))  # (C, H, W)


def apply_channel_shift(x: Any, intensity: float, channel_axis: int = 0) -> Array:
    """Add a number to all pixels of an image, which stay between its least and its largest.

    ``channel_axis`` is there because Keras has it: all channels get the same.

    >>> apply_channel_shift(np.array([[[0.0, 5.0, 9.0]]]), 3)
    array([[[3., 8., 9.]]])
    """
    image = _image(x, "apply_channel_shift")
    return np.clip(image + intensity, image.min(), image.max())


def apply_brightness_shift(x: Any, brightness: float, scale: bool = True) -> Array:
    """Multiply an image by a number, on the scale of 0 to 255 and in whole numbers.

    Args:
        x: an image (H, W, C).
        brightness: the factor: 0 is black, 1 leaves it.
        scale: whether the image is first stretched to the whole scale of 0 to 255. If not, only an image with numbers
            outside of it is, and comes back to its own scale.

    Returns:
        (H, W, C) float32.

    >>> apply_brightness_shift(np.array([[[10.0], [100.0], [200.0]]]), 1.5, scale=False)[..., 0]
    array([[ 15., 150., 255.]], dtype=float32)
    """
    image = _image(x, "apply_brightness_shift").astype(np.float32)
    return shift_brightness(image[None], np.array([brightness]), scale)[0]


# One image, changed by chance


def random_rotation(
    x: Any,
    rg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Turn an image by up to ``rg`` degrees in either direction; the rest as in `apply_affine_transform`."""
    theta = config.stream("augmentation").uniform(-rg, rg)
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(x, theta, 0, 0, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shift(
    x: Any,
    wrg: float,
    hrg: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Shift an image by up to ``wrg`` and ``hrg`` of its size; the rest as in `apply_affine_transform`."""
    stream = config.stream("augmentation")
    image, axes = _image(x, "random_shift"), (row_axis, col_axis, channel_axis)
    _check_axes("random_shift", *axes)
    tx = stream.uniform(-hrg, hrg) * image.shape[row_axis]
    ty = stream.uniform(-wrg, wrg) * image.shape[col_axis]
    return apply_affine_transform(image, 0, tx, ty, 0, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_shear(
    x: Any,
    intensity: float,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Slant an image by up to ``intensity`` degrees in either direction; the rest as in `apply_affine_transform`."""
    shear = config.stream("augmentation").uniform(-intensity, intensity)
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(x, 0, 0, 0, shear, 1, 1, *axes, fill_mode, cval, interpolation_order)


def random_zoom(
    x: Any,
    zoom_range: Any,
    row_axis: int = 1,
    col_axis: int = 2,
    channel_axis: int = 0,
    fill_mode: str = "nearest",
    cval: float = 0.0,
    interpolation_order: int = 1,
) -> Array:
    """Zoom an image by two factors out of ``zoom_range``, a pair; the rest as in `apply_affine_transform`."""
    low, high = two_numbers(zoom_range, "zoom_range", "random_zoom")
    zx, zy = config.stream("augmentation").uniform(low, high, 2)
    axes = row_axis, col_axis, channel_axis
    return apply_affine_transform(x, 0, 0, 0, 0, zx, zy, *axes, fill_mode, cval, interpolation_order)


def random_channel_shift(x: Any, intensity_range: float, channel_axis: int = 0) -> Array:
    """`apply_channel_shift` by up to ``intensity_range`` in either direction."""
    intensity = config.stream("augmentation").uniform(-intensity_range, intensity_range)
    return apply_channel_shift(x, intensity, channel_axis)


def random_brightness(x: Any, brightness_range: Any, scale: bool = True) -> Array:
    """`apply_brightness_shift` by a factor out of ``brightness_range``, a pair."""
    low, high = two_numbers(brightness_range, "brightness_range", "random_brightness")
    return apply_brightness_shift(x, config.stream("augmentation").uniform(low, high), scale)


# Checks


def check_filling(fill_mode: str, order: int, where: str) -> None:
    """ValueError for an unknown fill mode or order of interpolation."""
    lookup("fill_mode", fill_mode, warp.FILL_MODES)
    if order not in range(6):
        way_out = "0 takes the nearest pixel, 1 mixes four (bilinear), 2 to 5 are splines."
        raise ValueError(sentence(where, "an order of interpolation from 0 to 5", f"{order!r}", way_out))


def two_numbers(value: Any, name: str, where: str) -> tuple[float, float]:
    """The two numbers of a tuple or list, or a ValueError."""
    numbers = isinstance(value, tuple | list | np.ndarray) and len(value) == 2 and all(map(is_number, value))
    if not numbers:
        way_out = f"For example {name}=(0.8, 1.2)."
        raise ValueError(sentence(where, f"{name} as a pair of numbers", f"{name}={value!r}", way_out))
    return value[0], value[1]


def is_number(value: Any) -> bool:
    """Whether something is a real number, and neither NaN nor infinite."""
    return isinstance(value, int | float | np.number) and bool(np.isfinite(value))


def _image(x: Any, where: str) -> Array:
    image = np.asarray(x)
    if image.dtype.kind not in "biuf" or image.ndim != 3:
        received = f"shape {image.shape}, dtype {image.dtype}"
        raise ValueError(sentence(where, "one image: an array of numbers with three axes", received))
    return image


def _check_axes(where: str, row_axis: int, col_axis: int, channel_axis: int) -> None:
    if {row_axis, col_axis, channel_axis} != {0, 1, 2} or channel_axis == 1:
        received = f"row_axis={row_axis}, col_axis={col_axis}, channel_axis={channel_axis}"
        way_out = "For images (H, W, C) write row_axis=0, col_axis=1, channel_axis=2."
        raise ValueError(sentence(where, "axes 0, 1 and 2, that of the channels first or last", received, way_out))


def _as_type(x: Array, dtype: np.dtype[Any]) -> Array:
    """Floats as another type; whole numbers are the nearest, halves away from zero, and stay within their type."""
    if dtype.kind == "f":
        return x.astype(dtype, copy=False)
    if dtype.kind == "b":
        return x >= 0.5
    limits = np.iinfo(dtype)
    return np.clip(np.trunc(x + np.copysign(0.5, x)), limits.min, limits.max).astype(dtype)
