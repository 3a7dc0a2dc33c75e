"""Activation functions, each with its gradient directly under it.

An activation bends a layer's output: without one, any stack of layers would be a single matrix. Each is called on an
array, `y = relu(x)`, and carries the gradient back with `dx = relu.backward(dy, x, y)`. NaN and infinity pass through.
Formulas and defaults are those of Keras 3, `keras/src/activations/activations.py`.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import lookup, sentence


@dataclass(frozen=True)
class Activation:
    """Base of the activations: a function of one array and its gradient."""

    @property
    def name(self) -> str:
        """Keras's name of the function."""
        return next(name for name, cls in _CLASSES.items() if cls is type(self))

    def __call__(self, x: Array) -> Array:
        """Any shape -> the same shape and float type."""
        raise NotImplementedError

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        """Gradient by x, from the gradient by y = self(x)."""
        raise NotImplementedError


@dataclass(frozen=True)
class Linear(Activation):
    """y = x."""

    def __call__(self, x: Array) -> Array:
        return x

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return dy


@dataclass(frozen=True)
class Relu(Activation):
    """y = max(x, 0); the gradient at 0 is 0.

    >>> relu(np.array([-2.0, 0.0, 3.0]))
    array([0., 0., 3.])
    """

    def __call__(self, x: Array) -> Array:
        return np.maximum(x, 0)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return np.where(x > 0, dy, 0)


@dataclass(frozen=True)
class ClippedRelu(Activation):
    """Relu with every bend Keras knows: y = x from threshold to max_value, flat above, of another slope below.

    y = min(x, max_value) where x >= threshold, else negative_slope * (x - threshold).
    """

    max_value: float | None = None
    negative_slope: float = 0.0
    threshold: float = 0.0

    def __call__(self, x: Array) -> Array:
        below = self.negative_slope * (x - self.threshold) if self.negative_slope else 0
        return np.where(x < self.threshold, below, np.minimum(x, self._top))

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return np.where(x < self.threshold, dy * self.negative_slope, np.where(x < self._top, dy, 0))

    @property
    def _top(self) -> float:
        return np.inf if self.max_value is None else self.max_value


@dataclass(frozen=True)
class LeakyRelu(Activation):
    """y = x above zero, negative_slope * x below."""

    negative_slope: float = 0.2

    def __call__(self, x: Array) -> Array:
        return np.where(x > 0, x, self.negative_slope * x)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return np.where(x > 0, dy, self.negative_slope * dy)


@dataclass(frozen=True)
class Elu(Activation):
    """y = x above zero, alpha * (exp(x) - 1) below (Clevert et al., arXiv:1511.07289)."""

    alpha: float = 1.0

    def __call__(self, x: Array) -> Array:
        return np.where(x > 0, x, self.alpha * np.expm1(np.minimum(x, 0)))

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return np.where(x > 0, dy, dy * self.alpha * np.exp(np.minimum(x, 0)))


@dataclass(frozen=True)
class Selu(Activation):
    """y = scale * elu(x, alpha), the pair that keeps mean 0 and variance 1 (Klambauer et al., arXiv:1706.02515)."""

    alpha = 1.6732632423543772
    scale = 1.0507009873554805

    def __call__(self, x: Array) -> Array:
        return self.scale * Elu(self.alpha)(x)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return self.scale * Elu(self.alpha).backward(dy, x, y)


@dataclass(frozen=True)
class Gelu(Activation):
    """y = x * P(Z <= x) for a standard normal Z (Hendrycks and Gimpel, arXiv:1606.08415).

    With ``approximate=True``, 0.5 x (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))).
    """

    approximate: bool = False

    def __call__(self, x: Array) -> Array:
        return x * self._cdf(x)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        if not self.approximate:
            density = np.exp(-0.5 * x * x) / math.sqrt(2 * math.pi)
            return dy * (self._cdf(x) + x * density)
        cdf = self._cdf(x)
        slope = math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x * x)
        return dy * (cdf + x * 2 * cdf * (1 - cdf) * slope)

    def _cdf(self, x: Array) -> Array:
        if self.approximate:
            return 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))
        return 0.5 * (1 + _erf(x / math.sqrt(2)))


@dataclass(frozen=True)
class Sigmoid(Activation):
    """y = 1 / (1 + exp(-x)), written so that no exponent overflows."""

    def __call__(self, x: Array) -> Array:
        small = np.exp(-np.abs(x))  # in (0, 1]
        return np.where(x < 0, small, 1) / (1 + small)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return dy * y * (1 - y)


@dataclass(frozen=True)
class Tanh(Activation):
    """y = tanh(x)."""

    def __call__(self, x: Array) -> Array:
        return np.tanh(x)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return dy * (1 - y * y)


@dataclass(frozen=True)
class Softmax(Activation):
    """y_i = exp(x_i) / sum_j exp(x_j) over an axis: positive numbers that add up to 1.

    The largest x is subtracted first: it cancels, and no exponent overflows.

    >>> softmax(np.array([[1000.0, 1000.0]]))
    array([[0.5, 0.5]])
    """

    axis: int = -1

    def __call__(self, x: Array) -> Array:
        e = np.exp(x - x.max(axis=self.axis, keepdims=True, initial=-np.inf))
        return e / e.sum(axis=self.axis, keepdims=True)

    def backward(self, dy: Array, x: Array, y: Array) -> Array:
        return y * (dy - (dy * y).sum(axis=self.axis, keepdims=True))


def _erf(x: Array) -> Array:
    """The error function, which NumPy lacks, by the standard library's, in x's float type."""
    return np.vectorize(math.erf, otypes=[x.dtype])(x) if x.size else x


_CLASSES: dict[str, type[Activation]] = {
    "linear": Linear,
    "relu": Relu,
    "clipped_relu": ClippedRelu,
    "leaky_relu": LeakyRelu,
    "elu": Elu,
    "selu": Selu,
    "gelu": Gelu,
    "sigmoid": Sigmoid,
    "tanh": Tanh,
    "softmax": Softmax,
}

linear = Linear()
relu = Relu()
leaky_relu = LeakyRelu()
elu = Elu()
selu = Selu()
gelu = Gelu()
sigmoid = Sigmoid()
tanh = Tanh()
softmax = Softmax()


def get(identifier: "str | dict[str, Any] | Activation | None") -> Activation:
    """The activation behind a name, a configuration or None (linear).

    >>> get("relu")(np.array([-1.0, 1.0]))
    array([0., 1.])

    Raises:
        ValueError: for an unknown name; the nearest one is suggested.
        TypeError: for anything that is neither.
    """
    if identifier is None:
        return linear
    of_layer = getattr(identifier, "activation", None)  # activation=LeakyReLU() means the layer's function
    if isinstance(of_layer, Activation):
        return of_layer
    if isinstance(identifier, Activation):
        return identifier
    if isinstance(identifier, str):
        return lookup("activation", identifier, _CLASSES)()
    if isinstance(identifier, dict) and "class_name" in identifier:
        return lookup("activation", identifier["class_name"], _CLASSES)(**identifier.get("config", {}))
    way_out = "To use a function of your own, write a subclass of tinyconv.activations.Activation with its backward."
    raise TypeError(sentence("activation", "a name such as 'relu', or None", repr(identifier), way_out))


def serialize(activation: Activation) -> "str | dict[str, Any]":
    """What `get` turns back into the same activation: its name, with the settings where they are not the defaults.

    >>> serialize(relu), serialize(LeakyRelu(0.1))
    ('relu', {'class_name': 'leaky_relu', 'config': {'negative_slope': 0.1}})
    """
    if all(getattr(activation, field.name) == field.default for field in fields(activation)):
        return activation.name
    return {"class_name": activation.name, "config": asdict(activation)}


__all__ = [
    "Activation",
    "elu",
    "gelu",
    "get",
    "leaky_relu",
    "linear",
    "relu",
    "selu",
    "serialize",
    "sigmoid",
    "softmax",
    "tanh",
]
