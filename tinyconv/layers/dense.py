"""The fully connected layer: every output looks at every input.

y[n, o] = b[o] + sum over i of x[n, i] * kernel[i, o]
"""

from typing import Any

from tinyconv import activations, initializers, regularizers
from tinyconv._types import Array, Shape
from tinyconv.checks import known_channels, positive, sentence
from tinyconv.layers.base import Layer


class Dense(Layer):
    """y = activation(x @ kernel + bias), over the last axis.

    Args:
        units: O, number of outputs.
        activation: name or `tinyconv.activations.Activation`; None for none.
        use_bias: whether to add the bias.
        kernel_initializer, bias_initializer: how the parameters start.
        kernel_regularizer, bias_regularizer: penalty on the parameters, added to the loss.

    Shapes:
        x: (N, ..., I); y: (N, ..., O); params: kernel (I, O), bias (O,).

    Raises:
        ValueError: if units is not positive, or the input has fewer than two axes.

    >>> import numpy as np
    >>> Dense(2, kernel_initializer="ones", bias_initializer="ones")(np.array([[1.0, 2.0, 3.0]]))
    array([[7., 7.]], dtype=float32)
    """

    def __init__(
        self,
        units: int,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.units = positive(units, "units", self.title)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ..., I) -> (N, ..., O)."""
        z = x @ self.params["kernel"]  # (N, ..., O)
        if self.use_bias:
            z += self.params["bias"]
        y = self.activation(z)
        return y, (x, z, y)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, ..., O) -> (N, ..., I), adding to the gradients of kernel and bias."""
        x, z, y = cache
        dz = self.activation.backward(dy, z, y)
        rows, drows = x.reshape(-1, x.shape[-1]), dz.reshape(-1, self.units)  # (R, I), (R, O)
        if self.use_bias:
            self.grads["bias"] += drows.sum(axis=0)
        self.grads["kernel"] += rows.T @ drows
        return dz @ self.params["kernel"].T  # (N, ..., I)

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError for an input without features, or with other features than the layer was built for."""
        if len(shape) < 2:
            way_out = "A single sample needs a batch axis, x[None]."
            raise ValueError(sentence(self.title, "2 or more axes (batch, features)", f"x.shape={shape}", way_out))
        super().check_input_shape(shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, ..., I) -> (N, ..., O)."""
        known_channels(input_shape, self.title)
        return (*input_shape[:-1], self.units)

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        """Kernel (I, O) and bias (O,)."""
        bias = {"bias": (self.units,)} if self.use_bias else {}
        return {"kernel": (known_channels(input_shape, self.title), self.units), **bias}
