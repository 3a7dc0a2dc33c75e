"""A network as a graph: which layer was called on what.

`Input` makes a symbolic tensor: a shape without numbers. Calling a layer on it records a `Node` and returns the
symbolic output. A node is one *call* of a layer, not the layer itself, because one layer may be called twice.
"""

from typing import TYPE_CHECKING, Any

from tinyconv._types import Shape

if TYPE_CHECKING:
    from tinyconv.layers.base import Layer


class SymbolicTensor:
    """What will flow along one edge of the network: a shape, and the node it comes from.

    Attributes:
        shape: batch axis first, where it is None.
        node: the call that produces it.
    """

    def __init__(self, shape: Shape, node: "Node", index: int = 0) -> None:
        self.shape = tuple(shape)
        self.node = node
        self.index = index

    def __repr__(self) -> str:
        return f"<SymbolicTensor shape={self.shape} from {self.node.layer.name!r}>"


class Node:
    """One call of one layer.

    Attributes:
        layer: the layer that is called.
        inputs: the symbolic tensors it is called on; none for an input layer.
        outputs: the symbolic tensors it returns; more than one only where the layer is a model with several outputs.
    """

    def __init__(self, layer: "Layer", inputs: list[SymbolicTensor], output_shape: Any) -> None:
        self.layer = layer
        self.inputs = inputs
        several = isinstance(output_shape, list)
        shapes = output_shape if several else [output_shape]
        self.outputs = [SymbolicTensor(shape, self, i) for i, shape in enumerate(shapes)]
        self.output = self.outputs if several else self.outputs[0]


def topological_order(outputs: list[SymbolicTensor]) -> list[Node]:
    """Every node that the outputs depend on, each after the nodes it depends on.

    Nodes are sorted by their longest way to an output, and by when they are met walking back from it: Keras's order.
    """
    met: dict[Node, None] = {}
    done: dict[Node, None] = {}
    waiting = [(tensor.node, False) for tensor in reversed(outputs)]
    while waiting:
        node, inputs_done = waiting.pop()
        if inputs_done:
            done[node] = None
        elif node not in met:
            met[node] = None
            waiting.append((node, True))
            waiting.extend((tensor.node, False) for tensor in reversed(node.inputs))
    depth = dict.fromkeys(met, 0)
    for node in reversed(done):  # consumers before producers
        for tensor in node.inputs:
            depth[tensor.node] = max(depth[tensor.node], depth[node] + 1)
    return sorted(met, key=lambda node: -depth[node])
