"""One image between a file and an array: read, converted, resized, and written again.

The functions have Keras's names, arguments and results. Pillow decodes; what it makes of odd files is stated here:

    16 bits a pixel, grey   kept with color_mode="grayscale" (0 to 65535), else made 0 to 255 by dividing by 257,
                            where Keras cuts off at 255 and shows white
    CMYK                    the colours that Pillow computes from the four inks, without a colour profile
    palette, transparency   the colours of the palette; "rgba" keeps the transparency, "rgb" drops it
    floating point          cut off at 0 and 255
    animation               the first picture
    EXIF orientation        not looked at, as in Keras; with upright=True the image is turned as it says
    damaged, cut short      an error that names the file; nothing is guessed
    damaged metadata        Pillow's own UserWarning, such as of corrupt EXIF data; the pixels do not depend on them
    more than 89 million    an error too (`PIL.Image.MAX_IMAGE_PIXELS`), for a small file may claim them; Pillow itself
    pixels, or than 65,535  only warns, and takes minutes for lines that are very long
    at a side
    JPEG of over 100 scans  an error: a small file of very many would be decoded for hours
    Encapsulated PostScript no image here: it is a program, which Pillow would hand to Ghostscript

An image is resized as Pillow does it, which averages where it makes one smaller. `tinyconv.preprocessing.resizing` does
it to arrays, as TensorFlow does.
"""

import contextlib
import io
import os
import re
import warnings
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.archives import check_member
from tinyconv.checks import did_you_mean, first_index, lookup, sentence
from tinyconv.files import replacing
from tinyconv.geometry import largest_part, pair

if TYPE_CHECKING:
    from PIL.Image import Image

__all__ = [
    "UnreadableImageError",
    "array_to_img",
    "converted",
    "eight_bits",
    "has_channels_last",
    "img_to_array",
    "is_deep",
    "load_img",
    "opened",
    "read_image",
    "resized",
    "save_img",
    "turned",
]

Source = str | bytes | os.PathLike[str] | zipfile.Path | io.BytesIO
_MODES = {"grayscale": "L", "rgb": "RGB", "rgba": "RGBA"}
_RESAMPLINGS = {name: name.upper() for name in ("nearest", "bilinear", "bicubic", "hamming", "box", "lanczos")}
#: Pixels of the longest line that is read: a JPEG can have no more.
_LONGEST_SIDE = 65_535
#: Scans of a JPEG, and the marks in one: none is in the data of a scan, where 255 is followed by 0 or 0xd0 to 0xd7.
_MOST_SCANS = 100
_BEGIN, _END, _SCAN, _MARKER = b"\xff\xd8", b"\xff\xd9", b"\xff\xda", re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
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
    with opened(path) as image:
        image.load()
        image = converted(turned(image) if upright else image, color_mode)
        return image if size is None else resized(image, size, interpolation, keep_aspect_ratio)


def read_image(file: Source, size: tuple[int, int]) -> Array:
    """One photo as (height, width, 3) uint8: turned as its EXIF orientation says, made RGB, resized (bilinear).

    A JPEG far larger than asked for is decoded at a half, quarter or eighth of its size, which is quicker.

    Raises:
        FileNotFoundError, UnreadableImageError: as `load_img`.
    """
    with opened(file) as image:
        image.draft("RGB", (2 * max(size), 2 * max(size)))
        return np.asarray(resized(converted(turned(image), "rgb"), size, "bilinear"))  # (H, W, 3)


@contextlib.contextmanager
def opened(source: Source) -> "Iterator[Image]":
    """The image of a file, not decoded yet. What goes wrong in the block becomes an error that names the file.

    Raises:
        FileNotFoundError, UnreadableImageError: as `load_img`.
    """
    from PIL import Image

    named = f"image {_name(source)}"
    try:
        contents = _contents(source)
        image = Image.open(io.BytesIO(contents))
        if image.format in ("JPEG", "MPO") and _scans(contents) > _MOST_SCANS:
            raise UnreadableImageError(f"a JPEG of {_scans(contents):,} scans, which take longer than any camera's")
        if image.format == "EPS":
            raise UnreadableImageError("Encapsulated PostScript, a program that Ghostscript would run")
        most = Image.MAX_IMAGE_PIXELS
        if most is not None and (image.width * image.height > most or max(image.size) > _LONGEST_SIDE):
            raise Image.DecompressionBombError(f"{image.width} x {image.height} pixels")
        yield image
    except FileNotFoundError as error:
        raise FileNotFoundError(sentence(named, "a file that Pillow can read", _why_unreadable(error))) from error
    except Image.DecompressionBombWarning as error:  # somebody asked for warnings to be errors; this is one here
        raise UnreadableImageError(_unreadable(named, Image.DecompressionBombError(str(error)))) from error
    except Warning:
        raise  # nothing is wrong with the file
    except Exception as error:  # Pillow has no common error for damaged files: OSError, SyntaxError, struct.error, ...
        raise UnreadableImageError(_unreadable(named, error)) from error


def _contents(source: Source) -> bytes:
    if isinstance(source, io.BytesIO):
        contents = source.getvalue()
    else:
        if isinstance(source, zipfile.Path) and source.at in source.root.NameToInfo:
            check_member(source.root.NameToInfo[source.at])
        path = source if isinstance(source, zipfile.Path) else Path(os.fsdecode(source))
        if isinstance(path, Path) and path.exists() and not (path.is_file() or path.is_dir()):
            raise UnreadableImageError("a pipe or a device, which may never end")
        contents = path.read_bytes()
    if not contents:
        raise UnreadableImageError("an empty file")
    return contents


def _scans(jpeg: bytes) -> int:
    """How often a JPEG goes over its picture: about ten times where it is progressive, and once where it is not."""
    count, place = 0, 0
    while (found := _MARKER.search(jpeg, place)) and found[0] != _END:
        count += found[0] == _SCAN
        place = found.end() + (0 if found[0] == _BEGIN else int.from_bytes(jpeg[found.end() : found.end() + 2], "big"))
    return count


def _name(source: Source) -> str:
    if isinstance(source, io.BytesIO):
        return "in io.BytesIO"
    if isinstance(source, str | bytes | os.PathLike):
        return os.fsdecode(source)
    if isinstance(source, zipfile.Path):
        return str(source)
    kinds = "a path (str, bytes, pathlib.Path, zipfile.Path) or io.BytesIO"
    raise TypeError(sentence("load_img", f"{kinds} as path", type(source).__name__))


def _unreadable(named: str, error: Exception) -> str:
    way_out = _WAYS_OUT.get(type(error).__name__, "Remove or replace it.")
    return sentence(named, "a file that Pillow can read", _why_unreadable(error), way_out)


def _why_unreadable(error: Exception) -> str:
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
    if image.mode == mode or (is_deep(image) and mode == "L"):
        return image
    image = eight_bits(image)
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")  # the way that Pillow asks for, in a warning, where one goes to RGB at once
    return image.convert(mode)


def is_deep(image: "Image") -> bool:
    """Whether it is a grey image of 16 or 32 bits a pixel."""
    return image.mode.startswith("I")


def eight_bits(image: "Image") -> "Image":
    """A grey image of 16 bits a pixel with 8 bits: 0 to 65535 becomes 0 to 255. Others stay as they are."""
    from PIL import Image

    if not is_deep(image):
        return image
    return Image.fromarray(((np.asarray(image).astype(np.int64) + 128) // 257).clip(0, 255).astype(np.uint8))


def resized(image: "Image", size: tuple[int, int], interpolation: str, keep_aspect_ratio: bool = False) -> "Image":
    """The image at (height, width); itself if it has that size already."""
    from PIL import Image

    height, width = size
    if image.size == (width, height):
        return image
    box = None
    if keep_aspect_ratio:
        part = largest_part((image.height, image.width), size)
        box = (part.left, part.top, part.left + part.width, part.top + part.height)
    return image.resize((width, height), Image.Resampling[_RESAMPLINGS[interpolation]], box=box)


# Arrays


def img_to_array(img: Any, data_format: str | None = None, dtype: Any = None) -> Array:
    """An image of Pillow's as an array (H, W, C), or (C, H, W) with ``data_format="channels_first"``.

    Args:
        img: an image, or an array (H, W) or (H, W, C).
        data_format: where the channels are to be; last unless given.
        dtype: of the result, `config.floatx()` unless given. The values stay: 0 to 255 for usual images.
    """
    last = has_channels_last(data_format, "img_to_array")
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

    last = has_channels_last(data_format, "array_to_img")
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


def has_channels_last(data_format: str | None, where: str) -> bool:
    """Whether it is (H, W, C), and not (C, H, W). ValueError for what is neither."""
    if data_format not in (None, "channels_last", "channels_first"):
        expected = "data_format='channels_last' or 'channels_first'"
        raise ValueError(sentence(where, expected, f"data_format={data_format!r}"))
    return data_format != "channels_first"
