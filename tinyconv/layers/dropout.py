"""Dropout: during training, set a random part of the numbers to zero, so that no unit can rely on another.

The numbers that stay are scaled by 1 / (1 - rate), so that the expected value is unchanged and prediction needs no
correction. Source: Srivastava et al., JMLR 15 (2014) 1929-1958.
"""

from typing import Any

import numpy as np

from tinyconv import config
from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, sentence
from tinyconv.layers.base import Layer


class Dropout(Layer):
    """Zero a fraction of the numbers while training; pass everything through otherwise.

    Args:
        rate: fraction to drop, 0 to 1.
        noise_shape: shape of the random mask with the batch axis first, None where it follows the input; axes of
            length 1 are dropped together.
        seed: own random stream, so that the masks do not depend on other layers.

    Shapes:
        y has the shape of x.

    Raises:
        ValueError: if rate is outside 0 to 1.

    >>> y = Dropout(0.5, seed=1)(np.ones((1, 8)), training=True)
    >>> sorted(set(y.ravel().tolist()))
    [0.0, 2.0]
    """

    def __init__(self, rate: float, noise_shape: Shape | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(rate, int | float) or not 0 <= rate <= 1:
            way_out = "Give the fraction to drop, not to keep."
            raise ValueError(sentence(self.title, "rate between 0 and 1", f"rate={rate!r}", way_out))
        self.rate = float(rate)
        self.noise_shape = None if noise_shape is None else tuple(noise_shape)
        self.seed = seed
        self._own_stream = None if seed is None else np.random.default_rng(seed)

    @property
    def rng(self) -> np.random.Generator:
        """The random stream the masks are drawn from."""
        return self._own_stream or config.stream("dropout")

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """Any shape -> the same shape."""
        if not training or self.rate == 0:
            return x, None
        kept = self.rng.random(self.mask_shape(x.shape), dtype=np.float32) >= self.rate
        scale = kept.astype(x.dtype) / (1 - self.rate) if self.rate < 1 else np.zeros(kept.shape, x.dtype)
        return x * scale, scale

    def backward(self, dy: Array, cache: Any) -> Array:
        """Any shape -> the same shape."""
        return dy if cache is None else dy * cache

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """Shape of the random mask for an input of this shape."""
        if self.noise_shape is None:
            return shape
        return tuple(n if m is None else m for n, m in zip(shape, self.noise_shape, strict=True))

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape


class SpatialDropout2D(Dropout):
    """Dropout of whole channels: neighbouring pixels say nearly the same, so single ones are not worth dropping.

    Args:
        rate: fraction of the channels to drop, 0 to 1.
        data_format: only ``'channels_last'``.
        seed: own random stream.

    Source: Tompson et al., arXiv:1411.4280.
    """

    ndim = 4

    def __init__(self, rate: float, data_format: str | None = None, seed: int | None = None, **kwargs: Any) -> None:
        super().__init__(rate, seed=seed, **kwargs)
        self.data_format = channels_last(data_format, self.title)

    def mask_shape(self, shape: tuple[int, ...]) -> tuple[int, ...]:
        """(N, H, W, C) -> (N, 1, 1, C)."""
        return shape[0], 1, 1, shape[3]
