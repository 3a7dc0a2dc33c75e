"""The fully connected layer, with the ReLU after it: one product forward and two backward.

The threads share the larger factor of each product: the rows of a large batch, else the kernel's columns or rows. The
products go by whole vectors of units. Where the number of units is no multiple of a vector, those that are left over
are copied into arrays of one vector's width, which go through the same products.
"""

from collections.abc import Callable
from typing import Any

from tinyconv._types import Array
from tinyconv.engine.blocks.base import Block, for_kernels
from tinyconv.engine.blocks.case import whole_vectors
from tinyconv.engine.kernels.dense import dense_dkernel, dense_dx, dense_forward, turned
from tinyconv.engine.kernels.elementwise import add_bias, dense_back
from tinyconv.engine.lanes import LANES
from tinyconv.engine.memory import zeros
from tinyconv.engine.threads import Team, team
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

    title, algorithm, reason = "dense", "tiles", "products in registers"
    kernels = (dense_forward, dense_dkernel, dense_dx, add_bias, dense_back)

    def __init__(self, layer: Dense, shape: tuple[int, ...], relu: bool, team: Team) -> None:
        super().__init__([layer], team)
        self.layer, self.relu = layer, relu
        self.inputs, self.units = shape[-1], layer.units
        self._left = self.units % LANES  # units after the last whole vector
        self._y = self.buffer(*shape[:-1], self.units)
        self._dz = self.buffer(*shape[:-1], self.units)
        self._dx = self.buffer(*shape, of_input=True)
        self._no_bias, self._dbias = zeros(self.units), zeros(self.units)
        self._w_left = zeros(self.inputs if self._left else 0, LANES)
        self._for_turned, self._for_strips, self._for_left = zeros(0), zeros(0), zeros(0, LANES)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, ..., I) -> (N, ..., O)."""
        self.queue.settle()
        x, w, whole = for_kernels(x), self.layer.params["kernel"], self.units - self._left
        y = self._y.take(len(x))
        rows, z = x.reshape(-1, self.inputs), y.reshape(-1, self.units)  # (R, I), (R, O)
        self._make_room(len(rows))
        if whole:
            self._multiply(rows, w, z, whole)
        if self._left:
            self._w_left[:, : self._left] = w[:, whole:]
            self._multiply(rows, self._w_left, self._z_left, LANES)
            z[:, whole:] = self._z_left[:, : self._left]
        add_bias(z, self.layer.params.get("bias", self._no_bias), self.relu, 0, len(z))
        return y, x

    def backward(self, dy: Array, cache: Any, to_input: bool = True) -> Array | None:
        """(N, ..., O) -> (N, ..., I)."""
        self.queue.settle()
        x, dy, n = cache, for_kernels(dy), len(dy)
        rows, y = x.reshape(-1, self.inputs), self._y.take(n).reshape(-1, self.units)  # (R, I), (R, O)
        dz = self._dz.take(n).reshape(-1, self.units)  # (R, O)
        dense_back(dy.reshape(-1, self.units), y, self.relu, dz, self._dbias, 0, len(rows))
        self._gradients(rows, dz)
        if not to_input:
            return None
        w, dx, dz_turned = self.layer.params["kernel"], self._dx.take(n), turned(dz, self._turned)  # (O, R and more)
        columns = dx.reshape(-1, self.inputs)  # (R, I)
        self._share(self.inputs, 16, len(rows), lambda t, a, b: dense_dx(w, dz_turned, columns, self._strips[t], a, b))
        return dx

    def _multiply(self, rows: Array, w: Array, z: Array, columns: int) -> None:
        """z = rows @ w in the first columns."""
        n = len(rows)
        if n > columns:
            self._share(n, 8, n, lambda _, a, b: dense_forward(rows, w, z, a, b - a, 0, columns))
        else:
            self._share(columns, LANES, n, lambda _, a, b: dense_forward(rows, w, z, 0, n, a, b - a))

    def _gradients(self, rows: Array, dz: Array) -> None:
        """(R, I), (R, O) -> the gradients of kernel and bias, written or added."""
        grads, n, whole, add = self.layer.grads, len(rows), self.units - self._left, self.adds
        if "bias" in grads:
            grads["bias"][...] = grads["bias"] + self._dbias if add else self._dbias
        dw, left = grads["kernel"], self._left
        if whole:
            self._share(self.inputs, 8, n, lambda _, a, b: dense_dkernel(rows, dz, dw, whole, add, a, b))
        if left:
            dz_left, dw_left = self._z_left, self._w_left
            dz_left[:, :left] = dz[:, whole:]
            self._share(self.inputs, 8, n, lambda _, a, b: dense_dkernel(rows, dz_left, dw_left, LANES, 0, a, b))
            dw[:, whole:] = dw[:, whole:] + dw_left[:, :left] if add else dw_left[:, :left]

    def _make_room(self, n: int) -> None:
        """Scratch for n rows."""
        room, most = whole_vectors(n), len(self._for_turned) // self.units
        if room > most:
            self._for_turned, self._for_strips = zeros(self.units * room), zeros(self.team.size * 16 * room)
            self._for_left = zeros(room if self._left else 0, LANES)
        self._turned = self._for_turned[: self.units * room].reshape(self.units, room)
        self._strips = self._for_strips[: self.team.size * 16 * room].reshape(self.team.size, 16, room)
        self._z_left = self._for_left[:n]

    def _share(self, size: int, step: int, rows: int, work: Callable[[int, int, int], None]) -> None:
        """Slices of range(size), in whole steps, for the threads; all of it for one where it is little."""
        worth, steps = rows * self.multiply_adds >= WORTH_SHARING, -(-size // step)
        (self.team if worth else team(1)).run(lambda t, a, b: work(t, a * step, min(b * step, size)), steps)

    @property
    def multiply_adds(self) -> int:
        return self.inputs * self.units

    @property
    def scratch_bytes(self) -> int:
        return sum(array.nbytes for array in (self._for_turned, self._for_strips, self._for_left, self._w_left))
