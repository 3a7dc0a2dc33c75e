"""Sign Language Digits: hands that show the numbers 0 to 9, in colour.

    2,062 photographs, 100x100 RGB, 10 classes of 204 to 208 images.

Three of them (in class 7) are uncropped originals of 3024x3024 pixels that lie on their side; they are turned as their
EXIF orientation says and resized like every image that has not the size asked for.

Licence: Apache License 2.0. Made by students of Turkey Ankara Ayrancı Anadolu High School; cite A. Mavi, A New Dataset
and Proposed Convolutional Neural Network Architecture for Classification of American Sign Language Digits,
arXiv:2011.08927. Source: https://github.com/ardamavi/Sign-Language-Digits-Dataset
"""

import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tinyconv.archives import DAMAGES, check_zip
from tinyconv.checks import sentence
from tinyconv.datasets._fetch import find, missing
from tinyconv.datasets._images import load_folders
from tinyconv.datasets._split import Split
from tinyconv.preprocessing.folders import Folder, class_folders

__all__ = ["CLASS_NAMES", "folder", "load_data"]

CLASS_NAMES = tuple("0123456789")
_ARCHIVES = ("Sign-Language-Digits-Dataset.zip", "Sign-Language-Digits-Dataset-master.zip")
_ADDRESS = "https://github.com/ardamavi/Sign-Language-Digits-Dataset"


def load_data(image_size: int | tuple[int, int] = (100, 100), test_split: float = 0.2, seed: int = 1337) -> Split:
    """Hands showing digits.

    The unpacked folder ``Dataset`` or the zip file of the repository is looked for in ``TINYCONV_DATA/sign_digits`` and
    in the cache. It is not downloaded, because the repository has no archive with a fixed hash.

    Args:
        image_size: (height, width) that the images are resized to; at 100x100 all but three stay as they are.
        test_split: fraction for testing.
        seed: of the shuffling. The defaults split as Keras does: 1,650 images for training, 412 for testing.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images (N, height, width, 3), uint8 from 0 to 255; labels (N,), uint8
        from 0 to 9.

    Raises:
        FileNotFoundError: if the data are nowhere; the message says what to put where.
        ValueError: if an image cannot be read (the message gives its path), or a class is missing.
    """
    with folder() as root:
        return load_folders(root, _classes(root), image_size, test_split, seed)


@contextmanager
def folder() -> Iterator[Folder]:
    """The folder of the folders 0 to 9, on the disk or inside the zip file, while it is open. Raises as `load_data`."""
    found = find("sign_digits", "Dataset", *_ARCHIVES)
    if found is None:
        way_out = f"Get it from {_ADDRESS} (Code, Download ZIP) and put it there;"
        raise missing("sign_digits", f"the folder Dataset or {_ARCHIVES[0]}", way_out)
    if found.is_dir():
        yield found
        return
    with _open(found) as archive:
        yield _dataset_in(zipfile.Path(archive))


def _open(path: Path) -> zipfile.ZipFile:
    try:
        archive = zipfile.ZipFile(path)
        check_zip(archive)
        return archive
    except DAMAGES as error:
        raise ValueError(sentence(f"archive {path}", "a whole zip file", str(error), "Fetch it again.")) from error


def _dataset_in(root: zipfile.Path) -> zipfile.Path:
    # GitHub puts everything into one more folder, named after the branch.
    inside = [root, *(root / name for name in class_folders(root))]
    return next((folder / "Dataset" for folder in inside if (folder / "Dataset").is_dir()), root)


def _classes(root: Folder) -> list[str]:
    found = class_folders(root)
    if tuple(found) != CLASS_NAMES:
        raise ValueError(sentence(f"folder {root}", "the folders 0 to 9", ", ".join(found) or "no folders"))
    return found
