"""What the tests of single layers share."""

import numpy as np

from tinyconv.layers import Dense

VECTORS = (4, 5)  # N, I


def ready(layer, x, seed=4):
    """The layer, built for x in x's float type, with random numbers in every parameter."""
    layer.dtype = np.dtype(x.dtype).name
    layer.build((None, *x.shape[1:]))
    rng = np.random.default_rng(seed)
    for array in layer.params.values():
        array[...] = rng.standard_normal(array.shape)
    return layer


def run(layer, x, dy_seed=8, training=False):
    """(y, dy, dx) of one forward and backward, with a random dy."""
    y, cache = layer.forward(x, training)
    dy = np.random.default_rng(dy_seed).standard_normal(y.shape).astype(y.dtype)
    return y, dy, layer.backward(dy, cache)


def normal(*shape, seed=0):
    """Seeded random numbers."""
    return np.random.default_rng(seed).standard_normal(shape)


class WrongBias(Dense):
    """The bias's gradient is averaged over the batch instead of summed."""

    def backward(self, dy, cache):
        dx = super().backward(dy, cache)
        self.grads["bias"] /= len(dy)
        return dx
