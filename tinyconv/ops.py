"""Functions of arrays that Keras programs call before and after a network: ``tf.expand_dims``, ``keras.ops.softmax``.

NumPy has all of them. Here they have the names and arguments of TensorFlow and Keras, and what they return has the
method ``.numpy()``.
"""

from typing import Any

import numpy as np

from tinyconv import activations, config
from tinyconv.checks import sentence
from tinyconv.tensor import Tensor, tensor

__all__ = ["argmax", "cast", "convert_to_tensor", "expand_dims", "one_hot", "relu", "sigmoid", "softmax", "squeeze"]


def convert_to_tensor(value: Any, dtype: Any = None) -> Tensor:
    """Anything that can be made an array, as one."""
    return tensor(np.asarray(value, dtype))


def cast(x: Any, dtype: Any) -> Tensor:
    """The same values in another type."""
    return tensor(np.asarray(x).astype(dtype))


def expand_dims(input: Any, axis: int = 0) -> Tensor:
    """With another axis of length 1: one image becomes a batch."""
    return tensor(np.expand_dims(input, axis))


def squeeze(input: Any, axis: int | None = None) -> Tensor:
    """Without the axes of length 1."""
    return tensor(np.squeeze(input, axis))


def argmax(input: Any, axis: int | None = None) -> Tensor:
    """The place of the largest value along an axis; of the first one where several are as large."""
    values = np.asarray(input)
    if axis is None and values.ndim > 1:
        received = f"shape {values.shape} without one"
        raise ValueError(sentence("argmax", "an axis, for more than one", received, "For classes axis=-1."))
    return tensor(values.argmax(axis))


def one_hot(indices: Any, depth: int, dtype: Any = np.float32) -> Tensor:
    """Class numbers (...) as rows (..., depth) with a single 1; numbers that are no class give zeros."""
    return tensor((np.asarray(indices)[..., np.newaxis] == np.arange(depth)).astype(dtype))


def relu(x: Any) -> Tensor:
    """The activation of this name."""
    return tensor(activations.relu(_floats(x)))


def sigmoid(x: Any) -> Tensor:
    """The activation of this name."""
    return tensor(activations.sigmoid(_floats(x)))


def softmax(x: Any, axis: int = -1) -> Tensor:
    """Positive numbers that add up to 1 along an axis: scores become probabilities."""
    return tensor(activations.Softmax(axis)(_floats(x)))


def _floats(x: Any) -> Any:
    values = np.asarray(x)
    return values if values.dtype.kind == "f" else values.astype(config.floatx())
