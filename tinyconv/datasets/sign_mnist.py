"""Sign Language MNIST: hands that spell the letters of the American manual alphabet.

    27,455 training and 7,172 test images, 28x28 grey, 24 classes: A to Y without J (J and Z are movements).

There are two variants of the same pictures. Kaggle's (``sign_mnist_train.csv``, ``sign_mnist_test.csv``) numbers the
letters of the whole alphabet, so 9 (J) never occurs and Y is 24; that of NVIDIA's course (``sign_mnist_train.csv``,
``sign_mnist_valid.csv``) numbers them 0 to 23 without a gap. Both come out as 0 to 23 here, so `LETTERS[label]` is the
letter. Many pictures are altered copies of only 1,704 photographs.

`read_image_table` reads one such table by itself, with the labels that stand in it, and piece by piece if it is larger
than the memory. Other data sets come in the same form, such as MNIST on Kaggle.

Licence: CC0-1.0 according to several mirrors; look at the Kaggle page before you pass the data on.
Source: https://www.kaggle.com/datasets/datamunge/sign-language-mnist (needs an account).
"""

from pathlib import Path

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import first_index, sentence
from tinyconv.datasets._csv import read_image_table
from tinyconv.datasets._fetch import find, missing
from tinyconv.datasets._split import Part, Split

__all__ = ["CLASS_NAMES", "LETTERS", "load_data", "read_image_table"]

#: The letter of each label.
LETTERS = "ABCDEFGHIKLMNOPQRSTUVWXY"
CLASS_NAMES = tuple(LETTERS)
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
_ADDRESS = "https://www.kaggle.com/datasets/datamunge/sign-language-mnist"


def load_data() -> Split:
    """Hands spelling letters.

    The two CSV files, packed (``.csv.gz``) or not, are looked for in ``TINYCONV_DATA/sign_mnist`` and in the cache.
    They cannot be downloaded from here, because Kaggle wants a login.

    Returns:
        ``(x_train, y_train), (x_test, y_test)``: images (27455, 28, 28) and (7172, 28, 28), uint8 from 0 to 255;
        labels (27455,) and (7172,), uint8 from 0 to 23, named by `LETTERS`.

    Raises:
        FileNotFoundError: if the files are nowhere; the message says which to put where.
        ValueError: for a damaged row or a label that is no letter; the message names the file and the row.
    """
    train = find("sign_mnist", *_names("train"))
    test = find("sign_mnist", *_names("test"), *_names("valid"))
    if train is None or test is None:
        files = "sign_mnist_train.csv and sign_mnist_test.csv (or the course's sign_mnist_valid.csv), also as .csv.gz"
        raise missing("sign_mnist", files, f"Get them from {_ADDRESS} (with a Kaggle login) and put them there;")
    codes = LETTERS if test.name.startswith("sign_mnist_valid") else _ALPHABET
    return _read(train, codes), _read(test, codes)


def _names(part: str) -> tuple[str, str]:
    return f"sign_mnist_{part}.csv", f"sign_mnist_{part}.csv.gz"


def _read(path: Path, codes: str) -> Part:
    pixels, labels = read_image_table(path, 28 * 28)
    return pixels.reshape(-1, 28, 28), _from_zero(labels, codes, path)


def _from_zero(labels: Array, codes: str, path: Path) -> Array:
    """Labels that count along the letters of ``codes`` -> labels that count along `LETTERS`."""
    unknown = len(LETTERS)
    table = np.full(256, unknown, np.uint8)
    table[: len(codes)] = [LETTERS.find(letter) if letter in LETTERS else unknown for letter in codes]
    mapped = table[labels]  # (N,)
    if (mapped == unknown).any():
        (i,) = first_index(mapped == unknown)
        expected = "labels 0 to 24 without 9 (J)" if codes == _ALPHABET else "labels 0 to 23"
        way_out = "Kaggle's second file is sign_mnist_test.csv, the course's sign_mnist_valid.csv: do not mix them."
        raise ValueError(sentence(f"table {path}", expected, f"label {labels[i]} in row {i + 1}", way_out))
    return mapped
