"""What every data set returns: a training part and a test part, each of images and labels."""

from typing import TypeVar

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import first_index, sentence

#: Images (N, H, W) or (N, H, W, C) and labels (N,), both uint8.
Part = tuple[Array, Array]
Split = tuple[Part, Part]

_T = TypeVar("_T")


def check_labels(labels: Array, classes: int, where: str) -> None:
    """ValueError for a label that is not below ``classes``, naming the first one."""
    wrong = labels >= classes
    if wrong.any():
        (i,) = first_index(wrong)
        raise ValueError(sentence(where, f"labels from 0 to {classes - 1}", f"label {labels[i]} at index {i}"))


def shuffle_and_split(files: list[_T], test_split: float, seed: int) -> tuple[list[_T], list[_T]]:
    """Shuffle, and take the last ``int(test_split * n)`` for testing.

    That is how Keras's ``image_dataset_from_directory`` splits: with the same sorted list, fraction and seed both give
    the same files. (RandomState is old, and meant here: it is what Keras shuffles with.)

    >>> shuffle_and_split(list("abcdef"), test_split=0.4, seed=1337)
    (['d', 'c', 'b', 'a'], ['e', 'f'])

    Raises:
        ValueError: for a ``test_split`` below 0, or of 1 and more.
    """
    if not 0 <= test_split < 1:
        raise ValueError(sentence("load_data", "test_split from 0 to below 1", f"test_split={test_split!r}"))
    order = np.arange(len(files))
    np.random.RandomState(seed).shuffle(order)
    shuffled = [files[i] for i in order]
    n_train = len(files) - int(test_split * len(files))
    return shuffled[:n_train], shuffled[n_train:]
