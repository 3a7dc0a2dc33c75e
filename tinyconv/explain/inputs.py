"""What may be explained: lists, arrays, text and layers, brought into one form, or refused in one clear sentence."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.explain.wording import count
from tinyconv.layers import Conv2D, DepthwiseConv2D
from tinyconv.layers.base import Layer

#: The most rows and columns that a person can follow cell by cell.
LIMIT = 32
#: The most channels whose images can stand side by side.
CHANNELS = 8


def numbers(values: Any, name: str, where: str) -> Array:
    """Lists, arrays or rows of text (``"1 0 / 0 1"``) as float64.

    Raises:
        ValueError: for anything that is no rectangle of numbers; the first thing that is no number is named.
    """
    given = _rows(values) if isinstance(values, str) else values
    try:
        if np.asarray(given).dtype.kind not in "biufUS":  # None would become NaN, and complex numbers lose a part
            raise TypeError
        array = np.array(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise ValueError(sentence(where, f"{name} as rows of numbers, all of one length", _wrong(given))) from None
    if array.size == 0:
        raise ValueError(sentence(where, f"{name} with at least one number", f"an array of shape {array.shape}"))
    return array


def _rows(text: str) -> list[list[str]]:
    """Rows between line ends, semicolons or slashes; numbers between blanks or commas."""
    lines = text.replace("/", "\n").replace(";", "\n").splitlines()
    return [line.replace(",", " ").split() for line in lines if line.strip()]


def _wrong(values: Any) -> str:
    """What is wrong with something that makes no array of numbers: its first part that is none, or its lengths."""
    for index, value in _leaves(values, ()):
        try:
            float(value)
        except (TypeError, ValueError):
            names = ("row", "column", "channel")
            where = ", ".join(f"{name} {i}" for name, i in zip(names, index, strict=False))
            return f"{value!r}{' in ' if where else ''}{where}"
    lengths = [len(row) if isinstance(row, list | tuple) else 1 for row in values]
    odd = next((i for i, n in enumerate(lengths) if n != lengths[0]), 0)
    return f"{count(lengths[0], 'number')} in row 0 and {lengths[odd]} in row {odd}"


def _leaves(values: Any, index: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], Any]]:
    """The numbers of nested lists, or whatever stands in their places, with their indices."""
    if not isinstance(values, list | tuple) and np.ndim(values) == 0:
        yield index, values
        return
    for i, value in enumerate(values):
        yield from _leaves(value, (*index, i))


def image(x: Any, where: str, limit: int | None = LIMIT) -> Array:
    """An image as (H, W, C): from (H, W), (H, W, C), or a batch of one.

    Raises:
        ValueError: for another number of axes, and for more rows, columns or channels than can be followed.
    """
    array = numbers(x, "an image", where)
    if array.ndim == 4 and len(array) == 1:
        array = array[0]  # (H, W, C)
    if array.ndim == 2:
        array = array[..., None]  # (H, W, 1)
    if array.ndim != 3:
        way_out = "Choose one image of a batch, such as x[0]." if array.ndim == 4 else "Write it as a list of rows."
        raise ValueError(sentence(where, "one image, (H, W) or (H, W, C)", f"an array of shape {array.shape}", way_out))
    if limit is not None and max(array.shape[:2]) > limit:
        expected = f"an image of at most {limit}x{limit} pixels, so that each number can be read"
        way_out = (
            f"Cut out a part, x[:{limit}, :{limit}], or ask for one cell of it: explain.conv_cell, explain.network."
        )
        raise ValueError(sentence(where, expected, f"{array.shape[0]}x{array.shape[1]} pixels", way_out))
    if limit is not None and array.shape[2] > CHANNELS:
        way_out = "Choose some, x[..., :3], or ask for one cell of it: explain.conv_cell, explain.network."
        expected = f"at most {CHANNELS} channels, so that they fit side by side"
        raise ValueError(sentence(where, expected, f"{array.shape[2]}", way_out))
    return array


def convolution(
    x: Array,
    k: Any,
    bias: Any,
    strides: Any,
    padding: Any,
    dilation_rate: Any,
    activation: Any,
    turned: bool,
    where: str,
) -> Conv2D:
    """The layer that convolves an image (H, W, C), in float64, with a kernel of its own or that of another layer.

    Args:
        x: the image.
        k: numbers (KH, KW), (KH, KW, C) or (KH, KW, C, F); or a `Conv2D`, whose settings are taken over.
        bias: one number, or one for each filter; None for none.
        strides, padding, dilation_rate, activation: as of `Conv2D`; None where ``k`` is a layer.
        turned: whether the kernel is turned by 180 degrees first, which makes correlation a convolution.
        where: who asks, for errors.
    """
    if isinstance(k, Layer):
        settings = {"bias": bias, "strides": strides, "padding": padding, "dilation_rate": dilation_rate}
        return _twin(k, x, {**settings, "activation": activation}, turned, where)
    kernel = numbers(k, "a kernel", where)
    if kernel.ndim in (2, 3):
        kernel = (kernel[..., None] if kernel.ndim == 2 else kernel)[..., None]  # (KH, KW, C, 1)
    if kernel.ndim != 4:
        expected = "a kernel (KH, KW), (KH, KW, C) or (KH, KW, C, F)"
        raise ValueError(sentence(where, expected, f"an array of shape {kernel.shape}"))
    if kernel.shape[2] != x.shape[2]:
        way_out = "Give the kernel one matrix for each channel, (KH, KW, C)."
        received = f"{count(kernel.shape[2], 'channel')} for an image with {x.shape[2]}"
        raise ValueError(sentence(where, "a kernel with the image's channels", received, way_out))
    filters = kernel.shape[3]
    biases = np.zeros(filters) if bias is None else numbers(bias, "a bias", where).ravel()
    if biases.size not in (1, filters):
        raise ValueError(sentence(where, f"one bias for each of {count(filters, 'filter')}", f"{biases.size}"))
    layer = Conv2D(
        filters,
        kernel.shape[:2],
        1 if strides is None else strides,
        "valid" if padding is None else padding,
        dilation_rate=1 if dilation_rate is None else dilation_rate,
        activation=activation,
        kernel_initializer="zeros",
        dtype="float64",
        name=where,
    )
    return _filled(layer, x, kernel, np.broadcast_to(biases, (filters,)), turned)


def _twin(layer: Layer, x: Array, settings: dict[str, Any], turned: bool, where: str) -> Conv2D:
    """A convolution in float64 with the settings and parameters of a layer."""
    given = [name for name, value in settings.items() if value is not None]
    if given:
        raise ValueError(sentence(where, f"{given[0]} to be the layer's own", f"{given[0]}={settings[given[0]]!r}"))
    if not isinstance(layer, Conv2D):
        way_out = "explain.network follows a number through any layer."
        raise ValueError(sentence(where, "a kernel or a Conv2D layer", repr(layer), way_out))
    layer.build_if_known()
    if not layer.built:
        way_out = "Call it on an image once, or build its model."
        raise ValueError(sentence(where, "a layer that has its kernel", f"{layer.title}, not built yet", way_out))
    kernel = layer.params["kernel"].astype(np.float64)  # (KH, KW, C / groups, F), or (KH, KW, C, M) of a depthwise one
    groups = layer.groups
    if isinstance(layer, DepthwiseConv2D):
        groups, kernel = kernel.shape[2], kernel.reshape(*kernel.shape[:2], 1, -1)  # (KH, KW, 1, C*M)
    if x.shape[2] != kernel.shape[2] * groups:
        expected = f"an image with the {count(kernel.shape[2] * groups, 'channel')} of {layer.title}"
        raise ValueError(sentence(where, expected, f"an image of shape {x.shape}"))
    twin = Conv2D(
        kernel.shape[3],
        layer.kernel_size,
        layer.strides,
        layer.padding,
        dilation_rate=layer.dilation_rate,
        groups=groups,
        activation=layer.activation,
        kernel_initializer="zeros",
        dtype="float64",
        name=where,
    )
    bias = layer.params["bias"] if layer.use_bias else np.zeros(kernel.shape[3])
    return _filled(twin, x, kernel, bias, turned)


def _filled(layer: Conv2D, x: Array, kernel: Array, bias: Array, turned: bool) -> Conv2D:
    layer.check_input_shape((1, *x.shape))
    layer.compute_output_shape((1, *x.shape))  # refuses a window that does not fit
    layer.build((1, *x.shape))
    layer.set_weights([kernel[::-1, ::-1] if turned else kernel, bias])
    return layer


def place(value: Any, n: int, name: str, where: str) -> int:
    """A whole number from 0 below ``n``; negative ones count from the end.

    Raises:
        ValueError: for anything else.
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or not -n <= value < n:
        received = f"{name}={value!r}"
        raise ValueError(sentence(where, f"{name} from 0 to {n - 1}", received, "Numbers count from 0."))
    return int(value) % n
