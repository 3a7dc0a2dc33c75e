"""Networks as JSON and back, in Keras 3's own wording, so that each program can read the other's files.

Everything that a constructor makes is written down as its class and the constructor's arguments:

    {"module": "keras.layers", "class_name": "Dense", "config": {"units": 10, ...}, "registered_name": null}

A line of layers is a list of these. A graph names for each layer the calls it takes part in: every input of a call is
a tensor, told by the layer it comes from, which call of that layer, and which of its outputs. Reading makes objects of
a fixed list of classes only, and of those the caller names. Source: `keras/src/saving/serialization_lib.py`.
"""

import inspect
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import ModuleType
from typing import Any

from tinyconv import initializers, layers, losses, metrics, optimizers, regularizers
from tinyconv.checks import did_you_mean, sentence
from tinyconv.layers import InputLayer, Layer
from tinyconv.layers.graph import Node, SymbolicTensor
from tinyconv.models.model import Model
from tinyconv.models.sequential import Sequential
from tinyconv.optimizers import schedules
from tinyconv.registry import Configurable, get_custom_objects, registered_name

__all__ = ["Reader", "describe_compiled", "describe_model", "describe_settings", "refuse_arguments"]

Entry = dict[str, Any]

#: Calls of layers in a model that is read, those in the models inside counted each time.
MOST_CALLS = 20_000

#: Where the classes of each kind are, and what Keras calls the place.
_MODULES: dict[str, tuple[ModuleType, str]] = {
    "layer": (layers, "keras.layers"),
    "initializer": (initializers, "keras.initializers"),
    "regularizer": (regularizers, "keras.regularizers"),
    "optimizer": (optimizers, "keras.optimizers"),
    "schedule": (schedules, "keras.optimizers.schedules"),
    "loss": (losses, "keras.losses"),
    "metric": (metrics, "keras.metrics"),
}
_CLASSES: dict[str, dict[str, type]] = {
    kind: {name: vars(module)[name] for name in module.__all__ if isinstance(vars(module)[name], type)}
    for kind, (module, _) in _MODULES.items()
}
_CLASSES["layer"] |= {"Functional": Model, "Model": Model, "Sequential": Sequential}
del _CLASSES["layer"]["Layer"]

#: Classes and arguments that Keras does not have. At these values the arguments need not be written.
_OURS = {"MinPooling2D", "GlobalMinPooling2D"}
_OUR_ARGUMENTS: dict[str, Entry] = {
    "BatchNormalization": {"unbiased_moving_variance": False},
    "SpatialDropout2D": {"trainable": True},
}
#: Arguments that only Keras has, and the values at which they change nothing; so does every one that is None or False.
_KERAS_ARGUMENTS = {
    "dtype": "float32",
    "reduction": "sum_over_batch_size",
    "renorm_momentum": 0.99,
}


# Writing


def describe_model(model: Any) -> Entry:
    """A model as plain values that JSON can hold."""
    own = type(model) in (Model, Sequential)
    if isinstance(model, Sequential):
        place, name, config = "keras", "Sequential", _describe_line(model)
    else:
        place, name, config = "keras.src.models.functional", "Functional", _describe_graph(model)
    config = {"name": model.name, "trainable": model.trainable, **config}
    if not own:
        place, name = type(model).__module__, type(model).__name__
    registered = registered_name(name) if not own else None if name == "Sequential" else name
    return {"module": place, "class_name": name, "config": config, "registered_name": registered}


def describe_compiled(model: Any) -> Entry:
    """The model, with what `compile` was told."""
    entry = describe_model(model)
    if model.optimizer is not None:
        settings = {"optimizer": model.optimizer, **(model._settings or {})}
        entry["compile_config"] = {key: describe_settings(value) for key, value in settings.items()}
    return entry


def describe_settings(value: Any) -> Any:
    """A setting of `compile` as plain values: strings and numbers, objects, and lists or dictionaries of them."""
    if isinstance(value, Configurable):
        return _describe(value, value.get_config())
    if isinstance(value, type):
        return describe_settings(value())
    if isinstance(value, Mapping):
        return {key: describe_settings(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [describe_settings(part) for part in value]
    return value


def _describe(thing: Any, config: Mapping[str, Any]) -> Entry:
    """Class and arguments of an object."""
    name = type(thing).__name__
    kind = next((kind for kind, classes in _CLASSES.items() if classes.get(name) is type(thing)), None)
    place = type(thing).__module__ if kind is None else "tinyconv.layers" if name in _OURS else _MODULES[kind][1]
    config = {key: _plain(key, value) for key, value in config.items()}
    registered = registered_name(name) if kind is None or name in _OURS else None
    return {"module": place, "class_name": name, "config": config, "registered_name": registered}


def _plain(key: str, value: Any) -> Any:
    """A setting with its own settings; initializers and the like say where their class is."""
    if isinstance(value, Configurable):
        return _describe(value, value.get_config())
    kind = _kind_of(key)
    if kind is None or not isinstance(value, Mapping) or "class_name" not in value:
        return value
    name = value["class_name"]
    registered = None if name in _CLASSES[kind] else registered_name(name)
    return {"module": _MODULES[kind][1], **value, "registered_name": registered}


def _describe_layer(layer: Layer) -> Entry:
    if isinstance(layer, Model):
        return describe_model(layer)
    try:
        entry = _describe(layer, layer.get_config())
    except AttributeError as error:
        expected = "an attribute for each argument of its constructor, or a get_config of its own"
        raise ValueError(sentence(layer.title, expected, str(error))) from error
    harmless = _OUR_ARGUMENTS.get(entry["class_name"], {})
    entry["config"] = {k: v for k, v in entry["config"].items() if k not in harmless or v != harmless[k]}
    if isinstance(layer, InputLayer):
        entry["config"] = {"batch_shape": [None, *layer.shape], "dtype": layer.dtype, "name": layer.name}
    elif layer.weight_shapes(layer.input_spec):
        entry["build_config"] = {"input_shape": layer.input_spec}
    return entry


def _describe_line(model: Any) -> Entry:
    entrance = model.inputs[0].node.layer
    entries = [_describe_layer(layer) for layer in (entrance, *model.layers)]
    return {"layers": entries, "build_input_shape": model.inputs[0].shape}


def _describe_graph(model: Any) -> Entry:
    calls: dict[Layer, list[Node]] = {}
    for node in model.nodes:
        calls.setdefault(node.layer, []).append(node)
    entries = []
    for layer in model.layers:
        nodes = [_describe_call(node, calls) for node in calls[layer] if node.inputs]
        entries.append({**_describe_layer(layer), "name": layer.name, "inbound_nodes": nodes})
    ends = {"input_layers": model.input, "output_layers": model.output}
    return {"layers": entries, **{key: _places(tensors, calls) for key, tensors in ends.items()}}


def _describe_call(node: Node, calls: Mapping[Layer, list[Node]]) -> Entry:
    tensors = [
        {
            "class_name": "__keras_tensor__",
            "config": {"shape": t.shape, "dtype": t.node.layer.dtype, "keras_history": _place(t, calls)},
        }
        for t in node.inputs
    ]
    return {"args": [tensors] if node.layer.takes_list else tensors, "kwargs": {}}


def _place(tensor: SymbolicTensor, calls: Mapping[Layer, list[Node]]) -> list[Any]:
    layer = tensor.node.layer
    return [layer.name, calls[layer].index(tensor.node), tensor.index]


def _places(tensors: Any, calls: Mapping[Layer, list[Node]]) -> list[Any]:
    if isinstance(tensors, list):
        return [_places(tensor, calls) for tensor in tensors]
    name, call, index = _place(tensors, calls)
    return [name, call + _offset(tensors.node.layer), index]


def _offset(layer: Layer) -> int:
    # At the ends of a graph, Keras counts the calls of a graph inside it from 1.
    return int(isinstance(layer, Model) and not isinstance(layer, Sequential))


# Reading


class Reader:
    """Makes objects of what `describe_model` and `describe_settings` wrote.

    Args:
        custom_objects: classes by name, beside tinyconv's own and those that are registered.
    """

    def __init__(self, custom_objects: Mapping[str, type] | None = None) -> None:
        given = get_custom_objects() | dict(custom_objects or {})
        self.custom = {
            name.rpartition(">")[2]: cls for name, cls in given.items()
        } | given  # "package>Class" or "Class"
        self.calls: dict[Layer, int] = {}  # of layers, each time that a model read so far runs

    def read(self, kind: str, entry: Any) -> Any:
        """The object of an entry; names and None stay what they are.

        Raises:
            ValueError: for an unknown class, or settings that it does not take.
        """
        if not isinstance(entry, Mapping):
            return entry
        if kind in ("loss", "metric") and entry.get("class_name") == "function":
            return entry["config"]  # the name of one of Keras's functions
        cls, config = self._class(kind, entry), entry.get("config") or {}
        if kind == "layer" and issubclass(cls, Sequential):
            return self._line(cls, config)
        if kind == "layer" and issubclass(cls, Model):
            return self._graph(cls, config)
        known = cls in _CLASSES[kind].values()
        settings = {key: self._setting(key, value) for key, value in config.items()}
        if issubclass(cls, InputLayer):
            settings["shape"] = _shape(settings.pop("batch_shape", settings.get("shape")))
        with _named(kind, cls, config):
            thing = cls.from_config(_accepted(cls, settings) if known else settings)  # type: ignore[attr-defined]
        if kind == "layer" and not isinstance(thing, Layer):
            raise ValueError(sentence(cls.__name__, "a subclass of tinyconv.layers.Layer", repr(thing)))
        return thing

    def read_settings(self, kind: str, value: Any) -> Any:
        """What `describe_settings` wrote of a loss, metric or optimizer, or of lists or dictionaries of them."""
        if isinstance(value, Mapping) and "class_name" in value:
            return self.read(kind, value)
        if isinstance(value, Mapping):
            return {key: self.read_settings(kind, part) for key, part in value.items()}
        return [self.read_settings(kind, part) for part in value] if isinstance(value, list) else value

    def _class(self, kind: str, entry: Mapping[str, Any]) -> type:
        name = str(entry.get("class_name"))
        for own in (entry.get("registered_name"), name):
            if own in self.custom:
                return self.custom[own]
        if name not in _CLASSES[kind]:
            raise ValueError(_unknown_class(kind, name, entry.get("config")))
        return _CLASSES[kind][name]

    def _setting(self, key: str, value: Any) -> Any:
        kind = _kind_of(key)
        if key == "dtype" and isinstance(value, Mapping):  # a dtype policy of Keras
            return value["config"]["name"]
        if isinstance(value, Mapping) and value.get("class_name") == "function":
            return value["config"]
        if kind is not None and isinstance(value, Mapping) and "class_name" in value:
            return self.read(kind, value)
        return tuple(value) if isinstance(value, list) and key == "noise_shape" else value

    def _line(self, cls: type, config: Mapping[str, Any]) -> Any:
        line = [self.read("layer", entry) for entry in config["layers"]]
        calls = self._count_calls(config, [(layer, 1) for layer in line])
        model = cls(line, name=config["name"], trainable=config.get("trainable", True))
        if not model._connected and config.get("build_input_shape"):
            model.build(config["build_input_shape"])
        self.calls[model] = calls
        return model

    def _graph(self, cls: type, config: Mapping[str, Any]) -> Any:
        entries = config["layers"]
        made = {entry["name"]: self.read("layer", entry) for entry in entries}
        waiting = [(made[entry["name"]], list(entry["inbound_nodes"])) for entry in entries]
        calls = self._count_calls(config, [(layer, len(nodes)) for layer, nodes in waiting])
        while any(nodes for _, nodes in waiting):
            done = sum(_call_while_possible(layer, nodes, made) for layer, nodes in waiting)
            if not done:
                stuck = [layer.name for layer, nodes in waiting if nodes]
                raise ValueError(sentence(config["name"], "a graph without loops", f"no input for {stuck}"))
        ends = [_tensors_at(config[key], made) for key in ("input_layers", "output_layers")]
        model = cls(*ends, name=config["name"], trainable=config.get("trainable", True))
        self.calls[model] = calls
        return model

    def _count_calls(self, config: Mapping[str, Any], layers: Sequence[tuple[Layer, int]]) -> int:
        """How many layers run when a model of these does, each called so often.

        A model that calls another twice, which calls another twice, and so on, would run for years.
        """
        calls = sum(times * self.calls.get(layer, 1) for layer, times in layers)
        if calls > MOST_CALLS:
            raise ValueError(sentence(str(config["name"]), f"at most {MOST_CALLS:,} calls of layers", f"{calls:,}"))
        return calls


def _unknown_class(kind: str, name: str, config: Any) -> str:
    """The message on a class that is neither ours nor the caller's."""
    own = config.get("name") if isinstance(config, Mapping) else None
    received = "an unknown one" + (f", named {own!r}" if own else "")
    if name.endswith("Lambda"):
        way_out = "It holds code, which is never run. Write the layer as a class and pass custom_objects."
    else:
        hint = f"If it is a class of your own, pass custom_objects={{{name!r}: {name}}}."
        way_out = f"{did_you_mean(name, _CLASSES[kind])} {hint}".strip()
    return sentence(f"{kind} {name!r}", "a class that tinyconv has", received, way_out)


@contextmanager
def _named(kind: str, cls: type, config: Mapping[str, Any]) -> Iterator[None]:
    """Errors on the settings of a layer say which layer it is."""
    try:
        yield
    except (TypeError, ValueError) as error:
        name = config.get("name")
        if kind != "layer" or f"{cls.__name__} {name!r}" in str(error):
            raise
        raise ValueError(f"{cls.__name__} {name!r}: {error}") from error


def _call_while_possible(layer: Layer, nodes: list[Entry], made: Mapping[str, Layer]) -> int:
    """Call a layer as its nodes say, in order, as long as their inputs exist; returns the number of calls."""
    count = 0
    while nodes:
        arguments = [_arguments(part, made) for part in nodes[0]["args"]]
        if not arguments or any(part is None for part in arguments):
            break
        options = nodes[0].get("kwargs", {})  # Keras 3 writes down training, but whoever runs the network decides
        refuse_arguments(layer.title, {key: value for key, value in options.items() if key != "training"})
        layer(arguments[0] if len(arguments) == 1 else arguments)
        del nodes[0]
        count += 1
    return count


def refuse_arguments(title: str, arguments: Mapping[str, Any]) -> None:
    """ValueError for what a layer is called with besides tensors, unless it is switched off."""
    if any(value not in (None, False) for value in arguments.values()):
        raise ValueError(sentence(title, "calls on tensors alone", f"arguments {dict(arguments)}"))


def _arguments(part: Any, made: Mapping[str, Layer]) -> Any:
    """The tensor, or list of tensors, that an argument stands for; None while one of them does not exist."""
    if isinstance(part, list):
        tensors = [_arguments(one, made) for one in part]
        return None if any(tensor is None for tensor in tensors) else tensors
    name, call, index = part["config"]["keras_history"]
    calls = made[name].calls
    return calls[call].outputs[index] if 0 <= call < len(calls) else None


def _tensors_at(places: Sequence[Any], made: Mapping[str, Layer]) -> Any:
    if not isinstance(places[0], str):
        return [_tensors_at(place, made) for place in places]
    name, call, index = places
    return made[name].calls[call - _offset(made[name])].outputs[index]


def _kind_of(key: str) -> str | None:
    """What kind of object a setting of this name holds."""
    if key == "learning_rate":
        return "schedule"
    return next((kind for kind in ("initializer", "regularizer") if key.endswith(f"_{kind}")), None)


def _accepted(cls: type, settings: Entry) -> Entry:
    """The settings without those that only Keras has and that are switched off; "ema_..." only go with use_ema."""
    settings = {k: v for k, v in settings.items() if not k.startswith("ema_")}
    parents = [base for base in cls.__mro__ if "__init__" in vars(base)]
    known = {name for base in parents for name in inspect.signature(vars(base)["__init__"]).parameters}
    return {k: v for k, v in settings.items() if k in known or v not in (None, False, _KERAS_ARGUMENTS.get(k))}


def _shape(batch_shape: Sequence[int | None]) -> tuple[int | None, ...]:
    return tuple(batch_shape[1:])
