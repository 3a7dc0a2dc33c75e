"""Networks written as ONNX: ONNX Runtime computes from the file what tinyconv predicts."""

import inspect
import sys

import numpy as np
import pytest
from layer_cases import distinct
from saved_models import HOLDS, full, outputs, two_vectors, with_models_inside
from tiny_networks import IMAGE, convnet, images

from tinyconv import Input, Model, Sequential, activations, config, export, layers
from tinyconv.export import network as exporting
from tinyconv.export.graph import FIRST, LAST, Graph, axes
from tinyconv.export.translations import TRANSLATIONS
from tinyconv.notes.networks import NETWORKS, network

pytestmark = [pytest.mark.oracle, pytest.mark.usefixtures("numpy_engine")]


ON_IMAGES = [case for case in HOLDS if all(len(shape) == 4 for shape in case.shapes)]


@pytest.fixture
def numpy_engine():
    """Small networks need no compiled kernels."""
    with config.engine("numpy"):
        yield


@pytest.fixture(scope="module")
def onnx():
    """The library; ONNX Runtime must be there too."""
    pytest.importorskip("onnxruntime")
    return pytest.importorskip("onnx")


@pytest.fixture
def path(tmp_path, onnx):
    """Where the network goes."""
    return tmp_path / "network.onnx"


def shaken(model, seed=3):
    """The model with random weights in every layer, variances above zero."""
    rng = np.random.default_rng(seed)
    model.build()
    for layer in model.sublayers():
        for array in layer.params.values():
            array[...] = rng.normal(size=array.shape) / np.sqrt(array.size / array.shape[-1])
        for array in layer.state.values():
            array[...] = rng.uniform(0.5, 1.5, array.shape)
    return model


def assert_equal(model, path, x, **options):
    """The file gives what the model predicts, to 1e-5 of the largest output."""
    export.onnx(model, path, **options)
    scale = max(np.abs(y).max() for y in outputs(model, x))
    assert export.largest_difference(model, path, x) <= 1e-5 * max(scale, 1e-3)


def operations(onnx, path):
    """The kinds of the nodes in a file, in order."""
    return [node.op_type for node in onnx.load(path).graph.node]


def alone(case):
    """A network of this layer only."""
    inputs = [Input(shape[1:]) for shape in case.shapes]
    return Model(inputs, case.layer("float32")(inputs if case.takes_list else inputs[0]))


# What is computed


@pytest.mark.parametrize("case", HOLDS, ids=[case.id for case in HOLDS])
def test_every_layer(case, path):
    assert_equal(alone(case), path, case.input(dtype="float32"))


@pytest.mark.parametrize("case", ON_IMAGES, ids=[case.id for case in ON_IMAGES])
def test_every_layer_behind_a_convolution(case, path):
    """Channels are first there, so that axes have other numbers."""
    inputs = [Input(shape[1:]) for shape in case.shapes]
    maps = [layers.Conv2D(x.shape[3], 1)(x) for x in inputs]
    model = shaken(Model(inputs, case.layer("float32")(maps if case.takes_list else maps[0])))
    assert_equal(model, path, case.input(dtype="float32"))


@pytest.mark.parametrize(
    "activation",
    [
        *activations._CLASSES,
        activations.Gelu(approximate=True),
        activations.ClippedRelu(6.0),
        activations.ClippedRelu(None, 0.25, 0.5),
        activations.LeakyRelu(0.01),
        activations.Elu(0.5),
    ],
    ids=str,
)
def test_every_activation(activation, path):
    model = Sequential([Input(IMAGE), layers.Conv2D(4, 3, activation=activation), layers.Dense(3, activation)])
    assert_equal(shaken(model), path, 4 * images() - 2)


@pytest.mark.parametrize("value", [-np.inf, np.inf])
def test_clipped_relu_of_infinity(value, path):
    model = Sequential([Input((2,)), layers.ReLU(max_value=6.0, threshold=1.0)])
    assert_equal(model, path, np.array([[value, 1.0]], np.float32))


@pytest.mark.parametrize("name", NETWORKS)
def test_networks_of_the_notes(name, path):
    shape = (38, 33, network(name).input_shape[3])
    model = shaken(network(name, input_shape=shape), seed=len(name))
    assert_equal(model, path, np.random.default_rng(0).random((3, *shape), np.float32))


def random_layer(rng, height, width, channels):
    """A layer that images of this size fit into."""
    size = tuple(int(n) for n in rng.integers(1, min(4, height, width), 2)) if min(height, width) > 1 else (1, 1)
    window = {"strides": tuple(rng.integers(1, 3, 2)), "padding": str(rng.choice(["valid", "same"]))}
    activation = str(rng.choice(["relu", "softmax", "leaky_relu", "linear"]))
    even = 2 - channels % 2
    makes = [
        lambda: layers.Conv2D(2 * rng.integers(1, 4), size, **window, activation=activation),
        lambda: layers.Conv2D(4, size, padding="same", dilation_rate=(2, 1), groups=even),
        lambda: layers.DepthwiseConv2D(size, **window, depth_multiplier=2),
        lambda: layers.MaxPooling2D(size, **window),
        lambda: layers.MinPooling2D(size, **window),
        lambda: layers.AveragePooling2D(size, **window),
        lambda: layers.BatchNormalization(scale=rng.random() < 0.5),
        lambda: layers.ZeroPadding2D(((0, 1), (2, 0))),
        lambda: layers.Dropout(0.5),
        lambda: layers.Resizing(5, 7, pad_to_aspect_ratio=True, fill_value=0.5),
        lambda: layers.CenterCrop(max(height - 1, 1), width),
        lambda: layers.Rescaling(0.5, -0.25),
        lambda: layers.Softmax(rng.integers(1, 4)),
        lambda: layers.Dense(3, activation=activation, use_bias=rng.random() < 0.5),
        lambda: layers.Add(),
        lambda: layers.Concatenate(rng.integers(1, 4)),
    ]
    return makes[rng.integers(len(makes))]()


def random_network(rng):
    """Image layers in random order, with branches that meet again."""
    tensors = [Input((12, 11, 4))]
    for _ in range(rng.integers(3, 9)):
        x = tensors[rng.integers(max(len(tensors) - 2, 0), len(tensors))]
        layer = random_layer(rng, *x.shape[1:])
        tensors.append(layer([x, layers.Conv2D(x.shape[3], 1)(x)] if layer.takes_list else x))
    last = tensors[-1]
    heads = [layers.Flatten()(last), layers.GlobalMinPooling2D()(last), layers.Reshape((-1, last.shape[3]))(last)]
    return Model(tensors[0], [last, layers.Dense(3)(heads[rng.integers(3)])])


@pytest.mark.parametrize("seed", range(30))
def test_random_networks(seed, path):
    model = shaken(random_network(np.random.default_rng(seed)), seed)
    assert_equal(model, path, distinct((2, 12, 11, 4), seed, "float32"))


def test_models_inside_and_shared_layers(path, onnx):
    model = shaken(with_models_inside())
    assert_equal(model, path, two_vectors())
    stored = [tensor.name for tensor in onnx.load(path).graph.initializer]
    assert len(stored) == len(model.weights)  # once, though called twice


@pytest.mark.parametrize("padding", ["valid", "same"])
@pytest.mark.parametrize("pool", [layers.MaxPooling2D, layers.MinPooling2D, layers.AveragePooling2D])
@pytest.mark.parametrize(
    "frame", [lambda: layers.ZeroPadding2D(((1, 0), (0, 2))), lambda: layers.Resizing(9, 9, pad_to_aspect_ratio=True)]
)
def test_a_frame_of_zeros_competes_in_the_pooling_behind_it(frame, pool, padding, path):
    """ONNX Runtime makes padding of it otherwise, which does not."""
    model = Sequential([Input((7, 9, 2)), frame(), pool(3, padding=padding)])
    assert_equal(model, path, distinct((2, 7, 9, 2), dtype="float32") - 3)


@pytest.mark.parametrize("size", [(7, 9), (8, 6)])
@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.Conv2D(5, 3, strides=2, padding="same"),
        lambda: layers.Conv2D(5, (4, 3), padding="same"),
        lambda: layers.Conv2D(5, 2, dilation_rate=3, padding="same"),
        lambda: layers.Conv2D(5, 3, padding=((1, 0), (2, 1))),
        lambda: layers.MaxPooling2D(3, 2, padding="same"),
        lambda: layers.AveragePooling2D(3, 2, padding="same"),
        lambda: layers.Reshape((-1, 3)),
    ],
)
def test_images_of_any_size(layer, size, path):
    model = Model(x := Input((None, None, 3)), layer()(x))
    assert_equal(model, path, distinct((2, *size, 3), dtype="float32"))


@pytest.mark.parametrize("n", [1, 5])
def test_any_number_of_images(n, path):
    assert_equal(convnet(), path, images(n))


@pytest.mark.parametrize("opset", [13, 18, 21])
def test_other_versions_of_the_operations(opset, path, onnx):
    assert_equal(shaken(random_network(np.random.default_rng(1))), path, distinct((2, 12, 11, 4)), opset=opset)
    assert onnx.load(path).opset_import[0].version == opset


def test_the_newest_version_is_checked_by_the_library(path, onnx):
    for case in HOLDS:
        export.onnx(alone(case), path, opset=onnx.defs.onnx_opset_version())
    assert path.exists()


@pytest.mark.usefixtures("float64")
def test_a_network_in_float64_stays_one(path, onnx):
    from onnx.reference import ReferenceEvaluator

    first = [Input(IMAGE), layers.Rescaling(1 / 3), layers.Conv2D(4, 3, padding="same", activation="tanh")]
    rest = [layers.BatchNormalization(), layers.MinPooling2D(), layers.Flatten(), layers.Dense(3, "softmax")]
    model, x = shaken(Sequential([*first, *rest])), images().astype(np.float64)
    export.onnx(model, path)
    evaluator = ReferenceEvaluator(str(path))
    (y,) = evaluator.run(None, {evaluator.input_names[0]: x})
    assert y.dtype == np.float64
    np.testing.assert_allclose(y, model.predict(x, verbose=0), rtol=1e-9)


def test_the_difference_of_other_weights_shows(path):
    model = convnet()
    export.onnx(model, path)
    model.layers[-1].params["bias"][0] += 5
    assert export.largest_difference(model, path, images()) > 0.1
    model.layers[-1].params["bias"][0] = np.nan
    assert np.isnan(export.largest_difference(model, path, images()))


# How it is written


def test_between_convolutions_nothing_is_transposed(path, onnx):
    export.onnx(network("note004"), path)
    kinds = ["Transpose", "Conv", "Relu", "MaxPool", "Conv", "Relu", "MaxPool", "Transpose", "Flatten"]
    assert operations(onnx, path) == [*kinds, "Gemm", "Relu", "Gemm", "Softmax"]


def test_a_tensor_is_transposed_once_for_all_who_want_it(path, onnx):
    x = Input(IMAGE)
    kept = layers.Dropout(0.5)(x)
    branches = [layers.Conv2D(3, 1)(x), layers.Conv2D(3, 1)(kept), layers.MaxPooling2D(1)(kept)]
    export.onnx(Model(x, layers.Concatenate()(branches)), path)
    assert operations(onnx, path).count("Transpose") == 2  # in and out


def test_what_the_file_says(path, onnx):
    layer = [layers.Conv2D(4, (2, 3), padding="same", activation="relu", name="edges"), layers.Flatten(name="row")]
    model = Sequential([Input(IMAGE, name="photo"), *layer, layers.Dense(3, name="kind")], name="tiny")
    export.onnx(model, path)
    written = onnx.load(path)
    assert (written.producer_name, written.graph.name, written.opset_import[0].version) == ("tinyconv", "tiny", 17)
    (entrance,), (exit_,) = written.graph.input, written.graph.output
    assert (entrance.name, exit_.name) == ("photo", "kind")
    sizes = [dim.dim_param or dim.dim_value for dim in entrance.type.tensor_type.shape.dim]
    assert sizes == ["N", *IMAGE]
    names = [node.name for node in written.graph.node]
    assert names == ["photo/Transpose", "edges/Conv", "edges/Relu", "edges/Transpose", "row/Flatten", "kind/Gemm"]
    stored = {tensor.name: tuple(tensor.dims) for tensor in written.graph.initializer}
    assert stored["edges/kernel"] == (4, 2, 2, 3)
    attributes = {a.name: list(a.ints) for a in written.graph.node[1].attribute}
    assert attributes["pads"] == [0, 1, 1, 1]  # top, left, bottom, right: the odd one at the bottom


def test_outputs_are_named_after_their_layers(path, onnx):
    x = Input((5,), name="x")
    h = layers.Dense(4, name="h")(x)
    dropped = layers.Dropout(0.5, name="dropped")(h)
    model = Model(x, [h, dropped, layers.Dense(2, name="y")(dropped), layers.InputLayer((5,), name="same")(x)])
    assert_equal(shaken(model), path, np.random.default_rng(0).normal(size=(3, 5)))
    assert [value.name for value in onnx.load(path).graph.output] == ["h", "dropped", "y", "same"]


def test_layers_whose_names_meet_get_numbers(path):
    x = Input((4,), name="a")
    h = layers.Dense(4, name="a/Gemm")(layers.Dense(4, name="a/Gemm/Gemm")(x))
    assert_equal(Model(x, layers.Dense(4, name="b")(h)), path, np.eye(4))


def test_the_axes_of_both_orders():
    assert [axes(rank, FIRST) for rank in (1, 2, 3, 4)] == [[0], [0, 1], [0, 2, 1], [0, 3, 1, 2]]
    assert axes(4, LAST) == [0, 1, 2, 3]


@pytest.mark.parametrize("name", [n for n in layers.__all__ if inspect.isclass(getattr(layers, n)) and n != "Layer"])
def test_every_layer_has_a_translation(name):
    cls = getattr(layers, name)
    known = next(parent for parent in cls.__mro__ if parent in TRANSLATIONS)
    assert cls.forward is known.forward


# What goes wrong


class Double(layers.Layer):
    """A layer of somebody's own."""

    def compute_output_shape(self, input_shape):
        return input_shape

    def forward(self, x, training=False):
        return 2 * x, None


class DoubleDense(layers.Dense):
    """A known layer that computes something else."""

    def forward(self, x, training=False):
        y, cache = super().forward(x, training)
        return 2 * y, cache


class Five(layers.Dense):
    """A known layer with another constructor."""

    def __init__(self):
        super().__init__(5, activation="tanh")


class Square(activations.Activation):
    """An activation of somebody's own."""

    def __call__(self, x):
        return x * x


class DoubleModel(Model):
    """A network that computes something else."""

    def forward(self, x, training=False):
        y, cache = super().forward(x, training)
        return 2 * y, cache


def test_a_subclass_that_computes_the_same_is_written(path):
    assert_equal(Sequential([Input((3,)), Five()]), path, np.eye(3))


@pytest.mark.parametrize(
    ("layer", "names"),
    [
        (lambda: Double(name="mine"), "Double 'mine': .*test_export_onnx.Double"),
        (lambda: DoubleDense(3, name="mine"), "DoubleDense 'mine': .*test_export_onnx.DoubleDense"),
        (lambda: layers.Dense(3, activation=Square(), name="mine"), "Dense 'mine': .*test_export_onnx.Square"),
        (lambda: DoubleModel(x := Input((3,)), layers.Dense(2)(x), name="mine"), "DoubleModel 'mine': .*forward"),
    ],
)
def test_what_is_not_ours_is_named_and_the_old_file_stays(layer, names, path):
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=f"{names}.*export the model"):
        export.onnx(Sequential([Input((3,)), layer()]), path)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_if_it_cannot_be_written_the_old_file_stays(path, monkeypatch):
    path.write_bytes(b"old")
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        export.onnx(convnet(), path)
    assert path.read_bytes() == b"old"
    assert list(path.parent.iterdir()) == [path]


def test_what_the_checker_refuses_is_not_written(path, onnx, monkeypatch):
    monkeypatch.setattr(Graph, "constant", lambda self, name, *_: name)  # the weights are forgotten
    with pytest.raises(onnx.checker.ValidationError):
        export.onnx(convnet(), path)
    assert not path.exists()


def test_resizing_needs_a_size(path):
    model = Model(x := Input((None, 6, 3)), layers.Resizing(4, 4, name="small")(x))
    with pytest.raises(ValueError, match=r"'small': expected images of a known size.*\(None, None, 6, 3\).*Input\(\)"):
        export.onnx(model, path)


def test_too_many_weights(path, monkeypatch):
    monkeypatch.setattr(exporting, "LARGEST_FILE", 100)
    with pytest.raises(ValueError, match=r"weights of less than 2 GB.*Received \d+ bytes.*\.keras"):
        export.onnx(convnet(), path)


@pytest.mark.parametrize("opset", [12, 1000])
def test_a_version_that_is_not_there(opset, path):
    with pytest.raises(ValueError, match=f"opset from 13 to .*opset={opset}"):
        export.onnx(convnet(), path, opset=opset)


def test_places_that_are_none(path):
    with pytest.raises(ValueError, match=r"ending in \.onnx.*network\.keras"):
        export.onnx(convnet(), path.with_suffix(".keras"))
    with pytest.raises(FileNotFoundError, match=r"the folder .*nowhere to exist"):
        export.onnx(convnet(), path.parent / "nowhere" / "network.onnx")


def test_a_network_without_a_shape(path):
    with pytest.raises(ValueError, match="a known input shape"):
        export.onnx(Sequential([layers.Dense(3)]), path)


def test_without_the_libraries(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(ImportError, match=r"the library onnx\..*pip install 'tinyconv\[onnx\]'"):
        export.onnx(convnet(), path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ImportError, match=r"the library onnxruntime\..*pip install 'tinyconv\[onnx\]'"):
        export.largest_difference(convnet(), path, images())
