"""Weights from PyTorch into a network of tinyconv, and back.

PyTorch keeps the channels before height and width, so the same network has its numbers in another order there:

                        tinyconv                PyTorch
    images              (N, H, W, C)            (N, C, H, W)
    Conv2D              (KH, KW, C/groups, F)   (F, C/groups, KH, KW)
    DepthwiseConv2D     (KH, KW, C, M)          (C*M, 1, KH, KW)
    Dense               (I, O)                  (O, I)
    Flatten             row, column, channel    channel, row, column

The last line reaches further than its own layer: whatever is learned on flattened images, usually the first `Dense`,
has its inputs in PyTorch's order there, and in ours here. PyTorch itself is not imported: what is asked of its tensors
and modules are their own methods.
"""

import itertools
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import activations
from tinyconv._types import Array, Shape
from tinyconv.checks import sentence
from tinyconv.layers import Add, BatchNormalization, Concatenate, Conv2D, Dense, Flatten, Layer, Reshape
from tinyconv.models import Model

__all__ = ["from_torch", "to_torch"]

#: PyTorch's name for each of our parameters and states.
_PARTS = {
    "kernel": "weight",
    "gamma": "weight",
    "bias": "bias",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
#: What a state_dict holds beside the numbers that a layer computes with.
_COUNTER = "num_batches_tracked"

#: What becomes of the axes of images on their way to PyTorch and back.
_CHANNELS_FIRST, _CHANNELS_LAST = (0, 3, 1, 2), (0, 2, 3, 1)


def from_torch(model: Model, source: Any, *, x: Any = None, epsilon: float = 1e-5) -> float | None:
    """Overwrite a network's weights with those of a PyTorch network of the same architecture.

    Layers are matched in order, and every shape must fit. Given the module itself, both networks predict the same
    batch, and the largest difference is printed: it shows what no shape can, such as other strides or activations.
    Where tinyconv's network ends in a softmax and PyTorch's leaves it to the loss, one is put behind it first. ::

        interop.from_torch(model, module)   # Largest difference of predictions: 1.2e-07
        interop.from_torch(model, torch.load("digits.pt", weights_only=True))

    Args:
        model: a network whose input's shape is known.
        source: a ``torch.nn.Module``, or its ``state_dict()``: tensors or NumPy arrays by name.
        x: with a module, the batch to compare on, as `predict` takes it; random numbers where left out.
        epsilon: with a state_dict, what PyTorch's batch normalisations add to the variance, for it is not in there.

    Returns:
        With a module the largest difference, else None.

    Raises:
        TypeError: for a source that is neither.
        ValueError: if a layer or a shape has no counterpart, a batch normalisation another epsilon, or if the module's
            output has another shape. Nothing is changed then.
    """
    module = source if hasattr(source, "state_dict") else None
    entries = _entries(source)
    learned, output_orders = _describe(model)
    keys = _match(model, learned, entries)
    _check_epsilon(learned, keys, module, epsilon)
    new = [one.from_torch(entries[key]) for one, key in zip(learned, keys, strict=True)]
    batch = [] if module is None else _batch(model, x)
    theirs = [] if module is None else _predict(module, batch, model, output_orders)
    for one, values in zip(learned, new, strict=True):
        one.array[...] = values
    return None if module is None else _difference(model, batch, theirs)


def to_torch(model: Model, like: Any = None) -> dict[str, Array]:
    """A network's weights in PyTorch's order. ::

        state = interop.to_torch(model, like=module)
        module.load_state_dict({name: torch.tensor(array) for name, array in state.items()})

    Args:
        model: a network whose input's shape is known.
        like: a ``torch.nn.Module`` or its ``state_dict()``, whose names are used; else they are those of our layers.

    Raises:
        TypeError, ValueError: as `from_torch`.
    """
    learned, _ = _describe(model)
    keys = [f"{one.path}.{one.part}" for one in learned] if like is None else _match(model, learned, _entries(like))
    return {key: one.to_torch() for one, key in zip(learned, keys, strict=True)}


# One array


@dataclass
class _Learned:
    """One array of a layer, and how PyTorch has it.

    Attributes:
        layer, name: the layer, and its parameter's or state's name.
        path: the layer's name, behind those of the models that it is inside of.
        order: for each of the layer's input features, its place in PyTorch.
    """

    layer: Any
    name: str
    path: str
    order: Array

    @property
    def array(self) -> Array:
        """The array itself."""
        found: Array = (self.layer.params | self.layer.state)[self.name]
        return found

    @property
    def part(self) -> str:
        """PyTorch's name of it within the layer."""
        return _PARTS[self.name]

    @property
    def shape(self) -> tuple[int, ...]:
        """What PyTorch's array has."""
        if self.array.ndim != 4:
            return self.array.shape[::-1]
        kh, kw, _, _ = self.array.shape
        return self._outputs, self.array.size // (kh * kw * self._outputs), kh, kw

    @property
    def _outputs(self) -> int:
        outputs: int = self.layer.compute_output_shape(self.layer.input_spec)[-1]
        return outputs

    @property
    def _counts_inputs(self) -> bool:
        """Whether the first axis counts the layer's input features."""
        return isinstance(self.layer, BatchNormalization) or (isinstance(self.layer, Dense) and self.name == "kernel")

    def to_torch(self) -> Array:
        """The array in PyTorch's order."""
        array = self.array
        if array.ndim == 4:  # (KH, KW, C/groups, F), or depthwise (KH, KW, C, M)
            return array.reshape(*array.shape[:2], -1, self._outputs).transpose(3, 2, 0, 1)  # (F, C/groups, KH, KW)
        return (array[np.argsort(self.order)] if self._counts_inputs else array).T  # (O, I), or (F,)

    def from_torch(self, theirs: Array) -> Array:
        """What PyTorch has for it, in the order of the array."""
        if theirs.ndim == 4:  # (F, C/groups, KH, KW)
            return theirs.transpose(2, 3, 1, 0).reshape(self.array.shape)  # (KH, KW, C/groups, F), or (KH, KW, C, M)
        return theirs.T[self.order] if self._counts_inputs else theirs  # (I, O), or (F,)


# The order of features


def _describe(model: Model) -> tuple[list[_Learned], list[Array | None]]:
    """Every array that the network holds, in order, and for each output of rank 2 where PyTorch has its numbers."""
    model._require_graph()
    model.build()
    orders: dict[Layer, tuple[str, Array | None]] = {}
    outputs = _follow(model, [None] * len(model.inputs), "", orders)
    learned = []
    for layer, (path, order) in orders.items():
        arrays = layer.params | layer.state
        if arrays and not isinstance(layer, Conv2D | Dense | BatchNormalization):
            expected = "only Conv2D, DepthwiseConv2D, Dense and BatchNormalization to have weights"
            way_out = "Set its weights by hand with set_weights."
            raise ValueError(sentence(model.title, expected, f"{layer.title} with {list(arrays)}", way_out))
        for name in arrays:
            learned.append(_Learned(layer, name, path, np.arange(layer.input_spec[-1]) if order is None else order))
    return learned, outputs


def _follow(
    model: Model, orders: list[Array | None], prefix: str, found: dict[Layer, tuple[str, Array | None]]
) -> list[Array | None]:
    """Carry the orders of features from a model's inputs to its outputs; note what enters each layer."""
    known = dict(zip(model.inputs, orders, strict=True))
    for node in model.nodes:
        if not node.inputs:
            continue
        layer, path = node.layer, f"{prefix}{node.layer.name}"
        entering = [known[tensor] for tensor in node.inputs]
        if isinstance(layer, Model):
            leaving = _follow(layer, entering, f"{path}.", found)
        else:
            _, before = found.setdefault(layer, (path, entering[0]))
            if layer.weights and not _same(before, entering[0]):
                way_out = "Give it a layer of its own at each place."
                raise ValueError(sentence(layer.title, "inputs of one order", "flattened images and others", way_out))
            leaving = [_after(layer, entering, [t.shape for t in node.inputs], node.outputs[0].shape)]
        known.update(zip(node.outputs, leaving, strict=True))
    return [known[tensor] for tensor in model.outputs]


def _after(layer: Layer, entering: list[Array | None], shapes: list[Shape], shape: Shape) -> Array | None:
    """For each feature that leaves a layer its place in PyTorch; None where both have the same order."""
    if isinstance(layer, Flatten | Reshape):
        return _reshaped(layer, entering[0], shapes[0], shape)
    if len(shape) != 2 or isinstance(layer, Dense):
        return None
    if isinstance(layer, Concatenate):
        starts = itertools.accumulate((one[-1] or 0 for one in shapes), initial=0)
        parts = [_numbers(order, one) + start for order, one, start in zip(entering, shapes, starts, strict=False)]
        return np.concatenate(parts)
    if isinstance(layer, Add) and not all(_same(entering[0], order) for order in entering):
        raise ValueError(sentence(layer.title, "inputs of one order", "flattened images and others"))
    return entering[0]


def _reshaped(layer: Layer, order: Array | None, before: Shape, after: Shape) -> Array | None:
    if None in (*before[1:], *after[1:]):
        return None
    numbers = _numbers(order, before)
    if len(after) == 2:
        return None if np.array_equal(numbers, np.arange(numbers.size)) else numbers
    if not np.array_equal(numbers, _numbers(None, after)):
        received = f"shape {before[1:]} to {after[1:]}"
        raise ValueError(sentence(layer.title, "a shape that PyTorch fills in the same order", received))
    return None


def _numbers(order: Array | None, shape: Shape) -> Array:
    """For each number of a sample its place in PyTorch, where the channels come first.

    >>> _numbers(None, (None, 2, 2, 2))
    array([0, 4, 1, 5, 2, 6, 3, 7])
    """
    if order is not None:
        return order
    *image, channels = [n or 0 for n in shape[1:]]
    return np.moveaxis(np.arange(channels * math.prod(image)).reshape(channels, *image), 0, -1).ravel()


def _same(a: Array | None, b: Array | None) -> bool:
    return np.array_equal(a, b) if a is not None and b is not None else a is b


# The two sides


def _entries(source: Any) -> dict[str, Array]:
    """The arrays of a module or state_dict by name."""
    entries = source.state_dict() if hasattr(source, "state_dict") else source
    if isinstance(source, str | bytes | os.PathLike):
        way_out = "Read it with torch.load(path, weights_only=True); tinyconv opens no pickles."
        raise TypeError(sentence("interop", "a state_dict or module of PyTorch", f"the path {source!r}", way_out))
    if not isinstance(entries, Mapping):
        raise TypeError(sentence("interop", "a state_dict or module of PyTorch", repr(type(source))))
    inside = next((key for key, value in entries.items() if isinstance(value, Mapping)), None)
    if inside is not None:
        way_out = f"Pass the state_dict that is inside, perhaps source[{inside!r}]."
        raise TypeError(sentence("interop", "arrays by name", f"a dictionary under {inside!r}", way_out))
    return {key: _array(value) for key, value in entries.items() if key.rpartition(".")[2] != _COUNTER}


def _array(value: Any) -> Array:
    """A tensor of PyTorch, or what NumPy takes, as an array."""
    return np.asarray(value.detach().cpu().numpy() if hasattr(value, "detach") else value)


def _match(model: Model, learned: list[_Learned], entries: Mapping[str, Array]) -> list[str]:
    """The key of each array's counterpart: layer by layer, in order."""
    ours: dict[str, dict[str, _Learned]] = {}
    for one in learned:
        ours.setdefault(one.path, {})[one.part] = one
    theirs: dict[str, dict[str, str]] = {}
    for key in entries:
        prefix, _, part = key.rpartition(".")
        theirs.setdefault(prefix, {})[part] = key
    keys = []
    for found in itertools.zip_longest(ours.values(), theirs.values()):
        mine, other = found[0] or {}, found[1] or {}
        want = {part: one.shape for part, one in mine.items()}
        if want != {part: entries[key].shape for part, key in other.items()}:
            title = next((one.layer.title for one in mine.values()), "after the last layer")
            received = _listed({key: entries[key].shape for key in other.values()})
            way_out = "Layers are matched in order: build the same ones, and put the names in that order."
            raise ValueError(sentence(model.title, f"{_listed(want)} for {title}", received, way_out))
        keys += [other[part] for part in mine]
    return keys


def _listed(shapes: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {shape}" for name, shape in shapes.items()) or "nothing"


def _check_epsilon(learned: list[_Learned], keys: list[str], module: Any, epsilon: float) -> None:
    for one, key in zip(learned, keys, strict=True):
        if one.name != "moving_variance":
            continue
        theirs = epsilon if module is None else module.get_submodule(key.rpartition(".")[0]).eps
        if not math.isclose(theirs, one.layer.epsilon):
            way_out = f"Build it with epsilon={theirs}" + (", or pass epsilon=." if module is None else ".")
            received = f"PyTorch's {theirs} for {key!r}"
            raise ValueError(sentence(one.layer.title, f"its epsilon, {one.layer.epsilon}", received, way_out))


# Comparing


def _batch(model: Model, x: Any) -> list[Array]:
    """What both networks are to predict from."""
    if x is not None:
        return [np.asarray(one) for one in ([x] if model._single_input else x)]
    shapes = [tensor.shape[1:] for tensor in model.inputs]
    if any(None in shape for shape in shapes):
        raise ValueError(sentence(model.title, "a batch to compare on", f"inputs of any size, {shapes}", "Pass x=."))
    rng = np.random.default_rng(0)
    return [rng.random((4, *shape), np.float32) for shape in shapes]  # type: ignore[arg-type]


def _predict(module: Any, batch: list[Array], model: Model, orders: list[Array | None]) -> list[Array]:
    """What the module gives for a batch, in our order."""
    training = {part: part.training for part in module.modules()}
    like = next(module.parameters())  # of the float type, and where it computes
    module.eval()
    try:
        found = module(*(like.new_tensor(np.ascontiguousarray(_turned(x, _CHANNELS_FIRST))) for x in batch))
    finally:
        for part, was in training.items():
            part.training = was
    outputs = [_turned(_array(y), _CHANNELS_LAST) for y in (found if isinstance(found, tuple | list) else [found])]
    want, have = [tensor.shape for tensor in model.outputs], [y.shape for y in outputs]
    fits = [len(w) == len(h) and all(m in (None, n) for m, n in zip(w, h)) for w, h in zip(want, have)]
    if len(want) != len(have) or not all(fits):
        raise ValueError(sentence(model.title, f"a module with outputs of shapes {want}", f"{have}"))
    return [y if order is None or y.ndim != 2 else y[:, order] for y, order in zip(outputs, orders, strict=True)]


def _turned(x: Array, axes: tuple[int, ...]) -> Array:
    return x.transpose(axes) if x.ndim == 4 else x


def _difference(model: Model, batch: list[Array], theirs: list[Array]) -> float:
    """Print and return the largest difference."""
    ours = model.predict(batch[0] if model._single_input else batch, verbose=0)
    differences, note = [], ""
    for mine, other in zip([ours] if model._single_output else ours, theirs, strict=True):
        if _are_probabilities(mine) and not _are_probabilities(other):
            other, note = activations.softmax(other), " (with a softmax behind PyTorch's)"
        differences.append(np.abs(mine - other).max())
    largest = float(np.max(differences))
    print(f"Largest difference of predictions: {largest:.1e}{note}")
    return largest


def _are_probabilities(y: Array) -> bool:
    return y.ndim > 1 and y.shape[-1] > 1 and bool((y >= 0).all() and np.allclose(y.sum(axis=-1), 1, atol=1e-3))
