"""The contract of a layer.

A layer is a function with parameters. `forward` returns its output *and* a cache: whatever `backward` will need to
turn the gradient of the loss by the output (`dy`) into the gradient by the input (`dx`). Nothing of a call is kept
on the layer, so the same layer may stand at two places of a network. A `d` in front of a name always means
"gradient of the loss with respect to".
"""

import math
import threading
from collections import Counter
from collections.abc import Iterator
from typing import Any, ClassVar, Self

import numpy as np

from tinyconv import activations, config, initializers, regularizers
from tinyconv._types import Array, Shape
from tinyconv.checks import lookup, parameters_of, reject_unknown_arguments, sample_shape, sentence
from tinyconv.layers.graph import Node, SymbolicTensor
from tinyconv.registry import snake_case
from tinyconv.tensor import tensor

#: Constructor arguments of every layer.
COMMON_ARGUMENTS = ("name", "trainable", "dtype", "input_shape", "input_dim")

#: Held while a layer gets its parameters, or a model its shape: of several threads that ask at once, one makes them.
making = threading.RLock()

_names: Counter[str] = Counter()


def unique_name(word: str) -> str:
    """Keras's automatic names: ``conv2d``, ``conv2d_1``, ... counted per process until `reset_names`."""
    _names[word] += 1
    return word if _names[word] == 1 else f"{word}_{_names[word] - 1}"


def reset_names() -> None:
    """Start the counting of automatic names anew."""
    _names.clear()


class Layer:
    """Base of all layers.

    A subclass stores each constructor argument under the argument's own name, in canonical form, and defines

    * ``compute_output_shape(input_shape)``, from shapes alone;
    * ``forward(x, training=False)`` -> ``(y, cache)`` and, under it, ``backward(dy, cache)`` -> ``dx``, which *adds*
      to ``grads``;
    * if it learns, ``weight_shapes(input_shape)``: the shape of each parameter by name. Its initializer is the
      attribute ``<name>_initializer``, its regularizer, if any, ``<name>_regularizer``.

    Args:
        name: unique within a model; given automatically where left out.
        trainable: False freezes the parameters.
        dtype: float type of the parameters; ``config.floatx()`` where left out.
        input_shape: shape of one sample, for the first layer of a `Sequential`; input_dim=n means (n,).

    Attributes:
        params: the learned arrays by name, empty until `build`.
        grads: their gradients by the same names; `backward` adds, the training step clears.
        state: arrays that are kept but not learned, such as moving averages.
        calls: the nodes of its calls on symbolic tensors.
        input_spec: shape with the batch axis that the layer is built for or will be, None while unknown.

    Raises:
        TypeError: for an argument that the layer does not have; the nearest name is suggested.

    >>> class Double(Layer):
    ...     def compute_output_shape(self, input_shape):
    ...         return input_shape
    ...     def forward(self, x, training=False):
    ...         return 2 * x, None
    ...     def backward(self, dy, cache):
    ...         return 2 * dy
    >>> Double()(np.array([1.0, 2.0]))
    array([2., 4.], dtype=float32)
    """

    #: Axes of the input, batch included, where the layer insists on a number.
    ndim: ClassVar[int | None] = None
    #: True where forward takes a list of arrays and backward returns one.
    takes_list: bool = False
    #: True where an image (H, W, C) may be passed instead of a batch.
    takes_single_images: bool = False
    trainable: bool

    def __new__(cls, *_: Any, **arguments: Any) -> Self:
        """Name a misspelled argument before Python finds the right one missing."""
        reject_unknown_arguments(cls, arguments, _known_arguments(cls))
        return super().__new__(cls)

    def __init__(
        self,
        *,
        name: str | None = None,
        trainable: bool = True,
        dtype: str | None = None,
        input_shape: Shape | None = None,
        input_dim: int | None = None,
    ) -> None:
        input_shape = (input_dim,) if input_shape is None and input_dim is not None else input_shape
        self.name = unique_name(snake_case(type(self).__name__)) if name is None else str(name)
        self.trainable = trainable
        self.dtype = np.dtype(lookup("float type", dtype or config.floatx(), config.FLOATS)).name
        self.input_spec: Any = None if input_shape is None else (None, *sample_shape(input_shape, self.title))
        self.params: dict[str, Array] = {}
        self.grads: dict[str, Array] = {}
        self.state: dict[str, Array] = {}
        self.built = False
        self.calls: list[Node] = []

    # What a subclass defines

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Shape of the output, batch axis included, from the input's; nothing is built."""
        raise self._lacks("compute_output_shape(input_shape)")

    def forward(self, x: Any, training: bool = False) -> tuple[Any, Any]:
        """Input -> (output, cache)."""
        raise self._lacks("forward(x, training)")

    def backward(self, dy: Any, cache: Any) -> Any:
        """Gradient by the output -> gradient by the input, adding to ``grads``."""
        raise self._lacks("backward(dy, cache)")

    def _lacks(self, method: str) -> NotImplementedError:
        has_call = " Instead of call, a layer here has forward and backward: see tinyconv.layers.Layer."
        return NotImplementedError(f"{self!r} does not define {method}.{has_call * hasattr(self, 'call')}")

    def weight_shapes(self, input_shape: Any) -> dict[str, tuple[int, ...]]:
        """Shapes of the learned parameters by name, in Keras's order."""
        return {}

    def state_shapes(self, input_shape: Any) -> dict[str, tuple[int, ...]]:
        """Shapes of what is kept but not learned, by name, in Keras's order."""
        return {}

    # Use

    def __call__(self, x: Any, training: bool = False) -> Any:
        """Run on an array and return the output; on a symbolic `Input`, add a node to the network instead.

        The output is a `Tensor`: an array that has ``.numpy()`` besides.

        Raises:
            ValueError: if the input's rank or channels are not the layer's.
        """
        if any(isinstance(part, SymbolicTensor) for part in (x if isinstance(x, list | tuple) else [x])):
            return self._add_node(x)
        if self.takes_list and not isinstance(x, list | tuple):
            raise ValueError(sentence(self.title, "a list of two or more inputs", f"one {type(x).__name__}"))
        arrays: Any = [np.asarray(part, self.dtype) for part in x] if self.takes_list else np.asarray(x, self.dtype)
        if self.takes_single_images and arrays.ndim == 3:
            return self(arrays[np.newaxis], training)[0]
        shape = [a.shape for a in arrays] if self.takes_list else arrays.shape
        self.check_input_shape(shape)
        with making:
            if not self.built:
                self.build(shape)
        y = self.run(arrays, training)
        return [tensor(one) for one in y] if isinstance(y, list) else tensor(y)

    def run(self, x: Any, training: bool = False) -> Any:
        """Input -> output, for a caller who wants no gradient."""
        return self.forward(x, training)[0]

    def _add_node(self, x: Any) -> Any:
        """Record a call on symbolic tensors and return what it would give."""
        tensors = list(x) if isinstance(x, list | tuple) else [x]
        if len(tensors) != 1 and not self.takes_list:
            way_out = "Join several with Add or Concatenate first."
            raise ValueError(sentence(self.title, "one input", f"{len(tensors)}", way_out))
        shapes = [tensor.shape for tensor in tensors]
        shape = shapes if self.takes_list else shapes[0]
        self.check_input_shape(shape)
        node = Node(self, tensors, self.compute_output_shape(shape))
        self.calls.append(node)
        if self.input_spec is None:
            self.input_spec = shape
        return node.output

    @property
    def input(self) -> Any:
        """The symbolic tensor, or list of them, this layer was called on in its network; errors as `output`."""
        call = self._only_call()
        return call.inputs if self.takes_list else call.inputs[0] if call.inputs else call.output

    @property
    def output(self) -> Any:
        """The symbolic tensor this layer returned in its network: `Model(model.input, layer.output)` computes it.

        Raises:
            ValueError: if the layer was called on no symbolic tensor, or on several.
        """
        return self._only_call().output

    def _only_call(self) -> Node:
        if len(self.calls) != 1:
            way_out = "Keep the tensor that the call returns."
            raise ValueError(sentence(self.title, "one call on a symbolic tensor", f"{len(self.calls)} calls", way_out))
        return self.calls[0]

    def check_input_shape(self, shape: Any) -> None:
        """Raise ValueError unless arrays of this shape, batch axis included, may enter the layer."""
        shapes = shape if self.takes_list else [shape]
        for one in shapes:
            if self.ndim is not None and len(one) != self.ndim:
                raise ValueError(sentence(self.title, *_rank_error(self.ndim, one)))
        if self.input_spec is None or self.takes_list or not self.weight_shapes(self.input_spec):
            return
        want, have = self.input_spec[-1], shape[-1]
        if want is not None and have is not None and want != have:
            raise ValueError(sentence(self.title, *_channel_error(want, shape)))

    def build(self, input_shape: Any) -> None:
        """Make the parameters for inputs of this shape (batch axis included) and initialize them."""
        shapes = self.weight_shapes(input_shape)
        self.allocate(input_shape, {k: np.empty(s, self.dtype) for k, s in shapes.items()})

    def allocate(self, input_shape: Any, params: dict[str, Array]) -> None:
        """`build` into arrays that the caller owns, so that a model can lay all parameters in one vector."""
        self.input_spec = (None, *input_shape[1:]) if not self.takes_list else input_shape
        for name, array in params.items():
            initializer = getattr(self, f"{name}_initializer")
            array[...] = initializer(array.shape, self.dtype)
        self.params = params
        self.grads = {name: np.zeros_like(array) for name, array in params.items()}
        for name, shape in self.state_shapes(input_shape).items():
            self.state[name] = getattr(self, f"{name}_initializer")(shape, self.dtype)
        self.built = True

    def build_if_known(self) -> None:
        """Build now where the input's shape is known already, as Keras would have done at construction."""
        with making:
            if not self.built and self.input_spec is not None:
                self.build(self.input_spec)

    # Weights

    @property
    def weights(self) -> list[Array]:
        """Learned parameters, then kept state: the arrays themselves, not copies."""
        self.build_if_known()
        return [*self.params.values(), *self.state.values()]

    @property
    def trainable_weights(self) -> list[Array]:
        """The parameters that learn: none of a frozen layer. Not copies."""
        return [w for layer in self.sublayers() for w in layer.weights if layer._learns(w)]

    @property
    def non_trainable_weights(self) -> list[Array]:
        """Frozen parameters, and what is kept but not learned. Not copies."""
        return [w for layer in self.sublayers() for w in layer.weights if not layer._learns(w)]

    def _learns(self, weight: Array) -> bool:
        return self.trainable and any(weight is w for w in self.params.values())

    #: Keras's other names of the two.
    trainable_variables, non_trainable_variables = trainable_weights, non_trainable_weights

    def get_weights(self) -> list[Array]:
        """Copies of the layer's arrays: learned parameters, then kept state, in Keras's order."""
        return [w.copy() for w in self.weights]

    def set_weights(self, weights: list[Array]) -> None:
        """Overwrite the layer's arrays with arrays of the same shapes.

        Raises:
            ValueError: if their number or a shape differs; nothing is changed then.
        """
        mine = self.weights
        want, have = [w.shape for w in mine], [np.shape(w) for w in weights]
        if want != have:
            raise ValueError(sentence(self.title, f"weights of shapes {want}", str(have), _BUILD_FIRST))
        for array, new in zip(mine, weights, strict=True):
            array[...] = new

    def count_params(self) -> int:
        """Numbers in the layer's parameters and state; from shapes alone, nothing is built.

        Raises:
            ValueError: while the input's shape is unknown.
        """
        if self.input_spec is None:
            raise ValueError(sentence(self.title, "a layer whose input shape is known", "none yet", _BUILD_FIRST))
        shapes = [*self.weight_shapes(self.input_spec).values(), *self.state_shapes(self.input_spec).values()]
        return sum(math.prod(shape) for shape in shapes)

    def regularized(self) -> Iterator[tuple[str, regularizers.Regularizer]]:
        """(parameter name, regularizer) for each parameter that has one."""
        for name in self.params:
            regularizer = getattr(self, f"{name}_regularizer", None)
            if regularizer is not None:
                yield name, regularizer

    def sublayers(self) -> "Iterator[Layer]":
        """The layers that hold parameters here: this one; a model yields those inside it."""
        yield self

    # Configuration

    def __getstate__(self) -> dict[str, Any]:
        """What `copy` and `pickle` take over: all but the network around the layer."""
        self.build_if_known()  # or the copy would make other weights
        return vars(self) | {"calls": [node for node in self.calls if not node.inputs]}

    def get_config(self) -> dict[str, Any]:
        """The constructor's arguments as plain values; ``from_config`` makes the same layer from them."""
        names = {"name": self.name, "trainable": self.trainable, "dtype": self.dtype}
        return names | {name: _plain(getattr(self, name)) for name in _own_arguments(type(self))}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """A new layer from what `get_config` returned."""
        return cls(**config)

    @property
    def title(self) -> str:
        """Class and name, as errors begin."""
        return f"{type(self).__name__} {self.name!r}"

    def __repr__(self) -> str:
        settings = ", ".join(f"{name}={_plain(getattr(self, name))!r}" for name in _own_arguments(type(self)))
        return f"{type(self).__name__}({settings})"


_BUILD_FIRST = "Give input_shape= to the first layer, or call the layer or model on data once."


def _rank_error(want: int, shape: Shape) -> tuple[str, str, str]:
    expected = f"{want} axes" + (" (batch, height, width, channels)" if want == 4 else "")
    if want == 4 and len(shape) == 3:
        way_out = "Grey images need a channel axis, x[..., None]; a single image needs a batch axis, x[None]."
    else:
        way_out = "Flatten or reshape the array first."
    return expected, f"x.shape={shape}", way_out


def _channel_error(want: int, shape: Shape) -> tuple[str, str, str]:
    if len(shape) != 4:
        return f"{want} features, the number this layer was built for", f"x.shape={shape}", "Build a new layer."
    way_out = "Convert the images to grey" if want == 1 else "Convert the images to RGB" if want == 3 else ""
    return (
        f"{want} channel{'s' * (want != 1)}, the number this layer was built for",
        f"x.shape={shape}",
        f"{way_out}, or build a new layer." if way_out else "Build a new layer.",
    )


def _known_arguments(cls: type) -> set[str]:
    """Names of the constructor arguments of a layer class and of the classes it may pass them on to."""
    return {name for parent in cls.__mro__[:-1] if "__init__" in vars(parent) for name in parameters_of(parent)}


def _own_arguments(cls: type) -> list[str]:
    """Names of the constructor arguments that a class adds to those of `Layer`."""
    return [name for name in parameters_of(cls) if name not in COMMON_ARGUMENTS]


def _plain(value: Any) -> Any:
    """A setting as JSON can hold it."""
    if isinstance(value, activations.Activation):
        return activations.serialize(value)
    if isinstance(value, initializers.Initializer):
        return initializers.serialize(value)
    if isinstance(value, regularizers.Regularizer):
        return regularizers.serialize(value)
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
