"""A network as an ONNX file: a walk over its calls, and what the file says of inputs and outputs."""

import os
from typing import Any

import numpy as np

from tinyconv._types import Shape
from tinyconv.checks import sentence
from tinyconv.export.graph import LAST, Graph, Value
from tinyconv.export.translations import Call, write_call
from tinyconv.files import destination, replacing
from tinyconv.layers import Layer
from tinyconv.models import Model

__all__ = ["largest_difference", "onnx"]

#: The oldest set of operations that has all we use, as we use them.
OLDEST_OPSET = 13
#: Bytes that a file of this kind can hold, less some room for names.
LARGEST_FILE = 2**31 - 2**20


def onnx(model: Model, path: str | os.PathLike[str], *, opset: int = 17) -> None:
    """Write a network to an ONNX file, as it predicts, in one step: the old file stays until the new is whole.

    Inputs and outputs have the names of their layers and tinyconv's shapes, (N, H, W, C) for images, with any N. Their
    float type is that of the weights; ONNX Runtime knows convolution in float32 alone, and its max pooling may pass
    over a NaN. What acts in training only is left out. The file is checked with ``onnx.checker`` before it takes its
    place. ::

        export.onnx(model, "digits.onnx")
        export.largest_difference(model, "digits.onnx", x_test[:100])       # 2.4e-07

        import onnxruntime
        session = onnxruntime.InferenceSession("digits.onnx")
        (probabilities,) = session.run(None, {session.get_inputs()[0].name: x_test[:100]})

    Args:
        model: a network whose input's shape is known.
        path: where to; must end in ``.onnx``.
        opset: version of the set of operations, from 13; older runtimes know older ones.

    Raises:
        ImportError: without the extra "onnx".
        ValueError: for a layer or activation that is not tinyconv's own, weights that do not fit into the two
            gigabytes of an ONNX file, or another ending or opset.
        FileNotFoundError: if the folder does not exist.
    """
    try:
        import onnx as library
    except ImportError as error:
        raise _missing("onnx", error) from error
    path = destination(path, [".onnx"], "export.onnx")
    newest = library.defs.onnx_opset_version()
    if not OLDEST_OPSET <= opset <= newest:
        raise ValueError(sentence("export.onnx", f"opset from {OLDEST_OPSET} to {newest}", f"opset={opset!r}"))
    model._require_graph()
    model.build()
    _check_size(model)
    graph = Graph(_float_type(model))
    inputs = [_enter(graph, tensor.node.layer) for tensor in model.inputs]
    outputs = _write(graph, model, inputs, "", {})
    names = _name_outputs(graph, model.output_names, outputs)
    described = zip(names, [value.shape for value in outputs], strict=True)
    entrances = [(value.tensors[LAST], value.shape) for value in inputs]
    contents = _encode(library, graph, model.name, entrances, list(described), opset)
    library.checker.check_model(contents, full_check=True)
    with replacing(path) as file:
        file.write(contents)


def largest_difference(model: Model, path: str | os.PathLike[str], x: Any) -> float:
    """Run an ONNX file with ONNX Runtime, and return its largest difference from what the model predicts.

    Args:
        model: the network that was written.
        path: the file.
        x: a batch, as `predict` takes it; several inputs as a list.

    Raises:
        ImportError: without the extra "onnx".
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise _missing("onnxruntime", error) from error
    session = onnxruntime.InferenceSession(os.fspath(path), providers=["CPUExecutionProvider"])
    float_types = {"tensor(float)": np.float32, "tensor(double)": np.float64}
    arrays = zip(session.get_inputs(), [x] if model._single_input else x, strict=True)
    theirs = session.run(None, {entrance.name: np.asarray(a, float_types[entrance.type]) for entrance, a in arrays})
    ours = model.predict(x, verbose=0)
    pairs = zip([ours] if model._single_output else ours, theirs, strict=True)
    return float(np.max([np.abs(mine - other).max() for mine, other in pairs]))


def _missing(library: str, error: ImportError) -> ImportError:
    way_out = "Install it with pip install 'tinyconv[onnx]'."
    return ImportError(sentence("export", f"the library {library}", str(error), way_out))


def _check_size(model: Model) -> None:
    size = sum(array.nbytes for array in model.weights)
    if size > LARGEST_FILE:
        way_out = "Export its halves as two models, or keep it as .keras."
        raise ValueError(
            sentence(model.title, "weights of less than 2 GB, all that ONNX holds", f"{size} bytes", way_out)
        )


def _float_type(model: Model) -> np.dtype[Any]:
    """Of the weights, or of the inputs where there are none."""
    found = [array.dtype for array in model.weights] or [tensor.node.layer.dtype for tensor in model.inputs]
    return np.result_type(*found)


# The walk


def _enter(graph: Graph, layer: Any) -> Value:
    return Value(layer.input_spec, LAST, {LAST: graph.unique(layer.name)})


def _write(
    graph: Graph, model: Model, inputs: list[Value], prefix: str, weights: dict[tuple[Layer, str], str]
) -> list[Value]:
    """Add every call between a model's inputs and its outputs; models inside likewise."""
    if type(model).forward is not Model.forward:
        way_out = "Leave forward as Model has it, or export the models before and after this one."
        raise ValueError(sentence(model.title, "a network of layers", f"{type(model)} with its own forward", way_out))
    values = dict(zip(model.inputs, inputs, strict=True))
    for node in model.nodes:
        if not node.inputs:
            continue
        arguments, path = [values[tensor] for tensor in node.inputs], f"{prefix}{node.layer.name}"
        if isinstance(node.layer, Model):
            results = _write(graph, node.layer, arguments, f"{path}/", weights)
        else:
            name, order = write_call(Call(graph, node.layer, path, arguments, weights))
            same = (value for value in arguments if value.tensors.get(order) == name)  # nothing was written
            results = [next(same, Value(node.outputs[0].shape, order, {order: name}))]
        values.update(zip(node.outputs, results, strict=True))
    return [values[tensor] for tensor in model.outputs]


def _name_outputs(graph: Graph, names: list[str], outputs: list[Value]) -> list[str]:
    """Give the outputs, channels last, these names as far as they are free; returns what they are called now."""
    tensors = [graph.tensor(value, LAST) for value in outputs]
    for i, (tensor, name) in enumerate(zip(tensors, names, strict=True)):
        if tensor in tensors[:i] or all(node.output != tensor for node in graph.nodes):  # for the second time; an input
            tensors[i] = graph.node("Identity", [tensor], name)
    free = [graph.unique(name) for name in names]
    for tensor, name in zip(tensors, free, strict=True):
        graph.rename(tensor, name)
    return free


# The file


def _encode(
    library: Any,
    graph: Graph,
    name: str,
    inputs: list[tuple[str, Shape]],
    outputs: list[tuple[str, Shape]],
    opset: int,
) -> bytes:
    """The graph as the bytes of a file."""
    helper, number = library.helper, library.helper.np_dtype_to_tensor_dtype(graph.dtype)
    nodes = [helper.make_node(n.operation, n.inputs, [n.output], name=n.name, **n.attributes) for n in graph.nodes]
    ends = [
        [helper.make_tensor_value_info(name, number, ["N", *shape[1:]]) for name, shape in side]
        for side in (inputs, outputs)
    ]
    version = helper.make_opsetid("", opset)
    empty = helper.make_graph(nodes, name, *ends)
    model = helper.make_model_gen_version(empty, opset_imports=[version], producer_name="tinyconv")
    for key, array in graph.constants.items():
        model.graph.initializer.append(library.numpy_helper.from_array(array, key))
    return bytes(model.SerializeToString())
