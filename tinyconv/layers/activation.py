"""Activation functions as layers of their own. The functions and their gradients are in `tinyconv.activations`."""

from typing import Any

from tinyconv import activations
from tinyconv._types import Array, Shape
from tinyconv.checks import sentence
from tinyconv.layers.base import Layer


class Activation(Layer):
    """y = activation(x), number by number (softmax: along the last axis).

    Args:
        activation: name or `tinyconv.activations.Activation`.

    Raises:
        ValueError: for an unknown name; the nearest one is suggested.

    >>> Activation("relu")([-1.0, 2.0])
    array([0., 2.], dtype=float32)
    """

    def __init__(self, activation: Any, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.activation = activations.get(activation)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """Any shape -> the same shape."""
        y = self.activation(x)
        return y, (x, y)

    def backward(self, dy: Array, cache: Any) -> Array:
        """Any shape -> the same shape."""
        x, y = cache
        return self.activation.backward(dy, x, y)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape


class ReLU(Activation):
    """y = max(x, 0), unless an argument bends it otherwise.

    Args:
        max_value: y never exceeds it; None for no limit.
        negative_slope: slope below the threshold.
        threshold: where the line begins.

    Raises:
        ValueError: for a negative max_value, negative_slope or threshold.

    >>> ReLU()([-1.0, 2.0, 9.0]), ReLU(max_value=6)([-1.0, 2.0, 9.0])
    (array([0., 2., 9.], dtype=float32), array([0., 2., 6.], dtype=float32))
    """

    def __init__(
        self, max_value: float | None = None, negative_slope: float = 0.0, threshold: float = 0.0, **kwargs: Any
    ) -> None:
        plain = max_value is None and not negative_slope and not threshold
        bent = activations.ClippedRelu(max_value, negative_slope, threshold)
        super().__init__("relu" if plain else bent, **kwargs)
        self.max_value, self.negative_slope, self.threshold = max_value, negative_slope, threshold
        if min(negative_slope, threshold, 0 if max_value is None else max_value) < 0:
            raise ValueError(sentence(self.title, "arguments from 0", f"{bent}"))


class LeakyReLU(Activation):
    """y = x above zero, negative_slope * x below.

    Args:
        negative_slope: slope below zero.

    >>> LeakyReLU(0.5)([-1.0, 2.0])
    array([-0.5,  2. ], dtype=float32)
    """

    def __init__(self, negative_slope: float = 0.3, **kwargs: Any) -> None:
        super().__init__(activations.LeakyRelu(float(negative_slope)), **kwargs)
        self.negative_slope = float(negative_slope)
        if self.negative_slope < 0:
            raise ValueError(sentence(self.title, "a slope from 0", f"negative_slope={negative_slope}"))


class ELU(Activation):
    """y = x above zero, alpha * (exp(x) - 1) below.

    Args:
        alpha: what y tends to, negated, for x far below zero.
    """

    def __init__(self, alpha: float = 1.0, **kwargs: Any) -> None:
        super().__init__(activations.Elu(float(alpha)), **kwargs)
        self.alpha = float(alpha)


class Softmax(Activation):
    """y_i = exp(x_i) / sum_j exp(x_j) along an axis.

    Args:
        axis: the axis that adds up to 1.

    >>> Softmax()([[0.0, 0.0]])
    array([[0.5, 0.5]], dtype=float32)
    """

    def __init__(self, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(activations.Softmax(int(axis)), **kwargs)
        self.axis = int(axis)
