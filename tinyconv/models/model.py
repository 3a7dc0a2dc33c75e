"""A network of layers, which is itself a layer.

`Model` is described by symbolic tensors: what goes in and what comes out. It finds the calls between them, runs them
through a plan, and learns with what `Trainer` adds: `compile`, `fit`, `evaluate`, `predict`.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tinyconv._types import Array, Shape
from tinyconv.checks import did_you_mean, sentence
from tinyconv.engine.plan import Plan, Plans
from tinyconv.layers import InputLayer, Layer
from tinyconv.layers.base import unique_name
from tinyconv.layers.graph import SymbolicTensor, topological_order
from tinyconv.models.plan_table import print_plan
from tinyconv.models.summary import print_summary
from tinyconv.models.training import Trainer
from tinyconv.registry import snake_case


class Model(Trainer):
    """A network from symbolic inputs to symbolic outputs.

    Args:
        inputs: a symbolic tensor of `Input`, or a list of them.
        outputs: what calling layers on them gave: a symbolic tensor, or a list.
        name: given automatically where left out.

    Raises:
        ValueError: if two layers share a name, or the outputs do not depend on the inputs alone.

    >>> from tinyconv import Input, layers
    >>> x = Input(shape=(6, 6, 1))
    >>> y = layers.Flatten()(layers.Conv2D(2, 3, activation="relu")(x))
    >>> Model(x, layers.Dense(3)(y)).count_params()
    119
    """

    def __init__(self, inputs: Any = None, outputs: Any = None, name: str | None = None, **kwargs: Any) -> None:
        if inputs is None or outputs is None:
            way_out = "Networks are made by Model(inputs, outputs) or Sequential, not by a call() of one's own. "
            way_out += "Layers of your own are subclasses of tinyconv.layers.Layer with forward and backward."
            raise TypeError(sentence(type(self).__name__, "inputs= and outputs= as symbolic tensors", "none", way_out))
        super().__init__(name=name or _automatic_name(type(self)), **kwargs)
        self._connect(inputs, outputs)

    def _connect(self, inputs: Any, outputs: Any) -> None:
        """Take over the network between the tensors."""
        self._single_input, self._single_output = not _is_list(inputs), not _is_list(outputs)
        self.inputs, self.outputs = _tensors(self.title, "inputs", inputs), _tensors(self.title, "outputs", outputs)
        self.nodes = topological_order(self.outputs)
        self.layers: list[Layer] = list(dict.fromkeys(node.layer for node in self.nodes))
        self.takes_list = not self._single_input
        self._check_graph()
        specs = [tensor.shape for tensor in self.inputs]
        self.input_spec = specs[0] if self._single_input else specs
        self._whole_plan: Plan | None = None
        self._plans = Plans(self.nodes, self.inputs, self.outputs)

    @property
    def _plan(self) -> Plan:
        """The network as a layer of another one runs it: layer by layer."""
        if self._whole_plan is None:
            self._whole_plan = Plan(self.nodes, self.inputs, self.outputs)
        return self._whole_plan

    def _check_graph(self) -> None:
        entrances = [node.outputs[0] for node in self.nodes if not node.inputs]
        missing = [tensor for tensor in entrances if tensor not in self.inputs]
        if missing or any(tensor not in entrances for tensor in self.inputs):
            expected = "outputs that depend on exactly the given inputs"
            names = [tensor.node.layer.name for tensor in missing]
            raise ValueError(sentence(self.title, expected, f"inputs missing: {names}" if names else "unused inputs"))
        names = [layer.name for layer in self.layers]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            way_out = "Rename one of them with name=."
            raise ValueError(sentence(self.title, "layers with different names", f"{twice!r} twice", way_out))

    # A model is a layer

    def forward(self, x: Any, training: bool = False) -> tuple[Any, Any]:
        """Input array, or list of them -> (output array or list, what `backward` needs)."""
        y, caches = self._plan.forward(x if self.takes_list else [x], training)
        return (y[0] if self._single_output else y), caches

    def backward(self, dy: Any, cache: Any) -> Any:
        """Gradients by the outputs -> gradients by the inputs, adding to those of the parameters."""
        dx = self._plan.backward([dy] if self._single_output else dy, cache, to_inputs=True)
        return dx if self.takes_list else dx[0]

    def run(self, x: Any, training: bool = False) -> Any:
        """Input array, or list of them -> output array or list, on the engine that `config` names."""
        y = self._predict(x if self.takes_list else [x], training)
        return y[0] if self._single_output else y

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shapes of the outputs for inputs of these shapes."""
        shapes = dict(zip(self.inputs, input_shape if self.takes_list else [input_shape], strict=True))
        for step in self._plan.steps:
            arguments = [shapes[tensor] for tensor in step.inputs]
            found = step.layers[0].compute_output_shape(arguments if step.layers[0].takes_list else arguments[0])
            shapes.update(zip(step.outputs, found if isinstance(found, list) else [found], strict=True))
        outputs = [shapes[tensor] for tensor in self.outputs]
        return outputs[0] if self._single_output else outputs

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError unless arrays of this shape, batch axis included, fit the inputs."""
        for tensor, one in zip(self.inputs, shape if self.takes_list else [shape], strict=True):
            want = tensor.shape
            fits = len(want) == len(one) and all(w in (None, o) or o is None for w, o in zip(want, one, strict=True))
            if not fits:
                raise ValueError(sentence(self.title, f"samples of shape {want[1:]}", *_misfit(want, one)))

    def build(self, input_shape: Any = None) -> None:
        """Make the parameters of every layer that has none yet."""
        for layer in self.sublayers():
            layer.build_if_known()
        self.built = True

    def sublayers(self) -> Iterator[Layer]:
        """Every layer inside, those of models inside included, each once."""
        yield from dict.fromkeys(inner for layer in self.layers for inner in layer.sublayers())

    @property
    def weights(self) -> list[Array]:
        """The arrays of every layer in order: learned parameters, then kept state. Not copies."""
        return [array for layer in self.sublayers() for array in layer.weights]

    def count_params(self) -> int:
        """Numbers in all parameters and states; from shapes alone, nothing is built."""
        self._require_graph()
        return sum(layer.count_params() for layer in self.sublayers())

    @property
    def trainable(self) -> bool:
        """Whether the layers learn; setting it sets every layer inside. Takes effect at the next `compile`."""
        return self._trainable

    @trainable.setter
    def trainable(self, value: bool) -> None:
        self._trainable = bool(value)
        for layer in self.sublayers() if hasattr(self, "layers") else ():
            layer.trainable = self._trainable

    # What a user asks a model

    def get_layer(self, name: str | None = None, index: int | None = None) -> Layer:
        """The layer with this name, or at this place.

        Raises:
            ValueError: if there is none; the nearest name is suggested.
        """
        if index is not None:
            if not -len(self.layers) <= index < len(self.layers):
                raise ValueError(sentence(self.title, f"index below {len(self.layers)}", f"index={index}"))
            return self.layers[index]
        names = {layer.name: layer for layer in self.layers}
        if name not in names:
            expected = f"the name of a layer: {', '.join(names)}"
            raise ValueError(sentence(self.title, expected, f"name={name!r}", did_you_mean(str(name), names)))
        return names[name]

    @property
    def input(self) -> Any:
        """The symbolic input, or the list of them: `Model(model.input, layer.output)` shows what a layer computes."""
        self._require_graph()
        return self.inputs[0] if self._single_input else self.inputs

    @property
    def output(self) -> Any:
        """The symbolic output, or the list of them."""
        self._require_graph()
        return self.outputs[0] if self._single_output else self.outputs

    @property
    def input_shape(self) -> Any:
        """Shape of the input with the batch axis, or the list of them."""
        return [t.shape for t in self.input] if self.takes_list else self.input.shape

    @property
    def output_shape(self) -> Any:
        """Shape of the output with the batch axis, or the list of them."""
        return self.output.shape if self._single_output else [t.shape for t in self.output]

    @property
    def output_names(self) -> list[str]:
        """Names of the layers that the outputs come from."""
        return [tensor.node.layer.name for tensor in self.outputs]

    def summary(self, formulas: bool = False, **kwargs: Any) -> None:
        """Print Keras's table of layers, shapes and parameters. Nothing is built.

        Args:
            formulas: add each layer's product, multiply-adds, workspace and receptive field.
            **kwargs: see `tinyconv.models.summary.print_summary`.
        """
        self._require_graph()
        print_summary(self, formulas=formulas, **kwargs)

    def plan(self, batch_size: int = 32, print_fn: Any = None) -> None:
        """Print what runs the network in training: which layers together, how and why, with what memory.

        Args:
            batch_size: samples in the batch that the memory is for.
            print_fn: called with each line instead of `print`.
        """
        self._require_graph()
        plan = self._plans.current if self._settings is None else self._learning().plan
        print_plan(self, plan, batch_size, print_fn)

    def save(self, filepath: Any, overwrite: bool = True, include_optimizer: bool = True) -> None:
        """Write the whole model to a file in one step: the old file stays until the new is whole.

        Args:
            filepath: where to: ``.keras``; or ``.h5`` for the older format.
            overwrite: False refuses to replace a file.
            include_optimizer: False leaves out what the optimizer remembers from step to step.

        Raises:
            ValueError: for another ending.
            FileExistsError: if there is a file and overwrite is False.
        """
        from tinyconv.models.saving import save_model  # which knows models in its turn

        save_model(self, filepath, overwrite=overwrite, include_optimizer=include_optimizer)

    def save_weights(self, filepath: Any, overwrite: bool = True) -> None:
        """Write the weights alone to a ``.weights.h5`` or ``.npz`` file, in one step; errors as `save`."""
        from tinyconv.models.saving import save_weights  # which knows models in its turn

        save_weights(self, filepath, overwrite=overwrite)

    def load_weights(self, filepath: Any, skip_mismatch: bool = False, by_name: bool = False) -> None:
        """Overwrite the weights with those of a file; see `tinyconv.models.loading.load_weights`.

        Raises:
            ValueError: if they are not those of this network, or the file is damaged. Nothing is changed then.
        """
        from tinyconv.models.loading import load_weights  # which knows models in its turn

        load_weights(self, filepath, skip_mismatch, by_name)

    def __reduce_ex__(self, protocol: Any) -> Any:
        """What `copy` and `pickle` take over: what `save` writes, and the classes of one's own."""
        from tinyconv.models.loading import pack, unpack  # which know models in their turn

        return unpack, pack(self)

    def get_config(self) -> dict[str, Any]:
        """The network as plain values, without weights; `from_config` makes it anew."""
        from tinyconv.models.serialization import describe_model  # which knows models in its turn

        self._require_graph()
        config: dict[str, Any] = describe_model(self)["config"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Mapping[str, type] | None = None) -> Any:
        """A new network from what `get_config` returned, with new weights."""
        from tinyconv.models.serialization import Reader  # which knows models in its turn

        known = {cls.__name__: cls, **(custom_objects or {})}
        return Reader(known).read("layer", {"class_name": cls.__name__, "config": config})

    def to_json(self, **options: Any) -> str:
        """The network as JSON, without weights, for `tinyconv.models.model_from_json`; options as `json.dumps` has."""
        from tinyconv.models.serialization import describe_model  # which knows models in its turn

        self._require_graph()
        return json.dumps(describe_model(self), **options)

    def _require_graph(self) -> None:
        """Overridden where the network may not be known yet."""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} name={self.name!r}, layers={len(self.layers)}>"


def _automatic_name(cls: type) -> str:
    return unique_name("functional" if cls is Model else snake_case(cls.__name__))


def _is_list(tensors: Any) -> bool:
    return isinstance(tensors, list | tuple) and len(tensors) != 1


def _tensors(where: str, role: str, given: Any) -> list[SymbolicTensor]:
    tensors = list(given) if isinstance(given, list | tuple) else [given]
    for tensor in tensors:
        if not isinstance(tensor, SymbolicTensor):
            way_out = "Begin with tinyconv.Input(shape=...) and call layers on it."
            received = f"an array of shape {tensor.shape}" if hasattr(tensor, "shape") else repr(tensor)
            raise TypeError(sentence(where, f"{role} as symbolic tensors", received, way_out))
    return tensors


def _misfit(want: Shape, have: Sequence[int | None]) -> tuple[str, str]:
    """What came, and the way out, for samples that do not fit."""
    received = f"an array of shape {tuple(have)}"
    if len(want) == 4 and len(have) == 3:
        missing = "x[None]" if tuple(have) == tuple(want[1:]) else "x[..., None]"
        kind = "A single image needs a batch axis" if missing == "x[None]" else "Grey images need a channel axis"
        return received, f"{kind}, {missing}."
    if len(want) == len(have) == 4 and want[3] != have[3] and want[3] in (1, 3):
        return received, f"Convert the images to {'grey' if want[3] == 1 else 'RGB'}, or build the model for them."
    return received, "Reshape or resize the data, or build the model for them."


__all__ = ["InputLayer", "Model"]
