"""What a look into the network shows: what reaches its first weights, units that are silent, gradients, NaN.

Layers are computed as they are written, one after the other, on a few samples. Batch normalisation is computed as in
training and its moving averages put back; all else as in prediction, so that no random number is drawn.
"""

import math
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import numpy as np

from tinyconv import activations
from tinyconv._types import Array
from tinyconv.doctor.names import (
    BatchOfOneWarning,
    DeadReluWarning,
    Finding,
    MovingStatisticsWarning,
    NotFiniteWarning,
)
from tinyconv.engine.plan import Call, opened
from tinyconv.layers import BatchNormalization, Layer

#: Samples that are computed at once.
AT_ONCE = 8
#: This fraction of a layer's units is silent for every sample.
SILENT = 0.95
#: The first value of a moving average counts for more than this. Then averages so far from the batch are a fault:
#: means by this many standard deviations, variances by this factor.
UNDECAYED, FAR_MEAN, FAR_VARIANCE = 0.1, 1.0, 4.0


def calls_of(model: Any) -> list[Call]:
    """Every call of a layer in order; of those inside models inside, too."""
    return [
        *opened((Call(node.layer, tuple(node.inputs), tuple(node.outputs)) for node in model.nodes if node.inputs), {})
    ]


def walk(model: Any, x: Iterable[Array]) -> Iterator[tuple[Layer, list[Array], Array]]:
    """(layer, its inputs, its output) for each call of a layer, in order."""
    calls = calls_of(model)
    last = {tensor: i for i, call in enumerate(calls) for tensor in call.inputs}
    values = _fed(model, x)
    for i, call in enumerate(calls):
        inputs = [values[tensor] for tensor in call.inputs]
        y = _output(call.layer, inputs)
        yield call.layer, inputs, y
        values[call.outputs[0]] = y
        for tensor in call.inputs:
            if last[tensor] == i:
                values.pop(tensor, None)


def _fed(model: Any, x: Iterable[Array]) -> dict[Any, Array]:
    dtype = next((layer.dtype for layer in model.sublayers()), "float32")
    return {tensor: np.asarray(array, dtype) for tensor, array in zip(model.inputs, x, strict=True)}


def _output(layer: Layer, inputs: list[Array]) -> Array:
    kept = {name: array.copy() for name, array in layer.state.items()}
    try:
        arrays: Any = inputs if layer.takes_list else inputs[0]
        y: Array = layer.forward(arrays, isinstance(layer, BatchNormalization))[0]
        return y
    finally:
        for name, array in kept.items():
            layer.state[name][...] = array


def entering(model: Any, x: Iterable[Array]) -> Iterator[tuple[Layer, Array]]:
    """(layer, what enters it) for the first layers with a kernel, unless batch normalisation makes up for its size."""
    calls, values = calls_of(model), _fed(model, x)
    for call in calls:
        if any(tensor not in values for tensor in call.inputs):
            continue
        if not call.layer.count_params():
            values[call.outputs[0]] = _output(call.layer, [values[tensor] for tensor in call.inputs])
        elif _kernels(call.layer) and not _is_normalized(calls, call):
            yield call.layer, values[call.inputs[0]]


def _kernels(layer: Layer) -> list[str]:
    return [name for name in layer.weight_shapes(layer.input_spec) if name.endswith("kernel")]


def _is_normalized(calls: list[Call], first: Call) -> bool:
    """Whether batch normalisation follows, before other parameters and behind nothing that bends but ReLU."""
    if getattr(first.layer, "activation", activations.linear) not in (activations.linear, activations.relu):
        return False
    reached = {*first.outputs}
    for call in calls:
        if reached & {*call.inputs}:
            if isinstance(call.layer, BatchNormalization):
                return True
            if call.layer.count_params():
                return False
            reached |= {*call.outputs}
    return False


def is_untrained(model: Any) -> bool:
    """Whether the network has not learned anything yet: all numbers of each bias are equal, as they began."""
    if model.optimizer.iterations:
        return False
    biases = [layer.params["bias"] for layer in model.sublayers() if "bias" in layer.params]
    return all(bias.min() == bias.max() if bias.size > 1 else not bias.any() for bias in biases)


# Gradients


class Strength(NamedTuple):
    """How long the gradient of a layer's kernel is, and the kernel itself.

    Attributes:
        layer: the layer.
        gradient, weights: lengths: roots of sums of squares.
        typical: the root of the mean square of the gradient.
    """

    layer: Layer
    gradient: float
    weights: float
    typical: float


def strengths(model: Any) -> list[Strength]:
    """Of each kernel that learns and is not 0, in order."""
    found = []
    for layer in model.sublayers():
        for name in _kernels(layer) if layer.trainable and layer.params else ():
            kernel, gradient = _length(layer.params[name]), _length(layer.grads[name])
            if kernel:
                found.append(Strength(layer, gradient, kernel, gradient / math.sqrt(layer.grads[name].size)))
    return found


def _length(a: Array) -> float:
    return math.sqrt(float(np.vdot(a, a)))


# Silent units


def seems_silent(model: Any) -> bool:
    """Whether the gradients of nearly all units of some layer are 0: to be seen in training without computing anything.

    That of a unit's bias is 0 where nothing of its output counts.
    """
    return any(
        np.count_nonzero(gradient == 0) >= SILENT * gradient.size
        for layer in model.sublayers()
        if layer.trainable
        for gradient in _by_unit(layer)
    )


def _by_unit(layer: Layer) -> Iterator[Array]:
    """Something of each unit's gradient, (units,)."""
    name = next((name for name in ("bias", "beta") if name in layer.grads), None)
    if name is not None:
        yield layer.grads[name]
    else:
        yield from (np.any(gradient, axis=tuple(range(gradient.ndim - 1))) for gradient in layer.grads.values())


def dead_relu(model: Any, sample: list[Array]) -> Finding | None:
    """The first ReLU of which nearly all units are 0 for all samples, at every place of an image."""
    alive: dict[Layer, Array] = {}
    size = len(sample[0])
    for start in range(0, size, AT_ONCE):
        for layer, _, y in walk(model, [x[start : start + AT_ONCE] for x in sample]):
            if _is_relu(layer):
                now = np.any(y > 0, axis=tuple(range(y.ndim - 1)))
                alive[layer] = alive[layer] | now if layer in alive else now
        if all(np.count_nonzero(~units) < SILENT * units.size for units in alive.values()):
            return None  # whatever the other samples show
    for layer, units in alive.items():
        dead = int(np.count_nonzero(~units))
        if dead == units.size or (dead >= SILENT * units.size and size >= 2 * AT_ONCE):
            received = f"0 from {dead} of {units.size} units for each of {size} samples, so that they learn no more"
            way_out = "Begin anew with a lower learning rate, or with LeakyReLU, and look at the scale of the inputs."
            return Finding(DeadReluWarning, layer.title, "ReLU units that answer to some samples", received, way_out)
    return None


def _is_relu(layer: Layer) -> bool:
    activation = getattr(layer, "activation", None)
    bent = isinstance(activation, activations.ClippedRelu) and not activation.negative_slope
    return bent or activation == activations.relu


# NaN and infinity


def not_finite(model: Any, batch: Any, loss: float, place: str) -> Finding:
    """Where a loss that is not finite comes from, before the batch changes any weights.

    Args:
        model: with the weights that the loss was computed with.
        batch: the samples.
        loss: the loss.
        place: epoch and batch, in words.
    """
    received, way_out = f"loss={loss} in {place}", "Lower the learning rate, scale the inputs, or clip: clipnorm=1.0."

    def found(where: str, expected: str, but: str) -> Finding:
        return Finding(NotFiniteWarning, where, expected, f"{received}: {but}", way_out)

    for layer in model.sublayers():
        for name, array in (*layer.params.items(), *layer.state.items()):
            if not np.isfinite(array).all():
                value = array[~np.isfinite(array)].flat[0]
                but = f"{name} holds {value} since before this step: a gradient or an update was not finite"
                return found(layer.title, "finite weights", but)
    for start in range(0, batch.size, AT_ONCE):
        for layer, inputs, y in walk(model, [x[start : start + AT_ONCE] for x in batch.x]):
            if not np.isfinite(y).all():
                largest = max(float(np.abs(x).max()) for x in inputs)
                but = f"{y[~np.isfinite(y)].flat[0]} comes out first here, where inputs go to {largest:.3g}"
                return found(layer.title, "a finite output", but)
    if not all(w is None or np.isfinite(w).all() for w in batch.weights):
        return found("fit", "finite sample_weight and class_weight", "weights of samples are not finite")
    but = "every layer's output is finite when computed again, so that the loss or a regularizer is too large"
    return found("fit", "a finite loss", but)


# Batch normalisation


def normalizations(model: Any) -> list[BatchNormalization]:
    """The batch normalisations that learn."""
    return [layer for layer in model.sublayers() if isinstance(layer, BatchNormalization) and layer.trainable]


def batch_of_one(model: Any, every: bool, received: str) -> Finding | None:
    """Batches of one sample before a batch normalisation that learns.

    Args:
        model: the network.
        every: whether every batch is like that; if only the last one is, it does harm to vectors: no variance.
        received: the batches, in words.
    """
    layers = [layer for layer in normalizations(model) if every or len(layer.input_spec) == 2]
    if not layers:
        return None
    way_out = "Raise batch_size; without room for that, leave the normalisation out."
    if not every:
        way_out = "Choose another batch_size, or leave out a sample."
    return Finding(BatchOfOneWarning, layers[0].title, "batches of several samples, to normalise by", received, way_out)


def has_begun(layer: BatchNormalization) -> bool:
    """Whether its moving averages have moved."""
    return bool(layer.state["moving_mean"].any() or (layer.state["moving_variance"] != 1).any())


def moving_statistics(model: Any, layers: list[BatchNormalization], steps: int, sample: list[Array]) -> Finding | None:
    """Moving averages that are still far from the batches, after so many steps.

    Args:
        model: the network.
        layers: those whose averages began with this training.
        steps: of the training.
        sample: inputs.
    """
    slow = [layer for layer in layers if layer.momentum**steps > UNDECAYED]
    for layer, [x], _ in ((m, x, y) for m, x, y in walk(model, sample) if m in slow) if slow else ():
        axes = tuple(range(x.ndim - 1))
        mean, variance = x.mean(axis=axes, dtype=np.float64), x.var(axis=axes, dtype=np.float64) + layer.epsilon
        factor = (layer.state["moving_variance"] + layer.epsilon) / variance
        off = float(np.median(np.abs(layer.state["moving_mean"] - mean) / np.sqrt(variance)))
        wide = float(np.median(np.maximum(factor, 1 / factor)))
        if off > FAR_MEAN or wide > FAR_VARIANCE:
            received = (
                f"averages off by a factor of {wide:.1f} in variance and {off:.1f} standard deviations in mean, for"
            )
            received += f" after {steps} steps {layer.momentum**steps:.0%} of their first values are left"
            way_out = "Train for more steps, in smaller batches, or set BatchNormalization(momentum=0.9)."
            expected = "moving averages near those of the batches, for prediction"
            return Finding(MovingStatisticsWarning, layer.title, expected, received, way_out)
    return None
