"""Image files in folders, one folder per class, read into one array.

The folders may lie on the disk or inside a zip file: ``pathlib.Path`` and ``zipfile.Path`` are used alike. Classes are
the folder names in alphabetical order, files are in alphabetical order within them, as in Keras.
"""

import warnings

import numpy as np

from tinyconv.checks import sentence
from tinyconv.datasets._split import Part, Split
from tinyconv.geometry import pair
from tinyconv.preprocessing.files import read_image
from tinyconv.preprocessing.folders import ENDINGS, Folder, image_files
from tinyconv.preprocessing.split import shuffle_and_split


def labelled_files(root: Folder, classes: list[str]) -> list[tuple[Folder, int]]:
    """Every image file in the class folders with its label, class after class."""
    return [
        (root / name / file, label)
        for label, name in enumerate(classes)
        for file in image_files(root / name, nested=False)
    ]


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
    files = labelled_files(root, classes)
    if not files:
        raise ValueError(sentence(f"folder {root}", f"images ({', '.join(ENDINGS)}) in folders, one per class", "none"))
    train, test = shuffle_and_split(files, test_split, seed)
    return _read_all(train, size), _read_all(test, size)


def _read_all(files: list[tuple[Folder, int]], size: tuple[int, int]) -> Part:
    images = np.empty((len(files), *size, 3), np.uint8)  # (N, H, W, 3)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of odd metadata, which the pixels do not depend on
        for image, (file, _) in zip(images, files, strict=True):
            image[...] = read_image(file, size)
    return images, np.array([label for _, label in files], np.uint8)
