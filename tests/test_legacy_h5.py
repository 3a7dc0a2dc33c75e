"""The older format, .h5: what is written comes back, files of Keras 2 are understood, and bad ones are refused."""

import json
import os

import h5py
import numpy as np
import pytest
from saved_models import (
    HOLDS,
    assert_twins,
    full,
    linked,
    refused,
    round_trip,
    two_vectors,
    virtual,
    with_models_inside,
)
from tiny_networks import assert_same, branched, compiled, convnet, images, labels, two_headed, two_headed_data

from tinyconv import Input, Model, Sequential
from tinyconv.layers import (
    Add,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    LeakyReLU,
    MaxPooling2D,
)
from tinyconv.models import load_model


@pytest.fixture
def path(tmp_path):
    """Where the model goes."""
    return tmp_path / "model.h5"


@pytest.fixture
def saved(path):
    """A small model in a file."""
    Sequential([Input((5,)), Dense(3, name="d")]).save(path)
    return path


# What comes back


@pytest.mark.parametrize("case", HOLDS, ids=[case.id for case in HOLDS])
def test_every_layer_comes_back(case, path):
    layer = case.layer("float32")
    inputs = [Input(shape[1:]) for shape in case.shapes]
    model = Model(inputs, layer(inputs if case.takes_list else inputs[0]))
    assert_twins(model, round_trip(model, path), case.input(dtype="float32"))


def test_graphs_and_models_inside_come_back(path):
    for model, x in [(branched(), images()), (with_models_inside(), two_vectors())]:
        assert_twins(model, round_trip(model, path), x)


def test_frozen_layers_inside_come_back(path):
    inner = Sequential([Input((4,)), Dense(4, trainable=False), BatchNormalization(), Dense(4)])
    inner.set_weights([np.full(w.shape, i + 1.0) for i, w in enumerate(inner.get_weights())])
    model = Sequential([Input((4,)), inner, Dense(2)])
    assert_twins(model, round_trip(model, path), np.ones((2, 4)))


def test_settings_of_compile_come_back(path):
    model, (x, y) = two_headed(), two_headed_data()
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    model.compile("adam", losses, loss_weights={"kind": 0.5, "size": 2.0}, metrics={"kind": ["accuracy"]})
    expected = model.evaluate(x, y, verbose=0)
    assert round_trip(model, path).evaluate(x, y, verbose=0) == expected
    assert load_model(path, compile=False).optimizer is None


def test_a_file_of_the_format_is_found_by_its_content(tmp_path):
    model = convnet()
    model.save(tmp_path / "model.hdf5")
    (tmp_path / "model.hdf5").rename(tmp_path / "model.keras")
    assert_twins(model, load_model(tmp_path / "model.keras"), images())


def test_layers_are_named_in_the_file(saved):
    with h5py.File(saved) as h5:
        assert list(h5["model_weights"].attrs["layer_names"]) == [b"d"]
        assert [str(n, "ascii") for n in h5["model_weights/d"].attrs["weight_names"]] == ["d/kernel", "d/bias"]
        assert h5["model_weights/d/d/kernel"].shape == (5, 3)
        assert json.loads(h5.attrs["model_config"])["class_name"] == "Sequential"


def test_a_long_list_of_names_is_cut_into_parts(path):
    names = [f"a_rather_long_name_{'x' * 500}_{i}" for i in range(150)]
    model = Sequential([Input((2,)), *(LeakyReLU(name=name) for name in names), Dense(2)])
    loaded = round_trip(model, path)
    with h5py.File(path) as h5:
        assert "layer_names" not in h5["model_weights"].attrs
        assert len(h5["model_weights"].attrs["layer_names0"]) < 150
    assert [layer.name for layer in loaded.layers[:-1]] == names


@pytest.mark.parametrize("before", [b"the old model", None])
def test_a_failure_leaves_the_old_file_and_nothing_else(before, path, monkeypatch):
    if before:
        path.write_bytes(before)
    model = convnet()
    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        model.save(path)
    monkeypatch.undo()
    assert [file.read_bytes() for file in path.parent.iterdir()] == ([before] if before else [])


# Files of Keras 2


def keras_2_entry(cls, shape=None, **settings):
    """The description of a layer by Keras 2."""
    shape = {} if shape is None else {"batch_input_shape": shape}
    return {"class_name": cls, "config": {"trainable": True, "dtype": "float32", **shape, **settings}}


def keras_2_line():
    """A line of layers as Keras 2 described it, and the same network here."""
    zeros = {"class_name": "Zeros", "config": {}}
    conv = {"filters": 4, "kernel_size": [3, 3], "groups": 1, "activation": "relu", "bias_initializer": zeros,
            "activity_regularizer": None, "kernel_constraint": None}  # fmt: skip
    shape = [None, 7, 6, 2]
    entries = [
        keras_2_entry("Conv2D", shape, name="c", **conv),
        keras_2_entry("MaxPooling2D", name="m", pool_size=[2, 2], strides=[2, 2], padding="valid"),
        keras_2_entry("BatchNormalization", name="b", axis=[3], momentum=0.99, epsilon=0.001),
        keras_2_entry("DepthwiseConv2D", name="w", kernel_size=[1, 1], groups=1, depth_multiplier=1),
        keras_2_entry("LeakyReLU", name="l", alpha=0.2),
        keras_2_entry("Dropout", name="r", rate=0.5, noise_shape=None, seed=None),
        keras_2_entry("Flatten", name="f", data_format="channels_last"),
        keras_2_entry("Dense", name="d", units=3, activation="softmax"),
    ]
    first = [Input((7, 6, 2)), Conv2D(4, 3, activation="relu", name="c"), MaxPooling2D(), BatchNormalization(name="b")]
    then = [DepthwiseConv2D(1, name="w"), LeakyReLU(0.2), Dropout(0.5), Flatten()]
    last = Dense(3, activation="softmax", name="d")
    return entries, compiled(Sequential([*first, *then, last]), "adam")


def write_keras_2(path, config, model, training=None, memory=()):
    """A file as Keras 2 wrote it: names end in ":0", and layers without weights are named too."""
    with h5py.File(path, "w") as h5:
        h5.attrs["keras_version"], h5.attrs["backend"] = b"2.4.0", b"tensorflow"
        h5.attrs["model_config"] = json.dumps(config).encode()
        if training:
            h5.attrs["training_config"] = json.dumps(training).encode()
        write_weights(h5.create_group("model_weights"), model)
        if memory:
            group = h5.create_group("optimizer_weights")
            group.attrs["weight_names"] = [name.encode() for name, _ in memory]
            for name, array in memory:
                group[name] = array


def write_weights(group, model):
    """The weights of a network by the names of its layers."""
    group.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
    for layer in model.layers:
        store = group.create_group(layer.name)
        arrays = {f"{layer.name}/weight_{i}:0": array for i, array in enumerate(layer.get_weights())}
        store.attrs["weight_names"] = [name.encode() for name in arrays]
        for name, array in arrays.items():
            store[name] = array


ACCURACY = {"class_name": "MeanMetricWrapper",
            "config": {"name": "accuracy", "dtype": "float32", "fn": "sparse_categorical_accuracy"}}  # fmt: skip
CROSSENTROPY = {"reduction": "auto", "name": "l", "from_logits": False, "fn": "sparse_categorical_crossentropy"}
TRAINING = {
    "loss": {"class_name": "SparseCategoricalCrossentropy", "config": CROSSENTROPY},
    "metrics": [[ACCURACY]],
    "weighted_metrics": None,
    "loss_weights": None,
    "optimizer_config": {"class_name": "Custom>Adam", "config": {"name": "Adam", "learning_rate": 0.001, "decay": 0.0,
                         "is_legacy_optimizer": False, "jit_compile": True, "ema_overwrite_frequency": 100}},
}  # fmt: skip


@pytest.mark.parametrize("form", ["today's", "with an input layer", "a bare list"])
def test_a_line_of_keras_2_is_read(form, path):
    entries, model = keras_2_line()
    if form == "with an input layer":
        entries.insert(0, keras_2_entry("InputLayer", [None, 7, 6, 2], name="i", sparse=False, ragged=False))
    config = entries if form == "a bare list" else {"name": "line", "layers": entries}
    write_keras_2(path, {"class_name": "Sequential", "config": config}, model)
    loaded = load_model(path)
    assert_same(loaded.get_weights(), model.get_weights())
    np.testing.assert_array_equal(loaded.predict(images(), verbose=0), model.predict(images(), verbose=0))


def test_settings_of_keras_2_are_read(path):
    entries, model = keras_2_line()
    write_keras_2(path, {"class_name": "Sequential", "config": {"name": "line", "layers": entries}}, model, TRAINING)
    loaded = load_model(path)
    assert list(loaded.evaluate(images(), labels(), verbose=0, return_dict=True)) == ["loss", "accuracy"]
    assert loaded.optimizer.get_config() == model.optimizer.get_config() | {"name": "Adam"}


@pytest.mark.parametrize("style", ["before 2.11", "from 2.11"])
def test_an_optimizer_of_keras_2_goes_on(style, path):
    entries, model = keras_2_line()
    model.fit(images(), labels(), epochs=2, verbose=0)
    memory = memory_of_keras_2(model, style)
    config = {"class_name": "Sequential", "config": {"name": "line", "layers": entries}}
    write_keras_2(path, config, model, TRAINING, memory)
    loaded = load_model(path)
    assert loaded.optimizer.iterations == model.optimizer.iterations
    for name, slot in model.optimizer.slots.items():
        np.testing.assert_array_equal(loaded.optimizer.slots[name], slot)


def memory_of_keras_2(model, style):
    """(name, array) of what Adam remembers: first all m, then all v; later in turns."""
    shapes = [array.shape for layer in model.layers for array in layer.params.values()]
    ends = np.cumsum([np.prod(shape) for shape in shapes])[:-1]
    found = {
        word: [part.reshape(shape) for part, shape in zip(np.split(slot, ends), shapes, strict=True)]
        for word, slot in zip("mv", model.optimizer.slots.values(), strict=True)
    }
    steps = np.int64(model.optimizer.iterations)
    if style == "before 2.11":
        return [("Adam/iter:0", steps)] + [(f"Adam/{i}/{w}:0", a) for w in "mv" for i, a in enumerate(found[w])]
    return [("iteration:0", steps)] + [(f"Adam/{w}/{i}:0", found[w][i]) for i in range(len(shapes)) for w in "mv"]


def keras_2_graph(kwargs):
    """Two inputs, a layer that is called twice, and a model inside, as Keras 2 described them."""
    dense = {"units": 4, "activation": "linear"}
    inner = {"name": "inner", "layers": [keras_2_entry("Dense", [None, 4], name="e", **dense)]}
    layers = [
        (keras_2_entry("InputLayer", [None, 4], name="a"), []),
        (keras_2_entry("Dense", name="s", **dense), [[["a", 0, 0, {}]], [["s", 0, 0, kwargs]]]),
        (keras_2_entry("InputLayer", [None, 4], name="b"), []),
        ({"class_name": "Sequential", "config": inner}, [[["s", 1, 0, {}]], [["b", 0, 0, {}]]]),
        (keras_2_entry("Add", name="p"), [[["inner", 1, 0, {}], ["b", 0, 0, {}]]]),
    ]
    entries = [{**e, "name": e["config"]["name"], "inbound_nodes": nodes} for e, nodes in layers]
    ends = {"input_layers": [["a", 0, 0], ["b", 0, 0]], "output_layers": [["p", 0, 0], ["inner", 2, 0]]}
    return {"class_name": "Functional", "config": {"name": "graph", "layers": entries, **ends}}


def graph():
    """The same network here."""
    a, b, shared = Input((4,), name="a"), Input((4,), name="b"), Dense(4, name="s")
    inner = Sequential([Input((4,)), Dense(4, name="e")], name="inner")
    first = inner(shared(shared(a)))
    return Model([a, b], [Add(name="p")([first, b]), inner(b)])


def test_a_graph_of_keras_2_is_read(path):
    model = graph()
    model.build()
    write_keras_2(path, keras_2_graph({"training": None}), model)
    loaded = load_model(path)
    for mine, theirs in zip(
        loaded.predict(two_vectors(), verbose=0), model.predict(two_vectors(), verbose=0), strict=True
    ):
        np.testing.assert_array_equal(mine, theirs)


def test_arguments_of_calls_are_named(path):
    model = graph()
    model.build()
    write_keras_2(path, keras_2_graph({"training": True}), model)
    refused(path, r"s: expected calls on tensors alone\. Received arguments {'training': True}")


# Weights alone


@pytest.mark.parametrize("whole", [False, True])
def test_weights_are_found_by_their_order(path, whole):
    model = keras_2_line()[1]
    if whole:
        model.save(path)
    else:
        with h5py.File(path, "w") as h5:
            write_weights(h5, model)
    other = keras_2_line()[1]
    for layer in other.layers:
        layer.name += "_other"
    other.load_weights(path)
    assert_same(other.get_weights(), model.get_weights())


def test_weights_are_found_by_name(path):
    model = Sequential([Input((5,)), Dense(3, name="x"), Dense(3, name="y")])
    model.save(path)
    other = Sequential([Input((3,)), Dense(3, name="y"), Dense(3, name="z")])
    before = other.get_weights()
    other.load_weights(path, by_name=True)
    assert_same(other.get_weights(), [*model.get_weights()[2:], *before[2:]])


def test_a_file_of_weights_alone_is_no_model(path):
    with h5py.File(path, "w") as h5:
        write_weights(h5, convnet())
    refused(path, r"expected a whole network\. Received weights alone\. Make the network and call its load_weights")


# Files that are damaged, or made to do harm


@pytest.mark.parametrize("part", [0.1, 0.5, 0.9, 0.999])
def test_a_file_cut_off_is_refused(saved, part):
    data = saved.read_bytes()
    saved.write_bytes(data[: int(len(data) * part)])
    refused(saved, "a whole HDF5 file")


KERNEL = "model_weights/d/d/kernel"


def replaced(h5, **dataset):
    """Another dataset in the kernel's place."""
    del h5[KERNEL]
    return h5.create_dataset(KERNEL, **dataset)


def packed(h5, stored):
    """A packed array whose bytes in the file are as many as its numbers need, and unpack to far more."""
    data = replaced(h5, shape=(5, 3), dtype="f4", chunks=(5, 3), compression="gzip")
    data.id.write_direct_chunk((0, 0), stored)


def within_itself(h5):
    """Let the layer's group hold itself where its arrays should be."""
    h5["model_weights/d/d"] = h5["model_weights/d"]


def named(h5, **names):
    """Other names in the lists of names."""
    for key, value in names.items():
        h5["model_weights" if key == "layer_names" else "model_weights/d"].attrs[key] = value


def changed(change):
    """A change of the description."""

    def on(h5):
        entry = json.loads(h5.attrs["model_config"])
        change(entry["config"]["layers"][1])
        h5.attrs["model_config"] = json.dumps(entry)

    return on


BAD = {
    "a wrong shape": (lambda h5: replaced(h5, data=np.ones((3, 5), "f4")), r"'d': d/kernel: expected shape \(5, 3\)"),
    "a wrong type": (lambda h5: replaced(h5, data=np.ones((5, 3), "f8")), "Received shape .* of float64"),
    "a terabyte": (lambda h5: replaced(h5, shape=(10**6, 10**6), dtype="f4", chunks=True), "1000000, 1000000"),
    "numbers that are not there": (lambda h5: replaced(h5, shape=(5, 3), dtype="f4", chunks=True), "the file holds 0"),
    "packed numbers": (lambda h5: packed(h5, b"x" * 60), r"an array as Keras stores it\. Received a packed one"),
    "no shape": (lambda h5: replaced(h5, data=h5py.Empty("f4")), "Received shape None"),
    "a missing array": (lambda h5: h5.__delitem__(KERNEL), "nothing at d/kernel"),
    "a missing layer": (lambda h5: h5.__delitem__("model_weights/d"), "nothing at d"),
    "no weights": (lambda h5: h5.__delitem__("model_weights"), "1 layers with weights"),
    "an external link": (linked(KERNEL, h5py.ExternalLink("/etc/passwd", "/x")), r"a link at d/kernel \(ExternalLink"),
    "a soft link": (linked(KERNEL, h5py.SoftLink("/model_weights/d/d/bias")), r"a link at d/kernel \(SoftLink\)"),
    "a loop of links": (linked(KERNEL, h5py.SoftLink(f"/{KERNEL}")), r"a link at d/kernel \(SoftLink\)"),
    "a link for all weights": (linked("model_weights", h5py.ExternalLink("x.h5", "/")), r"a link at model_weights"),
    "external storage": (
        lambda h5: replaced(h5, shape=(5, 3), dtype="f4", external=[("/etc/passwd", 0, 60)]),
        "other than an array in this file",
    ),
    "virtual storage": (lambda h5: virtual(h5, KERNEL), "other than an array in this file"),
    "a group in itself": (lambda h5: h5["model_weights/d"].move("d", "x") or within_itself(h5), "nothing at d/kernel"),
    "too many names": (lambda h5: named(h5, weight_names=[b"d/kernel"] * 3), "expected 2 arrays. Received 3"),
    "names that are numbers": (lambda h5: named(h5, layer_names=[1.0]), "other than text as attribute 'layer_names'"),
    "empty names": (lambda h5: named(h5, weight_names=[b"", b"/"]), "nothing at"),
    "a path upwards": (lambda h5: named(h5, weight_names=[b"../d", b"."]), "nothing at"),
    "another layer": (lambda h5: named(h5, layer_names=[b"e"]), "nothing at e"),
    "no description": (lambda h5: h5.attrs.__delitem__("model_config"), "a whole network. Received weights alone"),
    "half of a description": (lambda h5: h5.attrs.__setitem__("model_config", "{"), "the description of a network"),
    "a description that is none": (lambda h5: h5.attrs.__setitem__("model_config", "[]"), "list, not an object"),
    "a number for a description": (lambda h5: h5.attrs.__setitem__("model_config", 3), "other than text"),
    "an unknown layer": (changed(lambda e: e.update(class_name="Magic")), "layer 'Magic'.*an unknown one, named 'd'"),
    "code": (changed(lambda e: e.update(class_name="Lambda")), "layer 'Lambda'.*It holds code, which is never run"),
    "an unknown setting": (changed(lambda e: e["config"].update(unitz=3)), "Dense 'd'.*Received unitz=3"),
    "a constraint": (changed(lambda e: e["config"].update(kernel_constraint="max_norm")), "'d'.*kernel_constraint="),
    "units that need a terabyte": (changed(lambda e: e["config"].update(units=10**11)), "layers that need"),
}  # fmt: skip


@pytest.mark.parametrize(("change", "match"), BAD.values(), ids=BAD)
def test_a_bad_file_is_refused(saved, change, match):
    with h5py.File(saved, "r+") as h5:
        change(h5)
    refused(saved, match)


def test_a_description_of_enormous_size_is_refused(saved, monkeypatch):
    monkeypatch.setattr("tinyconv.models.attributes.LARGEST_TEXT", 400)
    refused(saved, "an attribute 'model_config' of ")


def test_marshalled_code_is_not_run(saved):
    with h5py.File(saved, "r+") as h5:
        code = ["4wEAAAAAAAAAAAAAAAEAAAABAAAAQwAAAHMEAAAAfABTACkB", None, None]
        changed(lambda e: e.update(class_name="Lambda", config={"name": "l", "function": code}))(h5)
    refused(saved, "layer 'Lambda': expected a class that tinyconv has. Received an unknown one, named 'l'")


def test_bad_weights_change_nothing(saved):
    with h5py.File(saved, "r+") as h5:
        del h5["model_weights/d/d/bias"]
    model = Sequential([Input((5,)), Dense(3)])
    before = model.get_weights()
    refused(saved, "nothing at d/bias", model.load_weights)
    assert_same(model.get_weights(), before)
