"""The fully connected layer, with the ReLU after it: one product forward and two backward.

The threads share the larger factor of each product: the rows of a large batch, else the kernel's columns or rows.
"""

from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.blocks.base import Block, for_kernels
from tinyconv.engine.blocks.case import whole_vectors
from tinyconv.engine.kernels.dense import dense_dkernel, dense_dx, dense_forward, turned
from tinyconv.engine.kernels.elementwise import add_bias, dense_back
from tinyconv.engine.threads import Team, team
from tinyconv.engine.vector import LANES
from tinyconv.layers import Dense

#: Multiply-adds below which handing work to other threads costs more than it saves.
WORTH_SHARING = 2**21


class DenseBlock(Block):
    """A `Dense` layer on rows (N, ..., I).

    Args:
        layer: the layer.
        shape: of one sample, (..., I).
        relu: whether ReLU follows.
        team: threads.
    """

    title, algorithm = "dense", "tiles"

    def __init__(self, layer: Dense, shape: tuple[int, ...], relu: bool, team: Team) -> None:
        super().__init__([layer], team)
        self.layer, self.relu = layer, relu
        self.inputs, self.units = shape[-1], layer.units
        self._y = self.buffer(*shape[:-1], self.units)
        self._dz = self.buffer(*shape[:-1], self.units)
        self._dx = self.buffer(*shape, of_input=True)
        self._zeros, self._dbias = (np.zeros(self.units, np.float32) for _ in range(2))
        self._turned = np.zeros((self.units, 0), np.float32)
        self._strips = np.zeros((self.team.size, 16, 0), np.float32)
        self.kernels = [add_bias, dense_back]
        self.reason = f"{self.units} units"
        if self.units % LANES:
            self.algorithm, self.reason = "BLAS", f"{self.units} units, no multiple of {LANES}"
        else:
            self.kernels += [dense_forward, dense_dkernel, dense_dx]

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ..., I) -> (N, ..., O)."""
        x, w = for_kernels(x), self.layer.params["kernel"]
        y = self._y.take(len(x))
        rows, z = x.reshape(-1, self.inputs), y.reshape(-1, self.units)  # (R, I), (R, O)
        bias = self.layer.params.get("bias", self._zeros)
        if self.algorithm == "BLAS":
            np.matmul(rows, w, out=z)
        elif len(rows) > self.units:
            self._share(len(rows), 8, lambda _, a, b: dense_forward(rows, w, z, a, b - a, 0, self.units), len(rows))
        else:
            n = len(rows)
            self._share(self.units, LANES, lambda _, a, b: dense_forward(rows, w, z, 0, n, a, b - a), n)
        add_bias(z, bias, self.relu, 0, len(z))
        return y, x

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """(N, ..., O) -> (N, ..., I)."""
        x, dy, w = cache, for_kernels(dy), self.layer.params["kernel"]
        n = len(x)
        rows, y = x.reshape(-1, self.inputs), self._y.take(n).reshape(-1, self.units)  # (R, I), (R, O)
        dz = self._dz.take(n).reshape(-1, self.units)  # (R, O)
        self._dbias.fill(0)
        dense_back(dy.reshape(-1, self.units), y, self.relu, dz, self._dbias, 0, len(rows))
        self._gradients(rows, dz)
        if not to_input:
            return None
        dx = self._dx.take(n)
        self._to_input(w, dz, dx.reshape(-1, self.inputs))
        return dx

    def _gradients(self, rows: Array, dz: Array) -> None:
        """(R, I), (R, O) -> the gradients of kernel and bias, written or added."""
        grads = self.layer.grads
        if "bias" in grads:
            grads["bias"][...] = grads["bias"] + self._dbias if self.adds else self._dbias
        if self.algorithm == "BLAS" and self.adds:
            grads["kernel"] += rows.T @ dz
        elif self.algorithm == "BLAS":
            np.matmul(rows.T, dz, out=grads["kernel"])
        else:
            dw = grads["kernel"]
            self._share(self.inputs, 8, lambda _, a, b: dense_dkernel(rows, dz, dw, self.adds, a, b), len(rows))

    def _to_input(self, w: Array, dz: Array, dx: Array) -> None:
        """(I, O), (R, O) -> (R, I)."""
        if self.algorithm == "BLAS":
            np.matmul(dz, w.T, out=dx)
            return
        room = whole_vectors(len(dz))
        if self._turned.shape[1] != room:
            self._turned = np.zeros((self.units, room), np.float32)
            self._strips = np.zeros((self.team.size, 16, room), np.float32)
        into = turned(dz, self._turned)  # (O, R and more)
        self._share(self.inputs, 16, lambda t, a, b: dense_dx(w, into, dx, self._strips[t], a, b), len(dz))

    def _share(self, size: int, step: int, work: Any, rows: int) -> None:
        """Slices of range(size), in whole steps, for the threads; all of it for one where it is little."""
        worth = rows * self.multiply_adds >= WORTH_SHARING
        steps = -(-size // step)
        (self.team if worth else team(1)).run(lambda t, a, b: work(t, a * step, min(b * step, size)), steps)

    @property
    def multiply_adds(self) -> int:
        return self.inputs * self.units

    @property
    def scratch_bytes(self) -> int:
        return self._turned.nbytes + self._strips.nbytes
