"""Images of one size: cut, resized, or both.

    window of the image           resized to (height, width)
    . . . . . . .
    . +-------+ .                 +-----+
    . |       | .       --->      |     |
    . |       | .                 +-----+
    . +-------+ .
    . . . . . . .

The layers differ in the window: all of the image, its middle, a place drawn at random, the largest part that has the
proportions wanted, or the smallest frame around the image that has them. Names, arguments and results are Keras's.
"""

from typing import Any

import numpy as np

from tinyconv import config, warp
from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, lookup, positive, sentence
from tinyconv.geometry import Part, largest_part, smallest_frame
from tinyconv.layers.base import Layer


class ResizingLayer(Layer):
    """Base of layers that resize a part of each image.

    Args:
        height, width: of the output.
        data_format: only ``'channels_last'``.
    """

    ndim = 4
    takes_single_images = True
    interpolation = "bilinear"
    fill_value = 0.0

    def __init__(self, height: int, width: int, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.height = positive(height, "height", self.title)
        self.width = positive(width, "width", self.title)
        self.data_format = channels_last(data_format, self.title)

    def part(self, size: warp.Size, training: bool) -> Part:
        """What is to be seen of images of (H, W) pixels."""
        raise NotImplementedError

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, height, width, C)."""
        n, *size, c = x.shape
        part = self.part((size[0], size[1]), training)
        on_image, on_part = _overlap(part, size)
        cut = np.full((n, part.height, part.width, c), self.fill_value, x.dtype)
        cut[on_part] = x[on_image]
        matrix, wanted = warp.resize(part[2:], (self.height, self.width)), (self.height, self.width)
        return warp.warp(cut, matrix, size=wanted, interpolation=self.interpolation), (part, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, height, width, C) -> (N, H, W, C)."""
        part, shape = cache
        on_image, on_part = _overlap(part, shape[1:3])
        matrix = warp.resize(part[2:], (self.height, self.width))
        dx = np.zeros(shape, dy.dtype)
        dx[on_image] = warp.warp_gradient(dy, matrix, part[2:], interpolation=self.interpolation)[on_part]
        return dx

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, height, width, C)."""
        return input_shape[0], self.height, self.width, input_shape[3]


class Resizing(ResizingLayer):
    """Every image in one size, whatever its own.

    Args:
        height, width: of the output.
        interpolation: ``'bilinear'`` or ``'nearest'``.
        crop_to_aspect_ratio: cut off what does not fit instead of distorting.
        pad_to_aspect_ratio: add a frame instead of distorting.
        fill_mode: only ``'constant'``.
        fill_value: of the frame.
        antialias: only False.
        data_format: only ``'channels_last'``.

    Shapes:
        x: (N, H, W, C); y: (N, height, width, C).

    Raises:
        ValueError: for sizes that are not positive, or another way to resize.

    >>> image = np.arange(16.0).reshape(1, 4, 4, 1)
    >>> Resizing(2, 2)(image)[0, :, :, 0]
    array([[ 2.5,  4.5],
           [10.5, 12.5]], dtype=float32)
    """

    def __init__(
        self,
        height: int,
        width: int,
        interpolation: str = "bilinear",
        crop_to_aspect_ratio: bool = False,
        pad_to_aspect_ratio: bool = False,
        fill_mode: str = "constant",
        fill_value: float = 0.0,
        antialias: bool = False,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(height, width, data_format, **kwargs)
        lookup(f"{self.title}: interpolation", interpolation, warp.INTERPOLATIONS)
        lookup(f"{self.title}: fill_mode", fill_mode, {"constant": "the one there is"})
        if antialias:
            way_out = "Resize the images as they are loaded."
            raise ValueError(sentence(self.title, "antialias=False", f"antialias={antialias!r}", way_out))
        if crop_to_aspect_ratio and pad_to_aspect_ratio:
            expected = "crop_to_aspect_ratio or pad_to_aspect_ratio"
            raise ValueError(sentence(self.title, expected, "both"))
        self.interpolation = interpolation
        self.crop_to_aspect_ratio = bool(crop_to_aspect_ratio)
        self.pad_to_aspect_ratio = bool(pad_to_aspect_ratio)
        self.fill_mode = fill_mode
        self.fill_value = float(fill_value)
        self.antialias = False

    def part(self, size: warp.Size, training: bool) -> Part:
        """All of the image, or what has the right proportions."""
        if self.crop_to_aspect_ratio:
            return largest_part(size, (self.height, self.width))
        if self.pad_to_aspect_ratio:
            return smallest_frame(size, (self.height, self.width))
        return Part(0, 0, *size)


class CenterCrop(ResizingLayer):
    """The middle of each image; of images that are too small the largest part of these proportions, enlarged.

    Args:
        height, width: of the output.
        data_format: only ``'channels_last'``.

    Shapes:
        x: (N, H, W, C); y: (N, height, width, C).

    Raises:
        ValueError: for sizes that are not positive.

    >>> CenterCrop(1, 2)(np.arange(12.0).reshape(1, 3, 4, 1))[0, :, :, 0]
    array([[5., 6.]], dtype=float32)
    """

    def part(self, size: warp.Size, training: bool) -> Part:
        """The middle, in the size wanted if possible."""
        if size[0] < self.height or size[1] < self.width:
            return largest_part(size, (self.height, self.width))
        return Part((size[0] - self.height) // 2, (size[1] - self.width) // 2, self.height, self.width)


class RandomCrop(ResizingLayer):
    """In training, a part of the images, at a place drawn anew for each batch; else as much of them as fits, resized.

    Args:
        height, width: of the output. Images that are smaller are resized in training too.
        seed: own random stream.
        data_format: only ``'channels_last'``.

    Shapes:
        x: (N, H, W, C); y: (N, height, width, C).

    Raises:
        ValueError: for sizes that are not positive.

    Keras's documentation says so too, but Keras 3 leaves images as large as they are when it predicts.
    """

    def __init__(
        self, height: int, width: int, seed: int | None = None, data_format: str | None = None, **kwargs: Any
    ) -> None:
        super().__init__(height, width, data_format, **kwargs)
        self.seed = seed
        self._own_stream = None if seed is None else np.random.default_rng(seed)

    @property
    def rng(self) -> np.random.Generator:
        """The random stream of the layer."""
        return self._own_stream or config.stream("augmentation")

    def part(self, size: warp.Size, training: bool) -> Part:
        """A place drawn at random, or the largest part of the right proportions."""
        if not training or size[0] < self.height or size[1] < self.width:
            return largest_part(size, (self.height, self.width))
        top, left = (int(self.rng.integers(n - m + 1)) for n, m in zip(size, (self.height, self.width), strict=True))
        return Part(top, left, self.height, self.width)


def _overlap(part: Part, size: Any) -> tuple[Any, Any]:
    """What a part and an image have in common: where in images (N, H, W, C), and where in parts of them."""
    top, left = max(part.top, 0), max(part.left, 0)
    bottom, right = min(part.top + part.height, size[0]), min(part.left + part.width, size[1])
    down, across = top - part.top, left - part.left
    on_part = np.s_[:, down : down + bottom - top, across : across + right - left]
    return np.s_[:, top:bottom, left:right], on_part
