"""Augmentation: in training, every image is turned, shifted or tinted a little, differently each time it is seen.

What the picture shows stays the same, so the label does too, and a network that sees a thousand versions of an image
learns the thing and not its place. Prediction leaves images alone. The layers work on whole batches, with random
numbers of its own for each image, from the stream "augmentation" or, with ``seed``, from a stream of the layer's own.

Names, arguments and results are those of Keras 3. Where its code and its documentation differ, the documentation holds:
`RandomFlip` draws the two directions apart, and one number for `RandomContrast` means less as well as more contrast.
"""

from typing import Any

import numpy as np

from tinyconv import config, warp
from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, lookup, reject_unknown_arguments, sentence
from tinyconv.layers.base import COMMON_ARGUMENTS, Layer

#: Keras's fill modes by scipy's names, as `tinyconv.warp` has them.
FILL_MODES = {"constant": "grid-constant", "nearest": "nearest", "reflect": "reflect", "wrap": "grid-wrap"}

#: What `RandomFlip` may do: (upside down, left to right).
FLIPS = {"horizontal": (False, True), "vertical": (True, False), "horizontal_and_vertical": (True, True)}


class RandomLayer(Layer):
    """Base of layers that change each image at random while training, and its shape never.

    Args:
        seed: own random stream, so that the numbers do not depend on other layers.
        data_format: only ``'channels_last'``.
    """

    ndim = 4
    takes_single_images = True

    def __init__(self, seed: int | None = None, data_format: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed = seed
        self.data_format = channels_last(data_format, self.title)
        self._own_stream = None if seed is None else np.random.default_rng(seed)

    @property
    def rng(self) -> np.random.Generator:
        """The random stream of the layer."""
        return self._own_stream or config.stream("augmentation")

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """The input's shape."""
        return input_shape

    def _range(self, value: Any, name: str, least: float = -1.0, symmetric: bool = True) -> tuple[float, float]:
        """A number f as (-f, f), or (f, f) unless symmetric; two numbers in order. All from ``least`` to 1."""
        numbers = value if isinstance(value, tuple | list) else (value, value)
        if len(numbers) != 2 or not all(
            isinstance(one, int | float | np.number) and least <= one <= 1 for one in numbers
        ):
            expected = f"{name} as a number from {least:g} to 1, or two, the least and the largest"
            raise ValueError(sentence(self.title, expected, f"{name}={value!r}"))
        low, high = sorted(float(one) for one in numbers)
        return (-abs(high), abs(high)) if symmetric and numbers is not value else (low, high)


class WarpingLayer(RandomLayer):
    """Base of layers that look at each image through a random matrix.

    Args:
        fill_mode: what lies beyond the image: ``'reflect'``, ``'constant'``, ``'wrap'`` or ``'nearest'``.
        interpolation: ``'bilinear'`` or ``'nearest'``.
        fill_value: number of ``'constant'``.
        seed, data_format: as `RandomLayer`.
    """

    def __init__(
        self, fill_mode: str = "reflect", interpolation: str = "bilinear", fill_value: float = 0.0, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        lookup(f"{self.title}: fill_mode", fill_mode, FILL_MODES)
        lookup(f"{self.title}: interpolation", interpolation, warp.INTERPOLATIONS)
        self.fill_mode = fill_mode
        self.interpolation = interpolation
        self.fill_value = float(fill_value)

    def draw(self, n: int, size: warp.Size) -> Array:
        """Matrices (N, 2, 3) for images of (H, W) pixels, as `tinyconv.warp` takes them."""
        raise NotImplementedError

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, H, W, C)."""
        if not training:
            return x, None
        size = x.shape[1:3]
        matrices, fill_mode = self.draw(len(x), size), FILL_MODES[self.fill_mode]
        y = warp.warp(x, matrices, fill_mode=fill_mode, fill_value=self.fill_value, interpolation=self.interpolation)
        return y, (matrices, size)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, H, W, C) -> (N, H, W, C)."""
        if cache is None:
            return dy
        fill_mode = FILL_MODES[self.fill_mode]
        return warp.warp_gradient(dy, *cache, fill_mode=fill_mode, interpolation=self.interpolation)


class RandomFlip(WarpingLayer):
    """Mirror every other image.

    Args:
        mode: ``'horizontal'`` (left to right), ``'vertical'`` (upside down) or ``'horizontal_and_vertical'``, where
            both are drawn apart.
        seed: own random stream.
        data_format: only ``'channels_last'``.

    Shapes:
        x, y: (N, H, W, C).

    Raises:
        ValueError: for another mode.

    >>> image = np.array([[[[1.0], [2.0], [3.0]]]])
    >>> RandomFlip("horizontal", seed=2)(image, training=True)[0, :, :, 0]
    array([[3., 2., 1.]], dtype=float32)
    """

    def __init__(
        self,
        mode: str = "horizontal_and_vertical",
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        reject_unknown_arguments(RandomFlip, kwargs, COMMON_ARGUMENTS)
        super().__init__(interpolation="nearest", seed=seed, data_format=data_format, **kwargs)
        lookup(f"{self.title}: mode", mode, FLIPS)
        self.mode = mode

    def draw(self, n: int, size: warp.Size) -> Array:
        """Matrices (N, 2, 3) that flip half of the images in each direction that is allowed."""
        rows, columns = ((self.rng.random(n) < 0.5) & allowed for allowed in FLIPS[self.mode])
        return warp.flip(size, rows, columns)


class RandomRotation(WarpingLayer):
    """Turn each image about its centre.

    Args:
        factor: the largest angle either way as a part of a whole turn, 0 to 1; or two numbers, the least and the
            largest. Positive is counter-clockwise.
        fill_mode, interpolation, seed, fill_value, data_format: as `WarpingLayer`.

    Shapes:
        x, y: (N, H, W, C).

    Raises:
        ValueError: for numbers outside -1 to 1, or an unknown name.

    >>> image = np.array([[[[1.0], [2.0]], [[3.0], [4.0]]]])
    >>> RandomRotation((0.25, 0.25))(image, training=True)[0, :, :, 0].round(6)
    array([[2., 4.],
           [1., 3.]], dtype=float32)
    """

    def __init__(
        self,
        factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.factor = self._range(factor, "factor")

    def draw(self, n: int, size: warp.Size) -> Array:
        """Matrices (N, 2, 3) that turn by a random angle each."""
        return warp.about_centre(warp.rotation(360 * self.rng.uniform(*self.factor, n)), size)


class RandomTranslation(WarpingLayer):
    """Shift each image.

    Args:
        height_factor: the largest shift down or up as a part of the height, 0 to 1; or two numbers, the least and the
            largest. Positive is down.
        width_factor: the same for the width; positive is to the right.
        fill_mode, interpolation, seed, fill_value, data_format: as `WarpingLayer`.

    Shapes:
        x, y: (N, H, W, C).

    Raises:
        ValueError: for numbers outside -1 to 1, or an unknown name.

    >>> image = np.array([[[[1.0], [2.0], [3.0], [4.0]]]])
    >>> RandomTranslation(0, (0.25, 0.25), fill_mode="nearest")(image, training=True)[0, :, :, 0]
    array([[1., 1., 2., 3.]], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = self._range(height_factor, "height_factor")
        self.width_factor = self._range(width_factor, "width_factor")

    def draw(self, n: int, size: warp.Size) -> Array:
        """Matrices (N, 2, 3) that shift by a random part of the size each."""
        rows, columns = self.rng.uniform(*self.height_factor, n), self.rng.uniform(*self.width_factor, n)
        return warp.shift(rows * size[0], columns * size[1])


class RandomZoom(WarpingLayer):
    """Enlarge or shrink each image about its centre.

    Args:
        height_factor: how much the picture shrinks at most, and grows: 0.2 shows from 80 to 120 per cent of the
            height; or two numbers, the least and the largest. Positive shows more, and the picture shrinks.
        width_factor: the same for the width; None keeps the proportions.
        fill_mode, interpolation, seed, fill_value, data_format: as `WarpingLayer`.

    Shapes:
        x, y: (N, H, W, C).

    Raises:
        ValueError: for numbers outside -1 to 1, or an unknown name.

    >>> image = np.array([[[[1.0], [2.0], [3.0], [4.0]]]])
    >>> RandomZoom(0, (-0.5, -0.5))(image, training=True)[0, :, :, 0]
    array([[1.75, 2.25, 2.75, 3.25]], dtype=float32)
    """

    def __init__(
        self,
        height_factor: Any,
        width_factor: Any = None,
        fill_mode: str = "reflect",
        interpolation: str = "bilinear",
        seed: int | None = None,
        fill_value: float = 0.0,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(fill_mode, interpolation, fill_value, seed=seed, data_format=data_format, **kwargs)
        self.height_factor = self._range(height_factor, "height_factor")
        self.width_factor = None if width_factor is None else self._range(width_factor, "width_factor")

    def draw(self, n: int, size: warp.Size) -> Array:
        """Matrices (N, 2, 3) that zoom by a random factor each."""
        rows = 1 + self.rng.uniform(*self.height_factor, n)
        columns = rows if self.width_factor is None else 1 + self.rng.uniform(*self.width_factor, n)
        return warp.about_centre(warp.zoom(rows, columns), size)


class ToneLayer(RandomLayer):
    """Base of layers that change the pixels of each image alike, and cut what leaves the range of pixels.

    Args:
        value_range: the least and the largest number that a pixel may have.
        seed, data_format: as `RandomLayer`.
    """

    def __init__(self, value_range: Any = (0, 255), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not isinstance(value_range, tuple | list) or len(value_range) != 2:
            received = f"value_range={value_range!r}"
            raise ValueError(sentence(self.title, "value_range as the least and the largest pixel", received))
        self.value_range = tuple(sorted(float(number) for number in value_range))

    def _kept(self, z: Array) -> Array:
        """Where z is within the range."""
        return (z >= self.value_range[0]) & (z <= self.value_range[1])


class RandomContrast(ToneLayer):
    """Bring the pixels of each image closer to their mean, or further away: y = (x - mean) * f + mean, by channel.

    Args:
        factor: f is drawn from 1 - factor to 1 + factor; or two numbers, for 1 - the first to 1 + the second; 0 to 1.
        value_range, seed, data_format: as `ToneLayer`.

    Shapes:
        x, y: (N, H, W, C).

    Raises:
        ValueError: for a factor outside 0 to 1, or a range that is none.
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.factor = self._range(factor, "factor", least=0, symmetric=False)

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, H, W, C)."""
        if not training:
            return x, None
        less, more = self.factor
        f = self.rng.uniform(1 - less, 1 + more, (len(x), 1, 1, 1)).astype(x.dtype)
        z = x * f + _mean(x) * (1 - f)
        low, high = self.value_range
        return np.clip(z, low, high), (f, z)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, H, W, C) -> (N, H, W, C)."""
        if cache is None:
            return dy
        f, z = cache
        dz = np.where(self._kept(z), dy, 0)
        return dz * f + _mean(dz) * (1 - f)


class RandomBrightness(ToneLayer):
    """Make each image brighter or darker: y = x + b * (largest pixel - least pixel).

    Args:
        factor: b is drawn from -factor to factor; or two numbers, the least and the largest; -1 to 1.
        value_range, seed, data_format: as `ToneLayer`.

    Shapes:
        x, y: (N, H, W, C).

    Raises:
        ValueError: for a factor outside -1 to 1, or a range that is none.

    >>> RandomBrightness((0.1, 0.1))(np.full((1, 1, 1, 3), 250), training=True)
    array([[[[255., 255., 255.]]]], dtype=float32)
    """

    def __init__(
        self,
        factor: Any,
        value_range: Any = (0, 255),
        seed: int | None = None,
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(value_range, seed=seed, data_format=data_format, **kwargs)
        self.factor = self._range(factor, "factor")

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, H, W, C)."""
        if not training:
            return x, None
        low, high = self.value_range
        b = self.rng.uniform(*self.factor, (len(x), 1, 1, 1)).astype(x.dtype)
        z = x + b * (high - low)
        return np.clip(z, low, high), z

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, H, W, C) -> (N, H, W, C)."""
        return dy if cache is None else np.where(self._kept(cache), dy, 0)


def _mean(x: Array) -> Array:
    """Of each channel of each image: (N, H, W, C) -> (N, 1, 1, C). Rows first, which NumPy adds in one go."""
    return x.mean(axis=1, keepdims=True).mean(axis=2, keepdims=True)
