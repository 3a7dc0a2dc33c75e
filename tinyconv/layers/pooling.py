"""Pooling: make an image smaller by keeping one number from each window.

Max pooling keeps the largest number, min pooling the smallest, average pooling the mean. The gradient of a maximum
flows to the cell it came from and nowhere else; where several cells tie, the whole gradient goes to the first in
row-major order, as in TensorFlow. Padding is never a candidate: it counts as -inf for the maximum, +inf for the
minimum, and not at all for the mean. A NaN in a window is its maximum and its minimum, so that it is not hidden.
"""

from typing import Any, ClassVar

import numpy as np

from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, sentence
from tinyconv.geometry import Window, pair, parse_padding
from tinyconv.layers.base import Layer
from tinyconv.layers.im2col import cells, pad, unpad


class Pooling2D(Layer):
    """Base of the pooling layers: a window without parameters.

    Args:
        pool_size: (KH, KW), or one number for both.
        strides: (SH, SW), or one number for both; None for the pool size, so that windows do not overlap.
        padding: ``'valid'`` (rows and columns that do not fill a window are dropped) or ``'same'``.
        data_format: only ``'channels_last'``.

    Shapes:
        x: (N, H, W, C); y: (N, OH, OW, C).

    Raises:
        ValueError: if a number is not positive or the window is larger than the image.
    """

    ndim = 4

    def __init__(
        self,
        pool_size: Any = (2, 2),
        strides: Any = None,
        padding: Any = "valid",
        data_format: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.pool_size = pair(pool_size, "pool_size", self.title)
        self.strides = self.pool_size if strides is None else pair(strides, "strides", self.title)
        self.padding = parse_padding(padding, self.title)
        if not isinstance(self.padding, str):
            way_out = "Put ZeroPadding2D before it, if the zeros should compete."
            raise ValueError(sentence(self.title, "padding 'valid' or 'same'", f"padding={padding!r}", way_out))
        self.data_format = channels_last(data_format, self.title)
        self.window = Window(self.pool_size, self.strides, self.padding)

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError for an input that is no batch of images, or of images smaller than the window."""
        super().check_input_shape(shape)
        self.compute_output_shape(shape)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        channels: Any = input_shape[3]
        return self.window.output_shape(input_shape, channels, self.title)


class _Extreme(Pooling2D):
    """What max and min pooling share: everything but the direction."""

    #: What padding holds: a value that never wins.
    fill: ClassVar[float]
    #: True where a candidate does not beat the best so far.
    loses: ClassVar[np.ufunc]

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        views = cells(pad(x, self.window, self.fill), self.window)
        y = next(views).copy()  # (N, OH, OW, C)
        winner = np.broadcast_to(self._first_real(x.shape), y.shape).astype(np.int32)  # place in the window
        for k, candidate in enumerate(views, start=1):  # (N, OH, OW, C)
            better = ~self.loses(candidate, y) & ~np.isnan(y)  # a NaN never loses, and is never beaten
            np.copyto(y, candidate, where=better)
            np.copyto(winner, k, where=better)
        return y, (winner, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, OH, OW, C) -> (N, H, W, C): each gradient to its window's winner."""
        winner, shape = cache
        dxp = pad(np.zeros(shape, dy.dtype), self.window)  # (N, PH, PW, C)
        for k, view in enumerate(cells(dxp, self.window)):  # (N, OH, OW, C)
            view += np.where(winner == k, dy, 0)
        return unpad(dxp, self.window, *shape[1:3])

    def _first_real(self, shape: tuple[int, ...]) -> Array:
        """Place in the window of its first cell that is not padding, for each window: (OH, OW, 1).

        It is the winner until another cell is better: in an image of -inf no cell beats the padding.
        """
        height, width = shape[1:3]
        sizes = zip(self.window.pads(height, width), self.strides, self.window.output_size(height, width), strict=True)
        rows, columns = (np.maximum(before - stride * np.arange(size), 0) for (before, _), stride, size in sizes)
        return (rows[:, None] * self.pool_size[1] + columns)[..., None]


class MaxPooling2D(_Extreme):
    """The largest number of each window. Arguments, shapes and errors: `Pooling2D`.

    >>> feature_map = np.array([[1, 1, 2, 0], [1, 3, 0, 0], [2, 0, 0, 3], [0, 0, 3, 0]])
    >>> MaxPooling2D()(feature_map[None, :, :, None])[0, :, :, 0]
    array([[3., 2.],
           [2., 3.]], dtype=float32)
    """

    fill = -np.inf
    loses = np.less_equal


class MinPooling2D(_Extreme):
    """The smallest number of each window. Arguments, shapes and errors: `Pooling2D`.

    >>> feature_map = np.array([[1, 1, 2, 0], [1, 3, 0, 0], [2, 0, 0, 3], [0, 0, 3, 0]])
    >>> MinPooling2D()(feature_map[None, :, :, None])[0, :, :, 0]
    array([[1., 0.],
           [0., 0.]], dtype=float32)
    """

    fill = np.inf
    loses = np.greater_equal


class AveragePooling2D(Pooling2D):
    """The mean of each window's real cells, padding not counted. Arguments, shapes and errors: `Pooling2D`.

    >>> AveragePooling2D(padding="same")(np.arange(9.0).reshape(1, 3, 3, 1))[0, :, :, 0]
    array([[2. , 3.5],
           [6.5, 8. ]], dtype=float32)
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, OH, OW, C)."""
        counts = self._counts(x)  # (1, OH, OW, 1)
        y = sum(cells(pad(x, self.window), self.window)) / counts  # (N, OH, OW, C)
        return y, (counts, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, OH, OW, C) -> (N, H, W, C): each gradient in equal parts to its window's real cells."""
        counts, shape = cache
        dxp = pad(np.zeros(shape, dy.dtype), self.window)  # (N, PH, PW, C)
        for view in cells(dxp, self.window):  # (N, OH, OW, C)
            view += dy / counts
        return unpad(dxp, self.window, *shape[1:3])

    def _counts(self, x: Array) -> Array:
        ones = np.ones((1, *x.shape[1:3], 1), x.dtype)
        return np.asarray(sum(cells(pad(ones, self.window), self.window)))


class _Global(Layer):
    """What the global pooling layers share.

    Args:
        data_format: only ``'channels_last'``.
        keepdims: True keeps height and width as axes of length 1.

    Shapes:
        x: (N, H, W, C); y: (N, C), or (N, 1, 1, C) with keepdims.
    """

    ndim = 4

    def __init__(self, data_format: str | None = None, keepdims: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.data_format = channels_last(data_format, self.title)
        self.keepdims = bool(keepdims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, C), or (N, 1, 1, C) with keepdims."""
        n, _, _, c = input_shape
        return (n, 1, 1, c) if self.keepdims else (n, c)


class _GlobalExtreme(_Global):
    #: np.argmax or np.argmin: the first extreme pixel, a NaN before all.
    choose: ClassVar[Any]

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, C)."""
        n, height, width, c = x.shape
        pixels = x.reshape(n, height * width, c)  # (N, H*W, C)
        winner = type(self).choose(pixels, axis=1)[:, None]  # (N, 1, C)
        y = np.take_along_axis(pixels, winner, axis=1)  # (N, 1, C)
        return (y[:, None] if self.keepdims else y[:, 0]), (winner, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, C) -> (N, H, W, C): each gradient to the winner."""
        winner, (n, height, width, c) = cache
        dx = np.zeros((n, height * width, c), dy.dtype)
        np.put_along_axis(dx, winner, dy.reshape(n, 1, c), axis=1)
        return dx.reshape(n, height, width, c)


class GlobalMaxPooling2D(_GlobalExtreme):
    """The largest number of each channel; the first one in row-major order takes the gradient.

    >>> GlobalMaxPooling2D().compute_output_shape((None, 7, 7, 64))
    (None, 64)
    """

    choose = np.argmax


class GlobalMinPooling2D(_GlobalExtreme):
    """The smallest number of each channel; the first one in row-major order takes the gradient.

    >>> GlobalMinPooling2D()(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[0., 1.]], dtype=float32)
    """

    choose = np.argmin


class GlobalAveragePooling2D(_Global):
    """The mean of each channel.

    >>> GlobalAveragePooling2D()(np.arange(8.0).reshape(1, 2, 2, 2))
    array([[3., 4.]], dtype=float32)
    """

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, C)."""
        return x.mean(axis=(1, 2), keepdims=self.keepdims), x.shape

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, C) -> (N, H, W, C): the gradient in equal parts to all pixels."""
        n, height, width, c = cache
        share = dy.reshape(n, 1, 1, c) / (height * width)
        return np.broadcast_to(share, cache).copy()
