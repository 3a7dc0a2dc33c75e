"""Each layer in the operations of ONNX, as it predicts.

One function per family of layers, found through the table at the end. It takes a `Call` and returns the name of the
result and the order of its axes. Operations are described at https://onnx.ai/onnx/operators.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import activations, layers
from tinyconv._types import Array, Shape
from tinyconv.checks import known_channels, sentence
from tinyconv.export.graph import FIRST, LAST, Graph, Value, axes
from tinyconv.geometry import Window
from tinyconv.layers import Layer

__all__ = ["TRANSLATIONS", "Call", "write_call"]

#: Name of a tensor, and the order of its axes.
Result = tuple[str, str]


@dataclass
class Call:
    """One call of one layer.

    Attributes:
        path: the layer's name, behind those of the models that it is inside of.
        weights: where the weights of each layer are, so that a layer called twice has them once.
    """

    graph: Graph
    layer: Any
    path: str
    inputs: list[Value]
    weights: dict[tuple[Layer, str], str]

    @property
    def rank(self) -> int:
        """Axes of the input, batch included."""
        return len(self.inputs[0].shape)

    def node(self, operation: str, *inputs: str, **attributes: Any) -> str:
        """Add an operation; returns its output's name."""
        return self.graph.node(operation, inputs, self.path, **attributes)

    def input(self, order: str) -> str:
        """Name of the one input in an order."""
        return self.graph.tensor(self.inputs[0], order)

    def input_as_it_is(self) -> Result:
        """Name of the one input in the order it was computed in, and that order."""
        return self.input(self.inputs[0].order), self.inputs[0].order

    def weight(self, name: str, array: Array) -> str:
        """Name of an array of the layer."""
        key = (self.layer, name)
        if key not in self.weights:
            self.weights[key] = self.graph.constant(f"{self.path}/{name}", array)
        return self.weights[key]

    def number(self, name: str, value: float) -> str:
        """Name of a setting of the layer."""
        return self.graph.constant(f"{self.path}/{name}", value)

    def whole_numbers(self, name: str, values: list[int]) -> str:
        """Name of sizes or places."""
        return self.graph.constant(f"{self.path}/{name}", values, np.int64)


def write_call(call: Call) -> Result:
    """Add the operations of one call.

    Raises:
        ValueError: for a layer or activation that has no translation.
    """
    known = next((cls for cls in type(call.layer).__mro__ if cls in TRANSLATIONS), None)
    if known is None or type(call.layer).forward is not known.forward:  # a subclass that computes something else
        way_out = "Build the network from tinyconv's own layers, or export the models before and after this layer."
        raise ValueError(_unknown(call.layer, "a layer of tinyconv's own, to write it as ONNX", call.layer, way_out))
    return TRANSLATIONS[known](call)


def _unknown(layer: Layer, expected: str, thing: Any, way_out: str) -> str:
    return sentence(layer.title, expected, f"class {type(thing).__module__}.{type(thing).__qualname__}", way_out)


# Convolution and dense


def _conv(call: Call) -> Result:
    layer, channels = call.layer, known_channels(call.inputs[0].shape, call.layer.title)
    kernel = layer.params["kernel"]  # (KH, KW, C / groups, F); depthwise (KH, KW, C, M)
    groups = channels if isinstance(layer, layers.DepthwiseConv2D) else layer.groups
    kernel = kernel.reshape(*layer.kernel_size, channels // groups, -1)  # (KH, KW, C / groups, F)
    arrays = {"kernel": kernel.transpose(3, 2, 0, 1)}  # (F, C / groups, KH, KW)
    arrays |= {"bias": layer.params["bias"]} if layer.use_bias else {}
    weights = [call.weight(name, array) for name, array in arrays.items()]
    window = {**_window(layer.window, call.inputs[0].shape), "dilations": layer.dilation_rate, "group": groups}
    return _activated(call, layer.activation, call.node("Conv", call.input(FIRST), *weights, **window), FIRST)


def _window(window: Window, shape: Shape) -> dict[str, Any]:
    """Attributes of an operation with a window."""
    _, height, width, _ = shape
    size = {"kernel_shape": window.size, "strides": window.strides}
    if window.padding == "same" and window.strides != (1, 1) and None in (height, width):
        return {**size, "auto_pad": "SAME_UPPER"}  # how many zeros depends on the image; the odd one after it
    (top, bottom), (left, right) = window.pads(height or 1, width or 1)  # with stride 1, any size has the same
    return {**size, "pads": (top, left, bottom, right)}


def _dense(call: Call) -> Result:
    layer, x = call.layer, call.input(LAST)
    weights = [call.weight(name, layer.params[name]) for name in layer.params]
    if call.rank == 2:
        z = call.node("Gemm", x, *weights)
    else:
        z = call.node("MatMul", x, weights[0])
        z = call.node("Add", z, weights[1]) if layer.use_bias else z
    return _activated(call, layer.activation, z, LAST)


# Pooling


def _max_pool(call: Call) -> Result:
    return call.node("MaxPool", call.input(FIRST), **_window(call.layer.window, call.inputs[0].shape)), FIRST


def _average_pool(call: Call) -> Result:
    window = _window(call.layer.window, call.inputs[0].shape)
    return call.node("AveragePool", call.input(FIRST), **window, count_include_pad=0), FIRST


def _min_pool(call: Call) -> Result:
    """The smallest number is minus the largest of the negatives."""
    window = _window(call.layer.window, call.inputs[0].shape)
    return call.node("Neg", call.node("MaxPool", call.node("Neg", call.input(FIRST)), **window)), FIRST


def _global_max_pool(call: Call) -> Result:
    return _without_image(call, call.node("GlobalMaxPool", call.input(FIRST)))


def _global_min_pool(call: Call) -> Result:
    return _without_image(call, call.node("Neg", call.node("GlobalMaxPool", call.node("Neg", call.input(FIRST)))))


def _global_average_pool(call: Call) -> Result:
    return _without_image(call, call.node("GlobalAveragePool", call.input(FIRST)))


def _without_image(call: Call, pooled: str) -> Result:
    """(N, C, 1, 1) as the layer wants it."""
    return (pooled, FIRST) if call.layer.keepdims else (call.node("Flatten", pooled), LAST)  # (N, C)


# Shapes


def _flatten(call: Call) -> Result:
    return call.node("Flatten", call.input(LAST)), LAST


def _reshape(call: Call) -> Result:
    shape = call.layer.compute_output_shape(call.inputs[0].shape)[1:]
    sizes = [0, *(-1 if n is None else n for n in shape)]  # 0: as many as came in
    return call.node("Reshape", call.input(LAST), call.whole_numbers("shape", sizes)), LAST


def _zero_padding(call: Call) -> Result:
    (top, bottom), (left, right) = call.layer.padding
    return _framed(call, call.input(FIRST), (top, left, bottom, right), 0.0), FIRST


def _framed(call: Call, x: str, sides: tuple[int, int, int, int], value: float) -> str:
    """(N, C, H, W) with a frame: top, left, bottom, right.

    A zero is written as -0.0, the same number. Behind a Pad with 0.0, ONNX Runtime's optimizer (pad_fusion.cc) gives
    the frame to the pooling, where padding is no candidate, and the zeros are gone.
    """
    top, left, bottom, right = sides
    frame = call.whole_numbers("pads", [0, 0, top, left, 0, 0, bottom, right])  # before N, C, H, W, and after each
    return call.node("Pad", x, frame, call.number("value", value or -0.0))


def _resize(call: Call) -> Result:
    """Cut off what is not to be seen or put a frame around it, and bring the rest to the size wanted."""
    layer, (_, height, width, _) = call.layer, call.inputs[0].shape
    if height is None or width is None:
        expected, way_out = "images of a known size, to write it as ONNX", "Name height and width in Input()."
        raise ValueError(sentence(layer.title, expected, f"shape {call.inputs[0].shape}", way_out))
    part = layer.part((height, width), training=False)
    top, left, bottom, right = part.top, part.left, part.top + part.height, part.left + part.width
    x = call.input(FIRST)  # (N, C, H, W)
    if (top, left, bottom, right) != (0, 0, height, width) and min(top, left) >= 0:
        bounds = {"starts": [top, left], "ends": [bottom, right], "axes": [2, 3]}
        x = call.node("Slice", x, *(call.whole_numbers(name, values) for name, values in bounds.items()))
    if min(top, left) < 0:
        x = _framed(call, x, (-top, -left, bottom - height, right - width), layer.fill_value)
    if part[2:] != (layer.height, layer.width):
        samples = call.node("Gather", call.node("Shape", x), call.whole_numbers("samples", [0, 1]))  # N and C
        sizes = call.node("Concat", samples, call.whole_numbers("size", [layer.height, layer.width]), axis=0)
        how = {"mode": "linear"}
        if layer.interpolation == "nearest":
            how = {"mode": "nearest", "nearest_mode": "round_prefer_ceil"}
        x = call.node("Resize", x, "", "", sizes, coordinate_transformation_mode="half_pixel", **how)
    return x, FIRST


# Merging


def _add(call: Call) -> Result:
    order = _common_order(call)
    return call.node("Sum", *(call.graph.tensor(value, order) for value in call.inputs)), order


def _concatenate(call: Call) -> Result:
    order = _common_order(call)
    axis = axes(call.rank, order).index(call.layer.axis % call.rank)
    return call.node("Concat", *(call.graph.tensor(value, order) for value in call.inputs), axis=axis), order


def _common_order(call: Call) -> str:
    """The order that asks for the fewest transposes."""
    missing = {order: sum(order not in value.tensors for value in call.inputs) for order in (LAST, FIRST)}
    return min(missing, key=lambda order: missing[order])


# Number by number


def _batch_norm(call: Call) -> Result:
    layer = call.layer
    mean, variance = layer.state["moving_mean"], layer.state["moving_variance"]
    arrays = {
        "gamma": layer.params.get("gamma", np.ones_like(mean)),
        "beta": layer.params.get("beta", np.zeros_like(mean)),
        "moving_mean": mean,
        "moving_variance": variance,
    }
    weights = [call.weight(name, array) for name, array in arrays.items()]
    return call.node("BatchNormalization", call.input(FIRST), *weights, epsilon=layer.epsilon), FIRST


def _rescaling(call: Call) -> Result:
    x, order = call.input_as_it_is()
    y = call.node("Mul", x, call.number("scale", call.layer.scale))
    return (call.node("Add", y, call.number("offset", call.layer.offset)) if call.layer.offset else y), order


def _nothing(call: Call) -> Result:
    return call.input_as_it_is()


def _activation(call: Call) -> Result:
    return _activated(call, call.layer.activation, *call.input_as_it_is())


def _activated(call: Call, activation: activations.Activation, z: str, order: str) -> Result:
    match activation:
        case activations.Linear():
            return z, order
        case activations.Softmax(axis):
            return call.node("Softmax", z, axis=axes(call.rank, order).index(axis % call.rank)), order
        case activations.LeakyRelu(slope):
            return call.node("LeakyRelu", z, alpha=slope), order
        case activations.Elu(alpha):
            return call.node("Elu", z, alpha=alpha), order
        case activations.Selu():
            return call.node("Selu", z, alpha=activation.alpha, gamma=activation.scale), order
        case activations.Relu() | activations.Sigmoid() | activations.Tanh():
            return call.node(type(activation).__name__, z), order
        case activations.ClippedRelu():
            return _clipped_relu(call, activation, z), order
        case activations.Gelu():
            return _gelu(call, activation, z), order
    way_out = "Use one of tinyconv.activations, or export the model before this layer."
    raise ValueError(_unknown(call.layer, "an activation of tinyconv's own, to write it as ONNX", activation, way_out))


def _clipped_relu(call: Call, relu: activations.ClippedRelu, z: str) -> str:
    """min(z, max_value) where z >= threshold, else negative_slope * (z - threshold)."""
    threshold = call.number("threshold", relu.threshold)
    below = call.number("negative_slope", relu.negative_slope)
    if relu.negative_slope:
        below = call.node("Mul", call.node("Sub", z, threshold), below)
    above = z if relu.max_value is None else call.node("Min", z, call.number("max_value", relu.max_value))
    return call.node("Where", call.node("Less", z, threshold), below, above)


def _gelu(call: Call, gelu: activations.Gelu, z: str) -> str:
    """z * (1 + erf(z / sqrt(2))) / 2, or with tanh(sqrt(2 / pi) * (z + 0.044715 z^3)) in place of erf."""
    if gelu.approximate:
        cube = call.node("Mul", call.node("Mul", z, z), call.node("Mul", z, call.number("cubic", 0.044715)))
        bend = call.node("Mul", call.node("Add", z, cube), call.number("scale", math.sqrt(2 / math.pi)))
        bent = call.node("Tanh", bend)
    else:
        bent = call.node("Erf", call.node("Div", z, call.number("sqrt_two", math.sqrt(2))))
    half = call.node("Mul", z, call.number("half", 0.5))
    return call.node("Mul", half, call.node("Add", bent, call.number("one", 1.0)))


#: Layers that pass everything through when the network predicts.
_ONLY_TRAINING = (
    layers.Dropout,
    layers.RandomBrightness,
    layers.RandomContrast,
    layers.RandomFlip,
    layers.RandomRotation,
    layers.RandomTranslation,
    layers.RandomZoom,
)

TRANSLATIONS: dict[type[Layer], Callable[[Call], Result]] = {
    **dict.fromkeys((layers.InputLayer, *_ONLY_TRAINING), _nothing),
    layers.Activation: _activation,
    layers.Add: _add,
    layers.AveragePooling2D: _average_pool,
    layers.BatchNormalization: _batch_norm,
    layers.CenterCrop: _resize,
    layers.Concatenate: _concatenate,
    layers.Conv2D: _conv,
    layers.Dense: _dense,
    layers.Flatten: _flatten,
    layers.GlobalAveragePooling2D: _global_average_pool,
    layers.GlobalMaxPooling2D: _global_max_pool,
    layers.GlobalMinPooling2D: _global_min_pool,
    layers.MaxPooling2D: _max_pool,
    layers.MinPooling2D: _min_pool,
    layers.RandomCrop: _resize,
    layers.Rescaling: _rescaling,
    layers.Reshape: _reshape,
    layers.Resizing: _resize,
    layers.ZeroPadding2D: _zero_padding,
}
