"""The older format: a whole network in one HDF5 file, ``model.h5``, as Keras 2 wrote it and Keras 3 still does.

    /                   attributes model_config and training_config: JSON
    model_weights/      attribute layer_names; for each of these layers a group with attribute weight_names, the paths
                        of its arrays, trainable ones first. A model inside is one layer.
    optimizer_weights/  attribute weight_names: what the optimizer remembers

A file with weights alone has at its top what is in model_weights. The JSON is that of `serialization.py` without the
places of classes. Keras 2 used other words in it, which are turned into today's before it is read.
Source: `keras/src/legacy/saving/legacy_h5_format.py`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from tinyconv import metrics
from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.layers import Layer
from tinyconv.models.hdf5 import check_dataset, has, inside, put_texts, text, texts
from tinyconv.models.optimizer_state import State, arrays_of, read_state
from tinyconv.models.serialization import refuse_arguments
from tinyconv.models.weights import Place, check_group, places_of

__all__ = [
    "check_legacy_weights",
    "holds_legacy_weights",
    "put_legacy",
    "read_legacy_optimizer",
    "read_model_config",
    "read_training_config",
]

Entry = dict[str, Any]

#: What Keras 2 wrote of layers, and of what `compile` was told, that Keras 3 has no use for.
_OF_LAYERS, _OF_SETTINGS = {"batch_input_shape", "rng_type"}, {"fn", "is_legacy_optimizer", "jit_compile"}
#: Layers inside which Keras 2 counted the calls from 1.
_MODELS = {"Functional", "Model", "Sequential"}
#: Our names of the slots that optimizers of Keras before 2.11 listed one after the other.
_SLOTS = {"m": "momentum", "v": "velocity", "vhat": "velocity_hat", "rms": "velocity", "mg": "average_gradient"}


# Writing


def put_legacy(h5: Any, model: Any, entry: Entry, include_optimizer: bool, version: str) -> None:
    """Write a network whose description is ``entry``."""
    h5.attrs["keras_version"], h5.attrs["backend"] = version, "tinyconv"
    h5.attrs["model_config"] = json.dumps(_without_places(entry))
    settings = entry.get("compile_config")
    if settings:
        others = {key: settings.get(key) for key in ("loss", "loss_weights", "metrics", "weighted_metrics")}
        h5.attrs["training_config"] = json.dumps(others | {"optimizer_config": settings["optimizer"]})
    _put_weights(h5.create_group("model_weights"), model, version)
    if settings and include_optimizer:
        name = model.optimizer.name
        _put_arrays(h5.create_group("optimizer_weights"), [(f"{name}/{key}", a) for key, a in _flat_names(model)])


def _without_places(entry: Entry) -> Entry:
    config = entry["config"]
    if "layers" in config:
        config = config | {"layers": [_without_places(layer) for layer in config["layers"]]}
    kept = {key: entry[key] for key in ("class_name", "name", "inbound_nodes") if key in entry}
    return kept | {"class_name": entry["registered_name"] or entry["class_name"], "config": config}


def _put_weights(group: Any, model: Any, version: str) -> None:
    group.attrs["keras_version"], group.attrs["backend"] = version, "tinyconv"
    put_texts(group, "layer_names", [layer.name for layer in model.layers])
    for layer in model.layers:
        named = [(f"{path}/{place.key}", place.array) for path, place in _ordered(layer)]
        _put_arrays(group.create_group(layer.name), named)
    _put_arrays(group.create_group("top_level_model_weights"), [])


def _put_arrays(group: Any, named: Sequence[tuple[str, Array]]) -> None:
    put_texts(group, "weight_names", [name for name, _ in named])
    for name, array in named:
        group.create_dataset(name, data=array)


def _flat_names(model: Any) -> list[tuple[str, Array]]:
    return [(name.replace("/", "_"), array) for name, array in arrays_of(model)]


def _ordered(layer: Layer) -> list[tuple[str, Place]]:
    """(path, array) of all arrays of a layer or model, those that learn before the others."""
    return sorted(_inner(layer, layer.name), key=lambda found: not found[1].learns)


def _inner(layer: Any, path: str) -> Iterator[tuple[str, Place]]:
    if not hasattr(layer, "layers"):
        yield from ((path, place) for place in places_of(layer))
        return
    for inner in layer.layers:
        yield from _inner(inner, f"{path}/{inner.name}")


# Reading


def read_model_config(h5: Any) -> Entry:
    """The description of the network, in today's words.

    Raises:
        ValueError: if there is none.
    """
    if "model_config" not in h5.attrs and holds_legacy_weights(h5):
        way_out = "Make the network and call its load_weights."
        raise ValueError(sentence("model_config", "a whole network", "weights alone", way_out))
    entry = json.loads(text(h5, "model_config"))
    if not isinstance(entry, dict):
        raise ValueError(f"model_config: {type(entry).__name__}, not an object")
    return _modern(entry)


def read_training_config(h5: Any) -> Entry:
    """What `compile` was told, as a ``.keras`` file has it; empty where there is nothing."""
    if "training_config" not in h5.attrs:
        return {}
    entry = json.loads(text(h5, "training_config"))
    settings = {key: _modern_setting(value) for key, value in entry.items() if key != "optimizer_config"}
    settings["metrics"] = _without_gaps(settings.get("metrics"))
    return settings | {"optimizer": _modern_setting(entry["optimizer_config"])}


def holds_legacy_weights(h5: Any) -> bool:
    """Whether weights are laid out as in this format."""
    return "layer_names" in h5.attrs or "layer_names0" in h5.attrs or has(h5, "model_weights")


def check_legacy_weights(h5: Any, model: Any, by_name: bool = False, skip: bool = False) -> list[tuple[Place, Any]]:
    """(array, dataset) for each array of a network, checked but not read.

    Args:
        h5: the file.
        model: the network; it need not be built.
        by_name: whether layers are found by their names, and those without a namesake left out; by their order if not.
        skip: whether to leave out layers that do not fit, with a warning.

    Raises:
        ValueError: naming the layer, if something is missing or does not fit.
    """
    group = inside(h5, "model_weights") if has(h5, "model_weights") else h5
    stored = {name: texts(inside(group, name), "weight_names") for name in texts(group, "layer_names")}
    names = [name for name, paths in stored.items() if paths]
    holders = [layer for layer in model.layers if _ordered(layer)]
    if by_name:
        matches = [(layer, layer.name) for layer in holders if layer.name in names]
    elif len(names) == len(holders):
        matches = list(zip(holders, names, strict=True))
    else:
        received = f"{len(names)}: {', '.join(names)}"
        raise ValueError(sentence(model.title, f"{len(holders)} layers with weights", received))
    pairs = []
    for layer, name in matches:
        pairs += check_group(layer, skip, partial(_of_layer, layer, inside(group, name), stored[name]))
    return pairs


def _of_layer(layer: Layer, store: Any, paths: Sequence[str]) -> list[tuple[Place, Any]]:
    places = [place for _, place in _ordered(layer)]
    if len(paths) != len(places):
        raise ValueError(sentence(layer.title, f"{len(places)} arrays", f"{len(paths)}: {', '.join(paths)}"))
    pairs = [(place, inside(store, path)) for place, path in zip(places, paths, strict=True)]
    for (place, dataset), path in zip(pairs, paths, strict=True):
        check_dataset(f"{layer.title}: {path}", dataset, place.shape, np.dtype(place.layer.dtype))
    return pairs


def read_legacy_optimizer(h5: Any, model: Any) -> State | None:
    """What the file holds of the memory of a compiled network's optimizer; None where it holds nothing.

    Raises:
        ValueError: if it does not fit.
    """
    if not has(h5, "optimizer_weights"):
        return None
    group = inside(h5, "optimizer_weights")
    found = {name.removesuffix(":0"): inside(group, name) for name in texts(group, "weight_names")}
    if not found:
        return None
    names = _in_turns(list(found), model.optimizer)
    has_rate = len(names) > 1 and names[1].endswith("learning_rate")
    return read_state(model, [found[name] for name in names], has_rate)


def _in_turns(names: list[str], optimizer: Any) -> list[str]:
    """The names in today's order: before Keras 2.11, each slot had all its arrays ("Adam/dense/kernel/m") together."""
    if not names[0].endswith("/iter"):
        return names
    slots: dict[str, list[str]] = {}
    for name in names[1:]:
        word = name.rpartition("/")[2]
        slots.setdefault(_SLOTS.get(word, word), []).append(name)
    paired = [slots.pop(slot) for slot in optimizer.paired if slot in slots]
    rest = [slots[slot] for slot in optimizer.slot_starts() if slot in slots]
    return [names[0], *(name for turn in zip(*paired, strict=True) for name in turn), *(n for s in rest for n in s)]


# Today's words


def _modern(entry: Mapping[str, Any]) -> Entry:
    """A layer or model of Keras 2, with all inside it, as Keras 3 describes it."""
    name = str(entry["class_name"]).rpartition(">")[2]  # "package>Class", where it was registered
    config = entry["config"]
    if isinstance(config, list):  # a line of layers before Keras 2.1
        config = {"name": "sequential", "layers": config}
    shape = config.get("batch_input_shape")
    config = {key: value for key, value in config.items() if key not in _OF_LAYERS}
    if name == "InputLayer" and shape is not None:
        config["batch_shape"] = shape
    if name == "LeakyReLU" and "alpha" in config:
        config["negative_slope"] = config.pop("alpha")
    if name == "DepthwiseConv2D":
        config.pop("groups", None)  # as many as there are channels, in any case
    if name == "BatchNormalization" and isinstance(config.get("axis"), list) and len(config["axis"]) == 1:
        config["axis"] = config["axis"][0]
    if "input_layers" in config:
        config |= _modern_graph(config)
    elif config.get("layers"):
        config["layers"] = _modern_line(config["layers"])
    return {**entry, "class_name": name, "config": config}


def _modern_line(entries: Sequence[Mapping[str, Any]]) -> list[Entry]:
    """The layers of a line; the shape that Keras 2 wrote at the first one is an input layer's today."""
    first = entries[0]["config"]
    shape = first.get("batch_input_shape") if isinstance(first, Mapping) else None
    layers = [_modern(entry) for entry in entries]
    if shape is not None and entries[0]["class_name"] != "InputLayer":
        layers.insert(0, {"class_name": "InputLayer", "config": {"batch_shape": shape, "name": "input"}})
    return layers


def _modern_graph(config: Entry) -> Entry:
    entries = [_modern(entry) for entry in config["layers"]]
    inside_names = {entry["name"] for entry in entries if entry["class_name"] in _MODELS}
    lines = {entry["name"] for entry in entries if entry["class_name"] == "Sequential"}
    is_old = any(isinstance(node, list) for entry in entries for node in entry["inbound_nodes"])
    for entry in entries if is_old else ():
        entry["inbound_nodes"] = [_modern_node(entry["name"], node, inside_names) for node in entry["inbound_nodes"]]
    ends = {key: _ends(config[key], lines if is_old else set()) for key in ("input_layers", "output_layers")}
    return {"layers": entries, **ends}


def _modern_node(layer: str, node: Sequence[Sequence[Any]], counted_from_1: set[str]) -> Entry:
    """A call of a layer: a list of (layer, call, output, further arguments), where Keras 2 heeded training=True."""
    tensors = [
        {"class_name": "__keras_tensor__", "config": {"keras_history": [name, call - (name in counted_from_1), index]}}
        for name, call, index, *_ in node
    ]
    for _, _, _, *rest in node:
        refuse_arguments(layer, *rest or [{}])
    return {"args": tensors, "kwargs": {}}


def _ends(places: Any, lines: set[str]) -> Any:
    """Inputs or outputs of a graph. Keras 2 counted the calls of a line inside it from 1, Keras 3 from 0."""
    if not isinstance(places[0], str):
        return [_ends(place, lines) for place in places]
    name, call, index = places
    return [name, call - (name in lines), index]


def _modern_setting(value: Any) -> Any:
    """An optimizer, loss or metric of Keras 2, or lists or dictionaries of them."""
    if isinstance(value, list):
        return [_modern_setting(part) for part in value]
    if not isinstance(value, Mapping):
        return value
    if "class_name" not in value:
        return {key: _modern_setting(part) for key, part in value.items()}
    config = value["config"]
    if value["class_name"] == "MeanMetricWrapper":
        return config["name"] if _is_metric(config["name"]) else config["fn"]
    if isinstance(config, Mapping):
        config = {k: v for k, v in config.items() if k not in _OF_SETTINGS and (k, v) != ("reduction", "auto")}
    return {**value, "class_name": str(value["class_name"]).rpartition(">")[2], "config": config}


def _is_metric(name: str) -> bool:
    try:
        metrics.get(name)
    except ValueError:
        return False
    return True


def _without_gaps(value: Any) -> Any:
    """Metrics by output, without the None that Keras 2 put for an output that has none."""
    if not isinstance(value, list) or not any(isinstance(part, list) for part in value):
        return value
    outputs = [[one for one in part if one is not None] if isinstance(part, list) else part for part in value]
    return outputs[0] if len(outputs) == 1 else outputs
