"""The network that is a line: each layer feeds the next."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.layers import InputLayer, Layer
from tinyconv.layers.base import making
from tinyconv.layers.graph import SymbolicTensor
from tinyconv.models.model import Model, _automatic_name


class Sequential(Model):
    """Layers one after the other.

    The input's shape comes from an `Input` or from ``input_shape=`` of the first layer; otherwise the network is
    completed by the first data it meets.

    Args:
        layers: the layers; more can follow with `add`.
        name: given automatically where left out.

    Raises:
        TypeError: if something is not a layer.
        ValueError: if two layers share a name, or a layer does not fit on the one before.

    >>> from tinyconv import layers
    >>> model = Sequential([layers.Input((28, 28, 1)), layers.Conv2D(32, 3), layers.MaxPooling2D()])
    >>> model.output_shape
    (None, 13, 13, 32)
    """

    def __init__(self, layers: Iterable[Any] | None = None, name: str | None = None, **kwargs: Any) -> None:
        Layer.__init__(self, name=name or _automatic_name(type(self)), **kwargs)
        self.layers: list[Layer] = []
        self._entrance: InputLayer | None = None
        self._connected, self._single_input, self._single_output = False, True, True
        for layer in layers or []:
            self.add(layer)

    def add(self, layer: Any) -> None:
        """Put a layer at the end."""
        if isinstance(layer, SymbolicTensor):
            layer = layer.node.layer
        if not isinstance(layer, Layer):
            received = f"{layer!r}" + (", a class" if isinstance(layer, type) else "")
            raise TypeError(sentence(self.title, "a layer", received, "Write for example layers.Flatten()."))
        if isinstance(layer, InputLayer):
            self._enter(layer)
            return
        if any(layer.name == other.name for other in self.layers):
            way_out = "Rename one of them with name=, or make a new layer instead of adding one twice."
            raise ValueError(sentence(self.title, "layers with different names", f"{layer.name!r} twice", way_out))
        entrance = None
        if self._entrance is None and not self.layers and layer.input_spec is not None:
            entrance = InputLayer(layer.input_spec[1:], dtype=layer.dtype)
        self._extend([*self.layers, layer], entrance)

    def pop(self) -> Layer:
        """Take the last layer off again and return it.

        Raises:
            ValueError: if there is none.
        """
        if not self.layers:
            raise ValueError(sentence(self.title, "at least one layer", "none", "Add one with model.add(layer)."))
        layer = self.layers[-1]
        self._extend(self.layers[:-1])
        return layer

    def build(self, input_shape: Any = None) -> None:
        """Complete the network for inputs of this shape, batch axis included, and make its parameters."""
        if not self._connected and input_shape is None:
            self._extend(self.layers)
        elif not self._connected:
            self.complete(input_shape)
        self._require_graph()
        super().build()

    def complete(self, input_shape: Any) -> None:
        """Connect the layers for inputs of this shape, batch axis included, if that waits for it."""
        with making:
            if not self._connected:
                self._extend(self.layers, InputLayer(tuple(input_shape[1:])))
                self._require_graph()

    @contextmanager
    def _taken_back_on_error(self) -> Iterator[None]:
        with making:
            waited, entrance = not self._connected, self._entrance
            try:
                with _taken_back_on_error(self.layers):
                    yield
            except (TypeError, ValueError):
                if waited and self._connected:
                    self._disconnect()
                    self._entrance = entrance
                    self._forget_network()
                raise

    def _enter(self, layer: InputLayer) -> None:
        if self._entrance is not None or self.layers:
            raise ValueError(sentence(self.title, "one input layer, before all others", f"another, {layer.name!r}"))
        self._entrance = layer

    def _extend(self, layers: list[Layer], entrance: InputLayer | None = None) -> None:
        """Become these layers, and connect those that are new if the input's shape is known: all of it or nothing."""
        entrance = self._entrance or entrance
        if entrance is not None and layers:
            known = {node.layer: node.output for node in self.nodes} if self._connected else {}
            kept = [new for new, old in zip(layers, self.layers, strict=False) if new is old and new in known]
            tensor = known[kept[-1]] if kept else entrance.node.output
            with _taken_back_on_error(layers[len(kept) :]):
                for layer in layers[len(kept) :]:
                    tensor = layer(tensor)
                self._connect(entrance.node.output, tensor)
            self._entrance, self._connected = entrance, True
        elif self._connected:
            self._disconnect()
        self.layers = layers
        self.takes_single_images = any(layer.takes_single_images for layer in layers)
        self._forget_network()

    def _disconnect(self) -> None:
        """Forget the network: the last layer is gone."""
        self._connected = False
        del self.inputs, self.outputs, self.nodes, self._plans, self._whole_plan

    def _require_graph(self) -> None:
        if not self.layers:
            way_out = "Add layers with model.add(layer)."
            raise ValueError(sentence(self.title, "at least one layer", "an empty model", way_out))
        if not self._connected:
            way_out = "Give input_shape= to the first layer, begin with Input(shape=...), or call fit."
            raise ValueError(sentence(self.title, "a known input shape", "none yet", way_out))

    def __reduce_ex__(self, protocol: Any) -> Any:
        """As any object as long as there is no network that could be saved."""
        return super().__reduce_ex__(protocol) if self._connected else object.__reduce_ex__(self, protocol)

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError unless arrays of this shape, batch axis included, fit the first layer."""
        if self._connected:
            super().check_input_shape(shape)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output for an input of this shape, batch axis included."""
        if self._connected:
            return super().compute_output_shape(input_shape)
        for layer in self.layers:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def __call__(self, x: Any, training: bool = False) -> Array | SymbolicTensor:
        """Run on an array and return the output; on a symbolic tensor, become part of another network."""
        if not self._connected:
            shape = x.shape if hasattr(x, "shape") else np.shape(x)
            sample = shape if self.takes_single_images and len(shape) == 3 else shape[1:]
            self.complete((None, *sample))
        return super().__call__(x, training)


@contextmanager
def _taken_back_on_error(layers: list[Layer]) -> Iterator[None]:
    """The layers as they were, if one of them does not fit: otherwise those before it would keep the wrong shape."""
    before = [(layer, len(layer.calls), layer.input_spec) for layer in layers]
    try:
        yield
    except (TypeError, ValueError):
        for layer, calls, input_spec in before:
            del layer.calls[calls:]
            layer.input_spec = input_spec
        raise


__all__ = ["Sequential"]
