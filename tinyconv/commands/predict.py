"""``tinyconv predict``: what a trained network sees in image files."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.commands.networks import Meaning, border_brightness, fed, image_shape, probabilities
from tinyconv.models import load_model
from tinyconv.preprocessing.files import converted, eight_bits, opened, resized, turned


def predict(model_path: str, image_paths: Sequence[str], invert: bool | None = None) -> None:
    """Print the most probable class of each image, and the two after it.

    Args:
        model_path: a ``.keras`` or ``.h5`` file.
        image_paths: files that Pillow can read.
        invert: whether to exchange light and dark; None does so for images on a light ground, where the network has
            learned from images on a dark one.

    Raises:
        ValueError: for a file that is no image, or a network that takes no image.
        OSError: if an image is missing, or the model cannot be read.
    """
    model = load_model(model_path)
    outputs = max(model.output_shape[-1], 2)  # a single output tells two classes apart
    meaning = Meaning.beside(Path(model_path), outputs)
    images = [read_image(path, *image_shape(model)) for path in image_paths]  # read all before printing anything
    for path, image in zip(image_paths, images, strict=True):
        inverted = _is_on_light_ground(image) and bool(meaning.dark_ground) if invert is None else invert
        found = probabilities(model, fed((255 - image if inverted else image)[None], model))[0]  # (K,)
        note = "  (light and dark exchanged)" if inverted else ""
        print(f"{path}: {_in_words(found, meaning.classes)}{note}")


def read_image(path: str, height: int | None, width: int | None, channels: int) -> Array:
    """An image file as (H, W, C) uint8: turned as its EXIF orientation says, on white paper, of the size asked for.

    Raises:
        FileNotFoundError, UnreadableImageError: if the file cannot be read as an image; the message gives its path.
    """
    with opened(path) as image:
        pixels = converted(_on_white(eight_bits(turned(image))), "grayscale" if channels == 1 else "rgb")
        found = np.asarray(resized(pixels, (height or pixels.height, width or pixels.width), "bilinear"))
    return found.reshape(*found.shape[:2], channels)  # (H, W, C)


def _on_white(image: Any) -> Any:
    """Transparent parts become white, as on the screen; otherwise they would have any colour."""
    from PIL import Image

    if not image.has_transparency_data:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, "white"), rgba).convert("RGB")


def _is_on_light_ground(image: Array) -> bool:
    return image.shape[-1] == 1 and border_brightness(image[None, ..., 0]) > 127


def _in_words(found: Array, classes: Sequence[str]) -> str:
    """``7, 99.8 % (then 1, 0.1 %; 9, 0.0 %)``."""
    top = np.argsort(-found, kind="stable")[:3]
    first, *others = (f"{classes[i]}, {found[i]:.1%}".replace("%", " %") for i in top)
    return f"{first} (then {'; '.join(others)})" if others else first
