"""One image in a network: what the layers make of it, and what a change of it would change.

These functions return arrays. Nothing they do stays in the model, neither in its parameters nor in its gradients.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinyconv import activations as functions
from tinyconv._types import Array
from tinyconv.checks import sentence
from tinyconv.engine.plan import Plan
from tinyconv.layers import Activation, BatchNormalization, Conv2D, Layer
from tinyconv.layers.graph import Node, SymbolicTensor, topological_order
from tinyconv.models import Model

__all__ = [
    "Score", "activations", "class_name", "convolutions", "first_images", "gradient_of_score", "last_images",
    "one_image", "probabilities", "seen_at",
]  # fmt: skip


class Score(NamedTuple):
    """How strongly one class is indicated, before softmax or sigmoid, and what changes that.

    Attributes:
        class_: number of the class.
        value: the score.
        at: the numbers it was derived by, without the batch axis.
        gradient: of the score by these numbers.
    """

    class_: int
    value: float
    at: Array
    gradient: Array


def one_image(model: Model, x: Any, where: str) -> Array:
    """An image (H, W), (H, W, C) or (1, H, W, C) as the batch (1, H, W, C) that the model takes; its parameters exist.

    Raises:
        ValueError: for a model that takes anything but one image, or for another image.
    """
    shape = model.input_shape
    if isinstance(shape, list) or len(shape) != 4:
        raise ValueError(sentence(where, "a model that takes one image", f"{model.title}, which takes {shape}"))
    image = np.asarray(x, model.layers[0].dtype)
    image = image[..., None] if image.ndim == 2 else image  # (H, W, C)
    image = image[None] if image.ndim == 3 else image  # (1, H, W, C)
    if len(image) != 1 or image.ndim != 4:
        raise ValueError(sentence(where, "one image", f"x.shape={np.shape(x)}", "Choose one, for example x[0]."))
    model.check_input_shape(image.shape)
    model.build()
    return image


def activations(model: Model, x: Array, tensors: Sequence[SymbolicTensor]) -> list[Array]:
    """What flows along these edges of the network for one image (1, H, W, C), each without the batch axis.

    One image is run layer by layer: the machine would compile kernels for a network that ends at these edges.
    """
    return [y[0] for y in Plan(topological_order([*tensors]), model.inputs, tensors).predict([x])]


# Layers and their outputs


def convolutions(model: Model) -> list[Layer]:
    """The layers that are convolutions, in order; not those of models inside."""
    return [layer for layer in model.layers if isinstance(layer, Conv2D)]


def seen_at(model: Model, layer: Any, where: str) -> tuple[SymbolicTensor, list[Layer]]:
    """What a layer returns after its activation, also where that, or a normalisation before it, is a layer of its own.

    Args:
        model: the network.
        layer: a layer of it, or its name.
        where: who asks.

    Returns:
        the tensor, and the layers from the given one to the one that returns it.

    Raises:
        ValueError: if there is no such layer, or it does not return images.
    """
    chosen = model.get_layer(layer) if not isinstance(layer, Layer) else layer
    node = next((node for node in model.nodes if node.layer is chosen), None)
    if node is None:
        raise ValueError(sentence(where, f"a layer of {model.title}", f"{chosen.title}"))
    if len(node.outputs[0].shape) != 4:
        received = f"{chosen.title}, which returns {node.outputs[0].shape}"
        names = ", ".join(each.layer.name for each in model.nodes if len(each.outputs[0].shape) == 4)
        raise ValueError(sentence(where, f"a layer that returns images: {names}", received))
    run = [node] if _is_active(chosen) else _run_to_activation(model, node)
    return run[-1].outputs[0], [each.layer for each in run]


def _is_active(layer: Any) -> bool:
    """Whether the layer has an activation of its own, or is none that is usually followed by one."""
    activation = getattr(layer, "activation", None)
    return activation.name != "linear" if activation else not isinstance(layer, BatchNormalization)


def _run_to_activation(model: Model, node: Node) -> list[Node]:
    """The node and those that lead to its activation; the node alone, if it has none."""
    run = [node]
    while True:
        readers = [each for each in model.nodes if run[-1].outputs[0] in each.inputs]
        if len(readers) != 1 or not isinstance(readers[0].layer, Activation | BatchNormalization):
            return [node]
        run.append(readers[0])
        if isinstance(readers[0].layer, Activation):
            return run


def first_images(model: Model, where: str) -> Layer:
    """The first convolution, or model inside that returns images.

    Raises:
        ValueError: if there is neither.
    """
    return _makers_of_images(model, where)[0]


def last_images(model: Model, where: str) -> Layer:
    """The last convolution, or model inside that returns images; errors as `first_images`."""
    return _makers_of_images(model, where)[-1]


def _makers_of_images(model: Model, where: str) -> list[Layer]:
    found = [
        node.layer
        for node in model.nodes
        if len(node.outputs[0].shape) == 4 and (isinstance(node.layer, Conv2D) or hasattr(node.layer, "nodes"))
    ]
    if not found:
        raise ValueError(sentence(where, "a model with a convolution", f"{model.title}, which has none"))
    return found


# Outputs


def probabilities(model: Model, x: Array) -> Array | None:
    """What the network gives to each class (K,) for one image (1, H, W, C), also where it ends in logits.

    None for a network that ends in anything but one number for each class.
    """
    output = model.output
    if isinstance(output, list) or len(output.shape) != 2:
        return None
    (values,), name = activations(model, x, [output]), _activation_name(output)  # (K,)
    if len(values) == 1:  # one number for two classes
        second = values if name == "sigmoid" else functions.get("sigmoid")(values)
        return np.concatenate([1 - second, second])  # (2,)
    return values if name in ("softmax", "sigmoid") else np.asarray(functions.get("softmax")(values[None])[0])


def class_name(class_: int, labels: Sequence[str] | None) -> str:
    """The name of a class, or its number.

    Raises:
        ValueError: if there are too few labels.
    """
    if labels is None:
        return f"{class_}"
    if class_ >= len(labels):
        raise ValueError(sentence("labels", f"a name for class {class_}", f"{len(labels)} labels"))
    return str(labels[class_])


def _activation_name(output: SymbolicTensor) -> str:
    """Name of the activation that an output comes from; "" if it has none."""
    activation: Any = getattr(output.node.layer, "activation", None)
    return activation.name if activation is not None else ""


# Gradients


def gradient_of_score(
    model: Model, x: Array, class_: int | None, where: str, at: SymbolicTensor | None = None
) -> Score:
    """The gradient of one class's score by an inner output of the network.

    The network is cut in two: the first part runs from the image to the tensor, the second from there to the score,
    and back.

    Args:
        model: a network with one output for each class, or one output that tells two classes apart.
        x: (1, H, W, C).
        class_: number of the class; the one with the highest score, if None.
        where: who asks.
        at: the tensor to derive by; the image, if None.

    Raises:
        ValueError: for another network or class, or if the score does not depend on the tensor.
    """
    output = model.output
    if isinstance(output, list) or len(output.shape) != 2:
        expected = "a model with one output, a number for each class"
        raise ValueError(sentence(where, expected, f"{model.title}, which returns {model.output_shape}"))
    at = model.input if at is None else at
    after = _nodes_after(model, at)
    if output.node not in after:
        raise ValueError(sentence(where, "a layer that the output depends on", f"{at.node.layer.title}"))
    made = {tensor for node in after for tensor in node.outputs}
    others = dict.fromkeys(tensor for node in after for tensor in node.inputs if tensor not in made)
    edge = [at, *(tensor for tensor in others if tensor is not at)]
    values = Plan(topological_order([*edge, output]), model.inputs, edge).predict([x])
    cut = [output] if _activation_name(output) in ("softmax", "sigmoid") else []
    rest = Plan(after, edge, [output], without_activation=cut)
    (scores,), caches = rest.forward(values)  # (1, K)
    chosen, value, by_scores = _choose(scores, class_, where)
    with _gradients_kept(model):
        gradient = rest.backward([by_scores], caches, to_inputs=True)[0]
    assert gradient is not None
    return Score(chosen, value, values[0][0], gradient[0])


def _nodes_after(model: Model, tensor: SymbolicTensor) -> list[Node]:
    """The calls that depend on a tensor, in order."""
    known, found = {tensor}, []
    for node in model.nodes:
        if known & {*node.inputs}:
            found.append(node)
            known |= {*node.outputs}
    return found


def _choose(scores: Array, class_: int | None, where: str) -> tuple[int, float, Array]:
    """(class, its score, the gradient of that by the outputs (1, K)). A single output speaks for class 1 against 0."""
    signs = np.array([-1, 1]) if scores.shape[1] == 1 else np.ones(scores.shape[1])
    values = signs * scores[0]  # (K,)
    chosen = int(values.argmax()) if class_ is None else class_
    if isinstance(chosen, bool) or not hasattr(chosen, "__index__") or not 0 <= chosen < len(values):
        raise ValueError(sentence(where, f"class_ as a whole number from 0 to {len(values) - 1}", f"class_={class_!r}"))
    gradient = np.zeros_like(scores)
    gradient[0, chosen if scores.shape[1] > 1 else 0] = signs[chosen]
    return int(chosen), float(values[chosen]), gradient


@contextmanager
def _gradients_kept(model: Model) -> Iterator[None]:
    """The gradients of the parameters are afterwards what they were before."""
    before = [(gradient, gradient.copy()) for layer in model.sublayers() for gradient in layer.grads.values()]
    try:
        yield
    finally:
        for gradient, values in before:
            gradient[...] = values
