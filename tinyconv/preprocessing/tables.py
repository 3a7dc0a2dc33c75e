"""Labels and tables of numbers on their way into a network."""

from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import first_index, sentence

__all__ = ["to_categorical"]


def to_categorical(x: Any, num_classes: int | None = None) -> Array:
    """Class numbers -> one-hot rows.

    Args:
        x: whole numbers from 0, (N,) or (N, 1).
        num_classes: length of a row; the largest number plus 1 unless given.

    Returns:
        (N, num_classes) float64.

    Raises:
        ValueError: for labels that are not whole numbers from 0 to num_classes - 1; the first one is named.

    >>> to_categorical([0, 2, 1])
    array([[1., 0., 0.],
           [0., 0., 1.],
           [0., 1., 0.]])
    """
    labels = np.asarray(x)
    if labels.ndim > 1 and labels.shape[-1] == 1:
        labels = labels[..., 0]  # (N,)
    if labels.dtype.kind not in "biuf":
        raise ValueError(sentence("to_categorical", "whole numbers from 0", f"labels of dtype {labels.dtype}"))
    classes = int(labels.max(initial=-1)) + 1 if num_classes is None else num_classes
    wrong = ~((labels >= 0) & (labels < classes) & (labels == np.floor(labels)))
    if wrong.any():
        index = first_index(wrong)
        way_out = "Number the classes from 0 without gaps, or give a larger num_classes."
        expected = f"whole numbers from 0 to {classes - 1}"
        raise ValueError(sentence("to_categorical", expected, f"{labels[index]} at index {index}", way_out))
    return np.eye(classes)[labels.astype(int)]  # (N, num_classes)
