"""What an optimizer remembers, as Keras writes it to a file: one array after another, without names.

    iteration        updates done
    learning_rate    unless a schedule sets it
    slots            for each slot an array for each learned parameter; slots that belong together take turns:
                     m of the first parameter, v of the first, m of the second, v of the second, ...

In memory each slot is one vector, cut up like the vector of the parameters. Before its first update an optimizer has
no slots, and the list ends after the first two.
"""

import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.models.hdf5 import check_dataset
from tinyconv.optimizers import Optimizer

__all__ = ["State", "arrays_of", "read_state"]


class Stretch(NamedTuple):
    """Where a slot holds the numbers of one parameter."""

    slot: str
    parameter: str
    part: slice
    shape: tuple[int, ...]


def arrays_of(model: Any) -> list[tuple[str, Array]]:
    """(name, array) of all that the optimizer of a model remembers, in Keras's order.

    What belongs to other parameters than those that the model learns now is left out, with a warning.
    """
    optimizer: Optimizer = model.optimizer
    found = [("iteration", np.array(optimizer.iterations, "int64"))]
    if isinstance(optimizer.learning_rate, float):
        found.append(("learning_rate", np.array(optimizer.learning_rate, "float32")))
    if not optimizer.slots:
        return found
    stretches = list(_stretches(model))
    if not _fits(model, stretches):
        way_out = "Its momentum and the like are not saved. Call compile after changing what is trainable."
        received = "other layers, or trainable set since"
        warnings.warn(
            sentence(model.title, "the parameters its optimizer has learned", received, way_out), stacklevel=4
        )
        return found
    for stretch in stretches:
        array = optimizer.slots[stretch.slot][stretch.part].reshape(stretch.shape)
        found.append((f"{stretch.parameter}_{stretch.slot}", array))
    return found


class State(NamedTuple):
    """What a file holds of an optimizer's memory.

    Attributes:
        state: as `Optimizer.get_state` returns it.
        learning_rate: None where a schedule sets it.
    """

    state: dict[str, Any]
    learning_rate: float | None

    def restore(self, optimizer: Optimizer) -> None:
        """Let an optimizer remember it."""
        optimizer.set_state(self.state)
        rate = self.learning_rate
        if rate is not None and rate != np.float32(optimizer.learning_rate):  # which may have more digits than the file
            optimizer.learning_rate = rate


def read_state(model: Any, datasets: Sequence[Any], has_rate: bool | None = None) -> State:
    """The memory of an optimizer from the arrays of a file. Nothing is changed yet.

    Args:
        model: a compiled network.
        datasets: all that the file has, in Keras's order.
        has_rate: whether the second is the learning rate; None: unless a schedule sets it.

    Raises:
        ValueError: if it is not that of this network's optimizer.
    """
    optimizer = model.optimizer
    sets_rate = isinstance(optimizer.learning_rate, float)
    counters = 2 if (sets_rate if has_rate is None else has_rate) else 1
    stretches = list(_stretches(model))
    if len(datasets) not in (counters, counters + len(stretches)):
        expected = f"{counters} arrays, or {counters + len(stretches)} of one that has learned"
        raise ValueError(sentence(optimizer.name, expected, f"{len(datasets)}"))
    pairs = list(zip(stretches, datasets[counters:], strict=False))
    for stretch, dataset in pairs:
        check_dataset(f"{stretch.slot} of {stretch.parameter}", dataset, stretch.shape, np.dtype(model._float_type))
    state: dict[str, Any] = {"iterations": int(_number("iteration", datasets[0], "iu"))}
    rate = _number("learning_rate", datasets[1], "f") if counters == 2 and sets_rate else None
    for stretch in stretches[: len(pairs)]:
        state[stretch.slot] = np.empty(stretch.part.stop, model._float_type)  # the last one's end is the vector's
    for stretch, dataset in pairs:
        state[stretch.slot][stretch.part] = dataset[()].ravel()
    return State(state, rate)


def _number(name: str, dataset: Any, kinds: str) -> float:
    """A single number from 0, of one of NumPy's kinds of types."""
    check_dataset(name, dataset, (), getattr(dataset, "dtype", None))
    expected = "a number from 0" if kinds == "f" else "a whole number from 0"
    if dataset.dtype.kind not in kinds:
        raise ValueError(sentence(name, expected, f"one of {dataset.dtype}"))
    if not 0 <= dataset[()] < np.inf:
        raise ValueError(sentence(name, expected, f"{dataset[()]} of {dataset.dtype}"))
    return float(dataset[()])


def _stretches(model: Any) -> Iterator[Stretch]:
    """The arrays of all slots in Keras's order."""
    optimizer = model.optimizer
    names = list(optimizer.slot_starts())
    paired = [name for name in names if name in optimizer.paired]
    parameters = list(_parameters(model))
    for group in [paired, *([name] for name in names if name not in paired)]:
        for parameter, part, shape in parameters:
            yield from (Stretch(slot, parameter, part, shape) for slot in group)


def _parameters(model: Any) -> Iterator[tuple[str, slice, tuple[int, ...]]]:
    """(name, place in the vectors, shape) of each parameter that learns, as the engine lays them out."""
    start = 0
    for layer in model.sublayers():
        for key, shape in layer.weight_shapes(layer.input_spec).items() if layer.trainable else ():
            stop = start + math.prod(shape)
            yield f"{layer.name}/{key}", slice(start, stop), shape
            start = stop


def _fits(model: Any, stretches: Sequence[Stretch]) -> bool:
    """Whether the slots are cut up as the model's parameters are now."""
    optimizer, memory = model.optimizer, model._learner and model._learner.memory
    size = max((stretch.part.stop for stretch in stretches), default=0)
    if memory is None:
        return all(slot.size == size for slot in optimizer.slots.values())
    laid_out = [(name, part) for name, part in memory.segments if part.stop <= memory.trainable.stop]
    return laid_out == [(name, part) for name, part, _ in _parameters(model)]
