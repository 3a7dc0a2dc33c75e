"""Layers with several inputs, where the branches of a network meet again."""

from typing import Any

import numpy as np

from tinyconv._types import Array, Shape
from tinyconv.checks import sentence
from tinyconv.layers.base import Layer


class Add(Layer):
    """The sum of its inputs, which have one shape.

    Raises:
        ValueError: if the shapes differ, or there are fewer than two inputs.

    >>> Add()([np.array([1.0, 2.0]), np.array([10.0, 20.0])])
    array([11., 22.], dtype=float32)
    """

    takes_list = True

    def forward(self, x: list[Array], training: bool = False) -> tuple[Array, int]:
        """Several of one shape -> one of that shape."""
        return np.sum(x, axis=0), len(x)

    def backward(self, dy: Array, cache: int) -> list[Array]:
        """The gradient, to each input whole."""
        return [dy] * cache

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The shape of each input."""
        return input_shape[0]

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError unless there are two or more shapes, all the same."""
        _several(self.title, shape)
        if any(one != shape[0] for one in shape):
            raise ValueError(sentence(self.title, "inputs of one shape", _listed(shape)))


class Concatenate(Layer):
    """Its inputs side by side along an axis.

    Args:
        axis: the axis along which the inputs may differ in length; the channels unless set.

    Raises:
        ValueError: if the inputs differ along another axis, or there are fewer than two.

    >>> Concatenate()([np.array([[1.0]]), np.array([[2.0, 3.0]])])
    array([[1., 2., 3.]], dtype=float32)
    """

    takes_list = True

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.axis = int(axis)

    def forward(self, x: list[Array], training: bool = False) -> tuple[Array, list[int]]:
        """Several -> one, as long along the axis as they are together."""
        return np.concatenate(x, axis=self.axis), [part.shape[self.axis] for part in x]

    def backward(self, dy: Array, cache: list[int]) -> list[Array]:
        """To each input its own stretch of the gradient."""
        return np.split(dy, np.cumsum(cache)[:-1], axis=self.axis)

    def compute_output_shape(self, input_shape: list[Shape]) -> Shape:
        """The inputs' shape, with their lengths along the axis added up."""
        sizes = [shape[self.axis] for shape in input_shape]
        total = None if None in sizes else sum(n for n in sizes if n is not None)
        shape = list(input_shape[0])
        shape[self.axis] = total
        return tuple(shape)

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError unless there are two or more shapes that differ along the axis only."""
        _several(self.title, shape)
        rank = len(shape[0])
        if not -rank <= self.axis < rank:
            raise ValueError(sentence(self.title, f"an axis of {rank}", f"axis={self.axis} for {_listed(shape)}"))
        if any(self._rest(one) != self._rest(shape[0]) for one in shape):
            raise ValueError(sentence(self.title, f"inputs that differ along axis {self.axis} only", _listed(shape)))

    def _rest(self, shape: Shape) -> list[int | None]:
        rest = list(shape)
        rest[self.axis] = None
        return rest


def add(inputs: Any, **settings: Any) -> Any:
    """`Add` as a function: ``add([a, b])`` is ``Add()([a, b])``."""
    return Add(**settings)(inputs)


def concatenate(inputs: Any, axis: int = -1, **settings: Any) -> Any:
    """`Concatenate` as a function: ``concatenate([a, b])`` is ``Concatenate()([a, b])``."""
    return Concatenate(axis, **settings)(inputs)


def _several(where: str, shapes: Any) -> None:
    if len(shapes) < 2:
        raise ValueError(sentence(where, "a list of two or more inputs", _listed(shapes)))


def _listed(shapes: Any) -> str:
    return f"shapes {', '.join(map(str, shapes))}"
