"""Where the engine keeps numbers: all parameters of a network in one vector, all gradients in another.

Each layer's ``params["kernel"]`` becomes a view of a stretch of the vector. So an optimizer step is one pass over two
vectors, and clipping, saving or averaging needs no list of layers.
"""

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.layers import Layer

#: Bytes that a processor fetches at once.
CACHE_LINE = 64


def zeros(*shape: int, dtype: Any = np.float32) -> Array:
    """An array that begins at a cache line, so that no vector of it lies on two.

    >>> zeros(3, 5).ctypes.data % CACHE_LINE
    0
    """
    size = math.prod(shape) * np.dtype(dtype).itemsize
    room = np.zeros(size + CACHE_LINE, np.uint8)
    start = -room.ctypes.data % CACHE_LINE
    return room[start : start + size].view(dtype).reshape(shape)


class ParameterMemory:
    """One vector for the parameters of some layers and one for their gradients.

    Layers that are not built yet are built into the vectors; the others move in with their values. Trainable
    parameters come first.

    Attributes:
        values, grads: every parameter and its gradient, 1-D.
        trainable: the stretch of both that an optimizer may change.
        segments: (layer name / parameter name, its stretch) for each parameter.

    Raises:
        ValueError: if the layers' float types differ.
    """

    def __init__(self, layers: Iterable[Layer]) -> None:
        self.layers = sorted(layers, key=lambda layer: not layer.trainable)
        plan = [(m, k, s) for m in self.layers for k, s in m.weight_shapes(m.input_spec).items()]
        dtypes = sorted({layer.dtype for layer, _, _ in plan}) or ["float32"]
        if len(dtypes) > 1:
            raise ValueError(sentence("model", "layers of one float type", f"dtypes {dtypes}"))
        size = sum(math.prod(shape) for _, _, shape in plan)
        self.values = np.empty(size, dtypes[0])
        self.grads = np.zeros(size, dtypes[0])
        self.segments: list[tuple[str, slice]] = []
        start = 0
        for layer, name, shape in plan:
            stop = start + math.prod(shape)
            self.segments.append((f"{layer.name}/{name}", slice(start, stop)))
            start = stop
        learned = sum(math.prod(shape) for layer, _, shape in plan if layer.trainable)
        self.trainable = slice(0, learned)
        self.adopt()

    def adopt(self) -> None:
        """Make every layer's parameters and gradients views of the vectors."""
        stretches = iter(self.segments)
        for layer in self.layers:
            shapes = layer.weight_shapes(layer.input_spec)
            own = {name: (next(stretches)[1], shape) for name, shape in shapes.items()}
            params = {name: self.values[part].reshape(shape) for name, (part, shape) in own.items()}
            if layer.built:
                for name, view in params.items():
                    view[...] = layer.params[name]
                layer.params = params
            else:
                layer.allocate(layer.input_spec, params)
            layer.grads = {name: self.grads[part].reshape(shape) for name, (part, shape) in own.items()}

    def is_current(self) -> bool:
        """False once a layer's parameters have moved elsewhere, as when another model trains it too."""
        return all(array.base is self.values for layer in self.layers for array in layer.params.values())
