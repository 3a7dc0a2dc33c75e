"""From a probability back to a pixel: the arithmetic of one cell at every layer, against what the network stored.

The path begins at one output. At each layer it writes down how that number came about, and follows the input that
counted most: of a sum the largest term, of a maximum the winner. It ends at a pixel.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import layers
from tinyconv._types import Array
from tinyconv.activations import Activation, Linear, Softmax
from tinyconv.checks import lookup, sentence
from tinyconv.explain import inputs
from tinyconv.explain.convolution import conv_cell
from tinyconv.explain.pooling import pooling
from tinyconv.explain.views import Frame, Grid, Lines, Part, Trace, kept
from tinyconv.explain.wording import at, bracketed, count, listed, number, total
from tinyconv.figures import described
from tinyconv.layers.graph import Node, SymbolicTensor

_WHERE = "explain.network"
Index = tuple[int, ...]

#: Terms of a sum that are written out, and classes that are listed.
_TERMS, _CLASSES = 6, 5


@dataclass(frozen=True, eq=False)
class Arithmetic:
    """How one number came about.

    Attributes:
        value: what the terms make, summed here in float64.
        scale: size of the terms that it was added from, which rounding is measured by.
        sentences: the arithmetic.
        grids: its matrices, if it has some.
        opening: what stands before the matrices.
        follow: which input, and which of its cells, counted most; None where the path ends.
    """

    value: float
    scale: float
    sentences: tuple[str, ...]
    grids: tuple[Grid, ...] = ()
    opening: str = ""
    follow: tuple[int, Index] | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Step(Trace):
    """One number of one layer's output.

    Attributes:
        layer, kind: name and class of the layer.
        index: the number's place in the output of one sample.
        stored: the number as the network computed it.
        arithmetic: how it comes about.
    """

    layer: str
    kind: str
    index: Index
    stored: float
    arithmetic: Arithmetic

    @property
    def agree(self) -> bool:
        """Whether the sum that is shown is the number that is stored, to float32's rounding."""
        difference = abs(self.arithmetic.value - self.stored)
        near = difference <= 1e-5 * max(self.arithmetic.scale, abs(self.stored), 1e-30)
        return bool(near) or not np.isfinite(self.stored)

    @property
    def title(self) -> str:
        return f"{self.layer} ({self.kind}), {_place(self.index)}: {number(self.stored)}"

    @property
    def alt(self) -> str:
        value = f"{number(self.stored)}, and its terms make {number(self.arithmetic.value)}"
        return f"In {self.layer}, the number at {_place(self.index)} is {value}."

    @property
    def verdict(self) -> str:
        """The comparison with what the network stored."""
        shown, stored = number(self.arithmetic.value), number(self.stored)
        same = "equal" if shown == stored else "equal up to rounding"
        return f"The terms make {shown}; the network stored {stored}: {same if self.agree else 'DIFFERENT'}."

    def parts(self) -> list[Part]:
        a = self.arithmetic
        return [*([a.opening] if a.opening else []), *a.grids, Lines((*a.sentences, self.verdict))]


@dataclass(frozen=True, eq=False)
class Contrast:
    """Why one class was preferred to another: the difference of their sums in the last dense layer.

    Attributes:
        layer: that layer.
        sums: of the class preferred, and of the other.
        terms: by how much each input speaks for the first (I,).
        sentences: the arithmetic.
    """

    layer: Any
    sums: tuple[float, float]
    terms: Array
    sentences: tuple[str, ...]


@dataclass(frozen=True, eq=False, repr=False)
class Network(Trace):
    """The path of one prediction.

    Attributes:
        name: of the network.
        classes: names of the outputs.
        output: what the network gives for the image.
        chosen: the output that the path begins at.
        steps: the numbers on the path, from the output to the image.
        pixel: value and place that the path ends at, None where it ends before.
        activations: each layer's output by name, without the batch axis.
        contrast: why the chosen output and not another, where that was asked.
    """

    name: str
    classes: tuple[str, ...]
    output: Array
    chosen: Index
    steps: tuple[Step, ...]
    pixel: tuple[float, Index] | None
    activations: Mapping[str, Array]
    contrast: Contrast | None
    _calls: Mapping[str, Callable[[Index], Step]]

    def at(self, layer: str, *index: int) -> Step:
        """How one number of any layer's output came about: ``at("conv2d", row, column, filter)``.

        Raises:
            ValueError: for an unknown layer or place.
        """
        call: Callable[[Index], Step] = lookup("layer", layer, self._calls)
        shape = self.activations[layer].shape
        if len(index) != len(shape):
            raise ValueError(sentence(_WHERE, f"{count(len(shape), 'number')}, a place in {shape}", f"{index}"))
        return call(tuple(inputs.place(i, n, "index", _WHERE) for i, n in zip(index, shape, strict=True)))

    @property
    def title(self) -> str:
        return f"{self.name}: why {self._named} gets {number(self.output[self.chosen])}"

    @property
    def _named(self) -> str:
        return self.classes[self.chosen[0]] if len(self.chosen) == 1 else f"the output at {_place(self.chosen)}"

    @property
    def alt(self) -> str:
        end = f" to the pixel at {_place(self.pixel[1])}" if self.pixel else ""
        begin = f"The path of {self._named}, {number(self.output[self.chosen])}"
        return f"{begin}, back through {count(len(self.steps), 'layer')}{end}."

    def parts(self) -> list[Part]:
        found: list[Part] = []
        if self.output.ndim == 1:
            order = np.argsort(-self.output, kind="stable")[:_CLASSES]
            lines = [f"{self.classes[c]}: {number(self.output[c])}" for c in order]
            found.append(Lines((f"The {count(len(order), 'largest output')}:".replace("The 1 ", "The "), *lines)))
        if self.contrast:
            found.append(Lines(self.contrast.sentences))
        found.append("At each layer: how the number came about, and the input that counted most, which is followed.")
        for k, step in enumerate(self.steps, start=1):
            found += [f"Step {k}. {step.title}", *step.parts()]
        if self.pixel:
            value, index = self.pixel
            found.append(f"The path ends at the image, {_place(index)}: {number(value)}.")
        return found

    def figure(self) -> Any:
        """The matrices of the steps that have some, one line for each."""
        from tinyconv.explain.drawing import draw

        grids: list[Grid] = []
        headings: dict[int, str] = {}
        for step in self.steps:
            headings |= {len(grids): step.title} if step.arithmetic.grids else {}
            grids += step.arithmetic.grids
        return described(draw(grids, self.title, self.alt, headings=headings), self.alt)

    def frames(self) -> list[Frame]:
        return [Frame(step.arithmetic.grids, f"{step.title}. {step.arithmetic.sentences[-1]}") for step in self.steps]


def network(
    model: Any, x: Any, output: Any = None, classes: Sequence[str] | None = None, against: int | None = None
) -> Network:
    """Where a prediction comes from, from one of its outputs back through every layer to a pixel.

    Args:
        model: a network with one input and one output, built or trained.
        x: one sample, with or without the batch axis; images may leave out a channel axis of 1.
        output: number of the output to begin at; the largest, if None.
        classes: names of the outputs.
        against: number of another output: why that one and not this? The path then follows what made the difference.

    Raises:
        ValueError: for other networks, for several samples, and for an output that is not there; with ``against``, for
            a network that does not end in a dense layer.
    """
    if not hasattr(model, "nodes") or len(model.inputs) != 1 or len(model.outputs) != 1:
        raise ValueError(sentence(_WHERE, "a model with one input and one output", repr(model)))
    sample = _sample(model, x)
    model.build()
    values: dict[SymbolicTensor, Array] = {model.inputs[0]: sample}
    caches: dict[SymbolicTensor, tuple[Node, Any]] = {}
    _run(model, values, caches)
    last = model.outputs[0]
    y = values[last][0]
    chosen = _chosen(output, y)
    names = tuple(str(c) for c in classes) if classes is not None else tuple(f"class {c}" for c in range(y.shape[-1]))
    if len(names) != y.shape[-1]:
        raise ValueError(sentence(_WHERE, f"{count(y.shape[-1], 'name')}, one for each output", f"{len(names)}"))
    contrast = None if against is None else _contrast(model, caches, values, chosen, against, names)
    steps = []
    tensor, index = last, chosen
    while tensor in caches:
        steps.append(_step(caches[tensor], values, tensor, index))
        follow = steps[-1].arithmetic.follow
        if follow is None:
            break
        if contrast and caches[tensor][0].layer is contrast.layer:
            follow = (0, (int(contrast.terms.argmax()),))
        tensor, index = caches[tensor][0].inputs[follow[0]], follow[1]
    pixel = (float(sample[0][index]), index) if tensor not in caches else None
    return Network(
        name=model.name,
        classes=names,
        output=kept(y),
        chosen=chosen,
        steps=tuple(steps),
        pixel=pixel,
        activations={node.layer.name: kept(values[t][0]) for t, (node, _) in caches.items()},
        contrast=contrast,
        _calls={node.layer.name: _caller((node, cache), values, t) for t, (node, cache) in caches.items()},
    )


def _caller(call: tuple[Node, Any], values: Mapping[SymbolicTensor, Array], tensor: SymbolicTensor) -> Any:
    return lambda index: _step(call, values, tensor, index)


def _sample(model: Any, x: Any) -> Array:
    """One sample with the batch axis."""
    want = model.inputs[0].shape
    array = inputs.numbers(x, "x", _WHERE)
    if len(want) == 4 and want[3] == 1 and array.ndim == 2:
        array = array[..., None]  # (H, W, 1)
    if array.ndim == len(want) - 1:
        array = array[None]
    if len(array) != 1:
        raise ValueError(sentence(_WHERE, "one sample", f"{len(array)} of them", "Choose one, such as x[0]."))
    model.check_input_shape(array.shape)
    return array.astype(model.inputs[0].node.layer.dtype)


def _run(model: Any, values: dict[SymbolicTensor, Array], caches: dict[SymbolicTensor, tuple[Node, Any]]) -> None:
    """Every layer's output, and what it kept, by the tensor it gives."""
    for node in model.nodes:
        if not node.inputs:
            continue
        if len(node.outputs) != 1 or node.outputs[0] in values:
            raise ValueError(sentence(_WHERE, "layers with one output each", repr(node.layer)))
        arrays: Any = [values[tensor] for tensor in node.inputs]
        y, cache = node.layer.forward(arrays if node.layer.takes_list else arrays[0])
        values[node.outputs[0]] = y
        caches[node.outputs[0]] = node, cache


def _chosen(output: Any, y: Array) -> Index:
    if output is None:
        return tuple(int(i) for i in np.unravel_index(int(y.argmax()), y.shape))
    index = tuple(output) if isinstance(output, tuple | list) else (output,)
    if len(index) != y.ndim:
        raise ValueError(sentence(_WHERE, f"output as {count(y.ndim, 'number')}", f"output={output!r}"))
    return tuple(inputs.place(i, n, "output", _WHERE) for i, n in zip(index, y.shape, strict=True))


def _step(call: tuple[Node, Any], values: Mapping[SymbolicTensor, Array], tensor: SymbolicTensor, index: Index) -> Step:
    node, cache = call
    xs = [values[t][0].astype(np.float64) for t in node.inputs]
    y = values[tensor][0]
    explain = next((f for cls, f in _EXPLAINED if isinstance(node.layer, cls)), _other)
    arithmetic = explain(Call(node.layer, xs, cache, y), index)
    return Step(node.layer.name, type(node.layer).__name__, index, float(y[index]), arithmetic)


def _contrast(
    model: Any,
    caches: Mapping[SymbolicTensor, tuple[Node, Any]],
    values: Mapping[SymbolicTensor, Array],
    chosen: Index,
    against: Any,
    names: Sequence[str],
) -> Contrast:
    """The two classes' sums, input by input: what spoke for the one, and what for the other."""
    tensor = model.outputs[0]
    while tensor in caches and isinstance(caches[tensor][0].layer, layers.Activation):
        tensor = caches[tensor][0].inputs[0]
    layer: Any = caches[tensor][0].layer if tensor in caches else None
    if not isinstance(layer, layers.Dense) or len(chosen) != 1:
        raise ValueError(sentence(_WHERE, "a network that ends in a dense layer, for against", f"{layer!r}"))
    one, other = chosen[0], inputs.place(against, len(names), "against", _WHERE)
    if one == other:
        raise ValueError(sentence(_WHERE, "against as another output than the one explained", f"{against} for both"))
    x = values[caches[tensor][0].inputs[0]][0].astype(np.float64)  # (I,)
    kernel = layer.params["kernel"].astype(np.float64)  # (I, O)
    bias = layer.params["bias"].astype(np.float64) if layer.use_bias else np.zeros(len(names))  # (O,)
    sums = float(x @ kernel[:, one] + bias[one]), float(x @ kernel[:, other] + bias[other])
    terms = x * (kernel[:, one] - kernel[:, other])  # (I,)
    return Contrast(layer, sums, kept(terms), tuple(_contrast_lines(x, kernel, bias, terms, sums, one, other, names)))


def _contrast_lines(
    x: Array,
    kernel: Array,
    bias: Array,
    terms: Array,
    sums: tuple[float, float],
    one: int,
    other: int,
    names: Sequence[str],
) -> Iterator[str]:
    order = np.argsort(-np.abs(terms), kind="stable")
    shown, rest = order[:_TERMS], order[_TERMS:]
    a, b, difference = names[one], names[other], sums[0] - sums[1]
    yield f"Why {a} and not {b}: {a} has the sum {number(sums[0])}, {b} has {number(sums[1])}."
    for i in shown:
        weights = f"({number(kernel[i, one])} - {bracketed(kernel[i, other])})"
        speaks = a if terms[i] > 0 else b if terms[i] < 0 else "neither"
        yield f"Input {i} speaks for {speaks}: {number(x[i])} × {weights} = {number(terms[i])}."
    others = f" + {bracketed(terms[rest].sum())} of the other {count(len(rest), 'input')}" if len(rest) else ""
    biases = f" + {bracketed(bias[one] - bias[other])} of the biases" if bias.any() else ""
    yield f"Difference: {total(terms[shown])}{others}{biases} = {number(difference)}."
    if np.isfinite(difference) and abs(difference) < 700:
        likelier, other_one, odds = (a, b, np.exp(difference)) if difference > 0 else (b, a, np.exp(-difference))
        times = f"{float(f'{odds:.3g}'):,.0f}" if 1000 <= odds < 1e9 else number(odds, 3)
        yield f"After softmax, {likelier} is exp({number(abs(difference))}) = {times} times as probable as {other_one}."
    yield f"Input {int(terms.argmax())} speaks most for {a}: that one is followed from there on."


# One layer each


@dataclass(frozen=True, eq=False)
class Call:
    """A call of a layer on one sample: its inputs and output without the batch axis, and what it kept."""

    layer: Any
    xs: Sequence[Array]
    cache: Any
    y: Array


def _dense(call: Call, index: Index) -> Arithmetic:
    *lead, o = index
    x, weights = call.xs[0][tuple(lead)], call.layer.params["kernel"][:, o].astype(np.float64)  # (I,), (I,)
    bias = float(call.layer.params["bias"][o]) if call.layer.use_bias else 0.0
    terms = x * weights
    order = np.argsort(-np.abs(terms), kind="stable")
    shown, rest = order[:_TERMS], order[_TERMS:]
    z = float(terms.sum()) + bias
    lines = [f"Input {i}: {number(x[i])} × {bracketed(weights[i])} = {number(terms[i])}." for i in shown]
    others = f" + {bracketed(terms[rest].sum())} of the other {count(len(rest), 'input')}" if len(rest) else ""
    plus = f" + {bracketed(bias)} as bias" if call.layer.use_bias else ""
    lines.append(f"Sum: {total(terms[shown])}{others}{plus} = {number(z)}.")
    zs = call.cache[1][0][tuple(lead)].astype(np.float64)  # (O,)
    value, bent = _activated(call.layer.activation, z, zs, o)
    return Arithmetic(value, _scale(terms, bias, value), (*lines, *bent), follow=(0, (*lead, int(order[0]))))


def _activated(activation: Activation, z: float, zs: Array, o: int) -> tuple[float, list[str]]:
    """The activation of one number, where ``zs`` are all of them along the last axis."""
    if isinstance(activation, Linear):
        return z, []
    if not isinstance(activation, Softmax):
        value = float(activation(np.array(z)))
        return value, [f"Activation: {activation.name} of {number(z)} is {number(value)}."]
    zs = np.where(np.arange(len(zs)) == o, z, zs)  # all as the network stored them, but for the one worked out here
    exponentials = np.exp(zs - zs.max())
    value = float(np.exp(z - zs.max()) / exponentials.sum())
    shown = np.sort(exponentials)[::-1][:_TERMS]
    others = f" + {number(exponentials.sum() - shown.sum())} of the others" if len(zs) > _TERMS else ""
    return value, [
        f"Softmax: the largest sum is {number(zs.max())}; exp({number(z)} - {bracketed(zs.max())}) = "
        f"{number(np.exp(z - zs.max()))}.",
        f"All exponentials together: {total(shown)}{others} = {number(exponentials.sum(), 9)}.",
        f"Probability: {number(np.exp(z - zs.max()))} / {number(exponentials.sum(), 9)} = {number(value)}.",
    ]


def _conv(call: Call, index: Index) -> Arithmetic:
    row, column, f = index
    cell = conv_cell(call.xs[0], call.layer, row, column, f)
    sums = cell.products.sum(axis=(0, 1))  # (C / groups,)
    strongest = int(np.abs(sums).argmax())
    channel = cell.whole.channels[strongest]
    name = f", channel {channel}" if len(sums) > 1 else ""
    grids = (
        Grid(f"Under the window{name}", cell.pixels[..., strongest], sign="×"),
        Grid(f"Kernel of filter {f}{name}", cell.weights[..., strongest], sign="="),
        Grid(f"Products{name}", cell.products[..., strongest]),
    )
    u, v, k = np.unravel_index(int(np.abs(cell.products).argmax()), cell.products.shape)
    (top, _), (left, _) = cell.whole.window.pads(*cell.whole.x.shape[:2])
    i, j = cell.whole.under(row, column)[int(u) * cell.whole.window.size[1] + int(v)]
    pixel = min(max(i - top, 0), cell.whole.x.shape[0] - 1), min(max(j - left, 0), cell.whole.x.shape[1] - 1)
    return Arithmetic(
        cell.value,
        _scale(cell.products, cell.bias, cell.value),
        tuple(cell.sentences()),
        grids,
        cell.where,
        (0, (*pixel, cell.whole.channels[int(k)])),
    )


def _pool(call: Call, index: Index) -> Arithmetic:
    row, column, channel = index
    trace = pooling(call.xs[0][..., channel], call.layer, limit=None)
    cells = trace.under(row, column)
    values = [trace.x[(*cell, 0)] for cell in cells]
    best = cells[int(np.abs(values).argmax())] if trace.mode == "average" else trace.winner(row, column)
    value = float(trace.y[row, column, 0])
    return Arithmetic(value, _scale(values), (trace.sentence(row, column),), follow=(0, (*best, channel)))


def _global_pool(call: Call, index: Index) -> Arithmetic:
    channel = index[-1]
    pixels = call.xs[0][..., channel]  # (H, W)
    if isinstance(call.layer, layers.GlobalAveragePooling2D):
        place = np.unravel_index(int(np.abs(pixels).argmax()), pixels.shape)
        value = float(pixels.mean())
        mean = f"{number(pixels.sum())} / {pixels.size} = {number(value)}"
        line = f"Mean of {count(pixels.size, 'pixel')} of channel {channel}: {mean}."
    else:
        largest = isinstance(call.layer, layers.GlobalMaxPooling2D)
        place = np.unravel_index(int(pixels.argmax() if largest else pixels.argmin()), pixels.shape)
        value = float(pixels[place])
        word = "Largest" if largest else "Smallest"
        line = f"{word} pixel of channel {channel}: {number(value)}, at {at(int(place[0]), int(place[1]))}."
    return Arithmetic(value, _scale(pixels), (line,), follow=(0, (int(place[0]), int(place[1]), channel)))


def _reshaped(call: Call, index: Index) -> Arithmetic:
    k = int(np.ravel_multi_index(index, call.y.shape))
    source = tuple(int(i) for i in np.unravel_index(k, call.xs[0].shape))
    value = float(call.xs[0][source])
    line = f"Number {k} in the row is the input's number at {_place(source)}: {number(value)}. Nothing is computed."
    return Arithmetic(value, abs(value), (line,), follow=(0, source))


def _batchnorm(call: Call, index: Index) -> Arithmetic:
    layer, c, x = call.layer, index[-1], float(call.xs[0][index])
    mean, variance = (float(a[c]) for a in layer.state.values())
    gamma = float(layer.params["gamma"][c]) if layer.scale else 1.0
    beta = float(layer.params["beta"][c]) if layer.center else 0.0
    root = float(np.sqrt(variance + layer.epsilon))
    x_hat = (x - mean) / root
    value = gamma * x_hat + beta
    lines = (
        f"By the moving averages of channel {c}: ({number(x)} - {bracketed(mean)}) / sqrt({number(variance)} + "
        f"{number(layer.epsilon)}) = {number(x_hat)}.",
        f"gamma × x_hat + beta: {number(gamma)} × {bracketed(x_hat)} + {bracketed(beta)} = {number(value)}.",
    )
    return Arithmetic(value, _scale([x, mean], beta) * max(1.0, abs(gamma) / root), lines, follow=(0, index))


def _rescaling(call: Call, index: Index) -> Arithmetic:
    layer, x = call.layer, float(call.xs[0][index])
    value = x * layer.scale + layer.offset
    line = f"{number(x)} × {bracketed(layer.scale)} + {bracketed(layer.offset)} = {number(value)}."
    return Arithmetic(value, _scale([x * layer.scale], layer.offset), (line,), follow=(0, index))


def _activation(call: Call, index: Index) -> Arithmetic:
    x = call.xs[0]
    value, lines = _activated(call.layer.activation, float(x[index]), x[index[:-1]], index[-1])
    return Arithmetic(value, abs(value), tuple(lines) or ("Linear: the number is handed on.",), follow=(0, index))


def _dropout(call: Call, index: Index) -> Arithmetic:
    value = float(call.xs[0][index])
    line = "In prediction nothing is dropped: the number is handed on."
    return Arithmetic(value, abs(value), (line,), follow=(0, index))


def _add(call: Call, index: Index) -> Arithmetic:
    terms = [float(x[index]) for x in call.xs]
    line = f"Sum of {count(len(terms), 'branch')}: {total(terms)} = {number(sum(terms))}."
    return Arithmetic(sum(terms), _scale(terms), (line,), follow=(int(np.abs(terms).argmax()), index))


def _concatenate(call: Call, index: Index) -> Arithmetic:
    rank = call.y.ndim + 1
    axis = call.layer.axis % rank - 1  # without the batch axis
    edges = np.cumsum([x.shape[axis] for x in call.xs])
    branch = int(np.searchsorted(edges, index[axis], side="right"))
    source = list(index)
    source[axis] -= int(edges[branch - 1]) if branch else 0
    value = float(call.xs[branch][tuple(source)])
    line = f"It is the number at {_place(tuple(source))} of branch {branch}: {number(value)}. Nothing is computed."
    return Arithmetic(value, abs(value), (line,), follow=(branch, tuple(source)))


def _zero_padding(call: Call, index: Index) -> Arithmetic:
    (top, _), (left, _) = call.layer.padding
    i, j, c = index[0] - top, index[1] - left, index[2]
    h, w, _ = call.xs[0].shape
    if not (0 <= i < h and 0 <= j < w):
        return Arithmetic(0.0, 0.0, ("It lies in the frame, which is zero: the path ends here.",))
    value = float(call.xs[0][i, j, c])
    return Arithmetic(value, abs(value), (f"It is the input's number at {_place((i, j, c))}.",), follow=(0, (i, j, c)))


def _other(call: Call, index: Index) -> Arithmetic:
    """A layer that is not known here: where it changes nothing, the path goes on."""
    value = float(call.y[index])
    if len(call.xs) == 1 and call.xs[0].shape == call.y.shape and np.array_equal(call.xs[0], call.y, equal_nan=True):
        return Arithmetic(value, abs(value), ("In prediction this layer hands every number on.",), follow=(0, index))
    line = f"How {type(call.layer).__name__} computes its numbers is not written out here: the path ends."
    return Arithmetic(value, abs(value), (line,))


#: The first class that fits says how a layer's numbers are explained.
_EXPLAINED: tuple[tuple[Any, Callable[[Call, Index], Arithmetic]], ...] = (
    (layers.Dense, _dense),
    (layers.Conv2D, _conv),
    ((layers.MaxPooling2D, layers.MinPooling2D, layers.AveragePooling2D), _pool),
    ((layers.GlobalMaxPooling2D, layers.GlobalMinPooling2D, layers.GlobalAveragePooling2D), _global_pool),
    ((layers.Flatten, layers.Reshape), _reshaped),
    (layers.BatchNormalization, _batchnorm),
    (layers.Rescaling, _rescaling),
    (layers.Activation, _activation),
    (layers.Dropout, _dropout),
    (layers.Add, _add),
    (layers.Concatenate, _concatenate),
    (layers.ZeroPadding2D, _zero_padding),
)


def _scale(terms: Any, *more: float) -> float:
    return float(np.abs(terms).sum()) + sum(map(abs, more))


def _place(index: Index) -> str:
    if len(index) == 1:
        return f"number {index[0]}"
    if len(index) == 3:
        return f"{at(index[0], index[1])}, channel {index[2]}"
    return listed(index)
