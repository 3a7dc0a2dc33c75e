"""What layers return and data sets yield: an array that also has the method `numpy`, as TensorFlow's tensors do."""

from typing import Any

import numpy as np

from tinyconv._types import Array

__all__ = ["Tensor", "tensor"]


class Tensor(np.ndarray):
    """An array like any other, for programs that call ``.numpy()``: ``model(x)[0].numpy()``.

    What is taken from it by an index has the method, too, even a single number.
    """

    def numpy(self) -> Array:
        """The same values as an array of NumPy's."""
        return self.view(np.ndarray)

    def __getitem__(self, key: Any) -> Any:
        return tensor(super().__getitem__(key))

    def __iter__(self) -> Any:
        return (self[i] for i in range(len(self)))

    def __repr__(self) -> str:
        return repr(self.numpy())


def tensor(values: Any) -> Tensor:
    """Anything that can be made an array, without a copy where it is one.

    >>> tensor([1, 2, 3])[1].numpy()
    array(2)
    """
    return np.asarray(values).view(Tensor)
