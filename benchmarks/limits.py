"""How much this machine can do at all: multiply-adds in registers, and copying of memory.

`Machine` takes turns like a library, so that its figures belong to the same minute as theirs.
"""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from benchmarks.problems import Problem
from tinyconv._types import Array
from tinyconv.engine.compiler import kernel
from tinyconv.engine.vector import LANES, tile

#: A tile of twelve vectors: enough sums at a time for any processor, and its operands are read faster than multiplied.
ROWS, VECTORS = 6, 2
#: Length of the sums in the tile: its operands stay in the fastest cache.
DEPTH = 256
#: How often a call repeats the tile.
REPEATS = 5000
#: Floats that a call copies: 256 MB read and as many written, more than caches hold.
COPIED = 2**26


@kernel("f4[::1], f4[::1], f4[::1], i8, i8")
def multiply(a, b, c, depth, repeats):  # type: ignore[no-untyped-def]  # Numba infers the types
    """c += a @ b again and again; a is (ROWS, depth), b (depth, VECTORS*LANES)."""
    for _ in range(repeats):
        tile(ROWS, VECTORS, 1, depth, a, 0, depth, 0, 1, b, 0, 0, VECTORS * LANES, c, 0, VECTORS * LANES, 1)


def tile_operations(threads: int) -> int:
    """Multiplications and additions of one call of `Machine.tile`."""
    return 2 * ROWS * VECTORS * LANES * DEPTH * REPEATS * threads


def copied_bytes() -> int:
    """Bytes that one call of `Machine.copy` reads and writes."""
    return 2 * 4 * COPIED


class Machine:
    """The bare machine, with so many threads."""

    def __init__(self, problem: Problem, threads: int) -> None:
        self.pool, self.threads = ThreadPoolExecutor(threads), threads
        sizes = (ROWS * DEPTH, DEPTH * VECTORS * LANES, ROWS * VECTORS * LANES)
        self.operands = [tuple(np.full(size, 1e-3, np.float32) for size in sizes) for _ in range(threads)]
        self.source = self.target = np.empty(0, np.float32)

    def load(self, weights: list[Array], data: list[Array]) -> None:
        """Nothing is learned here."""
        multiply.compile()

    def loss(self) -> None:
        """There is none."""

    def tile(self) -> None:
        """Multiply in registers, on every thread."""
        list(self.pool.map(lambda arrays: multiply(*arrays, DEPTH, REPEATS), self.operands))

    def copy(self) -> None:
        """Copy memory, a part on every thread."""
        if not self.source.size:
            self.source, self.target = np.ones(COPIED, np.float32), np.zeros(COPIED, np.float32)
        parts = (np.array_split(array, self.threads) for array in (self.target, self.source))
        list(self.pool.map(np.copyto, *parts))
