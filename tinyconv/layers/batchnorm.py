"""Batch normalisation: give each channel mean 0 and variance 1 over the batch, then let the network rescale it.

    m, v    mean and variance of each channel over batch, height and width (population variance, divided by the count)
    x_hat = (x - m) / sqrt(v + epsilon)
    y     = gamma * x_hat + beta

While training, moving averages of m and v are kept for prediction, where a single image has no batch to compare with.
Source: Ioffe and Szegedy, arXiv:1502.03167. Keras 3 keeps the population variance in the moving average; TensorFlow 2
kept n / (n - 1) times it for images, which ``unbiased_moving_variance=True`` does.
"""

from typing import Any

import numpy as np

from tinyconv import initializers, regularizers
from tinyconv._types import Array, Shape
from tinyconv.checks import known_channels, sentence
from tinyconv.layers.base import Layer


class BatchNormalization(Layer):
    """Normalise each channel.

    Args:
        axis: the axis of the channels; only the last one.
        momentum: how much of the old moving average stays at each step.
        epsilon: added to the variance.
        center, scale: whether to learn beta and gamma.
        beta_initializer, gamma_initializer, moving_mean_initializer, moving_variance_initializer: how they start.
        beta_regularizer, gamma_regularizer: penalty on beta and gamma, added to the loss.
        unbiased_moving_variance: keep n / (n - 1) times the batch variance, as TensorFlow 2 did.

    Shapes:
        x, y: (N, ..., C); params: gamma, beta (C,); state: moving_mean, moving_variance (C,).

    With ``trainable=False`` it normalises by the moving averages and leaves them alone, in training too.

    Raises:
        ValueError: if axis is not the last, momentum not in 0 to 1, or epsilon negative.

    >>> y = BatchNormalization()(np.array([[1.0], [3.0]]), training=True)
    >>> y.round(3)
    array([[-1.],
           [ 1.]], dtype=float32)
    """

    def __init__(
        self,
        axis: int = -1,
        momentum: float = 0.99,
        epsilon: float = 1e-3,
        center: bool = True,
        scale: bool = True,
        beta_initializer: Any = "zeros",
        gamma_initializer: Any = "ones",
        moving_mean_initializer: Any = "zeros",
        moving_variance_initializer: Any = "ones",
        beta_regularizer: Any = None,
        gamma_regularizer: Any = None,
        unbiased_moving_variance: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.axis = axis
        self.momentum = float(momentum)
        self.epsilon = float(epsilon)
        self.center, self.scale = bool(center), bool(scale)
        self.beta_initializer = initializers.get(beta_initializer)
        self.gamma_initializer = initializers.get(gamma_initializer)
        self.moving_mean_initializer = initializers.get(moving_mean_initializer)
        self.moving_variance_initializer = initializers.get(moving_variance_initializer)
        self.beta_regularizer = regularizers.get(beta_regularizer)
        self.gamma_regularizer = regularizers.get(gamma_regularizer)
        self.unbiased_moving_variance = bool(unbiased_moving_variance)
        if not isinstance(axis, int):
            raise ValueError(sentence(self.title, "axis as one whole number", f"axis={axis!r}"))
        if not 0 <= self.momentum <= 1 or self.epsilon < 0:
            received = f"momentum={momentum}, epsilon={epsilon}"
            raise ValueError(sentence(self.title, "momentum between 0 and 1 and epsilon from 0", received))

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ..., C) -> (N, ..., C)."""
        learning = training and self.trainable
        mean, variance = self._batch_statistics(x) if learning else self.state.values()  # (C,), (C,)
        inverse = 1 / np.sqrt(variance + self.epsilon)  # (C,)
        x_hat = (x - mean) * inverse
        y = x_hat * self.params["gamma"] if self.scale else x_hat
        if self.center:
            y = y + self.params["beta"]
        return y, (x_hat, inverse, learning)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, ..., C) -> (N, ..., C), adding to the gradients of gamma and beta."""
        x_hat, inverse, learning = cache
        axes = tuple(range(dy.ndim - 1))
        if self.center:
            self.grads["beta"] += dy.sum(axis=axes, dtype="float64")
        if self.scale:
            self.grads["gamma"] += (dy * x_hat).sum(axis=axes, dtype="float64")
        dx_hat = dy * self.params["gamma"] if self.scale else dy
        if learning:  # mean and variance depend on x too: take out what they pass on
            dx_hat = dx_hat - _mean(dx_hat) - x_hat * _mean(dx_hat * x_hat)
        return dx_hat * inverse

    def _batch_statistics(self, x: Array) -> tuple[Array, Array]:
        """Mean and variance of the batch, (C,) each, which are remembered."""
        mean = _mean(x)
        variance = _mean((x - mean) ** 2)
        self.remember(mean, variance, x.size // x.shape[-1])
        return mean, variance

    def remember(self, mean: Array, variance: Array, n: int) -> None:
        """Move the moving averages towards the statistics (C,) of n numbers a channel."""
        kept = variance * (n / max(n - 1, 1)) if self.unbiased_moving_variance else variance
        for name, batch in (("moving_mean", mean), ("moving_variance", kept)):
            self.state[name] *= self.momentum
            self.state[name] += batch * (1 - self.momentum)

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError for other channels than the layer was built for, or if they are not on the last axis."""
        if self.axis not in (-1, len(shape) - 1):
            way_out = "Only channels-last data are supported."
            raise ValueError(sentence(self.title, f"axis=-1 or {len(shape) - 1}", f"axis={self.axis}", way_out))
        super().check_input_shape(shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        """Gamma (C,) and beta (C,), where they are learned."""
        c = (known_channels(input_shape, self.title),)
        return {name: c for name, learned in (("gamma", self.scale), ("beta", self.center)) if learned}

    def state_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        """The moving averages: mean (C,) and variance (C,)."""
        c = (known_channels(input_shape, self.title),)
        return {"moving_mean": c, "moving_variance": c}


def _mean(x: Array) -> Array:
    """Of each channel: (N, ..., C) -> (C,). Summed in float64, for every term moves the last digits of a float32."""
    mean: Array = x.mean(axis=tuple(range(x.ndim - 1)), dtype="float64").astype(x.dtype)
    return mean
