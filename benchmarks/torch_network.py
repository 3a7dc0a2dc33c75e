"""A network of tinyconv as the PyTorch module that computes the same.

PyTorch keeps channels before height and width: images are (N, C, H, W), kernels (F, C, KH, KW), a dense layer's matrix
has its outputs first. The translation turns the weights accordingly. Only what the notes' networks need is here.
"""

from collections.abc import Iterable
from itertools import islice

import numpy as np
import torch
from torch import Tensor, nn

from tinyconv import layers
from tinyconv._types import Array
from tinyconv.checks import sentence


class Rescaling(nn.Module):
    """y = x * scale."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return x * self.scale


def translate(network: Iterable[layers.Layer], weights: Iterable[Array]) -> nn.Sequential:
    """The layers as a module with these weights, up to the logits: a softmax at the end is left out.

    Raises:
        TypeError: for a layer that has no translation.
        ValueError: for padding that PyTorch cannot do in the layer itself.
    """
    rest, modules, image = iter(weights), [], None
    for layer in network:
        mine = list(islice(rest, _number_of_weights(layer)))
        if isinstance(layer, layers.Dense):
            modules += _dense(layer, mine, image)
            image = None
        elif isinstance(layer, layers.Flatten):
            modules.append(nn.Flatten())
            image = layer.input_spec[1:]  # the next dense layer's rows come in this order
        else:
            modules += _translate_one(layer, mine)
    return nn.Sequential(*modules)


def _number_of_weights(layer: layers.Layer) -> int:
    return len(layer.weight_shapes(layer.input_spec)) + len(layer.state_shapes(layer.input_spec))


def _translate_one(layer: layers.Layer, weights: list[Array]) -> list[nn.Module]:
    match layer:
        case layers.InputLayer():
            return []
        case layers.Rescaling(offset=0.0):
            return [Rescaling(layer.scale)]
        case layers.Conv2D():
            return _conv(layer, weights)
        case layers.MaxPooling2D():
            return [_max_pool(layer)]
        case layers.BatchNormalization():
            return [_batch_norm(layer, weights)]
        case layers.Dropout():
            return [nn.Dropout(layer.rate)]
    raise TypeError(sentence("benchmarks", "a layer of the timed networks", repr(layer), "Add its translation."))


def _conv(layer: layers.Conv2D, weights: list[Array]) -> list[nn.Module]:
    kernel, bias = weights  # (KH, KW, C / groups, F), (F,)
    channels, groups = layer.input_spec[-1], layer.groups
    if isinstance(layer, layers.DepthwiseConv2D):  # a group for each channel, with M filters
        groups, kernel = channels, kernel.reshape(*kernel.shape[:2], 1, -1)  # (KH, KW, C, M) -> (KH, KW, 1, C * M)
    (kh, kw), same = layer.kernel_size, layer.padding == "same"
    if same and (layer.strides != (1, 1) or kh % 2 == 0 or kw % 2 == 0):
        raise ValueError(sentence("benchmarks", "as much padding before as after", repr(layer)))
    padding = (kh // 2, kw // 2) if same else (0, 0)
    module = nn.Conv2d(channels, len(bias), (kh, kw), layer.strides, padding, groups=groups)
    _fill(module.weight, kernel.transpose(3, 2, 0, 1))  # (F, C / groups, KH, KW)
    _fill(module.bias, bias)
    return [module, *_activation(layer)]


def _dense(layer: layers.Dense, weights: list[Array], image: tuple[int, ...] | None) -> list[nn.Module]:
    kernel, bias = weights  # (D, F), (F,)
    module = nn.Linear(*kernel.shape)
    if image is not None:  # D counts (H, W, C) in tinyconv, and (C, H, W) in PyTorch
        kernel = kernel.reshape(*image, -1).transpose(2, 0, 1, 3).reshape(kernel.shape)
    _fill(module.weight, kernel.T)  # (F, D)
    _fill(module.bias, bias)
    return [module, *_activation(layer)]


def _max_pool(layer: layers.MaxPooling2D) -> nn.Module:
    same = layer.padding == "same"
    if same and (layer.pool_size != (2, 2) or layer.strides != (2, 2)):
        raise ValueError(sentence("benchmarks", "no padding but for 2x2 pooling with stride 2", repr(layer)))
    return nn.MaxPool2d(layer.pool_size, layer.strides, ceil_mode=same)


def _batch_norm(layer: layers.BatchNormalization, weights: list[Array]) -> nn.Module:
    gamma, *others = weights  # (C,) each
    module = nn.BatchNorm2d(len(gamma), eps=layer.epsilon, momentum=1 - layer.momentum)
    targets = (module.weight, module.bias, module.running_mean, module.running_var)
    for target, values in zip(targets, [gamma, *others], strict=True):
        _fill(target, values)
    return module


def _activation(layer: layers.Conv2D | layers.Dense) -> list[nn.Module]:
    modules: dict[str, list[nn.Module]] = {"relu": [nn.ReLU()], "linear": [], "softmax": []}
    return modules[layer.activation.name]


def _fill(target: Tensor | None, values: Array) -> None:
    assert target is not None
    with torch.no_grad():
        target.copy_(torch.from_numpy(np.ascontiguousarray(values)))
