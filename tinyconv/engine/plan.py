"""The plan of a network: its layers in an order in which each finds its inputs ready.

`forward` calls each layer in turn and keeps what it returns for `backward`, which walks the same steps in reverse: the
chain rule. Where a tensor feeds two layers, its two gradients are added. The plan knows no layer by name.
"""

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tinyconv import activations
from tinyconv._types import Array
from tinyconv.layers import Layer
from tinyconv.layers.graph import Node, SymbolicTensor

Cache = list[Any]


@dataclass(frozen=True)
class Step:
    """One call of one layer.

    Attributes:
        layer: the layer.
        inputs, outputs: the tensors it reads and writes.
        cut: whether its activation is left out.
        learns: whether a parameter lies at or before this step, so that its gradient is of use.
        last_use_of: the tensors that no later step reads.
    """

    layer: Layer
    inputs: tuple[SymbolicTensor, ...]
    outputs: tuple[SymbolicTensor, ...]
    cut: bool
    learns: bool
    last_use_of: tuple[SymbolicTensor, ...]

    @property
    def runs(self) -> Layer:
        """What runs: the layer, or a twin with the same parameters and no activation."""
        if not self.cut:
            return self.layer
        twin = copy.copy(self.layer)
        twin.activation = activations.linear  # type: ignore[attr-defined]
        return twin


class Plan:
    """How one network runs.

    Args:
        nodes: the calls, each after those it depends on.
        inputs, outputs: the tensors that are fed in and wanted.
        without_activation: outputs to deliver before their activation, for a loss that works on logits.
    """

    def __init__(
        self,
        nodes: Iterable[Node],
        inputs: Iterable[SymbolicTensor],
        outputs: Iterable[SymbolicTensor],
        without_activation: Iterable[SymbolicTensor] = (),
    ) -> None:
        self.inputs, self.outputs = list(inputs), list(outputs)
        cut = set(without_activation)
        calls = [node for node in nodes if node.inputs]
        last = {tensor: i for i, node in enumerate(calls) for tensor in node.inputs}
        learned: set[SymbolicTensor] = set()
        self.steps: list[Step] = []
        for i, node in enumerate(calls):
            learns = any(m.weight_shapes(m.input_spec) for m in node.layer.sublayers()) or learned & {*node.inputs}
            learned |= {*node.outputs} if learns else set()
            done = tuple(t for t in dict.fromkeys(node.inputs) if last[t] == i and t not in self.outputs)
            is_cut = bool(cut & {*node.outputs})
            self.steps.append(Step(node.layer, tuple(node.inputs), tuple(node.outputs), is_cut, bool(learns), done))

    def forward(self, x: list[Array], training: bool = False, keep: bool = True) -> tuple[list[Array], Cache]:
        """Inputs -> (outputs, what `backward` needs); ``keep=False`` drops what only `backward` needs."""
        dtype = self.float_type()
        values = {tensor: np.asarray(array, dtype) for tensor, array in zip(self.inputs, x, strict=True)}
        caches: Cache = []
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # NaN and infinity show in the result
            for step in self.steps:
                arrays = [values[tensor] for tensor in step.inputs]
                y, cache = step.runs.forward(arrays if step.layer.takes_list else arrays[0], training)
                values.update(zip(step.outputs, y if isinstance(y, list) else [y], strict=True))
                caches.append(cache if keep else None)
                for tensor in step.last_use_of:
                    del values[tensor]
        return [values[tensor] for tensor in self.outputs], caches

    def float_type(self) -> np.dtype[Any]:
        """The parameters' float type, or that of the first layer where there are none; inputs are converted to it."""
        layers = [layer for step in self.steps for layer in step.layer.sublayers()]
        params = (array for layer in layers for array in layer.params.values())
        return next((array.dtype for array in params), np.dtype(layers[0].dtype if layers else "float32"))

    def backward(self, dy: Sequence[Array | None], caches: Cache, to_inputs: bool = False) -> list[Array | None]:
        """Gradients by the outputs -> gradients by the inputs, adding to those of the parameters.

        Steps before the first parameter are left out, and their inputs get None, unless ``to_inputs`` is set.
        """
        gradients: dict[SymbolicTensor, Array] = {}
        for tensor, gradient in zip(self.outputs, dy, strict=True):
            _add(gradients, tensor, gradient)
        with np.errstate(over="ignore", invalid="ignore", divide="ignore"):
            for step, cache in zip(reversed(self.steps), reversed(caches), strict=True):
                if not (step.learns or to_inputs) or not any(tensor in gradients for tensor in step.outputs):
                    continue
                arrays = [gradients.pop(tensor, None) for tensor in step.outputs]
                dx = step.runs.backward(arrays if len(arrays) > 1 else arrays[0], cache)
                for tensor, gradient in zip(step.inputs, dx if isinstance(dx, list) else [dx], strict=True):
                    _add(gradients, tensor, gradient)
        return [gradients.get(tensor) for tensor in self.inputs]


def _add(gradients: dict[SymbolicTensor, Array], tensor: SymbolicTensor, gradient: Array | None) -> None:
    if gradient is not None:
        gradients[tensor] = gradients[tensor] + gradient if tensor in gradients else gradient
