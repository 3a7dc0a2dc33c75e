"""Weights in an HDF5 file as Keras 3 lays them out, in a ``.keras`` file and as ``.weights.h5``.

    layers/<class>/vars/0, 1, ...   the arrays of each layer, learned parameters first; a second layer of the same class
                                    is <class>_1, and a model inside has layers of its own
    optimizer/vars/0, 1, ...        what the optimizer remembers (see `optimizer_state.py`)

Names of layers are not part of a path, so that the weights also fit a network whose layers are called otherwise.
"""

import warnings
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.layers import Layer
from tinyconv.models.hdf5 import check_dataset, has, inside, text
from tinyconv.models.optimizer_state import State, arrays_of, read_state
from tinyconv.registry import snake_case

__all__ = ["Place", "check_group", "check_weights", "places_of", "put_weights", "read_optimizer", "stored_layers"]


class Place(NamedTuple):
    """An array of a layer, which need not exist yet."""

    layer: Layer
    key: str
    shape: tuple[int, ...]

    @property
    def learns(self) -> bool:
        """Whether an optimizer changes it."""
        return self.layer.trainable and self.key in self.layer.weight_shapes(self.layer.input_spec)

    @property
    def array(self) -> Array:
        """The array itself, of a layer that is built."""
        return (self.layer.params if self.key in self.layer.params else self.layer.state)[self.key]


def places_of(layer: Layer) -> list[Place]:
    """Every array of a layer, learned parameters first; from shapes alone."""
    spec = layer.input_spec
    shapes = layer.weight_shapes(spec) | layer.state_shapes(spec)
    return [Place(layer, key, tuple(shape)) for key, shape in shapes.items()]


def stored_layers(model: Any, path: str = "") -> Iterator[tuple[str, Layer]]:
    """(group in the HDF5 file, layer) for each layer of a model, models inside and their layers included."""
    used: dict[str, int] = {}
    for layer in model.layers:
        is_model = hasattr(layer, "layers")
        name = (
            ("sequential" if hasattr(layer, "add") else "functional") if is_model else snake_case(type(layer).__name__)
        )
        used[name] = used.get(name, -1) + 1
        group = f"{path}layers/{name}_{used[name]}" if used[name] else f"{path}layers/{name}"
        yield group, layer
        if is_model:
            yield from stored_layers(layer, f"{group}/")


def put_weights(h5: Any, model: Any, include_optimizer: bool = True) -> None:
    """Write the arrays of a network and, if it is compiled, what its optimizer remembers."""
    _put(h5, model.name, [])
    for group, layer in stored_layers(model):
        _put(h5.require_group(group), layer.name, [] if hasattr(layer, "layers") else layer.weights)
    if include_optimizer and model.optimizer is not None:
        _put(h5.create_group("optimizer"), model.optimizer.name, [array for _, array in arrays_of(model)])


def _put(group: Any, name: str, arrays: Sequence[Array]) -> None:
    store = group.create_group("vars")
    store.attrs["name"] = name
    for i, array in enumerate(arrays):
        store.create_dataset(str(i), data=array)


def check_weights(h5: Any, model: Any, by_place: bool = False, skip: bool = False) -> list[tuple[Place, Any]]:
    """(array, dataset) for each array of a network, checked but not read.

    Args:
        h5: the file.
        model: the network; it need not be built.
        by_place: whether the names that the file gives the layers may be others.
        skip: whether to leave out layers that do not fit, with a warning.

    Raises:
        ValueError: naming the layer, if something is missing or does not fit.
    """
    pairs = []
    for group, layer in stored_layers(model):
        if not hasattr(layer, "layers") and places_of(layer):
            pairs += check_group(layer, skip, partial(_of_layer, h5, group, layer, by_place))
    return pairs


def check_group(layer: Layer, skip: bool, check: Callable[[], list[tuple[Place, Any]]]) -> list[tuple[Place, Any]]:
    """What a check of one layer finds; if it fails and may be skipped, nothing and a warning."""
    try:
        return check()
    except (ValueError, LookupError) as error:
        if not skip:
            raise
        warnings.warn(f"{layer.title} keeps its weights: {error}", stacklevel=2)
        return []


def _of_layer(h5: Any, group: str, layer: Layer, by_place: bool) -> list[tuple[Place, Any]]:
    places, store = places_of(layer), inside(h5, f"{group}/vars")
    if len(store) != len(places):
        raise ValueError(sentence(layer.title, f"{len(places)} arrays at {group}", f"{len(store)}"))
    name = text(store, "name") if "name" in store.attrs else layer.name
    if name != layer.name and not by_place:
        raise ValueError(sentence(layer.title, f"its arrays at {group}", f"those of {name!r}"))
    pairs = [(place, inside(store, str(i))) for i, place in enumerate(places)]
    for i, (place, dataset) in enumerate(pairs):
        check_dataset(f"{group}/vars/{i}", dataset, place.shape, np.dtype(layer.dtype))
    return pairs


def read_optimizer(h5: Any, model: Any) -> State | None:
    """What the file holds of the memory of a compiled network's optimizer; None where it holds nothing.

    Raises:
        ValueError: if it does not fit.
    """
    if not has(h5, "optimizer"):
        return None
    store = inside(h5, "optimizer/vars")
    return read_state(model, [inside(store, str(i)) for i in range(len(store))]) if len(store) else None
