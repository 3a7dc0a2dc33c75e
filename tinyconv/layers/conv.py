"""Convolution: slide small kernels over an image and write down how well each one matches.

At every place of the window, output channel f is the sum of (pixel times kernel entry) over the window's cells and the
input's channels, plus a bias:

    y[n, i, j, f] = b[f] + sum over u, v, c of x[n, i*SH + u*DH, j*SW + v*DW, c] * kernel[u, v, c, f]

(x padded). This is cross-correlation, which every framework calls convolution: the kernel is not turned. With the
windows written as rows of a matrix (`im2col`), the sum is a matrix product, and its three gradients are the textbook
gradients of a product. Source: Chellapilla, Puri and Simard, High performance convolutional neural networks (2006).
"""

from typing import Any

import numpy as np

from tinyconv import activations, initializers, regularizers
from tinyconv._types import Array, Shape
from tinyconv.checks import channels_last, known_channels, positive, reject_unknown_arguments, sentence
from tinyconv.geometry import Window, pair, parse_padding
from tinyconv.layers.base import COMMON_ARGUMENTS, Layer
from tinyconv.layers.im2col import col2im, im2col, pad, slabs, unpad


class Conv2D(Layer):
    """2D convolution, with an activation.

    Args:
        filters: F, number of output channels.
        kernel_size: (KH, KW), or one number for both.
        strides: (SH, SW), or one number for both.
        padding: ``'valid'`` (none), ``'same'`` (zeros, so that OH = ceil(H / SH); the odd one at the bottom and
            right), a number of zeros on every side, (rows, columns) or ((top, bottom), (left, right)).
        data_format: only ``'channels_last'``.
        dilation_rate: (DH, DW): distance between neighbouring cells of the window.
        groups: the channels are cut into this many parts, each convolved with its own F / groups filters.
        activation: name or `tinyconv.activations.Activation`; None for none.
        use_bias: whether to add b.
        kernel_initializer, bias_initializer: how the parameters start.
        kernel_regularizer, bias_regularizer: penalty on the parameters, added to the loss.

    Shapes:
        x: (N, H, W, C); y: (N, OH, OW, F); params: kernel (KH, KW, C / groups, F), bias (F,).

    Raises:
        ValueError: if a number is not positive, strides and dilation_rate are both above 1, groups does not divide
            the channels or filters, or the window is larger than the padded image.

    >>> image = np.arange(36.0).reshape(1, 6, 6, 1)
    >>> layer = Conv2D(1, 3, kernel_initializer="ones")
    >>> layer(image)[0, :, :, 0]
    array([[ 63.,  72.,  81.,  90.],
           [117., 126., 135., 144.],
           [171., 180., 189., 198.],
           [225., 234., 243., 252.]], dtype=float32)
    """

    ndim = 4

    def __init__(
        self,
        filters: int,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        groups: int = 1,
        activation: Any = None,
        use_bias: bool = True,
        kernel_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        kernel_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.filters = positive(filters, "filters", self.title)
        self.kernel_size = pair(kernel_size, "kernel_size", self.title)
        self.strides = pair(strides, "strides", self.title)
        self.padding = parse_padding(padding, self.title)
        self.data_format = channels_last(data_format, self.title)
        self.dilation_rate = pair(dilation_rate, "dilation_rate", self.title)
        self.groups = positive(groups, "groups", self.title)
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.window = Window(self.kernel_size, self.strides, self.padding, self.dilation_rate)
        self._check_settings()

    def forward(self, x: Array, training: bool = False) -> tuple[Array, Any]:
        """(N, H, W, C) -> (N, OH, OW, F)."""
        xp, kernel = pad(x, self.window), self._grouped(self.params["kernel"])  # (N, PH, PW, C)
        shape: Any = self.compute_output_shape(x.shape)
        z = np.empty(shape, np.result_type(x, kernel))  # (N, OH, OW, F)
        for here, there, filters in slabs(xp, kernel, z, self.window):
            matrix = _matrix(kernel[..., filters])  # (KH*KW*C, F)
            product = im2col(xp[here], self.window) @ matrix  # (P, KH*KW*C) @ matrix -> (P, F), for P windows
            z[there] = product.reshape(z[there].shape)
        if self.use_bias:
            z += self.params["bias"]
        y = self.activation(z)
        return y, (xp, z, y, x.shape)

    def backward(self, dy: Array, cache: Any) -> Array:
        """(N, OH, OW, F) -> (N, H, W, C), adding to the gradients of kernel and bias."""
        xp, z, y, (_, height, width, _) = cache
        kernel, dkernel = self._grouped(self.params["kernel"]), self._grouped(self.grads["kernel"])
        dz = self.activation.backward(dy, z, y)
        if self.use_bias:
            self.grads["bias"] += dz.sum(axis=(0, 1, 2))
        dxp = np.zeros_like(xp)
        for here, there, filters in slabs(xp, kernel, z, self.window):
            matrix, dproduct = _matrix(kernel[..., filters]), _rows(dz[there])  # (KH*KW*C, F), (P, F)
            dmatrix = im2col(xp[here], self.window).T @ dproduct  # (KH*KW*C, F)
            dkernel[..., filters] += dmatrix.reshape(dkernel[..., filters].shape)
            dxp[here] += col2im(dproduct @ matrix.T, xp[here].shape, self.window)
        return unpad(dxp, self.window, height, width)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, OH, OW, F)."""
        return self.window.output_shape(input_shape, self.filters, self.title)

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        """Kernel (KH, KW, C / groups, F) and bias (F,)."""
        channels = known_channels(input_shape, self.title)
        if channels % self.groups:
            received = f"groups={self.groups} for {channels} channels"
            raise ValueError(sentence(self.title, "groups that divide the input's channels", received))
        bias = {"bias": (self.filters,)} if self.use_bias else {}
        return {"kernel": (*self.kernel_size, channels // self.groups, self.filters), **bias}

    def _grouped(self, kernel: Array) -> Array:
        return kernel  # (KH, KW, C / groups, F)

    def _check_settings(self) -> None:
        if max(self.strides) > 1 and max(self.dilation_rate) > 1:
            received = f"strides={self.strides}, dilation_rate={self.dilation_rate}"
            raise ValueError(sentence(self.title, "strides or dilation_rate above 1, not both", received))
        if self.filters % self.groups:
            received = f"groups={self.groups}, filters={self.filters}"
            raise ValueError(sentence(self.title, "groups that divide the filters", received))


class DepthwiseConv2D(Conv2D):
    """2D convolution of each channel by itself: a `Conv2D` with as many groups as channels.

    Args:
        kernel_size: (KH, KW), or one number for both.
        depth_multiplier: M, filters for each channel.
        depthwise_initializer, depthwise_regularizer: for the kernel. The other arguments are those of `Conv2D`.

    Shapes:
        x: (N, H, W, C); y: (N, OH, OW, C*M), the M filters of a channel side by side;
        params: kernel (KH, KW, C, M), bias (C*M,).

    Raises:
        ValueError: as `Conv2D`.

    >>> DepthwiseConv2D(3, depth_multiplier=2).compute_output_shape((None, 6, 6, 5))
    (None, 4, 4, 10)
    """

    def __init__(
        self,
        kernel_size: Any,
        strides: Any = (1, 1),
        padding: Any = "valid",
        depth_multiplier: int = 1,
        data_format: str | None = None,
        dilation_rate: Any = (1, 1),
        activation: Any = None,
        use_bias: bool = True,
        depthwise_initializer: Any = "glorot_uniform",
        bias_initializer: Any = "zeros",
        depthwise_regularizer: Any = None,
        bias_regularizer: Any = None,
        **kwargs: Any,
    ) -> None:
        reject_unknown_arguments(DepthwiseConv2D, kwargs, COMMON_ARGUMENTS)
        super().__init__(
            depth_multiplier,
            kernel_size,
            strides,
            padding,
            data_format,
            dilation_rate,
            activation=activation,
            use_bias=use_bias,
            kernel_initializer=depthwise_initializer,
            bias_initializer=bias_initializer,
            kernel_regularizer=depthwise_regularizer,
            bias_regularizer=bias_regularizer,
            **kwargs,
        )
        self.depth_multiplier = self.filters
        self.depthwise_initializer = self.kernel_initializer
        self.depthwise_regularizer = self.kernel_regularizer

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """(N, H, W, C) -> (N, OH, OW, C*M)."""
        channels = known_channels(input_shape, self.title)
        return self.window.output_shape(input_shape, channels * self.depth_multiplier, self.title)

    def weight_shapes(self, input_shape: Shape) -> dict[str, tuple[int, ...]]:
        """Kernel (KH, KW, C, M) and bias (C*M,)."""
        channels = known_channels(input_shape, self.title)
        bias = {"bias": (channels * self.depth_multiplier,)} if self.use_bias else {}
        return {"kernel": (*self.kernel_size, channels, self.depth_multiplier), **bias}

    def _grouped(self, kernel: Array) -> Array:
        return kernel.reshape(*self.kernel_size, 1, -1)  # (KH, KW, 1, C*M)


def _matrix(kernel: Array) -> Array:
    return kernel.reshape(-1, kernel.shape[3])  # (KH*KW*C, F)


def _rows(dz: Array) -> Array:
    return dz.reshape(-1, dz.shape[3])  # (N*OH*OW, F)
