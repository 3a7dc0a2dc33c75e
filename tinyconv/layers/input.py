"""Where a network begins: the shape of what will be fed in."""

from typing import Any

from tinyconv._types import Shape
from tinyconv.checks import sample_shape
from tinyconv.layers.base import Layer
from tinyconv.layers.graph import Node, SymbolicTensor


class InputLayer(Layer):
    """The entrance of a network. Passes its input through.

    Args:
        shape: shape of one sample, without the batch axis; None for an axis of any length.

    Raises:
        ValueError: if the shape is not a tuple of positive numbers or None.
    """

    def __init__(self, shape: Shape | None = None, **kwargs: Any) -> None:
        shape = kwargs.pop("input_shape", None) if shape is None else shape
        super().__init__(**kwargs)
        self.shape = sample_shape(shape, self.title)
        self.input_spec = (None, *self.shape)
        self.node = Node(self, [], self.input_spec)
        self.calls.append(self.node)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def forward(self, x: Any, training: bool = False) -> tuple[Any, None]:
        """Any shape -> the same array."""
        return x, None

    def backward(self, dy: Any, cache: None) -> Any:
        """The gradient, unchanged."""
        return dy


def Input(shape: Shape | None = None, name: str | None = None, dtype: str | None = None) -> SymbolicTensor:
    """A symbolic tensor to call layers on.

    Args:
        shape: shape of one sample, without the batch axis.
        name: name of the input layer.
        dtype: float type; ``config.floatx()`` where left out.

    >>> Input(shape=(28, 28, 1)).shape
    (None, 28, 28, 1)
    """
    return InputLayer(shape, name=name, dtype=dtype).node.outputs[0]
