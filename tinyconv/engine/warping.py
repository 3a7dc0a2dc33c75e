"""Images seen through matrices, on whatever runs networks: the kernel where Numba is installed, else NumPy."""

from typing import TYPE_CHECKING

import numpy as np

from tinyconv import config, warp
from tinyconv._types import Array
from tinyconv.checks import sentence

if TYPE_CHECKING:
    from tinyconv.engine.compiler import Kernel


def warped(
    images: Array,
    matrices: Array,
    *,
    size: warp.Size | None = None,
    fill_mode: str = "nearest",
    fill_value: float = 0.0,
    interpolation: str = "bilinear",
    out: Array | None = None,
) -> Array:
    """`tinyconv.warp.warp` in float32, fast on the engine "numba".

    Several Python threads may call it at once; each works for itself, and none keeps another waiting.

    Args:
        images: (N, H, W, C); all but bytes are converted to float32.
        matrices, size, fill_mode, fill_value, interpolation: as `tinyconv.warp.warp` takes them.
        out: where to put the result; (N, OH, OW, C) float32, one number after the other.

    Returns:
        (N, OH, OW, C) float32.

    Raises:
        ValueError: as `tinyconv.warp.warp`, and for another ``out``.

    >>> warped(np.array([[[[1], [2], [3]]]], np.uint8), warp.shift(0, 1))[0, :, :, 0]
    array([[1., 1., 2.]], dtype=float32)
    """
    matrices, size = warp.checked(images.shape, matrices, size, fill_mode, interpolation)
    shape = (len(images), *size, images.shape[3])
    out = np.empty(shape, np.float32) if out is None else out
    if out.shape != shape or out.dtype != np.float32 or not out.flags.carray:
        received = f"{out.dtype} of shape {out.shape}"
        raise ValueError(sentence("warped", f"out as float32 of shape {shape}, in one piece", received))
    if config.engine_name() != "numba":
        floats = np.asarray(images, np.float32)
        out[...] = warp.warp(
            floats, matrices, size=size, fill_mode=fill_mode, fill_value=fill_value, interpolation=interpolation
        )
        return out
    from tinyconv.engine import compiler  # which imports Numba

    images = np.require(images, np.uint8 if images.dtype == np.uint8 else np.float32, ["C", "W"])
    compiler.prepare([kernel_for(images)])
    run(images, 0, len(images), warp.lines(matrices, size), out, fill_mode, fill_value, interpolation)
    return out


def kernel_for(images: Array) -> "Kernel":
    """The kernel for images of bytes, or of float32."""
    from tinyconv.engine.kernels.warp import warp_bytes, warp_floats

    return warp_bytes if images.dtype == np.uint8 else warp_floats


def run(
    images: Array,
    start: int,
    stop: int,
    lines: tuple[Array, Array, Array],
    out: Array,
    fill_mode: str,
    fill_value: float,
    interpolation: str,
) -> None:
    """Images start <= n < stop, through the kernel, as arrays that it takes; ``lines`` from `tinyconv.warp.lines`."""
    mode, bilinear = list(warp.FILL_MODES).index(fill_mode), int(interpolation == "bilinear")
    kernel_for(images)(images, start, stop, *lines, mode, fill_value, bilinear, out)
