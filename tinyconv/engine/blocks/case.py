"""One convolution as the engine sees it: sizes and settings, without numbers to learn.

`ConvCase` is what an algorithm is chosen by and built from. It may hold the pooling that follows the convolution, for
then the convolution's own map is never stored.
"""

from dataclasses import dataclass

import numpy as np

from tinyconv._types import Array
from tinyconv.engine.kernels.maps import AVERAGE, EXTREME, STORED
from tinyconv.engine.lanes import LANES
from tinyconv.geometry import Window


def whole_vectors(channels: int) -> int:
    """The least multiple of LANES that holds so many channels."""
    return -(-channels // LANES) * LANES


@dataclass(frozen=True)
class ConvCase:
    """A convolution, the scaling before it, and what follows it.

    Attributes:
        height, width, channels: of one image, H, W, C.
        filters: F.
        window: how the convolution moves.
        groups: parts that the channels are cut into.
        relu: whether ReLU follows.
        pool: the window of the pooling that follows, None for none.
        pool_kind: ``"max"``, ``"min"`` or ``"average"``.
        scale, offset: the image is x * scale + offset before it is padded.
    """

    height: int
    width: int
    channels: int
    filters: int
    window: Window
    groups: int = 1
    relu: bool = False
    pool: Window | None = None
    pool_kind: str = "max"
    scale: float = 1.0
    offset: float = 0.0

    @property
    def map_size(self) -> tuple[int, int]:
        """(OH, OW): the convolution's map."""
        return self.window.output_size(self.height, self.width)

    @property
    def out_size(self) -> tuple[int, int]:
        """(PH, PW): what is stored, the pooled map or the map itself."""
        return self.map_size if self.pool is None else self.pool.output_size(*self.map_size)

    @property
    def sign(self) -> float:
        """-1 for min pooling, which is max pooling of the negative map; else 1."""
        return -1.0 if self.pool is not None and self.pool_kind == "min" else 1.0

    @property
    def kind(self) -> int:
        """STORED, EXTREME or AVERAGE."""
        if self.pool is None:
            return STORED
        return AVERAGE if self.pool_kind == "average" else EXTREME

    @property
    def pools_by_two(self) -> bool:
        """Whether the pooling is max or min over neighbouring 2x2 squares, which the fast kernels do in registers."""
        by_two = self.pool is not None and self.pool.size == self.pool.strides == (2, 2)
        return by_two and self.pool_kind != "average"

    @property
    def conv_numbers(self) -> Array:
        """KH, KW, SH, SW, DH, DW, rows above, columns to the left: what kernels take as ``conv``."""
        (top, _), (left, _) = self.window.pads(self.height, self.width)
        return np.array([*self.window.size, *self.window.strides, *self.window.dilation, top, left])

    @property
    def pool_numbers(self) -> Array:
        """What kernels take as ``pool``."""
        return pool_numbers(self.kind, self.pool or Window((1, 1)), self.map_size)


def pool_numbers(kind: int, window: Window, size: tuple[int, int]) -> Array:
    """Kind, KH, KW, SH, SW, rows above, columns to the left, for a pooling of a map of this size."""
    (top, _), (left, _) = window.pads(*size)
    return np.array([kind, *window.size, *window.strides, top, left])
