"""Do the labels fit the output of the network, and the loss?

Most first attempts at training fail here: classes numbered from 1, one-hot rows given to a loss that wants numbers,
names instead of numbers. Each check looks once at all labels and says which one is wrong, and what to do about it.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array
from tinyconv.checks import first_index, sentence

__all__ = [
    "as_float",
    "check_classes",
    "check_numbers",
    "check_one_hot",
    "check_probabilities",
    "check_same_shape",
    "check_unit_interval",
    "class_numbers",
    "match_shape",
    "one_hot",
]


_NUMBER_THEM = "Number the classes from 0: classes, y = np.unique(y, return_inverse=True)."
_ONE_OUTPUT = "For two classes on one output use activation='sigmoid' and loss='binary_crossentropy'."


def as_float(y: Any) -> Array:
    """Predictions as an array; whole numbers and lists of them become ``config.floatx()``."""
    y = np.asarray(y)
    return y if y.dtype.kind == "f" else y.astype(config.floatx())


def match_shape(y_true: Any, y_pred: Array) -> Array:
    """Targets in the type and shape of ``y_pred``: an axis of length 1 at the end may be missing or too many.

    >>> match_shape([1, 0, 1], np.zeros((3, 1))).shape
    (3, 1)

    Raises:
        ValueError: where the shapes differ otherwise; they are never broadcast.
    """
    y = np.asarray(y_true, dtype=y_pred.dtype)
    if _without_last_one(y.shape) == _without_last_one(y_pred.shape):
        return y.reshape(y_pred.shape)
    raise ValueError(sentence("y_true", f"the shape of y_pred, {y_pred.shape}", f"y_true.shape={y.shape}"))


def class_numbers(y: Any, places: int) -> Array:
    """Labels as whole numbers with ``places`` axes: (N,) or (N, 1), for ``places`` = 1, becomes (N,)."""
    y = np.asarray(y)
    return (y[..., 0] if y.ndim == places + 1 and y.shape[-1] == 1 else y).astype(np.intp)


def one_hot(labels: Array, classes: int, dtype: Any) -> Array:
    """(N,) whole numbers -> (N, classes): 1 in the column of the label, else 0.

    >>> one_hot(np.array([2, 0]), 3, int)
    array([[0, 0, 1],
           [1, 0, 0]])
    """
    return (labels[..., np.newaxis] == np.arange(classes)).astype(dtype)


def check_numbers(y: Any, where: str) -> Array:
    """ValueError for names and other things that are not numbers."""
    y = np.asarray(y)
    if y.dtype.kind in "biuf":
        return y
    first = f", the first {y.flat[0]!r}" if y.size else ""
    raise ValueError(sentence(where, "labels as numbers", f"y of type {y.dtype}{first}", _NUMBER_THEM))


def check_classes(y: Any, output_shape: Sequence[int | None], where: str) -> None:
    """Labels for a sparse loss: one whole number per place, from 0 to the number of outputs less one.

    Raises:
        ValueError: for names, one-hot rows, another shape, fractions, NaN, and labels out of range.
    """
    y = check_numbers(y, where)
    *places, classes = output_shape
    if not (_fits(y.shape, places) or _fits(y.shape, [*places, 1])):
        raise ValueError(_wrong_label_shape(y, output_shape, where))
    if not y.size or classes is None:
        return
    if y.dtype.kind == "f" and not (y == np.floor(y)).all():
        raise ValueError(sentence(where, "labels as whole numbers", _first(y, y != np.floor(y)), _NUMBER_THEM))
    if y.min() < 0 or y.max() >= classes:
        expected = f"labels 0 to {classes - 1} for {classes} outputs" if classes > 1 else "label 0 for 1 output"
        raise ValueError(sentence(where, expected, _first(y, (y < 0) | (y >= classes)), _renumber(y, classes)))


def check_one_hot(y: Any, output_shape: Sequence[int | None], where: str) -> None:
    """Labels for a categorical loss: as many columns as outputs, 1 at the class (or a probability in each).

    Raises:
        ValueError: for names, class numbers, another number of classes or shape, and for a single output.
    """
    y = check_numbers(y, where)
    *places, classes = output_shape
    if classes == 1:
        raise ValueError(sentence(where, "at least 2 outputs for categorical crossentropy", "1 output", _ONE_OUTPUT))
    if _fits(y.shape, output_shape):
        return
    expected = f"one-hot labels of shape {_spell(output_shape)}"
    if _fits(y.shape, places) or _fits(y.shape, [*places, 1]):
        way_out = f"Use loss='sparse_categorical_crossentropy', or to_categorical(y, {classes})."
        raise ValueError(sentence(where, expected, f"class numbers, y.shape={y.shape}", way_out))
    way_out = ""
    if _fits(y.shape[:-1], places):
        way_out = f"Give the last layer {y.shape[-1]} units, or encode with to_categorical(labels, {classes})."
    raise ValueError(sentence(where, expected, f"y.shape={y.shape}", way_out))


def check_same_shape(y: Any, output_shape: Sequence[int | None], where: str) -> None:
    """One target per output: ValueError for names and other shapes. A last axis of length 1 may be missing."""
    y = check_numbers(y, where)
    if _fits(_without_last_one(y.shape), _without_last_one(output_shape)):
        return
    way_out = "Change the units of the last layer, or the shape of y."
    if len(y.shape) == 1 or y.shape[-1] == 1:
        way_out = "If these are class numbers, use loss='sparse_categorical_crossentropy'."
    expected = f"one target per output, shape {_spell(output_shape)}"
    raise ValueError(sentence(where, expected, f"y.shape={y.shape}", way_out))


def check_unit_interval(y: Any, where: str) -> None:
    """Labels for binary crossentropy: from 0 to 1. NaN passes here, and makes the loss NaN."""
    y = np.asarray(y)
    if y.size and (y.min() < 0 or y.max() > 1):
        way_out = "Number two classes 0 and 1; for more classes use loss='sparse_categorical_crossentropy'."
        raise ValueError(sentence(where, "labels from 0 to 1", _first(y, (y < 0) | (y > 1)), way_out))


def check_probabilities(y: Array, where: str) -> None:
    """ValueError for predictions outside [0, 1], but for rounding. NaN passes, and makes the loss NaN."""
    if y.size and (y.min() < -1e-6 or y.max() > 1 + 1e-6):
        received = f"predictions from {y.min():.4g} to {y.max():.4g}, which do not look like probabilities"
        way_out = "Add activation='softmax' at the end ('sigmoid' for binary crossentropy), or use from_logits=True."
        raise ValueError(sentence(where, "probabilities between 0 and 1", received, way_out))


def _wrong_label_shape(y: Array, output_shape: Sequence[int | None], where: str) -> str:
    """The sentence for labels that are not one per place; one-hot rows are the usual reason."""
    expected = f"one class number per place, shape {_spell(output_shape[:-1])}"
    if _fits(y.shape[:-1], output_shape[:-1]):
        way_out = "One-hot labels belong to loss='categorical_crossentropy'; or pass y.argmax(-1)."
        return sentence(where, expected, f"{y.shape[-1]} columns, y.shape={y.shape}", way_out)
    return sentence(where, expected, f"y.shape={y.shape}")


def _renumber(y: Array, classes: int) -> str:
    """The way out for labels that are below 0 or too large."""
    if classes == 1:
        return _ONE_OUTPUT
    if y.min() == 1 and y.max() == classes:
        return "They start from 1: pass y - 1."
    if y.min() < 0 or not np.isfinite(y.max()):
        return _NUMBER_THEM
    return f"Give the last layer {int(y.max()) + 1} units. If there are gaps: {_NUMBER_THEM}"


def _first(y: Array, wrong: Array) -> str:
    """``y[3, 0]=10``: the first label that is wrong."""
    index = first_index(wrong)
    return f"y[{', '.join(map(str, index))}]={y[index].item()!r}"


def _fits(shape: Sequence[int | None], expected: Sequence[int | None]) -> bool:
    """Equal lengths, where None stands for any."""
    return len(shape) == len(expected) and all(b is None or a is None or a == b for a, b in zip(shape, expected))


def _without_last_one(shape: Sequence[int | None]) -> tuple[int | None, ...]:
    return tuple(shape[:-1]) if len(shape) > 1 and shape[-1] == 1 else tuple(shape)


def _spell(shape: Sequence[int | None]) -> str:
    """
    >>> _spell((None, 10)), _spell((None,))
    ('(N, 10)', '(N,)')
    """
    return str(tuple(shape)).replace("None", "N")
