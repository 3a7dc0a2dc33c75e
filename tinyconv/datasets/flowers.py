"""Flowers: photographs of five kinds of flowers, in colour and of many sizes.

    Any tree of one folder per class; TensorFlow's flower_photos has 3,670 images of 5 classes.

The class names are the names of the folders. So TensorFlow's tree (daisy, dandelion, roses, sunflowers, tulips) works
like Kaggle's or the course's ``tiny_FR`` (daisy, dandelion, rose, sunflower, tulip), and like your own.

Licence of flower_photos: Creative Commons Attribution 2.0 (https://creativecommons.org/licenses/by/2.0/); the
photographers are named in its LICENSE.txt, and want to be named with their pictures.
Source: http://download.tensorflow.org/example_images/flower_photos.tgz
"""

import hashlib
import os
import tarfile
import tempfile
from pathlib import Path

from tinyconv.checks import sentence
from tinyconv.datasets._fetch import cache, fetch, places
from tinyconv.datasets._images import labelled_files, load_folders
from tinyconv.datasets._split import Split
from tinyconv.preprocessing.folders import class_folders

__all__ = ["ARCHIVE", "CLASS_NAMES", "MIRRORS", "SHA256", "class_names", "folder", "load_data"]

#: The names in TensorFlow's archive; `class_names` reads those of the folder at hand.
CLASS_NAMES = ("daisy", "dandelion", "roses", "sunflowers", "tulips")
ARCHIVE = "flower_photos.tgz"
SHA256 = "4c54ace7911aaffe13a365c34f650e71dd5bf1be0a58b464e5a7183e3e595d9c"
#: Folders that hold the archive, tried in this order.
MIRRORS = (
    "https://storage.googleapis.com/download.tensorflow.org/example_images/",
    "http://download.tensorflow.org/example_images/",
)


def load_data(image_size: int | tuple[int, int] = (100, 100), test_split: float = 0.2, seed: int = 1337) -> Split:
    """Five kinds of flowers.

    A folder per class is looked for in ``TINYCONV_DATA/flowers`` and in the cache, there or in a single folder below;
    if there is none, TensorFlow's archive (229 MB) is downloaded from `MIRRORS` and unpacked in the cache.

    Args:
        image_size: (height, width) that the images are resized to; their proportions are not kept.
        test_split: fraction for testing.
        seed: of the shuffling, which is Keras's.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images (N, height, width, 3), uint8 from 0 to 255; labels (N,), uint8,
        the places in `class_names`.

    Raises:
        FileNotFoundError: if the images are nowhere and no mirror delivers them.
        ValueError: if a file cannot be read, or the archive is not TensorFlow's; the message gives its path.
    """
    root = folder()
    return load_folders(root, class_folders(root), image_size, test_split, seed)


def class_names() -> tuple[str, ...]:
    """The names of the labels: the folders at hand, in alphabetical order. Raises as `load_data` does."""
    return tuple(class_folders(folder()))


def folder() -> Path:
    """The folder of the class folders; downloaded and unpacked if there is none yet. Raises as `load_data` does."""
    for place in places("flowers"):
        if place.is_dir() and (root := _below(place)) is not None:
            return root
    return _unpack(fetch("flowers", ARCHIVE, SHA256, MIRRORS))


def _below(folder: Path) -> Path | None:
    # An unpacked archive often lies one folder deeper: flowers/flower_photos/daisy, flowers/tiny_FR/daisy.
    for root in (folder, *(folder / name for name in class_folders(folder))):
        if labelled_files(root, class_folders(root)):
            return root
    return None


def _unpack(archive: Path) -> Path:
    """Unpack beside the final folder and rename, so that a stop midway leaves nothing behind.

    Another archive than TensorFlow's is not opened: a tar file can be made to fill the disk, or never to end.
    """
    with archive.open("rb") as file:
        received = hashlib.file_digest(file, "sha256").hexdigest()
    if received != SHA256:
        way_out = "Delete it, and it will be fetched again; or unpack your own there."
        raise ValueError(sentence(f"archive {archive}", f"TensorFlow's, with SHA-256 {SHA256}", received, way_out))
    folder = cache("flowers")
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as scratch:
        with tarfile.open(archive) as tar:
            tar.extractall(scratch, filter="data")  # "data" refuses paths and links that lead out of the folder
        os.replace(Path(scratch) / "flower_photos", folder / "flower_photos")
    return folder / "flower_photos"
