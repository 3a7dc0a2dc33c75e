"""The plan of a network: what runs, in an order in which each step finds its inputs ready.

`forward` walks the steps and keeps what each returns for `backward`, which walks them in reverse: the chain rule. Where
a tensor feeds two steps, its two gradients are added.

On the mathematics, a step is one call of one layer. The machine looks for runs of layers that it has a block for, by
the table `PATTERNS`, and runs each of them as one step; every other layer runs as it is, by its own `forward` and
`backward`. So a layer never needs a block, and no layer knows of one.
"""

import copy
import re
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from tinyconv import activations, config
from tinyconv._types import Array
from tinyconv.engine.threads import Queue, team
from tinyconv.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Layer,
    MaxPooling2D,
    MinPooling2D,
    RandomFlip,
    RandomRotation,
    RandomTranslation,
    RandomZoom,
    ReLU,
    Rescaling,
)
from tinyconv.layers.graph import Node, SymbolicTensor
from tinyconv.optimizers.base import Optimizer, Segments

if TYPE_CHECKING:
    from tinyconv.engine.blocks.base import Block

Cache = list[Any]

#: From runs of operations to the blocks that run them: the first that fits. A letter is an operation of `_letter`, "?"
#: marks what may be missing. S rescaling, C convolution, A ReLU, D dropout, N batch normalisation, P max or min
#: pooling by two, Q other pooling, F dense, W warping at random; "." is what only the layer itself can run.
PATTERNS = (
    (r"S?C(?=A?D?N)", "convolution"),  # the normalisation takes what follows
    (r"S?CA?[PQ]?", "convolution"),
    (r"A?D?NA?P?", "normalization"),
    (r"[PQ]", "pooling"),
    (r"FA?", "dense"),
    (r"D", "dropout"),
    (r"W", "warp"),
)


@dataclass(frozen=True)
class Step:
    """What runs at once.

    Attributes:
        layers: the layers it stands for.
        runs: the layer, or the block in place of several.
        inputs, outputs: the tensors it reads and writes.
        cut: whether the layer's activation is left out.
        learns: whether a parameter lies at or before this step, so that its gradient is of use.
        feeds_back: whether a parameter lies before this step, so that the gradient by its input is of use.
        last_use_of: the tensors that no later step reads.
    """

    layers: tuple[Layer, ...]
    runs: "Layer | Block"
    inputs: tuple[SymbolicTensor, ...]
    outputs: tuple[SymbolicTensor, ...]
    cut: bool = False
    learns: bool = False
    feeds_back: bool = False
    last_use_of: tuple[SymbolicTensor, ...] = ()

    def forward(self, x: list[Array], training: bool) -> tuple[list[Array], Any]:
        """Inputs -> (outputs, what `backward` needs)."""
        arrays: Any = x if self.layers[0].takes_list else x[0]
        y, cache = self._runner.forward(arrays, training)
        return (y if isinstance(y, list) else [y]), cache

    def backward(self, dy: list[Array | None], cache: Any, to_input: bool) -> list[Array | None]:
        """Gradients by the outputs -> gradients by the inputs."""
        arrays: Any = dy if len(dy) > 1 else dy[0]
        if isinstance(self.runs, Layer):
            dx = self._runner.backward(arrays, cache)
        else:
            dx = self.runs.backward(arrays, cache, to_input)
        return dx if isinstance(dx, list) else [dx]

    def clear_gradients(self) -> None:
        """Set the layers' gradients to 0."""
        for layer in self.layers:
            for inner in layer.sublayers():
                for gradient in inner.grads.values():
                    gradient.fill(0)

    @property
    def writes_gradients(self) -> bool:
        """Whether backward writes the gradients whole, where others add to what is there."""
        return not isinstance(self.runs, Layer) and not self.runs.adds

    @property
    def _runner(self) -> "Layer | Block":
        """What runs, or a twin with the same parameters and no activation."""
        if not self.cut:
            return self.runs
        twin: Any = copy.copy(self.runs)  # each time anew, for a layer gets other arrays when it moves
        twin.activation = activations.linear
        return twin


class Plan:
    """How one network runs.

    Args:
        nodes: the calls, each after those it depends on.
        inputs, outputs: the tensors that are fed in and wanted.
        without_activation: outputs to deliver before their activation, for a loss that works on logits.
        fused: whether blocks run what they can.

    Attributes:
        steps: what runs, in order.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        inputs: Iterable[SymbolicTensor],
        outputs: Iterable[SymbolicTensor],
        without_activation: Iterable[SymbolicTensor] = (),
        fused: bool = False,
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        self._lock = threading.RLock()
        calls = [Call(node.layer, tuple(node.inputs), tuple(node.outputs)) for node in nodes if node.inputs]
        cut = set(without_activation)
        if fused:
            renamed: dict[SymbolicTensor, SymbolicTensor] = {}
            calls = list(opened(calls, renamed))
            self.outputs = [renamed.get(tensor, tensor) for tensor in self.outputs]
            steps = _fuse([part for call in calls for part in _operations(call, cut)], self.outputs)
        else:
            steps = [Step((m,), m, x, y, cut=bool(cut & {*y})) for m, x, y in calls]
        self.steps = self._completed(steps)
        self._queue = Queue(team(config.threads()))
        for block in self._blocks:
            block.queue = self._queue
        self._is_prepared = False

    def _completed(self, steps: list[Step]) -> list[Step]:
        """The steps, each told what comes before and after it."""
        last = {tensor: i for i, step in enumerate(steps) for tensor in step.inputs}
        learned: set[SymbolicTensor] = set()
        found = []
        for i, step in enumerate(steps):
            feeds_back = bool(learned & {*step.inputs})
            learns = feeds_back or any(m.weight_shapes(m.input_spec) for n in step.layers for m in n.sublayers())
            learned |= {*step.outputs} if learns else set()
            done = tuple(t for t in dict.fromkeys(step.inputs) if last[t] == i and t not in self.outputs)
            found.append(replace(step, learns=learns, feeds_back=feeds_back, last_use_of=done))
        return found

    @config.silent_floats()
    def forward(self, x: list[Array], training: bool = False, keep: bool = True) -> tuple[list[Array], Cache]:
        """Inputs -> (outputs, what `backward` needs); ``keep=False`` drops what only `backward` needs.

        Outputs may lie in buffers that the next call overwrites.
        """
        self._prepare()
        dtype = self.float_type()
        values = {tensor: np.asarray(array, dtype) for tensor, array in zip(self.inputs, x, strict=True)}
        caches: Cache = []
        self._queue.clear()
        for step in self.steps:
            if isinstance(step.runs, Layer):
                self._queue.settle()
            y, cache = step.forward([values[tensor] for tensor in step.inputs], training)
            values.update(zip(step.outputs, y, strict=True))
            caches.append(cache if keep else None)
            for tensor in step.last_use_of:
                del values[tensor]
        self._queue.settle()
        return [values[tensor] for tensor in self.outputs], caches

    def _add(self, gradients: dict[SymbolicTensor, Array], tensor: SymbolicTensor, gradient: Array | None) -> None:
        """Add to a tensor's gradient."""
        if gradient is not None and tensor in gradients:
            self._queue.settle()
            gradient = gradients[tensor] + gradient
        if gradient is not None:
            gradients[tensor] = gradient

    @contextmanager
    def running(self) -> Iterator[None]:
        """To be held from `forward` until its results are used, for blocks write into their buffers."""
        with self._lock, config.limited_threads():
            yield

    def predict(self, x: list[Array], training: bool = False) -> list[Array]:
        """Inputs -> outputs that nothing overwrites. Several threads may ask at once; they take turns."""
        with self.running():
            outputs = self.forward(x, training, keep=False)[0]
            return [y.copy() for y in outputs] if self._blocks else outputs

    def float_type(self) -> np.dtype[Any]:
        """The parameters' float type, or that of the first layer where there are none; inputs are converted to it."""
        layers = [layer for step in self.steps for outer in step.layers for layer in outer.sublayers()]
        params = (array for layer in layers for array in layer.params.values())
        return next((array.dtype for array in params), np.dtype(layers[0].dtype if layers else "float32"))

    def clear_gradients(self) -> None:
        """Set gradients to 0 before `backward` adds to them; not those that it writes whole."""
        for step in self.steps:
            if not step.writes_gradients:
                step.clear_gradients()

    @config.silent_floats()
    def backward(self, dy: Sequence[Array | None], caches: Cache, to_inputs: bool = False) -> list[Array | None]:
        """Gradients by the outputs -> gradients by the inputs, adding to those of the parameters.

        Steps before the first parameter are left out, and their inputs get None, unless ``to_inputs`` is set.
        """
        gradients: dict[SymbolicTensor, Array] = {}
        self._queue.clear()
        for tensor, gradient in zip(self.outputs, dy, strict=True):
            self._add(gradients, tensor, gradient)
        for step, cache in zip(reversed(self.steps), reversed(caches), strict=True):
            if not (step.learns or to_inputs):
                continue
            if not any(tensor in gradients for tensor in step.outputs):
                if step.writes_gradients:
                    step.clear_gradients()
                continue
            if isinstance(step.runs, Layer):
                self._queue.settle()
            arrays = [gradients.pop(tensor, None) for tensor in step.outputs]
            dx = step.backward(arrays, cache, step.feeds_back or to_inputs)
            for tensor, gradient in zip(step.inputs, dx, strict=True):
                self._add(gradients, tensor, gradient)
        self._queue.settle()
        return [gradients.get(tensor) for tensor in self.inputs]

    def update(self, optimizer: Optimizer, values: Array, grads: Array, segments: Segments) -> None:
        """One step of the optimizer on flat vectors, in one pass where there is a kernel for it."""
        if not self._blocks:
            optimizer.step(values, grads, segments)
            return
        from tinyconv.engine import compiler, updates  # which import Numba

        compiler.prepare(updates.kernels_for(optimizer))
        updates.update(optimizer, values, grads, segments, self._queue.team)

    @property
    def _blocks(self) -> "list[Block]":
        return [step.runs for step in self.steps if not isinstance(step.runs, Layer)]

    def _prepare(self) -> None:
        """Compile what the blocks need, once; where that takes long, a progress line says so."""
        if self._blocks and not self._is_prepared:
            from tinyconv.engine import compiler  # which imports Numba

            compiler.prepare(kernel for block in self._blocks for kernel in block.kernels)
        self._is_prepared = True


class Plans:
    """The plan of a network for the engine that `config` names: made when first asked for, and anew if that changes.

    Args:
        nodes, inputs, outputs, without_activation: as `Plan` takes them.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        inputs: Iterable[SymbolicTensor],
        outputs: Iterable[SymbolicTensor],
        without_activation: Iterable[SymbolicTensor] = (),
    ) -> None:
        self._nodes = list(nodes)
        self._tensors = list(inputs), list(outputs), list(without_activation)
        self._made: tuple[Any, Plan] | None = None
        self._lock = threading.Lock()

    @property
    def current(self) -> Plan:
        """The plan to run now."""
        layers = (layer for node in self._nodes for layer in node.layer.sublayers())
        settings = (config.engine_name(), config.threads(), config.winograd(), [layer.dtype for layer in layers])
        with self._lock:
            if self._made is None or self._made[0] != settings:
                config.tell_once_without_numba()
                self._made = settings, Plan(self._nodes, *self._tensors, fused=settings[0] == "numba")
            return self._made[1]


# From layers to operations


class Call(NamedTuple):
    """One call of one layer on tensors."""

    layer: Layer
    inputs: tuple[SymbolicTensor, ...]
    outputs: tuple[SymbolicTensor, ...]


@dataclass(frozen=True, eq=False)
class Operation:
    """A part of a layer's call that a block may take.

    Attributes:
        letter: its kind, as in `PATTERNS`.
        layer: runs it where no block takes it.
        inputs, outputs: the tensors between.
        cut: whether the layer's activation is left out.
    """

    letter: str
    layer: Layer
    inputs: tuple[SymbolicTensor, ...]
    outputs: tuple[SymbolicTensor, ...]
    cut: bool = False


def opened(calls: Iterable[Call], renamed: dict[SymbolicTensor, SymbolicTensor]) -> Iterator[Call]:
    """The calls, with those inside a model in place of the model; ``renamed`` says what became of its outputs."""
    for layer, outer_inputs, outputs in calls:
        inputs = tuple(renamed.get(tensor, tensor) for tensor in outer_inputs)
        if not hasattr(layer, "nodes"):
            yield Call(layer, inputs, outputs)
            continue
        inside = dict(zip(layer.inputs, inputs, strict=True))  # type: ignore[attr-defined]
        inner = []
        for node in layer.nodes:
            if node.inputs:  # fresh tensors, for the model may be called twice
                fresh = tuple(SymbolicTensor(tensor.shape, node, tensor.index) for tensor in node.outputs)
                inner.append(Call(node.layer, tuple(inside[tensor] for tensor in node.inputs), fresh))
                inside.update(zip(node.outputs, fresh, strict=True))
        deeper: dict[SymbolicTensor, SymbolicTensor] = {}
        yield from opened(inner, deeper)
        results = (inside[tensor] for tensor in layer.outputs)  # type: ignore[attr-defined]
        renamed.update((outer, deeper.get(tensor, tensor)) for outer, tensor in zip(outputs, results, strict=True))


def _operations(call: Call, cut: set[SymbolicTensor]) -> Iterator[Operation]:
    """A layer's call as operations: a convolution with ReLU is two."""
    layer, letter = call.layer, _letter(call)
    activation = getattr(layer, "activation", activations.linear)
    is_cut = bool(cut & {*call.outputs})
    if letter not in ("C", "F") or is_cut or activation == activations.linear:
        yield Operation(letter, layer, call.inputs, call.outputs, is_cut)
        return
    between = (SymbolicTensor(call.outputs[0].shape, call.outputs[0].node),)
    yield Operation(letter, layer, call.inputs, between)
    apart = Activation(activation, name=layer.name, dtype=layer.dtype)
    yield Operation("A" if activation == activations.relu else ".", apart, between, call.outputs)


#: Letters of layers by their class; a class of a user's own is not among them, even where it is derived from one.
_LETTERS = {
    Rescaling: "S", Conv2D: "C", DepthwiseConv2D: "C", Activation: "A", ReLU: "A", Dropout: "D",
    BatchNormalization: "N", MaxPooling2D: "P", MinPooling2D: "P", AveragePooling2D: "Q", Dense: "F",
    RandomFlip: "W", RandomRotation: "W", RandomTranslation: "W", RandomZoom: "W",
}  # fmt: skip


def _letter(call: Call) -> str:
    """The kind of a layer, "." if no block can run it: an unknown size, another float type, a rare setting."""
    layer: Any = call.layer
    letter, shape = _LETTERS.get(type(layer), "."), call.inputs[0].shape
    if layer.dtype != "float32" or None in shape[1:] or 0 in shape[1:]:
        return "."
    if letter == "A" and layer.activation != activations.relu:
        return "."
    if letter == "D" and layer.noise_shape is not None:
        return "."
    if letter in "PQ" and np.prod(layer.pool_size) > 254:  # a winner's place is one byte
        return "."
    if letter == "P" and not layer.pool_size == layer.strides == (2, 2):
        return "Q"
    return letter


# From operations to steps


def _fuse(operations: list[Operation], outputs: list[SymbolicTensor]) -> list[Step]:
    """One step for each block that the table finds, and one for each operation that is left."""
    from tinyconv.engine.blocks.build import make  # which imports Numba

    readers: dict[SymbolicTensor, list[Operation]] = {}
    for operation in operations:
        for tensor in operation.inputs:
            readers.setdefault(tensor, []).append(operation)
    calls = Counter(operation.layer for operation in operations)
    places = {operation: i for i, operation in enumerate(operations)}
    taken: set[Operation] = set()
    bare_maps: set[SymbolicTensor] = set()  # of convolutions, which do not need them again, with one reader each
    steps = []
    for operation in operations:
        if operation in taken:
            continue
        chain = _chain(operation, readers, set(outputs))
        letters = "".join(one.letter for one in chain)
        found = ((name, re.match(pattern, letters)) for pattern, name in PATTERNS)
        name, length = next(((name, match.end()) for name, match in found if match), ("", 1))
        run = chain[:length]
        taken |= {*run}
        layers = tuple(dict.fromkeys(one.layer for one in run))
        shape: Any = operation.inputs[0].shape[1:]
        runs: Any = make(name, letters[:length], [one.layer for one in run], shape) if name else operation.layer
        if name:
            runs.adds = any(calls[layer] > 1 for layer in layers)
        if name == "normalization" and operation.inputs[0] in bare_maps:
            runs.overwrite_input()
        if name == "convolution" and run[-1].letter == "C" and len(chain) > length:
            bare_maps.add(run[-1].outputs[0])
        # Random numbers are drawn in the order of the layers, so a step with a dropout stands where that stood.
        place = next((places[one] for one in run if one.letter == "D"), places[run[-1]])
        steps.append((place, Step(layers, runs, operation.inputs, run[-1].outputs, operation.cut and not name)))
    return [step for _, step in sorted(steps, key=lambda pair: pair[0])]


def _chain(
    first: Operation, readers: dict[SymbolicTensor, list[Operation]], wanted: set[SymbolicTensor]
) -> list[Operation]:
    """An operation and those after it, as long as each is the only one that looks at what the last one gives."""
    chain = [first]
    while True:
        tensor = chain[-1].outputs[0]
        after = readers.get(tensor, [])
        if tensor in wanted or len(after) != 1 or len(after[0].inputs) != 1 or len(chain[-1].outputs) != 1:
            return chain
        chain.append(after[0])
