"""A block: some layers that run as one, in compiled kernels, on buffers of their own."""

from collections.abc import Iterable
from typing import Any, ClassVar

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.memory import zeros
from tinyconv.engine.threads import Queue, Team
from tinyconv.layers import Layer


class Block:
    """Runs a few neighbouring layers together.

    It has a layer's contract, with two differences. The arrays that it returns are its buffers, and the next call
    overwrites them. And they are filled only when the queue is settled, which whoever is no block must see to before
    looking at them. Each call of a layer in a network has a block of its own.

    Attributes:
        layers: those it runs.
        team: the threads that share the images of a batch.
        queue: where they find what to do; the blocks of a plan have one together.
        kernels: what must be compiled before it runs.
        adds: whether gradients are added to ``grads``, for layers that several steps run; else they are written, and
            nobody needs to clear them.
    """

    #: What `Model.plan` calls it, the way it computes, and why it was chosen.
    title: ClassVar[str]
    algorithm: str
    reason: str
    kernels: Iterable[Kernel]
    adds = False

    def __init__(self, layers: Iterable[Layer], team: Team) -> None:
        self.layers, self.team, self.queue = tuple(layers), team, Queue(team)
        self._buffers: list[Buffer] = []
        self._for_gradient: list[Buffer] = []

    def buffer(self, *shape: int, dtype: Any = np.float32, of_input: bool = False) -> "Buffer":
        """Room for an array of this shape for each sample; ``of_input`` if it is the gradient by the input."""
        room = Buffer(shape, dtype)
        (self._for_gradient if of_input else self._buffers).append(room)
        return room

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """Input -> (output, cache)."""
        raise NotImplementedError

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """Gradient by the output -> gradient by the input, None unless ``to_input``; sets or adds to ``grads``."""
        raise NotImplementedError

    def workspace(self, batch: int, to_input: bool) -> int:
        """Bytes of its buffers and scratch for a batch of so many samples."""
        buffers = self._buffers + (self._for_gradient if to_input else [])
        return self.scratch_bytes + batch * sum(buffer.sample_bytes for buffer in buffers)

    @property
    def scratch_bytes(self) -> int:
        """Bytes that do not grow with the batch."""
        return 0

    @property
    def multiply_adds(self) -> int:
        """Products of one sample's forward pass."""
        return 0


class Buffer:
    """Room for a batch: made at the first, made anew for a larger one, and a slice of it for a smaller one."""

    def __init__(self, shape: tuple[int, ...], dtype: Any = np.float32) -> None:
        self.shape, self.dtype = shape, np.dtype(dtype)
        self._room = np.empty((0, *shape), dtype)

    @property
    def sample_bytes(self) -> int:
        """Bytes for one sample."""
        return int(np.prod(self.shape, dtype=np.int64)) * self.dtype.itemsize

    def take(self, n: int) -> Array:
        """(n, *shape); what it held before may still be there."""
        if len(self._room) < n:
            self._room = zeros(n, *self.shape, dtype=self.dtype)
        return self._room[:n]


def for_kernels(x: Array) -> Array:
    """The array, or a copy, as kernels take it: float32, one sample after the other, writable."""
    return np.require(x, np.float32, ["C", "W"])


def slot(buffer: Buffer | None, n: int) -> Array:
    """A buffer's (n, *shape); where there is none, one number that stands for an array nobody looks at."""
    return _NOTHING if buffer is None else buffer.take(n)


_NOTHING = np.zeros((1, 1, 1, 1), np.uint8)
