"""The depthwise convolution: planned like the tiled one, computed lane by lane."""

from tinyconv.engine.blocks.case import ConvCase, whole_vectors
from tinyconv.engine.blocks.tiled import Tiled
from tinyconv.engine.compiler import Kernel
from tinyconv.engine.kernels.depthwise import CELLS, depthwise_backward, depthwise_forward


class Depthwise(Tiled):
    """A convolution of each channel by itself: as many groups as channels.

    Args:
        case: what is computed.
        threads: how many share a batch.
    """

    title = "depthwise"
    turned = (3, 0, 1, 2, 4)  # a filter has one input and one output, there is nothing to exchange

    def __init__(self, case: ConvCase, threads: int) -> None:
        self.case, self.groups = case, 1
        self.inputs = self.filters = case.filters  # the canvas repeats the channels
        self.pitch = whole_vectors(case.filters)
        self.kernels: list[Kernel] = [depthwise_forward, depthwise_backward]
        self._plan(threads)

    def side_by_side(self, taps: int, step: int, pixel: int, own: int) -> tuple[int, int, int]:
        """Each cell of the window is a vector's width from the next; it has one number for each lane."""
        return taps, step * pixel, 1

    def tiling(self, rows: int, cells: int, pitch: int, vectors: int) -> tuple[int, int]:
        """Rows are swept one by one."""
        return 0, CELLS
