"""Image files in folders, one folder per class, read into one array.

The folders may lie on the disk or inside a zip file: ``pathlib.Path`` and ``zipfile.Path`` are used alike. Classes are
the folder names in alphabetical order, files are in alphabetical order within them, as in Keras.
"""

import io
import warnings
import zipfile
from pathlib import Path, PurePath

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.datasets._split import Part, Split, shuffle_and_split
from tinyconv.geometry import pair

Folder = Path | zipfile.Path
_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")


def class_folders(root: Folder) -> list[str]:
    """Names of the folders in ``root``, sorted; hidden ones are left out."""
    return sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not _is_hidden(entry.name))


def _is_hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def image_files(root: Folder, classes: list[str]) -> list[tuple[Folder, int]]:
    """Every image file below ``root`` with its label, class after class."""
    return [(file, label) for label, name in enumerate(classes) for file in _images_in(root / name)]


def _images_in(folder: Folder) -> list[Folder]:
    files = [f for f in folder.iterdir() if PurePath(f.name).suffix.lower() in _SUFFIXES and not _is_hidden(f.name)]
    return sorted(files, key=lambda file: file.name)


def load_folders(
    root: Folder, classes: list[str], image_size: int | tuple[int, int], test_split: float, seed: int
) -> Split:
    """Read all images of these classes and split them into a training and a test part.

    Args:
        root: the folder of the class folders.
        classes: their names, in the order of the labels.
        image_size: (height, width) in pixels that every image is resized to.
        test_split: fraction for testing; which ones is decided as in Keras (`shuffle_and_split`).
        seed: of the shuffling.

    Returns:
        Two pairs of images (N, height, width, 3) and labels (N,), both uint8.

    Raises:
        ValueError: if there is no image, or a file cannot be read as one; the message gives its path.
    """
    size = pair(image_size, "image_size", "load_data")
    files = image_files(root, classes)
    if not files:
        raise ValueError(
            sentence(f"folder {root}", f"images ({', '.join(_SUFFIXES)}) in folders, one per class", "none")
        )
    train, test = shuffle_and_split(files, test_split, seed)
    return _read_all(train, size), _read_all(test, size)


def _read_all(files: list[tuple[Folder, int]], size: tuple[int, int]) -> Part:
    images = np.empty((len(files), *size, 3), np.uint8)  # (N, H, W, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which the pixels do not depend on
        for image, (file, _) in zip(images, files, strict=True):
            image[...] = read_image(file, size)
    return images, np.array([label for _, label in files], np.uint8)


def read_image(file: Folder, size: tuple[int, int]) -> Array:
    """One image as (height, width, 3) uint8: turned as its EXIF orientation says, made RGB, resized (bilinear).

    Raises:
        ValueError: if the file cannot be read as an image; the message gives its path.
    """
    from PIL import Image, ImageOps

    height, width = size
    try:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            # A JPEG far larger than asked for is decoded at a half, quarter or eighth of its size, which is quicker.
            image.draft("RGB", (2 * max(size), 2 * max(size)))
            upright = ImageOps.exif_transpose(image).convert("RGB")
        return np.asarray(upright.resize((width, height), Image.Resampling.BILINEAR))  # (H, W, 3)
    except Exception as error:  # Pillow has no common error for damaged files: OSError, SyntaxError, struct.error, ...
        raise ValueError(
            sentence(f"image {file}", "a file that Pillow can read", why_unreadable(error), "Remove or replace it.")
        ) from error


def why_unreadable(error: Exception) -> str:
    """What Pillow says of a file that it cannot read, in words for the user."""
    from PIL import UnidentifiedImageError

    reasons: dict[type[Exception], str] = {
        FileNotFoundError: "no file of this name",
        IsADirectoryError: "a folder",
        UnidentifiedImageError: "something that is no image",
    }
    return next((text for kind, text in reasons.items() if isinstance(error, kind)), f"{type(error).__name__}: {error}")
