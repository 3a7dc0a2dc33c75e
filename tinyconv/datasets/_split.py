"""What every data set returns: a training part and a test part, each of images and labels."""

from tinyconv._types import Array
from tinyconv.checks import first_index, sentence

#: Images (N, H, W) or (N, H, W, C) and labels (N,), both uint8.
Part = tuple[Array, Array]
Split = tuple[Part, Part]


def check_labels(labels: Array, classes: int, where: str) -> None:
    """ValueError for a label that is not below ``classes``, naming the first one."""
    wrong = labels >= classes
    if wrong.any():
        (i,) = first_index(wrong)
        raise ValueError(sentence(where, f"labels from 0 to {classes - 1}", f"label {labels[i]} at index {i}"))
