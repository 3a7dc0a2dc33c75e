"""One image between a file and an array: read, converted, resized, and written again.

The functions have Keras's names, arguments and results. Pillow decodes; what it makes of odd files is stated here:

    16 bits a pixel, grey   kept with color_mode="grayscale" (0 to 65535), else made 0 to 255 by dividing by 257,
                            where Keras cuts off at 255 and shows white
    CMYK                    the colours that Pillow computes from the four inks, without a colour profile
    palette, transparency   the colours of the palette; "rgba" keeps the transparency, "rgb" drops it
    animation               the first picture
    EXIF orientation        not looked at, as in Keras; with upright=True the image is turned as it says
    damaged, cut short      an error that names the file; nothing is guessed

An array is resized by `resize`, as TensorFlow does it; an image of Pillow's by `resized`, as Pillow does it, which
also averages where it makes an image smaller. Both are given a size as (height, width).
"""

import contextlib
import io
import os
import warnings
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import did_you_mean, first_index, lookup, sentence
from tinyconv.files import replacing
from tinyconv.geometry import pair

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "UnreadableImageError",
    "array_to_img",
    "converted",
    "eight_bits",
    "img_to_array",
    "load_img",
    "read_image",
    "resize",
    "resized",
    "save_img",
    "smart_resize",
    "turned",
    "why_unreadable",
]

Source = str | bytes | os.PathLike[str] | zipfile.Path | io.BytesIO
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_RESAMPLINGS = {name: name.upper() for name in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")}
#: What to do about an error, by its name; "Remove or replace it." for all others.
_WAYS_OUT = {
    "IsADirectoryError": "Name a file in it.",
    "PermissionError": "Change its permissions.",
    "DecompressionBombError": "If you trust the file, set PIL.Image.MAX_IMAGE_PIXELS = None.",
}


class UnreadableImageError(ValueError, OSError):
    """A file is there and cannot be read as an image.

    It is a ValueError like every other wrong value in tinyconv, and an OSError because Pillow's own errors are one.
    """


# Reading


def load_img(
    path: Source,
    color_mode: str = "rgb",
    target_size: int | tuple[int, int] | None = None,
    interpolation: str = "nearest",
    keep_aspect_ratio: bool = False,
    *,
    upright: bool = False,
) -> "Image":
    """An image file as an image of Pillow's.

    Args:
        path: of the file, also inside a zip file (`zipfile.Path`), or its contents as `io.BytesIO`.
        color_mode: "rgb", "rgba" or "grayscale". Grey images of 16 or 32 bits a pixel stay so with "grayscale".
        target_size: (height, width), a single number for both, or None for the size in the file.
        interpolation: "nearest", "bilinear", "bicubic", "box", "hamming" or "lanczos".
        keep_aspect_ratio: cut off what does not fit ``target_size``, the same at both ends, instead of distorting.
        upright: turn the photo as its EXIF orientation says. Keras does not have this, and never turns.

    Raises:
        FileNotFoundError: if there is no such file.
        UnreadableImageError: if it cannot be read as an image; the message gives its path.
        ValueError: for an unknown ``color_mode`` or ``interpolation``, or a ``target_size`` that is no size.
    """
    lookup("color_mode", color_mode, _MODES)
    lookup("interpolation", interpolation, _RESAMPLINGS)
    size = None if target_size is None else pair(target_size, "target_size", "load_img")
    with _opened(path) as image:
        image.load()
        image = converted(turned(image) if upright else image, color_mode)
        return image if size is None else resized(image, size, interpolation, keep_aspect_ratio)


def read_image(file: Source, size: tuple[int, int]) -> Array:
    """One photo as (height, width, 3) uint8: turned as its EXIF orientation says, made RGB, resized (bilinear).

    A JPEG far larger than asked for is decoded at a half, quarter or eighth of its size, which is quicker.

    Raises:
        FileNotFoundError, UnreadableImageError: as `load_img`.
    """
    with _opened(file) as image:
        image.draft("RGB", (2 * max(size), 2 * max(size)))
        return np.asarray(resized(converted(turned(image), "rgb"), size, "bilinear"))  # (H, W, 3)


@contextlib.contextmanager
def _opened(source: Source) -> "Iterator[Image]":
    """The image of a file, not decoded yet. What goes wrong meanwhile becomes an error that names the file."""
    from PIL import Image

    named = f"image {_name(source)}"
    try:
        yield Image.open(io.BytesIO(_contents(source)))
    except FileNotFoundError as error:
        raise FileNotFoundError(sentence(named, "a file that Pillow can read", why_unreadable(error))) from error
    except Warning:
        raise  # nothing is wrong with the file: somebody asked for warnings to be errors
    except Exception as error:  # Pillow has no common error for damaged files: OSError, SyntaxError, struct.error, ...
        way_out = _WAYS_OUT.get(type(error).__name__, "Remove or replace it.")
        text = sentence(named, "a file that Pillow can read", why_unreadable(error), way_out)
        raise UnreadableImageError(text) from error


def _contents(source: Source) -> bytes:
    if isinstance(source, io.BytesIO):
        contents = source.getvalue()
    else:
        contents = (source if isinstance(source, zipfile.Path) else Path(os.fsdecode(source))).read_bytes()
    if not contents:
        raise UnreadableImageError("an empty file")
    return contents


def _name(source: Source) -> str:
    if isinstance(source, io.BytesIO):
        return "in io.BytesIO"
    if isinstance(source, str | bytes | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, zipfile.Path):
        return str(source)
    kinds = "a path (str, bytes, pathlib.Path, zipfile.Path) or io.BytesIO"
    raise TypeError(sentence("load_img", f"{kinds} as path", type(source).__name__))


def why_unreadable(error: Exception) -> str:
    """What Pillow or the system says of a file that cannot be read, in words for the user."""
    from PIL import Image, UnidentifiedImageError

    reasons: dict[type[Exception], str] = {
        UnreadableImageError: str(error),
        FileNotFoundError: "no file of this name",
        IsADirectoryError: "a folder",
        PermissionError: "a file that this user may not read",
        UnidentifiedImageError: "something that is no image",
        Image.DecompressionBombError: "more pixels than Pillow takes for harmless",
    }
    known = next((text for kind, text in reasons.items() if isinstance(error, kind)), None)
    cut_short = "truncated" in str(error).lower()
    return known or ("a file that is cut short" if cut_short else f"{type(error).__name__}: {error}")


# Converting and resizing Pillow's images


def turned(image: "Image") -> "Image":
    """The image as the camera was held, by its EXIF orientation."""
    from PIL import ImageOps

    return ImageOps.exif_transpose(image)


def converted(image: "Image", color_mode: str) -> "Image":
    """The image in another colour mode; see the table at the head of this file."""
    mode = _MODES[color_mode]
    deep = image.mode.startswith("I")  # 16 or 32 bits a pixel
    if image.mode == mode or (deep and mode == "L"):
        return image
    if deep:
        image = eight_bits(image)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the way that Pillow asks for, in a warning, where one goes to RGB at once
    return image.convert(mode)


def eight_bits(image: "Image") -> "Image":
    """A grey image of 16 bits a pixel with 8 bits: 0 to 65535 becomes 0 to 255."""
    from PIL import Image

    return Image.fromarray(((np.asarray(image).astype(np.int64) + 128) // 257).clip(0, 255).astype(np.uint8))


def resized(image: "Image", size: tuple[int, int], interpolation: str, keep_aspect_ratio: bool = False) -> "Image":
    """The image at (height, width); itself if it has that size already."""
    from PIL import Image

    height, width = size
    if image.size == (width, height):
        return image
    box = None
    if keep_aspect_ratio:
        crop_width = min(image.width, image.height * width // height)
        crop_height = min(image.height, image.width * height // width)
        left, top = (image.width - crop_width) // 2, (image.height - crop_height) // 2
        box = (left, top, left + crop_width, top + crop_height)
    return image.resize((width, height), Image.Resampling[_RESAMPLINGS[interpolation]], box=box)


# Arrays


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """An image of Pillow's as an array (H, W, C), or (C, H, W) with ``data_format="channels_first"``.

    Args:
        img: an image, or an array (H, W) or (H, W, C).
        data_format: where the channels are to be; last unless given.
        dtype: of the result, `config.floatx()` unless given. The values stay: 0 to 255 for usual images.
    """
    last = _channels_last(data_format, "img_to_array")
    if isinstance(img, str | bytes | os.PathLike):
        raise TypeError(sentence("img_to_array", "an image", f"the path {_name(img)!r}", "Read it first: load_img()."))
    x = np.asarray(img, dtype or config.floatx())
    if x.ndim == 2:
        x = x[..., np.newaxis]  # (H, W, 1)
    if x.ndim != 3:
        raise ValueError(sentence("img_to_array", "one image of shape (H, W) or (H, W, C)", f"shape {x.shape}"))
    return x if last else x.transpose(2, 0, 1)  # (C, H, W)


def array_to_img(x: Any, data_format: str | None = None, scale: bool = True, dtype: Any = None) -> "Image":
    """An array (H, W, C) as an image of Pillow's: grey for 1 channel, RGB for 3, RGBA for 4.

    Args:
        x: the values of one image.
        data_format: "channels_first" where ``x`` is (C, H, W).
        scale: stretch the values so that the smallest becomes 0 and the largest 255; else they are taken as they are,
            and a grey image with values above 255 gets 32 bits a pixel.
        dtype: to compute with, `config.floatx()` unless given.

    Raises:
        ValueError: for another shape, or values that are NaN or infinite.
    """
    from PIL import Image

    last = _channels_last(data_format, "array_to_img")
    x = np.asarray(x, dtype or config.floatx())
    if x.ndim != 3:
        way_out = "Take one image of a batch: x[0]." if x.ndim == 4 else "Add the channel: x[..., None]."
        raise ValueError(sentence("array_to_img", "one image of shape (H, W, C)", f"x.shape={x.shape}", way_out))
    x = x if last else x.transpose(1, 2, 0)  # (H, W, C)
    if x.shape[2] not in (1, 3, 4):
        raise ValueError(sentence("array_to_img", "1, 3 or 4 channels", f"x.shape={x.shape}"))
    if not np.isfinite(x).all():
        i = first_index(~np.isfinite(x))
        raise ValueError(sentence("array_to_img", "finite numbers", f"{x[i]} at x[{', '.join(map(str, i))}]"))
    if scale and x.size:
        x = x - x.min()
        x = x / (x.max() or 1) * 255
    x = x[..., 0] if x.shape[2] == 1 else x
    return Image.fromarray(x.astype(np.int32 if x.ndim == 2 and x.max(initial=0) > 255 else np.uint8))


def save_img(
    path: str | os.PathLike[str] | BinaryIO,
    x: Any,
    data_format: str | None = None,
    file_format: str | None = None,
    scale: bool = True,
    **kwargs: Any,
) -> None:
    """Write an array (H, W, C) as an image file; until the new one is whole, the old one stays.

    Args:
        path: of the file, or an open file.
        x: the values of one image.
        data_format: "channels_first" where ``x`` is (C, H, W).
        file_format: "png", "jpeg", ...; told by the ending of ``path`` unless given.
        scale: stretch the values to 0 to 255, as `array_to_img` does.
        **kwargs: handed to Pillow's ``Image.save``, such as ``quality=90``.

    Raises:
        ValueError: for an unknown format, an image that the format cannot hold, or as `array_to_img`.
        FileNotFoundError: if the folder is missing.
    """
    where = Path(path) if isinstance(path, str | os.PathLike) else None
    file_format = (file_format or (where.suffix[1:] if where else "")).lower()
    file_format = "jpeg" if file_format == "jpg" else file_format
    image = array_to_img(x, data_format, scale)
    if image.mode == "RGBA" and file_format == "jpeg":
        warnings.warn("The JPEG format does not support RGBA images, converting to RGB.", stacklevel=2)
        image = image.convert("RGB")
    encoded = _encoded(image, file_format, f"image {where}" if where else "save_img", kwargs)
    if isinstance(path, str | os.PathLike):
        folder = Path(path).parent
        if not folder.is_dir():
            raise FileNotFoundError(sentence(f"image {path}", "a folder that exists", f"no folder {folder}"))
        with replacing(Path(path)) as file:
            file.write(encoded)
    else:
        path.write(encoded)


def _encoded(image: "Image", file_format: str, where: str, settings: dict[str, Any]) -> bytes:
    """The image as the contents of a file."""
    from PIL import Image

    formats = {ending[1:] for ending, name in Image.registered_extensions().items() if name.upper() in Image.SAVE}
    if file_format not in formats | {name.lower() for name in Image.SAVE}:
        expected = "an ending or file_format that Pillow can write, such as png or jpeg"
        raise ValueError(sentence(where, expected, repr(file_format), did_you_mean(file_format, formats)))
    file = io.BytesIO()
    try:
        image.save(file, Image.registered_extensions().get(f".{file_format}", file_format), **settings)
    except OSError as error:
        raise ValueError(sentence(where, f"an image that {file_format} can hold", str(error), "Use png.")) from error
    return file.getvalue()


def _channels_last(data_format: str | None, where: str) -> bool:
    if data_format not in (None, "channels_last", "channels_first"):
        expected = "data_format='channels_last' or 'channels_first'"
        raise ValueError(sentence(where, expected, f"data_format={data_format!r}"))
    return data_format != "channels_first"


# Resizing arrays

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
    last = _channels_last(data_format, "smart_resize")
    height, width = pair(size, "size", "smart_resize")
    x = np.asarray(x)
    if x.ndim not in (3, 4):
        raise ValueError(sentence("smart_resize", "(H, W, C) or (N, H, W, C)", f"x.shape={x.shape}"))
    x = x if last else np.moveaxis(x, -3, -1)  # (..., H, W, C)
    h, w = x.shape[-3:-1]
    crop_height = max(min(h, int(float(w * height) / width)), 1)
    crop_width = max(min(w, int(float(h * width) / height)), 1)
    top, left = (h - crop_height) // 2, (w - crop_width) // 2
    cut = x[..., top : top + crop_height, left : left + crop_width, :]  # (..., crop_height, crop_width, C)
    y = resize(cut, (height, width), interpolation)  # (..., height, width, C)
    return y if last else np.moveaxis(y, -1, -3)


def resize(images: Array, size: tuple[int, int], interpolation: str = "bilinear") -> Array:
    """Images (..., H, W, C) at another height and width, as ``tf.image.resize`` computes them.

    A pixel is a small square, and the value stands for its middle. Each pixel of the result looks at the place of its
    middle and weighs the pixels around it; beyond the border there is none. Nothing is averaged: an image made much
    smaller skips pixels.

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
    if interpolation != "nearest":
        images = images.astype(np.result_type(images.dtype, np.float32) if images.dtype.kind == "f" else np.float32)
    for axis, length in zip((-3, -2), size, strict=True):
        if images.shape[axis] != length:
            images = _resize_axis(images, axis, length, interpolation)
    return images


def _resize_axis(images: Array, axis: int, length: int, interpolation: str) -> Array:
    """One axis at another length: for each place in the result, a few pixels and their weights."""
    n = images.shape[axis]
    middle = (np.arange(length) + 0.5) * (n / length)  # (length,): each place of the result in the image, 0 to n
    if interpolation == "nearest":
        return images.take(np.floor(middle).astype(int).clip(0, n - 1), axis)
    kernel, radius = _KERNELS[interpolation]
    pixels = np.ceil(middle - radius - 0.5).astype(int)[:, np.newaxis] + np.arange(2 * radius)  # (length, taps)
    distance = np.abs(pixels + 0.5 - middle[:, np.newaxis])  # (length, taps)
    weights = np.where((pixels >= 0) & (pixels < n) & (distance < radius), kernel(distance), 0)
    weights = (weights / weights.sum(1, keepdims=True)).astype(images.dtype)
    pixels, along = pixels.clip(0, n - 1), (length,) + (1,) * (-axis - 1)
    total = images.take(pixels[:, 0], axis) * weights[:, 0].reshape(along)  # (..., length, ...)
    for tap in range(1, 2 * radius):
        total += images.take(pixels[:, tap], axis) * weights[:, tap].reshape(along)
    return total
