"""Batch normalisation, with ReLU and dropout before it, ReLU and pooling by two after it: see `kernels.batchnorm`."""

import math
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.blocks.base import Block, Buffer, for_kernels, slot
from tinyconv.engine.blocks.case import whole_vectors
from tinyconv.engine.kernels.batchnorm import (
    norm_apply,
    norm_apply_pooled,
    norm_back,
    norm_back_pooled,
    norm_back_sums,
    norm_back_sums_pooled,
    norm_sums,
    set_backward,
    set_forward,
    statistics,
)
from tinyconv.engine.threads import Team
from tinyconv.layers import BatchNormalization, Dropout, Layer
from tinyconv.layers.pooling import MinPooling2D, Pooling2D


class Normalization(Block):
    """A `BatchNormalization` layer with what surrounds it.

    Args:
        letters: the operations, as in `plan.PATTERNS`: A before N is ReLU before the normalisation.
        layers: the layer of each letter.
        shape: of one sample, (..., C).
        team: threads.
    """

    title, reason = "normalization", "statistics of the batch"

    def __init__(self, letters: str, layers: list[Layer], shape: tuple[int, ...], team: Team) -> None:
        super().__init__(layers, team)
        at = letters.index("N")
        self.norm: Any = next(layer for layer in layers if isinstance(layer, BatchNormalization))
        self.dropout = next((layer for layer in layers if isinstance(layer, Dropout)), None)
        pool = next((layer for layer in layers if isinstance(layer, Pooling2D)), None)
        self._relu, self._relu_after, self._pooled = "A" in letters[:at], "A" in letters[at:], pool is not None
        self._sign = -1.0 if isinstance(pool, MinPooling2D) else 1.0
        channels = shape[-1]
        height, width = shape[:2] if len(shape) == 3 else (math.prod(shape[:-1]), 1)
        self._image = (height, width, channels)
        self._shape = shape
        size = pool.window.output_size(height, width) if pool is not None else ()
        self._out_shape = (*size, channels) if pool is not None else shape
        out = self._out_shape if pool is not None else self._image
        self._out = self.buffer(*out)
        self._winner = self.buffer(*out, dtype="uint8") if self._pooled else None
        self._won = self.buffer(*out) if self._pooled else None
        self._dz: Buffer | None = self.buffer(*self._image, of_input=True)
        self._draws = self.buffer(*self._image) if self.dropout is not None else None
        room = whole_vectors(channels)
        self._numbers = np.zeros((5, room), np.float32)
        self._sums = np.zeros((team.size, 2, channels))
        self._scratch = np.zeros((team.size, 3, room), np.float32)
        self.algorithm = "fused passes" if len(layers) > 1 else "passes"
        if self._pooled:
            self.kernels = [norm_sums, norm_apply_pooled, norm_back_sums_pooled, norm_back_pooled]
        else:
            self.kernels = [norm_sums, norm_apply, norm_back_sums, norm_back]

    def overwrite_input(self) -> None:
        """From now on the gradient by the input is written over the input, which nobody else may need again."""
        self._dz = None
        self._for_gradient.clear()

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ..., C) -> (N, ..., C), or (N, PH, PW, C)."""
        x, n = for_kernels(x), len(x)
        z = x.reshape(n, *self._image)  # (N, H, W, C)
        draws, rate = self._draw(n, training)
        entering = (int(self._relu), draws, rate)
        learning, count = training and self.norm.trainable, z.size // z.shape[3]
        mean, variance = (array.astype(np.float64) for array in self.norm.state.values())  # (C,), (C,)
        if learning:
            self.queue.add(n, lambda t, a, b: norm_sums(z, a, b, *entering, self._sums[t], self._scratch[t]))
            self.queue.settle()
            mean, variance = statistics(self._total(), count)
            self.norm.remember(mean, variance, count)
        set_forward(self._numbers, mean, variance, *self._gamma_beta(), self.norm.epsilon)
        out, winner, won = self._out.take(n), slot(self._winner, n), slot(self._won, n)
        after = (self._numbers, int(self._relu_after))
        if self._pooled:
            self.queue.add(
                n, lambda _, a, b: norm_apply_pooled(z, a, b, *entering, *after, self._sign, out, winner, won)
            )
        else:
            self.queue.add(n, lambda _, a, b: norm_apply(z, a, b, *entering, *after, out))
        return out.reshape(n, *self._out_shape), (z, entering, mean, variance, learning)

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """(N, ..., C) or (N, PH, PW, C) -> (N, ..., C)."""
        z, entering, mean, variance, learning = cache
        n, norm, numbers, after = len(z), self.norm, self._numbers, (self._numbers, int(self._relu_after))
        dy, sums, scratch = for_kernels(dy).reshape(self._out.take(n).shape), self._sums, self._scratch
        winner, won = slot(self._winner, n), slot(self._won, n)
        if self._pooled:
            self.queue.add(
                n, lambda t, a, b: norm_back_sums_pooled(a, b, numbers, dy, winner, won, sums[t], scratch[t])
            )
        else:
            self.queue.add(n, lambda t, a, b: norm_back_sums(z, a, b, *entering, *after, dy, sums[t], scratch[t]))
        self.queue.settle()
        gamma, _ = self._gamma_beta()
        count = z.size // z.shape[3]
        found = set_backward(self._numbers, self._total(), count, mean, variance, gamma, norm.epsilon, learning)
        for name, gradient in zip(("gamma", "beta"), found, strict=True):
            if name in norm.grads:
                norm.grads[name][...] = norm.grads[name] + gradient if self.adds else gradient
        if not to_input:
            return None
        dz = z if self._dz is None else self._dz.take(n)
        if self._pooled:
            self.queue.add(n, lambda _, a, b: norm_back_pooled(z, a, b, *entering, numbers, dy, winner, dz))
        else:
            self.queue.add(n, lambda _, a, b: norm_back(z, a, b, *entering, *after, dy, dz))
        return dz.reshape(n, *self._shape)

    @property
    def scratch_bytes(self) -> int:
        return self._numbers.nbytes + self._sums.nbytes + self._scratch.nbytes

    def _draw(self, n: int, training: bool) -> tuple[Array, float]:
        """(random numbers (N, H, W, C), rate of the dropout), drawn as its layer draws them."""
        if self.dropout is None or self._draws is None or not training or self.dropout.rate == 0:
            return _NO_DRAWS, 0.0
        draws = self._draws.take(n)
        self.dropout.rng.random(out=draws, dtype=np.float32)
        return draws, self.dropout.rate

    def _total(self) -> Array:
        """(2, C): the threads' sums, added in their order."""
        return self._sums.sum(axis=0)

    def _gamma_beta(self) -> tuple[Any, Any]:
        return self.norm.params.get("gamma", np.float32(1)), self.norm.params.get("beta", np.float32(0))


_NO_DRAWS = np.zeros((1, 1, 1, 1), np.float32)
