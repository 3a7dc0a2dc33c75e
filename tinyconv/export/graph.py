"""An ONNX graph while it is written: its nodes, its constants, and in which order each tensor's axes are.

tinyconv keeps the channels on the last axis, ONNX's image operations want them on the second:

    LAST    (N, H, W, C)        as tinyconv has it: inputs, outputs, and what is flattened
    FIRST   (N, C, H, W)        as Conv, MaxPool, ... take and give it

A tensor stays in the order in which it was computed. Where it is wanted in the other, a Transpose follows, once for
all who want it; so between two convolutions there is none. With fewer than three axes the two orders are the same.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tinyconv._types import Array, Shape

__all__ = ["FIRST", "LAST", "Graph", "Node", "Value", "axes"]

LAST, FIRST = "channels_last", "channels_first"


def axes(rank: int, order: str) -> list[int]:
    """tinyconv's axes in the sequence in which an order has them.

    >>> axes(4, FIRST), axes(4, LAST)
    ([0, 3, 1, 2], [0, 1, 2, 3])
    """
    return [0, rank - 1, *range(1, rank - 1)] if order == FIRST and rank > 1 else list(range(rank))


@dataclass
class Value:
    """What flows along one edge of the network.

    Attributes:
        shape: as tinyconv has it, the batch axis first and None.
        order: LAST or FIRST, as it was computed.
        tensors: the name in the graph of each order that it was wanted in.
    """

    shape: Shape
    order: str
    tensors: dict[str, str]


@dataclass
class Node:
    """One operation, with one output."""

    operation: str
    inputs: list[str]
    name: str
    output: str
    attributes: dict[str, Any]


@dataclass
class Graph:
    """What has been written so far.

    Attributes:
        dtype: float type of every number.
        nodes: the operations, each after those it depends on.
        constants: arrays by name: weights, and numbers that operations take as inputs.
    """

    dtype: np.dtype[Any]
    nodes: list[Node] = field(default_factory=list)
    constants: dict[str, Array] = field(default_factory=dict)
    _taken: set[str] = field(default_factory=set)

    def unique(self, name: str) -> str:
        """The name, with a number behind it if there is another of that name."""
        found, count = name, 1
        while found in self._taken:
            count += 1
            found = f"{name}_{count}"
        self._taken.add(found)
        return found

    def node(self, operation: str, inputs: Sequence[str], path: str, **attributes: Any) -> str:
        """Add an operation of the layer at a path; returns its output's name."""
        name = self.unique(f"{path}/{operation}")
        self.nodes.append(Node(operation, list(inputs), name, name, attributes))
        return name

    def constant(self, name: str, array: Any, dtype: Any = None) -> str:
        """Add an array in the graph's float type or another; returns its name."""
        name = self.unique(name)
        self.constants[name] = np.asarray(array, dtype or self.dtype)
        return name

    def tensor(self, value: Value, order: str) -> str:
        """Name of a value's tensor in an order, after a Transpose where it is not there yet."""
        if len(value.shape) < 3:
            return value.tensors[value.order]
        if order not in value.tensors:
            have = axes(len(value.shape), value.order)
            turn = [have.index(axis) for axis in axes(len(value.shape), order)]
            made = value.tensors[value.order]
            value.tensors[order] = self.node("Transpose", [made], made.rpartition("/")[0] or made, perm=turn)
        return value.tensors[order]

    def rename(self, old: str, new: str) -> None:
        """Give the output of a node another name, wherever it is used."""
        for node in self.nodes:
            node.output = new if node.output == old else node.output
            node.inputs = [new if name == old else name for name in node.inputs]
